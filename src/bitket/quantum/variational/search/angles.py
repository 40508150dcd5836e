"""The energy of a growing circuit, and its angles optimised after each gate.

Two ways to optimise: without shots, sequential sine fits of every angle (which leave saddle points, where a new angle stands) and then
L-BFGS on the adjoint gradient, or COBYLA as the source has it; with shots, Adam-SPSA in stages of rising shots that share their
moments. Results without shots depend on nothing but the gates and are kept. Small circuits without noise are fitted in one call of
compiled code (``native/angles.cpp``); larger and noisy ones, and a library without it, by `bitket.learning`'s NFT and L-BFGS-B.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from importlib import import_module
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from bitket.algebra import PauliSum
from bitket.errors import InvalidInput
from bitket.learning import COBYLA, NFT, AdamSPSA, LocalSearch, Result, batched, with_value
from bitket.quantum.noise import NoiseModel
from bitket.quantum.simulation import expectation
from bitket.quantum.variational.search.encoding import Gate, build

__all__ = ["AngleSearch", "Fitted", "ShotStage"]

_native: Any
try:
    _native = import_module("bitket.quantum.variational.search.native._angles")
except ImportError:
    _native = None

_KEPT = 200_000
"""Circuits whose angles are remembered."""
_SMALL = 12
"""Qubits up to which the compiled fit, which has one thread and no plan, is the faster one."""


@dataclass(frozen=True)
class ShotStage:
    """Steps of Adam-SPSA, each of two energies (and one at the new point) from ``shots`` shots for each term."""

    iterations: int
    shots: int

    def __post_init__(self) -> None:
        if min(self.iterations, self.shots) < 1:
            raise InvalidInput("stage: iterations and shots must be positive")


@dataclass(frozen=True)
class Fitted:
    """Angles, their energy (with shots: measured by those of the last stage), and how many energies that took."""

    angles: NDArray[np.float64]
    energy: float
    evaluations: int


@dataclass
class AngleSearch:
    """Energies of circuits under a noise model, and the search for their angles.

    Attributes
    ----------
    operator
        Hermitian.
    noise
        None for exact states.
    method
        ``"gradient"`` or ``"cobyla"``, used where there are no stages.
    evaluations
        Most energies of COBYLA, most gradients of L-BFGS-B.
    stages
        With shots: Adam-SPSA in stages; its settings are ``spsa``.
    statistics
        Of shots: ``"binomial"``, variance (1 - <P>²)/shots for each term, or ``"gaussian"``, 1/shots, as the source has it.
    """

    operator: PauliSum
    noise: NoiseModel | None = None
    method: Literal["gradient", "cobyla"] = "gradient"
    evaluations: int = 1000
    stages: tuple[ShotStage, ...] = ()
    spsa: AdamSPSA = field(default_factory=AdamSPSA)
    statistics: Literal["binomial", "gaussian"] = "binomial"

    def __post_init__(self) -> None:
        if not self.operator.is_hermitian():
            raise InvalidInput("architecture search: the operator is not Hermitian")
        n = self.operator.num_qubits
        self._terms = [PauliSum.from_masks(n, [(1.0, x, z)]) for _, x, z in self.operator.masks() if x | z]
        self._coefficients = np.array([c.real for c, x, z in self.operator.masks() if x | z])
        self._constant = float(sum(c.real for c, x, z in self.operator.masks() if not x | z))
        self._masks = np.array([(x, z) for _, x, z in self.operator.masks()], np.int64).reshape(-1, 2)
        self._all_coefficients = np.array([c.real for c, _, _ in self.operator.masks()])
        self._kept: dict[tuple[Gate, ...], Fitted] = {}

    def energy(self, gates: Sequence[Gate], angles: NDArray[np.float64]) -> float:
        """Energy without shot noise."""
        circuit = build(gates, self.operator.num_qubits)
        with torch.no_grad():
            weights = torch.from_numpy(np.asarray(angles, dtype=float)) if len(angles) else None
            return float(expectation(circuit, self.operator, weights, noise=self.noise))

    def fit(self, gates: Sequence[Gate], start: NDArray[np.float64], generator: np.random.Generator) -> Fitted:
        """Optimise the angles from ``start``; with shots the generator draws them and the directions."""
        key = tuple(gates)
        if not len(start):
            return Fitted(start, self.energy(gates, start), 1)
        if self.stages:
            return self._with_shots(gates, start, generator)
        found = self._kept.get(key)
        if found is None:
            if len(self._kept) >= _KEPT:
                self._kept.clear()
            found = self._kept[key] = self._exact(gates, start)
        return found

    def _exact(self, gates: Sequence[Gate], start: NDArray[np.float64]) -> Fitted:
        n = self.operator.num_qubits
        if self.method == "gradient" and self.noise is None and _native is not None and n <= _SMALL:
            angles = np.array(start, dtype=float)
            rows = np.array([_row(g) for g in gates], np.int64)
            energy, evaluations = _native.fit(n, self._masks, self._all_coefficients, rows, angles, self.evaluations)
            return Fitted(angles, energy, evaluations)
        return self._by_scipy(gates, start)

    def _by_scipy(self, gates: Sequence[Gate], start: NDArray[np.float64]) -> Fitted:
        circuit = build(gates, self.operator.num_qubits)

        @batched
        def value(points: NDArray[np.float64]) -> NDArray[np.float64]:
            with torch.no_grad():
                return expectation(circuit, self.operator, torch.from_numpy(points), noise=self.noise).numpy()

        @with_value
        def slope(point: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
            w = torch.tensor(point, dtype=torch.float64, requires_grad=True)
            energy = expectation(circuit, self.operator, w, noise=self.noise)
            return float(energy.detach()), torch.autograd.grad(energy, w)[0].numpy()

        found: Result
        if self.method == "cobyla":
            found = COBYLA(self.evaluations).minimize(value, start)
            return Fitted(found.x, found.fun, found.nfev)
        swept = NFT(len(start)).minimize(value, start)
        found = LocalSearch("L-BFGS-B", self.evaluations, tolerance=1e-12).minimize(value, swept.x, slope)
        return Fitted(found.x, found.fun, swept.nfev + found.nfev)

    def _with_shots(self, gates: Sequence[Gate], start: NDArray[np.float64], generator: np.random.Generator) -> Fitted:
        circuit = build(gates, self.operator.num_qubits)
        shots = 0

        @batched
        def value(points: NDArray[np.float64]) -> NDArray[np.float64]:
            with torch.no_grad():
                weights = torch.from_numpy(points)
                if self.statistics == "gaussian":
                    mean = expectation(circuit, self.operator, weights, noise=self.noise).numpy()
                    spread = np.full(len(points), np.linalg.norm(self._coefficients))
                else:
                    terms = expectation(circuit, self._terms, weights, noise=self.noise).numpy()
                    mean = self._constant + terms @ self._coefficients
                    variances = np.clip(1 - terms**2, 0, None)
                    spread = np.sqrt(variances @ self._coefficients**2)
            # A mean of many shots is normal: the sum over terms is one normal number.
            return mean + spread / np.sqrt(shots) * generator.standard_normal(len(points))

        state: dict[str, Any] | None = None
        done = 0
        for stage in self.stages:
            shots = stage.shots
            done += stage.iterations
            latest: dict[str, Any] = {}
            found = replace(self.spsa, iterations=done).minimize(
                value, start, state=state, generator=generator, callback=latest.update
            )
            # A value of few shots must not be the best one to the end.
            state = latest | ({"best": np.inf, "best_x": found.x} if self.spsa.keep_best else {})
        # Measured anew: the best of many noisy values is too low.
        return Fitted(found.x, float(value(found.x[None])[0]), found.nfev + 1)


def _row(gate: Gate) -> tuple[int, int, int]:
    """A gate in the words of the compiled fit: the axis of a rotation and its qubit, or 3, control and target."""
    return (gate.axis, gate.qubit, 0) if gate.axis is not None else (3, gate.qubit, gate.target or 0)

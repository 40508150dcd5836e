"""Variational quantum eigensolver: the lowest expectation value of an operator over the states of an ansatz.

E(theta) = <0| U(theta)† H U(theta) |0>  >=  E_0   (Peruzzo et al. 2014, arXiv:1304.3061)
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike

from bitket.algebra import PauliSum
from bitket.errors import InvalidInput
from bitket.learning import LocalSearch, Optimiser, Result
from bitket.learning.minimize import Callback, State
from bitket.quantum.circuits import Circuit
from bitket.quantum.noise import NoiseModel
from bitket.quantum.simulation import expectation

__all__ = ["VQE"]


@dataclass(frozen=True)
class VQE:
    """An operator, an ansatz and an optimiser.

    Attributes
    ----------
    operator
        Hermitian.
    ansatz
        A circuit with weights and no inputs.
    optimiser
        By default L-BFGS-B on the exact gradient.
    noise
        Noise model of the energies; None for exact states.
    shots
        Energies from that many shots; None for exact values.
    """

    operator: PauliSum
    ansatz: Circuit
    optimiser: Optimiser = field(default_factory=lambda: LocalSearch("L-BFGS-B", 1000, tolerance=1e-12))
    noise: NoiseModel | None = None
    shots: int | None = None

    def __post_init__(self) -> None:
        if self.ansatz.inputs or not self.ansatz.weights:
            raise InvalidInput("VQE: the ansatz needs weights and no inputs")

    def energies(self, weights: ArrayLike, generator: torch.Generator | None = None) -> np.ndarray:
        """Energies ``[...]`` at weights ``[..., P]``."""
        with torch.no_grad():
            values = expectation(
                self.ansatz,
                self.operator,
                np.asarray(weights, dtype=float),
                noise=self.noise,
                shots=self.shots,
                generator=generator,
            )
        return values.numpy()

    def run(
        self,
        start: ArrayLike | None = None,
        *,
        generator: np.random.Generator,
        callback: Callback | None = None,
        state: State | None = None,
    ) -> Result:
        """Minimise the energy.

        Parameters
        ----------
        start
            Weights to start from, ``[P]``; by default uniform in [-pi, pi).
        generator
            Draws the start, and shots and perturbations where they are drawn.
        """
        if start is None:
            start = generator.uniform(-np.pi, np.pi, len(self.ansatz.weights))
        shots = torch.Generator().manual_seed(int(generator.integers(2**62))) if self.shots else None

        def energy(points: np.ndarray) -> np.ndarray:
            return self.energies(points, shots)

        energy.batch = True  # type: ignore[attr-defined]

        def slope(point: np.ndarray) -> Any:
            w = torch.tensor(point, dtype=torch.float64, requires_grad=True)
            value = expectation(self.ansatz, self.operator, w, noise=self.noise, shots=self.shots, generator=shots)
            return torch.autograd.grad(value, w)[0].numpy()

        return self.optimiser.minimize(energy, start, slope, callback=callback, state=state, generator=generator)

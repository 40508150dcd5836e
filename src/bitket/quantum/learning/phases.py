"""Quantum data: states that a classifier of phases learns to tell apart.

Aubry-André chain (Aubry and André 1980), open ends, quenched from alternating spins: extended below V/g = 2, localised above.

    H = -(g/2) Σ_k (X_k X_{k+1} + Y_k Y_{k+1}) - Σ_k (V_k/2) Z_k,   V_k = V cos(2π α k + φ),   α = (√5 - 1)/2,   k = 0 ... n-1

Cluster-Ising ring, ground states (Smacchia et al. 2011, arXiv:1105.0853): a cluster state's phase below λ = 1, an antiferromagnet above.

    H = -Σ_j X_{j-1} Z_j X_{j+1} + λ Σ_j Y_j Y_{j+1}

Z is conserved by the first, so that states are evolved among basis states of one magnetisation; by the Jordan-Wigner transformation it is
one of free fermions with the single-particle matrix h_kk = V_k, h_k,k+1 = -g, which the tests hold against it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from bitket.algebra import PauliSum
from bitket.algebra.subspaces import restricted_matrix
from bitket.errors import InvalidInput
from bitket.quantum.circuits import Circuit, Parameter
from bitket.quantum.learning.differentiable import log_probabilities
from bitket.quantum.learning.interleaved import interleaved_circuit
from bitket.quantum.noise import NoiseModel
from bitket.quantum.simulation import QuantumLayer

__all__ = [
    "PhaseData",
    "PhaseModule",
    "aubry_andre_circuit",
    "aubry_andre_data",
    "aubry_andre_hamiltonian",
    "aubry_andre_potentials",
    "aubry_andre_states",
    "cluster_ising_ground_states",
    "cluster_ising_hamiltonian",
]

Array = NDArray[np.float64]
States = NDArray[np.complex128]
_GOLDEN = (math.sqrt(5) - 1) / 2
_MOST_QUBITS = 16
_TIME = 5.0
"""g t of the quench: within 2 to 10, where the phases differ; the paper's value is not known."""


def _size(n: int, least: int = 2) -> None:
    if isinstance(n, bool) or not isinstance(n, int | np.integer) or not least <= n <= _MOST_QUBITS:
        raise InvalidInput(f"chain of {n!r} qubits: {least} to {_MOST_QUBITS} are possible")


def _finite(**values: Any) -> None:
    for name, value in values.items():
        if not np.isfinite(value).all():
            raise InvalidInput(f"quantum data: {name} has values that are not finite")


def aubry_andre_potentials(amplitude: ArrayLike, phase: ArrayLike, n_qubits: int = 10) -> Array:
    """``V cos(2π α k + φ)`` for each site, ``[..., n]``, for V and φ of the same shape ``[...]``."""
    _size(n_qubits)
    v, phi = np.broadcast_arrays(np.asarray(amplitude, dtype=float), np.asarray(phase, dtype=float))
    _finite(amplitude=v, phase=phi)
    return np.asarray(v[..., None] * np.cos(2 * np.pi * _GOLDEN * np.arange(n_qubits) + phi[..., None]))


def aubry_andre_hamiltonian(potentials: ArrayLike, coupling: float = 1.0) -> PauliSum:
    """H for potentials V_k ``[n]`` and coupling g.

    >>> aubry_andre_hamiltonian([1.0, 0.0], 2.0)
    PauliSum(2 qubits, 3 terms)
    """
    v = np.asarray(potentials, dtype=float)
    _size(len(v))
    _finite(potentials=v, coupling=coupling)
    n = len(v)
    hopping = [(letters, [k, k + 1], -coupling / 2) for letters in ("XX", "YY") for k in range(n - 1)]
    return PauliSum.from_sparse(hopping + [("Z", [k], -v[k] / 2) for k in range(n)], n).simplify(0.0)


def _start(n: int, excited: Sequence[int] | None) -> int:
    """The basis state of the quench: by default the second, fourth, ... qubit excited."""
    sites = range(1, n, 2) if excited is None else excited
    if any(not 0 <= q < n for q in sites) or len(set(sites)) != len(tuple(sites)):
        raise InvalidInput(f"quench: excited qubits {list(sites)}; different ones below {n} are needed")
    return sum(1 << q for q in sites)


def aubry_andre_states(
    potentials: ArrayLike, time: float = _TIME, coupling: float = 1.0, excited: Sequence[int] | None = None
) -> States:
    """``exp(-i H t)`` on a basis state, ``[N, 2^n]``, for potentials ``[N, n]``; qubit 0 is the least significant bit.

    Parameters
    ----------
    potentials
        V_k of each state.
    time, coupling
        t and g.
    excited
        Qubits that start in 1; None: every second, beginning with qubit 1.

    Raises
    ------
    InvalidInput
        A shape, number or qubit does not fit.

    Notes
    -----
    Sparse, in the sector of the start's magnetisation; accurate to about 1e-13 (Al-Mohy and Higham 2011, SIAM J. Sci. Comput. 33, 488).
    """
    from scipy.sparse import csr_matrix, diags_array
    from scipy.sparse.linalg import expm_multiply

    v = np.asarray(potentials, dtype=float)
    if v.ndim != 2:
        raise InvalidInput(f"quantum data: potentials of shape {v.shape}; [states, qubits] are needed")
    n = v.shape[1]
    _size(n)
    _finite(potentials=v, time=time, coupling=coupling)
    start = _start(n, excited)
    sector = np.flatnonzero(np.bitwise_count(np.arange(1 << n)) == start.bit_count())
    hopping = aubry_andre_hamiltonian(np.zeros(n), coupling)
    kinetic = restricted_matrix(hopping._by_x(), sector) if len(hopping) else csr_matrix((len(sector),) * 2)
    signs = 1 - 2.0 * (sector[:, None] >> np.arange(n) & 1)  # Z_k of each basis state
    first = (sector == start).astype(complex)
    out = np.zeros((len(v), 1 << n), dtype=complex)
    for row, potential in zip(out, v, strict=True):
        diagonal = -signs @ potential / 2
        whole = -1j * time * (kinetic + diags_array(diagonal))
        row[sector] = expm_multiply(whole, first, traceA=-1j * time * diagonal.sum())
    return out


def aubry_andre_circuit(
    n_qubits: int = 10,
    time: float = _TIME,
    coupling: float = 1.0,
    steps: int = 40,
    excited: Sequence[int] | None = None,
) -> Circuit:
    """The quench as a circuit with the potentials V_0 ... V_{n-1} as inputs: second-order Trotter steps.

    One step of δ = t / steps is ``exp(-i D δ/2) exp(-i K_even δ/2) exp(-i K_odd δ) exp(-i K_even δ/2) exp(-i D δ/2)`` with the potentials
    in D; XX and YY of a bond commute. The error falls as 1/steps².
    """
    _size(n_qubits)
    _finite(time=time, coupling=coupling)
    if steps < 1:
        raise InvalidInput(f"quench: {steps} Trotter steps; a positive number is needed")
    start, delta = _start(n_qubits, excited), time / steps
    c = Circuit(n_qubits, name="quench")
    potentials = [Parameter(f"v{k}", "input") for k in range(n_qubits)]
    for q in range(n_qubits):
        if start >> q & 1:
            c.x(q)

    def turn(part: float) -> None:
        for q, v in enumerate(potentials):
            c.rz(-part * delta * v, q)

    def hop(first: int, part: float) -> None:
        for q in range(first, n_qubits - 1, 2):
            angle = -part * delta * coupling
            c.rxx(angle, q, q + 1).ryy(angle, q, q + 1)

    for k in range(steps):
        turn(0.5 if k == 0 else 1.0)  # the last half of a step and the first half of the next in one
        hop(0, 0.5)
        hop(1, 1.0)
        hop(0, 0.5)
    turn(0.5)
    return c


@dataclass(frozen=True, eq=False)
class PhaseData:
    """Potentials of quenched chains and their phase.

    Attributes
    ----------
    potentials
        V_k, ``[N, n]``.
    labels
        0: extended (thermal), 1: localised, ``[N]``.
    amplitudes, phases
        V/g and φ, ``[N]``.
    """

    potentials: Array
    labels: NDArray[np.int64]
    amplitudes: Array
    phases: Array


def aubry_andre_data(
    per_class: int,
    generator: np.random.Generator,
    n_qubits: int = 10,
    extended: tuple[float, float] = (0.0, 1.0),
    localised: tuple[float, float] = (4.0, 5.0),
) -> PhaseData:
    """Chains of both phases in random order: V/g uniform in the given ranges, φ uniform over 2π.

    >>> data = aubry_andre_data(3, np.random.default_rng(0))
    >>> data.potentials.shape, sorted(data.labels.tolist())
    ((6, 10), [0, 0, 0, 1, 1, 1])
    """
    if per_class < 1:
        raise InvalidInput(f"quantum data: {per_class} chains of each phase; one or more are needed")
    labels = generator.permutation(np.repeat([0, 1], per_class))
    low, high = np.array([extended, localised])[labels].T
    amplitudes = generator.uniform(low, high)
    phases = generator.uniform(0, 2 * np.pi, len(labels))
    return PhaseData(aubry_andre_potentials(amplitudes, phases, n_qubits), labels, amplitudes, phases)


def cluster_ising_hamiltonian(n_qubits: int, ratio: float) -> PauliSum:
    """H of the ring for λ = ``ratio``."""
    _size(n_qubits, 3)
    _finite(ratio=ratio)
    n = n_qubits
    terms = [("XZX", [(j - 1) % n, j, (j + 1) % n], -1.0) for j in range(n)]
    return PauliSum.from_sparse(terms + [("YY", [j, (j + 1) % n], ratio) for j in range(n)], n).simplify(0.0)


def cluster_ising_ground_states(ratios: ArrayLike, n_qubits: int = 10) -> tuple[Array, States]:
    """Ground energies ``[N]`` and states ``[N, 2^n]`` for λ ``[N]``, by sparse diagonalisation; the largest amplitude is positive.

    Where the ground state is degenerate (λ = 0 apart, on rings only as n grows), one of its states.
    """
    values = np.asarray(ratios, dtype=float)
    if values.ndim != 1:
        raise InvalidInput(f"quantum data: ratios of shape {values.shape}; [states] are needed")
    energies = np.empty(len(values))
    states = np.empty((len(values), 1 << n_qubits), dtype=complex)
    for k, ratio in enumerate(values):
        energies[k], state = cluster_ising_hamiltonian(n_qubits, float(ratio)).ground_state()
        largest = state[np.abs(state).argmax()]
        states[k] = state * (abs(largest) / largest)
    return energies, states


class PhaseModule(torch.nn.Module):
    """From what prepares states to logits ``[B, 2]`` of their phase: the preparation, trained rotations, and one qubit that is read.

    Parameters
    ----------
    preparation
        A circuit with inputs and no weights: `aubry_andre_circuit`, whose inputs are potentials (the default), or
        `bitket.quantum.circuits.state_circuit`, whose inputs are `state_angles` of any states.
    blocks, readout
        Of the trained circuit (`interleaved_circuit` with angles alone), and its qubit.
    weights, generator, noise, dtype
        As of `InterleavedModule`.

    Notes
    -----
    Samples are inputs of the preparation, ``[B, d]``; or ``[B, d + 3 n]``, with angles of RX, RZ and RX on each qubit of the prepared state
    behind them, column by column, which an attack may use. They are zero for a legitimate state.
    """

    def __init__(
        self,
        preparation: Circuit | None = None,
        blocks: int | Sequence[int] = 3,
        readout: int = 4,
        *,
        weights: ArrayLike | torch.Tensor | None = None,
        generator: torch.Generator | None = None,
        noise: NoiseModel | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        circuit = aubry_andre_circuit() if preparation is None else preparation.copy()
        if circuit.weights or not circuit.inputs:
            raise InvalidInput("classifier of phases: a preparation with inputs and without weights is needed")
        n, self.features = circuit.num_qubits, len(circuit.inputs)
        for column, kind in enumerate(("rx", "rz", "rx")):
            for q in range(n):
                getattr(circuit, kind)(Parameter(f"r{column}[{q}]", "input"), q)
        circuit = circuit.compose(_trained(n, blocks))
        if isinstance(readout, bool) or not isinstance(readout, int | np.integer) or not 0 <= readout < n:
            raise InvalidInput(f"classifier of phases: readout {readout!r}; a qubit from 0 to {n - 1} is needed")
        if weights is None and generator is not None:
            weights = torch.rand(len(circuit.weights), generator=generator, dtype=dtype)
        z = PauliSum.from_sparse([("Z", [int(readout)], 1.0)], n)
        self.layer = QuantumLayer(circuit, z, weights=weights, generator=generator, noise=noise, dtype=dtype)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits ``[B, 2]``."""
        d, n = self.features, self.layer.circuit.num_qubits
        if x.ndim != 2 or x.shape[1] not in (d, d + 3 * n):
            raise InvalidInput(
                f"classifier of phases: samples {tuple(x.shape)}; [B, {d}] or [B, {d + 3 * n}] is needed"
            )
        x = torch.nn.functional.pad(x, (0, d + 3 * n - x.shape[1])).to(self.layer.weights.dtype)
        return log_probabilities((1 - self.layer(x)[..., 0]) / 2)


def _trained(n_qubits: int, blocks: int | Sequence[int]) -> Circuit:
    """The chip's blocks with trained angles alone."""
    whole = interleaved_circuit(n_qubits, blocks, "sum")
    return whole.bind(dict.fromkeys(whole.inputs, 0.0))

"""ADAPT-VQE on qubits: an ansatz that grows by the Pauli rotation that lowers the energy fastest.

With psi the state so far and phi = H psi, appending exp(-i a/2 P) changes the energy at first order by

    dE/da = Im <phi| P |psi>,

for every P of a pool from one application of H (those of equal X mask from one Walsh-Hadamard transform). The steepest P is appended,
then all angles are optimised again. Source: Tang and others 2021, PRX Quantum 2, 020310 (arXiv:1911.10205).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bitket.algebra import PauliSum
from bitket.errors import InvalidInput
from bitket.learning import LocalSearch
from bitket.quantum.circuits import Circuit, Parameter
from bitket.quantum.measurement.variance import transition_values
from bitket.quantum.simulation import statevector
from bitket.quantum.variational.vqe import VQE

__all__ = ["AdaptResult", "adapt_vqe", "append_rotation", "hamiltonian_pool"]


@dataclass(frozen=True)
class AdaptResult:
    """What `adapt_vqe` built.

    Attributes
    ----------
    circuit
        The ansatz, one weight for each chosen rotation.
    weights
        Their values.
    energy
        The energy there.
    strings
        The chosen Pauli strings, in order.
    energies, gradients
        After each step: the energy, and the steepest slope that the pool still offered before it.
    converged
        Whether the pool had no slope above the tolerance left.
    """

    circuit: Circuit
    weights: NDArray[np.float64]
    energy: float
    strings: tuple[str, ...]
    energies: tuple[float, ...]
    gradients: tuple[float, ...]
    converged: bool


def hamiltonian_pool(operator: PauliSum) -> PauliSum:
    """Strings with an odd number of Y that connect the basis states that the operator connects.

    On real states only an odd number of Y changes the energy at first order, and only the X masks of the operator do. For each of its
    terms X^x Z^z the pool has (x, z) and (x, z) with one Z more or less within x; for each x also a single Y and X elsewhere, with a Z on
    any one other qubit or none; and Y on each qubit: all those that have an odd number of Y. This needs no knowledge of a mapping. Their
    number: at most the sum of the terms' weights, and for each x its weight times the number of qubits.
    """
    n = operator.num_qubits
    masks = {(1 << q, 1 << q) for q in range(n)}
    for _, x, z in operator.masks():
        for q in (q for q in range(n) if x >> q & 1):
            masks |= {(x, m) for m in (z ^ 1 << q, z) if (x & m).bit_count() % 2}
            masks |= {(x, 1 << q | (1 << j) * (not x >> j & 1)) for j in range(n)}
    return PauliSum.from_masks(n, [(1.0, x, z) for x, z in sorted(masks)])


def adapt_vqe(
    operator: PauliSum,
    reference: str | None = None,
    *,
    pool: PauliSum | None = None,
    tolerance: float = 1e-3,
    largest: int = 100,
    progress: Callable[[int, float, float], None] | None = None,
) -> AdaptResult:
    """Grow an ansatz for the ground state of an operator.

    Parameters
    ----------
    operator
        Hermitian. The pool does not conserve numbers of electrons: where an ion lies lower than the molecule, add a multiple of
        `ElectronSector.penalty`.
    reference
        Basis state to start from, qubit 0 rightmost, such as `MolecularProblem.hf_bitstring`; by default all zeros, which under
        Jordan-Wigner is a molecule without electrons.
    pool
        Strings to choose from; by default `hamiltonian_pool`.
    tolerance
        Stop once no string of the pool has a slope above this (in the operator's unit a radian).
    largest
        Most rotations.
    progress
        Called after each step with the number of rotations, the energy, and the steepest slope before it.

    Raises
    ------
    InvalidInput
        The operator is not Hermitian, or reference, pool or limits do not fit.
    """
    n = operator.num_qubits
    reference = "0" * n if reference is None else reference
    pool = hamiltonian_pool(operator) if pool is None else pool
    if not operator.is_hermitian():
        raise InvalidInput("ADAPT-VQE: the operator is not Hermitian")
    if len(reference) != n or set(reference) - {"0", "1"}:
        raise InvalidInput(f"ADAPT-VQE: reference {reference!r}: {n} bits are needed")
    if pool.num_qubits != n or not len(pool):
        raise InvalidInput(f"ADAPT-VQE: a pool of strings on {n} qubits is needed")
    if not tolerance > 0 or largest < 1:
        raise InvalidInput(f"ADAPT-VQE: tolerance {tolerance} and largest {largest} must be positive")
    circuit = Circuit(n)
    for q, bit in enumerate(reversed(reference)):
        if bit == "1":
            circuit.x(q)
    labels = pool.labels()
    weights: NDArray[np.float64] = np.zeros(0)
    x, z = (words[:, 0].astype(np.int64) for words in (pool.x, pool.z))
    chosen: list[str] = []
    energies: list[float] = []
    gradients: list[float] = []
    psi = statevector(circuit).numpy()
    energy = float(operator.expectation(psi))
    search = LocalSearch("L-BFGS-B", 500, tolerance=1e-12)
    converged = False
    while len(chosen) < largest:
        slopes = np.abs(transition_values(operator.apply(psi), psi, x, z).imag)
        best = int((slopes >= slopes.max() * (1 - 1e-6)).argmax())  # the first of equals, whatever the last digits are
        if slopes[best] <= tolerance:
            converged = True
            break
        append_rotation(circuit, labels[best], Parameter(f"a[{len(chosen)}]"))
        chosen.append(labels[best])
        found = VQE(operator, circuit, search).run(np.append(weights, 0.0), generator=np.random.default_rng(0))
        weights, energy = found.x, float(found.fun)
        psi = statevector(circuit, weights).numpy()
        energies.append(energy)
        gradients.append(float(slopes[best]))
        if progress is not None:
            progress(len(chosen), energy, gradients[-1])
    return AdaptResult(circuit, weights, energy, tuple(chosen), tuple(energies), tuple(gradients), converged)


def append_rotation(circuit: Circuit, label: str, angle: Parameter | float) -> None:
    """Appends ``exp(-i angle/2 P)``: changes of basis, a ladder of CX, one RZ, and back."""
    letters = [(q, letter) for q, letter in enumerate(reversed(label)) if letter != "I"]
    if not letters:
        raise InvalidInput("Pauli rotation: a string with a letter other than I is needed")
    for q, letter in letters:
        if letter == "Y":
            circuit.sdg(q)
        if letter != "Z":
            circuit.h(q)
    for (a, _), (b, _) in itertools.pairwise(letters):
        circuit.cx(a, b)
    circuit.rz(angle, letters[-1][0])
    for (a, _), (b, _) in reversed(list(itertools.pairwise(letters))):
        circuit.cx(a, b)
    for q, letter in letters:
        if letter != "Z":
            circuit.h(q)
        if letter == "Y":
            circuit.s(q)

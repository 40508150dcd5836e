"""Observables as they are asked for, and as detectors with readout errors see them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bitket.algebra import PauliSum
from bitket.errors import InvalidInput

__all__ = ["as_read", "check"]


def check(observables: PauliSum | Sequence[PauliSum], num_qubits: int) -> tuple[list[PauliSum], bool]:
    """The observables as a list, and whether a single one was given.

    Raises
    ------
    InvalidInput
        There is none, one is on another number of qubits, or one is not Hermitian.
    """
    single = isinstance(observables, PauliSum)
    listed: list[Any] = [observables] if isinstance(observables, PauliSum) else list(observables)
    if not listed:
        raise InvalidInput("observables: at least one Pauli sum is needed")
    for k, o in enumerate(listed):
        if not isinstance(o, PauliSum):
            raise InvalidInput(
                f"observable {k} is a {type(o).__name__}: Pauli sums are needed, such as PauliSum.from_list([('ZZ', 1.0)])"
            )
        if o.num_qubits != num_qubits:
            raise InvalidInput(f"observable {k} is on {o.num_qubits} qubits, the circuit has {num_qubits}")
        if not o.is_hermitian():
            raise InvalidInput(f"observable {k} is not Hermitian: its coefficients must be real")
    return listed, single


def as_read(observables: Sequence[PauliSum], noise: Any) -> list[PauliSum]:
    """The observables whose values are what detectors with the readout errors of a noise model give on average.

    Each letter P becomes (1 - p10 - p01) P + (p01 - p10) I with the errors of its qubit: products are measured letter by letter.
    """
    out = []
    for o in observables:
        terms: list[tuple[complex, int, int]] = list(o.masks())
        for q in range(o.num_qubits):
            matrix = noise.readout_matrix(q)
            if matrix is None:
                continue
            keep, shift = 1 - matrix[1, 0] - matrix[0, 1], matrix[0, 1] - matrix[1, 0]
            seen = [(c, x, z) for c, x, z in terms if (x | z) >> q & 1]
            terms = [(c * keep if (x | z) >> q & 1 else c, x, z) for c, x, z in terms]
            if shift:
                terms += [(c * shift, x & ~(1 << q), z & ~(1 << q)) for c, x, z in seen]
        out.append(PauliSum.from_masks(o.num_qubits, terms).simplify(0.0))
    return out

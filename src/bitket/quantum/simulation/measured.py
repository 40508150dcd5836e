"""Observables as they are asked for, as detectors with readout errors see them, and as shots show them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitket.algebra import PauliSum
from bitket.errors import InvalidInput
from bitket.intervals import unseen

__all__ = ["as_read", "check", "constant_of", "signs_of", "spread"]


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


def signs_of(group: PauliSum, outcomes: NDArray[np.int64]) -> Iterator[tuple[float, NDArray[np.float64]]]:
    """Of each term of a group measured together, but for the identity: its coefficient, and its sign in each outcome."""
    for c, x, z in group.masks():
        if x | z:
            yield c.real, 1 - 2.0 * (np.bitwise_count(outcomes & (x | z)) & 1)


def constant_of(operator: PauliSum) -> float:
    """The coefficient of the identity."""
    return sum(c.real for c, x, z in operator.masks() if not x | z)


def spread(terms: Iterable[tuple[float, NDArray[np.float64]]], counts: NDArray[np.int64]) -> tuple[float, float, float]:
    """The mean of ``sum_t c_t (±1)`` over shots, and two numbers of which the larger one is the variance of that mean.

    Parameters
    ----------
    terms
        Coefficient of each, and its sign in each outcome that was seen.
    counts
        Of the outcomes.

    Returns
    -------
    mean, variance, least
        ``variance`` is that of the shots over their number, covariances between terms included. It is 0 where all agree; ``least``, the
        sum of ``(c_t q)^2`` over the terms whose shots all agree with q as of `bitket.intervals.unseen`, is then what two standard
        errors must reach (see `bitket.quantum.measurement.estimate`). Sums over independent groups: of each number by itself.
    """
    shots = int(counts.sum())
    outcomes, least = np.zeros(len(counts)), 0.0
    for c, signs in terms:
        outcomes += c * signs
        if (signs == signs[0]).all():
            least += c**2
    share = counts / shots
    mean = float(share @ outcomes)
    variance = max(0.0, float(share @ outcomes**2) - mean**2) / max(shots - 1, 1)
    return mean, variance, least * unseen(shots) ** 2

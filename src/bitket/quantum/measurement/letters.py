"""Pauli strings and measurement bases as arrays of letters, and which basis covers which string.

A string is a row of numbers, one a qubit, column 0 for qubit 0: 0 = I, 1 = X, 2 = Y, 3 = Z. A basis B *covers* a string P when on each
qubit P is I or equal to B; one shot in basis B then yields a product of outcomes for P. A free qubit of a basis (0) covers only I.

>>> from bitket.algebra import PauliSum
>>> terms = letters_of(PauliSum.from_list([("ZI", 1.0), ("XY", 0.5)]))
>>> terms.tolist()
[[0, 3], [2, 1]]
>>> covers(read_labels(["ZX", "XY"]), terms).tolist()
[[True, False], [False, True]]
>>> labels(read_labels(["ZX"]))
['ZX']
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from bitket.algebra import PauliSum
from bitket.errors import InvalidInput

__all__ = ["Letters", "covers", "diagonal_masks", "hermitian_terms", "labels", "letters_of", "read_labels"]

Letters = NDArray[np.uint8]
"""``[strings, qubits]`` of 0 to 3."""

_BY_BITS = np.array([0, 3, 1, 2], dtype=np.uint8)  # 2 x + z


def letters_of(operator: PauliSum) -> Letters:
    """The letters of each term."""
    q = np.arange(operator.num_qubits, dtype=np.uint64)
    x, z = ((words[:, q // np.uint64(64)] >> q % np.uint64(64)) & np.uint64(1) for words in (operator.x, operator.z))
    return _BY_BITS[(2 * x + z).astype(np.intp)]


def labels(strings: Letters) -> list[str]:
    """Text of each string, qubit 0 rightmost."""
    return ["".join("IXYZ"[k] for k in row[::-1]) for row in strings.tolist()]


def read_labels(texts: Iterable[str]) -> Letters:
    """The inverse of `labels`.

    Raises
    ------
    InvalidInput
        A letter is not one of I, X, Y, Z, or lengths differ.
    """
    rows = list(texts)
    for row in rows:
        if not row or set(row) - set("IXYZ") or len(row) != len(rows[0]):
            raise InvalidInput(f"basis {row!r}: letters I, X, Y, Z are needed, as many in each")
    return np.array([["IXYZ".index(k) for k in reversed(row)] for row in rows], dtype=np.uint8)


def covers(bases: Letters, strings: Letters) -> NDArray[np.bool_]:
    """``[bases, strings]``: whether a basis covers a string."""
    out = np.ones((len(bases), len(strings)), dtype=bool)
    for basis, string in zip(bases.T, strings.T, strict=True):
        out &= (string == 0)[None] | (basis[:, None] == string[None])
    return out


def diagonal_masks(strings: Letters) -> NDArray[np.int64]:
    """Bit mask of the qubits on which each string is not I."""
    return ((strings > 0).astype(np.int64) << np.arange(strings.shape[1])).sum(axis=1)


def hermitian_terms(operator: PauliSum) -> tuple[float, PauliSum]:
    """The coefficient of the identity, and the other terms, joined.

    Raises
    ------
    InvalidInput
        The operator is not Hermitian, has more than 62 qubits, or nothing but the identity.
    """
    if operator.num_qubits > 62:
        raise InvalidInput(f"measurement of {operator.num_qubits} qubits: at most 62")
    if not operator.is_hermitian():
        raise InvalidInput("measurement: the operator is not Hermitian (its coefficients must be real)")
    joined = operator.simplify(0.0)
    identity = ~(joined.x | joined.z).any(axis=1)
    rest = PauliSum(joined.num_qubits, joined.x[~identity], joined.z[~identity], joined.coefficients[~identity].real)
    if not len(rest):
        raise InvalidInput("measurement: the operator has no term but the identity, so there is nothing to measure")
    return float(joined.coefficients[identity].real.sum()), rest

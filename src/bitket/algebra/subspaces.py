"""Operators restricted to some basis states, and their lowest eigenvalues.

An operator that conserves something, such as numbers of electrons, is block diagonal: a block of ``C(n, k)`` basis states is diagonalised
in place of all ``2^n``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitket.algebra.pauli import PauliError

__all__ = ["lowest_eigenpairs", "restricted_matrix"]

_DENSE = 512  # matrices up to that size are diagonalised whole
_SIGNS_AT_ONCE = 1 << 23
_ENTRIES = 1 << 27  # about 2 GB
_LEAK = 1e-8
_TOLERANCE = 1e-12  # relative, of eigenvalues


def restricted_matrix(groups: Mapping[int, tuple[NDArray[np.int64], NDArray[Any]]], basis: NDArray[np.int64]) -> Any:
    """The block of an operator between basis states, as a SciPy CSR matrix ``[states, states]``.

    Parameters
    ----------
    groups
        For each X mask x the Z masks and coefficients of ``O[j ^ x, j] = sum_z c_z (-1)^(j·z)``.
    basis
        Different basis states, ``[states]``, in the order of rows and columns.

    Raises
    ------
    PauliError
        The operator leads out of these states, or the block has too many entries to be stored.
    """
    import scipy.sparse

    order = np.argsort(basis)
    ascending = basis[order]
    if not len(basis) or (ascending[1:] == ascending[:-1]).any():
        raise PauliError("subspace of an operator: different basis states are needed, at least one")
    empty = np.zeros(0, np.int64)
    rows, columns, values, stored = [empty], [empty], [np.zeros(0)], 0
    scale = max((float(np.abs(c).max()) for _, c in groups.values()), default=0.0)
    for x, (z, c) in groups.items():
        diagonal = _diagonal(z, c if c.imag.any() else c.real, basis)
        here = np.flatnonzero(diagonal)
        place = np.minimum(np.searchsorted(ascending, basis[here] ^ x), len(basis) - 1)
        inside = ascending[place] == basis[here] ^ x
        if (np.abs(diagonal[here[~inside]]) > _LEAK * scale).any():
            raise PauliError("subspace of an operator: it leads out of these basis states, which it must not")
        rows.append(order[place[inside]])
        columns.append(here[inside])
        values.append(diagonal[here[inside]])
        stored += len(columns[-1])
        if stored > _ENTRIES:
            raise PauliError(f"subspace of {len(basis)} basis states: more than {_ENTRIES} entries, too many to store")
    where = (np.concatenate(rows), np.concatenate(columns))
    return scipy.sparse.coo_matrix((np.concatenate(values), where), shape=(len(basis),) * 2).tocsr()


def _diagonal(z: NDArray[np.int64], c: NDArray[Any], basis: NDArray[np.int64]) -> NDArray[Any]:
    out = np.empty(len(basis), c.dtype)
    step = max(1, _SIGNS_AT_ONCE // len(z))
    for start in range(0, len(basis), step):
        part = basis[start : start + step]
        out[start : start + step] = c @ (1.0 - 2.0 * (np.bitwise_count(z[:, None] & part) & 1))
    return out


def lowest_eigenpairs(matrix: Any, count: int) -> tuple[NDArray[np.float64], NDArray[Any]]:
    """The ``count`` smallest eigenvalues of a Hermitian matrix, in rising order, and eigenvectors ``[states, count]``.

    Degenerate levels are found with all their states: after each Lanczos run another one looks beside the states found.
    """
    size = matrix.shape[0]
    count = min(count, size)
    if size <= _DENSE or 3 * count >= size:
        values, vectors = np.linalg.eigh(matrix.toarray())
        return values[:count], vectors[:, :count]
    from scipy.sparse.linalg import LinearOperator, eigsh

    rng = np.random.default_rng(0)  # fixed starts: the same digits each time
    values, vectors = eigsh(matrix, k=count, which="SA", v0=rng.normal(size=size), tol=_TOLERANCE)
    while True:
        # A Krylov space holds one state of a degenerate level: lift those found, and see what is left below the highest.
        lift = 1.0 + float(values.max() - values.min())
        kept = vectors

        def beside(v: NDArray[Any], kept: NDArray[Any] = kept, lift: float = lift) -> NDArray[Any]:
            v = v.reshape(-1)
            return np.asarray(matrix @ v + lift * (kept @ (kept.conj().T @ v)))

        rest = LinearOperator(matrix.shape, beside, dtype=matrix.dtype)
        more, other = eigsh(rest, k=1, which="SA", v0=rng.normal(size=size), tol=_TOLERANCE)
        if more[0] >= values.max() - 1e-10:
            order = np.argsort(values, kind="stable")
            return values[order], vectors[:, order]
        worst = int(values.argmax())
        values, vectors = np.append(np.delete(values, worst), more), np.hstack([np.delete(vectors, worst, 1), other])

"""Matrices over GF(2), 64 entries a machine word.

Rows are packed little-endian into uint64 words, so that adding two rows is a few exclusive-ors. Elimination and products work on
blocks of columns by the method of the four Russians: all 2^8 sums of eight rows are tabled once, and every row of the matrix then
takes its sum with one look-up (Arlazarov, Dinic, Kronrod and Faradžev 1970; Bard 2009, Algebraic Cryptanalysis, chapter 9).

>>> import numpy as np
>>> rng = np.random.default_rng(1)
>>> A, B, C = (BitMatrix.random(6, 6, rng) for _ in range(3))
>>> (A @ B) @ C == A @ (B @ C), A + A == BitMatrix.zeros(6, 6)              # composition; each is its own negative
(True, True)
>>> (A @ B).T == B.T @ A.T                                                  # adjoint
True
>>> G = BitMatrix.random_invertible(6, rng)
>>> G @ G.inverse() == BitMatrix.identity(6)                                # inverse
True
>>> H = BitMatrix.from_dense([[1, 1, 0], [0, 1, 1]])
>>> H.kernel().to_dense().tolist(), H.rank() + len(H.kernel()) == 3         # rank and nullity
([[1, 1, 1]], True)
>>> R = H.echelon()
>>> R.transform @ H == R.matrix
True
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bitket.errors import InvalidInput

__all__ = ["BitMatrix", "Echelon"]

Words = NDArray[np.uint64]
_ONE = np.uint64(1)


def _pack(bits: NDArray[np.uint8]) -> Words:
    """``[rows, columns]`` of 0 and 1 to ``[rows, words]``."""
    rows, columns = bits.shape
    padded = np.zeros((rows, (columns + 63) // 64 * 64), dtype=np.uint8)
    padded[:, :columns] = bits
    return np.packbits(padded, axis=1, bitorder="little").view("<u8").astype(np.uint64, copy=False)


def _bytes(words: Words) -> NDArray[np.uint8]:
    """``[rows, 8 words]``: eight columns a byte."""
    return np.ascontiguousarray(words, dtype="<u8").view(np.uint8)


def _sums(rows: Words) -> Words:
    """All sums of up to eight rows, ``[2^rows, words]``: entry k is the sum of the rows whose bit is set in k."""
    table = np.zeros((1 << len(rows), rows.shape[1]), dtype=np.uint64)
    for bit, row in enumerate(rows):
        table[1 << bit : 2 << bit] = table[: 1 << bit] ^ row
    return table


def _add_combinations(target: Words, choice: NDArray[np.uint8], rows: Words) -> None:
    """``target[i] += sum of the rows that bits of choice[i] name``, in place; choice has a byte for each eight rows."""
    for byte in range((len(rows) + 7) // 8):
        target ^= _sums(rows[8 * byte : 8 * byte + 8])[choice[:, byte]]


def _eliminate(words: Words, columns: int, *, reduced: bool = True) -> tuple[NDArray[np.int64], list[int]]:
    """Gaussian elimination over the first ``columns`` columns, in place and without moving rows.

    64 columns at a time: one word of each row is eliminated while a second word remembers which of the block's pivot rows were
    added to it; the rest of each row then follows from that word. Returns the pivot rows, in order, and the pivot columns.
    Unless ``reduced``, pivot rows of earlier blocks are left as they are.
    """
    free = np.ones(len(words), dtype=bool)  # rows that hold no pivot
    pivot_rows: list[int] = []
    pivot_columns: list[int] = []
    for word in range((columns + 63) // 64):
        if len(pivot_rows) == len(words):
            break
        active = np.arange(len(words)) if reduced else np.flatnonzero(free)
        usable = free[active]
        strip = words[active, word]
        added = np.zeros_like(strip)
        block: list[int] = []
        for bit in range(min(64, columns - 64 * word)):
            has = (strip >> np.uint64(bit) & _ONE).view(np.int64) != 0
            candidates = has & usable
            pivot = int(candidates.argmax())
            if not candidates[pivot]:
                continue
            has[pivot] = False
            strip[has] ^= strip[pivot]
            added[has] ^= added[pivot] ^ (_ONE << np.uint64(len(block)))
            usable[pivot] = False
            block.append(pivot)
            pivot_columns.append(64 * word + bit)
        if not block:
            continue
        chosen = active[block]
        originals = words[chosen].copy()
        if reduced:
            _add_combinations(words, _bytes(added[:, None]), originals)
        else:
            rest = words[active]
            _add_combinations(rest, _bytes(added[:, None]), originals)
            words[active] = rest
        free[chosen] = False
        pivot_rows.extend(chosen.tolist())
    return np.array(pivot_rows, dtype=np.int64), pivot_columns


@dataclass(frozen=True)
class Echelon:
    """``matrix = transform @ original`` in reduced row echelon form, zero rows last; ``pivots`` are the leading columns."""

    matrix: BitMatrix
    transform: BitMatrix
    pivots: tuple[int, ...]

    @property
    def rank(self) -> int:
        """Number of rows that are not zero."""
        return len(self.pivots)


class BitMatrix:
    """A matrix over GF(2); immutable.

    Build with `from_dense`, `from_sparse`, `zeros`, `identity`, `random` or `random_invertible`.

    Attributes
    ----------
    words
        ``[rows, words]`` uint64; bit b of word w is column 64 w + b. Bits beyond the last column are 0.
    shape
        Rows and columns.
    """

    def __init__(self, words: Words, columns: int) -> None:
        words = np.ascontiguousarray(words, dtype=np.uint64)
        if columns < 0 or words.ndim != 2 or words.shape[1] != (columns + 63) // 64:
            raise InvalidInput(f"bit matrix: words of shape {words.shape} cannot hold rows of {columns} columns")
        if columns % 64 and (words[:, -1] >> np.uint64(columns % 64)).any():
            raise InvalidInput(f"bit matrix: bits beyond column {columns - 1} must be 0")
        words.setflags(write=False)
        self.words = words
        self.shape = (len(words), columns)

    # -- building ---------------------------------------------------------------------------------------------------
    @classmethod
    def from_dense(cls, matrix: ArrayLike) -> BitMatrix:
        """From ``[rows, columns]`` of 0 and 1 (integers or booleans).

        Raises
        ------
        InvalidInput
            The array is not two-dimensional or holds another value.
        """
        array = np.asarray(matrix)
        if array.ndim != 2:
            raise InvalidInput(f"bit matrix of shape {array.shape}: two dimensions are needed")
        bits = array.astype(np.uint8)
        if (bits > 1).any() or (bits != array).any():
            raise InvalidInput("bit matrix: entries must be 0 or 1; reduce modulo 2 first")
        return cls(_pack(bits), array.shape[1])

    @classmethod
    def from_sparse(cls, matrix: Any) -> BitMatrix:
        """From a SciPy sparse matrix of integers, taken modulo 2 (repeated entries add up)."""
        from scipy.sparse import coo_matrix, issparse

        if not issparse(matrix):
            raise InvalidInput("bit matrix: a SciPy sparse matrix is needed; arrays go to BitMatrix.from_dense")
        entries = coo_matrix(matrix)
        values = entries.data.astype(np.int64)
        if (values != entries.data).any():
            raise InvalidInput("bit matrix: entries must be integers")
        rows, columns = entries.shape
        words = np.zeros((rows, (columns + 63) // 64), dtype=np.uint64)
        odd = values % 2 == 1
        row, column = entries.row[odd].astype(np.int64), entries.col[odd].astype(np.int64)
        np.bitwise_xor.at(words, (row, column // 64), _ONE << (column % 64).astype(np.uint64))
        return cls(words, columns)

    @classmethod
    def zeros(cls, rows: int, columns: int) -> BitMatrix:
        """The zero matrix."""
        return cls(np.zeros((rows, (columns + 63) // 64), dtype=np.uint64), columns)

    @classmethod
    def identity(cls, size: int) -> BitMatrix:
        """The identity matrix."""
        words = np.zeros((size, (size + 63) // 64), dtype=np.uint64)
        index = np.arange(size)
        words[index, index // 64] = _ONE << (index % 64).astype(np.uint64)
        return cls(words, size)

    @classmethod
    def random(cls, rows: int, columns: int, rng: np.random.Generator) -> BitMatrix:
        """Uniformly random bits."""
        words = rng.integers(0, 1 << 64, (rows, (columns + 63) // 64), dtype=np.uint64)
        if columns % 64:
            words[:, -1] &= (_ONE << np.uint64(columns % 64)) - _ONE
        return cls(words, columns)

    @classmethod
    def random_invertible(cls, size: int, rng: np.random.Generator) -> BitMatrix:
        """Uniform over the invertible matrices, by rejection: at least 28.8 % of all square matrices are invertible."""
        while True:
            matrix = cls.random(size, size, rng)
            if matrix.rank() == size:
                return matrix

    # -- reading ----------------------------------------------------------------------------------------------------
    def to_dense(self) -> NDArray[np.uint8]:
        """``[rows, columns]`` of 0 and 1."""
        return np.unpackbits(_bytes(self.words), axis=1, count=self.shape[1], bitorder="little")

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Any) -> BitMatrix:
        """Some rows, as a slice or index array selects them."""
        words = self.words[rows]
        if words.ndim != 2:
            raise InvalidInput("bit matrix: rows are taken by a slice, a list of indices or a mask")
        return BitMatrix(words, self.shape[1])

    def row_weights(self) -> NDArray[np.int64]:
        """Number of ones in each row."""
        return np.bitwise_count(self.words).sum(axis=1, dtype=np.int64)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, BitMatrix) and self.shape == other.shape and bool((self.words == other.words).all())

    def __hash__(self) -> int:
        return hash((self.shape, self.words.tobytes()))

    def __repr__(self) -> str:
        return f"BitMatrix({self.shape[0]} x {self.shape[1]}, {int(self.row_weights().sum())} ones)"

    # -- algebra ----------------------------------------------------------------------------------------------------
    @cached_property
    def T(self) -> BitMatrix:
        """Transpose."""
        return BitMatrix(_pack(np.ascontiguousarray(self.to_dense().T)), self.shape[0])

    def __add__(self, other: BitMatrix) -> BitMatrix:
        if self.shape != other.shape:
            raise InvalidInput(f"sum of bit matrices of shapes {self.shape} and {other.shape}: they must be equal")
        return BitMatrix(self.words ^ other.words, self.shape[1])

    __sub__ = __add__

    def __matmul__(self, other: BitMatrix) -> BitMatrix:
        """Product, by tables of all sums of eight rows of ``other``."""
        if self.shape[1] != other.shape[0]:
            raise InvalidInput(f"product of bit matrices of shapes {self.shape} and {other.shape}: they do not fit")
        out = np.zeros((self.shape[0], other.words.shape[1]), dtype=np.uint64)
        _add_combinations(out, _bytes(self.words), other.words)
        return BitMatrix(out, other.shape[1])

    def beside(self, other: BitMatrix) -> BitMatrix:
        """The columns of both, ``[self | other]``."""
        if len(self) != len(other):
            raise InvalidInput(
                f"bit matrices of {len(self)} and {len(other)} rows side by side: equally many are needed"
            )
        return BitMatrix.from_dense(np.concatenate([self.to_dense(), other.to_dense()], axis=1))

    def above(self, other: BitMatrix) -> BitMatrix:
        """The rows of both, ``self`` first."""
        if self.shape[1] != other.shape[1]:
            raise InvalidInput(
                f"bit matrices of {self.shape[1]} and {other.shape[1]} columns on top of each other: they must be equal"
            )
        return BitMatrix(np.concatenate([self.words, other.words]), self.shape[1])

    # -- elimination ------------------------------------------------------------------------------------------------
    def pivots(self) -> list[int]:
        """The first columns that span all of them: the leading columns of the echelon form."""
        return _eliminate(self.words.copy(), self.shape[1], reduced=False)[1]

    def rank(self) -> int:
        """Dimension of the row space."""
        return len(self.pivots())

    def echelon(self) -> Echelon:
        """Reduced row echelon form with the transform that leads to it."""
        rows, columns = self.shape
        width = self.words.shape[1]
        work = np.concatenate([self.words, BitMatrix.identity(rows).words], axis=1)
        leading, pivots = _eliminate(work, columns)
        work = work[np.concatenate([leading, np.setdiff1d(np.arange(rows), leading)])]
        return Echelon(BitMatrix(work[:, :width], columns), BitMatrix(work[:, width:], rows), tuple(pivots))

    def kernel(self) -> BitMatrix:
        """Basis of the right null space as rows: ``self @ kernel.T = 0``, ``columns - rank`` rows."""
        columns = self.shape[1]
        work = self.words.copy()
        leading, pivots = _eliminate(work, columns)
        reduced = BitMatrix(work[leading], columns).to_dense()
        others = np.setdiff1d(np.arange(columns), pivots)
        basis = np.zeros((len(others), columns), dtype=np.uint8)
        basis[np.arange(len(others)), others] = 1
        basis[:, pivots] = reduced[:, others].T
        return BitMatrix.from_dense(basis)

    def solve(self, right: BitMatrix) -> BitMatrix | None:
        """One ``X`` with ``self @ X = right`` (free variables 0), or None where there is none.

        Raises
        ------
        InvalidInput
            ``right`` has another number of rows.
        """
        if len(self) != len(right):
            raise InvalidInput(f"system of {len(self)} equations with {len(right)} right-hand rows: they must be equal")
        width = self.words.shape[1]
        work = np.concatenate([self.words, right.words], axis=1)
        leading, pivots = _eliminate(work, self.shape[1])
        if np.delete(work[:, width:], leading, axis=0).any():
            return None
        out = np.zeros((self.shape[1], right.words.shape[1]), dtype=np.uint64)
        out[pivots] = work[leading, width:]
        return BitMatrix(out, right.shape[1])

    def inverse(self) -> BitMatrix:
        """The inverse.

        Raises
        ------
        InvalidInput
            The matrix is not square or is singular.
        """
        if self.shape[0] != self.shape[1]:
            raise InvalidInput(f"inverse of a bit matrix of shape {self.shape}: it must be square")
        form = self.echelon()
        if form.rank < self.shape[0]:
            raise InvalidInput(f"inverse of a {self.shape[0]} x {self.shape[1]} bit matrix: its rank is {form.rank}")
        return form.transform

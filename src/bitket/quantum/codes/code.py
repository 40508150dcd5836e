"""Codes from their check matrices: classical, CSS and stabiliser codes, their parameters [n, k, d] and [[n, k, d]], weights and degrees.

A classical code is the kernel of H (r x n): k = n - rank H. A CSS code has H_X H_Z^T = 0 and k = n - rank H_X - rank H_Z; its distance is
the least weight of ker H_Z outside the rows of H_X, or of ker H_X outside the rows of H_Z. A stabiliser code has rows (x | z) that commute
pairwise, x z'^T + z x'^T = 0, and k = n - rank. Qubit v is column v.

>>> repetition = ClassicalCode([[1, 1, 0], [0, 1, 1]])
>>> repetition.n, repetition.k, repetition.distance().value
(3, 1, 3)
>>> five = StabiliserCode.from_paulis(["XZZXI", "IXZZX", "XIXZZ", "ZXIXZ"])
>>> five.n, five.k, five.distance().value
(5, 1, 3)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array, issparse, sparray, spmatrix

from bitket.algebra import BitMatrix
from bitket.algebra.codewords import clusters
from bitket.errors import InvalidInput
from bitket.quantum.codes.distance import Checks, Distance, least_word
from bitket.quantum.simulation.memory import require

__all__ = ["ClassicalCode", "CssCode", "StabiliserCode", "Weights"]

Bits = NDArray[np.uint8]


@dataclass(frozen=True)
class Weights:
    """Greatest row weight ``check`` and greatest column weight ``bit`` of check matrices: how many bits a check touches and conversely."""

    check: int
    bit: int

    @classmethod
    def of(cls, matrix: Bits) -> Weights:
        """Those of one matrix."""
        return cls(int(matrix.sum(axis=1).max(initial=0)), int(matrix.sum(axis=0).max(initial=0)))


def _checks(matrix: ArrayLike | BitMatrix, what: str) -> Bits:
    if isinstance(matrix, BitMatrix):
        matrix = matrix.to_dense()
    try:
        array = np.asarray(matrix)
    except ValueError:
        raise InvalidInput(f"{what}: its rows differ in length") from None
    if array.ndim != 2 or array.dtype == object or array.dtype.kind not in "biuf":
        raise InvalidInput(f"{what}: a matrix of 0 and 1 with rows of equal length is needed")
    if not array.shape[1]:
        raise InvalidInput(f"{what}: it has no column")
    wrong = np.argwhere((array != 0) & (array != 1))
    if len(wrong):
        row, column = wrong[0]
        raise InvalidInput(
            f"{what}: entry {array[row, column]} in row {row}, column {column}; only 0 and 1 are allowed"
        )
    bits = array.astype(np.uint8)
    empty = np.flatnonzero(~bits.any(axis=1))
    if len(empty):
        raise InvalidInput(f"{what}: row {empty[0]} is empty; every check must touch a bit")
    bits.setflags(write=False)
    return bits


def _sparse_checks(matrix: ArrayLike | BitMatrix | sparray | spmatrix, what: str) -> csr_array:
    """The same rules for a matrix that is not spread out: row by row the places of its ones, in order."""
    if not issparse(matrix):
        return csr_array(_checks(matrix, what), dtype=np.int32)
    sparse = csr_array(matrix, copy=True)
    sparse.sum_duplicates()
    sparse.eliminate_zeros()
    if not sparse.shape[1]:
        raise InvalidInput(f"{what}: it has no column")
    if (sparse.data != 1).any():
        raise InvalidInput(f"{what}: it holds {sparse.data[sparse.data != 1][0]}; only 0 and 1 are allowed")
    empty = np.flatnonzero(np.diff(sparse.indptr) == 0)
    if len(empty):
        raise InvalidInput(f"{what}: row {empty[0]} is empty; every check must touch a bit")
    return sparse.astype(np.int32)


def require_kernel(rows: int, columns: int, what: str) -> None:
    """Refuse a check matrix of so many rows and columns whose kernel, held with a byte an entry, does not fit.

    Raises
    ------
    NotEnoughMemory
        It needs more memory than there is.
    """
    size = max(0, columns - rows)
    require(
        2 * size * columns, f"{what}: a basis of the {size} or more dimensions that {rows} checks leave of {columns}"
    )


def outside(span: BitMatrix, inner: BitMatrix) -> BitMatrix:
    """Rows of ``span`` that complete ``inner`` to a basis of both."""
    both = inner.above(span)
    pivots = np.array(both.T.pivots(), np.int64)
    return span[pivots[pivots >= len(inner)] - len(inner)]


def independent(matrix: BitMatrix) -> BitMatrix:
    """The first rows that span all of them."""
    return matrix[matrix.T.pivots()] if len(matrix) else matrix


class ClassicalCode:
    """A binary linear code from its check matrix.

    Parameters
    ----------
    checks
        ``[r, n]`` of 0 and 1; rows may depend on each other, but none is empty.
    name
        Of the code, for tables.

    Raises
    ------
    InvalidInput
        Rows of different lengths, an empty row, or an entry that is not 0 or 1.
    """

    def __init__(self, checks: ArrayLike | BitMatrix, name: str = "") -> None:
        self.checks, self.name = _checks(checks, "check matrix"), name
        self.n = self.checks.shape[1]

    @cached_property
    def matrix(self) -> BitMatrix:
        """The check matrix, packed."""
        return BitMatrix.from_dense(self.checks)

    @cached_property
    def generator(self) -> BitMatrix:
        """A basis of the code, ``[k, n]``."""
        require_kernel(len(self.checks), self.n, self.name or "code")
        return self.matrix.kernel()

    @property
    def k(self) -> int:
        """Dimension."""
        return len(self.generator)

    @property
    def weights(self) -> Weights:
        """Greatest row and column weight of the check matrix."""
        return Weights.of(self.checks)

    @property
    def transpose(self) -> ClassicalCode:
        """The code whose checks are the columns; empty columns have no check, so they are left out."""
        columns = self.checks.T
        return ClassicalCode(columns[columns.any(axis=1)], f"{self.name} transposed" if self.name else "")

    def distance(self, **options: Any) -> Distance:
        """The least weight of a word that is not 0; options as in `bitket.quantum.codes.distance.least_word`."""
        checks = Checks(self.checks, _systematic_labels(self.matrix))
        return least_word(BitMatrix.zeros(0, self.n), self.generator, checks=checks, **options)

    def parameters(self, **options: Any) -> tuple[int, int, Distance | None]:
        """n, k, d; no distance where k = 0."""
        return self.n, self.k, self.distance(**options) if self.k else None

    def __repr__(self) -> str:
        return f"ClassicalCode([{self.n}, {self.k}]{', ' + self.name if self.name else ''})"


def _systematic_labels(matrix: BitMatrix) -> NDArray[np.uint64]:
    """For each column its place among the columns without a pivot, as a bit; a kernel word with label 0 is 0."""
    others = np.setdiff1d(np.arange(matrix.shape[1]), matrix.pivots())
    place = np.zeros((matrix.shape[1], len(others)), np.uint8)
    place[others, np.arange(len(others))] = 1
    return BitMatrix.from_dense(place).words


class CssCode:
    """A CSS code from its X and Z checks.

    Parameters
    ----------
    x_checks, z_checks
        ``[rows, n]`` of 0 and 1, dense, packed or of SciPy's sparse kinds; X checks detect Z errors. Memory grows with their ones until
        ranks or distances are asked for (bits of a matrix) or `x_checks` and `z_checks` (bytes).

    Attributes
    ----------
    sparse_x, sparse_z
        The checks as sparse matrices.
    name
        Of the code, for tables.

    Raises
    ------
    InvalidInput
        As for `ClassicalCode`; or the matrices differ in columns, or two checks do not commute.
    """

    def __init__(self, x_checks: Any, z_checks: Any, name: str = "") -> None:
        self.sparse_x, self.sparse_z = _sparse_checks(x_checks, "X checks"), _sparse_checks(z_checks, "Z checks")
        self.n, self.name = int(self.sparse_x.shape[1]), name
        if self.sparse_z.shape[1] != self.n:
            raise InvalidInput(f"X checks on {self.n} qubits, Z checks on {self.sparse_z.shape[1]}: they must be equal")
        shared = (self.sparse_x @ self.sparse_z.T).tocoo()
        odd = shared.data % 2 == 1
        if odd.any():
            row, column = min(zip(shared.row[odd].tolist(), shared.col[odd].tolist(), strict=True))
            raise InvalidInput(
                f"checks do not commute: X check {row} and Z check {column} share an odd number of qubits"
            )

    @cached_property
    def x_checks(self) -> Bits:
        """X checks, dense."""
        return _checks(self.sparse_x.toarray(), "X checks")

    @cached_property
    def z_checks(self) -> Bits:
        """Z checks, dense."""
        return _checks(self.sparse_z.toarray(), "Z checks")

    @cached_property
    def x(self) -> BitMatrix:
        """X checks, packed."""
        return BitMatrix.from_sparse(self.sparse_x)

    @cached_property
    def z(self) -> BitMatrix:
        """Z checks, packed."""
        return BitMatrix.from_sparse(self.sparse_z)

    @cached_property
    def logical_x(self) -> BitMatrix:
        """Logical X operators, ``[k, n]``: a basis of ker H_Z modulo the rows of H_X."""
        return outside(self.z.kernel(), independent(self.x))

    @cached_property
    def logical_z(self) -> BitMatrix:
        """Logical Z operators, ``[k, n]``: a basis of ker H_X modulo the rows of H_Z; not paired with `logical_x`."""
        return outside(self.x.kernel(), independent(self.z))

    @cached_property
    def k(self) -> int:
        """Logical qubits."""
        return self.n - self.x.rank() - self.z.rank()

    @property
    def weights(self) -> Weights:
        """Greatest weight of a check, greatest number of checks (X and Z together) on a qubit."""
        bits = self.sparse_x.sum(axis=0) + self.sparse_z.sum(axis=0)
        check = max(int(m.sum(axis=1).max(initial=0)) for m in (self.sparse_x, self.sparse_z))
        return Weights(check, int(bits.max()))

    def distance_x(self, **options: Any) -> Distance:
        """Least weight of an X operator that acts on the logical qubits without being detected."""
        require_kernel(self.sparse_z.shape[0], self.n, self.name or "code")
        found = least_word(
            independent(self.x), self.logical_x, checks=Checks(self.z_checks, self.logical_z.T.words), **options
        )
        return _of_type(found, 0)

    def distance_z(self, **options: Any) -> Distance:
        """As `distance_x`, of Z operators."""
        require_kernel(self.sparse_x.shape[0], self.n, self.name or "code")
        found = least_word(
            independent(self.z), self.logical_z, checks=Checks(self.x_checks, self.logical_x.T.words), **options
        )
        return _of_type(found, 1)

    def distance(self, **options: Any) -> Distance:
        """The smaller of both; options as in `bitket.quantum.codes.distance.least_word`."""
        x, z = self.distance_x(**options), self.distance_z(**options)
        small, other = (x, z) if x.value <= z.value else (z, x)
        # A bound of the other type can hide a lighter operator.
        method = small.method if small.method == other.method else f"{small.method}, {other.method}"
        exact = small.exact and other.exact
        trials = max(x.trials, z.trials) if not exact else small.trials
        return Distance(small.value, exact, method, small.witness, trials, small.hits)

    def parameters(self, **options: Any) -> tuple[int, int, Distance | None]:
        """n, k, d; no distance where k = 0."""
        return self.n, self.k, self.distance(**options) if self.k else None

    def distance_at_least(self, weight: int, budget: int = 2_000_000_000) -> bool:
        """Whether no logical operator is lighter than ``weight``: by connected operators, lightest first, for checks of low weight.

        Raises
        ------
        InvalidInput
            The search needs more than the budget (a node counts as 50 words).
        """
        for checks, logical in ((self.sparse_z, self.logical_z), (self.sparse_x, self.logical_x)):
            found, _, complete = clusters(checks, logical.T.words, weight, min(max(1, budget // 50), 1 << 63))
            if found < weight:
                return False
            if not complete:
                raise InvalidInput(f"operators lighter than {weight}: the budget of {budget} words was spent")
        return True

    def is_logical(self, operator: ArrayLike) -> bool:
        """Whether a Pauli operator, ``[2, n]`` bits (X part, Z part), commutes with all checks and is no product of them."""
        x, z = (BitMatrix.from_dense(part[None]) for part in np.asarray(operator, np.uint8))
        silent = not (self.z @ x.T).words.any() and not (self.x @ z.T).words.any()
        acts = (self.logical_z @ x.T).words.any() or (self.logical_x @ z.T).words.any()
        return bool(silent and acts)

    def stabiliser(self) -> StabiliserCode:
        """The same as a stabiliser code."""
        x, z = self.x_checks, self.z_checks
        rows = np.block([[x, np.zeros_like(x)], [np.zeros_like(z), z]])
        return StabiliserCode(rows, self.name)

    def __repr__(self) -> str:
        return f"CssCode([[{self.n}, {self.k}]]{', ' + self.name if self.name else ''})"


def _of_type(found: Distance, part: int) -> Distance:
    witness = np.zeros((2, len(found.witness)), np.uint8)
    witness[part] = found.witness
    return Distance(found.value, found.exact, found.method, witness, found.trials, found.hits)


class StabiliserCode:
    """A stabiliser code from the X and Z parts of its generators.

    Parameters
    ----------
    checks
        ``[rows, 2 n]`` of 0 and 1, X part first; signs play no part.

    Raises
    ------
    InvalidInput
        As for `ClassicalCode`; or an odd number of columns, or two generators that do not commute.
    """

    def __init__(self, checks: ArrayLike | BitMatrix, name: str = "") -> None:
        self.checks, self.name = _checks(checks, "stabiliser generators"), name
        if self.checks.shape[1] % 2:
            raise InvalidInput(f"stabiliser generators of {self.checks.shape[1]} columns: X and Z parts are needed")
        self.n = self.checks.shape[1] // 2
        clash = np.argwhere((self.matrix @ _swapped(self.matrix).T).to_dense())
        if len(clash):
            raise InvalidInput(f"checks do not commute: generators {clash[0][0]} and {clash[0][1]}")

    @classmethod
    def from_paulis(cls, generators: Sequence[str], name: str = "") -> StabiliserCode:
        """From words over I, X, Y, Z; the rightmost letter is qubit 0."""
        if any(set(g) - set("IXYZ") or len(g) != len(generators[0]) for g in generators):
            raise InvalidInput("stabiliser generators: words over I, X, Y, Z of equal length are needed")
        rows = [[c in "XY" for c in g[::-1]] + [c in "ZY" for c in g[::-1]] for g in generators]
        return cls(np.array(rows, np.uint8), name)

    @cached_property
    def matrix(self) -> BitMatrix:
        """Generators, packed."""
        return BitMatrix.from_dense(self.checks)

    @cached_property
    def logical(self) -> BitMatrix:
        """Operators that commute with all generators, modulo them: ``[2 k, 2 n]``."""
        return outside(_swapped(self.matrix).kernel(), independent(self.matrix))

    @property
    def k(self) -> int:
        """Logical qubits."""
        return self.n - self.matrix.rank()

    @property
    def weights(self) -> Weights:
        """Greatest weight of a generator, greatest number of generators on a qubit."""
        return Weights.of(self.checks[:, : self.n] | self.checks[:, self.n :])

    def distance(self, **options: Any) -> Distance:
        """The least weight of a logical operator; options as in `bitket.quantum.codes.distance.least_word`.

        A qubit becomes the three bits x, z, x + z: two of them are 1 unless the operator is the identity there.
        """
        require_kernel(len(self.checks), 2 * self.n, self.name or "code")
        require(20 * self.n**2, f"{self.name or 'code'}: words of {self.n} qubits with three bits each")
        # Columns: X, Z and Y of each qubit, by the generators that see them and by the logical operators that do.
        syndromes, labels = (_tripled(_swapped(m)) for m in (self.matrix, self.logical))
        one = np.eye(self.n, dtype=np.uint8)
        zero = np.zeros_like(one)
        words = np.block([[one, zero, one], [zero, one, one], [one, one, zero]])
        checks = Checks(syndromes.to_dense(), labels.T.words, words)
        found = least_word(_tripled(independent(self.matrix)), _tripled(self.logical), checks=checks, **options)
        witness = found.witness.reshape(3, self.n)[:2]
        return Distance(found.value // 2, found.exact, found.method, witness, found.trials, found.hits)

    def parameters(self, **options: Any) -> tuple[int, int, Distance | None]:
        """n, k, d; no distance where k = 0."""
        return self.n, self.k, self.distance(**options) if self.k else None

    def __repr__(self) -> str:
        return f"StabiliserCode([[{self.n}, {self.k}]]{', ' + self.name if self.name else ''})"


def _swapped(matrix: BitMatrix) -> BitMatrix:
    dense = matrix.to_dense()
    n = dense.shape[1] // 2
    return BitMatrix.from_dense(np.concatenate([dense[:, n:], dense[:, :n]], axis=1))


def _tripled(matrix: BitMatrix) -> BitMatrix:
    dense = matrix.to_dense()
    x, z = np.split(dense, 2, axis=1)
    return BitMatrix.from_dense(np.concatenate([x, z, x ^ z], axis=1))

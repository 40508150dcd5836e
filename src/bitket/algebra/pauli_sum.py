"""Linear combinations of Pauli strings, vectorised over terms.

Terms are rows of bit-packed masks ``x, z [terms, words]`` (64 qubits a word) with one complex coefficient each. On states, all terms
of equal X mask act in one pass: ``(O psi)[j ^ x] += d_x[j] psi[j]``, where the diagonal d_x is the Walsh-Hadamard transform of the
coefficients by Z mask.

>>> import numpy as np
>>> H = PauliSum.from_list([("ZZ", 1.0), ("XI", 0.5)])
>>> (H @ H).labels()                                        # composition; the cross terms anticommute and cancel
['II']
>>> np.allclose((H @ H).matrix(), H.matrix() @ H.matrix())
True
>>> (2 * H - H - H).simplify()
PauliSum(2 qubits, 0 terms)
>>> (1j * H).adjoint() == -1j * H
True
>>> PauliSum.parse("0.5*ZZ - 1.2 XI").commutator(PauliSum.parse("IZ")).simplify()
PauliSum(2 qubits, 0 terms)
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bitket.algebra.grouping import Order, Relation, group_terms
from bitket.algebra.pauli import PauliError, PauliString
from bitket.algebra.walsh import walsh_hadamard

__all__ = ["PauliSum"]

Words = NDArray[np.uint64]
_POWERS_OF_I = np.array([1, 1j, -1, -1j])
_PAIRS_AT_ONCE = 1 << 19  # a product holds that many pairs of terms before it joins the equal ones: about 50 MB
_TERMS_IN_PRODUCT = 128  # above, a Walsh-Hadamard transform takes less time than a matrix product
_STORED_ENTRIES = 1 << 26  # matrices of up to that many entries (about 1 GB) are stored to find an eigenvalue


def _pack(mask: int, words: int) -> list[int]:
    return [mask >> 64 * w & 0xFFFFFFFFFFFFFFFF for w in range(words)]


def _count(words: NDArray[Any]) -> NDArray[np.uint8]:
    """Number of set bits, modulo 256: enough for signs and powers of i."""
    counts = np.bitwise_count(words)
    return counts[..., 0] if words.shape[-1] == 1 else counts.sum(axis=-1, dtype=np.uint8)


def _signed_sum(z: NDArray[np.int64], c: NDArray[Any], bits: int) -> NDArray[Any]:
    """``sum_t c_t (-1)^(j·z_t)`` for j = 0 ... 2^bits - 1, real if all c are."""
    if c.imag.any():
        imaginary = 1j * _signed_sum(z, c.imag, bits)
        return imaginary + _signed_sum(z, c.real, bits) if c.real.any() else imaginary
    if len(z) > _TERMS_IN_PRODUCT:
        out = np.bincount(z, c.real, 1 << bits)
        return walsh_hadamard(out, out=out)
    # A sign is the product of the signs of the upper and of the lower bits of j, so few terms are one small matrix product.
    low = bits // 2
    index = np.arange(1 << bits - low)
    upper = 1 - 2.0 * (np.bitwise_count(z[:, None] >> low & index) & 1)
    lower = 1 - 2.0 * (np.bitwise_count(z[:, None] & index[: 1 << low]) & 1)
    return ((c.real[:, None] * upper).T @ lower).reshape(-1)


class PauliSum:
    """``sum_t c_t P_t`` with Hermitian Pauli products P_t; immutable.

    Build with `from_list`, `from_sparse`, `from_masks` or `parse`. Terms may repeat until `simplify` is called.

    Attributes
    ----------
    num_qubits
        Number of qubits.
    coefficients
        ``[terms]``, complex.
    x, z
        Bit-packed masks, ``[terms, words]``.
    """

    __slots__ = ("_groups", "coefficients", "num_qubits", "x", "z")

    def __init__(self, num_qubits: int, x: ArrayLike, z: ArrayLike, coefficients: ArrayLike) -> None:
        if num_qubits < 1:
            raise PauliError(f"operator on {num_qubits} qubits: at least 1 is needed")
        self.num_qubits = int(num_qubits)
        words = (num_qubits + 63) // 64
        self.x: Words = np.asarray(x, dtype=np.uint64).reshape(-1, words)
        self.z: Words = np.asarray(z, dtype=np.uint64).reshape(-1, words)
        self.coefficients: NDArray[np.complex128] = np.asarray(coefficients, dtype=complex).reshape(-1)
        if not len(self.x) == len(self.z) == len(self.coefficients):
            raise PauliError("operator: masks and coefficients must have equally many terms")
        if not np.isfinite(self.coefficients).all():
            raise PauliError("operator: coefficients must be finite")
        for array in (self.x, self.z, self.coefficients):
            array.setflags(write=False)
        self._groups: dict[int, tuple[NDArray[np.int64], NDArray[np.complex128]]] | None = None

    # -- building ---------------------------------------------------------------------------------------------------
    @classmethod
    def from_masks(cls, num_qubits: int, terms: Iterable[tuple[complex, int, int]]) -> PauliSum:
        """From ``(coefficient, x, z)`` with integer masks."""
        rows, words = list(terms), (num_qubits + 63) // 64
        for _, x, z in rows:
            if min(x, z) < 0 or (x | z) >> num_qubits:
                raise PauliError(f"term with masks {x}, {z}: they must fit {num_qubits} qubits")
        xs, zs = [_pack(x, words) for _, x, _ in rows], [_pack(z, words) for _, _, z in rows]
        return cls(num_qubits, xs, zs, [c for c, _, _ in rows])

    @classmethod
    def from_list(cls, terms: Iterable[tuple[str, complex]]) -> PauliSum:
        """From ``(label, coefficient)``; the rightmost letter is qubit 0.

        Raises
        ------
        PauliError
            There are no terms, labels differ in length, or a letter is not one of I, X, Y, Z.
        """
        pairs = [(PauliString.from_label(label), c) for label, c in terms]
        if not pairs:
            raise PauliError("operator: no terms; an empty sum needs its number of qubits: PauliSum.zero(num_qubits)")
        sizes = {p.num_qubits for p, _ in pairs}
        if len(sizes) > 1:
            raise PauliError(f"operator: labels have different lengths {sorted(sizes)}")
        return cls.from_masks(sizes.pop(), [(c * p.phase, p.x, p.z) for p, c in pairs])

    @classmethod
    def from_sparse(cls, terms: Iterable[tuple[str, Sequence[int], complex]], num_qubits: int) -> PauliSum:
        """From ``(letters, qubits, coefficient)``: ``("XZ", [0, 3], 0.5)`` is X on qubit 0 and Z on qubit 3."""
        rows = []
        for letters, qubits, coefficient in terms:
            if len(letters) != len(qubits) or len(set(qubits)) != len(qubits) or set(letters) - set("IXYZ"):
                raise PauliError(
                    f"term {letters!r} on qubits {list(qubits)}: one of I, X, Y, Z for each of different qubits"
                )
            if any(not 0 <= q < num_qubits for q in qubits):
                raise PauliError(f"term {letters!r} on qubits {list(qubits)}: qubits are 0 to {num_qubits - 1}")
            x = sum(1 << q for q, p in zip(qubits, letters, strict=True) if p in "XY")
            z = sum(1 << q for q, p in zip(qubits, letters, strict=True) if p in "YZ")
            rows.append((coefficient, x, z))
        return cls.from_masks(num_qubits, rows)

    @classmethod
    def zero(cls, num_qubits: int) -> PauliSum:
        """The operator 0."""
        return cls.from_masks(num_qubits, [])

    @classmethod
    def identity(cls, num_qubits: int) -> PauliSum:
        """The operator 1."""
        return cls.from_masks(num_qubits, [(1.0, 0, 0)])

    @classmethod
    def parse(cls, text: str) -> PauliSum:
        """From text such as ``"0.5*ZZ - 1.2 XI + IX"``.

        Raises
        ------
        PauliError
            The text cannot be read; the message names the position.
        """
        number = r"(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
        pattern = re.compile(rf"\s*(?P<sign>[+-]?)\s*(?P<number>{number})?\s*\*?\s*(?P<label>[IXYZ]+)\s*")
        terms: list[tuple[str, complex]] = []
        at = 0
        while at < len(text):
            match = pattern.match(text, at)
            if match is None or (terms and not match["sign"]):
                what = (
                    "a sign, a number and Pauli letters, such as '- 0.5*XIZ'," if terms else "a term such as '0.5*XIZ'"
                )
                raise PauliError(f"operator, position {at}, at {text[at : at + 20]!r}: {what} expected")
            value = float(match["number"] or 1) * (-1 if match["sign"] == "-" else 1)
            terms.append((match["label"], value))
            at = match.end()
        return cls.from_list(terms)

    # -- reading ----------------------------------------------------------------------------------------------------
    def __len__(self) -> int:
        return len(self.coefficients)

    def masks(self) -> list[tuple[complex, int, int]]:
        """``(coefficient, x, z)`` for each term, masks as Python integers."""
        out = []
        for c, x, z in zip(self.coefficients.tolist(), self.x.tolist(), self.z.tolist(), strict=True):
            out.append((c, sum(w << 64 * k for k, w in enumerate(x)), sum(w << 64 * k for k, w in enumerate(z))))
        return out

    def labels(self) -> list[str]:
        """Letters of each term, qubit 0 rightmost."""
        return [PauliString(self.num_qubits, x, z).label for _, x, z in self.masks()]

    def is_hermitian(self, tolerance: float = 1e-12) -> bool:
        """Whether all coefficients are real, after equal terms are joined."""
        if not self.coefficients.imag.any():
            return True
        return bool((np.abs(self.simplify(0.0).coefficients.imag) <= tolerance).all())

    def is_diagonal(self) -> bool:
        """Whether there are only I and Z."""
        return not self.x.any()

    # -- algebra ----------------------------------------------------------------------------------------------------
    def simplify(self, tolerance: float = 1e-14) -> PauliSum:
        """Equal terms joined, in order of first appearance; terms of absolute coefficient at most ``tolerance`` dropped."""
        if self.num_qubits <= 32:  # both masks fit one sort key
            by_key = np.argsort(self.x[:, 0] << np.uint64(32) | self.z[:, 0], kind="stable")
        else:
            by_key = np.lexsort([*self.z.T, *self.x.T])
        x, z = self.x[by_key], self.z[by_key]
        new = np.ones(len(self), dtype=bool)
        new[1:] = ((x[1:] != x[:-1]) | (z[1:] != z[:-1])).any(axis=1)
        starts = np.flatnonzero(new)
        total = np.add.reduceat(self.coefficients[by_key], starts) if len(self) else self.coefficients
        first = by_key[starts]  # the sort is stable, so the first of equal terms leads
        order = np.argsort(first)
        order = order[np.abs(total[order]) > tolerance]
        return PauliSum(self.num_qubits, self.x[first[order]], self.z[first[order]], total[order])

    def __add__(self, other: PauliSum | complex) -> PauliSum:
        if not isinstance(other, PauliSum):
            other = complex(other) * PauliSum.identity(self.num_qubits)
        self._same_size(other)
        return PauliSum(
            self.num_qubits,
            np.concatenate([self.x, other.x]),
            np.concatenate([self.z, other.z]),
            np.concatenate([self.coefficients, other.coefficients]),
        ).simplify()

    __radd__ = __add__

    def __neg__(self) -> PauliSum:
        return -1.0 * self

    def __sub__(self, other: PauliSum | complex) -> PauliSum:
        return self + (-1.0 * other)

    def __rsub__(self, other: complex) -> PauliSum:
        return -self + other

    def __mul__(self, factor: complex) -> PauliSum:
        return PauliSum(self.num_qubits, self.x, self.z, self.coefficients * complex(factor))

    __rmul__ = __mul__

    def __truediv__(self, factor: complex) -> PauliSum:
        return self * (1 / complex(factor))

    def __matmul__(self, other: PauliSum) -> PauliSum:
        """Operator product, equal terms joined."""
        self._same_size(other)
        step = max(1, _PAIRS_AT_ONCE // max(1, len(other)))
        blocks = [self._times(other, slice(start, start + step)) for start in range(0, len(self), step)]
        if len(blocks) < 2:
            return blocks[0] if blocks else self
        x, z = np.concatenate([b.x for b in blocks]), np.concatenate([b.z for b in blocks])
        return PauliSum(self.num_qubits, x, z, np.concatenate([b.coefficients for b in blocks])).simplify()

    def _times(self, other: PauliSum, rows: slice) -> PauliSum:
        x1, z1, x2, z2 = self.x[rows, None], self.z[rows, None], other.x[None], other.z[None]
        x, z = x1 ^ x2, z1 ^ z2
        exponent = _count(x1 & z1) + _count(x2 & z2) + 2 * _count(z1 & x2) - _count(x & z)
        coefficients = self.coefficients[rows, None] * other.coefficients * _POWERS_OF_I[exponent % 4]
        words = x.shape[-1]
        return PauliSum(self.num_qubits, x.reshape(-1, words), z.reshape(-1, words), coefficients).simplify()

    def commutator(self, other: PauliSum) -> PauliSum:
        """``self other - other self``."""
        return (self @ other) - (other @ self)

    def adjoint(self) -> PauliSum:
        """Hermitian adjoint."""
        return PauliSum(self.num_qubits, self.x, self.z, self.coefficients.conj())

    def take(self, rows: Sequence[int]) -> PauliSum:
        """The operator of some of the terms, by their numbers."""
        return PauliSum(self.num_qubits, self.x[rows], self.z[rows], self.coefficients[rows])

    def group(self, relation: Relation = "qubitwise", order: Order = "fewest") -> list[PauliSum]:
        """Groups of terms that commute, qubit by qubit or as a whole: see `bitket.algebra.group_terms`."""
        return group_terms(self, relation, order)

    # -- action on states -------------------------------------------------------------------------------------------
    def _by_x(self) -> dict[int, tuple[NDArray[np.int64], NDArray[np.complex128]]]:
        """For each X mask the Z masks and coefficients (phases i^|x & z| included) of its terms."""
        if self._groups is None:
            if self.num_qubits > 40:
                raise PauliError(f"operator on {self.num_qubits} qubits: states of more than 40 qubits cannot be held")
            groups: dict[int, list[tuple[int, complex]]] = {}
            for c, x, z in self.masks():
                groups.setdefault(x, []).append((z, c * _POWERS_OF_I[(x & z).bit_count() % 4]))
            self._groups = {
                x: (np.array([z for z, _ in rows]), np.array([c for _, c in rows])) for x, rows in groups.items()
            }
        return self._groups

    def diagonals(self) -> Iterable[tuple[int, NDArray[Any]]]:
        """For each X mask x the diagonal ``d_x [2^n]`` of the operator's part ``O[j ^ x, j] = d_x[j]``."""
        for x in self._by_x():
            yield x, self._diagonal(x)

    def _diagonal(self, x: int) -> NDArray[Any]:
        """``d_x[j] = sum_z c_z (-1)^(j·z)``, real where it can be."""
        z, c = self._by_x()[x]
        return _signed_sum(z, c, self.num_qubits)

    def apply(self, state: ArrayLike) -> NDArray[np.complex128]:
        """The operator applied to states ``[..., 2^n]``."""
        psi = self._state(state)
        out = np.zeros(psi.shape, dtype=complex)
        index = np.arange(psi.shape[-1])
        for x, diagonal in self.diagonals():
            out += (diagonal * psi)[..., index ^ x] if x else diagonal * psi
        return out

    def expectation(self, state: ArrayLike) -> Any:
        """``<psi|O|psi>`` of states ``[..., 2^n]``: real if the operator is Hermitian, else complex."""
        psi = self._state(state)
        if not self.is_hermitian():
            return np.vecdot(psi, self.apply(psi))
        total = np.zeros(psi.shape[:-1])
        for x, (z, c) in self._by_x().items():
            if x == 0:
                total += (psi.real**2 + psi.imag**2) @ _signed_sum(z, c, self.num_qubits).real
                continue
            # j and j ^ x contribute conjugate values: it is enough to take the j whose bit at the top of x is 0.
            top = x.bit_length() - 1
            pairs = psi.reshape(*psi.shape[:-1], -1, 2, 1 << top)
            partner = pairs[..., 1, :][..., np.arange(1 << top) ^ (x - (1 << top))]
            diagonal = _signed_sum(z & ((1 << top) - 1) | z >> top + 1 << top, c, self.num_qubits - 1)
            product = diagonal.reshape(-1, 1 << top) * pairs[..., 0, :]
            half = (*psi.shape[:-1], -1)
            total += 2 * np.vecdot(partner.reshape(half), product.reshape(half)).real
        return total if total.ndim else float(total)

    def sparse(self) -> Any:
        """SciPy CSR matrix ``[2^n, 2^n]``, real if all its entries are.

        Raises
        ------
        PauliError
            There are more than 26 qubits.
        """
        import scipy.sparse

        if self.num_qubits > 26:
            raise PauliError(f"sparse matrix of {self.num_qubits} qubits: at most 26; use apply()")
        size = 1 << self.num_qubits
        none = np.zeros(0, np.int32)
        columns: list[NDArray[Any]] = [none]
        rows: list[NDArray[Any]] = [none]
        values: list[NDArray[Any]] = [np.zeros(0)]
        for x, diagonal in self.diagonals():
            kept = np.flatnonzero(diagonal).astype(np.int32)  # many are zero where the operator conserves something
            columns.append(kept)
            rows.append(kept ^ np.int32(x))
            values.append(diagonal[kept])
        where = (np.concatenate(rows), np.concatenate(columns))
        return scipy.sparse.coo_matrix((np.concatenate(values), where), shape=(size, size)).tocsr()

    def matrix(self) -> NDArray[np.complex128]:
        """Dense matrix ``[2^n, 2^n]``, little-endian.

        Raises
        ------
        PauliError
            There are more than 14 qubits.
        """
        if self.num_qubits > 14:
            raise PauliError(f"dense matrix of {self.num_qubits} qubits: at most 14; use sparse() or apply()")
        size = 1 << self.num_qubits
        out, index = np.zeros((size, size), dtype=complex), np.arange(size)
        for x, diagonal in self.diagonals():
            out[index ^ x, index] += diagonal
        return out

    def ground_energy(self, sector: ArrayLike | None = None) -> float:
        """The smallest eigenvalue: see `ground_state`."""
        if sector is None and self.is_hermitian() and self.is_diagonal():
            return float(self._diagonal(0).real.min()) if len(self) else 0.0
        return self.ground_state(sector)[0]

    def ground_state(self, sector: ArrayLike | None = None) -> tuple[float, NDArray[Any]]:
        """The smallest eigenvalue and a normalised eigenvector ``[2^n]``: dense up to 8 qubits, Lanczos above.

        Over all basis states, a molecule's operator has ions of other charge beside the molecule: `MolecularProblem.ground_state` keeps
        to its electrons.

        Parameters
        ----------
        sector
            Basis states ``[states]`` out of which the operator does not lead; only their span is searched.

        Raises
        ------
        PauliError
            The operator is not Hermitian, or leads out of the sector.
        """
        if not self.is_hermitian():
            raise PauliError("ground state: the operator is not Hermitian")
        size = 1 << self.num_qubits
        if sector is not None:
            from bitket.algebra.subspaces import lowest_eigenpairs, restricted_matrix

            basis = np.asarray(sector, dtype=np.int64).reshape(-1)
            if len(basis) and not (basis.min() >= 0 and basis.max() < size):
                raise PauliError(f"sector of an operator on {self.num_qubits} qubits: basis states are 0 to {size - 1}")
            values, inside = lowest_eigenpairs(restricted_matrix(self._by_x(), basis), 1)
            whole = np.zeros(size, inside.dtype)
            whole[basis] = inside[:, 0]
            return float(values[0]), whole
        if self.is_diagonal():
            diagonal = self._diagonal(0).real if len(self) else np.zeros(size)
            state = np.zeros(size)
            state[int(diagonal.argmin())] = 1
            return float(diagonal.min()), state
        if self.num_qubits <= 8:
            values, vectors = np.linalg.eigh(self.matrix())
            return float(values[0]), vectors[:, 0]
        from scipy.sparse.linalg import LinearOperator, eigsh

        start = np.random.default_rng(0).normal(size=size)  # a fixed start: the same digits each time
        if len(self._by_x()) << self.num_qubits <= _STORED_ENTRIES:
            action = self.sparse()
        else:
            action = LinearOperator((size, size), self.apply, dtype=complex)
        values, vectors = eigsh(action, k=1, which="SA", v0=start)
        return float(values[0]), vectors[:, 0]

    def _state(self, state: ArrayLike) -> NDArray[Any]:
        psi = np.asarray(state)
        if psi.ndim == 0 or psi.shape[-1] != 1 << self.num_qubits:
            raise PauliError(f"state of shape {psi.shape}: the last axis must be 2^{self.num_qubits}")
        return psi

    # -- files and Python -------------------------------------------------------------------------------------------
    def to_dict(self) -> dict[str, Any]:
        """A form that JSON can hold; see `from_dict`."""
        terms = [[label, c.real, c.imag] for label, c in zip(self.labels(), self.coefficients.tolist(), strict=True)]
        return {"num_qubits": self.num_qubits, "terms": terms}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> PauliSum:
        """From the form that `to_dict` gives."""
        try:
            terms = [(str(label), complex(re, im)) for label, re, im in data["terms"]]
            return cls.from_list(terms) if terms else cls.zero(int(data["num_qubits"]))
        except (KeyError, TypeError, ValueError) as error:
            if isinstance(error, PauliError):
                raise
            raise PauliError(
                f"operator: {{'num_qubits': n, 'terms': [[label, real, imaginary], ...]}} expected ({error})"
            ) from None

    def _same_size(self, other: PauliSum) -> None:
        if self.num_qubits != other.num_qubits:
            raise PauliError(f"operators on {self.num_qubits} and {other.num_qubits} qubits: the numbers must be equal")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, PauliSum) or self.num_qubits != other.num_qubits:
            return False
        return len((self - other).simplify(0.0)) == 0

    __hash__ = None  # type: ignore[assignment]  # equality is that of operators, whatever the order of terms

    def __repr__(self) -> str:
        return f"PauliSum({self.num_qubits} qubits, {len(self)} terms)"

    def __str__(self) -> str:
        def number(c: complex) -> str:
            return f"{c.real:+.6g}" if c.imag == 0 else f"+({c.real:.6g}{c.imag:+.6g}i)"

        parts = [f"{number(c)}*{label}" for label, c in zip(self.labels(), self.coefficients.tolist(), strict=True)]
        return " ".join(parts) or "0"

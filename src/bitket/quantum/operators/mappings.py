"""Fermion-to-qubit mappings as linear encodings of occupation numbers.

Jordan-Wigner stores occupation f_j in qubit j. The others store q = B f over GF(2) with an invertible B: parity has
q_i = f_0 + ... + f_i, Bravyi-Kitaev has q_i = the sum over the Fenwick segment that ends at i (Seeley, Richard, Love 2012,
arXiv:1208.5986). The change of basis |f> -> |B f> takes X^x Z^z to X^(B x) Z^(B^-T z), so an operator need only be
mapped by Jordan-Wigner once and its masks be multiplied by a bit matrix.

>>> from bitket.algebra import PauliSum
>>> number = PauliSum.from_list([("III", 0.5), ("ZII", -0.5)])            # occupation of mode 2
>>> print(encode(number, "parity"))
+0.5*III -0.5*ZZI
>>> decode(encode(number, "bravyi_kitaev"), "bravyi_kitaev") == number     # inverse
True
>>> encode(number @ number, "parity") == encode(number, "parity") @ encode(number, "parity")     # a homomorphism
True
"""

from __future__ import annotations

from collections.abc import Mapping as Dictionary
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bitket.algebra import BitMatrix, PauliError, PauliSum
from bitket.errors import InvalidInput

__all__ = [
    "Encoding",
    "Mapping",
    "decode",
    "encode",
    "encode_occupation",
    "mapping_matrix",
    "parity_symmetries",
    "reduce_two_qubits",
    "taper",
    "taper_symmetries",
]

Mapping = Literal["jordan_wigner", "parity", "bravyi_kitaev"]


@cache
def mapping_matrix(mapping: Mapping, num_modes: int) -> BitMatrix:
    """The matrix B of the encoding ``q = B f``, ``[modes, modes]``.

    Raises
    ------
    InvalidInput
        The mapping is not known.
    """
    qubit, mode = np.arange(num_modes)[:, None], np.arange(num_modes)[None]
    if mapping == "jordan_wigner":
        return BitMatrix.identity(num_modes)
    if mapping == "parity":
        return BitMatrix.from_dense(mode <= qubit)
    if (
        mapping == "bravyi_kitaev"
    ):  # with i = qubit + 1, a Fenwick tree keeps at i the sum of i - (lowest set bit of i) + 1 ... i
        lowest = (qubit + 1) & -(qubit + 1)
        return BitMatrix.from_dense((mode <= qubit) & (mode > qubit - lowest))
    raise InvalidInput(f"mapping {mapping!r}: known are {', '.join(get_args(Mapping))}")


def _change_basis(operator: PauliSum, matrix: BitMatrix) -> PauliSum:
    """The operator after ``|f> -> |matrix f>``."""
    n = operator.num_qubits
    x = (BitMatrix(operator.x, n) @ matrix.T).words
    z = (BitMatrix(operator.z, n) @ matrix.inverse()).words
    # Hermitian strings are i^|x & z| X^x Z^z; X^x Z^z keeps its sign, the power of i changes with the masks.
    before, after = (np.bitwise_count(m).sum(axis=1, dtype=np.int64) for m in (operator.x & operator.z, x & z))
    return PauliSum(n, x, z, operator.coefficients * np.array([1, 1j, -1, -1j])[(before - after) % 4])


def encode(operator: PauliSum, mapping: Mapping) -> PauliSum:
    """A Jordan-Wigner operator in the basis of ``mapping``."""
    return _change_basis(operator, mapping_matrix(mapping, operator.num_qubits))


def decode(operator: PauliSum, mapping: Mapping) -> PauliSum:
    """An operator of ``mapping`` back in the Jordan-Wigner basis."""
    return _change_basis(operator, mapping_matrix(mapping, operator.num_qubits).inverse())


def encode_occupation(occupation: Sequence[int], mapping: Mapping) -> list[int]:
    """Qubit values of a determinant: ``occupation[j]`` is mode j, entry i of the result is qubit i."""
    column = BitMatrix.from_dense(np.asarray(occupation).reshape(-1, 1))
    return [int(q) for q in (mapping_matrix(mapping, len(column)) @ column).to_dense()[:, 0]]


def taper(operator: PauliSum, values: Dictionary[int, int]) -> PauliSum:
    """Qubits on which the operator has only I and Z are replaced by an eigenvalue of Z and removed; the others move down.

    Parameters
    ----------
    values
        For each qubit to remove its Z eigenvalue, 1 or -1.

    Raises
    ------
    PauliError
        A qubit does not exist, a value is not 1 or -1, the operator has X or Y there, or no qubit would be left.
    """
    n = operator.num_qubits
    if not len(values) < n or any(not 0 <= q < n for q in values) or set(values.values()) - {1, -1}:
        raise PauliError(
            f"tapering {dict(values)} of {n} qubits: some of qubits 0 to {n - 1} with value 1 or -1; one must stay"
        )
    removed = sorted(values)
    x, z = BitMatrix(operator.x, n).to_dense(), BitMatrix(operator.z, n).to_dense()
    moving = np.flatnonzero(x[:, removed].any(axis=0))
    if len(moving):
        raise PauliError(
            f"tapering qubit {removed[moving[0]]}: the operator has X or Y there; only I and Z are allowed"
        )
    negative = [q for q in removed if values[q] == -1]
    coefficients = operator.coefficients * (1 - 2.0 * (z[:, negative].sum(axis=1) % 2))
    kept_x, kept_z = (BitMatrix.from_dense(np.delete(bits, removed, axis=1)).words for bits in (x, z))
    return PauliSum(n - len(removed), kept_x, kept_z, coefficients).simplify()


def parity_symmetries(operator: PauliSum) -> BitMatrix:
    """All Z strings that commute with every term, ``[symmetries, qubits]``, independent and in reduced echelon form.

    Z^s commutes with X^x Z^z when s and x share an even number of qubits, so these are the kernel of the terms' X masks.

    >>> from bitket.algebra import PauliSum
    >>> parity_symmetries(PauliSum.from_list([("IXX", 1.0), ("ZYY", 0.5)])).to_dense()     # qubit 0 leftmost
    array([[1, 1, 0],
           [0, 0, 1]], dtype=uint8)
    """
    return BitMatrix(operator.x, operator.num_qubits).kernel().echelon().matrix


def taper_symmetries(operator: PauliSum, state: Sequence[int]) -> tuple[PauliSum, list[int]]:
    """One qubit fewer for each Z string that commutes with the operator, in the sector of a basis state.

    See `Encoding.tapered`.

    Parameters
    ----------
    state
        Values of the qubits in a basis state of the wanted sector, such as a Hartree-Fock determinant; entry i is qubit i.

    Returns
    -------
    The smaller operator, and the values of its qubits in that state.

    Raises
    ------
    PauliError
        The state has another number of qubits, or no qubit would be left.
    """
    n = operator.num_qubits
    if len(state) != n:
        raise PauliError(f"a state of {len(state)} qubits for an operator on {n}: as many are needed")
    encoding = Encoding(BitMatrix.identity(n)).tapered(operator, state)
    return encoding.operator(operator), encoding.qubits(state)


def reduce_two_qubits(operator: PauliSum, num_electrons: tuple[int, int]) -> PauliSum:
    """Two qubits fewer for a parity-mapped operator that conserves the numbers of alpha and of beta electrons.

    With modes in blocks (all alpha, then all beta) qubit n/2 - 1 holds the parity of the alpha electrons and qubit n - 1 that
    of all electrons (Bravyi, Gambetta, Mezzacapo, Temme 2017, arXiv:1701.08213).

    Raises
    ------
    PauliError
        The number of qubits is odd or below 4, or the operator does not conserve these parities.
    """
    n = operator.num_qubits
    if n < 4 or n % 2:
        raise PauliError(f"two-qubit reduction of {n} qubits: an even number of at least 4 is needed")
    alpha, beta = num_electrons
    return taper(operator, {n // 2 - 1: (-1) ** alpha, n - 1: (-1) ** (alpha + beta)})


@dataclass(frozen=True, eq=False)
class Encoding:
    """How determinants are kept in qubits: ``q = B f`` over GF(2), without those entries of q whose values are known.

    Attributes
    ----------
    matrix
        B, invertible, ``[modes, modes]``.
    fixed
        Entries of q that every state has alike, and their values (0 or 1); the others are, in their order, the qubits.

    >>> pair = Encoding(mapping_matrix("parity", 4), {1: 1, 3: 0})        # one alpha and one beta electron
    >>> pair.qubits([1, 0, 0, 1]), pair.basis_states([0b1001, 0b0110]).tolist()
    ([1, 1], [3, 0])
    """

    matrix: BitMatrix
    fixed: Dictionary[int, int] = field(default_factory=dict)

    @property
    def num_modes(self) -> int:
        """Number of modes."""
        return len(self.matrix)

    @property
    def kept(self) -> list[int]:
        """The entries of q that are qubits; the first is qubit 0."""
        return [q for q in range(self.num_modes) if q not in self.fixed]

    def holds(self, occupation: Sequence[int]) -> bool:
        """Whether a determinant has the known values."""
        values = self._entries(occupation)
        return all(values[q] == value for q, value in self.fixed.items())

    def qubits(self, occupation: Sequence[int]) -> list[int]:
        """Values of the qubits in a determinant, from the occupation of each mode; entry i is qubit i."""
        values = self._entries(occupation)
        return [values[q] for q in self.kept]

    def _entries(self, occupation: Sequence[int]) -> list[int]:
        column = BitMatrix.from_dense(np.asarray(occupation).reshape(-1, 1))
        return [int(q) for q in (self.matrix @ column).to_dense()[:, 0]]

    def basis_states(self, occupations: ArrayLike) -> NDArray[np.int64]:
        """Index of the basis state of each determinant, from its occupation as a bit mask (mode j is bit j); -1 if it is not held."""
        masks = np.asarray(occupations, dtype=np.uint64)
        rows = [int(sum(int(b) << j for j, b in enumerate(row))) for row in self.matrix.to_dense()]
        out = np.zeros(masks.shape, np.int64)
        for qubit, entry in enumerate(self.kept):
            out |= _parity(masks, rows[entry]) << qubit
        for entry, value in self.fixed.items():
            out[_parity(masks, rows[entry]) != value] = -1
        return out

    def operator(self, operator: PauliSum) -> PauliSum:
        """A Jordan-Wigner operator on the qubits.

        Terms that change a known value are left out: they have no matrix elements between the states that are held.
        """
        encoded = _change_basis(operator, self.matrix)
        if not self.fixed:
            return encoded
        changing = BitMatrix(encoded.x, self.num_modes).to_dense()[:, sorted(self.fixed)].any(axis=1)
        stays = PauliSum(self.num_modes, encoded.x[~changing], encoded.z[~changing], encoded.coefficients[~changing])
        return taper(stays, {q: 1 - 2 * value for q, value in self.fixed.items()})

    def tapered(self, operator: PauliSum, occupation: Sequence[int]) -> Encoding:
        """Without one more qubit for each Z string that commutes with a Jordan-Wigner operator, in the sector of a determinant.

        With T the identity whose rows at the pivots are the symmetries of the operator on the qubits, ``|q> -> |T q>`` makes each
        symmetry the Z of one qubit, whose value is then known (Bravyi, Gambetta, Mezzacapo, Temme 2017, arXiv:1701.08213).

        Raises
        ------
        PauliError
            No qubit would be left.
        """
        symmetries = parity_symmetries(self.operator(operator)).to_dense()
        kept = np.array(self.kept)
        if len(symmetries) == len(kept):
            raise PauliError(
                f"tapering: the symmetries fix all {len(kept)} qubits, and one must stay; leave tapering out"
            )
        pivots = kept[symmetries.argmax(axis=1)]
        basis = np.eye(self.num_modes, dtype=np.uint8)
        basis[np.ix_(pivots, kept)] = symmetries
        encoding = Encoding(BitMatrix.from_dense(basis) @ self.matrix)
        values = encoding.qubits(occupation)
        return Encoding(encoding.matrix, {**self.fixed, **{q: values[q] for q in pivots.tolist()}})


def _parity(masks: NDArray[np.uint64], row: int) -> NDArray[np.int64]:
    return (np.bitwise_count(masks & np.uint64(row)) & 1).astype(np.int64)

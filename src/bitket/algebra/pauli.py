"""Pauli strings and sums in symplectic form.

A string is a pair of bit masks (x, z): on each qubit X where only x is set, Z where only z, Y where both, so that the Hermitian
product is sigma(x, z) = i^|x & z| X^x Z^z. Products follow from Z X = -X Z:

    sigma(x1, z1) sigma(x2, z2) = i^(|x1 & z1| + |x2 & z2| + 2|z1 & x2| - |x & z|) sigma(x, z),   x = x1 ^ x2,  z = z1 ^ z2,

and two strings commute if |x1 & z2| + |z1 & x2| is even. Qubit 0 is the rightmost letter of a label.

>>> X, Y, Z = (PauliString.from_label(p) for p in "XYZ")
>>> X @ Y                                              # i Z
PauliString('Z', phase=1j)
>>> (X @ Y) @ Z == X @ (Y @ Z)                         # composition
True
>>> Y @ Y                                              # inverse: every Hermitian string is its own
PauliString('I')
>>> (X @ Y).adjoint() == Y @ X
True
>>> X.commutes(Z), PauliString.from_label("XX").commutes(PauliString.from_label("ZZ"))
(False, True)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bitket.errors import InvalidInput

__all__ = ["PauliError", "PauliString"]

_PHASES = (1, 1j, -1, -1j)


class PauliError(InvalidInput):
    """A Pauli label, term or operator that cannot be."""


@dataclass(frozen=True)
class PauliString:
    """A phase i^``exponent`` times the Hermitian Pauli product with X mask ``x`` and Z mask ``z`` on ``num_qubits`` qubits."""

    num_qubits: int
    x: int
    z: int
    exponent: int = 0

    def __post_init__(self) -> None:
        if self.num_qubits < 1 or (self.x | self.z) >> self.num_qubits or min(self.x, self.z) < 0:
            raise PauliError(f"Pauli string with masks {self.x}, {self.z}: they must fit {self.num_qubits} >= 1 qubits")
        object.__setattr__(self, "exponent", self.exponent % 4)

    @classmethod
    def from_label(cls, label: str) -> PauliString:
        """From letters I, X, Y, Z; the rightmost is qubit 0. A sign in front (``-``, ``i``, ``-i``) is the phase.

        Raises
        ------
        PauliError
            The label is empty or has another letter.
        """
        body, exponent = label, 0
        for sign, value in (("-i", 3), ("+i", 1), ("i", 1), ("-", 2), ("+", 0)):
            if label.startswith(sign):
                body, exponent = label[len(sign) :], value
                break
        if not body:
            raise PauliError(f"Pauli label {label!r}: at least one of the letters I, X, Y, Z is needed")
        x = z = 0
        for position, letter in enumerate(body):
            if letter not in "IXYZ":
                raise PauliError(
                    f"Pauli label {label!r}: letter {letter!r} at position {position}; allowed are I, X, Y, Z"
                )
            x, z = x << 1 | (letter in "XY"), z << 1 | (letter in "YZ")
        return cls(len(body), x, z, exponent)

    @property
    def phase(self) -> complex:
        """1, i, -1 or -i."""
        return _PHASES[self.exponent]

    @property
    def label(self) -> str:
        """Letters without the phase, qubit 0 rightmost."""
        return "".join("IXZY"[(self.x >> q & 1) | (self.z >> q & 1) << 1] for q in reversed(range(self.num_qubits)))

    @property
    def weight(self) -> int:
        """Number of qubits on which it is not the identity."""
        return (self.x | self.z).bit_count()

    def __matmul__(self, other: PauliString) -> PauliString:
        """Operator product."""
        self._same_size(other)
        x, z = self.x ^ other.x, self.z ^ other.z
        exponent = self.exponent + other.exponent + 2 * (self.z & other.x).bit_count() - (x & z).bit_count()
        exponent += (self.x & self.z).bit_count() + (other.x & other.z).bit_count()
        return PauliString(self.num_qubits, x, z, exponent)

    def __neg__(self) -> PauliString:
        return PauliString(self.num_qubits, self.x, self.z, self.exponent + 2)

    def adjoint(self) -> PauliString:
        """Hermitian adjoint."""
        return PauliString(self.num_qubits, self.x, self.z, -self.exponent)

    def commutes(self, other: PauliString) -> bool:
        """Whether the two strings commute (otherwise they anticommute)."""
        self._same_size(other)
        return ((self.x & other.z).bit_count() + (self.z & other.x).bit_count()) % 2 == 0

    def commutes_qubitwise(self, other: PauliString) -> bool:
        """Whether on each qubit the letters are equal or one is the identity."""
        self._same_size(other)
        both = (self.x | self.z) & (other.x | other.z)
        return not both & ((self.x ^ other.x) | (self.z ^ other.z))

    def matrix(self) -> NDArray[np.complex128]:
        """Dense matrix ``[2^n, 2^n]``, little-endian."""
        size = 1 << self.num_qubits
        index = np.arange(size)
        out = np.zeros((size, size), dtype=complex)
        factor = self.phase * _PHASES[(self.x & self.z).bit_count() % 4]
        out[index ^ self.x, index] = factor * (1 - 2.0 * (np.bitwise_count(index & self.z) & 1))
        return out

    def _same_size(self, other: PauliString) -> None:
        if self.num_qubits != other.num_qubits:
            raise PauliError(
                f"Pauli strings on {self.num_qubits} and {other.num_qubits} qubits: the numbers must be equal"
            )

    def __str__(self) -> str:
        return ("", "i", "-", "-i")[self.exponent] + self.label

    def __repr__(self) -> str:
        return (
            f"PauliString({self.label!r})" if not self.exponent else f"PauliString({self.label!r}, phase={self.phase})"
        )

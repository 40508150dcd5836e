"""Polynomials over GF(2) as Python integers: bit i is the coefficient of x^i.

A sum is an exclusive or, a product has no carries. Long messages are reduced modulo p by the compiled kernel: words above a fixed place are
replaced by their product with x^(64 j) mod p, which is one carry-less product for each 64 bits of p and of the message.

>>> p = 0b1011                                             # x^3 + x + 1
>>> multiply(0b11, 0b11), remainder(0b1000, p), gcd(0b101, 0b11)     # (x + 1)^2 = x^2 + 1
(5, 3, 3)
>>> is_irreducible(p), is_irreducible(0b101)
(True, False)
>>> field = Modulus(p)
>>> [field.power_of_x(k) for k in range(8)]                # x generates the field's seven units
[1, 2, 4, 3, 6, 7, 5, 1]
>>> field.residue(b"\\x08\\x01")                             # x^3 + x^8 = x^3 + x
1
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib import import_module
from typing import Any, Protocol

import numpy as np

from bitket.errors import InvalidInput

_kernel: Any
try:
    _kernel = import_module("bitket.algebra.native._gf2_poly")
except ImportError:  # installed without a compiler: the same results, slowly
    _kernel = None

__all__ = [
    "Modulus",
    "StreamResidue",
    "gcd",
    "is_irreducible",
    "moebius",
    "multiply",
    "number_of_irreducibles",
    "random_irreducible",
    "remainder",
]


def multiply(a: int, b: int) -> int:
    """Product of two polynomials."""
    if _kernel is not None:
        return int.from_bytes(_kernel.product(_array(a), _array(b)), "little")
    out = 0
    while b:
        low = b & -b
        out ^= a * low
        b ^= low
    return out


def remainder(a: int, p: int) -> int:
    """``a`` modulo ``p``."""
    if p == 0:
        raise InvalidInput("remainder modulo the polynomial 0: another is needed")
    degree = p.bit_length()
    while a.bit_length() >= degree:
        a ^= p << (a.bit_length() - degree)
    return a


def gcd(a: int, b: int) -> int:
    """Greatest common divisor."""
    while b:
        a, b = b, remainder(a, b)
    return a


def is_irreducible(p: int) -> bool:
    """Whether a polynomial of degree 1 or more has no factor of smaller degree (Rabin 1980, doi:10.1137/0209024).

    p of degree n is irreducible if x^(2^n) = x mod p, and x^(2^(n/q)) - x has no common factor with p for any prime q that divides n.
    """
    if p.bit_length() < 2:
        return False
    return Modulus(p).irreducible()


def random_irreducible(n: int, draw: Callable[[int], int]) -> int:
    """A random irreducible polynomial of degree n; all are equally likely.

    Parameters
    ----------
    draw
        ``draw(k)`` gives a random integer below 2^k, such as ``secrets.randbits``. About n/2 are drawn.
    """
    if n < 1:
        raise InvalidInput(f"irreducible polynomial of degree {n}: at least 1 is needed")
    if n == 1:
        return 0b10 | draw(1)
    while True:
        p = 1 << n | draw(n - 1) << 1 | 1  # without the term 1 it would have the factor x
        if p.bit_count() % 2 and is_irreducible(p):  # an even number of terms has the factor x + 1
            return p


def number_of_irreducibles(n: int) -> int:
    """How many irreducible polynomials of degree n there are: (1/n) sum over d | n of mu(d) 2^(n/d).

    >>> [number_of_irreducibles(n) for n in range(1, 9)]
    [2, 1, 2, 3, 6, 9, 18, 30]
    """
    total = 0
    for d in range(1, n + 1):
        if n % d == 0:
            total += moebius(d) * 2 ** (n // d)
    return total // n


def moebius(d: int) -> int:
    """The Moebius function: 0 where a square divides d, else 1 or -1 as the number of its primes is even or odd."""
    sign, prime = 1, 2
    while d > 1:
        if d % prime == 0:
            d //= prime
            if d % prime == 0:
                return 0
            sign = -sign
        prime += 1
    return sign


def _array(a: int, size: int | None = None) -> Any:
    return np.frombuffer(
        a.to_bytes(size if size is not None else (a.bit_length() + 7) // 8 or 1, "little"), dtype=np.uint8
    )


class Modulus:
    """Residues modulo a polynomial of degree n >= 1.

    Raises
    ------
    InvalidInput
        The polynomial has degree 0.
    """

    def __init__(self, p: int) -> None:
        self.p, self.k, self.degree = p, 1, p.bit_length() - 1
        if self.degree < 1:
            raise InvalidInput(f"modulus {p}: a polynomial of degree 1 or more is needed")
        self._size = 8 * -(-self.degree // 64)
        self._kernel = None
        if _kernel is not None:
            self._kernel = _kernel.Modulus(_array(p ^ (1 << self.degree), self._size), self.degree)

    def residue(self, data: Any) -> int:
        """Bytes as a polynomial (bit j of byte k is the coefficient of x^(8 k + j)) modulo p."""
        if self._kernel is None:
            return remainder(int.from_bytes(data, "little"), self.p)
        return int.from_bytes(self._kernel.residue(np.frombuffer(data, dtype=np.uint8)), "little")

    def multiply(self, a: int, b: int) -> int:
        """Product of two residues."""
        if self._kernel is None:
            return remainder(multiply(a, b), self.p)
        return int.from_bytes(self._kernel.multiply(_array(a, self._size), _array(b, self._size)), "little")

    def power_of_x(self, k: int) -> int:
        """x^k."""
        out = remainder(1, self.p)
        for bit in bin(k)[2:]:
            out = self.multiply(out, out)
            if bit == "1":
                out = remainder(out << 1, self.p)
        return out

    def irreducible(self) -> bool:
        """Whether p is irreducible; see `is_irreducible`."""
        if self._kernel is not None:
            return bool(self._kernel.irreducible())
        n, x = self.degree, remainder(2, self.p)
        primes = [q for q in range(2, n + 1) if n % q == 0 and all(q % r for r in range(2, q))]
        stops, power = {n // q for q in primes}, x
        for k in range(1, n + 1):
            power = self.multiply(power, power)
            if k < n and k in stops and gcd(self.p, power ^ x) != 1:
                return False
        return n == 1 or power == x


class Residues(Protocol):
    """What a stream needs of a modulus: the bits k of a coefficient, residues of bytes, products and powers of x."""

    k: int

    def residue(self, data: Any) -> int: ...

    def multiply(self, a: int, b: int) -> int: ...

    def power_of_x(self, k: int, /) -> int: ...


class StreamResidue:
    """Residue of a message that comes in pieces, the first lowest; memory for one block.

    >>> stream = StreamResidue(Modulus(0b1011))
    >>> for piece in (b"some ", b"", b"message"):
    ...     stream.update(piece)
    >>> stream.value == Modulus(0b1011).residue(b"some message"), stream.length
    (True, 96)
    """

    BLOCK = 1 << 20
    """Bytes that are reduced at once."""

    def __init__(self, modulus: Residues) -> None:
        self.modulus, self.length = modulus, 0
        self._value, self._shift = 0, modulus.power_of_x(0)
        self._buffer = bytearray()
        self._step: int | None = None

    def update(self, data: Any) -> None:
        """More bytes."""
        view = memoryview(data).cast("B")
        self.length += 8 * len(view)
        while len(view):
            if not self._buffer and len(view) >= self.BLOCK:
                piece, view = view[: self.BLOCK], view[self.BLOCK :]
                self._reduce(piece)
                continue
            room = self.BLOCK - len(self._buffer)
            self._buffer += view[:room]
            view = view[room:]
            if len(self._buffer) == self.BLOCK:
                self._reduce(self._buffer)
                self._buffer = bytearray()

    def _reduce(self, block: Any) -> None:
        self._value ^= self.modulus.multiply(self.modulus.residue(block), self._shift)
        if self._step is None:
            self._step = self.modulus.power_of_x(8 * self.BLOCK // self.modulus.k)
        self._shift = self.modulus.multiply(self._shift, self._step)

    @property
    def value(self) -> int:
        """The residue of all that has come."""
        rest = self.modulus.residue(self._buffer) if self._buffer else 0
        return self._value ^ self.modulus.multiply(rest, self._shift)

    @classmethod
    def of(cls, modulus: Residues, pieces: Iterable[Any]) -> int:
        """Residue of all pieces."""
        stream = cls(modulus)
        for piece in pieces:
            stream.update(piece)
        return stream.value

"""Polynomials over GF(2^k), k = 2, 4, 8, 16, 32 or 64, as Python integers: bits k i to k i + k - 1 are the coefficient of x^i.

A coefficient is a polynomial in y over GF(2), modulo the irreducible polynomial of degree k that is the smallest as an integer (`FIELDS`; for
k = 8 that of AES). With k = 1 the same integers are the polynomials of `bitket.algebra.gf2_poly`. Bytes are read lowest bit first, so that
bit j of a message belongs to coefficient j div k as bit j mod k.

>>> multiply(0x0302, 0x0302, 8) == 0x05_00_04         # (3 x + 2)^2, with 3 = y + 1 and 2 = y
True
>>> p = 0x01_00_20                                     # x^2 + y^5 is a square, as is y^5
>>> is_irreducible(p, 8), multiply(0x01_C5, 0x01_C5, 8) == p
(False, True)
>>> number_of_irreducibles(2, 8), is_irreducible(0x01_01_20, 8)
(32640, True)
>>> ExtensionModulus(0x01_01_20, 8).residue(bytes([0, 0, 1])) == 0x01_20     # x^2 = x + y^5
True
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from bitket.algebra import gf2_poly
from bitket.errors import InvalidInput

__all__ = ["FIELDS", "ExtensionModulus", "is_irreducible", "multiply", "number_of_irreducibles", "random_irreducible"]

FIELDS = {2: 0b111, 4: 0b10011, 8: 0x11B, 16: 0x1002B, 32: 1 << 32 | 0x8D, 64: 1 << 64 | 0x1B}
"""The polynomial of each GF(2^k)."""


def _degree(n: int, k: int) -> int:
    if k not in FIELDS or n < 1 or n % k:
        raise InvalidInput(
            f"polynomial of {n} bits over GF(2^{k}): k must be 2, 4, 8, 16, 32 or 64 and the bits a multiple of it"
        )
    return n // k


def _times_y(a: int, k: int) -> int:
    """Every coefficient times y."""
    slots = -(-a.bit_length() // k)
    top = a >> (k - 1) & ((1 << k * slots) - 1) // ((1 << k) - 1)  # the highest bit of each, at the lowest one's place
    return (a ^ top << (k - 1)) << 1 ^ top * (FIELDS[k] ^ 1 << k)


def multiply(a: int, b: int, k: int) -> int:
    """Product of two polynomials over GF(2^k)."""
    _degree(k, k)
    out = 0
    for i in range(k):  # a y^i, for all coefficients of b that have y^i
        ones = b >> i & ((1 << b.bit_length() // k * k + k) - 1) // ((1 << k) - 1)
        out ^= gf2_poly.multiply(a, ones)
        a = _times_y(a, k)
    return out


def is_irreducible(p: int, k: int) -> bool:
    """Whether a monic polynomial over GF(2^k) of degree 1 or more has no factor of smaller degree; see `ExtensionModulus.irreducible`."""
    return ExtensionModulus(p, k).irreducible()


def random_irreducible(n: int, k: int, draw: Callable[[int], int]) -> int:
    """A random monic irreducible polynomial of degree n/k over GF(2^k) other than x; all are equally likely.

    Parameters
    ----------
    draw
        ``draw(bits)`` gives a random integer below 2^bits, such as ``secrets.randbits``. About n/k are drawn.

    Raises
    ------
    InvalidInput
        There is no such field, or k does not divide n.
    """
    _degree(n, k)
    while True:
        p = 1 << n | draw(n)
        if p & (1 << k) - 1 and is_irreducible(p, k):  # without a constant term it would have the factor x
            return p


def number_of_irreducibles(d: int, k: int) -> int:
    """How many monic irreducible polynomials of degree d over GF(q), q = 2^k, there are: (1/d) sum over e | d of mu(e) q^(d/e).

    >>> number_of_irreducibles(1, 8), number_of_irreducibles(8, 1), number_of_irreducibles(2, 2)
    (256, 30, 6)
    """
    return sum(gf2_poly.moebius(e) << k * (d // e) for e in range(1, d + 1) if d % e == 0) // d


class ExtensionModulus:
    """Residues modulo a monic polynomial of degree d = n/k over GF(2^k), as `bitket.algebra.gf2_poly.Modulus` over GF(2).

    Parameters
    ----------
    p
        The polynomial as an integer, with its leading coefficient 1 as bit n.

    Raises
    ------
    InvalidInput
        There is no such field, or p is not monic of degree 1 or more.
    """

    def __init__(self, p: int, k: int) -> None:
        self.p, self.k, self.degree = p, k, p.bit_length() - 1
        _degree(self.degree, k)
        self._size = 8 * -(-self.degree // 64)
        self._kernel = None
        if gf2_poly._kernel is not None:
            low = gf2_poly._array(p ^ (1 << self.degree), self._size)
            self._kernel = gf2_poly._kernel.ExtensionModulus(low, self.degree, k, FIELDS[k] ^ 1 << k)
        else:
            self._multiples = [p]  # y^i p
            for _ in range(k - 1):
                self._multiples.append(_times_y(self._multiples[-1], k))

    def _remainder(self, a: int) -> int:
        n, k = self.degree, self.k
        for t in range((a.bit_length() - 1) // k, n // k - 1, -1):
            top = a >> k * t & (1 << k) - 1
            for i in range(k):
                if top >> i & 1:
                    a ^= self._multiples[i] << k * t - n
        return a

    def residue(self, data: Any) -> int:
        """Bytes as a polynomial (bit j of the message is bit j mod k of the coefficient of x^(j div k)) modulo p."""
        if self._kernel is None:
            return self._remainder(int.from_bytes(data, "little"))
        return int.from_bytes(self._kernel.residue(np.frombuffer(data, dtype=np.uint8)), "little")

    def multiply(self, a: int, b: int) -> int:
        """Product of two residues."""
        if self._kernel is None:
            return self._remainder(multiply(a, b, self.k))
        product = self._kernel.multiply(gf2_poly._array(a, self._size), gf2_poly._array(b, self._size))
        return int.from_bytes(product, "little")

    def power_of_x(self, e: int) -> int:
        """x^e."""
        out, x = 1, 1 << self.k if self.degree > self.k else self.p ^ (1 << self.degree)
        for bit in bin(e)[2:]:
            out = self.multiply(out, out)
            if bit == "1":
                out = self.multiply(out, x)
        return out

    def irreducible(self) -> bool:
        """Whether p is irreducible (Rabin 1980 over q = 2^k elements, doi:10.1137/0209024).

        p of degree d is if x^(q^d) = x mod p, and x^(q^(d/r)) - x has no common factor with p for any prime r that divides d.
        """
        if self._kernel is not None:
            return bool(self._kernel.irreducible())
        d = self.degree // self.k
        if d == 1:
            return True
        stops = {d // r for r in range(2, d + 1) if d % r == 0 and all(r % s for s in range(2, r))}
        power = x = 1 << self.k
        for j in range(1, d + 1):
            for _ in range(self.k):
                power = self.multiply(power, power)
            if j in stops and not self._coprime(power ^ x):
                return False
        return power == x

    def _coprime(self, a: int) -> bool:
        """Whether a has no common factor with p, by Euclid's algorithm with a polynomial made monic for each step."""
        u, k = self.p, self.k
        while a:
            top = a >> (a.bit_length() - 1) // k * k
            inverse = 1
            for _ in range(k - 1):  # top^(2^k - 2), the product of top^2, top^4 ... top^(2^(k-1))
                top = _in_field(top, top, k)
                inverse = _in_field(inverse, top, k)
            a = multiply(a, inverse, k)
            if a == 1:
                return True
            u, a = a, ExtensionModulus(a, k)._remainder(u)
        return False


def _in_field(a: int, b: int, k: int) -> int:
    return gf2_poly.remainder(gf2_poly.multiply(a, b), FIELDS[k])

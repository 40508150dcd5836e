"""One-time universal hashes of messages of any length.

LFSR-based Toeplitz hash (Krawczyk 1994): with an irreducible p(x) = x^n + p_{n-1} x^{n-1} + ... + p_0 and a start a, the register
s_{k+n} = sum_i p_i s_{k+i} begins with s_0 ... s_{n-1} = a; column j of the n x m matrix is (s_j ... s_{j+n-1}), and the hash is the sum of
the columns at the ones of the message. Columns satisfy p as powers of x do, so with r(x) = M(x) mod p the first n columns are enough:

    hash = sum_{j < n} r_j column_j,        hash bit i = sum_j r_j s_{i+j}.

Message bit j is bit j mod 8 of byte j div 8. The division hash is M(x) x^n mod p. Two messages of m bits collide for at most a share
m 2^(1-n) of the polynomials.

>>> f"{LfsrToeplitz(0x11B, 0x57).hash([b'QDS']):#x}", f"{LfsrToeplitz(0x11B, 0x01).hash([b'A']):#x}"
('0x3', '0xc5')
>>> start = int("0123456789abcdef" * 2, 16)
>>> f"{LfsrToeplitz(1 << 128 | 0x87, start).hash([b'a' * 1000]):#x}"
'0x79db360c724d5ba57cc620c689bcfd62'
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from bitket.algebra.gf2_poly import Modulus, StreamResidue, multiply
from bitket.errors import InvalidInput

__all__ = ["DivisionHash", "LfsrToeplitz"]


class LfsrToeplitz:
    """The hash of a polynomial p of degree n (as an integer, with its leading term) and a start of n bits.

    Raises
    ------
    InvalidInput
        The start is 0, for which every hash is 0, or has more than n bits.
    """

    def __init__(self, p: int, start: int) -> None:
        self.modulus = Modulus(p)
        n = self.modulus.degree
        if not 0 < start < 1 << n:
            raise InvalidInput(f"start of a register of {n} bits: it must not be 0 nor longer than the register")
        register, taps, self._sequence = start, p ^ (1 << n), start
        for k in range(n - 1):
            bit = (register & taps).bit_count() & 1
            register = register >> 1 | bit << (n - 1)
            self._sequence |= bit << (n + k)

    def hash(self, stream: Iterable[Any]) -> int:
        """Hash of a message that comes in pieces of bytes, ``n`` bits."""
        n = self.modulus.degree
        residue = StreamResidue.of(self.modulus, stream)
        # Bit i + n - 1 of the product of the reversed residue with the sequence is sum_j r_j s_{i+j}.
        reverse = int(f"{residue:0{n}b}"[::-1], 2)
        return multiply(reverse, self._sequence) >> (n - 1) & ((1 << n) - 1)


class DivisionHash:
    """M(x) x^n mod p for a polynomial p of degree n."""

    def __init__(self, p: int) -> None:
        self.modulus = Modulus(p)

    def hash(self, stream: Iterable[Any]) -> int:
        """Hash of a message that comes in pieces of bytes, ``n`` bits."""
        modulus = self.modulus
        return modulus.multiply(StreamResidue.of(modulus, stream), modulus.power_of_x(modulus.degree))

"""One-time universal hashes of messages of any length.

LFSR-based Toeplitz hash (Krawczyk 1994): with an irreducible p(x) = x^n + p_{n-1} x^{n-1} + ... + p_0 and a start a, the register
s_{k+n} = sum_i p_i s_{k+i} begins with s_0 ... s_{n-1} = a; column j of the n x m matrix is (s_j ... s_{j+n-1}), and the hash is the sum of
the columns at the ones of the message. Columns satisfy p as powers of x do, so with r(x) = M(x) mod p the first n columns are enough:

    hash = sum_{j < n} r_j column_j,        hash bit i = sum_j r_j s_{i+j}.

Message bit j is bit j mod 8 of byte j div 8. Two messages of m bits collide for at most a share m 2^(1-n) of the polynomials.

The generalised division hash reads the message as a polynomial over GF(2^k) and takes a monic irreducible p of degree d = n/k over GF(2^k):

    hash = M(x) x^d mod p(x);        message bit j is bit j mod k of the coefficient of x^(j div k), hash bit i likewise.

A difference of m bits has degree at most m/k, so at most m/n factors of degree d, out of 2^n/(2 d) irreducible polynomials or more: two
messages collide for at most a share (m/k) 2^(1-n). Zeros after the end of a message change no hash; who hashes messages of different
lengths ends them with a byte 1, as `bitket.networks.signatures.protocol` does.

>>> f"{LfsrToeplitz(0x11B, 0x57).hash([b'QDS']):#x}", f"{LfsrToeplitz(0x11B, 0x01).hash([b'A']):#x}"
('0x3', '0xc5')
>>> start = int("0123456789abcdef" * 2, 16)
>>> f"{LfsrToeplitz(1 << 128 | 0x87, start).hash([b'a' * 1000]):#x}"
'0x79db360c724d5ba57cc620c689bcfd62'
>>> f"{DivisionHash(0x01_01_20, 8).hash([b'A']):#x}"                # 0x41 x^2 = 0x41 x + 0x41 y^5
'0x41f8'
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from bitket.algebra.gf2_poly import Modulus, StreamResidue, multiply
from bitket.algebra.gf2k_poly import ExtensionModulus
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
    """M(x) x^(n/k) mod p over GF(2^k).

    Parameters
    ----------
    p
        Monic, of degree n/k, as an integer with the coefficient of x^i at bits k i to k i + k - 1: bit n is its leading 1. It should be
        irreducible and not x, as `bitket.algebra.gf2_poly.random_irreducible` and that of `bitket.algebra.gf2k_poly` give.
    k
        1, or 2, 4, 8, 16, 32, 64, which must divide n; fields as in `bitket.algebra.gf2k_poly.FIELDS`.

    Raises
    ------
    InvalidInput
        There is no such field, or p has no whole number of coefficients.
    """

    def __init__(self, p: int, k: int = 1) -> None:
        self.modulus = Modulus(p) if k == 1 else ExtensionModulus(p, k)

    def hash(self, stream: Iterable[Any]) -> int:
        """Hash of a message that comes in pieces of bytes, ``n`` bits."""
        modulus = self.modulus
        return modulus.multiply(StreamResidue.of(modulus, stream), modulus.power_of_x(modulus.degree // modulus.k))

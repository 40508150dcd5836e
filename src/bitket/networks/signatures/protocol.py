"""Signing and verifying: messages of the three parties.

Alice holds the sums of Bob's and Charlie's key bits. To sign she draws a random irreducible polynomial p and a group of 3 n bits, X, Y, Z:
X starts the register, Y hides the hash, Z the polynomial. The group's place, and (hash + Y, p + Z), are the signature. Bob passes message and
signature with his bits of the group to Charlie; Charlie, once he has them, sends Bob his own; each adds both, recovers hash and polynomial, and
accepts if the hash is that of the message and the polynomial is irreducible. The signature is valid if both accept. A forger succeeds with
probability at most m 2^(1 - H), with H the bits of the group that it does not know (n for perfect keys) and m those of the longer of the
message signed and the forged one. A byte 1 is put after a message before it is hashed and counts with it: zeros at the end of a polynomial
do not change it.
"""

from __future__ import annotations

import hmac
import math
import secrets
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from bitket.algebra.gf2_poly import is_irreducible, random_irreducible
from bitket.errors import InvalidInput
from bitket.networks.signatures.hashing import LfsrToeplitz
from bitket.networks.signatures.keys import Group, KeyStore

__all__ = ["KeyShare", "Receiver", "Signature", "Signer", "forgery_probability"]

_MAGIC = b"BITKETQS"
_VERSION = 1
_HEAD = struct.Struct("<8sI16sIQIQ")  # magic, version, set of keys, n, and the group: segment, words, first word
_SMALLEST, _LARGEST = 8, 8192  # an irreducible polynomial of the largest degree is found in some ten seconds


def forgery_probability(bits: int, entropy: float) -> float:
    """Bound on forging a message when ``entropy`` bits of the group are unknown: m 2^(1 - H), at most 1.

    Parameters
    ----------
    bits
        Of the longer of two messages, the one signed and the forged one; m has 8 more, as the byte that ends a message is hashed with it.

    Raises
    ------
    InvalidInput
        A number of bits is negative or not finite.

    >>> f"{forgery_probability(2**64, 128):.2g}", f"{forgery_probability(0, 128):.2g}"
    ('1.1e-19', '4.7e-38')
    """
    if not 0 <= bits < math.inf or math.isnan(entropy):
        raise InvalidInput(f"forging {bits} bits of which {entropy} are unknown: numbers of at least 0 are needed")
    return 2.0 ** min(0.0, math.log2(bits + 8) + 1 - entropy)


@dataclass(frozen=True)
class Signature:
    """What travels with a message.

    ``identity`` names the set of keys; ``group`` the bits used; ``hash`` and ``polynomial`` are hidden by them, ``n`` bits each.
    """

    identity: bytes
    n: int
    group: Group
    hash: int
    polynomial: int

    def to_bytes(self) -> bytes:
        """The signature as a file has it."""
        size = -(-self.n // 8)
        head = _HEAD.pack(
            _MAGIC, _VERSION, self.identity, self.n, self.group.segment, self.group.words, self.group.first
        )
        return head + self.hash.to_bytes(size, "little") + self.polynomial.to_bytes(size, "little")

    @classmethod
    def from_bytes(cls, data: bytes) -> Signature:
        """Read what `to_bytes` made.

        Raises
        ------
        InvalidInput
            It is no signature, of another version, or has another length than it should.
        """
        if len(data) < _HEAD.size or not data.startswith(_MAGIC):
            raise InvalidInput("signature: not a signature of this program, or cut short")
        _, version, identity, n, segment, words, first = _HEAD.unpack(data[: _HEAD.size])
        if version != _VERSION:
            raise InvalidInput(f"signature: version {version}; this program reads version {_VERSION}")
        size = -(-n // 8)
        if not _SMALLEST <= n <= _LARGEST or len(data) != _HEAD.size + 2 * size:
            raise InvalidInput(
                f"signature: {len(data)} bytes, {_HEAD.size + 2 * size} are expected; it is cut short or damaged"
            )
        if words != -(-3 * n // 64):
            raise InvalidInput(f"signature: a group of {words} words for a hash of {n} bits; it is damaged")
        hidden, polynomial = (int.from_bytes(data[_HEAD.size + k * size :][:size], "little") for k in (0, 1))
        if (hidden | polynomial) >> n:
            raise InvalidInput(f"signature: more than {n} bits in a part of {n}; it is damaged")
        return cls(identity, n, Group(segment, first, words), hidden, polynomial)


@dataclass(frozen=True)
class KeyShare:
    """A receiver's bits of a group, which are used up: X, Y and Z, one after the other."""

    n: int
    bits: int

    def __repr__(self) -> str:
        return f"KeyShare(n={self.n})"

    def __add__(self, other: KeyShare) -> KeyShare:
        if self.n != other.n:
            raise InvalidInput(f"key shares of {self.n} and {other.n} bits: they do not belong together")
        return KeyShare(self.n, self.bits ^ other.bits)

    @property
    def parts(self) -> tuple[int, int, int]:
        """X, Y and Z."""
        mask = (1 << self.n) - 1
        return self.bits & mask, self.bits >> self.n & mask, self.bits >> 2 * self.n


def _ended(stream: Iterable[Any]) -> Iterable[Any]:
    yield from stream
    yield b"\x01"


class Signer:
    """Alice.

    Raises
    ------
    InvalidInput
        The store is not a signer's.
    """

    def __init__(self, store: KeyStore) -> None:
        if store.party != "signer":
            raise InvalidInput(f"{store.path}: the keys of {store.party}; to sign, those of the signer are needed")
        self.store = store

    def sign(self, stream: Iterable[Any], n: int = 128) -> Signature:
        """Sign a message that comes in pieces of bytes; 3 n key bits are used up.

        Raises
        ------
        InvalidInput
            n is out of range, or too few key bits are left.
        """
        if not _SMALLEST <= n <= _LARGEST:
            raise InvalidInput(f"hash of {n} bits: from {_SMALLEST} to {_LARGEST} are allowed")
        left = self.store.left()
        if left < 3 * n:
            raise InvalidInput(f"{self.store.path}: {left} key bits are left, a group of {3 * n} is needed")
        polynomial = random_irreducible(n, secrets.randbits)
        while True:
            group, bits = self.store.draw(3 * n)
            start, hide_hash, hide_polynomial = KeyShare(n, bits).parts
            if start:  # a register that starts with 0 hashes everything to 0
                break
        digest = LfsrToeplitz(polynomial, start).hash(_ended(stream))
        return Signature(self.store.identity, n, group, digest ^ hide_hash, polynomial ^ (1 << n) ^ hide_polynomial)


class Receiver:
    """Bob or Charlie.

    Parameters
    ----------
    store
        The receiver's keys.
    bits
        Fewest bits of a hash that are accepted: who brings a signature says how many it has, and could guess a short one.

    Raises
    ------
    InvalidInput
        The store is a signer's.
    """

    def __init__(self, store: KeyStore, bits: int = 128) -> None:
        if store.party == "signer":
            raise InvalidInput(f"{store.path}: the keys of the signer; to verify, those of a receiver are needed")
        self.store, self.bits = store, bits

    def check(self, signature: Signature) -> None:
        """Whether `share` would give the bits; nothing is used.

        Raises
        ------
        InvalidInput
            As `share`.
        """
        if signature.n < self.bits:
            raise InvalidInput(f"signature: a hash of {signature.n} bits; at least {self.bits} are asked for")
        if not hmac.compare_digest(signature.identity, self.store.identity):
            raise InvalidInput(f"{self.store.path}: the signature was made with another set of keys")
        self.store.check(signature.group, 3 * signature.n)

    def share(self, signature: Signature) -> KeyShare:
        """This receiver's bits of the signature's group; they are used up, whatever comes of it.

        Raises
        ------
        InvalidInput
            The hash is too short, the signature belongs to other keys, or the bits are used or not there.
        """
        self.check(signature)
        return KeyShare(signature.n, self.store.take(signature.group, 3 * signature.n))

    @staticmethod
    def verify(stream: Iterable[Any], signature: Signature, own: KeyShare, other: KeyShare) -> bool:
        """Whether the message is the one that was signed.

        The comparison takes the same time wherever the hashes differ.

        Raises
        ------
        InvalidInput
            The shares do not belong together or to the signature.
        """
        both = own + other
        if both.n != signature.n:
            raise InvalidInput(
                f"key shares of {both.n} bits for a signature of {signature.n}: they do not belong together"
            )
        n = signature.n
        start, hide_hash, hide_polynomial = both.parts
        polynomial = signature.polynomial ^ hide_polynomial | 1 << n
        size = -(-n // 8)
        # The message is hashed in every case, so that the time does not tell what was wrong.
        digest = LfsrToeplitz(polynomial, start or 1).hash(_ended(stream))
        same = hmac.compare_digest(
            digest.to_bytes(size, "little"), (signature.hash ^ hide_hash).to_bytes(size, "little")
        )
        return same and start != 0 and is_irreducible(polynomial)

"""Hashes against the matrix product and published vectors, forgeries against their bound."""

import itertools
import secrets
import subprocess
import sys

import numpy as np
import pytest

from bitket.algebra import gf2k_poly
from bitket.algebra.gf2_poly import multiply, random_irreducible, remainder
from bitket.errors import InvalidInput
from bitket.networks.signatures.bounds import division_forgery
from bitket.networks.signatures.hashing import DivisionHash, LfsrToeplitz


def matrix_hash(p, start, message):
    """The n x m matrix, column by column, times the message's bits."""
    n = p.bit_length() - 1
    bits = [byte >> j & 1 for byte in message for j in range(8)]
    sequence = [start >> i & 1 for i in range(n)]
    for k in range(len(bits)):
        sequence.append(sum((p >> i & 1) * sequence[k + i] for i in range(n)) % 2)
    matrix = np.array([[sequence[j + i] for j in range(len(bits))] for i in range(n)]).reshape(n, len(bits))
    value = matrix @ np.array(bits, dtype=int) % 2
    return sum(int(b) << i for i, b in enumerate(value))


@pytest.mark.parametrize("seed", range(10))
def test_hash_is_the_product_with_the_matrix(seed):
    draw = np.random.default_rng(seed)
    for _ in range(100):
        n, size = int(draw.integers(2, 65)), int(draw.integers(0, 63))
        p, start = random_irreducible(n, secrets.randbits), 1 + secrets.randbelow((1 << n) - 1)
        message = secrets.token_bytes(size)
        cut = int(draw.integers(0, size + 1))
        found = LfsrToeplitz(p, start).hash([message[:cut], message[cut:]])
        assert found == matrix_hash(p, start, message)


def test_vectors():
    assert LfsrToeplitz(0x11B, 0x57).hash([b"QDS"]) == 0x03
    assert LfsrToeplitz(0x11B, 0x01).hash([b"A"]) == 0xC5
    start = int("0123456789abcdef" * 2, 16)
    assert LfsrToeplitz(1 << 128 | 0x87, start).hash([b"a" * 1000]) == 0x79DB360C724D5BA57CC620C689BCFD62


def test_division_hash():
    for _ in range(100):
        n, message = 2 + secrets.randbelow(100), secrets.token_bytes(secrets.randbelow(100))
        p = random_irreducible(n, secrets.randbits)
        assert DivisionHash(p).hash([message]) == remainder(int.from_bytes(message, "little") << n, p)


@pytest.mark.parametrize(("n", "k"), [(8, 2), (64, 4), (128, 8), (120, 8), (128, 16), (128, 32), (128, 64), (192, 64)])
def test_division_hash_over_larger_fields(n, k):
    """M(x) x^(n/k) mod p by long division, coefficient by coefficient, in pieces; and the end that padding gives."""
    for _ in range(10):
        p, message = gf2k_poly.random_irreducible(n, k, secrets.randbits), secrets.token_bytes(secrets.randbelow(90))
        value = int.from_bytes(message, "little") << n
        for t in range(value.bit_length() // k, n // k - 1, -1):
            value ^= gf2k_poly.multiply(p, value >> k * t & (1 << k) - 1, k) << k * t - n
        assert value < 1 << n
        cut = secrets.randbelow(90)
        assert DivisionHash(p, k).hash([message[:cut], message[cut:]]) == value
        assert DivisionHash(p, k).hash([message, b"\0" * 9]) == value
        ended = {DivisionHash(p, k).hash([message, b"\0" * zeros, b"\x01"]) for zeros in range(4)}
        assert len(ended) == 4 or n < 16


@pytest.mark.parametrize(
    ("n", "k", "m"), [(4, 1, 16), (8, 1, 17), (4, 2, 16), (8, 2, 18), (4, 4, 16), (8, 4, 18), (8, 8, 18)]
)
def test_all_differences_of_small_messages_stay_below_the_bound(n, k, m):
    """Every difference of m bits beside every change of the hash: how many of all irreducible polynomials pass it."""
    if k == 1:
        polynomials = [p for p in range(1 << n, 2 << n) if _irreducible(p)]
    else:
        polynomials = [p for p in range(1 << n, 2 << n) if p % (1 << k) and gf2k_poly.is_irreducible(p, k)]
    d = n // k
    assert len(polynomials) >= 2**n / (2 * d)
    hashes = np.zeros((len(polynomials), 1), dtype=np.uint8)
    for j in range(m):  # linear: the hashes of all differences of j + 1 bits from those of j and of bit j alone
        bit = [DivisionHash(p, k).hash([(1 << j).to_bytes(3, "little")]) for p in polynomials]
        hashes = np.hstack([hashes, hashes ^ np.array(bit, dtype=np.uint8)[:, None]])
    hashes = np.sort(hashes[:, 1:], axis=0)
    collisions = int((hashes == 0).sum(axis=0).max())
    assert collisions == (m - 1) // k // d  # as many factors as fit, and no more
    assert collisions / len(polynomials) <= m / k * 2.0 ** (1 - n)
    most = max(r for r in range(1, len(polynomials) + 1) if (hashes[r - 1 :] == hashes[: len(hashes) - r + 1]).any())
    assert collisions <= most <= (m - 1) // k // d + 1
    assert most / len(polynomials) <= division_forgery(m, n, n, k)


@pytest.mark.parametrize("n", [8, 10])
def test_best_forgeries_stay_below_the_bound(n):
    """A difference that as many irreducible polynomials divide as fit into m bits: the share of polynomials that it passes."""
    irreducible = [p for p in range(1 << n, 2 << n) if _irreducible(p)]
    for m in (24, 64, 120):
        chosen = irreducible[: m // n - (m % n == 0)]
        difference = 1
        for p in chosen:
            difference = multiply(difference, p)
        assert difference.bit_length() <= m
        message = secrets.randbits(m)
        size = -(-m // 8)
        forged = message ^ difference
        passed = 0
        start = 1 + secrets.randbelow((1 << n) - 1)
        for p in irreducible:
            one, other = (LfsrToeplitz(p, start).hash([x.to_bytes(size, "little")]) for x in (message, forged))
            passed += one == other
        share = passed / len(irreducible)
        assert passed == len(chosen)  # no other polynomial is passed
        assert 0 < share <= m * 2 ** (1 - n)


def test_leaked_bits_do_not_help_beyond_the_bound():
    """An attacker that is told each bit of the hidden polynomial with probability q and tries its best difference."""
    n, m, q, draw = 8, 56, 0.4, np.random.default_rng(5)
    irreducible = np.array([p for p in range(1 << n, 2 << n) if _irreducible(p)])
    wins, tries, guess = 0, 400, 0.0
    for _ in range(tries):
        p = int(draw.choice(irreducible))
        known = sum(int(draw.random() < q) << i for i in range(n))
        candidates = irreducible[(irreducible & known) == (p & known)]
        chosen = candidates[: m // n]
        wins += p in chosen
        guess += 1 / len(candidates)  # probability of guessing the polynomial
    entropy = -np.log2(guess / tries)
    assert wins / tries <= m * 2 ** (1 - entropy)
    assert wins / tries > 0.05


def _irreducible(p):
    return all(remainder(p, d) for d in range(2, 1 << (p.bit_length() - 1) // 2 + 1))


def test_no_two_short_messages_collide_for_all_polynomials():
    polynomials = [p for p in range(256, 512) if _irreducible(p)]
    assert len(polynomials) == 30
    for one, other in itertools.combinations([b"", b"\x01", b"\x80", b"ab", b"ba"], 2):
        same = sum(LfsrToeplitz(p, 0x5A).hash([one]) == LfsrToeplitz(p, 0x5A).hash([other]) for p in polynomials)
        assert same / 30 <= 16 * 2 ** (1 - 8)


@pytest.mark.parametrize(
    ("p", "k"), [(1 << 128 | 1, 3), (1 << 100 | 1, 8), (1 << 128 | 1, 128), (1, 8), (1 << 128 | 1, 0)]
)
def test_wrong_fields(p, k):
    with pytest.raises(InvalidInput, match="k must be"):
        DivisionHash(p, k)


@pytest.mark.parametrize("start", [0, 256, -1])
def test_wrong_starts(start):
    with pytest.raises(InvalidInput, match="must not be 0"):
        LfsrToeplitz(0x11B, start)


def test_a_megabit_against_flint():
    flint = pytest.importorskip("flint")
    message = secrets.token_bytes(125_000)
    bits = np.unpackbits(np.frombuffer(message, dtype=np.uint8), bitorder="little").tolist()
    for n in (128, 700):
        p = random_irreducible(n, secrets.randbits)
        modulus = flint.nmod_poly([p >> i & 1 for i in range(n + 1)], 2)
        residue = flint.nmod_poly(bits, 2) % modulus
        shifted = residue * flint.nmod_poly([0] * n + [1], 2) % modulus
        expected = sum(int(c) << i for i, c in enumerate(shifted.coeffs()))
        assert DivisionHash(p).hash([message[:77_777], message[77_777:]]) == expected


GIGABYTE = """
import resource
from bitket.networks.signatures.hashing import LfsrToeplitz
block = bytes(range(256)) * 4096
hasher = LfsrToeplitz(1 << 128 | 0x87, 1)
hasher.hash([block] * 4)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
hasher.hash(block for _ in range(1024))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_a_gigabyte_takes_no_more_memory_than_a_few_blocks():
    grown = int(subprocess.run([sys.executable, "-c", GIGABYTE], capture_output=True, text=True, check=True).stdout)
    assert grown < 8 * 1024  # KiB

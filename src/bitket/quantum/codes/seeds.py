"""Classical codes by name, from which quantum codes are made.

Source: MacWilliams and Sloane 1977, The Theory of Error-Correcting Codes: chapters 1 (Hamming, simplex), 7 and 9 (BCH), 13 (Reed-Muller)
and 16 (quadratic residues, Golay).
"""

from __future__ import annotations

import itertools
import re

import numpy as np
from numpy.typing import ArrayLike

from bitket.algebra import BitMatrix
from bitket.algebra.codewords import enumerate_span
from bitket.algebra.gf2_poly import gcd
from bitket.errors import InvalidInput
from bitket.quantum.codes.code import ClassicalCode, independent
from bitket.quantum.simulation.memory import require

__all__ = [
    "bch",
    "dense_code",
    "extended",
    "from_generator",
    "golay",
    "hamming",
    "named_code",
    "quadratic_residue",
    "reed_muller",
    "regular_ldpc",
    "repetition",
    "ring",
    "shortened",
    "simplex",
]

_PRIMITIVE = {3: 0b1011, 4: 0b10011, 5: 0b100101, 6: 0b1000011, 7: 0b10001001, 8: 0b100011101}


def _need(good: bool, text: str) -> None:
    if not good:
        raise InvalidInput(text)


def from_generator(generator: ArrayLike, name: str = "") -> ClassicalCode:
    """The code whose words are the sums of the rows, ``[any, n]``."""
    checks = BitMatrix.from_dense(generator).kernel()
    _need(len(checks) > 0, "code from a generator of full rank: it has no check; fewer independent rows are needed")
    return ClassicalCode(checks, name)


def repetition(n: int) -> ClassicalCode:
    """[n, 1, n]: neighbours are equal."""
    _need(n >= 2, f"repetition code of length {n}: at least 2 is needed")
    require(12 * n**2, f"repetition code of length {n}")
    return ClassicalCode((np.eye(n, dtype=np.uint8) + np.eye(n, k=1, dtype=np.uint8))[:-1], f"repetition {n}")


def ring(n: int) -> ClassicalCode:
    """The repetition code with the redundant check that closes the ring."""
    _need(n >= 3, f"ring code of length {n}: at least 3 is needed")
    require(12 * n**2, f"ring code of length {n}")
    eye = np.eye(n, dtype=np.uint8)
    return ClassicalCode(eye + np.roll(eye, 1, axis=1), f"ring {n}")


def hamming(r: int = 3) -> ClassicalCode:
    """[2^r - 1, 2^r - 1 - r, 3]: column v holds v + 1 in binary."""
    _need(2 <= r <= 12, f"Hamming code of {r} checks: 2 to 12 are allowed")
    numbers = np.arange(1, 1 << r)
    return ClassicalCode((numbers >> np.arange(r)[:, None] & 1).astype(np.uint8), f"Hamming {r}")


def simplex(r: int = 4) -> ClassicalCode:
    """[2^r - 1, r, 2^(r-1)]: the dual of the Hamming code."""
    _need(r >= 2, f"simplex code of dimension {r}: at least 2 is needed")
    return from_generator(hamming(r).checks, f"simplex {r}")


def extended(code: ClassicalCode) -> ClassicalCode:
    """With one more bit that makes all weights even."""
    G = code.generator.to_dense()
    return from_generator(np.concatenate([G, G.sum(axis=1, keepdims=True) % 2], axis=1), f"extended {code.name}")


def shortened(code: ClassicalCode, count: int) -> ClassicalCode:
    """The words that are 0 in the first ``count`` bits, without these bits."""
    _need(0 <= count < code.k, f"shortening by {count} bits: less than k = {code.k} are allowed")
    form = code.generator.echelon().matrix.to_dense()
    rest = form[~form[:, :count].any(axis=1), count:]
    return from_generator(rest, f"{code.name} shortened by {count}")


def bch(m: int = 4, t: int = 2) -> ClassicalCode:
    """Narrow-sense BCH code of length 2^m - 1 and distance at least 2 t + 1: row block j holds the powers of alpha^(2 j + 1)."""
    _need(
        m in _PRIMITIVE and t >= 1, f"BCH code over 2^{m} elements for {t} errors: m of 3 to 8 and t >= 1 are allowed"
    )
    n, powers = (1 << m) - 1, [1]
    while len(powers) < n:
        x = powers[-1] << 1
        powers.append(x ^ _PRIMITIVE[m] if x >> m else x)
    blocks = [[[powers[j * v % n] >> b & 1 for v in range(n)] for b in range(m)] for j in range(1, 2 * t, 2)]
    checks = independent(BitMatrix.from_dense(np.concatenate(blocks)))
    _need(len(checks) < n, f"BCH code of length {n} for {t} errors: it has no word but 0")
    return ClassicalCode(checks, f"BCH {n}, {t}")


def reed_muller(r: int, m: int) -> ClassicalCode:
    """RM(r, m), [2^m, sum_{i <= r} C(m, i), 2^(m-r)]: values of the polynomials of degree at most r."""
    _need(0 <= r < m <= 10, f"Reed-Muller code ({r}, {m}): 0 <= r < m <= 10 is needed")
    points = np.arange(1 << m)[None, :] >> np.arange(m)[:, None] & 1
    rows = [
        points[list(s)].prod(axis=0, dtype=np.uint8)
        for size in range(r + 1)
        for s in itertools.combinations(range(m), size)
    ]
    return from_generator(np.array(rows), f"Reed-Muller {r}, {m}")


def quadratic_residue(p: int) -> ClassicalCode:
    """[p, (p + 1) / 2] for a prime p = 1 or 7 mod 8: the multiples of gcd(x^p - 1, sum of x^r over squares r, with 1 where p = 1 mod 8)."""
    _need(p < 10_000, f"quadratic residue code of length {p}: lengths below 10000 are allowed")
    prime = p > 2 and all(p % q for q in range(2, int(p**0.5) + 1))
    _need(prime and p % 8 in (1, 7), f"quadratic residue code of length {p}: a prime 1 or 7 modulo 8 is needed")
    a, b = 1 << p | 1, sum(1 << r for r in {x * x % p for x in range(1, p)})
    b ^= p % 8 == 1
    generator = gcd(a, b)
    degree = generator.bit_length() - 1
    rows = [[generator >> (c - shift) & 1 if c >= shift else 0 for c in range(p)] for shift in range(p - degree)]
    return from_generator(rows, f"quadratic residue {p}")


def golay() -> ClassicalCode:
    """[23, 12, 7]: the quadratic residue code of 23."""
    return ClassicalCode(quadratic_residue(23).checks, "Golay")


def regular_ldpc(n: int, bit_degree: int, check_degree: int, rng: np.random.Generator) -> ClassicalCode:
    """Random (bit_degree, check_degree)-regular checks without double edges, by pairing sockets (Gallager's ensemble).

    Raises
    ------
    InvalidInput
        The degrees do not fit n, or no simple graph was met.
    """
    fits = min(bit_degree, check_degree) >= 1 and n * bit_degree % check_degree == 0
    rows = n * bit_degree // check_degree if fits else 0
    _need(
        fits and rows >= bit_degree and n >= check_degree,
        f"degrees {bit_degree} and {check_degree} do not fit {n} bits",
    )
    for _ in range(1000):
        H = np.zeros((rows, n), np.uint8)
        bits = np.repeat(np.arange(n), bit_degree)
        for _ in range(200):  # sockets of double edges are shuffled again with as many others
            order = rng.permutation(bits).reshape(rows, check_degree)
            H[:] = 0
            np.add.at(H, (np.arange(rows)[:, None], order), 1)
            if H.max() == 1:
                return ClassicalCode(H, f"LDPC {n}, {bit_degree}, {check_degree}")
    raise InvalidInput(f"regular LDPC code of {n} bits: no graph without double edges was met; fewer edges are needed")


def dense_code(n: int, k: int, d: int, rng: np.random.Generator, tries: int = 20_000) -> ClassicalCode:
    """A random [n, k, >= d] code with the checks of its systematic generator [I | A]: a heavy start for a search.

    Raises
    ------
    InvalidInput
        None of ``tries`` random systematic generators has the distance.
    """
    _need(1 <= k < n <= 63, f"dense code of n = {n}, k = {k}: 1 <= k < n <= 63 is needed")
    for _ in range(tries):
        A = rng.integers(0, 2, (k, n - k), dtype=np.uint8)
        G = np.concatenate([np.eye(k, dtype=np.uint8), A], axis=1)
        if G.any(axis=0).all() and enumerate_span(BitMatrix.from_dense(G).words, 0, n + 1)[0] >= d:
            checks = np.concatenate([A.T, np.eye(n - k, dtype=np.uint8)], axis=1)
            return ClassicalCode(checks, f"dense {n}, {k}, {d}")
    raise InvalidInput(f"no [{n}, {k}, {d}] code among {tries} random ones; a smaller distance is needed")


def named_code(text: str) -> ClassicalCode:
    """A code by its name and numbers: ``hamming-3``, ``bch-4-2``, ``golay``, ``reed_muller-1-4``, ``repetition-5``, ...

    Raises
    ------
    InvalidInput
        The name is unknown or has other numbers.
    """
    makers = {f.__name__: f for f in (bch, golay, hamming, quadratic_residue, reed_muller, repetition, ring, simplex)}
    counts = {"bch": 2, "reed_muller": 2, "golay": 0}
    found = re.fullmatch(r"([a-z_]+)((?:-\d+)*)", text)
    numbers = [int(x) for x in found[2].split("-")[1:]] if found else []
    if not found or found[1] not in makers or len(numbers) != counts.get(found[1], 1):
        raise InvalidInput(
            f"code '{text}': there are {', '.join(sorted(makers))}, with numbers as in hamming-3 or bch-4-2"
        )
    return makers[found[1]](*numbers)

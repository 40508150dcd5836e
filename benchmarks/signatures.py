"""Signatures: hashing beside polynomial libraries, authenticated ciphers and the bandwidth of memory; irreducible polynomials; whole files.

The hash is one carry-less product for 64 bits of message and 64 of the hash, so its limit for n = 128 is a quarter of the products that
the processor makes. Codes of ciphers (GMAC, Poly1305) have fixed lengths of 128 bits and fixed polynomials; they are shown for scale.
Division hashes over GF(2^k) stand beside the LFSR's: with a carry-less product a word of message takes n/64 products for k = 1 and for k = 64
alike, and four times as many for 1 < k < 64, whose coefficients are put into slots of twice their size.
"""

from __future__ import annotations

import os
import secrets
from typing import Any

import numpy as np

from benchmarks._timing import bandwidth, interleaved, seconds
from bitket.algebra import gf2k_poly
from bitket.algebra.gf2_poly import is_irreducible, random_irreducible
from bitket.networks.signatures.hashing import DivisionHash, LfsrToeplitz


def _hashing(bits: int, n: int) -> dict[str, Any]:
    from flint import nmod_poly

    data = os.urandom(bits // 8)
    p = random_irreducible(n, secrets.randbits)
    ours = LfsrToeplitz(p, 1)
    message = np.unpackbits(np.frombuffer(data, dtype=np.uint8), bitorder="little").tolist()
    modulus = nmod_poly([p >> i & 1 for i in range(n + 1)], 2)
    polynomial = nmod_poly(message, 2)
    functions = {"ours": lambda: ours.hash([data]), "flint": lambda: polynomial % modulus}
    if n == 128 and bits >= 1 << 20:
        from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
        from cryptography.hazmat.primitives.poly1305 import Poly1305

        key, nonce = os.urandom(32), os.urandom(12)

        def gmac() -> bytes:
            encryptor = Cipher(algorithms.AES(key[:16]), modes.GCM(nonce)).encryptor()
            encryptor.authenticate_additional_data(data)
            encryptor.finalize()
            return encryptor.tag

        functions |= {"GMAC": gmac, "Poly1305": lambda: Poly1305.generate_tag(key, data)}
    times = interleaved(functions, 5)
    row = {"what": f"hash {bits} bits, n = {n}", "GB/s": len(data) / times["ours"] / 1e9}
    return row | {f"{name} / ours": times[name] / times["ours"] for name in functions if name != "ours"}


def _irreducible(n: int) -> dict[str, Any]:
    from flint import nmod_poly

    tried = [1 << n | secrets.randbits(n - 1) << 1 | 1 for _ in range(20 if n <= 256 else 4)]
    theirs = [nmod_poly([p >> i & 1 for i in range(n + 1)], 2) for p in tried]
    times = interleaved(
        {
            "ours": lambda: [is_irreducible(p) for p in tried],
            "flint": lambda: [len(p.factor()[1]) == 1 for p in theirs],
        },
        5,
    )
    return {
        "what": f"irreducible? n = {n}",
        "ms": 1e3 * seconds(lambda: random_irreducible(n, secrets.randbits), 5),
        "flint / ours": times["flint"] / times["ours"],
    }


def _fields(size: int, n: int, limit: float) -> list[dict[str, Any]]:
    """The same message under each hash, and new polynomials of each."""
    data = os.urandom(size)
    hashes: dict[str, Any] = {"LFSR": LfsrToeplitz(random_irreducible(n, secrets.randbits), 1)}
    polynomials = {"LFSR": lambda: random_irreducible(n, secrets.randbits)}
    hashes["division, k = 1"] = DivisionHash(hashes["LFSR"].modulus.p)
    polynomials["division, k = 1"] = polynomials["LFSR"]
    for k in (8, 16, 32, 64):
        polynomials[f"division, k = {k}"] = lambda k=k: gf2k_poly.random_irreducible(n, k, secrets.randbits)
        hashes[f"division, k = {k}"] = DivisionHash(polynomials[f"division, k = {k}"](), k)
    times = interleaved({name: lambda h=h: h.hash([data]) for name, h in hashes.items()}, 7)
    return [
        {
            "what": f"{name}, {size / 2**20:g} MiB, n = {n}",
            "GB/s": size / times[name] / 1e9,
            "LFSR / this": times["LFSR"] / times[name],
            "of the bandwidth": size / times[name] / limit,
            "ms": 1e3 * seconds(lambda name=name: [polynomials[name]() for _ in range(16)], 5) / 16,
        }
        for name in hashes
    ]


def run(quick: bool) -> list[dict[str, Any]]:
    rows = [_hashing(1 << 20, 128), _hashing(1 << 20, 1024)]
    if not quick:
        rows += [_hashing(1 << 24, 128), _hashing(1 << 24, 256)]
    rows += [_irreducible(n) for n in ((128, 1024) if quick else (128, 256, 1024, 2048))]
    data, ours = os.urandom(1 << 28), LfsrToeplitz(random_irreducible(128, secrets.randbits), 1)
    rate, limit = len(data) / seconds(lambda: ours.hash([data]), 3), bandwidth()
    rows.append({"what": "hash 256 MiB, n = 128", "GB/s": rate / 1e9, "of the bandwidth": rate / limit})
    rows += _fields(1 << 20, 128, limit)
    if not quick:
        rows += _fields(1 << 28, 128, limit) + _fields(1 << 24, 1024, limit)
    return rows

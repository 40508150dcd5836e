"""Signatures: hashing beside polynomial libraries, authenticated ciphers and the bandwidth of memory; irreducible polynomials; whole files.

The hash is one carry-less product for 64 bits of message and 64 of the hash, so its limit for n = 128 is a quarter of the products that
the processor makes. Codes of ciphers (GMAC, Poly1305) have fixed lengths of 128 bits and fixed polynomials; they are shown for scale.
"""

from __future__ import annotations

import os
import secrets
from typing import Any

import numpy as np

from benchmarks._timing import bandwidth, interleaved, seconds
from bitket.algebra.gf2_poly import is_irreducible, random_irreducible
from bitket.networks.signatures.hashing import LfsrToeplitz


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


def run(quick: bool) -> list[dict[str, Any]]:
    rows = [_hashing(1 << 20, 128), _hashing(1 << 20, 1024)]
    if not quick:
        rows += [_hashing(1 << 24, 128), _hashing(1 << 24, 256)]
    rows += [_irreducible(n) for n in ((128, 1024) if quick else (128, 256, 1024, 2048))]
    data, ours = os.urandom(1 << 28), LfsrToeplitz(random_irreducible(128, secrets.randbits), 1)
    rate = len(data) / seconds(lambda: ours.hash([data]), 3)
    rows.append({"what": "hash 256 MiB, n = 128", "GB/s": rate / 1e9, "of the bandwidth": rate / bandwidth()})
    return rows

"""Privacy amplification: a shorter key that nobody else knows, by a random Toeplitz matrix over GF(2).

y_i = sum_j d[i - j + n - 1] x_j mod 2 for a random d of n + m - 1 bits is a universal family of hash functions (Krawczyk 1994, CRYPTO '94,
129-139), so by the leftover hash lemma the m bits are as good as uniform if m stays below what the eavesdropper lacks. The product is a
convolution, done by fast Fourier transform; its integers are far below the rounding of doubles, so the parities are exact.

How long the key may be, for n sifted bits of which k more were compared (Tomamichel, Lim, Gisin and Renner 2012, Nat. Commun. 3, 634):

    m = floor(n (1 - h(Q + mu)) - leak - log2(2 / (eps_sec^2 eps_cor))),   mu = sqrt((n + k)(k + 1) / (n k^2) ln(4 / eps_sec)),

h the binary entropy; 4 is the safe constant, whether the lemma counts its smoothing once or twice. Weak pulses without decoys give
photons away whenever they hold two: a share D of the bits is then known, and the errors all fall on the others, so n (1 - D) stands for n
and (Q + mu) / (1 - D) for Q + mu (Gottesman, Lo, Lütkenhaus and Preskill 2004, Quantum Inf. Comput. 4, 325).

>>> import numpy as np
>>> generator = np.random.default_rng(0)
>>> x, y = generator.integers(0, 2, (2, 100), dtype=np.uint8)
>>> seed = toeplitz_seed(100, 40, generator)
>>> bool((toeplitz_hash(x ^ y, seed) == toeplitz_hash(x, seed) ^ toeplitz_hash(y, seed)).all())     # linear
True
>>> secret_length(1_000_000, error_rate=0.02, disclosed=170_000, sample=10_000)
465224
"""

from __future__ import annotations

import math
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from bitket.errors import InvalidInput
from bitket.networks.photonics import require

__all__ = ["binary_entropy", "multi_photon_share", "secret_length", "toeplitz_hash", "toeplitz_seed"]

Bits = NDArray[np.uint8]
_LONGEST = 1 << 28  # bits; rounding errors of the transform stay below 1e-3 up to there
_FEW = 64  # rows that are faster one by one
_BLOCK = 1 << 18  # bits; larger transforms fall out of the cache


def binary_entropy(p: float) -> float:
    """``-p log2 p - (1 - p) log2(1 - p)``, in bits."""
    return 0.0 if p in (0, 1) else -p * math.log2(p) - (1 - p) * math.log2(1 - p)


def check_bits(name: str, bits: NDArray[np.generic]) -> Bits:
    """A one-dimensional array of 0 and 1, as uint8."""
    array = np.asarray(bits)
    if array.ndim != 1 or array.dtype.kind not in "biu" or (len(array) and (array.max() > 1 or array.min() < 0)):
        raise InvalidInput(f"{name}: must be a one-dimensional array of the integers 0 and 1")
    return array.astype(np.uint8, copy=False)


def toeplitz_seed(bits: int, length: int, generator: np.random.Generator) -> Bits:
    """The diagonals of a random Toeplitz matrix from ``bits`` to ``length`` bits; public, but drawn after the key is fixed."""
    if not (1 <= length <= bits <= _LONGEST):
        raise InvalidInput(f"Toeplitz matrix: from {bits} to {length} bits; allowed: 1 <= length <= bits <= 2^28")
    return generator.integers(0, 2, bits + length - 1, dtype=np.uint8)


def toeplitz_hash(bits: Bits, seed: Bits) -> Bits:
    """The product over GF(2) of the Toeplitz matrix with diagonals ``seed`` and ``bits``.

    Parameters
    ----------
    bits
        ``[n]`` of 0 and 1.
    seed
        ``[n + m - 1]`` of 0 and 1: entry i - j + n - 1 is the matrix element (i, j).

    Returns
    -------
    uint8 array ``[m]``
        Time grows as (n + m) log(n + m) up to 2^18 bits and as n m beyond; memory by about 16 bytes a bit of key and hash.
    """
    x, d = check_bits("Toeplitz hash: bits", bits), check_bits("Toeplitz hash: seed", seed)
    n, m = len(x), len(d) - len(x) + 1
    if not (n and m >= 1) or len(d) > 2 * _LONGEST:
        raise InvalidInput(
            f"Toeplitz hash: a seed of {len(d)} bits for {n} bits; allowed: at least as many, up to 2^29"
        )
    if m <= _FEW:
        reversed_key = x[::-1].copy()
        return np.array([np.bitwise_xor.reduce(reversed_key & d[row : row + n]) for row in range(m)], dtype=np.uint8)
    # Blocks of the matrix, each the same Toeplitz matrix all along a block diagonal. A cyclic convolution of this size wraps only into
    # entries that are not part of a block's product.
    height, width = min(m, _BLOCK), min(n, _BLOCK)
    size = fft.next_fast_len(height + width - 1, real=True)
    keys = [fft.rfft(x[first : first + width].astype(np.float64), size) for first in range(0, n, width)]
    diagonals: dict[int, list[tuple[int, int]]] = {}
    for row, column in product(range(-(-m // height)), range(len(keys))):
        diagonals.setdefault(row * height - column * width + n - width, []).append((row, column))
    sums = np.zeros((-(-m // height), size // 2 + 1), dtype=np.complex128)
    for first, blocks in diagonals.items():
        segment = np.zeros(size)
        part = d[max(first, 0) : first + height + width - 1]
        segment[max(-first, 0) : max(-first, 0) + len(part)] = part
        matrix = fft.rfft(segment, overwrite_x=True)
        for row, column in blocks:
            sums[row] += matrix * keys[column]
    hashed = [fft.irfft(row, size)[width - 1 : width - 1 + height] for row in sums]
    return (np.rint(np.concatenate(hashed)[:m]).astype(np.int64) & 1).astype(np.uint8)


def multi_photon_share(mean_photons: float, detected: float) -> float:
    """The largest share of detected pulses that held two photons or more when they left.

    Poisson pulses hold two or more with probability 1 - (1 + mu) exp(-mu); at worst the eavesdropper lets all of these through.

    Parameters
    ----------
    mean_photons
        Of a pulse, at the source.
    detected
        Share of pulses that were detected.
    """
    require("multi-photon share: mean_photons", mean_photons, 0)
    require("multi-photon share: detected", detected, 0, 1, above=True)
    return min(1.0, -(math.expm1(-mean_photons) + mean_photons * math.exp(-mean_photons)) / detected)


def secret_length(
    bits: int,
    *,
    error_rate: float,
    disclosed: int,
    sample: int,
    security: float = 1e-10,
    correctness: float = 2.0**-64,
    multi_photon: float = 0.0,
) -> int:
    """How many secret bits a reconciled key holds; 0 if none (the module's formula).

    Parameters
    ----------
    bits
        Length n of the reconciled key.
    error_rate
        Q, measured on the sample.
    disclosed
        Bits that reconciliation gave away, tags of comparison included.
    sample
        Number k of further bits that were compared in public and dropped.
    security
        eps_sec: how far, in trace distance, the key may be from uniform and unknown.
    correctness
        eps_cor: probability that the two keys differ unnoticed; 2^-t for a comparison by t-bit tags.
    multi_photon
        D, an upper bound on the share of bits from pulses of several photons; 0 for single photons.
    """
    if bits < 0 or disclosed < 0 or sample < 1:
        raise InvalidInput(
            f"secret length: {bits} bits, {disclosed} disclosed, sample of {sample}; allowed: from 0, 0 and 1"
        )
    require("secret length: error_rate", error_rate, 0, 1)
    require("secret length: multi_photon", multi_photon, 0, 1)
    require("secret length: security", security, 0, 1, above=True)
    require("secret length: correctness", correctness, 0, 1, above=True)
    if not bits or multi_photon == 1:
        return 0
    deviation = math.sqrt((bits + sample) * (sample + 1) / (bits * sample**2) * math.log(4 / security))
    phase_error = (error_rate + deviation) / (1 - multi_photon)
    if phase_error >= 0.5:
        return 0
    unknown = bits * (1 - multi_photon) * (1 - binary_entropy(phase_error))
    overhead = 1 - 2 * math.log2(security) - math.log2(correctness)
    return max(0, math.floor(unknown - disclosed - overhead))

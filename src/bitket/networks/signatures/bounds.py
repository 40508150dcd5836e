"""How much of a group of key bits an attacker does not know, and how long a group must be.

Statistics of finite samples, with b = ln(1/eps): Chernoff bounds between an expectation and an observation,

    expectation <= x + b + sqrt(2 b x + b^2),       >= x - b/2 - sqrt(2 b x + b^2/4),
    observation <= y + b/2 + sqrt(2 b y + b^2/4),   >= y - sqrt(2 b y),

and sampling without replacement: in n of n + k bits of which a share l of the other k is wrong, the share is at most l + gamma(n, k, l, eps)
but for a probability eps (see `sampling_deviation`). From an exchange with n_Z bits, of which s_0 came from no photon and s_1 from one,
the unknown bits of a random group of n, whose phase errors are at most phi + gamma, are

    H_n = s_0,n + s_1,n (1 - h(phi + gamma)) - n f h(E),

and a message of m bits is safe with the smallest n for which m 2^(1 - H_n) <= eps.

With the division hash over GF(2^k), d = n/k, a forger that adds D to the message and e to the hash is believed if p divides D x^d - e, which
has degree m/k + d at most, so at most m/n + 1 factors of degree d (with the LFSR the start hides what e would have to be: m/n). As p is one of
at least 2^n/(2 d) irreducible polynomials, each guess of it is right with probability at most 2 d 2^(-H_n). Together: (m + n)/k 2^(1 - H_n).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from bitket.algebra.gf2k_poly import FIELDS
from bitket.errors import InvalidInput
from bitket.networks.qkd.privacy import binary_entropy

__all__ = [
    "RawKey",
    "division_forgery",
    "entropy",
    "expectation_from",
    "group_length",
    "observation_from",
    "sampling_deviation",
    "unknown_bits",
]


def entropy(p: float) -> float:
    """Binary entropy in bits; 1 for shares above one half, from which nothing is gained.

    Raises
    ------
    InvalidInput
        It is no number.
    """
    if math.isnan(p):
        raise InvalidInput(f"entropy of a share of {p}: a number is needed")
    return 1.0 if p >= 0.5 else binary_entropy(max(p, 0.0))


def _surprise(count: float, epsilon: float) -> float:
    """ln(1/eps), once both are found to be in range."""
    if not 0 <= count < math.inf or not 0 < epsilon < 1:
        raise InvalidInput(
            f"bound for a count of {count} and probability {epsilon}: a count of at least 0 and a probability below 1 are needed"
        )
    return -math.log(epsilon)


def expectation_from(observed: float, epsilon: float) -> tuple[float, float]:
    """Lower and upper bound of an expectation, each but for a probability epsilon.

    Raises
    ------
    InvalidInput
        The count is negative or not finite, or the probability does not lie between 0 and 1.
    """
    b = _surprise(observed, epsilon)
    return (
        max(0.0, observed - b / 2 - math.sqrt(2 * b * observed + b * b / 4)),
        observed + b + math.sqrt(2 * b * observed + b * b),
    )


def observation_from(expected: float, epsilon: float) -> tuple[float, float]:
    """Lower and upper bound of an observation, each but for a probability epsilon.

    Raises
    ------
    InvalidInput
        As `expectation_from`.
    """
    b = _surprise(expected, epsilon)
    return max(0.0, expected - math.sqrt(2 * b * expected)), expected + b / 2 + math.sqrt(2 * b * expected + b * b / 4)


def sampling_deviation(n: float, k: float, share: float, epsilon: float, *, published: bool = False) -> float:
    """gamma(n, k, l, eps): how far the share of errors in n bits may lie above the share l in the k others.

    The published formula (Yin et al. 2020, Scientific Reports 10, 14312) bounds the probability of one share; that of all larger ones is
    up to 23 times as much (n = 4000, k = 100 000, eps = 0.01). It is therefore taken at eps / 32, with which exact sums stay below eps up to
    0.2; and at eps / s where s = sqrt(l (1 - l) n k / (n + k)), the standard deviation of the errors, is above 32, as it can be for n above
    4096: the larger shares then add up to more. ``published`` gives its value at eps itself.

    Raises
    ------
    InvalidInput
        The share lies outside [0, 1], the probability is not between 0 and 1, or a number of bits is not finite.
    """
    if not 0 <= share <= 1 or not 0 < epsilon < 1 or not max(n, k) < math.inf or math.isnan(n + k):
        raise InvalidInput(
            f"deviation of a share of {share} between {n} and {k} bits with probability {epsilon}: a share of 0 to 1, finite numbers "
            "and a probability below 1 are needed"
        )
    if n <= 0 or k <= 0:
        return 1.0
    l = min(max(share, 1 / k), 1 - 1e-12)  # no error seen is not no error
    part = max(n, k) / (n + k)
    # As sums of logarithms: neither the product of the numbers of bits nor the square of the probability leaves the range of floats.
    variance = math.log(l * (1 - l)) + math.log(n) + math.log(k) - math.log(n + k)
    larger = 0.0 if published else max(2 * math.log(32), variance)
    logarithm = larger - variance - math.log(2 * math.pi) - 2 * math.log(epsilon)
    if logarithm <= 0:
        return 0.0
    G = (1 / n + 1 / k) * logarithm
    A = part * G
    return ((1 - 2 * l) * A + math.sqrt(A * A + 4 * l * (1 - l) * G)) / (2 + 2 * A * part)


@dataclass(frozen=True)
class RawKey:
    """What two parties hold after an exchange and error correction, without privacy amplification.

    Attributes
    ----------
    pulses
        Number of pulses (or rounds) sent.
    bits
        n_Z, key bits.
    vacuum, single
        s_0 and s_1, lower bounds of the bits from no photon and from one (or one pair).
    phase_error, bit_error
        phi, an upper bound among the single ones, and E.
    correction
        f, how much more than the Shannon limit error correction tells.

    Raises
    ------
    InvalidInput
        A number is not finite, there are no pulses or no bits, or an error rate lies outside [0, 1].
    """

    pulses: float
    bits: float
    vacuum: float
    single: float
    phase_error: float
    bit_error: float
    correction: float = 1.1

    def __post_init__(self) -> None:
        if not all(math.isfinite(x) for x in vars(self).values()) or not self.pulses > 0 or not self.bits > 0:
            raise InvalidInput(f"key of {self.bits} bits from {self.pulses} pulses: finite numbers above 0 are needed")
        if min(self.vacuum, self.correction) < 0 or not 0 <= self.phase_error <= 1 or not 0 <= self.bit_error <= 1:
            raise InvalidInput(
                f"key with {self.vacuum} bits from no photon, correction {self.correction} and error rates {self.phase_error} and "
                f"{self.bit_error}: at least 0, and rates of 0 to 1 are needed"
            )


def unknown_bits(key: RawKey, n: float, epsilon: float) -> float:
    """H_n of a random group of n bits; 0 if nothing is sure.

    The bits from no photon and from one in the group are at least their share less the sampling deviation.

    Raises
    ------
    InvalidInput
        The group has less than 0 bits, or as `sampling_deviation`.
    """
    if not n >= 0:
        raise InvalidInput(f"group of {n} bits: at least 0 are needed")
    if key.bits <= n or key.single <= 0:
        return 0.0
    rest = key.bits - n
    shares = []
    for count in (key.vacuum, key.single):
        missing = max(0.0, 1 - count / key.bits)
        shares.append(max(0.0, 1 - missing - sampling_deviation(n, rest, missing, epsilon)) if count > 0 else 0.0)
    phase = key.phase_error + sampling_deviation(
        shares[1] * n, max(1.0, key.single - shares[1] * n), key.phase_error, epsilon
    )
    found = n * (shares[0] + shares[1] * (1 - entropy(phase)) - key.correction * entropy(key.bit_error))
    return max(0.0, found)


def division_forgery(message_bits: float, n: int, entropy: float, k: int = 1) -> float:
    """Bound on forging with the division hash over GF(2^k) when ``entropy`` bits of a group of n are unknown: (m + n)/k 2^(1 - H), at most 1.

    With k = 1 that is Krawczyk's (1994) (m + n) 2^(1 - n) for perfect keys. The message is the longer of the one signed and the forged
    one, with all that is hashed of it.

    Raises
    ------
    InvalidInput
        A number is negative, or not finite.

    >>> f"{division_forgery(2**30, 128, 128):.2g}", f"{division_forgery(2**30, 128, 128, k=64):.2g}"
    ('6.3e-30', '9.9e-32')
    """
    if not 0 <= message_bits < math.inf or n < 1 or k < 1 or math.isnan(entropy):
        raise InvalidInput(
            f"forging {message_bits} bits with a hash of {n} over GF(2^{k}), {entropy} bits unknown: numbers of at least 0, 1 and 1 are needed"
        )
    return 2.0 ** min(0.0, math.log2(message_bits + n) - math.log2(k) + 1 - entropy)


def group_length(key: RawKey, message_bits: float, epsilon: float, division: int | None = None) -> int | None:
    """The smallest n that is safe, or None where no group of the key is long enough.

    With the LFSR, m 2^(1 - H_n) <= eps; with the division hash over GF(2^k), k = ``division``, (m + n)/k 2^(1 - H_n) <= eps, for multiples
    of k.

    Raises
    ------
    InvalidInput
        The probability does not lie between 0 and 1, the message has no bits, or there is no such k.
    """
    if division is not None and division not in (1, *FIELDS):
        raise InvalidInput(f"division hash over GF(2^{division}): k must be 1, 2, 4, 8, 16, 32 or 64")
    if not 0 < epsilon < 1 or not 1 <= message_bits < math.inf:
        raise InvalidInput(
            f"group for {message_bits} bits and probability {epsilon}: at least 1 bit and a probability below 1"
        )
    step = division or 1

    def wanted(n: float) -> float:
        # A float cannot hold the bits of every message: not added to one, but as a logarithm.
        return 1 + math.log2(message_bits + (round(n) if division else 0)) - math.log2(step) - math.log2(epsilon)

    def enough(multiple: float) -> bool:
        return unknown_bits(key, step * multiple, epsilon) >= wanted(step * multiple)

    high = max(-(-8 // step), math.ceil(wanted(0) / step))
    while not enough(high):
        high *= 2
        if step * high >= key.bits:
            return None
    low = high // 2
    while high - low > 1:  # H_n grows with n in this range
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return step * high

"""How much of a group of key bits an attacker does not know, and how long a group must be.

Statistics of finite samples, with b = ln(1/eps): Chernoff bounds between an expectation and an observation,

    expectation <= x + b + sqrt(2 b x + b^2),       >= x - b/2 - sqrt(2 b x + b^2/4),
    observation <= y + b/2 + sqrt(2 b y + b^2/4),   >= y - sqrt(2 b y),

and sampling without replacement: in n of n + k bits of which a share l of the other k is wrong, the share is at most l + gamma(n, k, l, eps)
but for a probability eps (see `sampling_deviation`). From an exchange with n_Z bits, of which s_0 came from no photon and s_1 from one,
the unknown bits of a random group of n, whose phase errors are at most phi + gamma, are

    H_n = s_0,n + s_1,n (1 - h(phi + gamma)) - n f h(E),

and a message of m bits is safe with the smallest n for which m 2^(1 - H_n) <= eps.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from bitket.errors import InvalidInput
from bitket.networks.qkd.privacy import binary_entropy

__all__ = [
    "RawKey",
    "entropy",
    "expectation_from",
    "group_length",
    "observation_from",
    "sampling_deviation",
    "unknown_bits",
]


def entropy(p: float) -> float:
    """Binary entropy in bits; 1 for shares above one half, from which nothing is gained."""
    return 1.0 if p >= 0.5 else binary_entropy(max(p, 0.0))


def expectation_from(observed: float, epsilon: float) -> tuple[float, float]:
    """Lower and upper bound of an expectation, each but for a probability epsilon."""
    b = math.log(1 / epsilon)
    return (
        max(0.0, observed - b / 2 - math.sqrt(2 * b * observed + b * b / 4)),
        observed + b + math.sqrt(2 * b * observed + b * b),
    )


def observation_from(expected: float, epsilon: float) -> tuple[float, float]:
    """Lower and upper bound of an observation, each but for a probability epsilon."""
    b = math.log(1 / epsilon)
    return max(0.0, expected - math.sqrt(2 * b * expected)), expected + b / 2 + math.sqrt(2 * b * expected + b * b / 4)


def sampling_deviation(n: float, k: float, share: float, epsilon: float) -> float:
    """gamma(n, k, l, eps): how far the share of errors in n bits may lie above the share l in the k others.

    The published formula (Yin et al. 2020, Scientific Reports 10, 14312) bounds the probability of one share; that of all larger ones is
    up to 23 times as much (n = 4000, k = 100 000, eps = 0.01). It is therefore taken at eps / 32, with which exact sums stay below eps.
    """
    if n <= 0 or k <= 0:
        return 1.0
    l = min(max(share, 1 / k), 1 - 1e-12)  # no error seen is not no error
    largest = max(n, k)
    logarithm = math.log((n + k) / (2 * math.pi * n * k * l * (1 - l) * (epsilon / 32) ** 2))
    if logarithm <= 0:
        return 0.0
    G = (n + k) / (n * k) * logarithm
    A = largest * G / (n + k)
    return ((1 - 2 * l) * A + math.sqrt(A * A + 4 * l * (1 - l) * G)) / (2 + 2 * A * A / G)


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
    """

    pulses: float
    bits: float
    vacuum: float
    single: float
    phase_error: float
    bit_error: float
    correction: float = 1.1


def unknown_bits(key: RawKey, n: float, epsilon: float) -> float:
    """H_n of a random group of n bits; 0 if nothing is sure.

    The bits from no photon and from one in the group are at least their share less the sampling deviation.
    """
    if key.bits <= n or key.single <= 0:
        return 0.0
    rest = key.bits - n
    shares = []
    for count in (key.vacuum, key.single):
        missing = 1 - count / key.bits
        shares.append(max(0.0, 1 - missing - sampling_deviation(n, rest, missing, epsilon)) if count > 0 else 0.0)
    phase = key.phase_error + sampling_deviation(
        shares[1] * n, max(1.0, key.single - shares[1] * n), key.phase_error, epsilon
    )
    found = n * (shares[0] + shares[1] * (1 - entropy(phase)) - key.correction * entropy(key.bit_error))
    return max(0.0, found)


def group_length(key: RawKey, message_bits: float, epsilon: float) -> int | None:
    """The smallest n with m 2^(1 - H_n) <= eps, or None where no group of the key is long enough.

    Raises
    ------
    InvalidInput
        The probability does not lie between 0 and 1, or the message has no bits.
    """
    if not 0 < epsilon < 1 or message_bits < 1:
        raise InvalidInput(
            f"group for {message_bits} bits and probability {epsilon}: at least 1 bit and a probability below 1"
        )
    wanted = math.log2(2 * message_bits / epsilon)

    def enough(n: float) -> bool:
        return unknown_bits(key, n, epsilon) >= wanted

    high = max(8, math.ceil(wanted))
    while not enough(high):
        high *= 2
        if high >= key.bits:
            return None
    low = high // 2
    while high - low > 1:  # H_n grows with n in this range
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high

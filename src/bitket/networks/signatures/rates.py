"""Signatures a second, and how many bits a signature takes, beside signing each bit of the message on its own."""

from __future__ import annotations

import math
from dataclasses import dataclass

from bitket.errors import InvalidInput
from bitket.networks.signatures.bounds import RawKey, entropy, group_length

__all__ = ["Rate", "bit_by_bit_length", "coded_length", "signature_rate"]


@dataclass(frozen=True)
class Rate:
    """Signatures a second, the length n of a part of the group, and unknown bits per bit of a large group."""

    per_second: float
    n: int
    unknown_share: float


def signature_rate(
    key: RawKey | None,
    message_bits: float,
    *,
    clock_hz: float = 1e9,
    epsilon: float = 1e-10,
    division: int | None = None,
) -> Rate:
    """Rate = clock n_Z / (N 3 n) with the LFSR, clock n_Z / (N 2 n) with the division hash over GF(2^k), k = ``division``.

    The division hash has no start, which saves a third of the key bits. The slower of the two links counts.

    Nothing but 0 where the key leaves no group that is safe.

    Raises
    ------
    InvalidInput
        The clock is not positive, or as `bitket.networks.signatures.bounds.group_length`.
    """
    if not 0 < clock_hz < math.inf:
        raise InvalidInput(f"signatures with a clock of {clock_hz} Hz: it must be positive")
    if key is None:
        return Rate(0.0, 0, 0.0)
    share = max(
        0.0,
        (key.vacuum + key.single * (1 - entropy(key.phase_error))) / key.bits - key.correction * entropy(key.bit_error),
    )
    n = group_length(key, message_bits, epsilon, division)
    if n is None:
        return Rate(0.0, 0, share)
    parts = 3 if division is None else 2
    return Rate(clock_hz * key.bits / (key.pulses * parts * n), n, share)


def bit_by_bit_length(key: RawKey, epsilon: float = 1e-10) -> int | None:
    """Key bits L that sign one bit of a message (Amiri et al. 2016, arXiv:1505.07509), or None where none are enough.

    An attacker's error p_e on a string of which a part comes from single photons has c (1 - h(phi)) <= h(p_e). With thresholds s_a and s_v
    equally spaced between the error E and p_e, repudiation succeeds with 2 exp(-(s_v - s_a)^2 L / 4), an honest run fails with
    2 exp(-(s_a - E)^2 L), and forging with about exp(-(p_e - s_v)^2 L).

    Raises
    ------
    InvalidInput
        The probability does not lie between 0 and 1.
    """
    if not 0 < epsilon < 1:
        raise InvalidInput(f"signing bit by bit with probability {epsilon}: it must lie between 0 and 1")
    unknown = key.single / key.bits * (1 - entropy(key.phase_error))
    low, high = 0.0, 0.5
    for _ in range(60):  # h(p_e) = unknown share
        middle = (low + high) / 2
        low, high = (middle, high) if entropy(middle) < unknown else (low, middle)
    gap = (low - key.bit_error) / 3
    if gap <= 0:
        return None
    exponent = math.log(2) - math.log(epsilon)
    return math.ceil(max(4 * exponent / gap**2, exponent / gap**2))


def coded_length(message_bits: int) -> int:
    """Bits to sign one by one for a message: markers of x + 2 ones at both ends and a zero after each x bits, for the best x.

    Without them an attacker could cut a message or put signed bits together anew.

    Raises
    ------
    InvalidInput
        The message has no bits.

    >>> coded_length(8), coded_length(10**6)
    (20, 1002833)
    """
    if message_bits < 1:
        raise InvalidInput(f"message of {message_bits} bits: at least 1 is needed")
    best = math.isqrt(message_bits // 2) + 1
    near = range(max(1, best - 2), best + 3)
    return min(message_bits + math.ceil(message_bits / x) + 2 * (x + 2) for x in near)

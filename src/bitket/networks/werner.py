"""Fidelities of Werner states under entanglement swapping and distillation, with inverses and the fixed point of pumping.

    swap      F = (4 F1 F2 - F1 - F2 + 1) / 3
    distil    F = (F1 F2 + b c) / (F1 F2 + F1 c + F2 b + 5 b c),    b = (1 - F1)/3,   c = (1 - F2)/3

Distillation is BBPSSW (Bennett et al. 1996, doi:10.1103/PhysRevLett.76.722) on two pairs that are twirled to Werner states; pumping
distils a pair again and again with fresh pairs of the first fidelity.

>>> round(unswap(swap(0.9, 0.9)), 12), round(undistil(distil(0.8, 0.9), 0.9), 12), round(undistil_equal(distil(0.8, 0.8)), 12)
(0.9, 0.8, 0.8)
>>> round(pumping_limit(0.9), 5)
0.94346
"""

from __future__ import annotations

import math
from functools import lru_cache

from bitket.errors import InvalidInput

__all__ = [
    "distil",
    "distil_success",
    "distillations_needed",
    "fidelity_for_distillations",
    "pump",
    "pumping_limit",
    "swap",
    "undistil",
    "undistil_equal",
    "unswap",
]

BISECTION_TOLERANCE = 1e-5


def swap(first: float, second: float) -> float:
    """Fidelity after a Bell measurement of one half of each of two Werner pairs."""
    return (4 * first * second - first - second + 1) / 3


def unswap(fidelity: float) -> float:
    """Fidelity x of two equal pairs with ``swap(x, x) == fidelity``; the larger root of 4 x^2 - 2 x + 1 = 3 F.

    Raises
    ------
    InvalidInput
        The fidelity lies outside [1/4, 1].
    """
    _between(fidelity, 0.25)
    return (1 + math.sqrt(12 * fidelity - 3)) / 4


def distil(first: float, second: float) -> float:
    """Fidelity of the pair that remains when two Werner pairs are distilled successfully."""
    return (first * second + (1 - first) * (1 - second) / 9) / distil_success(first, second)


def distil_success(first: float, second: float) -> float:
    """Probability that distilling two Werner pairs succeeds: F1 F2 + F1 c + F2 b + 5 b c."""
    b, c = (1 - first) / 3, (1 - second) / 3
    return first * second + first * c + second * b + 5 * b * c


def undistil(fidelity: float, second: float) -> float:
    """Fidelity of the first pair with which ``distil(first, second)`` is ``fidelity``; distillation is a Möbius map of it."""
    return (fidelity * (5 - 2 * second) - (1 - second)) / ((10 * second - 1) - fidelity * (8 * second - 2))


def undistil_equal(fidelity: float) -> float:
    """Fidelity x of two equal pairs with ``distil(x, x) == fidelity``; the larger root of (10-8F) x^2 + (4F-2) x + 1-5F = 0.

    Raises
    ------
    InvalidInput
        The fidelity lies outside [1/2, 1].
    """
    _between(fidelity, 0.5)
    a, b, c = 10 - 8 * fidelity, 4 * fidelity - 2, 1 - 5 * fidelity
    return (-b + math.sqrt(b * b - 4 * a * c)) / (2 * a)


def pumping_limit(fidelity: float) -> float:
    """Fixed point of pumping: the root F of (8 f - 2) F^2 + (6 - 12 f) F + f - 1 = 0; below 1/2 pumping gains nothing: f itself."""
    if fidelity <= 0.5:
        return fidelity
    a, b, c = 8 * fidelity - 2, 6 - 12 * fidelity, fidelity - 1
    return (-b + math.sqrt(b * b - 4 * a * c)) / (2 * a)


def pump(fidelity: float, distillations: int) -> float:
    """Fidelity after that many distillations with fresh pairs of the first fidelity."""
    pumped = fidelity
    for _ in range(distillations):
        pumped = distil(pumped, fidelity)
    return pumped


def distillations_needed(fidelity: float, target: float) -> int | None:
    """Distillations until pumping reaches the target, or None if it never does (nor does it come within rounding of its limit)."""
    if fidelity >= target:
        return 0
    pumped = fidelity
    for k in range(1, 1000):
        better = distil(pumped, fidelity)
        if better >= target:
            return k
        if better <= pumped:
            return None
        pumped = better
    return None


@lru_cache(maxsize=4096)
def fidelity_for_distillations(distillations: int, target: float) -> float:
    """The least fidelity, up to 1e-5 from above, from which that many distillations reach the target.

    Raises
    ------
    InvalidInput
        The target lies outside [1/2, 1].
    """
    _between(target, 0.5)
    if distillations == 0:
        return target
    low, high = 0.5, target
    while high - low > BISECTION_TOLERANCE:
        middle = (low + high) / 2
        low, high = (low, middle) if pump(middle, distillations) >= target else (middle, high)
    return high


def _between(fidelity: float, least: float) -> None:
    if not least <= fidelity <= 1:
        raise InvalidInput(f"fidelity {fidelity}: it must lie between {least} and 1")

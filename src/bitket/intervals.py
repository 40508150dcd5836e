"""How sure counted numbers are, where a standard error says too little."""

from __future__ import annotations

import math
from typing import Any

from bitket.errors import InvalidInput

__all__ = ["poisson_interval", "unseen", "wilson"]

_CONFIDENCE = 0.95


def unseen(trials: Any) -> Any:
    """The largest probability of an outcome that stays away in all of some trials with a chance of 5 %: ``1 - 0.05^(1/trials)``.

    Clopper and Pearson 1934 (Biometrika 26, 404); for many trials the rule of three, 3 / trials. Numbers or arrays.
    """
    return 1 - (1 - _CONFIDENCE) ** (1 / trials)


def poisson_interval(count: int, exposure: float) -> tuple[float, float]:
    """The 95 % interval of a rate, from the number of independent events in a time (or another exposure); exact, so also for none.

    Garwood 1936 (Biometrika 28, 437).

    >>> low, high = poisson_interval(0, 2.0)
    >>> low, round(high, 4)
    (0.0, 1.8444)
    """
    from scipy.special import gammaincinv

    outside = (1 - _CONFIDENCE) / 2
    low = float(gammaincinv(count, outside)) if count else 0.0
    return low / exposure, float(gammaincinv(count + 1, 1 - outside)) / exposure


def wilson(right: int, of: int) -> tuple[float, float]:
    """The 95 % interval of a share of ``right`` in ``of`` samples (Wilson 1927, J. Am. Stat. Assoc. 22, 209).

    >>> [round(x, 4) for x in wilson(9, 10)]
    [0.5958, 0.9821]

    Raises
    ------
    InvalidInput
        There is no sample, or more are right than there are.
    """
    from scipy.special import ndtri

    if not 0 <= right <= of or of < 1:
        raise InvalidInput(f"{right} successes of {of}: at least one trial, and no more successes, are needed")
    z = float(ndtri((1 + _CONFIDENCE) / 2))
    p, s = right / of, z * z / of
    middle, half = p + s / 2, z * math.sqrt(p * (1 - p) / of + s / (4 * of))
    return max(0.0, (middle - half) / (1 + s)), min(1.0, (middle + half) / (1 + s))

"""Whether one classifier is better than another: intervals and tests for accuracies that were measured on the same data.

Over seeds, or over folds of cross-validation, differences d_1 ... d_J of paired accuracies have the mean d and Student's interval

    d ± t_(J-1) √( (1/J + n_test/n_train) s² )

where n_test/n_train corrects for training sets of folds that overlap, and is zero for runs that are independent (Nadeau and Bengio 2003,
Machine Learning 52, 239-281). On one test set, McNemar's exact test asks whether the samples that only one of the two gets right are split
evenly (McNemar 1947, Psychometrika 12, 153-157).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from bitket.errors import InvalidInput

__all__ = ["Estimate", "McNemar", "difference", "mcnemar", "mean_accuracy"]


@dataclass(frozen=True)
class Estimate:
    """A mean, its 95 % interval (not finite for one value), and the p value of its being zero (1 where all values are zero)."""

    mean: float
    low: float
    high: float
    p: float

    @property
    def half(self) -> float:
        """Half the interval's width."""
        return (self.high - self.low) / 2


@dataclass(frozen=True)
class McNemar:
    """Samples that only the first, and only the second gets right; p of so uneven a split or a more uneven one, were both equally good."""

    first: int
    second: int
    p: float


def mean_accuracy(values: ArrayLike, overlap: float = 0.0) -> Estimate:
    """Mean of values ``[J]`` with its interval; ``overlap`` is n_test / n_train for folds, 0 for independent runs.

    >>> e = mean_accuracy([0.9, 0.92, 0.94])
    >>> round(e.mean, 3), round(e.half, 3)
    (0.92, 0.05)
    """
    from scipy.stats import t

    x = np.asarray(values, dtype=float)
    if x.ndim != 1 or not len(x) or not np.isfinite(x).all():
        raise InvalidInput(f"mean of values of shape {x.shape}: finite numbers [J], one at least, are needed")
    mean, degrees = float(x.mean()), len(x) - 1
    if degrees == 0:
        return Estimate(mean, -math.inf, math.inf, math.nan)
    error = math.sqrt((1 / len(x) + overlap) * x.var(ddof=1))
    half = float(t.ppf(0.975, degrees)) * error
    p = float(2 * t.sf(abs(mean) / error, degrees)) if error > 0 else float(mean == 0)
    return Estimate(mean, mean - half, mean + half, p)


def difference(first: ArrayLike, second: ArrayLike, overlap: float = 0.0) -> Estimate:
    """Mean of ``first - second`` for paired values ``[J]`` of both, with Student's paired test; differences that are all alike and not zero
    say nothing of their spread: then there is no interval, as for one."""
    a, b = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    if a.shape != b.shape:
        raise InvalidInput(f"difference of values of shapes {a.shape} and {b.shape}: pairs are needed")
    found = mean_accuracy(a - b, overlap)
    if len(a) > 1 and np.ptp(a - b) < 1e-12:  # shares of samples: what is less is rounding
        return (
            Estimate(0.0, 0.0, 0.0, 1.0)
            if abs(found.mean) < 1e-12
            else replace(found, low=-math.inf, high=math.inf, p=math.nan)
        )
    return found


def mcnemar(first: ArrayLike, second: ArrayLike) -> McNemar:
    """McNemar's exact test for which samples ``[N]`` each of two classifiers gets right.

    >>> mcnemar([True] * 8 + [False] * 2, [True] * 4 + [False] * 6)
    McNemar(first=4, second=0, p=0.125)
    """
    from scipy.stats import binomtest

    a, b = np.asarray(first, dtype=bool), np.asarray(second, dtype=bool)
    if a.shape != b.shape or a.ndim != 1:
        raise InvalidInput(f"McNemar's test of shapes {a.shape} and {b.shape}: the same samples [N] are needed")
    one, other = int((a & ~b).sum()), int((b & ~a).sum())
    p = float(binomtest(one, one + other).pvalue) if one + other else 1.0
    return McNemar(one, other, p)

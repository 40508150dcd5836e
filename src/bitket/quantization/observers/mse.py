"""Scales of least squared error: both ends of the range shrunk by one factor, searched on a grid and refined.

min over c in (0, 1] of Σ (x - Q(x; c low, c high))²
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from bitket.errors import InvalidInput
from bitket.quantization.grids import Scheme, choose_scale, extremes, rounded
from bitket.quantization.observers.observer import State
from bitket.quantization.observers.sketch import Sketched, sketched_values

__all__ = ["MeanSquare", "best_scales"]


def best_scales(
    x: torch.Tensor, scheme: Scheme, *, counts: torch.Tensor | None = None, ratios: int = 100, refine: int = 10
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Scales of least squared error for the values of a tensor, each group of values that shares a scale by itself.

    >>> best_scales(torch.tensor([1.0] * 99 + [3.0]), Scheme(2, narrow=True))[0]  # the outlier is clipped: 99 (s - 1)² + (3 - s)² is least
    tensor(1.0200)

    Parameters
    ----------
    x, scheme
        Values and grid.
    counts
        How often each value counts; once unless given. In the shape of ``x``.
    ratios
        Factors 1/ratios, 2/ratios, ..., 1 that are tried.
    refine
        Finer factors that are then tried on each side of the best.
    """
    low, high = extremes(x, scheme)
    low, high = low.clamp(max=0), high.clamp(min=0)
    reduce = scheme.granularity.reduce

    def error(ratio: torch.Tensor) -> torch.Tensor:
        scale, zero = choose_scale(low * ratio, high * ratio, scheme)
        square = (x - rounded(x, scheme, scale, zero)).square_()
        return reduce(square if counts is None else square * counts, torch.sum)

    best = torch.ones_like(low)
    least = error(best)

    def attempt(ratio: torch.Tensor) -> None:
        nonlocal best, least
        value = error(ratio)
        better = value < least
        best, least = torch.where(better, ratio, best), torch.where(better, value, least)

    for i in range(ratios - 1, 0, -1):
        attempt(torch.full_like(low, i / ratios))
    middle = best
    for i in range(1, refine + 1):
        for sign in (-1, 1):
            attempt((middle + sign * i / (ratios * (refine + 1))).clamp(1e-3, 1))
    return choose_scale(low * best, high * best, scheme)


@dataclass(frozen=True)
class MeanSquare(Sketched):
    """The range of least squared error, from a sketch of the distribution.

    Attributes
    ----------
    ratios
        Shrink factors that are tried before the refinement.
    """

    ratios: int = 100

    def __post_init__(self) -> None:
        if not 1 <= self.ratios <= 10_000:
            raise InvalidInput(f"mean square observer: {self.ratios} ratios; 1 to 10000 are possible")

    def scales(self, state: State, scheme: Scheme) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Scale and zero point for what was seen."""
        values, counts = sketched_values(state)
        scale, zero = best_scales(values, scheme, counts=counts, ratios=self.ratios)
        return scale.to(torch.float32), zero

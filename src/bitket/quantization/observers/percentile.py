"""Scales from a percentile of the values: symmetric grids from that of |x|, others from both tails, half of the rest in each."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from bitket.errors import InvalidInput
from bitket.quantization.grids import Scheme, choose_scale
from bitket.quantization.observers.observer import State
from bitket.quantization.observers.sketch import Sketched, quantile, sketched_values

__all__ = ["Percentile"]


@dataclass(frozen=True)
class Percentile(Sketched):
    """A percentile of all values, from a sketch that is off by at most 0.1 % of the value.

    Attributes
    ----------
    percent
        Share of the values inside the range, in percent: above 50, at most 100.
    """

    percent: float = 99.99

    def __post_init__(self) -> None:
        if not 50 < self.percent <= 100:
            raise InvalidInput(f"percentile {self.percent}; above 50, at most 100 is possible")

    def scales(self, state: State, scheme: Scheme) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Scale and zero point for what was seen."""
        values, counts = sketched_values(state)
        low, high = float(state["low"]), float(state["high"])
        share = self.percent / 100
        if scheme.symmetric:
            sizes, order = values.abs().sort()
            reach = min(quantile(sizes, counts[order], share), max(-low, high)) if share < 1 else max(-low, high)
            low, high = max(low, -reach), min(high, reach)
        elif share < 1:
            high = quantile(values, counts, (1 + share) / 2)
            low = -quantile(-values.flip(0), counts.flip(0), (1 + share) / 2)
        return choose_scale(torch.tensor(min(low, 0.0)), torch.tensor(max(high, 0.0)), scheme)

"""Scales from extremes: of everything seen, or averaged over batches.

MinMax           low = min over batches, high = max over batches
MovingAverage    r_1 the first batch's extremes, r_n = μ r_(n-1) + (1 - μ) x_n
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from bitket.errors import InvalidInput
from bitket.quantization.grids import Scheme, choose_scale, extremes
from bitket.quantization.observers.observer import ObserverForm, State

__all__ = ["MinMax", "MovingAverage"]


@dataclass(frozen=True)
class MinMax(ObserverForm):
    """The extremes of all values."""

    def see(self, state: State, x: torch.Tensor, scheme: Scheme) -> None:
        """Take values into a state."""
        low, high = extremes(x, scheme)
        state["low"] = torch.minimum(state["low"], low) if state else low
        state["high"] = torch.maximum(state["high"], high) if "high" in state else high

    def merged(self, first: State, second: State) -> State:
        """The state of both in turn."""
        return {
            "low": torch.minimum(first["low"], second["low"]),
            "high": torch.maximum(first["high"], second["high"]),
        }

    def scales(self, state: State, scheme: Scheme) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Scale and zero point for what was seen."""
        return choose_scale(state["low"], state["high"], scheme)


@dataclass(frozen=True)
class MovingAverage(ObserverForm):
    """Exponential averages of the batches' extremes.

    The state keeps the first extremes x_1, the number n of batches and S = Σ (1 - μ) μ^(n-k) x_k; the average is S + μ^n x_1. States merge
    exactly, since S of two runs in turn is μ^m S_1 + S_2 with m the batches of the second.

    Attributes
    ----------
    momentum
        μ, from 0 to below 1.
    """

    momentum: float = 0.95

    def __post_init__(self) -> None:
        if not 0 <= self.momentum < 1:
            raise InvalidInput(f"moving average: momentum {self.momentum}; 0 to below 1 is possible")

    def see(self, state: State, x: torch.Tensor, scheme: Scheme) -> None:
        """Take values into a state."""
        low, high = (r.to(torch.float64) for r in extremes(x, scheme))
        one = {
            "first_low": low,
            "first_high": high,
            "low": (1 - self.momentum) * low,
            "high": (1 - self.momentum) * high,
        }
        new: State = one | {"batches": torch.ones((), dtype=torch.int64)}
        state.update(self.merged(state, new) if state else new)

    def merged(self, first: State, second: State) -> State:
        """The state of both in turn."""
        fade = self.momentum ** int(second["batches"])
        return {
            "first_low": first["first_low"],
            "first_high": first["first_high"],
            "low": fade * first["low"] + second["low"],
            "high": fade * first["high"] + second["high"],
            "batches": first["batches"] + second["batches"],
        }

    def scales(self, state: State, scheme: Scheme) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Scale and zero point for what was seen."""
        fade = self.momentum ** int(state["batches"])
        low, high = state["low"] + fade * state["first_low"], state["high"] + fade * state["first_high"]
        return choose_scale(low.to(torch.float32), high.to(torch.float32), scheme)

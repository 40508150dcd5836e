"""A histogram whose bins follow floating-point numbers: constant size, exact to merge, relative error below 2^-10.

The bin of a value is its sign, its exponent and its first 9 mantissa bits, read from the bits of the float32; 64 exponents from 2^-40 to
2^24 are kept. Smaller values count as zero, larger ones as the largest bin (the true extremes are kept beside it). A quantile is the
middle of its bin, so it is off by at most 2^-10 of its value.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from bitket.errors import InvalidInput
from bitket.quantization.grids import Scheme, Tensor
from bitket.quantization.observers.observer import ObserverForm, State

__all__ = ["Sketched", "quantile", "size_histogram", "sketched_values"]

_DIGITS = 9
_LEAST, _EXPONENTS = 127 - 40, 64
_BINS = _EXPONENTS << _DIGITS


def _bins(x: torch.Tensor) -> torch.Tensor:
    """Bin of each value: 0 for zero, 1 ... for positive ones by size, then the negative ones."""
    bits = x.to(torch.float32).contiguous().flatten().view(torch.int32)
    size = ((bits & 0x7FFFFFFF) >> (23 - _DIGITS)) - (_LEAST << _DIGITS) + 1
    return torch.where((bits < 0) & (size > 0), _BINS, 0) + size.clamp_(0, _BINS)


def _middles() -> torch.Tensor:
    """The values in the middle of the bins, in the order of `_bins`."""
    edge = (torch.arange(_BINS + 1, dtype=torch.int32) + (_LEAST << _DIGITS)) << (23 - _DIGITS)
    edges = edge.view(torch.float32).to(torch.float64)
    positive = (edges[1:] + edges[:-1]) / 2
    return torch.cat([torch.zeros(1, dtype=torch.float64), positive, -positive])


@dataclass(frozen=True)
class Sketched(ObserverForm):
    """Base of the observers that choose from the distribution of values."""

    def check(self, scheme: Scheme) -> None:
        """Refuse schemes with more than one scale.

        Raises
        ------
        InvalidInput
            It has more; a histogram of each channel is not kept.
        """
        if not isinstance(scheme.granularity, Tensor):
            raise InvalidInput(
                f"observer {type(self).__name__}: {scheme} has several scales; one for the tensor is needed, or MinMax or MovingAverage"
            )

    def see(self, state: State, x: torch.Tensor, scheme: Scheme) -> None:
        """Take values into a state."""
        low, high = torch.aminmax(x)
        counts = torch.bincount(_bins(x), minlength=2 * _BINS + 1)
        new = {"low": low, "high": high, "counts": counts}
        state.update(self.merged(state, new) if state else new)

    def merged(self, first: State, second: State) -> State:
        """The state of both."""
        return {
            "low": torch.minimum(first["low"], second["low"]),
            "high": torch.maximum(first["high"], second["high"]),
            "counts": first["counts"] + second["counts"],
        }


def sketched_values(state: State) -> tuple[torch.Tensor, torch.Tensor]:
    """Values, ascending, and how often they were seen; both float64, the values within the extremes."""
    seen = state["counts"].nonzero().flatten()
    values, order = _middles()[seen].clamp(float(state["low"]), float(state["high"])).sort()
    return values, state["counts"][seen][order].to(torch.float64)


def size_histogram(state: State, bins: int, reach: float) -> torch.Tensor:
    """How many |x| fall into equal bins from 0 to ``reach``; a bin of the sketch counts as spread evenly over its width."""
    counts = state["counts"].to(torch.float64)
    sizes = counts[1 : _BINS + 1] + counts[_BINS + 1 :]
    edge = (torch.arange(_BINS + 1, dtype=torch.int32) + (_LEAST << _DIGITS)) << (23 - _DIGITS)
    edges = torch.cat([torch.zeros(1), edge.view(torch.float32)]).to(torch.float64).clamp(max=reach)
    below = torch.cat([torch.zeros(1, dtype=torch.float64), counts[:1], counts[:1] + sizes.cumsum(0)])
    wanted = np.linspace(0, reach, bins + 1)
    # Of edges that the clamp made equal, the last one counts: everything lies below the extremes.
    keep = torch.cat([edges[1:] > edges[:-1], torch.ones(1, dtype=torch.bool)])
    keep[int(torch.searchsorted(edges, reach)) - 1 :] = False
    x = torch.cat([edges[keep], edges.new_tensor([reach])])
    y = torch.cat([below[keep], below[-1:]])
    return torch.from_numpy(np.diff(np.interp(wanted, x.numpy(), y.numpy())))


def quantile(values: torch.Tensor, counts: torch.Tensor, share: float) -> float:
    """The least value with at least this share of all at or below it.

    >>> quantile(torch.tensor([1.0, 2.0, 5.0]), torch.tensor([5.0, 4.0, 1.0]), 0.9)
    2.0
    """
    total = counts.cumsum(0)
    index = int(torch.searchsorted(total, total[-1] * share * (1 - 1e-12)))
    return float(values[min(index, len(values) - 1)])

"""Scales that keep the distribution: the threshold of least Kullback-Leibler divergence between clipped and quantised histograms.

|x| is counted in 2048 equal bins. For a threshold after i bins, P are the first i with everything beyond added to the last, Q is P gathered
into as many levels as the grid has and spread evenly over the bins of P that are not empty; the divergence is Σ P log(P/Q).
Source: Migacz 2017, 8-bit Inference with TensorRT.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from bitket.quantization.grids import Scheme, choose_scale
from bitket.quantization.observers.observer import State
from bitket.quantization.observers.sketch import Sketched, size_histogram

__all__ = ["Entropy"]

_COUNT = 2048


@dataclass(frozen=True)
class Entropy(Sketched):
    """The threshold of least divergence; both ends of the range are cut there."""

    def scales(self, state: State, scheme: Scheme) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Scale and zero point for what was seen."""
        low, high = float(state["low"]), float(state["high"])
        reach = max(-low, high)
        if reach > 0:
            reach *= _threshold(size_histogram(state, _COUNT, reach).numpy(), scheme) / _COUNT
        return choose_scale(torch.tensor(max(min(low, 0.0), -reach)), torch.tensor(min(max(high, 0.0), reach)), scheme)


def _threshold(histogram: np.ndarray, scheme: Scheme) -> int:
    whole = scheme.bits - (scheme.signed or not scheme.symmetric)  # levels for |x| of grids with both signs
    levels = min(1 << whole, _COUNT // 2)
    tail = np.concatenate([np.cumsum(histogram[::-1])[::-1], [0.0]])
    best, least = _COUNT, np.inf
    for i in range(levels, _COUNT + 1):
        p = histogram[:i].copy()
        kept = p.copy()
        p[-1] += tail[i]
        starts = np.arange(levels) * i // levels
        full = kept > 0
        sums, filled = np.add.reduceat(kept, starts), np.add.reduceat(full.astype(float), starts)
        spread = np.divide(sums, filled, out=np.zeros_like(sums), where=filled > 0)
        q = np.where(full, np.repeat(spread, np.diff([*starts, i])), 0.0)
        present = p > 0
        # An empty last bin that receives the tail has no share in Q; a tiny one stands for it, so the divergence is large but finite.
        share_p, share_q = p[present] / p.sum(), np.maximum(q[present] / max(q.sum(), 1e-300), 1e-9)
        divergence = float(np.sum(share_p * np.log(share_p / share_q)))
        if divergence < least:
            best, least = i, divergence
    return best

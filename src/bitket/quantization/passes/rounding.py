"""Learned rounding: each weight goes to the grid point below or above it, chosen for the layer's output and not for the weight.

    ŵ = t (⌊v/t⌋ + h(V)),  h = clip(1.2 σ(V) - 0.1, 0, 1),  min ‖W x - Ŵ x̂‖² + λ Σ (1 - |2h - 1|^β),  β from 20 to 2

t is the distance of grid points: 1 for whole numbers, the power of two of the weight's binade for minifloats, v = w/s. V starts where h is
the fractional part; after the first fifth of the steps the second term drives h to 0 or 1; in the end h >= 1/2 goes up.
Sources: Nagel et al. 2020, arXiv:2004.10568; for minifloats Aggarwal et al. 2023, arXiv:2311.12359.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch

from bitket.errors import InvalidInput
from bitket.quantization.configs import part
from bitket.quantization.fake import FakeQuantize
from bitket.quantization.graph import Layer, layers_of
from bitket.quantization.grids import Scheme
from bitket.quantization.grids.minifloat import float_step
from bitket.quantization.passes.matrices import spread_scales
from bitket.quantization.passes.step import Pass, Work, captured

__all__ = ["LearnRounding", "learned_rounding"]

_WIDE, _SHIFT = 1.2, -0.1


def _gate(v: torch.Tensor) -> torch.Tensor:
    return (torch.sigmoid(v) * _WIDE + _SHIFT).clamp(0, 1)


class _Grid:
    """The two neighbours of each weight."""

    def __init__(self, weight: torch.Tensor, scheme: Scheme, scale: torch.Tensor, zero: torch.Tensor | None) -> None:
        v = weight / scale
        self.scale = scale
        if scheme.kind == "int":
            shift = 0 if zero is None else zero
            self.step: torch.Tensor | float = 1.0
            self.low: Any = scheme.lowest - shift
            self.high: Any = scheme.highest - shift
        else:
            self.step = float_step(v.contiguous(), scheme)
            self.low = -scheme.largest if scheme.signed else 0.0
            self.high = scheme.largest
        self.floor = torch.floor(v / self.step)
        self.fraction = v / self.step - self.floor

    def values(self, up: torch.Tensor) -> torch.Tensor:
        """Weights that are so far up between their neighbours."""
        grid = ((self.floor + up) * self.step).clamp(self.low, self.high)
        return grid * self.scale


def learned_rounding(
    layer: Layer,
    inputs: torch.Tensor,
    targets: torch.Tensor,
    *,
    steps: int,
    learning_rate: float = 1e-3,
    penalty: float = 0.01,
    batch: int = 32,
    generator: torch.Generator,
) -> tuple[torch.Tensor, float, float]:
    """A layer's weight with learned rounding.

    Parameters
    ----------
    layer
        With a quantiser whose scales are set.
    inputs, targets
        What it is given and what it should give, ``[N, ...]`` each.
    steps, learning_rate, penalty, batch, generator
        Of Adam; λ; samples a step and their draw.

    Returns
    -------
    weight, error, nearest
        The weight on the grid, and its mean squared output error beside that of rounding to the nearest; the better of the two.
    """
    quantiser, weight = layer.weight_quantiser, layer.current_weight().detach()
    assert isinstance(quantiser, FakeQuantize)
    grid = _Grid(weight, quantiser.scheme, *spread_scales(layer))
    start = ((grid.fraction - _SHIFT) / _WIDE).clamp(1e-6, 1 - 1e-6)
    v = torch.log(start / (1 - start)).requires_grad_()
    optimiser = torch.optim.Adam([v], lr=learning_rate)
    axis, bias = layer.channel_axis, layer.bias
    bias = None if bias is None else bias.detach()
    for step in range(steps):
        pick = torch.randint(len(inputs), (min(batch, len(inputs)),), generator=generator)
        h = _gate(v)
        apart = layer.apply_operator(inputs[pick], grid.values(h), bias) - targets[pick]
        loss = apart.square().sum(axis).mean()
        if step >= steps / 5:
            done = (step - steps / 5) / (steps * 4 / 5)
            beta = 2 + 9 * (1 + math.cos(math.pi * done))
            loss = loss + penalty * (1 - (2 * h - 1).abs().clamp(min=1e-12) ** beta).sum()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

    def error(values: torch.Tensor) -> float:
        total = 0.0
        for x, y in zip(inputs.split(256), targets.split(256), strict=True):
            total += float((layer.apply_operator(x, values, bias) - y).square().sum())
        return total / targets.numel()

    with torch.no_grad():
        learned, nearest = grid.values((_gate(v) >= 0.5).to(weight.dtype)), quantiser(weight)
        errors = error(learned), error(nearest)
    best = learned if errors[0] <= errors[1] else nearest
    return best, min(errors), errors[1]


@part
@dataclass(frozen=True)
class LearnRounding(Pass):
    """Learned rounding, layer by layer in order.

    Attributes
    ----------
    steps, learning_rate, penalty, batch, seed
        See `learned_rounding`.
    samples
        Samples of the calibration data that are kept for a layer; the most memory it takes.
    asymmetric
        Whether inputs come from the quantised network and targets from the float one, or both from the float one.
    """

    when: ClassVar[Literal["before", "after"]] = "after"
    steps: int = 1000
    learning_rate: float = 1e-3
    penalty: float = 0.01
    batch: int = 32
    seed: int = 0
    samples: int = 512
    asymmetric: bool = True

    def __post_init__(self) -> None:
        if min(self.steps, self.batch, self.samples) < 1 or not 0 < self.learning_rate < math.inf or self.penalty < 0:
            raise InvalidInput(
                "learned rounding: steps, batch, samples and learning rate must be positive, the penalty not negative"
            )

    def apply(self, work: Work) -> str:
        """Round the weights in place; the quantisers then leave them as they are."""
        assert work.reference is not None
        generator = torch.Generator().manual_seed(self.seed)
        floats = dict(layers_of(work.reference))
        chosen = [
            (p, m)
            for p, m in layers_of(work.model)
            if isinstance(m.weight_quantiser, FakeQuantize) and m.operator != "embedding"
        ]
        better, gains = 0, []
        for path, layer in work.bars.track(chosen, "learned rounding"):
            reference = floats[path]
            source = self._first(captured(work.reference, reference, work.data))
            inputs = self._first(captured(work.model, layer, work.data)) if self.asymmetric else source
            with torch.no_grad():
                targets = torch.cat(
                    [reference.apply_operator(x, reference.current_weight(), layer.bias) for x in source.split(64)]
                )
            weight, error, nearest = learned_rounding(
                layer,
                inputs,
                targets,
                steps=self.steps,
                learning_rate=self.learning_rate,
                penalty=self.penalty,
                batch=self.batch,
                generator=generator,
            )
            layer.set_weight(weight)
            better += error < nearest
            gains.append(error / nearest if nearest else 1.0)
        mean = sum(gains) / max(1, len(gains))
        return f"learned rounding: {better} of {len(chosen)} layers better than the nearest, output error {mean:.2f} times on average"

    def _first(self, stream: Iterable[torch.Tensor]) -> torch.Tensor:
        parts, count = [], 0
        for x in stream:
            parts.append(x)
            count += len(x)
            if count >= self.samples:
                break
        return torch.cat(parts)[: self.samples]

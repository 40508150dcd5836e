"""Bias correction: what quantization adds to the mean of each output channel is taken off the bias.

    b += E[W x] - E[Ŵ x̂]

layer by layer in order, x from the float network and x̂ from the quantised one with the layers before corrected; means over the calibration
data. Source: Nagel et al. 2019, arXiv:1906.04721 (the form that uses data).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch

from bitket.quantization.calibration import run
from bitket.quantization.configs import part
from bitket.quantization.fake import FakeQuantize
from bitket.quantization.graph import Layer, layers_of
from bitket.quantization.passes.step import Pass, Work

__all__ = ["CorrectBias", "mean_output"]


def mean_output(model: torch.nn.Module, layer: Layer, data: Any) -> torch.Tensor:
    """Mean of each output channel of a layer over the data and all positions, in double precision."""
    total: list[torch.Tensor] = []
    count = 0

    def watch(module: torch.nn.Module, args: tuple[Any, ...], y: torch.Tensor) -> None:
        nonlocal count
        dims = tuple(d for d in range(y.ndim) if d != layer.channel_axis % y.ndim)
        total.append(y.to(torch.float64).sum(dims))
        total[:] = [sum(total[1:], total[0])]
        count += y.numel() // y.shape[layer.channel_axis]

    hook = layer.register_forward_hook(watch)
    try:
        with torch.no_grad():
            for batch in data:
                run(model, batch)
    finally:
        hook.remove()
    return total[0] / count


@part
@dataclass(frozen=True)
class CorrectBias(Pass):
    """Bias correction of every layer with a quantised weight or input."""

    when: ClassVar[Literal["before", "after"]] = "after"

    def apply(self, work: Work) -> str:
        """Change the biases in place; layers without one get one."""
        assert work.reference is not None
        floats = dict(layers_of(work.reference))
        chosen = [
            (p, m)
            for p, m in layers_of(work.model)
            if isinstance(m.weight_quantiser, FakeQuantize) and m.operator != "embedding"
        ]
        largest = 0.0
        for path, layer in work.bars.track(chosen, "bias correction"):
            want = mean_output(work.reference, floats[path], work.data)
            shift = want - mean_output(work.model, layer, work.data)
            largest = max(largest, float(shift.abs().max()))
            bias = torch.zeros_like(shift) if layer.bias is None else layer.bias.detach().to(torch.float64)
            layer.set_bias((bias + shift).to(layer.current_weight().dtype))
        return f"bias correction: {len(chosen)} layers, largest shift {largest:.3g}"

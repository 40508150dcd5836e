"""`Layer`s of a traced network as modules of `torch.nn`, for methods that look for convolutions and linear layers by their type."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.fx import GraphModule

from bitket.quantization.graph.layers import Layer, layers_of

__all__ = ["as_modules"]

_KINDS: dict[str, Any] = {
    "conv1d": nn.Conv1d,
    "conv2d": nn.Conv2d,
    "conv3d": nn.Conv3d,
    "conv_transpose1d": nn.ConvTranspose1d,
    "conv_transpose2d": nn.ConvTranspose2d,
    "conv_transpose3d": nn.ConvTranspose3d,
}


def as_modules(model: GraphModule) -> GraphModule:
    """Put a float module of `torch.nn` in the place of each layer, in place; parameters are kept as they are.

    Parameters
    ----------
    model
        A graph that `trace` made, without quantisers.
    """
    for path, layer in list(layers_of(model)):
        model.set_submodule(path, _module(layer))
    for parameter in model.parameters():
        parameter.requires_grad_(True)
    return model.eval()


def _module(layer: Layer) -> nn.Module:
    weight, bias, options = layer.current_weight(), layer.bias, layer.options
    with torch.device("meta"):  # the parameters are exchanged
        if layer.operator == "linear":
            made: Any = nn.Linear(weight.shape[1], weight.shape[0], bias is not None)
        elif layer.operator == "embedding":
            made = nn.Embedding(weight.shape[0], weight.shape[1], padding_idx=options.get("padding_idx"))
        else:
            a, b = weight.shape[0], weight.shape[1] * layer.groups
            ends = (a, b) if layer.operator.startswith("conv_transpose") else (b, a)
            made = _KINDS[layer.operator](*ends, tuple(weight.shape[2:]), bias=bias is not None, **options)
    made.weight = weight if isinstance(weight, nn.Parameter) else nn.Parameter(weight)
    if bias is not None:
        made.bias = bias if isinstance(bias, nn.Parameter) else nn.Parameter(bias)
    found: nn.Module = made.eval()
    return found

"""Layers as matrix products: the weight as rows, inputs as the columns that the rows meet."""

from __future__ import annotations

import torch

from bitket.errors import InvalidInput
from bitket.quantization.fake import FakeQuantize
from bitket.quantization.graph import Layer

__all__ = ["columns", "has_matrix", "spread_scales", "weight_rows"]


def has_matrix(layer: Layer) -> bool:
    """Whether a layer is a product of its weight's rows with parts of its input: linear layers and convolutions in one or two dimensions."""
    return layer.operator in ("linear", "conv1d", "conv2d")


def weight_rows(weight: torch.Tensor, groups: int) -> torch.Tensor:
    """A weight as ``[groups, rows, columns]``."""
    return weight.reshape(groups, weight.shape[0] // groups, -1)


def spread_scales(layer: Layer) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Scale and zero point of a layer's quantiser for each weight, in the weight's shape."""
    quantiser, weight = layer.weight_quantiser, layer.current_weight()
    if not isinstance(quantiser, FakeQuantize):
        raise InvalidInput("layer: its weight has no quantiser with scales")
    scale, zero = quantiser.applied()
    spread = quantiser.scheme.granularity.expand
    zeros = None if zero is None else spread(zero, weight.shape).expand(weight.shape)
    return spread(scale, weight.shape).expand(weight.shape), zeros


def columns(layer: Layer, x: torch.Tensor) -> torch.Tensor:
    """An input as ``[groups, columns, positions]``, so that weight rows times it is the output before the bias.

    Raises
    ------
    InvalidInput
        The layer is no such product.
    """
    if layer.operator == "linear":
        return x.reshape(-1, x.shape[-1]).T.unsqueeze(0)
    if not has_matrix(layer):
        raise InvalidInput(
            f"{layer.operator}: it is not taken apart into a matrix product; linear, conv1d and conv2d are"
        )
    kernel = layer.current_weight().shape[2:]
    stride, padding, dilation = (
        _pair(layer.options.get(n, d), len(kernel)) for n, d in (("stride", 1), ("padding", 0), ("dilation", 1))
    )
    if layer.options.get("padding") == "same":
        total = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
        sides = [side for t in reversed(total) for side in (t // 2, t - t // 2)]
        x, padding = torch.nn.functional.pad(x, sides), [0] * len(kernel)
    if len(kernel) == 1:
        x, kernel = x.unsqueeze(2), torch.Size([1, *kernel])
        stride, padding, dilation = [1, *stride], [0, *padding], [1, *dilation]
    parts = torch.nn.functional.unfold(
        x, kernel, tuple(dilation), tuple(padding), tuple(stride)
    )  # [batch, channels · kernel, positions]
    parts = parts.transpose(0, 1).flatten(1)
    return parts.reshape(layer.groups, -1, parts.shape[-1])


def _pair(value: int | str | list[int] | tuple[int, ...], n: int) -> list[int]:
    if isinstance(value, str):  # "valid"; "same" is padded before
        return [0] * n
    return [value] * n if isinstance(value, int) else list(value) * (n if len(value) == 1 else 1)

"""One module for everything that multiplies by a weight: convolutions, linear layers and embeddings, with places for quantisers.

Both ways into a network, its graph and the replacement of modules, end in networks whose weights stand in such layers, so passes and
exporters know one kind of layer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch

from bitket.errors import InvalidInput
from bitket.quantization.fake import FakeQuantize
from bitket.quantization.tensors import PackedWeight

__all__ = ["Layer", "layers_of"]

F = torch.nn.functional

_OPERATORS: dict[str, Callable[..., torch.Tensor]] = {
    "linear": F.linear,
    "conv1d": F.conv1d,
    "conv2d": F.conv2d,
    "conv3d": F.conv3d,
    "conv_transpose1d": F.conv_transpose1d,
    "conv_transpose2d": F.conv_transpose2d,
    "conv_transpose3d": F.conv_transpose3d,
    "embedding": F.embedding,
}


class Layer(torch.nn.Module):
    """A layer with a weight.

    Parameters
    ----------
    operator
        ``"linear"``, ``"conv1d"`` to ``"conv3d"``, ``"conv_transpose1d"`` to ``"conv_transpose3d"``, ``"embedding"``.
    weight, bias
        Its parameters, kept as they are, so that several layers may share one.
    options
        What `torch.nn.functional` calls ``stride``, ``padding``, ``dilation``, ``groups``, ``output_padding``, ``padding_idx``.

    Attributes
    ----------
    weight_quantiser
        What the weight passes; in a deployed network the packed weight itself, and ``weight`` is None.
    input_quantiser
        What the input passes, if it is not quantised by the graph.
    input_factor
        A vector that multiplies the input's channels first (the part of SmoothQuant that no layer before could take over).
    """

    weight: torch.Tensor | None
    bias: torch.Tensor | None
    input_factor: torch.Tensor | None

    def __init__(
        self,
        operator: str,
        weight: torch.Tensor | None,
        bias: torch.Tensor | None,
        options: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()
        if operator not in _OPERATORS:
            raise InvalidInput(f"layer: operator '{operator}'; {', '.join(_OPERATORS)} are known")
        self.operator, self.options = operator, dict(options or {})
        for name, value in (("weight", weight), ("bias", bias)):
            if value is None or isinstance(value, torch.nn.Parameter):
                self.register_parameter(name, value)
            else:
                self.register_buffer(name, value)
        self.register_buffer("input_factor", None)
        self.weight_quantiser: FakeQuantize | PackedWeight | None = None
        self.input_quantiser: FakeQuantize | None = None

    @property
    def output_axis(self) -> int:
        """The weight's axis of output channels (of the rows of an embedding)."""
        return 1 if self.operator.startswith("conv_transpose") else 0

    @property
    def groups(self) -> int:
        """Into how many groups a convolution's channels are divided."""
        return int(self.options.get("groups", 1))

    @property
    def channel_axis(self) -> int:
        """The axis of channels of input and output."""
        return -1 if self.operator in ("linear", "embedding") else 1

    def current_weight(self) -> torch.Tensor:
        """The float weight.

        Raises
        ------
        InvalidInput
            The layer is deployed.
        """
        if self.weight is None:
            raise InvalidInput("layer: its weight is packed; work on the network before it is deployed")
        return self.weight

    def used_weight(self) -> torch.Tensor:
        """The weight that the layer computes with."""
        if isinstance(self.weight_quantiser, PackedWeight):
            values: torch.Tensor = self.weight_quantiser()
            return values
        weight = self.current_weight()
        return weight if self.weight_quantiser is None else self.weight_quantiser(weight)

    def apply_operator(self, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        """The operator on any weight and bias."""
        if self.operator == "embedding":
            return F.embedding(x, weight, **self.options)
        return _OPERATORS[self.operator](x, weight, bias, **self.options)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The layer's output."""
        if self.input_factor is not None:
            shape = [-1 if d == self.channel_axis % x.ndim else 1 for d in range(x.ndim)]
            x = x * self.input_factor.view(shape)
        if self.input_quantiser is not None:
            x = self.input_quantiser(x)
        return self.apply_operator(x, self.used_weight(), self.bias)

    def set_weight(self, weight: torch.Tensor) -> None:
        """Give the layer a weight of its own; what shared the old one keeps that."""
        self.weight = torch.nn.Parameter(weight.detach().clone(), requires_grad=self.current_weight().requires_grad)

    def set_bias(self, bias: torch.Tensor) -> None:
        """Give the layer a bias, whether it had one or not."""
        self.bias = torch.nn.Parameter(
            bias.detach().clone(), requires_grad=self.bias is None or self.bias.requires_grad
        )

    def extra_repr(self) -> str:
        """Operator and shape."""
        shape = self.weight_quantiser.shape if isinstance(self.weight_quantiser, PackedWeight) else None
        if self.weight is not None:
            shape = tuple(self.weight.shape)
        return f"{self.operator}, {list(shape or ())}"


def layers_of(model: torch.nn.Module) -> Iterator[tuple[str, Layer]]:
    """The layers of a network with their paths, in the order in which its modules stand."""
    for path, module in model.named_modules():
        if isinstance(module, Layer):
            yield path, module

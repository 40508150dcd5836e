"""Two convolutions with nothing in between are one convolution, and computed as one: of c_1 channels in the middle none is ever made.

    K_oi[c] = Σ_m Σ_{a+b=c} W²_om[b] W¹_mi[a],   b_o = b²_o + Σ_m b¹_m Σ_b W²_om[b]

The two kernels stay the parameters, so that a training takes the same steps as through both convolutions, up to rounding.
"""

from __future__ import annotations

import torch

from bitket.errors import InvalidInput
from bitket.quantum.learning.flipped import FlippedQuanv2d

__all__ = ["ConvolutionPair"]

Convolution = torch.nn.Conv2d | FlippedQuanv2d


class ConvolutionPair(torch.nn.Module):
    """What ``Sequential(first, second)`` gives, at a fraction of the cost where the channels between them are many.

    Parameters
    ----------
    first, second
        ``Conv2d`` or `FlippedQuanv2d`, of stride 1, without groups or dilation; the second without padding.

    Raises
    ------
    InvalidInput
        They are not that, or their channels do not fit.

    Examples
    --------
    >>> pair = ConvolutionPair(torch.nn.Conv2d(1, 32, 3), torch.nn.Conv2d(32, 16, 3))
    >>> pair(torch.zeros(5, 1, 12, 12)).shape
    torch.Size([5, 16, 8, 8])
    """

    first: Convolution
    second: Convolution

    def __init__(self, first: Convolution, second: Convolution) -> None:
        super().__init__()
        self.first, self.second = first, second
        for layer in (first, second):
            if not isinstance(layer, Convolution):
                raise InvalidInput(
                    f"a {type(layer).__name__} in a pair of convolutions; a Conv2d or FlippedQuanv2d is needed"
                )
            if layer.stride not in (1, (1, 1)):
                raise InvalidInput(f"pair of convolutions: stride {layer.stride}; strides of 1 are needed")
            if isinstance(layer, torch.nn.Conv2d) and (
                layer.groups != 1 or layer.dilation != (1, 1) or layer.padding_mode != "zeros"
            ):
                raise InvalidInput(
                    "pair of convolutions: groups, dilation and other padding than by zeros are not possible"
                )
        if second.padding not in (0, (0, 0), "valid"):
            raise InvalidInput(f"pair of convolutions: padding {second.padding} of the second; none is possible")
        if first.weight.shape[0] != second.weight.shape[1]:
            raise InvalidInput(
                f"pair of convolutions: the first gives {first.weight.shape[0]} channels, the second takes {second.weight.shape[1]}"
            )

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """From images ``[B, c_in, h, w]`` to ``[B, c_out, h', w']``."""
        inner, outer = self.first.weight, self.second.weight
        kernel = torch.nn.functional.conv_transpose2d(outer, inner)
        bias = self.second.bias
        if self.first.bias is not None:
            through = outer.sum((2, 3)) @ self.first.bias
            bias = through if bias is None else bias + through
        return torch.nn.functional.conv2d(images, kernel, bias, padding=self.first.padding)

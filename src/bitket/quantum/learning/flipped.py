"""Flipped quanvolution: the data are the observable, the parameters make the state (Wang et al. 2024, arXiv:2409.17583).

For output channel o and input channel i a gate of SU(2^n) makes |ψ_oi> = U(theta_oi)|0>; a k x k patch M_i of the image, filled up with
zeros on the right and below to 2^n x 2^n, is made Hermitian and measured:

    y_o = (1/c_in) Σ_i <ψ_oi| (M_i + M_iᵀ)/2 |ψ_oi> + b_o

As <ψ|M̃|ψ> = Σ_jk M_jk Re(ψ_j* ψ_k), the layer is a convolution with the kernel Re(|ψ><ψ|)[:k, :k] / c_in, which is symmetric, positive
semidefinite and of trace at most 1/c_in. It is linear in the image, and costs what a convolution costs.
"""

from __future__ import annotations

import torch

from bitket.errors import InvalidInput
from bitket.quantum.learning.special_unitary import Parametrisation, SpecialUnitary

__all__ = ["FlippedQuanv2d"]

Pair = int | tuple[int, int]


class FlippedQuanv2d(torch.nn.Module):
    """A quantum layer in the place of ``torch.nn.Conv2d``.

    Parameters
    ----------
    c_in, c_out
        Channels.
    kernel_size
        k, or height and width; ⌈log₂ k⌉ qubits of the larger one. At least 2: a single pixel needs no qubit.
    stride, padding
        As of ``Conv2d`` (``"same"`` and ``"valid"`` too); padding is by zeros.
    bias
        Whether b is there; it begins as standard normal numbers.
    parametrisation, generator, dtype
        As of `SpecialUnitary`.

    Raises
    ------
    InvalidInput
        A size is out of range.

    Examples
    --------
    >>> layer = FlippedQuanv2d(3, 8, 3, padding=1, generator=torch.Generator().manual_seed(0))
    >>> layer(torch.zeros(2, 3, 16, 16)).shape
    torch.Size([2, 8, 16, 16])
    """

    def __init__(
        self,
        c_in: int,
        c_out: int,
        kernel_size: Pair = 3,
        stride: Pair = 1,
        padding: Pair | str = 0,
        *,
        bias: bool = True,
        parametrisation: Parametrisation = "unitary",
        generator: torch.Generator | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        self.kernel_size = (kernel_size, kernel_size) if isinstance(kernel_size, int) else tuple(kernel_size)
        if min(c_in, c_out) < 1 or len(self.kernel_size) != 2 or min(self.kernel_size) < 1:
            raise InvalidInput(
                f"flipped quanvolution: {c_in} to {c_out} channels, kernel {self.kernel_size}; at least 1 is needed"
            )
        if max(self.kernel_size) < 2:
            raise InvalidInput(
                "flipped quanvolution: a kernel of 1 x 1 has no qubit to train; 2 x 2 or larger is needed"
            )
        self.c_in, self.c_out, self.stride, self.padding = c_in, c_out, stride, padding
        qubits = (max(self.kernel_size) - 1).bit_length()
        self.gates = SpecialUnitary(
            qubits, c_out, c_in, parametrisation=parametrisation, generator=generator, dtype=dtype
        )
        self.bias = torch.nn.Parameter(torch.randn(c_out, generator=generator, dtype=dtype)) if bias else None

    @classmethod
    def replacing(
        cls,
        layer: torch.nn.Module,
        *,
        parametrisation: Parametrisation = "unitary",
        generator: torch.Generator | None = None,
    ) -> FlippedQuanv2d:
        """The layer of the same shapes, precision and device as a ``Conv2d``.

        Raises
        ------
        InvalidInput
            It is none, or it is grouped, dilated, or padded otherwise than by zeros.
        """
        if not isinstance(layer, torch.nn.Conv2d):
            raise InvalidInput(f"a {type(layer).__name__} has no flipped quanvolution; a Conv2d is needed")
        if layer.groups != 1:
            raise InvalidInput(
                f"a convolution of {layer.groups} groups has no flipped quanvolution; groups=1 is needed"
            )
        if tuple(layer.dilation) != (1, 1):
            raise InvalidInput(
                f"a convolution of dilation {tuple(layer.dilation)} has no flipped quanvolution; dilation=1 is needed"
            )
        if layer.padding_mode != "zeros":
            raise InvalidInput(f"padding mode '{layer.padding_mode}': a flipped quanvolution pads by zeros alone")
        new = cls(
            layer.in_channels,
            layer.out_channels,
            layer.kernel_size,  # type: ignore[arg-type]
            layer.stride,  # type: ignore[arg-type]
            layer.padding,  # type: ignore[arg-type]
            bias=layer.bias is not None,
            parametrisation=parametrisation,
            generator=generator,
            dtype=layer.weight.dtype,
        )
        return new.to(layer.weight.device)

    @property
    def weight(self) -> torch.Tensor:
        """The kernel of the convolution that the layer is, ``[c_out, c_in, k, k]``."""
        rows, columns = self.kernel_size
        state = self.gates()[..., 0]
        return (state[..., :rows, None].conj() * state[..., None, :columns]).real / self.c_in

    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Draw angles and bias anew."""
        self.gates.reset_parameters(generator)
        if self.bias is not None:
            with torch.no_grad():
                self.bias.copy_(torch.randn(self.c_out, generator=generator, dtype=self.bias.dtype))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """From images ``[B, c_in, h, w]`` (or one, ``[c_in, h, w]``) to ``[B, c_out, h', w']`` with the sizes of ``Conv2d``."""
        return torch.nn.functional.conv2d(images, self.weight, self.bias, self.stride, self.padding)

    def extra_repr(self) -> str:
        """Sizes, for printing."""
        return (
            f"{self.c_in}, {self.c_out}, kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"
        )

"""Quantised tensors: codes with their scheme and scales, as they are stored and as a module that gives a network its weight."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from bitket.errors import InvalidInput
from bitket.quantization.grids import Nested, PowerOfTwo, Scheme, dequantize, pack, quantize, scales_of, unpack
from bitket.quantization.grids.integer import code_dtype
from bitket.quantization.grids.scales import nested_parts

__all__ = ["PackedWeight", "QuantizedTensor"]


@dataclass(frozen=True)
class QuantizedTensor:
    """Codes of a tensor.

    Attributes
    ----------
    codes
        In the tensor's shape and the smallest integer type.
    scheme
        Their grid.
    scale, zero
        Scales, and zero points of an asymmetric scheme, in the shape that the scheme's granularity tells.

    Examples
    --------
    >>> w = QuantizedTensor.of(torch.tensor([[7.0, -3.0, 0.1]]), Scheme.parse("int4-c0"))
    >>> w.codes.tolist(), w.dequantize().tolist(), w.bytes
    ([[7, -3, 0]], [[7.0, -3.0, 0.0]], 6)
    """

    codes: torch.Tensor
    scheme: Scheme
    scale: torch.Tensor
    zero: torch.Tensor | None = None

    def __post_init__(self) -> None:
        needed = self.scheme.granularity.scale_shape(self.codes.shape)
        if tuple(self.scale.shape) != needed or (self.zero is not None and tuple(self.zero.shape) != needed):
            raise InvalidInput(
                f"quantised tensor {self.scheme} of shape {list(self.codes.shape)}: scales of shape {list(self.scale.shape)}; "
                f"{list(needed)} is needed"
            )
        if self.codes.dtype != code_dtype(self.scheme) or (self.zero is None) != self.scheme.symmetric:
            raise InvalidInput(
                f"quantised tensor {self.scheme}: codes of type {self.codes.dtype}, zero points "
                f"{'absent' if self.zero is None else 'given'}; {code_dtype(self.scheme)} is needed, and zero points "
                f"{'none' if self.scheme.symmetric else 'too'}"
            )

    @classmethod
    def of(
        cls,
        x: torch.Tensor,
        scheme: Scheme,
        scale: torch.Tensor | None = None,
        zero: torch.Tensor | None = None,
    ) -> QuantizedTensor:
        """Quantise a tensor, with scales from its extremes unless they are given."""
        if scale is None:
            scale, zero = scales_of(x, scheme)
        return cls(quantize(x, scheme, scale, zero), scheme, scale, zero)

    def dequantize(self) -> torch.Tensor:
        """The values, bit for bit those that simulated quantization computes with."""
        return dequantize(self.codes, self.scheme, self.scale, self.zero)

    def matmul(self, x: torch.Tensor) -> torch.Tensor:
        """``x [..., n]`` times the transpose of a quantised matrix ``[m, n]``, as a linear layer has it."""
        return torch.nn.functional.linear(x, self.dequantize())

    @property
    def bytes(self) -> int:
        """What is stored: packed codes, scales in their form, zero points in the width of codes; shapes and names are not counted."""
        return sum(t.numel() * t.element_size() for t in self.to_tensors().values())

    def to_tensors(self) -> dict[str, torch.Tensor]:
        """The parts to store.

        ``codes`` are packed up to 8 bits, each row of the first axis by itself; ``scale`` are floats, int8 exponents of powers of two, or the
        outer floats of nested scales, whose whole numbers are ``inner``; ``zero`` has the type of codes.
        """
        bits, form = self.scheme.bits, self.scheme.scale
        out = {"codes": pack(_rows(self.codes), bits) if bits <= 8 else self.codes.contiguous()}
        if isinstance(form, Nested):
            inner, outer = nested_parts(self.scale, form)
            out |= {"inner": inner.to(torch.uint8 if form.bits <= 8 else torch.int32), "scale": outer.contiguous()}
        elif isinstance(form, PowerOfTwo):
            out["scale"] = (torch.frexp(self.scale).exponent - 1).to(torch.int8)
        else:
            out["scale"] = self.scale.contiguous()
        if self.zero is not None:
            out["zero"] = self.zero.to(code_dtype(self.scheme)).contiguous()
        return out

    @classmethod
    def from_tensors(
        cls, tensors: dict[str, torch.Tensor], scheme: Scheme, shape: tuple[int, ...] | torch.Size
    ) -> QuantizedTensor:
        """What `to_tensors` gave.

        Raises
        ------
        InvalidInput
            Parts are missing or do not fit.
        """
        missing = {"codes", "scale"} - set(tensors)
        if missing or (("zero" in tensors) == scheme.symmetric):
            raise InvalidInput(f"quantised tensor {scheme}: the parts {sorted(tensors)} are not those of one")
        codes = tensors["codes"]
        if scheme.bits <= 8:
            signed = scheme.signed and scheme.kind == "int"
            count = torch.Size(shape[1:] if len(shape) > 1 else shape).numel()
            codes = unpack(codes, scheme.bits, count, signed=signed).view(shape)
        elif tuple(codes.shape) != tuple(shape):
            raise InvalidInput(
                f"quantised tensor {scheme}: codes of shape {list(codes.shape)}, {list(shape)} is needed"
            )
        scale = tensors["scale"]
        if isinstance(scheme.scale, Nested):
            scale = tensors["inner"].to(scale.dtype) * scale
        elif isinstance(scheme.scale, PowerOfTwo):
            scale = torch.ldexp(torch.ones(()), scale.to(torch.int32))
        zero = tensors["zero"].to(torch.int32) if "zero" in tensors else None
        return cls(codes, scheme, scale, zero)


def _rows(codes: torch.Tensor) -> torch.Tensor:
    return codes.flatten(1) if codes.ndim > 1 else codes.flatten()


class PackedWeight(torch.nn.Module):
    """A quantised tensor as a module without input: ``forward()`` gives the values.

    The buffers hold the packed codes; nothing of the float tensor stays.
    """

    def __init__(self, tensor: QuantizedTensor) -> None:
        super().__init__()
        self.scheme, self.shape = tensor.scheme, tuple(tensor.codes.shape)
        for name, part in tensor.to_tensors().items():
            self.register_buffer(name, part)

    @property
    def tensor(self) -> QuantizedTensor:
        """The quantised tensor."""
        parts: dict[str, Any] = dict(self.named_buffers())
        return QuantizedTensor.from_tensors(parts, self.scheme, self.shape)

    def forward(self) -> torch.Tensor:
        """The values."""
        return self.tensor.dequantize()

    def extra_repr(self) -> str:
        """Scheme and shape."""
        return f"{self.scheme}, {list(self.shape)}"

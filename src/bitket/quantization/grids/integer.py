"""Uniform grids of whole numbers: q = clamp(round(x/s) + z), x̂ = s (q - z), round half to even."""

from __future__ import annotations

import torch

from bitket.quantization.grids.scheme import Scheme

__all__ = ["code_dtype", "integer_codes", "integer_levels", "integer_scale"]


def code_dtype(scheme: Scheme) -> torch.dtype:
    """The smallest integer type of torch with full arithmetic that holds the codes; minifloats' codes are bit patterns."""
    signed = scheme.signed and scheme.kind == "int"
    if scheme.bits <= 8:
        return torch.int8 if signed else torch.uint8
    if scheme.bits + (not signed) <= 16:
        return torch.int16
    return torch.int32 if scheme.bits + (not signed) <= 32 else torch.int64


def integer_codes(x: torch.Tensor, scheme: Scheme, scale: torch.Tensor, zero: torch.Tensor | None) -> torch.Tensor:
    """Codes as whole numbers in floating point; scale and zero point broadcast over ``x``. Above 16 bits in float64."""
    if scheme.bits > 16:
        x = x.to(torch.float64)
    codes = torch.round(x / scale)
    if zero is not None:
        codes += zero
    return codes.clamp_(scheme.lowest, scheme.highest)


def integer_levels(scheme: Scheme) -> torch.Tensor:
    """Every code, ascending, in float64."""
    return torch.arange(scheme.lowest, scheme.highest + 1, dtype=torch.float64)


def integer_scale(low: torch.Tensor, high: torch.Tensor, scheme: Scheme) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Scale and zero point that take the range from low <= 0 to high >= 0 to the whole grid; a range of no width gets scale 1."""
    if scheme.symmetric:
        reach = torch.maximum(-low, high) if scheme.signed else high
        return scheme.scale.rounded(_positive(reach / scheme.highest)), None
    # The parts are divided before they are added: high - low of huge values may overflow.
    steps = scheme.highest - scheme.lowest
    scale = scheme.scale.rounded(_positive(high / steps - low / steps))
    zero = scheme.lowest - torch.round(low / scale)
    return scale, zero.clamp(scheme.lowest, scheme.highest).to(torch.int32 if scheme.bits < 32 else torch.int64)


def _positive(scale: torch.Tensor) -> torch.Tensor:
    return torch.where(scale < torch.finfo(scale.dtype).tiny, torch.ones_like(scale), scale)

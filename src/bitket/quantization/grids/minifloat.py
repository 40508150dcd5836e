"""Minifloats: v on the grid of a small floating-point format with subnormals, saturating at its largest number.

    t = 2^(max(floor(log2 |v|), 1 - B) - m),   v̂ = clip(t round(v/t))

The floor is read from the exponent's bits, and division by t is exact, so the only rounding is that to the grid: half to even in units
of t. With m = 0 a tie between 2^k and 2^(k+1) therefore always goes up, where rounding by bit patterns would alternate.
Source: Aggarwal et al. 2023, arXiv:2311.12359.
"""

from __future__ import annotations

import torch

from bitket.quantization.grids.scheme import Scheme

__all__ = ["float_codes", "float_decode", "float_levels", "float_rounded"]

# Type of equal width, mantissa bits, bias of the exponent.
_LAYOUT = {torch.float32: (torch.int32, 23, 127), torch.float64: (torch.int64, 52, 1023)}


def float_step(v: torch.Tensor, scheme: Scheme) -> torch.Tensor:
    """The distance t of neighbours on the grid at each v: a power of two."""
    integer, mantissa, bias = _LAYOUT[v.dtype]
    exponent = ((v.view(integer) >> mantissa) & (2 * bias + 1)) - bias
    exponent = exponent.clamp_(1 - scheme.exponent_bias) - scheme.mantissas
    return ((exponent + bias) << mantissa).view(v.dtype)


def float_rounded(v: torch.Tensor, scheme: Scheme) -> torch.Tensor:
    """The nearest numbers of the format, in the type of ``v``, float32 or float64; float64 for formats beyond float32."""
    wide = v if v.dtype == torch.float64 or _fits_float32(scheme) else v.to(torch.float64)
    wide = wide.clamp(-scheme.largest if scheme.signed else 0.0, scheme.largest).contiguous()
    step = float_step(wide, scheme)
    return torch.round(wide / step).mul_(step)


def _fits_float32(scheme: Scheme) -> bool:
    return scheme.exponent_bias + scheme.mantissas <= 100 and scheme.largest < 2.0**100


def float_codes(v: torch.Tensor, scheme: Scheme) -> torch.Tensor:
    """Bit patterns S E M of numbers of the format, int64; -0 has its own."""
    v = v.to(torch.float64)
    e, m, bias = scheme.bits - scheme.signed - scheme.mantissas, scheme.mantissas, scheme.exponent_bias
    fraction, exponent = torch.frexp(v.abs())
    field = (exponent + (bias - 1)).clamp(0, (1 << e) - 1) * (v != 0)  # |v| = 2 fraction 2^(exponent - 1)
    normal = (2 * fraction - 1) * 2**m
    subnormal = v.abs() * 2.0 ** (bias - 1 + m)
    mantissa = torch.where(field > 0, normal, subnormal).to(torch.int64)
    code = (field.to(torch.int64) << m) + mantissa
    return code | (torch.signbit(v).to(torch.int64) << (e + m)) if scheme.signed else code


def float_decode(codes: torch.Tensor, scheme: Scheme) -> torch.Tensor:
    """The numbers of bit patterns, float64; NaN and infinity for reserved ones."""
    codes = codes.to(torch.int64)
    e, m, bias = scheme.bits - scheme.signed - scheme.mantissas, scheme.mantissas, scheme.exponent_bias
    field, mantissa = (codes >> m) & ((1 << e) - 1), (codes & ((1 << m) - 1)).to(torch.float64) / 2**m
    value = torch.ldexp(torch.where(field > 0, 1 + mantissa, 2 * mantissa), field - bias)
    nan, infinity = torch.tensor(torch.nan, dtype=value.dtype), torch.tensor(torch.inf, dtype=value.dtype)
    last = field == (1 << e) - 1
    if scheme.reserved == "ieee":
        value = torch.where(last, torch.where(mantissa > 0, nan, infinity), value)
    elif scheme.reserved == "nan":
        value = torch.where(last & (mantissa == 1 - 0.5**m), nan, value)
    sign = (codes >> (e + m)) & 1 if scheme.signed else torch.zeros_like(codes)
    return torch.where(sign > 0, -value, value)


def float_levels(scheme: Scheme) -> torch.Tensor:
    """Every finite number of the format once, ascending, in float64."""
    values = float_decode(torch.arange(1 << scheme.bits), scheme)
    return torch.unique(values[torch.isfinite(values)] + 0.0)

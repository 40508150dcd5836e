"""Values to codes and back, for every scheme: the one arithmetic that simulation, packed tensors and exporters share.

Contracts. Rounding is half to even of the floating-point quotient x/s. A range that leaves out zero is widened to it. Values that are all
zero get scale 1. Codes have the smallest integer type. And the laws, for any scheme:

>>> s = Scheme.parse("int4-c0-asym")
>>> x = torch.randn(5, 64, generator=torch.Generator().manual_seed(1))
>>> scale, zero = choose_scale(*extremes(x, s), s)
>>> y = rounded(x, s, scale, zero)
>>> torch.equal(rounded(y, s, scale, zero), y)                                  # idempotent
True
>>> bool(((x - y).abs() <= scale[:, None] * 0.500001).all())                    # within half a step inside the range
True
>>> order = x.argsort(dim=1)                                                    # monotone
>>> bool((y.gather(1, order).diff(dim=1) >= 0).all())
True
>>> p = torch.tensor([3, 1, 4, 0, 2])                                           # commutes with permutations of channels
>>> torch.equal(rounded(x[p], s, scale[p], zero[p]), y[p])
True
>>> torch.equal(dequantize(quantize(x, s, scale, zero), s, scale, zero), y)     # codes hold the value, bit for bit
True
"""

from __future__ import annotations

import torch

from bitket.errors import InvalidInput
from bitket.quantization.grids.integer import code_dtype, integer_codes, integer_levels, integer_scale
from bitket.quantization.grids.minifloat import float_codes, float_decode, float_levels, float_rounded
from bitket.quantization.grids.scheme import Scheme

__all__ = ["choose_scale", "dequantize", "extremes", "levels", "quantize", "rounded", "rounded_spread", "scales_of"]


def levels(scheme: Scheme) -> torch.Tensor:
    """Every value of the grid at scale 1 and zero point 0, ascending, in float64: what brute force compares with.

    >>> levels(Scheme(2)).tolist(), levels(Scheme.parse("e2m1")).tolist()[7:]
    ([-2.0, -1.0, 0.0, 1.0], [0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0])

    Raises
    ------
    InvalidInput
        There are more than 65,536 of them.
    """
    if scheme.bits > 16:
        raise InvalidInput(f"levels of {scheme}: {1 << scheme.bits} of them; at most 65536 are listed")
    return integer_levels(scheme) if scheme.kind == "int" else float_levels(scheme)


def _spread(
    shape: torch.Size, scheme: Scheme, scale: torch.Tensor, zero: torch.Tensor | None
) -> tuple[torch.Tensor, torch.Tensor | None]:
    if (zero is None) != scheme.symmetric:
        raise InvalidInput(f"scheme {scheme}: a zero point belongs to it if, and only if, it is asymmetric")
    spread = scheme.granularity.expand
    return spread(scale, shape), None if zero is None else spread(zero, shape)


def _grid(x: torch.Tensor, scheme: Scheme, scale: torch.Tensor, zero: torch.Tensor | None) -> torch.Tensor:
    """Whole numbers or minifloats on the grid at scale 1; the arguments broadcast."""
    if scheme.kind == "int":
        return integer_codes(x, scheme, scale, zero)
    return float_rounded(x / scale, scheme)


def _values(grid: torch.Tensor, scale: torch.Tensor, zero: torch.Tensor | None, dtype: torch.dtype) -> torch.Tensor:
    wide = scale.to(grid.dtype) if grid.dtype == torch.float64 else scale
    return ((grid if zero is None else grid - zero) * wide).to(dtype)


def quantize(x: torch.Tensor, scheme: Scheme, scale: torch.Tensor, zero: torch.Tensor | None = None) -> torch.Tensor:
    """Codes of values, in the smallest integer type.

    Parameters
    ----------
    x
        Float32 or float64 values.
    scheme
        The grid.
    scale, zero
        In the shape that ``scheme.granularity.scale_shape(x.shape)`` tells; a zero point for asymmetric schemes only.

    Returns
    -------
    codes
        Integers; the bit patterns of minifloats.

    Raises
    ------
    InvalidInput
        Shapes do not fit, or a value is NaN.
    """
    if bool(torch.isnan(x).any()):
        raise InvalidInput(f"quantization to {scheme}: a value is NaN; numbers are needed")
    grid = _grid(x, scheme, *_spread(x.shape, scheme, scale, zero))
    return (grid if scheme.kind == "int" else float_codes(grid, scheme)).to(code_dtype(scheme))


def dequantize(
    codes: torch.Tensor, scheme: Scheme, scale: torch.Tensor, zero: torch.Tensor | None = None
) -> torch.Tensor:
    """Values of codes, in the type of the scale; bit for bit those of `rounded`."""
    spread_scale, spread_zero = _spread(codes.shape, scheme, scale, zero)
    if scheme.kind == "int":
        grid = codes.to(torch.float64 if scheme.bits > 16 else scale.dtype)
    else:
        grid = _table(scheme, scale.dtype)[codes.to(torch.int64)]
    return _values(grid, spread_scale, spread_zero, scale.dtype)


def _table(scheme: Scheme, dtype: torch.dtype) -> torch.Tensor:
    values = float_decode(torch.arange(1 << scheme.bits), scheme)
    narrow = values.to(dtype)
    return narrow if torch.equal(narrow.to(torch.float64).nan_to_num(), values.nan_to_num()) else values


def rounded(x: torch.Tensor, scheme: Scheme, scale: torch.Tensor, zero: torch.Tensor | None = None) -> torch.Tensor:
    """Values rounded to the grid: ``dequantize(quantize(x))`` without the codes. NaN stays NaN. Arguments as `quantize`."""
    spread_scale, spread_zero = _spread(x.shape, scheme, scale, zero)
    return _values(_grid(x, scheme, spread_scale, spread_zero), spread_scale, spread_zero, x.dtype)


def rounded_spread(
    x: torch.Tensor, scheme: Scheme, scale: torch.Tensor, zero: torch.Tensor | None = None
) -> torch.Tensor:
    """`rounded` with scales that are spread over the values already (``scheme.granularity.expand``), so that parts can be taken."""
    return _values(_grid(x, scheme, scale, zero), scale, zero, x.dtype)


def choose_scale(low: torch.Tensor, high: torch.Tensor, scheme: Scheme) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Scale and zero point for values from ``low`` to ``high``.

    >>> choose_scale(torch.tensor(-1.0), torch.tensor(2.0), Scheme(4, signed=False, symmetric=False))
    (tensor(0.2000), tensor(5, dtype=torch.int32))
    >>> choose_scale(torch.tensor([0.0, -254.0]), torch.tensor([0.0, 3.0]), Scheme.parse("int8-c0"))
    (tensor([1., 2.]), None)

    Returns
    -------
    scale, zero
        Of the shape of the bounds; the zero point is None for symmetric schemes.

    Raises
    ------
    InvalidInput
        A bound is not finite, or the low one is above the high one.
    """
    if not bool((torch.isfinite(low) & torch.isfinite(high)).all()):
        raise InvalidInput(f"scale of {scheme}: a bound of the range is NaN or infinite")
    if bool((low > high).any()):
        raise InvalidInput(f"scale of {scheme}: a lower bound lies above the upper one")
    low, high = low.clamp(max=0), high.clamp(min=0)
    if scheme.kind == "int":
        return integer_scale(low, high, scheme)
    reach = (torch.maximum(-low, high) if scheme.signed else high) / scheme.largest
    tiny = torch.finfo(reach.dtype).tiny
    return scheme.scale.rounded(torch.where(reach < tiny, torch.ones_like(reach), reach)), None


def extremes(x: torch.Tensor, scheme: Scheme) -> tuple[torch.Tensor, torch.Tensor]:
    """Least and largest of the values that share a scale.

    Raises
    ------
    InvalidInput
        There are no values.
    """
    if not x.numel():
        raise InvalidInput(f"range for {scheme}: a tensor of shape {list(x.shape)} has no values")
    reduce = scheme.granularity.reduce
    return reduce(x, torch.amin), reduce(x, torch.amax)


def scales_of(x: torch.Tensor, scheme: Scheme) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Scale and zero point for the extremes of a tensor.

    >>> scales_of(torch.tensor([-127.0, 3.0]), Scheme())
    (tensor(1.), None)
    """
    return choose_scale(*extremes(x, scheme), scheme)

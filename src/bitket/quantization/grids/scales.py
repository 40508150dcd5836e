"""Which numbers a scale may be: any float, a power of two, a dyadic number m/2^e, or a small integer times a scale of scales.

`rounded` takes wanted scales to the nearest ones that the form can hold (from above for powers of two, so that no value is clipped);
it is idempotent. Dyadic numbers follow Yao et al. 2020, arXiv:2011.10680: r = f 2^k with 1/2 <= f < 1, m = floor(f 2^b + 1/2),
e = b - k; where f rounds up to 2^b, m is halved and e falls by one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch

from bitket.errors import InvalidInput

__all__ = ["Dyadic", "Float32", "Nested", "PowerOfTwo", "ScaleForm", "dyadic", "nested_parts"]


@dataclass(frozen=True)
class Float32:
    """Any positive float."""

    def rounded(self, scale: torch.Tensor) -> torch.Tensor:
        """The scales as they are."""
        return scale


@dataclass(frozen=True)
class PowerOfTwo:
    """Powers of two.

    Attributes
    ----------
    rounding
        ``"up"`` to the next power, so that the range still fits, or to the ``"nearest"`` in the exponent.
    """

    rounding: Literal["up", "nearest"] = "up"

    def __post_init__(self) -> None:
        if self.rounding not in ("up", "nearest"):
            raise InvalidInput(f"power-of-two scales: rounding '{self.rounding}'; 'up' and 'nearest' are known")

    def rounded(self, scale: torch.Tensor) -> torch.Tensor:
        """The powers of two.

        >>> PowerOfTwo().rounded(torch.tensor([0.25, 0.26, 3.0]))
        tensor([0.2500, 0.5000, 4.0000])
        >>> PowerOfTwo("nearest").rounded(torch.tensor([0.25, 0.26, 3.0]))
        tensor([0.2500, 0.2500, 4.0000])
        """
        fraction, exponent = torch.frexp(scale)  # scale = fraction 2^exponent, 1/2 <= fraction < 1
        lower = fraction == 0.5 if self.rounding == "up" else fraction <= 0.5**0.5
        exponent = exponent - lower.to(exponent.dtype)
        return torch.ldexp(torch.ones_like(scale), exponent)


@dataclass(frozen=True)
class Dyadic:
    """Numbers m/2^e with a whole m of at most ``bits`` bits; integer arithmetic multiplies by m and shifts by e."""

    bits: int = 31

    def __post_init__(self) -> None:
        if not 1 <= self.bits <= 31:
            raise InvalidInput(f"dyadic scales: {self.bits} bits; 1 to 31 are possible")

    def rounded(self, scale: torch.Tensor) -> torch.Tensor:
        """The nearest dyadic numbers, as far as the floating-point type of the scales holds them.

        >>> Dyadic(2).rounded(torch.tensor([0.3, 1.0, 0.95]))
        tensor([0.2500, 1.0000, 1.0000])
        """
        m, e = dyadic(scale, self.bits)
        return torch.ldexp(m.to(torch.float64), -e).to(scale.dtype)


def dyadic(ratio: torch.Tensor, bits: int = 31) -> tuple[torch.Tensor, torch.Tensor]:
    """Whole numbers (m, e), int64 and int32, with m/2^e nearest to positive ratios and m < 2^bits.

    The relative error is at most 2^-bits.

    >>> dyadic(torch.tensor([0.5, 3.0, 1 - 2.0**-40], dtype=torch.float64))
    (tensor([1073741824, 1610612736, 1073741824]), tensor([31, 29, 30], dtype=torch.int32))

    Raises
    ------
    InvalidInput
        A ratio is not positive and finite.
    """
    ratio = ratio.to(torch.float64)
    if not bool((torch.isfinite(ratio) & (ratio > 0)).all()):
        raise InvalidInput("dyadic numbers: every ratio must be positive and finite")
    fraction, exponent = torch.frexp(ratio)
    m = torch.floor(fraction * 2.0**bits + 0.5).to(torch.int64)
    over = m == 1 << bits
    return torch.where(over, m >> 1, m), bits - exponent - over.to(torch.int32)


@dataclass(frozen=True)
class Nested:
    """A whole number of ``bits`` bits, at least 1, times a float that the scales of a channel or of the tensor share.

    Attributes
    ----------
    bits
        Of the whole numbers, without sign.
    outer
        Whether the floats belong to each index of the first axis of the scales or to all of them.
    """

    bits: int = 8
    outer: Literal["channel", "tensor"] = "channel"

    def __post_init__(self) -> None:
        if not 1 <= self.bits <= 16 or self.outer not in ("channel", "tensor"):
            raise InvalidInput(
                f"nested scales: {self.bits} bits under one float a {self.outer}; 1 to 16 bits, 'channel' or 'tensor' are possible"
            )

    def rounded(self, scale: torch.Tensor) -> torch.Tensor:
        """The nearest scales under the outer float that takes the largest of them to the largest whole number.

        >>> Nested(2).rounded(torch.tensor([[3.0, 1.1, 0.2], [0.3, 0.3, 0.1]]))
        tensor([[3.0000, 1.0000, 1.0000],
                [0.3000, 0.3000, 0.1000]])
        """
        inner, outer = nested_parts(scale, self)
        return inner.to(scale.dtype) * outer


def nested_parts(scale: torch.Tensor, form: Nested) -> tuple[torch.Tensor, torch.Tensor]:
    """Whole numbers (int32, the shape of the scales) and outer floats (broadcasting over them), whose product is `Nested.rounded`."""
    dims = tuple(range(scale.ndim if form.outer == "tensor" else 1, scale.ndim)) if scale.ndim else ()
    if form.outer == "tensor":
        dims = tuple(range(scale.ndim))
    most = (1 << form.bits) - 1
    top = scale.amax(dim=dims, keepdim=True) if dims else scale
    outer = top / most
    return (scale / outer).round().clamp(1, most).to(torch.int32), outer


ScaleForm = Float32 | PowerOfTwo | Dyadic | Nested

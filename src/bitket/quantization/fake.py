"""Simulated quantization with gradients: one autograd function for everything that is trained through a grid.

Forward the values of the grid, x̂ = s (R(x/s + z) - z). Backward, with v = x/s and the range [l, h] = [lowest - z, highest - z]
(h = -l = largest for minifloats):

    dx̂/dx = 1 inside, else 0                                        straight-through (Bengio et al. 2013, arXiv:1308.3432)
    dx̂/ds = R(v) - v inside, l or h outside;  times 1/sqrt(N h)     learned steps (Esser et al. 2020, arXiv:1902.08153)
    dx̂/dz = 0 inside, -s outside                                    (Bhalgat et al. 2020, arXiv:2004.09576)

N counts the values that share the scale. Inside means l <= v <= h, up to round-off, where scales are learned and for minifloats. With
fixed scales on whole numbers it means, as for torch's operators, that rounding does not clip, so the extremes of a min-max range, which
lie up to half a step beyond the grid, keep their gradient.
"""

from __future__ import annotations

import math
from typing import Any

import torch

from bitket.errors import InvalidInput
from bitket.quantization.grids import Scheme, Token, rounded, scales_of

__all__ = ["FakeQuantize", "fake_quantize", "learned_step_factor", "learned_step_start"]

_LEAST_STEP = 1e-5  # of learned scales
_ROUND_OFF = 1 + 2.0**-20


class _Fake(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: torch.Tensor, scale: torch.Tensor, zero: torch.Tensor | None, scheme: Scheme, factor: float
    ) -> torch.Tensor:
        whole = None if zero is None else zero.round().clamp(scheme.lowest, scheme.highest)
        ctx.scheme, ctx.factor, ctx.learned = scheme, factor, any(ctx.needs_input_grad[1:3])
        if ctx.learned:
            ctx.save_for_backward(x, scale, whole)
        elif ctx.needs_input_grad[0]:  # a mask is all that the gradient for x needs, at a quarter of the memory
            v, low, high = _range(x, scale, whole, scheme)
            ctx.save_for_backward(_inside(v.round_() if scheme.kind == "int" else v, low, high))
        return rounded(x, scheme, scale, whole)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> Any:
        (gradient,) = gradients
        if not ctx.learned:
            (inside,) = ctx.saved_tensors
            return gradient * inside, None, None, None, None
        x, scale, zero = ctx.saved_tensors
        scheme: Scheme = ctx.scheme
        v, low, high = _range(x, scale, zero, scheme)
        inside = _inside(v, low, high)
        step = scheme.granularity.expand(scale, x.shape)
        shared = scheme.granularity.reduce
        for_x = gradient * inside if ctx.needs_input_grad[0] else None
        for_scale = for_zero = None
        if ctx.needs_input_grad[1]:
            slope = torch.where(inside, rounded(x, scheme, scale, zero) / step - v, torch.clamp(v, low, high))
            for_scale = shared(gradient * slope, torch.sum) * ctx.factor
        if ctx.needs_input_grad[2]:
            for_zero = shared(gradient * torch.where(inside, torch.zeros_like(v), -step), torch.sum) * ctx.factor
        return for_x, for_scale, for_zero, None, None


def _range(
    x: torch.Tensor, scale: torch.Tensor, zero: torch.Tensor | None, scheme: Scheme
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """v = x/s, and the ends l and h of the grid."""
    v = x / scheme.granularity.expand(scale, x.shape)
    if scheme.kind == "float":
        high = v.new_tensor(scheme.largest)
        return v, -high if scheme.signed else torch.zeros_like(high), high
    shift = v.new_zeros(()) if zero is None else scheme.granularity.expand(zero, x.shape).to(v.dtype)
    return v, scheme.lowest - shift, scheme.highest - shift


def _inside(v: torch.Tensor, low: torch.Tensor, high: torch.Tensor) -> torch.Tensor:
    return (v >= low * _ROUND_OFF) & (v <= high * _ROUND_OFF)


def fake_quantize(
    x: torch.Tensor, scheme: Scheme, scale: torch.Tensor, zero: torch.Tensor | None = None, *, factor: float = 1.0
) -> torch.Tensor:
    """Values rounded to the grid, with gradients for values, scales and zero points.

    >>> x = torch.tensor([-9.0, 0.4, 1.3], requires_grad=True)
    >>> s = torch.tensor(1.0, requires_grad=True)
    >>> y = fake_quantize(x, Scheme(4), s)
    >>> y.sum().backward()
    >>> y.tolist(), x.grad.tolist(), round(s.grad.item(), 4)  # -8 - 0.4 - 0.3
    ([-8.0, 0.0, 1.0], [0.0, 1.0, 1.0], -8.7)

    Parameters
    ----------
    x, scheme, scale, zero
        As `bitket.quantization.grids.quantize`; a zero point may be a float, which is rounded, so that it can be learned.
    factor
        Multiplies the gradients of scale and zero point; see `learned_step_factor`.
    """
    result: torch.Tensor = _Fake.apply(x, scale, zero, scheme, factor)
    return result


def learned_step_factor(shape: torch.Size, scheme: Scheme) -> float:
    """LSQ's 1/sqrt(N h), N the number of values of a tensor of this shape that share a scale, h the highest code.

    >>> learned_step_factor(torch.Size([2, 7]), Scheme.parse("int4-c0"))
    0.14285714285714285
    """
    shared = math.prod(shape) / max(1, math.prod(scheme.granularity.scale_shape(shape)))
    return 1 / math.sqrt(max(1.0, shared) * scheme.largest)


def learned_step_start(x: torch.Tensor, scheme: Scheme) -> torch.Tensor:
    """LSQ's first scales: 2 mean|x| / sqrt(h), twice that for codes without sign.

    >>> learned_step_start(torch.tensor([1.0, -3.0, 0.0, 4.0]), Scheme(3, narrow=True))
    tensor(2.3094)
    """
    mean = scheme.granularity.reduce(x.detach().abs(), torch.mean)
    return (mean * ((2 if scheme.signed else 4) / math.sqrt(scheme.largest))).clamp(min=_LEAST_STEP)


class _PassThrough(torch.autograd.Function):
    """Another value forward, the gradient as it is."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
        return value

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> Any:
        return gradients[0], None


class FakeQuantize(torch.nn.Module):
    """A grid at a place of a network: rounds what passes.

    Parameters
    ----------
    scheme
        The grid. By token, or with ``dynamic``, scales come from each tensor as it passes.
    scale, zero
        Fixed scales; may be set later by `fix`.
    learned
        Whether scale and zero point are parameters, trained by LSQ's gradients.
    dynamic
        Whether to take scales from each tensor's extremes at run time.

    Attributes
    ----------
    enabled
        False lets values pass unchanged.
    """

    scale: torch.Tensor | None
    zero: torch.Tensor | None

    def __init__(
        self,
        scheme: Scheme,
        scale: torch.Tensor | None = None,
        zero: torch.Tensor | None = None,
        *,
        learned: bool = False,
        dynamic: bool = False,
    ) -> None:
        super().__init__()
        self.scheme, self.learned = scheme, learned
        self.dynamic = dynamic or isinstance(scheme.granularity, Token)
        self.enabled = True
        if self.dynamic and learned:
            raise InvalidInput(f"quantiser {scheme}: scales taken from each tensor cannot be learned")
        for name in ("scale", "zero"):
            if learned:
                self.register_parameter(name, None)
            else:
                self.register_buffer(name, None)
        if scale is not None:
            self.fix(scale, zero)

    def fix(self, scale: torch.Tensor, zero: torch.Tensor | None = None) -> None:
        """Set scale and zero point.

        Raises
        ------
        InvalidInput
            A scale is not positive and finite, or there is a zero point for a symmetric scheme, or none for another.
        """
        if not bool((torch.isfinite(scale) & (scale > 0)).all()):
            raise InvalidInput(f"quantiser {self.scheme}: every scale must be positive and finite")
        if (zero is None) != self.scheme.symmetric:
            raise InvalidInput(f"quantiser {self.scheme}: a zero point belongs to asymmetric schemes, and only to them")
        scale = scale.detach().clone()
        zero = None if zero is None else zero.detach().clone()
        if self.learned:
            self.scale = torch.nn.Parameter(scale)
            self.zero = None if zero is None else torch.nn.Parameter(zero.to(scale.dtype))
        else:
            self.scale, self.zero = scale, zero

    def applied(self) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Scale and zero point as they are used: of the scheme's form, above 1e-5 if learned, the zero point rounded.

        Raises
        ------
        InvalidInput
            None is set.
        """
        if self.scale is None:
            raise InvalidInput(f"quantiser {self.scheme}: no scale is set; calibrate the network first")
        scale = self.scale.detach()
        if not self.learned:
            return scale, self.zero
        scale = self.scheme.scale.rounded(scale.clamp(min=_LEAST_STEP))
        if self.zero is None:
            return scale, None
        return scale, self.zero.detach().round().clamp(self.scheme.lowest, self.scheme.highest)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The values of the grid."""
        if not self.enabled:
            return x
        if self.dynamic:
            return fake_quantize(x, self.scheme, *scales_of(x.detach(), self.scheme))
        scale, zero = self.applied()
        if not self.learned:
            return fake_quantize(x, self.scheme, scale, zero)
        assert self.scale is not None
        factor = learned_step_factor(x.shape, self.scheme)
        return fake_quantize(x, self.scheme, _PassThrough.apply(self.scale, scale), self.zero, factor=factor)

    def extra_repr(self) -> str:
        """The scheme and how its scales come about."""
        return f"{self.scheme}" + ", learned" * self.learned + ", dynamic" * self.dynamic

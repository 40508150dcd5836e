"""Which values share one scale: the whole tensor, a channel, a group of neighbours along an axis, or a token.

Each granularity knows the shape of the scales of a tensor, takes the extremes of the values that share one, and spreads scales back over
the tensor. A last group may be shorter than the others; the shapes of tensor and scales record it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch

from bitket.errors import InvalidInput

__all__ = ["Channel", "Granularity", "Group", "Tensor", "Token"]


def _axis(axis: int, shape: torch.Size | tuple[int, ...], what: str) -> int:
    if not -len(shape) <= axis < len(shape):
        raise InvalidInput(f"{what}: axis {axis} of a tensor of shape {list(shape)}; it has {len(shape)} axes")
    return axis % len(shape)


@dataclass(frozen=True)
class Tensor:
    """One scale for the whole tensor; scales have shape ``[]``."""

    def scale_shape(self, shape: torch.Size | tuple[int, ...]) -> tuple[int, ...]:
        """Shape of the scales of a tensor of this shape."""
        return ()

    def reduce(self, x: torch.Tensor, how: Callable[..., torch.Tensor]) -> torch.Tensor:
        """What ``how`` (``torch.amax``, ``torch.sum``, ...) makes of the values that share a scale."""
        return how(x, dim=tuple(range(x.ndim))) if x.ndim else x

    def expand(self, scale: torch.Tensor, shape: torch.Size | tuple[int, ...]) -> torch.Tensor:
        """Scales in a shape that broadcasts over the tensor."""
        _check(scale, self.scale_shape(shape), shape)
        return scale


@dataclass(frozen=True)
class Channel:
    """One scale for each index of an axis; scales have shape ``[channels]``."""

    axis: int = 0

    def scale_shape(self, shape: torch.Size | tuple[int, ...]) -> tuple[int, ...]:
        """Shape of the scales of a tensor of this shape."""
        return (shape[_axis(self.axis, shape, "granularity by channel")],)

    def reduce(self, x: torch.Tensor, how: Callable[..., torch.Tensor]) -> torch.Tensor:
        """What ``how`` makes of the values that share a scale."""
        axis = _axis(self.axis, x.shape, "granularity by channel")
        rest = tuple(d for d in range(x.ndim) if d != axis)
        return how(x, dim=rest) if rest else how(x.unsqueeze(-1), dim=-1)

    def expand(self, scale: torch.Tensor, shape: torch.Size | tuple[int, ...]) -> torch.Tensor:
        """Scales in a shape that broadcasts over the tensor."""
        axis = _axis(self.axis, shape, "granularity by channel")
        _check(scale, self.scale_shape(shape), shape)
        return scale.view([-1 if d == axis else 1 for d in range(len(shape))])


@dataclass(frozen=True)
class Group:
    """One scale for each ``size`` neighbours along an axis; scales have the tensor's shape, with that axis divided by the size."""

    size: int = 128
    axis: int = -1

    def __post_init__(self) -> None:
        if self.size < 1:
            raise InvalidInput(f"granularity by group: size {self.size}; it must be positive")

    def scale_shape(self, shape: torch.Size | tuple[int, ...]) -> tuple[int, ...]:
        """Shape of the scales of a tensor of this shape."""
        axis = _axis(self.axis, shape, "granularity by group")
        return tuple(math.ceil(n / self.size) if d == axis else n for d, n in enumerate(shape))

    def reduce(self, x: torch.Tensor, how: Callable[..., torch.Tensor]) -> torch.Tensor:
        """What ``how`` makes of the values that share a scale."""
        axis = _axis(self.axis, x.shape, "granularity by group")
        whole = x.shape[axis] // self.size * self.size
        parts = []
        if whole:
            parts.append(how(x.narrow(axis, 0, whole).unflatten(axis, (-1, self.size)), dim=axis + 1))
        if whole < x.shape[axis]:
            parts.append(how(x.narrow(axis, whole, x.shape[axis] - whole), dim=axis).unsqueeze(axis))
        return torch.cat(parts, dim=axis)

    def expand(self, scale: torch.Tensor, shape: torch.Size | tuple[int, ...]) -> torch.Tensor:
        """Scales in a shape that broadcasts over the tensor."""
        axis = _axis(self.axis, shape, "granularity by group")
        _check(scale, self.scale_shape(shape), shape)
        if scale.shape[axis] == 1:
            return scale
        return scale.repeat_interleave(self.size, dim=axis).narrow(axis, 0, shape[axis])


@dataclass(frozen=True)
class Token:
    """One scale for each vector along the last axis; scales have the tensor's shape without that axis."""

    def scale_shape(self, shape: torch.Size | tuple[int, ...]) -> tuple[int, ...]:
        """Shape of the scales of a tensor of this shape."""
        _axis(-1, shape, "granularity by token")
        return tuple(shape[:-1])

    def reduce(self, x: torch.Tensor, how: Callable[..., torch.Tensor]) -> torch.Tensor:
        """What ``how`` makes of the values that share a scale."""
        _axis(-1, x.shape, "granularity by token")
        return how(x, dim=-1)

    def expand(self, scale: torch.Tensor, shape: torch.Size | tuple[int, ...]) -> torch.Tensor:
        """Scales in a shape that broadcasts over the tensor."""
        _check(scale, self.scale_shape(shape), shape)
        return scale.unsqueeze(-1)


Granularity = Tensor | Channel | Group | Token


def _check(scale: torch.Tensor, needed: tuple[int, ...], shape: torch.Size | tuple[int, ...]) -> None:
    if tuple(scale.shape) != needed:
        raise InvalidInput(
            f"scales of shape {list(scale.shape)} for a tensor of shape {list(shape)}; {list(needed)} is needed"
        )

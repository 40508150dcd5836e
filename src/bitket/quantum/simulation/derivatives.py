"""Derivatives of any order, in reverse and forward mode, batched by `torch.func`, for every engine.

An engine gives a *kernel*: values E(a) ``[N, m]`` of angles ``[N, S]``, and slopes Jᵀu, both fast and opaque to torch. Two functions make
of it what torch differentiates and transforms:

    Values: a    -> E(a)      backward  u -> Jᵀu          forward  t -> J t
    Slopes: a, u -> Jᵀu       backward  v -> H v, J v     forward  t, s -> H t + Jᵀs       H = ∂² (u·E) / ∂a ∂a

J v is one walk of slopes for each observable. H v comes from slopes at shifted angles, which is exact for rotations
(Schuld et al. 2019, arXiv:1811.11184), needs no graph, and differentiates again in the same way; or, where there are many rotations and
the graph fits into memory, from the torch twin.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.autograd.forward_ad import _set_fwd_grad_enabled, unpack_dual

from bitket.algebra import PauliSum
from bitket.quantum.simulation import memory
from bitket.quantum.simulation.asked import transformed
from bitket.quantum.simulation.program import Program
from bitket.quantum.simulation.shift_rules import one_slot_each, shifts

__all__ = ["Kernel", "apply", "parameter_slopes", "slopes", "wants_graph"]


@dataclass(eq=False)
class Kernel(ABC):
    """Expectation values of a program as a function of its angles; torch's graph does not see inside."""

    program: Program
    observables: Sequence[PauliSum]

    @abstractmethod
    def values(self, angles: torch.Tensor) -> torch.Tensor:
        """``[N, m]`` for angles ``[N, S]``."""

    @abstractmethod
    def slopes(self, angles: torch.Tensor, upstream: torch.Tensor) -> torch.Tensor:
        """``sum_k upstream_k dE_k/da``, ``[N, S]``, for upstream ``[N, m]``."""

    @abstractmethod
    def of(self, program: Program) -> Kernel:
        """The same kernel for another program."""

    def twin(self, angles: torch.Tensor) -> torch.Tensor:
        """Values in plain torch operators, any leading shape."""
        raise NotImplementedError

    twin_pays = math.inf
    """Rotations from which on the twin is faster than slopes at shifted angles: its work grows linearly, theirs with the square."""

    def twin_bytes(self) -> float:
        """Memory of the twin's state for a sample."""
        return 0.0


def apply(kernel: Kernel, angles: torch.Tensor) -> torch.Tensor:
    """Expectation values ``[..., m]`` for angles ``[..., S]``."""
    values: torch.Tensor = Values.apply(angles, kernel)
    return values


def parameter_slopes(
    kernel: Kernel, weights: torch.Tensor | None, inputs: torch.Tensor | None, by_angle: bool, upstream: torch.Tensor
) -> tuple[torch.Tensor | None, torch.Tensor | None]:
    """Gradients for weights and inputs ``[P]`` or ``[N, P]``, differentiable again.

    Parameters
    ----------
    by_angle
        Inputs are the angles of the slots; else those are affine in weights and inputs.
    """
    given = [v for v in (weights, inputs) if v is not None]
    if not given:
        return None, None
    whole = torch.cat([v.expand(len(upstream), v.shape[-1]) for v in given], dim=-1)
    if by_angle:
        gradient = slopes(whole, upstream, kernel)
    else:
        assert kernel.program.affine is not None
        constant, matrix = (torch.tensor(a, dtype=whole.dtype, device=whole.device) for a in kernel.program.affine)
        gradient = slopes(whole @ matrix + constant, upstream, kernel) @ matrix.T
    results: list[torch.Tensor | None] = []
    start = 0
    for v in (weights, inputs):
        if v is None:
            results.append(None)
            continue
        own = gradient.narrow(-1, start, v.shape[-1])
        results.append(own if v.ndim == 2 else own.sum(0))
        start += v.shape[-1]
    return results[0], results[1]


class Values(torch.autograd.Function):
    """``[..., m]`` of angles ``[..., S]``."""

    @staticmethod
    def forward(angles: torch.Tensor, kernel: Kernel) -> torch.Tensor:
        """Values of all samples."""
        batch, count = angles.shape[:-1], math.prod(angles.shape[:-1])
        flat = kernel.values(angles.detach().reshape(count, angles.shape[-1]))
        return flat.reshape(*batch, len(kernel.observables))

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        """Keeps the angles."""
        angles, ctx.kernel = inputs
        ctx.save_for_backward(angles)
        ctx.save_for_forward(angles)

    @staticmethod
    def backward(ctx: Any, upstream: torch.Tensor) -> tuple[torch.Tensor, None]:
        """Jᵀu."""
        (angles,) = ctx.saved_tensors
        return slopes(angles, upstream, ctx.kernel), None

    @staticmethod
    def jvp(ctx: Any, tangent: torch.Tensor, _: None) -> torch.Tensor:
        """J t."""
        (angles,) = _primals(ctx)
        with _set_fwd_grad_enabled(True):
            return _along(angles, tangent, ctx.kernel)

    @staticmethod
    def vmap(info: Any, in_dims: Any, angles: torch.Tensor, kernel: Kernel) -> tuple[torch.Tensor, int]:
        """A leading axis more."""
        return Values.apply(angles.movedim(in_dims[0], 0), kernel), 0


class Slopes(torch.autograd.Function):
    """``[..., S]`` of angles ``[..., S]`` and upstream ``[..., m]``."""

    @staticmethod
    def forward(angles: torch.Tensor, upstream: torch.Tensor, kernel: Kernel) -> torch.Tensor:
        """Slopes of all samples."""
        count = math.prod(angles.shape[:-1])
        flat = (t.detach().reshape(count, t.shape[-1]) for t in (angles, upstream))
        return kernel.slopes(*flat).reshape(angles.shape)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        """Keeps both."""
        angles, upstream, ctx.kernel = inputs
        ctx.save_for_backward(angles, upstream)
        ctx.save_for_forward(angles, upstream)

    @staticmethod
    def backward(ctx: Any, v: torch.Tensor) -> tuple[torch.Tensor | None, torch.Tensor | None, None]:
        """H v and J v."""
        angles, upstream = ctx.saved_tensors
        to_angles = _curvature(angles, upstream, v, ctx.kernel) if ctx.needs_input_grad[0] else None
        to_upstream = _along(angles, v, ctx.kernel) if ctx.needs_input_grad[1] else None
        return to_angles, to_upstream, None

    @staticmethod
    def jvp(ctx: Any, tangent: torch.Tensor | None, change: torch.Tensor | None, _: None) -> torch.Tensor:
        """H t + Jᵀs."""
        angles, upstream = _primals(ctx)
        parts = []
        with _set_fwd_grad_enabled(True):
            if tangent is not None:
                parts.append(_curvature(angles, upstream, tangent, ctx.kernel))
            if change is not None:
                parts.append(slopes(angles, change, ctx.kernel))
            return sum(parts[1:], parts[0]).contiguous()

    @staticmethod
    def vmap(
        info: Any, in_dims: Any, angles: torch.Tensor, upstream: torch.Tensor, kernel: Kernel
    ) -> tuple[torch.Tensor, int]:
        """A leading axis more."""
        if in_dims[0] is None and info.batch_size > len(kernel.observables):  # rows of a Jacobian
            return _combined(angles, upstream.movedim(in_dims[1], 0), kernel), 0
        both = [
            t.expand(info.batch_size, *t.shape) if d is None else t.movedim(d, 0)
            for t, d in zip((angles, upstream), in_dims, strict=False)
        ]
        return Slopes.apply(*both, kernel), 0


def _primals(ctx: Any) -> list[torch.Tensor]:
    """What was saved, without the tangents of this level. Torch turns forward mode off in a jvp, for outer levels too, whose derivatives
    would then vanish without a word; turned on again, it must not see those of this level twice."""
    return [unpack_dual(t).primal for t in ctx.saved_tensors]


def slopes(angles: torch.Tensor, upstream: torch.Tensor, kernel: Kernel) -> torch.Tensor:
    """``Jᵀu``, differentiable; for the backward of an engine where `wants_graph` says so."""
    if torch._C._functorch.is_legacy_batchedtensor(upstream):
        return _combined(angles, upstream, kernel)
    result: torch.Tensor = Slopes.apply(angles, upstream, kernel)
    return result


def wants_graph(upstream: torch.Tensor) -> bool:
    """Whether a backward must go through `slopes`: it is to be differentiated, or its upstream has no memory of its own."""
    return torch.is_grad_enabled() or transformed() or bool(torch._C._functorch.is_legacy_batchedtensor(upstream))


def _jacobian(angles: torch.Tensor, kernel: Kernel) -> torch.Tensor:
    """``[m, ..., S]``, one walk for each observable."""
    m, batch = len(kernel.observables), angles.shape[:-1]
    unit = torch.eye(m, dtype=angles.dtype, device=angles.device)
    unit = unit.reshape(m, *(1,) * len(batch), m).expand(m, *batch, m)
    result: torch.Tensor = Slopes.apply(angles.expand(m, *angles.shape), unit, kernel)
    return result


def _combined(angles: torch.Tensor, upstream: torch.Tensor, kernel: Kernel) -> torch.Tensor:
    """``Jᵀu`` ``[..., S]`` for many u of the same angles."""
    jacobian = _jacobian(angles, kernel)
    return sum((upstream[..., k, None] * row for k, row in enumerate(jacobian)), torch.zeros_like(jacobian[0]))


def _along(angles: torch.Tensor, direction: torch.Tensor, kernel: Kernel) -> torch.Tensor:
    """``J v``, ``[..., m]``."""
    return (_jacobian(angles, kernel) * direction).sum(-1).movedim(0, -1).contiguous()


_CHUNK = 1 << 20  # numbers: shifted angles at a time
_KEPT = 12  # states that torch keeps for each operation of a second derivative (measured: 10 to 12)


def _by_twin(angles: torch.Tensor, kernel: Kernel, rotations: int) -> bool:
    if rotations < kernel.twin_pays:
        return False
    there = memory.available_bytes() if angles.device.type == "cpu" else None
    count = math.prod(angles.shape[:-1])
    return there is None or _KEPT * len(kernel.program.ops) * count * kernel.twin_bytes() < there / 2


def _curvature(angles: torch.Tensor, upstream: torch.Tensor, direction: torch.Tensor, kernel: Kernel) -> torch.Tensor:
    """``H v``, ``[..., S]``."""
    split, source, gaps = kernel.program.cache("one slot each", lambda: one_slot_each(kernel.program))
    if not source:
        return torch.zeros_like(angles)
    if _by_twin(angles, kernel, len(source)):

        def first(a: torch.Tensor) -> torch.Tensor:
            return torch.func.vjp(kernel.twin, a)[1](upstream)[0]

        result: torch.Tensor = torch.func.vjp(first, angles)[1](direction)[0]
        return result
    own, along, inner = angles[..., source], direction[..., source], kernel.of(split)
    steps, factors, target = shifts(gaps, angles.dtype, angles.device)
    factors = factors.reshape(-1, *(1,) * (angles.ndim - 1))
    total = torch.zeros_like(own)
    chunk = max(1, _CHUNK // max(1, own.numel()))
    for start in range(0, len(steps), chunk):
        part = slice(start, start + chunk)
        moved = own + steps[part].reshape(-1, *(1,) * (angles.ndim - 1), len(source))
        each = Slopes.apply(moved, upstream.expand(len(moved), *upstream.shape), inner)
        weights = factors[part] * along[..., target[part]].movedim(-1, 0)
        total = total + (weights.unsqueeze(-1) * each).sum(0)
    return torch.zeros_like(angles).index_add(-1, torch.tensor(source, device=angles.device), total)

"""Expectation values and adjoint gradients of a few samples on few qubits: gate by gate, without a plan (see `fresh`).

A plan for batches takes milliseconds to make and runs 8 or 16 samples in the time of one. For up to three samples (four from ten qubits on)
the walk is no slower than its runs, so it is always taken: results do not depend on how often a program was run. Angles that are affine in
the parameters are computed, and their gradient is summed, in the core itself. Memory: two states.
"""

from __future__ import annotations

from typing import Any

import torch

from bitket.quantum.circuits import ParameterError
from bitket.quantum.simulation import fresh
from bitket.quantum.simulation.derivatives import Kernel, parameter_slopes, wants_graph
from bitket.quantum.simulation.program import Program

__all__ = ["Walked", "slopes", "suits", "values"]

_LARGEST = 12  # qubits: with more, cores share the work of one state


def suits(program: Program, count: int) -> bool:
    """Whether the walk is at least as fast for ``count`` samples as the runs of a plan (measured for 30 to 300 gates)."""
    n = program.num_qubits
    return n <= _LARGEST and 0 < count <= (3 if n < 10 else 4) and fresh.suits(program)


class Walked(torch.autograd.Function):
    """Values ``[N, m]`` for weights and inputs ``[P]`` or ``[N, P]``; with ``by_angle`` inputs are angles of the slots."""

    @staticmethod
    def forward(
        ctx: Any, weights: torch.Tensor | None, inputs: torch.Tensor | None, kernel: Kernel, by_angle: bool, count: int
    ) -> torch.Tensor:
        """Values; with one observable its gradient at once."""
        core = fresh.walk(kernel.program, kernel.observables, by_angle)
        weights, inputs = (None if v is None else v.contiguous() for v in (weights, inputs))
        gradient = None
        if len(kernel.observables) == 1 and any(ctx.needs_input_grad):
            size = sum(v.shape[-1] for v in (weights, inputs) if v is not None)
            gradient = torch.empty(count, size, dtype=torch.float64)
        ctx.core, ctx.kernel, ctx.by_angle, ctx.count, ctx.gradient = core, kernel, by_angle, count, gradient
        ctx.save_for_backward(weights, inputs)
        return _forward(core, weights, inputs, count, len(kernel.observables), gradient)

    @staticmethod
    def backward(ctx: Any, upstream: torch.Tensor) -> tuple[torch.Tensor | None, torch.Tensor | None, None, None, None]:
        """Vector-Jacobian product for weights and inputs."""
        weights, inputs = ctx.saved_tensors
        if wants_graph(upstream):
            return *parameter_slopes(ctx.kernel, weights, inputs, ctx.by_angle, upstream), None, None, None
        return *_backward(ctx.core, weights, inputs, ctx.count, upstream.contiguous(), ctx.gradient), None, None, None


def values(
    kernel: Kernel, weights: torch.Tensor | None, inputs: torch.Tensor, by_angle: bool, count: int
) -> torch.Tensor:
    """Values ``[N, m]`` as of `Walked`, nothing kept."""
    core = fresh.walk(kernel.program, kernel.observables, by_angle)
    return _forward(core, weights, inputs, count, len(kernel.observables), None)


def slopes(kernel: Kernel, angles: torch.Tensor, upstream: torch.Tensor) -> torch.Tensor:
    """``sum_k upstream_k dE_k/da``, ``[N, S]``, for angles ``[N, S]`` and upstream ``[N, m]``."""
    core = fresh.walk(kernel.program, kernel.observables, by_angle=True)
    found = _backward(core, None, angles, len(angles), upstream, None)[1]
    assert found is not None
    return found


def _forward(
    core: Any,
    weights: torch.Tensor | None,
    inputs: torch.Tensor | None,
    count: int,
    num_observables: int,
    gradient: torch.Tensor | None,
) -> torch.Tensor:
    given = weights if weights is not None else inputs
    dtype = torch.float64 if given is None else given.dtype
    found = torch.empty(count, num_observables, dtype=dtype)
    run = core.forward32 if dtype == torch.float32 else core.forward64
    if not run(count, _each(weights), _each(inputs), _at(weights), _at(inputs), found.data_ptr(), _at(gradient)):
        raise ParameterError("weights or inputs have values that are not finite")
    return found


def _backward(
    core: Any,
    weights: torch.Tensor | None,
    inputs: torch.Tensor | None,
    count: int,
    upstream: torch.Tensor,
    gradient: torch.Tensor | None,
) -> tuple[torch.Tensor | None, torch.Tensor | None]:
    to_weights, to_inputs = (None if v is None else torch.empty_like(v) for v in (weights, inputs))
    run = core.backward32 if upstream.dtype == torch.float32 else core.backward64
    run(
        count,
        _each(weights),
        _each(inputs),
        _at(weights),
        _at(inputs),
        upstream.data_ptr(),
        _at(gradient),
        _at(to_weights),
        _at(to_inputs),
    )
    return to_weights, to_inputs


def _each(values: torch.Tensor | None) -> bool:
    return values is not None and values.ndim == 2


def _at(values: torch.Tensor | None) -> int:
    return 0 if values is None else values.data_ptr()

"""Expectation values and adjoint gradients of a few samples on few qubits: gate by gate, without a plan (see `fresh`).

A plan for batches takes milliseconds to make and runs 8 or 16 samples in the time of one. For one sample of seven qubits or more, and for a
few of them, the walk is no slower than its runs, so it is always taken: results do not depend on how often a program was run. Memory: two
states.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from bitket.quantum.simulation import adjoint, fresh
from bitket.quantum.simulation.derivatives import Kernel, parameter_slopes, wants_graph
from bitket.quantum.simulation.program import Program

__all__ = ["Walked", "slopes", "suits", "values"]

_SMALLEST, _LARGEST = (
    7,
    12,
)  # qubits: with fewer, calls cost more than they save; with more, cores share the work of one state


def suits(program: Program, count: int) -> bool:
    """Whether the walk is at least as fast for ``count`` samples as the runs of a plan (measured for 30 to 300 gates)."""
    n = program.num_qubits
    return _SMALLEST <= n <= _LARGEST and 0 < count <= min(4, n // 2 - 1) and fresh.suits(program)


class Walked(torch.autograd.Function):
    """Values ``[N, m]`` for weights and inputs ``[P]`` or ``[N, P]``; with ``by_angle`` inputs are angles of the slots."""

    @staticmethod
    def forward(
        ctx: Any, weights: torch.Tensor | None, inputs: torch.Tensor | None, kernel: Kernel, by_angle: bool, count: int
    ) -> torch.Tensor:
        """Values; with one observable its gradient at once."""
        angles = adjoint.slot_angles(kernel.program, weights, inputs, by_angle, count)
        given = weights if weights is not None else inputs
        dtype = torch.float64 if given is None else given.dtype
        ones = np.ones((count, 1)) if any(ctx.needs_input_grad) and len(kernel.observables) == 1 else None
        out, ctx.gradient = _walk(kernel, angles, dtype, ones)
        ctx.kernel, ctx.by_angle, ctx.angles = kernel, by_angle, angles
        ctx.save_for_backward(weights, inputs)
        values = torch.from_numpy(out)
        return values if dtype == torch.float64 else values.to(dtype)

    @staticmethod
    def backward(ctx: Any, upstream: torch.Tensor) -> tuple[torch.Tensor | None, torch.Tensor | None, None, None, None]:
        """Vector-Jacobian product for weights and inputs."""
        weights, inputs = ctx.saved_tensors
        if wants_graph(upstream):
            return *parameter_slopes(ctx.kernel, weights, inputs, ctx.by_angle, upstream), None, None, None
        if ctx.gradient is not None:
            gradient = ctx.gradient * upstream.numpy()
        else:
            gradient = _walk(ctx.kernel, ctx.angles, upstream.dtype, upstream.numpy())[1]
        return *adjoint.for_parameters(ctx.kernel.program, gradient, weights, inputs, ctx.by_angle), None, None, None


def values(
    kernel: Kernel, weights: torch.Tensor | None, inputs: torch.Tensor, by_angle: bool, count: int
) -> torch.Tensor:
    """Values ``[N, m]`` as of `Walked`, nothing kept."""
    angles = adjoint.slot_angles(kernel.program, weights, inputs, by_angle, count)
    return torch.from_numpy(_walk(kernel, angles, inputs.dtype, None)[0]).to(inputs.dtype)


def slopes(kernel: Kernel, angles: torch.Tensor, upstream: torch.Tensor) -> torch.Tensor:
    """``sum_k upstream_k dE_k/da``, ``[N, S]``, for angles ``[N, S]`` and upstream ``[N, m]``."""
    given = adjoint.slot_angles(kernel.program, None, angles, True, len(angles))
    return torch.from_numpy(_walk(kernel, given, upstream.dtype, upstream.numpy())[1]).to(angles.dtype)


def _walk(kernel: Kernel, angles: Any, dtype: torch.dtype, upstream: Any) -> tuple[Any, Any]:
    single = dtype == torch.float32
    return fresh.values_at_angles(kernel.program, angles, kernel.observables, upstream, single=single)

"""Exact expectation values of unitary programs in the compiled core, with the adjoint gradient for weights and inputs at once.

A few samples of few qubits run gate by gate (`walked`), large states one by one (`adjoint`), batches of small ones side by side (`batched`);
sizes alone say which. Each keeps what its first derivative needs; derivatives of higher order, forward mode and `torch.func` go through
the kernel (see `derivatives`).
"""

from __future__ import annotations

import math
from typing import Any

import torch

from bitket.quantum.simulation import adjoint, batched, walked
from bitket.quantum.simulation.asked import Asked, transformed
from bitket.quantum.simulation.derivatives import Kernel, apply
from bitket.quantum.simulation.program import Program
from bitket.quantum.simulation.reverse import StateKernel

__all__ = ["CoreKernel", "takes", "values"]


def takes(asked: Asked) -> bool:
    """Whether the core is there and states lie in main memory."""
    return asked.compiled


def values(asked: Asked) -> torch.Tensor:
    """Expectation values ``[..., m]``.

    Raises
    ------
    ParameterError
        A shape does not fit, or a value is not finite.
    """
    program, by_angle = asked.program, asked.by_angle
    if not by_angle:
        program.check(asked.weights, asked.inputs)
    kernel = CoreKernel(program, asked.observables)
    if transformed():
        return apply(kernel, asked.angles())
    weights, inputs = asked.weights, asked.inputs
    if not by_angle and program.links is None:
        weights, inputs, by_angle = None, asked.angles(), True
    shapes = [v.shape[:-1] for v in (weights, inputs) if v is not None]
    longest = max(shapes, key=len, default=torch.Size())
    batch = longest if all(s in (longest, ()) for s in shapes) else torch.broadcast_shapes(*shapes)
    count = math.prod(batch)
    run = _FUNCTIONS[_way(program, count)]
    result: torch.Tensor = run.apply(_flat(weights, batch, count), _flat(inputs, batch, count), kernel, by_angle, count)
    return result if len(batch) == 1 else result.reshape(*batch, len(asked.observables))


_FUNCTIONS: dict[Any, Any] = {walked: walked.Walked, adjoint: adjoint.OneByOne, batched: batched.Batched}


def _way(program: Program, count: int) -> Any:
    if walked.suits(program, count):
        return walked
    return adjoint if adjoint.suits(program, count) else batched


def _flat(v: torch.Tensor | None, batch: torch.Size, count: int) -> torch.Tensor | None:
    """Leading shapes brought to one axis, or none where all samples share the values."""
    if v is None or v.ndim == 1 or (v.ndim == 2 and v.shape[:-1] == batch):
        return v
    if v.numel() == v.shape[-1]:
        return v.reshape(v.shape[-1])
    return v.expand(*batch, v.shape[-1]).reshape(count, v.shape[-1])


class CoreKernel(StateKernel):
    """The kernel in the compiled core."""

    def values(self, angles: torch.Tensor) -> torch.Tensor:
        """``[N, m]``."""
        way = _way(self.program, len(angles))
        return way.values(self, None, angles.contiguous(), True, len(angles))

    def slopes(self, angles: torch.Tensor, upstream: torch.Tensor) -> torch.Tensor:
        """``Jᵀu``, ``[N, S]``."""
        way = _way(self.program, len(angles))
        return way.slopes(self, angles.contiguous(), upstream.contiguous())

    def of(self, program: Program) -> Kernel:
        """The kernel of another program."""
        return CoreKernel(program, self.observables)

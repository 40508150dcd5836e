"""Expectation values and adjoint gradients of single large states in the compiled core.

With psi the final state and lambda = O psi, a walk back through the stages of the plan undoes every gate on both and collects

    d<O>/da = 2 Re <lambda_out| dU/da |psi_in>                  (Jones and Gacon 2020, arXiv:2009.02823)

while a tile of both is in the cache. Memory: psi and lambda, two states, whatever the depth and however many samples (which run one
after another; where there are several, or several observables, psi is computed anew for the walk). Batches of small circuits have their
own kernel: see `batched`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from bitket.algebra import PauliSum
from bitket.quantum.circuits import ParameterError
from bitket.quantum.simulation import memory, native
from bitket.quantum.simulation.planner import fits, prepare_at, state_plan
from bitket.quantum.simulation.program import Program, leading_shape

__all__ = ["suits", "values_one_by_one"]

# Qubits: with fewer, calls cost more than they save; with more, a batch is beyond the cache.
_SMALLEST, _ALWAYS = 10, 16
_OBSERVABLES = 16  # kept for each program


def suits(program: Program, count: int) -> bool:
    """Whether this kernel is the one for ``count`` samples of a program: the other one's time hardly depends on how full its registers are."""
    n = program.num_qubits
    return (n >= _ALWAYS or (n >= _SMALLEST and count <= n + 1 - _SMALLEST)) and fits(program)


def values_one_by_one(
    program: Program,
    weights: torch.Tensor | None,
    inputs: torch.Tensor | None,
    observables: Sequence[PauliSum],
    *,
    by_angle: bool = False,
) -> torch.Tensor:
    """Expectation values ``[..., m]`` with the adjoint gradient.

    Parameters
    ----------
    weights, inputs
        Of a program whose slots are affine in them; or, with ``by_angle``, the angles of the slots as inputs.

    Raises
    ------
    ParameterError
        A value is not finite.
    """
    batch = leading_shape(weights, inputs)
    values = _OneByOne.apply(weights, inputs, program, tuple(observables), by_angle)
    return values if len(batch) == 1 else values.reshape(*batch, len(observables))


class _OneByOne(torch.autograd.Function):
    # Angles and their gradients in NumPy: a small circuit takes less time than a few nodes of torch's graph.
    @staticmethod
    def forward(
        ctx: Any,
        weights: torch.Tensor | None,
        inputs: torch.Tensor | None,
        program: Program,
        observables: tuple[PauliSum, ...],
        by_angle: bool,
    ) -> torch.Tensor:
        given = [v.detach().numpy() for v in (weights, inputs) if v is not None]
        dtype = given[0].dtype if given else np.dtype(np.float64)
        batch = leading_shape(weights, inputs)
        count = math.prod(batch)
        parts = [np.broadcast_to(v, (*batch, v.shape[-1])) if v.shape[:-1] != batch else v for v in given]
        values = np.concatenate([np.zeros((count, 0)), *(v.reshape(count, v.shape[-1]) for v in parts)], axis=1)
        if not np.isfinite(values).all():
            raise ParameterError("weights or inputs have values that are not finite")
        affine = None if by_angle else program.affine
        angles = values if affine is None else values @ affine[1] + affine[0]

        kind = torch.complex64 if dtype == np.float32 else torch.complex128
        wanted = any(ctx.needs_input_grad)
        size = kind.itemsize << program.num_qubits
        memory.require(
            float(size) * (memory.ADJOINT if wanted else memory.STATE),
            f"the state of {program.num_qubits} qubits and its gradient",
        )
        prepared = _prepared(program, observables)
        # One sample and one observable: lambda is at hand with the value, up to the factor that comes from above.
        both = wanted and len(angles) * len(prepared) == 1
        states = memory.Lease(2 * size if both else size)
        out = np.empty((len(angles), len(prepared)), dtype)
        for row, results in zip(angles, out, strict=True):
            prepare_at(program, row, kind, states.address)
            for m, observable in enumerate(prepared):
                target = states.address + size if both else 0
                results[m] = observable.apply(kind == torch.complex128, 1.0, states.address, target, False)
        ctx.shapes = [None if v is None else v.shape for v in (weights, inputs)]
        ctx.dtype, ctx.batch, ctx.affine, ctx.angles = dtype, batch, affine, angles
        ctx.program, ctx.observables, ctx.kind = program, observables, kind
        ctx.states = states if both else None
        return torch.from_numpy(out)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, upstream: torch.Tensor) -> tuple[torch.Tensor | None, torch.Tensor | None, None, None, None]:
        program, kind, angles = ctx.program, ctx.kind, ctx.angles
        size = kind.itemsize << program.num_qubits
        plan, gradient = state_plan(program, kind), np.zeros(angles.shape)
        native.threads()
        above = upstream.numpy().astype(float)
        if ctx.states is not None:
            psi = ctx.states.address
            ctx.states, states = None, ctx.states  # the walk consumes them
            plan.walk_back(angles.ctypes.data, psi, psi + size, gradient.ctypes.data)
            gradient *= above
        else:
            states = memory.Lease(2 * size)
            psi = states.address
            for row, factors, own in zip(angles, above.tolist(), gradient, strict=True):
                prepare_at(program, row, kind, psi)
                for m, observable in enumerate(_prepared(program, ctx.observables)):
                    if factors[m] or not m:
                        observable.apply(kind == torch.complex128, factors[m], psi, psi + size, m > 0)
                plan.walk_back(row.ctypes.data, psi, psi + size, own.ctypes.data)
        if ctx.affine is not None:
            gradient = gradient @ ctx.affine[1].T
        gradient, start = gradient.reshape(*ctx.batch, -1), 0
        results: list[torch.Tensor | None] = []
        for shape in ctx.shapes:
            if shape is None:
                results.append(None)
                continue
            own = _summed(gradient[..., start : start + shape[-1]], shape)
            results.append(torch.from_numpy(np.ascontiguousarray(own, ctx.dtype)))
            start += shape[-1]
        return results[0], results[1], None, None, None


def _summed(gradient: NDArray[np.float64], shape: Sequence[int]) -> NDArray[np.float64]:
    """The gradient of values from that of their broadcast copies."""
    if gradient.shape == tuple(shape):
        return gradient
    extra = gradient.ndim - len(shape)
    axes = [*range(extra), *(extra + k for k, n in enumerate(shape) if n == 1 < gradient.shape[extra + k])]
    return gradient.sum(axis=tuple(axes), keepdims=True).reshape(shape)


def _prepared(program: Program, observables: tuple[PauliSum, ...]) -> list[Any]:
    kept: dict[Any, tuple[Any, list[Any]]] = program.cache("prepared observables", dict)
    key = tuple(map(id, observables))
    if key not in kept:
        if len(kept) >= _OBSERVABLES:
            kept.pop(next(iter(kept)))
        kept[key] = (observables, [_observable(o) for o in observables])  # kept, so that their ids stay theirs
    return kept[key][1]


def _observable(operator: PauliSum) -> Any:
    """Terms of one X part and phase side by side: the core adds them before it looks at the state."""
    terms = sorted(
        (x, (x & z).bit_count() % 2, z, (x & z).bit_count() % 4, c.real) for c, x, z in operator.simplify(0.0).masks()
    )
    masks = np.array([(x, z, ys) for x, _, z, ys, _ in terms], dtype=np.int64).reshape(-1, 3)
    return native.core.Observable(operator.num_qubits, masks, np.array([t[-1] for t in terms], dtype=float))

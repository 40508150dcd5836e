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

from bitket.algebra import PauliSum
from bitket.quantum.simulation import memory, native
from bitket.quantum.simulation.planner import fits, prepare, state_plan
from bitket.quantum.simulation.program import Program

__all__ = ["suits", "values_one_by_one"]

_SMALLEST, _ALWAYS = (
    10,
    16,
)  # qubits: with fewer, calls cost more than they save; with more, a batch is beyond the cache
_OBSERVABLES = 16  # kept for each program


def suits(program: Program, count: int) -> bool:
    """Whether this kernel is the one for ``count`` samples of a program: the other one's time hardly depends on how full its registers are."""
    n = program.num_qubits
    return (n >= _ALWAYS or (n >= _SMALLEST and count <= n + 1 - _SMALLEST)) and fits(program)


def values_one_by_one(program: Program, angles: torch.Tensor, observables: Sequence[PauliSum]) -> torch.Tensor:
    """Expectation values ``[..., m]`` for the angles of the slots, ``[..., S]``, with the adjoint gradient."""
    batch = angles.shape[:-1]
    values = _OneByOne.apply(angles.reshape(math.prod(batch), angles.shape[-1]), program, tuple(observables))
    return values.reshape(*batch, len(observables))


class _OneByOne(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, angles: torch.Tensor, program: Program, observables: tuple[PauliSum, ...]) -> torch.Tensor:
        kind = torch.complex64 if angles.dtype == torch.float32 else torch.complex128
        wanted = ctx.needs_input_grad[0]
        size = float(1 << program.num_qubits) * kind.itemsize
        memory.require(
            size * (memory.ADJOINT if wanted else memory.STATE),
            f"the state of {program.num_qubits} qubits and its gradient",
        )
        exact = angles.detach().to(torch.float64).contiguous()
        prepared = _prepared(program, observables)
        # One sample and one observable: lambda is at hand with the value, up to the factor that comes from above.
        both = wanted and len(exact) * len(prepared) == 1
        psi = costate = torch.empty(0)
        values = []
        for row in exact:
            psi = prepare(program, row, kind)
            costate = _like(psi) if both else costate
            for observable in prepared:
                target = costate.data_ptr() if both else 0
                values.append(observable.apply(kind == torch.complex128, 1.0, psi.data_ptr(), target, False))
        ctx.program, ctx.observables, ctx.kind = program, observables, kind
        ctx.states = (psi, costate) if both else None
        ctx.save_for_backward(exact)
        return torch.tensor(values, dtype=angles.dtype).reshape(len(exact), len(prepared))

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, upstream: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        (angles,) = ctx.saved_tensors
        program, kind = ctx.program, ctx.kind
        plan, gradient = state_plan(program, kind), torch.zeros_like(angles)
        native.threads()
        if ctx.states is not None:
            psi, costate = ctx.states
            ctx.states = None  # the walk consumes them
            plan.walk_back(angles.data_ptr(), psi.data_ptr(), costate.data_ptr(), gradient.data_ptr())
            return (gradient * upstream).to(upstream.dtype), None, None
        for row, weights, own in zip(angles, upstream.tolist(), gradient, strict=True):
            psi = prepare(program, row, kind)
            costate = _like(psi)
            for m, observable in enumerate(_prepared(program, ctx.observables)):
                if weights[m] or not m:
                    observable.apply(kind == torch.complex128, weights[m], psi.data_ptr(), costate.data_ptr(), m > 0)
            plan.walk_back(row.data_ptr(), psi.data_ptr(), costate.data_ptr(), own.data_ptr())
        return gradient.to(upstream.dtype), None, None


def _like(psi: torch.Tensor) -> torch.Tensor:
    """Memory for a state, from NumPy: on large pages where it is large."""
    return torch.from_numpy(np.empty(psi.shape, dtype=psi.numpy().dtype))


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

"""Expectation values and adjoint gradients of whole batches in the compiled core.

A circuit is planned once: as Pauli rotations (see `rotations`), gathered into blocks whose X masks span at most three directions, so
that eight amplitudes are loaded once for all rotations of a block. A rotation may overtake those it commutes with. Samples are the
lanes of the registers. Memory: one state a sample for the walk back (8 · 2^n bytes in single precision), whatever the depth.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from bitket.algebra import PauliSum
from bitket.quantum.simulation import memory, native
from bitket.quantum.simulation.program import Program
from bitket.quantum.simulation.rotations import RotationProgram, Turn, to_rotations

__all__ = ["adjoint_values"]


@dataclass(frozen=True, eq=False)
class _Plan:
    """A program and its observables, ready for the core: forward blocks of three directions, backward blocks of two."""

    forward: Any
    backward: Any
    constants: torch.Tensor
    """Half angle of each row of cosines and sines, zero where it is symbolic, ``[rows, 1]``."""
    symbolic: torch.Tensor
    """The rows with a symbolic angle."""
    slots: torch.Tensor
    """Their slots."""
    factors: torch.Tensor
    """What multiplies the slots' angles, ``[symbolic rows, 1]``."""
    shared: bool
    """Whether a slot stands in several rows."""


def adjoint_values(
    program: Program, angles: torch.Tensor, observables: Sequence[PauliSum], dtype: torch.dtype
) -> torch.Tensor:
    """Expectation values ``[..., m]`` of a unitary program for angles ``[..., S]``, with the adjoint gradient."""
    rotations = program.cache("rotations", lambda: to_rotations(program))
    key = ("batch plan", tuple(id(o) for o in observables))
    # The observables are kept beside the plan so that their ids stay theirs.
    plan, _ = program.cache(key, lambda: (_make_plan(rotations, observables), tuple(observables)))
    batch = angles.shape[:-1]
    flat = angles.reshape(math.prod(batch), angles.shape[-1]).to(dtype)
    values = _Batched.apply(flat, plan, program.num_qubits, len(observables))
    return values.reshape(*batch, len(observables))


class _Batched(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, angles: torch.Tensor, plan: _Plan, num_qubits: int, targets: int) -> torch.Tensor:
        lanes = 16 if angles.dtype == torch.float32 else 8
        count = angles.shape[0]
        padded = -(-count // lanes) * lanes
        memory.require(
            2.2 * padded * float(1 << num_qubits) * 2 * angles.element_size(),
            f"states of {num_qubits} qubits for {count} samples",
        )
        rows = plan.constants.to(angles.dtype).expand(-1, padded).contiguous()
        rows[plan.symbolic, :count] = angles.detach().T[plan.slots] * (plan.factors.to(angles.dtype) / 2)
        cosines, sines = torch.cos(rows), torch.sin(rows)
        psi = torch.empty(padded // lanes, 2, 1 << num_qubits, lanes, dtype=angles.dtype)
        values = torch.zeros(targets, padded, dtype=angles.dtype)
        native.threads()
        native.core.batch_forward(plan.forward, padded, cosines, sines, psi, values)
        ctx.plan, ctx.padded, ctx.width = plan, padded, angles.shape[1]
        ctx.save_for_backward(cosines, sines, psi)
        return values[:, :count].T.contiguous()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, upstream: torch.Tensor) -> tuple[torch.Tensor, None, None, None]:
        cosines, sines, psi = ctx.saved_tensors
        plan, padded, count = ctx.plan, ctx.padded, upstream.shape[0]
        weights = torch.zeros(upstream.shape[1], padded, dtype=upstream.dtype)
        weights[:, :count] = upstream.T
        rows = torch.empty(len(plan.constants), padded, dtype=upstream.dtype)
        native.threads()
        native.core.batch_backward(plan.backward, padded, cosines, sines, psi, weights, rows)
        scaled = rows[plan.symbolic, :count] * plan.factors.to(rows.dtype)
        gradient = torch.zeros(ctx.width, count, dtype=rows.dtype)
        # Adding starts torch's threads even for a few rows, which costs more than all the rest: copy where copying will do.
        gradient = (
            gradient.index_add_(0, plan.slots, scaled) if plan.shared else gradient.index_copy_(0, plan.slots, scaled)
        )
        return gradient.T, None, None, None


# -- planning ---------------------------------------------------------------------------------------------------------
def _make_plan(rotations: RotationProgram, observables: Sequence[PauliSum]) -> _Plan:
    rows: dict[tuple[int, float], int] = {}
    index = [rows.setdefault((t.slot, t.factor), len(rows)) for t in rotations.turns]
    terms, coefficients = [], []
    for target, o in enumerate(observables):
        for c, x, z in rotations.pull_back(o).simplify(0.0).masks():
            terms.append([x, z, target, (x & z).bit_count() % 4])
            coefficients.append(c.real)
    n = rotations.num_qubits
    plans = []
    for most in (3, 2):
        bits = min(most, n)
        blocks, ops = _blocks(rotations.turns, index, n, bits)
        plans.append(
            native.core.BatchPlan(
                n,
                bits,
                len(rows),
                len(observables),
                np.array(blocks, dtype=np.int64).reshape(-1, 13),
                np.array(ops, dtype=np.int64).reshape(-1, 4),
                np.array(terms, dtype=np.int64).reshape(-1, 4),
                np.array(coefficients, dtype=float),
            )
        )
    pairs = list(rows)
    symbolic = [k for k, (slot, _) in enumerate(pairs) if slot >= 0]
    slots = [pairs[k][0] for k in symbolic]
    return _Plan(
        plans[0],
        plans[1],
        torch.tensor([[0.0 if slot >= 0 else factor / 2] for slot, factor in pairs], dtype=torch.float64).reshape(
            -1, 1
        ),
        torch.tensor(symbolic, dtype=torch.int64),
        torch.tensor(slots, dtype=torch.int64),
        torch.tensor([[pairs[k][1]] for k in symbolic], dtype=torch.float64).reshape(-1, 1),
        len(set(slots)) < len(slots),
    )


def _blocks(turns: Sequence[Turn], rows: Sequence[int], n: int, bits: int) -> tuple[list[list[int]], list[list[int]]]:
    """Blocks and ops in the core's encoding (see native/batch.hpp). Each round takes, in order, every rotation that fits the block's
    directions and commutes with all it would overtake."""
    waiting = list(range(len(turns)))
    blocks: list[list[int]] = []
    ops: list[list[int]] = []
    while waiting:
        basis: list[int] = []  # reduced: each leading bit is in one vector only
        taken: list[int] = []
        left: list[int] = []
        for t in waiting:
            turn = turns[t]
            if len(left) <= 64 and all(turn.commutes(turns[k]) for k in left):
                grown = _extended(basis, turn.x)
                if len(grown) <= bits:
                    basis = grown
                    taken.append(t)
                    continue
            left.append(t)
        for q in range(n):
            if len(basis) < bits:
                basis = _extended(basis, 1 << q)
        first = len(ops)
        basis.sort()
        for t in taken:
            turn = turns[t]
            mx = _coordinates(basis, turn.x)
            lz = sum(((b & turn.z).bit_count() & 1) << k for k, b in enumerate(basis))
            kappa = (turn.x & turn.z).bit_count()
            ops.append([turn.z, rows[t], mx | lz << bits, (kappa % 4 >= 2) ^ (kappa & 1)])
        offsets = [_combined(basis, m) for m in range(1 << bits)]
        pivots = [b.bit_length() - 1 for b in basis]
        blocks.append(offsets + [0] * (8 - len(offsets)) + pivots + [0] * (3 - bits) + [first, len(ops)])
        waiting = left
    return blocks, ops


def _extended(basis: list[int], vector: int) -> list[int]:
    """A reduced basis of the span with one more vector (the same basis if it lies in the span)."""
    for b in basis:
        if vector >> (b.bit_length() - 1) & 1:
            vector ^= b
    if not vector:
        return basis
    top = vector.bit_length() - 1
    return [b ^ vector if b >> top & 1 else b for b in basis] + [vector]


def _coordinates(basis: list[int], vector: int) -> int:
    return sum((vector >> (b.bit_length() - 1) & 1) << k for k, b in enumerate(basis))


def _combined(basis: list[int], chosen: int) -> int:
    out = 0
    for k, b in enumerate(basis):
        if chosen >> k & 1:
            out ^= b
    return out

"""Expectation values and adjoint gradients of whole batches in the compiled core.

A circuit is planned once: as Pauli rotations (see `rotations`), gathered into blocks whose X masks span at most three directions, so
that eight amplitudes are loaded once for all rotations of a block. A rotation may overtake those it commutes with. Samples are the
lanes of the registers. Angles that are affine in the parameters are computed, and their gradient is summed, in the core itself; others
by torch. Memory: one state a sample for the walk back (8 · 2^n bytes in single precision), whatever the depth.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from bitket.algebra import PauliSum
from bitket.quantum.circuits import ParameterError
from bitket.quantum.simulation import memory, native
from bitket.quantum.simulation.derivatives import Kernel, parameter_slopes, wants_graph
from bitket.quantum.simulation.program import Program
from bitket.quantum.simulation.rotations import RotationProgram, Turn, to_rotations

__all__ = ["Batched", "slopes", "values"]

_PLANS = 16  # kept for each program: a loop that makes a new observable each time must not fill the memory


class Batched(torch.autograd.Function):
    """Values ``[N, m]`` for weights and inputs ``[P]`` or ``[N, P]``; with ``by_angle`` inputs are angles of the slots."""

    @staticmethod
    def forward(
        ctx: Any, weights: torch.Tensor | None, inputs: torch.Tensor | None, kernel: Kernel, by_angle: bool, count: int
    ) -> torch.Tensor:
        """Values; the states are kept for the walk back."""
        plan = _plan(kernel.program, kernel.observables, by_angle)
        weights, inputs = (None if v is None else v.contiguous() for v in (weights, inputs))
        values, ctx.lease = _forward(plan, weights, inputs, count, any(ctx.needs_input_grad))
        ctx.plan, ctx.kernel, ctx.by_angle, ctx.count = plan, kernel, by_angle, count
        ctx.save_for_backward(weights, inputs)
        return values

    @staticmethod
    def backward(ctx: Any, upstream: torch.Tensor) -> tuple[torch.Tensor | None, torch.Tensor | None, None, None, None]:
        """Vector-Jacobian product for weights and inputs."""
        weights, inputs = ctx.saved_tensors
        if wants_graph(upstream):
            return *parameter_slopes(ctx.kernel, weights, inputs, ctx.by_angle, upstream), None, None, None
        return *_backward(ctx.plan, weights, inputs, ctx.count, ctx.lease, upstream.contiguous()), None, None, None


def values(
    kernel: Kernel, weights: torch.Tensor | None, inputs: torch.Tensor, by_angle: bool, count: int
) -> torch.Tensor:
    """Values ``[N, m]`` as of `Batched`, nothing kept."""
    return _forward(_plan(kernel.program, kernel.observables, by_angle), weights, inputs, count, False)[0]


def slopes(kernel: Kernel, angles: torch.Tensor, upstream: torch.Tensor) -> torch.Tensor:
    """``sum_k upstream_k dE_k/da``, ``[N, S]``, for angles ``[N, S]`` and upstream ``[N, m]``; a chunk of states at a time."""
    plan = _plan(kernel.program, kernel.observables, by_angle=True)
    chunk = max(16, memory.Lease.most // (2 * angles.itemsize << plan.num_qubits) & ~15)
    parts = []
    for start in range(0, len(angles), chunk):
        own, above = angles[start : start + chunk], upstream[start : start + chunk]
        _, lease = _forward(plan, None, own, len(own), True)
        found = _backward(plan, None, own, len(own), lease, above)[1]
        assert found is not None
        parts.append(found)
    return torch.cat(parts) if parts else torch.empty_like(angles)


def _forward(
    plan: _Plan, weights: torch.Tensor | None, inputs: torch.Tensor | None, count: int, keep: bool
) -> tuple[torch.Tensor, memory.Lease | None]:
    given = weights if weights is not None else inputs
    dtype = torch.float64 if given is None else given.dtype
    lanes, item = (16, 4) if dtype == torch.float32 else (8, 8)
    lease = None
    if keep:
        num_bytes = -(-count // lanes) * lanes * (2 * item << plan.num_qubits)
        memory.require(1.1 * num_bytes, f"states of {plan.num_qubits} qubits for {count} samples")
        lease = memory.Lease(num_bytes)
    memory.require(native.threads() * lanes * 4.2 * (item << plan.num_qubits), f"states of {plan.num_qubits} qubits")
    values = torch.empty(count, plan.num_targets, dtype=dtype)
    run = plan.core.forward32 if dtype == torch.float32 else plan.core.forward64
    finite = run(
        count,
        _each(weights),
        _each(inputs),
        _at(weights),
        _at(inputs),
        lease.address if lease else 0,
        _at(values),
    )
    if not finite:
        raise ParameterError("weights or inputs have values that are not finite")
    return values, lease


def _backward(
    plan: _Plan,
    weights: torch.Tensor | None,
    inputs: torch.Tensor | None,
    count: int,
    lease: memory.Lease | None,
    upstream: torch.Tensor,
) -> tuple[torch.Tensor | None, torch.Tensor | None]:
    assert lease is not None
    to_weights, to_inputs = (None if v is None else torch.empty_like(v) for v in (weights, inputs))
    native.threads()
    run = plan.core.backward32 if upstream.dtype == torch.float32 else plan.core.backward64
    run(
        count,
        _each(weights),
        _each(inputs),
        _at(weights),
        _at(inputs),
        lease.address,
        _at(upstream),
        _at(to_weights),
        _at(to_inputs),
    )
    return to_weights, to_inputs


def _each(values: torch.Tensor | None) -> bool:
    return values is not None and values.ndim == 2


def _at(values: torch.Tensor | None) -> int:
    return 0 if values is None else values.data_ptr()


# -- planning ---------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, eq=False)
class _Plan:
    """A program and its observables, ready for the core: forward blocks of three directions, backward blocks of two."""

    core: Any
    num_qubits: int
    num_targets: int
    observables: tuple[PauliSum, ...]
    """Kept so that their ids stay theirs."""


def _plan(program: Program, observables: Sequence[PauliSum], by_angle: bool) -> _Plan:
    plans: dict[Any, _Plan] = program.cache("batch plans", dict)
    key = (by_angle, *map(id, observables))
    plan = plans.get(key)
    if plan is None:
        if len(plans) >= _PLANS:
            plans.pop(next(iter(plans)))
        plan = plans[key] = _make_plan(program, observables, by_angle)
    return plan


def _make_plan(program: Program, observables: Sequence[PauliSum], by_angle: bool) -> _Plan:
    rotations: RotationProgram = program.cache("rotations", lambda: to_rotations(program))
    rows: dict[tuple[int, float], int] = {}
    index = [rows.setdefault((t.slot, t.factor), len(rows)) for t in rotations.turns]
    constants, spans, parameters, coefficients = _links(program, list(rows), by_angle)
    terms = [
        (x, z, target, (x & z).bit_count() % 4, c.real)
        for target, o in enumerate(observables)
        for c, x, z in rotations.pull_back(o).simplify(0.0).masks()
    ]
    terms.sort(key=lambda term: term[0] != 0)
    n = rotations.num_qubits
    walks: list[Any] = []
    for most in (3, 2):
        bits = min(most, n)
        blocks, ops = _blocks(rotations.turns, index, n, bits)
        walks += [bits, _integers(blocks, 13), _integers(ops, 4)]
    core = native.core.BatchPlan(
        n,
        0 if by_angle else len(program.weights),
        len(program.slots) if by_angle else len(program.inputs),
        len(observables),
        *walks,
        np.array(constants, dtype=float),
        _integers(spans, 2),
        _integers(parameters, 1),
        np.array(coefficients, dtype=float),
        _integers([t[:4] for t in terms], 4),
        np.array([t[4] for t in terms], dtype=float),
    )
    return _Plan(core, n, len(observables), tuple(observables))


def _integers(rows: Sequence[Any], width: int) -> Any:
    return np.array(rows, dtype=np.int64).reshape(-1, width)


def _links(
    program: Program, rows: Sequence[tuple[int, float]], by_angle: bool
) -> tuple[list[float], list[tuple[int, int]], list[int], list[float]]:
    """Half the angle of each row as a constant and links (parameter, coefficient): to the slots, or to weights and inputs."""
    constants, spans = [], []
    parameters: list[int] = []
    coefficients: list[float] = []
    for slot, factor in rows:
        first, constant = len(parameters), factor / 2
        if slot >= 0 and by_angle:
            parameters.append(slot)
            coefficients.append(factor / 2)
            constant = 0.0
        elif slot >= 0:
            assert program.affine is not None
            offset, matrix = program.affine
            used = np.flatnonzero(matrix[:, slot])
            parameters += used.tolist()
            coefficients += (matrix[used, slot] * factor / 2).tolist()
            constant = float(offset[slot]) * factor / 2
        constants.append(constant)
        spans.append((first, len(parameters)))
    return constants, spans, parameters, coefficients


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

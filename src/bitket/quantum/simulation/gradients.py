"""Gradients of expectation values for the slots of a program, as torch autograd functions.

*Adjoint* (Jones and Gacon 2020, arXiv:2009.02823): one walk forwards and one back, memory independent of depth. For upstream gradients
g_k, lambda = sum_k g_k O_k psi is taken backwards with psi, and each rotation exp(-i a/2 · Π P) gives

    dE/da = Im <lambda| Π P |psi>.

*Parameter shift* (Schuld et al. 2019, arXiv:1811.11184; four terms: Anselmetti et al. 2021, arXiv:2104.05695): differences of the same
expectation at shifted angles, so it holds for shots, noise and machines, and differentiates again to any order. For a generator with
spectral gaps ω: gaps {1} for a Pauli rotation, {1/2} for a controlled phase, {1/2, 1} for a controlled rotation, the shifts s and
factors c solve  sum_j 2 c_j sin(ω s_j) = ω.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from bitket.algebra import PauliSum
from bitket.quantum.simulation import twin
from bitket.quantum.simulation.observables import apply_sum, state_values
from bitket.quantum.simulation.program import Op, PauliRotation, Program, Unitary

__all__ = ["Adjoint", "one_slot_each", "parameter_shift"]


class Adjoint(torch.autograd.Function):
    """Expectation values ``[B, m]`` of a unitary program for angles ``[B, S]``, with the adjoint gradient (torch twin)."""

    @staticmethod
    def forward(
        ctx: Any, angles: torch.Tensor, program: Program, observables: Sequence[PauliSum], kind: torch.dtype
    ) -> torch.Tensor:
        """Expectation values, ``[B, m]``."""
        state = twin.zero_state(program.num_qubits, tuple(angles.shape[:-1]), kind, angles.device)
        state = twin.evolve(program, state, angles)
        ctx.save_for_backward(angles, state)
        ctx.program, ctx.observables = program, observables
        return state_values(state, observables)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, upstream: torch.Tensor) -> tuple[torch.Tensor, None, None, None]:
        """Vector-Jacobian product for the angles."""
        angles, psi = ctx.saved_tensors
        program: Program = ctx.program
        bra = torch.zeros_like(psi)
        for k, o in enumerate(ctx.observables):
            bra += upstream[..., k : k + 1] * apply_sum(psi, o)
        gradient = torch.zeros_like(angles)
        for op in reversed(program.ops):
            if isinstance(op, PauliRotation):
                angle = angles[..., op.slot]
                moved = twin.apply_pauli(psi, op.x_mask, op.z_mask) if op.x_mask or op.z_mask else psi
                if op.control_mask:
                    index = torch.arange(psi.shape[-1], device=psi.device)
                    moved = moved * ((index & op.control_mask) == op.control_value)
                gradient[..., op.slot] += (bra.conj() * moved).sum(-1).imag
                psi, bra = (twin.apply_rotation(v, op, -angle) for v in (psi, bra))
            else:
                assert isinstance(op, Unitary)
                back = replace(op, matrix=op.matrix.conj().T)
                psi, bra = (twin.apply_unitary(v, back) for v in (psi, bra))
        return gradient, None, None, None


def one_slot_each(program: Program) -> tuple[Program, list[int], list[tuple[float, ...]]]:
    """The program with a slot of its own for each rotation, the old slot of each new one, and the spectral gaps of its generator."""
    ops: list[Op] = []
    source: list[int] = []
    gaps: list[tuple[float, ...]] = []
    for op in program.ops:
        if isinstance(op, PauliRotation):
            ops.append(replace(op, slot=len(source)))
            source.append(op.slot)
            if not (op.x_mask or op.z_mask):
                gaps.append((0.5,))
            else:
                gaps.append((0.5, 1.0) if op.control_mask else (1.0,))
        else:
            ops.append(op)
    # `slots` keeps its meaning for angles() only; the copies are indexed by position.
    slots = tuple(program.slots[s] for s in source)
    return replace(program, ops=tuple(ops), slots=slots, affine=None, derived={}), source, gaps


_RULES: dict[tuple[float, ...], tuple[tuple[float, float], ...]] = {}


def shift_rule(gaps: tuple[float, ...]) -> tuple[tuple[float, float], ...]:
    """``(shift, factor)`` pairs: dE/da = sum_j factor_j (E(a + shift_j) - E(a - shift_j))."""
    if gaps not in _RULES:
        shifts = np.array([math.pi]) if gaps == (0.5,) else np.array([math.pi / 2, 3 * math.pi / 2])[: len(gaps)]
        matrix = 2 * np.sin(np.outer(gaps, shifts))
        _RULES[gaps] = tuple(zip(shifts.tolist(), np.linalg.solve(matrix, np.array(gaps)).tolist(), strict=True))
    return _RULES[gaps]


Evaluate = Callable[[torch.Tensor], torch.Tensor]


class _Shift(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, angles: torch.Tensor, evaluate: Evaluate, gaps: list[tuple[float, ...]]) -> torch.Tensor:
        ctx.save_for_backward(angles)
        ctx.evaluate, ctx.gaps = evaluate, gaps
        return evaluate(angles.detach())

    @staticmethod
    def backward(ctx: Any, upstream: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        (angles,) = ctx.saved_tensors
        rows, factors, target = [], [], []
        for j, gap in enumerate(ctx.gaps):
            for shift, factor in shift_rule(gap):
                for sign in (1.0, -1.0):
                    step = torch.zeros(angles.shape[-1], dtype=angles.dtype, device=angles.device)
                    step[j] = sign * shift
                    rows.append(step)
                    factors.append(sign * factor)
                    target.append(j)
        shifted = angles.unsqueeze(-2) + torch.stack(rows)  # [..., evaluations, R]
        values = _Shift.apply(shifted, ctx.evaluate, ctx.gaps)  # differentiable again: higher orders
        terms = (values * upstream.unsqueeze(-2)).sum(-1) * torch.tensor(
            factors, dtype=angles.dtype, device=angles.device
        )
        gradient = torch.zeros_like(angles).index_add(-1, torch.tensor(target, device=angles.device), terms)
        return gradient, None, None


def parameter_shift(
    program: Program, angles: torch.Tensor, evaluate: Callable[[Program, torch.Tensor], torch.Tensor]
) -> torch.Tensor:
    """Expectation values ``[..., m]`` whose gradient, of any order, is taken by parameter shift.

    Parameters
    ----------
    angles
        ``[..., S]``.
    evaluate
        Expectation values of a program at angles, any leading shape; exact, from shots, or noisy.
    """
    split, source, gaps = program.cache("one slot each", lambda: one_slot_each(program))
    own = angles[..., source]
    if not source:
        return evaluate(split, own)
    return _Shift.apply(own, lambda a: evaluate(split, a), gaps)

"""Parameter-shift rules: derivatives along rotation angles as differences of the same function at shifted angles.

For a generator with spectral gaps ω: gaps {1} for a Pauli rotation, {1/2} for a controlled phase, {1/2, 1} for a controlled rotation
(Schuld et al. 2019, arXiv:1811.11184; four terms: Anselmetti et al. 2021, arXiv:2104.05695), the shifts s and factors c solve
sum_j 2 c_j sin(ω s_j) = ω.

>>> one, = shift_rule((1.0,))
>>> round(one[1] * (math.sin(0.3 + one[0]) - math.sin(0.3 - one[0])) - math.cos(0.3), 15)
0.0
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import numpy as np
import torch

from bitket.quantum.simulation.program import Op, PauliRotation, Program

__all__ = ["one_slot_each", "shift_rule", "shifts"]


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


@cache
def shift_rule(gaps: tuple[float, ...]) -> tuple[tuple[float, float], ...]:
    """``(shift, factor)`` pairs: dE/da = sum_j factor_j (E(a + shift_j) - E(a - shift_j))."""
    at = np.array([math.pi]) if gaps == (0.5,) else np.array([math.pi / 2, 3 * math.pi / 2])[: len(gaps)]
    matrix = 2 * np.sin(np.outer(gaps, at))
    return tuple(zip(at.tolist(), np.linalg.solve(matrix, np.array(gaps)).tolist(), strict=True))


def shifts(
    gaps: Sequence[tuple[float, ...]], dtype: torch.dtype, device: torch.device
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Steps ``[E, R]`` for all R rotations, and factor and rotation ``[E]`` of each: dE/da_r = sum of factor · E(a + step)."""
    rows = [
        (r, sign * shift, sign * factor)
        for r, gap in enumerate(gaps)
        for shift, factor in shift_rule(gap)
        for sign in (1.0, -1.0)
    ]
    target = torch.tensor([r for r, _, _ in rows], dtype=torch.int64, device=device)
    steps = torch.zeros(len(rows), len(gaps), dtype=dtype, device=device)
    steps[torch.arange(len(rows), device=device), target] = torch.tensor(
        [s for _, s, _ in rows], dtype=dtype, device=device
    )
    return steps, torch.tensor([f for _, _, f in rows], dtype=dtype, device=device), target

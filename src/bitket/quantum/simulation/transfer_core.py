"""Plans of Pauli-transfer programs, made for the compiled core and kept on the program; see `transfer`."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bitket.algebra import PauliSum
from bitket.quantum.simulation import native
from bitket.quantum.simulation.program import Program
from bitket.quantum.simulation.transfer_maps import to_maps
from bitket.quantum.simulation.transfer_plan import FEWEST, Encoder, Fused, fuse, stages

__all__ = ["plan"]

_PLANS = 16  # kept for each program: a loop that makes a new observable each time must not fill the memory


@dataclass(frozen=True, eq=False)
class _Plan:
    fused: Fused
    observables: tuple[PauliSum, ...]
    """Kept so that their ids stay theirs."""
    cores: dict[Any, Any] = field(default_factory=dict)


def plan(program: Program, observables: tuple[PauliSum, ...], count: int, double: bool) -> Any:
    """The core's plan for ``count`` samples of a program with a form as maps (cached on it)."""
    plans: dict[Any, _Plan] = program.cache("transfer plans", dict)
    key = tuple(map(id, observables))
    found = plans.get(key)
    if found is None:
        if len(plans) >= _PLANS:
            plans.pop(next(iter(plans)))
        maps = program.cache("transfer maps", lambda: to_maps(program))
        assert maps is not None
        found = plans[key] = _Plan(fuse(maps, program.num_qubits, observables), observables)
    qubits, lanes = len(found.fused.starts), 8 if double else 16
    single = qubits >= FEWEST and bool(found.fused.blocks) and (count < lanes or qubits > 7)
    if single not in found.cores:
        walk = stages(found.fused, single, _tile(qubits), _most_blocks(qubits, len(found.fused.blocks), single))
        encoder = Encoder(found.fused, walk, single, len(program.slots), len(observables))
        found.cores[single] = native.core.TransferPlan(encoder.code, np.array(encoder.numbers))
    return found.cores[single]


def _tile(qubits: int) -> int:
    """Digits of a tile: in the second cache; and of the larger vectors several, one for each thread."""
    return 6 if qubits > 9 else 5


def _most_blocks(qubits: int, blocks: int, single: bool) -> int:
    """Blocks of a stage: gradients keep one vector for each stage and one tile for each block of a stage."""
    fit = (1 << 25) // (64 * 4**qubits) if not single else 16
    return max(fit, math.isqrt(blocks) + 1)

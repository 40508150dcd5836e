"""Expectation values with derivatives by parameter shift: for shots, noise and machines, and to any order.

Values come from another engine at shifted angles; see `shift_rules` for the rules.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from bitket.quantum.simulation.asked import Asked, Engine
from bitket.quantum.simulation.derivatives import Kernel, apply
from bitket.quantum.simulation.program import Program
from bitket.quantum.simulation.shift_rules import one_slot_each, shifts

__all__ = ["ByShifts", "by_shifts"]


class ByShifts:
    """The engine that asks the first of some engines that takes the question, for values alone."""

    def __init__(self, *engines: Any) -> None:
        self.engines: Sequence[Engine] = engines

    def _engine(self, asked: Asked) -> Engine | None:
        return next((e for e in self.engines if e.takes(asked)), None)

    def takes(self, asked: Asked) -> bool:
        """Whether one of the engines does."""
        return self._engine(asked) is not None

    def values(self, asked: Asked) -> torch.Tensor:
        """Expectation values ``[..., m]``."""
        engine, angles = self._engine(asked), asked.angles()
        assert engine is not None

        def evaluate(program: Program, a: torch.Tensor) -> torch.Tensor:
            return engine.values(asked.at(program, a))

        split, source, gaps = asked.program.cache("one slot each", lambda: one_slot_each(asked.program))
        if not source:
            return evaluate(split, angles[..., source])
        return apply(_Shifted(split, asked.observables, evaluate, gaps), angles[..., source])


def by_shifts(
    engine: Any, asked: Asked, angles: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, tuple[torch.Tensor, torch.Tensor]]:
    """What the derivatives for angles ``[S]`` are made of: dE/da_s is the sum of factor · value over the values whose slot is s.

    Returns
    -------
    slots, factors
        ``[evaluations]``.
    values, errors
        Of an engine that estimates, ``[evaluations, m]``: independent of each other.
    """
    split, source, gaps = asked.program.cache("one slot each", lambda: one_slot_each(asked.program))
    steps, factors, target = shifts(gaps, angles.dtype, angles.device)
    question = asked.at(split, angles[source] + steps)
    question.errors = []
    values = engine.values(question) if len(factors) else angles.new_zeros(0, len(asked.observables))
    errors = question.errors[0] if question.errors else values
    return torch.tensor(source, dtype=torch.int64)[target], factors, (values, errors)


@dataclass(eq=False)
class _Shifted(Kernel):
    """Of a program with one slot for each rotation."""

    evaluate: Callable[[Program, torch.Tensor], torch.Tensor]
    gaps: list[tuple[float, ...]]

    def values(self, angles: torch.Tensor) -> torch.Tensor:
        return self.evaluate(self.program, angles)

    def slopes(self, angles: torch.Tensor, upstream: torch.Tensor) -> torch.Tensor:
        steps, factors, target = shifts(self.gaps, angles.dtype, angles.device)
        values = self.evaluate(self.program, angles.unsqueeze(-2) + steps)  # [N, evaluations, m]
        terms = (values * upstream.unsqueeze(-2)).sum(-1) * factors
        return torch.zeros_like(angles).index_add(-1, target, terms)

    def of(self, program: Program) -> Kernel:
        return self  # every rotation has its own slot already

"""The best allocation by an integer program: one binary variable for each group and choice, solved by HiGHS without a gap.

min sum x_gc harm_gc,   sum_c x_gc = 1 for each g,   sum x_gc cost_gc <= limit for each cost,   x in {0, 1}
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array

from bitket.errors import BitketError, InvalidInput
from bitket.quantization.allocation.problem import Allocation, Problem

__all__ = ["solve"]

_SCALE = 1e5  # of the objective: HiGHS stops at an absolute gap of 1e-6, which must be nothing beside the harms
_MOST_CUTS = 50


def solve(problem: Problem) -> Allocation:
    """The allocation of least harm within all limits.

    Raises
    ------
    InvalidInput
        The limits cannot be met; where one of them alone cannot, the message names the smallest value that can be reached, and else
        what the first of them can reach while the others are kept.
    """
    found = _solve(problem, problem.bounds(), None)
    if found is None:
        name = next(iter(problem.limits))
        others = {k: v for k, v in problem.bounds().items() if k != name}
        least = _solve(problem, others, name)
        reached = (
            "the others cannot be met together"
            if least is None
            else f"with the others kept, {name} can reach {least.costs[name]:.10g}"
        )
        raise InvalidInput(f"limits on {', '.join(problem.limits)} cannot be met together; {reached}")
    return found


def _solve(problem: Problem, bounds: dict[str, float], instead: str | None) -> Allocation | None:
    """The least harm, or the least cost of a name instead; None if there is no solution."""
    clusters = problem.clusters()
    sizes = [len(c.choices) for c in clusters]
    objective = np.concatenate([c.harm - c.harm.min() if instead is None else c.costs[instead] for c in clusters])
    scale = np.abs(objective).max()
    one = csr_array((np.ones(sum(sizes)), (np.repeat(np.arange(len(sizes)), sizes), np.arange(sum(sizes)))))
    constraints = [LinearConstraint(one, 1, 1)]
    for name, bound in bounds.items():
        row = np.concatenate([c.costs[name] for c in clusters])
        left = _between(row, bound - problem.constant.get(name, 0.0))
        unit = max(row.max(), 1e-300)
        constraints.append(LinearConstraint(row[None] / unit, -np.inf, left / unit))
    starts = np.cumsum([0, *sizes])
    for _ in range(_MOST_CUTS):
        with _silent():
            result = milp(
                objective / scale * _SCALE if scale else objective,
                integrality=np.ones(len(objective)),
                bounds=Bounds(0, 1),
                constraints=constraints,
                options={"mip_rel_gap": 0.0},
            )
        if result.x is None:
            return None
        picks = [int(result.x[a:b].argmax()) for a, b in pairwise(starts)]
        found = problem.spread(picks, "integer program")
        if all(found.costs[name] <= bound for name, bound in bounds.items()):
            return found
        cut = np.zeros(len(objective))  # within the solver's tolerance, but above a limit: leave this very point out
        cut[starts[:-1] + picks] = 1
        constraints.append(LinearConstraint(cut[None], -np.inf, len(sizes) - 1))
    raise BitketError("integer program: the solver's tolerance is too wide for these limits; take the exact frontier")


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """HiGHS now and then writes a line for its own makers to the process's output, whatever it is told."""
    if sys.stdout is not None:
        sys.stdout.flush()
    try:
        kept = os.dup(1)
    except OSError:  # the output is closed: there is nothing to keep clean
        yield
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 1)
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
        os.close(nowhere)


def _between(row: NDArray[np.float64], limit: float) -> float:
    """A limit half way to the next value that sums of whole numbers can have, so that the solver's tolerance decides nothing; for other
    numbers a hair above it, since what is found is checked by exact sums."""
    if np.array_equal(row, np.round(row)) and 0 < row.max() < 2**53:
        grain = float(np.gcd.reduce(row.astype(np.int64)))
        return (np.floor(limit / grain) + 0.5) * grain
    return limit + 1e-7 * row.max()

"""A quick allocation: begin with the least harm, and while a limit is broken take the step that saves most of what is broken for its harm.

It is what tools do that lower bits one layer at a time; it is not a frontier, and how far it stays behind the integer program is worth
knowing before one trusts it.
"""

from __future__ import annotations

import numpy as np

from bitket.errors import InvalidInput
from bitket.quantization.allocation.problem import Allocation, Problem

__all__ = ["greedy"]


def greedy(problem: Problem) -> Allocation:
    """An allocation within all limits, if this way finds one.

    Raises
    ------
    InvalidInput
        A limit cannot be met at all, or this way ends above one.
    """
    bounds = problem.bounds()
    if not problem.costs:
        raise InvalidInput("greedy allocation: there is no cost to be lowered")
    clusters = problem.clusters()
    picks = [int(np.lexsort((np.sum(list(c.costs.values()), axis=0), c.harm))[0]) for c in clusters]
    totals = {
        n: problem.constant.get(n, 0.0) + sum(c.costs[n][k] for c, k in zip(clusters, picks, strict=True))
        for n in bounds
    }
    while broken := {n for n in bounds if totals[n] > bounds[n] * (1 + 1e-12)}:
        best: tuple[float, int, int] | None = None
        for g, cluster in enumerate(clusters):
            now = picks[g]
            saved = sum((cluster.costs[n][now] - cluster.costs[n]) / (bounds[n] or 1.0) for n in broken)
            for k in np.flatnonzero(saved > 0):
                price = (cluster.harm[k] - cluster.harm[now]) / saved[k]
                if best is None or price < best[0]:
                    best = (float(price), g, int(k))
        if best is None:
            raise InvalidInput(
                f"greedy allocation: it ends above the limit on {sorted(broken)[0]}; take the integer program"
            )
        _, g, k = best
        for n in bounds:
            totals[n] += clusters[g].costs[n][k] - clusters[g].costs[n][picks[g]]
        picks[g] = k
    found = problem.spread(picks, "greedy")
    if found.violations():
        raise InvalidInput(f"greedy allocation: {found.violations()[0]}; take the integer program")
    return found

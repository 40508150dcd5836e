"""Allocation of bits: the integer program, the exact frontier and the greedy way, beside OR-tools on the same integer program."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks._timing import interleaved
from bitket.quantization.allocation import Problem, Share, frontier, greedy, solve


def run(quick: bool = False) -> list[dict[str, Any]]:
    """Rows of layers and widths: milliseconds of each way, OR-tools' time over ours, points of the frontier, and the greedy way's excess."""
    return [row(layers, widths, 3 if quick else 9) for layers, widths in ((19, 2), (52, 3), (60, 3), (150, 4))]


def row(layers: int, widths: int, runs: int) -> dict[str, Any]:
    free = problem(layers, widths)
    bound = Problem(free.harm, free.costs, {"size": Share(0.4)})
    times = interleaved(
        {
            "program": lambda: solve(bound),
            "frontier": lambda: frontier(free),
            "greedy": lambda: greedy(bound),
            "ortools": lambda: by_ortools(bound),
        },
        runs,
    )
    best = solve(bound).harm
    return {
        "layers": layers,
        "widths": widths,
        "program ms": 1e3 * times["program"],
        "OR-tools / program": times["ortools"] / times["program"],
        "frontier ms": 1e3 * times["frontier"],
        "points": len(frontier(free)),
        "greedy ms": 1e3 * times["greedy"],
        "greedy's excess": greedy(bound).harm / best - 1,
    }


def problem(layers: int, widths: int) -> Problem:
    """Sizes as residual networks have them, sensitivities over five decades."""
    rng = np.random.default_rng(layers)
    bits = (2, 3, 4, 8)[-widths:]
    weights = np.sort(rng.choice([4096, 36864, 147456, 589824, 2359296], layers))
    scale = 10 ** rng.uniform(-6, -1, layers)
    names = [f"layer{k}" for k in range(layers)]
    return Problem(
        {g: {b: float(scale[k] * 4.0**-b * rng.uniform(0.8, 1.2)) for b in bits} for k, g in enumerate(names)},
        {"size": {g: {b: float(weights[k] * b // 8) for b in bits} for k, g in enumerate(names)}},
    )


def by_ortools(problem: Problem) -> float:
    """The least harm, by OR-tools' linear solver interface to SCIP."""
    from ortools.linear_solver import pywraplp

    solver = pywraplp.Solver.CreateSolver("SCIP")
    scale = max(h for row in problem.harm.values() for h in row.values())
    x = {(g, c): solver.BoolVar(f"{g} {c}") for g, row in problem.harm.items() for c in row}
    for g, row in problem.harm.items():
        solver.Add(sum(x[g, c] for c in row) == 1)
    for name, bound in problem.bounds().items():
        table = problem.costs[name]
        solver.Add(sum(table[g][c] / bound * v for (g, c), v in x.items()) <= 1)
    solver.Minimize(sum(problem.harm[g][c] / scale * 1e5 * v for (g, c), v in x.items()))
    solver.Solve()
    return sum(problem.harm[g][c] for (g, c), v in x.items() if v.solution_value() > 0.5)

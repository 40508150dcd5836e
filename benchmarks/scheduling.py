"""Scheduling on SURFnet at load 100: all steps from demands to the schedule, and the list scheduler beside the same one on interval trees.

The peer keeps the occupied intervals of every qubit in an `intervaltree.IntervalTree` and moves a start past what it meets; it gives the
same schedule. Both schedule the tasks that were admitted.
"""

from __future__ import annotations

import heapq
import time
from typing import Any

import numpy as np

from benchmarks._timing import interleaved
from bitket.networks.scheduling import (
    METHODS,
    Miss,
    PeriodicTask,
    QuantumNetwork,
    plan,
    random_demands,
    schedule,
    timetable,
)
from bitket.networks.scheduling.resources import groups
from bitket.networks.scheduling.tasks import hyperperiod

LOAD = 100.0


def _on_trees(tasks: list[PeriodicTask]) -> dict[tuple[str, int], int]:
    """Start of every instance, by task and instance."""
    from intervaltree import IntervalTree

    starts: dict[tuple[str, int], int] = {}
    for group in groups(tasks):
        mine = [tasks[k] for k in group]
        horizon = hyperperiod(task.period for task in mine)
        trees = {q: IntervalTree() for task in mine for q in task.protocol.intervals}
        fronts = dict.fromkeys(trees, 0)
        following = [0] * len(mine)
        ready = [(task.period, k) for k, task in enumerate(mine)]
        waiting: set[int] = set()
        heapq.heapify(ready)
        while ready or waiting:
            if not ready:
                first = min(following[k] for k in waiting)
                ready = [(first + mine[k].period, k) for k in waiting if following[k] == first]
                waiting -= {k for _, k in ready}
                heapq.heapify(ready)
            deadline, k = heapq.heappop(ready)
            task, start = mine[k], following[k]
            needs = [(q, a, b) for q, spans in task.protocol.intervals.items() for a, b in spans]
            moved = True
            while moved:
                moved = False
                for q, a, b in needs:
                    met = trees[q].overlap(start + a, start + b)
                    if met:
                        start, moved = max(i.end for i in met) - a, True
            if start + task.cost > deadline:
                raise ValueError(f"{task.name} is late")
            starts[task.name, following[k] // task.period] = start
            for q, a, b in needs:
                trees[q].addi(start + a, start + b)
                fronts[q] = max(fronts[q], start + b)
            following[k] = deadline
            if deadline < horizon:
                waiting.add(k)
            for other in sorted(waiting):
                if following[other] <= max(fronts[q] for q in mine[other].protocol.intervals):
                    waiting.discard(other)
                    heapq.heappush(ready, (following[other] + mine[other].period, other))
    return starts


def _same(tasks: list[PeriodicTask], starts: dict[tuple[str, int], int]) -> bool:
    made = timetable(tasks)
    assert not isinstance(made, Miss)
    ours = {(made.accepted[run.task].name, run.index): run.start for run in made.instances}
    return all(ours[key] == start for key, start in starts.items())


def run(quick: bool) -> list[dict[str, Any]]:
    network, rows = QuantumNetwork.preset("surfnet"), []
    for fidelity in (0.99,) if quick else (0.98, 0.99, 0.997):
        what = f"SURFnet, load {LOAD:g}, F = {fidelity:g}"
        begin = time.perf_counter()
        demands = random_demands(network, LOAD, fidelity, np.random.default_rng(0))
        drawn = time.perf_counter()
        tasks, _ = plan(network, demands)
        planned = time.perf_counter()
        rows.append({"what": what, "who": "protocol search for random demands", "seconds": drawn - begin})
        rows.append({"what": what, "who": "placement of the demands", "seconds": planned - drawn})
        for method in METHODS:
            made = schedule(tasks, method, budget=0.1 if method.endswith(("-pb", "-pbs")) else 0.0)
            note = f"{len(made.accepted)} of {len(tasks)} admitted, {made.metrics()['throughput']:.1f} pairs/s"
            rows.append({"what": what, "who": f"admission by {method}", "seconds": made.seconds, "note": note})
        admitted = list(schedule(tasks).accepted)
        functions = {"bit sets": lambda a=admitted: timetable(a)}
        try:
            starts = _on_trees(admitted)
            functions["intervaltree"] = lambda a=admitted: _on_trees(a)
        except ImportError as error:
            rows.append({"what": what, "who": "intervaltree", "note": f"cannot be imported: {error}"})
            continue
        note = "the same schedule" if _same(admitted, starts) else "ANOTHER SCHEDULE"
        times = interleaved(functions, 3 if quick else 11)
        for who, seconds in times.items():
            ratio = seconds / times["bit sets"]
            rows.append({"what": what, "who": who, "seconds": seconds, "times ours": ratio, "note": note})
    return rows

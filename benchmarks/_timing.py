"""What the benchmarks share: median times, and the bandwidth of memory as the physical limit."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

import torch


def seconds(function: Callable[[], Any], runs: int) -> float:
    """Median of ``runs`` calls, after one that is not counted."""
    return interleaved({"": function}, runs)[""]


def interleaved(functions: Mapping[str, Callable[[], Any]], runs: int) -> dict[str, float]:
    """Median seconds of each function, taken in turn so that a slow spell of the machine meets all of them; a turn lasts 20 ms or more, as
    a loop of training would, so that each finds its own data in the caches."""
    times: dict[str, list[float]] = {name: [] for name in functions}
    calls = {}
    for name, function in functions.items():
        function()
        calls[name] = max(1, math.ceil(2e-2 / _of(function, 1)))
    for _ in range(runs):
        for name, function in functions.items():
            times[name].append(_of(function, calls[name]))
    return {name: statistics.median(t) for name, t in times.items()}


def _of(function: Callable[[], Any], calls: int) -> float:
    start = time.perf_counter()
    for _ in range(calls):
        function()
    return (time.perf_counter() - start) / calls


def bandwidth() -> float:
    """Bytes per second of a triad ``a = b + s c`` on arrays of 256 MiB, two read and one written, with all threads."""
    a, b, c = (torch.ones(1 << 25, dtype=torch.float64) for _ in range(3))
    return 3 * a.nbytes / seconds(lambda: torch.add(b, c, alpha=0.5, out=a), 7)

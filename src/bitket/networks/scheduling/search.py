"""Search for a repeater protocol along a path: which links to make, where to swap, how often to distil.

Between neighbours: the fastest capability that is good enough, else pumping, else nested distillation of 2^l links. Along a longer path a
pivot node joins two sub-paths, each solved in the same way; with n end-to-end distillations the swapped pair needs only the fidelity from
which pumping n times reaches the target, and each half of it the inverse of the swap. The pivot starts in the middle and moves towards the
slower side. Rates are those of placements on the qubits that are left. This is a heuristic: it may miss a protocol, never its fidelity.
"""

from __future__ import annotations

import math
from collections import Counter
from contextvars import ContextVar
from functools import lru_cache
from itertools import count, pairwise

from bitket.errors import InvalidInput
from bitket.networks import werner
from bitket.networks.scheduling.network import Capability, QuantumNetwork
from bitket.networks.scheduling.placement import placed
from bitket.networks.scheduling.protocol import RepeaterProtocol, Step

__all__ = ["alternatives", "down", "find_protocol", "within"]

MAX_OPERATIONS = 2000
"""Larger protocols are not looked at; with 10 ms slots they would take many seconds for one pair."""

_Link = tuple[tuple[Capability, int], ...]
"""Capabilities of a link, each with its duration in slots."""
_Qubits = tuple[tuple[int, int], ...]


_left: ContextVar[list[int] | None] = ContextVar("work that a search may still do, about 10 us each", default=None)


class _Spent(Exception):
    """The work that was allowed is done."""


def _spend(work: int) -> None:
    left = _left.get()
    if left is not None:
        left[0] -= work
        if left[0] < 0:
            raise _Spent


def within(
    work: int, network: QuantumNetwork, path: tuple[str, ...], fidelity: float, rate: float
) -> tuple[RepeaterProtocol | None, int]:
    """A protocol if it is found with that much work, and the work that is left."""
    left = [work]
    token = _left.set(left)
    try:
        return find_protocol(network, path, fidelity, rate), left[0]
    except InvalidInput:
        return None, left[0]
    except _Spent:
        return None, 0
    finally:
        _left.reset(token)


def alternatives(
    network: QuantumNetwork, path: tuple[str, ...], fidelity: float, rate: float, work: int = 300_000
) -> tuple[float | None, float | None, int]:
    """What can be had instead of a protocol that does not exist: the best fidelity found at that rate, the best rate found at that fidelity,
    and the work that was done.

    Both, rounded down to four digits, are found again when they are asked for.

    Parameters
    ----------
    work
        What is done at most, by default some three seconds; not the time is bounded, so that the answer is that of the question alone.
    """
    fastest, left = within(work // 2, network, path, fidelity, min(rate, 1 / (network.slot * 512)))
    best: float | None = None
    low, high, left = 0.5, fidelity, left + work - work // 2
    for _ in range(10):
        middle = down((low + high) / 2)
        found, left = within(left, network, path, middle, rate) if middle > 0.5 else (None, 0)
        if found is None:
            high = middle
        else:
            again, left = within(left, network, path, down(found.fidelity), rate)
            best = max(best or 0.0, middle if again is None else down(found.fidelity))
            low = max(middle, min(high, best))
        if not left or high - low < 1e-4:
            break
    return best, None if fastest is None else down(fastest.rate), work - left


def down(value: float) -> float:
    """With four digits, and not above."""
    digits = 3 - math.floor(math.log10(value))
    return math.floor(value * 10.0**digits * (1 + 1e-12)) / 10.0**digits


def find_protocol(
    network: QuantumNetwork, path: tuple[str, ...] | list[str], fidelity: float, rate: float
) -> RepeaterProtocol:
    """A protocol that gives pairs of at least a fidelity at a rate of at least ``rate`` when it runs alone.

    Parameters
    ----------
    network, path
        Where; the path lists neighbouring nodes, from source to destination.
    fidelity
        At least that, above 1/2.
    rate
        In hertz.

    Raises
    ------
    InvalidInput
        The path is none in the network, a value is out of range, or the search finds no such protocol.
    """
    path = tuple(path)
    if not 0.5 < fidelity <= 1:
        raise InvalidInput(f"fidelity {fidelity}: it must lie above 0.5, up to 1")
    if not 0 < rate < math.inf:
        raise InvalidInput(f"rate {rate} Hz: it must be positive")
    if len(path) < 2 or len(set(path)) < len(path):
        raise InvalidInput(f"path {' - '.join(path)}: two nodes or more are needed, each once")
    for a, b in pairwise(path):
        if not network.graph.has_edge(a, b):
            raise InvalidInput(f"path {' - '.join(path)}: there is no link '{a}' - '{b}' in the network")
    links = tuple(tuple((c, network.link_slots(c.rate)) for c in network.capabilities(a, b)) for a, b in pairwise(path))
    found = _along(links, tuple(network.qubit_counts(node) for node in path), network.slot, fidelity, rate)
    if found is None:
        best = max(werner.pumping_limit(c.fidelity) for link in links for c, _ in link)
        raise InvalidInput(
            f"no protocol from '{path[0]}' to '{path[-1]}' reaches fidelity {fidelity:g} at {rate:g} Hz over {len(links)} links "
            f"(pumping the best link alone ends at {best:.4f})"
        )
    root, achieved = found
    return RepeaterProtocol(root.renamed({str(k): node for k, node in enumerate(path)}), path, achieved)


@lru_cache(maxsize=100_000)
def _along(
    links: tuple[_Link, ...], qubits: _Qubits, slot: float, fidelity: float, rate: float
) -> tuple[Step, float] | None:
    """Tree on nodes "0", "1", ... along a path and its rate, or None. Nothing but what it depends on is in its arguments: the cache
    serves every stretch of the network that looks alike."""
    if any(c < 1 for c, _ in qubits):
        return None
    if len(links) == 1:
        return _between_neighbours(links[0], qubits, slot, fidelity, rate)
    best: tuple[Step, float] | None = None
    pivot, visited = len(links) // 2, set[int]()
    while 0 < pivot < len(links) and pivot not in visited:
        visited.add(pivot)
        found, left, right = _with_pivot(links, qubits, slot, fidelity, rate, pivot)
        best = _better(best, found)
        if left == right:
            break
        pivot += -1 if left < right else 1
    return best


def _better(one: tuple[Step, float] | None, other: tuple[Step, float] | None) -> tuple[Step, float] | None:
    """By rate, then fidelity; the first of equals."""
    if one is None or other is None:
        return one or other
    return other if (other[1], other[0].fidelity) > (one[1], one[0].fidelity) else one


def _between_neighbours(
    link: _Link, qubits: _Qubits, slot: float, fidelity: float, rate: float
) -> tuple[Step, float] | None:
    direct = [(1 / (slots * slot), c, slots) for c, slots in link if c.fidelity >= fidelity and c.rate >= rate]
    if direct:
        achieved, capability, slots = max(direct, key=lambda entry: (entry[1].rate, entry[1].fidelity))
        return Step.link("0", "1", capability.fidelity, slots, capability.rate), achieved
    counts = dict(zip(("0", "1"), qubits, strict=True))
    least = min(c + s for c, s in qubits)
    best: tuple[Step, float] | None = None
    if least >= 2:
        for capability, slots in link:
            needed = werner.distillations_needed(capability.fidelity, fidelity)
            if needed is not None and _fast_enough((needed + 1) * slots, slot, rate, needed):
                single = Step.link("0", "1", capability.fidelity, slots, capability.rate)
                best = _better(best, _rated(Step.pumped(single, needed), counts, slot, rate, best))
    if best is None and least > 2:
        for capability, slots in link:
            step = Step.link("0", "1", capability.fidelity, slots, capability.rate)
            for level in range(1, least):  # 2^level links need level + 1 qubits at each end
                better = Step.distil(step, step)
                if better.fidelity <= step.fidelity or not _fast_enough(2**level * slots, slot, rate, 2**level):
                    break
                step = better
                if step.fidelity >= fidelity:
                    best = _better(best, _rated(step, counts, slot, rate, best))
                    break
    return best


def _with_pivot(
    links: tuple[_Link, ...], qubits: _Qubits, slot: float, fidelity: float, rate: float, pivot: int
) -> tuple[tuple[Step, float] | None, float, float]:
    """The best tree whose last swaps are at the pivot, and the last rates of both sides (0: none was found)."""
    best: tuple[Step, float] | None = None
    rates, before, needed_before = (0.0, 0.0), None, math.inf
    for distillations in count():
        _spend(distillations + 1)
        needed = werner.fidelity_for_distillations(distillations, fidelity)
        half = werner.unswap(needed)
        if needed_before - needed < werner.BISECTION_TOLERANCE or half <= 0.5:
            break
        needed_before = needed
        spare = [(c, s) for c, s in qubits]
        for node in (pivot, *((0, len(links)) if distillations else ())):
            spare[node] = (spare[node][0], spare[node][1] - 1)
        if min(s for _, s in spare) < 0:
            break
        half_rate = rate * (distillations + 1) / (2 * qubits[pivot][0]) if distillations else rate
        left = _along(links[:pivot], tuple(spare[: pivot + 1]), slot, half, half_rate)
        right = _along(links[pivot:], tuple(spare[pivot:]), slot, half, half_rate)
        rates = (left[1] if left else 0.0, right[1] if right else 0.0)
        if left is None or right is None:
            continue
        if before is not None and before[0] is left[0] and before[1] is right[0]:
            break  # no easier sub-paths: more distillations only cost time
        before = left[0], right[0]
        swapped = Step.swap(left[0], right[0].renamed({str(k): str(k + pivot) for k in range(len(links) - pivot + 1)}))
        extra = werner.distillations_needed(swapped.fidelity, fidelity)
        if extra is not None and extra <= distillations:
            counts = {str(k): pair for k, pair in enumerate(qubits)}
            best = _better(best, _rated(Step.pumped(swapped, extra), counts, slot, rate, best))
    return best, *rates


def _fast_enough(slots: int, slot: float, rate: float, distillations: int) -> bool:
    """A first estimate: the links follow one another, a distillation may need a slot of its own only at the end."""
    return 1 / ((slots + (distillations > 0)) * slot) >= rate


def _rated(
    root: Step, counts: dict[str, tuple[int, int]], slot: float, rate: float, best: tuple[Step, float] | None
) -> tuple[Step, float] | None:
    """The tree with its rate, if it can be placed, is fast enough, and may be better than the best so far."""
    if root.size > MAX_OPERATIONS:
        return None
    _spend(4 * root.size)
    working: Counter[str] = Counter()
    for step in root.walk():
        if step.kind == "link":
            for node in step.nodes:
                working[node] += step.slots
    least = max(-(-slots // counts[node][0]) for node, slots in working.items())
    if 1 / (least * slot) < max(rate, best[1] if best else 0.0):
        return None
    concrete = placed(root, counts)
    if concrete is None:
        return None
    achieved = 1 / (concrete.latency * slot)
    return (root, achieved) if achieved >= rate else None

"""Schedulers that treat the network as a project with scarce resources (RCPSP): protocols that share no qubit run side by side.

Tasks fall into groups that share no qubit (`groups`). In each group instances are taken by deadline and placed at the earliest offset
where every qubit is free when the protocol needs it. Occupation is a bit set for each qubit, an integer whose bit t is slot t. A protocol
fits at s if ``(busy >> s) & pattern == 0`` for all its qubits; the starts that an interval of length n forbids are n shifted copies of
``busy``, or-ed in log2(n) steps. Memory: hyperperiod times busy qubits bits at most, and no more
than the longest period needs, and 4096 slots, at a time.

- ``earliest``: each qubit is needed in its own intervals (RCPSP-NP-EDF);
- ``whole``: all qubits for the protocol's whole length (RCPSP-NP-FPR), a coarser and cheaper search;
- ``segments``: the protocol is cut at its preemption points and may stretch by a budget of slots, held qubits staying held; inside a
  segment qubits are needed in their own intervals (RCPSP-PB) or for all of it (RCPSP-PBS).
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from bitket.networks.scheduling.network import Qubit
from bitket.networks.scheduling.processor import Miss, Pieces, Timetable
from bitket.networks.scheduling.tasks import PeriodicTask

__all__ = ["earliest", "groups", "segments", "whole"]

Pattern = list[tuple[int, int, tuple[tuple[int, int], ...]]]
"""Qubit, bits that it needs, and the same as intervals."""
_FORGET = 4096
"""Slots that are over are dropped from the bit sets in steps of that many."""


def groups(tasks: Sequence[PeriodicTask]) -> list[list[int]]:
    """Connected components of the graph of tasks that share a qubit, as sorted lists of positions."""
    root = list(range(len(tasks)))

    def find(k: int) -> int:
        while root[k] != k:
            root[k] = root[root[k]]
            k = root[k]
        return k

    owner: dict[Qubit, int] = {}
    for k, task in enumerate(tasks):
        for qubit in task.protocol.intervals:
            a, b = sorted((find(owner.setdefault(qubit, k)), find(k)))
            root[b] = a
    found: dict[int, list[int]] = {}
    for k in range(len(tasks)):
        found.setdefault(find(k), []).append(k)
    return list(found.values())


def earliest(tasks: Sequence[PeriodicTask], horizon: int) -> Timetable:
    """RCPSP-NP-EDF.

    Raises
    ------
    Miss
        An instance would be late.
    """
    return _scheduled(tasks, horizon, lambda task, index: _Contiguous(_pattern(task, 0, task.cost, index), task.cost))


def whole(tasks: Sequence[PeriodicTask], horizon: int) -> Timetable:
    """RCPSP-NP-FPR.

    Raises
    ------
    Miss
        An instance would be late.
    """
    return _scheduled(
        tasks, horizon, lambda task, index: _Whole([index[q] for q in task.protocol.intervals], task.cost)
    )


def segments(tasks: Sequence[PeriodicTask], horizon: int, budget: int, *, whole_segments: bool) -> Timetable:
    """RCPSP-PBS (``whole_segments``) and RCPSP-PB. With budget 0 nothing is cut: they are `whole` and `earliest`.

    Raises
    ------
    Miss
        An instance would be late.
    """
    if not budget:
        return whole(tasks, horizon) if whole_segments else earliest(tasks, horizon)
    return _scheduled(tasks, horizon, partial(_Segmented.of, budget=budget, whole_segments=whole_segments))


class _Table:
    """Bit sets of the occupied slots from `base` on."""

    def __init__(self, qubits: int) -> None:
        self.busy = [0] * qubits
        self.base = 0

    def forget(self, before: int) -> None:
        if before - self.base >= _FORGET:
            self.busy = [b >> (before - self.base) for b in self.busy]
            self.base = before


# A placer holds what is known of a task beforehand; called with the table, the release and the deadline, it gives the pieces of an
# instance and for each qubit its occupied slots as bits from `base` on.
_Placement = tuple[Pieces, list[tuple[int, int]]]
_Placer = Callable[[_Table, int, int], _Placement | None]


def _scheduled(
    tasks: Sequence[PeriodicTask], horizon: int, placer: Callable[[PeriodicTask, dict[Qubit, int]], _Placer]
) -> Timetable:
    index: dict[Qubit, int] = {}
    for task in tasks:
        for qubit in task.protocol.intervals:
            index.setdefault(qubit, len(index))
    return _list_schedule(tasks, horizon, index, [placer(task, index) for task in tasks])


def _list_schedule(
    tasks: Sequence[PeriodicTask], horizon: int, index: dict[Qubit, int], placers: Sequence[_Placer]
) -> Timetable:
    """Place all instances, the released one with the earliest deadline first. An instance is released when the schedule of
    one of its qubits has reached its release time."""
    table = _Table(len(index))
    users: list[list[int]] = [[] for _ in index]
    for k, task in enumerate(tasks):
        for qubit in task.protocol.intervals:
            users[index[qubit]].append(k)
    found: Timetable = [[] for _ in tasks]
    pending = dict.fromkeys(range(len(tasks)), 0)  # task: release of its next instance
    reach = [0] * len(tasks)  # how far the schedule of one of its qubits has come
    ready: list[tuple[int, int]] = [(task.period, k) for k, task in enumerate(tasks)]
    heapq.heapify(ready)
    waiting: set[int] = set()
    while ready or waiting:
        if not ready:
            first = min(pending[k] for k in waiting)
            ready = [(pending[k] + tasks[k].period, k) for k in waiting if pending[k] == first]
            waiting.difference_update(k for _, k in ready)
            heapq.heapify(ready)
        deadline, k = heapq.heappop(ready)
        task = tasks[k]
        placed = placers[k](table, pending[k], deadline)
        if placed is None:
            raise Miss(task, len(found[k]))
        pieces, bits = placed
        found[k].append(pieces)
        pending[k] = deadline
        if deadline < horizon:
            waiting.add(k)
        else:
            del pending[k]
        touched = set()
        for number, occupied in bits:
            table.busy[number] |= occupied
            front = table.base + table.busy[number].bit_length()
            for other in users[number]:
                reach[other] = max(reach[other], front)
                touched.add(other)
        for other in touched & waiting:
            if pending[other] <= reach[other]:
                waiting.discard(other)
                heapq.heappush(ready, (pending[other] + tasks[other].period, other))
        if pending:
            table.forget(min(pending.values()))
    return found


# -- patterns -----------------------------------------------------------------------------------------------------------
def _pattern(task: PeriodicTask, begin: int, end: int, index: dict[Qubit, int], *, full: bool = False) -> Pattern:
    """What a stretch of a protocol needs, its first slot being 0; ``full``: each qubit for all of it."""
    found: Pattern = []
    for qubit, spans in task.protocol.intervals.items():
        inside = [(max(a, begin) - begin, min(b, end) - begin) for a, b in spans if a < end and b > begin]
        if not inside:
            continue
        if full:
            inside = [(0, end - begin)]
        joined: list[tuple[int, int]] = []
        for a, b in inside:
            if joined and joined[-1][1] == a:
                joined[-1] = (joined[-1][0], b)
            else:
                joined.append((a, b))
        found.append((index[qubit], sum((1 << b) - (1 << a) for a, b in joined), tuple(joined)))
    return found


def _forbidden(busy: int, length: int) -> int:
    """Starts at which an interval of some length would meet an occupied slot: OR of ``busy >> j`` for j < length."""
    done = 1
    while 2 * done <= length:
        busy |= busy >> done
        done *= 2
    return busy | (busy >> (length - done))


def _first_zero(bits: int) -> int:
    """Position of the lowest bit that is not set."""
    return (~bits & (bits + 1)).bit_length() - 1


def _fit(busy: list[int], pattern: Pattern, start: int, latest: int) -> int | None:
    """The earliest start, from ``start`` to ``latest``, at which a pattern meets no occupied slot."""
    clear = 0  # qubits in a row that fit at this start
    while clear < len(pattern):
        for qubit, mask, spans in pattern:
            rest = busy[qubit] >> start
            if rest & mask:
                bad = 0
                for a, b in spans:
                    bad |= _forbidden(rest >> a, b - a)
                start += _first_zero(bad)
                if start > latest:
                    return None
                clear = 1
            else:
                clear += 1
            if clear == len(pattern):
                break
    return start if start <= latest else None


@dataclass(frozen=True)
class _Contiguous:
    pattern: Pattern
    cost: int

    def __call__(self, table: _Table, release: int, deadline: int) -> _Placement | None:
        start = _fit(table.busy, self.pattern, release - table.base, deadline - self.cost - table.base)
        if start is None:
            return None
        return ((0, self.cost, start + table.base),), [(q, mask << start) for q, mask, _ in self.pattern]


@dataclass(frozen=True)
class _Whole:
    qubits: list[int]
    cost: int

    def __call__(self, table: _Table, release: int, deadline: int) -> _Placement | None:
        start, union = release - table.base, 0
        for qubit in self.qubits:
            union |= table.busy[qubit]
        start += _first_zero(_forbidden(union >> start, self.cost))
        if start > deadline - self.cost - table.base:
            return None
        bits = ((1 << self.cost) - 1) << start
        return ((0, self.cost, start + table.base),), [(q, bits) for q in self.qubits]


@dataclass(frozen=True)
class _Segmented:
    cuts: tuple[int, ...]
    """Ends of the segments and 0."""
    patterns: list[Pattern]
    held: list[list[tuple[int, int]]]
    """Before each segment: qubits that hold a pair, and since which slot of the protocol."""
    budget: int

    @classmethod
    def of(cls, task: PeriodicTask, index: dict[Qubit, int], *, budget: int, whole_segments: bool) -> _Segmented:
        cuts = (0, *task.protocol.points, task.cost)
        patterns = [_pattern(task, a, b, index, full=whole_segments) for a, b in itertools.pairwise(cuts)]
        spans = task.protocol.intervals.items()
        held = [[(index[q], a) for q, s in spans for a, b in s if a < t < b] for t in cuts[:-1]]
        return cls(cuts, patterns, held, budget)

    def __call__(self, table: _Table, release: int, deadline: int) -> _Placement | None:
        busy, cost = table.busy, self.cuts[-1]
        limit = deadline - table.base
        low = release - table.base
        while True:
            starts = list[int]()
            clock, retry = low, -1
            for k, pattern in enumerate(self.patterns):
                start = _fit(busy, pattern, clock, limit - cost + self.cuts[k])
                if start is None:
                    return None  # a later first start only makes this later
                if starts and start > clock:
                    # Every later try has this segment at `start` or after, so its first segment at `start` less what may come before.
                    if start - starts[0] - self.cuts[k] > self.budget:
                        retry = start - self.cuts[k] - self.budget
                        break
                    gap = ((1 << (start - clock)) - 1) << clock
                    blocked = [(since, (busy[q] & gap).bit_length()) for q, since in self.held[k] if busy[q] & gap]
                    if blocked:  # a held qubit must have been filled after whatever occupies it in the gap
                        retry = max(starts[0] + 1, *(x - since - self.budget for since, x in blocked))
                        break
                starts.append(start)
                clock = start + self.cuts[k + 1] - self.cuts[k]
            else:
                return self._result(table.base, starts)
            low = max(retry, starts[0] + 1)

    def _result(self, base: int, starts: list[int]) -> _Placement:
        pieces: list[tuple[int, int, int]] = []
        occupied: dict[int, int] = {}
        for k, start in enumerate(starts):
            begin, end = self.cuts[k], self.cuts[k + 1]
            if pieces and pieces[-1][2] - pieces[-1][0] == start + base - begin:
                pieces[-1] = (pieces[-1][0], end, pieces[-1][2])
            else:
                if pieces:
                    before = starts[k - 1] + begin - self.cuts[k - 1]
                    for qubit, _ in self.held[k]:
                        occupied[qubit] = occupied.get(qubit, 0) | ((1 << start) - (1 << before))
                pieces.append((begin, end, start + base))
            for qubit, mask, _ in self.patterns[k]:
                occupied[qubit] = occupied.get(qubit, 0) | mask << start
        return tuple(pieces), list(occupied.items())

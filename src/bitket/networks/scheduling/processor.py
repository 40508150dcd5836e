"""Schedulers that treat the whole network as one processor (PTS): at any time at most one protocol goes on.

``edf`` runs, whenever the processor is free, the released instance with the earliest deadline to its end. ``critical_edf`` starts an
instance only if everything that is or becomes due to wait while it runs can still follow in time, and idles otherwise (in the manner of
C. Ekelin 2006, "Clairvoyant non-preemptive EDF scheduling"). ``budgeted_edf`` may suspend an instance, at the points where none of its
operations runs, for at most a budget of slots in all.

Each returns, for every task and instance, the pieces (begin, end, start): the protocol's slots begin, ..., end - 1 run from slot start on.
"""

from __future__ import annotations

import heapq
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from bitket.networks.scheduling.network import Qubit
from bitket.networks.scheduling.tasks import PeriodicTask

__all__ = ["Miss", "Pieces", "Timetable", "budgeted_edf", "critical_edf", "edf"]

Pieces = tuple[tuple[int, int, int], ...]
Timetable = list[list[Pieces]]
"""For each task, for each instance."""


class Miss(Exception):
    """An instance that cannot meet its deadline; ends the attempt to schedule a set of tasks."""

    def __init__(self, task: PeriodicTask, instance: int, end: int | None = None) -> None:
        when = "cannot be placed before" if end is None else f"would end at slot {end}, after"
        super().__init__(
            f"instance {instance} of '{task.name}' {when} its deadline, slot {(instance + 1) * task.period}"
        )


Job = tuple[int, int, int]
"""Deadline, task, instance."""


class _Arrivals:
    """Instances in the order of their releases; one pending for each task."""

    def __init__(self, tasks: Sequence[PeriodicTask], horizon: int) -> None:
        self.tasks, self.horizon = tasks, horizon
        self.pending = [(0, k, 0) for k in range(len(tasks))]

    @property
    def next(self) -> int | None:
        """When the next is released."""
        return self.pending[0][0] if self.pending else None

    def until(self, now: int) -> Iterator[Job]:
        """Those that are released by now."""
        while self.pending and self.pending[0][0] <= now:
            release, task, instance = heapq.heappop(self.pending)
            period = self.tasks[task].period
            if release + period < self.horizon:
                heapq.heappush(self.pending, (release + period, task, instance + 1))
            yield release + period, task, instance

    def soon(self, before: int) -> list[Job]:
        """Those that will be released before then; they stay pending."""
        out = []
        for release, task, instance in self.pending:
            period = self.tasks[task].period
            for k in range((min(before, self.horizon) - release + period - 1) // period):
                out.append((release + (k + 1) * period, task, instance + k))
        return out


def edf(tasks: Sequence[PeriodicTask], horizon: int) -> Timetable:
    """Non-preemptive, earliest deadline first.

    Raises
    ------
    Miss
        An instance would be late.
    """
    found: Timetable = [[] for _ in tasks]
    arrivals, ready, now = _Arrivals(tasks, horizon), list[Job](), 0
    while True:
        for job in arrivals.until(now):
            heapq.heappush(ready, job)
        if ready:
            now = _run(tasks, found, heapq.heappop(ready), now)
        elif arrivals.next is None:
            return found
        else:
            now = arrivals.next


def _run(tasks: Sequence[PeriodicTask], found: Timetable, job: Job, now: int) -> int:
    """Run one instance to its end."""
    deadline, task, instance = job
    end = now + tasks[task].cost
    if end > deadline:
        raise Miss(tasks[task], instance, end)
    found[task].append(((0, tasks[task].cost, now),))
    return end


def critical_edf(tasks: Sequence[PeriodicTask], horizon: int) -> Timetable:
    """Non-preemptive, earliest deadline first among those that may start without endangering another.

    An instance that would run until e may start at once if all that are released before e, in the order of their deadlines one after
    another from e on, end in time. If none may, the processor idles until the next release.

    Raises
    ------
    Miss
        An instance would be late.
    """
    found: Timetable = [[] for _ in tasks]
    arrivals, ready, now = _Arrivals(tasks, horizon), list[Job](), 0
    while True:
        ready = sorted([*ready, *arrivals.until(now)])
        for job in ready:
            end = now + tasks[job[1]].cost
            if end > job[0]:
                raise Miss(tasks[job[1]], job[2], end)
            clock = end
            for deadline, task, _ in sorted([*(j for j in ready if j is not job), *arrivals.soon(end)]):
                clock += tasks[task].cost
                if clock > deadline:
                    break
            else:
                now = _run(tasks, found, job, now)
                ready.remove(job)
                break
        else:
            if arrivals.next is None:
                if not ready:
                    return found
                raise Miss(tasks[ready[0][1]], ready[0][2])
            now = arrivals.next


@dataclass
class _Active:
    """An instance that has started."""

    deadline: int
    task: int
    instance: int
    budget: int
    entry: int
    done: int = 0
    """Slots of its protocol that have run."""
    pieces: list[tuple[int, int, int]] = field(default_factory=list)


def budgeted_edf(tasks: Sequence[PeriodicTask], horizon: int, budget: int) -> Timetable:
    """Earliest deadline first with a preemption budget of slots for every instance.

    When the running instance reaches a preemption point (or ends), a waiting instance with an earlier deadline than the one next in line
    may go first if, with all started instances behind it by (remaining budget, entry), each keeps at least the budget and the slack for
    the work ahead of it, and none needs a qubit that a suspended one behind it holds. With budget 0 this is `edf`.

    Raises
    ------
    Miss
        An instance would be late.
    """
    found: Timetable = [[] for _ in tasks]
    after = [_remaining_qubits(task) for task in tasks]
    held = [{t: task.protocol.held(t) for t in task.protocol.points} for task in tasks]
    points = [(*task.protocol.points, task.cost) for task in tasks]
    arrivals, ready, now, entries = _Arrivals(tasks, horizon), list[Job](), 0, 0
    active: list[_Active] = []  # the first runs

    def may_lead(job: Job, behind: list[_Active]) -> bool:
        deadline, task, _ = job
        ahead = tasks[task].cost
        if now + ahead > deadline:
            return False
        leaders = [after[task][0]]
        for other in behind:
            rest = tasks[other.task].cost - other.done
            if other.budget < ahead or now + ahead + rest > other.deadline:
                return False
            if any(held[other.task][other.done] & qubits for qubits in leaders):
                return False
            leaders.append(after[other.task][other.done])
            ahead += rest
        return True

    while True:
        for job in arrivals.until(now):
            heapq.heappush(ready, job)
        if active and ready and ready[0][0] < active[0].deadline:
            behind = sorted(active, key=lambda a: (a.budget, a.entry))
            for job in sorted(j for j in ready if j[0] < active[0].deadline):
                if may_lead(job, behind):
                    ready.remove(job)
                    heapq.heapify(ready)
                    active = [_Active(*job, budget, entries), *behind]
                    entries += 1
                    break
        if not active:
            if ready:
                active = [_Active(*heapq.heappop(ready), budget, entries)]
                entries += 1
            elif arrivals.next is None:
                return found
            else:
                now = arrivals.next
                continue
        first = active[0]
        waiting = now + 1 if ready else arrivals.next if arrivals.next is not None else horizon
        stops = points[first.task]  # to the first point at which there may be something to decide
        stop = stops[min(bisect_left(stops, max(first.done + waiting - now, first.done + 1)), len(stops) - 1)]
        span = stop - first.done
        if first.pieces and first.pieces[-1][2] + first.pieces[-1][1] - first.pieces[-1][0] == now:
            begin, _, start = first.pieces.pop()
            first.pieces.append((begin, stop, start))
        else:
            first.pieces.append((first.done, stop, now))
        first.done = stop
        now += span
        for other in active[1:]:
            other.budget -= span
        if stop == tasks[first.task].cost:
            if now > first.deadline:
                raise Miss(tasks[first.task], first.instance, now)
            found[first.task].append(tuple(first.pieces))
            del active[0]


def _remaining_qubits(task: PeriodicTask) -> dict[int, frozenset[Qubit]]:
    """Qubits still needed from the start and from each preemption point on."""
    spans = task.protocol.intervals.items()
    return {t: frozenset(q for q, s in spans if s[-1][1] > t) for t in (0, *task.protocol.points)}

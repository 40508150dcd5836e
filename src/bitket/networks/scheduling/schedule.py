"""Admission and the schedule: which demands are served, and what every qubit does in every slot of a repeating period.

Tasks are admitted one after another. One is refused if a qubit would be needed for more than all of the time, if the chosen method finds no
schedule of it together with those admitted before, or if with it the schedule would not repeat soon enough. For the methods that treat the
network as a project, tasks fall into groups that share no qubit; a newcomer concerns only the groups that it touches, and a group's
schedule repeats after its own hyperperiod.
"""

from __future__ import annotations

import itertools
import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from bitket.errors import InvalidInput
from bitket.networks.scheduling.checker import check_schedule
from bitket.networks.scheduling.cycle import METHODS, Cycle, Instance, Method, ScheduledOperation
from bitket.networks.scheduling.decoherence import delivered_fidelities
from bitket.networks.scheduling.demands import Demand
from bitket.networks.scheduling.gantt import gantt
from bitket.networks.scheduling.network import QuantumNetwork, Qubit
from bitket.networks.scheduling.placement import place
from bitket.networks.scheduling.processor import Miss, Timetable, budgeted_edf, critical_edf, edf
from bitket.networks.scheduling.resources import earliest, groups, segments, whole
from bitket.networks.scheduling.search import down, within
from bitket.networks.scheduling.tasks import PeriodicTask, Rejection, balanced, hyperperiod, plan

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = [
    "METHODS",
    "Instance",
    "Method",
    "Schedule",
    "ScheduledOperation",
    "schedule",
    "schedule_demands",
    "timetable",
]


class Schedule(Cycle):
    """A schedule that repeats after its hyperperiod: a `Cycle` and what can be asked of it."""

    def metrics(self) -> dict[str, float]:
        """Throughput (pairs/s), worst-case response time ``wcrt`` (s), largest ``jitter`` (s^2), numbers accepted and rejected.

        The response time of an instance is from release to end; the jitter of a task is the population variance of the differences of
        successive starts from the period. Without accepted tasks all are 0.
        """
        starts: dict[int, list[int]] = {}
        for run in self.instances:
            starts.setdefault(run.task, []).append(run.start)
        jitter = 0.0
        for k, times in starts.items():
            times.sort()
            shifts = [b - a - self.accepted[k].period for a, b in itertools.pairwise(times)]
            if shifts:
                mean = sum(shifts) / len(shifts)
                jitter = max(jitter, sum((x - mean) ** 2 for x in shifts) / len(shifts))
        return {
            "throughput": len(self.instances) / (self.hyperperiod * self.slot),
            "wcrt": max((run.end - run.release for run in self.instances), default=0) * self.slot,
            "jitter": jitter * self.slot**2,
            "accepted": float(len(self.accepted)),
            "rejected": float(len(self.rejected)),
        }

    def check(self) -> None:
        """Verify the schedule slot by slot, by code that shares nothing with the schedulers; time grows with slots times qubits.

        Raises
        ------
        InvalidInput
            What is wrong first, and where.
        """
        check_schedule(self)

    def delivered_fidelities(
        self, times: tuple[float, float] | Mapping[Qubit, tuple[float, float]]
    ) -> dict[str, tuple[float, ...]]:
        """Fidelity of every delivered pair if qubits that wait decohere, for each accepted task by instance.

        A pair decays from the end of the operation that made it to the end of the one that takes it, under relaxation T1 and dephasing T2
        twirled to Pauli channels (p_x = p_y = (1 - e^(-t/T1))/4, p_z = (1 - e^(-t/T2))/2 - p_x), and is twirled back to a Werner state.

        Parameters
        ----------
        times
            (T1, T2) in seconds of all qubits or of each; infinite where nothing decays.

        Raises
        ------
        InvalidInput
            A time is not positive, or T2 exceeds 2 T1.
        """
        return delivered_fidelities(self, times)

    def to_json(self) -> str:
        """Everything as a JSON document; slots are numbers, qubits are written ``node/C0``."""
        document: dict[str, Any] = {
            "method": self.method,
            "budget_slots": self.budget,
            "slot_seconds": self.slot,
            "hyperperiod_slots": self.hyperperiod,
            "metrics": self.metrics(),
            "accepted": [
                {
                    "name": task.name,
                    "period_slots": task.period,
                    "latency_slots": task.cost,
                    "fidelity": task.protocol.fidelity,
                    "demand": asdict(task.demand) if task.demand else None,
                }
                for task in self.accepted
            ],
            "rejected": [
                {
                    "name": r.name,
                    "reason": r.reason,
                    "best_fidelity": r.best_fidelity,
                    "best_rate": r.best_rate,
                    "demand": asdict(r.demand) if r.demand else None,
                }
                for r in self.rejected
            ],
            "operations": [
                {
                    "start": o.start_slot,
                    "end": o.end_slot,
                    "kind": o.kind,
                    "nodes": o.nodes,
                    "qubits": [str(q) for q in o.qubits],
                    "task": o.demand,
                    "instance": o.instance,
                    "inputs": o.inputs,
                }
                for o in self.operations
            ],
            "qubits": {str(q): spans for q, spans in self.occupation().items()},
        }
        return json.dumps(document)

    def figure(self, slots: tuple[int, int] | None = None) -> Figure:
        """Gantt chart: a row for each qubit, a colour for each task, operations dark and waiting pairs light; ``slots`` to show a part."""
        return gantt(self, slots)


# -- making one ---------------------------------------------------------------------------------------------------------
def _maker(method: str, budget: int) -> Callable[[Sequence[PeriodicTask], int], Timetable]:
    match method:
        case "pts-np-edf":
            return edf
        case "pts-cedf":
            return critical_edf
        case "pts-pb":
            return partial(budgeted_edf, budget=budget)
        case "rcpsp-np-edf":
            return earliest
        case "rcpsp-np-fpr":
            return whole
        case "rcpsp-pbs" | "rcpsp-pb":
            return partial(segments, budget=budget, whole_segments=method == "rcpsp-pbs")
    raise InvalidInput(f"method '{method}' is unknown; there are {', '.join(METHODS)}")


def _budget_slots(method: str, budget: float, slot: float) -> int:
    if not 0 <= budget < math.inf:
        raise InvalidInput(f"a preemption budget of {budget} s: it must be 0 or more")
    if not 0 < slot < math.inf:
        raise InvalidInput(f"a slot of {slot} s: it must be positive")
    if budget and method in METHODS and not method.endswith(("-pb", "-pbs")):
        raise InvalidInput(f"method '{method}' never suspends; a budget is for pts-pb, rcpsp-pb and rcpsp-pbs")
    return math.floor(budget / slot + 1e-9)


def timetable(
    tasks: Sequence[PeriodicTask], method: Method = "rcpsp-np-edf", *, budget: float = 0.0, slot: float = 0.01
) -> Schedule | Miss:
    """A schedule of exactly these tasks, or what stands against it. Parameters as in `schedule`.

    Raises
    ------
    InvalidInput
        As `schedule`; or the hyperperiod is above 10 000 000 slots.
    """
    begin = time.perf_counter()
    _unique(tasks)
    limit = _budget_slots(method, budget, slot)
    make = _maker(method, limit)
    hyperperiod(task.period for task in tasks)
    parts = groups(tasks) if method.startswith("rcpsp") else [list(range(len(tasks)))]
    try:
        made = [(part, make([tasks[k] for k in part], _common(tasks, part))) for part in parts]
    except Miss as miss:
        return miss
    return _assembled(method, limit, tasks, (), made, slot, begin)


def schedule(
    tasks: Sequence[PeriodicTask],
    method: Method = "rcpsp-np-edf",
    *,
    budget: float = 0.0,
    slot: float = 0.01,
    rejected: Sequence[Rejection] = (),
) -> Schedule:
    """Admit tasks one after another and schedule those that fit.

    Parameters
    ----------
    tasks
        In the order in which they ask.
    method
        One of `METHODS`. ``pts``: the network as one processor; ``rcpsp``: protocols side by side. ``np``: never suspended; ``pb``: for at
        most the budget; ``edf``: qubits held in their own intervals, ``fpr``: for the whole protocol, ``pbs``: for a whole segment.
    budget
        Seconds for which an instance may be suspended in all; rounded down to slots.
    slot
        In seconds.
    rejected
        Demands refused before; they are listed first.

    Raises
    ------
    InvalidInput
        The method is unknown, the budget negative or of no use to the method, or two tasks have one name.
    """
    begin = time.perf_counter()
    _unique(tasks)
    admission = _Admission(method, budget, slot)
    refused = list(rejected)
    for task in tasks:
        try:
            admission.accept(task, admission.offer(task))
        except (InvalidInput, Miss) as reason:
            refused.append(Rejection(task.name, str(reason), task.demand))
    return admission.schedule(refused, slot, begin)


class _Admission:
    """Those who have been accepted so far, and the timetables of their groups."""

    def __init__(self, method: Method, budget: float, slot: float) -> None:
        self.method, self.limit = method, _budget_slots(method, budget, slot)
        self.make = _maker(method, self.limit)
        self.together = not method.startswith("rcpsp")
        self.accepted: list[PeriodicTask] = []
        self.made: list[tuple[list[int], Timetable]] = []
        self.used: dict[Qubit, float] = {}
        self.load = 0.0
        self.placed = 0
        """Instances that were placed, those of offers that were refused included."""

    def offer(self, task: PeriodicTask) -> tuple[list[int], Timetable]:
        """The group of the task, which is the last, and its timetable.

        Raises
        ------
        InvalidInput, Miss
            It cannot be admitted beside the others.
        """
        share, k = task.utilisation(), len(self.accepted)
        over = next((q for q, u in share.items() if self.used.get(q, 0.0) + u > 1 + 1e-9), None)
        if task.cost > task.period:
            raise InvalidInput(f"one run takes {task.cost} slots, the period is {task.period}")
        if over is not None:
            raise InvalidInput(f"qubit {over} would be needed {self.used.get(over, 0.0) + share[over]:.2f} of the time")
        if self.together and self.load + task.cost / task.period > 1 + 1e-9:
            raise InvalidInput(f"the network would be busy {self.load + task.cost / task.period:.2f} of the time")
        tasks = [*self.accepted, task]
        hyperperiod(t.period for t in tasks)
        part = sorted([k, *(j for members, _ in self.made if self._touched(task, members) for j in members)])
        common = _common(tasks, part)
        self.placed += sum(common // tasks[j].period for j in part)
        return part, self.make([tasks[j] for j in part], common)

    def _touched(self, task: PeriodicTask, members: Sequence[int]) -> bool:
        qubits = task.protocol.intervals.keys()
        return self.together or any(not qubits.isdisjoint(self.accepted[j].protocol.intervals) for j in members)

    def accept(self, task: PeriodicTask, offered: tuple[list[int], Timetable]) -> None:
        """Admit it with the timetable that `offer` gave."""
        self.made = [entry for entry in self.made if not self._touched(task, entry[0])] + [offered]
        self.accepted.append(task)
        self.load += task.cost / task.period
        for qubit, u in task.utilisation().items():
            self.used[qubit] = self.used.get(qubit, 0.0) + u

    def schedule(self, refused: Sequence[Rejection], slot: float, begin: float) -> Schedule:
        """The schedule of all that are accepted."""
        return _assembled(self.method, self.limit, self.accepted, refused, self.made, slot, begin)


def schedule_demands(
    network: QuantumNetwork, demands: Sequence[Demand], method: Method = "rcpsp-np-edf", *, budget: float = 0.0
) -> Schedule:
    """Find protocols for demands, admit and schedule them: `plan`, then `schedule`.

    For a demand that is refused beside the others the best fidelity at its rate and the best rate, a part 1/2, 1/4, ... of its own, at its
    fidelity are looked for that would have been admitted after them; 20 000 placed runs at most are spent on it.

    Raises
    ------
    InvalidInput
        A demand names an unknown node, or as `schedule`.
    """
    tasks, rejected = plan(network, demands)
    begin = time.perf_counter()
    admission = _Admission(method, budget, network.slot)
    refused = []
    for task in tasks:
        try:
            admission.accept(task, admission.offer(task))
        except (InvalidInput, Miss) as reason:
            refused.append((task, str(reason)))
    admission.placed = 0
    for task, why in refused:
        found = _instead(network, admission, task) if admission.placed < 20_000 else (None, None)
        rejected.append(Rejection(task.name, why, task.demand, *found))
    return admission.schedule(rejected, network.slot, begin)


def _instead(network: QuantumNetwork, admission: _Admission, task: PeriodicTask) -> tuple[float | None, float | None]:
    """Best fidelity at the rate, and best rate at the fidelity, of a demand that would be admitted after the others."""

    def admitted(other: PeriodicTask) -> bool:
        if admission.placed >= 20_000:
            return False
        try:
            admission.offer(other)
        except (InvalidInput, Miss):
            return False
        return True

    slower = (replace(task, period=task.period * 2**i) for i in range(1, 10))
    rate = next((down(1 / (t.period * network.slot)) for t in slower if admitted(t)), None)
    assert task.demand is not None
    path, wanted = network.path(task.demand.source, task.demand.destination), 1 / (task.period * network.slot)
    low, high, best = 0.5, task.demand.fidelity, None
    for _ in range(5):
        found, _ = within(50_000, network, path, (low + high) / 2, wanted * (1 - 1e-12))
        placed = found and balanced(network, [*admission.accepted, replace(task, protocol=place(found, network))])[-1]
        if found and placed and admitted(placed):
            best = max(best or 0.0, down((low + high) / 2))
            low = (low + high) / 2
        else:
            high = (low + high) / 2
    return best, rate


def _unique(tasks: Sequence[PeriodicTask]) -> None:
    names = [task.name for task in tasks]
    if len(set(names)) < len(names):
        raise InvalidInput(f"two tasks are named '{next(n for n in names if names.count(n) > 1)}'")


def _common(tasks: Sequence[PeriodicTask], part: Sequence[int]) -> int:
    return hyperperiod(tasks[k].period for k in part)


def _assembled(
    method: str,
    budget: int,
    accepted: Sequence[PeriodicTask],
    rejected: Sequence[Rejection],
    parts: Sequence[tuple[list[int], Timetable]],
    slot: float,
    begin: float,
) -> Schedule:
    """Repeat every group's schedule up to the hyperperiod of all."""
    horizon = hyperperiod(task.period for task in accepted)
    instances = []
    for part, table in parts:
        own = _common(accepted, part)
        for k, runs in zip(part, table, strict=True):
            period = accepted[k].period
            for shift in range(0, horizon, own):
                for i, pieces in enumerate(runs):
                    release = shift + i * period
                    moved = tuple((a, b, start + shift) for a, b, start in pieces)
                    instances.append(Instance(k, release // period, release, release + period, moved))
    instances.sort(key=lambda run: (run.start, run.task))
    return Schedule(
        method,  # type: ignore[arg-type]
        budget,
        tuple(accepted),
        tuple(rejected),
        tuple(instances),
        horizon,
        slot,
        time.perf_counter() - begin,
    )

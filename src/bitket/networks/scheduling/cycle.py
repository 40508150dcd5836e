"""One hyperperiod of a schedule as data: which tasks run when, and what every qubit does."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, get_args

from bitket.networks.scheduling.network import Qubit
from bitket.networks.scheduling.processor import Pieces
from bitket.networks.scheduling.protocol import OperationKind
from bitket.networks.scheduling.tasks import PeriodicTask, Rejection

__all__ = ["METHODS", "Cycle", "Instance", "Method", "ScheduledOperation"]

Method = Literal["pts-np-edf", "pts-cedf", "pts-pb", "rcpsp-np-edf", "rcpsp-np-fpr", "rcpsp-pbs", "rcpsp-pb"]
METHODS: tuple[Method, ...] = get_args(Method)


@dataclass(frozen=True)
class Instance:
    """One run of a task.

    Attributes
    ----------
    task, index
        Position of the task among the accepted ones, and the number of the instance.
    release, deadline
        In slots.
    pieces
        Triples (begin, end, start): slots begin, ..., end - 1 of the protocol run from slot ``start`` on.
    """

    task: int
    index: int
    release: int
    deadline: int
    pieces: Pieces

    @property
    def start(self) -> int:
        """First slot."""
        return self.pieces[0][2]

    @property
    def end(self) -> int:
        """Slot after the last."""
        begin, end, start = self.pieces[-1]
        return start + end - begin

    @property
    def suspended(self) -> int:
        """Slots between start and end in which it does not run."""
        return self.end - self.start - sum(end - begin for begin, end, _ in self.pieces)

    def when(self, slot: int) -> int:
        """When a slot of the protocol runs."""
        return next(start + slot - begin for begin, end, start in self.pieces if begin <= slot < end)


@dataclass(frozen=True)
class ScheduledOperation:
    """An operation in the schedule.

    Attributes
    ----------
    start_slot, end_slot
        It runs in slots start_slot, ..., end_slot - 1.
    kind, nodes, qubits, locks, fidelity
        As in `bitket.networks.scheduling.placement.Operation`.
    demand, instance
        Name of the task, and number of its instance.
    inputs
        Positions, in the list of operations, of those whose pairs it takes.
    """

    start_slot: int
    end_slot: int
    kind: OperationKind
    nodes: tuple[str, ...]
    qubits: tuple[Qubit, ...]
    locks: tuple[Qubit, ...]
    demand: str
    instance: int
    inputs: tuple[int, ...]
    fidelity: float


@dataclass(frozen=True)
class Cycle:
    """A schedule as data; it repeats after its hyperperiod.

    Attributes
    ----------
    method, budget
        How it was made; the budget in slots.
    accepted, rejected
        Tasks that are served, and what is refused, with the reason.
    instances
        All runs of accepted tasks in one hyperperiod, sorted by start.
    hyperperiod, slot
        In slots, and the slot in seconds.
    seconds
        Time that scheduling took.
    """

    method: Method
    budget: int
    accepted: tuple[PeriodicTask, ...]
    rejected: tuple[Rejection, ...]
    instances: tuple[Instance, ...]
    hyperperiod: int
    slot: float
    seconds: float = field(default=0.0, compare=False)

    @cached_property
    def operations(self) -> tuple[ScheduledOperation, ...]:
        """What is done in one hyperperiod, sorted by start; inputs come before what takes them."""
        rows: list[tuple[int, int, int, ScheduledOperation, tuple[int, ...]]] = []
        for run in self.instances:
            task = self.accepted[run.task]
            first = len(rows)
            for k, o in enumerate(task.protocol.operations):
                start = run.when(o.start)
                inputs = tuple(first + i for i in o.inputs)
                done = ScheduledOperation(
                    start,
                    start + o.end - o.start,
                    o.kind,
                    o.nodes,
                    o.qubits,
                    o.locks,
                    task.name,
                    run.index,
                    (),
                    o.fidelity,
                )
                rows.append((start, done.end_slot, first + k, done, inputs))
        rows.sort(key=lambda row: row[:3])
        place = {row[2]: k for k, row in enumerate(rows)}
        return tuple(
            ScheduledOperation(**(vars(done) | {"inputs": tuple(place[i] for i in inputs)}))
            for *_, done, inputs in rows
        )

    def occupation(self) -> dict[Qubit, list[tuple[int, int, str, int]]]:
        """For each qubit its occupied intervals as (start slot, end slot, task, instance), sorted."""
        found: dict[Qubit, list[tuple[int, int, str, int]]] = {}
        for run in self.instances:
            task = self.accepted[run.task]
            for qubit, spans in task.protocol.intervals.items():
                for a, b in spans:
                    found.setdefault(qubit, []).append((run.when(a), run.when(b - 1) + 1, task.name, run.index))
        return {qubit: sorted(spans) for qubit, spans in sorted(found.items())}

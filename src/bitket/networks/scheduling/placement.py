"""Placing a protocol on qubits and slots: when each operation runs and which qubits it holds.

Three passes. As soon as possible: in post-order every operation gets the earliest start over all choices of qubits; a link is made on
communication qubits and moves into a free storage qubit at once, else it waits where it was made. As late as possible: operations move
towards what consumes them, last first, where the qubits allow it. Then swaps and distillations move back to the moment when their inputs
are there, which frees qubits early. A qubit is occupied from the start of the link that fills it to the end of the operation that frees it.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from bitket.errors import InvalidInput
from bitket.networks.scheduling.network import QuantumNetwork, Qubit
from bitket.networks.scheduling.protocol import OperationKind, RepeaterProtocol, Step

__all__ = ["ConcreteProtocol", "Operation", "place", "placed"]

_NEVER = 1 << 60

Interval = tuple[int, int]


@dataclass(frozen=True)
class Operation:
    """An operation on qubits, in slots since the protocol's start.

    Attributes
    ----------
    kind, nodes
        As in `Step`.
    start, end
        It runs in slots start, ..., end - 1.
    qubits
        All that it works on: of a link the communication qubits and the storage qubits that take the pair.
    locks
        The two that hold its pair afterwards; empty for the last operation, whose pair is handed over.
    inputs
        Positions, in the protocol, of the operations whose pairs it takes.
    fidelity
        Of its pair.
    """

    kind: OperationKind
    nodes: tuple[str, ...]
    start: int
    end: int
    qubits: tuple[Qubit, ...]
    locks: tuple[Qubit, ...]
    inputs: tuple[int, ...]
    fidelity: float


@dataclass(frozen=True)
class ConcreteProtocol:
    """A placed protocol.

    Attributes
    ----------
    operations
        In post-order.
    intervals
        For each qubit the sorted, disjoint half-open intervals of slots in which it is occupied, one for each time that it is filled and freed.
    latency
        Slots from the first start to the last end.
    latencies, idle_slots
        Latency, and slots in which occupied qubits only wait, after the three passes.
    """

    operations: tuple[Operation, ...]
    intervals: Mapping[Qubit, tuple[Interval, ...]]
    latency: int
    latencies: tuple[int, int, int]
    idle_slots: tuple[int, int, int]

    @property
    def fidelity(self) -> float:
        """Of the delivered pair."""
        return self.operations[-1].fidelity

    @cached_property
    def points(self) -> tuple[int, ...]:
        """Preemption points: instants strictly inside at which no operation runs."""
        running = [False] * (self.latency + 1)
        for operation in self.operations:
            for t in range(operation.start + 1, operation.end):
                running[t] = True
        return tuple(t for t in range(1, self.latency) if not running[t])

    def held(self, instant: int) -> frozenset[Qubit]:
        """Qubits that hold a pair across an instant."""
        return frozenset(q for q, spans in self.intervals.items() if any(a < instant < b for a, b in spans))

    def moved(self, names: Mapping[Qubit, Qubit]) -> ConcreteProtocol:
        """The same protocol on other qubits of the same nodes."""
        operations = tuple(
            Operation(
                o.kind,
                o.nodes,
                o.start,
                o.end,
                tuple(names[q] for q in o.qubits),
                tuple(names[q] for q in o.locks),
                o.inputs,
                o.fidelity,
            )
            for o in self.operations
        )
        intervals = {names[q]: spans for q, spans in self.intervals.items()}
        return ConcreteProtocol(operations, intervals, self.latency, self.latencies, self.idle_slots)


def place(protocol: RepeaterProtocol, network: QuantumNetwork) -> ConcreteProtocol:
    """Place a protocol on the qubits of an otherwise empty network.

    Raises
    ------
    InvalidInput
        Its nodes have too few qubits.
    """
    found = placed(protocol.root, {node: network.qubit_counts(node) for node in protocol.path})
    if found is None:
        raise InvalidInput(
            f"the protocol from '{protocol.path[0]}' to '{protocol.path[-1]}' needs more qubits than its nodes have"
        )
    return found


def placed(root: Step, counts: Mapping[str, tuple[int, int]]) -> ConcreteProtocol | None:
    """Place a tree on nodes with given numbers of communication and storage qubits; None if it does not fit."""
    for patient in (False, True):
        plan = _Plan(counts, patient)
        if plan.as_soon_as_possible(root):
            stages = [plan.measured()]
            plan.as_late_as_possible()
            stages.append(plan.measured())
            plan.pull_back()
            stages.append(plan.measured())
            return plan.result(stages)
    return None


class _Plan:
    """Operations with starts that move; a qubit's occupation is (first operation, last operation) and moves with them."""

    def __init__(self, counts: Mapping[str, tuple[int, int]], patient: bool) -> None:
        self.patient = patient
        """Wait for a storage qubit rather than keep the communication qubit."""
        self.qubits = {
            node: ([Qubit(node, "C", k) for k in range(c)], [Qubit(node, "S", k) for k in range(s)])
            for node, (c, s) in counts.items()
        }
        self.steps: list[Step] = []
        self.start: list[int] = []
        self.inputs: list[tuple[int, ...]] = []
        self.used: list[tuple[Qubit, ...]] = []
        self.pair: list[tuple[Qubit, Qubit]] = []
        self.holds: dict[Qubit, list[list[int]]] = {
            q: [] for both in self.qubits.values() for q in (*both[0], *both[1])
        }
        """For each qubit, by start, [first operation, last operation], the last -1 as long as no operation frees it."""
        self.last = dict.fromkeys(self.holds, 0)
        """While operations are placed as soon as possible: when each qubit is free for good."""

    def end(self, k: int) -> int:
        return self.start[k] + self.steps[k].slots

    def spans(self, qubit: Qubit) -> list[Interval]:
        return [(self.start[a], _NEVER if b < 0 else self.end(b)) for a, b in self.holds[qubit]]

    # -- as soon as possible ----------------------------------------------------------------------------------------
    def as_soon_as_possible(self, root: Step) -> bool:
        waiting: list[int] = []
        for step in root.walk():
            k = len(self.steps)
            self.steps.append(step)
            taken = tuple(waiting[len(waiting) - len(step.inputs) :])
            del waiting[len(waiting) - len(step.inputs) :]
            self.inputs.append(taken)
            waiting.append(k)
            if step.kind == "link":
                if not self._link(k, step):
                    return False
                continue
            first, second = (self.pair[i] for i in taken)
            self.start.append(max(self.end(i) for i in taken))
            self.used.append((*first, *second) if step.kind == "distil" else (first[1], second[0]))
            self.pair.append(first if step.kind == "distil" else (first[0], second[1]))
            for qubit in second if step.kind == "distil" else (first[1], second[0]):
                self.holds[qubit][-1][1] = k
                self.last[qubit] = self.end(k)
        for qubit in self.pair[-1]:
            self.holds[qubit][-1][1] = len(self.steps) - 1
        return True

    def _link(self, k: int, step: Step) -> bool:
        """Earliest start over the choices of qubits at both ends."""
        soonest = max(min(self.last[q] for kind in self.qubits[node] for q in kind) for node in step.nodes)
        ends = {b for node in step.nodes for kind in self.qubits[node] for q in kind for b in self._ends(q, soonest)}
        for start in sorted(ends | {soonest}):
            sides = [self._side(node, start, step.slots) for node in step.nodes]
            if all(sides):
                self.start.append(start)
                self.used.append(tuple(q for side in sides if side for q in dict.fromkeys(side)))
                self.pair.append((sides[0][1], sides[1][1]))  # type: ignore[index]
                for maker, keeper in (side for side in sides if side):
                    if maker != keeper:
                        insort(self.holds[maker], [k, k], key=lambda hold: self.start[hold[0]])
                        self.last[maker] = max(self.last[maker], start + step.slots)
                    self.holds[keeper].append([k, -1])
                    self.last[keeper] = _NEVER
                return True
        return False

    def _ends(self, qubit: Qubit, after: int) -> Iterator[int]:
        """Ends of its occupations later than that; the last first."""
        for _, b in reversed(self.holds[qubit]):
            if b >= 0:
                end = self.end(b)
                if end <= after:
                    return
                yield end

    def _side(self, node: str, start: int, slots: int) -> tuple[Qubit, Qubit] | None:
        """A communication qubit that makes the link, and the qubit that keeps it, free from then on."""
        makers = [q for q in self.qubits[node][0] if self._open(q, start, start + slots)]
        if not makers:
            return None
        stores = [q for q in self.qubits[node][1] if self.last[q] <= start]
        if stores:
            return makers[0], max(stores, key=lambda q: self.last[q])
        if self.patient and any(self.last[q] < _NEVER for q in self.qubits[node][1]):
            return None
        return next(((q, q) for q in makers if self.last[q] <= start), None)

    def _open(self, qubit: Qubit, start: int, end: int) -> bool:
        """Whether nothing occupies a qubit in these slots."""
        for a, b in reversed(self.holds[qubit]):
            if b >= 0 and self.end(b) <= start:
                return True
            if self.start[a] < end:
                return False
        return True

    # -- the other two passes ---------------------------------------------------------------------------------------
    def as_late_as_possible(self) -> None:
        consumer = {i: k for k, taken in enumerate(self.inputs) for i in taken}
        for k in sorted(consumer, key=lambda k: (self.start[k], k), reverse=True):
            slots = self.steps[k].slots
            latest = self.start[consumer[k]] - slots
            bounds: list[Interval] = []  # other occupations of qubits whose own occupation would move or grow
            for qubit in self.used[k]:
                own = [hold for hold in self.holds[qubit] if hold[1] == k]
                bounds += [
                    (self.start[a], self.end(b)) for a, b in self.holds[qubit] if own and [a, b] not in own and b >= 0
                ]
            wanted = {latest} | {a - slots for a, _ in bounds}
            for start in sorted((s for s in wanted if self.start[k] < s <= latest), reverse=True):
                if self._fits(k, start, bounds):
                    self.start[k] = start
                    break

    def _fits(self, k: int, start: int, bounds: list[Interval]) -> bool:
        """Whether operation k may start then: what it makes anew must be free, and what it frees must stay free until its new end."""
        end = start + self.steps[k].slots
        since = start if self.steps[k].kind == "link" else self.start[k]
        return all(b <= since or a >= end for a, b in bounds)

    def pull_back(self) -> None:
        for k in sorted(range(len(self.steps)), key=lambda k: (self.start[k], k)):
            if self.inputs[k]:
                self.start[k] = max(self.end(i) for i in self.inputs[k])
        first = min(self.start)
        self.start = [s - first for s in self.start]

    # -- results ----------------------------------------------------------------------------------------------------
    def measured(self) -> tuple[int, int]:
        """Latency, and slots in which qubits are occupied without an operation."""
        occupied = sum(b - a for q in self.holds for a, b in self.spans(q))
        worked = sum(step.slots * len(qubits) for step, qubits in zip(self.steps, self.used, strict=True))
        return self.end(len(self.steps) - 1) - min(self.start), occupied - worked

    def result(self, stages: list[tuple[int, int]]) -> ConcreteProtocol:
        last = len(self.steps) - 1
        operations = tuple(
            Operation(
                step.kind,
                step.nodes,
                self.start[k],
                self.end(k),
                self.used[k],
                self.pair[k] if k < last else (),
                self.inputs[k],
                step.fidelity,
            )
            for k, step in enumerate(self.steps)
        )
        intervals = {q: tuple(sorted(self.spans(q))) for q, holds in self.holds.items() if holds}
        latencies, idle = zip(*stages, strict=True)
        return ConcreteProtocol(operations, intervals, stages[-1][0], latencies, idle)

"""A check of placements and schedules, slot by slot, from the operations alone: it shares no code with what made them.

Every run of a protocol is played through its slots. A link uses one communication qubit at each of its nodes and at most one storage qubit;
one qubit at each node holds the pair from then on, until a swap or a distillation frees it. No qubit is in two hands in one slot.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from bitket.errors import InvalidInput
from bitket.networks.scheduling.cycle import Cycle, Instance
from bitket.networks.scheduling.network import Qubit
from bitket.networks.scheduling.placement import ConcreteProtocol, Operation

__all__ = ["check_placement", "check_schedule"]


def check_placement(protocol: ConcreteProtocol) -> None:
    """Verify a placed protocol and the intervals that it states.

    Raises
    ------
    InvalidInput
        What is wrong first.
    """
    _check_operations("protocol", protocol.operations)
    if protocol.latency != max(o.end for o in protocol.operations) or min(o.start for o in protocol.operations) != 0:
        raise InvalidInput(f"protocol: it does not last from slot 0 to its latency, {protocol.latency}")
    stated = {(q, t) for q, spans in protocol.intervals.items() for a, b in spans for t in range(a, b)}
    played = {(q, t) for t, q, _ in _played("protocol", protocol.operations, list(range(protocol.latency)))}
    for qubit, t in sorted(stated ^ played):
        raise InvalidInput(
            f"protocol: qubit {qubit} in slot {t} is {'not ' if (qubit, t) in stated else ''}occupied against its intervals"
        )


def check_schedule(schedule: Cycle) -> None:
    """Verify a schedule.

    Raises
    ------
    InvalidInput
        What is wrong first: task, instance, slot and qubit.
    """
    seen: dict[int, set[int]] = {k: set() for k in range(len(schedule.accepted))}
    owner: dict[Qubit, np.ndarray] = {}
    processor = np.full(schedule.hyperperiod, -1) if schedule.method.startswith("pts") else None
    for task in schedule.accepted:
        _check_operations(f"task '{task.name}'", task.protocol.operations)
    for number, run in enumerate(schedule.instances):
        if run.task not in seen:
            raise InvalidInput(f"instance {run.index} is of a task that was not accepted")
        task = schedule.accepted[run.task]
        where = f"task '{task.name}', instance {run.index}"
        if run.index in seen[run.task]:
            raise InvalidInput(f"{where}: it is there twice")
        seen[run.task].add(run.index)
        operations = task.protocol.operations
        if (run.release, run.deadline) != (run.index * task.period, (run.index + 1) * task.period):
            raise InvalidInput(
                f"{where}: released at {run.release} and due at {run.deadline} against its period {task.period}"
            )
        at = _slots(where, run, max(o.end for o in operations))
        if at[0] < run.release:
            raise InvalidInput(f"{where}: it starts at slot {at[0]}, before its release at {run.release}")
        if at[-1] + 1 > run.deadline:
            raise InvalidInput(f"{where}: it is late; it ends at slot {at[-1] + 1}, after its deadline {run.deadline}")
        waits = at[-1] + 1 - at[0] - len(at)
        if waits > schedule.budget:
            raise InvalidInput(f"{where}: suspended for {waits} slots, above the budget of {schedule.budget}")
        for slot, qubit, what in _played(where, operations, at):
            table = owner.setdefault(qubit, np.full(schedule.hyperperiod, -1))
            if table[slot] not in (-1, number):
                other = schedule.instances[table[slot]]
                raise InvalidInput(
                    f"{where}: qubit {qubit} in slot {slot} ({what}) is also taken by task '{schedule.accepted[other.task].name}', "
                    f"instance {other.index}"
                )
            table[slot] = number
        if processor is not None:
            taken = processor[at]
            if (taken >= 0).any():
                raise InvalidInput(
                    f"{where}: another instance runs in slot {at[int(np.argmax(taken >= 0))]} of the one processor"
                )
            processor[at] = number
    for k, found in seen.items():
        wanted = schedule.hyperperiod / schedule.accepted[k].period
        if found != set(range(int(wanted))) or wanted != int(wanted):
            raise InvalidInput(
                f"task '{schedule.accepted[k].name}': {len(found)} instances are there, {wanted:g} are needed"
            )


def _slots(where: str, run: Instance, length: int) -> list[int]:
    """The slot in which each slot of the protocol runs."""
    at: list[int] = []
    for begin, end, start in run.pieces:
        if begin != len(at) or end <= begin:
            raise InvalidInput(
                f"{where}: wrong length; after {len(at)} slots of the protocol come slots {begin} to {end}"
            )
        if at and start <= at[-1]:
            raise InvalidInput(f"{where}: a piece starts at slot {start}, before the one before it has ended")
        at.extend(range(start, start + end - begin))
    if len(at) != length:
        raise InvalidInput(f"{where}: wrong length; {len(at)} slots are scheduled, the protocol takes {length}")
    return at


def _check_operations(where: str, operations: Sequence[Operation]) -> None:
    """Numbers and places of the qubits of every operation, and that every pair but the last is used once."""
    used: set[int] = set()
    for k, o in enumerate(operations):
        here = f"{where}, operation {k} ({o.kind})"
        last = k == len(operations) - 1
        if len(set(o.qubits)) < len(o.qubits):
            raise InvalidInput(f"{here}: a qubit is named twice")
        if o.end <= o.start or o.start < 0:
            raise InvalidInput(f"{here}: it runs from slot {o.start} to {o.end}")
        if (
            len(o.inputs) != (0 if o.kind == "link" else 2)
            or not all(0 <= i < k for i in o.inputs)
            or used & set(o.inputs)
        ):
            raise InvalidInput(f"{here}: inputs {o.inputs}")
        used |= set(o.inputs)
        ends = (o.nodes[0], o.nodes[-1])
        if last != (not o.locks) or (o.locks and tuple(q.node for q in o.locks) != ends):
            raise InvalidInput(f"{here}: its pair is held by {[str(q) for q in o.locks]}")
        if o.kind == "link":
            kinds: list[tuple[str, str]] = sorted((q.node, q.kind) for q in o.qubits)
            makers: list[tuple[str, str]] = sorted((node, "C") for node in ends)
            spare = [kind for kind in kinds if kind not in makers]
            if not 2 <= len(kinds) <= 4 or kinds != sorted(makers + spare) or set(spare) > {(n, "S") for n in ends}:
                raise InvalidInput(f"{here}: it uses {[str(q) for q in o.qubits]}")
            if not set(o.locks) <= set(o.qubits):
                raise InvalidInput(f"{here}: it uses other qubits than it locks")
        elif len(o.qubits) != (2 if o.kind == "swap" else 4) or o.end != o.start + 1:
            raise InvalidInput(f"{here}: {len(o.qubits)} qubits for {o.end - o.start} slots")
    if used != set(range(len(operations) - 1)):
        raise InvalidInput(f"{where}: a pair is never used")


def _played(where: str, operations: Sequence[Operation], at: Sequence[int]) -> Iterator[tuple[int, Qubit, str]]:
    """Every slot and qubit that a run occupies; `at` says when each slot of the protocol runs. Rules are checked on the way."""
    begins = {k: at[o.start] for k, o in enumerate(operations)}
    ends = {k: at[o.end - 1] + 1 for k, o in enumerate(operations)}
    for k, o in enumerate(operations):
        if ends[k] - begins[k] != o.end - o.start:
            raise InvalidInput(f"{where}: operation {k} ({o.kind}) is interrupted")
        if any(ends[i] > begins[k] for i in o.inputs):
            raise InvalidInput(f"{where}: operation {k} ({o.kind}) starts before its inputs are there")
    holder: dict[Qubit, int] = {}  # qubit: the operation whose pair it holds
    for slot in range(at[0], at[-1] + 1):
        for k, o in enumerate(operations):  # what has just ended
            if ends[k] != slot:
                continue
            if o.kind != "link":
                for qubit in [q for q, i in holder.items() if i in o.inputs]:
                    del holder[qubit]
            for qubit in o.locks:
                holder[qubit] = k
        busy: dict[Qubit, int] = {}
        for k, o in enumerate(operations):
            if not begins[k] <= slot < ends[k]:
                continue
            for qubit in o.qubits:
                if qubit in busy:
                    raise InvalidInput(f"{where}: qubit {qubit} is in two operations in slot {slot}")
                busy[qubit] = k
                yield slot, qubit, o.kind
            mine = {q for q, i in holder.items() if i in o.inputs}
            if o.kind == "link":
                if any(q in holder for q in o.qubits):
                    raise InvalidInput(f"{where}: operation {k} (link) uses a locked qubit in slot {slot}")
            elif o.kind == "distil":
                if set(o.qubits) != mine or len(mine) != 4 or not set(o.locks) <= mine:
                    raise InvalidInput(f"{where}: operation {k} (distil) does not use the qubits of its two pairs")
            elif (
                not set(o.qubits) <= mine
                or len(mine) != 4
                or {q.node for q in o.qubits} != {o.nodes[1]}
                or (o.locks and set(o.locks) != mine - set(o.qubits))
            ):
                raise InvalidInput(
                    f"{where}: operation {k} (swap) does not use the qubits of its two pairs at {o.nodes[1]}"
                )
        for qubit in holder:
            if qubit not in busy:
                yield slot, qubit, "held"

"""Periodic tasks: one for each demand; every period its protocol must run once, from release to deadline one period later."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from bitket.errors import InvalidInput
from bitket.networks.scheduling.demands import Demand, offered_rates
from bitket.networks.scheduling.network import QuantumNetwork, Qubit
from bitket.networks.scheduling.placement import ConcreteProtocol, place
from bitket.networks.scheduling.protocol import RepeaterProtocol
from bitket.networks.scheduling.search import alternatives, find_protocol

__all__ = ["MAX_HYPERPERIOD", "PeriodicTask", "Rejection", "balanced", "hyperperiod", "plan"]

MAX_HYPERPERIOD = 10_000_000
"""Slots."""


@dataclass(frozen=True)
class PeriodicTask:
    """A protocol to run once in every period.

    Attributes
    ----------
    name
        Of its own.
    protocol
        Placed on the qubits that it will use.
    period
        Slots; instance i is released at slot i * period and due at (i + 1) * period.
    demand
        What it serves.
    """

    name: str
    protocol: ConcreteProtocol
    period: int
    demand: Demand | None = None

    def __post_init__(self) -> None:
        if isinstance(self.period, bool) or not isinstance(self.period, int) or self.period < 1:
            raise InvalidInput(
                f"task '{self.name}': its period is {self.period!r}; a whole number of slots above 0 is needed"
            )

    @property
    def cost(self) -> int:
        """Slots that one run takes."""
        return self.protocol.latency

    def utilisation(self) -> dict[Qubit, float]:
        """For each qubit the part of the time in which this task occupies it."""
        return {q: sum(b - a for a, b in spans) / self.period for q, spans in self.protocol.intervals.items()}


@dataclass(frozen=True)
class Rejection:
    """A demand or task that is not served, and why.

    Attributes
    ----------
    best_fidelity
        The best that was found at the rate that is asked for, or None.
    best_rate
        The best, in hertz, that was found at the fidelity that is asked for, or None.
    """

    name: str
    reason: str
    demand: Demand | None = None
    best_fidelity: float | None = None
    best_rate: float | None = None

    def __str__(self) -> str:
        if self.demand is None:
            return self.reason
        parts = [
            f"fidelity {self.best_fidelity:g} at {self.demand.rate:g} Hz" if self.best_fidelity else "",
            f"{self.best_rate:g} Hz at fidelity {self.demand.fidelity:g}" if self.best_rate else "",
        ]
        found = ", or ".join(part for part in parts if part)
        return f"{self.reason}; possible: {found}" if found else self.reason


def hyperperiod(periods: Iterable[int]) -> int:
    """Least common multiple of periods in slots.

    Raises
    ------
    InvalidInput
        It is above 10 000 000 slots.
    """
    found = math.lcm(1, *periods)
    if found > MAX_HYPERPERIOD:
        raise InvalidInput(
            f"the schedule would repeat after {found} slots, at most {MAX_HYPERPERIOD} are allowed; choose periods with common factors"
        )
    return found


def plan(network: QuantumNetwork, demands: Sequence[Demand]) -> tuple[list[PeriodicTask], list[Rejection]]:
    """Tasks for demands, spread over the qubits (`balanced`), and the demands for which there is no protocol.

    The period is the longest that keeps the rate, floor(1 / (rate slot)). Task k is named ``demand k``. What else was possible is looked for
    for the first few that are rejected, some ten seconds in all.

    Raises
    ------
    InvalidInput
        A demand names a node that does not exist.
    """
    tasks, rejected, work = [], [], 1_000_000
    for k, demand in enumerate(demands):
        name = f"demand {k}"
        for node in (demand.source, demand.destination):
            if node not in network.graph:
                raise InvalidInput(f"{name}: there is no node '{node}' in the network")
        path: tuple[str, ...] = ()
        needed = demand.rate
        try:
            path = network.path(demand.source, demand.destination)
            if demand.rate * network.slot * MAX_HYPERPERIOD < 1:
                raise InvalidInput(
                    f"rate {demand.rate:g} Hz: the schedule repeats after {MAX_HYPERPERIOD} slots at most; "
                    f"at least {1 / (network.slot * MAX_HYPERPERIOD):g} Hz can be asked for"
                )
            period = math.floor(1 / (demand.rate * network.slot) + 1e-9)
            if period < 1:
                raise InvalidInput(
                    f"rate {demand.rate:g} Hz: at most one pair a slot can be made, {1 / network.slot:g} Hz"
                )
            needed = 1 / (period * network.slot) * (1 - 1e-12)
            protocol = _protocol(network, path, demand.fidelity, needed)
            tasks.append(PeriodicTask(name, place(protocol, network), period, demand))
        except InvalidInput as error:
            best, fastest = None, None
            if path and work > 0:
                best, fastest, done = alternatives(network, path, demand.fidelity, needed)
                work -= done
            rejected.append(Rejection(name, str(error), demand, best, fastest))
    return balanced(network, tasks), rejected


def _protocol(network: QuantumNetwork, path: tuple[str, ...], fidelity: float, rate: float) -> RepeaterProtocol:
    """The search looks for the fastest protocol, so what it finds for a slow demand serves most others of the same fidelity, and its
    cache all of them."""
    slow = offered_rates(network.slot)[-1]
    if rate > slow * (1 - 1e-9):
        try:
            found = find_protocol(network, path, fidelity, slow)
            if found.rate >= rate:
                return found
        except InvalidInput:
            pass
    return find_protocol(network, path, fidelity, rate)


def balanced(network: QuantumNetwork, tasks: Iterable[PeriodicTask]) -> list[PeriodicTask]:
    """The same tasks with each node's qubits of a kind exchanged so that the busiest of a task fall on those least used before."""
    used: dict[Qubit, float] = {}
    out = []
    for task in tasks:
        shares = task.utilisation()
        names: dict[Qubit, Qubit] = {}
        for node, kind in dict.fromkeys((q.node, q.kind) for q in shares):
            theirs = sorted((q for q in shares if (q.node, q.kind) == (node, kind)), key=lambda q: (-shares[q], q))
            free = sorted((q for q in network.qubits(node) if q.kind == kind), key=lambda q: (used.get(q, 0.0), q))
            names |= dict(zip(theirs, free, strict=False))
        for qubit, share in shares.items():
            used[names[qubit]] = used.get(names[qubit], 0.0) + share
        out.append(replace(task, protocol=task.protocol.moved(names)))
    return out

"""A schedule carried out on the event simulator: what was promised beside what is delivered.

Every operation acts on states of pairs at the end of its slots. With links that keep to the schedule all pairs are delivered, with the
fidelity of the protocol. With links as they are, each attempt at a link succeeds or fails, so that a link of mean rate R that has d
slots is there in time with probability 1 - exp(-R d slot) only, and a distillation succeeds as its pairs let it; an operation whose
pairs are missing does nothing, and what depends on it is not delivered.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bitket.errors import InvalidInput
from bitket.intervals import poisson_interval
from bitket.networks.scheduling.cycle import Cycle, ScheduledOperation
from bitket.networks.scheduling.network import QuantumNetwork
from bitket.networks.states import BellDiagonalPairs, PauliRates, pauli_rates, werner
from bitket.networks.timeline import SECOND, Timeline, Uniforms

__all__ = ["Delivery", "Execution", "execute"]


@dataclass(frozen=True)
class Delivery:
    """What one demand got.

    Attributes
    ----------
    task
        Its name.
    promised, delivered
        Pairs a second.
    pairs
        Number of pairs delivered.
    fidelity_promised, fidelity
        That of the protocol, and the mean of what was delivered (None without pairs).
    """

    task: str
    promised: float
    delivered: float
    pairs: int
    fidelity_promised: float
    fidelity: float | None

    @property
    def kept(self) -> bool:
        """Whether rate and fidelity are no less than promised."""
        enough = self.delivered >= self.promised * (1 - 1e-9)
        return enough and self.fidelity is not None and self.fidelity >= self.fidelity_promised - 1e-9


@dataclass(frozen=True)
class Execution:
    """A schedule that was carried out for some seconds."""

    seconds: float
    deliveries: tuple[Delivery, ...]
    events: int

    @property
    def throughput(self) -> float:
        """Pairs a second of all demands."""
        return sum(d.delivered for d in self.deliveries)

    @property
    def broken(self) -> tuple[Delivery, ...]:
        """Demands that got less than was promised."""
        return tuple(d for d in self.deliveries if not d.kept)

    def table(self) -> list[dict[str, Any]]:
        """One row a demand; the rate with its `poisson_interval`, which is too wide where links succeed more often than not."""
        return [
            {
                "task": d.task,
                "promised_per_s": d.promised,
                "delivered_per_s": d.delivered,
                "delivered_per_s_95": list(poisson_interval(d.pairs, self.seconds)),
                "pairs": d.pairs,
                "fidelity_promised": d.fidelity_promised,
                "fidelity": d.fidelity,
                "kept": d.kept,
            }
            for d in self.deliveries
        ]


def execute(
    schedule: Cycle,
    network: QuantumNetwork,
    *,
    periods: int = 1,
    stochastic: bool = False,
    times: tuple[float, float] | None = None,
    seed: int = 0,
) -> Execution:
    """Carry a schedule out.

    Parameters
    ----------
    network
        The one that it was made for.
    periods
        Hyperperiods to run.
    stochastic
        Links and distillations succeed or fail; else both keep to the schedule.
    times
        T1 and T2 of qubits in seconds; pairs decay from the slot in which they are made.

    Raises
    ------
    InvalidInput
        Less than one period, times out of range, or a link of the schedule that the network does not offer.
    """
    if periods < 1:
        raise InvalidInput(f"{periods} periods: at least 1 is needed")
    rates = None if times is None else pauli_rates(*times)
    run = _Run(schedule, network, stochastic, rates, seed)
    for period in range(periods):
        run.period(period)
    seconds = periods * schedule.hyperperiod * schedule.slot
    found = []
    for task in schedule.accepted:
        values = run.delivered.get(task.name, (0, 0.0))
        found.append(
            Delivery(
                task.name,
                1 / (task.period * schedule.slot),
                values[0] / seconds,
                values[0],
                task.protocol.fidelity,
                values[1] / values[0] if values[0] else None,
            )
        )
    return Execution(seconds, tuple(found), run.timeline.executed)


class _Run:
    def __init__(
        self, schedule: Cycle, network: QuantumNetwork, stochastic: bool, rates: PauliRates | None, seed: int
    ) -> None:
        self.timeline, self.schedule, self.network = Timeline(seed), schedule, network
        self.stochastic, self.rates = stochastic, rates
        self.uniform = Uniforms(self.timeline.generator("schedule"))
        self.pairs = BellDiagonalPairs()
        self.slot = round(schedule.slot * SECOND)
        self.delivered: dict[str, tuple[int, float]] = {}
        self._keys = 0
        operations = schedule.operations
        used = {i for o in operations for i in o.inputs}
        self.last = [k not in used for k in range(len(operations))]
        self.chance = [self._chance(o) if o.kind == "link" else 1.0 for o in operations]

    def _chance(self, o: ScheduledOperation) -> float:
        """Probability that the link is there in time."""
        offered: Mapping[float, float] = dict(self.network.capabilities(*o.nodes))
        rate = next((r for f, r in offered.items() if abs(f - o.fidelity) < 1e-12), None)
        if rate is None:
            raise InvalidInput(
                f"link {' - '.join(o.nodes)} of fidelity {o.fidelity}: the network offers {sorted(offered)}"
            )
        return -math.expm1(-rate * (o.end_slot - o.start_slot) * self.schedule.slot)

    def period(self, number: int) -> None:
        """One hyperperiod; operations may end in the next."""
        shift = number * self.schedule.hyperperiod
        held: dict[int, dict[str, int]] = {}
        for k, o in enumerate(self.schedule.operations):
            # Of operations that end at one time inputs come first: they are listed first.
            self.timeline.at((shift + o.end_slot) * self.slot, self._done, k, o, held)
        ahead = min((o.end_slot for o in self.schedule.operations), default=0)
        self.timeline.run((shift + self.schedule.hyperperiod + ahead) * self.slot)

    def _done(self, k: int, o: ScheduledOperation, held: dict[int, dict[str, int]]) -> None:
        now, inputs = self.timeline.now, [held.pop(i, None) for i in o.inputs]
        if any(pair is None for pair in inputs):
            for pair in inputs:
                if pair is not None:
                    self.pairs.discard(*pair.values())
            return
        made = self._acted(k, o, [pair for pair in inputs if pair is not None], now)
        if made is None:
            return
        if not self.last[k]:
            held[k] = made
            return
        count, total = self.delivered.get(o.demand, (0, 0.0))
        one, other = made.values()
        self.delivered[o.demand] = count + 1, total + self.pairs.fidelity((one, other), now)
        self.pairs.discard(one, other)

    def _acted(self, k: int, o: ScheduledOperation, inputs: list[dict[str, int]], now: int) -> dict[str, int] | None:
        """The pair that the operation leaves: a key for each of its two nodes."""
        if o.kind == "link":
            if self.stochastic and self.uniform() >= self.chance[k]:
                return None
            a, b = o.nodes
            made = {a: self._keys, b: self._keys + 1}
            self._keys += 2
            self.pairs.create(
                (made[a], made[b]), werner(o.fidelity), now, (self.rates, self.rates) if self.rates else ()
            )
            return made
        first, second = inputs
        if o.kind == "swap":
            (middle,) = first.keys() & second.keys()
            (left,), (right,) = first.keys() - {middle}, second.keys() - {middle}
            self.pairs.swap((first[left], first[middle]), (second[middle], second[right]), self.uniform, now)
            return {left: first[left], right: second[right]}
        a, b = first
        uniform = self.uniform if self.stochastic else _zero
        kept = self.pairs.purify((first[a], first[b]), (second[a], second[b]), uniform, now)
        return first if kept else None


def _zero() -> float:
    return 0.0

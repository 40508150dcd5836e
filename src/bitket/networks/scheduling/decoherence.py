"""What storage costs: the fidelity of each delivered pair when the qubits that hold it decohere.

A qubit that waits for t suffers X and Y errors with p_x = p_y = (1 - e^(-t/T1))/4 and Z with p_z = (1 - e^(-t/T2))/2 - p_x: relaxation and
dephasing, twirled. Errors e of both halves add up in the group of Pauli errors; with e_0 the probability that none is left, a Werner state of
fidelity F has F e_0 + (1 - F)(1 - e_0)/3.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from bitket.networks import werner
from bitket.networks.scheduling.cycle import Cycle
from bitket.networks.scheduling.network import Qubit
from bitket.networks.states import pauli_rates, pauli_weights

__all__ = ["decayed", "delivered_fidelities"]

Times = tuple[float, float]


def decayed(fidelity: float, seconds: float, first: Times, second: Times) -> float:
    """Fidelity of a Werner pair after some time in two qubits with (T1, T2) in seconds."""
    one, two = (pauli_weights(pauli_rates(*times), seconds) for times in (first, second))
    none = float(one @ two)
    return fidelity * none + (1 - fidelity) * (1 - none) / 3


def delivered_fidelities(schedule: Cycle, times: Times | Mapping[Qubit, Times]) -> dict[str, tuple[float, ...]]:
    """As `bitket.networks.scheduling.schedule.Schedule.delivered_fidelities`."""

    def of(qubit: Qubit) -> Times:
        if not isinstance(times, Mapping):
            return times
        return times.get(qubit, (math.inf, math.inf))

    for t1, t2 in times.values() if isinstance(times, Mapping) else (times,):
        pauli_rates(t1, t2)  # refuses what is out of range, also of qubits that hold nothing
    operations = schedule.operations
    pairs: list[float] = []
    found: dict[str, dict[int, float]] = {task.name: {} for task in schedule.accepted}
    for o in operations:  # inputs come first
        taken = []
        for i in o.inputs:
            made = operations[i]
            seconds = (o.end_slot - made.end_slot) * schedule.slot
            taken.append(decayed(pairs[i], seconds, of(made.locks[0]), of(made.locks[1])))
        pairs.append(o.fidelity if not taken else (werner.swap if o.kind == "swap" else werner.distil)(*taken))
        if not o.locks:
            found[o.demand][o.instance] = pairs[-1]
    return {name: tuple(runs[i] for i in sorted(runs)) for name, runs in found.items()}

"""What a network can be expected to deliver, and why a run of it delivered nothing.

A link whose fibre loses L dB makes pairs at a rate of about 10^(-L / 10) per attempt with two rounds (``double``), as both photons must
arrive at the station in the middle, and 10^(-L / 20) with one (``single``); an attempt takes a few times the fibre's delay.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from typing import Any

import networkx as nx

from bitket.errors import InvalidInput
from bitket.networks import werner
from bitket.networks.hardware import Hardware
from bitket.networks.network import Network
from bitket.networks.reservation import Reservation, swap_partners
from bitket.networks.timeline import SECOND

__all__ = ["LinkBudget", "link_budgets", "reach", "why_nothing"]


@dataclass(frozen=True)
class LinkBudget:
    """What a link is expected to do when all memories at its ends work for it.

    Attributes
    ----------
    length_km, attenuation_db
        Of its fibre.
    memories
        At each end.
    pairs_per_s
        Mean rate of pairs that are used up at once.
    fidelity
        Of a new pair.
    """

    a: str
    b: str
    length_km: float
    attenuation_db: float
    memories: int
    pairs_per_s: float
    fidelity: float

    def __str__(self) -> str:
        return f"{self.a} - {self.b} ({self.length_km:.4g} km, {self.attenuation_db:.3g} dB) {self.pairs_per_s:.2g} pairs/s"

    def to_dict(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return asdict(self)


def link_budgets(network: Network, edges: Iterable[tuple[str, str]] | None = None) -> list[LinkBudget]:
    """Budgets of links, of all without ``edges``; the slowest first.

    Raises
    ------
    InvalidInput
        A link is so long that no attempt can succeed.
    """
    found = []
    for a, b in network.graph.edges if edges is None else edges:
        link = network.link(a, b)
        memories = min(len(network.routers[name].memories) for name in (a, b))
        loss = network.hardware.attenuation_db_per_km * link.length_km
        fidelity = float(link.weights[0])
        rate = memories / link.interval()
        found.append(LinkBudget(link.a, link.b, link.length_km, loss, memories, rate, fidelity))
    return sorted(found, key=lambda budget: budget.pairs_per_s)


def reach(hardware: Hardware, pairs_per_s: float = 1.0) -> float:
    """The longest link, in km, that makes so many pairs a second with all memories of this hardware; 0 where none does.

    Raises
    ------
    InvalidInput
        The rate is not positive.
    """
    if not 0 < pairs_per_s < float("inf"):
        raise InvalidInput(f"reach at {pairs_per_s} pairs/s: a positive rate is needed")

    def enough(length_km: float) -> bool:
        try:
            return _alone(hardware, length_km).pairs_per_s >= pairs_per_s
        except InvalidInput:  # no attempt can succeed
            return False

    low, high = 0.0, 1e-3
    while enough(high) and high < 1e6:
        low, high = high, 2 * high
    for _ in range(30):
        middle = (low + high) / 2
        low, high = (middle, high) if enough(middle) else (low, middle)
    return low


def _alone(hardware: Hardware, length_km: float) -> LinkBudget:
    graph = nx.Graph([("a", "b", {"length_km": length_km})])
    (budget,) = link_budgets(Network(graph, replace(hardware, memories=max(2, hardware.memories))))
    return replace(budget, pairs_per_s=budget.pairs_per_s * hardware.memories / budget.memories)


def why_nothing(network: Network, requests: Sequence[Reservation] = ()) -> list[str]:
    """What stood against any delivery so far, a line each, the most likely first; without ``requests`` that of all links.

    Links are looked at first: too few pairs are expected of one. Then what is asked of a pair: a fidelity that new or swapped pairs do not
    have and purification does not reach, and a coherence time that is over too soon.
    """
    now = network.timeline.now
    lines = []
    begun = [r for r in requests if r.start < now and r.path[-1:] == [r.responder]]
    if requests and not begun:
        refused = [r for r in requests if r.path and r.path[-1] != r.responder]
        late = [r for r in requests if r.start >= now]
        if refused:
            r = refused[0]
            lines.append(
                f"{len(refused)} of {len(requests)} requests were refused: from {r.initiator} to {r.responder}, {r.path[-1]} has no "
                f"{r.needed(r.path[-1])} memories free at that time; fewer memories a request, more a router, or other times would help"
            )
        if late:
            lines.append(
                f"{len(late)} of {len(requests)} requests begin after the end, {now / SECOND:g} s: a longer run would help"
            )
        return lines
    edges = {frozenset(edge): edge for r in begun for edge in pairwise(r.path)}.values() if begun else None
    budgets = link_budgets(network, edges)
    seconds = max((r.end - r.start) / SECOND for r in begun) if begun else now / SECOND
    slow = [budget for budget in budgets if budget.pairs_per_s * seconds < 10]
    if slow:
        lines += _slow(network, budgets, slow, seconds)
    hardware = network.hardware
    for r in begun:
        lines += _fidelity(network, r)
    coherence = hardware.memory.coherence_time
    if coherence is not None:
        fresh = max((link.flight + link.report) / SECOND for link in network.links.made.values())
        longest = max(budget.memories / budget.pairs_per_s for budget in budgets)
        if coherence <= fresh:
            lines.append(
                f"a memory is emptied after {coherence:g} s, before the station's answer comes ({fresh:.3g} s)"
            )
        elif coherence < longest:
            lines.append(
                f"a memory is emptied after {coherence:g} s, and a pair of the slowest link takes two memories {longest:.3g} s: pairs of "
                f"several links are seldom there together ({network.expired} have expired); a longer coherence time would help"
            )
    return list(dict.fromkeys(lines)) or [
        f"links made {sum(network.loads.values())} pairs, {network.swaps} swaps and {network.purifications} purifications were tried, "
        f"{network.expired} pairs expired: a longer run, more memories or a lower fidelity would help"
    ]


def _slow(network: Network, budgets: list[LinkBudget], slow: list[LinkBudget], seconds: float) -> list[str]:
    hardware = network.hardware
    shown = f"slowest {budgets[0]}" + (f", fastest {budgets[-1]}" if len(budgets) > 1 else "")
    lines = [
        f"{len(slow)} of {len(budgets)} links are expected to make fewer than 10 pairs in {seconds:.4g} s: {shown}"
    ]
    helps = [f"repeaters so that no link is longer than {reach(hardware):.3g} km, where it makes a pair a second"]
    if hardware.heralding == "double":
        other = _alone(replace(hardware, heralding="single"), slow[0].length_km)
        helps.append(
            f"heralding single: {other.pairs_per_s:.2g} pairs/s on the slowest link, fidelity {other.fidelity:.3g}"
        )
    if hardware.attenuation_db_per_km > 0.15:
        other = _alone(replace(hardware, attenuation_db_per_km=0.15), slow[0].length_km)
        helps.append(f"fibre of 0.15 dB/km: {other.pairs_per_s:.2g} pairs/s there")
    return [*lines, f"what would help: {'; '.join(helps)}"]


def _fidelity(network: Network, request: Reservation) -> list[str]:
    hardware, target = network.hardware, request.fidelity
    where = f"{request.initiator} - {request.responder}: fidelity {target:g} is asked for"
    fresh = min(float(network.link(a, b).weights[0]) for a, b in pairwise(request.path))
    if fresh < target:
        if request.memories < 2:
            return [f"{where}, new pairs have {fresh:.4g}, and one memory cannot purify; 2 memories or more would help"]
        if fresh <= 0.5:
            return [f"{where}, new pairs have {fresh:.4g}; purification gains nothing at or below 0.5"]
    if not swap_partners(request.path):
        return []
    start = max(fresh, target)
    after = start * start * hardware.swap_degradation if hardware.formalism == "fidelity" else werner.swap(start, start)
    if after < target and request.memories < 2:
        return [f"{where}, a swap leaves {after:.4g}, and one memory cannot purify; 2 memories or more would help"]
    if after < target and after <= 0.5:
        return [
            f"{where}, a swap leaves {after:.4g}; purification gains nothing at or below 0.5: a higher raw_fidelity would help"
        ]
    return []

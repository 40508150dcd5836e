"""One scenario (links, hardware, requests) run by our event simulator and by SeQUeNCe, and what each delivers.

The peer brings Jupyter and Dash and is no extra of ours: ``pip install --no-deps sequence gmpy2 qutip qutip-qip`` is enough here.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any
from unittest import mock

import networkx as nx

from bitket.networks.hardware import Hardware, MemoryHardware
from bitket.networks.network import Mode, Network
from bitket.networks.photonics import Detector
from bitket.networks.reservation import Reservation
from bitket.networks.router import Application

SECOND = 10**12


@dataclass(frozen=True)
class Request:
    """What one router asks for, and the second at which it does."""

    initiator: str
    responder: str
    start: float = 0.1
    end: float = 1.1
    memories: int = 1
    fidelity: float = 0.5
    at: float = 0.0


@dataclass(frozen=True)
class Scenario:
    """Routers, hardware and requests for both simulators.

    ``delays_ms`` are one-way classical delays of pairs of routers; where there is none, the sum along the quickest way.
    """

    graph: nx.Graph
    requests: tuple[Request, ...]
    hardware: Hardware
    delays_ms: Mapping[tuple[str, str], float] = field(default_factory=dict)

    @property
    def until(self) -> float:
        """Seconds to simulate."""
        return max(r.end for r in self.requests) + 0.2


@dataclass
class Outcome:
    """Of all requests in the order in which they were asked; ``purified``: fidelity before and success of each purification."""

    served: list[Served] = field(default_factory=list)
    purified: list[tuple[float, bool]] = field(default_factory=list)
    events: int = 0
    seconds: float = 0.0


@dataclass
class Served:
    """What became of a request: answer (None: none came) and its second, path, deliveries at the initiator."""

    request: Request
    accepted: bool | None = None
    answered: float = 0.0
    path: list[str] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    fidelities: list[float] = field(default_factory=list)


def hardware(**more: Any) -> Hardware:
    """That of the nine-router network, but for what is given; memories do not decay."""
    known: dict[str, Any] = {
        "memory": MemoryHardware(raw_fidelity=0.935, efficiency=0.75, frequency_hz=2000.0),
        "detector": Detector(0.8, count_rate_hz=50e6, resolution_ps=100),
        "swap_degradation": 0.99,
        "channel_rate_hz": 1e11,
    }
    return Hardware(**{**known, **more})


def chain(names: Sequence[str], length_km: float = 20.0, delay_ms: float = 0.4) -> nx.Graph:
    """Routers in a row."""
    graph = nx.Graph()
    for a, b in pairwise(names):
        graph.add_edge(a, b, length_km=length_km, classical_delay_ms=delay_ms)
    return graph


# -- ours ---------------------------------------------------------------------------------------------------------------
class _Notes(Application):
    """Of one router."""

    def __init__(self, network: Network, name: str) -> None:
        self.network, self.served = network, dict[int, Served]()
        network.routers[name].application = self

    def ask(self, request: Request) -> Served:
        reservation = self.network.request(
            request.initiator,
            request.responder,
            start=request.start,
            end=request.end,
            memories=request.memories,
            fidelity=request.fidelity,
        )
        self.served[reservation.number] = served = Served(request)
        return served

    def answered(self, reservation: Reservation, approved: bool) -> None:
        served = self.served[reservation.number]
        served.accepted, served.answered = approved, self.network.timeline.now / SECOND
        served.path = list(reservation.path) if approved else []

    def delivered(self, reservation: Reservation, fidelity: float, state: object) -> None:
        served = self.served[reservation.number]
        served.times.append(self.network.timeline.now / SECOND)
        served.fidelities.append(fidelity)


def ours(scenario: Scenario, seed: int, mode: Mode = "batched") -> Outcome:
    """Run it with bitket."""
    network = Network(scenario.graph, scenario.hardware, seed=seed, mode=mode, delays_ms=dict(scenario.delays_ms))
    notes = {name: _Notes(network, name) for name in network.routers}
    outcome, purify = Outcome(), network.pairs.purify

    def noted(kept: tuple[int, int], *given: Any) -> bool:
        before = network.pairs.fidelity(kept, network.timeline.now)
        outcome.purified.append((before, purify(kept, *given)))
        return outcome.purified[-1][1]

    start = time.perf_counter()
    with mock.patch.object(network.pairs, "purify", noted):
        for request in sorted(scenario.requests, key=lambda r: r.at):
            network.run(request.at)
            outcome.served.append(notes[request.initiator].ask(request))
        network.run(scenario.until)
    outcome.events, outcome.seconds = network.timeline.executed, time.perf_counter() - start
    return outcome


# -- SeQUeNCe -----------------------------------------------------------------------------------------------------------
def _config(scenario: Scenario, seed: int, delay: Callable[[str, str], int]) -> dict[str, Any]:
    """The peer's file of a network."""
    ours, graph = scenario.hardware, scenario.graph
    coherence = ours.memory.coherence_time
    memory = {
        "fidelity": ours.memory.raw_fidelity,
        "frequency": ours.memory.frequency_hz,
        "efficiency": ours.memory.efficiency,
        "coherence_time": -1 if coherence is None else coherence,
        "wavelength": 500,
    }
    detector = {
        "efficiency": ours.detector.efficiency,
        "count_rate": ours.detector.count_rate_hz,
        "time_resolution": ours.detector.resolution_ps,
        "dark_count": ours.detector.dark_count_hz,
    }
    names = list(graph)
    return {
        "templates": {"r": {"MemoryArray": memory}, "s": {"SingleAtomBSM": {"detectors": [detector] * 2}}},
        "nodes": [
            {
                "name": n,
                "type": "QuantumRouter",
                "seed": 1000 * seed + k,
                "memo_size": graph.nodes[n].get("memories", ours.memories),
                "template": "r",
            }
            for k, n in enumerate(names)
        ],
        "qconnections": [
            {
                "node1": a,
                "node2": b,
                "attenuation": ours.attenuation_db_per_km / 1000,
                "distance": round(1000 * data["length_km"]),
                "type": "meet_in_the_middle",
                "seed": 1000 * seed + 500 + k,
                "template": "s",
            }
            for k, (a, b, data) in enumerate(graph.edges(data=True))
        ],
        "cconnections": [{"node1": a, "node2": b, "delay": delay(a, b)} for a, b in combinations(names, 2)],
        "is_parallel": False,
        "stop_time": round(scenario.until * SECOND),
    }


def peer(scenario: Scenario, seed: int) -> Outcome:
    """Run it with SeQUeNCe."""
    from sequence.app.request_app import RequestApp
    from sequence.entanglement_management.purification import BBPSSWCircuit
    from sequence.entanglement_management.swapping import EntanglementSwappingA
    from sequence.kernel.event import Event
    from sequence.kernel.process import Process
    from sequence.resource_management import action_condition_set
    from sequence.topology.router_net_topo import RouterNetTopo

    outcome = Outcome()

    def key(r: Any) -> tuple[Any, ...]:
        return r.initiator, r.responder, r.start_time, r.end_time, r.memory_size, r.fidelity

    class Notes(RequestApp):
        def ask(self, request: Request) -> None:
            start, end = round(request.start * SECOND), round(request.end * SECOND)
            served = Served(request)
            outcome.served.append(served)
            known[request.initiator, request.responder, start, end, request.memories, request.fidelity] = served
            self.start(request.responder, start, end, request.memories, request.fidelity)

        def get_reservation_result(self, reservation: Any, result: bool) -> None:
            super().get_reservation_result(reservation, result)
            served = known[key(reservation)]
            served.accepted, served.answered = result, self.node.timeline.now() / SECOND
            served.path = list(reservation.path)

        def get_memory(self, info: Any) -> None:
            reservation = self.memo_to_reservation.get(info.index)
            if info.state == info.PURIFIED:
                info.to_entangled()  # else its application never takes a purified pair, and the memory is lost to it
            before, fidelity = self.memory_counter, info.fidelity
            super().get_memory(info)
            if self.memory_counter > before and reservation is not None:
                served = known[key(reservation)]
                served.times.append(self.node.timeline.now() / SECOND)
                served.fidelities.append(fidelity)

    known: dict[tuple[Any, ...], Served] = {}
    # Our shortest classical ways give the delays of pairs that are no neighbours.
    delay = Network(scenario.graph, scenario.hardware, delays_ms=dict(scenario.delays_ms)).delay
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.json"
        path.write_text(json.dumps(_config(scenario, seed, delay)))
        network = RouterNetTopo(str(path))
    for channel in network.get_qchannels():
        # Closer together than 100 ns its detection windows overlap, and clicks of other pairs count.
        channel.frequency = min(1e7, scenario.hardware.channel_rate_hz)
    apps = {router.name: Notes(router) for router in network.get_nodes_by_type("QuantumRouter")}
    timeline = network.get_timeline()
    timeline.init()
    for request in sorted(scenario.requests, key=lambda r: r.at):
        timeline.schedule(Event(round(request.at * SECOND), Process(apps[request.initiator], "ask", [request])))
    # Its rules make swaps with the default success and degradation whatever the network is told.
    swap = partial(
        EntanglementSwappingA,
        success_prob=scenario.hardware.swap_success,
        degradation=scenario.hardware.swap_degradation,
    )
    received = BBPSSWCircuit.received_message

    def noted(protocol: Any, source: str, message: Any) -> None:
        if protocol.owner.name < source:  # both ends compare
            outcome.purified.append((protocol.kept_memo.fidelity, protocol.meas_res == message.meas_res))
        received(protocol, source, message)

    begin = time.perf_counter()
    with (
        mock.patch.object(action_condition_set, "EntanglementSwappingA", swap),
        mock.patch.object(BBPSSWCircuit, "received_message", noted),
    ):
        timeline.run()
    outcome.events, outcome.seconds = timeline.run_counter, time.perf_counter() - begin
    return outcome

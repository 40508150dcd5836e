"""Networks: events a second beside SeQUeNCe's kernel on the same two routers, and what large networks take.

The peer runs its own routers with the same hardware, length and delays. Its rate is shown because both must agree; `simulated` is seconds
of network time a second of computing.
Large networks are random geometric graphs with a request of every router at any time; a day of 1000 routers is extrapolated from what
was run.
"""

from __future__ import annotations

import resource
import time
from typing import Any

import networkx as nx
import numpy as np

from benchmarks._sequence import Outcome, Request, Scenario, chain, hardware, ours, peer
from bitket.networks.applications import RequestSettings, random_requests
from bitket.networks.network import Network

LENGTH_KM, DELAY_MS = 20.0, 0.4


def _link(memories: int, seconds: float) -> Scenario:
    request = Request("b", "a", 0.1, 0.1 + seconds, memories)
    return Scenario(chain("ab", LENGTH_KM, DELAY_MS), (request,), hardware(memories=memories))


def _row(who: str, memories: int, seconds: float, outcome: Outcome) -> dict[str, Any]:
    return {
        "who": who,
        "memories": memories,
        "pairs/s": len(outcome.served[0].times) / seconds,
        "events/s": outcome.events / outcome.seconds,
        "simulated": seconds / outcome.seconds,
    }


def _large(routers: int, seconds: float) -> dict[str, Any]:
    rng = np.random.default_rng(routers)
    radius = 1.8 / np.sqrt(routers)
    graph = nx.random_geometric_graph(routers, radius, seed=routers)
    graph = graph.subgraph(max(nx.connected_components(graph), key=len)).copy()
    places = nx.get_node_attributes(graph, "pos")
    size = 20 * np.sqrt(routers)  # km, so that links have about equal lengths for any number of routers
    for a, b in graph.edges:
        graph.edges[a, b]["length_km"] = max(1.0, size * float(np.hypot(*np.subtract(places[a], places[b]))))
    graph = nx.relabel_nodes(graph, {k: f"r{k:04}" for k in graph})
    network = Network(graph, hardware(memories=20), seed=int(rng.integers(1000)))
    settings = RequestSettings(memories=(2, 6), fidelities=(0.5, 0.9))
    served = [a.served for a in random_requests(network, settings).values()]
    start = time.perf_counter()
    network.run(seconds / 2)
    half = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    network.run(seconds)
    spent = time.perf_counter() - start
    return {
        "who": "ours, batched",
        "routers": graph.number_of_nodes(),
        "seconds": seconds,
        "requests": sum(s.accepted for s in served),
        "events/s": network.timeline.executed / spent,
        "simulated": seconds / spent,
        "a day takes, h": 86400 * spent / seconds / 3600,
        "MiB at half": half,
        "MiB at end": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def run(quick: bool) -> list[dict[str, Any]]:
    rows = []
    for memories, seconds in ((1, 20.0 if quick else 50.0), (5, 5.0 if quick else 20.0)):
        found = [
            _row(f"ours, {mode}", memories, longer, ours(_link(memories, longer), 0, mode))
            for mode, longer in (("event", seconds), ("batched", 10 * seconds))
        ]
        try:
            found.append(_row("SeQUeNCe", memories, seconds, peer(_link(memories, seconds), 0)))
            for row in found:
                row["events/s, ours / peer"] = row["events/s"] / found[-1]["events/s"]
                row["simulated, ours / peer"] = row["simulated"] / found[-1]["simulated"]
        except ImportError as error:
            found.append({"who": f"SeQUeNCe: not installed ({error.name})"})
        rows += found
    for routers, seconds in ((10, 600.0), (100, 120.0), (1000, 60.0)):
        rows.append(_large(routers, seconds / 10 if quick else seconds))
    return rows

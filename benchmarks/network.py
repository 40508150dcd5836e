"""Networks: events a second beside SeQUeNCe's kernel on the same two routers, and what large networks take.

The peer runs its own routers with the same hardware, length and delays. Its rate is shown because both must agree; `simulated` is seconds
of network time a second of computing.
Large networks are random geometric graphs whose links have about equal lengths. They run with a request of every router at any time, which
is as much as they can take, and for a whole day in which every router asks for one to three pairs at a time for 10 to 20 s, on average half
an hour after its last request: about 47 requests each. Each day runs in a process of its own, whose resident memory is noted at its start
and after every tenth.
"""

from __future__ import annotations

import os
import time
from concurrent.futures import ProcessPoolExecutor
from itertools import count
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np

from benchmarks._sequence import Outcome, Request, Scenario, chain, hardware, ours, peer
from bitket.networks.applications import RequestSettings, random_requests
from bitket.networks.network import Network

LENGTH_KM, DELAY_MS = 20.0, 0.4
ALWAYS = RequestSettings(memories=(2, 6), fidelities=(0.5, 0.9))
NOW_AND_THEN = RequestSettings(memories=(1, 4), fidelities=(0.5, 0.9), pause=1800.0)


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


def _graph(routers: int) -> nx.Graph:
    """The first random geometric graph that is connected."""
    radius, seeds = 1.8 / np.sqrt(routers), count(routers)
    graph = next(g for g in (nx.random_geometric_graph(routers, radius, seed=k) for k in seeds) if nx.is_connected(g))
    places = nx.get_node_attributes(graph, "pos")
    size = 20 * np.sqrt(routers)  # km, so that links have about equal lengths for any number of routers
    for a, b in graph.edges:
        graph.edges[a, b]["length_km"] = max(1.0, size * float(np.hypot(*np.subtract(places[a], places[b]))))
    return nx.relabel_nodes(graph, {k: f"r{k:04}" for k in graph})


def _large(routers: int, seconds: float, settings: RequestSettings, parts: int) -> dict[str, Any]:
    network = Network(_graph(routers), hardware(memories=20), seed=routers)
    served = [a.served for a in random_requests(network, settings).values()]
    used = [_resident()]
    start = time.perf_counter()
    for part in range(parts):
        network.run(seconds * (part + 1) / parts)
        used.append(_resident())
    spent = time.perf_counter() - start
    return {
        "who": "ours, batched, always" if not settings.pause else "ours, batched, now and then",
        "routers": len(network.routers),
        "links": network.graph.number_of_edges(),
        "seconds": seconds,
        "requests": sum(s.requests for s in served),
        "refusals": sum(s.refusals for s in served),
        "pairs of links": sum(network.loads.values()),
        "pairs delivered": sum(s.delivered for s in served),
        "events": network.timeline.executed,
        "events/s": network.timeline.executed / spent,
        "simulated": seconds / spent,
        "computing, s": spent,
        "MiB": " ".join(f"{x / 2**20:.1f}" for x in used),
    }


def _resident() -> int:
    """Bytes of this process that are in memory (Linux)."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


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
    # A process for each: what one leaves behind is not counted with the next.
    with ProcessPoolExecutor(1, mp_context=get_context("spawn"), max_tasks_per_child=1) as processes:
        for routers, seconds in ((10, 600.0), (100, 120.0), (1000, 60.0)):
            rows.append(processes.submit(_large, routers, seconds / 10 if quick else seconds, ALWAYS, 2).result())
        for routers in (10, 100, 1000):
            day = 864.0 if quick else 86400.0
            rows.append(processes.submit(_large, routers, day, NOW_AND_THEN, 10).result())
    return rows

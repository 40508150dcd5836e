"""Networks: events a second beside SeQUeNCe's kernel on the same two routers, and what large networks take.

The peer (``pip install sequence``, which brings Jupyter and Dash and is therefore no extra of ours) runs its own routers with the same
hardware, length and delays, its photons 100 ns apart. Its rate is shown because both must agree; `simulated` is seconds of network time a
second of computing.
Large networks are random geometric graphs whose links have about equal lengths. They run with a request of every router at any time, which
is as much as they can take, and for a whole day in which every router asks for one to three pairs at a time for 10 to 20 s, on average half
an hour after its last request: about 47 requests each. Each day runs in a process of its own, whose resident memory is noted at its start
and after every tenth.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from itertools import count
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np

from bitket.networks.applications import RequestSettings, random_requests
from bitket.networks.hardware import Hardware, MemoryHardware
from bitket.networks.network import Network
from bitket.networks.photonics import Detector

LENGTH_KM, DELAY_MS = 20.0, 0.4
ALWAYS = RequestSettings(memories=(2, 6), fidelities=(0.5, 0.9))
NOW_AND_THEN = RequestSettings(memories=(1, 4), fidelities=(0.5, 0.9), pause=1800.0)


def _hardware(memories: int) -> Hardware:
    memory = MemoryHardware(raw_fidelity=0.935, efficiency=0.75, frequency_hz=2000.0)
    return Hardware(memories, memory, Detector(0.8, count_rate_hz=50e6, resolution_ps=100), channel_rate_hz=1e11)


def _ours(mode: Any, memories: int, seconds: float) -> dict[str, Any]:
    graph = nx.Graph([("a", "b", {"length_km": LENGTH_KM, "classical_delay_ms": DELAY_MS})])
    network = Network(graph, _hardware(memories), mode=mode)
    request = network.request("b", "a", start=0.1, end=0.1 + seconds, memories=memories)
    start = time.perf_counter()
    network.run(seconds + 0.2)
    spent = time.perf_counter() - start
    return _row(f"ours, {mode}", memories, seconds, spent, network.timeline.executed, request.delivered)


def _row(who: str, memories: int, seconds: float, spent: float, events: int, pairs: int) -> dict[str, Any]:
    return {
        "who": who,
        "memories": memories,
        "pairs/s": pairs / seconds,
        "events/s": events / spent,
        "simulated": seconds / spent,
    }


def _peer(memories: int, seconds: float) -> dict[str, Any]:
    from sequence.app.request_app import RequestApp
    from sequence.topology.router_net_topo import RouterNetTopo

    router = {
        "MemoryArray": {
            "fidelity": 0.935,
            "frequency": 2000,
            "efficiency": 0.75,
            "coherence_time": -1,
            "wavelength": 500,
        }
    }
    detector = {"efficiency": 0.8, "count_rate": 50e6, "time_resolution": 100, "dark_count": 0}
    station = {"SingleAtomBSM": {"detectors": [detector] * 2}}
    config = {
        "templates": {"r": router, "s": station},
        "nodes": [
            {"name": name, "type": "QuantumRouter", "seed": k, "memo_size": memories, "template": "r"}
            for k, name in enumerate("ab")
        ],
        "qconnections": [
            {
                "node1": "a",
                "node2": "b",
                "attenuation": 0.0002,
                "distance": int(1000 * LENGTH_KM),
                "type": "meet_in_the_middle",
                "seed": 2,
                "template": "s",
            }
        ],
        "cconnections": [{"node1": "a", "node2": "b", "delay": int(DELAY_MS * 1e9)}],
        "is_parallel": False,
        "stop_time": int((seconds + 0.2) * 1e12),
    }
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.json"
        path.write_text(json.dumps(config))
        network = RouterNetTopo(str(path))
    timeline = network.get_timeline()
    routers = {r.name: r for r in network.get_nodes_by_type("QuantumRouter")}
    for channel in network.get_qchannels():
        channel.frequency = 1e7  # photons closer together: its windows overlap, and clicks of other pairs count
    asks, _ = RequestApp(routers["b"]), RequestApp(routers["a"])
    timeline.init()
    asks.start("a", int(0.1e12), int((0.1 + seconds) * 1e12), memories, 0.5)
    start = time.perf_counter()
    timeline.run()
    spent = time.perf_counter() - start
    return _row("SeQUeNCe", memories, seconds, spent, timeline.run_counter, asks.memory_counter)


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
    network = Network(_graph(routers), _hardware(20), seed=routers)
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
        found = [_ours("event", memories, seconds), _ours("batched", memories, 10 * seconds)]
        try:
            found.append(_peer(memories, seconds))
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

"""The network simulator against SeQUeNCe: rates of links and chains with the same hardware, lengths and delays.

The peer brings Jupyter and Dash and is no extra of ours: ``pip install --no-deps sequence gmpy2 qutip qutip-qip`` is enough here.
"""

import json
from itertools import pairwise

import networkx as nx
import numpy as np
import pytest

from bitket.networks.hardware import Hardware, MemoryHardware
from bitket.networks.network import Network
from bitket.networks.photonics import Detector

pytest.importorskip("sequence.topology.router_net_topo", reason="SeQUeNCe is not installed")

SECONDS = 6.0


def peer(tmp_path, names, memories, fidelity):
    """Pairs a second that the first router gets from the last."""
    from sequence.app.request_app import RequestApp
    from sequence.topology.router_net_topo import RouterNetTopo

    memory = {"fidelity": 0.935, "frequency": 2000, "efficiency": 0.75, "coherence_time": -1, "wavelength": 500}
    detector = {"efficiency": 0.8, "count_rate": 50e6, "time_resolution": 100, "dark_count": 0}
    links = list(pairwise(names))
    router = {"MemoryArray": memory}
    config = {
        "templates": {"r": router, "s": {"SingleAtomBSM": {"detectors": [detector] * 2}}},
        "nodes": [
            {
                "name": n,
                "type": "QuantumRouter",
                "seed": k,
                "memo_size": memories * (1 if n in (names[0], names[-1]) else 2),
                "template": "r",
            }
            for k, n in enumerate(names)
        ],
        "qconnections": [
            {
                "node1": a,
                "node2": b,
                "attenuation": 0.0002,
                "distance": 20000,
                "type": "meet_in_the_middle",
                "seed": 9 + k,
                "template": "s",
            }
            for k, (a, b) in enumerate(links)
        ],
        "cconnections": [
            {"node1": a, "node2": b, "delay": int(0.4e9 * abs(names.index(a) - names.index(b)))}
            for k, a in enumerate(names)
            for b in names[k + 1 :]
        ],
        "is_parallel": False,
        "stop_time": int((SECONDS + 0.2) * 1e12),
    }
    path = tmp_path / "network.json"
    path.write_text(json.dumps(config))
    network = RouterNetTopo(str(path))
    routers = {r.name: r for r in network.get_nodes_by_type("QuantumRouter")}
    for channel in network.get_qchannels():
        channel.frequency = 1e7  # closer together, its detection windows overlap
    for router_ in routers.values():
        manager = getattr(router_, "network_manager", None)
        for stack in getattr(manager, "protocol_stack", []):
            if hasattr(stack, "set_swapping_success_rate"):
                stack.set_swapping_success_rate(1.0)
                stack.set_swapping_degradation(0.99)
    apps = {name: RequestApp(router_) for name, router_ in routers.items()}
    timeline = network.get_timeline()
    timeline.init()
    apps[names[0]].start(names[-1], int(0.1e12), int((0.1 + SECONDS) * 1e12), memories, fidelity)
    timeline.run()
    return apps[names[0]].memory_counter / SECONDS


def ours(names, memories, fidelity, mode):
    graph = nx.Graph()
    for a, b in pairwise(names):
        graph.add_edge(a, b, length_km=20.0, classical_delay_ms=0.4)
    memory = MemoryHardware(raw_fidelity=0.935, efficiency=0.75, frequency_hz=2000.0)
    hardware = Hardware(
        2 * memories, memory, Detector(0.8, count_rate_hz=50e6, resolution_ps=100), swap_degradation=0.99
    )
    rates = []
    for seed in range(4):
        network = Network(graph, hardware, seed=seed, mode=mode)
        request = network.request(
            names[0], names[-1], start=0.1, end=0.1 + SECONDS, memories=memories, fidelity=fidelity
        )
        network.run(SECONDS + 0.2)
        rates.append(request.delivered / SECONDS)
    return np.mean(rates)


@pytest.mark.parametrize("mode", ["event", "batched"])
@pytest.mark.parametrize(("names", "memories"), [("ab", 1), ("ba", 1), ("ba", 3)])
def test_rates_of_a_link(tmp_path, names, memories, mode):
    theirs = peer(tmp_path, list(names), memories, 0.5)
    # Close to Poisson counts on either side.
    assert abs(theirs - ours(list(names), memories, 0.5, mode)) < 4 * np.sqrt(theirs * 1.25 / SECONDS)


def test_rate_of_a_chain_with_swaps(tmp_path):
    theirs = peer(tmp_path, ["a", "b", "c"], 4, 0.8)
    assert abs(theirs - ours(["a", "b", "c"], 4, 0.8, "batched")) < 4 * np.sqrt(theirs * 1.25 / SECONDS)

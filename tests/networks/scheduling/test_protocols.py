import dataclasses

import networkx as nx
import numpy as np
import pytest

from bitket.errors import InvalidInput
from bitket.networks.scheduling import QuantumNetwork, Step, check_placement, find_protocol, nitrogen_vacancy, place
from bitket.networks.scheduling.placement import placed


def bottom_up(step):
    """Fidelity from the links alone; formulas written out anew."""
    if step.kind == "link":
        return step.fidelity
    f, g = (bottom_up(s) for s in step.inputs)
    if step.kind == "swap":
        return f * g + (1 - f) * (1 - g) / 3
    equal = f * g + (1 - f) * (1 - g) / 9
    return equal / (equal + f * (1 - g) / 3 + g * (1 - f) / 3 + 4 * (1 - f) * (1 - g) / 9)


def chain(rng, hops):
    graph = nx.path_graph([str(k) for k in range(hops + 1)])
    for a, b in graph.edges:
        graph.edges[a, b]["length_km"] = 1.0
        best = rng.uniform(0.8, 0.99)
        graph.edges[a, b]["capabilities"] = [(best - 0.05 * k, 5.0 * (k + 1) * rng.uniform(1, 4)) for k in range(4)]
    for node in graph:
        graph.nodes[node]["communication_qubits"] = int(rng.integers(1, 3))
        graph.nodes[node]["storage_qubits"] = int(rng.integers(0, 5))
    return QuantumNetwork.from_graph(graph)


def test_protocols_keep_their_promise_on_random_chains():
    rng, found = np.random.default_rng(1), 0
    for _ in range(150):
        network = chain(rng, int(rng.integers(1, 6)))
        path, fidelity, rate = tuple(network.graph), rng.uniform(0.55, 0.93), rng.choice([0.1, 0.5, 2.0])
        try:
            protocol = find_protocol(network, path, fidelity, rate)
        except InvalidInput:
            continue
        found += 1
        assert bottom_up(protocol.root) == pytest.approx(protocol.fidelity, abs=1e-12)
        assert protocol.fidelity >= fidelity
        assert protocol.rate >= rate
        assert protocol.root.ends == (path[0], path[-1])
        assert protocol.links - protocol.swaps - protocol.distillations == 1
        for step in protocol.root.walk():
            if step.kind == "link":
                assert (step.fidelity, step.rate) in network.capabilities(*step.nodes)
        concrete = place(protocol, network)
        check_placement(concrete)
        assert concrete.latency == max(o.end for o in concrete.operations)
        assert protocol.rate == pytest.approx(1 / (concrete.latency * network.slot))
        for qubit in concrete.intervals:
            assert qubit in network.qubits(qubit.node)
        assert concrete.latencies[2] <= concrete.latencies[0]
        assert concrete.idle_slots[2] <= concrete.idle_slots[1]
    assert found > 60


@pytest.mark.parametrize(
    ("hops", "fidelity", "slots", "delivered"),
    [(1, 0.85, 8, 0.8771), (2, 0.55, 7, 0.5797), (2, 0.75, 17, 0.7743), (2, 0.85, 67, 0.85)],
)
def test_no_slower_than_the_authors(hops, fidelity, slots, delivered):
    network = QuantumNetwork.preset("line")
    protocol = find_protocol(network, network.path("0", str(hops)), fidelity, 0.2)
    concrete = place(protocol, network)
    check_placement(concrete)
    assert concrete.latency <= slots
    assert concrete.fidelity >= delivered


@pytest.mark.parametrize(("path", "fidelity"), [("012345", 0.7), ("2345", 0.8)])
def test_the_passes_of_placement_save_storage(path, fidelity):
    network = QuantumNetwork.preset("line")
    concrete = place(find_protocol(network, tuple(path), fidelity, 0.2), network)
    check_placement(concrete)
    assert concrete.idle_slots[2] < concrete.idle_slots[0]


def test_nested_distillation_where_pumping_is_too_weak():
    graph = nx.Graph()
    graph.add_edge("a", "b", length_km=5.0)
    network = QuantumNetwork.from_graph(graph, [(0.85, 50.0)], storage=4)
    protocol = find_protocol(network, ("a", "b"), 0.93, 0.5)  # pumping ends at 0.91
    assert protocol.distillations == protocol.links - 1
    assert protocol.root.inputs[0].kind == protocol.root.inputs[1].kind == "distil"
    check_placement(place(protocol, network))
    with pytest.raises(InvalidInput, match=r"no protocol from 'a' to 'b' reaches fidelity 0.93"):
        find_protocol(QuantumNetwork.from_graph(graph, [(0.85, 50.0)], storage=1), ("a", "b"), 0.93, 0.5)


def test_a_link_waits_in_its_communication_qubit_only_without_storage():
    link = Step.link("a", "b", 0.9, 3, 40.0)
    (stored,) = placed(link, {"a": (1, 1), "b": (1, 1)}).operations
    (kept,) = placed(link, {"a": (1, 0), "b": (1, 0)}).operations
    assert [str(q) for q in stored.qubits] == ["a/C0", "a/S0", "b/C0", "b/S0"]
    assert [str(q) for q in kept.qubits] == ["a/C0", "b/C0"]
    assert placed(Step.distil(link, link), {"a": (1, 0), "b": (1, 0)}) is None
    two = placed(Step.distil(link, link), {"a": (2, 0), "b": (2, 0)})
    check_placement(two)
    assert two.latency == 4


def test_the_checker_refuses_wrong_placements():
    network = QuantumNetwork.preset("line")
    good = place(find_protocol(network, ("0", "1", "2"), 0.85, 0.2), network)
    kinds = [o.kind for o in good.operations]
    swap, distil, link = kinds.index("swap"), kinds.index("distil"), 1

    def changed(k, **values):
        operations = list(good.operations)
        operations[k] = dataclasses.replace(operations[k], **values)
        return dataclasses.replace(good, operations=tuple(operations))

    o = good.operations
    other = next(x.qubits for x in o if x.kind == "distil" and x.nodes != o[distil].nodes)
    wrong = {
        "starts before its inputs": changed(distil, start=o[distil].start - 2, end=o[distil].end - 2),
        "in two operations|locked qubit": changed(link, start=o[0].start, end=o[0].start + 8),
        "it uses": changed(0, qubits=o[0].qubits[:2]),
        "1 qubits for 1 slots": changed(swap, qubits=o[swap].qubits[:1]),
        "does not use the qubits of its two pairs": changed(distil, qubits=other),
        "its pair is held by": changed(0, locks=()),
        "inputs": changed(swap, inputs=(0, 1)),
        "against its intervals": dataclasses.replace(
            good, intervals=dict.fromkeys(good.intervals, ((0, good.latency),))
        ),
        "its latency": dataclasses.replace(good, latency=good.latency + 1),
    }
    for message, concrete in wrong.items():
        with pytest.raises(InvalidInput, match=message):
            check_placement(concrete)


def test_networks_and_paths_that_are_wrong():
    network = QuantumNetwork.preset("star")
    for call, message in [
        (lambda: network.path("0", "9"), "there is no node '9'"),
        (lambda: network.path("0", "0"), "they must differ"),
        (lambda: find_protocol(network, ("0", "1"), 0.6, 1.0), "no link '0' - '1'"),
        (lambda: find_protocol(network, ("0",), 0.6, 1.0), "two nodes or more"),
        (lambda: find_protocol(network, ("0", "3"), 0.5, 1.0), "above 0.5"),
        (lambda: find_protocol(network, ("0", "3"), 0.6, 0.0), "rate 0.0 Hz: it must be positive"),
        (lambda: find_protocol(network, ("0", "3", "1"), 0.95, 0.2), "reaches fidelity 0.95"),
        (lambda: QuantumNetwork.preset("ring"), "preset 'ring' is unknown"),
        (lambda: nitrogen_vacancy(80.0), "80.0 km: rates of nitrogen-vacancy nodes"),
        (lambda: QuantumNetwork.from_json("star", slot=0.0), "a slot of 0.0 s"),
        (lambda: QuantumNetwork.from_json("star", communication=0), "0 communication and 3 storage"),
        (lambda: QuantumNetwork.from_json("star", capabilities=[(1.2, 5.0)]), "capability of fidelity 1.2"),
        (lambda: QuantumNetwork.from_json("star", capabilities=[]), "it has no capabilities"),
        (lambda: QuantumNetwork.from_json("star", capabilities=[3]), "a pair of fidelity and rate"),
        (lambda: QuantumNetwork.from_json("metro"), "link 'StarLight' - 'Fermilab_1': a link of 66.0 km"),
    ]:
        with pytest.raises(InvalidInput, match=message) as caught:
            call()
        assert "\n" not in str(caught.value)
    graph = nx.Graph()
    graph.add_nodes_from("ab")
    with pytest.raises(InvalidInput, match="there is no path from 'a' to 'b'"):
        QuantumNetwork.from_graph(graph).path("a", "b")


def test_nitrogen_vacancy_table():
    assert nitrogen_vacancy(10.0)[0] == (0.8771, 7.787)
    assert 7.787 < nitrogen_vacancy(7.0)[0].rate < 14.158
    assert QuantumNetwork.preset("surfnet").capabilities("end 0", "0") == ((0.999, 1400.0),)

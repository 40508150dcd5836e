"""The event simulator: rates against closed forms, the two modes against each other, what must hold in every run."""

import gc
from collections import deque
from itertools import pairwise

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import expon, ks_2samp, kstest

from bitket.errors import InvalidInput
from bitket.networks.applications import RandomRequests, RequestSettings, Teleportation, random_requests, teleport
from bitket.networks.entanglement import EndOfSwap, Purification, Swapping
from bitket.networks.hardware import Hardware, MemoryHardware
from bitket.networks.network import Network
from bitket.networks.photonics import Detector
from bitket.networks.reservation import Reservation, TimeCard, swap_partners
from bitket.networks.resources import Memory, MemoryState, Protocol, Rule
from bitket.networks.timeline import SECOND, Timeline

FAST = MemoryHardware(raw_fidelity=0.935, efficiency=0.75, frequency_hz=2000.0, coherence_time=1.3)
DETECTOR = Detector(efficiency=0.8, count_rate_hz=50e6, resolution_ps=100)


def chain(length, hardware, *, km=10.0, delay=0.3, **options):
    graph = nx.relabel_nodes(nx.path_graph(length), {k: f"r{k}" for k in range(length)})
    for a, b in graph.edges:
        graph.edges[a, b].update(length_km=km, classical_delay_ms=delay)
    return Network(graph, hardware, **options)


def hardware(memories, **changes):
    values = {"memory": FAST, "detector": DETECTOR, "swap_success": 0.64, "swap_degradation": 0.99}
    return Hardware(memories, **(values | changes))


def assert_at_rest(network):
    """After the last reservation every memory is empty, and nothing waits, runs or is kept."""
    for router in network.routers.values():
        assert all(m.state is MemoryState.RAW and m.protocol is None and m.reservation is None for m in router.memories)
        assert not router.protocols
        assert not router.rules
        assert not router.waiting
        assert not router.questions
        assert not any(len(card) for card in router.cards)
    assert network.timeline.waiting == 0
    assert not len(network.services.store)


# -- kernel ---------------------------------------------------------------------------------------------------------------
@given(st.lists(st.tuples(st.integers(0, 20), st.integers(-2, 2), st.booleans()), max_size=60))
def test_events_run_by_time_priority_and_order(events):
    timeline, log = Timeline(), []
    made = [timeline.at(t, log.append, (t, p, k), priority=p) for k, (t, p, _) in enumerate(events)]
    for event, (_, _, dropped) in zip(made, events, strict=True):
        if dropped:
            timeline.cancel(event)
            timeline.cancel(event)
    kept = sorted((t, p, k) for k, (t, p, dropped) in enumerate(events) if not dropped)
    assert timeline.waiting == len(kept)
    first = timeline.run(until=10)
    assert log == [e for e in kept if e[0] < 10]
    assert first + timeline.run() == len(kept)
    assert log == kept
    assert timeline.waiting == 0


def test_cancelled_events_do_not_fill_the_memory():
    timeline = Timeline()
    for k in range(10_000):
        timeline.cancel(timeline.at(1000 + k, print))
    assert len(timeline._queue) < 200


def test_the_past_is_refused():
    timeline = Timeline()
    timeline.at(5, lambda: None)
    timeline.run()
    with pytest.raises(InvalidInput, match="event at 4 ps: it is 5 ps already"):
        timeline.at(4, print)


# -- one link -------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("mode", ["event", "batched"])
@pytest.mark.parametrize("initiator", ["a", "b"])
@pytest.mark.parametrize("setting", range(5))
def test_rate_of_a_link(mode, initiator, setting):
    """Mean time between pairs: ((1 - p_1) T_1 + p_1 T_2) / p, with T_1 and T_2 one and two rounds and the matching after them.

    In the last settings a memory is slower than a round: after its period the answer to NEGOTIATE still has to travel.
    """
    draw, seconds = np.random.default_rng(setting), 25
    km, delay = draw.uniform(5, 25), draw.uniform(0.05, 0.5)
    turn = 2 * delay * 1e-3 + km / 2 / 2e5 + delay * 1e-3 / 2
    period = 1e-6 if setting < 3 else 1.3 * turn
    memory = MemoryHardware(0.9, draw.uniform(0.5, 1), 1 / period)
    graph = nx.Graph([("a", "b", {"length_km": km, "classical_delay_ms": delay})])
    network = Network(
        graph, Hardware(1, memory, Detector(draw.uniform(0.5, 1), resolution_ps=100)), seed=setting, mode=mode
    )
    other = "b" if initiator == "a" else "a"
    request = network.request(initiator, other, start=0.1, end=0.1 + seconds)
    network.run(seconds + 1)
    assert_at_rest(network)
    eta = memory.efficiency * 10 ** (-0.2 * km / 20) * network.hardware.detector.efficiency
    p, p1 = eta**2 / 2, eta / 2 + (2 * eta * (1 - eta) + eta**2 / 2) / 4
    match = (2 if initiator == "b" else 1) * delay * 1e-3  # b is primary
    slow = period + delay * 1e-3
    last = max(turn + match, slow)
    times = np.array([last, max(turn, slow) + last])
    mean = ((1 - p1) * times[0] + p1 * times[1]) / p
    # A geometric number of attempts: the variance of the time of one pair.
    failed = np.array([1 - p1, p1 - p]) / (1 - p)
    one = failed @ times
    spread = failed @ times**2 - one**2
    variance = (1 / p - 1) * spread + (1 - p) / p**2 * one**2
    assert seconds / mean > 100
    assert abs(request.delivered - seconds / mean) < 4 * np.sqrt(seconds / mean * variance / mean**2)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("routers", "memories"), [(2, 1), (2, 5), (3, 4)])
def test_both_modes_have_one_law(routers, memories, seed):
    gaps = []
    for mode in ("event", "batched"):
        network = chain(routers, hardware(2 * memories), seed=seed + (mode == "event") * 100, mode=mode, record=True)
        network.request("r0", f"r{routers - 1}", start=0.1, end=4.1, memories=memories, fidelity=0.8)
        network.run(5)
        assert_at_rest(network)
        # Attempts lie on a lattice of whole rounds, but for the detection windows of event mode: compare whole microseconds.
        gaps.append(np.diff([time for time, _, _ in network.deliveries]).round(6))
    assert min(map(len, gaps)) > 50
    assert ks_2samp(*gaps).pvalue > 0.01


def test_dark_counts_and_single_clicks_in_both_modes():
    """Fidelity and number of pairs with dark counts, which event mode gets from single photons and batched mode from the law."""
    for heralding, bright in (("double", 0.5), ("single", 0.2)):
        found = []
        detector = Detector(efficiency=0.4, dark_count_hz=3e8, count_rate_hz=1e9, resolution_ps=100)
        for mode in ("event", "batched"):
            memory = MemoryHardware(1.0, 1.0, 1e6)
            settings_ = Hardware(4, memory, detector, heralding=heralding, bright=bright)
            network = chain(2, settings_, seed=3, mode=mode)
            request = network.request("r0", "r1", start=0.1, end=4.1, memories=4, fidelity=0.01)
            network.run(5)
            found.append((request.delivered, request.fidelities / request.delivered))
            law = network.link("r0", "r1").law
        assert law.weights(1.0)[0] < 0.9
        for delivered, fidelity in found:
            assert fidelity == pytest.approx(law.weights(1.0)[0], abs=4 * 0.5 / np.sqrt(delivered))
        assert abs(found[0][0] - found[1][0]) < 5 * np.sqrt(2 * found[0][0])


# -- paths ----------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("mode", ["event", "batched"])
def test_a_seed_gives_one_run_whatever_the_order_of_building(mode):
    logs = []
    for order in ([("a", "b"), ("b", "c"), ("c", "d")], [("d", "c"), ("a", "b"), ("c", "b")]):
        graph = nx.Graph()
        graph.add_edges_from(order, length_km=7.0, classical_delay_ms=0.1)
        network = Network(graph, hardware(6), seed=5, mode=mode, record=True)
        network.request("a", "d", start=0.1, end=1.1, memories=3, fidelity=0.7)
        network.run(2)
        logs.append((network.deliveries, network.timeline.executed))
    assert logs[0] == logs[1]
    assert len(logs[0][0]) > 10


def test_formalisms_agree_on_generation_purification_and_swap():
    """Mean fidelities; Bell-diagonal weights are exact, so are density matrices, kets are drawn."""
    found = {}
    memory = MemoryHardware(0.9, 0.9, 1e5, error_rates=(0.1, 0.2, 0.6))
    for formalism in ("bell", "density", "ket"):
        network = chain(3, Hardware(6, memory, DETECTOR, formalism=formalism), seed=2, record=True)
        network.request("r0", "r2", start=0.1, end=4.1, memories=3, fidelity=0.845)
        network.run(5)
        assert network.purifications > 200
        found[formalism] = np.array([fidelity for _, _, fidelity in network.deliveries])
        assert len(found[formalism]) > 200
    mean = {name: values.mean() for name, values in found.items()}
    error = {name: values.std() / np.sqrt(len(values)) for name, values in found.items()}
    assert 0.8 < mean["bell"] < 0.9
    for one, other in pairwise(found):
        assert abs(mean[one] - mean[other]) < 4 * np.hypot(error[one], error[other])


@pytest.mark.parametrize("mode", ["event", "batched"])
def test_no_pair_outlives_its_coherence(mode):
    memory = MemoryHardware(0.95, 0.9, 1e5, coherence_time=0.003)
    network = chain(3, Hardware(4, memory, DETECTOR, swap_success=0.5), seed=1, mode=mode, record=True)
    born = []
    make = network.pairs.create
    network.pairs.create = lambda keys, weights, now, rates=(): (born.append(now), make(keys, weights, now, rates))[1]
    network.request("r0", "r2", start=0.1, end=3.1, memories=2, fidelity=0.5)
    network.run(4)
    assert_at_rest(network)
    assert network.expired > 50
    assert len(network.deliveries) > 50
    births = np.sort(np.array(born)) / SECOND
    for time, _, _ in network.deliveries:  # each delivery has births within the coherence time before it
        assert ((births < time) & (births > time - 0.003)).sum() >= 2


@pytest.mark.parametrize(("path", "asks"), [("ab", "b"), ("ba", "a")])
def test_the_right_router_asks_for_a_purification(path, asks, monkeypatch):
    names, start = set(), Purification.start
    monkeypatch.setattr(Purification, "start", lambda self: (names.add(self.node.name), start(self)))
    graph = nx.Graph([("a", "b", {"length_km": 5.0, "classical_delay_ms": 0.2})])
    network = Network(graph, hardware(4))
    request = network.request(*path, start=0.1, end=1.1, memories=4, fidelity=0.95)
    network.run(1.2)
    assert request.delivered > 10
    assert names == {asks}


@pytest.mark.parametrize("share", [0.3, 0.8])
def test_swaps_succeed_and_lose_fidelity_as_the_hardware_says(share):
    lasting = MemoryHardware(raw_fidelity=0.935, efficiency=0.75, frequency_hz=2000.0)
    network = chain(3, hardware(8, memory=lasting, swap_success=share), seed=3, record=True)
    request = network.request("r0", "r2", start=0.01, end=20.0, memories=4)
    network.run(21.0)
    assert_at_rest(network)
    assert network.swaps > 1000
    # The last swap of each memory may be cut off by the end.
    assert abs(request.delivered - share * network.swaps) < 4 * (network.swaps * share * (1 - share)) ** 0.5 + 4
    assert {round(fidelity, 12) for _, _, fidelity in network.deliveries} == {round(0.935**2 * 0.99, 12)}


def test_a_swapped_pair_expires_with_the_first_of_its_halves(monkeypatch):
    start, receive, halves, told = Swapping.start, EndOfSwap.receive, [], []

    def starts(self):
        halves.append(tuple(m.expires for m in self.memories))
        start(self)

    def receives(self, source, *message):
        told.append(message[-1])
        receive(self, source, *message)

    monkeypatch.setattr(Swapping, "start", starts)
    monkeypatch.setattr(EndOfSwap, "receive", receives)
    network = chain(4, hardware(8), seed=2)
    network.request("r0", "r3", start=0.01, end=5.0, memories=4)
    network.run(6.0)
    assert sum(a != b for a, b in halves) > 100
    assert len(told) > 200
    assert set(told) <= {min(pair) for pair in halves}


def test_swaps_follow_a_balanced_order():
    assert swap_partners("ab") == {}
    for length in range(3, 12):
        path = [f"n{k}" for k in range(length)]
        partners, left = swap_partners(path), list(path)
        assert set(partners) == set(path[1:-1])
        for node, (a, b) in partners.items():  # in this order each router joins its neighbours of what is left
            k = left.index(node)
            assert (left[k - 1], left[k + 1]) == (a, b)
            left.remove(node)
        assert left == [path[0], path[-1]]


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(1, 20), st.booleans()), max_size=40))
@settings(max_examples=200)
def test_time_cards(steps):
    card, kept = TimeCard(), []
    for start, length, remove in steps:
        end = start + length
        if remove and kept:
            card.remove(*kept.pop())
        free = all(end < a or b < start for a, b in kept)
        assert card.free(start, end) == free
        assert card.add(start, end) == free
        if free:
            kept.append((start, end))
        assert card.intervals == sorted(kept)


# -- applications ---------------------------------------------------------------------------------------------------------
def test_random_requests_share_memories_and_leave_none_behind():
    graph = nx.cycle_graph(4)
    graph = nx.relabel_nodes(graph, {k: f"r{k}" for k in graph})
    nx.set_edge_attributes(graph, 10.0, "length_km")
    network = Network(graph, hardware(10), seed=4)
    applications = random_requests(
        network, RequestSettings(durations=(0.5, 1.0), memories=(3, 6), fidelities=(0.7, 0.9))
    )
    seen = set()

    def check():
        for router in network.routers.values():
            for card in router.cards:
                assert all(a[1] < b[0] for a, b in pairwise(card.intervals))
            now = [(m.index, m.reservation.number) for m in router.memories if m.reservation is not None]
            seen.update(number for _, number in now)
        if network.timeline.now < 30 * SECOND:
            network.timeline.after(SECOND // 10, check)

    check()
    network.run(30)
    served = [a.served for a in applications.values()]
    assert sum(s.requests for s in served) > 40
    assert sum(s.refusals for s in served) > 5
    assert sum(s.delivered for s in served) > 1000
    assert len(seen) >= sum(s.requests for s in served)
    for s in served:
        assert s.accepted >= s.requests
        assert s.waits / s.accepted >= 1.0


def _alive(network):
    """What a running network keeps, by kind; the generators' blocks and the routes are bounded by links and pairs of routers."""
    routers = network.routers.values()
    return {
        "intervals": sum(len(card) for router in routers for card in router.cards),
        "reserved": sum(len(router._reserved) for router in routers),
        "protocols": sum(len(router.protocols) for router in routers),
        "keys": sum(
            len(keys) for router in routers for kept in (router.waiting, router.questions) for keys in kept.values()
        ),
        "events": len(network.timeline._queue),
        "pairs": len(network.services.store),
        # By type: isinstance follows weak references, which may be dead.
        "objects": sum(
            issubclass(type(x), (Protocol, Reservation, Memory, Rule, TimeCard, deque)) for x in gc.get_objects()
        ),
        "requests": len(network.requests) + len(network.deliveries) + len(network.samples),
    }


@pytest.fixture
def few_objects():
    """What was there before is not looked at: with a million objects of other modules a look takes a second."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


def _largest(network, seconds, every):
    """The most of each kind that was alive at any look."""
    found = []
    begin = network.timeline.now / SECOND
    for k in range(round(seconds / every)):
        network.run(begin + (k + 1) * every)
        gc.collect()
        found.append(_alive(network))
    return {kind: max(x[kind] for x in found) for kind in found[0]}


@pytest.mark.usefixtures("few_objects")
def test_what_is_alive_does_not_grow_with_simulated_time():
    """Requests now and then: over ten times as long no more is kept than over the beginning, but for chance: not twice."""
    graph = nx.relabel_nodes(nx.cycle_graph(5), {k: f"r{k}" for k in range(5)})
    nx.set_edge_attributes(graph, 10.0, "length_km")
    network = Network(graph, hardware(6), seed=4)
    settings = RequestSettings(durations=(0.2, 0.4), memories=(1, 3), fidelities=(0.7, 0.9), pause=2.0)
    served = [a.served for a in random_requests(network, settings).values()]
    first = _largest(network, 20, 1.0)
    requests = sum(s.requests for s in served)
    assert requests > 15
    last = _largest(network, 200, 10.0)
    assert sum(s.requests for s in served) > 8 * requests
    for kind, most in first.items():
        assert last[kind] <= 2 * most, kind


@pytest.mark.usefixtures("few_objects")
def test_what_is_alive_does_not_grow_during_one_long_request():
    network = chain(3, hardware(8), seed=2)
    request = network.request("r0", "r2", start=0.1, end=1000.0, memories=4, fidelity=0.93)
    first = _largest(network, 2, 0.1)
    delivered = request.delivered
    last = _largest(network, 20, 1.0)
    assert network.purifications > 100
    assert request.delivered > 8 * delivered > 0
    for kind, most in first.items():
        assert last[kind] <= 2 * most, kind


def test_pauses_before_requests_are_exponential(monkeypatch):
    graph = nx.relabel_nodes(nx.star_graph(999), {k: f"r{k}" for k in range(1000)})
    nx.set_edge_attributes(graph, 10.0, "length_km")
    asked = []
    monkeypatch.setattr(RandomRequests, "_ask", lambda self: asked.append(self.network.timeline.now / SECOND))
    for pause in (0.0, 50.0):
        asked.clear()
        network = Network(graph, hardware(2), seed=1)
        random_requests(network, RequestSettings(memories=(1, 2), pause=pause))
        network.run(10_000)
        assert len(asked) == 1000
        if pause:
            assert kstest(asked, expon(scale=pause).cdf).pvalue > 0.01
        else:
            assert set(asked) == {0.0}


def test_requests_that_find_no_room_are_rejected_and_release_what_they_held():
    network = chain(3, hardware(4))
    one = network.request("r0", "r2", start=1, end=2, memories=2)
    network.run(0.1)
    two = network.request("r1", "r2", start=1.5, end=2.5, memories=1)  # r1 has no memory left then
    three = network.request("r0", "r1", start=2.1, end=2.5, memories=2)
    network.run(0.5)
    cards = {name: sum(len(c) for c in router.cards) for name, router in network.routers.items()}
    assert cards == {"r0": 2 + 2, "r1": 4 + 2, "r2": 2}
    network.run(3)
    assert one.delivered > 0
    assert two.delivered == 0
    assert three.delivered > 0
    assert_at_rest(network)


def test_teleportation_over_werner_pairs():
    """Mean fidelity of teleported qubits (2 F + 1) / 3."""
    network = chain(2, hardware(4, formalism="bell", memory=MemoryHardware(0.8, 0.9, 1e6)), seed=1)
    application = Teleportation(network, network.router("r0"))
    network.request("r0", "r1", start=0.1, end=2.1, memories=4, fidelity=0.6)
    network.run(3)
    values = np.array(application.fidelities)
    assert len(values) > 300
    np.testing.assert_allclose(values, (2 * 0.8 + 1) / 3, atol=1e-12)
    assert np.all(np.diff(application.arrivals) >= 0)


def test_teleportation_is_the_identity_over_a_perfect_pair():
    draw = np.random.default_rng(0)
    bell = np.outer([1, 0, 0, 1], [1, 0, 0, 1]) / 2
    bits = set()
    for _ in range(30):
        psi = draw.normal(size=2) + 1j * draw.normal(size=2)
        psi /= np.linalg.norm(psi)
        out, sent = teleport(psi, bell, draw.random)
        bits.add(sent)
        np.testing.assert_allclose(out, np.outer(psi, psi.conj()), atol=1e-12)
    assert bits == {(0, 0), (0, 1), (1, 0), (1, 1)}


# -- wrong input ----------------------------------------------------------------------------------------------------------
def _two(**data):
    return nx.Graph([("a", "b", {"length_km": 5.0} | data)])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Network(nx.empty_graph(3)), "network without links"),
        (lambda: Network(_two(length_km=-1.0)), "link a - b: length_km -1.0: a positive number is needed"),
        (lambda: Network(_two(classical_delay_ms=-1)), "classical_delay_ms -1: it must not be negative"),
        (lambda: Network(_two(), mode="fast"), "batched or event"),
        (lambda: Network(_two()).request("a", "c", start=1, end=2), "router 'c': the network has a, b"),
        (lambda: Network(_two()).request("a", "a", start=1, end=2), "to itself"),
        (lambda: Network(_two()).request("a", "b", start=2, end=2), "the end must come after the start"),
        (lambda: Network(_two()).request("a", "b", start=1, end=2, fidelity=1.1), "fidelity 1.1: above 0, at most 1"),
        (lambda: Network(_two()).request("a", "b", start=1, end=2, memories=11), "11 memories: the routers have 10"),
        (lambda: Hardware(0), "at least one"),
        (lambda: Hardware(swap_success=0), "above 0, at most 1"),
        (lambda: Hardware(formalism="exact"), "fidelity, bell, density, ket are known"),
        (lambda: MemoryHardware(efficiency=1.2), "must lie between 0 and 1"),
        (lambda: MemoryHardware(coherence_time=0), "both must be positive"),
        (lambda: MemoryHardware(error_rates=(1, 2)), "three rates"),
        (lambda: Timeline(-1), "must not be negative"),
        (lambda: RandomRequests(Network(_two()), None, RequestSettings(memories=(3, 3))), "must begin at 1 or more"),
        (lambda: RandomRequests(Network(_two()), None, RequestSettings(pause=-1.0)), "pauses of -1.0 s: 0 or more"),
    ],
)
def test_wrong_input(make, message):
    with pytest.raises(InvalidInput, match=message):
        make()


def test_routers_without_a_path():
    graph = nx.Graph([("a", "b", {"length_km": 1.0}), ("c", "d", {"length_km": 1.0})])
    with pytest.raises(InvalidInput, match="routers a and c: no path connects them"):
        Network(graph).request("a", "c", start=1, end=2)

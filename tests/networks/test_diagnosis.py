"""What links are expected to do, against closed forms and simulation; why a run delivered nothing."""

import networkx as nx
import numpy as np
import pytest

from bitket.errors import InvalidInput
from bitket.networks import Hardware, MemoryHardware, Network, load_topology
from bitket.networks.diagnosis import link_budgets, reach, why_nothing
from bitket.networks.photonics import Detector


def chain(lengths, hardware, **options):
    graph = nx.Graph()
    for k, length in enumerate(lengths):
        graph.add_edge(f"r{k}", f"r{k + 1}", length_km=length)
    return Network(graph, hardware, **options)


@pytest.mark.parametrize("heralding", ["double", "single"])
@pytest.mark.parametrize("asker", ["r0", "r1"])
@pytest.mark.parametrize("dark", [0, 1e6])
def test_the_rate_of_a_link_by_simulation(heralding, asker, dark):
    memory = MemoryHardware(1.0, 0.8, 1e5)
    detector = Detector(efficiency=0.7, dark_count_hz=dark, resolution_ps=100_000, count_rate_hz=1e9)
    network = chain([15.0], Hardware(1, memory, detector, heralding=heralding, bright=0.1), seed=1)
    request = network.request(asker, "r1" if asker == "r0" else "r0", start=0.1, end=60.1, fidelity=0.01)
    network.run(61)
    link = network.link("r0", "r1")
    expected = 60 / link.interval(anew=1 if asker == "r0" else 2)  # r1 is primary: it waits where r0 asks
    assert expected > 500
    assert abs(request.delivered - expected) < 5 * np.sqrt(expected)


def test_the_budget_of_a_link_by_hand():
    """Two photons over 50 km with 10 dB each; a round and its matching take six delays of 0.5 ms."""
    hardware = Hardware(4, MemoryHardware(0.9, 1.0, 1e9), Detector(efficiency=1.0, dark_count_hz=0))
    (budget,) = link_budgets(chain([100.0], hardware))
    eta, delay = 0.1, 0.5e-3
    first = eta / 2 + (2 * eta * (1 - eta) + eta**2 / 2) / 4
    mean = (5 * delay + first * 3 * delay) / (eta**2 / 2)
    assert budget.pairs_per_s == pytest.approx(4 / mean, rel=1e-9)
    assert (budget.attenuation_db, budget.memories) == (pytest.approx(20), 4)
    assert budget.fidelity == pytest.approx(0.9)


@pytest.mark.parametrize("rate", [0.01, 1.0, 100.0])
def test_reach(rate):
    hardware = Hardware(7)
    length = reach(hardware, rate)
    for factor, below in ((0.99, False), (1.01, True)):
        (budget,) = link_budgets(chain([factor * length], hardware))
        assert (budget.pairs_per_s < rate) == below
    assert reach(Hardware(1, MemoryHardware(efficiency=1e-6)), 1e9) == 0
    with pytest.raises(InvalidInput, match="a positive rate"):
        reach(hardware, 0)


def asked(lengths, hardware, until=3.0, **options):
    network = chain(lengths, hardware, seed=2)
    values = {"start": 0.1, "end": 2.1, "memories": 2, "fidelity": 0.8} | options
    request = network.request("r0", f"r{len(lengths)}", **values)
    network.run(until)
    assert not request.delivered
    return why_nothing(network, [request])


NEAR = MemoryHardware(raw_fidelity=0.95, frequency_hz=1e7)


@pytest.mark.parametrize(
    ("lengths", "hardware", "options", "words"),
    [
        ([1500.0], Hardware(4, NEAR), {}, ("1 of 1 links are expected", "300 dB", "what would help: repeaters")),
        ([5.0, 900.0], Hardware(8, NEAR), {}, ("1 of 2 links are expected", "slowest r1 - r2 (900 km, 180 dB)")),
        (
            [5.0],
            Hardware(4, MemoryHardware(0.7)),
            {"memories": 1},
            ("new pairs have 0.7, and one memory cannot purify",),
        ),
        ([5.0], Hardware(4, MemoryHardware(0.45)), {}, ("new pairs have 0.45; purification gains nothing",)),
        ([5.0, 5.0], Hardware(4, NEAR), {"memories": 1, "fidelity": 0.9}, ("a swap leaves 0.857", "one memory cannot")),
        (
            [5.0, 5.0],
            Hardware(8, MemoryHardware(0.69)),
            {"fidelity": 0.69},
            ("a swap leaves 0.4523; purification gains",),
        ),
        ([200.0], Hardware(4, MemoryHardware(0.95, coherence_time=2e-4)), {}, ("before the station's answer comes",)),
        ([5.0, 5.0], Hardware(4, NEAR), {"start": 5.0, "end": 6.0}, ("1 of 1 requests begin after the end, 3 s",)),
        ([5.0, 5.0], Hardware(2, NEAR), {"memories": 2}, ("r1 has no 4 memories free",)),
    ],
)
def test_why_nothing_was_delivered(lengths, hardware, options, words):
    found = " | ".join(asked(lengths, hardware, **options))
    for part in words:
        assert part in found


def test_links_over_continents():
    network = Network(load_topology("topohub:topozoo/Abilene"))
    budgets = link_budgets(network)
    assert len(budgets) == 14
    assert budgets[0].pairs_per_s < 1e-30
    assert budgets[-1].pairs_per_s < 0.01
    with pytest.raises(InvalidInput, match=r"link r0 - r1 of 20000 km: .* no attempt can succeed"):
        link_budgets(chain([20000.0], Hardware()))

"""Schedules carried out: what is promised is delivered when links keep to the schedule, and the shortfall when they do not."""

import math

import numpy as np
import pytest

from bitket.errors import InvalidInput
from bitket.networks.execution import execute
from bitket.networks.scheduling import METHODS, Demand, QuantumNetwork, random_demands, schedule_demands
from bitket.networks.states import pauli_rates, pauli_weights


@pytest.mark.parametrize("method", METHODS)
def test_what_is_promised_is_delivered(method):
    """Throughput and fidelities equal the schedule's metrics exactly, for random demands."""
    accepted = 0
    for seed in range(6):
        rng = np.random.default_rng(seed)
        network = QuantumNetwork.preset(("line", "star", "h")[seed % 3])
        demands = random_demands(network, 8.0, (0.55, 0.75)[seed % 2], rng)
        schedule = schedule_demands(network, demands, method, budget=0.1 if method.endswith(("pb", "pbs")) else 0.0)
        found = execute(schedule, network, periods=2)
        accepted += len(schedule.accepted)
        assert not found.broken
        assert found.throughput == pytest.approx(schedule.metrics()["throughput"], abs=1e-12)
        for delivery, task in zip(found.deliveries, schedule.accepted, strict=True):
            assert delivery.pairs == round(found.seconds / (task.period * schedule.slot))
            assert delivery.fidelity == pytest.approx(task.protocol.fidelity, abs=1e-9)
    assert accepted > 5


def test_links_as_they_are():
    """One link a pair: the share delivered is the chance of a link of mean rate R in its d slots."""
    network = QuantumNetwork.preset("line")
    schedule = schedule_demands(network, [Demand("0", "1", 0.85, 3.125)])
    (task,) = schedule.accepted
    (link,) = task.protocol.operations
    rate = dict(network.capabilities("0", "1"))[link.fidelity]
    chance = 1 - math.exp(-rate * (link.end - link.start) * schedule.slot)
    found = execute(schedule, network, periods=4000, stochastic=True, seed=1)
    n = 4000 * len(schedule.instances)
    assert abs(found.deliveries[0].pairs - n * chance) < 4 * math.sqrt(n * chance * (1 - chance))
    assert found.broken == found.deliveries
    assert found.table()[0]["kept"] is False


def test_missing_links_stop_what_depends_on_them():
    network = QuantumNetwork.preset("line")
    schedule = schedule_demands(network, [Demand("0", "2", 0.75, 1.0)])
    links = sum(o.kind == "link" for o in schedule.operations) / len(schedule.instances)
    assert links >= 2
    found = execute(schedule, network, periods=3000, stochastic=True)
    delivered = found.deliveries[0].delivered / found.deliveries[0].promised
    assert 0 < delivered < 0.75**2
    assert found.deliveries[0].fidelity == pytest.approx(schedule.accepted[0].protocol.fidelity, abs=1e-9)


def test_waiting_qubits_decay():
    network = QuantumNetwork.preset("line")
    schedule = schedule_demands(network, [Demand("0", "2", 0.75, 3.125), Demand("3", "5", 0.75, 3.125)])
    for times in ((10.0, 5.0), (2.0, 1.0)):
        found = execute(schedule, network, times=times)
        reference = schedule.delivered_fidelities(times)
        for delivery in found.deliveries:
            assert delivery.fidelity < delivery.fidelity_promised
            # The reference twirls after every operation; here only purification does.
            assert delivery.fidelity == pytest.approx(np.mean(reference[delivery.task]), abs=2e-3)
        assert found.broken == found.deliveries


def test_rates_of_relaxation():
    for t1, t2, t in ((3.0, 2.0, 0.7), (1.0, 2.0, 0.4)):
        p = pauli_weights(pauli_rates(t1, t2), t)  # I, X, Z, XZ
        assert 1 - 2 * (p[1] + p[3]) == pytest.approx(math.exp(-t / t1))
        assert 1 - 2 * (p[2] + p[3]) == pytest.approx(math.exp(-t / t2))


def test_wrong_input():
    network = QuantumNetwork.preset("line")
    schedule = schedule_demands(network, [Demand("0", "1", 0.55, 1.0)])
    with pytest.raises(InvalidInput, match="0 periods"):
        execute(schedule, network, periods=0)
    with pytest.raises(InvalidInput, match="T2 at most 2 T1"):
        execute(schedule, network, times=(1.0, 3.0))
    other = QuantumNetwork.preset("line", capabilities=[(0.9, 10.0)])
    with pytest.raises(InvalidInput, match="the network offers"):
        execute(schedule, other)

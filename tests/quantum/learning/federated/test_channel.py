"""The channel: decoys against theory and against qubits, noise on messages against products of channels, counts of copies."""

import numpy as np
import pytest
from tests.quantum.learning.federated.scenes import random_samples, units

from bitket.errors import InvalidInput
from bitket.quantum.learning.federated import (
    Client,
    Copies,
    FixedDesignChip,
    OperatorModel,
    QuantumChannel,
    detection_probability,
)
from bitket.quantum.learning.federated.copies import ensemble_of
from bitket.quantum.learning.federated.references import coherent_sum, read, referenced

PAULIS = [np.eye(2), np.array([[0, 1], [1, 0]]), np.array([[0, -1j], [1j, 0]]), np.diag([1, -1])]
TRIALS = 10_000


@pytest.mark.parametrize(("tap", "decoys"), [(1.0, 1), (1.0, 8), (0.3, 16), (0.05, 64), (0.0, 32)])
def test_detection_follows_the_formula(tap, decoys):
    channel, draw = QuantumChannel(tap=tap, decoys=decoys), np.random.default_rng(1)
    rate = np.mean([channel.check(draw).alarm for _ in range(TRIALS)])
    wanted = 1 - (1 - tap / 4) ** decoys
    assert float(detection_probability(tap, decoys)) == pytest.approx(wanted, abs=1e-15)
    assert abs(rate - wanted) <= 4 * np.sqrt(wanted * (1 - wanted) / TRIALS)


def test_a_tapped_decoy_as_a_qubit():
    """Density matrices of |0>, |1>, |+>, |-> measured in Z or X at random, resent, measured in their own basis: wrong in a quarter."""
    kets = [np.array([1.0, 0]), np.array([0, 1.0]), np.array([1, 1]) / np.sqrt(2), np.array([1, -1]) / np.sqrt(2)]
    projectors = [np.outer(k, k) for k in kets]
    for k, rho in enumerate(projectors):
        resent = sum(p @ rho @ p for p in projectors) / 2
        partner = projectors[k ^ 1]
        assert np.trace(partner @ resent) == pytest.approx(0.25)
        tapped = QuantumChannel(tap=1.0).disturb(kets[k][None])
        assert np.abs(tapped.T @ tapped.conj() - resent).max() < 1e-12


def test_false_alarms_on_a_noisy_channel_are_rare_and_taps_are_seen():
    draw = np.random.default_rng(2)
    quiet = QuantumChannel(depolarising=0.05, decoys=200, loss=0.1)
    checks = [quiet.check(draw) for _ in range(3000)]
    assert np.mean([c.alarm for c in checks]) < 3e-3
    assert np.mean([c.arrived for c in checks]) == pytest.approx(180, abs=4 * np.sqrt(18 / 3000))
    assert np.mean([c.wrong / c.arrived for c in checks]) == pytest.approx(0.025, abs=4 * np.sqrt(0.025 / 180 / 3000))
    tapped = QuantumChannel(depolarising=0.05, tap=0.5, decoys=200)
    assert np.mean([tapped.check(draw).alarm for _ in range(300)]) > 0.99


@pytest.mark.parametrize("complex_", [False, True])
def test_noise_is_a_pauli_channel_on_each_qubit(complex_):
    draw = np.random.default_rng(3)
    states = draw.normal(size=(3, 8)) + (1j * draw.normal(size=(3, 8)) if complex_ else 0)
    states = states / np.linalg.norm(states)
    channel = QuantumChannel(depolarising=0.2, tap=0.3)
    rho = states.T @ states.conj()
    for q in range(3):
        for weights in ((1 - 0.15, 0.075, 0, 0.075), (1 - 0.15, 0.05, 0.05, 0.05)):
            big = [np.kron(np.kron(np.eye(2 ** (2 - q)), p), np.eye(2**q)) for p in PAULIS]
            rho = sum(w * b @ rho @ b.conj().T for w, b in zip(weights, big, strict=True))
    found = channel.disturb(states)
    assert np.abs(found.T @ found.conj() - rho).max() < 1e-12
    assert QuantumChannel().pure
    with pytest.raises(InvalidInput, match="messages of 11 qubits: at most 10"):
        channel.disturb(units((1, 2048), draw))


def test_few_vectors_stand_for_many():
    draw = np.random.default_rng(4)
    for members in (draw.normal(size=(50, 8)), draw.normal(size=(50, 8)) + 1j * draw.normal(size=(50, 8))):
        fewer = ensemble_of(members)
        assert len(fewer) == 8
        assert np.abs(fewer.T @ fewer.conj() - members.T @ members.conj()).max() < 1e-10
    singular = np.repeat(draw.normal(size=(1, 8)), 20, axis=0)
    one = ensemble_of(singular)
    assert len(one) < 8
    assert np.abs(one.T @ one - singular.T @ singular).max() < 1e-9


def test_a_readout_is_unbiased_and_falls_with_the_root_of_the_copies():
    draw = np.random.default_rng(5)
    vector = draw.normal(size=16)
    state = referenced(vector, 2.0)
    exact = read(Copies(state[None]), draw).product
    r, x = np.sqrt(16) * state[0], state[16:]
    assert np.abs(exact - r * x).max() < 1e-14
    levels, repetitions = np.array([300, 1000, 3000, 10_000, 30_000, 100_000]), 300
    errors, promised = [], []
    for copies in levels:
        readings = [read(Copies(state[None], int(copies)), draw) for _ in range(repetitions)]
        errors.append(np.sqrt(np.mean([np.sum((k.product - exact) ** 2) for k in readings])))
        promised.append(np.mean([k.error for k in readings]))
        mean = np.mean([k.product for k in readings], axis=0)
        assert np.linalg.norm(mean - exact) < 5 * errors[-1] / np.sqrt(repetitions)
    assert abs(np.polyfit(np.log(levels), np.log(errors), 1)[0] + 0.5) < 0.05
    assert np.abs(np.array(promised) / errors - 1).max() < 0.1


def test_a_mixture_is_read_as_its_mean():
    draw = np.random.default_rng(6)
    vectors = draw.normal(size=(5, 8))
    members = np.concatenate([np.full((5, 8), 1 / np.sqrt(8)), vectors], axis=1)  # to one reference
    members /= np.linalg.norm(members)
    product = read(Copies(members), draw).product
    assert np.abs(product / np.linalg.norm(product) - vectors.mean(0) / np.linalg.norm(vectors.mean(0))).max() < 1e-12


def test_copies_are_counted():
    """Total copies sent are kept/P in expectation, and what arrives is what survives."""
    draw = np.random.default_rng(7)
    model, samples = OperatorModel(1, 2), random_samples(1, 4, draw)
    model.parameters = draw.normal(size=4)
    client = Client("c", samples, FixedDesignChip(1), seed=3)
    share = client.answer(0, Copies(model.state()[None])).share
    counts = np.array([client.answer(0, Copies(model.state()[None], 1000)).kept for _ in range(400)])
    assert abs(counts.mean() - 1000 * share) < 4 * np.sqrt(1000 * share * (1 - share) / 400)
    assert counts.var() == pytest.approx(1000 * share * (1 - share), rel=0.35)
    channel = QuantumChannel(loss=0.1)
    arrived = [channel.carry(Copies(model.state()[None], 1000), draw).number for _ in range(400)]
    wanted = 0.9**3
    assert abs(np.mean(arrived) - 1000 * wanted) < 4 * np.sqrt(1000 * wanted * (1 - wanted) / 400)
    assert channel.carry(Copies(model.state()[None]), draw).number is None


def test_states_are_added_as_the_circuit_of_the_sum_does():
    """Two referenced states of two qubits, an ancilla, swaps and projections, by the simulator."""
    from bitket.quantum.circuits import Circuit, prepare_state
    from bitket.quantum.simulation import statevector

    draw = np.random.default_rng(8)
    first, second = referenced(draw.normal(size=2), 1.0), referenced(draw.normal(size=2), 1.0)
    q = -0.7
    total = np.array([1.0, abs(q)]) / (1 + abs(q))
    # Front 0 and 1, back 2 and 3, ancilla 4, and 5 for the reference that branch 1 must not have.
    c = Circuit(6).compose(prepare_state(first), [0, 1]).compose(prepare_state(second), [2, 3])
    c = c.compose(prepare_state(np.sqrt(total)), [4]).cswap(4, 0, 2).cswap(4, 1, 3)
    c.h(2)  # the back on |0>|u>
    c.x(1).ccx(4, 1, 5).x(1)
    c = c.compose(prepare_state(np.sqrt(total) * [1, np.sign(q)]).inverse(), [4])
    amplitudes = statevector(c).numpy()[:4]
    found, probability = coherent_sum([first, second], np.array([q]))
    assert np.abs(amplitudes - np.sqrt(probability) * found).max() < 1e-12
    ratio = found[2:] / (np.sqrt(2) * found[0])
    wanted = first[2:] / (np.sqrt(2) * first[0]) + q * second[2:] / (np.sqrt(2) * second[0])
    assert np.abs(ratio - wanted).max() < 1e-12


@pytest.mark.parametrize("values", [{"loss": 1.0}, {"tap": -0.1}, {"depolarising": float("nan")}, {"decoys": -1}])
def test_what_is_no_channel(values):
    with pytest.raises(InvalidInput, match="quantum channel with"):
        QuantumChannel(**values)

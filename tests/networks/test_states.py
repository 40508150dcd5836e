"""States of pairs against closed forms, density matrices of the circuit simulator, and each other."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitket.errors import InvalidInput
from bitket.networks.heralding import HeraldingLaw
from bitket.networks.states import (
    FORMALISMS,
    BellDiagonalPairs,
    FidelityPairs,
    QubitPairs,
    Qubits,
    make_pairs,
    pauli_weights,
    werner,
)
from bitket.networks.timeline import SECOND
from bitket.networks.werner import distil, distil_success, swap
from bitket.quantum.circuits import Circuit
from bitket.quantum.circuits.random import random_circuit
from bitket.quantum.simulation import density_matrix, statevector

FIDELITY = st.floats(0.3, 1.0)


def exact(which):
    return BellDiagonalPairs() if which == "bell" else QubitPairs(np.random.default_rng(0).random, mixed=True)


@pytest.mark.parametrize("which", ["bell", "density"])
@given(first=FIDELITY, second=FIDELITY)
def test_purified_and_swapped_werner_states(which, first, second):
    pairs = exact(which)
    pairs.create((0, 1), werner(first), 0)
    pairs.create((2, 3), werner(second), 0)
    if pairs.purify((0, 1), (2, 3), lambda: 0.0, 0):
        assert pairs.fidelity((0, 1), 0) == pytest.approx(distil(first, second), abs=1e-12)
    pairs = exact(which)
    pairs.create((0, 1), werner(first), 0)
    pairs.create((2, 3), werner(second), 0)
    pairs.swap((0, 1), (2, 3), np.random.default_rng(1).random, 0)
    assert pairs.fidelity((0, 3), 0) == pytest.approx(swap(first, second), abs=1e-12)


@pytest.mark.parametrize("formalism", FORMALISMS)
def test_how_often_purification_succeeds(formalism):
    draw = np.random.default_rng(3)
    pairs, kept = make_pairs(formalism, draw.random), 0
    for _ in range(1500):
        pairs.create((0, 1), werner(0.8), 0)
        pairs.create((2, 3), werner(0.7), 0)
        kept += pairs.purify((0, 1), (2, 3), draw.random, 0)
        pairs.discard(0, 1, 2, 3)
    p = distil_success(0.8, 0.7)
    assert abs(kept - 1500 * p) < 4 * np.sqrt(1500 * p * (1 - p))


@given(st.lists(st.floats(0, 3), min_size=6, max_size=6), st.integers(1, 10**12))
def test_noise_in_memory_is_that_of_density_matrices(rates, time):
    weights, each = np.array([0.7, 0.1, 0.15, 0.05]), (tuple(rates[:3]), tuple(rates[3:]))
    found = []
    for which in ("bell", "density"):
        pairs = exact(which)
        pairs.create((4, 7), weights, 0, each)
        pairs.fidelity((4, 7), time // 3)  # looked at in between
        found.append(pairs.state((4, 7), time))
    np.testing.assert_allclose(found[0], found[1], atol=1e-12)
    assert np.trace(found[0]) == pytest.approx(1)


@given(st.lists(st.floats(0, 5), min_size=3, max_size=3), st.floats(0, 2), st.floats(0, 2))
def test_pauli_noise_is_a_semigroup(rates, one, two):
    a, b, both = (pauli_weights(tuple(rates), t) for t in (one, two, one + two))
    index = np.arange(4)[:, None] ^ np.arange(4)
    np.testing.assert_allclose(b[index] @ a, both, atol=1e-12)
    assert both.min() >= -1e-15


def test_pauli_noise_of_one_kind():
    assert pauli_weights((0.3, 0, 0), 2.0) == pytest.approx([(1 + np.exp(-1.2)) / 2, (1 - np.exp(-1.2)) / 2, 0, 0])
    assert pauli_weights((0, 0, 0.3), 2.0)[2] == pytest.approx((1 - np.exp(-1.2)) / 2)
    assert pauli_weights((0, 0.3, 0), 2.0)[3] == pytest.approx((1 - np.exp(-1.2)) / 2)


@pytest.mark.parametrize("mixed", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_circuits_on_qubits_are_those_of_the_simulator(mixed, seed):
    """Random one- and two-qubit gates on groups that merge, against the circuit simulator."""
    draw = np.random.default_rng(seed)
    qubits, circuit = Qubits(mixed=mixed), Circuit(4)
    names = [11, 5, 8, 2]
    for key in names:
        qubits.new((key,))
    for k in range(12):
        chosen = draw.permutation(4)[: 1 + k % 2].tolist()
        gate = random_circuit(len(chosen), 6, generator=np.random.default_rng(100 * seed + k))
        matrix = np.stack([statevector(gate, initial=e).numpy() for e in np.eye(2 ** len(chosen))], axis=1)
        qubits.apply(matrix, [names[c] for c in chosen])
        circuit.unitary(matrix, chosen)
    for key in names[1:]:
        qubits.apply(np.eye(4), (names[0], key))  # one group
    expected = density_matrix(circuit).numpy() if mixed else statevector(circuit).numpy()
    np.testing.assert_allclose(qubits.state(names), expected, atol=1e-12)
    if mixed:
        order = [names[2], names[0]]
        full = expected.reshape((2,) * 8)  # axes q3 q2 q1 q0 twice
        part = np.einsum("abcdaxcz->bdxz", full).transpose(1, 0, 3, 2).reshape(4, 4)
        np.testing.assert_allclose(qubits.state(order), part, atol=1e-12)


@pytest.mark.parametrize("mixed", [False, True])
def test_measured_qubits_leave_and_collapse(mixed):
    for value, bit in ((0.1, 0), (0.9, 1)):
        qubits = Qubits(mixed=mixed)
        qubits.new((0, 1, 2), np.array([1, 0, 0, 0, 0, 0, 0, 1]) / np.sqrt(2))
        assert qubits.measure(1, iter([value]).__next__) == bit
        state = qubits.state((0, 2))
        assert (state[0, 0] if mixed else state[0]) == pytest.approx(1 - bit)
        with pytest.raises(InvalidInput, match="qubit 1: there is none"):
            qubits.measure(1, lambda: 0.0)
        qubits.discard(0, 1, 2)
        qubits.new((0, 1, 2))


def test_kets_average_to_density_matrices():
    """Mean fidelity over noise that is drawn, after two swaps and a purification."""
    draw = np.random.default_rng(8)
    rates = ((0.5, 0.2, 1.0),) * 2

    def story(pairs, uniform):
        for k in range(4):
            pairs.create((2 * k, 2 * k + 1), werner(0.9), 0, rates)
        pairs.swap((0, 1), (2, 3), uniform, SECOND // 20)
        pairs.swap((4, 5), (6, 7), uniform, SECOND // 10)
        good = pairs.purify((0, 3), (4, 7), uniform, SECOND // 5)
        return pairs.fidelity((0, 3), SECOND // 4) if good else None

    reference = story(BellDiagonalPairs(), lambda: 0.0)
    mixed = None
    while mixed is None:
        mixed = story(QubitPairs(draw.random, mixed=True), draw.random)
    assert mixed == pytest.approx(reference, abs=1e-12)
    found = [f for f in (story(QubitPairs(draw.random), draw.random) for _ in range(800)) if f is not None]
    assert abs(np.mean(found) - reference) < 4 * np.std(found) / np.sqrt(len(found))


def test_fidelity_formalism():
    pairs = FidelityPairs(degradation=0.9)
    pairs.create((0, 1), werner(0.8), 0)
    pairs.create((2, 3), werner(0.7), 0)
    pairs.swap((0, 1), (2, 3), lambda: 0.0, 5)
    assert pairs.fidelity((0, 3), 9) == pytest.approx(0.8 * 0.7 * 0.9)
    np.testing.assert_allclose(np.linalg.eigvalsh(pairs.state((0, 3), 9))[-1], 0.504)


# -- heralding ------------------------------------------------------------------------------------------------------------
@given(
    st.floats(0.05, 1),
    st.floats(0.05, 1),
    st.floats(0, 0.3),
    st.sampled_from(["single", "double"]),
    st.floats(0.05, 0.95),
)
def test_law_of_heralding_by_enumeration(eta_a, eta_b, dark, protocol, bright):
    """All emissions, losses, detectors and dark counts, one by one."""
    law = HeraldingLaw(eta_a, eta_b, dark, protocol, bright)
    rounds, alpha = law.rounds, law.alpha

    def outcomes(a, b):
        """Probability, clicks, and whether the click is a photon's, in one round."""
        for lost_a, lost_b, det_a, det_b, d0, d1 in itertools.product((0, 1), repeat=6):
            p = (dark if d0 else 1 - dark) * (dark if d1 else 1 - dark) * 0.25
            p *= ((1 - eta_a) if lost_a else eta_a) if a else 0.5
            p *= ((1 - eta_b) if lost_b else eta_b) if b else 0.5
            hits = {detector for detector, there in ((det_a, a and not lost_a), (det_b, b and not lost_b)) if there}
            dark_hits = set(np.flatnonzero((d0, d1)).tolist())
            yield p, len(hits | dark_hits) == 1, len(hits) == 1 and dark_hits <= hits

    total, weights, first = 0.0, np.zeros(4), 0.0
    for a, b in itertools.product((0, 1), repeat=2):
        start = (alpha if a else 1 - alpha) * (alpha if b else 1 - alpha)
        stories = [(start, True)]
        for turn in range(rounds):
            pattern = (a, b) if turn == 0 else (1 - a, 1 - b)
            found = list(outcomes(*pattern))
            good, true = sum(p for p, g, _ in found if g), sum(p for p, _, t in found if t)
            if turn == 0:
                first += start * good
            stories = [(p * q, was and is_) for p, was in stories for q, is_ in ((true, True), (good - true, False))]
        for p, genuine in stories:
            total += p
            coherent = genuine and a != b
            weights += p * (werner(0.9) if coherent else np.array([0.5, 0, 0.5, 0] if a != b else [0, 0.5, 0, 0.5]))
    assert law.first_click == pytest.approx(first, abs=1e-12)
    assert law.success == pytest.approx(total, abs=1e-12)
    np.testing.assert_allclose(law.weights(0.9), weights / total, atol=1e-12)


def test_failures_before_a_success():
    law, draw = HeraldingLaw(0.6, 0.5, 0.01), np.random.default_rng(0)
    found = np.array([(t.one_round, t.two_rounds) for t in (law.failures(draw) for _ in range(4000))])
    p, p1 = law.success, law.first_click
    expected = np.array([1 - p1, p1 - p]) / p
    assert np.all(np.abs(found.mean(axis=0) - expected) < 4 * found.std(axis=0) / np.sqrt(4000))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: werner(1.2), "fidelity 1.2"),
        (lambda: HeraldingLaw(1.2, 0.5), "eta_a=1.2: a probability"),
        (lambda: HeraldingLaw(0.0, 0.0), "no attempt can succeed"),
        (lambda: HeraldingLaw(0.5, 0.5, protocol="triple"), "single, double are known"),
        (lambda: make_pairs("exact", None), "fidelity, bell, density, ket are known"),
        (lambda: Qubits().new((0, 0)), "keys must be new and differ"),
        (lambda: Qubits().new((0,), np.ones(4)), r"\(2,\) is needed"),
    ],
)
def test_wrong_input(make, message):
    with pytest.raises(InvalidInput, match=message):
        make()

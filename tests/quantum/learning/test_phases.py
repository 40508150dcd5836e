"""Quantum data: Aubry-André quenches against free fermions and Qiskit's operators, cluster-Ising states against exact diagonalisation."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import expm

from bitket.algebra import PauliSum
from bitket.errors import InvalidInput
from bitket.learning.training import Training
from bitket.quantum.circuits import Circuit, state_angles, state_circuit
from bitket.quantum.learning.attacks import masked_adam, pgd
from bitket.quantum.learning.phases import (
    PhaseModule,
    aubry_andre_circuit,
    aubry_andre_data,
    aubry_andre_hamiltonian,
    aubry_andre_potentials,
    aubry_andre_states,
    cluster_ising_ground_states,
    cluster_ising_hamiltonian,
)
from bitket.quantum.simulation import statevector


def densities(states, n):
    bits = np.arange(1 << n)[:, None] >> np.arange(n) & 1
    return np.abs(states) ** 2 @ bits


def free_fermions(potentials, time, coupling, excited):
    """Occupations after a quench of free fermions: |exp(-i h t)|² summed over the sites that began occupied."""
    n = len(potentials)
    h = np.diag(potentials) - coupling * (np.eye(n, k=1) + np.eye(n, k=-1))
    return (np.abs(expm(-1j * h * time)) ** 2)[:, excited].sum(axis=1)


@settings(max_examples=20, deadline=None)
@given(
    n=st.integers(2, 10),
    amplitude=st.floats(0, 6),
    phase=st.floats(0, 2 * np.pi),
    time=st.floats(0, 12),
    coupling=st.floats(0.2, 2),
)
def test_densities_are_those_of_free_fermions_and_the_magnetisation_stays(n, amplitude, phase, time, coupling):
    potentials = aubry_andre_potentials([amplitude], [phase], n)
    states = aubry_andre_states(potentials, time, coupling)
    found = densities(states, n)[0]
    expected = free_fermions(potentials[0], time, coupling, list(range(1, n, 2)))
    np.testing.assert_allclose(found, expected, atol=1e-8)
    assert found.sum() == pytest.approx(n // 2, abs=1e-10)
    assert np.linalg.norm(states) == pytest.approx(1, abs=1e-12)


def test_twenty_random_quenches_of_ten_qubits():
    generator = np.random.default_rng(20)
    for _ in range(20):
        potentials = aubry_andre_potentials([generator.uniform(0, 5)], [generator.uniform(0, 2 * np.pi)])
        time = generator.uniform(0.5, 10)
        found = densities(aubry_andre_states(potentials, time), 10)[0]
        np.testing.assert_allclose(found, free_fermions(potentials[0], time, 1.0, [1, 3, 5, 7, 9]), atol=1e-8)
        assert found.sum() == pytest.approx(5, abs=1e-10)


def test_states_are_the_exponential_of_the_hamiltonian_from_any_start():
    potentials = aubry_andre_potentials([1.7], [0.3], 5)
    matrix = aubry_andre_hamiltonian(potentials[0], 1.3).matrix()
    for excited in (None, (0, 3), (2,), ()):
        start = np.zeros(32)
        start[sum(1 << q for q in ((1, 3) if excited is None else excited))] = 1
        found = aubry_andre_states(potentials, 2.2, 1.3, excited)[0]
        np.testing.assert_allclose(found, expm(-2.2j * matrix) @ start, atol=1e-11)


def test_the_hamiltonian_is_the_papers():
    h = aubry_andre_hamiltonian([0.5, -1.0, 0.25], 0.8)
    terms = [("IXX", -0.4), ("XXI", -0.4), ("IYY", -0.4), ("YYI", -0.4), ("IIZ", -0.25), ("IZI", 0.5), ("ZII", -0.125)]
    np.testing.assert_allclose(h.matrix(), PauliSum.from_list(terms).matrix(), atol=1e-15)
    golden = (np.sqrt(5) - 1) / 2
    np.testing.assert_allclose(
        aubry_andre_potentials(2.0, 0.4, 4), 2 * np.cos(2 * np.pi * golden * np.arange(4) + 0.4), atol=1e-15
    )


def test_the_quench_as_a_circuit_comes_to_it_as_the_square_of_the_step():
    potentials = aubry_andre_potentials([0.5, 4.5], [1.0, 2.0], 6)
    exact = aubry_andre_states(potentials, 3.0)
    errors = []
    for steps in (20, 40, 80):
        found = statevector(aubry_andre_circuit(6, 3.0, steps=steps), inputs=potentials).numpy()
        phases = (exact.conj() * found).sum(axis=1, keepdims=True)
        errors.append(np.abs(found - exact * phases / np.abs(phases)).max())
    assert errors[2] < 3e-3
    assert [errors[k] / errors[k + 1] for k in range(2)] == pytest.approx([4, 4], rel=0.1)


def test_phases_differ_in_what_is_left_of_the_start():
    """Localised chains remember their start, extended ones forget it: the imbalance of occupied and empty sites."""
    data = aubry_andre_data(15, np.random.default_rng(3))
    assert np.bincount(data.labels).tolist() == [15, 15]
    for label, (low, high) in enumerate([(0, 1), (4, 5)]):
        own = data.amplitudes[data.labels == label]
        assert low <= own.min() <= own.max() <= high
    occupied = densities(aubry_andre_states(data.potentials, 5.0), 10)
    imbalance = (occupied[:, 1::2].sum(1) - occupied[:, ::2].sum(1)) / 5
    assert imbalance[data.labels == 1].mean() > imbalance[data.labels == 0].mean() + 0.3


@pytest.fixture(scope="module")
def trained():
    data = aubry_andre_data(40, np.random.default_rng(0), 6)
    quench = aubry_andre_circuit(6, 2.0, steps=12)
    module = PhaseModule(quench, 2, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    x, y = torch.tensor(data.potentials), torch.tensor(data.labels)
    generator = torch.Generator().manual_seed(2)
    training = Training(epochs=25, batch_size=20, learning_rate=0.05)
    training.fit(module, torch.nn.functional.cross_entropy, x, y, generator=generator)
    return module.eval()


def test_a_classifier_of_phases_learns_and_is_attacked_through_the_evolution(trained):
    data = aubry_andre_data(25, np.random.default_rng(9), 6)
    x, y = torch.tensor(data.potentials), torch.tensor(data.labels)
    clean = pgd(trained, x, y, 0.0)
    assert clean.accuracy >= 0.85
    by_potential = pgd(trained, x, y, 1.0)
    assert by_potential.accuracy <= clean.accuracy - 0.1
    whole = torch.nn.functional.pad(x, (0, 18))
    torch.testing.assert_close(trained(whole), trained(x), rtol=0, atol=1e-12)
    mask = torch.arange(24) >= 6
    turned = masked_adam(trained, whole, y, 0.3, 15, 0.05, mask)
    assert torch.equal(turned.x[:, :6], x)
    assert turned.accuracy < clean.accuracy


def test_gradients_for_potentials_are_central_differences(trained):
    x = torch.tensor(aubry_andre_data(2, np.random.default_rng(5), 6).potentials)
    leaf = x.clone().requires_grad_()
    trained(leaf)[:, 1].sum().backward()
    h = 1e-5
    for k in range(6):
        e = torch.zeros(6, dtype=torch.float64)
        e[k] = h
        slope = (trained(x + e)[:, 1] - trained(x - e)[:, 1]).detach() / (2 * h)
        torch.testing.assert_close(leaf.grad[:, k], slope, rtol=0, atol=1e-7)


@pytest.mark.parametrize("n", [3, 6, 9])
def test_cluster_ising_ground_states_are_eigenstates_of_least_energy(n):
    ratios = [0.3, 0.9, 1.6]
    energies, states = cluster_ising_ground_states(ratios, n)
    for ratio, energy, state in zip(ratios, energies, states, strict=True):
        h = cluster_ising_hamiltonian(n, ratio).matrix()
        assert energy == pytest.approx(np.linalg.eigvalsh(h)[0], abs=1e-8)
        np.testing.assert_allclose(h @ state, energy * state, atol=1e-6)
        assert np.linalg.norm(state) == pytest.approx(1, abs=1e-10)


def test_cluster_ising_is_a_cluster_state_at_zero_and_an_antiferromagnet_far_above():
    _, (cluster, magnet) = cluster_ising_ground_states([0.0, 50.0], 8)
    for j in range(8):
        stabiliser = PauliSum.from_sparse([("XZX", [(j - 1) % 8, j, (j + 1) % 8], 1.0)], 8)
        assert stabiliser.expectation(cluster).real == pytest.approx(1, abs=1e-8)
        bond = PauliSum.from_sparse([("YY", [j, (j + 1) % 8], 1.0)], 8)
        assert bond.expectation(magnet).real == pytest.approx(-1, abs=2e-3)


def test_ground_states_are_classified_and_turned_into_the_other_phase_by_local_rotations():
    """Cluster phase against antiferromagnet on six qubits, far from λ = 1; local rotations of the states fool the classifier."""
    generator = np.random.default_rng(0)
    labels = np.arange(40) % 2
    ratios = np.where(labels, generator.uniform(1.5, 2.5, 40), generator.uniform(0, 0.6, 40))
    states = cluster_ising_ground_states(ratios, 6)[1]
    assert np.abs(states.imag).max() < 1e-12
    x, y = torch.tensor(state_angles(states.real)), torch.tensor(labels)
    preparation = state_circuit(6, real=True)
    module = PhaseModule(preparation, 2, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    z = PauliSum.from_sparse([("Z", [2], 1.0)], 6)
    exact = (1 - z.expectation(statevector(module.layer.circuit, module.layer.weights.detach(), pad(x)).numpy())) / 2
    torch.testing.assert_close(module(x)[:, 1].exp().detach(), torch.tensor(exact.real), rtol=0, atol=1e-10)
    training = Training(epochs=25, batch_size=10, learning_rate=0.05)
    cross_entropy = torch.nn.functional.cross_entropy
    training.fit(module, cross_entropy, x[:28], y[:28], generator=torch.Generator().manual_seed(1))
    clean = pgd(module, x[28:], y[28:], 0.0)
    assert clean.accuracy >= 0.9
    mask = torch.arange(63 + 18) >= 63
    turned = masked_adam(module, pad(x[28:]), y[28:], 0.5, 20, 0.05, mask)
    assert turned.accuracy <= clean.accuracy - 0.2


def pad(x):
    return torch.nn.functional.pad(x, (0, 18))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: aubry_andre_potentials(1.0, 0.0, 1), "2 to 16"),
        (lambda: aubry_andre_potentials(np.nan, 0.0), "finite"),
        (lambda: aubry_andre_states(np.zeros(4)), "states, qubits"),
        (lambda: aubry_andre_states(np.zeros((1, 4)), excited=(4,)), "excited"),
        (lambda: aubry_andre_states(np.zeros((1, 4)), excited=(1, 1)), "excited"),
        (lambda: aubry_andre_states(np.zeros((1, 4)), time=np.inf), "time"),
        (lambda: aubry_andre_states(np.full((1, 4), np.nan)), "finite"),
        (lambda: aubry_andre_circuit(4, steps=0), "steps"),
        (lambda: aubry_andre_data(0, np.random.default_rng(0)), "one or more"),
        (lambda: cluster_ising_hamiltonian(2, 1.0), "3 to 16"),
        (lambda: cluster_ising_ground_states(0.5), "ratios"),
        (lambda: PhaseModule(Circuit(3), generator=torch.Generator()), "with inputs"),
        (lambda: PhaseModule(aubry_andre_circuit(3, steps=1), 1, 3, generator=torch.Generator()), "readout"),
        (
            lambda: PhaseModule(aubry_andre_circuit(3, steps=1), 1, 0, generator=torch.Generator())(torch.zeros(1, 4)),
            "samples",
        ),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(call, words):
    with pytest.raises(InvalidInput, match=words) as error:
        call()
    assert "\n" not in str(error.value)

"""The classifier's states, probabilities and training path against Qiskit, and its probabilities against PennyLane."""

import numpy as np
import pytest
import torch

from bitket.algebra import PauliSum
from bitket.learning import AQGD, COBYLA
from bitket.quantum.circuits import efficient_su2, zz_feature_map
from bitket.quantum.simulation import statevector
from bitket.quantum.variational.classification_loss import ClassificationLoss
from bitket.quantum.variational.classifier import VQC

library = pytest.importorskip("qiskit.circuit.library")
Statevector = pytest.importorskip("qiskit.quantum_info").Statevector

WORDS = ["full", "linear", "reverse_linear", "circular", "sca", "pairwise"]
PARITY = PauliSum.from_list([("ZZZZZ", 1.0)])


def qiskit_states(circuit, values):
    return np.array([Statevector(circuit.assign_parameters(v)).data for v in values])


@pytest.mark.parametrize("word", WORDS)
def test_states_of_the_feature_map_equal_qiskit(word):
    x = np.random.default_rng(0).uniform(0, np.pi, (50, 5))
    ours = statevector(zz_feature_map(5, 2, word), None, torch.from_numpy(x)).numpy()
    assert np.abs(ours - qiskit_states(library.zz_feature_map(5, reps=2, entanglement=word), x)).max() < 1e-10


@pytest.mark.parametrize("word", WORDS)
def test_states_of_the_ansatz_equal_qiskit(word):
    circuit = efficient_su2(5, 3, word)
    assert len(circuit.weights) == 40
    w = np.random.default_rng(1).uniform(0, 2 * np.pi, (50, 40))
    ours = statevector(circuit, torch.from_numpy(w)).numpy()
    assert np.abs(ours - qiskit_states(library.efficient_su2(5, reps=3, entanglement=word), w)).max() < 1e-10


def peer_network(feature_map, ansatz):
    networks = pytest.importorskip("qiskit_machine_learning.neural_networks")
    primitives = pytest.importorskip("qiskit_machine_learning.primitives")
    return networks.SamplerQNN(
        circuit=feature_map.compose(ansatz),
        sampler=primitives.QMLSampler(),
        input_params=feature_map.parameters,
        weight_params=ansatz.parameters,
        interpret=lambda k: k.bit_count() % 2,
        output_shape=2,
    )


@pytest.mark.parametrize("word", ["full", "reverse_linear"])
def test_probabilities_equal_qiskit_machine_learning(word):
    g = np.random.default_rng(2)
    X, y, w = g.uniform(0, np.pi, (12, 5)), np.arange(12) % 2, g.uniform(0, 2 * np.pi, 40)
    network = peer_network(library.zz_feature_map(5, reps=2), library.efficient_su2(5, reps=3, entanglement=word))
    # One step of length zero leaves the weights where they begin.
    model = VQC(zz_feature_map(5), efficient_su2(5, 3, word), optimizer=AQGD(1, 0.0), start=w).fit(X, y)
    assert np.array_equal(model.weights_, w)
    assert np.abs(model.predict_proba(X) - network.forward(X, w)).max() < 1e-8


def test_gradient_of_the_probabilities_equals_qiskit_machine_learning():
    g = np.random.default_rng(3)
    X, w = g.uniform(0, np.pi, (2, 5)), g.uniform(0, 2 * np.pi, 40)
    network = peer_network(library.zz_feature_map(5, reps=2), library.efficient_su2(5, reps=3, entanglement="full"))
    _, theirs = network.backward(X, w)  # [samples, classes, weights]
    circuit = zz_feature_map(5, 2).compose(efficient_su2(5, 3, "full"))
    for k in range(2):
        # The squared loss against label 0 of one sample is p_1², so its gradient is 2 p_1 times that of p_1.
        loss = ClassificationLoss(circuit, PARITY, X[k : k + 1], np.array([0]), "squared")
        value, slope = loss.value_and_gradient(w)
        assert np.abs(slope / (2 * np.sqrt(value)) - np.asarray(theirs)[k, 1]).max() < 1e-8


def test_probabilities_equal_pennylane():
    qml = pytest.importorskip("pennylane")
    g = np.random.default_rng(4)
    X, w = g.uniform(0, np.pi, (3, 5)), g.uniform(0, 2 * np.pi, 40)

    @qml.qnode(qml.device("default.qubit", wires=5))
    def network(x):
        for _ in range(2):
            for i in range(5):
                qml.Hadamard(i)
                qml.PhaseShift(2 * x[i], i)
            for i in range(5):
                for j in range(i + 1, 5):
                    qml.CNOT([i, j])
                    qml.PhaseShift(2 * (np.pi - x[i]) * (np.pi - x[j]), j)
                    qml.CNOT([i, j])
        for layer, angles in enumerate(w.reshape(4, 2, 5)):
            for i in range(5):
                qml.RY(angles[0, i], i)
            for i in range(5):
                qml.RZ(angles[1, i], i)
            if layer < 3:
                for i in range(5):
                    for j in range(i + 1, 5):
                        qml.CNOT([i, j])
        return qml.expval(qml.prod(*(qml.PauliZ(i) for i in range(5))))

    model = VQC(zz_feature_map(5), optimizer=AQGD(1, 0.0), start=w).fit(X, [0, 1, 0])
    assert np.abs(model.predict_proba(X)[:, 1] - [(1 - network(x)) / 2 for x in X]).max() < 1e-10


@pytest.mark.parametrize(
    ("iterations", "eta", "momentum"), [(50, 1.0, 0.25), ((20, 30), (0.7, 0.2), (0.5, 0.0))], ids=["plain", "schedule"]
)
def test_training_walks_as_the_sdk_does(iterations, eta, momentum):
    optimizers = pytest.importorskip("qiskit_algorithms.optimizers")
    g = np.random.default_rng(5)
    X, y, w = g.uniform(0, np.pi, (10, 5)), np.arange(10) % 2, g.uniform(0, 2 * np.pi, 40)
    circuit = zz_feature_map(5, 2).compose(efficient_su2(5, 3, "full"))
    loss = ClassificationLoss(circuit, PARITY, X, y)
    as_list = [list(v) if isinstance(v, tuple) else v for v in (iterations, eta, momentum)]
    points = []
    sdk = optimizers.AQGD(as_list[0], as_list[1], tol=1e-12, momentum=as_list[2], max_evals_grouped=81)
    theirs = sdk.minimize(lambda p: points.append(p[0].copy()) or loss(p), w.copy())
    states = []
    ours = AQGD(iterations, eta, momentum, tolerance=1e-12).minimize(loss, w, callback=states.append)
    assert (ours.nfev, ours.nit) == (theirs.nfev, theirs.nit) == (81 * 50, 50)
    walked = [w, *(s["x"] for s in states)]
    assert np.abs(np.array(walked[:-1]) - np.array(points)).max() < 1e-10
    assert np.abs(ours.x - theirs.x).max() < 1e-10


@pytest.mark.parametrize("limit", [20, 100])
def test_cobyla_of_the_classifier_walks_as_the_sdk_does(limit):
    optimizers = pytest.importorskip("qiskit_algorithms.optimizers")
    g = np.random.default_rng(6)
    X, y, w = g.uniform(0, np.pi, (10, 5)), np.arange(10) % 2, g.uniform(0, 2 * np.pi, 40)
    circuit = zz_feature_map(5, 2).compose(efficient_su2(5, 3, "full"))
    loss = ClassificationLoss(circuit, PARITY, X, y)
    seen = []
    optimizers.COBYLA(maxiter=limit).minimize(lambda p: seen.append(float(loss(p[None])[0])) or seen[-1], w.copy())
    ours = COBYLA(limit).minimize(loss, w)
    assert ours.nfev <= limit
    assert ours.history == seen[:limit]

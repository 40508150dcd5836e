import numpy as np
import pytest
import torch
from sklearn.model_selection import StratifiedKFold, cross_val_score

from bitket.errors import InvalidInput
from bitket.quantum.learning.baselines import logistic, svm
from bitket.quantum.learning.image_classifiers import CNNClassifier, HQNNParallelClassifier, HQNNQuanvClassifier
from bitket.quantum.learning.judging import cross_validated, under_noise
from bitket.quantum.learning.kernels import QuantumKernel, QuantumSVC
from bitket.quantum.noise import Device, NoiseModel
from bitket.quantum.simulation import QuantumLayer, expectation
from bitket.quantum.variational.classifier import VQC


def drawn(n=40, side=4, seed=0):
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 2
    return rng.normal(size=(n, side * side)) + 0.6 * y[:, None], np.array(["no", "yes"])[y]


def test_folds_are_scikit_learns():
    X, y = drawn()
    makers = {"svm": lambda seed: svm(), "logistic": lambda seed: logistic()}
    found = cross_validated(makers, dict.fromkeys(makers, X), y, 4, [7, 8])
    for name, make in makers.items():
        expected = [
            score
            for seed in (7, 8)
            for score in cross_val_score(make(seed), X, y, cv=StratifiedKFold(4, shuffle=True, random_state=seed))
        ]
        assert found[name] == pytest.approx(expected)
    with pytest.raises(InvalidInput, match="class no has 20 samples"):
        cross_validated(makers, dict.fromkeys(makers, X), y, 21, [0])


def layers(model):
    return [m for m in model.module_.modules() if isinstance(m, QuantumLayer)]


NOISE = NoiseModel.depolarizing(0.01, 0.05)


@pytest.mark.parametrize("make", [HQNNParallelClassifier, HQNNQuanvClassifier])
def test_noise_enters_every_circuit(make):
    X, y = drawn()
    small = {"circuits": 2, "qubits": 3} if make is HQNNParallelClassifier else {"layers": 2}
    model = make(epochs=2, dtype="float64", **small).fit(X, y)
    before = model.predict_proba(X)
    for noise in (NOISE, "manila"):
        noisy = under_noise(model, noise)
        assert np.abs(noisy.predict_proba(X) - before).max() > 1e-4
        (own,), (changed,) = layers(model), layers(noisy)
        x = torch.rand(5, *own.weights.shape[:-1], len(own.circuit.inputs), dtype=torch.float64)
        for j in range(len(own.weights) if own.weights.ndim == 2 else 1):
            bound = own.bound(j if own.weights.ndim == 2 else None)
            if isinstance(noise, str):
                placed, operators, model_of_noise = Device(noise).place(bound, own.operators)
            else:
                placed, operators, model_of_noise = bound, own.operators, noise
            here = x[:, j] if own.weights.ndim == 2 else x
            expected = expectation(placed, operators, inputs=here, noise=model_of_noise)
            found = changed(x)[:, j] if own.weights.ndim == 2 else changed(x)
            # Compiled with its angles known, a circuit may need a gate less.
            assert (found - expected).abs().max() < (5e-3 if isinstance(noise, str) else 1e-9)
    assert np.array_equal(model.predict_proba(X), before)  # the model itself is as it was


def test_noise_in_a_kernel():
    X, y = drawn(12, side=2)
    model = QuantumSVC().fit(X[:, :3], y)
    noisy = under_noise(model, NOISE)
    x = model._seen_angles(X[:, :3])
    assert np.allclose(noisy._kernel(x[:2], x[2:4]), QuantumKernel(noise=NOISE)(x[:2], x[2:4]))
    assert noisy.decision_function(X[:, :3]).shape == (12,)
    assert model._kernel.noise is None


def test_what_has_no_circuit_is_refused():
    X, y = drawn()
    for model, noise, message in (
        (CNNClassifier(epochs=1).fit(X, y), NOISE, "CNNClassifier: noise is for networks with quantum layers"),
        (VQC(), NOISE, "VQC: noise is for"),
        (QuantumSVC(), "manila", "QuantumSVC: a device's noise is for"),
    ):
        with pytest.raises(InvalidInput, match=message):
            under_noise(model, noise)

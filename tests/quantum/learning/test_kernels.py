import numpy as np
import pytest
from sklearn.model_selection import cross_val_score
from sklearn.svm import SVC

from bitket.data import load
from bitket.errors import InvalidInput
from bitket.quantum.circuits.encodings import iqp_feature_map, zz_feature_map
from bitket.quantum.learning.ad_hoc import AdHocData
from bitket.quantum.learning.kernels import (
    QuantumKernel,
    QuantumSVC,
    geometric_difference,
    kernel_target_alignment,
    nearest_psd,
    product_kernel,
    shots_for_kernel,
)
from bitket.quantum.learning.variational import VariationalClassifier, separator
from bitket.quantum.noise import NoiseModel
from bitket.quantum.simulation import statevector
from bitket.quantum.variational.mitigation import Richardson


@pytest.mark.parametrize("n", [1, 2, 3, 5, 6])
def test_states_equal_the_formula(n):
    rng = np.random.default_rng(n)
    x = rng.uniform(0, 2 * np.pi, n)
    bits = 1 - 2 * (np.arange(2**n)[:, None] >> np.arange(n) & 1)
    phase = bits @ x + sum(
        (np.pi - x[i]) * (np.pi - x[j]) * bits[:, i] * bits[:, j] for i in range(n) for j in range(i)
    )
    hadamard = np.ones((1, 1))
    for _ in range(n):
        hadamard = np.kron(hadamard, [[1, 1], [1, -1]]) / np.sqrt(2)
    state = np.zeros(2**n)
    state[0] = 1
    for _ in range(2):
        state = np.exp(1j * phase) * (hadamard @ state)
    assert np.abs(statevector(iqp_feature_map(n), inputs=x).numpy() - state).max() < 1e-12


def test_kernel_equals_qiskit_and_is_a_kernel():
    library = pytest.importorskip("qiskit.circuit.library")
    quantum_info = pytest.importorskip("qiskit.quantum_info")
    rng = np.random.default_rng(1)
    x = rng.uniform(0, 2 * np.pi, (12, 3))
    theirs = library.zz_feature_map(3, reps=2)
    states = np.stack([quantum_info.Statevector(theirs.assign_parameters(v)).data for v in x])
    fidelity = np.abs(states.conj() @ states.T) ** 2
    for feature_map in (zz_feature_map(3, reps=2), iqp_feature_map(3)):
        assert np.abs(QuantumKernel(feature_map)(x) - fidelity).max() < 1e-12
    k = QuantumKernel(iqp_feature_map(3))(rng.uniform(0, 6, (200, 3)))
    assert np.array_equal(np.diag(k), np.ones(200))
    assert np.allclose(k, k.T)
    assert np.linalg.eigvalsh(k)[0] > -1e-10


def test_shots_are_unbiased_binomials():
    generator = np.random.default_rng(2)
    x = generator.uniform(0, 6, (2, 2))
    exact = QuantumKernel(iqp_feature_map(2))(x)[0, 1]
    kernel = QuantumKernel(iqp_feature_map(2), shots=100, generator=generator)
    draws = np.array([kernel(x)[0, 1] for _ in range(1000)])
    assert abs(draws.mean() - exact) < 4 * np.sqrt(exact * (1 - exact) / 100_000)
    assert draws.var() == pytest.approx(exact * (1 - exact) / 100, rel=0.15)


def test_shots_for_kernel_keeps_its_promise():
    generator = np.random.default_rng(3)
    x = generator.uniform(0, 6, (10, 2))
    exact = QuantumKernel(iqp_feature_map(2))(x)
    kernel = QuantumKernel(iqp_feature_map(2), shots=shots_for_kernel(10, 0.3), generator=generator)
    within = [np.linalg.norm(kernel(x) - exact, 2) <= 0.3 for _ in range(200)]
    assert np.mean(within) >= 0.95


@pytest.mark.parametrize("seed", range(5))
def test_ad_hoc_data_is_what_it_says_and_is_separable(seed):
    data = AdHocData.random(2, np.random.default_rng(seed))
    x, y = data.draw(20, np.random.default_rng(seed))
    again, _ = AdHocData.random(2, np.random.default_rng(seed)).draw(20, np.random.default_rng(seed))
    assert np.array_equal(x, again)
    assert (np.abs(data.margins(x)) >= 0.3).all()
    assert np.array_equal(np.sign(data.margins(x)), y)
    assert (y == 1).sum() == (y == -1).sum() == 20
    model = QuantumSVC(QuantumKernel(data.feature_map), C=1e6).fit(x, y)
    assert model.score(x, y) == 1.0
    reference = SVC(kernel="precomputed", C=1e6).fit(QuantumKernel(data.feature_map)(x), y)
    assert np.array_equal(reference.support_, model.svc_.support_)
    assert SVC(kernel=QuantumKernel(data.feature_map), C=1e6).fit(x, y).score(x, y) == 1.0


def test_dual_equals_a_quadratic_program():
    cvxopt = pytest.importorskip("cvxopt")
    data = AdHocData.random(2, np.random.default_rng(0))
    x, y = data.draw(10, np.random.default_rng(0))
    k = QuantumKernel(data.feature_map)(x)
    cvxopt.solvers.options["show_progress"] = False
    p = cvxopt.matrix(np.outer(y, y) * k)
    solution = cvxopt.solvers.qp(
        p,
        cvxopt.matrix(-np.ones(20)),
        cvxopt.matrix(-np.eye(20)),
        cvxopt.matrix(np.zeros(20)),
        cvxopt.matrix(y[None].astype(float)),
        cvxopt.matrix(0.0),
    )
    model = SVC(kernel="precomputed", C=1e6, tol=1e-10).fit(k, y)
    weights = np.zeros(20)
    weights[model.support_] = model.dual_coef_[0]  # y alpha
    assert 0.5 * weights @ k @ weights - np.abs(weights).sum() == pytest.approx(solution["primal objective"], abs=1e-5)


def test_mitigation_mends_noisy_entries():
    x = np.random.default_rng(5).uniform(0, 6, (6, 2))
    noise = NoiseModel.depolarizing(0.001, 0.01)
    feature_map = zz_feature_map(2)
    exact = QuantumKernel(feature_map)(x)
    raw = np.abs(QuantumKernel(feature_map, noise=noise)(x) - exact).mean()
    mended = np.abs(QuantumKernel(feature_map, noise=noise, mitigation=Richardson())(x) - exact).mean()
    assert mended < raw / 2


def test_psd_alignment_and_difference():
    rng = np.random.default_rng(6)
    a = rng.normal(size=(8, 8))
    a = a + a.T
    for how in ("clip", "shift"):
        assert np.linalg.eigvalsh(nearest_psd(a, how))[0] > -1e-10
    y = np.array([1, 1, -1, -1])
    assert kernel_target_alignment(np.outer(y, y), y) == pytest.approx(1)
    k = product_kernel(rng.normal(size=(10, 2)), rng.normal(size=(10, 2)))
    assert k.shape == (10, 10)
    x = rng.normal(size=(10, 2))
    assert geometric_difference(product_kernel(x, x), product_kernel(x, x)) == pytest.approx(1, abs=1e-2)


def test_variational_classifier_learns():
    data = AdHocData.random(2, np.random.default_rng(1))
    x, y = data.draw(20, np.random.default_rng(1))
    model = VariationalClassifier(data.feature_map, 4, shots=None, predict_shots=None, random_state=1)
    assert len(separator(2, 4).weights) == 20
    assert model.fit(x, y).score(x, y) >= 0.9
    assert len(model.weights_) == 20 + 1
    assert np.allclose(model.predict_proba(x).sum(axis=1), 1)


K = QuantumKernel(iqp_feature_map(2))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: K([[1.0, np.nan]]), "row 0, column 1"),
        (lambda: K([[1.0, 2.0, 3.0]]), r"\[samples, 2\] is needed"),
        (lambda: QuantumSVC(K).fit([[1, 2], [2, 3]], [1, 1]), "one class of labels"),
        (lambda: VariationalClassifier(iqp_feature_map(3)).fit([[1, 2], [2, 3]], [0, 1]), "3 inputs"),
        (lambda: VariationalClassifier(shots=0).fit([[1, 2], [2, 3]], [0, 1]), "shots 0"),
        (lambda: K(np.zeros((0, 2))), "one sample or more"),
        (
            lambda: AdHocData.random(2, np.random.default_rng(0), 0.9999).draw(5, np.random.default_rng(0)),
            "use a smaller gap",
        ),
        (lambda: QuantumKernel(iqp_feature_map(2), shots=10), "generator"),
        (lambda: QuantumKernel(separator(2, 1)), "inputs and no weights"),
        (lambda: shots_for_kernel(5, 0), "must be positive"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(InvalidInput, match=message):
        call()


@pytest.mark.parametrize("features", [1, 2, 5, 9, 13])
def test_the_automatic_scale_narrows_with_the_features(features):
    x = np.random.default_rng(features).normal(size=(60, features))
    y = (x.sum(axis=1) > 0).astype(int)
    scaled = QuantumSVC().fit(x, y).X_
    pairs = np.triu_indices(60, 1)
    typical = np.median(QuantumKernel()(scaled, scaled)[pairs])
    assert 0.4 < typical < 0.65 or (scaled.max() == 1 and typical > 0.5)


def test_by_default_a_kernel_of_many_features_learns():
    table = load("wine")
    right = [cross_val_score(QuantumSVC(scale=scale), table.X, table.y, cv=3).mean() for scale in ("auto", (0, 1))]
    assert right[0] > 0.9 > 0.5 > right[1]


def test_the_automatic_scale_of_features_that_never_change():
    assert QuantumSVC().fit(np.ones((4, 3)), [0, 1, 0, 1]).scaler_.transform([[1.0, 1.0, 1.0]]).shape == (1, 3)

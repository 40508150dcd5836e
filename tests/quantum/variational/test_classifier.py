import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.utils.estimator_checks import parametrize_with_checks

from bitket.algebra import PauliSum
from bitket.data import angle_pipeline, load
from bitket.errors import InvalidInput
from bitket.learning import AQGD, COBYLA, NFT, SPSA, Adam, LocalSearch, OptimiserError
from bitket.learning.aqgd import half_differences
from bitket.quantum.circuits import Circuit, Parameter, angle_encoding, efficient_su2, zz_feature_map
from bitket.quantum.simulation import probabilities
from bitket.quantum.variational.classification_loss import ClassificationLoss, class_one_probabilities
from bitket.quantum.variational.classifier import VQC


def circuit(n=5, reps=3):
    return zz_feature_map(n, 2).compose(efficient_su2(n, reps, "full"))


def parity(n=5):
    return PauliSum.from_list([("Z" * n, 1.0)])


def drawn(seed=0, samples=7, n=5, reps=3, points=4):
    g = np.random.default_rng(seed)
    X = g.uniform(0, np.pi, (samples, n))
    return X, g.integers(0, 2, samples), g.uniform(0, 2 * np.pi, (points, 2 * n * (reps + 1)))


def two_clusters(samples, spread, high, seed=0):
    """Two clouds around (0.7, ..., 0.7) and (2.4, ..., 2.4), separated by a plane, scaled to [0, high]."""
    y = np.arange(samples) % 2
    X = np.where(y, 2.4, 0.7)[:, None] + np.random.default_rng(seed).normal(scale=spread, size=(samples, 5))
    return np.clip(X, 0, np.pi) / np.pi * high, y


# -- probabilities and losses --------------------------------------------------------------------------------------------
def test_class_one_is_the_odd_bit_strings():
    X, _, points = drawn()
    p = probabilities(circuit(), torch.from_numpy(points)[:, None], torch.from_numpy(X))
    odd = torch.tensor([k.bit_count() % 2 for k in range(32)], dtype=torch.bool)
    expected = p[..., odd].sum(-1).numpy()
    assert np.allclose(class_one_probabilities(circuit(), parity(), points, X), expected, atol=1e-12)


@pytest.mark.parametrize("name", ["cross_entropy", "squared"])
def test_losses_are_their_formulas(name):
    X, y, points = drawn(1)
    p = class_one_probabilities(circuit(), parity(), points, X)
    values = ClassificationLoss(circuit(), parity(), X, y, name)(points)
    for row, value in zip(p, values, strict=True):
        right = np.where(y == 1, row, 1 - row)
        expected = -np.log(right).mean() if name == "cross_entropy" else ((row - y) ** 2).mean()
        assert value == pytest.approx(expected, abs=1e-12)


def test_cross_entropy_equals_scikit_learn():
    from sklearn.metrics import log_loss

    X, y, points = drawn(2, samples=30)
    p = class_one_probabilities(circuit(), parity(), points[:1], X)[0]
    assert ClassificationLoss(circuit(), parity(), X, y)(points[:1])[0] == pytest.approx(log_loss(y, p), abs=1e-12)


def test_probabilities_are_clipped_at_one_in_ten_thousand_million():
    c = Circuit(1).ry(Parameter("x", "input"), 0).ry(Parameter("w"), 0)
    loss = ClassificationLoss(c, parity(1), np.zeros((1, 1)), np.array([1]))
    assert loss(np.zeros((1, 1)))[0] == pytest.approx(-np.log(1e-10))


def test_large_requests_are_cut(monkeypatch):
    from bitket.quantum.variational import classification_loss

    X, y, points = drawn(3)
    whole = ClassificationLoss(circuit(), parity(), X, y)(points)
    monkeypatch.setattr(classification_loss, "_MOST", 2 * 7 * 32)
    calls = []
    original = classification_loss.expectation
    monkeypatch.setattr(classification_loss, "expectation", lambda *a, **k: calls.append(1) or original(*a, **k))
    assert np.allclose(ClassificationLoss(circuit(), parity(), X, y)(points), whole, atol=1e-14)
    assert len(calls) == 2


# -- gradients -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", ["cross_entropy", "squared"])
def test_parameter_shift_adjoint_and_autograd_give_one_gradient(seed, name):
    X, y, points = drawn(seed)
    slopes = []
    for method in ("parameter_shift", "adjoint", "backprop"):
        loss = ClassificationLoss(circuit(), parity(), X, y, name, gradient=method)
        value, slope = loss.value_and_gradient(points[0])
        assert value == pytest.approx(loss(points[:1])[0], abs=1e-12)
        slopes.append(slope)
    assert np.abs(slopes[0] - slopes[2]).max() < 1e-10
    assert np.abs(slopes[1] - slopes[2]).max() < 1e-10
    h = 1e-5
    loss = ClassificationLoss(circuit(), parity(), X, y, name)
    numeric = (loss(points[0] + h * np.eye(40)) - loss(points[0] - h * np.eye(40))) / (2 * h)
    assert np.abs(slopes[2] - numeric).max() < 1e-7


@pytest.mark.parametrize("seed", range(3))
def test_half_differences_of_the_parity_are_its_gradient(seed):
    """Parameter shift of <Z...Z> by hand, against autograd."""
    from bitket.quantum.simulation import expectation

    X, _, points = drawn(seed, samples=1)
    w = torch.tensor(points[0], requires_grad=True)
    (exact,) = torch.autograd.grad(expectation(circuit(), parity(), w, X[0], gradient="backprop"), w)
    _, shifted = half_differences(lambda p: 1 - 2 * class_one_probabilities(circuit(), parity(), p, X)[:, 0], points[0])
    assert np.abs(shifted - exact.numpy()).max() < 1e-10


@settings(deadline=None, max_examples=25)
@given(st.floats(0.2, 2.9))
def test_how_far_half_differences_are_from_the_gradient_of_one_qubit(angle):
    """RY(w) and class 1: L = -log sin²(w/2). The gradient is -cot(w/2), half differences are -artanh(sin w)."""
    if abs(angle - np.pi / 2) < 0.05:
        return
    c = Circuit(1).ry(Parameter("x", "input"), 0).ry(Parameter("w"), 0)
    loss = ClassificationLoss(c, parity(1), np.zeros((1, 1)), np.array([1]))
    assert loss.value_and_gradient(np.array([angle]))[1][0] == pytest.approx(-1 / np.tan(angle / 2), rel=1e-9)
    assert half_differences(loss, np.array([angle]))[1][0] == pytest.approx(-np.arctanh(np.sin(angle)), rel=1e-7)


def test_how_far_half_differences_of_cross_entropy_are_from_its_gradient(record_property):
    """On 200 random samples they differ from it by 10 to 20 % of its length, and point some 10 degrees away."""
    differences, angles = [], []
    for seed in range(5):
        X, y, points = drawn(seed, samples=200)
        loss = ClassificationLoss(circuit(), parity(), X, y)
        _, exact = loss.value_and_gradient(points[0])
        _, half = half_differences(loss, points[0])
        differences.append(float(np.linalg.norm(half - exact) / np.linalg.norm(exact)))
        angles.append(float(np.degrees(np.arccos(half @ exact / np.linalg.norm(half) / np.linalg.norm(exact)))))
    record_property("relative differences", differences)
    record_property("angles in degrees", angles)
    assert all(0.05 < d < 0.4 for d in differences)
    assert all(3 < a < 20 for a in angles)
    # A loss that is linear in the probability has no such bias: half differences are its gradient.
    X, y, points = drawn(0)

    def linear(p):
        return (np.where(y, -1, 1) * class_one_probabilities(circuit(), parity(), p, X)).mean(axis=1)

    h = 1e-5
    numeric = (linear(points[0] + h * np.eye(40)) - linear(points[0] - h * np.eye(40))) / (2 * h)
    assert np.allclose(half_differences(linear, points[0])[1], numeric, atol=1e-8)


def test_shots_estimate_loss_and_gradient():
    X, y, points = drawn(4, samples=20)
    generator = np.random.default_rng(0)
    exact = ClassificationLoss(circuit(), parity(), X, y, "squared")
    noisy = ClassificationLoss(circuit(), parity(), X, y, "squared", shots=4096, generator=generator)
    value, slope = exact.value_and_gradient(points[0])
    assert noisy(points[:1])[0] == pytest.approx(value, abs=0.02)
    several = [noisy.value_and_gradient(points[0])[1] for _ in range(8)]
    assert np.abs(np.mean(several, axis=0) - slope).max() < 0.01
    assert np.abs(several[0] - several[1]).max() > 0
    with pytest.raises(InvalidInput, match="a positive number and a generator"):
        ClassificationLoss(circuit(), parity(), X, y, shots=0, generator=generator)


# -- the classifier ------------------------------------------------------------------------------------------------------
@parametrize_with_checks([VQC(optimizer=AQGD(20, mode="exact")), VQC(optimizer=AQGD(5, mode="exact"), shots=50)])
def test_keeps_scikit_learns_contract(estimator, check):
    check(estimator)


@pytest.mark.parametrize(
    ("feature_map", "spread", "high", "eta"),
    [
        (angle_encoding(5), 0.3, np.pi, 1.0),
        (zz_feature_map(5, 2), 0.3, 1.0, 1.0),
        (zz_feature_map(5, 2), 0.3, 1.0, 2.0),
    ],
    ids=["angles", "zz", "zz faster"],
)
def test_separable_classes_are_learned(feature_map, spread, high, eta):
    X, y = two_clusters(100, spread, high)
    model = VQC(feature_map, optimizer=AQGD(100, eta, mode="exact")).fit(X, y)
    assert model.result_.nit <= 100
    assert model.score(X, y) >= 0.95


def test_a_plane_through_uniform_angles_is_learned():
    g = np.random.default_rng(0)
    normal, X = g.normal(size=5), g.uniform(0, np.pi, (2000, 5))
    distance = (X - np.pi / 2) @ normal / np.linalg.norm(normal)
    X, y = X[np.abs(distance) > 0.3][:150], (distance > 0)[np.abs(distance) > 0.3][:150]
    model = VQC(angle_encoding(5), optimizer=AQGD(100, mode="exact")).fit(X, y)
    assert model.score(X, y) >= 0.95


def test_shuffled_labels_teach_nothing():
    X, y = two_clusters(1200, 0.3, 1.0)
    shuffled = np.random.default_rng(1).permutation(y)
    model = VQC(zz_feature_map(5), optimizer=AQGD(60, mode="exact")).fit(X[:200], shuffled[:200])
    assert abs(model.score(X[200:], shuffled[200:]) - 0.5) <= 0.08


@pytest.mark.parametrize(
    "optimizer",
    [
        AQGD(60, 0.7),
        AQGD(60, 0.7, mode="exact"),
        Adam(60, 0.1),
        COBYLA(400),
        SPSA(200),
        NFT(160),
        LocalSearch("L-BFGS-B", 40),
    ],
    ids=lambda o: type(o).__name__ + getattr(o, "mode", ""),
)
def test_every_optimizer_lowers_the_loss_and_beats_guessing(optimizer):
    data = load("iris").of_classes("versicolor", "virginica")
    X = angle_pipeline(None, 0, 1).fit_transform(data.X)
    model = VQC(zz_feature_map(4, 1), efficient_su2(4, 2), optimizer=optimizer).fit(X, data.y)
    first = ClassificationLoss(model.circuit_, parity(4), X, data.y)(model._start(np.random.default_rng(0))[None])[0]
    last = ClassificationLoss(model.circuit_, parity(4), X, data.y)(model.weights_[None])[0]
    assert last < first
    assert model.score(X, data.y) > 0.75


def test_predictions_follow_the_probabilities_and_the_labels():
    X, y = two_clusters(30, 0.3, 1.0)
    names = np.array(["yes", "no"])[y]
    model = VQC(zz_feature_map(5), optimizer=AQGD(20, mode="exact")).fit(X, names)
    p = model.predict_proba(X)
    assert model.classes_.tolist() == ["no", "yes"]
    assert np.allclose(p.sum(axis=1), 1)
    assert (model.predict(X) == np.where(p[:, 1] > 0.5, "yes", "no")).all()
    # Swapping the labels' order swaps the classes; the class of the odd strings is always the second.
    p1 = class_one_probabilities(model.circuit_, parity(), model.weights_[None], X)[0]
    assert np.allclose(p[:, 1], p1, atol=1e-14)


def test_another_observable_decides():
    X, y = two_clusters(30, 0.3, 1.0)
    first = PauliSum.from_list([("IIIIZ", 1.0)])
    model = VQC(zz_feature_map(5), optimizer=AQGD(60, mode="exact"), interpret=first).fit(X, y)
    p = probabilities(model.circuit_, torch.from_numpy(model.weights_), torch.from_numpy(X)).numpy()
    assert np.allclose(model.predict_proba(X)[:, 1], p[:, 1::2].sum(axis=1), atol=1e-12)


@pytest.mark.parametrize("optimizer", [SPSA(12), AQGD(6), COBYLA(20), Adam(4)], ids=lambda o: type(o).__name__)
@pytest.mark.parametrize("shots", [None, 64])
def test_same_seed_same_weights_and_stopped_fits_go_on(optimizer, shots):
    X, y = two_clusters(12, 0.3, 1.0)
    model = VQC(zz_feature_map(5, 1), efficient_su2(5, 1, "linear"), optimizer=optimizer, shots=shots, random_state=3)
    whole = clone(model).fit(X, y)
    assert np.array_equal(whole.weights_, clone(model).fit(X, y).weights_)
    assert not np.array_equal(whole.weights_, clone(model).set_params(random_state=4).fit(X, y).weights_)
    kept = []
    clone(model).fit(X, y, callback=lambda s: kept.append(s) or len(kept) == 3)
    rest = clone(model).fit(X, y, state=kept[-1])
    assert len(kept) == 3
    assert np.array_equal(rest.weights_, whole.weights_)
    assert rest.result_.nfev == whole.result_.nfev
    assert np.array_equal(rest.predict_proba(X), whole.predict_proba(X))
    json.dumps({k: v for k, v in kept[-1].items() if not isinstance(v, np.ndarray)})


def folds(model, X, y):
    return cross_val_score(model, X, y, cv=StratifiedKFold(5, shuffle=True, random_state=0)).mean()


@pytest.mark.parametrize("name", ["breast_cancer", "wine", "iris"])
def test_default_encoding_learns_where_raw_features_in_a_zz_map_do_not(name):
    """Four standardised features (principal components where there are more), five folds; three classes by one against the rest."""
    data = load(name)
    steps = [StandardScaler(), *([PCA(4, svd_solver="full")] if data.X.shape[1] > 4 else [])]

    def chain(model):
        classifier = model if len(data.classes) == 2 else OneVsRestClassifier(model)
        return make_pipeline(*steps, classifier)

    found = folds(chain(VQC(optimizer=AQGD(60, mode="exact"))), data.X, data.y)
    raw = folds(chain(VQC(zz_feature_map(4), optimizer=AQGD(60, mode="exact"))), data.X, data.y)
    machine = folds(make_pipeline(*steps, SVC()), data.X, data.y)
    assert raw < 0.7
    assert found > machine - 0.1


def test_scale_is_learned_in_the_fit_and_clips():
    X, y = two_clusters(40, 0.3, 1.0)
    model = VQC(optimizer=AQGD(20, mode="exact")).fit(X, y)
    for shift, factor in ((0.0, 1000.0), (-50.0, 1e-3)):  # another unit of the features changes nothing
        other = clone(model).fit(shift + factor * X, y)
        assert np.allclose(other.predict_proba(shift + factor * X), model.predict_proba(X), atol=1e-9)
    beyond = np.where(X.mean(axis=0) < X, 1e6, -1e6)
    ends = np.where(X.mean(axis=0) < X, X.max(axis=0), X.min(axis=0))
    assert np.allclose(model.predict_proba(beyond), model.predict_proba(ends), atol=1e-12)
    explicit = clone(model).set_params(feature_map=angle_encoding(5), scale=(0, np.pi)).fit(X, y)
    assert np.array_equal(explicit.weights_, model.weights_)
    assert clone(model).set_params(feature_map=angle_encoding(5)).fit(X, y).scaler_ is None


X, Y = two_clusters(8, 0.1, 1.0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: VQC().fit(X, np.arange(8) % 3), "The type of the target is multiclass: two labels are needed"),
        (lambda: VQC().fit(X, np.zeros(8)), "two labels are needed"),
        (lambda: VQC().fit(X, np.linspace(0, 1, 8)), "continuous"),
        (lambda: VQC().fit(X * np.nan, Y), "Input X contains NaN"),
        (lambda: VQC().fit(X * np.inf, Y), "Input X contains"),
        (lambda: VQC().fit(X, Y[:5]), "inconsistent numbers of samples"),
        (lambda: VQC().fit(X), "missing 1 required positional argument"),
        (lambda: VQC().fit(X, None), "requires y to be passed"),
        (lambda: VQC().fit(X[0], Y), "Reshape your data"),
        (lambda: VQC(zz_feature_map(4)).fit(X, Y), "samples have 5 features, the feature map 4 inputs"),
        (lambda: VQC(ansatz=efficient_su2(4)).fit(X, Y), "the ansatz has 4 qubits, the feature map 5"),
        (lambda: VQC(ansatz=zz_feature_map(5)).fit(X, Y), "an ansatz with weights and no inputs"),
        (lambda: VQC(loss="hinge").fit(X, Y), "'cross_entropy' and 'squared' are known"),
        (lambda: VQC(interpret="first").fit(X, Y), "'parity' or a Pauli sum"),
        (lambda: VQC(start="zeros").fit(X, Y), "'uniform', 'normal' or weights"),
        (lambda: VQC(start=np.zeros(3)).fit(X, Y), r"start of shape \(3,\); 40 weights"),
        (lambda: VQC(shots=0).fit(X, Y), "shots 0"),
        (lambda: VQC(scale="wide").fit(X, Y), "'auto', None or two angles"),
        (lambda: VQC(scale=(1, 0)).fit(X, Y), "the lower one first"),
        (lambda: VQC(scale=(0, np.nan)).fit(X, Y), "finite numbers"),
        (lambda: VQC(random_state=-1).fit(X, Y), "random_state -1: a whole number from 0"),
        (lambda: VQC().fit(np.zeros((4, 17)), [0, 1, 0, 1]), "17 features; the default feature map takes one qubit"),
        (lambda: VQC(interpret=parity() * 2).fit(X, Y), "eigenvalues 1 and -1"),
        (lambda: VQC(gradient="magic").fit(X, Y), "magic"),
        (lambda: VQC(optimizer=AQGD([1, 2], [0.1])), "schedules of lengths"),
        (
            lambda: VQC(optimizer=AQGD(1, mode="exact")).fit(X, Y).predict(X[:, :3]),
            "X has 3 features, but VQC is expecting 5",
        ),
        (lambda: VQC().fit(X, Y, state={"optimiser": "SPSA"}), "AQGD cannot go on from it"),
    ],
)
def test_bad_input_is_named_in_one_line(call, message):
    with pytest.raises((InvalidInput, OptimiserError, TypeError), match=message) as caught:
        call()
    assert "\n" not in str(caught.value)

"""Attacks: what they may change and by how much, that they climb the loss, and that they reach every kind of classifier."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import make_blobs
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler
from sklearn.svm import SVC

from bitket.data import angle_pipeline
from bitket.errors import InvalidInput
from bitket.learning import AQGD, SPSA
from bitket.quantum.learning.attacks import bim, fgsm, masked_adam, pgd, random_noise
from bitket.quantum.learning.baselines import logistic, svm
from bitket.quantum.learning.differentiable import as_module
from bitket.quantum.learning.kernels import QuantumSVC
from bitket.quantum.learning.variational import VariationalClassifier
from bitket.quantum.variational.classifier import VQC


def network(seed=0, features=6, classes=3):
    torch.manual_seed(seed)
    return torch.nn.Sequential(
        torch.nn.Linear(features, 8), torch.nn.Dropout(0.5), torch.nn.Tanh(), torch.nn.Linear(8, classes)
    ).double()


def samples(seed=0, count=9, features=6, classes=3):
    generator = torch.Generator().manual_seed(seed)
    x = torch.rand(count, features, generator=generator, dtype=torch.float64)
    return x, torch.randint(classes, (count,), generator=generator)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 1000),
    epsilon=st.floats(0, 2),
    steps=st.integers(1, 6),
    step=st.floats(0, 1),
    norm=st.sampled_from(["inf", "2"]),
    started=st.booleans(),
)
def test_perturbations_stay_in_the_ball_and_within_the_bounds(seed, epsilon, steps, step, norm, started):
    x, y = samples(seed)
    start = torch.Generator().manual_seed(seed) if started else None
    result = pgd(network(seed), x, y, epsilon, steps, step, norm, bounds=(0, 1), random_start=start)
    assert float(result.norms(norm).max()) <= epsilon * (1 + 1e-12) + 1e-15
    assert float(result.x.min()) >= 0
    assert float(result.x.max()) <= 1
    assert result.path.shape == (steps + 1, len(x))
    torch.testing.assert_close(result.x - x, result.delta, rtol=0, atol=0)


def test_the_path_is_the_probability_of_the_true_class_and_a_linear_model_is_fooled_as_theory_says():
    """For logits (0, w·x) and class 1, FGSM lowers the margin by ε |w|_1 and L2 PGD by ε |w|_2."""
    w = torch.tensor([0.7, -0.2, 0.4], dtype=torch.float64)
    model = torch.nn.Linear(3, 2, bias=False).double()
    model.weight.data = torch.stack([torch.zeros(3), w])
    x = torch.tensor([[1.0, 0.0, 1.0]], dtype=torch.float64)
    for result, drop in (
        (fgsm(model, x, [1], 0.3), 0.3 * w.abs().sum()),
        (pgd(model, x, [1], 0.3, norm="2"), 0.3 * w.norm()),
    ):
        expected = torch.sigmoid(x[0] @ w - drop)
        assert float(result.path[-1, 0]) == pytest.approx(float(expected), abs=1e-9)
        assert float(result.path[0, 0]) == pytest.approx(float(torch.sigmoid(x[0] @ w)), abs=1e-12)
    assert not bool(fgsm(model, x, [1], 0.3).success)  # 1.1 - 0.39 > 0
    assert bool(fgsm(model, x, [1], 0.9).success)  # 1.1 - 1.17 < 0


def test_masked_coordinates_stay_bit_for_bit_and_the_others_lower_the_true_class():
    x, y = samples(1, 20)
    x[:, ::2] = torch.rand(20, 3, generator=torch.Generator().manual_seed(2), dtype=torch.float64) * 0.05
    model = network(1)
    result = masked_adam(model, x, y, steps=8)
    untouched = x <= 0.05
    assert untouched.any()
    assert torch.equal(result.x[untouched], x[untouched])
    assert bool((result.x != x)[~untouched].all())
    assert bool((result.path[-1] < result.path[0]).all())
    assert float(result.norms("inf").max()) <= 8 * 0.01 * 1.5
    limited = masked_adam(model, x, y, 0.02, 8, mask=~untouched)
    assert float(limited.norms("inf").max()) <= 0.02 + 1e-15


def test_masked_adam_is_torchs_adam_on_the_input():
    x, y = samples(3)
    model = network(3).eval()
    leaf = x.clone().requires_grad_()
    optimiser = torch.optim.Adam([leaf], lr=0.02)
    mask = torch.tensor([True, False, True, True, False, True])
    for _ in range(7):
        optimiser.zero_grad()
        model(leaf).softmax(1).gather(1, y[:, None]).sum().backward()
        leaf.grad *= mask
        optimiser.step()
    ours = masked_adam(model, x, y, None, 7, 0.02, mask)
    torch.testing.assert_close(ours.x, leaf.detach(), rtol=0, atol=1e-12)


def test_the_model_is_left_as_it_was():
    model = network()
    model.train()
    model[0].eval()
    model[3].bias.requires_grad_(False)
    x, y = samples()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    first = pgd(model, x, y, 0.1)
    assert [m.training for m in model] == [False, True, True, True]
    assert [p.requires_grad for p in model.parameters()] == [True, True, True, False]
    assert all(p.grad is None for p in model.parameters())
    assert all(torch.equal(before[k], v) for k, v in model.state_dict().items())
    assert torch.equal(first.x, pgd(model, x, y, 0.1).x)  # dropout is off: nothing is drawn


def test_a_samples_attack_does_not_depend_on_the_batch():
    x, y = samples(4, 300)
    whole = pgd(network(4), x, y, 0.2, 5, norm="2")
    alone = pgd(network(4), x[270:272], y[270:272], 0.2, 5, norm="2")
    torch.testing.assert_close(whole.x[270:272], alone.x, rtol=0, atol=1e-12)
    empty = fgsm(network(4), x[:0], y[:0], 0.1)
    assert empty.x.shape == (0, 6)


@pytest.mark.parametrize("norm", ["inf", "2"])
def test_noise_has_the_size_that_was_asked_for_and_hurts_less(norm):
    x, y = samples(5, 200)
    y = network(5).eval()(x).argmax(1)
    generator = torch.Generator().manual_seed(0)
    noise = random_noise(network(5), x, y, 0.3, norm, generator=generator)
    torch.testing.assert_close(noise.norms(norm), torch.full((200,), 0.3, dtype=torch.float64), rtol=1e-6, atol=0)
    assert pgd(network(5), x, y, 0.3, norm=norm).path[-1].mean() < noise.path[-1].mean()


BLOBS = make_blobs(24, 2, centers=[[0, 0], [3, 3]], cluster_std=0.6, random_state=0)
NAMES = np.array(["low", "high"])[BLOBS[1]]


@pytest.fixture(
    scope="module",
    params=[
        lambda: VQC(optimizer=AQGD(30, mode="exact")),
        lambda: VariationalClassifier(depth=1, optimiser=SPSA(60), shots=None, predict_shots=None),
        lambda: QuantumSVC(),
        lambda: logistic(),
        lambda: svm(),
        lambda: make_pipeline(angle_pipeline(2), VQC(scale=None, optimizer=AQGD(30, mode="exact"))),
    ],
    ids=["vqc", "variational", "svc", "logistic", "svm", "pipeline"],
)
def classifier(request):
    return request.param().fit(BLOBS[0], NAMES)


def test_a_classifier_and_its_module_say_the_same(classifier):
    module, to_samples, to_index = as_module(classifier)
    logits = module(to_samples(BLOBS[0]))
    if hasattr(classifier, "predict_proba"):
        expected = classifier.predict_proba(BLOBS[0])
        expected = expected / expected.sum(axis=1, keepdims=True)
        np.testing.assert_allclose(logits.softmax(1).numpy(), expected, atol=1e-9)
    else:
        np.testing.assert_allclose(
            (logits[:, 1] - logits[:, 0]).numpy(), classifier.decision_function(BLOBS[0]), atol=1e-9
        )
    assert classifier.classes_[to_index(NAMES).numpy()].tolist() == NAMES.tolist()


def test_every_classifier_is_attacked_through_its_encoding(classifier):
    x = BLOBS[0]
    module, to_samples, to_index = as_module(classifier)
    inner = ((x > x.min(0) + 0.2) & (x < x.max(0) - 0.2)).all(1)  # elsewhere the scaling is clipped
    if isinstance(classifier, Pipeline) and isinstance(classifier[0], Pipeline):
        angles = classifier[:-1].transform(x)
        inner &= ((angles > 0.1) & (angles < np.pi - 0.1)).all(1)
    assert inner.sum() >= 5
    leaf = to_samples(x).requires_grad_()
    torch.nn.functional.cross_entropy(module(leaf), to_index(NAMES), reduction="sum").backward()
    h, found = 1e-5, []
    for k in range(2):
        e = np.eye(2)[k] * h
        up, down = (
            torch.nn.functional.cross_entropy(module(to_samples(x + s * e)), to_index(NAMES), reduction="none")
            for s in (1, -1)
        )
        found.append((up - down) / (2 * h))
    np.testing.assert_allclose(leaf.grad.numpy()[inner], torch.stack(found, 1).numpy()[inner], atol=1e-6)
    result = pgd(classifier, x, NAMES, 2.5, 10)
    assert result.accuracy < classifier.score(x, NAMES)
    assert classifier.predict(result.x.numpy()).tolist() == classifier.classes_[result.predicted.numpy()].tolist()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda m, x, y: fgsm(m, x, y[:-1], 0.1), "labels"),
        (lambda m, x, y: fgsm(m, x, y, -1), "epsilon"),
        (lambda m, x, y: fgsm(m, x, y, float("nan")), "epsilon"),
        (lambda m, x, y: fgsm(m, x, y, "0.1"), "number"),
        (lambda m, x, y: fgsm(m, x * float("nan"), y, 0.1), "finite"),
        (lambda m, x, y: fgsm(m, x, y.double(), 0.1), "class indices"),
        (lambda m, x, y: fgsm(m, x, y + 3, 0.1), "classes"),
        (lambda m, x, y: fgsm(m, x, y - 3, 0.1), "from 0"),
        (lambda m, x, y: fgsm(m, x + 5, y, 0.1, bounds=(0, 1)), "outside the bounds"),
        (lambda m, x, y: fgsm(m, x, y, 0.1, bounds=(1, 0)), "lower one first"),
        (lambda m, x, y: pgd(m, x, y, 0.1, 0), "steps"),
        (lambda m, x, y: pgd(m, x, y, 0.1, norm="1"), "norm"),
        (lambda m, x, y: masked_adam(m, x, y, mask=torch.ones(3, dtype=torch.bool)), "mask"),
        (lambda m, x, y: bim("model", x, y, 0.1), "torch module"),
        (lambda m, x, y: fgsm(torch.nn.Linear(6, 1).double(), x, y, 0.1), "logits"),
        (lambda m, x, y: fgsm(torch.nn.Sequential(Rounded(), m), x, y, 0.1), "differentiably"),
        (lambda m, x, y: fgsm(VQC(), x, y, 0.1), "not fitted"),
        (lambda m, x, y: fgsm(m, "samples", y, 0.1), "numbers"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(call, words):
    with pytest.raises(InvalidInput, match=words) as error:
        call(network(), *samples())
    assert "\n" not in str(error.value)


class Rounded(torch.nn.Module):
    def forward(self, x):
        return x.detach().round()


def test_labels_that_the_fit_did_not_see_are_refused(classifier):
    with pytest.raises(InvalidInput, match="'middle'"):
        fgsm(classifier, BLOBS[0][:1], ["middle"], 0.1)


def test_steps_and_classifiers_without_a_gradient_are_named():
    x, y = make_blobs(12, 2, centers=2, random_state=0)
    for model, words in (
        (make_pipeline(PolynomialFeatures(2), LogisticRegression()), "PolynomialFeatures"),
        (SVC(kernel="linear"), "rbf"),
        (KNeighborsClassifier(), "KNeighborsClassifier"),
    ):
        with pytest.raises(InvalidInput, match=words):
            fgsm(model.fit(x, y), x, y, 0.1)
    with pytest.raises(InvalidInput, match="3 features"):
        fgsm(LogisticRegression().fit(x, y), np.ones((1, 3)), y[:1], 0.1)
    for unfitted in (LogisticRegression(), make_pipeline(StandardScaler(), QuantumSVC())):
        with pytest.raises(InvalidInput, match="not fitted"):
            fgsm(unfitted, x, y, 0.1)


def test_three_classes_of_logistic_regression_have_its_probabilities():
    x, y = make_blobs(30, 4, centers=3, random_state=0)
    model = make_pipeline(StandardScaler(), PCA(2, whiten=True), LogisticRegression()).fit(x, y)
    module, to_samples, _ = as_module(model)
    np.testing.assert_allclose(module(to_samples(x)).softmax(1).numpy(), model.predict_proba(x), atol=1e-9)


def test_votes_of_three_classes_have_no_gradient():
    x, y = make_blobs(12, 2, centers=3, random_state=0)
    with pytest.raises(InvalidInput, match="two are needed"):
        fgsm(QuantumSVC().fit(x, y), x, y, 0.1)

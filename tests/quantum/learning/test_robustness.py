"""Robustness curves, critical budgets, transfer, and training against attacks, on problems whose answers are known."""

import math

import numpy as np
import pytest
import torch
from sklearn.datasets import make_blobs

from bitket.errors import InvalidInput
from bitket.learning import AQGD
from bitket.learning.training import Training
from bitket.quantum.learning.attacks import fgsm, pgd
from bitket.quantum.learning.robustness import (
    AdversarialTrainer,
    critical_budget,
    defence_table,
    hardened,
    named_attack,
    robustness_curve,
    transfer_table,
)
from bitket.quantum.variational.classifier import VQC

DIMENSION = 400


@pytest.fixture(scope="module")
def plane():
    """A hyperplane with unit normal, and samples whose distances from it are known."""
    generator = torch.Generator().manual_seed(0)
    normal = torch.randn(DIMENSION, generator=generator, dtype=torch.float64)
    normal /= normal.norm()
    model = torch.nn.Linear(DIMENSION, 2, bias=False).double()
    model.weight.data = torch.stack([torch.zeros_like(normal), normal])
    distances = torch.linspace(0.05, 1, 60, dtype=torch.float64)
    x = torch.randn(60, DIMENSION, generator=generator, dtype=torch.float64)
    x += (distances - x @ normal)[:, None] * normal
    return model, x, torch.ones(60, dtype=torch.long), distances, normal


def test_accuracy_under_attack_is_the_share_of_samples_farther_than_the_budget(plane):
    model, x, y, distances, normal = plane
    budgets = [0.0, 0.2, 0.5, 0.9]
    euclidean = robustness_curve(model, x, y, budgets, named_attack("pgd-l2"))
    np.testing.assert_allclose(
        euclidean.accuracy, [float((distances > b).double().mean()) for b in budgets], atol=1e-12
    )
    np.testing.assert_allclose(euclidean.error, np.sqrt(euclidean.accuracy * (1 - euclidean.accuracy) / 60))
    small = [b / float(normal.abs().sum()) for b in budgets]
    for name in ("fgsm", "bim", "pgd"):
        curve = robustness_curve(model, x, y, small, named_attack(name))
        np.testing.assert_allclose(curve.accuracy, euclidean.accuracy, atol=1e-12)


def test_critical_budgets_of_attack_and_noise_are_those_of_a_plane(plane):
    """PGD needs the median distance; noise of norm ε has a component along the normal of about ε / sqrt(d)."""
    model, x, y, distances, _ = plane
    attacked = critical_budget(model, x, y, named_attack("pgd-l2"), tolerance=0.005)
    assert attacked == pytest.approx(float(distances.median()), rel=0.03)
    generator = torch.Generator().manual_seed(1)
    noise = named_attack("noise-l2", generator=generator)
    assert (
        critical_budget(model, x, y, noise, largest=3.0) is None
    )  # half of all samples flip at no finite size of noise
    some = critical_budget(model, x, y, noise, share=0.9, largest=1000.0)
    expected = np.interp(0.1, *_flipped(distances.numpy()))
    assert some == pytest.approx(expected, rel=0.6)
    assert some > 3 * attacked


def _flipped(distances):
    from scipy.special import ndtr

    sizes = np.geomspace(0.1, 1000, 400)
    return np.array([ndtr(-distances * math.sqrt(DIMENSION) / s).mean() for s in sizes]), sizes


def test_samples_made_against_one_plane_fool_its_neighbours_less(plane):
    model, x, y, _, normal = plane
    generator = torch.Generator().manual_seed(2)
    other = torch.randn(DIMENSION, generator=generator, dtype=torch.float64)
    other -= (other @ normal) * normal
    tilted = torch.nn.Linear(DIMENSION, 2, bias=False).double()
    tilted.weight.data = torch.stack([torch.zeros_like(normal), normal + other / other.norm()])
    right = ((x @ tilted.weight[1]) > 0.0).nonzero()[:, 0]
    table = transfer_table({"plane": model, "tilted": tilted}, x[right], y[right], 0.5, named_attack("pgd-l2"))
    assert table["plane"]["plane"] < table["plane"]["tilted"]
    assert table["tilted"]["tilted"] < table["tilted"]["plane"]


def moons(seed=0, count=120):
    """Two features that tell the classes apart robustly, and eighteen weak ones that do not stand an attack (Tsipras et al. 2019)."""
    generator = torch.Generator().manual_seed(seed)
    y = torch.randint(2, (count,), generator=generator)
    sign = 2.0 * y - 1
    strong = sign[:, None] * (1 - 2.0 * (torch.rand(count, 2, generator=generator) < 0.1))
    weak = sign[:, None] * 0.35 + torch.randn(count, 18, generator=generator) * 0.8
    return torch.cat([strong, weak], 1).double(), y


@pytest.mark.parametrize("mode", ["each_step", "union"])
def test_training_against_an_attack_helps_against_fresh_attacks(mode):
    x, y = moons(0, 400)
    test, truth = moons(1, 400)
    training = Training(epochs=60, batch_size=100, learning_rate=0.02)

    def fresh():
        return torch.nn.utils.skip_init(torch.nn.Linear, 20, 2).double()

    plain = fresh()
    torch.nn.init.zeros_(plain.weight), torch.nn.init.zeros_(plain.bias)
    training.fit(plain, torch.nn.functional.cross_entropy, x, y, generator=torch.Generator().manual_seed(0))
    defended = fresh()
    torch.nn.init.zeros_(defended.weight), torch.nn.init.zeros_(defended.bias)
    trainer = AdversarialTrainer(training, fgsm, 0.5, mode)
    trained = plain if mode == "union" else None
    trainer.fit(defended, x, y, trained=trained, generator=torch.Generator().manual_seed(0))
    before, after = (pgd(m, test, truth, 0.5).accuracy for m in (plain, defended))
    assert after >= before + 0.1
    clean = [fgsm(m, test, truth, 0.0).accuracy for m in (plain, defended)]
    assert clean[1] >= clean[0] - 0.15


def test_a_step_of_training_sees_clean_and_attacked_samples():
    """One full-batch SGD step is that of the mean of both losses, the attack made at the weights before the step."""
    x, y = moons(3, 30)
    torch.manual_seed(0)
    module = torch.nn.Linear(20, 2).double()
    made = fgsm(module, x, y, 0.3).x
    loss = torch.nn.functional.cross_entropy
    value = (loss(module(x), y) + loss(module(made), y)) / 2
    slopes = torch.autograd.grad(value, list(module.parameters()))
    expected = [p.detach() - 0.1 * s for p, s in zip(module.parameters(), slopes, strict=True)]
    trainer = AdversarialTrainer(Training(epochs=1, optimiser="sgd", learning_rate=0.1), fgsm, 0.3)
    result = trainer.fit(module, x, y)
    assert result.history[0] == pytest.approx(float(value.detach()), abs=1e-12)
    for p, wanted in zip(module.parameters(), expected, strict=True):
        torch.testing.assert_close(p.detach(), wanted, rtol=0, atol=1e-12)


def test_training_goes_on_from_a_checkpoint_to_the_same_weights(tmp_path):
    x, y = moons(4, 40)

    def run(epochs, path):
        torch.manual_seed(1)
        module = torch.nn.Linear(20, 2).double()
        trainer = AdversarialTrainer(Training(epochs=epochs, batch_size=16, checkpoint_every=2), fgsm, 0.2)
        trainer.fit(module, x, y, generator=torch.Generator().manual_seed(5), checkpoint=path)
        return module.weight.detach()

    whole = run(6, None)
    run(2, tmp_path / "c.safetensors")
    torch.testing.assert_close(run(6, tmp_path / "c.safetensors"), whole, rtol=0, atol=0)


def test_any_classifier_can_be_hardened():
    x, y = make_blobs(40, 2, centers=[[0, 0], [3, 3]], cluster_std=0.6, random_state=0)
    labels = np.array(["low", "high"])[y]
    model = VQC(optimizer=AQGD(20, mode="exact")).fit(x, labels)
    again = hardened(model, x, labels, 0.8, named_attack("pgd"))
    assert again is not model
    assert again.get_params()["optimizer"] == model.get_params()["optimizer"]
    made = pgd(model, x, labels, 0.8).x.numpy()
    assert again.score(made, labels) >= model.score(made, labels)
    with pytest.raises(InvalidInput, match="AdversarialTrainer"):
        hardened(torch.nn.Linear(2, 2), x, y, 0.1, fgsm)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda m, x, y: named_attack("pdg"), "pgd"),
        (lambda m, x, y: named_attack("noise"), "generator"),
        (lambda m, x, y: robustness_curve(m, x, y, [], fgsm), "budgets"),
        (lambda m, x, y: robustness_curve(m, x[:0], y[:0], [0.1], fgsm), "samples"),
        (lambda m, x, y: robustness_curve(m, x, y, [-0.1], fgsm), "epsilon"),
        (lambda m, x, y: critical_budget(m, x, y, fgsm, share=1.0), "share"),
        (lambda m, x, y: AdversarialTrainer(Training(), fgsm, 0.1, "never"), "mode"),
        (lambda m, x, y: AdversarialTrainer(Training(), fgsm, 0.1, "union").fit(m, x, y), "trained"),
        (lambda m, x, y: AdversarialTrainer(Training(), fgsm, 0.1).fit(m, x, y, trained=m), "trained"),
        (lambda m, x, y: AdversarialTrainer(Training(epochs=1), fgsm, -1).fit(m, x, y), "epsilon"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(call, words):
    x, y = moons(5, 10)
    with pytest.raises(InvalidInput, match=words) as error:
        call(torch.nn.Linear(20, 2).double(), x, y)
    assert "\n" not in str(error.value)


def test_a_defence_is_judged_by_fresh_attacks_apart_from_old_ones(plane):
    model, x, y, distances, normal = plane
    flipped = torch.nn.Linear(DIMENSION, 2, bias=False).double()
    flipped.weight.data = torch.stack(
        [-3 * normal, 3 * normal]
    )  # the same plane: attacks on one are attacks on the other
    attacks = {"l2": (named_attack("pgd-l2"), 0.4)}
    table = defence_table({"old": model, "new": flipped}, x, y, attacks, made_against="old")
    share = float((distances > 0.4).double().mean())
    for row in table.values():
        assert row == pytest.approx({"clean": 1.0, "l2": share, "old_l2": share})
    with pytest.raises(InvalidInput, match="made against"):
        defence_table({"old": model}, x, y, attacks, made_against="new")

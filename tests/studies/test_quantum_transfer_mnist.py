import dataclasses

import numpy as np
import pytest

from bitket.runs import execute
from bitket.runs.claim import judged
from bitket.studies import load as load_study
from bitket.studies import quantum_transfer_mnist as study

TINY = study.Config(
    data="digits",
    hidden=(16, 8),
    encoder_epochs=4,
    encoder_batch=128,
    epochs=2,
    batch_size=256,
    repeats=2,
    shots=100,
)


def ran(folder, config, seed=0):
    return execute(load_study("quantum-transfer-mnist"), folder, scale="quick", seed=seed, config=config, quiet=True)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    return folder, ran(folder, TINY)


def test_every_cut_is_measured(tiny):
    folder, result = tiny
    m = result["metrics"]
    assert all(0 <= m[f"{cut}/test"] <= 100 for cut in study.CUTS)
    assert m["images"] == 1437
    assert m["recovered_error"] < 1e-8
    assert 0 < m["reconstruction_error"] < 0.2
    assert m["loss/whole"] == pytest.approx(m["loss/reduction"] + m["loss/circuit"])
    assert {path.name for path in folder.glob("*.svg")} == {"cuts.svg", "images.svg"}


def test_same_seed_same_metrics_and_other_maps_change_nothing(tiny, tmp_path):
    again = ran(tmp_path / "again", dataclasses.replace(TINY, other_maps=False))["metrics"]
    assert len(again) < len(tiny[1]["metrics"])
    assert all(tiny[1]["metrics"][key] == value for key, value in again.items())


class Fixed:
    """A run's randomness without its folder."""

    def generator(self, name):
        return np.random.default_rng(len(name))

    def torch_generator(self, name):
        import torch

        return torch.Generator().manual_seed(len(name))


def test_nothing_is_learnt_from_the_test_images(monkeypatch):
    """With other test images and labels every code, component, angle and feature of the training images is the same."""
    real = study._images
    first = study._encoded(TINY, Fixed(), 0)
    monkeypatch.setattr(
        study, "_images", lambda c, r: (lambda x, y, a, b: (x, y, (1 - a)[:50], np.roll(b, 3)[:50]))(*real(c, r))
    )
    other = study._encoded(TINY, Fixed(), 0)
    np.testing.assert_array_equal(first["codes"], other["codes"])
    assert len(other["codes_test"]) == 50
    for cut in ("components", "angles", "hybrid", "shots", "folded"):
        a, b = (study._features(TINY, cut, e, 5)[0] for e in (first, other))
        np.testing.assert_array_equal(a, b)


GOOD = {
    "images": 60_000, "recovered_error": 1e-12, "code/test": 98.0, "code/spread": 0.1, "hybrid/test": 75.0, "hybrid/spread": 0.5,
    "shots/test": 74.0, "shots/spread": 0.5, "loss/whole": 23.0, "loss/whole/error": 1.0, "loss/circuit": 15.0, "loss/circuit/error": 1.0,
    "loss/reduction": 8.0, "loss/shifted": 1.0, "loss/shifted/error": 0.5,
}  # fmt: skip


@pytest.mark.parametrize(
    ("claim", "changes", "verdict"),
    [
        *((c.id, {}, "reproduced") for c in study.CLAIMS),
        ("baseline", {"code/test": 97.0}, "not reproduced"),
        ("baseline", {"images": 4000}, "not tested at this scale"),
        ("hybrid", {"hybrid/test": 82.0}, "not reproduced"),
        ("hybrid", {"images": 4000}, "not tested at this scale"),
        ("quantum_is_worse", {"loss/whole": 0.5}, "not reproduced"),
        ("lost_in_the_circuit", {"loss/circuit": 5.0}, "not reproduced"),
    ],
)
def test_verdicts_follow_the_numbers(claim, changes, verdict):
    found = next(c for c in study.CLAIMS if c.id == claim)
    assert judged(found, GOOD | changes, study.SCALES["full"])["verdict"] == verdict


def test_the_bottleneck_is_named():
    found = next(c for c in study.CLAIMS if c.id == "lost_in_the_circuit")
    entry = judged(found, GOOD | {"loss/circuit": 5.0, "loss/reduction": 18.0}, study.SCALES["full"])
    assert "the bottleneck is the reduction" in entry["reason"]
    assert "the bottleneck is the circuit" in judged(found, GOOD, study.SCALES["full"])["reason"]

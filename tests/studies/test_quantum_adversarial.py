import dataclasses

import numpy as np
import pytest

from bitket.errors import InvalidInput
from bitket.runs import execute
from bitket.runs.claim import judged
from bitket.runs.config import with_settings
from bitket.studies import load as load_study
from bitket.studies import quantum_adversarial as study

TINY = study.Config(
    pairs=("digits",),
    seeds=1,
    row_updates=30,
    epochs=2,
    defence_epochs=1,
    attack_steps=2,
    budgets=(0.0, 0.5),
    largest_noise=1.0,
    device_tests=2,
    encoding_seeds=2,
    encoding_steps=2,
    encoding_samples=40,
    encoding_tests=20,
    chain_qubits=5,
    chains=10,
    chain_tests=6,
    chain_time=1.0,
    chain_steps=4,
    chain_epochs=2,
)


def ran(folder, config, seed=0):
    return execute(load_study("quantum-adversarial"), folder, scale="quick", seed=seed, config=config, quiet=True)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    return folder, ran(folder, TINY)


def test_same_seed_same_metrics_and_figures(tiny, tmp_path):
    folder, result = tiny
    assert ran(tmp_path / "again", TINY)["metrics"] == result["metrics"]
    names = {"training.svg", "gallery.svg", "robustness.svg", "encodings.svg", "states.svg"}
    assert {path.name for path in folder.glob("*.svg")} == names


def test_all_of_a_defence_is_measured(tiny):
    m = tiny[1]["metrics"]
    for name in ("plain", "union", "each_step"):
        for key in study._COLUMNS:
            assert 0 <= m[f"{name}/{key}"] <= 1
    for key in ("pgd", "fgsm", "masked"):
        assert m[f"plain/old_{key}"] == pytest.approx(m[f"plain/{key}"], abs=0.011)  # made against itself
    assert 0 < m["chain/trotter"] < 0.1
    assert m["chip/attacked"] == pytest.approx(0.3787836293377975, abs=1e-9)
    assert m["chip/defended"] == pytest.approx(0.6915592706934479, abs=1e-9)


def test_the_papers_images_come_from_a_file(tmp_path):
    images, labels = np.random.default_rng(0).random((30, 16, 16)), np.arange(30) % 2
    file = tmp_path / "images.npz"
    np.savez(file, train_images=images, train_labels=labels, test_images=images[:10], test_labels=labels[:10])
    config = dataclasses.replace(TINY, images=str(file))
    (x, y), (tests, truth) = study._images(config, None)
    assert (x.shape, tests.shape) == ((30, 256), (10, 256))
    assert y.tolist() == labels.tolist()
    assert truth.tolist() == labels[:10].tolist()
    with pytest.raises(InvalidInput, match="no such file"):
        ran(tmp_path / "none", dataclasses.replace(TINY, images="nowhere.npz"))


GOOD = {
    "rows/first": 0.5, "rows/last": 0.96, "rows/best": 0.99, "plain/best": 0.99, "plain/clean": 0.98, "plain/pgd": 0.3,
    "plain/masked": 0.5, "union/clean": 0.97, "union/pgd": 0.2, "union/masked": 0.6, "union/old_masked": 0.95,
    "each_step/clean": 0.97, "each_step/pgd": 0.6, "halving/pgd": 0.4, "halving/noise": 8.0, "halving/noise_found": 0.0,
    "halving/ratio": 20.0, "chip/before": 0.7086, "chip/attacked": 0.3788, "chip/defended": 0.6916,
    "chain/clean": 0.99, "chain/pgd": 0.5, "chain/noise": 0.9, "chain/defended_pgd": 0.7, "chain/defended_clean": 0.98,
} | {f"{p}/{k}": v for p in ("mnist", "fashion_mnist") for k, v in
     {"interleaved": 0.98, "encoding_first": 0.9, "gap": 0.08, "gap_error": 0.01}.items()}  # fmt: skip
FULL = dataclasses.replace(study.Config(), images="images.npz")


@pytest.mark.parametrize(
    ("claim", "change"),
    [
        ("trained_by_rows", {"rows/last": 0.9}),
        ("accuracy", {"plain/best": 0.98}),
        ("published_attack", {"chip/defended": 0.68}),
        ("small_but_directed", {"halving/ratio": 2.5}),
        ("adversarial_training", {"union/old_masked": 0.9}),
        ("fresh_attacks", {"each_step/pgd": 0.45}),
        ("fresh_attacks", {"each_step/clean": 0.9}),
        ("interleaving_mnist", {"mnist/gap": 0.04}),
        ("interleaving_fashion", {"fashion_mnist/gap": -0.1}),
        ("quantum_states", {"chain/clean": 0.95}),
        ("states_fooled", {"chain/noise": 0.6}),
        ("states_fooled", {"chain/pgd": 0.8}),
    ],
)
def test_each_claim_can_fail_and_can_hold(claim, change):
    judge = next(c for c in study.CLAIMS if c.id == claim)
    assert judged(judge, GOOD, FULL)["verdict"] == "reproduced"
    assert judged(judge, {**GOOD, **change}, FULL)["verdict"] == "not reproduced"


def test_stand_ins_do_not_judge_the_papers_images():
    for claim in study.CLAIMS:
        if claim.id in ("trained_by_rows", "accuracy", "adversarial_training"):
            entry = judged(claim, GOOD, study.Config())
            assert entry["verdict"] == "not tested at this scale"
            assert "digits 1 and 9" in entry["reason"]


@pytest.mark.parametrize("setting", [{"pairs": "cifar"}, {"epsilon": "0"}, {"chain_qubits": "30"}, {"seeds": "0"}])
def test_settings_that_do_not_fit_are_refused(setting):
    with pytest.raises(InvalidInput, match=next(iter(setting))):
        with_settings(study.Config(), setting)

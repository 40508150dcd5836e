import numpy as np
import pytest

from bitket.errors import InvalidInput
from bitket.runs import execute
from bitket.runs.claim import judged
from bitket.runs.config import with_settings
from bitket.studies import hqnn_images as study
from bitket.studies import load as load_study

TINY = study.Config(
    data="digits", seeds=2, epochs=1, batch_size=128, draws=2, drawn_training=40, drawn_test=20, quanv_epochs=1
)


def test_same_seed_same_metrics(tmp_path):
    one, again, other = (
        execute(load_study("hqnn-images"), tmp_path / str(k), scale="quick", seed=seed, config=TINY, quiet=True)
        for k, seed in enumerate((0, 0, 1))
    )
    assert one["metrics"] == again["metrics"]
    assert one["metrics"] != other["metrics"]
    assert {path.stem for path in (tmp_path / "0").glob("*.svg")} == {"parallel", "training", "confusion", "quanv"}
    verdicts = {c["id"]: c["verdict"] for c in one["claims"]}
    assert verdicts.pop("eight_times_fewer") == "reproduced"
    assert set(verdicts.values()) == {"not tested at this scale"}
    m = one["metrics"]
    assert (m["parameters/circuits"], m["parameters/cnn"]) == (45_194, 372_234)
    assert m["quanv/least change of an angle"] > 0
    d = np.mean([m[f"parallel/circuits/{k}"] - m[f"parallel/tanh/{k}"] for k in range(2)])
    assert m["parallel/circuits-tanh"] == pytest.approx(d)


def measured():
    m = {"training images": 60_000.0, "parallel/circuits": 0.991, "parallel/circuits/half": 0.001}
    m["parallel/mcnemar"] = 0.5
    for key in ("parallel/circuits-cnn", "quanv/circuits-cnn4", "quanv/circuits-cnn1"):
        m |= {key: 0.01, f"{key}/low": 0.005, f"{key}/high": 0.015}
    return m


@pytest.mark.parametrize(
    ("claim", "change", "verdict"),
    [
        ("parallel_accuracy", {}, "reproduced"),
        ("parallel_accuracy", {"parallel/circuits": 0.9899}, "not reproduced"),
        ("parallel_accuracy", {"training images": 4000.0}, "not tested at this scale"),
        ("better_than_peer", {}, "reproduced"),
        ("better_than_peer", {"parallel/circuits-cnn/low": -0.001}, "not reproduced"),
        ("quanv_as_cnn4", {}, "reproduced"),
        ("quanv_as_cnn4", {"quanv/circuits-cnn4/high": -0.001}, "not reproduced"),
        ("quanv_beats_cnn1", {}, "reproduced"),
        ("quanv_beats_cnn1", {"quanv/circuits-cnn1/low": -0.001}, "not reproduced"),
    ],
)
def test_judgements_follow_the_numbers(claim, change, verdict):
    claims = {c.id: c for c in study.CLAIMS}
    assert judged(claims[claim], measured() | change, study.Config())["verdict"] == verdict


def test_few_draws_are_no_test_of_the_quanvolution():
    claims = {c.id: c for c in study.CLAIMS}
    for name in ("quanv_as_cnn4", "quanv_beats_cnn1"):
        assert judged(claims[name], measured(), study.Config(draws=5))["verdict"] == "not tested at this scale"


def test_networks_of_one_seed_share_their_first_weights(tmp_path):
    import torch

    from bitket.runs import Run

    run = Run(tmp_path, quiet=True)
    networks = {name: study._network(run, name, 8, "seed 0") for name in ("circuits", "tanh", "fixed")}
    for name in ("tanh", "fixed"):
        assert torch.equal(networks[name].convolutions[0].weight, networks["circuits"].convolutions[0].weight)
    assert torch.equal(networks["fixed"].quantum.layer.weights, networks["circuits"].quantum.layer.weights)
    run.close()


@pytest.mark.parametrize("settings", [{"seeds": "1"}, {"data": "cifar"}, {"learning_rate": "0"}, {"draws": "x"}])
def test_settings_are_checked(settings):
    with pytest.raises(InvalidInput):
        with_settings(study.Config(), settings)

"""Both HAWQ studies on the digits, in small."""

import json
from pathlib import Path

import numpy as np
import pytest

from bitket.runs import execute
from bitket.runs.claim import judged
from bitket.studies import hawq, hawq_v2
from bitket.studies import load as load_study

ONE = hawq.Config("resnet20-digits", False, 2, 128, 100, 20, stages=2, eigenvalue_tolerance=0.05)
TWO = hawq_v2.Config(
    "resnet20-digits",
    False,
    1,
    128,
    100,
    20,
    compressions=(10.0,),
    tolerance=0.5,
    max_probes=10,
    assignments=12,
    epochs=1,
)
RESULTS = Path(__file__).parents[2] / "results"


def ran(study, folder, config, seed=0):
    return execute(load_study(study), folder, scale="quick", seed=seed, config=config, quiet=True)


@pytest.fixture(scope="module")
def one(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hawq")
    return folder, ran("hawq", folder, ONE)


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hawq-v2")
    return folder, ran("hawq-v2", folder, TWO)


def test_the_first_version_measures_all_arms_at_equal_size(one):
    folder, result = one
    m = result["metrics"]
    for arm in (*hawq.ARMS, "compressed"):
        assert 0 <= m[f"{arm}/tuned"] <= 1
        assert 0 <= m[f"{arm}/rounded"] <= 1
    for arm in hawq.ARMS:
        assert m[f"{arm}/weight_compression"] >= m["uniform/weight_compression"] * (1 - 1e-9)
    assert m["compressed/weight_compression"] >= 13.11
    assert m["float"] > 0.9
    assert m["eigenvalues/head_error"] < 0.2  # at the loose tolerance of this run
    assert {p.name for p in folder.glob("*.svg")} == {"eigenvalues.svg", "accuracy.svg"}


def test_the_first_version_gives_the_same_metrics_again(one, tmp_path):
    _, result = one
    first = sorted((tmp_path / "again").rglob("*"))
    assert not first
    assert ran("hawq", tmp_path / "again", ONE)["metrics"] == result["metrics"]


def test_the_second_version_measures_predictions_and_sizes(two):
    folder, result = two
    m = result["metrics"]
    for harm in hawq_v2.HARMS:
        assert -1 <= m[f"correlation/{harm}"] <= 1
    assert m["correlation/trace"] > 0
    assert m["trace/head_deviation"] < 5
    assert m["restricted/points"] <= m["frontier/points"]
    assert m["restricted/gap"] >= 0
    assert {f"10x/{arm}/tuned" for arm in hawq_v2.ARMS} <= set(m)
    assert {p.name for p in folder.glob("*.svg")} == {"traces.svg", "frontier.svg", "prediction.svg"}


@pytest.mark.slow
def test_a_killed_run_of_the_second_version_ends_with_the_same_metrics(two, tmp_path, monkeypatch):
    _, result = two

    class Killed(Exception):
        pass

    def kill(*arguments, **options):
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr("bitket.quantization.vision.hawq_v2.input_frontier", kill)
        with pytest.raises(Killed):
            ran("hawq-v2", tmp_path / "killed", TWO)
    assert ran("hawq-v2", tmp_path / "killed", TWO)["metrics"] == result["metrics"]


@pytest.mark.parametrize("study", [hawq, hawq_v2], ids=["hawq", "hawq-v2"])
def test_claims_can_fail(study, one, two):
    m = dict((one if study is hawq else two)[1]["metrics"])
    config = ONE if study is hawq else TWO
    worse = {
        "eigenvalues/ratio": 3.0, "hawq/tuned": 0.1, "compressed/drop": 0.5, "compressed/drop_error": 0.0, "order/descending": 0.0,
        "order/ascending": 0.5, "correlation/trace": -0.9, "trace/error_at_50": 0.9, "10x/v2/tuned": 0.0, "10x/v1/tuned": 0.9,
        "restricted/gap": 2.0, "activations/4/gain": 0.0,
    }  # fmt: skip
    better = {
        "eigenvalues/ratio": 300.0, "hawq/tuned": 1.0, "compressed/drop": 0.0, "order/descending": 1.0, "correlation/trace": 1.0,
        "trace/error_at_50": 0.01, "10x/v2/tuned": 1.0, "10x/v1/tuned": 0.5, "restricted/gap": 0.0, "activations/4/gain": 0.1,
    }  # fmt: skip
    for claim in study.CLAIMS:
        bad, good = judged(claim, m | worse, config), judged(claim, m | better, config)
        if claim.id.endswith(("imagenet", "coco", "megabyte")):
            assert bad["verdict"] == good["verdict"] == "not tested at this scale"
        else:
            assert (bad["verdict"], good["verdict"]) == ("not reproduced", "reproduced")


@pytest.mark.parametrize("name", ["hawq", "hawq-v2"])
def test_the_recorded_run_is_of_the_full_scale(name):
    path = RESULTS / f"{name}.json"
    if not path.exists():
        pytest.skip("no full run is recorded yet")
    result = json.loads(path.read_text())
    assert result["scale"] == "full"
    assert all(np.isfinite(v) for v in result["metrics"].values())

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from bitket.data import load
from bitket.errors import InvalidInput
from bitket.learning import AQGD, COBYLA
from bitket.runs import Run, execute
from bitket.runs.claim import judged
from bitket.runs.config import with_settings
from bitket.studies import load as load_study
from bitket.studies import local_optimizers as study

TINY = study.Config(data="restaurant", size=40, seeds=2, epochs=(2, 4), shots=16)


def ran(folder, config, seed=0):
    return execute(load_study("local-optimizers"), folder, scale="quick", seed=seed, config=config, quiet=True)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    return folder, ran(folder, TINY)


def test_same_seed_same_metrics(tiny, tmp_path):
    _, result = tiny
    assert ran(tmp_path / "again", TINY)["metrics"] == result["metrics"]
    assert ran(tmp_path / "other", TINY, seed=1)["metrics"] != result["metrics"]


def test_every_model_has_measures_with_intervals_and_its_cost(tiny):
    folder, result = tiny
    m = result["metrics"]
    models = {key.removesuffix("/accuracy") for key in m if key.endswith("/accuracy")}
    assert {"SVM", "gradient boosting", "random forest", "AQGD-2", "AQGD-4", "COBYLA-2", "COBYLA-4"} <= models
    for name in models:
        for measure in ("accuracy", "precision", "recall", "f_score"):
            assert m[f"{name}/{measure}/low"] <= m[f"{name}/{measure}"] <= m[f"{name}/{measure}/high"]
    assert m["AQGD-2/evaluations"] == 2 * 81
    assert m["AQGD-4, exact gradient/evaluations"] == 4 * 81  # what a machine spends on it by parameter shift
    assert m["COBYLA-4/evaluations"] == 4
    assert m["COBYLA with AQGD-2's evaluations/evaluations"] <= 2 * 81
    assert m["SPSA with AQGD-2's evaluations/evaluations"] == 2 * 81 + 50  # and its calibration
    assert not any("second" in key for key in m)
    assert {path.name for path in folder.glob("*.svg")} == {"curves.svg", "accuracy.svg"}


def test_half_differences_are_not_the_gradient_here_either(tiny):
    claims = {claim["id"]: claim for claim in tiny[1]["claims"]}
    assert claims["analytic_gradient"]["verdict"] == "not reproduced"
    assert claims["analytic_gradient"]["measured"] > 0.01
    assert claims["beats_cobyla"]["verdict"] == "not tested at this scale"


def test_models_of_fewer_epochs_are_the_first_part_of_longer_fits(tmp_path):
    """AQGD-2 and COBYLA-3, taken from fits of 4 and 9, against fits of their own."""
    g = np.random.default_rng(0)
    X, y = g.uniform(0, np.pi, (12, 5)), np.arange(12) % 2
    for make, marks in ((AQGD, {2: "two", 4: "four"}), (COBYLA, {3: "three", 9: "nine"})):
        fits, _ = study._trained(study._classifier(TINY, "ry", make(max(marks)), None, 5), marks, X, y)
        for mark, name in marks.items():
            alone = study._classifier(TINY, "ry", make(mark), None, 5).fit(X, y)
            assert np.array_equal(fits[name][0], alone.weights_)
            assert fits[name][1]["evaluations"] == alone.result_.nfev


def test_paired_differences_and_mcnemar_by_hand():
    right = {"a": [1, 1, 1, 1, 0, 1, 1, 0], "b": [1, 0, 0, 1, 0, 0, 1, 1]}
    seeds = [
        {
            "models": {
                n: {"accuracy": float(np.mean(r[k : k + 4])), "right": np.array(r[k : k + 4]) == 1}
                for n, r in right.items()
            }
        }
        for k in (0, 4)
    ]
    row = study._paired("a", "b", seeds)
    gains = [1.0 - 0.5, 0.5 - 0.5]
    assert row["gain"] == np.mean(gains)
    half = 12.7062 * np.std(gains, ddof=1) / np.sqrt(2)  # t of one degree of freedom
    assert (row["low"], row["high"]) == pytest.approx((0.25 - half, 0.25 + half), rel=1e-4)
    assert (row["only it right"], row["only the other right"]) == (3, 1)
    assert row["p"] == pytest.approx(2 * (1 + 4) / 2**4)  # two-sided binomial test of 3 against 1
    assert study._paired("a", "a", seeds)["p"] == 1.0


@pytest.mark.parametrize(("low", "word"), [(0.01, "reproduced"), (-0.01, "not reproduced")])
def test_an_order_is_reproduced_only_if_its_interval_lies_above_zero(low, word):
    claims = {claim.id: claim for claim in study.CLAIMS}
    ends = {"gain": 0.02, "low": low, "high": 0.05, "p": 0.5}
    m = {f"AQGD-100 - COBYLA-100/{end}": value for end, value in ends.items()}
    assert judged(claims["beats_cobyla"], m, study.Config())["verdict"] == word
    few = dataclasses.replace(study.Config(), seeds=3)
    assert judged(claims["beats_cobyla"], m, few)["verdict"] == "not tested at this scale"


def test_the_papers_numbers_are_only_judged_on_a_users_own_reviews():
    claim = study.CLAIMS[0]
    m = {"AQGD-100/accuracy": 0.75, "AQGD-100/accuracy/low": 0.7, "AQGD-100/accuracy/high": 0.8}
    assert judged(claim, m, study.Config())["verdict"] == "not tested at this scale"
    assert judged(claim, m, study.Config(data="reviews.tsv"))["verdict"] == "reproduced"
    m["AQGD-100/accuracy/high"] = 0.76
    assert judged(claim, m, study.Config(data="reviews.tsv"))["verdict"] == "not reproduced"


def test_a_users_own_reviews(tmp_path):
    texts = load("restaurant", size=80, seed=5)
    lines = [f"{t}\t{y}" for t, y in dict(zip(texts.texts, texts.y, strict=True)).items()]
    path = tmp_path / "reviews.tsv"
    path.write_text("Review\tLiked\n" + "\n".join(lines) + "\n")
    config = dataclasses.replace(TINY, data=str(path), seeds=1, shots=None, equal_cost=False)
    assert ran(tmp_path / "run", config)["metrics"]["AQGD-4/accuracy"] >= 0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"epochs": "150,100"}, "growing numbers are needed"),
        ({"epochs": "1"}, "greater than or equal to 2"),
        ({"low": "4"}, "low must be below high"),
        ({"words": "glove"}, "'tfidf', 'bag' or 'lexicon'"),
        ({"test_part": "1"}, "less than 1"),
        ({"momentum": "1"}, "less than 1"),
        ({"seeds": "0"}, "greater than or equal to 1"),
    ],
)
def test_bad_settings_are_named(settings, message):
    with pytest.raises(InvalidInput, match=message):
        with_settings(study.Config(), settings)


@pytest.mark.parametrize(
    ("data", "message"),
    [("imbd", "did you mean 'imdb'"), ("nowhere.tsv", "there is no such file"), ("iris", "reviews are needed")],
)
def test_bad_data_are_named(data, message, tmp_path):
    with pytest.raises(InvalidInput, match=message):
        study.run(dataclasses.replace(TINY, data=data), Run(tmp_path / "run", quiet=True))


def recorded():
    return json.loads((Path(__file__).parents[2] / "results" / "local-optimizers.json").read_text())


def check_full_scale(m):
    """Every seed draws its own reviews and tests on 200: single values spread by some 6 points around their mean."""
    for name in study.CLASSICAL:
        assert 0.64 <= m[f"{name}/accuracy"] <= 0.79
        assert m[f"{name}/accuracy/lowest"] >= 0.64
        assert m[f"{name}/accuracy/highest"] <= 0.79 + 0.06
    quantum = [key for key in m if key.endswith("/accuracy") and key.startswith(("AQGD-1", "COBYLA-1"))]
    best = max(quantum, key=lambda key: m[key])
    assert m[best] >= 0.60
    name = best.removesuffix("/accuracy")
    assert m[f"{name} - SVM/low"] <= m[f"{name} - SVM/gain"] <= m[f"{name} - SVM/high"]


def test_the_recorded_full_run_is_of_these_settings():
    result = recorded()
    config = json.loads(json.dumps(dataclasses.asdict(study.Config())))
    assert result["config"] == config
    assert result["seconds"] <= 3600
    assert [claim["id"] for claim in result["claims"]] == [claim.id for claim in study.CLAIMS]
    check_full_scale(result["metrics"])


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_part_of_the_full_study(tmp_path):
    config = dataclasses.replace(study.Config(), seeds=3, shots=None, equal_cost=False)
    check_full_scale(ran(tmp_path, config)["metrics"])

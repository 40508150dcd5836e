import dataclasses
import json
import re
from pathlib import Path

import pytest

from bitket.errors import InvalidInput
from bitket.quantum.circuits.qasm import load_qasm
from bitket.quantum.generation import CircuitGPT
from bitket.runs import execute
from bitket.runs.claim import judged
from bitket.runs.config import with_settings
from bitket.studies import ketgpt as study
from bitket.studies import load as load_study

pytest.importorskip("mqt.bench")

TINY = study.Config(
    families=("ghz", "qft", "wstate", "vqe_real_amp"),
    largest=7,
    context=64,
    width=32,
    layers=1,
    heads=2,
    epochs=3,
    learning_rate=3e-3,
    samples=12,
    classifier_width=16,
    classifier_layers=1,
    classifier_words=32,
    classifier_epochs=2,
    unseen=("qft",),
    shuffles=1,
)


def ran(folder, config=TINY, seed=0, **options):
    return execute(load_study("ketgpt"), folder, scale="quick", seed=seed, config=config, quiet=True, **options)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    return folder, ran(folder)


def test_same_seed_same_metrics(tiny, tmp_path):
    _, result = tiny
    assert ran(tmp_path / "again")["metrics"] == result["metrics"]
    assert ran(tmp_path / "other", seed=1)["metrics"] != result["metrics"]


def test_a_run_leaves_files_model_and_figures(tiny):
    folder, result = tiny
    files = sorted((folder / "circuits").glob("*.qasm"))
    assert len(files) == 12
    for file in files:
        load_qasm(file)
    assert CircuitGPT.load(folder / "generator.safetensors").config.width == 32
    assert {p.stem for p in folder.glob("*.svg")} == {"structure", "confusion", "loss", "circuit"}
    assert (folder / "metrics.jsonl").read_text().count("\n") == TINY.epochs
    m = result["metrics"]
    assert m["valid/grammar"] == m["simulated/grammar"] == 1
    assert m["corpus/train"] + m["corpus/held_out"] == m["corpus/files"]
    for kind in ("none", "paper", "grammar", "random paper", "random grammar"):
        assert 0 <= m[f"valid/{kind}/low"] <= m[f"valid/{kind}"] <= m[f"valid/{kind}/high"] <= 1
        assert 0 <= m[f"called_real/{kind}"] <= 1
        failed = sum(v for k, v in m.items() if k.startswith(f"failures/{kind}/"))
        assert failed == round(12 * (1 - m[f"valid/{kind}"]))


def test_a_killed_run_goes_on_to_the_same_metrics(tiny, tmp_path, monkeypatch):
    from bitket.quantum.generation import RealismClassifier

    class Killed(BaseException):
        pass

    def kill(*_):
        raise Killed

    with monkeypatch.context() as m:
        m.setattr(RealismClassifier, "fit", kill)
        with pytest.raises(Killed):
            ran(tmp_path)
    monkeypatch.setattr(CircuitGPT, "fit", kill)  # the generator is not trained again
    assert ran(tmp_path)["metrics"] == tiny[1]["metrics"]


def metrics(**changed):
    m = {
        "classifier/accuracy": 0.99,
        "classifier/held_out": 80.0,
        "classifier/shuffled": 0.5,
        "classifier/sizes_alone": 0.5,
        "classifier/unseen_families": 0.9,
        "simulated/grammar": 1.0,
        "structure/held_out": 0.2,
        "perplexity/generator": 3.0,
        "perplexity/unigram": 500.0,
        "perplexity/trigram": 5.0,
        "held_out/unknown": 9.0,
    }
    good = {
        "valid": 1.0,
        "valid_low": 0.97,
        "structure": 0.8,
        "energy": 0.1,
        "copies": 0.0,
        "run_share": 0.3,
        "called_real": 1.0,
    }
    for kind in ("none", "paper", "grammar"):
        m |= {f"{k}/{kind}": v for k, v in good.items()} | {f"valid/{kind}/low": 0.97, f"valid/{kind}/high": 1.0}
    for kind in ("random paper", "random grammar"):
        m |= {f"called_real/{kind}": 0.0, f"structure/{kind}": 2.0, f"energy/{kind}": 1.0, f"valid/{kind}": 0.0}
    return m | changed


@pytest.mark.parametrize(
    ("claim", "changed"),
    [
        ("classifier_accuracy", {"classifier/accuracy": 0.96}),
        ("classifier_accuracy", {"classifier/shuffled": 0.6}),
        ("called_real", {"called_real/paper": 0.94}),
        ("called_real", {"called_real/random paper": 0.06}),
        ("files_load", {"valid/paper": 0.3}),
        ("structure_nearer", {"structure/paper": 2.1}),
        ("grammar_is_valid", {"valid/grammar": 0.998}),
        ("grammar_is_valid", {"simulated/grammar": 0.99}),
        ("grammar_halves_distance", {"structure/grammar": 1.1}),
        ("few_copies", {"copies/grammar": 0.06}),
        ("beats_ngrams", {"perplexity/trigram": 2.9}),
        ("beats_ngrams", {"perplexity/unigram": 14.0}),
    ],
)
def test_judgements_follow_the_numbers(claim, changed):
    claims = {c.id: c for c in study.CLAIMS}
    assert judged(claims[claim], metrics(), study.Config())["verdict"] == "reproduced"
    assert judged(claims[claim], metrics(**changed), study.Config())["verdict"] == "not reproduced"
    few = judged(claims["classifier_accuracy"], metrics(**{"classifier/held_out": 30.0}), study.Config())
    assert few["verdict"] == "not tested at this scale"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"heads": "3"}, "heads must divide the width"),
        ({"largest": "3"}, "greater than or equal to 4"),
        ({"held_out": "1"}, "less than 1"),
        ({"temperature": "0"}, "greater than 0"),
        ({"top_k": "0"}, "greater than or equal to 1"),
        ({"samples": "5"}, "greater than or equal to 10"),
        ({"unseen": "portfoliovqe"}, "some of the families, but not all"),
        ({"context": "8"}, "greater than or equal to 16"),
    ],
)
def test_bad_settings_are_named(settings, message):
    with pytest.raises(InvalidInput, match=message):
        with_settings(study.Config(), settings)


def test_a_family_that_is_not_offered_is_named(tmp_path):
    config = dataclasses.replace(TINY, families=("ghz", "qft", "groundstate"))
    with pytest.raises(InvalidInput, match="family 'groundstate': not in MQT Bench 2"):
        ran(tmp_path, config)


def test_the_recorded_full_run_is_of_these_settings():
    path = Path(__file__).parents[2] / "results" / "ketgpt.json"
    if not path.exists():
        pytest.skip("no full run of ketgpt is recorded yet")
    result = json.loads(path.read_text())
    assert result["config"] == json.loads(json.dumps(dataclasses.asdict(study.Config())))
    assert [claim["id"] for claim in result["claims"]] == [claim.id for claim in study.CLAIMS]
    verdicts = {claim["id"]: claim["verdict"] for claim in result["claims"]}
    for claim in study.CLAIMS:  # the verdicts are those of the recorded metrics
        assert judged(claim, result["metrics"], study.Config())["verdict"] == verdicts[claim.id]
    assert verdicts["grammar_is_valid"] == verdicts["beats_ngrams"] == "reproduced"
    assert re.fullmatch(r"\d+\.\d+", str(result["seconds"]))

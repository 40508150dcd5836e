"""The study of federated learning: repetition, a kill, and what its numbers must obey."""

import json
import math

import pytest

from bitket.runs import execute
from bitket.studies import load as load_study
from bitket.studies import quantum_federated as study

TINY = study.Config(
    tables=("breast_cancer",), clients=(3,), seeds=1, rounds=30, levels=(1000, 100_000), repetitions=10, taps=(0.5,), decoys=(1, 4),
    trials=300,
)  # fmt: skip


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    folder = tmp_path_factory.mktemp("federated")
    return folder, execute(
        load_study("quantum-federated"), folder / "one", scale="quick", seed=0, config=TINY, quiet=True
    )


def test_killed_and_resumed_gives_the_same_metrics(result, monkeypatch):
    folder, whole = result
    kept = study._detection

    def killed(config, run):
        raise KeyboardInterrupt

    monkeypatch.setattr(study, "_detection", killed)
    options = {"scale": "quick", "seed": 0, "config": TINY, "quiet": True}
    with pytest.raises(KeyboardInterrupt):
        execute(load_study("quantum-federated"), folder / "two", **options)
    monkeypatch.setattr(study, "_detection", kept)
    monkeypatch.setattr(study, "_costs", killed)  # stored: not called again
    again = execute(load_study("quantum-federated"), folder / "two", **options)
    assert again["metrics"] == whole["metrics"]


def test_what_was_measured(result):
    folder, whole = result
    m = whole["metrics"]
    assert m["exact/difference"] < 1e-10
    assert m["circuit/difference"] < 1e-10
    assert m["cost/qubits_per_copy"] == 7
    assert m["cost/qubits_over_bits"] > 1
    assert 0 < m["curious/error_all"] < m["curious/error"]
    assert m["curious/error"] / m["curious/error_all"] == pytest.approx(math.sqrt(TINY.rounds), rel=0.5)
    assert m["coherent/log10"] > TINY.rounds
    assert abs(m["copies/exponent"] + 0.5) < 0.2
    assert m["asynchronous/diverges"] == 1
    verdicts = {c["id"]: c["verdict"] for c in whole["claims"]}
    assert verdicts["exactness"] == "reproduced"
    assert verdicts["communication"] == "not reproduced"
    assert verdicts["aggregation"] == "not reproduced"
    for name in ("curves", "readout", "detection", "asynchronous"):
        assert (folder / "one" / f"{name}.svg").exists()
    assert json.loads((folder / "one" / "result.json").read_text())["metrics"] == m

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

import bitket
from bitket.errors import InvalidInput
from bitket.runs import execute
from bitket.studies import load

STUDY = str(Path(__file__).parents[1] / "studies" / "estimating_pi.py")


@pytest.fixture
def study():
    return load(STUDY)


def test_a_result_has_the_fields_that_others_read(study, tmp_path):
    result = execute(study, tmp_path / "r", seed=3)
    assert list(result) == [
        "study", "scale", "seed", "version", "config", "metrics", "claims", "seconds", "peak_rss_bytes",
    ]  # fmt: skip
    assert (result["study"], result["scale"], result["seed"]) == ("estimating-pi", "quick", 3)
    assert result["version"] == bitket.__version__
    assert result["config"]["bins"] == [3.0, 3.1, 3.2, 3.3]
    assert [list(claim) for claim in result["claims"]] == [
        ["id", "text", "paper", "measured", "unit", "verdict", "reason"]
    ] * 3
    assert [claim["verdict"] for claim in result["claims"]] == [
        "reproduced",
        "not reproduced",
        "not tested at this scale",
    ]
    assert abs(result["metrics"]["pi"] - math.pi) < 0.3
    assert 10e6 < result["peak_rss_bytes"] < 1e11
    assert 0 < result["seconds"] < 300
    assert json.loads((tmp_path / "r" / "result.json").read_text()) == result
    header = json.loads((tmp_path / "r" / "config.json").read_text())
    assert header == {name: result[name] for name in ("study", "scale", "seed", "version", "config")}
    lines = [json.loads(line) for line in (tmp_path / "r" / "metrics.jsonl").read_text().splitlines()]
    assert lines[0] == {"part": "floor", "lines": 3}
    assert [line["round"] for line in lines[1:]] == list(range(12))


def test_the_same_seed_gives_the_same_metrics_and_another_does_not(study, tmp_path):
    one, two, other = (execute(study, tmp_path / name, seed=seed) for name, seed in (("a", 1), ("b", 1), ("c", 2)))
    assert one["metrics"] == two["metrics"]
    assert one["metrics"]["pi"] != other["metrics"]["pi"]
    for name in ("metrics.jsonl", "convergence.svg", "convergence.png"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_a_finished_run_gives_its_result_and_does_no_work(study, tmp_path):
    result = execute(study, tmp_path / "r")

    def fails(config, run):
        raise AssertionError

    lines = (tmp_path / "r" / "metrics.jsonl").read_bytes()
    assert execute(replace(study, run=fails), tmp_path / "r") == result
    assert (tmp_path / "r" / "metrics.jsonl").read_bytes() == lines


def test_another_run_is_not_mixed_into_a_folder(study, tmp_path):
    execute(study, tmp_path / "r", seed=1)
    with pytest.raises(InvalidInput, match=r"this run has another seed \(1, now 2\); start a new one"):
        execute(study, tmp_path / "r", seed=2)
    with pytest.raises(InvalidInput, match="this run has another config"):
        execute(study, tmp_path / "r", seed=1, config=replace(study.config("quick"), rounds=13))


def test_metrics_must_be_numbers_and_those_not_finite_are_null(study, tmp_path):
    with pytest.raises(InvalidInput, match="metric 'x' is a str; a number is needed"):
        execute(replace(study, run=lambda config, run: {"x": "1"}), tmp_path / "a")
    assert not (tmp_path / "a" / "result.json").exists()
    result = execute(replace(study, run=lambda config, run: {"pi": math.nan, "error": 1}), tmp_path / "b")
    assert result["metrics"] == {"pi": None, "error": 1}
    assert result["claims"][0]["verdict"] == "not reproduced"
    assert result["claims"][0]["reason"] == "metric 'pi' is nan"


def test_nothing_is_done_before_the_configuration_and_the_folder_are_checked(study, tmp_path):
    def fails(config, run):
        raise AssertionError

    lazy = replace(study, run=fails)
    with pytest.raises(InvalidInput, match="setting rounds=0"):
        execute(lazy, tmp_path / "r", config=replace(study.config("quick"), rounds=0))
    assert not (tmp_path / "r").exists()
    with pytest.raises(InvalidInput, match="scale 'huge' is unknown; study estimating-pi has quick, full"):
        execute(lazy, tmp_path / "r", scale="huge")
    (tmp_path / "file").touch()
    with pytest.raises(InvalidInput, match=r"cannot write .*file/r: Not a directory"):
        execute(lazy, tmp_path / "file" / "r")


def test_the_rerun_command_names_what_was_changed(study, tmp_path):
    config = study.config("quick", {"bins": "1,2", "floor": "oak & ash", "limit": "3"})
    execute(study, tmp_path / "r", seed=4, config=config)
    command = json.loads((tmp_path / "r" / "report.json").read_text())["command"]
    assert command == (
        f"bitket run {STUDY} --scale quick --seed 4 --set bins=1.0,2.0 --set 'floor=oak & ash' --set limit=3"
    )

import dataclasses
import json
from pathlib import Path

import pytest

from bitket.errors import InvalidInput
from bitket.runs import execute
from bitket.runs.claim import judged
from bitket.runs.config import with_settings
from bitket.studies import load as load_study
from bitket.studies import zne_nn as study

TINY = study.Config(
    qubits=(2,),
    reps=(1,),
    harder=("hydrogen",),
    optimised=2,
    random_angles=1,
    levels=4,
    shots=(1024,),
    ensemble=2,
    network_steps=20,
    noisy_optima=1,
    learned_training=20,
    learned_test=10,
)


def ran(folder, config, seed=0):
    return execute(load_study("zne-nn"), folder, scale="quick", seed=seed, config=config, quiet=True)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    return folder, ran(folder, TINY)


def test_same_seed_same_metrics(tiny, tmp_path):
    _, result = tiny
    assert ran(tmp_path / "again", TINY)["metrics"] == result["metrics"]
    assert ran(tmp_path / "other", TINY, seed=1)["metrics"] != result["metrics"]


def test_every_method_is_measured_on_all_data(tiny):
    folder, result = tiny
    m = result["metrics"]
    for data in ("exact", "shots1024"):
        for span in ("wide", "narrow"):
            for circuits in ("optimised", "random", "hydrogen"):
                assert all(m[f"{data}/{span}/{circuits}/{method}"] >= 0 for method in study.METHODS)
                assert 0 <= m[f"coverage/{data}/{span}/{circuits}"] <= 1
    assert all(m[f"device/{method}"] >= 0 for method in study.METHODS)
    assert m["noisy_optimum_gain"] >= -1e-9  # it starts from the noiseless optimum
    assert m["vqe_runs"] == 2
    assert {path.name for path in folder.glob("*.svg")} == {"extrapolation.svg", "errors.svg"}


def test_formulas_see_the_same_measurements_whichever_way(tiny, tmp_path):
    """Other networks leave all but the networks as they are."""
    other = ran(tmp_path / "run", dataclasses.replace(TINY, network_steps=30))["metrics"]
    for key, value in tiny[1]["metrics"].items():
        if "Neural" not in key and "coverage" not in key and not key.startswith("learned"):
            assert other[key] == value


@pytest.mark.timeout(300)
def test_networks_on_optimised_circuits(tmp_path):
    """Twenty optimised four-qubit circuits: exact data from 0.01 to 0.05, and ten levels of 1024 shots."""
    config = study.Config(
        qubits=(4,),
        reps=(2,),
        harder=(),
        random_angles=1,
        shots=(1024,),
        network_steps=1000,
        noisy_optima=1,
        learned_training=20,
        learned_test=10,
    )
    m = ran(tmp_path, config)["metrics"]
    assert m["vqe_runs"] == 20
    assert -1 - 1e-12 <= m["vqe_lowest_energy"] <= m["vqe_worst_energy"] <= -1 + 1e-6
    assert m["exact/narrow/optimised/Neural"] <= m["exact/narrow/optimised/raw"] / 3
    assert m["shots1024/wide/optimised/Neural"] <= m["shots1024/wide/optimised/Richardson"]
    assert m["exact/wide/optimised/Exponential"] < m["exact/wide/optimised/Neural"]


@pytest.mark.parametrize(("neural", "word"), [(0.01, "reproduced"), (0.2, "not reproduced")])
def test_judgements_follow_the_numbers(neural, word):
    claims = {claim.id: claim for claim in study.CLAIMS}
    m = {f"exact/wide/optimised/{k}": 0.05 for k in ("Linear", "Polynomial", "Richardson", "Exponential")}
    m |= {"exact/wide/optimised/Neural": neural, "exact/wide/optimised/raw": 0.3}
    assert judged(claims["network_near_exact"], m, study.Config())["verdict"] == word
    assert judged(claims["network_beats_formulas"], m, study.Config())["verdict"] == word
    few = {"learned/circuits": 20.0, "learned/mitigated": 0.0, "learned/raw": 1.0, "learned/exponential": 1.0}
    assert judged(claims["learned_generalises"], few, study.Config())["verdict"] == "not tested at this scale"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"qubits": "0"}, "greater than or equal to 2"),
        ({"levels": "3"}, "greater than or equal to 4"),
        ({"lowest": "0"}, "greater than 0"),
        ({"lowest": "0.2"}, "lowest must be below highest"),
        ({"highest": "2"}, "less than or equal to 1"),
        ({"shots": "0"}, "greater than or equal to 1"),
        ({"harder": "helium"}, "'ising' or 'hydrogen'"),
        ({"optimised": "0"}, "greater than or equal to 1"),
    ],
)
def test_bad_settings_are_named(settings, message):
    with pytest.raises(InvalidInput, match=message):
        with_settings(study.Config(), settings)


def test_the_recorded_full_run_is_of_these_settings():
    result = json.loads((Path(__file__).parents[2] / "results" / "zne-nn.json").read_text())
    m = result["metrics"]
    assert result["config"] == json.loads(json.dumps(dataclasses.asdict(study.Config())))
    assert result["seconds"] <= 1800
    assert [claim["id"] for claim in result["claims"]] == [claim.id for claim in study.CLAIMS]
    assert m["learned/mitigated"] <= 0.5 * m["learned/raw"]
    assert m["exact/narrow/optimised/Neural"] <= m["exact/narrow/optimised/raw"] / 3
    assert m["shots1024/wide/optimised/Neural"] <= m["shots1024/wide/optimised/Richardson"]

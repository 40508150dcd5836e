import dataclasses
import json
from pathlib import Path

import pytest

from bitket.errors import InvalidInput
from bitket.runs import execute
from bitket.runs.claim import judged
from bitket.runs.config import with_settings
from bitket.studies import cshore_bench as study
from bitket.studies import load as load_study

TINY = study.Config(
    molecules=("H2",),
    mappings=("parity",),
    shots=50,
    repetitions=4,
    ansatz_states=1,
    noisy=("H2",),
    noisy_repetitions=40,
)


def ran(folder, config, seed=0):
    return execute(load_study("cshore-bench"), folder, scale="quick", seed=seed, config=config, quiet=True)


def without_times(metrics):
    return {k: v for k, v in metrics.items() if "faster" not in k}


def test_same_seed_same_errors(tmp_path):
    one, again, other = (ran(tmp_path / str(k), TINY, seed) for k, seed in enumerate((0, 0, 1)))
    assert without_times(one["metrics"]) == without_times(again["metrics"])
    assert without_times(one["metrics"]) != without_times(other["metrics"])
    assert {path.name for path in (tmp_path / "0").glob("*.svg")} == {"errors.svg", "shots.svg"}
    for method in study.METHODS:
        assert one["metrics"][f"error/H2/parity/{method}"] > 0


@pytest.mark.parametrize(
    ("molecule", "energy", "terms"),
    [("H2", -1.1373060357534, 14), ("H2 6-31G", -1.1516978499190, 184), ("LiH", -7.8827622010083, 630)],
)
def test_energies_are_those_of_the_published_hamiltonians(molecule, energy, terms):
    H = study.hamiltonian(molecule, "jordan_wigner")
    assert H.ground_energy() == pytest.approx(energy, abs=1e-6)
    assert len(H) - 1 == terms


@pytest.mark.slow
@pytest.mark.parametrize(("molecule", "energy", "terms"), [("BeH2", None, 665), ("H2O", -75.0232914998, 1085)])
def test_energies_of_fourteen_qubits(molecule, energy, terms):
    H = study.hamiltonian(molecule, "jordan_wigner")
    assert len(H) - 1 == terms
    if energy is not None:
        assert H.ground_energy() == pytest.approx(energy, abs=1e-6)


def test_judgements_follow_the_numbers():
    claims = {claim.id: claim for claim in study.CLAIMS}
    ends = {"": 0.9, "/low": 0.85, "/high": 0.95}
    m = {f"{kind}saving/{r}{e}": v for kind in ("", "noisy ") for r in ("shadows", "biased") for e, v in ends.items()}
    assert judged(claims["fewer_than_shadows"], m, study.Config())["verdict"] == "reproduced"
    m["saving/shadows/low"] = 0.7
    assert judged(claims["fewer_than_shadows"], m, study.Config())["verdict"] == "not reproduced"
    assert judged(claims["derandomised_errors"], m, study.Config())["verdict"] == "not tested at this scale"
    m["published ratio/LiH, parity"] = 1.3
    assert judged(claims["derandomised_errors"], m, study.Config())["verdict"] == "reproduced"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"molecules": "He"}, "'H2'"),
        ({"shots": "1"}, "greater than or equal to 10"),
        ({"mappings": "none"}, "'parity'"),
    ],
)
def test_bad_settings_are_named(settings, message):
    with pytest.raises(InvalidInput, match=message):
        with_settings(study.Config(), settings)


def test_the_recorded_full_run_is_of_these_settings():
    result = json.loads((Path(__file__).parents[2] / "results" / "cshore-bench.json").read_text())
    assert result["config"] == json.loads(json.dumps(dataclasses.asdict(study.Config())))
    assert result["seconds"] <= 3600
    assert [claim["id"] for claim in result["claims"]] == [claim.id for claim in study.CLAIMS]

import pytest

from bitket.errors import InvalidInput
from bitket.runs import execute
from bitket.runs.claim import judged
from bitket.runs.config import with_settings
from bitket.studies import load as load_study
from bitket.studies import qnlp as study

TINY = study.Config(mc_runs=1, rp_runs=1, adam_steps=5, spsa_runs=1, spsa_iterations=5, shots=100)


def test_same_seed_same_metrics(tmp_path):
    one, again, other = (
        execute(load_study("qnlp"), tmp_path / str(k), scale="quick", seed=seed, config=TINY, quiet=True)
        for k, seed in enumerate((0, 0, 1))
    )
    assert one["metrics"] == again["metrics"]
    assert one["metrics"] != other["metrics"]
    names = {path.stem for path in (tmp_path / "0").glob("*.svg")}
    assert names == {"diagram", "rewritten", "circuit", "training", "readers"}
    verdicts = {c["id"]: c["verdict"] for c in one["claims"]}
    assert verdicts["forty_parameters"] == verdicts["fewer_qubits"] == "reproduced"
    assert verdicts["mc_spsa"] == "not tested at this scale"


def test_judgements_follow_the_numbers():
    claims = {claim.id: claim for claim in study.CLAIMS}
    m = {"rp/grammar/test_error": 0.2, "rp/sequence/test_error": 0.25, "rp/bag/test_error": 0.35}
    assert judged(claims["rp_needs_order"], m, study.Config())["verdict"] == "reproduced"
    assert judged(claims["rp_ranking"], m, study.Config())["verdict"] == "reproduced"
    m["rp/grammar/test_error"] = 0.3
    assert judged(claims["rp_needs_order"], m, study.Config())["verdict"] == "not reproduced"
    assert judged(claims["rp_ranking"], m, study.Config())["verdict"] == "not reproduced"
    assert (
        judged(claims["mc_trainable"], {"mc/adam/no_training_error": 0.5}, study.Config())["verdict"]
        == "not reproduced"
    )


@pytest.mark.parametrize("settings", [{"mc_runs": "0"}, {"readout_error": "0.7"}, {"adam_rate": "x"}])
def test_settings_are_checked(settings):
    with pytest.raises(InvalidInput):
        with_settings(study.Config(), settings)

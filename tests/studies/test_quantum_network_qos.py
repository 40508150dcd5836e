import dataclasses

import pytest

from bitket.runs import execute
from bitket.runs.claim import judged
from bitket.studies import load as load_study
from bitket.studies import quantum_network_qos as study

TINY = dataclasses.replace(
    study.SCALES["quick"],
    networks=("line", "star"),
    fidelities=(0.55, 0.75),
    loads=(5.0, 20.0),
    budgets=(0.1,),
    seeds=2,
)
WITH_SURFNET = study.Config(
    networks=("star",),
    fidelities=(0.6,),
    loads=(5.0,),
    budgets=(0.1,),
    seeds=2,
    surfnet_fidelities=(0.98, 0.99),
    surfnet_loads=(5.0,),
    surfnet_seeds=2,
)


def ran(folder, config, seed=0):
    return execute(load_study(study.PAPER.key), folder, scale="quick", seed=seed, config=config, quiet=True)


def test_same_seed_same_numbers(tmp_path):
    one, again, other = (ran(tmp_path / str(k), TINY, seed) for k, seed in enumerate((0, 0, 1)))
    assert one["metrics"] == again["metrics"]
    assert one["metrics"] != other["metrics"]
    assert {path.name for path in (tmp_path / "0").glob("*.svg")} == {"loads.svg", "fidelities.svg", "budgets.svg"}
    for fidelity in TINY.fidelities:
        for method in study.PLAIN:
            served = one["metrics"][f"line/{fidelity:g}/{method}/throughput"]
            assert 0 < served <= 20


def test_surfnet_and_what_it_leaves_untested(tmp_path):
    result = ran(tmp_path, WITH_SURFNET)
    verdicts = {claim["id"]: claim["verdict"] for claim in result["claims"]}
    assert verdicts["fidelity_costs_surfnet"] != "not tested at this scale"
    for untested in ("side_by_side", "star_equal", "budget_matters", "authors_throughput", "fidelity_costs"):
        assert verdicts[untested] == "not tested at this scale"


def test_a_fidelity_that_nobody_can_get_is_noted(tmp_path):
    result = ran(tmp_path, dataclasses.replace(TINY, networks=("star",), fidelities=(0.6, 0.95)))
    assert "star/0.6/rcpsp-np-edf/throughput" in result["metrics"]
    assert not any(key.startswith("star/0.95") for key in result["metrics"])


@pytest.mark.parametrize(
    ("claim", "metrics", "verdict"),
    [
        (
            "fidelity_costs",
            {f"trade-off/{n}/{q}": v for n in ("line", "h") for q, v in (("throughput", 0.5), ("wcrt", 2.0))},
            True,
        ),
        ("fidelity_costs", {"trade-off/line/throughput": 0.5, "trade-off/line/wcrt": 0.9}, False),
        ("star_equal", {"star difference": 0.1, "star difference/error": 0.06}, True),
        ("star_equal", {"star difference": 0.2, "star difference/error": 0.06}, False),
        ("star_equal", {"star difference": 0.0, "star difference/error": 0.0}, True),
    ],
)
def test_judges(claim, metrics, verdict):
    found = judged(next(c for c in study.CLAIMS if c.id == claim), metrics, study.Config())
    assert found["verdict"] == ("reproduced" if verdict else "not reproduced")


def test_the_order_of_schedulers_is_judged_at_every_fidelity():
    config = dataclasses.replace(study.Config(), fidelities=(0.55, 0.75))
    good = {f"line/{f:g}/{m}/throughput": v for f in (0.55, 0.75) for m, v in study.AUTHORS[f].items()}
    claim = next(c for c in study.CLAIMS if c.id == "side_by_side")
    assert judged(claim, good, config)["verdict"] == "reproduced"
    assert judged(claim, good | {"line/0.75/rcpsp-np-fpr/throughput": 9.0}, config)["verdict"] == "not reproduced"
    authors = next(c for c in study.CLAIMS if c.id == "authors_throughput")
    assert judged(authors, good, config)["measured"] == pytest.approx(1.0)

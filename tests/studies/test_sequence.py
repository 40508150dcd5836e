"""The study of the network simulator: redistribution, and repetition."""

import pytest

from bitket.runs import execute
from bitket.studies import load as load_study
from bitket.studies import sequence as study

TINY = study.Config(seconds=15.0, seeds=2, chain_seconds=0.5, chain_seeds=2, hops=(2,))


def test_memories_follow_the_demand():
    graph = study.metropolitan()
    shares = study.redistributed(graph, 450)
    assert sum(shares.values()) == 450
    assert min(shares.values()) > 10
    assert max(shares, key=shares.get) == "Argonne_1"  # on most of the shortest paths
    assert abs(shares["NU"] - shares["Argonne_2"]) <= 1  # both only ends


def test_delays_are_the_measured_ones():
    found = study.delays()
    assert len(found) == 36
    assert found["NU", "UChicago_PME"] == 2.6475
    assert found["Fermilab_1", "Fermilab_2"] == 0.25
    assert found["NU", "Argonne_2"] == pytest.approx(0.985 + 0.25)
    assert found["UChicago_HC", "Argonne_3"] == pytest.approx(2.035 + 0.5)
    assert found["Argonne_2", "Argonne_3"] == 0.25


def test_same_seed_same_metrics(tmp_path):
    one, again = (
        execute(load_study("sequence"), tmp_path / str(k), scale="quick", seed=0, config=TINY, quiet=True)
        for k in (0, 1)
    )
    assert one["metrics"] == again["metrics"]
    for name in ("curves", "latency", "redistribution"):
        assert (tmp_path / "0" / f"{name}.svg").exists()
    assert one["metrics"]["latency/worst"] < 5

"""The study of architecture search: its operators against the published figures, repetition, resumption."""

import pytest

from bitket.runs import execute
from bitket.studies import crlqas as study
from bitket.studies import load as load_study

TINY = study.Config(
    problems=("H2-2",),
    episodes=(30,),
    seeds=(1,),
    ablation_seeds=0,
    noisy_seeds=1,
    noisy_episodes=4,
    spsa_iterations=10,
)


@pytest.mark.parametrize(
    ("problem", "energy", "weight"),
    [
        ("H2-2", -1.137270174657, 0.9804927519),
        ("H2-3", -1.137270174657, 1.8850504923),
        ("LiH-4", -7.789088898, None),
    ],
)
def test_operators_are_the_published_ones(problem, energy, weight):
    H = study.operator(problem)
    assert H.ground_energy() == pytest.approx(energy, abs=1e-6)
    assert str(H.num_qubits) == problem[-1]
    if weight is not None:
        assert sum(abs(c) for c, x, z in H.masks() if x | z) == pytest.approx(weight, abs=1e-6)


def test_same_seed_same_metrics(tmp_path):
    one, again = (
        execute(load_study("crlqas"), tmp_path / str(k), scale="quick", seed=0, config=TINY, quiet=True) for k in (0, 1)
    )
    assert one["metrics"] == again["metrics"]
    assert (tmp_path / "0" / "training.svg").exists()
    assert one["metrics"]["noisy error/fixed"] > 0

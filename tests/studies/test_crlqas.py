"""The study of architecture search: its operators against the published figures, repetition, resumption."""

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


def test_same_seed_same_metrics(tmp_path):
    one, again = (
        execute(load_study("crlqas"), tmp_path / str(k), scale="quick", seed=0, config=TINY, quiet=True) for k in (0, 1)
    )
    assert one["metrics"] == again["metrics"]
    assert (tmp_path / "0" / "training.svg").exists()
    assert one["metrics"]["noisy error/fixed"] > 0

"""The study of signatures: repetition."""

from bitket.runs import execute
from bitket.studies import load as load_study
from bitket.studies import quantum_signatures as study

TINY = study.Config(step_km=150, pulses=(1e13,), dark=(1e-8,), forgeries=300, amplified_bits=10_000)


def test_same_seed_same_metrics(tmp_path):
    one, again = (
        execute(load_study("quantum-signatures"), tmp_path / str(k), scale="quick", seed=0, config=TINY, quiet=True)
        for k in (0, 1)
    )
    assert one["metrics"] == again["metrics"]
    assert one["metrics"]["reach_km"] == 600
    assert (tmp_path / "0" / "rates.svg").exists()

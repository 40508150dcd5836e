import numpy as np
import pytest

from bitket.runs import execute
from bitket.studies import load as load_study
from bitket.studies import qec_weight_reduction as study

TINY = study.Config(
    problems=("6-2-3",),
    evaluations=(9_000,),
    far=("9-2-6",),
    far_evaluations=9_000,
    repeats=2,
    trials=20,
    shots=20,
    episodes=2,
    codes=("hamming-3",),
    weights=(6, 7),
    steps=300,
)


def ran(folder, config=TINY):
    return execute(load_study("qec-weight-reduction"), folder, scale="quick", seed=0, config=config, quiet=True)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    return folder, ran(folder)


def test_metrics_are_consistent(tiny):
    folder, result = tiny
    m = result["metrics"]
    assert m["reached/ppo/6-2-3"] == 1
    assert m["qubits/6-2-3"] == 6**2 + 4**2
    assert m["product distance/6-2-3"] == m["distance/ppo/6-2-3"] >= 3  # the random start has d >= 3
    assert m["ratio/best split/6-2-3"] <= m["ratio/split/6-2-3"] + 1e-9
    with np.load(folder / "codes" / "6-2-3-weight-6.npz", allow_pickle=False) as arrays:
        assert arrays["hx"].shape[1] == 52
        assert max(arrays["hx"].sum(axis=1).max(), arrays["hz"].sum(axis=1).max()) <= 6
        assert not (arrays["hx"].astype(int) @ arrays["hz"].T % 2).any()


def test_what_was_learned_goes_on_with_a_longer_seed(tiny):
    m = tiny[1]["metrics"]
    assert m["distance/ppo/9-2-6"] == m["product distance/9-2-6"] == 6
    assert set(m) >= {"transfer/6-2-3/6-2-3", "transfer/6-2-3/9-2-6", "evaluations/ppo/9-2-6"}
    verdict = next(c for c in tiny[1]["claims"] if c["id"] == "distances_of_tens")
    assert (verdict["measured"], verdict["verdict"]) == (6, "not reproduced")


def test_the_hamming_code_needs_weight_seven(tiny):
    """All checks of a Hamming code weigh 4, and one bit is in three of them: 4 + 3."""
    m = tiny[1]["metrics"]
    assert (m["tradeoff/hamming-3/6"], m["tradeoff/hamming-3/7"]) == (2, 3)


def test_same_seed_same_metrics(tiny, tmp_path):
    assert ran(tmp_path)["metrics"] == tiny[1]["metrics"]


def test_goes_on_after_a_kill(tiny, tmp_path, monkeypatch):
    from bitket.quantum.codes.reduce import Search

    update, calls = Search.update, []

    def dies(self):
        calls.append(1)
        if len(calls) == 5:
            raise KeyboardInterrupt
        return update(self)

    monkeypatch.setattr(Search, "update", dies)
    with pytest.raises(KeyboardInterrupt):
        ran(tmp_path)
    monkeypatch.setattr(Search, "update", update)
    assert ran(tmp_path)["metrics"] == tiny[1]["metrics"]

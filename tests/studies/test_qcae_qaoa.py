import numpy as np
import pytest

from bitket.errors import InvalidInput
from bitket.runs import execute
from bitket.runs.claim import judged
from bitket.runs.config import with_settings
from bitket.studies import load as load_study
from bitket.studies import qcae_qaoa as study

TINY = study.Config(
    data="digits", images=60, held=10, test=16, width=3, depth=1, seeds=2, epochs=1, levels=(0.2,), circuits=("product",),
    depths=(1,), middles=("sine",), widths=(2,), part_images=30, part_epochs=1, few_seeds=1, shots=(10, 1000), judged=8,
)  # fmt: skip


@pytest.fixture(autouse=True)
def _no_bm3d(monkeypatch):
    """It takes a second an image."""
    import bitket.quantum.learning.yardsticks as module

    found = module.find_spec
    monkeypatch.setattr(module, "find_spec", lambda name: None if name == "bm3d" else found(name))


def test_same_seed_same_metrics(tmp_path):
    one, again = (
        execute(load_study("qcae-qaoa"), tmp_path / str(k), scale="quick", seed=3, config=TINY, quiet=True)
        for k in range(2)
    )
    assert one["metrics"] == again["metrics"]
    names = {path.stem for path in (tmp_path / "0").glob("*.svg")}
    assert names == {"strips", "curves", "circuits", "levels", "shots"}
    verdicts = {c["id"]: c["verdict"] for c in one["claims"]}
    assert verdicts["ssim_gain"] == verdicts["noise_removed"] == "not tested at this scale"
    assert verdicts["runs_on_hardware"] in ("reproduced", "not reproduced")
    assert one["metrics"]["main/qaoa/parameters"] == 2


def measured(gain=0.0, loss=0.0, circuits=0.0, half=0.01, ssim=0.7):
    m = {f"gain/{s:g}": 0.0 for s in (0.1, 0.2, 0.3, 0.7)} | {"gain/0.5": gain, "circuits/gain": circuits}
    m |= {"loss/difference": loss, "loss/difference_dense": loss}
    for name in list(m):
        m |= {f"{name}/low": m[name] - half, f"{name}/high": m[name] + half}
    m |= {f"main/{name}/ssim": ssim for name in study.MAIN} | {"main/identity/loss": 0.03, "noisy/ssim": 0.4}
    return m | {f"circuits/gain/{name}": circuits for name in study.Config().circuits}


@pytest.mark.parametrize(
    ("claim", "good", "bad"),
    [
        ("ssim_gain", {"gain": 0.4}, {"gain": 0.2}),
        ("ssim_gain", {"gain": 0.39}, {"gain": 0.4, "half": 0.5}),
        ("lower_loss", {"loss": -0.02}, {"loss": -0.005}),
        ("qaoa_over_circuits", {"circuits": 0.3}, {"circuits": 0.1}),
        ("noise_removed", {"ssim": 0.61}, {"ssim": 0.59}),
    ],
)
def test_judgements_follow_the_numbers(claim, good, bad):
    judge = next(c for c in study.CLAIMS if c.id == claim)
    assert judged(judge, measured(**good), study.Config())["verdict"] == "reproduced"
    assert judged(judge, measured(**bad), study.Config())["verdict"] == "not reproduced"


def test_intervals_are_those_of_students_t():
    found = study._spread("x", [1.0, 2.0, 4.0])
    assert found["x"] == pytest.approx(7 / 3)
    assert found["x/high"] - found["x"] == pytest.approx(4.302653 * np.std([1, 2, 4], ddof=1) / 3**0.5)


@pytest.mark.parametrize("settings", [{"seeds": "0"}, {"noise": "-1"}, {"width": "40"}, {"depths": "[0]"}])
def test_settings_are_checked(settings):
    with pytest.raises(InvalidInput):
        with_settings(study.Config(), settings)


def test_other_data_are_refused(tmp_path):
    with pytest.raises(InvalidInput, match="data=iris"):
        execute(
            load_study("qcae-qaoa"),
            tmp_path,
            scale="quick",
            config=with_settings(TINY, {"data": "iris"}),
            seed=0,
            quiet=True,
        )

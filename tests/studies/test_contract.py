"""What every study keeps to: its contract, its cost to import, its settings."""

import json
import subprocess
import sys
from dataclasses import fields, is_dataclass

import pytest

from bitket import studies
from bitket.errors import InvalidInput
from bitket.runs.claim import judged
from bitket.runs.config import as_json, checked, from_json

KEYS = studies.keys()
HEAVY = ("torch", "numpy", "scipy", "matplotlib", "sklearn", "networkx", "pydantic", "qiskit", "rich")


@pytest.fixture(params=KEYS)
def study(request):
    return studies.load(request.param)


def test_the_key_names_the_module(study):
    assert study.key == study.name
    assert study.key in KEYS


def test_the_paper_can_be_cited(study):
    assert study.paper.arxiv or study.paper.doi or study.paper.url
    assert study.paper.bibtex().count("{") == study.paper.bibtex().count("}")
    assert 1980 < study.paper.year < 2100


def test_the_summary_is_one_line(study):
    assert 10 < len(study.summary) <= 160
    assert "\n" not in study.summary


def test_scales_are_frozen_and_within_their_ranges(study):
    kind = type(study.scales["full"])
    assert is_dataclass(kind)
    assert kind.__dataclass_params__.frozen
    assert all(f.name.isidentifier() for f in fields(kind))
    for config in study.scales.values():
        assert checked(config) == config
        assert from_json(kind, json.loads(json.dumps(as_json(config)))) == config


def test_no_claim_passes_without_measurements(study):
    for claim in study.claims:
        for config in study.scales.values():
            entry = judged(claim, {}, config)
            assert entry["verdict"] == "not tested at this scale"
            assert "failed" not in entry["reason"]
        assert claim.id.isidentifier()
        assert claim.text.endswith(".")


def test_no_study_imports_what_is_slow_to_load():
    code = "import sys; from bitket import studies; [studies.load(k) for k in studies.keys()]; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not set(done.stdout.split()) & set(HEAVY)


def test_unknown_studies_are_named_with_the_nearest():
    with pytest.raises(InvalidInput, match=f"study '{KEYS[0]}s' is unknown; did you mean '{KEYS[0]}'"):
        studies.load(KEYS[0] + "s")
    with pytest.raises(InvalidInput, match="study '€' is unknown; there are "):
        studies.load("€")


GOOD = """
from dataclasses import dataclass
from bitket.runs import Claim, Paper, Verdict
PAPER = Paper("mine", "T", ("A",), 2000)
SUMMARY = "s"
@dataclass(frozen=True)
class Config:
    n: int = 1
SCALES = {"quick": Config(), "full": Config()}
CLAIMS = (Claim("c", "t", 1, lambda m, c: Verdict.of(m["x"], True, "")),)
def run(config, run):
    return {"x": 1.0}
"""


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("SUMMARY =", "OTHER =", r"mine\.py: it has no SUMMARY; a study has PAPER"),
        ('PAPER = Paper("mine", "T", ("A",), 2000)', "PAPER = 3", r"mine\.py: PAPER is a int"),
        ('"full": Config()', '"big": Config()', r"mine\.py: SCALES needs 'quick' and 'full'"),
        ('"full": Config()', '"full": 3', r"mine\.py: the scale 'full' is not a Config"),
        ("CLAIMS = (", "CLAIMS = () and (", r"mine\.py: CLAIMS needs at least one"),
        ("def run", "def run(", r"mine\.py: line 11: "),
    ],
)
def test_a_file_that_breaks_the_contract_is_named(tmp_path, old, new, message):
    path = tmp_path / "mine.py"
    path.write_text(GOOD)
    assert studies.load(str(path)).key == "mine"
    path.write_text(GOOD.replace(old, new))
    with pytest.raises(InvalidInput, match=message):
        studies.load(str(path))
    with pytest.raises(InvalidInput, match=r"nowhere\.py: there is no such file"):
        studies.load(str(tmp_path / "nowhere.py"))

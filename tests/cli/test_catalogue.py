import json
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

import bitket as package
from bitket import studies

STUDY = str(Path(__file__).parents[1] / "studies" / "estimating_pi.py")


def test_list_names_every_study(bitket):
    status, out, err = bitket("list")
    assert (status, err) == (0, "")
    assert [line.split()[0] for line in out.splitlines()[1:]] == studies.keys()
    status, out, _ = bitket("list", "--json")
    rows = json.loads(out)
    assert [row["study"] for row in rows] == studies.keys()
    assert {"study", "title", "year", "arxiv", "summary"} == set(rows[0])


def test_show_has_the_paper_claims_and_settings(bitket):
    status, out, _ = bitket("show", STUDY)
    assert status == 0
    for text in ("Mario Lazzarini", "near_pi", "The estimate <is> near pi.", "3.14159265", "needles", "[wooden] <b>"):
        assert text in out
    data = json.loads(bitket("show", STUDY, "--json")[1])
    assert data["scales"]["quick"]["rounds"] == 12
    assert data["claims"][2] == {
        "id": "crossings", "text": "1808 needles of 3408 cross a line.", "paper": 1808, "unit": "crossings",
    }  # fmt: skip


def test_cite_prints_bibtex(bitket):
    status, out, _ = bitket("cite", STUDY)
    assert status == 0
    assert out.startswith("@article{estimating-pi,\n")
    assert "journal = {Periodico di Matematica}" in out


def test_the_version_and_help(bitket):
    assert bitket("--version") == (0, f"bitket {package.__version__}\n", "")
    assert package.__version__ == metadata.version("bitket")
    assert f"\nversion: {package.__version__}\n" in (Path(__file__).parents[2] / "CITATION.cff").read_text()
    for arguments in ((), ("--help",)):
        status, out, err = bitket(*arguments)
        assert (status, err) == (0, "")
        for verb in ("list", "show", "run", "reproduce", "report", "cite", "simulate"):
            assert f" {verb} " in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("lst",), "No such command 'lst'. Did you mean 'list'?"),
        (("show",), "missing argument 'STUDY'"),
        (("show", "zne-n"), "study 'zne-n' is unknown; did you mean 'zne-nn'?"),
        (("list", "--jsn"), "option --jsn is unknown; did you mean --json?"),
        (("cite", "zne-nn", "--xyz"), "option --xyz is unknown; there are"),
        (("run", STUDY, "--seed", "x"), "invalid value for '--seed': 'x' is not a whole number from 0 to"),
        (("run", STUDY, "--seed", "-1"), "invalid value for '--seed': '-1' is not a whole number from 0 to"),
        (("run", STUDY, "--scal", "quick"), "option --scal is unknown; did you mean --scale?"),
        (("run", STUDY, "--scale", "huge"), "scale 'huge' is unknown; study estimating-pi has quick, full"),
        (("run", STUDY, "--set", "rounds"), "--set rounds: NAME=VALUE is needed"),
        (("run", STUDY, "--set", "rond=1"), "setting 'rond' is unknown; did you mean 'rounds'?"),
        (("run", STUDY, "--set", "rounds=0"), "setting rounds=0: input should be greater than or equal to 1"),
        (("run", STUDY, "--out", "/proc/nowhere"), "cannot write /proc/nowhere/estimating-pi"),
        (("run", STUDY, "a/b"), "run 'a/b': letters, digits"),
        (("run", STUDY, ".."), "run '..': letters, digits"),
        (("run", "nothing.py"), "nothing.py: there is no such file"),
        (("run", STUDY, "--resume"), "runs/estimating-pi: no run to resume; leave out --resume to start one"),
        (("report", "nowhere"), "nowhere: there is no such folder"),
        (("reproduce", "zne"), "study 'zne' is unknown; did you mean 'zne-nn'?"),
        (("reproduce", "--out", "/proc/nowhere"), "cannot write /proc/nowhere/index.html"),
        (("reproduce", "--jobs", "0"), "invalid value for '--jobs': '0' is not a whole number from 1 to"),
    ],
)
def test_wrong_input_ends_with_one_line_and_status_2(bitket, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    status, out, err = bitket(*arguments)
    assert status == 2
    assert out == ""
    assert message.lower() in err.lower()
    assert err.startswith("bitket: ")
    assert err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []  # nothing half written


def test_listing_loads_nothing_slow():
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "bitket", "list"], capture_output=True, text=True, check=True
    )
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "bitket.studies" in loaded
    assert not loaded & {"torch", "numpy", "scipy", "matplotlib", "sklearn", "jinja2"}

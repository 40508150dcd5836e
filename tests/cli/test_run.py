import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

STUDY = str(Path(__file__).parents[1] / "studies" / "estimating_pi.py")


def test_a_run_prints_verdicts_and_writes_a_report(bitket, tmp_path):
    status, out, err = bitket("run", STUDY, "first", "--out", tmp_path, "--seed", 3)
    folder = tmp_path / "estimating-pi" / "first"
    assert (status, err) == (0, "")
    assert "reproduced  near_pi: The estimate <is> near pi." in out
    assert "paper: 3.142. |error|" in out
    assert "not tested at this scale  crossings" in out
    assert f"report: {folder / 'report.html'}" in out
    assert "<html" in (folder / "report.html").read_text()


def test_json_is_result_json(bitket, tmp_path):
    status, out, _ = bitket("run", STUDY, "--out", tmp_path, "--set", "rounds=2", "--set", "limit=5", "--json")
    (folder,) = (tmp_path / "estimating-pi").iterdir()
    result = json.loads(out)
    assert status == 0
    assert result == json.loads((folder / "result.json").read_text())
    assert (result["config"]["rounds"], result["config"]["limit"]) == (2, 5)


def test_resume_of_a_finished_run_gives_its_result(bitket, tmp_path):
    _, first, _ = bitket("run", STUDY, "one", "--out", tmp_path, "--set", "rounds=2", "--json", "--seed", 5)
    for name in ([], ["one"]):
        assert bitket("run", STUDY, *name, "--out", tmp_path, "--resume", "--json") == (0, first, "")
    status, _, err = bitket("run", STUDY, "one", "--out", tmp_path)
    assert status == 2
    assert "this run is there already; add --resume" in err
    status, _, err = bitket("run", STUDY, "two", "--out", tmp_path, "--resume")
    assert status == 2
    assert "estimating-pi/two: no run to resume" in err
    for options, what in ((["--seed", 6], "seed"), (["--scale", "full"], "scale"), (["--set", "rounds=3"], "config")):
        status, _, err = bitket("run", STUDY, "--out", tmp_path, "--resume", *options)
        assert status == 2
        assert f"this run has another {what}" in err


def test_resume_takes_the_newest_run(bitket, tmp_path):
    for seed in (1, 2):
        bitket("run", STUDY, f"run{seed}", "--out", tmp_path, "--set", "rounds=1", "--seed", seed)
    os.utime(tmp_path / "estimating-pi" / "run1" / "config.json")
    _, out, _ = bitket("run", STUDY, "--out", tmp_path, "--resume", "--json")
    assert json.loads(out)["seed"] == 1


def test_the_report_can_be_written_again_from_the_folder_alone(bitket, tmp_path):
    bitket("run", STUDY, "one", "--out", tmp_path, "--set", "rounds=2")
    elsewhere = tmp_path / "moved"
    (tmp_path / "estimating-pi" / "one").rename(elsewhere)
    before = (elsewhere / "report.html").read_text()
    (elsewhere / "report.html").unlink()
    assert bitket("report", elsewhere) == (0, f"{elsewhere}/report.html\n", "")
    assert (elsewhere / "report.html").read_text() == before


def begin(*arguments, **options):
    return subprocess.Popen([sys.executable, "-m", "bitket", *map(str, arguments)], stderr=subprocess.PIPE, **options)


def wait_for(path, process):
    while not path.exists():
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.02)


def test_an_interrupt_ends_with_130_and_how_to_go_on(bitket, tmp_path):
    process = begin("run", STUDY, "one", "--out", tmp_path, "--set", "pause=0.5", stdout=subprocess.DEVNULL)
    wait_for(tmp_path / "estimating-pi" / "one" / "checkpoint" / "clock.json", process)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate()
    assert process.returncode == 130
    assert err.decode() == "bitket: stopped; the same command with --resume goes on where it was\n"


def test_an_interrupt_before_anything_is_stored_leaves_nothing(tmp_path):
    text = Path(STUDY).read_text().replace("        run.log(part", "        time.sleep(60)\n        run.log(part")
    (tmp_path / "slow.py").write_text(text)
    process = begin("run", tmp_path / "slow.py", "one", "--out", tmp_path / "runs", stdout=subprocess.DEVNULL)
    wait_for(tmp_path / "runs" / "estimating-pi" / "one" / "config.json", process)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate()
    assert (process.returncode, err.decode()) == (130, "bitket: stopped\n")
    assert not (tmp_path / "runs").exists()


def test_an_interrupt_of_other_work_advises_nothing_and_leaves_no_folder(tmp_path):
    process = begin("network", "line", "--seconds", "1e6", "--out", tmp_path / "runs", stdout=subprocess.DEVNULL)
    while not list(tmp_path.glob("runs/network/*")):
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate()
    assert (process.returncode, err.decode()) == (130, "bitket: stopped\n")
    assert not (tmp_path / "runs").exists()


def test_an_interrupt_while_modules_are_read_is_one_line(tmp_path, monkeypatch):
    import bitket

    (tmp_path / "typer.py").write_text("raise KeyboardInterrupt")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), str(Path(bitket.__file__).parents[1])]))
    process = begin("list", stdout=subprocess.PIPE)
    out, err = process.communicate()
    assert (process.returncode, out, err) == (130, b"", b"bitket: stopped\n")


@pytest.mark.parametrize("verb", ["show", "cite"])
def test_a_reader_that_has_gone_ends_it_quietly(verb):
    script = f"{{ sleep 1; {sys.executable} -m bitket {verb} {STUDY}; }} | true; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert done.stdout.strip() == "141"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_one_line():
    with open("/dev/full", "w") as full:
        process = begin("show", STUDY, stdout=full)
        _, err = process.communicate()
    assert process.returncode == 2
    assert "No space left on device" in err.decode()
    assert "Traceback" not in err.decode()

"""A run that is killed (SIGKILL) at random moments and resumed ends with the same metrics as one that was never killed."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

STUDY = str(Path(__file__).parents[1] / "studies" / "estimating_pi.py")
SAME = ("metrics.jsonl", "convergence.svg", "convergence.png", "config.json")


def begin(out, *options):
    command = [sys.executable, "-m", "bitket", "run", STUDY, "--out", str(out), "--set", "pause=0.04", *options]
    return subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def go_on(out):
    """Resume, or begin where a kill came before the run had said what it is."""
    return begin(out, "--resume") if list(out.glob("*/*/config.json")) else begin(out, "--seed", "7")


def ended(process):
    _, error = process.communicate()
    assert process.returncode == 0, error.decode()


def result_of(folder):
    result = json.loads((folder / "result.json").read_text())
    del result["seconds"], result["peak_rss_bytes"]
    return result


def check_kills(tmp_path, kills, seed):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    start = time.monotonic()
    ended(begin(whole, "--seed", "7"))
    length = time.monotonic() - start
    moments = random.Random(seed)
    survived = 0
    while survived < kills:
        process = go_on(killed)
        time.sleep(moments.uniform(0.1, length))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        if process.returncode != -signal.SIGKILL:
            # It was faster than its killer: it must have ended well, and the next one starts from the beginning.
            assert process.returncode == 0
            killed.rename(tmp_path / f"done-{time.monotonic_ns()}")
            continue
        survived += 1
        for path in killed.glob("estimating-pi/*/*.json*"):
            for line in path.read_text().splitlines() if path.suffix == ".jsonl" else [path.read_text()]:
                json.loads(line)  # nothing is half written
    ended(go_on(killed))
    (reference,) = whole.glob("estimating-pi/*")
    for out in [killed, *tmp_path.glob("done-*")]:
        (folder,) = (path.parent for path in out.glob("*/*/config.json"))
        assert result_of(folder) == result_of(reference)
        for name in SAME:
            assert (folder / name).read_bytes() == (reference / name).read_bytes(), name
        assert (folder / "report.html").exists()


def test_three_kills(tmp_path):
    check_kills(tmp_path, 3, seed=1)


@pytest.mark.slow
def test_twenty_kills(tmp_path):
    check_kills(tmp_path, 20, seed=2)

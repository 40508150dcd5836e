"""The first seconds: what a verb imports, and that wrong input is found before the heavy part of it."""

import json
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli.conftest import STUDY

HEAVY = {"torch", "sympy", "scipy", "matplotlib", "sklearn", "networkx"}
# Each call in a child of one process that has imported nothing but the command line.
CHILDREN = f"""
import json, os, sys
from bitket.cli import _status
for line in json.load(sys.stdin):
    if not os.fork():
        devnull = os.open(os.devnull, os.O_WRONLY)
        output = os.dup(1)
        os.dup2(devnull, 1)
        status = _status(line)
        sys.stdout.flush()
        os.write(output, json.dumps([status, sorted({HEAVY!r} & sys.modules.keys())]).encode() + b"\\n")
        os._exit(0)
    os.wait()
"""


def children(lines):
    """Status and heavy imports of each call."""
    done = subprocess.run(
        [sys.executable, "-c", CHILDREN], input=json.dumps(lines), capture_output=True, text=True, check=True
    )
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(found) == len(lines), done.stderr
    return found


ALLOWED = {
    "list": set(),
    "show": set(),
    "cite": set(),
    "keys": set(),
    "sign": set(),
    "verify": set(),
    "sentence": set(),
    "simulate": set(),
    "codes info": {"scipy", "networkx"},
    "codes product": {"scipy", "networkx"},
    "codes bicycle": {"scipy", "networkx"},
    "codes reduce": {"scipy", "networkx"},
    "federate": {"scipy", "sklearn", "matplotlib"},
    "network": {"scipy", "networkx", "matplotlib"},
}


@pytest.mark.usefixtures("made")
def test_a_verb_imports_what_it_needs(calls):
    found = children([[a.replace("{n}", "") for a in calls[verb]] for verb in ALLOWED])
    for (verb, allowed), (status, heavy) in zip(ALLOWED.items(), found, strict=True):
        assert status == 0, verb
        assert set(heavy) <= allowed, verb


@pytest.mark.usefixtures("calls")
def test_a_simulation_imports_torch_for_gradients_alone():
    noisy = ["--noise", "depolarizing:0.01", "--noise", "readout:0.01"]
    Path("again.qasm").write_text(Path("bell.qasm").read_text() + "h q[0];\nmeasure q -> c;\n")
    bell, observable = ["simulate", "bell.qasm"], ["--observable", "ZZ", "--observable", "XX"]
    lines = [bell, [*bell, *observable], [*bell, *noisy, *observable], [*bell, *noisy, *observable, "--shots", "9"]]
    lines += [["simulate", "again.qasm"], ["simulate", "again.qasm", "--noise", "bit_flip:0.1"]]
    assert children(lines) == [[0, []]] * len(lines)
    device = [*bell, "--device", "manila", *observable]
    ((_, some), (_, all_)) = children([device, [*bell, *observable, "--gradient"]])
    assert "torch" not in some
    assert "torch" in all_


@pytest.mark.slow  # of the clock; what is imported is seen above
@pytest.mark.usefixtures("calls")
def test_a_bell_state_takes_half_a_second():
    def seconds():
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return used.ru_utime + used.ru_stime

    took = []
    for _ in range(3):
        begin = seconds()
        subprocess.run([sys.executable, "-m", "bitket", "simulate", "bell.qasm"], check=True, capture_output=True)
        took.append(seconds() - begin)
    assert min(took) < 0.6, took


@pytest.mark.usefixtures("calls")
def test_wrong_input_is_found_before_torch_is_imported():
    lines = [
        ["simulate", "none.qasm"],
        ["simulate", "bell.qasm", "--observable", "ZZZ"],
        ["simulate", "bell.qasm", "--param", "a=1"],
        ["simulate", "bell.qasm", "--noise", "depolarizing:2"],
        ["groundstate", "none.xyz"],
        ["groundstate", "junk"],
        ["groundstate", "H2", "--spin", "1"],
        ["groundstate", "ZZ", "--basis", "x"],
        ["groundstate", "H2", "--ansatz", "x"],
        ["sentence", "cat sleeps", "--lexicon", "none.json"],
        ["generate", "train", "none", "--out", "x"],
        ["generate", "sample", "none", "--out", "x"],
        ["denoise", "none", "bell.qasm"],
        ["denoise", "new", "--train", "none"],
        ["network", "none.json"],
        ["federate", "none.csv"],
        ["federate", "rows.csv", "--clients", "nobody"],
        ["codes", "info", "none.npz"],
        ["report", "none"],
        ["run", STUDY, "--set", "rounds=0"],
        ["reproduce", "none.py"],
    ]
    for line, (status, heavy) in zip(lines, children(lines), strict=True):
        assert (status, "torch" in heavy) == (2, False), line
    assert not Path("runs").exists()

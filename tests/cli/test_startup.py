"""The first seconds: what a verb imports, and that wrong input is found before the heavy part of it."""

import subprocess
import sys

import pytest
from tests.cli.conftest import STUDY

HEAVY = {"torch", "sympy", "scipy", "matplotlib", "sklearn", "networkx"}


def imported(*arguments, status=0):
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "bitket", *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == status, done.stderr[-300:]
    return {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if line.startswith("import time")}


@pytest.mark.parametrize(
    ("verb", "allowed"),
    [
        ("list", set()),
        ("show", set()),
        ("cite", set()),
        ("keys", set()),
        ("sign", set()),
        ("verify", set()),
        ("codes info", {"scipy", "networkx"}),
        ("codes product", {"scipy", "networkx"}),
        ("codes reduce", {"scipy", "networkx"}),
        ("network", {"scipy", "networkx", "matplotlib"}),
        ("simulate", {"scipy", "networkx", "torch"}),
    ],
)
def test_a_verb_imports_what_it_needs(calls, request, verb, allowed):
    if verb in ("sign", "verify"):
        request.getfixturevalue("made")
    arguments = [a.replace("{n}", "") for a in calls[verb]]
    assert imported(*arguments) & HEAVY <= allowed


@pytest.mark.parametrize(
    "arguments",
    [
        ["simulate", "none.qasm"],
        ["simulate", "bell.qasm", "--observable", "ZZZ"],
        ["simulate", "bell.qasm", "--param", "a=1"],
        ["simulate", "bell.qasm", "--noise", "depolarizing:2"],
        ["groundstate", "none.xyz"],
        ["groundstate", "junk"],
        ["sentence", "cat sleeps", "--lexicon", "none.json"],
        ["generate", "train", "none", "--out", "x"],
        ["generate", "sample", "none", "--out", "x"],
        ["network", "none.json"],
        ["codes", "info", "none.npz"],
        ["report", "none"],
        ["run", STUDY, "--set", "rounds=0"],
        ["reproduce", "none.py"],
    ],
)
def test_wrong_input_is_found_before_torch_is_imported(calls, arguments):
    assert "torch" not in imported(*arguments, status=2)

"""The README: its examples run, its commands exist, its table is that of the recorded results."""

import contextlib
import io
import json
import re
import shlex
from pathlib import Path

import pytest
import typer

from bitket.cli import app
from bitket.errors import InvalidInput
from bitket.report.readme import main, table, updated
from bitket.studies import keys

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
COMMANDS = re.findall(r"^\$ bitket ([^#\n]*)", README, re.MULTILINE)


@pytest.mark.parametrize("code", EXAMPLES, ids=[code.split("import ")[-1].split("\n")[0] for code in EXAMPLES])
def test_examples_run(code):
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, "README.md", "exec"), {})
    numbers = [float(word) for word in re.findall(r"-?\d+\.\d+(?:e-?\d+)?", printed.getvalue())]
    if "adjoint" in code:
        assert numbers[:2] == pytest.approx([1.3586780454497614, 0.3483533546735827], abs=1e-12)
    if "zne(" in code:
        from math import cos

        raw, mitigated = numbers
        assert raw < mitigated
        assert raw < cos(0.3) ** 3
    if "ArchitectureSearch" in code:
        assert "chemical accuracy: True" in printed.getvalue()
        assert numbers[-2] == pytest.approx(numbers[-1], abs=1.6e-3)
    if "SPSA" in code:
        assert numbers[0] < 1e-3


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_exist(command):
    verb, *arguments = shlex.split(command)
    found = typer.main.get_command(app).commands[verb]
    while hasattr(found, "commands"):  # a group of verbs
        found = found.commands[arguments.pop(0)]
    options = {option for parameter in found.params for option in parameter.opts}
    assert {word for word in arguments if word.startswith("--")} <= options
    if verb in ("run", "show", "cite") and not arguments[0].endswith(".py"):
        assert arguments[0] in keys()


def test_its_table_is_that_of_the_recorded_results():
    results = [json.loads(path.read_text()) for path in sorted((ROOT / "results").glob("*.json"))]
    assert updated(README, results) == README


def test_the_table_counts_verdicts(tmp_path, capsys):
    key = keys()[0]
    claims = [{"verdict": word} for word in ("reproduced", "not reproduced", "reproduced")]
    result = {"study": key, "scale": "quick", "claims": claims}
    text = table([result, result | {"scale": "full", "claims": []}])
    assert [line.split(" | ")[2:] for line in text.splitlines()[2:]] == [
        ["full", "0", "0", "0 |"],
        ["quick", "2", "1", "0 |"],
    ]
    (tmp_path / "r.json").write_text(json.dumps(result))
    (tmp_path / "README.md").write_text(README)
    assert main([str(tmp_path / "README.md"), str(tmp_path / "r.json")]) == 0
    changed = (tmp_path / "README.md").read_text()
    assert updated(README, [result]) == changed != README
    assert main([str(tmp_path / "README.md"), str(tmp_path / "none.json")]) == 2
    assert "no none.json here" in capsys.readouterr().err
    with pytest.raises(InvalidInput, match="are needed around its table of results"):
        updated("text", [])

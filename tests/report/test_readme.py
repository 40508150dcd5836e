"""The README's table is that of the recorded results (tests/test_readme.py runs its blocks)."""

import json
from pathlib import Path

import pytest

from bitket.errors import InvalidInput
from bitket.report.readme import main, table, updated
from bitket.studies import keys

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


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

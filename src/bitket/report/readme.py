"""The README's table of results, made from recorded results: ``python -m bitket.report.readme README.md results/*.json``."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from bitket.errors import BitketError, InvalidInput
from bitket.runs.claim import WORDS
from bitket.runs.files import read_json, write_text
from bitket.studies import load

__all__ = ["table", "updated"]

_START, _END = "<!-- results: made by 'make results' -->\n", "<!-- end of results -->\n"


def table(results: Iterable[Mapping[str, Any]]) -> str:
    """A Markdown table of what result.json files hold, one row for each, by study and scale."""
    rows = [f"| study | paper | scale | {' | '.join(WORDS)} |", "|---|---|---|" + "--:|" * len(WORDS)]
    for result in sorted(results, key=lambda r: (r["study"], r["scale"])):
        paper = load(result["study"]).paper
        title = f"[{paper.title}](https://arxiv.org/abs/{paper.arxiv})" if paper.arxiv else paper.title
        words = [claim["verdict"] for claim in result["claims"]]
        numbers = " | ".join(str(words.count(word)) for word in WORDS)
        rows.append(f"| `{result['study']}` | {title}, {paper.year} | {result['scale']} | {numbers} |")
    return "\n".join(rows) + "\n"


def updated(readme: str, results: Iterable[Mapping[str, Any]]) -> str:
    """The README's text with its table made anew.

    Raises
    ------
    InvalidInput
        The text has no place for the table.
    """
    head, start, rest = readme.partition(_START)
    _, end, tail = rest.partition(_END)
    if not start or not end:
        raise InvalidInput(
            f"README: the lines {_START.strip()} and {_END.strip()} are needed around its table of results"
        )
    return head + start + "\n" + table(results) + "\n" + end + tail


def main(arguments: list[str]) -> int:
    """Make the table of a README (first argument) from result files (the others)."""
    try:
        path = Path(arguments[0])
        results = [read_json(Path(name), "a recorded result") for name in arguments[1:]]
        write_text(path, updated(path.read_text(encoding="utf-8"), results))
    except BitketError as error:
        print(f"readme: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

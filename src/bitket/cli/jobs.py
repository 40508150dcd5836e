"""One study to run in a process of its own, wherever that is, and what became of it."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bitket.cli.console import STYLES
from bitket.errors import InvalidInput
from bitket.runs.files import read_json

__all__ = ["Job", "failure_of"]


@dataclass(frozen=True)
class Job:
    """One study to run: how the command line calls it, its key, and where it runs."""

    name: str
    key: str
    folder: Path
    scale: str
    seed: int

    def command(self, out: Path, *, resume: bool = False) -> list[str]:
        """The process that runs it, into ``out``."""
        verb = [sys.executable, "-m", "bitket", "run", self.name, self.folder.name, "--out", str(out)]
        return [*verb, "--scale", self.scale, "--seed", str(self.seed), *(["--resume"] if resume else [])]

    def outcome(self, failure: str = "") -> dict[str, Any]:
        """Its row of the scoreboard, from its folder; ``failure`` where it has not left a result."""
        row = {"study": self.key, "folder": str(self.folder), "title": self.key, "claims": {}, "seconds": 0.0}
        try:
            result = read_json(self.folder / "result.json", "a result")
            title = read_json(self.folder / "report.json", "a result")["paper"]["title"]
            words = [claim["verdict"] for claim in result["claims"]]
        except (InvalidInput, KeyError, TypeError):
            return row | {"error": failure or "it left no result"}
        claims = {word: words.count(word) for word in STYLES}
        return row | {"title": title, "claims": claims, "seconds": result["seconds"], "error": ""}


def failure_of(status: int, output: bytes) -> str:
    """One line that says why a study's process failed: what it said last, or how it ended."""
    if status < 0:
        return f"killed by signal {-status}"
    lines = output.decode(errors="replace").strip().splitlines()
    return lines[-1].strip() if status and lines else f"ended with status {status}"

"""One study to run in a process of its own, wherever that is, and what became of it."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bitket.cli.console import STYLES

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
            result = json.loads((self.folder / "result.json").read_text(encoding="utf-8"))
            extras = json.loads((self.folder / "report.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return row | {"error": failure or "it left no result"}
        words = [claim["verdict"] for claim in result["claims"]]
        claims = {word: words.count(word) for word in STYLES}
        return row | {"title": extras["paper"]["title"], "claims": claims, "seconds": result["seconds"], "error": ""}


def failure_of(status: int, output: bytes) -> str:
    """One line that says why a study's process failed: what it said last, or how it ended."""
    if status < 0:
        return f"killed by signal {-status}"
    lines = output.decode(errors="replace").strip().splitlines()
    return lines[-1].strip() if status and lines else f"ended with status {status}"

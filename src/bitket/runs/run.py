"""One run of a study: its folder, its randomness, its measurements, and how it goes on after it was killed.

Everything that takes long is a *step*: a function whose result is stored when it is done, so that a resumed run loads it, bit for bit,
and goes on behind it. Random generators are made from the seed and a name, never shared between steps, so that the order of steps, or a
kill between them, changes no number.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

import bitket
from bitket.errors import InvalidInput
from bitket.runs.files import load_tree, save_tree, write_bytes, write_json, write_text
from bitket.runs.study import Study, judged

if TYPE_CHECKING:
    import torch
    from matplotlib.figure import Figure

__all__ = ["Run", "execute"]

T = TypeVar("T")


class Run:
    """A run folder and what a study does with it.

    Parameters
    ----------
    folder
        ``runs/STUDY/ID``; made if it is not there.
    study, scale, seed, config
        What is run.
    quiet
        Show no progress.
    """

    def __init__(self, folder: Path, study: Study, scale: str, seed: int, config: Any, *, quiet: bool = False) -> None:
        self.folder, self.study, self.scale, self.seed, self.config = Path(folder), study, scale, seed, config
        self.quiet = quiet or not sys.stderr.isatty()
        self._clock = self.folder / "checkpoint" / "seconds.json"
        self._before = float(json.loads(self._clock.read_text())) if self._clock.exists() else 0.0
        self._started = time.monotonic()
        self._lines: list[str] = []
        self._used: set[str] = set()
        self.figures: list[dict[str, str]] = []
        self.tables: list[dict[str, Any]] = []
        self.notes: list[str] = []
        write_json(self.folder / "config.json", self.header())

    def header(self) -> dict[str, Any]:
        """What identifies the run."""
        return {
            "study": self.study.key,
            "scale": self.scale,
            "seed": self.seed,
            "version": bitket.__version__,
            "config": json.loads(json.dumps(dataclasses.asdict(self.config))),
        }

    @property
    def seconds(self) -> float:
        """Time spent, that of earlier processes up to their last finished step included."""
        return self._before + time.monotonic() - self._started

    # -- randomness -------------------------------------------------------------------------------------------------
    def _entropy(self, name: str) -> int:
        return int.from_bytes(hashlib.sha256(f"{self.seed}/{name}".encode()).digest()[:8], "little") >> 1

    def generator(self, name: str) -> np.random.Generator:
        """A NumPy generator that depends on the seed and the name alone."""
        return np.random.default_rng(self._entropy(name))

    def torch_generator(self, name: str) -> torch.Generator:
        """A torch generator that depends on the seed and the name alone."""
        import torch

        return torch.Generator().manual_seed(self._entropy(name))

    # -- steps ------------------------------------------------------------------------------------------------------
    def step(self, name: str, function: Callable[[], T]) -> T:
        """The result of ``function``, computed once: a resumed run loads it.

        Parameters
        ----------
        name
            Unique in the run.
        function
            Returns numbers, text, arrays, tensors, or lists, tuples and dicts of them.
        """
        if name in self._used:
            raise InvalidInput(f"step '{name}' is there twice: names of steps must differ")
        self._used.add(name)
        safe = "".join(c if c.isalnum() or c in "-_." else "_" for c in name)[:80]
        path = self.folder / "checkpoint" / f"{safe}-{hashlib.sha256(name.encode()).hexdigest()[:8]}.safetensors"
        if path.exists():
            return load_tree(path)
        result = function()
        save_tree(path, result)
        write_json(self._clock, round(self.seconds, 3))
        return load_tree(path)  # the same value on the first and on every later run

    def progress(self, items: Iterable[T], description: str) -> Iterator[T]:
        """Iterate with a progress bar on a terminal, silently in a pipe."""
        if self.quiet:
            yield from items
            return
        from rich.console import Console
        from rich.progress import track

        yield from track(items, description, console=Console(stderr=True), transient=True)

    # -- results ----------------------------------------------------------------------------------------------------
    def log(self, **values: float | str) -> None:
        """One line of measurements for metrics.jsonl (written whole when the run ends)."""
        self._lines.append(json.dumps(values))

    def figure(self, name: str, figure: Figure, caption: str) -> None:
        """Store a figure as SVG and PNG; shown in the report with its caption."""
        import io

        import matplotlib as mpl

        for kind, metadata in (("svg", {"Date": None}), ("png", {"Software": None})):
            buffer = io.BytesIO()
            with mpl.rc_context({"svg.hashsalt": name, "svg.fonttype": "path"}):
                figure.savefig(buffer, format=kind, dpi=160, metadata=metadata)
            write_bytes(self.folder / f"{name}.{kind}", buffer.getvalue())
        self.figures.append({"name": name, "caption": caption})

    def table(self, name: str, rows: Iterable[Mapping[str, Any]], caption: str) -> None:
        """A table for the report: one mapping a row, columns in order of the first row."""
        self.tables.append({"name": name, "rows": [dict(r) for r in rows], "caption": caption})

    def note(self, text: str) -> None:
        """A sentence that a reader of the report must know."""
        self.notes.append(text)

    def finish(self, metrics: Mapping[str, float], peak_rss_bytes: int) -> dict[str, Any]:
        """Judge the claims and write metrics.jsonl and result.json."""
        verdicts = [judged(claim, metrics) for claim in self.study.claims]
        clean = {k: (float(v) if np.isfinite(v) else None) for k, v in metrics.items()}
        result = self.header() | {
            "metrics": clean,
            "claims": [v.to_dict() for v in verdicts],
            "figures": self.figures,
            "tables": self.tables,
            "notes": self.notes,
            "seconds": round(self.seconds, 3),
            "peak_rss_bytes": peak_rss_bytes,
        }
        write_text(self.folder / "metrics.jsonl", "".join(line + "\n" for line in self._lines))
        write_json(self.folder / "result.json", result)
        return result


def execute(study: Study, folder: Path, *, scale: str, seed: int, config: Any, quiet: bool = False) -> dict[str, Any]:
    """Run a study in a folder, going on where an earlier run in the same folder stopped.

    Returns
    -------
    dict
        What result.json holds.
    """
    import resource

    run = Run(folder, study, scale, seed, config, quiet=quiet)
    metrics = study.run(config, run)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return run.finish(metrics, peak)

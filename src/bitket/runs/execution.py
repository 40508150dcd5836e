"""Running a study in a folder of its own, from the first check to the judged result.

The folder holds config.json (what is run), metrics.jsonl (what was logged), result.json (metrics and judged claims; its field names
are public), report.json (what the report shows besides), figures, and ``checkpoint/``.
"""

from __future__ import annotations

import contextlib
import json
import math
import numbers
import os
import platform
import shlex
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import bitket
from bitket.errors import InvalidInput
from bitket.runs.claim import judged
from bitket.runs.config import as_json, checked, differences
from bitket.runs.files import read_json, write_json, write_text
from bitket.runs.run import Run
from bitket.runs.study import Study

__all__ = ["execute", "has_checkpoint"]


def has_checkpoint(folder: Path) -> bool:
    """Whether a run has stored steps or loops there, from which it would go on."""
    return any(Path(folder).glob("checkpoint/*.safetensors"))


def execute(
    study: Study, folder: Path, *, scale: str = "quick", seed: int = 0, config: Any = None, quiet: bool = False
) -> dict[str, Any]:
    """Run a study in a folder, going on where an earlier run in the same folder stopped.

    Parameters
    ----------
    study
        What to run.
    folder
        ``runs/STUDY/ID``.
    scale, seed
        The scale's name, and the seed of all randomness.
    config
        The configuration, if it is not that of the scale.
    quiet
        Show no progress.

    Returns
    -------
    dict
        What result.json holds. A folder whose run is finished gives its result at once.

    Raises
    ------
    InvalidInput
        The folder cannot be written or holds another run, or a setting is out of its range: before any work is done.
    """
    config = checked(study.config(scale) if config is None else config)
    header = {
        "study": study.key,
        "scale": scale,
        "seed": seed,
        "version": bitket.__version__,
        "config": as_json(config),
    }
    folder = Path(folder)
    if (folder / "config.json").exists():
        _same_run(folder, header)
        if (folder / "result.json").exists():
            return read_json(folder / "result.json", "a result")
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    run = Run(folder, seed, quiet=quiet)
    try:
        write_json(folder / "config.json", header)
        metrics = _numbers(study, study.run(config, run))
        result = header | {
            "metrics": {name: value if math.isfinite(value) else None for name, value in metrics.items()},
            "claims": [judged(claim, metrics, config) for claim in study.claims],
            "seconds": round(run.seconds, 3),
            "peak_rss_bytes": run.peak_rss_bytes,
        }
        write_text(folder / "metrics.jsonl", "".join(json.dumps(line) + "\n" for line in run.entries("log")))
        write_json(folder / "report.json", _extras(study, run, scale, seed, config))
        write_json(folder / "result.json", result)  # last: it says that the run is finished
        return result
    finally:
        run.close()
        if not has_checkpoint(folder) and not (folder / "result.json").exists():
            _remove_empty(folder, made)


def _remove_empty(folder: Path, made: Sequence[Path]) -> None:
    """Leave nothing of a run that was stopped or failed before it had stored, logged or drawn anything; ``made``: its folders."""
    own = [folder / name for name in ("config.json", "metrics.jsonl", "checkpoint/lock")]
    others = {path for path in folder.rglob("*") if path.is_file()} - {*own, folder / "output.txt"}  # the caller's log
    if others or (folder / "metrics.jsonl").stat().st_size:
        return
    for path in own:
        path.unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # others have files there
        for path in (folder / "checkpoint", *made):
            path.rmdir()


def _same_run(folder: Path, header: Mapping[str, Any]) -> None:
    before = read_json(folder / "config.json", "a run")
    for name, value in header.items():
        if before.get(name) != value:
            raise InvalidInput(
                f"{folder}: this run has another {name} ({before.get(name)}, now {value}); start a new one"
            )


def _numbers(study: Study, metrics: Mapping[str, float]) -> dict[str, float]:
    out: dict[str, float] = {}
    for name, value in metrics.items():
        value = value.item() if hasattr(value, "item") else value
        if not isinstance(value, numbers.Real):
            raise InvalidInput(f"study {study.key}: metric '{name}' is a {type(value).__name__}; a number is needed")
        out[name] = int(value) if isinstance(value, numbers.Integral) else float(value)
    return out


def _extras(study: Study, run: Run, scale: str, seed: int, config: Any) -> dict[str, Any]:
    paper = study.paper
    settings = differences(config, study.scales[scale])
    command = ["bitket", "run", study.name, "--scale", scale, "--seed", str(seed)]
    command += [part for name, text in settings.items() for part in ("--set", f"{name}={text}")]
    return {
        "paper": {
            "title": paper.title,
            "authors": list(paper.authors),
            "year": paper.year,
            "arxiv": paper.arxiv,
            "doi": paper.doi,
            "url": paper.url,
            "venue": paper.journal or paper.booktitle,
            "bibtex": paper.bibtex(),
        },
        "summary": study.summary,
        "command": shlex.join(command),
        "full_config": as_json(study.scales["full"]),
        "figures": run.entries("figure"),
        "tables": run.entries("table"),
        "notes": [entry["text"] for entry in run.entries("note")],
        "environment": _environment(),
    }


def _environment() -> dict[str, str]:
    out = {
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "processor": _processor(),
        "cores": str(os.cpu_count()),
        "threads": os.environ.get("OMP_NUM_THREADS", "as many as cores"),
        "python": platform.python_version(),
    }
    for package in ("bitket", "torch", "numpy", "scipy", "scikit-learn"):
        out[package] = metadata.version(package)
    return out


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()

"""One HTML file for each run: claims beside the paper's figures, plots, tables, configuration, how to run it again.

The file needs nothing else: styles and figures are inside it.
"""

from __future__ import annotations

import json
import os
import platform
import re
from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path
from typing import Any

import bitket
from bitket.errors import InvalidInput
from bitket.runs.files import write_text
from bitket.runs.study import Study

__all__ = ["render", "write_index", "write_report"]

_MARKS = {"reproduced": "✓", "not reproduced": "✗", "not tested at this scale": "○"}


def _number(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return f"{value:.4g}" if isinstance(value, float) else f"{value}"


def _environment() -> Any:
    from jinja2 import Environment

    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters["number"] = _number
    environment.globals["marks"] = _MARKS
    return environment


def _template(name: str) -> Any:
    folder = files("bitket.report")
    text = (folder / name).read_text(encoding="utf-8")
    return _environment().from_string(text.replace("/*STYLE*/", (folder / "style.css").read_text(encoding="utf-8")))


def read_result(folder: Path) -> dict[str, Any]:
    """result.json of a run folder.

    Raises
    ------
    InvalidInput
        There is none, or it is damaged.
    """
    path = folder / "result.json"
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError:
        raise InvalidInput(f"{folder}: no result.json here; a finished run's folder is needed") from None
    except ValueError as error:
        raise InvalidInput(f"{path}: not JSON ({error})") from None


def render(folder: Path, study: Study) -> str:
    """The report of a finished run as HTML text."""
    from markupsafe import Markup

    result = read_result(folder)
    figures = []
    for figure in result.get("figures", []):
        svg = (folder / f"{figure['name']}.svg").read_text(encoding="utf-8")
        svg = svg[svg.index("<svg") :]
        # Ids are made unique: several figures share one document.
        svg = re.sub(r'(id="|url\(#|href="#)', rf"\g<1>{figure['name']}-", svg)
        figures.append({"svg": Markup(svg), **figure})
    counts = {word: sum(c["verdict"] == word for c in result["claims"]) for word in _MARKS}
    full = study.scales["full"]
    settings = [
        {
            "name": k,
            "used": v,
            "full": getattr(full, k, None),
            "differs": json.dumps(v) != json.dumps(_plain(getattr(full, k, None))),
        }
        for k, v in result["config"].items()
    ]
    return _template("run.html").render(
        r=result,
        paper=study.paper,
        summary=study.summary,
        figures=figures,
        counts=counts,
        settings=settings,
        machine=f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        version=bitket.__version__,
    )


def _plain(value: Any) -> Any:
    return json.loads(json.dumps(value, default=str))


def write_report(folder: Path, study: Study) -> Path:
    """Write report.html into a run folder; returns its path."""
    path = folder / "report.html"
    write_text(path, render(folder, study))
    return path


def write_index(path: Path, rows: Iterable[dict[str, Any]]) -> Path:
    """A page that lists runs: each row has ``study, title, link, claims {verdict: number}, seconds, error``."""
    write_text(path, _template("index.html").render(rows=list(rows), version=bitket.__version__))
    return path

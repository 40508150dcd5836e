"""One HTML file for each run, and one that lists many: styles and figures are inside, nothing is fetched from anywhere.

A run's page is made from its folder alone (result.json, report.json and the SVG figures), so that it can be written again anywhere.
"""

from __future__ import annotations

import html
import json
import os
import re
from collections.abc import Iterable, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import bitket
from bitket.errors import InvalidInput
from bitket.report.recorded import recorded
from bitket.runs.claim import WORDS
from bitket.runs.files import read_json, write_text

__all__ = ["figures_apart", "render", "write_index", "write_report"]

# A verdict is told by its word and its mark; colour only adds to them.
_MARKS = dict(zip(WORDS, ("✓", "✗", "○"), strict=True))
_KINDS = dict(zip(WORDS, ("yes", "no", "open"), strict=True))


def render(folder: Path) -> str:
    """The report of a finished run as HTML text.

    Raises
    ------
    InvalidInput
        The folder holds no finished run, or a part of it is damaged.
    """
    from jinja2 import UndefinedError

    result = read_json(folder / "result.json", "the folder of a finished run")
    extras = read_json(folder / "report.json", "the folder of a finished run")
    try:
        full = extras["full_config"]
        settings = [
            {"name": name, "used": used, "full": full.get(name), "differs": name not in full or used != full[name]}
            for name, used in result["config"].items()
        ]
        before = recorded(result["study"]) if result["scale"] != "full" else None
        return _template("run.html").render(
            result=result,
            extras=extras,
            full_run={claim["id"]: claim for claim in before["claims"]} if before else {},
            figures=[figure | {"svg": _inline(folder, figure)} for figure in extras["figures"]],
            counts=_counts(claim["verdict"] for claim in result["claims"]),
            settings=settings,
        )
    except KeyError as missing:
        raise InvalidInput(f"{folder}: result.json or report.json lacks {missing}") from None
    except (TypeError, AttributeError, ValueError, UndefinedError) as error:
        raise InvalidInput(f"{folder}: result.json or report.json is damaged ({error})") from None


def write_report(folder: Path) -> Path:
    """Write report.html into the folder of a finished run; returns its path."""
    path = folder / "report.html"
    write_text(path, render(folder))
    return path


def write_index(path: Path, rows: Iterable[Mapping[str, Any]]) -> Path:
    """Write the page that lists runs; returns its path.

    Parameters
    ----------
    path
        Of the page. Links to reports are relative to it.
    rows
        Each with ``study``, ``title``, ``folder``, ``claims`` (number of claims by verdict), ``seconds`` and ``error``.
    """
    listed: list[dict[str, Any]] = []
    for row in rows:
        page = Path(row["folder"]) / "report.html"
        before = recorded(row["study"])
        full = _counts(claim["verdict"] for claim in before["claims"]) if before else {}
        listed.append({**row, "link": os.path.relpath(page, path.parent) if page.exists() else "", "full": full})
    total = _counts(word for row in listed for word, n in row["claims"].items() for _ in range(n))
    write_text(path, _template("index.html").render(rows=listed, total=total))
    return path


def _counts(words: Iterable[str]) -> dict[str, int]:
    found = list(words)
    return {word: found.count(word) for word in WORDS}


def _template(name: str) -> Any:
    from jinja2 import Environment, FunctionLoader, StrictUndefined
    from markupsafe import Markup

    folder = files("bitket.report") / "templates"
    environment = Environment(
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
        loader=FunctionLoader(lambda part: (folder / part).read_text(encoding="utf-8")),
    )
    environment.filters |= {
        "figures": figures_apart,
        "number": _number,
        "setting": _setting,
        "duration": _duration,
        "memory": _memory,
    }
    style = Markup((folder / "style.css").read_text(encoding="utf-8"))
    environment.globals |= {"marks": _MARKS, "kinds": _KINDS, "style": style, "version": bitket.__version__}
    return environment.get_template(name)


def _inline(folder: Path, figure: Mapping[str, str]) -> Any:
    """The SVG of a figure as a part of the page: its ids made unique there, and named for readers who cannot see it."""
    from markupsafe import Markup

    path = folder / f"{figure['name']}.svg"
    try:
        svg = path.read_text(encoding="utf-8")
    except OSError:
        raise InvalidInput(f"{path}: this figure of the run is not there") from None
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    svg = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{figure['name']}-", svg)
    label = html.escape(figure["caption"], quote=True)
    return Markup(svg.replace("<svg", f'<svg role="img" aria-label="{label}"', 1))


def _number(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


_ENTRY = re.compile(
    r"(?P<name>\S.{0,39}?)(?:: | )(?P<value>[-+]?[0-9][0-9.e+-]*(?: (?:±|\+-) [0-9.e+-]+)?(?: (?:%|mHa|Ha|km|s))?)(?P<end>; |, |$)"
)
_LEAST = 4  # entries that are easier to read as a table


def figures_apart(reason: str) -> list[str | list[tuple[str, str]]]:
    """A sentence with its long rows of ``name value, name value, ...`` taken out as tables of names and values."""
    parts: list[str | list[tuple[str, str]]] = []
    done = at = 0
    while at < len(reason):
        rows, end = [], at
        while end < len(reason) and (match := _ENTRY.match(reason, end)) and not re.search(r"[;,:]", match["name"]):
            rows.append((match["name"], match["value"]))
            end = match.end()
        if len(rows) >= _LEAST:
            parts += [text for text in (reason[done:at].strip(" ;,"),) if text]
            parts.append(rows)
            done = at = end
        else:
            ahead = re.compile(r"; |, |: ").search(reason, at)
            at = ahead.end() if ahead else len(reason)
    return parts + [text for text in (reason[done:].strip(" ;,") if done else reason,) if text]


def _setting(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(_setting, value)) or "none"
    return "none" if value is None else value if isinstance(value, str) else json.dumps(value)


def _duration(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def _memory(size: int) -> str:
    return f"{size / 2**30:.1f} GiB" if size >= 2**30 else f"{size / 2**20:.0f} MiB"

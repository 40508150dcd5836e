"""Verbs for one run: run, report."""

from __future__ import annotations

import json
import re
import secrets
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from bitket.cli import options
from bitket.cli.catalogue import Study
from bitket.cli.console import STYLES, console
from bitket.cli.options import Json, Out, number
from bitket.errors import InvalidInput

__all__ = ["GO_ON", "new_id", "newest", "register"]

GO_ON = "the same command with --resume goes on where it was"


def register(app: typer.Typer) -> None:
    """Add the verbs to the command line."""
    app.command()(run)
    app.command()(report)


def new_id() -> str:
    """A name for a new run: the time, and two random bytes."""
    return f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}"


def newest(folder: Path) -> Path | None:
    """The run folder in ``runs/STUDY`` that was begun or gone on with last."""
    found = list(folder.glob("*/config.json"))
    return max(found, key=lambda path: path.stat().st_mtime_ns).parent if found else None


def run(
    study: Study,
    name: Annotated[
        str, typer.Argument(metavar="[ID]", help="Name of the run; the time, or with --resume the newest, if left out.")
    ] = "",
    scale: Annotated[
        str | None, typer.Option(help="quick (about 30 s) or full (the paper's setting). [default: quick]")
    ] = None,
    seed: Annotated[int | None, number("seed", help="Seed of all randomness. [default: 0]")] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Change a setting; may repeat.")
    ] = None,
    out: Out = Path("runs"),
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a run that was stopped.")] = False,
    as_json: Json = False,
) -> None:
    """Rerun a paper and judge its claims. Example: bitket run zne-nn --seed 1 --set shots=1024"""
    from bitket import studies
    from bitket.report import write_report
    from bitket.runs.config import from_json, with_settings
    from bitket.runs.execution import execute, has_checkpoint
    from bitket.runs.files import read_json

    s = studies.load(study)
    if name and not re.fullmatch(r"[\w.-]*\w", name):
        raise InvalidInput(f"run '{name}': letters, digits, '.', '-' and '_' are needed")
    changed = _settings(settings)
    if resume:
        folder = out / s.key / name if name else newest(out / s.key)
        if folder is None or not (folder / "config.json").exists():
            raise InvalidInput(f"{folder or out / s.key}: no run to resume; leave out --resume to start one")
        before = read_json(folder / "config.json", "a run")
        scale = before["scale"] if scale is None else scale
        seed = before["seed"] if seed is None else seed
        config = with_settings(from_json(type(s.config("quick")), before["config"]), changed)
    else:
        folder = out / s.key / (name or new_id())
        if (folder / "config.json").exists():
            raise InvalidInput(f"{folder}: this run is there already; add --resume to go on with it, or name another")
        scale, seed = scale or "quick", seed or 0
        config = s.config(scale, changed)
    try:
        result = execute(s, folder, scale=scale, seed=seed, config=config, quiet=as_json)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(GO_ON if has_checkpoint(folder) else "") from None
    page = write_report(folder)
    if as_json:
        print(json.dumps(result))
    else:
        _print_result(result)
        print(f"\n{result['seconds']:.1f} s; report: {page}")


def _settings(pairs: list[str] | None) -> dict[str, str]:
    out = {}
    for pair in pairs or []:
        name, equals, value = pair.partition("=")
        if not equals:
            raise InvalidInput(f"--set {pair}: NAME=VALUE is needed")
        out[name] = value
    return out


def _print_result(result: dict[str, Any]) -> None:
    from rich.markup import escape

    out = console()
    for claim in result["claims"]:
        style = STYLES[claim["verdict"]]
        out.print(f"[{style}]{claim['verdict']}[/]  [bold]{claim['id']}[/bold]: {escape(claim['text'])}")
        measured = "" if claim["measured"] is None else f"measured {_valued(claim['measured'], claim['unit'])}; "
        out.print(escape(f"    {measured}paper: {_valued(claim['paper'], claim['unit'])}. {claim['reason']}"))


def _valued(value: float | str, unit: str) -> str:
    return value if isinstance(value, str) else f"{value:.4g} {unit}".rstrip()


def report(
    folder: Annotated[Path, options.folder(help="A run folder, such as runs/zne-nn/20260101-120000-1a2b.")],
) -> None:
    """Write the HTML report of a finished run again. Example: bitket report runs/zne-nn/20260101-120000-1a2b"""
    from bitket.report import write_report

    print(write_report(folder))

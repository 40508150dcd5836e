"""Verbs for the papers: list, show, run, reproduce, report, cite."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Annotated, Any

import typer

from bitket.errors import InvalidInput

__all__ = ["register"]

Json = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]
Scale = Annotated[str, typer.Option(help="quick (about 30 s) or full (the paper's setting).")]
Out = Annotated[Path, typer.Option(help="Folder of run folders.")]
_STYLES = {"reproduced": "green", "not reproduced": "red", "not tested at this scale": "dim"}


def register(app: typer.Typer) -> None:
    """Add the verbs to the command line."""
    app.command("list")(list_studies)
    app.command("show")(show)
    app.command("run")(run)
    app.command("reproduce")(reproduce)
    app.command("report")(report)
    app.command("cite")(cite)


def list_studies(as_json: Json = False) -> None:
    """List the studies. Example: bitket list --json"""
    from bitket import studies

    rows = [studies.load(key) for key in studies.keys()]  # noqa: SIM118 - a function, not a dict
    if as_json:
        print(
            json.dumps(
                [{"study": s.key, "title": s.paper.title, "year": s.paper.year, "summary": s.summary} for s in rows]
            )
        )
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("study", "paper", "year", "what it does", box=None, pad_edge=False)
    for s in rows:
        table.add_row(f"[bold]{s.key}[/bold]", s.paper.title, str(s.paper.year), s.summary)
    Console().print(table)


def show(study: str, as_json: Json = False) -> None:
    """Show a study's paper, claims and settings. Example: bitket show zne-nn"""
    from bitket import studies

    s = studies.load(study)
    scales = {name: dataclasses.asdict(config) for name, config in s.scales.items()}
    if as_json:
        claims = [{"id": c.id, "text": c.text, "paper": c.paper, "unit": c.unit} for c in s.claims]
        print(json.dumps({"study": s.key, "paper": dataclasses.asdict(s.paper), "claims": claims, "scales": scales}))
        return
    from rich.console import Console
    from rich.table import Table

    console = Console()
    console.print(f"[bold]{s.paper.title}[/bold]\n{', '.join(s.paper.authors)}, {s.paper.year}\n{s.summary}\n")
    for c in s.claims:
        console.print(f"  [bold]{c.id}[/bold]: {c.text} (paper: {c.paper})")
    table = Table("setting", *scales, box=None, pad_edge=False)
    for name in next(iter(scales.values())):
        table.add_row(name, *(str(v[name]) for v in scales.values()))
    console.print()
    console.print(table)


def _newest(folder: Path) -> Path:
    runs = (
        sorted((p for p in folder.iterdir() if (p / "config.json").exists()), key=lambda p: p.stat().st_mtime)
        if folder.is_dir()
        else []
    )
    if not runs:
        raise InvalidInput(f"{folder}: no run to resume; leave out --resume to start one")
    return runs[-1]


def _settings(pairs: list[str] | None) -> dict[str, str]:
    out = {}
    for pair in pairs or []:
        name, equals, value = pair.partition("=")
        if not equals:
            raise InvalidInput(f"--set {pair}: NAME=VALUE is needed")
        out[name] = value
    return out


def run(
    study: Annotated[
        str, typer.Argument(help="A study's key (see 'bitket list'), or a Python file that keeps the contract.")
    ],
    scale: Scale = "quick",
    seed: Annotated[int, typer.Option(min=0, help="Seed of all randomness.")] = 0,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="NAME=VALUE changes a setting; may repeat.")
    ] = None,
    out: Out = Path("runs"),
    resume: Annotated[bool, typer.Option("--resume", help="Go on with this study's newest run.")] = False,
    as_json: Json = False,
) -> None:
    """Rerun a paper and judge its claims. Example: bitket run zne-nn --scale quick --seed 1 --set shots=1024"""
    from bitket import studies
    from bitket.report import write_report
    from bitket.runs import execute

    s = studies.load(study)
    config = s.config(scale, _settings(settings))
    if resume:
        folder = _newest(out / s.key)
        header = json.loads((folder / "config.json").read_text())
        scale, seed = header["scale"], header["seed"]
        config = s.config(scale, {k: _as_text(v) for k, v in header["config"].items()})
    else:
        folder = out / s.key / f"{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}"
    result = execute(s, folder, scale=scale, seed=seed, config=config, quiet=as_json)
    page = write_report(folder, s)
    if as_json:
        print(json.dumps(result))
        return
    from rich.console import Console

    console = Console()
    for c in result["claims"]:
        measured = "" if c["measured"] is None else f"measured {c['measured']:.4g} {c['unit']}".rstrip() + "; "
        console.print(
            f"[{_STYLES[c['verdict']]}]{c['verdict']}[/]  [bold]{c['id']}[/bold]: {c['text']}\n"
            f"    {measured}paper: {c['paper']}. {c['reason']}"
        )
    console.print(f"\n{result['seconds']:.1f} s; report: {page}")


def _as_text(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(map(_as_text, value))
    return "none" if value is None else str(value)


def reproduce(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[STUDY]...", help="Studies; all of them if none is named.")
    ] = None,
    scale: Scale = "quick",
    seed: Annotated[int, typer.Option(min=0, help="Seed of all randomness.")] = 0,
    jobs: Annotated[int, typer.Option(min=1, help="Studies at a time on this machine.")] = 1,
    ray: Annotated[str, typer.Option(help="Address of a Ray cluster to run on instead.")] = "",
    out: Out = Path("runs"),
    as_json: Json = False,
) -> None:
    """Rerun many papers, each in a process of its own, and print a scoreboard. Example: bitket reproduce --jobs 2"""
    from bitket import studies
    from bitket.report import write_index

    chosen = names or studies.keys()
    titles = {studies.load(k).key: studies.load(k).paper.title for k in chosen}
    out.mkdir(parents=True, exist_ok=True)
    threads = max(1, (os.cpu_count() or 1) // jobs)

    def one(key: str) -> dict[str, Any]:
        command = [
            sys.executable,
            "-m",
            "bitket",
            "run",
            key,
            "--scale",
            scale,
            "--seed",
            str(seed),
            "--out",
            str(out),
            "--json",
        ]
        done = subprocess.run(
            command, capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": str(threads)}, check=False
        )
        return _outcome(key, done.returncode, done.stdout, done.stderr)

    rows: list[dict[str, Any]] = []
    if ray:
        from bitket.cli.cluster import run_on_ray

        rows = run_on_ray(ray, list(chosen), scale, seed, out, _outcome)
    else:
        with ThreadPoolExecutor(jobs) as pool:
            waiting = {pool.submit(one, key): key for key in chosen}
            for future in as_completed(waiting):
                rows.append(future.result())
                if not as_json:
                    print(_line(rows[-1]), flush=True)
    rows.sort(key=lambda r: r["study"])
    for row in rows:
        row["title"] = titles.get(row["study"], row["study"])
        newest = _newest(out / row["study"]) if (out / row["study"]).is_dir() else None
        row["link"] = (
            str((newest / "report.html").relative_to(out)) if newest and (newest / "report.html").exists() else ""
        )
    page = write_index(out / "index.html", rows)
    if as_json:
        print(json.dumps(rows))
    else:
        _scoreboard(rows)
        print(f"report: {page}")
    if any(row["error"] for row in rows):
        raise typer.Exit(1)


def _outcome(key: str, status: int, stdout: str, stderr: str) -> dict[str, Any]:
    """A row of the scoreboard from what a study's process left."""
    try:
        result = json.loads(stdout.strip().splitlines()[-1]) if status == 0 else None
    except (ValueError, IndexError):
        result = None
    if result is None:
        lines = stderr.strip().splitlines()
        return {
            "study": key,
            "claims": {},
            "seconds": 0.0,
            "error": lines[-1] if lines else f"ended with status {status}",
        }
    claims = {word: sum(c["verdict"] == word for c in result["claims"]) for word in _STYLES}
    return {"study": result["study"], "claims": claims, "seconds": result["seconds"], "error": ""}


def _line(row: dict[str, Any]) -> str:
    if row["error"]:
        return f"{row['study']}: failed: {row['error']}"
    return (
        f"{row['study']}: "
        + ", ".join(f"{n} {word}" for word, n in row["claims"].items() if n)
        + f" ({row['seconds']:.1f} s)"
    )


def _scoreboard(rows: list[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("study", *_STYLES, "seconds", box=None, pad_edge=False)
    for row in rows:
        if row["error"]:
            table.add_row(row["study"], f"[red]failed: {row['error']}[/red]")
        else:
            cells = [f"[{style}]{row['claims'][word]}[/]" for word, style in _STYLES.items()]
            table.add_row(row["study"], *cells, f"{row['seconds']:.1f}")
    Console().print()
    Console().print(table)


def report(
    folder: Annotated[Path, typer.Argument(help="A run folder, such as runs/zne-nn/20260101-120000-1.")],
) -> None:
    """Write the HTML report of a finished run again. Example: bitket report runs/zne-nn/20260101-120000-1"""
    from bitket import studies
    from bitket.report import write_report
    from bitket.report.html import read_result

    print(write_report(folder, studies.load(read_result(folder)["study"])))


def cite(study: str) -> None:
    """Print BibTeX of a study's paper. Example: bitket cite quantum-kernels"""
    from bitket import studies

    print(studies.load(study).paper.bibtex())

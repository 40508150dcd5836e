"""``bitket reproduce``: many studies, each in a process of its own, on this machine or on a Ray cluster, and a scoreboard."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

import typer

from bitket.cli.console import STYLES, console, tell
from bitket.cli.jobs import Job, failure_of
from bitket.cli.options import Json, Out, Seed, number
from bitket.cli.run import GO_ON, new_id, newest
from bitket.errors import InvalidInput
from bitket.runs.files import read_json

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the verb to the command line."""
    app.command()(reproduce)


def reproduce(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[STUDY]...", help="Studies; all of them if none is named.")
    ] = None,
    scale: Annotated[str, typer.Option(help="quick (about 30 s each) or full (the papers' settings).")] = "quick",
    seed: Seed = 0,
    jobs: Annotated[
        int | None,
        number("jobs", help="Studies at a time on this machine, which share its cores. [default: as many as cores]"),
    ] = None,
    ray: Annotated[str, typer.Option(metavar="ADDRESS", help="Run on this Ray cluster instead.")] = "",
    out: Out = Path("runs"),
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the newest runs of this scale and seed.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Rerun many papers and print a scoreboard. Example: bitket reproduce zne-nn qnlp --seed 1"""
    from bitket import studies
    from bitket.report import write_index
    from bitket.runs.execution import has_checkpoint

    if ray and jobs is not None:
        raise InvalidInput("--jobs and --ray: one of them can be given; the cluster says how many run at a time")
    if ray:
        from bitket.cli.cluster import reach

        reach(ray)  # before anything is written
    name = new_id()
    todo = []
    for study in names or studies.keys():
        found = studies.load(study)
        found.config(scale)  # before any work: it is there
        key = found.key
        last = _resumable(out / key, scale, seed) if resume else None
        todo.append(Job(study, key, last or out / key / name, scale, seed))
    finished = [job for job in todo if (job.folder / "result.json").exists()]
    todo = [job for job in todo if job not in finished]
    rows = [job.outcome() for job in finished]
    page = write_index(out / "index.html", rows)  # before any work: the folder can be written
    if ray:
        from bitket.cli.cluster import on_cluster

        outcomes: Iterable[dict[str, Any]] = on_cluster(ray, todo)
    else:
        outcomes = _on_this_machine(todo, jobs or _cores())
    try:
        for row in _shown(outcomes, len(todo), quiet=as_json):
            rows.append(row)
            rows.sort(key=lambda row: row["study"])
            write_index(page, rows)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(GO_ON if any(has_checkpoint(job.folder) for job in todo) else "") from None
    if as_json:
        print(json.dumps(rows))
    else:
        _print_scoreboard(rows)
        print(f"\nreports: {page}")
    if any(row["error"] for row in rows):
        raise typer.Exit(1)


def _resumable(folder: Path, scale: str, seed: int) -> Path | None:
    last = newest(folder)
    if last is None:
        return None
    header = read_json(last / "config.json", "a run")
    return last if (header["scale"], header["seed"]) == (scale, seed) else None


def _cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _on_this_machine(todo: list[Job], jobs: int) -> Iterator[dict[str, Any]]:
    """Outcomes as they come; a process that fails or is killed is one outcome and touches no other."""
    threads = str(max(1, _cores() // max(1, min(jobs, len(todo)))))  # of each job: together no more than the cores
    environment = {"OMP_NUM_THREADS": threads} | os.environ
    waiting, running = list(todo), dict[Job, subprocess.Popen[bytes]]()
    with ExitStack() as files:
        try:
            while waiting or running:
                while waiting and len(running) < jobs:
                    job = waiting.pop(0)
                    job.folder.mkdir(parents=True, exist_ok=True)
                    log = files.enter_context((job.folder / "output.txt").open("ab"))
                    command = job.command(job.folder.parent.parent, resume=(job.folder / "config.json").exists())
                    running[job] = subprocess.Popen(
                        command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment
                    )
                    yield {"started": job.key}
                for job, process in list(running.items()):
                    if process.poll() is not None:
                        del running[job]
                        yield job.outcome(failure_of(process.returncode, (job.folder / "output.txt").read_bytes()))
                time.sleep(0.05)
        finally:
            _stop(running)


def _stop(running: Mapping[Job, subprocess.Popen[bytes]]) -> None:
    """End the processes as an interrupt does, and leave no folder in which only their silence is recorded."""
    # Ctrl-C on a terminal has reached them already: a second one at once would break into what they put in order.
    for patience, signal_ in ((1.0, signal.SIGINT), (10.0, signal.SIGKILL)):
        deadline = time.monotonic() + patience
        while any(p.poll() is None for p in running.values()) and time.monotonic() < deadline:
            time.sleep(0.02)
        for process in running.values():
            if process.poll() is None:
                process.send_signal(signal_)
    for process in running.values():
        process.wait()
    for job in running:
        with contextlib.suppress(OSError):
            if not (job.folder / "config.json").exists():
                (job.folder / "output.txt").unlink()
                job.folder.rmdir()
                job.folder.parent.rmdir()


def _shown(outcomes: Iterable[dict[str, Any]], total: int, *, quiet: bool) -> Iterator[dict[str, Any]]:
    """Pass on finished rows; show on a terminal what runs, and elsewhere a line for each that has ended."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    screen = Console(stderr=True, highlight=False)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=screen, transient=True, disable=quiet or not screen.is_terminal) as display:
        overall = display.add_task("studies", total=total)
        tasks = {}
        for row in outcomes:
            if "started" in row:
                tasks[row["started"]] = display.add_task(row["started"], total=None)
                continue
            if row["study"] in tasks:
                display.remove_task(tasks.pop(row["study"]))
            display.advance(overall)
            if not quiet:
                tell(_line(row))
            yield row


def _line(row: dict[str, Any]) -> str:
    if row["error"]:
        return f"{row['study']}: failed: {row['error']} (see {row['folder']}/output.txt)"
    return (
        f"{row['study']}: {', '.join(f'{n} {word}' for word, n in row['claims'].items() if n)} ({row['seconds']:.1f} s)"
    )


def _print_scoreboard(rows: list[dict[str, Any]]) -> None:
    from rich.markup import escape
    from rich.table import Table

    table = Table("study", box=None, pad_edge=False)
    for word, style in STYLES.items():
        table.add_column(word, justify="right", style=style)
    table.add_column("seconds", justify="right")
    table.add_column("")
    for row in rows:
        cells = [str(row["claims"].get(word, "")) for word in STYLES]
        failed = f"[red]failed: {escape(row['error'])}[/red]" if row["error"] else ""
        table.add_row(row["study"], *cells, f"{row['seconds']:.1f}" if not failed else "", failed)
    table.add_section()
    totals = [str(sum(row["claims"].get(word, 0) for row in rows)) for word in STYLES]
    table.add_row("[bold]all[/bold]", *totals, f"{sum(row['seconds'] for row in rows):.1f}", "")
    console().print(table)

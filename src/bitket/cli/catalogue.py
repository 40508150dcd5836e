"""Verbs that say what studies there are: list, show, cite."""

from __future__ import annotations

import dataclasses
import json
from typing import Annotated

import typer

from bitket.cli.console import console
from bitket.cli.options import Json

__all__ = ["register"]

Study = Annotated[str, typer.Argument(help="A study's key (see 'bitket list'), or a Python file that holds one.")]


def register(app: typer.Typer) -> None:
    """Add the verbs to the command line."""
    app.command("list")(list_studies)
    app.command()(show)
    app.command()(cite)


def list_studies(as_json: Json = False) -> None:
    """List the studies. Example: bitket list --json"""
    from bitket import studies

    found = [studies.load(key) for key in studies.keys()]  # noqa: SIM118 - a function, not a dict
    if as_json:
        rows = [
            {"study": s.key, "title": s.paper.title, "year": s.paper.year, "arxiv": s.paper.arxiv, "summary": s.summary}
            for s in found
        ]
        print(json.dumps(rows))
        return
    from rich.markup import escape
    from rich.table import Table

    table = Table("study", "year", "what it does", box=None, pad_edge=False)
    for s in found:
        table.add_row(f"[bold]{s.key}[/bold]", str(s.paper.year), escape(s.summary))
    console().print(table)


def show(study: Study, as_json: Json = False) -> None:
    """Show a study's paper, claims and settings. Example: bitket show zne-nn"""
    from bitket import studies
    from bitket.runs.config import as_json as plain

    s = studies.load(study)
    scales = {name: plain(config) for name, config in s.scales.items()}
    if as_json:
        claims = [{"id": c.id, "text": c.text, "paper": c.paper, "unit": c.unit} for c in s.claims]
        paper = dataclasses.asdict(s.paper)
        print(json.dumps({"study": s.key, "summary": s.summary, "paper": paper, "claims": claims, "scales": scales}))
        return
    from rich.markup import escape
    from rich.table import Table

    out = console()
    where = f", arXiv:{s.paper.arxiv}" if s.paper.arxiv else ""
    out.print(f"[bold]{escape(s.paper.title)}[/bold]\n{escape(', '.join(s.paper.authors))}, {s.paper.year}{where}\n")
    out.print(f"{escape(s.summary)}\n\n[bold]Claims[/bold]")
    for c in s.claims:
        out.print(f"  [cyan]{c.id}[/cyan]: {escape(c.text)} [bright_black](paper: {escape(str(c.paper))})[/]")
    table = Table("setting", *scales, box=None, pad_edge=False)
    for name in next(iter(scales.values())):
        table.add_row(name, *(escape(str(values[name])) for values in scales.values()))
    out.print()
    out.print(table)


def cite(study: Study) -> None:
    """Print BibTeX of a study's paper. Example: bitket cite quantum-kernels"""
    from bitket import studies

    print(studies.load(study).paper.bibtex())

"""``python -m benchmarks NAME [--json] [--quick]``: our time beside those of named peers, in one run, as ratios."""

from __future__ import annotations

import argparse
import importlib
import json
import pkgutil
from pathlib import Path
from typing import Any

GROUPS = {"simulation": ("statevector", "adjoint", "layer", "noisy", "sampling")}
"""Benchmarks that are run together under one name."""


def main() -> None:
    single = [m.name for m in pkgutil.iter_modules([str(Path(__file__).parent)]) if not m.name.startswith("_")]
    names = sorted([*single, *GROUPS])
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("name", choices=names)
    parser.add_argument("--json", action="store_true", help="machine-readable output")
    parser.add_argument("--quick", action="store_true", help="fewer sizes")
    arguments = parser.parse_args()
    parts = GROUPS.get(arguments.name, (arguments.name,))
    found = {}
    for part in parts:
        rows = found[part] = importlib.import_module(f"benchmarks.{part}").run(arguments.quick)
        if not arguments.json:
            show(rows, part)
    if arguments.json:
        print(json.dumps(found if arguments.name in GROUPS else found[arguments.name]))


def show(rows: list[dict[str, Any]], title: str) -> None:
    from rich.console import Console
    from rich.table import Table

    columns = list(dict.fromkeys(k for row in rows for k in row))
    table = Table(*columns, title=title, title_justify="left", box=None, pad_edge=False)
    for row in rows:
        table.add_row(*(f"{row[k]:.3g}" if isinstance(row.get(k), float) else str(row.get(k, "")) for k in columns))
    Console(width=max(100, 16 * len(columns))).print(table)


if __name__ == "__main__":
    main()

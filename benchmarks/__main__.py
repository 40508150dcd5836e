"""``python -m benchmarks NAME [--json] [--quick]``: our time beside those of named peers, in one run, as ratios."""

from __future__ import annotations

import argparse
import importlib
import json
import pkgutil
from pathlib import Path


def main() -> None:
    names = sorted(m.name for m in pkgutil.iter_modules([str(Path(__file__).parent)]) if not m.name.startswith("_"))
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("name", choices=names)
    parser.add_argument("--json", action="store_true", help="machine-readable output")
    parser.add_argument("--quick", action="store_true", help="fewer sizes")
    arguments = parser.parse_args()
    rows = importlib.import_module(f"benchmarks.{arguments.name}").run(arguments.quick)
    if arguments.json:
        print(json.dumps(rows))
        return
    from rich.console import Console
    from rich.table import Table

    columns = list(dict.fromkeys(k for row in rows for k in row))
    table = Table(*columns, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*(f"{row[k]:.3g}" if isinstance(row.get(k), float) else str(row.get(k, "")) for k in columns))
    Console(width=max(100, 16 * len(columns))).print(table)


if __name__ == "__main__":
    main()

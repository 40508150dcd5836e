"""The command line: ``bitket VERB``. Each verb's module imports what it needs only when it is called."""

from __future__ import annotations

import os
import sys

import typer

from bitket.cli import simulate, studies
from bitket.errors import BitketError

__all__ = ["app", "main"]

app = typer.Typer(
    name="bitket",
    help="Computing with few qubits and few bits: published methods on your own input, and the papers rerun.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
studies.register(app)
simulate.register(app)


def main() -> None:
    """Run the command line; wrong input ends with one line and status 2."""
    try:
        app()
    except BitketError as error:
        print(f"bitket: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("bitket: stopped; 'bitket run STUDY --resume' goes on where it was", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader has gone: say no more
        sys.exit(0)

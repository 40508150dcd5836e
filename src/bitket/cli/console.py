"""Where the verbs print: the terminal's width, or wide lines in a pipe."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["STYLES", "console"]

STYLES = {"reproduced": "green", "not reproduced": "red", "not tested at this scale": "bright_black"}


def console() -> Console:
    """A console on standard output."""
    from rich.console import Console

    return Console(highlight=False, width=None if sys.stdout.isatty() else 160)

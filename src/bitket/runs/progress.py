"""Progress bars on a terminal, silence in a pipe: one display for all loops of a run, inner ones below outer ones."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sized
from typing import Any, TypeVar

__all__ = ["Bars"]

T = TypeVar("T")


class Bars:
    """Bars that show while something is iterated.

    Parameters
    ----------
    quiet
        Show nothing; so it is too where standard error is not a terminal.
    """

    def __init__(self, quiet: bool = False) -> None:
        self._quiet = quiet or sys.stderr is None or not sys.stderr.isatty()
        self._display: Any = None
        self._open = 0

    def track(self, items: Iterable[T], description: str, *, done: int = 0) -> Iterator[T]:
        """Iterate and show how far it is; ``done`` items were finished before."""
        if self._quiet:
            yield from items
            return
        total = done + len(items) if isinstance(items, Sized) else None
        task = self._start(description, total, done)
        try:
            for item in items:
                yield item
                self._display.advance(task)
        finally:
            self._display.remove_task(task)
            self._open -= 1
            if not self._open:
                self._display.stop()

    def _start(self, description: str, total: int | None, done: int) -> Any:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        if not self._open:
            columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
            self._display = Progress(*columns, console=Console(stderr=True), transient=True)
            self._display.start()
        self._open += 1
        return self._display.add_task(description, total=total, completed=done)

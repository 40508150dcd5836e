"""Texts under reading, and errors that name their place in them.

Positions are plain numbers that run through all texts of one reading (a file and what it includes), so that a syntax
tree carries one integer a node; `Sources.error` turns such a number into ``file:line:column: message``.
"""

from __future__ import annotations

from bisect import bisect_right

from bitket.errors import InvalidInput

__all__ = ["Fault", "QasmError", "Sources", "shown"]


class QasmError(InvalidInput):
    """OpenQASM text that cannot be read; the message is one line, ``file:line:column: what was wrong and what is allowed``."""


class Fault(Exception):
    """What is wrong with a value, before it is known where it stands."""


class Sources:
    """The texts of one reading."""

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._texts: list[tuple[str, str]] = []
        self._end = 0

    def add(self, name: str, text: str) -> int:
        """Take in a text; the position of its first character."""
        start = self._end
        self._starts.append(start)
        self._texts.append((name, text))
        self._end = start + len(text) + 1
        return start

    def error(self, position: int, message: str) -> QasmError:
        """The error to raise for a position."""
        at = bisect_right(self._starts, position) - 1
        name, text = self._texts[at]
        offset = position - self._starts[at]
        line = text.count("\n", 0, offset) + 1
        column = offset - text.rfind("\n", 0, offset)
        return QasmError(" ".join(f"{name}:{line}:{column}: {message}".split()))


def shown(text: str) -> str:
    """A piece of text in quotes, shortened, with nothing in it that breaks a line."""
    if len(text) > 40:
        text = text[:37] + "..."
    return "'" + "".join(c if c.isprintable() else repr(c)[1:-1] for c in text) + "'"

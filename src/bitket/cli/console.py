"""Where the verbs print: the terminal's width, or wide lines in a pipe; streams that are closed or know no Unicode lose no result."""

from __future__ import annotations

import codecs
import contextlib
import os
import sys
import unicodedata
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

__all__ = ["STYLES", "complain", "console", "mend_streams", "rate_text", "settle_streams", "tell"]

STYLES = {"reproduced": "green", "not reproduced": "red", "not tested at this scale": "bright_black"}
_PLAIN = {"±": "+-", "·": ".", "…": "...", "→": "->", "×": "x", "⊗": "x", "≤": "<=", "≥": ">=", "²": "^2", "μ": "u"}
_PLAIN |= {"⟨": "<", "⟩": ">", "†": "^", "•": "*", "■": "#", "○": "o", "●": "@", "⊕": "+"}


def console() -> Console:
    """A console on standard output."""
    from rich.console import Console

    class Screen(Console):
        def on_broken_pipe(self) -> None:  # rich would end the process with status 1
            raise BrokenPipeError

    return Screen(highlight=False, width=None if sys.stdout.isatty() else 160)


def mend_streams() -> None:
    """Make standard output and error take whatever is printed: nothing where they are closed, plain letters where they know no others."""
    codecs.register_error("bitket-plain", _replaced)
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if (
            getattr(sys, name) is None
        ):  # closed by the caller, as services do; a file opened later must not get its number
            setattr(sys, name, _nowhere(number))
        elif number:
            with contextlib.suppress(AttributeError, ValueError, OSError):  # not a stream of text that encodes
                getattr(sys, name).reconfigure(errors="bitket-plain")


def settle_streams() -> None:
    """Flush both streams; what is left for a reader that has gone, or a full disk, goes nowhere, and the flush at exit is quiet, too."""
    for name in ("stdout", "stderr"):
        try:
            getattr(sys, name).flush()
        except OSError:
            _silence(name)


def rate_text(rate: float | None, interval: Sequence[float] | None) -> str:
    """A rate and its interval, or nothing."""
    return "" if rate is None or interval is None else f"{rate:.4g} ({interval[0]:.4g} to {interval[1]:.4g})"


def complain(sentence: str) -> None:
    """One line on standard error, after ``bitket:``."""
    tell(f"bitket: {' '.join(sentence.split())}")


def tell(line: str) -> None:
    """A line on standard error, or none where nobody reads it."""
    try:
        print(line, file=sys.stderr, flush=True)
    except OSError:
        _silence("stderr")


def _silence(name: str) -> None:
    with contextlib.suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), getattr(sys, name).fileno())


def _nowhere(number: int) -> Any:
    descriptor = os.open(
        os.devnull, os.O_RDWR
    )  # the lowest free number: that of the closed stream, unless it was taken since
    return open(descriptor, "r" if number == 0 else "w", encoding="utf-8", closefd=descriptor > 2)


def _replaced(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(map(_plain, error.object[error.start : error.end])), error.end


def _plain(letter: str) -> str:
    """What stands for a letter in ASCII."""
    if letter in _PLAIN:
        return _PLAIN[letter]
    bare = unicodedata.normalize("NFKD", letter).encode("ascii", "ignore").decode()
    if bare:
        return bare
    name = unicodedata.name(letter, "")
    if name.startswith("BOX DRAWINGS"):
        level, upright = (
            any(word in name for word in words)
            for words in (("HORIZONTAL", "LEFT", "RIGHT"), ("VERTICAL", "UP", "DOWN"))
        )
        return "+" if level and upright else "-" if level else "|"
    if name.startswith("GREEK"):
        return name.split()[-1].lower()
    return next(
        (sign for word, sign in (("BLOCK", "#"), ("DASH", "-"), ("MINUS", "-"), ("QUOTATION", "'")) if word in name),
        "?",
    )

"""Tokens of OpenQASM 2 and 3, found one at a time by a single regular expression that never goes back.

All repetitions are possessive, so a text of n characters takes time O(n), whatever it holds.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from bitket.quantum.circuits.qasm.source import Sources, shown

__all__ = ["MAX_DIGITS", "SKIP", "Lexer", "Token"]

MAX_DIGITS = 400  # of one number in the text


class Token(NamedTuple):
    """One token: its kind (``name``, ``int``, ``float``, ``string``, ``physical``, ``duration``, ``op``, ``end``), text, place."""

    kind: str
    text: str
    start: int
    end: int

    def __str__(self) -> str:
        return "'end of file'" if self.kind == "end" else shown(self.text)


SKIP = re.compile(r"(?:\s++|//[^\n]*+|/\*(?:[^*]|\*(?!/))*+\*/)*+")
_TOKEN = re.compile(
    r"""
    (?P<name>[^\W\d]\w*+)
  | (?P<duration>(?:[0-9][0-9_]*+(?:\.[0-9_]*+)?+|\.[0-9][0-9_]*+)(?:[eE][-+]?[0-9][0-9_]*+)?+[ \t]*+(?:dt|ns|us|µs|μs|ms|s)(?!\w))
  | (?P<complex>(?:[0-9][0-9_]*+(?:\.[0-9_]*+)?+|\.[0-9][0-9_]*+)(?:[eE][-+]?[0-9][0-9_]*+)?+[ \t]*+im(?!\w))
  | (?P<float>(?:[0-9][0-9_]*+\.[0-9_]*+|\.[0-9][0-9_]*+)(?:[eE][-+]?[0-9][0-9_]*+)?+|[0-9][0-9_]*+[eE][-+]?[0-9][0-9_]*+)
  | (?P<int>0[xX]_*+[0-9a-fA-F][0-9a-fA-F_]*+|0[bB]_*+[01][01_]*+|0[oO]_*+[0-7][0-7_]*+|[0-9][0-9_]*+)
  | (?P<physical>\$[0-9]++)
  | (?P<string>"[^"\n\r]*+"|'[^'\n\r]*+')
  | (?P<op>\*\*=|<<=|>>=|\*\*|\+\+|->|==|!=|<=|>=|&&|\|\||<<|>>|[-+*/%&|^~]=|[-+*/%^!&|~<>=()\[\]{},;:@\#])
    """,
    re.VERBOSE,
)
_LINE = re.compile(r"[^\n\r]*+")


class Lexer:
    """Reads tokens of one text; `at` is the place behind the last token taken.

    Parameters
    ----------
    sources, name, text
        The text is added to the sources under this name.
    """

    def __init__(self, sources: Sources, name: str, text: str) -> None:
        self.sources = sources
        self.text = text
        self.offset = sources.add(name, text)
        self.at = 0
        self._ahead: Token | None = None

    def peek(self) -> Token:
        """The next token, which stays."""
        if self._ahead is None:
            self._ahead = self._read()
        return self._ahead

    def take(self) -> Token:
        """The next token."""
        token = self._ahead or self._read()
        self._ahead = None
        self.at = token.end
        return token

    def go_to(self, at: int) -> None:
        """Go on from another place."""
        self.at, self._ahead = at, None

    def rest_of_line(self) -> str:
        """What stands between here and the end of the line."""
        match = _LINE.match(self.text, self.at)
        assert match is not None  # an empty line matches too
        self.go_to(match.end())
        return match.group().strip()

    def fail(self, token: Token, message: str) -> Exception:
        """The error to raise for a token."""
        return self.sources.error(self.offset + token.start, message)

    def _read(self) -> Token:
        skipped = SKIP.match(self.text, self.at)
        assert skipped is not None  # nothing to skip matches too
        at = skipped.end()
        if at == len(self.text):
            return Token("end", "", at, at)
        match = _TOKEN.match(self.text, at)
        where = self.offset + at
        if match is None:
            if self.text[at] in "\"'":
                raise self.sources.error(where, "a string that is not closed on its line")
            raise self.sources.error(where, f"{shown(self.text[at])} is not OpenQASM")
        kind, end = match.lastgroup, match.end()
        if kind == "op" and self.text.startswith("/*", at):
            raise self.sources.error(where, "comment without an end: '*/' expected")
        text = match.group()
        if kind in ("int", "float"):
            if self.text[end : end + 1].isalnum() or self.text[end : end + 1] == "_":
                raise self.sources.error(where, f"{shown(text + self.text[end])}: a number that runs into a name")
            if len(text) > MAX_DIGITS:
                raise self.sources.error(where, f"a number of {len(text)} characters: at most {MAX_DIGITS}")
        elif kind == "complex":
            raise self.sources.error(where, f"{shown(text)}: complex numbers are not supported")
        return Token(str(kind), text, at, end)

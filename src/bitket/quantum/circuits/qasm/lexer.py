"""Tokens of OpenQASM 2 and 3, with their line and column, and the error that names them."""

from __future__ import annotations

import re
from typing import NamedTuple

from bitket.errors import InvalidInput

__all__ = ["QasmError", "Token", "tokenize"]


class QasmError(InvalidInput):
    """Text that is not OpenQASM, or asks for something a circuit cannot be: ``file:line:column: what``."""


class Token(NamedTuple):
    """One token; ``kind`` is ``id``, ``int``, ``float``, ``string``, ``annotation``, ``op`` or ``end``."""

    kind: str
    text: str
    line: int
    column: int


_PATTERN = re.compile(
    r"""(?P<space>[ \t\r\f\v]+|//[^\n]*|/\*[\s\S]*?\*/)
      | (?P<newline>\n)
      | (?P<annotation>@[A-Za-z_][\w.]*[^\n]*|\#?pragma[ \t][^\n]*)
      | (?P<float>(?:\d[\d_]*\.[\d_]*|\.\d[\d_]*)(?:[eE][+-]?\d+)?|\d[\d_]*[eE][+-]?\d+)
      | (?P<int>0[xX][0-9a-fA-F_]+|0[bB][01_]+|0[oO][0-7_]+|\d[\d_]*)
      | (?P<id>[A-Za-z_πτℇ$][\w]*)
      | (?P<string>"[^"\n]*"|'[^'\n]*')
      | (?P<op>->|\+\+|\*\*=?|==|!=|<=|>=|&&|\|\||<<|>>|[-+*/%&|^]=|[-+*/%^&|~!<>=(){}\[\];,:@.])""",
    re.VERBOSE,
)


def tokenize(text: str, source: str) -> list[Token]:
    """All tokens, an ``end`` token last.

    Raises
    ------
    QasmError
        A character belongs to no token, or a comment does not end.
    """
    tokens: list[Token] = []
    line, start, at = 1, 0, 0
    match = _PATTERN.match
    after_modifier = False  # '@' joins a modifier to its gate; at the start of a statement it begins an annotation
    while at < len(text):
        found = match(text, at)
        kind = found.lastgroup if found else None
        if found is not None and kind == "annotation" and text[at] == "@" and after_modifier:
            tokens.append(Token("op", "@", line, at - start + 1))
            at += 1
            after_modifier = False
            continue
        if found is None or kind is None or (kind == "op" and text.startswith("/*", at)):
            what = "comment without an end" if text.startswith("/*", at) else f"character {text[at]!r} is not OpenQASM"
            raise QasmError(f"{source}:{line}:{at - start + 1}: {what}")
        value = found.group()
        if kind == "newline":
            line, start = line + 1, found.end()
        elif kind == "space":
            breaks = value.count("\n")
            if breaks:
                line, start = line + breaks, at + value.rindex("\n") + 1
        else:
            tokens.append(Token(kind, value, line, at - start + 1))
            after_modifier = value in ("inv", "ctrl", "negctrl", "pow", ")")
        at = found.end()
    tokens.append(Token("end", "end of file", line, at - start + 1))
    return tokens

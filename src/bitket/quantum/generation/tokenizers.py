"""Two ways to cut circuit files into tokens.

`LineTokenizer` is KetGPT's (Apak et al. 2024): one token is one complete line with its newline; the vocabulary is every distinct line of
the corpus. `GateTokenizer` factorises a line: gate, angles, operands, each a token of its own, so that lines which no file has can be
written. Angles that recur in the corpus are tokens of their own; all others fall into buckets of equal width on [-2 pi, 2 pi).
Both share the special tokens ``<s>`` 0, ``<pad>`` 1, ``</s>`` 2, ``<unk>`` 3, ``<mask>`` 4 and the newline 5.
"""

from __future__ import annotations

import math
import re
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, ClassVar

from bitket.errors import InvalidInput
from bitket.files import read_json
from bitket.quantum.generation.statements import Statement, statement
from bitket.runs.files import write_json

__all__ = [
    "END",
    "PAD",
    "SPECIAL",
    "UNKNOWN",
    "GateTokenizer",
    "LineTokenizer",
    "Tokenizer",
    "angle_value",
    "tokenizer_from_dict",
    "written",
]

SPECIAL = ("<s>", "<pad>", "</s>", "<unk>", "<mask>", "\n")
START, PAD, END, UNKNOWN = 0, 1, 2, 3


class Tokenizer(ABC):
    """What both have in common: a table of tokens and their numbers."""

    kind: ClassVar[str]

    def __init__(self, tokens: Sequence[str]) -> None:
        self.tokens = tuple(tokens)
        self._ids = {token: k for k, token in enumerate(self.tokens)}
        if self.tokens[: len(SPECIAL)] != SPECIAL or len(self._ids) < len(self.tokens):
            raise InvalidInput("tokenizer: the special tokens, then distinct tokens are needed")

    def __len__(self) -> int:
        return len(self.tokens)

    def id(self, token: str) -> int:
        """Number of a token; that of ``<unk>`` for one that is not in the vocabulary."""
        return self._ids.get(token, UNKNOWN)

    @abstractmethod
    def encode(self, text: str) -> list[int]:
        """Token numbers of a text."""

    @abstractmethod
    def decode(self, ids: Iterable[int]) -> str:
        """The text of token numbers; special tokens but ``<unk>`` write nothing."""

    @abstractmethod
    def begins_line(self) -> list[bool]:
        """For each token of the vocabulary, whether a line begins with it."""

    def unknown(self, texts: Iterable[str]) -> int:
        """How many lines of the texts are ``<unk>``."""
        return sum(self.encode(text).count(UNKNOWN) for text in texts)

    def to_dict(self) -> dict[str, Any]:
        """What `tokenizer_from_dict` reads."""
        return {"kind": self.kind, "tokens": list(self.tokens)}

    def save(self, path: str | Path) -> None:
        """Write the tokenizer as JSON."""
        write_json(Path(path), self.to_dict())

    @staticmethod
    def load(path: str | Path) -> Tokenizer:
        """Read what `save` wrote.

        Raises
        ------
        InvalidInput
            There is no such file, or it is something else.
        """
        try:
            return tokenizer_from_dict(read_json(path))
        except ValueError as error:
            said = str(error)
            raise InvalidInput(said if said.startswith(f"{path}: ") else f"{path}: not a tokenizer ({said})") from None


def _lines(texts: Iterable[str]) -> list[str]:
    lines = [line for text in texts for line in text.splitlines(keepends=True)]
    if not lines:
        raise InvalidInput("tokenizer: the corpus is empty")
    return lines


class LineTokenizer(Tokenizer):
    """One token a line.

    >>> t = LineTokenizer.fit(["h q[0];\\n", "h q[0];\\ncx q[0],q[1];\\n"])
    >>> t.encode("cx q[0],q[1];\\nx q[0];\\n"), t.decode([6, 7])
    ([7, 3], 'h q[0];\\ncx q[0],q[1];\\n')
    """

    kind = "line"

    @classmethod
    def fit(cls, texts: Iterable[str]) -> LineTokenizer:
        """The vocabulary of some texts: their distinct lines, in the order of their first appearance.

        Raises
        ------
        InvalidInput
            There is no line.
        """
        return cls([*SPECIAL, *dict.fromkeys(_lines(texts))])

    def encode(self, text: str) -> list[int]:
        """Token numbers of the lines of a text."""
        return [self.id(line) for line in text.splitlines(keepends=True)]

    def decode(self, ids: Iterable[int]) -> str:
        """The lines of token numbers; special tokens but ``<unk>`` write nothing."""
        return "".join("<unk>\n" if k == UNKNOWN else self.tokens[k] for k in ids if k >= len(SPECIAL) or k == UNKNOWN)

    def begins_line(self) -> list[bool]:
        """All tokens but the special ones."""
        return [k >= len(SPECIAL) for k in range(len(self))]


class GateTokenizer(Tokenizer):
    """Gate, angles and operands as tokens.

    Decoding gives every known line back but for angles that do not recur, which return as the middle of their bucket (an error of at
    most 2 pi / ``buckets``, modulo 4 pi).

    >>> t = GateTokenizer.fit(["rx(0.3) q[0];\\ncx q[0],q[1];\\n"], buckets=64)
    >>> [t.tokens[k] for k in t.encode("rx(0.31) q[1];\\n")]
    ['rx', '~33', 'q[1]']
    >>> t.decode(t.encode("cx q[1],q[0];\\n"))
    'cx q[1],q[0];\\n'
    """

    kind = "gate"

    def __init__(self, tokens: Sequence[str]) -> None:
        super().__init__(tokens)
        self.buckets = sum(token.startswith("~") for token in self.tokens)

    @classmethod
    def fit(cls, texts: Iterable[str], buckets: int = 64) -> GateTokenizer:
        """The vocabulary of some texts.

        Parameters
        ----------
        texts
            Files.
        buckets
            For angles that are not in two files or more.
        """
        if buckets < 2:
            raise InvalidInput(f"tokenizer: {buckets} buckets; at least 2 are needed")
        heads: dict[str, None] = {}
        operands: dict[str, None] = {}
        angles: Counter[str] = Counter()
        texts = list(texts)
        _lines(texts)
        for text in texts:
            here: set[str] = set()
            for line in text.splitlines(keepends=True):
                s = statement(line)
                if written(s) != line:
                    continue
                if s.kind in ("gate", "measure", "barrier"):
                    heads[s.name] = None
                    operands |= dict.fromkeys(map(_place, s.operands))
                    here.update(s.params)
                else:
                    heads[line] = None
            angles.update(here)
        recurring = [f"@{angle}" for angle, files in angles.items() if files > 1]
        return cls([*SPECIAL, *heads, *operands, *recurring, *(f"~{k}" for k in range(buckets))])

    def encode(self, text: str) -> list[int]:
        """Token numbers; a line that the vocabulary cannot write is one ``<unk>``."""
        out: list[int] = []
        for line in text.splitlines(keepends=True):
            s = statement(line)
            if written(s) != line:
                ids = [UNKNOWN]
            elif s.kind in ("gate", "measure", "barrier"):
                ids = [self.id(s.name), *map(self._angle, s.params), *(self.id(_place(o)) for o in s.operands)]
            else:
                ids = [self.id(line)]
            out += [UNKNOWN] if UNKNOWN in ids else ids
        return out

    def decode(self, ids: Iterable[int]) -> str:
        """Lines; a statement that lacks operands is written without them."""
        out: list[str] = []
        head = ""
        angles: list[str] = []
        places: list[str] = []

        def close() -> None:
            if head:
                params = tuple(angles)
                out.append(_line(head, params, places))

        for k in ids:
            token = self.tokens[k]
            if k < len(SPECIAL) and k != UNKNOWN:
                continue
            if token[0] in "@~":
                angles.append(token[1:] if token[0] == "@" else self._middle(int(token[1:])))
            elif _OPERAND.fullmatch(token) and not token.endswith("\n"):
                places.append(token)
            else:
                close()
                head, angles, places = ("<unk>\n" if k == UNKNOWN else token), [], []
        close()
        return "".join(out)

    def begins_line(self) -> list[bool]:
        """Gates, declarations and the like."""
        return [
            k >= len(SPECIAL) and token[0] not in "@~" and not _OPERAND.fullmatch(token)
            for k, token in enumerate(self.tokens)
        ]

    def _angle(self, text: str) -> int:
        known = self._ids.get(f"@{text}")
        if known is not None:
            return known
        turns = (angle_value(text) + 2 * math.pi) / (4 * math.pi)
        return self.id(f"~{min(self.buckets - 1, int((turns - math.floor(turns)) * self.buckets))}")

    def _middle(self, bucket: int) -> str:
        return f"{4 * math.pi * (bucket + 0.5) / self.buckets - 2 * math.pi:.6f}"


_OPERAND = re.compile(r"[A-Za-z_]\w*\[\d+\]|\*[A-Za-z_]\w*")


def _place(operand: tuple[str, int | None]) -> str:
    register, index = operand
    return f"*{register}" if index is None else f"{register}[{index}]"


def _line(head: str, params: Sequence[str], places: Sequence[str]) -> str:
    if head.endswith("\n"):
        return head
    names = [p.removeprefix("*") for p in places]
    inner = f"({','.join(params)})" if params else ""
    joined = " -> ".join(names) if head == "measure" else ",".join(names)
    return f"{head}{inner} {joined};\n"


def written(s: Statement) -> str:
    """The one way in which this statement is written here."""
    if s.kind in ("gate", "measure", "barrier"):
        return _line(s.name, s.params, [_place(o) for o in s.operands])
    if s.kind in ("qreg", "creg"):
        return f"{s.kind} {s.name}[{s.operands[0][1]}];\n"
    return {"version": "OPENQASM 2.0;\n", "include": 'include "qelib1.inc";\n'}.get(s.kind, "")


_PI = re.compile(r"pi")


def angle_value(text: str) -> float:
    """A constant as `statement` lets through: numbers and pi joined by + - * /, no brackets."""
    total = 0.0
    for sign, term in re.findall(r"([-+]?)((?:[^-+eE]|[eE][-+]?)+)", text.replace(" ", "")):
        value = 1.0
        for operator, factor in re.findall(r"([*/]?)([^*/]+)", term):
            number = math.pi if _PI.fullmatch(factor) else float(factor)
            value = value / number if operator == "/" else value * number
        total += -value if sign == "-" else value
    return total


def tokenizer_from_dict(stored: Any) -> Tokenizer:
    """The tokenizer that `Tokenizer.to_dict` gave.

    Raises
    ------
    InvalidInput
        It is something else.
    """
    kinds: dict[str, type[Tokenizer]] = {"line": LineTokenizer, "gate": GateTokenizer}
    try:
        return kinds[stored["kind"]]([str(token) for token in stored["tokens"]])
    except (KeyError, TypeError):
        raise InvalidInput("tokenizer: 'kind' (line or gate) and 'tokens' are needed") from None

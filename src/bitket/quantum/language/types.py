"""Pregroup types: strings of basic types and their adjoints (Lambek 1999).

Each type t has a left adjoint t.l and a right adjoint t.r, with contractions t.l t -> 1 and t t.r -> 1.

>>> n, s = Ty("n"), Ty("s")
>>> verb = n.r @ s @ n.l
>>> print(verb, "|", verb.l, "|", verb.r)
n.r s n.l | n.l.l s.l n | n s.r n.r.r
>>> n.l.r == n == n.r.l and (n @ s).l == s.l @ n.l
True
>>> Ty() @ n == n == n @ Ty()
True
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from bitket.errors import InvalidInput

__all__ = ["GrammarError", "Simple", "Ty"]


class GrammarError(InvalidInput):
    """A type, diagram or sentence that does not fit."""


class Simple(NamedTuple):
    """A basic type with its number of adjoints: negative for left ones, positive for right ones."""

    name: str
    z: int

    def __str__(self) -> str:
        return self.name + (".r" * self.z if self.z > 0 else ".l" * -self.z)


@dataclass(frozen=True, init=False)
class Ty:
    """A string of simple types; ``Ty("n")`` is a basic type, ``Ty()`` the empty one."""

    simples: tuple[Simple, ...]

    def __init__(self, *names: str | Simple) -> None:
        for name in names:
            if not isinstance(name, Simple) and not re.fullmatch(r"\w+", name):
                raise GrammarError(f"type {name!r}: a word of letters is needed, adjoints are written Ty('n').l")
        object.__setattr__(self, "simples", tuple(t if isinstance(t, Simple) else Simple(t, 0) for t in names))

    @classmethod
    def parse(cls, text: str) -> Ty:
        """From ``"n.r s n.l"``."""
        simples = []
        for word in text.split():
            found = re.fullmatch(r"(\w+?)((?:\.[lr])*)", word)
            if not found:
                raise GrammarError(f"type {text!r}: basic types with .l and .r, such as 'n.r s n.l', are needed")
            simples.append(Simple(found[1], found[2].count("r") - found[2].count("l")))
        return cls(*simples)

    def __matmul__(self, other: Ty) -> Ty:
        return Ty(*self.simples, *other.simples)

    def __len__(self) -> int:
        return len(self.simples)

    def __iter__(self) -> Iterator[Simple]:
        return iter(self.simples)

    def __getitem__(self, key: slice) -> Ty:
        return Ty(*self.simples[key])

    @property
    def l(self) -> Ty:
        """Left adjoint."""
        return Ty(*(Simple(t.name, t.z - 1) for t in reversed(self.simples)))

    @property
    def r(self) -> Ty:
        """Right adjoint."""
        return Ty(*(Simple(t.name, t.z + 1) for t in reversed(self.simples)))

    def __str__(self) -> str:
        return " ".join(map(str, self.simples)) or "1"

    __repr__ = __str__

"""Types of a pregroup grammar: words over basic types and their adjoints (Lambek 1999).

    t.l · t -> 1,   t · t.r -> 1   (contractions),      1 -> t · t.l,   1 -> t.r · t   (expansions)

>>> n, s = Ty("n"), Ty("s")
>>> n.l.r == n == n.r.l
True
>>> (n @ s).l == s.l @ n.l
True
>>> n @ Ty() == n
True
>>> print(n.r @ s @ n.l)
n.r·s·n.l
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from bitket.errors import InvalidInput

__all__ = ["Simple", "Ty"]


@dataclass(frozen=True, slots=True)
class Simple:
    """A basic type and how often it is adjoined: to the left below zero, to the right above."""

    name: str
    z: int = 0

    def contracts(self, other: Simple) -> bool:
        """Whether ``self · other -> 1``."""
        return self.name == other.name and other.z == self.z + 1

    def __str__(self) -> str:
        return self.name + (".l" * -self.z if self.z < 0 else ".r" * self.z)


class Ty:
    """A product of simple types; ``Ty()`` is the unit, ``Ty("n")`` a basic type.

    Parameters
    ----------
    names
        Names of basic types: letters, digits and underscores.
    """

    __slots__ = ("simples",)
    simples: tuple[Simple, ...]

    def __init__(self, *names: str) -> None:
        for name in names:
            if not isinstance(name, str) or not re.fullmatch(r"\w+", name):
                raise InvalidInput(f"basic type {name!r}: letters, digits and underscores are needed")
        self.simples = tuple(Simple(name) for name in names)

    @classmethod
    def of(cls, simples: Iterable[Simple]) -> Ty:
        """The product of simple types."""
        out = cls()
        out.simples = tuple(simples)
        return out

    @classmethod
    def parse(cls, text: str) -> Ty:
        """Read a type such as ``"n.r·s·n.l"``; dots in the middle, stars or ``@`` join, 1 is the unit.

        Raises
        ------
        InvalidInput
            Something else stands in the text.
        """
        if not isinstance(text, str):
            raise InvalidInput(f"type {text!r}: a text such as n.r·s is needed")
        simples = []
        for part in re.split(r"[·@*\s]+", text.strip()):
            match = re.fullmatch(r"([A-Za-z_]\w*)((?:\.l)*|(?:\.r)*)", part)
            if match:
                turns = len(match[2]) // 2
                simples.append(Simple(match[1], -turns if match[2].startswith(".l") else turns))
            elif part not in ("1", ""):
                raise InvalidInput(f"type '{text}': '{part}' is not a simple type such as n, n.r or n.l.l")
        return cls.of(simples)

    @property
    def l(self) -> Ty:  # noqa: E743 (the field writes it so)
        """Left adjoint."""
        return Ty.of(Simple(t.name, t.z - 1) for t in reversed(self.simples))

    @property
    def r(self) -> Ty:
        """Right adjoint."""
        return Ty.of(Simple(t.name, t.z + 1) for t in reversed(self.simples))

    def __matmul__(self, other: Ty) -> Ty:
        return Ty.of(self.simples + other.simples) if isinstance(other, Ty) else NotImplemented

    def __len__(self) -> int:
        return len(self.simples)

    def __iter__(self) -> Iterator[Ty]:
        return (Ty.of((t,)) for t in self.simples)

    def __getitem__(self, key: int | slice) -> Ty:
        return Ty.of(self.simples[key] if isinstance(key, slice) else (self.simples[key],))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Ty) and self.simples == other.simples

    def __hash__(self) -> int:
        return hash(self.simples)

    def __str__(self) -> str:
        return "·".join(map(str, self.simples)) or "1"

    def __repr__(self) -> str:
        return f"Ty({str(self)!r})"

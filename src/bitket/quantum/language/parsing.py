"""From sentences to diagrams: words get types, and adjacent types contract without crossing until the target is left.

Whether a stretch of simple types contracts to nothing is decided by dynamic programming: R[i] holds the ends of all such stretches that
begin at i,

    R[i] = {i}  +  R[k + 1]  for every k in R[i + 1] whose type contracts with that of i,

as bits of one number, so that k types take k² steps.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from bitket.quantum.language.diagram import Box, Diagram, Word, cup
from bitket.quantum.language.types import GrammarError, Simple, Ty

__all__ = ["CATEGORIES", "PregroupParser"]

_n, _s = Ty("n"), Ty("s")
CATEGORIES: dict[str, Ty] = {
    "noun": _n,
    "adjective": _n @ _n.l,
    "determiner": _n @ _n.l,
    "intransitive verb": _n.r @ _s,
    "transitive verb": _n.r @ _s @ _n.l,
    "ditransitive verb": _n.r @ _s @ _n.l @ _n.l,
    "adverb": _s.r @ _s,
    "verb adverb": (_n.r @ _s).r @ _n.r @ _s,
    "subject pronoun": _n.r @ _n @ _s.l @ _n,
    "object pronoun": _n.r @ _n @ _n.l.l @ _s.l,
}
"""Types of kinds of words."""
_READINGS = 4096


@dataclass(frozen=True)
class PregroupParser:
    """A lexicon: the types that each word may have, in order of preference; or names of `CATEGORIES`."""

    lexicon: Mapping[str, Sequence[Ty | str]]

    def __post_init__(self) -> None:
        for word, types in self.lexicon.items():
            for t in types:
                if isinstance(t, str) and t not in CATEGORIES:
                    raise GrammarError(f"lexicon, word {word!r}: category {t!r}; there are {', '.join(CATEGORIES)}")

    def types(self, word: str) -> list[Ty]:
        """Types of a word.

        Raises
        ------
        GrammarError
            The word is not in the lexicon.
        """
        found = self.lexicon.get(word) or self.lexicon.get(word.lower())
        if not found:
            raise GrammarError(f"word {word!r} is not in the lexicon of {len(self.lexicon)} words")
        return [CATEGORIES[t] if isinstance(t, str) else t for t in found]

    def parse(self, sentence: str | Sequence[str], target: Ty = _s) -> Diagram:
        """The first reading of a sentence, words above and cups below.

        Raises
        ------
        GrammarError
            A word is not known, or no reading leaves the target; the message has the type that is left.
        """
        first = next(self.parses(sentence, target), None)
        if first is not None:
            return first
        words = _words(sentence)
        shown = " ".join(words[:8]) + (" ..." if len(words) > 8 else "")
        left = _reduced([t for w in words for t in self.types(w)[0]])
        raise GrammarError(f"sentence {shown!r}: it reduces to {Ty(*left)}, not to {target}")

    def parses(self, sentence: str | Sequence[str], target: Ty = _s) -> Iterator[Diagram]:
        """All readings."""
        words = _words(sentence)
        choices = [self.types(w) for w in words]
        if math.prod(map(len, choices)) > _READINGS:
            raise GrammarError(f"sentence of {len(words)} words: more than {_READINGS} combinations of types")
        for types in itertools.product(*choices):
            boxes = [Word(w, t) for w, t in zip(words, types, strict=True)]
            simples = [t for ty in types for t in ty]
            for pairs in _matchings(simples, list(target)):
                yield _contracted(boxes, pairs)


def _words(sentence: str | Sequence[str]) -> list[str]:
    words = sentence.rstrip(".?! ").split() if isinstance(sentence, str) else list(sentence)
    if not words:
        raise GrammarError("an empty sentence has no reading")
    return words


def _contracts(a: Simple, b: Simple) -> bool:
    return a.name == b.name and b.z == a.z + 1


def _matchings(simples: Sequence[Simple], target: Sequence[Simple]) -> Iterator[list[tuple[int, int]]]:
    """Non-crossing matchings of all simple types but those left for the target, as pairs of positions."""
    size = len(simples)
    ends = [1 << i for i in range(size + 1)]
    partners: list[list[int]] = [[] for _ in range(size)]
    for i in range(size - 1, -1, -1):
        inner = ends[i + 1] >> (i + 1)
        k = i + 1
        while inner:
            skip = (inner & -inner).bit_length() - 1
            k += skip
            if k < size and _contracts(simples[i], simples[k]):
                partners[i].append(k)
                ends[i] |= ends[k + 1]
            inner >>= skip + 1
            k += 1

    # Positions still to read, as a stack of stretches [i, j) that contract to nothing: no recursion, sentences may be long.
    def stretches(
        todo: tuple[tuple[int, int], ...], pairs: tuple[tuple[int, int], ...]
    ) -> Iterator[list[tuple[int, int]]]:
        stack = [(todo, pairs)]
        while stack:
            todo, pairs = stack.pop()
            while todo and todo[-1][0] == todo[-1][1]:
                todo = todo[:-1]
            if not todo:
                yield list(pairs)
                continue
            (i, j), rest = todo[-1], todo[:-1]
            for k in reversed(partners[i]):
                if k < j and ends[k + 1] >> j & 1:
                    stack.append(((*rest, (k + 1, j), (i + 1, k)), (*pairs, (i, k))))

    def places(start: int, left: int) -> Iterator[tuple[int, ...]]:
        if left == len(target):
            if ends[start] >> size & 1:
                yield ()
            return
        for p in range(start, size):
            if simples[p] == target[left] and ends[start] >> p & 1:
                for more in places(p + 1, left + 1):
                    yield (p, *more)

    for kept in places(0, 0):
        bounds = (-1, *kept, size)
        yield from stretches(tuple((a + 1, b) for a, b in itertools.pairwise(bounds)), ())


def _contracted(words: Sequence[Box], pairs: Sequence[tuple[int, int]]) -> Diagram:
    """Words, then cups, inner ones first."""
    diagram = Diagram.id(Ty())
    for word in words:
        diagram = diagram @ word
    wires = list(range(len(diagram.cod)))
    for a, b in sorted(pairs, key=lambda pair: (pair[1] - pair[0], pair[0])):
        at = wires.index(a)
        now = diagram.cod
        contraction = cup(now[at : at + 1], now[at + 1 : at + 2])
        diagram = diagram >> Diagram.id(now[:at]) @ contraction @ Diagram.id(now[at + 2 :])
        wires.remove(a)
        wires.remove(b)
    return diagram


def _reduced(simples: Sequence[Simple]) -> list[Simple]:
    """What is left when neighbours contract as soon as they can."""
    left: list[Simple] = []
    for t in simples:
        if left and _contracts(left[-1], t):
            left.pop()
        else:
            left.append(t)
    return left

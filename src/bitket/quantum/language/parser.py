"""Parsing in a pregroup grammar: a planar matching of simple types into contractions that leaves the target.

Words with several types make a lattice: its nodes are the places between simple types, its edges the simple types. Let R(u) be the
nodes to which a path from u contracts to nothing,

    R(u) = {u} ∪ ⋃ {R(k') : edge u -> v of type t, k in R(v), edge k -> k' of type t.r},

as bits of whole numbers: O(k³ / 64) steps for k simple types.

>>> parser = PregroupParser(Lexicon({"man": "n", "cooks": ["n.r·s·n.l", "n.r·s"], "meal": "n"}))
>>> parser.parse("man cooks").cod, len(list(parser.parses("man cooks meal")))
(Ty('s'), 1)
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bitket.errors import InvalidInput
from bitket.quantum.language.diagram import Cup, Diagram, Word
from bitket.quantum.language.tokens import tokens
from bitket.quantum.language.types import Simple, Ty

__all__ = ["TAGS", "Lexicon", "ParseError", "PregroupParser", "S"]

S = Ty("s")

TAGS: dict[str, tuple[Ty, ...]] = {
    tag: tuple(Ty.parse(t) for t in types)
    for tag, types in {
        "N": ["n"],
        "ADJ": ["n·n.l"],
        "DET": ["n·n.l"],
        "IV": ["n.r·s"],
        "TV": ["n.r·s·n.l"],
        "V": ["n.r·s·n.l"],
        "DTV": ["n.r·s·n.l·n.l"],
        "ADV": ["s.r·s"],
        "VADV": ["s.r·n.r.r·n.r·s"],
        "SREL": ["n.r·n·s.l·n"],
        "OREL": ["n.r·n·n.l.l·s.l"],
        "REL": ["n.r·n·s.l·n", "n.r·n·n.l.l·s.l"],
        "RPRON": ["n.r·n·s.l·n", "n.r·n·n.l.l·s.l"],
    }.items()
}
"""Types by part of speech; V is a transitive verb, VADV an adverb of the verb, REL or RPRON either relative pronoun."""

_MOST_TYPES = 5000  # simple types of a sentence: its table of contractions is quadratic in them


class ParseError(InvalidInput):
    """A sentence with an unknown word, or one that is not of the wanted type."""


class Lexicon(Mapping[str, tuple[Ty, ...]]):
    """Types of words.

    Parameters
    ----------
    entries
        For each word a type, a text (a tag of `TAGS` or a type such as ``"n.r·s"``), or a list of them. Basic types that are written in
        capitals alone must be given as `Ty`: a text in capitals is a tag.

    Raises
    ------
    InvalidInput
        A word is empty or has a blank in it, or what stands for it is no type; the message names the word.
    """

    def __init__(self, entries: Mapping[str, Any]) -> None:
        self._types: dict[str, tuple[Ty, ...]] = {}
        if not isinstance(entries, Mapping):
            raise InvalidInput(f"lexicon: a mapping from words to tags or types is needed, not {_shown(entries)}")
        for word, value in entries.items():
            if not isinstance(word, str) or len(word.split()) != 1:
                raise InvalidInput(f"lexicon, word {word!r}: a text without blanks is needed")
            parts = value if isinstance(value, list | tuple) else [value]
            types = [ty for part in parts for ty in _types(word, part)]
            if not types or not all(map(len, types)):
                raise InvalidInput(f"lexicon, word '{word}': a type that is not the unit is needed")
            self._types[word] = tuple(dict.fromkeys(types))

    def __getitem__(self, word: str) -> tuple[Ty, ...]:
        return self._types[word]

    def __iter__(self) -> Iterator[str]:
        return iter(self._types)

    def __len__(self) -> int:
        return len(self._types)

    def __or__(self, other: Mapping[str, Any]) -> Lexicon:
        return Lexicon({**self, **other})


def _types(word: str, part: Any) -> tuple[Ty, ...]:
    """Types that one entry of a word stands for."""
    if isinstance(part, Ty):
        return (part,)
    if not isinstance(part, str):
        raise InvalidInput(f"lexicon, word '{word}': {_shown(part)} is neither a tag nor a type")
    if part in TAGS:
        return TAGS[part]
    if part.isupper():
        raise InvalidInput(f"lexicon, word '{word}': tag {_shown(part)} is unknown; there are {', '.join(TAGS)}")
    try:
        return (Ty.parse(part),)
    except InvalidInput as error:
        raise InvalidInput(f"lexicon, word '{word}': {error}") from None


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


class PregroupParser:
    """Finds derivations of sentences.

    Parameters
    ----------
    lexicon
        A `Lexicon`, or what one is made of.
    """

    def __init__(self, lexicon: Mapping[str, Any]) -> None:
        self.lexicon = lexicon if isinstance(lexicon, Lexicon) else Lexicon(lexicon)

    def words(self, sentence: str | Sequence[str]) -> list[str]:
        """Words of a sentence, as the lexicon writes them.

        Raises
        ------
        ParseError
            There is none.
        """
        words = tokens(sentence, self.lexicon) if isinstance(sentence, str) else list(sentence)
        if not words:
            raise ParseError("the sentence is empty")
        return words

    def parse(self, sentence: str | Sequence[str], target: Ty = S) -> Diagram:
        """The first derivation: words, then cups, the innermost first.

        A sentence in one text is cut into words by `tokens`; a list of words is taken as it is.

        Raises
        ------
        ParseError
            A word is not in the lexicon, the sentence does not reduce to the target (the message names the word or what is left), or it
            has more than 5000 simple types.
        """
        return next(self.parses(sentence, target))

    def parses(self, sentence: str | Sequence[str], target: Ty = S) -> Iterator[Diagram]:
        """All derivations, one by one; raises as `parse` does where there is none."""
        words = self.words(sentence)
        whole = _shown(" ".join(words))
        for k, word in enumerate(words):
            if word not in self.lexicon:
                near = difflib.get_close_matches(word, self.lexicon, 1)
                hint = f"; did you mean '{near[0]}'?" if near else ""
                raise ParseError(f"word '{word}' (number {k + 1} of {whole}) is not in the lexicon{hint}")
        size = sum(len(ty) for word in words for ty in self.lexicon[word])
        if size > _MOST_TYPES:
            raise ParseError(
                f"{whole}: its {len(words)} words have {size} simple types; at most {_MOST_TYPES} are parsed"
            )
        lattice = _Lattice([self.lexicon[word] for word in words])
        ways = lattice.matchings(target)
        first = next(ways, None)
        if first is None:
            left = lattice.shortest_rest()
            raise ParseError(f"{whole} does not reduce to {target}: its type reduces to {left} at best")
        return self._diagrams(words, lattice, first, ways)

    def _diagrams(self, words: list[str], lattice: _Lattice, first: _Path, rest: Iterator[_Path]) -> Iterator[Diagram]:
        yield lattice.diagram(words, first)
        for path in rest:
            yield lattice.diagram(words, path)


_Path = list[tuple[int, int]]
"""Matched edges, then outputs as (edge, -1)."""


class _Lattice:
    def __init__(self, types: list[tuple[Ty, ...]]) -> None:
        self.edges: list[tuple[int, int, Simple]] = []
        self.owner: list[tuple[int, int]] = []  # word and candidate of each edge
        self.types = types
        sizes = [1 + sum(len(t) - 1 for t in candidates) for candidates in types]
        start = 0
        for w, candidates in enumerate(types):
            end, inner = start + sizes[w], start + 1
            for c, ty in enumerate(candidates):
                nodes = [start, *range(inner, inner + len(ty) - 1), end]
                inner += len(ty) - 1
                for u, v, t in zip(nodes[:-1], nodes[1:], ty.simples, strict=True):
                    self.edges.append((u, v, t))
                    self.owner.append((w, c))
            start = end
        self.size = start + 1
        self.out: list[list[int]] = [[] for _ in range(self.size)]
        begins: dict[Simple, int] = {}  # nodes from which an edge of a type leaves
        for e, (u, _, t) in enumerate(self.edges):
            self.out[u].append(e)
            begins[t] = begins.get(t, 0) | 1 << u
        self.reach = [0] * self.size
        for u in reversed(range(self.size)):
            bits = 1 << u
            for e in self.out[u]:
                _, v, t = self.edges[e]
                partner = Simple(t.name, t.z + 1)
                for k in _ones(self.reach[v] & begins.get(partner, 0)):
                    for e2 in self.out[k]:
                        if self.edges[e2][2] == partner:
                            bits |= self.reach[self.edges[e2][1]]
            self.reach[u] = bits

    def matchings(self, target: Ty) -> Iterator[_Path]:
        """Depth-first over goals "from u to v contract to nothing", kept as linked lists: no recursion, however long the sentence."""
        end, m = self.size - 1, len(target)
        able = [0] * (m + 1)  # nodes from which the rest of the target can be read
        able[m] = sum(1 << u for u in range(self.size) if self.reach[u] >> end & 1)
        for k in reversed(range(m)):
            begins = sum({1 << u for u, v, t in self.edges if t == target.simples[k] and able[k + 1] >> v & 1})
            able[k] = sum(1 << u for u in range(self.size) if self.reach[u] & begins)
        if not able[0] & 1:
            return
        # A goal is (u, v, -1): contract from u to v; or (u, -1, k): read the target from its simple type k on.
        stack: list[tuple[Any, Any]] = [(((0, -1, 0), None), None)]
        while stack:
            goals, found = stack.pop()
            if goals is None:
                path: _Path = []
                while found is not None:
                    path.append(found[0])
                    found = found[1]
                yield path
                continue
            (u, v, k), rest = goals
            choices: list[tuple[Any, Any]] = []
            if k == m:
                choices.append((((u, end, -1), rest), found))
            elif k >= 0:
                for e, (a, b, t) in enumerate(self.edges):
                    if t == target.simples[k] and self.reach[u] >> a & 1 and able[k + 1] >> b & 1:
                        choices.append((((u, a, -1), ((b, -1, k + 1), rest)), ((e, -1), found)))
            elif u == v:
                choices.append((rest, found))
            else:
                for e in self.out[u]:
                    _, w, t = self.edges[e]
                    for a in _ones(self.reach[w]):
                        for e2 in self.out[a]:
                            _, b, t2 = self.edges[e2]
                            if t.contracts(t2) and self.reach[b] >> v & 1:
                                choices.append((((w, a, -1), ((b, v, -1), rest)), ((e, e2), found)))
            stack.extend(reversed(choices))

    def diagram(self, words: list[str], path: _Path) -> Diagram:
        used = sorted(e for pair in path for e in pair if e >= 0)
        place = {e: k for k, e in enumerate(sorted(used, key=lambda e: self.edges[e][:2]))}
        chosen = dict(self.owner[e] for e in used)
        boxes: list[Any] = []
        width = 0
        for w, word in enumerate(words):
            ty = self.types[w][chosen[w]]
            boxes.append((Word(word, ty), width))
            width += len(ty)
        alive = list(range(width))
        cups = sorted(((place[a], place[b]) for a, b in path if b >= 0), key=lambda c: (c[1] - c[0], c[0]))
        kinds = {place[e]: Ty.of((self.edges[e][2],)) for e in used}
        for a, b in cups:
            k = alive.index(a)
            boxes.append((Cup(kinds[a], kinds[b]), k))
            del alive[k : k + 2]
        return Diagram.from_offsets(Ty(), boxes)

    def shortest_rest(self) -> Ty:
        """The shortest type that the words reduce to."""
        best: list[tuple[int, tuple[Simple, ...]] | None] = [None] * self.size
        best[0] = (0, ())
        for u in range(self.size):
            here = best[u]
            if here is None:
                continue
            for k in _ones(self.reach[u]):
                there = best[k]
                if there is None or here[0] < there[0]:
                    best[k] = here
            for e in self.out[u]:
                _, v, t = self.edges[e]
                there = best[v]
                if there is None or here[0] + 1 < there[0]:
                    best[v] = (here[0] + 1, (*here[1], t))
        end = best[-1]
        assert end is not None
        return Ty.of(end[1])


def _ones(bits: int) -> Iterator[int]:
    while bits:
        low = bits & -bits
        yield low.bit_length() - 1
        bits ^= low

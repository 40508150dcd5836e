"""Sentences with labels: food or computing, and relative clauses of subject or object. Both are made here, by their grammars.

The published relative clauses are under another licence: `read_labelled` reads that file where a user has it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bitket.errors import InvalidInput
from bitket.quantum.language.parsing import PregroupParser

__all__ = ["MEALS_PARSER", "Corpus", "meals_and_code", "read_labelled", "relative_clauses"]

_PEOPLE = ("man", "woman", "person")
_TOPICS = (
    (("runs", "debugs", "prepares"), ("program", "software", "application"), "useful"),
    (("cooks", "bakes", "prepares"), ("meal", "dinner", "sauce"), "tasty"),
)
_NOUNS = """
army boat book bridge castle child city cloud coach comet dancer doctor eagle engine expert farmer field forest garden general guest
harbour hunter island judge king lake lawyer letter library market mayor merchant miner mountain museum nurse ocean painter palace pilot
planet poet prison queen river road robot sailor school ship singer soldier student teacher temple tower train village writer
""".split()
_VERBS = """
admires attracts avoids blames blocks builds calls carries chases checks covers crosses damages defends destroys discovers draws enters
escapes finds follows forgets guards guides heals hears helps hides holds houses invites joins keeps leads leaves likes loses loves marks
meets misses moves needs owns paints passes praises protects reaches saves sees serves shows trusts visits
""".split()
_PAIRED = 20  # verbs that training has in both classes
_HEADS = 15  # nouns that head a phrase, as in the published corpus


@dataclass(frozen=True)
class Corpus:
    """Sentences with labels 0 and 1, in three parts; ``lexicon`` has the categories of their words."""

    train: tuple[tuple[str, int], ...]
    dev: tuple[tuple[str, int], ...]
    test: tuple[tuple[str, int], ...]
    lexicon: dict[str, list[str]]

    @property
    def parser(self) -> PregroupParser:
        """A parser of its words."""
        return PregroupParser(self.lexicon)


def _meals_lexicon() -> dict[str, list[str]]:
    lexicon = {word: ["noun"] for word in _PEOPLE} | {"skillful": ["adjective"]}
    for verbs, things, adjective in _TOPICS:
        lexicon |= {v: ["transitive verb"] for v in verbs} | {t: ["noun"] for t in things}
        lexicon[adjective] = ["adjective"]
    return lexicon


MEALS_PARSER = PregroupParser(_meals_lexicon())


def all_meals_and_code() -> list[tuple[str, int]]:
    """The 162 sentences: a person, perhaps skillful, a verb, a thing, perhaps with its adjective but not both; 1 is food."""
    out = []
    for label, (verbs, things, adjective) in enumerate(_TOPICS):
        for person in _PEOPLE:
            for verb in verbs:
                for thing in things:
                    out += [
                        (f"{person} {verb} {thing}", label),
                        (f"{person} {verb} {adjective} {thing}", label),
                        (f"skillful {person} {verb} {thing}", label),
                    ]
    return out


def meals_and_code(seed: int = 0) -> Corpus:
    """65 sentences of each class, drawn and split 70, 30, 30."""
    generator = np.random.default_rng(seed)
    drawn = []
    for label in (0, 1):
        own = [s for s in all_meals_and_code() if s[1] == label]
        drawn += [own[k] for k in generator.permutation(len(own))[:65]]
    mixed = [drawn[k] for k in generator.permutation(len(drawn))]
    return Corpus(tuple(mixed[:70]), tuple(mixed[70:100]), tuple(mixed[100:]), _meals_lexicon())


def relative_clauses(seed: int = 0, *, unseen: int = 0) -> Corpus:
    """105 phrases 'noun that verb noun' (0) and 'noun that noun verb' (1, 62 %), 74 to train and 31 to test.

    A phrase has one of 15 nouns as its head and one of 45 others. Nouns have one distribution in both classes, and verbs of the test
    phrases are once in each class of the training: order is the only
    signal. The other verbs of the training are there once.

    Parameters
    ----------
    unseen
        Test phrases whose verb is never in training; all other words are.
    """
    if not 0 <= unseen <= 31:
        raise InvalidInput(f"relative clauses with {unseen} unseen verbs: 0 to 31 phrases are tested")
    generator = np.random.default_rng(seed)
    verbs = [_VERBS[k] for k in generator.permutation(len(_VERBS))]
    nouns = [_NOUNS[k] for k in generator.permutation(len(_NOUNS))]
    paired, single = verbs[:_PAIRED], verbs[_PAIRED : len(verbs) - unseen]

    def phrase(label: int, verb: str) -> str:
        head, other = nouns[int(generator.integers(_HEADS))], nouns[int(generator.integers(_HEADS, len(nouns)))]
        return f"{head} that {verb} {other}" if label == 0 else f"{head} that {other} {verb}"

    labels = [0, 1] * _PAIRED + [1] * (46 - _PAIRED) + [0] * (28 - _PAIRED)
    used = [v for v in paired for _ in (0, 1)]
    used += [single[k % len(single)] if single else paired[k % _PAIRED] for k in range(74 - len(used))]
    train = [(phrase(label, verb), label) for label, verb in zip(labels, used, strict=True)]
    train = [train[k] for k in generator.permutation(len(train))]
    words = {w for sentence, _ in train for w in sentence.split()}
    test: list[tuple[str, int]] = []
    for k, label in enumerate(generator.permutation([1] * 19 + [0] * 12).tolist()):
        verb = verbs[-1 - k] if k < unseen else paired[int(generator.integers(_PAIRED))]
        sentence = phrase(label, verb)
        while not set(sentence.split()) - {verb} <= words or sentence in {s for s, _ in train + test}:
            sentence = phrase(label, verb)
        test.append((sentence, label))
    lexicon = {n: ["noun"] for n in _NOUNS} | {v: ["transitive verb"] for v in _VERBS}
    lexicon["that"] = ["subject pronoun", "object pronoun"]
    return Corpus(tuple(train), (), tuple(test), lexicon)


def read_labelled(path: str | Path) -> tuple[list[tuple[str, int]], dict[str, list[str]]]:
    """Sentences and lexicon of a file of lines ``label word_TAG word_TAG ...``.

    Tags: N noun, TV transitive verb, IV intransitive verb, ADJ adjective, DET determiner, RPRON relative pronoun.

    Raises
    ------
    InvalidInput
        The file cannot be read, or a line does not fit; the message names it.
    """
    tags = {
        "N": ["noun"],
        "TV": ["transitive verb"],
        "IV": ["intransitive verb"],
        "ADJ": ["adjective"],
        "DET": ["determiner"],
        "RPRON": ["subject pronoun", "object pronoun"],
    }
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"cannot read {path}: {error}") from None
    sentences: list[tuple[str, int]] = []
    lexicon: dict[str, list[str]] = {}
    for k, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        label, *words = line.split()
        if label not in ("0", "1") or not words:
            raise InvalidInput(f"{path}, line {k}: a label 0 or 1 and words are needed")
        plain = []
        for word in words:
            name, _, tag = word.rpartition("_")
            if not name or tag.upper() not in tags:
                raise InvalidInput(f"{path}, line {k}, {word!r}: word_TAG with a tag of {', '.join(tags)} is needed")
            lexicon[name] = sorted({*lexicon.get(name, []), *tags[tag.upper()]}, reverse=True)
            plain.append(name)
        sentences.append((" ".join(plain), int(label)))
    if not sentences:
        raise InvalidInput(f"{path}: no sentences")
    return sentences, lexicon

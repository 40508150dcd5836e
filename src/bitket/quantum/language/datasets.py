"""Labelled sentences: meal or computing (MC), subject or object relative clause (RP), and files in the published format.

MC is the grammar of Lorenz et al. 2021 (arXiv:2102.12846): 81 sentences of either class, of which 65 and 65 are drawn. RP draws
phrases of the same shape, sizes and balance as theirs from word lists of its own; nouns and verbs do not depend on the class.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bitket.errors import InvalidInput
from bitket.files import read_text
from bitket.quantum.language.parser import TAGS, Lexicon
from bitket.quantum.language.types import Ty

__all__ = [
    "LabelledSentences",
    "all_mc_sentences",
    "mc_dataset",
    "mc_lexicon",
    "read_sentences",
    "rp_dataset",
    "rp_lexicon",
]

_PEOPLE, _FOOD, _SOFTWARE = (
    ("man", "woman", "person"),
    ("meal", "dinner", "sauce"),
    ("program", "software", "application"),
)
_COOKING, _COMPUTING = ("cooks", "bakes", "prepares"), ("runs", "debugs", "prepares")

_NOUNS = tuple(
    "actor artist author bank boat bridge camera carpenter castle chef choir city clerk company council country court dancer "
    "director doctor driver editor engineer farm festival forest garden guard guest hotel island judge king lawyer library machine "
    "market mayor museum musician nurse orchestra painter park pilot poet prince queen river sailor scholar school singer soldier "
    "student teacher theatre tower village writer".split()
)
_VERBS = tuple(
    "admires advises answers assists avoids bothers calls challenges changes charms confuses controls copies covers defends describes "
    "discovers employs entertains envies examines finds follows forgets funds guides hears helps hosts ignores inspires invites joins "
    "knows leads likes meets misses needs notices observes pays praises protects reaches remembers replaces rescues serves studies "
    "supports surrounds thanks visits".split()
)


@dataclass(frozen=True)
class LabelledSentences:
    """Sentences with labels, and the part (``"train"``, ``"dev"``, ``"test"``) each belongs to."""

    sentences: tuple[str, ...]
    labels: tuple[int, ...]
    parts: tuple[str, ...]

    def part(self, name: str) -> tuple[list[str], list[int]]:
        """Sentences and labels of one part."""
        chosen = [k for k, p in enumerate(self.parts) if p == name]
        return [self.sentences[k] for k in chosen], [self.labels[k] for k in chosen]


def mc_lexicon() -> Lexicon:
    """Types of the 17 words of MC."""
    tags = [(_PEOPLE + _FOOD + _SOFTWARE, "N"), (_COOKING + _COMPUTING, "TV"), (("skillful", "tasty", "useful"), "ADJ")]
    return Lexicon({word: tag for words, tag in tags for word in words})


def all_mc_sentences() -> list[tuple[str, int]]:
    """The 162 sentences of the grammar; label 1 is food, 0 computing."""
    out = []
    for verbs, objects, adjective, label in ((_COOKING, _FOOD, "tasty", 1), (_COMPUTING, _SOFTWARE, "useful", 0)):
        for who in _PEOPLE:
            for verb in verbs:
                for what in objects:
                    out += [
                        (f"{who} {verb} {what}", label),
                        (f"{who} {verb} {adjective} {what}", label),
                        (f"skillful {who} {verb} {what}", label),
                    ]
    return out


def mc_dataset(seed: int = 0) -> LabelledSentences:
    """65 sentences of each class: 70 to train, 30 dev, 30 test, in random order."""
    generator = np.random.default_rng(seed)
    chosen: list[tuple[str, int]] = []
    for label in (1, 0):
        every = [pair for pair in all_mc_sentences() if pair[1] == label]
        chosen += [every[k] for k in generator.permutation(len(every))[:65]]
    chosen = [chosen[k] for k in generator.permutation(len(chosen))]
    parts = ("train",) * 70 + ("dev",) * 30 + ("test",) * 30
    return LabelledSentences(tuple(x for x, _ in chosen), tuple(y for _, y in chosen), parts)


def rp_lexicon() -> Lexicon:
    """Types of the 115 words of RP."""
    return Lexicon({**dict.fromkeys(_NOUNS, "N"), **dict.fromkeys(_VERBS, "V"), "that": "REL"})


def rp_dataset(seed: int = 0, *, unseen_verbs: int = 0) -> LabelledSentences:
    """105 phrases, 74 to train (46 object clauses, label 1) and 31 to test (19).

    Every verb occurs in training, but for ``unseen_verbs`` of them, which occur in the test part alone.

    Raises
    ------
    InvalidInput
        ``unseen_verbs`` is not between 0 and 31.
    """
    if not 0 <= unseen_verbs <= 31:
        raise InvalidInput(f"unseen_verbs {unseen_verbs}: 0 to 31 are possible")
    generator = np.random.default_rng(seed)
    order = [_VERBS[k] for k in generator.permutation(len(_VERBS))]
    unseen, seen = order[:unseen_verbs], order[unseen_verbs:]
    verbs = seen + [str(v) for v in generator.choice(seen, 74 - len(seen))]
    test = unseen + [str(v) for v in generator.choice(seen, 31 - len(unseen))]
    labels = np.concatenate([generator.permutation([1] * a + [0] * b) for a, b in ((46, 28), (19, 12))])
    sentences: list[str] = []
    for verb, label in zip(verbs + test, labels, strict=True):
        phrase = ""
        while not phrase or phrase in sentences:
            a, b = (str(x) for x in generator.choice(_NOUNS, 2, replace=False))
            phrase = f"{a} that {b} {verb}" if label else f"{a} that {verb} {b}"
        sentences.append(phrase)
    return LabelledSentences(tuple(sentences), tuple(int(y) for y in labels), ("train",) * 74 + ("test",) * 31)


def read_sentences(path: str | Path) -> tuple[list[str], list[int], Lexicon]:
    """Read ``label word_TAG word_TAG ...`` a line, the published format: sentences, labels and the lexicon of their tags.

    Tags are those of `bitket.quantum.language.parser.TAGS`, after a word's last underscore; "that", "who", "whom", "which" without a tag are
    relative pronouns, other words without one are left out of the lexicon. Empty lines are skipped.

    Raises
    ------
    InvalidInput
        The file cannot be read, a line has no whole-number label or no word, or a tag is unknown.
    """
    lines = read_text(path).splitlines()
    sentences, labels = [], []
    types: dict[str, list[Ty]] = {}
    for number, line in enumerate(lines, 1):
        parts = line.split()
        if not parts:
            continue
        if len(parts) < 2 or not (parts[0].isascii() and parts[0].isdecimal() and len(parts[0]) < 10):
            raise InvalidInput(f"{path}, line {number}: a label (a whole number below 10^9) and words are needed")
        words = []
        for part in parts[1:]:
            word, mark, tag = part.rpartition("_") if "_" in part else (part, "", "")
            if not word or (mark and not tag):
                raise InvalidInput(f"{path}, line {number}: '{part}': word_TAG is needed, or a word alone")
            if not tag and word in ("that", "who", "whom", "which"):
                tag = "REL"
            if tag and tag not in TAGS:
                raise InvalidInput(
                    f"{path}, line {number}: tag {tag} of '{word}' is unknown; there are {', '.join(TAGS)}"
                )
            if tag:
                known = types.setdefault(word, [])
                known += [t for t in TAGS[tag] if t not in known]
            words.append(word)
        sentences.append(" ".join(words))
        labels.append(int(parts[0]))
    if not sentences:
        raise InvalidInput(f"{path}: there is no sentence in it")
    return sentences, labels, Lexicon(types)

"""Plain sentences to words: punctuation off, contractions spelt out, capitals lowered where the lexicon has the word without.

>>> tokens("The man can't cook, Juliet!", {"Juliet"})
['the', 'man', 'can', 'not', 'cook', 'Juliet']
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection

__all__ = ["tokens"]

_SPELT = {"can't": "can not", "cannot": "can not", "won't": "will not", "shan't": "shall not", "let's": "let us"}
_ENDS = {"n't": "not", "'re": "are", "'ll": "will", "'ve": "have", "'m": "am", "'d": "would", "'s": "'s"}
_TYPOGRAPHIC = str.maketrans({"’": "'", "‘": "'", "ʼ": "'", "\ufeff": None, "\u200b": None, "\u00ad": None})
_EDGES = re.compile(r"^([^\w']*)(.*?)([^\w']*)$", re.DOTALL)


def tokens(text: str, known: Collection[str] = ()) -> list[str]:
    """Words of a sentence.

    A word that is in ``known`` stays as it is. Otherwise signs at its ends are taken off (those that are themselves known become words),
    contractions are spelt out (``don't``: do not; the ``'s`` of ``cat's`` becomes a word), and capitals are lowered unless only the
    capitalised word is known. Hyphens, digits and signs within a word stay.

    Parameters
    ----------
    text
        A sentence.
    known
        Words of the lexicon.
    """
    out: list[str] = []
    for chunk in unicodedata.normalize("NFC", text).translate(_TYPOGRAPHIC).split():
        out += _words(chunk, known)
    return out


def _words(chunk: str, known: Collection[str]) -> list[str]:
    if chunk in known:
        return [chunk]
    match = _EDGES.match(chunk)
    assert match is not None  # the pattern matches any text
    before, word, after = match.groups()
    quoted = word.strip("'")
    core = word if word in known or not quoted else quoted
    if not quoted:
        return [sign for sign in chunk if sign in known]
    signs = ([s for s in part if s in known] for part in (before, after))
    first, last = signs
    return [*first, *_core(core, known), *last]


def _core(word: str, known: Collection[str]) -> list[str]:
    for form in (word, word.lower()):
        if form in known:
            return [form]
    lower = word.lower()
    if lower in _SPELT:
        return _SPELT[lower].split()
    for end, spelt in _ENDS.items():
        if lower.endswith(end) and len(word) > len(end):
            return [*_core(word[: -len(end)], known), spelt]
    return [lower]

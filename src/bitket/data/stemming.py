"""Porter's stemmer (M. F. Porter 1980, An algorithm for suffix stripping, Program 14 (3), 130-137).

A word is [C](VC)^m[V] in runs of consonants and vowels; five steps strip or replace suffixes when the measure m of what is left allows.

>>> [stem(w) for w in ("caresses", "ponies", "relational", "hopefulness", "hopping", "happy")]
['caress', 'poni', 'relat', 'hope', 'hop', 'happi']
"""

from __future__ import annotations

from functools import lru_cache

__all__ = ["stem"]

_STEP_2 = (
    ("ational", "ate"), ("tional", "tion"), ("enci", "ence"), ("anci", "ance"), ("izer", "ize"), ("abli", "able"),
    ("alli", "al"), ("entli", "ent"), ("eli", "e"), ("ousli", "ous"), ("ization", "ize"), ("ation", "ate"),
    ("ator", "ate"), ("alism", "al"), ("iveness", "ive"), ("fulness", "ful"), ("ousness", "ous"), ("aliti", "al"),
    ("iviti", "ive"), ("biliti", "ble"),
)  # fmt: skip
_STEP_3 = (
    ("icate", "ic"), ("ative", ""), ("alize", "al"), ("iciti", "ic"), ("ical", "ic"), ("ful", ""), ("ness", ""),
)  # fmt: skip
_STEP_4 = (
    "al", "ance", "ence", "er", "ic", "able", "ible", "ant", "ement", "ment", "ent", "ion", "ou", "ism", "ate", "iti",
    "ous", "ive", "ize",
)  # fmt: skip


def _kinds(word: str) -> str:
    """``c`` or ``v`` for each letter; y is a consonant at the start and after a vowel."""
    kinds = ""
    for letter in word:
        vowel = letter in "aeiou" or (letter == "y" and kinds.endswith("c"))
        kinds += "v" if vowel else "c"
    return kinds


def _measure(word: str) -> int:
    return _kinds(word).count("vc")


def _double(word: str) -> bool:
    return len(word) > 1 and word[-1] == word[-2] and _kinds(word)[-1] == "c"


def _short(word: str) -> bool:
    """Ends consonant, vowel, consonant, the last not w, x or y."""
    return _kinds(word).endswith("cvc") and word[-1] not in "wxy"


def _replaced(word: str, rules: tuple[tuple[str, str], ...]) -> str:
    """The longest suffix that fits decides, whether or not its condition m > 0 then holds."""
    fitting = [rule for rule in rules if word.endswith(rule[0])]
    if fitting:
        suffix, new = max(fitting, key=lambda rule: len(rule[0]))
        if _measure(word[: -len(suffix)]) > 0:
            return word[: -len(suffix)] + new
    return word


@lru_cache(maxsize=100_000)
def stem(word: str) -> str:
    """The stem of a word in lower case; words of one or two letters stay."""
    if len(word) <= 2:
        return word
    # 1a
    if word.endswith(("sses", "ies")):
        word = word[:-2]
    elif word.endswith("s") and not word.endswith("ss"):
        word = word[:-1]
    # 1b
    if word.endswith("eed"):
        word = word[:-1] if _measure(word[:-3]) > 0 else word
    else:
        for suffix in ("ed", "ing"):
            rest = word[: -len(suffix)]
            if word.endswith(suffix):
                if "v" in _kinds(rest):
                    if rest.endswith(("at", "bl", "iz")) or (_measure(rest) == 1 and _short(rest)):
                        word = rest + "e"
                    elif _double(rest) and rest[-1] not in "lsz":
                        word = rest[:-1]
                    else:
                        word = rest
                break
    # 1c
    if word.endswith("y") and "v" in _kinds(word[:-1]):
        word = word[:-1] + "i"
    word = _replaced(_replaced(word, _STEP_2), _STEP_3)
    # 4
    fitting = [suffix for suffix in _STEP_4 if word.endswith(suffix)]
    if fitting:
        suffix = max(fitting, key=len)
        rest = word[: -len(suffix)]
        if _measure(rest) > 1 and (suffix != "ion" or rest.endswith(("s", "t"))):
            word = rest
    # 5
    if word.endswith("e"):
        rest = word[:-1]
        if _measure(rest) > 1 or (_measure(rest) == 1 and not _short(rest)):
            word = rest
    if word.endswith("ll") and _measure(word) > 1:
        word = word[:-1]
    return word

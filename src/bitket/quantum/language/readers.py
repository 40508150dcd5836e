"""Readers without grammar, the baselines of Lorenz et al. 2021 (arXiv:2102.12846).

>>> bag_of_words("man cooks", Ty("s")).cod, word_sequence("man cooks", Ty("s")).cod
(Ty('s'), Ty('s'))
"""

from __future__ import annotations

from collections.abc import Sequence

from bitket.quantum.language.diagram import Cup, Diagram, Spider, Word
from bitket.quantum.language.parser import ParseError
from bitket.quantum.language.tokens import tokens
from bitket.quantum.language.types import Ty

__all__ = ["bag_of_words", "word_sequence"]


def bag_of_words(sentence: str | Sequence[str], target: Ty) -> Diagram:
    """All words as states of one simple type, merged by one spider: order is lost."""
    words = _words(sentence)
    states = Diagram.id()
    for word in words:
        states = states @ Word(word, target)
    return states >> Spider(states.cod, target)


def word_sequence(sentence: str | Sequence[str], target: Ty) -> Diagram:
    """A start state, and each word a matrix on what came before: a chain of cups, order without grammar."""
    words = _words(sentence)
    out: Diagram = Word("START", target)
    for word in words:
        out = out @ Word(word, target.r @ target) >> Cup(target, target.r) @ target
    return out


def _words(sentence: str | Sequence[str]) -> list[str]:
    words = tokens(sentence) if isinstance(sentence, str) else list(sentence)
    if not words:
        raise ParseError("the sentence is empty")
    return words

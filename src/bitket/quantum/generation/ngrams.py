"""n-gram models of tokens, interpolated after Witten and Bell (1991): what a language model must beat.

    p(w | h) = (c(h w) + t(h) p(w | h')) / (c(h) + t(h)),

with c the counts, t(h) the number of distinct tokens seen after the history h, h' the history without its first token, and the uniform
distribution below the single tokens.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence

from bitket.errors import InvalidInput
from bitket.quantum.generation.tokenizers import END, UNKNOWN

__all__ = ["NGramModel"]


class NGramModel:
    """Probabilities of tokens after the ``order - 1`` before them.

    Parameters
    ----------
    order
        1 for single tokens, 3 for trigrams.
    vocabulary
        Number of tokens.
    sequences
        Token numbers of the training files.
    """

    def __init__(self, order: int, vocabulary: int, sequences: Iterable[Sequence[int]]) -> None:
        if order < 1 or vocabulary < 1:
            raise InvalidInput(f"n-grams of order {order} over {vocabulary} tokens: both must be positive")
        self.order, self.vocabulary = order, vocabulary
        self._counts: Counter[tuple[int, ...]] = Counter()
        self._totals: Counter[tuple[int, ...]] = Counter()
        self._kinds: Counter[tuple[int, ...]] = Counter()
        for sequence in sequences:
            ids = (*sequence, END)
            for end in range(1, len(ids) + 1):
                for n in range(1, min(order, end) + 1):
                    gram = ids[end - n : end]
                    self._kinds[gram[:-1]] += self._counts[gram] == 0
                    self._counts[gram] += 1
                    self._totals[gram[:-1]] += 1

    def probability(self, token: int, history: Sequence[int]) -> float:
        """p(token | history); only the last ``order - 1`` tokens of the history count."""
        p = 1.0 / self.vocabulary
        for n in range(min(self.order - 1, len(history)) + 1):
            h = tuple(history[len(history) - n :])
            if total := self._totals[h]:
                kinds = self._kinds[h]
                p = (self._counts[(*h, token)] + kinds * p) / (total + kinds)
        return p

    def perplexity(self, sequences: Iterable[Sequence[int]]) -> float:
        """exp of the mean negative log probability of known tokens, end tokens included, after the first of each sequence."""
        total, count = 0.0, 0
        for sequence in sequences:
            ids = (*sequence, END)
            for k in range(1, len(ids)):
                if ids[k] != UNKNOWN:
                    total -= math.log(self.probability(ids[k], ids[max(0, k + 1 - self.order) : k]))
                    count += 1
        return math.exp(total / max(1, count))

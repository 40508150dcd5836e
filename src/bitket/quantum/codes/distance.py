"""The distance of a code: the least weight of the words of a span that are not in a smaller span, exactly or from above.

Words of span(gauge, logical) \\ span(gauge). A classical code has no gauge; for X errors of a CSS code the gauge are the rows of H_X and
the whole span is ker H_Z. Ways, each exact but the last:

- ``enumeration``: all 2^K words;
- ``brouwer-zimmermann``: generator matrices systematic on disjoint column sets of ranks r_j; after all sums of at most w rows of each, an
  unseen word weighs at least  sum_j max(0, w + 1 - (K - r_j));
- ``clusters``: connected words of a sparse check matrix, lightest first;
- ``meet in the middle``: sums of half as many columns of any check matrix, C(n, (d - 1) / 2) of them in memory: for high rates and small d;
- ``information sets``: random eliminations; an upper bound, with its trials.

Sources: Zimmermann 1996; Betten and others 2006, Error-Correcting Linear Codes, section 1.8; and those in `bitket.algebra.codewords`.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import comb
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from bitket.algebra import BitMatrix
from bitket.algebra.codewords import clusters, combinations, enumerate_span, information_sets, meet_in_the_middle
from bitket.errors import InvalidInput

__all__ = ["Distance", "Method"]

Method = Literal["auto", "enumeration", "brouwer-zimmermann", "clusters", "meet in the middle", "information sets"]
Words = NDArray[np.uint64]
_Plan = tuple[list[tuple[Words, Words, int]], int, float]
_ENTRIES = 50_000_000  # sums that meeting in the middle may hold: 1.1 GiB


_ENDLESS = 1 << 63  # words that nobody waits for


@dataclass(frozen=True, eq=False)
class Distance:
    """A distance, or a bound of it.

    Attributes
    ----------
    value
        The least weight found.
    exact
        Whether nothing lighter exists; else ``value`` is an upper bound.
    method
        How it was found.
    witness
        A word of that weight: ``[n]`` bits for a classical code, ``[2, n]`` bits (X part, Z part) for a quantum code.
    trials, hits
        Random eliminations that were done, and how many of them met the value; 0 where none were needed.
    """

    value: int
    exact: bool
    method: str
    witness: NDArray[np.uint8]
    trials: int = 0
    hits: int = 0

    def __str__(self) -> str:
        return (
            f"{self.value}"
            if self.exact
            else f"<= {self.value} ({self.method}, {self.trials} trials, {self.hits} hits)"
        )


@dataclass(frozen=True, eq=False)
class Checks:
    """A check matrix whose kernel is the whole span.

    Attributes
    ----------
    matrix
        ``[checks, columns]``.
    labels
        For each column the label that it adds, packed, ``[columns, words]``.
    words
        For each column the bits of the word that it adds, ``[columns, n]``, as many of each; None: its own.
    """

    matrix: NDArray[np.uint8]
    labels: Words
    words: NDArray[np.uint8] | None = None

    @property
    def weight(self) -> int:
        """Of a column in the word."""
        return 1 if self.words is None else int(self.words[0].sum())

    def word(self, columns: list[int]) -> NDArray[np.uint8]:
        """Their sum."""
        if self.words is not None:
            return np.bitwise_xor.reduce(self.words[columns], axis=0)
        word = np.zeros(self.matrix.shape[1], np.uint8)
        word[columns] = 1
        return word


def least_word(
    gauge: BitMatrix,
    logical: BitMatrix,
    *,
    method: Method = "auto",
    budget: int = 2_000_000_000,
    trials: int = 2_000,
    seed: int = 0,
    checks: Checks | None = None,
) -> Distance:
    """The lightest word of span(gauge, logical) outside span(gauge); the rows of both together must be independent.

    Parameters
    ----------
    budget
        Words to look at before an exact way is given up; about a second for each 10^9 of enumeration.
    trials
        Random eliminations where no exact way is cheap at once; fewer where they would take much longer than the budget.
    checks
        What ``clusters`` and ``meet in the middle`` search; the second holds at most 5e7 sums of columns, 1.1 GiB.

    Raises
    ------
    InvalidInput
        There is no logical row, or the way asked for needs more than the budget.
    """
    if method not in get_args(Method):
        raise InvalidInput(f"distance by '{method}': there are {', '.join(get_args(Method))}")
    if not len(logical):
        raise InvalidInput("distance of a code with k = 0: it has no logical operator; k >= 1 is needed")
    if budget < 1 or trials < 1:
        raise InvalidInput(f"distance with a budget of {budget} words and {trials} trials: both must be at least 1")
    rows, n, K = gauge.above(logical), gauge.shape[1], len(gauge) + len(logical)

    def found(weight: int, word: Words, exact: bool, way: str, trials: int = 0, hits: int = 0) -> Distance:
        return Distance(weight, exact, way, BitMatrix(word[None], n).to_dense()[0], trials, hits)

    if method == "enumeration" or (method == "auto" and K <= 24 and budget >= 1 << K):
        if K > 62 or budget < 1 << K:
            raise InvalidInput(f"distance by enumeration of 2^{K} words: the budget is {budget}")
        weight, word = enumerate_span(rows.words, len(gauge), n + 1)
        assert word is not None  # the span is larger than the gauge's
        return found(weight, word, True, "enumeration")
    labels = np.concatenate([np.zeros_like(BitMatrix.zeros(len(gauge), len(logical)).words), _identity(len(logical))])
    # An elimination costs about K^2 words of work; at least one is done, however large the code.
    budget, trials = min(budget, _ENDLESS), min(trials, 2**31 - 1)
    trials = max(1, min(trials, 5 * budget // (K * K * rows.words.shape[1])))
    weight, word, hits = information_sets(rows.words, labels, n, trials, seed, n + 1)
    assert word is not None
    bound = found(weight, word, False, "information sets", trials, hits)
    if method == "information sets":
        return bound
    # Systematic matrices of large codes take longer than they help: their cost is never within a budget.
    none: _Plan = ([], 0, float("inf"))
    sets, terms, cost = _plan(rows, labels, weight) if K <= 1000 else none
    if method == "brouwer-zimmermann" and cost > budget:
        raise InvalidInput(f"distance by brouwer-zimmermann looks at {cost:.2g} words: the budget is {budget}")
    if method in ("clusters", "meet in the middle") and checks is None:
        raise InvalidInput(f"distance by {method}: the code has no check matrix of its own kind")
    meets = float("inf")
    if checks is not None:
        upper = weight // checks.weight  # in columns
        held, meets = _middle(len(checks.labels), upper)
        if method == "meet in the middle" and (held > _ENTRIES or meets > budget):
            raise InvalidInput(
                f"distance by meet in the middle holds {held:.2g} sums, at most {_ENTRIES} are allowed, "
                f"and takes as long as {meets:.2g} words: the budget is {budget}"
            )
        meets = meets if held <= _ENTRIES else float("inf")
        other = min(cost, meets, budget)
        if method == "clusters" or (method == "auto" and other > 100_000_000):
            # How long it takes is not known ahead: as long as the other way would at most.
            nodes = int(other if method == "auto" else budget) // 50
            _, columns, complete = clusters(checks.matrix, checks.labels, upper, max(1, nodes))
            if columns or complete:
                return _columns(bound, checks, columns, "clusters")
            if method == "clusters":
                raise InvalidInput(
                    f"distance by clusters: the budget of {budget} words (a node counts as 50) was spent"
                )
        if method == "meet in the middle" or (method == "auto" and meets <= min(cost, budget)):
            syndromes = BitMatrix.from_dense(checks.matrix.T).words
            _, columns = meet_in_the_middle(syndromes, checks.labels, upper - 1)
            return _columns(bound, checks, columns, "meet in the middle")
    if method == "brouwer-zimmermann" or cost <= budget:
        return _brouwer_zimmermann(bound, sets, terms, n)
    if K <= 62 and budget >= 1 << K:
        weight, word = enumerate_span(rows.words, len(gauge), weight)
        return found(weight, word, True, "enumeration") if word is not None else _proven(bound, "enumeration")
    return bound


def _columns(bound: Distance, checks: Checks, columns: list[int], way: str) -> Distance:
    """The sum of columns as a distance, or the bound where nothing lighter was met."""
    if not columns:
        return _proven(bound, way)
    word = checks.word(columns)
    return Distance(int(word.sum()), True, way, word)


def _middle(columns: int, upper: int) -> tuple[float, float]:
    """Sums to hold and words that could be enumerated meanwhile, to meet all lighter than ``upper``: a sum held costs 25, looked up 8."""
    if upper > 1 and columns ** (upper // 2) >= 1 << 64:
        return float("inf"), float("inf")
    held = [comb(columns, weight // 2) for weight in range(2, upper, 2)]
    sought = [comb(columns, weight // 2 + 1) for weight in range(1, upper, 2)]
    return max(held, default=1), 25 * sum(held) + 8 * sum(sought)


def _identity(size: int) -> Words:
    return BitMatrix.identity(size).words


def _proven(bound: Distance, way: str) -> Distance:
    return Distance(bound.value, True, way, bound.witness, bound.trials, bound.hits)


def _plan(rows: BitMatrix, labels: Words, upper: int) -> _Plan:
    """Systematic matrices (rows, labels, rank on columns of its own), terms needed, and words to look at."""
    n, K, dense = rows.shape[1], len(rows), rows.to_dense()
    marks = BitMatrix(labels, 64 * labels.shape[1])
    free = list(range(n))
    sets: list[tuple[Words, Words, int]] = []
    while free and len(sets) < 64:
        order = np.array(free + [c for c in range(n) if c not in set(free)])
        form = BitMatrix.from_dense(dense[:, order]).echelon()
        own = [p for p in form.pivots if p < len(free)]
        if not own:
            break
        systematic = (form.transform @ rows).words
        sets.append((systematic, (form.transform @ marks).words, len(own)))
        taken = {free[p] for p in own}
        free = [c for c in free if c not in taken]
    best: tuple[int, int, float] = (0, 0, float("inf"))
    for count in range(1, len(sets) + 1):
        ranks, words = [s[2] for s in sets[:count]], 0.0
        for terms in range(1, K + 1):
            words += count * comb(K, terms)
            if sum(max(0, terms + 1 - (K - r)) for r in ranks) >= upper or terms == K:
                best = min(best, (count, terms, words), key=lambda plan: plan[2])
                break
    return sets[: best[0]], best[1], best[2]


def _brouwer_zimmermann(bound: Distance, sets: list[tuple[Words, Words, int]], most: int, n: int) -> Distance:
    weight, word, K = bound.value, None, len(sets[0][0])
    for terms in range(1, most + 1):
        for rows, labels, _ in sets:
            lighter, now = combinations(rows, labels, terms, weight)
            weight, word = (lighter, now) if now is not None else (weight, word)
        if sum(max(0, terms + 1 - (K - rank)) for _, _, rank in sets) >= weight:
            break
    if word is None:
        return _proven(bound, "brouwer-zimmermann")
    return Distance(weight, True, "brouwer-zimmermann", BitMatrix(word[None], n).to_dense()[0])

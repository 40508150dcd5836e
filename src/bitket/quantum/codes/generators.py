"""Lighter checks of the same code: light words of the span of the checks, chosen greedily, as in a matroid.

Of all bases of a span, the greedy one (the lightest word, then the lightest that is independent of it, ...) has the least total weight and the
least greatest weight. Up to rank 20 all words are listed. Above, random information sets give light words; a word c = sum of basis rows
replaces the heaviest of them where it is lighter. Qubits, k and d stay, as the span does.

Sources: Edmonds 1971, Matroids and the greedy algorithm; Lee and Brickell 1988 for the light words.
"""

from __future__ import annotations

from typing import overload

import numpy as np
from numpy.typing import NDArray

from bitket.algebra import BitMatrix
from bitket.errors import InvalidInput
from bitket.quantum.codes.code import ClassicalCode, CssCode, independent

__all__ = ["lightest_checks"]

_LISTED = 20  # rank up to which all words are listed


@overload
def lightest_checks(code: ClassicalCode, trials: int = ..., budget: int = ..., seed: int = ...) -> ClassicalCode: ...
@overload
def lightest_checks(code: CssCode, trials: int = ..., budget: int = ..., seed: int = ...) -> CssCode: ...
def lightest_checks(
    code: ClassicalCode | CssCode, trials: int = 50, budget: int = 20_000_000_000, seed: int = 0
) -> ClassicalCode | CssCode:
    """The same code with independent checks of the least total weight found; never heavier than the lightest of those given.

    Parameters
    ----------
    code
        Classical or CSS; X and Z checks are taken each by themselves.
    trials
        Random eliminations without a gain after which the search ends; none where the rank is at most 20 and the result optimal.
    budget
        Words of 64 bits to work on for each matrix at most; an elimination of rank K of n columns takes about K^2 n / 32.
    """
    if trials < 1 or budget < 1:
        raise InvalidInput(f"lightest checks with {trials} trials, a budget of {budget} words: both must be at least 1")
    rng = np.random.default_rng(seed)
    if isinstance(code, CssCode):
        x, z = (_lightest(m, trials, budget, rng) for m in (code.x, code.z))
        return CssCode(x, z, code.name)
    return ClassicalCode(_lightest(code.matrix, trials, budget, rng), code.name)


def _weights(words: NDArray[np.uint64]) -> NDArray[np.int64]:
    weights: NDArray[np.int64] = np.bitwise_count(words).sum(axis=-1, dtype=np.int64)
    return weights


def _greedy(pool: NDArray[np.uint64], columns: int, rank: int) -> BitMatrix:
    """The first independent words by weight; of equal ones those that come first."""
    pool = pool[np.argsort(_weights(pool), kind="stable")]
    chosen = BitMatrix(pool[:0], columns)
    for start in range(0, len(pool), 512):  # in blocks: most bases are complete after the first
        if len(chosen) == rank:
            break
        chosen = independent(chosen.above(BitMatrix(pool[start : start + 512], columns)))
    return chosen


def _lightest(rows: BitMatrix, trials: int, budget: int, rng: np.random.Generator) -> BitMatrix:
    n, rank = rows.shape[1], rows.rank()
    if rank <= _LISTED:
        words: NDArray[np.uint64] = np.zeros((1, rows.words.shape[1]), np.uint64)
        for row in independent(rows).words:
            words = np.concatenate([words, words ^ row])
        return _greedy(np.concatenate([rows.words, words[1:]]), n, rank)
    basis = _greedy(rows.words, n, rank)
    quiet, left = 0, budget // (2 * rank * rank * basis.words.shape[1])
    while quiet < trials and left:
        better = _exchanges(basis, rng.permutation(n))
        basis = _greedy(np.concatenate([basis.words, better]), n, rank) if len(better) else basis
        quiet, left = 0 if len(better) else quiet + 1, left - 1
    return basis


def _exchanges(basis: BitMatrix, order: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Rows and sums of two rows of the form that is systematic on the first independent columns of ``order``, each lighter than a row
    of ``basis`` (by weight) that it can replace."""
    form = BitMatrix.from_dense(basis.to_dense()[:, order]).echelon()
    words, parts = (form.transform @ basis).words, form.transform.words
    weights = _weights(basis.words)
    met = []
    for a in range(len(words)):
        sums = np.concatenate([words[a : a + 1], words[a] ^ words[a + 1 :]])
        light = np.flatnonzero(_weights(sums) < weights[-1])
        if len(light):
            # The heaviest row that a sum holds is the last one: only lighter sums take its place.
            coordinates = np.where((light == 0)[:, None], parts[a], parts[a] ^ parts[a + light])
            last = len(weights) - 1 - BitMatrix(coordinates, len(weights)).to_dense()[:, ::-1].argmax(axis=1)
            met.append(sums[light[_weights(sums[light]) < weights[last]]])
    return np.unique(np.concatenate(met), axis=0) if met else words[:0]

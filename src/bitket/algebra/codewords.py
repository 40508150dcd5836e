"""Least weights of words over GF(2): all words of a span, sums of few rows, random information sets, and kernels: connected words of a
sparse matrix, and sums of few columns that meet in the middle.

A *label* tells words apart that count from words that do not: labels add as their words do, and a word counts where its label is not 0
(for a quantum code: the part of an operator that acts on logical qubits). Every function returns the least weight *below* ``bound`` that
it met, with a word of it, or the bound and None. The loops are C++ (``native/codewords.cpp``); without a compiler at installation
the twins below do the same in NumPy, slower.

>>> import numpy as np
>>> from bitket.algebra.gf2 import BitMatrix
>>> G = BitMatrix.from_dense([[1, 0, 0, 0, 0, 1, 1], [0, 1, 0, 0, 1, 0, 1], [0, 0, 1, 0, 1, 1, 0], [0, 0, 0, 1, 1, 1, 1]])
>>> enumerate_span(G.words, 0, 8)[0], enumerate_span(G.words, 1, 8)[0]               # Hamming; without the first row's span
(3, 3)
"""

from __future__ import annotations

import functools
import itertools
import operator
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csc_array, csr_array

try:
    import bitket.algebra.native._codewords as _codewords
except ImportError:  # installed without a compiler
    _codewords = None

__all__ = ["clusters", "combinations", "enumerate_span", "information_sets", "meet_in_the_middle", "tanner_step"]

Words = NDArray[np.uint64]
Found = tuple[int, Words | None]


def _found(weight: int, word: Sequence[int]) -> Found:
    return weight, np.array(word, np.uint64) if len(word) else None


def enumerate_span(rows: Words, gauge: int, bound: int) -> Found:
    """Least weight in the span of all ``rows`` ``[K, words]`` without the span of the first ``gauge`` rows; 2^K words are looked at.

    C++: a table of the sums of ten rows, and a Gray code over the others, so that a word costs one exclusive-or and one popcount.
    """
    if _codewords is not None:
        return _found(*_codewords.enumerate(np.ascontiguousarray(rows), gauge, bound))
    return _enumerate_twin(rows, gauge, bound)


def combinations(rows: Words, labels: Words, terms: int, bound: int) -> Found:
    """Least weight among the sums of exactly ``terms`` of the ``rows`` ``[K, words]`` whose label (``[K, any]``) is not 0."""
    if _codewords is not None:
        rows, labels = np.ascontiguousarray(rows), np.ascontiguousarray(labels)
        return _found(*_codewords.combinations(rows, labels, terms, bound))
    return _combinations_twin(rows, labels, terms, bound)


def information_sets(
    rows: Words, labels: Words, columns: int, trials: int, seed: int, bound: int
) -> tuple[int, Words | None, int]:
    """Least weight met at random: eliminate in a random order of the columns, look at all rows and sums of two rows; ``trials`` times.

    Also returns how many trials met that weight. Source: Pryadko, Shabashov and Kozin 2022, QDistRnd (doi:10.21105/joss.04120);
    Leon 1988; Lee and Brickell 1988.
    """
    if _codewords is not None:
        rows, labels = np.ascontiguousarray(rows), np.ascontiguousarray(labels)
        weight, word, hits = _codewords.information_sets(rows, labels, columns, trials, seed, bound)
        return *_found(weight, word), hits
    return _information_sets_twin(rows, labels, columns, trials, seed, bound)


def clusters(H: NDArray[np.uint8] | csr_array, labels: Words, bound: int, budget: int) -> tuple[int, list[int], bool]:
    """Least weight of ``x`` in the kernel of a sparse ``H`` ``[checks, columns]`` whose label, the sum of ``labels[v]``, is not 0.

    Depth-first: the next column of a word is one of a check that is not yet satisfied. A lightest word that counts holds no lighter kernel
    word, so all of it is met. Returns the weight, the columns, and whether the search ended within ``budget`` nodes; about
    columns · (row weight - 1)^(weight - 1) nodes in the worst case. Source: Dumer, Kovalev and Pryadko 2017 (arXiv:1611.07164).
    """
    checks, columns = (
        [part.tolist() for part in np.split(m.indices, m.indptr[1:-1])] for m in (csr_array(H), csc_array(H))
    )
    if _codewords is not None:
        return _codewords.clusters(checks, columns, np.ascontiguousarray(labels), bound, budget)
    return _clusters_twin(checks, columns, [int.from_bytes(v.tobytes(), "little") for v in labels], bound, budget)


def meet_in_the_middle(syndromes: Words, labels: Words, most: int) -> tuple[int, list[int]]:
    """Least number of columns, at most ``most``, whose ``syndromes`` ``[columns, any]`` cancel and whose ``labels`` ``[columns, any]`` do not.

    A word of weight 2 t or 2 t + 1 is a sum of t columns and one of t or t + 1 with the same syndrome: the sums of t columns, t = most // 2
    at last, are held in a table, each syndrome once, and all others are looked up in it. Returns the weight and the columns, or
    ``most + 1`` and none. C(columns, t) entries of 21 to 43 bytes; they must fit, and columns^ceil(most / 2) below 2^64.
    Source: Stern 1989; Dumer 1989 (Problems of Information Transmission 25), who halve the words that they look for.
    """
    if len(syndromes) ** max(1, (most + 1) // 2) >= 1 << 64:
        raise ValueError(
            f"words of up to {most} of {len(syndromes)} columns: columns^ceil(most / 2) must be below 2^64"
        )
    if _codewords is not None:
        return _codewords.meet_in_the_middle(np.ascontiguousarray(syndromes), np.ascontiguousarray(labels), most)
    numbers = [[int.from_bytes(v.tobytes(), "little") for v in words] for words in (syndromes, labels)]
    return _meet_twin(numbers[0], numbers[1], most)


def tanner_step(
    matrix: Words, columns: int, keeps: NDArray[np.bool_], after: NDArray[np.int32] | None = None
) -> tuple[int, int]:
    """Rank and least kernel weight (0 where the kernel is {0}) of a matrix of at most 64 rows, one word each.

    Sets ``keeps[c, v]`` (``[rows, columns]``): whether toggling the entry keeps the rank. With u = e_c, v = e_v,
    rank(A + u v^T) is rank A + 1 where neither lies in the column and row space, rank A - 1 where both do and 1 + v^T A^- u = 0.

    Sets ``after[c, v]``, where it is given: the least kernel weight once the entry is toggled, for independent rows and kernels of at
    most 2^16 words. As (A + u v^T) x = 0 where A x = u x_v, these are words of the kernel with x_v = 0, and of the coset A x = u with x_v = 1.
    All entries together cost as much as the kernels of ``rows`` matrices.
    """
    if _codewords is not None:
        return _codewords.tanner(matrix, columns, keeps, after)
    return _tanner_twin(matrix, columns, keeps, after)


# -- twins --------------------------------------------------------------------------------------------------------------
def _weights(words: Words) -> NDArray[np.int64]:
    return np.bitwise_count(words).sum(axis=-1, dtype=np.int64)


def _span(rows: Words) -> Words:
    """All sums, ``[2^K, words]``: bit b of the index takes row b."""
    out = np.zeros((1, rows.shape[1]), np.uint64)
    for row in rows:
        out = np.concatenate([out, out ^ row])
    return out


def _least(words: Words, bound: int) -> Found:
    if not len(words):
        return bound, None
    weights = _weights(words)
    best = int(weights.argmin())
    return (int(weights[best]), words[best].copy()) if weights[best] < bound else (bound, None)


def _enumerate_twin(rows: Words, gauge: int, bound: int) -> Found:
    low = min(len(rows), 14)
    table, found = _span(rows[:low]), (bound, None)
    base = np.zeros(rows.shape[1], np.uint64)
    for block in range(1 << (len(rows) - low)):
        if block:
            base = base ^ rows[low + (block & -block).bit_length() - 1]
        code = (block ^ block >> 1) << low  # the rows in base
        skip = (1 << min(gauge, low)) if code < 1 << gauge else 0
        if code < 1 << gauge and gauge >= low:
            continue
        now = _least(table[skip:] ^ base, found[0])
        found = now if now[1] is not None else found  # type: ignore[assignment]
    return found


def _combinations_twin(rows: Words, labels: Words, terms: int, bound: int) -> Found:
    found: Found = (bound, None)
    if not 1 <= terms <= len(rows):
        return found
    choices = itertools.combinations(range(len(rows)), terms)
    while chunk := list(itertools.islice(choices, 20_000)):
        index = np.array(chunk)
        counts = np.flatnonzero(np.bitwise_xor.reduce(labels[index], axis=1).any(axis=1))
        now = _least(np.bitwise_xor.reduce(rows[index[counts]], axis=1), found[0])
        found = now if now[1] is not None else found
    return found


def _information_sets_twin(
    rows: Words, labels: Words, columns: int, trials: int, seed: int, bound: int
) -> tuple[int, Words | None, int]:
    rng = np.random.default_rng(seed)
    work, width = np.concatenate([rows, labels], axis=1), rows.shape[1]
    a, b = np.triu_indices(len(rows))
    weight, word, hits = bound, None, 0
    for _ in range(trials):
        rank = 0
        for column in rng.permutation(columns):
            bit = work[:, column // 64] >> np.uint64(column % 64) & np.uint64(1)
            pivots = np.flatnonzero(bit[rank:])
            if not len(pivots):
                continue
            work[[rank, rank + pivots[0]]] = work[[rank + pivots[0], rank]]
            bit = work[:, column // 64] >> np.uint64(column % 64) & np.uint64(1)
            bit[rank] = 0
            work ^= bit[:, None] * work[rank]
            rank += 1
            if rank == len(work):
                break
        sums = np.where((a == b)[:, None], work[a], work[a] ^ work[b])
        now, found = _least(sums[sums[:, width:].any(axis=1), :width], weight + 1)
        if found is None:
            continue
        if now < weight:
            weight, hits = now, 0
        if weight < bound:
            word, hits = found, hits + 1
    return weight, word, hits


def _clusters_twin(
    checks: list[list[int]], columns: list[list[int]], labels: list[int], bound: int, budget: int
) -> tuple[int, list[int], bool]:
    most_column, nodes = max(1, *map(len, columns)), 0

    def go(chosen: list[int], open_: set[int], barred: set[int], mark: int, left: int) -> list[int] | None:
        nonlocal nodes
        nodes += 1
        if nodes > budget or len(open_) > left * most_column:
            return None
        if not open_:
            return chosen if mark else None
        check = min(open_, key=lambda c: sum(v not in barred for v in checks[c]))
        barred = set(barred)
        for v in checks[check]:
            if v not in barred:
                barred.add(v)
                hit = go([*chosen, v], open_ ^ set(columns[v]), barred, mark ^ labels[v], left - 1)
                if hit is not None:
                    return hit
        return None

    for most in range(1, bound):
        for first in range(len(columns)):
            hit = go([first], set(columns[first]), set(range(first + 1)), labels[first], most - 1)
            if hit is not None:
                return len(hit), hit, True
            if nodes > budget:
                return bound, [], False
    return bound, [], True


def _meet_twin(syndromes: list[int], labels: list[int], most: int) -> tuple[int, list[int]]:
    table: dict[int, tuple[int, tuple[int, ...]]] = {0: (0, ())}
    for weight in range(1, most + 1):
        half = weight // 2
        table = {} if weight % 2 == 0 else table
        for chosen in itertools.combinations(range(len(syndromes)), weight - half):
            syndrome = functools.reduce(operator.xor, (syndromes[v] for v in chosen))
            label = functools.reduce(operator.xor, (labels[v] for v in chosen))
            sum_ = label, chosen
            other = table.setdefault(syndrome, sum_) if weight % 2 == 0 else table.get(syndrome, sum_)
            if other[0] != label:
                return weight, sorted(set(chosen) ^ set(other[1]))
    return most + 1, []


def _tanner_twin(
    matrix: Words, columns: int, keeps: NDArray[np.bool_], after: NDArray[np.int32] | None
) -> tuple[int, int]:
    from bitket.algebra.gf2 import BitMatrix

    full = BitMatrix(matrix[:, None], columns)
    form, kernel = full.echelon(), full.kernel()
    outside_columns: NDArray[np.bool_] = (
        full.T.kernel().to_dense().max(axis=0, initial=0) > 0
    )  # e_c outside the column space
    inside = np.zeros(columns, bool)  # e_v inside the row space
    solution = np.zeros(keeps.shape, bool)
    transform = form.transform.to_dense()
    for row, pivot in enumerate(form.pivots):
        inside[pivot] = form.matrix.words[row].item() == 1 << pivot
        solution[:, pivot] = transform[row]
    keeps[:] = np.where(inside, outside_columns[:, None] | ~solution, ~outside_columns[:, None])
    if not len(kernel):
        return form.rank, 0
    if after is not None:
        words = BitMatrix(_span(kernel.words), columns).to_dense()
        least = np.where(words == 0, words.sum(axis=1, dtype=int)[:, None], columns + 1)[1:].min(axis=0)
        leaders = np.zeros((len(matrix), columns), np.uint8)
        leaders[:, form.pivots] = transform.T
        for c, leader in enumerate(leaders):
            coset = words ^ leader
            after[c] = np.minimum(
                least, np.where(coset, coset.sum(axis=1, dtype=int)[:, None], columns + 1).min(axis=0)
            )
    return form.rank, _enumerate_twin(kernel.words, 0, columns + 1)[0]

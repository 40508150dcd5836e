"""A checker of codes that shares no code with the library: plain elimination and breadth-first or exhaustive search on Python integers."""

from itertools import combinations

import numpy as np


def as_ints(matrix):
    return [int("".join(map(str, row[::-1])), 2) for row in np.asarray(matrix).astype(int).tolist()]


def reduced(rows):
    """Rows in echelon form, leading bits distinct."""
    basis = {}
    for row in rows:
        while row:
            lead = row.bit_length()
            if lead not in basis:
                basis[lead] = row
                break
            row ^= basis[lead]
    return basis


def in_span(basis, row):
    while row:
        if row.bit_length() not in basis:
            return False
        row ^= basis[row.bit_length()]
    return True


def rank(matrix):
    return len(reduced(as_ints(matrix)))


def least_of_all_words(checks, n):
    """The same without a span, by listing all words of a small kernel."""
    basis, kernel = {}, []
    for v, syndrome in enumerate(as_ints(np.asarray(checks).T)):
        word = 1 << v
        while syndrome:
            lead = syndrome.bit_length()
            if lead not in basis:
                basis[lead] = syndrome, word
                break
            syndrome, word = syndrome ^ basis[lead][0], word ^ basis[lead][1]
        else:
            kernel.append(word)
    words = [0]
    for row in kernel:
        words += [word ^ row for word in words]
    return len(kernel), min(word.bit_count() for word in words[1:])


def least(checks, inner, n, most=None):
    """Least weight of a word with all ``checks`` even that is not in span(inner); by weight, meeting in the middle of the weight."""
    basis = reduced(as_ints(inner)) if len(inner) else {}
    columns = as_ints(np.asarray(checks).T)
    by_weight = {0: {0: [0]}}
    for w in range(1, (most or n) + 1):
        half, rest = w // 2, w - w // 2
        for size in (half, rest):
            if size not in by_weight:
                table = {}
                for support in combinations(range(n), size):
                    s = word = 0
                    for v in support:
                        s ^= columns[v]
                        word |= 1 << v
                    table.setdefault(s, []).append(word)
                by_weight[size] = table
        for s, words in by_weight[half].items():
            for other in by_weight[rest].get(s, ()):
                for word in words:
                    if not word & other and not in_span(basis, word | other):
                        return w
    return None


def css(hx, hz, most=None):
    """n, k, least X and Z weight (searched to ``most``), check weight, total degree; asserts commutation."""
    hx, hz = np.asarray(hx).astype(int), np.asarray(hz).astype(int)
    assert not (hx @ hz.T % 2).any()
    n = hx.shape[1]
    k = n - rank(hx) - rank(hz)
    return {
        "n": n,
        "k": k,
        "dx": least(hz, hx, n, most),
        "dz": least(hx, hz, n, most),
        "weight": max(hx.sum(1).max(), hz.sum(1).max()),
        "degree": (hx.sum(0) + hz.sum(0)).max(),
    }

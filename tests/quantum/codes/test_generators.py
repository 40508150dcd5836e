"""Lighter checks: the span stays, the greedy basis is optimal where all words are listed, hidden light checks are found again."""

import itertools

import numpy as np
import pytest

from bitket.algebra import BitMatrix
from bitket.errors import InvalidInput
from bitket.quantum.codes import (
    BIVARIATE_BICYCLES,
    ClassicalCode,
    CssCode,
    bivariate_bicycle,
    hypergraph_product,
    lightest_checks,
    named_code,
    reduce_weight,
    surface_code,
)
from bitket.quantum.codes.code import independent


def mixed(code, rng):
    """The same group by random generators."""
    bases = [independent(m) for m in (code.x, code.z)]
    return CssCode(*(BitMatrix.random_invertible(len(b), rng) @ b for b in bases), "mixed")


def same_span(a, b):
    both = a.above(b).rank()
    return both == a.rank() == b.rank()


def weights(matrix):
    return sorted(matrix.row_weights().tolist())


def test_small_ranks_are_optimal():
    rng = np.random.default_rng(0)
    for _ in range(40):
        r, n = int(rng.integers(1, 5)), int(rng.integers(4, 9))
        rows = rng.integers(0, 2, (r, n), dtype=np.uint8)
        rows[~rows.any(axis=1), 0] = 1
        found = lightest_checks(ClassicalCode(rows)).matrix
        given = BitMatrix.from_dense(rows)
        assert same_span(found, given)
        span = [
            np.bitwise_xor.reduce(rows * np.array(c, np.uint8)[:, None]) for c in itertools.product((0, 1), repeat=r)
        ]
        words = np.unique([w for w in span if w.any()], axis=0)
        bases = itertools.combinations(words, given.rank())
        totals = [np.sum(b) for b in bases if BitMatrix.from_dense(np.array(b)).rank() == given.rank()]
        assert sum(weights(found)) == min(totals)


@pytest.mark.parametrize(
    ("code", "heaviest"),
    [
        (bivariate_bicycle(*BIVARIATE_BICYCLES["[[72,12,6]]"]), 6),
        (bivariate_bicycle(*BIVARIATE_BICYCLES["[[144,12,12]]"]), 6),
        (surface_code(6), 4),
        (hypergraph_product(named_code("hamming-3")), 7),
    ],
    ids=["72", "144", "surface", "58"],
)
def test_hidden_light_checks_are_found(code, heaviest):
    heavy = mixed(code, np.random.default_rng(1))
    assert heavy.weights.check > 2 * heaviest
    light = lightest_checks(heavy)
    assert same_span(light.x, code.x)
    assert same_span(light.z, code.z)
    assert (light.n, light.k) == (code.n, code.k)
    assert light.weights.check <= heaviest
    again = lightest_checks(light)
    assert sum(weights(again.x)) <= sum(weights(light.x))


def test_never_heavier():
    rng = np.random.default_rng(2)
    for _ in range(5):
        n, r = 60, 25
        x = rng.integers(0, 2, (r, n), dtype=np.uint8) & rng.integers(0, 2, (r, n), dtype=np.uint8)
        kernel = BitMatrix.from_dense(x).kernel().to_dense()
        code = CssCode(x, rng.integers(0, 2, (22, len(kernel)), dtype=np.uint8) @ kernel % 2)
        light = lightest_checks(code, trials=5)
        for before, after in ((code.x, light.x), (code.z, light.z)):
            assert same_span(before, after)
            assert all(a <= b for a, b in zip(weights(after), weights(independent(before)), strict=True))


def test_reduction_by_generators():
    code = mixed(surface_code(5), np.random.default_rng(3))
    assert code.weights.check > 6
    for method in ("generators", "hastings"):
        found = reduce_weight(code, 6, method)
        assert (found.code.n, found.certificate.k, found.certificate.distance.value) == (41, 1, 5)
        assert found.certificate.distance.exact
        assert found.generators == found.code.weights
        assert found.code.weights.check == 4
    with pytest.raises(InvalidInput, match="generators reached checks of weight 7; 6"):
        reduce_weight(hypergraph_product(named_code("hamming-3")), 6, "generators")
    with pytest.raises(InvalidInput, match="at least 1"):
        lightest_checks(code, trials=0)

"""Distances and parameters against brute force; witnesses; bounds."""

import itertools

import numpy as np
import pytest

from bitket.algebra import BitMatrix
from bitket.errors import InvalidInput
from bitket.quantum.codes import (
    BIVARIATE_BICYCLES,
    ClassicalCode,
    CssCode,
    StabiliserCode,
    bivariate_bicycle,
    colour_code,
    hypergraph_product,
    lightest_checks,
    named_code,
    rotated_surface_code,
    surface_code,
    toric_code,
)
from bitket.quantum.codes.seeds import extended, regular_ldpc, shortened


def words(n):
    return (np.arange(1 << n)[:, None] >> np.arange(n) & 1).astype(np.uint8)


def random_checks(rng, r, n):
    while True:
        H = (rng.random((r, n)) < rng.choice([0.25, 0.5])).astype(np.uint8)
        if H.any(axis=1).all():
            return H


def random_css(rng, n):
    while True:
        hx = random_checks(rng, int(rng.integers(1, n // 2 + 1)), n)
        kernel = BitMatrix.from_dense(hx).kernel().to_dense()
        take = int(rng.integers(1, max(2, len(kernel))))
        hz = rng.integers(0, 2, (take, len(kernel))) @ kernel % 2
        if hz.any(axis=1).all() and len(kernel) > BitMatrix.from_dense(hz).rank():
            return hx, hz


def dense_css(rng, n, r):
    hx = rng.integers(0, 2, (r, n), dtype=np.uint8)
    kernel = BitMatrix.from_dense(hx).kernel().to_dense()
    return hx, rng.integers(0, 2, (r, len(kernel)), dtype=np.uint8) @ kernel % 2


def test_classical_distances_are_those_of_brute_force():
    rng, done = np.random.default_rng(0), 0
    tables = {n: words(n) for n in range(4, 16)}
    while done < 500:
        n = int(rng.integers(4, 21)) if done % 50 == 0 else int(rng.integers(4, 16))
        H = random_checks(rng, int(rng.integers(1, n)), n)
        code = ClassicalCode(H)
        if not code.k:
            continue
        table = tables.setdefault(n, words(n))
        kernel = table[~(table @ H.T % 2).any(axis=1)]
        assert len(kernel) == 1 << code.k
        least = kernel[1:].sum(axis=1).min()
        for method in ("auto", "enumeration", "brouwer-zimmermann", "clusters", "meet in the middle"):
            found = code.distance(method=method)
            assert found.value == least, (method, done)
            assert found.exact
            assert found.witness.sum() == least
            assert not (H @ found.witness % 2).any()
        bound = code.distance(method="information sets", trials=30)
        assert bound.value >= least
        assert not bound.exact
        done += 1


def test_css_distances_are_those_of_brute_force():
    rng = np.random.default_rng(1)
    tables = {n: words(n) for n in range(5, 15)}
    for trial in range(200):
        n = int(rng.integers(5, 15 if trial % 20 == 0 else 12))
        hx, hz = random_css(rng, n)
        code, table = CssCode(hx, hz), tables[n]
        least = []
        for checks, inner in ((hz, hx), (hx, hz)):
            kernel = table[~(table @ checks.T % 2).any(axis=1)]
            span = {tuple(c @ inner % 2) for c in words(len(inner))}
            least.append(min(w.sum() for w in kernel if tuple(w) not in span))
        assert code.distance_at_least(min(least))
        assert not code.distance_at_least(min(least) + 1)
        for method in ("enumeration", "brouwer-zimmermann", "clusters", "meet in the middle"):
            x, z = code.distance_x(method=method), code.distance_z(method=method)
            assert [x.value, z.value] == least, (method, trial)
            assert code.is_logical(x.witness)
            assert code.is_logical(z.witness)
            assert x.witness.sum() == x.value
        assert code.distance().value == min(least)
        same = code.stabiliser()
        assert same.k == code.k
        assert same.distance().value == min(least)
        assert code.distance(method="information sets", trials=20).value >= min(least)


def test_stabiliser_distances_are_those_of_brute_force():
    rng = np.random.default_rng(2)
    for _ in range(40):
        n, rows = int(rng.integers(2, 6)), []
        while len(rows) < n - 1:  # random generators that commute
            row = rng.integers(0, 2, 2 * n)
            if row.any() and all((row[:n] @ r[n:] + row[n:] @ r[:n]) % 2 == 0 for r in rows):
                rows.append(row)
        H = np.array(rows)
        code = StabiliserCode(H)
        table = words(2 * n).astype(int)
        swapped = np.concatenate([H[:, n:], H[:, :n]], axis=1)
        span = {tuple(c @ H % 2) for c in words(len(H)).astype(int)}
        least = min((w[:n] | w[n:]).sum() for w in table if not (swapped @ w % 2).any() and tuple(w) not in span)
        for method in ("auto", "brouwer-zimmermann", "clusters", "meet in the middle"):
            found = code.distance(method=method)
            assert found.exact
            assert found.value == least, method
            x, z = found.witness
            assert (x | z).sum() == least
            assert not (swapped @ np.concatenate([x, z]) % 2).any()
            assert (*x, *z) not in span


def test_hypergraph_products_commute_and_count():
    rng = np.random.default_rng(3)
    for _ in range(200):
        a, b = (ClassicalCode(random_checks(rng, int(rng.integers(1, 6)), int(rng.integers(2, 7)))) for _ in range(2))
        if not a.checks.any(axis=0).all() or not b.checks.any(axis=0).all():
            continue
        code = hypergraph_product(a, b)
        ka, kb = (len(c.checks) - c.matrix.rank() for c in (a, b))
        assert code.k == a.k * b.k + ka * kb
        assert not ((code.x_checks.astype(int) @ code.z_checks.T) % 2).any()
        if code.k:
            found, searched = code.distance(), code.distance(method="clusters")
            assert found.exact
            assert found.value == searched.value
            assert code.is_logical(found.witness)
            assert found.witness.sum() == found.value


@pytest.mark.parametrize(
    ("code", "parameters"),
    [
        (hypergraph_product(named_code("hamming-3")), (58, 16, 3)),
        (surface_code(3), (13, 1, 3)),
        (surface_code(5), (41, 1, 5)),
        (toric_code(4), (32, 2, 4)),
        (rotated_surface_code(3), (9, 1, 3)),
        (rotated_surface_code(4), (16, 1, 4)),
        (rotated_surface_code(7), (49, 1, 7)),
        (colour_code(3), (7, 1, 3)),
        (colour_code(7), (37, 1, 7)),
        *((bivariate_bicycle(*BIVARIATE_BICYCLES[k]), p) for k, p in (
            ("[[72,12,6]]", (72, 12, 6)), ("[[90,8,10]]", (90, 8, 10)), ("[[108,8,10]]", (108, 8, 10)), ("[[144,12,12]]", (144, 12, 12)),
        )),
        (named_code("golay"), (23, 12, 7)),
        (named_code("bch-4-2"), (15, 7, 5)),
        (named_code("bch-6-3"), (63, 45, 7)),
        (named_code("simplex-2"), (3, 2, 2)),
        (named_code("simplex-4"), (15, 4, 8)),
        (named_code("reed_muller-2-5"), (32, 16, 8)),
        (named_code("quadratic_residue-17"), (17, 9, 5)),
        (named_code("quadratic_residue-47"), (47, 24, 11)),
        (named_code("quadratic_residue-71"), (71, 36, 11)),
        (extended(named_code("golay")), (24, 12, 8)),
        (extended(named_code("quadratic_residue-47")), (48, 24, 12)),
        (shortened(named_code("hamming-4"), 3), (12, 8, 3)),
        (StabiliserCode.from_paulis(["XZZXI", "IXZZX", "XIXZZ", "ZXIXZ"]), (5, 1, 3)),
    ],
    ids=lambda value: str(value),
)  # fmt: skip
def test_published_parameters(code, parameters):
    n, k, d = code.parameters()
    assert (n, k, d.value, d.exact) == (*parameters, True)


def test_ways_agree_where_words_are_many():
    rng = np.random.default_rng(4)
    for _ in range(20):
        n, r = int(rng.integers(40, 61)), int(rng.integers(14, 20))
        code = CssCode(*dense_css(rng, n, r))
        found = {way: code.distance(method=way) for way in ("brouwer-zimmermann", "clusters", "meet in the middle")}
        assert len({d.value for d in found.values()}) == 1
        for d in found.values():
            assert d.exact
            assert code.is_logical(d.witness)
            assert d.witness.sum() == d.value
    for name, least in (("bch-7-2", 5), ("bch-7-3", 7), ("bch-6-4", 9)):
        code = named_code(name)
        met = code.distance(method="meet in the middle")
        assert (met.value, met.exact) == (least, True)
        assert not (code.checks @ met.witness % 2).any()
    assert named_code("bch-8-3").distance().method == "meet in the middle"  # 3e6 sums of columns, not 2e11 of rows


def test_any_budget_is_a_budget():
    code = surface_code(3)
    assert code.distance(method="clusters", budget=10**30).value == 3
    assert code.distance_at_least(3, budget=10**30)
    # Eliminations beyond 2^31 - 1 would not end: those of a budget do.
    assert code.distance(method="information sets", budget=10**5, trials=10**12).value == 3


def test_bound_of_a_product_says_how_it_was_found():
    code = ClassicalCode(np.random.default_rng(0).integers(0, 2, (60, 120)))
    factor, product = (c.distance(budget=10**6, trials=7) for c in (code, hypergraph_product(code)))
    assert not product.exact
    assert (product.value, product.trials, product.hits) == (factor.value, factor.trials, factor.hits)
    assert product.trials == 7
    assert product.hits > 0


def test_golay_product():
    code = hypergraph_product(named_code("golay"))
    assert (code.n, code.k, code.distance().value) == (650, 144, 7)


def test_bound_by_information_sets_meets_products():
    for code in (
        hypergraph_product(named_code("hamming-3")),
        surface_code(3),
        surface_code(5),
        surface_code(9),
        toric_code(5),
    ):
        exact, bound = code.distance(), code.distance(method="information sets", trials=500)
        assert bound.value == exact.value
        assert bound.hits >= 10
        assert code.is_logical(bound.witness)


def test_seeds():
    rng = np.random.default_rng(0)
    code = regular_ldpc(24, 3, 4, rng)
    assert set(code.checks.sum(axis=0)) == {3}
    assert set(code.checks.sum(axis=1)) == {4}
    for name in ("golay", "simplex-4", "bch-4-2"):
        code = named_code(name)
        light = lightest_checks(code)
        assert light.generator.echelon().matrix == code.generator.echelon().matrix
        basis = BitMatrix.from_dense(code.checks)
        span = np.array([np.bitwise_xor.reduce(code.checks[np.array(c, bool)], axis=0, initial=0)
                         for c in itertools.islice(itertools.product((0, 1), repeat=len(basis)), 1, None)])  # fmt: skip
        best = np.sort(span.sum(axis=1))[: len(light.checks)]
        assert light.checks.sum() >= best.sum()
        assert (light.checks.sum(axis=1).max() <= code.checks.sum(axis=1).max()) or name == "golay"


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: ClassicalCode([[1, 0], [1]]), "rows differ|equal length"),
        (lambda: ClassicalCode([[1, 2]]), "entry 2 in row 0, column 1"),
        (lambda: ClassicalCode([[1, 1], [0, 0]]), "row 1 is empty"),
        (lambda: CssCode([[1, 1, 0]], [[0, 1, 1]]), "do not commute"),
        (lambda: CssCode([[1, 1]], [[1, 1, 1]]), "must be equal"),
        (lambda: StabiliserCode.from_paulis(["XI", "ZI"]), "do not commute"),
        (lambda: ClassicalCode([[1, 0], [0, 1]]).distance(), "k = 0"),
        (lambda: named_code("golay").distance(method="guess"), "there are"),
        (lambda: named_code("quadratic_residue-71").distance(method="enumeration", budget=1000), "budget"),
        (lambda: named_code("bch-8-9").distance(method="meet in the middle"), "at most 50000000 are allowed"),
        (lambda: named_code("hammering-3"), "there are"),
        (lambda: named_code("quadratic_residue-11"), "1 or 7 modulo 8"),
        (lambda: colour_code(4), "odd"),
    ],
)
def test_bad_input(make, words):
    with pytest.raises(InvalidInput, match=words) as caught:
        make()
    assert "\n" not in str(caught.value)

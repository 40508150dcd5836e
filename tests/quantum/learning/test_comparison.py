import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from bitket.errors import InvalidInput
from bitket.intervals import wilson
from bitket.quantum.learning.comparison import difference, mcnemar, mean_accuracy

VALUES = st.lists(st.floats(0, 1), min_size=3, max_size=12).filter(lambda v: np.std(v) > 1e-3)


@given(VALUES, st.integers(0, 99))
def test_paired_differences_are_scipys(values, seed):
    a = np.array(values)
    b = a + np.random.default_rng(seed).normal(size=len(a))
    found, expected = difference(a, b), scipy.stats.ttest_rel(a, b)
    assert found.p == pytest.approx(expected.pvalue, rel=1e-9)
    interval = expected.confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))
    wider = difference(a, b, overlap=0.25)
    assert wider.half == pytest.approx(found.half * math.sqrt(1 + 0.25 * len(a)))
    assert wider.p >= found.p
    assert difference(b, a).mean == pytest.approx(-found.mean)


def test_interval_covers_as_often_as_it_says():
    numbers = np.random.default_rng(0)
    inside = [e.low < 0.5 < e.high for e in (mean_accuracy(numbers.normal(0.5, 0.1, 5)) for _ in range(2000))]
    assert 0.93 < np.mean(inside) < 0.97


def test_one_value_says_nothing_of_its_error():
    e = mean_accuracy([0.9])
    assert (e.mean, e.low, e.high) == (0.9, -math.inf, math.inf)
    assert math.isnan(e.p)
    assert difference([0.5, 0.5], [0.5, 0.5]).p == 1.0
    alike = difference([0.9, 0.8], [0.8, 0.7])
    assert (alike.mean, alike.low, alike.high) == (pytest.approx(0.1), -math.inf, math.inf)
    assert math.isnan(alike.p)
    for bad in ([], [[1.0]], [math.nan]):
        with pytest.raises(InvalidInput):
            mean_accuracy(bad)
    with pytest.raises(InvalidInput, match="pairs"):
        difference([1.0], [1.0, 2.0])


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60))
def test_mcnemar_by_counting(pairs):
    a, b = np.array(pairs).T
    found = mcnemar(a, b)
    n, k = found.first + found.second, min(found.first, found.second)
    tail = sum(math.comb(n, i) for i in range(k + 1)) / 2**n
    assert found.p == pytest.approx(min(1.0, 2 * tail) if n and found.first != found.second else 1.0)
    assert found.first - found.second == int(a.sum()) - int(b.sum())


def test_wilson_is_symmetric():
    low, high = wilson(3, 20)
    assert wilson(17, 20) == pytest.approx((1 - high, 1 - low))

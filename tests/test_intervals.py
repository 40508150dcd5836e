"""Intervals against what they promise: the chance to hold the truth, computed from the distributions."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import chi2, poisson

from bitket.intervals import poisson_interval, unseen


def test_an_outcome_of_that_probability_stays_away_with_a_chance_of_five_percent():
    trials = np.array([1, 10, 1000])
    np.testing.assert_allclose((1 - unseen(trials)) ** trials, 0.05, rtol=1e-12)
    assert unseen(10_000) * 10_000 == pytest.approx(3, rel=2e-3)


@pytest.mark.parametrize("mean", [0.05, 0.7, 3.0, 25.0])
def test_rates_lie_in_their_interval_in_95_percent_or_more(mean):
    counts = np.arange(200)
    bounds = np.array([poisson_interval(int(k), 2.0) for k in counts])
    held = (bounds[:, 0] <= mean / 2) & (mean / 2 <= bounds[:, 1])
    assert poisson.pmf(counts[held], mean).sum() >= 0.95
    np.testing.assert_allclose(bounds[1:, 0], chi2.ppf(0.025, 2 * counts[1:]) / 4, rtol=1e-10)
    np.testing.assert_allclose(bounds[:, 1], chi2.ppf(0.975, 2 * counts + 2) / 4, rtol=1e-10)

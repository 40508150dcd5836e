import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from bitket.errors import InvalidInput
from bitket.networks.photonics import Detector, Fibre, LightSource, SpdcSource, live_clicks


def one_by_one(times, dead_time):
    clicks, ready = [], -1
    for time in times:
        clicks.append(time > ready)
        if time > ready:
            ready = time + dead_time
    return np.array(clicks, dtype=bool)


def rng(seed=0):
    return np.random.default_rng(seed)


@given(st.lists(st.integers(0, 300), max_size=200), st.integers(0, 60))
@settings(max_examples=300, deadline=None)
def test_dead_time_equals_the_plain_loop(times, dead_time):
    times = np.sort(np.array(times, dtype=np.int64))
    assert np.array_equal(live_clicks(times, dead_time), one_by_one(times, dead_time))


@pytest.mark.parametrize("flux", [1e5, 1e7, 1e9])
def test_dead_time_on_long_streams(flux):
    times = np.cumsum(rng(3).exponential(1e12 / flux, 50_000)).astype(np.int64)
    clicks = live_clicks(times, 40_000)
    assert np.array_equal(clicks, one_by_one(times, 40_000))
    assert (np.diff(times[clicks]) > 40_000).all()


@given(
    st.lists(st.integers(0, 10_000), max_size=60),
    st.lists(st.integers(0, 10_000), max_size=5),
    st.floats(0, 1),
    st.integers(0, 99),
)
@settings(max_examples=100, deadline=None)
def test_many_photons_at_once_equal_photon_by_photon(times, cuts, efficiency, seed):
    detector = Detector(efficiency=efficiency, count_rate_hz=2e9, resolution_ps=7)
    times = np.sort(np.array(times, dtype=np.int64))
    single = detector.state(rng(seed))
    expected = [click for time in times.tolist() if (click := single.photon(time)) is not None]
    many = detector.state(rng(seed))
    got = []
    for cut in [*sorted(cuts), 10_001]:
        got.extend(many.detect(times[(times >= many.now) & (times < cut)], cut).tolist())
    assert got == expected
    assert many.ready == single.ready


@given(st.integers(0, 10**13), st.integers(1, 1000))
def test_reported_time_is_the_nearest_multiple(time, resolution):
    reported = Detector(efficiency=1.0, resolution_ps=resolution).state(rng()).photon(time)
    assert reported % resolution == 0
    assert 2 * abs(reported - time) <= resolution
    assert Detector(resolution_ps=resolution, efficiency=1).state(rng()).detect([time], time + 1).tolist() == [reported]


def test_dead_time_is_strict_and_rounded_up():
    detector = Detector(efficiency=1.0, count_rate_hz=3e11, resolution_ps=1)
    assert detector.dead_time == 4
    assert detector.state(rng()).detect([0, 4, 5, 9, 10], 11).tolist() == [0, 5, 10]


def test_dark_counts_come_at_their_rate():
    detector = Detector(dark_count_hz=2e5, count_rate_hz=1e12, resolution_ps=1)
    state = detector.state(rng(1))
    counts = np.array([len(state.detect([], (k + 1) * 10**9)) for k in range(500)])  # 200 expected each
    assert abs(counts.sum() - 1e5) < 3 * math.sqrt(1e5)
    assert abs(counts.var() / counts.mean() - 1) < 3 * math.sqrt(2 / 500)
    clicks = detector.state(rng(2)).detect([], 10**11)
    assert stats.kstest(np.diff(clicks), "expon", args=(0, 5e6)).pvalue > 0.01


def test_dark_counts_as_events_have_the_same_law():
    state = Detector(dark_count_hz=1e6, count_rate_hz=2e6).state(rng(4))
    time, clicks = 0, 0
    while (time := state.next_dark(time)) < 10**11:
        clicks += state.click(time) is not None
    at_once = Detector(dark_count_hz=1e6, count_rate_hz=2e6).state(rng(5)).detect([], 10**11)
    expected = 1e5 / 1.5  # a renewal process: dead for 0.5 us, then 1 us on average
    spread = math.sqrt(1e5 / 1.5**3)
    assert abs(clicks - expected) < 4 * spread
    assert abs(len(at_once) - expected) < 4 * spread
    assert Detector().state(rng()).next_dark(0) is None


def test_photons_are_noticed_with_the_efficiency():
    state = Detector(efficiency=0.3, count_rate_hz=1e12).state(rng(6))
    assert abs(len(state.detect(np.arange(0, 10**7, 100), 10**7)) - 3e4) < 4 * math.sqrt(1e5 * 0.3 * 0.7)


@pytest.mark.parametrize(("mean", "transmission"), [(0.1, 1.0), (0.5, 0.3), (2.0, 1.0)])
def test_weak_pulses_hold_poisson_numbers(mean, transmission):
    pulses = 400_000
    photons = LightSource(mean_photons=mean).photons(pulses, rng(7), transmission)
    assert (np.diff(photons) >= 0).all()
    check_numbers(photons, pulses, stats.poisson(mean * transmission))


@pytest.mark.parametrize("modes", [1.0, 3.5, math.inf])
def test_pairs_are_thermal_for_one_mode_and_poisson_for_many(modes):
    pulses, mean = 400_000, 0.4
    law = stats.poisson(mean) if math.isinf(modes) else stats.nbinom(modes, modes / (modes + mean))
    check_numbers(SpdcSource(mean_pairs=mean, modes=modes).pairs(pulses, rng(8)), pulses, law)
    if modes == 1:
        assert np.allclose(law.pmf(range(6)), [mean**n / (1 + mean) ** (n + 1) for n in range(6)])


def check_numbers(positions, pulses, law):
    """Chi-squared on the numbers per pulse; neighbours uncorrelated; positions uniform."""
    numbers = np.bincount(positions, minlength=pulses)
    assert len(numbers) == pulses
    top = int(law.ppf(1 - 1e-4))
    observed = np.bincount(np.minimum(numbers, top), minlength=top + 1)
    expected = np.append(law.pmf(range(top)), law.sf(top - 1)) * pulses
    assert stats.chisquare(observed, expected).pvalue > 1e-3
    assert abs(np.corrcoef(numbers[1:], numbers[:-1])[0, 1]) < 4 / math.sqrt(pulses)
    assert stats.chisquare(numbers.reshape(40, -1).sum(axis=1)).pvalue > 1e-3 or law.var() > law.mean() * 1.01


def test_empty_trains_and_dark_sources():
    assert LightSource().photons(0, rng()).size == 0
    assert LightSource(mean_photons=0).photons(1000, rng()).size == 0
    assert SpdcSource(mean_pairs=0).pairs(1000, rng()).size == 0
    assert Detector().state(rng()).detect([], 0).dtype == np.int64


def test_fibre():
    fibre = Fibre(10_000, attenuation_db_per_m=0.001, light_speed=1e-4)
    assert (fibre.delay, fibre.transmission) == (10**8, pytest.approx(0.1))
    assert (Fibre(0).delay, Fibre(0).transmission) == (0, 1.0)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Fibre(-1), "length_m is -1"),
        (lambda: Fibre(1, light_speed=0), r"allowed: \(0, inf\)"),
        (lambda: Fibre(1, polarisation_fidelity=1.2), r"allowed: \[0, 1\]"),
        (lambda: Detector(efficiency=float("nan")), "efficiency is nan"),
        (lambda: Detector(count_rate_hz=0), "count_rate_hz is 0"),
        (lambda: Detector(resolution_ps=1.5), "resolution_ps is 1.5"),
        (lambda: LightSource(mean_photons=-1), "mean number is -1"),
        (lambda: LightSource().photons(-1, rng()), "number of pulses is -1"),
        (lambda: SpdcSource(modes=0.5), "modes is 0.5"),
        (lambda: Detector().state(rng()).detect([3, 2], 10), "must be sorted"),
        (lambda: Detector().state(rng()).detect([3, 12], 10), r"within \[0, 10\)"),
        (lambda: Detector().state(rng()).detect([0.5], 10), "whole picoseconds"),
        (lambda: Detector().state(rng()).detect([], 2**63), "until is"),
    ],
)
def test_errors_are_one_clear_line(make, words):
    with pytest.raises(InvalidInput, match=words) as error:
        make()
    assert "\n" not in str(error.value)

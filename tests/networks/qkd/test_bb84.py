import math

import numpy as np
import pytest

from bitket.errors import InvalidInput
from bitket.networks.analysers import BeamSplitter, PolarisationAnalyser, TimeBinAnalyser
from bitket.networks.photonics import Detector, Fibre, LightSource
from bitket.networks.qkd import bb84
from bitket.networks.qkd.bb84 import Bb84


def rng(seed=0):
    return np.random.default_rng(seed)


def binomial(share, p, n, sigmas=4):
    return abs(share - p) < sigmas * math.sqrt(p * (1 - p) / n) + 1e-12


FAST = Detector(count_rate_hz=1e12, resolution_ps=10)


@pytest.mark.parametrize("analyser", [PolarisationAnalyser(FAST), TimeBinAnalyser(FAST), PolarisationAnalyser()])
@pytest.mark.parametrize("seed", range(3))
def test_half_of_the_detections_are_sifted(analyser, seed):
    result = Bb84(Fibre(30_000), analyser=analyser).run(50_000, rng(seed), keys=2)
    assert binomial(result.sift_ratio, 0.5, result.detections)
    assert result.errors == 0
    assert np.array_equal(result.alice, result.bob)
    assert result.alice.shape == (2, 50_000)
    assert binomial(result.alice.mean(), 0.5, result.alice.size)


@pytest.mark.parametrize("fidelity", [0.98, 0.9, 0.0])
def test_error_rate_is_half_of_the_turned_polarisations(fidelity):
    link = Bb84(Fibre(10_000, polarisation_fidelity=fidelity))
    result = link.run(100_000, rng(1))
    assert binomial(result.qber, (1 - fidelity) / 2, result.sifted)
    assert (result.alice != result.bob).mean() == pytest.approx(result.qber, abs=0.01)
    assert (
        Bb84(Fibre(10_000, polarisation_fidelity=fidelity), analyser=TimeBinAnalyser()).run(9_000, rng(1)).errors == 0
    )


def test_phase_errors_act_in_one_basis_alone():
    source = LightSource(phase_error=0.12)
    for analyser, rate in (
        (PolarisationAnalyser(), 0.06),
        (TimeBinAnalyser(FAST), 0.04),  # a third of the bits: half of the interferometer's photons say nothing
        (TimeBinAnalyser(FAST, phase_error=0.12), (0.24 - 2 * 0.12**2) / 3),
    ):
        result = Bb84(Fibre(10_000), source, analyser).run(100_000, rng(2))
        assert binomial(result.qber, rate, result.sifted)


def test_detections_follow_the_link_budget():
    fibre, source = Fibre(25_000), LightSource(mean_photons=0.3)
    analyser = PolarisationAnalyser(Detector(efficiency=0.6, count_rate_hz=1e12), BeamSplitter(0.8))
    result = Bb84(fibre, source, analyser).run(60_000, rng(3))
    assert binomial(
        result.detections / result.pulses, -math.expm1(-0.3 * fibre.transmission * 0.6 * 0.8), result.pulses
    )


def test_dark_counts_alone_give_random_bits():
    detector = Detector(efficiency=0.0, dark_count_hz=1e6)
    for analyser in (PolarisationAnalyser(detector), TimeBinAnalyser(detector)):
        result = Bb84(Fibre(1_000), analyser=analyser).run(10_000, rng(4))
        assert result.sifted > 5_000
        assert binomial(result.qber, 0.5, result.sifted)
        assert binomial(result.sift_ratio, 0.5, result.detections)


def test_contradicting_clicks_give_random_bits():
    # A hundred photons of random polarisation in each pulse: both detectors always click, in each pulse.
    link = Bb84(Fibre(0, polarisation_fidelity=0.0), LightSource(mean_photons=100.0), PolarisationAnalyser(FAST))
    result = link.run(20_000, rng(5))
    assert result.detections == result.pulses
    assert binomial(result.qber, 0.5, result.sifted)


def test_times_follow_the_messages():
    link = Bb84(Fibre(20_000), classical_delay_ps=7 * 10**9)
    result = link.run(1000, rng(6), keys=3, limit_s=1.0)
    train = 10_000 * 12_500
    trains = result.pulses // 10_000
    expected = (4 * 7e9 + 1e8 + np.arange(1, trains + 1) * train) / 1e12
    assert np.isin(result.finished_s.round(9), expected.round(9)).all()
    assert result.finished_s[-1] == pytest.approx(expected[-1])
    assert result.latency_s == result.finished_s[0]
    assert result.throughput_bps == pytest.approx(3000 / result.finished_s[-1])


def test_time_runs_out():
    result = Bb84(Fibre(200_000)).run(1000, rng(7), limit_s=0.01)
    assert result.alice.shape == result.bob.shape == (0, 1000)
    assert (result.latency_s, result.throughput_bps) == (math.inf, 0.0)
    assert 0 < result.pulses * 12_500 <= 10**10
    assert math.isnan(Bb84(Fibre(200_000)).run(1000, rng(7), limit_s=1e-5).qber)


def test_blocks_change_nothing_but_the_draws(monkeypatch):
    link = Bb84(Fibre(5_000, polarisation_fidelity=0.9), analyser=PolarisationAnalyser(Detector(dark_count_hz=1e5)))
    whole = link.run(50_000, rng(8))
    monkeypatch.setattr(bb84, "_BLOCK", 50)
    pieces = link.run(50_000, rng(9))
    assert whole.pulses == pieces.pulses
    spread = math.sqrt(2 * whole.detections)
    assert abs(whole.detections - pieces.detections) < 4 * spread
    assert abs(whole.qber - pieces.qber) < 4 * math.sqrt(2 * 0.05 / whole.sifted)
    again = link.run(50_000, rng(9))
    assert np.array_equal(again.alice, pieces.alice)
    assert np.array_equal(again.bob, pieces.bob)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Bb84(Fibre(1), LightSource(mean_photons=0)), "sends no photons"),
        (lambda: Bb84(Fibre(1), LightSource(rate_hz=1e9), TimeBinAnalyser()), "pulse period of 1000 ps"),
        (lambda: Bb84(Fibre(1), classical_delay_ps=-1), "classical_delay_ps is -1"),
        (lambda: Bb84(Fibre(1)).run(0, rng()), "keys of 0 bits"),
        (lambda: Bb84(Fibre(1)).run(10, rng(), limit_s=0), "limit_s is 0"),
    ],
)
def test_errors_are_one_clear_line(make, words):
    with pytest.raises(InvalidInput, match=words):
        make()

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from bitket.errors import InvalidInput
from bitket.networks.analysers import (
    BeamSplitter,
    PolarisationAnalyser,
    TimeBinAnalyser,
    bell_detections,
    bell_state,
    qubit_angle,
)
from bitket.networks.photonics import Detector


def rng(seed=0):
    return np.random.default_rng(seed)


@given(st.floats(-4, 4), st.integers(0, 1), st.integers(0, 999))
@settings(max_examples=30, deadline=None)
def test_beam_splitter_follows_born(angle, basis, seed):
    n, fidelity = 20_000, 0.8
    ones = qubit_angle(1, basis)
    p = abs(np.cos(angle) * np.cos(ones) + np.sin(angle) * np.sin(ones)) ** 2
    out = BeamSplitter(fidelity).outputs(np.full(n, angle), np.full(n, basis, np.uint8), rng(seed))
    for value, share in ((1, fidelity * p), (0, fidelity * (1 - p)), (-1, 1 - fidelity)):
        assert abs(np.mean(out == value) - share) < 5 * math.sqrt(share * (1 - share) / n) + 1e-9


@pytest.mark.parametrize("angle", [0.0, np.pi / 2, np.pi / 4, 3 * np.pi / 4, 0.4])
@pytest.mark.parametrize("phase_error", [0.0, 0.2])
def test_interferometer_follows_its_amplitudes(angle, phase_error):
    n, separation = 100_000, 1000
    analyser = TimeBinAnalyser(separation_ps=separation, phase_error=phase_error)
    times, where = analyser.paths(np.zeros(n, np.int64), np.full(n, angle), np.ones(n, np.uint8), rng(1))
    # Amplitudes on (slot, output): each arm adds 0 or one slot; the second beam splitter subtracts at output 1.
    expected = np.zeros((3, 2))
    for sign, weight in ((1, 1 - phase_error), (-1, phase_error)):
        amplitudes = np.zeros((3, 2))
        for bin_, arm, output in itertools.product(range(2), repeat=3):
            amplitude = (np.cos(angle), sign * np.sin(angle))[bin_]
            amplitudes[bin_ + arm, output] += amplitude / 2 * (-1 if output and not arm else 1)
        expected += weight * amplitudes**2
    assert expected.sum() == pytest.approx(1)
    got = np.zeros((3, 2))
    np.add.at(got, (times // separation, where - 1), 1)
    assert (abs(got / n - expected) < 5 * np.sqrt(expected * (1 - expected) / n) + 1e-9).all()


def test_time_bins_reach_the_direct_detector():
    analyser = TimeBinAnalyser(Detector(efficiency=1.0, resolution_ps=10), separation_ps=1000)
    angles = qubit_angle(np.array([0, 1, 0]), 0)
    clicks = analyser.state(rng()).detect(np.array([0, 50_000, 100_000]), angles, np.zeros(3, np.uint8), 200_000)
    assert [c.tolist() for c in clicks] == [[0, 51_000, 100_000], [], []]
    assert analyser.bits(0, np.array([0, 1000, 2000, 440, 560]))[0].tolist() == [0, 1, -1, 0, 1]
    assert analyser.bits(2, np.array([0, 1000, 2000]))[0].tolist() == [-1, 1, -1]


def fock(state, visibility):
    """Joint law of two detectors by second quantisation: modes (input or output, bit, wave packet), creation operators multiplied out."""
    law = np.zeros((4, 4))
    overlap = math.sqrt(visibility)
    rho = np.outer(state, state.conj())
    values, vectors = np.linalg.eigh(rho)
    for value, vector in zip(values, vectors.T, strict=True):
        amplitudes = {}
        for (i, c), packet in itertools.product(enumerate(vector), range(2)):
            weight = (overlap, math.sqrt(1 - visibility))[packet]
            for out_a, out_b in itertools.product(range(2), repeat=2):
                mode_a, mode_b = (out_a, i >> 1, 0), (out_b, i & 1, packet)
                key = tuple(sorted((mode_a, mode_b)))
                amplitudes[key] = amplitudes.get(key, 0) + c * weight / 2 * (-1 if out_b else 1)
        for (a, b), amplitude in amplitudes.items():
            probability = value * abs(amplitude) ** 2 * (2 if a == b else 1)
            first, second = sorted((2 * a[0] + a[1], 2 * b[0] + b[1]))
            law[first, second] += probability
    return law


@pytest.mark.parametrize("visibility", [1.0, 0.7, 0.0])
@pytest.mark.parametrize("seed", range(4))
def test_bell_detections_equal_second_quantisation(seed, visibility):
    n = 60_000
    state = rng(seed).normal(size=4) + 1j * rng(seed + 9).normal(size=4)
    state /= np.linalg.norm(state)
    law = fock(state, visibility)
    assert law.sum() == pytest.approx(1)
    got = np.zeros((4, 4))
    np.add.at(got, tuple(bell_detections(state, n, rng(seed), visibility).T), 1)
    possible = law > 1e-12
    assert not got[~possible].any()
    assert stats.chisquare(got[possible], law[possible] * n).pvalue > 1e-3


def test_bell_states_are_told_apart_as_linear_optics_can():
    bell = np.array([[1, 0, 0, 1], [1, 0, 0, -1], [0, 1, 1, 0], [0, 1, -1, 0]]) / math.sqrt(2)
    verdicts = [set(bell_state(*bell_detections(state, 200, rng(), 1.0).T).tolist()) for state in bell]
    assert verdicts == [{0}, {0}, {1}, {-1}]
    mixed = np.eye(4) / 4
    found = bell_state(*bell_detections(mixed, 40_000, rng()).T)
    assert abs(np.mean(found != 0) - 0.5) < 4 * 0.5 / 200


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: BeamSplitter(1.1), "fidelity is 1.1"),
        (lambda: TimeBinAnalyser(separation_ps=100), "separation_ps is 100"),
        (lambda: TimeBinAnalyser().check(4000), "third of the pulse period of 4000"),
        (lambda: PolarisationAnalyser(Detector(resolution_ps=9000)).check(4000), "resolution_ps is 9000"),
        (lambda: bell_detections([1, 0, 0, 1], 1, rng()), "norm 1"),
        (lambda: bell_detections([1, 0, 0, 0], 1, rng(), 2.0), "visibility is 2"),
    ],
)
def test_errors_are_one_clear_line(make, words):
    with pytest.raises(InvalidInput, match=words):
        make()

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitket.errors import InvalidInput
from bitket.networks.analysers import PolarisationAnalyser
from bitket.networks.photonics import Detector, Fibre, LightSource
from bitket.networks.qkd import cascade
from bitket.networks.qkd.bb84 import Bb84
from bitket.networks.qkd.cascade import FRAME, Alice, Bob, Cascade, Pass, Sample, first_block
from bitket.networks.qkd.privacy import (
    binary_entropy,
    multi_photon_share,
    secret_length,
    toeplitz_hash,
    toeplitz_seed,
)


def rng(seed=0):
    return np.random.default_rng(seed)


def keys(bits, error_rate, seed):
    generator = rng(seed)
    key = generator.integers(0, 2, bits, dtype=np.uint8)
    return key, key ^ (generator.random(bits) < error_rate).astype(np.uint8), generator


@pytest.mark.parametrize("error_rate", [0.01, 0.03, 0.05])
@pytest.mark.parametrize("seed", range(5))
def test_keys_become_equal_at_the_expected_cost(error_rate, seed):
    alice, bob, generator = keys(10_000 + 12 * FRAME, error_rate, seed)
    result = Cascade().run(alice, bob, generator)
    assert np.array_equal(result.alice, result.bob)
    assert len(result.alice) + result.dropped == 12 * FRAME
    assert result.dropped <= FRAME
    expected = 1.2 * 12 * FRAME * binary_entropy(error_rate)
    assert abs(result.disclosed / expected - 1) < 0.25
    assert result.error_rate == pytest.approx(np.mean(alice[:10_000] != bob[:10_000]))
    if not result.dropped:
        assert np.array_equal(result.alice, alice[10_000:])
        assert result.corrected == np.count_nonzero(alice[10_000:] != bob[10_000:])


@given(st.integers(1, 30_000), st.floats(0, 0.5), st.floats(0, 0.5), st.integers(0, 2**32))
@settings(max_examples=60, deadline=None)
def test_keys_become_equal_whatever_they_were(bits, true_rate, error_rate, seed):
    alice, bob, generator = keys(bits, true_rate, seed)
    before = bob.copy()
    result = Cascade().run(alice, bob, generator, error_rate=error_rate)
    assert np.array_equal(result.alice, result.bob)
    assert np.array_equal(bob, before)
    assert len(result.alice) + result.dropped == bits
    frames = [alice[start : start + FRAME] for start in range(0, bits, FRAME)]
    kept = [result.alice[start : start + FRAME] for start in range(0, len(result.alice), FRAME)]
    assert all(any(np.array_equal(frame, other) for other in frames) for frame in kept)


@given(st.floats(0, 0.5))
@settings(max_examples=60, deadline=None)
def test_first_block_is_the_largest_allowed(p):
    def allowed(k):
        return k * p - (1 - (1 - 2 * p) ** k) / 2 < math.log(2) / 2

    k = first_block(p, 300)
    assert allowed(k)
    assert k == 300 or not allowed(k + 1)


@pytest.mark.parametrize("stop", [FRAME, 3 * FRAME, 2 * FRAME + 777, 5])
def test_passes_shuffle_within_frames(stop):
    for number in range(3):
        question = Pass(number, 0, stop, 100, 12345)
        order, edges = cascade._order(question), cascade._edges(question)
        assert np.array_equal(np.sort(order), np.arange(stop))
        assert np.array_equal(order // FRAME, np.arange(stop) // FRAME)
        assert (number == 0) == np.array_equal(order, np.arange(stop)) or stop == 5
        sizes = np.diff(edges)
        assert edges[0] == 0
        assert edges[-1] == stop
        assert sizes.min() >= 1
        assert sizes.max() <= 100
        assert set(range(0, stop, FRAME)) <= set(edges.tolist())


def test_cost_of_one_error_is_counted_to_the_bit():
    key = rng(1).integers(0, 2, FRAME, dtype=np.uint8)
    wrong = key.copy()
    wrong[100] ^= 1
    result = Cascade().run(key, wrong, rng(2), error_rate=0.01)
    blocks = [73, 146, 292, 584]
    passes = sum(math.ceil(FRAME / block) for block in blocks)
    # Bit 100 lies in the block [73, 146): halved to 36 and 37, and so on; left halves are asked for.
    low, high, asked = 73, 146, 0
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if middle > 100 else (middle, high)
        asked += 1
    assert result.disclosed == passes + asked + 64
    assert result.messages == 2 * (4 + asked + 1)
    assert result.corrected == 1


def test_errors_that_hide_in_pairs_are_found_by_looking_back():
    key = rng(3).integers(0, 2, FRAME, dtype=np.uint8)
    wrong = key.copy()
    wrong[[0, 1, 80, 90, 5000, 5010]] ^= 1  # two in each block of the first pass
    result = Cascade().run(key, wrong, rng(4), error_rate=0.01)
    assert np.array_equal(result.bob, key)
    assert result.corrected == 6


def test_the_parties_share_nothing_but_messages():
    alice_key, bob_key, _ = keys(40_000, 0.04, 5)
    alice, bob = Alice(alice_key), Bob(bob_key, rng(6))
    log = []
    questions = bob.questions()
    question = next(questions)
    while question is not None:
        log.append((question, alice.answer(question)))
        question = questions.send(log[-1][1])
    # Bob alone, with the record of what he heard, does the same again; Alice's answers depend on the questions alone.
    again = Bob(bob_key, rng(6))
    replay = again.questions()
    question = next(replay)
    for _asked, heard in log:
        assert question is not None
        question = replay.send(heard)
    assert question is None
    assert np.array_equal(again.key, bob.key)
    other = Alice(alice_key)
    assert all(np.array_equal(other.answer(asked), heard) for asked, heard in log)
    given_away = sum(len(heard) for asked, heard in log if not isinstance(asked, Sample))
    assert alice.disclosed == bob.disclosed == given_away
    assert bob.asked == len(log)


def test_a_key_from_light():
    link = Bb84(
        Fibre(20_000, polarisation_fidelity=0.96), LightSource(), PolarisationAnalyser(Detector(dark_count_hz=100))
    )
    generator = rng(7)
    raw = link.run(600_000, generator)
    result = Cascade(sample=100_000).run(raw.alice[0], raw.bob[0], generator)
    length = secret_length(
        len(result.alice),
        error_rate=result.error_rate,
        disclosed=result.disclosed,
        sample=100_000,
        multi_photon=multi_photon_share(0.1, raw.detections / raw.pulses),
    )
    assert 0.2 < length / len(result.alice) < 0.6
    seed = toeplitz_seed(len(result.alice), length, generator)
    secret = toeplitz_hash(result.alice, seed)
    assert np.array_equal(secret, toeplitz_hash(result.bob, seed))
    assert abs(secret.mean() - 0.5) < 4 * 0.5 / math.sqrt(length)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (
            lambda: Cascade().run(np.zeros(20_000, np.uint8), np.zeros(20_001, np.uint8), rng()),
            "keys of 20000 and 20001",
        ),
        (lambda: Cascade().run(np.zeros(10_000, np.uint8), np.zeros(10_000, np.uint8), rng()), "more than the sample"),
        (lambda: Cascade().run(np.zeros(9, np.uint8), np.full(9, 2), rng(), error_rate=0.1), "Bob's key"),
        (lambda: Cascade().run(np.zeros((3, 3)), np.zeros(9, np.uint8), rng(), error_rate=0.1), "Alice's key"),
        (
            lambda: Cascade().run(np.zeros(9, np.uint8), np.zeros(9, np.uint8), rng(), error_rate=0.6),
            "error_rate is 0.6",
        ),
        (lambda: Cascade(sample=0).run(np.zeros(9, np.uint8), np.zeros(9, np.uint8), rng()), "sample is 0"),
    ],
)
def test_errors_are_one_clear_line(make, words):
    with pytest.raises(InvalidInput, match=words):
        make()

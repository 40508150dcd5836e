import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.linalg import toeplitz

from bitket.algebra.gf2 import BitMatrix
from bitket.errors import InvalidInput
from bitket.networks.photonics import LightSource
from bitket.networks.qkd import privacy
from bitket.networks.qkd.privacy import (
    binary_entropy,
    multi_photon_share,
    secret_length,
    toeplitz_hash,
    toeplitz_seed,
)


def rng(seed=0):
    return np.random.default_rng(seed)


@given(st.integers(1, 300), st.data())
@settings(max_examples=60, deadline=None)
def test_hash_is_the_dense_product_over_gf2(n, data):
    m = data.draw(st.integers(1, n))
    generator = rng(data.draw(st.integers(0, 2**32)))
    bits, seed = generator.integers(0, 2, n, dtype=np.uint8), toeplitz_seed(n, m, generator)
    matrix = toeplitz(seed[n - 1 :], seed[n - 1 :: -1])
    assert matrix.shape == (m, n)
    dense = (BitMatrix.from_dense(matrix) @ BitMatrix.from_dense(bits[:, None])).to_dense()[:, 0]
    assert np.array_equal(toeplitz_hash(bits, seed), dense)


@given(st.integers(1, 60), st.data())
@settings(max_examples=60, deadline=None)
def test_blocks_change_nothing(n, data):
    m = data.draw(st.integers(1, n))
    generator = rng(data.draw(st.integers(0, 2**32)))
    bits, seed = generator.integers(0, 2, n, dtype=np.uint8), toeplitz_seed(n, m, generator)
    whole = toeplitz_hash(bits, seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(privacy, "_FEW", 0)
        patch.setattr(privacy, "_BLOCK", data.draw(st.integers(1, 20)))
        assert np.array_equal(toeplitz_hash(bits, seed), whole)


@pytest.mark.parametrize("ones", [False, True])
def test_long_products_are_exact(ones):
    n, m = 3_000_001, 1_000_000
    generator = rng(1)
    bits, seed = generator.integers(0, 2, n, dtype=np.uint8), toeplitz_seed(n, m, generator)
    if ones:  # the largest sums
        bits[:], seed[:] = 1, 1
    got = toeplitz_hash(bits, seed)
    assert len(got) == m
    for row in (0, 1, 77_777, m - 1):
        assert got[row] == np.count_nonzero(bits & seed[row : row + n][::-1]) % 2


def test_hashes_collide_as_seldom_as_random_ones():
    n, m, tries = 40, 4, 20_000
    generator = rng(2)
    difference = np.zeros(n, dtype=np.uint8)
    difference[[3, 17, 18]] = 1
    zero = sum(not toeplitz_hash(difference, toeplitz_seed(n, m, generator)).any() for _ in range(tries))
    assert abs(zero / tries - 2**-m) < 4 * math.sqrt(2**-m / tries)


def test_length_approaches_the_asymptotic_rate():
    for q, share in ((0.01, 0.0), (0.05, 0.0), (0.02, 0.2)):
        rate = (1 - share) * (1 - binary_entropy(q / (1 - share))) - binary_entropy(q)
        for n, tolerance in ((10**8, 0.02), (10**14, 1e-4)):
            length = secret_length(
                n, error_rate=q, disclosed=round(n * binary_entropy(q)), sample=n // 10, multi_photon=share
            )
            assert 0 < rate - length / n < tolerance
    assert secret_length(10**12, error_rate=0.1101, disclosed=round(1e12 * binary_entropy(0.1101)), sample=10**11) == 0


@given(
    st.integers(0, 10**7),
    st.floats(0, 0.5),
    st.integers(0, 10**6),
    st.integers(1, 10**6),
    st.floats(1e-15, 0.1),
    st.floats(0, 1),
)
@settings(max_examples=200, deadline=None)
def test_length_never_gains_from_worse_input(n, q, disclosed, sample, security, share):
    def length(**change):
        given_ = {
            "error_rate": q,
            "disclosed": disclosed,
            "sample": sample,
            "security": security,
            "multi_photon": share,
        }
        return secret_length(n, **(given_ | change))

    m = length()
    assert 0 <= m <= max(0, n - disclosed)
    assert length(error_rate=q + 0.01) <= m
    assert length(disclosed=disclosed + 1) <= m
    assert length(security=security / 2) <= m
    assert length(multi_photon=(1 + share) / 2) <= m
    assert length(sample=sample + 1000) >= m


@pytest.mark.parametrize("mean", [1e-4, 0.1, 1.0])
def test_share_of_pulses_with_several_photons(mean):
    assert multi_photon_share(mean, 1.0) == pytest.approx(stats.poisson(mean).sf(1), rel=1e-7)
    photons = LightSource(mean_photons=mean).photons(10**6, rng(3))
    several = np.count_nonzero(np.unique(photons, return_counts=True)[1] > 1)
    expected = 10**6 * multi_photon_share(mean, 1.0)
    assert abs(several - expected) < 4 * math.sqrt(expected) + 1
    assert multi_photon_share(mean, 1e-12) == 1.0


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: toeplitz_seed(10, 11, rng()), "from 10 to 11 bits"),
        (lambda: toeplitz_hash(np.array([0, 1, 2]), np.zeros(5, np.uint8)), "integers 0 and 1"),
        (lambda: toeplitz_hash(np.array([0.0, 1.0]), np.zeros(5, np.uint8)), "integers 0 and 1"),
        (lambda: toeplitz_hash(np.array([-1, 1]), np.zeros(5, np.uint8)), "integers 0 and 1"),
        (lambda: toeplitz_hash(np.zeros(5, np.uint8), np.zeros(4, np.uint8)), "a seed of 4 bits for 5"),
        (lambda: secret_length(10, error_rate=0.1, disclosed=1, sample=0), "sample of 0"),
        (lambda: secret_length(10, error_rate=1.1, disclosed=1, sample=1), "error_rate is 1.1"),
        (lambda: multi_photon_share(0.1, 0.0), r"allowed: \(0, 1\]"),
    ],
)
def test_errors_are_one_clear_line(make, words):
    with pytest.raises(InvalidInput, match=words):
        make()

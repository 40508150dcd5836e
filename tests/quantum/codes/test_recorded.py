"""The recorded codes, from their matrices alone, by a checker that shares no code with the library; searches of several minutes."""

from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_array

from bitket.quantum.codes import dense_code
from bitket.quantum.codes.reduce import Search

from . import checker

FOLDER = Path(__file__).parents[3] / "results" / "codes"
NAMES = sorted(path.name.removesuffix("-seed.npz") for path in FOLDER.glob("*-seed.npz"))


def test_codes_are_recorded():
    assert "8-2-5-weight-6" in NAMES


@pytest.mark.parametrize("name", NAMES)
def test_recorded_codes(name):
    """The product of a factor H with itself, H of full rank: k is that of H squared and d that of H, as the kernel of H^T is {0}."""
    n, k, d = map(int, name.split("-")[:3])
    with np.load(FOLDER / f"{name}-seed.npz", allow_pickle=False) as arrays:
        H = arrays["h"]
    with np.load(FOLDER / f"{name}.npz", allow_pickle=False) as arrays:
        hx, hz = arrays["hx"], arrays["hz"]
    r = len(H)
    assert H.shape == (n - k, n)
    assert checker.rank(H) == r
    assert checker.least_of_all_words(H, n) == (k, d)
    # Rows (a, c), columns (b, d): H_X = [H (x) 1 | 1 (x) H^T], H_Z = [1 (x) H | H^T (x) 1]
    bits, checks = np.eye(n, dtype=np.uint8), np.eye(r, dtype=np.uint8)
    for found, first, second in ((hx, (H, bits), (checks, H.T)), (hz, (bits, H), (H.T, checks))):
        parts = [np.einsum("ab,cd->acbd", *pair).reshape(r * n, -1) for pair in (first, second)]
        assert (found == np.concatenate(parts, axis=1)).all()
        assert found.sum(axis=1).max() <= 6
    assert (hx.sum(axis=0) + hz.sum(axis=0)).max() <= 6
    assert not ((csr_array(hx.astype(int)) @ csr_array(hz.astype(int)).T).data % 2).any()


def test_the_smallest_recorded_code_by_brute_force():
    with np.load(FOLDER / "8-2-5-weight-6.npz", allow_pickle=False) as arrays:
        found = checker.css(arrays["hx"], arrays["hz"], most=5)
    assert (found["n"], found["k"], found["dx"], found["dz"]) == (100, 4, 5, 5)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("parameters", [(12, 3, 6), (16, 4, 8)])
def test_ppo_reaches_degree_three(parameters):
    reached = 0
    for seed in range(3):
        search = Search(dense_code(*parameters, np.random.default_rng(seed), 200_000), 6, None, seed)
        while search.evaluations < 150_000 and not search.success:
            search.update()
        reached += search.success
    assert reached >= 2

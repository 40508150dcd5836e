"""Least weights: C++ and twin against brute force."""

import itertools

import numpy as np
import pytest

from bitket.algebra import BitMatrix, codewords

TWIN = pytest.mark.parametrize("native", [True, False])


@pytest.fixture
def use(monkeypatch):
    def choose(native: bool) -> None:
        if native:
            if codewords._codewords is None:
                pytest.skip("built without a compiler")
        else:
            monkeypatch.setattr(codewords, "_codewords", None)

    return choose


def span(rows):
    for choice in itertools.product((0, 1), repeat=len(rows)):
        yield np.array(choice), (np.array(choice) @ rows % 2 if len(rows) else None)


def unpack(word, n):
    return BitMatrix(word[None], n).to_dense()[0]


@TWIN
@pytest.mark.parametrize("n", [9, 40, 70, 140, 200])
def test_enumeration_and_combinations(use, native, n):
    use(native)
    rng = np.random.default_rng(n)
    for trial in range(25):
        K = int(rng.integers(1, 12 if trial else 17))
        rows = rng.integers(0, 2, (K, n), dtype=np.uint8)
        gauge = int(rng.integers(0, K))
        words = BitMatrix.from_dense(rows).words
        choices = np.array(list(itertools.product((0, 1), repeat=K)))[:, ::-1]
        sums = choices @ rows % 2
        counts = choices[:, gauge:].any(axis=1)
        least = sums[counts].sum(axis=1).min()
        weight, word = codewords.enumerate_span(words, gauge, n + 1)
        assert weight == least
        assert unpack(word, n).sum() == least
        assert codewords.enumerate_span(words, gauge, int(least)) == (least, None)
        labels = np.zeros((K, 1), np.uint64)
        labels[gauge:, 0] = 1 << np.arange(K - gauge, dtype=np.uint64)
        for terms in (1, 2, 3):
            chosen = counts & (choices.sum(axis=1) == terms)
            weight, word = codewords.combinations(words, labels, terms, n + 1)
            assert weight == (sums[chosen].sum(axis=1).min() if chosen.any() else n + 1)
            assert (word is None) == (not chosen.any())
        weight, word, hits = codewords.information_sets(words, labels, n, 40, trial, n + 1)
        assert weight >= least
        assert unpack(word, n).sum() == weight
        assert 1 <= hits <= 40
        assert any((unpack(word, n) == s).all() for s in sums[counts])
        if K <= 10 and n <= 40:
            assert weight == least


@TWIN
def test_connected_words_of_sparse_kernels(use, native):
    use(native)
    rng = np.random.default_rng(3)
    for trial in range(60):
        m, n = int(rng.integers(2, 7)), int(rng.integers(4, 13))
        H = (rng.random((m, n)) < 0.35).astype(np.uint8)
        L = rng.integers(0, 2, (2, n), dtype=np.uint8)
        words = np.array(list(itertools.product((0, 1), repeat=n)))
        good = ~(words @ H.T % 2).any(axis=1) & (words @ L.T % 2).any(axis=1)
        labels = (L[0] + 2 * L[1]).astype(np.uint64)[:, None]
        weight, word, complete = codewords.clusters(H, labels, n + 1, 10**7)
        assert complete
        assert weight == (words[good].sum(axis=1).min() if good.any() else n + 1), trial
        if word:
            x = np.zeros(n, int)
            x[word] = 1
            assert x.sum() == weight
            assert not (H @ x % 2).any()
            assert (L @ x % 2).any()
        assert codewords.clusters(H, labels, n + 1, 3)[2] is False or n < 4 or weight == 1


@TWIN
def test_meet_in_the_middle(use, native):
    use(native)
    rng = np.random.default_rng(6)
    for trial in range(120):
        n = int(rng.integers(3, 14))
        H = rng.integers(0, 2, (int(rng.integers(1, n)), n))
        if trial % 3 == 0:  # more checks than a word has bits
            H = rng.integers(0, 2, (int(rng.integers(65, 140)), len(H))) @ H % 2
        L = rng.integers(0, 2, (70, n), dtype=np.uint8) * (rng.random((70, 1)) < 0.02)
        words = np.array(list(itertools.product((0, 1), repeat=n)))
        good = ~(words @ H.T % 2).any(axis=1) & (words @ L.T % 2).any(axis=1)
        least = words[good].sum(axis=1).min() if good.any() else n + 1
        syndromes, labels = (BitMatrix.from_dense(matrix.T.astype(np.uint8)).words for matrix in (H, L))
        weight, columns = codewords.meet_in_the_middle(syndromes, labels, n)
        assert weight == least, trial
        assert len(columns) == (weight if good.any() else 0)
        if columns:
            x = np.zeros(n, int)
            x[columns] = 1
            assert not (H @ x % 2).any()
            assert (L @ x % 2).any()
            assert codewords.meet_in_the_middle(syndromes, labels, int(least) - 1) == (least, [])
    with pytest.raises(ValueError, match="below 2"):
        codewords.meet_in_the_middle(np.zeros((1000, 1), np.uint64), np.zeros((1000, 1), np.uint64), 13)


@TWIN
def test_rank_distance_and_mask(use, native):
    use(native)
    rng = np.random.default_rng(7)
    for _ in range(150):
        m, n = int(rng.integers(1, 8)), int(rng.integers(2, 10))
        H = (rng.random((m, n)) < rng.choice([0.2, 0.5])).astype(np.uint8)
        matrix = BitMatrix.from_dense(H)
        keeps, after = np.zeros((m, n), bool), np.zeros((m, n), np.int32)
        ahead = matrix.rank() == m < n
        rank, distance = codewords.tanner_step(matrix.words[:, 0].copy(), n, keeps, after if ahead else None)
        words = np.array(list(itertools.product((0, 1), repeat=n)))[1:]
        kernel = words[~(words @ H.T % 2).any(axis=1)]
        assert rank == matrix.rank()
        assert distance == (kernel.sum(axis=1).min() if len(kernel) else 0)
        for c, v in itertools.product(range(m), range(n)):
            H[c, v] ^= 1
            assert keeps[c, v] == (BitMatrix.from_dense(H).rank() == rank)
            assert not ahead or after[c, v] == words[~(words @ H.T % 2).any(axis=1)].sum(axis=1).min()
            H[c, v] ^= 1

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st

from bitket.algebra.gf2 import BitMatrix
from bitket.errors import InvalidInput

sizes = st.one_of(st.integers(0, 12), st.integers(60, 70), st.integers(120, 200))
seeds = st.integers(0, 2**31)


def low_rank(rows: int, columns: int, rank: int, rng: np.random.Generator) -> BitMatrix:
    return BitMatrix.random(rows, rank, rng) @ BitMatrix.random(rank, columns, rng)


@given(sizes, sizes, sizes, seeds)
@settings(max_examples=60, deadline=None)
def test_arithmetic_equals_dense_arithmetic_modulo_two(m, k, n, seed):
    rng = np.random.default_rng(seed)
    a, b, c = rng.integers(0, 2, (m, k)), rng.integers(0, 2, (k, n)), rng.integers(0, 2, (m, k))
    A, B, C = BitMatrix.from_dense(a), BitMatrix.from_dense(b), BitMatrix.from_dense(c)
    assert np.array_equal(A.to_dense(), a)
    assert np.array_equal((A @ B).to_dense(), a @ b % 2)
    assert np.array_equal((A + C).to_dense(), (a + c) % 2)
    assert np.array_equal(A.T.to_dense(), a.T)
    assert np.array_equal(A.beside(C).to_dense(), np.hstack([a, c]))
    assert np.array_equal(A.above(C).to_dense(), np.vstack([a, c]))
    assert np.array_equal(A.row_weights(), a.sum(axis=1))
    assert BitMatrix.from_sparse(scipy.sparse.csr_matrix(a + 2 * c)) == A


@given(sizes, sizes, st.integers(0, 80), seeds)
@settings(max_examples=80, deadline=None)
def test_elimination_laws(m, n, r, seed):
    rng = np.random.default_rng(seed)
    A = low_rank(m, n, r, rng)
    form = A.echelon()
    assert form.transform @ A == form.matrix
    assert form.transform.rank() == m
    assert form.rank == A.rank() == A.T.rank() <= min(m, n, r)
    assert A.pivots() == list(form.pivots)
    dense = form.matrix.to_dense()
    assert list(form.pivots) == sorted(form.pivots)
    assert not dense[form.rank :].any()
    for row, pivot in enumerate(form.pivots):
        assert dense[row].argmax() == pivot
        assert dense[:, pivot].sum() == 1
    kernel = A.kernel()
    assert kernel.shape == (n - A.rank(), n)
    assert kernel.rank() == len(kernel)
    assert not (A @ kernel.T).words.any()


@given(sizes, sizes, st.integers(0, 80), seeds)
@settings(max_examples=60, deadline=None)
def test_solve_finds_a_solution_exactly_where_there_is_one(m, n, r, seed):
    rng = np.random.default_rng(seed)
    A = low_rank(m, n, r, rng)
    right = A @ BitMatrix.random(n, 3, rng)
    x = A.solve(right)
    assert x is not None
    assert A @ x == right
    other = BitMatrix.random(m, 3, rng)
    solvable = A.beside(other).rank() == A.rank()
    assert (A.solve(other) is not None) == solvable


@given(st.integers(0, 140), seeds)
@settings(max_examples=25, deadline=None)
def test_inverse_of_random_invertible(n, seed):
    A = BitMatrix.random_invertible(n, np.random.default_rng(seed))
    assert A @ A.inverse() == A.inverse() @ A == BitMatrix.identity(n)


def test_random_invertible_is_uniform_on_two_by_two():
    # six matrices; chi-square with 5 degrees of freedom stays below 20.5 with probability 0.999
    rng = np.random.default_rng(0)
    counts: dict[BitMatrix, int] = {}
    for _ in range(1200):
        matrix = BitMatrix.random_invertible(2, rng)
        counts[matrix] = counts.get(matrix, 0) + 1
    assert len(counts) == 6
    assert sum((c - 200) ** 2 / 200 for c in counts.values()) < 20.5


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: BitMatrix.from_dense([1, 0]), "two dimensions"),
        (lambda: BitMatrix.from_dense([[2]]), "0 or 1"),
        (lambda: BitMatrix.from_dense([[0.5]]), "0 or 1"),
        (lambda: BitMatrix.from_dense([[256]]), "0 or 1"),
        (lambda: BitMatrix.from_sparse([[1]]), "from_dense"),
        (lambda: BitMatrix.from_sparse(scipy.sparse.csr_matrix([[0.5]])), "integers"),
        (lambda: BitMatrix.zeros(2, 3) @ BitMatrix.zeros(2, 3), "do not fit"),
        (lambda: BitMatrix.zeros(2, 3) + BitMatrix.zeros(3, 2), "must be equal"),
        (lambda: BitMatrix.zeros(2, 3).inverse(), "square"),
        (lambda: BitMatrix.zeros(2, 2).inverse(), "rank is 0"),
        (lambda: BitMatrix.zeros(2, 2).solve(BitMatrix.zeros(3, 1)), "3 right-hand rows"),
        (lambda: BitMatrix.zeros(2, 2)[0], "slice"),
        (lambda: BitMatrix(np.array([[4]], dtype=np.uint64), 2), "beyond column 1"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(InvalidInput, match=message):
        call()

"""Linear algebra over GF(2) against galois."""

import numpy as np
import pytest

from bitket.algebra.gf2 import BitMatrix

galois = pytest.importorskip("galois")


@pytest.mark.parametrize(
    ("rows", "columns", "rank"), [(5, 9, 3), (20, 20, 20), (40, 30, 17), (30, 70, 30), (64, 130, 50)]
)
def test_elimination_equals_galois(rows, columns, rank):
    rng = np.random.default_rng(rows * columns)
    GF2 = galois.GF(2)
    a, b = GF2(rng.integers(0, 2, (rows, rank))), GF2(rng.integers(0, 2, (rank, columns)))
    product = a @ b
    ours = BitMatrix.from_dense(np.asarray(a)) @ BitMatrix.from_dense(np.asarray(b))
    assert np.array_equal(ours.to_dense(), np.asarray(product))
    assert ours.rank() == np.linalg.matrix_rank(product)
    assert np.array_equal(ours.echelon().matrix.to_dense(), np.asarray(product.row_reduce()))
    span = np.asarray(product.null_space())
    kernel = ours.kernel()
    assert len(kernel) == len(span)
    if len(span):
        assert kernel.above(BitMatrix.from_dense(span)).rank() == len(span)


def test_inverse_and_solution_equal_galois():
    rng = np.random.default_rng(4)
    GF2 = galois.GF(2)
    for size in (3, 17, 70):
        ours = BitMatrix.random_invertible(size, rng)
        theirs = GF2(ours.to_dense())
        right = rng.integers(0, 2, (size, 4), dtype=np.uint8)
        assert np.array_equal(ours.inverse().to_dense(), np.asarray(np.linalg.inv(theirs)))
        solution = ours.solve(BitMatrix.from_dense(right))
        assert solution is not None
        assert np.array_equal(solution.to_dense(), np.asarray(np.linalg.solve(theirs, GF2(right))))

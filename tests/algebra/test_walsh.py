import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import hadamard

from bitket.algebra.walsh import sequency_order, walsh_hadamard
from bitket.errors import InvalidInput


@given(st.integers(0, 9), st.integers(0, 2**31))
@settings(max_examples=40, deadline=None)
def test_equals_the_dense_product(bits, seed):
    rng = np.random.default_rng(seed)
    dense = hadamard(1 << bits)
    real = rng.normal(size=(2, 3, 1 << bits))
    for x in (
        real,
        real.astype(np.float32),
        real + 1j * rng.normal(size=real.shape),
        rng.integers(-99, 99, real.shape),
    ):
        before = x.copy()
        got = walsh_hadamard(x)
        assert np.array_equal(x, before)
        assert got.dtype == x.dtype
        assert np.allclose(got, x @ dense, atol=1e-3 if x.dtype == np.float32 else 1e-9)
        assert np.allclose(
            walsh_hadamard(torch.tensor(x)).numpy(), x @ dense, atol=1e-3 if x.dtype == np.float32 else 1e-9
        )
        walsh_hadamard(x, out=x)
        assert np.array_equal(x, got)


@pytest.mark.parametrize("bits", range(8))
def test_sequency_rows_change_sign_k_times(bits):
    rows = hadamard(1 << bits)[sequency_order(bits)]
    assert (np.diff(rows, axis=1) != 0).sum(axis=1).tolist() == list(range(1 << bits))
    x = np.random.default_rng(0).normal(size=1 << bits)
    assert np.allclose(walsh_hadamard(x, sequency=True, orthonormal=True), rows @ x / 2 ** (bits / 2))


def test_gradient_is_the_transform():
    x = torch.randn(8, dtype=torch.float64, generator=torch.Generator().manual_seed(0), requires_grad=True)
    assert torch.autograd.gradcheck(walsh_hadamard, (x,))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: walsh_hadamard(np.ones(3)), "power of two"),
        (lambda: walsh_hadamard(np.ones(4, dtype=int), orthonormal=True), "integers"),
        (lambda: walsh_hadamard(np.ones(4), out=np.ones(8)), "contiguous array"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(InvalidInput, match=message):
        call()

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import hadamard

from bitket.algebra.walsh import _on_any_device, sequency_order, walsh_hadamard
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


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex128, np.int64])
@pytest.mark.parametrize("shape", [(1 << 18,), (3, 1 << 16), (5, 1 << 13)])
def test_arrays_larger_than_the_cache_pieces(shape, dtype):
    rng = np.random.default_rng(2)
    x = rng.integers(-9, 9, shape).astype(dtype)
    bits = shape[-1].bit_length() - 1
    k = rng.integers(0, 1 << bits, 5)
    signs = 1 - 2.0 * (np.bitwise_count(np.arange(1 << bits)[:, None] & k) & 1)
    assert np.allclose(walsh_hadamard(x)[..., k], x @ signs)


def test_first_and_second_derivatives_of_tensors():
    generator = torch.Generator().manual_seed(0)
    for dtype in (torch.float64, torch.complex128):
        x = torch.randn(2, 8, dtype=dtype, generator=generator, requires_grad=True)
        assert torch.autograd.gradcheck(walsh_hadamard, (x,))
        assert torch.autograd.gradcheck(walsh_hadamard, (x,), check_forward_ad=True)
        assert torch.autograd.gradgradcheck(walsh_hadamard, (x,))
    x = torch.randn(4, 8, dtype=torch.float64, generator=generator)
    assert torch.allclose(torch.func.vmap(walsh_hadamard, in_dims=1)(x.T), walsh_hadamard(x))


@pytest.mark.parametrize("dtype", [torch.float64, torch.complex128, torch.bfloat16, torch.int64])
def test_operators_for_every_device_equal_the_cpu_path(dtype):
    x = torch.randint(-3, 4, (3, 64), generator=torch.Generator().manual_seed(1)).to(dtype)
    dense = torch.as_tensor(hadamard(64)).to(dtype)
    assert torch.equal(_on_any_device(x, 6), x @ dense)
    assert torch.equal(walsh_hadamard(x), x @ dense)


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

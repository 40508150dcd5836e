import numpy as np
import pytest
import torch

from bitket.errors import InvalidInput
from bitket.quantum.learning.composed import ConvolutionPair
from bitket.quantum.learning.flipped import FlippedQuanv2d

F64 = torch.float64


def made(*sizes, seed=0, **options):
    return FlippedQuanv2d(*sizes, generator=torch.Generator().manual_seed(seed), dtype=F64, **options)


def patch_by_patch(layer, images):
    """The expectation values themselves, with nothing known of convolutions."""
    k, side = layer.kernel_size[0], 1 << layer.gates.qubits
    pad = layer.padding if isinstance(layer.padding, int) else layer.padding[0]
    step = layer.stride if isinstance(layer.stride, int) else layer.stride[0]
    x = np.pad(images.numpy(), ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    rows = (x.shape[2] - k) // step + 1
    columns = (x.shape[3] - k) // step + 1
    psi = layer.gates().detach().numpy()[..., 0]
    out = np.zeros((len(x), layer.c_out, rows, columns))
    for b, o, r, c in np.ndindex(out.shape):
        for i in range(layer.c_in):
            patch = np.zeros((side, side))
            patch[:k, :k] = x[b, i, r * step : r * step + k, c * step : c * step + k]
            observable = (patch + patch.T) / 2
            out[b, o, r, c] += (psi[o, i].conj() @ observable @ psi[o, i]).real / layer.c_in
    return out + layer.bias.detach().numpy()[:, None, None]


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("padding", [0, 1])
@pytest.mark.parametrize(
    ("c_in", "c_out", "k", "side"), [(1, 3, 3, 7), (3, 2, 3, 6), (2, 2, 2, 5), (2, 1, 4, 8), (1, 2, 5, 9)]
)
def test_is_the_expectation_value_of_each_patch(c_in, c_out, k, side, stride, padding):
    layer = made(c_in, c_out, k, stride, padding)
    images = torch.randn(2, c_in, side, side, dtype=F64, generator=torch.Generator().manual_seed(1))
    np.testing.assert_allclose(layer(images).detach(), patch_by_patch(layer, images), atol=1e-12)


def test_angles_of_zero_give_the_first_pixel_of_each_patch():
    layer = made(3, 4, 3)
    with torch.no_grad():
        layer.gates.theta.zero_()
    images = torch.randn(2, 3, 8, 8, dtype=F64, generator=torch.Generator().manual_seed(1))
    expected = images.mean(1)[:, None, :6, :6] + layer.bias[:, None, None]
    torch.testing.assert_close(layer(images), expected.expand(2, 4, 6, 6), atol=1e-12, rtol=0)


@pytest.mark.parametrize("k", [2, 3, 4, 5, 7])
def test_kernels_are_symmetric_positive_and_of_small_trace(k):
    kernels = made(3, 5, k).weight.detach()
    torch.testing.assert_close(kernels, kernels.mT, atol=1e-15, rtol=0)
    assert torch.linalg.eigvalsh(kernels).min() >= -1e-12
    assert kernels.diagonal(dim1=-2, dim2=-1).sum(-1).max() <= 1 / 3 + 1e-12


def test_gradients():
    layer = made(2, 2, 3)
    names = [name for name, _ in layer.named_parameters()]

    def output(images, *values):
        return torch.func.functional_call(layer, dict(zip(names, values, strict=True)), images)

    for images in (torch.zeros(2, 2, 4, 4, dtype=F64), torch.randn(2, 2, 4, 4, dtype=F64)):
        assert torch.autograd.gradcheck(output, (images.requires_grad_(), *layer.parameters()))
    with torch.no_grad():
        layer.gates.theta.zero_()  # all eigenvalues are the same
    assert torch.autograd.gradcheck(output, (torch.randn(1, 2, 4, 4, dtype=F64), *layer.parameters()))


def test_wrong_sizes_are_named():
    with pytest.raises(InvalidInput, match="1 x 1 has no qubit"):
        FlippedQuanv2d(1, 1, 1)
    with pytest.raises(InvalidInput, match="0 to 3 channels"):
        FlippedQuanv2d(0, 3)


@pytest.mark.parametrize("padding", [0, 1])
@pytest.mark.parametrize("bias", [True, False])
def test_two_convolutions_as_one(padding, bias):
    plain = torch.nn.Conv2d(2, 5, 3, padding=padding, bias=bias, dtype=F64), torch.nn.Conv2d(5, 3, 2, dtype=F64)
    flipped = made(2, 5, 3, padding=padding, bias=bias), made(5, 3, 3, seed=1, bias=bias)
    images = torch.randn(2, 2, 8, 8, dtype=F64)
    for pair in (plain, flipped, (plain[0], flipped[1])):
        one, after = ConvolutionPair(*pair), torch.nn.Sequential(*pair)
        torch.testing.assert_close(one(images), after(images), atol=1e-12, rtol=1e-12)
        slopes = [torch.autograd.grad(m(images).square().sum(), list(m.parameters())) for m in (one, after)]
        for a, b in zip(*slopes, strict=True):
            torch.testing.assert_close(a, b, atol=1e-9, rtol=1e-9)


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        (torch.nn.Conv2d(1, 4, 3, stride=2), torch.nn.Conv2d(4, 2, 3), "strides of 1"),
        (torch.nn.Conv2d(2, 4, 3, groups=2), torch.nn.Conv2d(4, 2, 3), "groups, dilation"),
        (torch.nn.Conv2d(1, 4, 3), torch.nn.Conv2d(4, 2, 3, padding=1), "of the second; none is possible"),
        (torch.nn.Conv2d(1, 4, 3), torch.nn.Conv2d(3, 2, 3), "first gives 4 channels, the second takes 3"),
        (torch.nn.Linear(1, 4), torch.nn.Conv2d(3, 2, 3), "a Linear in a pair"),
    ],
)
def test_pairs_that_are_no_single_convolution(first, second, message):
    with pytest.raises(InvalidInput, match=message):
        ConvolutionPair(first, second)

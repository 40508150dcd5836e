import math

import numpy as np
import pytest
import scipy.linalg
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bitket.errors import InvalidInput
from bitket.learning.training import Training
from bitket.quantum.learning.reuploading import ReuploadingLinear

F64 = torch.float64


def made(*sizes, seed=0, **options):
    return ReuploadingLinear(*sizes, generator=torch.Generator().manual_seed(seed), dtype=F64, **options)


def explicit(layer, x):
    """One exponential for each sample and repetition."""
    side = 1 << layer.qubits
    gates = [u.numpy() for u in layer.gates().detach()]
    out = []
    for sample in x.numpy():
        matrix = np.zeros(side * side)
        matrix[: len(sample)] = sample
        matrix = matrix.reshape(side, side)
        state = np.full(side, side**-0.5, complex)
        for gate in gates:
            state = gate @ (scipy.linalg.expm(0.5j * (matrix + matrix.T) / layer.repetitions) @ state)
        out.append(abs(state[: layer.d_out]) ** 2)
    return np.array(out) + layer.bias.detach().numpy()


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 20), st.integers(1, 8), st.integers(1, 4), st.integers(0, 1000))
def test_equals_the_explicit_exponentials(d_in, d_out, repetitions, seed):
    layer = made(d_in, d_out, None, repetitions, seed=seed)
    x = torch.randn(3, d_in, dtype=F64, generator=torch.Generator().manual_seed(seed))
    np.testing.assert_allclose(layer(x).detach(), explicit(layer, x), atol=1e-10)


def test_nothing_in_and_angles_of_zero_leave_the_uniform_state():
    layer = made(30, 6, 4)
    with torch.no_grad():
        layer.gates.theta.zero_()
    np.testing.assert_allclose((layer(torch.zeros(2, 30, dtype=F64)) - layer.bias).detach(), 1 / 16, atol=1e-12)


def test_outputs_are_probabilities():
    layer = made(50, 8)
    outputs = layer(5 * torch.randn(20, 50, dtype=F64, generator=torch.Generator().manual_seed(1))) - layer.bias
    np.testing.assert_allclose(outputs.sum(1).detach(), 1, atol=1e-10)
    assert outputs.min() >= 0


def test_cross_entropy_of_balanced_classes_has_a_floor():
    """Scores that are probabilities plus a bias: no bias goes below ln(1 + (k - 1)/e), and no training does."""
    floor, classes = math.log(1 + 9 / math.e), torch.arange(10)
    g = torch.Generator().manual_seed(0)
    perfect = torch.nn.functional.cross_entropy(torch.eye(10, dtype=F64), classes)
    assert float(perfect) == pytest.approx(floor, abs=1e-12)
    for width in (0.1, 1.0, 10.0):
        biases = width * torch.randn(50, 1, 10, dtype=F64, generator=g)
        losses = torch.nn.functional.cross_entropy((torch.eye(10, dtype=F64) + biases).mT, classes.expand(50, 10))
        assert float(losses) >= floor
    layer = made(16, 10)
    x = torch.randn(10, 16, dtype=F64, generator=g)
    history = Training(300, learning_rate=0.05).fit(layer, torch.nn.functional.cross_entropy, x, classes).history
    assert floor < min(history) < 1.6


@pytest.mark.parametrize("kind", ["zero", "one entry", "constant", "random"])
def test_gradients_where_eigenvalues_repeat(kind):
    layer = made(16, 3, None, 3)
    x = {
        "zero": torch.zeros(2, 16),
        "one entry": torch.eye(16)[[0, 6]],
        "constant": torch.ones(2, 16),
        "random": torch.randn(2, 16, generator=torch.Generator().manual_seed(2)),
    }[kind].double()
    names = [name for name, _ in layer.named_parameters()]

    def output(x, *values):
        return torch.func.functional_call(layer, dict(zip(names, values, strict=True)), x)

    assert torch.autograd.gradcheck(output, (x.requires_grad_(), *layer.parameters()))


def test_gradients_of_complex_angles():
    with pytest.warns(UserWarning, match="non-unitary"):
        layer = made(9, 2, None, 2, parametrisation="complex")
    names = [name for name, _ in layer.named_parameters()]
    x = torch.randn(2, 9, dtype=F64, generator=torch.Generator().manual_seed(2))

    def output(x, *values):
        return torch.func.functional_call(layer, dict(zip(names, values, strict=True)), x)

    assert torch.autograd.gradcheck(output, (x.requires_grad_(), *layer.parameters()))


def test_many_samples_in_blocks_have_the_gradients_of_few(monkeypatch):
    """The gradient goes through the samples in blocks: so many at a time change nothing."""
    from bitket.quantum.learning import reuploading

    layer = made(16, 4)
    x = torch.randn(7, 16, dtype=F64, requires_grad=True)
    whole = torch.autograd.grad(layer(x).square().sum(), [x, *layer.parameters()])
    monkeypatch.setattr(reuploading, "_BLOCK", 32)
    for a, b in zip(whole, torch.autograd.grad(layer(x).square().sum(), [x, *layer.parameters()]), strict=True):
        torch.testing.assert_close(a, b, atol=1e-13, rtol=1e-12)


def test_any_leading_axes_and_none():
    layer = made(16, 4)
    x = torch.randn(2, 3, 16, dtype=F64)
    torch.testing.assert_close(layer(x), layer(x.reshape(6, 16)).reshape(2, 3, 4))
    torch.testing.assert_close(layer(x[0, 0]), layer(x)[0, 0])
    assert layer(x[:0]).shape == (0, 3, 4)


def test_kept_memory_grows_with_the_batch_and_not_with_repetitions_times_matrices():
    """Bytes that a step keeps for its gradient: for each sample one matrix, and vectors for each repetition."""

    def kept(batch, repetitions):
        layer, total = made(1024, 4, 5, repetitions), 0

        def count(tensor):
            nonlocal total
            if tensor.shape[:1] == (batch,) or tensor.shape[1:2] == (batch,):
                total += tensor.nbytes
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(count, lambda t: t):
            layer(torch.randn(batch, 1024, dtype=F64, requires_grad=True))
        return total

    matrix, vector = 32 * 32 * 8, 32 * 16
    assert kept(40, 4) == pytest.approx(2 * kept(20, 4), rel=0.02)
    assert kept(40, 24) - kept(40, 4) <= 20 * 40 * 2 * vector  # far below 20 * 40 matrices
    assert kept(40, 4) < 40 * (2 * matrix + 12 * vector)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ReuploadingLinear(17, 2, 2), "17 features and 2 outputs on 2 qubits; 3 are needed"),
        (lambda: ReuploadingLinear(4, 9, 3), "4 features and 9 outputs on 3 qubits; 4 are needed"),
        (lambda: ReuploadingLinear(0, 2), "0 features, 2 outputs"),
        (lambda: made(4, 2)(torch.zeros(3, 5, dtype=F64)), r"shape \(3, 5\); the last axis must be 4"),
        (lambda: made(4, 2)(torch.full((1, 4), torch.nan, dtype=F64)), "an input is not a finite number"),
    ],
)
def test_what_does_not_fit_is_named(make, message):
    with pytest.raises(InvalidInput, match=message):
        make()

import numpy as np
import pytest
import torch
from scipy.sparse.linalg import LinearOperator, eigsh
from tests.quantization.sensitivity.nets import LOSS, batches, exact, net
from torch import nn

from bitket.errors import InvalidInput
from bitket.quantization.sensitivity import LossSurface, hessian_vector_product, top_eigenvalues


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("kind", ["mlp", "conv", "residual"])
def test_largest_eigenvalues_are_those_of_the_dense_hessian(kind):
    model, x, y = net(kind)
    found = top_eigenvalues(model, LOSS, [(x, y)], tolerance=1e-8, max_iterations=5000, generator=generator())
    assert len(found) == 3
    for block, e in found.items():
        dense = np.linalg.eigvalsh(exact(model, LOSS, x, y, f"{block}.weight").numpy())
        largest = dense[np.abs(dense).argmax()]
        assert e.value == pytest.approx(largest, rel=1e-4)
        assert e.residuals[0] < 1e-2
        assert e.trusted
        assert e.per_weight == e.value / len(dense)


def test_products_are_those_of_the_dense_hessian_and_batches_change_nothing():
    model, x, y = net("residual")
    whole, parts = (LossSurface(model, LOSS, data) for data in ([(x, y)], batches(x, y)))
    vectors = {b: torch.randn(whole.size(b), generator=generator(), dtype=torch.float64) for b in whole.blocks}
    one, seven = whole.products(vectors), parts.products(vectors)
    for b, v in vectors.items():
        dense = exact(model, LOSS, x, y, f"{b}.weight") @ v
        assert torch.allclose(one[b], dense, rtol=1e-10, atol=1e-14)
        assert torch.allclose(seven[b], dense, rtol=1e-10, atol=1e-14)


def test_batched_data_give_the_eigenvalues_of_the_whole_and_a_seed_fixes_all_bits():
    model, x, y = net("conv")
    options = {"tolerance": 1e-12, "max_iterations": 400}
    whole = top_eigenvalues(model, LOSS, [(x, y)], generator=generator(), **options)
    parts = top_eigenvalues(model, LOSS, batches(x, y), generator=generator(), **options)
    again = top_eigenvalues(model, LOSS, batches(x, y), generator=generator(), **options)
    twice = top_eigenvalues(model, LOSS, [(x, y), (x, y)], generator=generator(), **options)
    for block, e in whole.items():
        assert parts[block].value == pytest.approx(e.value, rel=1e-8)
        assert twice[block].value == pytest.approx(e.value, rel=1e-8)
        assert torch.equal(parts[block].vectors, again[block].vectors)
        assert parts[block].values == again[block].values


def test_a_negative_dominant_eigenvalue_keeps_its_sign():
    model = nn.Linear(4, 1, bias=False).double()
    x = torch.randn(9, 4, generator=generator(), dtype=torch.float64)
    y = torch.zeros(9, 1, dtype=torch.float64)
    found = top_eigenvalues(model, lambda z, t: -3 * nn.functional.mse_loss(z, t), [(x, y)], generator=generator())
    assert found[""].value == pytest.approx(-6 * float(torch.linalg.eigvalsh(x.T @ x / 9)[-1]), rel=1e-2)
    assert found[""].value < 0


def test_linear_regression_has_its_closed_form():
    model = nn.Linear(5, 1, bias=False).double()
    x = torch.randn(40, 5, generator=generator(), dtype=torch.float64)
    data = [(x, x.sum(1, keepdim=True))]
    found = top_eigenvalues(
        model, nn.functional.mse_loss, data, tolerance=1e-15, max_iterations=10_000, generator=generator()
    )
    assert found[""].value == pytest.approx(float(torch.linalg.eigvalsh(2 * x.T @ x / 40)[-1]), rel=1e-10)


@pytest.mark.parametrize("kind", ["mlp", "residual"])
def test_three_pairs_agree_with_arpack(kind):
    model, x, y = net(kind)
    found = top_eigenvalues(model, LOSS, [(x, y)], k=3, tolerance=1e-12, max_iterations=5000, generator=generator())
    surface = LossSurface(model, LOSS, [(x, y)])
    for block, e in found.items():
        n = surface.size(block)
        operator = LinearOperator(
            (n, n), matvec=lambda v, b=block: surface.products({b: torch.tensor(v.ravel())})[b].numpy(), dtype=float
        )
        oracle = eigsh(operator, k=3, which="LM", v0=np.ones(n))[0]
        np.testing.assert_allclose(np.sort(np.abs(e.values)), np.sort(np.abs(oracle)), rtol=1e-6)
        gram = e.vectors @ e.vectors.T
        assert torch.allclose(gram, torch.eye(3, dtype=gram.dtype), atol=1e-6)


def test_eigenvalues_change_with_the_scale_of_a_relu_network():
    model, x, y = net("mlp")
    model[1], model[3] = nn.ReLU(), nn.ReLU()
    before = top_eigenvalues(model, LOSS, [(x, y)], tolerance=1e-10, max_iterations=3000, generator=generator())
    outputs, c = model(x), 3.0
    with torch.no_grad():
        model[0].weight *= c
        model[0].bias *= c
        model[2].weight /= c
    assert torch.allclose(model(x), outputs)
    after = top_eigenvalues(model, LOSS, [(x, y)], tolerance=1e-10, max_iterations=3000, generator=generator())
    assert after["0"].value == pytest.approx(before["0"].value / c**2, rel=1e-6)
    assert after["2"].value == pytest.approx(before["2"].value * c**2, rel=1e-6)


def test_blocks_may_hold_several_weights_and_a_slow_convergence_is_flagged():
    model, x, y = net("mlp")
    blocks = {"all": ["0.weight", "2.weight", "4.weight"]}
    found = top_eigenvalues(model, LOSS, [(x, y)], blocks, tolerance=1e-9, max_iterations=3000, generator=generator())
    n = found["all"].vectors.shape[1]
    assert n == 6 * 20 + 20 * 12 + 12 * 3
    hurried = top_eigenvalues(model, LOSS, [(x, y)], blocks, max_iterations=1, generator=generator())
    assert not hurried["all"].trusted
    assert hurried["all"].iterations == (1,)


def test_a_product_keeps_less_than_four_times_what_a_training_step_keeps():
    from benchmarks.hessian import _memory

    from bitket.quantization.vision.networks import resnet8

    model = resnet8(8, channels=1, generator=generator()).eval()
    x = torch.randn(16, 1, 14, 14, generator=generator())
    row = _memory(model, x, torch.zeros(16, dtype=torch.int64))
    assert 1 < row["ratio"] <= 4


def test_the_product_of_a_function_by_hand():
    w = torch.tensor([0.5, -1.0, 2.0], dtype=torch.float64, requires_grad=True)
    v = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)
    found = hessian_vector_product((w**4).sum() + w[0] * w[2], [w], [v])[0]
    assert torch.allclose(found, 12 * w.detach() ** 2 * v + torch.stack([v[2], torch.tensor(0.0).double(), v[0]]))


def test_what_has_no_hessian_is_refused():
    model, x, y = net("conv")

    def refused(message, model=model, loss=LOSS, data=((x, y),), blocks=None):
        with pytest.raises(InvalidInput, match=message):
            top_eigenvalues(model, loss, data, blocks, generator=generator())

    refused("no parameter 'nothing'", blocks={"a": ["nothing"]})
    refused("block 'a' has no weights", blocks={"a": []})
    refused("no convolution or linear layer", model=nn.ReLU())
    refused("the data are empty", data=[])
    refused("only once", data=iter([(x, y)]))
    refused("23 inputs and 22 targets", data=[(x, y[:22])])
    refused(r"the loss has shape \(23,\)", loss=lambda z, t: nn.functional.cross_entropy(z, t, reduction="none"))
    refused("batch 0: the loss is nan", loss=lambda z, t: z.sum() * float("nan"))
    refused("batch 0: the model or the loss fails on it: ", data=[(x[:, :, :2], y)])
    refused("batch 0: the model or the loss fails on it: ", data=[(x, y.double())])
    refused("has no derivative", loss=lambda z, t: z.argmax(1).double().mean())
    refused("block '8' does not reach the loss", model=nn.Sequential(*model, Unused()))
    with torch.no_grad():
        model[3].weight[0, 0, 0, 0] = float("inf")
    refused("'3.weight' has weights that are not finite")
    model, x, y = net("conv")
    model[0].weight.requires_grad_(False)
    refused("block '0': '0.weight' is not trainable", model=model)
    for broken in (net("conv")[0].train(), nn.Sequential(net("conv")[0], nn.Dropout()).train()):
        refused(r"call model.eval\(\) first", model=broken)

    class Once(torch.autograd.Function):
        @staticmethod
        def forward(context, z):
            return z * 2

        @staticmethod
        @torch.autograd.function.once_differentiable
        def backward(context, g):
            return g * 2

    refused("cannot be differentiated twice", model=net("conv")[0], loss=lambda z, t: LOSS(Once.apply(z), t))


class Unused(nn.Linear):
    def __init__(self):
        super().__init__(3, 3)
        self.double()

    def forward(self, x):
        return x

"""Parallel circuits and quanvolutions as layers of torch, and the networks that hold them."""

import copy
import io
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bitket.errors import InvalidInput
from bitket.quantum.learning.images import (
    ClassicalPeer,
    HQNNParallel,
    HQNNQuanv,
    StridedCNN,
    parameter_table,
)
from bitket.quantum.learning.parallel import ParallelQuantumLayer
from bitket.quantum.learning.quanvolution import Quanvolution2d
from bitket.quantum.simulation import QuantumLayer, expectation

DOUBLE = torch.float64


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def parallel(**options):
    return ParallelQuantumLayer(2, 3, 2, generator=seeded(), **options)


MAKE = {
    "parallel": (parallel, (6,)),
    "quanvolution": (lambda **options: Quanvolution2d(2, layers=2, generator=seeded(), **options), (2, 4, 6)),
    "hqnn-parallel": (
        lambda **options: HQNNParallel(1, 8, 3, circuits=2, qubits=3, generator=seeded(), **options),
        (1, 8, 8),
    ),
    "hqnn-quanv": (lambda **options: HQNNQuanv(1, 8, 3, generator=seeded(), **options), (1, 8, 8)),
}
each = pytest.mark.parametrize("name", MAKE)


@pytest.mark.parametrize("x", [-2.5, -0.3, 0.0, 0.7, 3.0])
def test_one_qubit_without_a_body(x):
    layer = ParallelQuantumLayer(1, 1, 0, generator=seeded(), dtype=DOUBLE)
    assert layer(torch.tensor([x], dtype=DOUBLE)).item() == pytest.approx(-math.sin(x), abs=1e-12)


def test_all_angles_zero_measure_nothing():
    layer = ParallelQuantumLayer(generator=seeded(), dtype=DOUBLE)
    torch.nn.init.zeros_(layer.layer.weights)
    assert layer(torch.zeros(1, 20, dtype=DOUBLE)).abs().max() < 1e-12


@each
def test_gradcheck(name):
    make, shape = MAKE[name]
    module = make(
        dtype=DOUBLE
    ).eval()  # batch norm in training couples samples through its statistics: checked all the same below
    x = torch.rand(3, *shape, generator=seeded(1), dtype=DOUBLE, requires_grad=True)
    torch.autograd.gradcheck(module, (x,))
    parameters = dict(module.named_parameters())

    def of(*values):
        return torch.func.functional_call(module.train(), dict(zip(parameters, values, strict=True)), (x.detach(),))

    angles = [k for k in parameters if k.endswith("layer.weights")]
    torch.autograd.gradcheck(
        lambda *v: of(*({**parameters, **dict(zip(angles, v, strict=True))}).values()), [parameters[k] for k in angles]
    )


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 3), st.integers(1, 4), st.integers(0, 2), st.integers(0, 100))
def test_each_circuit_stands_alone(circuits, qubits, repetitions, seed):
    generator = seeded(seed)
    layer = ParallelQuantumLayer(circuits, qubits, repetitions, generator=generator, dtype=DOUBLE)
    x = torch.randn(4, circuits * qubits, generator=generator, dtype=DOUBLE)
    found = layer(x)
    for j in range(circuits):
        own = slice(j * qubits, (j + 1) * qubits)
        alone = expectation(layer.circuit(j), layer.layer.operators, inputs=x[:, own])
        assert (found[:, own] - alone).abs().max() < 1e-12


def test_every_angle_of_a_quanvolution_is_trained():
    model = HQNNQuanv(generator=seeded())
    before = model.quantum.layer.weights.detach().clone()
    images, labels = torch.rand(8, 1, 28, 28, generator=seeded(1)), torch.arange(8)
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1)
    torch.nn.functional.cross_entropy(model(images), labels).backward()
    assert (model.quantum.layer.weights.grad != 0).all()
    optimiser.step()
    assert (model.quantum.layer.weights != before).all()


@each
@pytest.mark.parametrize("dtype", [torch.float32, DOUBLE])
def test_batches_of_none_and_one(name, dtype):
    make, shape = MAKE[name]
    module = make(dtype=dtype).eval()
    x = torch.rand(3, *shape, generator=seeded(1), dtype=dtype)
    whole = module(x)
    assert whole.dtype == dtype
    assert module(x[:0]).shape == (0, *whole.shape[1:])
    alone = torch.cat([module(x[k : k + 1]) for k in range(3)])
    assert torch.allclose(alone, whole, atol=1e-5 if dtype == torch.float32 else 1e-12)
    empty = x[:0].clone().requires_grad_()
    module(empty).sum().backward()
    assert empty.grad.shape == empty.shape


@each
def test_copies_and_stored_states_are_the_same_module(name):
    make, shape = MAKE[name]
    module = make().eval()
    x = torch.rand(2, *shape, generator=seeded(1))
    stored = io.BytesIO()
    torch.save(module.state_dict(), stored)
    stored.seek(0)
    other = make().eval()
    for p in other.parameters():
        torch.nn.init.ones_(p)
    other.load_state_dict(torch.load(stored, weights_only=True))
    assert torch.equal(other(x), module(x))
    assert torch.equal(torch.load(io.BytesIO(pickled(module)), weights_only=False)(x), module(x))
    twin = copy.deepcopy(module)
    assert torch.equal(twin(x), module(x))
    with torch.no_grad():
        for p in twin.parameters():
            p.add_(1)
    assert torch.equal(other(x), module(x))
    assert (twin.double()(x.double()) - module(x)).abs().max() > 1e-3


def pickled(module):
    whole = io.BytesIO()
    torch.save(module, whole)
    return whole.getvalue()


class Through(torch.utils.data.Dataset):
    """Samples that a worker takes through a layer."""

    def __init__(self, module, x):
        self.module, self.x = module, x

    def __len__(self):
        return len(self.x)

    def __getitem__(self, k):
        with torch.no_grad():
            return self.module(self.x[k : k + 1])[0]


@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_workers_of_a_loader_run_it(start):
    make, shape = MAKE["hqnn-quanv"]
    module = make().eval()
    x = torch.rand(6, *shape, generator=seeded(1))
    whole = module(x).detach()  # the core's threads exist before the workers do
    loader = torch.utils.data.DataLoader(Through(module, x), batch_size=3, num_workers=1, multiprocessing_context=start)
    assert torch.allclose(torch.cat(list(loader)), whole, atol=1e-6)


@pytest.mark.parametrize("make", [parallel, lambda **o: Quanvolution2d(layers=2, generator=seeded(), **o)])
def test_shots_estimate_the_exact_values(make):
    layer = make(dtype=DOUBLE)
    shape = (6,) if isinstance(layer, ParallelQuantumLayer) else (1, 4, 4)
    x = torch.rand(5, *shape, generator=seeded(1), dtype=DOUBLE)
    exact, shots = layer(x), 4000
    sampled = layer(x, shots=shots)
    error = ((1 - exact**2) / shots).sqrt().clamp_min(1e-3)
    assert ((sampled - exact).abs() / error).max() < 5
    assert not torch.equal(sampled, exact)


def test_gradient_from_shots_is_unbiased():
    layer = ParallelQuantumLayer(1, 2, 1, generator=seeded(5), dtype=DOUBLE)
    x = torch.tensor([[0.4, -0.9]], dtype=DOUBLE)
    (exact,) = torch.autograd.grad(layer(x).sum(), layer.layer.weights)
    layer.layer.shots = 200
    drawn = torch.stack([torch.autograd.grad(layer(x).sum(), layer.layer.weights)[0] for _ in range(200)])
    error = drawn.std(0) / math.sqrt(len(drawn))
    assert ((drawn.mean(0) - exact).abs() < 5 * error + 1e-9).all()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
@each
def test_on_a_gpu(name):
    make, shape = MAKE[name]
    module = make(dtype=DOUBLE).eval()
    x = torch.rand(4, *shape, generator=seeded(1), dtype=DOUBLE, requires_grad=True)
    expected = module(x)
    (slope,) = torch.autograd.grad(expected.square().sum(), x)
    angles = {k: p for k, p in module.named_parameters() if k.endswith("weights")}
    own = torch.autograd.grad(module(x).square().sum(), angles.values())
    there = copy.deepcopy(module).to("cuda")
    z = x.detach().cuda().requires_grad_()
    found = there(z)
    assert found.is_cuda
    assert (found.cpu() - expected).abs().max() < 1e-9
    parameters = dict(there.named_parameters())
    got = torch.autograd.grad(found.square().sum(), [z, *(parameters[k] for k in angles)])
    for a, b in zip(got, (slope, *own), strict=True):
        assert (a.cpu() - b).abs().max() < 1e-8


def test_counts_of_parameters():
    rows = parameter_table(HQNNParallel(generator=seeded()))
    assert [row["parameters"] for row in rows] == [416, 32, 12_832, 64, 31_380, 40, 180, 40, 210, 45_194]
    peer = parameter_table(ClassicalPeer())
    assert [row["parameters"] for row in peer] == [416, 12_832, 351_456, 7_200, 330, 372_234]
    assert parameter_table(HQNNQuanv(generator=seeded()))[0]["parameters"] == 16
    assert parameter_table(HQNNQuanv(quantum="fixed", generator=seeded()))[-1]["parameters"] == 1970
    kernels = [StridedCNN(kernels=k).convolution.weight.numel() for k in (4, 1)]
    assert kernels == [64, 16]
    cifar = HQNNParallel(3, 32, generator=seeded())
    assert cifar.compression[0].in_features == 2048
    assert cifar(torch.zeros(2, 3, 32, 32)).shape == (2, 10)
    assert HQNNParallel(1, (12, 20), 4, generator=seeded())(torch.zeros(2, 1, 12, 20)).shape == (2, 4)


@pytest.mark.parametrize("quantum", ["circuits", "fixed", "identity", "tanh"])
def test_the_quantum_part_alone_is_exchanged(quantum):
    torch.manual_seed(0)
    model = HQNNParallel(quantum=quantum, generator=seeded())
    torch.manual_seed(0)
    whole = HQNNParallel(generator=seeded())
    assert torch.equal(model.convolutions[0].weight, whole.convolutions[0].weight)
    trained = [p for p in model.quantum.parameters() if p.requires_grad]
    assert sum(p.numel() for p in trained) == {"circuits": 180, "fixed": 0, "identity": 0, "tanh": 420}[quantum]


def test_wrong_shapes_and_settings_are_refused_in_one_line():
    grey = torch.zeros(2, 1, 28, 28)
    model = HQNNParallel(generator=seeded())
    cases = [
        (lambda: model(torch.zeros(2, 3, 28, 28)), r"HQNNParallel: images of shape \(2, 3, 28, 28\); \[B, 1, 28, 28\]"),
        (lambda: model(torch.zeros(2, 1, 14, 28)), r"\[B, 1, 28, 28\] is needed"),
        (lambda: HQNNQuanv(3, generator=seeded())(grey), r"HQNNQuanv: .* \[B, 3, 28, 28\]"),
        (lambda: ClassicalPeer(1, 8)(grey), r"ClassicalPeer: .* \[B, 1, 8, 8\]"),
        (lambda: StridedCNN(1, 8)(grey), r"StridedCNN: .* \[B, 1, 8, 8\]"),
        (lambda: HQNNParallel(1, 3, generator=seeded()), "4 x 4 pixels"),
        (lambda: HQNNParallel(classes=1, generator=seeded()), "2 classes"),
        (lambda: HQNNParallel(quantum="none", generator=seeded()), "'circuits', 'fixed', 'identity', 'tanh'"),
        (lambda: HQNNQuanv(quantum="tanh", generator=seeded()), "'convolution'"),
        (lambda: parallel()(torch.zeros(2, 7)), r"\[..., 6\] is needed"),
        (lambda: parallel().circuit(2), "there are 2, from 0"),
        (lambda: parallel(embedding="z"), "'x' or 'y'"),
        (lambda: parallel(observable="I"), "'X', 'Y' or 'Z'"),
        (lambda: parallel(ranges=[3, 1]), "from 1 to 2"),
        (lambda: ParallelQuantumLayer(0, 1, generator=seeded()), "at least 1 circuit"),
        (lambda: ParallelQuantumLayer(1, 17, generator=seeded()), "1 to 16 qubits"),
        (lambda: Quanvolution2d(5, generator=seeded()), "at most 16 pixels"),
        (lambda: Quanvolution2d(generator=seeded())(torch.zeros(1, 1, 1, 4)), "at least 2"),
        (lambda: QuantumLayer(parallel().circuit(0), parallel().layer.operators, copies=0), "0 copies"),
        (
            lambda: QuantumLayer(parallel().layer.circuit, parallel().layer.operators, copies=2),
            "values for its 36 weights",
        ),
        (
            lambda: QuantumLayer(parallel().layer.circuit, parallel().layer.operators, copies=2, weights=np.zeros(18)),
            r"shape \(18,\); the circuit has 18, and there are 2 copies",
        ),
    ]
    for make, message in cases:
        with pytest.raises(InvalidInput, match=message) as caught:
            make()
        assert "\n" not in str(caught.value)


def test_compiled_layers_have_copies():
    layer = parallel(dtype=DOUBLE)
    x = torch.rand(3, 6, generator=seeded(1), dtype=DOUBLE)
    compiled = torch.compile(layer, backend="aot_eager", fullgraph=True)
    assert torch.allclose(compiled(x), layer(x))
    ours, theirs = (torch.autograd.grad(f(x).square().sum(), layer.layer.weights)[0] for f in (compiled, layer))
    assert torch.allclose(ours, theirs)


def test_a_thousand_images_at_once():
    images = torch.rand(1000, 1, 28, 28, generator=seeded())
    layer = Quanvolution2d(generator=seeded())
    with torch.no_grad():
        found = layer(images)
    assert found.shape == (1000, 4, 14, 14)
    assert np.isfinite(found.numpy()).all()

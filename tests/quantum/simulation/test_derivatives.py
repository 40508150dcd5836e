"""Derivatives of every order, in both modes, by every gradient method: against finite differences, closed forms and each other."""

import copy
import gc
import math

import numpy as np
import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck

from bitket.algebra import PauliSum
from bitket.errors import InvalidInput
from bitket.quantum.circuits import Circuit, Parameter, gate
from bitket.quantum.circuits.gates import GATES, NAMES
from bitket.quantum.noise import NoiseModel, amplitude_damping
from bitket.quantum.simulation import (
    QuantumLayer,
    density_matrix,
    expectation,
    native,
    operator,
    probabilities,
    reverse,
    statevector,
    transfer,
)

from .drawn import random_circuit, random_operator

NOISE = NoiseModel.depolarizing(0.02, 0.05).after(amplitude_damping(0.1), num_qubits=1).with_readout(0.02, 0.05)
METHODS = [
    *((method, None) for method in ("auto", "adjoint", "parameter_shift", "backprop")),
    *((method, NOISE) for method in ("auto", "adjoint", "parameter_shift", "backprop")),
]


def given(c: Circuit, rng: np.random.Generator, w_shape=(), x_shape=(2,)) -> tuple[torch.Tensor, torch.Tensor]:
    return (
        torch.tensor(rng.normal(size=(*w_shape, len(c.weights))), requires_grad=True),
        torch.tensor(rng.normal(size=(*x_shape, len(c.inputs))), requires_grad=True),
    )


@pytest.mark.parametrize("noise", [None, NOISE])
@pytest.mark.parametrize("method", ["adjoint", "parameter_shift", "backprop"])
@pytest.mark.parametrize("affine", [True, False])
def test_every_method_is_differentiable_twice(method, noise, affine):
    rng = np.random.default_rng(affine)
    n = 2
    c = random_circuit(rng, n, 5, affine=affine, width=2)
    operators = [random_operator(rng, n) for _ in range(1 + affine)]

    def f(w, x):
        return expectation(c, operators, w, x, gradient=method, noise=noise)

    values = given(c, rng)
    assert gradcheck(f, values, check_forward_ad=True, check_batched_grad=True, check_batched_forward_grad=True)
    assert gradgradcheck(f, values, check_batched_grad=True)
    assert gradgradcheck(f, values, check_fwd_over_rev=True, check_rev_over_rev=False, check_undefined_grad=False)


@pytest.mark.parametrize(("w_shape", "x_shape"), [((), ()), ((3,), (3,)), ((2, 1), (3,)), ((1,), (2, 2)), ((2,), ())])
def test_second_derivatives_of_broadcast_batches(w_shape, x_shape):
    rng = np.random.default_rng(3)
    c = random_circuit(rng, 3, 6, affine=True)
    operators = [random_operator(rng, 3) for _ in range(2)]
    assert gradgradcheck(lambda w, x: expectation(c, operators, w, x), given(c, rng, w_shape, x_shape))


@pytest.mark.parametrize("name", sorted(NAMES))
def test_second_derivatives_of_each_gate(name):
    """Against torch's own graph, which knows nothing of shifts."""
    rng = np.random.default_rng(0)
    base, controls = NAMES[name]
    n = GATES[base].num_qubits + controls + 1
    c, ps = Circuit(n), [Parameter(f"p{k}") for k in range(GATES[base].num_params)]
    start = [Parameter(f"s{q}", "input") for q in range(n)]
    for q in range(n):
        c.ry(start[q], q).rz(0.7 - q, q)
    c.append(gate(name, *ps), rng.permutation(n)[: n - 1])
    operator = random_operator(rng, n, 8)
    w, x = given(c, rng, (), (3,))
    found = []
    for method in ("adjoint", "backprop"):
        value = expectation(c, operator, w, x, gradient=method)
        first = torch.autograd.grad(value.sum(), (w, x), create_graph=True, materialize_grads=True)
        second = torch.autograd.grad(sum(g.square().sum() for g in first), (w, x), materialize_grads=True)
        found.append([*first, *second])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, atol=1e-11, rtol=0)


X0, W0 = Parameter("x", "input"), Parameter("w")
COSINE = Circuit(1).ry(X0, 0).ry(W0, 0)  # <Z> = cos(x + w)
Z = PauliSum.parse("Z")


@pytest.mark.parametrize(("method", "noise"), METHODS[:4])
def test_a_gradient_penalty_trains(method, noise):
    layer = QuantumLayer(COSINE, Z, weights=[0.2], dtype=torch.float64, gradient=method)
    x = torch.tensor([[0.3]], dtype=torch.float64, requires_grad=True)
    y = layer(x)
    (slope,) = torch.autograd.grad(y.sum(), x, create_graph=True)
    (y.sum() + slope.square().sum()).backward()
    right = -math.sin(0.5) + 2 * math.sin(0.5) * math.cos(0.5)
    assert layer.weights.grad.item() == pytest.approx(right, abs=1e-12)
    torch.optim.SGD(layer.parameters(), 0.1).step()
    assert layer.weights.item() == pytest.approx(0.2 - 0.1 * right, abs=1e-12)


@pytest.mark.parametrize(("method", "noise"), METHODS)
def test_hessians_of_torch_func_and_of_autograd(method, noise):
    rng = np.random.default_rng(7)
    c = random_circuit(rng, 2, 6, width=2)
    operator = random_operator(rng, 2)
    w, x = (v.detach() for v in given(c, rng, (), ()))

    def f(weights):
        return expectation(c, operator, weights, x, gradient=method, noise=noise)

    step, eye = 1e-4, torch.eye(len(w), dtype=w.dtype)
    right = torch.stack(
        [
            torch.stack([f(w + a + b) - f(w + a - b) - f(w - a + b) + f(w - a - b) for b in step * eye])
            for a in step * eye
        ]
    ) / (4 * step**2)
    slope = torch.stack([f(w + a) - f(w - a) for a in step * eye]) / (2 * step)
    func = torch.func
    for first in (func.grad(f), func.jacrev(f), func.jacfwd(f)):
        torch.testing.assert_close(first(w), slope, atol=1e-6, rtol=0)
    ways = [
        func.hessian(f)(w),
        func.jacrev(func.jacrev(f))(w),
        func.jacfwd(func.jacfwd(f))(w),
        func.jacrev(func.jacfwd(f))(w),
        torch.autograd.functional.hessian(f, w),
        torch.autograd.functional.hessian(f, w, vectorize=True),
    ]
    for found in ways:
        torch.testing.assert_close(found, right, atol=1e-6, rtol=0)


def test_third_derivatives():
    c = Circuit(2).ry(W0, 0).cx(0, 1).append(gate("crx", W0), [0, 1]).append(gate("cp", W0), [1, 0])
    w = torch.tensor([0.4], dtype=torch.float64, requires_grad=True)
    found = []
    for method in ("adjoint", "parameter_shift", "backprop"):
        value = expectation(c, PauliSum.parse("YY + ZI"), w, gradient=method)
        for _ in range(3):
            (value,) = torch.autograd.grad(value.sum(), w, create_graph=True)
        found.append(value.detach())
    torch.testing.assert_close(found[0], found[2], atol=1e-10, rtol=0)
    torch.testing.assert_close(found[1], found[2], atol=1e-10, rtol=0)


@pytest.mark.parametrize(("kernel", "noise"), [("StateKernel", None), ("TransferKernel", NOISE)])
def test_twins_and_shifts_agree_on_second_derivatives(kernel, noise, monkeypatch):
    rng = np.random.default_rng(11)
    c = random_circuit(rng, 3, 8, width=2)
    operators = [random_operator(rng, 3) for _ in range(2)]
    w, x = given(c, rng)
    found = []
    for pays in (0, math.inf):
        monkeypatch.setattr(getattr(reverse if noise is None else transfer, kernel), "twin_pays", pays)
        value = expectation(c, operators, w, x, noise=noise)
        for _ in range(2):
            grads = torch.autograd.grad(value.sum(), (w, x), create_graph=True)
            value = sum(g.square().sum() for g in grads)
        found.append([g.detach() for g in torch.autograd.grad(value, (w, x))])
        hessian = torch.func.hessian(lambda a: expectation(c, operators[0], a, x[0], noise=noise))(w.detach())
        found[-1].append(hessian)
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, atol=1e-10, rtol=0)


def test_without_the_core_derivatives_are_the_same(monkeypatch):
    rng = np.random.default_rng(12)
    c = random_circuit(rng, 3, 8)
    w, x = given(c, rng)
    operators = [random_operator(rng, 3) for _ in range(2)]
    found = []
    for core in (native.core, None):
        monkeypatch.setattr(native, "core", core)
        value = expectation(c, operators, w, x)
        first = torch.autograd.grad(value.sum(), (w, x), create_graph=True)
        found.append([value, *first, *torch.autograd.grad(sum(g.square().sum() for g in first), (w, x))])
        found[-1].append(torch.func.hessian(lambda a: expectation(c, operators[0], a, x.detach()[0]))(w.detach()))
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, atol=1e-10, rtol=0)


@pytest.mark.parametrize("n", [10, 12])
def test_second_derivatives_of_single_large_states(n):
    rng = np.random.default_rng(n)
    c = Circuit(n)
    for q in range(n):
        c.ry(Parameter(f"x{q % 3}", "input"), q).rz(Parameter(f"w{q % 4}"), q)
    for q in range(n - 1):
        c.cx(q, q + 1)
    c.append(gate("crx", Parameter("w0")), [0, n - 1])
    operators = [random_operator(rng, n) for _ in range(2)]
    w, x = given(c, rng, (), ())
    found = []
    for method in ("adjoint", "backprop"):
        value = expectation(c, operators, w, x, gradient=method)
        first = torch.autograd.grad(value.sum(), (w, x), create_graph=True)
        found.append([*first, *torch.autograd.grad(sum(g.square().sum() for g in first), (w, x))])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, atol=1e-10, rtol=0)


@pytest.mark.parametrize(("method", "noise"), METHODS)
def test_vmap_is_a_loop(method, noise):
    rng = np.random.default_rng(5)
    c = random_circuit(rng, 2, 6, width=2)
    operators = [random_operator(rng, 2) for _ in range(2)]
    w, x = (v.detach() for v in given(c, rng, (), (4,)))

    def f(weights, inputs):
        return expectation(c, operators, weights, inputs, gradient=method, noise=noise)

    def slopes(weights, inputs):
        return torch.func.jacrev(f, argnums=(0, 1))(weights, inputs)

    torch.testing.assert_close(
        torch.func.vmap(f, in_dims=(None, 0))(w, x), torch.stack([f(w, row) for row in x]), atol=1e-12, rtol=0
    )
    each = torch.func.vmap(slopes, in_dims=(None, 0))(w, x)
    loop = [slopes(w, row) for row in x]
    for k in range(2):
        torch.testing.assert_close(each[k], torch.stack([row[k] for row in loop]), atol=1e-12, rtol=0)


@pytest.mark.parametrize("noise", [None, NOISE])
def test_single_precision_has_second_derivatives(noise):
    rng = np.random.default_rng(8)
    c = random_circuit(rng, 3, 8, width=2)
    operator = random_operator(rng, 3)
    w, x = given(c, rng, (), (20,))
    found = []
    for dtype in (torch.float32, torch.float64):
        a, b = (v.detach().to(dtype).requires_grad_() for v in (w, x))
        first = torch.autograd.grad(
            expectation(c, operator, a, b, dtype=dtype, noise=noise).sum(), (a, b), create_graph=True
        )
        found.append(torch.autograd.grad(sum(g.square().sum() for g in first), (a, b)))
    for one, other in zip(*found, strict=True):
        assert one.dtype == torch.float32
        torch.testing.assert_close(one.double(), other, atol=1e-3, rtol=1e-4)


@pytest.mark.parametrize(("method", "noise"), METHODS)
def test_batches_of_no_sample(method, noise):
    layer = QuantumLayer(COSINE, [Z, PauliSum.parse("X")], weights=[0.2], gradient=method, noise=noise)
    x = torch.zeros(0, 1, requires_grad=True)
    y = layer(x)
    assert y.shape == (0, 2)
    (slope,) = torch.autograd.grad(y.sum(), x, create_graph=True)
    (y.sum() + slope.square().sum()).backward()
    assert x.grad.shape == (0, 1)
    assert layer.weights.grad.tolist() == [0.0]


def test_shots_are_differentiable_twice_on_average():
    generator = torch.Generator().manual_seed(3)
    w = torch.full((2000, 1), 0.5, dtype=torch.float64, requires_grad=True)
    value = expectation(Circuit(1).ry(W0, 0), Z, w, shots=100, generator=generator)
    (first,) = torch.autograd.grad(value.sum(), w, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), w)
    assert float(second.mean()) == pytest.approx(-math.cos(0.5), abs=0.02)


@pytest.mark.parametrize("of", [statevector, probabilities, density_matrix])
def test_states_have_second_derivatives_in_both_modes(of):
    c = Circuit(2).ry(W0, 0).cx(0, 1).rx(1.3 * W0, 1)
    w = torch.tensor([0.4], dtype=torch.float64, requires_grad=True)

    def f(weights):
        out = of(c, weights)
        return torch.view_as_real(out) if out.is_complex() else out

    assert gradcheck(f, w, check_forward_ad=True)
    assert gradgradcheck(f, w)
    torch.testing.assert_close(torch.func.jacfwd(f)(w.detach()), torch.func.jacrev(f)(w.detach()))


# -- torch.compile ----------------------------------------------------------------------------------------------------
ENTANGLED = Circuit(2).ry(X0, 0).ry(W0, 1).cx(0, 1).ry(W0.sin() * X0, 0)
OPERATORS = [PauliSum.parse("ZZ"), PauliSum.parse("XI")]


@pytest.mark.parametrize(("method", "noise"), METHODS)
def test_a_compiled_layer_is_one_operator(method, noise):
    layer = QuantumLayer(ENTANGLED, OPERATORS, weights=[0.2], dtype=torch.float64, gradient=method, noise=noise)
    compiled = torch.compile(copy.deepcopy(layer), fullgraph=True, backend="aot_eager")
    x = torch.tensor([[0.3], [1.1]], dtype=torch.float64, requires_grad=True)
    ours, theirs = compiled(x), layer(x)
    torch.testing.assert_close(ours, theirs)
    wanted = torch.autograd.grad(theirs.square().sum(), (x, layer.weights))
    found = torch.autograd.grad(ours.square().sum(), (x, compiled.weights))
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("noise", [None, NOISE])
def test_the_operator_keeps_torchs_rules(noise):
    layer = QuantumLayer(ENTANGLED, OPERATORS, weights=[0.2], dtype=torch.float64, noise=noise)
    x = torch.tensor([[0.3], [1.1]], dtype=torch.float64, requires_grad=True)
    torch.library.opcheck(operator.values, (layer.weights, x, layer._name))
    torch.library.opcheck(operator.slopes, (layer.weights, x, torch.ones_like(x.expand(2, 2)), layer._name))
    bare = QuantumLayer(Circuit(1).ry(W0, 0), Z, weights=[0.2])
    torch.library.opcheck(operator.values, (bare.weights, None, bare._name))
    torch.library.opcheck(operator.slopes, (bare.weights, None, torch.ones(1), bare._name))

    def f(w, inputs):
        return operator.values(w, inputs, layer._name)

    assert gradcheck(f, (layer.weights, x))
    assert gradgradcheck(f, (layer.weights, x))


def test_what_is_no_layer_breaks_the_graph():
    generator = torch.Generator().manual_seed(0)
    layer = QuantumLayer(COSINE, Z, weights=[0.2], shots=10_000, generator=generator)
    x = torch.ones(3, 1, requires_grad=True)
    values = torch.compile(layer, backend="aot_eager")(x)
    assert values.flatten().tolist() == pytest.approx([math.cos(1.2)] * 3, abs=0.05)
    twice = torch.compile(lambda w, x: 2 * expectation(COSINE, Z, w, x, dtype=torch.float32), backend="aot_eager")
    values = twice(layer.weights, x)
    assert values.tolist() == pytest.approx([2 * math.cos(1.2)] * 3, abs=1e-6)
    (slope,) = torch.autograd.grad(values.sum(), x)
    assert slope.flatten().tolist() == pytest.approx([-2 * math.sin(1.2)] * 3, abs=1e-6)


def test_layers_that_are_gone_are_named():
    layer = QuantumLayer(COSINE, Z, weights=[0.2])
    name = layer._name
    del layer
    gc.collect()
    with pytest.raises(InvalidInput, match="is gone"):
        operator.values(torch.ones(1), torch.ones(1, 1), name)

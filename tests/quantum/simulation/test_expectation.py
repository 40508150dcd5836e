"""Expectation values and gradients: the compiled core, the torch twin and parameter shift agree on every gate."""

import numpy as np
import pytest
import torch

from bitket.algebra import PauliSum
from bitket.errors import InvalidInput, NotEnoughMemory
from bitket.quantum.circuits import Circuit, Parameter, ParameterError, gate
from bitket.quantum.circuits.gates import GATES, NAMES
from bitket.quantum.simulation import QuantumLayer, expectation, expectation_with_error, reverse, statevector
from bitket.quantum.simulation.asked import Asked
from bitket.quantum.simulation.program import lower

from .drawn import random_circuit, random_operator


def question(program, operators, w, x) -> Asked:
    return Asked(program, w, x, operators, torch.float64, torch.device("cpu"), False)


def values_of(c: Circuit, rng: np.random.Generator, batch: int) -> tuple[torch.Tensor, torch.Tensor]:
    weights = torch.tensor(rng.normal(size=len(c.weights)), requires_grad=True)
    return weights, torch.tensor(rng.normal(size=(batch, len(c.inputs))), requires_grad=True)


@pytest.mark.parametrize("seed", range(25))
def test_all_gradients_agree(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 6))
    c = random_circuit(rng, n, 20, width=n, pool=7)
    w, x = values_of(c, rng, 5)
    operators = [random_operator(rng, n) for _ in range(3)]
    upstream = torch.tensor(rng.normal(size=(5, 3)))
    results = []
    for method in ("backprop", "adjoint", "parameter_shift"):
        values = expectation(c, operators, w, x, gradient=method)
        gradients = torch.autograd.grad((values * upstream).sum(), (w, x), allow_unused=True)
        results.append([values.detach(), *(g for g in gradients if g is not None)])
    program = lower(c)
    twin = reverse.values(question(program, operators, w, x))
    gradients = torch.autograd.grad((twin * upstream).sum(), (w, x), allow_unused=True)
    results.append([twin.detach(), *(g for g in gradients if g is not None)])
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            torch.testing.assert_close(a, b, atol=1e-11, rtol=0)


@pytest.mark.parametrize("name", sorted(NAMES))
def test_each_gate_matches_its_matrix(name):
    rng = np.random.default_rng(0)
    base, controls = NAMES[name]
    size = GATES[base].num_qubits + controls
    n = size + 1
    c = Circuit(n)
    for q in range(n):
        c.ry(0.3 + q, q).rz(0.7 - q, q)
    c.append(gate(name, *rng.uniform(-3, 3, GATES[base].num_params)), rng.permutation(n)[:size])
    dense = c.matrix()[:, 0]
    assert np.allclose(statevector(c).numpy(), dense, atol=1e-12)
    operator = random_operator(rng, n)
    assert float(expectation(c, operator)) == pytest.approx(operator.expectation(dense), abs=1e-12)


def test_single_precision_is_close():
    rng = np.random.default_rng(4)
    c = random_circuit(rng, 5, 40, width=5, pool=7)
    w, x = values_of(c, rng, 33)
    operators = [random_operator(rng, 5)]
    double = expectation(c, operators, w, x)
    single = expectation(c, operators, w, x, dtype=torch.float32)
    assert single.dtype == torch.float32
    torch.testing.assert_close(single.double(), double, atol=2e-5, rtol=0)


def test_plain_numbers_keep_their_precision():
    angle = 0.1234567890123456
    state = statevector(Circuit(1).ry(Parameter("w"), 0), [angle]).numpy()
    assert state[0].real == pytest.approx(np.cos(angle / 2), abs=1e-15)


def test_second_derivatives_by_parameter_shift():
    rng = np.random.default_rng(2)
    c = random_circuit(rng, 3, 6, pool=7)
    w, x = values_of(c, rng, 2)
    operator = random_operator(rng, 3)

    def f(weights, inputs):
        return expectation(c, operator, weights, inputs, gradient="parameter_shift")

    assert torch.autograd.gradcheck(f, (w, x))
    assert torch.autograd.gradgradcheck(f, (w, x))


def test_shots_are_unbiased_and_their_error_is_right():
    rng = np.random.default_rng(6)
    c = random_circuit(rng, 3, 10, pool=7)
    w, x = (v.detach() for v in values_of(c, rng, 1))
    operator = random_operator(rng, 3, 6)
    generator = torch.Generator().manual_seed(0)
    exact = expectation(c, operator, w, x)
    many = x.expand(1000, -1)
    values, errors = expectation_with_error(c, operator, w, many, shots=200, generator=generator)
    assert abs(float(values.mean() - exact)) < 4 * float(errors.mean()) / np.sqrt(1000)
    assert float(values.std()) == pytest.approx(float(errors.square().mean().sqrt()), rel=0.1)


def test_layer_trains_and_keeps_its_state():
    c = (
        Circuit(2)
        .ry(Parameter("x", "input"), 0)
        .cx(0, 1)
        .ry(Parameter("a"), 0)
        .rz(Parameter("b"), 0)
        .ry(Parameter("d"), 1)
    )
    layer = QuantumLayer(c, [PauliSum.parse("IZ"), PauliSum.parse("ZI")], generator=torch.Generator().manual_seed(1))
    x = torch.linspace(-1, 1, 20).unsqueeze(1)
    target = torch.cat([torch.cos(x + 0.5), torch.cos(x) * 0.5], dim=1)
    optimiser = torch.optim.Adam(layer.parameters(), lr=0.1)
    first = last = 0.0
    for step in range(60):
        optimiser.zero_grad()
        loss = (layer(x) - target).square().mean()
        loss.backward()
        optimiser.step()
        first, last = (float(loss.detach()), last) if step == 0 else (first, float(loss.detach()))
    assert last < 0.5 * first
    copy = QuantumLayer(c, [PauliSum.parse("IZ"), PauliSum.parse("ZI")], weights=[0.0, 0.0, 0.0])
    copy.load_state_dict(layer.state_dict())
    assert torch.equal(copy(x), layer(x))


W1 = Circuit(1).ry(Parameter("w"), 0)
Z = PauliSum.parse("Z")


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: expectation(W1, Z), ParameterError, "has 1 weights, none were given"),
        (lambda: expectation(W1, Z, [0.1, 0.2]), ParameterError, "last axis must be 1"),
        (lambda: expectation(W1, Z, [float("nan")]), ParameterError, "not finite"),
        (lambda: expectation(W1, PauliSum.parse("ZZ"), [0.1]), InvalidInput, "on 2 qubits, the circuit has 1"),
        (lambda: expectation(W1, [], [0.1]), InvalidInput, "at least one"),
        (lambda: expectation(W1, 1j * Z, [0.1]), InvalidInput, "not Hermitian"),
        (lambda: expectation(W1, Z, [0.1], shots=5), InvalidInput, "generator"),
        (lambda: expectation(W1, Z, [0.1], gradient="magic"), InvalidInput, "are known"),
        (lambda: expectation(Circuit(1, 1).measure(0, 0).h(0), Z), InvalidInput, "before its last gate"),
        (lambda: statevector(Circuit(40).h(0)), NotEnoughMemory, "of memory are available"),
        (lambda: statevector(W1, [0.1], initial=[1, 0, 0]), InvalidInput, "last axis must be 2"),
        (lambda: statevector(W1, [0.1], initial=[1, 1]), InvalidInput, "norm must be 1"),
        (lambda: statevector(W1, [0.1], initial=[float("nan"), 1]), InvalidInput, "norm must be 1"),
        (lambda: QuantumLayer(W1, Z), InvalidInput, "generator to draw"),
    ],
)
def test_bad_input_is_named(call, error, message):
    with pytest.raises(error, match=message):
        call()

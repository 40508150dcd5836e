"""The compiled batch kernel: every instruction set, batch size, precision and placement of parameters against the torch twin."""

import json
import math
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bitket.algebra import PauliSum
from bitket.quantum.circuits import Circuit, Parameter, ParameterError
from bitket.quantum.simulation import expectation, native
from bitket.quantum.simulation.program import lower
from bitket.quantum.simulation.rotations import to_rotations

pytestmark = pytest.mark.skipif(native.core is None, reason="the compiled core was not built")


def circuit(n: int, layers: int = 2) -> Circuit:
    c = Circuit(n)
    for q in range(n):
        c.ry(Parameter(f"x{q}", "input"), q)
    for k in range(layers):
        for q in range(n):
            c.rx(Parameter(f"a{k},{q}"), q).rz(Parameter(f"b{q}") + 0.5 * Parameter("x0", "input"), q)
        for q in range(n - 1):
            c.cx(q, q + 1)
    return c


def operators(n: int) -> list[PauliSum]:
    zs = [PauliSum.from_sparse([("Z", [q], 1.0)], n) for q in range(n)]
    return [*zs, PauliSum.from_list([("X" * n, 0.7), ("Y" * n, -0.3), ("I" * n, 0.2), ("Z" * n, 1.1)])]


def compare(c: Circuit, ops: list[PauliSum], w: torch.Tensor, x: torch.Tensor, dtype=torch.float64, atol=1e-11) -> None:
    w, x = w.clone().requires_grad_(), x.clone().requires_grad_()
    results = []
    for method, kind in (("backprop", torch.float64), ("adjoint", dtype)):
        values = expectation(c, ops, w, x, gradient=method, dtype=kind).double()
        upstream = torch.linspace(-1, 1, values.numel(), dtype=torch.float64).reshape(values.shape)
        results.append((values.detach(), *torch.autograd.grad((values * upstream).sum(), (w, x))))
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(a, b, atol=atol, rtol=atol)


@pytest.mark.parametrize("n", [1, 2, 3, 4, 7])
@pytest.mark.parametrize("batch", [1, 7, 8, 17, 130])
def test_any_batch_in_both_precisions(n, batch):
    c, rng = circuit(n), np.random.default_rng(batch)
    w, x = torch.tensor(rng.uniform(-3, 3, len(c.weights))), torch.tensor(rng.uniform(-3, 3, (batch, n)))
    compare(c, operators(n), w, x)
    compare(c, operators(n), w, x, torch.float32, 3e-4)


@pytest.mark.parametrize(
    ("w_shape", "x_shape"),
    [((), ()), ((5,), ()), ((5,), (5,)), ((3, 1), (4,)), ((), (2, 3)), ((0,), (0,)), ((1,), (6,))],
)
def test_weights_and_inputs_may_both_be_batched(w_shape, x_shape):
    c, rng = circuit(3), np.random.default_rng(0)
    w, x = (torch.tensor(rng.uniform(-3, 3, (*s, k))) for s, k in ((w_shape, len(c.weights)), (x_shape, 3)))
    compare(c, operators(3), w, x)


@pytest.mark.parametrize("angle", [math.pi, -math.pi, 3 * math.pi, math.pi / 2, math.pi - 1e-7, 0.0, 1e5, 1e9])
@pytest.mark.parametrize(("dtype", "atol"), [(torch.float64, 1e-10), (torch.float32, 2e-4)])
def test_cosines_that_vanish_lose_no_accuracy(angle, dtype, atol):
    """The kernel divides by cos(a/2): all angles at pi at once, in every row and block, are the worst case."""
    c = circuit(5, layers=4)
    w, x = torch.full((len(c.weights),), angle, dtype=dtype), torch.full((9, 5), angle, dtype=dtype)
    x[3:] += 0.1
    if dtype == torch.float32 and abs(angle) > 1e3:
        x[3:] = angle  # sums with such angles are rounded before they reach the kernel
        w.zero_()
    compare(c, operators(5), w.double(), x.double(), dtype, atol)


def test_long_circuits_keep_their_norm():
    """Hundreds of rotations: the scale of the cosines left out must be put back in time."""
    c, rng = circuit(4, layers=60), np.random.default_rng(3)
    w, x = torch.tensor(rng.uniform(-3, 3, len(c.weights))), torch.tensor(rng.uniform(-3, 3, (3, 4)))
    compare(c, operators(4), w, x, atol=1e-10)
    compare(c, operators(4), w, x, torch.float32, 3e-3)


@settings(deadline=None, max_examples=25)
@given(st.lists(st.floats(-50, 50), min_size=9, max_size=9), st.integers(1, 20))
def test_a_period_of_two_pi_and_bounds(angles, batch):
    c = circuit(2, layers=1)
    w = torch.tensor(angles[: len(c.weights)], dtype=torch.float64)
    x = torch.tensor(angles[-1], dtype=torch.float64).expand(batch, 2)
    z = [PauliSum.parse("ZZ")]
    values = expectation(c, z, w, x)
    assert float(values.abs().max()) <= 1 + 1e-12
    torch.testing.assert_close(expectation(c, z, w + 2 * math.pi, x), values, atol=1e-11, rtol=0)
    assert torch.equal(values, values[:1].expand_as(values))  # a sample's value does not depend on its lane


def test_threads_do_not_change_any_bit():
    c, rng = circuit(7), np.random.default_rng(5)
    w = torch.tensor(rng.normal(size=len(c.weights)), requires_grad=True)
    x = torch.tensor(rng.normal(size=(200, 7)), requires_grad=True)
    before, results = torch.get_num_threads(), []
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            values = expectation(c, operators(7), w, x)
            results.append((values, *torch.autograd.grad(values.square().sum(), (w, x))))
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))


def test_two_graphs_at_once_keep_their_states():
    c = circuit(3)
    w = torch.ones(len(c.weights), dtype=torch.float64)
    xs = [torch.full((4, 3), v, dtype=torch.float64, requires_grad=True) for v in (0.3, 0.9)]
    alone = [torch.autograd.grad(expectation(c, operators(3), w, x).sum(), x)[0] for x in xs]
    both = [expectation(c, operators(3), w, x).sum() for x in xs]
    again = [torch.autograd.grad(value, x, retain_graph=True)[0] for value, x in zip(both, xs, strict=True)]
    twice = [torch.autograd.grad(value, x)[0] for value, x in zip(both, xs, strict=True)]
    assert all(torch.equal(a, b) and torch.equal(a, d) for a, b, d in zip(alone, again, twice, strict=True))


@pytest.mark.parametrize("where", ["weights", "inputs"])
def test_values_that_are_not_finite_are_refused(where):
    c = circuit(2)
    w, x = torch.zeros(len(c.weights)), torch.zeros(5, 2)
    (w if where == "weights" else x[3])[0] = float("inf")
    with pytest.raises(ParameterError, match="not finite"):
        expectation(c, operators(2), w, x)


def test_shapes_that_do_not_broadcast_are_named():
    c = circuit(2)
    with pytest.raises(ParameterError, match="must broadcast"):
        expectation(c, operators(2), torch.zeros(3, len(c.weights)), torch.zeros(5, 2))


def test_cliffords_cost_nothing():
    c = Circuit(3).h(0).cx(0, 1).s(1).cz(1, 2).swap(0, 2).ry(Parameter("w"), 1).cx(1, 0)
    assert len(to_rotations(lower(c)).turns) == 1


SCRIPT = """
import json, sys, torch
from bitket.quantum.simulation import native, expectation
sys.path.insert(0, sys.argv[1])
from test_native_batch import circuit, operators
c = circuit(5)
out = [native.core.instruction_set() if native.core else "torch"]
for dtype in (torch.float32, torch.float64):
    w = torch.linspace(-3, 3, len(c.weights), dtype=dtype, requires_grad=True)
    x = torch.linspace(-2, 2, 100, dtype=dtype).reshape(20, 5).requires_grad_()
    y = expectation(c, operators(5), w, x, dtype=dtype)
    out += [t.flatten().tolist() for t in (y, *torch.autograd.grad(y.square().sum(), (w, x)))]
print(json.dumps(out))
"""


def test_instruction_sets_agree_with_the_twin():
    """Each in a process of its own, since the choice is made at import."""
    results = {}
    for name in ("torch", "generic", "v3", "v4"):
        choice = {"BITKET_NATIVE": "0"} if name == "torch" else {"BITKET_ISA": name}
        run = subprocess.run(
            [sys.executable, "-c", SCRIPT, os.path.dirname(__file__)],
            env=os.environ | choice,
            capture_output=True,
            text=True,
            check=True,
        )
        results[name] = json.loads(run.stdout)
        assert name == "v4" or results[name][0] in (name, "generic")  # a processor may lack the wider sets
    for name in ("generic", "v3", "v4"):
        for k, (ours, twin) in enumerate(zip(results[name][1:], results["torch"][1:], strict=True)):
            np.testing.assert_allclose(ours, twin, atol=1e-4 if k < 3 else 1e-11)

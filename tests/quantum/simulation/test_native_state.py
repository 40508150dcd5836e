"""The compiled simulator of one state against its twin in torch operators, on every kind of gate."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bitket.algebra import PauliSum
from bitket.quantum.circuits import Parameter
from bitket.quantum.circuits.ansatz import efficient_su2
from bitket.quantum.circuits.random import random_circuit
from bitket.quantum.noise import NoiseModel
from bitket.quantum.simulation import adjoint, expectation, native, planner, reverse, statevector, twin
from bitket.quantum.simulation.asked import Asked
from bitket.quantum.simulation.compiled import CoreKernel
from bitket.quantum.simulation.doubled import doubled
from bitket.quantum.simulation.program import PauliRotation, Program, Unitary, lower

pytestmark = pytest.mark.skipif(native.core is None, reason="the compiled core is not built")

X = np.array([[0, 1], [1, 0]], dtype=complex)
SWAP = np.eye(4, dtype=complex)[[0, 2, 1, 3]]


def random_program(
    n: int, count: int, rng: np.random.Generator, not_unitary: float = 0.3
) -> tuple[Program, np.ndarray]:
    """Matrices (a part of them not unitary), flips, swaps, phases and Pauli rotations, each with or without controls."""
    ops: list[Unitary | PauliRotation] = []
    slots = 6
    for _ in range(count):
        kind = rng.integers(7)
        k = min(n, int(rng.integers(1, 6)) if kind == 0 else 2 if kind in (2, 5) else 1)
        order = rng.permutation(n)
        qubits = tuple(int(q) for q in order[:k])
        free = order[k:]
        mask = sum(1 << int(q) for q in free[: rng.integers(0, 3)]) if rng.random() < 0.6 else 0
        value = int(rng.integers(1 << n)) & mask
        if kind <= 3:
            if kind == 0:
                matrix = rng.normal(size=(2, 1 << k, 1 << k)) / 2 ** (k / 2)
                matrix = (
                    np.linalg.qr(matrix[0] + 1j * matrix[1])[0]
                    if rng.random() >= not_unitary
                    else matrix[0] + 1j * matrix[1]
                )
            elif kind == 1:
                matrix = X
            elif kind == 2 and k == 2:
                matrix = SWAP
            else:
                matrix = np.diag(np.exp(1j * rng.normal(size=2))) if k == 1 else np.eye(4, dtype=complex)
            ops.append(Unitary(matrix, qubits, mask, value))
            continue
        x, z = (int(v) for v in rng.integers(1 << n, size=2))
        if kind == 4:
            x, z = x & (1 << qubits[0]), z & (1 << qubits[0])
        elif kind == 5:
            x, z = 0, sum(1 << q for q in qubits)
        ops.append(PauliRotation(x & ~mask, z & ~mask, int(rng.integers(slots)), mask, value))
    program = Program(n, 0, tuple(ops), (None,) * slots, (), (), 0.3, None)  # type: ignore[arg-type]
    return program, rng.normal(size=slots) * 3


def random_state(shape: tuple[int, ...], rng: np.random.Generator) -> torch.Tensor:
    values = rng.normal(size=(2, *shape))
    return torch.as_tensor((values[0] + 1j * values[1]) / np.linalg.norm(values))


@settings(deadline=None, max_examples=60)
@given(n=st.integers(1, 9), seed=st.integers(0, 2**32 - 1), double=st.booleans())
def test_core_and_twin_agree(n: int, seed: int, double: bool) -> None:
    rng = np.random.default_rng(seed)
    program, angles = random_program(n, 25, rng)
    check(program, angles, random_state((1 << n,), rng), double)


def check(program: Program, angles: np.ndarray, state: torch.Tensor, double: bool) -> None:
    given = torch.as_tensor(angles)
    expected = twin.evolve(program, state, given)
    for _ in range(2):  # the second call takes the plan from the cache
        out = planner.run_native(program, state.to(torch.complex128 if double else torch.complex64, copy=True), given)
        error = float((out - expected).abs().max() / expected.abs().max())
        assert error < (1e-12 if double else 3e-5)
    changed = given + 0.7
    out = planner.run_native(program, state.clone(), changed)
    torch.testing.assert_close(
        out, twin.evolve(program, state, changed), rtol=1e-10, atol=1e-10 * float(out.abs().max())
    )


@pytest.mark.parametrize("double", [True, False])
@pytest.mark.parametrize("n", [13, 15])
def test_several_stages(n: int, double: bool) -> None:
    rng = np.random.default_rng(n)
    program, angles = random_program(n, 60, rng)
    check(program, angles, random_state((1 << n,), rng), double)


def test_small_tiles_need_many_stages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planner, "_TILE", {8: 10, 16: 10})
    for seed in range(8):
        rng = np.random.default_rng(seed)
        program, angles = random_program(12, 60, rng)
        check(program, angles, random_state((1 << 12,), rng), seed % 2 == 0)


def test_leading_axes_and_place() -> None:
    rng = np.random.default_rng(1)
    program, _ = random_program(5, 20, rng)
    angles, state = torch.as_tensor(rng.normal(size=(3, 1, 6))), random_state((3, 2, 32), rng)
    expected = twin.evolve(program, state, angles)
    out = planner.run_native(program, state, angles)
    assert out.data_ptr() == state.data_ptr()
    torch.testing.assert_close(out, expected)


def test_one_state_and_many_angles() -> None:
    rng = np.random.default_rng(2)
    program, _ = random_program(4, 20, rng)
    angles, state = torch.as_tensor(rng.normal(size=(3, 6))), random_state((16,), rng)
    expected = twin.evolve(program, state.expand(3, 16), angles)
    torch.testing.assert_close(planner.run_native(program, state, angles), expected)


@pytest.mark.parametrize("n", [1, 2, 3, 5, 7])
@pytest.mark.parametrize("dtype", [torch.complex64, torch.complex128])
def test_library_circuits_against_the_matrix(n: int, dtype: torch.dtype) -> None:
    c = random_circuit(n, 12, np.random.default_rng(n))
    program = lower(c)
    assert planner.takes(program, dtype, torch.device("cpu"))
    state = random_state((1 << n,), np.random.default_rng(n))
    out = planner.run_native(program, state.to(dtype, copy=True), torch.zeros(0))
    expected = torch.as_tensor(c.matrix()) @ state
    torch.testing.assert_close(out, expected.to(dtype), atol=2e-5 if dtype == torch.complex64 else 1e-12, rtol=0)


def test_parameters_and_phases() -> None:
    c = random_circuit(6, 12, np.random.default_rng(3))
    for q in range(6):
        c.crx(Parameter("a"), q, (q + 1) % 6).rzz(Parameter("b") * q, q, (q + 1) % 6)
    program = lower(c)
    angles = program.angles(torch.tensor([0.4, -1.1], dtype=torch.float64), None)
    state = random_state((64,), np.random.default_rng(4))
    expected = twin.evolve(program, state, angles)
    torch.testing.assert_close(planner.run_native(program, state.clone(), angles), expected, atol=1e-12, rtol=0)


def test_superoperators_which_are_not_unitary() -> None:
    c = random_circuit(3, 5, np.random.default_rng(2), names=["rx", "ry", "cx", "h"], max_controls=0)
    program = doubled(lower(c, NoiseModel.depolarizing(0.1, 0.2)))
    state = twin.zero_state(6, (), torch.complex128, torch.device("cpu"))
    expected = twin.evolve(program, state, torch.zeros(0))
    torch.testing.assert_close(planner.run_native(program, state.clone(), torch.zeros(0)), expected, atol=1e-13, rtol=0)


def test_a_matrix_on_six_qubits_is_left_to_the_twin() -> None:
    program = Program(6, 0, (Unitary(np.eye(64, dtype=complex), tuple(range(6))),), (), (), (), 0.0, None)
    assert not planner.takes(program, torch.complex128, torch.device("cpu"))


def random_observable(n: int, terms: int, rng: np.random.Generator) -> PauliSum:
    masks = rng.integers(1 << n, size=(terms, 2)).tolist()
    return PauliSum.from_masks(n, [(float(rng.normal()), x, z) for x, z in masks])


def check_gradient(n: int, seed: int, samples: int, double: bool) -> None:
    rng = np.random.default_rng(seed)
    program, _ = random_program(n, 25, rng, not_unitary=0.0)
    observables = [random_observable(n, 5, rng), random_observable(n, 1, rng)][: int(rng.integers(1, 3))]
    angles = torch.from_numpy(rng.normal(size=(samples, len(program.slots))) * 3)
    upstream = torch.from_numpy(rng.normal(size=(samples, len(observables))))
    found = []
    for ours in (True, False):
        x = angles.to(torch.float64 if double or not ours else torch.float32).requires_grad_()
        if ours:
            values = adjoint.OneByOne.apply(None, x, CoreKernel(program, observables), True, samples)
        else:
            values = reverse.values(Asked(program, None, x, observables, x.dtype, x.device, False, by_angle=True))
        found += [values.detach(), torch.autograd.grad((values * upstream.to(x.dtype)).sum(), x)[0]]
    scale = sum(float(np.abs(o.coefficients).sum()) for o in observables)
    for one, other in zip(found[:2], found[2:], strict=True):
        assert float((one.double() - other).abs().max()) <= (1e-12 if double else 3e-5) * scale * 25


@settings(deadline=None, max_examples=60)
@given(n=st.integers(4, 8), seed=st.integers(0, 2**32 - 1), samples=st.integers(1, 2), double=st.booleans())
def test_gradients_of_single_states(n: int, seed: int, samples: int, double: bool) -> None:
    check_gradient(n, seed, samples, double)


@pytest.mark.parametrize("double", [True, False])
@pytest.mark.parametrize("n", [13, 15])
def test_gradients_over_several_stages(n: int, double: bool) -> None:
    check_gradient(n, n, 1, double)


def test_gradients_of_single_states_may_be_asked_for_twice() -> None:
    rng = np.random.default_rng(0)
    program, start = random_program(5, 20, rng, not_unitary=0.0)
    observable = random_observable(5, 4, rng)
    x = torch.from_numpy(start).requires_grad_()
    value = adjoint.OneByOne.apply(None, x, CoreKernel(program, [observable]), True, 1)
    first, second = (torch.autograd.grad(value.sum(), x, retain_graph=True)[0] for _ in range(2))
    assert torch.equal(first, second)


def test_large_circuits_go_one_by_one() -> None:
    c = efficient_su2(13, 1)
    w = torch.from_numpy(np.random.default_rng(0).normal(size=(2, len(c.weights)))).requires_grad_()
    operator = random_observable(13, 6, np.random.default_rng(1))
    assert adjoint.suits(lower(c), 2)
    gradients = []
    for method in ("adjoint", "backprop"):
        value = expectation(c, operator, w, gradient=method)  # type: ignore[arg-type]
        gradients.append(torch.autograd.grad(value.sum(), w)[0])
    assert float((gradients[0] - gradients[1]).abs().max()) < 1e-12


@pytest.mark.parametrize("n", [4, 11])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_circuits_without_parameters(n: int, dtype: torch.dtype) -> None:
    c = random_circuit(n, 12, np.random.default_rng(n))
    operator = random_observable(n, 6, np.random.default_rng(0))
    value = expectation(c, operator, dtype=dtype)
    assert value.dtype == dtype
    assert value.shape == ()
    assert float(value) == pytest.approx(
        float(operator.expectation(statevector(c).numpy())), abs=1e-4 if dtype == torch.float32 else 1e-12
    )

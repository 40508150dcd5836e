"""Circuits seen once: every kind of row, lowered by the core or in Python, run gate by gate or by a plan, against the dense matrix and the
twin in torch operators."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bitket.algebra import PauliSum
from bitket.errors import InvalidInput
from bitket.quantum.circuits import Circuit, Parameter, gate, unitary
from bitket.quantum.circuits.gates import GATES, KINDS
from bitket.quantum.simulation import expectation, fresh, native, planner, statevector, twin, walked
from bitket.quantum.simulation.compiled import CoreKernel
from bitket.quantum.simulation.observables import state_values
from bitket.quantum.simulation.program import PauliRotation, _lower, lower

needs_core = pytest.mark.skipif(native.core is None, reason="the compiled core is not built")
WEIGHTS = tuple(Parameter(f"w{k}") for k in range(3))
INPUT = Parameter("x", "input")


def any_circuit(n: int, count: int, rng: np.random.Generator, symbolic: float = 0.0) -> Circuit:
    """Gates of every standard name, added by method or as objects, further controls open and closed, matrices, barriers."""
    c = Circuit(n)
    names = [name for name, kind in KINDS.items() if kind.num_qubits <= n]
    for _ in range(count):
        order = [int(q) for q in rng.permutation(n)]
        kind = rng.random()
        if kind < 0.12:
            k = int(rng.integers(1, min(n, 3) + 1))
            parts = rng.normal(size=(2, 1 << k, 1 << k))
            g = unitary(np.linalg.qr(parts[0] + 1j * parts[1])[0])
        else:
            name = names[int(rng.integers(len(names)))]
            params = [angle(rng, symbolic) for _ in range(KINDS[name].num_params)]
            if kind < 0.5 and hasattr(Circuit, name) and KINDS[name].controls < 3:
                getattr(c, name)(*params, *order[: KINDS[name].num_qubits])
                continue
            g = gate(name, *params)
        if kind > 0.8 and g.num_qubits < n:
            controls = int(rng.integers(1, n - g.num_qubits + 1))
            g = g.control(controls, int(rng.integers(1 << controls)))
        if kind > 0.95:
            c.barrier()
        c.append(g, order[: g.num_qubits])
    return c


def angle(rng: np.random.Generator, symbolic: float) -> object:
    if rng.random() >= symbolic:
        return float(rng.uniform(-4, 4))
    a, b = (WEIGHTS[int(k)] for k in rng.integers(3, size=2))
    return (a, 2 * b, a * INPUT, INPUT - 0.3, a.sin() + b)[int(rng.integers(5))]


@needs_core
@settings(deadline=None, max_examples=120)
@given(st.integers(1, 6), st.integers(0, 25), st.integers(0, 2**32 - 1))
def test_every_gate_against_the_dense_matrix(n: int, count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    c = any_circuit(n, count, rng)
    expected = c.matrix()[:, 0]
    for _ in range(3):  # gate by gate, by a plan, by the plan again
        np.testing.assert_allclose(statevector(c).numpy(), expected, atol=1e-12)
    np.testing.assert_allclose(statevector(c.copy(), dtype=torch.float32).numpy(), expected, atol=1e-5)
    start = rng.normal(size=2 << n).view(complex)
    start /= np.linalg.norm(start)
    for _ in range(2):
        np.testing.assert_allclose(statevector(c, initial=start).numpy(), c.matrix() @ start, atol=1e-12)
    zero = twin.zero_state(n, (), torch.complex128, torch.device("cpu"))
    for program in (lower(c), _lower(c, None)):
        np.testing.assert_allclose(twin.evolve(program, zero, torch.zeros(0)).numpy(), expected, atol=1e-12)


@settings(deadline=None, max_examples=80)
@given(st.integers(1, 5), st.integers(1, 20), st.integers(0, 2**32 - 1))
def test_symbolic_angles_against_bound_ones_and_the_twin(n: int, count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    c = any_circuit(n, count, rng, symbolic=0.6)
    values = {p.name: float(rng.uniform(-3, 3)) for p in c.parameters}
    weights, inputs = ([values[p.name] for p in ps] for ps in (c.weights, c.inputs))
    expected = c.bind(values).matrix()[:, 0]
    for _ in range(2):
        np.testing.assert_allclose(statevector(c, weights, inputs).numpy(), expected, atol=1e-12)
    program, again = lower(c), _lower(c, None)
    assert (program.weights, program.inputs) == (again.weights, again.inputs)
    given = [torch.tensor(v, dtype=torch.float64) for v in (weights, inputs)]
    zero = twin.zero_state(n, (), torch.complex128, torch.device("cpu"))
    for p in (program, again):
        np.testing.assert_allclose(twin.evolve(p, zero, p.angles(*given)).numpy(), expected, atol=1e-12)
    batch = statevector(c, [weights, weights], inputs).numpy()
    np.testing.assert_allclose(batch, [expected, expected], atol=1e-12)


@needs_core
@pytest.mark.parametrize("n", [13, 16])
def test_with_and_without_a_plan_on_more_qubits(n: int) -> None:
    rng = np.random.default_rng(n)
    c = any_circuit(n, 60, rng)
    first = statevector(c)
    planned = torch.zeros(1 << n, dtype=torch.complex128)
    planned[0] = 1
    zero = torch.zeros(0, dtype=torch.float64)
    planner.state_plan(lower(c), torch.complex128).run(zero.data_ptr(), planned.data_ptr(), True)
    walked = torch.zeros(1 << n, dtype=torch.complex128)
    planner.lowered(lower(c)).run(True, zero.data_ptr(), 0, walked.data_ptr())
    np.testing.assert_allclose(first.numpy(), planned.numpy(), atol=1e-12)
    np.testing.assert_allclose(walked.numpy(), planned.numpy(), atol=1e-12)


def test_slots_are_shared_and_keep_their_order() -> None:
    a, b, _ = WEIGHTS
    c = Circuit(2).ry(b, 0).rx(a, 1).rzz(b, 0, 1).p(a, 0).crx(2 * b, 0, 1).ry(b, 1)
    program, again = lower(c), _lower(c, None)
    assert program.slots[:2] == again.slots[:2] == (b, a)
    assert len(program.slots) == len(again.slots) == 4
    turns = [[op.slot for op in p.ops if isinstance(op, PauliRotation)] for p in (program, again)]
    assert turns[0] == turns[1] == [0, 1, 0, 2, 3, 0]


def test_a_changed_circuit_is_run_anew() -> None:
    c = Circuit(2).h(0)
    steps = [
        lambda: c.cx(0, 1),
        lambda: c.ry(0.3, 1),
        lambda: c.append(gate("z").control(1, 0), [0, 1]),
        lambda: c.rz(WEIGHTS[0], 0),
        lambda: c.declare(WEIGHTS[1]),
        lambda: c._push(gate("rx", 0.2), (0,)),
    ]
    for change in steps:
        for _ in range(3):
            statevector(c, [0.4] * len(c.weights))
        change()
        values = [0.4] * len(c.weights)
        np.testing.assert_allclose(statevector(c, values).numpy(), c.bind(values).matrix()[:, 0], atol=1e-12)
    later = copy.copy(c)
    before = statevector(c, [0.4, 0.4])
    np.testing.assert_allclose(statevector(later, [0.4, 0.4]).numpy(), before.numpy(), atol=1e-12)
    c.measure_all()
    assert not c.is_unitary
    np.testing.assert_allclose(statevector(c, [0.4, 0.4]).numpy(), before.numpy(), atol=1e-12)


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 5), st.integers(0, 12), st.integers(0, 2**32 - 1))
def test_copies_views_and_rows_agree(n: int, count: int, seed: int) -> None:
    c = any_circuit(n, count, np.random.default_rng(seed), symbolic=0.3)
    statevector(c, [0.1] * len(c.weights), [0.2] * len(c.inputs))
    by_hand = Circuit(n).declare(*c.parameters)
    for i in c:
        by_hand.append(i.operation, i.qubits)
    for other in (c.copy(), copy.deepcopy(c), pickle.loads(pickle.dumps(c)), by_hand, c.remap(range(n))):
        assert other == c
        assert other.instructions == c.instructions
        assert other.parameters == c.parameters
        assert other.count_ops() == c.count_ops()
        assert other.depth() == c.depth()
    assert c.copy().h(0) != c


def test_names_and_numbers_of_another_kind_take_the_careful_way() -> None:
    plain = Circuit(2).rx(0.5, 1).cx(0, 1).cp(2.0, 0, 1)
    odd = Circuit(2).rx(np.float32(0.5), np.int64(1)).cx(np.int8(0), True).cp(2, np.uint8(0), 1)
    assert odd == plain
    assert all(type(q) is int for i in odd for q in i.qubits)
    assert gate("h") is gate("h")
    assert set(GATES) <= set(KINDS)


@needs_core
def test_damping_is_no_phase() -> None:
    from bitket.quantum.simulation.program import Program, Unitary

    matrix = np.diag([1, 1 - 1e-7]).astype(complex)  # a Kraus operator of a small rate
    program = Program(1, 0, (Unitary(matrix, (0,)),), (), (), (), 0.0, None)
    state = torch.tensor([0, 1], dtype=torch.complex128)
    for _ in range(2):
        out = planner.run_native(program, state.clone(), torch.zeros(0))
        assert abs(out[1].item() - (1 - 1e-7)) < 1e-15


def any_sum(n: int, rng: np.random.Generator) -> PauliSum:
    masks = rng.integers(1 << n, size=(int(rng.integers(1, 8)), 2)).tolist()
    return PauliSum.from_masks(n, [(float(rng.normal()), x, z) for x, z in masks])


@needs_core
@settings(deadline=None, max_examples=100)
@given(st.integers(1, 6), st.integers(0, 25), st.integers(0, 2**32 - 1))
def test_values_and_gradients_against_the_twin(n: int, count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    program = lower(any_circuit(n, count, rng, symbolic=0.7))
    operators = [any_sum(n, rng) for _ in range(int(rng.integers(1, 4)))]
    angles = rng.normal(size=(2, len(program.slots))) * 3
    upstream = rng.normal(size=(2, len(operators)))
    given = torch.tensor(angles, requires_grad=True)
    states = twin.evolve(program, twin.zero_state(n, (2,), torch.complex128, torch.device("cpu")), given)
    expected = state_values(states, operators)
    kernel = CoreKernel(program, operators)
    found = walked.values(kernel, None, given.detach(), True, 2)
    gradient = walked.slopes(kernel, given.detach(), torch.tensor(upstream))
    np.testing.assert_allclose(found, expected.detach().numpy(), atol=1e-12)
    if program.slots and states.requires_grad:
        (right,) = torch.autograd.grad((expected * torch.tensor(upstream)).sum(), given)
        np.testing.assert_allclose(gradient, right.numpy(), atol=1e-11)
    single = walked.values(kernel, None, given.detach().float(), True, 2)
    rough = walked.slopes(kernel, given.detach().float(), torch.tensor(upstream).float())
    np.testing.assert_allclose(single, found, atol=1e-4)
    np.testing.assert_allclose(rough, gradient, atol=1e-3)


@needs_core
@settings(deadline=None, max_examples=60)
@given(st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_walked_gradients_for_weights_and_inputs(n: int, seed: int) -> None:
    """One or several observables and samples, weights shared or not, against the twin in torch operators."""
    rng = np.random.default_rng(seed)
    c = any_circuit(n, 15, rng, symbolic=0.7)
    program = lower(c)
    if program.links is None or not (c.weights and c.inputs):
        return
    operators = [any_sum(n, rng) for _ in range(int(rng.integers(1, 3)))]
    count, shared = int(rng.integers(1, 4)), bool(rng.integers(2))
    w = torch.tensor(rng.normal(size=(len(c.weights),) if shared else (count, len(c.weights))), requires_grad=True)
    x = torch.tensor(rng.normal(size=(count, len(c.inputs))), requires_grad=True)
    upstream = torch.tensor(rng.normal(size=(count, len(operators))))
    found = walked.Walked.apply(w, x, CoreKernel(program, operators), False, count)
    right = expectation(c, operators, w, x, gradient="backprop")
    np.testing.assert_allclose(found.detach(), right.detach(), atol=1e-12)
    for a, b in zip(
        torch.autograd.grad(found, (w, x), upstream), torch.autograd.grad(right, (w, x), upstream), strict=True
    ):
        np.testing.assert_allclose(a, b, atol=1e-11)


@needs_core
def test_value_and_gradient_by_parameters() -> None:
    rng = np.random.default_rng(1)
    a, b, _ = WEIGHTS
    c = Circuit(3).ry(a, 0).rx(2 * b - INPUT, 1).rzz(a, 0, 2).cx(0, 1).crx(INPUT, 1, 2).rxx(b, 0, 1).u(a, b, 0.3, 2)
    operator, point = any_sum(3, rng), rng.normal(size=3)
    value, gradient = fresh.value_and_gradient(c, operator, point)
    w, x = torch.tensor(point[:2], requires_grad=True), torch.tensor(point[2:], requires_grad=True)
    right = expectation(c, operator, w, x, gradient="backprop")
    np.testing.assert_allclose(value, right.item(), atol=1e-12)
    np.testing.assert_allclose(gradient, torch.cat(torch.autograd.grad(right, (w, x))).numpy(), atol=1e-12)
    many = fresh.values(c, (operator,), np.stack([point, point]))
    np.testing.assert_allclose(many, [[value]] * 2, atol=1e-12)


@needs_core
@pytest.mark.parametrize(
    ("make", "operator", "point", "message"),
    [
        (lambda: Circuit(2).h(0), "ZZZ", (), "a Hermitian Pauli sum on 2 qubits"),
        (lambda: Circuit(2, 1).measure(0, 0), "ZZ", (), "gates alone"),
        (lambda: Circuit(15).h(0), "Z" * 15, (), "on up to 14 qubits"),
        (lambda: Circuit(2).rx(WEIGHTS[0], 0), "ZZ", (), "the last axis must be 1"),
        (lambda: Circuit(2).rx(WEIGHTS[0], 0), "ZZ", [np.nan], "not finite"),
        (lambda: Circuit(2).rx(WEIGHTS[0] * INPUT, 0), "ZZ", [1.0, 2.0], "not affine"),
    ],
)
def test_what_cannot_be_is_refused(make, operator, point, message) -> None:
    with pytest.raises(InvalidInput, match=message):
        fresh.value_and_gradient(make(), PauliSum.parse(operator), point)

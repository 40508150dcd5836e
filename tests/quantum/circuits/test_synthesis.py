import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitket.errors import InvalidInput
from bitket.quantum.circuits import (
    Circuit,
    Condition,
    GateError,
    amplitude_encoding,
    decompose,
    gate,
    gate_shape,
    parameters,
    prepare_state,
    random_circuit,
    random_unitary,
    state_angles,
    state_circuit,
    synthesize,
    unitary,
)
from bitket.quantum.circuits.gates import NAMES
from bitket.quantum.simulation import statevector

MOST_CX = {1: 0, 2: 3, 3: 24, 4: 120, 5: 528}
CLIFFORD = ["id", "x", "y", "z", "h", "s", "sdg", "sx"]


def assert_made_of(circuit, *names):
    assert set(circuit.count_ops()) <= {*names, "gphase"}


def apply(circuit, states):
    n = circuit.num_qubits
    for i in circuit:
        axes = [n - 1 - q for q in reversed(i.qubits)]
        tensor = np.moveaxis(states.reshape((2,) * n + (-1,)), axes, range(len(axes)))
        moved = (i.gate.matrix() @ tensor.reshape(1 << len(axes), -1)).reshape(tensor.shape)
        states = np.moveaxis(moved, range(len(axes)), axes).reshape(states.shape)
    return states


@settings(deadline=None, max_examples=60)
@given(st.sampled_from([1, 1, 2, 2, 2, 3, 4]), st.integers(0, 2**32 - 1))
def test_synthesis_of_random_unitaries(n, seed):
    matrix = random_unitary(n, np.random.default_rng(seed))
    circuit = synthesize(matrix)
    np.testing.assert_allclose(circuit.matrix(), matrix, atol=1e-11)
    assert_made_of(circuit, "u", "cx")
    assert circuit.count_ops().get("cx", 0) <= MOST_CX[n]


def test_synthesis_of_five_qubits():
    matrix = random_unitary(5, np.random.default_rng(0))
    circuit = synthesize(matrix)
    np.testing.assert_allclose(circuit.matrix(), matrix, atol=1e-10)
    assert circuit.count_ops()["cx"] == MOST_CX[5]


@settings(deadline=None, max_examples=200)
@given(st.lists(st.integers(0, 2**16), max_size=8), st.sampled_from([1e-9, 1e-11, 1e-12, 1e-14, 0.0]))
def test_synthesis_of_special_two_qubit_unitaries(steps, small):
    """Clifford and nearly Clifford gates lie on the faces and corners of the Weyl chamber."""
    c = Circuit(2)
    for step in steps:
        kind, rest = step % 4, step // 4
        if kind == 0:
            c.append(gate(("cx", "cz", "swap", "iswap", "dcx", "ecr")[rest % 6]), [rest // 6 % 2, 1 - rest // 6 % 2])
        elif kind == 1:
            c.append(gate(("rxx", "ryy", "rzz")[rest % 3], (rest % 5) * np.pi / 4 + small), [0, 1])
        else:
            c.append(gate(CLIFFORD[rest % 8]), [kind - 2])
    synthesis = synthesize(c.matrix())
    np.testing.assert_allclose(synthesis.matrix(), c.matrix(), atol=1e-9)
    assert synthesis.count_ops().get("cx", 0) <= 3


@pytest.mark.parametrize(
    ("name", "cx"),
    [("cx", 1), ("cz", 1), ("ch", 1), ("ecr", 1), ("iswap", 2), ("dcx", 2), ("cs", 2), ("swap", 3)],
)
def test_known_gates_take_the_fewest_cx(name, cx):
    assert synthesize(gate(name).matrix()).count_ops().get("cx", 0) == cx


def test_products_and_rotations_take_the_fewest_cx():
    rng = np.random.default_rng(1)
    product = np.kron(random_unitary(1, rng), random_unitary(1, rng))
    assert "cx" not in synthesize(product).count_ops()
    assert len(synthesize(np.eye(8))) == 0
    for name in ("rxx", "crx", "rzx", "cp"):
        assert synthesize(gate(name, 0.7).matrix()).count_ops()["cx"] == 2


@pytest.mark.parametrize("name", sorted(NAMES))
def test_decomposition_of_every_gate(name):
    rng = np.random.default_rng(sorted(NAMES).index(name))
    symbols = parameters("a", gate_shape(name)[1])
    for controls in range(4):
        g = gate(name, *symbols).control(controls, int(rng.integers(1 << controls)))
        if not 0 < g.num_qubits <= 6:
            continue
        circuit = Circuit(g.num_qubits).append(g, rng.permutation(g.num_qubits))
        values = rng.uniform(-4, 4, len(symbols))
        expected = circuit.bind(values).matrix()
        for basis in (["u", "cx"], ["rz", "sx", "cx"], ["ry", "rz", "cz"], ["rx", "rz", "cx"]):
            rewritten = decompose(circuit, basis)
            assert_made_of(rewritten, *basis)
            assert rewritten.parameters == circuit.parameters
            np.testing.assert_allclose(rewritten.bind(values).matrix(), expected, atol=1e-9)


@pytest.mark.parametrize(("controls", "cx"), [(2, 6), (3, 14), (4, 30), (5, 94), (7, 390), (9, 1046)])
def test_many_controls(controls, cx):
    rng = np.random.default_rng(controls)
    states = rng.normal(size=(2 << controls, 2)) + 1j * rng.normal(size=(2 << controls, 2))
    for g in (gate("x").control(controls), gate("ry", 0.7).control(controls)):
        circuit = Circuit(controls + 1).append(g, range(controls + 1))
        rewritten = decompose(circuit)
        np.testing.assert_allclose(apply(rewritten, states), apply(circuit, states), atol=1e-9)
        if g.name == "x":
            assert rewritten.count_ops()["cx"] == cx


@pytest.mark.parametrize(("qubits", "controls"), [(1, 2), (2, 1), (2, 3), (3, 1), (3, 2)])
def test_controlled_unitaries(qubits, controls):
    g = unitary(random_unitary(qubits, np.random.default_rng(qubits))).control(controls, 1)
    circuit = Circuit(g.num_qubits).append(g, range(g.num_qubits))
    np.testing.assert_allclose(decompose(circuit).matrix(), circuit.matrix(), atol=1e-9)


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 4), st.integers(0, 2**32 - 1))
def test_decomposition_of_random_circuits(n, seed):
    rng = np.random.default_rng(seed)
    names = [*NAMES, "unitary", "barrier"]
    symbols = parameters("a", 2)
    circuit = random_circuit(n, 4, rng, names=names, max_controls=2, parameters=symbols)
    rewritten = decompose(circuit)
    assert_made_of(rewritten, "u", "cx", "barrier")
    values = rng.uniform(-3, 3, 2)
    np.testing.assert_allclose(rewritten.bind(values).matrix(), circuit.bind(values).matrix(), atol=1e-9)


def test_decomposition_keeps_what_is_in_the_basis_and_what_is_no_gate():
    circuit = Circuit(2, 1).h(0).rzz(0.3, 0, 1).reset(1).barrier().measure(0, 0)
    circuit.append(gate("rz", 0.4), [1], condition=Condition((0,), 1))
    rewritten = decompose(circuit, ["u", "cx", "rzz"])
    assert rewritten.count_ops() == {"u": 2, "rzz": 1, "reset": 1, "barrier": 1, "measure": 1, "gphase": 1}
    conditioned = [i for i in rewritten if i.condition]
    assert [i.name for i in conditioned] == ["u", "gphase"]  # RZ is a phase gate and a phase, both under the condition
    np.testing.assert_allclose(conditioned[1].gate.params, -0.2)


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 5), st.booleans(), st.sampled_from([1.0, 0.4]), st.integers(0, 2**32 - 1))
def test_state_preparation(n, real, density, seed):
    rng = np.random.default_rng(seed)
    state = rng.normal(size=1 << n) + (0 if real else 1j * rng.normal(size=1 << n))
    state = state * (rng.random(1 << n) < density)
    if not state.any():
        state[-1] = 1
    state = state / np.linalg.norm(state)
    circuit = prepare_state(state)
    np.testing.assert_allclose(circuit.matrix()[:, 0], state, atol=1e-12)
    assert circuit.count_ops().get("cx", 0) <= (2**n - 2) * (1 if real else 2)


def test_amplitude_encoding_normalises_and_fills_up():
    x = np.array([1e200, -2e200, 2e200])
    np.testing.assert_allclose(amplitude_encoding(x).matrix()[:, 0], [1 / 3, -2 / 3, 2 / 3, 0], atol=1e-12)
    assert amplitude_encoding([5.0]).num_qubits == 1
    assert amplitude_encoding(np.ones(5)).num_qubits == 3


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: synthesize(np.ones((2, 2))), "not unitary"),
        (lambda: decompose(Circuit(1), ["rz", "cx"]), "'rz' with one of"),
        (lambda: decompose(Circuit(1), ["u"]), "'cx' or 'cz'"),
        (lambda: prepare_state([1.0, 1.0]), "the norm is 1.41421356: 1 is needed"),
        (lambda: prepare_state([1.0, 0.0, 0.0]), "3 amplitudes"),
        (lambda: prepare_state([[1.0, 0.0]]), r"shape \(1, 2\)"),
        (lambda: prepare_state(["a", "b"]), "a vector of numbers"),
        (lambda: amplitude_encoding([0.0, 0.0]), "all zero"),
        (lambda: amplitude_encoding([np.nan, 1.0]), "finite"),
        (lambda: random_circuit(1, 2, np.random.default_rng(0), names=["cx"]), "no gate of cx fits 1 qubits"),
    ],
)
def test_bad_input_is_named(make, message):
    with pytest.raises((InvalidInput, GateError), match=message):
        make()


@given(n=st.integers(1, 6), real=st.booleans(), sparse=st.booleans(), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_one_circuit_prepares_many_states_from_their_angles(n, real, sparse, seed):
    generator = np.random.default_rng(seed)
    states = generator.normal(size=(2, 3, 2**n)) + (0 if real else 1j * generator.normal(size=(2, 3, 2**n)))
    if sparse:
        states *= generator.random(states.shape) < 0.5
    states[..., -1] += 1e-3
    states /= np.linalg.norm(states, axis=-1, keepdims=True)
    circuit, angles = state_circuit(n, real), state_angles(states)
    assert angles.shape == (2, 3, len(circuit.inputs))
    found = statevector(circuit, inputs=angles).numpy()
    np.testing.assert_allclose(np.abs((found.conj() * states).sum(-1)), 1, atol=1e-12)
    if real:
        np.testing.assert_allclose(found, states, atol=1e-12)


def test_circuits_and_angles_of_states_refuse_what_does_not_fit():
    for call, words in (
        (lambda: state_circuit(0), "1 to 16"),
        (lambda: state_circuit(40, real=True), "1 to 17"),
        (lambda: state_angles([1.0, 0, 0]), "2\\^n"),
        (lambda: state_angles([np.nan, 0]), "finite"),
        (lambda: state_angles([[1.0, 1.0]]), "norm"),
    ):
        with pytest.raises(InvalidInput, match=words):
            call()

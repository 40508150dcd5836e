import pickle
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitket.quantum.circuits import (
    Circuit,
    CircuitError,
    Condition,
    Operation,
    Parameter,
    ParameterError,
    gate,
    parameters,
    random_circuit,
)

A, B = Parameter("a"), Parameter("b")
X = Parameter("x", "input")

circuits = st.tuples(st.integers(1, 4), st.integers(0, 5), st.integers(0, 2**32 - 1)).map(
    lambda t: random_circuit(t[0], t[1], np.random.default_rng(t[2]), max_controls=2)
)


@settings(deadline=None, max_examples=40)
@given(circuits)
def test_inverse_control_and_repetition(c):
    matrix = c.matrix()
    np.testing.assert_allclose(c.inverse().matrix(), matrix.conj().T, atol=1e-10)
    assert len(c.inverse().inverse()) == len(c)
    expected = np.eye(2 * len(matrix), dtype=complex)
    expected[1::2, 1::2] = matrix
    np.testing.assert_allclose(c.control().matrix(), expected, atol=1e-10)
    expected = np.eye(2 * len(matrix), dtype=complex)
    expected[0::2, 0::2] = matrix
    np.testing.assert_allclose(c.control(1, 0).matrix(), expected, atol=1e-10)
    np.testing.assert_allclose(c.repeat(2).matrix(), matrix @ matrix, atol=1e-10)
    np.testing.assert_allclose(c.repeat(-1).matrix(), matrix.conj().T, atol=1e-10)
    assert len(c.repeat(0)) == 0


@settings(deadline=None, max_examples=40)
@given(circuits, st.randoms(use_true_random=False))
def test_composition_and_remapping(c, shuffle):
    order = list(range(c.num_qubits))
    shuffle.shuffle(order)
    moved = c.remap(order)
    n = c.num_qubits
    image = [sum((i >> q & 1) << order[q] for q in range(n)) for i in range(1 << n)]
    np.testing.assert_allclose(moved.matrix()[np.ix_(image, image)], c.matrix(), atol=1e-12)
    np.testing.assert_allclose(c.compose(moved).matrix(), moved.matrix() @ c.matrix(), atol=1e-10)
    assert len(c.compose(moved).remove_barriers()) == len(c) + len(moved)


def test_parameters_keep_their_order_through_every_derivation():
    ps = parameters("t", 4)
    c = Circuit(2).declare(*ps)
    for p in reversed(ps):
        c.rx(p, 0).ry(2 * p, 1)
    assert c.weights == ps
    for derived in (c, c.copy(), c.inverse(), c.control(), c.repeat(2), c.remap([1, 0]), c.compose(c.inverse())):
        assert derived.parameters == ps
    assert c.bind({"t[1]": 0.5}).parameters == (ps[0], ps[2], ps[3])
    assert c.bind({ps[0]: A + B}).parameters == (A, B, *ps[1:])
    assert Circuit(1).declare(X).bind([0.5]).parameters == ()


def test_weights_and_inputs_are_kept_apart():
    c = Circuit(2).rx(X * A, 0).ry(B, 1)
    assert (c.weights, c.inputs) == ((A, B), (X,))
    bound = c.bind({"x": 0.2, A: 0.5, B: -1})
    assert bound.parameters == ()
    np.testing.assert_allclose(bound.matrix(), Circuit(2).rx(0.1, 0).ry(-1, 1).matrix())
    assert c.bind([0.2, 0.5, -1]) == bound
    with pytest.raises(ParameterError, match="parameter 'x' is both a weight and an input"):
        c.rz(Parameter("x"), 0)
    with pytest.raises(ParameterError, match="both a weight and an input"):
        c.compose(Circuit(1).rz(Parameter("x"), 0))


def test_counts_and_depth():
    c = Circuit(3, 2).h(0).cx(0, 1).barrier().x(2).measure(1, 0).ccx(0, 1, 2)
    c.append(gate("z"), [2], condition=Condition((0,), 1))
    assert c.count_ops()["cx"] == 1
    assert c.depth() == 5
    assert c.depth(two_qubit_only=True) == 2
    assert not c.is_unitary
    assert Circuit(2).measure_all().num_clbits == 2


def test_an_edit_after_a_copy_stays_apart():
    c = Circuit(1).h(0)
    d = c.copy().rx(A, 0)
    assert (len(c), c.parameters, len(d)) == (1, (), 2)
    assert c != d
    assert c == Circuit(1).h(0)
    assert pickle.loads(pickle.dumps(d)) == d


def test_composition_moves_measurements_and_conditions():
    part = Circuit(1, 1).measure(0, 0)
    part.append(gate("x"), [0], condition=Condition((0,), 1))
    whole = Circuit(3).compose(part, [2], [3])
    assert whole.num_clbits == 4
    assert (whole.instructions[0].qubits, whole.instructions[0].clbits) == ((2,), (3,))
    assert whole.instructions[1].condition == Condition((3,), 1)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Circuit(0), "circuit of 0 qubits"),
        (lambda: Circuit("two"), "circuit of 'two' qubits"),
        (lambda: Circuit(2, -1), "-1 classical bits"),
        (lambda: Circuit(2).h(2), "h: qubit 2 is out of range, the circuit has qubits 0 to 1"),
        (lambda: Circuit(2).h(-1), "qubit -1 is out of range"),
        (lambda: Circuit(2).h(0.5), "a list of whole numbers is needed"),
        (lambda: Circuit(2).cx(1, 1), "are not distinct"),
        (lambda: Circuit(2).append(gate("cx"), [0]), "cx acts on 2 qubits, 1 were given"),
        (lambda: Circuit(2).append(Circuit(2), [0, 1]), "join circuits by compose"),
        (lambda: Circuit(2).append(Operation("wait"), [0]), "a gate, measurement, reset or barrier is needed"),
        (lambda: Circuit(2).append(gate("h"), 0), "a list of whole numbers is needed"),
        (lambda: Circuit(2, 1).measure(0, 1), "classical bit 1 is out of range"),
        (lambda: Circuit(1, 1).append(gate("x"), [0], condition=Condition((0,), 2)), "value 2 does not fit 1 bits"),
        (lambda: Circuit(1, 1).append(gate("x"), [0], condition=Condition((1,), 0)), "condition on classical bits"),
        (lambda: Circuit(1, 1).append(gate("x"), [0], condition=Condition((0, 0), 0)), "distinct bits from 0 to 0"),
        (lambda: Circuit(1, 1).measure(0, 0).inverse(), "inverse: the circuit has a measurement"),
        (lambda: Circuit(1, 1).reset(0).control(), "control: the circuit has a measurement, reset"),
        (lambda: Circuit(1, 1).measure(0, 0).matrix(), "dense matrix: the circuit has a measurement"),
        (lambda: Circuit(13).matrix(), "at most 12"),
        (lambda: Circuit(1).compose(Circuit(2).h(0)), "compose: qubits"),
        (lambda: Circuit(3).compose(Circuit(2).h(0), [0]), "2 qubits and 0 classical bits are needed, 1 and 0"),
        (lambda: Circuit(3).compose(Circuit(2).h(0), [1, 1]), "distinct qubits from 0 to 2"),
        (lambda: Circuit(1).rx(A, 0).bind([1.0, 2.0]), "the circuit has 1 parameters, 2 values were given"),
        (lambda: Circuit(1).rx(A, 0).bind({"c": 1.0}), "no parameter 'c'"),
        (lambda: Circuit(1).rx(A, 0).bind({"a": float("nan")}), "must be finite"),
    ],
)
def test_bad_input_is_named(make, message):
    with pytest.raises((CircuitError, ParameterError), match=message) as error:
        make()
    assert "\n" not in str(error.value)


def test_circuits_load_no_heavy_library_and_all_names_exist():
    code = (
        "import sys, bitket.quantum.circuits as c\n"
        "c.Circuit(2).h(0).cx(0, 1).inverse()\n"
        "heavy = {'torch', 'scipy', 'matplotlib', 'sympy', 'qiskit', 'pennylane', 'cirq'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "c.synthesize, c.draw_text, c.decompose\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    import bitket.quantum.circuits as room

    assert all(getattr(room, name) is not None for name in room.__all__)
    with pytest.raises(AttributeError, match="no attribute 'to_quil'"):
        room.to_quil  # noqa: B018


def test_a_library_that_is_missing_is_named(monkeypatch):
    from bitket.errors import MissingExtra
    from bitket.quantum.circuits import interop

    monkeypatch.setitem(sys.modules, "cirq", None)
    with pytest.raises(MissingExtra, match=r"to_cirq: cirq is not installed; pip install 'bitket\[interop\]'"):
        interop.to_cirq  # noqa: B018

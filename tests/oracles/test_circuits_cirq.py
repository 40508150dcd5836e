"""Conversion to and from Cirq: random circuits over the full gate set, equal with their global phase."""

import numpy as np
import pytest

from bitket.errors import InvalidInput
from bitket.quantum.circuits import Circuit, Condition, gate, parameters, random_circuit
from bitket.quantum.circuits.gates import NAMES
from bitket.quantum.circuits.interop import from_cirq, to_cirq

cirq = pytest.importorskip("cirq")

SYMBOLS = parameters("w", 2) + parameters("x", 1, "input")


def matrix_of(circuit, n):
    """Cirq's matrix with its first qubit as the least significant bit."""
    qubits = cirq.LineQubit.range(n)[::-1]
    return circuit.unitary(qubit_order=qubits, qubits_that_should_be_present=qubits)


@pytest.mark.parametrize("block", range(5))
def test_random_circuits_both_ways(block):
    rng = np.random.default_rng(block)
    names = [*sorted(NAMES), "unitary", "unitary", "barrier"]
    for _ in range(20):
        n, depth = int(rng.integers(1, 5)), int(rng.integers(1, 5))
        ours = random_circuit(n, depth, rng, names=names, max_controls=2, parameters=SYMBOLS)
        values = dict(zip(SYMBOLS, rng.uniform(-3, 3, len(SYMBOLS)), strict=True))
        expected = ours.bind(values).matrix()
        theirs = to_cirq(ours)
        resolved = cirq.resolve_parameters(theirs, {p.name: v for p, v in values.items()})
        np.testing.assert_allclose(matrix_of(resolved, n), expected, atol=1e-10)
        back = from_cirq(theirs, inputs=["x[0]"], qubits=cirq.LineQubit.range(n))
        assert set(back.parameters) <= set(SYMBOLS)
        used = {p: values[p] for p in back.parameters}
        np.testing.assert_allclose(back.bind(used).matrix(), expected, atol=1e-10)


def test_their_random_circuits():
    for seed in range(30):
        theirs = cirq.testing.random_circuit(4, 6, 0.8, random_state=seed)
        qubits = sorted(theirs.all_qubits())
        ours = from_cirq(theirs, qubits=qubits[::-1])
        np.testing.assert_allclose(ours.matrix(), theirs.unitary(qubit_order=qubits), atol=1e-10)


def test_their_gates():
    a, b, c = cirq.LineQubit.range(3)
    operations = [
        cirq.X(a) ** 0.3, cirq.Y(a) ** -0.7, cirq.Z(a) ** 1.3, cirq.H(a) ** 0.4, cirq.SWAP(a, b) ** 0.5,
        cirq.ISWAP(a, b) ** 0.3, cirq.CNOT(b, a) ** 0.2, cirq.CZ(a, c) ** 0.6, cirq.XX(a, b) ** 0.3,
        cirq.ZZ(a, b) ** 0.4, cirq.FSimGate(0.3, 0.4)(a, b), cirq.PhasedXPowGate(phase_exponent=0.3, exponent=0.4)(a),
        cirq.PhasedXZGate(x_exponent=0.2, z_exponent=0.3, axis_phase_exponent=0.4)(a), cirq.CCX(a, b, c) ** 0.5,
        cirq.CSWAP(c, a, b), cirq.givens(0.4)(a, b), cirq.rz(0.3)(a).controlled_by(b, c, control_values=[0, (0, 1)]),
        cirq.QuantumFourierTransformGate(3)(a, b, c), cirq.XPowGate(exponent=0.3, global_shift=0.2)(a),
        cirq.HPowGate(exponent=0.3, global_shift=0.2)(a), cirq.ControlledGate(cirq.T, 2)(a, b, c),
        cirq.PauliString({a: cirq.X, b: cirq.Z}) ** 0.3, cirq.IdentityGate(2)(a, b),
        cirq.PhaseGradientGate(num_qubits=2, exponent=0.3)(a, b), (cirq.X(a) ** 0.2).with_tags("tag"),
        cirq.CircuitOperation(cirq.FrozenCircuit(cirq.H(a), cirq.CNOT(a, b)), repetitions=2),
    ]  # fmt: skip
    for op in operations:
        theirs = cirq.Circuit(op)
        ours = from_cirq(theirs, qubits=[a, b, c])
        np.testing.assert_allclose(ours.matrix(), matrix_of(theirs, 3), atol=1e-10, err_msg=str(op))


def test_measurements_and_conditions_return():
    ours = Circuit(3, 3).h(0).measure(0, 0).h(1).measure(1, 1).reset(1)
    ours.append(gate("rx", 0.3), [2], condition=Condition((0, 1), 2))
    ours.append(gate("x"), [2], condition=Condition((2,), 1))  # bit 2 is never measured: it never holds
    ours.append(gate("z"), [2], condition=Condition((2,), 0))
    back = from_cirq(to_cirq(ours))
    found = sorted(((i.name, i.qubits, i.condition) for i in back if i.gate is not None), key=str)
    assert found == sorted(
        [("h", (0,), None), ("h", (1,), None), ("rx", (2,), Condition((0, 1), 2)), ("z", (2,), None)], key=str
    )
    assert (back.count_ops()["measure"], back.count_ops()["reset"]) == (2, 1)


def test_their_conditions_are_enumerated():
    a, b, c = cirq.LineQubit.range(3)
    ours = from_cirq(cirq.Circuit(cirq.measure(a, b, key="m"), cirq.X(c).with_classical_controls("m")))
    assert [i.condition.value for i in ours if i.condition] == [2, 1, 3]


def test_bad_input_is_named():
    a = cirq.LineQubit(0)
    for op, message in (
        (cirq.depolarize(0.1)(a), "depolarize"),
        (cirq.measure(a, invert_mask=(True,)), "inverts or confuses"),
    ):
        with pytest.raises(InvalidInput, match=message):
            from_cirq(cirq.Circuit(op))
    with pytest.raises(InvalidInput, match="is not among the given qubits"):
        from_cirq(cirq.Circuit(cirq.X(a)), qubits=[cirq.LineQubit(1)])

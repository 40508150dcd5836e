"""Conversion to and from Qiskit: 500 random circuits over the full gate set, equal with their global phase."""

import numpy as np
import pytest

from bitket.errors import InvalidInput
from bitket.quantum.circuits import (
    Circuit,
    Condition,
    Parameter,
    efficient_su2,
    gate,
    parameters,
    random_circuit,
    unitary,
)
from bitket.quantum.circuits.gates import NAMES
from bitket.quantum.circuits.interop import from_qiskit, to_qiskit

qiskit = pytest.importorskip("qiskit")

from qiskit.circuit import AnnotatedOperation, ControlModifier, InverseModifier, PowerModifier, library  # noqa: E402
from qiskit.circuit.classical import expr  # noqa: E402
from qiskit.circuit.random import random_circuit as their_random_circuit  # noqa: E402
from qiskit.quantum_info import Operator  # noqa: E402

SYMBOLS = parameters("w", 3) + parameters("x", 2, "input")


@pytest.mark.parametrize("block", range(10))
def test_random_circuits_both_ways(block):
    rng = np.random.default_rng(block)
    names = [*sorted(NAMES), "unitary", "unitary", "barrier"]
    for _ in range(50):
        n, depth = int(rng.integers(1, 6)), int(rng.integers(2, 6))
        ours = random_circuit(n, depth, rng, names=names, max_controls=2, parameters=SYMBOLS)
        values = dict(zip(SYMBOLS, rng.uniform(-3, 3, len(SYMBOLS)), strict=True))
        expected = ours.bind(values).matrix()
        theirs = to_qiskit(ours)
        bound = theirs.assign_parameters(
            {p: values[next(q for q in SYMBOLS if q.name == p.name)] for p in theirs.parameters}
        )
        np.testing.assert_allclose(Operator(bound).data, expected, atol=1e-10)
        back = from_qiskit(theirs, inputs=["x"])
        assert {p: p.role for p in back.parameters}.items() <= {p: p.role for p in SYMBOLS}.items()
        used = {p: values[p] for p in back.parameters}
        np.testing.assert_allclose(back.bind(used).matrix(), expected, atol=1e-10)


def test_their_random_circuits():
    for seed in range(60):
        theirs = their_random_circuit(1 + seed % 5, 4, seed=seed)
        ours = from_qiskit(theirs)
        np.testing.assert_allclose(ours.matrix(), Operator(theirs).data, atol=1e-10)


@pytest.mark.parametrize(
    "operation",
    [
        library.U1Gate(0.3), library.U2Gate(0.3, 0.4), library.U3Gate(0.3, 0.4, 0.5), library.CU1Gate(0.3),
        library.CU3Gate(0.3, 0.4, 0.5), library.MCPhaseGate(0.3, 3), library.C3SXGate(), library.C4XGate(),
        library.RCCXGate(), library.RC3XGate(), library.RVGate(0.1, 0.2, 0.3), library.PauliGate("XYZ"),
        library.PermutationGate([2, 0, 1]), library.CUGate(0.1, 0.2, 0.3, 0.4, ctrl_state=0),
        library.CUGate(0.1, 0.2, 0.3, 0.4).control(1), library.MSGate(2, 0.4), library.QFTGate(3),
        library.UnitaryGate(np.diag([1, 1j]), label="x"), library.CZGate(ctrl_state=0),
        library.iSwapGate().control(1, ctrl_state=0), library.DiagonalGate([1, -1, 1j, 1]),
        AnnotatedOperation(library.SXGate(), [ControlModifier(2, 1), PowerModifier(0.5), InverseModifier()]),
        AnnotatedOperation(library.QFTGate(2), [ControlModifier(1)]),
    ],
    ids=lambda o: o.name,
)  # fmt: skip
def test_gates_that_are_not_standard_here(operation):
    theirs = qiskit.QuantumCircuit(operation.num_qubits + 1, global_phase=0.7)
    theirs.append(operation, list(range(operation.num_qubits))[::-1])
    np.testing.assert_allclose(from_qiskit(theirs).matrix(), Operator(theirs).data, atol=1e-10)


def test_vectors_keep_numeric_order():
    ours = efficient_su2(6, 1)
    theirs = to_qiskit(ours)
    assert [p.name for p in theirs.parameters] == [p.name for p in ours.parameters]
    assert from_qiskit(theirs).parameters == ours.parameters


def test_measurement_reset_and_conditions_return():
    ours = Circuit(3, 3).h(0).measure(0, 1).reset(1).barrier(0, 2)
    ours.append(gate("rx", Parameter("a")), [1], condition=Condition((1,), 0))
    ours.append(gate("x"), [2], condition=Condition((0, 2), 0b10))
    ours.append(gate("z"), [2], condition=Condition((0, 1, 2), 5))
    ours.append(gate("gphase", 0.3), [], condition=Condition((1,), 1))
    ours.append(ours.instructions[1].operation, [2], [1], Condition((1,), 1))
    ours.measure(2, 2)
    assert from_qiskit(to_qiskit(ours)) == ours


def test_conditions_of_theirs_are_enumerated():
    theirs = qiskit.QuantumCircuit(1, 3)
    with theirs.if_test((theirs.clbits[0], 1)) as other:
        theirs.x(0)
        with theirs.if_test((theirs.clbits[1], 0)):
            theirs.y(0)
    with other:
        theirs.z(0)
    with theirs.if_test(expr.greater(theirs.cregs[0], 5)):
        theirs.h(0)
    with theirs.for_loop(range(3), qiskit.circuit.Parameter("i")) as i:
        theirs.rx(i * 0.5, 0)
    ours = from_qiskit(theirs)
    found = [(i.name, i.condition and (i.condition.clbits, i.condition.value)) for i in ours]
    assert sorted(found[:3]) == [("x", ((0,), 1)), ("y", ((0, 1), 1)), ("z", ((0,), 0))]
    assert found[3:5] == [("h", ((0, 1, 2), 6)), ("h", ((0, 1, 2), 7))]
    assert [i.gate.params for i in ours.instructions[5:]] == [(0.0,), (0.5,), (1.0,)]


def test_what_cannot_be_expressed_is_named():
    theirs = qiskit.QuantumCircuit(1, 1)
    with theirs.while_loop((theirs.clbits[0], 1)):
        theirs.x(0)
    with pytest.raises(InvalidInput, match="'while_loop'"):
        from_qiskit(theirs)
    theirs = qiskit.QuantumCircuit(1, 1)
    with theirs.if_test((theirs.clbits[0], 1)):
        theirs.measure(0, 0)
        theirs.x(0)
    with pytest.raises(InvalidInput, match="'if_else' changes a bit that it tests"):
        from_qiskit(theirs)
    theirs = qiskit.QuantumCircuit(1)
    theirs.rx(qiskit.circuit.Parameter("a").abs(), 0)
    with pytest.raises(InvalidInput, match="function 'Abs'"):
        from_qiskit(theirs)
    theirs = qiskit.QuantumCircuit(2)
    theirs.initialize([1, 0, 0, 0])
    assert "reset" in from_qiskit(theirs).count_ops()


def test_tags_become_labels():
    assert to_qiskit(Circuit(1).append(unitary(np.eye(2), "kick"), [0])).data[0].operation.label == "kick"

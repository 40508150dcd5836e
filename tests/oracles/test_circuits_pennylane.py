"""Conversion to and from PennyLane: random circuits over the full gate set, equal with their global phase."""

import numpy as np
import pytest

from bitket.errors import InvalidInput
from bitket.quantum.circuits import Circuit, Condition, Parameter, efficient_su2, gate, parameters, random_circuit
from bitket.quantum.circuits.gates import NAMES
from bitket.quantum.circuits.interop import from_pennylane, to_pennylane

qml = pytest.importorskip("pennylane")

SYMBOLS = parameters("w", 3)


def matrix_of(tape, n):
    """PennyLane's matrix with its first wire as the least significant bit."""
    operations = [op for op in tape.operations if op.name != "Barrier"]
    product = np.eye(1 << n, dtype=complex)
    for op in operations:
        product = (
            np.asarray(qml.matrix(op, wire_order=list(range(n))[::-1])) @ product
            if op.wires
            else (op.matrix()[0, 0] * product)
        )
    return product


@pytest.mark.parametrize("block", range(5))
def test_random_circuits_both_ways(block):
    rng = np.random.default_rng(block)
    names = [*sorted(NAMES), "unitary", "unitary", "barrier"]
    for _ in range(20):
        n, depth = int(rng.integers(1, 5)), int(rng.integers(1, 6))
        ours = random_circuit(n, depth, rng, names=names, max_controls=2, parameters=SYMBOLS)
        values = dict(zip(SYMBOLS, rng.uniform(-3, 3, len(SYMBOLS)), strict=True))
        expected = ours.bind(values).matrix()
        tape = to_pennylane(ours, values)
        np.testing.assert_allclose(matrix_of(tape, n), expected, atol=1e-10)
        back = from_pennylane(tape, range(n))
        np.testing.assert_allclose(back.matrix(), expected, atol=1e-10)


def test_their_operations():
    operations = [
        qml.Rot(0.1, 0.2, 0.3, wires=0), qml.CRot(0.1, 0.2, 0.3, wires=[1, 0]), qml.MultiRZ(0.3, wires=[0, 1, 3]),
        qml.PauliRot(0.4, "XIZY", wires=[0, 1, 2, 3]), qml.SingleExcitation(0.3, wires=[0, 2]),
        qml.DoubleExcitation(0.3, wires=[0, 1, 2, 3]), qml.IsingXY(0.3, wires=[1, 2]), qml.PSWAP(0.4, wires=[0, 1]),
        qml.SISWAP(wires=[1, 3]), qml.QFT(wires=[0, 1, 2]), qml.adjoint(qml.QFT(wires=[1, 2, 3])),
        qml.pow(qml.PauliX(1), 0.3), qml.ctrl(qml.Rot(0.1, 0.2, 0.3, wires=0), control=[1, 3], control_values=[0, 1]),
        qml.prod(qml.PauliX(0), qml.RZ(0.3, 1)), qml.U2(0.3, 0.4, wires=2), qml.FermionicSWAP(0.2, wires=[0, 1]),
        qml.CCZ(wires=[0, 1, 2]), qml.CSWAP(wires=[2, 0, 1]), qml.ECR(wires=[2, 0]), qml.GlobalPhase(0.2),
        qml.MultiControlledX(wires=[0, 1, 2, 3], control_values=[1, 0, 1]), qml.Identity(wires=[0, 1]),
        qml.DiagonalQubitUnitary(np.exp(1j * np.arange(4)), wires=[0, 1]),
    ]  # fmt: skip
    for op in operations:
        tape = qml.tape.QuantumScript([op])
        np.testing.assert_allclose(
            from_pennylane(tape, range(4)).matrix(), matrix_of(tape, 4), atol=1e-10, err_msg=str(op)
        )


def test_templates_and_wires_of_a_qnode():
    weights = np.random.default_rng(0).uniform(0, 6, (2, 3, 3))

    @qml.qnode(qml.device("default.qubit", wires=["a", "b", "c"]))
    def node():
        qml.StronglyEntanglingLayers(weights, wires=["a", "b", "c"])
        return qml.state()

    tape = qml.workflow.construct_tape(node)()
    ours = from_pennylane(tape, ["c", "b", "a"])  # the last wire is PennyLane's least significant bit
    np.testing.assert_allclose(ours.matrix()[:, 0], node(), atol=1e-10)


def test_gradients_flow_through_a_qnode():
    import torch

    ours = efficient_su2(2, 1)
    theta = torch.tensor(np.linspace(0.1, 0.8, 8), requires_grad=True)

    @qml.qnode(qml.device("default.qubit", wires=2), interface="torch", diff_method="backprop")
    def node(values):
        for op in to_pennylane(ours, dict(zip(ours.weights, values, strict=True))):
            qml.apply(op)
        return qml.expval(qml.PauliZ(0))

    (gradient,) = torch.autograd.grad(node(theta), theta)

    def energy(values):
        state = ours.bind(values).matrix()[:, 0]
        return float((np.abs(state) ** 2) @ [1, -1, 1, -1])

    at = theta.detach().numpy()
    for k in range(8):
        shift = np.eye(8)[k] * np.pi / 2
        np.testing.assert_allclose(gradient[k], (energy(at + shift) - energy(at - shift)) / 2, atol=1e-10)


def test_measurements_and_conditions():
    ours = Circuit(3, 3).h(0).measure(0, 0).h(1).measure(1, 1).reset(1)
    ours.append(gate("rx", 0.3), [2], condition=Condition((0, 1), 2))
    ours.append(gate("x"), [2], condition=Condition((2,), 1))  # bit 2 is never measured: it never holds
    ours.append(gate("z"), [2], condition=Condition((2,), 0))
    back = from_pennylane(to_pennylane(ours))
    found = [(i.name, i.qubits, i.condition) for i in back if i.gate is not None]
    assert found == [("h", (0,), None), ("h", (1,), None), ("rx", (2,), Condition((0, 1), 2)), ("z", (2,), None)]
    assert back.count_ops()["measure"] == 3  # PennyLane resets by a measurement
    assert back.count_ops()["reset"] == 1


def test_bad_input_is_named():
    with pytest.raises(InvalidInput, match="parameter 'a' has no value"):
        to_pennylane(Circuit(1).rx(Parameter("a"), 0))
    conditioned = Circuit(1, 1).measure(0, 0)
    conditioned.append(conditioned.instructions[0].operation, [0], [0], Condition((0,), 1))
    with pytest.raises(InvalidInput, match="'measure' under a condition"):
        to_pennylane(conditioned)
    with pytest.raises(InvalidInput, match="batched parameter of shape"):
        from_pennylane(qml.tape.QuantumScript([qml.RX(np.array([0.1, 0.2]), 0)]))
    with pytest.raises(InvalidInput, match="wire 1 is not among"):
        from_pennylane(qml.tape.QuantumScript([qml.CNOT([0, 1])]), [0])
    with pytest.raises(InvalidInput, match="operation 'DepolarizingChannel'"):
        from_pennylane(qml.tape.QuantumScript([qml.DepolarizingChannel(0.1, 0)]))

"""States of the interleaved circuits against qulacs, PennyLane and Qiskit on random angles, and through OpenQASM."""

import numpy as np
import pytest

from bitket.quantum.circuits.qasm import read_qasm, write_qasm
from bitket.quantum.learning.interleaved import interleaved_circuit
from bitket.quantum.simulation import statevector

SIZES = [("sum", 10, None), ("separate", 10, None), ("encoding_first", 4, (2, 3))]


def drawn(sharing, n, blocks, seed=0):
    circuit = interleaved_circuit(n, blocks, sharing)
    generator = np.random.default_rng(seed)
    weights = generator.uniform(-np.pi, np.pi, len(circuit.weights))
    inputs = generator.uniform(-np.pi, np.pi, len(circuit.inputs))
    return circuit, weights, inputs, statevector(circuit, weights, inputs).numpy()


def angles(circuit, weights, inputs):
    """Every rotation and CNOT with its numbers."""
    bound = circuit.bind(dict(zip(circuit.weights, weights.tolist(), strict=True)))
    bound = bound.bind(dict(zip(circuit.inputs, inputs.tolist(), strict=True)))
    return bound, [(i.name, i.qubits, *(float(a) for a in i.gate.params)) for i in bound]


@pytest.mark.parametrize(("sharing", "n", "blocks"), SIZES, ids=[s[0] for s in SIZES])
class TestStates:
    def test_qulacs(self, sharing, n, blocks):
        qulacs = pytest.importorskip("qulacs")
        circuit, weights, inputs, ours = drawn(sharing, n, blocks)
        theirs = qulacs.QuantumCircuit(n)
        for name, qubits, *angle in angles(circuit, weights, inputs)[1]:
            if name == "cx":
                theirs.add_CNOT_gate(*qubits)
            else:  # their angles have the other sign
                getattr(theirs, f"add_{name.upper()}_gate")(qubits[0], -angle[0])
        state = qulacs.QuantumState(n)
        theirs.update_quantum_state(state)
        np.testing.assert_allclose(ours, state.get_vector(), atol=1e-10)

    def test_pennylane(self, sharing, n, blocks):
        qml = pytest.importorskip("pennylane")
        circuit, weights, inputs, ours = drawn(sharing, n, blocks, 1)
        gates = angles(circuit, weights, inputs)[1]

        @qml.qnode(qml.device("default.qubit", wires=n))
        def state():
            for name, qubits, *angle in gates:
                if name == "cx":
                    qml.CNOT([n - 1 - q for q in qubits])
                else:
                    getattr(qml, name.upper())(angle[0], n - 1 - qubits[0])
            return qml.state()

        np.testing.assert_allclose(ours, np.asarray(state()), atol=1e-10)

    def test_qiskit_reads_the_exported_circuit(self, sharing, n, blocks):
        qasm2 = pytest.importorskip("qiskit.qasm2")
        from qiskit.quantum_info import Statevector

        circuit, weights, inputs, ours = drawn(sharing, n, blocks, 2)
        text = write_qasm(angles(circuit, weights, inputs)[0], version=2)
        np.testing.assert_allclose(ours, Statevector(qasm2.loads(text)).data, atol=1e-10)

    @pytest.mark.parametrize("version", [2, 3])
    def test_the_exported_circuit_comes_back(self, sharing, n, blocks, version):
        circuit, weights, inputs, ours = drawn(sharing, n, blocks, 3)
        back = read_qasm(write_qasm(angles(circuit, weights, inputs)[0], version=version))
        np.testing.assert_allclose(ours, statevector(back).numpy(), atol=1e-10)

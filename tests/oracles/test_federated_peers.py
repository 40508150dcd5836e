"""The chip beside PennyLane's multiplexer and Qiskit's reading of its file; channels beside QuTiP's; averaging beside Flower's."""

import numpy as np
import pytest

from bitket.quantum.circuits.qasm import write_qasm
from bitket.quantum.learning.federated import FixedDesignChip, QuantumChannel, Samples
from bitket.quantum.learning.federated.averaging import averaged
from bitket.quantum.learning.federated.circuits import error_circuit

CHIPS = [(1, "real"), (2, "real"), (1, "pauli"), (2, "pauli")]


def drawn(n, basis):
    draw = np.random.default_rng(n)
    chip = FixedDesignChip(n, basis)
    operator = draw.normal(size=(chip.size, chip.size)) + (
        1j * draw.normal(size=(chip.size,) * 2) if basis == "pauli" else 0
    )
    data = draw.normal(size=chip.size)
    return chip, operator, data / np.linalg.norm(data)


@pytest.mark.parametrize(("n", "basis"), CHIPS)
def test_multiplexer_of_pennylane(n, basis):
    qml = pytest.importorskip("pennylane")
    chip, operator, data = drawn(n, basis)
    single = {
        "real": [[], [qml.PauliX], [qml.PauliZ], [qml.PauliZ, qml.PauliX]],
        "pauli": [[], [qml.PauliX], [qml.PauliY], [qml.PauliZ]],
    }[basis]
    wires = list(reversed(range(3 * n)))  # PennyLane's first wire is the most significant: wire k here is our qubit k
    data_wires, operation_wires = wires[2 * n :], wires[: 2 * n]

    def element(i):
        parts = [gate(k) for k in range(n) for gate in single[i >> 2 * k & 3]]
        return qml.prod(*reversed(parts)) if parts else qml.Identity(0)

    @qml.qnode(qml.device("default.qubit", wires=wires))
    def circuit():
        qml.StatePrep(chip.operator_state(operator), operation_wires)
        qml.StatePrep(data, data_wires)
        qml.Select([element(i) for i in range(4**n)], control=operation_wires)
        for w in operation_wires:
            qml.Hadamard(w)
        return qml.state()

    kept = circuit()[: chip.size]
    state, probability = chip.emulate(chip.operator_state(operator), data)
    assert np.abs(kept - np.sqrt(probability) * state).max() < 1e-12


@pytest.mark.parametrize(("n", "basis"), CHIPS)
def test_files_in_qiskit(n, basis):
    qiskit = pytest.importorskip("qiskit")
    pytest.importorskip("qiskit_qasm3_import")
    from qiskit import qasm3
    from qiskit.quantum_info import Operator

    chip, _, data = drawn(n, basis)
    read = qasm3.loads(write_qasm(chip.circuit()))
    assert isinstance(read, qiskit.QuantumCircuit)
    assert np.abs(Operator(read).data - chip.circuit().matrix()).max() < 1e-10
    if basis == "real" and n == 1:
        circuit, _, _ = error_circuit(chip, Samples(np.stack([data, data[::-1]]), np.eye(2)), 0.5)
        assert np.abs(Operator(qasm3.loads(write_qasm(circuit))).data - circuit.matrix()).max() < 1e-9


def test_channel_of_qutip():
    qutip = pytest.importorskip("qutip")
    draw = np.random.default_rng(3)
    states = draw.normal(size=(2, 4)) + 1j * draw.normal(size=(2, 4))
    states /= np.linalg.norm(states)
    tap, depolarising = 0.4, 0.15
    one, x, y, z = qutip.qeye(2), qutip.sigmax(), qutip.sigmay(), qutip.sigmaz()
    up, right = qutip.basis(2, 0), (qutip.basis(2, 0) + qutip.basis(2, 1)).unit()
    projectors = [p for k in (up, right) for p in (k.proj(), 1 - k.proj())]
    measured = [np.sqrt(tap / 2) * p for p in projectors] + [np.sqrt(1 - tap) * one]
    noise = [np.sqrt(1 - 0.75 * depolarising) * one, *(np.sqrt(depolarising / 4) * p for p in (x, y, z))]
    channel = qutip.kraus_to_super(noise) * qutip.kraus_to_super(measured)
    both = qutip.composite(channel, channel)
    rho = qutip.Qobj(states.T @ states.conj(), dims=[[2, 2], [2, 2]])
    wanted = qutip.vector_to_operator(both * qutip.operator_to_vector(rho)).full()
    found = QuantumChannel(depolarising=depolarising, tap=tap).disturb(states)
    assert np.abs(found.T @ found.conj() - wanted).max() < 1e-12


def test_average_of_flower():
    """Flower wants versions of other packages that bitket's do not live with; where it is there, the averages are equal."""
    aggregate = pytest.importorskip("flwr.server.strategy.aggregate").aggregate
    draw = np.random.default_rng(4)
    weights, sizes = [draw.normal(size=(3, 5)) for _ in range(4)], [3, 10, 1, 7]
    (theirs,) = aggregate([([w], n) for w, n in zip(weights, sizes, strict=True)])
    assert np.abs(averaged(weights, sizes) - theirs).max() < 1e-12

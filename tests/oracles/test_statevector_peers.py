"""States of circuits against Qiskit Aer, qulacs and lightning.qubit, in both precisions, in the core and in plain torch.

The sizes lie on both sides of where the core takes over (10 qubits) and of where a state no longer fits its tile (14 qubits).
Angles are given as numbers and as parameters, since a simulator runs the first as matrices and the second as rotations.
"""

import math

import numpy as np
import pytest
import torch

from bitket.quantum.circuits import Circuit, Parameter, gate, random_circuit
from bitket.quantum.circuits.fourier import qft
from bitket.quantum.circuits.gates import NAMES
from bitket.quantum.circuits.interop import to_qiskit
from bitket.quantum.circuits.random import random_unitary
from bitket.quantum.simulation import native, statevector

TOLERANCE = {torch.float64: 1e-11, torch.float32: 3e-5}
SIZES = [1, 2, 5, 9, 10, 13, 14, 15, 17]

# Gates that all three peers name, or that are a Pauli rotation: name -> (number of qubits, number of angles).
KNOWN = {
    "x": (1, 0), "y": (1, 0), "z": (1, 0), "h": (1, 0), "s": (1, 0), "sdg": (1, 0), "t": (1, 0), "sx": (1, 0),
    "rx": (1, 1), "ry": (1, 1), "rz": (1, 1), "p": (1, 1), "u": (1, 3), "cx": (2, 0), "cz": (2, 0), "swap": (2, 0),
    "cp": (2, 1), "crx": (2, 1), "cry": (2, 1), "crz": (2, 1), "rxx": (2, 1), "ryy": (2, 1), "rzz": (2, 1), "rzx": (2, 1),
}  # fmt: skip
PAULIS = {"rx": "X", "ry": "Y", "rz": "Z", "rxx": "XX", "ryy": "YY", "rzz": "ZZ", "rzx": "ZX"}  # one letter a qubit
List = list[tuple[str, list[float], list[int]]]


@pytest.fixture(params=["core", "torch"])
def path(request, monkeypatch):
    """Both ways that a state can take."""
    if request.param == "torch":
        monkeypatch.setattr(native, "core", None)
    elif native.core is None:
        pytest.skip("the compiled core was not built")


def random_list(n: int, count: int, rng: np.random.Generator) -> List:
    names = [name for name, (qubits, _) in KNOWN.items() if qubits <= n]
    out = []
    for name in [*names, *rng.choice(names, max(count - len(names), 0))]:
        qubits, angles = KNOWN[str(name)]
        out.append((str(name), rng.uniform(-7, 7, angles).tolist(), rng.permutation(n)[:qubits].tolist()))
    return out


def layered_list(n: int, layers: int, rng: np.random.Generator) -> List:
    out: List = []
    for _ in range(layers):
        for q in range(n):
            out += [("ry", [float(rng.uniform(-3, 3))], [q]), ("rz", [float(rng.uniform(-3, 3))], [q])]
        out += [("cx", [], [q, q + 1]) for q in range(n - 1)]
    return out


def ours(n: int, listed: List) -> Circuit:
    circuit = Circuit(n)
    for name, angles, qubits in listed:
        circuit.append(gate(name, *angles), qubits)
    return circuit


def parametric(n: int, listed: List) -> tuple[Circuit, np.ndarray]:
    circuit, values = Circuit(n), []
    for name, angles, qubits in listed:
        slots = [Parameter(f"a{len(values) + k:04}") for k in range(len(angles))]
        circuit.append(gate(name, *slots), qubits)
        values += angles
    return circuit, np.array(values)


def check_all(n: int, listed: List, dtype: torch.dtype, expected: np.ndarray) -> None:
    circuit, values = parametric(n, listed)
    bound = statevector(ours(n, listed), dtype=dtype)
    free = statevector(circuit, values, dtype=dtype)
    for state in (bound, free):
        assert state.dtype == (torch.complex128 if dtype == torch.float64 else torch.complex64)
        assert np.abs(state.numpy() - expected).max() < TOLERANCE[dtype]


def aer_state(circuit: Circuit) -> np.ndarray:
    qiskit, aer = pytest.importorskip("qiskit"), pytest.importorskip("qiskit_aer")
    simulator = aer.AerSimulator(method="statevector")
    theirs = qiskit.transpile(to_qiskit(circuit), simulator, optimization_level=0)
    theirs.save_statevector()
    return np.asarray(simulator.run(theirs).result().data()["statevector"])


def qulacs_state(n: int, listed: List, start: np.ndarray | None = None) -> np.ndarray:
    qulacs = pytest.importorskip("qulacs")
    make, letter = qulacs.gate, {"X": 1, "Y": 2, "Z": 3}
    plain = {"x": make.X, "y": make.Y, "z": make.Z, "h": make.H, "s": make.S, "sdg": make.Sdag, "t": make.T}
    plain |= {"sx": make.sqrtX, "cx": make.CNOT, "cz": make.CZ, "swap": make.SWAP}
    state = qulacs.QuantumState(n)
    if start is not None:
        state.load(start)
    for name, angles, qubits in listed:
        if name in plain:
            operation = plain[name](*qubits)
        elif name in PAULIS:  # their rotations turn the other way
            operation = make.PauliRotation(qubits, [letter[p] for p in PAULIS[name]], -angles[0])
        elif name == "u":
            operation = make.U3(qubits[0], *angles)
        else:
            turned = {"p": make.U1, "cp": make.U1, "crx": make.RX, "cry": make.RY, "crz": make.RZ}[name]
            base = turned(qubits[-1], angles[0] if turned is make.U1 else -angles[0])
            operation = make.to_matrix_gate(base)
            for control in qubits[:-1]:
                operation.add_control_qubit(control, 1)
        operation.update_quantum_state(state)
    return np.asarray(state.get_vector())


def lightning_state(n: int, listed: List) -> np.ndarray:
    qml = pytest.importorskip("pennylane")
    pytest.importorskip("pennylane_lightning")
    plain = {"x": qml.PauliX, "y": qml.PauliY, "z": qml.PauliZ, "h": qml.Hadamard, "s": qml.S, "t": qml.T, "sx": qml.SX}
    plain |= {"p": qml.PhaseShift, "u": qml.U3, "cx": qml.CNOT, "cz": qml.CZ, "swap": qml.SWAP}
    plain |= {"cp": qml.ControlledPhaseShift, "crx": qml.CRX, "cry": qml.CRY, "crz": qml.CRZ}
    operations = []
    for name, angles, qubits in listed:
        wires = [n - 1 - q for q in qubits]  # their wire 0 is the most significant bit
        if name == "sdg":
            operations.append(qml.adjoint(qml.S(wires)))
        elif name in PAULIS:
            operations.append(qml.PauliRot(angles[0], PAULIS[name], wires=wires))
        else:
            operations.append(plain[name](*angles, wires=wires))
    device = qml.device("lightning.qubit", wires=n)

    @qml.qnode(device)
    def node():
        for operation in operations:
            qml.apply(operation)
        return qml.state()

    return np.asarray(node())


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("n", SIZES)
def test_every_gate_and_random_controls_equal_aer(n, dtype, path):
    rng = np.random.default_rng(n)
    names = [*sorted(NAMES), "unitary", "unitary"]
    circuit = random_circuit(n, 12 if n < 14 else 5, rng, names=names, max_controls=3)
    assert np.abs(statevector(circuit, dtype=dtype).numpy() - aer_state(circuit)).max() < TOLERANCE[dtype]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("n", SIZES)
def test_random_circuits_equal_qulacs(n, dtype, path):
    listed = random_list(n, 60, np.random.default_rng(100 + n))
    check_all(n, listed, dtype, qulacs_state(n, listed))


@pytest.mark.parametrize("n", [3, 10, 15])
def test_random_circuits_equal_lightning(n, path):
    listed = random_list(n, 60, np.random.default_rng(200 + n))
    check_all(n, listed, torch.float64, lightning_state(n, listed))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("n", [4, 12, 16, 18])
def test_layers_of_rotations_and_cx_chains_equal_qulacs(n, dtype, path):
    listed = layered_list(n, 6 if n < 16 else 3, np.random.default_rng(n))
    check_all(n, listed, dtype, qulacs_state(n, listed))


@pytest.mark.parametrize("n", [3, 11, 15, 17])
def test_two_qubit_unitaries_equal_qulacs(n, path):
    qulacs = pytest.importorskip("qulacs")
    rng = np.random.default_rng(n)
    circuit, theirs = Circuit(n), qulacs.QuantumState(n)
    for _ in range(3 * n):
        qubits, matrix = rng.permutation(n)[:2].tolist(), random_unitary(2, rng)
        circuit.unitary(matrix, qubits)
        qulacs.gate.DenseMatrix(qubits, matrix).update_quantum_state(theirs)
    assert np.abs(statevector(circuit).numpy() - theirs.get_vector()).max() < 1e-11


@pytest.mark.parametrize("n", [2, 10, 15, 17])
def test_the_fourier_transform_of_a_basis_state_is_a_wave(n, path):
    j = int(np.random.default_rng(n).integers(1 << n))
    initial = np.zeros(1 << n, dtype=complex)
    initial[j] = 1
    wave = np.exp(2j * math.pi * (j * np.arange(1 << n) % (1 << n)) / (1 << n)) / math.sqrt(1 << n)
    assert np.abs(statevector(qft(n), initial=initial).numpy() - wave).max() < 1e-11
    listed = [(i.name, [float(a) for a in i.gate.params], list(i.qubits)) for i in qft(n)]
    assert np.abs(qulacs_state(n, listed, initial) - wave).max() < 1e-11


@pytest.mark.parametrize("n", [4, 10, 15])
def test_batches_from_any_start_equal_qulacs_sample_by_sample(n, path):
    rng = np.random.default_rng(n)
    start = rng.normal(size=(3, 1, 1 << n)) + 1j * rng.normal(size=(3, 1, 1 << n))
    start /= np.linalg.norm(start, axis=-1, keepdims=True)
    listed = random_list(n, 30, rng)
    circuit, values = parametric(n, listed)
    weights = np.array([values, rng.uniform(-3, 3, len(values)), rng.uniform(-3, 3, len(values))])[:2]
    before = start.copy()
    states = statevector(circuit, weights, initial=start).numpy()
    assert np.array_equal(start, before)
    assert states.shape == (3, 2, 1 << n)
    for row in range(3):
        for column in range(2):
            angles = iter(weights[column])
            bound = [(name, [float(next(angles)) for _ in old], qubits) for name, old, qubits in listed]
            assert np.abs(states[row, column] - qulacs_state(n, bound, start[row, 0])).max() < 1e-11

"""OpenQASM against Qiskit's readers and writers, both ways, in both versions."""

import numpy as np
import pytest

from bitket.quantum.circuits import Circuit, gate
from bitket.quantum.circuits.gates import GATES, NAMES
from bitket.quantum.circuits.qasm import read_qasm, write_qasm

qiskit = pytest.importorskip("qiskit")
qasm2 = pytest.importorskip("qiskit.qasm2")
qasm3 = pytest.importorskip("qiskit.qasm3")
random_circuit = pytest.importorskip("qiskit.circuit.random").random_circuit
Operator = pytest.importorskip("qiskit.quantum_info").Operator


def up_to_phase(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.abs(a * np.exp(-1j * np.angle(np.vdot(b, a))) - b).max())


@pytest.mark.parametrize("seed", range(100))
def test_we_read_what_qiskit_writes(seed):
    theirs = random_circuit(4, 6, seed=seed)
    assert up_to_phase(read_qasm(qasm2.dumps(theirs)).matrix(), Operator(theirs).data) < 1e-10
    text = qasm3.dumps(
        theirs
    )  # Qiskit's definitions of some gates lose a global phase here, so its own reader is the oracle
    assert np.abs(read_qasm(text).matrix() - Operator(qasm3.loads(text)).data).max() < 1e-10


@pytest.mark.parametrize("seed", range(60))
def test_qiskit_reads_what_we_write(seed):
    rng = np.random.default_rng(seed)
    ours = Circuit(4)
    for _ in range(15):
        base, controls = NAMES[name := str(rng.choice(list(NAMES)))]
        if GATES[base].num_qubits + controls <= 4:
            ours.append(
                gate(name, *rng.uniform(-3, 3, GATES[base].num_params)),
                rng.permutation(4)[: GATES[base].num_qubits + controls],
            )
    back2 = qasm2.loads(write_qasm(ours, 2), custom_instructions=qasm2.LEGACY_CUSTOM_INSTRUCTIONS)
    assert up_to_phase(Operator(back2).data, ours.matrix()) < 1e-9
    back3 = qasm3.loads(write_qasm(ours, 3))
    assert np.abs(Operator(back3).data - ours.matrix()).max() < 1e-9

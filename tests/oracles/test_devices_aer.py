"""Noise models of real devices against the ones that Qiskit Aer derives from the same calibrations."""

import numpy as np
import pytest

from bitket.algebra import PauliSum
from bitket.quantum.circuits import Circuit
from bitket.quantum.circuits.interop.qiskit import to_qiskit
from bitket.quantum.circuits.random import random_circuit
from bitket.quantum.noise import Device, device_names
from bitket.quantum.simulation import density_matrix, expectation

qiskit = pytest.importorskip("qiskit")
aer = pytest.importorskip("qiskit_aer")
aer_noise = pytest.importorskip("qiskit_aer.noise")
fake = pytest.importorskip("qiskit_ibm_runtime.fake_provider")
quantum_info = pytest.importorskip("qiskit.quantum_info")


@pytest.mark.parametrize(
    ("name", "backend"), [("manila", "FakeManilaV2"), ("lima", "FakeLimaV2"), ("jakarta", "FakeJakartaV2")]
)
def test_every_gate_error_equals_aer(name, backend):
    theirs = aer_noise.NoiseModel.from_backend(getattr(fake, backend)())
    device = Device(name)
    compared = 0
    for gate in device.calibration.gates:
        error = theirs._local_quantum_errors.get(gate.name, {}).get(gate.qubits)
        if error is None or gate.name in ("reset", "measure"):
            continue
        ours = device.gate_channel(gate)
        assert np.abs(quantum_info.PTM(quantum_info.SuperOp(error)).data.real - ours.pauli_transfer()).max() < 1e-6, (
            gate
        )
        compared += 1
    assert compared >= 3 * device.num_qubits
    for q, error in theirs._local_readout_errors.items():
        matrix = device.noise_model().readout_matrix(q[0])  # Aer takes the mean of the two errors that we keep apart
        assert (matrix[0, 1] + matrix[1, 0]) / 2 == pytest.approx(error.probabilities[0, 1], abs=1e-9)


def test_all_installed_devices_can_be_read():
    names = device_names()
    assert len(names) > 40
    for name in names:
        device = Device(name)
        assert device.num_qubits == len(device.calibration.qubits)


def aer_density(circuit, noise):
    circuit = circuit.copy()
    circuit.save_density_matrix()
    result = aer.AerSimulator(method="density_matrix", noise_model=noise).run(circuit).result()
    return np.asarray(result.data()["density_matrix"])


@pytest.mark.parametrize("control", [0, 1])
@pytest.mark.filterwarnings("ignore::bitket.quantum.noise.NoiseWarning")
def test_a_cx_calibrated_one_way_equals_qiskit_and_aer(control):
    t1, t2, duration, error = 5e-5, 7e-5, 3e-7, 0.05
    relaxed = aer_noise.thermal_relaxation_error(t1, t2, duration)
    relaxed = relaxed.expand(relaxed)
    f = quantum_info.average_gate_fidelity(quantum_info.SuperOp(relaxed))
    p = 4 * (f - (1 - error)) / (4 * f - 1)
    noise = aer_noise.NoiseModel(["cx", "rz", "sx", "x"])
    noise.add_quantum_error(aer_noise.depolarizing_error(p, 2).compose(relaxed), "cx", [0, 1])
    theirs = qiskit.QuantumCircuit(2)
    theirs.h(control)
    theirs.cx(control, 1 - control)
    theirs = qiskit.transpile(
        theirs,
        basis_gates=["cx", "rz", "sx", "x"],
        coupling_map=[[0, 1]],
        initial_layout=[0, 1],
        optimization_level=0,
    )
    rho = aer_density(theirs, noise)
    device = Device(
        {
            "name": "oneway",
            "num_qubits": 2,
            "native": ["rz", "sx", "x", "cx"],
            "qubits": [{"t1": t1, "t2": t2}] * 2,
            "gates": [{"name": "cx", "qubits": [0, 1], "error": error, "duration": duration}],
        }
    )
    for label in ("ZZ", "XX", "YY", "IZ", "ZI"):
        operator = PauliSum.parse(label)
        small, (there,), model = device.place(Circuit(2).h(control).cx(control, 1 - control), [operator])
        wanted = np.trace(rho @ quantum_info.Operator.from_label(label).data).real
        assert float(expectation(small, there, noise=model)) == pytest.approx(wanted, abs=1e-9)


@pytest.mark.parametrize(
    ("name", "backend"), [("manila", "FakeManilaV2"), ("peekskill", "FakePeekskill"), ("prague", "FakePrague")]
)
def test_noisy_circuits_on_devices_equal_aer(name, backend):
    theirs = aer_noise.NoiseModel.from_backend(getattr(fake, backend)())
    device = Device(name)
    compiled, _ = device.compile(random_circuit(3, 3, np.random.default_rng(3)))
    used = sorted({q for i in compiled for q in i.qubits})
    number = {q: k for k, q in enumerate(used)}
    small = Circuit(len(used))
    noise = aer_noise.NoiseModel(theirs.basis_gates)
    for i in compiled:
        if i.qubits:  # Aer knows no global phase
            small.append(i.operation, [number[q] for q in i.qubits])
    for gate, errors in theirs._local_quantum_errors.items():
        for qubits, error in errors.items():
            if set(qubits) <= set(used):
                noise.add_quantum_error(error, gate, [number[q] for q in qubits])
    ours = density_matrix(small, noise=device.noise_model(used)).numpy()
    assert np.abs(ours - aer_density(to_qiskit(small), noise)).max() < 1e-6
    assert np.abs(ours - density_matrix(small).numpy()).max() > 1e-3

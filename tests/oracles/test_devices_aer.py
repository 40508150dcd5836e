"""Noise models of real devices against the ones that Qiskit Aer derives from the same calibrations."""

import numpy as np
import pytest

from bitket.quantum.noise import Device, device_names

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

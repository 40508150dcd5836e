import json

import numpy as np
import pytest
import torch

from bitket.algebra import PauliSum
from bitket.data.devices import Calibration, load_calibration
from bitket.errors import InvalidInput
from bitket.quantum.circuits import Circuit
from bitket.quantum.circuits.random import random_circuit
from bitket.quantum.noise import Device, NoiseError, NoiseModel
from bitket.quantum.simulation import density_matrix, expectation, sample, statevector

MINE = {
    "name": "mine",
    "num_qubits": 3,
    "native": ["rz", "sx", "x", "cx"],
    "edges": [[0, 1], [1, 2]],
    "qubits": [{"t1": 1e-4, "t2": 8e-5, "p10": 0.01, "p01": 0.02}, {"t1": 5e-5}, {}],
    "gates": [
        {"name": "cx", "qubits": [0, 1], "error": 0.02, "duration": 3e-7},
        {"name": "cx", "qubits": [1, 2], "error": 0.03, "duration": 3e-7},
        {"name": "sx", "qubits": [0], "error": 1e-3, "duration": 3e-8},
    ],
}


def test_gate_infidelity_is_the_calibrated_one():
    device = Device(Calibration.model_validate(MINE))
    for gate in device.calibration.gates:
        assert 1 - device.gate_channel(gate).average_fidelity() == pytest.approx(gate.error, rel=1e-9)


def test_compiled_circuits_do_the_same_on_coupled_qubits(tmp_path):
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(MINE))
    device = Device(path)
    for seed in range(5):
        c = random_circuit(3, 4, np.random.default_rng(seed))
        compiled, place = device.compile(c)
        assert set(compiled.count_ops()) <= {"rz", "sx", "cx", "gphase"}
        assert all(device.coupling_map.has_edge(*i.qubits) for i in compiled if len(i.qubits) == 2)
        out = statevector(compiled).numpy().reshape(2, 2, 2)
        expected = statevector(c).numpy().reshape(2, 2, 2)
        moved = np.transpose(out, [2 - place[2 - axis] for axis in range(3)])
        assert abs(np.vdot(moved, expected)) == pytest.approx(1, abs=1e-9)


def test_a_device_can_be_sampled():
    pytest.importorskip("qiskit_ibm_runtime")
    device = Device("manila")
    compiled, place = device.compile(Circuit(2).h(0).cx(0, 1))
    measured = compiled.copy()
    measured.num_clbits = 2
    for k, q in enumerate(place):
        measured.measure(q, k)
    counts = sample(measured, 4000, noise=device.noise_model(), generator=torch.Generator().manual_seed(0))
    wrong = (counts.get("01", 0) + counts.get("10", 0)) / 4000
    assert 0.005 < wrong < 0.2
    density = density_matrix(compiled, noise=device.noise_model())
    assert float(torch.einsum("ii->", density).real) == pytest.approx(1)


def test_final_measurements_do_not_disturb_expectations():
    noise = NoiseModel.depolarizing(0.01)
    ghz = Circuit(2, 2).h(0).cx(0, 1)
    x = PauliSum.parse("XX")
    assert float(expectation(ghz.copy().measure_all(), x, noise=noise)) == float(expectation(ghz, x, noise=noise)) > 0.9


def test_bad_input_is_named(tmp_path):
    pytest.importorskip("qiskit_ibm_runtime")
    with pytest.raises(InvalidInput, match="did you mean 'manila'"):
        load_calibration("manilla")
    bad = tmp_path / "bad.json"
    for change, message in (
        ({"num_qubits": 0}, "num_qubits"),
        ({"edges": [[0, 7]]}, "out of range"),
        ({"qubits": [{"t1": -1}] * 3}, "t1"),
        ({"colour": 1}, "colour"),
    ):
        bad.write_text(json.dumps(MINE | change))
        with pytest.raises(InvalidInput, match=message) as caught:
            load_calibration(bad)
        assert "\n" not in str(caught.value)
    bad.write_text("{")
    with pytest.raises(InvalidInput, match="JSON"):
        load_calibration(bad)
    device = Device(Calibration.model_validate(MINE))
    with pytest.raises(NoiseError, match="is not native to the modelled device"):
        density_matrix(Circuit(2).h(0), noise=device.noise_model())
    with pytest.raises(NoiseError, match="connected qubits"):
        device.compile(Circuit(9).h(0))

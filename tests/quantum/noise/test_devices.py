import json

import numpy as np
import pytest
import torch

from bitket.algebra import PauliSum
from bitket.data.devices import Calibration, load_calibration
from bitket.errors import InvalidInput
from bitket.quantum.circuits import Circuit
from bitket.quantum.circuits.random import random_circuit
from bitket.quantum.noise import Device, NoiseError, NoiseModel, NoiseWarning
from bitket.quantum.simulation import density_matrix, expectation, sample, statevector

MINE = {
    "name": "mine",
    "num_qubits": 3,
    "native": ["rz", "sx", "x", "cx"],
    "edges": [[0, 1], [1, 2]],
    "qubits": [{"t1": 1e-4, "t2": 8e-5, "p10": 0.01, "p01": 0.02}, {"t1": 5e-5, "p01": 0.03}, {}],
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
        assert set(compiled.count_ops()) <= {"rz", "sx", "x", "cx", "gphase"}
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
        ({"num_qubits": "3"}, "num_qubits"),
        ({"num_qubits": 2}, "3 qubits are described"),
        ({"edges": [[0, True]]}, "edges.0.1"),
        ({"edges": [[1, 1]]}, "repeated"),
        ({"native": "cx"}, "native"),
        ({"qubits": [{"t1": float("nan")}] * 3}, "t1"),
        ({"qubits": [{"p10": 1.5}] * 3}, "p10"),
        ({"gates": [{"name": "cx", "qubits": [0, 1], "error": "high"}]}, "gates.0.error"),
        ({"gates": [{"name": "cx", "qubits": []}]}, "gates.0.qubits"),
        ({"gates": [MINE["gates"][0]] * 2}, "listed twice"),
    ):
        bad.write_text(json.dumps(MINE | change))
        with pytest.raises(InvalidInput, match=message) as caught:
            load_calibration(bad)
        assert "\n" not in str(caught.value)
    bad.write_text("{")
    with pytest.raises(InvalidInput, match="JSON"):
        load_calibration(bad)
    for source, message in ((3, "a name, a JSON file"), ([1], "a name"), (MINE | {"edges": 1}, "device: edges")):
        with pytest.raises(InvalidInput, match=message):
            Device(source)
    device = Device(MINE)
    with pytest.warns(
        NoiseWarning, match="no calibration of sx on qubits 1, 2; x on qubits 0, 1, 2; measure on qubit 2"
    ):
        model = device.noise_model()
    with pytest.raises(NoiseError, match="is not native to the modelled device"):
        density_matrix(Circuit(2).h(0), noise=model)
    with pytest.raises(NoiseError, match="does not have it there"):
        density_matrix(Circuit(3).cx(0, 2), noise=model)
    with pytest.raises(NoiseError, match="operator on 2 qubits, the circuit has 3"):
        device.place(Circuit(3).h(0), [PauliSum.parse("ZZ")])
    with pytest.raises(NoiseError, match="connected qubits"):
        device.compile(Circuit(9).h(0))


ONE_WAY = {
    "name": "oneway",
    "num_qubits": 2,
    "native": ["rz", "sx", "x", "cx"],
    "edges": [[0, 1]],
    "qubits": [{"t1": 5e-5, "t2": 7e-5}, {"t1": 5e-5, "t2": 7e-5}],
    "gates": [{"name": "cx", "qubits": [0, 1], "error": 0.05, "duration": 3e-7}],
}


@pytest.mark.filterwarnings("ignore::bitket.quantum.noise.NoiseWarning")
@pytest.mark.parametrize("entangler", ["cx", "CX", "cnot", "cz", "ecr"])
def test_a_gate_against_its_calibrated_direction_has_its_noise(entangler):
    calibration = ONE_WAY | {
        "native": ["rz", "sx", "x", entangler],
        "gates": [ONE_WAY["gates"][0] | {"name": entangler}],
    }
    zz, values = PauliSum.parse("ZZ"), []
    for control in (0, 1):
        c = Circuit(2).h(control).cx(control, 1 - control)
        small, (there,), noise = Device(calibration).place(c, [zz])
        assert float(expectation(small, there)) == pytest.approx(1)
        values.append(float(expectation(small, there, noise=noise)))
    assert all(0.92 < v < 0.945 for v in values)
    if entangler in ("cx", "CX", "cnot"):
        assert values[0] == pytest.approx(0.929428, abs=1e-6)


@pytest.mark.filterwarnings("ignore::bitket.quantum.noise.NoiseWarning")
def test_pairs_of_different_gates_each_use_their_own():
    gates = [{"name": n, "qubits": q, "error": 0.01} for n, q in (("cx", [0, 1]), ("ecr", [2, 1]), ("cz", [2, 3]))]
    device = Device(
        {
            "name": "mixed",
            "num_qubits": 4,
            "native": ["rz", "sx", "x", "cx", "cz", "ecr"],
            "qubits": [{}] * 4,
            "gates": gates,
        }
    )
    c = random_circuit(4, 6, np.random.default_rng(1))
    compiled, ends = device.compile(c)
    used = {(i.name, i.qubits) for i in compiled if len(i.qubits) == 2}
    assert used <= {("cx", (0, 1)), ("ecr", (2, 1)), ("cz", (2, 3)), ("cz", (3, 2))}
    assert {name for name, _ in used} == {"cx", "cz", "ecr"}
    noise = device.noise_model()
    assert all(noise.channels(i) for i in compiled if len(i.qubits) == 2)
    z = PauliSum.from_sparse([("ZX", [0, 3], 1.0)], 4)
    moved = PauliSum.from_sparse([("ZX", [ends[0], ends[3]], 1.0)], 4)
    assert float(expectation(compiled, moved)) == pytest.approx(float(expectation(c, z)), abs=1e-9)


def test_what_is_not_calibrated_is_warned_of_once():
    with pytest.warns(NoiseWarning) as caught:
        Device(ONE_WAY).place(Circuit(2).sx(0).cx(0, 1), [])
    assert [str(w.message) for w in caught] == [
        "device oneway: no calibration of sx on qubit 0; measure on qubits 0, 1: taken as perfect"
    ]
    bare = ONE_WAY | {"gates": [{"name": "cx", "qubits": [0, 1], "duration": 3e-7}], "qubits": [{}, {}]}
    with pytest.warns(NoiseWarning, match="cx on pair 0-1"):
        Device(bare).place(Circuit(2).cx(0, 1), [])
    with pytest.warns(NoiseWarning, match="cx on pairs 0-1, 1-0"):
        Device(ONE_WAY | {"gates": []}).noise_model()


@pytest.mark.filterwarnings("error::bitket.quantum.noise.NoiseWarning")
def test_idle_gates_resets_and_measurements_have_their_noise():
    device = Device(
        {
            "name": "one",
            "num_qubits": 1,
            "native": ["id", "rz", "sx", "x"],
            "qubits": [{"t1": 1e-4, "t2": 1e-4}],
            "gates": [
                {"name": "id", "qubits": [0], "duration": 1e-5},
                {"name": "x", "qubits": [0], "error": 0.0},
                {"name": "reset", "qubits": [0], "error": 0.03},
                {"name": "measure", "qubits": [0], "error": 0.02},
            ],
        }
    )
    z = PauliSum.parse("Z")
    small, (there,), noise = device.place(Circuit(1).x(0).id(0).id(0), [z])
    decayed = 1 - 2 * np.exp(-0.2)
    assert float(expectation(small, there, noise=noise)) == pytest.approx(0.96 * decayed, abs=1e-12)
    small, (there,), noise = device.place(Circuit(1).x(0).reset(0), [z])
    assert float(expectation(small, there, noise=noise)) == pytest.approx(0.96 * (1 - 2 * 0.03), abs=1e-12)
    assert float(expectation(Circuit(1).x(0), z, noise=noise)) == pytest.approx(-0.96, abs=1e-12)

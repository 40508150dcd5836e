"""Noisy circuits against Qiskit Aer, channel forms against qiskit.quantum_info."""

import numpy as np
import pytest

from bitket.quantum.circuits import Circuit
from bitket.quantum.circuits.ansatz import ry_rz_ansatz
from bitket.quantum.circuits.interop.qiskit import to_qiskit
from bitket.quantum.noise import Channel, NoiseModel, amplitude_damping, depolarizing, thermal_relaxation
from bitket.quantum.simulation import density_matrix

qiskit = pytest.importorskip("qiskit")
aer = pytest.importorskip("qiskit_aer")
quantum_info = pytest.importorskip("qiskit.quantum_info")


@pytest.mark.parametrize("n", [2, 4, 6])
@pytest.mark.parametrize("p", [0.01, 0.37])
@pytest.mark.parametrize("convention", ["mixing", "pauli"])
def test_ry_rz_circuits_equal_aer(n, p, convention):
    circuit = ry_rz_ansatz(n, 2)
    bound = circuit.bind(np.random.default_rng(n).uniform(-3, 3, len(circuit.weights)).tolist())
    theirs = qiskit.QuantumCircuit(n)
    for i in bound:
        getattr(theirs, i.name)(*i.gate.params, *i.qubits)
    theirs.save_density_matrix()
    model = aer.noise.NoiseModel()
    for k, names in ((1, ["ry", "rz"]), (2, ["cx"])):
        scale = 1 if convention == "mixing" else 4**k / (4**k - 1)
        model.add_all_qubit_quantum_error(aer.noise.depolarizing_error(p * scale, k), names)
    result = aer.AerSimulator(method="density_matrix", noise_model=model).run(theirs).result()
    ours = density_matrix(bound, noise=NoiseModel.depolarizing(p, p, convention))
    assert np.abs(np.asarray(result.data()["density_matrix"]) - ours.numpy()).max() < 1e-10


@pytest.mark.parametrize(
    "channel",
    [amplitude_damping(0.3, 0.2), depolarizing(0.2, 2), thermal_relaxation(5, 7, 1, 0.1)],
    ids=["ad", "dep2", "thermal"],
)
def test_forms_equal_qiskit(channel: Channel):
    theirs = quantum_info.Kraus(list(channel.kraus))
    assert np.allclose(quantum_info.PTM(theirs).data.real, channel.pauli_transfer())
    assert np.allclose(quantum_info.Choi(theirs).data, channel.choi())
    d = channel.kraus.shape[-1]  # Qiskit stacks columns, we stack rows
    columns = quantum_info.SuperOp(theirs).data.reshape(d, d, d, d).transpose(1, 0, 3, 2).reshape(d * d, d * d)
    assert np.allclose(columns, channel.superoperator())
    assert quantum_info.average_gate_fidelity(theirs) == pytest.approx(channel.average_fidelity())


def test_thermal_relaxation_equals_aer():
    theirs = aer.noise.thermal_relaxation_error(50e3, 70e3, 300, 0.05)
    ours = thermal_relaxation(50e3, 70e3, 300, 0.05)
    assert np.allclose(quantum_info.PTM(quantum_info.SuperOp(theirs)).data.real, ours.pauli_transfer())


@pytest.mark.parametrize("k", [1, 2])
def test_depolarising_conventions_equal_aer_and_cirq(k):
    p = 0.13
    assert np.allclose(
        depolarizing(p, k).pauli_transfer(),
        quantum_info.PTM(quantum_info.SuperOp(aer.noise.depolarizing_error(p, k))).data.real,
    )
    cirq = pytest.importorskip("cirq")
    theirs = Channel(np.array(cirq.kraus(cirq.depolarize(p, k))))  # the order of qubits is nothing to it
    assert np.allclose(depolarizing(p, k, "pauli").pauli_transfer(), theirs.pauli_transfer(), atol=1e-12)
    # One channel on each qubit of a gate: what Aer's one-qubit error on each would be.
    each = NoiseModel().after(depolarizing(p))
    one = aer.noise.depolarizing_error(p, 1)
    both = quantum_info.SuperOp(one.tensor(one))
    c = Circuit(2).h(0).cx(0, 1)
    rho = quantum_info.DensityMatrix.from_label("00").evolve(to_qiskit(Circuit(2).h(0)))
    rho = rho.evolve(quantum_info.SuperOp(one), [0]).evolve(to_qiskit(Circuit(2).cx(0, 1))).evolve(both)
    assert np.allclose(density_matrix(c, noise=each).numpy(), rho.data, atol=1e-12)

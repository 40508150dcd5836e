"""Ansätze and feature maps against the same circuits of Qiskit and PennyLane."""

import numpy as np
import pytest

from bitket.quantum.circuits import (
    efficient_su2,
    pauli_feature_map,
    qft,
    real_amplitudes,
    strongly_entangling_layers,
    two_local,
    z_feature_map,
    zz_feature_map,
)

library = pytest.importorskip("qiskit.circuit.library")
Statevector = pytest.importorskip("qiskit.quantum_info").Statevector

WORDS = ["full", "linear", "reverse_linear", "circular", "sca", "pairwise"]


def assert_same(ours, theirs, count, rng, draws=3):
    """Equal states, phase included, and equal order of parameters."""
    assert len(ours.parameters) == len(theirs.parameters) == count
    for _ in range(draws):
        values = rng.uniform(-np.pi, np.pi, count)
        expected = Statevector(theirs.assign_parameters(values)).data
        np.testing.assert_allclose(ours.bind(values).matrix()[:, 0], expected, atol=1e-10)


@pytest.mark.parametrize("word", [*WORDS, [(0, 2), (1, 0)]], ids=str)
@pytest.mark.parametrize("qubits", [3, 5])
def test_efficient_su2_and_real_amplitudes_equal_qiskit(word, qubits):
    rng = np.random.default_rng(1)
    for reps in (0, 1, 3):
        ours = efficient_su2(qubits, reps, word)
        assert_same(ours, library.efficient_su2(qubits, reps=reps, entanglement=word), 2 * qubits * (reps + 1), rng)
        ours = real_amplitudes(qubits, reps, word)
        assert_same(ours, library.real_amplitudes(qubits, reps=reps, entanglement=word), qubits * (reps + 1), rng)


@pytest.mark.parametrize("word", WORDS)
def test_two_local_with_parametric_entanglers_equals_qiskit(word):
    rng = np.random.default_rng(2)
    for rotations, entanglers in (("ry", "crx"), (["h", "rz"], ["cz", "rzz"]), (["u"], ["cp", "swap"])):
        for final in (True, False):
            ours = two_local(4, rotations, entanglers, reps=2, entanglement=word, final_rotation=final)
            theirs = library.n_local(
                4, rotations, entanglers, reps=2, entanglement=word, skip_final_rotation_layer=not final
            )
            assert_same(ours, theirs, len(theirs.parameters), rng, draws=2)


@pytest.mark.parametrize("word", ["full", "linear", "reverse_linear", "circular", "sca"])
def test_two_local_on_blocks_of_three_equals_qiskit(word):
    ours = two_local(5, "ry", "ccx", reps=3, entanglement=word)
    theirs = library.n_local(5, "ry", "ccx", reps=3, entanglement=word)
    assert_same(ours, theirs, 20, np.random.default_rng(3))


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize("qubits", [2, 4])
def test_zz_feature_map_equals_qiskit(word, qubits):
    ours, theirs = zz_feature_map(qubits, 2, word), library.zz_feature_map(qubits, reps=2, entanglement=word)
    assert_same(ours, theirs, qubits, np.random.default_rng(4), draws=10)
    assert {p.role for p in ours.parameters} == {"input"}


def test_other_feature_maps_equal_qiskit():
    rng = np.random.default_rng(5)
    assert_same(z_feature_map(3, 2), library.z_feature_map(3, reps=2), 3, rng)
    assert_same(zz_feature_map(3, 1, alpha=0.7), library.zz_feature_map(3, reps=1, alpha=0.7), 3, rng)
    for paulis in (["X", "YZ"], ["Z", "XY", "ZYX"], ["Y", "IZ", "XX"], ["ZIX"]):
        for word in ("full", "linear", "circular", "sca"):
            theirs = library.pauli_feature_map(4, reps=2, paulis=paulis, entanglement=word)
            assert_same(pauli_feature_map(4, 2, paulis, word), theirs, 4, rng, draws=2)


@pytest.mark.parametrize("qubits", [1, 2, 5])
@pytest.mark.parametrize("swaps", [True, False])
def test_qft_equals_qiskit(qubits, swaps):
    from qiskit.quantum_info import Operator
    from qiskit.synthesis import synth_qft_full

    expected = Operator(synth_qft_full(qubits, do_swaps=swaps)).data
    np.testing.assert_allclose(qft(qubits, swaps=swaps).matrix(), expected, atol=1e-12)


@pytest.mark.parametrize("qubits", [1, 2, 3, 4])
def test_strongly_entangling_layers_equal_pennylane(qubits):
    qml = pytest.importorskip("pennylane")
    rng = np.random.default_rng(6)
    for layers, ranges in ((1, None), (4, None), (2, [1, qubits - 1])):
        if ranges and qubits < 2:
            continue
        weights = rng.uniform(-np.pi, np.pi, (layers, qubits, 3))

        @qml.qnode(qml.device("default.qubit", wires=qubits))
        def state(weights=weights, ranges=ranges):
            qml.StronglyEntanglingLayers(weights, range(qubits), ranges)
            return qml.state()

        # PennyLane's wire 0 is the most significant bit.
        expected = np.transpose(np.asarray(state()).reshape((2,) * qubits)).ravel()
        ours = strongly_entangling_layers(qubits, layers, ranges=ranges).bind(weights.ravel())
        np.testing.assert_allclose(ours.matrix()[:, 0], expected, atol=1e-10)

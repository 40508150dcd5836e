"""Simplification and extraction of ZX diagrams against pyzx."""

import numpy as np
import pytest

from bitket.quantum.circuits import Circuit, ZXGraph, random_circuit

zx = pytest.importorskip("pyzx")

THEIRS = {"h": "HAD", "s": "S", "t": "T", "x": "NOT", "z": "Z", "cx": "CNOT", "cz": "CZ", "swap": "SWAP", "ccx": "TOF"}


def clifford_t(num_qubits, num_gates, rng):
    """Half of the gates on two qubits, a quarter T."""
    circuit = Circuit(num_qubits)
    for _ in range(num_gates):
        a, b = map(int, rng.permutation(num_qubits)[:2])
        if rng.random() < 0.5:
            (circuit.cx if rng.random() < 0.5 else circuit.cz)(a, b)
        else:
            (circuit.t, circuit.t, circuit.s, circuit.h)[rng.integers(4)](a)
    return circuit


def to_pyzx(circuit):
    theirs = zx.Circuit(circuit.num_qubits)
    for i in circuit:
        theirs.add_gate(THEIRS[i.name], *i.qubits)
    return theirs


def assert_equal_up_to_phase(got, wanted):
    overlap = np.vdot(wanted, got) / len(wanted)
    assert abs(overlap) == pytest.approx(1, abs=1e-10)
    np.testing.assert_allclose(got, overlap * wanted, atol=1e-9)


def test_a_hundred_circuits():
    """100 random circuits of 6 qubits and 100 gates, the T-count beside full_reduce."""
    rng = np.random.default_rng(2020)
    for _ in range(100):
        circuit = clifford_t(6, 100, rng)
        reduced = ZXGraph.from_circuit(circuit).simplify()
        extracted = reduced.extract()
        assert_equal_up_to_phase(extracted.matrix(), circuit.matrix())
        count = extracted.count_ops()
        t_count = count.get("t", 0) + count.get("tdg", 0)
        assert "p" not in count  # Clifford+T again
        assert t_count <= reduced.t_count <= circuit.count_ops()["t"]
        peer = to_pyzx(circuit).to_graph()
        zx.full_reduce(peer)
        assert t_count <= 1.1 * zx.tcount(peer)


@pytest.mark.parametrize("seed", range(20))
def test_their_extraction_of_a_circuit_is_ours(seed):
    """Matrices by both libraries, in their orders of qubits; theirs has qubit 0 first."""
    circuit = random_circuit(4, 8, np.random.default_rng(seed), names=list(THEIRS))
    theirs = to_pyzx(circuit).to_matrix().reshape((2,) * 8).transpose(3, 2, 1, 0, 7, 6, 5, 4).reshape(16, 16)
    diagram = ZXGraph.from_circuit(circuit)
    assert_equal_up_to_phase(theirs, diagram.to_matrix())
    assert_equal_up_to_phase(diagram.simplify().extract().matrix(), theirs)

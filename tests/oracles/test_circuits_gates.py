"""Every gate's matrix, with open and closed controls, inverse and fractional power, against Qiskit's."""

import numpy as np
import pytest

from bitket.quantum.circuits import gate, gate_shape
from bitket.quantum.circuits.gates import NAMES

gates = pytest.importorskip("qiskit.circuit.library")
Operator = pytest.importorskip("qiskit.quantum_info").Operator

PEER = {
    "id": gates.IGate, "x": gates.XGate, "y": gates.YGate, "z": gates.ZGate, "h": gates.HGate, "s": gates.SGate,
    "sdg": gates.SdgGate, "t": gates.TGate, "tdg": gates.TdgGate, "sx": gates.SXGate, "sxdg": gates.SXdgGate,
    "swap": gates.SwapGate, "iswap": gates.iSwapGate, "iswapdg": lambda: gates.iSwapGate().inverse(),
    "dcx": gates.DCXGate, "dcxdg": lambda: gates.DCXGate().inverse(), "ecr": gates.ECRGate, "rx": gates.RXGate,
    "ry": gates.RYGate, "rz": gates.RZGate, "rxx": gates.RXXGate, "ryy": gates.RYYGate, "rzz": gates.RZZGate,
    "rzx": gates.RZXGate, "gphase": gates.GlobalPhaseGate, "p": gates.PhaseGate, "u": gates.UGate, "r": gates.RGate,
    "cu": gates.CUGate, "xx_plus_yy": gates.XXPlusYYGate, "xx_minus_yy": gates.XXMinusYYGate, "cx": gates.CXGate,
    "cy": gates.CYGate, "cz": gates.CZGate, "ch": gates.CHGate, "cs": gates.CSGate, "csdg": gates.CSdgGate,
    "csx": gates.CSXGate, "cp": gates.CPhaseGate, "crx": gates.CRXGate, "cry": gates.CRYGate, "crz": gates.CRZGate,
    "cu3": lambda *p: gates.UGate(*p).control(1), "cswap": gates.CSwapGate, "ccx": gates.CCXGate,
    "ccz": gates.CCZGate, "mcx": gates.C3XGate,
}  # fmt: skip


def test_every_gate_is_compared():
    assert set(PEER) == set(NAMES)


@pytest.mark.parametrize("name", sorted(NAMES))
def test_gate_equals_qiskit(name):
    rng = np.random.default_rng(len(name))
    for _ in range(3):
        params = rng.uniform(-6, 6, gate_shape(name)[1])
        ours, theirs = gate(name, *params), PEER[name](*params)
        np.testing.assert_allclose(ours.matrix(), Operator(theirs).data, atol=1e-12)
        np.testing.assert_allclose(ours.inverse().matrix(), Operator(theirs.inverse()).data, atol=1e-12)
        if not 0 < ours.num_qubits < 4:
            continue
        for state in (0, 1):
            controlled = theirs.control(1, ctrl_state=state, annotated=False)
            np.testing.assert_allclose(ours.control(1, state).matrix(), Operator(controlled).data, atol=1e-10)
        if name not in ("p", "rx", "ry", "rz", "rxx", "ryy", "rzz", "rzx", "cp", "crx", "cry", "crz"):
            # Principal branch, as there; rotations scale their angle instead, which is the same only below pi.
            eigenvalues = np.angle(np.linalg.eigvals(ours.matrix()))
            if np.abs(np.abs(eigenvalues) - np.pi).min() > 1e-6:  # a half turn has two principal roots
                np.testing.assert_allclose(ours.power(0.3).matrix(), Operator(theirs).power(0.3).data, atol=1e-7)
    for name_, angle in (("rx", 0.7), ("rz", -1.1), ("p", 2.0), ("cp", 0.4), ("rzz", 1.3)):
        expected = Operator(PEER[name_](angle * 0.3)).data
        np.testing.assert_allclose(gate(name_, angle).power(0.3).matrix(), expected, atol=1e-12)

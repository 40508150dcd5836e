"""Reading and writing OpenQASM beside Qiskit: 200 random circuits both ways, conventions of phase, and conditions by running."""

import warnings

import numpy as np
import pytest

from bitket.quantum.circuits import Circuit, Condition, Parameter, gate, random_circuit
from bitket.quantum.circuits.gates import NAMES
from bitket.quantum.circuits.qasm import read_qasm, write_qasm

qasm2 = pytest.importorskip("qiskit.qasm2")
qasm3 = pytest.importorskip("qiskit.qasm3")
pytest.importorskip("qiskit_qasm3_import")
qiskit_random = pytest.importorskip("qiskit.circuit.random").random_circuit
Operator = pytest.importorskip("qiskit.quantum_info").Operator


def loads2(text: str):
    return qasm2.loads(text, custom_instructions=qasm2.LEGACY_CUSTOM_INSTRUCTIONS)


def loads3(text: str):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return qasm3.loads(text)


@pytest.mark.parametrize("block", range(20))
def test_both_read_alike_what_qiskit_writes(block):
    """Phases included: what Qiskit's exporters drop, its readers do not get back either."""
    for seed in range(10 * block, 10 * block + 10):
        theirs = qiskit_random(4, 5, max_operands=4, seed=seed)
        text = qasm2.dumps(theirs)
        assert np.allclose(read_qasm(text).matrix(), Operator(loads2(text)).data, atol=1e-10)
        text = qasm3.dumps(theirs)
        assert np.allclose(read_qasm(text).matrix(), Operator(loads3(text)).data, atol=1e-10)


@pytest.mark.parametrize("block", range(20))
def test_both_read_alike_what_we_write(block):
    for seed in range(5 * block, 5 * block + 5):
        rng = np.random.default_rng(seed)
        ours = random_circuit(4, 4, rng, names=[*NAMES, "unitary", "barrier"], max_controls=2)
        text = write_qasm(ours, 2)
        read = Operator(loads2(text)).data
        assert np.allclose(read_qasm(text).matrix(), read, atol=1e-9)
        assert np.allclose(abs(np.vdot(read, ours.matrix())), 16, atol=1e-8)
        assert np.allclose(Operator(loads3(write_qasm(ours, 3))).data, ours.matrix(), atol=1e-9)


MODIFIED = [
    "U(0.3, 0.5, 0.7) q[0]; ctrl @ U(0.3, 0.5, 0.7) q[1], q[0];",
    "ctrl @ negctrl @ ry(0.3) q[2], q[0], q[1]; negctrl(2) @ h q[0], q[1], q[2];",
    "pow(2) @ s q[0]; pow(-1) @ t q[1]; pow(0.5) @ x q[2]; pow(0.25) @ h q[0]; pow(-0.5) @ y q[1]; inv @ sx q[2];",
    "gphase(0.4); ctrl @ gphase(0.3) q[1]; ctrl(2) @ gphase(0.3) q[2], q[0]; negctrl @ gphase(0.2) q[0];",
    "gate g(a, b) x, y { rx(a) x; ctrl @ U(a, b, 0.1) x, y; gphase(b); } g(0.1, 0.2) q[0], q[2]; ctrl @ g(0.3, 0.4) q[1], q[0], q[2];",
    "inv @ ctrl @ u2(0.1, 0.2) q[0], q[1]; ctrl @ u3(0.1, 0.2, 0.3) q[0], q[1]; ctrl @ cu(0.1, 0.2, 0.3, 0.4) q[0], q[1], q[2];",
    "let a = q[1:2]; let b = a ++ q[0:0]; cx b[0], b[2]; h b; rz(pi/2 - 2*0.1 + 6/4) q[{0, 2}]; rx(7/2*1.0) q[-1];",
]


@pytest.mark.parametrize("body", MODIFIED)
def test_modifiers_and_phases(body):
    text = 'OPENQASM 3.0; include "stdgates.inc"; qubit[3] q; ' + body
    assert np.allclose(read_qasm(text).matrix(), Operator(loads3(text)).data, atol=1e-10)


def test_library_2_gate_by_gate():
    calls = {
        1: "u3(1,2,3) u2(1,2) u1(1) u(1,2,3) p(1) U(1,2,3) id x y z h s sdg t tdg rx(1) ry(1) rz(1) sx sxdg",
        2: "CX cx cz cy swap ch crx(1) cry(1) crz(1) cu1(1) cp(1) cu3(1,2,3) csx cu(1,2,3,4) rxx(1) rzz(1)",
        3: "ccx cswap rccx",
        4: "c3x c3sqrtx rc3x",
        5: "c4x",
    }
    for size, names in calls.items():
        for name in names.split():
            text = (
                f'OPENQASM 2.0; include "qelib1.inc"; qreg q[5]; {name} {",".join(f"q[{4 - i}]" for i in range(size))};'
            )
            assert np.allclose(read_qasm(text).matrix(), Operator(loads2(text)).data, atol=1e-10), name


def test_parameters():
    a, b = Parameter("a[0]", "input"), Parameter("b")
    ours = Circuit(2).ry(2 * a - b / 3, 0).crx((a + 1) * (b - 2), 0, 1).rzz(a, 0, 1)
    theirs = loads3(write_qasm(ours))
    values = {"a_0": 0.3, "b": -1.2}
    bound = theirs.assign_parameters({p: values[p.name] for p in theirs.parameters})
    assert np.allclose(Operator(bound).data, ours.bind({a: 0.3, b: -1.2}).matrix())


def outcome(circuit: Circuit) -> str:
    """The bits of a circuit of x, cx and measurements, by hand."""
    qubits, bits = [0] * circuit.num_qubits, [0] * circuit.num_clbits
    for i in circuit:
        if i.condition and any(bits[c] != i.condition.value >> k & 1 for k, c in enumerate(i.condition.clbits)):
            continue
        if i.name == "measure":
            bits[i.clbits[0]] = qubits[i.qubits[0]]
        elif all(qubits[q] for q in i.qubits[:-1]):
            qubits[i.qubits[-1]] ^= 1
    return "".join(map(str, reversed(bits)))


@pytest.mark.parametrize("seed", range(30))
def test_conditions_by_running(seed):
    """Circuits whose outcome is certain, run by Aer from what we write and by hand from what we read."""
    simulator = pytest.importorskip("qiskit_aer").AerSimulator()
    rng = np.random.default_rng(seed)
    ours = Circuit(4, 5)
    groups = [(0, 1), (2,), (3, 4)]
    for _ in range(40):
        bits = groups[rng.integers(3)]
        condition = Condition(bits, int(rng.integers(1 << len(bits)))) if rng.random() < 0.5 else None
        a, b = (int(q) for q in rng.permutation(4)[:2])
        if rng.random() < 0.3:
            measure = Circuit(1, 1).measure(0, 0).instructions[0].operation
            ours.append(measure, [a], [int(rng.integers(5))], condition)
        else:
            flip = rng.random() < 0.5
            ours.append(gate("x" if flip else "cx"), [a] if flip else [a, b], condition=condition)
    ours.measure(0, 0).measure(3, 4)
    expected = outcome(ours)
    for version, loads in ((2, loads2), (3, loads3)):
        text = write_qasm(ours, version)
        assert outcome(read_qasm(text)) == expected
        counts = simulator.run(loads(text), shots=1).result().get_counts()
        assert [key.replace(" ", "") for key in counts] == [expected]

"""One state from |0...0>, gates given as numbers: time beside qulacs, lightning.qubit, Qiskit Aer (double) and Aer, qsim (single).

*layered*: ten layers of RY and RZ on all qubits and a CX chain; *qft*: H, controlled phases, swaps on a layer of RY; *random*: ten layers of
random two-qubit unitaries on random pairs. Circuits are built beforehand; every run ends with the state in an array.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from benchmarks._timing import bandwidth, interleaved
from bitket.quantum.circuits import Circuit
from bitket.quantum.simulation import statevector
from bitket.quantum.simulation.planner import num_stages
from bitket.quantum.simulation.program import lower

LAYERS = 10
LARGE = 20  # qubits: the state is beyond the cache

Gate = tuple[str, tuple[int, ...], Any]
"""Name, qubits, and angle, matrix (first qubit least significant) or None."""
Run = Callable[[], Any]


_SIMULATORS: dict[str, tuple[Any, Any]] = {}


def _kept(kind: str, key: Any, make: Callable[[], Any]) -> Any:
    """The simulator of a kind, made once for each key; only the last of a kind stays, as it may hold a state."""
    if kind not in _SIMULATORS or _SIMULATORS[kind][0] != key:
        _SIMULATORS[kind] = (key, make())
    return _SIMULATORS[kind][1]


def layered(n: int) -> list[Gate]:
    rng = np.random.default_rng(n)
    out: list[Gate] = []
    for _ in range(LAYERS):
        for q in range(n):
            out += [("ry", (q,), float(rng.uniform(-3, 3))), ("rz", (q,), float(rng.uniform(-3, 3)))]
        out += [("cx", (q, q + 1), None) for q in range(n - 1)]
    return out


def qft(n: int) -> list[Gate]:
    rng = np.random.default_rng(n)
    out: list[Gate] = [("ry", (q,), float(rng.uniform(-3, 3))) for q in range(n)]
    for q in reversed(range(n)):
        out.append(("h", (q,), None))
        out += [("cp", (k, q), np.pi / 2 ** (q - k)) for k in reversed(range(q))]
    return out + [("swap", (q, n - 1 - q), None) for q in range(n // 2)]


def random(n: int) -> list[Gate]:
    rng = np.random.default_rng(n)
    out: list[Gate] = []
    for _ in range(LAYERS):
        order = rng.permutation(n).tolist()
        for a, b in zip(order[::2], order[1::2], strict=False):
            parts = rng.normal(size=(2, 4, 4))
            out.append(("unitary", (a, b), np.linalg.qr(parts[0] + 1j * parts[1])[0]))
    return out


CIRCUITS = {"layered": layered, "qft": qft, "random": random}


def bitket_circuit(n: int, gates: Sequence[Gate]) -> Circuit:
    c = Circuit(n)
    for name, qubits, value in gates:
        if name == "unitary":
            c.unitary(value, list(qubits))
        else:
            getattr(c, name)(*(() if value is None else (value,)), *qubits)
    return c


def qulacs_run(n: int, gates: Sequence[Gate]) -> Run:
    import qulacs
    from qulacs import gate as g

    c = qulacs.QuantumCircuit(n)
    for name, q, value in gates:
        if name == "cp":
            controlled = g.DenseMatrix(q[1], np.diag([1, np.exp(1j * value)]))
            controlled.add_control_qubit(q[0], 1)
            c.add_gate(controlled)
        elif name == "unitary":
            c.add_gate(g.DenseMatrix(list(q), value))
        elif name in ("ry", "rz"):
            (c.add_RY_gate if name == "ry" else c.add_RZ_gate)(q[0], -value)
        else:
            {"cx": c.add_CNOT_gate, "h": c.add_H_gate, "swap": c.add_SWAP_gate}[name](*q)

    def run() -> Any:
        state = qulacs.QuantumState(n)
        c.update_quantum_state(state)
        return state.get_vector()

    return run


def aer_run(n: int, gates: Sequence[Gate], precision: str) -> Run:
    from qiskit import QuantumCircuit
    from qiskit_aer import AerSimulator

    c = QuantumCircuit(n)
    for name, qubits, value in gates:
        if name == "unitary":
            c.unitary(value, list(qubits))
        else:
            getattr(c, name)(*(() if value is None else (value,)), *qubits)
    c.save_statevector()
    simulator = _kept("aer", precision, lambda: AerSimulator(method="statevector", precision=precision))
    return lambda: np.asarray(simulator.run(c).result().data()["statevector"])


def lightning_run(n: int, gates: Sequence[Gate]) -> Run:
    import pennylane as qml

    kinds = {
        "ry": qml.RY,
        "rz": qml.RZ,
        "cp": qml.ControlledPhaseShift,
        "cx": qml.CNOT,
        "h": qml.Hadamard,
        "swap": qml.SWAP,
    }
    operations = []
    for name, q, value in gates:
        wires = [n - 1 - k for k in q]  # its first wire is the most significant
        if name == "unitary":
            operations.append(qml.QubitUnitary(value, wires[::-1]))
        else:
            operations.append(kinds[name](*(() if value is None else (value,)), wires=wires))
    device = _kept("lightning", n, lambda: qml.device("lightning.qubit", wires=n))
    tape = qml.tape.QuantumTape(operations, [qml.state()])
    return lambda: device.execute(tape)


def qsim_run(n: int, gates: Sequence[Gate]) -> Run:
    import cirq
    import qsimcirq

    line = cirq.LineQubit.range(n)
    c = cirq.Circuit()
    for name, qubits, value in gates:
        q = [line[n - 1 - k] for k in qubits]
        if name == "unitary":
            c.append(cirq.MatrixGate(value).on(*q[::-1]))
        elif name == "cp":
            c.append(cirq.CZPowGate(exponent=value / np.pi).on(*q))
        elif name in ("ry", "rz"):
            c.append((cirq.ry if name == "ry" else cirq.rz)(value).on(*q))
        else:
            c.append({"cx": cirq.CNOT, "h": cirq.H, "swap": cirq.SWAP}[name].on(*q))
    options = qsimcirq.QSimOptions(cpu_threads=torch.get_num_threads(), max_fused_gate_size=4)
    simulator = _kept("qsim", None, lambda: qsimcirq.QSimSimulator(options))
    return lambda: simulator.simulate(c, qubit_order=line).final_state_vector


def run(quick: bool = False) -> list[dict[str, Any]]:
    """Rows of circuit, qubits and precision, our time in milliseconds, the ratio of each peer's time to ours, and the largest deviation of
    a peer's amplitude from ours; for states beyond the cache the share of our time that memory alone would take for the passes of our plan.
    """
    rows = []
    rate = 0.0 if quick else bandwidth()
    for kind, make in CIRCUITS.items():
        for n in (4, 14) if quick else (4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26):
            gates = make(n)
            circuit = bitket_circuit(n, gates)
            for precision, dtype in (("double", torch.float64), ("single", torch.float32)):
                peers: dict[str, Callable[[], Run]] = {"aer": lambda g=gates, n=n, p=precision: aer_run(n, g, p)}
                if precision == "double":
                    peers |= {
                        "qulacs": lambda g=gates, n=n: qulacs_run(n, g),
                        "lightning": lambda g=gates, n=n: lightning_run(n, g),
                    }
                else:
                    peers |= {"qsim": lambda g=gates, n=n: qsim_run(n, g)}
                runs: dict[str, Run] = {"bitket": lambda c=circuit, d=dtype: statevector(c, dtype=d).numpy()}
                for name, prepare in peers.items():
                    try:
                        runs[name] = prepare()
                    except ImportError:
                        continue
                rows.append(row(kind, n, precision, runs, rate, num_stages(lower(circuit), COMPLEX[dtype])))
    return rows


COMPLEX = {torch.float64: torch.complex128, torch.float32: torch.complex64}


def row(kind: str, n: int, precision: str, runs: dict[str, Run], rate: float, stages: int) -> dict[str, Any]:
    deviation = 0.0
    if n <= LARGE:
        reference = runs["bitket"]()
        for name, call in runs.items():
            theirs = np.asarray(call()).reshape(-1)
            deviation = max(deviation, float(np.abs(theirs - reference).max())) if name != "bitket" else deviation
    times = interleaved(runs, 15 if n < 18 else 5 if n < 22 else 1)
    ours = times.pop("bitket")
    out: dict[str, Any] = {"circuit": kind, "qubits": n, "precision": precision, "bitket ms": 1e3 * ours}
    out |= {f"{name} / bitket": t / ours for name, t in times.items()}
    if n <= LARGE:
        out["deviation"] = deviation
    if rate and n >= LARGE:
        out["of limit"] = 2 * stages * 2.0**n * (16 if precision == "double" else 8) / rate / ours
    return out

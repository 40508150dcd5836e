"""One state: ten layers of RY and RZ on all qubits and a CX chain, from |0...0>. Peers: qulacs, lightning.qubit, Qiskit Aer, qsim."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from bitket.quantum.circuits import Circuit
from bitket.quantum.simulation import statevector

LAYERS = 10


def gates(n: int) -> list[tuple[Any, ...]]:
    rng = np.random.default_rng(n)
    out: list[tuple[Any, ...]] = []
    for _ in range(LAYERS):
        for q in range(n):
            out += [("ry", float(rng.uniform(-3, 3)), q), ("rz", float(rng.uniform(-3, 3)), q)]
        out += [("cx", q, q + 1) for q in range(n - 1)]
    return out


def bitket_run(n: int, dtype: torch.dtype) -> Callable[[], Any]:
    c = Circuit(n)
    for name, *rest in gates(n):
        getattr(c, name)(*rest)
    return lambda: statevector(c, dtype=dtype).numpy()


def qulacs_run(n: int) -> Callable[[], Any]:
    import qulacs

    c = qulacs.QuantumCircuit(n)
    for name, *rest in gates(n):
        if name == "cx":
            c.add_CNOT_gate(*rest)
        else:
            (c.add_RY_gate if name == "ry" else c.add_RZ_gate)(rest[1], -rest[0])

    def run() -> Any:
        state = qulacs.QuantumState(n)
        c.update_quantum_state(state)
        return state.get_vector()

    return run


def aer_run(n: int, precision: str) -> Callable[[], Any]:
    from qiskit import QuantumCircuit
    from qiskit_aer import AerSimulator

    c = QuantumCircuit(n)
    for name, *rest in gates(n):
        getattr(c, name)(*rest)
    c.save_statevector()
    simulator = AerSimulator(method="statevector", precision=precision)
    return lambda: np.asarray(simulator.run(c).result().data()["statevector"])


def lightning_run(n: int) -> Callable[[], Any]:
    import pennylane as qml

    operations = [
        qml.CNOT(rest) if name == "cx" else (qml.RY if name == "ry" else qml.RZ)(rest[0], wires=rest[1])
        for name, *rest in gates(n)
    ]
    device = qml.device("lightning.qubit", wires=n)
    tape = qml.tape.QuantumTape(operations, [qml.state()])
    return lambda: device.execute(tape)


def qsim_run(n: int) -> Callable[[], Any]:
    import cirq
    import qsimcirq

    q = cirq.LineQubit.range(n)
    c = cirq.Circuit()
    for name, *rest in gates(n):
        c.append(
            cirq.CNOT(q[rest[0]], q[rest[1]])
            if name == "cx"
            else (cirq.ry if name == "ry" else cirq.rz)(rest[0]).on(q[rest[1]])
        )
    simulator = qsimcirq.QSimSimulator(qsimcirq.QSimOptions(cpu_threads=torch.get_num_threads(), max_fused_gate_size=4))
    return lambda: simulator.simulate(c).final_state_vector


def seconds(call: Callable[[], Any], runs: int) -> float:
    call()
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def run(quick: bool = False) -> list[dict[str, Any]]:
    """Rows of qubits and precision, our time in milliseconds, and the ratio of each peer's time to ours."""
    rows = []
    for n in (8, 16) if quick else (4, 8, 12, 16, 20, 24):
        runs = 3 if n >= 20 else 7
        for precision, dtype in (("double", torch.float64), ("single", torch.float32)):
            peers: dict[str, Callable[[], Callable[[], Any]]] = {"aer": lambda n=n, p=precision: aer_run(n, p)}
            if precision == "double":
                peers |= {"qulacs": lambda n=n: qulacs_run(n), "lightning": lambda n=n: lightning_run(n)}
            else:
                peers |= {"qsim": lambda n=n: qsim_run(n)}
            ours = seconds(bitket_run(n, dtype), runs)
            row: dict[str, Any] = {"qubits": n, "precision": precision, "bitket ms": 1e3 * ours}
            for name, make in peers.items():
                try:
                    row[f"{name} / bitket"] = seconds(make(), runs) / ours
                except ImportError:
                    continue
            rows.append(row)
    return rows

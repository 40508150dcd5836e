"""Reading and writing large OpenQASM files beside Qiskit: its readers are a Rust one (version 2) and a Python one (version 3)."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from bitket.quantum.circuits import Circuit
from bitket.quantum.circuits.qasm import read_qasm, write_qasm


def _circuit(gates: int, qubits: int = 20) -> Circuit:
    """As many CX as rotations by angles of their own, some Hadamards, some angles that recur, measured at the end."""
    rng = np.random.default_rng(0)
    c = Circuit(qubits, qubits)
    for kind in rng.choice(4, gates, p=[0.4, 0.4, 0.1, 0.1]):
        a, b = map(int, rng.choice(qubits, 2, replace=False))
        if kind == 0:
            c.cx(a, b)
        elif kind == 1:
            c.rz(float(rng.normal()), a)
        elif kind == 2:
            c.h(a)
        else:
            c.u(math.pi / 2, 0.0, math.pi / int(rng.integers(1, 5)), a)
    return c.measure_all()


def _best(function: Callable[[], Any], times: int) -> float:
    seconds = []
    for _ in range(times):
        start = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def run(quick: bool = False) -> list[dict[str, Any]]:
    """One row a task: our seconds, the peer's, and how often ours fit into theirs."""
    from qiskit import QuantumCircuit, qasm2, qasm3

    rows = []

    def row(task: str, gates: int, ours: Callable[[], Any], theirs: Callable[[], Any], peer: str) -> None:
        times = 1 if quick or gates > 20_000 else 3
        mine, other = _best(ours, times), _best(theirs, times)
        rows.append(
            {
                "task": task,
                "gates": gates,
                "bitket s": mine,
                "peer": peer,
                "peer s": other,
                "peer / bitket": other / mine,
            }
        )

    def load2(text: str) -> QuantumCircuit:
        return qasm2.loads(text, custom_instructions=qasm2.LEGACY_CUSTOM_INSTRUCTIONS)

    for gates in (2_000,) if quick else (2_000, 100_000, 600_000):
        circuit = _circuit(gates)
        text2, text3 = write_qasm(circuit, 2), write_qasm(circuit, 3)
        peer = load2(text2)
        row("read 2", gates, lambda t=text2: read_qasm(t), lambda t=text2: load2(t), "qiskit.qasm2")
        row("write 2", gates, lambda c=circuit: write_qasm(c, 2), lambda p=peer: qasm2.dumps(p), "qiskit.qasm2")
        row("write 3", gates, lambda c=circuit: write_qasm(c, 3), lambda p=peer: qasm3.dumps(p), "qiskit.qasm3")
        if gates <= 20_000:  # the peer takes minutes beyond
            row("read 3", gates, lambda t=text3: read_qasm(t), lambda t=text3: qasm3.loads(t), "qiskit_qasm3_import")
    return rows

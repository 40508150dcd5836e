"""Shots: 10^6 bit strings measured from a layered circuit. Peer: Qiskit Aer's state vector, both with two threads."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from benchmarks._timing import seconds
from bitket.quantum.circuits import Circuit
from bitket.quantum.circuits.interop import to_qiskit
from bitket.quantum.simulation import sample

SHOTS = 1_000_000


def layered(n: int, layers: int = 4) -> Circuit:
    """RY and RZ on all qubits and a CNOT chain, a few times, then measurements of all."""
    g = np.random.default_rng(0)
    c = Circuit(n, n)
    for _ in range(layers):
        for q in range(n):
            c.ry(g.uniform(0, 2 * np.pi), q).rz(g.uniform(0, 2 * np.pi), q)
        for q in range(n - 1):
            c.cx(q, q + 1)
    for q in range(n):
        c.measure(q, q)
    return c


def run(quick: bool = False) -> list[dict[str, Any]]:
    """Rows of qubits, our time in milliseconds and the peer's over ours, and how far the rates of the first qubit are apart."""
    from qiskit_aer import AerSimulator

    rows = []
    for n in (10, 16) if quick else (10, 16, 20, 22):
        circuit = layered(n)
        generator = torch.Generator().manual_seed(0)
        theirs = to_qiskit(circuit)
        simulator = AerSimulator(method="statevector", max_parallel_threads=2)

        def ours(circuit: Circuit = circuit, generator: torch.Generator = generator) -> Any:
            return sample(circuit, SHOTS, generator=generator)

        def peer(theirs: Any = theirs, simulator: Any = simulator) -> Any:
            return simulator.run(theirs, shots=SHOTS).result().get_counts()

        rate = sum(count for bits, count in ours().items() if bits[-1] == "1") / SHOTS
        their_rate = sum(count for bits, count in peer().items() if bits[-1] == "1") / SHOTS
        mine = seconds(ours, 5)
        rows.append(
            {
                "qubits": n,
                "shots": SHOTS,
                "bitket ms": 1e3 * mine,
                "aer / bitket": seconds(peer, 3) / mine,
                "difference of rates": abs(rate - their_rate),
            }
        )
    return rows

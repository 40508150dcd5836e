"""Circuits seen once: time to build a circuit of ten layers from a list of gates and to run it, the state in an array at the end, beside
qulacs, lightning.qubit, Qiskit Aer (double) and qsim (single).

Layers are RY and RZ on all qubits and a CX chain; the angles are new in each run, so nothing can be kept. The simulators of the peers are
made beforehand, as far as they do not depend on the circuit.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from benchmarks.statevector import Gate, aer_run, bitket_circuit, layered, lightning_run, qsim_run, qulacs_run
from bitket.quantum.simulation import statevector

PEERS: dict[str, Callable[[int, Sequence[Gate]], Callable[[], Any]]] = {
    "qulacs": qulacs_run,
    "lightning": lightning_run,
    "aer": lambda n, gates: aer_run(n, gates, "double"),
    "qsim": qsim_run,
}


def run(quick: bool = False) -> list[dict[str, Any]]:
    """Rows of qubits, our time in microseconds a gate, and the ratio of each peer's time to ours."""
    return [row(n) for n in range(4, 25 if quick else 27, 2 if not quick else 6)]


def row(n: int) -> dict[str, Any]:
    runs: dict[str, Callable[[Sequence[Gate]], Any]] = {
        "bitket": lambda gates: statevector(bitket_circuit(n, gates)).numpy()
    }
    gates = layered(n)
    reference = runs["bitket"](gates)
    for name, prepare in PEERS.items():
        run: Callable[[Sequence[Gate]], Any] = lambda gates, prepare=prepare: prepare(n, gates)()  # noqa: E731
        try:
            theirs = np.asarray(run(gates)).reshape(-1)
        except ImportError:
            continue
        if np.abs(theirs - reference).max() > (1e-4 if name == "qsim" else 1e-10):
            raise AssertionError(f"{name} finds another state on {n} qubits")
        runs[name] = run
    rng = np.random.default_rng(n)
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(41 if n < 12 else 11 if n < 18 else 5 if n < 24 else 1):
        fresh = [(name, qubits, angle and angle + float(rng.normal())) for name, qubits, angle in gates]
        for name, call in runs.items():
            start = time.perf_counter()
            call(fresh)
            times[name].append(time.perf_counter() - start)
    medians = {name: statistics.median(t) for name, t in times.items()}
    ours = medians.pop("bitket")
    out: dict[str, Any] = {"qubits": n, "gates": len(gates), "bitket us/gate": 1e6 * ours / len(gates)}
    return out | {f"{name} / bitket": t / ours for name, t in medians.items()}

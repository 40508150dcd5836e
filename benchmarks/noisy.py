"""Noisy expectation values: RY and RZ on all qubits and a CNOT chain, some layers, depolarising after every gate, sum of Z, double precision.

Peers: Qiskit Aer's density matrix (the circuit transpiled beforehand; the batch by run-time parameter binding in one job, on two threads)
and qulacs' DensityMatrix (depolarising gates; the batch in a loop, gates made beforehand). Repeats are interleaved.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from bitket.algebra import PauliSum
from bitket.quantum.circuits import Circuit, Parameter
from bitket.quantum.noise import NoiseModel
from bitket.quantum.simulation import expectation

LAYERS = 5
ONE, TWO = 0.002, 0.01
"""Depolarising parameters: rho -> (1 - p) rho + p 1/d."""

Evaluate = Callable[[], np.ndarray]


def ansatz(n: int) -> Circuit:
    c = Circuit(n)
    for k in range(LAYERS):
        for q in range(n):
            c.ry(Parameter(f"a{k},{q}"), q).rz(Parameter(f"b{k},{q}"), q)
        for q in range(n - 1):
            c.cx(q, q + 1)
    return c


def observable(n: int) -> PauliSum:
    return PauliSum.from_sparse([("Z", [q], 1.0) for q in range(n)], n)


def bitket_run(n: int, values: np.ndarray, *, gradient: bool = False) -> Evaluate:
    c, o, noise = ansatz(n), observable(n), NoiseModel.depolarizing(ONE, TWO)
    w = torch.tensor(values, requires_grad=gradient)

    def run() -> np.ndarray:
        e = expectation(c, o, w, noise=noise)
        return (torch.autograd.grad(e.sum(), w)[0] if gradient else e).numpy()

    return run


def aer_run(n: int, values: np.ndarray) -> Evaluate:
    from qiskit import QuantumCircuit, transpile
    from qiskit.circuit import ParameterVector
    from qiskit.quantum_info import SparsePauliOp
    from qiskit_aer import AerSimulator
    from qiskit_aer.noise import NoiseModel as AerNoise
    from qiskit_aer.noise import depolarizing_error

    parameters = iter(vector := ParameterVector("w", 2 * n * LAYERS))
    c = QuantumCircuit(n)
    for _ in range(LAYERS):
        for q in range(n):
            c.ry(next(parameters), q)
            c.rz(next(parameters), q)
        for q in range(n - 1):
            c.cx(q, q + 1)
    operator = SparsePauliOp.from_sparse_list([("Z", [q], 1.0) for q in range(n)], n)
    c.save_expectation_value(operator, range(n))
    noise = AerNoise()
    noise.add_all_qubit_quantum_error(depolarizing_error(ONE, 1), ["ry", "rz"])
    noise.add_all_qubit_quantum_error(depolarizing_error(TWO, 2), ["cx"])
    threads = torch.get_num_threads()
    simulator = AerSimulator(
        method="density_matrix",
        noise_model=noise,
        max_parallel_threads=threads,
        max_parallel_experiments=threads,
        runtime_parameter_bind_enable=len(values) > 1,
    )
    c = transpile(c, simulator, optimization_level=0)
    if len(values) == 1:
        bound = c.assign_parameters(values[0])
        return lambda: np.array([simulator.run(bound, shots=1).result().data()["expectation_value"]])
    binds = [{vector[k]: values[:, k].tolist() for k in range(len(vector))}]

    def run() -> np.ndarray:
        result = simulator.run(c, parameter_binds=binds, shots=1).result()
        return np.array([result.data(k)["expectation_value"] for k in range(len(values))])

    return run


def qulacs_run(n: int, values: np.ndarray) -> Evaluate:
    import qulacs

    circuits = []
    for row in values:
        w = iter(row)
        c = qulacs.QuantumCircuit(n)
        for _ in range(LAYERS):
            for q in range(n):
                for add in (c.add_RY_gate, c.add_RZ_gate):
                    add(q, -float(next(w)))
                    c.add_gate(qulacs.gate.DepolarizingNoise(q, 3 / 4 * ONE))
            for q in range(n - 1):
                c.add_CNOT_gate(q, q + 1)
                c.add_gate(qulacs.gate.TwoQubitDepolarizingNoise(q, q + 1, 15 / 16 * TWO))
        circuits.append(c)
    operator = qulacs.Observable(n)
    for q in range(n):
        operator.add_operator(1.0, f"Z {q}")
    state = qulacs.DensityMatrix(n)

    def run() -> np.ndarray:
        out = []
        for c in circuits:
            state.set_zero_state()
            c.update_quantum_state(state)
            out.append(operator.get_expectation_value(state))
        return np.array(out)

    return run


PEERS = {"aer": (aer_run, 16), "qulacs": (qulacs_run, 1)}
"""How each is run, and how many circuits of a batch it is given at least where they take long; its time is scaled to the batch."""


def interleaved(functions: dict[str, Evaluate], repeats: int) -> dict[str, float]:
    """Medians of seconds; the functions take turns. Short ones are called several times in a turn."""
    times: dict[str, list[float]] = {name: [] for name in functions}
    for _ in range(repeats):
        for name, function in functions.items():
            calls, start = 0, time.perf_counter()
            while calls == 0 or (time.perf_counter() - start < 0.02 and calls < 50):
                function()
                calls += 1
            times[name].append((time.perf_counter() - start) / calls)
    return {name: statistics.median(t) for name, t in times.items()}


def run(quick: bool = False) -> list[dict[str, Any]]:
    """Rows of qubits and batch: our time for values and for values with gradients, the peers' over ours for values, and their deviation."""
    rows = []
    for n in (4, 7) if quick else range(4, 11):
        for batch in (1, 128):
            values = np.random.default_rng(n).uniform(-3, 3, (batch, 2 * n * LAYERS))
            functions = {"bitket": bitket_run(n, values), "gradient": bitket_run(n, values, gradient=True)}
            deviation = 0.0
            reference = functions["bitket"]()
            share = {}
            for name, (make, least) in PEERS.items():
                few = min(batch, max(least, 4 ** (10 - n)))
                try:
                    peer = make(n, values[:few])
                except ImportError:
                    continue
                deviation = max(deviation, float(np.abs(peer() - reference[:few]).max()))
                functions[name], share[name] = peer, few / batch
            functions["gradient"]()
            seconds = interleaved(functions, 3 if n > 8 and batch > 1 else 7)
            row: dict[str, Any] = {"qubits": n, "batch": batch, "bitket ms": 1e3 * seconds["bitket"]}
            row["with gradient ms"] = 1e3 * seconds["gradient"]
            row |= {f"{name} / bitket": seconds[name] / share[name] / seconds["bitket"] for name in share}
            rows.append(row | {"deviation": deviation})
    return rows

"""Federated learning by chips: one use of a chip and one client's gradient beside their circuits in Qiskit and PennyLane; whole trainings.

The peers simulate the same registers gate by gate, as our own circuits do; ours applies the matrix that the operator state stands for, which is
why it is quicker. A training stands beside the same descent in plain NumPy with all rows in one place: what the protocol's bookkeeping costs.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from benchmarks._timing import interleaved
from bitket.quantum.circuits import Circuit, prepare_state
from bitket.quantum.circuits.interop import to_qiskit
from bitket.quantum.learning.federated import (
    Client,
    Federation,
    FixedDesignChip,
    OperatorModel,
    QuantumChannel,
    Samples,
    Server,
)
from bitket.quantum.learning.federated.circuits import error_circuit
from bitket.quantum.simulation import statevector


def _units(shape: tuple[int, ...], draw: np.random.Generator) -> Any:
    x = draw.normal(size=shape)
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def _chip(n: int) -> dict[str, Any]:
    import pennylane as qml
    from qiskit.quantum_info import Statevector

    draw = np.random.default_rng(n)
    chip = FixedDesignChip(n)
    o, d = chip.operator_state(draw.normal(size=(chip.size, chip.size))), _units((chip.size,), draw)
    start = np.kron(o, d)
    circuit, theirs = chip.circuit(), to_qiskit(chip.circuit())
    single = [[], [qml.PauliX], [qml.PauliZ], [qml.PauliZ, qml.PauliX]]
    wires = list(reversed(range(3 * n)))

    def element(i: int) -> Any:
        parts = [gate(k) for k in range(n) for gate in single[i >> 2 * k & 3]]
        return qml.prod(*reversed(parts)) if parts else qml.Identity(0)

    @qml.qnode(qml.device("default.qubit", wires=wires))
    def multiplexer() -> Any:
        qml.StatePrep(start, wires)
        qml.Select([element(i) for i in range(4**n)], control=wires[: 2 * n])
        for w in wires[: 2 * n]:
            qml.Hadamard(w)
        return qml.state()

    functions = {
        "ours": lambda: chip.emulate(o, d),
        "our circuit": lambda: statevector(circuit, initial=start),
        "Qiskit": lambda: Statevector(start).evolve(theirs),
        "PennyLane": multiplexer,
    }
    times = interleaved(functions, 5)
    row: dict[str, Any] = {"what": f"chip of {n} data and {2 * n} operation qubits", "us": 1e6 * times["ours"]}
    return row | {f"{name} / ours": times[name] / times["ours"] for name in functions if name != "ours"}


def _gradient(n: int, count: int) -> dict[str, Any]:
    from qiskit.quantum_info import Statevector

    draw = np.random.default_rng(n)
    model = OperatorModel(n, 2)
    model.parameters = draw.normal(size=4**n)
    samples = Samples(_units((count, 2**n), draw), _units((count, 2**n), draw))
    apparatus, state = model.apparatus(samples), model.state()
    circuit, received, _ = error_circuit(model.chip, samples, model.reference)
    whole = Circuit(circuit.num_qubits).compose(prepare_state(state), received).compose(circuit)
    theirs = to_qiskit(whole)
    functions = {
        "ours": lambda: apparatus.kraus(state[None]),
        "our circuit": lambda: statevector(whole),
        "Qiskit": lambda: Statevector(theirs),
    }
    times = interleaved(functions, 3)
    row: dict[str, Any] = {
        "what": f"gradient of {count} samples, a circuit of {circuit.num_qubits} qubits",
        "us": 1e6 * times["ours"],
    }
    return row | {f"{name} / ours": times[name] / times["ours"] for name in functions if name != "ours"}


def _training(rounds: int, copies: int | None, channel: QuantumChannel | None, what: str) -> dict[str, Any]:
    """20 clients with 50 samples each, 16 amplitudes: an operation register of 8 qubits."""
    draw = np.random.default_rng(0)
    model = OperatorModel(4, 10)
    parts = [(_units((50, 16), draw), model.target(draw.integers(0, 10, 50))) for _ in range(20)]
    clients = [Client(f"c{k}", Samples(d, y), model.chip) for k, (d, y) in enumerate(parts)]
    begin = time.perf_counter()
    Federation(Server(model), clients, channel).run(rounds, copies)
    ours = time.perf_counter() - begin
    d, y = (np.concatenate([p[k] for p in parts]) for k in (0, 1))
    operator = np.zeros((16, 16))
    begin = time.perf_counter()
    for _ in range(rounds):
        operator -= (d @ operator.T - y).T @ d / len(d)
    plain = time.perf_counter() - begin
    return {
        "what": f"20 clients, 8 operation qubits, {rounds} rounds, {what}",
        "s": ours,
        "ours / plain descent": ours / plain,
    }


def run(quick: bool) -> list[dict[str, Any]]:
    rows = [_chip(n) for n in ((1, 2) if quick else (1, 2, 3))]
    rows += [_gradient(1, 2)] if quick else [_gradient(1, 4), _gradient(2, 2)]
    rows += [_training(100, None, None, "exact"), _training(100, 100_000, None, "100,000 copies")]
    if not quick:
        rows.append(
            _training(5, 100_000, QuantumChannel(depolarising=0.01, tap=0.1), "100,000 copies, noisy and tapped")
        )
    return rows

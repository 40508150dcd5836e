"""Value and gradient of one sample: layers of RY and RZ on all qubits and a CX chain, a Pauli sum of 50 terms, double precision.

Peer: lightning.qubit with its adjoint method, in C++ as here. For states beyond the cache, `of limit` is the time that memory alone would
take for the passes of our plan (each reads and writes the state, or state and costate), over our time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from benchmarks._timing import bandwidth, interleaved
from bitket.algebra import PauliSum
from bitket.quantum.circuits import Circuit, Parameter
from bitket.quantum.simulation import expectation
from bitket.quantum.simulation.planner import num_stages
from bitket.quantum.simulation.program import lower

LAYERS, TERMS = 4, 50
LARGE = 20  # qubits: 16 MiB of state

Step = Callable[[], tuple[float, np.ndarray]]


def words(n: int) -> tuple[list[str], np.ndarray]:
    """Random Pauli words on two to four qubits each; character q is qubit q."""
    rng = np.random.default_rng(n)
    out = []
    for _ in range(TERMS):
        letters = ["I"] * n
        for q in rng.choice(n, size=int(rng.integers(2, 5)), replace=False):
            letters[q] = "XYZ"[rng.integers(3)]
        out.append("".join(letters))
    return out, rng.normal(size=TERMS)


def bitket_sum(n: int) -> PauliSum:
    terms = [
        ("".join(c for c in w if c != "I"), [q for q, c in enumerate(w) if c != "I"], float(a))
        for w, a in zip(*words(n), strict=True)
    ]
    return PauliSum.from_sparse(terms, n)


def ansatz(n: int) -> Circuit:
    c = Circuit(n)
    for k in range(LAYERS):
        for q in range(n):
            c.ry(Parameter(f"a{k}[{q}]"), q).rz(Parameter(f"b{k}[{q}]"), q)
        for q in range(n - 1):
            c.cx(q, q + 1)
    return c


def bitket_step(n: int, angles: np.ndarray) -> Step:
    circuit, operator = ansatz(n), bitket_sum(n)
    weights = torch.tensor(angles.reshape(-1), requires_grad=True)

    def step() -> tuple[float, np.ndarray]:
        value = expectation(circuit, operator, weights)
        (gradient,) = torch.autograd.grad(value, weights)
        return float(value.detach()), gradient.numpy()

    return step


def lightning_step(n: int, angles: np.ndarray) -> Step:
    import pennylane as qml

    labels, coefficients = words(n)
    paulis = {"X": qml.PauliX, "Y": qml.PauliY, "Z": qml.PauliZ}
    operator = qml.Hamiltonian(
        coefficients, [qml.prod(*(paulis[c](q) for q, c in enumerate(w) if c != "I")) for w in labels]
    )
    operations = []
    for k in range(LAYERS):
        for q in range(n):
            operations += [qml.RY(angles[k, q, 0], q), qml.RZ(angles[k, q, 1], q)]
        operations += [qml.CNOT([q, q + 1]) for q in range(n - 1)]
    device = qml.device("lightning.qubit", wires=n)
    tape = qml.tape.QuantumTape(operations, [qml.expval(operator)])
    tape.trainable_params = list(range(angles.size))  # not the coefficients of the operator
    config = qml.devices.ExecutionConfig(gradient_method="adjoint")

    def step() -> tuple[float, np.ndarray]:
        value, gradient = device.execute_and_compute_derivatives(tape, config)
        return float(np.squeeze(value)), np.asarray(gradient).reshape(-1)

    return step


def run(quick: bool = False) -> list[dict[str, Any]]:
    """Rows of qubits, our time in milliseconds, the peer's over ours, and how far its value and gradient are from ours."""
    rows = []
    rate = 0.0 if quick else bandwidth()
    for n in (6, 12) if quick else (6, 8, 10, 11, 12, 13, 14, 16, 18, 20):
        angles = np.random.default_rng(n).uniform(-3, 3, size=(LAYERS, n, 2))
        steps = {"bitket": bitket_step(n, angles), "lightning": lightning_step(n, angles)}
        (value, gradient), (their_value, their_gradient) = (step() for step in steps.values())
        times = interleaved(steps, 3 if n >= 18 else 9)
        ours = times["bitket"]
        row: dict[str, Any] = {
            "qubits": n,
            "bitket ms": 1e3 * ours,
            "lightning / bitket": times["lightning"] / ours,
            "deviation": max(abs(value - their_value), float(np.abs(gradient - their_gradient).max())),
        }
        if n >= LARGE and rate:
            # Forward: one pass a stage. Pauli sum: psi read, lambda read and written. Back: a pass on both a stage.
            moved = (num_stages(lower(ansatz(n)), torch.complex128) * 6 + 3) * 16 * 2.0**n
            row["of limit"] = moved / rate / ours
        rows.append(row)
    return rows

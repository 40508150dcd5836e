"""Circuits seen once: time to build a circuit of ten layers from a list of gates and to run it, the state in an array at the end, beside
qulacs, lightning.qubit, Qiskit Aer (double) and qsim (single).

Layers are RY and RZ on all qubits and a CX chain; the angles are new in each run, so nothing can be kept. The simulators of the peers are
made beforehand, as far as they do not depend on the circuit. All run once in each round, in a new order: each finds the caches as another
left them. Then the same for the value and gradient of a Pauli sum, made beforehand, in four layers of which all angles are parameters:
beside the adjoint method of lightning.qubit and backpropagation in qulacs, numbers in and numbers out. The same through torch's autograd
is given, too: its graph alone costs about 0.3 ms where, as here, other programs have just used the caches (0.1 ms in a loop of training).
Last, values under depolarising noise, beside density matrices.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from benchmarks import noisy
from benchmarks.adjoint import bitket_sum, words
from benchmarks.statevector import LARGE, Gate, aer_run, bitket_circuit, layered, lightning_run, qsim_run, qulacs_run
from bitket.algebra import PauliSum
from bitket.quantum.circuits import Circuit, Parameter
from bitket.quantum.simulation import expectation, statevector
from bitket.quantum.simulation.fresh import MOST_WALKED, value_and_gradient

GRADIENT_LAYERS = 4

PEERS: dict[str, Callable[[int, Sequence[Gate]], Callable[[], Any]]] = {
    "qulacs": qulacs_run,
    "lightning": lightning_run,
    "aer": lambda n, gates: aer_run(n, gates, "double"),
    "qsim": qsim_run,
}


def run(quick: bool = False) -> list[dict[str, Any]]:
    """Rows of qubits, our time in microseconds a gate, and the ratio of each peer's time to ours: states, values with gradients, and values
    with noise."""
    states = [row(n) for n in range(4, 25 if quick else 27, 2 if not quick else 6)]
    gradients = [gradient_row(n) for n in ((4, 12) if quick else range(4, 27, 2))]
    return states + gradients + [noisy_row(n) for n in ((4, 6) if quick else (4, 6, 8, 10))]


def row(n: int) -> dict[str, Any]:
    runs: dict[str, Callable[[Sequence[Gate]], Any]] = {
        "bitket": lambda gates: statevector(bitket_circuit(n, gates)).numpy()
    }
    gates = layered(n)
    compared = gates if n <= LARGE else gates[: 2 * n]  # of the largest states one layer
    reference = runs["bitket"](compared)
    for name, prepare in PEERS.items():
        run: Callable[[Sequence[Gate]], Any] = lambda gates, prepare=prepare: prepare(n, gates)()  # noqa: E731
        try:
            theirs = np.asarray(run(compared)).reshape(-1)
        except ImportError:
            continue
        if np.abs(theirs - reference).max() > (1e-4 if name == "qsim" else 1e-10):
            raise AssertionError(f"{name} finds another state on {n} qubits")
        runs[name] = run
    return _timed("state", n, gates, runs, 41 if n < 12 else 11 if n < 18 else 5 if n < 24 else 1)


def _timed(
    what: str, n: int, gates: Sequence[Gate], runs: dict[str, Callable[[Any], Any]], rounds: int
) -> dict[str, Any]:
    def draw(rng: np.random.Generator) -> Sequence[Gate]:
        return [(name, qubits, angle and angle + float(rng.normal())) for name, qubits, angle in gates]

    return _in_turn(what, n, len(gates), draw, runs, rounds)


def _in_turn(
    what: str,
    n: int,
    num_gates: int,
    draw: Callable[[np.random.Generator], Any],
    runs: dict[str, Callable[[Any], Any]],
    rounds: int,
) -> dict[str, Any]:
    rng = np.random.default_rng(n)
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        fresh = draw(rng)
        for name in rng.permutation(list(runs)).tolist():
            start = time.perf_counter()
            runs[name](fresh)
            times[name].append(time.perf_counter() - start)
    medians = {name: statistics.median(t) for name, t in times.items()}
    ours = medians.pop("bitket")
    out: dict[str, Any] = {"what": what, "qubits": n, "gates": num_gates, "bitket us/gate": 1e6 * ours / num_gates}
    return out | {f"{name} / bitket": t / ours for name, t in medians.items()}


def noisy_row(n: int) -> dict[str, Any]:
    """The circuit of `benchmarks.noisy`, built with its noise model, and run once."""
    runs: dict[str, Callable[[Any], Any]] = {}
    reference = None
    for name, make in {"bitket": noisy.bitket_run, **{name: make for name, (make, _) in noisy.PEERS.items()}}.items():
        run: Callable[[Any], Any] = lambda values, make=make: make(n, values)()  # noqa: E731
        try:
            found = run(np.ones((1, 2 * n * noisy.LAYERS)))
        except ImportError:
            continue
        reference = found if reference is None else reference
        if np.abs(found - reference).max() > 1e-9:
            raise AssertionError(f"{name} finds another value with noise on {n} qubits")
        runs[name] = run
    gates = noisy.LAYERS * (3 * n - 1)
    return _in_turn(
        "value with noise", n, gates, lambda rng: rng.normal(size=(1, 2 * n * noisy.LAYERS)), runs, 7 if n < 8 else 3
    )


Step = Callable[[Sequence[Gate]], tuple[float, Any]]
"""Value and gradient for the angles in order."""


def gradient_row(n: int) -> dict[str, Any]:
    gates = layered(n)[: GRADIENT_LAYERS * (3 * n - 1)]
    runs: dict[str, Step] = {"bitket": bitket_step(n)}
    value, gradient = runs["bitket"](gates)
    for name, prepare in (("torch", torch_step), ("qulacs", qulacs_step), ("lightning", lightning_step)):
        try:
            step = prepare(n)
        except ImportError:
            continue
        theirs = step(gates)
        if max(abs(theirs[0] - value), np.abs(np.asarray(theirs[1]) - gradient).max()) > 1e-9:
            raise AssertionError(f"{name} finds another value or gradient on {n} qubits")
        runs[name] = step
    return _timed("value and gradient", n, gates, runs, 41 if n < 12 else 11 if n < 18 else 5 if n < 22 else 1)


def bitket_step(n: int) -> Step:
    if n > MOST_WALKED:
        return torch_step(n)
    operator = bitket_sum(n)
    return lambda gates: value_and_gradient(*with_parameters(n, gates, operator))


def with_parameters(n: int, gates: Sequence[Gate], operator: PauliSum) -> tuple[Circuit, PauliSum, list[float]]:
    c = Circuit(n)
    angles: list[float] = []
    for name, qubits, angle in gates:
        if angle is None:
            c.cx(*qubits)
        else:
            getattr(c, name)(Parameter(f"a{len(angles)}"), *qubits)
            angles.append(angle)
    return c, operator, angles


def torch_step(n: int) -> Step:
    operator = bitket_sum(n)

    def step(gates: Sequence[Gate]) -> tuple[float, Any]:
        circuit, _, angles = with_parameters(n, gates, operator)
        weights = torch.tensor(angles, dtype=torch.float64, requires_grad=True)
        value = expectation(circuit, operator, weights)
        (gradient,) = torch.autograd.grad(value, weights)
        return value.item(), gradient.numpy()

    return step


def qulacs_step(n: int) -> Step:
    import qulacs

    observable = qulacs.Observable(n)
    for word, coefficient in zip(*words(n), strict=True):
        observable.add_operator(float(coefficient), " ".join(f"{c} {q}" for q, c in enumerate(word) if c != "I"))

    def step(gates: Sequence[Gate]) -> tuple[float, Any]:
        c = qulacs.ParametricQuantumCircuit(n)
        for name, qubits, angle in gates:
            if angle is None:
                c.add_CNOT_gate(*qubits)
            else:
                (c.add_parametric_RY_gate if name == "ry" else c.add_parametric_RZ_gate)(qubits[0], -angle)
        state = qulacs.QuantumState(n)
        c.update_quantum_state(state)
        return observable.get_expectation_value(state), -np.array(c.backprop(observable))

    return step


def lightning_step(n: int) -> Step:
    import pennylane as qml

    paulis = {"X": qml.PauliX, "Y": qml.PauliY, "Z": qml.PauliZ}
    labels, coefficients = words(n)
    operator = qml.Hamiltonian(
        coefficients, [qml.prod(*(paulis[c](q) for q, c in enumerate(w) if c != "I")) for w in labels]
    )
    device = qml.device("lightning.qubit", wires=n)
    config = qml.devices.ExecutionConfig(gradient_method="adjoint")
    kinds = {"ry": qml.RY, "rz": qml.RZ}

    def step(gates: Sequence[Gate]) -> tuple[float, Any]:
        operations = [
            qml.CNOT(list(q)) if angle is None else kinds[name](angle, wires=list(q)) for name, q, angle in gates
        ]
        tape = qml.tape.QuantumTape(operations, [qml.expval(operator)])
        tape.trainable_params = list(range(sum(angle is not None for _, _, angle in gates)))
        value, gradient = device.execute_and_compute_derivatives(tape, config)
        return float(np.squeeze(value)), np.asarray(gradient).reshape(-1)

    return step

"""Batched hybrid layer: data and weights in, all Z expectations out, gradients for both, in single precision.

Peers: PennyLane's default.qubit (backprop, broadcasting), DeepQuantum, TensorCircuit-NG (JAX backend, vectorised and compiled, where JAX
is installed; else its PyTorch backend, vectorised). Each peer runs as its own documentation recommends; compilation is not counted.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from benchmarks._timing import seconds
from bitket.algebra import PauliSum
from bitket.quantum.circuits import Circuit, Parameter
from bitket.quantum.simulation import QuantumLayer

LAYERS = 5

Step = Callable[[], tuple[np.ndarray, np.ndarray, np.ndarray]]
"""One forward and backward of sum(values^2): values, gradient for the data, gradient for the weights."""


def torch_step(function: Callable[[torch.Tensor], torch.Tensor], x: torch.Tensor, weights: list[torch.Tensor]) -> Step:
    def step() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        y = function(x)
        dx, *dw = torch.autograd.grad(y.square().sum(), [x, *weights])
        return y.detach().numpy(), dx.numpy(), torch.cat([g.reshape(-1) for g in dw]).numpy()

    return step


def bitket_step(n: int, x: np.ndarray) -> tuple[Step, np.ndarray]:
    c = Circuit(n)
    for q in range(n):
        c.ry(Parameter(f"x[{q}]", "input"), q)
    for k in range(LAYERS):
        for q in range(n):
            c.ry(Parameter(f"a{k}[{q}]"), q).rz(Parameter(f"b{k}[{q}]"), q)
        for q in range(n - 1):
            c.cx(q, q + 1)
    operators = [PauliSum.from_sparse([("Z", [q], 1.0)], n) for q in range(n)]
    layer = QuantumLayer(c, operators, generator=torch.Generator().manual_seed(0))
    return torch_step(layer, torch.tensor(x, requires_grad=True), [layer.weights]), layer.weights.detach().numpy()


def pennylane_step(n: int, x: np.ndarray, weights: np.ndarray) -> Step:
    import pennylane as qml

    @qml.qnode(qml.device("default.qubit", wires=n), interface="torch", diff_method="backprop")
    def circuit(x: torch.Tensor, w: torch.Tensor) -> Any:
        for q in range(n):
            qml.RY(x[:, q], wires=q)
        for k in range(LAYERS):
            for q in range(n):
                qml.RY(w[k, q, 0], wires=q)
                qml.RZ(w[k, q, 1], wires=q)
            for q in range(n - 1):
                qml.CNOT([q, q + 1])
        return [qml.expval(qml.PauliZ(q)) for q in range(n)]

    w = torch.tensor(weights.reshape(LAYERS, n, 2), requires_grad=True)
    return torch_step(lambda x: torch.stack(circuit(x, w), -1), torch.tensor(x, requires_grad=True), [w])


def deepquantum_step(n: int, x: np.ndarray, weights: np.ndarray) -> Step:
    import deepquantum as dq

    circuit = dq.QubitCircuit(n)
    for q in range(n):
        circuit.ry(q, encode=True)
    for _ in range(LAYERS):
        for q in range(n):
            circuit.ry(q)
            circuit.rz(q)
        for q in range(n - 1):
            circuit.cnot(q, q + 1)
    for q in range(n):
        circuit.observable(q)
    parameters = [p for p in circuit.parameters() if p.requires_grad]
    with torch.no_grad():
        for p, value in zip(parameters, weights, strict=True):
            p.fill_(float(value))

    def call(x: torch.Tensor) -> torch.Tensor:
        circuit(data=x)
        return circuit.expectation()

    return torch_step(call, torch.tensor(x, requires_grad=True), parameters)


def tensorcircuit_step(n: int, x: np.ndarray, weights: np.ndarray) -> Step:
    import tensorcircuit as tc

    try:
        backend = tc.set_backend("jax")
    except ImportError:
        backend = tc.set_backend("pytorch")
    tc.set_dtype("complex64")

    def values(x: Any, w: Any) -> Any:
        c = tc.Circuit(n)
        for q in range(n):
            c.ry(q, theta=x[q])
        for k in range(LAYERS):
            for q in range(n):
                c.ry(q, theta=w[k, q, 0])
                c.rz(q, theta=w[k, q, 1])
            for q in range(n - 1):
                c.cnot(q, q + 1)
        return backend.stack([backend.real(c.expectation_ps(z=[q], reuse=True)) for q in range(n)])

    batched = backend.vmap(values, vectorized_argnums=0)
    if backend.name == "pytorch":
        w = torch.tensor(weights.reshape(LAYERS, n, 2), requires_grad=True)
        return torch_step(lambda x: batched(x, w), torch.tensor(x, requires_grad=True), [w])
    import jax

    def loss(x: Any, w: Any) -> Any:
        y = batched(x, w)
        return (y**2).sum(), y

    compiled = jax.jit(jax.value_and_grad(loss, argnums=(0, 1), has_aux=True))
    data, w = jax.numpy.asarray(x), jax.numpy.asarray(weights.reshape(LAYERS, n, 2))

    def step() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        (_, y), (dx, dw) = jax.block_until_ready(compiled(data, w))
        return np.asarray(y), np.asarray(dx), np.asarray(dw).reshape(-1)

    return step


PEERS = {"pennylane": pennylane_step, "deepquantum": deepquantum_step, "tensorcircuit": tensorcircuit_step}


def run(quick: bool = False) -> list[dict[str, Any]]:
    """Rows of qubits, batch, our time in milliseconds, each peer's time over ours, and how far its values and gradients are from ours."""
    rows = []
    for n in (4, 8) if quick else (4, 6, 8, 10):
        for batch in (256,) if quick else (64, 256, 1024):
            x = 3 * np.random.default_rng(1).random((batch, n), dtype=np.float32)
            ours, weights = bitket_step(n, x)
            reference, mine = ours(), seconds(ours, 30)
            row: dict[str, Any] = {"qubits": n, "batch": batch, "bitket ms": 1e3 * mine}
            for name, make in PEERS.items():
                try:
                    step = make(n, x, weights)
                except ImportError:
                    continue
                deviation = max(
                    np.abs(a - b.reshape(a.shape)).max() / np.abs(a).max()
                    for a, b in zip(reference, step(), strict=True)
                )
                row |= {f"{name} / bitket": seconds(step, 3) / mine, f"{name} deviation": float(deviation)}
            rows.append(row)
    return rows

"""Batched hybrid layer: data and weights in, all Z expectations out, gradients for both, through torch autograd, in single precision.

Peers: PennyLane's default.qubit (backprop, broadcasting), DeepQuantum, TensorCircuit-NG on its JAX or PyTorch backend.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import torch

from bitket.algebra import PauliSum
from bitket.quantum.circuits import Circuit, Parameter
from bitket.quantum.simulation import QuantumLayer

LAYERS = 5


def bitket_layer(n: int) -> tuple[Callable[..., torch.Tensor], list[torch.Tensor]]:
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
    return layer, [layer.weights]


def pennylane_layer(n: int, weights: torch.Tensor) -> tuple[Callable[..., torch.Tensor], list[torch.Tensor]]:
    import pennylane as qml

    w = weights.detach().double().reshape(LAYERS, n, 2).requires_grad_()

    @qml.qnode(qml.device("default.qubit", wires=n), interface="torch", diff_method="backprop")
    def circuit(x: torch.Tensor) -> Any:
        for q in range(n):
            qml.RY(x[:, q], wires=q)
        for k in range(LAYERS):
            for q in range(n):
                qml.RY(w[k, q, 0], wires=q)
                qml.RZ(w[k, q, 1], wires=q)
            for q in range(n - 1):
                qml.CNOT([q, q + 1])
        return [qml.expval(qml.PauliZ(q)) for q in range(n)]

    return lambda x: torch.stack(circuit(x.double()), -1), [w]


def deepquantum_layer(n: int, weights: torch.Tensor) -> tuple[Callable[..., torch.Tensor], list[torch.Tensor]]:
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
        for p, value in zip(parameters, weights.detach().reshape(-1), strict=True):
            p.fill_(float(value))

    def call(x: torch.Tensor) -> torch.Tensor:
        circuit(data=x)
        return circuit.expectation()

    return call, parameters


def seconds(
    function: Callable[..., torch.Tensor], weights: list[torch.Tensor], x: torch.Tensor, runs: int
) -> tuple[float, torch.Tensor]:
    def once() -> torch.Tensor:
        y = function(x)
        torch.autograd.grad(y.square().sum(), [x, *weights])
        return y.detach()

    y = once()
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        once()
        times.append(time.perf_counter() - start)
    return statistics.median(times), y


def run(quick: bool = False) -> list[dict[str, Any]]:
    """Rows of qubits, batch, our time in milliseconds, and the ratio of each peer's time to ours."""
    rows = []
    for n in (4, 8) if quick else (4, 6, 8, 10):
        for batch in (256,) if quick else (64, 256, 1024):
            x = torch.rand(batch, n, generator=torch.Generator().manual_seed(1)).mul_(3).requires_grad_()
            layer, weights = bitket_layer(n)
            ours, values = seconds(layer, weights, x, 20)
            row: dict[str, Any] = {"qubits": n, "batch": batch, "bitket ms": 1e3 * ours}
            for name, make in (("pennylane", pennylane_layer), ("deepquantum", deepquantum_layer)):
                try:
                    function, its = make(n, weights[0])
                    theirs, check = seconds(function, its, x, 3)
                except ImportError:
                    continue
                deviation = float((check.reshape(values.shape).float() - values).abs().max())
                row |= {f"{name} / bitket": theirs / ours, f"{name} deviation": deviation}
            rows.append(row)
    return rows

"""The batched layer against PennyLane's default.qubit: values, gradients for data and weights, in both precisions."""

import numpy as np
import pytest
import torch

from bitket.algebra import PauliSum
from bitket.quantum.circuits import Circuit, Parameter, gate
from bitket.quantum.simulation import expectation

qml = pytest.importorskip("pennylane")


def both(n, layers):
    """The same circuit here and there: rotations of every axis, controlled ones, entangling ones, a weight used twice."""
    c = Circuit(n)
    for q in range(n):
        c.ry(Parameter(f"x{q}", "input"), q)
    a, b, d = (Parameter(name) for name in ("a", "b", "d"))
    for k in range(layers):
        for q in range(n):
            c.rx(a, q).rz(b * (k + 1), q)
        for q in range(n - 1):
            c.cx(q, q + 1)
        c.append(gate("crz", d), [0, n - 1]).append(gate("rzz", a), [0, 1]).append(gate("cp", b), [1, 0])
        c.h(0).t(n - 1).append(gate("rxx", d), [1, 0])

    def ops(x, w):
        for q in range(n):
            qml.RY(x[..., q], q)
        for k in range(layers):
            for q in range(n):
                qml.RX(w[0], q)
                qml.RZ(w[1] * (k + 1), q)
            for q in range(n - 1):
                qml.CNOT([q, q + 1])
            qml.CRZ(w[2], [0, n - 1])
            qml.IsingZZ(w[0], [0, 1])
            qml.ControlledPhaseShift(w[1], [1, 0])
            qml.Hadamard(0)
            qml.T(n - 1)
            qml.IsingXX(w[2], [1, 0])

    return c, ops


@pytest.mark.parametrize("n", [2, 4, 7])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_values_and_gradients(n, dtype):
    c, ops = both(n, 3)
    labels = [*("I" * (n - 1 - q) + "Z" + "I" * q for q in range(n)), "XY" + "Z" * (n - 2), "Y" * n]
    words = [[(q, p) for q, p in enumerate(reversed(label)) if p != "I"] for label in labels]

    @qml.qnode(qml.device("default.qubit", wires=n), interface="torch", diff_method="backprop")
    def circuit(x, w):
        ops(x, w)
        return [qml.expval(qml.prod(*(getattr(qml, "Pauli" + p)(q) for q, p in word))) for word in words]

    rng = np.random.default_rng(n)
    x, w = rng.uniform(-3, 3, (19, n)), rng.uniform(-3, 3, 3)
    upstream = torch.tensor(rng.normal(size=(19, len(labels))))
    order = [p.name for p in c.weights]
    here = [torch.tensor(w[["abd".index(name) for name in order]]), torch.tensor(x)]
    there = [torch.tensor(w), torch.tensor(x)]
    for v in here + there:
        v.requires_grad_()
    ours = expectation(c, [PauliSum.parse(label) for label in labels], *here, dtype=dtype)
    theirs = torch.stack(circuit(there[1], there[0]), -1)
    tolerance = 1e-11 if dtype == torch.float64 else 2e-4
    torch.testing.assert_close(ours.double(), theirs, atol=tolerance, rtol=0)
    dw, dx = torch.autograd.grad((ours.double() * upstream).sum(), here)
    dw_, dx_ = torch.autograd.grad((theirs * upstream).sum(), there)
    torch.testing.assert_close(dx, dx_, atol=tolerance, rtol=0)
    torch.testing.assert_close(dw, dw_[["abd".index(name) for name in order]], atol=10 * tolerance, rtol=0)

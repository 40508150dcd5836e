"""Parallel circuits and quanvolutions against the same circuits in PennyLane: values, and gradients for data and angles."""

import numpy as np
import pytest
import torch

from bitket.quantum.learning.parallel import ParallelQuantumLayer
from bitket.quantum.learning.quanvolution import Quanvolution2d

qml = pytest.importorskip("pennylane")


def parallel_in_pennylane(x, weights, ranges, embedding, factor):
    """``[B, c, q]`` and ``[c, reps, q, 3]`` to ``[B, c, q]``, circuit by circuit."""
    c, _, q = weights.shape[:3]

    @qml.qnode(qml.device("default.qubit", wires=q), interface="torch", diff_method="backprop")
    def circuit(x, w):
        qml.AngleEmbedding(factor * x, range(q), rotation=embedding.upper())
        qml.StronglyEntanglingLayers(w, range(q), ranges=ranges)
        return [qml.expval(qml.PauliY(k)) for k in range(q)]

    return torch.stack([torch.stack(circuit(x[:, j], weights[j]), -1) for j in range(c)], 1)


@pytest.mark.parametrize(
    ("ranges", "embedding", "factor"), [(None, "x", 1.0), ((1, 2, 3), "x", 1.0), ((1, 1, 1), "y", np.pi)]
)
def test_parallel_layer(ranges, embedding, factor):
    generator = torch.Generator().manual_seed(3)
    layer = ParallelQuantumLayer(
        ranges=ranges, embedding=embedding, factor=factor, generator=generator, dtype=torch.float64
    )
    x = (6 * torch.rand(7, 20, generator=generator, dtype=torch.float64) - 3).requires_grad_()
    own = torch.randn(7, 20, generator=generator, dtype=torch.float64)
    w = layer.layer.weights.detach().reshape(4, 3, 5, 3).requires_grad_()
    z = x.detach().clone().requires_grad_()
    theirs = parallel_in_pennylane(z.reshape(7, 4, 5), w, ranges or (1, 1, 1), embedding, factor).reshape(7, 20)
    ours = layer(x)
    assert (ours - theirs).abs().max() < 1e-10
    (ours * own).sum().backward()
    (theirs * own).sum().backward()
    assert (x.grad - z.grad).abs().max() < 1e-8
    assert (layer.layer.weights.grad.flatten() - w.grad.flatten()).abs().max() < 1e-8


def test_quanvolution_is_a_circuit_for_each_patch():
    generator = torch.Generator().manual_seed(4)
    layer = Quanvolution2d(generator=generator, dtype=torch.float64)
    images = torch.rand(3, 1, 6, 8, generator=generator, dtype=torch.float64)
    weights = layer.layer.weights.detach().reshape(4, 4)

    @qml.qnode(qml.device("default.qubit", wires=4))
    def circuit(pixels):
        qml.AngleEmbedding(torch.pi * pixels, range(4), rotation="X")
        for row in weights:
            for q in range(4):
                qml.RY(row[q], q)
            for q in range(4):
                qml.CNOT([q, (q + 1) % 4])
        return [qml.expval(qml.PauliZ(q)) for q in range(4)]

    ours = layer(images)
    assert ours.shape == (3, 4, 3, 4)
    for b in range(3):
        for i in range(3):
            for j in range(4):
                patch = images[b, 0, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2].flatten()
                assert (ours[b, :, i, j] - torch.stack(circuit(patch))).abs().max() < 1e-10

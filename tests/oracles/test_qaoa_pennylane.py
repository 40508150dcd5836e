"""The latent QAOA layer against PennyLane's circuit, values and gradients; qml.qaoa for the layers alone."""

import math

import networkx as nx
import numpy as np
import pytest
import torch

from bitket.algebra import PauliSum
from bitket.quantum.circuits import qaoa_layers
from bitket.quantum.learning.latent import LatentCircuit, QAOALayer, latent_layer
from bitket.quantum.simulation import statevector

qml = pytest.importorskip("pennylane")
EDGES = {
    "ring": lambda n: [(q, (q + 1) % n) for q in range(n)],
    "line": lambda n: [(q, q + 1) for q in range(n - 1)],
    "complete": lambda n: [(a, b) for a in range(n) for b in range(a + 1, n)],
}


@pytest.mark.parametrize("n", [3, 4, 6])
@pytest.mark.parametrize("graph", EDGES)
@pytest.mark.parametrize("multi_angle", [False, True])
def test_values_and_gradients(n, graph, multi_angle):
    depth, edges = 2, EDGES[graph](n)
    layer = QAOALayer(n, depth, graph, multi_angle, generator=torch.Generator().manual_seed(n), dtype=torch.float64)
    z = torch.randn(5, n, generator=torch.Generator().manual_seed(1), dtype=torch.float64, requires_grad=True)
    gamma, beta = (len(edges), n) if multi_angle else (1, 1)
    w = layer.weights.detach().clone().reshape(depth, gamma + beta).requires_grad_()

    @qml.qnode(qml.device("default.qubit", wires=n), interface="torch", diff_method="backprop")
    def circuit(x, w):
        for q in range(n):
            qml.Hadamard(q)
        for q in range(n):
            qml.RY(x[..., q], q)
        for k in range(depth):
            for e, (a, b) in enumerate(edges):
                angle = w[k, e if multi_angle else 0]
                qml.CNOT([a, b])
                qml.RZ(2 * angle, b)
                qml.CNOT([a, b])
            for q in range(n):
                qml.RX(2 * w[k, gamma + (q if multi_angle else 0)], q)
        return [qml.expval(qml.PauliZ(q)) for q in range(n)]

    theirs = torch.stack(circuit(math.pi * torch.tanh(z), w), -1)
    ours = layer(z)
    torch.testing.assert_close(ours, theirs, atol=1e-10, rtol=0)
    upstream = torch.randn(5, n, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    dz, dw = torch.autograd.grad((ours * upstream).sum(), (z, layer.weights))
    dz_, dw_ = torch.autograd.grad((theirs * upstream).sum(), (z, w))
    torch.testing.assert_close(dz, dz_, atol=1e-9, rtol=0)
    torch.testing.assert_close(dw, dw_.reshape(-1), atol=1e-9, rtol=0)


def test_the_layers_are_those_of_qml_qaoa():
    graph = nx.gnp_random_graph(4, 0.7, seed=2)
    cost = qml.Hamiltonian([1.0] * graph.number_of_edges(), [qml.PauliZ(a) @ qml.PauliZ(b) for a, b in graph.edges])
    gamma, beta = 0.4, -0.7

    @qml.qnode(qml.device("default.qubit", wires=[3, 2, 1, 0]))
    def circuit():
        qml.qaoa.cost_layer(gamma, cost)
        qml.qaoa.mixer_layer(beta, qml.qaoa.x_mixer(range(4)))
        return qml.state()

    ours = statevector(qaoa_layers(dict.fromkeys(graph.edges, 1.0)), [gamma, beta]).numpy()
    assert abs(abs(np.vdot(ours, circuit())) - 1) < 1e-12


def test_strongly_entangling_middle():
    n, depth = 4, 2
    layer = latent_layer("strongly-entangling", n, depth, torch.Generator().manual_seed(0)).double()
    assert isinstance(layer, LatentCircuit)
    z = torch.randn(3, n, generator=torch.Generator().manual_seed(1), dtype=torch.float64)

    @qml.qnode(qml.device("default.qubit", wires=n), interface="torch")
    def circuit(x):
        for q in range(n):
            qml.RY(x[..., q], q)
        qml.StronglyEntanglingLayers(layer.weights.detach().reshape(depth, n, 3), range(n))
        return [qml.expval(qml.PauliZ(q)) for q in range(n)]

    torch.testing.assert_close(layer(z), torch.stack(circuit(math.pi * torch.tanh(z)), -1), atol=1e-10, rtol=0)
    assert layer.operators[0].num_qubits == PauliSum.parse("ZIII").num_qubits

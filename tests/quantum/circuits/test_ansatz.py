import itertools
import math

import networkx as nx
import numpy as np
import pytest
from scipy.linalg import expm

from bitket.algebra.pauli_sum import PauliSum
from bitket.errors import InvalidInput
from bitket.quantum.circuits import (
    angle_encoding,
    efficient_su2,
    entangled_blocks,
    iqp_feature_map,
    pauli_feature_map,
    qaoa_ansatz,
    qft,
    ry_rz_ansatz,
    strongly_entangling_layers,
    two_local,
    zz_feature_map,
)

X, Z = np.array([[0, 1], [1, 0]]), np.diag([1, -1])


def on(matrix, qubit, n):
    return np.kron(np.eye(1 << n - 1 - qubit), np.kron(matrix, np.eye(1 << qubit)))


def z_product(subset, n):
    return np.array([(-1.0) ** sum(i >> q & 1 for q in subset) for i in range(1 << n)])


@pytest.mark.parametrize("n", [1, 2, 4, 6])
@pytest.mark.parametrize("pairs", ["full", "linear", "graph", "list"])
def test_iqp_feature_map_is_the_formula(n, pairs):
    chosen = {
        "full": list(itertools.combinations(range(n), 2)),
        "linear": [(i, i + 1) for i in range(n - 1)],
        "graph": list(nx.cycle_graph(n).edges) if n > 2 else [],
        "list": [(n - 1, 0)] if n > 1 else [],
    }[pairs]
    given = nx.Graph(chosen) if pairs == "graph" else chosen if pairs == "list" else pairs
    x = np.random.default_rng(n).uniform(0, 2 * math.pi, n)
    diagonal = sum(x[i] * z_product([i], n) for i in range(n))
    diagonal = diagonal + sum((math.pi - x[i]) * (math.pi - x[j]) * z_product([i, j], n) for i, j in chosen)
    hadamard = np.array([[(-1.0) ** (i & j).bit_count() for i in range(1 << n)] for j in range(1 << n)]) / 2 ** (n / 2)
    state = np.eye(1 << n)[0]
    for _ in range(2):
        state = np.exp(1j * diagonal) * (hadamard @ state)
    circuit = iqp_feature_map(n, 2, given)
    assert [p.name for p in circuit.inputs] == [f"x[{i}]" for i in range(n)]
    np.testing.assert_allclose(circuit.bind(x).matrix()[:, 0], state, atol=1e-12)


def test_zz_feature_map_is_the_conjugate_and_has_the_same_kernel():
    rng = np.random.default_rng(7)
    ours, common = iqp_feature_map(3), zz_feature_map(3)
    x, z = rng.uniform(0, 2 * math.pi, (2, 3))
    a, b = (ours.bind(v).matrix()[:, 0] for v in (x, z))
    c, d = (common.bind(v).matrix()[:, 0] for v in (x, z))
    np.testing.assert_allclose(abs(np.vdot(a.conj(), c)), 1, atol=1e-12)
    np.testing.assert_allclose(abs(np.vdot(a, b)) ** 2, abs(np.vdot(c, d)) ** 2, atol=1e-12)


def test_own_coefficients():
    circuit = iqp_feature_map(2, 1, phi=lambda x, subset: 0.5 * x[0] if subset == (0, 1) else 0.0 * x[0])
    assert [p.name for p in circuit.inputs] == ["x[0]", "x[1]"]
    state = circuit.bind([0.8, 9.0]).matrix()[:, 0]
    np.testing.assert_allclose(state, np.exp(0.4j * z_product([0, 1], 2)) / 2, atol=1e-12)


def test_angle_encoding_has_the_product_kernel():
    x, z = np.random.default_rng(8).uniform(0, math.pi, (2, 3))
    for rotation in ("rx", "ry"):
        a, b = (angle_encoding(3, rotation).bind(v).matrix()[:, 0] for v in (x, z))
        np.testing.assert_allclose(abs(np.vdot(a, b)) ** 2, np.prod(np.cos((x - z) / 2) ** 2), atol=1e-12)


def test_ry_rz_ansatz_is_its_definition():
    n, reps = 3, 2
    theta = np.random.default_rng(9).uniform(-3, 3, 2 * n * (reps + 1))
    circuit = ry_rz_ansatz(n, reps)
    assert [p.name for p in circuit.weights] == [f"theta[{i}]" for i in range(len(theta))]
    y = np.array([[0, -1j], [1j, 0]])
    state, angles = np.eye(8)[0].astype(complex), iter(theta)
    for layer in range(reps + 1):
        for q in range(n):
            state = on(expm(-0.5j * next(angles) * y), q, n) @ state
            state = on(expm(-0.5j * next(angles) * Z), q, n) @ state
        if layer < reps:
            for q in range(n - 1):
                low, high = (np.eye(8) + on(Z, q, n)) / 2, (np.eye(8) - on(Z, q, n)) / 2
                state = low @ state + high @ on(X, q + 1, n) @ state
    np.testing.assert_allclose(circuit.bind(theta).matrix()[:, 0], state, atol=1e-12)
    assert len(ry_rz_ansatz(4).weights) == 24
    assert len(ry_rz_ansatz(4, final_rotation=False).weights) == 16


@pytest.mark.parametrize("kind", ["mapping", "pauli", "graph"])
def test_qaoa_ansatz_is_its_definition(kind):
    n = 4
    if kind == "graph":
        cost = nx.Graph([("a", "b"), ("b", "c"), ("c", "d")])
        cost.add_edge("a", "d", weight=2.5)
        terms = {(0, 1): 0.5, (1, 2): 0.5, (2, 3): 0.5, (0, 3): 1.25}
    else:
        terms = {(0,): 0.3, (1, 2): -0.7, (0, 1, 3): 1.1, (): 0.4}
        cost = terms
        if kind == "pauli":
            cost = PauliSum.from_sparse([("Z" * len(t), list(t), c) for t, c in terms.items()], n)
    diagonal = sum(c * z_product(t, n) for t, c in terms.items())
    mixer = sum(on(X, q, n) for q in range(n))
    values = np.random.default_rng(10).uniform(-2, 2, 4)
    state = np.full(1 << n, 2 ** (-n / 2), dtype=complex)
    for gamma, beta in values.reshape(2, 2):
        state = expm(-1j * beta * mixer) @ (np.exp(-1j * gamma * diagonal) * state)
    circuit = qaoa_ansatz(cost, 2)
    assert [p.name for p in circuit.weights] == ["gamma[0]", "beta[0]", "gamma[1]", "beta[1]"]
    np.testing.assert_allclose(circuit.bind(values).matrix()[:, 0], state, atol=1e-12)


def test_qft_is_the_transform_and_approximates_it():
    n = 4
    index = np.arange(1 << n)
    exact = np.exp(2j * np.pi * np.outer(index, index) / (1 << n)) / 2 ** (n / 2)
    np.testing.assert_allclose(qft(n).matrix(), exact, atol=1e-12)
    rough = qft(n, smallest_angle=math.pi / 4)
    assert rough.count_ops()["cp"] == 5
    error = np.linalg.norm(rough.matrix() - exact, 2)
    assert 0 < error <= math.pi / 8  # one angle of pi/8 is left out


def test_shifted_circular_alternating_by_hand():
    assert entangled_blocks(4, 2, "sca", 0) == [(3, 0), (0, 1), (1, 2), (2, 3)]
    assert entangled_blocks(4, 2, "sca", 1) == [(3, 2), (0, 3), (1, 0), (2, 1)]
    assert entangled_blocks(2, 2, "circular") == [(0, 1)]
    assert entangled_blocks(1, 2, "full") == []
    assert len(efficient_su2(1, 2).weights) == 6


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: efficient_su2(3, -1), "reps = -1"),
        (lambda: efficient_su2(3, 1.5), "reps = 1.5"),
        (lambda: efficient_su2(3, entanglement="star"), "entanglement 'star': one of full, linear"),
        (lambda: two_local(3, "ry", "cx", entanglement=[(0, 3)]), r"block \(0, 3\): 2 distinct qubits from 0 to 2"),
        (lambda: two_local(3, "cx", "cx"), "rotation gate 'cx' acts on 2 qubits"),
        (lambda: two_local(3, "rq", "cx"), "gate 'rq' is unknown"),
        (lambda: two_local(3, "ry", "ccx", entanglement="pairwise"), "'pairwise': the blocks are pairs"),
        (lambda: strongly_entangling_layers(3, 2, ranges=[1, 3]), r"ranges \[1, 3\]: 2 numbers from 1 to 2"),
        (lambda: pauli_feature_map(2, paulis=["ZA"]), "Pauli string 'ZA'"),
        (lambda: iqp_feature_map(2, pairs=[(0, 2)]), r"block \(0, 2\)"),
        (lambda: angle_encoding(2, "cx"), "one qubit with one angle"),
        (lambda: qaoa_ansatz({}), "the cost has no term"),
        (lambda: qaoa_ansatz({(0, 0): 1.0}), r"term \(0, 0\): distinct qubits"),
        (lambda: qaoa_ansatz({(0, 1): math.nan}), "not finite"),
        (lambda: qaoa_ansatz(PauliSum.from_list([("XZ", 1.0)])), "not a real combination of products of Z"),
    ],
)
def test_bad_input_is_named(make, message):
    with pytest.raises(InvalidInput, match=message):
        make()

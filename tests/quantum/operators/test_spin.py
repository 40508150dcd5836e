import itertools

import networkx as nx
import numpy as np
import pytest

from bitket.errors import InvalidInput
from bitket.quantum.operators import (
    heisenberg_xxz,
    max_cut_hamiltonian,
    parity_operator,
    transverse_field_ising,
)

MATRICES = {"X": np.array([[0, 1], [1, 0]]), "Y": np.array([[0, -1j], [1j, 0]]), "Z": np.diag([1, -1])}


def on(letter: str, qubit: int, n: int) -> np.ndarray:
    """One Pauli matrix by Kronecker products, qubit 0 last."""
    out = np.eye(1)
    for q in reversed(range(n)):
        out = np.kron(out, MATRICES[letter] if q == qubit else np.eye(2))
    return out


def weighted(graph: nx.Graph, seed: int) -> nx.Graph:
    rng = np.random.default_rng(seed)
    for _, _, data in graph.edges(data=True):
        data["weight"] = float(rng.normal())
    return graph


GRAPHS = [weighted(nx.gnp_random_graph(5, 0.6, seed=s), s) for s in range(3)] + [nx.cycle_graph(4)]


@pytest.mark.parametrize("graph", GRAPHS)
def test_models_equal_sums_of_kronecker_products(graph):
    n = len(graph)
    edges = list(graph.edges(data="weight", default=1.0))
    ising = sum(-0.7 * w * on("Z", i, n) @ on("Z", j, n) for i, j, w in edges) - sum(
        0.3 * on("X", i, n) for i in range(n)
    )
    assert np.allclose(transverse_field_ising(graph, coupling=0.7, field=0.3).matrix(), ising)
    strengths = {"X": 1.0, "Y": 1.0, "Z": 0.4}
    xxz = sum(1.5 * w * d * on(p, i, n) @ on(p, j, n) for i, j, w in edges for p, d in strengths.items())
    xxz = xxz + sum(0.2 * on("Z", i, n) for i in range(n))
    assert np.allclose(heisenberg_xxz(graph, coupling=1.5, anisotropy=0.4, field=0.2).matrix(), xxz)


@pytest.mark.parametrize("graph", GRAPHS)
def test_max_cut_energies_are_cut_weights(graph):
    n = len(graph)
    diagonal = max_cut_hamiltonian(graph).matrix().diagonal().real
    for bits in itertools.product([0, 1], repeat=n):
        side = dict(enumerate(bits))
        cut = sum(w for i, j, w in graph.edges(data="weight", default=1.0) if side[i] != side[j])
        assert diagonal[sum(b << q for q, b in side.items())] == pytest.approx(-cut)


def test_heisenberg_chain_has_the_known_ground_energy():
    # Four spins on a ring: E = -2 J in spins 1/2, which is -8 in Pauli matrices.
    assert heisenberg_xxz(nx.cycle_graph(4)).ground_energy() == pytest.approx(-8)


def test_nodes_of_any_name_are_numbered_in_order():
    graph = nx.Graph()
    graph.add_nodes_from(["c", "a", "b"])
    graph.add_edge("a", "b")
    assert max_cut_hamiltonian(graph).labels() == ["ZZI", "III"]


def test_parity_operator():
    signs = parity_operator(5).matrix().diagonal().real
    assert [int(s) for s in signs] == [(-1) ** k.bit_count() for k in range(32)]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: transverse_field_ising(0), "at least 1"),
        (lambda: transverse_field_ising(nx.Graph()), "at least one node"),
        (lambda: transverse_field_ising("ring"), "networkx graph"),
        (lambda: heisenberg_xxz(3, field=np.inf), "field is inf"),
        (lambda: max_cut_hamiltonian(nx.Graph([(0, 0)])), "loop at node 0"),
        (lambda: max_cut_hamiltonian(nx.Graph([(0, 1, {"weight": np.nan})])), "must be finite"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(InvalidInput, match=message):
        call()

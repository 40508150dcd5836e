"""Spin models on graphs.

A model is a sum over the edges and nodes of a graph; node number k of ``graph.nodes`` is qubit k, an edge's ``weight`` (1 if absent)
multiplies its coupling.

>>> import networkx as nx
>>> print(transverse_field_ising(2, coupling=1.0, field=0.5))              # a number of sites stands for an open chain
-1*ZZ -0.5*IX -0.5*XI
>>> ring, grid = nx.cycle_graph(4), nx.grid_2d_graph(2, 3)
>>> heisenberg_xxz(ring).commutator(parity_operator(4)).simplify()          # conserves the parity of the magnetisation
PauliSum(4 qubits, 0 terms)
>>> -max_cut_hamiltonian(grid).ground_energy()                                          # a bipartite graph: every edge can be cut
7.0
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bitket.algebra import PauliSum
from bitket.errors import InvalidInput

__all__ = ["heisenberg_xxz", "max_cut_hamiltonian", "parity_operator", "transverse_field_ising"]


def _lattice(graph: Any) -> tuple[int, list[tuple[int, int, float]]]:
    """Number of sites and ``(i, j, weight)`` for each edge."""
    if isinstance(graph, int | np.integer):
        if graph < 1:
            raise InvalidInput(f"spin model on a chain of {graph} sites: at least 1 is needed")
        return int(graph), [(i, i + 1, 1.0) for i in range(int(graph) - 1)]
    if not hasattr(graph, "nodes") or not hasattr(graph, "edges"):
        raise InvalidInput(f"spin model on {type(graph).__name__}: a networkx graph or a number of sites is needed")
    site = {node: k for k, node in enumerate(graph.nodes)}
    if not site:
        raise InvalidInput("spin model on an empty graph: at least one node is needed")
    edges = []
    for u, v, weight in graph.edges(data="weight", default=1.0):
        if u == v:
            raise InvalidInput(f"spin model: the graph has a loop at node {u!r}; edges must join two nodes")
        if not np.isfinite(weight):
            raise InvalidInput(f"spin model: weight {weight} of edge {u!r}, {v!r} must be finite")
        edges.append((site[u], site[v], float(weight)))
    return len(site), edges


def _finite(**values: float) -> None:
    for name, value in values.items():
        if not np.isfinite(value):
            raise InvalidInput(f"spin model: {name} is {value}; a finite number is needed")


def transverse_field_ising(graph: Any, *, coupling: float = 1.0, field: float = 1.0) -> PauliSum:
    """``-coupling sum_edges w Z_i Z_j - field sum_i X_i`` (Pfeuty 1970, Annals of Physics 57, 79).

    Parameters
    ----------
    graph
        A networkx graph, or a number of sites for an open chain.

    Raises
    ------
    InvalidInput
        The graph is empty or has a loop, or a number is not finite.
    """
    _finite(coupling=coupling, field=field)
    n, edges = _lattice(graph)
    terms = [("ZZ", [i, j], -coupling * w) for i, j, w in edges] + [("X", [i], -field) for i in range(n)]
    return PauliSum.from_sparse(terms, n).simplify(0.0)


def heisenberg_xxz(graph: Any, *, coupling: float = 1.0, anisotropy: float = 1.0, field: float = 0.0) -> PauliSum:
    """``coupling sum_edges w (X_i X_j + Y_i Y_j + anisotropy Z_i Z_j) + field sum_i Z_i``, in Pauli matrices, not spins 1/2.

    Raises
    ------
    InvalidInput
        The graph is empty or has a loop, or a number is not finite.
    """
    _finite(coupling=coupling, anisotropy=anisotropy, field=field)
    n, edges = _lattice(graph)
    terms = [
        (letter * 2, [i, j], coupling * w * (anisotropy if letter == "Z" else 1.0))
        for letter in "XYZ"
        for i, j, w in edges
    ]
    return PauliSum.from_sparse(terms + [("Z", [i], field) for i in range(n)], n).simplify(0.0)


def max_cut_hamiltonian(graph: Any) -> PauliSum:
    """``sum_edges w (Z_i Z_j - 1) / 2``: on a basis state, minus the weight of the edges between its zeros and its ones.

    Raises
    ------
    InvalidInput
        The graph is empty or has a loop, or a weight is not finite.
    """
    n, edges = _lattice(graph)
    terms = [("ZZ", [i, j], w / 2) for i, j, w in edges] + [("", [], -sum(w for _, _, w in edges) / 2)]
    return PauliSum.from_sparse(terms, n).simplify(0.0)


def parity_operator(num_qubits: int) -> PauliSum:
    """Z on every qubit: 1 on basis states with an even number of ones, -1 on the others."""
    return PauliSum.from_masks(num_qubits, [(1.0, 0, (1 << num_qubits) - 1)])

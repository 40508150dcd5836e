"""The structure of circuits in numbers, and how far apart two sets of circuits are.

Of each circuit: its size, depth and share of two-qubit gates, and metrics of its interaction graph, whose nodes are the qubits, whose
edges are pairs that share a gate, weighted by how many (Bandic, Almudever and Feld 2023, arXiv:2211.01123). Columns are standardised by
the mean and deviation of the real circuits (counts after log(1 + x)); distances are taken there. The energy distance of samples X, Y,

    E = 2 <|x - y|> - <|x - x'|> - <|y - y'|>,

is zero only for equal distributions (Székely and Rizzo 2013); its p-value is that of random relabelling.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import networkx as nx
import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from bitket.errors import InvalidInput
from bitket.quantum.circuits import Circuit
from bitket.quantum.circuits.qasm import read_qasm
from bitket.quantum.generation.statements import kept_lines

__all__ = ["METRICS", "Structure", "energy_distance", "energy_test", "metrics_table", "structure_metrics"]

Array = NDArray[np.float64]
METRICS = (
    "qubits",
    "gates",
    "depth",
    "two_qubit_share",
    "path_length",
    "degree_max",
    "degree_min",
    "degree_mean",
    "weight_mean",
    "weight_deviation",
    "density",
    "clustering",
)
_COUNTS = {"qubits", "gates", "depth", "degree_max", "degree_min", "degree_mean", "weight_mean", "weight_deviation"}


def structure_metrics(circuit: Circuit) -> dict[str, float]:
    """The numbers named in `METRICS`.

    A gate on three or more qubits counts as an interaction of each pair of them. The path length is the mean shortest path between
    qubits that are connected, 0 if none are.
    """
    graph = nx.Graph()
    graph.add_nodes_from(range(circuit.num_qubits))
    gates = [i for i in circuit if i.gate is not None and i.qubits]
    for i in gates:
        for a, b in ((a, b) for k, a in enumerate(i.qubits) for b in i.qubits[k + 1 :]):
            weight = graph[a][b]["weight"] if graph.has_edge(a, b) else 0
            graph.add_edge(a, b, weight=weight + 1)
    degrees = [d for _, d in graph.degree()]
    weights = [w for _, _, w in graph.edges(data="weight")] or [0]
    paths = [length for a, lengths in nx.shortest_path_length(graph) for b, length in lengths.items() if a != b]
    values = (
        circuit.num_qubits,
        len(gates),
        circuit.depth(),
        sum(len(i.qubits) == 2 for i in gates) / max(1, len(gates)),
        np.mean(paths) if paths else 0,
        max(degrees),
        min(degrees),
        np.mean(degrees),
        np.mean(weights),
        np.std(weights),
        nx.density(graph),
        nx.average_clustering(graph),
    )
    return {name: float(value) for name, value in zip(METRICS, values, strict=True)}


def metrics_table(texts: Sequence[str]) -> Float[Array, "N 12"]:
    """Metrics of circuit files, ``[N, 12]``, in the order of `METRICS`.

    Lines that cannot stand where they are do not count; files without a quantum register are left out.

    Raises
    ------
    InvalidInput
        No file is left.
    """
    kept = [kept_lines(text)[0] for text in texts]
    rows = [structure_metrics(read_qasm(text)) for text in kept if "qreg" in text]
    if not rows:
        raise InvalidInput("structure: at least one circuit with a quantum register is needed")
    return np.array([[row[name] for name in METRICS] for row in rows])


def energy_distance(x: Float[Array, "N d"], y: Float[Array, "M d"]) -> float:
    """E between two samples, the V-statistic (never below zero)."""
    return float(2 * cdist(x, y).mean() - cdist(x, x).mean() - cdist(y, y).mean())


def energy_test(
    x: Float[Array, "N d"], y: Float[Array, "M d"], generator: np.random.Generator, permutations: int = 500
) -> tuple[float, float]:
    """Energy distance of two samples and its p-value under relabelling, (1 + #{E* >= E}) / (1 + permutations)."""
    both = np.concatenate([x, y])
    distances, n = cdist(both, both), len(x)

    def value(order: NDArray[np.int64]) -> float:
        a, b = order[:n], order[n:]
        parts = (distances[np.ix_(p, q)].mean() for p, q in ((a, b), (a, a), (b, b)))
        across, first, second = parts
        return float(2 * across - first - second)

    found = value(np.arange(len(both)))
    more = sum(value(generator.permutation(len(both))) >= found - 1e-12 for _ in range(permutations))
    return found, (1 + more) / (1 + permutations)


@dataclass(frozen=True)
class Structure:
    """The scale of some real circuits: what their metrics are standardised by.

    Attributes
    ----------
    mean, deviation
        Of each column; a column that does not vary has deviation 1.
    axes
        The two directions of largest variance, ``[2, 12]``.
    """

    mean: Array
    deviation: Array
    axes: Array

    @classmethod
    def of(cls, table: Float[Array, "N 12"]) -> Structure:
        """From the metrics of real circuits."""
        raw = _logarithms(table)
        mean, deviation = raw.mean(0), raw.std(0)
        deviation = np.where(deviation > 1e-12, deviation, 1.0)
        axes = np.linalg.svd((raw - mean) / deviation, full_matrices=False)[2][:2]
        signs = np.sign(axes[np.arange(len(axes)), np.abs(axes).argmax(1)])
        return cls(mean, deviation, axes * signs[:, None])

    def standardised(self, table: Float[Array, "N 12"]) -> Float[Array, "N 12"]:
        """Metrics in deviations of the real circuits from their mean."""
        return (_logarithms(table) - self.mean) / self.deviation

    def projected(self, table: Float[Array, "N 12"]) -> Float[Array, "N 2"]:
        """The first two principal components."""
        return self.standardised(table) @ self.axes.T

    def mean_distance(self, a: Float[Array, "N 12"], b: Float[Array, "M 12"]) -> float:
        """Euclidean distance between the mean vectors of two sets."""
        return float(np.linalg.norm(self.standardised(a).mean(0) - self.standardised(b).mean(0)))


def _logarithms(table: Array) -> Array:
    counts = np.array([name in _COUNTS for name in METRICS])
    return np.where(counts, np.log1p(np.where(counts, table, 0)), table)

"""Decision diagrams over bases: which letter a qubit gets may depend on those before it, through the node that was reached.

A layered directed acyclic graph: layer i decides the letter of one qubit; each node has up to three edges, labelled X, Y, Z, with
probabilities; a path from the root to the terminal is a basis. The coverage of a string follows in one forward pass: mass flows along
all edges where the string has I, along the edge of its letter otherwise, and zeta(P) is what arrives.
Source: Hillmich, Hadfield, Raymond, Mezzacapo, Wille 2021 (arXiv:2105.06932).

The terms are grouped qubit by qubit, largest first; each group is a string that its path must agree with. Free letters take the edge that
is there (the heaviest), so that paths run together; equal sub-diagrams are then shared, and all probabilities are chosen together to
minimise the diagonal cost sum_P a_P^2 / zeta(P).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitket.algebra import PauliSum, group_terms
from bitket.errors import InvalidInput
from bitket.quantum.measurement.letters import Letters, hermitian_terms, letters_of
from bitket.quantum.measurement.plan import BasisDistribution

__all__ = ["DecisionDiagram"]

_STRINGS_AT_ONCE = 1 << 14


class DecisionDiagram(BasisDistribution):
    """A distribution over bases in a layered diagram.

    Parameters
    ----------
    order
        Qubit that each layer decides.
    children
        For each layer ``[nodes, 3]``: the node of the next layer behind X, Y, Z, or -1 where there is no edge. The last layer leads to
        the terminal, node 0.
    probabilities
        For each layer ``[nodes, 3]``, 0 where there is no edge; rows sum to one. By default all edges of a node alike.
    unshared_nodes
        Number of nodes before equal sub-diagrams were shared, for the record.
    """

    def __init__(
        self,
        order: Sequence[int],
        children: Sequence[NDArray[np.int64]],
        probabilities: Sequence[NDArray[np.float64]] | None = None,
        unshared_nodes: int | None = None,
    ) -> None:
        self.order, self.num_qubits = tuple(order), len(order)
        self.children = [np.asarray(c, dtype=np.int64) for c in children]
        if sorted(self.order) != list(range(self.num_qubits)) or len(self.children) != self.num_qubits:
            raise InvalidInput("decision diagram: one layer for each qubit is needed")
        if probabilities is None:
            probabilities = [(c >= 0) / (c >= 0).sum(axis=1, keepdims=True) for c in self.children]
        self.probabilities = [np.asarray(p, dtype=float) for p in probabilities]
        self.unshared_nodes = self.num_nodes if unshared_nodes is None else unshared_nodes

    @classmethod
    def from_hamiltonian(cls, operator: PauliSum, order: Sequence[int] | None = None) -> DecisionDiagram:
        """The diagram of an operator's groups, all edges of a node alike; see `optimise`.

        Parameters
        ----------
        order
            Qubits from the root on; by default from the highest to qubit 0.
        """
        _, rest = hermitian_terms(operator)
        n = rest.num_qubits
        order = list(range(n))[::-1] if order is None else list(order)
        if sorted(order) != list(range(n)):
            raise InvalidInput(f"decision diagram: the order must have each of the qubits 0 to {n - 1} once")
        groups = group_terms(rest, "qubitwise", order="magnitude")
        strings = np.stack([letters_of(g).max(axis=0) for g in groups])
        weights = np.array([np.abs(g.coefficients).sum() for g in groups])
        trie = _trie(strings[:, order], weights)
        return cls(order, _shared(trie), None, sum(len(layer) for layer in trie))

    @property
    def num_nodes(self) -> int:
        """Nodes without the terminal."""
        return sum(len(c) for c in self.children)

    @property
    def num_edges(self) -> int:
        """Edges."""
        return int(sum((c >= 0).sum() for c in self.children))

    def coverage(self, strings: Letters) -> NDArray[np.float64]:
        """zeta(P) for each string, in one forward pass."""
        out = np.empty(len(strings))
        for start in range(0, len(strings), _STRINGS_AT_ONCE):
            part = slice(start, start + _STRINGS_AT_ONCE)
            out[part] = self._arriving(strings[part])
        return out

    def _arriving(self, strings: Letters) -> NDArray[np.float64]:
        import scipy.sparse

        mass = np.zeros((len(strings), 1))
        mass[:, 0] = 1
        for layer, qubit in enumerate(self.order):
            width = len(self.children[layer + 1]) if layer + 1 < self.num_qubits else 1
            children, p = self.children[layer], self.probabilities[layer]
            new = np.zeros((len(strings), width))
            for letter in range(4):
                rows = strings[:, qubit] == letter
                if rows.any():
                    used = children >= 0
                    if letter:
                        used = used & (np.arange(1, 4) == letter)
                    nodes, _ = np.nonzero(used)
                    step = scipy.sparse.csr_matrix((p[used], (nodes, children[used])), shape=(len(children), width))
                    new[rows] = mass[rows] @ step
            mass = new
        return mass[:, 0]

    def optimise(self, operator: PauliSum, steps: int = 2000) -> DecisionDiagram:
        """The same diagram with the edge probabilities of least diagonal cost.

        A softmax at each node keeps every edge above zero; L-BFGS with at most ``steps`` steps.
        """
        import scipy.optimize

        _, rest = hermitian_terms(operator)
        cost = _Cost(self, letters_of(rest), rest.coefficients.real**2)
        start = np.concatenate(
            [np.log(np.maximum(p, 1e-12))[c >= 0] for p, c in zip(self.probabilities, self.children, strict=True)]
        )
        found = scipy.optimize.minimize(
            cost, start, jac=True, method="L-BFGS-B", options={"maxiter": steps, "maxfun": 2 * steps}
        )
        return DecisionDiagram(self.order, self.children, cost.probabilities(found.x), self.unshared_nodes)

    def sample(self, count: int, generator: np.random.Generator) -> Letters:
        """Independent bases, ``[count, qubits]``."""
        out = np.empty((count, self.num_qubits), dtype=np.uint8)
        node = np.zeros(count, dtype=np.int64)
        for layer, qubit in enumerate(self.order):
            edges = self.probabilities[layer].cumsum(axis=1)
            edges /= edges[:, 2:]
            choice = (generator.random(count)[:, None] >= edges[node, :2]).sum(axis=1)
            out[:, qubit] = choice + 1
            node = self.children[layer][node, choice]
        return out

    def to_dot(self) -> str:
        """The diagram for Graphviz, edges labelled with letter and probability."""
        lines = ["digraph {", "  rankdir=TB;", '  terminal [label="", shape=box];']
        for layer, (qubit, children, p) in enumerate(zip(self.order, self.children, self.probabilities, strict=True)):
            for node, (row, chance) in enumerate(zip(children.tolist(), p.tolist(), strict=True)):
                lines.append(f'  n{layer}_{node} [label="q{qubit}", shape=circle];')
                for letter, child, value in zip("XYZ", row, chance, strict=True):
                    if child >= 0:
                        target = "terminal" if layer + 1 == self.num_qubits else f"n{layer + 1}_{child}"
                        lines.append(f'  n{layer}_{node} -> {target} [label="{letter} {value:.3g}"];')
        return "\n".join([*lines, "}"])


def _trie(strings: Letters, weights: NDArray[np.float64]) -> list[list[list[int]]]:
    """Paths of all strings (columns in order of the layers): for each layer rows of three children."""
    n = strings.shape[1]
    layers: list[list[list[int]]] = [[] for _ in range(n)]
    load: list[list[list[float]]] = [[] for _ in range(n)]
    layers[0].append([-1] * 3)
    load[0].append([0.0] * 3)
    usual = np.stack([(weights[:, None] * (strings == c)).sum(axis=0) for c in (1, 2, 3)]).argmax(axis=0)
    # Strings with fewer free letters first: the others then find paths to run along.
    for s in np.lexsort([-weights, (strings == 0).sum(axis=1)]).tolist():
        node = 0
        for layer, letter in enumerate(strings[s].tolist()):
            row, heavy = layers[layer][node], load[layer][node]
            if letter:
                edge = letter - 1
            elif max(row) >= 0:
                edge = max((k for k in range(3) if row[k] >= 0), key=lambda k: heavy[k])
            else:
                edge = int(usual[layer])
            heavy[edge] += float(weights[s])
            if row[edge] < 0:
                if layer + 1 < n:
                    row[edge] = len(layers[layer + 1])
                    layers[layer + 1].append([-1] * 3)
                    load[layer + 1].append([0.0] * 3)
                else:
                    row[edge] = 0
            node = row[edge]
    return layers


def _shared(layers: list[list[list[int]]]) -> list[NDArray[np.int64]]:
    """Equal sub-diagrams become one, from the terminal up."""
    out: list[NDArray[np.int64]] = []
    renamed: list[int] = [0]
    for rows in reversed(layers):
        known: dict[tuple[int, ...], int] = {}
        names = []
        for row in rows:
            key = tuple(renamed[c] if c >= 0 else -1 for c in row)
            names.append(known.setdefault(key, len(known)))
        out.append(np.array(list(known), dtype=np.int64).reshape(-1, 3))
        renamed = names
    return out[::-1]


class _Cost:
    """Diagonal cost and its gradient in the logits of all edges, by one pass forward and one back."""

    def __init__(self, diagram: DecisionDiagram, strings: Letters, squares: NDArray[np.float64]) -> None:
        self.children, self.order, self.squares = diagram.children, diagram.order, squares
        self.columns = [strings[:, q] for q in diagram.order]
        self.edges = [np.nonzero(c >= 0) for c in self.children]
        self.widths = [len(c) for c in self.children] + [1]

    def _split(self, logits: NDArray[Any]) -> list[NDArray[Any]]:
        return np.split(logits, np.cumsum([len(e[0]) for e in self.edges])[:-1])

    def probabilities(self, logits: NDArray[Any]) -> list[NDArray[np.float64]]:
        out = []
        for values, edge, width in zip(self._split(logits), self.edges, self.widths, strict=False):
            full = np.full((width, 3), -np.inf)
            full[edge] = values
            full = np.exp(full - full.max(axis=1, keepdims=True))
            out.append(full / full.sum(axis=1, keepdims=True))
        return out

    def _steps(self, layer: int, p: NDArray[np.float64]) -> list[NDArray[np.float64]]:
        """Transition matrices [nodes, next nodes] for I, X, Y, Z."""
        nodes, letters = self.edges[layer]
        steps = np.zeros((4, self.widths[layer], self.widths[layer + 1]))
        steps[letters + 1, nodes, self.children[layer][nodes, letters]] = p[nodes, letters]
        steps[0] = steps[1:].sum(axis=0)
        return list(steps)

    def __call__(self, logits: NDArray[Any]) -> tuple[float, NDArray[Any]]:
        p = self.probabilities(logits)
        masses, transitions = [np.ones((len(self.squares), 1))], []
        for layer, column in enumerate(self.columns):
            steps = self._steps(layer, p[layer])
            new = np.empty((len(self.squares), self.widths[layer + 1]))
            for letter in range(4):
                rows = column == letter
                new[rows] = masses[-1][rows] @ steps[letter]
            masses.append(new)
            transitions.append(steps)
        zeta = masses[-1][:, 0]
        cost = float((self.squares / zeta).sum())
        back = (-self.squares / zeta**2)[:, None]
        slopes = []
        for layer in range(len(self.columns) - 1, -1, -1):
            column, steps = self.columns[layer], transitions[layer]
            flow = np.empty((3, self.widths[layer], self.widths[layer + 1]))
            before = np.empty((len(self.squares), self.widths[layer]))
            rows = column == 0
            through = masses[layer][rows].T @ back[rows]
            before[rows] = back[rows] @ steps[0].T
            for letter in (1, 2, 3):
                rows = column == letter
                flow[letter - 1] = through + masses[layer][rows].T @ back[rows]
                before[rows] = back[rows] @ steps[letter].T
            nodes, letters = self.edges[layer]
            slope = np.zeros((self.widths[layer], 3))
            slope[nodes, letters] = flow[letters, nodes, self.children[layer][nodes, letters]]
            slope = p[layer] * (slope - (p[layer] * slope).sum(axis=1, keepdims=True))
            slopes.append(slope[nodes, letters])
            back = before
        return cost, np.concatenate(slopes[::-1])

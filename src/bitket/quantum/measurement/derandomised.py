"""Derandomised bases: greedy choices, qubit by qubit, that lower the conditional expectation of a bound on the estimation error.

With h_P the number of bases so far that cover P and w_P = |a_P| / max |a|, the cost is sum_P exp(-eta/2 h_P / w_P). In the basis being
made, P is still covered with probability Pr (its letters left to match, drawn from a prior: uniform, locally biased, or a decision
diagram), which contributes the factor 1 - nu_P Pr, nu_P = 1 - exp(-eta/2 / w_P). Each qubit gets the letter of least cost, X before Y
before Z where they are equal, so that the cost never rises. A diagram as prior also restricts the letters to its edges.
Sources: Huang, Kueng, Preskill 2021 (arXiv:2103.07510); with priors: Dutt and others 2023 (arXiv:2312.07497). The authors' program has
(1 - nu Pr)^(1 / w_P) with nu = 1 - exp(-eta/2), which is this factor where w_P is 1 and no expectation elsewhere; errors are the same.
Time: shots x qubits x terms in vector operations; memory: nodes of the prior x terms.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from bitket.algebra import PauliSum
from bitket.errors import InvalidInput
from bitket.quantum.measurement.diagram import DecisionDiagram
from bitket.quantum.measurement.letters import Letters, hermitian_terms, letters_of
from bitket.quantum.measurement.product import LocallyBiased

__all__ = ["Derandomised"]


class Derandomised:
    """Chooses bases one after another for an operator; go on with `extend` as long as there are shots.

    Parameters
    ----------
    prior
        What the letters not yet fixed are drawn from; by default X, Y, Z alike.
    eta
        Rate of the bound; 0.9 as its authors use.
    coverings
        A term leaves the cost once it is covered ``coverings * w_P`` times (rounded up); by default never.
    """

    def __init__(
        self,
        operator: PauliSum,
        prior: LocallyBiased | DecisionDiagram | None = None,
        eta: float = 0.9,
        coverings: float | None = None,
    ) -> None:
        _, rest = hermitian_terms(operator)
        n = rest.num_qubits
        if not 0 < eta < math.inf or not (coverings is None or coverings > 0):
            raise InvalidInput(f"derandomised bases: eta {eta} and coverings {coverings} must be positive")
        if prior is None:
            prior = LocallyBiased(np.full((n, 3), 1 / 3))
        if prior.num_qubits != n:
            raise InvalidInput(f"derandomised bases: the prior has {prior.num_qubits} qubits, the operator {n}")
        diagram = _chain(prior) if isinstance(prior, LocallyBiased) else prior
        self.strings = letters_of(rest)
        self.weights = np.abs(rest.coefficients.real) / np.abs(rest.coefficients.real).max()
        self.hits = np.zeros(len(rest), dtype=np.int64)
        self._eta, self._diagram = eta, diagram
        self._targets = None if coverings is None else np.ceil(coverings * self.weights)
        columns = [self.strings[:, q] for q in diagram.order]
        self._rows = [[np.flatnonzero(column == c) for c in range(4)] for column in columns]
        # gains[i][node]: -nu Pr of each term, Pr the probability of matching the letters of layers i, i+1, ... from there
        nu = -np.expm1(-eta / 2 / self.weights)
        left: list[NDArray[np.float64]] = [np.ones((1, len(rest)))]
        for layer in range(n - 1, -1, -1):
            children, p = diagram.children[layer], diagram.probabilities[layer]
            along = [
                np.where((children[:, c] >= 0)[:, None], p[:, c, None] * left[-1][children[:, c]], 0) for c in range(3)
            ]
            here = along[0] + along[1] + along[2]
            for c in range(3):
                rows = self._rows[layer][c + 1]
                here[:, rows] = along[c][:, rows]
            left.append(here)
        self._gains = [-nu * pr for pr in left[::-1]]

    def _standing(self) -> NDArray[np.float64]:
        """``exp(-eta/2 h_P / w_P)``, 0 for terms that have left."""
        standing = np.exp(-self._eta / 2 * self.hits / self.weights)
        if self._targets is not None:
            standing[self.hits >= self._targets] = 0
        return standing

    def cost(self) -> float:
        """The expected cost after one more basis if all its letters were drawn from the prior."""
        return float(self._standing() @ (1 + self._gains[0][0]))

    def extend(self, count: int) -> Letters:
        """The next ``count`` bases; fewer if every term has left."""
        out = np.zeros((count, self.strings.shape[1]), dtype=np.uint8)
        for k in range(count):
            standing = self._standing()
            if not standing.any():
                return out[:k]
            self._choose(out[k], standing)
            self.hits += self._alive(out[k])
        return out

    def _choose(self, basis: NDArray[np.uint8], standing: NDArray[np.float64]) -> None:
        """Fills one basis; ``standing`` loses the terms that it cannot cover."""
        node = 0
        for layer, qubit in enumerate(self._diagram.order):
            children, rows, gains = self._diagram.children[layer][node], self._rows[layer], self._gains[layer + 1]
            options = [c for c in range(3) if children[c] >= 0]
            # Terms that are I here count alike for all letters that lead to one node.
            free = len({int(children[c]) for c in options}) > 1
            best, least = options[0], math.inf
            for c in options:
                there = gains[children[c]]
                cost = float(standing[rows[c + 1]] @ there[rows[c + 1]])
                if free:
                    cost += float(standing[rows[0]] @ there[rows[0]])
                if cost < least:
                    best, least = c, cost
            basis[qubit] = best + 1
            for c in range(3):
                if c != best:
                    standing[rows[c + 1]] = 0
            node = int(children[best])

    def _alive(self, basis: NDArray[np.uint8]) -> NDArray[np.bool_]:
        return np.asarray(((self.strings == 0) | (self.strings == basis)).all(axis=1))


def _chain(prior: LocallyBiased) -> DecisionDiagram:
    """Independent letters as a diagram of one node a layer; every letter stays allowed."""
    n = prior.num_qubits
    return DecisionDiagram(range(n), [np.zeros((1, 3), dtype=np.int64)] * n, list(prior.probabilities[:, None]))

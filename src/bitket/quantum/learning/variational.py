"""Variational classifier: a trained hyperplane in the space of feature states (Havlíček et al. 2019, arXiv:1804.11326).

    W(theta) = U_loc(theta_l) U_ent ... U_ent U_loc(theta_0),  U_ent = prod CZ,  U_loc = prod_m exp(i θz_m Z/2) exp(i θy_m Y/2)
    p_y(x) = <Phi(x)| W† ½ (1 + y f) W |Phi(x)>,   f = Z...Z;   decide y where  p̂_y > p̂_-y - y b

The cost is the mean probability of a wrong decision from R shots, with a normal law for p̂ (their equation 7):

    Pr(m̃(x) ≠ y) ≈ sig( √R (½ - (p̂_y - y b/2)) / √(2 (1 - p̂_y) p̂_y) )
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin

from bitket.algebra import PauliSum
from bitket.errors import InvalidInput
from bitket.learning import SPSA, Optimiser, batched
from bitket.quantum.circuits import Circuit, Parameter
from bitket.quantum.learning.kernels import checked_features
from bitket.quantum.simulation import expectation

__all__ = ["VariationalClassifier", "separator"]

Array = NDArray[np.float64]


def _bias(trained: Any) -> Any:
    """b in [-1, 1] from the trained number, which is ten times as large: steps that suit angles would throw b from end to end."""
    return np.clip(trained / 10, -1, 1)


def separator(n: int, depth: int, pairs: Sequence[tuple[int, int]] | None = None) -> Circuit:
    """W(theta) with ``depth`` entangling layers: 2 n (depth + 1) weights; CZ on ``pairs``, by default all."""
    if n < 1 or depth < 0:
        raise InvalidInput(f"separator of {n} qubits and depth {depth}: at least 1 and 0")
    edges = pairs if pairs is not None else [(i, j) for i in range(n) for j in range(i + 1, n)]
    c = Circuit(n, name="separator")
    for layer in range(depth + 1):
        if layer:
            for i, j in edges:
                c.cz(i, j)
        for q in range(n):
            c.ry(-1 * Parameter(f"y{layer}[{q}]"), q).rz(-1 * Parameter(f"z{layer}[{q}]"), q)
    return c


class VariationalClassifier(ClassifierMixin, BaseEstimator):
    """Two classes, ±1, by the parity of all measured bits.

    Parameters
    ----------
    feature_map
        A circuit with inputs and no weights.
    depth
        Entangling layers of W.
    optimiser
        By default SPSA with 250 steps of two evaluations.
    shots
        Shots for each point while training; None uses exact probabilities (in the cost, R is then 2000).
    predict_shots
        Shots for each point when classifying; None for exact.
    seed
        Of start, perturbations and shots.
    """

    def __init__(
        self,
        feature_map: Circuit,
        depth: int = 4,
        optimiser: Optimiser | None = None,
        shots: int | None = 2000,
        predict_shots: int | None = 10_000,
        seed: int = 0,
    ) -> None:
        self.feature_map = feature_map
        self.depth = depth
        self.optimiser = optimiser
        self.shots = shots
        self.predict_shots = predict_shots
        self.seed = seed

    @property
    def num_parameters(self) -> int:
        """2 n (depth + 1) angles and the bias."""
        return 2 * self.feature_map.num_qubits * (self.depth + 1) + 1

    def _probabilities(self, X: Array, points: Array, shots: int | None, generator: np.random.Generator) -> Array:
        """p̂_+1 for each point of parameter space and each sample, ``[k, t]``."""
        n = self.feature_map.num_qubits
        parity = PauliSum.from_list([("Z" * n, 1.0)])
        p = (1 + expectation(self.circuit_, parity, points[:, None, :-1], X[None]).numpy()) / 2
        p = np.clip(p, 0, 1)
        return p if shots is None else generator.binomial(shots, p) / shots

    def fit(self, X: ArrayLike, y: ArrayLike) -> VariationalClassifier:
        """Fit to samples ``[t, n]`` and labels ±1.

        Raises
        ------
        InvalidInput
            Shapes do not fit, a value is not finite, labels are not ±1.
        """
        x = checked_features(X, len(self.feature_map.inputs))
        labels = np.asarray(y)
        if labels.shape != (len(x),) or not np.isin(labels, (-1, 1)).all() or len(np.unique(labels)) != 2:
            raise InvalidInput(f"labels: one of -1 and 1 for each of {len(x)} samples, both present, are needed")
        self.circuit_ = self.feature_map.compose(separator(self.feature_map.num_qubits, self.depth))
        generator = np.random.default_rng(self.seed)
        runs = self.shots or 2000
        self.classes_ = np.array([-1, 1])

        @batched
        def cost(points: Array) -> Array:
            p = self._probabilities(x, points, self.shots, generator)
            right = np.where(labels == 1, p, 1 - p)
            spread = np.sqrt(2 * np.clip(right * (1 - right), 0.25 / runs, None))  # p̂ of 0 or 1 is no certainty
            margin = np.sqrt(runs) * (0.5 - (right - labels * _bias(points[:, -1:]) / 2)) / spread
            return np.asarray((1 / (1 + np.exp(-np.clip(margin, -500, 500)))).mean(axis=1))

        start = np.append(generator.uniform(-np.pi, np.pi, self.num_parameters - 1), 0.0)
        self.result_ = (self.optimiser or SPSA(250)).minimize(cost, start, generator=generator)
        self.weights_ = self.result_.x.copy()
        self.weights_[-1] = _bias(self.weights_[-1])
        self._generator = generator
        return self

    def predict_proba(self, X: ArrayLike) -> Any:
        """Probabilities of -1 and 1, ``[s, 2]``, of a single shot."""
        x = checked_features(X, len(self.feature_map.inputs))
        p = self._probabilities(x, self.weights_[None], self.predict_shots, self._generator)[0]
        return np.column_stack([1 - p, p])

    def predict(self, X: ArrayLike) -> Any:
        """Labels ±1 of samples ``[s, n]``."""
        minus, plus = self.predict_proba(X).T
        return np.where(plus > minus - self.weights_[-1], 1, -1)

"""Variational classifier: a trained hyperplane in the space of feature states (Havlíček et al. 2019, arXiv:1804.11326).

    W(theta) = U_loc(theta_l) U_ent ... U_ent U_loc(theta_0),  U_ent = prod CZ,  U_loc = prod_m exp(i θz_m Z/2) exp(i θy_m Y/2)
    p_y(x) = <Phi(x)| W† ½ (1 + y f) W |Phi(x)>,   f = Z...Z;   decide y where  p̂_y > p̂_-y - y b

The cost is the mean probability of a wrong decision from R shots, with a normal law for p̂ (their equation 7):

    Pr(m̃(x) ≠ y) ≈ sig( √R (½ - (p̂_y - y b/2)) / √(2 (1 - p̂_y) p̂_y) )
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bitket.algebra import PauliSum
from bitket.data.estimators import AngleClassifier, generator_of
from bitket.errors import InvalidInput
from bitket.learning import SPSA, Optimiser, batched
from bitket.learning.threads import one_thread
from bitket.quantum.circuits import Circuit, Parameter
from bitket.quantum.simulation import expectation
from bitket.quantum.variational.classifier import angle_map

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


class VariationalClassifier(AngleClassifier):
    """Two classes by the parity of all measured bits: odd (f = -1) is the first, even the second.

    Parameters
    ----------
    feature_map
        A circuit with inputs and no weights; None: `angle_encoding`, one qubit a feature, at most 16.
    depth
        Entangling layers of W.
    optimiser
        By default SPSA with 250 steps of two evaluations.
    shots
        Shots for each point while training; None uses exact probabilities (in the cost, R is then 2000).
    predict_shots
        Shots for each point when classifying; None for exact.
    scale
        As of `QuantumSVC`: ``"auto"`` is [0, π] for the default feature map and None for a circuit that is given.
    random_state
        Seed (the same shots at each prediction) or generator of start, perturbations and shots; None: a new seed.

    Attributes
    ----------
    classes_, n_features_in_
        The two labels, sorted, and the number of features (`feature_names_in_` holds their names in a data frame).
    circuit_, weights_
        Feature map and W in one; the angles of W and, last, the bias b.
    result_
        The optimiser's result.
    """

    _binary: ClassVar[bool] = True
    _fit_gives: ClassVar[str] = "weights_"

    def __init__(
        self,
        feature_map: Circuit | None = None,
        depth: int = 4,
        optimiser: Optimiser | None = None,
        shots: int | None = 2000,
        predict_shots: int | None = 10_000,
        scale: Literal["auto"] | tuple[float, float] | None = "auto",
        random_state: int | np.random.Generator | None = 0,
    ) -> None:
        self.feature_map = feature_map
        self.depth = depth
        self.optimiser = optimiser
        self.shots = shots
        self.predict_shots = predict_shots
        self.scale = scale
        self.random_state = random_state

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.non_deterministic = self.predict_shots is not None  # each sample has shots of its own
        return tags

    def _auto_scale(self, x: Array) -> tuple[float, float] | None:
        return (0.0, math.pi) if self.feature_map is None else None

    def _plus(self, X: Array, points: Array, shots: int | None, generator: np.random.Generator) -> Array:
        """p̂_+1 for each point of parameter space and each sample, ``[k, t]``."""
        parity = PauliSum.from_list([("Z" * self.circuit_.num_qubits, 1.0)])
        p = (1 + expectation(self.circuit_, parity, points[:, None, :-1], X[None]).numpy()) / 2
        p = np.clip(p, 0, 1)
        return p if shots is None else generator.binomial(shots, p) / shots

    def fit(self, X: ArrayLike, y: ArrayLike) -> VariationalClassifier:
        """Fit to samples ``[t, n]`` and labels ``[t]`` of two kinds.

        Raises
        ------
        InvalidInput
            Shapes do not fit, a value is not finite, a setting is out of range, or there are not exactly two labels.
        """
        for name in ("shots", "predict_shots"):
            number = getattr(self, name)
            if number is not None and (int(number) != number or number < 1):
                raise InvalidInput(f"VariationalClassifier: {name} {number}; a positive whole number or None is needed")
        x, index = self._learned_angles(X, y)
        feature_map = self.feature_map if self.feature_map is not None else angle_map(x.shape[1])
        if len(feature_map.inputs) != x.shape[1] or feature_map.weights:
            raise InvalidInput(
                f"VariationalClassifier: samples have {x.shape[1]} features, the feature map {len(feature_map.inputs)} inputs and "
                f"{len(feature_map.weights)} weights; one input for each feature and no weights are needed"
            )
        self.circuit_ = feature_map.compose(separator(feature_map.num_qubits, self.depth))
        generator = generator_of(self.random_state)
        runs = self.shots or 2000
        signs = 2 * index - 1

        @batched
        def cost(points: Array) -> Array:
            p = self._plus(x, points, self.shots, generator)
            right = np.where(signs == 1, p, 1 - p)
            spread = np.sqrt(2 * np.clip(right * (1 - right), 0.25 / runs, None))  # p̂ of 0 or 1 is no certainty
            margin = np.sqrt(runs) * (0.5 - (right - signs * _bias(points[:, -1:]) / 2)) / spread
            return np.asarray((1 / (1 + np.exp(-np.clip(margin, -500, 500)))).mean(axis=1))

        start = np.append(generator.uniform(-np.pi, np.pi, len(self.circuit_.weights)), 0.0)
        with one_thread():
            self.result_ = (self.optimiser or SPSA(250)).minimize(cost, start, generator=generator)
        weights = self.result_.x.copy()
        weights[-1] = _bias(weights[-1])
        self.weights_ = weights
        return self

    def predict_proba(self, X: ArrayLike) -> Array:
        """p̂ of each class moved by the bias, ``p̂_y + y b/2`` within [0, 1], ``[s, 2]``: the paper's decision is the larger of the two."""
        x = self._seen_angles(X)
        plus = self._plus(x, self.weights_[None], self.predict_shots, generator_of(self.random_state))[0]
        plus = np.clip(plus + self.weights_[-1] / 2, 0, 1)
        return np.column_stack([1 - plus, plus])

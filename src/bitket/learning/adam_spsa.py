"""SPSA whose gradient estimate feeds Adam's moments.

    a_k = a / k^alpha,   c_k = c / k^gamma,   b1_k = b1 / k^lambda,   k = 1, 2, ...
    m <- b1_k m + (1 - b1_k) g,   v <- b2 v + (1 - b2) g²,   x <- x - a_k (m / (1 - b1_k^k)) / (sqrt(v / (1 - b2^k)) + eps)

with g the two-sided difference of `bitket.learning.spsa` (Spall 1998) and the moments of Kingma and Ba (2015, arXiv:1412.6980).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bitket.learning.minimize import Array, Iterative, Objective, OptimiserError, State
from bitket.learning.spsa import slopes_along_signs

__all__ = ["AdamSPSA"]


@dataclass(frozen=True)
class AdamSPSA(Iterative):
    """Adam on SPSA's gradient estimates.

    Attributes
    ----------
    iterations
        Number of steps.
    a, alpha, c, gamma
        Step size and perturbation size, with the exponents of their decay.
    beta1, beta2, epsilon
        As Adam's.
    beta1_decay
        Exponent lambda of the decay of ``beta1``.
    resamplings
        Gradient estimates averaged in each step.
    keep_best
        Evaluate every new point (one more evaluation a step) and return the best one seen.

    Notes
    -----
    ``history`` holds the mean of the two sides, with ``keep_best`` the value at the new point.
    """

    iterations: int = 250
    a: float = 0.1
    alpha: float = 0.602
    c: float = 0.1
    gamma: float = 0.101
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    beta1_decay: float = 0.0
    resamplings: int = 1
    keep_best: bool = False

    _random = True

    def __post_init__(self) -> None:
        if min(self.iterations, self.resamplings) < 1 or not (self.a > 0 and self.c > 0):
            raise OptimiserError("AdamSPSA: iterations, resamplings, a and c must be positive")
        if not (0 <= self.beta1 < 1 and 0 <= self.beta2 < 1):
            raise OptimiserError("AdamSPSA: beta1 and beta2 must be in [0, 1)")

    def _begin(self, f: Objective, x: Array, generator: np.random.Generator | None) -> State:
        return {"m": np.zeros_like(x), "v": np.zeros_like(x)}

    def _iterate(self, f: Objective, state: State, generator: np.random.Generator | None) -> str:
        assert generator is not None
        k = state["nit"]
        slopes, signs, value = slopes_along_signs(f, state["x"], self.c / k**self.gamma, self.resamplings, generator)
        gradient = (slopes[:, None] * signs).mean(axis=0)
        beta1 = self.beta1 / k**self.beta1_decay
        state["m"] = beta1 * state["m"] + (1 - beta1) * gradient
        state["v"] = self.beta2 * state["v"] + (1 - self.beta2) * gradient**2
        spread = np.sqrt(state["v"] / (1 - self.beta2**k)) + self.epsilon
        state["x"] = state["x"] - self.a / k**self.alpha * state["m"] / (1 - beta1**k) / spread
        if self.keep_best:
            value = f(state["x"])
            if k == 1 or value < state["best"]:
                state |= {"best": value, "best_x": state["x"]}
        state |= {"fun": value, "history": [*state["history"], value]}
        return ""

    def _final(self, f: Objective, state: State) -> tuple[Array, float]:
        if self.keep_best:
            return state["best_x"], state["best"]
        return super()._final(f, state)

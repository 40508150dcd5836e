"""Adam (Kingma and Ba 2015, arXiv:1412.6980, algorithm 1) on a given gradient.

m <- b1 m + (1 - b1) g,   v <- b2 v + (1 - b2) g²,   x <- x - eta (m / (1 - b1^k)) / (sqrt(v / (1 - b2^k)) + eps)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bitket.learning.minimize import Array, Iterative, Objective, OptimiserError, State

__all__ = ["Adam"]


@dataclass(frozen=True)
class Adam(Iterative):
    """Adam, on the gradient given as ``jac``; ``history`` holds the values before each step.

    Attributes
    ----------
    iterations, learning_rate
        Number and size of steps.
    beta1, beta2, epsilon
        Memory of the two moments, and the floor under their ratio.
    tolerance
        Stop once the largest entry of the gradient is below it.
    """

    iterations: int = 1000
    learning_rate: float = 0.1
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    tolerance: float = 0.0

    def __post_init__(self) -> None:
        if self.iterations < 1 or not self.learning_rate > 0 or not (0 <= self.beta1 < 1 and 0 <= self.beta2 < 1):
            raise OptimiserError("Adam: iterations and learning rate must be positive, beta1 and beta2 in [0, 1)")

    def _begin(self, f: Objective, x: Array, generator: np.random.Generator | None) -> State:
        return {"m": np.zeros_like(x), "v": np.zeros_like(x)}

    def _iterate(self, f: Objective, state: State, generator: np.random.Generator | None) -> str:
        value, gradient = f.value_and_gradient(state["x"])
        state |= {"fun": value, "history": [*state["history"], value]}
        if np.abs(gradient).max() < self.tolerance:
            return f"largest gradient entry below {self.tolerance:g}"
        k = state["nit"]
        state["m"] = self.beta1 * state["m"] + (1 - self.beta1) * gradient
        state["v"] = self.beta2 * state["v"] + (1 - self.beta2) * gradient**2
        spread = np.sqrt(state["v"] / (1 - self.beta2**k)) + self.epsilon
        state["x"] = state["x"] - self.learning_rate * state["m"] / (1 - self.beta1**k) / spread
        return ""

"""Adam (Kingma and Ba 2015, arXiv:1412.6980) on a given gradient, and plain gradient descent with momentum."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bitket.learning.minimize import Array, Callback, Objective, Optimiser, OptimiserError, Result, State

__all__ = ["Adam"]


@dataclass(frozen=True)
class Adam(Optimiser):
    """Adam; stops early once the gradient's largest entry is below ``tolerance``."""

    iterations: int = 1000
    learning_rate: float = 0.1
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    tolerance: float = 0.0

    def __post_init__(self) -> None:
        if self.iterations < 1 or not self.learning_rate > 0 or not (0 <= self.beta1 < 1 and 0 <= self.beta2 < 1):
            raise OptimiserError("Adam: iterations and learning rate must be positive, beta1 and beta2 in [0, 1)")

    def _minimize(
        self,
        f: Objective,
        x: Array,
        callback: Callback | None,
        state: State | None,
        generator: np.random.Generator | None,
    ) -> Result:
        state = (
            dict(state) if state else {"x": x, "m": np.zeros_like(x), "v": np.zeros_like(x), "nit": 0, "history": []}
        )
        reason = "all iterations done"
        while state["nit"] < self.iterations:
            k = state["nit"] + 1
            gradient = f.gradient(state["x"])
            if np.abs(gradient).max() < self.tolerance:
                reason = f"largest gradient entry below {self.tolerance:g}"
                break
            state["m"] = self.beta1 * state["m"] + (1 - self.beta1) * gradient
            state["v"] = self.beta2 * state["v"] + (1 - self.beta2) * gradient**2
            spread = np.sqrt(state["v"] / (1 - self.beta2**k)) + self.epsilon
            state["x"] = state["x"] - self.learning_rate * state["m"] / (1 - self.beta1**k) / spread
            state["nit"] = k
            state["fun"] = f(state["x"])
            state["history"] = [*state["history"], state["fun"]]
            if callback is not None and callback(dict(state)):
                reason = "stopped by the callback"
                break
        return Result(state["x"], f(state["x"]), f.nfev, state["nit"], reason, f.njev, state["history"])

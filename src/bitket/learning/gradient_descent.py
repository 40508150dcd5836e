"""Gradient descent with heavy-ball momentum (Polyak 1964): v <- mu v + g,  x <- x - eta v."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bitket.learning.minimize import Array, Iterative, Objective, OptimiserError, State

__all__ = ["GradientDescent"]


@dataclass(frozen=True)
class GradientDescent(Iterative):
    """Gradient descent, on the gradient given as ``jac``; ``history`` holds the values before each step.

    Attributes
    ----------
    iterations, learning_rate, momentum
        Number and size of steps, and mu.
    tolerance
        Stop once the largest entry of the gradient is below it.
    """

    iterations: int = 1000
    learning_rate: float = 0.1
    momentum: float = 0.0
    tolerance: float = 0.0

    def __post_init__(self) -> None:
        if self.iterations < 1 or not self.learning_rate > 0 or not 0 <= self.momentum < 1:
            raise OptimiserError("GradientDescent: iterations and learning rate must be positive, momentum in [0, 1)")

    def _begin(self, f: Objective, x: Array, generator: np.random.Generator | None) -> State:
        return {"v": np.zeros_like(x)}

    def _iterate(self, f: Objective, state: State, generator: np.random.Generator | None) -> str:
        value, gradient = f.value_and_gradient(state["x"])
        state |= {"fun": value, "history": [*state["history"], value]}
        if np.abs(gradient).max() < self.tolerance:
            return f"largest gradient entry below {self.tolerance:g}"
        state["v"] = self.momentum * state["v"] + gradient
        state["x"] = state["x"] - self.learning_rate * state["v"]
        return ""

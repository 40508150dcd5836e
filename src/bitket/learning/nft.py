"""Sequential minimal optimisation of Nakanishi, Fujii and Todo (2020, arXiv:1903.12166).

Along one angle of a Pauli rotation an expectation value is a sine, a + b cos(t - c): three values fix it, and the angle jumps to its
minimum. The value at the minimum is known from the fit, so each step costs two evaluations; it is measured anew every ``reset`` steps.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bitket.learning.minimize import Iterative, Objective, OptimiserError, State

__all__ = ["NFT"]


@dataclass(frozen=True)
class NFT(Iterative):
    """Sequential sine fits, one parameter after the other; ``history`` holds the fitted minima.

    Attributes
    ----------
    iterations
        Number of one-parameter steps.
    reset
        Measure the current value anew after that many steps, as fitted values gather error.
    """

    iterations: int = 1024
    reset: int = 32

    def __post_init__(self) -> None:
        if self.iterations < 1 or self.reset < 1:
            raise OptimiserError("NFT: iterations and reset must be positive")

    def _iterate(self, f: Objective, state: State, generator: np.random.Generator | None) -> str:
        done = state["nit"] - 1
        x, j = state["x"].copy(), done % state["x"].size
        step = np.zeros_like(x)
        step[j] = np.pi / 2
        if done % self.reset == 0:
            here, up, down = f.many(np.stack([x, x + step, x - step]))
        else:
            here = state["fun"]
            up, down = f.many(np.stack([x + step, x - step]))
        # f(t) = mean + p cos t + q sin t around the current angle
        mean, q = (up + down) / 2, (up - down) / 2
        p = here - mean
        x[j] += np.arctan2(-q, -p)
        value = float(mean - np.hypot(p, q))
        state |= {"x": x, "fun": value, "history": [*state["history"], value]}
        return ""

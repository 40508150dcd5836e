"""Simultaneous perturbation stochastic approximation (Spall 1998, IEEE Trans. Aerosp. Electron. Syst. 34 (3), 817-823).

    g_k = (f(x + c_k d) - f(x - c_k d)) / (2 c_k) · d,   d = ±1 at random,      x <- x - a_k g_k
    a_k = a / (k + A)^alpha,   c_k = c / k^gamma,   k = 1, 2, ...

Two evaluations a step, whatever the number of parameters; all evaluations of a step are one call where f is batched.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bitket.learning.minimize import Array, Iterative, Objective, OptimiserError, State

__all__ = ["SPSA", "slopes_along_signs"]


def slopes_along_signs(
    f: Objective, x: Array, c: float, count: int, generator: np.random.Generator
) -> tuple[Array, Array, float]:
    """Two-sided differences along random signs.

    Returns
    -------
    slopes
        ``[count]``.
    signs
        ``[count, P]``.
    mean
        Mean of all values: f(x) up to the curvature.
    """
    signs = np.asarray(1.0 - 2.0 * generator.binomial(1, 0.5, size=(count, x.size)), dtype=np.float64)
    values = f.many(np.concatenate([x + c * signs, x - c * signs]))
    return np.asarray(values[:count] - values[count:]) / (2 * c), signs, float(values.mean())


@dataclass(frozen=True)
class SPSA(Iterative):
    """SPSA with Spall's gain sequences.

    Attributes
    ----------
    iterations
        Number of steps.
    a
        Step gain; None calibrates it so that the first step changes each parameter by about ``first_step``.
    c, alpha, gamma
        Perturbation size and exponents.
    stability
        Spall's A.
    first_step
        Wanted size of the first step, per parameter.
    calibration
        Number of two-sided differences that calibrate ``a``.
    resamplings
        Gradient estimates averaged in each step.
    blocking
        Take a step only if the value does not grow by ``allowed_increase`` or more; one more evaluation a step.
    allowed_increase
        None: twice the standard deviation of 25 values at the start (zero for an exact function).
    bounds
        Lowest and highest value of every parameter; steps are clipped.

    Notes
    -----
    ``history`` holds the mean of the two sides (no evaluation is spent on it), with blocking the value at the new point.
    """

    iterations: int = 250
    a: float | None = None
    c: float = 0.1
    alpha: float = 0.602
    gamma: float = 0.101
    stability: float = 0.0
    first_step: float = 0.2 * np.pi
    calibration: int = 25
    resamplings: int = 1
    blocking: bool = False
    allowed_increase: float | None = None
    bounds: tuple[float, float] | None = None

    _random = True

    def __post_init__(self) -> None:
        if min(self.iterations, self.calibration, self.resamplings) < 1 or not (self.c > 0 and self.first_step > 0):
            raise OptimiserError("SPSA: iterations, calibration, resamplings, c and first_step must be positive")
        if self.a is not None and not self.a > 0:
            raise OptimiserError(f"SPSA: gain a = {self.a}, it must be positive")
        if self.stability < 0:
            raise OptimiserError(f"SPSA: stability {self.stability}, it must not be negative")
        if self.bounds is not None and not self.bounds[0] < self.bounds[1]:
            raise OptimiserError(f"SPSA: bounds {self.bounds}: the lowest and a higher value are needed")

    def _begin(self, f: Objective, x: Array, generator: np.random.Generator | None) -> State:
        assert generator is not None
        own: State = {"a": self.a}
        if self.a is None:
            slopes, _, _ = slopes_along_signs(f, x, self.c, self.calibration, generator)
            size = float(np.mean(np.abs(slopes)))
            # A flat start tells nothing of the scale: fall back on steps of the wanted size for slope 1.
            own["a"] = self.first_step * (1 + self.stability) ** self.alpha / (size if size > 1e-10 else 1.0)
        if self.blocking:
            own |= {"fun": f(x), "allowed": self.allowed_increase}
            if self.allowed_increase is None:
                own["allowed"] = 2 * float(np.std(f.many(np.tile(x, (25, 1)))))
        return own

    def _iterate(self, f: Objective, state: State, generator: np.random.Generator | None) -> str:
        assert generator is not None
        k, x = state["nit"], state["x"]
        slopes, signs, value = slopes_along_signs(f, x, self.c / k**self.gamma, self.resamplings, generator)
        new = x - state["a"] / (k + self.stability) ** self.alpha * (slopes[:, None] * signs).mean(axis=0)
        if self.bounds is not None:
            new = np.clip(new, *self.bounds)
        if self.blocking:
            value = f(new)
            if state["fun"] + state["allowed"] <= value:
                new, value = x, state["fun"]
        state |= {"x": new, "fun": value, "history": [*state["history"], value]}
        return ""

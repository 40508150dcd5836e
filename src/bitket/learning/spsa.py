"""Simultaneous perturbation stochastic approximation (Spall 1998, IEEE Trans. Aerosp. Electron. Syst. 34 (3), 817-823).

    g_k = (f(x + c_k d) - f(x - c_k d)) / (2 c_k) · d,   d = ±1 at random,      x <- x - a_k g_k
    a_k = a / (k + 1 + A)^alpha,   c_k = c / (k + 1)^gamma

Two evaluations a step, whatever the number of parameters. With Adam moments the estimate g_k feeds Adam's update instead.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np

from bitket.learning.minimize import Array, Callback, Objective, Optimiser, OptimiserError, Result, State

__all__ = ["SPSA", "AdamSPSA"]


@dataclass(frozen=True)
class SPSA(Optimiser):
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
        Spall's A; by default 0.
    first_step
        Wanted size of the first step, per parameter.
    calibration
        Number of two-sided differences that calibrate ``a``.
    resamplings
        Gradient estimates averaged in each step.
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

    def __post_init__(self) -> None:
        if min(self.iterations, self.calibration, self.resamplings) < 1 or not (self.c > 0 and self.first_step > 0):
            raise OptimiserError("SPSA: iterations, calibration, resamplings, c and first_step must be positive")
        if self.a is not None and not self.a > 0:
            raise OptimiserError(f"SPSA: gain a = {self.a}, it must be positive")

    def _differences(
        self, f: Objective, x: Array, c: float, count: int, generator: np.random.Generator
    ) -> tuple[Array, Array, float]:
        """Slopes ``[count]`` along directions ``[count, P]``, and the mean of all values."""
        signs = generator.choice([-1.0, 1.0], size=(count, x.size))
        values = f.many(np.concatenate([x + c * signs, x - c * signs]))
        return (values[:count] - values[count:]) / (2 * c), signs, float(values.mean())

    def _calibrated(self, f: Objective, x: Array, generator: np.random.Generator) -> float:
        if self.a is not None:
            return self.a
        slopes, _, _ = self._differences(f, x, self.c, self.calibration, generator)
        size = float(np.mean(np.abs(slopes)))
        # A flat start tells nothing of the scale: fall back on steps of the wanted size for slope 1.
        return self.first_step * (1 + self.stability) ** self.alpha / (size if size > 1e-10 else 1.0)

    def _update(self, state: State, gradient: Array) -> Array:
        gain = state["a"] / (state["nit"] + 1 + self.stability) ** self.alpha
        return np.asarray(state["x"] - gain * gradient)

    def _start(self, f: Objective, x: Array, generator: np.random.Generator) -> State:
        return {"x": x, "a": self._calibrated(f, x, generator), "nit": 0}

    def _minimize(
        self,
        f: Objective,
        x: Array,
        callback: Callback | None,
        state: State | None,
        generator: np.random.Generator | None,
    ) -> Result:
        if generator is None:
            raise OptimiserError(f"{type(self).__name__} draws random numbers: a generator is needed")
        if state is None:
            state = self._start(f, x, generator) | {"history": []}
        else:
            state = dict(state)
            generator.bit_generator.state = json.loads(state["generator"])
            f.nfev = state["nfev"]
        reason = "all iterations done"
        while state["nit"] < self.iterations:
            c = self.c / (state["nit"] + 1) ** self.gamma
            slopes, signs, mean = self._differences(f, state["x"], c, self.resamplings, generator)
            state["x"] = self._update(state, (slopes[:, None] * signs).mean(axis=0))
            state["nit"] += 1
            state["fun"] = (
                mean  # the value between the two sides, up to curvature: no evaluation is spent on the history
            )
            state["history"] = [*state["history"], state["fun"]]
            state["nfev"] = f.nfev
            state["generator"] = json.dumps(generator.bit_generator.state)
            if callback is not None and callback(dict(state)):
                reason = "stopped by the callback"
                break
        return Result(state["x"], f(state["x"]), f.nfev, state["nit"], reason, history=state["history"])


@dataclass(frozen=True)
class AdamSPSA(SPSA):
    """SPSA whose gradient estimate feeds Adam (Kingma and Ba 2015): x <- x - eta m̂ / (sqrt(v̂) + eps).

    With decaying ``c`` as in SPSA; ``learning_rate`` decays as eta / (k + 1 + A)^alpha.
    """

    learning_rate: float = 0.1
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8

    def _start(self, f: Objective, x: Array, generator: np.random.Generator) -> State:
        return {"x": x, "m": np.zeros_like(x), "v": np.zeros_like(x), "nit": 0}

    def _update(self, state: State, gradient: Array) -> Array:
        k = state["nit"] + 1
        state["m"] = self.beta1 * state["m"] + (1 - self.beta1) * gradient
        state["v"] = self.beta2 * state["v"] + (1 - self.beta2) * gradient**2
        mean, spread = state["m"] / (1 - self.beta1**k), state["v"] / (1 - self.beta2**k)
        rate = self.learning_rate / (k + self.stability) ** self.alpha
        return np.asarray(state["x"] - rate * mean / (np.sqrt(spread) + self.epsilon))

"""Analytic quantum gradient descent: parameter-shift differences with momentum, as in the SDK of 2020-21.

    g_j = ½ (f(x + π/2 e_j) - f(x - π/2 e_j)),   m <- μ m + (1 - μ) g,   x <- x - η m

The difference is the exact derivative only where f is linear in expectation values of Pauli-rotation circuits; for other losses it is a
biased direction (see ``mode``). 2P + 1 evaluations an iteration.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from bitket.learning.minimize import Array, Callback, Objective, Optimiser, OptimiserError, Result, State

__all__ = ["AQGD"]


@dataclass(frozen=True)
class AQGD(Optimiser):
    """Gradient descent by parameter shifts.

    Attributes
    ----------
    iterations, eta, momentum
        Numbers, or equally long tuples: a schedule of phases run one after another.
    tolerance, averaging
        Stop when the means of the last two windows of ``averaging`` losses differ by less than ``tolerance``.
    parameter_tolerance
        Stop when no parameter differs from the reference by more than this. The SDK compared with the *start* (so it all but never
        stops there); ``parameter_test="previous"`` compares with the step before.
    mode
        ``"sdk"``: half differences of f itself. ``"exact"``: the gradient is given as ``jac`` (parameter shift on expectation values and
        the chain rule), with the same momentum and stop rules; one evaluation of f an iteration.
    """

    iterations: int | tuple[int, ...] = 1000
    eta: float | tuple[float, ...] = 1.0
    momentum: float | tuple[float, ...] = 0.25
    tolerance: float = 1e-6
    parameter_tolerance: float = 1e-6
    averaging: int = 10
    parameter_test: Literal["start", "previous"] = "start"
    mode: Literal["sdk", "exact"] = "sdk"

    def __post_init__(self) -> None:
        lengths = {len(v) if isinstance(v, tuple) else 1 for v in (self.iterations, self.eta, self.momentum)}
        if len(lengths) != 1 or 0 in lengths:
            raise OptimiserError("AQGD: iterations, eta and momentum must be numbers or tuples of one length")
        for iterations, _, momentum in self.phases():
            if iterations < 1 or not 0 <= momentum < 1:
                raise OptimiserError(
                    f"AQGD: {iterations} iterations with momentum {momentum}: at least 1, momentum in [0, 1)"
                )

    def phases(self) -> list[tuple[int, float, float]]:
        """``(iterations, eta, momentum)`` of each phase."""
        rows = [v if isinstance(v, tuple) else (v,) for v in (self.iterations, self.eta, self.momentum)]
        return list(zip(*rows, strict=True))

    def _value_and_gradient(self, f: Objective, x: Array) -> tuple[float, Array]:
        if self.mode == "exact":
            return f(x), f.gradient(x)
        shift = np.eye(x.size) * (np.pi / 2)
        values = f.many(np.concatenate([x[None], x + shift, x - shift]))
        return float(values[0]), (values[1 : x.size + 1] - values[x.size + 1 :]) / 2

    def _minimize(
        self,
        f: Objective,
        x: Array,
        callback: Callback | None,
        state: State | None,
        generator: np.random.Generator | None,
    ) -> Result:
        if state is None:
            state = {
                "x": x,
                "reference": x,
                "m": np.zeros_like(x),
                "phase": 0,
                "at": 0,
                "nit": 0,
                "history": [],
                "nfev": 0,
            }
        else:
            state = dict(state)
            f.nfev = state["nfev"]
        phases = self.phases()
        reason = ""
        while state["phase"] < len(phases) and not reason:
            iterations, eta, momentum = phases[state["phase"]]
            while state["at"] < iterations and not reason:
                state["nit"] += 1
                if state["nit"] > 1 and np.abs(state["x"] - state["reference"]).max() < self.parameter_tolerance:
                    reason = "parameters no longer change"
                    break
                value, gradient = self._value_and_gradient(f, state["x"])
                state |= {"history": [*state["history"], value], "nfev": f.nfev, "fun": value}
                window = state["history"][-self.averaging - 1 :]
                if len(window) > self.averaging and abs(np.mean(window[1:]) - np.mean(window[:-1])) < self.tolerance:
                    reason = "loss no longer changes"
                    break
                previous = state["x"]
                state["m"] = momentum * state["m"] + (1 - momentum) * gradient
                state["x"] = previous - eta * state["m"]
                if self.parameter_test == "previous":
                    state["reference"] = previous
                state["at"] += 1
                if callback is not None and callback(dict(state)):
                    reason = "stopped by the callback"
            if not reason:
                state |= {"phase": state["phase"] + 1, "at": 0}
        # The value belongs to the last evaluated point, one step before x, as in the SDK: no evaluation is added.
        return Result(
            state["x"], state["fun"], f.nfev, state["nit"], reason or "all iterations done", f.njev, state["history"]
        )

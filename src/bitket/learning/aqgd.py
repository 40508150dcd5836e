"""Analytic quantum gradient descent: parameter-shift differences with momentum, as in the SDK of 2020-21.

    g_j = ½ (f(x + π/2 e_j) - f(x - π/2 e_j)),   m <- μ m + (1 - μ) g,   x <- x - η m,   m_0 = 0

The difference is the exact derivative only where f is linear in expectation values of circuits of Pauli rotations (Mitarai et al. 2018,
arXiv:1803.00745); for other losses, such as cross-entropy, it is a biased direction (see ``mode``). 2P + 1 evaluations an iteration, in
one call where f is batched.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from bitket.learning.minimize import Array, Iterative, Objective, OptimiserError, State

__all__ = ["AQGD", "half_differences"]


def half_differences(many: Callable[[Array], Array], x: Array) -> tuple[float, Array]:
    """Value at a point ``[P]`` and ``½ (f(x + π/2 e_j) - f(x - π/2 e_j))``, ``[P]``, from one call of 2P + 1 points.

    >>> value, slopes = half_differences(lambda points: np.sin(points).sum(axis=1), np.array([0.0, np.pi / 3]))
    >>> slopes.round(12)
    array([1. , 0.5])
    """
    shift = np.eye(x.size) * (np.pi / 2)
    values = many(np.concatenate([x[None], x + shift, x - shift]))
    return float(values[0]), (values[1 : x.size + 1] - values[x.size + 1 :]) / 2


@dataclass(frozen=True)
class AQGD(Iterative):
    """Gradient descent by parameter shifts.

    Attributes
    ----------
    iterations, eta, momentum
        Numbers, or equally long lists or tuples: a schedule of phases run one after another.
    tolerance, averaging
        Stop when the means of the last two windows of ``averaging`` losses differ by less than ``tolerance``; before the step.
    parameter_tolerance
        Stop when no parameter differs from the reference by more than this; before anything is evaluated.
    parameter_test
        The reference is, as in the SDK, the ``"start"`` (so it all but never stops there), or the ``"previous"`` point.
    mode
        ``"sdk"``: half differences of f itself. ``"exact"``: the gradient is given as ``jac`` (parameter shift on expectation values
        and the chain rule), with the same momentum and stop rules.

    Notes
    -----
    The result's ``fun`` is the last value evaluated, which belongs to the point before the last step: no evaluation is added.
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
        lengths = []
        for name in ("iterations", "eta", "momentum"):
            value = getattr(self, name)
            if isinstance(value, list):
                object.__setattr__(self, name, tuple(value))
            lengths.append(len(value) if isinstance(value, list | tuple) else 1)
        if len(set(lengths)) != 1 or 0 in lengths:
            raise OptimiserError(
                f"AQGD: schedules of lengths {lengths} (iterations, eta, momentum); numbers or lists of one length are needed"
            )
        for iterations, eta, momentum in self.phases():
            if iterations < 1 or not np.isfinite(eta) or not 0 <= momentum < 1:
                raise OptimiserError(
                    f"AQGD: {iterations} iterations, eta {eta}, momentum {momentum}: "
                    "at least 1, a finite eta, and momentum in [0, 1) are needed"
                )
        if self.averaging < 1:
            raise OptimiserError(f"AQGD: averaging {self.averaging}; at least 1 is needed")
        if self.parameter_test not in ("start", "previous") or self.mode not in ("sdk", "exact"):
            raise OptimiserError("AQGD: parameter_test is 'start' or 'previous', mode is 'sdk' or 'exact'")

    def phases(self) -> list[tuple[int, float, float]]:
        """``(iterations, eta, momentum)`` of each phase."""
        rows = [v if isinstance(v, tuple) else (v,) for v in (self.iterations, self.eta, self.momentum)]
        return list(zip(*rows, strict=True))

    def _total(self) -> int:
        return sum(iterations for iterations, _, _ in self.phases())

    def _begin(self, f: Objective, x: Array, generator: np.random.Generator | None) -> State:
        return {"reference": x, "m": np.zeros_like(x)}

    def _value_and_gradient(self, f: Objective, x: Array) -> tuple[float, Array]:
        if self.mode == "exact":
            return f.value_and_gradient(x)
        return half_differences(f.many, x)

    def _iterate(self, f: Objective, state: State, generator: np.random.Generator | None) -> str:
        x, nit = state["x"], state["nit"]
        if nit > 1 and np.abs(x - state["reference"]).max() < self.parameter_tolerance:
            return "parameters no longer change"
        value, gradient = self._value_and_gradient(f, x)
        state |= {"fun": value, "history": [*state["history"], value]}
        window = state["history"][-self.averaging - 1 :]
        if len(window) > self.averaging and abs(np.mean(window[1:]) - np.mean(window[:-1])) < self.tolerance:
            return "loss no longer changes"
        phases = self.phases()
        ends = np.cumsum([iterations for iterations, _, _ in phases])
        _, eta, momentum = phases[int(np.searchsorted(ends, nit))]
        state["m"] = momentum * state["m"] + (1 - momentum) * gradient
        state["x"] = x - eta * state["m"]
        if self.parameter_test == "previous":
            state["reference"] = x
        return ""

    def _final(self, f: Objective, state: State) -> tuple[Array, float]:
        return state["x"], state["fun"]

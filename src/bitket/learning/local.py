"""Local optimisers of SciPy behind the protocol: Nelder-Mead, Powell, L-BFGS-B, SLSQP (COBYLA stands beside).

SciPy keeps no state that could be stored. A state therefore holds the values and gradients evaluated so far, and a call that goes on
from it replays them instead of evaluating, and so walks the same path: these methods are deterministic functions of what they see.
"""

from __future__ import annotations

import json
from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from bitket.learning.minimize import Array, Callback, Objective, Optimiser, OptimiserError, Result, State

__all__ = ["LocalSearch", "Replayed"]


class _Stop(Exception):
    """Ends SciPy's loop from inside the objective."""


class Replayed(Optimiser):
    """A method of SciPy with counted, recorded and replayed evaluations; one evaluation is one iteration."""

    @abstractmethod
    def _settings(self) -> tuple[str, int, dict[str, Any]]:
        """SciPy's name, the most evaluations, and further arguments of ``scipy.optimize.minimize``."""

    def _minimize(
        self,
        f: Objective,
        x: Array,
        callback: Callback | None,
        state: State | None,
        generator: np.random.Generator | None,
    ) -> Result:
        from scipy.optimize import minimize

        method, most, arguments = self._settings()
        old_values: list[float] = list(state["history"]) if state else []
        old_slopes = np.asarray(state["gradients"]) if state else np.zeros((0, x.size))
        start = np.asarray(state["start"]) if state else x
        values: list[float] = []
        slopes: list[Array] = []
        best, best_x, reason = np.inf, start, ""
        uses_gradient = f.has_gradient and method in ("L-BFGS-B", "SLSQP")

        def evaluated(point: Array) -> tuple[float, Array | None]:
            if len(values) < len(old_values):
                return old_values[len(values)], old_slopes[len(values)] if uses_gradient else None
            f.nfev, f.iteration = len(values), len(values) + 1
            return f.value_and_gradient(point) if uses_gradient else (f(point), None)

        def objective(point: Array) -> Any:
            nonlocal best, best_x, reason
            if len(values) >= most:
                reason = "all evaluations done"
                raise _Stop
            point = np.array(point, dtype=float)
            replayed = len(values) < len(old_values)
            value, slope = evaluated(point)
            values.append(value)
            if slope is not None:
                slopes.append(slope)
            if value < best:
                best, best_x = value, point
            if callback is not None and not replayed:
                report: State = {
                    "optimiser": type(self).__name__,
                    "x": best_x,
                    "fun": best,
                    "nit": len(values),
                    "nfev": len(values),
                    "njev": len(slopes),
                    "history": list(values),
                    "gradients": np.array(slopes).reshape(-1, start.size),
                    "start": start,
                }
                if generator is not None:  # for values that are drawn with it
                    report["generator"] = json.dumps(generator.bit_generator.state)
                if callback(report):
                    reason = "stopped by the callback"
                    raise _Stop
            return value if slope is None else (value, slope)

        try:
            found = minimize(objective, start, method=method, jac=True if uses_gradient else None, **arguments)
            reason = str(found.message)
        except _Stop:
            pass
        return Result(best_x, float(best), len(values), len(values), reason, len(slopes), values)


@dataclass(frozen=True)
class LocalSearch(Replayed):
    """A local optimiser of SciPy, limited by evaluations; returns the best point seen.

    Attributes
    ----------
    method
        SciPy's name. ``"L-BFGS-B"`` and ``"SLSQP"`` use ``jac`` if it is given, finite differences (counted) otherwise.
    evaluations
        Never more values than that.
    tolerance
        SciPy's ``tol``.
    """

    method: Literal["Nelder-Mead", "Powell", "L-BFGS-B", "SLSQP"] = "Nelder-Mead"
    evaluations: int = 1000
    tolerance: float | None = None

    def __post_init__(self) -> None:
        if self.method not in ("Nelder-Mead", "Powell", "L-BFGS-B", "SLSQP"):
            raise OptimiserError(f"method '{self.method}': 'Nelder-Mead', 'Powell', 'L-BFGS-B' and 'SLSQP' are known")
        if self.evaluations < 1:
            raise OptimiserError(f"{self.method}: evaluations must be positive")

    def _settings(self) -> tuple[str, int, dict[str, Any]]:
        # SciPy's own limits on iterations must not end it before the limit on evaluations does.
        options = {"maxiter": self.evaluations}
        if self.method == "L-BFGS-B":
            options["maxfun"] = self.evaluations
        elif self.method != "SLSQP":
            options["maxfev"] = self.evaluations + 1
        return self.method, self.evaluations, {"tol": self.tolerance, "options": options}

"""Local optimisers of SciPy behind the protocol: COBYLA, Nelder-Mead, Powell, L-BFGS-B, SLSQP.

SciPy keeps no state that could be stored. A call that goes on from a state replays the values recorded there instead of evaluating, and so
walks the same path: all these methods are deterministic functions of the values they see.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from bitket.learning.minimize import Array, Callback, Objective, Optimiser, OptimiserError, Result, State

__all__ = ["COBYLA", "LocalSearch"]

Method = Literal["COBYLA", "Nelder-Mead", "Powell", "L-BFGS-B", "SLSQP"]


class _Stop(Exception):
    """Ends SciPy's loop from inside the objective."""


@dataclass(frozen=True)
class LocalSearch(Optimiser):
    """A local optimiser of SciPy, limited by evaluations.

    Attributes
    ----------
    method
        SciPy's name.
    evaluations
        Never more values than that.
    step
        First step of COBYLA (rhobeg); the others choose their own.
    tolerance
        SciPy's ``tol``.
    """

    method: Method = "COBYLA"
    evaluations: int = 1000
    step: float = 1.0
    tolerance: float | None = None

    _GRADIENT: ClassVar = ("L-BFGS-B", "SLSQP")

    def __post_init__(self) -> None:
        if self.evaluations < 1 or not self.step > 0:
            raise OptimiserError(f"{self.method}: evaluations and step must be positive")

    def _minimize(
        self,
        f: Objective,
        x: Array,
        callback: Callback | None,
        state: State | None,
        generator: np.random.Generator | None,
    ) -> Result:
        from scipy.optimize import minimize

        recorded: list[float] = list(state["values"]) if state else []
        start = np.array(state["start"]) if state else x
        values: list[float] = []
        best, best_x = np.inf, start
        reason = ""

        def objective(point: Array) -> float:
            nonlocal best, best_x, reason
            if len(values) >= self.evaluations:
                reason = "all evaluations done"
                raise _Stop
            replayed = len(values) < len(recorded)
            value = recorded[len(values)] if replayed else f(np.array(point))
            values.append(value)
            if value < best:
                best, best_x = value, np.array(point)
            if callback is not None and not replayed:
                report = {
                    "x": best_x,
                    "fun": best,
                    "nit": len(values),
                    "nfev": len(values),
                    "values": list(values),
                    "start": start,
                }
                if callback(report):
                    reason = "stopped by the callback"
                    raise _Stop
            return value

        options = {"maxiter": 10 * self.evaluations} | ({"rhobeg": self.step} if self.method == "COBYLA" else {})
        jac = f.gradient if f.has_gradient and self.method in self._GRADIENT else None
        try:
            found = minimize(objective, start, method=self.method, jac=jac, tol=self.tolerance, options=options)
            reason = str(found.message)
        except _Stop:
            pass
        return Result(best_x, float(best), len(values), len(values), reason, f.njev, values)


def COBYLA(evaluations: int = 1000, step: float = 1.0, tolerance: float | None = None) -> LocalSearch:
    """Powell's linear-approximation trust-region method, one value an iteration."""
    return LocalSearch("COBYLA", evaluations, step, tolerance)

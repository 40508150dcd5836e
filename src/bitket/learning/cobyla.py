"""COBYLA: constrained optimisation by linear approximation (Powell 1994), one evaluation an iteration, by SciPy.

A linear model through P + 1 points is minimised within a trust region whose radius falls from ``step`` on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bitket.learning.local import Replayed
from bitket.learning.minimize import OptimiserError

__all__ = ["COBYLA"]


@dataclass(frozen=True)
class COBYLA(Replayed):
    """COBYLA; returns the best point seen.

    Attributes
    ----------
    evaluations
        Never more values than that. (SciPy alone takes at least P + 2.)
    step
        First radius of the trust region (rhobeg).
    tolerance
        Last radius; None: SciPy's.
    """

    evaluations: int = 1000
    step: float = 1.0
    tolerance: float | None = None

    def __post_init__(self) -> None:
        if self.evaluations < 1 or not self.step > 0:
            raise OptimiserError("COBYLA: evaluations and step must be positive")

    def _settings(self) -> tuple[str, int, dict[str, Any]]:
        options = {"maxiter": 10 * self.evaluations, "rhobeg": self.step}
        return "COBYLA", self.evaluations, {"tol": self.tolerance, "options": options}

"""One protocol for all optimisers: ``optimiser.minimize(fun, x0, ...) -> Result``.

An optimiser is a frozen dataclass of its settings. Evaluations are counted, callbacks may stop, and the *state* handed to a callback
continues to the identical trajectory when it is given back as ``state=``. An objective with an attribute ``batch`` set to True takes
points ``[k, P]`` and returns ``[k]``: optimisers that need many values at once ask for them in one call.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bitket.errors import InvalidInput

__all__ = ["Callback", "Objective", "Optimiser", "OptimiserError", "Result", "State", "batched"]

Array = NDArray[np.float64]
State = dict[str, Any]
"""Numbers and arrays; `bitket.runs` can store it."""
Callback = Callable[[State], bool | None]
"""Called after each iteration with the state (``x``, ``fun``, ``nit``, ``nfev`` among it); True stops."""


class OptimiserError(InvalidInput):
    """Settings or values that an optimiser cannot work with."""


@dataclass
class Result:
    """What a minimisation found.

    Attributes
    ----------
    x, fun
        The point and its value.
    nfev, njev, nit
        Numbers of function values, gradients and iterations.
    history
        One value for each iteration.
    stop_reason
        Why it ended.
    """

    x: Array
    fun: float
    nfev: int
    nit: int
    stop_reason: str
    njev: int = 0
    history: list[float] = field(default_factory=list)


class Objective:
    """A function to minimise, with counted and checked evaluations."""

    def __init__(self, fun: Callable[..., Any], jac: Callable[..., Any] | None = None) -> None:
        self._fun, self._jac = fun, jac
        self._batch = bool(getattr(fun, "batch", False))
        self.nfev = self.njev = 0

    def __call__(self, x: Array) -> float:
        """Value at one point ``[P]``."""
        return float(self.many(x[None])[0])

    def many(self, points: Array) -> Array:
        """Values at points ``[k, P]``, in one call where the function can."""
        values = self._fun(points) if self._batch else [self._fun(p) for p in points]
        self.nfev += len(points)
        out = np.asarray([float(v) for v in values] if not self._batch else values, dtype=float).reshape(-1)
        if out.shape != (len(points),):
            raise OptimiserError(f"objective: {len(points)} values are needed, it returned {out.shape}")
        if not np.isfinite(out).all():
            bad = int(np.flatnonzero(~np.isfinite(out))[0])
            raise OptimiserError(
                f"objective: value {out[bad]} at evaluation {self.nfev - len(points) + bad + 1}; it must be finite"
            )
        return out

    @property
    def has_gradient(self) -> bool:
        """Whether a gradient was given."""
        return self._jac is not None

    def gradient(self, x: Array) -> Array:
        """Gradient ``[P]``."""
        if self._jac is None:
            raise OptimiserError("this optimiser needs the gradient: give jac=")
        self.njev += 1
        out = np.asarray(self._jac(x), dtype=float)
        if out.shape != x.shape or not np.isfinite(out).all():
            raise OptimiserError(f"gradient {self.njev}: finite numbers of shape {x.shape} are needed")
        return out


class Optimiser(ABC):
    """A way to minimise; its settings are its fields."""

    def minimize(
        self,
        fun: Callable[..., Any],
        x0: ArrayLike,
        jac: Callable[..., Any] | None = None,
        *,
        callback: Callback | None = None,
        state: State | None = None,
        generator: np.random.Generator | None = None,
    ) -> Result:
        """Minimise a function.

        Parameters
        ----------
        fun
            From a point ``[P]`` to a number (or, with ``fun.batch = True``, from ``[k, P]`` to ``[k]``).
        x0
            Start, ``[P]``.
        jac
            Gradient, for optimisers that take one.
        callback
            Called after each iteration with the state; True stops.
        state
            Where an earlier call stopped; ``x0`` is then not used.
        generator
            Needed by optimisers that draw random numbers.

        Raises
        ------
        OptimiserError
            A start, value or gradient is not finite, or something that is needed was not given.
        """
        x = np.array(x0, dtype=float)
        if x.ndim != 1 or x.size == 0 or not np.isfinite(x).all():
            raise OptimiserError(f"start of shape {x.shape}: a list of finite numbers is needed")
        return self._minimize(Objective(fun, jac), x, callback, state, generator)

    @abstractmethod
    def _minimize(
        self,
        f: Objective,
        x: Array,
        callback: Callback | None,
        state: State | None,
        generator: np.random.Generator | None,
    ) -> Result: ...


def batched(fun: Callable[[Array], Any]) -> Callable[[Array], Any]:
    """Mark a function as taking points ``[k, P]`` and returning ``[k]``."""
    fun.batch = True  # type: ignore[attr-defined]
    return fun

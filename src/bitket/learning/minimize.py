"""One protocol for all optimisers: ``optimiser.minimize(fun, x0, ...) -> Result``.

An optimiser is a frozen dataclass of its settings. Evaluations are counted, callbacks may stop, and the *state* handed to a callback
continues to the identical trajectory when it is given back as ``state=``. A function marked by `batched` takes points ``[k, P]`` and
returns ``[k]``: optimisers that need many values at once ask for them in one call. A gradient marked by `with_value` returns the value
along with it.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bitket.errors import InvalidInput

__all__ = [
    "Callback",
    "Iterative",
    "Objective",
    "Optimiser",
    "OptimiserError",
    "Result",
    "State",
    "batched",
    "with_value",
]

Array = NDArray[np.float64]
State = dict[str, Any]
"""Numbers, text, lists and arrays; `bitket.runs` can store it. Holds ``x``, ``fun``, ``nit``, ``nfev``, ``njev``, ``history``."""
Callback = Callable[[State], bool | None]
"""Called after each iteration with the state; True stops."""
Function = TypeVar("Function", bound=Callable[..., Any])


class OptimiserError(InvalidInput):
    """Settings or values that an optimiser cannot work with."""


@dataclass
class Result:
    """What a minimisation found.

    Attributes
    ----------
    x, fun
        The point ``[P]`` and its value.
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
        self._with_value = bool(getattr(jac, "with_value", False))
        self.nfev = self.njev = self.iteration = 0

    def __call__(self, x: Array) -> float:
        """Value at one point ``[P]``."""
        return float(self.many(x[None])[0])

    def many(self, points: Array) -> Array:
        """Values ``[k]`` at points ``[k, P]``, in one call where the function can."""
        values = self._fun(points) if self._batch else [float(self._fun(p)) for p in points]
        self.nfev += len(points)
        out = np.asarray(values, dtype=float).reshape(-1)
        if out.shape != (len(points),):
            raise OptimiserError(f"objective: {len(points)} values are needed, it returned {out.size}")
        bad = np.flatnonzero(~np.isfinite(out))
        if bad.size:
            self._refuse(out[bad[0]], self.nfev - len(points) + int(bad[0]) + 1)
        return out

    def _refuse(self, value: float, evaluation: int) -> None:
        raise OptimiserError(
            f"objective: value {value} at evaluation {evaluation} (iteration {self.iteration}); it must be finite"
        )

    @property
    def has_gradient(self) -> bool:
        """Whether a gradient was given."""
        return self._jac is not None

    def value_and_gradient(self, x: Array) -> tuple[float, Array]:
        """Value and gradient ``[P]`` at one point."""
        if self._jac is None:
            raise OptimiserError("this optimiser needs the gradient: give jac=")
        if self._with_value:
            value, slope = self._jac(x)
            self.nfev += 1
            value = float(value)
            if not np.isfinite(value):
                self._refuse(value, self.nfev)
        else:
            value, slope = self(x), self._jac(x)
        self.njev += 1
        gradient = np.asarray(slope, dtype=float)
        if gradient.shape != x.shape or not np.isfinite(gradient).all():
            raise OptimiserError(
                f"gradient {self.njev} (iteration {self.iteration}): finite numbers of shape {x.shape} are needed"
            )
        return value, gradient


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
            From a point ``[P]`` to a number (or, marked by `batched`, from ``[k, P]`` to ``[k]``).
        x0
            Start, ``[P]``.
        jac
            Gradient ``[P] -> [P]`` (or, marked by `with_value`, to value and gradient), for optimisers that take one.
        callback
            Called after each iteration with the state; True stops.
        state
            Where an earlier call stopped: goes on as that call would have. ``x0`` is then not used, the counts go on, and the
            generator is set to where it was.
        generator
            Needed by optimisers that draw random numbers.

        Raises
        ------
        OptimiserError
            A start, value or gradient is not finite, the state is of another optimiser or size, or something needed was not given.
        """
        x = np.array(x0, dtype=float)
        if x.ndim != 1 or x.size == 0 or not np.isfinite(x).all():
            raise OptimiserError(f"start of shape {x.shape}: a list of finite numbers is needed")
        name = type(self).__name__
        if state is not None:
            if state.get("optimiser") != name:
                raise OptimiserError(f"state of {state.get('optimiser')}: {name} cannot go on from it")
            if np.shape(state["x"]) != x.shape:
                raise OptimiserError(f"state with {np.size(state['x'])} parameters: the start has {x.size}")
            if "generator" in state:
                if generator is None:
                    raise OptimiserError(f"{name} draws random numbers: a generator is needed")
                try:
                    generator.bit_generator.state = json.loads(state["generator"])
                except (ValueError, TypeError, KeyError):
                    raise OptimiserError("state: its random numbers come from another kind of generator") from None
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


class Iterative(Optimiser):
    """An optimiser made of steps that each take a state to the next one."""

    _random = False
    """Whether steps draw random numbers."""

    def _total(self) -> int:
        """Number of iterations."""
        return int(self.iterations)  # type: ignore[attr-defined]

    def _begin(self, f: Objective, x: Array, generator: np.random.Generator | None) -> State:
        """What the state holds beside the common fields."""
        return {}

    @abstractmethod
    def _iterate(self, f: Objective, state: State, generator: np.random.Generator | None) -> str:
        """Iteration ``state["nit"]`` (from 1): replaces ``x``, ``fun``, ``history``; returns why to stop, or an empty text.

        Arrays and lists of the state are replaced, never changed in place: callbacks may keep them.
        """

    def _final(self, f: Objective, state: State) -> tuple[Array, float]:
        """Point and value of the result."""
        return state["x"], f(state["x"])

    def _minimize(
        self,
        f: Objective,
        x: Array,
        callback: Callback | None,
        state: State | None,
        generator: np.random.Generator | None,
    ) -> Result:
        if self._random and generator is None:
            raise OptimiserError(f"{type(self).__name__} draws random numbers: a generator is needed")
        if state is None:
            state = {"optimiser": type(self).__name__, "x": x, "nit": 0, "history": []}
            state |= self._begin(f, x, generator)
        else:
            state = dict(state)
            f.nfev, f.njev, f.iteration = state["nfev"], state["njev"], state["nit"]
        reason = ""
        while not reason and state["nit"] < self._total():
            f.iteration = state["nit"] = state["nit"] + 1
            reason = self._iterate(f, state, generator)
            state |= {"nfev": f.nfev, "njev": f.njev}
            if generator is not None:
                state["generator"] = json.dumps(generator.bit_generator.state)
            if callback is not None and callback(dict(state)) and not reason:
                reason = "stopped by the callback"
        best, value = self._final(f, state)
        return Result(best, value, f.nfev, state["nit"], reason or "all iterations done", f.njev, state["history"])


def batched(fun: Function) -> Function:
    """Mark a function as taking points ``[k, P]`` and returning ``[k]``."""
    fun.batch = True  # type: ignore[attr-defined]
    return fun


def with_value(jac: Function) -> Function:
    """Mark a gradient as returning ``(value, gradient)``: one walk through a circuit gives both."""
    jac.with_value = True  # type: ignore[attr-defined]
    return jac

"""Zero-noise extrapolation of any circuit on any machine: `zne` runs it at stretched noise and extrapolates to none.

The machine is a function ``execute(circuit) -> value`` (or value and standard error): a simulator with a noise model
(`NoisyExecutor`), a real device, or a user's own. Noise is stretched by folding the circuit (see `folding`), or, where the
machine can do it, by asking for a stronger noise: ``execute(circuit, factor)``, scaling ``"channel"``. Folding reaches a factor only to
within a gate, which is much in a circuit of few gates: values are extrapolated from the factors that were reached.

>>> from bitket.quantum.circuits import Circuit
>>> from bitket.quantum.variational.mitigation.extrapolation import Exponential
>>> c = Circuit(1).ry(0.4, 0).x(0).x(0)
>>> decay = lambda circuit: 0.9 ** len(circuit)
>>> round(zne(decay, c, factors=(1, 3, 5), extrapolator=Exponential()).value, 9)
1.0
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from bitket.errors import InvalidInput
from bitket.quantum.circuits import Circuit
from bitket.quantum.variational.mitigation.extrapolation import (
    Array,
    Estimate,
    Exponential,
    ExtrapolationError,
    Extrapolator,
    Fit,
    Richardson,
    _is_count,
)
from bitket.quantum.variational.mitigation.folding import FoldingMethod, check_factor, fold, reached_factor

if TYPE_CHECKING:
    import torch
    from matplotlib.figure import Figure

    from bitket.algebra import PauliSum
    from bitket.quantum.noise import NoiseModel

__all__ = ["AdaptiveExponential", "Mitigated", "NoisyExecutor", "Scaling", "zne"]

Scaling = FoldingMethod | Literal["channel"]
Execute = Callable[..., Any]


@dataclass(frozen=True)
class AdaptiveExponential(Exponential):
    """An exponential whose noise levels are chosen as the measurements come in.

    After the factors 1 and ``second`` (and, for a free asymptote, ``second + 1``), the next factor is 1 + 1.27846/|z_1| for the
    decay rate z_1 of the fit so far, which minimises the error of the value at zero (arXiv:2005.10921, section III E),
    at most ``largest``.
    """

    steps: int = 5
    second: float = 2.0
    largest: float = 6.0

    def __init__(
        self, steps: int = 5, asymptote: float | None = 0.0, *, second: float = 2.0, largest: float = 6.0
    ) -> None:
        super().__init__(asymptote)
        if not _is_count(steps, self.minimum_levels) or not 1 < second <= largest < math.inf:
            raise InvalidInput(
                f"adaptive extrapolation: at least {self.minimum_levels} steps and 1 < second <= largest are needed, "
                f"given {steps} steps, second {second}, largest {largest}"
            )
        for name, value in (("steps", steps), ("second", second), ("largest", largest)):
            object.__setattr__(self, name, value)

    def next_factor(self, factors: Sequence[float], values: Sequence[float]) -> float:
        """The noise level to measure next."""
        if len(factors) < self.minimum_levels:
            return (1.0, self.second, self.second + 1)[len(factors)]
        averaged, means = _averaged(factors, values, None)[:2]
        if len(averaged) < self.minimum_levels:
            return self.largest
        try:
            curve = self.fit(averaged, means)
        except ExtrapolationError:  # nothing to go by yet
            return self.largest
        ends = [curve.predict(x).value for x in (0.0, 1.0)]
        a = self.asymptote if self.asymptote is not None else curve.predict(0.0).diagnostics["asymptote"]
        ratio = (ends[0] - a) / (ends[1] - a) if ends[1] != a else math.inf
        rate = abs(math.log(ratio)) if 0 < ratio < math.inf else math.inf
        return min(self.largest, 1 + 1.27846 / rate) if rate > 0 else self.largest


@dataclass(frozen=True)
class Mitigated:
    """What `zne` found: the mitigated value, and all that led to it."""

    value: float
    standard_error: float
    raw: float
    """Measured value at noise factor 1 (or the smallest factor)."""
    factors: Array
    """Noise factors reached, in rising order; values measured at the same one are averaged."""
    values: Array
    errors: Array | None
    fit: Fit
    diagnostics: dict[str, float]

    def figure(self, exact: float | None = None) -> Figure:
        """Measured values, the fitted curve down to zero noise, and the mitigated value (beside the exact one, if known)."""
        from matplotlib.figure import Figure

        figure = Figure(figsize=(5.5, 3.8), layout="constrained")
        axes = figure.add_subplot()
        x = np.linspace(0, self.factors.max() * 1.03, 200)
        axes.plot(x, self.fit.curve(x), color="C0", label="fit")
        axes.errorbar(self.factors, self.values, self.errors, fmt="o", color="C1", capsize=3, label="measured")
        error = None if math.isnan(self.standard_error) else self.standard_error
        axes.errorbar([0], [self.value], error, fmt="D", color="C0", capsize=3, label="mitigated")
        if exact is not None:
            axes.axhline(exact, color="0.4", linestyle="--", linewidth=1, label="exact")
        axes.set(xlabel="noise factor", ylabel="expectation value")
        axes.legend(frameon=False)
        return figure


@dataclass
class NoisyExecutor:
    """Runs circuits on the simulator: expectation of an observable under a noise model, exactly or from shots.

    Parameters
    ----------
    observable, noise
        What is measured, under which noise.
    shots
        Number of shots for each value, or None for the exact expectation.
    generator
        Needed with shots.
    """

    observable: PauliSum
    noise: NoiseModel
    shots: int | None = None
    generator: torch.Generator | None = None

    def __call__(self, circuit: Circuit, factor: float = 1.0) -> Estimate:
        """Value of a circuit, with the noise multiplied by ``factor``."""
        from bitket.quantum.simulation import expectation, expectation_with_error

        noise = self.noise if factor == 1 else self.noise.scaled(factor)
        if self.shots is None:
            return Estimate(float(expectation(circuit, self.observable, noise=noise)))
        value, error = expectation_with_error(
            circuit, self.observable, noise=noise, shots=self.shots, generator=self.generator
        )
        return Estimate(float(value), float(error))


def zne(
    execute: Execute,
    circuit: Circuit,
    *,
    factors: Sequence[float] = (1, 2, 3),
    extrapolator: Extrapolator | None = None,
    scaling: Scaling = "global",
    generator: np.random.Generator | None = None,
) -> Mitigated:
    """The noise-free expectation value, estimated from runs at stretched noise.

    Parameters
    ----------
    execute
        Runs a circuit and returns a value, ``(value, standard error)`` or an `Estimate`. With ``scaling="channel"`` it is called with
        the noise factor as second argument.
    circuit
        What to run; without free parameters.
    factors
        Wanted noise factors, at least 1; an adaptive extrapolator chooses its own. Where folding reaches fewer different ones, a
        warning tells.
    extrapolator
        By default `Richardson`.
    scaling
        How the noise is stretched: a folding method (``"global"``, ``"left"``, ``"right"``, ``"random"``) or ``"channel"``.
    generator
        Needed by random folding.

    Returns
    -------
    Mitigated
        Value and standard error at zero noise with the measurements, the fit and a figure. Standard errors of the measurements are
        used where all are positive.

    Raises
    ------
    InvalidInput
        The circuit has parameters without values; a factor is below 1; the machine returns a value that is not finite.
    ExtrapolationError
        Folding reaches fewer different factors than the extrapolator needs.
    """
    if circuit.parameters:
        raise InvalidInput(
            f"zero-noise extrapolation: parameter '{circuit.parameters[0].name}' has no value; bind it first"
        )
    if scaling != "channel" and scaling not in get_args(FoldingMethod):
        raise InvalidInput(
            f"noise scaling {scaling!r}: 'channel', {', '.join(map(repr, get_args(FoldingMethod)))} are known"
        )
    extrapolator = extrapolator or Richardson()
    wanted: set[float] = set()
    levels: list[float] = []
    results: list[Estimate] = []

    def measure(factor: float) -> None:
        check_factor(factor, "noise factor")
        wanted.add(float(factor))
        if scaling == "channel":
            answer, reached = execute(circuit, factor), float(factor)
        else:
            folded = fold(circuit, factor, scaling, generator=generator)
            answer, reached = execute(folded), reached_factor(circuit, folded)
        levels.append(reached)
        results.append(_estimate(answer, factor))

    if isinstance(extrapolator, AdaptiveExponential):
        for _ in range(extrapolator.steps):
            measure(extrapolator.next_factor(levels, [r.value for r in results]))
    else:
        for factor in factors:
            measure(factor)
    errors = [r.standard_error for r in results]
    known = all(e > 0 for e in errors)  # NaN is not
    x, y, sigma = _averaged(levels, [r.value for r in results], errors if known else None)
    if len(x) < len(wanted):
        found = (
            f"zero-noise extrapolation: folding reaches the noise factors {_list(x)} instead of {_list(sorted(wanted))}, "
            "as the circuit has few gates"
        )
        if len(x) < extrapolator.minimum_levels:
            raise ExtrapolationError(f"{found}; at least {extrapolator.minimum_levels} are needed")
        warnings.warn(found, stacklevel=2)
    fit = extrapolator.fit(x, y, sigma)
    zero = fit.predict(0.0)
    return Mitigated(zero.value, zero.standard_error, float(y[np.argmin(x)]), x, y, sigma, fit, zero.diagnostics)


def _list(factors: Iterable[float]) -> str:
    return ", ".join(f"{f:.4g}" for f in factors)


def _estimate(answer: Any, factor: float) -> Estimate:
    if not isinstance(answer, Estimate):
        try:
            value, error = answer if isinstance(answer, tuple) else (answer, math.nan)
            answer = Estimate(float(value), float(error))
        except (TypeError, ValueError):
            raise InvalidInput(
                f"the machine returned {answer!r} at noise factor {factor:g}: a number, (value, standard error) or an Estimate "
                "is needed"
            ) from None
    if not math.isfinite(answer.value):
        raise InvalidInput(f"the value measured at noise factor {factor:g} is {answer.value}: it must be finite")
    if answer.standard_error < 0 or math.isinf(answer.standard_error):
        raise InvalidInput(f"the standard error measured at noise factor {factor:g} is {answer.standard_error}")
    return answer


def _averaged(
    levels: Sequence[float], values: Sequence[float], errors: Sequence[float] | None
) -> tuple[Array, Array, Array | None]:
    """Values of equal noise level joined by inverse-variance weights."""
    x, where = np.unique(np.asarray(levels, dtype=float), return_inverse=True)
    weights = np.ones(len(levels)) if errors is None else 1 / np.asarray(errors) ** 2
    total = np.bincount(where, weights)
    y = np.bincount(where, weights * np.asarray(values)) / total
    return x, y, None if errors is None else 1 / np.sqrt(total)

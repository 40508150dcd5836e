"""Extrapolation of expectation values E(lambda), measured at noise strengths lambda, to zero noise.

Every extrapolator has ``fit(factors, values, errors) -> Fit`` and every fit has ``predict(x) -> Estimate``:

    linear, polynomial   E = c_0 + c_1 lambda + ...           least squares
    Richardson           E(0) = sum_k gamma_k E_k,  gamma_k = prod_{j != k} lambda_j / (lambda_j - lambda_k)
    exponential          E = a ± exp(z_0 + z_1 lambda)        a known (0 for a traceless observable) or fitted
    poly-exponential     E = a ± exp(z_0 + z_1 lambda + ...)

Sources: Temme, Bravyi, Gambetta 2017 (arXiv:1612.02058); Giurgica-Tiron et al. 2020 (arXiv:2005.10921), section III.

>>> fit = Richardson().fit([1, 2, 3], [0.7, 0.5, 0.4])
>>> round(fit.predict(0.0).value, 12)
1.0
"""

from __future__ import annotations

import math
import warnings
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bitket.errors import InvalidInput

__all__ = [
    "Estimate",
    "Exponential",
    "ExtrapolationError",
    "Extrapolator",
    "Fit",
    "Linear",
    "PolyExponential",
    "Polynomial",
    "Richardson",
    "bootstrap",
]

Array = NDArray[np.float64]
_TINY = 1e-9  # values so near the asymptote have no logarithm of meaning


class ExtrapolationError(InvalidInput):
    """Data that cannot be extrapolated: too few noise levels, values that are not finite, a fit that does not converge."""


@dataclass(frozen=True)
class Estimate:
    """A value with its standard error (NaN where the data give none) and notes on how it came about."""

    value: float
    standard_error: float = math.nan
    diagnostics: dict[str, float] = field(default_factory=dict)

    def interval(self, deviations: float = 1.959964) -> tuple[float, float]:
        """``value ± deviations x standard error``; by default 95 % of a normal distribution."""
        return self.value - deviations * self.standard_error, self.value + deviations * self.standard_error


def _is_count(value: Any, least: int) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool) and bool(value >= least)


def _numbers(values: ArrayLike, name: str) -> Array:
    try:
        return np.asarray(values, dtype=float)
    except (TypeError, ValueError):
        raise ExtrapolationError(f"{name}: lists of real numbers, equally long, are needed") from None


class Fit(ABC):
    """A model fitted to measured values."""

    @abstractmethod
    def predict(self, x: float = 0.0) -> Estimate:
        """Value at noise strength ``x``."""

    def curve(self, x: ArrayLike) -> Array:
        """Values at many noise strengths, for a figure."""
        return np.array([self.predict(float(v)).value for v in np.asarray(x, dtype=float).ravel()])


class Extrapolator(ABC):
    """A way to extrapolate; the settings are its fields."""

    minimum_levels: int = 2

    def fit(self, factors: ArrayLike, values: ArrayLike, errors: ArrayLike | None = None) -> Fit:
        """Fit to measurements.

        Parameters
        ----------
        factors
            Noise strengths, ``[k]``, distinct.
        values
            Measured expectation values, ``[k]``.
        errors
            Their standard errors, ``[k]``, positive; without them all values weigh the same and no shot noise is propagated.

        Raises
        ------
        ExtrapolationError
            Shapes differ, values are not finite, noise levels repeat or are too few for the model, errors are not positive.
        """
        return self._fit(*self._checked(factors, values, errors))

    def fit_many(self, factors: ArrayLike, values: ArrayLike, errors: ArrayLike | None = None) -> list[Fit]:
        """`fit` for many curves ``values [curves, k]`` (and ``errors``) at the same noise strengths; networks train all at once."""
        curves = _numbers(values, type(self).__name__)
        if curves.ndim != 2 or not len(curves):
            raise ExtrapolationError(
                f"{type(self).__name__}: values of shape {curves.shape}: [curves, noise levels] is needed"
            )
        sigmas: list[Any] = [None] * len(curves) if errors is None else list(_numbers(errors, type(self).__name__))
        if len(sigmas) != len(curves):
            raise ExtrapolationError(
                f"{type(self).__name__}: errors of {len(sigmas)} curves for values of {len(curves)}"
            )
        checked = [self._checked(factors, y, sigma) for y, sigma in zip(curves, sigmas, strict=True)]
        return self._fit_many(checked[0][0], curves, None if errors is None else np.stack([c[2] for c in checked]))  # type: ignore[misc]

    def _checked(
        self, factors: ArrayLike, values: ArrayLike, errors: ArrayLike | None
    ) -> tuple[Array, Array, Array | None]:
        name = type(self).__name__
        x, y = _numbers(factors, name), _numbers(values, name)
        sigma = None if errors is None else _numbers(errors, name)
        if x.ndim != 1 or x.shape != y.shape:
            raise ExtrapolationError(
                f"{name}: noise levels of shape {x.shape} and values of shape {y.shape} must be equally long lists"
            )
        if not (np.isfinite(x).all() and np.isfinite(y).all()):
            raise ExtrapolationError(f"{name}: noise levels and values must be finite")
        if len(x) < self.minimum_levels:
            raise ExtrapolationError(f"{name}: {len(x)} noise levels, at least {self.minimum_levels} are needed")
        if len(np.unique(x)) != len(x):
            raise ExtrapolationError(f"{name}: noise levels {x.tolist()} repeat; average values of equal level first")
        if sigma is not None and (sigma.shape != x.shape or not np.isfinite(sigma).all() or (sigma <= 0).any()):
            raise ExtrapolationError(f"{name}: standard errors must be {len(x)} positive numbers")
        return x, y, sigma

    @abstractmethod
    def _fit(self, x: Array, y: Array, sigma: Array | None) -> Fit: ...

    def _fit_many(self, x: Array, y: Array, sigma: Array | None) -> list[Fit]:
        return [self._fit(x, curve, None if sigma is None else sigma[k]) for k, curve in enumerate(y)]


@dataclass(frozen=True)
class Polynomial(Extrapolator):
    """Least-squares polynomial of the given order; weighted by 1/sigma² where standard errors are given."""

    order: int = 2

    def __post_init__(self) -> None:
        if not _is_count(self.order, 0):
            raise ExtrapolationError(
                f"polynomial order {self.order}: it must be a whole number and must not be negative"
            )

    @property
    def minimum_levels(self) -> int:  # type: ignore[override]
        """One more than the order."""
        return max(2, self.order + 1)

    def _fit(self, x: Array, y: Array, sigma: Array | None) -> Fit:
        return _PolynomialFit.of(x, y, self.order, sigma)


@dataclass(frozen=True)
class Linear(Extrapolator):
    """Straight line by least squares."""

    def _fit(self, x: Array, y: Array, sigma: Array | None) -> Fit:
        return _PolynomialFit.of(x, y, 1, sigma)


@dataclass(frozen=True)
class Richardson(Extrapolator):
    """The polynomial through all points; exact on polynomials of degree k - 1, with weights that grow fast with k."""

    def _fit(self, x: Array, y: Array, sigma: Array | None) -> Fit:
        return _RichardsonFit(x, y, sigma)


@dataclass(frozen=True)
class PolyExponential(Extrapolator):
    """``E = a + s exp(z(lambda))`` with z a polynomial and s = ±1 the side on which the first value lies.

    With a known asymptote, z is fitted to log(s (E - a)) with weights sqrt(s (E - a)), or (E - a)/sigma where standard errors are
    given. Values that shot noise carried across the asymptote count for nothing; with too few others there is no fit. With
    ``asymptote=None`` all coefficients are fitted at once.
    """

    order: int = 1
    asymptote: float | None = 0.0

    def __post_init__(self) -> None:
        if not _is_count(self.order, 1):
            raise ExtrapolationError(f"order {self.order} of an exponential: a whole number, at least 1, is needed")
        if self.asymptote is not None and not (isinstance(self.asymptote, Real) and math.isfinite(self.asymptote)):
            raise ExtrapolationError(f"asymptote {self.asymptote}: it must be finite")

    @property
    def minimum_levels(self) -> int:  # type: ignore[override]
        """One for each fitted coefficient."""
        return self.order + (2 if self.asymptote is None else 1)

    def _fit(self, x: Array, y: Array, sigma: Array | None) -> Fit:
        if self.asymptote is None:
            return _fit_free_asymptote(x, y, sigma, self.order)
        offset = y - self.asymptote
        lead = offset[np.argmin(x)]
        sign = 1.0 if lead >= 0 else -1.0
        magnitude = np.maximum(sign * offset, _TINY)  # shot noise can carry a small value across the asymptote
        kept = int((sign * offset > _TINY).sum())
        if kept < self.minimum_levels and np.abs(offset).max() > _TINY:
            raise ExtrapolationError(
                f"{type(self).__name__}: {kept} of {len(x)} values lie on the side of the asymptote {self.asymptote:g} where the "
                f"first one does, at least {self.minimum_levels} are needed: no decay can be fitted"
            )
        weight = np.sqrt(magnitude) if sigma is None else magnitude / sigma
        inner = _PolynomialFit.of(x, np.log(magnitude), self.order, None if sigma is None else 1 / weight, 1 / weight)
        return _ExponentialFit(inner, self.asymptote, sign)


class Exponential(PolyExponential):
    """``E = a + s exp(z_0 + z_1 lambda)``: exact where noise multiplies E by the same factor for each unit of lambda."""

    def __init__(self, asymptote: float | None = 0.0) -> None:
        super().__init__(1, asymptote)


# -- fits -------------------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class _PolynomialFit(Fit):
    coefficients: Array  # low order first
    covariance: Array | None
    residual: float

    @staticmethod
    def of(x: Array, y: Array, order: int, sigma: Array | None, weights_of: Array | None = None) -> _PolynomialFit:
        """Weighted least squares; ``weights_of`` (1/weight) is used for the fit alone where ``sigma`` is not known."""
        spread = sigma if sigma is not None else weights_of
        weight = np.ones_like(x) if spread is None else 1 / spread
        scale = float(np.abs(x).max()) or 1.0  # columns of like size: the normal equations stay well conditioned
        columns = (x[:, None] / scale) ** np.arange(order + 1)
        inverse = np.linalg.pinv(columns * weight[:, None]) * weight
        units = scale ** -np.arange(order + 1.0)
        operator = inverse * units[:, None]  # coefficients = operator @ y
        coefficients = operator @ y
        rest = y - columns @ (inverse @ y)
        residual = float(np.sqrt(np.mean(rest**2)))
        covariance = None
        if sigma is not None:
            covariance = (operator * sigma**2) @ operator.T
        elif len(x) > order + 1:  # the scatter about the fit tells the error
            variance = np.sum((rest * weight) ** 2) / (len(x) - order - 1)
            covariance = variance * (operator / weight**2) @ operator.T
        return _PolynomialFit(coefficients, covariance, residual)

    def predict(self, x: float = 0.0) -> Estimate:
        powers = float(x) ** np.arange(len(self.coefficients))
        error = math.nan
        if self.covariance is not None:
            error = math.sqrt(max(0.0, float(powers @ self.covariance @ powers)))
        return Estimate(float(powers @ self.coefficients), error, {"residual": self.residual})


@dataclass(frozen=True)
class _RichardsonFit(Fit):
    x: Array
    y: Array
    sigma: Array | None

    def predict(self, x: float = 0.0) -> Estimate:
        gamma = np.array(
            [math.prod((x - b) / (a - b) for j, b in enumerate(self.x) if j != k) for k, a in enumerate(self.x)]
        )
        error = math.nan if self.sigma is None else float(np.sqrt(np.sum((gamma * self.sigma) ** 2)))
        return Estimate(float(gamma @ self.y), error, {"amplification": float(np.sqrt(np.sum(gamma**2)))})


@dataclass(frozen=True)
class _ExponentialFit(Fit):
    exponent: _PolynomialFit
    asymptote: float
    sign: float

    def predict(self, x: float = 0.0) -> Estimate:
        z = self.exponent.predict(x)
        size = math.exp(min(z.value, 700.0))
        return Estimate(self.asymptote + self.sign * size, size * z.standard_error, z.diagnostics)


@dataclass(frozen=True)
class _FreeFit(Fit):
    parameters: Array  # asymptote, size at zero, z_1, z_2, ...
    covariance: Array | None

    def predict(self, x: float = 0.0) -> Estimate:
        a, b, *z = self.parameters
        powers = float(x) ** np.arange(1, len(z) + 1)
        factor = math.exp(min(float(powers @ np.array(z)), 700.0))
        gradient = np.concatenate([[1.0, factor], b * factor * powers])
        error = math.nan
        if self.covariance is not None:
            error = math.sqrt(max(0.0, float(gradient @ self.covariance @ gradient)))
        return Estimate(float(a + b * factor), error, {"asymptote": float(a)})


def _fit_free_asymptote(x: Array, y: Array, sigma: Array | None, order: int) -> Fit:
    from scipy.optimize import OptimizeWarning, curve_fit

    def model(t: Array, a: float, b: float, *z: float) -> Array:
        return np.asarray(a + b * np.exp(np.polynomial.polynomial.polyval(t, [0.0, *z])))

    rises = np.polyfit(x, y, 1)[0] > 0  # a curve that falls starts above its asymptote
    start = [0.0, -1.0 if rises else 1.0, -1.0] + [0.0] * (order - 1)
    try:
        with warnings.catch_warnings(), np.errstate(over="ignore"):
            warnings.simplefilter("ignore", OptimizeWarning)  # no covariance: reported as a NaN standard error
            parameters, covariance = curve_fit(
                model, x, y, start, sigma=sigma, absolute_sigma=sigma is not None, maxfev=20000
            )
    except RuntimeError:
        raise ExtrapolationError(
            "exponential with a free asymptote: the fit does not converge; give the asymptote"
        ) from None
    return _FreeFit(parameters, covariance if np.isfinite(covariance).all() else None)


def bootstrap(
    extrapolator: Extrapolator,
    factors: ArrayLike,
    values: ArrayLike,
    errors: ArrayLike,
    generator: np.random.Generator,
    *,
    samples: int = 200,
    x: float = 0.0,
) -> Estimate:
    """The extrapolated value with a parametric-bootstrap standard error.

    Values are redrawn from normal distributions of the given standard errors and extrapolated again; the standard deviation of the
    results, and their 2.5 % and 97.5 % quantiles (diagnostics ``low``, ``high``), need no linear error propagation.
    """
    if not _is_count(samples, 2) or errors is None:
        raise ExtrapolationError(f"bootstrap: standard errors and at least 2 samples are needed, given {samples}")
    centre = extrapolator.fit(factors, values, errors).predict(x)
    y, sigma = np.asarray(values, dtype=float), np.asarray(errors, dtype=float)
    results: list[float] = []
    for _ in range(samples):
        drawn = generator.normal(y, sigma)
        try:
            results.append(extrapolator.fit(factors, drawn, errors).predict(x).value)
        except ExtrapolationError:  # a draw that has no fit tells nothing; how many did is reported
            continue
    if len(results) < 2:
        raise ExtrapolationError("bootstrap: fewer than two redrawn data sets could be extrapolated")
    low, high = np.quantile(results, [0.025, 0.975])
    notes = {"low": float(low), "high": float(high), "failed": float(samples - len(results))}
    return Estimate(centre.value, float(np.std(results, ddof=1)), notes)


def standard_extrapolators() -> Sequence[Extrapolator]:
    """The extrapolators that need no setting, in the order of their number of fitted coefficients."""
    return (Linear(), Polynomial(2), Richardson(), Exponential(0.0), Exponential(None))

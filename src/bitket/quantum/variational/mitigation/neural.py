"""Zero-noise extrapolation by a feed-forward network, and mitigation learned from many circuits.

*Extrapolation* (Bhattacharjee et al. 2024, arXiv:2403.07025): a small network is fitted to pairs (noise strength, expectation
value) and evaluated at zero. The activation is tanh: the value at zero lies outside of the training interval, where a ReLU network
goes on along its last straight piece. An ensemble of networks from different starts gives the median and a spread.

*Learned mitigation*: one network, trained on many circuits whose ideal values are known, maps features of a noisy circuit to its
ideal value and is then applied to circuits it has not seen (in the manner of Strikis et al. 2021, arXiv:2005.07601).

All members of an ensemble, and the ensembles of many curves, train at once, as one batched matrix product per layer.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from bitket.learning.threads import one_thread
from bitket.quantum.variational.mitigation.extrapolation import (
    Estimate,
    ExtrapolationError,
    Extrapolator,
    Fit,
    _is_count,
    _numbers,
)

__all__ = ["Ensemble", "LearnedMitigation", "Neural", "train_ensembles"]

Array = NDArray[np.float64]
_AT_ONCE = 32


class Ensemble:
    """Networks of equal shape with tanh layers; weights of layer l are one tensor ``[members, in, out]``.

    Inputs and outputs are standardised by the training data.
    """

    def __init__(
        self, layers: list[tuple[torch.Tensor, torch.Tensor]], scales: tuple[torch.Tensor, ...], loss: Array
    ) -> None:
        self.layers = layers
        self.loss = loss
        """Final mean squared error of each member on the standardised training data, ``[members]``."""
        self._x_mean, self._x_scale, self._y_mean, self._y_scale = scales

    def predict(self, x: ArrayLike) -> Array:
        """Outputs of all members, ``[members, samples]``, for inputs ``[samples, features]``."""
        inputs = torch.as_tensor(np.asarray(x, dtype=float))
        with torch.no_grad():
            standard = (inputs - self._x_mean) / self._x_scale
            return (_forward(self.layers, standard) * self._y_scale + self._y_mean).numpy()


def _forward(layers: list[tuple[torch.Tensor, torch.Tensor]], x: torch.Tensor) -> torch.Tensor:
    out = x.expand(layers[0][0].shape[0], *x.shape[-2:])
    for k, (weight, bias) in enumerate(layers):
        out = torch.baddbmm(bias, out, weight)
        if k < len(layers) - 1:
            out = torch.tanh(out)
    return out.squeeze(-1)


def train_ensembles(
    x: ArrayLike,
    y: ArrayLike,
    *,
    hidden: tuple[int, ...],
    members: int,
    steps: int,
    learning_rate: float,
    weight_decay: float,
    seed: int,
    weights: ArrayLike | None = None,
) -> list[Ensemble]:
    """Fit an ensemble to each data set by full-batch Adam with cosine decay on the mean squared error of standardised data.

    Parameters
    ----------
    x, y
        Inputs ``[data sets, samples, features]`` and targets ``[data sets, samples]``.
    hidden
        Widths of the hidden layers.
    members
        Networks in each ensemble; every one has its own start.
    weights
        Weight of each sample in the loss, ``[data sets, samples]``; equal if not given.

    Notes
    -----
    Training is in single precision on standardised data. Optimiser and loss act on each network alone, so that training many together
    gives what training them one by one would. Memory: what `_AT_ONCE` data sets of networks and their moments need; that many stay in
    the cache.
    """
    inputs, targets = torch.as_tensor(np.asarray(x, dtype=float)), torch.as_tensor(np.asarray(y, dtype=float))
    importance = torch.ones_like(targets) if weights is None else torch.as_tensor(np.asarray(weights, dtype=float))
    importance = importance / importance.sum(-1, keepdim=True)
    x_mean, y_mean = inputs.mean(1, keepdim=True), targets.mean(1, keepdim=True)
    x_scale, y_scale = inputs.std(1, keepdim=True, unbiased=False), targets.std(1, keepdim=True, unbiased=False)
    x_scale = torch.where(x_scale > 0, x_scale, torch.ones_like(x_scale))
    y_scale = torch.where(y_scale > 0, y_scale, torch.ones_like(y_scale))
    standard, wanted = (inputs - x_mean) / x_scale, (targets - y_mean) / y_scale
    generator = torch.Generator().manual_seed(seed)
    out = []
    for start in range(0, len(inputs), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        xs, ys, shares = (v[part].repeat_interleave(members, dim=0).float() for v in (standard, wanted, importance))
        with one_thread():
            layers = _trained(xs, ys, shares, hidden, steps, learning_rate, weight_decay, generator)
        with torch.no_grad():
            loss = ((_forward(layers, xs) - ys) ** 2).mean(-1).double().numpy()
        for k in range(len(xs) // members):
            own, scales = (
                slice(k * members, (k + 1) * members),
                (v[start + k] for v in (x_mean, x_scale, y_mean, y_scale)),
            )
            out.append(Ensemble([(w[own].double(), b[own].double()) for w, b in layers], tuple(scales), loss[own]))
    return out


def _trained(
    x: torch.Tensor,
    y: torch.Tensor,
    importance: torch.Tensor,
    hidden: tuple[int, ...],
    steps: int,
    learning_rate: float,
    weight_decay: float,
    generator: torch.Generator,
) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Layers of one network for each leading index of the data."""
    layers = []
    for fan_in, fan_out in itertools.pairwise([x.shape[-1], *hidden, 1]):
        bound = math.sqrt(6 / (fan_in + fan_out))  # Glorot: keeps tanh units out of saturation at the start
        weight = (torch.rand(len(x), fan_in, fan_out, generator=generator) * 2 - 1) * bound
        bias = (torch.rand(len(x), 1, fan_out, generator=generator) * 2 - 1) * 0.5
        layers.append((weight.requires_grad_(), bias.requires_grad_()))
    parameters = [t for layer in layers for t in layer]
    optimiser = torch.optim.AdamW(parameters, lr=learning_rate, weight_decay=weight_decay, fused=True)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for _ in range(steps):
        optimiser.zero_grad(set_to_none=True)
        # The sum over networks keeps each network's gradient its own.
        loss = ((_forward(layers, x) - y) ** 2 * importance).sum()
        loss.backward()
        optimiser.step()
        schedule.step()
    return [(w.detach(), b.detach()) for w, b in layers]


@dataclass(frozen=True)
class Neural(Extrapolator):
    """Extrapolation by an ensemble of tanh networks ``1 -> hidden -> 1``.

    The value is the median of the ensemble, the standard error its spread (1.4826 times the median absolute deviation), which
    measures how much the networks differ outside of their data, not the shot noise: use `bootstrap` for both.
    Where standard errors of the values are given, samples are weighted by 1/sigma².
    """

    hidden: tuple[int, ...] = (32, 32)
    ensemble: int = 10
    steps: int = 2000
    learning_rate: float = 1e-2
    weight_decay: float = 1e-4
    seed: int = 0

    def __post_init__(self) -> None:
        _check_settings("neural extrapolation", self)

    def _fit(self, x: Array, y: Array, sigma: Array | None) -> Fit:
        return self._fit_many(x, y[None], None if sigma is None else sigma[None])[0]

    def _fit_many(self, x: Array, y: Array, sigma: Array | None) -> list[Fit]:
        ensembles = train_ensembles(
            np.tile(x[:, None], (len(y), 1, 1)),
            y,
            hidden=self.hidden,
            members=self.ensemble,
            steps=self.steps,
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            seed=self.seed,
            weights=None if sigma is None else sigma**-2,
        )
        return [_NeuralFit(e) for e in ensembles]


def _check_settings(name: str, settings: Neural | LearnedMitigation) -> None:
    hidden = settings.hidden if isinstance(settings.hidden, tuple | list) else (settings.hidden, 0)
    whole = all(_is_count(c, 1) for c in (*hidden, settings.ensemble, settings.steps)) and _is_count(settings.seed, 0)
    rates = math.isfinite(settings.learning_rate) and math.isfinite(settings.weight_decay)
    if not hidden or not whole or not rates or settings.learning_rate <= 0 or settings.weight_decay < 0:
        raise ExtrapolationError(
            f"{name}: widths, ensemble, steps (whole numbers) and learning rate must be positive, weight decay and seed not negative"
        )


def _median_and_spread(outputs: Array) -> tuple[Array, Array]:
    middle = np.median(outputs, axis=0)
    spread = 1.4826 * np.median(
        np.abs(outputs - middle), axis=0
    )  # the standard deviation, for normally distributed outputs
    return middle, spread


@dataclass(frozen=True)
class _NeuralFit(Fit):
    networks: Ensemble

    def predict(self, x: float = 0.0) -> Estimate:
        middle, spread = _median_and_spread(self.networks.predict([[x]])[:, 0])
        return Estimate(float(middle), float(spread), {"training_loss": float(np.median(self.networks.loss))})

    def curve(self, x: ArrayLike) -> Array:
        return _median_and_spread(self.networks.predict(np.asarray(x, dtype=float).reshape(-1, 1)))[0]


@dataclass
class LearnedMitigation:
    """Mitigation learned from circuits with known ideal values.

    Features are whatever describes a noisy circuit: error rates, angles, gate counts, and its noisy values at several noise strengths.
    The network predicts the *correction* to the column ``reference`` (the noisy value at the device's own noise), so that an
    untrained direction leaves the noisy value as it is.

    Attributes
    ----------
    reference
        Index of the feature that is the noisy value to be corrected.
    """

    reference: int
    hidden: tuple[int, ...] = (64, 64)
    ensemble: int = 5
    steps: int = 2000
    learning_rate: float = 1e-2
    weight_decay: float = 1e-3
    seed: int = 0

    def fit(self, features: ArrayLike, ideal: ArrayLike) -> LearnedMitigation:
        """Train on features ``[circuits, features]`` and ideal values ``[circuits]``.

        Raises
        ------
        ExtrapolationError
            Shapes do not fit, fewer than two circuits, values that are not finite.
        """
        _check_settings("learned mitigation", self)
        x, y = _numbers(features, "learned mitigation"), _numbers(ideal, "learned mitigation")
        if x.ndim != 2 or y.shape != x.shape[:1] or len(x) < 2:
            raise ExtrapolationError(
                f"learned mitigation: features {x.shape} and ideal values {y.shape}: [circuits, features] and [circuits]"
            )
        if not (np.isfinite(x).all() and np.isfinite(y).all()):
            raise ExtrapolationError("learned mitigation: features and ideal values must be finite")
        if not _is_count(self.reference, 0) or self.reference >= x.shape[1]:
            raise ExtrapolationError(f"learned mitigation: reference {self.reference} of {x.shape[1]} features")
        (self._networks,) = train_ensembles(
            x[None],
            (y - x[:, self.reference])[None],
            hidden=self.hidden,
            members=self.ensemble,
            steps=self.steps,
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            seed=self.seed,
        )
        self._width = x.shape[1]
        return self

    def predict(self, features: ArrayLike) -> tuple[Array, Array]:
        """Mitigated values and the spread of the ensemble, each ``[circuits]``."""
        if not hasattr(self, "_networks"):
            raise ExtrapolationError("learned mitigation: call fit first")
        x = _numbers(features, "learned mitigation")
        if x.ndim != 2 or x.shape[1] != self._width or not np.isfinite(x).all():
            raise ExtrapolationError(
                f"learned mitigation: features {x.shape}: [circuits, {self._width}], finite, are needed"
            )
        middle, spread = _median_and_spread(self._networks.predict(x))
        return x[:, self.reference] + middle, spread

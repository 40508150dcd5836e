"""Adversarial perturbations: small changes of an input, found by the gradient of the loss, that change what a classifier says.

    FGSM          x' = Π(x + ε sign ∇L)                                     Goodfellow, Shlens, Szegedy 2015, arXiv:1412.6572
    PGD, L∞       x_{k+1} = Π(x_k + a sign ∇L)                              Madry et al. 2018, arXiv:1706.06083
    PGD, L2       x_{k+1} = Π(x_k + a ∇L / |∇L|)
    masked Adam   Adam on x, down the true class's probability, within a mask  Ren et al. 2022, arXiv:2204.01738

Π projects onto the ball of radius ε round x, then onto the allowed range of values. The gradient passes through whatever the model does
with its input, the encoding of data into a circuit included; so any torch module that gives logits is attacked alike, and so is any
classifier that `as_module` makes one of. `random_noise` is the control: as large a change without a direction.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch

from bitket.errors import InvalidInput
from bitket.quantum.learning.differentiable import as_module

__all__ = ["Attack", "AttackResult", "Norm", "bim", "fgsm", "masked_adam", "pgd", "random_noise"]

Norm = Literal["inf", "2"]
Bounds = tuple[float, float] | None
Attack = Callable[[Any, Any, Any, float], "AttackResult"]
"""An attack whose settings are all chosen but the budget: ``attack(model, x, y, epsilon)``."""

_CHUNK = 256  # samples whose gradient is taken at a time
_TINY = 1e-10


@dataclass(frozen=True, eq=False)
class AttackResult:
    """What an attack made of samples ``[N, ...]``.

    Attributes
    ----------
    x
        Perturbed samples, ``[N, ...]``.
    delta
        Perturbation ``x - original``.
    path
        Probability of each sample's own class before the attack and after each step, ``[steps + 1, N]``.
    predicted
        Index of the likeliest class of each perturbed sample, ``[N]``.
    success
        Whether that is another class than the sample's own, ``[N]``; also where it was so before.
    """

    x: torch.Tensor
    delta: torch.Tensor
    path: torch.Tensor
    predicted: torch.Tensor
    success: torch.Tensor

    def norms(self, norm: Norm = "2") -> torch.Tensor:
        """Size of each perturbation, ``[N]``: the largest change (``"inf"``) or the Euclidean norm (``"2"``)."""
        return _norms(self.delta, _checked_norm(norm))

    @property
    def accuracy(self) -> float:
        """Share of perturbed samples that are still classified as their own class."""
        return 1.0 - float(self.success.double().mean())


def fgsm(model: Any, x: Any, y: Any, epsilon: float, *, bounds: Bounds = None) -> AttackResult:
    """Fast gradient sign method: one step of ``epsilon`` in each coordinate.

    Parameters
    ----------
    model
        A torch module that gives logits ``[N, classes]``, or a fitted classifier of this library (see `as_module`).
    x
        Samples ``[N, ...]`` as the model takes them.
    y
        Index of each sample's class for a module; its label, as in the fit, for a classifier.
    epsilon
        Size of the change, in units of x.
    bounds
        Least and greatest allowed value, such as ``(0, 1)`` for images; x must lie within.

    Raises
    ------
    InvalidInput
        A size, label, setting or value does not fit, or the model gives no gradient.

    Examples
    --------
    >>> model = torch.nn.Linear(2, 2)
    >>> result = fgsm(model, torch.zeros(3, 2), [0, 1, 0], 0.1)
    >>> result.norms("inf")
    tensor([0.1000, 0.1000, 0.1000])
    """
    target = _Target(model, x, y, bounds)
    epsilon = _budget(epsilon)

    def step(current: torch.Tensor, gradient: torch.Tensor) -> torch.Tensor:
        return current + epsilon * gradient.sign()

    return target.walk(target.x, step, 1)


def pgd(
    model: Any,
    x: Any,
    y: Any,
    epsilon: float,
    steps: int = 20,
    step: float | None = None,
    norm: Norm = "inf",
    *,
    bounds: Bounds = None,
    random_start: torch.Generator | None = None,
) -> AttackResult:
    """Projected gradient ascent on the loss within a ball of radius ``epsilon``.

    Parameters
    ----------
    model, x, y, bounds
        As of `fgsm`.
    epsilon
        Radius, in the given norm.
    steps, step
        Number and length of the steps; by default each has 2.5 ε / steps, so that the boundary can be reached and walked along.
    norm
        ``"inf"`` (largest change of a coordinate) or ``"2"`` (Euclidean).
    random_start
        Source of a first point, uniform in the ball; None starts at x itself.

    Raises
    ------
    InvalidInput
        As `fgsm`.
    """
    target = _Target(model, x, y, bounds)
    epsilon, steps, kind = _budget(epsilon), _count(steps), _checked_norm(norm)
    length = 2.5 * epsilon / steps if step is None else _budget(step, "step")
    start = target.x
    if random_start is not None:
        start = target.within(start + _in_ball(start, epsilon, kind, random_start))

    def move(current: torch.Tensor, gradient: torch.Tensor) -> torch.Tensor:
        if kind == "inf":
            moved = current + length * gradient.sign()
        else:
            moved = current + length * gradient / (_spread(_norms(gradient, "2"), gradient) + _TINY)
        return target.x + _projected(moved - target.x, epsilon, kind)

    return target.walk(start, move, steps)


def bim(
    model: Any,
    x: Any,
    y: Any,
    epsilon: float,
    steps: int = 10,
    step: float | None = None,
    *,
    bounds: Bounds = None,
) -> AttackResult:
    """Basic iterative method (Kurakin et al. 2017, arXiv:1607.02533): `pgd` in L∞ from x itself, by default with steps of ε / steps."""
    return pgd(model, x, y, epsilon, steps, epsilon / steps if step is None else step, "inf", bounds=bounds)


def masked_adam(
    model: Any,
    x: Any,
    y: Any,
    epsilon: float | None = None,
    steps: int = 10,
    learning_rate: float = 0.01,
    mask: Any = None,
    *,
    threshold: float = 0.05,
    background: float = 0.0,
    bounds: Bounds = None,
) -> AttackResult:
    """Adam on the input that lowers the probability of the true class, changing the object's coordinates alone.

    Parameters
    ----------
    model, x, y, bounds
        As of `fgsm`.
    epsilon
        Largest change of a coordinate; None for no limit beyond the steps'.
    steps, learning_rate
        Adam's; each step changes a coordinate by about the learning rate.
    mask
        Which coordinates may change, of the shape of x or of one sample; None: those whose value in x exceeds the background by more than
        ``threshold``. The others stay what they are, bit for bit.

    Raises
    ------
    InvalidInput
        As `fgsm`, or the mask has another shape.
    """
    target = _Target(model, x, y, bounds)
    steps, rate = _count(steps), _budget(learning_rate, "learning rate")
    allowed = _mask(target.x, mask, background + threshold)
    limit = None if epsilon is None else _budget(epsilon)
    beta, gamma = 0.9, 0.999
    first, second = torch.zeros_like(target.x), torch.zeros_like(target.x)
    count = 0

    def move(current: torch.Tensor, gradient: torch.Tensor) -> torch.Tensor:
        nonlocal first, second, count
        count += 1
        gradient = torch.where(allowed, gradient, torch.zeros_like(gradient))
        first = beta * first + (1 - beta) * gradient
        second = gamma * second + (1 - gamma) * gradient.square()
        change = (first / (1 - beta**count)) / ((second / (1 - gamma**count)).sqrt() + 1e-8)
        moved = current + rate * change
        if limit is not None:
            moved = target.x + (moved - target.x).clamp(-limit, limit)
        return torch.where(allowed, moved, target.x)

    return target.walk(target.x, move, steps, up="probability")


def random_noise(
    model: Any,
    x: Any,
    y: Any,
    epsilon: float,
    norm: Norm = "2",
    *,
    generator: torch.Generator,
    bounds: Bounds = None,
) -> AttackResult:
    """The control: a random perturbation of size ``epsilon``, in a uniform direction (``"2"``) or with random signs (``"inf"``).

    With ``bounds`` the perturbed samples are clipped to them, which shortens the perturbation.
    """
    target = _Target(model, x, y, bounds)
    epsilon, kind = _budget(epsilon), _checked_norm(norm)
    noise = torch.randn(target.x.shape, generator=generator, dtype=torch.float64).to(target.x)
    noise = noise.sign() if kind == "inf" else noise / (_spread(_norms(noise, "2"), noise) + _TINY)
    return target.walk(target.x, lambda current, _: current + epsilon * noise, 1, gradient=False)


class _Target:
    """A model and the samples that are attacked, checked."""

    def __init__(self, model: Any, x: Any, y: Any, bounds: Bounds):
        self.module, to_tensor, to_index = as_module(model)
        self.x = to_tensor(x)
        self.y = to_index(y).to(self.x.device)
        if self.x.ndim < 2 or len(self.x) != len(self.y):
            raise InvalidInput(
                f"attack: samples of shape {tuple(self.x.shape)} and {len(self.y)} labels; [N, ...] and N are needed"
            )
        if not bool(torch.isfinite(self.x).all()):
            raise InvalidInput("attack: the samples have values that are not finite")
        self.bounds = bounds
        if bounds is not None:
            low, high = bounds
            if not low < high:
                raise InvalidInput(f"attack: bounds {bounds}; two numbers, the lower one first, are needed")
            if len(self.x) and (float(self.x.min()) < low or float(self.x.max()) > high):
                raise InvalidInput(
                    f"attack: samples from {float(self.x.min()):.4g} to {float(self.x.max()):.4g} lie outside the bounds {bounds}"
                )

    def within(self, x: torch.Tensor) -> torch.Tensor:
        """Samples clipped to the bounds."""
        return x if self.bounds is None else x.clamp(*self.bounds)

    def walk(
        self,
        start: torch.Tensor,
        move: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
        steps: int,
        *,
        gradient: bool = True,
        up: Literal["loss", "probability"] = "loss",
    ) -> AttackResult:
        """Steps up the loss from ``start``, and what the model says on the way."""
        with _frozen(self.module):
            current, path = start.detach().clone(), []
            known = gradient and start is self.x  # the first gradient gives the probabilities there, too
            if not known:
                path.append(self._probabilities(self.x))
            for k in range(steps):
                slope = torch.zeros_like(current)
                if gradient:
                    slope, there = self._gradient(current, up)
                    if k or known:
                        path.append(there)
                current = self.within(move(current, slope)).detach()
            path.append(self._probabilities(current))
        own = torch.stack([p.gather(1, self.y[:, None])[:, 0] for p in path])
        predicted = path[-1].argmax(1)
        return AttackResult(current, current - self.x, own, predicted, predicted != self.y)

    def _probabilities(self, x: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            parts = [torch.softmax(self._logits(part), 1) for part in x.split(_CHUNK)]
        return torch.cat(parts) if parts else x.new_zeros((0, 1))

    def _logits(self, x: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.module(x)
        if logits.ndim != 2 or len(logits) != len(x) or logits.shape[1] < 2:
            raise InvalidInput(
                f"attack: the model gives {tuple(logits.shape)} for {len(x)} samples; logits [N, classes] are needed"
            )
        if len(self.y) and int(self.y.max()) >= logits.shape[1]:
            raise InvalidInput(f"attack: class {int(self.y.max())}; the model has {logits.shape[1]} classes")
        return logits

    def _gradient(self, x: torch.Tensor, up: str) -> tuple[torch.Tensor, torch.Tensor]:
        """Gradient of each sample's own loss, which does not depend on who else is in the batch, and the probabilities of all classes."""
        parts, probabilities = [], []
        for part, own in zip(x.split(_CHUNK), self.y.split(_CHUNK), strict=True):
            with torch.enable_grad():
                leaf = part.detach().clone().requires_grad_()
                logits = self._logits(leaf)
                if up == "loss":
                    value = torch.nn.functional.cross_entropy(logits, own, reduction="sum")
                else:
                    value = -torch.softmax(logits, 1).gather(1, own[:, None]).sum()
                if not value.requires_grad:
                    raise InvalidInput("attack: the model's output does not depend on its input differentiably")
                (slope,) = torch.autograd.grad(value, leaf, allow_unused=True)
            if slope is None:
                raise InvalidInput("attack: the model's output does not depend on its input differentiably")
            if not bool(torch.isfinite(slope).all()):
                raise InvalidInput("attack: the gradient of the loss has values that are not finite")
            parts.append(slope)
            probabilities.append(torch.softmax(logits.detach(), 1))
        if not parts:
            return torch.zeros_like(x), x.new_zeros((0, 1))
        return torch.cat(parts), torch.cat(probabilities)


@contextmanager
def _frozen(module: torch.nn.Module) -> Iterator[None]:
    """The module in evaluation mode and without gradients for its parameters, then as it was."""
    modes = [(m, m.training) for m in module.modules()]
    wanted = [(p, p.requires_grad) for p in module.parameters()]
    module.eval()
    for p, _ in wanted:
        p.requires_grad_(False)
    try:
        yield
    finally:
        for m, mode in modes:
            m.training = mode
        for p, flag in wanted:
            p.requires_grad_(flag)


def _norms(v: torch.Tensor, norm: Norm) -> torch.Tensor:
    flat = v.reshape(len(v), math.prod(v.shape[1:]))
    return torch.linalg.vector_norm(flat, ord=math.inf if norm == "inf" else 2, dim=1)


def _spread(each: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """A number for each sample, to be multiplied with samples."""
    return each.reshape(-1, *(1,) * (like.ndim - 1))


def _projected(delta: torch.Tensor, epsilon: float, norm: Norm) -> torch.Tensor:
    if norm == "inf":
        return delta.clamp(-epsilon, epsilon)
    size = _spread(_norms(delta, "2"), delta)
    return delta * torch.where(size > epsilon, epsilon / size.clamp_min(_TINY), torch.ones_like(size))


def _in_ball(x: torch.Tensor, epsilon: float, norm: Norm, generator: torch.Generator) -> torch.Tensor:
    """Points uniform in the ball."""
    if norm == "inf":
        return (epsilon * (2 * torch.rand(x.shape, generator=generator, dtype=torch.float64) - 1)).to(x)
    direction = torch.randn(x.shape, generator=generator, dtype=torch.float64)
    radius = torch.rand(len(x), generator=generator, dtype=torch.float64) ** (1 / math.prod(x.shape[1:]))
    size = _spread(_norms(direction, "2"), direction)
    return (epsilon * _spread(radius, direction) * direction / size).to(x)


def _mask(x: torch.Tensor, mask: Any, level: float) -> torch.Tensor:
    if mask is None:
        return x > level
    allowed = torch.as_tensor(np.asarray(mask) if not isinstance(mask, torch.Tensor) else mask, device=x.device)
    if allowed.dtype != torch.bool or tuple(allowed.shape) not in (tuple(x.shape), tuple(x.shape[1:])):
        raise InvalidInput(
            f"masked attack: mask of shape {tuple(allowed.shape)} and type {allowed.dtype}; "
            f"booleans {tuple(x.shape)} or {tuple(x.shape[1:])} are needed"
        )
    return allowed.expand(x.shape)


def _budget(value: float, name: str = "epsilon") -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | np.floating | np.integer):
        raise InvalidInput(f"attack: {name} {value!r}; a number is needed")
    if not 0 <= value < math.inf:
        raise InvalidInput(f"attack: {name} {value}; it must be finite and not negative")
    return float(value)


def _count(steps: int) -> int:
    if isinstance(steps, bool) or int(steps) != steps or steps < 1:
        raise InvalidInput(f"attack: steps {steps!r}; a positive whole number is needed")
    return int(steps)


def _checked_norm(norm: str) -> Norm:
    if norm not in ("inf", "2"):
        raise InvalidInput(f"attack: norm {norm!r}; 'inf' and '2' are known")
    return norm  # type: ignore[return-value]

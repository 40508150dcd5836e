"""scikit-learn classifiers round torch modules: hybrid networks, their classical twins, whatever gives logits.

A classifier names its settings and builds a module from the shape of one sample; the rest, from labels of any type to early stopping, is
here. The scaling of the inputs is the module's first layer, learnt from the training part alone, so that ``module_`` takes samples as the
user has them (and an attack on it moves them as the user sees them):

>>> class Plain(ModuleClassifier):
...     def _build(self, shape, classes, generator):
...         hidden = torch.nn.Linear(math.prod(shape), 8)
...         return torch.nn.Sequential(torch.nn.Flatten(), hidden, torch.nn.Tanh(), torch.nn.Linear(8, classes))
>>> X = np.array([[0.1, 2.0], [0.2, 1.5], [3.0, 0.1], [2.5, 0.3]])
>>> Plain(epochs=30, random_state=1).fit(X, ["tall", "tall", "wide", "wide"]).predict([[2.8, 0.2]]).tolist()
['wide']
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from bitket.data.estimators import SampleClassifier, check_fitted, generator_of
from bitket.errors import InvalidInput
from bitket.learning.threads import threads_for
from bitket.learning.training import Training

__all__ = ["DTYPES", "ImageClassifier", "InputScaling", "ModuleClassifier"]

Array = NDArray[np.float64]
DTYPES = {"float32": torch.float32, "float64": torch.float64}
_CHUNK = 1024  # samples that are predicted at a time


class InputScaling(torch.nn.Module):
    """``(x - offset) factor``, then clipped to [low, high] if they are given; offset and factor broadcast with one sample.

    >>> InputScaling.to_range(np.array([[1.0], [3.0]]), 0.0, 2.0)(torch.tensor([[2.0], [9.0]])).tolist()
    [[1.0], [2.0]]
    """

    offset: torch.Tensor
    factor: torch.Tensor

    def __init__(self, offset: ArrayLike, factor: ArrayLike, low: float | None = None, high: float | None = None):
        super().__init__()
        self.register_buffer("offset", torch.as_tensor(np.asarray(offset, dtype=float)))
        self.register_buffer("factor", torch.as_tensor(np.asarray(factor, dtype=float)))
        self.low, self.high = low, high

    @classmethod
    def standardised(cls, x: Array) -> InputScaling:
        """Each feature to mean 0 and deviation 1 over samples ``[t, ...]``; a constant one to 0."""
        return cls(x.mean(axis=0), _inverse(x.std(axis=0)))

    @classmethod
    def standardised_channels(cls, x: Array) -> InputScaling:
        """Each channel of images ``[t, c, h, w]`` to mean 0 and deviation 1 over all pixels."""
        mean, deviation = (f(axis=(0, 2, 3))[:, None, None] for f in (x.mean, x.std))
        return cls(mean, _inverse(deviation))

    @classmethod
    def to_range(cls, x: Array, low: float, high: float) -> InputScaling:
        """The range of each feature in the samples onto [low, high]; other values are clipped to it."""
        least, width = x.min(axis=0), np.ptp(x, axis=0)
        factor = (high - low) * _inverse(width)
        with np.errstate(divide="ignore", invalid="ignore"):
            offset = np.where(factor != 0, least - low / factor, least)
        return cls(offset, factor, low, high)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Scaled samples ``[B, ...]``."""
        y = (x - self.offset) * self.factor
        return y if self.low is None and self.high is None else y.clamp(self.low, self.high)


def _inverse(width: Array) -> Array:
    return np.divide(1.0, width, out=np.zeros_like(width), where=width > 0)


class ModuleClassifier(SampleClassifier):
    """A classifier that trains a torch module by cross-entropy; a subclass defines `_build`, and `_scaling` for another than standard
    scaling.

    Parameters
    ----------
    epochs, batch_size, learning_rate
        Of `bitket.learning.Training` with Adam and cosine decay.
    patience
        Epochs without a lower loss on a tenth of the training data, drawn from each class and not trained on, after which training stops;
        the weights of the best epoch are kept. None: all epochs, on all training data.
    image_shape
        How flat samples ``[t, features]`` are reshaped, row by row; None: not at all. Samples ``[t, h, w]`` or ``[t, c, h, w]`` have their
        shape already.
    random_state
        Seed or generator of first weights, order and held-out share; None: a new seed.
    device, dtype
        Where and how the module computes: ``"cpu"``, ``"cuda"``; ``"float32"``, ``"float64"``.

    Attributes
    ----------
    classes_, n_features_in_
        The labels, sorted, and the numbers in one sample.
    sample_shape_
        Shape of one sample.
    training_
        The `TrainingResult`.
    module_
        From samples ``[B, *sample_shape_]`` to logits ``[B, classes]``, in evaluation mode.
    """

    _fit_gives: ClassVar[str] = "module_"

    def __init__(
        self,
        epochs: int = 20,
        batch_size: int = 32,
        learning_rate: float = 1e-2,
        patience: int | None = None,
        image_shape: tuple[int, ...] | None = None,
        random_state: int | np.random.Generator | None = 0,
        device: str = "cpu",
        dtype: Literal["float32", "float64"] = "float32",
    ) -> None:
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.patience = patience
        self.image_shape = image_shape
        self.random_state = random_state
        self.device = device
        self.dtype = dtype

    # -- what a subclass defines -------------------------------------------------------------------------------------
    def _build(self, shape: tuple[int, ...], classes: int, generator: torch.Generator) -> torch.nn.Module:
        """The module, from scaled samples ``[B, *shape]`` to logits ``[B, classes]``. Torch's own generator is seeded before the call,
        so its layers' first weights need no care; ``generator`` is for what asks for one."""
        raise NotImplementedError

    def _scaling(self, x: Array) -> torch.nn.Module:
        """The scaling learnt from training samples ``[t, *shape]``; it keeps what it has learnt in buffers."""
        return InputScaling.standardised(x)

    def _flat_shape(self, features: int) -> tuple[int, ...]:
        """The shape of samples that come flat, without ``image_shape``; it may hold more numbers, the rest of which are zero."""
        return (features,)

    # -- scikit-learn's methods --------------------------------------------------------------------------------------
    def fit(self, X: ArrayLike, y: Any) -> ModuleClassifier:
        """Train on samples ``[t, features]`` or images ``[t, h, w]``, ``[t, c, h, w]``, and labels ``[t]``.

        Raises
        ------
        InvalidInput
            A sample, label or setting does not fit.
        """
        name = type(self).__name__
        dtype, device = self._place()
        flat, own = _flattened(X)
        x, index = self._learned(flat, y)
        shape = own or (tuple(self.image_shape) if self.image_shape is not None else self._flat_shape(x.shape[1]))
        if math.prod(shape) < x.shape[1] or (self.image_shape is not None and math.prod(shape) != x.shape[1]):
            raise InvalidInput(f"{name}: samples of {x.shape[1]} features; image_shape {shape} is another size")
        training = Training(
            self.epochs, self.batch_size, learning_rate=self.learning_rate, decay="cosine", patience=self.patience
        )
        numbers = generator_of(self.random_state)
        held = _held_out(index, numbers) if self.patience is not None else np.zeros(len(index), dtype=bool)
        training = replace(training, batch_size=_no_single(self.batch_size, int((~held).sum())))
        generator = torch.Generator().manual_seed(int(numbers.integers(2**63)))
        samples = _shaped(x, shape)
        self.sample_shape_ = shape
        module = self._assembled(self._scaling(samples[~held]), shape, generator).to(device=device, dtype=dtype)
        inputs = torch.as_tensor(samples, dtype=dtype, device=device)
        targets = torch.as_tensor(index, device=device)
        mask = torch.as_tensor(held, device=device)
        self.training_ = training.fit(
            module,
            torch.nn.functional.cross_entropy,
            inputs[~mask],
            targets[~mask],
            validation=(inputs[mask], targets[mask]) if self.patience is not None else None,
            generator=generator,
        )
        self.training_.best_weights = {}  # they are the module's
        self.module_ = module.eval()
        return self

    def predict_proba(self, X: ArrayLike) -> Array:
        """Probabilities ``[s, classes]``: the softmax of the logits."""
        return np.asarray(torch.softmax(torch.as_tensor(self.decision_logits(X)), dim=1).numpy())

    def decision_logits(self, X: ArrayLike) -> Array:
        """Logits ``[s, classes]`` of further samples, in float64."""
        inputs = self.samples(X)
        with torch.no_grad(), threads_for(self.module_):
            parts = [self.module_(chunk).double().cpu() for chunk in inputs.split(_CHUNK)]
        return np.asarray(torch.cat(parts).numpy())

    def samples(self, X: ArrayLike) -> torch.Tensor:
        """Further samples as ``module_`` takes them, ``[s, *sample_shape_]``, on its device.

        Raises
        ------
        NotFitted, InvalidInput
            As `predict`; images of another shape than those of the fit.
        """
        check_fitted(self, self._fit_gives)
        first = next(self.module_.parameters())
        flat, own = _flattened(X)
        if own is not None and own != self.sample_shape_:
            raise InvalidInput(
                f"{type(self).__name__}: images of shape {own}; it is fitted to samples of shape {self.sample_shape_}"
            )
        return torch.as_tensor(_shaped(self._seen(flat), self.sample_shape_), dtype=first.dtype, device=first.device)

    def restore(self, weights: Mapping[str, torch.Tensor]) -> None:
        """Set ``module_`` from its state, built anew for ``sample_shape_`` and ``classes_``."""
        dtype, device = self._place()
        zeros = np.zeros((1, *self.sample_shape_))
        module = self._assembled(self._scaling(zeros), self.sample_shape_, torch.Generator().manual_seed(0))
        module.to(device=device, dtype=dtype).load_state_dict(dict(weights))
        self.module_ = module.eval()

    # -- how it is put together --------------------------------------------------------------------------------------
    def _assembled(
        self, scaling: torch.nn.Module, shape: tuple[int, ...], generator: torch.Generator
    ) -> torch.nn.Sequential:
        """Scaling and network in one module."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(torch.randint(2**62, (), generator=generator)))
            return torch.nn.Sequential(scaling, self._build(shape, len(self.classes_), generator))

    def _place(self) -> tuple[torch.dtype, torch.device]:
        name = type(self).__name__
        if self.dtype not in DTYPES:
            raise InvalidInput(f"{name}: dtype {self.dtype!r}; {' or '.join(DTYPES)} is needed")
        try:
            device = torch.device(self.device)
            torch.empty(0, device=device)
        except (RuntimeError, AssertionError, TypeError, NotImplementedError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise InvalidInput(f"{name}: device {self.device!r} cannot be used ({reason})") from None
        return DTYPES[self.dtype], device


class ImageClassifier(ModuleClassifier):
    """A `ModuleClassifier` whose module takes images ``[B, c, h, w]``, scaled to mean 0 and deviation 1 in each channel.

    Grey images ``[t, h, w]`` get their one channel. Flat samples without ``image_shape`` are laid row by row into the smallest square, of
    `_least_side` pixels at least, that holds them; the rest is zero.
    """

    _least_side: ClassVar[int] = 2

    def _flat_shape(self, features: int) -> tuple[int, ...]:
        side = max(self._least_side, math.isqrt(features - 1) + 1)
        return (side, side)

    def _scaling(self, x: Array) -> torch.nn.Module:
        images = _with_channel(x)
        if min(images.shape[2:]) < self._least_side:
            raise InvalidInput(
                f"{type(self).__name__}: images of {images.shape[2]} x {images.shape[3]} pixels; "
                f"{self._least_side} x {self._least_side} at least are needed"
            )
        return torch.nn.Sequential(_Channel(), self._scaled(images))

    def _scaled(self, images: Array) -> torch.nn.Module:
        """The scaling learnt from training images ``[t, c, h, w]``."""
        return InputScaling.standardised_channels(images)

    def _assembled(
        self, scaling: torch.nn.Module, shape: tuple[int, ...], generator: torch.Generator
    ) -> torch.nn.Sequential:
        return super()._assembled(scaling, shape if len(shape) == 3 else (1, *shape), generator)


class _Channel(torch.nn.Module):
    """Grey images ``[B, h, w]`` get their channel; others are left."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.unsqueeze(1) if x.ndim == 3 else x


def _with_channel(x: Array) -> Array:
    return x[:, None] if x.ndim == 3 else x


def _flattened(X: Any) -> tuple[Any, tuple[int, ...] | None]:
    """Images as rows, with the shape of one; anything else as it is."""
    try:
        shape = tuple(X.shape) if hasattr(X, "shape") else np.shape(X) if isinstance(X, list | tuple) else ()
    except ValueError:  # ragged lists, which the validation refuses in its own words
        return X, None
    if len(shape) < 3:
        return X, None
    if len(shape) > 4:
        raise InvalidInput(f"samples of shape {shape}: [t, features], [t, h, w] or [t, c, h, w] is needed")
    return np.asarray(X).reshape(shape[0], math.prod(shape[1:])), tuple(shape[1:])


def _shaped(x: Array, shape: tuple[int, ...]) -> Array:
    missing = math.prod(shape) - x.shape[1]
    return (np.pad(x, ((0, 0), (0, missing))) if missing else x).reshape(len(x), *shape)


def _no_single(size: int, count: int) -> int:
    """A batch size that leaves no last batch of one sample, over which batch norm cannot take a mean."""
    while size > 1 and size < count and count % size == 1:
        size += 1
    return size


def _held_out(index: NDArray[np.int64], numbers: np.random.Generator) -> NDArray[np.bool_]:
    """A tenth of each class, one sample at least of those that have two or more; of tiny data at least one in all."""
    held = np.zeros(len(index), dtype=bool)
    for k in np.unique(index):
        own = np.flatnonzero(index == k)
        if len(own) > 1:
            held[numbers.choice(own, max(1, round(len(own) / 10)), replace=False)] = True
    if not held.any() or held.all():
        raise InvalidInput(f"patience: {len(index)} samples are too few to hold a tenth of each class out")
    return held

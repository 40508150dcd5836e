"""The networks of `images` as scikit-learn classifiers: images, or any table laid into a square, in; labels out.

>>> from bitket.data import load
>>> digits = load("digits").of_classes("0", "1")
>>> model = HQNNQuanvClassifier(epochs=5).fit(digits.X[:200], digits.y[:200])
>>> model.sample_shape_, model.score(digits.X[200:], digits.y[200:]) > 0.9
((8, 8), True)
"""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
import torch

from bitket.errors import InvalidInput
from bitket.quantum.learning.images import ClassicalPeer, HQNNParallel, HQNNQuanv, ParallelPart, QuanvPart
from bitket.quantum.learning.module_classifier import Array, ImageClassifier, InputScaling

__all__ = ["CNNClassifier", "HQNNParallelClassifier", "HQNNQuanvClassifier"]

RandomState = int | np.random.Generator | None
Precision = Literal["float32", "float64"]


class HQNNParallelClassifier(ImageClassifier):
    """`HQNNParallel`, trained.

    Parameters
    ----------
    circuits, qubits, repetitions, quantum
        Of `HQNNParallel`.
    epochs, batch_size, learning_rate, patience, image_shape, random_state, device, dtype
        Of `ModuleClassifier`.
    """

    _least_side: ClassVar[int] = 4

    def __init__(
        self,
        circuits: int = 4,
        qubits: int = 5,
        repetitions: int = 3,
        quantum: ParallelPart = "circuits",
        epochs: int = 20,
        batch_size: int = 32,
        learning_rate: float = 5e-3,
        patience: int | None = None,
        image_shape: tuple[int, ...] | None = None,
        random_state: RandomState = 0,
        device: str = "cpu",
        dtype: Precision = "float32",
    ) -> None:
        super().__init__(epochs, batch_size, learning_rate, patience, image_shape, random_state, device, dtype)
        self.circuits = circuits
        self.qubits = qubits
        self.repetitions = repetitions
        self.quantum = quantum

    def _build(self, shape: tuple[int, ...], classes: int, generator: torch.Generator) -> torch.nn.Module:
        if self.batch_size == 1:
            raise InvalidInput(f"{type(self).__name__}: batch_size 1; batch norm takes means over a batch: 2 at least")
        c, h, w = shape
        return HQNNParallel(
            c,
            (h, w),
            classes,
            circuits=self.circuits,
            qubits=self.qubits,
            repetitions=self.repetitions,
            quantum=self.quantum,
            generator=generator,
        )


class HQNNQuanvClassifier(ImageClassifier):
    """`HQNNQuanv`, trained; the range of the training pixels becomes 0 to 1.

    Parameters
    ----------
    layers, quantum
        Of `HQNNQuanv`.
    reduce
        Of `HQNNQuanv`; None: 2 for images of 14 x 14 pixels or more, 1 for smaller ones.
    epochs, batch_size, learning_rate, patience, image_shape, random_state, device, dtype
        Of `ModuleClassifier`.
    """

    def __init__(
        self,
        layers: int = 4,
        reduce: int | None = None,
        quantum: QuanvPart = "circuits",
        epochs: int = 30,
        batch_size: int = 32,
        learning_rate: float = 1e-2,
        patience: int | None = None,
        image_shape: tuple[int, ...] | None = None,
        random_state: RandomState = 0,
        device: str = "cpu",
        dtype: Precision = "float32",
    ) -> None:
        super().__init__(epochs, batch_size, learning_rate, patience, image_shape, random_state, device, dtype)
        self.layers = layers
        self.reduce = reduce
        self.quantum = quantum

    def _scaled(self, images: Array) -> torch.nn.Module:
        low, high = images.min(axis=(0, 2, 3)), images.max(axis=(0, 2, 3))
        return InputScaling.to_range(np.stack([low, high])[:, :, None, None], 0.0, 1.0)

    def _build(self, shape: tuple[int, ...], classes: int, generator: torch.Generator) -> torch.nn.Module:
        c, h, w = shape
        reduce = self.reduce if self.reduce is not None else 2 if min(h, w) >= 14 else 1
        return HQNNQuanv(
            c, (h, w), classes, reduce=reduce, layers=self.layers, quantum=self.quantum, generator=generator
        )


class CNNClassifier(ImageClassifier):
    """`ClassicalPeer`, trained: a plain convolutional network with eight times the parameters of HQNN-Parallel.

    Parameters
    ----------
    epochs, batch_size, learning_rate, patience, image_shape, random_state, device, dtype
        Of `ModuleClassifier`.
    """

    _least_side: ClassVar[int] = 4

    def __init__(
        self,
        epochs: int = 20,
        batch_size: int = 32,
        learning_rate: float = 3e-3,
        patience: int | None = None,
        image_shape: tuple[int, ...] | None = None,
        random_state: RandomState = 0,
        device: str = "cpu",
        dtype: Precision = "float32",
    ) -> None:
        super().__init__(epochs, batch_size, learning_rate, patience, image_shape, random_state, device, dtype)

    def _build(self, shape: tuple[int, ...], classes: int, generator: torch.Generator) -> torch.nn.Module:
        c, h, w = shape
        return ClassicalPeer(c, (h, w), classes)

"""Images of two classes as features of a circuit: brought to 16 x 16 pixels, divided by their 2-norm, times T = 2."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from bitket.errors import InvalidInput
from bitket.files import require_file
from bitket.quantum.learning.interleaved import NormalisedFeatures

__all__ = ["image_features", "read_two_classes", "split", "two_classes"]

Labelled = tuple[torch.Tensor, torch.Tensor]
_PARTS = ("train_images", "train_labels", "test_images", "test_labels")


def image_features(images: ArrayLike, side: int = 16, temperature: float = 2.0) -> torch.Tensor:
    """Grey images ``[N, h, h]`` as features ``[N, side²]`` in single precision: smaller ones get a black margin, larger ones are resampled
    (bilinear, antialiased).

    >>> image_features(np.ones((1, 8, 8))).reshape(16, 16)[3:6, 3:6].tolist()
    [[0.0, 0.0, 0.0], [0.0, 0.25, 0.25], [0.0, 0.25, 0.25]]
    """
    pixels = torch.as_tensor(np.asarray(images), dtype=torch.float32)
    if pixels.ndim != 3 or pixels.shape[1] != pixels.shape[2]:
        raise InvalidInput(f"images of shape {tuple(pixels.shape)}: square grey ones, [N, h, h], are needed")
    missing = side - pixels.shape[-1]
    if missing > 0:
        before = missing // 2
        pixels = torch.nn.functional.pad(pixels, (before, missing - before) * 2)
    elif missing < 0:
        pixels = torch.nn.functional.interpolate(pixels[:, None], (side, side), mode="bilinear", antialias=True)[:, 0]
    return NormalisedFeatures(temperature)(pixels)


def two_classes(pixels: ArrayLike, labels: ArrayLike, first: int, second: int) -> Labelled:
    """Features of the images with one of two labels, and 0 and 1 for the first and the second."""
    own = np.asarray(labels)
    chosen = np.isin(own, (first, second))
    if len(np.unique(own[chosen])) < 2:
        raise InvalidInput(f"images of the classes {first} and {second}: some of both are needed")
    return image_features(np.asarray(pixels)[chosen]), _indices(own[chosen] == second)


def read_two_classes(path: str | Path) -> tuple[Labelled, Labelled]:
    """Training and test images from an npz file with train_images ``[N, h, h]``, train_labels (0 and 1), test_images and test_labels.

    Raises
    ------
    InvalidInput
        The file is not there, or an array is missing or does not fit.
    """
    path = require_file(path)
    try:
        with np.load(path, allow_pickle=False) as stored:
            parts = [np.asarray(stored[name]) for name in _PARTS]
    except (KeyError, OSError, TypeError, ValueError):
        raise InvalidInput(f"{path}: an npz file with the arrays {', '.join(_PARTS)} is needed") from None
    found = []
    for images, labels in (parts[:2], parts[2:]):
        numbers = images.dtype.kind in "biuf" and images.ndim == 3 and images.shape[1] == images.shape[2]
        if not numbers or labels.shape != images.shape[:1] or set(np.unique(labels).tolist()) != {0, 1}:
            raise InvalidInput(f"{path}: square images [N, h, h] and their labels, some 0 and some 1, are needed")
        if not np.isfinite(images).all():
            raise InvalidInput(f"{path}: pixels that are not finite")
        found.append((image_features(images), _indices(labels)))
    return found[0], found[1]


def split(data: Labelled, training: int, tests: int, generator: np.random.Generator) -> tuple[Labelled, Labelled]:
    """Disjoint random samples to train on and to test; where there are too few, both get their share."""
    x, y = data
    tests = min(tests, len(y) * tests // (training + tests))
    order = torch.as_tensor(generator.permutation(len(y)))
    first, last = order[tests : tests + training], order[:tests]
    return (x[first], y[first]), (x[last], y[last])


def _indices(labels: NDArray[Any]) -> torch.Tensor:
    return torch.as_tensor(labels.astype(np.int64))

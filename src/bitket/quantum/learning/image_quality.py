"""How near an image is to the one it should be: structural similarity and peak signal-to-noise ratio, for pixels between 0 and 1.

    SSIM = mean over places of (2 μ_a μ_b + C1)(2 σ_ab + C2) / ((μ_a² + μ_b² + C1)(σ_a² + σ_b² + C2)),   C1 = 0.01², C2 = 0.03²
    PSNR = -10 log10 of the mean squared error, in decibels

Means and (population) variances are weighted by a Gaussian of σ = 1.5 in a window of 11 x 11 pixels, at places where it fits.
Source: Wang, Bovik, Sheikh and Simoncelli 2004, IEEE Transactions on Image Processing 13, 600-612.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bitket.errors import InvalidInput

__all__ = ["psnr", "ssim"]

Array = NDArray[np.float64]
_SIGMA, _RADIUS = 1.5, 5
_C1, _C2 = 0.01**2, 0.03**2
_BLOCK = 1 << 24  # pixels whose windows are held at a time


def ssim(images: ArrayLike, others: ArrayLike) -> Array:
    """Structural similarity of each image with its other, ``[...]``, for images ``[..., height, width]``; 1 for equal ones.

    Raises
    ------
    InvalidInput
        Shapes differ, a side is shorter than 11 pixels, or a pixel is not finite.
    """
    a, b = _pair(images, others)
    if min(a.shape[-2:]) < 2 * _RADIUS + 1:
        raise InvalidInput(f"SSIM of images of {a.shape[-2]} x {a.shape[-1]} pixels: its window needs 11 x 11")
    flat = [v.reshape(-1, *a.shape[-2:]) for v in (a, b)]
    step = max(1, _BLOCK // (a.shape[-1] * a.shape[-2]))
    parts = [_similarity(*(v[k : k + step] for v in flat)) for k in range(0, len(flat[0]), step)]
    return np.concatenate([*parts, np.empty(0)]).reshape(a.shape[:-2])


def _similarity(a: Array, b: Array) -> Array:
    from scipy.ndimage import gaussian_filter

    def mean(v: Array) -> Array:
        inner = slice(_RADIUS, -_RADIUS)
        return gaussian_filter(v, (0, _SIGMA, _SIGMA), radius=(0, _RADIUS, _RADIUS))[:, inner, inner]

    ma, mb = mean(a), mean(b)
    va, vb, covariance = mean(a * a) - ma * ma, mean(b * b) - mb * mb, mean(a * b) - ma * mb
    value = (2 * ma * mb + _C1) * (2 * covariance + _C2) / ((ma * ma + mb * mb + _C1) * (va + vb + _C2))
    return np.asarray(value.mean(axis=(1, 2)))


def psnr(images: ArrayLike, others: ArrayLike) -> Array:
    """Peak signal-to-noise ratio in decibels, ``[...]``, for images ``[..., height, width]``; infinite for equal ones.

    Raises
    ------
    InvalidInput
        Shapes differ, there are no pixels, or one is not finite.
    """
    a, b = _pair(images, others)
    with np.errstate(divide="ignore"):
        return np.asarray(-10 * np.log10(np.mean((a - b) ** 2, axis=(-2, -1))))


def _pair(images: ArrayLike, others: ArrayLike) -> tuple[Array, Array]:
    a, b = (np.asarray(v, dtype=np.float64) for v in (images, others))
    if a.shape != b.shape or a.ndim < 2 or 0 in a.shape[-2:]:
        raise InvalidInput(
            f"images of shapes {a.shape} and {b.shape}: two of the same shape [..., height, width] are needed"
        )
    for v in (a, b):
        if not np.isfinite(v).all():
            raise InvalidInput("images: a pixel is not finite; numbers from 0 to 1 are needed")
    return a, b

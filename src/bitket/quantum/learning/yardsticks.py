"""Classical denoisers that know the noise model: what a trained one is measured against.

Gaussian blur needs nothing; total variation (Chambolle 2004) and non-local means (Buades, Coll and Morel 2005) come from scikit-image,
block matching in three dimensions (Dabov et al. 2007) from the package bm3d. Those whose package is missing are left out.

Noise that is clipped to [0, 1] moves the mean of a pixel from x to h(x): a black pixel under σ = 0.5 becomes 0.2 on average. Each denoiser
estimates the mean, so h is inverted behind it (Foi 2009, "Clipped noisy images"); without that none of them leaves black black.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from bitket.quantum.learning.corruption import Corruption
from bitket.quantum.learning.image_quality import psnr

__all__ = ["yardsticks"]

Image = NDArray[Any]
Denoiser = Callable[[Image], Image]
_LEVELS, _DRAWS = 65, 4096


def yardsticks(corruption: Corruption, clean: Image, generator: torch.Generator) -> dict[str, Denoiser]:
    """Denoisers of one image ``[height, width]`` with pixels from 0 to 1, by name.

    Parameters
    ----------
    corruption
        The noise model.
    clean
        A few clean images ``[N, height, width]``: on them the strength of blur and of total variation is chosen, by PSNR.
    generator
        Source of the noise on those.
    """
    from scipy.ndimage import gaussian_filter

    level = torch.linspace(0, 1, _LEVELS, dtype=torch.float64)
    drawn = corruption(level[:, None].expand(-1, _DRAWS), generator)
    mean = drawn.mean(1)
    sigma = max(float((drawn - mean[:, None]).square().mean().sqrt()), 1e-3)

    def unbiased(f: Denoiser, image: Image) -> Image:
        return np.interp(f(np.asarray(image, dtype=float)).reshape(image.shape), mean.numpy(), level.numpy())

    noisy = corruption(torch.as_tensor(clean, dtype=torch.float64), generator).numpy()

    def best(f: Callable[..., Image], strengths: tuple[float, ...]) -> Denoiser:
        candidates = [partial(unbiased, partial(f, strength)) for strength in strengths]
        return max(candidates, key=lambda d: float(psnr([d(x) for x in noisy], clean).mean()))

    found = {"Gaussian blur": best(lambda s, x: gaussian_filter(x, s), (0.3, 0.5, 0.7, 1.0, 1.4, 2.0, 2.8))}
    if find_spec("skimage") is not None:
        from skimage.restoration import denoise_nl_means, denoise_tv_chambolle

        weights = tuple(sigma * f for f in (0.3, 0.5, 0.7, 1.0, 1.5, 2.0))
        found["total variation"] = best(lambda w, x: denoise_tv_chambolle(x, weight=w), weights)
        means = partial(denoise_nl_means, patch_size=5, patch_distance=6, h=0.8 * sigma, sigma=sigma, fast_mode=True)
        found["non-local means"] = partial(unbiased, means)
    if find_spec("bm3d") is not None:
        from bm3d import bm3d

        found["BM3D"] = partial(unbiased, partial(bm3d, sigma_psd=sigma))
    return found

"""The density of the Hessian's eigenvalues, by stochastic Lanczos quadrature.

    phi(t) = (1/n) sum_k delta(t - lambda_k)  ~  (1/m) sum_j sum_i tau_ji^2 delta(t - theta_ji)

theta_j are the eigenvalues of the tridiagonal matrix that Lanczos' method makes from a random unit vector v_j, tau_j the first entries of
its eigenvectors. With s steps, moments up to degree 2 s - 1 are those of v_j's own spectral measure exactly.

Source: Golub and Meurant 2010, Matrices, Moments and Quadrature; Ghorbani, Krishnan and Xiao 2019, arXiv:1901.10159.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import eigh_tridiagonal
from torch import Tensor, nn

from bitket.errors import InvalidInput
from bitket.quantization.sensitivity.hessian import Data, Loss, LossSurface

__all__ = ["Spectrum", "spectral_density"]


@dataclass(frozen=True)
class Spectrum:
    """Nodes and weights of a quadrature over a block's eigenvalues.

    Attributes
    ----------
    nodes, weights
        ``[probes, steps]`` each; the weights of a probe add up to 1. A probe that ended early has zero weights.
    size
        Dimension n.
    """

    nodes: NDArray[np.float64]
    weights: NDArray[np.float64]
    size: int

    def density(self, at: ArrayLike, width: float) -> NDArray[np.float64]:
        """The density smoothed by Gaussians of standard deviation ``width``."""
        t = np.asarray(at, float)[..., None, None]
        peaks = np.exp(-0.5 * ((t - self.nodes) / width) ** 2) / (width * np.sqrt(2 * np.pi))
        return (peaks * self.weights).sum((-1, -2)) / len(self.nodes)

    def moment(self, power: int) -> tuple[float, float]:
        """Tr H^power / n, and the standard error over the probes."""
        values = (self.weights * self.nodes**power).sum(1)
        error = values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else np.inf
        return float(values.mean()), float(error)


def spectral_density(
    model: nn.Module,
    loss: Loss,
    data: Data,
    blocks: Mapping[str, Sequence[str]] | None = None,
    *,
    steps: int = 60,
    probes: int = 5,
    generator: torch.Generator,
) -> dict[str, Spectrum]:
    """The spectrum of each block's Hessian.

    Parameters
    ----------
    model, loss, data, blocks
        As in `LossSurface`; a single block with all parameters gives the whole network's spectrum.
    steps, probes
        Of Lanczos' method, and random vectors. The vectors of all steps are kept: memory is ``steps`` times the block.
    generator
        Draws the vectors.

    Raises
    ------
    InvalidInput
        As `LossSurface`, or steps or probes is not positive.
    """
    if min(steps, probes) < 1:
        raise InvalidInput(f"spectrum: {steps} steps and {probes} probes; both must be at least 1")
    surface = LossSurface(model, loss, data, blocks)
    found = {}
    for block in surface.blocks:
        size = surface.size(block)
        rows = [_lanczos(surface, block, min(steps, size), generator) for _ in range(probes)]
        found[block] = Spectrum(np.stack([r[0] for r in rows]), np.stack([r[1] for r in rows]), size)
    return found


def _lanczos(
    surface: LossSurface, block: str, steps: int, generator: torch.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Nodes and weights of one random vector, with full orthogonalisation in double precision."""
    v = torch.randn(surface.size(block), generator=generator, dtype=torch.float64)
    basis: Tensor = torch.empty(steps, len(v), dtype=torch.float64)
    basis[0] = v / v.norm()
    alpha, beta = np.zeros(steps), np.zeros(steps)
    done = steps
    for k in range(steps):
        w = surface.products({block: basis[k]})[block]
        alpha[k] = float(basis[k] @ w)
        for _ in range(2):
            w = w - basis[: k + 1].T @ (basis[: k + 1] @ w)
        beta[k] = float(w.norm())
        if beta[k] <= 1e-10 * np.abs(alpha[: k + 1]).max(initial=1e-300):  # an invariant subspace: the measure is exact
            done = k + 1
            break
        if k + 1 < steps:
            basis[k + 1] = w / beta[k]
    nodes, weights = np.zeros(steps), np.zeros(steps)
    nodes[:done], vectors = eigh_tridiagonal(alpha[:done], beta[: done - 1])
    weights[:done] = vectors[0] ** 2
    return nodes, weights

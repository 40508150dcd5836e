"""How far a grid moves the weights, and what that costs by a sensitivity: the harm tables of the Hessian methods.

    Omega[l, b] = s_l |Q_b(W_l) - W_l|^2,   s_l = Tr(H_l)/n_l (HAWQ-V2) or the top eigenvalue (HAWQ)

To second order a loss at a minimum grows by half of dW.H dW. If the movement has equal mean components along all eigenvectors that is
half of (Tr H/n) |dW|^2; the eigenvalue bounds it. The common factor of a half is left out.

Source: Dong et al. 2020, arXiv:1911.03852, section 3.1; Dong et al. 2019, arXiv:1905.03696, section 3.3.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from bitket.errors import InvalidInput
from bitket.quantization.grids import Scheme, rounded, scales_of

__all__ = ["perturbation", "weighted"]


def perturbation(
    model: nn.Module, schemes: Mapping[str, Mapping[int | str, Scheme]]
) -> dict[str, dict[int | str, float]]:
    """|Q(W) - W|^2 of each layer's weight for each choice, with scales of its extremes.

    Parameters
    ----------
    schemes
        By layer path and choice.

    Raises
    ------
    InvalidInput
        The model has no such layer, it has no weight, or a weight is not finite.
    """
    known = dict(model.named_modules())
    moved: dict[str, dict[int | str, float]] = {}
    for name, row in schemes.items():
        weight = getattr(known.get(name), "weight", None)
        if weight is None:
            raise InvalidInput(f"perturbation: the model has no layer '{name}' with a weight")
        w = weight.detach()
        if not bool(torch.isfinite(w).all()):
            raise InvalidInput(f"perturbation: layer '{name}' has weights that are not finite")
        moved[name] = {
            choice: float((rounded(w, scheme, *scales_of(w, scheme)) - w).double().square().sum())
            for choice, scheme in row.items()
        }
    return moved


def weighted(
    sensitivity: Mapping[str, float], moved: Mapping[str, Mapping[int | str, float]]
) -> dict[str, dict[int | str, float]]:
    """Harm: each layer's movements times its sensitivity.

    Raises
    ------
    InvalidInput
        A layer has no sensitivity.
    """
    missing = [name for name in moved if name not in sensitivity]
    if missing:
        raise InvalidInput(f"harm: layer '{missing[0]}' has no sensitivity")
    return {name: {c: sensitivity[name] * m for c, m in row.items()} for name, row in moved.items()}

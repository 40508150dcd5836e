"""GPTQ: columns of a weight are rounded in turn, and each one's error is passed on to the columns that are still free.

    H = 2 Σ x xᵀ + damping · mean diag · 1,   U upper Cholesky factor of H⁻¹
    column j:  q_j = Q(w_j),   e = (w_j - q_j)/U_jj,   w_k -= e U_jk for k > j

Source: Frantar et al. 2022, arXiv:2210.17323. Here with any grid: Q is the rounding of the scheme, with scales that stay fixed. Inputs are
those of the network as far as it is quantised, layer by layer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch

from bitket.errors import InvalidInput, NotEnoughMemory
from bitket.quantization.configs import part
from bitket.quantization.fake import FakeQuantize
from bitket.quantization.graph import Layer, layers_of
from bitket.quantization.grids import Scheme, rounded_spread
from bitket.quantization.passes.matrices import columns, has_matrix, spread_scales, weight_rows
from bitket.quantization.passes.step import Pass, Work, captured

__all__ = ["Gptq", "gptq_rows"]

_MOST = 24_000  # columns: 4.6 GB a matrix in double precision


def gptq_rows(
    rows: torch.Tensor,
    hessian: torch.Tensor,
    scheme: Scheme,
    scale: torch.Tensor,
    zero: torch.Tensor | None = None,
    *,
    damping: float = 0.01,
    block: int = 128,
    order: Literal["natural", "activation"] = "natural",
) -> torch.Tensor:
    """Rows of a weight on the grid.

    Parameters
    ----------
    rows
        ``[m, n]``.
    hessian
        ``[n, n]``: 2 Σ x xᵀ over the inputs.
    scheme, scale, zero
        The grid; scales and zero points ``[m, n]``, one for each weight.
    damping
        Share of the mean diagonal that is added to it.
    block
        Columns between two updates of the columns behind them.
    order
        ``"natural"``, or ``"activation"``: by decreasing diagonal.

    Raises
    ------
    InvalidInput
        The matrix is not positive definite even with damping.
    """
    n = rows.shape[1]
    h = hessian.to(torch.float64).clone()
    w = rows.detach().to(torch.float64).clone()
    dead = h.diagonal() == 0
    h.diagonal()[dead] = 1
    w[:, dead] = 0
    chosen = torch.arange(n) if order == "natural" else h.diagonal().argsort(descending=True, stable=True)
    h, w = h[chosen][:, chosen], w[:, chosen]
    scale = scale[:, chosen]
    zero = None if zero is None else zero[:, chosen]
    h.diagonal().add_(damping * h.diagonal().mean())
    try:
        u = torch.linalg.cholesky(torch.cholesky_inverse(torch.linalg.cholesky(h)), upper=True)
    except torch.linalg.LinAlgError:
        raise InvalidInput(
            f"GPTQ: the inputs' matrix is not positive definite with damping {damping}; raise it"
        ) from None
    done = torch.empty(w.shape, dtype=rows.dtype)
    for start in range(0, n, block):
        end = min(start + block, n)
        errors = torch.empty(len(w), end - start, dtype=w.dtype)
        for j in range(start, end):
            at = slice(j, j + 1)
            done[:, at] = rounded_spread(
                w[:, at].to(rows.dtype), scheme, scale[:, at], None if zero is None else zero[:, at]
            )
            error = (w[:, at] - done[:, at]) / u[j, j]
            w[:, j + 1 : end] -= error * u[at, j + 1 : end]
            errors[:, j - start : j - start + 1] = error
        w[:, end:] -= errors @ u[start:end, end:]
    back = torch.empty_like(done)
    back[:, chosen] = done
    return back


@part
@dataclass(frozen=True)
class Gptq(Pass):
    """GPTQ for every linear layer and convolution with a quantised weight; convolutions are unfolded, groups go separately.

    Attributes
    ----------
    damping, block, order
        See `gptq_rows`.
    """

    when: ClassVar[Literal["before", "after"]] = "after"
    damping: float = 0.01
    block: int = 128
    order: Literal["natural", "activation"] = "natural"

    def __post_init__(self) -> None:
        if not (self.damping >= 0 and self.block >= 1 and self.order in ("natural", "activation")):
            raise InvalidInput(
                f"GPTQ: damping {self.damping}, block {self.block}, order '{self.order}'; "
                "0 or more, 1 or more, 'natural' or 'activation' are possible"
            )

    def apply(self, work: Work) -> str:
        """Round the weights in place; the quantisers then leave them as they are."""
        chosen = [
            (p, m) for p, m in layers_of(work.model) if isinstance(m.weight_quantiser, FakeQuantize) and has_matrix(m)
        ]
        for _, layer in work.bars.track(chosen, "GPTQ"):
            hessians = _hessians(work, layer)
            weight, quantiser = layer.current_weight(), layer.weight_quantiser
            assert isinstance(quantiser, FakeQuantize)
            scale, zero = (None if s is None else weight_rows(s, layer.groups) for s in spread_scales(layer))
            assert scale is not None
            parts = [
                gptq_rows(
                    rows,
                    hessian,
                    quantiser.scheme,
                    scale[g],
                    None if zero is None else zero[g],
                    damping=self.damping,
                    block=self.block,
                    order=self.order,
                )
                for g, (rows, hessian) in enumerate(zip(weight_rows(weight, layer.groups), hessians, strict=True))
            ]
            layer.set_weight(torch.stack(parts).reshape(weight.shape))
        return f"GPTQ: {len(chosen)} layers"


def _hessians(work: Work, layer: Layer) -> torch.Tensor:
    rows = weight_rows(layer.current_weight(), layer.groups)
    n = rows.shape[2]
    if n > _MOST:
        raise NotEnoughMemory(
            f"GPTQ: a layer with {n} inputs needs {3 * 8 * n * n / 1e9:.0f} GB; {_MOST} inputs are the most"
        )
    total = torch.zeros(layer.groups, n, n, dtype=torch.float64)
    for x in captured(work.model, layer, work.data):
        c = columns(layer, x).to(torch.float64)
        total.baddbmm_(c, c.transpose(1, 2), alpha=2)
    return total

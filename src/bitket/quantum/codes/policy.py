"""Policy and value of a search on Tanner graphs: messages between the pairs (check, bit) of a row, of a column, and of all the matrix.

Every pair of check c and bit v, an edge or not, has a vector h_cv, which begins with whether it is an edge, the degrees of its check and
its bit, the distance, and the distance once it is toggled. A layer adds what the pairs of its check, of its bit, and all pairs say:

    h'_cv = h_cv + relu(A h_cv + B mean_v h_cv + C mean_c h_cv + D mean_cv h_cv + b).

Logits are linear in h_cv: relabelled checks and bits get relabelled logits, and what was learned on one code acts on codes of any size.
Source: Hartford and others 2018 (arXiv:1803.02879) for layers that respect the order of neither rows nor columns.
"""

from __future__ import annotations

import torch

__all__ = ["TannerNetwork"]

FEATURES = 8
PAIRS_AT_ONCE = 40_000
"""Vectors of more pairs than that leave the cache: three times the time for 34 checks on 40 bits."""


class TannerNetwork(torch.nn.Module):
    """Observations of `TannerEnv` with look-ahead, ``[..., 2 rows n + 1]``, to logits ``[..., rows n]`` or to a value ``[..., 1]``.

    Parameters
    ----------
    rows, columns
        Of the check matrix.
    targets
        Check and bit degree wanted, by which degrees are divided.
    value
        Whether a value is wanted: linear in the means and maxima of h over all pairs.
    width, layers
        Of the vectors h, and how many layers.
    """

    def __init__(
        self,
        rows: int,
        columns: int,
        targets: tuple[int, int],
        generator: torch.Generator,
        *,
        value: bool,
        width: int = 16,
        layers: int = 2,
    ) -> None:
        super().__init__()
        self.rows, self.columns, self.targets, self.value = rows, columns, targets, value

        def linear(inputs: int, outputs: int, gain: float = 1.0, bias: bool = True) -> torch.nn.Linear:
            layer = torch.nn.Linear(inputs, outputs, bias)
            torch.nn.init.orthogonal_(layer.weight, gain, generator=generator)
            if bias:
                torch.nn.init.zeros_(layer.bias)
            return layer

        self.first = linear(FEATURES, width, 2**0.5)
        self.own = torch.nn.ModuleList(linear(width, width) for _ in range(layers))  # A, b
        self.by_check, self.by_bit, self.by_all = (  # B, C, D
            torch.nn.ModuleList(linear(width, width, 3**-0.5, bias=False) for _ in range(layers)) for _ in range(3)
        )
        self.last = linear(2 * width, 1) if value else linear(width, 1, 0.01)

    def forward(self, observations: torch.Tensor) -> torch.Tensor:
        """Logits, or the value."""
        flat = observations.reshape(-1, observations.shape[-1])
        parts = flat.split(max(1, PAIRS_AT_ONCE // (self.rows * self.columns)))
        return torch.cat([self._some(part) for part in parts]).reshape(*observations.shape[:-1], -1)

    def _some(self, observations: torch.Tensor) -> torch.Tensor:
        pairs, shape = self.rows * self.columns, (len(observations), self.rows, self.columns)
        edges, after = (observations[:, k * pairs : (k + 1) * pairs].reshape(shape) for k in range(2))
        now = observations[:, -1, None, None].expand(shape)
        checks = (edges.sum(2, keepdim=True) / self.targets[0] - 1).expand(shape)
        bits = (edges.sum(1, keepdim=True) / self.targets[1] - 1).expand(shape)
        features = [edges, after.clamp(max=1.0) - 1, after - now, now - 1, checks, bits, edges * checks, edges * bits]
        h = torch.relu(self.first(torch.stack(features, dim=3)))
        for A, B, C, D in zip(self.own, self.by_check, self.by_bit, self.by_all, strict=True):
            of_check, of_bit = h.mean(2, keepdim=True), h.mean(1, keepdim=True)
            h = h + torch.relu(A(h) + B(of_check) + C(of_bit) + D(of_check.mean(1, keepdim=True)))
        if self.value:
            return self.last(torch.cat([h.mean((1, 2)), h.amax((1, 2))], dim=1))
        return self.last(h).flatten(1)

"""Largest eigenvalues of the Hessian of each block, by power iteration.

    lambda_k = v . H v,   v <- H v / |H v|,   until |lambda_k - lambda_(k-1)| < tol (|lambda_(k-1)| + 1e-6)

It finds the eigenvalue of largest *modulus*, with its sign; further ones by staying orthogonal to those found. How good it is says the
residual |H v - lambda v| / |lambda|: some eigenvalue lies within that, relatively, of the one reported.

An eigenvalue is no invariant: a ReLU network computes the same after one block's weights are multiplied by c and the next one's by 1/c,
but that block's eigenvalues are then those of before divided by c^2. It compares blocks of one network as it is.

Source: Dong et al. 2019, arXiv:1905.03696, algorithm 1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from bitket.errors import InvalidInput
from bitket.quantization.sensitivity.hessian import Data, Loss, LossSurface

__all__ = ["Eigenvalues", "top_eigenvalues"]

_TRUSTED = 1e-2


@dataclass(frozen=True)
class Eigenvalues:
    """Eigenvalues of a block, those of largest modulus first.

    Attributes
    ----------
    values, vectors
        ``[k]``, and as rows the unit vectors ``[k, n]``.
    iterations, residuals
        Of each: products taken, and |H v - lambda v| / |lambda|.
    """

    values: tuple[float, ...]
    vectors: Tensor
    iterations: tuple[int, ...]
    residuals: tuple[float, ...]

    @property
    def value(self) -> float:
        """The largest in modulus."""
        return self.values[0]

    @property
    def per_weight(self) -> float:
        """S = lambda / n, which orders blocks by the bits they need."""
        return self.values[0] / self.vectors.shape[1]

    @property
    def trusted(self) -> bool:
        """Whether every residual is below 1 %."""
        return max(self.residuals) < _TRUSTED


class _Power:
    """The state of one block's iteration."""

    def __init__(self, size: int, k: int, generator: torch.Generator, device: torch.device) -> None:
        self.size, self.k, self.generator, self.device = size, min(k, size), generator, device
        self.values: list[float] = []
        self.vectors: list[Tensor] = []
        self.iterations: list[int] = []
        self.residuals: list[float] = []
        self._begin()

    def _begin(self) -> None:
        self.vector = self._unit(torch.randn(self.size, generator=self.generator, dtype=torch.float64).to(self.device))
        self.last: float | None = None
        self.count = 0

    def _orthogonal(self, v: Tensor) -> Tensor:
        for _ in range(2):  # twice is enough (Kahan, Parlett)
            for found in self.vectors:
                v = v - (found @ v) * found
        return v

    def _unit(self, v: Tensor) -> Tensor:
        v = self._orthogonal(v)
        norm = float(v.norm())
        return v / norm if norm > 0 else v

    def advance(self, product: Tensor, tolerance: float, most: int) -> None:
        """Take H v of the present vector."""
        self.count += 1
        value = float(self.vector @ product)
        change = None if self.last is None else abs(value - self.last) / (abs(self.last) + 1e-6)
        residual = float((product - value * self.vector).norm())
        onwards = self._orthogonal(product)
        flat = not float(onwards.norm()) > 0
        if flat or (change is not None and change < tolerance) or self.count == most:
            self.values.append(value)
            self.residuals.append(residual / abs(value) if value else residual)
            self.iterations.append(self.count)
            self.vectors.append(self.vector)
            if not self.done:
                self._begin()
        else:
            self.vector, self.last = self._unit(onwards), value

    @property
    def done(self) -> bool:
        return len(self.values) == self.k


def top_eigenvalues(
    model: nn.Module,
    loss: Loss,
    data: Data,
    blocks: Mapping[str, Sequence[str]] | None = None,
    *,
    k: int = 1,
    tolerance: float = 1e-3,
    max_iterations: int = 100,
    generator: torch.Generator,
    callback: Callable[[int], None] | None = None,
) -> dict[str, Eigenvalues]:
    """The k eigenvalues of largest modulus of each block's Hessian.

    Parameters
    ----------
    model, loss, data, blocks
        As in `LossSurface`.
    tolerance, max_iterations
        Of the relative change from one step to the next; at most so many steps an eigenvalue.
    generator
        Draws the first vectors.
    callback
        Called after each step with the number of blocks that are done.

    Raises
    ------
    InvalidInput
        As `LossSurface`, or k, tolerance or max_iterations is not positive.
    """
    if min(k, max_iterations) < 1 or not tolerance > 0:
        raise InvalidInput(
            f"eigenvalues: k = {k}, {max_iterations} iterations, tolerance {tolerance}; all must be positive"
        )
    surface = LossSurface(model, loss, data, blocks)
    states = {
        b: _Power(surface.size(b), k, generator, next(iter(weights.values())).device)
        for b, weights in surface.blocks.items()
    }
    while active := {b: s.vector for b, s in states.items() if not s.done}:
        for b, product in surface.products(active).items():
            states[b].advance(product, tolerance, max_iterations)
        if callback is not None:
            callback(sum(s.done for s in states.values()))
    return {
        b: Eigenvalues(tuple(s.values), torch.stack(s.vectors), tuple(s.iterations), tuple(s.residuals))
        for b, s in states.items()
    }

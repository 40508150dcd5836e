"""Fully connected networks with leaky ReLUs for updates of a millisecond, of which torch's graph and modules would take half.

All parameters lie in one vector; the gradient is written out, and has the shape of the network:

    h_{l+1} = f(h_l W_l + b_l),     dL/dW_l = h_l^T d_l,   dL/db_l = sum d_l,   d_{l-1} = f'(h_l) (d_l W_l^T)

The last layer is without f. Inputs that are mostly zero are given by their entries: the first layer then adds the rows of its weights that
these name, and its gradient is a sparse product.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csc_array

__all__ = ["Entries", "Perceptron"]

_SLOPE = 0.01  # of a leaky ReLU below zero


@dataclass(frozen=True)
class Entries:
    """Inputs ``[batch, width]`` by their numbers that are not zero, row by row: ``columns`` and ``values`` from ``ends[k]`` to
    ``ends[k + 1]`` are those of row k."""

    columns: torch.Tensor
    values: torch.Tensor
    ends: torch.Tensor
    width: int

    @classmethod
    def padded(cls, columns: NDArray[np.int32], values: NDArray[np.float32], width: int) -> Entries:
        """From ``[batch, most]`` columns and values, those that are zero left out."""
        there = values != 0
        ends = np.zeros(len(values) + 1, np.int32)
        np.cumsum(there.sum(1), out=ends[1:])
        columns, values = columns[there], values[there]
        return cls(torch.from_numpy(columns), torch.from_numpy(values), torch.from_numpy(ends), width)

    def __getitem__(self, rows: slice) -> Entries:
        ends = self.ends[rows.start : None if rows.stop is None else rows.stop + 1]
        part = slice(int(ends[0]), int(ends[-1]))
        return Entries(self.columns[part], self.values[part], ends - ends[0], self.width)

    def times(self, weight: torch.Tensor) -> torch.Tensor:
        """The inputs times a matrix ``[width, k]``."""
        return torch.nn.functional.embedding_bag(
            self.columns,
            weight,
            self.ends,
            per_sample_weights=self.values,
            mode="sum",
            include_last_offset=True,
        )

    def transposed_times(self, other: torch.Tensor) -> torch.Tensor:
        """The transposed inputs times ``[batch, k]``. (Torch's gradient of `times` takes four times as long.)"""
        parts = tuple(t.numpy() for t in (self.values, self.columns, self.ends))
        return torch.from_numpy(csc_array(parts, shape=(self.width, len(other))) @ other.numpy())


class Perceptron:
    """A network of layers of some widths, in single precision.

    Attributes
    ----------
    vector
        All parameters.
    weights, biases
        Of each layer, ``[inputs, outputs]`` and ``[outputs]``: views of the vector.
    """

    def __init__(self, widths: Sequence[int]) -> None:
        shapes = [*itertools.pairwise(widths)]
        self.vector = torch.zeros(sum((a + 1) * b for a, b in shapes))
        self.weights: list[torch.Tensor] = []
        self.biases: list[torch.Tensor] = []
        start = 0
        for a, b in shapes:
            self.weights.append(self.vector[start : start + a * b].view(a, b))
            self.biases.append(self.vector[start + a * b : start + (a + 1) * b])
            start += (a + 1) * b

    def initialise(self, generator: torch.Generator) -> None:
        """Every parameter uniform within one over the root of its layer's inputs."""
        for weight, bias in zip(self.weights, self.biases, strict=True):
            bound = len(weight) ** -0.5
            for p in (weight, bias):
                p.uniform_(-bound, bound, generator=generator)

    def __call__(self, inputs: torch.Tensor | Entries) -> torch.Tensor:
        """Outputs ``[..., outputs]``."""
        return self.layers(inputs)[-1]

    def layers(self, inputs: torch.Tensor | Entries) -> list[torch.Tensor]:
        """What each layer gives."""
        out: list[torch.Tensor] = []
        for weight, bias in zip(self.weights, self.biases, strict=True):
            if out:
                torch.nn.functional.leaky_relu_(out[-1], _SLOPE)
                out.append(out[-1] @ weight)
            else:
                out.append(inputs.times(weight) if isinstance(inputs, Entries) else inputs @ weight)
            out[-1] += bias
        return out

    def pull_back(
        self, inputs: torch.Tensor | Entries, layers: Sequence[torch.Tensor], upstream: torch.Tensor, into: Perceptron
    ) -> None:
        """Writes the gradient of ``(upstream · outputs).sum()`` for all parameters to a network of the same widths.

        Parameters
        ----------
        inputs, layers
            A batch and what the layers gave for it.
        """
        for k in reversed(range(len(self.weights))):
            into.biases[k].copy_(upstream.sum(0))
            if k == 0:
                own = inputs.transposed_times(upstream) if isinstance(inputs, Entries) else inputs.T @ upstream
                into.weights[0].copy_(own)
                return
            torch.mm(layers[k - 1].T, upstream, out=into.weights[k])
            upstream = (upstream @ self.weights[k].T).mul_(torch.where(layers[k - 1] > 0, 1.0, _SLOPE))

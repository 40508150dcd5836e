"""A dense autoencoder: a network learns to repeat its input through a narrow middle, whose values are the input's code.

    code = E(x),  x' = D(code),  E: d -> h_1 -> ... -> c,  D: c -> ... -> h_1 -> d,  loss = mean (x - x')²  or binary cross-entropy

ReLU between layers, none at the code, a sigmoid at the end: inputs are numbers from 0 to 1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Literal

import torch

from bitket.errors import InvalidInput
from bitket.learning.training import Training, TrainingResult

__all__ = ["Autoencoder"]


class Autoencoder(torch.nn.Module):
    """From inputs ``[B, d]`` in [0, 1] to a code and back.

    Parameters
    ----------
    dims
        d, inner widths, length of the code: ``(784, 256, 64)``.
    loss
        ``"mse"`` or ``"bce"`` (binary cross-entropy).
    generator
        Source of the first weights; None: torch's own.

    Raises
    ------
    InvalidInput
        Fewer than two sizes, one below 1, or another loss.

    Examples
    --------
    >>> net = Autoencoder((16, 8, 2), generator=torch.Generator().manual_seed(0))
    >>> net.encode(torch.rand(5, 16)).shape, net(torch.rand(5, 16)).shape
    (torch.Size([5, 2]), torch.Size([5, 16]))
    """

    def __init__(
        self,
        dims: Sequence[int],
        loss: Literal["mse", "bce"] = "mse",
        *,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        if len(dims) < 2 or min(dims) < 1:
            raise InvalidInput(f"autoencoder of the widths {tuple(dims)}: two or more, at least 1 each, are needed")
        if loss not in ("mse", "bce"):
            raise InvalidInput(f"autoencoder: loss '{loss}'; 'mse' or 'bce' is needed")
        self.dims, self.loss = tuple(dims), loss
        with torch.random.fork_rng(devices=[], enabled=generator is not None):
            if generator is not None:
                torch.manual_seed(int(torch.randint(2**62, (), generator=generator)))
            self.encoder = _dense(self.dims)
            self.decoder = _dense(self.dims[::-1]).append(torch.nn.Sigmoid())

    def encode(self, x: torch.Tensor) -> torch.Tensor:
        """Codes ``[B, c]``."""
        code: torch.Tensor = self.encoder(x)
        return code

    def decode(self, code: torch.Tensor) -> torch.Tensor:
        """Inputs ``[B, d]`` again."""
        x: torch.Tensor = self.decoder(code)
        return x

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Inputs through the code and back."""
        return self.decode(self.encode(x))

    def error(self, x: torch.Tensor) -> float:
        """Mean squared difference of inputs and what comes back."""
        with torch.no_grad():
            parts = [(self(part) - part).square().sum() for part in x.split(4096)]
            return float(sum(parts)) / x.numel()

    def fit(
        self,
        x: torch.Tensor,
        training: Training | None = None,
        *,
        generator: torch.Generator,
        checkpoint: Path | None = None,
        callback: Callable[[int, float], bool | None] | None = None,
    ) -> TrainingResult:
        """Train on inputs ``[N, d]``.

        Parameters
        ----------
        training
            By default Adam with 1e-3, batches of 256, 20 epochs.
        generator, checkpoint, callback
            As of `Training.fit`.

        Raises
        ------
        InvalidInput
            Inputs of another width, or outside [0, 1].
        """
        if x.ndim != 2 or x.shape[1] != self.dims[0]:
            raise InvalidInput(f"autoencoder: inputs of shape {tuple(x.shape)}; [N, {self.dims[0]}] is needed")
        if not bool(((x >= 0) & (x <= 1)).all()):
            raise InvalidInput("autoencoder: an input is not a number from 0 to 1")
        loss = torch.nn.functional.mse_loss if self.loss == "mse" else torch.nn.functional.binary_cross_entropy
        rule = training or Training(epochs=20, batch_size=256, learning_rate=1e-3)
        return rule.fit(self, loss, x, x, generator=generator, checkpoint=checkpoint, callback=callback)


def _dense(dims: Sequence[int]) -> torch.nn.Sequential:
    layers: list[torch.nn.Module] = []
    for a, b in pairwise(dims):
        layers += [torch.nn.Linear(a, b), torch.nn.ReLU()]
    return torch.nn.Sequential(*layers[:-1])

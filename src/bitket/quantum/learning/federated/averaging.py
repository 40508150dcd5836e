"""Federated averaging, the classical baseline: each client trains the server's softmax regression on its own data, and weights are averaged.

    W_c <- W - lr · local steps of minibatch gradient descent on its mean cross-entropy,      W <- sum_c (N_c/N) W_c.

Source: McMahan et al. 2017, arXiv:1602.05629, algorithm 1.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from bitket.errors import InvalidInput

__all__ = ["Averaged", "FederatedAveraging", "averaged", "local_training"]

Floats = NDArray[np.float64]
Labelled = tuple[Floats, NDArray[np.int64]]


def averaged(weights: Sequence[Floats], samples: Sequence[int]) -> Floats:
    """sum_c (N_c/N) W_c."""
    return np.asarray(np.tensordot(np.asarray(samples, dtype=float) / sum(samples), np.stack(weights), 1))


def local_training(
    weights: Floats, x: Floats, y: NDArray[np.int64], epochs: int, batch: int, lr: float, generator: np.random.Generator
) -> Floats:
    """A client's part: weights ``[classes, d + 1]``, the last column the intercepts, after some epochs of minibatches in random order."""
    inputs = np.concatenate([x, np.ones((len(x), 1))], axis=1)
    w = weights.copy()
    for _ in range(epochs):
        order = generator.permutation(len(x))
        for start in range(0, len(x), batch):
            rows = order[start : start + batch]
            scores = inputs[rows] @ w.T
            p = np.exp(scores - scores.max(axis=1, keepdims=True))
            p /= p.sum(axis=1, keepdims=True)
            p[np.arange(len(rows)), y[rows]] -= 1
            w -= lr * p.T @ inputs[rows] / len(rows)
    return w


@dataclass(frozen=True)
class Averaged:
    """The weights, the test accuracy after each round, and the bytes of weights that crossed in all."""

    weights: Floats
    accuracy: list[float] = field(repr=False)
    sent_bytes: int


@dataclass(frozen=True)
class FederatedAveraging:
    """Settings of the baseline."""

    epochs: int = 1
    batch: int = 32
    lr: float = 0.1

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.batch < 1 or not 0 < self.lr < math.inf:
            raise InvalidInput(f"federated averaging with {self}: positive numbers are needed")

    def run(
        self,
        clients: Sequence[Labelled],
        classes: int,
        rounds: int,
        generators: Sequence[np.random.Generator],
        observe: Callable[[Floats], float] | None = None,
    ) -> Averaged:
        """Rounds in which all clients take part.

        Parameters
        ----------
        clients
            Features ``[N_c, d]`` and labels ``[N_c]`` of each.
        generators
            One a client, for its order of samples.
        observe
            Accuracy of weights, taken after each round.
        """
        weights: Floats = np.zeros((classes, clients[0][0].shape[1] + 1))
        found = []
        for _ in range(rounds):
            trained = [
                local_training(weights, x, y, self.epochs, self.batch, self.lr, generator)
                for (x, y), generator in zip(clients, generators, strict=True)
            ]
            weights = averaged(trained, [len(y) for _, y in clients])
            if observe is not None:
                found.append(observe(weights))
        return Averaged(weights, found, 2 * rounds * len(clients) * weights.nbytes)

    @staticmethod
    def predict(weights: Floats, x: Floats) -> NDArray[np.int64]:
        """The likeliest class of each sample."""
        return np.asarray((x @ weights[:, :-1].T + weights[:, -1]).argmax(axis=1))

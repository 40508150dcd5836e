"""Networks that differ in some layers, trained by one rule on the same data over several seeds: accuracy, loss, parameters and time.

Every repeat draws first weights and the order of samples from its own seed, the same for all levels.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from bitket.errors import InvalidInput
from bitket.learning.training import Training
from bitket.quantum.learning.special_unitary import SpecialUnitary
from bitket.quantum.learning.swapping import parameter_count

__all__ = ["Labelled", "SwapResult", "SwapStudy", "accuracy", "summary"]

Labelled = tuple[torch.Tensor, torch.Tensor]
"""Inputs ``[N, ...]`` and class indices ``[N]``."""


@dataclass(frozen=True)
class SwapResult:
    """What one training gave.

    Attributes
    ----------
    level, data, repeat
        Which one.
    parameters
        Trainable numbers.
    losses
        Mean training loss of each epoch.
    curve
        Accuracy on the test data after some epochs, as pairs of the number of epochs and the accuracy.
    train_accuracy, test_accuracy
        At the end.
    step_seconds
        Mean time of a training step.
    defect
        The largest ‖U†U - 1‖ of the network's gates at the end; 0 without any.
    """

    level: str
    data: str
    repeat: int
    parameters: int
    losses: list[float]
    curve: list[tuple[int, float]]
    train_accuracy: float
    test_accuracy: float
    step_seconds: float
    defect: float


def accuracy(model: torch.nn.Module, inputs: torch.Tensor, targets: torch.Tensor, batch_size: int = 500) -> float:
    """Share of samples whose largest score is that of their class."""
    mode = model.training
    model.eval()
    with torch.no_grad():
        parts = zip(inputs.split(batch_size), targets.split(batch_size), strict=True)
        right = sum(int((model(x).argmax(1) == y).sum()) for x, y in parts)
    model.train(mode)
    return right / len(targets)


@dataclass(frozen=True)
class SwapStudy:
    """Levels times data sets times repeats.

    Attributes
    ----------
    levels
        Functions that make a network from a generator, by name: see `swap_levels`.
    datasets
        Training and test data, by name.
    repeats
        Trainings of each level on each data set, each with a seed of its own.
    training
        The one rule; the loss is the cross-entropy of the outputs.
    seed
        Of all repeats.
    every
        Epochs from one point of the test curve to the next; the last epoch is always there.
    training_samples
        As many training samples, at most, give the training accuracy.

    Examples
    --------
    >>> from bitket.quantum.learning.reuploading import ReuploadingLinear
    >>> from bitket.quantum.learning.swapping import swap_levels
    >>> x = torch.randn(60, 4, generator=torch.Generator().manual_seed(0))
    >>> y = (x[:, 0] > 0).long()
    >>> levels = swap_levels(torch.nn.Sequential(torch.nn.Linear(4, 2)), {torch.nn.Linear: ReuploadingLinear})
    >>> study = SwapStudy(levels, {"half": ((x[:40], y[:40]), (x[40:], y[40:]))}, 2, Training(3, 10))
    >>> [(row["level"], row["parameters"]) for row in summary(study.run())]
    [('0', 10), ('1 Linear', 32)]
    """

    levels: Mapping[str, Callable[[torch.Generator], torch.nn.Module]]
    datasets: Mapping[str, tuple[Labelled, Labelled]]
    repeats: int = 3
    training: Training = field(default_factory=lambda: Training(epochs=10, batch_size=200, learning_rate=1e-3))
    seed: int = 0
    every: int = 1
    training_samples: int = 2000

    def __post_init__(self) -> None:
        if not self.levels or not self.datasets or min(self.repeats, self.every) < 1:
            raise InvalidInput("swap study: levels, data sets, and at least one repeat are needed")
        for name, parts in self.datasets.items():
            for part, (x, y) in zip(("training", "test"), parts, strict=True):
                if len(x) != len(y) or not len(x):
                    raise InvalidInput(
                        f"data '{name}': {len(x)} {part} inputs and {len(y)} labels; equally many are needed"
                    )
                if y.dtype != torch.int64:
                    raise InvalidInput(
                        f"data '{name}': {part} labels of type {y.dtype}; class indices (int64) are needed"
                    )

    def jobs(self) -> Iterator[tuple[str, str, int]]:
        """Data set, level and repeat of each training."""
        return itertools.product(self.datasets, self.levels, range(self.repeats))

    def run(self, done: Callable[[SwapResult], None] | None = None) -> list[SwapResult]:
        """All trainings, one after the other; ``done`` is told of each."""
        results = []
        for job in self.jobs():
            results.append(self.train(*job))
            if done is not None:
                done(results[-1])
        return results

    def train(self, data: str, level: str, repeat: int) -> SwapResult:
        """One training; its result depends on nothing but the study's settings and these names."""
        (x, y), (x_test, y_test) = self.datasets[data]
        seed = int(np.random.SeedSequence([self.seed, repeat]).generate_state(1, np.uint64)[0] >> 1)
        generator = torch.Generator().manual_seed(seed)
        model = self.levels[level](generator).to(device=x.device)
        batch = self.training.batch_size or len(x)
        curve: list[tuple[int, float]] = []
        paused = 0.0

        def after(epoch: int, loss: float) -> None:
            nonlocal paused
            start = time.perf_counter()
            if epoch % self.every == 0 or epoch == self.training.epochs:
                curve.append((epoch, accuracy(model, x_test, y_test, batch)))
            paused += time.perf_counter() - start

        start = time.perf_counter()
        result = self.training.fit(model, torch.nn.functional.cross_entropy, x, y, generator=generator, callback=after)
        spent = time.perf_counter() - start - paused
        some = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))[: self.training_samples].to(
            x.device
        )
        return SwapResult(
            level,
            data,
            repeat,
            parameter_count(model),
            result.history,
            curve,
            accuracy(model, x[some], y[some], batch),
            curve[-1][1],
            spent / (result.epochs * -(-len(x) // batch)),
            max((m.defect() for m in model.modules() if isinstance(m, SpecialUnitary)), default=0.0),
        )


def summary(results: Sequence[SwapResult]) -> list[dict[str, Any]]:
    """A row for each data set and level: means over the repeats, and the standard deviation of the test accuracy."""
    rows = []
    for data, level in dict.fromkeys((r.data, r.level) for r in results):
        own = [r for r in results if (r.data, r.level) == (data, level)]
        test = [r.test_accuracy for r in own]
        rows.append(
            {
                "data": data,
                "level": level,
                "parameters": own[0].parameters,
                "test accuracy": float(np.mean(test)),
                "spread": float(np.std(test, ddof=1)) if len(test) > 1 else 0.0,
                "training accuracy": float(np.mean([r.train_accuracy for r in own])),
                "first epoch's loss": float(np.mean([r.losses[0] for r in own])),
                "last epoch's loss": float(np.mean([r.losses[-1] for r in own])),
                "ms a step": 1e3 * float(np.mean([r.step_seconds for r in own])),
                "largest unitarity defect": max(r.defect for r in own),
                "trainings": len(own),
            }
        )
    return rows

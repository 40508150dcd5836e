"""Is a harm table any good? It is held against truth: quantise, measure the loss, compare.

The figure of merit is Spearman's rank correlation of predicted harm and true increase of the loss, since an allocation needs no more than
the order of its candidates.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import spearmanr
from torch import nn

from bitket.errors import InvalidInput
from bitket.quantization.sensitivity.hessian import Data, Loss

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Validation", "mean_loss", "predictions", "validate"]

Assignment = Mapping[str, int | str]
Table = Mapping[str, Mapping[int | str, float]]


@dataclass(frozen=True)
class Validation:
    """Predicted against true harm.

    Attributes
    ----------
    assignments
        The choices that were tried; groups that are not named stayed float.
    predicted, true
        ``[assignments]``: sums of the table's harms, and increases of the mean loss.
    """

    assignments: tuple[Assignment, ...] = field(repr=False)
    predicted: NDArray[np.float64]
    true: NDArray[np.float64]

    @property
    def rank_correlation(self) -> float:
        """Spearman's; NaN where one side is constant."""
        return float(spearmanr(self.predicted, self.true).statistic)

    def interval(self, samples: int = 1000, seed: int = 0) -> tuple[float, float]:
        """Percentile interval of 95 % of the rank correlation, by resampling the assignments."""
        rng = np.random.default_rng(seed)
        n = len(self.true)
        found = []
        for _ in range(samples):
            k = rng.integers(n, size=n)
            found.append(spearmanr(self.predicted[k], self.true[k]).statistic)
        low, high = np.nanpercentile(found, [2.5, 97.5])
        return float(low), float(high)

    def by(self, harm: Table) -> Validation:
        """Another table's predictions of the same true losses."""
        return Validation(self.assignments, predictions(harm, self.assignments), self.true)

    def rows(self) -> list[dict[str, Any]]:
        """One mapping an assignment."""
        return [
            {"choices": ", ".join(f"{g}: {c}" for g, c in a.items()), "predicted": float(p), "true": float(t)}
            for a, p, t in zip(self.assignments, self.predicted, self.true, strict=True)
        ]

    def plot(self, axes: Axes, label: str | None = None) -> None:
        """Draw true over predicted harm, both logarithmic; losses that fell cannot be shown there and are left out."""
        axes.loglog(self.predicted, np.where(self.true > 0, self.true, np.nan), "o", ms=4, alpha=0.6, label=label)
        axes.set(xlabel="predicted harm", ylabel="increase of the loss")


def mean_loss(model: nn.Module, loss: Loss, data: Data) -> float:
    """The mean loss over all samples."""
    total, count = 0.0, 0
    with torch.no_grad():
        for inputs, targets in data:
            total += float(loss(model(inputs), targets)) * len(inputs)
            count += len(inputs)
    if not count:
        raise InvalidInput("the data are empty; at least one batch is needed")
    return total / count


def validate(
    harm: Table,
    quantised: Callable[[Assignment], nn.Module],
    loss: Loss,
    data: Data,
    assignments: Sequence[Assignment] | None = None,
) -> Validation:
    """Hold a harm table against the losses of really quantised networks.

    Parameters
    ----------
    harm
        Of each group and choice.
    quantised
        Makes the network in which the groups of an assignment are quantised and all else is float.
    loss, data
        From outputs and targets to their mean; batches.
    assignments
        What to try; by default each group alone at each choice.

    Raises
    ------
    InvalidInput
        There are fewer than three assignments, or one names a group or choice that harm does not have.
    """
    chosen = list(_single(harm)) if assignments is None else list(assignments)
    if len(chosen) < 3:
        raise InvalidInput(f"validation: {len(chosen)} assignments; at least 3 are needed for a rank correlation")
    for a in chosen:
        for g, c in a.items():
            if c not in harm.get(g, {}):
                raise InvalidInput(f"validation: harm has no group '{g}' with choice {c}")
    base = mean_loss(quantised({}), loss, data)
    true = np.array([mean_loss(quantised(a), loss, data) - base for a in chosen])
    return Validation(tuple(chosen), predictions(harm, chosen), true)


def predictions(harm: Table, assignments: Sequence[Assignment]) -> NDArray[np.float64]:
    """``[assignments]``: sums of a table's harms."""
    return np.array([sum(harm[g][c] for g, c in a.items()) for a in assignments])


def _single(harm: Table) -> Iterator[Assignment]:
    for group, row in harm.items():
        for choice in row:
            yield {group: choice}

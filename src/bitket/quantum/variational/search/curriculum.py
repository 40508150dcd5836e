"""What counts as success: an error threshold that follows the best energy found.

The true ground energy is not used: errors are measured from a lower bound of the spectrum, the operator's constant minus the sum of its
other coefficients' magnitudes. Source: Patel and others 2024 (arXiv:2402.03500), section 4.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bitket.algebra import PauliSum
from bitket.errors import InvalidInput

__all__ = ["MovingThreshold", "NegativeBinomial", "lower_bound"]


def lower_bound(operator: PauliSum) -> float:
    """``c_I - sum |c_P|`` over the strings P other than the identity: no state has less energy."""
    return float(sum(c.real if not x | z else -abs(c) for c, x, z in operator.masks()))


@dataclass
class MovingThreshold:
    """A threshold for the error above the lower bound.

    Every ``greedy_every`` episodes it jumps to the best error so far plus ``slack``; between jumps it falls by a tenth of ``slack`` after
    each ``successes`` episodes that reached it, ``most_falls`` times at most. So a streak of failures ends at the next jump.
    """

    value: float
    slack: float = 5e-4
    greedy_every: int = 500
    successes: int = 25
    most_falls: int = 10
    best: float = np.inf
    episodes: int = 0
    reached: int = 0
    falls: int = 0

    def __post_init__(self) -> None:
        if not (self.value > 0 and self.slack > 0) or min(self.greedy_every, self.successes, self.most_falls) < 1:
            raise InvalidInput("moving threshold: value, slack and the counts must be positive")

    def record(self, least_error: float) -> None:
        """One finished episode, by the least error in it."""
        self.episodes += 1
        self.best = min(self.best, least_error)
        if least_error < self.value:
            self.reached += 1
            if self.reached % self.successes == 0 and self.falls < self.most_falls:
                self.falls += 1
                self.value -= self.slack / 10
        if self.episodes % self.greedy_every == 0:
            self.value, self.reached, self.falls = abs(self.best) + self.slack, 0, 0

    def state_dict(self) -> dict[str, float]:
        """What changes."""
        return {k: getattr(self, k) for k in ("value", "best", "episodes", "reached", "falls")}

    def load_state_dict(self, state: dict[str, float]) -> None:
        """Back to where `state_dict` was taken."""
        for name, value in state.items():
            setattr(self, name, value)


@dataclass(frozen=True)
class NegativeBinomial:
    """Random length of an episode: the most frequent of ``draws`` numbers of failures before ``n`` successes, clipped."""

    n: int = 40
    p: float = 0.6
    least: int = 1
    most: int = 40
    draws: int = 100

    def __post_init__(self) -> None:
        if self.n < 1 or not 0 < self.p <= 1 or not 1 <= self.least <= self.most or self.draws < 1:
            raise InvalidInput("negative binomial: n >= 1, 0 < p <= 1, 1 <= least <= most and draws >= 1 are needed")

    def draw(self, generator: np.random.Generator) -> int:
        """One length."""
        values, counts = np.unique(
            np.clip(generator.negative_binomial(self.n, self.p, self.draws), self.least, self.most), return_counts=True
        )
        return int(values[counts.argmax()])

"""The law of heralded entanglement generation between two memories that emit towards a station in the middle.

Each memory is excited into an emitting state with probability alpha; its photon reaches a detector with probability eta; two photons
leave the beam splitter independently of each other, and two in one detector give one click (its dead time swallows the second); in a
detection window a detector also clicks in the dark with probability d. A round heralds by exactly one click.

``double`` (Barrett and Kok 2005, doi:10.1103/PhysRevA.71.060310): alpha = 1/2, two rounds, between which the memories are flipped, so
that only one emitter, in turn the other, gives a click in each. Without dark counts and with equal eta

    p = eta^2 / 2,      p_1 = eta/2 + (2 eta (1 - eta) + eta^2 / 2) / 4      (one click in the first round).

``single`` (Cabrillo et al. 1999, doi:10.1103/PhysRevA.59.1025): one round, alpha small; p is of the order eta, and the states in which
both emitted remain.

>>> law = HeraldingLaw(0.4, 0.4)
>>> round(law.success, 12), round(law.first_click, 12)
(0.08, 0.34)
>>> law.weights(0.9).round(4).tolist()                 # without dark counts the memories' own fidelity
[0.9, 0.0333, 0.0333, 0.0333]
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from bitket.errors import InvalidInput
from bitket.networks.states import werner

__all__ = ["CLASSICAL", "Heralding", "HeraldingLaw", "Trials"]

Heralding = Literal["single", "double"]
CLASSICAL = {True: np.array([0.5, 0, 0.5, 0]), False: np.array([0, 0.5, 0, 0.5])}
"""Errors of a pair without coherence, by whether the two memories differ (as in the state wanted) or agree."""


@dataclass(frozen=True)
class Trials:
    """Failed attempts before a success: those without a click in the first round, and those that failed in the second."""

    one_round: int
    two_rounds: int


@dataclass(frozen=True)
class HeraldingLaw:
    """Probabilities of one attempt.

    Attributes
    ----------
    eta_a, eta_b
        Probability that an emitted photon of either memory is detected.
    dark
        Probability of a dark count of one detector in a detection window.
    protocol
        ``double`` or ``single``.
    bright
        Probability alpha of the emitting state, for ``single``.

    Raises
    ------
    InvalidInput
        A value is no probability, or no attempt can succeed.
    """

    eta_a: float
    eta_b: float
    dark: float = 0.0
    protocol: Heralding = "double"
    bright: float = 0.1

    def __post_init__(self) -> None:
        for name in ("eta_a", "eta_b", "dark", "bright"):
            if not 0 <= getattr(self, name) <= 1:
                raise InvalidInput(f"heralding, {name}={getattr(self, name)}: a probability is needed")
        if self.protocol not in get_args(Heralding):
            raise InvalidInput(f"heralding {self.protocol!r}: {', '.join(get_args(Heralding))} are known")
        if self.success <= 0:
            raise InvalidInput(f"heralding with eta {self.eta_a} and {self.eta_b}: no attempt can succeed")

    @property
    def rounds(self) -> int:
        """Rounds of an attempt."""
        return 2 if self.protocol == "double" else 1

    @property
    def alpha(self) -> float:
        """Probability of the emitting state."""
        return 0.5 if self.protocol == "double" else self.bright

    def _one_click(self, a: int, b: int) -> float:
        """Probability of exactly one click when memory A emits a photons and memory B emits b (0 or 1 each)."""
        d, found = self.dark, 0.0
        for arrive_a in range(a + 1):
            for arrive_b in range(b + 1):
                chance = 1.0
                for emitted, arrived, eta in ((a, arrive_a, self.eta_a), (b, arrive_b, self.eta_b)):
                    chance *= (eta if arrived else 1 - eta) if emitted else 1.0
                arrived = arrive_a + arrive_b
                found += chance * (2 * d * (1 - d) if arrived == 0 else (1 - d) / arrived)
        return found

    @cached_property
    def _branches(self) -> dict[tuple[int, int], tuple[float, float, float]]:
        """For each pair of first emissions: its probability, that of a click in the first round, and that in all rounds."""
        alpha, out = self.alpha, {}
        for a in (0, 1):
            for b in (0, 1):
                chance = (alpha if a else 1 - alpha) * (alpha if b else 1 - alpha)
                first = self._one_click(a, b)
                out[a, b] = chance, first, first * (self._one_click(1 - a, 1 - b) if self.rounds == 2 else 1.0)
        return out

    @cached_property
    def first_click(self) -> float:
        """Probability that the first round gives one click."""
        return sum(p * first for p, first, _ in self._branches.values())

    @cached_property
    def success(self) -> float:
        """Probability that an attempt heralds."""
        return sum(p * both for p, _, both in self._branches.values())

    def mean_attempts_time(self, round_time: float, last_round_time: float) -> float:
        """Mean time from one pair of two memories to the next.

        A geometric number of attempts, each a round, before which a share ``first_click`` has had another one.

        Parameters
        ----------
        round_time
            Of a round that another one follows in the same attempt.
        last_round_time
            Of the last round of an attempt, with what comes before the next attempt.
        """
        return (last_round_time + (self.rounds - 1) * self.first_click * round_time) / self.success

    def weights(self, raw_fidelity: float) -> NDArray[np.float64]:
        """Errors I, X, Z, XZ of a heralded pair whose memories, without dark counts and double emissions, give a Werner state."""
        total = np.zeros(4)
        for (a, b), (p, _, both) in self._branches.items():
            genuine = 0.0
            if a != b:  # the clicks are those of the photons, not of the dark
                etas = (self.eta_a, self.eta_b) if self.rounds == 2 else ((self.eta_a, self.eta_b)[b],)
                genuine = p * float(np.prod(etas)) * (1 - self.dark) ** self.rounds
            total += genuine * werner(raw_fidelity) + (p * both - genuine) * CLASSICAL[a != b]
        return total / self.success

    def failures(self, generator: np.random.Generator) -> Trials:
        """Draw the failed attempts before the first success: a geometric number, of which a binomial share had two rounds."""
        failed = int(generator.geometric(self.success)) - 1
        if self.rounds == 1 or not failed:
            return Trials(failed, 0)
        two = int(
            generator.binomial(failed, min(1.0, (self.first_click - self.success) / max(1e-300, 1 - self.success)))
        )
        return Trials(failed - two, two)

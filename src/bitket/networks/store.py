"""Pairs in memories: which memories share one, its state, and halves that one end has taken. Nature knows it, the routers do not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from bitket.networks.states import Pairs, PauliRates
from bitket.networks.timeline import Timeline

__all__ = ["PairStore"]


class PairStore:
    """The pairs of a network; memories are named by their keys.

    Attributes
    ----------
    pairs
        Their states.
    partner
        For each memory that shares a pair the other one.
    keep_states
        Whether `take` gives the state of the pair; teleportation asks for it.
    """

    def __init__(self, pairs: Pairs, timeline: Timeline) -> None:
        self.pairs, self._timeline = pairs, timeline
        self.partner: dict[int, int] = {}
        self.keep_states = False
        self._taken: dict[int, tuple[float, NDArray[Any] | None]] = {}
        self._waiting: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self.partner) + len(self._taken) + len(self._waiting)

    def create(self, a: int, b: int, weights: NDArray[Any], now: int, rates: Sequence[PauliRates] = ()) -> None:
        """Two memories share a pair from now on; weights and rates as in `bitket.networks.states.Pairs.create`."""
        self.pairs.create((a, b), weights, now, rates)
        self.partner[a], self.partner[b] = b, a

    def split(self, key: int) -> None:
        """The pair of this memory is no pair any more."""
        other = self.partner.pop(key, None)
        if other is not None:
            self.partner.pop(other, None)

    def join(self, a: int, b: int, *measured: int) -> None:
        """After a swap."""
        for key in measured:
            self.partner.pop(key, None)
        self.partner[a], self.partner[b] = b, a

    def forget(self, key: int) -> None:
        """A memory is emptied."""
        self.split(key)
        self.pairs.discard(key)

    def take(self, key: int, pair: int, reservation: int) -> tuple[float, NDArray[Any] | None] | None:
        """One end takes its half of a pair; once both have, its fidelity, and its state where that is asked for.

        ``pair`` and ``reservation`` are their numbers.
        """
        if pair in self._taken:
            self._waiting.pop(pair, None)
            return self._taken.pop(pair)
        other = self.partner.get(key)
        if other is None:
            return None
        keys, now = (key, other), self._timeline.now
        state = self.pairs.state(keys, now) if self.keep_states else None
        self._taken[pair] = self.pairs.fidelity(keys, now), state
        self._waiting[pair] = reservation
        return None

    def ended(self, reservation: int) -> None:
        """Halves that were taken at one end only are lost."""
        for pair in [p for p, number in self._waiting.items() if number == reservation]:
            del self._taken[pair], self._waiting[pair]

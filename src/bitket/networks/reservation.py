"""Reservations of memories along a path.

A request travels hop by hop along shortest paths; every router reserves memories on its time cards (twice as many where the path goes
through) and passes it on. The responder approves, or a router that has no room rejects, and all before it release. From its start to its
end the rules of `bitket.networks.rules` hold at every router of the path.

Swaps follow a balanced binary order: routers at odd positions of the path measure first, those at odd positions of what is left next,
and so on; the partners of a router are its neighbours in the path that it is removed from.

>>> swap_partners(["a", "b", "c", "d", "e"])
{'b': ('a', 'c'), 'd': ('c', 'e'), 'c': ('a', 'e')}
>>> card = TimeCard()
>>> card.add(10, 20), card.add(30, 40), card.add(20, 25), card.add(21, 29)     # intervals that touch overlap
(True, True, False, True)
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

__all__ = ["Reservation", "TimeCard", "swap_partners"]


class TimeCard:
    """Reserved intervals of one memory, sorted and disjoint."""

    __slots__ = ("_ends", "_starts")

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []

    def __len__(self) -> int:
        return len(self._starts)

    @property
    def intervals(self) -> list[tuple[int, int]]:
        """Starts and ends."""
        return list(zip(self._starts, self._ends, strict=True))

    def free(self, start: int, end: int) -> bool:
        """Whether nothing is reserved from start to end, both included."""
        k = bisect_left(self._ends, start)
        return k == len(self._starts) or self._starts[k] > end

    def add(self, start: int, end: int) -> bool:
        """Reserve, where it is free."""
        if not self.free(start, end):
            return False
        k = bisect_left(self._starts, start)
        self._starts.insert(k, start)
        self._ends.insert(k, end)
        return True

    def remove(self, start: int, end: int) -> None:
        """Release an interval that was reserved; another is let be."""
        k = bisect_left(self._starts, start)
        if k < len(self._starts) and (self._starts[k], self._ends[k]) == (start, end):
            del self._starts[k], self._ends[k]


@dataclass(eq=False)
class Reservation:
    """A request for pairs between two routers; times in picoseconds.

    ``memories`` are those of each end, ``fidelity`` the least that counts; ``path`` is filled on the way.
    """

    number: int
    initiator: str
    responder: str
    start: int
    end: int
    memories: int
    fidelity: float
    path: list[str] = field(default_factory=list)
    delivered: int = 0
    fidelities: float = 0.0
    """Sum of the fidelities delivered."""

    def needed(self, name: str) -> int:
        """Memories that a router of the path reserves."""
        return self.memories * (1 if name in (self.initiator, self.responder) else 2)


def swap_partners(path: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Left and right partner of every router that swaps, in the order of the levels."""
    return dict(_swap_partners(tuple(path)))


@lru_cache(maxsize=4096)
def _swap_partners(path: tuple[str, ...]) -> dict[str, tuple[str, str]]:
    left, found = list(path), {}
    while len(left) > 2:
        removed = range(1, len(left) - 1, 2)
        found.update({left[k]: (left[k - 1], left[k + 1]) for k in removed})
        left = [name for k, name in enumerate(left) if k not in removed]
    return found

"""Reservations of memories along a path, and the rules that serve them.

A request travels hop by hop along shortest paths; every router reserves memories on its time cards (twice as many where the path goes
through) and passes it on. The responder approves, or a router that has no room rejects, and all before it release. From its start to its
end the rules below hold at every router of the path.

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
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

from bitket.networks.entanglement import AskedPurification, EndOfSwap, Purification, Swapping, ready
from bitket.networks.generation import Generation
from bitket.networks.resources import Memory, MemoryState, Rule

if TYPE_CHECKING:
    from bitket.networks.router import Router

__all__ = ["Reservation", "TimeCard", "path_rules", "swap_partners"]


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


def path_rules(router: Router, reservation: Reservation, memories: Sequence[Memory]) -> list[Rule]:
    """The rules of one router of the path: generate, purify what is below the wanted fidelity, swap or offer, deliver."""
    name, path, target = router.name, reservation.path, reservation.fidelity
    k = path.index(name)
    m = reservation.memories
    to_left = {x.index for x in memories[:m]} if k else set()
    to_right = {x.index for x in memories[-m:]} if k < len(path) - 1 else set()
    partners, place = swap_partners(path), {node: j for j, node in enumerate(path)}
    mine = partners.get(name)

    RAW, ENTANGLED = MemoryState.RAW, MemoryState.ENTANGLED

    # -- generation: the left neighbour asks
    def raw(side: set[int]) -> Callable[[Memory], Sequence[Memory]]:
        return lambda x: (x,) if x.index in side else ()

    def ask_right(chosen: Sequence[Memory]) -> None:
        right = path[k + 1]
        protocol = Generation(router, chosen[0], router.network.link(name, right), asks=True)
        router.ask(protocol, right, ("generate", name), keep=True)

    def wait_left(chosen: Sequence[Memory]) -> None:
        left = path[k - 1]
        router.wait(Generation(router, chosen[0], router.network.link(left, name), asks=False), ("generate", left))

    # -- purification: the router on the right asks
    def low(x: Memory) -> bool:
        return x.state is ENTANGLED and x.fidelity < target

    def two_low(x: Memory) -> Sequence[Memory]:
        if not low(x) or place[x.partner] > k:
            return ()
        for other in ready(memories, x.partner):
            if other is not x and abs(other.fidelity - x.fidelity) < 1e-9 and low(other):
                return (x, other)
        return ()

    def ask_purification(chosen: Sequence[Memory]) -> None:
        kept, measured = chosen
        keys = ("purify", kept.pair), ("purify", measured.pair)
        router.ask(Purification(router, chosen), kept.partner, *keys, keep=False)

    def wait_purification(chosen: Sequence[Memory]) -> None:
        router.wait(AskedPurification(router, chosen), ("purify", chosen[0].pair))

    # -- swapping: the router in the middle asks both ends
    def both_sides(x: Memory) -> Sequence[Memory]:
        if mine is None or x.partner not in mine or x.fidelity < target:
            return ()
        for other in ready(memories, mine[1] if x.partner == mine[0] else mine[0]):
            if other.fidelity >= target:
                return (x, other) if x.partner == mine[0] else (other, x)
        return ()

    def ask_swap(chosen: Sequence[Memory]) -> None:
        protocol = Swapping(router, chosen)
        for x in chosen:
            router.ask(protocol, x.partner, ("swap", x.pair), keep=True)

    def end_of_swap(x: Memory) -> Sequence[Memory]:
        return (x,) if x.fidelity >= target and name in partners.get(x.partner, ()) else ()

    def wait_swap(chosen: Sequence[Memory]) -> None:
        router.wait(EndOfSwap(router, chosen), ("swap", chosen[0].pair))

    # -- delivery
    ends = {path[0]: path[-1], path[-1]: path[0]}

    def done(x: Memory) -> Sequence[Memory]:
        return (x,) if x.fidelity >= target and ends.get(name) == x.partner else ()

    rules = [
        Rule(0, ENTANGLED, done, lambda chosen: router.deliver(reservation, chosen[0]), reservation),
        Rule(1, ENTANGLED, two_low, ask_purification, reservation),
        Rule(1, ENTANGLED, lambda x: (x,) if low(x) and place[x.partner] > k else (), wait_purification, reservation),
        Rule(2, ENTANGLED, both_sides, ask_swap, reservation),
        Rule(2, ENTANGLED, end_of_swap, wait_swap, reservation),
    ]
    if to_right:
        rules.append(Rule(3, RAW, raw(to_right), ask_right, reservation))
    if to_left:
        rules.append(Rule(3, RAW, raw(to_left), wait_left, reservation))
    return rules

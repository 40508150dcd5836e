"""The rules that serve a reservation at one router of its path."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bitket.networks.entanglement import AskedPurification, EndOfSwap, Purification, Swapping, ready
from bitket.networks.generation import Generation, Link
from bitket.networks.reservation import Reservation, swap_partners
from bitket.networks.resources import Memory, MemoryState, ResourceManager, Rule

__all__ = ["path_rules"]


def path_rules(
    router: ResourceManager,
    reservation: Reservation,
    memories: Sequence[Memory],
    link: Callable[[str, str], Link],
    deliver: Callable[[Reservation, Memory], None],
) -> list[Rule]:
    """Generate, purify what is below the wanted fidelity, swap or offer, deliver.

    Parameters
    ----------
    router
        Whose memories they are.
    link
        The link between two neighbours.
    deliver
        Hands over a memory whose pair is good enough.
    """
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
        protocol = Generation(router, chosen[0], link(name, right), asks=True)
        router.ask(protocol, right, ("generate", name), keep=True)

    def wait_left(chosen: Sequence[Memory]) -> None:
        left = path[k - 1]
        router.wait(Generation(router, chosen[0], link(left, name), asks=False), ("generate", left))

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
        Rule(0, ENTANGLED, done, lambda chosen: deliver(reservation, chosen[0]), reservation),
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

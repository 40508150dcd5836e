"""Purification (BBPSSW) and swapping between routers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bitket.networks import werner
from bitket.networks.resources import Memory, Protocol, ResourceManager

__all__ = ["AskedPurification", "EndOfSwap", "Purification", "Swapping"]


class Purification(Protocol):
    """The side that asks: memories are the kept and the measured one."""

    def start(self) -> None:
        """Both have measured (the partner when it answered); compare, and tell the partner."""
        node, store = self.node, self.node.store
        kept, measured = self.memories
        partners = [store.partner.get(m.key) for m in self.memories]
        success = False
        if partners[0] is not None and partners[1] is not None:
            success = store.pairs.purify(
                (kept.key, partners[0]), (measured.key, partners[1]), node.uniform, node.timeline.now
            )
            store.split(measured.key)
            if not success:
                store.split(kept.key)
        node.counts.purifications += 1
        fidelity = werner.distil(kept.fidelity, measured.fidelity)
        self.tell(success, fidelity)
        node.finish(self)
        _end(node, kept, measured, success, fidelity)


class AskedPurification(Protocol):
    """The side that waits; the question joins two of them, the kept memory first."""

    def receive(self, source: str, *message: Any) -> None:
        """The comparison."""
        success, fidelity = message
        kept, measured = self.memories
        self.node.finish(self)
        _end(self.node, kept, measured, success, fidelity)


def _end(node: ResourceManager, kept: Memory, measured: Memory, success: bool, fidelity: float) -> None:
    if success:
        kept.fidelity = fidelity
        node.update(kept)
    else:
        node.reset(kept)
    node.reset(measured)


class Swapping(Protocol):
    """At the router in the middle; memories are entangled with the left and with the right partner."""

    needs = 2

    def start(self) -> None:
        """Both ends agree: measure, and tell them."""
        node, store = self.node, self.node.store
        left, right = self.memories
        hardware, now = node.services.hardware, node.timeline.now
        names = left.partner, right.partner
        one, other_end = store.partner.get(left.key), store.partner.get(right.key)
        success = node.uniform() < hardware.swap_success
        if success and one is not None and other_end is not None:
            store.pairs.swap((one, left.key), (right.key, other_end), node.uniform, now)
            store.join(one, other_end, left.key, right.key)
        node.counts.swaps += 1
        scalar = hardware.formalism == "fidelity"
        fidelity = (
            left.fidelity * right.fidelity * hardware.swap_degradation
            if scalar
            else werner.swap(left.fidelity, right.fidelity)
        )
        expires = min((m.expires for m in (left, right) if m.expires >= 0), default=-1)
        pair = next(node.services.numbers)
        for name, number in self.others:
            other = names[1] if name == names[0] else names[0]
            node.send(name, "protocol", number, success, other, fidelity, pair, expires)
        node.finish(self)
        for memory in (left, right):
            node.reset(memory)


class EndOfSwap(Protocol):
    """At either end."""

    def receive(self, source: str, *message: Any) -> None:
        """What came of it: the new partner, or nothing."""
        success, partner, fidelity, pair, expires = message
        (memory,) = self.memories
        self.node.finish(self)
        if success:
            self.node.entangle(memory, partner, fidelity, pair, expires)
        else:
            self.node.reset(memory)


def ready(memories: Sequence[Memory], partner: str) -> list[Memory]:
    """Free memories that are entangled with a partner."""
    return [m for m in memories if m.partner == partner and m.free]

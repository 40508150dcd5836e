"""Memories of a router and who may use them: rules that make protocols, and the handshake that pairs protocols of two routers.

Whenever a memory is RAW or ENTANGLED and free, the rules of its reservation are tried by rising priority; the first whose condition
holds makes a protocol, which either *waits* under a key, or *asks* for protocols at other routers by their keys. An asked router answers
(RESPONSE) at once where a protocol waits under the key, refuses, or keeps the question until one does. A protocol that has all its
answers *runs*. RELEASE frees the partners of a protocol that ends before its time. When a reservation ends, its protocols end without a
word, for they end everywhere at once, and its memories are emptied.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import partial
from itertools import count
from typing import Any, ClassVar

from bitket.networks.reservation import Reservation
from bitket.networks.services import Services
from bitket.networks.timeline import Event, Uniforms

__all__ = ["Memory", "MemoryState", "Protocol", "ResourceManager", "Rule"]

Key = tuple[Hashable, ...]


class MemoryState(Enum):
    """What a memory holds, as its router knows it."""

    RAW = "raw"
    OCCUPIED = "occupied"
    ENTANGLED = "entangled"


class Memory:
    """One memory. What is known at its router: ``partner`` (a router), ``fidelity`` and the pair's number."""

    __slots__ = (
        "expires",
        "expiry",
        "fidelity",
        "index",
        "key",
        "next_excitation",
        "node",
        "pair",
        "partner",
        "protocol",
        "reservation",
        "state",
    )

    def __init__(self, node: ResourceManager, index: int, key: int) -> None:
        self.node, self.index, self.key = node, index, key
        self.state, self.partner, self.fidelity, self.pair = MemoryState.RAW, "", 0.0, -1
        self.expires, self.next_excitation = -1, 0
        self.expiry: Event | None = None
        self.protocol: Protocol | None = None
        self.reservation: Reservation | None = None

    @property
    def free(self) -> bool:
        """Whether no protocol has it."""
        return self.protocol is None

    def __repr__(self) -> str:
        return f"Memory({self.node.name} {self.index}, {self.state.value} {self.partner})"


@dataclass(frozen=True)
class Rule:
    """``action`` is run on the memories that ``condition`` returns for a free memory in ``state``; none: the next rule is tried."""

    priority: int
    state: MemoryState
    condition: Callable[[Memory], Sequence[Memory]]
    action: Callable[[Sequence[Memory]], None]
    reservation: Reservation


class Protocol:
    """One side of a protocol between routers.

    ``others`` are the partners found so far, as (router, number of the protocol there).
    """

    needs: ClassVar[int] = 1
    """Answers without which it does not run."""

    def __init__(self, node: ResourceManager, memories: Sequence[Memory]) -> None:
        self.node, self.memories, self.number = node, list(memories), next(node.numbers)
        assert memories[0].reservation is not None
        self.reservation = memories[0].reservation
        self.others: list[tuple[str, int]] = []
        self.asked: list[str] = []
        self.alive = True
        for memory in memories:
            memory.protocol = self

    def start(self) -> None:
        """All partners are found."""

    def receive(self, source: str, *message: Any) -> None:
        """A message of the partner at another router."""

    def tell(self, *message: Any) -> None:
        """Send a message to all partners."""
        for name, number in self.others:
            self.node.send(name, "protocol", number, *message)

    def stop(self) -> None:
        """Clean up when the protocol ends before its time."""


class ResourceManager:
    """The memories, rules and protocols of a router."""

    def __init__(self, services: Services, name: str, memories: int) -> None:
        self.services, self.name = services, name
        self.timeline, self.store, self.counts = services.timeline, services.store, services.counts
        self.send = partial(services.messenger.send, name)
        """``send(router, kind, *message)``: a classical message; it arrives after the delay between the two routers."""
        self.uniform = Uniforms(services.timeline.generator(f"router {name}"))
        self.memories = [Memory(self, k, next(services.keys)) for k in range(memories)]
        self.numbers = count()
        self.rules: dict[int, dict[MemoryState, list[Rule]]] = {}
        # Of each reservation, only keys under which something waits: most name a pair and never come again.
        self.waiting: dict[int, dict[Key, deque[Protocol]]] = {}
        self.questions: dict[int, dict[Key, deque[tuple[str, int]]]] = {}
        self.protocols: dict[int, Protocol] = {}
        """Those that ask or run, by number."""

    # -- reservations -----------------------------------------------------------------------------------------------
    def load(self, reservation: Reservation, memories: Sequence[Memory], rules: Sequence[Rule]) -> None:
        """The reservation begins: its rules hold for these memories."""
        number = reservation.number
        ordered = sorted(rules, key=lambda rule: rule.priority)
        self.rules[number] = {state: [rule for rule in ordered if rule.state is state] for state in MemoryState}
        self.waiting[number], self.questions[number] = {}, {}
        for memory in memories:
            memory.reservation = reservation
        for memory in memories:
            self.update(memory)

    def expire(self, reservation: Reservation, memories: Sequence[Memory]) -> None:
        """The reservation ends: protocols are dropped, memories emptied."""
        if self.rules.pop(reservation.number, None) is None:
            return
        del self.waiting[reservation.number], self.questions[reservation.number]
        for memory in memories:
            protocol = memory.protocol
            if protocol is not None and protocol.alive:
                protocol.alive = False
                self.protocols.pop(protocol.number, None)
                protocol.stop()
            self._empty(memory)
            memory.reservation = None

    # -- memories ---------------------------------------------------------------------------------------------------
    def update(self, memory: Memory) -> None:
        """A memory has become free, or another state: try the rules."""
        if memory.protocol is not None or memory.reservation is None:
            return
        rules = self.rules.get(memory.reservation.number)
        for rule in rules[memory.state] if rules else ():
            if chosen := rule.condition(memory):
                rule.action(chosen)
                return

    def entangle(self, memory: Memory, partner: str, fidelity: float, pair: int, expires: int) -> None:
        """What the router has learned of a memory; ``expires`` is a time, or negative for never."""
        timeline = self.timeline
        timeline.cancel(memory.expiry)
        memory.expiry, memory.expires, memory.protocol = None, expires, None
        if 0 <= expires <= timeline.now:
            self.reset(memory)
            return
        memory.state, memory.partner, memory.fidelity, memory.pair = MemoryState.ENTANGLED, partner, fidelity, pair
        if expires >= 0:
            memory.expiry = timeline.at(expires, self._expired, memory)
        self.update(memory)

    def reset(self, memory: Memory) -> None:
        """Empty a memory and try the rules on it."""
        self._empty(memory)
        self.update(memory)

    def _empty(self, memory: Memory) -> None:
        self.timeline.cancel(memory.expiry)
        memory.expiry, memory.protocol, memory.expires = None, None, -1
        if memory.state is not MemoryState.RAW:
            self.store.forget(memory.key)
            memory.state, memory.partner, memory.fidelity, memory.pair = MemoryState.RAW, "", 0.0, -1

    def _expired(self, memory: Memory) -> None:
        memory.expiry = None
        self.counts.expired += 1
        others: list[Memory] = []
        if memory.protocol is not None:
            others = [m for m in memory.protocol.memories if m is not memory]
            self.abandon(memory.protocol)
        self._empty(memory)
        for other in others:
            self.update(other)
        self.update(memory)

    # -- protocols --------------------------------------------------------------------------------------------------
    def wait(self, protocol: Protocol, key: Key) -> None:
        """The protocol waits under a key; a question that was kept for it is answered at once."""
        number = protocol.reservation.number
        questions = self.questions[number].get(key)
        if questions:
            source, other = questions.popleft()
            if not questions:
                del self.questions[number][key]
            self._match([protocol], source, other)
        else:
            self.waiting[number].setdefault(key, deque()).append(protocol)

    def ask(self, protocol: Protocol, name: str, *keys: Key, keep: bool) -> None:
        """Ask a router for protocols under all of the keys; ``keep``: it may keep the question until there is one."""
        self.protocols[protocol.number] = protocol
        protocol.asked.append(name)
        for memory in protocol.memories:
            if memory.state is MemoryState.RAW:
                memory.state = MemoryState.OCCUPIED
        self.send(name, "request", protocol.number, protocol.reservation.number, keys, keep)

    def finish(self, protocol: Protocol) -> None:
        """The protocol has ended; its memories are the caller's."""
        protocol.alive = False
        self.protocols.pop(protocol.number, None)
        for memory in protocol.memories:
            memory.protocol = None

    def abandon(self, protocol: Protocol) -> None:
        """End a protocol before its time: partners are released, memories keep what they hold."""
        self.finish(protocol)
        protocol.stop()
        for name in {*protocol.asked, *(name for name, _ in protocol.others)}:
            self.send(name, "release", protocol.number, protocol.reservation.number)
        waiting = self.waiting.get(protocol.reservation.number)
        if waiting is not None and not protocol.asked and not protocol.others:
            for key, line in waiting.items():
                if protocol in line:
                    line.remove(protocol)
                    if not line:
                        del waiting[key]
                    break

    def receive(self, kind: str, source: str, *message: Any) -> None:
        """A classical message has come."""
        if kind == "protocol":
            number, *rest = message
            protocol = self.protocols.get(number)
            if protocol is not None:
                protocol.receive(source, *rest)
        elif kind == "request":
            self._requested(source, *message)
        elif kind == "response":
            self._answered(source, *message)
        elif kind == "release":
            self._released(source, *message)

    def _requested(self, source: str, other: int, reservation: int, keys: tuple[Key, ...], keep: bool) -> None:
        waiting = self.waiting.get(reservation)
        if waiting is None:
            return
        if all(key in waiting for key in keys):
            protocols = [waiting[key].popleft() for key in keys]
            for key in keys:
                if not waiting[key]:
                    del waiting[key]
            self._match(protocols, source, other)
        elif keep:
            self.questions[reservation].setdefault(keys[0], deque()).append((source, other))
        else:
            self.send(source, "response", other, -1)

    def _match(self, protocols: list[Protocol], source: str, other: int) -> None:
        """Several protocols that waited become one."""
        first = protocols[0]
        for more in protocols[1:]:
            more.alive = False
            for memory in more.memories:
                memory.protocol = first
                first.memories.append(memory)
        for memory in first.memories:
            if memory.state is MemoryState.RAW:
                memory.state = MemoryState.OCCUPIED
        first.others = [(source, other)]
        self.protocols[first.number] = first
        self.send(source, "response", other, first.number)
        first.start()

    def _answered(self, source: str, number: int, other: int) -> None:
        protocol = self.protocols.get(number)
        if protocol is None:  # it ended meanwhile, and has said so
            return
        protocol.asked.remove(source)
        if other < 0:
            memories = protocol.memories
            self.abandon(protocol)
            for memory in memories:
                self.update(memory)
            return
        protocol.others.append((source, other))
        if len(protocol.others) == protocol.needs:
            protocol.start()

    def _released(self, source: str, other: int, reservation: int) -> None:
        questions = self.questions.get(reservation, {})
        for key, line in questions.items():
            if (source, other) in line:
                line.remove((source, other))
                if not line:
                    del questions[key]
                return
        for protocol in [p for p in self.protocols.values() if (source, other) in p.others]:
            memories = protocol.memories
            protocol.others.remove((source, other))
            self.abandon(protocol)
            for memory in memories:
                if memory.state is MemoryState.OCCUPIED:
                    self._empty(memory)
            for memory in memories:
                self.update(memory)

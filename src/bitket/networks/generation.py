"""Heralded generation of pairs between neighbours, as messages and photons, or drawn from its law.

The primary router (whose name sorts later) sends NEGOTIATE; the other, once both memories are ready for another excitation, answers with
a time of emission after the answer's arrival at which a detection window at the station in the middle is free; both emit; the station
tells both what clicked. After a failure the memories are empty, rules match them anew, and the next attempt begins. With the classical
delay d_c between the routers, d_m from the station and the photon's flight d_q, a round takes 2 d_c + d_q + d_m; matching takes d_c more,
or 2 d_c if the router that asks is primary.

``event``: every message and photon is an event. ``batched``: the failed attempts before a success are drawn from `HeraldingLaw`, and
only the success is an event, at the time it would have had; a protocol that ends before takes it away. Both have the same law, but for
windows, which delay the photons of an event by at most the dead time of a detector for each pair that the link works on.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from bitket.errors import InvalidInput
from bitket.networks.heralding import CLASSICAL, HeraldingLaw
from bitket.networks.resources import Memory, Protocol, ResourceManager
from bitket.networks.services import Services
from bitket.networks.states import werner
from bitket.networks.timeline import SECOND, Event, Uniforms, picoseconds

__all__ = ["Generation", "Link", "Links"]


class Link:
    """Two neighbours and the station at the half of their fibre.

    Attributes
    ----------
    a, b
        Names of the routers, sorted; b is primary.
    law
        Probabilities of an attempt.
    delay
        Picoseconds of a message between the routers.
    flight
        Picoseconds of a photon to the station.
    report
        Picoseconds of a message from the station to a router.
    pairs
        Number of pairs made.
    """

    def __init__(
        self, services: Services, nodes: Mapping[str, ResourceManager], a: str, b: str, length_km: float
    ) -> None:
        hardware = services.hardware
        self.services, self.nodes, self.timeline, self.pairs = services, nodes, services.timeline, 0
        (self.a, self.b), self.length_km = sorted((a, b)), length_km
        self.delay = services.messenger.routes.delay(self.a, self.b)
        self.law: HeraldingLaw = hardware.law(length_km)
        self.flight = hardware.fibre(length_km / 2).delay
        self.report = self.delay // 2
        self.generator = services.timeline.generator(f"station {self.a} {self.b}")
        self.uniform = Uniforms(self.generator)
        self.weights = self.law.weights(hardware.memory.raw_fidelity)
        period = picoseconds(1 / hardware.memory.frequency_hz)
        self.period = period
        width = max(hardware.detector.dead_time + 1, picoseconds(1 / hardware.channel_rate_hz), 1)
        self._width, self._taken = width, set[int]()
        self.detectors = [hardware.detector.state(self.generator) for _ in range(2)]

    # -- batched ----------------------------------------------------------------------------------------------------
    def interval(self, anew: int = 2) -> float:
        """Mean seconds from one pair of the same two memories to the next, where each is used up at once.

        ``anew`` are the delays that matching takes: 1 where the primary router waits, 2 where it asks.
        """
        within, last = self._rounds(anew * self.delay)
        return self.law.mean_attempts_time(within, last) / SECOND

    def _rounds(self, between: int) -> tuple[int, int]:
        """Picoseconds from an emission to the next of one attempt, and to that of the next attempt."""
        turn, back = 2 * self.delay, self.flight + self.report
        return max(self.period + self.delay, back + turn), max(self.period + self.delay, back + between + turn)

    def herald(self, responder: Generation, asker: tuple[str, int], begin: int, between: int) -> None:
        """Schedule the success of attempts, the first of which is negotiated at ``begin``; ``between`` are the ps to match anew."""
        other = self.nodes[asker[0]].protocols[asker[1]]
        ready = max(m.next_excitation for m in (*responder.memories, *other.memories))
        within, anew = self._rounds(between)
        trials = self.law.failures(self.generator)
        emitted = max(begin + 2 * self.delay, ready + self.delay)
        emitted += (trials.one_round + trials.two_rounds) * anew
        emitted += (trials.two_rounds + self.law.rounds - 1) * within
        attempts = trials.one_round + trials.two_rounds + 1
        event = self.timeline.at(
            emitted + self.flight + self.report, self._heralded, responder, other, emitted, attempts
        )
        responder.success = event
        if isinstance(other, Generation):
            other.success = event

    def _heralded(self, one: Protocol, other: Protocol, emitted: int, attempts: int) -> None:
        self.services.counts.attempts += attempts  # those before a success that did not come are not known
        for memory in (*one.memories, *other.memories):
            memory.next_excitation = emitted + self.period
        pair = self.entangle(one.memories[0], other.memories[0], self.weights, emitted)
        for protocol in (one, other):
            assert isinstance(protocol, Generation)
            protocol.succeed(pair, emitted)

    def entangle(self, a: Memory, b: Memory, weights: NDArray[np.float64], emitted: int) -> int:
        """Two memories are a pair since the emission; its number."""
        rates = self.services.hardware.memory.error_rates
        self.services.store.create(a.key, b.key, weights, emitted, (rates, rates) if any(rates) else ())
        self.pairs += 1
        return next(self.services.numbers)

    # -- events -----------------------------------------------------------------------------------------------------
    def window(self, emission: int) -> int:
        """The first emission at or after this time whose photons meet no others' dead time."""
        slot = -(-(emission + self.flight) // self._width)
        if len(self._taken) > 1000:
            self._taken = {s for s in self._taken if (s + 1) * self._width > self.timeline.now}
        while slot in self._taken:
            slot += 1
        self._taken.add(slot)
        return slot * self._width - self.flight

    def photon(self, window: Window) -> None:
        """A photon is at the beam splitter."""
        if self.detectors[self.uniform() >= 0.5].photon(self.timeline.now) is not None:
            window.clicks += 1

    def judge(self, window: Window) -> None:
        """The window ends: tell both routers whether there was one click."""
        dark = 0
        if self.law.dark:
            dark = sum(self.uniform() < self.law.dark for _ in range(2 - min(2, window.clicks)))
        window.genuine &= window.clicks == 1 and not dark
        good, pair = window.clicks + dark == 1, -1
        protocols = [self.nodes[name].protocols.get(number) for name, number in window.sides]
        if good and window.round == self.law.rounds:
            a, b = protocols
            if a is None or b is None:
                return
            assert isinstance(a, Generation)
            assert isinstance(b, Generation)
            coherent = window.genuine and a.bright != b.bright
            raw = self.services.hardware.memory.raw_fidelity
            weights = werner(raw) if coherent else CLASSICAL[a.bright != b.bright]
            pair = self.entangle(a.memories[0], b.memories[0], weights, window.emission)
        for name, number in window.sides:
            router = self.nodes[name]
            self.timeline.after(
                self.report, router.receive, "protocol", "station", number, "result", good, window, pair
            )


class Links:
    """The links along the edges of a graph, each made when it is first asked for; ``nodes`` are the routers by name."""

    def __init__(self, services: Services, nodes: Mapping[str, ResourceManager], graph: nx.Graph) -> None:
        self._services, self._nodes, self._graph = services, nodes, graph
        self.made: dict[frozenset[str], Link] = {}

    def between(self, a: str, b: str) -> Link:
        """The link between two neighbours."""
        key = frozenset((a, b))
        if key not in self.made:
            try:
                self.made[key] = Link(self._services, self._nodes, a, b, self._graph.edges[a, b]["length_km"])
            except InvalidInput as error:
                raise InvalidInput(f"link {a} - {b} of {self._graph.edges[a, b]['length_km']:g} km: {error}") from None
        return self.made[key]


class Window:
    """A detection window of one round of one pair of protocols."""

    __slots__ = ("clicks", "emission", "genuine", "round", "sides")

    def __init__(
        self, sides: tuple[tuple[str, int], tuple[str, int]], emission: int, round_: int, genuine: bool
    ) -> None:
        self.sides, self.emission, self.round, self.clicks, self.genuine = sides, emission, round_, 0, genuine


class Generation(Protocol):
    """One side: the router that asks its right neighbour, or the one that waits for its left neighbour."""

    def __init__(self, node: ResourceManager, memory: Memory, link: Link, asks: bool) -> None:
        super().__init__(node, [memory])
        self.link, self.asks = link, asks
        self.primary = node.name == link.b
        self.bright = False
        self.success: Event | None = None
        self._round, self._genuine = 1, True
        self._photon: Event | None = None

    def start(self) -> None:
        """Begin an attempt, or draw when one succeeds."""
        services = self.node.services
        if services.batched:
            if not self.asks:
                delay = self.link.delay
                self.link.herald(
                    self,
                    self.others[0],
                    self.node.timeline.now + (0 if self.primary else delay),
                    delay * (1 if self.primary else 2),
                )
        elif self.primary:
            if not self.asks:
                services.counts.attempts += 1
            self._negotiate()
        elif not self.asks:
            services.counts.attempts += 1

    def _negotiate(self) -> None:
        self.tell("negotiate", self.memories[0].next_excitation, self._round, self._genuine)

    def receive(self, source: str, *message: Any) -> None:
        """NEGOTIATE (with what the primary's memory needs), EMIT (a time), or the station's RESULT."""
        kind, *rest = message
        timeline = self.node.timeline
        if kind == "negotiate":
            ready, round_, genuine = rest
            self._round = round_
            name, number = self.others[0]
            ready = max(timeline.now, ready, self.memories[0].next_excitation)
            earliest = ready + self.node.services.messenger.routes.delay(self.node.name, name)
            emission = self.link.window(earliest)
            window = Window(((name, number), (self.node.name, self.number)), emission, round_, genuine)
            timeline.at(emission + self.link.flight, self.link.judge, window, priority=1)
            self.tell("emit", window)
            self._photon = timeline.at(emission, self._emit, window)
        elif kind == "emit":
            (window,) = rest
            self._photon = timeline.at(window.emission, self._emit, window)
        elif kind == "result":
            good, window, pair = rest
            self._genuine = window.genuine
            if not good:
                memory = self.memories[0]
                self.node.finish(self)
                self.node.reset(memory)
            elif pair >= 0:
                self.succeed(pair, window.emission)
            else:
                self._round += 1
                if self.primary:
                    self._negotiate()

    def _emit(self, window: Window) -> None:
        """Excite the memory: in the first round into a random state, then the flipped one."""
        self.bright = self.node.uniform() < self.link.law.alpha if window.round == 1 else not self.bright
        memory = self.memories[0]
        memory.next_excitation = window.emission + self.link.period
        eta = self.link.law.eta_a / self.node.services.hardware.detector.efficiency
        if self.bright and self.node.uniform() < eta:
            self.node.timeline.after(self.link.flight, self.link.photon, window)

    def succeed(self, pair: int, emitted: int) -> None:
        """The pair is heralded."""
        (memory,), hardware = self.memories, self.node.services.hardware
        coherence = hardware.memory.coherence_time
        expires = emitted + picoseconds(coherence) if coherence is not None else -1
        partner = self.link.a if self.primary else self.link.b
        self.node.finish(self)
        self.node.entangle(memory, partner, float(self.link.weights[0]), pair, expires)

    def stop(self) -> None:
        """Take events away."""
        self.node.timeline.cancel(self.success)
        self.node.timeline.cancel(self._photon)

"""A network of routers and links on a timeline, and what a simulation of it gives.

>>> import networkx
>>> chain = networkx.Graph()
>>> chain.add_edge("ann", "mid", length_km=10.0)
>>> chain.add_edge("mid", "bob", length_km=10.0)
>>> network = Network(chain, Hardware(memories=4, memory=MemoryHardware(raw_fidelity=0.95)), seed=1)
>>> request = network.request("ann", "bob", start=0.1, end=1.1, memories=2, fidelity=0.8)
>>> network.run(2.0)
>>> request.path, request.delivered > 100
(['ann', 'mid', 'bob'], True)
"""

from __future__ import annotations

from array import array
from collections.abc import Callable
from functools import cached_property
from itertools import count
from typing import Any, Literal

import networkx as nx
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

from bitket.errors import InvalidInput
from bitket.networks.generation import Link
from bitket.networks.hardware import Hardware, MemoryHardware
from bitket.networks.photonics import Fibre
from bitket.networks.reservation import Reservation
from bitket.networks.resources import Memory, MemoryState
from bitket.networks.router import Router
from bitket.networks.states import make_pairs
from bitket.networks.timeline import FOREVER, SECOND, Timeline, Uniforms, picoseconds

__all__ = ["Hardware", "MemoryHardware", "Network"]

Mode = Literal["batched", "event"]


class Network:
    """Routers at the nodes of a graph, links with a station at their half along its edges.

    Parameters
    ----------
    graph
        Nodes are names; edges have ``length_km``, and may have ``classical_delay_ms`` (one way). Nodes may have ``memories``.
    hardware
        Everything else.
    seed
        Of all randomness.
    mode
        ``batched`` draws failed attempts from their law; ``event`` runs every message and photon.
    delays_ms
        One-way classical delays of pairs that differ from those along the edges.
    record
        Keep each delivery as (seconds, number of the reservation, fidelity) in ``deliveries``; else they are only counted.

    Memory grows with routers, memories and what is reserved ahead, with 12 bytes for each pair of routers once they have exchanged messages,
    and with ``requests``, ``samples`` and what ``record`` keeps; an application's requests are not kept there. It does not grow with the
    time that is simulated.

    Raises
    ------
    InvalidInput
        A length or delay is not positive, or the graph has no edge.
    """

    def __init__(
        self,
        graph: nx.Graph,
        hardware: Hardware | None = None,
        *,
        seed: int = 0,
        mode: Mode = "batched",
        delays_ms: dict[tuple[str, str], float] | None = None,
        record: bool = False,
    ) -> None:
        if mode not in ("batched", "event"):
            raise InvalidInput(f"mode {mode!r}: batched or event")
        if not graph.number_of_edges():
            raise InvalidInput("network without links: at least two routers and a link are needed")
        self.hardware = hardware or Hardware()
        self.graph, self.batched = graph, mode == "batched"
        self.timeline = Timeline(seed)
        self.keys, self.numbers = count(), count()
        self.pairs = make_pairs(
            self.hardware.formalism,
            Uniforms(self.timeline.generator("noise of states")),
            degradation=self.hardware.swap_degradation,
        )
        self.partner: dict[int, int] = {}
        """Which memories share a pair: what nature knows, the routers do not."""
        self.attempts = self.swaps = self.purifications = self.expired = 0
        self.requests: list[Reservation] = []
        self.deliveries: list[tuple[float, int, float]] = []
        self.samples: list[tuple[float, list[int]]] = []
        """Memories in use at each router (in the order of ``routers``) at the times that `sample` asked for."""
        self._record = record
        self._taken: dict[int, tuple[float, NDArray[Any] | None]] = {}
        self._waiting: dict[int, int] = {}
        self.keep_states = False
        """Whether deliveries carry the state of the pair; teleportation asks for it."""
        self._delays: dict[str, array[int]] = {}
        self._special = {frozenset(pair): round(ms * 1e9) for pair, ms in (delays_ms or {}).items()}
        self._before: dict[str, array[int]] = {}
        self._links: dict[frozenset[str], Link] = {}
        for a, b, data in graph.edges(data=True):
            length = data.get("length_km")
            if not isinstance(length, int | float) or not 0 < length < float("inf"):
                raise InvalidInput(f"link {a} - {b}: length_km {length}: a positive number is needed")
            if not data.get("classical_delay_ms", 0) >= 0:
                raise InvalidInput(
                    f"link {a} - {b}: classical_delay_ms {data['classical_delay_ms']}: it must not be negative"
                )
        self._names: list[str] = sorted(graph.nodes)
        self._place = {name: k for k, name in enumerate(self._names)}
        self.routers: dict[str, Router] = {
            name: Router(self, name, int(graph.nodes[name].get("memories", self.hardware.memories)))
            for name in self._names
        }

    # -- topology ---------------------------------------------------------------------------------------------------
    def router(self, name: str) -> Router:
        """A router by name.

        Raises
        ------
        InvalidInput
            There is none.
        """
        if name not in self.routers:
            shown = ", ".join(list(self.routers)[:8]) + (", ..." if len(self.routers) > 8 else "")
            raise InvalidInput(f"router {name!r}: the network has {shown}")
        return self.routers[name]

    def link(self, a: str, b: str) -> Link:
        """The link between two neighbours."""
        key = frozenset((a, b))
        if key not in self._links:
            self._links[key] = Link(self, a, b, self.graph.edges[a, b]["length_km"])
        return self._links[key]

    def delay(self, a: str, b: str) -> int:
        """Picoseconds of a classical message, along the quickest way."""
        if self._special:
            found = self._special.get(frozenset((a, b)))
            if found is not None:
                return found
        known = self._delays.get(a)
        if known is None:
            distances = dijkstra(self._quickest, directed=False, indices=self._place[a])
            known = self._delays[a] = array("q", [round(d) if d < np.inf else -1 for d in distances.tolist()])
        return known[self._place[b]]

    def next_hop(self, a: str, b: str) -> str:
        """The neighbour of a on the shortest fibre to b.

        Raises
        ------
        InvalidInput
            They are not connected.
        """
        before = self._before.get(b)
        if before is None:
            _, found = dijkstra(self._shortest, directed=False, indices=self._place[b], return_predecessors=True)
            before = self._before[b] = array("i", found.tolist())
        place = before[self._place[a]]
        if place < 0:
            raise InvalidInput(f"routers {a} and {b}: no path connects them")
        return self._names[place]

    @cached_property
    def _quickest(self) -> Any:
        return self._matrix(_delay)

    @cached_property
    def _shortest(self) -> Any:
        return self._matrix(_length)

    def _matrix(self, weight: Callable[[dict[str, Any]], float]) -> Any:
        """Weights of the links; no weight may be 0, which would be no link."""
        rows, columns, values = [], [], []
        for a, b, data in self.graph.edges(data=True):
            rows.append(self._place[a])
            columns.append(self._place[b])
            values.append(max(weight(data), 1e-9))
        return csr_array((values, (rows, columns)), shape=(len(self._names),) * 2)

    # -- requests ---------------------------------------------------------------------------------------------------
    def request(
        self, initiator: str, responder: str, *, start: float, end: float, memories: int = 1, fidelity: float = 0.5
    ) -> Reservation:
        """Ask for pairs from ``start`` to ``end`` (seconds).

        Raises
        ------
        InvalidInput
            A router is unknown or they are not connected, the times are not in order, there are fewer memories, or the fidelity is no
            fidelity.
        """
        one, other = self.router(initiator), self.router(responder)
        if one is other:
            raise InvalidInput(f"request from {initiator} to itself: two routers are needed")
        self.next_hop(initiator, responder)
        if not self.timeline.now / SECOND <= start < end:
            raise InvalidInput(
                f"request from {start} to {end} s: the end must come after the start, the start after now"
            )
        if not 0 < fidelity <= 1:
            raise InvalidInput(f"request with fidelity {fidelity}: above 0, at most 1")
        least = min(len(one.memories), len(other.memories))
        if not 1 <= memories <= least:
            raise InvalidInput(f"request for {memories} memories: the routers have {least}")
        reservation = Reservation(
            next(self.numbers), initiator, responder, picoseconds(start), picoseconds(end), memories, fidelity
        )
        self.requests.append(reservation)
        self.timeline.at(self.timeline.now, one.request, reservation)
        return reservation

    def run(self, until: float) -> None:
        """Simulate until this second."""
        self.timeline.run(picoseconds(until) if until < FOREVER / SECOND else FOREVER)

    def sample(self, every: float) -> None:
        """Note from now on how many memories are in use, every so many seconds.

        Raises
        ------
        InvalidInput
            The step is not positive.
        """
        step = picoseconds(every)
        if step < 1:
            raise InvalidInput(f"samples every {every} s: a positive step is needed")

        def look() -> None:
            used = [sum(m.state is not MemoryState.RAW for m in router.memories) for router in self.routers.values()]
            self.samples.append((self.timeline.now / SECOND, used))
            self.timeline.after(step, look)

        look()

    # -- what nature does -------------------------------------------------------------------------------------------
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

    def take(self, memory: Memory) -> tuple[float, NDArray[Any] | None] | None:
        """One end takes its half of a pair; once both have, its fidelity, and its state where that is asked for."""
        if memory.pair in self._taken:
            self._waiting.pop(memory.pair, None)
            return self._taken.pop(memory.pair)
        other = self.partner.get(memory.key)
        if other is None or memory.reservation is None:
            return None
        keys, now = (memory.key, other), self.timeline.now
        state = self.pairs.state(keys, now) if self.keep_states else None
        self._taken[memory.pair] = self.pairs.fidelity(keys, now), state
        self._waiting[memory.pair] = memory.reservation.number
        return None

    def record(self, reservation: Reservation, fidelity: float) -> None:
        """A pair has been delivered."""
        if self._record:
            self.deliveries.append((self.timeline.now / SECOND, reservation.number, fidelity))

    def ended(self, reservation: Reservation) -> None:
        """Halves that were taken at one end only are lost."""
        for pair in [p for p, number in self._waiting.items() if number == reservation.number]:
            del self._taken[pair], self._waiting[pair]

    @property
    def loads(self) -> dict[tuple[str, str], int]:
        """Pairs that each link has made."""
        return {(link.a, link.b): link.pairs for link in self._links.values()}

    # -- results ----------------------------------------------------------------------------------------------------
    def table(self) -> list[dict[str, Any]]:
        """One row a request: ends, path, times, what was delivered."""
        rows = []
        for r in self.requests:
            seconds = (r.end - r.start) / SECOND
            rows.append(
                {
                    "initiator": r.initiator,
                    "responder": r.responder,
                    "path": " ".join(r.path),
                    "start_s": r.start / SECOND,
                    "end_s": r.end / SECOND,
                    "memories": r.memories,
                    "fidelity": r.fidelity,
                    "delivered": r.delivered,
                    "pairs_per_s": r.delivered / seconds,
                    "mean_fidelity": r.fidelities / r.delivered if r.delivered else None,
                }
            )
        return rows


def _delay(data: dict[str, Any]) -> float:
    if "classical_delay_ms" in data:
        return float(data["classical_delay_ms"]) * 1e9
    return 1000 * _length(data) / Fibre.light_speed


def _length(data: dict[str, Any]) -> float:
    return float(data["length_km"])

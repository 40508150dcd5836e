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

from typing import Any, Literal

import networkx as nx
from numpy.typing import NDArray

from bitket.errors import InvalidInput
from bitket.intervals import poisson_interval
from bitket.networks.generation import Link, Links
from bitket.networks.hardware import Hardware, MemoryHardware, require_memories
from bitket.networks.reservation import Reservation
from bitket.networks.resources import MemoryState
from bitket.networks.router import Router
from bitket.networks.routes import Messenger, Routes
from bitket.networks.services import Services
from bitket.networks.states import make_pairs
from bitket.networks.store import PairStore
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
        self.hardware = hardware or Hardware()
        self.graph = graph
        routes, self.timeline = Routes(graph, delays_ms), Timeline(seed)
        self.pairs = make_pairs(
            self.hardware.formalism,
            Uniforms(self.timeline.generator("noise of states")),
            degradation=self.hardware.swap_degradation,
        )
        self.routers: dict[str, Router] = {}
        self.services = Services(
            self.timeline,
            Messenger(self.timeline, routes, self.routers),
            PairStore(self.pairs, self.timeline),
            self.hardware,
            mode == "batched",
        )
        self.links = Links(self.services, self.routers, graph)
        self.requests: list[Reservation] = []
        self.deliveries: list[tuple[float, int, float]] = []
        self.samples: list[tuple[float, list[int]]] = []
        """Memories in use at each router (in the order of ``routers``) at the times that `sample` asked for."""
        self._record = record
        for name in routes.names:
            memories = require_memories(f"router {name}", graph.nodes[name].get("memories", self.hardware.memories))
            self.routers[name] = Router(self.services, name, memories, self.links.between, self._delivered)

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
        return self.links.between(a, b)

    def delay(self, a: str, b: str) -> int:
        """Picoseconds of a classical message, along the quickest way."""
        return self.services.messenger.routes.delay(a, b)

    @property
    def attempts(self) -> int:
        """Attempts at generating pairs so far."""
        return self.services.counts.attempts

    @property
    def swaps(self) -> int:
        """Swaps so far."""
        return self.services.counts.swaps

    @property
    def purifications(self) -> int:
        """Purifications so far."""
        return self.services.counts.purifications

    @property
    def expired(self) -> int:
        """Memories that were emptied at the end of their coherence time so far."""
        return self.services.counts.expired

    @property
    def loads(self) -> dict[tuple[str, str], int]:
        """Pairs that each link has made."""
        return {(link.a, link.b): link.pairs for link in self.links.made.values()}

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
        self.services.messenger.routes.next_hop(initiator, responder)
        if not self.timeline.now / SECOND <= start < end < FOREVER / SECOND or picoseconds(start) == picoseconds(end):
            raise InvalidInput(
                f"request from {start} to {end} s: the end must come after the start, the start after now"
            )
        if not 0 < fidelity <= 1:
            raise InvalidInput(f"request with fidelity {fidelity}: above 0, at most 1")
        least = min(len(one.memories), len(other.memories))
        if not 1 <= memories <= least:
            raise InvalidInput(f"request for {memories} memories: the routers have {least}")
        reservation = Reservation(
            next(self.services.numbers), initiator, responder, picoseconds(start), picoseconds(end), memories, fidelity
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

    # -- results ----------------------------------------------------------------------------------------------------
    def _delivered(self, reservation: Reservation, fidelity: float, state: NDArray[Any] | None) -> None:
        """Both ends of a reservation have taken a pair."""
        reservation.delivered += 1
        reservation.fidelities += fidelity
        if self._record:
            self.deliveries.append((self.timeline.now / SECOND, reservation.number, fidelity))
        application = self.routers[reservation.initiator].application
        if application is not None:
            application.delivered(reservation, fidelity, state)

    def table(self) -> list[dict[str, Any]]:
        """One row a request: ends, path, times, what was delivered; the rate with its `poisson_interval`."""
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
                    "pairs_per_s_95": list(poisson_interval(r.delivered, seconds)),
                    "mean_fidelity": r.fidelities / r.delivered if r.delivered else None,
                }
            )
        return rows

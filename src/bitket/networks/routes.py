"""Ways through a network, and the messages that take them."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, Protocol

import networkx as nx
import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

from bitket.errors import InvalidInput
from bitket.networks.photonics import Fibre
from bitket.networks.timeline import Timeline

__all__ = ["Messenger", "Receiver", "Routes"]

LONGEST = 1e6
"""Of a link in km, and of a delay in ms: 64 bits then hold the picoseconds of some thousand of them."""


class Routes:
    """Delays and shortest paths, each worked out when it is first asked for: 12 bytes for each pair of nodes then.

    Parameters
    ----------
    graph
        Edges have ``length_km``, and may have ``classical_delay_ms`` (one way).
    delays_ms
        One-way classical delays of pairs that differ from those along the edges.

    Raises
    ------
    InvalidInput
        A length or delay is not positive, or the graph has no edge.
    """

    def __init__(self, graph: nx.Graph, delays_ms: Mapping[tuple[str, str], float] | None = None) -> None:
        if not graph.number_of_edges():
            raise InvalidInput("network without links: at least two routers and a link are needed")
        for a, b, data in graph.edges(data=True):
            length, delay = data.get("length_km"), data.get("classical_delay_ms", 0)
            if not _number(length) or not 0 < length <= LONGEST:
                raise InvalidInput(
                    f"link {a} - {b}: length_km {length}: a positive number is needed, up to {LONGEST:g}"
                )
            if not _number(delay) or not 0 <= delay <= LONGEST:
                raise InvalidInput(
                    f"link {a} - {b}: classical_delay_ms {delay}: it must not be negative, and {LONGEST:g} at most"
                )
        self._graph = graph
        self.names: list[str] = sorted(graph.nodes)
        self._place = {name: k for k, name in enumerate(self.names)}
        self._special = {frozenset(pair): round(ms * 1e9) for pair, ms in (delays_ms or {}).items()}
        self._delays: dict[str, array[int]] = {}
        self._before: dict[str, array[int]] = {}

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
        return self.names[place]

    @cached_property
    def _quickest(self) -> Any:
        return self._matrix(_delay)

    @cached_property
    def _shortest(self) -> Any:
        return self._matrix(_length)

    def _matrix(self, weight: Callable[[dict[str, Any]], float]) -> Any:
        """Weights of the links; no weight may be 0, which would be no link."""
        rows, columns, values = [], [], []
        for a, b, data in self._graph.edges(data=True):
            rows.append(self._place[a])
            columns.append(self._place[b])
            values.append(max(weight(data), 1e-9))
        return csr_array((values, (rows, columns)), shape=(len(self.names),) * 2)


class Receiver(Protocol):
    """Who gets messages."""

    def receive(self, kind: str, source: str, *message: Any) -> None:
        """A message of a kind has come from the node ``source``."""


class Messenger:
    """Classical messages between nodes by name; ``receivers`` are those that they reach."""

    def __init__(self, timeline: Timeline, routes: Routes, receivers: Mapping[str, Receiver]) -> None:
        self.timeline, self.routes, self.receivers = timeline, routes, receivers

    def send(self, source: str, target: str, kind: str, *message: Any) -> None:
        """A message that arrives after the delay between the two nodes."""
        self.timeline.after(self.routes.delay(source, target), self.receivers[target].receive, kind, source, *message)


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _delay(data: dict[str, Any]) -> float:
    if "classical_delay_ms" in data:
        return float(data["classical_delay_ms"]) * 1e9
    return 1000 * _length(data) / Fibre.light_speed


def _length(data: dict[str, Any]) -> float:
    return float(data["length_km"])

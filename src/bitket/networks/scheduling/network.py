"""The network that a controller schedules: nodes with communication and storage qubits, links that offer fidelities at mean rates.

Time is cut into slots. Making a link of rate R takes ceil(1 / (R slot)) slots, a swap and a distillation one slot each; times count as
deterministic and states as Werner states (Skrzypczyk and Wehner 2021, arXiv:2111.13124).

>>> network = QuantumNetwork.preset("line")
>>> network.path("0", "2"), network.capabilities("0", "1")[0]
(('0', '1', '2'), Capability(fidelity=0.8771, rate=14.158))
>>> network.link_slots(14.158), [str(qubit) for qubit in network.qubits("3")]
(8, ['3/C0', '3/S0', '3/S1', '3/S2'])
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import networkx as nx

from bitket.errors import InvalidInput
from bitket.networks.topology import load_topology

__all__ = ["Capability", "QuantumNetwork", "Qubit", "nitrogen_vacancy"]

Kind = Literal["C", "S"]


class Qubit(NamedTuple):
    """A qubit of a node: ``C`` for communication or ``S`` for storage, numbered from 0."""

    node: str
    kind: Kind
    number: int

    def __str__(self) -> str:
        return f"{self.node}/{self.kind}{self.number}"


class Capability(NamedTuple):
    """A fidelity that a link offers, and the mean rate (hertz) at which it makes such pairs."""

    fidelity: float
    rate: float


_NV_FIDELITIES = (0.8771, 0.8338, 0.7906, 0.7473, 0.7041, 0.6608, 0.6175, 0.5743, 0.5310, 0.4877)
_NV_RATES = {
    5.0: (14.158, 20.837, 27.834, 33.985, 39.176, 45.597, 51.258, 57.732, 61.605, 75.653),
    10.0: (7.787, 11.07, 14.826, 18.396, 22.625, 24.473, 29.213, 31.067, 38.26, 37.789),
    25.0: (3.234, 4.432, 6.534, 7.601, 9.714, 10.701, 12.266, 13.317, 14.463, 16.057),
    50.0: (1.662, 2.45, 3.166, 3.97, 4.479, 5.12, 5.715, 6.669, 7.2, 8.625),
}


def nitrogen_vacancy(length_km: float) -> tuple[Capability, ...]:
    """Capabilities of nitrogen-vacancy nodes, optimistic parameters of 2019, bright-state populations 0.1 to 0.5.

    Tabulated at 5, 10, 25 and 50 km; in between the logarithm of the rate is interpolated linearly in length.

    Raises
    ------
    InvalidInput
        The length lies outside [5, 50] km, where there are no data.
    """
    if not 5 <= length_km <= 50:
        raise InvalidInput(
            f"a link of {length_km} km: rates of nitrogen-vacancy nodes are known from 5 to 50 km; give the link 'capabilities'"
        )
    lengths = sorted(_NV_RATES)
    below = max(x for x in lengths if x <= length_km)
    above = min(x for x in lengths if x >= length_km)
    part = 0.0 if above == below else (length_km - below) / (above - below)
    rates = [a ** (1 - part) * b**part for a, b in zip(_NV_RATES[below], _NV_RATES[above], strict=True)]
    return tuple(Capability(f, r) for f, r in zip(_NV_FIDELITIES, rates, strict=True))


@dataclass(frozen=True)
class QuantumNetwork:
    """Nodes with qubits, and links with capabilities.

    Attributes
    ----------
    graph
        Nodes have ``communication`` and ``storage`` (numbers of qubits), edges ``length_km`` and ``capabilities``.
    slot
        Length of a time slot in seconds.
    """

    graph: nx.Graph
    slot: float = 0.01

    @classmethod
    def from_graph(
        cls,
        graph: nx.Graph,
        capabilities: Sequence[tuple[float, float]] | None = None,
        *,
        communication: int = 1,
        storage: int = 3,
        slot: float = 0.01,
    ) -> QuantumNetwork:
        """A network on a topology of `bitket.networks.topology.load_topology`.

        Parameters
        ----------
        graph
            Edges may have ``capabilities``, pairs of fidelity and rate; nodes ``communication_qubits`` and ``storage_qubits``.
        capabilities
            Of all links that name none; without it they are `nitrogen_vacancy` links of their length.
        communication, storage
            Qubits of the nodes that name none.
        slot
            In seconds.

        Raises
        ------
        InvalidInput
            A number of qubits, a fidelity, a rate or the slot is out of range, or a length has no nitrogen-vacancy rates.
        """
        if not 0 < slot < math.inf:
            raise InvalidInput(f"a slot of {slot} s: it must be positive")
        net = nx.Graph(name=graph.graph.get("name", ""))
        for node, data in graph.nodes(data=True):
            counts = data.get("communication_qubits", communication), data.get("storage_qubits", storage)
            if (
                not all(isinstance(n, int) and not isinstance(n, bool) for n in counts)
                or counts[0] < 1
                or counts[1] < 0
            ):
                raise InvalidInput(
                    f"node '{node}': {counts[0]!r} communication and {counts[1]!r} storage qubits; at least 1 and 0 are needed"
                )
            net.add_node(str(node), communication=counts[0], storage=counts[1], role=data.get("role"))
        for a, b, data in graph.edges(data=True):
            offered = data.get("capabilities", capabilities)
            if offered is None:
                try:
                    offered = nitrogen_vacancy(data["length_km"])
                except InvalidInput as error:
                    raise InvalidInput(f"link '{a}' - '{b}': {error}") from None
            checked = _capabilities(f"link '{a}' - '{b}'", offered)
            net.add_edge(str(a), str(b), length_km=data["length_km"], capabilities=checked)
        return cls(net, slot)

    @classmethod
    def from_json(cls, path: str | Path, **options: Any) -> QuantumNetwork:
        """A network from a file or name that `load_topology` reads; options as in `from_graph`."""
        return cls.from_graph(load_topology(path), **options)

    @classmethod
    def preset(cls, name: str, **options: Any) -> QuantumNetwork:
        """``line``, ``star``, ``h`` or ``symmetric`` with nitrogen-vacancy links, or ``surfnet`` with links (0.999, 1400 Hz)."""
        if name == "surfnet":
            options = {"capabilities": [(0.999, 1400.0)]} | options
        elif name not in ("line", "star", "h", "symmetric"):
            raise InvalidInput(f"preset '{name}' is unknown; there are line, star, h, symmetric, surfnet")
        return cls.from_graph(load_topology(name), **options)

    @property
    def ends(self) -> tuple[str, ...]:
        """Nodes between which users ask for pairs: those of role ``end``, or all if no node has a role."""
        roles = dict(self.graph.nodes(data="role"))
        return tuple(n for n, role in roles.items() if role == "end") or tuple(roles)

    def capabilities(self, a: str, b: str) -> tuple[Capability, ...]:
        """What the link between two neighbours offers, by falling fidelity."""
        return self.graph.edges[a, b]["capabilities"]

    def link_slots(self, rate: float) -> int:
        """Slots in which one link is made at a rate in hertz."""
        return math.ceil(1 / rate / self.slot - 1e-9)

    def qubit_counts(self, node: str) -> tuple[int, int]:
        """Numbers of communication and of storage qubits."""
        data = self.graph.nodes[node]
        return data["communication"], data["storage"]

    def qubits(self, node: str) -> tuple[Qubit, ...]:
        """Communication, then storage qubits of a node."""
        communication, storage = self.qubit_counts(node)
        return tuple(Qubit(node, "C", k) for k in range(communication)) + tuple(
            Qubit(node, "S", k) for k in range(storage)
        )

    def path(self, source: str, destination: str) -> tuple[str, ...]:
        """The shortest path by length.

        Raises
        ------
        InvalidInput
            A node is unknown, both are the same, or there is no path.
        """
        for node in (source, destination):
            if node not in self.graph:
                raise InvalidInput(f"there is no node '{node}' in the network")
        if source == destination:
            raise InvalidInput(f"source and destination are both '{source}'; they must differ")
        try:
            return tuple(nx.dijkstra_path(self.graph, source, destination, weight="length_km"))
        except nx.NetworkXNoPath:
            raise InvalidInput(f"there is no path from '{source}' to '{destination}'") from None


def _capabilities(where: str, offered: Any) -> tuple[Capability, ...]:
    found = []
    for entry in offered if isinstance(offered, Sequence) else ():
        values = (entry.get("fidelity"), entry.get("rate")) if isinstance(entry, Mapping) else entry
        if not isinstance(values, Sequence) or len(values) != 2 or not all(isinstance(x, int | float) for x in values):
            raise InvalidInput(f"{where}: capability {entry!r}; a pair of fidelity and rate is needed")
        fidelity, rate = map(float, values)
        if not 0.25 <= fidelity <= 1 or not 0 < rate < math.inf:
            raise InvalidInput(
                f"{where}: capability of fidelity {fidelity} at {rate} Hz; between 0.25 and 1 and above 0 Hz are needed"
            )
        found.append(Capability(fidelity, rate))
    if not found:
        raise InvalidInput(f"{where}: it has no capabilities; pairs of fidelity and rate are needed")
    return tuple(sorted(found, reverse=True))

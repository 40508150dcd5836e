"""A router: memories with their resource manager, time cards, the reservation protocol, and applications."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from bitket.networks.reservation import Reservation, TimeCard, path_rules
from bitket.networks.resources import Memory, ResourceManager

if TYPE_CHECKING:
    from bitket.networks.network import Network

__all__ = ["Application", "Router"]


class Application:
    """What a router tells the application that asked for pairs; an application has those that it cares for."""

    def answered(self, reservation: Reservation, approved: bool) -> None:
        """The network has approved or rejected a request."""

    def delivered(self, reservation: Reservation, fidelity: float, state: NDArray[Any] | None) -> None:
        """A pair has been delivered to both ends; its state if the network keeps states."""

    def ended(self, reservation: Reservation) -> None:
        """The reservation's time is over."""


class Router(ResourceManager):
    """One router of a network."""

    def __init__(self, network: Network, name: str, memories: int) -> None:
        super().__init__(network, name, memories)
        self.cards = [TimeCard() for _ in range(memories)]
        self.application: Application | None = None
        self._reserved: dict[int, tuple[Reservation, list[Memory]]] = {}

    # -- network management -----------------------------------------------------------------------------------------
    def request(self, reservation: Reservation) -> None:
        """Ask the network for pairs; the application is told of the answer."""
        self._reserve(reservation)

    def _reserve(self, reservation: Reservation) -> None:
        reservation.path.append(self.name)
        chosen = [m for m in self.memories if self.cards[m.index].free(reservation.start, reservation.end)]
        needed = reservation.needed(self.name)
        late = reservation.start <= self.timeline.now
        if len(chosen) < needed or late:
            self._rejected(reservation, len(reservation.path) - 1)
            return
        for memory in chosen[:needed]:
            self.cards[memory.index].add(reservation.start, reservation.end)
        self._reserved[reservation.number] = (reservation, chosen[:needed])
        if self.name == reservation.responder:
            self._approved(reservation, len(reservation.path) - 1)
        else:
            self.send(self.network.next_hop(self.name, reservation.responder), "reserve", reservation)

    def _rejected(self, reservation: Reservation, place: int) -> None:
        """Release what this router reserved, and tell the one before."""
        self._release(reservation)
        if place:
            self.send(reservation.path[place - 1], "reject", reservation, place - 1)
        elif self.application is not None:
            self.application.answered(reservation, False)

    def _approved(self, reservation: Reservation, place: int) -> None:
        _, memories = self._reserved[reservation.number]
        begin = max(reservation.start, self.timeline.now)
        self.timeline.at(begin, self._begin, reservation, memories, priority=-1)
        self.timeline.at(max(reservation.end, begin), self._end, reservation, priority=-2)
        if place:
            self.send(reservation.path[place - 1], "approve", reservation, place - 1)
        elif self.application is not None:
            self.application.answered(reservation, True)

    def _begin(self, reservation: Reservation, memories: Sequence[Memory]) -> None:
        self.load(reservation, memories, path_rules(self, reservation, memories))

    def _end(self, reservation: Reservation) -> None:
        self.expire(reservation, self._reserved[reservation.number][1])
        self._release(reservation)
        if self.name == reservation.initiator:
            self.network.ended(reservation)
            if self.application is not None:
                self.application.ended(reservation)

    def _release(self, reservation: Reservation) -> None:
        _, memories = self._reserved.pop(reservation.number, (None, ()))
        for memory in memories:
            self.cards[memory.index].remove(reservation.start, reservation.end)

    # -- delivery and messages --------------------------------------------------------------------------------------
    def deliver(self, reservation: Reservation, memory: Memory) -> None:
        """A pair with the other end is good enough: hand it over and empty the memory."""
        found = self.network.take(memory)
        if found is not None:
            fidelity, state = found
            reservation.delivered += 1
            reservation.fidelities += fidelity
            self.network.record(reservation, fidelity)
            initiator = self.network.routers[reservation.initiator]
            if initiator.application is not None:
                initiator.application.delivered(reservation, fidelity, state)
        self.reset(memory)

    def receive(self, kind: str, source: str, *message: Any) -> None:
        """A classical message has come."""
        match kind:
            case "reserve":
                self._reserve(message[0])
            case "approve":
                self._approved(*message)
            case "reject":
                self._rejected(*message)
            case _:
                super().receive(kind, source, *message)

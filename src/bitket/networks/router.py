"""A router: memories with their resource manager, time cards, the reservation protocol, and applications."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from numpy.typing import NDArray

from bitket.networks.generation import Link
from bitket.networks.reservation import Reservation, TimeCard
from bitket.networks.resources import Memory, ResourceManager
from bitket.networks.rules import path_rules
from bitket.networks.services import Services

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
    """One router of a network.

    Parameters
    ----------
    link
        The link between two neighbours.
    delivered
        Told of each pair that both ends have taken: its reservation, fidelity, and state or None.
    """

    def __init__(
        self,
        services: Services,
        name: str,
        memories: int,
        link: Callable[[str, str], Link],
        delivered: Callable[[Reservation, float, NDArray[Any] | None], None],
    ) -> None:
        super().__init__(services, name, memories)
        self._link, self._delivered = link, delivered
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
            self.send(self.services.messenger.routes.next_hop(self.name, reservation.responder), "reserve", reservation)

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
        self.load(reservation, memories, path_rules(self, reservation, memories, self._link, self.deliver))

    def _end(self, reservation: Reservation) -> None:
        self.expire(reservation, self._reserved[reservation.number][1])
        self._release(reservation)
        if self.name == reservation.initiator:
            self.store.ended(reservation.number)
            if self.application is not None:
                self.application.ended(reservation)

    def _release(self, reservation: Reservation) -> None:
        _, memories = self._reserved.pop(reservation.number, (None, ()))
        for memory in memories:
            self.cards[memory.index].remove(reservation.start, reservation.end)

    # -- delivery and messages --------------------------------------------------------------------------------------
    def deliver(self, reservation: Reservation, memory: Memory) -> None:
        """A pair with the other end is good enough: hand it over and empty the memory."""
        found = self.store.take(memory.key, memory.pair, reservation.number)
        if found is not None:
            self._delivered(reservation, *found)
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

"""What runs on a network: random requests of every router, and teleportation over the pairs that are delivered."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitket.errors import InvalidInput
from bitket.networks.network import Network
from bitket.networks.reservation import Reservation
from bitket.networks.router import Application, Router
from bitket.networks.states import Qubits, Uniform
from bitket.networks.timeline import SECOND, Uniforms, picoseconds

__all__ = ["RandomRequests", "RequestSettings", "Served", "Teleportation", "random_requests", "teleport"]


@dataclass(frozen=True)
class RequestSettings:
    """Ranges that requests are drawn from, those of the nine-router study by default; upper ends are excluded.

    ``delays`` are tenths of a second from the request to its start; ``retry`` seconds pass after a refusal. Before its first request and
    after the end of each a router asks for nothing during a time drawn from the exponential law with mean ``pause`` seconds; with 0 it asks
    at once.
    """

    delays: tuple[int, int] = (10, 20)
    durations: tuple[float, float] = (10.0, 20.0)
    memories: tuple[int, int] = (10, 25)
    fidelities: tuple[float, float] = (0.8, 1.0)
    retry: float = 1.0
    pause: float = 0.0


@dataclass
class Served:
    """Sums over the requests of one router.

    ``accepted`` requests reserve ``memory_seconds`` along their paths and began ``waits`` seconds after they were first made; the
    rest is of the requests that have ended.
    """

    accepted: int = 0
    refusals: int = 0
    memory_seconds: float = 0.0
    waits: float = 0.0
    requests: int = 0
    seconds: float = 0.0
    delivered: int = 0
    fidelities: float = 0.0
    throughputs: float = 0.0
    """Sum of pairs a second of each request."""


@dataclass
class RandomRequests(Application):
    """One router's requests, one after another: a refused one is tried again with another start, duration and number of memories."""

    network: Network
    router: Router
    settings: RequestSettings = field(default_factory=RequestSettings)
    served: Served = field(default_factory=Served)

    def __post_init__(self) -> None:
        low, high = self.settings.memories
        if not 1 <= low < high:
            raise InvalidInput(
                f"requests for {low} to {high - 1} memories: the range must begin at 1 or more and not be empty"
            )
        if not 0 <= self.settings.pause < float("inf"):
            raise InvalidInput(f"requests with pauses of {self.settings.pause} s: 0 or more are needed")
        self._generator = self.network.timeline.generator(f"requests {self.router.name}")
        self._others = [name for name in self.network.routers if name != self.router.name]
        self.router.application = self
        self._rest()

    def _rest(self) -> None:
        pause = picoseconds(float(self._generator.exponential(self.settings.pause))) if self.settings.pause else 0
        self.network.timeline.after(pause, self._first)

    def _first(self) -> None:
        self._responder = self._others[int(self._generator.integers(len(self._others)))]
        self._fidelity = float(self._generator.uniform(*self.settings.fidelities))
        self._asked = self.network.timeline.now
        self._ask()

    def _ask(self) -> None:
        draw, settings = self._generator, self.settings
        start = self.network.timeline.now + int(draw.integers(*settings.delays)) * SECOND // 10
        end = start + picoseconds(float(draw.uniform(*settings.durations)))
        memories = int(draw.integers(*settings.memories))
        number = next(self.network.services.numbers)
        self.router.request(
            Reservation(number, self.router.name, self._responder, start, end, memories, self._fidelity)
        )

    def answered(self, reservation: Reservation, approved: bool) -> None:
        """See `Application.answered`."""
        served = self.served
        if not approved:
            served.refusals += 1
            self.network.timeline.after(picoseconds(self.settings.retry), self._ask)
            return
        served.accepted += 1
        held = sum(reservation.needed(name) for name in reservation.path)
        served.memory_seconds += held * (reservation.end - reservation.start) / SECOND
        served.waits += (reservation.start - self._asked) / SECOND

    def ended(self, reservation: Reservation) -> None:
        """See `Application.ended`."""
        seconds, served = (reservation.end - reservation.start) / SECOND, self.served
        served.requests += 1
        served.seconds += seconds
        served.delivered += reservation.delivered
        served.fidelities += reservation.fidelities
        served.throughputs += reservation.delivered / seconds
        if self.settings.pause:
            self._rest()
        else:
            self._first()


def random_requests(network: Network, settings: RequestSettings | None = None) -> dict[str, RandomRequests]:
    """Random requests of every router that has enough memories for one."""
    settings = settings or RequestSettings()
    return {name: RandomRequests(network, router, settings) for name, router in network.routers.items()}


def teleport(state: NDArray[Any], pair: NDArray[Any], uniform: Uniform) -> tuple[NDArray[Any], tuple[int, int]]:
    """Teleport a qubit over a pair: density matrix ``[2, 2]`` that arrives, and the two bits sent.

    ``state`` is ``[2]`` or ``[2, 2]``, ``pair`` ``[4, 4]`` with the sender's half the least significant bit.

    >>> bell = np.outer([1, 0, 0, 1], [1, 0, 0, 1]) / 2
    >>> out, bits = teleport(np.array([0.6, 0.8]), bell, lambda: 0.9)
    >>> bits, out.real.round(6).tolist()
    ((1, 1), [[0.36, 0.48], [0.48, 0.64]])
    """
    qubits = Qubits(mixed=True)
    qubits.new((0,), state)
    qubits.new((1, 2), pair)
    qubits.apply(np.eye(4)[[0, 3, 2, 1]], (0, 1))  # CX from the state to the sender's half
    qubits.apply(np.array([[1, 1], [1, -1]]) / np.sqrt(2), (0,))
    z, x = qubits.measure(0, uniform), qubits.measure(1, uniform)
    if x:
        qubits.apply(np.array([[0, 1], [1, 0]]), (2,))
    if z:
        qubits.apply(np.diag([1, -1]), (2,))
    return qubits.state((2,)), (z, x)


@dataclass
class Teleportation(Application):
    """Teleports a random qubit over every pair that the router's requests get; the bits take the classical delay.

    ``fidelities`` are those of the qubits that arrived, ``arrivals`` their times in seconds.
    """

    network: Network
    router: Router
    fidelities: list[float] = field(default_factory=list)
    arrivals: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.network.services.store.keep_states = True
        generator = self.network.timeline.generator(f"teleportation {self.router.name}")
        self._normal, self._uniform = generator.normal, Uniforms(generator)
        self.router.application = self

    def delivered(self, reservation: Reservation, fidelity: float, state: NDArray[Any] | None) -> None:
        """See `Application.delivered`."""
        assert state is not None
        amplitudes = self._normal(size=4).view(complex)
        amplitudes /= np.linalg.norm(amplitudes)
        arrived, _ = teleport(amplitudes, state, self._uniform)
        delay = self.network.delay(reservation.initiator, reservation.responder)
        self.fidelities.append(float((amplitudes.conj() @ arrived @ amplitudes).real))
        self.arrivals.append((self.network.timeline.now + delay) / SECOND)

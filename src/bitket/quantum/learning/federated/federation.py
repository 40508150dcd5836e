"""A federation in one process: rounds over a clock on which answers take their time.

A synchronous round sends the operator to every client and closes when all have answered, or at its deadline: who answers later is left out of
it, and so is who does not answer. In the asynchronous mode a client gets the newest operator as soon as its answer has come. An answer takes

    2 · distance · 5 us/km  +  (copies sent + copies kept)/rate  +  work · (1 + Exp(1) · jitter).

Any clock with ``now`` in picoseconds, ``after`` and ``run`` will do, such as `bitket.networks.timeline.Timeline`.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from bitket.errors import InvalidInput
from bitket.quantum.learning.federated.channel import QuantumChannel
from bitket.quantum.learning.federated.client import Client, Gradient, named_generator
from bitket.quantum.learning.federated.copies import Copies
from bitket.quantum.learning.federated.history import History, Round, Tally, when_none
from bitket.quantum.learning.federated.line import Line
from bitket.quantum.learning.federated.server import Server

__all__ = ["Clock", "Federation", "Link"]

_SECOND = 10**12
_PER_KM = 5e-6


class Clock(Protocol):
    """Events in order of time, in picoseconds."""

    now: int

    def after(self, delay: int, function: Callable[..., object], *arguments: Any) -> Any:
        """Call a function a delay from now."""

    def run(self) -> Any:
        """Run all events."""


class _Queue:
    """The least clock."""

    def __init__(self) -> None:
        self.now = 0
        self._events: list[tuple[int, int, Callable[..., object], tuple[Any, ...]]] = []
        self._number = itertools.count()

    def after(self, delay: int, function: Callable[..., object], *arguments: Any) -> None:
        heapq.heappush(self._events, (self.now + delay, next(self._number), function, arguments))

    def run(self) -> None:
        while self._events:
            self.now, _, function, arguments = heapq.heappop(self._events)
            function(*arguments)


@dataclass(frozen=True)
class Link:
    """How far a client is, how many copies a second cross, how long its work takes and varies, how often it does not answer at all."""

    distance_km: float = 0.0
    copies_per_second: float = math.inf
    work_s: float = 0.0
    jitter: float = 0.0
    dropout: float = 0.0

    def __post_init__(self) -> None:
        if not (0 <= self.distance_km < math.inf and self.copies_per_second > 0 and 0 <= self.work_s < math.inf):
            raise InvalidInput(f"{self}: a distance and work of 0 or more and a positive rate are needed")
        if not (0 <= self.jitter < math.inf and 0 <= self.dropout < 1):
            raise InvalidInput(f"{self}: a jitter of 0 or more and a dropout of 0 or more and below 1 are needed")


class Federation:
    """Server, clients and the channel between them.

    Parameters
    ----------
    server, clients, channel
        Names of clients must differ.
    links
        By client's name; who is not in it is near and quick.
    clock
        On which it all happens; a queue of its own if None.
    deadline_s
        Longest time of a synchronous round; None waits for all that answer at all.
    observer
        Loss and accuracy of the server's model after a round (`Observer`).
    after
        Called with each round.
    seed
        Of the channel and the links.
    """

    def __init__(
        self,
        server: Server,
        clients: Sequence[Client],
        channel: QuantumChannel | None = None,
        *,
        links: Mapping[str, Link] | None = None,
        clock: Clock | None = None,
        deadline_s: float | None = None,
        observer: Callable[[Any], tuple[float | None, float | None]] | None = None,
        after: Callable[[Round], None] = lambda round: None,
        seed: int = 0,
    ) -> None:
        names = [c.name for c in clients]
        if not names or len(set(names)) < len(names):
            raise InvalidInput(f"a federation of {len(names)} clients: one at least, of different names, is needed")
        if deadline_s is not None and not 0 < deadline_s < math.inf:
            raise InvalidInput(f"a deadline of {deadline_s} s: a positive number is needed")
        unknown = sorted(set(links or {}) - set(names))
        if unknown:
            raise InvalidInput(f"a link for '{unknown[0]}', who is no client")
        self.server, self.clients = server, {c.name: c for c in clients}
        self.channel = channel or QuantumChannel()
        self._links = {name: (links or {}).get(name, Link()) for name in names}
        self._clock: Clock = clock if clock is not None else _Queue()
        self._deadline = deadline_s
        self._observe, self._after = when_none(observer), after
        self._lines = {name: Line(name, self.channel, seed) for name in names}
        self._chance = {name: named_generator(seed, "link", name) for name in names}
        self._samples = {c.name: c.samples for c in clients}
        self.history = History(len(names), server.model.length)

    def run(self, rounds: int, copies: int | None = None) -> History:
        """Go through some rounds; a second call goes on.

        Parameters
        ----------
        rounds
            Synchronous rounds; asynchronously, as many arrivals for each client on average.
        copies
            Of the operator's state for each client and round; None for as many as make all frequencies probabilities.
        """
        if rounds < 0 or (copies is not None and copies < 1):
            raise InvalidInput(f"{rounds} rounds with {copies} copies: 0 or more and 1 or more are needed")
        self._copies, self._left = copies, rounds
        self._arrivals = rounds * len(self.clients)
        self._tally, self._outcome = Tally(), dict.fromkeys(("used", "late", "silent", "dropped"), 0)
        self._error2 = 0.0
        self._answers: dict[str, Gradient] = {}
        if rounds:
            self._begin_all() if self.server.asynchronous else self._begin()
            self._clock.run()
        self.history.log10_copies = self.server.log10_copies
        return self.history

    # -- what crosses -----------------------------------------------------------------------------------------------
    def _operator(self) -> Copies:
        sent = self.server.operator(self._copies)
        return sent if self.channel.pure else sent.carried(self.channel.disturb, sent.number)

    def _ask(self, name: str, operator: Copies, arrive: Callable[..., object]) -> bool:
        """Send the operator to a client and its answer on its way; False if it does not answer."""
        link, chance = self._links[name], self._chance[name]
        got = self._lines[name].down(operator, self._tally)
        self._see("server", name, "operator", {"round": self.server.version}, got)
        if link.dropout and chance.random() < link.dropout:
            return False
        gradient = self.clients[name].answer(self.server.version, got)
        crossing = 0.0
        if gradient.sent is not None and gradient.kept is not None:
            crossing = (gradient.sent + gradient.kept) / link.copies_per_second
        work = link.work_s * (1 + link.jitter * float(chance.exponential())) if link.work_s else 0.0
        self._clock.after(round((2 * _PER_KM * link.distance_km + crossing + work) * _SECOND), arrive, gradient)
        return True

    def _receive(self, gradient: Gradient) -> Gradient:
        what = {"round": gradient.round, "sent": gradient.sent, "kept": gradient.kept, "share": gradient.share}
        received = self._lines[gradient.client].up(gradient, self._tally)
        self._see(gradient.client, "server", "gradient", what, received.copies)
        return received

    def _see(self, sender: str, receiver: str, kind: str, what: dict[str, Any], copies: Copies) -> None:
        self.history.see(self._clock.now / _SECOND, sender, receiver, kind, what, copies)

    # -- synchronous ------------------------------------------------------------------------------------------------
    def _begin(self) -> None:
        operator, version = self._operator(), self.server.version
        self._answers = {}
        asked = [name for name in self.clients if self._ask(name, operator, self._arrive)]
        self._expected = len(asked)
        self._outcome["silent"] += len(self.clients) - len(asked)
        if self._deadline is not None:
            self._clock.after(round(self._deadline * _SECOND), self._close, version)
        elif not asked:
            self._close(version)

    def _arrive(self, gradient: Gradient) -> None:
        received = self._receive(gradient)
        if gradient.round != self.server.version or not self._left:
            self._outcome["late"] += 1
            return
        self._answers[gradient.client] = received
        if len(self._answers) == self._expected == len(self.clients) or (
            self._deadline is None and len(self._answers) == self._expected
        ):
            self._close(gradient.round)

    def _close(self, version: int) -> None:
        if version != self.server.version or not self._left:  # closed before its deadline
            return
        update = self.server.take(list(self._answers.values()), self._samples)
        self._outcome["used"] += len(update.used)
        self._outcome["dropped"] += len(self._answers) - len(update.used)
        self._finish(update.error, update.probability)
        self._left -= 1
        if self._left and not self.history.diverged:
            self._begin()
        else:
            self._left = 0

    def _finish(self, error: float, probability: float) -> None:
        seen = self._observe(self.server.model)
        done = self.history.close(self._clock.now / _SECOND, self._tally, self._outcome, error, probability, seen)
        self._tally, self._outcome = Tally(), dict.fromkeys(self._outcome, 0)
        if self.server.diverged and not self.history.diverged:
            self.history.diverged = True
            self.history.notes.append(
                f"diverged in round {len(self.history.rounds)}: the operator's norm left all bounds; a smaller step than "
                f"{self.server.eta:g} is needed"
            )
        self._after(done)

    # -- asynchronous -----------------------------------------------------------------------------------------------
    def _begin_all(self) -> None:
        for name in self.clients:
            self._ask_again(name)

    def _ask_again(self, name: str) -> None:
        for _ in range(1000):  # an operator that gets no answer is sent again
            if self._ask(name, self._operator(), self._apply):
                return
            self._outcome["silent"] += 1

    def _apply(self, gradient: Gradient) -> None:
        if not self._arrivals or self.history.diverged:
            return
        self._arrivals -= 1
        received = self._receive(gradient)
        mean = sum(self._samples.values()) / len(self._samples)
        update = self.server.take_one(received, self._samples[gradient.client] / mean)
        self._outcome["used" if update else "dropped"] += 1
        if update is not None:
            self._error2 += update.error**2
        if self._arrivals % len(self.clients) == 0 or self.server.diverged:
            self._finish(math.sqrt(self._error2), 1.0)
            self._error2 = 0.0
        if self._arrivals:
            self._ask_again(gradient.client)

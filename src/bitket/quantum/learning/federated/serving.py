"""The server over TCP: one loop over all connections, which no client can stop.

A client that closes, falls silent, breaks the protocol or sends garbage is told so in one line, noted, and left out; one that is late misses
its round; one that comes, or comes back, takes part from the next round on. A round closes when all that were asked have answered or gone, or
at its deadline. Channel, decoys and counts are those of `Federation`: with the same seeds both come to the same parameters.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from bitket.errors import InvalidInput
from bitket.quantum.learning.federated.channel import QuantumChannel
from bitket.quantum.learning.federated.client import Gradient
from bitket.quantum.learning.federated.copies import Copies
from bitket.quantum.learning.federated.crossing import Terms, gradient_of, operator_message
from bitket.quantum.learning.federated.history import History, Round, Tally, when_none
from bitket.quantum.learning.federated.line import Line
from bitket.quantum.learning.federated.messages import FederationError, Message
from bitket.quantum.learning.federated.server import Server
from bitket.quantum.learning.federated.wire import LARGEST, Decoder, encode

__all__ = ["Host", "listen"]

_PIECE = 1 << 16
_MOST_PEERS = 1000
_GREETING = 1 << 12  # bytes of arrays that a stranger may send


def listen(address: tuple[str, int]) -> socket.socket:
    """A socket that waits for clients.

    Raises
    ------
    InvalidInput
        The address is none of this machine, or its port is in use or not allowed.
    """
    try:
        return socket.create_server(address)
    except (OSError, OverflowError) as error:
        reason = (getattr(error, "strerror", None) or str(error)).partition(" (while")[0]
        raise InvalidInput(f"cannot serve on {address[0]} port {address[1]}: {reason.lower()}") from None


@dataclass(eq=False)
class _Peer:
    """A connection: what came of the next frame, what is still to be sent, who it is once it has said so."""

    connection: socket.socket
    place: str
    since: float
    decoder: Decoder = field(default_factory=lambda: Decoder(_GREETING))
    outgoing: bytearray = field(default_factory=bytearray)
    name: str = ""
    samples: int = 0
    asked: dict[int, int | None] = field(default_factory=dict)
    """Rounds that it owes an answer, with the copies that it got."""

    @property
    def label(self) -> str:
        return f"client '{self.name}' at {self.place}" if self.name else f"somebody at {self.place}"


class Host:
    """A server that clients join.

    Parameters
    ----------
    listener
        From `listen`; closed at the end.
    server, terms, channel
        What is learned, what clients are told, and what lies between.
    clients
        Rounds begin when so many have joined.
    wait_s
        Longest time that is waited for them, and, when none is left, for one to come.
    observer
        As in `Federation`.
    report
        Called with a line about each client that comes or goes.
    after
        Called with each round.
    seed
        Of the channel.
    """

    def __init__(
        self,
        listener: socket.socket,
        server: Server,
        terms: Terms,
        channel: QuantumChannel | None = None,
        *,
        clients: int = 1,
        wait_s: float = 60.0,
        observer: Callable[[Any], tuple[float | None, float | None]] | None = None,
        report: Callable[[str], None] = lambda line: None,
        after: Callable[[Round], None] = lambda round: None,
        seed: int = 0,
    ) -> None:
        self._listener, self.server, self._terms = listener, server, terms
        self._channel = channel or QuantumChannel()
        self._wanted, self._wait_s = clients, wait_s
        self._observe, self._report, self._after, self._seed = when_none(observer), report, after, seed
        self._peers: set[_Peer] = set()
        self._lines: dict[str, Line] = {}
        self._answers: dict[str, Gradient] = {}
        self._selector = selectors.DefaultSelector()
        self._begin = time.monotonic()
        self._tally, self._outcome = Tally(), dict.fromkeys(("used", "late", "silent", "dropped"), 0)
        self._on_answer: Callable[[_Peer, Gradient], None] = self._keep
        self._amplitudes = 2 * server.model.length
        self.history = History(clients, server.model.length)

    def run(self, rounds: int, copies: int | None = None) -> History:
        """Wait for the clients and go through the rounds.

        Raises
        ------
        FederationError
            Too few clients came, or none is left.
        """
        self._listener.setblocking(False)
        self._selector.register(self._listener, selectors.EVENT_READ)
        reason = "the server has stopped"
        try:
            self._await(self._wanted)
            if self.server.asynchronous:
                self._run_asynchronously(rounds, copies)
            else:
                for _ in range(rounds):
                    self._await(1)
                    self._round(copies)
                    if self.history.diverged:
                        break
            reason = "the training has diverged" if self.history.diverged else "the training is done"
        finally:
            self._end(reason)
        self.history.log10_copies = self.server.log10_copies
        return self.history

    # -- rounds -----------------------------------------------------------------------------------------------------
    @property
    def _joined(self) -> list[_Peer]:
        return sorted((p for p in self._peers if p.name), key=lambda p: p.name)

    def _await(self, number: int) -> None:
        if not self._pump(self._wait_s, lambda: len(self._joined) >= number):
            after = f" after round {len(self.history.rounds)}" if self.history.rounds else ""
            raise FederationError(
                f"{len(self._joined)} of {number} client{'s' * (number > 1)} joined within {self._wait_s:g} s{after}"
            )

    def _round(self, copies: int | None) -> None:
        self._answers = {}
        operator = self._operator(copies)
        asked = self._joined
        for peer in asked:
            self._ask(peer, operator)
        version = self.server.version
        self._pump(self._terms.seconds, lambda: not any(version in p.asked for p in asked if p in self._peers))
        gone = [p for p in asked if p not in self._peers]
        self._outcome["silent"] += sum(version in p.asked for p in asked if p not in gone) + len(gone)
        samples = {p.name: p.samples for p in asked}
        update = self.server.take(list(self._answers.values()), samples)
        self._outcome["used"] += len(update.used)
        self._outcome["dropped"] += len(self._answers) - len(update.used)
        self._finish(update.error, update.probability)

    def _run_asynchronously(self, rounds: int, copies: int | None) -> None:
        left = rounds * self._wanted
        error2 = 0.0

        def apply(peer: _Peer, gradient: Gradient) -> None:
            nonlocal left, error2
            joined = self._joined
            mean = sum(p.samples for p in joined) / len(joined)
            update = self.server.take_one(gradient, peer.samples / mean)
            self._outcome["used" if update else "dropped"] += 1
            error2 += update.error**2 if update else 0.0
            left -= 1
            if left % self._wanted == 0 or self.server.diverged:
                self._finish(error2**0.5, 1.0)
                error2 = 0.0
            if left > 0 and not self.history.diverged:
                self._ask(peer, self._operator(copies))

        self._on_answer = apply
        while left > 0 and not self.history.diverged:
            self._await(1)
            for peer in self._joined:
                if not peer.asked:
                    self._ask(peer, self._operator(copies))
            now = left
            if not self._pump(self._terms.seconds, lambda now=now: left < now or self.history.diverged):  # type: ignore[misc]
                for peer in self._joined:  # whoever says nothing for so long may stay, but is asked again
                    peer.asked.clear()

    def _operator(self, copies: int | None) -> Copies:
        sent = self.server.operator(copies)
        return sent if self._channel.pure else sent.carried(self._channel.disturb, sent.number)

    def _ask(self, peer: _Peer, operator: Copies) -> None:
        got = self._lines[peer.name].down(operator, self._tally)
        version = self.server.version
        peer.asked[version] = got.number
        self._see("server", peer.name, "operator", {"round": version}, got)
        self._send(peer, operator_message(version, got))

    def _keep(self, peer: _Peer, gradient: Gradient) -> None:
        if gradient.round == self.server.version:
            self._answers[peer.name] = gradient
        else:
            self._outcome["late"] += 1

    def _finish(self, error: float, probability: float) -> None:
        seen = self._observe(self.server.model)
        found = self.history.close(self._seconds(), self._tally, self._outcome, error, probability, seen)
        self._tally, self._outcome = Tally(), dict.fromkeys(self._outcome, 0)
        self.history.diverged = self.server.diverged
        self._after(found)

    def _seconds(self) -> float:
        return time.monotonic() - self._begin

    def _see(self, sender: str, receiver: str, kind: str, what: dict[str, Any], copies: Copies) -> None:
        self.history.see(self._seconds(), sender, receiver, kind, what, copies)

    # -- connections ------------------------------------------------------------------------------------------------
    def _pump(self, seconds: float, done: Callable[[], bool]) -> bool:
        """Serve all connections until ``done``, for so many seconds at most; whether it is."""
        end = time.monotonic() + seconds
        while not done():
            left = end - time.monotonic()
            if left <= 0:
                return False
            for key, events in self._selector.select(min(left, 1.0)):
                if key.fileobj is self._listener:
                    self._accept()
                    continue
                peer: _Peer = key.data
                if peer in self._peers and events & selectors.EVENT_WRITE:
                    self._write(peer)
                if peer in self._peers and events & selectors.EVENT_READ:
                    self._read(peer)
            now = time.monotonic()
            for peer in [p for p in self._peers if not p.name and now - p.since > self._wait_s]:
                self._refuse(peer, "it did not say who it is")
        return True

    def _accept(self) -> None:
        try:
            connection, place = self._listener.accept()
        except OSError:
            return
        if len(self._peers) >= _MOST_PEERS:
            connection.close()
            return
        connection.setblocking(False)
        with contextlib.suppress(OSError):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        peer = _Peer(connection, f"{place[0]}:{place[1]}", time.monotonic())
        self._peers.add(peer)
        self._selector.register(connection, selectors.EVENT_READ, peer)

    def _read(self, peer: _Peer) -> None:
        try:
            data = peer.connection.recv(_PIECE)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._drop(peer, f"the connection broke ({error.strerror})")
            return
        if not data:
            self._drop(peer, "it broke off within a message" if peer.decoder.begun else "it left")
            return
        try:
            for message in peer.decoder.feed(data):
                self._handle(peer, message)
                if peer not in self._peers:
                    return
        except FederationError as error:
            self._refuse(peer, str(error))

    def _handle(self, peer: _Peer, message: Message) -> None:
        if not peer.name:
            self._welcome(peer, message)
            return
        if message.kind != "gradient":
            raise FederationError(f"it sent '{message.kind}' where a gradient is due")
        version = message.fields["round"]
        if version not in peer.asked:
            raise FederationError(f"it answered round {version}, which it was not asked")
        gradient = gradient_of(message, peer.name, self._amplitudes, peer.asked[version])
        # Older rounds that it owes still will not be answered any more: it answers in order.
        for old in [v for v in peer.asked if v <= version]:
            del peer.asked[old]
        received = self._lines[peer.name].up(gradient, self._tally)
        what = {name: message.fields[name] for name in ("round", "sent", "kept", "share")}
        self._see(peer.name, "server", "gradient", what, received.copies)
        self._on_answer(peer, received)

    def _welcome(self, peer: _Peer, message: Message) -> None:
        if message.kind != "hello":
            raise FederationError(f"it sent '{message.kind}' where a hello is due")
        name, samples = message.fields["name"], message.fields["samples"]
        if not name.strip() or not name.isprintable() or len(name) > 200 or samples < 1:
            raise FederationError("its hello lacks a name of 1 to 200 letters, or samples")
        if any(p.name == name for p in self._peers):
            raise FederationError(f"there is a client '{name}' already")
        if message.fields["features"] != self._terms.message().fields["features"]:
            raise FederationError(f"its features are not those of the server: {', '.join(self._terms.features)[:200]}")
        peer.name, peer.samples = name, samples
        peer.decoder.largest = min(LARGEST, 16 * self._amplitudes**2)
        self._lines.setdefault(name, Line(name, self._channel, self._seed))
        self._report(f"{peer.label} joined with {samples} samples")
        self._send(peer, self._terms.message())

    def _send(self, peer: _Peer, message: Message) -> None:
        frame = encode(message)
        if len(peer.outgoing) > 4 * LARGEST:  # it takes nothing for many rounds
            self._drop(peer, "it does not take what is sent")
            return
        peer.outgoing += frame
        self._write(peer)

    def _write(self, peer: _Peer) -> None:
        try:
            while peer.outgoing:
                sent = peer.connection.send(peer.outgoing[:_PIECE])
                del peer.outgoing[:sent]
        except (BlockingIOError, InterruptedError):
            pass
        except OSError as error:
            self._drop(peer, f"the connection broke ({error.strerror})")
            return
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if peer.outgoing else 0)
        self._selector.modify(peer.connection, events, peer)

    def _refuse(self, peer: _Peer, reason: str) -> None:
        """Tell a peer why, as far as it listens, and let it go."""
        with contextlib.suppress(OSError, FederationError):
            if not peer.outgoing:  # not in the middle of a frame
                peer.connection.send(encode(Message("farewell", {"reason": f"refused: {reason}"})))
        self._drop(peer, reason)

    def _drop(self, peer: _Peer, reason: str) -> None:
        if peer not in self._peers:
            return
        self._peers.discard(peer)
        self._selector.unregister(peer.connection)
        peer.connection.close()
        line = f"{peer.label}: {reason}; it is left out"
        self.history.notes.append(line)
        self._report(line)

    def _end(self, reason: str) -> None:
        self._on_answer = self._keep
        for peer in list(self._peers):
            if peer.name:
                self._send(peer, Message("farewell", {"reason": reason}))
        self._pump(5.0, lambda: not any(p.outgoing for p in self._peers))
        for peer in list(self._peers):
            with contextlib.suppress(OSError):
                peer.connection.shutdown(socket.SHUT_WR)  # what was sent arrives before the end does
            peer.connection.close()
        self._peers.clear()
        self._selector.close()
        self._listener.close()

"""A client over TCP: it says who it is, hears the terms, and answers every operator until the server says farewell."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from bitket.quantum.learning.federated.client import Client
from bitket.quantum.learning.federated.crossing import Terms, copies_of, gradient_message
from bitket.quantum.learning.federated.messages import FederationError, Message
from bitket.quantum.learning.federated.wire import Decoder, encode

__all__ = ["Attendance", "join"]

_PIECE = 1 << 16
_AGAIN_S = 0.2


@dataclass(frozen=True)
class Attendance:
    """How many rounds a client answered, how many copies it got and kept (None: unlimited), and why it ended."""

    rounds: int
    copies: int | None
    kept: int | None
    reason: str


def join(
    address: tuple[str, int],
    name: str,
    samples: int,
    features: Sequence[str],
    make: Callable[[Terms], Client],
    *,
    wait_s: float = 60.0,
) -> Attendance:
    """Take part in a federation.

    Parameters
    ----------
    address
        Of the server; while nothing listens there, it is tried again for ``wait_s``.
    samples, features
        How many samples the client has, and names of their columns.
    make
        The client, from the terms.
    wait_s
        Longest time that the server may say nothing, beyond that of a round.

    Raises
    ------
    FederationError
        There is no server, it speaks another protocol, falls silent, refuses the client, or breaks off.
    """
    place = f"{address[0]} port {address[1]}"
    with _connected(address, place, wait_s) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        messages = _messages(connection, place)
        _send(
            connection,
            Message("hello", {"name": name, "samples": samples, "features": json.dumps(tuple(features))}),
            place,
        )
        message = _expect(next(messages), "welcome", place)
        try:
            terms = Terms.of(message)
        except FederationError as error:
            raise FederationError(f"{place}: {error}") from None
        client = make(terms)
        connection.settimeout(wait_s + terms.seconds)
        answered = 0
        copies: int | None = 0
        kept: int | None = 0
        for message in messages:
            if message.kind == "farewell":
                _no_refusal(message, place)
                return Attendance(answered, copies, kept, message.fields["reason"])
            try:
                gradient = client.answer(message.fields["round"], copies_of(_expect(message, "operator", place)))
            except FederationError as error:
                raise FederationError(f"{place}: {error}") from None
            _send(connection, gradient_message(gradient), place)
            answered += 1
            copies = None if gradient.sent is None or copies is None else copies + gradient.sent
            kept = None if gradient.kept is None or kept is None else kept + gradient.kept
    raise FederationError(f"{place}: the server broke off after {answered} rounds")


def _connected(address: tuple[str, int], place: str, wait_s: float) -> socket.socket:
    end = time.monotonic() + wait_s
    while True:
        try:
            return socket.create_connection(address, timeout=wait_s)
        except ConnectionRefusedError:
            if time.monotonic() + _AGAIN_S > end:
                raise FederationError(f"{place}: no server listened there within {wait_s:g} s") from None
            time.sleep(_AGAIN_S)
        except (OSError, OverflowError) as error:
            raise FederationError(f"{place}: no connection ({getattr(error, 'strerror', None) or error})") from None


def _messages(connection: socket.socket, place: str) -> Iterator[Message]:
    decoder = Decoder()
    while True:
        try:
            data = connection.recv(_PIECE)
        except TimeoutError:
            raise FederationError(f"{place}: the server said nothing for {connection.gettimeout():g} s") from None
        except OSError as error:
            raise FederationError(f"{place}: the connection broke ({error.strerror or error})") from None
        if not data:
            raise FederationError(f"{place}: the server closed the connection without a farewell")
        try:
            yield from decoder.feed(data)
        except FederationError as error:
            raise FederationError(f"{place}: {error}") from None


def _expect(message: Message, kind: str, place: str) -> Message:
    if message.kind == "farewell":
        _no_refusal(message, place)
        raise FederationError(f"{place}: {message.fields['reason']}")
    if message.kind != kind:
        raise FederationError(f"{place}: it sent '{message.kind}' where '{kind}' is due")
    return message


def _no_refusal(message: Message, place: str) -> None:
    if message.fields["reason"].startswith("refused: "):
        raise FederationError(f"{place} refused: {message.fields['reason'].removeprefix('refused: ')}")


def _send(connection: socket.socket, message: Message, place: str) -> None:
    try:
        connection.sendall(encode(message))
    except OSError as error:
        raise FederationError(f"{place}: the connection broke ({error.strerror or error})") from None

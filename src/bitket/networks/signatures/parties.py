"""The three parties as processes of their own that talk over sockets.

Every frame carries a code (HMAC-SHA256 over the channel's key, the direction and a running number), so that nothing can be changed, left
out, repeated or reordered on the way; secrecy is not needed, for key bits are sent only once nobody can use them to sign. Order matters:
Charlie gives his bits away only when he has message, signature and Bob's bits.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import socket
import struct
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bitket.errors import BitketError, InvalidInput
from bitket.files import opened
from bitket.networks.signatures.protocol import KeyShare, Receiver, Signature

__all__ = ["Channel", "ExchangeError", "Outcome", "alice", "bob", "charlie", "pieces"]

_FRAME = struct.Struct("<cI")
_PIECE = 1 << 20
_LARGEST = 1 << 24


class ExchangeError(BitketError):
    """A partner that closed the connection, took too long, or sent what it should not."""


@dataclass(frozen=True)
class Outcome:
    """What a party learned: whether it accepted, and whether its partner did."""

    accepted: bool
    partner: bool

    @property
    def valid(self) -> bool:
        """Whether both receivers accepted."""
        return self.accepted and self.partner


class Channel:
    """Authenticated frames over a connected socket; both ends have the same key, and one of them is ``first``."""

    def __init__(self, connection: socket.socket, key: bytes, *, first: bool) -> None:
        self._socket, self._key = connection, key
        self._out, self._in = (b"1", b"2") if first else (b"2", b"1")
        self._sent = self._received = 0

    def send(self, kind: bytes, payload: Any) -> None:
        """Send a frame; ``kind`` is one byte."""
        data = bytes(payload)
        head = _FRAME.pack(kind, len(data))
        code = self._code(self._out, self._sent, head, data)
        self._sent += 1
        try:
            self._socket.sendall(head + code + data)
        except OSError as error:
            raise ExchangeError(f"the partner cannot be reached any more ({error})") from None

    def receive(self, *kinds: bytes) -> tuple[bytes, bytes]:
        """The next frame, which must be of one of these kinds."""
        head = self._read(_FRAME.size)
        kind, size = _FRAME.unpack(head)
        if size > _LARGEST:
            raise ExchangeError(f"a frame of {size} bytes came; at most {_LARGEST} are allowed")
        code = self._read(32)
        data = self._read(size)
        if not hmac.compare_digest(code, self._code(self._in, self._received, head, data)):
            raise ExchangeError(
                "a frame came that the partner did not send so: the channel's key differs, or the frame was changed"
            )
        self._received += 1
        if kind not in kinds:
            raise ExchangeError(f"a frame of kind {kind!r} came; expected {b' or '.join(kinds)!r}")
        return kind, data

    def _code(self, direction: bytes, number: int, head: bytes, data: bytes) -> bytes:
        code = hmac.new(self._key, direction + number.to_bytes(8, "little") + head, hashlib.sha256)
        code.update(data)
        return code.digest()

    def _read(self, size: int) -> bytes:
        parts, left = [], size
        while left:
            try:
                part = self._socket.recv(min(left, _PIECE))
            except OSError as error:
                raise ExchangeError(f"nothing more came from the partner ({error})") from None
            if not part:
                raise ExchangeError("the partner closed the connection before the end")
            parts.append(part)
            left -= len(part)
        return b"".join(parts)

    # -- what the parties say -------------------------------------------------------------------------------------------
    def send_message(self, path: Path, signature: Signature) -> None:
        """A message, piece by piece, and its signature."""
        self.send(b"S", signature.to_bytes())
        for piece in pieces(path):
            self.send(b"D", piece)
        self.send(b"E", b"")

    def receive_message(self, path: Path) -> Signature:
        """The signature; the message is written to the path."""
        signature = Signature.from_bytes(self.receive(b"S")[1])
        with path.open("wb") as file:
            while (frame := self.receive(b"D", b"E"))[0] == b"D":
                file.write(frame[1])
        return signature

    def send_share(self, share: KeyShare) -> None:
        """A receiver's key bits."""
        self.send(b"K", share.n.to_bytes(4, "little") + share.bits.to_bytes(-(-3 * share.n // 8), "little"))

    def receive_share(self) -> KeyShare:
        """A receiver's key bits."""
        data = self.receive(b"K")[1]
        n = int.from_bytes(data[:4], "little")
        if len(data) != 4 + -(-3 * n // 8):
            raise ExchangeError(f"key bits of {len(data)} bytes came for a hash of {n} bits")
        return KeyShare(n, int.from_bytes(data[4:], "little"))

    def send_verdict(self, accepted: bool) -> None:
        """Whether the signature is accepted."""
        self.send(b"V", json.dumps({"accepted": accepted}).encode())

    def receive_verdict(self) -> bool:
        """Whether the partner accepts."""
        return json.loads(self.receive(b"V")[1])["accepted"] is True


def pieces(path: str | Path) -> Iterator[bytes]:
    """A file in pieces.

    Raises
    ------
    InvalidInput
        It cannot be read.
    """
    with opened(path) as file:
        while piece := file.read(_PIECE):
            yield piece


def _connected(address: tuple[str, int], seconds: float) -> socket.socket:
    try:
        return socket.create_connection(address, timeout=seconds)
    except OSError as error:
        raise ExchangeError(f"no connection to {address[0]} port {address[1]} ({error})") from None


def _accepted(listener: socket.socket, seconds: float) -> socket.socket:
    listener.settimeout(seconds)
    try:
        connection, _ = listener.accept()
    except OSError as error:
        raise ExchangeError(f"nobody connected ({error})") from None
    connection.settimeout(seconds)
    return connection


def alice(
    bob_address: tuple[str, int], key: bytes, path: str | Path, signature: Signature, *, seconds: float = 60
) -> Outcome:
    """Send a signed file to Bob; what Bob and Charlie say of it.

    Raises
    ------
    ExchangeError
        Bob cannot be reached, does not answer within so many seconds, or has another key.
    """
    with _connected(bob_address, seconds) as connection:
        channel = Channel(connection, key, first=True)
        channel.send_message(Path(path), signature)
        return Outcome(channel.receive_verdict(), channel.receive_verdict())


def bob(
    listener: socket.socket,
    charlie_address: tuple[str, int],
    keys: tuple[bytes, bytes],
    receiver: Receiver,
    path: str | Path,
    *,
    seconds: float = 60,
) -> Outcome:
    """Receive a file from Alice, check it with Charlie, keep it at the path if both accept.

    ``keys`` are those of the channels to Alice and to Charlie.

    Raises
    ------
    ExchangeError
        As `alice`, for either partner.
    InvalidInput
        The key bits that the signature names are used or not there.
    """
    with _accepted(listener, seconds) as from_alice, _scratch(Path(path)) as scratch:
        upstream = Channel(from_alice, keys[0], first=False)
        signature = upstream.receive_message(scratch.path)
        own = receiver.share(signature)
        with _connected(charlie_address, seconds) as to_charlie:
            partner = Channel(to_charlie, keys[1], first=True)
            partner.send_message(scratch.path, signature)
            partner.send_share(own)
            other = partner.receive_share()
            accepted = receiver.verify(pieces(scratch.path), signature, own, other)
            partner.send_verdict(accepted)
            outcome = Outcome(accepted, partner.receive_verdict())
        upstream.send_verdict(outcome.accepted)
        upstream.send_verdict(outcome.partner)
        if outcome.valid:
            scratch.keep()
        return outcome


def charlie(
    listener: socket.socket, key: bytes, receiver: Receiver, path: str | Path, *, seconds: float = 60
) -> Outcome:
    """Receive a file from Bob and check it with him; it is kept at the path if both accept.

    Raises
    ------
    ExchangeError, InvalidInput
        As `bob`.
    """
    with _accepted(listener, seconds) as from_bob, _scratch(Path(path)) as scratch:
        channel = Channel(from_bob, key, first=False)
        signature = channel.receive_message(scratch.path)
        other = channel.receive_share()
        own = receiver.share(signature)
        channel.send_share(own)
        partner = channel.receive_verdict()
        accepted = partner and receiver.verify(pieces(scratch.path), signature, own, other)
        channel.send_verdict(accepted)
        outcome = Outcome(accepted, partner)
        if outcome.valid:
            scratch.keep()
        return outcome


class _scratch:
    """A file beside the target, which is renamed to it when it is to be kept, and removed if not."""

    def __init__(self, target: Path) -> None:
        self._target = target

    def __enter__(self) -> _scratch:
        try:
            descriptor, name = tempfile.mkstemp(dir=self._target.parent, prefix=f".{self._target.name}.")
        except OSError as error:
            raise InvalidInput(f"{self._target}: it cannot be written ({error.strerror})") from None
        os.close(descriptor)
        self.path = Path(name)
        return self

    def keep(self) -> None:
        """Give the file its name, once it is on the disk."""
        with self.path.open("rb") as file:
            os.fsync(file.fileno())
        self.path.replace(self._target)

    def __exit__(self, *_: object) -> None:
        self.path.unlink(missing_ok=True)

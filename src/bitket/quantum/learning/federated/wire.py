"""Messages as bytes: a fixed head, a JSON header, and the raw arrays.

    "BTKF"  version u16  header length u32  arrays' length u64   |   header   |   arrays, little-endian, one after the other

The header has the kind, the fields, and of each array its name, type and shape. Lengths are held against limits before a byte of what they
announce is kept, and against each other: no byte is left over. Text is UTF-8, numbers are finite.
"""

from __future__ import annotations

import json
import math
import struct
from typing import Any

import numpy as np

from bitket.quantum.learning.federated.messages import KINDS, FederationError, Message

__all__ = ["LARGEST", "VERSION", "Decoder", "encode"]

VERSION = 1
_MAGIC = b"BTKF"
_HEAD = struct.Struct("<4sHIQ")
_LONGEST_HEADER = 1 << 18
LARGEST = 1 << 26
"""Bytes of arrays that a frame has at most."""
_TYPES = {"f8": np.dtype("<f8"), "c16": np.dtype("<c16")}


def encode(message: Message) -> bytes:
    """The frame of a message.

    Raises
    ------
    FederationError
        It is larger than frames may be.
    """
    arrays = [(name, np.asarray(array, dtype=array.dtype.newbyteorder("<"))) for name, array in message.arrays.items()]
    listed = [[name, array.dtype.str[1:], list(array.shape)] for name, array in arrays]
    header = json.dumps(
        {"kind": message.kind, "fields": dict(message.fields), "arrays": listed},
        separators=(",", ":"),
        sort_keys=True,
        allow_nan=False,
    ).encode()
    body = b"".join(array.tobytes() for _, array in arrays)
    if len(header) > _LONGEST_HEADER or len(body) > LARGEST:
        raise FederationError(f"message '{message.kind}' of {len(header) + len(body)} bytes; {LARGEST} are the most")
    return _HEAD.pack(_MAGIC, VERSION, len(header), len(body)) + header + body


class Decoder:
    """Frames out of a stream of bytes that comes in pieces: `feed` them, take the messages.

    Nothing that a stranger announces is allocated: a piece is kept as it comes, and refused once it cannot begin a frame.
    """

    def __init__(self, largest: int = LARGEST) -> None:
        self._bytes = bytearray()
        self.largest = largest  # bytes of arrays; may change between frames

    @property
    def begun(self) -> bool:
        """Whether a frame has begun that is not whole."""
        return bool(self._bytes)

    def feed(self, data: bytes) -> list[Message]:
        """The messages that these bytes make whole.

        Raises
        ------
        FederationError
            They are no frames of this protocol; the stream cannot be gone on with.
        """
        self._bytes += data
        found = []
        while (message := self._next()) is not None:
            found.append(message)
        return found

    def _next(self) -> Message | None:
        start = bytes(self._bytes[:4])
        if start != _MAGIC[: len(start)]:
            raise FederationError(f"it speaks another protocol (it began with {start!r})")
        if len(self._bytes) < _HEAD.size:
            return None
        _, version, header_size, size = _HEAD.unpack_from(self._bytes)
        if version != VERSION:
            raise FederationError(f"it speaks version {version} of the protocol; this is version {VERSION}")
        if header_size > _LONGEST_HEADER or size > self.largest:
            raise FederationError(f"a frame of {header_size + size} bytes was announced; {self.largest} are the most")
        end = _HEAD.size + header_size + size
        if len(self._bytes) < end:
            return None
        header = bytes(self._bytes[_HEAD.size : _HEAD.size + header_size])
        body = bytes(self._bytes[_HEAD.size + header_size : end])
        del self._bytes[:end]
        return _message(header, body)


def _message(header: bytes, body: bytes) -> Message:
    try:
        read = json.loads(header.decode(), parse_constant=_refuse, object_pairs_hook=_once)
        kind, fields, listed = read["kind"], read["fields"], read["arrays"]
        if set(read) != {"kind", "fields", "arrays"} or not isinstance(fields, dict) or kind not in KINDS:
            raise ValueError
        arrays, at = {}, 0
        for name, kind_of, shape in listed:
            if name not in KINDS[kind].arrays or name in arrays or not all(type(s) is int and s >= 0 for s in shape):
                raise ValueError
            dtype = _TYPES[kind_of]
            size = math.prod(shape) * dtype.itemsize
            if at + size > len(body):
                raise ValueError
            arrays[name] = (
                np.frombuffer(body, dtype, math.prod(shape), at).reshape(shape).astype(dtype.newbyteorder("="))
            )
            at += size
        if at != len(body):
            raise ValueError
    except (ValueError, KeyError, TypeError, RecursionError):  # UnicodeDecodeError and JSONDecodeError are ValueErrors
        raise FederationError("it sent a frame that is no message of the protocol") from None
    return Message(kind, fields, arrays)


def _refuse(text: str) -> Any:
    raise ValueError(text)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name twice")
    return found

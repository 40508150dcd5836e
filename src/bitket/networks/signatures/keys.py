"""A store of one-time key bits: what is drawn is burnt on disk before it is handed out.

A file holds a header and segments; a segment holds a number of 64-bit words and one mark a word. To draw is to mark the words and
wait until the marks are on disk, then to erase the words: a process that is killed at any moment, or two that draw at once (they wait
for a lock), never get the same bits twice. Bits of a segment are shuffled when they are added, by a permutation that all parties know,
so that a run of words is a random group of the bits that were exchanged.

Nothing here prints key bits, and no message of an error holds any.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray

from bitket.errors import InvalidInput
from bitket.files import require_file

__all__ = ["Group", "KeyStore", "Party", "make_stores"]

Party = Literal["signer", "receiver 1", "receiver 2"]
_PARTIES: tuple[Party, ...] = ("signer", "receiver 1", "receiver 2")

MOST_BITS = 10**10
"""That are made at once: 1.25 GB a party."""

_MAGIC = b"BITKETQK"
_VERSION = 1
_HEADER = struct.Struct("<8sIB3x16s")  # magic, version, party, name of the set of keys that belong together
_SEGMENT = struct.Struct("<QQ")  # words, bytes of marks
_WORD = 64


@dataclass(frozen=True)
class Group:
    """Where a group of bits lies: the words ``first`` to ``first + words - 1`` of a segment."""

    segment: int
    first: int
    words: int


@dataclass(frozen=True)
class _Place:
    words: int
    marks: int  # offset in the file
    data: int


class KeyStore:
    """The key file of one party.

    Raises
    ------
    InvalidInput
        The file cannot be read, is no key file, is of another version, or is cut short.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        with self._open() as file:
            header = file.read(_HEADER.size)
            if len(header) < _HEADER.size or not header.startswith(_MAGIC):
                raise InvalidInput(f"{self.path}: not a key file")
            _, version, party, self.identity = _HEADER.unpack(header)
            if version != _VERSION:
                raise InvalidInput(
                    f"{self.path}: a key file of version {version}; this program reads version {_VERSION}"
                )
            if party >= len(_PARTIES):
                raise InvalidInput(f"{self.path}: a key file of an unknown party")
            self.party: Party = _PARTIES[party]
            self._places(file)

    def __repr__(self) -> str:
        return f"KeyStore({str(self.path)!r}, {self.party})"

    @classmethod
    def create(cls, path: str | Path, party: Party, identity: bytes) -> KeyStore:
        """An empty file, which only its owner can read.

        ``identity`` are 16 bytes that the three files of a set share.

        Raises
        ------
        InvalidInput
            The file is there already, or cannot be written.
        """
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except OSError as error:
            raise InvalidInput(f"{path}: the key file cannot be made ({error.strerror})") from None
        with os.fdopen(descriptor, "wb") as file:
            file.write(_HEADER.pack(_MAGIC, _VERSION, _PARTIES.index(party), identity))
            file.flush()
            os.fsync(file.fileno())
        return cls(path)

    # -- bits -------------------------------------------------------------------------------------------------------
    def append(self, words: NDArray[np.uint64]) -> None:
        """Add key bits, ``[words]``, least significant bit first; they are there whole or not at all."""
        words = np.ascontiguousarray(words, dtype="<u8")
        with self._locked() as file:
            places = self._places(file)
            end = places[-1].data + 8 * places[-1].words if places else _HEADER.size
            marks = -(-len(words) // 8)
            # The words first, the segment's head last: a reader takes what follows the last whole head for an unfinished append.
            file.truncate(end)
            file.seek(end + _SEGMENT.size)
            file.write(bytes(marks))
            file.write(words.tobytes())
            file.flush()
            os.fsync(file.fileno())
            file.seek(end)
            file.write(_SEGMENT.pack(len(words), marks))
            file.flush()
            os.fsync(file.fileno())

    def left(self) -> int:
        """Number of bits that are not burnt."""
        with self._locked() as file:
            return sum(_WORD * int((~self._marks(file, place)).sum()) for place in self._places(file))

    def draw(self, bits: int) -> tuple[Group, int]:
        """Take the next group of so many bits, which is burnt; where it lay, and its bits, the first the least significant.

        Raises
        ------
        InvalidInput
            There is no room for such a group.
        """
        words = -(-bits // _WORD)
        with self._locked() as file:
            free = 0
            for number, place in enumerate(self._places(file)):
                marks = self._marks(file, place)
                free += int((~marks).sum())
                # Ends of used words bound the free runs.
                bounds = np.flatnonzero(np.diff(np.concatenate([[1], marks.astype(np.int8), [1]])))
                for first, last in zip(bounds[::2], bounds[1::2], strict=True):
                    if last - first >= words:
                        group = Group(number, int(first), words)
                        return group, self._burn(file, place, group) & ((1 << bits) - 1)
        raise InvalidInput(f"{self.path}: {_WORD * free} key bits are left, a group of {bits} is needed")

    def check(self, group: Group, bits: int) -> None:
        """Whether `take` would give the group; nothing is used.

        Raises
        ------
        InvalidInput
            As `take`.
        """
        with self._locked() as file:
            self._unused(file, group, bits)

    def take(self, group: Group, bits: int) -> int:
        """Take the group that another party named, which is burnt.

        Raises
        ------
        InvalidInput
            The store has no such group, or part of it is used.
        """
        with self._locked() as file:
            return self._burn(file, self._unused(file, group, bits), group) & ((1 << bits) - 1)

    def _unused(self, file: BinaryIO, group: Group, bits: int) -> _Place:
        places = self._places(file)
        if group.words != -(-bits // _WORD):
            raise InvalidInput(f"a group of {group.words} words for {bits} bits: the signature is not consistent")
        if not (0 <= group.segment < len(places) and 0 <= group.first <= places[group.segment].words - group.words):
            raise InvalidInput(f"{self.path}: the key file has no such group of bits as the signature names")
        place = places[group.segment]
        if self._marks(file, place)[group.first : group.first + group.words].any():
            raise InvalidInput(f"{self.path}: these key bits are used; a signature can be checked once")
        return place

    def _burn(self, file: BinaryIO, place: _Place, group: Group) -> int:
        """Mark, wait for the disk, read, erase."""
        marks = self._marks(file, place)
        file.seek(place.data + 8 * group.first)
        data = file.read(8 * group.words)
        marks[group.first : group.first + group.words] = True
        first, last = group.first // 8, -(-(group.first + group.words) // 8)
        file.seek(place.marks + first)
        file.write(np.packbits(marks[8 * first : 8 * last], bitorder="little").tobytes())
        file.flush()
        os.fsync(file.fileno())
        file.seek(place.data + 8 * group.first)
        file.write(bytes(8 * group.words))
        file.flush()
        os.fsync(file.fileno())
        return int.from_bytes(data, "little")

    # -- file -------------------------------------------------------------------------------------------------------
    @contextmanager
    def _open(self) -> Iterator[BinaryIO]:
        require_file(self.path)
        try:
            file = self.path.open("r+b")
        except OSError as error:
            raise InvalidInput(f"{self.path}: the key file cannot be opened ({error.strerror})") from None
        with file:
            yield file

    @contextmanager
    def _locked(self) -> Iterator[BinaryIO]:
        with self._open() as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield file

    def _places(self, file: BinaryIO) -> list[_Place]:
        size, at, out = os.fstat(file.fileno()).st_size, _HEADER.size, []
        while at + _SEGMENT.size <= size:
            file.seek(at)
            words, marks = _SEGMENT.unpack(file.read(_SEGMENT.size))
            if not words and not marks:
                break  # an append that did not end
            end = at + _SEGMENT.size + marks + 8 * words
            if marks != -(-words // 8) or end > size:
                raise InvalidInput(f"{self.path}: the key file is cut short or damaged")
            out.append(_Place(words, at + _SEGMENT.size, at + _SEGMENT.size + marks))
            at = end
        return out

    def _marks(self, file: BinaryIO, place: _Place) -> NDArray[np.bool_]:
        file.seek(place.marks)
        data = np.frombuffer(file.read(place.data - place.marks), dtype=np.uint8)
        return np.unpackbits(data, count=place.words, bitorder="little").astype(bool)


def shuffled(words: NDArray[np.uint64], seed: int) -> NDArray[np.uint64]:
    """The bits in the order of a permutation that all parties derive from a public seed."""
    bits = np.unpackbits(np.ascontiguousarray(words, dtype="<u8").view(np.uint8), bitorder="little")
    return np.packbits(bits[np.random.default_rng(seed).permutation(len(bits))], bitorder="little").view("<u8")


def make_stores(folder: str | Path, bits: int) -> tuple[KeyStore, KeyStore, KeyStore]:
    """Three new key files with bits from the operating system's generator: signer.keys, receiver1.keys and receiver2.keys.

    The signer's bits are the sums of the receivers'. For trials on one machine: keys of real parties come from key exchanges, and a receiver's
    file must be seen by nobody but that receiver and the signer.

    Raises
    ------
    InvalidInput
        A file is there already or cannot be written, or the number of bits is not positive.
    """
    if not 1 <= bits <= MOST_BITS:
        raise InvalidInput(f"{bits} key bits: from 1 to {MOST_BITS} are allowed")
    folder, identity = Path(folder), secrets.token_bytes(16)
    names = ("signer.keys", "receiver1.keys", "receiver2.keys")
    for name in names:
        if (folder / name).exists():
            raise InvalidInput(f"{folder / name}: the file is there already, and key files are not overwritten")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidInput(f"{folder}: the folder cannot be made ({error.strerror})") from None
    words = -(-bits // _WORD)
    one, other = (np.frombuffer(secrets.token_bytes(8 * words), dtype="<u8") for _ in range(2))
    stores = [KeyStore.create(folder / name, party, identity) for name, party in zip(names, _PARTIES, strict=True)]
    for store, part in zip(stores, (one ^ other, one, other), strict=True):
        store.append(part)
    return stores[0], stores[1], stores[2]

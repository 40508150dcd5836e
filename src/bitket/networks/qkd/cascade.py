"""Cascade: two keys made equal by comparing parities in public (Brassard and Salvail 1994, EUROCRYPT '93, 410-423).

Pass i cuts the key, shuffled after the first pass, into blocks of k1 2^(i-1) bits. A block whose parities differ holds an odd number of
errors, and a binary search over parities finds one. Each bit so flipped makes blocks of the earlier passes odd again, which are searched
in turn, smallest first, until none is odd. k1 is the largest k with k p - (1 - (1 - 2p)^k)/2 < ln(2)/2, p the error rate.

Here the keys are cut into frames of 10 240 bits that are worked on side by side, so that one message carries the questions of all of them;
blocks and shuffles never cross a frame. An even number of errors can escape all passes, so in the end tags of the keys are compared, of
halves if they differ, and frames that stay unequal are dropped. Bob leads and corrects his key; Alice only answers. They share nothing
but messages:

>>> import numpy as np
>>> generator = np.random.default_rng(0)
>>> key = generator.integers(0, 2, 30_000, dtype=np.uint8)
>>> alice, bob = Alice(key), Bob(key ^ (generator.random(30_000) < 0.02), generator)
>>> questions = bob.questions()
>>> question = next(questions)
>>> while question is not None:
...     question = questions.send(alice.answer(question))
>>> bool((alice.key == bob.key).all()), len(bob.key), bob.error_rate
(True, 20000, 0.0193)
"""

from __future__ import annotations

import math
from collections.abc import Generator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bitket.errors import InvalidInput
from bitket.networks.photonics import require
from bitket.networks.qkd.privacy import Bits, check_bits, toeplitz_hash, toeplitz_seed

__all__ = [
    "Alice",
    "Block",
    "Bob",
    "Cascade",
    "CascadeResult",
    "Compare",
    "Drop",
    "Pass",
    "Question",
    "Sample",
    "first_block",
]

FRAME = 10_240
PASSES = 4
TAG = 64
_GROUP = 64  # frames that are worked on at once
Places = NDArray[np.int64]


def first_block(error_rate: float, longest: int = FRAME) -> int:
    """The size k1 of the first pass's blocks: the largest k with ``k p - (1 - (1 - 2p)^k)/2 < ln(2)/2``, at most ``longest``."""
    require("Cascade: error_rate", error_rate, 0, 0.5)
    k = np.arange(1, longest + 1)
    return int(np.count_nonzero(k * error_rate - (1 - (1 - 2 * error_rate) ** k) / 2 < math.log(2) / 2))


@dataclass(frozen=True)
class Sample:
    """Bob asks for the first bits, which then are dropped."""

    bits: int


@dataclass(frozen=True)
class Pass:
    """Bob asks for the parities of all blocks of a pass over the bits ``[start, stop)``; pass 0 begins new frames."""

    number: int
    start: int
    stop: int
    block: int
    shuffle: int


@dataclass(frozen=True)
class Block:
    """Bob asks for the parities of ``[start, stop)``, places in the shuffled order of a pass of the current frames."""

    number: int
    starts: Places
    stops: Places


@dataclass(frozen=True)
class Compare:
    """Bob asks for a tag of the bits ``[start, stop)``, by a Toeplitz matrix made from a number."""

    start: int
    stop: int
    matrix: int


@dataclass(frozen=True)
class Drop:
    """Bob tells which frames, by their first bits, both leave out of their keys."""

    starts: tuple[int, ...]


Question = Sample | Pass | Block | Compare | Drop


def _order(question: Pass) -> Places:
    """The bit at each place of a pass: one shuffle of a frame serves all frames, and a shorter last one skips what it lacks."""
    bits = question.stop - question.start
    frame: Places = np.arange(FRAME)
    if question.number:
        frame = np.random.default_rng(question.shuffle).permutation(FRAME)
    places = (np.arange(0, bits, FRAME)[:, None] + frame).reshape(-1)
    return places if bits % FRAME == 0 else places[places < bits]


def _edges(question: Pass) -> Places:
    """Where the blocks of a pass start, and the end of the last one."""
    bits = question.stop - question.start
    starts = (np.arange(0, bits, FRAME)[:, None] + np.arange(0, FRAME, question.block)).reshape(-1)
    return np.append(starts[starts < bits], bits)


def _tag(question: Compare, key: Bits) -> Bits:
    bits = key[question.start : question.stop]
    return toeplitz_hash(bits, toeplitz_seed(len(bits), min(TAG, len(bits)), np.random.default_rng(question.matrix)))


def _without(key: Bits, question: Drop) -> Bits:
    frames = np.arange(len(key)) // FRAME
    return key[~np.isin(frames, np.array(question.starts) // FRAME)]


class Alice:
    """Answers questions about her key.

    Attributes
    ----------
    key
        Her key; shorter once a sample was taken.
    disclosed
        Bits given away about it, the sample apart.
    """

    def __init__(self, key: Bits) -> None:
        self.key: Bits = check_bits("Cascade: Alice's key", key)
        self.disclosed = 0
        self._running: list[Bits] = []  # for each pass: parity of all bits before a place

    def answer(self, question: Question) -> Bits:
        """Bits of the sample, parities or a tag; nothing when she is told to drop frames."""
        if isinstance(question, Sample):
            sample = self.key[: question.bits]
            self.key = self.key[question.bits :]
            return sample
        if isinstance(question, Drop):
            self.key = _without(self.key, question)
            return np.zeros(0, dtype=np.uint8)
        if isinstance(question, Pass):
            bits = self.key[question.start : question.stop][_order(question)]
            running: Bits = np.zeros(len(bits) + 1, dtype=np.uint8)
            np.bitwise_xor.accumulate(bits, out=running[1:])
            del self._running[question.number :]
            self._running.append(running)
            edges = running[_edges(question)]
            reply = edges[1:] ^ edges[:-1]
        elif isinstance(question, Block):
            running = self._running[question.number]
            reply = running[question.starts] ^ running[question.stops]
        else:
            reply = _tag(question, self.key)
        self.disclosed += len(reply)
        return reply


class Bob:
    """Asks questions and corrects his key.

    Attributes
    ----------
    key
        His key; shorter once the sample was compared, and in the end equal to Alice's.
    error_rate
        Given, or measured on the sample.
    sample
        Number of bits compared and dropped.
    corrected
        Bits flipped.
    asked
        Questions sent.
    disclosed
        Bits learnt of Alice's key, the sample apart.
    dropped
        Bits of frames that stayed unequal.
    """

    def __init__(
        self, key: Bits, generator: np.random.Generator, *, error_rate: float | None = None, sample: int = 10_000
    ) -> None:
        self.key: Bits = check_bits("Cascade: Bob's key", key).copy()
        self.generator = generator
        self.error_rate = error_rate
        self.sample = 0 if error_rate is not None else sample
        self.corrected = self.asked = self.disclosed = self.dropped = 0
        if error_rate is not None:
            require("Cascade: error_rate", error_rate, 0, 0.5)
        elif sample < 1:
            raise InvalidInput(f"Cascade: sample is {sample}; allowed: from 1, or give an error rate")
        if len(self.key) <= self.sample:
            raise InvalidInput(
                f"Cascade: a key of {len(self.key)} bits; allowed: more than the sample of {self.sample}"
            )

    def questions(self) -> Generator[Question | None, Bits, None]:
        """All questions, one after another; each answer is sent back into the generator. None at the end."""
        if self.error_rate is None:
            self.asked += 1
            theirs = yield Sample(self.sample)
            mine, self.key = self.key[: self.sample], self.key[self.sample :]
            self.error_rate = min(0.5, float(np.mean(mine != theirs)))
        block = first_block(self.error_rate)
        for start in range(0, len(self.key), _GROUP * FRAME):
            yield from self._frames(start, min(start + _GROUP * FRAME, len(self.key)), block)
        unequal = yield from self._unequal(0, len(self.key))
        if unequal:
            drop = Drop(tuple(unequal))
            yield from self._ask(drop)
            before, self.key = len(self.key), _without(self.key, drop)
            self.dropped = before - len(self.key)
        yield None

    def _unequal(self, start: int, stop: int) -> Generator[Question, Bits, list[int]]:
        """Frames, by their first bits, that differ, by comparing halves of what differs."""
        compare = Compare(start, stop, self._number())
        tag = yield from self._ask(compare)
        if np.array_equal(tag, _tag(compare, self.key)):
            return []
        if stop - start <= FRAME:
            return [start]
        middle = start + (stop - start + FRAME - 1) // FRAME // 2 * FRAME
        left = yield from self._unequal(start, middle)
        right = yield from self._unequal(middle, stop)
        return left + right

    def _number(self) -> int:
        return int(self.generator.integers(0, 2**63))

    def _ask(self, question: Question) -> Generator[Question, Bits, Bits]:
        self.asked += 1
        answer = yield question
        self.disclosed += len(answer)
        return answer

    def _frames(self, start: int, stop: int, block: int) -> Generator[Question, Bits, None]:
        bits = self.key[start:stop]  # a view: flips reach the key
        orders: list[Places] = []
        edges: list[Places] = []
        block_of: list[Places] = []  # for each pass: the block that holds a bit
        odd: list[Bits] = []
        for number in range(PASSES):
            question = Pass(number, start, stop, min(block << number, FRAME), self._number())
            theirs = yield from self._ask(question)
            orders.append(_order(question))
            edges.append(_edges(question))
            holder: Places = np.empty(len(bits), dtype=np.int64)
            holder[orders[-1]] = np.repeat(np.arange(len(theirs)), np.diff(edges[-1]))
            block_of.append(holder)
            odd.append(theirs ^ np.bitwise_xor.reduceat(bits[orders[-1]], edges[-1][:-1]))
            while (smallest := next((i for i, blocks in enumerate(odd) if blocks.any()), None)) is not None:
                found = yield from self._search(
                    smallest, bits, orders[smallest], edges[smallest], np.flatnonzero(odd[smallest])
                )
                bits[found] ^= 1
                self.corrected += len(found)
                for holder, blocks in zip(block_of, odd, strict=True):
                    np.bitwise_xor.at(blocks, holder[found], np.uint8(1))

    def _search(
        self, number: int, bits: Bits, order: Places, edges: Places, blocks: Places
    ) -> Generator[Question, Bits, Places]:
        """One error in each of the odd ``blocks`` of a pass, by halving all of them side by side."""
        first, length = edges[blocks], edges[blocks + 1] - edges[blocks]
        places = first[:, None] + np.arange(length.max())
        running = np.zeros((len(blocks), places.shape[1] + 1), dtype=np.uint8)
        # Past the end of a short block the places are those of others; they are never asked for.
        np.bitwise_xor.accumulate(bits[order[np.minimum(places, len(order) - 1)]], axis=1, out=running[:, 1:])
        low, high = np.zeros(len(length), dtype=np.int64), length.copy()
        while len(rows := np.flatnonzero(high - low > 1)):
            middle = (low[rows] + high[rows]) // 2
            mine = running[rows, low[rows]] ^ running[rows, middle]
            theirs = yield from self._ask(Block(number, first[rows] + low[rows], first[rows] + middle))
            left = mine != theirs
            high[rows[left]] = middle[left]
            low[rows[~left]] = middle[~left]
        return order[first + low]


@dataclass(frozen=True)
class CascadeResult:
    """What a run of Cascade gave.

    Attributes
    ----------
    alice, bob
        Keys after correction, without the sample and dropped frames.
    error_rate
        Measured on the sample, or as given.
    corrected
        Bits that Bob flipped.
    disclosed
        Parities and tag bits that Alice gave away, of what remains of her key.
    messages
        Sent, both ways.
    dropped
        Bits of frames in which errors were left.
    """

    alice: Bits
    bob: Bits
    error_rate: float
    corrected: int
    disclosed: int
    messages: int
    dropped: int


@dataclass(frozen=True)
class Cascade:
    """Cascade between two keys at hand; for a network use `Alice` and `Bob`.

    Attributes
    ----------
    sample
        Bits at the start of the keys that are compared to measure the error rate, and dropped.
    """

    sample: int = 10_000

    def run(
        self, alice: Bits, bob: Bits, generator: np.random.Generator, *, error_rate: float | None = None
    ) -> CascadeResult:
        """Correct ``bob`` to ``alice``; with a given ``error_rate`` no sample is taken.

        Time and memory grow with the key; memory by about 10 bytes a bit, and at most 70 MB for the frames at work.

        Raises
        ------
        InvalidInput
            Keys of unequal length, not longer than the sample, or not of 0 and 1; an error rate outside [0, 0.5].
        """
        one, other = Alice(alice), Bob(bob, generator, error_rate=error_rate, sample=self.sample)
        if len(one.key) != len(other.key):
            raise InvalidInput(f"Cascade: keys of {len(one.key)} and {len(other.key)} bits; allowed: equal lengths")
        questions = other.questions()
        question = next(questions)
        while question is not None:
            question = questions.send(one.answer(question))
        assert other.error_rate is not None
        return CascadeResult(
            one.key, other.key, other.error_rate, other.corrected, one.disclosed, 2 * other.asked, other.dropped
        )

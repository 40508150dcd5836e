"""A discrete-event kernel with integer picoseconds.

Events are run in the order (time, priority, order of scheduling), so a run is a function of the seed alone. Cancelled events stay in the
heap until their time comes and are then dropped. Every component draws from a generator of its own, which depends on the seed and the
component's name only: another order of building changes nothing.

>>> timeline = Timeline(seed=1)
>>> log = []
>>> late = timeline.at(20, log.append, "late")
>>> _ = timeline.at(10, log.append, "early")
>>> _ = timeline.after(10, log.append, "second of the same time")
>>> timeline.cancel(late)
>>> timeline.run(), log, timeline.now
(2, ['early', 'second of the same time'], 10)
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from heapq import heapify, heappop, heappush
from typing import Any

import numpy as np

from bitket.errors import InvalidInput

__all__ = ["FOREVER", "MILLISECOND", "SECOND", "Event", "Timeline", "Uniforms", "picoseconds"]

SECOND = 10**12
"""Picoseconds in a second."""
MILLISECOND = 10**9
FOREVER = 10**23
"""The default end of a run (the age of the universe is 4e29 ps; 1e23 ps are 3000 years)."""

Event = list[Any]
"""``[time, priority, number, function, arguments]``; the function is None once the event is cancelled."""


def picoseconds(seconds: float) -> int:
    """The nearest whole number of picoseconds."""
    return round(seconds * SECOND)


class Uniforms:
    """Numbers uniform in [0, 1) one by one, drawn from a generator in blocks: one at a time costs six times as much."""

    def __init__(self, generator: np.random.Generator, block: int = 256) -> None:
        self.generator, self._block = generator, block
        self._left: Iterator[float] = iter(())

    def __call__(self) -> float:
        """The next number."""
        for value in self._left:
            return value
        self._left = iter(self.generator.random(self._block).tolist())
        return self()


class Timeline:
    """The queue of events and the clock; memory grows with the number of events that wait, not with the time simulated."""

    def __init__(self, seed: int = 0) -> None:
        if seed < 0:
            raise InvalidInput(f"seed {seed}: it must not be negative")
        self.now, self.seed, self.executed = 0, seed, 0
        self._queue: list[Event] = []
        self._scheduled = self._cancelled = 0

    def generator(self, name: str) -> np.random.Generator:
        """The generator of the component with this name."""
        return np.random.default_rng([self.seed, *hashlib.sha256(name.encode()).digest()[:16]])

    def at(self, time: int, function: Callable[..., object], *arguments: Any, priority: int = 0) -> Event:
        """Schedule ``function(*arguments)``; events of one time run by rising priority, then as scheduled.

        Raises
        ------
        InvalidInput
            The time has passed.
        """
        if time < self.now:
            raise InvalidInput(f"event at {time} ps: it is {self.now} ps already")
        event = [time, priority, self._scheduled, function, arguments]
        self._scheduled += 1
        heappush(self._queue, event)
        return event

    def after(self, delay: int, function: Callable[..., object], *arguments: Any, priority: int = 0) -> Event:
        """Schedule ``function(*arguments)`` a delay from now."""
        return self.at(self.now + delay, function, *arguments, priority=priority)

    def cancel(self, event: Event | None) -> None:
        """The event will not run; None and events that have run are let be."""
        if event is None or event[3] is None:
            return
        event[3], event[4] = None, ()
        self._cancelled += 1
        if self._cancelled > 64 and 2 * self._cancelled > len(
            self._queue
        ):  # so that cancelled events do not fill the memory
            self._queue = [e for e in self._queue if e[3] is not None]
            heapify(self._queue)
            self._cancelled = 0

    @property
    def waiting(self) -> int:
        """Events that wait."""
        return len(self._queue) - self._cancelled

    def run(self, until: int = FOREVER) -> int:
        """Run the events before ``until``, which later calls go on from; returns how many were run."""
        before = self.executed
        while self._queue:
            event = self._queue[0]
            if event[0] >= until:
                break
            heappop(self._queue)
            time, _, _, function, arguments = event
            if function is None:
                self._cancelled -= 1
                continue
            event[3] = None  # so that a later cancel knows
            self.now = time
            self.executed += 1
            function(*arguments)
        if until < FOREVER:
            self.now = max(self.now, until)
        return self.executed - before

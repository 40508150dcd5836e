"""What memories, protocols and rules need of the network around them: a clock, a messenger, a store of pairs, and running numbers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count

from bitket.networks.hardware import Hardware
from bitket.networks.routes import Messenger
from bitket.networks.store import PairStore
from bitket.networks.timeline import Timeline

__all__ = ["Counts", "Services"]


@dataclass
class Counts:
    """What has happened in the whole network."""

    attempts: int = 0
    swaps: int = 0
    purifications: int = 0
    expired: int = 0


@dataclass(frozen=True, eq=False)
class Services:
    """Shared by everything in one network.

    Attributes
    ----------
    timeline, messenger, store
        Clock, classical messages, and pairs.
    hardware
        Settings.
    batched
        Whether failed attempts are drawn from their law.
    numbers, keys
        Running numbers of pairs and reservations, and of memories.
    """

    timeline: Timeline
    messenger: Messenger
    store: PairStore
    hardware: Hardware
    batched: bool = True
    counts: Counts = field(default_factory=Counts)
    numbers: Iterator[int] = field(default_factory=count)
    keys: Iterator[int] = field(default_factory=count)

"""What a federation did, round by round, and what it cost: copies, qubits, success probabilities, alarms, beside classical bytes."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitket.quantum.learning.federated.copies import Copies
from bitket.quantum.learning.federated.operator_model import Floats, Samples
from bitket.quantum.learning.federated.server import Model

__all__ = ["History", "Observer", "Round", "Seen", "Tally", "when_none"]

_LOGGED = 100_000


@dataclass
class Tally:
    """Counts of one round. Copies are None where their number is unlimited; a copy kept is one that the apparatus did not reject."""

    copies: int | None = 0
    arrived: int | None = 0
    kept: int | None = 0
    returned: int | None = 0
    qubits: int | None = 0
    decoys: int = 0
    wrong: int = 0
    alarms: int = 0
    shares: list[float] = field(default_factory=list)

    def add(self, **counts: int | None) -> None:
        """Add to the counts; unlimited ones stay so."""
        for name, value in counts.items():
            now = getattr(self, name)
            setattr(self, name, None if value is None or now is None else now + value)


@dataclass(frozen=True)
class Round:
    """One round (of the asynchronous mode: as many arrivals as there are clients).

    Attributes
    ----------
    number, seconds
        From 1, and the time when it was closed.
    used, late, silent, dropped
        Clients whose gradients were used; that came too late; that did not answer; whose answers could not be used.
    copies, arrived, kept, returned
        Copies of operator states that left the server, that reached clients; of gradient states that clients kept, that reached the server.
    share
        Mean success probability of the clients' apparatus, of those that answered.
    qubits
        That were sent in all, decoys included.
    decoys, wrong, alarms
        Decoys that arrived, that were wrong, and messages with an alarm.
    error
        Expected error of the mean gradient by finite copies, 2-norm.
    probability
        Of the server's coherent sum.
    loss, accuracy
        As an observer with all data sees the server's model; nobody in the protocol does. None where nobody looks, or the loss is no number.
    """

    number: int
    seconds: float
    used: int
    late: int
    silent: int
    dropped: int
    copies: int | None
    arrived: int | None
    kept: int | None
    returned: int | None
    share: float
    qubits: int | None
    decoys: int
    wrong: int
    alarms: int
    error: float
    probability: float
    loss: float | None
    accuracy: float | None


@dataclass(frozen=True)
class Seen:
    """An entry of the log: what crossed between two parties. Of a state only its copies and qubits can be said."""

    seconds: float
    sender: str
    receiver: str
    kind: str
    what: dict[str, Any]


@dataclass(frozen=True)
class Observer:
    """Somebody outside the protocol who has all data."""

    samples: Samples | None = None
    test_states: Floats | None = None
    test_labels: NDArray[np.int64] | None = None

    def __call__(self, model: Model) -> tuple[float | None, float | None]:
        """Loss over all samples and accuracy on the test rows."""
        loss = None if self.samples is None else model.loss(self.samples)
        if self.test_states is None or self.test_labels is None:
            return loss, None
        return loss, float((model.predict(self.test_states) == self.test_labels).mean())


@dataclass
class History:
    """All rounds, what was seen, and totals."""

    clients: int
    vector: int
    """Entries of a gradient."""
    rounds: list[Round] = field(default_factory=list)
    log: deque[Seen] = field(default_factory=lambda: deque(maxlen=_LOGGED))
    """What crossed, the last hundred thousand messages of it."""
    messages: int = 0
    notes: list[str] = field(default_factory=list)
    diverged: bool = False
    log10_copies: float = 0.0
    """Coherent rule: log10 of the copies of the first state for one of the last."""

    @property
    def gradients(self) -> int:
        """Gradients that were used."""
        return sum(r.used for r in self.rounds)

    @property
    def copies(self) -> int | None:
        """Copies of operator states sent in all, None if unlimited."""
        return _total([r.copies for r in self.rounds])

    @property
    def qubits(self) -> int | None:
        """Qubits sent in all, None if unlimited."""
        return _total([r.qubits for r in self.rounds])

    @property
    def alarms(self) -> int:
        """Messages whose decoys gave an alarm."""
        return sum(r.alarms for r in self.rounds)

    @property
    def classical_bytes(self) -> int:
        """What the same gradients and parameters take as numbers of 8 bytes, down and up."""
        return 16 * self.vector * sum(r.used + r.late + r.dropped for r in self.rounds)

    def see(self, seconds: float, sender: str, receiver: str, kind: str, what: dict[str, Any], copies: Copies) -> None:
        """Add a message to the log."""
        self.messages += 1
        what = {**what, "copies": copies.number, "qubits": copies.qubits}
        self.log.append(Seen(seconds, sender, receiver, kind, what))

    def close(
        self, seconds: float, tally: Tally, outcome: dict[str, int], error: float, probability: float, seen: Any
    ) -> Round:
        """Add a round."""
        loss, accuracy = seen
        found = Round(
            len(self.rounds) + 1,
            seconds,
            outcome["used"],
            outcome["late"],
            outcome["silent"],
            outcome["dropped"],
            tally.copies,
            tally.arrived,
            tally.kept,
            tally.returned,
            math.fsum(tally.shares) / len(tally.shares) if tally.shares else 0.0,  # whatever the order of arrivals
            tally.qubits,
            tally.decoys,
            tally.wrong,
            tally.alarms,
            error,
            probability,
            loss if loss is not None and math.isfinite(loss) else None,
            accuracy,
        )
        self.rounds.append(found)
        return found

    def rows(self) -> list[dict[str, Any]]:
        """The rounds as mappings."""
        return [asdict(r) for r in self.rounds]


def _total(values: list[int | None]) -> int | None:
    return None if any(v is None for v in values) else sum(v for v in values if v is not None)


def when_none(observer: Callable[[Model], tuple[float | None, float | None]] | None) -> Callable[[Model], Any]:
    """The observer, or one who sees nothing."""
    return observer if observer is not None else Observer()

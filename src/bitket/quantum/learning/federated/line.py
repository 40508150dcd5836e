"""The quantum line between the server and one client, both ways: channel, decoys, and counts of what crossed."""

from __future__ import annotations

from dataclasses import replace

from bitket.quantum.learning.federated.channel import QuantumChannel
from bitket.quantum.learning.federated.client import Gradient, named_generator
from bitket.quantum.learning.federated.copies import Copies
from bitket.quantum.learning.federated.history import Tally

__all__ = ["Line"]


class Line:
    """One client's line; ``seed`` and name fix what happens on it."""

    def __init__(self, name: str, channel: QuantumChannel, seed: int) -> None:
        self.channel = channel
        self._generator = named_generator(seed, "line", name)

    def down(self, disturbed: Copies, tally: Tally) -> Copies:
        """What the client gets of the operator's copies, which carry the channel's noise already: it is the same for all clients."""
        number = self.channel.survivors(disturbed.number, disturbed.qubits, self._generator)
        self._count(disturbed, tally)
        tally.add(copies=disturbed.number, arrived=number)
        return disturbed.carried(lambda states: states, number)

    def up(self, gradient: Gradient, tally: Tally) -> Gradient:
        """What the server gets of a client's answer."""
        arrived = self.channel.carry(gradient.copies, self._generator)
        self._count(gradient.copies, tally)
        tally.add(kept=gradient.kept, returned=arrived.number)
        tally.shares.append(gradient.share)
        return replace(gradient, copies=arrived)

    def _count(self, copies: Copies, tally: Tally) -> None:
        check = self.channel.check(self._generator)
        number = copies.number
        tally.add(
            qubits=None if number is None else number * copies.qubits + self.channel.decoys,
            decoys=check.arrived,
            wrong=check.wrong,
            alarms=int(check.alarm),
        )

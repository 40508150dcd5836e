"""A quantum channel between two parties: loss, depolarising noise, somebody who taps it, and decoys that tell.

Each qubit is lost with probability ``loss``, replaced by a random one with probability ``depolarising``, and with probability ``tap``
measured on the way in the Z or the X basis, at random, and resent. On a qubit of a message this is a Pauli channel:

    tap: p_X = p_Z = tap/4,        depolarising: p_X = p_Y = p_Z = depolarising/4.

Decoys are single qubits in |0>, |1>, |+> or |->, sent among the message and measured by the receiver in their basis, told afterwards. A
tapped one is caught with probability ¼ (wrong basis ½, then a wrong result ½), so of m decoys one is caught at least with
1 - (1 - tap/4)^m. Of K tapped qubits nobody learns more than K bits (Holevo). What is read through
a noisy channel is not corrected: it is biased.

Source: Daskin 2024, arXiv:2401.13421 (tapping is detected); details inferred, after Bennett and Brassard 1984.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bitket.errors import InvalidInput
from bitket.quantum.learning.federated.copies import Array, Copies, factors
from bitket.quantum.simulation.memory import require

__all__ = ["Check", "QuantumChannel", "detection_probability"]

_FALSE_ALARM = 1e-3


@dataclass(frozen=True)
class Check:
    """What the decoys of one message showed: how many came, how many of them were wrong, and whether that is an alarm."""

    arrived: int
    wrong: int
    alarm: bool


@dataclass(frozen=True)
class QuantumChannel:
    """Loss, noise and tapping of each qubit, as probabilities, and how many decoys go with a message."""

    loss: float = 0.0
    depolarising: float = 0.0
    tap: float = 0.0
    decoys: int = 32

    def __post_init__(self) -> None:
        for name in ("loss", "depolarising", "tap"):
            value = getattr(self, name)
            if not 0 <= value <= 1 or (name == "loss" and value == 1):
                raise InvalidInput(f"quantum channel with {name} {value}: a probability is needed, of loss below 1")
        if self.decoys < 0:
            raise InvalidInput(f"quantum channel with {self.decoys} decoys: at least 0 are needed")

    @property
    def pure(self) -> bool:
        """Whether what arrives is what was sent."""
        return self.depolarising == 0 and self.tap == 0

    def arrival(self, qubits: int) -> float:
        """Probability that all qubits of a copy arrive."""
        return float((1 - self.loss) ** qubits)

    def survivors(self, number: int | None, qubits: int, generator: np.random.Generator) -> int | None:
        """How many of some copies arrive whole."""
        if number is None or self.loss == 0:
            return number
        return int(generator.binomial(number, self.arrival(qubits)))

    def carry(self, copies: Copies, generator: np.random.Generator) -> Copies:
        """The copies that arrive whole, as they arrive."""
        number = self.survivors(copies.number, copies.qubits, generator)
        return copies.carried((lambda states: states) if self.pure else self.disturb, number)

    def disturb(self, states: Array) -> Array:
        """The ensemble ``[c, 2^k]`` after the tap and the noise on each qubit.

        Raises
        ------
        InvalidInput
            More than 10 qubits, whose density matrix is too large to follow exactly.
        """
        size = states.shape[1]
        qubits = size.bit_length() - 1
        if qubits > 10:
            raise InvalidInput(
                f"a noisy or tapped channel with messages of {qubits} qubits: at most 10 are followed exactly; use fewer data qubits"
            )
        require(6.0 * size**2 * states.dtype.itemsize, f"a density matrix of {qubits} qubits")
        density = states.T @ states.conj()
        keep, flip = (1 - self.tap) * (1 - self.depolarising), self.depolarising / 4
        x = self.tap * (1 - self.depolarising) / 4 + flip
        weights = keep + self.tap * (1 - self.depolarising) / 2 + flip, x, flip, x  # of 1, X, Y, Z
        for k in range(qubits):
            block = density.reshape(size >> k + 1, 2, 1 << k, size >> k + 1, 2, 1 << k)
            same, other = weights[0] + weights[3], weights[1] + weights[2]
            new = np.empty_like(block)
            for b in (0, 1):
                new[:, b, :, :, b] = same * block[:, b, :, :, b] + other * block[:, 1 - b, :, :, 1 - b]
                new[:, b, :, :, 1 - b] = (weights[0] - weights[3]) * block[:, b, :, :, 1 - b] + (
                    weights[1] - weights[2]
                ) * block[:, 1 - b, :, :, b]
            density = new.reshape(size, size)
        return factors(density / np.trace(density).real)

    def check(self, generator: np.random.Generator) -> Check:
        """Send the decoys of one message and compare them.

        An alarm is a wrong decoy on a channel without noise; with noise, more wrong ones than it makes in all but a thousandth of messages.
        """
        from scipy.stats import binom

        m = self.decoys
        arrived = int(generator.binomial(m, 1 - self.loss)) if self.loss else m
        sent, basis = generator.integers(0, 2, (2, arrived))
        tapped = generator.random(arrived) < self.tap
        theirs = generator.integers(0, 2, arrived)
        # Measured in the other basis the result is random, and so is that of the receiver after it.
        spoilt = tapped & (theirs != basis)
        if self.depolarising:
            spoilt |= generator.random(arrived) < self.depolarising
        got = np.where(spoilt, generator.integers(0, 2, arrived), sent)
        wrong = int((got != sent).sum())
        if self.depolarising == 0:
            alarm = wrong > 0
        else:
            alarm = bool(wrong > binom.ppf(1 - _FALSE_ALARM, arrived, self.depolarising / 2))
        return Check(arrived, wrong, alarm)


def detection_probability(tap: float, decoys: NDArray[np.int64] | int) -> NDArray[np.float64]:
    """1 - (1 - tap/4)^m: that at least one of m decoys is caught on a channel without noise."""
    return np.asarray(1 - (1 - tap / 4) ** np.asarray(decoys, dtype=float))

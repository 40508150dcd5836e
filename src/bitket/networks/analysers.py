"""What photons meet before the detectors: polarisation, time-bin and Bell-state analysers.

The qubit of a photon is real, cos(a)|0> + sin(a)|1>, and given by its angle a in radians: 0 horizontal or early, pi/2 vertical or late,
pi/4 and 3 pi/4 their sums and differences. A basis is 0 or 1: angles 0 and pi/2, or pi/4 and 3 pi/4. A flip of the phase turns a into -a.

An interferometer whose arms differ by the separation of the two time bins spreads |a> over three slots and two outputs:
P(slot 0) = cos(a)^2/4 and P(slot 2) = sin(a)^2/4 at each output, P(slot 1, output +-) = (cos(a) +- sin(a))^2/4, so that only the middle
slot tells the sum from the difference. Two photons that meet on a beam splitter leave by different outputs in the state Psi- and by the
same one in the other three Bell states (Hong, Ou and Mandel 1987, Phys. Rev. Lett. 59, 2044).

>>> import numpy as np
>>> generator = np.random.default_rng(0)
>>> photons = np.full(4, qubit_angle(np.uint8(1), np.uint8(1)))             # bit 1 in basis 1
>>> BeamSplitter().outputs(photons, np.ones(4, dtype=np.uint8), generator).tolist()
[1, 1, 1, 1]
>>> clicks = bell_detections(np.array([0, 1, -1, 0]) / 2**0.5, 5, generator)
>>> bell_state(clicks[:, 0], clicks[:, 1]).tolist()                         # Psi- is always recognised
[-1, -1, -1, -1, -1]
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bitket.errors import InvalidInput
from bitket.networks.photonics import Detector, DetectorState, Times, require

__all__ = [
    "Analyser",
    "AnalyserState",
    "BeamSplitter",
    "PolarisationAnalyser",
    "TimeBinAnalyser",
    "bell_detections",
    "bell_state",
    "qubit_angle",
]

Bits = NDArray[np.uint8]
Angles = NDArray[np.float64]


def qubit_angle(bits: Any, bases: Any) -> Any:
    """The angle of ``bits`` prepared in ``bases``, radians."""
    return (2.0 * bits + bases) * (np.pi / 4)


@dataclass(frozen=True)
class BeamSplitter:
    """A polarising beam splitter behind a rotator that chooses the basis.

    Attributes
    ----------
    fidelity
        Probability that a photon leaves by the output of its measured bit; otherwise it is lost.
    """

    fidelity: float = 1.0

    def __post_init__(self) -> None:
        require("beam splitter: fidelity", self.fidelity, 0, 1)

    def outputs(self, angles: Angles, bases: Bits, generator: np.random.Generator) -> NDArray[np.int8]:
        """0 or 1 for each photon, -1 for a lost one."""
        out = (generator.random(len(angles)) >= np.cos(angles - bases * (np.pi / 4)) ** 2).astype(np.int8)
        out[generator.random(len(angles)) >= self.fidelity] = -1
        return out


@dataclass(frozen=True)
class Analyser(ABC):
    """What the analysers of one photon share.

    Photons of pulse k arrive ``k period`` after the first, bar their time bin; a click counts for the pulse in whose frame it falls.
    """

    def state(self, generator: np.random.Generator) -> AnalyserState:
        """An analyser that runs, its detectors ready at time 0."""
        return AnalyserState(self, generator)

    @property
    @abstractmethod
    def datasheets(self) -> tuple[Detector, ...]:
        """The detectors."""

    @abstractmethod
    def check(self, period: int) -> None:
        """Refuse a pulse period in which clicks could not be told apart."""

    @abstractmethod
    def lead(self, period: int) -> int:
        """How long before a pulse its frame begins, ps."""

    @abstractmethod
    def paths(
        self, times: Times, angles: Angles, bases: Bits, generator: np.random.Generator
    ) -> tuple[Times, NDArray[np.int8]]:
        """When and at which detector each photon arrives; detector -1 for a lost one."""

    @abstractmethod
    def bits(self, detector: int, offsets: Times) -> tuple[NDArray[np.int8], int | None]:
        """The bits that clicks of a detector mean, -1 for none, from their times after their pulses; the basis that it serves or None."""


@dataclass(frozen=True)
class PolarisationAnalyser(Analyser):
    """A beam splitter and a detector for each of its outputs; the detector is the bit, in either basis."""

    detector: Detector = field(default_factory=Detector)
    splitter: BeamSplitter = field(default_factory=BeamSplitter)

    @property
    def datasheets(self) -> tuple[Detector, ...]:
        """The detectors of bit 0 and bit 1."""
        return (self.detector, self.detector)

    def check(self, period: int) -> None:
        """Clicks must be reported within half a period."""
        if self.detector.resolution_ps >= period:
            raise InvalidInput(
                f"polarisation analyser: resolution_ps is {self.detector.resolution_ps}; allowed: below the pulse period of {period} ps"
            )

    def lead(self, period: int) -> int:
        """A click belongs to the nearest pulse."""
        return period // 2

    def paths(
        self, times: Times, angles: Angles, bases: Bits, generator: np.random.Generator
    ) -> tuple[Times, NDArray[np.int8]]:
        """At its own time, at the detector of the measured bit."""
        return times, self.splitter.outputs(angles, bases, generator)

    def bits(self, detector: int, offsets: Times) -> tuple[NDArray[np.int8], int | None]:
        """The detector's number, whenever it clicks."""
        return np.full(len(offsets), detector, dtype=np.int8), None


@dataclass(frozen=True)
class TimeBinAnalyser(Analyser):
    """A switch that sends basis 0 to a detector and basis 1 through an interferometer to two others.

    Attributes
    ----------
    detector
        Data sheet of all three.
    separation_ps
        Time between the early and the late bin, and between the interferometer's arms, ps.
    phase_error
        Probability that the interferometer flips the phase of a photon.
    """

    detector: Detector = field(default_factory=Detector)
    separation_ps: int = 1400
    phase_error: float = 0.0

    def __post_init__(self) -> None:
        require("time-bin analyser: phase_error", self.phase_error, 0, 1)
        if not (isinstance(self.separation_ps, int | np.integer) and self.separation_ps > self.detector.resolution_ps):
            raise InvalidInput(
                f"time-bin analyser: separation_ps is {self.separation_ps!r}; "
                f"allowed: whole numbers above the detectors' resolution of {self.detector.resolution_ps} ps"
            )

    @property
    def datasheets(self) -> tuple[Detector, ...]:
        """The direct detector, then those of the sum and the difference."""
        return (self.detector,) * 3

    def check(self, period: int) -> None:
        """Three slots must fit between pulses."""
        if 3 * self.separation_ps > period:
            raise InvalidInput(
                f"time-bin analyser: separation_ps is {self.separation_ps}; allowed: up to a third of the pulse period of {period} ps"
            )

    def lead(self, period: int) -> int:
        """A slot reaches from half a separation before its time to half a separation after."""
        return self.separation_ps // 2

    def paths(
        self, times: Times, angles: Angles, bases: Bits, generator: np.random.Generator
    ) -> tuple[Times, NDArray[np.int8]]:
        """Early or late at the direct detector, or in one of three slots at one of two outputs."""
        flipped = generator.random(len(angles)) < self.phase_error
        late, plus = np.sin(angles) ** 2, np.cos(np.where(flipped, -angles, angles) - np.pi / 4) ** 2
        uniform = generator.random(len(angles))
        straight = bases == 0
        # Through the interferometer: half the time in the middle slot, where the output is the measurement of the phase, else in an
        # outer slot, which is the measurement of early or late, at either output.
        middle = ~straight & (generator.random(len(angles)) < 0.5)
        measured_late = uniform < late
        slots = np.where(middle, 1, np.where(straight, 1, 2) * measured_late)
        output = np.where(middle, uniform >= plus, generator.random(len(angles)) < 0.5)
        return times + slots * self.separation_ps, np.where(straight, 0, 1 + output).astype(np.int8)

    def bits(self, detector: int, offsets: Times) -> tuple[NDArray[np.int8], int | None]:
        """Early 0 and late 1 at the direct detector; at the others their output, in the middle slot alone."""
        slots = (offsets + self.separation_ps // 2) // self.separation_ps
        if detector == 0:
            return np.where((slots == 0) | (slots == 1), slots, -1).astype(np.int8), 0
        return np.where(slots == 1, detector - 1, -1).astype(np.int8), 1


class AnalyserState:
    """A running analyser: its detectors, each with its own dead time."""

    def __init__(self, analyser: Analyser, generator: np.random.Generator) -> None:
        self.analyser = analyser
        self.generator = generator
        self.detectors: list[DetectorState] = [sheet.state(generator) for sheet in analyser.datasheets]

    def detect(self, times: Times, angles: Angles, bases: Bits, until: int) -> list[Times]:
        """Reported clicks of each detector before ``until``.

        Parameters
        ----------
        times, angles, bases
            One entry a photon: arrival in ps, sorted; its qubit; the basis in which it is measured.
        until
            End of the span, ps; all photons, late bins included, arrive before it.
        """
        arrivals, where = self.analyser.paths(times, angles, bases, self.generator)
        return [
            detector.detect(np.sort(arrivals[where == number], kind="stable"), until)
            for number, detector in enumerate(self.detectors)
        ]


# What two interfering photons are measured in: |00>, |11>, Psi+, Psi-.
_BUNCHES = np.array([[1, 0, 0, 0], [0, 0, 0, 1], [0, 0.5**0.5, 0.5**0.5, 0], [0, 0.5**0.5, -(0.5**0.5), 0]])


def bell_detections(
    state: ArrayLike, pairs: int, generator: np.random.Generator, visibility: float = 1.0
) -> NDArray[np.int64]:
    """Where two photons are found that enter a beam splitter by different inputs, each output with an analyser of its own.

    Parameters
    ----------
    state
        The pair's qubits: four amplitudes of \\|00>, \\|01>, \\|10>, \\|11> (first photon, second photon), or a density matrix ``[4, 4]``.
    pairs
        How many such pairs.
    visibility
        Overlap of the two photons' wave packets; with 1 - visibility they ignore each other.

    Returns
    -------
    int64 ``[pairs, 2]``
        Each photon's detector, ``2 output + bit``: bit is horizontal/vertical or early/late. The smaller number first.
    """
    rho: NDArray[Any] = np.asarray(state, dtype=np.complex128)
    rho = np.outer(rho, rho.conj()) if rho.shape == (4,) else rho
    if rho.shape != (4, 4) or not np.isclose(np.trace(rho), 1) or not np.allclose(rho, rho.conj().T):
        raise InvalidInput("Bell analyser: state must be four amplitudes or a 4 by 4 density matrix, of norm 1")
    require("Bell analyser: visibility", visibility, 0, 1)
    weights = np.einsum("bi,ij,bj->b", _BUNCHES, rho, _BUNCHES).real.clip(0)
    found = generator.choice(4, pairs, p=weights / weights.sum())
    output, bit = generator.integers(0, 2, (2, pairs))  # of the first photon
    bit = np.where(found < 2, found, bit)
    # Interfering photons: equal bits leave together; Psi pairs have different bits, and Psi- alone different outputs.
    second_output, second_bit = output ^ (found == 3), bit ^ (found >= 2)
    apart = generator.random(pairs) >= visibility
    if apart.any():
        number = int(apart.sum())
        populations = np.diag(rho).real.clip(0)
        qubits = generator.choice(4, number, p=populations / populations.sum())
        bit[apart], second_bit[apart] = qubits >> 1, qubits & 1
        second_output[apart] = generator.integers(0, 2, number)
    return np.sort(np.stack([2 * output + bit, 2 * second_output + second_bit], axis=1), axis=1)


def bell_state(first: ArrayLike, second: ArrayLike) -> NDArray[np.int8]:
    """What two clicking detectors, ``2 output + bit``, say of a pair: 1 for Psi+, -1 for Psi-, 0 for nothing.

    Linear optics recognises only the two states with different bits: Psi+ leaves by one output, Psi- by both. In a time-bin analyser
    Psi+ needs two clicks of one detector, so a dead time below the separation of the bins.
    """
    a, b = np.asarray(first), np.asarray(second)
    different_bits, different_outputs = (a ^ b) & 1, ((a ^ b) >> 1) & 1
    return np.where(different_bits, 1 - 2 * different_outputs, 0).astype(np.int8)

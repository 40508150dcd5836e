"""Settings of a network's hardware: memories, detectors, fibres, swapping. Times in seconds and rates in hertz, as data sheets have them."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any, get_args

from bitket.errors import InvalidInput
from bitket.networks.heralding import Heralding, HeraldingLaw
from bitket.networks.photonics import Detector, Fibre
from bitket.networks.states import FORMALISMS, Formalism, PauliRates

__all__ = ["Hardware", "MemoryHardware"]


MOST_MEMORIES = 1_000_000
"""Of one router: each takes some 500 bytes."""


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _numbers(what: str, settings: Any) -> None:
    """Refuse what is no number where the default is one."""
    for known in fields(settings):
        value = getattr(settings, known.name)
        if _number(known.default) and not _number(value):
            raise InvalidInput(f"{what}: {known.name} {value!r}: a number is needed")


def require_memories(where: str, memories: Any) -> int:
    """A number of memories of a router.

    Raises
    ------
    InvalidInput
        It is no whole number from 1 to 1 000 000.
    """
    if not isinstance(memories, int) or isinstance(memories, bool) or not 1 <= memories <= MOST_MEMORIES:
        raise InvalidInput(
            f"{where}: {memories} memories: at least one and at most {MOST_MEMORIES} are needed, a whole number"
        )
    return memories


@dataclass(frozen=True)
class MemoryHardware:
    """A memory that emits single photons.

    Attributes
    ----------
    raw_fidelity
        Fidelity of a heralded pair, were there neither dark counts nor double emissions.
    efficiency
        Probability that the photon enters the fibre.
    frequency_hz
        Excitations are at least one period apart.
    coherence_time
        Seconds after which an entangled memory is emptied; None: never.
    error_rates
        Rates of X, Y and Z errors (hertz) that lower the fidelity before that; the formalism ``fidelity`` does not look at them.
    """

    raw_fidelity: float = 0.85
    efficiency: float = 1.0
    frequency_hz: float = 80e6
    coherence_time: float | None = None
    error_rates: PauliRates = (0.0, 0.0, 0.0)

    def __post_init__(self) -> None:
        _numbers("memory", self)
        if not 0 <= self.raw_fidelity <= 1 or not 0 < self.efficiency <= 1:
            raise InvalidInput(
                f"memory with fidelity {self.raw_fidelity} and efficiency {self.efficiency}: they must lie between 0 and 1"
            )
        if not 1e-6 <= self.frequency_hz <= 1e12 or (
            self.coherence_time is not None and not 0 < self.coherence_time < float("inf")
        ):
            raise InvalidInput(
                f"memory with frequency {self.frequency_hz} Hz and coherence time {self.coherence_time} s: both must be positive, "
                "and the frequency lie between 1e-6 and 1e12"
            )
        rates = self.error_rates
        if (
            not isinstance(rates, tuple)
            or len(rates) != 3
            or not all(_number(r) and 0 <= r < float("inf") for r in rates)
        ):
            raise InvalidInput(f"memory with error rates {self.error_rates}: three rates of at least 0 Hz are needed")


@dataclass(frozen=True)
class Hardware:
    """Everything that is not the topology.

    Attributes
    ----------
    memories
        Number of memories of a router, unless the topology says otherwise (node attribute ``memories``).
    memory, detector
        Settings of each.
    attenuation_db_per_km
        Loss of fibres.
    channel_rate_hz
        Photons of one fibre are at least one period apart.
    swap_success
        Probability that a Bell measurement of two memories succeeds.
    swap_degradation
        Factor of the fidelity in a swap, in the formalism ``fidelity``.
    heralding, bright
        Protocol of generation, and the probability of the emitting state of ``single``.
    formalism
        How states are kept; see `bitket.networks.states`.
    """

    memories: int = 10
    memory: MemoryHardware = field(default_factory=MemoryHardware)
    detector: Detector = field(default_factory=Detector)
    attenuation_db_per_km: float = 0.2
    channel_rate_hz: float = 80e6
    swap_success: float = 1.0
    swap_degradation: float = 0.95
    heralding: Heralding = "double"
    bright: float = 0.1
    formalism: Formalism = "fidelity"

    def __post_init__(self) -> None:
        _numbers("hardware", self)
        if not isinstance(self.memory, MemoryHardware) or not isinstance(self.detector, Detector):
            raise InvalidInput("hardware: memory and detector are settings of their own, MemoryHardware and Detector")
        require_memories("hardware", self.memories)
        if not 0 <= self.attenuation_db_per_km < float("inf") or not 1e-6 <= self.channel_rate_hz <= 1e12:
            raise InvalidInput(
                f"fibre with {self.attenuation_db_per_km} dB/km and {self.channel_rate_hz} Hz: loss must not be negative, the rate positive, "
                "from 1e-6 to 1e12"
            )
        if not 0 < self.swap_success <= 1 or not 0 < self.swap_degradation <= 1:
            raise InvalidInput(
                f"swapping with success {self.swap_success} and degradation {self.swap_degradation}: above 0, at most 1"
            )
        if self.heralding not in get_args(Heralding) or not 0 < self.bright < 1:
            raise InvalidInput(
                f"heralding {self.heralding!r} with bright {self.bright}: {' or '.join(get_args(Heralding))}, and above 0, below 1 are needed"
            )
        if self.formalism not in FORMALISMS:
            raise InvalidInput(f"formalism {self.formalism!r}: {', '.join(FORMALISMS)} are known")

    def law(self, length_km: float) -> HeraldingLaw:
        """Generation over a link of this length with the station at its half."""
        eta = self.memory.efficiency * self.fibre(length_km / 2).transmission * self.detector.efficiency
        dark = self.detector.dark_count_hz * self.detector.resolution_ps * 1e-12
        return HeraldingLaw(eta, eta, dark, self.heralding, self.bright)

    def fibre(self, length_km: float) -> Fibre:
        """A fibre of this length."""
        return Fibre(1000 * length_km, self.attenuation_db_per_km / 1000)

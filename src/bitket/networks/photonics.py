"""Light on its way: sources, fibres and single-photon detectors, in whole picoseconds.

A weak pulse holds a Poisson number of photons, and a Poisson number thinned by loss is again Poisson, so a train of pulses is one
Poisson process: only the photons that arrive are drawn, and empty pulses cost nothing. A detector clicks for a photon with
probability eta, never within its dead time after a click, and by itself at its dark count rate; it reports a click at the nearest
multiple of its resolution. Sources: Wu et al. 2021, Quantum Sci. Technol. 6, 045027; Gisin et al. 2002, Rev. Mod. Phys. 74, 145.

>>> import numpy as np
>>> fibre = Fibre(20_000.0)
>>> fibre.delay, round(fibre.transmission, 6)                               # 0.1 ms; 4 dB
(100000000, 0.398107)
>>> detector = Detector(efficiency=1.0, count_rate_hz=1e9, resolution_ps=100).state(np.random.default_rng(0))
>>> detector.detect([40, 900, 1040, 1041, 1999], until=2000).tolist()       # dead for 1000 ps after each click
[0, 1000]
>>> detector.photon(2041), detector.photon(2042)                            # the state carries on over calls
(None, 2000)
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bitket.errors import InvalidInput
from bitket.networks.timeline import SECOND

__all__ = ["Detector", "DetectorState", "Fibre", "LightSource", "SpdcSource", "live_clicks"]

Times = NDArray[np.int64]
_LATEST = 2**62  # so that a time plus a dead time stays within 64 bits


def require(what: str, value: float, low: float, high: float = math.inf, *, above: bool = False) -> None:
    """Refuse a value outside [low, high] (``above``: outside (low, high]), infinities and not-a-number."""
    if not (math.isfinite(value) and low <= value <= high) or (above and value == low):
        bounds = f"{'(' if above else '['}{low:g}, {high:g}{']' if math.isfinite(high) else ')'}"
        raise InvalidInput(f"{what} is {value!r}; allowed: {bounds}")


@dataclass(frozen=True)
class Fibre:
    """An optical fibre.

    Attributes
    ----------
    length_m
        Metres.
    attenuation_db_per_m
        Decibels lost per metre.
    light_speed
        Metres per picosecond.
    polarisation_fidelity
        Probability that a photon's polarisation arrives as it was sent; otherwise it arrives in a random linear direction.
    """

    length_m: float
    attenuation_db_per_m: float = 0.0002
    light_speed: float = 2e-4
    polarisation_fidelity: float = 1.0

    def __post_init__(self) -> None:
        require("fibre: length_m", self.length_m, 0)
        require("fibre: attenuation_db_per_m", self.attenuation_db_per_m, 0)
        require("fibre: light_speed (m/ps)", self.light_speed, 0, above=True)
        require("fibre: polarisation_fidelity", self.polarisation_fidelity, 0, 1)

    @cached_property
    def delay(self) -> int:
        """Time of flight, ps."""
        return round(self.length_m / self.light_speed)

    @cached_property
    def transmission(self) -> float:
        """Probability that a photon arrives, ``10^(-length attenuation / 10)``."""
        return float(10 ** (-self.length_m * self.attenuation_db_per_m / 10))


def live_clicks(times: Times, dead_time: int) -> NDArray[np.bool_]:
    """Which of the sorted ``times`` make a detector click that is dead for ``dead_time`` after each click.

    A time more than the dead time after its predecessor always clicks, whatever came before, and so starts a group of its own;
    in groups of one or two nothing else clicks. In larger groups each click leads to the next, ``next[i]`` = the first time
    beyond ``times[i] + dead_time``, and the clicks are what is reached from the groups' starts: found by doubling the length of
    the jumps, so in as many rounds as the largest number of clicks in a group has binary digits.
    """
    clicks = np.ones(len(times), dtype=bool)
    clicks[1:] = np.diff(times) > dead_time
    crowded = ~clicks
    crowded[:-1] &= crowded[1:]  # followed by another one of its group
    if not crowded[:-1].any():
        return clicks
    starts = np.flatnonzero(clicks)
    large = np.diff(starts, append=len(times)) > 2
    members = np.flatnonzero(np.repeat(large, np.diff(starts, append=len(times))))
    group = times[members]
    jump = np.append(np.searchsorted(group, group + dead_time, side="right"), len(group))
    reached = np.append(clicks[members], True)
    count = 0
    while count < (count := np.count_nonzero(reached)):
        reached[jump[reached]] = True
        jump = jump[jump]
    clicks[members] = reached[:-1]
    return clicks


@dataclass(frozen=True)
class Detector:
    """The data sheet of a single-photon detector; `state` makes one that runs.

    Attributes
    ----------
    efficiency
        Probability that a photon is noticed.
    dark_count_hz
        Rate of clicks without a photon, a Poisson process.
    count_rate_hz
        Highest rate of clicks; its inverse is the dead time.
    resolution_ps
        Clicks are reported at multiples of this many picoseconds.
    """

    efficiency: float = 0.9
    dark_count_hz: float = 0.0
    count_rate_hz: float = 25e6
    resolution_ps: int = 150

    def __post_init__(self) -> None:
        require("detector: efficiency", self.efficiency, 0, 1)
        require("detector: dark_count_hz", self.dark_count_hz, 0)
        require("detector: count_rate_hz", self.count_rate_hz, 1e-6, SECOND)
        if not (isinstance(self.resolution_ps, int | np.integer) and self.resolution_ps > 0):
            raise InvalidInput(f"detector: resolution_ps is {self.resolution_ps!r}; allowed: whole numbers from 1")

    @cached_property
    def dead_time(self) -> int:
        """After a click at t the next one is later than t plus this, ps."""
        return math.ceil(SECOND / self.count_rate_hz)

    def state(self, generator: np.random.Generator) -> DetectorState:
        """A detector that is ready at time 0 and draws from ``generator``."""
        return DetectorState(self, generator)


class DetectorState:
    """A running detector: what it is, until when it is dead, and until when its dark counts are drawn.

    Either photon by photon (`photon`, with `next_dark` and `click` for dark counts as events of their own), or many photons at
    once (`detect`, dark counts included). Without dark counts both give the same clicks from the same generator.

    Attributes
    ----------
    ready
        A click needs a time later than this.
    now
        The end of what `detect` has covered, ps.
    """

    def __init__(self, detector: Detector, generator: np.random.Generator) -> None:
        self.detector = detector
        self.generator = generator
        self.ready = -1
        self.now = 0

    def photon(self, time: int) -> int | None:
        """One photon arrives; the reported time of the click, or None. Times must not fall from call to call."""
        return self.click(time) if self.generator.random() < self.detector.efficiency else None

    def click(self, time: int) -> int | None:
        """What would make a live detector click, at ``time``; the reported time, or None while it is dead."""
        if time <= self.ready:
            return None
        self.ready = time + self.detector.dead_time
        return self._reported(time)

    def next_dark(self, time: int) -> int | None:
        """When the first dark count after ``time`` comes, to be handed to `click` then; None without dark counts."""
        rate = self.detector.dark_count_hz
        return time + math.ceil(self.generator.exponential(SECOND / rate)) if rate else None

    def detect(self, times: ArrayLike, until: int) -> Times:
        """The clicks from the end of the last call (at first 0) to before ``until``, dark counts included.

        Parameters
        ----------
        times
            Arrivals of photons, ps, whole numbers, sorted, all in ``[self.now, until)``.
        until
            The end of the span, ps. Memory grows with the photons and dark counts of one call.

        Returns
        -------
        int64 array
            Reported times, sorted.

        Raises
        ------
        InvalidInput
            Times that are not whole numbers, not sorted, or outside the span.
        """
        arrivals = np.asarray(times)
        if arrivals.size == 0:
            arrivals = np.zeros(0, dtype=np.int64)
        if arrivals.ndim != 1 or arrivals.dtype.kind not in "iu":
            raise InvalidInput("detector: times must be a one-dimensional array of whole picoseconds")
        if not self.now <= until <= _LATEST:
            raise InvalidInput(f"detector: until is {until}; allowed: {self.now} (the end of the last call) to 2^62 ps")
        if len(arrivals) and (arrivals[0] < self.now or arrivals[-1] >= until or (arrivals[1:] < arrivals[:-1]).any()):
            raise InvalidInput(f"detector: times must be sorted and within [{self.now}, {until}) ps")
        seen = arrivals.astype(np.int64, copy=False)
        seen = seen[self.generator.random(len(seen)) < self.detector.efficiency]
        if self.detector.dark_count_hz:
            number = self.generator.poisson(self.detector.dark_count_hz * (until - self.now) / SECOND)
            if number:
                dark = np.sort(self.generator.integers(self.now, until, number))
                seen = np.insert(seen, np.searchsorted(seen, dark), dark)
        self.now = until
        seen = seen[np.searchsorted(seen, self.ready, side="right") :]
        if len(seen):
            seen = seen[live_clicks(seen, self.detector.dead_time)]
            self.ready = int(seen[-1]) + self.detector.dead_time
        return self._reported(seen)

    def _reported(self, time: Any) -> Any:
        step = int(self.detector.resolution_ps)
        return (time + step // 2) // step * step


def _positions(number: int, pulses: int, generator: np.random.Generator) -> Times:
    """``number`` independent uniform choices of a pulse, sorted: exponential gaps scaled to fill the train."""
    gaps = generator.standard_exponential(number + 1)
    np.cumsum(gaps, out=gaps)
    gaps *= pulses / gaps[-1]
    return np.minimum(gaps[:-1].astype(np.int64), pulses - 1)


@dataclass(frozen=True)
class LightSource:
    """A laser that is attenuated to weak coherent pulses: photon numbers are Poisson.

    Attributes
    ----------
    rate_hz
        Pulses per second.
    wavelength_nm
        Nanometres.
    mean_photons
        Mean photon number of a pulse.
    phase_error
        Probability that a pulse leaves with the phase between its two amplitudes flipped.
    """

    rate_hz: float = 80e6
    wavelength_nm: float = 1550.0
    mean_photons: float = 0.1
    phase_error: float = 0.0

    def __post_init__(self) -> None:
        _require_source("light source", self.rate_hz, self.wavelength_nm, self.mean_photons)
        require("light source: phase_error", self.phase_error, 0, 1)

    @cached_property
    def period(self) -> int:
        """Time between pulses, ps."""
        return round(SECOND / self.rate_hz)

    def photons(self, pulses: int, generator: np.random.Generator, transmission: float = 1.0) -> Times:
        """The pulse, 0 to ``pulses`` - 1, of each photon that passes a loss of ``1 - transmission``; sorted.

        Pulse numbers are Poisson with mean ``mean_photons * transmission``, independently. Memory grows with the photons.
        """
        _require_train(pulses, transmission)
        return _positions(generator.poisson(self.mean_photons * transmission * pulses), pulses, generator)


@dataclass(frozen=True)
class SpdcSource:
    """Spontaneous parametric down-conversion: each pulse makes a random number of photon pairs.

    One Schmidt mode of the crystal is a two-mode squeezed vacuum, whose pair number is thermal: P(n) = mu^n / (1 + mu)^(n + 1).
    M equally strong modes add to a negative binomial number, and many modes to a Poisson number (Christ et al. 2011, New J. Phys.
    13, 033027). Default one mode: the spectrally pure source that interference of photons from two sources needs.

    Attributes
    ----------
    rate_hz
        Pulses per second.
    wavelengths_nm
        Of the two photons, nanometres.
    mean_pairs
        Mean number of pairs of a pulse.
    modes
        Number of Schmidt modes, from 1; ``math.inf`` for Poisson numbers.
    """

    rate_hz: float = 80e6
    wavelengths_nm: tuple[float, float] = (1550.0, 1550.0)
    mean_pairs: float = 0.1
    modes: float = 1.0

    def __post_init__(self) -> None:
        _require_source("SPDC source", self.rate_hz, min(self.wavelengths_nm), self.mean_pairs)
        if not self.modes >= 1:
            raise InvalidInput(f"SPDC source: modes is {self.modes!r}; allowed: [1, inf]")

    @cached_property
    def period(self) -> int:
        """Time between pulses, ps."""
        return round(SECOND / self.rate_hz)

    def pairs(self, pulses: int, generator: np.random.Generator) -> Times:
        """The pulse, 0 to ``pulses`` - 1, of each pair; sorted. Each photon of a pair then meets losses of its own.

        A negative binomial number is a Poisson number, of mean M ln(1 + mu/M), of bunches with logarithmic sizes.
        """
        _require_train(pulses, 1.0)
        if math.isinf(self.modes) or not self.mean_pairs:
            return _positions(generator.poisson(self.mean_pairs * pulses), pulses, generator)
        bunches = self.modes * math.log1p(self.mean_pairs / self.modes) * pulses
        positions = _positions(generator.poisson(bunches), pulses, generator)
        share = self.mean_pairs / (self.modes + self.mean_pairs)
        return np.repeat(positions, generator.logseries(share, len(positions)))


def _require_source(name: str, rate: float, wavelength: float, mean: float) -> None:
    require(f"{name}: rate_hz", rate, 0, SECOND, above=True)
    require(f"{name}: wavelength (nm)", wavelength, 0, above=True)
    require(f"{name}: mean number", mean, 0)


def _require_train(pulses: int, transmission: float) -> None:
    require("pulse train: number of pulses", pulses, 0, 2**52)
    require("pulse train: transmission", transmission, 0, 1)

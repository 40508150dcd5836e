"""What an exchange over fibre leaves: counts of decoy-state BB84, and of two-photon twin-field key generation.

BB84 with two decoys and finite samples follows Lim, Curty, Walenta, Xu and Zbinden (2014, arXiv:1311.7129). Two-photon twin-field key
generation (Xie et al. 2022; Li et al. 2023, arXiv:2301.01132): both send weak pulses of intensity mu, nu or 0 to a station in the middle
that reports single clicks; clicks of either are paired after the event. With the transmittance eta of half the fibre and dark counts
p_d, pulses of intensities a and b in the same phase average to the one-click probability

    q(a, b) = 2 y (I_0(w) - y),      y = exp(-eta (a + b)/2) (1 - p_d),      w = eta sqrt(a b).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import ive

from bitket.errors import InvalidInput
from bitket.networks.signatures.bounds import RawKey, entropy, expectation_from, observation_from

__all__ = ["Bb84", "Exchange", "TwoPhotonTwinField", "optimised"]


def _distance(km: float) -> None:
    if not 0 <= km < math.inf:
        raise InvalidInput(f"an exchange over {km} km: a distance of 0 or more is needed")


def _apparatus(made: TwoPhotonTwinField | Bb84) -> None:
    shares = {name: getattr(made, name) for name in ("efficiency", "dark", "misalignment", "epsilon")}
    for name, value in shares.items():
        if not 0 <= value < 1 + (name == "efficiency") or (name in ("efficiency", "epsilon") and value == 0):
            raise InvalidInput(
                f"exchange with {name} {value}: a probability is needed, and more than 0 of efficiency and epsilon"
            )
    if not 0 < made.pulses < math.inf or not 0 <= made.attenuation_db_per_km < math.inf or not made.correction >= 1:
        raise InvalidInput(
            f"exchange of {made.pulses} pulses with {made.attenuation_db_per_km} dB/km and correction {made.correction}: "
            "above 0, at least 0, and at least 1 are needed"
        )


class Exchange(Protocol):
    """A way to make keys: counts at a distance."""

    def key(self, distance_km: float) -> RawKey | None:
        """What is left, or None where nothing is."""


@dataclass(frozen=True)
class TwoPhotonTwinField:
    """Two-photon twin-field key generation.

    ``mu`` and ``nu`` are intensities with probabilities ``p_mu`` and ``p_nu``; the light is off else. ``pulses`` are those of each user.
    ``dark`` is the probability of a dark count of a detector a pulse, ``misalignment`` the error of interference, ``slices`` those that
    phases are sorted into, ``epsilon`` the probability that each bound fails.
    """

    pulses: float = 1e13
    mu: float = 0.5
    nu: float = 0.05
    p_mu: float = 0.2
    p_nu: float = 0.3
    attenuation_db_per_km: float = 0.16
    efficiency: float = 0.7
    dark: float = 1e-8
    misalignment: float = 0.02
    correction: float = 1.1
    slices: int = 16
    epsilon: float = 1e-10

    def __post_init__(self) -> None:
        _apparatus(self)
        if (
            not 0 < self.nu < self.mu
            or not self.slices >= 1
            or not (self.p_mu > 0 and self.p_nu > 0 and self.p_mu + self.p_nu < 1)
        ):
            raise InvalidInput(
                f"intensities {self.mu} > {self.nu} > 0 with probabilities {self.p_mu} and {self.p_nu}: positive, their sum below 1"
            )

    def transmittance(self, distance_km: float) -> float:
        """eta of half the fibre with the detector."""
        _distance(distance_km)
        return self.efficiency * 10 ** (-self.attenuation_db_per_km * distance_km / 20)

    def gain(self, a: float, b: float, eta: float) -> float:
        """q(a, b), probability of exactly one click."""
        w = eta * math.sqrt(a * b)
        y = math.exp(-eta * (a + b) / 2) * (1 - self.dark)
        # I_0(w) - y without cancellation for the faint pulses that count here
        return 2 * y * float(ive(0, w) * math.expm1(w) + (ive(0, w) - 1) - math.expm1(math.log(y)))

    def counts(self, distance_km: float) -> dict[tuple[str, str], float]:
        """Expected one-click events by what the two users sent: ``mu``, ``nu`` or ``0``."""
        eta = self.transmittance(distance_km)
        sent = {"mu": (self.mu, self.p_mu), "nu": (self.nu, self.p_nu), "0": (0.0, 1 - self.p_mu - self.p_nu)}
        return {
            (x, y): self.pulses * p * q * self.gain(a, b, eta)
            for x, (a, p) in sent.items()
            for y, (b, q) in sent.items()
        }

    def key(self, distance_km: float) -> RawKey | None:
        """See `Exchange.key`."""
        eta, N = self.transmittance(distance_km), self.pulses
        mu, nu, p_mu, p_nu = self.mu, self.nu, self.p_mu, self.p_nu
        p_0 = 1 - p_mu - p_nu
        x = self.counts(distance_km)
        # Key bits: one user's light is on in one event of a pair and off in the other, the other user's the other way round.
        x0, x1 = x["0", "mu"] + x["0", "0"], x["mu", "0"] + x["mu", "mu"]
        larger = max(x0, x1)
        if larger <= 0:
            return None
        good, bad = x["0", "mu"] * x["mu", "0"] / larger, x["0", "0"] * x["mu", "mu"] / larger
        bits = good + bad
        # Yields of one photon from either user, by decoys.
        low = {k: expectation_from(v, self.epsilon)[0] for k, v in x.items()}
        high = {k: expectation_from(v, self.epsilon)[1] for k, v in x.items()}

        def single_yield(weak: tuple[str, str], strong: tuple[str, str]) -> float:
            return (
                mu
                / (N * (mu * nu - nu**2))
                * (
                    math.exp(nu) * low[weak] / (p_nu * p_0)
                    - nu**2 / mu**2 * math.exp(mu) * high[strong] / (p_mu * p_0)
                    - (mu**2 - nu**2) / mu**2 * high["0", "0"] / p_0**2
                )
            )

        y10, y01 = single_yield(("nu", "0"), ("mu", "0")), single_yield(("0", "nu"), ("0", "mu"))
        if y10 <= 0 or y01 <= 0:
            return None
        single = observation_from((N * p_mu * p_0 * mu * math.exp(-mu)) ** 2 * y10 * y01 / larger, self.epsilon)[0]
        # Phase errors: pairs of (nu, nu) in one slice of phase.
        pairs, error = x["nu", "nu"] / 2, self.interference_error(eta)
        q_nu, q_half, q_none = self.gain(nu, nu, eta), self.gain(0, nu, eta), self.gain(0, 0, eta)
        vacuum = pairs * (2 * (math.exp(-nu) * q_half / q_nu) ** 2 - (math.exp(-2 * nu) * q_none / q_nu) ** 2)
        in_pairs = 2 * pairs * (nu * math.exp(-2 * nu)) ** 2 * y10 * y01 / q_nu**2
        in_pairs = observation_from(in_pairs, self.epsilon)[0]
        if single <= 0 or in_pairs <= 0:
            return None
        errors = (
            expectation_from(error * pairs, self.epsilon)[1] - observation_from(max(vacuum, 0.0), self.epsilon)[0] / 2
        )
        return RawKey(
            N, bits, 0.0, min(single, bits), min(0.5, max(errors, 0.0) / in_pairs), bad / bits, self.correction
        )

    def interference_error(self, eta: float) -> float:
        """Part of the pairs of (nu, nu) events that clicks call wrong: <q_L q_R' + q_R q_L'> / <(q_L + q_R)(q_L' + q_R')>.

        The users' relative phase t is uniform, that of the other event of the pair lies in the same slice of it; detectors click with

            q_L(t) = y e^(w cos t) (1 - y e^(-w cos t)),      q_R(t) = q_L(t + pi).

        Pairs with no photon from one of the users have no phase: half of them are wrong, of faint pulses a quarter of all pairs.
        """
        y, w = math.exp(-eta * self.nu) * (1 - self.dark), eta * self.nu
        phases = np.arange(64) / 64 * 2 * np.pi
        # differences of two uniform phases in one slice: a triangle
        offsets = (np.arange(41) - 20) / 20 * 2 * np.pi / self.slices
        weights = 1 - np.abs(np.arange(41) - 20) / 20

        def clicks(t: NDArray[np.float64]) -> NDArray[np.float64]:
            tilt = w * np.cos(t)
            return y * np.exp(tilt) * -np.expm1(math.log(y) - tilt)

        left, right = clicks(phases)[:, None], clicks(phases + np.pi)[:, None]
        shifted = phases[:, None] + offsets
        left2, right2 = clicks(shifted), clicks(shifted + np.pi)
        wrong = ((left * right2 + right * left2) * weights).sum() / (
            ((left + right) * (left2 + right2)) * weights
        ).sum()
        return float(wrong) + self.misalignment


@dataclass(frozen=True)
class Bb84:
    """BB84 with a signal ``mu`` and decoys ``nu`` and ``vacuum``, sent with probabilities ``p_mu``, ``p_nu`` and the rest.

    Both choose the key basis Z with probability ``p_z``.
    """

    pulses: float = 1e10
    mu: float = 0.5
    nu: float = 0.1
    vacuum: float = 2e-4
    p_mu: float = 0.5
    p_nu: float = 0.3
    p_z: float = 0.9
    attenuation_db_per_km: float = 0.16
    efficiency: float = 0.7
    dark: float = 1e-8
    misalignment: float = 0.02
    correction: float = 1.1
    epsilon: float = 1e-10

    def __post_init__(self) -> None:
        _apparatus(self)
        if not self.mu > self.nu + self.vacuum or not self.nu > self.vacuum >= 0:
            raise InvalidInput(
                f"intensities {self.mu}, {self.nu}, {self.vacuum}: the first above the sum of the others, all falling"
            )
        if not (self.p_mu > 0 and self.p_nu > 0 and self.p_mu + self.p_nu < 1 and 0 < self.p_z < 1):
            raise InvalidInput(
                f"probabilities {self.p_mu}, {self.p_nu} and {self.p_z}: positive, the first two below 1 together"
            )

    def gains(self, distance_km: float) -> dict[float, tuple[float, float]]:
        """Click probability and error probability of each intensity."""
        _distance(distance_km)
        eta = self.efficiency * 10 ** (-self.attenuation_db_per_km * distance_km / 10)
        out = {}
        for k in (self.mu, self.nu, self.vacuum):
            click = 1 - math.exp(-eta * k) * (1 - 2 * self.dark)
            out[k] = click, self.dark * math.exp(-eta * k) + self.misalignment * -math.expm1(-eta * k)
        return out

    def key(self, distance_km: float) -> RawKey | None:
        """See `Exchange.key`; equations (2) to (5) of Lim et al., phase error by their gamma."""
        levels = {self.mu: self.p_mu, self.nu: self.p_nu, self.vacuum: 1 - self.p_mu - self.p_nu}
        gains, N, eps = self.gains(distance_km), self.pulses, self.epsilon
        found: dict[str, tuple[float, float, float, float]] = {}
        for basis, share in (("z", self.p_z**2), ("x", (1 - self.p_z) ** 2)):
            n = {k: N * share * p * gains[k][0] for k, p in levels.items()}
            m = {k: N * share * p * gains[k][1] for k, p in levels.items()}
            total, wrong = sum(n.values()), sum(m.values())

            def bounds(counts: dict[float, float], total: float) -> tuple[dict[float, float], dict[float, float]]:
                spread = math.sqrt(total / 2 * math.log(1 / eps))
                low = {k: math.exp(k) / levels[k] * max(0.0, c - spread) for k, c in counts.items()}
                high = {k: math.exp(k) / levels[k] * (c + spread) for k, c in counts.items()}
                return low, high

            n_low, n_high = bounds(n, total)
            m_low, m_high = bounds(m, wrong)
            a, b, c = self.mu, self.nu, self.vacuum
            tau = [sum(p * math.exp(-k) * k**j / math.factorial(j) for k, p in levels.items()) for j in (0, 1)]
            zero = max(0.0, tau[0] * (b * n_low[c] - c * n_high[b]) / (b - c))
            one = (
                tau[1]
                * a
                / (a * (b - c) - b * b + c * c)
                * (n_low[b] - n_high[c] - (b * b - c * c) / a**2 * (n_high[a] - zero / tau[0]))
            )
            errors = tau[1] * (m_high[b] - m_low[c]) / (b - c)
            found[basis] = total, zero, one, errors if basis == "x" else wrong
        total, zero, one, wrong = found["z"]
        _, _, one_x, errors_x = found["x"]
        if one <= 0 or one_x <= 0:
            return None
        share = max(errors_x / one_x, 1 / one_x)
        if share >= 0.5:
            return None
        gap = math.sqrt(
            (one + one_x)
            * (1 - share)
            * share
            / (one * one_x * math.log(2))
            * math.log2((one + one_x) / (one * one_x * (1 - share) * share * eps**2))
        )
        return RawKey(N, total, zero, min(one, total - zero), min(0.5, share + gap), wrong / total, self.correction)


@lru_cache(maxsize=512)
def optimised(exchange: TwoPhotonTwinField, distance_km: float) -> TwoPhotonTwinField:
    """The exchange with intensities and probabilities that leave most unknown bits at this distance."""

    def made(v: NDArray[np.float64]) -> TwoPhotonTwinField | None:
        mu, part = 1 / (1 + math.exp(-v[0])), 1 / (1 + math.exp(-v[1]))
        weights = np.exp([v[2], v[3], 0.0])
        p_mu, p_nu, _ = weights / weights.sum()
        if not (0 < part < 1 and mu > 0 and p_mu > 1e-9 and p_nu > 1e-9):
            return None
        return replace(exchange, mu=mu, nu=mu * part, p_mu=float(p_mu), p_nu=float(p_nu))

    def lost(v: NDArray[np.float64]) -> float:
        tried = made(v)
        key = tried.key(distance_km) if tried is not None else None
        if key is None:
            return 1.0 + 1e-3 * float(np.abs(v).sum())
        unknown = key.single * (1 - entropy(key.phase_error)) - key.bits * key.correction * entropy(key.bit_error)
        return -unknown / key.pulses * 10 ** (exchange.attenuation_db_per_km * distance_km / 20)

    best, least = exchange, 1.0
    for start in ([0.0, -2.5, -1.0, -0.5], [-1.0, -2.0, 0.0, 0.0], [0.3, -3.0, -1.5, 0.5]):
        found = minimize(lost, start, method="Nelder-Mead", options={"maxiter": 600, "xatol": 1e-4, "fatol": 1e-12})
        if found.fun < least:
            tried = made(found.x)
            if tried is not None:
                best, least = tried, float(found.fun)
    return best

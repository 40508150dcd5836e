"""Digital signatures by one-time universal hashing with keys that are not perfect: rates over fibre, beside signing each bit on its own.

The paper's point: keys need no privacy amplification, for a group that an attacker knows in part only takes a longer hash. Rates follow
from the unknown bits of finite groups of keys by two-photon twin-field exchanges, whose intensities are optimised at each distance.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated

from annotated_types import Ge, Gt, Lt

from bitket.runs import Claim, Paper, Verdict

if TYPE_CHECKING:
    from bitket.runs import Run

PAPER = Paper(
    key="quantum-signatures",
    title="One-Time Universal Hashing Quantum Digital Signatures without Perfect Keys",
    authors=(
        "Bing-Hong Li",
        "Yuan-Mei Xie",
        "Xiao-Yu Cao",
        "Chen-Long Li",
        "Yao Fu",
        "Hua-Lei Yin",
        "Zeng-Bing Chen",
    ),
    year=2023,
    arxiv="2301.01132",
)
SUMMARY = "Signatures from imperfect keys: rate against distance, gain over signing bit by bit, forgeries against their bound."


@dataclass(frozen=True)
class Config:
    """Settings; the paper's own table of parameters was not at hand."""

    message_bits: Annotated[int, Ge(1)] = 1_000_000
    epsilon: Annotated[float, Gt(0), Lt(1)] = 1e-10
    step_km: Annotated[int, Ge(1)] = 10
    farthest_km: Annotated[int, Ge(100)] = 750
    pulses: tuple[Annotated[float, Gt(0)], ...] = (1e12, 1e13, 1e14)
    dark: tuple[Annotated[float, Gt(0)], ...] = (1e-8, 1e-9)
    clock_hz: Annotated[float, Gt(0)] = 1e9
    forgeries: Annotated[int, Ge(1)] = 40_000
    amplified_bits: Annotated[int, Ge(1000)] = 4_000_000
    """Key whose privacy amplification is timed."""


SCALES = {
    "quick": Config(step_km=50, pulses=(1e13, 1e14), dark=(1e-8,), forgeries=4000, amplified_bits=400_000),
    "full": Config(),
}


# -- claims -------------------------------------------------------------------------------------------------------------
def _reach(m: Mapping[str, float], config: Config) -> Verdict:
    value = m["reach_km"]
    others = ", ".join(
        f"{m[f'reach_km/{_name(n, d)}']:.0f} km with {_name(n, d)}" for n in config.pulses for d in config.dark
    )
    return Verdict.of(value, value >= 650, f"farthest distance with a positive rate at any of the settings: {others}")


def _gain(m: Mapping[str, float], config: Config) -> Verdict:
    value = m["gain"]
    return Verdict.of(
        value,
        1e7 <= value <= 1e9,
        f"median over the distances at which both sign, from {m['gain/least']:.1e} to {m['gain/most']:.1e}; reproduced if within a factor of "
        "ten of the paper's",
    )


def _perfect(m: Mapping[str, float], config: Config) -> Verdict:
    value = m["perfect"]
    return Verdict.of(value, value <= 1.2e-19, "bound on forging 2^64 bits with a hash of 128, 384 key bits")


def _without_amplification(m: Mapping[str, float], config: Config) -> Verdict:
    value = m["imperfect over perfect"]
    return Verdict.of(
        value,
        value > 1,
        f"signatures from the raw keys over those from keys amplified to perfect ones, geometric mean over distances ({m['raw n']:.0f} and "
        f"{m['perfect n']:.0f} bits a hash at 300 km): what amplification costs in time comes on top (see the table)",
    )


def _forged(m: Mapping[str, float], config: Config) -> Verdict:
    worst = max(m["forged/8 over bound"], m["forged/10 over bound"], m["forged/leaked over bound"])
    return Verdict.of(
        worst,
        worst <= 1,
        f"largest share of successful forgeries over its bound; n = 8: {m['forged/8']:.4f}, n = 10: {m['forged/10']:.4f}, with leaked bits "
        f"{m['forged/leaked']:.4f}",
    )


CLAIMS = (
    Claim("reach", "Files of a megabit are signed over 650 km of fibre.", 650.0, _reach, "km"),
    Claim("gain", "The rate is some eight orders of magnitude above signing bit by bit.", 1e8, _gain, "x"),
    Claim("perfect_keys", "With perfect keys 384 bits sign 2^64 bits.", 1e-19, _perfect),
    Claim(
        "without_amplification",
        "Raw keys sign no fewer files than the same keys amplified to perfect ones.",
        "not in the paper",
        _without_amplification,
        "x",
    ),
    Claim(
        "forgeries",
        "The best forgeries succeed no more often than the bound.",
        "not in the paper",
        _forged,
        "of the bound",
    ),
)


# -- run ----------------------------------------------------------------------------------------------------------------
def run(config: Config, run: Run) -> Mapping[str, float]:
    """Rates, the baseline, forgeries, timings."""
    settings = [(n, d) for n in config.pulses for d in config.dark]
    curves = {}
    for n, d in run.progress(settings, "rates"):
        curves[n, d] = run.step(f"rates, {_name(n, d)}", partial(_rates, config, n, d))
    metrics = _summary(config, curves)
    metrics |= run.step("forgeries", partial(_forgeries, config, run))
    rows = run.step("timings", partial(_timings, config, run))
    run.table("timings", rows, "What privacy amplification would take, on this machine; the raw keys need none")
    best = curves[max(config.pulses), min(config.dark)]
    run.table(
        "rates",
        [{k: f"{v:.4g}" for k, v in row.items()} for row in best if row["distance_km"] % 50 == 0],
        f"{_name(max(config.pulses), min(config.dark))}, messages of {config.message_bits} bits",
    )
    _figure(config, run, curves)
    return metrics


def _name(pulses: float, dark: float) -> str:
    return f"{pulses:.0e} pulses and dark counts {dark:.0e}".replace("e+", "e").replace("e-0", "e-")


def _rates(config: Config, pulses: float, dark: float) -> list[dict[str, float]]:
    """One row a distance."""
    import math

    from bitket.networks.signatures.bounds import entropy
    from bitket.networks.signatures.exchanges import TwoPhotonTwinField, optimised
    from bitket.networks.signatures.rates import bit_by_bit_length, coded_length, signature_rate

    rows = []
    for distance in range(0, config.farthest_km + 1, config.step_km):
        exchange = optimised(TwoPhotonTwinField(pulses=pulses, dark=dark), float(distance))
        key = exchange.key(float(distance))
        rate = signature_rate(key, config.message_bits, clock_hz=config.clock_hz, epsilon=config.epsilon)
        row = {
            "distance_km": float(distance),
            "rate": rate.per_second,
            "n": float(rate.n),
            "unknown": rate.unknown_share,
        }
        row |= {"bit_by_bit": 0.0, "amplified": 0.0, "perfect_n": 0.0}
        if key is not None:
            made = config.clock_hz / key.pulses
            length = bit_by_bit_length(key, config.epsilon)
            if length is not None:
                row["bit_by_bit"] = made * key.bits / (length * coded_length(config.message_bits))
            # The whole key amplified at once: groups of the length that perfect keys need.
            final = key.single * (1 - entropy(key.phase_error)) - key.bits * key.correction * entropy(key.bit_error)
            perfect = math.ceil(math.log2(2 * config.message_bits / config.epsilon))
            row |= {"amplified": made * max(0.0, final) / (3 * perfect), "perfect_n": float(perfect)}
        rows.append(row)
    return rows


def _summary(config: Config, curves: Mapping[tuple[float, float], list[dict[str, float]]]) -> dict[str, float]:
    import numpy as np

    out: dict[str, float] = {}
    for (n, d), rows in curves.items():
        out[f"reach_km/{_name(n, d)}"] = max((r["distance_km"] for r in rows if r["rate"] > 0), default=0.0)
    out["reach_km"] = max(out.values())
    rows = [r for r in curves[max(config.pulses), max(config.dark)] if r["rate"] > 0]
    gains = [r["rate"] / r["bit_by_bit"] for r in rows if r["bit_by_bit"] > 0]
    out |= {"gain": float(np.median(gains)), "gain/least": min(gains), "gain/most": max(gains)}
    both = [r["rate"] / r["amplified"] for r in rows if r["amplified"] > 0]
    out["imperfect over perfect"] = float(np.exp(np.mean(np.log(both))))
    near = min(rows, key=lambda r: abs(r["distance_km"] - 300))
    out |= {"raw n": near["n"], "perfect n": near["perfect_n"]}
    from bitket.networks.signatures.protocol import forgery_probability

    return out | {"perfect": forgery_probability(2.0**64, 128)}  # type: ignore[arg-type]


def _forgeries(config: Config, run: Run) -> dict[str, float]:
    """Random keys against a forger with the best difference: as many irreducible factors as fit; and one who was told bits."""
    import numpy as np

    from bitket.algebra.gf2_poly import is_irreducible, multiply, remainder

    draw = run.generator("forgeries")
    out: dict[str, float] = {}
    for n, m in ((8, 64), (10, 120)):
        irreducible = np.array([p for p in range((1 << n) + 1, 2 << n, 2) if is_irreducible(p)])
        chosen = draw.choice(irreducible, m // n - (m % n == 0), replace=False)
        difference = 1
        for p in chosen.tolist():
            difference = multiply(difference, p)
        passes = {int(p): remainder(difference, int(p)) == 0 for p in irreducible}
        won = np.mean([passes[int(p)] for p in draw.choice(irreducible, config.forgeries)])
        out |= {f"forged/{n}": float(won), f"forged/{n} over bound": float(won) / (m * 2.0 ** (1 - n))}
    n, m, leak = 10, 60, 0.3
    wins = guesses = 0.0
    for _ in range(config.forgeries // 10):
        p = int(draw.choice(irreducible))
        known = int((draw.random(n) < leak) @ (1 << np.arange(n)))
        candidates = irreducible[(irreducible & known) == (p & known)]
        wins += p in candidates[: m // n]
        guesses += 1 / len(candidates)
    trials = config.forgeries // 10
    entropy = -np.log2(guesses / trials)
    return out | {
        "forged/leaked": wins / trials,
        "forged/leaked over bound": float(wins / trials / (m * 2.0 ** (1 - entropy))),
    }


def _timings(config: Config, run: Run) -> list[dict[str, str]]:
    import time

    from bitket.networks.qkd.privacy import toeplitz_hash, toeplitz_seed
    from bitket.networks.signatures.hashing import LfsrToeplitz

    draw = run.generator("timings")
    bits = draw.integers(0, 2, config.amplified_bits, dtype="uint8")
    kept = config.amplified_bits // 4
    seed = toeplitz_seed(len(bits), kept, draw)
    start = time.perf_counter()
    toeplitz_hash(bits, seed)
    amplified = time.perf_counter() - start
    message = bytes(config.message_bits // 8)
    start = time.perf_counter()
    LfsrToeplitz(1 << 128 | 0x87, 1).hash([message])
    hashed = time.perf_counter() - start
    return [
        {"what": f"amplify {config.amplified_bits} key bits to {kept}", "milliseconds": f"{1e3 * amplified:.1f}"},
        {"what": f"hash a message of {config.message_bits} bits, n = 128", "milliseconds": f"{1e3 * hashed:.2f}"},
    ]


def _figure(config: Config, run: Run, curves: Mapping[tuple[float, float], list[dict[str, float]]]) -> None:
    figure, axis = run.subplots(width=7, height=4.4)
    for k, ((n, d), rows) in enumerate(curves.items()):
        shown = [(r["distance_km"], r["rate"]) for r in rows if r["rate"] > 0]
        axis.plot(*zip(*shown, strict=True), color=f"C{k % 7}", label=_name(n, d))
    rows = [r for r in curves[max(config.pulses), max(config.dark)] if r["bit_by_bit"] > 0]
    axis.plot([r["distance_km"] for r in rows], [r["bit_by_bit"] for r in rows], "--", color="0.4", label="bit by bit")
    axis.axvline(650, color="0.8", linewidth=0.8)
    axis.set(yscale="log", xlabel="fibre, km", ylabel=f"signatures of {config.message_bits} bits a second")
    axis.legend(fontsize=8)
    run.figure(
        "rates", figure, "Signatures a second against the length of the fibre; intensities optimised at each distance."
    )

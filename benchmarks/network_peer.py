"""Networks: what is delivered when, beside SeQUeNCe with the same routers, hardware, delays and requests.

For each scenario several seeds of either simulator; compared are the mean rate (in standard errors, from the counts in blocks of time),
the times between deliveries (two-sample Kolmogorov-Smirnov), the fidelities, and the share of purifications that succeed. The peer sends
photons in bins of the fibre's rate, which shifts its times by up to tens of microseconds: to both samples a uniform 0.2 ms is added, so
that the lattice of times that both have is smeared, by less than a round takes.

All p-values of the table are one family: `differs` names what Holm's procedure rejects at a family-wise 1 %. Requests are compared one
by one: accepted or refused, path, and the second of the answer.

Two things differ because the peer is not of one mind with itself. It reports the memories' own fidelity also for pairs that dark counts
heralded, where we report the mean over what was heralded. And it takes the fidelity after a purification from the formula of twirled
states but draws the success of the next one from states that were not twirled, whose bit errors are rarer: a second purification of
Werner pairs of 0.935 succeeds with 0.996 there and with 0.940, as the formula has it, here.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from scipy.stats import fisher_exact, ks_2samp, norm

from benchmarks._sequence import Outcome, Request, Scenario, chain, hardware, ours, peer
from benchmarks._sequence_qkd import peer_bb84, peer_cascade
from bitket.networks.hardware import MemoryHardware
from bitket.networks.photonics import Detector, Fibre
from bitket.networks.qkd.bb84 import Bb84
from bitket.networks.qkd.cascade import FRAME, Cascade
from bitket.studies import sequence as study

SMEAR = 2e-4
FAMILY = 0.01


def _memory(**more: Any) -> MemoryHardware:
    return MemoryHardware(**{"raw_fidelity": 0.935, "efficiency": 0.75, "frequency_hz": 2000.0, **more})


def link(
    names: str,
    seconds: float,
    memories: int = 1,
    length_km: float = 20.0,
    delay_ms: float = 0.4,
    fidelity: float = 0.5,
    **more: Any,
) -> Scenario:
    """Two routers; the first asks."""
    request = Request(names[0], names[1], 0.1, 0.1 + seconds, memories, fidelity)
    return Scenario(chain(names, length_km, delay_ms), (request,), hardware(memories=memories, **more))


def row(
    names: str,
    seconds: float,
    memories: int,
    fidelity: float = 0.5,
    length_km: float = 20.0,
    delay_ms: float = 0.4,
    **more: Any,
) -> Scenario:
    """Routers in a row; the first asks for pairs with the last."""
    request = Request(names[0], names[-1], 0.1, 0.1 + seconds, memories, fidelity)
    settings = {"memories": 2 * memories, "swap_success": 0.64, **more}
    return Scenario(chain(names, length_km, delay_ms), (request,), hardware(**settings))


def metropolitan(memories: int, *requests: Request, **more: Any) -> Scenario:
    """The nine routers of the paper with its hardware, but for the number of memories."""
    return Scenario(study.metropolitan(), requests, study.hardware(memories=memories, **more), study.delays())


SCENARIOS: dict[str, tuple[Callable[[float], Scenario], float, int]] = {
    "link, 1 memory": (lambda s: link("ab", s, channel_rate_hz=1e9), 25.0, 3),
    "link, 1 memory, later name asks": (lambda s: link("ba", s, channel_rate_hz=1e9), 25.0, 3),
    "link of 100 m, 1 memory": (lambda s: link("ab", s, 1, 0.1, 0.25, channel_rate_hz=1e9), 8.0, 2),
    "link of 40 km, coherence 50 ms": (
        lambda s: link("ba", s, 1, 40.0, 0.4, memory=_memory(coherence_time=0.05), channel_rate_hz=1e9),
        50.0,
        3,
    ),
    "link, dark counts": (
        lambda s: link(
            "ab",
            s,
            memory=_memory(efficiency=0.3),
            detector=Detector(0.8, dark_count_hz=2000.0, count_rate_hz=50e6, resolution_ps=10**6),
            channel_rate_hz=1e6,
        ),
        25.0,
        2,
    ),
    "link, 5 memories": (lambda s: link("ab", s, 5), 5.0, 3),
    "link, 5 memories, later name asks": (lambda s: link("ba", s, 5), 5.0, 3),
    "purification": (lambda s: link("ab", s, 4, fidelity=0.95), 8.0, 3),
    "purification, slow messages": (lambda s: link("ba", s, 4, delay_ms=4.0, fidelity=0.95), 50.0, 3),
    "purification twice": (lambda s: link("ab", s, 6, fidelity=0.96), 8.0, 2),
    "3 routers": (lambda s: row("abc", s, 2), 10.0, 3),
    "3 routers, names reversed": (lambda s: row("cba", s, 2), 10.0, 3),
    "3 routers, coherence 50 ms": (lambda s: row("abc", s, 1, memory=_memory(coherence_time=0.05)), 15.0, 3),
    "4 routers": (lambda s: row("abcd", s, 2), 10.0, 3),
    "4 routers, slow messages": (lambda s: row("abcd", s, 2, delay_ms=4.0), 60.0, 3),
    "5 routers": (lambda s: row("abcde", s, 2), 10.0, 3),
    "3 routers, swap, purification": (
        lambda s: row("abc", s, 4, 0.89, 2.0, swap_success=1.0, swap_degradation=1.0),
        5.0,
        3,
    ),
    "nine routers, one request": (
        lambda s: metropolitan(4, Request("NU", "Argonne_2", 0.1, 0.1 + s, 2, 0.6)),
        60.0,
        3,
    ),
    "nine routers, three requests": (
        lambda s: metropolitan(
            8,
            Request("UChicago_HC", "Argonne_3", 0.1, 0.1 + s, 2, 0.6),
            Request("Fermilab_2", "Argonne_1", 0.1, 0.1 + s, 2, 0.6),
            Request("NU", "UChicago_PME", 0.1, 0.1 + s, 2, 0.6),
        ),
        40.0,
        2,
    ),
}
"""Scenario for a number of seconds, the seconds, and the peer's seeds."""


def _gaps(outcomes: Sequence[Outcome], index: int, rng: np.random.Generator) -> np.ndarray:
    found = np.concatenate([np.diff(o.served[index].times) for o in outcomes])
    return found + rng.uniform(0, SMEAR, len(found))


def _rate(outcomes: Sequence[Outcome], index: int, blocks: int = 20) -> tuple[float, float]:
    """Mean deliveries a second, and its standard error from counts in blocks of time."""
    counts = []
    for o in outcomes:
        request = o.served[index].request
        edges = np.linspace(request.start, request.end, blocks + 1)
        counts += list(np.histogram(o.served[index].times, edges)[0] / (edges[1] - edges[0]))
    return float(np.mean(counts)), float(np.std(counts, ddof=1) / math.sqrt(len(counts)))


def compare(label: str, mine: Sequence[Outcome], theirs: Sequence[Outcome], seed: int = 0) -> list[dict[str, Any]]:
    """A row for each request."""
    rng, rows = np.random.default_rng(seed), []
    for k, served in enumerate(mine[0].served):
        (a, ea), (b, eb) = _rate(mine, k), _rate(theirs, k)
        fidelities = [np.round(np.concatenate([o.served[k].fidelities for o in side]), 9) for side in (mine, theirs)]
        found: dict[str, Any] = {
            "scenario": label if len(mine[0].served) == 1 else f"{label}: {served.request.initiator}",
            "pairs": sum(len(o.served[k].times) for o in mine),
            "pairs, peer": sum(len(o.served[k].times) for o in theirs),
            "rate": a,
            "rate, peer": b,
            "ratio": a / b if b else math.nan,
            "SE of ratio": a / b * math.hypot(ea / a, eb / b) if a * b else math.nan,
            "p, mean": float(2 * norm.sf(abs(a - b) / max(1e-12, math.hypot(ea, eb)))),
            "p, times": float(ks_2samp(_gaps(mine, k, rng), _gaps(theirs, k, rng)).pvalue),
            "fidelity": float(np.mean(fidelities[0])),
            "fidelity, peer": float(np.mean(fidelities[1])),
        }
        if len({*fidelities[0], *fidelities[1]}) > 1:
            found["p, fidelity"] = float(ks_2samp(*fidelities).pvalue)
        levels = sorted({round(f, 6) for o in (*mine, *theirs) for f, _ in o.purified})
        for level in levels:
            shares = [[x for o in side for f, x in o.purified if round(f, 6) == level] for side in (mine, theirs)]
            if all(shares):
                name = f"purified at {level:.4f}"
                found[name], found[f"{name}, peer"] = (float(np.mean(x)) for x in shares)
                found[f"p, {name}"] = float(fisher_exact([[sum(x), len(x) - sum(x)] for x in shares]).pvalue)
        same = [(s.accepted, s.path, o.served[k].accepted, o.served[k].path) for o in theirs for s in [served]]
        found["answer and path"] = "equal" if all(x[:2] == x[2:] for x in same) else f"differ: {same}"
        found["longest wait, s"] = max((float(np.max(np.diff(o.served[k].times))) for o in mine), default=math.nan)
        found["longest wait, peer"] = max((float(np.max(np.diff(o.served[k].times))) for o in theirs), default=math.nan)
        rows.append(found)
    return rows


def judge(rows: Sequence[dict[str, Any]], family: float = FAMILY) -> None:
    """Holm's step-down over all p-values of all rows: sets ``differs``."""
    values = sorted((r[k], i, k) for i, r in enumerate(rows) for k in r if k.startswith("p, "))
    for r in rows:
        r["differs"] = ""
    for place, (p, i, k) in enumerate(values):
        if p > family / (len(values) - place):
            break
        rows[i]["differs"] += k[3:] + " "


def scenario_rows(name: str, share: float = 1.0) -> list[dict[str, Any]]:
    """Run one scenario with both; ``share`` of its time."""
    make, seconds, seeds = SCENARIOS[name]
    scenario = make(seconds * share)
    first = zlib.crc32(name.encode()) % 10**6  # else all scenarios would share their luck
    theirs = [peer(scenario, first + seed) for seed in range(seeds)]
    return compare(name, [ours(scenario, first + seed) for seed in range(5 * seeds)], theirs)


def requests(number: int, seed: int, memories: int = 50) -> Scenario:
    """Requests as the paper draws them, on nine routers whose memories emit so seldom that little but reservations happens."""
    rng, graph = np.random.default_rng(seed), study.metropolitan()
    names, drawn, now = sorted(graph), [], 0.0
    for _ in range(number):
        now = round(now + float(rng.exponential(0.2)), 6)
        a, b = rng.choice(names, 2, replace=False)
        start = round(now + 0.1 * int(rng.integers(10, 20)), 6)
        end = round(start + float(rng.uniform(10, 20)), 6)
        drawn.append(Request(str(a), str(b), start, end, int(rng.integers(10, 25)), float(rng.uniform(0.8, 1.0)), now))
    rare = MemoryHardware(0.93, 0.75, 1e-3)
    return Scenario(graph, tuple(drawn), hardware(memories=memories, memory=rare), study.delays())


def reservations(number: int, seed: int) -> dict[str, Any]:
    """One list of requests: answers, paths and waiting times of both."""
    scenario = requests(number, seed)
    mine, theirs = ours(scenario, 0).served, peer(scenario, 0).served
    equal = [
        (a.accepted, a.path, round(a.answered, 9)) == (b.accepted, b.path, round(b.answered, 9))
        for a, b in zip(mine, theirs, strict=True)
    ]
    return {
        "scenario": f"{number} requests on nine routers, list {seed}",
        "accepted": sum(bool(s.accepted) for s in mine),
        "accepted, peer": sum(bool(s.accepted) for s in theirs),
        "equal answer, path, second of the answer": f"{sum(equal)} of {number}",
    }


def bb84(
    keys: int, seed: int = 0, bits: int = 400, length_m: float = 20_000.0, fidelity: float = 0.94
) -> dict[str, Any]:
    """Keys over one fibre: trains of pulses from key to key, errors a key, and the rate of keys."""
    sender, times, delay = peer_bb84(length_m, fidelity, bits, keys, seed, 10.0)
    link = Bb84(Fibre(length_m, polarisation_fidelity=fidelity), classical_delay_ps=delay)
    many = link.run(bits, np.random.default_rng(seed), keys=20 * keys)
    train = bits / 0.1 / 80e6
    trains = [np.rint(np.diff(x) / train) for x in (many.finished_s, np.array(times) / 1e12)]
    errors = [(many.alice != many.bob).sum(1), np.rint(np.array(sender.error_rates) * bits)]
    sifted = [
        many.sifted / many.pulses,
        (keys * bits + len(sender.key_bits)) / (round((times[-1] / 1e12 - 4 * delay / 1e12) / train) * train * 80e6),
    ]
    spread = math.sqrt(1 / many.sifted + 1 / (keys * bits))
    return {
        "scenario": f"BB84, {bits} bits a key",
        "pairs": len(errors[0]),
        "pairs, peer": len(errors[1]),
        "rate": sifted[0] * 80e6,
        "rate, peer": sifted[1] * 80e6,
        "ratio": sifted[0] / sifted[1],
        "SE of ratio": spread,
        "p, mean": float(2 * norm.sf(abs(sifted[0] / sifted[1] - 1) / spread)),
        "p, times": float(ks_2samp(*trains).pvalue),
        "errors": float(np.mean(errors[0]) / bits),
        "errors, peer": float(np.mean(errors[1]) / bits),
        "p, errors": float(ks_2samp(*errors).pvalue),
    }


def cascade(error_rate: float, frames: int, seed: int = 0) -> dict[str, Any]:
    """The same two keys corrected by both."""
    rng = np.random.default_rng(seed)
    alice = rng.integers(0, 2, 10_000 + frames * FRAME).astype(np.uint8)
    bob = alice ^ (rng.random(len(alice)) < error_rate).astype(np.uint8)
    mine, theirs = Cascade().run(alice, bob, rng), peer_cascade(alice, bob)
    return {
        "scenario": f"Cascade, {error_rate:.0%} errors, {frames} frames",
        "errors": int((alice != bob)[10_000:].sum()),
        "corrected": mine.corrected,
        "corrected, peer": theirs.disclosed_bits_counter,
        "parities": mine.disclosed,
        "parities, peer": theirs.parities,
        "ratio": mine.disclosed / theirs.parities,
        "keys equal": bool(np.array_equal(mine.alice, mine.bob)),
        "keys equal, peer": theirs.valid_keys == theirs.another.valid_keys and len(theirs.valid_keys) == frames,
    }


def run(quick: bool) -> list[dict[str, Any]]:
    """All scenarios; with ``quick`` a fifth of the time of each."""
    try:
        import sequence.topology.router_net_topo  # noqa: F401
    except ImportError as error:
        return [{"scenario": f"SeQUeNCe: not installed ({error.name})"}]
    rows = [r for name in SCENARIOS for r in scenario_rows(name, 0.2 if quick else 1.0)]
    rows.append(bb84(40 if quick else 200))
    judge(rows)
    rows += [cascade(e, 2 if quick else 8) for e in (0.01, 0.03, 0.05)]
    return rows + [reservations(40 if quick else 150, seed) for seed in range(1 if quick else 3)]

"""A discrete-event simulator of whole quantum networks, used on nine routers of a metropolitan network.

Rates of one link and of short chains are held against closed forms and against each other; then memories are redistributed among the
nine routers by the demand that is expected of each, and what the network accepts and delivers is compared, seed by seed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

from annotated_types import Ge, Gt

from bitket.runs import Claim, Paper, Verdict

if TYPE_CHECKING:
    import networkx as nx

    from bitket.networks.hardware import Hardware
    from bitket.runs import Run

PAPER = Paper(
    key="sequence",
    title="SeQUeNCe: A Customizable Discrete-Event Simulator of Quantum Networks",
    authors=(
        "Xiaoliang Wu",
        "Alexander Kolar",
        "Joaquin Chung",
        "Dong Jin",
        "Tian Zhong",
        "Rajkumar Kettimuthu",
        "Martin Suchara",
    ),
    year=2021,
    arxiv="2009.12000",
)
SUMMARY = "Event simulation of a nine-router metropolitan network: rates, latency, and memories redistributed by expected demand."

DELAYS_MS = {
    ("UChicago_PME", "Fermilab_1"): 1.945,
    ("NU", "UChicago_PME"): 2.6475,
    ("NU", "Fermilab_1"): 1.455,
    ("NU", "Argonne_1"): 0.985,
}
"""Measured one-way classical delays between sites that no fibre joins; the others are those of the links."""
SITES = {"UChicago_HC": "UChicago_PME", "Fermilab_2": "Fermilab_1", "Argonne_2": "Argonne_1", "Argonne_3": "Argonne_1"}
"""Second routers of a campus: 0.25 ms more, and as much within the campus."""
CURVES: dict[str, tuple[float, ...]] = {
    "memory efficiency": (0.2, 0.4, 0.6, 0.8, 1.0),
    "memory frequency": (100.0, 200.0, 400.0, 800.0, 1600.0),
    "coherence time": (0.02, 0.05, 0.1, 0.3, 1.0),
    "detector efficiency": (0.2, 0.4, 0.6, 0.8, 1.0),
    "swap success": (0.2, 0.4, 0.6, 0.8, 1.0),
}


@dataclass(frozen=True)
class Config:
    """Settings; the paper simulates 1000 s."""

    seconds: Annotated[float, Gt(0)] = 1000.0
    seeds: Annotated[int, Ge(2)] = 6
    """Pairs of runs with and without redistribution."""
    memories: Annotated[int, Ge(2)] = 50
    """Of each router on average."""
    chain_seconds: Annotated[float, Gt(0)] = 60.0
    chain_seeds: Annotated[int, Ge(2)] = 4
    hops: tuple[Annotated[int, Ge(1)], ...] = (2, 3, 4)


SCALES = {"quick": Config(seconds=40.0, seeds=3, chain_seconds=2.0, chain_seeds=2, hops=(2,)), "full": Config()}


# -- claims -------------------------------------------------------------------------------------------------------------
def _change(key: str, paper: float, m: Mapping[str, float], config: Config) -> Verdict:
    value, error = m[f"{key}/change"], m[f"{key}/half width"]
    return Verdict.of(
        value,
        value - error > 0 and 0.5 * paper <= value <= 2 * paper,
        f"relative change {100 * value:.1f} +- {100 * error:.1f} % (95 % of {config.seeds} pairs of runs of {config.seconds:g} s); "
        f"reproduced if the interval is above 0 and the change between half and twice the paper's {100 * paper:g} %",
    )


def _rising(name: str, m: Mapping[str, float], config: Config) -> Verdict:
    found = [(hops, m[f"{name}/{hops} hops/rise"], m[f"{name}/{hops} hops/steps down"]) for hops in config.hops]
    return Verdict.of(
        found[0][1],
        all(rise > 0 and not down for _, rise, down in found),
        "; ".join(
            f"{hops} hops: {rise:.1f} pairs/s from least to most, {down:.0f} steps down by over 3 standard errors"
            for hops, rise, down in found
        ),
    )


def _latency(m: Mapping[str, float], config: Config) -> Verdict:
    value = m["latency/worst"]
    return Verdict.of(
        value,
        value < 4 and m["latency/slowest"] < m["latency/fastest"],
        f"largest distance from the closed form in standard errors; {m['latency/fastest']:.1f} pairs/s at a tenth of the delays, "
        f"{m['latency/slowest']:.1f} at ten times",
    )


CLAIMS = (
    Claim(
        "capacity_requests",
        "Redistributed memories let the network accept more requests.",
        0.691,
        partial(_change, "accepted", 0.691),
    ),
    Claim(
        "capacity_memory",
        "Redistributed memories let the network reserve more memory-seconds.",
        0.691,
        partial(_change, "memory_seconds", 0.691),
    ),
    Claim(
        "throughput",
        "Redistributed memories raise the pairs a second of a request.",
        0.068,
        partial(_change, "throughput", 0.068),
    ),
    *(
        Claim(
            f"rises_with_{name.replace(' ', '_')}",
            f"Throughput rises with {name}.",
            "rises",
            partial(_rising, name),
            "pairs/s",
        )
        for name in CURVES
    ),
    Claim(
        "latency",
        "Throughput falls as control messages slow, as one link's closed form says.",
        "falls",
        _latency,
        "standard errors",
    ),
)


# -- run ----------------------------------------------------------------------------------------------------------------
def run(config: Config, run: Run) -> Mapping[str, float]:
    """Latency on a link, curves on chains, redistribution on nine routers."""
    metrics = run.step("latency", partial(_latencies, config, run.seed))
    for name in run.progress(CURVES, "curves"):
        metrics |= run.step(f"curve, {name}", partial(_curve, config, run.seed, name))
    rows = []
    for seed in run.progress(range(config.seeds), "nine routers"):
        rows.append(run.step(f"nine routers, {seed}", partial(_pair, config, 1000 * run.seed + seed)))
    for key in ("accepted", "memory_seconds", "throughput"):
        metrics |= _compared(key, rows)
    for key in rows[0]:
        metrics[f"mean {key}"] = sum(row[key] for row in rows) / len(rows)
    shares = redistributed(metropolitan(), 9 * config.memories)
    run.table(
        "memories",
        [{"router": k, "uniform": config.memories, "redistributed": v} for k, v in shares.items()],
        "Memories of the routers",
    )
    run.table(
        "runs",
        [{"pair": k} | {name: f"{v:.5g}" for name, v in row.items()} for k, row in enumerate(rows)],
        "Nine routers, each seed",
    )
    _figures(config, run, metrics, rows)
    return metrics


def metropolitan() -> nx.Graph:
    """The nine routers."""
    from bitket.networks.topology import load_topology

    return load_topology("metro")


def delays() -> dict[tuple[str, str], float]:
    """Classical delay (ms) of every pair of the nine routers."""
    from itertools import combinations

    graph, out = metropolitan(), {}
    measured = {frozenset((a, b)): ms for a, b, ms in graph.edges(data="classical_delay_ms")}
    measured |= {frozenset(pair): ms for pair, ms in DELAYS_MS.items()}
    for a, b in combinations(graph.nodes, 2):
        one, other = SITES.get(a, a), SITES.get(b, b)
        between = 0.0 if one == other else measured[frozenset((one, other))]
        out[a, b] = max(0.25, between + 0.25 * ((a in SITES) + (b in SITES)) * (one != other))
    return out


def hardware(**changes: Any) -> Hardware:
    """The study's hardware; ``changes`` by their name in `CURVES`."""
    from bitket.networks.hardware import Hardware, MemoryHardware
    from bitket.networks.photonics import Detector

    return Hardware(
        memories=int(changes.get("memories", 50)),
        memory=MemoryHardware(
            0.9349367588934053,
            changes.get("memory efficiency", 0.75),
            changes.get("memory frequency", 2000.0),
            changes.get("coherence time", 1.3),
        ),
        detector=Detector(changes.get("detector efficiency", 0.8), count_rate_hz=50e6, resolution_ps=100),
        channel_rate_hz=1e11,
        swap_success=changes.get("swap success", 0.64),
        swap_degradation=0.99,
    )


def redistributed(graph: nx.Graph, total: int) -> dict[str, int]:
    """Memories by expected demand: over all pairs of routers, one share for an end of the path and two for a router on it."""
    import networkx as nx

    demand = dict.fromkeys(graph, 0)
    for source, paths in nx.all_pairs_dijkstra_path(graph, weight="length_km"):
        for target, path in paths.items():
            if source != target:
                for node in path:
                    demand[node] += 1 if node in (source, target) else 2
    exact = {node: total * d / sum(demand.values()) for node, d in demand.items()}
    shares = {node: int(x) for node, x in exact.items()}
    left = sorted(exact, key=lambda node: shares[node] - exact[node])[
        : total - sum(shares.values())
    ]  # largest remainders
    return {node: shares[node] + (node in left) for node in graph}


def _pair(config: Config, seed: int) -> dict[str, float]:
    """One seed with uniform and with redistributed memories."""
    from bitket.networks.applications import random_requests
    from bitket.networks.network import Network

    out: dict[str, float] = {}
    for name in ("uniform", "redistributed"):
        graph = metropolitan()
        if name == "redistributed":
            for node, share in redistributed(graph, 9 * config.memories).items():
                graph.nodes[node]["memories"] = share
        network = Network(graph, hardware(memories=config.memories), seed=seed, delays_ms=delays())
        served = [a.served for a in random_requests(network).values()]
        network.run(config.seconds)
        ended = max(1, sum(s.requests for s in served))
        out |= {
            f"accepted/{name}": float(sum(s.accepted for s in served)),
            f"refused/{name}": float(sum(s.refusals for s in served)),
            f"memory_seconds/{name}": sum(s.memory_seconds for s in served),
            f"throughput/{name}": sum(s.throughputs for s in served) / ended,
            f"wait_s/{name}": sum(s.waits for s in served) / max(1, sum(s.accepted for s in served)),
            f"events/{name}": float(network.timeline.executed),
            f"attempts/{name}": float(network.attempts),
        }
    return out


def _compared(key: str, rows: list[dict[str, float]]) -> dict[str, float]:
    """Mean relative change over the seeds and half its 95 % interval."""
    import numpy as np
    from scipy.stats import t

    values = np.array([row[f"{key}/redistributed"] / max(row[f"{key}/uniform"], 1e-12) - 1 for row in rows])
    half = t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return {f"{key}/change": float(values.mean()), f"{key}/half width": float(half)}


def _rate(config: Config, hops: int, seed: int, changes: Mapping[str, float], memories: int = 5) -> float:
    """Pairs a second over a chain of 20 km links."""
    import networkx as nx

    from bitket.networks.network import Network

    graph = nx.relabel_nodes(nx.path_graph(hops + 1), {k: f"r{k}" for k in range(hops + 1)})
    nx.set_edge_attributes(graph, 20.0, "length_km")
    nx.set_edge_attributes(graph, 0.4, "classical_delay_ms")
    network = Network(graph, hardware(memories=2 * memories, **changes), seed=seed)
    request = network.request(
        "r0", f"r{hops}", start=0.01, end=0.01 + config.chain_seconds, memories=memories, fidelity=0.5
    )
    network.run(config.chain_seconds + 1)
    return request.delivered / config.chain_seconds


def _curve(config: Config, seed: int, name: str) -> dict[str, float]:
    import numpy as np

    out: dict[str, float] = {}
    for hops in config.hops:
        rates = np.array(
            [
                [_rate(config, hops, 100 * seed + k, {name: value}) for k in range(config.chain_seeds)]
                for value in CURVES[name]
            ]
        )
        mean, error = rates.mean(axis=1), rates.std(axis=1, ddof=1) / np.sqrt(config.chain_seeds)
        down = np.diff(mean) < -3 * np.maximum(
            np.hypot(error[1:], error[:-1]), np.sqrt(mean[1:] / config.chain_seconds / config.chain_seeds)
        )
        out |= {f"{name}/{hops} hops/{value:g}": float(m) for value, m in zip(CURVES[name], mean, strict=True)}
        out |= {
            f"{name}/{hops} hops/rise": float(mean[-1] - mean[0]),
            f"{name}/{hops} hops/steps down": float(down.sum()),
        }
    return out


def _latencies(config: Config, seed: int) -> dict[str, float]:
    """One link with scaled delays beside ((1 - p_1) T_1 + p_1 T_2) / p."""
    import networkx as nx

    from bitket.networks.network import Network

    worst, rates, out = 0.0, list[float](), dict[str, float]()
    for factor in (0.1, 0.3, 1.0, 3.0, 10.0):
        delay = 0.4 * factor
        graph = nx.Graph([("a", "b", {"length_km": 20.0, "classical_delay_ms": delay})])
        network = Network(graph, hardware(memories=1), seed=seed)
        seconds = 10 * config.chain_seconds
        request = network.request("b", "a", start=0.1, end=0.1 + seconds)
        network.run(seconds + 1)
        law = network.link("a", "b").law
        turn = 2 * delay * 1e-3 + 10 / 2e5 + delay * 1e-3 / 2
        # The memory is excited no faster, and then the answer to NEGOTIATE has to travel.
        slow = 1 / 2000.0 + delay * 1e-3
        between, within = max(turn + 2 * delay * 1e-3, slow), max(turn, slow)
        p, p1 = law.success, law.first_click
        mean = ((1 - p1) * between + p1 * (between + within)) / p
        spread = mean * (1 - p) ** 0.5  # of a geometric number of attempts
        rate = request.delivered / seconds
        worst = max(worst, abs(rate - 1 / mean) / ((seconds / mean) ** 0.5 * spread / mean / seconds))
        rates.append(rate)
        out |= {f"latency/{factor:g}": rate, f"latency/{factor:g}/closed form": 1 / mean}
    return out | {"latency/worst": worst, "latency/fastest": rates[0], "latency/slowest": rates[-1]}


def _figures(config: Config, run: Run, m: Mapping[str, float], rows: list[dict[str, float]]) -> None:
    figure, axes = run.subplots(1, len(CURVES), width=11, height=2.8)
    for axis, (name, values) in zip(axes, CURVES.items(), strict=True):
        for hops in config.hops:
            axis.plot(
                values, [m[f"{name}/{hops} hops/{v:g}"] for v in values], "o-", markersize=3, label=f"{hops} hops"
            )
        axis.set(xlabel=name, ylim=(0, None))
        if name in ("memory frequency", "coherence time"):
            axis.set_xscale("log")
    axes[0].set_ylabel("pairs a second")
    axes[0].legend()
    run.figure("curves", figure, "Throughput of chains of 20 km links against hardware.")
    figure, axis = run.subplots(width=5, height=3.4)
    factors = (0.1, 0.3, 1.0, 3.0, 10.0)
    axis.plot(factors, [m[f"latency/{f:g}/closed form"] for f in factors], "-", color="0.5", label="closed form")
    axis.plot(factors, [m[f"latency/{f:g}"] for f in factors], "o", label="simulated")
    axis.set(xscale="log", yscale="log", xlabel="classical delay / 0.4 ms", ylabel="pairs a second, one memory each")
    axis.legend()
    run.figure("latency", figure, "One link with scaled classical delays.")
    figure, axis = run.subplots(width=6, height=3.2)
    for k, (key, paper) in enumerate((("accepted", 0.691), ("memory_seconds", 0.691), ("throughput", 0.068))):
        changes = [100 * (row[f"{key}/redistributed"] / max(row[f"{key}/uniform"], 1e-12) - 1) for row in rows]
        axis.plot(changes, [k] * len(changes), "o", alpha=0.6)
        axis.plot(100 * paper, k, "kx")
    axis.axvline(0, color="0.7", linewidth=0.8)
    axis.set_yticks(range(3), ("accepted requests", "reserved memory-seconds", "pairs a second of a request"))
    axis.set(xlabel="change by redistribution, %; cross: the paper's", ylim=(-0.6, 2.6))
    run.figure("redistribution", figure, "Change of capacity and throughput, one point a seed.")

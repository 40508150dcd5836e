"""Quality of service in quantum networks: which demands a central controller can serve, by scheduler, load, fidelity and network.

Random demands are offered to every scheduler alike. Each gets a repeater protocol, placed on qubits, and is admitted if all that were
admitted before can still be served. Throughput, worst-case response time and jitter are those of the repeating schedule.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal

from annotated_types import Ge, Gt, Le

from bitket.runs import Claim, Paper, Verdict

if TYPE_CHECKING:
    from bitket.runs import Run

PAPER = Paper(
    key="quantum-network-qos",
    title="An Architecture for Meeting Quality-of-Service Requirements in Multi-User Quantum Networks",
    authors=("Matthew Skrzypczyk", "Stephanie Wehner"),
    year=2021,
    arxiv="2111.13124",
)
SUMMARY = "Schedules for users' demands on five quantum networks: one processor against a resource-constrained project, with preemption."

PLAIN = ("pts-np-edf", "pts-cedf", "rcpsp-np-fpr", "rcpsp-np-edf")
PREEMPTIVE = ("pts-pb", "rcpsp-pbs", "rcpsp-pb")
COMPARED = {"pts-pb": "pts-np-edf", "rcpsp-pbs": "rcpsp-np-fpr", "rcpsp-pb": "rcpsp-np-edf"}
"""What each preemptive scheduler is with budget 0."""
REFERENCE_LOAD = 20.0
AUTHORS = {
    0.55: {"pts-np-edf": 9.5, "rcpsp-np-fpr": 10.7, "rcpsp-np-edf": 11.3},
    0.75: {"pts-np-edf": 4.5, "rcpsp-np-fpr": 5.6, "rcpsp-np-edf": 6.2},
}
"""Throughput (pairs/s) of the authors' program on the line at load 20, mean of four seeds."""


@dataclass(frozen=True)
class Config:
    """Settings; the paper gives the range and number of its loads, not each of them."""

    networks: tuple[Literal["line", "star", "h", "symmetric"], ...] = ("line", "star", "h", "symmetric")
    fidelities: tuple[Annotated[float, Gt(0.5), Le(1)], ...] = (0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85)
    loads: tuple[Annotated[float, Ge(0.5)], ...] = (
        0.5,
        1.0,
        2.0,
        3.0,
        4.0,
        5.0,
        7.5,
        10.0,
        15.0,
        20.0,
        25.0,
        30.0,
        40.0,
        50.0,
        60.0,
        80.0,
        100.0,
    )
    """Pairs/s that all demands ask for together."""
    budgets: tuple[Annotated[float, Gt(0)], ...] = (0.01, 0.1, 1.0)
    """Seconds for which an instance may be suspended."""
    seeds: Annotated[int, Ge(2)] = 10
    surfnet_fidelities: tuple[Annotated[float, Gt(0.5), Le(1)], ...] = (0.98, 0.985, 0.99, 0.995, 0.997)
    surfnet_loads: tuple[Annotated[float, Ge(0.5)], ...] = (1.0, 5.0, 10.0, 20.0, 40.0, 60.0, 80.0, 100.0)
    surfnet_seeds: Annotated[int, Ge(2)] = 5


SCALES = {
    "quick": Config(fidelities=(0.55, 0.75), loads=(5.0, 20.0), seeds=4, surfnet_fidelities=(), surfnet_loads=()),
    "full": Config(),
}


# -- claims -------------------------------------------------------------------------------------------------------------
def _trade_off(networks: tuple[str, ...], m: Mapping[str, float], config: Config) -> Verdict:
    tested = [n for n in networks if f"trade-off/{n}/throughput" in m]
    if not tested:
        return Verdict.untested(f"{', '.join(networks)}: needs two fidelities")
    ratios = {n: (m[f"trade-off/{n}/throughput"], m[f"trade-off/{n}/wcrt"]) for n in tested}
    listed = "; ".join(f"{n} x {t:.2f}, response x {w:.2f}" for n, (t, w) in ratios.items())
    return Verdict.of(
        max(t for t, _ in ratios.values()),
        all(t < 1 < w for t, w in ratios.values()),
        f"throughput at the highest fidelity over that at the lowest, largest of the networks, highest load, rcpsp-np-edf: {listed}; "
        "throughput must fall and the response time rise in each",
    )


def _side_by_side(m: Mapping[str, float], config: Config) -> Verdict:
    if REFERENCE_LOAD not in config.loads or "line" not in config.networks:
        return Verdict.untested("needs the line at load 20")
    order = ("rcpsp-np-edf", "rcpsp-np-fpr", "pts-np-edf")
    values = {f: [m[f"line/{f:g}/{method}/throughput"] for method in order] for f in config.fidelities}
    listed = "; ".join(f"F = {f:g}: " + " >= ".join(f"{x:.2f}" for x in v) for f, v in values.items())
    gain = sum(v[0] for v in values.values()) / sum(v[-1] for v in values.values())
    return Verdict.of(
        gain,
        all(a >= b >= c for a, b, c in values.values()),
        f"throughput of rcpsp-np-edf over pts-np-edf on the line at load 20; wanted np-edf >= np-fpr >= pts at every fidelity, found {listed}",
    )


def _star(m: Mapping[str, float], config: Config) -> Verdict:
    if REFERENCE_LOAD not in config.loads or "star" not in config.networks:
        return Verdict.untested("needs the star at load 20")
    difference, error = m["star difference"], m["star difference/error"]
    return Verdict.of(
        difference,
        abs(difference) <= 2 * error or difference == 0,
        f"throughput of rcpsp-np-edf less pts-np-edf on the star at load 20, paired over seeds and fidelities, standard error {error:.3f}; "
        "equal if within two of it",
    )


def _budgets(m: Mapping[str, float], config: Config) -> Verdict:
    changes = {
        what: {
            k.removeprefix(f"budget/{what}/"): (v, m[f"budget error/{what}/{k.removeprefix(f'budget/{what}/')}"])
            for k, v in m.items()
            if k.startswith(f"budget/{what}/")
        }
        for what in ("throughput", "wcrt")
    }
    if not changes["throughput"]:
        return Verdict.untested("needs the line and a budget")
    suspending = {  # rcpsp-pbs also frees qubits between segments that it does not suspend
        what: {k: pair for k, pair in found.items() if not k.startswith("rcpsp-pbs")} for what, found in changes.items()
    }
    clear = {what: any(abs(v) > 2 * e for v, e in found.values()) for what, found in suspending.items()}
    listed = "; ".join(
        f"{what} " + ", ".join(f"{k} {100 * v:+.1f} +- {100 * e:.1f} %" for k, (v, e) in found.items())
        for what, found in changes.items()
    )
    return Verdict.of(
        100 * max((v for v, _ in suspending["throughput"].values()), key=abs),
        all(clear.values()),
        f"largest mean change of throughput against budget 0 on the line, rcpsp-pbs apart; {listed}; both must change by over two standard "
        "errors in pts-pb or rcpsp-pb",
    )


def _authors(m: Mapping[str, float], config: Config) -> Verdict:
    ratios = {
        f"F = {f:g} {method}": m[f"line/{f:g}/{method}/throughput"] / value
        for f, values in AUTHORS.items()
        for method, value in values.items()
        if f in config.fidelities and "line" in config.networks and REFERENCE_LOAD in config.loads
    }
    if not ratios:
        return Verdict.untested("needs the line at load 20 and fidelity 0.55 or 0.75")
    worst = max(ratios.values(), key=lambda r: max(r, 1 / r))
    listed = ", ".join(f"{k} {v:.2f}" for k, v in ratios.items())
    return Verdict.of(
        worst, 0.8 <= worst <= 1.25, f"our throughput over theirs, furthest from 1; {listed}; within 25 % wanted"
    )


CLAIMS = (
    Claim(
        "fidelity_costs",
        "Higher fidelity costs throughput and response time in the four small networks.",
        "shown",
        partial(_trade_off, ("line", "star", "h", "symmetric")),
        "x",
    ),
    Claim(
        "fidelity_costs_surfnet",
        "Higher fidelity costs throughput and response time on the SURFnet core.",
        "shown",
        partial(_trade_off, ("surfnet",)),
        "x",
    ),
    Claim(
        "side_by_side",
        "Scheduling as a project serves more load than one processor where demands can run side by side.",
        "11.3 against 9.5 pairs/s (F = 0.55)",
        _side_by_side,
        "x",
    ),
    Claim(
        "star_equal",
        "On the star all pairs pass one communication qubit, and the project gains nothing.",
        0.0,
        _star,
        "pairs/s",
    ),
    Claim(
        "budget_matters",
        "Preemption budgets change throughput and response time against the non-preemptive schedules.",
        "change",
        _budgets,
        "%",
    ),
    Claim(
        "authors_throughput",
        "The authors' program reaches 4.5 to 11.3 pairs/s on the line at load 20.",
        "4.5 to 11.3 pairs/s",
        _authors,
        "x",
    ),
)


# -- run ----------------------------------------------------------------------------------------------------------------
Cell = dict[str, dict[str, dict[str, list[float]]]]
"""By load, variant (scheduler and budget) and quantity: a value for each seed."""


def run(config: Config, run: Run) -> Mapping[str, float]:
    """Offer the same demands to all schedulers."""
    found: dict[tuple[str, float], Cell] = {}
    cells: list[tuple[str, float]] = [(n, f) for n in config.networks for f in config.fidelities]
    cells += [("surfnet", f) for f in config.surfnet_fidelities if config.surfnet_loads]
    for network, fidelity in run.progress(cells, "networks"):
        cell = run.step(f"{network}, {fidelity:g}", partial(_cell, config, run, network, fidelity))
        if not cell:
            run.note(f"{network}: no two ends can get pairs of fidelity {fidelity:g}.")
            continue
        found[network, fidelity] = cell
        for load, variants in cell.items():
            means = {f"{v}/{q}": _mean(x) for v, quantities in variants.items() for q, x in quantities.items()}
            run.log(network=network, fidelity=fidelity, load=float(load), **means)
    metrics = _summary(config, found)
    for shown in sorted({min(config.loads, key=lambda x: abs(x - REFERENCE_LOAD)), max(config.loads)}):
        rows: list[dict[str, Any]] = [
            {"network": n, "F": f} | {v: f"{_mean(q['throughput']):.2f}" for v, q in cell[str(shown)].items()}
            for (n, f), cell in found.items()
            if str(shown) in cell
        ]
        run.table(f"throughput at {shown:g}", rows, f"Throughput (pairs/s) at load {shown:g}, mean over seeds")
    run.note(
        "The paper's curves are not given as numbers: its loads lie between 0.5 and 100 pairs/s. Offered rates are drawn among those that a "
        "demand's protocol reaches alone; the law behind the authors' demands may differ."
    )
    run.note(
        "With a budget rcpsp-pbs holds qubits by segments, without one for the whole protocol: its gain over rcpsp-np-fpr is not of "
        "suspension alone."
    )
    run.figure(
        "loads", _loads_figure(run, found), "Throughput over load at the lowest fidelity; the dashed line is the load."
    )
    run.figure(
        "fidelities",
        _fidelities_figure(config, run, found),
        "Throughput, response time and jitter over fidelity, highest load.",
    )
    if "line" in config.networks and config.budgets:
        figure = _budgets_figure(config, run, metrics)
        run.figure("budgets", figure, "Change against budget 0 on the line, all loads, fidelities and seeds.")
    return metrics


def _cell(config: Config, run: Run, name: str, fidelity: float) -> Cell:
    """All loads, seeds and schedulers for one network and fidelity; empty if no two ends can get such pairs."""
    from bitket.errors import InvalidInput
    from bitket.networks.scheduling import QuantumNetwork, plan, random_demands, schedule

    network = QuantumNetwork.preset(name)
    small = name != "surfnet"
    variants = [(method, 0.0) for method in PLAIN]
    variants += [(method, budget) for method in PREEMPTIVE for budget in (config.budgets if small else ())]
    out: Cell = {}
    for load in config.loads if small else config.surfnet_loads:
        rows: dict[str, dict[str, list[float]]] = {}
        for seed in range(config.seeds if small else config.surfnet_seeds):
            rng = run.generator(f"{name} {fidelity:g} {load:g} {seed}")
            try:
                demands = random_demands(network, load, fidelity, rng)
            except InvalidInput:
                return {}
            tasks, _ = plan(network, demands)
            for method, budget in variants:
                made = schedule(tasks, method, budget=budget)  # type: ignore[arg-type]
                found = made.metrics() | {"demands": float(len(demands))}
                row = rows.setdefault(f"{method} {budget:g}" if budget else method, {})
                for quantity, value in found.items():
                    row.setdefault(quantity, []).append(value)
        out[str(load)] = rows
    return out


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


def _summary(config: Config, found: dict[tuple[str, float], Cell]) -> dict[str, float]:
    import numpy as np

    metrics: dict[str, float] = {}
    reference = str(REFERENCE_LOAD)
    for (network, fidelity), cell in found.items():
        for variant, quantities in cell.get(reference, {}).items():
            for quantity in ("throughput", "wcrt", "jitter", "accepted"):
                metrics[f"{network}/{fidelity:g}/{variant}/{quantity}"] = _mean(quantities[quantity])
    for network in dict.fromkeys(n for n, _ in found):
        ordered = sorted(f for n, f in found if n == network)
        highest = str(max(float(load) for load in found[network, ordered[0]]))
        if len(ordered) > 1:
            low, high = (found[network, f][highest]["rcpsp-np-edf"] for f in (ordered[0], ordered[-1]))
            for quantity in ("throughput", "wcrt"):
                metrics[f"trade-off/{network}/{quantity}"] = _mean(high[quantity]) / _mean(low[quantity])
    star = [cell[reference] for (n, _), cell in found.items() if n == "star" and reference in cell]
    if star:
        pairs = [
            a - b
            for v in star
            for a, b in zip(v["rcpsp-np-edf"]["throughput"], v["pts-np-edf"]["throughput"], strict=True)
        ]
        metrics["star difference"] = float(np.mean(pairs))
        metrics["star difference/error"] = float(np.std(pairs, ddof=1) / np.sqrt(len(pairs)))
    line = [variants for (n, _), cell in found.items() if n == "line" for variants in cell.values()]
    for method, plain in COMPARED.items() if line else ():
        for budget in config.budgets:
            for quantity in ("throughput", "wcrt"):
                changes = np.concatenate(
                    [np.array(v[f"{method} {budget:g}"][quantity]) / np.array(v[plain][quantity]) - 1 for v in line]
                )
                metrics[f"budget/{quantity}/{method} {budget:g}"] = float(np.mean(changes))
                metrics[f"budget error/{quantity}/{method} {budget:g}"] = float(
                    np.std(changes, ddof=1) / np.sqrt(len(changes))
                )
    return metrics


def _loads_figure(run: Run, found: dict[tuple[str, float], Cell]) -> Any:
    networks = list(dict.fromkeys(n for n, _ in found))
    figure, axes = run.subplots(1, len(networks), width=2.6 * len(networks) + 1.4, height=3.2)
    for ax, network in zip([axes] if len(networks) == 1 else axes, networks, strict=True):
        fidelity = min(f for n, f in found if n == network)
        cell = found[network, fidelity]
        loads = [float(load) for load in cell]
        ax.plot(loads, loads, color="0.6", linewidth=1, linestyle="--")
        tops = []
        for method in PLAIN:
            values = [_mean(variants[method]["throughput"]) for variants in cell.values()]
            ax.plot(loads, values, marker="o", markersize=3, label=method)
            tops += values
        ax.set(title=f"{network}, F = {fidelity:g}", xlabel="load, pairs/s", ylim=(0, 1.15 * max(tops)))
    first = axes if len(networks) == 1 else axes[0]
    first.set_ylabel("throughput, pairs/s")
    handles, labels = first.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right center")
    return figure


def _fidelities_figure(config: Config, run: Run, found: dict[tuple[str, float], Cell]) -> Any:
    figure, axes = run.subplots(1, 3, width=9.0, height=3.2)
    names = ("throughput, pairs/s", "worst-case response, s", "jitter, s²")
    for ax, quantity, label in zip(axes, ("throughput", "wcrt", "jitter"), names, strict=True):
        for network in config.networks:
            ordered = sorted(f for n, f in found if n == network)
            cells = [found[network, f] for f in ordered]
            values = [_mean(cell[max(cell, key=float)]["rcpsp-np-edf"][quantity]) for cell in cells]
            ax.plot(ordered, values, marker="o", markersize=3, label=network)
        ax.set(xlabel="fidelity", ylabel=label)
    axes[0].legend()
    return figure


def _budgets_figure(config: Config, run: Run, metrics: Mapping[str, float]) -> Any:
    figure, axes = run.subplots(1, 2, width=8.0, height=3.2)
    for ax, quantity in zip(axes, ("throughput", "wcrt"), strict=True):
        for method in PREEMPTIVE:
            values = [100 * metrics[f"budget/{quantity}/{method} {b:g}"] for b in config.budgets]
            errors = [100 * metrics[f"budget error/{quantity}/{method} {b:g}"] for b in config.budgets]
            ax.errorbar(config.budgets, values, errors, marker="o", markersize=4, capsize=3, label=method)
        ax.axhline(0, color="0.6", linewidth=1)
        ax.set(xscale="log", xlabel="budget, s", ylabel=f"change of {quantity}, %")
    axes[0].legend()
    return figure

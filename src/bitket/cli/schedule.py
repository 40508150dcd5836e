"""The part of ``bitket network`` that makes a schedule for demands and carries it out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bitket.cli.console import console, rate_text
from bitket.cli.folders import new_folder
from bitket.cli.options import RANGES, Scheduling
from bitket.errors import InvalidInput

if TYPE_CHECKING:
    import networkx as nx

    from bitket.networks.execution import Execution
    from bitket.networks.scheduling import QuantumNetwork, Schedule

__all__ = ["scheduled"]

MOST_OPERATIONS = 20_000_000
"""Carried out in one run: some ten minutes."""


def scheduled(
    topology: str,
    graph: nx.Graph,
    demands: Path,
    method: Scheduling,
    budget: float,
    coherence: str,
    seconds: float,
    seed: int,
    out: Path,
    as_json: bool,
) -> None:
    """Schedule the demands of a file, execute the schedule with links as they are, write and show both."""
    from bitket.networks.drawing import draw_network
    from bitket.networks.execution import execute
    from bitket.networks.scheduling import QuantumNetwork, read_demands, schedule_demands
    from bitket.runs.figures import write
    from bitket.runs.files import write_bytes, write_json

    times = _times(coherence)
    network = QuantumNetwork.preset(topology) if topology == "surfnet" else QuantumNetwork.from_graph(graph)
    asked = read_demands(demands)
    schedule = schedule_demands(network, asked, method, budget=budget)
    schedule.check()
    ideal = execute(schedule, network)
    periods = max(1, round(seconds / (schedule.hyperperiod * schedule.slot)))
    if periods * len(schedule.operations) > MOST_OPERATIONS:
        most = MOST_OPERATIONS // len(schedule.operations) * schedule.hyperperiod * schedule.slot
        raise InvalidInput(f"--seconds {seconds:g}: of this schedule {most:.4g} s are the most that are carried out")
    real = execute(schedule, network, periods=periods, stochastic=True, times=times, seed=seed)
    found: dict[str, Any] = {
        "topology": topology,
        "demands": len(asked),
        "method": method,
        "budget_s": budget,
        "metrics": schedule.metrics(),
        "accepted": real.table(),
        "rejected": [
            {
                "task": r.name,
                "reason": r.reason,
                "best_fidelity_at_this_rate": r.best_fidelity,
                "best_rate_at_this_fidelity": r.best_rate,
                "said": str(r),
            }
            for r in schedule.rejected
        ],
        "kept_with_links_on_time": not ideal.broken,
        "simulated_seconds": real.seconds,
        "throughput": real.throughput,
    }
    folder = new_folder(out / "network", Path(topology).stem)
    found["folder"] = str(folder)
    figures = {"network": draw_network(network.graph, _loads(network, schedule), "pairs a second")}
    if schedule.accepted:
        figures["gantt"] = schedule.figure()
    for name, figure in figures.items():
        write(folder, name, figure)
    write_bytes(folder / "schedule.json", schedule.to_json().encode())
    write_json(folder / "result.json", found)
    if as_json:
        print(json.dumps(found))
    else:
        _print(found, real)


def _times(coherence: str) -> tuple[float, float] | None:
    if not coherence:
        return None
    try:
        t1, t2 = map(RANGES["coherence"], coherence.split(","))
    except ValueError:
        raise InvalidInput(
            f"--coherence {coherence}: two positive numbers of seconds are needed, T1,T2, such as 10,1"
        ) from None
    return t1, t2


def _loads(network: QuantumNetwork, schedule: Schedule) -> dict[tuple[str, str], float]:
    seconds = schedule.hyperperiod * schedule.slot
    loads: dict[tuple[str, str], float] = dict.fromkeys(network.graph.edges, 0.0)
    for o in schedule.operations:
        if o.kind == "link":
            a, b = o.nodes
            loads[(a, b) if (a, b) in loads else (b, a)] += 1 / seconds
    return loads


def _print(found: dict[str, Any], real: Execution) -> None:
    from rich.table import Table

    screen, m = console(), found["metrics"]
    table = Table(
        "demand", "promised, pairs/s", "delivered (95 %)", "fidelity promised", "delivered", box=None, pad_edge=False
    )
    for d, row in zip(real.deliveries, found["accepted"], strict=True):
        fidelity = "" if d.fidelity is None else f"{d.fidelity:.4f}"
        rate = rate_text(d.delivered, row["delivered_per_s_95"])
        table.add_row(d.task, f"{d.promised:.4g}", rate, f"{d.fidelity_promised:.4f}", fidelity)
    screen.print(table)
    for row in found["rejected"]:
        screen.print(f"[red]rejected[/] {row['task']}: {row['said']}")
    screen.print(
        f"{m['accepted']:.0f} of {found['demands']} demands accepted: {m['throughput']:.4g} pairs/s, response at worst {m['wcrt']:.3g} s, "
        f"jitter {m['jitter']:.3g} s²; the schedule is free of conflicts"
    )
    screen.print(
        (
            "With links on time every promise is kept. "
            if found["kept_with_links_on_time"]
            else "[red]Promises are broken.[/] "
        )
        + f"Delivered: {found['simulated_seconds']:.4g} s with links and distillations that may fail"
        + (f"; {len(real.broken)} demands got less than promised in this run" if real.broken else "")
    )
    gantt = "gantt.svg, " if real.deliveries else ""
    screen.print(f"{found['folder']}: result.json, schedule.json, {gantt}network.svg", markup=False)

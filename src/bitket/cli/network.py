"""``bitket network``: a topology in; its simulation, or a schedule for its demands and what that delivers, out."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bitket.cli import options
from bitket.cli.console import console, rate_text
from bitket.cli.folders import new_folder
from bitket.cli.options import RANGES, Formalism, Json, Out, Scheduling, Seed, Simulation, choice, number
from bitket.errors import InvalidInput

if TYPE_CHECKING:
    from bitket.networks.applications import Served
    from bitket.networks.hardware import Hardware
    from bitket.networks.network import Network

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the verb to the command line."""
    app.command()(network)


def network(
    topology: Annotated[
        str,
        typer.Argument(
            metavar="TOPOLOGY",
            help="A .json, .yaml or .graphml file, topohub:NAME (topohub:topozoo/Abilene), or line, star, h, symmetric, surfnet, metro.",
        ),
    ],
    demands: Annotated[
        Path | None,
        options.file(
            "[DEMANDS]",
            help="Make a schedule for these demands: a .csv or .json file with source, destination, fidelity, rate (pairs/s).",
        ),
    ] = None,
    requests: Annotated[
        Path | None,
        options.file(
            "FILE",
            "--requests",
            help="Requests to serve, .csv or .json with initiator, responder, start_s, end_s, memories, fidelity; random ones if left out.",
        ),
    ] = None,
    seconds: Annotated[
        float | None,
        number("simulated seconds", help="Seconds to simulate. [default: until the last request ends, or 30]"),
    ] = None,
    memories: Annotated[int | None, number("memories", help="Memories of each router.")] = None,
    hardware: Annotated[
        Path | None,
        options.file(
            "FILE.json",
            "--hardware",
            help='Hardware: {"memory": {"raw_fidelity": 0.9}, "detector": {...}, "swap_success": 0.6}.',
        ),
    ] = None,
    formalism: Annotated[
        Formalism | None, choice(Formalism, "FORMALISM", help="How states are kept, by fidelity if left out")
    ] = None,
    mode: Annotated[
        Simulation | None,
        choice(Simulation, "MODE", help="Failed attempts from their law if left out, or every message and photon"),
    ] = None,
    method: Annotated[
        Scheduling | None, choice(Scheduling, "METHOD", help="Of the schedule, rcpsp-np-edf if left out")
    ] = None,
    budget: Annotated[
        float | None,
        number("seconds", help="For which a protocol may be suspended (methods that end in pb or pbs). [default: 0]"),
    ] = None,
    coherence: Annotated[
        str, typer.Option(metavar="T1,T2", help="Seconds; qubits that wait decay when the schedule is carried out.")
    ] = "",
    seed: Seed = 0,
    out: Out = Path("runs"),
    as_json: Json = False,
) -> None:
    """Simulate a quantum network, or schedule what its users demand. Example: bitket network metro --memories 50 --seconds 60"""
    from bitket.networks.applications import RequestSettings, random_requests
    from bitket.networks.diagnosis import link_budgets, why_nothing
    from bitket.networks.drawing import draw_network, draw_occupation
    from bitket.networks.network import Network
    from bitket.networks.topology import load_topology, require_connected

    _refuse_idle(
        {
            "--requests": requests,
            "--hardware": hardware,
            "--memories": memories,
            "--formalism": formalism,
            "--mode": mode,
        },
        {"--method": method, "--budget": budget, "--coherence": coherence or None},
        demands is not None,
    )
    graph = load_topology(topology)
    if demands is not None:
        from bitket.cli.schedule import scheduled

        scheduled(
            topology,
            graph,
            demands,
            method or "rcpsp-np-edf",
            budget or 0.0,
            coherence,
            seconds or 30.0,
            seed,
            out,
            as_json,
        )
        return
    settings = _hardware(hardware, memories, formalism)
    simulated = Network(graph, settings, seed=seed, mode=mode or "batched", record=True)
    applications = {}
    if requests is not None:
        last = _requests(simulated, requests)
        seconds = last if seconds is None else seconds
    else:
        seconds = 30.0 if seconds is None else seconds
        require_connected(graph, topology)
        most = max(1, min(len(r.memories) for r in simulated.routers.values()) // 2)
        reachable = settings.memory.raw_fidelity
        applications = random_requests(
            simulated,
            RequestSettings(memories=(1, most + 1), durations=(2.0, 5.0), fidelities=(0.5, max(0.5, reachable))),
        )
    budgets = link_budgets(simulated)
    folder = new_folder(out / "network", Path(topology).stem)
    simulated.sample(seconds / 200)
    _run(simulated, seconds, quiet=as_json)
    found: dict[str, Any] = {
        "topology": topology,
        "routers": len(graph),
        "links": graph.number_of_edges(),
        "seconds": seconds,
        "seed": seed,
        "mode": mode or "batched",
        "hardware": dataclasses.asdict(settings),
        "events": simulated.timeline.executed,
        "attempts": simulated.attempts,
        "swaps": simulated.swaps,
        "purifications": simulated.purifications,
        "expired": simulated.expired,
        "delivered": len(simulated.deliveries),
        "loads": [{"a": a, "b": b, "pairs": pairs} for (a, b), pairs in simulated.loads.items()],
        "expected": [budget.to_dict() for budget in budgets],
    }
    if not simulated.deliveries:
        found["why_nothing"] = why_nothing(simulated, simulated.requests)
        if requests is None and seconds < 2:
            found["why_nothing"] = [f"random requests begin 1 to 2 s after they are made; {seconds:g} s are too short"]
    if requests is not None:
        found["requests"] = simulated.table()
    else:
        found["routers_served"] = _served(applications)
    found["folder"] = str(folder)
    _write(
        folder,
        found,
        {
            "network": draw_network(graph, {k: n / seconds for k, n in simulated.loads.items()}, "pairs a second"),
            "memories": draw_occupation(simulated.samples, list(simulated.routers)),
        },
        simulated.deliveries,
    )
    if as_json:
        print(json.dumps(found))
    else:
        _print(found)


def _refuse_idle(simulation: dict[str, Any], schedule: dict[str, Any], demands: bool) -> None:
    """Refuse the options of a simulation beside demands, and those of a schedule without."""
    given = [name for name, value in (simulation if demands else schedule).items() if value is not None]
    if given:
        raise InvalidInput(
            f"{given[0]}: it belongs to a {'simulation without' if demands else 'schedule, which needs'} DEMANDS"
        )


def _run(simulated: Network, seconds: float, *, quiet: bool) -> None:
    """In steps, with progress on a terminal."""
    from rich.progress import track

    steps = 100
    for k in track(
        range(1, steps + 1), "simulating", console=console(), disable=quiet or not console().is_terminal, transient=True
    ):
        simulated.run(seconds * k / steps)


def _hardware(path: Path | None, memories: int | None, formalism: str | None) -> Hardware:
    from bitket.files import read_json
    from bitket.networks.hardware import Hardware, MemoryHardware
    from bitket.networks.photonics import Detector

    data: Any = {} if path is None else read_json(path)
    where = "--hardware" if path is None else f"--hardware {path}"
    parts = {"": Hardware, "memory": MemoryHardware, "detector": Detector}
    values: dict[str, Any] = {}
    for name, kind in parts.items():
        part = data if not name else data.get(name, {}) if isinstance(data, dict) else {}
        known = [f.name for f in dataclasses.fields(kind)]
        if not isinstance(part, dict) or set(part) - set(known):
            wrong = sorted(set(part) - set(known))[0] if isinstance(part, dict) else part
            raise InvalidInput(f"{where}: {name or 'hardware'} {wrong!r}: known are {', '.join(known)}")
        numbers = {
            k: v for k, v in part.items() if k not in parts and k not in ("formalism", "heralding", "error_rates")
        }
        for key, value in numbers.items():
            if isinstance(value, bool) or not isinstance(
                value, int | float | None if key == "coherence_time" else int | float
            ):
                raise InvalidInput(f"{where}: {key} {value!r}: a number is needed")
        if not name and "memories" in part:
            try:
                RANGES["memories"](str(part["memories"]))
            except ValueError as error:
                raise InvalidInput(f"{where}: memories {error}") from None
        own = {k: tuple(v) if isinstance(v, list) else v for k, v in part.items() if k not in parts}
        if name:
            values[name] = _made(kind, own, where)
        else:
            values |= own
    if memories is not None:
        values["memories"] = memories
    if formalism:
        values["formalism"] = formalism
    return _made(Hardware, values, where)


def _made(kind: Any, values: dict[str, Any], where: str) -> Any:
    try:
        return kind(**values)
    except (InvalidInput, TypeError) as error:  # a TypeError: a list where a number is due
        raise InvalidInput(f"{where}: {error}") from None


def _requests(simulated: Network, path: Path) -> float:
    """Make the requests of a file; when the last one ends."""
    from pydantic import FiniteFloat

    from bitket.data.records import Record, read_records

    class Request(Record):
        initiator: str
        responder: str
        start_s: FiniteFloat
        end_s: FiniteFloat
        memories: int
        fidelity: FiniteFloat

    asked = read_records(path, Request, "requests")
    for place, row in asked:
        if row.end_s > RANGES["simulated seconds"].high:
            raise InvalidInput(
                f"{place}: it ends at {row.end_s:g} s; {RANGES['simulated seconds'].high:g} s are the most that are simulated"
            )
    for place, row in sorted(asked, key=lambda pair: pair[1].start_s):
        try:
            simulated.request(
                row.initiator,
                row.responder,
                start=row.start_s,
                end=row.end_s,
                memories=row.memories,
                fidelity=row.fidelity,
            )
        except InvalidInput as error:
            raise InvalidInput(f"{place}: {error}") from None
    return max(row.end_s for _, row in asked)


def _served(applications: dict[str, Any]) -> list[dict[str, Any]]:
    rows = []
    for name, application in applications.items():
        s = application.served
        rows.append(
            {
                "router": name,
                "accepted": s.accepted,
                "refused": s.refusals,
                "ended": s.requests,
                "wait_s": s.waits / s.accepted if s.accepted else None,
                "pairs_per_s": s.throughputs / s.requests if s.requests else None,
                "pairs_per_s_95": _interval(s),
                "mean_fidelity": s.fidelities / s.delivered if s.delivered else None,
            }
        )
    return rows


def _interval(served: Served) -> list[float] | None:
    """Of the mean rate of the requests that have ended: that of the number of pairs, in the time in which they would come at this rate."""
    from bitket.intervals import poisson_interval

    if not served.requests:
        return None
    rate = served.throughputs / served.requests
    return list(poisson_interval(served.delivered, served.delivered / rate if served.delivered else served.seconds))


def _write(
    folder: Path, found: dict[str, Any], figures: dict[str, Any], deliveries: list[tuple[float, int, float]]
) -> None:
    from bitket.runs.figures import write
    from bitket.runs.files import write_bytes, write_json

    for name, figure in figures.items():
        write(folder, name, figure)
    lines = [
        "time_s,request,fidelity",
        *(f"{time:.12f},{number},{fidelity:.6f}" for time, number, fidelity in deliveries),
    ]
    write_bytes(folder / "deliveries.csv", ("\n".join(lines) + "\n").encode())
    write_json(folder / "result.json", found)


def _print(found: dict[str, Any]) -> None:
    from rich.table import Table

    screen = console()
    rows = found.get("requests") or found["routers_served"]
    hidden = ("path",) if len(rows) > 20 else ()
    hidden = (*hidden, "pairs_per_s_95")
    shown = [name for name in rows[0] if name not in hidden]
    table = Table(*("pairs/s (95 %)" if name == "pairs_per_s" else name for name in shown), box=None, pad_edge=False)
    for row in rows[:40]:
        interval = rate_text(row["pairs_per_s"], row["pairs_per_s_95"])
        table.add_row(*(interval if name == "pairs_per_s" else _text(row[name]) for name in shown))
    screen.print(table)
    if len(rows) > 40:
        screen.print(f"... {len(rows) - 40} more in result.json")
    screen.print(
        f"{found['seconds']:g} s of {found['routers']} routers and {found['links']} links: {found['delivered']} pairs delivered, "
        f"{found['attempts']} attempts, {found['swaps']} swaps, {found['purifications']} purifications, {found['expired']} expired"
    )
    for line in found.get("why_nothing", ()):
        screen.print(f"nothing was delivered: {line}", markup=False)
    screen.print(f"{found['folder']}: result.json, deliveries.csv, network.svg, memories.svg", markup=False)


def _text(value: Any) -> str:
    return "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)

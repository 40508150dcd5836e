"""``bitket federate``: federated learning in which operators and gradients travel as quantum states, in one process or over TCP."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from bitket.cli import options
from bitket.cli.console import console, tell
from bitket.cli.options import FederatedModel, FederatedRule, Figure, Json, Seed, choice, number, require_picture
from bitket.cli.rounds import draw, outcome, show
from bitket.errors import InvalidInput

__all__ = ["register"]

_TEST = 0.3
_DEALT = ("iid", "dirichlet", "label")
_COUNT, _ALPHA, _QUBITS, _ROUNDS, _LAYERS, _DECOYS, _WAIT_S, _DEADLINE_S = 5, 0.5, 3, 100, 2, 32, 60.0, 30.0


def register(app: typer.Typer) -> None:
    """Add the verb to the command line."""
    app.command()(federate)


def federate(
    data: Annotated[
        Path,
        options.file(
            "DATA", help="A .csv, .tsv or .npz table; with --serve the server's own, with --join the client's."
        ),
    ],
    label: Annotated[str, typer.Option(help="Column of the classes.")] = "label",
    clients: Annotated[
        str,
        typer.Option(
            metavar="COLUMN",
            help="Column that names each row's client; or iid, dirichlet or label, which deal the rows.",
        ),
    ] = "iid",
    count: Annotated[
        int | None, number("clients", "--count", help="Clients that rows are dealt to, or that a server waits for (5).")
    ] = None,
    alpha: Annotated[
        float | None, number("concentration", help="Concentration of --clients dirichlet: one-sided below 1 (0.5).")
    ] = None,
    model: Annotated[FederatedModel, choice(FederatedModel, "MODEL", "--model", help="What is learned")] = "operator",
    qubits: Annotated[
        int, number("data qubits", help="Qubits of a row: 2^n amplitudes for principal components and a constant.")
    ] = _QUBITS,
    layers: Annotated[int | None, number("ansatz layers", help="Entangling layers of the circuit model (2).")] = None,
    rounds: Annotated[int, number("rounds", help="Rounds of training.")] = _ROUNDS,
    copies: Annotated[
        int | None,
        number("shots", help="Copies of the operator for each client and round; without it, as many as are wanted."),
    ] = None,
    rate: Annotated[float, number("learning rate", help="Step size.")] = 1.0,
    rule: Annotated[
        FederatedRule, choice(FederatedRule, "RULE", "--rule", help="Gradient states are read, or added as states")
    ] = "estimated",
    asynchronous: Annotated[
        bool, typer.Option("--asynchronous", help="A step on every answer, smaller the staler it is.")
    ] = False,
    loss: Annotated[float, number("probability", help="Probability that a qubit is lost on the way.")] = 0.0,
    depolarising: Annotated[
        float, number("probability", help="Probability that a qubit is depolarised on the way.")
    ] = 0.0,
    tap: Annotated[float, number("probability", help="Share of the qubits that somebody measures and resends.")] = 0.0,
    decoys: Annotated[int, number("decoys", help="Decoy qubits among each message.")] = _DECOYS,
    serve: Annotated[
        str | None, typer.Option(metavar="[HOST:]PORT", help="Be the server of other processes; 0 for any free port.")
    ] = None,
    join: Annotated[
        str | None, typer.Option(metavar="[HOST:]PORT", help="Be a client of the server there, with these rows.")
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="The client's name for --join; the machine's and the file's if left out.")
    ] = None,
    wait: Annotated[float | None, number("waiting", help="Longest wait for clients, or for the server (60).")] = None,
    deadline: Annotated[
        float | None, number("waiting", help="Longest time of a served round; later answers miss it (30).")
    ] = None,
    figure: Figure = None,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Learn from rows that stay with their clients: the operator goes to them as a quantum state, gradients come back as quantum states.

    In one process 30 % of the rows are kept for a test, and federated averaging learns beside it. Example: bitket federate patients.csv
    --label outcome --clients hospital --copies 100000
    """
    given = {k: v for k, v in locals().items() if k not in ("data", "label", "seed", "as_json")}
    if join is not None:
        _only_a_server_says(given)
        _join(data, label, join, name, wait, seed, as_json)
        return
    require_picture(figure)
    _refuse_idle(given)
    address = None if serve is None else _address(serve, "--serve")
    from bitket.quantum.learning.federated.channel import QuantumChannel
    from bitket.quantum.learning.federated.server import Server

    channel = QuantumChannel(loss, depolarising, tap, decoys)
    table, groups = _read(data, label, clients if serve is None and clients not in _DEALT else None)
    from bitket.quantum.learning.federated.tables import new_model

    learned = new_model(model, qubits, len(table.classes), layers or _LAYERS, seed)
    server = Server(learned, rule, rate, asynchronous=asynchronous, seed=seed)
    if address is not None:
        out = _serve(
            table,
            server,
            channel,
            address,
            count or _COUNT,
            rounds,
            copies,
            wait or _WAIT_S,
            deadline or _DEADLINE_S,
            seed,
        )
    else:
        out = _at_once(table, groups, server, channel, clients, count, alpha, rounds, copies, qubits, seed)
    out = {"data": str(data), "model": model, "rounds": len(out["history"]), **out}
    if figure is not None:
        draw(out, figure)
    if as_json:
        print(json.dumps(out))
    else:
        show(out)


# -- what does not go together ------------------------------------------------------------------------------------------
def _only_a_server_says(given: Mapping[str, Any]) -> None:
    usual = {
        "clients": "iid",
        "model": "operator",
        "qubits": _QUBITS,
        "rounds": _ROUNDS,
        "rate": 1.0,
        "rule": "estimated",
    }
    usual |= {"asynchronous": False, "loss": 0.0, "depolarising": 0.0, "tap": 0.0, "decoys": _DECOYS}
    for key, value in given.items():
        if key not in ("join", "name", "wait") and value != usual.get(key):
            raise InvalidInput(f"--{key} with --join: that is the server's to say")


def _refuse_idle(given: Mapping[str, Any]) -> None:
    served = given["serve"] is not None
    idle = {
        "name": "it names a client that joins",
        "wait": None if served else "it is for --serve and --join",
        "deadline": None if served else "it is for --serve",
        "layers": None if given["model"] == "circuit" else "it is for --model circuit",
        "alpha": None if given["clients"] == "dirichlet" else "it is for --clients dirichlet",
        "count": None
        if served or given["clients"] in _DEALT
        else f"the column '{given['clients']}' says who the clients are",
    }
    for key, reason in idle.items():
        if given[key] is not None and reason:
            raise InvalidInput(f"--{key}: {reason}")
    if served and given["clients"] != "iid":
        raise InvalidInput("--clients with --serve: clients join with rows of their own")
    if served and given["deadline"] is not None and given["asynchronous"]:
        raise InvalidInput("--deadline with --asynchronous: there are no rounds to close")


def _address(text: str, option: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not port.isascii() or not port.isdecimal() or int(port) > 65535 or (text.startswith(":") and not host):
        raise InvalidInput(f"{option} {text[:60]}: a port from 0 to 65535, or HOST:PORT, is needed")
    return host or "127.0.0.1", int(port)


def _read(data: Path, label: str, column: str | None) -> tuple[Any, list[str] | None]:
    from bitket.data.files import read_column

    if column == label:
        raise InvalidInput(f"--clients {column}: that column has the classes")
    if column is not None and data.suffix.lower() == ".npz":
        raise InvalidInput(
            f"--clients {column}: an .npz table has no such column; iid, dirichlet and label deal its rows"
        )
    groups = None
    if column is not None:
        try:
            groups = read_column(data, column)
        except InvalidInput as error:
            raise InvalidInput(f"{error} (--clients takes a column, iid, dirichlet or label)") from None
    table = _rows(data, label, column)
    if len(table.classes) < 2:
        raise InvalidInput(f"{data}: one class alone, '{table.classes[0]}'; two at least are needed")
    return table, groups


# -- one process --------------------------------------------------------------------------------------------------------
def _at_once(
    table: Any,
    groups: list[str] | None,
    server: Any,
    channel: Any,
    clients: str,
    count: int | None,
    alpha: float | None,
    rounds: int,
    copies: int | None,
    qubits: int,
    seed: int,
) -> dict[str, Any]:
    import numpy as np
    from rich.progress import Progress

    from bitket.quantum.learning.federated import partition
    from bitket.quantum.learning.federated.federation import Federation
    from bitket.quantum.learning.federated.tables import DealtTable, split_rows

    draw = np.random.default_rng(seed)
    kept, test = split_rows(table.y, _TEST, draw)
    number_of = count or _COUNT
    if groups is not None:
        column = np.array(groups)
        parts = {str(who): kept[column[kept] == who] for who in np.unique(column[kept])}
    else:
        if clients == "iid":
            dealt = partition.evenly(len(kept), number_of, draw)
        elif clients == "dirichlet":
            dealt = partition.by_dirichlet(table.y[kept], number_of, alpha or _ALPHA, draw)
        else:
            dealt = partition.by_label(table.y[kept], number_of, draw)
        parts = {f"client {k + 1}": kept[rows] for k, rows in enumerate(dealt)}
    rows = DealtTable.deal(table.X, table.y, len(table.classes), parts, test, qubits)
    links = None
    if server.asynchronous:
        from bitket.quantum.learning.federated.federation import Link

        links = dict.fromkeys(parts, Link(work_s=1.0, jitter=0.5))
    screen = console()
    with Progress(console=screen, transient=True, disable=not screen.is_terminal) as bar:
        task = bar.add_task("federating", total=rounds)
        history = Federation(
            server,
            rows.parties(server.model, seed=seed),
            channel,
            links=links,
            observer=rows.observer(server.model),
            after=lambda _: bar.advance(task),
            seed=seed,
        ).run(rounds, copies)
    averaged, accuracy = rows.averaging(rounds, seed=seed)
    out = outcome(history, server, len(test))
    return out | {
        "clients": {who: len(r) for who, r in parts.items()},
        "test_rows": len(test),
        "averaging": {"accuracy": accuracy, "bytes": averaged.sent_bytes, "history": averaged.accuracy},
        "central_accuracy": rows.central_accuracy(),
    }


# -- several processes --------------------------------------------------------------------------------------------------
def _serve(
    table: Any,
    server: Any,
    channel: Any,
    address: tuple[str, int],
    count: int,
    rounds: int,
    copies: int | None,
    wait: float,
    deadline: float,
    seed: int,
) -> dict[str, Any]:
    from bitket.quantum.learning.federated.crossing import Terms
    from bitket.quantum.learning.federated.encoding import AmplitudeScale
    from bitket.quantum.learning.federated.history import Observer
    from bitket.quantum.learning.federated.serving import Host, listen

    scale = AmplitudeScale.fit(table.X, server.model.chip.n)
    terms = Terms(server.model.kind, scale, server.model.reference, table.features, table.classes, deadline)
    states = scale.states(table.X)
    samples = _samples(states, server.model.target(table.y))
    with listen(address) as listener:
        tell(f"serving on {address[0]} port {listener.getsockname()[1]}; waiting for {count} clients")
        host = Host(
            listener,
            server,
            terms,
            channel,
            clients=count,
            wait_s=wait,
            observer=Observer(samples, states, table.y),
            report=tell,
            seed=seed,
        )
        history = host.run(rounds, copies)
    return outcome(history, server, len(table.y)) | {"clients": count, "test_rows": len(table.y)}


def _samples(states: Any, targets: Any) -> Any:
    from bitket.quantum.learning.federated.operator_model import Samples

    return Samples(states, targets)


def _join(data: Path, label: str, place: str, name: str | None, wait: float | None, seed: int, as_json: bool) -> None:
    from bitket.quantum.learning.federated.chip import FixedDesignChip
    from bitket.quantum.learning.federated.client import Client
    from bitket.quantum.learning.federated.joining import join

    address = _address(place, "--join")
    table = _rows(data, label)  # one class alone will do
    name = name or f"{platform.node() or 'client'} {data.stem}"

    def make(terms: Any) -> Client:
        import numpy as np

        unknown = sorted(set(table.classes) - set(terms.classes))
        if unknown:
            raise InvalidInput(f"{data}: the class '{unknown[0]}' is none of the server's: {', '.join(terms.classes)}")
        labels = np.array([terms.classes.index(c) for c in table.classes])[table.y]
        states = terms.scale.states(table.X)
        basis = "real" if terms.model == "operator" else "pauli"
        chip = FixedDesignChip(terms.scale.qubits, basis)  # type: ignore[arg-type]
        targets = np.eye(chip.size)[labels] if terms.model == "operator" else 1.0 - 2.0 * labels
        return Client(name, _samples(states, targets), chip, reference=terms.reference, seed=seed)

    done = join(address, name, len(table.y), table.features, make, wait_s=wait or _WAIT_S)
    out = {"name": name, "rounds": done.rounds, "copies": done.copies, "kept": done.kept, "end": done.reason}
    if as_json:
        print(json.dumps(out))
    else:
        of_copies = "" if done.copies is None else f", {done.kept} copies kept of {done.copies}"
        console().print(f"{name}: {done.rounds} rounds answered{of_copies}; {done.reason}", markup=False)


def _rows(data: Path, label: str, without: str | None = None) -> Any:
    from bitket.data.files import read_table
    from bitket.data.rows import Table

    if data.suffix.lower() not in (".csv", ".tsv", ".npz"):
        raise InvalidInput(f"{data}: a .csv, .tsv or .npz table is needed")
    table = read_table(data, label, without)
    if not isinstance(table, Table):
        raise InvalidInput(f"{data}: X has images; rows of features [N, d] are needed")
    return table

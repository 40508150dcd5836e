"""Federated learning with chips of a fixed design and quantum channels: exactness, true costs, detection of taps, asynchronous steps.

The paper proposes; it fixes no settings and reports no figures. Its statements are judged on tables dealt to clients: operators travel as
states with a reference amplitude, gradients come back as states, and every copy, success probability and decoy is counted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

from annotated_types import Ge, Gt

from bitket.runs import Claim, Paper, Verdict

if TYPE_CHECKING:
    from bitket.runs import Run

PAPER = Paper(
    key="quantum-federated",
    title="Federated learning with distributed fixed design quantum chips and quantum channels",
    authors=("Ammar Daskin",),
    year=2024,
    arxiv="2401.13421",
)
SUMMARY = (
    "Operators and gradients as quantum states between a server and its clients: what is exact, and what it costs."
)


@dataclass(frozen=True)
class Config:
    """Settings; the paper gives none."""

    tables: tuple[str, ...] = ("iris", "wine", "breast_cancer", "digits")
    clients: tuple[Annotated[int, Ge(2)], ...] = (4, 20)
    seeds: Annotated[int, Ge(1)] = 5
    rounds: Annotated[int, Ge(10)] = 200
    eta: Annotated[float, Gt(0)] = 1.5
    alpha: Annotated[float, Gt(0)] = 0.3
    """Concentration of the Dirichlet partition."""
    copies: Annotated[int, Ge(1)] = 100_000
    """Of the operator a client and round, in the table of accuracies."""
    levels: tuple[Annotated[int, Ge(1)], ...] = (300, 1000, 3000, 10_000, 30_000, 100_000, 300_000, 1_000_000)
    repetitions: Annotated[int, Ge(2)] = 200
    taps: tuple[float, ...] = (0.05, 0.2, 0.5, 1.0)
    decoys: tuple[int, ...] = (1, 2, 4, 8, 16, 32, 64)
    trials: Annotated[int, Ge(100)] = 10_000


SCALES = {
    "quick": Config(
        tables=("iris", "breast_cancer"),
        clients=(5,),
        seeds=2,
        rounds=100,
        levels=(1000, 10_000, 100_000, 1_000_000),
        repetitions=60,
        decoys=(1, 4, 16),
        trials=2000,
    ),
    "full": Config(),
}
_QUBITS = {"iris": 2, "wine": 3, "breast_cancer": 3, "digits": 4}
_SPLITS = ("iid", "dirichlet", "label")
_MAIN = "breast_cancer"


# -- claims -------------------------------------------------------------------------------------------------------------
def _exactness(m: Mapping[str, float], config: Config) -> Verdict:
    worst = m["exact/difference"]
    return Verdict.of(
        worst,
        worst <= 1e-8,
        f"largest difference of a parameter from central gradient descent after {config.rounds} rounds, without noise, copies unlimited, "
        f"over tables, partitions and numbers of clients; circuit model: {m['circuit/difference']:.1e} from one client with all rows",
    )


def _qubits(m: Mapping[str, float], config: Config) -> Verdict:
    return Verdict.of(
        m["cost/qubits_per_copy"],
        m["cost/qubits_per_copy"] <= m["cost/log2_entries"] + 1,
        f"qubits of one copy of {m['cost/entries']:.0f} numbers with their sign and size; log2 of the numbers is {m['cost/log2_entries']:.0f}",
    )


def _saving(m: Mapping[str, float], config: Config) -> Verdict:
    ratio = m["cost/qubits_over_bits"]
    return Verdict.of(
        ratio,
        ratio < 1,
        f"qubits that crossed over bits of the same vectors as doubles, at the number of copies ({m['cost/copies']:.0f} a client and round) "
        "that came within 10 % of the exact loss most cheaply; below 1 would be a saving",
    )


def _model(m: Mapping[str, float], config: Config) -> Verdict:
    return Verdict.of(
        m["exact/difference"],
        m["exact/difference"] <= 1e-8,
        f"the exact result with clients that hold copies of states alone; a curious one that measures the copies of one round "
        f"({config.copies}) instead knows the operator to {100 * m['curious/error']:.1f} % of its norm, with all rounds' to "
        f"{100 * m['curious/error_all']:.2f} %",
    )


def _tap(m: Mapping[str, float], config: Config) -> Verdict:
    worst = m["detection/worst"]
    return Verdict.of(
        worst,
        worst <= 4,
        f"largest deviation of {config.trials} trials from 1 - (1 - q/4)^m, in standard errors, over "
        f"{len(config.taps) * len(config.decoys)} settings; at q = {config.taps[-1]:g} and m = {config.decoys[-1]} a tap is found in "
        f"{100 * m['detection/most']:.2f} %",
    )


def _readout(m: Mapping[str, float], config: Config) -> Verdict:
    value = m["copies/exponent"]
    return Verdict.of(
        value,
        abs(value + 0.5) <= 0.05,
        f"exponent of the gradient's error over the copies, from {config.levels[0]} to {config.levels[-1]}; "
        f"promised errors are {m['copies/promised']:.2f} of the measured ones",
    )


def _aggregation(m: Mapping[str, float], config: Config) -> Verdict:
    grown = m["coherent/log10_per_round"]
    return Verdict.of(
        m["coherent/log10"],
        m["coherent/log10"] <= m["coherent/log10_read"],
        f"log10 of the copies of the first state for one of the last of {config.rounds} rounds; reading the gradients takes "
        f"10^{m['coherent/log10_read']:.1f} copies in all. The sum succeeds with probability {m['coherent/probability']:.2g} and its "
        f"result is exact to {m['coherent/difference']:.1e}, but every round multiplies the copies by 10^{grown:.2f}",
    )


def _asynchronous(m: Mapping[str, float], config: Config) -> Verdict:
    value = m["asynchronous/gradients"]
    return Verdict.of(
        value,
        value <= 2 and m["asynchronous/diverges"] == 1,
        f"gradients to come within 10 % of the last synchronous loss, over those that the synchronous run takes to it, staleness at most 5; "
        f"in {m['asynchronous/time']:.2f} of its time; with a step of 40 it diverges in round {m['asynchronous/diverged_in']:.0f} and says so",
    )


def _accuracy(m: Mapping[str, float], config: Config) -> Verdict:
    gap = m["accuracy/gap"]
    return Verdict.of(
        gap,
        gap <= 0.02,
        f"largest shortfall of mean test accuracy from logistic regression on the same components in one place, {_MAIN}, over partitions "
        f"({m['accuracy/federated']:.3f} beside {m['accuracy/central']:.3f}, and {m['accuracy/averaging']:.3f} by federated averaging)",
    )


CLAIMS = (
    Claim("exactness", "Federated steps by states are those of central training.", "by construction", _exactness),
    Claim("qubits_per_vector", "A vector of N numbers travels on log2 N qubits.", "log2 N", _qubits, "qubits"),
    Claim("communication", "Communication is exponentially cheaper than that of numbers.", "exponential", _saving, "x"),
    Claim("model_not_needed", "Clients need not know the model.", "statement", _model),
    Claim("tapping_detected", "Tapping the channel is detected.", "statement", _tap, "standard errors"),
    Claim("aggregation", "The server aggregates gradient states.", "statement", _aggregation),
    Claim("asynchronous", "Asynchronous steps converge too.", "statement", _asynchronous, "x"),
    Claim("readout", "A readout's error falls as the root of the copies.", "not in the paper", _readout),
    Claim("accuracy", "Accuracy comes within two points of central training.", "not in the paper", _accuracy),
)


# -- run ----------------------------------------------------------------------------------------------------------------
def run(config: Config, run: Run) -> Mapping[str, float]:
    """Accuracies, costs, readout, detection, asynchronous steps."""
    import numpy as np

    cases = [(t, s, c) for t in config.tables for s in _SPLITS for c in config.clients]
    found = {}
    for case in run.progress(cases, "tables"):
        found[case] = run.step(f"table {case}", partial(_table, config, run, *case))
    rows, metrics = [], {"exact/difference": max(f["difference"] for f in found.values())}
    for (name, split, clients), f in found.items():
        row: dict[str, Any] = {"table": name, "partition": split, "clients": clients}
        for key in ("exact", "copies", "mixture", "averaging", "central"):
            mean, error = (
                float(np.mean(f[key])),
                float(np.std(f[key], ddof=1) / np.sqrt(config.seeds)) if config.seeds > 1 else 0.0,
            )
            metrics[f"table/{name}/{split}/{clients}/{key}"] = mean
            row[key] = f"{mean:.3f} ± {error:.3f}"
        rows.append(row | {"success": f"{f['share']:.2g}", "projected": f"{f['projected']:.2g}"})
    run.table(
        "accuracy",
        rows,
        f"Test accuracy after {config.rounds} rounds, mean of {config.seeds} divisions into rows to learn from and to test: unlimited "
        f"copies; {config.copies} copies a client and round, batches in superposition and as a mixture; federated averaging; logistic "
        "regression on all rows. Success probability of a copy, and of projecting the index of the samples, in the last round",
    )
    metrics |= _accuracies(config, found)
    metrics |= run.step("costs", partial(_costs, config, run))
    metrics |= run.step("readout", partial(_readouts, config, run))
    metrics |= run.step("detection", partial(_detection, config, run))
    metrics |= run.step("coherent", partial(_coherent, config, run))
    metrics |= run.step("asynchronous", partial(_asynchrony, config, run))
    metrics |= run.step("circuit model", partial(_circuit, config, run))
    run.note(
        "Clients are emulated: a state on its way is an array of amplitudes. What a client may do with its copies is restricted by the "
        "library's interface, not by nature; a curious client could measure them, as the claim on the model says."
    )
    return metrics


def _accuracies(config: Config, found: Mapping[Any, Any]) -> dict[str, float]:
    import numpy as np

    main = {k: v for k, v in found.items() if k[0] == _MAIN}
    gaps = [float(np.mean(v["central"]) - np.mean(v["exact"])) for v in main.values()]
    return {
        "accuracy/gap": max(gaps, default=float("nan")),
        "accuracy/federated": float(np.mean([v["exact"] for v in main.values()])),
        "accuracy/central": float(np.mean([v["central"] for v in main.values()])),
        "accuracy/averaging": float(np.mean([v["averaging"] for v in main.values()])),
    }


def _dealt(config: Config, run: Run, name: str, split: str, clients: int, seed: int) -> Any:
    from bitket.data import load
    from bitket.quantum.learning.federated.partition import by_dirichlet, by_label, evenly
    from bitket.quantum.learning.federated.tables import DealtTable, split_rows

    table = load(name)
    kept, test = split_rows(table.y, 0.3, run.generator(f"test rows {name} {seed}"))
    draw = run.generator(f"partition {name} {split} {clients} {seed}")
    if split == "iid":
        parts = evenly(len(kept), clients, draw)
    elif split == "dirichlet":
        parts = by_dirichlet(table.y[kept], clients, config.alpha, draw)
    else:
        parts = by_label(table.y[kept], clients, draw)
    named = {f"client {k + 1}": kept[rows] for k, rows in enumerate(parts)}
    return DealtTable.deal(table.X, table.y, len(table.classes), named, test, _QUBITS.get(name, 3))


def _federation(
    config: Config, table: Any, channel: Any = None, *, seed: int = 0, batch: Any = "superposition", **server: Any
) -> Any:
    from bitket.quantum.learning.federated import Federation, OperatorModel, Server

    model = OperatorModel(table.scale.qubits, table.classes)
    options = {k: server.pop(k) for k in ("links", "clock") if k in server}
    made = Server(model, eta=server.pop("eta", config.eta), seed=seed, **server)
    parties = table.parties(model, batch, seed)
    return Federation(made, parties, channel, observer=table.observer(model), seed=seed, **options)


def _central(config: Config, table: Any) -> Any:
    """Full-batch gradient descent with all rows in one place."""
    import numpy as np

    from bitket.quantum.learning.federated import OperatorModel

    model = OperatorModel(table.scale.qubits, table.classes)
    rows = table.samples(model, table.learned)
    operator = np.zeros((model.chip.size, model.chip.size))
    for _ in range(config.rounds):
        operator -= config.eta * (rows.states @ operator.T - rows.targets).T @ rows.states / len(rows)
    return operator


def _table(config: Config, run: Run, name: str, split: str, clients: int) -> dict[str, Any]:
    import numpy as np

    from bitket.quantum.learning.federated import gradient_state

    out: dict[str, Any] = {k: [] for k in ("exact", "copies", "mixture", "averaging", "central")}
    differences = []
    for seed in range(config.seeds):
        table = _dealt(config, run, name, split, clients, seed)
        exact = _federation(config, table)
        history = exact.run(config.rounds)
        out["exact"].append(history.rounds[-1].accuracy)
        differences.append(float(np.abs(exact.server.model.operator - _central(config, table)).max()))
        out["copies"].append(
            _federation(config, table, seed=seed).run(config.rounds, config.copies).rounds[-1].accuracy
        )
        mixed = _federation(config, table, seed=seed, batch="mixture")
        out["mixture"].append(mixed.run(config.rounds, config.copies).rounds[-1].accuracy)
        out["averaging"].append(table.averaging(config.rounds, seed=seed)[1])
        out["central"].append(table.central_accuracy())
    model = exact.server.model
    rows = [table.samples(model, r) for r in table.clients.values()]
    projected = [gradient_state(model.operator, r)[2] for r in rows]
    return out | {
        "difference": max(differences),
        "share": history.rounds[-1].share,
        "projected": float(np.mean(projected)),
    }


def _costs(config: Config, run: Run) -> dict[str, float]:
    """Qubits and bits for the same loss, by the number of copies; what a curious client learns."""
    import numpy as np

    from bitket.quantum.learning.federated import Copies
    from bitket.quantum.learning.federated.references import read

    table = _dealt(config, run, _MAIN, "dirichlet", config.clients[0], 0)
    exact = _federation(config, table)
    target = exact.run(config.rounds).rounds
    curves, rows = {}, []
    chosen: dict[str, float] | None = None
    for copies in config.levels:
        history = _federation(config, table, seed=1).run(config.rounds, copies)
        losses = [r.loss for r in history.rounds]
        curves[copies] = [np.nan if v is None else v for v in losses]
        reached = next((k + 1 for k, v in enumerate(losses) if v is not None and v <= 1.1 * target[-1].loss), None)
        row: dict[str, Any] = {"copies": copies, "last loss": "diverged" if history.diverged else f"{losses[-1]:.4f}"}
        if reached is not None:
            qubits = sum(r.qubits or 0 for r in history.rounds[:reached])
            bits = 8 * 16 * history.vector * sum(r.used for r in history.rounds[:reached])
            row |= {"rounds": reached, "qubits": qubits, "bits": bits, "qubits/bits": f"{qubits / bits:.3g}"}
            if chosen is None or qubits / bits < chosen["ratio"]:
                chosen = {"ratio": qubits / bits, "copies": float(copies)}
        rows.append(row)
    run.table(
        "costs",
        rows,
        f"Copies a client and round, and what had crossed when the loss was within 10 % of the exact one's ({_MAIN})",
    )
    _curves_figure(run, curves, [r.loss for r in target])
    model = exact.server.model
    draw, errors = run.generator("curious"), []
    for total in (config.copies, config.copies * config.rounds):
        product = read(Copies(model.state()[None], total), draw).product
        true = read(Copies(model.state()[None]), draw).product
        errors.append(float(np.linalg.norm(product - true) / np.linalg.norm(true)))
    entries = model.chip.elements
    chosen = chosen or {"ratio": float("nan"), "copies": float("nan")}
    return {
        "cost/qubits_over_bits": chosen["ratio"],
        "cost/copies": chosen["copies"],
        "cost/entries": float(entries),
        "cost/log2_entries": float(np.log2(entries)),
        "cost/qubits_per_copy": float(Copies(model.state()[None]).qubits),
        "curious/error": errors[0],
        "curious/error_all": errors[1],
    }


def _readouts(config: Config, run: Run) -> dict[str, float]:
    """Error of one client's gradient against copies, at a trained operator, beside the copies that `copies_for` promises."""
    import numpy as np

    from bitket.quantum.learning.federated import Client, Copies, copies_for
    from bitket.quantum.learning.federated.references import read

    table = _dealt(config, run, _MAIN, "iid", config.clients[0], 0)
    federation = _federation(config, table)
    federation.run(20)
    model, draw = federation.server.model, run.generator("readout")
    who, rows = next(iter(table.clients.items()))
    samples = table.samples(model, rows)
    client = Client(who, samples, model.chip, reference=model.reference, seed=int(draw.integers(2**31)))
    exact = model.gradient(samples)

    def error(copies: int) -> float:
        squares = []
        for _ in range(config.repetitions):
            answer = client.answer(0, Copies(model.state()[None], copies))
            product = read(answer.copies, draw).product if answer.kept else 0.0
            squares.append(float(np.sum((model.gradient_scale() * answer.share * product - exact) ** 2)))
        return float(np.sqrt(np.mean(squares)))

    errors = [error(c) for c in config.levels]
    exponent = float(np.polyfit(np.log(config.levels), np.log(errors), 1)[0])
    wanted = [e for e in (1.0, 0.3, 0.1, 0.03) if copies_for(model, float(np.linalg.norm(exact)), e) > 100]
    promised = [e / error(copies_for(model, float(np.linalg.norm(exact)), e)) for e in wanted]
    figure, axis = run.subplots(width=6, height=3.8)
    axis.loglog(config.levels, errors, "o-", label=f"measured, exponent {exponent:.3f}")
    axis.loglog(
        config.levels,
        errors[0] * np.sqrt(config.levels[0] / np.array(config.levels)),
        "k--",
        linewidth=1,
        label="$M^{-1/2}$",
    )
    axis.axhline(float(np.linalg.norm(exact)), color="0.6", linewidth=0.8, label="norm of the gradient")
    axis.set(xlabel="copies M of the operator state", ylabel="error of a client's gradient, 2-norm")
    axis.legend(frameon=False)
    run.figure(
        "readout",
        figure,
        "Root mean square error of a gradient that is read, against the copies of the operator that it took.",
    )
    return {"copies/exponent": exponent, "copies/promised": float(np.mean(promised))}


def _detection(config: Config, run: Run) -> dict[str, float]:
    import numpy as np

    from bitket.quantum.learning.federated import QuantumChannel, detection_probability

    figure, axis = run.subplots(width=6, height=3.8)
    fine = np.arange(1, config.decoys[-1] + 1)
    worst, most = 0.0, 0.0
    for tap in config.taps:
        rates = []
        for decoys in config.decoys:
            draw, channel = run.generator(f"detection {tap} {decoys}"), QuantumChannel(tap=tap, decoys=decoys)
            rates.append(float(np.mean([channel.check(draw).alarm for _ in range(config.trials)])))
        wanted = detection_probability(tap, np.array(config.decoys))
        errors = np.sqrt(wanted * (1 - wanted) / config.trials)
        worst = max(worst, float(np.max(np.abs(np.array(rates) - wanted) / np.maximum(errors, 1 / config.trials))))
        most = rates[-1]
        (line,) = axis.plot(fine, detection_probability(tap, fine), linewidth=1)
        axis.plot(config.decoys, rates, "o", color=line.get_color(), label=f"q = {tap:g}")
    axis.set(xlabel="decoys in a message", ylabel="messages with an alarm", xscale="log", ylim=(0, 1.03))
    axis.legend(frameon=False)
    run.figure(
        "detection",
        figure,
        f"Share of {config.trials} tapped messages in which a decoy was wrong, and $1 - (1 - q/4)^m$.",
    )
    return {"detection/worst": worst, "detection/most": most}


def _coherent(config: Config, run: Run) -> dict[str, float]:
    """The coherent rule beside the read one, on the same clients."""
    import numpy as np

    table = _dealt(config, run, _MAIN, "iid", config.clients[0], 0)
    added, exact = _federation(config, table, rule="coherent"), _federation(config, table)
    history = added.run(config.rounds)
    exact.run(config.rounds)
    read = config.copies * config.rounds * config.clients[0]
    return {
        "coherent/log10": history.log10_copies,
        "coherent/log10_per_round": history.log10_copies / config.rounds,
        "coherent/log10_read": float(np.log10(read)),
        "coherent/probability": history.rounds[-1].probability,
        "coherent/difference": float(np.abs(added.server.model.parameters - exact.server.model.parameters).max()),
    }


def _asynchrony(config: Config, run: Run) -> dict[str, float]:
    """Synchronous and asynchronous on one clock: clients at 10 to 100 km whose work varies."""
    import numpy as np

    from bitket.networks.timeline import Timeline
    from bitket.quantum.learning.federated import Link

    clients = 6
    table = _dealt(config, run, _MAIN, "dirichlet", clients, 0)
    distances = np.linspace(10, 100, clients)
    links = {
        n: Link(distance_km=float(d), work_s=1e-3, jitter=1.0) for n, d in zip(table.clients, distances, strict=True)
    }

    def made(rounds: int, eta: float, asynchronous: bool) -> Any:
        federation = _federation(
            config, table, eta=eta, asynchronous=asynchronous, links=links, clock=Timeline(run.seed % 2**31), seed=3
        )
        return federation.run(rounds)

    rounds = config.rounds // 2
    synchronous, other = made(rounds, 1.0, False), made(2 * rounds, 1.0, True)
    goal = 1.1 * synchronous.rounds[-1].loss
    reached, first = (next((k for k, r in enumerate(h.rounds) if r.loss <= goal), -1) for h in (other, synchronous))
    used, needed = (sum(r.used for r in h.rounds[: k + 1]) for h, k in ((other, reached), (synchronous, first)))
    diverged = made(2 * rounds, 40.0, True)
    figure, axes = run.subplots(1, 2, width=9, height=3.8)
    for history, label in ((synchronous, "synchronous"), (other, "asynchronous")):
        losses = [r.loss for r in history.rounds]
        axes[0].plot(np.cumsum([r.used for r in history.rounds]), losses, label=label)
        axes[1].plot([1e3 * r.seconds for r in history.rounds], losses, label=label)
    for axis in axes:
        axis.axhline(goal, color="0.6", linewidth=0.8)
        axis.set(yscale="log", ylabel="loss")
    axes[0].set(xlabel="gradients used")
    axes[1].set(xlabel="time, ms")
    axes[0].legend(frameon=False)
    run.figure(
        "asynchronous", figure, "Loss against gradients and against time; the line is 10 % above the synchronous end."
    )
    return {
        "asynchronous/gradients": used / needed if reached >= 0 else float("inf"),
        "asynchronous/time": other.rounds[reached].seconds / synchronous.rounds[first].seconds,
        "asynchronous/dropped": float(sum(r.dropped for r in other.rounds)),
        "asynchronous/diverges": float(diverged.diverged),
        "asynchronous/diverged_in": float(len(diverged.rounds)),
    }


def _circuit(config: Config, run: Run) -> dict[str, float]:
    """The circuit model: clients beside one client with all rows; the cost of both ways to read a gradient."""
    import numpy as np

    from bitket.quantum.learning.federated import Federation, Server, copies_for, measured_shifts
    from bitket.quantum.learning.federated.tables import DealtTable, new_model

    table = _dealt(config, run, _MAIN, "label", 5, 0)
    alone = DealtTable(table.x, table.y, table.classes, {"all": table.learned}, table.test, table.scale)
    rounds, models = config.rounds // 2, []
    for rows in (table, alone):
        model: Any = new_model("circuit", table.scale.qubits, 2, 1, seed=1)
        history = Federation(Server(model, eta=1.0), rows.parties(model), observer=rows.observer(model)).run(rounds)
        models.append(model)
    model, draw = models[0], run.generator("circuit")
    samples = table.samples(model, table.learned)
    exact, wanted = measured_shifts(model, samples, None, draw)[0], 0.05
    copies = copies_for(model, float(np.linalg.norm(exact)), wanted)
    errors = [
        np.sum((measured_shifts(model, samples, copies, draw)[0] - exact) ** 2) for _ in range(config.repetitions)
    ]
    return {
        "circuit/difference": float(np.abs(models[0].parameters - models[1].parameters).max()),
        "circuit/accuracy": float(history.rounds[-1].accuracy or 0.0),
        "circuit/share": history.rounds[-1].share,
        "circuit/copies": float(copies),
        "circuit/error_measured_over_amplitudes": float(np.sqrt(np.mean(errors))) / wanted,
    }


def _curves_figure(run: Run, curves: Mapping[int, list[float]], exact: list[Any]) -> None:
    from matplotlib import colormaps

    figure, axis = run.subplots(width=7, height=4.2)
    for k, (copies, losses) in enumerate(curves.items()):
        colour = colormaps["viridis"](k / max(1, len(curves) - 1))
        axis.plot(range(1, len(losses) + 1), losses, color=colour, linewidth=1, label=f"{copies:,} copies")
    axis.plot(range(1, len(exact) + 1), exact, "k", label="unlimited")
    axis.set(xlabel="round", ylabel="loss over all clients' rows", yscale="log", ylim=(0.8 * min(exact), 2.0))
    axis.legend(fontsize=8, ncols=2, frameon=False)
    run.figure("curves", figure, "Loss against rounds, by the copies of the operator that each client gets in a round.")

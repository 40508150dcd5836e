"""``bitket classify`` and ``bitket predict``: labelled tables or images in; a judged and saved classifier out, and its labels for others."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bitket.cli import options
from bitket.cli.console import console
from bitket.cli.folders import require_writable
from bitket.cli.options import Attack, Classifier, Figure, Json, Seed, choice, number, require_picture
from bitket.errors import InvalidInput

if TYPE_CHECKING:
    from bitket.cli.judgement import Rows

__all__ = ["register"]

_SHOWN = 40  # lines of predictions on a screen


def register(app: typer.Typer) -> None:
    """Add the verbs to the command line."""
    app.command()(classify)
    app.command()(predict)


def classify(
    train: Annotated[
        str,
        typer.Argument(
            metavar="TRAIN",
            help="CSV, TSV or npz file, folder of IDX files, folder with one folder of pictures a class, or a data set's name (iris).",
        ),
    ],
    test: Annotated[
        str | None, typer.Argument(metavar="[TEST]", help="As TRAIN; or 'test', the test part of the same IDX folder.")
    ] = None,
    model: Annotated[Classifier, choice(Classifier, "NAME", help="What is trained")] = "kernel",
    label: Annotated[str, typer.Option(metavar="NAME", help="Column (or array) of labels.")] = "label",
    components: Annotated[
        int | None,
        number("components", help="Principal components that tables are reduced to. [default: all features]"),
    ] = None,
    size: Annotated[
        int | None, number("pixels", help="Side that pictures are resized to. [default: their own, one for all]")
    ] = None,
    colour: Annotated[bool, typer.Option("--colour", help="Keep the colours of pictures.")] = False,
    folds: Annotated[int, number("folds", help="Of the cross-validation.")] = 5,
    seeds: Annotated[
        int, number("seeds", help="Times that it is repeated, with other folds and other first weights.")
    ] = 1,
    epochs: Annotated[
        int | None, number("epochs", help="Passes over the data, or steps of vqc. [default: the model's]")
    ] = None,
    batch_size: Annotated[int | None, number("batch", help="Samples a step. [default: the model's]")] = None,
    learning_rate: Annotated[float | None, number("learning rate", help="Of Adam. [default: the model's]")] = None,
    attack: Annotated[
        Attack | None, choice(Attack, "NAME", help="Perturb the samples judged, by the model's gradient")
    ] = None,
    epsilon: Annotated[
        float | None,
        number("perturbation", help="Largest perturbation of --attack, in the data's units. [default: 0.1]"),
    ] = None,
    adversarial_training: Annotated[
        bool,
        typer.Option("--adversarial-training", help="Train against --attack, too; the model saved is that one."),
    ] = False,
    noise: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME:RATE|FILE", help="Judge with noise after each gate, as in 'bitket simulate'; may repeat."
        ),
    ] = None,
    device: Annotated[
        str | None, typer.Option(metavar="NAME|FILE", help="Judge with circuits compiled for a device and its noise.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="MODEL", help="Fit to all of TRAIN and save to this file.")
    ] = None,
    figure: Figure = None,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Train, judge and save a classifier. Example: bitket classify iris --model kernel --seeds 3 --out iris.safetensors"""
    require_picture(figure)
    if out is not None:
        require_writable(out)
    if epsilon is not None and attack is None:
        raise InvalidInput("--epsilon: it needs --attack")
    if adversarial_training and attack is None:
        raise InvalidInput("--adversarial-training: it needs --attack")
    if noise and device:
        raise InvalidInput("--device and --noise: one of them can be given")
    from bitket.cli import judgement
    from bitket.runs.progress import Bars

    noisy: Any = device
    if noise:
        from bitket.cli.noise import read_noise

        noisy = read_noise(noise)
    elif device is not None:
        from bitket.quantum.noise import Device

        Device(device)  # before any work, whether it is known
    rows = judgement.read_rows(train, label, size, colour)
    held = judgement.read_rows(*_test(train, test), label, size, colour, like=rows) if test is not None else None
    chosen = judgement.Choice(model, components, epochs, batch_size, learning_rate)
    chosen.check(rows, attack, noisy)
    found = judgement.judged(chosen, rows, held, folds, range(seed, seed + seeds), Bars().track)
    if held is not None or attack is not None or noisy is not None or out is not None:
        budget = 0.1 if epsilon is None else epsilon
        against = (attack, budget) if attack is not None and adversarial_training else None
        final = judgement.Final(chosen, rows, held, seed, out is not None, against)
        if held is not None:
            found["test"] = final.tested()
        if attack is not None:
            found["attack"] = final.attacked(attack, budget, Bars().track)
        if noisy is not None:
            found["noise"] = final.noisy(noisy)
        if out is not None:
            final.save(out)
            found["model_file"] = str(out)
    found |= {"seed": seed}
    if figure is not None:
        judgement.draw(found, figure)
    if as_json:
        print(json.dumps(judgement.plain(found)))
    else:
        _print(found, rows)


def _test(train: str, test: str) -> tuple[str, str]:
    return (train, "test") if test == "test" and not Path(test).exists() else (test, "train")


def _print(found: dict[str, Any], rows: Rows) -> None:
    from rich.table import Table

    screen = console()
    screen.print(rows.describe(), markup=False)
    table = Table("", "accuracy (95 %)", f"{found['model']} is better by, points (95 %)", "p", box=None, pad_edge=False)
    for name, entry in found["scores"].items():
        d = entry.get("difference")
        table.add_row(
            name,
            _interval(entry, "%", sign=False),
            "" if d is None else _interval(d, "", sign=True),
            "" if d is None or math.isnan(d["p"]) else f"{d['p']:.2g}",
        )
    screen.print(table)
    times = "once" if found["seeds"] == 1 else f"{found['seeds']} times"
    screen.print(f"{found['folds']} folds, {times}. {found['verdict']}", markup=False)
    if "test" in found:
        for name, entry in found["test"]["scores"].items():
            low, high = entry["interval"]
            screen.print(f"on the test samples: {name} {entry['accuracy']:.1%} ({low:.1%} to {high:.1%})", markup=False)
        if "mcnemar" in found["test"]:
            m = found["test"]["mcnemar"]
            screen.print(
                f"right where the twin is wrong {m['first']}, the reverse {m['second']}; McNemar's p = {m['p']:.2g}"
            )
    if "attack" in found:
        a = found["attack"]
        head = "".join(f"{b:>9.3g}" for b in a["budgets"])
        screen.print(f"{a['name']} on {a['samples']} samples, perturbation{head}", markup=False)
        for name, values in a["accuracy"].items():
            screen.print(f"  {name:<40}{''.join(f'{v:>9.1%}' for v in values)}", markup=False)
    if "noise" in found:
        n = found["noise"]
        screen.print(
            f"with noise on {n['samples']} samples: {n['accuracy']:.1%}; without {n['exact']:.1%}", markup=False
        )
    if "model_file" in found:
        screen.print(f"{found['model_file']}: fitted to all {len(rows)} samples", markup=False)


def _interval(entry: dict[str, Any], unit: str, *, sign: bool) -> str:
    plus = "+" if sign else ""
    if math.isinf(entry["low"]):
        return f"{100 * entry['mean']:{plus}.1f} {unit}".rstrip()
    low, high = (entry["low"], entry["high"]) if sign else (max(0.0, entry["low"]), min(1.0, entry["high"]))
    return f"{100 * entry['mean']:{plus}.1f} ({100 * low:{plus}.1f} to {100 * high:{plus}.1f}) {unit}".rstrip()


def predict(
    model: Annotated[Path, options.file("MODEL", help="A classifier, as 'bitket classify --out' wrote it.")],
    data: Annotated[
        str,
        typer.Argument(
            metavar="DATA", help="Table, IDX folder, folder of pictures or picture; labels in it are not read."
        ),
    ],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FILE.csv", help="Write the labels to a table.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Label samples with a saved classifier. Example: bitket predict iris.safetensors flowers.csv --out labels.csv"""
    if out is not None:
        if out.suffix != ".csv":
            raise InvalidInput(f"--out {out}: a name that ends in .csv is needed")
        require_writable(out)
    from bitket.cli.judgement import labelled
    from bitket.runs.files import write_text

    rows = labelled(model, data)
    if out is not None:
        columns = list(rows[0])
        lines = [",".join(columns), *(",".join(_cell(row[c]) for c in columns) for row in rows)]
        write_text(out, "\n".join(lines) + "\n")
    if as_json:
        print(json.dumps(rows))
        return
    screen = console()
    for row in rows[:_SHOWN]:
        sure = f"  {row['probability']:.3f}" if "probability" in row else ""
        screen.print(f"{row['sample']}  {row['label']}{sure}", markup=False)
    if len(rows) > _SHOWN:
        screen.print(f"and {len(rows) - _SHOWN} more{'' if out is not None else ' (--out FILE.csv, --json)'}")


def _cell(value: Any) -> str:
    text = str(value)
    return '"' + text.replace('"', '""') + '"' if any(c in text for c in ',"\n') else text

"""``bitket quantize``: a float network and data in; a network of few bits, or all methods side by side, out."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bitket.cli.console import complain, console
from bitket.cli.folders import require_writable
from bitket.cli.options import Figure, Json, NetworkFormat, Quantization, Seed, choice, require_picture
from bitket.errors import InvalidInput
from bitket.files import require_file

if TYPE_CHECKING:
    from bitket.cli.samples import Work
    from bitket.quantization.verbs import Comparison, ComparisonRow

__all__ = ["register"]

_PICKLES = (".pth", ".pt", ".pkl", ".pickle", ".ckpt", ".bin")


def register(app: typer.Typer) -> None:
    """Add the verb to the command line."""
    app.command()(quantize)


def quantize(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            help="A float network: a .pt2 file of torch.export.save, or resnet20-digits or resnet20-fashion, which come trained.",
        ),
    ],
    calibration: Annotated[
        str | None,
        typer.Option(
            metavar="DATA",
            help="Inputs, best with labels: .npz (X, and y if there is one), .csv, a folder of images or of IDX files, or a name as digits. "
            "One part calibrates, the rest is judged. Trained networks bring their own.",
        ),
    ] = None,
    method: Annotated[
        Quantization,
        choice(Quantization, "METHOD", help="How bits and roundings are chosen; all gives one Pareto table"),
    ] = "w8a8",
    budget: Annotated[
        str | None,
        typer.Option(
            metavar="SIZE",
            help='For hawq, hawq-v2 and all: "6.7 MB", "900 KiB", "50 %" (between smallest and largest; if left out) or "8x" (weights).',
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", metavar="FILE", help="Write the network here.")] = None,
    form: Annotated[
        NetworkFormat | None,
        choice(NetworkFormat, "FORMAT", "--format", help="Of the file, by its ending if left out"),
    ] = None,
    figure: Figure = None,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """A network of few bits. Example: bitket quantize resnet20-digits --method hawq-v2 --budget "30 KiB" -o small.safetensors"""
    _look(model, calibration, method, out, form, figure)
    from bitket.cli.samples import read_work
    from bitket.quantization.formats.writing import FORMATS, write
    from bitket.quantization.methods import METHODS, WITH_BUDGET, configured, parse_budget
    from bitket.quantization.verbs import compare
    from bitket.quantization.vision.simulation import layers_of

    limit = None if budget is None else parse_budget(budget)
    names = list(METHODS) if method == "all" else [method]
    if limit is not None and method != "all":
        configured(method, limit, seed)  # refuses a budget that would do nothing, before the network is read
    work = read_work(model, calibration, seed)
    ends = 8 if len(layers_of(work.model)) > 3 else None
    configs = {n: configured(n, limit if n in WITH_BUDGET else None, seed, ends) for n in names}
    notes = []
    if work.judged is None and method == "all":
        configs = {n: c for n, c in configs.items() if n not in WITH_BUDGET}
        notes.append(
            f"{' and '.join(WITH_BUDGET)} are left out: they need a network that gives one row of logits a sample"
        )
    found = compare(
        work.model, configs, work.batches, None if work.judged is None else work.judged.share, progress=not as_json
    )
    if work.judged is not None:
        found = type(found)(found.rows, work.judged.what)
    if isinstance(limit, float):
        notes += [
            f"{row.name}: {row.bytes - limit:.0f} bytes over the budget, which leaves out scales of inputs and unfolded norms"
            for row in found.rows
            if row.name in WITH_BUDGET and row.bytes > limit
        ]
    told = _told(model, found, work, notes)
    if out is not None:
        quantized = found.rows[1].quantized
        assert quantized is not None
        write(quantized, out, form or _ending(out, FORMATS), work.batches[0])
        told["written"] = {"file": str(out), "bytes": out.stat().st_size}
    if figure is not None:
        from bitket.runs.figures import encoded
        from bitket.runs.files import write_bytes

        drawn = found.figure(None if work.judged is None else work.judged.count)
        write_bytes(figure, encoded(drawn, "quantize", [figure.suffix[1:]])[figure.suffix[1:]])
        told["figure"] = str(figure)
    if as_json:
        print(json.dumps(told))
    else:
        _print(told)
    _complain_of_time(told["methods"])


def _look(
    model: str, calibration: str | None, method: str, out: Path | None, form: str | None, figure: Path | None
) -> None:
    """Refuse what is wrong before torch is imported."""
    kind = Path(model).suffix.lower()
    if kind in _PICKLES:
        raise InvalidInput(
            f"{model}: pickled files can run any code and are not read; save the model with torch.export.save as .pt2"
        )
    if kind == ".onnx":
        raise InvalidInput(f"{model}: float ONNX graphs are not read; export the model with torch.export.save as .pt2")
    if kind == ".safetensors":
        require_file(model)
        raise InvalidInput(
            f"{model}: weights without their network, or quantised already; export the float model with torch.export.save as .pt2"
        )
    if kind == ".pt2" or len(Path(model).parts) > 1:
        require_file(model)
        if calibration is None:
            raise InvalidInput(f"{model}: --calibration DATA is needed; inputs of the network, a hundred or more")
    if (
        calibration is not None
        and (Path(calibration).suffix or len(Path(calibration).parts) > 1)
        and not Path(calibration).is_dir()
    ):
        require_file(calibration)
    if form is not None and out is None:
        raise InvalidInput("--format: it needs --out FILE")
    if out is not None:
        if method == "all":
            raise InvalidInput("--out: 'all' compares methods; give the --method whose network is to be written")
        if form is None and out.suffix.lower() not in (".safetensors", ".onnx", ".pt2"):
            raise InvalidInput(f"{out}: a name that ends in .safetensors, .onnx or .pt2 is needed, or --format")
        if out.exists() and Path(model).exists() and out.samefile(model):
            raise InvalidInput(f"cannot write {out}: it is the input")
        require_writable(out)
    require_picture(figure)


def _complain_of_time(rows: list[dict[str, Any]]) -> None:
    """Aloud, where a network of few bits is slower than the float one."""
    slow = [f"{r['method']} {_ratio(r):.2f}" for r in rows[1:] if _ratio(r) > 1.05]
    if slow:
        complain(
            f"note: slower than the float network: {', '.join(slow)} times its time; weights are unpacked and computed with in float here, "
            "which saves bytes and no time; for speed write .onnx and use a runtime with integer kernels"
        )


def _ratio(row: dict[str, Any]) -> float:
    """Time beside the float network's, which was measured in turn with it, as the load of a machine changes from method to method."""
    return float(row["seconds"] / row["float_seconds"])


def _ending(out: Path, known: tuple[str, ...]) -> str:
    return next(k for k in known if out.suffix.lower() == f".{k}")


def _told(model: str, found: Comparison, work: Work, notes: list[str]) -> dict[str, Any]:
    """All that is said, as JSON values."""
    count = None if work.judged is None else work.judged.count
    first = found.rows[1].quantized
    assert first is not None
    assert first.report is not None
    rows = [_row(row, count, first.report.float_bit_operations) for row in found.rows]
    told: dict[str, Any] = {
        "model": model,
        "calibration_samples": sum(len(b) for b in work.batches),
        "measure": found.measure,
        "judged_samples": count,
        "batch": len(work.batches[0]),
        "methods": rows,
    }
    if len(found.rows) == 2:
        told["layers"] = [
            {
                "layer": r.layer,
                "weights": r.weights,
                "inputs": r.inputs,
                "bytes": r.bytes,
                "float_bytes": r.float_bytes,
                "bit_operations": r.macs * r.weight_bits * r.input_bits,
                "noise_db": r.noise_db if math.isfinite(r.noise_db) else None,
            }
            for r in first.report.layers
        ]
        notes = [*notes, *first.report.notes]
    return told | {"notes": notes}


def _row(row: ComparisonRow, count: int | None, float_operations: int) -> dict[str, Any]:
    from bitket.intervals import wilson

    report = None if row.quantized is None else row.quantized.report
    return {
        "method": row.name,
        "bytes": row.bytes,
        "score": row.score if math.isfinite(row.score) else None,
        "score_95": None if count is None else list(wilson(round(row.score * count), count)),
        "bit_operations": float_operations if report is None else report.bit_operations,
        "seconds": row.seconds,
        "float_seconds": row.seconds if report is None else report.float_seconds,
        "on_front": row.on_front,
        "stays_float": [] if report is None else list(report.left_float),
    }


def _print(told: dict[str, Any]) -> None:
    from rich.table import Table

    screen = console()
    many, whole = len(told["methods"]) > 2, told["methods"][0]
    measure = f"{told['measure']} (95 %)" if told["judged_samples"] else told["measure"]
    heads = ["method", measure, "MiB", "of float", "bit operations", f"ms a batch of {told['batch']}", "of float"]
    table = Table(*([""] if many else []), *heads, box=None, pad_edge=False)
    for row in told["methods"]:
        cells = [
            row["method"],
            _score(row),
            f"{row['bytes'] / 2**20:.4f}",
            f"{row['bytes'] / whole['bytes']:.1%}",
            f"{row['bit_operations']:.3g}",
            f"{1e3 * row['seconds']:.2f}",
            f"{_ratio(row):.2f} x",
        ]
        table.add_row(*(["*" if row["on_front"] else ""] if many else []), *cells)
    screen.print(table)
    if many:
        screen.print("* on the Pareto front of size and score")
    judged = f", judged on {told['judged_samples']} others" if told["judged_samples"] else ""
    screen.print(
        f"calibrated on {told['calibration_samples']} samples{judged}; bit operations are those of one sample's products with weights"
    )
    if "layers" in told:
        layers = Table(
            "layer",
            "weights",
            "inputs",
            "bytes",
            "of float",
            "bit operations",
            "weight noise, dB",
            box=None,
            pad_edge=False,
        )
        for r in told["layers"]:
            noise = "none" if r["noise_db"] is None else f"{r['noise_db']:.1f}"
            share = f"{r['bytes'] / r['float_bytes']:.1%}"
            layers.add_row(
                r["layer"], r["weights"], r["inputs"], str(r["bytes"]), share, f"{r['bit_operations']:.3g}", noise
            )
        screen.print(layers)
    for kind, (places, methods) in _grouped(told["methods"][1:]).items():
        more = f" and {len(places) - 1} more" if len(places) > 1 else ""
        where = f" ({', '.join(methods)})" if len(methods) < len(told["methods"]) - 1 else ""
        screen.print(f"stays float: {kind}, at {next(iter(places))}{more}{where}", markup=False)
    for note in told["notes"]:
        screen.print(note, markup=False)
    if "written" in told:
        screen.print(f"written: {told['written']['file']}, {told['written']['bytes']} bytes", markup=False)
    if "figure" in told:
        screen.print(f"written: {told['figure']}", markup=False)


def _grouped(rows: list[dict[str, Any]]) -> dict[str, tuple[dict[str, None], list[str]]]:
    """What stays float, by the kind of operator: "path (add)" of some methods under "add"."""
    found: dict[str, tuple[dict[str, None], list[str]]] = {}
    for row in rows:
        for place in row["stays_float"]:
            path, _, kind = place.partition(" (")
            places, methods = found.setdefault(kind.removesuffix(")") or path, ({}, []))
            places[path] = None
            if row["method"] not in methods:
                methods.append(row["method"])
    return found


def _score(row: dict[str, Any]) -> str:
    if row["score"] is None:
        return ""
    if row["score_95"] is None:
        return f"{row['score']:.1f}"
    low, high = row["score_95"]
    return f"{row['score']:.2%} ({low:.2%} to {high:.2%})"

"""``bitket simulate``: a circuit file in; counts, expectation values and gradients out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from bitket.errors import InvalidInput

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the verb to the command line."""
    app.command("simulate")(simulate)


def simulate(
    file: Annotated[Path, typer.Argument(help="OpenQASM 2 or 3.")],
    shots: Annotated[int, typer.Option(min=0, help="Sample that many shots.")] = 1024,
    observables: Annotated[
        list[str] | None, typer.Option("--observable", help="Pauli sum, such as '0.5*ZZ - XI'; may repeat.")
    ] = None,
    parameters: Annotated[
        list[str] | None, typer.Option("--param", help="NAME=VALUE of an input parameter; may repeat.")
    ] = None,
    noise: Annotated[str, typer.Option(help="depolarizing:P1[,P2], or a JSON file written by NoiseModel.")] = "",
    device: Annotated[
        str, typer.Option(help="Compile for a device and use its noise: a name, such as manila, or a JSON file.")
    ] = "",
    gradient: Annotated[
        bool, typer.Option("--gradient", help="Also derivatives of the observables for the parameters.")
    ] = False,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the shots.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable output.")] = False,
) -> None:
    """Simulate a circuit. Example: bitket simulate bell.qasm --shots 1000 --observable ZZ --noise depolarizing:0.01,0.02"""
    import torch

    from bitket.algebra import PauliSum
    from bitket.quantum.circuits.qasm import load_qasm
    from bitket.quantum.simulation import expectation, sample

    circuit = load_qasm(file)
    values = _parameters(parameters, circuit)
    model = _noise(noise) if noise else None
    operators = {text: PauliSum.parse(text) for text in observables or []}
    if device:
        if noise:
            raise InvalidInput("--device and --noise: one of them can be given")
        circuit, operators, model = _on_device(circuit, operators, device)
    out: dict[str, Any] = {"file": str(file), "qubits": circuit.num_qubits, "seed": seed}
    weights = torch.tensor([values[p.name] for p in circuit.weights], dtype=torch.float64, requires_grad=gradient)
    inputs = torch.tensor([values[p.name] for p in circuit.inputs], dtype=torch.float64, requires_grad=gradient)
    if shots:
        counts = sample(
            circuit,
            shots,
            weights.detach(),
            inputs.detach(),
            noise=model,
            generator=torch.Generator().manual_seed(seed),
        )
        out["shots"], out["counts"] = shots, dict(counts)
    out["expectation"] = {}
    for text, operator in operators.items():
        value = expectation(circuit, operator, weights, inputs, noise=model)
        out["expectation"][text] = {"value": float(value.detach())}
        if gradient:
            found = torch.autograd.grad(value, (weights, inputs), allow_unused=True)
            slopes = [
                0.0 if g is None else float(s)
                for g, t in zip(found, (weights, inputs), strict=True)
                for s in (t if g is None else g)
            ]
            names = [p.name for p in circuit.weights + circuit.inputs]
            out["expectation"][text]["gradient"] = dict(zip(names, slopes, strict=True))
    if as_json:
        print(json.dumps(out))
    else:
        _show(out)


def _parameters(pairs: list[str] | None, circuit: Any) -> dict[str, float]:
    values = {}
    names = [p.name for p in circuit.parameters]
    for pair in pairs or []:
        name, equals, text = pair.partition("=")
        try:
            values[name] = float(text)
        except ValueError:
            equals = ""
        if not equals:
            raise InvalidInput(f"--param {pair}: NAME=NUMBER is needed")
        if name not in names:
            raise InvalidInput(
                f"--param {pair}: the circuit has " + (f"parameters {', '.join(names)}" if names else "no parameters")
            )
    missing = [n for n in names if n not in values]
    if missing:
        raise InvalidInput(f"parameter '{missing[0]}' has no value: add --param {missing[0]}=NUMBER")
    return values


def _on_device(circuit: Any, operators: dict[str, Any], name: str) -> tuple[Any, dict[str, Any], Any]:
    """The circuit compiled for a device and cut to the qubits it uses, operators moved with them, and the noise there."""
    from bitket.algebra import PauliSum
    from bitket.quantum.circuits import Circuit
    from bitket.quantum.noise import Device

    for text, o in operators.items():
        if o.num_qubits != circuit.num_qubits:
            raise InvalidInput(
                f"--observable {text}: it is on {o.num_qubits} qubits, the circuit has {circuit.num_qubits}"
            )
    machine = Device(name)
    if not any(i.name == "measure" for i in circuit):
        circuit = circuit.copy().measure_all()
    compiled, place = machine.compile(circuit.remove_barriers())
    used = sorted({q for i in compiled for q in i.qubits} | set(place))
    number = {q: k for k, q in enumerate(used)}
    small = Circuit(len(used), compiled.num_clbits, circuit.name)
    for i in compiled:
        small.append(i.operation, [number[q] for q in i.qubits], i.clbits, i.condition)

    def moved(mask: int) -> int:
        return sum(1 << number[q] for k, q in enumerate(place) if mask >> k & 1)

    there = {
        text: PauliSum.from_masks(len(used), [(c, moved(x), moved(z)) for c, x, z in o.masks()])
        for text, o in operators.items()
    }
    return small, there, machine.noise_model(used)


def _noise(text: str) -> Any:
    from bitket.quantum.noise import NoiseModel

    if text.startswith("depolarizing:"):
        try:
            rates = [float(part) for part in text.removeprefix("depolarizing:").split(",")]
        except ValueError:
            rates = []
        if len(rates) not in (1, 2):
            raise InvalidInput(f"--noise {text}: depolarizing:P1 or depolarizing:P1,P2 is needed")
        return NoiseModel.depolarizing(rates[0], rates[-1])
    try:
        return NoiseModel.from_dict(json.loads(Path(text).read_text()))
    except (OSError, ValueError) as error:
        if isinstance(error, InvalidInput):
            raise
        raise InvalidInput(f"--noise {text}: neither depolarizing:P1[,P2] nor a readable JSON file") from None


def _show(out: dict[str, Any]) -> None:
    from rich.console import Console

    console = Console()
    if "counts" in out:
        most = max(out["counts"].values())
        for key, count in list(out["counts"].items())[:20]:
            console.print(f"{key}  {count:>8}  [cyan]{'█' * max(1, round(30 * count / most))}[/cyan]")
        if len(out["counts"]) > 20:
            console.print(f"[dim]and {len(out['counts']) - 20} more[/dim]")
    for text, entry in out["expectation"].items():
        console.print(f"<{text}> = {entry['value']:.10g}")
        for name, slope in entry.get("gradient", {}).items():
            console.print(f"    d/d{name} = {slope:.10g}")

"""``bitket simulate``: a circuit file in; counts, expectation values and gradients out."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bitket.cli import options
from bitket.cli.console import console
from bitket.cli.noise import read_noise
from bitket.cli.options import Figure, Gradient, Json, choice, number, require_picture
from bitket.errors import BitketError, InvalidInput

if TYPE_CHECKING:
    import numpy as np

    from bitket.algebra import PauliSum
    from bitket.quantum.circuits import Circuit
    from bitket.quantum.noise import NoiseModel

__all__ = ["register"]

_DEFAULT_SHOTS = 1024
_SHOWN = 24  # bars of counts; the rest is summed up in one line


def register(app: typer.Typer) -> None:
    """Add the verb to the command line."""
    app.command()(simulate)


def simulate(
    file: Annotated[Path, options.file(help="A circuit in OpenQASM 2 or 3.")],
    shots: Annotated[
        int | None,
        number(
            "shots",
            help="Sample counts, and estimate observables from so many shots. [default: 1024, or exact observables]",
        ),
    ] = None,
    observables: Annotated[
        list[str] | None,
        typer.Option("--observable", metavar="PAULIS", help="Pauli sum, such as '0.5*ZZ - XI'; may repeat."),
    ] = None,
    device: Annotated[
        str, typer.Option(metavar="NAME|FILE", help="Compile for a device, such as manila, and use its noise.")
    ] = "",
    noise: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME:RATE|FILE",
            help="depolarizing:P1[,P2] (mixes the qubits of a gate, both together, with chance P), bit_flip:P, phase_flip:P, "
            "amplitude_damping:G, phase_damping:L after each gate, "
            "readout:P10[,P01], or a noise model as JSON; may repeat.",
        ),
    ] = None,
    parameters: Annotated[
        list[str] | None,
        typer.Option("--param", metavar="NAME=VALUE", help="Value of a circuit parameter; may repeat."),
    ] = None,
    gradient: Annotated[
        bool, typer.Option("--gradient", help="Derivatives of observables for all parameters, too.")
    ] = False,
    method: Annotated[
        Gradient | None, choice(Gradient, "METHOD", help="How derivatives are taken, auto by default")
    ] = None,
    seed: Annotated[int, number("seed", help="Seed of the shots.")] = 0,
    figure: Figure = None,
    as_json: Json = False,
) -> None:
    """Simulate a circuit. Example: bitket simulate bell.qasm --shots 1000 --observable ZZ --noise depolarizing:0.01,0.02"""
    if device and noise:
        raise InvalidInput("--device and --noise: one of them can be given")
    if gradient and not observables:
        raise InvalidInput("--gradient: an --observable to differentiate is needed")
    if method is not None and not gradient:
        raise InvalidInput("--method: it says how derivatives are taken; add --gradient")
    require_picture(figure)
    if figure is not None and observables and shots is None:
        raise InvalidInput("--figure draws counts: --shots is needed beside --observable")
    circuit = _circuit(file)
    values = _parameters(parameters, circuit)
    operators = {text: _operator(text, circuit) for text in observables or []}
    model = read_noise(noise) if noise else None
    if device:
        circuit, operators, model = _on_device(circuit, operators, device)
    weights, inputs = ([values[p.name] for p in part] for part in (circuit.weights, circuit.inputs))
    generators = _generators(seed)
    counted = shots or (None if observables else _DEFAULT_SHOTS)
    out: dict[str, Any] = {"file": str(file), "qubits": circuit.num_qubits, "seed": seed, "shots": counted}
    if counted:
        from bitket.quantum.simulation import sample

        out["counts"] = dict(sample(circuit, counted, weights, inputs, noise=model, generator=next(generators)))
    out["expectation"] = {
        text: _expectation(circuit, operator, weights, inputs, model, counted, generators, gradient, method or "auto")
        for text, operator in operators.items()
    }
    if figure is not None:
        _draw(out["counts"], figure)
    if as_json:
        print(json.dumps(out))
    else:
        _print(out)


def _circuit(file: Path) -> Circuit:
    from bitket.quantum.circuits.qasm import load_qasm

    return load_qasm(file)


def _operator(text: str, circuit: Circuit) -> PauliSum:
    from bitket.algebra import PauliSum

    try:
        operator = PauliSum.parse(text)
    except BitketError as error:
        raise InvalidInput(f"--observable {text}: {error}") from None
    if operator.num_qubits != circuit.num_qubits:
        raise InvalidInput(
            f"--observable {text}: it is on {operator.num_qubits} qubits, the circuit has {circuit.num_qubits}"
        )
    return operator


def _parameters(pairs: list[str] | None, circuit: Circuit) -> dict[str, float]:
    values = {}
    names = [p.name for p in circuit.parameters]
    for pair in pairs or []:
        name, equals, text = pair.partition("=")
        try:
            values[name] = float(text)
        except ValueError:
            equals = ""
        if not equals or not math.isfinite(values[name]):
            raise InvalidInput(f"--param {pair}: NAME=NUMBER with a finite number is needed")
        if name not in names:
            there = f"parameters {', '.join(names)}" if names else "no parameters"
            raise InvalidInput(f"--param {pair}: the circuit has {there}")
    missing = [name for name in names if name not in values]
    if missing:
        raise InvalidInput(f"parameter '{missing[0]}' has no value: add --param {missing[0]}=NUMBER")
    return values


def _on_device(circuit: Any, operators: dict[str, Any], name: str) -> tuple[Any, dict[str, Any], Any]:
    """The circuit compiled for a device and cut to the qubits it uses, operators moved with them, and the noise there."""
    from bitket.quantum.noise import Device

    for text, o in operators.items():
        if o.num_qubits != circuit.num_qubits:
            raise InvalidInput(
                f"--observable {text}: it is on {o.num_qubits} qubits, the circuit has {circuit.num_qubits}"
            )
    if not any(i.name == "measure" for i in circuit):
        circuit = circuit.copy().measure_all()
    small, there, noise = Device(name).place(circuit.remove_barriers(), list(operators.values()))
    return small, dict(zip(operators, there, strict=True)), noise


def _expectation(
    circuit: Circuit,
    operator: PauliSum,
    weights: list[float],
    inputs: list[float],
    noise: NoiseModel | None,
    shots: int | None,
    generators: Iterator[np.random.Generator],
    gradient: bool,
    method: str,
) -> dict[str, Any]:
    """Value of one observable, its standard error if it is from shots, and its derivatives if they are asked for."""
    from bitket.quantum.simulation.direct import expectation, expectation_with_error

    entry: dict[str, Any] = {}
    if shots:
        value, error = expectation_with_error(
            circuit, operator, weights, inputs, shots=shots, noise=noise, generator=next(generators)
        )
        entry |= {"value": float(value), "standard_error": float(error)}
    elif not gradient:
        entry["value"] = float(expectation(circuit, operator, weights, inputs, noise=noise))
    if gradient:
        import torch

        from bitket.quantum.simulation import expectation as differentiable
        from bitket.quantum.simulation import gradient_with_error

        generator = torch.Generator().manual_seed(int(next(generators).integers(2**63)))
        names = [p.name for p in circuit.weights + circuit.inputs]
        if shots and method in ("auto", "parameter_shift"):
            pair = gradient_with_error(
                circuit, operator, weights, inputs, shots=shots, noise=noise, generator=generator
            )
            whole, errors = (dict(zip(names, t.tolist(), strict=True)) for t in pair)
            return entry | {"gradient": whole, "gradient_standard_error": errors}
        parts = [torch.tensor(part, dtype=torch.float64, requires_grad=True) for part in (weights, inputs)]
        ways: dict[str, Any] = {"noise": noise, "shots": shots, "gradient": method, "generator": generator}
        result = differentiable(circuit, operator, *parts, **ways)
        entry["value"] = float(result.detach())
        slopes = torch.autograd.grad(result, parts, allow_unused=True) if result.requires_grad else (None, None)
        flat = torch.cat([torch.zeros_like(t) if s is None else s for s, t in zip(slopes, parts, strict=True)])
        entry["gradient"] = dict(zip(names, flat.tolist(), strict=True))
    return entry


def _generators(seed: int) -> Iterator[np.random.Generator]:
    """One after the other, each seeded by 62 bits of a Mersenne Twister: what `sample` makes of torch's generator of this seed."""
    import numpy as np

    words = np.random.RandomState(seed & 0xFFFFFFFF)
    while True:
        first, second = (int.from_bytes(words.bytes(4), "little") for _ in range(2))
        yield np.random.default_rng((first << 32 | second) % 2**62)


def _draw(counts: dict[str, int], path: Path) -> None:
    from bitket.runs.figures import encoded, subplots
    from bitket.runs.files import write_bytes

    shown = sorted(counts.items(), key=lambda item: -item[1])[:_SHOWN]
    rest = sum(counts.values()) - sum(count for _, count in shown)
    keys = [key for key, _ in shown] + (["others"] if rest else [])
    figure, axes = subplots(width=max(4.0, 1.5 + 0.35 * len(keys)))
    axes.bar(keys, [count for _, count in shown] + ([rest] if rest else []))
    axes.set(xlabel="measured bits", ylabel="shots")
    axes.grid(visible=False, axis="x")
    axes.tick_params(axis="x", rotation=90 if len(keys) > 8 or len(keys[0]) > 6 else 0)
    write_bytes(path, encoded(figure, path.stem, (path.suffix[1:],))[path.suffix[1:]])


def _print(out: dict[str, Any]) -> None:
    screen = console()
    counts = sorted(out.get("counts", {}).items(), key=lambda item: -item[1])
    for key, count in counts[:_SHOWN]:
        share = count / out["shots"]
        screen.print(f"{key}  {count:>8}  {share:>6.1%}  [cyan]{'█' * max(1, round(40 * count / counts[0][1]))}[/cyan]")
    if len(counts) > _SHOWN:
        rest = sum(count for _, count in counts[_SHOWN:])
        screen.print(f"[bright_black]and {len(counts) - _SHOWN} more, {rest} shots together[/]")
    for text, entry in out["expectation"].items():
        error = f" ± {entry['standard_error']:.2g}" if "standard_error" in entry else ""
        screen.print(f"<{text}> = {entry['value']:.10g}{error}", markup=False)
        for name, slope in entry.get("gradient", {}).items():
            error = f" ± {entry['gradient_standard_error'][name]:.2g}" if "gradient_standard_error" in entry else ""
            screen.print(f"    d/d{name} = {slope:.10g}{error}", markup=False)

"""``bitket groundstate``: a molecule or an operator in; out a folder with energies, the circuit and a measurement plan."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bitket.cli.console import console
from bitket.cli.folders import new_folder
from bitket.cli.options import Ansatz, Json, Mapping, Measurement, Mitigation, Out, choice, number
from bitket.errors import InvalidInput
from bitket.files import read_json, read_text

if TYPE_CHECKING:
    from bitket.algebra import PauliSum
    from bitket.quantum.variational.groundstate import FittedState

__all__ = ["register"]

_EXACT_QUBITS = 16
_NOISY_QUBITS = 10
CHEMICAL_ACCURACY = 1.6e-3


def register(app: typer.Typer) -> None:
    """Add the verb to the command line."""
    app.command()(groundstate)


def groundstate(
    target: Annotated[
        str,
        typer.Argument(
            metavar="MOLECULE|FILE",
            help="A molecule by name (H2, LiH, BeH2, H2O, NH3, N2), an .xyz file, or a Pauli sum: text such as '0.5*ZZ - XI', or a "
            "JSON file of terms.",
        ),
    ],
    basis: Annotated[str, typer.Option(help="Basis set of a molecule.")] = "sto-3g",
    bond_length: Annotated[float | None, number("bond length", help="Of a molecule by name, in ångström.")] = None,
    charge: Annotated[int, number("charge", help="Charge of a molecule from a file.")] = 0,
    spin: Annotated[int, number("unpaired electrons", help="Unpaired electrons of a molecule from a file.")] = 0,
    mapping: Annotated[Mapping, choice(Mapping, "MAPPING", help="To qubits (parity has two less)")] = "parity",
    taper: Annotated[
        bool, typer.Option("--taper", help="One qubit less for each symmetry that is a parity of occupations.")
    ] = False,
    frozen_core: Annotated[bool, typer.Option("--frozen-core", help="Keep inner shells doubly occupied.")] = False,
    active: Annotated[str, typer.Option(metavar="E,O", help="Active space: electrons, orbitals.")] = "",
    ansatz: Annotated[
        Ansatz, choice(Ansatz, "ANSATZ", help="Grown, built by a learning agent, or of layers")
    ] = "adapt",
    layers: Annotated[int, number("ansatz layers", help="Layers of an ansatz that is not grown.")] = 2,
    largest: Annotated[
        int, number("rotations", help="Most rotations of a grown ansatz, most gates of a search.")
    ] = 100,
    episodes: Annotated[int, number("episodes", help="Episodes of a search.")] = 300,
    device: Annotated[str, typer.Option(metavar="NAME|FILE", help="Also run on this device's calibration.")] = "",
    mitigate: Annotated[Mitigation, choice(Mitigation, "METHOD", help="Extrapolation to zero noise")] = "exponential",
    measure: Annotated[Measurement, choice(Measurement, "METHOD", help="Measurement plan")] = "diagram",
    shots: Annotated[int, number("shots", help="Shots of the measurement plan.")] = 10_000,
    seed: Annotated[int, number("seed", help="Seed of starts and shots.")] = 0,
    out: Out = Path("runs"),
    as_json: Json = False,
) -> None:
    """Ground state of a molecule or operator. Example: bitket groundstate LiH --frozen-core --device jakarta --measure derandomised"""
    import numpy as np

    from bitket.quantum.noise import Device

    machine = Device(device) if device else None
    settings = {"mapping": mapping, "taper": taper, "frozen_core": frozen_core, "active": active}
    name, H, reference, start = _problem(target, basis, bond_length, charge, spin, settings)
    if machine is not None and H.num_qubits > min(machine.num_qubits, _NOISY_QUBITS):
        raise InvalidInput(
            f"--device {device}: the operator has {H.num_qubits} qubits; the device has {machine.num_qubits}, and at most "
            f"{_NOISY_QUBITS} are simulated with noise"
        )
    from bitket.quantum.measurement import estimate, propose
    from bitket.quantum.measurement import measure as take
    from bitket.quantum.variational.groundstate import fit_state, mitigated_energy

    folder = new_folder(out / "groundstate", name)
    generator = np.random.default_rng(seed)
    found: dict[str, Any] = {
        "target": target,
        "qubits": H.num_qubits,
        "terms": len(H),
        "seed": seed,
        "ansatz": ansatz,
        "energies": {},
    }
    energies = found["energies"]
    exact = H.ground_energy() if H.num_qubits <= _EXACT_QUBITS else None
    if exact is not None:
        energies["exact"] = {"value": exact}
    if start is not None:
        energies["Hartree-Fock"] = {"value": start}
    screen = console()
    with screen.status("fitting the ansatz") as status:

        def progress(step: int, energy: float, slope: float) -> None:
            status.update(
                f"fitting the ansatz: step {step}, energy {energy:.6f}"
                + ("" if math.isnan(slope) else f", slope {slope:.2g}")
            )

        state = fit_state(
            H,
            ansatz,
            reference=reference,
            layers=layers,
            largest=largest,
            episodes=episodes,
            generator=generator,
            progress=None if as_json else progress,
        )
        energies["ansatz"] = {"value": state.energy}
        counts = state.circuit.count_ops()
        found["circuit"] = {"depth": state.circuit.depth(), "gates": dict(counts), "converged": state.converged}
        circuit, operator, noise = state.circuit, H, None
        if machine is not None:
            status.update("running on the device")
            circuit, (operator,), noise = machine.place(state.circuit, [H])
            perfect = replace(noise, readout=())
            done = mitigated_energy(circuit, operator, perfect, machine.calibration.native, mitigate)
            energies[f"on {machine.name}, perfect readout"] = {"value": done.raw}
            energies[f"{mitigate} extrapolation from there"] = {"value": done.value}
        status.update("measuring")
        plan = propose(operator, measure, shots, generator)
        outcome = estimate(operator, take(plan, circuit, generator, noise=noise))
    place = f" on {machine.name}" if machine is not None else ""
    energies[f"measured{place}"] = {"value": outcome.value, "standard_error": outcome.standard_error}
    found["plan"] = {
        "method": measure,
        "shots": plan.shots,
        "bases": len(plan.bases),
        "uncovered_weight": outcome.uncovered_weight,
        "seconds": plan.seconds,
    }
    found["folder"] = str(folder)
    _write(folder, found, state, plan.to_dict(), exact)
    if as_json:
        print(json.dumps(found))
    else:
        _print(found, exact, start is not None)


def _problem(
    target: str, basis: str, bond_length: float | None, charge: int, spin: int, settings: dict[str, Any]
) -> tuple[str, PauliSum, str | None, float | None]:
    """Name, operator, reference bits and their energy."""
    from bitket.algebra import PauliSum
    from bitket.quantum.operators import GEOMETRIES, Molecule, molecular_hamiltonian

    path = Path(target)
    molecule = None
    if target in GEOMETRIES:
        molecule = Molecule.named(target, bond_length=bond_length, basis=basis)
    elif bond_length is not None:
        raise InvalidInput(f"--bond-length: it belongs to a molecule by name: {', '.join(GEOMETRIES)}")
    elif path.suffix == ".xyz":
        try:
            molecule = Molecule(read_text(path), basis, charge, spin)
        except InvalidInput as error:
            said = str(error)
            raise InvalidInput(said if said.startswith(target) else f"{target}: {said}") from None
    elif path.suffix == ".json" or path.is_file():
        data = read_json(path)
        try:
            operator = PauliSum.from_dict(data)
        except ValueError as error:
            raise InvalidInput(f"{target}: {error}") from None
        return path.stem, _checked(operator, target), None, None
    else:
        if not re.search(r"[IXYZ]", target) or re.search(r"[^IXYZ0-9eE.*+\-\s]", target):
            raise InvalidInput(
                f"{target}: neither a molecule ({', '.join(GEOMETRIES)}), nor an .xyz or JSON file, nor a Pauli sum such as '0.5*ZZ - XI'"
            )
        return "operator", _checked(PauliSum.parse(target), target), None, None
    active = None
    if settings["active"]:
        numbers = re.fullmatch(r"(\d+),(\d+)", settings["active"])
        if not numbers:
            raise InvalidInput(f"--active {settings['active']}: two numbers are needed, such as 4,4")
        active = (int(numbers[1]), int(numbers[2]))
    problem = molecular_hamiltonian(
        molecule,
        settings["mapping"],
        two_qubit_reduction=settings["mapping"] == "parity",
        taper=settings["taper"],
        frozen_core=settings["frozen_core"],
        active_space=active,
    )
    return path.stem, problem.hamiltonian, problem.hf_bitstring, problem.hf_energy


def _checked(operator: PauliSum, target: str) -> PauliSum:
    if not len(operator):
        raise InvalidInput(f"{target}: the operator has no terms")
    if not operator.is_hermitian():
        raise InvalidInput(f"{target}: the operator is not Hermitian (coefficients must be real)")
    return operator


def _write(folder: Path, found: dict[str, Any], state: FittedState, plan: dict[str, Any], exact: float | None) -> None:
    from bitket.quantum.circuits.qasm import write_qasm
    from bitket.runs.figures import subplots, write
    from bitket.runs.files import write_bytes

    figure, axes = subplots(width=6.0, height=3.8)
    steps = range(1, len(state.history) + 1)
    if exact is not None:
        axes.semilogy(steps, [max(e - exact, 1e-12) for e in state.history], "o-", markersize=4)
        axes.axhline(CHEMICAL_ACCURACY, color="0.5", linewidth=1, linestyle="--")
        axes.set(xlabel="step", ylabel="energy above exact")
    else:
        axes.plot(steps, state.history, "o-", markersize=4)
        axes.set(xlabel="step", ylabel="energy")
    write(folder, "convergence", figure)
    write_bytes(folder / "circuit.qasm", write_qasm(state.circuit).encode())
    write_bytes(folder / "plan.json", json.dumps(plan, indent=1).encode())
    write_bytes(folder / "result.json", json.dumps(found, indent=1).encode())


def _print(found: dict[str, Any], exact: float | None, molecule: bool) -> None:
    from rich.table import Table

    screen = console()
    unit = "hartree" if molecule else "energy"
    table = Table("", unit, "± error", *(["above exact"] if exact is not None else []), box=None, pad_edge=False)
    for name, entry in found["energies"].items():
        error = f"{entry['standard_error']:.2g}" if "standard_error" in entry else ""
        row = [name, f"{entry['value']:.8f}", error]
        if exact is not None:
            above = entry["value"] - exact
            near = molecule and abs(above) <= CHEMICAL_ACCURACY
            row.append(f"{above:+.2e}" + (" [green]chemical accuracy[/]" if near and name != "exact" else ""))
        table.add_row(*row)
    screen.print(table)
    gates, plan = found["circuit"]["gates"], found["plan"]
    screen.print(
        f"{found['qubits']} qubits, {found['terms']} terms; circuit of depth {found['circuit']['depth']} with {gates.get('cx', 0)} CX; "
        f"{plan['shots']} shots in {plan['bases']} bases"
        + (f", weight {plan['uncovered_weight']:.2g} not covered" if plan["uncovered_weight"] else "")
    )
    if not found["circuit"]["converged"]:
        screen.print("[yellow]the ansatz stopped at its largest size: see --largest[/]")
    screen.print(f"{found['folder']}: result.json, circuit.qasm, plan.json, convergence.svg", markup=False)

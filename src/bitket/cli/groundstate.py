"""``bitket groundstate``: a molecule or an operator in; out a folder with energies, the circuit and a measurement plan."""

from __future__ import annotations

import json
import math
import os
import re
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bitket.cli.console import console
from bitket.cli.folders import new_folder, require_writable
from bitket.cli.options import Ansatz, Json, Mapping, Measurement, Mitigation, Out, choice, number
from bitket.errors import InvalidInput
from bitket.files import read_json, read_text

if TYPE_CHECKING:
    from bitket.algebra import PauliSum
    from bitket.quantum.operators import ElectronSector
    from bitket.quantum.variational.groundstate import FittedState

__all__ = ["register"]

_LARGEST = 24  # qubits of a state that is fitted
_EXACT_QUBITS = 16
_EXACT_DETERMINANTS = 20_000
_LEVELS = 8  # eigenstates looked through for one of a given spin
_NOISY_QUBITS = 10
_LEFT = 1e-3  # weight outside the sector of which a state is said to have left it

_OF_MOLECULES = ("basis", "charge", "spin", "mapping", "taper", "frozen_core", "active")


def register(app: typer.Typer) -> None:
    """Add the verb to the command line."""
    app.command()(groundstate)


def groundstate(
    context: typer.Context,
    target: Annotated[
        str,
        typer.Argument(
            metavar="MOLECULE|FILE",
            help="A molecule by name (H2, LiH, BeH2, H2O, NH3, N2), an .xyz file, a stored operator (H2-2, H2-3, LiH-4, LiH-6, H2O-8: "
            "no chemistry program is needed), or a Pauli sum: text such as '0.5*ZZ - XI', or a JSON file of terms.",
        ),
    ],
    basis: Annotated[str, typer.Option(help="Basis set of a molecule.")] = "sto-3g",
    bond_length: Annotated[float | None, number("bond length", help="Of a molecule by name, in ångström.")] = None,
    charge: Annotated[int, number("charge", help="Charge of a molecule.")] = 0,
    spin: Annotated[
        int | None,
        number(
            "unpaired electrons",
            help="Unpaired electrons of a molecule: 0 for a singlet, 2 for a triplet; the fewest unless given.",
        ),
    ] = None,
    mapping: Annotated[
        Mapping, choice(Mapping, "MAPPING", help="How orbitals become qubits (parity takes two qubits less)")
    ] = "parity",
    taper: Annotated[
        bool, typer.Option("--taper", help="One qubit less for each symmetry that is a parity of occupations.")
    ] = False,
    frozen_core: Annotated[bool, typer.Option("--frozen-core", help="Keep inner shells doubly occupied.")] = False,
    active: Annotated[str, typer.Option(metavar="E,O", help="Active space: electrons, orbitals.")] = "",
    ansatz: Annotated[
        Ansatz, choice(Ansatz, "ANSATZ", help="Grown, built by a learning agent, or of fixed layers")
    ] = "adapt",
    layers: Annotated[int, number("ansatz layers", help="Layers of efficient-su2 and real-amplitudes.")] = 2,
    largest: Annotated[
        int, number("rotations", help="Most rotations of a grown ansatz, most gates of a search.")
    ] = 100,
    episodes: Annotated[int, number("episodes", help="Episodes of a search.")] = 300,
    device: Annotated[str, typer.Option(metavar="NAME|FILE", help="Also run on this device's calibration.")] = "",
    mitigate: Annotated[
        Mitigation, choice(Mitigation, "METHOD", help="Extrapolation of the device to zero noise")
    ] = "exponential",
    measure: Annotated[
        Measurement, choice(Measurement, "METHOD", help="How the bases of the measurement plan are chosen")
    ] = "diagram",
    shots: Annotated[int, number("shots", help="Shots of the measurement plan.")] = 10_000,
    seed: Annotated[int, number("seed", help="Seed of starts and shots.")] = 0,
    out: Out = Path("runs"),
    as_json: Json = False,
) -> None:
    """Ground state of a molecule or operator. Example: bitket groundstate LiH --frozen-core --device jakarta --measure derandomised

    Energies are compared with the exact one of the molecule's own numbers of electrons. 'Chemical accuracy' is said where the value
    and two standard errors lie within 1.6 millihartree of it.
    """
    given = {
        parameter.name
        for parameter in context.command.params
        if parameter.name and getattr(context.get_parameter_source(parameter.name), "name", "") == "COMMANDLINE"
    }
    for option, needed, fits in (
        ("layers", "--ansatz efficient-su2 or real-amplitudes", ansatz in ("efficient-su2", "real-amplitudes")),
        ("largest", "--ansatz adapt or search", ansatz in ("adapt", "search")),
        ("episodes", "--ansatz search", ansatz == "search"),
        ("mitigate", "--device", bool(device)),
    ):
        if option in given and not fits:
            raise InvalidInput(f"--{option}: it belongs to {needed}")
    require_writable(out / "groundstate" / "run")
    settings = {"mapping": mapping, "taper": taper, "frozen_core": frozen_core, "active": _active(active)}
    problem = _problem(target, basis, bond_length, charge, spin, settings, given)
    H, sector = problem.operator, problem.sector
    if H.num_qubits > _LARGEST:
        raise InvalidInput(
            f"{target}: {H.num_qubits} qubits; states of at most {_LARGEST} are fitted"
            + ("; choose a smaller --active space" if sector is not None else "")
        )
    from bitket.quantum.noise import Device

    machine = Device(device) if device else None
    if machine is not None and H.num_qubits > min(machine.num_qubits, _NOISY_QUBITS):
        raise InvalidInput(
            f"--device {device}: the operator has {H.num_qubits} qubits; the device has {machine.num_qubits}, and at most "
            f"{_NOISY_QUBITS} are simulated with noise"
        )
    import numpy as np

    from bitket.quantum.measurement import estimate, propose
    from bitket.quantum.measurement import measure as take
    from bitket.quantum.simulation import statevector
    from bitket.quantum.variational.groundstate import fit_state, mitigated_energy

    generator = np.random.default_rng(seed)
    found: dict[str, Any] = {
        "target": target,
        "qubits": H.num_qubits,
        "terms": len(H),
        "seed": seed,
        "ansatz": ansatz,
        "energies": {},
        "notes": [],
    }
    energies, notes = found["energies"], found["notes"]
    exact, penalty = _exact(problem, found)
    if problem.start is not None:
        energies["Hartree-Fock"] = {"value": problem.start}
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
            reference=problem.reference,
            layers=layers,
            largest=largest,
            episodes=episodes,
            penalty=penalty,
            generator=generator,
            progress=None if as_json else progress,
        )
        energies["ansatz"] = {"value": state.energy}
        if sector is not None:
            report = sector.report(statevector(state.circuit).numpy())
            found["state"] = asdict(report)
            if report.weight < 1 - _LEFT:
                alpha, beta = sector.num_electrons
                notes.append(
                    f"the ansatz has left the molecule: only {report.weight:.1%} of it has {alpha} alpha and {beta} beta electrons, its "
                    f"mean number of electrons is {report.electrons:.3f}"
                )
        counts = state.circuit.count_ops()
        found["circuit"] = {"depth": state.circuit.depth(), "gates": dict(counts), "converged": state.converged}
        circuit, operator, noise = state.circuit, H, None
        if machine is not None:
            status.update("running on the device")
            circuit, (operator,), noise = machine.place(state.circuit, [H])
            perfect = replace(noise, readout=())
            done = mitigated_energy(circuit, operator, perfect, machine.native | {"rz", "cx"}, mitigate)
            energies[f"on {machine.name}, perfect readout"] = {"value": done.raw}
            energies[f"{mitigate} extrapolation from there"] = {"value": done.value}
            if math.isfinite(done.standard_error):
                energies[f"{mitigate} extrapolation from there"]["standard_error"] = done.standard_error
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
    if exact is not None:
        _compare(energies, exact, f"measured{place}", outcome.uncovered_weight, molecule=sector is not None)
    folder = new_folder(out / "groundstate", problem.name)
    found["folder"] = str(folder)
    _write(folder, found, state, plan.to_dict(), exact)
    if as_json:
        print(json.dumps(found))
    else:
        _print(found, exact, sector is not None)


@dataclass(frozen=True)
class _Problem:
    """An operator, and what is known of it: the electrons, a basis state to start from, and its energy."""

    name: str
    operator: PauliSum
    sector: ElectronSector | None = None
    reference: str | None = None
    start: float | None = None
    whole: ElectronSector | None = None
    """Without tapering: determinants of every symmetry, with `untapered`."""
    untapered: PauliSum | None = None


def _active(text: str) -> tuple[int, int] | None:
    if not text:
        return None
    numbers = re.fullmatch(r"(\d{1,4}),(\d{1,4})", text)
    if not numbers:
        raise InvalidInput(f"--active {text}: two numbers are needed, such as 4,4")
    return int(numbers[1]), int(numbers[2])


def _problem(
    target: str,
    basis: str,
    bond_length: float | None,
    charge: int,
    spin: int | None,
    settings: dict[str, Any],
    given: set[str],
) -> _Problem:
    from bitket.quantum.operators import GEOMETRIES, STORED, Molecule, molecular_hamiltonian

    path = Path(target)
    if bond_length is not None and target not in GEOMETRIES:
        raise InvalidInput(f"--bond-length: it belongs to a molecule by name: {', '.join(GEOMETRIES)}")
    if target in GEOMETRIES:
        molecule = Molecule.named(target, bond_length=bond_length, basis=basis, charge=charge, spin=spin)
    elif path.suffix.lower() == ".xyz":
        try:
            molecule = Molecule(read_text(path), basis, charge, spin)
        except InvalidInput as error:
            said = str(error)
            raise InvalidInput(said if said.startswith(target) else f"{target}: {said}") from None
    else:
        wrong = [f"--{name.replace('_', '-')}" for name in _OF_MOLECULES if name in given]
        if wrong:
            raise InvalidInput(
                f"{', '.join(wrong)}: for a molecule, by name ({', '.join(GEOMETRIES)}) or from an .xyz file; {target} is none"
            )
        return _stored(target) if target in STORED else _given(target, path)
    if settings["frozen_core"] and not molecule.num_core_orbitals:
        raise InvalidInput(f"--frozen-core: {molecule.formula} has no inner shells")
    options = {"frozen_core": settings["frozen_core"], "active_space": settings["active"]}
    problem = molecular_hamiltonian(
        molecule,
        settings["mapping"],
        two_qubit_reduction=settings["mapping"] == "parity",
        taper=settings["taper"],
        **options,
    )
    whole = replace(problem, tapered=False) if settings["taper"] else problem
    return _Problem(
        path.stem,
        problem.hamiltonian,
        problem.sector,
        problem.hf_bitstring,
        problem.hf_energy,
        whole.sector,
        whole.hamiltonian,
    )


def _stored(target: str) -> _Problem:
    import numpy as np

    from bitket.quantum.operators import stored_hamiltonian, stored_sector

    operator, sector = stored_hamiltonian(target), stored_sector(target)
    state = np.zeros(1 << operator.num_qubits)
    state[int(sector.reference, 2)] = 1
    start = float(operator.expectation(state))
    return _Problem(target, operator, sector, sector.reference, start, sector, operator)


def _given(target: str, path: Path) -> _Problem:
    from bitket.algebra import PauliSum
    from bitket.quantum.operators import GEOMETRIES, STORED

    if path.suffix.lower() == ".json" or os.path.isfile(target):
        data = read_json(path)
        try:
            operator = PauliSum.from_dict(data)
        except ValueError as error:
            raise InvalidInput(f"{target}: {error}") from None
        return _Problem(path.stem, _checked(operator, target))
    if not re.search(r"[IXYZ]", target) or re.search(r"[^IXYZ0-9eE.*+\-\s]", target):
        raise InvalidInput(
            f"{target}: neither a molecule ({', '.join(GEOMETRIES)}), nor a stored operator ({', '.join(STORED)}), nor an .xyz or JSON "
            "file, nor a Pauli sum such as '0.5*ZZ - XI'"
        )
    return _Problem("operator", _checked(PauliSum.parse(target), target))


def _exact(problem: _Problem, found: dict[str, Any]) -> tuple[float | None, PauliSum | None]:
    """The exact energy, and what keeps the fit among the molecule's electrons where others would lie lower."""
    H, sector, whole = problem.operator, problem.sector, problem.whole
    if sector is None or whole is None or problem.untapered is None:
        if H.num_qubits > _EXACT_QUBITS:
            return None, None
        exact = H.ground_energy()
        found["energies"]["exact"] = {"value": exact}
        return exact, None
    alpha, beta = sector.num_electrons
    found["electrons"] = [alpha, beta]
    if whole.num_determinants > _EXACT_DETERMINANTS:
        return None, None
    state = whole.eigenstates(problem.untapered, 1)[0]
    found["energies"]["exact"] = {"value": state.energy, "spin_projection": state.spin_projection}
    found["energies"]["exact"]["spin_square"] = state.spin_square
    m = abs(state.spin_projection)
    if state.spin_square > m * (m + 1) + 0.5:
        found["notes"].append(
            f"the ground state with S_z = {state.spin_projection:g} has S² = {state.spin_square:.3g}, a higher spin: see --spin"
        )
        lower = [s for s in whole.eigenstates(problem.untapered, _LEVELS) if s.spin_square < m * (m + 1) + 0.5]
        if lower:
            found["energies"]["exact, of the spin asked for"] = {"value": lower[0].energy}
    kept = state.energy
    if whole is not sector:
        kept = sector.eigenstates(H, 1)[0].energy
        if kept > state.energy + 1e-8:
            found["energies"]["exact, of the symmetry kept"] = {"value": kept}
            found["notes"].append(
                "the ground state has another symmetry than the Hartree-Fock determinant, which --taper keeps: leave --taper out"
            )
    # Over all basis states an ion may lie lower: then any other number of electrons is lifted above the molecule.
    lowest = H.ground_energy() if H.num_qubits <= _EXACT_QUBITS else kept
    if kept - lowest < 1e-9:
        return state.energy, None
    found["penalty"] = kept - lowest + 0.5
    return state.energy, found["penalty"] * sector.penalty()


def _compare(energies: dict[str, Any], exact: float, measured: str, uncovered: float, *, molecule: bool) -> None:
    """Adds to each energy how far it is above the exact one, and for molecules whether that is chemical accuracy."""
    from bitket.quantum.operators import chemically_accurate

    for name, entry in energies.items():
        if name == "exact":
            continue
        entry["above_exact"] = entry["value"] - exact
        if molecule:
            entry["chemical_accuracy"] = chemically_accurate(
                entry["value"], exact, entry.get("standard_error", 0.0), uncovered if name == measured else 0.0
            )


def _checked(operator: PauliSum, target: str) -> PauliSum:
    if not len(operator):
        raise InvalidInput(f"{target}: the operator has no terms")
    if not operator.is_hermitian():
        raise InvalidInput(f"{target}: the operator is not Hermitian (coefficients must be real)")
    return operator


def _write(folder: Path, found: dict[str, Any], state: FittedState, plan: dict[str, Any], exact: float | None) -> None:
    from bitket.quantum.circuits.qasm import write_qasm
    from bitket.quantum.operators import CHEMICAL_ACCURACY
    from bitket.runs.figures import subplots, write
    from bitket.runs.files import write_bytes

    figure, axes = subplots(width=6.0, height=3.8)
    history = state.history or (state.energy,)
    steps = range(1, len(history) + 1)
    if exact is not None:
        axes.semilogy(steps, [max(e - exact, 1e-12) for e in history], "o-", markersize=4)
        if "electrons" in found:
            axes.axhline(CHEMICAL_ACCURACY, color="0.5", linewidth=1, linestyle="--")
        axes.set(xlabel="step", ylabel="energy above exact" + (", with penalty" if "penalty" in found else ""))
    else:
        axes.plot(steps, history, "o-", markersize=4)
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
        if "above_exact" in entry:
            row.append(
                f"{entry['above_exact']:+.2e}"
                + (" [green]chemical accuracy[/]" if entry.get("chemical_accuracy") else "")
            )
        table.add_row(*row)
    screen.print(table)
    if molecule:
        alpha, beta = found["electrons"]
        state, spin = found["state"], found["energies"].get("exact", {}).get("spin_square")
        screen.print(
            f"{alpha} alpha and {beta} beta electrons, S_z = {(alpha - beta) / 2:g}; ansatz: {state['electrons']:.4f} electrons, "
            f"S_z = {state['spin_projection']:.4f}, S² = {state['spin_square']:.4f}"
            + ("" if spin is None else f" (exact {spin:.4f})")
        )
    gates, plan = found["circuit"]["gates"], found["plan"]
    screen.print(
        f"{found['qubits']} qubits, {found['terms']} terms; circuit of depth {found['circuit']['depth']} with {gates.get('cx', 0)} CX; "
        f"{plan['shots']} shots in {plan['bases']} bases"
        + (f", weight {plan['uncovered_weight']:.2g} not covered" if plan["uncovered_weight"] else "")
    )
    for note in found["notes"]:
        screen.print(f"[yellow]{note}[/]")
    if not found["circuit"]["converged"]:
        screen.print("[yellow]the ansatz stopped at its largest size: see --largest[/]")
    screen.print(f"{found['folder']}: result.json, circuit.qasm, plan.json, convergence.svg", markup=False)

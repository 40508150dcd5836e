import json
import subprocess
import sys

import pytest
import typer

from bitket.cli import app, groundstate
from bitket.quantum.circuits.qasm import load_qasm
from bitket.quantum.measurement import MeasurementPlan
from bitket.quantum.operators import Molecule, molecular_hamiltonian
from bitket.quantum.simulation import expectation


def found(bitket, tmp_path, *arguments):
    status, out, err = bitket("groundstate", *arguments, "--out", tmp_path / "runs", "--json")
    assert (status, err) == (0, "")
    return json.loads(out)


def test_a_molecule_by_name_leaves_a_folder(bitket, tmp_path):
    out = found(bitket, tmp_path, "H2", "--shots", 2000)
    exact = molecular_hamiltonian("H2", "parity", two_qubit_reduction=True)
    energies = {k: v["value"] for k, v in out["energies"].items()}
    assert energies["exact"] == pytest.approx(exact.fci_energy(), abs=1e-8)
    assert energies["Hartree-Fock"] == pytest.approx(exact.hf_energy, abs=1e-8)
    assert energies["ansatz"] == pytest.approx(energies["exact"], abs=1e-8)
    measured = out["energies"]["measured"]
    assert abs(measured["value"] - energies["exact"]) < 5 * measured["standard_error"]
    (folder,) = (tmp_path / "runs" / "groundstate").iterdir()
    assert {p.name for p in folder.iterdir()} == {
        "result.json",
        "circuit.qasm",
        "plan.json",
        "convergence.svg",
        "convergence.png",
    }
    circuit = load_qasm(folder / "circuit.qasm")
    assert float(expectation(circuit, exact.hamiltonian)) == pytest.approx(energies["ansatz"], abs=1e-8)
    assert MeasurementPlan.from_dict(json.loads((folder / "plan.json").read_text())).shots == 2000
    assert json.loads((folder / "result.json").read_text()) == out


def test_same_seed_same_numbers(bitket, tmp_path):
    one, again = (found(bitket, tmp_path, "0.5*ZZ - XI - IX", "--seed", 3) for _ in range(2))
    assert one["energies"] == again["energies"]
    assert one["folder"] != again["folder"]


def test_a_device_adds_noise_and_mitigation_takes_part_of_it_away(bitket, tmp_path):
    out = found(bitket, tmp_path, "H2", "--device", "manila", "--measure", "groups")
    energies = {k: v["value"] for k, v in out["energies"].items()}
    noisy = energies["on manila, perfect readout"] - energies["exact"]
    mended = energies["exponential extrapolation from there"] - energies["exact"]
    assert noisy > 5e-3
    assert abs(mended) < noisy / 2
    assert energies["measured on manila"] > energies["exact"]


@pytest.mark.parametrize("kind", ["xyz", "json"])
def test_own_files(bitket, tmp_path, kind):
    problem = molecular_hamiltonian("H2")
    path = tmp_path / f"mine.{kind}"
    path.write_text(problem.molecule.to_xyz() if kind == "xyz" else json.dumps(problem.hamiltonian.to_dict()))
    mapping = ("--mapping", "jordan_wigner") if kind == "xyz" else ()
    out = found(bitket, tmp_path, path, *mapping, "--ansatz", "efficient-su2", "--layers", 3)
    assert out["qubits"] == 4
    assert out["energies"]["exact"]["value"] == pytest.approx(problem.fci_energy(), abs=1e-7)
    assert out["energies"]["ansatz"]["value"] == pytest.approx(problem.fci_energy(), abs=1.6e-3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("He9",), "neither a molecule"),
        (("ZZ - Q",), "neither a molecule"),
        (("Z" * 300,), "300 qubits"),
        (("nothere.xyz",), "nothere.xyz: there is no such file"),
        (("H2", "--ansatz", "foo"), "is not one of 'adapt', 'search', 'efficient-su2'"),
        (("H2", "--mitigate", "foo", "--device", "manila"), "is not one of 'linear', 'polynomial'"),
        (("H2", "--measure", "foo"), "is not one of 'shadows', 'biased'"),
        (("H2", "--mapping", "foo"), "'foo' is not one of 'jordan_wigner'"),
        (("H2", "--active", "3"), "two numbers"),
        (("H2", "--active", "9" * 5000 + ",2"), "two numbers"),
        (("H2", "--active", "2,9"), "from 1 to 2"),
        (("H2", "--basis", "nope"), "basis set 'nope'"),
        (("H2", "--bond-length", "-1"), "is not a number above 0"),
        (("H2", "--bond-length", "nan"), "is not a number above 0"),
        (("H2", "--bond-length", "1e300"), "up to 1000"),
        (("H2", "--charge", "2"), "at most 1"),
        (("H2", "--charge", "-3"), "do not fit"),
        (("H2", "--charge", "-99999999999999999999"), "is not a whole number from"),
        (("H2", "--charge", "1.5"), "is not a whole number from"),
        (("H2", "--spin", "1"), "must be even"),
        (("H2", "--spin", "4"), "at most 2"),
        (("H2", "--spin", "-2"), "is not a whole number from"),
        (("H2", "--spin", "nan"), "is not a whole number from"),
        (("H2", "--frozen-core"), "no inner shells"),
        (("H2", "--ansatz", "efficient-su2", "--layers", "100000"), "is not a whole number from"),
        (("H2", "--largest", "0"), "is not a whole number from"),
        (("H2", "--largest", "10000000000"), "is not a whole number from"),
        (("H2", "--ansatz", "search", "--episodes", "0"), "is not a whole number from"),
        (("H2", "--shots", "99999999999999999999"), "is not a whole number from"),
        (("H2", "--shots", "1.5"), "is not a whole number from"),
        (("H2", "--seed", "-1"), "is not a whole number from"),
        (("H2", "--layers", "3"), "--layers: it belongs to --ansatz efficient-su2 or real-amplitudes"),
        (("H2", "--ansatz", "real-amplitudes", "--largest", "3"), "--largest: it belongs to"),
        (("H2", "--episodes", "3"), "--episodes: it belongs to --ansatz search"),
        (("H2", "--mitigate", "linear"), "--mitigate: it belongs to --device"),
        (("H2", "--charge", "1", "--taper"), "one must stay; leave tapering out"),
        (("II",), "nothing to measure"),
        (("ZZ", "--bond-length", "1"), "belongs to a molecule"),
        (("ZZ", "--basis", "6-31g"), "--basis: for a molecule"),
        (("ZZ", "--frozen-core"), "--frozen-core: for a molecule"),
        (("ZZ", "--charge", "0"), "--charge: for a molecule"),
        (("H2-2", "--taper", "--spin", "2"), "--spin, --taper: for a molecule"),
        (("LiH", "--device", "manila"), "has 5"),
        (("H2", "--device", "nowhere"), "nowhere"),
    ],
)
def test_wrong_input_ends_with_one_line_and_no_folder(bitket, tmp_path, arguments, message):
    status, out, err = bitket("groundstate", *arguments, "--out", tmp_path / "runs")
    assert (status, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[" * 200_000, "bad.json"),
        ("", "expected"),
        ("{}", "expected"),
        ('{"num_qubits": 2, "terms": []}', "no terms"),
        ("junk", "expected"),
    ],
)
def test_operator_files_that_are_none(bitket, tmp_path, text, message):
    (tmp_path / "bad.json").write_text(text)
    status, _, err = bitket("groundstate", tmp_path / "bad.json", "--out", tmp_path / "runs")
    assert status == 2
    assert message in err.lower() or "bad.json" in err
    assert err.count("\n") == 1


def test_operators_that_are_not_hermitian(bitket, tmp_path):
    (tmp_path / "bad.json").write_text('{"num_qubits": 1, "terms": [["X", 0, 1]]}')
    status, _, err = bitket("groundstate", tmp_path / "bad.json", "--out", tmp_path / "runs")
    assert (status, err.count("\n")) == (2, 1)
    assert "not Hermitian" in err


def test_a_searched_circuit(bitket, tmp_path):
    out = found(bitket, tmp_path, "H2", "--ansatz", "search", "--episodes", 60)
    assert out["energies"]["ansatz"]["value"] == pytest.approx(out["energies"]["exact"]["value"], abs=1.6e-3)
    again = found(bitket, tmp_path, "H2", "--ansatz", "search", "--episodes", 60)
    assert again["circuit"] == out["circuit"]


# For each option a pair of calls whose results must differ.
CHANGES = {
    "basis": (["H2", "--basis", "6-31g"], ["H2"]),
    "bond_length": (["H2", "--bond-length", 0.735], ["H2"]),
    "charge": (["H2", "--charge", 1], ["H2"]),
    "spin": (["H2", "--spin", 2], ["H2"]),
    "mapping": (["H2", "--mapping", "jordan_wigner"], ["H2"]),
    "taper": (["H2", "--taper"], ["H2"]),
    "frozen_core": (["LiH", "--frozen-core", "--largest", 2], ["LiH", "--largest", 2]),
    "active": (["LiH", "--active", "2,2"], ["LiH", "--active", "2,3", "--largest", 2]),
    "ansatz": (["ZZ - XI - IX", "--ansatz", "real-amplitudes"], ["ZZ - XI - IX"]),
    "layers": (
        ["ZZ - XI", "--ansatz", "efficient-su2", "--layers", 1],
        ["ZZ - XI", "--ansatz", "efficient-su2"],
    ),
    "largest": (["LiH", "--active", "2,3", "--largest", 1], ["LiH", "--active", "2,3", "--largest", 2]),
    "episodes": (["H2", "--ansatz", "search", "--episodes", 1], ["H2", "--ansatz", "search", "--episodes", 60]),
    "device": (["H2", "--device", "manila"], ["H2"]),
    "mitigate": (["H2", "--device", "manila", "--mitigate", "linear"], ["H2", "--device", "manila"]),
    "measure": (["H2", "--measure", "shadows"], ["H2"]),
    "shots": (["H2", "--shots", 100], ["H2"]),
    "seed": (["H2", "--seed", 1], ["H2"]),
}

KNOWN = {}  # results of these calls


def test_every_option_of_the_verb_is_enumerated():
    options = {p.name for p in typer.main.get_command(app).commands["groundstate"].params}
    assert options == {*CHANGES, "target", "out", "as_json"}


@pytest.mark.parametrize("option", CHANGES)
def test_every_option_changes_the_result(bitket, tmp_path, option):
    for call in map(tuple, CHANGES[option]):
        if call not in KNOWN:
            KNOWN[call] = out = found(bitket, tmp_path, *call)
            del out["folder"], out["plan"]["seconds"], out["target"], out["seed"]
    with_it, without = (KNOWN[tuple(call)] for call in CHANGES[option])
    assert with_it != without


@pytest.mark.parametrize(
    ("arguments", "energy", "electrons", "square"),
    [
        (("--charge", 1), -0.53637008, [1, 0], 0.75),
        (("--spin", 2), -0.52461556, [2, 0], 2.0),
        (("--charge", -1), None, [2, 1], 0.75),
    ],
)
@pytest.mark.parametrize("mapping", ["jordan_wigner", "parity", "bravyi_kitaev"])
def test_charge_and_spin_apply(bitket, tmp_path, arguments, energy, electrons, square, mapping):
    out = found(bitket, tmp_path, "H2", "--bond-length", 0.735, "--mapping", mapping, *arguments)
    charge, spin = sum(electrons), electrons[0] - electrons[1]
    problem = molecular_hamiltonian(Molecule.named("H2", bond_length=0.735, charge=2 - charge, spin=spin))
    exact = out["energies"]["exact"]
    assert exact["value"] == pytest.approx(problem.fci_energy(), abs=1e-8)
    if energy is not None:
        assert exact["value"] == pytest.approx(energy, abs=1e-8)
    assert out["electrons"] == electrons
    assert exact["spin_square"] == pytest.approx(square, abs=1e-8)
    assert out["energies"]["ansatz"]["value"] == pytest.approx(exact["value"], abs=1e-6)
    assert out["state"]["electrons"] == pytest.approx(charge, abs=1e-3)
    assert out["state"]["weight"] == pytest.approx(1, abs=1e-3)
    assert out["notes"] == []


@pytest.mark.parametrize("ansatz", ["adapt", "real-amplitudes"])
def test_an_ion_is_compared_with_its_own_energy_and_kept_from_others(bitket, tmp_path, ansatz):
    (tmp_path / "ion.xyz").write_text("2\n\nHe 0 0 0\nH 0 0 0.772\n")
    arguments = (tmp_path / "ion.xyz", "--charge", 1, "--mapping", "jordan_wigner", "--ansatz", ansatz)
    out = found(bitket, tmp_path, *arguments)
    exact = out["energies"]["exact"]["value"]
    assert exact == pytest.approx(-2.85102403, abs=1e-8)  # over all basis states -3.01349, with three electrons
    assert -1e-9 < out["energies"]["ansatz"]["value"] - exact < 2e-2
    assert out["state"]["weight"] > 0.99
    assert out["penalty"] > 0.16


def test_a_state_that_left_the_molecule_is_said_to_have(bitket, tmp_path, monkeypatch):
    (tmp_path / "ion.xyz").write_text("2\n\nHe 0 0 0\nH 0 0 0.772\n")
    plain = groundstate._exact
    monkeypatch.setattr(groundstate, "_exact", lambda *given: (plain(*given)[0], None))
    arguments = ("--charge", 1, "--mapping", "jordan_wigner", "--ansatz", "real-amplitudes")
    out = found(bitket, tmp_path, tmp_path / "ion.xyz", *arguments)
    assert out["state"]["weight"] < 0.5
    assert "has left the molecule" in out["notes"][0]
    assert out["energies"]["ansatz"]["above_exact"] < -0.1
    assert not out["energies"]["ansatz"]["chemical_accuracy"]


def test_notes_of_spin_and_symmetry(bitket, tmp_path):
    (tmp_path / "O2.xyz").write_text("2\n\nO 0 0 0\nO 0 0 1.21\n")
    arguments = (tmp_path / "O2.xyz", "--active", "8,6", "--taper", "--largest", 1, "--shots", 100)
    out = found(bitket, tmp_path, *arguments)
    problem = molecular_hamiltonian(Molecule((tmp_path / "O2.xyz").read_text()), active_space=(8, 6))
    assert out["energies"]["exact"]["value"] == pytest.approx(problem.fci_energy(), abs=1e-8)
    assert out["energies"]["exact"]["spin_square"] == pytest.approx(2, abs=1e-6)
    assert out["energies"]["exact, of the symmetry kept"]["value"] > out["energies"]["exact"]["value"] + 0.01
    singlet = next(s for s in problem.excited_states(6) if s.spin_square < 0.1)
    assert out["energies"]["exact, of the spin asked for"]["value"] == pytest.approx(singlet.energy, abs=1e-8)
    assert ["see --spin" in out["notes"][0], "leave --taper out" in out["notes"][1]] == [True, True]


def test_stored_operators_need_no_chemistry_program(bitket, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyscf", None)
    out = found(bitket, tmp_path, "LiH-6")
    assert out["electrons"] == [1, 1]
    assert out["energies"]["ansatz"]["chemical_accuracy"]
    assert out["energies"]["Hartree-Fock"]["value"] > out["energies"]["exact"]["value"]
    for arguments in (("H2",), ("H2", "--charge", 1)):
        status, _, err = bitket("groundstate", *arguments, "--out", tmp_path / "more")
        assert (status, err.count("\n")) == (2, 1)
        assert "pip install 'bitket[chem]'" in err


def test_chemical_accuracy_is_said_only_where_the_error_bar_allows_it(bitket, tmp_path):
    for seed in range(3):
        status, out, _ = bitket("groundstate", "H2-2", "--shots", 2000, "--seed", seed, "--out", tmp_path)
        assert status == 0
        rows = {line.split("  ")[0]: line for line in out.splitlines()}
        assert "chemical accuracy" in rows["ansatz"]
        assert "chemical accuracy" not in rows["measured"]  # the error is about 9 millihartree
        assert "chemical accuracy" not in rows["Hartree-Fock"]
    out = found(bitket, tmp_path, "H2-2", "--shots", 1_000_000, "--measure", "groups")
    measured = out["energies"]["measured"]
    assert abs(measured["above_exact"]) + 2 * measured["standard_error"] < 1.6e-3
    assert measured["chemical_accuracy"]


def test_wrong_input_is_refused_before_torch_is_loaded(tmp_path):
    code = (
        "import sys; from bitket.cli import _status; "
        "status = _status(sys.argv[1:]); sys.exit(status if 'torch' not in sys.modules else 99)"
    )
    for arguments in (["H2", "--spin", "1"], ["ZZ", "--basis", "x"], ["He9"], ["none.xyz"], ["H2", "--ansatz", "x"]):
        command = [sys.executable, "-c", code, "groundstate", *arguments, "--out", str(tmp_path / "runs")]
        assert subprocess.run(command, check=False, capture_output=True).returncode == 2
    assert not (tmp_path / "runs").exists()


def test_warnings_are_notes(bitket, tmp_path):
    qubits, gate = [{"t1": 5e-5, "t2": 7e-5}] * 2, {"name": "cx", "qubits": [0, 1], "error": 0.05, "duration": 3e-7}
    fields = {"name": "bare", "num_qubits": 2, "native": ["rz", "sx", "x", "cx"], "edges": [[0, 1]]}
    (tmp_path / "bare.json").write_text(json.dumps(fields | {"qubits": qubits, "gates": [gate]}))
    status, _, err = bitket(
        "groundstate",
        "ZZ - XI",
        "--device",
        tmp_path / "bare.json",
        "--mitigate",
        "linear",
        "--out",
        tmp_path / "runs",
    )
    lines = err.splitlines()
    assert (status, len(lines) > 0) == (0, True)
    assert all(line.startswith("bitket: note: ") for line in lines), err
    assert any("no calibration of sx" in line for line in lines)


def test_a_stopped_run_leaves_no_folder(bitket, tmp_path, monkeypatch):
    from bitket.quantum.variational import groundstate as fitting

    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(fitting, "fit_state", stop)
    status, _, _ = bitket("groundstate", "H2-2", "--out", tmp_path / "runs")
    assert status == 130
    assert not (tmp_path / "runs").exists()

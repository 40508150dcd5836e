import json

import pytest

from bitket.quantum.circuits.qasm import load_qasm
from bitket.quantum.measurement import MeasurementPlan
from bitket.quantum.operators import molecular_hamiltonian
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
    out = found(bitket, tmp_path, path, "--mapping", "jordan_wigner", "--ansatz", "efficient-su2", "--layers", 3)
    assert out["qubits"] == 4
    assert out["energies"]["exact"]["value"] == pytest.approx(problem.fci_energy(), abs=1e-7)
    assert out["energies"]["ansatz"]["value"] == pytest.approx(problem.fci_energy(), abs=1.6e-3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("He9",), "neither a molecule"),
        (("ZZ - Q",), "neither a molecule"),
        (("nothere.xyz",), "nothere.xyz: there is no such file"),
        (("H2", "--ansatz", "foo"), "is not one of 'adapt', 'search', 'efficient-su2'"),
        (("H2", "--mitigate", "foo"), "is not one of 'linear', 'polynomial'"),
        (("H2", "--measure", "foo"), "is not one of 'shadows', 'biased'"),
        (("H2", "--active", "3"), "two numbers"),
        (("H2", "--basis", "nope"), "basis set 'nope'"),
        (("H2", "--bond-length", "-1"), "is not a number above 0"),
        (("ZZ", "--bond-length", "1"), "belongs to a molecule"),
        (("LiH", "--device", "manila"), "has 5"),
        (("H2", "--device", "nowhere"), "nowhere"),
        (("H2", "--mapping", "foo"), "'foo' is not one of 'jordan_wigner'"),
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
    [("", "expected"), ("{}", "expected"), ('{"num_qubits": 2, "terms": []}', "no terms"), ("junk", "expected")],
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

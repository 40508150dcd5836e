import json
import math
import re

import pytest

ANGLES = """OPENQASM 3.0;
include "stdgates.inc";
input float a;
input float b;
qubit[2] q;
ry(a) q[0];
rx(2*b) q[1];
cx q[0], q[1];
"""
BELL = 'OPENQASM 2.0;\ninclude "qelib1.inc";\nqreg q[2];\ncreg c[2];\nh q[0];\ncx q[0],q[1];\nmeasure q -> c;\n'
AT = ("--param", "a=0.7", "--param", "b=0.3")


@pytest.fixture
def bell(tmp_path):
    (tmp_path / "bell.qasm").write_text(BELL)
    return tmp_path / "bell.qasm"


@pytest.fixture
def angles(tmp_path):
    (tmp_path / "angles.qasm").write_text(ANGLES)
    return tmp_path / "angles.qasm"


def simulated(bitket, *arguments):
    status, out, err = bitket("simulate", *arguments, "--json")
    assert (status, err) == (0, "")
    return json.loads(out)


def test_counts_are_sampled_and_shown_as_bars(bitket, bell):
    out = simulated(bitket, bell, "--shots", 4000, "--seed", 3)
    assert out["counts"].keys() == {"00", "11"}
    assert sum(out["counts"].values()) == out["shots"] == 4000
    assert abs(out["counts"]["00"] - 2000) < 5 * math.sqrt(1000)
    assert simulated(bitket, bell, "--shots", 4000, "--seed", 3) == out
    assert simulated(bitket, bell, "--shots", 4000, "--seed", 4)["counts"] != out["counts"]
    assert simulated(bitket, bell)["shots"] == 1024
    text = bitket("simulate", bell, "--shots", 4000, "--seed", 3)[1]
    top = max(out["counts"].values())
    assert f"{top:>8}  {top / 4000:>6.1%}  {'█' * 40}" in text


def test_exact_values_and_gradients(bitket, angles):
    # <IZ> = cos a; <ZI> after the CX = cos a cos 2b.
    for method in ("auto", "adjoint", "parameter_shift", "backprop"):
        out = simulated(
            bitket, angles, *AT, "--observable", "IZ", "--observable", "0.5*ZI - II", "--gradient", "--method", method
        )
        assert out["shots"] is None
        assert "counts" not in out
        first, second = out["expectation"].values()
        assert first["value"] == pytest.approx(math.cos(0.7), abs=1e-12)
        assert first["gradient"] == pytest.approx({"a": -math.sin(0.7), "b": 0}, abs=1e-12)
        assert second["value"] == pytest.approx(0.5 * math.cos(0.7) * math.cos(0.6) - 1, abs=1e-12)
        assert second["gradient"] == pytest.approx(
            {"a": -0.5 * math.sin(0.7) * math.cos(0.6), "b": -math.cos(0.7) * math.sin(0.6)}, abs=1e-12
        )
    text = bitket("simulate", angles, *AT, "--observable", "IZ", "--gradient")[1]
    assert text.splitlines()[:2] == [f"<IZ> = {math.cos(0.7):.10g}", f"    d/da = {-math.sin(0.7):.10g}"]


def test_values_from_shots_have_standard_errors(bitket, angles):
    out = simulated(bitket, angles, *AT, "--observable", "IZ", "--shots", 10000, "--gradient")["expectation"]["IZ"]
    error = math.sin(0.7) / 100  # sqrt((1 - <Z>^2) / shots)
    assert out["standard_error"] == pytest.approx(error, rel=0.1)
    assert abs(out["value"] - math.cos(0.7)) < 5 * error
    assert abs(out["gradient"]["a"] + math.sin(0.7)) < 0.05
    # (E+ - E-) / 2, with E+- of the values cos(0.7 +- pi/2)
    slope = math.sqrt((1 - math.sin(0.7) ** 2) / 2 / 10000)
    assert out["gradient_standard_error"]["a"] == pytest.approx(slope, rel=0.1)
    text = bitket("simulate", angles, *AT, "--observable", "IZ", "--shots", 100, "--gradient")[1]
    assert re.search(r"d/da = -0\.\d+ ± 0\.\d+", text)
    assert " ± 0.006" in bitket("simulate", angles, *AT, "--observable", "IZ", "--shots", 10000)[1]


@pytest.mark.parametrize(
    ("noise", "value"),
    [
        (["depolarizing:0.1"], 0.9 * 0.9),  # on q0: after ry, and after cx
        (["depolarizing:0.1,0.2"], 0.9 * 0.8),
        (["bit_flip:0.1"], 0.8 * 0.8),
        (["phase_flip:0.1", "phase_damping:0.5"], 1.0),
        (["bit_flip:0.1", "bit_flip:0.1"], 0.8**4),
        (["amplitude_damping:1"], None),  # all decays: <Z> = 1
    ],
)
def test_noise_shrinks_values_as_its_channels_do(bitket, angles, noise, value):
    options = [part for entry in noise for part in ("--noise", entry)]
    out = simulated(bitket, angles, *AT, "--observable", "IZ", *options)["expectation"]["IZ"]["value"]
    assert out == pytest.approx(1.0 if value is None else value * math.cos(0.7), abs=1e-10)


def test_readout_errors_change_counts(bitket, bell):
    out = simulated(bitket, bell, "--noise", "readout:1,0")
    assert out["counts"] == {"11": 1024}


def test_a_noise_model_is_read_from_json(bitket, angles, tmp_path):
    from bitket.quantum.noise import NoiseModel

    path = tmp_path / "noise.json"
    path.write_text(json.dumps(NoiseModel.depolarizing(0.1, 0.2).to_dict()))
    out = simulated(bitket, angles, *AT, "--observable", "IZ", "--noise", path)["expectation"]["IZ"]["value"]
    assert out == pytest.approx(0.72 * math.cos(0.7), abs=1e-10)


@pytest.mark.parametrize("kind", ["svg", "png", "pdf"])
def test_counts_are_drawn(bitket, bell, tmp_path, kind):
    path = tmp_path / f"counts.{kind}"
    simulated(bitket, bell, "--figure", path)
    first = path.read_bytes()
    assert first[:4] in (b"<?xm", b"\x89PNG", b"%PDF")
    simulated(bitket, bell, "--figure", path)
    assert path.read_bytes() == first


def test_more_outcomes_than_fit_are_summed_up(bitket, tmp_path):
    path = tmp_path / "wide.qasm"
    path.write_text("OPENQASM 3; include 'stdgates.inc'; qubit[6] q; h q;")
    lines = bitket("simulate", path, "--shots", 6400, "--figure", tmp_path / "wide.svg")[1].splitlines()
    counts = simulated(bitket, path, "--shots", 6400)["counts"]
    assert len(lines) == 25
    shown = sum(int(line.split()[1]) for line in lines[:-1])
    assert lines[-1] == f"and {len(counts) - 24} more, {6400 - shown} shots together"


def test_what_a_circuit_leaves_out_is_noted(bitket, tmp_path):
    path = tmp_path / "delay.qasm"
    path.write_text("OPENQASM 3; include 'stdgates.inc'; qubit[1] q; delay[100ns] q[0]; x q[0];")
    status, out, err = bitket("simulate", path)
    assert status == 0
    assert out.startswith("1      1024  100.0%")
    assert err.startswith("bitket: note: ")


@pytest.mark.parametrize(
    ("text", "arguments", "message"),
    [
        (None, [], r"circuit.qasm: there is no such file"),
        ("OPENQASM 3; qubit[2] q\nx q[0];", [], "circuit.qasm:2:1: "),
        ("OPENQASM 2.0; qreg q[2]; foo q[0];", [], "foo"),
        ("OPENQASM 3; include 'stdgates.inc'; qubit[2] q; cx q[0], q[2];", [], "1:59: index 2 is out of range"),
        (
            "OPENQASM 3; include 'stdgates.inc'; qubit[50] q; h q;",
            ["--observable", "Z" * 50],
            "of memory are available",
        ),
        ("OPENQASM 3; qubit[2] q;", ["--observable", "ZZZ"], "--observable ZZZ: it is on 3 qubits, the circuit has 2"),
        ("OPENQASM 3; qubit[2] q;", ["--observable", "ZA"], "--observable ZA: operator, position 1"),
        ("OPENQASM 3; qubit[2] q;", ["--param", "a=1"], "--param a=1: the circuit has no parameters"),
        ("OPENQASM 3; qubit[2] q;", ["--shots", "0"], "'--shots': '0' is not a whole number from 1 to"),
        ("OPENQASM 3; qubit[2] q;", ["--gradient"], "--gradient: an --observable"),
        ("OPENQASM 3; qubit[2] q;", ["--figure", "x.txt"], "--figure x.txt: a name that ends in .svg"),
        ("OPENQASM 3; qubit[2] q;", ["--figure", "/proc/x.svg"], "cannot write /proc/x.svg"),
        ("OPENQASM 3; qubit[2] q;", ["--figure", "x.svg", "--observable", "ZZ"], "--figure draws counts: --shots"),
        ("OPENQASM 3; qubit[2] q;", ["--noise", "depolarizing:2"], "between 0 and"),
        ("OPENQASM 3; qubit[2] q;", ["--noise", "depolarizing:a"], "--noise depolarizing:a: one rate or two"),
        ("OPENQASM 3; qubit[2] q;", ["--noise", "bit_flip:0.1,0.1"], "--noise bit_flip:0.1,0.1: one rate after"),
        ("OPENQASM 3; qubit[2] q;", ["--noise", "nothing.json"], "nothing.json: there is no such file"),
        ("OPENQASM 3; qubit[2] q;", ["--noise", "x:1", "--noise", "readout:0"], "--noise x:1: depolarizing, readout"),
        ("OPENQASM 3; qubit[2] q;", ["--noise", "readout:0", "--device", "manila"], "--device and --noise: one of"),
        ("OPENQASM 3; qubit[2] q;", ["--device", "nowhere"], "nowhere"),
        (ANGLES, [], "parameter 'a' has no value: add --param a=NUMBER"),
        (ANGLES, ["--param", "a"], "--param a: NAME=NUMBER"),
        (ANGLES, ["--param", "a=inf"], "--param a=inf: NAME=NUMBER with a finite number"),
        (ANGLES, ["--param", "c=1"], "--param c=1: the circuit has parameters a, b"),
        (ANGLES, [*AT, "--observable", "ZZ", "--gradient", "--method", "magic"], "'magic'"),
        (ANGLES, [*AT, "--observable", "ZZ", "--shots", "9", "--gradient", "--method", "adjoint"], "adjoint"),
    ],
)
def test_wrong_input_ends_with_one_line_and_status_2(bitket, tmp_path, monkeypatch, text, arguments, message):
    monkeypatch.chdir(tmp_path)
    if text is not None:
        (tmp_path / "circuit.qasm").write_text(text)
    before = sorted(tmp_path.iterdir())
    status, out, err = bitket("simulate", "circuit.qasm", *arguments)
    assert (status, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1
    assert sorted(tmp_path.iterdir()) == before


def test_a_noise_model_that_does_not_keep_the_trace_is_refused(bitket, bell, tmp_path):
    path = tmp_path / "noise.json"
    path.write_text(json.dumps({"rules": [{"kraus": [[[[1, 0], [0, 0]], [[0, 0], [0.5, 0]]]]}]}))
    status, _, err = bitket("simulate", bell, "--noise", path)
    assert status == 2
    assert "trace" in err


def test_a_device_compiles_and_adds_its_noise(bitket, bell):
    out = simulated(bitket, bell, "--device", "manila", "--shots", 4000, "--observable", "ZZ")
    value, error = (out["expectation"]["ZZ"][name] for name in ("value", "standard_error"))
    assert value + 5 * error > 0.8
    assert value < 1
    assert sum(out["counts"].get(key, 0) for key in ("00", "11")) > 3400


@pytest.mark.parametrize(("control", "value"), [(0, 0.929427667), (1, 0.9325838375)])
def test_a_device_with_gates_one_way_has_their_noise_both_ways(bitket, tmp_path, control, value):
    gate = {"name": "cx", "qubits": [0, 1], "error": 0.05, "duration": 3e-7}
    qubits = [{"t1": 5e-5, "t2": 7e-5}] * 2
    fields = {"name": "oneway", "num_qubits": 2, "native": ["rz", "sx", "x", "cx"], "edges": [[0, 1]]}
    (tmp_path / "oneway.json").write_text(json.dumps(fields | {"qubits": qubits, "gates": [gate]}))
    (tmp_path / "c.qasm").write_text(
        f'OPENQASM 2.0;\ninclude "qelib1.inc";\nqreg q[2];\nh q[{control}];\ncx q[{control}],q[{1 - control}];\n'
    )
    status, out, err = bitket(
        "simulate", tmp_path / "c.qasm", "--device", tmp_path / "oneway.json", "--observable", "ZZ", "--json"
    )
    assert status == 0
    assert json.loads(out)["expectation"]["ZZ"]["value"] == pytest.approx(value, abs=1e-9)
    assert err.startswith("bitket: note: device oneway: no calibration of sx on qubit")
    assert err.count("\n") == 1


def test_a_noise_file_is_named_where_it_is_wrong(bitket, bell, tmp_path):
    path = tmp_path / "noise.json"
    for text, message in (("[1]", "noise model: list"), ('{"rules": [], "readout": 1}', "readout: ")):
        path.write_text(text)
        status, _, err = bitket("simulate", bell, "--noise", path)
        assert status == 2
        assert err.startswith(f"bitket: --noise {path}: ")
        assert message in err

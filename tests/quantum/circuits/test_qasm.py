import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitket.errors import BitketError
from bitket.quantum.circuits import Circuit, Condition, Parameter, gate
from bitket.quantum.circuits.gates import GATES, NAMES
from bitket.quantum.circuits.qasm import QasmError, load_qasm, read_qasm, save_qasm, write_qasm

HEAD2 = 'OPENQASM 2.0;\ninclude "qelib1.inc";\n'
HEAD3 = 'OPENQASM 3.0;\ninclude "stdgates.inc";\n'


def same(a: Circuit, b: Circuit) -> bool:
    return np.allclose(a.matrix(), b.matrix(), atol=1e-12)


def test_version_2_program():
    c = read_qasm(
        HEAD2
        + """
        gate twist(a, b) x, y { rz(a/2) x; cx x, y; u3(b, -a^2, sin(b)) y; barrier x, y; }
        qreg q[2]; qreg r[2]; creg c[2];
        h q;                     // broadcast
        cx q, r; twist(0.5, pi/3) q[0], r[1];
        measure q -> c; if (c == 2) x r[0]; reset q[1];
        """
    )
    assert c.num_qubits == 4
    assert c.count_ops()["cx"] == 3
    assert [i.condition for i in c if i.name == "x"] == [Condition((0, 1), 2)]


def test_version_3_program():
    c = read_qasm(
        HEAD3
        + """
        const int n = 3;
        input float[64] theta;
        @bitket.input
        input angle x;
        qubit[n] q; bit[n] c;
        gate layer(a) p { rx(a) p; rz(2*a) p; }
        for int i in [0:n-1] { layer(theta * i) q[i]; }
        for int i in {0, 2} ry(x / (i + 1)) q[i];
        let ends = q[{0, 2}];
        ctrl @ x ends[0], ends[1];
        negctrl(2) @ z q[0], q[1], q[2];
        inv @ pow(0.5) @ s q[1];
        int k = 0;
        while (k < 2) { h q[0]; k += 1; }
        c[0] = measure q[0];
        if (c[0]) { x q[1]; } else { z q[1]; }
        c = measure q;
        """
    )
    assert [p.name for p in c.weights] == ["theta"]
    assert [p.name for p in c.inputs] == ["x"]
    assert c.count_ops()["h"] == 2
    assert [i.condition for i in c if i.name in ("x", "z")] == [Condition((0,), 1), Condition((0,), 0)]


def test_modifiers_by_matrix():
    c = read_qasm(
        HEAD3 + "qubit[3] q; gate g(a) x, y { h x; crx(a) x, y; gphase(a); } ctrl @ inv @ g(0.3) q[2], q[0], q[1];"
    )
    inner = Circuit(2).h(0).crx(0.3, 0, 1).global_phase(0.3).inverse().control(1)
    assert same(c, Circuit(3).compose(inner, [2, 0, 1]))
    half = read_qasm(
        HEAD3 + "qubit[2] q; gate g x, y { h x; cx x, y; } pow(0.5) @ g q[0], q[1]; pow(1/2) @ g q[0], q[1];"
    )
    assert half.count_ops()  # integer division: 1/2 is 0, so the second is the identity to the power 0
    assert np.allclose(half.matrix() @ half.matrix(), Circuit(2).h(0).cx(0, 1).matrix(), atol=1e-10)


@given(st.integers(0, 2**31), st.sampled_from([2, 3]))
@settings(max_examples=60, deadline=None)
def test_round_trip(seed, version):
    rng = np.random.default_rng(seed)
    c = Circuit(4)
    for _ in range(12):
        base, _ = NAMES[name := str(rng.choice(list(NAMES)))]
        g = gate(name, *rng.uniform(-7, 7, GATES[base].num_params))
        if rng.random() < 0.2 and g.num_qubits < 4:
            g = g.control(1, int(rng.integers(2)))
        if g.num_qubits <= 4:
            c.append(g, rng.permutation(4)[: g.num_qubits])
    again = read_qasm(write_qasm(c, version)).matrix()
    if version == 2:  # no global phase in version 2
        again = again * (np.vdot(again, c.matrix()) / abs(np.vdot(again, c.matrix())))
    assert np.allclose(again, c.matrix(), atol=1e-9)


def test_parameters_and_conditions_round_trip(tmp_path):
    c = Circuit(2, 3).ry(2 * Parameter("theta[0]") + Parameter("x 1", "input").sin(), 0).measure(0, 1)
    c.append(gate("x"), [1], condition=Condition((1, 2), 1)).measure(1, 2)
    save_qasm(c, tmp_path / "c.qasm")
    again = load_qasm(tmp_path / "c.qasm")
    assert (again.weights, again.inputs) == (c.weights, c.inputs)
    assert [i.condition for i in again] == [i.condition for i in c]
    values = {"theta[0]": 0.3, "x 1": -0.7}
    assert again.bind(values).instructions[0].gate.params == pytest.approx(c.bind(values).instructions[0].gate.params)


def test_includes_stay_in_the_folder(tmp_path):
    (tmp_path / "mine.inc").write_text("gate mine a { h a; }")
    (tmp_path / "a.qasm").write_text(HEAD2 + 'include "mine.inc"; qreg q[1]; mine q[0];')
    assert load_qasm(tmp_path / "a.qasm").count_ops() == {"h": 1}
    (tmp_path / "b.qasm").write_text(HEAD2 + 'include "../secret.inc"; qreg q[1];')
    with pytest.raises(QasmError, match="outside of the program's folder"):
        load_qasm(tmp_path / "b.qasm")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("qreg q[2]; hh q[0];", r"1:12: gate 'hh' is unknown; did you mean"),
        ("qreg q[2];\nx q[5];", r"2:4: index 5 is out of range.*0 to 1"),
        ("qreg q[2]; cx q[0], q[0];", "same qubit is used twice"),
        ("qreg q[2]; rx q[0];", "takes 1 parameters, 0 were given"),
        ("qreg q[2]; x q[0]", r"1:18: ';' expected, found 'end of file'"),
        ("qreg q[2]; x q[0; ", "expected"),
        ("qreg q[2]; rx(1/0) q[0];", "division"),
        ("OPENQASM 3.0; qubit[2] q; rx(9**9**9) q[0];", "bits"),
        ("qreg q[1000000000000];", "bits in all can be read"),
        ("qreg q[1]; rx(" + "(" * 500, "nested more than"),
        ("gate a0 x { h x; } " + "".join(f"gate a{i} x {{ a{i - 1} x; a{i - 1} x; }} " for i in range(1, 40)) + "qreg q[1]; a39 q[0];",
         "unfold into more than"),
        ("OPENQASM 3.0; qubit q; for int i in [0:10000000000] { x q; }", "turns"),
        ("OPENQASM 3.0; qubit q; while (true) { }", "turns"),
        ("OPENQASM 3.0; qubit q; bit c; c = measure q; while (c) { x q; }", "cannot be unrolled"),
        ("OPENQASM 3.0; extern f(int) -> int;", "external functions are not supported"),
        ("gate a x { b x; } gate b x { a x; } qreg q[1]; b q[0];", "gate 'b' is unknown"),
        ("OPENQASM 5.0;", "versions 2 and 3"),
        ("/* no end", "comment without an end"),
        ("", "declares no qubits"),
        ("qreg q[1]; creg c[1]; measure q[0] -> d[0];", "'d' is not declared"),
        ("opaque magic a; qreg q[1]; magic q[0];", "opaque"),
        ("qreg q[1]; qreg q[2];", "declared twice"),
        ("qreg q[1]; rx(1e999) q[0];", "too large"),
        ("qreg q[1]; \x00", "is not OpenQASM"),
    ],
)  # fmt: skip
def test_bad_input_is_named_with_its_place(text, message):
    with pytest.raises(QasmError, match=message) as caught:
        read_qasm(text)
    assert str(caught.value).startswith("<text>:")
    assert "\n" not in str(caught.value)


WORDS = """
OPENQASM include qreg creg qubit bit gate opaque measure reset barrier if else for in while let const input
float int angle h x cx rx U ctrl inv pow negctrl @ ( ) [ ] { } ; , : -> = == + - * / ** ^ ++ q c a pi 0 1 2 3.5
1e3 "qelib1.inc" // /* */ $0 % ! && || << < > true
""".split()  # fmt: skip


def survives(text: str) -> None:
    """Any text is a circuit or an error of one line; any other exception fails the test."""
    said = ""
    try:
        assert read_qasm(text).num_qubits >= 1
    except QasmError as error:
        said = str(error)
    assert "\n" not in said


@given(st.lists(st.sampled_from(WORDS), max_size=40))
@settings(max_examples=400, deadline=None)
def test_word_soup_never_crashes(words):
    survives("qreg q[2]; creg c[2]; " + " ".join(words))


VALID = (
    HEAD3
    + "qubit[2] q; bit[2] c; input float t; gate g(a) x { rx(a*2) x; } for int i in [0:1] { g(t) q[i]; } if (c[0] == 1) { h q[0]; }"
)


@given(st.integers(0, len(VALID)), st.integers(0, 6), st.text(max_size=4))
@settings(max_examples=400, deadline=None)
def test_mutations_never_crash(at, removed, added):
    survives(VALID[:at] + added + VALID[at + removed :])


@given(st.text(max_size=60))
@settings(max_examples=200, deadline=None)
def test_any_text_never_crashes(text):
    survives(text)


def test_long_sums_and_exact_numbers():
    c = read_qasm(HEAD3 + "qubit q; rx(" + "+".join(["0.001"] * 20_000) + ") q;")
    assert c.instructions[0].gate.params[0] == pytest.approx(20, rel=1e-9)
    rng = np.random.default_rng(0)
    for value in [*rng.normal(size=50) * 10.0 ** rng.integers(-8, 8, 50), math.pi / 3, -7 * math.pi / 8]:
        again = read_qasm(write_qasm(Circuit(1).rx(float(value), 0)))
        assert again.instructions[0].gate.params == (float(value),)


def test_version_2_cannot_write_parameters():
    with pytest.raises(BitketError, match="bind 'a' first"):
        write_qasm(Circuit(1).rx(Parameter("a"), 0), 2)

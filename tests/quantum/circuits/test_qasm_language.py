"""OpenQASM 3 (and the corners of 2), construct by construct: each program beside the circuit it must be."""

import math

import numpy as np
import pytest

from bitket.errors import InvalidInput
from bitket.quantum.circuits import Circuit, Condition, Parameter, gate
from bitket.quantum.circuits.qasm import QasmError, QasmWarning, load_qasm, read_qasm

HEAD2 = 'OPENQASM 2.0;\ninclude "qelib1.inc";\n'
HEAD3 = 'OPENQASM 3.0;\ninclude "stdgates.inc";\n'


def rotations(*angles: float) -> Circuit:
    c = Circuit(1)
    for a in angles:
        c.rx(a, 0)
    return c


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("7/2", 3),
        ("-7/2", -3),
        ("7/(-2)", -3),
        ("-7%3", -1),
        ("7/2.0", 3.5),
        ("2**3**2/512", 1),
        ("-2**2", -4),
        ("2**-1", 0.5),
        ("1+2*3-4", 3),
        ("(1<<4)|3", 19),
        ("6^3", 5),
        ("6&3", 2),
        ("~0", -1),
        ("0x1F + 0b11 + 0o17 + 1_000", 1049),
        ("pi/2 + tau - euler*0", 2.5 * math.pi),
        ("π", math.pi),
        ("sin(0.5)**2 + cos(0.5)**2", 1),
        ("arctan(1)*4", math.pi),
        ("sqrt(2)*exp(0)*log(euler)", math.sqrt(2)),
        ("pow(2, 5) + mod(7, 4)", 35),
        ('popcount("0110")', 2),
        ('int[8](rotl("0110", 1))', 12),
        ("int(3.9) + int(-3.9)", 0),
        ("uint[4](17)", 1),
        ("int[4](9)", -7),
        ("float(3)/2", 1.5),
        ("int(true) + int(3 > 2) + int(3 == 2)", 2),
        (".5e1 + 2.", 7),
        ("+-+-3", 3),
    ],
)
def test_arithmetic_3(expression, value):
    c = read_qasm(HEAD3 + f"qubit q; rx({expression}) q;")
    assert c.instructions[0].gate.params[0] == pytest.approx(value, abs=1e-15)


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("7/2", 3.5),
        ("2^3^2", 512),
        ("-2^2", -4),
        ("ln(exp(2))", 2),
        ("sqrt(4)*tan(0.3)", 2 * math.tan(0.3)),
        ("1e-3", 1e-3),
    ],
)
def test_arithmetic_2(expression, value):
    c = read_qasm(HEAD2 + f"qreg q[1]; rx({expression}) q[0];")
    assert c.instructions[0].gate.params[0] == pytest.approx(value, abs=1e-15)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("qubit q; const int n = 2; const float a = pi/n; rx(a) q;", rotations(math.pi / 2)),
        ("qubit q; int i = 3; i += 2; i *= i; rx(i) q;", rotations(25)),
        ("qubit q; uint[3] i = 7; i += 2; rx(i) q;", rotations(1)),
        ("qubit q; for int i in [0:2:6] rx(i) q;", rotations(0, 2, 4, 6)),
        ("qubit q; for uint i in [3:-1:1] { rx(i) q; }", rotations(3, 2, 1)),
        ("qubit q; for int i in {4, 1} { rx(i) q; }", rotations(4, 1)),
        ("qubit q; for int i in [0:9] { if (i == 1) continue; if (i > 3) { break; } rx(i) q; }", rotations(0, 2, 3)),
        ("qubit q; int i = 0; while (i < 3) { rx(i) q; i = i + 1; }", rotations(0, 1, 2)),
        ("qubit q; for int i in [0:1] for int j in [0:1] rx(2*i+j) q;", rotations(0, 1, 2, 3)),
        ("qubit q; array[float[64], 3] a = {0.1, 0.2, 0.3}; a[1] = 9; for float x in a rx(x) q;", rotations(0.1, 9, 0.3)),
        ("qubit q; array[int, 2, 2] a = {{1, 2}, {3, 4}}; rx(a[1, 0] + a[0][1]) q;", rotations(5)),
        ('qubit q; const bit[3] s = "011"; for int i in [0:2] if (s[i]) rx(i) q;', rotations(0, 1)),
        ("qubit q; uint[4] n = 5; for int i in [0:3] { if (bool(n[i])) rx(i) q; }", rotations(0, 2)),
        ("qubit q; int x = 1; { int x = 2; rx(x) q; } rx(x) q;", rotations(2, 1)),
        ("qubit q; def f(qubit p, angle a) { rx(a) p; rx(2*a) p; } f(q, 0.5);", rotations(0.5, 1)),
        ("qubit q; def f(int n) -> float { if (n == 0) return 1.0; return n * f(n - 1); } rx(f(4)) q;", rotations(24)),
        ("qubit q; switch (2) { case 1 { rx(1) q; } case 2, 3 { rx(2) q; } default { rx(0) q; } }", rotations(2)),
        ("qubit q; switch (7) { case 1 { rx(1) q; } default { rx(0) q; } }", rotations(0)),
        ("qubit q; gate g(a) p { for int i in [1:3] { rx(a*i) p; } } g(2) q;", rotations(2, 4, 6)),
        ("const float k = 3; qubit q; gate g p { rx(k) p; } g q;", rotations(3)),
        ("qubit q; rx(1) q; end; rx(2) q;", rotations(1)),
        ("qubit q; box { rx(1) q; } pragma keep this\n#pragma and this\n@some.note x y ( z\nrx(2) q;", rotations(1, 2)),
        ("rx(1) $0;", rotations(1)),
        ("qubit[3] q; x q[-1]; x q[{0, 1}];", Circuit(3).x(2).x(0).x(1)),
        ("qubit[4] q; x q[1:2]; x q[0:2:3]; x q[3:-2:0];", Circuit(4).x(1).x(2).x(0).x(2).x(3).x(1)),
        ("qubit[2] a; qubit b; let c = a ++ b; cx c[0], c[2];", None),
        ("qubit[2] a; qubit[2] b; let c = a[1:1] ++ b[{1, 0}]; cx c[0], c[1]; h c;", Circuit(4).cx(1, 3).h(1).h(3).h(2)),
        ("qubit[2] a; qubit[2] b; qubit d; cx a, b; ccx a, b, d;", Circuit(5).cx(0, 2).cx(1, 3).ccx(0, 2, 4).ccx(1, 3, 4)),
        ("qreg q[2]; creg c[1]; cx q[0], q[1]; measure q[0] -> c[0];", Circuit(2, 1).cx(0, 1).measure(0, 0)),
        ("qubit[2] q; bit[2] c; c = measure q; reset q; barrier q[0]; barrier;",
         Circuit(2, 2).measure(0, 0).measure(1, 1).reset(0).reset(1).barrier(0).barrier(0, 1)),
        ("qubit q; bit c = measure q; bit d; d = measure q;", Circuit(1, 2).measure(0, 0).measure(0, 1)),
        ("qubit[2] q; def m(qubit p) -> bit { h p; return measure p; } bit c; c = m(q[1]);", Circuit(2, 1).h(1).measure(1, 0)),
        ("qubit[2] q; for int i in [0:1] { bit b; b = measure q[i]; if (b) x q[i]; }", None),
        ("qubit[2] q; phase(0.1) q[0]; cphase(0.2) q[0], q[1]; CX q[0], q[1]; u1(0.3) q[0]; u2(0.1, 0.2) q[0]; u3(1, 2, 3) q[0];",
         Circuit(2).p(0.1, 0).cp(0.2, 0, 1).cx(0, 1).p(0.3, 0).u(math.pi / 2, 0.1, 0.2, 0).u(1, 2, 3, 0)),
        ("qubit[4] q; ctrl(2) @ negctrl @ x q[0], q[1], q[2], q[3];", Circuit(4).append(gate("x").control(3, 3), [0, 1, 2, 3])),
        ("qubit[2] q; negctrl @ rz(0.3) q[1], q[0]; inv @ ctrl @ s q[0], q[1];",
         Circuit(2).append(gate("rz", 0.3).control(1, 0), [1, 0]).append(gate("csdg"), [0, 1])),
        ("qubit q; pow(-2) @ rx(0.3) q; pow(0.5) @ z q; pow(3) @ x q; pow(2) @ x q; inv @ pow(2) @ t q;", None),
        ("qubit[2] q; gphase(0.5); ctrl @ gphase(0.25) q[0]; ctrl(2) @ gphase(0.125) q[0], q[1];",
         Circuit(2).global_phase(0.5).p(0.25, 0).cp(0.125, 0, 1)),
        ("qubit q; U(0.1, 0.2, 0.3) q;", Circuit(1).u(0.1, 0.2, 0.3, 0)),
    ],
)  # fmt: skip
def test_program_3(body, expected):
    c = read_qasm(HEAD3 + body)
    if expected is None:
        expected = {
            "let": Circuit(3).cx(0, 2),
            "for": Circuit(2, 2)
            .measure(0, 0)
            .append(gate("x"), [0], condition=Condition((0,), 1))
            .measure(1, 1)
            .append(gate("x"), [1], condition=Condition((1,), 1)),
            "pow": Circuit(1).rx(-0.6, 0).p(math.pi / 2, 0).x(0).p(-math.pi / 2, 0),
        }[next(word for word in ("let", "for", "pow") if word in body)]
    assert c == expected


LIBRARY_2 = """
u3(0.1,0.2,0.3) q[0]; u2(0.1,0.2) q[0]; u1(0.1) q[0]; u0(1) q[0]; u(0.1,0.2,0.3) q[0]; p(0.1) q[0]; id q[0]; U(0.1,0.2,0.3) q[0];
CX q[0],q[1]; sx q[0]; sxdg q[0]; cz q[0],q[1]; cy q[0],q[1]; swap q[0],q[1]; ch q[0],q[1]; crx(0.1) q[0],q[1]; cry(0.1) q[0],q[1];
crz(0.1) q[0],q[1]; cu1(0.1) q[0],q[1]; cp(0.1) q[0],q[1]; cu3(0.1,0.2,0.3) q[0],q[1]; csx q[0],q[1]; cu(0.1,0.2,0.3,0.4) q[0],q[1];
rxx(0.1) q[0],q[1]; rzz(0.1) q[0],q[1]; ccx q[0],q[1],q[2]; cswap q[0],q[1],q[2]; c3x q[0],q[1],q[2],q[3];
c3sqrtx q[0],q[1],q[2],q[3]; c4x q[0],q[1],q[2],q[3],q[4]; rccx q[0],q[1],q[2]; rc3x q[0],q[1],q[2],q[3];
"""


def test_library_2_is_whole():
    c = read_qasm(HEAD2 + "qreg q[5];" + LIBRARY_2)
    assert [i.name for i in c][:-27] == (
        "u u p id u p id u cx sx sxdg cz cy swap ch crx cry crz cp cp cu3 csx cu rxx rzz ccx cswap c3x c3sx c4x".split()
    )
    relative = Circuit(3)
    for i in c.instructions[-27:-18]:
        relative.append(i.gate, i.qubits)
    toffoli = Circuit(3).ccx(0, 1, 2).matrix()
    assert np.allclose(abs(relative.matrix()), toffoli)  # a Toffoli gate but for phases


def test_conditions_become_disjoint_patterns():
    def conditions(condition: str) -> dict[int, int]:
        """How often x acts, for each value of three bits."""
        c = read_qasm(HEAD3 + f"qubit q; bit[3] c; if ({condition}) x q;")
        found = {}
        for value in range(8):
            found[value] = sum(
                all(value >> b & 1 == i.condition.value >> k & 1 for k, b in enumerate(i.condition.clbits))
                if i.condition
                else 1
                for i in c
            )
        return found

    cases = {
        "c == 5": lambda v: v == 5,
        "c != 5": lambda v: v != 5,
        '"101" == c': lambda v: v == 5,
        "c < 3": lambda v: v < 3,
        "c <= 3": lambda v: v <= 3,
        "c > 3": lambda v: v > 3,
        "c >= 6": lambda v: v >= 6,
        "5 > c": lambda v: v < 5,
        "c >= 0": lambda v: True,
        "c < 0": lambda v: False,
        "c[1]": lambda v: v & 2,
        "!c[1]": lambda v: not v & 2,
        "~c[1]": lambda v: not v & 2,
        "c[1] == 0": lambda v: not v & 2,
        "c[1] == true": lambda v: v & 2,
        "c[0] && c[2]": lambda v: v & 5 == 5,
        "c[0] || c[2]": lambda v: v & 5,
        "c[0] ^ c[2]": lambda v: (v & 1) ^ (v >> 2),
        "c[0] == c[2]": lambda v: (v & 1) == (v >> 2),
        "!(c == 1 || c == 2) && c[1:2] != 3": lambda v: v not in (1, 2) and v >> 1 != 3,
        "uint[3](c) == 4 && 3 > 2": lambda v: v == 4,
        "int[3](c) == -3": lambda v: v == 5,
        "int[3](c) != 3": lambda v: v != 3,
        "int[8](c) > 3": lambda v: v > 3,
        "bool(c[0])": lambda v: v & 1,
        "c == 1 || true": lambda v: True,
    }
    for text, holds in cases.items():
        assert conditions(text) == {v: int(bool(holds(v))) for v in range(8)}, text


def test_branches():
    c = read_qasm(
        HEAD3 + "qubit q; bit[2] c; if (c[0]) { if (c[1]) x q; else y q; z q; } else if (c == 2) h q; else s q;"
    )
    assert [(i.name, i.condition) for i in c] == [
        ("x", Condition((0, 1), 3)),
        ("y", Condition((0, 1), 1)),
        ("z", Condition((0,), 1)),
        ("h", Condition((0, 1), 2)),
        ("s", Condition((0, 1), 0)),
    ]
    c = read_qasm(HEAD3 + "qubit q; bit[2] c; switch (c) { case 0, 3 { x q; } case 1 { y q; } default { z q; } }")
    assert [(i.name, i.condition.value) for i in c] == [("x", 0), ("x", 3), ("y", 1), ("z", 2)]
    c = read_qasm(HEAD2 + "qreg q[2]; creg c[2]; if(c==1) measure q[0] -> c[0]; if(c==3) cx q[0],q[1];")
    assert [(i.name, i.condition.value) for i in c] == [("measure", 1), ("cx", 3)]


def test_parameters():
    c = read_qasm(
        HEAD3
        + 'input float t; @bitket.input\ninput angle[32] x; @bitket.weight "w[1]"\ninput float w_1; input array[float, 2] v;'
        "qubit q; gate g(a) p { rx(a) p; rx(sin(a)/2) p; } g(t*x) q; rz(w_1 - v[1]) q;",
        inputs=["v"],
    )
    t, x, w = Parameter("t"), Parameter("x", "input"), Parameter("w[1]")
    v = [Parameter(f"v[{i}]", "input") for i in range(2)]
    assert c.parameters == (t, x, w, *v)
    assert [i.gate.params[0] for i in c] == [t * x, (t * x).sin() / 2, w - v[1]]
    assert read_qasm(HEAD3 + "input float t; qubit q; float a = 2; a = a * t; rx(a) q;").instructions[
        0
    ].gate.params == (2.0 * t,)
    with pytest.raises(InvalidInput, match="no input parameter 'y'; there are: t"):
        read_qasm(HEAD3 + "input float t; qubit q;", inputs=["y"])


def test_a_definition_equal_to_the_standard_gate_is_that_gate():
    text = "gate iswap a,b { s a; s b; h a; cx a,b; cx b,a; h b; } gate cs a,b { cx a,b; } "
    c = read_qasm(HEAD2 + text + "qreg q[2]; iswap q[0],q[1]; cs q[0],q[1];")
    assert [i.name for i in c] == ["iswap", "cx"]  # the second only bears the name
    own = read_qasm(HEAD2 + "gate h a { x a; } qreg q[1]; h q[0]; h q;")
    assert own.count_ops() == {"x": 2}
    late = read_qasm(HEAD2 + "qreg q[1]; h q[0]; gate h a { x a; } h q[0];")
    assert [i.name for i in late] == ["h", "x"]


def test_delays_are_left_out_and_said():
    with pytest.warns(QasmWarning, match=r"<text>:3:10: delay is left out"):
        c = read_qasm(HEAD3 + "qubit q; delay[100ns] q; duration d = 10 us; delay[d] q; x q;")
    assert c.count_ops() == {"x": 1}


def test_the_version_of_a_text_without_one():
    assert read_qasm("qreg q[1]; rx(2^3) q[0];").instructions[0].gate.params == (8.0,)
    assert read_qasm("qubit[1] q; rx(2^3) q[0];").instructions[0].gate.params == (1.0,)


def test_short_and_long_way_agree():
    """The statements of large files are read by a way of their own; a space sends them the other way."""
    short = HEAD2 + "qreg q[3]; qreg r[2]; creg c[3];\n"
    short += "gate g(a) x,y { rx(a) x; cx x,y; }\ng(0.5) q[0],r[1];\ng(-pi/2) q[2],q[1];\n"
    short += "h q[0];\nrz(0.25) q[1];\nu3(pi/2,-1e-3,2*pi/3) r[0];\nccx q[0],q[1],r[1];\nrccx q[2],q[1],q[0];\nmeasure q[1] -> c[2];\n"
    assert read_qasm(short) == read_qasm(short.replace("[", " /**/ ["))
    for wrong in (
        "cx q[0],q[0];",
        "cx q[0],q[3];",
        "h q[0],q[1];",
        "h(1) q[0];",
        "h c[0];",
        "hh q[0];",
        "measure q[0] -> q[1];",
    ):
        with pytest.raises(QasmError) as a:
            read_qasm(short + wrong)
        with pytest.raises(QasmError) as b:
            read_qasm(short + wrong.replace("[", " ["))
        assert str(a.value).split(": ", 1)[1] == str(b.value).split(": ", 1)[1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("qubit q; foo q;", "gate 'foo' is unknown"),
        ("qubit q; rxx(1) q;", r"gate 'rxx' is unknown; did you mean 'rx'\?"),
        ("qubit q; rx(thata) q;", "'thata' is not declared here"),
        ("input float theta; qubit q; rx(thata) q;", r"'thata' is not declared here; did you mean 'theta'\?"),
        ("qubit q; bit c; while (c) x q;", "cannot be unrolled"),
        ("qubit q; bit c; for int i in [0:1] { if (c) { break; } }", "'break' that depends on measured bits"),
        ("qubit q; bit c; int i = 0; if (c) { i = 1; }", "'i' would depend on measured bits"),
        ("qubit q; bit c; if (c) { c = measure q; x q; }", "changed bits that the condition around it asks"),
        ("qubit q; bit c; if (c) { c = measure q; } else { x q; }", "changed bits that the condition around it asks"),
        ("qubit q; bit[2] c; if (c != 0) { c[0] = measure q; }", "measurement into bits that the condition"),
        ("qubit q; bit[2] c; if (c == 4) x q;", "the value 4 does not fit 2 classical bits: 0 to 3 is allowed"),
        ("qubit q; bit[2] c; if (c) x q;", "compare the register with a number"),
        ("qubit q; bit[2] c; if (int[2](c) == 2) x q;", "numbers from -2 to 1"),
        ("qubit q; bit[2] c; if (c + 1 == 2) x q;", r"'\+' on measured bits"),
        ("qubit q; bit c; c = 1;", "only be set by measurements"),
        ("qubit q; bit c = 1;", "another first value is not supported"),
        ("qubit q; input int n;", "input int 'n': only inputs of type float and angle"),
        ("qubit q; input float t; if (t > 0) x q;", "expression in input parameters: its value is not known"),
        ("qubit q; const int n = 1; n = 2;", "'n' is constant"),
        ("qubit q; int n; rx(n) q;", "'n' has no value yet"),
        ("qubit q; qubit q;", "'q' is declared twice"),
        ("qubit q; float pi = 3;", "'pi' is declared twice"),
        ("qubit q; h q[0];", "an index into 'q', a qubit, which is no register"),
        ("qubit[2] q; qubit[3] r; cx q, r;", r"registers of different sizes \(2, 3\)"),
        ("qubit[2] q; ctrl @ x q[0];", "with its modifiers takes 2 qubits, 1 were given"),
        ("qubit q; let a = q ++ q;", "names a qubit twice"),
        ("qubit q; x $0;", "either physical qubits"),
        ("qubit q; gate g a { x b; }", "'b' is not a qubit of gate 'g'; its qubits are a"),
        ("qubit q; gate g(t) a { rx(s) a; }", "'s' is no parameter of gate 'g'"),
        ("qubit q; gate g a { reset a; }", "'reset' in the body of gate 'g'"),
        ("qubit q; gate g a { measure a; }", "may hold only gates"),
        ("qubit q; gate g a { cx a, a; }", "a qubit stands twice"),
        ("qubit q; gate g a, a { x a; }", "the name 'a' stands twice"),
        ("qubit q; gate g a { x a; } gate g a { x a; }", "gate 'g' is declared twice"),
        ("qubit q; def f(qubit p) { x q; } f(q);", "'q' is not declared here"),
        ("qubit q; def f(qubit p) { x p; } f(q, q);", "subroutine 'f' takes 1 values, 2 were given"),
        ("qubit q; def f(int n) -> int { return f(n); } rx(f(1)) q;", "more than 40 deep"),
        ("qubit q; float[64] x = 1.0 im;", "complex numbers are not supported"),
        ("qubit q; defcal x q { }", "pulses"),
        ("qubit q; rx(1) q", "';' expected, found 'end of file'"),
        ("qubit q; rx(2pi) q;", "a number that runs into a name"),
        ("qubit q; if (true) { x q;", "is not closed"),
        ("qubit q; include \"other.inc\";", "load a file for others"),
        ("qubit q; measure q;", "whose outcome is not kept"),
        ("qubit q; bit c; int i = 3 % 0;", "division by zero"),
        ("qubit q; rx(sqrt(-1)) q;", r"sqrt\(-1\): the result is not a finite real number"),
        ("qubit q; rx((-8)**0.5) q;", "the result is not a finite real number"),
        ("qubit q; for int i in [0:0:3] x q;", "the step of a range is 0"),
        ("qubit q; break;", "'break' outside of a loop"),
        ("qubit q; return;", "'return' outside of a subroutine"),
        ("qubit q; pow(0.5) @ U(t, 0, 0) q;", "'t' is not declared here"),
        ("input float t; qubit q; pow(0.5) @ U(t, 0, 0) q;", "parameters without values"),
        ("input float a; input float a; qubit q;", "'a' is declared twice"),
        ("qubit[2] q; barrier q[2];", "index 2 is out of range"),
        ("qubit q; @ note\nx q;", "name of an annotation"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(text, message):
    with pytest.raises(QasmError, match=message) as caught:
        read_qasm(HEAD3 + text, name="a.qasm")
    assert str(caught.value).startswith(("a.qasm:3:", "a.qasm:4:"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("qubit q;", "a word of OpenQASM 3, but this text is read as version 2"),
        ("bit[2] c;", "a statement of OpenQASM 3, but this text is read as version 2"),
        ("qreg q[2]; x q[-1];", "index -1 is out of range"),
        ("qreg q[1]; creg c[1]; if(c==2) x q[0];", "does not fit"),
        ("opaque magic(a) x; qreg q[1]; magic(1) q[0];", "gate 'magic' is opaque"),
        ("qreg q[1]; x q[0]; qreg q[1];", "declared twice"),
        ("qreg q;", r"'\[' expected"),
        (
            "qreg q[3];\ngate flip a { x q[0]; }\nflip q[1];",
            r"4:18: 'q\[0\]' is not a qubit of gate 'flip'; its qubits are a",
        ),
    ],
)
def test_what_is_wrong_in_version_2(text, message):
    with pytest.raises(QasmError, match=message):
        read_qasm(HEAD2 + text)


@pytest.mark.parametrize(
    "text",
    [
        "gate g a { x NAMED; }",
        "gate g a { x NAMED[0]; }",
        "gate g a { x NAMED[0][1]; }",
        "gate g a { barrier NAMED[2:3]; }",
        "gate g a, b { cx NAMED[0], b; }",
        "x NAMED;",
        "const int NAMED = 1; x NAMED;",
        "const int NAMED = 1; reset NAMED;",
        "bit[3] NAMED; x NAMED;",
        "bit[3] NAMED; x NAMED[1];",
        "bit NAMED; NAMED = measure NAMED;",
        "qubit[2] NAMED; measure q -> NAMED;",
        "qubit[2] NAMED; bit[3] c; c = measure NAMED;",
        "qubit[2] p; bit[3] NAMED; measure p -> NAMED;",
        "qubit[2] p; bit[3] NAMED = measure p;",
        "qubit[2] NAMED; x NAMED[2];",
        "qubit[2] NAMED; x NAMED[0:2];",
        "qubit[2] NAMED; x NAMED[{0, -3}];",
        "qubit NAMED; x NAMED[0];",
        "array[int, 3] NAMED = {1, 2, 3}; rx(NAMED[3]) q;",
        "array[int, 3] NAMED = {1, 2, 3}; rx(NAMED) q;",
        "array[int, 3] NAMED = {1, 2, 3}; rx(NAMED[0:1]) q;",
        "float NAMED = 1; rx(NAMED[0]) q;",
        "bool NAMED = true; rx(NAMED) q;",
        "int NAMED = 1; let a = NAMED;",
        "int NAMED = 1; for int i in NAMED { }",
        "cx NAMED, q;",
        "qubit[2] NAMED; cx NAMED[1], NAMED[1];",
        "qubit[2] NAMED; qubit[3] p; cx NAMED, p;",
        "NAMED q;",
        "gate NAMED a { x a; } NAMED(1) q;",
        "gate NAMED a { x a; } NAMED q, q;",
        "gate NAMED a { x a; } gate NAMED a { x a; }",
        "opaque NAMED a; NAMED q;",
        "def NAMED(qubit p) { x p; } NAMED(q, q);",
        "def f(qubit[2] NAMED) { } f(q);",
        "int NAMED; rx(NAMED) q;",
        "const int NAMED = 1; NAMED = 2;",
        "qubit NAMED; qubit NAMED;",
        "bit NAMED = 1;",
        "input int NAMED;",
        "let NAMED = q ++ q;",
        "rx(NAMED(1)) q;",
        "rx(NAMED) q;",
        "bit[NAMED] c;",
        "const int n = -1; bit[n] NAMED;",
    ],
)
def test_the_name_of_what_is_wrong_is_said(text):
    with pytest.raises(QasmError, match=r"'[^']*NAMED|\bNAMED\b") as caught:
        read_qasm(HEAD3 + "qubit q;\n" + text)
    assert "'' " not in str(caught.value)


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\n\f\n", " \v\n", "\u2028\n"])
def test_marks_and_ends_of_lines(tmp_path, mark, end):
    lines = [
        "OPENQASM 3.0; // a comment",
        'include "stdgates.inc";',
        "qubit q;",
        "@bitket.input",
        "input float t;",
        "rx(t) q;",
        "h q;",
    ]
    expected = read_qasm("\n".join(lines))
    file = tmp_path / "a.qasm"
    file.write_bytes(mark + end.join(lines).encode())
    assert load_qasm(file) == expected
    assert load_qasm(file).inputs == expected.inputs
    assert read_qasm((mark + end.join(lines).encode()).decode()) == expected
    file.write_bytes(end.join(lines).encode("utf-16"))
    assert load_qasm(file) == expected
    file.write_bytes(mark + end.join([*lines, "x p;"]).encode())
    with pytest.raises(QasmError, match=rf"a\.qasm:{1 + 7 * (end.count(chr(10)) or 1)}:3: 'p'"):
        load_qasm(file)


@pytest.mark.parametrize("width", [1, 2, 3, 7, 20])
def test_angles_of_a_width_are_its_multiples(width):
    rng = np.random.default_rng(width)
    unit = 2 * math.pi / 2**width

    def nearest(value: float) -> float:
        return round(value / unit) % 2**width * unit

    for _ in range(20):
        a, b, n = float(rng.normal(0, 4)), float(rng.normal(0, 4)), int(rng.integers(1, 9))
        text = f"angle[{width}] a = {a!r}; angle[{width}] b; b = {b!r};"
        shown = "a b -a a+b a-b a*N N*b a/N sin(a) a<<1 ~a".replace("N", str(n)).split()
        p, q = nearest(a), nearest(b)
        expected = [p, q, nearest(-p), nearest(p + q), nearest(p - q), nearest(p * n), nearest(n * q),
                    round(p / unit) // n * unit, math.sin(p), nearest(2 * p), nearest(-p - unit)]  # fmt: skip
        c = read_qasm(
            HEAD3 + "qubit q;" + text + "".join(f"rx({e}) q;" for e in shown) + f"if (a == {p!r} && a <= {p!r}) x q;"
        )
        assert np.allclose([i.gate.params[0] for i in list(c)[:-1]], expected, rtol=0, atol=1e-9)
        assert c.instructions[-1].name == "x"


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("angle[4] a = 2.0; angle[2] b = a; angle[8] c = b; rx(b) q; rx(c) q;", [math.pi / 2, math.pi / 2]),
        ("angle[3] a = 0.75*pi; angle[2] b = a; rx(b) q;", [math.pi / 2]),  # 011 becomes 01
        ("rx(angle[1](pi/2)) q; rx(angle[1](1.5*pi)) q;", [0, 0]),  # of two nearest the even one
        ('angle[4] a = "0100"; rx(a) q; const bit[4] s = a; rx(popcount(s)) q; if (a[2]) x q;', [math.pi / 2, 1]),
        ("angle[4] a = pi; a += pi; rx(a) q; a -= pi/8; rx(a) q; rx(a / angle[4](pi/4)) q;", [0, 15 / 8 * math.pi, 7]),
        ("angle[8] a = pi; rx(0.5 * a) q; rx(float(a)) q; rx(pi - a) q;", [math.pi / 2, math.pi, 0]),
        ("float[32] a = 0.1; rx(a) q; rx(float[16](0.1)) q; rx(float[64](0.1)) q;", [float(np.float32(0.1)), float(np.float16(0.1)), 0.1]),
        ("uint[4] a = 15; uint[4] b = 1; rx(a+b) q; rx(~b) q; rx(a<<1) q; rx(b-a) q; rx(a*a) q; rx(a+1) q;", [0, 14, 14, 2, 1, 16]),
        ("int[4] a = 7; int[4] b = 1; rx(a+b) q; rx(-a) q; int[4] c = -8; rx(-c) q; uint[8] d = 1; rx(c+d) q;", [-8, -7, -8, 249]),
        ("const bit[4] s = int[4](-1); rx(popcount(s)) q; rx(int[4](s)) q; rx(uint[4](s)) q;", [4, -1, 15]),
        ("for uint[2] i in {3, 4, 5} rx(i) q;", [3, 0, 1]),
        ("angle a = 7.0; rx(a) q; rx(float[32](16777217)) q;", [7, 16777216]),
    ],
)  # fmt: skip
def test_widths(text, values):
    c = read_qasm(HEAD3 + "qubit q;" + text)
    assert [i.gate.params[0] for i in c if i.gate.params] == pytest.approx(values, abs=1e-12)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("input float t; angle[4] a = t;", "cannot be rounded before its value is known"),
        ("angle[65] a = 1;", "at most 64 bits"),
        ("angle[4] a = 1e300;", "too large"),
        ("angle[4] a = 1; rx(a / 0) q;", "above 0"),
        ("angle[4] a = 1; rx(a / angle[4](0.0)) q;", "division by zero"),
        ('angle[4] a = "01";', "lengths must be equal"),
        ("int a = angle[4](1.0);", "an integer is needed"),
        ("float[16] f = 1e6;", "too large"),
        ("float[80] f = 1;", "widths of 16, 32, 64"),
        ("rx(" + "9" * 350 + ") q;", "too large"),
    ],
)
def test_widths_refused(text, message):
    with pytest.raises(QasmError, match=message):
        read_qasm(HEAD3 + "qubit q;" + text)


def test_includes(tmp_path):
    main = tmp_path / "main.qasm"
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "gates.inc").write_text("gate two a {\n h a; wrong a; }")
    main.write_text(HEAD2 + 'include "sub/gates.inc"; qreg q[1]; two q[0];')
    with pytest.raises(QasmError, match=r"gates\.inc:2:7: gate 'wrong' is unknown"):
        load_qasm(main)
    main.write_text(HEAD2 + 'include "main.qasm"; qreg q[1];')
    with pytest.raises(QasmError, match="includes itself"):
        load_qasm(main)
    main.write_text(HEAD2 + 'include "none.inc"; qreg q[1];')
    with pytest.raises(QasmError, match="there is no such file"):
        load_qasm(main)
    (tmp_path / "sub" / "out.inc").symlink_to("/etc/hostname")
    main.write_text(HEAD2 + 'include "sub/out.inc"; qreg q[1];')
    with pytest.raises(QasmError, match="outside of the program's folder"):
        load_qasm(main)
    with pytest.raises(InvalidInput, match=r"absent\.qasm: there is no such file"):
        load_qasm(tmp_path / "absent.qasm")
    (tmp_path / "bytes.qasm").write_bytes(b"OPENQASM 2.0;\xff")
    with pytest.raises(InvalidInput, match="byte 13 is not UTF-8"):
        load_qasm(tmp_path / "bytes.qasm")

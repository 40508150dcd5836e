"""Any text at all is a circuit or one line of error, and soon: soups of words, mutations, bytes, and texts made to explode."""

import re
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitket.quantum.circuits import Circuit
from bitket.quantum.circuits.qasm import QasmError, read_qasm, write_qasm
from bitket.quantum.circuits.qasm.bulk import Bulk

HEAD3 = 'OPENQASM 3.0; include "stdgates.inc"; '
WORDS = """
OPENQASM 2.0 3.0 include "qelib1.inc" "stdgates.inc" qreg creg qubit bit gate opaque measure reset barrier if else for
input float int uint angle bool const let def return switch case default while break continue end box delay array output
in inv @ ctrl negctrl pow gphase U CX h x cx rx u3 ccx q c r a b t i j pi 0 1 2 3 -1 0.5 1e3 100 9999999999 0x1F "0101" 10ns
$0 $1 ( ) [ ] { } ; ; ; , : -> = == != < > <= >= + - * / % ** ^ & | ~ ! && || << >> ++ += sin sqrt true false measure q[0]
q[1] c[0] \n // /* */ # pragma @bitket.input ' " é π \x00 \ud800
""".split(" ")
WORDS = [w for word in WORDS for w in (word.split("\n") if word != "\n" else ["\n"]) if w] + ["\n", " "]
PROGRAMS = [
    'OPENQASM 2.0;\ninclude "qelib1.inc";\ngate g(a,b) x,y { rx(a/2) x; cx x,y; u3(b,-a^2,sin(b)) y; }\n'
    "qreg q[3]; creg c[2]; h q; g(0.5,pi) q[0],q[1]; measure q[0] -> c[0]; if(c==1) x q[2]; barrier q; reset q[1];\n",
    HEAD3 + "const int n = 3; input float t; @bitket.input\ninput angle x; qubit[n] q; bit[n] c; let e = q[0:1] ++ q[{2}];\n"
    "gate g(a) p, r { ctrl @ rx(a) p, r; inv @ pow(2) @ s p; gphase(a); }\n"
    "for int i in [0:n-2] { g(t*x/2) q[i], q[i+1]; }\nint k = 0; while (k < 2) { negctrl(2) @ z e[k], e[k+1], e[0]; k += 1; break; }\n"
    "c[0] = measure q[0]; if (c[0] && !(c[1:2] == 2)) { x q[1]; } else if (c != 3) { y q; } switch (c) { case 1 { h q; } default { } }\n"
    "def f(qubit[2] p, int m) -> float { h p; return m ** 0.5; } rx(f(q[0:1], 4)) q; const bit[2] s = \"01\"; array[float, 2] v = {1, 2};\n",
]  # fmt: skip


def outcome(text: str) -> Circuit | str:
    try:
        return read_qasm(text)
    except QasmError as error:
        return str(error)


def survives(text: str) -> None:
    """The text is a circuit, or an error of one line that begins with its place, the same by the short way and the long way."""
    found = outcome(text)
    if isinstance(found, str):
        assert re.match(r"<text>:\d+:\d+: .", found)
        assert "\n" not in found
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Bulk, "take", lambda self, text, at: at)
        other = outcome(text)
    assert found == other
    if isinstance(found, Circuit):
        assert (found.parameters, found.name) == (other.parameters, other.name)


def mutate(text: str, cuts: list[tuple[int, int, str]]) -> str:
    for at, removed, added in cuts:
        at %= len(text) + 1
        text = text[:at] + added + text[at + removed :]
    return text


PIECES = st.sampled_from(WORDS) | st.text(max_size=3)
CUTS = st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 12), PIECES), min_size=1, max_size=4)
SOUP = st.lists(st.sampled_from(WORDS), max_size=60)


@given(
    SOUP, st.sampled_from(["", "qreg q[2]; creg c[2]; ", HEAD3 + "qubit[2] q; bit[2] c; input float t; int i = 1; "])
)
@settings(max_examples=300, deadline=None)
def test_soup(words, head):
    survives(head + " ".join(words))


@given(st.sampled_from(PROGRAMS), CUTS)
@settings(max_examples=300, deadline=None)
def test_mutations(program, cuts):
    survives(mutate(program, cuts))


@given(st.text(max_size=80) | st.binary(max_size=80).map(lambda b: b.decode("latin-1")))
@settings(max_examples=200, deadline=None)
def test_any_text(text):
    survives(text)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@given(
    st.sampled_from(["qreg q[2]; creg c[2]; ", HEAD3 + "qubit[2] q; bit[2] c; "]),
    SOUP,
    st.sampled_from(PROGRAMS),
    CUTS,
    st.text(),
)
@settings(max_examples=20_000, deadline=None)
def test_many(head, words, program, cuts, text):
    survives(head + " ".join(words))
    survives(mutate(program, cuts))
    survives(text)


PLAIN = st.lists(
    st.builds(
        lambda name, angles, operands, space, end: f"{name}{angles}{space}{operands}{end}",
        st.sampled_from(
            ["h", "x", "cx", "rz", "rx", "u3", "u2", "u0", "cu1", "my", "own", "swap", "ccx", "barrier", "reset", "g h", "measure", "h)"]
        ),
        st.sampled_from(["", "", "()"])
        | st.lists(
            st.floats().map(repr) | st.sampled_from(["pi/2", "-0", "0", "-0.0", "1e999", "1_0", "٣", "pi", "-pi/4", "2*pi", "1,", "(1)", "x"]),
            min_size=1,
            max_size=3,
        ).map(lambda angles: f"({', '.join(angles)})"),
        st.sampled_from(["q[0]", "q[1]", "q[0], q[1]", "q[1],q[0]", "q[0],q[0]", "q[2] , q[0],q[1]", "q", "q, p", "p", "p[0]", "q[7]",
                         "q[0] -> c[0]", "q -> c", "c[0]", "d", "q[0] -> d", "$0", "q[0],", "/* */ q[0]"]),
        st.sampled_from([" ", " ", " ", "\n", "", "\t "]),
        st.sampled_from([";", ";\n", "; // again; h q[0];\n", " ;", "", ";;", ";\ngate own a { x a; }\n", ";\nopaque my a;\n"]),
    ),
    max_size=30,
)  # fmt: skip


@pytest.mark.parametrize(
    "head",
    [
        'OPENQASM 2.0;\ninclude "qelib1.inc";\nqreg q[3]; creg c[3]; qreg p[1]; creg d[1];\n',
        HEAD3 + "qubit[3] q; bit[3] c; qubit p; bit d;\n",
        HEAD3 + "bit[3] c;\n",
    ],
)
@given(PLAIN)
@settings(max_examples=300, deadline=None)
def test_short_and_long_way_agree(head, statements):
    if "q[3]" in head:
        head += "gate my(a) r { rz(a*a) r; h r; } gate own(a) r { rz(a) r; }\n"
    else:  # physical qubits
        statements = [s.replace("q[", "$").replace("]", "") for s in statements]
    for written in (statements, [s.replace("q[0] -> c[0]", "c[0] = measure q[0]") for s in statements]):
        survives(head + "".join(written))
        fine = [s for s in written if s.endswith(";") and isinstance(outcome(head + s), Circuit)]
        survives(head + "".join(fine * 3))


def test_short_way_takes_what_it_should(monkeypatch):
    executed, execute = [], Bulk.execute
    monkeypatch.setattr(Bulk, "execute", lambda self, node, piece: (executed.append(piece), execute(self, node, piece)))
    text = 'OPENQASM 2.0; include "qelib1.inc"; qreg q[9]; creg c[9];\n'
    lines = [
        f"h q[{i}];\nrz(0.{i + 1}) q[{i}]; // turn\ncx q[{i}], q[{(i + 1) % 9}];\nu2(0.1,-{i + 1}.5) q[{i}];"
        for i in range(9)
    ]
    lines += [f"measure q[{i}] -> c[{i}];" for i in range(9)]
    circuit = read_qasm(text + "\n".join(lines * 50))
    assert len(circuit) == 9 * 5 * 50
    kinds = Counter(row[0] if isinstance(row, tuple) else row.name for row in circuit._rows)
    assert kinds == dict.fromkeys(["h", "rz", "cx", "u", "measure"], 450)  # gates as names and numbers, no objects
    assert len(executed) < 10  # the declarations, and each gate once


BOMBS = {
    "qubits": HEAD3 + "qubit[1000000000] q;",
    "broadcast": HEAD3 + "qubit[1000000] q; " + "h q; " * 50,
    "doubling gates": "gate a0 x { h x; } "
    + "".join(f"gate a{i} x {{ a{i - 1} x; a{i - 1} x; }} " for i in range(1, 90))
    + "qreg q[1]; a89 q[0];",
    "doubling gates with angles": "gate a0(t) x { rx(t) x; } "
    + "".join(f"gate a{i}(t) x {{ a{i - 1}(t+1) x; a{i - 1}(t/3) x; }} " for i in range(1, 90))
    + "qreg q[1]; a89(1) q[0];",
    "deep gates": "gate a0 x { h x; } "
    + "".join(f"gate a{i} x {{ a{i - 1} x; }} " for i in range(1, 3000))
    + "qreg q[1];",
    "empty loop": HEAD3 + "qubit q; for int i in [0:10000000000] { }",
    "endless loop": HEAD3 + "qubit q; int i = 0; while (true) { i = 1 - i; }",
    "power": HEAD3 + "qubit q; rx(9**9**9) q;",
    "power of a gate": HEAD3 + "qubit[2] q; gate g a, b { h a; cx a, b; } pow(1000000000) @ g q[0], q[1];",
    "brackets": "qreg q[1]; rx(" + "(" * 100_000,
    "signs": "qreg q[1]; rx(" + "-" * 100_000,
    "powers": HEAD3 + "qubit q; rx(" + "**".join(["1"] * 100_000) + ") q;",
    "blocks": HEAD3 + "{" * 100_000,
    "branches": HEAD3 + "if (true) " * 100_000,
    "indices": HEAD3 + "qubit[9] q; let a = q" + "[0:8]" * 100_000 + ";",
    "joins": HEAD3 + "qubit q; let a = " + "++".join(["q"] * 100_000) + ";",
    "array": HEAD3 + "array[int, 1000, 1000, 1000] x;",
    "recursion": HEAD3 + "def f(int n) -> int { return f(n + 1) + f(n + 2); } qubit q; rx(f(0)) q;",
    "cases": HEAD3 + "bit[40] c; qubit q; if (" + " || ".join(f"(c[{i}] && c[{i + 1}])" for i in range(39)) + ") x q;",
    "wide condition": HEAD3 + "bit[100000] c; qubit q; if (c == 0) x q;",
    "number": "9" * 1_000_000,
    "comment": "/*" + "*" * 1_000_000,
    "string": '"' + "a" * 1_000_000,
}


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_end_soon(name):
    # Unbounded, these would take years, which the time limit of the tests would notice.
    with pytest.raises(QasmError) as caught:
        read_qasm(BOMBS[name])
    assert len(str(caught.value)) < 400


def test_long_and_flat_is_fine():
    c = read_qasm(HEAD3 + "qubit q; " + "rx(" + "+".join(["0.5"] * 20_000) + ") q; " + "h q;" * 5000)
    assert len(c) == 5001
    assert c.instructions[0].gate.params == (10_000.0,)
    assert read_qasm(write_qasm(c)) == c

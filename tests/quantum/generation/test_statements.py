import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.qasm2 import LEGACY_CUSTOM_INSTRUCTIONS, QASM2ParseError, loads

from bitket.quantum.circuits.qasm import QasmError, read_qasm
from bitket.quantum.generation.statements import CAUSES, kept_lines, statement

HEAD = 'OPENQASM 2.0;\ninclude "qelib1.inc";\n'
LINES = (
    "qreg q[3];",
    "qreg r[2];",
    "creg c[3];",
    "creg q[2];",
    "h q[0];",
    "h q;",
    "cx q[0],q[1];",
    "cx q[1],q[1];",
    "cx q[0],q[3];",
    "cx r[0],q[2];",
    "rz(pi/4) q[2];",
    "rz(0.5,1) q[2];",
    "u3(0.1,-pi/2,2*pi/3) q[1];",
    "nothing q[0];",
    "ccx q[0],q[1],q[2];",
    "swap q[0] q[1];",
    "barrier q[0],q[2];",
    "barrier q[0],q[0];",
    "barrier r;",
    "measure q[0] -> c[0];",
    "measure q[0] -> c[7];",
    "measure q -> c;",
    "measure c[0] -> q[0];",
    "OPENQASM 2.0;",
    'include "qelib1.inc";',
    "h q[0]",
)


def reads(text, reader, errors):
    try:
        reader(text)
    except errors:
        return False
    return True


def test_the_verdict_on_files_is_that_of_qiskit_and_of_the_reader():
    """What `kept_lines` finds nothing wrong with, both readers read; what it does, neither does (a second include aside)."""
    rng = np.random.default_rng(0)
    seen = {True: 0, False: 0}
    for _ in range(600):
        body = rng.choice(LINES, rng.integers(1, 7))
        text = HEAD + "".join(f"{line}\n" for line in ("qreg q[3];", "creg c[3];", *body) if rng.random() < 0.9)
        if "qreg" not in text:  # a circuit here has a qubit
            continue
        good = not kept_lines(text)[1]
        seen[good] += 1
        assert reads(text, read_qasm, QasmError) == good or text.count("include") > 1, text
        theirs = reads(text, lambda t: loads(t, custom_instructions=LEGACY_CUSTOM_INSTRUCTIONS), QASM2ParseError)
        assert theirs == good or text.count("include") > 1, text
    assert min(seen.values()) > 40


def test_what_is_kept_can_always_be_read():
    rng = np.random.default_rng(1)
    for _ in range(200):
        text = HEAD + "qreg q[3];\n" + "".join(f"{line}\n" for line in rng.choice(LINES, 12))
        kept, causes = kept_lines(text)
        assert set(causes) <= set(CAUSES)
        assert kept.count("\n") + len(causes) == 15
        QuantumCircuit.from_qasm_str(kept)
        read_qasm(kept)


@pytest.mark.parametrize(
    ("line", "cause"),
    [
        ("h p[0];", "undeclared register"),
        ("h q[3];", "index out of range"),
        ("creg q[1];", "repeated declaration"),
        ("cx q[1],q[1];", "repeated operand"),
        ("OPENQASM 2.0;", "second header"),
        ("cx q[1];", "syntax"),
        ("gate f a { h a; }", "syntax"),
    ],
)
def test_causes_are_told_apart(line, cause):
    assert kept_lines(f"{HEAD}qreg q[3];\n{line}\n")[1] == [cause]
    assert kept_lines("qreg q[3];\n")[1] == ["header missing"]


def test_statements_are_read_from_lines():
    s = statement("u3(0.1,-pi/2,2*pi/3) q[1];\n")
    assert (s.kind, s.name, s.params, s.operands) == ("gate", "u3", ("0.1", "-pi/2", "2*pi/3"), (("q", 1),))
    assert statement("measure q[2] -> c[0];").operands == (("q", 2), ("c", 0))

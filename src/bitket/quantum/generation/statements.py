"""Lines of OpenQASM 2 as statements, and what is wrong with a line after those before it.

The grammar is that of the files that circuits are written to: one statement a line, the gates of qelib1.inc, indexed operands (or a
whole register for measurements, barriers and gates on one qubit). `fault` names the first thing wrong with a statement where it stands;
it is what constrained decoding forbids, and what failures of unconstrained samples are counted by.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache

from bitket.quantum.circuits.qasm.library import LIBRARIES

__all__ = ["CAUSES", "Declared", "Statement", "accept", "fault", "header", "kept_lines", "statement"]

CAUSES = (
    "syntax",
    "undeclared register",
    "index out of range",
    "repeated declaration",
    "repeated operand",
    "second header",
    "header missing",
    "other",
)
"""What can be wrong with a line."""
_PLACE = r"([A-Za-z_]\w*)(?:\[(\d{1,7})\])?"
_DECLARED = re.compile(r"(qreg|creg)\s+([a-z]\w*)\[(\d{1,7})\];")
_MEASURE = re.compile(rf"measure\s+{_PLACE}\s*->\s*{_PLACE};")
_CALL = re.compile(rf"([a-z]\w*)(?:\(([^()]*)\))?\s+({_PLACE}(?:\s*,\s*{_PLACE})*);")
_OPERAND = re.compile(_PLACE)
_NUMBER = r"(?:\d+(?:\.\d*)?(?:[eE][-+]?\d+)?|\.\d+(?:[eE][-+]?\d+)?|pi)"
_ANGLE = re.compile(rf"-?{_NUMBER}(?:[-+*/]{_NUMBER})*")
_GATES = LIBRARIES["qelib1.inc"]

Operand = tuple[str, int | None]


@dataclass(frozen=True)
class Statement:
    """One line.

    Attributes
    ----------
    kind
        ``"version"``, ``"include"``, ``"qreg"``, ``"creg"``, ``"gate"``, ``"measure"``, ``"barrier"`` or ``"other"``.
    name
        Of the gate or register.
    params
        Angles as written.
    operands
        Register and index (None for the whole register); of a measurement the qubit, then the bit; of a declaration name and size.
    """

    kind: str
    name: str = ""
    params: tuple[str, ...] = ()
    operands: tuple[Operand, ...] = ()


@lru_cache(maxsize=200_000)
def statement(line: str) -> Statement:
    """What a line says; ``"other"`` for what this grammar does not have.

    >>> statement("cp(pi/4) q[0],q[2];")
    Statement(kind='gate', name='cp', params=('pi/4',), operands=(('q', 0), ('q', 2)))
    """
    text = line.strip()
    if text == "OPENQASM 2.0;":
        return Statement("version")
    if text == 'include "qelib1.inc";':
        return Statement("include")
    if match := _DECLARED.fullmatch(text):
        kind, name, size = match.groups()
        return Statement(kind, name, (), ((name, int(size)),))
    if match := _MEASURE.fullmatch(text):
        a, i, b, j = match.groups()
        return Statement("measure", "measure", (), (_operand(a, i), _operand(b, j)))
    if match := _CALL.fullmatch(text):
        name, inner = match.group(1), match.group(2)
        operands = tuple(_operand(*m.groups()) for m in _OPERAND.finditer(match.group(3)))
        params = () if inner is None else tuple(p.strip() for p in inner.split(","))
        if name == "barrier" and inner is None:
            return Statement("barrier", name, (), operands)
        shape = _GATES.get(name)
        whole = any(index is None for _, index in operands)
        if (
            shape is not None
            and (shape.num_params, shape.num_qubits) == (len(params), len(operands))
            and all(_ANGLE.fullmatch(p.replace(" ", "")) for p in params)
            and not (whole and len(operands) > 1)
        ):
            return Statement("gate", name, params, operands)
    return Statement("other")


def _operand(name: str, index: str | None) -> Operand:
    return name, None if index is None else int(index)


def header(n_qubits: int) -> list[str]:
    """The lines that every generated file begins with."""
    return ["OPENQASM 2.0;\n", 'include "qelib1.inc";\n', f"qreg q[{n_qubits}];\n"]


@dataclass
class Declared:
    """What the lines so far have said: registers, and the qubits that are measured."""

    version: bool = False
    included: bool = False
    qubits: dict[str, int] = field(default_factory=dict)
    bits: dict[str, int] = field(default_factory=dict)
    measured: set[tuple[str, int]] = field(default_factory=set)


def fault(s: Statement, so_far: Declared) -> str:
    """Why a statement cannot stand here: one of `CAUSES`, or nothing."""
    if s.kind == "version":
        return "second header" if so_far.version else ""
    if not so_far.version:
        return "header missing"
    if s.kind == "other":
        return "syntax"
    if s.kind == "include":
        return "second header" if so_far.included else ""
    if s.kind in ("qreg", "creg"):
        if s.name in so_far.qubits or s.name in so_far.bits or s.name in _GATES:
            return "repeated declaration"
        return "" if s.operands[0][1] else "index out of range"
    if s.kind == "gate" and not so_far.included:
        return "header missing"
    homes = [so_far.qubits] * len(s.operands)
    if s.kind == "measure":
        homes[1] = so_far.bits
    for (register, index), home in zip(s.operands, homes, strict=True):
        if register not in home:
            return "undeclared register"
        if index is not None and index >= home[register]:
            return "index out of range"
    if s.kind == "measure":
        (a, i), (b, j) = s.operands
        if (i is None) != (j is None):
            return "syntax"
        if i is None and so_far.qubits[a] != so_far.bits[b]:
            return "index out of range"
        return ""
    if s.kind == "gate" and len(set(s.operands)) < len(s.operands):  # readers take a qubit twice in a barrier
        return "repeated operand"
    return ""


def accept(s: Statement, so_far: Declared) -> None:
    """Take note of a statement that `fault` finds nothing wrong with."""
    if s.kind == "version":
        so_far.version = True
    elif s.kind == "include":
        so_far.included = True
    elif s.kind in ("qreg", "creg"):
        size = s.operands[0][1]
        assert size is not None
        (so_far.qubits if s.kind == "qreg" else so_far.bits)[s.name] = size
    elif s.kind == "measure":
        so_far.measured.update(_places(s.operands[0], so_far.qubits))


def _places(operand: Operand, home: dict[str, int]) -> list[tuple[str, int]]:
    register, index = operand
    return [(register, i) for i in (range(home[register]) if index is None else (index,))]


def kept_lines(text: str) -> tuple[str, list[str]]:
    """The text without the lines that cannot stand where they are, and the causes for which lines were dropped, in order."""
    so_far, kept, causes = Declared(), [], []
    for line in text.splitlines(keepends=True):
        s = statement(line)
        if why := fault(s, so_far):
            causes.append(why)
        else:
            accept(s, so_far)
            kept.append(line)
    return "".join(kept), causes

"""Circuits as OpenQASM 2 or 3 text.

Names of parameters that are no identifiers are kept in an annotation, ``@bitket.weight "theta[0]"``; it also says which are inputs.
Gates that the language's standard file lacks are written by modifiers (version 3) or in ``u3`` and ``cx`` (version 2, which has no
global phase and no parameters: the first is dropped, the second an error).
"""

from __future__ import annotations

import math
import re
from typing import Literal

from bitket.errors import InvalidInput
from bitket.quantum.circuits.circuit import Circuit, Condition, Instruction
from bitket.quantum.circuits.decomposition import decompose
from bitket.quantum.circuits.gates import Gate
from bitket.quantum.circuits.parameter import Angle, Expression, Parameter

__all__ = ["write_qasm"]

_COMMON = {
    "id", "x", "y", "z", "h", "s", "sdg", "t", "tdg", "sx", "p", "rx", "ry", "rz", "u", "cx", "cy", "cz", "ch", "cp", "crx", "cry", "crz",
    "cu", "swap", "cswap", "ccx",
}  # fmt: skip
_STANDARD = {2: _COMMON | {"sxdg", "rxx", "rzz", "csx"}, 3: _COMMON}
_SPELLED_2 = {"p": "u1", "u": "u3", "cp": "cu1"}
_SPELLED_3 = {"u": "U"}


def write_qasm(circuit: Circuit, version: Literal[2, 3] = 3) -> str:
    """OpenQASM text of a circuit.

    Raises
    ------
    InvalidInput
        Version 2 and the circuit has parameters without values, or a condition on part of the classical bits.
    """
    if version not in (2, 3):
        raise InvalidInput(f"OpenQASM version {version}: 2 and 3 can be written")
    lines = ["OPENQASM 2.0;", 'include "qelib1.inc";'] if version == 2 else ["OPENQASM 3.0;", 'include "stdgates.inc";']
    names: dict[Parameter, Angle] = {}
    if circuit.parameters:
        if version == 2:
            raise InvalidInput(
                f"OpenQASM 2 has no parameters: bind '{circuit.parameters[0].name}' first, or write version 3"
            )
        for parameter in circuit.parameters:
            plain = _identifier(parameter.name, {p.name for p in names.values() if isinstance(p, Parameter)})
            names[parameter] = Parameter(plain, parameter.role)
            lines += [f'@bitket.{parameter.role} "{parameter.name}"', f"input float[64] {plain};"]
    if version == 2:
        lines.append(f"qreg q[{circuit.num_qubits}];")
        lines += [f"creg c[{circuit.num_clbits}];"] if circuit.num_clbits else []
    else:
        lines.append(f"qubit[{circuit.num_qubits}] q;")
        lines += [f"bit[{circuit.num_clbits}] c;"] if circuit.num_clbits else []
    for instruction in circuit:
        for text in _instruction(instruction, circuit, names, version):
            lines.append(_conditioned(text, instruction.condition, circuit, version))
    return "\n".join(lines) + "\n"


def _identifier(name: str, taken: set[str]) -> str:
    plain = re.sub(r"\W", "_", name, flags=re.ASCII).strip("_")
    plain = plain if plain and not plain[0].isdigit() else f"p_{plain}"
    # one letter names of registers and constants are never given to parameters
    plain = plain if plain not in ("q", "c", "pi", "tau", "euler", *_STANDARD[2]) else f"p_{plain}"
    while plain in taken:
        plain += "_"
    return plain


def _conditioned(text: str, condition: Condition | None, circuit: Circuit, version: int) -> str:
    if condition is None:
        return text
    if version == 2:
        if condition.clbits != tuple(range(circuit.num_clbits)):
            raise InvalidInput("OpenQASM 2 has conditions on whole registers only: write version 3")
        return f"if(c=={condition.value}) {text}"
    tests = [f"c[{b}] == {condition.value >> k & 1}" for k, b in enumerate(condition.clbits)]
    return f"if ({' && '.join(tests)}) {{ {text} }}"


def _instruction(i: Instruction, circuit: Circuit, names: dict[Parameter, Angle], version: int) -> list[str]:
    qubits = ", ".join(f"q[{q}]" for q in i.qubits)
    if i.name == "measure":
        return [
            f"measure q[{i.qubits[0]}] -> c[{i.clbits[0]}];"
            if version == 2
            else f"c[{i.clbits[0]}] = measure q[{i.qubits[0]}];"
        ]
    if i.gate is None:
        return [f"{i.name} {qubits};"]
    g = i.gate.bind(names) if names else i.gate
    plain = g.control_state == (1 << g.controls) - 1
    known = _STANDARD[version]
    if plain and g.label in known:
        spelled = (_SPELLED_2 if version == 2 else _SPELLED_3).get(g.label, g.label)
        return [f"{spelled}{_arguments(g)} {qubits};"]
    if g.name == "gphase" and not g.controls:
        return [] if version == 2 else [f"gphase{_arguments(g)};"]
    base = Gate(g.name, g.params, array=g.array)
    if version == 3 and base.array is None and (base.label in known or base.name in ("gphase", "sxdg")):
        prefix = "".join("ctrl @ " if g.control_state >> k & 1 else "negctrl @ " for k in range(g.controls))
        body = (
            f"inv @ sx {qubits};"
            if base.name == "sxdg"
            else f"{_SPELLED_3.get(base.label, base.label)}{_arguments(g)} {qubits};"
        )
        return [prefix + body]
    small = Circuit(max(circuit.num_qubits, 1))
    small.append(i.gate, i.qubits)
    rows: list[str] = []
    for part in decompose(small):
        rows += _instruction(part, circuit, names, version)
    return rows


def _arguments(g: Gate) -> str:
    return f"({', '.join(_number(a) for a in g.params)})" if g.params else ""


def _number(angle: Angle) -> str:
    """The shortest text that reads back as the same number; small multiples of pi where they are exact."""
    if isinstance(angle, Expression):
        return str(angle)
    for denominator in (1, 2, 3, 4, 6, 8, 16, 32):
        numerator = round(angle * denominator / math.pi)
        if 0 < abs(numerator) <= 64 and numerator * math.pi / denominator == angle:
            return f"{numerator}*pi/{denominator}" if denominator > 1 else f"{numerator}*pi"
    return repr(angle)

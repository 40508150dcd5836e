"""Writing OpenQASM 2 and 3.

Version 3 says everything a circuit has: parameters, expressions, controls open and closed, global phases, conditions.
Version 2 has neither parameters nor modifiers: gates beyond ``qelib1.inc`` are defined in terms of it, and global
phases, which no measurement sees, are left out.
"""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from bitket.errors import InvalidInput
from bitket.quantum.circuits.circuit import Circuit, Condition, Instruction
from bitket.quantum.circuits.gates import Gate
from bitket.quantum.circuits.parameter import Angle, Expression, Parameter
from bitket.quantum.circuits.qasm.expressions import KEYWORDS_3
from bitket.quantum.circuits.qasm.library import LIBRARIES
from bitket.quantum.circuits.qasm.registers import Register, lay_out, sorted_condition
from bitket.runs.files import write_text

__all__ = ["save_qasm", "write_qasm"]

MAX_EXPRESSION = 10_000  # terms of one angle

# Gates that a library may lack, in gates that both libraries have, phases exact: (parameters, qubits, body). Parameters are
# in the order of the alphabet, since one widespread reader (qiskit-qasm3-import 0.6) hands angles over in that order.
_BODIES = {
    "cs": ("", "a,b", "t a; t b; cx a,b; tdg b; cx a,b;"),
    "csdg": ("", "a,b", "tdg a; tdg b; cx a,b; t b; cx a,b;"),
    "ccz": ("", "a,b,c", "h c; ccx a,b,c; h c;"),
    "iswap": ("", "a,b", "s a; s b; cz a,b; swap a,b;"),
    "iswapdg": ("", "a,b", "swap a,b; cz a,b; sdg a; sdg b;"),
    "dcx": ("", "a,b", "cx a,b; cx b,a;"),
    "dcxdg": ("", "a,b", "cx b,a; cx a,b;"),
    "ecr": ("", "a,b", "h b; cx a,b; rz(pi/4) b; cx a,b; h b; x a; h b; cx a,b; rz(-pi/4) b; cx a,b; h b;"),
    "r": ("alpha,beta", "a", "rz(-beta) a; rx(alpha) a; rz(beta) a;"),
    "rxx": ("alpha", "a,b", "h a; h b; cx a,b; rz(alpha) b; cx a,b; h a; h b;"),
    "ryy": ("alpha", "a,b", "rx(pi/2) a; rx(pi/2) b; cx a,b; rz(alpha) b; cx a,b; rx(-pi/2) a; rx(-pi/2) b;"),
    "rzz": ("alpha", "a,b", "cx a,b; rz(alpha) b; cx a,b;"),
    "rzx": ("alpha", "a,b", "h b; cx a,b; rz(alpha) b; cx a,b; h b;"),
    "xx_plus_yy": (
        "alpha,beta",
        "a,b",
        "rz(beta) a; h a; h b; cx a,b; rz(alpha/2) b; cx a,b; h a; h b; "
        "rx(pi/2) a; rx(pi/2) b; cx a,b; rz(alpha/2) b; cx a,b; rx(-pi/2) a; rx(-pi/2) b; rz(-beta) a;",
    ),
    "xx_minus_yy": (
        "alpha,beta",
        "a,b",
        "rz(-beta) b; h a; h b; cx a,b; rz(alpha/2) b; cx a,b; h a; h b; "
        "rx(pi/2) a; rx(pi/2) b; cx a,b; rz(-alpha/2) b; cx a,b; rx(-pi/2) a; rx(-pi/2) b; rz(beta) b;",
    ),
    "cu3": ("alpha,beta,gamma", "a,b", "cu(alpha,beta,gamma,0) a,b;"),
    "u": ("alpha,beta,gamma", "a", "p(gamma) a; ry(alpha) a; p(beta) a;"),
}
_NAMES_2 = {"c3sx": "c3sqrtx", "u": "u3"}
_RESERVED = KEYWORDS_3 | set(LIBRARIES["stdgates.inc"]) | set(LIBRARIES["qelib1.inc"]) | set(_BODIES)
_RESERVED |= {"q", "pi", "tau", "euler", "sin", "cos", "tan", "exp", "log", "sqrt", "arcsin", "arccos", "arctan", "mod"}


def write_qasm(circuit: Circuit, version: int = 3) -> str:
    """A circuit as OpenQASM text.

    `read_qasm` gives back the same circuit, but for gates given by a matrix, which are written as gates of one and two
    qubits (and, in version 2, for global phases and for controlled gates beyond ``qelib1.inc``). Angles are written to
    the last digit, or as a multiple of pi where that is the same number.

    Parameters
    ----------
    circuit
        Any circuit. Its name is not written; classical bits get registers, in order, that suit its conditions.
    version
        2 (no parameters without values) or 3.

    Raises
    ------
    InvalidInput
        The version is another; or, in version 2, the circuit has parameters, or a condition on bits that cannot be a
        register of their own.
    """
    if version not in (2, 3):
        raise InvalidInput(f"write_qasm: version {version!r}: 2 and 3 are supported")
    return (_Writer2(circuit) if version == 2 else _Writer3(circuit)).text()


def save_qasm(circuit: Circuit, path: str | os.PathLike[str], version: int = 3) -> None:
    """Write a circuit to a file, whole or not at all; see `write_qasm`.

    Raises
    ------
    InvalidInput
        As `write_qasm`, or the file cannot be written.
    """
    write_text(Path(path), write_qasm(circuit, version))


def _number(value: float) -> str:
    """A number such that reading it gives the same bits: a multiple of pi where it is one, else its shortest decimals."""
    if value == 0:
        return "0.0"
    for denominator in (1, 2, 3, 4, 6, 8, 12, 16, 32, 64) if abs(value) < 256 else ():
        numerator = round(value / math.pi * denominator)
        if numerator and abs(numerator) <= 64 and abs(numerator) * math.pi / denominator == abs(value):
            sign = "-" if value < 0 else ""
            times = f"{abs(numerator)}*" if abs(numerator) != 1 else ""
            return f"{sign}{times}pi" + (f"/{denominator}" if denominator != 1 else "")
    text = repr(value)
    mantissa, mark, exponent = text.partition("e")
    return mantissa + (".0" if "." not in mantissa else "") + mark + exponent


def _controls(gate: Gate) -> list[int]:
    return [gate.control_state >> i & 1 for i in range(gate.controls)]


class _Writer:
    """What both versions share: definitions, registers, the order of things."""

    def __init__(self, circuit: Circuit) -> None:
        self.circuit = circuit
        self.definitions: dict[str, str] = {}
        self.matrices: dict[bytes, str] = {}
        self.registers: list[Register] = []
        self.bit_names: list[str] = []

    def use_registers(self, registers: list[Register]) -> None:
        self.registers = registers
        self.bit_names = [f"{r.name}[{i}]" for r in registers for i in range(r.size)]

    def angle(self, value: Angle) -> str:
        raise NotImplementedError

    def define(self, name: str) -> str:
        """A gate of the table, defined on first use."""
        if name not in self.definitions:
            params, qubits, body = _BODIES[name]
            self.definitions[name] = f"gate {name}{f'({params})' if params else ''} {qubits} {{ {body} }}"
        return name

    def define_body(self, name: str, params: Sequence[str], num_qubits: int, body: Circuit) -> None:
        """A gate given by a circuit of gates that need no definition."""
        qubits = [f"q{i}" for i in range(num_qubits)]
        lines = [self.gate_call(i.gate, [qubits[q] for q in i.qubits]) for i in body if i.gate is not None]
        formal = f"({','.join(params)})" if params else ""
        head = f"gate {name}{formal} {','.join(qubits)}"
        self.definitions[name] = f"{head} {{ {' '.join(line for line in lines if line)} }}"

    def matrix_name(self, gate: Gate) -> tuple[str, bool]:
        """A name for a matrix, the same for the same matrix; and whether it is new."""
        assert gate.array is not None
        key = gate.array.tobytes()
        new = key not in self.matrices
        return self.matrices.setdefault(key, f"unitary_{len(self.matrices)}"), new

    def call(self, name: str, params: Sequence[Angle], operands: Sequence[str]) -> str:
        angles = f"({', '.join(map(self.angle, params))})" if params else ""
        return f"{name}{angles}{' ' if operands else ''}{', '.join(operands)};"

    def gate_call(self, gate: Gate, operands: Sequence[str]) -> str:
        raise NotImplementedError

    def operation(self, instruction: Instruction) -> str:
        qubits = [f"q[{q}]" for q in instruction.qubits]
        if instruction.gate is not None:
            return self.gate_call(instruction.gate, qubits)
        if instruction.name == "measure":
            return self.measurement(qubits[0], self.bit_names[instruction.clbits[0]])
        if instruction.name == "barrier" and instruction.qubits == tuple(range(self.circuit.num_qubits)):
            return "barrier q;"
        return f"{instruction.name} {', '.join(qubits)};"

    def measurement(self, qubit: str, bit: str) -> str:
        raise NotImplementedError


class _Writer2(_Writer):
    header = 'OPENQASM 2.0;\ninclude "qelib1.inc";'
    in_definition = False  # whose angles may be expressions

    def text(self) -> str:
        self.use_registers(lay_out(self.circuit, single_bits=True))
        body = []
        for instruction in self.circuit:
            line = self.operation(instruction)
            if line and instruction.condition is not None:
                line = f"if({self.condition(instruction.condition)}) {line}"
            body += [line] if line else []
        declared = [f"qreg q[{self.circuit.num_qubits}];", *(f"creg {r.name}[{r.size}];" for r in self.registers)]
        return "\n".join([self.header, *self.definitions.values(), *declared, *body]) + "\n"

    def angle(self, value: Angle) -> str:
        if isinstance(value, Expression):
            if self.in_definition:
                return str(value)
            raise InvalidInput(
                f"write_qasm: OpenQASM 2 has no parameters: bind '{value.parameters[0].name}' first, or write version 3"
            )
        return _number(value)

    def condition(self, condition: Condition) -> str:
        condition = sorted_condition(condition)
        for r in self.registers:
            if condition.clbits == tuple(range(r.start, r.start + r.size)):
                return f"{r.name}=={condition.value}"
        raise InvalidInput(
            f"write_qasm: a condition on classical bits {condition.clbits}, which OpenQASM 2 cannot say beside the other "
            "conditions: bits side by side that no other condition shares are needed; use version 3"
        )

    def measurement(self, qubit: str, bit: str) -> str:
        return f"measure {qubit} -> {bit};"

    def gate_call(self, gate: Gate, operands: Sequence[str]) -> str:
        if gate.name == "gphase":
            if not gate.controls:
                return ""
            if all(_controls(gate)):  # a phase of the rest is a phase gate on the last control
                gate = Gate("p", gate.params, gate.controls - 1)
        if gate.array is not None:
            matrix, _ = self.matrix_name(gate)
            name = matrix + (f"_c{gate.controls}_{gate.control_state}" if gate.controls else "")
        else:
            name = _NAMES_2.get(gate.label, gate.label)
            if name in LIBRARIES["qelib1.inc"]:
                return self.call(name, gate.params, operands)
            if name in _BODIES:
                return self.call(self.define(name), gate.params, operands)
        if name not in self.definitions:
            self._define(name, gate)
        return self.call(name, gate.params, operands)

    def _define(self, name: str, gate: Gate) -> None:
        """A definition in ``u``, ``cx`` and, around open controls, ``x``."""
        params = ("alpha", "beta", "gamma", "lam")[: len(gate.params)]
        symbols = tuple(Parameter(p) for p in params)
        open_controls = [i for i, bit in enumerate(_controls(gate)) if not bit]
        closed = Gate(gate.name, symbols, gate.controls, -1, gate.array, gate.tag)
        inner = Circuit(gate.num_qubits).append(closed, range(gate.num_qubits))
        body = Circuit(gate.num_qubits)
        for q in open_controls:
            body.x(q)
        from bitket.quantum.circuits.decomposition import decompose  # on scipy, which reading does not need

        body = body.compose(inner if closed.label in LIBRARIES["qelib1.inc"] else decompose(inner))
        for q in open_controls:
            body.x(q)
        self.in_definition = True
        self.define_body(name, params, gate.num_qubits, body)
        self.in_definition = False


class _Writer3(_Writer):
    header = 'OPENQASM 3.0;\ninclude "stdgates.inc";'

    def __init__(self, circuit: Circuit) -> None:
        super().__init__(circuit)
        self.symbols: dict[Parameter, Parameter] = {}

    def text(self) -> str:
        self.use_registers(lay_out(self.circuit, single_bits=False))
        declared = self._inputs()
        body: list[str] = []
        for condition, group in groupby(self.circuit, lambda i: i.condition):
            body += self._conditioned(condition, list(group))
        bits = [f"bit[{r.size}] {r.name};" for r in self.registers]
        lines = [
            self.header,
            *declared,
            *self.definitions.values(),
            f"qubit[{self.circuit.num_qubits}] q;",
            *bits,
            *body,
        ]
        return "\n".join(lines) + "\n"

    def _inputs(self) -> list[str]:
        lines = []
        taken = set(_RESERVED) | {r.name for r in self.registers} | {f"unitary_{i}" for i in range(len(self.circuit))}
        for parameter in self.circuit.parameters:
            plain = re.sub(r"\W", "_", parameter.name, flags=re.ASCII).strip("_") or "p"
            name = plain = plain if not plain[0].isdigit() else f"p{plain}"
            count = 0
            while name in taken:
                count += 1
                name = f"{plain}_{count}"
            taken.add(name)
            self.symbols[parameter] = Parameter(name)
            if parameter.role == "input" or name != parameter.name:
                original = f" {json.dumps(parameter.name)}" if name != parameter.name else ""
                lines.append(f"@bitket.{parameter.role}{original}")
            lines.append(f"input float[64] {name};")
        return lines

    def _conditioned(self, condition: Condition | None, group: list[Instruction]) -> list[str]:
        """Lines of instructions under one condition; a block ends where a measurement changes what it asks."""
        if condition is None:
            return [self.operation(i) for i in group]
        lines: list[str] = []
        block: list[str] = []
        tests = self._tests(sorted_condition(condition))
        opening = "".join(f"if ({test}) {{ " for test in tests)

        def close() -> None:
            if block:
                lines.extend([opening.rstrip(), *(f"  {line}" for line in block), "}" * len(tests)])
                block.clear()

        for instruction in group:
            block.append(self.operation(instruction))
            if set(instruction.clbits) & set(condition.clbits):
                close()
        close()
        return lines

    def _tests(self, condition: Condition) -> list[str]:
        for r in self.registers:
            if len(condition.clbits) > 1 and condition.clbits == tuple(range(r.start, r.start + r.size)):
                return [f"{r.name} == {condition.value}"]
        bits = ((self.bit_names[c], condition.value >> i & 1) for i, c in enumerate(condition.clbits))
        return [bit if value else f"!{bit}" for bit, value in bits]

    def angle(self, value: Angle) -> str:
        if not isinstance(value, Expression):
            return _number(value)
        if _size(value) > MAX_EXPRESSION:
            raise InvalidInput(f"write_qasm: an angle of more than {MAX_EXPRESSION} terms cannot be written")
        return str(value.substitute(self.symbols))

    def measurement(self, qubit: str, bit: str) -> str:
        return f"{bit} = measure {qubit};"

    def gate_call(self, gate: Gate, operands: Sequence[str]) -> str:
        label, standard = gate.label, LIBRARIES["stdgates.inc"]
        if label in standard and gate.array is None:
            return self.call(label, gate.params, operands)
        if label == "cu3":
            return self.call(self.define("cu3"), gate.params, operands)
        runs = groupby(_controls(gate))
        words = [
            f"{'ctrl' if bit else 'negctrl'}{f'({count})' if (count := len(list(run))) > 1 else ''} @ "
            for bit, run in runs
        ]
        if gate.name == "sxdg":
            words.append("inv @ ")
        return "".join(words) + self.call(self._base(gate), gate.params, operands)

    def _base(self, gate: Gate) -> str:
        """The name of the gate without its controls, defined if need be."""
        if gate.array is not None:
            name, new = self.matrix_name(gate)
            if new:  # rz and ry, whose phases all readers agree on
                base = Circuit(gate.base_qubits).append(Gate("unitary", array=gate.array), range(gate.base_qubits))
                from bitket.quantum.circuits.decomposition import decompose

                self.define_body(name, (), gate.base_qubits, decompose(base, ("rz", "ry", "cx")))
            return name
        if gate.name == "sxdg":
            return "sx"
        if gate.name == "u":
            return self.define("u") if gate.controls else "U"
        return gate.name if gate.name in LIBRARIES["stdgates.inc"] or gate.name == "gphase" else self.define(gate.name)


def _size(expression: Expression) -> int:
    """Terms of an expression written out, shared parts counted each time."""
    return int(expression._fold(lambda _: 1, lambda _, sizes: 1 + sum(s if isinstance(s, int) else 1 for s in sizes)))

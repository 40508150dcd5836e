"""Reading OpenQASM 2 and 3.

Statement by statement, text becomes a syntax tree (`parser`) and the tree instructions (`elaboration`). The statements
that fill large files, ``name(numbers) q[i], q[j];`` and ``measure q[i] -> c[j];``, are met by one regular expression and
go straight to instructions; whatever else it is, or is wrong, takes the long way.
"""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Iterable
from contextlib import suppress
from math import isfinite
from pathlib import Path

from bitket.errors import InvalidInput
from bitket.quantum.circuits.circuit import Circuit, Instruction, Operation
from bitket.quantum.circuits.parameter import Expression
from bitket.quantum.circuits.qasm.definitions import OpaqueGate
from bitket.quantum.circuits.qasm.elaboration import Elaborator, EndOfProgram
from bitket.quantum.circuits.qasm.library import LIBRARIES, Operations
from bitket.quantum.circuits.qasm.parser import Parser
from bitket.quantum.circuits.qasm.source import QasmError, Sources, shown
from bitket.quantum.circuits.qasm.syntax import GateCall, GateDefinition, Include, Node
from bitket.quantum.circuits.qasm.values import Bits, Qubits

__all__ = ["QasmWarning", "load_qasm", "read_qasm"]

MAX_BYTES = 256 << 20  # of one file
MAX_INCLUDES = 100
MAX_OPERATIONS = 1_000_000  # beyond those that the text itself has room for

_GATE = re.compile(
    r"\s*+([A-Za-z_]\w*+)(?:\s++|\s*+\(([^()\[\];\"']*+)\)\s*+)"
    r"([A-Za-z_]\w*+)\[([0-9]{1,7})\]"
    r"(?:\s*+,\s*+([A-Za-z_]\w*+)\[([0-9]{1,7})\](?:\s*+,\s*+([A-Za-z_]\w*+)\[([0-9]{1,7})\])?)?\s*+;"
)
_MEASURE = re.compile(
    r"\s*+(?:measure\s++([A-Za-z_]\w*+)\[([0-9]{1,7})\]\s*+->\s*+([A-Za-z_]\w*+)\[([0-9]{1,7})\]"
    r"|([A-Za-z_]\w*+)\[([0-9]{1,7})\]\s*+=\s*+measure\s++([A-Za-z_]\w*+)\[([0-9]{1,7})\])\s*+;"
)
_CONSTANT = re.compile(r"(?:[0-9.]++(?:[eE][-+]?[0-9]++)?+|pi\b|[-+*/,\s])*+")
_KEPT = 300_000  # gates kept by their text


class QasmWarning(UserWarning):
    """Something in a text that a circuit leaves out."""


def read_qasm(text: str, *, name: str = "<text>", inputs: Iterable[str] = ()) -> Circuit:
    """The circuit of a text in OpenQASM 2.0, 3.0 or 3.1.

    Registers become plain qubits and classical bits in the order of their declaration, the first declared lowest. Loops
    are unrolled, gate definitions and subroutines written out; a definition that equals the library's gate of its name is
    read as that gate. ``if`` on measured bits becomes conditions. ``input float`` and ``input angle`` become parameters.
    U is P(phi) RY(theta) P(lambda) and u3, rz, cu3 follow Qiskit's readers, with phases. Delays are left out, with a
    `QasmWarning`. Without a version line, a text with ``qreg`` or ``qelib1.inc`` is read as version 2.

    Parameters
    ----------
    text
        The program. It can include only ``qelib1.inc`` and ``stdgates.inc``; `load_qasm` includes files too.
    name
        Shown in errors.
    inputs
        Names of parameters that are data (role ``"input"``), beside those marked ``@bitket.input``; all others are weights.

    Raises
    ------
    QasmError
        The text is not a program, asks for more than a circuit can express, or expands beyond all bounds; the message
        names file, line and column.
    InvalidInput
        ``inputs`` names a parameter that the text does not have, or ``text`` is no text.
    """
    if not isinstance(text, str):
        raise InvalidInput(f"read_qasm: text of type {type(text).__name__}: a str is needed")
    return _Reading(name, inputs, None).circuit(text)


def load_qasm(path: str | os.PathLike[str], *, inputs: Iterable[str] = ()) -> Circuit:
    """The circuit of a file; see `read_qasm`.

    An ``include`` is looked for beside the file and below, never outside its folder.

    Raises
    ------
    QasmError
        The file is no OpenQASM, or one of its includes cannot be read.
    InvalidInput
        The file cannot be read.
    """
    path = Path(path)
    try:
        text = _contents(path)
    except _Unreadable as error:
        raise InvalidInput(f"{path}: {error}") from None
    return _Reading(str(path), inputs, path).circuit(text)


class _Unreadable(Exception):
    """Why a file cannot be read."""


def _contents(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        raise _Unreadable(f"the file cannot be read ({getattr(error, 'strerror', None) or error})") from None
    if len(data) > MAX_BYTES:
        raise _Unreadable(f"the file is longer than {MAX_BYTES >> 20} MiB, which is the limit")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _Unreadable(f"byte {error.start} is not UTF-8 text") from None


class _Reading:
    """One reading of a text and what it includes."""

    def __init__(self, name: str, inputs: Iterable[str], path: Path | None) -> None:
        self.name = name
        self.inputs = tuple(inputs)
        self.path = path
        self.sources = Sources()
        self.including: list[Path] = []
        self.included = 0

    def circuit(self, text: str) -> Circuit:
        parser = Parser(self.sources, self.name, text, 3)
        try:
            if parser.header() is None:
                old = ("qreg" in text or "qelib1.inc" in text) and "stdgates.inc" not in text
                parser.version = 2 if old else 3
            self.work = Elaborator(self.sources, parser.version, MAX_OPERATIONS + 4 * len(text), self.inputs)
            self.fast = _FastGates(self.work)
            with suppress(EndOfProgram):
                self.run(parser)
        except RecursionError:
            raise parser.lexer.sources.error(parser.lexer.at, "the text is nested too deeply to be read") from None
        return self.finish()

    def run(self, parser: Parser) -> None:
        lexer, work, text = parser.lexer, self.work, parser.lexer.text
        gate, measure = self.fast.gate, self.fast.measure
        while True:
            match = _GATE.match(text, lexer.at)
            while match is not None and gate(match):
                lexer.go_to(match.end())
                match = _GATE.match(text, lexer.at)
            match = _MEASURE.match(text, lexer.at)
            if match is not None and measure(match):
                lexer.go_to(match.end())
                continue
            statement = parser.statement()
            if statement is None:
                return
            if isinstance(statement, Include):
                self.include(statement, parser.version)
            else:
                work.execute(statement)
                self.fast.forget(statement)

    def include(self, node: Include, version: int) -> None:
        library = LIBRARIES.get(node.file)
        if library is not None:
            self.work.gates.library.update(library)  # both hold the same gates where they share a name
            return
        fail = self.work.fail
        if self.path is None:
            fail(
                node,
                f"include {shown(node.file)}: a text can include {' and '.join(LIBRARIES)}; load a file for others",
            )
        folder = self.path.resolve().parent
        try:
            target = (folder / node.file).resolve()
            inside = target.is_relative_to(folder)
            regular = target.is_file()
        except (OSError, ValueError, RuntimeError):
            fail(node, f"include {shown(node.file)}: that is not the name of a file")
        if not inside:
            fail(node, f"include {shown(node.file)}: it lies outside of the program's folder")
        if not regular:
            fail(node, f"include {shown(node.file)}: there is no such file")
        if target in (*self.including, self.path.resolve()):
            fail(node, f"include {shown(node.file)}: the file includes itself")
        self.included += 1
        if self.included > MAX_INCLUDES or len(self.including) > 20:
            fail(node, f"include {shown(node.file)}: more than {MAX_INCLUDES} files, or 20 within one another")
        try:
            text = _contents(target)
        except _Unreadable as error:
            fail(node, f"include {shown(node.file)}: {error}")
        self.work.steps += 4 * len(text)
        parser = Parser(self.sources, str(target), text, version)
        if parser.header() not in (None, version):
            fail(node, f"include {shown(node.file)}: the file is OpenQASM {parser.version}, this one {version}")
        self.including.append(target)
        self.run(parser)
        self.including.pop()

    def finish(self) -> Circuit:
        work = self.work
        if not work.num_qubits:
            work.fail(0, "the text declares no qubits: a circuit needs at least one")
        for name in self.inputs:
            if name not in work.inputs_met:
                known = ", ".join(work.parameters) or "none"
                raise InvalidInput(f"{self.name}: there is no input parameter '{name}'; there are: {known}")
        for node, message in work.notes[:1]:
            warnings.warn(str(self.sources.error(node.pos, message)), QasmWarning, stacklevel=4)
        stem = Path(self.name).stem if self.path else "circuit"
        circuit = Circuit(work.num_qubits, work.num_clbits, stem)
        return circuit.declare(*work.parameters.values())._derive(work.instructions)


class _FastGates:
    """The short way: gates by their text, registers by their name."""

    def __init__(self, work: Elaborator) -> None:
        self._work = work
        self._gates: dict[tuple[str, str | None], tuple[Operations, int] | None] = {}
        self._measure = Operation("measure")

    def forget(self, statement: Node) -> None:
        """A definition may give a new meaning to a name met before."""
        if isinstance(statement, GateDefinition):
            self._gates.clear()

    def gate(self, match: re.Match[str]) -> bool:
        """Take in the gate that was matched, if the short way can."""
        name, angles, r0, i0, r1, i1, r2, i2 = match.groups()
        key = (name, angles)
        try:
            found = self._gates[key]
        except KeyError:
            found = self._gates[key] = self._find(match, name, angles)
            if len(self._gates) > _KEPT:
                self._gates.clear()
        if found is None:
            return False
        operations, size = found
        names = self._work.scope.names
        try:
            a = names[r0].value
            qubits: tuple[int, ...] = (a.indices[int(i0)],)
            fit = size == 1 and isinstance(a, Qubits) and not a.scalar
            if r1 is not None:
                a = names[r1].value
                qubits = (*qubits, a.indices[int(i1)])
                fit = size == 2 and isinstance(a, Qubits) and not a.scalar and qubits[0] != qubits[1]
                if r2 is not None:
                    a = names[r2].value
                    qubits = (*qubits, a.indices[int(i2)])
                    fit = size == 3 and isinstance(a, Qubits) and not a.scalar and len({*qubits}) == 3
        except (KeyError, IndexError, AttributeError):
            return False
        if not fit:
            return False
        out = self._work.instructions
        if len(operations) == 1:
            out.append(Instruction(operations[0][0], qubits))
        else:
            self._work.charge(match.start(), len(operations))
            out.extend(Instruction(op, tuple(qubits[i] for i in local)) for op, local in operations)
        return True

    def _find(self, match: re.Match[str], name: str, angles: str | None) -> tuple[Operations, int] | None:
        """The gate written out, if it is one and its angles are plain numbers; None for all that needs the long way."""
        work = self._work
        found = work.gates.defined.get(name) or work.gates.library.get(name)
        if found is None or isinstance(found, OpaqueGate):
            return None
        if angles is not None and not _CONSTANT.fullmatch(angles):
            return None
        try:
            params: tuple[float | Expression, ...] | None = self._plain_angles(angles)
            if params is None:
                node = Parser(Sources(), "", match.group(), work.version).statement()
                if not isinstance(node, GateCall):
                    return None
                params = tuple(work.angle(a) for a in node.args)
            if len(params) != found.num_params:
                return None
            qubits = tuple(range(found.num_qubits))
            operations = work.operations(match.start(), found, params)
            if len(operations) == 1 and operations[0][1] != qubits:
                return None
            return operations, len(qubits)
        except QasmError:
            return None

    @staticmethod
    def _plain_angles(angles: str | None) -> tuple[float, ...] | None:
        """Angles that are decimal numbers; None for those that are more."""
        if angles is None:
            return ()
        try:
            values = tuple(map(float, angles.split(",")))
        except ValueError:
            return None
        return values if all(map(isfinite, values)) else None

    def measure(self, match: re.Match[str]) -> bool:
        """Take in the measurement that was matched, if the short way can."""
        r0, i0, r1, i1, r2, i2, r3, i3 = match.groups()
        if r0 is None:
            if self._work.version == 2:
                return False
            r0, i0, r1, i1 = r3, i3, r2, i2
        names = self._work.scope.names
        try:
            q, c = names[r0].value, names[r1].value
            if not (isinstance(q, Qubits) and isinstance(c, Bits)) or q.scalar or c.scalar:
                return False
            instruction = Instruction(self._measure, (q.indices[int(i0)],), (c.indices[int(i1)],))
        except (KeyError, IndexError):
            return False
        self._work.instructions.append(instruction)
        return True

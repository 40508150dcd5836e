"""Reading OpenQASM 2 and 3.

Statement by statement, text becomes a syntax tree (`parser`) and the tree instructions (`elaboration`). The statements
that fill large files go straight to instructions (`bulk`).
"""

from __future__ import annotations

import codecs
import gc
import os
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from bitket.errors import InvalidInput
from bitket.files import require_file
from bitket.quantum.circuits.circuit import Circuit
from bitket.quantum.circuits.qasm.bulk import Bulk
from bitket.quantum.circuits.qasm.elaboration import Elaborator, EndOfProgram
from bitket.quantum.circuits.qasm.library import LIBRARIES
from bitket.quantum.circuits.qasm.parser import Parser
from bitket.quantum.circuits.qasm.source import Sources, shown
from bitket.quantum.circuits.qasm.syntax import Include

__all__ = ["QasmWarning", "load_qasm", "read_qasm"]

MAX_BYTES = 256 << 20  # of one file
MAX_INCLUDES = 100
MAX_OPERATIONS = 1_000_000  # beyond those that the text itself has room for


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
    return _Reading(name, inputs, None).circuit(_with_plain_lines(text))


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
    path = require_file(Path(path))
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
    wide = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        return _with_plain_lines(data.decode("utf-16" if wide else "utf-8"))
    except UnicodeDecodeError as error:
        raise _Unreadable(f"byte {error.start} is not UTF-{16 if wide else 8} text") from None


def _with_plain_lines(text: str) -> str:
    """Without a byte order mark, and with lines that end as here: of Windows and of old, where a comment would else not end."""
    text = text.removeprefix("\ufeff")
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


@contextmanager
def _uncollected() -> Iterator[None]:
    """No search for cyclic garbage: a reading makes millions of objects and no cycles, and the search looks at all of them."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


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
            self.bulk = Bulk(self.work)
            with suppress(EndOfProgram), _uncollected():
                self.run(parser)
        except RecursionError:
            raise parser.lexer.sources.error(parser.lexer.at, "the text is nested too deeply to be read") from None
        return self.finish()

    def run(self, parser: Parser) -> None:
        lexer, text = parser.lexer, parser.lexer.text
        while True:
            lexer.go_to(self.bulk.take(text, lexer.at))
            start = lexer.at
            statement = parser.statement()
            if statement is None:
                return
            if isinstance(statement, Include):
                self.include(statement, parser.version)
            else:
                self.bulk.execute(statement, text[start : lexer.at - 1])

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
        circuit = work.circuit
        circuit.name = Path(self.name).stem if self.path else "circuit"
        circuit.num_qubits, circuit.num_clbits = work.num_qubits, work.num_clbits
        return circuit

"""Statements that fill large files, taken in bulk: ``name(numbers) q[i], q[j];``, ``measure q[i] -> c[j];`` and their like.

A text is cut at its semicolons. A piece that was met before costs a look into a dictionary; a new one is put together from
its halves, ``name(numbers`` and the operands, where the gate is known. Whatever else it is, or is wrong, takes the long way,
and what can be learnt from it is kept, so that both ways mean the same. All that is kept hangs on names that keep their
meaning: registers do, and gates do until a definition.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from itertools import islice
from math import isfinite
from typing import TypeVar

from bitket.quantum.circuits.circuit import Instruction, Operation, Row
from bitket.quantum.circuits.gates import KINDS, Gate
from bitket.quantum.circuits.qasm.elaboration import Elaborator
from bitket.quantum.circuits.qasm.lexer import MAX_DIGITS, SKIP
from bitket.quantum.circuits.qasm.library import LibraryGate, Operations
from bitket.quantum.circuits.qasm.source import QasmError
from bitket.quantum.circuits.qasm.syntax import GateCall, GateDefinition, Measure, Node, QubitStatement, Subroutine
from bitket.quantum.circuits.qasm.values import Bits, Qubits

__all__ = ["Bulk"]

_LEAST, _MOST = 1 << 9, 1 << 20  # characters cut at once
_KEPT = 100_000  # entries of each dictionary
_STATEMENT = 4  # steps that the elaborator charges for a statement, beside those for what it adds
_SINGLE = _STATEMENT + 1

_OPERAND = r"(?:[A-Za-z_]\w*+(?:\[[0-9]{1,7}\])?+|\$[0-9]{1,7})"
_PLAIN = re.compile(
    r"\s*+[A-Za-z_]\w*+(?:\s*+\((?P<angles>[^();\"'{}@\[\]]*+)\)\s*+|\s++)"
    rf"{_OPERAND}(?:\s*+(?:,|->)\s*+{_OPERAND})*+\s*+"
    rf"|\s*+[A-Za-z_]\w*+(?:\[[0-9]{{1,7}}\])?+\s*+=\s*+measure\s++{_OPERAND}\s*+"
)
_CONSTANT = re.compile(r"(?:[0-9.]++(?:[eE][-+]?[0-9]++)?+|pi\b|[-+*/,\s])*+")
_ITEM = re.compile(r"\s*+(?:([A-Za-z_]\w*+)\[([0-9]{1,7})\]|\$([0-9]{1,7}))\s*+")
_MEASURE = re.compile(r"\s*+measure\s++([^\s;>-][^;>-]*+)->([^;]*+)|([^=;\s][^=;]*+)=\s*+measure\s++([^;]*+)")

# A gate: its number of qubits; if it is one operation on all of them, what stands before and behind them in a row; all operations.
_Found = tuple[int, Gate | str | None, tuple[float, ...], Operations]
_Family = tuple[int, Callable[[tuple[float, ...]], _Found]]  # a gate for any numbers, and how many
_MEASUREMENT = Operation("measure")
_T = TypeVar("_T")


class Bulk:
    """The short way through one reading.

    Parameters
    ----------
    work
        Where the statements go.
    """

    def __init__(self, work: Elaborator) -> None:
        self._work = work
        self._size = _LEAST
        self._single: dict[str, Row] = {}  # by the text of a piece that adds one row
        self._many: dict[str, Sequence[Row]] = {}  # of one that adds several
        self._held = 0  # bits in there
        self._gates: dict[str, _Found] = {}  # by ``name(numbers``
        self._plain: dict[str, _Found] = {}  # by ``name``, without numbers
        self._families: dict[str, _Family] = {}  # by ``name``
        self._operands: dict[str, tuple[int, ...]] = {}
        self._bits: dict[str, int] = {}

    def take(self, text: str, at: int) -> int:
        """Take in statements from a place on; the place of the first one that needs the long way."""
        while True:
            end = text.rfind(";", at, at + self._size)
            pieces = text[at:end].split(";") if end >= 0 else []
            done = self._pieces(pieces)
            at += sum(map(len, islice(pieces, done))) + done
            if pieces and done == len(pieces):
                self._size = min(2 * self._size, _MOST)
                continue
            self._size = _LEAST  # where the long way is often needed little is cut: linear in the text
            skipped = SKIP.match(text, at)
            assert skipped is not None  # nothing to skip matches too
            if not skipped.group().strip():
                return at
            at = skipped.end()  # behind a comment

    def _pieces(self, pieces: list[str]) -> int:
        """Take in pieces; how many."""
        single, gates, operands, find_gate = self._single, self._gates, self._operands, self._find_gate
        rows: list[Row] = []
        append = rows.append
        work = self._work
        least = _SINGLE * len(pieces)
        if work.steps < least:
            return 0  # the long way says where the steps end
        done = 0
        for piece in pieces:
            row = single.get(piece)
            if row is not None:
                append(row)
                done += 1
                continue
            left, bracket, right = piece.rpartition(")")
            several: Sequence[Row] | None = None
            if bracket:
                found = gates.get(left) or find_gate(left)
                qubits = operands.get(right) or self._find_operands(right)
                if found is not None and qubits is not None and found[0] == len(qubits):
                    if found[1] is not None:
                        append((found[1], *qubits, *found[2]))
                        done += 1
                        continue
                    several = _spread(found, qubits)
            several = several or self._many.get(piece) or self._find_rows(piece)
            if several is None:
                break
            steps = sum(map(_steps, several)) - 1
            if work.steps - steps < least:
                break
            work.steps -= steps
            rows += several
            done += 1
        work.add(rows)
        work.steps -= _SINGLE * done
        return done

    # -- pieces not met before ----------------------------------------------------------------------------------------
    def _find_rows(self, piece: str) -> Sequence[Row] | None:
        """A gate without numbers, or a measurement, on single bits."""
        name, *rest = piece.split(None, 1) or ("",)
        found = self._plain.get(name)
        rows: Sequence[Row] | None
        if found is not None and rest:
            qubits = self._find_operands(rest[0])
            rows = None if qubits is None or found[0] != len(qubits) else _spread(found, qubits)
        else:
            rows = self._find_measurement(piece)
        if rows is not None:
            self._keep_rows(piece, rows)
        return rows

    def _find_measurement(self, piece: str) -> Sequence[Row] | None:
        match = _MEASURE.fullmatch(piece)
        if match is None or (match[1] is None and self._work.version == 2):
            return None
        source, target = (match[1], match[2]) if match[1] is not None else (match[4], match[3])
        q, c = self._find_bit(source, Qubits), self._find_bit(target, Bits)
        return None if q is None or c is None else (Instruction(_MEASUREMENT, (q,), (c,)),)

    def _find_operands(self, text: str) -> tuple[int, ...] | None:
        """Single qubits, all different."""
        qubits = []
        for part in text.split(","):
            q = self._bits.get(part)
            if q is None:
                q = self._find_bit(part, Qubits)
                if q is None:
                    return None
                _keep(self._bits, part, q)
            qubits.append(q)
        return None if len(set(qubits)) < len(qubits) else _keep(self._operands, text, tuple(qubits))

    def _find_bit(self, text: str, of: type[Qubits] | type[Bits]) -> int | None:
        match = _ITEM.fullmatch(text)
        if match is None:
            return None
        if match[3] is not None:
            known = of is Qubits and self._work.knows_physical(int(match[3]))
            return int(match[3]) if known else None
        variable = self._work.scope.names.get(match[1])
        if variable is None or not isinstance(variable.value, of) or variable.value.scalar:
            return None
        indices, place = variable.value.indices, int(match[2])
        return indices[place] if place < len(indices) else None

    def _find_gate(self, left: str) -> _Found | None:
        """A gate met before, with other numbers."""
        name, _, angles = left.partition("(")
        family = self._families.get(name)
        if family is None:
            return None
        values = _numbers(angles)
        if values is None or len(values) != family[0]:
            return None
        try:
            return family[1](values)
        except QasmError:
            return None  # the long way says it where it is

    # -- the long way -------------------------------------------------------------------------------------------------
    def execute(self, node: Node, piece: str) -> None:
        """Execute a statement and keep what will serve again.

        Raises
        ------
        QasmError
            As `Elaborator.execute`.
        """
        work = self._work
        match = _PLAIN.fullmatch(piece) if isinstance(node, GateCall | Measure | QubitStatement) else None
        if match is None or not _CONSTANT.fullmatch(match["angles"] or ""):
            work.execute(node)
            if isinstance(node, GateDefinition | Subroutine):  # names may mean something else from here on
                for kept in (self._single, self._many, self._gates, self._plain, self._families):
                    kept.clear()
            return
        added: list[Row] = []
        work.add, add = added.extend, work.add
        try:
            work.execute(node)
        finally:
            work.add = add
            rows = [_short(row) if isinstance(row, Instruction) else row for row in added]
            add(rows)
        if isinstance(node, GateCall):
            self._learn_gate(node, piece, match["angles"])
        self._keep_rows(piece, rows)

    def _learn_gate(self, node: GateCall, piece: str, angles: str | None) -> None:
        work, steps = self._work, self._work.steps
        gate = work.gates.find(node)
        params = tuple(work.angle(a) for a in node.args)
        found = _found(gate.num_qubits, work.operations(node, gate, params))
        work.steps = steps
        if angles is None:
            _keep(self._plain, node.name, found)
            return
        left = piece.rpartition(")")[0]
        _keep(self._gates, left, found)
        if not _numbers(angles):
            return
        num_qubits, head, behind, _ = found
        standard = isinstance(gate, LibraryGate) or gate.standard
        make: Callable[[tuple[float, ...]], _Found]
        if standard and isinstance(head, str) and behind == params:
            make = lambda values: (num_qubits, head, values, ())  # noqa: E731
        else:
            make = lambda values: _found(num_qubits, work.operations(node, gate, values))  # noqa: E731
        _keep(self._families, left.partition("(")[0], (len(params), make))

    def _keep_rows(self, piece: str, rows: Sequence[Row]) -> None:
        if len(rows) == 1 and _steps(rows[0]) == 1:
            _keep(self._single, piece, rows[0])
            return
        self._held += 1 + sum(len(row.qubits) if isinstance(row, Instruction) else len(row) for row in rows)
        if self._held > 10 * _KEPT:
            self._many.clear()
            self._held = 0
        self._many[piece] = rows


def _keep(kept: dict[str, _T], key: str, value: _T) -> _T:
    if len(kept) >= _KEPT:
        kept.clear()
    kept[key] = value
    return value


def _found(num_qubits: int, operations: Operations) -> _Found:
    if len(operations) == 1 and operations[0][1] == tuple(range(num_qubits)):
        only = operations[0][0]
        if isinstance(only, Gate):
            return num_qubits, *_ends(only), operations
    return num_qubits, None, (), operations


def _ends(gate: Gate) -> tuple[Gate | str, tuple[float, ...]]:
    """What stands in a row before and behind the gate's qubits: its name and angles if it is a standard one, else the gate."""
    kind = KINDS.get(gate.label)
    numbers = tuple(v for v in gate.params if type(v) is float)
    standard = kind is not None and (kind.base, kind.controls) == (gate.name, gate.controls)
    return (gate.label, numbers) if standard and len(numbers) == len(gate.params) else (gate, ())


def _short(row: Instruction) -> Row:
    """An instruction as a circuit keeps it."""
    gate = row.gate
    if gate is None or row.condition is not None:
        return row
    before, behind = _ends(gate)
    return (before, *row.qubits, *behind)


def _spread(found: _Found, qubits: tuple[int, ...]) -> tuple[Row, ...]:
    return tuple(_short(Instruction(operation, tuple(qubits[i] for i in local))) for operation, local in found[3])


def _steps(row: Row) -> int:
    """What the elaborator charges for it."""
    return 1 + (len(row.qubits) // 32 if isinstance(row, Instruction) and row.name == "barrier" else 0)


def _numbers(angles: str) -> tuple[float, ...] | None:
    """Decimal numbers, none of them zero (whose sign the language loses); None for what is more than that."""
    if len(angles) > MAX_DIGITS or not angles.isascii():
        return None
    try:
        if "," not in angles:
            value = float(angles)
            return (value,) if value and isfinite(value) else None
        values = tuple(map(float, angles.split(",")))
    except ValueError:
        return None
    return values if all(values) and all(map(isfinite, values)) else None

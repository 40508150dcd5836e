"""Names in their scopes, and the values of expressions at reading time.

A scope sees what stands around it; the body of a gate or subroutine sees of the outside only constants (and, of a
subroutine's outside, other subroutines). The number of steps of one reading is bounded, whatever the text asks for.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, NoReturn

from bitket.errors import BitketError
from bitket.quantum.circuits.parameter import Expression
from bitket.quantum.circuits.qasm import values
from bitket.quantum.circuits.qasm.source import Fault, QasmError, Sources
from bitket.quantum.circuits.qasm.syntax import (
    ArrayLiteral,
    Bitstring,
    Call,
    Chain,
    DurationLiteral,
    Expr,
    Index,
    Literal,
    Measure,
    Name,
    Node,
    Physical,
    Range,
    SetLiteral,
    Unary,
    spelled,
)
from bitket.quantum.circuits.qasm.values import AngleBits, Bits, BitString, Duration, Measured, Qubits, Sized, kind

__all__ = ["MAX_REGISTER", "Evaluator", "Scope", "Variable", "described", "suggestion"]

MAX_REGISTER = 1_000_000  # qubits, and classical bits, of one circuit; elements of an array


@dataclass(slots=True)
class Variable:
    """A named value. ``branch`` is the number of conditions on measured bits around its declaration."""

    value: Any
    type: str = ""
    width: int | None = None
    const: bool = True
    branch: int = 0


class Scope:
    """Names and what they stand for; ``sealed`` lets only constants of the outside through."""

    def __init__(self, parent: Scope | None = None, sealed: bool = False) -> None:
        self.names: dict[str, Variable] = {}
        self.parent = parent
        self.sealed = sealed

    def find(self, name: str) -> Variable | None:
        """What a name stands for, from here."""
        scope: Scope | None = self
        sealed = False
        while scope is not None:
            found = scope.names.get(name)
            if found is not None:
                hidden = sealed and (not found.const or isinstance(found.value, Qubits | Bits))
                return None if hidden else found
            sealed = sealed or scope.sealed
            scope = scope.parent
        return None

    def visible(self) -> list[str]:
        """All names, for suggestions."""
        return [*self.names, *(self.parent.visible() if self.parent else ())][:1000]


def suggestion(name: str, known: Iterable[str]) -> str:
    """``; did you mean ...?`` if a known name is near."""
    near = difflib.get_close_matches(name, list(known), 1) if len(name) < 100 else []
    return f"; did you mean '{near[0]}'?" if near else ""


def described(node: Node, value: Any) -> str:
    """What an expression is, by its name if it has one and its kind."""
    name = spelled(node)
    return f"'{name}', {kind(value)}" if name else kind(value)


class Evaluator:
    """Evaluates expressions.

    Parameters
    ----------
    sources
        For the places of errors.
    version
        2 or 3: the meaning of numbers and the functions there are.
    steps
        How many statements and operations one reading may take.
    """

    def __init__(self, sources: Sources, version: int, steps: int) -> None:
        self.sources = sources
        self.version = version
        self.scope = Scope()
        self.steps = self.limit = steps
        self.call_subroutine: Callable[[Call], Any] | None = None
        self.physical: Callable[[Physical], Qubits] | None = None

    def error(self, node: Node | int, message: str) -> QasmError:
        """The error to raise for a node."""
        return self.sources.error(node if isinstance(node, int) else node.pos, message)

    def fail(self, node: Node | int, message: str) -> NoReturn:
        """Raise the error for a node."""
        raise self.error(node, message)

    def charge(self, node: Node | int, steps: int = 1) -> None:
        """Count steps, and raise the error when they are used up."""
        self.steps -= steps
        if self.steps < 0:
            self.fail(
                node,
                f"loops and definitions unfold into more than {self.limit} operations and turns, the most that are read",
            )

    def guarded(self, node: Node | int, function: Callable[..., Any], *args: Any) -> Any:
        """A function's value, its faults placed at the node."""
        try:
            return function(*args)
        except QasmError:
            raise  # it has its place already
        except Fault as fault:
            message = str(fault)
        except BitketError as error:
            message = str(error).partition("\n")[0]
        raise self.error(node, message)

    # -- expressions --------------------------------------------------------------------------------------------------
    def value(self, node: Expr) -> Any:
        """The value of an expression."""
        if isinstance(node, Literal):
            return node.value
        if isinstance(node, Name):
            return self.look_up(node)
        if isinstance(node, Chain):
            return self._chain(node)
        if isinstance(node, Unary):
            return self.guarded(node, values.unary, node.op, self.value(node.operand))
        if isinstance(node, Call):
            return self._call(node)
        if isinstance(node, Index):
            return self._index(node)
        if isinstance(node, Bitstring):
            return BitString(int(node.text, 2), len(node.text))
        if isinstance(node, ArrayLiteral):
            return [self.value(item) for item in node.items]
        if isinstance(node, Measure):
            return Measured(self.qubits(node.qubits))
        if isinstance(node, DurationLiteral):
            return Duration()
        if isinstance(node, Physical):
            assert self.physical is not None
            return self.physical(node)
        raise self.error(node, "a range can only stand in an index or a loop")

    def look_up(self, node: Name) -> Any:
        """The value of a name."""
        found = self.scope.find(node.name)
        if found is None:
            if node.name in values.CONSTANTS and (self.version == 3 or node.name == "pi"):
                return values.CONSTANTS[node.name]
            known = [*self.scope.visible(), *(values.CONSTANTS if self.version == 3 else ("pi",))]
            self.fail(node, f"'{node.name}' is not declared here{suggestion(node.name, known)}")
        if found.value is None:
            self.fail(node, f"'{node.name}' has no value yet")
        return found.value

    def _chain(self, node: Chain) -> Any:
        left = self.value(node.first)
        for op, pos, operand in node.rest:
            if op in ("&&", "||") and isinstance(left, bool) and left == (op == "||"):
                continue  # decided by what stands on the left
            self.charge(node)
            left = self.guarded(pos, values.binary, op, left, self.value(operand), self.version)
            if op == "++":
                self.charge(node, len(left.indices) // 8)
        return left

    def _call(self, node: Call) -> Any:
        if node.type is not None:
            width = self.width(node.type.width)
            value = self.value(node.args[0])
            if isinstance(value, Measured):
                self.fail(node, "a measurement cannot be converted: assign it to bits first")
            return self.guarded(node, values.convert, node.type.kind, width, value)
        if self.call_subroutine is not None:
            done, result = self.call_subroutine(node)
            if done:
                if result is None:
                    self.fail(node, f"subroutine '{node.name}' returns no value here")
                return result
        args = [self.value(a) for a in node.args]
        return self.guarded(node, values.call, node.name, args, self.version)

    def width(self, node: Expr | None) -> int | None:
        """The width of a type, 1 to 64 for numbers."""
        return None if node is None else self.integer(node, "the width of a type", 1, MAX_REGISTER)

    # -- values of a kind ---------------------------------------------------------------------------------------------
    def integer(self, node: Expr, what: str, least: int, most: int) -> int:
        """An integer within bounds."""
        number = self.guarded(node, values.whole, self.value(node), what)
        if not least <= number <= most:
            self.fail(node, f"{what} is {number}: {least} to {most} is allowed")
        return int(number)

    def angle(self, node: Expr) -> float | Expression:
        """A real number or an expression in input parameters."""
        value = self.value(node)
        if isinstance(value, bool) or not isinstance(value, int | float | AngleBits | Expression):
            self.fail(node, f"an angle is needed, not {described(node, value)}")
        return value if isinstance(value, Expression) else self.guarded(node, values.real, value)

    def qubits(self, node: Expr) -> Qubits:
        """Qubits that an operand names."""
        value = self.value(node)
        if not isinstance(value, Qubits):
            self.fail(node, f"a qubit or a register of qubits is needed, not {described(node, value)}")
        return value

    def bits(self, node: Expr) -> Bits:
        """Classical bits that an operand names."""
        value = self.value(node)
        if not isinstance(value, Bits):
            self.fail(node, f"a classical bit or register is needed, not {described(node, value)}")
        return value

    def items(self, node: Range | SetLiteral, length: int | None, of: Index | None = None) -> list[int] | range:
        """The integers of a set or range; with a length, as indices of so many items (``of``), where -1 is the last."""
        if isinstance(node, SetLiteral):
            if length is None:
                return [self.guarded(item, values.whole, self.value(item), "an item of a set") for item in node.items]
            return [self._place(item, length, of) for item in node.items]
        bound = 1 << 62
        step = 1 if node.step is None else self.integer(node.step, "the step of a range", -bound, bound)
        if step == 0:
            self.fail(node, "the step of a range is 0: it must not be")
        if length is None:
            if node.start is None or node.stop is None:
                self.fail(node, "the range of a loop needs its start and its end")
            start = self.integer(node.start, "the start of a range", -bound, bound)
            stop = self.integer(node.stop, "the end of a range", -bound, bound)
        else:
            first, last = (0, length - 1) if step > 0 else (length - 1, 0)
            start = first if node.start is None else self._place(node.start, length, of)
            stop = last if node.stop is None else self._place(node.stop, length, of)
        return range(start, stop + (1 if step > 0 else -1), step)

    def _place(self, node: Expr, length: int, of: Index | None) -> int:
        index = self.guarded(node, values.whole, self.value(node), "an index")
        if not -length <= index < length or (index < 0 and self.version == 2):
            last = f"0 to {length - 1} is allowed" if length else "it is empty"
            name = f" of '{spelled(of.base)}'" if of and spelled(of.base) else ""
            self.fail(of or node, f"index {index} is out of range{name}: {last}")
        return int(index) + length if index < 0 else int(index)

    def _index(self, node: Index) -> Any:
        base = self.value(node.base)
        if isinstance(base, Qubits | Bits):
            if base.scalar:
                self.fail(node, f"an index into {described(node.base, base)}, which is no register")
            length = len(base.indices)
            if isinstance(node.index, Range | SetLiteral):
                chosen = self.items(node.index, length, node)
                self.charge(node, len(chosen))
                return type(base)(tuple(base.indices[i] for i in chosen))
            return type(base)((base.indices[self._place(node.index, length, node)],), True)
        if isinstance(node.index, Range | SetLiteral):
            self.fail(node, f"a slice of {described(node.base, base)}: only registers can be sliced")
        if isinstance(base, list):
            return base[self._place(node.index, len(base), node)]
        if isinstance(base, BitString | AngleBits) or (isinstance(base, int) and not isinstance(base, bool)):
            width, number = (base.width, base.value) if isinstance(base, BitString | AngleBits) else (64, base)
            width = base.width if isinstance(base, Sized) else width
            return bool(number >> self._place(node.index, width, node) & 1)
        raise self.error(node, f"an index into {described(node.base, base)}: it has no items")

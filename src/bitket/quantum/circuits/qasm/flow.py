"""Control flow: loops are unrolled, subroutines written out, and ``if`` on measured bits becomes conditions.

An instruction under such an ``if`` is written once for each pattern of the condition (see `conditions`), which is right as
long as no measurement inside changes the bits that were asked; where one does, that is an error.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from bitket.quantum.circuits.qasm import values
from bitket.quantum.circuits.qasm.calls import Branch, GateCalls, Leave
from bitket.quantum.circuits.qasm.conditions import BitFunction
from bitket.quantum.circuits.qasm.evaluation import MAX_REGISTER, Scope, Variable, described
from bitket.quantum.circuits.qasm.source import Sources
from bitket.quantum.circuits.qasm.syntax import (
    Block,
    Box,
    Call,
    Expr,
    For,
    If,
    Jump,
    Node,
    Range,
    Return,
    SetLiteral,
    Subroutine,
    Switch,
    Type,
    While,
)
from bitket.quantum.circuits.qasm.values import Bits, BitString, Measured, Qubits, kind

__all__ = ["ControlFlow"]

MAX_CALLS = 40  # of subroutines within subroutines


class ControlFlow(GateCalls):
    """Executes the statements that hold others."""

    def __init__(self, sources: Sources, version: int, steps: int) -> None:
        super().__init__(sources, version, steps)
        self.call_subroutine = self._call_subroutine
        self._subroutines: dict[str, Subroutine] = {}
        self._calls = 0

    def _global_only(self, node: Node, what: str) -> None:
        if self.scope.parent is not None or self._branches:
            self.fail(node, f"{what} can only stand outside all blocks")

    def _as(self, node: Node, type_: str, width: int | None, value: Any, lengths: Sequence[int] = ()) -> Any:
        if not lengths:
            if isinstance(value, Bits | BitFunction | Measured):
                self.fail(node, f"{kind(value)} as a value of type {type_}: it is not known before the circuit runs")
            return self.guarded(node, values.convert, type_, width, value)
        if not isinstance(value, list) or len(value) != lengths[0]:
            self.fail(node, f"an array of {lengths[0]} values is needed")
        self.charge(node, lengths[0])
        return [self._as(node, type_, width, item, lengths[1:]) for item in value]

    # -- branches -----------------------------------------------------------------------------------------------------
    @contextmanager
    def _under(self, node: Node, branch: Branch, function: BitFunction) -> Iterator[None]:
        """Conditions of what is emitted inside: those around, and one more."""
        self.charge(node, sum(map(len, function.patterns)) // 32)
        around = self._conditions
        outer = BitFunction(
            {c: condition.value >> i & 1 for i, c in enumerate(condition.clbits)} if condition else {}
            for condition in around
        )
        self._conditions = self.guarded(node, lambda: (outer & function).conditions())
        self._branches.append(branch)
        try:
            yield
        finally:
            self._conditions = around
            self._branches.pop()

    def _choose(self, node: Node, choices: list[tuple[BitFunction, Block]]) -> None:
        """Blocks under conditions of which at most one holds."""
        branch = Branch(frozenset().union(*(function.bits for function, _ in choices)))
        for function, block in choices:
            try:
                with self._under(node, branch, function):
                    self._block(block)
            except Leave as leave:
                self.fail(node, f"'{leave.how}' that depends on measured bits cannot be expressed in a circuit")

    def _if(self, node: If) -> None:
        value = self.value(node.condition)
        if not isinstance(value, Bits | BitFunction):
            if self.guarded(node.condition, values.truth, value):
                self._block(node.then)
            elif node.other is not None:
                self._block(node.other)
            return
        if self._gate_body is not None:
            self.fail(node, "a gate cannot depend on measured bits")
        function = self.guarded(node.condition, values.condition, value)
        choices = [(function, node.then)]
        if node.other is not None:
            choices.append((self.guarded(node.condition, lambda: ~function), node.other))
        self._choose(node, choices)

    def _switch(self, node: Switch) -> None:
        value = self.value(node.value)
        if not isinstance(value, Bits):
            number = self.guarded(node.value, values.whole, value, "a switch")
            for labels, block in node.cases:
                if any(self.guarded(x, values.whole, self.value(x), "a case") == number for x in labels):
                    self._block(block)
                    return
            if node.default is not None:
                self._block(node.default)
            return
        met = BitFunction(())
        choices = []
        for labels, block in node.cases:
            case = BitFunction(())
            for x in labels:
                case = self.guarded(x, lambda a, b: a | b, case, self.guarded(x, self._case, value, x))
            choices.append((self.guarded(node, lambda a, b: a & ~b, case, met), block))
            met = self.guarded(node, lambda a, b: a | b, met, case)
        if node.default is not None:
            choices.append((self.guarded(node, lambda: ~met), node.default))
        self._choose(node, choices)

    def _case(self, bits: Bits, label: Expr) -> BitFunction:
        equal = values.binary("==", bits, self.value(label), self.version)
        return values.condition(equal)

    # -- loops --------------------------------------------------------------------------------------------------------
    def _for(self, node: For) -> None:
        if isinstance(node.values, Range | SetLiteral):
            items: Sequence[Any] = self.items(node.values, None)
        else:
            found = self.value(node.values)
            if isinstance(found, BitString):
                items = [bool(found.value >> i & 1) for i in range(found.width)]
            elif isinstance(found, list):
                items = list(found)
            else:
                self.fail(node.values, f"a loop over {described(node.values, found)}: a range, set or array is needed")
        width = self.width(node.type.width)
        for item in items:
            scope = Scope(self.scope)
            value = self._as(node, node.type.kind, width, item)
            scope.names[node.name] = Variable(value, node.type.kind, width, False, len(self._branches))
            if not self._iteration(node, node.body, scope):
                break

    def _while(self, node: While) -> None:
        while True:
            value = self.value(node.condition)
            if isinstance(value, Bits | BitFunction):
                self.fail(node.condition, "'while' on measured bits cannot be unrolled")
            if not self.guarded(node.condition, values.truth, value) or not self._iteration(node, node.body):
                break

    def _iteration(self, node: Node, body: Block, scope: Scope | None = None) -> bool:
        """One pass of a loop; whether the loop goes on."""
        self.charge(node, 4)
        try:
            self._block(body, scope)
        except Leave as leave:
            if leave.how not in ("break", "continue"):
                raise
            return leave.how == "continue"
        return True

    def _jump(self, node: Jump) -> None:
        if node.kind == "end" and self._gate_body is not None:
            self.fail(node, "'end' in the body of a gate")
        raise Leave(node.kind)

    def _box(self, node: Box) -> None:
        self._block(node.body)

    # -- subroutines --------------------------------------------------------------------------------------------------
    def _define_subroutine(self, node: Subroutine) -> None:
        self._global_only(node, "the definition of a subroutine")
        if node.name in self.scope.names or node.name in self.gates or node.name in self._subroutines:
            self.fail(node, f"'{node.name}' is declared twice")
        self._subroutines[node.name] = node

    def _call_subroutine(self, node: Call) -> tuple[bool, Any]:
        """Whether there is such a subroutine, and the value it returns."""
        routine = self._subroutines.get(node.name)
        if routine is None:
            return False, None
        if self._gate_body is not None:
            self.fail(node, f"subroutine '{node.name}' in the body of a gate")
        if len(node.args) != len(routine.params):
            self.fail(node, f"subroutine '{node.name}' takes {len(routine.params)} values, {len(node.args)} were given")
        self.charge(node)
        inner = Scope(self._outermost(), sealed=True)
        for (type_, name), arg in zip(routine.params, node.args, strict=True):
            inner.names[name] = self._argument(type_, name, arg)
        self._calls += 1
        if self._calls > MAX_CALLS:
            self.fail(node, f"subroutines that call subroutines, more than {MAX_CALLS} deep")
        result = None
        try:
            self._block(routine.body, inner)
        except Leave as leave:
            if leave.how in ("break", "continue"):
                self.fail(node, f"'{leave.how}' outside of a loop in subroutine '{node.name}'")
            if leave.how == "end":
                raise
            result = leave.value
        finally:
            self._calls -= 1
        return True, result

    def _argument(self, type_: Type, name: str, arg: Expr) -> Variable:
        if type_.kind != "qubit":
            value = self.value(arg)
            if type_.kind == "bit" and isinstance(value, Bits):
                return Variable(value)
            width = self.width(type_.width)
            return Variable(self._as(arg, type_.kind, width, value), type_.kind, width, False, len(self._branches))
        qubits = self.qubits(arg)
        size = 1 if type_.width is None else self.integer(type_.width, f"the size of '{name}'", 1, MAX_REGISTER)
        if len(qubits.indices) != size:
            self.fail(arg, f"'{name}' takes {size} qubit{'s' if size > 1 else ''}, {len(qubits.indices)} were given")
        return Variable(Qubits(qubits.indices, type_.width is None))

    def _return(self, node: Return) -> None:
        raise Leave("return", None if node.value is None else self.value(node.value))

"""From statements to instructions: declarations, operations on qubits, assignments."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from bitket.quantum.circuits.circuit import Operation
from bitket.quantum.circuits.parameter import Parameter, Role
from bitket.quantum.circuits.qasm import values
from bitket.quantum.circuits.qasm.calls import Leave
from bitket.quantum.circuits.qasm.evaluation import MAX_REGISTER, Variable, described
from bitket.quantum.circuits.qasm.flow import ControlFlow
from bitket.quantum.circuits.qasm.source import Sources
from bitket.quantum.circuits.qasm.syntax import (
    Alias,
    Assign,
    BitDeclaration,
    Box,
    Call,
    Declaration,
    For,
    GateCall,
    GateDefinition,
    If,
    Include,
    Index,
    Input,
    Jump,
    Measure,
    Name,
    Node,
    Opaque,
    Physical,
    QubitDeclaration,
    QubitStatement,
    Range,
    Return,
    SetLiteral,
    Subroutine,
    Switch,
    While,
    spelled,
)
from bitket.quantum.circuits.qasm.values import Bits, BitString, Measured, Qubits, kind

__all__ = ["Elaborator", "EndOfProgram"]


class EndOfProgram(Exception):
    """``end`` was reached."""


class Elaborator(ControlFlow):
    """Executes statements and gathers the instructions of a circuit.

    Parameters
    ----------
    sources, version, steps
        As for `Evaluator`.
    inputs
        Names of input parameters whose role is ``"input"``.
    """

    def __init__(self, sources: Sources, version: int, steps: int, inputs: Sequence[str] = ()) -> None:
        super().__init__(sources, version, steps)
        self.parameters: dict[str, Parameter] = {}
        self.num_qubits = self.num_clbits = 0
        self.inputs = frozenset(inputs)
        self.inputs_met: set[str] = set()
        self.notes: list[tuple[Node, str]] = []
        self.physical = self._physical
        self._physical_used = False

    def execute(self, node: Node) -> None:
        """Execute one statement of the outermost scope.

        Raises
        ------
        QasmError
            The statement is wrong, or cannot be expressed in a circuit.
        """
        try:
            self._run(node)
        except Leave as leave:
            if leave.how != "end":
                self.fail(node, f"'{leave.how}' outside of {'a subroutine' if leave.how == 'return' else 'a loop'}")
            raise EndOfProgram from None

    def _run(self, node: Node) -> None:
        self.charge(node, 4)  # about what one statement takes, beside adding one instruction
        _STATEMENTS[type(node)](self, node)

    def _new(self, node: Node, name: str, variable: Variable) -> None:
        taken = name in self.scope.names
        if self.scope.parent is None:
            taken = taken or name in self.gates.defined or name in self._subroutines
        if taken or name in values.CONSTANTS:
            self.fail(node, f"'{name}' is declared twice")
        variable.branch = len(self._branches)
        self.scope.names[name] = variable

    def _include(self, node: Include) -> None:
        self.fail(node, "an include can only stand outside all blocks")

    # -- declarations -------------------------------------------------------------------------------------------------
    def _declare_qubits(self, node: QubitDeclaration) -> None:
        self._global_only(node, "a declaration of qubits")
        if self._physical_used:
            self.fail(node, "a text uses either physical qubits ($0) or declared ones, not both")
        size = self._size(node)
        indices = range(self.num_qubits, self.num_qubits + size)
        if indices.stop > MAX_REGISTER:
            self.fail(node, f"{indices.stop} qubits: at most {MAX_REGISTER} bits in all can be read")
        self._new(node, node.name, Variable(Qubits(indices, node.size is None)))
        self.num_qubits += size

    def _size(self, node: QubitDeclaration | BitDeclaration) -> int:
        if node.size is None:
            return 1
        size = self.guarded(node.size, values.whole, self.value(node.size), "the size")
        if not 1 <= size <= MAX_REGISTER:
            message = f"register '{node.name}' of {size}: 1 to {MAX_REGISTER} bits in all can be read"
            self.fail(node.size, message)
        return int(size)

    def _declare_bits(self, node: BitDeclaration) -> None:
        if self._gate_body is not None:
            self.fail(node, "a gate cannot declare classical bits")
        size = self._size(node)
        indices = range(self.num_clbits, self.num_clbits + size)
        if indices.stop > MAX_REGISTER:
            self.fail(node, f"{indices.stop} classical bits: at most {MAX_REGISTER} bits in all can be read")
        bits = Bits(indices, node.size is None)
        value = None if node.init is None else self.value(node.init)
        self._new(node, node.name, Variable(bits))
        self.num_clbits += size
        if isinstance(value, Measured):
            self._measure(node, value.qubits, bits, node.init, node.name)
        elif value is not None:
            known = self.guarded(node, values.convert, "bit", size, value)
            if not isinstance(known, BitString) or known.value != 0:
                self.fail(node, f"bits '{node.name}' start at 0 in a circuit: another first value is not supported")

    def _declare(self, node: Declaration) -> None:
        width = self.width(node.type.width)
        lengths = [self.integer(n, "the length of an array", 1, MAX_REGISTER) for n in node.type.lengths]
        value = None if node.init is None else self.value(node.init)
        if value is not None:
            value = self._as(node, node.type.kind, width, value, lengths)
        elif lengths:
            value = self._zeros(node, lengths)
        self._new(node, node.name, Variable(value, node.type.kind, width, node.const))

    def _zeros(self, node: Node, lengths: Sequence[int]) -> Any:
        if not lengths:
            return None
        self.charge(node, lengths[0])
        return [self._zeros(node, lengths[1:]) for _ in range(lengths[0])]

    def _input(self, node: Input) -> None:
        self._global_only(node, "an input")
        if node.type.kind not in ("float", "angle"):
            self.fail(
                node, f"input {node.type.kind} '{node.name}': only inputs of type float and angle become parameters"
            )
        self.width(node.type.width)
        name, role = node.name, "weight"
        for keyword, content in node.annotations:
            if keyword in ("bitket.input", "bitket.weight"):
                role, name = keyword.removeprefix("bitket."), content or name
        if self.inputs & {node.name, name}:
            role = "input"
        self.inputs_met |= {node.name, name}
        lengths = [self.integer(n, "the length of an array", 1, MAX_REGISTER) for n in node.type.lengths]
        value = self._parameters(node, name, "input" if role == "input" else "weight", lengths)
        self._new(node, node.name, Variable(value, node.type.kind))

    def _parameters(self, node: Node, name: str, role: Role, lengths: Sequence[int]) -> Any:
        self.charge(node)
        if lengths:
            return [self._parameters(node, f"{name}[{i}]", role, lengths[1:]) for i in range(lengths[0])]
        parameter = Parameter(name, role)
        if self.parameters.setdefault(name, parameter) is not parameter:
            self.fail(node, f"parameter '{name}' is declared twice")
        self.circuit.declare(parameter)
        return parameter

    def _alias(self, node: Alias) -> None:
        value = self.value(node.value)
        if not isinstance(value, Qubits | Bits):
            self.fail(node, f"an alias of {described(node.value, value)}: qubits or classical bits are needed")
        if len(value.indices) > MAX_REGISTER:
            self.fail(node, f"an alias of {len(value.indices)} bits: at most {MAX_REGISTER}")
        self.charge(node, len(value.indices) if isinstance(value.indices, tuple) else 1)
        if len(set(value.indices)) < len(value.indices):
            self.fail(node, f"alias '{node.name}' names a {'qubit' if isinstance(value, Qubits) else 'bit'} twice")
        self._new(node, node.name, Variable(value))

    def _physical(self, node: Physical) -> Qubits:
        if self.num_qubits and not self._physical_used:
            self.fail(node, "a text uses either physical qubits ($0) or declared ones, not both")
        if node.index >= MAX_REGISTER:
            self.fail(node, f"physical qubit ${node.index}: numbers below {MAX_REGISTER} are supported")
        self._physical_used = True
        self.num_qubits = max(self.num_qubits, node.index + 1)
        return Qubits((node.index,), True)

    def knows_physical(self, index: int) -> bool:
        """Whether the circuit has this physical qubit already."""
        return self._physical_used and index < self.num_qubits

    # -- gates --------------------------------------------------------------------------------------------------------
    def _define_gate(self, node: GateDefinition) -> None:
        self._global_only(node, "the definition of a gate")
        if node.name in self.scope.names or node.name in self._subroutines:
            self.fail(node, f"'{node.name}' is declared twice")
        self.gates.define(node)

    def _declare_opaque(self, node: Opaque) -> None:
        self.gates.declare_opaque(node, node.name)

    # -- operations ---------------------------------------------------------------------------------------------------
    def _on_qubits(self, node: QubitStatement) -> None:
        if node.kind == "delay":
            self.notes.append((node, "delay is left out: circuits keep no times"))
            return
        operands = [self.qubits(operand) for operand in node.operands]
        if node.kind == "barrier":
            qubits = tuple(dict.fromkeys(q for o in operands for q in o.indices)) or tuple(range(self.num_qubits))
            if not node.operands and self._gate_body is not None:
                return
            if qubits:
                self.charge(node, len(qubits) // 32)
                self._emit(node, ((Operation("barrier"), tuple(range(len(qubits)))),), qubits)
            return
        for operand in operands:
            for q in operand.indices:
                self._emit(node, ((Operation("reset"), (0,)),), (q,))

    def _measurement(self, node: Measure) -> None:
        qubits = self.qubits(node.qubits)
        if node.target is None:
            self.fail(node, "a measurement whose outcome is not kept: 'measure q -> c' or 'c = measure q' is needed")
        self._measure(node, qubits, self.bits(node.target), node, spelled(node.target))

    def _measure(self, node: Node, qubits: Qubits, bits: Bits, measured: Node | None, target: str) -> None:
        if self._gate_body is not None:
            self.fail(node, "a gate cannot measure")
        if len(qubits.indices) != len(bits.indices):
            source = spelled(measured.qubits) if isinstance(measured, Measure) else ""
            self.fail(
                node, f"measure '{source}', {kind(qubits)}, into '{target}', {kind(bits)}: the numbers must be equal"
            )
        for q, c in zip(qubits.indices, bits.indices, strict=True):
            self._emit(node, ((Operation("measure"), (0,)),), (q,), (c,))
            for branch in self._branches:
                if c in branch.bits:
                    branch.changed = True
                    if len(self._conditions) > 1:
                        self.fail(node, "a measurement into bits that the condition around it asks: use other bits")

    def _assign(self, node: Assign) -> None:
        target, path = node.target, []
        while isinstance(target, Index):
            path.append(target.index)
            target = target.base
        if not isinstance(target, Name):
            self.fail(node, "only variables and bits can be assigned to")
        variable = self.scope.find(target.name)
        value = self.value(node.value)
        if isinstance(value, Measured):
            self._measure(node, value.qubits, self.bits(node.target), node.value, spelled(node.target))
            return
        if variable is None:
            self.look_up(target)
            self.fail(node, f"'{target.name}' is a constant of the language")
        if isinstance(variable.value, Bits):
            self.fail(node, "classical bits can only be set by measurements in a circuit")
        if variable.const:
            self.fail(node, f"'{target.name}' is constant: it cannot be assigned to")
        if variable.branch < len(self._branches):
            self.fail(node, f"'{target.name}' would depend on measured bits, and circuits keep no such variables")
        if node.op != "=":
            value = self.guarded(node, values.binary, node.op[:-1], self.value(node.target), value, self.version)
        if not path:
            lengths = self._lengths(variable.value)
            variable.value = self._as(node, variable.type, variable.width, value, lengths)
            return
        self._assign_item(node, variable, path[::-1], value)

    def _lengths(self, value: Any) -> list[int]:
        lengths = []
        while isinstance(value, list):
            lengths.append(len(value))
            value = value[0]
        return lengths

    def _assign_item(self, node: Assign, variable: Variable, path: list[Any], value: Any) -> None:
        place = variable.value
        for depth, index in enumerate(path):
            if not isinstance(place, list) or isinstance(index, Range | SetLiteral):
                self.fail(node, "only items of arrays can be assigned to one by one")
            at = self.integer(index, "an index", -len(place), len(place) - 1)
            if depth == len(path) - 1:
                place[at] = self._as(node, variable.type, variable.width, value, self._lengths(place[at]))
            else:
                place = place[at]

    def _statement_call(self, node: Call) -> None:
        if node.name in self._subroutines:
            self._call_subroutine(node)
        elif node.name in self.gates:
            self.fail(node, f"gate '{node.name}' needs the qubits it acts on")
        else:
            self.value(node)
            self.fail(node, f"the value of {node.name}(...) is not used")


_STATEMENTS: dict[type, Callable[[Elaborator, Any], None]] = {
    Alias: Elaborator._alias,
    Assign: Elaborator._assign,
    BitDeclaration: Elaborator._declare_bits,
    Box: Elaborator._box,
    Call: Elaborator._statement_call,
    Declaration: Elaborator._declare,
    For: Elaborator._for,
    GateCall: Elaborator._call_gate,
    GateDefinition: Elaborator._define_gate,
    If: Elaborator._if,
    Include: Elaborator._include,
    Input: Elaborator._input,
    Jump: Elaborator._jump,
    Measure: Elaborator._measurement,
    Opaque: Elaborator._declare_opaque,
    QubitDeclaration: Elaborator._declare_qubits,
    QubitStatement: Elaborator._on_qubits,
    Return: Elaborator._return,
    Subroutine: Elaborator._define_subroutine,
    Switch: Elaborator._switch,
    While: Elaborator._while,
}

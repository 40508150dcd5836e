"""From statements to instructions: loops are unrolled, definitions and subroutines written out, conditions resolved.

An instruction under ``if`` on measured bits is written once for each pattern of the condition (see `conditions`), which is
right as long as no measurement inside changes the bits that were asked; where one does, that is an error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from bitket.quantum.circuits.circuit import Condition, Instruction, Operation
from bitket.quantum.circuits.gates import Gate, gate
from bitket.quantum.circuits.parameter import Expression, Parameter, Role
from bitket.quantum.circuits.qasm import modifiers, values
from bitket.quantum.circuits.qasm.conditions import BitFunction
from bitket.quantum.circuits.qasm.definitions import DefinedGate, GateTable, is_standard, same_as_standard
from bitket.quantum.circuits.qasm.evaluation import MAX_REGISTER, Evaluator, Scope, Variable
from bitket.quantum.circuits.qasm.library import BUILTIN_2, BUILTIN_3, LibraryGate, Operations
from bitket.quantum.circuits.qasm.source import QasmError, Sources
from bitket.quantum.circuits.qasm.syntax import (
    Alias,
    Assign,
    BitDeclaration,
    Block,
    Box,
    Call,
    Declaration,
    Expr,
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
    Type,
    While,
)
from bitket.quantum.circuits.qasm.values import Bits, BitString, Measured, Qubits, kind

__all__ = ["Elaborator"]

MAX_CALLS = 40  # of subroutines within subroutines
_CACHED = 200_000  # operations kept of gates written out before
_SAMPLES = (0.7390851332151607, -1.2599210498948732, 2.2360679774997896, 0.3183098861837907)


class _Leave(Exception):
    """``break``, ``continue``, ``end`` or ``return``, on its way to the block that it ends."""

    def __init__(self, how: str, value: Any = None) -> None:
        self.how = how
        self.value = value


class _Branch:
    """One ``if`` on measured bits under way."""

    def __init__(self, bits: frozenset[int]) -> None:
        self.bits = bits
        self.changed = False


class Elaborator(Evaluator):
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
        self.gates = GateTable(self, BUILTIN_2 if version == 2 else BUILTIN_3)
        self.instructions: list[Instruction] = []
        self.parameters: dict[str, Parameter] = {}
        self.num_qubits = self.num_clbits = 0
        self.inputs = frozenset(inputs)
        self.inputs_met: set[str] = set()
        self.notes: list[tuple[Node, str]] = []
        self.physical = self._physical
        self.call_subroutine = self._call_subroutine
        self._physical_used = False
        self._subroutines: dict[str, Subroutine] = {}
        self._calls = 0
        self._conditions: list[Condition | None] = [None]
        self._branches: list[_Branch] = []
        self._gate_body: list[tuple[Gate | Operation, tuple[int, ...]]] | None = None
        self._written: dict[tuple[Any, ...], Operations] = {}
        self._written_size = 0

    def execute(self, node: Node) -> None:
        """Execute one statement of the outermost scope.

        Raises
        ------
        QasmError
            The statement is wrong, or cannot be expressed in a circuit.
        """
        try:
            self._run(node)
        except _Leave as leave:
            if leave.how != "end":
                self.fail(node, f"'{leave.how}' outside of {'a subroutine' if leave.how == 'return' else 'a loop'}")
            raise EndOfProgram from None

    def _run(self, node: Node) -> None:
        self.charge(node, 4)  # about what one statement takes, beside adding one instruction
        _STATEMENTS[type(node)](self, node)

    def _block(self, block: Block, scope: Scope | None = None) -> None:
        outside, self.scope = self.scope, scope or Scope(self.scope)
        try:
            for statement in block.body:
                self._run(statement)
        finally:
            self.scope = outside

    def _global_only(self, node: Node, what: str) -> None:
        if self.scope.parent is not None or self._branches:
            self.fail(node, f"{what} can only stand outside all blocks")

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
            self._measure(node, value.qubits, bits)
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

    def _as(self, node: Node, type_: str, width: int | None, value: Any, lengths: Sequence[int] = ()) -> Any:
        if not lengths:
            if isinstance(value, Bits | BitFunction | Measured):
                self.fail(node, f"{kind(value)} as a value of type {type_}: it is not known before the circuit runs")
            return self.guarded(node, values.convert, type_, width, value)
        if not isinstance(value, list) or len(value) != lengths[0]:
            self.fail(node, f"an array of {lengths[0]} values is needed")
        self.charge(node, lengths[0])
        return [self._as(node, type_, width, item, lengths[1:]) for item in value]

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
        name = node.name
        role: Role = "input" if name in self.inputs else "weight"
        for keyword, content in node.annotations:
            if keyword in ("bitket.input", "bitket.weight"):
                role = "input" if keyword == "bitket.input" or role == "input" else "weight"
                name = content or name
        role = "input" if name in self.inputs else role
        self.inputs_met |= {node.name, name}
        lengths = [self.integer(n, "the length of an array", 1, MAX_REGISTER) for n in node.type.lengths]
        value = self._parameters(node, name, role, lengths)
        self._new(node, node.name, Variable(value, node.type.kind))

    def _parameters(self, node: Node, name: str, role: Role, lengths: Sequence[int]) -> Any:
        self.charge(node)
        if lengths:
            return [self._parameters(node, f"{name}[{i}]", role, lengths[1:]) for i in range(lengths[0])]
        parameter = Parameter(name, role)
        if self.parameters.setdefault(name, parameter) is not parameter:
            self.fail(node, f"parameter '{name}' is declared twice")
        return parameter

    def _alias(self, node: Alias) -> None:
        value = self.value(node.value)
        if not isinstance(value, Qubits | Bits):
            self.fail(node, f"an alias of {kind(value)}: qubits or classical bits are needed")
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

    # -- gates --------------------------------------------------------------------------------------------------------
    def _define_gate(self, node: GateDefinition) -> None:
        self._global_only(node, "the definition of a gate")
        if node.name in self.scope.names or node.name in self._subroutines:
            self.fail(node, f"'{node.name}' is declared twice")
        self.gates.define(node)

    def _declare_opaque(self, node: Opaque) -> None:
        self.gates.declare_opaque(node, node.name)

    def _call_gate(self, node: GateCall) -> None:
        found = self.gates.find(node)
        params = tuple(self.angle(a) for a in node.args)
        operations = self.operations(node, found, params)
        num_qubits = found.num_qubits
        for modifier in reversed(node.modifiers):
            operations, num_qubits = self._modify(modifier, operations, num_qubits)
        operands = [self.qubits(operand) for operand in node.operands]
        if len(operands) != num_qubits:
            self.fail(
                node, f"gate '{node.name}' with its modifiers takes {num_qubits} qubits, {len(operands)} were given"
            )
        for qubits in self._broadcast(node, operands) if num_qubits else [()]:
            if len(set(qubits)) < len(qubits):
                self.fail(node, f"gate '{node.name}': the same qubit is used twice")
            self._emit(node, operations, qubits)

    def operations(
        self, node: Node | int, found: DefinedGate | LibraryGate, params: tuple[float | Expression, ...]
    ) -> Operations:
        """A gate written out on local qubits."""
        if isinstance(found, LibraryGate):
            return self.guarded(node, found.make, *params)
        name = found.definition.name
        if found.standard is None:
            found.standard = self._find_standard(node, found)
        if found.standard:
            return ((gate(name, *params), tuple(range(found.num_qubits))),)
        key = (name, params)
        if key not in self._written:
            written = self._write_out(node, found, params)
            if self._written_size + len(written) > _CACHED:
                self._written.clear()
                self._written_size = 0
            self._written[key] = written
            self._written_size += len(written)
        return self._written[key]

    def _find_standard(self, node: Node | int, found: DefinedGate) -> bool:
        name = found.definition.name
        if not is_standard(name, found.num_params, found.num_qubits):
            return False
        params = _SAMPLES[: found.num_params]
        try:
            return same_as_standard(name, params, found.num_qubits, self._write_out(node, found, params))
        except QasmError:
            return False  # no gate for these angles; for those of the call it may be one

    def _write_out(self, node: Node | int, found: DefinedGate, params: tuple[float | Expression, ...]) -> Operations:
        inner = Scope(self._outermost(), sealed=True)
        for i, name in enumerate(found.definition.qubits):
            inner.names[name] = Variable(Qubits((i,), True))
        for name, value in zip(found.definition.params, params, strict=True):
            inner.names[name] = Variable(value, "angle")
        kept = self._gate_body, self._conditions, self._branches
        self._gate_body, self._conditions, self._branches = [], [None], []
        try:
            self._block(found.definition.body, inner)
            return tuple(self._gate_body)
        except _Leave as leave:
            self.fail(node, f"'{leave.how}' in the body of gate '{found.definition.name}'")
        finally:
            self._gate_body, self._conditions, self._branches = kept

    def _outermost(self) -> Scope:
        scope = self.scope
        while scope.parent is not None:
            scope = scope.parent
        return scope

    def _modify(self, node: Any, operations: Operations, num_qubits: int) -> tuple[Operations, int]:
        self.charge(node, len(operations))
        if node.kind == "inv":
            return self.guarded(node, modifiers.inverted, operations), num_qubits
        if node.kind == "pow":
            exponent = self.angle(node.argument)
            self.charge(node, modifiers.power_cost(operations, num_qubits, exponent))
            return self.guarded(node, modifiers.powered, operations, num_qubits, exponent), num_qubits
        count = (
            1
            if node.argument is None
            else self.integer(node.argument, f"the number of controls of '{node.kind}'", 1, 64)
        )
        return self.guarded(node, modifiers.controlled, operations, count, node.kind == "ctrl"), num_qubits + count

    def _broadcast(self, node: Node, operands: list[Qubits]) -> Iterator[tuple[int, ...]]:
        sizes = {len(operand.indices) for operand in operands if not operand.scalar}
        if len(sizes) > 1:
            self.fail(node, f"registers of different sizes ({', '.join(map(str, sorted(sizes)))}) in one statement")
        for i in range(sizes.pop() if sizes else 1):
            yield tuple(operand.indices[0 if operand.scalar else i] for operand in operands)

    def _emit(self, node: Node, operations: Operations, qubits: Sequence[int], clbits: tuple[int, ...] = ()) -> None:
        if any(branch.changed for branch in self._branches):
            self.fail(node, "a measurement before this changed bits that the condition around it asks; use other bits")
        if self._gate_body is not None:
            self.charge(node, len(operations))
            self._gate_body += [(op, tuple(qubits[i] for i in local)) for op, local in operations]
            return
        self.charge(node, len(operations) * len(self._conditions))
        add = self.instructions.append
        for op, local in operations:
            where = tuple(qubits[i] for i in local)
            for condition in self._conditions:
                add(Instruction(op, where, clbits, condition))

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
        self._measure(node, qubits, self.bits(node.target))

    def _measure(self, node: Node, qubits: Qubits, bits: Bits) -> None:
        if self._gate_body is not None:
            self.fail(node, "a gate cannot measure")
        if len(qubits.indices) != len(bits.indices):
            self.fail(node, f"measure {kind(qubits)} into {kind(bits)}: the numbers must be equal")
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
            self._measure(node, value.qubits, self.bits(node.target))
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

    # -- control flow -------------------------------------------------------------------------------------------------
    @contextmanager
    def _under(self, node: Node, branch: _Branch, function: BitFunction) -> Iterator[None]:
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
        branch = _Branch(frozenset().union(*(function.bits for function, _ in choices)))
        for function, block in choices:
            try:
                with self._under(node, branch, function):
                    self._block(block)
            except _Leave as leave:
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
                self.fail(node.values, f"a loop over {kind(found)}: a range, set or array is needed")
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
        except _Leave as leave:
            if leave.how not in ("break", "continue"):
                raise
            return leave.how == "continue"
        return True

    def _jump(self, node: Jump) -> None:
        if node.kind == "end" and self._gate_body is not None:
            self.fail(node, "'end' in the body of a gate")
        raise _Leave(node.kind)

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
        except _Leave as leave:
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
        raise _Leave("return", None if node.value is None else self.value(node.value))


class EndOfProgram(Exception):
    """``end`` was reached."""


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

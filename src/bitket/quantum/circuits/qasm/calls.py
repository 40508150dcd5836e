"""Gate calls: written out on local qubits, modified, broadcast over registers, and added under the conditions around them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from bitket.quantum.circuits.circuit import Circuit, Condition, Instruction, Operation, Row
from bitket.quantum.circuits.gates import Gate, gate
from bitket.quantum.circuits.parameter import Expression
from bitket.quantum.circuits.qasm import modifiers
from bitket.quantum.circuits.qasm.definitions import DefinedGate, GateTable, is_standard, same_as_standard
from bitket.quantum.circuits.qasm.evaluation import Evaluator, Scope, Variable
from bitket.quantum.circuits.qasm.library import BUILTIN_2, BUILTIN_3, LibraryGate, Operations
from bitket.quantum.circuits.qasm.source import QasmError, Sources
from bitket.quantum.circuits.qasm.syntax import Block, GateCall, Node, spelled
from bitket.quantum.circuits.qasm.values import Qubits

__all__ = ["Branch", "GateCalls", "Leave"]

_CACHED = 200_000  # operations kept of gates written out before
_SAMPLES = (0.7390851332151607, -1.2599210498948732, 2.2360679774997896, 0.3183098861837907)


class Leave(Exception):
    """``break``, ``continue``, ``end`` or ``return``, on its way to the block that it ends."""

    def __init__(self, how: str, value: Any = None) -> None:
        self.how = how
        self.value = value


class Branch:
    """One ``if`` on measured bits under way."""

    def __init__(self, bits: frozenset[int]) -> None:
        self.bits = bits
        self.changed = False


class GateCalls(Evaluator):
    """Gathers the instructions of a circuit.

    Parameters
    ----------
    sources, version, steps
        As for `Evaluator`.
    """

    def __init__(self, sources: Sources, version: int, steps: int) -> None:
        super().__init__(sources, version, steps)
        self.gates = GateTable(self, BUILTIN_2 if version == 2 else BUILTIN_3)
        self.circuit = Circuit(1)  # grows with the declarations
        self.add: Callable[[Iterable[Row]], None] = self.circuit._extend
        self._conditions: list[Condition | None] = [None]
        self._branches: list[Branch] = []
        self._gate_body: list[tuple[Gate | Operation, tuple[int, ...]]] | None = None
        self._written: dict[tuple[Any, ...], Operations] = {}
        self._written_size = 0

    def _run(self, node: Node) -> None:
        """Execute a statement."""
        raise NotImplementedError

    def _block(self, block: Block, scope: Scope | None = None) -> None:
        outside, self.scope = self.scope, scope or Scope(self.scope)
        try:
            for statement in block.body:
                self._run(statement)
        finally:
            self.scope = outside

    def _outermost(self) -> Scope:
        scope = self.scope
        while scope.parent is not None:
            scope = scope.parent
        return scope

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
                self.fail(
                    node,
                    f"gate '{node.name}': the same qubit is used twice, by {', '.join(map(spelled, node.operands))}",
                )
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
        except Leave as leave:
            self.fail(node, f"'{leave.how}' in the body of gate '{found.definition.name}'")
        finally:
            self._gate_body, self._conditions, self._branches = kept

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

    def _broadcast(self, node: GateCall, operands: list[Qubits]) -> Iterator[tuple[int, ...]]:
        sizes = {len(operand.indices) for operand in operands if not operand.scalar}
        if len(sizes) > 1:
            names = ", ".join(map(spelled, node.operands))
            self.fail(
                node, f"registers of different sizes ({', '.join(map(str, sorted(sizes)))}) in one statement: {names}"
            )
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
        self.add(
            Instruction(op, where, clbits, condition)
            for op, local in operations
            for where in (tuple(qubits[i] for i in local),)
            for condition in self._conditions
        )

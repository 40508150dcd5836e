"""Gates defined in a text: what is wrong in a definition is said where it stands, also if no one calls it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NoReturn

import numpy as np

from bitket.quantum.circuits.circuit import Circuit
from bitket.quantum.circuits.gates import NAMES, gate, gate_shape
from bitket.quantum.circuits.qasm.evaluation import Evaluator, suggestion
from bitket.quantum.circuits.qasm.expressions import KEYWORDS_3
from bitket.quantum.circuits.qasm.library import LIBRARIES, LibraryGate, Operations
from bitket.quantum.circuits.qasm.syntax import (
    Block,
    Box,
    Call,
    Chain,
    For,
    GateCall,
    GateDefinition,
    If,
    Literal,
    Modifier,
    Name,
    Node,
    QubitStatement,
    Switch,
    Unary,
    While,
    spelled,
    walk,
)
from bitket.quantum.circuits.qasm.values import CONSTANTS

__all__ = ["DefinedGate", "GateTable", "OpaqueGate", "is_standard", "same_as_standard"]

MAX_NESTING = 100  # of gate definitions that call one another
_OWN_LIBRARY = {2: "qelib1.inc", 3: "stdgates.inc"}
_STANDARD_LENGTH = 200  # longer definitions are not compared with the standard gate of their name
_ALLOWED = (Block, Box, For, GateCall, If, QubitStatement, Switch, While)


@dataclass(slots=True)
class DefinedGate:
    """A gate of the text. ``standard``: whether it is the library's gate of its name; None: not yet known."""

    definition: GateDefinition
    depth: int
    standard: bool | None = None

    @property
    def num_params(self) -> int:
        """How many parameters it takes."""
        return len(self.definition.params)

    @property
    def num_qubits(self) -> int:
        """How many qubits it takes."""
        return len(self.definition.qubits)


@dataclass(slots=True)
class OpaqueGate:
    """A gate that is declared, and never defined."""

    pos: int


class GateTable:
    """The gates that a text can call, by name: its own before those of the libraries.

    The library of the language's version is there without its ``include``, which many files forget.
    """

    def __init__(self, evaluator: Evaluator, builtin: dict[str, LibraryGate]) -> None:
        self._evaluator = evaluator
        self._builtin = builtin
        self.library: dict[str, LibraryGate] = {**LIBRARIES[_OWN_LIBRARY[evaluator.version]], **builtin}
        self.defined: dict[str, DefinedGate | OpaqueGate] = {}

    def __contains__(self, name: str) -> bool:
        return name in self.defined or name in self.library

    def find(self, node: GateCall) -> DefinedGate | LibraryGate:
        """The gate of a call, whose numbers of parameters and qubits are checked."""
        found = self.defined.get(node.name) or self.library.get(node.name)
        fail = self._evaluator.fail
        if found is None:
            self._unknown(node)
        if isinstance(found, OpaqueGate):
            fail(node, f"gate '{node.name}' is opaque: it has no definition that could be used")
        if len(node.args) != found.num_params:
            fail(node, f"gate '{node.name}' takes {found.num_params} parameters, {len(node.args)} were given")
        extra = len(node.operands) - found.num_qubits
        if extra < 0 or (extra and not node.modifiers):
            fail(node, f"gate '{node.name}' takes {found.num_qubits} qubits, {len(node.operands)} were given")
        return found

    def _unknown(self, node: GateCall) -> NoReturn:
        hint = suggestion(node.name, [*self.defined, *self.library])
        if self._evaluator.version == 2 and node.name in KEYWORDS_3:
            hint = "; it is a word of OpenQASM 3, but this text is read as version 2"
        self._evaluator.fail(node, f"gate '{node.name}' is unknown{hint}")

    def define(self, node: GateDefinition) -> None:
        """Take in a definition."""
        self._free(node, node.name)
        self.defined[node.name] = DefinedGate(node, self._check(node))

    def declare_opaque(self, node: Node, name: str) -> None:
        """Take in a gate without definition; one of the library keeps its meaning."""
        if name not in self.library:
            self._free(node, name)
            self.defined[name] = OpaqueGate(node.pos)

    def _free(self, node: Node, name: str) -> None:
        if name in self.defined or name in self._builtin:
            self._evaluator.fail(node, f"gate '{name}' is declared twice")

    def _check(self, node: GateDefinition) -> int:
        """The depth of a definition; errors for what its body must not hold."""
        depth = 1
        fail = self._evaluator.fail
        qubits = set(node.qubits)
        simple = all(isinstance(item, GateCall | QubitStatement) for item in node.body.body)
        for item in walk(node.body):
            if isinstance(item, GateCall):
                inner = self.find(item)
                if isinstance(inner, DefinedGate):
                    depth = max(depth, inner.depth + 1)
            if isinstance(item, QubitStatement) and item.kind != "barrier":
                fail(item, f"'{item.kind}' in the body of gate '{node.name}': a gate cannot hold it")
            if isinstance(item, GateCall | QubitStatement):
                for operand in item.operands:
                    if not isinstance(operand, Name) or operand.name not in qubits:
                        fail(
                            operand,
                            f"'{spelled(operand)}' is not a qubit of gate '{node.name}'; "
                            f"its qubits are {', '.join(node.qubits)}",
                        )
                names = [operand.name for operand in item.operands if isinstance(operand, Name)]
                if len(set(names)) < len(names):
                    fail(item, f"a qubit stands twice among the operands: {', '.join(names)}")
        for item in node.body.body:
            if not isinstance(item, _ALLOWED):
                fail(item, f"the body of gate '{node.name}' may hold only gates, barriers and loops over them")
            if simple and isinstance(item, GateCall):
                self._check_names(node, item)
        if depth > MAX_NESTING:
            fail(node, f"gate '{node.name}' calls gates that call gates, more than {MAX_NESTING} deep")
        return depth

    def _check_names(self, node: GateDefinition, call: GateCall) -> None:
        constants = CONSTANTS if self._evaluator.version == 3 else ("pi",)
        for item in walk([*call.args, *call.modifiers]):
            if isinstance(item, Name) and item.name not in node.params and item.name not in constants:
                found = self._evaluator.scope.find(item.name)
                if found is None or not found.const:
                    hint = suggestion(item.name, node.params)
                    self._evaluator.fail(item, f"'{item.name}' is no parameter of gate '{node.name}'{hint}")
            elif not isinstance(item, Name | Literal | Chain | Unary | Call | Modifier):
                return  # its value tells


def is_standard(name: str, num_params: int, num_qubits: int) -> bool:
    """Whether a gate of the library has this name and shape."""
    return name in NAMES and gate_shape(name) == (num_qubits, num_params) and num_qubits > 0


def same_as_standard(name: str, params: tuple[float, ...], num_qubits: int, operations: Operations) -> bool:
    """Whether operations have the matrix of the library's gate, global phase included."""
    if len(operations) > _STANDARD_LENGTH:
        return False
    circuit = Circuit(num_qubits)
    for op, qubits in operations:
        circuit.append(op, qubits)
    expected = Circuit(num_qubits).append(gate(name, *params), range(num_qubits))
    return bool(np.allclose(circuit.matrix(), expected.matrix(), atol=1e-10, rtol=0))

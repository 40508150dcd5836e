"""Syntax trees of OpenQASM 2 and 3. Each node carries its position (see `source.Sources`)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from typing import Any

# ruff: noqa: D101  (the names are those of the language)

__all__ = [
    "Alias",
    "ArrayLiteral",
    "Assign",
    "BitDeclaration",
    "Bitstring",
    "Block",
    "Box",
    "Call",
    "Chain",
    "Declaration",
    "DurationLiteral",
    "Expr",
    "For",
    "GateCall",
    "GateDefinition",
    "If",
    "Include",
    "Index",
    "Input",
    "Jump",
    "Literal",
    "Measure",
    "Modifier",
    "Name",
    "Node",
    "Opaque",
    "Physical",
    "QubitDeclaration",
    "QubitStatement",
    "Range",
    "Return",
    "SetLiteral",
    "Subroutine",
    "Switch",
    "Type",
    "Unary",
    "While",
    "spelled",
    "walk",
]


@dataclass(slots=True)
class Node:
    pos: int


# -- expressions ------------------------------------------------------------------------------------------------------
@dataclass(slots=True)
class Literal(Node):
    value: bool | int | float


@dataclass(slots=True)
class Bitstring(Node):
    text: str


@dataclass(slots=True)
class DurationLiteral(Node):
    text: str


@dataclass(slots=True)
class Name(Node):
    name: str


@dataclass(slots=True)
class Physical(Node):
    index: int


@dataclass(slots=True)
class Unary(Node):
    op: str
    operand: Expr


@dataclass(slots=True)
class Chain(Node):
    """``first op operand op operand ...``, operators of one precedence, from the left: long sums stay flat."""

    level: int
    first: Expr
    rest: list[tuple[str, int, Expr]]


@dataclass(slots=True)
class Type(Node):
    """``kind`` with its width; of an array, the element's kind and width, and the lengths."""

    kind: str
    width: Expr | None = None
    lengths: list[Expr] = field(default_factory=list)


@dataclass(slots=True)
class Call(Node):
    """A function, or a conversion if ``type`` is given."""

    name: str
    args: list[Expr]
    type: Type | None = None


@dataclass(slots=True)
class Range(Node):
    start: Expr | None
    step: Expr | None
    stop: Expr | None


@dataclass(slots=True)
class SetLiteral(Node):
    items: list[Expr]


@dataclass(slots=True)
class ArrayLiteral(Node):
    items: list[Expr]


@dataclass(slots=True)
class Index(Node):
    base: Expr
    index: Expr | Range | SetLiteral


@dataclass(slots=True)
class Measure(Node):
    """``measure qubits``, with its target if the statement has one."""

    qubits: Expr
    target: Expr | None = None


Expr = (
    Literal
    | Bitstring
    | DurationLiteral
    | Name
    | Physical
    | Unary
    | Chain
    | Call
    | Index
    | Range
    | ArrayLiteral
    | Measure
)


# -- statements -------------------------------------------------------------------------------------------------------
@dataclass(slots=True)
class Block(Node):
    body: list[Node]


@dataclass(slots=True)
class Include(Node):
    file: str


@dataclass(slots=True)
class QubitDeclaration(Node):
    name: str
    size: Expr | None


@dataclass(slots=True)
class BitDeclaration(Node):
    name: str
    size: Expr | None
    init: Expr | None = None


@dataclass(slots=True)
class Declaration(Node):
    type: Type
    name: str
    init: Expr | None
    const: bool


@dataclass(slots=True)
class Input(Node):
    type: Type
    name: str
    annotations: list[tuple[str, str]]


@dataclass(slots=True)
class Alias(Node):
    name: str
    value: Expr


@dataclass(slots=True)
class GateDefinition(Node):
    name: str
    params: list[str]
    qubits: list[str]
    body: Block


@dataclass(slots=True)
class Opaque(Node):
    name: str


@dataclass(slots=True)
class Modifier(Node):
    """``inv``, ``pow``, ``ctrl`` or ``negctrl``."""

    kind: str
    argument: Expr | None


@dataclass(slots=True)
class GateCall(Node):
    modifiers: list[Modifier]
    name: str
    args: list[Expr]
    operands: list[Expr]


@dataclass(slots=True)
class QubitStatement(Node):
    """``reset``, ``barrier`` or ``delay``; a barrier without operands is on all qubits."""

    kind: str
    operands: list[Expr]


@dataclass(slots=True)
class Assign(Node):
    target: Expr
    op: str
    value: Expr


@dataclass(slots=True)
class If(Node):
    condition: Expr
    then: Block
    other: Block | None


@dataclass(slots=True)
class For(Node):
    type: Type
    name: str
    values: Expr | Range | SetLiteral
    body: Block


@dataclass(slots=True)
class While(Node):
    condition: Expr
    body: Block


@dataclass(slots=True)
class Switch(Node):
    value: Expr
    cases: list[tuple[list[Expr], Block]]
    default: Block | None


@dataclass(slots=True)
class Subroutine(Node):
    name: str
    params: list[tuple[Type, str]]
    returns: Type | None
    body: Block


@dataclass(slots=True)
class Return(Node):
    value: Expr | None


@dataclass(slots=True)
class Jump(Node):
    """``break``, ``continue`` or ``end``."""

    kind: str


@dataclass(slots=True)
class Box(Node):
    body: Block


def spelled(node: Any) -> str:
    """A name, with the indices behind it, as it is written (``q[0]``); of any other expression nothing."""
    if isinstance(node, Name):
        return node.name
    if isinstance(node, Physical):
        return f"${node.index}"
    if isinstance(node, Index) and spelled(node.base):
        index = node.index
        inner = str(index.value) if isinstance(index, Literal) and not isinstance(index.value, bool) else spelled(index)
        return f"{spelled(node.base)}[{inner or '...'}]"
    return ""


def walk(node: Any) -> Iterator[Node]:
    """The node and all nodes below it."""
    stack = [node]
    while stack:
        item = stack.pop()
        if isinstance(item, Node):
            yield item
            stack.extend(getattr(item, f.name) for f in fields(item))
        elif isinstance(item, list | tuple):
            stack.extend(item)

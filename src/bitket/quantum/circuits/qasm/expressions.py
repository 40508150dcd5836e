"""Parsing of expressions, types and operands by precedence climbing, to a bounded depth.

In OpenQASM 2 ``^`` is the power; in OpenQASM 3 it is the exclusive or, and ``**`` the power.
"""

from __future__ import annotations

from typing import NoReturn

from bitket.quantum.circuits.qasm.lexer import Lexer, Token
from bitket.quantum.circuits.qasm.source import Sources
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
    Physical,
    Range,
    SetLiteral,
    Type,
    Unary,
)

__all__ = ["KEYWORDS_2", "KEYWORDS_3", "ExpressionParser"]

MAX_DEPTH = 120  # of expressions within expressions
MAX_INDICES = 16

_LEVELS_3 = {
    "++": 0,
    "||": 1,
    "&&": 2,
    "|": 3,
    "^": 4,
    "&": 5,
    "==": 6,
    "!=": 6,
    "<": 7,
    "<=": 7,
    ">": 7,
    ">=": 7,
    "<<": 8,
    ">>": 8,
    "+": 9,
    "-": 9,
    "*": 10,
    "/": 10,
    "%": 10,
    "**": 12,
}
_LEVELS_2 = {"==": 6, "+": 9, "-": 9, "*": 10, "/": 10, "^": 12}
_UNARY = 11

KEYWORDS_2 = frozenset("OPENQASM include qreg creg gate opaque measure reset barrier if pi U CX".split())
SCALARS = frozenset("bool int uint float angle bit complex duration stretch".split())
KEYWORDS_3 = (
    frozenset(
        """OPENQASM include qreg creg gate opaque measure reset barrier if else qubit let const input output array for
        in while def return break continue end box delay switch case default extern cal defcal defcalgrammar pragma
        inv ctrl negctrl pow gphase U true false durationof mutable readonly void""".split()
    )
    | SCALARS
)


class ExpressionParser:
    """The parser's part for expressions.

    Parameters
    ----------
    sources, name, text
        What is read, and the name to show in errors.
    version
        2 or 3.
    """

    def __init__(self, sources: Sources, name: str, text: str, version: int) -> None:
        self.lexer = Lexer(sources, name, text)
        self.version = version
        self._depth = 0

    # -- tokens -------------------------------------------------------------------------------------------------------
    def fail(self, token: Token, message: str) -> NoReturn:
        """Raise the error for a token."""
        raise self.lexer.fail(token, message)

    def position(self, token: Token) -> int:
        """The token's position among all texts."""
        return self.lexer.offset + token.start

    def next_is(self, text: str) -> bool:
        """Whether this operator or word comes next."""
        token = self.lexer.peek()
        return token.text == text and token.kind in ("op", "name")

    def accept(self, text: str) -> bool:
        """Take this operator or word if it comes next."""
        if self.next_is(text):
            self.lexer.take()
            return True
        return False

    def expect(self, text: str, after: str = "") -> Token:
        """Take this operator or word, which must come next."""
        token = self.lexer.peek()
        if token.text != text or token.kind not in ("op", "name"):
            self.fail(token, f"'{text}' expected{f' {after}' if after else ''}, found {token}")
        return self.lexer.take()

    def new_name(self, what: str) -> str:
        """Take a name that is free to be given."""
        token = self.lexer.peek()
        if token.kind != "name":
            self.fail(token, f"{what} expected, found {token}")
        if token.text in (KEYWORDS_2 if self.version == 2 else KEYWORDS_3):
            self.fail(token, f"{what} expected, but {token} is a word of the language")
        return self.lexer.take().text

    # -- expressions --------------------------------------------------------------------------------------------------
    def expression(self, least: int = 0) -> Expr:
        """An expression of operators that bind at least so strongly."""
        self._enter()
        left = self._unary()
        levels = _LEVELS_2 if self.version == 2 else _LEVELS_3
        while True:
            token = self.lexer.peek()
            level = levels.get(token.text, -1) if token.kind == "op" else -1
            if level < least:
                break
            self.lexer.take()
            power = token.text == "**" or (token.text == "^" and self.version == 2)
            right = self.expression(level if power else level + 1)  # a power groups from the right
            item = ("**" if power else token.text, self.position(token), right)
            if isinstance(left, Chain) and left.level == level and not power:
                left.rest.append(item)
            else:
                left = Chain(left.pos, level, left, [item])
        self._depth -= 1
        return left

    def _enter(self) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            self.fail(self.lexer.peek(), f"an expression nested more than {MAX_DEPTH} deep")

    def _unary(self) -> Expr:
        token = self.lexer.peek()
        signs = "+-" if self.version == 2 else "+-!~"
        if token.kind == "op" and token.text in signs:
            self.lexer.take()
            operand = self.expression(_UNARY)
            return operand if token.text == "+" else Unary(self.position(token), token.text, operand)
        return self._indices(self._primary())

    def _primary(self) -> Expr:
        token = self.lexer.take()
        pos = self.position(token)
        if token.kind == "int":
            return Literal(pos, _integer(token.text))
        if token.kind == "float":
            return Literal(pos, self._float(token))
        if token.kind == "physical":
            if len(token.text) > 10:
                self.fail(token, f"physical qubit {token}: the number is too large")
            return Physical(pos, int(token.text[1:]))
        if token.kind == "op" and token.text == "(":
            inner = self.expression()
            self.expect(")", "to close '('")
            return inner
        if self.version == 3:
            if token.kind == "string" and token.text[1:-1].replace("_", "").strip("01") == "" and len(token.text) > 2:
                return Bitstring(pos, token.text[1:-1].replace("_", ""))
            if token.kind == "duration":
                return DurationLiteral(pos, token.text)
            if token.kind == "op" and token.text == "{":
                return ArrayLiteral(pos, self.list_until("}"))
            if token.text in ("true", "false"):
                return Literal(pos, token.text == "true")
            if token.text == "measure":
                return Measure(pos, self.operand())
            if token.text in SCALARS:
                return self._conversion(token)
            if token.text == "durationof":
                self.fail(token, "'durationof': timing is not supported")
        if token.kind == "name":
            if self.next_is("("):
                self.lexer.take()
                return Call(pos, token.text, self.list_until(")"))
            if token.text not in (KEYWORDS_2 - {"pi"} if self.version == 2 else KEYWORDS_3):
                return Name(pos, token.text)
        raise self.lexer.fail(token, f"an expression expected, found {token}")

    def _float(self, token: Token) -> float:
        value = float(token.text.replace("_", ""))
        if value == float("inf"):
            self.fail(token, f"{token}: the number is too large")
        return value

    def _conversion(self, token: Token) -> Expr:
        type_ = self.scalar_type(token)
        self.expect("(", f"behind the type '{token.text}'")
        args = self.list_until(")")
        if len(args) != 1:
            self.fail(token, f"{token.text}(...) converts one value, {len(args)} were given")
        return Call(self.position(token), token.text, args, type_)

    def list_until(self, end: str) -> list[Expr]:
        """Expressions with commas between them (one may stand behind the last), up to a closing bracket."""
        items: list[Expr] = []
        while not self.accept(end):
            items.append(self.expression())
            if not self.accept(","):
                self.expect(end, "or ','")
                break
        return items

    def _indices(self, value: Expr) -> Expr:
        """A value with the indices behind it: ``[i]``, ``[i, j]``, ``[a:b]``, ``[{i, j}]``."""
        count = 0
        while self.next_is("["):
            opening = self.lexer.take()
            while True:
                count += 1
                if count > MAX_INDICES:
                    self.fail(opening, f"more than {MAX_INDICES} indices behind one another")
                if self.next_is("{"):
                    brace = self.lexer.take()
                    index: Expr | Range | SetLiteral = SetLiteral(self.position(brace), self.list_until("}"))
                else:
                    index = self.range_or_expression()
                value = Index(self.position(opening), value, index)
                if not self.accept(","):
                    break
            self.expect("]", "to close '['")
        return value

    def range_or_expression(self) -> Expr | Range:
        """``a``, ``a:b`` or ``a:step:b``, where a and b may be left out."""
        pos = self.position(self.lexer.peek())
        parts: list[Expr | None] = []
        while True:
            ends = self.next_is(":") or self.next_is("]")
            parts.append(None if ends else self.expression())
            if len(parts) == 3 or not self.accept(":"):
                break
        if len(parts) == 1:
            if parts[0] is None:
                self.fail(self.lexer.peek(), f"an index expected, found {self.lexer.peek()}")
            return parts[0]
        return Range(pos, parts[0], parts[1] if len(parts) == 3 else None, parts[-1])

    # -- operands and types -------------------------------------------------------------------------------------------
    def operand(self) -> Expr:
        """A qubit, bit or register, possibly indexed."""
        token = self.lexer.take()
        if token.kind == "physical" and self.version == 3:
            if len(token.text) > 10:
                self.fail(token, f"physical qubit {token}: the number is too large")
            return Physical(self.position(token), int(token.text[1:]))
        if token.kind != "name" or token.text in (KEYWORDS_2 if self.version == 2 else KEYWORDS_3):
            self.fail(token, f"a qubit or register expected, found {token}")
        value: Expr = Name(self.position(token), token.text)
        self._enter()
        value = self._indices(value)
        self._depth -= 1
        return value

    def operands(self) -> list[Expr]:
        """Operands with commas between them."""
        items = [self.operand()]
        while self.accept(","):
            items.append(self.operand())
        return items

    def designator(self) -> Expr | None:
        """``[size]``, if it comes next."""
        if not self.accept("["):
            return None
        value = self.expression()
        self.expect("]", "to close '['")
        return value

    def scalar_type(self, token: Token) -> Type:
        """The type whose first word was just taken."""
        if token.text not in SCALARS:
            self.fail(token, f"a type expected, found {token}")
        if token.text == "complex":
            self.fail(token, "complex numbers are not supported")
        return Type(self.position(token), token.text, self.designator())

    def array_type(self, token: Token) -> Type:
        """``array[type, n, ...]``, whose first word was just taken."""
        self.expect("[", "behind 'array'")
        inner = self.scalar_type(self.lexer.take())
        while self.accept(","):
            if self.accept("#"):
                self.fail(token, "arrays of open dimension are not supported")
            inner.lengths.append(self.expression())
        self.expect("]", "to close '['")
        if not inner.lengths:
            self.fail(token, "an array needs its length: array[type, length]")
        return inner


def _integer(text: str) -> int:
    text = text.replace("_", "")
    return int(text, {"0x": 16, "0b": 2, "0o": 8}.get(text[:2].lower(), 10))

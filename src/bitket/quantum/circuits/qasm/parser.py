"""Grammar of OpenQASM 2 and 3: tokens to a tree of statements and expressions.

The tree is plain: an expression is a `Token` with its parts, a statement a `Statement` with named fields. Nothing is evaluated here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from bitket.quantum.circuits.qasm.lexer import QasmError, Token

__all__ = ["Expr", "Parser", "Statement"]

_DEPTH = 40  # of brackets and blocks: beyond it a file is an attack, not a circuit
_LEVELS = (
    ("||",),
    ("&&",),
    ("|",),
    ("^",),
    ("&",),
    ("==", "!="),
    ("<", ">", "<=", ">="),
    ("<<", ">>"),
    ("+", "-"),
    ("*", "/", "%"),
)
_CLASSICAL = ("int", "uint", "float", "angle", "bool", "bit", "duration", "stretch", "complex", "array")
_MODIFIERS = ("inv", "ctrl", "negctrl", "pow")


@dataclass(frozen=True)
class Expr:
    """``kind`` is ``literal``, ``name``, ``unary``, ``binary``, ``call``, ``index``, ``range``, ``set`` or ``concat``."""

    kind: str
    token: Token
    parts: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Statement:
    """``kind`` names the statement; its fields depend on it (see the methods of `Parser`)."""

    kind: str
    token: Token
    fields: dict[str, Any] = field(default_factory=dict)

    def __getattr__(self, name: str) -> Any:
        try:
            return self.fields[name]
        except KeyError:
            raise AttributeError(name) from None


class Parser:
    """Recursive descent over tokens. In version 2, ``^`` is the power and registers come from ``qreg`` and ``creg``."""

    def __init__(self, tokens: list[Token], source: str) -> None:
        self.tokens, self.source, self.at, self.depth = tokens, source, 0, 0
        # Without a version line, registers declared the old way tell version 2.
        self.version = 2.0 if any(t.text == "qreg" for t in tokens) else 3.0

    # -- tokens -----------------------------------------------------------------------------------------------------
    @property
    def here(self) -> Token:
        """The token to be read next."""
        return self.tokens[self.at]

    def fail(self, what: str, token: Token | None = None) -> QasmError:
        """The error for a token (by default the next one)."""
        token = token or self.here
        return QasmError(f"{self.source}:{token.line}:{token.column}: {what}")

    def take(self) -> Token:
        """The next token, read."""
        token = self.here
        if token.kind != "end":
            self.at += 1
        return token

    def accept(self, *texts: str) -> Token | None:
        """The next token, read, if it is one of these."""
        token = self.here
        return self.take() if token.text in texts and token.kind in ("op", "id") else None

    def expect(self, text: str) -> Token:
        """The next token, read; it must be this one."""
        token = self.accept(text)
        if token is None:
            raise self.fail(f"'{text}' expected, found '{self.here.text}'")
        return token

    def name(self) -> str:
        """A name."""
        if self.here.kind != "id":
            raise self.fail(f"a name expected, found '{self.here.text}'")
        return self.take().text

    def _deeper(self) -> None:
        self.depth += 1
        if self.depth > _DEPTH:
            raise self.fail(f"nested more than {_DEPTH} deep")

    # -- statements -------------------------------------------------------------------------------------------------
    def program(self) -> list[Statement]:
        """The whole file."""
        if self.here.text == "OPENQASM":
            self.take()
            token = self.take()
            try:
                self.version = float(token.text)
            except ValueError:
                raise self.fail(f"a version such as 2.0 or 3.0 expected, found '{token.text}'", token) from None
            if int(self.version) not in (2, 3):
                raise self.fail(f"OpenQASM {token.text}: versions 2 and 3 can be read", token)
            self.expect(";")
        out = []
        while self.here.kind != "end":
            out.append(self.statement())
        return out

    def block(self) -> list[Statement]:
        """Statements in braces, or a single one."""
        if not self.accept("{"):
            return [self.statement()]
        self._deeper()
        out = []
        while not self.accept("}"):
            if self.here.kind == "end":
                raise self.fail("'}' expected before the end of the file")
            out.append(self.statement())
        self.depth -= 1
        return out

    def statement(self) -> Statement:
        """One statement, its semicolon included."""
        token = self.here
        if token.kind == "annotation":
            self.take()
            return Statement("annotation", token)
        if token.kind == "id":
            method = getattr(self, f"_{token.text}", None) if token.text in _KEYWORDS else None
            if method is not None:
                self.take()
                return method(token)
            if token.text in _CLASSICAL:
                return self._declaration()
            if token.text in ("def", "extern", "cal", "defcal", "box", "defcalgrammar", "return", "switch"):
                raise self.fail(f"'{token.text}' cannot be read: only circuits, not pulses, functions or timing")
        elif token.text == ";":
            self.take()
            return Statement("nothing", token)
        elif token.text not in ("(",):
            raise self.fail(f"a statement expected, found '{token.text}'")
        return self._call_or_assignment()

    def _end(self, statement: Statement) -> Statement:
        self.expect(";")
        return statement

    def _include(self, token: Token) -> Statement:
        if self.here.kind != "string":
            raise self.fail(f"a file name in quotes expected, found '{self.here.text}'")
        return self._end(Statement("include", token, {"file": self.take().text[1:-1]}))

    def _register(self, token: Token, kind: str, old: bool) -> Statement:
        size = None
        if not old and self.accept("["):
            size = self.expression()
            self.expect("]")
        name = self.name()
        if old and self.accept("["):
            size = self.expression()
            self.expect("]")
        value = None
        if kind == "bit" and self.accept("="):
            value = self._measurement() if self.here.text == "measure" else self.expression()
        return self._end(Statement(kind, token, {"name": name, "size": size, "value": value}))

    def _qreg(self, token: Token) -> Statement:
        return self._register(token, "qubit", True)

    def _creg(self, token: Token) -> Statement:
        return self._register(token, "bit", True)

    def _qubit(self, token: Token) -> Statement:
        return self._register(token, "qubit", False)

    def _declaration(self, role: str = "variable") -> Statement:
        token = self.take()
        if token.text == "bit" and role == "variable":
            return self._register(token, "bit", False)
        if self.accept("["):
            self.expression()
            self.expect("]")
        name = self.name()
        value = self.expression() if self.accept("=") else None
        if role == "const" and value is None:
            raise self.fail("a constant needs a value")
        return self._end(Statement("variable", token, {"name": name, "type": token.text, "role": role, "value": value}))

    def _const(self, token: Token) -> Statement:
        return self._declaration("const")

    def _input(self, token: Token) -> Statement:
        return self._declaration("input")

    def _output(self, token: Token) -> Statement:
        return self._declaration("variable")

    def _let(self, token: Token) -> Statement:
        name = self.name()
        self.expect("=")
        return self._end(Statement("let", token, {"name": name, "value": self.operand()}))

    def _gate(self, token: Token) -> Statement:
        name, parameters, qubits = self.name(), [], []
        if self.accept("("):
            while not self.accept(")"):
                parameters.append(self.name())
                if not self.accept(",") and self.here.text != ")":
                    raise self.fail(f"',' or ')' expected, found '{self.here.text}'")
        while self.here.text not in ("{", ";") and self.here.kind != "end":
            qubits.append(self.name())
            self.accept(",")
        if self.here.text != "{":
            raise self.fail("'{' expected: a gate needs a body")
        return Statement(
            "gate", token, {"name": name, "parameters": parameters, "qubits": qubits, "body": self.block()}
        )

    def _opaque(self, token: Token) -> Statement:
        name = self.name()
        while self.here.text != ";" and self.here.kind != "end":
            self.take()
        return self._end(Statement("opaque", token, {"name": name}))

    def _measurement(self) -> Expr:
        token = self.expect("measure")
        return Expr("measure", token, (self.operand(),))

    def _measure(self, token: Token) -> Statement:
        source, target = self.operand(), None
        if self.accept("->"):
            target = self.operand()
        return self._end(Statement("measure", token, {"source": source, "target": target}))

    def _reset(self, token: Token) -> Statement:
        return self._end(Statement("reset", token, {"operands": self._operands()}))

    def _barrier(self, token: Token) -> Statement:
        return self._end(Statement("barrier", token, {"operands": [] if self.here.text == ";" else self._operands()}))

    def _delay(self, token: Token) -> Statement:
        while self.here.text != ";" and self.here.kind != "end":
            self.take()
        return self._end(Statement("nothing", token))

    def _if(self, token: Token) -> Statement:
        self.expect("(")
        condition = self.expression()
        self.expect(")")
        self._deeper()
        body = self.block()
        other = self.block() if self.accept("else") else []
        self.depth -= 1
        return Statement("if", token, {"condition": condition, "body": body, "other": other})

    def _for(self, token: Token) -> Statement:
        if self.here.text in _CLASSICAL:
            self.take()
            if self.accept("["):
                self.expression()
                self.expect("]")
        name = self.name()
        self.expect("in")
        if self.accept("["):
            values = self._range(self.here)
            self.expect("]")
        elif self.here.text == "{":
            values = self._set()
        else:
            values = self.expression()
        self._deeper()
        body = self.block()
        self.depth -= 1
        return Statement("for", token, {"name": name, "values": values, "body": body})

    def _while(self, token: Token) -> Statement:
        self.expect("(")
        condition = self.expression()
        self.expect(")")
        self._deeper()
        body = self.block()
        self.depth -= 1
        return Statement("while", token, {"condition": condition, "body": body})

    def _break(self, token: Token) -> Statement:
        return self._end(Statement("break", token))

    def _continue(self, token: Token) -> Statement:
        return self._end(Statement("continue", token))

    def _call_or_assignment(self) -> Statement:
        token = self.here
        modifiers: list[tuple[Token, Expr | None]] = []
        while self.here.text in _MODIFIERS and self.here.kind == "id":
            modifier = self.take()
            argument = None
            if self.accept("("):
                argument = self.expression()
                self.expect(")")
            self.expect("@")
            modifiers.append((modifier, argument))
        if self.here.kind != "id":
            raise self.fail(f"a gate expected, found '{self.here.text}'")
        following = self.tokens[self.at + 1].text
        if not modifiers and (
            following in ("=", "[") or (following.endswith("=") and following not in ("==", "!=", "<=", ">="))
        ):
            return self._assignment(token)
        name, arguments = self.name(), []
        if self.accept("("):
            while not self.accept(")"):
                arguments.append(self.expression())
                if not self.accept(",") and self.here.text != ")":
                    raise self.fail(f"',' or ')' expected, found '{self.here.text}'")
        operands = [] if self.here.text == ";" else self._operands()
        return self._end(
            Statement(
                "call", token, {"name": name, "arguments": arguments, "operands": operands, "modifiers": modifiers}
            )
        )

    def _assignment(self, token: Token) -> Statement:
        target = self.operand()
        operator = self.take().text
        if not operator.endswith("="):
            raise self.fail(f"'=' expected, found '{operator}'", self.tokens[self.at - 1])
        if self.here.text == "measure":
            inner = self._measurement()
            return self._end(Statement("measure", token, {"source": inner.parts[0], "target": target}))
        return self._end(
            Statement("assign", token, {"target": target, "operator": operator[:-1], "value": self.expression()})
        )

    # -- operands ---------------------------------------------------------------------------------------------------
    def _operands(self) -> list[Expr]:
        out = [self.operand()]
        while self.accept(","):
            out.append(self.operand())
        return out

    def operand(self) -> Expr:
        """Bits: a register, some of its elements, or several joined by ``++``."""
        out = self._element()
        while self.here.text == "++":
            out = Expr("concat", self.take(), (out, self._element()))
        return out

    def _element(self) -> Expr:
        token = self.here
        out = Expr("name", token, (self.name(),))
        while self.here.text == "[":
            out = self._indexed(out)
        return out

    def _indexed(self, base: Expr) -> Expr:
        token = self.expect("[")
        self._deeper()
        index = self._set() if self.here.text == "{" else self._range(self.here)
        self.depth -= 1
        self.expect("]")
        return Expr("index", token, (base, index))

    def _range(self, token: Token) -> Expr:
        """``i``, ``a:b`` or ``a:step:b``; ends may be left out."""
        parts: list[Expr | None] = []
        while True:
            parts.append(None if self.here.text in (":", "]") else self.expression())
            if not self.accept(":"):
                break
        if len(parts) == 1:
            if parts[0] is None:
                raise self.fail(f"an index expected, found '{self.here.text}'")
            return parts[0]
        if len(parts) > 3:
            raise self.fail("a range has at most start, step and end", token)
        return Expr("range", token, tuple(parts))

    def _set(self) -> Expr:
        token = self.expect("{")
        parts = []
        while not self.accept("}"):
            parts.append(self.expression())
            if not self.accept(",") and self.here.text != "}":
                raise self.fail(f"',' or '}}' expected, found '{self.here.text}'")
        return Expr("set", token, tuple(parts))

    # -- expressions ------------------------------------------------------------------------------------------------
    def expression(self, level: int = 0) -> Expr:
        """By rising precedence of `_LEVELS`; the power binds tightest, to the right."""
        if level == len(_LEVELS):
            return self._unary()
        out = self.expression(level + 1)
        operators = _LEVELS[level]
        while (
            self.here.kind == "op" and self.here.text in operators and not (self.here.text == "^" and self.version < 3)
        ):
            token = self.take()
            out = Expr("binary", token, (out, self.expression(level + 1)))
        return out

    def _unary(self) -> Expr:
        token = self.accept("-", "+", "!", "~")
        if token is None:
            return self._power()
        self._deeper()
        inner = self._unary()
        self.depth -= 1
        return Expr("unary", token, (inner,))

    def _power(self) -> Expr:
        base = self._atom()
        token = self.accept("**") or (self.accept("^") if self.version < 3 else None)
        if token is None:
            return base
        self._deeper()
        exponent = self._unary()
        self.depth -= 1
        return Expr("binary", Token("op", "**", token.line, token.column), (base, exponent))

    def _atom(self) -> Expr:
        token = self.take()
        if token.kind in ("int", "float"):
            return Expr("literal", token)
        if token.kind == "string":
            return Expr("literal", token)
        if token.text == "(" and token.kind == "op":
            self._deeper()
            inner = self.expression()
            self.expect(")")
            self.depth -= 1
            return inner
        if token.kind != "id":
            raise self.fail(f"an expression expected, found '{token.text}'", token)
        if token.text in ("int", "uint", "float", "angle", "bool") and self.here.text == "[":
            self.take()
            self.expression()
            self.expect("]")
        if self.accept("("):
            self._deeper()
            arguments = []
            while not self.accept(")"):
                arguments.append(self.expression())
                if not self.accept(",") and self.here.text != ")":
                    raise self.fail(f"',' or ')' expected, found '{self.here.text}'")
            self.depth -= 1
            return Expr("call", token, tuple(arguments))
        out = Expr("name", token, (token.text,))
        while self.here.text == "[":
            out = self._indexed(out)
        return out


_KEYWORDS = {
    "include", "qreg", "creg", "qubit", "const", "input", "output", "let", "gate", "opaque", "measure", "reset", "barrier", "delay",
    "if", "for", "while", "break", "continue",
}  # fmt: skip

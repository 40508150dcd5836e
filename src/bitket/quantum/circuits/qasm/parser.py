"""Parsing of statements: `Parser.statement` gives one syntax tree after another and never reads ahead of it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from typing import NoReturn

from bitket.quantum.circuits.qasm.expressions import KEYWORDS_3, SCALARS, ExpressionParser
from bitket.quantum.circuits.qasm.lexer import Token
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
    Input,
    Jump,
    Measure,
    Modifier,
    Node,
    Opaque,
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

__all__ = ["Parser"]

MAX_BLOCKS = 50  # of blocks within blocks
_ASSIGNMENTS = frozenset("= += -= *= /= &= |= ^= ~= <<= >>= %= **=".split())


class Parser(ExpressionParser):
    """Reads the statements of one text."""

    _blocks = 0

    def header(self) -> int | None:
        """Take ``OPENQASM n;`` if it comes next; the major version."""
        token = self.lexer.peek()
        if token.text != "OPENQASM":
            return None
        self.lexer.take()
        number = self.lexer.take()
        if number.text not in ("2", "2.0", "3", "3.0", "3.1"):
            self.fail(number, f"OPENQASM {number}: only versions 2 and 3 (2.0, 3.0, 3.1) can be read")
        self.version = int(number.text[0])
        self.expect(";", "behind the version")
        return self.version

    def statement(self) -> Node | None:
        """The next statement; None at the end of the text."""
        annotations: list[tuple[str, str]] = []
        while True:
            token = self.lexer.take()
            if token.kind == "end":
                if annotations:
                    self.fail(token, "a statement is expected behind an annotation")
                return None
            if token.text == "@" and self.version == 3:
                annotations.append(self._annotation())
            elif token.text in ("pragma", "#") and self.version == 3:
                self._pragma(token)
            elif token.text != ";":
                break
        if token.text == "input" and self.version == 3:
            return self._input(token, annotations)
        return self._statement(token)

    def _statement(self, token: Token) -> Node:
        parse = (_STATEMENTS_2 if self.version == 2 else _STATEMENTS_3).get(token.text)
        if parse is not None:
            return parse(self, token)
        if token.kind != "name":
            self.fail(token, f"a statement expected, found {token}")
        return self._gate_call_or_assignment(token)

    def _end(self) -> None:
        self.expect(";")

    def _annotation(self) -> tuple[str, str]:
        at = self.lexer.at
        words = [self.lexer.take()]
        while words[-1].kind == "name" and self.lexer.text.startswith(".", words[-1].end):
            self.lexer.go_to(words[-1].end + 1)
            words.append(self.lexer.take())
        if words[-1].kind != "name" or words[0].start != at:
            self.fail(words[-1], f"the name of an annotation expected behind '@', found {words[-1]}")
        keyword, place = ".".join(w.text for w in words), words[0]
        content = self.lexer.rest_of_line()
        if keyword.startswith("bitket.") and content.startswith('"'):
            try:
                content = json.loads(content)
            except ValueError:
                self.fail(place, f"annotation '@{keyword}': the name in quotes is not well formed")
        return keyword, content

    def _pragma(self, token: Token) -> None:
        if token.text == "#":
            self.expect("pragma", "behind '#'")
        self.lexer.rest_of_line()  # a pragma speaks to some other tool

    # -- declarations -------------------------------------------------------------------------------------------------
    def _include(self, token: Token) -> Node:
        name = self.lexer.take()
        if name.kind != "string":
            self.fail(name, f"include: a file name in quotes expected, found {name}")
        self._end()
        return Include(self.position(token), name.text[1:-1])

    def _old_register(self, token: Token) -> Node:
        name = self.new_name("the name of a register")
        if self.version == 2 and not self.next_is("["):
            self.expect("[", f"behind '{name}'")
        size = self.designator()
        self._end()
        if token.text == "qreg":
            return QubitDeclaration(self.position(token), name, size)
        return BitDeclaration(self.position(token), name, size)

    def _qubit(self, token: Token) -> Node:
        size = self.designator()
        name = self.new_name("the name of a qubit or register")
        self._end()
        return QubitDeclaration(self.position(token), name, size)

    def _classical(self, token: Token, const: bool = False) -> Node:
        type_ = self.array_type(token) if token.text == "array" else self.scalar_type(token)
        name = self.new_name("the name of a variable")
        init: Expr | None = self.expression() if self.accept("=") else None
        self._end()
        if const and init is None:
            self.fail(token, f"const '{name}' needs a value")
        if type_.kind == "bit" and not const and not type_.lengths:
            return BitDeclaration(self.position(token), name, type_.width, init)
        return Declaration(self.position(token), type_, name, init, const)

    def _const(self, token: Token) -> Node:
        return self._classical(self.lexer.take(), const=True)

    def _input(self, token: Token, annotations: list[tuple[str, str]]) -> Node:
        first = self.lexer.take()
        type_ = self.array_type(first) if first.text == "array" else self.scalar_type(first)
        name = self.new_name("the name of an input")
        self._end()
        return Input(self.position(token), type_, name, annotations)

    def _output(self, token: Token) -> Node:
        first = self.lexer.take()
        if first.text != "bit":
            self.fail(first, f"output {first}: only bits can be outputs, which measurements set")
        return self._classical(first)

    def _let(self, token: Token) -> Node:
        name = self.new_name("the name of an alias")
        self.expect("=", f"behind 'let {name}'")
        value = self.expression()
        self._end()
        return Alias(self.position(token), name, value)

    # -- gates --------------------------------------------------------------------------------------------------------
    def _gate_head(self) -> tuple[str, list[str], list[str]]:
        name = self.new_name("the name of a gate")
        params = []
        if self.accept("("):
            while not self.accept(")"):
                params.append(self.new_name("the name of a parameter"))
                if not self.accept(","):
                    self.expect(")", "or ','")
                    break
        qubits = [self.new_name("the name of a qubit")]
        while self.accept(","):
            qubits.append(self.new_name("the name of a qubit"))
        return name, params, qubits

    def _gate(self, token: Token) -> Node:
        name, params, qubits = self._gate_head()
        twice = [n for n, count in Counter(params + qubits).items() if count > 1]
        if twice:
            self.fail(token, f"gate '{name}': the name '{twice[0]}' stands twice among its parameters and qubits")
        return GateDefinition(self.position(token), name, params, qubits, self._braces(f"gate '{name}'"))

    def _opaque(self, token: Token) -> Node:
        name, _, _ = self._gate_head()
        self._end()
        return Opaque(self.position(token), name)

    def _modified(self, token: Token) -> Node:
        pos, modifiers = self.position(token), []
        while token.text in ("inv", "pow", "ctrl", "negctrl"):
            argument = None
            if token.text != "inv" and (token.text == "pow" or self.next_is("(")):
                self.expect("(", f"behind '{token.text}'")
                argument = self.expression()
                self.expect(")", "to close '('")
            self.expect("@", f"behind the modifier '{token.text}'")
            modifiers.append(Modifier(self.position(token), token.text, argument))
            token = self.lexer.take()
        if token.kind != "name" or (token.text in KEYWORDS_3 and token.text not in ("U", "gphase")):
            self.fail(token, f"a gate expected behind a modifier, found {token}")
        call = self._gate_call(token, modifiers)
        call.pos = pos if modifiers else call.pos
        return call

    def _gate_call(self, token: Token, modifiers: list[Modifier]) -> GateCall:
        args = self.list_until(")") if self.accept("(") else []
        operands = [] if token.text == "gphase" and self.next_is(";") else self.operands()
        self._end()
        return GateCall(self.position(token), modifiers, token.text, args, operands)

    def _gate_call_or_assignment(self, token: Token) -> Node:
        following = self.lexer.peek()
        if self.version == 3 and (following.text == "[" or following.text in _ASSIGNMENTS) and following.kind == "op":
            self.lexer.go_to(token.start)
            target = self.operand()
            op = self.lexer.take()
            if op.kind != "op" or op.text not in _ASSIGNMENTS:
                self.fail(op, f"'=' expected behind what is assigned to, found {op}")
            value = self.expression()
            self._end()
            if isinstance(value, Measure) and op.text == "=":
                value.target = target
                return value
            return Assign(self.position(token), target, op.text, value)
        if following.text in ("[", "=") and following.kind == "op":
            self.fail(
                following, self._misplaced(token, f"a qubit or register expected behind {token}, found {following}")
            )
        if following.text == "(" and self.version == 3:
            self.lexer.take()
            args = self.list_until(")")
            if self.accept(";"):
                return Call(self.position(token), token.text, args)
            operands = self.operands()
            self._end()
            return GateCall(self.position(token), [], token.text, args, operands)
        if following.kind not in ("name", "physical") and following.text != "(":
            self.fail(
                following, self._misplaced(token, f"a qubit or register expected behind {token}, found {following}")
            )
        return self._gate_call(token, [])

    def _misplaced(self, token: Token, otherwise: str) -> str:
        if self.version == 2 and token.text in KEYWORDS_3:
            return f"{token} is a statement of OpenQASM 3, but this text is read as version 2"
        return otherwise

    # -- operations ---------------------------------------------------------------------------------------------------
    def _measure(self, token: Token) -> Node:
        qubits = self.operand()
        target = None
        if self.version == 2 or self.next_is("->"):
            self.expect("->", "and a classical bit")
            target = self.operand()
        self._end()
        return Measure(self.position(token), qubits, target)

    def _on_qubits(self, token: Token) -> Node:
        if token.text == "delay":
            self.expect("[", "and a duration")
            self.expression()
            self.expect("]", "to close '['")
        none = token.text != "reset" and self.version == 3 and self.next_is(";")
        operands = [] if none else self.operands()
        self._end()
        return QubitStatement(self.position(token), token.text, operands)

    # -- control flow -------------------------------------------------------------------------------------------------
    def _braces(self, what: str) -> Block:
        opening = self.expect("{", f"for the body of {what}")
        self._blocks += 1
        if self._blocks > MAX_BLOCKS:
            self.fail(opening, f"blocks nested more than {MAX_BLOCKS} deep")
        body: list[Node] = []
        while True:
            token = self.lexer.take()
            if token.kind == "end":
                self.fail(opening, f"the body of {what} is not closed: '}}' is needed")
            if token.kind == "op" and token.text == "}":
                break
            if token.text == "@" and self.version == 3:
                self._annotation()
            elif token.text in ("pragma", "#") and self.version == 3:
                self._pragma(token)
            elif token.text != ";":
                body.append(self._statement(token))
        self._blocks -= 1
        return Block(self.position(opening), body)

    def _block(self, what: str) -> Block:
        """A block in braces or one statement."""
        if self.next_is("{") and self.version == 3:
            return self._braces(what)
        token = self.lexer.take()
        self._blocks += 1
        if self._blocks > MAX_BLOCKS:
            self.fail(token, f"blocks nested more than {MAX_BLOCKS} deep")
        statement = self._statement(token)
        self._blocks -= 1
        return Block(self.position(token), [statement])

    def _bare_block(self, token: Token) -> Node:
        self.lexer.go_to(token.start)
        return Box(self.position(token), self._braces("a block"))

    def _if(self, token: Token) -> Node:
        self.expect("(", "behind 'if'")
        condition = self.expression()
        self.expect(")", "to close '('")
        then = self._block("'if'")
        other = self._block("'else'") if self.version == 3 and self.accept("else") else None
        return If(self.position(token), condition, then, other)

    def _for(self, token: Token) -> Node:
        type_ = self.scalar_type(self.lexer.take())
        name = self.new_name("the name of the loop variable")
        self.expect("in", "behind the loop variable")
        opening = self.lexer.peek()
        values: Expr | Range | SetLiteral
        if self.accept("["):
            values = self.range_or_expression()
            self.expect("]", "to close '['")
            if not isinstance(values, Range):
                self.fail(opening, "a range [start:stop] or [start:step:stop] is expected")
        elif self.accept("{"):
            values = SetLiteral(self.position(opening), self.list_until("}"))
        else:
            values = self.expression()
        return For(self.position(token), type_, name, values, self._block("'for'"))

    def _while(self, token: Token) -> Node:
        self.expect("(", "behind 'while'")
        condition = self.expression()
        self.expect(")", "to close '('")
        return While(self.position(token), condition, self._block("'while'"))

    def _switch(self, token: Token) -> Node:
        self.expect("(", "behind 'switch'")
        value = self.expression()
        self.expect(")", "to close '('")
        self.expect("{", "for the cases")
        cases: list[tuple[list[Expr], Block]] = []
        default = None
        while not self.accept("}"):
            word = self.lexer.take()
            if word.text == "default" and default is None:
                default = self._braces("'default'")
            elif word.text == "case" and default is None:
                labels = [self.expression()]
                while self.accept(","):
                    labels.append(self.expression())
                cases.append((labels, self._braces("'case'")))
            else:
                self.fail(word, f"'case', one last 'default' or '}}' expected, found {word}")
        return Switch(self.position(token), value, cases, default)

    def _jump(self, token: Token) -> Node:
        self._end()
        return Jump(self.position(token), token.text)

    def _box(self, token: Token) -> Node:
        self.designator()
        return Box(self.position(token), self._braces("'box'"))

    # -- subroutines --------------------------------------------------------------------------------------------------
    def _def(self, token: Token) -> Node:
        name = self.new_name("the name of a subroutine")
        self.expect("(", f"behind '{name}'")
        params: list[tuple[Type, str]] = []
        while not self.accept(")"):
            params.append(self._parameter())
            if not self.accept(","):
                self.expect(")", "or ','")
                break
        returns = self.scalar_type(self.lexer.take()) if self.accept("->") else None
        if self._blocks:
            self.fail(token, f"subroutine '{name}': subroutines are defined outside all blocks")
        return Subroutine(self.position(token), name, params, returns, self._braces(f"subroutine '{name}'"))

    def _parameter(self) -> tuple[Type, str]:
        first = self.lexer.take()
        if first.text in ("readonly", "mutable"):
            self.fail(first, f"{first}: arrays as parameters are not supported")
        if first.text in ("qubit", "qreg", "creg"):
            kind = "bit" if first.text == "creg" else "qubit"
            if first.text == "qubit":
                size = self.designator()
                return Type(self.position(first), kind, size), self.new_name("the name of a parameter")
            name = self.new_name("the name of a parameter")
            return Type(self.position(first), kind, self.designator()), name
        return self.scalar_type(first), self.new_name("the name of a parameter")

    def _return(self, token: Token) -> Node:
        value = None if self.next_is(";") else self.expression()
        self._end()
        return Return(self.position(token), value)

    # -- what is not there --------------------------------------------------------------------------------------------
    def _version_again(self, token: Token) -> NoReturn:
        self.fail(token, "the version line must be the first statement")

    def _unsupported(self, token: Token) -> NoReturn:
        self.fail(token, f"{token}: pulses and external functions are not supported")

    def _stray(self, token: Token) -> NoReturn:
        self.fail(token, f"{token} has no place here")


_Parse = Callable[[Parser, Token], Node]
_STATEMENTS_2: dict[str, _Parse] = {
    "OPENQASM": Parser._version_again,
    "include": Parser._include,
    "qreg": Parser._old_register,
    "creg": Parser._old_register,
    "gate": Parser._gate,
    "opaque": Parser._opaque,
    "measure": Parser._measure,
    "reset": Parser._on_qubits,
    "barrier": Parser._on_qubits,
    "if": Parser._if,
}
_STATEMENTS_3: dict[str, _Parse] = {
    **_STATEMENTS_2,
    **dict.fromkeys(SCALARS | {"array"}, Parser._classical),
    **dict.fromkeys(("inv", "ctrl", "negctrl", "pow", "gphase", "U"), Parser._modified),
    **dict.fromkeys(("break", "continue", "end"), Parser._jump),
    **dict.fromkeys(("cal", "defcal", "defcalgrammar", "extern"), Parser._unsupported),
    **dict.fromkeys(("else", "case", "default", "in", "durationof", "mutable", "readonly", "void"), Parser._stray),
    "{": Parser._bare_block,
    "qubit": Parser._qubit,
    "const": Parser._const,
    "input": Parser._stray,
    "output": Parser._output,
    "let": Parser._let,
    "for": Parser._for,
    "while": Parser._while,
    "switch": Parser._switch,
    "def": Parser._def,
    "return": Parser._return,
    "box": Parser._box,
    "delay": Parser._on_qubits,
    "true": Parser._stray,
    "false": Parser._stray,
}

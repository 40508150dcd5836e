"""From the tree of a program to a `Circuit`: definitions, loops and conditions are carried out, registers become bits.

Qubits and classical bits are numbered in order of declaration. Angles may stay symbolic: ``input float x;`` becomes a parameter, a weight
unless an annotation (``@bitket.input``) or the caller says that it is an input. Conditions on measured bits become conditions of
instructions; whatever a circuit cannot express is an error that names the place.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import Any

from bitket.errors import BitketError
from bitket.quantum.circuits.circuit import Circuit, Condition, Instruction, Operation
from bitket.quantum.circuits.gates import NAMES, Gate, gate, unitary
from bitket.quantum.circuits.parameter import Expression, Parameter
from bitket.quantum.circuits.qasm.lexer import QasmError, Token, tokenize
from bitket.quantum.circuits.qasm.parser import Expr, Parser, Statement

__all__ = ["elaborate"]

_LIMITS = {"qubits": 1_000_000, "instructions": 5_000_000, "loop": 1_000_000, "bits of a number": 4096, "files": 50}
_BUILT_IN = {"qelib1.inc", "stdgates.inc"}
_ALIASES: dict[str, Callable[..., Gate]] = {
    "U": lambda t, p, l: gate("u", t, p, l),
    "u3": lambda t, p, l: gate("u", t, p, l),
    "u2": lambda p, l: gate("u", math.pi / 2, p, l),
    "u1": lambda l: gate("p", l),
    "u0": lambda _: gate("id"),
    "phase": lambda l: gate("p", l),
    "CX": lambda: gate("cx"),
    "cu1": lambda l: gate("cp", l),
    "cphase": lambda l: gate("cp", l),
    "cu3": lambda t, p, l: gate("u", t, p, l).control(),
    "c3x": lambda: gate("x").control(3),
    "c4x": lambda: gate("x").control(4),
    "c3sqrtx": lambda: gate("sx").control(3),
}  # fmt: skip
_COUNTS = {
    "U": 3,
    "u3": 3,
    "u2": 2,
    "u1": 1,
    "u0": 1,
    "phase": 1,
    "CX": 0,
    "cu1": 1,
    "cphase": 1,
    "cu3": 3,
    "c3x": 0,
    "c4x": 0,
    "c3sqrtx": 0,
}
# The two gates of qelib1.inc that are products of others.
_DEFINED = """
gate rccx a,b,c { u2(0,pi) c; u1(pi/4) c; cx b,c; u1(-pi/4) c; cx a,c; u1(pi/4) c; cx b,c; u1(-pi/4) c; u2(0,pi) c; }
gate rc3x a,b,c,d { u2(0,pi) d; u1(pi/4) d; cx c,d; u1(-pi/4) d; u2(0,pi) d; cx a,d; u1(pi/4) d; cx b,d; u1(-pi/4) d; cx a,d;
 u1(pi/4) d; cx b,d; u1(-pi/4) d; u2(0,pi) d; u1(pi/4) d; cx c,d; u1(-pi/4) d; u2(0,pi) d; }
"""
_FUNCTIONS = ("sin", "cos", "tan", "exp", "ln", "log", "sqrt", "arcsin", "arccos", "arctan", "asin", "acos", "atan")
_NAMES_OF = {"ln": "log", "asin": "arcsin", "acos": "arccos", "atan": "arctan"}
_MATH_OF = {"arcsin": "asin", "arccos": "acos", "arctan": "atan"}


class _Bits:
    """Qubits or classical bits that a name or an operand stands for; ``single`` where it is one bit, not a register."""

    def __init__(self, kind: str, index: Collection[int], single: bool = False) -> None:
        self.kind, self.index, self.single = kind, index, single


class _Loop(Exception):
    """``break`` or ``continue``."""


Gates = list[tuple[Gate, tuple[int, ...]]]


def elaborate(text: str, source: str, inputs: Iterable[str] = (), folder: Path | None = None) -> Circuit:
    """The circuit of a program; ``folder`` is where its includes are looked up."""
    return _Elaboration(source, set(inputs), folder).circuit(text)


class _Elaboration:
    def __init__(self, source: str, inputs: set[str], folder: Path | None) -> None:
        self.source, self.inputs, self.folder = source, inputs, folder
        self.qubits = self.clbits = self.files = 0
        self.out: list[Instruction] = []
        self.scopes: list[dict[str, Any]] = [{}]
        self.gates: dict[str, Statement | None] = {}
        self.marks: dict[str, str] = {}  # annotations that wait for their statement
        self.condition: Condition | None = None
        self.expanded = 0
        self._read(_DEFINED, "<built in>")

    def circuit(self, text: str) -> Circuit:
        self._read(text, self.source)
        if not self.qubits:
            raise QasmError(f"{self.source}:1:1: the program declares no qubits")
        circuit = Circuit(self.qubits, self.clbits, Path(self.source).stem.strip("<>") or "circuit")
        for i in self.out:
            circuit.append(i.operation, i.qubits, i.clbits, i.condition)
        return circuit

    def _read(self, text: str, source: str) -> None:
        before = getattr(self, "parser", None)
        self.parser = Parser(tokenize(text, source), source)
        if before is not None:
            self.parser.version = before.version
        for statement in self.parser.program():
            self._do(statement)
        if before is not None and source != self.source:
            self.parser = before

    def fail(self, what: str, token: Token) -> QasmError:
        return self.parser.fail(what, token)

    # -- statements -------------------------------------------------------------------------------------------------
    def _do(self, s: Statement) -> None:
        if s.kind == "annotation":
            name, _, value = s.token.text[1:].partition(" ")
            self.marks[name] = value.strip()
            return
        try:
            getattr(self, f"_do_{s.kind}")(s)
        except QasmError:
            raise
        except BitketError as error:  # the circuit's own words, with the place
            raise self.fail(str(error), s.token) from None
        self.marks = {}

    def _block(self, statements: list[Statement]) -> None:
        self.scopes.append({})
        try:
            for s in statements:
                self._do(s)
        finally:
            self.scopes.pop()

    def _do_nothing(self, s: Statement) -> None:
        pass

    def _do_include(self, s: Statement) -> None:
        if s.file in _BUILT_IN:
            return
        self.files += 1
        if self.files > _LIMITS["files"]:
            raise self.fail(f"more than {_LIMITS['files']} files are included", s.token)
        if self.folder is None:
            raise self.fail(
                f"include '{s.file}': text without a file can include only {' and '.join(sorted(_BUILT_IN))}", s.token
            )
        path = (self.folder / s.file).resolve()
        if not path.is_relative_to(self.folder.resolve()):
            raise self.fail(f"include '{s.file}': it lies outside of the program's folder", s.token)
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            raise self.fail(f"include '{s.file}': there is no such readable file", s.token) from None
        self._read(text, str(s.file))

    def _define(self, name: str, value: Any, token: Token) -> None:
        if name in self.scopes[-1]:
            raise self.fail(f"'{name}' is declared twice", token)
        self.scopes[-1][name] = value

    def _size(self, s: Statement) -> int:
        size = 1 if s.size is None else self._integer(s.size)
        if not 1 <= size <= _LIMITS["qubits"] or self.qubits + self.clbits + size > _LIMITS["qubits"]:
            raise self.fail(
                f"register '{s.name}' of size {size}: 1 to {_LIMITS['qubits']} bits in all can be read", s.token
            )
        return size

    def _do_qubit(self, s: Statement) -> None:
        size = self._size(s)
        self._define(s.name, _Bits("qubit", range(self.qubits, self.qubits + size), s.size is None), s.token)
        self.qubits += size

    def _do_bit(self, s: Statement) -> None:
        size = self._size(s)
        bits = _Bits("bit", range(self.clbits, self.clbits + size), s.size is None)
        self._define(s.name, bits, s.token)
        self.clbits += size
        if isinstance(s.value, Expr):
            if s.value.kind != "measure":
                raise self.fail("a classical bit can only be set by a measurement", s.token)
            self._measure(self._operand(s.value.parts[0], "qubit"), bits, s.token)

    def _do_variable(self, s: Statement) -> None:
        if s.role == "input":
            if s.type not in ("float", "angle"):
                raise self.fail(
                    f"input '{s.name}' is of type {s.type}: float and angle can be circuit parameters", s.token
                )
            name = self.marks.get("bitket.input") or self.marks.get("bitket.weight") or s.name
            name = name.strip('"')
            is_input = "bitket.input" in self.marks or name in self.inputs
            self._define(s.name, Parameter(name, "input" if is_input else "weight"), s.token)
            return
        value = None if s.value is None else self._value(s.value)
        if s.type in ("int", "uint") and value is not None:
            value = self._whole(value, s.token)
        elif s.type == "bool" and value is not None:
            value = bool(value)
        self._define(s.name, value, s.token)

    def _do_let(self, s: Statement) -> None:
        self._define(s.name, self._operand(s.value, None), s.token)

    def _do_assign(self, s: Statement) -> None:
        if s.target.kind != "name":
            raise self.fail("only whole variables can be assigned", s.token)
        name = s.target.parts[0]
        scope = next((scope for scope in reversed(self.scopes) if name in scope), None)
        if scope is None or isinstance(scope[name], _Bits | Parameter):
            raise self.fail(f"'{name}' is not a variable that can be assigned", s.token)
        if self.condition is not None:
            raise self.fail("a variable cannot depend on a measured bit", s.token)
        value = self._value(s.value)
        if s.operator:
            value = self._arithmetic(s.operator, scope[name], value, s.token)
        scope[name] = (
            self._whole(value, s.token) if isinstance(scope[name], int) and not isinstance(scope[name], bool) else value
        )

    def _do_gate(self, s: Statement) -> None:
        if len(set(s.qubits)) != len(s.qubits) or len(set(s.parameters)) != len(s.parameters):
            raise self.fail(f"gate '{s.name}': its parameters and qubits must have different names", s.token)
        for inner in s.body:
            if inner.kind not in ("call", "barrier", "nothing", "for", "if", "annotation"):
                raise self.fail(f"gate '{s.name}': its body can only hold gates", inner.token)
        self.gates[s.name] = s

    def _do_opaque(self, s: Statement) -> None:
        self.gates[s.name] = None

    def _do_call(self, s: Statement) -> None:
        operands = [self._operand(o, "qubit") for o in s.operands]
        sizes = {len(o.index) for o in operands if not o.single}
        if len(sizes) > 1:
            raise self.fail(
                f"'{s.name}': registers of different sizes {sorted(sizes)} cannot be used together", s.token
            )
        arguments = [self._value(a) for a in s.arguments]
        gates = self._modified(s, arguments, [tuple(range(len(operands)))])
        for k in range(sizes.pop() if sizes else 1):
            qubits = [list(o.index)[0 if o.single else k] for o in operands]
            if len(set(qubits)) != len(qubits):
                raise self.fail(f"'{s.name}': the same qubit is used twice", s.token)
            for g, local in gates:
                self._emit(Instruction(g, tuple(qubits[q] for q in local), (), self.condition), s.token)

    def _emit(self, instruction: Instruction, token: Token) -> None:
        if len(self.out) >= _LIMITS["instructions"]:
            raise self.fail(f"more than {_LIMITS['instructions']} instructions", token)
        self.out.append(instruction)

    def _do_measure(self, s: Statement) -> None:
        if s.target is None:
            raise self.fail("measure needs a classical bit: 'measure q -> c;' or 'c = measure q;'", s.token)
        self._measure(self._operand(s.source, "qubit"), self._operand(s.target, "bit"), s.token)

    def _measure(self, source: _Bits, target: _Bits, token: Token) -> None:
        if len(source.index) != len(target.index):
            raise self.fail(f"measure: {len(source.index)} qubits into {len(target.index)} classical bits", token)
        for q, c in zip(source.index, target.index, strict=True):
            self._emit(Instruction(Operation("measure"), (q,), (c,), self.condition), token)

    def _do_reset(self, s: Statement) -> None:
        for o in s.operands:
            for q in self._operand(o, "qubit").index:
                self._emit(Instruction(Operation("reset"), (q,), (), self.condition), s.token)

    def _do_barrier(self, s: Statement) -> None:
        listed = [q for o in s.operands for q in self._operand(o, "qubit").index] or range(self.qubits)
        qubits = tuple(dict.fromkeys(listed))
        if qubits:
            self._emit(Instruction(Operation("barrier"), qubits), s.token)

    def _do_if(self, s: Statement) -> None:
        yes, no = self._tested(s.condition)
        if isinstance(yes, bool):
            self._block(s.body if yes else s.other)
            return
        if s.other and no is None:
            raise self.fail(
                "'else' of a condition on several bits cannot be expressed: write it as conditions of its own", s.token
            )
        for condition, body in ((yes, s.body), (no, s.other)):
            if not body or condition is None:
                continue
            outer, start = self.condition, len(self.out)
            self.condition = self._joined(outer, condition, s.token)
            try:
                if self.condition is not False:
                    self._block(body)
            finally:
                self.condition = outer
            for k, i in enumerate(self.out[start:-1], start):
                if i.name == "measure" and set(i.clbits) & set(condition.clbits):
                    raise self.fail(
                        f"the block measures into a bit of its own condition before its end (instruction {k})", s.token
                    )

    def _joined(self, outer: Condition | None, inner: Condition, token: Token) -> Any:
        """Both conditions at once; False where they exclude each other."""
        if outer is None:
            return inner
        bits: dict[int, int] = {}
        for condition in (outer, inner):
            for k, c in enumerate(condition.clbits):
                if bits.setdefault(c, condition.value >> k & 1) != condition.value >> k & 1:
                    return False
        return Condition(tuple(bits), sum(b << k for k, b in enumerate(bits.values())))

    def _do_for(self, s: Statement) -> None:
        for value in self._iterated(s.values):
            self.scopes.append({s.name: value})
            try:
                self._block(s.body)
            except _Loop as loop:
                if str(loop) == "break":
                    break
            finally:
                self.scopes.pop()

    def _iterated(self, values: Expr) -> Iterable[Any]:
        if values.kind == "range":
            start, step, stop = self._range_ends(values)
            if start is None or stop is None:
                raise self.fail("the range of a loop needs its start and end", values.token)
            indices = range(start, stop + (1 if step > 0 else -1), step)
        elif values.kind == "set":
            return [self._value(v) for v in values.parts]
        else:
            raise self.fail("a loop runs over a range [a:b] or a set {a, b}", values.token)
        if len(indices) > _LIMITS["loop"]:
            raise self.fail(f"a loop of {len(indices)} turns; at most {_LIMITS['loop']} can be unrolled", values.token)
        return indices

    def _do_while(self, s: Statement) -> None:
        for _ in range(_LIMITS["loop"]):
            yes, _no = self._tested(s.condition)
            if not isinstance(yes, bool):
                raise self.fail("a loop on measured bits cannot be unrolled", s.token)
            if not yes:
                return
            try:
                self._block(s.body)
            except _Loop as loop:
                if str(loop) == "break":
                    return
        raise self.fail(f"a loop of more than {_LIMITS['loop']} turns", s.token)

    def _do_break(self, s: Statement) -> None:
        self._leave(s)

    def _do_continue(self, s: Statement) -> None:
        self._leave(s)

    def _leave(self, s: Statement) -> None:
        if self.condition is not None:
            raise self.fail(f"'{s.kind}' cannot depend on a measured bit", s.token)
        raise _Loop(s.kind)

    # -- gates ------------------------------------------------------------------------------------------------------
    def _modified(self, s: Statement, arguments: list[Any], wires: list[tuple[int, ...]]) -> Gates:
        """The gates of a call on its own qubits 0, 1, ...; modifiers apply from the right."""
        count = len(wires[0])
        controls = 0
        for modifier, argument in s.modifiers:
            if modifier.text in ("ctrl", "negctrl"):
                controls += 1 if argument is None else self._integer(argument)
                if not 0 <= controls <= count:
                    raise self.fail(f"'{s.name}': more controls than qubits", s.token)
        gates = self._plain(s, arguments, count - controls)
        used = count - controls
        for modifier, argument in reversed(s.modifiers):
            if modifier.text == "inv":
                gates = [(g.inverse(), q) for g, q in reversed(gates)]
            elif modifier.text == "pow":
                if argument is None:
                    raise self.fail("pow needs an exponent", modifier)
                gates = self._raised(gates, self._value(argument), used, s.token)
            else:
                k = 1 if argument is None else self._integer(argument)
                state = (1 << k) - 1 if modifier.text == "ctrl" else 0
                front = tuple(range(k))
                gates = [(g.control(k, state), front + tuple(x + k for x in q)) for g, q in gates]
                used += k
        return gates

    def _raised(self, gates: Gates, exponent: Any, count: int, token: Token) -> Gates:
        if isinstance(exponent, Expression) or not math.isfinite(exponent):
            raise self.fail("an exponent must be a finite number", token)
        if len(gates) == 1:
            try:
                return [(gates[0][0].power(exponent), gates[0][1])]
            except BitketError:
                pass  # a symbolic gate: whole powers can still be repeated
        if float(exponent).is_integer():
            times = abs(int(exponent))
            if times * len(gates) > _LIMITS["instructions"]:
                raise self.fail(f"a power of {exponent} repeats more than {_LIMITS['instructions']} gates", token)
            forward = gates if exponent >= 0 else [(g.inverse(), q) for g, q in reversed(gates)]
            return forward * times
        if count > 6 or any(g.parameters for g, _ in gates):
            raise self.fail("a fractional power needs a gate on at most 6 qubits whose angles are numbers", token)
        whole = Circuit(max(count, 1))
        for g, q in gates:
            whole.append(g, q)
        return [(unitary(whole.matrix()).power(exponent), tuple(range(max(count, 1))))]

    def _plain(self, s: Statement, arguments: list[Any], count: int) -> Gates:
        name = s.name
        if name in self.gates:
            return self._expanded(s, arguments, count)
        known = name in NAMES or name in _ALIASES
        if not known:
            import difflib

            near = difflib.get_close_matches(name, [*NAMES, *_ALIASES, *self.gates], 1)
            raise self.fail(f"gate '{name}' is unknown" + (f"; did you mean '{near[0]}'?" if near else ""), s.token)
        if name in _ALIASES and len(arguments) != _COUNTS[name]:
            raise self.fail(f"gate '{name}' takes {_COUNTS[name]} parameters, {len(arguments)} were given", s.token)
        made = _ALIASES[name](*arguments) if name in _ALIASES else gate(name, *arguments)
        if made.num_qubits != count:
            raise self.fail(f"gate '{name}' acts on {made.num_qubits} qubits, {count} were given", s.token)
        return [(made, tuple(range(count)))]

    def _expanded(self, s: Statement, arguments: list[Any], count: int) -> Gates:
        definition = self.gates[s.name]
        if definition is None:
            raise self.fail(f"gate '{s.name}' is opaque: it has no definition to simulate", s.token)
        if len(arguments) != len(definition.parameters) or count != len(definition.qubits):
            raise self.fail(
                f"gate '{s.name}' takes {len(definition.parameters)} parameters and {len(definition.qubits)} qubits, "
                f"{len(arguments)} and {count} were given",
                s.token,
            )
        scopes, self.scopes = self.scopes, [{}, dict(zip(definition.parameters, arguments, strict=True))]
        inner_gates = dict(self.gates)
        place = {q: k for k, q in enumerate(definition.qubits)}
        # A gate sees only those defined before it, so a definition can never reach itself.
        del self.gates[s.name]
        out: Gates = []
        try:
            for inner in definition.body:
                if inner.kind in ("barrier", "nothing", "annotation"):
                    continue
                if inner.kind != "call":
                    raise self.fail(f"gate '{s.name}': loops and conditions in gate bodies cannot be read", inner.token)
                where = []
                for o in inner.operands:
                    if o.kind != "name" or o.parts[0] not in place:
                        raise self.fail(f"gate '{s.name}': its body can use only its own qubits", o.token)
                    where.append(place[o.parts[0]])
                values = [self._value(a) for a in inner.arguments]
                part = self._modified(inner, values, [tuple(range(len(where)))])
                if len(set(where)) != len(where):
                    raise self.fail(f"'{inner.name}': the same qubit is used twice", inner.token)
                out += [(g, tuple(where[q] for q in local)) for g, local in part]
                self.expanded += len(part)
                if self.expanded > _LIMITS["instructions"]:
                    raise self.fail(
                        f"gate definitions unfold into more than {_LIMITS['instructions']} gates", inner.token
                    )
        finally:
            self.scopes, self.gates = scopes, inner_gates
        return out

    # -- operands ---------------------------------------------------------------------------------------------------
    def _look_up(self, name: str, token: Token) -> Any:
        for scope in reversed(self.scopes):
            if name in scope:
                return scope[name]
        if name.startswith("$") and name[1:].isdigit():
            qubit = int(name[1:])
            if qubit >= _LIMITS["qubits"]:
                raise self.fail(f"physical qubit {name}: at most {_LIMITS['qubits']} qubits can be read", token)
            self.qubits = max(self.qubits, qubit + 1)
            return _Bits("qubit", (qubit,), True)
        raise self.fail(f"'{name}' is not declared", token)

    def _operand(self, e: Expr, kind: str | None) -> _Bits:
        if e.kind == "concat":
            left, right = (self._operand(part, kind) for part in e.parts)
            return _Bits(left.kind, (*left.index, *right.index))
        if e.kind == "index":
            base = self._operand(e.parts[0], kind)
            return self._selected(base, e.parts[1], e.token)
        value = self._look_up(e.parts[0], e.token)
        if not isinstance(value, _Bits) or (kind is not None and value.kind != kind):
            wanted = {"qubit": "qubits", "bit": "classical bits", None: "bits"}[kind]
            raise self.fail(f"'{e.parts[0]}': {wanted} are needed here", e.token)
        return value

    def _selected(self, base: _Bits, index: Expr, token: Token) -> _Bits:
        size, bits = len(base.index), list(base.index)
        if index.kind == "set":
            chosen = [self._integer(part) for part in index.parts]
        elif index.kind == "range":
            start, step, stop = self._range_ends(index)
            first = (0 if step > 0 else size - 1) if start is None else start
            last = (size - 1 if step > 0 else 0) if stop is None else stop
            first, last = (v + size if v < 0 else v for v in (first, last))
            whole = range(first, last + (1 if step > 0 else -1), step)
            if len(whole) > size:
                raise self.fail(f"range of {len(whole)} bits in a register of {size}", token)
            chosen = list(whole)
        else:
            chosen = [self._integer(index)]
        for k in chosen:
            if not -size <= k < size:
                raise self.fail(f"index {k} is out of range, the register has {size} bits (0 to {size - 1})", token)
        return _Bits(base.kind, tuple(bits[k] for k in chosen), index.kind not in ("set", "range"))

    def _range_ends(self, e: Expr) -> tuple[int | None, int, int | None]:
        parts = [None if p is None else self._integer(p) for p in e.parts]
        start, step, stop = (
            (parts[0], 1, parts[1]) if len(parts) == 2 else (parts[0], 1 if parts[1] is None else parts[1], parts[2])
        )
        if step == 0:
            raise self.fail("a range cannot have step 0", e.token)
        return start, step, stop

    # -- values -----------------------------------------------------------------------------------------------------
    def _integer(self, e: Expr) -> int:
        return self._whole(self._value(e), e.token)

    def _whole(self, value: Any, token: Token) -> int:
        if isinstance(value, Expression | str) or not math.isfinite(value) or int(value) != value:
            raise self.fail(f"a whole number is needed, not {value}", token)
        return int(value)

    def _value(self, e: Expr) -> Any:
        """A number, a truth value, or an expression in parameters."""
        chain = []  # the left spine of a long sum is walked, not recursed into
        while e.kind == "binary":
            chain.append(e)
            e = e.parts[0]
        value = self._atom(e)
        for node in reversed(chain):
            value = self._arithmetic(node.token.text, value, self._value(node.parts[1]), node.token)
        return value

    def _atom(self, e: Expr) -> Any:
        token = e.token
        if e.kind == "literal":
            text = token.text.replace("_", "")
            if token.kind == "string":
                raise self.fail("a number is needed, not text", token)
            if len(text) > 1000:
                raise self.fail("a number of more than 1000 digits", token)
            value = (
                float(text)
                if token.kind == "float"
                else int(text, 0 if text[:1] == "0" and text[1:2].isalpha() else 10)
            )
            if isinstance(value, float) and not math.isfinite(value):
                raise self.fail(f"number {token.text} is too large", token)
            return value
        if e.kind == "unary":
            inner = self._atom(e.parts[0]) if e.parts[0].kind != "binary" else self._value(e.parts[0])
            if token.text == "!":
                if isinstance(inner, Expression):
                    raise self.fail("a truth value is needed, not a parameter", token)
                return not inner
            if token.text == "~":
                return ~self._whole(inner, token)
            return -inner if token.text == "-" else inner
        if e.kind == "call":
            return self._called(e)
        if e.kind == "name":
            constants = {
                "pi": math.pi,
                "π": math.pi,
                "tau": math.tau,
                "τ": math.tau,
                "euler": math.e,
                "ℇ": math.e,
                "true": True,
                "false": False,
            }
            name = e.parts[0]
            if name in constants and not any(name in scope for scope in self.scopes):
                return constants[name]
            value = self._look_up(name, token)
            if isinstance(value, _Bits):
                raise self.fail(f"'{name}' is a register: a number is needed", token)
            if value is None:
                raise self.fail(f"'{name}' has no value yet", token)
            return value
        raise self.fail("a number is needed", token)

    def _called(self, e: Expr) -> Any:
        name, token = e.token.text, e.token
        values = [self._value(p) for p in e.parts]
        if (
            name in ("int", "uint", "float", "angle", "bool")
            and len(values) == 1
            and not isinstance(values[0], Expression)
        ):
            if name in ("int", "uint"):
                return int(values[0])
            return bool(values[0]) if name == "bool" else float(values[0])
        if name in ("mod", "pow") and len(values) == 2:
            return self._arithmetic("%" if name == "mod" else "**", values[0], values[1], token)
        if name in ("floor", "ceiling") and len(values) == 1 and not isinstance(values[0], Expression):
            return math.floor(values[0]) if name == "floor" else math.ceil(values[0])
        if name not in _FUNCTIONS or len(values) != 1:
            raise self.fail(
                f"function '{name}' with {len(values)} arguments is unknown; there are {', '.join(_FUNCTIONS)}", token
            )
        name = _NAMES_OF.get(name, name)
        if isinstance(values[0], Expression):
            return getattr(values[0], name)()
        try:
            return getattr(math, _MATH_OF.get(name, name))(values[0])
        except (ValueError, OverflowError):
            raise self.fail(f"{name}({values[0]}) is not defined", token) from None

    def _arithmetic(self, op: str, a: Any, b: Any, token: Token) -> Any:
        symbolic = isinstance(a, Expression) or isinstance(b, Expression)
        try:
            match op:
                case "+":
                    out = a + b
                case "-":
                    out = a - b
                case "*":
                    out = a * b
                case "/":
                    whole = type(a) is int and type(b) is int and self.parser.version >= 3
                    out = (abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)) if whole else a / b
                case "**":
                    if (
                        not symbolic
                        and isinstance(a, int)
                        and isinstance(b, int)
                        and a.bit_length() * abs(b) > _LIMITS["bits of a number"]
                    ):
                        raise self.fail(f"a power of more than {_LIMITS['bits of a number']} bits", token)
                    out = a**b
                case "%":
                    out = math.fmod(a, b) if isinstance(a, float) or isinstance(b, float) else a % b
                case "==" | "!=" | "<" | ">" | "<=" | ">=" | "&&" | "||" if not symbolic:
                    return {
                        "==": a == b, "!=": a != b, "<": a < b, ">": a > b, "<=": a <= b, ">=": a >= b, "&&": bool(a and b), "||": bool(a or b),
                    }[op]  # fmt: skip
                case "&" | "|" | "^" | "<<" | ">>" if not symbolic:
                    a, b = self._whole(a, token), self._whole(b, token)
                    if op in ("<<", ">>") and not 0 <= b <= _LIMITS["bits of a number"]:
                        raise self.fail(f"a shift by {b} bits", token)
                    return {
                        "&": a & b,
                        "|": a | b,
                        "^": a ^ b,
                        "<<": a << b if op == "<<" else 0,
                        ">>": a >> b if op == ">>" else 0,
                    }[op]
                case _:
                    raise self.fail(f"'{op}' cannot be used on parameters", token)
        except (ZeroDivisionError, OverflowError, ValueError, TypeError) as error:
            if isinstance(error, BitketError):
                raise
            raise self.fail(f"{op}: {error}", token) from None
        if isinstance(out, complex) or (isinstance(out, float) and not math.isfinite(out)):
            raise self.fail(f"{op}: the result is not a finite real number", token)
        if isinstance(out, int) and out.bit_length() > _LIMITS["bits of a number"]:
            raise self.fail(f"{op}: a number of more than {_LIMITS['bits of a number']} bits", token)
        return out

    def _tested(self, e: Expr) -> tuple[bool | Condition, Condition | None]:
        """A condition and its opposite: truth values where they are known, else conditions on classical bits."""
        if e.kind == "unary" and e.token.text == "!":
            bits = self._measured(e.parts[0])
            if bits is not None and len(bits.index) == 1:
                only = tuple(bits.index)
                return Condition(only, 0), Condition(only, 1)
        bits = self._measured(e)
        if bits is not None:
            if len(bits.index) != 1:
                raise self.fail("a register is no truth value: compare it with a number", e.token)
            only = tuple(bits.index)
            return Condition(only, 1), Condition(only, 0)
        if e.kind == "binary" and e.token.text in ("==", "!="):
            left, right = e.parts
            bits, other = self._measured(left), right
            if bits is None:
                bits, other = self._measured(right), left
            if bits is not None:
                return self._compared(bits, self._integer(other), e)
        if e.kind == "binary" and e.token.text == "&&":
            first, second = self._tested(e.parts[0])[0], self._tested(e.parts[1])[0]
            if isinstance(first, bool) or isinstance(second, bool):
                known, rest = (first, second) if isinstance(first, bool) else (second, first)
                return (rest if known else False), None
            joined = self._joined(first, second, e.token)
            return joined, None
        value = self._value(e)
        if isinstance(value, Expression):
            raise self.fail("a condition on a parameter cannot be decided", e.token)
        return bool(value), None

    def _measured(self, e: Expr) -> _Bits | None:
        if e.kind == "index" and e.parts[0].kind in ("name", "index"):
            return self._operand(e, "bit")
        if e.kind == "name":
            value = next((scope[e.parts[0]] for scope in reversed(self.scopes) if e.parts[0] in scope), None)
            if isinstance(value, _Bits) and value.kind == "bit":
                return value
        return None

    def _compared(self, bits: _Bits, value: int, e: Expr) -> tuple[bool | Condition, Condition | None]:
        size, index, equal = len(bits.index), tuple(bits.index), e.token.text == "=="
        if not 0 <= value < 1 << size:
            return not equal, None
        if size == 1:
            yes, no = Condition(index, value), Condition(index, 1 - value)
            return (yes, no) if equal else (no, yes)
        if not equal:
            raise self.fail("'!=' on several bits cannot be expressed: compare bit by bit", e.token)
        return Condition(index, value), None

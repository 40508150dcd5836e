"""Values that are known while a text is read, and their arithmetic.

Integers are exact within 64 bits, and those declared with a width wrap around at it, as do their sums; ``/`` of two
integers goes to zero, as in C, in OpenQASM 3, and is a real number in OpenQASM 2. ``angle[k]`` is a multiple of 2 pi/2^k
modulo 2 pi, ``float[16]`` and ``float[32]`` are rounded. An ``angle`` without a width is a double precision number that is
not reduced by 2 pi, since ``rz(2 pi)`` and ``rz(0)`` differ. What hangs on input parameters stays an expression.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bitket.quantum.circuits.parameter import Expression
from bitket.quantum.circuits.qasm.conditions import BitFunction
from bitket.quantum.circuits.qasm.source import Fault

__all__ = [
    "CONSTANTS",
    "AngleBits",
    "BitString",
    "Bits",
    "Duration",
    "Measured",
    "Qubits",
    "Sized",
    "binary",
    "call",
    "condition",
    "convert",
    "kind",
    "real",
    "truth",
    "unary",
    "whole",
]


@dataclass(frozen=True, slots=True)
class Qubits:
    """Qubits of the circuit; ``scalar`` if it is one qubit and not a register of one."""

    indices: Sequence[int]
    scalar: bool = False


@dataclass(frozen=True, slots=True)
class Bits:
    """Classical bits of the circuit, first least significant; ``signed`` if they are read as a two's complement number."""

    indices: Sequence[int]
    scalar: bool = False
    signed: bool = False


@dataclass(frozen=True, slots=True)
class BitString:
    """Bits whose values are known."""

    value: int
    width: int


@dataclass(frozen=True, slots=True)
class AngleBits:
    """An ``angle[width]``: ``2 pi value / 2^width``."""

    value: int
    width: int

    def __float__(self) -> float:
        return math.tau * self.value / (1 << self.width)


class Sized(int):
    """An ``int[width]`` or ``uint[width]``."""

    width: int
    signed: bool

    def __new__(cls, value: int, width: int, signed: bool) -> Sized:
        """The value modulo 2^width."""
        value &= (1 << width) - 1
        new = super().__new__(cls, value - (1 << width) if signed and value >> (width - 1) else value)
        new.width, new.signed = width, signed
        return new


@dataclass(frozen=True, slots=True)
class Measured:
    """The outcome of a measurement that has yet to be given its bits."""

    qubits: Qubits


class Duration:
    """A time, which circuits do not keep."""


CONSTANTS = {
    "pi": math.pi,
    "π": math.pi,
    "tau": math.tau,
    "τ": math.tau,
    "euler": math.e,
    "ℇ": math.e,
}


def kind(value: Any) -> str:
    """The name of a value's kind, for messages."""
    if isinstance(value, Qubits | Bits):
        word = "qubit" if isinstance(value, Qubits) else "classical bit"
        return f"a {word}" if value.scalar else f"{len(value.indices)} {word}s"
    names = {
        bool: "a Boolean",
        int: "an integer",
        float: "a real number",
        Sized: "an integer",
        AngleBits: "an angle",
        BitString: "a bit string",
        BitFunction: "a condition on measured bits",
        Measured: "a measurement",
        list: "an array",
        Duration: "a duration",
    }
    return names.get(type(value), "an expression in input parameters")


def _number(value: Any, what: str) -> Any:
    """An int, float or expression; bit strings and Booleans count as integers."""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, BitString):
        return value.value
    if isinstance(value, AngleBits):
        return float(value)
    if isinstance(value, int | float | Expression):
        return value
    if isinstance(value, Bits | BitFunction | Measured):
        raise Fault(f"{what} of {kind(value)}: it is not known before the circuit runs")
    raise Fault(f"{what} of {kind(value)}: a number is needed")


def real(value: Any) -> float:
    """A number as a double precision one."""
    try:
        return float(value)
    except OverflowError:
        raise Fault("the number is too large") from None


def whole(value: Any, what: str) -> int:
    """An integer, of a value that is one."""
    value = _number(value, what)
    if isinstance(value, Expression):
        raise Fault(f"{what} of an expression in input parameters: its value is not known")
    if isinstance(value, float):
        raise Fault(f"{what} of {value!r}: an integer is needed")
    return int(value)


def _checked(value: Any, what: str) -> Any:
    if isinstance(value, complex) or (isinstance(value, float) and not math.isfinite(value)):
        raise Fault(f"{what}: the result is not a finite real number")
    if isinstance(value, int) and not isinstance(value, bool) and not -(1 << 63) <= value < 1 << 64:
        raise Fault(f"{what}: the result does not fit 64 bits")
    return value


def _divide(a: Any, b: Any) -> Any:
    if isinstance(a, int) and isinstance(b, int):
        return abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)
    return a / b


def _remainder(a: Any, b: Any) -> Any:
    if isinstance(a, Expression) or isinstance(b, Expression):
        raise Fault("'%' of an expression in input parameters: it is not supported")
    if isinstance(a, int) and isinstance(b, int):
        return a - b * _divide(a, b)
    return math.fmod(a, b)


def _power(a: Any, b: Any) -> Any:
    if isinstance(a, int) and isinstance(b, int):
        if b >= 0 and abs(a) > 1 and b * (abs(a).bit_length() - 1) > 64:
            raise Fault(f"{a}**{b}: the result does not fit 64 bits")
        if b < 0 and a == 0:
            raise ZeroDivisionError
        if b < 0:
            return float(a) ** b
    return a**b


def _shift(a: int, by: int, left: bool) -> int:
    if not 0 <= by < 64:
        raise Fault(f"a shift by {by}: 0 to 63 is allowed")
    return a << by if left else a >> by


_ARITHMETIC: dict[str, Callable[[Any, Any], Any]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": _divide,
    "%": _remainder,
    "**": _power,
}
_BITWISE: dict[str, Callable[[int, int], int]] = {
    "&": lambda a, b: a & b,
    "|": lambda a, b: a | b,
    "^": lambda a, b: a ^ b,
    "<<": lambda a, b: _shift(a, b, True),
    ">>": lambda a, b: _shift(a, b, False),
}
_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}


def binary(op: str, a: Any, b: Any, version: int) -> Any:
    """``a op b``.

    Raises
    ------
    Fault
        The operator does not take such values, or the result is not a finite real number or too large.
    """
    if op == "++":
        return _joined(a, b)
    if isinstance(a, Bits | BitFunction) or isinstance(b, Bits | BitFunction):
        return _measured(op, a, b)
    if op in ("&&", "||"):
        p, q = truth(a), truth(b)
        return (p and q) if op == "&&" else (p or q)
    if isinstance(a, AngleBits) or isinstance(b, AngleBits):
        found = _of_angles(op, a, b)
        if found is not None:
            return found
    what = f"'{op}'"
    left, right = _number(a, what), _number(b, what)
    if op in _COMPARISONS:
        if isinstance(left, Expression) or isinstance(right, Expression):
            raise Fault(f"{what} of an expression in input parameters: its value is not known")
        return _COMPARISONS[op](left, right)
    if op in _BITWISE:
        value = _sized(op, a, b, _BITWISE[op](whole(left, what), whole(right, what)))
        if isinstance(value, Sized):
            return value
        value = _checked(value, what)
        if isinstance(a, BitString):
            return BitString(value & ((1 << a.width) - 1), a.width)
        return value if not (isinstance(a, bool) and isinstance(b, bool)) else bool(value)
    if version == 2:
        left, right = (float(x) if isinstance(x, int) else x for x in (left, right))
    try:
        return _checked(_sized(op, left, right, _ARITHMETIC[op](left, right)), what)
    except ZeroDivisionError:
        raise Fault(f"{what}: division by zero") from None
    except (OverflowError, ValueError):
        raise Fault(f"{what}: the result is not a finite real number") from None


def _sized(op: str, a: Any, b: Any, value: Any) -> Any:
    """A result wrapped around at the width that C would give it, if both operands (of a shift: the left one) have a width."""
    if isinstance(a, Sized) and op in ("<<", ">>"):
        return Sized(value, a.width, a.signed)
    if not (isinstance(a, Sized) and isinstance(b, Sized) and isinstance(value, int)):
        return value
    wide = max(a, b, key=lambda x: (x.width, not x.signed))
    return Sized(value, wide.width, wide.signed)


def _of_angles(op: str, a: Any, b: Any) -> Any:
    """An operator on an angle of some width; None where it is one on the real number that the angle is."""
    if isinstance(a, Expression) or isinstance(b, Expression):
        return None
    width = max(x.width for x in (a, b) if isinstance(x, AngleBits))
    if op in ("*", "/"):
        if isinstance(a, AngleBits) and isinstance(b, AngleBits):
            p, q = (x.value << (width - x.width) for x in (a, b))
            if op == "/" and q == 0:
                raise Fault("'/': division by zero")
            return p // q if op == "/" else None
        angle, number = (a, b) if isinstance(a, AngleBits) else (b, a)
        if not isinstance(number, int) or (op == "/" and number is a):
            return None
        if op == "/" and number <= 0:
            raise Fault(f"'/' of an angle by {number}: a whole number above 0 is needed")
        return _angle_bits(angle.value * number if op == "*" else angle.value // number, width)
    if op in ("<<", ">>"):
        if not isinstance(a, AngleBits):
            return None
        return _angle_bits(_BITWISE[op](a.value, whole(b, f"'{op}'")), a.width)
    if op not in ("+", "-", "&", "|", "^", *_COMPARISONS):
        return None
    p, q = (convert("angle", width, x).value for x in (a, b))
    return _COMPARISONS[op](p, q) if op in _COMPARISONS else _angle_bits((_BITWISE | _ARITHMETIC)[op](p, q), width)


def _angle_bits(value: int, width: int) -> AngleBits:
    return AngleBits(value & ((1 << width) - 1), width)


def _joined(a: Any, b: Any) -> Any:
    for of in (Qubits, Bits):
        if isinstance(a, of) and isinstance(b, of):
            return of((*a.indices, *b.indices))
    raise Fault(f"'++' of {kind(a)} and {kind(b)}: two registers of qubits, or two of bits, are needed")


def condition(value: Any) -> BitFunction:
    """A Boolean, a measured bit or a condition as a function of bits.

    Raises
    ------
    Fault
        The value is none of these.
    """
    if isinstance(value, BitFunction):
        return value
    if isinstance(value, Bits):
        if len(value.indices) != 1:
            raise Fault(f"{kind(value)} as a condition: compare the register with a number")
        return BitFunction.equal(value.indices, 1)
    return BitFunction(({},) if truth(value) else ())


def truth(value: Any) -> bool:
    """A number, Boolean or bit string as a Boolean."""
    value = _number(value, "the truth")
    if isinstance(value, Expression):
        raise Fault("a condition on an expression in input parameters: its value is not known")
    return value != 0


def _measured(op: str, a: Any, b: Any) -> BitFunction:
    """An operator on measured bits."""
    if op in ("&&", "||") or (op in "&|^" and all(isinstance(x, BitFunction) or _single(x) for x in (a, b))):
        p, q = condition(a), condition(b)
        return {"&": p.__and__, "|": p.__or__, "^": p.__xor__}[op[0]](q)
    if op not in _COMPARISONS:
        raise Fault(f"'{op}' on measured bits: only comparisons and &&, ||, ! can become conditions of a circuit")
    if isinstance(b, Bits | BitFunction) and not isinstance(a, Bits | BitFunction):
        a, b, op = b, a, {"<": ">", ">": "<", "<=": ">=", ">=": "<="}.get(op, op)
    if isinstance(a, BitFunction) or isinstance(b, Bits | BitFunction):
        if op not in ("==", "!="):
            raise Fault(f"'{op}' of {kind(a)} and {kind(b)}: only == and != are supported")
        differ = condition(a) ^ condition(b)
        return differ if op == "!=" else ~differ
    value, bits = whole(b, f"'{op}' with {kind(a)}"), a.indices
    if isinstance(b, BitString) and b.width != len(bits):
        raise Fault(f"'{op}' of {kind(a)} and a bit string of {b.width}: the lengths must be equal")
    if a.signed:
        half = 1 << (len(bits) - 1)
        if op not in ("==", "!=") or not -half <= value < half:
            raise Fault(
                f"{kind(a)} as a signed integer: only == and != with numbers from {-half} to {half - 1} are supported"
            )
        value %= 2 * half
    if op in ("==", "!="):
        if not 0 <= value < 1 << len(bits):
            raise Fault(f"the value {value} does not fit {kind(a)}: 0 to {(1 << min(len(bits), 64)) - 1} is allowed")
        same = BitFunction.equal(bits, value)
        return same if op == "==" else ~same
    below = BitFunction.less(bits, value if op in ("<", ">=") else value + 1)
    return below if op in ("<", "<=") else ~below


def _single(value: Any) -> bool:
    return isinstance(value, bool) or (isinstance(value, Bits) and value.scalar)


def unary(op: str, value: Any) -> Any:
    """``-``, ``!`` or ``~`` of a value."""
    if op == "!":
        return ~condition(value) if isinstance(value, Bits | BitFunction) else not truth(value)
    if op == "~":
        if isinstance(value, BitFunction) or _single(value):
            return ~condition(value) if not isinstance(value, bool) else not value
        if isinstance(value, BitString):
            return BitString(~value.value & ((1 << value.width) - 1), value.width)
        if isinstance(value, AngleBits):
            return _angle_bits(~value.value, value.width)
        if isinstance(value, Sized):
            return Sized(~int(value), value.width, value.signed)
        return ~whole(value, "'~'")
    if isinstance(value, AngleBits):
        return _angle_bits(-value.value, value.width)
    if isinstance(value, Sized):
        return Sized(-int(value), value.width, value.signed)
    return _checked(-_number(value, "'-'"), "'-'")


_REAL: dict[str, tuple[Callable[[float], float], str | None]] = {  # function, and the method of an expression
    "sin": (math.sin, "sin"),
    "cos": (math.cos, "cos"),
    "tan": (math.tan, "tan"),
    "exp": (math.exp, "exp"),
    "log": (math.log, "log"),
    "sqrt": (math.sqrt, "sqrt"),
    "arcsin": (math.asin, "arcsin"),
    "arccos": (math.acos, "arccos"),
    "arctan": (math.atan, "arctan"),
    "ceiling": (math.ceil, None),
    "floor": (math.floor, None),
}
_NAMES_2 = {"ln": "log", "asin": "arcsin", "acos": "arccos", "atan": "arctan"}
_OTHERS_3 = {"mod": 2, "pow": 2, "popcount": 1, "rotl": 2, "rotr": 2, "sizeof": 1}


def call(name: str, args: list[Any], version: int) -> Any:
    """A function of the language on values.

    Raises
    ------
    Fault
        There is no such function, or it does not take such values.
    """
    real = _NAMES_2.get(name, name if name not in ("log", "ceiling", "floor") else "") if version == 2 else name
    if real in _REAL:
        _count(name, args, 1)
        value = _number(args[0], f"'{name}'")
        function, method = _REAL[real]
        if isinstance(value, Expression):
            if method is None:
                raise Fault(f"'{name}' of an expression in input parameters: it is not supported")
            return getattr(value, method)()
        try:
            return _checked(float(function(value)), f"'{name}'")
        except (ValueError, OverflowError):
            raise Fault(f"{name}({value}): the result is not a finite real number") from None
    if version == 2 or name not in _OTHERS_3:
        known = ", ".join([*_REAL, *_OTHERS_3]) if version == 3 else "sin, cos, tan, exp, ln, sqrt"
        raise Fault(f"function '{name}' is unknown; there are {known}")
    _count(name, args, _OTHERS_3[name])
    if name in ("mod", "pow"):
        return binary("%" if name == "mod" else "**", args[0], args[1], version)
    if name == "sizeof":
        if not isinstance(args[0], list | Qubits | Bits):
            raise Fault(f"sizeof of {kind(args[0])}: an array or register is needed")
        return len(args[0]) if isinstance(args[0], list) else len(args[0].indices)
    if not isinstance(args[0], BitString):
        raise Fault(f"'{name}' of {kind(args[0])}: a bit string whose value is known is needed")
    if name == "popcount":
        return args[0].value.bit_count()
    value, width = args[0].value, args[0].width
    by = whole(args[1], f"'{name}'") % width
    if name == "rotr":
        by = -by % width
    return BitString((value << by | value >> (width - by)) & ((1 << width) - 1), width)


def _count(name: str, args: list[Any], needed: int) -> None:
    if len(args) != needed:
        raise Fault(f"'{name}' takes {needed} value{'s' if needed > 1 else ''}, {len(args)} were given")


def convert(type_: str, width: int | None, value: Any) -> Any:
    """A value as a type: integers wrap around at their width, angles and floats are rounded to it, bits must fit.

    Raises
    ------
    Fault
        The value cannot become of this type.
    """
    if type_ in ("duration", "stretch"):
        return Duration()
    if type_ == "bool":
        return condition(value) if isinstance(value, Bits | BitFunction) else truth(value)
    what = f"a value of type {type_}"
    if type_ == "bit":
        return _to_bits(width or 1, value, what)
    if type_ in ("int", "uint"):
        return _to_integer(type_, width, value, what)
    if isinstance(value, AngleBits) and (type_ == "float" or width is None):
        value = float(value)
    if type_ == "angle" and width is not None:
        return _to_angle(width, value, what)
    value = _number(value, what)
    if isinstance(value, Expression):
        return value
    value = float(value)
    if width not in (None, *_FLOATS):
        raise Fault(f"{type_}[{width}]: widths of {', '.join(map(str, _FLOATS))} are supported")
    with np.errstate(over="ignore"):
        rounded = float(_FLOATS[width or 64](value))
    if not math.isfinite(rounded):
        raise Fault(f"{value!r} as {type_}[{width}]: it is too large")
    return rounded


_FLOATS: dict[int, Callable[[float], Any]] = {16: np.float16, 32: np.float32, 64: float}


def _to_bits(width: int, value: Any, what: str) -> Any:
    if isinstance(value, Bits) or (isinstance(value, BitString) and value.width == width):
        return value
    if isinstance(value, AngleBits | Sized) and value.width == width:
        return BitString((value.value if isinstance(value, AngleBits) else int(value)) & ((1 << width) - 1), width)
    number = whole(value, what)
    if not 0 <= number < 1 << width or isinstance(value, BitString):
        raise Fault(f"{kind(value)} as {width} bits: it does not fit")
    return BitString(number, width)


def _to_integer(type_: str, width: int | None, value: Any, what: str) -> Any:
    size, signed = width or 64, type_ == "int"
    if size > 64:
        raise Fault(f"{type_}[{width}]: integers of at most 64 bits are supported")
    if isinstance(value, Bits) and size >= len(value.indices):
        # The same number, whose bits are known when the circuit runs.
        return Bits(value.indices, signed=signed and size == len(value.indices))
    if isinstance(value, float):
        value = math.trunc(value)
    number = Sized(whole(value, what), size, signed)
    return int(number) if width is None else number


def _to_angle(width: int, value: Any, what: str) -> AngleBits:
    """The nearest multiple of 2 pi / 2^width, the even one of two; bits as they are; of a finer angle its leading bits."""
    if width > 64:
        raise Fault(f"angle[{width}]: angles of at most 64 bits are supported")
    if isinstance(value, AngleBits):
        shift = width - value.width
        return AngleBits(value.value << shift if shift >= 0 else value.value >> -shift, width)
    if isinstance(value, BitString):
        if value.width != width:
            raise Fault(f"a bit string of {value.width} as angle[{width}]: the lengths must be equal")
        return AngleBits(value.value, width)
    number = _number(value, what)
    if isinstance(number, Expression):
        raise Fault(
            f"an expression in input parameters as angle[{width}]: it cannot be rounded before its value is known"
        )
    if abs(number) > 1e15:
        raise Fault(f"{number!r} as angle[{width}]: it is too large to be reduced by 2 pi")
    return _angle_bits(round(number / math.tau * (1 << width)), width)

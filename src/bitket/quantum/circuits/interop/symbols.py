"""Expressions to and from sympy, in which Qiskit and Cirq hold theirs."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from operator import add, mul
from typing import Any

import sympy  # type: ignore[import-untyped]

from bitket.errors import InvalidInput
from bitket.quantum.circuits.parameter import Angle, Expression, Parameter

__all__ = ["from_sympy", "to_sympy"]

_FUNCTIONS = {
    sympy.sin: "sin",
    sympy.cos: "cos",
    sympy.tan: "tan",
    sympy.exp: "exp",
    sympy.log: "log",
    sympy.asin: "arcsin",
    sympy.acos: "arccos",
    sympy.atan: "arctan",
}
_NAMES = {name: function for function, name in _FUNCTIONS.items()} | {"sqrt": sympy.sqrt}
_OPERATIONS: dict[str, Callable[[Any, Any], Any]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
    "**": lambda a, b: a**b,
}


def to_sympy(angle: Angle) -> Any:
    """The same in sympy, each parameter a real symbol's namesake ``sympy.Symbol(name)``."""
    if not isinstance(angle, Expression):
        return sympy.Float(angle, 17) if angle else sympy.Integer(0)

    def join(node: Expression, args: list[Any]) -> Any:
        if node.op in _OPERATIONS:
            return _OPERATIONS[node.op](*args)
        return -args[0] if node.op == "neg" else _NAMES[node.op](args[0])

    return angle._fold(lambda parameter: sympy.Symbol(parameter.name), join)


def from_sympy(expression: Any, parameter: Callable[[str], Parameter]) -> Angle:
    """A number or expression from sympy's; ``parameter`` gives the parameter of a name.

    Raises
    ------
    InvalidInput
        The expression has a function that circuits do not have, or is not real.
    """
    if expression.is_Symbol:
        return parameter(expression.name)
    if expression.is_number:
        value = complex(expression)
        if abs(value.imag) > 1e-12 * max(1.0, abs(value)):
            raise InvalidInput(f"angle {expression}: it must be real")
        return value.real
    args = [from_sympy(a, parameter) for a in expression.args]
    if expression.is_Add:
        return reduce(add, args)
    if expression.is_Mul:
        return reduce(mul, args)
    if expression.is_Pow:
        base, exponent = args
        return 1.0 / base if exponent == -1.0 else base**exponent
    name = _FUNCTIONS.get(expression.func)
    if name is None or not isinstance(args[0], Expression):
        raise InvalidInput(f"angle {expression}: function '{expression.func.__name__}' is not one that angles can have")
    return getattr(args[0], name)()

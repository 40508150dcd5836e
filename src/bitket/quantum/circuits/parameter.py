"""Named parameters of circuits and the expressions formed from them.

A parameter is a *weight* (trained) or an *input* (data). Angles of gates are numbers, parameters, or expressions such as
``2 * (pi - x0) * (pi - x1)``. An expression is evaluated on numbers, NumPy arrays or torch tensors alike; on tensors the
evaluation is differentiable, so gradients of slots flow on to weights and inputs by the chain rule.

>>> x, y = Parameter("x", "input"), Parameter("y")
>>> e = 2 * x - y / 2
>>> e.evaluate({x: 1.0, y: 4.0})
0.0
>>> e.affine()
(0.0, {Parameter('x', 'input'): 2.0, Parameter('y'): -0.5})
>>> (x * y).affine() is None
True
>>> x - x
0.0
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Literal

from bitket.errors import InvalidInput

__all__ = ["Angle", "Expression", "Parameter", "ParameterError", "parameters"]

Role = Literal["weight", "input"]


class ParameterError(InvalidInput):
    """A parameter that is missing, unknown, doubly defined or not a finite number."""


_BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
    "**": lambda a, b: a**b,
}
_FUNCTIONS = {
    "sin": "sin",
    "cos": "cos",
    "tan": "tan",
    "exp": "exp",
    "log": "log",
    "sqrt": "sqrt",
    "arcsin": "asin",
    "arccos": "acos",
    "arctan": "atan",
}
_PRECEDENCE = {"+": 1, "-": 1, "*": 2, "/": 2, "neg": 3, "**": 4}


class Expression:
    """An arithmetic expression in parameters; immutable, compared by structure.

    Supports ``+ - * / **``, negation and the methods sin, cos, tan, exp, log, sqrt, arcsin, arccos, arctan.
    """

    __slots__ = ("_hash", "args", "op")

    def __init__(self, op: str, *args: Expression | float | str) -> None:
        self.op = op
        self.args = args
        self._hash = hash((op, args))

    # -- building ---------------------------------------------------------------------------------------------------
    @staticmethod
    def _make(op: str, a: Angle, b: Angle) -> Angle:
        """Join two operands, folding numbers, units and equal terms so that expressions do not grow without need."""
        if not isinstance(a, Expression) and not isinstance(b, Expression):
            return float(_BINARY[op](a, b))
        if op in "+-" and b == 0:
            return a
        if op == "+" and a == 0:
            return b
        if op == "-" and a == b:
            return 0.0
        if op == "*" and (a == 0 or b == 0):
            return 0.0
        if op == "*" and a == 1:
            return b
        if op in ("*", "/", "**") and b == 1:
            return a
        return Expression(op, a, b)

    def __add__(self, other: Angle) -> Angle:
        return self._make("+", self, _angle(other))

    def __radd__(self, other: Angle) -> Angle:
        return self._make("+", _angle(other), self)

    def __sub__(self, other: Angle) -> Angle:
        return self._make("-", self, _angle(other))

    def __rsub__(self, other: Angle) -> Angle:
        return self._make("-", _angle(other), self)

    def __mul__(self, other: Angle) -> Angle:
        return self._make("*", self, _angle(other))

    def __rmul__(self, other: Angle) -> Angle:
        return self._make("*", _angle(other), self)

    def __truediv__(self, other: Angle) -> Angle:
        return self._make("/", self, _angle(other))

    def __rtruediv__(self, other: Angle) -> Angle:
        return self._make("/", _angle(other), self)

    def __pow__(self, other: Angle) -> Angle:
        return self._make("**", self, _angle(other))

    def __rpow__(self, other: Angle) -> Angle:
        return self._make("**", _angle(other), self)

    def __neg__(self) -> Expression:
        return self.args[0] if self.op == "neg" else Expression("neg", self)  # type: ignore[return-value]

    def __pos__(self) -> Expression:
        return self

    def sin(self) -> Expression:
        """Sine."""
        return Expression("sin", self)

    def cos(self) -> Expression:
        """Cosine."""
        return Expression("cos", self)

    def tan(self) -> Expression:
        """Tangent."""
        return Expression("tan", self)

    def exp(self) -> Expression:
        """Exponential."""
        return Expression("exp", self)

    def log(self) -> Expression:
        """Natural logarithm."""
        return Expression("log", self)

    def sqrt(self) -> Expression:
        """Square root."""
        return Expression("sqrt", self)

    def arcsin(self) -> Expression:
        """Inverse sine."""
        return Expression("arcsin", self)

    def arccos(self) -> Expression:
        """Inverse cosine."""
        return Expression("arccos", self)

    def arctan(self) -> Expression:
        """Inverse tangent."""
        return Expression("arctan", self)

    # -- reading ----------------------------------------------------------------------------------------------------
    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """The parameters in the expression, each once, in order of first appearance."""
        found: dict[Parameter, None] = {}
        stack: list[Any] = [self]
        while stack:
            node = stack.pop()
            if isinstance(node, Parameter):
                found[node] = None
            elif isinstance(node, Expression):
                stack.extend(reversed(node.args))
        return tuple(found)

    def evaluate(self, values: Mapping[Parameter, Any]) -> Any:
        """Value of the expression.

        Parameters
        ----------
        values
            For each parameter a float, NumPy array or torch tensor (shapes must broadcast).

        Raises
        ------
        ParameterError
            A parameter has no value.
        """
        args = [a.evaluate(values) if isinstance(a, Expression) else a for a in self.args]
        if self.op in _BINARY:
            try:
                return _BINARY[self.op](*args)
            except (ZeroDivisionError, OverflowError) as error:
                raise ParameterError(f"expression {self}: {error}") from None
        if self.op == "neg":
            return -args[0]
        return _call(self.op, args[0])

    def substitute(self, values: Mapping[Parameter, Angle]) -> Angle:
        """The expression with some parameters replaced by numbers or other expressions; folded to a number where it can be."""
        args = [a.substitute(values) if isinstance(a, Expression) else a for a in self.args]
        if self.op in _BINARY:
            try:
                return self._make(self.op, *args)  # type: ignore[arg-type]
            except (ZeroDivisionError, OverflowError) as error:
                raise ParameterError(f"expression {self}: {error}") from None
        (a,) = args
        if isinstance(a, Expression):
            return -a if self.op == "neg" else Expression(self.op, a)
        return -a if self.op == "neg" else _call(self.op, a)  # type: ignore[operator]

    def affine(self) -> tuple[float, dict[Parameter, float]] | None:
        """``(constant, {parameter: coefficient})`` if the expression is affine in its parameters, else None."""
        if self.op == "neg":
            return _scaled(_affine(self.args[0]), -1.0)
        if self.op not in _BINARY or self.op == "**":
            return None
        left, right = _affine(self.args[0]), _affine(self.args[1])
        if left is None or right is None:
            return None
        if self.op in "+-":
            sign = 1.0 if self.op == "+" else -1.0
            terms = dict(left[1])
            for parameter, coefficient in right[1].items():
                terms[parameter] = terms.get(parameter, 0.0) + sign * coefficient
            return left[0] + sign * right[0], terms
        if self.op == "*":
            if not left[1]:
                return _scaled(right, left[0])
            return _scaled(left, right[0]) if not right[1] else None
        return _scaled(left, 1.0 / right[0]) if not right[1] and right[0] != 0 else None

    # -- Python -----------------------------------------------------------------------------------------------------
    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        return (
            isinstance(other, Expression)
            and self._hash == other._hash
            and self.op == other.op
            and self.args == other.args
        )

    def __hash__(self) -> int:
        return self._hash

    def __str__(self) -> str:
        return self._write(0)

    def _write(self, outer: int) -> str:
        if self.op not in _PRECEDENCE:
            return f"{self.op}({_text(self.args[0], 0)})"
        level = _PRECEDENCE[self.op]
        if self.op == "neg":
            text = f"-{_text(self.args[0], level)}"
        else:
            left, right = self.args
            # '-', '/' bind their right side tighter, '**' its left side: a - (b - c), (a ** b) ** c keep their brackets.
            text = _text(left, level + (self.op == "**")) + self.op + _text(right, level + (self.op in "-/"))
        return f"({text})" if level < outer else text

    def __repr__(self) -> str:
        return f"Expression({self})"


class Parameter(Expression):
    """A named parameter.

    Parameters
    ----------
    name
        Any non-empty text; two parameters of equal name and role are the same parameter.
    role
        ``"weight"``: trained; ``"input"``: data, one value a sample.
    """

    __slots__ = ("name", "role")

    def __init__(self, name: str, role: Role = "weight") -> None:
        if not name or role not in ("weight", "input"):
            raise ParameterError(
                f"parameter {name!r} with role {role!r}: a name and the role 'weight' or 'input' are needed"
            )
        super().__init__("parameter", name, role)
        self.name = name
        self.role: Role = role

    def evaluate(self, values: Mapping[Parameter, Any]) -> Any:
        """Its value in ``values``; see `Expression.evaluate`."""
        try:
            return values[self]
        except KeyError:
            raise ParameterError(f"parameter '{self.name}' has no value") from None

    def substitute(self, values: Mapping[Parameter, Angle]) -> Angle:
        """Its replacement in ``values``, or itself."""
        return values.get(self, self)

    def affine(self) -> tuple[float, dict[Parameter, float]]:
        """``(0, {self: 1})``."""
        return 0.0, {self: 1.0}

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Parameter) and self.name == other.name and self.role == other.role)

    def _write(self, outer: int) -> str:
        return self.name

    def __repr__(self) -> str:
        return f"Parameter({self.name!r})" if self.role == "weight" else f"Parameter({self.name!r}, {self.role!r})"


Angle = float | Expression


def parameters(name: str, count: int, role: Role = "weight") -> tuple[Parameter, ...]:
    """``count`` parameters ``name[0]``, ``name[1]``, ..."""
    return tuple(Parameter(f"{name}[{i}]", role) for i in range(count))


def _angle(value: Any) -> Angle:
    """A number or expression as it is; anything else is refused."""
    if isinstance(value, Expression):
        return value
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise ParameterError(f"angle {value!r}: a number, a parameter or an expression is needed") from None
    if not math.isfinite(number):
        raise ParameterError(f"angle {number}: it must be finite")
    return number


def _call(name: str, value: Any) -> Any:
    if isinstance(value, (int, float)):
        try:
            return getattr(math, _FUNCTIONS[name])(value)
        except (ValueError, OverflowError) as error:
            raise ParameterError(f"{name}({value}): {error}") from None
    if hasattr(value, "detach"):  # a torch tensor has the functions as methods
        return getattr(value, _FUNCTIONS[name])()
    import numpy as np

    return getattr(np, name)(value)


def _affine(value: Any) -> tuple[float, dict[Parameter, float]] | None:
    return value.affine() if isinstance(value, Expression) else (float(value), {})


def _scaled(
    form: tuple[float, dict[Parameter, float]] | None, factor: float
) -> tuple[float, dict[Parameter, float]] | None:
    if form is None:
        return None
    return form[0] * factor, {parameter: coefficient * factor for parameter, coefficient in form[1].items()}


def _text(value: Any, outer: int) -> str:
    if isinstance(value, Expression):
        return value._write(outer)
    text = repr(value)
    return f"({text})" if text.startswith("-") and outer > 0 else text

"""Named parameters of circuits and the expressions formed from them.

A parameter is a *weight* (trained) or an *input* (data). Angles of gates are numbers, parameters, or expressions such
as ``2 * (pi - x0) * (pi - x1)``. An expression is evaluated on numbers, NumPy arrays or torch tensors alike; on tensors
the evaluation is differentiable, so gradients of slots flow on to weights and inputs by the chain rule.

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
_PRECEDENCE = {"+": 1, "-": 1, "*": 2, "/": 2, "**": 4}  # 3: a sign in front; 5: names, numbers, functions


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
            return _compute(op, a, b)
        if op == "/" and b == 0:
            raise ParameterError(f"expression ({a})/0: division by zero")
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
        inner = self.args[0]
        return inner if self.op == "neg" and isinstance(inner, Expression) else Expression("neg", self)

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
        stack, met = [self], set()
        while stack:
            node = stack.pop()
            if isinstance(node, Parameter):
                found[node] = None
            elif id(node) not in met:
                met.add(id(node))
                stack.extend(a for a in reversed(node.args) if isinstance(a, Expression))
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

        def join(node: Expression, args: list[Any]) -> Any:
            if node.op in _BINARY:
                numbers = isinstance(args[0], int | float) and isinstance(args[1], int | float)
                return _compute(node.op, *args) if numbers else _BINARY[node.op](*args)
            return -args[0] if node.op == "neg" else _call(node.op, args[0])

        return self._fold(lambda parameter: _look_up(parameter, values), join)

    def substitute(self, values: Mapping[Parameter, Angle]) -> Angle:
        """The expression with some parameters replaced by numbers or expressions; folded to a number where it can be.

        Raises
        ------
        ParameterError
            A number that results is not real or not finite.
        """

        def join(node: Expression, args: list[Any]) -> Angle:
            if node.op in _BINARY:
                return self._make(node.op, *args)
            (a,) = args
            if node.op == "neg":
                return -a
            return Expression(node.op, a) if isinstance(a, Expression) else _call(node.op, a)

        return self._fold(lambda parameter: values.get(parameter, parameter), join)

    def affine(self) -> _Affine | None:
        """``(constant, {parameter: coefficient})`` if the expression is affine in its parameters, else None."""

        def join(node: Expression, args: list[Any]) -> _Affine | None:
            if None in args or (node.op != "neg" and node.op not in "+-*/"):
                return None
            forms: list[_Affine] = [a if isinstance(a, tuple) else (float(a), {}) for a in args]
            left, right = forms[0], forms[-1]
            if node.op == "neg":
                return _scaled(left, -1.0)
            if node.op in "+-":
                sign = 1.0 if node.op == "+" else -1.0
                terms = dict(left[1])
                for parameter, coefficient in right[1].items():
                    terms[parameter] = terms.get(parameter, 0.0) + sign * coefficient
                return left[0] + sign * right[0], terms
            if node.op == "*":
                if not left[1]:
                    return _scaled(right, left[0])
                return _scaled(left, right[0]) if not right[1] else None
            return _scaled(left, 1.0 / right[0]) if not right[1] and right[0] != 0 else None

        form: _Affine | None = self._fold(lambda parameter: (0.0, {parameter: 1.0}), join)
        return form

    def _fold(self, leaf: Callable[[Parameter], Any], join: Callable[[Expression, list[Any]], Any]) -> Any:
        """Work up from the parameters: a loop, since a sum of a thousand terms is deeper than Python's stack."""
        known: dict[int, Any] = {}
        stack: list[Expression] = [self]
        while stack:
            node = stack[-1]
            if id(node) in known:
                stack.pop()
            elif isinstance(node, Parameter):
                known[id(node)] = leaf(node)
            else:
                missing = [a for a in node.args if isinstance(a, Expression) and id(a) not in known]
                if missing:
                    stack.extend(reversed(missing))
                else:
                    known[id(node)] = join(node, [known[id(a)] if isinstance(a, Expression) else a for a in node.args])
        return known[id(self)]

    # -- Python -----------------------------------------------------------------------------------------------------
    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, Expression):
            return False
        pairs: list[tuple[Any, Any]] = [(self, other)]
        met: set[tuple[int, int]] = set()
        while pairs:  # a loop for the same reason as in _fold
            a, b = pairs.pop()
            if a is b or (id(a), id(b)) in met:
                continue
            if not (isinstance(a, Expression) and isinstance(b, Expression)):
                if isinstance(a, Expression) or isinstance(b, Expression) or a != b:
                    return False
            elif a._hash != b._hash or a.op != b.op or len(a.args) != len(b.args):
                return False
            else:
                met.add((id(a), id(b)))
                pairs.extend(zip(a.args, b.args, strict=True))
        return True

    def __hash__(self) -> int:
        return self._hash

    def __reduce__(self) -> tuple[Any, ...]:
        return Expression, (self.op, *self.args)  # made anew: hashes of strings differ between processes

    def __str__(self) -> str:
        def bracket(value: Any, least: int, behind_operator: bool = False) -> str:
            if not isinstance(value, tuple):
                value = (repr(value), 3 if repr(value).startswith("-") else 5)
            text, level = value
            return f"({text})" if level < least or (behind_operator and level == 3) else text

        def join(node: Expression, args: list[Any]) -> tuple[str, int]:
            if node.op == "neg":
                return f"-{bracket(args[0], 4)}", 3
            if node.op not in _PRECEDENCE:
                return f"{node.op}({bracket(args[0], 0)})", 5
            level = _PRECEDENCE[node.op]
            power = node.op == "**"  # groups from the right
            return bracket(args[0], level + power) + node.op + bracket(args[1], level + (node.op in "-/"), True), level

        return str(self._fold(lambda parameter: (parameter.name, 5), join)[0])

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

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """Itself."""
        return (self,)

    def _fold(self, leaf: Callable[[Parameter], Any], join: Callable[[Expression, list[Any]], Any]) -> Any:
        return leaf(self)

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Parameter) and self.name == other.name and self.role == other.role)

    def __reduce__(self) -> tuple[Any, ...]:
        return Parameter, (self.name, self.role)

    def __repr__(self) -> str:
        return f"Parameter({self.name!r})" if self.role == "weight" else f"Parameter({self.name!r}, {self.role!r})"


Angle = float | Expression
_Affine = tuple[float, dict[Parameter, float]]


def parameters(name: str, count: int, role: Role = "weight") -> tuple[Parameter, ...]:
    """``count`` parameters ``name[0]``, ``name[1]``, ..."""
    return tuple(Parameter(f"{name}[{i}]", role) for i in range(count))


def _angle(value: Any) -> Angle:
    """A number or expression as it is; anything else is refused."""
    if isinstance(value, Expression):
        return value
    if getattr(value, "requires_grad", False):
        raise ParameterError(
            "angle: a tensor that requires a gradient; use a Parameter and give the tensor as its value"
        )
    try:
        number = float(value) if not isinstance(value, str | bytes) else None
    except (TypeError, ValueError, OverflowError):
        number = None
    if number is None:
        raise ParameterError(f"angle {value!r}: a real number, a parameter or an expression is needed")
    if not math.isfinite(number):
        raise ParameterError(f"angle {number}: it must be finite")
    return number


def _look_up(parameter: Parameter, values: Mapping[Parameter, Any]) -> Any:
    try:
        return values[parameter]
    except KeyError:
        raise ParameterError(f"parameter '{parameter.name}' has no value") from None


def _compute(op: str, a: float, b: float) -> float:
    try:
        value = _BINARY[op](a, b)
    except (ZeroDivisionError, OverflowError) as error:
        raise ParameterError(f"{a}{op}{b}: {error}") from None
    if isinstance(value, complex):
        raise ParameterError(f"({a}){op}{b}: the result is not real")
    return float(value)


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


def _scaled(form: _Affine, factor: float) -> _Affine:
    return form[0] * factor, {parameter: coefficient * factor for parameter, coefficient in form[1].items()}

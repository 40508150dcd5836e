"""Circuits: instructions on qubits and classical bits, with weights and inputs kept apart.

>>> x, w = Parameter("x", "input"), Parameter("w")
>>> c = Circuit(2).h(0).rx(x, 0).cx(0, 1).ry(2 * w, 1)
>>> c.inputs, c.weights
((Parameter('x', 'input'),), (Parameter('w'),))
>>> d = c.bind({x: 0.2, w: 0.5})
>>> import numpy as np
>>> np.allclose(d.compose(d.inverse()).matrix(), np.eye(4))
True
>>> np.allclose(d.inverse().matrix(), d.matrix().conj().T)
True
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from html import escape
from operator import index
from typing import Any, TypeVar

import numpy as np

from bitket.errors import InvalidInput
from bitket.quantum.circuits.gates import KINDS, Gate, Matrix, gate, gate_known, unitary
from bitket.quantum.circuits.parameter import Angle, Expression, Parameter, ParameterError, _angle

__all__ = ["Circuit", "CircuitError", "Condition", "Instruction", "Operation"]


class CircuitError(InvalidInput):
    """A circuit that cannot be: a qubit out of range, a qubit used twice in one gate, a part that has no inverse."""


@dataclass(frozen=True)
class Operation:
    """Something in a circuit that is not a gate: ``"measure"``, ``"reset"`` or ``"barrier"``."""

    name: str

    @property
    def label(self) -> str:
        """The name."""
        return self.name


@dataclass(frozen=True)
class Condition:
    """An instruction acts only where ``clbits`` (first is least significant) hold ``value``."""

    clbits: tuple[int, ...]
    value: int


@dataclass(frozen=True)
class Instruction:
    """A gate or operation on qubits (and, for a measurement, one classical bit), possibly conditioned."""

    operation: Gate | Operation
    qubits: tuple[int, ...]
    clbits: tuple[int, ...] = ()
    condition: Condition | None = None

    @property
    def name(self) -> str:
        """Customary name of the operation (``cx``, ``measure``)."""
        return self.operation.label

    @property
    def gate(self) -> Gate | None:
        """The gate, or None for a measurement, reset or barrier."""
        return self.operation if isinstance(self.operation, Gate) else None


Row = tuple[Any, ...] | Instruction
"""How a circuit keeps an instruction: ``("cry", control, target, angle)``, a standard name with its qubits and angles; ``(gate, *qubits)``;
or, for a measurement, reset, barrier or condition, as it is."""


Kept = TypeVar("Kept")


class Circuit:
    """A quantum circuit.

    Methods that add a gate return the circuit itself, so calls chain. Qubit 0 is the least significant bit.
    Instructions are only ever added; what changes them makes a new circuit.

    Parameters
    ----------
    num_qubits, num_clbits
        Sizes. Measuring into a classical bit that is not there is an error.
    name
        Shown in drawings and files.
    """

    def __init__(self, num_qubits: int, num_clbits: int = 0, name: str = "circuit") -> None:
        try:
            self.num_qubits, self.num_clbits = index(num_qubits), index(num_clbits)
        except TypeError:
            self.num_qubits = self.num_clbits = -1
        if self.num_qubits < 1 or self.num_clbits < 0:
            raise CircuitError(
                f"circuit of {num_qubits!r} qubits and {num_clbits!r} classical bits: whole numbers, "
                "at least 1 and 0, are needed"
            )
        self.name = name
        self._rows: list[Row] = []
        self._views: list[Instruction] = []  # the first rows as instructions, as far as someone has asked
        self._others = 0  # rows that are measurements, resets or conditioned
        self._parameters: dict[Parameter, None] = {}
        self._names: dict[str, Parameter] = {}
        self._derived: dict[type[Any], Any] = {}
        self._derived_from = 0

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_derived": {}, "_views": []}

    def _kept(self, kind: type[Kept]) -> Kept:
        """What a simulator derives from the structure: one object of a type of its own, made anew after every change."""
        if self._derived_from != len(self._rows):  # rows are only ever added, so their number tells
            self._derived, self._derived_from = {}, len(self._rows)
        found = self._derived.get(kind)
        if found is None:
            found = self._derived[kind] = kind()
        return found

    @property
    def _instructions(self) -> list[Instruction]:
        views = self._views
        if len(views) < len(self._rows):
            views.extend([_instruction(row) for row in self._rows[len(views) :]])
        return views

    # -- reading ----------------------------------------------------------------------------------------------------
    @property
    def instructions(self) -> Sequence[Instruction]:
        """All instructions in order of time."""
        return tuple(self._instructions)

    def __iter__(self) -> Iterator[Instruction]:
        return iter(self._instructions)

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def weights(self) -> tuple[Parameter, ...]:
        """Trained parameters, in the order of `parameters`."""
        return tuple(p for p in self._parameters if p.role == "weight")

    @property
    def inputs(self) -> tuple[Parameter, ...]:
        """Data parameters, in the order of `parameters`."""
        return tuple(p for p in self._parameters if p.role == "input")

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """All parameters: those declared, then the others in order of first appearance."""
        return tuple(self._parameters)

    def count_ops(self) -> dict[str, int]:
        """How often each operation occurs, most frequent first."""
        return dict(Counter(i.name for i in self._instructions).most_common())

    def depth(self, *, two_qubit_only: bool = False) -> int:
        """Length of the longest path; barriers order, but do not count.

        ``two_qubit_only`` counts only gates on two or more qubits.
        """
        level = [0] * (self.num_qubits + self.num_clbits)
        for i in self._instructions:
            wires = [*i.qubits, *(self.num_qubits + c for c in i.clbits)]
            if i.condition:
                wires += [self.num_qubits + c for c in i.condition.clbits]
            if not wires:
                continue
            counts = i.name != "barrier" and (not two_qubit_only or len(i.qubits) > 1)
            top = max(level[w] for w in wires) + counts
            for w in wires:
                level[w] = top
        return max(level)

    @property
    def is_unitary(self) -> bool:
        """Whether the circuit has only gates and barriers, none conditioned."""
        return not self._others

    def matrix(self) -> Matrix:
        """Dense unitary ``[2^n, 2^n]`` by direct products (small circuits; the plain oracle of the simulators).

        Raises
        ------
        CircuitError
            The circuit has measurements, resets or conditions, or more than 12 qubits.
        GateError
            The circuit has parameters without values.
        """
        if self.num_qubits > 12:
            raise CircuitError(
                f"dense matrix of {self.num_qubits} qubits: at most 12; use bitket.quantum.simulation instead"
            )
        if not self.is_unitary:
            raise CircuitError("dense matrix: the circuit has a measurement, reset or condition")
        n = self.num_qubits
        out = np.eye(1 << n, dtype=complex).reshape((2,) * n + (1 << n,))
        for i in self._instructions:
            if i.gate is None:
                continue
            k = len(i.qubits)
            axes = [n - 1 - q for q in reversed(i.qubits)]  # axis 0 of the tensor is the most significant qubit
            tensor = i.gate.matrix().reshape((2,) * (2 * k))
            out = np.moveaxis(np.tensordot(tensor, out, axes=(range(k, 2 * k), axes)), range(k), axes)
        return np.ascontiguousarray(out.reshape(1 << n, 1 << n))

    # -- adding -----------------------------------------------------------------------------------------------------
    def append(
        self,
        operation: Gate | Operation,
        qubits: Iterable[int],
        clbits: Iterable[int] = (),
        condition: Condition | None = None,
    ) -> Circuit:
        """Add an operation.

        Raises
        ------
        CircuitError
            A bit is out of range or used twice, or their number does not fit the gate.
        ParameterError
            A parameter has the name of another one of the circuit but a different role.
        """
        if type(operation) is Gate and condition is None and type(clbits) is tuple and not clbits:
            with suppress(TypeError):
                qubits = tuple(qubits)
                if len({*qubits}) == len(qubits) == operation.num_qubits and all(
                    type(q) is int and 0 <= q < self.num_qubits for q in qubits
                ):
                    return self._push(operation, qubits)
        if not isinstance(operation, Gate) and getattr(operation, "name", None) not in ("measure", "reset", "barrier"):
            raise CircuitError(
                f"append {operation!r}: a gate, measurement, reset or barrier is needed; join circuits by compose"
            )
        label = operation.label
        qubits, clbits = _whole(label, "qubits", qubits), _whole(label, "classical bits", clbits)
        for kind, bits, size in (("qubit", qubits, self.num_qubits), ("classical bit", clbits, self.num_clbits)):
            for b in bits:
                if not 0 <= b < size:
                    raise CircuitError(f"{label}: {kind} {b} is out of range, the circuit has {kind}s 0 to {size - 1}")
            if len(set(bits)) != len(bits):
                raise CircuitError(f"{label}: {kind}s {bits} are not distinct")
        if condition is not None:
            bits = condition.clbits
            if not bits or len(set(bits)) != len(bits) or any(not 0 <= c < self.num_clbits for c in bits):
                raise CircuitError(
                    f"{label}: condition on classical bits {bits}: distinct bits from 0 to {self.num_clbits - 1} are needed"
                )
            if not 0 <= condition.value < 1 << len(condition.clbits):
                raise CircuitError(
                    f"{label}: condition value {condition.value} does not fit {len(condition.clbits)} bits"
                )
        if isinstance(operation, Gate):
            if operation.num_qubits != len(qubits):
                raise CircuitError(f"{label} acts on {operation.num_qubits} qubits, {len(qubits)} were given")
            if operation.params:
                self.declare(*operation.parameters)
        elif operation.name == "measure" and (len(qubits) != 1 or len(clbits) != 1):
            raise CircuitError("measure takes one qubit and one classical bit")
        self._rows.append(Instruction(operation, qubits, clbits, condition))
        self._others += condition is not None or (
            operation.label in ("measure", "reset") and not isinstance(operation, Gate)
        )
        return self

    def _push(self, operation: Gate, qubits: tuple[int, ...]) -> Circuit:
        """Adds a gate on qubits (whole numbers) that are known to be right."""
        if operation.params:
            found = operation.parameters
            if found:
                self.declare(*found)
        self._rows.append((operation, *qubits))
        return self

    def declare(self, *parameters: Parameter) -> Circuit:
        """Fix the place of parameters in `parameters`, `weights` and `inputs` before gates use them, or though none does.

        Raises
        ------
        ParameterError
            A parameter has the name of another one of the circuit but a different role.
        """
        for p in parameters:
            if self._names.setdefault(p.name, p) != p:
                raise ParameterError(f"parameter '{p.name}' is both a weight and an input of the circuit")
            self._parameters[p] = None
        self._derived = {}
        return self

    # What is plain goes straight to the rows; anything else takes the way through `append`, which says what is wrong.
    def _one(self, name: str, qubit: int) -> Circuit:
        if type(qubit) is int and 0 <= qubit < self.num_qubits:
            self._rows.append((name, qubit))
            return self
        return self.append(gate(name), (qubit,))

    def _two(self, name: str, a: int, b: int) -> Circuit:
        if type(a) is int and type(b) is int and a != b and 0 <= a < self.num_qubits and 0 <= b < self.num_qubits:
            self._rows.append((name, a, b))
            return self
        return self.append(gate(name), (a, b))

    def _turn(self, name: str, angle: Angle, qubit: int) -> Circuit:
        if type(qubit) is int and 0 <= qubit < self.num_qubits:
            if type(angle) is float and angle - angle == 0.0:
                self._rows.append((name, qubit, angle))
                return self
            if type(angle) is Parameter:
                if angle not in self._parameters:
                    self.declare(angle)
                self._rows.append((name, qubit, angle))
                return self
        return self.append(gate(name, angle), (qubit,))

    def _turn_two(self, name: str, angle: Angle, a: int, b: int) -> Circuit:
        if (
            type(a) is int
            and type(b) is int
            and type(angle) is float
            and angle - angle == 0.0
            and a != b
            and 0 <= a < self.num_qubits
            and 0 <= b < self.num_qubits
        ):
            self._rows.append((name, a, b, angle))
            return self
        return self.append(gate(name, angle), (a, b))

    def id(self, qubit: int) -> Circuit:
        """Identity (noise models may attach to it)."""
        return self._one("id", qubit)

    def x(self, qubit: int) -> Circuit:
        """Pauli X."""
        return self._one("x", qubit)

    def y(self, qubit: int) -> Circuit:
        """Pauli Y."""
        return self._one("y", qubit)

    def z(self, qubit: int) -> Circuit:
        """Pauli Z."""
        return self._one("z", qubit)

    def h(self, qubit: int) -> Circuit:
        """Hadamard."""
        return self._one("h", qubit)

    def s(self, qubit: int) -> Circuit:
        """Phase pi/2."""
        return self._one("s", qubit)

    def sdg(self, qubit: int) -> Circuit:
        """Phase -pi/2."""
        return self._one("sdg", qubit)

    def t(self, qubit: int) -> Circuit:
        """Phase pi/4."""
        return self._one("t", qubit)

    def tdg(self, qubit: int) -> Circuit:
        """Phase -pi/4."""
        return self._one("tdg", qubit)

    def sx(self, qubit: int) -> Circuit:
        """Square root of X."""
        return self._one("sx", qubit)

    def sxdg(self, qubit: int) -> Circuit:
        """Inverse square root of X."""
        return self._one("sxdg", qubit)

    def p(self, angle: Angle, qubit: int) -> Circuit:
        """Phase: diag(1, exp(i angle))."""
        return self._turn("p", angle, qubit)

    def rx(self, angle: Angle, qubit: int) -> Circuit:
        """exp(-i angle/2 X)."""
        return self._turn("rx", angle, qubit)

    def ry(self, angle: Angle, qubit: int) -> Circuit:
        """exp(-i angle/2 Y)."""
        return self._turn("ry", angle, qubit)

    def rz(self, angle: Angle, qubit: int) -> Circuit:
        """exp(-i angle/2 Z)."""
        return self._turn("rz", angle, qubit)

    def u(self, theta: Angle, phi: Angle, lam: Angle, qubit: int) -> Circuit:
        """P(phi) RY(theta) P(lam)."""
        return self.append(gate("u", theta, phi, lam), (qubit,))

    def cx(self, control: int, target: int) -> Circuit:
        """Controlled X."""
        return self._two("cx", control, target)

    def cy(self, control: int, target: int) -> Circuit:
        """Controlled Y."""
        return self._two("cy", control, target)

    def cz(self, control: int, target: int) -> Circuit:
        """Controlled Z."""
        return self._two("cz", control, target)

    def ch(self, control: int, target: int) -> Circuit:
        """Controlled Hadamard."""
        return self._two("ch", control, target)

    def cp(self, angle: Angle, control: int, target: int) -> Circuit:
        """Controlled phase."""
        return self._turn_two("cp", angle, control, target)

    def crx(self, angle: Angle, control: int, target: int) -> Circuit:
        """Controlled RX."""
        return self._turn_two("crx", angle, control, target)

    def cry(self, angle: Angle, control: int, target: int) -> Circuit:
        """Controlled RY."""
        return self._turn_two("cry", angle, control, target)

    def crz(self, angle: Angle, control: int, target: int) -> Circuit:
        """Controlled RZ."""
        return self._turn_two("crz", angle, control, target)

    def swap(self, a: int, b: int) -> Circuit:
        """Swap."""
        return self._two("swap", a, b)

    def iswap(self, a: int, b: int) -> Circuit:
        """Swap with phase i on the swapped states."""
        return self._two("iswap", a, b)

    def rxx(self, angle: Angle, a: int, b: int) -> Circuit:
        """exp(-i angle/2 XX)."""
        return self._turn_two("rxx", angle, a, b)

    def ryy(self, angle: Angle, a: int, b: int) -> Circuit:
        """exp(-i angle/2 YY)."""
        return self._turn_two("ryy", angle, a, b)

    def rzz(self, angle: Angle, a: int, b: int) -> Circuit:
        """exp(-i angle/2 ZZ)."""
        return self._turn_two("rzz", angle, a, b)

    def ccx(self, control0: int, control1: int, target: int) -> Circuit:
        """Toffoli."""
        return self.append(gate("ccx"), (control0, control1, target))

    def ccz(self, a: int, b: int, c: int) -> Circuit:
        """Doubly controlled Z."""
        return self.append(gate("ccz"), (a, b, c))

    def cswap(self, control: int, a: int, b: int) -> Circuit:
        """Fredkin."""
        return self.append(gate("cswap"), (control, a, b))

    def mcx(self, controls: Sequence[int], target: int) -> Circuit:
        """X with any number of controls."""
        return self.append(gate("x").control(len(controls)), [*controls, target])

    def mcp(self, angle: Angle, controls: Sequence[int], target: int) -> Circuit:
        """Phase with any number of controls."""
        return self.append(gate("p", angle).control(len(controls)), [*controls, target])

    def unitary(self, matrix: Any, qubits: Sequence[int], tag: str = "") -> Circuit:
        """A gate given by its matrix (little-endian in ``qubits``)."""
        return self.append(unitary(matrix, tag), qubits)

    def global_phase(self, angle: Angle) -> Circuit:
        """exp(i angle) on everything."""
        return self.append(gate("gphase", angle), ())

    def barrier(self, *qubits: int) -> Circuit:
        """A barrier on the given qubits, or on all: it orders drawings and depth, and simulators ignore it."""
        return self.append(Operation("barrier"), qubits or range(self.num_qubits))

    def reset(self, qubit: int) -> Circuit:
        """Set a qubit to |0>."""
        return self.append(Operation("reset"), (qubit,))

    def measure(self, qubit: int, clbit: int) -> Circuit:
        """Measure in the computational basis."""
        return self.append(Operation("measure"), (qubit,), (clbit,))

    def measure_all(self) -> Circuit:
        """Measure qubit i into classical bit i, adding classical bits where there are too few."""
        self.num_clbits = max(self.num_clbits, self.num_qubits)
        for q in range(self.num_qubits):
            self.measure(q, q)
        return self

    # -- deriving ---------------------------------------------------------------------------------------------------
    def copy(self) -> Circuit:
        """An independent copy."""
        return self._derive(self._rows)

    def _derive(self, rows: Iterable[Row], num_qubits: int | None = None) -> Circuit:
        """A circuit of rows known to be right, with the parameters of this one in their order."""
        out = Circuit(num_qubits or self.num_qubits, self.num_clbits, self.name)
        out._extend(rows)
        out._parameters, out._names = dict(self._parameters), dict(self._names)
        return out

    def _extend(self, rows: Iterable[Row]) -> None:
        start = len(self._rows)
        self._rows.extend(rows)
        self._others += sum(
            i.condition is not None or (i.gate is None and i.name != "barrier")
            for i in self._rows[start:]
            if type(i) is Instruction
        )

    def compose(
        self, other: Circuit, qubits: Sequence[int] | None = None, clbits: Sequence[int] | None = None
    ) -> Circuit:
        """A new circuit: this one, then ``other`` on the given qubits and classical bits (by default the first ones).

        Classical bits that this circuit lacks are added.

        Raises
        ------
        CircuitError
            The bits are not as many as the other circuit has, not distinct, or out of range.
        ParameterError
            A name is a weight in one circuit and an input in the other.
        """
        qubits = _whole("compose", "qubits", range(other.num_qubits) if qubits is None else qubits)
        clbits = _whole("compose", "classical bits", range(other.num_clbits) if clbits is None else clbits)
        if len(qubits) != other.num_qubits or len(clbits) != other.num_clbits:
            raise CircuitError(
                f"compose: {other.num_qubits} qubits and {other.num_clbits} classical bits are needed, "
                f"{len(qubits)} and {len(clbits)} were given"
            )
        if len({*qubits}) < len(qubits) or not all(0 <= q < self.num_qubits for q in qubits):
            raise CircuitError(f"compose: qubits {qubits}: distinct qubits from 0 to {self.num_qubits - 1} are needed")
        if len({*clbits}) < len(clbits) or min(clbits, default=0) < 0:
            raise CircuitError(f"compose: classical bits {clbits}: distinct bits from 0 are needed")
        out = self.copy().declare(*other._parameters)
        out.num_clbits = max([out.num_clbits, *(c + 1 for c in clbits)])
        if qubits == tuple(range(len(qubits))) and clbits == tuple(range(len(clbits))):
            out._extend(other._rows)
            return out
        out._extend(_moved(row, qubits, clbits) for row in other._rows)
        return out

    def remap(self, qubits: Sequence[int], num_qubits: int | None = None) -> Circuit:
        """The circuit with qubit i moved to ``qubits[i]``, on ``num_qubits`` qubits (by default as many as it has)."""
        empty = Circuit(num_qubits or self.num_qubits, self.num_clbits, self.name)
        return empty.compose(self, qubits)

    def remove_barriers(self) -> Circuit:
        """The circuit without its barriers."""
        return self._derive(i for i in self._instructions if i.name != "barrier")

    def inverse(self) -> Circuit:
        """The inverse circuit.

        Raises
        ------
        CircuitError
            The circuit has a measurement, reset or condition.
        """
        if not self.is_unitary:
            raise CircuitError("inverse: the circuit has a measurement, reset or condition")
        return self._derive(
            Instruction(i.gate.inverse(), i.qubits) if i.gate is not None else i for i in reversed(self._instructions)
        )

    def control(self, count: int = 1, state: int = -1) -> Circuit:
        """The circuit controlled by ``count`` new qubits, which come first (qubits 0 to count - 1)."""
        if not self.is_unitary:
            raise CircuitError("control: the circuit has a measurement, reset or condition")
        controls = tuple(range(count))
        moved = []
        for i in self._instructions:
            qubits = tuple(q + count for q in i.qubits)
            if i.gate is None:
                moved.append(Instruction(i.operation, qubits))
            else:
                moved.append(Instruction(i.gate.control(count, state), controls + qubits))
        return self._derive(moved, self.num_qubits + count)

    def repeat(self, times: int) -> Circuit:
        """The circuit ``times`` times in a row; a negative number repeats the inverse."""
        source = self if times >= 0 else self.inverse()
        return self._derive(source._rows * abs(times))

    def bind(self, values: Mapping[Parameter | str, Angle] | Sequence[float]) -> Circuit:
        """The circuit with parameters replaced.

        Parameters
        ----------
        values
            A mapping from parameters or their names to numbers or expressions, or one number for each of `parameters`.

        Raises
        ------
        ParameterError
            A name is not in the circuit, or the number of values is wrong, or a value is not finite.
        """
        if not isinstance(values, Mapping):
            values = list(values)
            if len(values) != len(self._parameters):
                raise ParameterError(
                    f"bind: the circuit has {len(self._parameters)} parameters, {len(values)} values were given"
                )
            values = dict(zip(self._parameters, values, strict=True))
        resolved: dict[Parameter, Angle] = {}
        for key, value in values.items():
            parameter = self._names.get(key) if isinstance(key, str) else key
            if parameter not in self._parameters:
                raise ParameterError(f"bind: the circuit has no parameter '{getattr(key, 'name', key)}'")
            resolved[parameter] = _angle(value)
        out = Circuit(self.num_qubits, self.num_clbits, self.name)
        for p in self._parameters:
            value = resolved.get(p, p)
            if isinstance(value, Expression):
                out.declare(*value.parameters)
        out._extend(_bound(row, resolved) for row in self._rows)
        return out

    # -- showing ----------------------------------------------------------------------------------------------------
    def draw(self, style: str = "text", **options: Any) -> Any:
        """The circuit as text (``"text"``) or as a matplotlib figure (``"figure"``).

        See `bitket.quantum.circuits.drawing.draw_text` and `draw_figure` for the options.

        Raises
        ------
        CircuitError
            Another style.
        """
        from bitket.quantum.circuits.drawing import draw_figure, draw_text

        if style not in ("text", "figure"):
            raise CircuitError(f"draw: style '{style}': 'text' or 'figure' is needed")
        return draw_text(self, **options) if style == "text" else draw_figure(self, **options)

    def __str__(self) -> str:
        return str(self.draw()) if len(self) <= 300 else repr(self)  # a longer drawing would only flood a terminal

    def _repr_html_(self) -> str:
        style = "font-family: monospace; line-height: 1.15; white-space: pre; overflow-x: auto"
        return f'<pre style="{style}">{escape(self.draw(width=0))}</pre>'

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Circuit)
            and (self.num_qubits, self.num_clbits) == (other.num_qubits, other.num_clbits)
            and self._instructions == other._instructions
        )

    __hash__ = None  # type: ignore[assignment]  # a circuit can change

    def __repr__(self) -> str:
        return (
            f"<Circuit {self.name}: {self.num_qubits} qubits, {len(self)} instructions, "
            f"{len(self._parameters)} parameters>"
        )


def _instruction(row: Row) -> Instruction:
    if isinstance(row, Instruction):
        return row
    name = row[0]
    if isinstance(name, Gate):
        return Instruction(name, row[1:])
    end = 1 + KINDS[name].num_qubits
    return Instruction(gate_known(name, row[end:]), row[1:end])


def _moved(row: Row, qubits: tuple[int, ...], clbits: tuple[int, ...]) -> Row:
    """A row on other qubits and classical bits."""
    if isinstance(row, Instruction):
        condition = row.condition and Condition(tuple(clbits[c] for c in row.condition.clbits), row.condition.value)
        return Instruction(
            row.operation, tuple(qubits[q] for q in row.qubits), tuple(clbits[c] for c in row.clbits), condition
        )
    end = len(row) if isinstance(row[0], Gate) else 1 + KINDS[row[0]].num_qubits
    return (row[0], *(qubits[q] for q in row[1:end]), *row[end:])


def _bound(row: Row, values: Mapping[Parameter, Angle]) -> Row:
    """A row with parameters replaced."""
    if isinstance(row, Instruction):
        gate = row.gate
        return row if gate is None else Instruction(gate.bind(values), row.qubits, row.clbits, row.condition)
    if isinstance(row[0], Gate):
        return (row[0].bind(values), *row[1:])
    return tuple([_angle(v.substitute(values)) if isinstance(v, Expression) else v for v in row])


def _whole(label: str, kind: str, bits: Iterable[int]) -> tuple[int, ...]:
    try:
        return tuple(map(index, bits))
    except TypeError:
        raise CircuitError(f"{label}: {kind} {bits!r}: a list of whole numbers is needed") from None

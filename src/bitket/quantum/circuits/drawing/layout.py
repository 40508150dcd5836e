"""Where the parts of a drawing go: each instruction in the first column in which all wires that it crosses are free."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from bitket.quantum.circuits.gates import NAMES, Gate
from bitket.quantum.circuits.parameter import Angle, Expression

__all__ = ["Drawable", "Layout", "Part", "angle_text", "lay_out", "number_text"]


class Asked(Protocol):
    """A condition: classical bits, first least significant, and the value they must hold."""

    @property
    def clbits(self) -> tuple[int, ...]:
        """The bits."""

    @property
    def value(self) -> int:
        """The value."""


class Step(Protocol):
    """What a drawing reads of an instruction."""

    @property
    def name(self) -> str:
        """The customary name."""

    @property
    def gate(self) -> Gate | None:
        """The gate, if it is one."""

    @property
    def qubits(self) -> tuple[int, ...]:
        """Its qubits."""

    @property
    def clbits(self) -> tuple[int, ...]:
        """The classical bit measured into."""

    @property
    def condition(self) -> Asked | None:
        """The condition it stands under."""


class Drawable(Protocol):
    """What a drawing reads of a circuit, which itself knows the drawings."""

    num_qubits: int
    num_clbits: int

    def __iter__(self) -> Iterator[Any]:
        """Instructions (`Step`) in order of time."""


@dataclass(frozen=True)
class Part:
    """One instruction in a drawing.

    Attributes
    ----------
    column
        Its column in time.
    kind
        ``"box"``, ``"flip"`` (X under controls), ``"dots"`` (Z under controls), ``"swap"``, ``"measure"``, ``"reset"`` or
        ``"barrier"``.
    name, angles
        What stands in a box: the gate's name, and its angles as they are.
    targets
        Qubits of the box or symbol, in the gate's order.
    controls
        ``(qubit, bit)`` of each control.
    clbit
        The classical bit measured into.
    condition
        The condition it stands under.
    """

    column: int
    kind: str
    name: str
    angles: tuple[Angle, ...]
    targets: tuple[int, ...]
    controls: tuple[tuple[int, int], ...] = ()
    clbit: int | None = None
    condition: Asked | None = None

    @property
    def qubits(self) -> tuple[int, ...]:
        """All qubits, controls first."""
        return tuple(q for q, _ in self.controls) + self.targets

    @property
    def is_classical(self) -> bool:
        """Whether a line goes down to the classical wire."""
        return self.clbit is not None or self.condition is not None


@dataclass(frozen=True)
class Layout:
    """The parts in order of time, the number of columns, and the global phases, which have no place on a wire."""

    parts: tuple[Part, ...]
    columns: int
    phases: tuple[Angle, ...]


def lay_out(circuit: Drawable) -> Layout:
    """The layout of a circuit."""
    free = [0] * (circuit.num_qubits + 1)  # the last is the classical wire
    parts: list[Part] = []
    phases: list[Angle] = []
    for i in circuit:
        if i.gate is not None and i.gate.name == "gphase" and not i.qubits and i.condition is None:
            phases.append(i.gate.params[0])
            continue
        part = _part(i)
        if part.kind == "barrier":
            wires = list(part.targets)
        else:
            wires = list(range(min(part.qubits), max(part.qubits) + 1))
            if part.is_classical:
                wires = list(range(wires[0], circuit.num_qubits + 1))
        column = max(free[w] for w in wires)
        for w in wires:
            free[w] = column + 1
        parts.append(Part(column, *(getattr(part, f) for f in list(Part.__dataclass_fields__)[1:])))
    return Layout(tuple(parts), max(free), tuple(phases))


def _part(i: Step) -> Part:
    if i.gate is None:
        return Part(0, i.name, i.name, (), i.qubits, clbit=i.clbits[0] if i.clbits else None, condition=i.condition)
    g = i.gate
    controls = tuple((q, g.control_state >> k & 1) for k, q in enumerate(i.qubits[: g.controls]))
    targets = i.qubits[g.controls :]
    name = g.tag or g.name
    if g.name == "gphase":  # under controls it turns the phase of the last, without controls it may stand anywhere
        mark = "" if not controls else "● " if controls[-1][1] else "○ "
        targets, controls = (controls[-1][0],) if controls else (0,), controls[:-1]
        return Part(0, "box", f"{mark}phase", g.params, targets, controls, condition=i.condition)
    if controls and g.name in ("x", "z"):
        return Part(0, "flip" if g.name == "x" else "dots", "", (), targets, controls, condition=i.condition)
    if g.name == "swap":
        return Part(0, "swap", "", (), targets, controls, condition=i.condition)
    if g.name == "cu":
        targets, controls, name = i.qubits[-1:], (*controls, (i.qubits[-2], 1)), "u"
    return Part(0, "box", _title(name), g.params, targets, controls, condition=i.condition)


_TITLES = {"sdg": "S†", "tdg": "T†", "sx": "√X", "sxdg": "√X†", "id": "I", "iswapdg": "iSWAP†", "iswap": "iSWAP"} | {
    "dcxdg": "DCX†",
    "xx_plus_yy": "XX+YY",
    "xx_minus_yy": "XX-YY",
    "unitary": "U",
}


def _title(name: str) -> str:
    return _TITLES.get(name, name.upper() if name in NAMES else name)


def number_text(value: float) -> str:
    """A number, as a fraction of pi where it is one."""
    if value == 0:
        return "0"
    for denominator in (1, 2, 3, 4, 6, 8, 16):
        times = value / math.pi * denominator
        if abs(times - round(times)) < 1e-9 and 0 < abs(round(times)) < 64:
            top = {1: "π", -1: "-π"}.get(round(times), f"{round(times)}π")
            return top if denominator == 1 else f"{top}/{denominator}"
    return f"{value:.4g}"


def angle_text(angle: Angle) -> str:
    """An angle in short: numbers to four digits or as fractions of pi, names as they are."""
    if not isinstance(angle, Expression):
        return number_text(angle)
    return (
        re.sub(r"(?<![\w.\[])\d+\.\d+(e[+-]?\d+)?", lambda m: number_text(float(m[0])), str(angle))
        .replace("**", "^")
        .replace("*", "·")
    )

"""What a ZX diagram holds, and its exact scalar; `diagram` says what can be done with it.

    Z(α) = |0…0⟩⟨0…0| + e^{iα} |1…1⟩⟨1…1|,   X(α) = |+…+⟩⟨+…+| + e^{iα} |−…−⟩⟨−…−|,   a Hadamard edge = H

(Coecke and Duncan, arXiv:0906.4725). An X spider is a Z spider with H on every leg, so that a diagram is a sum over one bit a spider,

    c √2^p e^{iβ} Σ_x Π_v e^{i α_v x_v} Π_{uv equal} [x_u = x_v] Π_{uv sign} (-1)^{x_u x_v},   c = Π_j (1 + e^{i γ_j}),

which is what is stored: edges that equate and edges that give a sign, whatever the colours, and signs without the 1/√2 of H. Two
equal edges then are one, and two sign edges none: parallel edges and loops vanish as they are added (the Hopf law). Phases are
whole multiples of π/u for a u of the diagram, or floats. Memory grows with spiders and edges.

>>> g = Graph()
>>> a, b = g.add_input(), g.add_output()
>>> z, x = g.add_spider("Z"), g.add_spider("X", Fraction(1, 2))
>>> g.add_edge(a, z); g.add_edge(x, b); g.add_edge(z, x); g.add_edge(z, x)  # two parallel edges between the colours ...
>>> g.edges(), g.scalar                                                     # ... are none, at a factor of 1/2
([(0, 2, False), (3, 1, False)], Scalar(power=-2, phase=Fraction(0, 1), factors=()))
"""

from __future__ import annotations

import cmath
import math
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Self

from bitket.errors import InvalidInput

__all__ = ["Graph", "Phase", "Scalar", "ZXError", "rational"]

Phase = Fraction | float  # in multiples of π
_TOLERANCE = 1e-12  # multiples of π closer than this are the same


class ZXError(InvalidInput):
    """A diagram that cannot be, a rule that does not apply, or a diagram that is no circuit."""


def rational(phase: float | Fraction) -> Phase:
    """A multiple of π as a fraction, if it is one to 1e-12: with a denominator of at most 1000, or 2^k up to 2^20."""
    if not isinstance(phase, float | int | Fraction) or not math.isfinite(phase):
        raise ZXError(f"phase {phase!r}: a finite number of half turns is needed")
    if not isinstance(phase, float):
        return Fraction(phase)
    for near in (Fraction(round(phase * (1 << 20)), 1 << 20), Fraction(phase).limit_denominator(1000)):
        if abs(float(near) - phase) <= _TOLERANCE:
            return near
    return phase


@dataclass(frozen=True)
class Scalar:
    """The number ``√2^power · exp(iπ phase) · Π (1 + exp(iπ f))`` over ``factors``; phases in multiples of π."""

    power: int = 0
    phase: Phase = Fraction(0)
    factors: tuple[Phase, ...] = ()

    def __complex__(self) -> complex:
        value = math.sqrt(2) ** self.power * cmath.exp(1j * math.pi * self.phase)
        for f in self.factors:
            value *= 0 if f == 1 else 1 + cmath.exp(1j * math.pi * f)
        return complex(value)


class Graph:
    """Spiders joined by plain and Hadamard edges, with inputs, outputs and an exact scalar.

    Inputs, outputs and spiders are whole numbers, given by the methods that add them. Inputs and outputs have one edge.

    Attributes
    ----------
    inputs, outputs
        The ends of the diagram; the i-th is qubit i.
    """

    def __init__(self) -> None:
        self.inputs: list[int] = []
        self.outputs: list[int] = []
        self._next = 0
        self._unit = 4  # phases are multiples of π / _unit; divisible by 4, so that Clifford phases are whole
        self._phase: dict[int, int | float] = {}
        self._equal: dict[int, set[int]] = {}
        self._sign: dict[int, set[int]] = {}
        self._red: set[int] = set()  # the X spiders
        self._legs: dict[int, set[int]] = {}  # inputs and outputs at a spider
        self._end: dict[int, tuple[int, bool]] = {}  # what an input or output ends at, and whether through H
        self._power = 0  # of √2, beside signs without 1/√2
        self._angle: int | float = 0
        self._factors: list[int | float] = []

    # -- building ---------------------------------------------------------------------------------------------------
    def add_input(self) -> int:
        """A new last input."""
        self.inputs.append(self._new())
        return self.inputs[-1]

    def add_output(self) -> int:
        """A new last output."""
        self.outputs.append(self._new())
        return self.outputs[-1]

    def add_spider(self, kind: str = "Z", phase: Phase = 0) -> int:
        """A new spider of colour ``"Z"`` or ``"X"`` without edges; the phase in multiples of π."""
        if kind not in ("Z", "X"):
            raise ZXError(f"spider of kind {kind!r}: 'Z' or 'X' is needed")
        v = self._add(self._units(rational(phase)))
        if kind == "X":
            self._red.add(v)
        return v

    def add_edge(self, u: int, v: int, hadamard: bool = False) -> None:
        """Join two spiders or ends; what parallel edges and loops come to is done at once.

        Raises
        ------
        ZXError
            A vertex is not there, or is an input or output that has its edge.
        """
        for w in (u, v):
            if w in self._end or (u == v and w not in self._phase):
                raise ZXError(f"edge {u} to {v}: {w} is an input or output and has one edge only")
            if w not in self._phase and w not in self.inputs and w not in self.outputs:
                raise ZXError(f"edge {u} to {v}: there is no vertex {w}")
        sign = hadamard ^ (u in self._red) ^ (v in self._red)
        if u not in self._phase or v not in self._phase:
            self._attach(u, v, sign)
            return
        if u == v:
            if sign:
                self._turn(u, self._unit)
        elif sign:
            self._sign[u] ^= {v}
            self._sign[v] ^= {u}
        else:
            self._equal[u].add(v)
            self._equal[v].add(u)
        self._power -= sign

    def multiply(self, power: int = 0, phase: Phase = 0, factors: Iterable[Phase] = ()) -> None:
        """Multiply the diagram by ``√2^power · exp(iπ phase) · Π (1 + exp(iπ f))``."""
        self._power += power
        self._angle = self._mod(self._units(rational(phase)) + self._angle)
        for f in factors:
            self._one_plus(self._units(rational(f)))

    def copy(self) -> Self:
        """A diagram of its own, with the same numbers."""
        new = type(self).__new__(type(self))
        new.__dict__.update(self.__dict__)
        for name in ("inputs", "outputs", "_phase", "_end", "_red", "_factors"):
            setattr(new, name, getattr(self, name).copy())
        for name in ("_equal", "_sign", "_legs"):
            setattr(new, name, {v: s.copy() for v, s in getattr(self, name).items()})
        return new

    # -- reading ----------------------------------------------------------------------------------------------------
    def spiders(self) -> list[int]:
        """All spiders."""
        return list(self._phase)

    def kind(self, v: int) -> str:
        """The colour of a spider, ``"Z"`` or ``"X"``."""
        self._need(v)
        return "X" if v in self._red else "Z"

    def phase(self, v: int) -> Phase:
        """The phase of a spider in multiples of π, from 0 up to 2."""
        self._need(v)
        return self._public(self._phase[v])

    def edges(self) -> list[tuple[int, int, bool]]:
        """All edges ``(u, v, hadamard)``: those of inputs and outputs, with the input first and the output last; the others."""
        found = []
        for b, (v, sign) in self._end.items():
            if v not in self._end or b < v:  # a wire between two ends is met twice
                found.append((*((v, b) if b in self.outputs else (b, v)), sign ^ (v in self._red)))
        for kind, table in ((False, self._equal), (True, self._sign)):
            for u, around in table.items():
                found += [(u, v, kind ^ (u in self._red) ^ (v in self._red)) for v in sorted(around) if u < v]
        return found

    @property
    def scalar(self) -> Scalar:
        """The factor in front of the diagram, beside which Hadamard edges are H itself."""
        signs = sum(map(len, self._sign.values())) // 2
        return Scalar(self._power + signs, self._public(self._angle), tuple(map(self._public, self._factors)))

    @property
    def t_count(self) -> int:
        """Spiders whose phase is no multiple of π/2."""
        half = self._unit // 2
        return sum(1 for p in self._phase.values() if p % half)

    def __repr__(self) -> str:
        edges = (sum(map(len, self._equal.values())) + sum(map(len, self._sign.values()))) // 2 + len(self._end)
        return (
            f"ZXGraph({len(self.inputs)} inputs, {len(self.outputs)} outputs, {len(self._phase)} spiders, "
            f"{edges} edges, t_count {self.t_count})"
        )

    # -- what the rules stand on ------------------------------------------------------------------------------------
    def _new(self) -> int:
        self._next += 1
        return self._next - 1

    def _need(self, v: int) -> None:
        if v not in self._phase:
            raise ZXError(f"there is no spider {v}")

    def _add(self, units: int | float) -> int:
        v = self._new()
        self._phase[v] = self._mod(units)
        self._equal[v], self._sign[v], self._legs[v] = set(), set(), set()
        return v

    def _drop(self, v: int) -> None:
        """Remove a spider whose edges and legs are gone."""
        del self._phase[v], self._equal[v], self._sign[v], self._legs[v]
        self._red.discard(v)

    def _attach(self, u: int, v: int, sign: bool) -> None:
        """Join two vertices of which one or both are ends."""
        for b, other in ((u, v), (v, u)):
            if b not in self._phase:
                self._end[b] = (other, sign)
                if other in self._phase:
                    self._legs[other].add(b)

    def _units(self, phase: Phase) -> int | float:
        """A phase in units of the diagram, which become finer where it needs them to be."""
        if isinstance(phase, float):
            return phase * self._unit
        if self._unit % phase.denominator:
            finer = math.lcm(self._unit, phase.denominator)
            times, self._unit = finer // self._unit, finer
            self._phase = {v: p * times for v, p in self._phase.items()}
            self._angle *= times
            self._factors = [f * times for f in self._factors]
        return phase.numerator * (self._unit // phase.denominator)

    def _public(self, units: int | float) -> Phase:
        return Fraction(units, self._unit) if isinstance(units, int) else units / self._unit

    def _mod(self, units: int | float) -> int | float:
        """Between 0 and 2π; a float that is a multiple of π/4 becomes one exactly, so that Clifford phases are known."""
        units %= 2 * self._unit
        if type(units) is float:
            quarter = self._unit // 4
            near = round(units / quarter) * quarter
            if abs(units - near) <= _TOLERANCE * self._unit:
                return near % (2 * self._unit)
        return units

    def _turn(self, v: int, units: int | float) -> None:
        self._phase[v] = self._mod(self._phase[v] + units)

    def _one_plus(self, units: int | float) -> None:
        """Multiply by 1 + e^{iα}: 2 = √2², and 1 ± i = √2 e^{±iπ/4}."""
        units, unit = self._mod(units), self._unit
        if units == 0:
            self._power += 2
        elif units % unit == unit // 2:
            self._power += 1
            self._angle = self._mod(self._angle + (unit // 4 if units < unit else -unit // 4))
        else:
            self._factors.append(units)

"""A circuit as a ZX diagram.

Every gate is a product of Z(α) = diag(1, e^{iα}), H and CZ, which are a spider on the wire, a Hadamard edge and a sign between two
wires; for the others X(α) = H Z(α) H, RZ(θ) = e^{-iθ/2} Z(θ), RX(θ) = e^{-iθ/2} X(θ), RY(θ) = Z(π/2) RX(θ) Z(-π/2),
SX = X(π/2), Y = i X Z, U(θ, φ, λ) = Z(φ) RY(θ) Z(λ), CX = H CZ H, and the house's decomposition for the rest. A gate goes
to the last spider of its wire where it can: neighbouring spiders are fused, and two equal CZ in a row cancel, as they are laid.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TypeVar

from bitket.quantum.circuits.circuit import Circuit
from bitket.quantum.circuits.gates import Gate
from bitket.quantum.circuits.parameter import Expression
from bitket.quantum.circuits.zx.graph import Graph, Phase, ZXError, rational

__all__ = ["from_circuit"]

# One-qubit gates as turns about Z and X in order of time, in multiples of π, and a global phase.
_Turns = tuple[tuple[tuple[str, Phase], ...], Phase]
_ONE: dict[str, _Turns] = {
    "id": ((), 0),
    "x": ((("X", Fraction(1)),), 0),
    "y": ((("Z", Fraction(1)), ("X", Fraction(1))), Fraction(1, 2)),
    "z": ((("Z", Fraction(1)),), 0),
    "s": ((("Z", Fraction(1, 2)),), 0),
    "sdg": ((("Z", Fraction(-1, 2)),), 0),
    "t": ((("Z", Fraction(1, 4)),), 0),
    "tdg": ((("Z", Fraction(-1, 4)),), 0),
    "sx": ((("X", Fraction(1, 2)),), 0),
    "sxdg": ((("X", Fraction(-1, 2)),), 0),
}
_KEPT = frozenset(_ONE) | {"h", "rx", "ry", "rz", "p", "u", "cx", "cz", "cy", "swap", "gphase"}

_Graph = TypeVar("_Graph", bound=Graph)


def from_circuit(circuit: Circuit, graph: _Graph) -> _Graph:
    """The diagram of a circuit, see `ZXGraph.from_circuit`, put into an empty one."""
    if not circuit.is_unitary:
        raise ZXError(f"circuit '{circuit.name}' has a measurement, reset or condition: gates only are needed")
    for i in circuit:
        if i.gate is not None and i.gate.parameters:
            raise ZXError(f"gate '{i.name}' has parameters without values: bind them first")
    if any(i.gate is not None and i.name not in _KEPT for i in circuit):
        from bitket.quantum.circuits.decomposition import decompose

        circuit = decompose(circuit, _KEPT)
    layer = _Wires(circuit.num_qubits, graph)
    for i in circuit:
        if i.gate is not None:
            layer.gate(i.name, i.gate, i.qubits)
    layer.finish()
    return graph


class _Wires:
    """The diagram under way: for each qubit its last spider, and whether a Hadamard comes after it."""

    def __init__(self, num_qubits: int, graph: Graph) -> None:
        self.graph = graph
        self.last: list[int] = []
        self.turned = [False] * num_qubits
        for _ in range(num_qubits):
            b = self.graph.add_input()
            self.last.append(self.graph.add_spider())
            self.graph.add_edge(b, self.last[-1])

    def finish(self) -> None:
        for v, turned in zip(self.last, self.turned, strict=True):
            self.graph.add_edge(v, self.graph.add_output(), turned)

    def gate(self, name: str, g: Gate, qubits: tuple[int, ...]) -> None:
        if name == "h":
            self.turned[qubits[0]] ^= True
        elif name in ("cx", "cz", "cy"):
            self.controlled(name[1], *qubits)
        elif name == "swap":
            a, b = qubits
            self.last[a], self.last[b] = self.last[b], self.last[a]
            self.turned[a], self.turned[b] = self.turned[b], self.turned[a]
        elif name == "gphase":
            self.graph.multiply(phase=_half_turns(g)[0])
        else:
            turns, phase = _ONE[name] if name in _ONE else _rotations(name, _half_turns(g))
            for axis, angle in turns:
                self.turn(axis, angle, qubits[0])
            self.graph.multiply(phase=phase)

    def turn(self, axis: str, angle: Phase, qubit: int) -> None:
        self.turned[qubit] ^= axis == "X"
        v = self.straight(qubit)
        self.graph._turn(v, self.graph._units(angle))
        self.turned[qubit] ^= axis == "X"

    def controlled(self, pauli: str, control: int, target: int) -> None:
        """CX and CY are a CZ between one-qubit gates on the target that bring X or Y to Z and back."""
        if pauli == "y":
            self.turn("Z", Fraction(-1, 2), target)
        self.turned[target] ^= pauli != "z"
        u, v = self.straight(control), self.straight(target)
        self.graph._sign[u] ^= {v}
        self.graph._sign[v] ^= {u}
        self.turned[target] ^= pauli != "z"
        if pauli == "y":
            self.turn("Z", Fraction(1, 2), target)

    def straight(self, qubit: int) -> int:
        """The last spider of a qubit, new if a Hadamard stood after the one before."""
        if self.turned[qubit]:
            v = self.graph.add_spider()
            self.graph.add_edge(self.last[qubit], v, True)
            self.last[qubit], self.turned[qubit] = v, False
        return self.last[qubit]


def _half_turns(g: Gate) -> list[Phase]:
    """The angles of a gate in multiples of π."""
    return [rational(a / math.pi) for a in g.params if not isinstance(a, Expression)]


def _rotations(name: str, angles: list[Phase]) -> _Turns:
    a, quarter = angles[0], Fraction(1, 2)
    if name == "p":
        return (("Z", a),), 0
    if name in ("rz", "rx"):
        return ((name[1].upper(), a),), -a / 2
    _, phi, lam = angles if name == "u" else (a, 0, 0)
    return (("Z", lam - quarter), ("X", a), ("Z", phi + quarter)), -a / 2

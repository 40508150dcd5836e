"""A circuit from a ZX diagram with generalised flow, gate by gate from the outputs (Backens et al., arXiv:2003.01664).

The frontier is the spider at each output. A Hadamard, a phase and signs between frontier spiders are gates H, P and CZ. Then the
diagram is Σ_x |x⟩ (-1)^{x·Mz} …, M the biadjacency matrix over GF(2) of frontier and neighbours z: adding row t of M to row c
is a CNOT with control c and target t. Where a sum of rows is one neighbour alone, that neighbour takes the frontier's place behind
a Hadamard, √2 H = (-1)^{xz}. Neighbours that are hubs of gadgets are first pivoted with a frontier spider, which opens the gadget.

Rows are Python integers: with a row a qubit they are short, and eliminating them so is faster than in packed arrays.
"""

from __future__ import annotations

import cmath
import math
from fractions import Fraction

from bitket.quantum.circuits.circuit import Circuit
from bitket.quantum.circuits.gates import gate
from bitket.quantum.circuits.zx import rules
from bitket.quantum.circuits.zx.contraction import tensor
from bitket.quantum.circuits.zx.graph import Graph, Phase, ZXError
from bitket.quantum.circuits.zx.simplification import simplify, to_graph_like

__all__ = ["extract"]

_NAMED: dict[Phase, tuple[str, ...]] = {  # multiples of π/4 as gates of Clifford+T
    Fraction(k, 4): names
    for k, names in enumerate((("t",), ("s",), ("s", "t"), ("z",), ("sdg", "tdg"), ("sdg",), ("tdg",)), start=1)
}


def extract(graph: Graph) -> Circuit:
    """A circuit equal to a diagram up to a positive factor, see `ZXGraph.extract`."""
    if len(graph.inputs) != len(graph.outputs) or not graph.inputs:
        raise ZXError(
            f"extract: {len(graph.inputs)} inputs and {len(graph.outputs)} outputs, equal numbers of at least 1 are needed"
        )
    loose = [b for b in (*graph.inputs, *graph.outputs) if b not in graph._end]
    if loose:
        raise ZXError(f"extract: input or output {loose[0]} has no edge")
    work = _Extraction(graph.copy())
    while work.step():
        pass
    return work.finish()


class _Extraction:
    """The diagram that is left, its frontier, and the gates so far, last in time first."""

    def __init__(self, g: Graph) -> None:
        self.g = g
        to_graph_like(g)
        self.gates: list[tuple[str, Phase, tuple[int, ...]] | None] = []
        self.latest = [-1] * len(g.outputs)  # place in gates of what was written last for each qubit
        self.frontier: list[int] = []
        self.qubit: dict[int, int] = {}  # of a frontier spider
        self.hubs = {
            h for h, p in g._phase.items() if not g._legs[h] and not p % g._unit and rules._leaf(g, h) is not None
        }
        for q, b in enumerate(g.outputs):
            v = rules.insert_spider(g, b) if g._end[b][0] in self.qubit else g._end[b][0]
            self.frontier.append(v)
            self.qubit[v] = q
            self.straighten(q)  # all of them before the first CZ
        for q in range(len(g.outputs)):
            self.clean(q)

    def write(self, name: str, phase: Phase, *qubits: int) -> None:
        q = qubits[0]
        latest = self.gates[self.latest[q]] if self.latest[q] >= 0 else None
        if name == "h" and latest is not None and latest[0] == "h":
            self.gates[self.latest[q]] = None
            self.latest[q] = -1
            return
        for q in qubits:
            self.latest[q] = len(self.gates)
        self.gates.append((name, phase, qubits))

    def place(self, q: int, v: int) -> None:
        """Put a spider, which now is at output q, into the frontier."""
        del self.qubit[self.frontier[q]]
        self.frontier[q] = v
        self.qubit[v] = q
        self.straighten(q)
        self.clean(q)

    def straighten(self, q: int) -> None:
        """Write the gate H that stands at an output."""
        b = self.g.outputs[q]
        if self.g._end[b][1]:
            self.write("h", 0, q)
            self.g._end[b] = self.frontier[q], False

    def clean(self, q: int) -> None:
        """Write the gates P and CZ that stand at a frontier spider; an input there is set off if more is to come."""
        g, v = self.g, self.frontier[q]
        if g._phase[v]:
            self.write("p", g._public(g._phase[v]), q)
            g._phase[v] = 0
        for w in [w for w in g._sign[v] if w in self.qubit]:
            self.write("cz", 0, q, self.qubit[w])
            g._sign[v].remove(w)
            g._sign[w].remove(v)
        if g._sign[v]:
            for other in g._legs[v] - {g.outputs[q]}:
                rules.insert_spider(g, other)

    def step(self) -> bool:
        """Open a gadget at the frontier, or move the frontier over one spider or more; False if none is left behind it."""
        sign = self.g._sign
        rows = [q for q, v in enumerate(self.frontier) if sign[v]]
        for q in rows:
            for h in self.hubs & sign[self.frontier[q]]:
                self.open_gadget(h)
                return True
        alone = [q for q in rows if len(sign[self.frontier[q]]) == 1]
        if rows and not alone:
            alone = self.add_rows(rows)
        for q in alone:
            if len(sign[self.frontier[q]]) == 1:  # a neighbour that two share is a gate between them by now
                self.advance(q)
        return bool(rows)

    def open_gadget(self, h: int) -> None:
        """Pivot a hub with a frontier spider, whose place is taken by a new one: the leaf becomes a spider like others."""
        g = self.g
        v = min(g._sign[h] & self.qubit.keys(), key=lambda v: len(g._sign[v]))
        q = self.qubit[v]
        w = rules.insert_spider(g, g.outputs[q])
        rules._pivot(g, v, h)
        self.hubs.remove(h)
        self.place(q, w)

    def advance(self, q: int) -> None:
        """The only neighbour of a frontier spider takes its place, behind a Hadamard."""
        g, v, b = self.g, self.frontier[q], self.g.outputs[q]
        (w,) = g._sign[v]
        g._sign[w].remove(v)
        g._drop(v)
        g._attach(b, w, True)
        g._power += 1
        self.place(q, w)

    def add_rows(self, rows: list[int]) -> list[int]:
        """Write CNOTs after which some frontier spiders have one neighbour; their qubits.

        The rows of M, each with a bit beside it that names it, are brought to reduced echelon form, in which the names tell
        what was added up. Of the sums that are one neighbour, the shortest come first, and then those of other rows.
        """
        sign = self.g._sign
        column: dict[int, int] = {}
        words = [sum(1 << column.setdefault(w, len(column)) for w in sign[self.frontier[q]]) for q in rows]
        width = len(column)
        words = [word | 1 << width + i for i, word in enumerate(words)]
        free = list(range(len(words)))
        for c in range(width):
            p = next((i for i in free if words[i] >> c & 1), None)
            if p is not None:
                free.remove(p)
                pivot = words[p]
                words = [word ^ pivot if word >> c & 1 and i != p else word for i, word in enumerate(words)]
        low = (1 << width) - 1
        sums = [(word >> width, word & low) for word in words if (word & low).bit_count() == 1]
        neighbour = list(column)
        changed, found = 0, []
        for names, bit in sorted(sums, key=lambda s: s[0].bit_count()):
            if names & changed:
                continue
            changed |= names
            added = [q for i, q in enumerate(rows) if names >> i & 1]
            control = max(added, key=lambda q: len(sign[self.frontier[q]]))
            v, w = self.frontier[control], neighbour[bit.bit_length() - 1]
            for target in added:
                if target != control:
                    self.write("cx", 0, control, target)
            for x in sign[v]:
                sign[x].remove(v)
            sign[v] = {w}
            sign[w].add(v)
            found.append(control)
        if not found:
            raise ZXError(f"extract: {self.g} is not a multiple of a unitary, or has no generalised flow")
        return found

    def finish(self) -> Circuit:
        g, n = self.g, len(self.frontier)
        source = []
        for q, v in enumerate(self.frontier):
            inputs = g._legs[v] - {g.outputs[q]}
            if len(inputs) != 1:
                raise ZXError(
                    f"extract: output {q} is not led to by one input: the diagram is not a multiple of a unitary"
                )
            (b,) = inputs
            source.append(g.inputs.index(b))
            if g._end[b][1]:
                self.write("h", 0, q)
        circuit = Circuit(n, name="extracted")
        wires = list(range(n))
        for q in range(n):
            other = wires.index(source[q])
            if other != q:
                circuit.swap(q, other)
                wires[q], wires[other] = wires[other], wires[q]
        for name, phase, qubits in (entry for entry in reversed(self.gates) if entry is not None):
            if name != "p":
                circuit.append(gate(name), qubits)
            elif phase in _NAMED:
                for name in _NAMED[phase]:
                    circuit.append(gate(name), qubits)
            else:
                circuit.p(math.pi * phase, *qubits)
        phase = self.remainder()
        return circuit.global_phase(phase) if abs(phase) > 1e-12 else circuit

    def remainder(self) -> float:
        """The argument of the scalar in radians, after parts of the diagram that have no inputs and outputs are summed up."""
        closed = self.g.copy()
        for v in self.frontier:
            closed._drop(v)
        closed.inputs, closed.outputs, closed._end, closed._power = [], [], {}, 0
        value = complex(tensor(simplify(closed)))
        if value == 0:
            raise ZXError("extract: the diagram is zero")
        return cmath.phase(value)

"""Diagrams as circuits with post-selection: a functor to quantum processes.

A word on k qubits is an ansatz on |0...0>, a bent word the transpose of it before a projection on |0...0>. A cup is the effect
<00| + <11|: CX, H and a projection, times sqrt(2); a cap is its transpose; a spider of m legs is sum_i |i...i>. Angles are in full
turns: a parameter 1 is 2 pi. The circuit's map is ``scale`` times its amplitude where every post-selected qubit is 0. Source: Lorenz and
others 2023 (arXiv:2102.12846).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from bitket.algebra import PauliSum
from bitket.quantum.circuits import Circuit, Parameter
from bitket.quantum.language.diagram import Box, Diagram
from bitket.quantum.language.types import GrammarError, Ty
from bitket.quantum.simulation import statevector

__all__ = ["CircuitFunctor", "IQPAnsatz", "SentenceCircuit"]

Step = tuple[str, tuple[int, ...], int]
"""Gate, qubits, and the number of its parameter or -1."""


@dataclass(frozen=True)
class IQPAnsatz:
    """Layers of H on all qubits and controlled RZ between neighbours; for one qubit RX, RZ, RX.

    Attributes
    ----------
    layers
        L: L (k - 1) parameters for a word on k > 1 qubits.
    single
        Parameters of a word on one qubit: 1 (RX), 2 (RX, RZ) or 3.
    """

    layers: int = 1
    single: int = 3

    def __post_init__(self) -> None:
        if self.layers < 1 or self.single not in (1, 2, 3):
            raise GrammarError(f"IQP ansatz: layers {self.layers} must be positive, single {self.single} 1, 2 or 3")

    def effect(self, num_qubits: int) -> list[Step]:
        """Gates before the projection of a bent word. All are symmetric matrices: the state has them in reverse."""
        if num_qubits == 1:
            return [(("rx", "rz", "rx")[k], (0,), k) for k in range(self.single)]
        steps: list[Step] = []
        for layer in range(self.layers):
            steps += [("h", (q,), -1) for q in range(num_qubits)]
            steps += [("crz", (q, q + 1), layer * (num_qubits - 1) + q) for q in range(num_qubits - 1)]
        return list(reversed(steps))


@dataclass(frozen=True)
class SentenceCircuit:
    """A diagram as a circuit.

    Attributes
    ----------
    circuit
        With weights ``p[k]`` in full turns; circuits of one shape are equal, whatever their words.
    symbols
        The word parameter behind each weight.
    outputs
        Qubits of the diagram's output wires, first wire first.
    post_selected
        Qubits that must be 0.
    scale
        Factor of the amplitudes.
    """

    circuit: Circuit
    symbols: tuple[str, ...]
    outputs: tuple[int, ...]
    post_selected: tuple[int, ...]
    scale: float
    shape: tuple[object, ...] = field(repr=False, default=())
    """Equal for circuits that differ in symbols only."""

    def projectors(self) -> list[PauliSum]:
        """For each outcome of the outputs (first output most significant): outputs so and post-selected qubits 0, as operators."""
        n, out = self.circuit.num_qubits, []
        for outcome in range(1 << len(self.outputs)):
            bits = dict.fromkeys(self.post_selected, 0)
            for k, q in enumerate(reversed(self.outputs)):
                bits[q] = outcome >> k & 1
            terms = [(1.0, 0)]
            for q, bit in bits.items():
                terms = [(c / 2 * sign, z | on << q) for c, z in terms for on, sign in ((0, 1), (1, 1 - 2 * bit))]
            out.append(PauliSum.from_masks(n, [(c, 0, z) for c, z in terms]))
        return out

    def amplitudes(self, values: Mapping[str, float]) -> NDArray[np.complex128]:
        """The diagram's map (a state) for values of the symbols, ``[2] * outputs``, not normalised."""
        weights = torch.tensor([values[s] for s in self.symbols], dtype=torch.float64)
        state = statevector(self.circuit, weights if len(weights) else None).numpy()
        index = np.zeros(1 << len(self.outputs), np.int64)
        for outcome in range(len(index)):
            index[outcome] = sum((outcome >> k & 1) << q for k, q in enumerate(reversed(self.outputs)))
        return np.asarray(self.scale * state[index].reshape((2,) * len(self.outputs)))


@dataclass(frozen=True)
class CircuitFunctor:
    """Qubits of the basic types, and the ansatz of words."""

    qubits: Mapping[str, int] = field(default_factory=lambda: {"n": 1, "s": 1})
    ansatz: IQPAnsatz = field(default_factory=IQPAnsatz)

    def __call__(self, diagram: Diagram) -> SentenceCircuit:
        """The circuit of a diagram without inputs.

        Raises
        ------
        GrammarError
            The diagram has inputs, a box that is neither a word nor structure, or a type without a number of qubits.
        """
        if len(diagram.dom):
            raise GrammarError(f"circuit of a diagram with inputs {diagram.dom}: a sentence has none")
        builder = _Builder(self)
        wires: list[list[int]] = []
        for offset, box in diagram.layers:
            inputs = wires[offset : offset + len(box.dom)]
            wires[offset : offset + len(box.dom)] = builder.box(box, inputs)
        return builder.finished([q for wire in wires for q in wire])

    def count(self, wires: Ty) -> list[int]:
        """Qubits of each wire."""
        missing = [t.name for t in wires if t.name not in self.qubits]
        if missing:
            raise GrammarError(f"type {missing[0]}: its number of qubits was not given")
        return [self.qubits[t.name] for t in wires]

    def symbols(self, box: Box) -> list[str]:
        """Names of a word's parameters: with its type, as one word may have several."""
        wires = box.cod if not box.bent else (box.dom.l if box.dom.simples[0].z > 0 else box.dom.r)
        total = sum(self.count(wires))
        used = {k for _, _, k in self.ansatz.effect(total) if k >= 0} if total else set()
        return [f"{box.name} ({wires})[{k}]" for k in sorted(used)]

    def array(self, box: Box, values: Mapping[str, float]) -> NDArray[np.complex128]:
        """A word's tensor, as its circuit makes it: for a tensor functor of the same meaning."""
        state = self(Diagram(Ty(), box.cod, ((0, box),)))
        return state.amplitudes(values)


class _Builder:
    def __init__(self, functor: CircuitFunctor) -> None:
        self.functor = functor
        self.steps: list[Step] = []
        self.symbols: list[str] = []
        self.total = 0
        self.closed: list[int] = []
        self.scale = 1.0

    def fresh(self, count: int) -> list[int]:
        self.total += count
        return list(range(self.total - count, self.total))

    def add(self, gate: str, *qubits: int, symbol: str = "") -> None:
        if symbol:
            self.symbols.append(symbol)
        self.steps.append((gate, qubits, len(self.symbols) - 1 if symbol else -1))

    def box(self, box: Box, inputs: list[list[int]]) -> list[list[int]]:
        sizes = self.functor.count(box.cod)
        if box.is_dagger or box.kind == "box":
            raise GrammarError(f"circuit of box {box.name}: words, cups, caps, swaps and spiders have one")
        if box.kind == "swap":
            return [inputs[1], inputs[0]]
        if box.kind == "cup":
            for a, b in zip(*inputs, strict=True):
                self.bell(a, b)
            return []
        if box.kind == "cap":
            left, right = self.fresh(sizes[0]), self.fresh(sizes[1])
            for a, b in zip(left, right, strict=True):
                self.ghz([a, b])
            return [left, right]
        if box.kind == "spider":
            return self.spider(inputs, sizes)
        steps, symbols = self.word(box)
        qubits = [q for wire in inputs for q in wire] if box.bent else self.fresh(sum(sizes))
        for gate, local, k in steps if box.bent else reversed(steps):
            self.add(gate, *(qubits[q] for q in local), symbol=symbols[k] if k >= 0 else "")
        if box.bent:
            self.closed += qubits
            return []
        ends = np.cumsum([0, *sizes]).tolist()
        return [qubits[a:b] for a, b in itertools.pairwise(ends)]

    def word(self, box: Box) -> tuple[list[Step], list[str]]:
        total = sum(self.functor.count(box.dom if box.bent else box.cod))
        return (self.functor.ansatz.effect(total) if total else []), self.functor.symbols(box)

    def bell(self, a: int, b: int) -> None:
        self.add("cx", a, b)
        self.add("h", a)
        self.closed += [a, b]
        self.scale *= math.sqrt(2)

    def ghz(self, qubits: list[int]) -> None:
        self.add("h", qubits[0])
        for q in qubits[1:]:
            self.add("cx", qubits[0], q)
        self.scale *= math.sqrt(2)

    def spider(self, inputs: list[list[int]], sizes: list[int]) -> list[list[int]]:
        """All legs as one state; those that are inputs are closed by cups."""
        width = len(inputs[0]) if inputs else (sizes[0] if sizes else 0)
        legs = [self.fresh(width) for _ in (*inputs, *sizes)]
        for k in range(width):
            self.ghz([leg[k] for leg in legs])
        for wire, leg in zip(inputs, legs, strict=False):
            for a, b in zip(wire, leg, strict=True):
                self.bell(a, b)
        return legs[len(inputs) :]

    def finished(self, outputs: list[int]) -> SentenceCircuit:
        circuit = Circuit(max(1, self.total))
        for gate, qubits, k in self.steps:
            angle = () if k < 0 else (2 * math.pi * Parameter(f"p[{k}]"),)
            getattr(circuit, gate)(*angle, *qubits)
        shape = (self.total, tuple(self.steps), tuple(outputs), tuple(self.closed))
        return SentenceCircuit(circuit, tuple(self.symbols), tuple(outputs), tuple(self.closed), self.scale, shape)

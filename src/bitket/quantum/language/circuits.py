"""Sentences as circuits: words are circuits on |0...0>, cups Bell effects, and the meaning is what post-selection on 0 leaves.

A word with all legs bent up is the transposed circuit, <0...0| U^T; a cup is CNOT, H and <00| times √2. The circuit's amplitude times
`SentenceCircuit.scale` is the tensor semantics, unnormalised. Weights are in full turns: 1 is the angle 2π.

>>> from bitket.quantum.language.types import Ty
>>> F = CircuitFunctor(IQPAnsatz({"n": 1, "s": 1}))
>>> F(Word("cooks", Ty.parse("n.r·s·n.l"))).circuit.count_ops()
{'h': 3, 'crz': 2}
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bitket.errors import InvalidInput
from bitket.quantum.circuits import Circuit, Parameter
from bitket.quantum.circuits.ansatz import strongly_entangling_layers, two_local
from bitket.quantum.circuits.circuit import Instruction
from bitket.quantum.circuits.gates import gate
from bitket.quantum.language.diagram import Cap, Cup, Diagram, Spider, Swap, Word
from bitket.quantum.language.types import Ty

__all__ = [
    "Ansatz",
    "CircuitFunctor",
    "IQPAnsatz",
    "SentenceCircuit",
    "Sim14Ansatz",
    "Sim15Ansatz",
    "StronglyEntanglingAnsatz",
    "transposed",
]

_MOST_GATES, _MOST_QUBITS = 20_000, 26  # of a sentence

_SYMMETRIC = frozenset({"h", "x", "z", "s", "t", "p", "rx", "rz", "crx", "crz", "cz", "cx", "cp", "swap", "rzz", "rxx"})


@dataclass(frozen=True)
class Ansatz(ABC):
    """Circuits for words.

    Attributes
    ----------
    qubits
        Of each basic type, by name.
    layers
        Of entangling gates.
    single
        Rotations of a word on one qubit: RX, RZ, RX, the first one, two or three of them. In a noun effect they act in this order.
    """

    qubits: Mapping[Any, int] = field(default_factory=lambda: {"n": 1, "s": 1})
    layers: int = 1
    single: int = 3

    def __post_init__(self) -> None:
        if not isinstance(self.qubits, Mapping):
            raise InvalidInput(
                f"ansatz: qubits {self.qubits!r}: a mapping from basic types to whole numbers of qubits, 0 to 30, is needed"
            )
        named = {str(name): count for name, count in self.qubits.items()}
        object.__setattr__(self, "qubits", named)
        whole = all(
            isinstance(v, Integral) and not isinstance(v, bool) for v in (self.layers, self.single, *named.values())
        )
        if not whole or self.layers < 1 or not 1 <= self.single <= 3 or any(not 0 <= q <= 30 for q in named.values()):
            raise InvalidInput("ansatz: layers >= 1, single 1 to 3 and whole numbers of qubits, 0 to 30, are needed")

    def width(self, ty: Ty) -> int:
        """Qubits of a type."""
        for t in ty.simples:
            if t.name not in self.qubits:
                raise InvalidInput(f"type {t.name}: the ansatz gives it no qubits; it has {', '.join(self.qubits)}")
        return sum(self.qubits[t.name] for t in ty.simples)

    def state(self, name: str, num_qubits: int) -> Circuit:
        """The circuit that prepares a word from |0...0>; its weights are ``name[0]``, ``name[1]``, ..."""
        if num_qubits > 1:
            return self._entangled(name, num_qubits)
        circuit = Circuit(1)
        for k in reversed(range(self.single)):
            angle = 2 * math.pi * Parameter(f"{name}[{k}]")
            circuit.append(gate("rz" if k == 1 else "rx", angle), [0])
        return circuit

    @abstractmethod
    def _entangled(self, name: str, num_qubits: int) -> Circuit: ...


def _in_turns(circuit: Circuit) -> Circuit:
    return circuit.bind({p: 2 * math.pi * p for p in circuit.parameters})


class IQPAnsatz(Ansatz):
    """Each layer: H on all, then controlled RZ between neighbours (instantaneous quantum polynomial circuits)."""

    def _entangled(self, name: str, num_qubits: int) -> Circuit:
        circuit = Circuit(num_qubits)
        for layer in range(self.layers):
            for q in range(num_qubits):
                circuit.h(q)
            for q in range(num_qubits - 1):
                circuit.crz(2 * math.pi * Parameter(f"{name}[{layer * (num_qubits - 1) + q}]"), q, q + 1)
        return circuit


class Sim14Ansatz(Ansatz):
    """Circuit 14 of Sim et al. (arXiv:1905.10876): RY on all, a ring of controlled RX, twice a layer."""

    def _entangled(self, name: str, num_qubits: int) -> Circuit:
        return _in_turns(_sim(name, num_qubits, "crx", self.layers))


class Sim15Ansatz(Ansatz):
    """Circuit 15 of Sim et al. (arXiv:1905.10876): RY on all, a ring of CNOT, twice a layer."""

    def _entangled(self, name: str, num_qubits: int) -> Circuit:
        return _in_turns(_sim(name, num_qubits, "cx", self.layers))


def _sim(name: str, num_qubits: int, entangler: str, layers: int) -> Circuit:
    return two_local(
        num_qubits, "ry", entangler, reps=2 * layers, entanglement="sca", final_rotation=False, prefix=name
    )


class StronglyEntanglingAnsatz(Ansatz):
    """Strongly entangling layers (Schuld et al., arXiv:1804.00633)."""

    def _entangled(self, name: str, num_qubits: int) -> Circuit:
        return _in_turns(strongly_entangling_layers(num_qubits, self.layers, prefix=name))


def transposed(circuit: Circuit) -> Circuit:
    """The circuit whose matrix is the transpose.

    Raises
    ------
    InvalidInput
        A gate other than those of the ansätze.
    """
    instructions = []
    for i in reversed(circuit.instructions):
        if i.gate is None or (i.name not in _SYMMETRIC and i.name != "ry"):
            raise InvalidInput(f"transpose of a circuit: '{i.name}' is not among the gates of the ansätze")
        instructions.append(i if i.name in _SYMMETRIC else Instruction(i.gate.inverse(), i.qubits))
    return circuit._derive(instructions)


@dataclass(frozen=True)
class SentenceCircuit:
    """A circuit with post-selection.

    Attributes
    ----------
    circuit
        On all qubits; its weights are those of the words, in full turns.
    postselected
        Qubits that must be measured as 0.
    outputs
        Qubits that carry the meaning; the first is the leftmost wire.
    scale
        Meaning = scale · amplitude.
    """

    circuit: Circuit
    postselected: tuple[int, ...]
    outputs: tuple[int, ...]
    scale: float

    def output_states(self) -> list[int]:
        """Basis states that survive, one for each outcome; the first output is the most significant digit of the outcome."""
        k = len(self.outputs)
        return [sum((outcome >> (k - 1 - j) & 1) << q for j, q in enumerate(self.outputs)) for outcome in range(1 << k)]

    def with_measurements(self) -> Circuit:
        """The circuit with its post-selected qubits measured into the first classical bits, then the outputs."""
        order = (*self.postselected, *self.outputs)
        out = self.circuit.copy()
        out.num_clbits = len(order)
        for c, q in enumerate(order):
            out.measure(q, c)
        return out

    def require_small(self, where: str) -> None:
        """Refuse a circuit that is not simulated; the message begins with ``where``.

        Raises
        ------
        InvalidInput
            So it is.
        """
        if self.circuit.num_qubits > _MOST_QUBITS:
            raise InvalidInput(
                f"{where}: its circuit has {self.circuit.num_qubits} qubits; at most {_MOST_QUBITS} are simulated"
            )

    def survivors(self, weights: ArrayLike) -> NDArray[np.float64]:
        """Probabilities ``[2^outputs]`` of the outcomes that survive, exact, for ``[number of weights]``; needs no torch."""
        from bitket.quantum.simulation.arrays import angles_of, runs, state
        from bitket.quantum.simulation.program import lower

        program = lower(self.circuit)
        if runs(program):
            psi = state(program, angles_of(program, weights, None), np.dtype(np.complex128))
        else:
            from bitket.quantum.simulation import statevector

            psi = statevector(self.circuit, weights).numpy()
        return np.asarray(np.abs(psi[self.output_states()]) ** 2)

    def meaning(self, weights: Any) -> Any:
        """Unnormalised meaning ``[..., 2^outputs]``, complex; differentiable in ``weights`` ``[..., number of weights]``."""
        from bitket.quantum.simulation import statevector

        return self.scale * statevector(self.circuit, weights)[..., self.output_states()]


class CircuitFunctor:
    """Compiles diagrams from the unit: words by an ansatz, cups to Bell effects, spiders to GHZ states and fusions.

    Parameters
    ----------
    ansatz
        Circuits for words.
    """

    def __init__(self, ansatz: Ansatz) -> None:
        self.ansatz = ansatz

    @staticmethod
    def weight_name(word: Word) -> str:
        """Prefix of a word's weights: the word and its type."""
        return f"{word.name}:{word.type}"

    def __call__(self, diagram: Diagram) -> SentenceCircuit:
        """Compile.

        Raises
        ------
        InvalidInput
            The domain is not the unit, there is a box without a circuit, or no qubit at all, or more than some 20,000 gates.
        """
        if diagram.dom:
            raise InvalidInput(f"circuit of a diagram from {diagram.dom}: the domain must be the unit")
        work = _Compiler(self.ansatz)
        for box, o in diagram.offsets:
            work.put(box, o)
        outputs = tuple(q for wire in work.wires for q in wire)
        if not work.count:
            raise InvalidInput("circuit of a diagram without any qubit: the ansatz gives its types none")
        circuit = Circuit(work.count, name="sentence")
        for piece, qubits in work.pieces:
            circuit = circuit.compose(piece, qubits)
        return SentenceCircuit(circuit, tuple(work.postselected), outputs, work.scale)


class _Compiler:
    def __init__(self, ansatz: Ansatz) -> None:
        self.ansatz = ansatz
        self.wires: list[list[int]] = []
        self.pieces: list[tuple[Circuit, list[int]]] = []
        self.postselected: list[int] = []
        self.count, self.scale, self.gates = 0, 1.0, 0

    def new(self, ty: Ty) -> list[list[int]]:
        out = []
        for t in ty:
            width = self.ansatz.width(t)
            out.append(list(range(self.count, self.count + width)))
            self.count += width
        return out

    def bell(self, a: list[int], b: list[int]) -> None:
        for x, y in zip(a, b, strict=True):
            self.pieces.append((Circuit(2).cx(0, 1).h(0), [x, y]))
            self.postselected += [x, y]
            self.scale *= math.sqrt(2)

    def put(self, box: Any, o: int) -> None:
        ins = self.wires[o : o + len(box.dom)]
        if isinstance(box, Swap):
            outs = ins[::-1]
        elif isinstance(box, Cup):
            self.bell(*ins)
            outs = []
        elif isinstance(box, Cap | Spider):
            outs = self.spider(ins, box.cod)
        elif isinstance(box, Word) and not box.z and not box.adjoint:
            outs = self.word(box, ins)
        else:
            raise InvalidInput(f"box '{box.name}': words, cups, caps, swaps and spiders have circuits")
        self.wires[o : o + len(box.dom)] = outs

    def word(self, box: Word, ins: list[list[int]]) -> list[list[int]]:
        ty, (p, q) = box.type, box.bent
        name = CircuitFunctor.weight_name(box)
        # A layer has about two gates a qubit, or more; reckoned before any is made.
        width = self.ansatz.width(ty)
        self.gates += 2 * self.ansatz.layers * width if width > 1 else self.ansatz.single
        if self.gates > _MOST_GATES:
            raise InvalidInput(
                f"circuit of the sentence up to word '{box.name}': {self.ansatz.layers} layers make some {self.gates} gates; "
                f"at most {_MOST_GATES} are compiled"
            )
        if not box.cod:  # an effect: the transposed circuit on the wires that are there
            legs = [*reversed(ins[:p]), *reversed(ins[p:])]
            qubits = [x for leg in legs for x in leg]
            if qubits:
                self.pieces.append((transposed(self.ansatz.state(name, len(qubits))), qubits))
                self.postselected += qubits
            return []
        legs = self.new(ty)
        qubits = [x for leg in legs for x in leg]
        if qubits:
            self.pieces.append((self.ansatz.state(name, len(qubits)), qubits))
        for wire, leg in zip(ins, [*reversed(legs[:p]), *reversed(legs[len(legs) - q :])], strict=True):
            self.bell(wire, leg)
        return legs[p : len(legs) - q]

    def spider(self, ins: list[list[int]], cod: Ty) -> list[list[int]]:
        outs = self.new(cod[1:] if ins else cod)
        legs = ins[:1] + outs
        width = len(legs[0])
        for j in range(width):
            first = legs[0][j]
            if not ins:
                self.pieces.append((Circuit(1).h(0), [first]))
                self.scale *= math.sqrt(2)
            for other in [*ins[1:], *(outs if ins else outs[1:])]:
                self.pieces.append((Circuit(2).cx(0, 1), [first, other[j]]))
            self.postselected += [other[j] for other in ins[1:]]
            if not cod:
                self.pieces.append((Circuit(1).h(0), [first]))
                self.postselected.append(first)
                self.scale *= math.sqrt(2)
        return legs if cod else []

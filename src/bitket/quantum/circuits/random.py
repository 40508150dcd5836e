"""Random circuits, for tests and benchmarks.

>>> import numpy as np
>>> a = random_circuit(3, 4, np.random.default_rng(1))
>>> a == random_circuit(3, 4, np.random.default_rng(1))
True
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from bitket.errors import InvalidInput
from bitket.quantum.circuits.circuit import Circuit
from bitket.quantum.circuits.gates import NAMES, Gate, gate, gate_shape, unitary
from bitket.quantum.circuits.parameter import Angle, Parameter

__all__ = ["random_circuit", "random_unitary"]


def random_unitary(num_qubits: int, generator: np.random.Generator) -> np.ndarray:
    """A unitary ``[2^n, 2^n]`` drawn by Haar measure (Mezzadri, math-ph/0609050)."""
    size = 1 << num_qubits
    normal = generator.normal(size=(size, size)) + 1j * generator.normal(size=(size, size))
    q, r = np.linalg.qr(normal)
    return np.asarray(q * (np.diag(r) / np.abs(np.diag(r))))


def random_circuit(
    num_qubits: int,
    depth: int,
    generator: np.random.Generator,
    *,
    names: Sequence[str] | None = None,
    max_controls: int = 0,
    parameters: Sequence[Parameter] = (),
) -> Circuit:
    """Layers of random gates, each layer using every qubit at most once.

    Parameters
    ----------
    num_qubits, depth
        Number of qubits and of layers.
    generator
        Source of randomness.
    names
        Gates to draw from, by default all standard ones that fit; ``"unitary"`` stands for a Haar-random matrix of one or
        two qubits and ``"barrier"`` for a barrier.
    max_controls
        Up to so many more controls, open or closed, are put on a gate.
    parameters
        Where given, half of the angles are expressions in these.

    Raises
    ------
    InvalidInput
        ``depth`` is negative or no gate fits.
    """
    if depth < 0:
        raise InvalidInput(f"random_circuit: depth {depth}: at least 0 is needed")
    names = sorted(NAMES) if names is None else list(names)
    sizes = {name: 1 if name in ("unitary", "barrier") else gate_shape(name)[0] for name in names}
    circuit = Circuit(num_qubits, name="random").declare(*parameters)
    if not any(size <= num_qubits for size in sizes.values()):
        raise InvalidInput(f"random_circuit: no gate of {', '.join(names)} fits {num_qubits} qubits")
    for _ in range(depth):
        free = [int(q) for q in generator.permutation(num_qubits)]
        while free:
            fitting = [name for name in names if sizes[name] <= len(free)]
            if not fitting:
                break
            name = fitting[generator.integers(len(fitting))]
            if name == "barrier":
                circuit.barrier(*free)
                free.pop()  # stays idle, so that the layer ends
                continue
            chosen = _draw(name, len(free), generator, parameters)
            room = min(max_controls, len(free) - chosen.num_qubits)
            count = int(generator.integers(room + 1))
            chosen = chosen.control(count, int(generator.integers(1 << count)))
            circuit.append(chosen, [free.pop() for _ in range(chosen.num_qubits)])
            if not chosen.num_qubits:
                free.pop()
    return circuit


def _draw(name: str, room: int, generator: np.random.Generator, parameters: Sequence[Parameter]) -> Gate:
    if name == "unitary":
        return unitary(random_unitary(int(generator.integers(1, min(room, 2) + 1)), generator))
    return gate(name, *(_angle(generator, parameters) for _ in range(gate_shape(name)[1])))


def _angle(generator: np.random.Generator, parameters: Sequence[Parameter]) -> Angle:
    angle = float(generator.uniform(-math.pi, math.pi))
    if not parameters or generator.random() < 0.5:
        return angle
    a, b = (parameters[int(generator.integers(len(parameters)))] for _ in range(2))
    shapes: list[Angle] = [a, angle * a + b, (math.pi - a) * (math.pi - b), a.sin() - angle, -b / 2]
    return shapes[int(generator.integers(len(shapes)))]

"""Ansätze: circuits whose weights are trained.

Layers of rotations on one qubit alternate with layers of entangling gates on pairs, which are listed or named by a word
("full", "linear", ...):

    U(theta) = R(theta_r) · E · R(theta_{r-1}) · E ··· E · R(theta_0)

Weights are named ``theta[0]``, ``theta[1]``, ... in order of time and, within a layer, of qubits.

>>> c = efficient_su2(3, reps=2)
>>> len(c.weights), c.count_ops()
(18, {'ry': 9, 'rz': 9, 'cx': 4})
>>> entangled_blocks(4, 2, "linear")
[(0, 1), (1, 2), (2, 3)]
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import combinations, pairwise
from typing import TYPE_CHECKING, TypeAlias

from bitket.algebra.pauli_sum import PauliSum
from bitket.errors import InvalidInput
from bitket.quantum.circuits.circuit import Circuit
from bitket.quantum.circuits.gates import gate, gate_shape
from bitket.quantum.circuits.parameter import Angle, Parameter

if TYPE_CHECKING:
    import networkx

    Cost: TypeAlias = PauliSum | networkx.Graph | Mapping[tuple[int, ...], float]
    """A diagonal cost, as `qaoa_layers` explains."""

__all__ = [
    "Entanglement",
    "efficient_su2",
    "entangled_blocks",
    "qaoa_ansatz",
    "qaoa_layers",
    "real_amplitudes",
    "ry_rz_ansatz",
    "strongly_entangling_layers",
    "two_local",
]

Entanglement = str | Sequence[Sequence[int]]
"""One of the words of `entangled_blocks`, or the blocks themselves."""

_WORDS = ("full", "linear", "reverse_linear", "circular", "sca", "pairwise")


def entangled_blocks(num_qubits: int, size: int, entanglement: Entanglement, layer: int = 0) -> list[tuple[int, ...]]:
    """The blocks of qubits on which the gates of an entangling layer act, in order of time.

    Parameters
    ----------
    num_qubits, size
        Qubits in all, and in one block (2 for pairs).
    entanglement
        ``"full"``: all combinations. ``"linear"``: neighbours (i, i+1, ...). ``"reverse_linear"``: the same, last
        block first. ``"circular"``: the blocks that close the ring, then linear. ``"pairwise"`` (pairs only): (0,1),
        (2,3), ..., then (1,2), (3,4), ... ``"sca"``: shifted circular alternating, i.e. circular, moved by one place
        each layer, with the qubits of a block reversed in every second layer (circuit 14 of Sim et al.,
        arXiv:1905.10876). Or the blocks themselves.
    layer
        Index of the layer; only ``"sca"`` depends on it.

    Raises
    ------
    InvalidInput
        An unknown word, or a block of another size, with a repeated qubit or a qubit out of range.
    """
    n = num_qubits
    if not isinstance(entanglement, str):
        blocks = [tuple(int(q) for q in block) for block in entanglement]
        for block in blocks:
            if len(block) != size or len(set(block)) != size or not all(0 <= q < n for q in block):
                raise InvalidInput(f"entanglement block {block}: {size} distinct qubits from 0 to {n - 1} are needed")
        return blocks
    if entanglement not in _WORDS:
        raise InvalidInput(f"entanglement '{entanglement}': one of {', '.join(_WORDS)} or a list of blocks is needed")
    if entanglement == "pairwise" and size > 2:
        raise InvalidInput(f"entanglement 'pairwise': the blocks are pairs, and {size} qubits are asked for")
    if entanglement == "full":
        return list(combinations(range(n), size))
    linear = [tuple(range(i, i + size)) for i in range(n - size + 1)]
    if entanglement == "linear" or size == 1:
        return linear
    if entanglement == "reverse_linear":
        return linear[::-1]
    if entanglement == "pairwise":
        return linear[::2] + linear[1::2]
    wrapped = [tuple((i + k) % n for k in range(size)) for i in range(n - size + 1, n)]
    ring = wrapped + linear if n > size else linear
    if entanglement == "circular" or not ring:
        return ring
    shift = layer % len(ring)
    ring = ring[len(ring) - shift :] + ring[: len(ring) - shift]
    return [block[::-1] for block in ring] if layer % 2 else ring


def two_local(
    num_qubits: int,
    rotations: str | Sequence[str],
    entanglers: str | Sequence[str],
    *,
    reps: int = 3,
    entanglement: Entanglement = "full",
    final_rotation: bool = True,
    prefix: str = "theta",
) -> Circuit:
    """Layers of gates on one qubit alternating with layers of gates on blocks of qubits (usually pairs).

    Parameters
    ----------
    num_qubits
        Number of qubits.
    rotations
        Names of gates on one qubit; each is put on every qubit in turn, each of its angles a new weight.
    entanglers
        Names of gates on two or more qubits; each is put on every block in turn, each of its angles a new weight.
    reps
        Number of entangling layers.
    entanglement
        See `entangled_blocks`.
    final_rotation
        Whether a rotation layer follows the last entangling layer.
    prefix
        Name of the weights.

    Raises
    ------
    InvalidInput
        ``reps`` is negative, a gate is unknown or acts on the wrong number of qubits, or the entanglement is wrong.
    """
    _at_least("reps", reps, 0)
    rotations = [rotations] if isinstance(rotations, str) else list(rotations)
    entanglers = [entanglers] if isinstance(entanglers, str) else list(entanglers)
    for name in rotations:
        if gate_shape(name)[0] != 1:
            raise InvalidInput(
                f"rotation gate '{name}' acts on {gate_shape(name)[0]} qubits: one that acts on 1 is needed"
            )
    circuit = Circuit(num_qubits, name="two_local")

    def put(name: str, qubits: Sequence[int]) -> None:
        start = len(circuit.parameters)
        angles = (Parameter(f"{prefix}[{start + i}]") for i in range(gate_shape(name)[1]))
        circuit.append(gate(name, *angles), qubits)

    for layer in range(reps + 1):
        if layer < reps or final_rotation:
            for name in rotations:
                for qubit in range(num_qubits):
                    put(name, [qubit])
        if layer < reps:
            for name in entanglers:
                for block in entangled_blocks(num_qubits, gate_shape(name)[0], entanglement, layer):
                    put(name, block)
    return circuit


def efficient_su2(
    num_qubits: int,
    reps: int = 3,
    entanglement: Entanglement = "reverse_linear",
    *,
    rotations: str | Sequence[str] = ("ry", "rz"),
    final_rotation: bool = True,
    prefix: str = "theta",
) -> Circuit:
    """RY and RZ on every qubit, CX between: ``2 n (reps + 1)`` weights (Qiskit's EfficientSU2). See `two_local`.

    >>> len(efficient_su2(5, 3, "full").weights)
    40
    """
    circuit = two_local(
        num_qubits,
        rotations,
        "cx",
        reps=reps,
        entanglement=entanglement,
        final_rotation=final_rotation,
        prefix=prefix,
    )
    circuit.name = "efficient_su2"
    return circuit


def real_amplitudes(
    num_qubits: int,
    reps: int = 3,
    entanglement: Entanglement = "reverse_linear",
    *,
    final_rotation: bool = True,
    prefix: str = "theta",
) -> Circuit:
    """RY on every qubit, CX between: ``n (reps + 1)`` weights (Qiskit's RealAmplitudes). See `two_local`."""
    circuit = two_local(
        num_qubits, "ry", "cx", reps=reps, entanglement=entanglement, final_rotation=final_rotation, prefix=prefix
    )
    circuit.name = "real_amplitudes"
    return circuit


def ry_rz_ansatz(num_qubits: int, reps: int = 2, *, final_rotation: bool = True, prefix: str = "theta") -> Circuit:
    """The hardware-efficient RY-RZ ansatz: on each qubit RY then RZ, then CX from each qubit to the next.

    Weights, ``2 n (reps + 1)`` with a final rotation layer, are numbered qubit by qubit: ``theta[2q]`` is the RY angle
    and ``theta[2q + 1]`` the RZ angle of qubit q in the first layer.

    Raises
    ------
    InvalidInput
        ``reps`` is negative.
    """
    _at_least("reps", reps, 0)
    circuit = Circuit(num_qubits, name="ry_rz_ansatz")
    for layer in range(reps + 1):
        if layer < reps or final_rotation:
            for qubit in range(num_qubits):
                start = len(circuit.parameters)
                circuit.ry(Parameter(f"{prefix}[{start}]"), qubit).rz(Parameter(f"{prefix}[{start + 1}]"), qubit)
        if layer < reps:
            for qubit in range(num_qubits - 1):
                circuit.cx(qubit, qubit + 1)
    return circuit


def strongly_entangling_layers(
    num_qubits: int, layers: int, *, ranges: Sequence[int] | None = None, prefix: str = "theta"
) -> Circuit:
    """Layers of general rotations and a ring of CX with a range that grows from layer to layer (arXiv:1804.00633).

    Layer l puts RZ, RY, RZ with weights ``theta[3 (l n + q) + k]``, k = 0, 1, 2, on each qubit q, and then CX from q
    to (q + r_l) mod n: PennyLane's ``StronglyEntanglingLayers`` with weights of shape ``[layers, n, 3]`` read in order.

    Parameters
    ----------
    num_qubits, layers
        Number of qubits and of layers.
    ranges
        r_l of each layer, 1 to n - 1; by default ``l mod (n - 1) + 1``.
    prefix
        Name of the weights.

    Raises
    ------
    InvalidInput
        ``layers`` is negative, or a range is out of its bounds.
    """
    n = num_qubits
    _at_least("layers", layers, 0)
    if ranges is None:
        ranges = [layer % max(n - 1, 1) + 1 for layer in range(layers)]
    elif len(ranges) != layers or not all(1 <= r < n for r in ranges):
        raise InvalidInput(f"ranges {list(ranges)}: {layers} numbers from 1 to {n - 1} are needed")
    circuit = Circuit(n, name="strongly_entangling_layers")
    for layer in range(layers):
        for q in range(n):
            a, b, c = (Parameter(f"{prefix}[{3 * (layer * n + q) + k}]") for k in range(3))
            circuit.rz(a, q).ry(b, q).rz(c, q)
        if n > 1:
            for q in range(n):
                circuit.cx(q, (q + ranges[layer]) % n)
    return circuit


def qaoa_ansatz(cost: Cost, reps: int = 1, *, num_qubits: int | None = None, multi_angle: bool = False) -> Circuit:
    """The quantum approximate optimisation ansatz (arXiv:1411.4028) for a cost that is diagonal.

        |beta, gamma> = Π_l exp(-i beta[l] Σ_q X_q) exp(-i gamma[l] C) |+>^n

    Parameters are those of `qaoa_layers`.

    >>> qaoa_ansatz({(0, 1): 1.0, (1, 2): 1.0}).count_ops()
    {'h': 3, 'rx': 3, 'rzz': 2}
    """
    layers = qaoa_layers(cost, reps, num_qubits=num_qubits, multi_angle=multi_angle)
    circuit = Circuit(layers.num_qubits, name="qaoa_ansatz")
    for q in range(circuit.num_qubits):
        circuit.h(q)
    return circuit.compose(layers)


def qaoa_layers(cost: Cost, reps: int = 1, *, num_qubits: int | None = None, multi_angle: bool = False) -> Circuit:
    """The layers of `qaoa_ansatz` alone: Π_l exp(-i beta[l] Σ_q X_q) exp(-i gamma[l] C), for any state before them.

    Weights in order: ``gamma[0], beta[0], gamma[1], beta[1], ...``

    Parameters
    ----------
    cost
        C = Σ_S c_S Π_{q in S} Z_q as a diagonal Pauli sum, or a mapping from tuples of qubits to c_S (the empty tuple is
        a constant); or a graph, which stands for its cut: C = Σ_(a,b) w_ab Z_a Z_b / 2, with nodes numbered in the
        graph's order and w the edge's ``weight``, 1 if it has none. The lowest C is the largest cut.
    reps
        Number of layers.
    num_qubits
        By default as many as the cost needs.
    multi_angle
        An angle for each gate (arXiv:2109.11455): ``gamma[l,k]`` for the k-th term of the cost, then ``beta[l,q]`` for each qubit.

    Raises
    ------
    InvalidInput
        ``reps`` is negative, the cost is empty or not diagonal, a qubit repeats in a term or is out of range, or a
        coefficient is not finite.
    """
    _at_least("reps", reps, 0)
    terms, size = _diagonal_terms(cost)
    n = size if num_qubits is None else num_qubits
    if not terms or n < 1:
        raise InvalidInput("qaoa_ansatz: the cost has no term")
    for term, coefficient in terms.items():
        if len(set(term)) != len(term) or not all(0 <= q < n for q in term):
            raise InvalidInput(f"qaoa_ansatz: term {term}: distinct qubits from 0 to {n - 1} are needed")
        if not math.isfinite(coefficient):
            raise InvalidInput(f"qaoa_ansatz: coefficient {coefficient} of term {term} is not finite")
    circuit = Circuit(n, name="qaoa_layers")

    def angle(name: str, layer: int, gate: int) -> Parameter:
        return Parameter(f"{name}[{layer},{gate}]" if multi_angle else f"{name}[{layer}]")

    for layer in range(reps):
        for k, (term, coefficient) in enumerate(terms.items()):
            rotate_z_product(circuit, 2.0 * coefficient * angle("gamma", layer, k), term)
        for q in range(n):
            circuit.rx(2.0 * angle("beta", layer, q), q)
    return circuit


def rotate_z_product(circuit: Circuit, angle: Angle, qubits: Sequence[int]) -> Circuit:
    """Append ``exp(-i angle/2 Π Z_q)``: a phase, RZ, RZZ, or RZ on the last qubit between ladders of CX."""
    if len(qubits) == 0:
        return circuit.global_phase(-0.5 * angle)
    if len(qubits) == 1:
        return circuit.rz(angle, qubits[0])
    if len(qubits) == 2:
        return circuit.rzz(angle, *qubits)
    for a, b in pairwise(qubits):
        circuit.cx(a, b)
    circuit.rz(angle, qubits[-1])
    for a, b in reversed(list(pairwise(qubits))):
        circuit.cx(a, b)
    return circuit


def _diagonal_terms(cost: Cost) -> tuple[dict[tuple[int, ...], float], int]:
    """The terms of a cost, and the number of qubits it needs."""
    if isinstance(cost, PauliSum):
        terms: dict[tuple[int, ...], float] = {}
        for c, x, z in cost.masks():
            if x or abs(complex(c).imag) > 1e-12 * abs(c):
                raise InvalidInput("qaoa_ansatz: the Pauli sum is not a real combination of products of Z")
            term = tuple(q for q in range(cost.num_qubits) if z >> q & 1)
            terms[term] = terms.get(term, 0.0) + complex(c).real
        return terms, cost.num_qubits
    if isinstance(cost, Mapping):
        return dict(cost), max((q + 1 for term in cost for q in term), default=0)
    number = {node: k for k, node in enumerate(cost)}
    edges = cost.edges(data="weight", default=1.0)
    return {(number[a], number[b]): 0.5 * w for a, b, w in edges if a != b}, len(number)


def _at_least(name: str, value: int, least: int) -> None:
    if int(value) != value or value < least:
        raise InvalidInput(f"{name} = {value}: a whole number, at least {least}, is needed")

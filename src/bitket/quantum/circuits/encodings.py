"""Encodings of data into circuits: feature maps with inputs ``x[0]``, ``x[1]``, ..., one for each qubit.

A feature map takes data x to a state |Phi(x)>; its kernel is |<Phi(x)|Phi(z)>|^2. Angle encoding turns qubit i by x_i.
The maps of Havlicek et al. (arXiv:1804.11326) put a diagonal unitary between layers of Hadamard gates,

    |Phi(x)> = U_Phi(x) H^n U_Phi(x) H^n |0>,   U_Phi(x) = exp(i Σ_S phi_S(x) Π_{i in S} Z_i).

>>> c = zz_feature_map(2, reps=1)
>>> [str(i.operation) for i in c if i.name == "p"]
['p(2.0*x[0])', 'p(2.0*x[1])', 'p(2.0*(3.141592653589793-x[0])*(3.141592653589793-x[1]))']
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from bitket.errors import InvalidInput
from bitket.quantum.circuits.ansatz import Entanglement, _at_least, entangled_blocks, rotate_z_product
from bitket.quantum.circuits.circuit import Circuit
from bitket.quantum.circuits.gates import gate, gate_shape
from bitket.quantum.circuits.parameter import Angle, Parameter, parameters

if TYPE_CHECKING:
    import networkx

__all__ = [
    "angle_encoding",
    "iqp_feature_map",
    "pauli_feature_map",
    "product_of_complements",
    "z_feature_map",
    "zz_feature_map",
]

Phi = Callable[[Sequence[Parameter], tuple[int, ...]], Angle]
"""From all inputs and a subset S of the qubits to the coefficient phi_S(x)."""


def product_of_complements(x: Sequence[Parameter], subset: tuple[int, ...]) -> Angle:
    """phi_{i}(x) = x_i and phi_S(x) = Π_{i in S} (pi - x_i) for larger S (arXiv:1804.11326)."""
    if len(subset) == 1:
        return x[subset[0]]
    return math.prod((math.pi - x[i] for i in subset), start=1.0)


def angle_encoding(num_qubits: int, rotation: str = "ry", *, prefix: str = "x") -> Circuit:
    """One rotation by ``x[i]`` on each qubit i.

    With ``"rx"`` or ``"ry"`` the kernel is Π_i cos²((x_i - z_i)/2).

    Raises
    ------
    InvalidInput
        ``rotation`` is not a gate on one qubit with one angle.
    """
    if gate_shape(rotation) != (1, 1):
        raise InvalidInput(f"angle encoding by '{rotation}': a gate on one qubit with one angle is needed")
    circuit = Circuit(num_qubits, name="angle_encoding")
    for q, x in enumerate(parameters(prefix, num_qubits, "input")):
        circuit.append(gate(rotation, x), [q])
    return circuit


def pauli_feature_map(
    num_qubits: int,
    reps: int = 2,
    paulis: Sequence[str] = ("Z", "ZZ"),
    entanglement: Entanglement = "full",
    *,
    alpha: float = 2.0,
    phi: Phi = product_of_complements,
    prefix: str = "x",
) -> Circuit:
    """Repeated layers of Hadamard gates and of Pauli evolutions P(alpha phi_S(x)) (Qiskit's PauliFeatureMap).

    For every Pauli string, its letters are put on each block S of qubits (rightmost letter on the first qubit of S): a
    change of basis, a ladder of CX, the phase gate ``P(alpha phi_S(x))`` on the last qubit, and back.

    Parameters
    ----------
    num_qubits, reps
        Number of qubits (and inputs) and of repetitions.
    paulis
        Strings of the letters I, X, Y, Z.
    entanglement
        The blocks of strings longer than one letter, see `entangled_blocks`. A list of blocks serves the strings of its
        length; single letters are put on every qubit.
    alpha
        Factor of every phase.
    phi
        The coefficients, see `product_of_complements`.
    prefix
        Name of the inputs.

    Raises
    ------
    InvalidInput
        ``reps`` is negative, a string is empty or has another letter, or the entanglement is wrong.
    """
    _at_least("reps", reps, 0)
    for word in paulis:
        if not word or set(word) - set("IXYZ"):
            raise InvalidInput(f"Pauli string '{word}': letters I, X, Y, Z are needed")
    x = parameters(prefix, num_qubits, "input")
    circuit = Circuit(num_qubits, name="pauli_feature_map").declare(*x)
    for layer in range(reps):
        for q in range(num_qubits):
            circuit.h(q)
        for word in paulis:
            blocks = (
                [(q,) for q in range(num_qubits)]
                if len(word) == 1
                else entangled_blocks(num_qubits, len(word), entanglement, layer)
            )
            for block in blocks:
                _evolve(circuit, word, block, alpha * phi(x, block))
    return circuit


def _evolve(circuit: Circuit, word: str, block: Sequence[int], angle: Angle) -> None:
    """exp(-i angle/2 P) up to a phase, P the letters of ``word`` from its right end on the qubits of ``block``."""
    letters = [(q, letter) for q, letter in zip(block, reversed(word), strict=True) if letter != "I"]
    if not letters:
        return
    for q, letter in letters:
        if letter == "Y":
            circuit.sdg(q)
        if letter in "XY":
            circuit.h(q)
    qubits = [q for q, _ in letters]
    for a, b in pairwise(qubits):
        circuit.cx(a, b)
    circuit.p(angle, qubits[-1])
    for a, b in reversed(list(pairwise(qubits))):
        circuit.cx(a, b)
    for q, letter in letters:
        if letter in "XY":
            circuit.h(q)
        if letter == "Y":
            circuit.s(q)


def z_feature_map(num_qubits: int, reps: int = 2, *, alpha: float = 2.0, prefix: str = "x") -> Circuit:
    """``reps`` times H and P(2 x_i) on each qubit: a product state (Qiskit's ZFeatureMap)."""
    circuit = pauli_feature_map(num_qubits, reps, ("Z",), alpha=alpha, prefix=prefix)
    circuit.name = "z_feature_map"
    return circuit


def zz_feature_map(
    num_qubits: int,
    reps: int = 2,
    entanglement: Entanglement = "full",
    *,
    alpha: float = 2.0,
    phi: Phi = product_of_complements,
    prefix: str = "x",
) -> Circuit:
    """``reps`` times H and P(2 x_i) on each qubit, then CX, P(2 (pi - x_i)(pi - x_j)), CX on pairs.

    Qiskit's ZZFeatureMap.

    P(2 phi) is exp(-i phi Z) up to a phase, so that the state is the complex conjugate of `iqp_feature_map`'s up to a
    phase: the kernels are equal, the states are not.
    """
    circuit = pauli_feature_map(num_qubits, reps, ("Z", "ZZ"), entanglement, alpha=alpha, phi=phi, prefix=prefix)
    circuit.name = "zz_feature_map"
    return circuit


def iqp_feature_map(
    num_qubits: int,
    reps: int = 2,
    pairs: str | Iterable[Sequence[int]] | networkx.Graph = "full",
    *,
    phi: Phi = product_of_complements,
    prefix: str = "x",
) -> Circuit:
    """The feature map of arXiv:1804.11326: ``reps`` times H on all and U_Phi(x) = exp(i Σ_S phi_S(x) Π_{i in S} Z_i).

    exp(i phi Z) is RZ(-2 phi) and exp(i phi Z Z) is RZZ(-2 phi), exactly, without a phase.

    Parameters
    ----------
    num_qubits, reps
        Number of qubits (and inputs) and of repetitions (2 in the paper).
    pairs
        The sets S of two qubits: ``"full"``, ``"linear"`` or another word of `entangled_blocks`, a list of pairs, or a
        graph whose nodes are qubits, such as a device's coupling map. All sets of one qubit are always there.
    phi
        The coefficients, see `product_of_complements`.
    prefix
        Name of the inputs.

    Raises
    ------
    InvalidInput
        ``reps`` is negative, or the pairs are wrong.
    """
    _at_least("reps", reps, 0)
    blocks = pairs if isinstance(pairs, str) else [tuple(pair) for pair in getattr(pairs, "edges", pairs)]
    subsets = [(q,) for q in range(num_qubits)] + entangled_blocks(num_qubits, 2, blocks)
    x = parameters(prefix, num_qubits, "input")
    circuit = Circuit(num_qubits, name="iqp_feature_map").declare(*x)
    for _ in range(reps):
        for q in range(num_qubits):
            circuit.h(q)
        for subset in subsets:
            rotate_z_product(circuit, -2.0 * phi(x, subset), subset)
    return circuit

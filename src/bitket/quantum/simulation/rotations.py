"""Programs as sequences of Pauli rotations: Clifford gates are moved to the end and end up in the observables.

With U = C R_k ... R_1, each R a rotation about a Pauli product and C Clifford, <O> after U equals <C† O C> after the rotations alone,
and a rotation behind a Clifford gate turns about the conjugated product: exp(-i a/2 P) C = C exp(-i a/2 C† P C). So CX, H, S, CZ and
SWAP cost nothing at run time, and one kernel serves every circuit. A controlled rotation is a product of 2^c commuting ones:

    exp(-i a/2 · Π P),  Π = prod_c (1 ± Z_c)/2   =   prod over subsets T of controls of exp(-i (±a) / 2^(c+1) · Z_T P)

Global phases are dropped: expectation values do not see them.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bitket.algebra import PauliString, PauliSum
from bitket.quantum.circuits import Circuit, unitary
from bitket.quantum.circuits.synthesis import euler_angles
from bitket.quantum.simulation.program import Op, PauliRotation, Program, Unitary, lower

__all__ = ["RotationProgram", "Turn", "to_rotations", "uncontrolled"]

_ATOL = 1e-10


@dataclass(frozen=True)
class Turn:
    """``exp(-i a/2 P)`` with a = ``factor`` times slot ``slot``, or the constant ``factor`` where ``slot`` is -1."""

    x: int
    z: int
    slot: int
    factor: float

    def commutes(self, other: Turn) -> bool:
        """Whether the two Pauli products commute."""
        return ((self.x & other.z).bit_count() + (self.z & other.x).bit_count()) % 2 == 0


@dataclass(frozen=True)
class RotationProgram:
    """Rotations in order of time, and the Clifford that follows them as images of X_q and Z_q under C† · C."""

    num_qubits: int
    turns: tuple[Turn, ...]
    images: tuple[tuple[PauliString, ...], tuple[PauliString, ...]]

    def pull_back(self, operator: PauliSum) -> PauliSum:
        """``C† O C``."""
        terms = []
        for c, x, z in operator.masks():
            image = _image(self.num_qubits, x, z, self.images)
            terms.append((c * image.phase, image.x, image.z))
        return PauliSum.from_masks(self.num_qubits, terms)


def to_rotations(program: Program) -> RotationProgram:
    """The rotations of a unitary program."""
    n = program.num_qubits
    xs = [PauliString(n, 1 << q, 0) for q in range(n)]
    zs = [PauliString(n, 0, 1 << q) for q in range(n)]
    turns: list[Turn] = []

    def turn(x: int, z: int, slot: int, factor: float) -> None:
        image = _image(n, x, z, (xs, zs))
        if image.x | image.z and factor:
            turns.append(Turn(image.x, image.z, slot, factor * image.phase.real))

    for op in program.ops:
        for simple in _simplified(op, n):
            if isinstance(simple, PauliRotation):
                for z, factor in uncontrolled(simple):
                    turn(simple.x_mask, z, simple.slot, factor)
            elif isinstance(simple, Turn):
                turn(simple.x, simple.z, simple.slot, simple.factor)
            else:
                qubits, conjugates = simple
                new = [[_embedded(n, p, qubits, (xs, zs)) for p in row] for row in conjugates]
                for k, q in enumerate(qubits):
                    xs[q], zs[q] = new[0][k], new[1][k]
    return RotationProgram(n, tuple(turns), (tuple(xs), tuple(zs)))


Images = tuple[Sequence[PauliString], Sequence[PauliString]]
Clifford = tuple[tuple[int, ...], tuple[tuple[PauliString, ...], tuple[PauliString, ...]]]


def _image(n: int, x: int, z: int, images: Images) -> PauliString:
    """``C† sigma(x, z) C`` from the images of single X and Z; its phase is ±1."""
    out = PauliString(n, 0, 0, (x & z).bit_count())  # sigma = i^|x & z| X^x Z^z
    for part, rows in ((x, images[0]), (z, images[1])):
        while part:
            q = (part & -part).bit_length() - 1
            out = out @ rows[q]
            part &= part - 1
    return out


def _embedded(n: int, small: PauliString, qubits: tuple[int, ...], images: Images) -> PauliString:
    x = sum(1 << q for k, q in enumerate(qubits) if small.x >> k & 1)
    z = sum(1 << q for k, q in enumerate(qubits) if small.z >> k & 1)
    image = _image(n, x, z, images)
    return PauliString(n, image.x, image.z, image.exponent + small.exponent)


def uncontrolled(op: PauliRotation) -> Iterator[tuple[int, float]]:
    """Z masks and factors of the uncontrolled rotations that make a controlled one."""
    if not op.control_mask:
        yield op.z_mask, 1.0
        return
    controls = [1 << q for q in range(op.control_mask.bit_length()) if op.control_mask >> q & 1]
    for chosen in itertools.product((False, True), repeat=len(controls)):
        mask = sum(c for c, take in zip(controls, chosen, strict=True) if take)
        sign = -1 if (mask & op.control_value).bit_count() % 2 else 1
        yield op.z_mask ^ mask, sign / 2 ** len(controls)


def _simplified(op: Op, n: int) -> list[PauliRotation | Turn | Clifford]:
    if isinstance(op, PauliRotation):
        return [op]
    assert isinstance(op, Unitary)
    controls = [q for q in range(n) if op.control_mask >> q & 1]
    if len(controls) + len(op.qubits) <= 3:
        qubits = (*controls, *op.qubits)
        state = sum((op.control_value >> q & 1) << k for k, q in enumerate(controls))
        matrix = np.eye(1 << len(qubits), dtype=complex)
        block = slice(state, None, 1 << len(controls))
        matrix[block, block] = op.matrix
        images = _clifford_images(matrix)
        if images is not None:
            return [(qubits, images)]
        if not controls and len(op.qubits) == 1:
            return list(_euler(op.matrix, op.qubits[0]))
    from bitket.quantum.circuits.decomposition import decompose

    state = sum((op.control_value >> q & 1) << k for k, q in enumerate(controls))
    gate = unitary(op.matrix).control(len(controls), state) if controls else unitary(op.matrix)
    plain = lower(decompose(Circuit(n).append(gate, (*controls, *op.qubits))))
    return [part for inner in plain.ops for part in _simplified(inner, n)]


_CLIFFORDS: dict[bytes, tuple[tuple[PauliString, ...], tuple[PauliString, ...]] | None] = {}


def _clifford_images(matrix: NDArray[np.complex128]) -> tuple[tuple[PauliString, ...], tuple[PauliString, ...]] | None:
    """Images of X_q and Z_q under M† · M, or None if M is not Clifford."""
    key = matrix.tobytes()
    if key not in _CLIFFORDS:
        n = len(matrix).bit_length() - 1
        _CLIFFORDS[key] = None
        rows = []
        for kind in (0, 1):
            found = []
            for q in range(n):
                pauli = PauliString(n, (1 << q) * (1 - kind), (1 << q) * kind)
                string = _as_string(matrix.conj().T @ pauli.matrix() @ matrix)
                if string is None:
                    return None
                found.append(string)
            rows.append(tuple(found))
        _CLIFFORDS[key] = (rows[0], rows[1])
    return _CLIFFORDS[key]


def _as_string(matrix: NDArray[np.complex128]) -> PauliString | None:
    """The Pauli string that a matrix is, or None."""
    size = len(matrix)
    n = size.bit_length() - 1
    x = int(np.argmax(np.abs(matrix[:, 0])))
    index = np.arange(size)
    entries = matrix[index ^ x, index]
    if not np.allclose(np.abs(entries), 1, atol=_ATOL):
        return None
    ratios = entries / entries[0]
    z = sum(1 << q for q in range(n) if ratios[1 << q].real < 0)
    for exponent in range(4):
        string = PauliString(n, x, z, exponent)
        if np.allclose(string.matrix(), matrix, atol=_ATOL):
            return string
    return None


def _euler(matrix: NDArray[np.complex128], qubit: int) -> Iterator[Turn]:
    """A one-qubit unitary as RZ, RY, RZ by constant angles, up to a phase."""
    _, theta, phi, lam = euler_angles(matrix)
    bit = 1 << qubit
    for x, z, angle in ((0, bit, lam), (bit, bit, theta), (0, bit, phi)):
        if abs(math.remainder(angle, 4 * math.pi)) > 1e-15:
            yield Turn(x, z, -1, float(angle))

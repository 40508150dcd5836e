"""Programs as maps on Pauli-transfer vectors: constant matrices on one or two qubits, and rotations about Pauli products."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bitket.quantum.circuits import Circuit, unitary
from bitket.quantum.noise.channels import Channel as NoiseChannel
from bitket.quantum.simulation.program import Channel, Measure, Op, PauliRotation, Program, Reset, lower
from bitket.quantum.simulation.rotations import Turn, uncontrolled

__all__ = ["Map", "pauli_index", "to_maps", "transfer_matrix"]

_DEPHASE = np.diag([1.0, 0.0, 0.0, 1.0])
_RESET = np.array([[1.0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0], [1.0, 0, 0, 0]])


@dataclass(frozen=True, eq=False)
class Map:
    """A constant Pauli-transfer matrix ``[4^k, 4^k]`` on ``qubits`` (first the least significant digit)."""

    matrix: NDArray[np.float64]
    qubits: tuple[int, ...]


def to_maps(program: Program) -> list[Map | Turn] | None:
    """The program as constant maps on one or two qubits and rotations about Pauli products, in order of time.

    Measurements dephase, resets reset; larger gates are decomposed. None where that does not do: conditions, and channels on three or
    more qubits.
    """
    maps: list[Map | Turn] = []
    for op in program.ops:
        if op.condition is not None or (isinstance(op, Channel) and len(op.qubits) > 2):
            return None
        maps += _maps(op, program.num_qubits)
    return maps


def _maps(op: Op, n: int) -> list[Map | Turn]:
    if isinstance(op, PauliRotation):
        return [Turn(op.x_mask, z, op.slot, factor) for z, factor in uncontrolled(op) if op.x_mask or z]
    if isinstance(op, Channel):
        return [Map(transfer_matrix(op.kraus), op.qubits)]
    if isinstance(op, Measure | Reset):
        return [Map(_DEPHASE if isinstance(op, Measure) else _RESET, (op.qubit,))]
    controls = [q for q in range(n) if op.control_mask >> q & 1]
    qubits = (*controls, *op.qubits)
    state = sum((op.control_value >> q & 1) << k for k, q in enumerate(controls))
    if len(qubits) <= 2:
        matrix = np.eye(1 << len(qubits), dtype=complex)
        block = slice(state, None, 1 << len(controls))
        matrix[block, block] = op.matrix
        return [Map(transfer_matrix(matrix[None]), qubits)]
    from bitket.quantum.circuits.decomposition import decompose

    gate = unitary(op.matrix).control(len(controls), state) if controls else unitary(op.matrix)
    plain = lower(decompose(Circuit(n).append(gate, qubits)))
    return [part for inner in plain.ops for part in _maps(inner, n)]


_MATRICES: dict[bytes, NDArray[np.float64]] = {}


def transfer_matrix(kraus: NDArray[np.complex128]) -> NDArray[np.float64]:
    """The Pauli-transfer matrix of Kraus operators, rounding errors of its zeros and ones removed; kept for the next circuit."""
    key = kraus.tobytes()
    if key not in _MATRICES:
        if len(_MATRICES) >= 1024:
            _MATRICES.pop(next(iter(_MATRICES)))
        matrix = NoiseChannel(kraus).pauli_transfer()
        nearest = np.round(matrix)
        matrix = np.where(np.abs(matrix - nearest) < 4e-16 * len(matrix), nearest, matrix)
        matrix[0] = np.eye(len(matrix))[0]
        _MATRICES[key] = matrix
    return _MATRICES[key]


def pauli_index(x: int, z: int) -> int:
    """The component of a Pauli product given by masks: its base-4 digits are I, X, Y, Z = 0, 1, 2, 3."""
    index, place = 0, 0
    while x or z:
        index |= (0, 1, 3, 2)[(x & 1) | (z & 1) << 1] << place
        x, z, place = x >> 1, z >> 1, place + 2
    return index

"""Programs on density matrices as programs on vectors of 2n qubits, rho[r, c] at index r 2^n + c, so that the simulator of states serves:

U rho U†        ->  U on the row qubits, U* on the column qubits
sum_k K rho K†  ->  the superoperator sum_k K ⊗ K* on both
"""

from __future__ import annotations

import numpy as np

from bitket.errors import InvalidInput
from bitket.quantum.simulation.program import Channel, Measure, Op, PauliRotation, Program, Unitary

__all__ = ["doubled"]

_DEPHASE = np.array([[[1, 0], [0, 0]], [[0, 0], [0, 1]]], dtype=complex)
_RESET = np.array([[[1, 0], [0, 0]], [[0, 1], [0, 0]]], dtype=complex)


def doubled(program: Program) -> Program:
    """The program on vectorised density matrices: qubits 0 to n-1 are columns, n to 2n-1 rows.

    Rotations of the columns turn by the complex conjugate, exp(+i a/2 P*), with P* = ±P by the number of Y: they use slots of their
    own, which hold minus the angle (see `run_density`).

    Raises
    ------
    InvalidInput
        A measured bit is used again by a condition.
    """
    n, count = program.num_qubits, len(program.slots)
    ops: list[Op] = []
    for op in program.ops:
        if op.condition is not None:
            raise InvalidInput(
                "density matrix: the circuit has a condition on a measured bit; use sample, which follows each outcome"
            )
        if isinstance(op, PauliRotation):
            minus = (op.x_mask & op.z_mask).bit_count() % 2 == 0  # conjugation flips each Y
            ops.append(
                PauliRotation(op.x_mask << n, op.z_mask << n, op.slot, op.control_mask << n, op.control_value << n)
            )
            ops.append(
                PauliRotation(
                    op.x_mask, op.z_mask, op.slot + (count if minus else 0), op.control_mask, op.control_value
                )
            )
        elif isinstance(op, Unitary):
            rows = tuple(q + n for q in op.qubits)
            ops.append(Unitary(op.matrix, rows, op.control_mask << n, op.control_value << n))
            ops.append(Unitary(op.matrix.conj(), op.qubits, op.control_mask, op.control_value))
        else:
            kraus, qubits = (
                (op.kraus, op.qubits)
                if isinstance(op, Channel)
                else (_DEPHASE if isinstance(op, Measure) else _RESET, (op.qubit,))
            )
            superoperator = sum(np.kron(k, k.conj()) for k in kraus)
            ops.append(Unitary(np.asarray(superoperator), (*qubits, *(q + n for q in qubits))))
    slots = (*program.slots, *(-slot for slot in program.slots))
    return Program(2 * n, 0, tuple(ops), slots, program.weights, program.inputs, 0.0, None)

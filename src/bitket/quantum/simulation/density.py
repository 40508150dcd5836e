"""Density matrices: circuits with noise channels, measurements and resets, exactly.

A density matrix is held as a vector on 2n qubits, rho[r, c] at index r 2^n + c, so that the simulator of states serves again:

    U rho U†        ->  U on the row qubits, U* on the column qubits
    sum_k K rho K†  ->  the superoperator sum_k K ⊗ K* on both

Memory: 16 · 4^n bytes in double precision for each sample of a batch.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from bitket.errors import InvalidInput
from bitket.quantum.circuits import Circuit
from bitket.quantum.simulation import memory, twin
from bitket.quantum.simulation.asked import Asked
from bitket.quantum.simulation.observables import density_values
from bitket.quantum.simulation.program import Channel, Measure, Noise, Op, PauliRotation, Program, Unitary
from bitket.quantum.simulation.states import complex_dtype, program_and_angles, run_state

__all__ = ["density_matrix", "doubled", "run_density", "takes", "values"]

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


def run_density(program: Program, angles: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Density matrices ``[..., 2^n, 2^n]`` from |0...0> for angles ``[..., S]``."""
    n, batch = program.num_qubits, tuple(angles.shape[:-1])
    count = int(np.prod(batch, dtype=float)) if batch else 1
    kind = complex_dtype(dtype)
    memory.require(
        count * 4.0**n * kind.itemsize * 1.1,
        f"a density matrix of {n} qubits" + (f" for {count} samples" if batch else ""),
    )
    double = program.cache("doubled", lambda: doubled(program))
    both = torch.cat([angles, -angles], dim=-1)
    state = twin.zero_state(2 * n, batch, kind, angles.device)
    return run_state(double, state, both).reshape(*batch, 1 << n, 1 << n)


# -- the engine -------------------------------------------------------------------------------------------------------
def takes(asked: Asked) -> bool:
    """Every program; one with conditions is refused in `doubled`'s words."""
    return True


def values(asked: Asked) -> torch.Tensor:
    """Expectation values ``[..., m]`` with torch's own graph: derivatives of any order, memory grows with depth."""
    return density_values(run_density(asked.program, asked.angles(), asked.dtype), asked.observables)


def density_matrix(
    circuit: Circuit,
    weights: Any = None,
    inputs: Any = None,
    *,
    noise: Noise | None = None,
    dtype: torch.dtype = torch.float64,
    device: torch.device | str = "cpu",
) -> torch.Tensor:
    """Density matrix after a circuit with noise; measurements dephase, resets reset.

    Parameters
    ----------
    circuit, weights, inputs, dtype
        As for `statevector`.
    noise
        A noise model; without one the state is pure unless the circuit measures or resets.

    Returns
    -------
    Tensor
        Complex, ``[..., 2^n, 2^n]``, little-endian. Differentiable.

    Raises
    ------
    NotEnoughMemory
        The matrices do not fit.
    InvalidInput
        The circuit has conditions.
    """
    program, angles = program_and_angles(circuit, weights, inputs, dtype, torch.device(device), noise)
    return run_density(program, angles, dtype)

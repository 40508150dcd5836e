"""Unitary programs on one large state in the compiled core.

One-qubit matrices are gathered until an operation on several qubits needs their qubit, so that a layer of RY and RZ costs one pass. An
operation may overtake those that share no qubit with it: what stays within the low qubits is drawn together and runs in cache.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from bitket.quantum.simulation import native
from bitket.quantum.simulation.program import PauliRotation, Program, Unitary

__all__ = ["can_run", "run_native"]

_LOW = 14  # qubits of a tile of the core
_WAITING = 64  # how far back an operation may be drawn


def can_run(program: Program) -> bool:
    """Whether the core has kernels for all operations."""
    return program.is_unitary and all(isinstance(op, PauliRotation) or len(op.qubits) <= 5 for op in program.ops)  # type: ignore[union-attr]


def run_native(program: Program, state: torch.Tensor, angles: torch.Tensor) -> torch.Tensor:
    """A unitary program on states ``[..., 2^n]`` for angles ``[..., S]``, in place where ``state`` is contiguous."""
    batch = torch.broadcast_shapes(state.shape[:-1], angles.shape[:-1])
    state = state.expand(*batch, state.shape[-1]).contiguous()
    rows = state.reshape(math.prod(batch), state.shape[-1])
    values = (
        angles.detach().to(torch.float64).expand(*batch, angles.shape[-1]).reshape(len(rows), angles.shape[-1]).numpy()
    )
    native.threads()
    for k, row in enumerate(rows):
        native.core.state_run(_operations(program, values[k]), torch.view_as_real(row).reshape(-1), program.num_qubits)
    if program.phase:
        rows *= complex(math.cos(program.phase), math.sin(program.phase))
    return rows.reshape(*batch, state.shape[-1])


class _Gather:
    """One-qubit matrices that wait for their qubit, and the operations in the order they will run."""

    def __init__(self, num_qubits: int) -> None:
        self.pending: dict[int, NDArray[np.complex128]] = {}
        self.high: list[tuple[int, Any]] = []  # operations beyond the low qubits that low ones may still overtake
        self.list = native.core.StateOps()
        self.low = (1 << min(num_qubits, _LOW)) - 1

    def one(self, qubit: int, matrix: NDArray[np.complex128]) -> None:
        before = self.pending.get(qubit)
        self.pending[qubit] = matrix if before is None else matrix @ before

    def settle(self, bits: int) -> None:
        """Emit what waits on some qubits."""
        for q in [q for q in self.pending if bits >> q & 1]:
            self._emit(1 << q, 1 << q, ("dense", (q,), self.pending.pop(q), 0, 0))

    def several(self, bits: int, touched: int, call: tuple[Any, ...]) -> None:
        self.settle(bits)
        self._emit(bits, touched, call)

    def _emit(self, bits: int, touched: int, call: tuple[Any, ...]) -> None:
        if touched & ~self.low == 0 and not any(b & bits for b, _ in self.high):
            self._call(call)
            return
        self.high.append((bits, call))
        if len(self.high) > _WAITING:
            self.flush()

    def _call(self, call: tuple[Any, ...]) -> None:
        if call[0] == "dense":
            _, qubits, matrix, mask, value = call
            flat = np.ascontiguousarray(matrix, dtype=complex).reshape(-1).view(float)
            self.list.dense(tuple(qubits), flat, mask, value)
        else:
            self.list.rotation(*call[1:])

    def flush(self) -> None:
        for _, call in self.high:
            self._call(call)
        self.high.clear()


def _operations(program: Program, angles: NDArray[np.float64]) -> Any:
    gather = _Gather(program.num_qubits)
    for op in program.ops:
        if isinstance(op, PauliRotation):
            c, s = math.cos(angles[op.slot] / 2), math.sin(angles[op.slot] / 2)
            bits = op.x_mask | op.z_mask | op.control_mask
            if not op.control_mask and bits.bit_count() == 1:
                gather.one(bits.bit_length() - 1, _rotation(op, c, s))
            else:
                gather.several(
                    bits, op.x_mask, ("rotation", op.x_mask, op.z_mask, c, s, op.control_mask, op.control_value)
                )
        else:
            assert isinstance(op, Unitary)
            if len(op.qubits) == 1 and not op.control_mask:
                gather.one(op.qubits[0], op.matrix)
            else:
                touched = sum(1 << q for q in op.qubits)
                gather.several(
                    touched | op.control_mask,
                    touched,
                    ("dense", op.qubits, op.matrix, op.control_mask, op.control_value),
                )
    gather.settle((1 << program.num_qubits) - 1)
    gather.flush()
    return gather.list


def _rotation(op: PauliRotation, c: float, s: float) -> NDArray[np.complex128]:
    if op.x_mask and op.z_mask:
        return np.array([[c, -s], [s, c]], dtype=complex)
    if op.x_mask:
        return np.array([[c, -1j * s], [-1j * s, c]])
    return np.array([[c - 1j * s, 0], [0, c + 1j * s]])

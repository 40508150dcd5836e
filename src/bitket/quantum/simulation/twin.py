"""The simulator in plain torch operators: the twin of every compiled kernel, the CUDA path, and the oracle of the tests.

States are tensors ``[..., 2^n]``; qubit 0 is the least significant bit of the last index. Everything is differentiable.
"""

from __future__ import annotations

import torch

from bitket.quantum.simulation.program import PauliRotation, Program, Unitary

__all__ = ["apply_pauli", "apply_rotation", "apply_unitary", "evolve", "zero_state"]


def zero_state(num_qubits: int, batch: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> torch.Tensor:
    """|0...0> for each entry of a batch, ``[*batch, 2^n]``."""
    state = torch.zeros((*batch, 1 << num_qubits), dtype=dtype, device=device)
    state[..., 0] = 1
    return state


def evolve(program: Program, state: torch.Tensor, angles: torch.Tensor) -> torch.Tensor:
    """The state after a unitary program.

    Parameters
    ----------
    state
        ``[..., 2^n]`` complex; its leading shape and that of ``angles`` broadcast.
    angles
        ``[..., S]``, see `Program.angles`.
    """
    for op in program.ops:
        if isinstance(op, PauliRotation):
            state = apply_rotation(state, op, angles[..., op.slot])
        else:
            assert isinstance(op, Unitary)
            state = apply_unitary(state, op)
    if program.phase:
        state = state * complex(torch.exp(torch.tensor(1j * program.phase, dtype=torch.complex128)))
    return state


def apply_unitary(state: torch.Tensor, op: Unitary) -> torch.Tensor:
    """A constant matrix on some qubits, where the controls match."""
    n, k = state.shape[-1].bit_length() - 1, len(op.qubits)
    matrix = torch.tensor(op.matrix, dtype=state.dtype, device=state.device)
    batch = state.shape[:-1]
    tensor = state.reshape(*batch, *(2,) * n)
    b = len(batch)
    controls = [q for q in range(n) if op.control_mask >> q & 1]
    pick: tuple[slice | int, ...] = (slice(None),) * b + tuple(
        (op.control_value >> q & 1) if op.control_mask >> q & 1 else slice(None) for q in reversed(range(n))
    )
    part = tensor[pick]
    left = [q for q in reversed(range(n)) if q not in controls]  # the qubit of each remaining axis
    axes = [b + left.index(q) for q in reversed(op.qubits)]
    moved = torch.movedim(part, axes, tuple(range(-k, 0)))
    out = (moved.reshape(*moved.shape[:-k], 1 << k) @ matrix.T).reshape(moved.shape)
    out = torch.movedim(out, tuple(range(-k, 0)), axes)
    if not controls:
        return out.reshape(*batch, 1 << n)
    tensor = tensor.clone()
    tensor[pick] = out
    return tensor.reshape(*batch, 1 << n)


def apply_pauli(state: torch.Tensor, x_mask: int, z_mask: int) -> torch.Tensor:
    """The Hermitian Pauli product with the given X and Z parts (Y where both are set) applied to a state."""
    index = torch.arange(state.shape[-1], device=state.device)
    flipped = index ^ x_mask
    real = torch.float32 if state.dtype == torch.complex64 else torch.float64
    sign = 1 - 2 * _parity(flipped & z_mask).to(real)
    factor = (1, 1j, -1, -1j)[(x_mask & z_mask).bit_count() % 4]
    return factor * (state[..., flipped] * sign)


def apply_rotation(state: torch.Tensor, op: PauliRotation, angle: torch.Tensor) -> torch.Tensor:
    """``exp(-i angle/2 · P)`` where the controls match; ``angle`` has the leading shape of the state."""
    half = (angle / 2).unsqueeze(-1)
    real = torch.float32 if state.dtype == torch.complex64 else torch.float64
    cos, sin = torch.cos(half).to(real), torch.sin(half).to(real)
    moved = apply_pauli(state, op.x_mask, op.z_mask) if op.x_mask or op.z_mask else state
    out = cos * state - 1j * (sin * moved)
    if not op.control_mask:
        return out
    index = torch.arange(state.shape[-1], device=state.device)
    return torch.where((index & op.control_mask) == op.control_value, out, state)


def _parity(bits: torch.Tensor) -> torch.Tensor:
    for shift in (32, 16, 8, 4, 2, 1):
        bits = bits ^ (bits >> shift)
    return bits & 1

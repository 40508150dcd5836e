"""Pauli sums on torch states: expectation values and products ``O psi``, batched and differentiable."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from bitket.algebra import PauliSum

__all__ = ["apply_sum", "density_values", "state_values"]


def _diagonals(operator: PauliSum, state: torch.Tensor) -> Any:
    index = torch.arange(1 << operator.num_qubits, device=state.device)
    for x, diagonal in operator.diagonals():
        d = torch.from_numpy(diagonal).to(device=state.device, dtype=state.dtype)
        yield x, (index ^ x if x else None), d


def state_values(state: torch.Tensor, observables: Sequence[PauliSum]) -> torch.Tensor:
    """``<psi|O_k|psi>`` for states ``[..., 2^n]``: real, ``[..., m]``."""
    columns = []
    for o in observables:
        total = torch.zeros(state.shape[:-1], dtype=state.real.dtype, device=state.device)
        for _, flipped, d in _diagonals(o, state):
            if flipped is None:
                total = total + (state.real**2 + state.imag**2) @ d.real
            else:
                other = state[
                    ..., flipped
                ]  # the real part of conj(other) state d; torch cannot batch conj in forward mode
                total = total + (other.real * state.real + other.imag * state.imag) @ d.real
                total = total - (other.real * state.imag - other.imag * state.real) @ d.imag
        columns.append(total)
    return torch.stack(columns, dim=-1)


def apply_sum(state: torch.Tensor, operator: PauliSum) -> torch.Tensor:
    """``O psi`` for states ``[..., 2^n]``."""
    out = torch.zeros_like(state)
    for _, flipped, d in _diagonals(operator, state):
        moved = d * state
        out += moved if flipped is None else moved[..., flipped]
    return out


def density_values(density: torch.Tensor, observables: Sequence[PauliSum]) -> torch.Tensor:
    """``Tr(O_k rho)`` for density matrices ``[..., 2^n, 2^n]``: real, ``[..., m]``."""
    rows = torch.arange(density.shape[-1], device=density.device)
    columns = []
    for o in observables:
        total = torch.zeros(density.shape[:-2], dtype=density.real.dtype, device=density.device)
        for _, flipped, d in _diagonals(o, density):
            entries = density[..., rows, rows if flipped is None else flipped]
            total = total + (entries @ d).real
        columns.append(total)
    return torch.stack(columns, dim=-1)

"""Pauli sums on torch states: expectation values and products ``O psi``, batched and differentiable."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from bitket.algebra import PauliSum
from bitket.errors import InvalidInput

__all__ = ["apply_sum", "as_read", "check", "density_values", "state_values"]


def check(observables: PauliSum | Sequence[PauliSum], num_qubits: int) -> tuple[list[PauliSum], bool]:
    """The observables as a list, and whether a single one was given.

    Raises
    ------
    InvalidInput
        There is none, one is on another number of qubits, or one is not Hermitian.
    """
    single = isinstance(observables, PauliSum)
    listed: list[Any] = [observables] if isinstance(observables, PauliSum) else list(observables)
    if not listed:
        raise InvalidInput("observables: at least one Pauli sum is needed")
    for k, o in enumerate(listed):
        if not isinstance(o, PauliSum):
            raise InvalidInput(
                f"observable {k} is a {type(o).__name__}: Pauli sums are needed, such as PauliSum.from_list([('ZZ', 1.0)])"
            )
        if o.num_qubits != num_qubits:
            raise InvalidInput(f"observable {k} is on {o.num_qubits} qubits, the circuit has {num_qubits}")
        if not o.is_hermitian():
            raise InvalidInput(f"observable {k} is not Hermitian: its coefficients must be real")
    return listed, single


def as_read(observables: Sequence[PauliSum], noise: Any) -> list[PauliSum]:
    """The observables whose values are what detectors with the readout errors of a noise model give on average.

    Each letter P becomes (1 - p10 - p01) P + (p01 - p10) I with the errors of its qubit: products are measured letter by letter.
    """
    out = []
    for o in observables:
        terms: list[tuple[complex, int, int]] = list(o.masks())
        for q in range(o.num_qubits):
            matrix = noise.readout_matrix(q)
            if matrix is None:
                continue
            keep, shift = 1 - matrix[1, 0] - matrix[0, 1], matrix[0, 1] - matrix[1, 0]
            seen = [(c, x, z) for c, x, z in terms if (x | z) >> q & 1]
            terms = [(c * keep if (x | z) >> q & 1 else c, x, z) for c, x, z in terms]
            if shift:
                terms += [(c * shift, x & ~(1 << q), z & ~(1 << q)) for c, x, z in seen]
        out.append(PauliSum.from_masks(o.num_qubits, terms).simplify(0.0))
    return out


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

"""What `sampling` needs of states, in torch operators: shots that a generator of torch began stay what they were, to the last rounding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from bitket.quantum.simulation import twin
from bitket.quantum.simulation.program import PauliRotation, Unitary

__all__ = ["apply_matrix", "apply_rotation", "joined", "scaled", "squares", "zero"]


def zero(num_qubits: int, kind: np.dtype[Any]) -> torch.Tensor:
    """|0...0>, ``[1, 2^n]``."""
    wanted = torch.complex64 if kind == np.complex64 else torch.complex128
    return twin.zero_state(num_qubits, (1,), wanted, torch.device("cpu"))


def apply_matrix(
    state: torch.Tensor, matrix: NDArray[Any], qubits: tuple[int, ...], mask: int = 0, value: int = 0
) -> torch.Tensor:
    """A matrix on some qubits, where ``index & mask == value``."""
    return twin.apply_unitary(state, Unitary(matrix, qubits, mask, value))


def apply_rotation(state: torch.Tensor, op: PauliRotation, angle: float) -> torch.Tensor:
    """``exp(-i angle/2 · P)`` where the controls match."""
    return twin.apply_rotation(state, op, torch.tensor(angle, dtype=state.real.dtype).expand(len(state)))


def squares(state: torch.Tensor) -> NDArray[np.float64]:
    """Squared norms of states."""
    norms: NDArray[np.float64] = (state.real**2 + state.imag**2).sum(-1).double().numpy()
    return norms


def scaled(state: torch.Tensor, norms: NDArray[np.float64]) -> torch.Tensor:
    """Each state over its norm."""
    return state / torch.from_numpy(norms).to(state.dtype).unsqueeze(-1)


def joined(states: Sequence[torch.Tensor]) -> torch.Tensor:
    """States one after the other."""
    return torch.cat(list(states))

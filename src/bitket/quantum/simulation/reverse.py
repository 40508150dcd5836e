"""Expectation values and adjoint gradients of unitary programs in torch operators: for other devices, and without the compiled core.

One walk forwards and one back, memory independent of depth (Jones and Gacon 2020, arXiv:2009.02823). For upstream gradients g_k,
lambda = sum_k g_k O_k psi is taken backwards with psi, and each rotation exp(-i a/2 · Π P) gives

    dE/da = Im <lambda| Π P |psi>.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch

from bitket.algebra import PauliSum
from bitket.quantum.simulation import twin
from bitket.quantum.simulation.asked import Asked, transformed
from bitket.quantum.simulation.derivatives import Kernel, apply, slopes, wants_graph
from bitket.quantum.simulation.observables import apply_sum, state_values
from bitket.quantum.simulation.program import PauliRotation, Program, Unitary
from bitket.quantum.simulation.states import complex_dtype

__all__ = ["StateKernel", "takes", "values"]


def takes(asked: Asked) -> bool:
    """Every unitary program."""
    return True


def values(asked: Asked) -> torch.Tensor:
    """Expectation values ``[..., m]``, with the adjoint gradient."""
    angles = asked.angles()
    kernel = TorchKernel(asked.program, asked.observables)
    if transformed():
        return apply(kernel, angles)
    result: torch.Tensor = _Adjoint.apply(angles, kernel)
    return result


class StateKernel(Kernel):
    """A kernel of a unitary program: its twin is the torch simulator of states."""

    def twin(self, angles: torch.Tensor) -> torch.Tensor:
        """Values in torch operators."""
        return state_values(_evolved(self.program, angles), self.observables)

    twin_pays = 256

    def twin_bytes(self) -> float:
        """Memory of one sample's state."""
        return 16.0 * 2**self.program.num_qubits


class TorchKernel(StateKernel):
    """The kernel in torch operators."""

    twin_pays = 0

    def values(self, angles: torch.Tensor) -> torch.Tensor:
        """``[N, m]``."""
        return state_values(_evolved(self.program, angles), self.observables)

    def slopes(self, angles: torch.Tensor, upstream: torch.Tensor) -> torch.Tensor:
        """``Jᵀu``, ``[N, S]``."""
        chunk = max(1, (1 << 26) // (16 << self.program.num_qubits))  # shifted angles are many
        parts = [
            _walk_back(self.program, self.observables, a, _evolved(self.program, a), u)
            for a, u in zip(angles.split(chunk), upstream.split(chunk), strict=True)
        ]
        return torch.cat(parts)

    def of(self, program: Program) -> Kernel:
        """The kernel of another program."""
        return TorchKernel(program, self.observables)


class _Adjoint(torch.autograd.Function):
    """The kernel with the state kept for the walk back."""

    @staticmethod
    def forward(ctx: Any, angles: torch.Tensor, kernel: TorchKernel) -> torch.Tensor:
        state = _evolved(kernel.program, angles)
        ctx.kernel, ctx.state = kernel, state
        ctx.save_for_backward(angles)
        return state_values(state, kernel.observables)

    @staticmethod
    def backward(ctx: Any, upstream: torch.Tensor) -> tuple[torch.Tensor, None]:
        (angles,) = ctx.saved_tensors
        if wants_graph(upstream):
            return slopes(angles, upstream, ctx.kernel), None
        return _walk_back(ctx.kernel.program, ctx.kernel.observables, angles, ctx.state, upstream), None


def _evolved(program: Program, angles: torch.Tensor) -> torch.Tensor:
    kind = complex_dtype(angles.dtype)
    state = twin.zero_state(program.num_qubits, tuple(angles.shape[:-1]), kind, angles.device)
    return twin.evolve(program, state, angles)


def _walk_back(
    program: Program, observables: Sequence[PauliSum], angles: torch.Tensor, psi: torch.Tensor, upstream: torch.Tensor
) -> torch.Tensor:
    bra = torch.zeros_like(psi)
    for k, o in enumerate(observables):
        bra += upstream[..., k : k + 1] * apply_sum(psi, o)
    gradient = torch.zeros_like(angles)
    for op in reversed(program.ops):
        if isinstance(op, PauliRotation):
            angle = angles[..., op.slot]
            moved = twin.apply_pauli(psi, op.x_mask, op.z_mask) if op.x_mask or op.z_mask else psi
            if op.control_mask:
                index = torch.arange(psi.shape[-1], device=psi.device)
                moved = moved * ((index & op.control_mask) == op.control_value)
            gradient[..., op.slot] += (bra.conj() * moved).sum(-1).imag
            psi, bra = (twin.apply_rotation(v, op, -angle) for v in (psi, bra))
        else:
            assert isinstance(op, Unitary)
            back = replace(op, matrix=op.matrix.conj().T)
            psi, bra = (twin.apply_unitary(v, back) for v in (psi, bra))
    return gradient

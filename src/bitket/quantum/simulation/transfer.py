"""Noisy expectation values from the Pauli-transfer vector: real, 4^n long, one component for each Pauli product.

    r_P = Tr(P rho),   rho = 2^-n sum_P r_P P,   <O> = sum_P c_P r_P for O = sum_P c_P P

Index digit q of base 4 is the letter of qubit q: I, X, Y, Z = 0, 1, 2, 3. A channel is a real matrix on the digits of its qubits; |0> is
(1, 0, 0, 1). A rotation about a Pauli product Q turns the components that anticommute with Q in pairs:

    exp(-i a/2 Q) P exp(i a/2 Q) = cos a P + sin a (-i Q P)

Clifford gates are signed permutations, Pauli channels are diagonal. All maps keep the trace: digit I of a qubit that nothing later needs
is its reduced state. Gradients are exact: E is linear in each map, so the vector taken forwards and the observable taken backwards
(with transposed maps, which exist also where noise has no inverse) give dE/da = sum_PQ l_P (dM/da)_PQ r_Q.

Source of the formalism: Greenbaum 2015, arXiv:1509.02921.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from bitket.algebra import PauliSum
from bitket.quantum.simulation import memory, native, transfer_core
from bitket.quantum.simulation.asked import Asked, transformed
from bitket.quantum.simulation.derivatives import Kernel, apply, slopes, wants_graph
from bitket.quantum.simulation.program import Program
from bitket.quantum.simulation.transfer_maps import Map, pauli_index, to_maps

__all__ = ["TransferKernel", "pauli_values", "pauli_vector", "takes", "values"]


# -- the twin in torch operators --------------------------------------------------------------------------------------
def pauli_vector(program: Program, angles: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Pauli-transfer vectors ``[..., 4^n]`` from |0...0> for angles ``[..., S]``, differentiable to any order.

    Memory: one vector, or with gradients one for each map.
    """
    maps = program.cache("transfer maps", lambda: to_maps(program))
    assert maps is not None
    n, batch = program.num_qubits, tuple(angles.shape[:-1])
    memory.require(math.prod(batch) * 4.0**n * dtype.itemsize * 2.2, f"a Pauli-transfer vector of {n} qubits")
    zero = torch.tensor([1.0, 0, 0, 1], dtype=dtype, device=angles.device)
    vector = torch.ones(1, dtype=dtype, device=angles.device)
    for _ in range(n):
        vector = torch.kron(zero, vector)
    vector = vector.expand(*batch, -1)
    for m in maps:
        if isinstance(m, Map):
            vector = _apply(vector, torch.tensor(m.matrix, dtype=dtype, device=vector.device), m.qubits)
        else:
            angle = m.factor * angles[..., m.slot] if m.slot >= 0 else torch.tensor(m.factor, dtype=dtype)
            partner, sign = _pairs(n, m.x, m.z)
            sign = sign.to(dtype=dtype, device=vector.device)
            turned = sign.abs() * (torch.cos(angle)[..., None] - 1) * vector
            vector = vector + turned + torch.sin(angle)[..., None] * sign * vector[..., partner.to(vector.device)]
    return vector


def _apply(vector: torch.Tensor, matrix: torch.Tensor, qubits: tuple[int, ...]) -> torch.Tensor:
    """A matrix on some digits."""
    n, k, batch = (vector.shape[-1].bit_length() - 1) // 2, len(qubits), vector.shape[:-1]
    axes = [len(batch) + n - 1 - q for q in reversed(qubits)]
    moved = torch.movedim(vector.reshape(*batch, *(4,) * n), axes, tuple(range(-k, 0)))
    out = (moved.reshape(*moved.shape[:-k], 4**k) @ matrix.T).reshape(moved.shape)
    return torch.movedim(out, tuple(range(-k, 0)), axes).reshape(*batch, -1)


def _pairs(n: int, x: int, z: int) -> tuple[torch.Tensor, torch.Tensor]:
    """For each P the component of Q P, and s with r'_P = cos a r_P + s sin a r_QP: 0 where P commutes with Q = (x, z)."""
    index = np.arange(4**n)
    xs, zs = np.zeros_like(index), np.zeros_like(index)
    for q in range(n):
        digit = index >> 2 * q & 3
        xs |= ((digit == 1) | (digit == 2)).astype(int) << q
        zs |= (digit >= 2).astype(int) << q
    digits = np.zeros_like(index)
    for q in range(n):
        px, pz = (xs ^ x) >> q & 1, (zs ^ z) >> q & 1
        digits |= np.array([0, 1, 3, 2])[px | pz << 1] << 2 * q
    # -i Q P' = s P for P' = Q P up to a phase: i^(y_Q + y_P' - y_P) (-1)^|z_Q & x_P'| (-i)
    count = np.bitwise_count
    ys, yp = count(xs & zs).astype(int), count((xs ^ x) & (zs ^ z)).astype(int)
    phase = ((x & z).bit_count() + yp - ys + 2 * count(z & (xs ^ x)).astype(int) + 3) % 4
    anti = (count(xs & z).astype(int) + count(zs & x)) % 2 == 1
    return torch.from_numpy(digits), torch.from_numpy(np.where(anti, 1.0 - phase, 0.0))


def pauli_values(vector: torch.Tensor, observables: Sequence[PauliSum]) -> torch.Tensor:
    """``Tr(O_k rho)``, ``[..., m]``, from Pauli-transfer vectors ``[..., 4^n]``."""
    columns = []
    for o in observables:
        terms = list(o.simplify(0.0).masks())
        index = torch.tensor([pauli_index(x, z) for _, x, z in terms], dtype=torch.int64, device=vector.device)
        factors = torch.tensor([c.real for c, _, _ in terms], dtype=vector.dtype, device=vector.device)
        columns.append(vector[..., index] @ factors)
    return torch.stack(columns, dim=-1)


# -- the engine -------------------------------------------------------------------------------------------------------
def takes(asked: Asked) -> bool:
    """Whether the program has a form as maps on Pauli-transfer vectors."""
    return asked.program.cache("transfer maps", lambda: to_maps(asked.program)) is not None


def values(asked: Asked) -> torch.Tensor:
    """Expectation values ``[..., m]``: in the compiled core where it can be used, else by the twin."""
    angles = asked.angles()
    if not asked.compiled:
        return pauli_values(pauli_vector(asked.program, angles, angles.dtype), asked.observables)
    kernel = TransferKernel(asked.program, tuple(asked.observables))
    if transformed():
        return apply(kernel, angles)
    batch = angles.shape[:-1]
    flat = angles.reshape(math.prod(batch), angles.shape[-1])
    result: torch.Tensor = _Transfer.apply(flat, kernel).reshape(*batch, len(asked.observables))
    return result


class TransferKernel(Kernel):
    """The kernel in the compiled core."""

    def values(self, angles: torch.Tensor) -> torch.Tensor:
        """``[N, m]``."""
        values = angles.new_empty(len(angles), len(self.observables))
        _run(self, angles.contiguous(), values, None, None)
        return values

    def slopes(self, angles: torch.Tensor, upstream: torch.Tensor) -> torch.Tensor:
        """``Jᵀu``, ``[N, S]``."""
        gradient = angles.new_empty(angles.shape)
        _run(self, angles.contiguous(), None, upstream.contiguous(), gradient)
        return gradient

    def of(self, program: Program) -> Kernel:
        """The kernel of another program."""
        return TransferKernel(program, self.observables)

    def twin(self, angles: torch.Tensor) -> torch.Tensor:
        """Values in torch operators."""
        return pauli_values(pauli_vector(self.program, angles, angles.dtype), self.observables)

    twin_pays = 1024

    def twin_bytes(self) -> float:
        """Memory of one sample's state."""
        return 8.0 * 4**self.program.num_qubits


class _Transfer(torch.autograd.Function):
    """The kernel with the gradient of a single observable taken in the walk of its value: there is nothing to wait for."""

    @staticmethod
    def forward(ctx: Any, angles: torch.Tensor, kernel: TransferKernel) -> torch.Tensor:
        angles = angles.contiguous()
        values = angles.new_empty(len(angles), len(kernel.observables))
        gradient = None
        if ctx.needs_input_grad[0] and len(kernel.observables) == 1:
            gradient = torch.empty_like(angles)
        _run(kernel, angles, values, None, gradient)
        ctx.kernel = kernel
        ctx.save_for_backward(angles, gradient)
        return values

    @staticmethod
    def backward(ctx: Any, upstream: torch.Tensor) -> tuple[torch.Tensor, None]:
        angles, gradient = ctx.saved_tensors
        if wants_graph(upstream):
            return slopes(angles, upstream, ctx.kernel), None
        return (ctx.kernel.slopes(angles, upstream) if gradient is None else upstream * gradient), None


def _run(
    kernel: TransferKernel,
    angles: torch.Tensor,
    values: torch.Tensor | None,
    upstream: torch.Tensor | None,
    gradient: torch.Tensor | None,
) -> None:
    native.threads()
    plan = transfer_core.plan(kernel.program, tuple(kernel.observables), len(angles), angles.dtype == torch.float64)
    run = plan.run32 if angles.dtype == torch.float32 else plan.run64
    run(len(angles), *(0 if t is None else t.data_ptr() for t in (angles, values, upstream, gradient)))

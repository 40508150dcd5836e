"""Expectation values and adjoint gradients of single large states in the compiled core.

With psi the final state and lambda = O psi, a walk back through the stages of the plan undoes every gate on both and collects

    d<O>/da = 2 Re <lambda_out| dU/da |psi_in>                  (Jones and Gacon 2020, arXiv:2009.02823)

while a tile of both is in the cache. Memory: psi and lambda, two states, whatever the depth and however many samples (which run one
after another; where there are several, or several observables, psi is computed anew for the walk). Batches of small circuits have their
own kernel: see `batched`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from bitket.quantum.circuits import ParameterError
from bitket.quantum.simulation import fresh, memory, native
from bitket.quantum.simulation.derivatives import Kernel, parameter_slopes, wants_graph
from bitket.quantum.simulation.planner import fits, prepare_at, state_plan
from bitket.quantum.simulation.program import Program

__all__ = ["OneByOne", "for_parameters", "slopes", "slot_angles", "suits", "values"]

# Qubits: with fewer, calls cost more than they save; with more, a batch is beyond the cache.
_SMALLEST, _ALWAYS = 10, 16
_REALS = {torch.float32: np.float32, torch.float64: np.float64}
_KINDS = {torch.float32: torch.complex64, torch.float64: torch.complex128}


def suits(program: Program, count: int) -> bool:
    """Whether this kernel is the one for ``count`` samples of a program: the other one's time hardly depends on how full its registers are."""
    n = program.num_qubits
    return (n >= _ALWAYS or (n >= _SMALLEST and count <= n + 1 - _SMALLEST)) and fits(program)


class OneByOne(torch.autograd.Function):
    """Values ``[N, m]`` for weights and inputs ``[P]`` or ``[N, P]``; with ``by_angle`` inputs are angles of the slots."""

    # Angles and their gradients in NumPy: a small circuit takes less time than a few nodes of torch's graph.
    @staticmethod
    def forward(
        ctx: Any, weights: torch.Tensor | None, inputs: torch.Tensor | None, kernel: Kernel, by_angle: bool, count: int
    ) -> torch.Tensor:
        """Values; with one sample and one observable the states are kept for the walk back."""
        wanted = any(ctx.needs_input_grad)
        angles = slot_angles(kernel.program, weights, inputs, by_angle, count)
        given = weights if weights is not None else inputs
        dtype = torch.float64 if given is None else given.dtype
        out, states = _values(kernel, angles, dtype, wanted, wanted and count * len(kernel.observables) == 1)
        ctx.kernel, ctx.by_angle, ctx.angles, ctx.states = kernel, by_angle, angles, states
        ctx.save_for_backward(weights, inputs)
        return out

    @staticmethod
    def backward(ctx: Any, upstream: torch.Tensor) -> tuple[torch.Tensor | None, torch.Tensor | None, None, None, None]:
        """Vector-Jacobian product for weights and inputs."""
        weights, inputs = ctx.saved_tensors
        kernel, angles = ctx.kernel, ctx.angles
        if wants_graph(upstream):
            return *parameter_slopes(kernel, weights, inputs, ctx.by_angle, upstream), None, None, None
        if ctx.states is not None:
            gradient, psi = np.zeros(angles.shape), ctx.states.address
            ctx.states, states = None, ctx.states  # the walk consumes them
            kind = _KINDS[upstream.dtype]
            native.threads()
            lam = psi + (kind.itemsize << kernel.program.num_qubits)
            state_plan(kernel.program, kind).walk_back(angles.ctypes.data, psi, lam, gradient.ctypes.data)
            del states
            gradient *= upstream.numpy()
        else:
            gradient = _slopes(kernel, angles, upstream)
        return *for_parameters(kernel.program, gradient, weights, inputs, ctx.by_angle), None, None, None


def values(
    kernel: Kernel, weights: torch.Tensor | None, inputs: torch.Tensor, by_angle: bool, count: int
) -> torch.Tensor:
    """Values ``[N, m]`` as of `OneByOne`, nothing kept."""
    angles = slot_angles(kernel.program, weights, inputs, by_angle, count)
    return _values(kernel, angles, inputs.dtype, False, False)[0]


def slopes(kernel: Kernel, angles: torch.Tensor, upstream: torch.Tensor) -> torch.Tensor:
    """``sum_k upstream_k dE_k/da``, ``[N, S]``, for angles ``[N, S]`` and upstream ``[N, m]``."""
    given = slot_angles(kernel.program, None, angles, True, len(angles))
    return torch.from_numpy(_slopes(kernel, given, upstream)).to(angles.dtype)


def for_parameters(
    program: Program,
    gradient: NDArray[np.float64],
    weights: torch.Tensor | None,
    inputs: torch.Tensor | None,
    by_angle: bool,
) -> tuple[torch.Tensor | None, torch.Tensor | None]:
    """The gradient for weights and inputs from that for the angles ``[N, S]``."""
    if not by_angle:
        assert program.affine is not None
        gradient = gradient @ program.affine[1].T
    start = 0
    results: list[torch.Tensor | None] = []
    for given in (weights, inputs):
        if given is None:
            results.append(None)
            continue
        own = gradient[:, start : start + given.shape[-1]]
        start += given.shape[-1]
        if given.ndim == 1:
            own = own[0] if len(own) == 1 else own.sum(axis=0)
        results.append(torch.from_numpy(np.ascontiguousarray(own, _REALS[given.dtype])))
    return results[0], results[1]


def slot_angles(
    program: Program, weights: torch.Tensor | None, inputs: torch.Tensor | None, by_angle: bool, count: int
) -> NDArray[np.float64]:
    """Angles ``[N, S]``.

    Raises
    ------
    ParameterError
        A value is not finite.
    """
    given = [v.detach().numpy() for v in (weights, inputs) if v is not None]
    if len(given) == 1 and (
        count == 1 or given[0].ndim == 2
    ):  # the usual case at once: a small circuit takes as long as joining arrays
        values = given[0].reshape(count, -1).astype(np.float64, copy=False)
    else:
        parts = [np.broadcast_to(v, (count, v.shape[-1])) if v.ndim == 1 else v for v in given]
        values = np.concatenate([np.zeros((count, 0)), *parts], axis=1)
    if not np.isfinite(values).all():
        raise ParameterError("weights or inputs have values that are not finite")
    if by_angle:
        return values
    assert program.affine is not None
    angles: NDArray[np.float64] = values @ program.affine[1] + program.affine[0]
    return angles


def _values(
    kernel: Kernel, angles: NDArray[np.float64], dtype: torch.dtype, wanted: bool, both: bool
) -> tuple[torch.Tensor, memory.Lease | None]:
    """Values, and psi and lambda where ``both`` are to be kept: lambda is then at hand with the value, up to the factor from above."""
    program, kind = kernel.program, _KINDS[dtype]
    size = kind.itemsize << program.num_qubits
    memory.require(
        float(size) * (memory.ADJOINT if wanted else memory.STATE),
        f"the state of {program.num_qubits} qubits and its gradient",
    )
    prepared, double = [fresh.observable(o) for o in kernel.observables], kind == torch.complex128
    states = memory.Lease(2 * size if both else size)
    target = states.address + size if both else 0
    out = np.empty((len(angles), len(prepared)), _REALS[dtype])
    for row, results in zip(angles, out, strict=True):
        prepare_at(program, row, kind, states.address)
        for m, observable in enumerate(prepared):
            results[m] = observable.apply(double, 1.0, states.address, target, False)
    return torch.from_numpy(out), states if both else None


def _slopes(kernel: Kernel, angles: NDArray[np.float64], upstream: torch.Tensor) -> NDArray[np.float64]:
    program, kind = kernel.program, _KINDS[upstream.dtype]
    size, gradient = kind.itemsize << program.num_qubits, np.zeros(angles.shape)
    memory.require(float(size) * memory.ADJOINT, f"the state of {program.num_qubits} qubits and its gradient")
    prepared, plan = [fresh.observable(o) for o in kernel.observables], state_plan(program, kind)
    states = memory.Lease(2 * size)
    psi = states.address
    for row, factors, own in zip(angles, upstream.tolist(), gradient, strict=True):
        prepare_at(program, row, kind, psi)
        for m, observable in enumerate(prepared):
            if factors[m] or not m:
                observable.apply(kind == torch.complex128, factors[m], psi, psi + size, m > 0)
        plan.walk_back(row.ctypes.data, psi, psi + size, own.ctypes.data)
    return gradient

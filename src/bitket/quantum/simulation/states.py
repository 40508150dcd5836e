"""Exact states of circuits without noise, over any batch of weights and inputs."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from bitket.errors import InvalidInput
from bitket.quantum.circuits import Circuit
from bitket.quantum.simulation import memory, twin
from bitket.quantum.simulation.arrays import squared
from bitket.quantum.simulation.asked import angles_of, transformed
from bitket.quantum.simulation.final import without_final_measurements
from bitket.quantum.simulation.planner import prepare, run_native, takes, walked_fixed
from bitket.quantum.simulation.program import Program, lower

__all__ = ["as_tensor", "probabilities", "run_state", "statevector", "zero_evolved"]

_COMPLEX = {torch.float32: torch.complex64, torch.float64: torch.complex128}
_ARRAYS: dict[torch.dtype, np.dtype[Any]] = {
    torch.complex64: np.dtype(np.complex64),
    torch.complex128: np.dtype(np.complex128),
}


def complex_dtype(dtype: torch.dtype) -> torch.dtype:
    """The complex type of a real precision."""
    if dtype not in _COMPLEX:
        raise InvalidInput(f"precision {dtype}: torch.float32 and torch.float64 are supported")
    return _COMPLEX[dtype]


def numpy_complex(dtype: torch.dtype) -> np.dtype[Any]:
    """NumPy's complex type of a real precision."""
    return _ARRAYS[complex_dtype(dtype)]


def as_tensor(values: Any, name: str, dtype: torch.dtype, device: torch.device) -> torch.Tensor | None:
    """Numbers, arrays or tensors as a real tensor (gradients flow on); None stays None."""
    if values is None or (isinstance(values, torch.Tensor) and values.dtype == dtype and values.device == device):
        return values
    try:
        # Plain numbers would become single precision on their way: torch's default, whatever precision is asked for.
        tensor = torch.as_tensor(values if hasattr(values, "dtype") else np.asarray(values), device=device)
    except (TypeError, ValueError, RuntimeError) as error:
        raise InvalidInput(f"{name}: numbers, an array or a tensor are needed ({error})") from None
    if tensor.is_complex():
        raise InvalidInput(f"{name}: real values are needed, complex ones were given")
    return tensor.to(dtype)


def program_and_angles(
    circuit: Circuit, weights: Any, inputs: Any, dtype: torch.dtype, device: torch.device, noise: Any = None
) -> tuple[Program, torch.Tensor]:
    """The lowered circuit and the angles of its slots."""
    program = lower(circuit, noise)
    angles = angles_of(
        program, as_tensor(weights, "weights", dtype, device), as_tensor(inputs, "inputs", dtype, device)
    )
    return program, angles.to(device=device, dtype=dtype)


def zero_evolved(program: Program, angles: torch.Tensor, kind: torch.dtype) -> torch.Tensor:
    """The states ``[..., 2^n]`` that a unitary program makes of |0...0>; memory: the states."""
    wanted = (torch.is_grad_enabled() and angles.requires_grad) or transformed()
    if not wanted and takes(program, kind, angles.device):
        return prepare(program, angles, kind)
    return twin.evolve(
        program, twin.zero_state(program.num_qubits, tuple(angles.shape[:-1]), kind, angles.device), angles
    )


def run_state(program: Program, state: torch.Tensor, angles: torch.Tensor) -> torch.Tensor:
    """A unitary program on states ``[..., 2^n]``: large ones in the compiled core, in place, where no gradient is asked for."""
    wanted = (torch.is_grad_enabled() and (state.requires_grad or angles.requires_grad)) or transformed()
    if not wanted and takes(program, state.dtype, state.device):
        return run_native(program, state, angles)
    return twin.evolve(program, state, angles)


def statevector(
    circuit: Circuit,
    weights: Any = None,
    inputs: Any = None,
    *,
    initial: Any = None,
    dtype: torch.dtype = torch.float64,
    device: torch.device | str = "cpu",
) -> torch.Tensor:
    """State that a circuit prepares.

    Parameters
    ----------
    circuit
        Gates and barriers; measurements at the very end are ignored.
    weights, inputs
        ``[..., number of weights]`` and ``[..., number of inputs]``; leading shapes broadcast.
    initial
        State to start from, ``[..., 2^n]``, of norm 1; by default |0...0>.
    dtype
        Real precision, ``torch.float64`` or ``torch.float32``.

    Returns
    -------
    Tensor
        Complex, ``[..., 2^n]``; qubit 0 is the least significant bit of the index. Differentiable in weights and inputs.

    Raises
    ------
    NotEnoughMemory
        The states do not fit.
    InvalidInput
        A shape or value does not fit, or the circuit is not unitary.
    """
    circuit = without_final_measurements(circuit, "statevector")
    if weights is None and inputs is None and initial is None and device == "cpu" and not circuit.parameters:
        fixed = walked_fixed(lower(circuit), numpy_complex(dtype))
        if fixed is not None:
            return torch.from_numpy(fixed)
    device = torch.device(device)
    program, angles = program_and_angles(circuit, weights, inputs, dtype, device)
    kind, n = complex_dtype(dtype), circuit.num_qubits
    batch = tuple(angles.shape[:-1])
    if initial is not None:
        initial = torch.as_tensor(initial, device=device)
        if initial.ndim == 0 or initial.shape[-1] != 1 << n:
            raise InvalidInput(f"initial state of shape {tuple(initial.shape)}: the last axis must be {1 << n}")
        norms = torch.linalg.vector_norm(initial.detach().to(kind), dim=-1)
        if not bool((abs(norms - 1) < 1e-4).all()):  # also where it is not a number
            raise InvalidInput("initial state: its norm must be 1 (a relative error of 1e-4 is let pass)")
        batch = tuple(torch.broadcast_shapes(batch, initial.shape[:-1]))
    count = 1
    for b in batch:
        count *= b
    memory.require(
        count * float(1 << n) * kind.itemsize * memory.STATE,
        f"a state of {n} qubits" + (f" for {count} samples" if count > 1 else ""),
    )
    if initial is None:
        return zero_evolved(program, angles, kind)
    state = initial.to(kind).expand(*batch, 1 << n).clone()
    return run_state(program, state, angles.expand(*batch, angles.shape[-1]))


def probabilities(circuit: Circuit, weights: Any = None, inputs: Any = None, **options: Any) -> torch.Tensor:
    """Probability of each basis state, ``[..., 2^n]``; parameters as for `statevector`. Without gradients they take its memory, no more."""
    state = statevector(circuit, weights, inputs, **options)
    if state.requires_grad or transformed() or state.device.type != "cpu" or not state.is_contiguous():
        return state.real**2 + state.imag**2
    return torch.from_numpy(squared(state.numpy()))

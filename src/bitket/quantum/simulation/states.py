"""Exact states of circuits without noise, over any batch of weights and inputs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from bitket.errors import InvalidInput
from bitket.quantum.circuits import Circuit, Instruction
from bitket.quantum.simulation import memory, twin
from bitket.quantum.simulation.asked import angles_of, transformed
from bitket.quantum.simulation.planner import prepare, run_native, takes
from bitket.quantum.simulation.program import Program, lower

__all__ = ["as_tensor", "probabilities", "run_state", "squared", "statevector", "zero_evolved"]

_CHUNK = 1 << 14
_COMPLEX = {torch.float32: torch.complex64, torch.float64: torch.complex128}


def complex_dtype(dtype: torch.dtype) -> torch.dtype:
    """The complex type of a real precision."""
    if dtype not in _COMPLEX:
        raise InvalidInput(f"precision {dtype}: torch.float32 and torch.float64 are supported")
    return _COMPLEX[dtype]


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
    device = torch.device(device)
    circuit = without_final_measurements(circuit, "statevector")
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
    return squared(statevector(circuit, weights, inputs, **options))


def squared(state: torch.Tensor) -> torch.Tensor:
    """Squared magnitudes of a state that nobody needs any more: without gradients they are written into its first half, chunk by chunk."""
    if state.requires_grad or transformed() or state.device.type != "cpu" or not state.is_contiguous():
        return state.real**2 + state.imag**2
    amplitudes = state.detach().numpy().reshape(-1)
    out = amplitudes.view(amplitudes.real.dtype)  # entry k is written after amplitudes up to k are read
    for start in range(0, len(amplitudes), _CHUNK):
        part = amplitudes[start : start + _CHUNK]
        out[start : start + len(part)] = part.real**2 + part.imag**2
    return torch.from_numpy(out[: len(amplitudes)].reshape(state.shape))


def without_final_measurements(circuit: Circuit, what: str, *, unitary: bool = True) -> Circuit:
    """The circuit up to its final measurements (cached on it).

    Raises
    ------
    InvalidInput
        With ``unitary``, where a measurement, reset or condition stands before the last gate.
    """
    if not circuit._others:
        return circuit
    kept = circuit._kept(_Body)
    if kept.circuit is None:
        rest: list[Instruction] = []
        used: set[tuple[str, int]] = set()
        for i in reversed(list(circuit)):  # a measurement is final if nothing later touches its qubit or reads its bit
            bits = {("q", q) for q in i.qubits} | {
                ("c", c) for c in (*i.clbits, *(i.condition.clbits if i.condition else ()))
            }
            if i.name == "measure" and i.condition is None and not bits & used:
                continue
            if i.name != "barrier":
                used |= bits
            rest.append(i)
        kept.circuit = circuit._derive(reversed(rest)) if len(rest) < len(circuit) else circuit
    body = kept.circuit
    if unitary and not body.is_unitary:
        i = next(i for i in body if i.condition is not None or (i.gate is None and i.name != "barrier"))
        raise InvalidInput(
            f"{what}: the circuit has a {'condition' if i.condition else i.name} before its last gate; use sample or density_matrix"
        )
    return body


@dataclass
class _Body:
    """A circuit without its final measurements."""

    circuit: Circuit | None = None

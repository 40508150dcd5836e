"""Expectation values of Pauli sums, exact or from shots, with or without noise, differentiable in weights and inputs at once.

>>> from bitket.algebra import PauliSum
>>> from bitket.quantum.circuits import Circuit, Parameter
>>> import torch
>>> c = Circuit(1).rx(Parameter("x", "input"), 0).ry(Parameter("w"), 0)
>>> x = torch.tensor([[0.1], [0.2]], dtype=torch.float64, requires_grad=True)
>>> w = torch.tensor([0.3], dtype=torch.float64, requires_grad=True)
>>> z = expectation(c, PauliSum.from_list([("Z", 1.0)]), w, x)      # cos x cos w
>>> bool(torch.allclose(z, torch.cos(x[:, 0]) * torch.cos(w)))
True
>>> dw, dx = torch.autograd.grad(z.sum(), (w, x))
>>> bool(torch.allclose(dx, -torch.sin(x) * torch.cos(w)))
True
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import torch

from bitket.algebra import PauliSum
from bitket.errors import InvalidInput
from bitket.quantum.circuits import Circuit
from bitket.quantum.simulation import batched, memory, native, observables, transfer, twin
from bitket.quantum.simulation.density import run_density
from bitket.quantum.simulation.gradients import Adjoint, parameter_shift
from bitket.quantum.simulation.program import Noise, Program, lower
from bitket.quantum.simulation.shots import estimate
from bitket.quantum.simulation.states import (
    as_tensor,
    complex_dtype,
    program_and_angles,
    run_state,
    without_final_measurements,
)

__all__ = ["GradientMethod", "expectation", "expectation_with_error"]

GradientMethod = Literal["auto", "adjoint", "parameter_shift", "backprop"]


def expectation(
    circuit: Circuit,
    operators: PauliSum | Sequence[PauliSum],
    weights: Any = None,
    inputs: Any = None,
    *,
    noise: Noise | None = None,
    shots: int | None = None,
    gradient: GradientMethod = "auto",
    dtype: torch.dtype = torch.float64,
    device: torch.device | str | None = None,
    generator: torch.Generator | None = None,
) -> torch.Tensor:
    """``<O_k>`` after a circuit.

    Parameters
    ----------
    circuit
        Gates, channels by ``noise``; final measurements are ignored.
    operators
        One Pauli sum, or several.
    weights, inputs
        ``[..., number of weights]`` and ``[..., number of inputs]``; leading shapes broadcast.
    noise
        Noise model; the Pauli-transfer vector is then simulated (see `transfer`), or, with channels on more than two qubits and by
        ``"backprop"``, the density matrix. Readout errors are part of the values, with shots and without.
    shots
        Estimate from that many shots for each group of qubit-wise commuting terms instead of exactly.
    gradient
        How torch differentiates: ``"adjoint"`` (exact, once; the default), ``"parameter_shift"`` (with shots, noise, and to any order;
        the default with shots) or ``"backprop"`` (exact, any order, memory grows with depth).
    dtype
        Real precision.
    device
        By default that of the weights or inputs.
    generator
        Needed with shots.

    Returns
    -------
    Tensor
        Real, ``[...]`` for one operator, ``[..., m]`` for several.

    Raises
    ------
    InvalidInput
        Shapes, values or options do not fit.
    NotEnoughMemory
        The states do not fit.
    """
    values, _ = _evaluate(circuit, operators, weights, inputs, noise, shots, gradient, dtype, device, generator)
    return values


def expectation_with_error(
    circuit: Circuit,
    operators: PauliSum | Sequence[PauliSum],
    weights: Any = None,
    inputs: Any = None,
    *,
    shots: int,
    noise: Noise | None = None,
    dtype: torch.dtype = torch.float64,
    generator: torch.Generator | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Expectation values from shots and their standard errors, each shaped as `expectation`'s result (not differentiable)."""
    with torch.no_grad():
        values, errors = _evaluate(
            circuit, operators, weights, inputs, noise, shots, "parameter_shift", dtype, None, generator
        )
    assert errors is not None
    return values, errors


def _evaluate(
    circuit: Circuit,
    operators: PauliSum | Sequence[PauliSum],
    weights: Any,
    inputs: Any,
    noise: Noise | None,
    shots: int | None,
    gradient: GradientMethod,
    dtype: torch.dtype,
    device: torch.device | str | None,
    generator: torch.Generator | None,
) -> tuple[torch.Tensor, torch.Tensor | None]:
    listed, single = _checked(circuit, operators)
    if shots is not None and (shots < 1 or generator is None):
        raise InvalidInput(f"shots {shots}: a positive number and a generator are needed")
    if gradient not in ("auto", "adjoint", "parameter_shift", "backprop"):
        raise InvalidInput(f"gradient {gradient!r}: 'auto', 'adjoint', 'parameter_shift' and 'backprop' are known")
    if gradient in ("adjoint", "backprop") and shots is not None:
        raise InvalidInput(f"gradient '{gradient}' cannot pass through shots: use 'parameter_shift'")
    if device is None:
        device = next((t.device for t in (weights, inputs) if isinstance(t, torch.Tensor)), torch.device("cpu"))
    device = torch.device(device)
    compiled = native.core is not None and device.type == "cpu"
    if noise is None and shots is None and gradient in ("auto", "adjoint") and compiled:
        complex_dtype(dtype)
        w, x = as_tensor(weights, "weights", dtype, device), as_tensor(inputs, "inputs", dtype, device)
        values = batched.adjoint_values(_unitary_program(circuit), w, x, listed)
        return (values[..., 0] if single else values), None
    circuit = without_final_measurements(circuit, "expectation", unitary=noise is None)
    program, angles = program_and_angles(circuit, weights, inputs, dtype, device, noise)
    complex_dtype(dtype)
    through_maps = noise is not None and transfer.takes(program)
    if gradient == "auto":
        wanted: GradientMethod = "adjoint" if noise is None or through_maps else "backprop"
        gradient = wanted if shots is None else "parameter_shift"
    if gradient == "adjoint" and noise is not None and not through_maps:
        raise InvalidInput(
            "gradient 'adjoint' with noise is for channels on one and two qubits and no conditions: use 'backprop'"
        )
    if shots is None and getattr(noise, "readout", None):
        listed = _as_read(circuit, listed, noise)
    errors: list[torch.Tensor] = []

    def exact(prog: Program, a: torch.Tensor) -> torch.Tensor:
        if through_maps and gradient != "backprop":
            return transfer.transfer_values(prog, a, listed)
        if noise is not None:
            return observables.density_values(run_density(prog, a, dtype), listed)
        if gradient != "backprop" and compiled:
            return batched.values_at_angles(prog, a, listed)
        return observables.state_values(_states(prog, a, dtype), listed)

    def sampled(prog: Program, a: torch.Tensor) -> torch.Tensor:
        assert shots is not None
        assert generator is not None
        state = run_density(prog, a, dtype) if noise is not None else _states(prog, a, dtype)
        values, error = estimate(state, listed, shots, generator, noise)
        errors.append(error)
        return values

    if gradient == "parameter_shift":
        values = parameter_shift(program, angles, sampled if shots is not None else exact)
    elif gradient == "adjoint" and noise is None:
        values = Adjoint.apply(angles, program, listed, complex_dtype(dtype))
    else:
        values = exact(program, angles)
    error = errors[0] if errors else None
    if single:
        values, error = values[..., 0], None if error is None else error[..., 0]
    return values, error


def _checked(circuit: Circuit, operators: PauliSum | Sequence[PauliSum]) -> tuple[list[PauliSum], bool]:
    """`observables.check`, done once for a circuit and its latest observables: with few qubits it would take as long as the simulation."""
    single = isinstance(operators, PauliSum)
    listed: list[PauliSum] = [operators] if isinstance(operators, PauliSum) else list(operators)
    cached = circuit._cache.get("checked observables")
    if cached is None or len(cached) != len(listed) or any(a is not b for a, b in zip(cached, listed, strict=True)):
        observables.check(listed, circuit.num_qubits)
        circuit._cache["checked observables"] = listed
    return listed, single


def _as_read(circuit: Circuit, listed: list[PauliSum], noise: Noise | None) -> list[PauliSum]:
    """`observables.as_read`, kept for a circuit's latest observables and noise: plans are found by the observables' ids."""
    cached = circuit._cache.get("observables as read")
    if cached is None or cached[0] is not noise or list(map(id, cached[1])) != list(map(id, listed)):
        cached = circuit._cache["observables as read"] = (noise, listed, observables.as_read(listed, noise))
    read: list[PauliSum] = cached[2]
    return read


def _unitary_program(circuit: Circuit) -> Program:
    program = circuit._cache.get("unitary program")
    if program is None:
        program = circuit._cache["unitary program"] = lower(without_final_measurements(circuit, "expectation"))
    return program


def _states(program: Program, angles: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    kind, batch = complex_dtype(dtype), tuple(angles.shape[:-1])
    count = 1
    for b in batch:
        count *= b
    what = f"a state of {program.num_qubits} qubits" + (f" for {count} samples" if count > 1 else "")
    memory.require(count * float(1 << program.num_qubits) * kind.itemsize * 1.1, what)
    return run_state(program, twin.zero_state(program.num_qubits, batch, kind, angles.device), angles)

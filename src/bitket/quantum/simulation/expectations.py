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
from dataclasses import dataclass
from typing import Any, Literal

import torch

from bitket.algebra import PauliSum
from bitket.errors import InvalidInput
from bitket.quantum.circuits import Circuit
from bitket.quantum.simulation import backprop, compiled, density, measured, native, reverse, transfer
from bitket.quantum.simulation import shots as shots_engine
from bitket.quantum.simulation.asked import Asked
from bitket.quantum.simulation.final import without_final_measurements
from bitket.quantum.simulation.parameter_shift import ByShifts, by_shifts
from bitket.quantum.simulation.program import Noise, lower
from bitket.quantum.simulation.states import as_tensor, complex_dtype

__all__ = ["GradientMethod", "expectation", "expectation_with_error", "gradient_with_error"]

GradientMethod = Literal["auto", "adjoint", "parameter_shift", "backprop"]
_CPU = torch.device("cpu")


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
        How torch differentiates: ``"adjoint"`` (exact, one walk back for all parameters; the default), ``"parameter_shift"`` (with shots
        and noise, too; the default with shots) or ``"backprop"`` (by torch's own graph, memory grows with depth). Each to any order, in
        reverse and forward mode, under `torch.func` as well.
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
    evaluate = torch.compiler.disable(_evaluate) if torch.compiler.is_compiling() else _evaluate
    return evaluate(circuit, operators, weights, inputs, noise, shots, gradient, dtype, device, generator, None)


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
    errors: list[torch.Tensor] = []
    with torch.no_grad():
        values = _evaluate(
            circuit, operators, weights, inputs, noise, shots, "parameter_shift", dtype, None, generator, errors
        )
    return values, errors[0][..., 0] if isinstance(operators, PauliSum) else errors[0]


def gradient_with_error(
    circuit: Circuit,
    operator: PauliSum,
    weights: Any = None,
    inputs: Any = None,
    *,
    shots: int,
    noise: Noise | None = None,
    generator: torch.Generator,
) -> tuple[torch.Tensor, torch.Tensor]:
    """The gradient by parameter shift of one sample's expectation value from shots, and its standard errors.

    Parameters
    ----------
    shots
        For each group of qubit-wise commuting terms at each of the shifted angles.
    circuit, operator, weights, inputs, noise, generator
        As for `expectation`.

    Returns
    -------
    gradient, errors
        ``[number of weights + number of inputs]``, weights first.

    Raises
    ------
    InvalidInput
        As `expectation`, and for batches.
    """
    asked = _question(circuit, operator, weights, inputs, noise, shots, torch.float64, _CPU, generator, None)
    given = (asked.weights, asked.inputs)
    if any(v is not None and v.ndim != 1 for v in given):
        raise InvalidInput("gradient with errors: weights and inputs of one sample are needed")
    parts = [v if v is not None else torch.zeros(0, dtype=torch.float64) for v in given]
    whole = torch.cat(parts).requires_grad_()
    asked.weights, asked.inputs = (
        None if v is None else part for v, part in zip(given, whole.split([len(p) for p in parts]), strict=True)
    )
    angles = asked.angles()
    change, factors, found = by_shifts(shots_engine, asked, angles.detach())
    if not len(factors):
        return torch.zeros(len(whole), dtype=torch.float64), torch.zeros(len(whole), dtype=torch.float64)
    rows = [torch.autograd.grad(a, whole, retain_graph=True, allow_unused=True)[0] for a in angles]
    slopes = torch.stack([torch.zeros_like(whole) if row is None else row for row in rows])[change] * factors[:, None]
    return found[0][:, 0] @ slopes, (found[1][:, 0] ** 2 @ slopes**2).sqrt()


#   gradient            noise  shots   engines, the first that takes the question answers
_ENGINES: dict[tuple[str, bool, bool], tuple[Any, ...]] = {
    ("adjoint", False, False): (compiled, reverse),
    ("adjoint", True, False): (transfer,),
    ("backprop", False, False): (backprop,),
    ("backprop", True, False): (density,),
    ("parameter_shift", False, False): (ByShifts(compiled, reverse),),
    ("parameter_shift", True, False): (ByShifts(transfer, density),),
    ("parameter_shift", False, True): (ByShifts(shots_engine),),
    ("parameter_shift", True, True): (ByShifts(shots_engine),),
    ("auto", False, False): (compiled, reverse),
    ("auto", True, False): (transfer, density),
    ("auto", False, True): (ByShifts(shots_engine),),
    ("auto", True, True): (ByShifts(shots_engine),),
}
_METHODS = ("auto", "adjoint", "parameter_shift", "backprop")


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
    errors: list[torch.Tensor] | None,
) -> torch.Tensor:
    if gradient not in _METHODS:
        raise InvalidInput(f"gradient {gradient!r}: 'auto', 'adjoint', 'parameter_shift' and 'backprop' are known")
    asked = _question(circuit, operators, weights, inputs, noise, shots, dtype, device, generator, errors)
    engines = _ENGINES.get((gradient, noise is not None, shots is not None))
    if engines is None:
        raise InvalidInput(f"gradient '{gradient}' cannot pass through shots: use 'parameter_shift'")
    for engine in engines:
        if engine.takes(asked):
            values = engine.values(asked)
            break
    else:
        raise InvalidInput(
            f"gradient '{gradient}' with noise is for channels on one and two qubits and no conditions: use 'backprop'"
        )
    values = values if values.dtype == dtype else values.to(dtype)  # even a call that does nothing takes its time
    return values[..., 0] if isinstance(operators, PauliSum) else values


def _question(
    circuit: Circuit,
    operators: PauliSum | Sequence[PauliSum],
    weights: Any,
    inputs: Any,
    noise: Noise | None,
    shots: int | None,
    dtype: torch.dtype,
    device: torch.device | str | None,
    generator: torch.Generator | None,
    errors: list[torch.Tensor] | None,
) -> Asked:
    """What is asked, checked."""
    listed = _checked(circuit, operators)
    if shots is not None and (shots < 1 or generator is None):
        raise InvalidInput(f"shots {shots}: a positive number and a generator are needed")
    complex_dtype(dtype)
    if device is None:
        device = next((t.device for t in (weights, inputs) if isinstance(t, torch.Tensor)), _CPU)
    if not isinstance(device, torch.device):
        device = torch.device(device)
    if noise is None:
        program = lower(without_final_measurements(circuit, "expectation"))
    else:
        program = lower(without_final_measurements(circuit, "expectation", unitary=False), noise)
        if shots is None and getattr(noise, "readout", None):
            listed = _as_read(circuit, listed, noise)
    return Asked(
        program,
        as_tensor(weights, "weights", dtype, device),
        as_tensor(inputs, "inputs", dtype, device),
        listed,
        dtype,
        device,
        native.core is not None and device.type == "cpu",
        noise,
        shots,
        generator,
        False,
        errors,
    )


@dataclass
class _Latest:
    """The observables that a circuit was last asked for."""

    checked: list[PauliSum] | None = None
    noise: Noise | None = None
    given: list[PauliSum] | None = None
    read: list[PauliSum] | None = None
    """Those given, as a detector with that noise reads them."""


def _checked(circuit: Circuit, operators: PauliSum | Sequence[PauliSum]) -> list[PauliSum]:
    """`measured.check`, done once for a circuit and its latest observables: with few qubits it would take as long as the simulation."""
    listed: list[PauliSum] = [operators] if isinstance(operators, PauliSum) else list(operators)
    latest = circuit._kept(_Latest)
    if not _same(latest.checked, listed):
        measured.check(listed, circuit.num_qubits)
        latest.checked = listed
    return listed


def _as_read(circuit: Circuit, listed: list[PauliSum], noise: Noise) -> list[PauliSum]:
    """`measured.as_read`, kept for a circuit's latest observables and noise: plans are found by the observables' ids."""
    latest = circuit._kept(_Latest)
    if latest.read is None or latest.noise is not noise or not _same(latest.given, listed):
        latest.noise, latest.given, latest.read = noise, listed, measured.as_read(listed, noise)
    return latest.read


def _same(kept: list[PauliSum] | None, listed: list[PauliSum]) -> bool:
    return kept is not None and len(kept) == len(listed) and all(a is b for a, b in zip(kept, listed, strict=True))

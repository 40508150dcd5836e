"""Values and gradients of circuits that are seen once: no plan, one walk forward over the gates and one back (walk.cpp), NumPy in and out.

A plan for a circuit costs as much as some dozen runs of it on few qubits. A search that grows circuits, or a sampler of random ones, runs
each only a few times. With lambda = O psi the walk back undoes every gate on both and collects dE/da = Im <lambda| P |psi> for each
exp(-i a/2 P) (Jones and Gacon 2020, arXiv:2009.02823).

>>> from bitket.quantum.circuits import Circuit, Parameter
>>> circuit = Circuit(1).ry(Parameter("w"), 0)
>>> value, gradient = value_and_gradient(circuit, PauliSum.parse("Z"), [0.3])
>>> bool(abs(value - np.cos(0.3)) < 1e-15), bool(abs(gradient[0] + np.sin(0.3)) < 1e-15)
(True, True)
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bitket.algebra import PauliSum
from bitket.errors import InvalidInput
from bitket.quantum.circuits.circuit import Circuit
from bitket.quantum.circuits.parameter import ParameterError
from bitket.quantum.simulation import native
from bitket.quantum.simulation.arrays import core_observable
from bitket.quantum.simulation.planner import fits, lowered
from bitket.quantum.simulation.program import Program, lower

__all__ = ["observable", "suits", "value_and_gradient", "values", "walk"]

MOST_WALKED = 14
"""Qubits up to which a state and its partner fit the cache."""
_KEPT = 64
_observables: dict[int, tuple[PauliSum, Any]] = {}
"""Pauli sums in the core's words by their ids; the sums are kept, so that their ids stay theirs."""
_WALKS = 16  # kept for each program: a loop that makes a new observable each time must not fill the memory


def suits(program: Program) -> bool:
    """Whether a program can take this way: the core is built, every gate is unconditional and small, and the state fits the cache."""
    return native.core is not None and program.num_qubits <= MOST_WALKED and fits(program)


def walk(program: Program, operators: Sequence[PauliSum], by_angle: bool) -> Any:
    """A program (see `suits`) and Hermitian Pauli sums, together in the core; kept on the program.

    Its angles are affine in weights and inputs or, with ``by_angle``, the inputs themselves.
    """
    kept: dict[Any, Any] = program.cache("walks", dict)
    key = (by_angle, *map(id, operators))
    found = kept.get(key)
    if found is None:
        if len(kept) >= _WALKS:
            kept.pop(next(iter(kept)))
        links = None if by_angle else program.links
        core = native.core.WalkPlan(lowered(program), tuple(map(observable, operators)), links)
        found = kept[key] = (core, tuple(operators))  # so that their ids stay theirs
    return found[0]


def values(circuit: Circuit, operators: Sequence[PauliSum], parameters: ArrayLike = ()) -> NDArray[np.float64]:
    """Expectation values ``[..., m]`` of a circuit for parameters ``[..., number of parameters]``, weights first, then inputs.

    Raises
    ------
    InvalidInput
        The circuit is not unitary or has more qubits than this way pays for, or an operator does not fit.
    ParameterError
        The parameters do not fit or are not finite, or an angle is not affine in them.
    """
    program, points = _checked(circuit, operators, parameters)
    return _run(program, operators, points, False)[0]


def value_and_gradient(
    circuit: Circuit, operator: PauliSum, parameters: ArrayLike = ()
) -> tuple[float, NDArray[np.float64]]:
    """Expectation value of a circuit, and its gradient for the parameters ``[number of parameters]``, weights first, then inputs.

    Raises as `values`.
    """
    program, points = _checked(circuit, (operator,), parameters)
    if points.ndim != 1:
        raise ParameterError(f"parameters of shape {points.shape}: one point is needed")
    found, gradient = _run(program, (operator,), points, True)
    return float(found[0]), gradient


def _run(
    program: Program, operators: Sequence[PauliSum], points: NDArray[np.float64], wanted: bool
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Values ``[..., m]``, and the gradients ``[..., number of parameters]`` of a single operator where they are wanted."""
    count, weights, inputs = math.prod(points.shape[:-1]), points, points[:0]
    if program.inputs:
        weights, inputs = map(np.ascontiguousarray, np.split(points, [len(program.weights)], axis=-1))
    out = np.empty((*points.shape[:-1], len(operators)))
    gradient = np.empty(points.shape if wanted else 0)
    core = walk(program, operators, False)
    at = gradient.ctypes.data if wanted else 0
    if not core.forward64(count, True, True, weights.ctypes.data, inputs.ctypes.data, out.ctypes.data, at):
        raise ParameterError("parameters have values that are not finite")
    return out, gradient


def _checked(
    circuit: Circuit, operators: Sequence[PauliSum], parameters: ArrayLike
) -> tuple[Program, NDArray[np.float64]]:
    """The program and the points."""
    program = lower(circuit)
    if not program.is_unitary or not suits(program):
        raise InvalidInput(
            f"circuit of {circuit.num_qubits} qubits seen once: gates alone, each on few qubits, on up to {MOST_WALKED} qubits"
        )
    for o in operators:
        if o.num_qubits != circuit.num_qubits or not o.is_hermitian():
            raise InvalidInput(f"observable: a Hermitian Pauli sum on {circuit.num_qubits} qubits is needed")
    points = np.ascontiguousarray(parameters, dtype=float)
    count = len(program.weights) + len(program.inputs)
    if np.ndim(parameters) == 0 or points.shape[-1] != count:
        raise ParameterError(f"parameters of shape {np.shape(parameters)}: the last axis must be {count}")
    if program.links is None:
        raise ParameterError("an angle of the circuit is not affine in its parameters: use expectation")
    return program, points


def observable(operator: PauliSum) -> Any:
    """A Hermitian Pauli sum in the core's words; the latest ones are kept."""
    kept = _observables.get(id(operator))
    if kept is None:
        if len(_observables) >= _KEPT:
            _observables.pop(next(iter(_observables)), None)
        kept = _observables[id(operator)] = (operator, core_observable(operator))
    return kept[1]

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

__all__ = ["observable", "suits", "value_and_gradient", "values", "values_at_angles"]

MOST_WALKED = 14
"""Qubits up to which a state and its partner fit the cache."""
_KEPT = 64
_observables: dict[int, tuple[PauliSum, Any]] = {}
"""Pauli sums in the core's words by their ids; the sums are kept, so that their ids stay theirs."""


def suits(program: Program) -> bool:
    """Whether a program can take this way: the core is built, every gate is unconditional and small, and the state fits the cache."""
    return native.core is not None and program.num_qubits <= MOST_WALKED and fits(program)


def values_at_angles(
    program: Program,
    angles: NDArray[np.float64],
    operators: Sequence[PauliSum],
    upstream: NDArray[np.float64] | None = None,
    *,
    single: bool = False,
) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
    """Expectation values ``[count, m]`` after a unitary program (see `suits`), and the gradient for its angles where it is asked for.

    Parameters
    ----------
    angles
        Of the slots, ``[count, S]``.
    operators
        Hermitian Pauli sums on the program's qubits.
    upstream
        ``[count, m]``: asks for the gradient ``[count, S]`` of ``sum_k upstream_k <O_k>``.
    single
        Single precision.
    """
    angles = np.ascontiguousarray(angles, dtype=np.float64)
    out = np.empty((len(angles), len(operators)))
    gradient = None
    if upstream is not None:
        upstream, gradient = np.ascontiguousarray(upstream, dtype=np.float64), np.zeros(angles.shape)
    lowered(program).values(not single, angles, [observable(o) for o in operators], out, upstream, gradient)
    return out, gradient


def values(circuit: Circuit, operators: Sequence[PauliSum], parameters: ArrayLike = ()) -> NDArray[np.float64]:
    """Expectation values ``[..., m]`` of a circuit for parameters ``[..., number of parameters]``, weights first, then inputs.

    Raises
    ------
    InvalidInput
        The circuit is not unitary or has more qubits than this way pays for, or an operator does not fit.
    ParameterError
        The parameters do not fit or are not finite, or an angle is not affine in them.
    """
    program, points, angles = _checked(circuit, operators, parameters)
    return values_at_angles(program, angles, operators)[0].reshape(*points.shape[:-1], len(operators))


def value_and_gradient(
    circuit: Circuit, operator: PauliSum, parameters: ArrayLike = ()
) -> tuple[float, NDArray[np.float64]]:
    """Expectation value of a circuit, and its gradient for the parameters ``[number of parameters]``, weights first, then inputs.

    Raises as `values`.
    """
    program, points, angles = _checked(circuit, (operator,), parameters)
    if points.ndim != 1:
        raise ParameterError(f"parameters of shape {points.shape}: one point is needed")
    found, gradient = values_at_angles(program, angles, (operator,), np.ones((1, 1)))
    assert gradient is not None
    assert program.affine is not None
    return float(found[0, 0]), program.affine[1] @ gradient[0]


def _checked(
    circuit: Circuit, operators: Sequence[PauliSum], parameters: ArrayLike
) -> tuple[Program, NDArray[np.float64], NDArray[np.float64]]:
    """The program, the points, and the angles ``[count, S]`` at them."""
    program = lower(circuit)
    if not program.is_unitary or not suits(program):
        raise InvalidInput(
            f"circuit of {circuit.num_qubits} qubits seen once: gates alone, each on few qubits, on up to {MOST_WALKED} qubits"
        )
    for o in operators:
        if o.num_qubits != circuit.num_qubits or not o.is_hermitian():
            raise InvalidInput(f"observable: a Hermitian Pauli sum on {circuit.num_qubits} qubits is needed")
    points = np.asarray(parameters, dtype=float)
    count = len(program.weights) + len(program.inputs)
    if points.ndim == 0 or points.shape[-1] != count:
        raise ParameterError(f"parameters of shape {points.shape}: the last axis must be {count}")
    if not np.isfinite(points).all():
        raise ParameterError("parameters have values that are not finite")
    if program.affine is None:
        raise ParameterError("an angle of the circuit is not affine in its parameters: use expectation")
    constant, matrix = program.affine
    return program, points, points.reshape(int(np.prod(points.shape[:-1])), count) @ matrix + constant


def observable(operator: PauliSum) -> Any:
    """A Hermitian Pauli sum in the core's words; the latest ones are kept."""
    kept = _observables.get(id(operator))
    if kept is None:
        if len(_observables) >= _KEPT:
            _observables.pop(next(iter(_observables)), None)
        kept = _observables[id(operator)] = (operator, core_observable(operator))
    return kept[1]

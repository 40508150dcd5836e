"""Expectation values of one sample without derivatives, in NumPy and the compiled core: torch, slow to import, is not needed.

>>> from bitket.algebra import PauliSum
>>> from bitket.quantum.circuits import Circuit, Parameter
>>> c = Circuit(2).ry(Parameter("w"), 0).cx(0, 1)
>>> values = expectation(c, [PauliSum.parse("ZI"), PauliSum.parse("XX")], [0.3])
>>> bool(np.allclose(values, [np.cos(0.3), np.sin(0.3)]))
True

What the core does not run (measurements, resets and conditions before the last gate) is left to `bitket.quantum.simulation.expectation`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitket.algebra import PauliSum, group_terms, shared_basis
from bitket.errors import InvalidInput
from bitket.quantum.circuits import Circuit
from bitket.quantum.simulation import memory, native, transfer_core
from bitket.quantum.simulation.arrays import angles_of, apply_matrix, density, readout, runs, state
from bitket.quantum.simulation.fresh import observable
from bitket.quantum.simulation.measured import as_read, check, constant_of, signs_of, spread
from bitket.quantum.simulation.program import Noise, Program
from bitket.quantum.simulation.sampling import body_of, drawn, random_of
from bitket.quantum.simulation.transfer_maps import to_maps

__all__ = ["expectation", "expectation_with_error"]

_KIND = np.dtype(np.complex128)
_H = np.array([[1, 1], [1, -1]], dtype=complex) / np.sqrt(2)
_TURNS = {"X": _H, "Y": _H @ np.diag([1, -1j])}  # takes the eigenbasis of X or Y to that of Z


def expectation(
    circuit: Circuit,
    operators: PauliSum | Sequence[PauliSum],
    weights: Any = None,
    inputs: Any = None,
    *,
    noise: Noise | None = None,
) -> NDArray[np.float64]:
    """``<O_k>`` after a circuit, exactly and in double precision: ``[]`` for one operator, ``[m]`` for several.

    Parameters
    ----------
    weights, inputs
        ``[number of weights]``, ``[number of inputs]``: one sample.
    circuit, operators, noise
        As for `bitket.quantum.simulation.expectation`.

    Raises
    ------
    InvalidInput
        Shapes, values or options do not fit.
    NotEnoughMemory
        The state does not fit.
    """
    listed, single = check(operators, circuit.num_qubits)
    program, final = body_of(circuit, noise)
    angles = angles_of(program, weights, inputs)
    if noise is not None and getattr(noise, "readout", None):
        listed = as_read(listed, noise)
    if final is not None and noise is None and runs(program):
        values = _of_state(program, angles, listed)
    elif final is not None and noise is not None and _has_maps(program):
        values = _of_maps(program, angles, listed)
    else:
        from bitket.quantum.simulation.expectations import expectation as general

        found = general(circuit, operators, _plain(weights), _plain(inputs), noise=noise)
        return np.asarray(found.detach().numpy())
    return values[0] if single else values


def _plain(values: Any) -> Any:
    """Values for torch: without a graph."""
    return values.detach() if hasattr(values, "detach") else values


def _of_state(program: Program, angles: NDArray[np.float64], listed: Sequence[PauliSum]) -> NDArray[np.float64]:
    psi = state(program, angles, _KIND)
    if program.num_qubits < 4:  # fewer than the core's kernel takes
        return np.array([float(o.expectation(psi)) for o in listed])
    return np.array([observable(o).apply(True, 1.0, psi.ctypes.data, 0, False) for o in listed])


def _has_maps(program: Program) -> bool:
    return native.core is not None and program.cache("transfer maps", lambda: to_maps(program)) is not None


def _of_maps(program: Program, angles: NDArray[np.float64], listed: Sequence[PauliSum]) -> NDArray[np.float64]:
    native.threads()
    angles, values = np.ascontiguousarray(angles, dtype=np.float64), np.empty(len(listed))
    plan = transfer_core.plan(program, tuple(listed), 1, True)
    plan.run64(1, angles.ctypes.data, values.ctypes.data, 0, 0)
    return values


def expectation_with_error(
    circuit: Circuit,
    operators: PauliSum | Sequence[PauliSum],
    weights: Any = None,
    inputs: Any = None,
    *,
    shots: int,
    noise: Noise | None = None,
    generator: Any,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Values from ``shots`` shots for each group of qubit-wise commuting terms, and their standard errors; see `expectation`, `spread`.

    Parameters
    ----------
    generator
        Source of the shots, of NumPy (or of torch, which is then imported).
    """
    listed, single = check(operators, circuit.num_qubits)
    if int(shots) != shots or shots < 1:
        raise InvalidInput(f"shots {shots}: a positive whole number is needed")
    program, final = body_of(circuit, noise)
    angles, random = angles_of(program, weights, inputs), random_of(generator)
    if final is None or (noise is None and not runs(program)):
        import torch

        from bitket.quantum.simulation.expectations import expectation_with_error as general

        seeded = torch.Generator().manual_seed(int(random.integers(2**62)))
        found = general(circuit, operators, _plain(weights), _plain(inputs), shots=shots, noise=noise, generator=seeded)
        return np.asarray(found[0].numpy()), np.asarray(found[1].numpy())
    start = state(program, angles, _KIND) if noise is None else density(program, angles, _KIND)
    memory.require(float(start.nbytes) * 2, f"probabilities of {program.num_qubits} qubits in another basis")
    values, errors = np.zeros(len(listed)), np.zeros(len(listed))
    for k, operator in enumerate(listed):
        sums = [(0.0, 0.0, 0.0)]
        for group in group_terms(operator.simplify(0.0), "qubitwise"):
            p = readout(_probabilities(start, shared_basis(group)), noise).astype(np.float64).clip(0)
            index, counts = drawn(p, int(shots), random)
            sums.append(spread(signs_of(group, index), counts))
        mean, *variances = np.sum(sums, axis=0)
        values[k], errors[k] = constant_of(operator) + mean, max(variances) ** 0.5
    return (values[0], errors[0]) if single else (values, errors)


def _probabilities(start: NDArray[Any], basis: str) -> NDArray[np.float64]:
    """Outcome probabilities ``[2^n]`` of a state or density matrix when each qubit is measured in its letter's eigenbasis."""
    n, mixed = len(basis), start.ndim == 2
    flat: NDArray[Any] = start.reshape(-1)
    for q, letter in enumerate(reversed(basis)):
        if letter in _TURNS:
            turn = _TURNS[letter]
            if mixed:
                flat = apply_matrix(flat, turn.conj(), (q,))
            flat = apply_matrix(flat, turn, (q + n if mixed else q,))
    if mixed:
        return np.asarray(np.diagonal(flat.reshape(start.shape)).real)
    return np.asarray(flat.real**2 + flat.imag**2)

"""Circuits that take |0...0> to a given state, and amplitude encoding of data.

The last qubit's state is taken apart from the others': each pair of neighbouring amplitudes is

    (v_2j, v_2j+1) = r_j exp(i t_j) (exp(-i b_j/2) cos(a_j/2), exp(i b_j/2) sin(a_j/2)),

a multiplexed RY by a_j and RZ by b_j on it, and r_j exp(i t_j) is the state of the others, taken apart in turn
(Möttönen et al., quant-ph/0407010). For n qubits at most 2^(n+1) - 4 CX, and half as many if the state is real.

`state_circuit` is the same circuit with its angles as inputs, and `state_angles` are those of many states, so that they run as one batch.

>>> import numpy as np
>>> np.round(amplitude_encoding([3, 4, 0]).matrix()[:, 0].real, 12)
array([0.6, 0.8, 0. , 0. ])
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bitket.algebra.walsh import walsh_hadamard
from bitket.errors import InvalidInput
from bitket.quantum.circuits.circuit import Circuit
from bitket.quantum.circuits.parameter import Parameter
from bitket.quantum.circuits.synthesis import OneQubitMerger, multiplexed_rotation

__all__ = ["amplitude_encoding", "prepare_state", "state_angles", "state_circuit"]

_MOST_INPUTS = 1 << 17


def prepare_state(state: ArrayLike) -> Circuit:
    """A circuit of ``u``, ``cx`` and a global phase that takes |0...0> to the state, phase included.

    Parameters
    ----------
    state
        ``[2^n]``, complex, of norm 1; qubit 0 is the least significant bit of the index.

    Raises
    ------
    InvalidInput
        The shape is wrong, an entry is not finite, or the norm differs from 1 by more than 1e-8.
    """
    vector = _vector("prepare_state", state)
    n = max(len(vector).bit_length() - 1, 1)
    if len(vector) != 1 << n:
        raise InvalidInput(f"prepare_state: {len(vector)} amplitudes: 2^n, n >= 1, are needed")
    norm = float(np.linalg.norm(vector))
    if abs(norm - 1) > 1e-8:
        raise InvalidInput(f"prepare_state: the norm is {norm:.9g}: 1 is needed")
    circuit = Circuit(n, name="state_preparation")
    merger = OneQubitMerger(circuit)
    layers = []
    for qubit in range(n):
        low, high = vector[0::2], vector[1::2]
        if np.isrealobj(vector):
            vector, turns, twists = np.hypot(low, high), 2 * np.arctan2(high, low), None
        else:
            turns = 2 * np.arctan2(np.abs(high), np.abs(low))
            phases = np.angle(np.where(low == 0, high, low)), np.angle(np.where(high == 0, low, high))
            twists = phases[1] - phases[0]
            vector = np.hypot(np.abs(low), np.abs(high)) * np.exp(0.5j * (phases[0] + phases[1]))
        layers.append((qubit, turns, twists))
    merger.phase.add(float(np.angle(vector[0])))
    for qubit, turns, twists in reversed(layers):
        above = range(qubit + 1, n)
        multiplexed_rotation(merger, "y", turns, above, qubit)
        if twists is not None:
            multiplexed_rotation(merger, "z", twists, above, qubit)
    merger.finish()
    return circuit


def amplitude_encoding(values: ArrayLike) -> Circuit:
    """A circuit that prepares Σ_i x_i |i> / ||x||, with x filled up with zeros to a length of 2^n.

    Raises
    ------
    InvalidInput
        The values are not a vector, not finite, or all zero.
    """
    vector = _vector("amplitude_encoding", values)
    scale = float(np.abs(vector).max(initial=0.0))
    if scale == 0:
        raise InvalidInput("amplitude_encoding: the values are all zero")
    size = max(2, 1 << (len(vector) - 1).bit_length())
    padded = np.zeros(size, dtype=vector.dtype)
    padded[: len(vector)] = vector / scale  # first by the largest, so that squares neither overflow nor vanish
    circuit = prepare_state(padded / np.linalg.norm(padded))
    circuit.name = "amplitude_encoding"
    return circuit


def state_circuit(n_qubits: int, real: bool = False) -> Circuit:
    """A circuit whose inputs, `state_angles` of a state, take |0...0> to it, up to a global phase.

    Parameters
    ----------
    real
        For states with real amplitudes: half as many inputs, 2^n - 1.

    Raises
    ------
    InvalidInput
        There would be more than 2^17 inputs, or no qubit.
    """
    if n_qubits < 1 or (2 - real) * ((1 << n_qubits) - 1) > _MOST_INPUTS:
        raise InvalidInput(f"state circuit of {n_qubits} qubits: from 1 to {17 if real else 16} are possible")
    c = Circuit(n_qubits, name="state")
    count = 0
    for k, qubit in enumerate(reversed(range(n_qubits))):  # k qubits above are prepared
        gray = [i ^ i >> 1 for i in range(1 << k)]
        for turn in (c.ry,) if real else (c.ry, c.rz):
            for i in range(1 << k):
                turn(Parameter(f"s{count}", "input"), qubit)
                count += 1
                if k:
                    changed = gray[i] ^ gray[(i + 1) % (1 << k)]
                    c.cx(qubit + changed.bit_length(), qubit)
    return c


def state_angles(states: ArrayLike) -> NDArray[np.float64]:
    """Inputs of `state_circuit` for states ``[..., 2^n]`` of norm 1; those of its real form, if the array is real.

    Raises
    ------
    InvalidInput
        The last axis is no power of 2, an entry is not finite, or a norm differs from 1 by more than 1e-6.

    Examples
    --------
    >>> bell = np.array([[1, 0, 0, 1]]) / np.sqrt(2)
    >>> from bitket.quantum.simulation import statevector
    >>> statevector(state_circuit(2, real=True), inputs=state_angles(bell)).numpy().real.round(6).tolist()
    [[0.707107, 0.0, 0.0, 0.707107]]
    """
    given = np.asarray(states)
    vector: NDArray[Any] = given.astype(complex if np.iscomplexobj(given) else float)
    size = vector.shape[-1] if vector.ndim else 0
    if size < 2 or size & (size - 1) or not np.isfinite(vector).all():
        raise InvalidInput(f"state angles: finite amplitudes [..., 2^n] are needed, shape {vector.shape} was given")
    if (np.abs(np.linalg.norm(vector, axis=-1) - 1) > 1e-6).any():
        raise InvalidInput("state angles: a state's norm is not 1")
    parts = []
    while vector.shape[-1] > 1:
        low, high = vector[..., 0::2], vector[..., 1::2]
        if np.isrealobj(vector):
            angles = [2 * np.arctan2(high, low)]
            vector = np.hypot(low, high)
        else:
            a = np.angle(np.where(low == 0, high, low))
            b = np.angle(np.where(high == 0, low, high))
            angles = [2 * np.arctan2(np.abs(high), np.abs(low)), b - a]
            vector = np.hypot(np.abs(low), np.abs(high)) * np.exp(0.5j * (a + b))
        count = vector.shape[-1]
        gray = np.arange(count) ^ np.arange(count) >> 1
        parts.append(np.concatenate([walsh_hadamard(x)[..., gray] / count for x in angles], axis=-1))
    return np.concatenate(parts[::-1], axis=-1)


def _vector(where: str, values: ArrayLike) -> Any:
    try:
        vector = np.asarray(values)
        vector = vector.astype(complex if np.iscomplexobj(vector) else float)
    except (TypeError, ValueError):
        raise InvalidInput(f"{where}: a vector of numbers is needed") from None
    if vector.ndim != 1 or not np.isfinite(vector).all():
        raise InvalidInput(f"{where}: a vector of finite numbers is needed, shape {vector.shape} was given")
    return vector

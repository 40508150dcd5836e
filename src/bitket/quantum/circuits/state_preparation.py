"""Circuits that take |0...0> to a given state, and amplitude encoding of data.

The last qubit's state is taken apart from the others': each pair of neighbouring amplitudes is

    (v_2j, v_2j+1) = r_j exp(i t_j) (exp(-i b_j/2) cos(a_j/2), exp(i b_j/2) sin(a_j/2)),

a multiplexed RY by a_j and RZ by b_j on it, and r_j exp(i t_j) is the state of the others, taken apart in turn
(Möttönen et al., quant-ph/0407010). For n qubits at most 2^(n+1) - 4 CX, and half as many if the state is real.

>>> import numpy as np
>>> np.round(amplitude_encoding([3, 4, 0]).matrix()[:, 0].real, 12)
array([0.6, 0.8, 0. , 0. ])
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from bitket.errors import InvalidInput
from bitket.quantum.circuits.circuit import Circuit
from bitket.quantum.circuits.synthesis import OneQubitMerger, multiplexed_rotation

__all__ = ["amplitude_encoding", "prepare_state"]


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


def _vector(where: str, values: ArrayLike) -> Any:
    try:
        vector = np.asarray(values)
        vector = vector.astype(complex if np.iscomplexobj(vector) else float)
    except (TypeError, ValueError):
        raise InvalidInput(f"{where}: a vector of numbers is needed") from None
    if vector.ndim != 1 or not np.isfinite(vector).all():
        raise InvalidInput(f"{where}: a vector of finite numbers is needed, shape {vector.shape} was given")
    return vector

"""Copies of a quantum state that somebody holds: they can be sent on, put through an apparatus or measured, but not read.

A state is an ensemble of unnormalised vectors psi_c, rho = sum_c |psi_c><psi_c|; one vector is a pure state. An apparatus is its Kraus
operators A_k: what it keeps is sum_k A_k rho A_k†, whose trace is the probability that a copy is kept. The vectors stand for nature; a
party of the protocol has `Copies` alone, whose methods are what a laboratory could do. ``number`` is None for as many as anybody wants,
with which relative frequencies are probabilities.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from bitket.errors import InvalidInput

__all__ = ["Apparatus", "Array", "Copies", "ensemble_of", "factors", "qubits_of"]

Array = NDArray[Any]  # of real or complex numbers
_NOTHING = 1e-14  # of the largest eigenvalue: what rounding makes


class Apparatus(Protocol):
    """What a party does to one copy, with an outcome on which the copy is kept."""

    def kraus(self, states: Array) -> Array:
        """Kept parts ``[c, k, out]`` of states ``[c, in]``, unnormalised."""


class Copies:
    """Some copies of one state of a register.

    Parameters
    ----------
    ensemble
        ``[c, 2^qubits]``, squared norms summing to 1.
    number
        How many copies, None for as many as wanted.
    """

    __slots__ = ("__ensemble", "number", "qubits")

    def __init__(self, ensemble: Array, number: int | None = None) -> None:
        self.__ensemble = ensemble
        self.qubits, self.number = qubits_of(ensemble), number

    def through(self, apparatus: Apparatus, generator: np.random.Generator) -> tuple[Copies, float]:
        """The copies that an apparatus keeps, and their share of all: the probability itself for an unlimited number.

        Where nothing can be kept, the share is 0 and the copies are none of an arbitrary state.
        """
        kept = apparatus.kraus(self.__ensemble)
        kept = kept.reshape(-1, kept.shape[-1])
        probability = min(1.0, float(np.vdot(kept, kept).real))
        if probability <= 0:
            nothing = np.zeros((1, kept.shape[-1]))
            nothing[0, 0] = 1.0
            return Copies(nothing, 0), 0.0
        state = ensemble_of(kept / np.sqrt(probability))
        if self.number is None:
            return Copies(state), probability
        count = int(generator.binomial(self.number, probability))
        return Copies(state, count), count / max(self.number, 1)

    def carried(self, medium: Callable[[Array], Array], number: int | None) -> Copies:
        """What arrives through a medium that maps ensembles to ensembles, in another number."""
        return Copies(medium(self.__ensemble), number)

    @staticmethod
    def joined(registers: list[Copies], operation: Callable[[list[Array]], None]) -> None:
        """Let an operation act on the registers of several copies together."""
        operation([copies.__ensemble for copies in registers])

    def frequencies(self, basis: Callable[[Array], Array], generator: np.random.Generator) -> NDArray[np.float64]:
        """Share of each outcome when every copy is measured; ``basis`` takes states ``[c, in]`` to amplitudes ``[c, outcomes]``.

        Raises
        ------
        InvalidInput
            There is no copy.
        """
        amplitudes = basis(self.__ensemble)
        p = (np.abs(amplitudes) ** 2).sum(axis=0)
        if self.number is None:
            return p
        if self.number < 1:
            raise InvalidInput("there is no copy to measure")
        return np.asarray(generator.multinomial(self.number, p / p.sum()) / self.number)


def qubits_of(ensemble: Array) -> int:
    """Qubits of the register of an ensemble ``[c, 2^qubits]``.

    Raises
    ------
    InvalidInput
        It is not of that shape, not finite, or not of trace 1.
    """
    if ensemble.ndim != 2 or 0 in ensemble.shape or ensemble.shape[1] & (ensemble.shape[1] - 1):
        raise InvalidInput(f"ensemble of shape {ensemble.shape}: [members, 2^qubits] is needed")
    trace = float(np.vdot(ensemble, ensemble).real)
    if not abs(trace - 1) < 1e-6:  # never true of nan
        raise InvalidInput(f"ensemble of trace {trace:.6g}: 1 is needed")
    return ensemble.shape[1].bit_length() - 1


def ensemble_of(members: Array) -> Array:
    """The same density matrix by no more vectors than the space has dimensions."""
    count, size = members.shape
    return members if count <= size else factors(members.T @ members.conj())


def factors(density: Array) -> Array:
    """Vectors ``[c, d]`` of which a density matrix ``[d, d]`` is the sum of projectors: by Cholesky, or by eigenvectors if it is singular."""
    try:
        return np.asarray(np.linalg.cholesky(density).T)
    except np.linalg.LinAlgError:
        values, vectors = np.linalg.eigh(density)
        keep = values > _NOTHING * values[-1]
        return np.asarray((vectors[:, keep] * np.sqrt(values[keep])).T)

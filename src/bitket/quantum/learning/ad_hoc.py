"""Data that a quantum kernel separates by construction (Havlíček et al. 2019, arXiv:1804.11326, "ad hoc" data).

A random V in SU(2^n) and the parity f = Z...Z label points x in (0, 2π]^n:  +1 if <Phi(x)|V† f V|Phi(x)> >= gap,  -1 if <= -gap.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bitket.errors import InvalidInput
from bitket.quantum.circuits import Circuit
from bitket.quantum.circuits.encodings import iqp_feature_map
from bitket.quantum.circuits.random import random_unitary
from bitket.quantum.simulation import statevector

__all__ = ["AdHocData"]

_TRIES = 200_000


@dataclass(frozen=True)
class AdHocData:
    """A labelling: the feature map, the random unitary and the gap. Training and test sets are draws from the same labelling."""

    feature_map: Circuit
    unitary: NDArray[np.complex128]
    gap: float = 0.3

    @classmethod
    def random(cls, n: int, generator: np.random.Generator, gap: float = 0.3) -> AdHocData:
        """The paper's feature map on n qubits and a Haar-random V."""
        if not 0 <= gap < 1:
            raise InvalidInput(f"gap {gap}: it must be at least 0 and below 1")
        return cls(iqp_feature_map(n), random_unitary(n, generator), gap)

    def margins(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """``<Phi(x)|V† f V|Phi(x)>`` for points ``[t, n]``."""
        states = statevector(self.feature_map, inputs=x).numpy() @ self.unitary.T
        parity = 1 - 2.0 * (np.bitwise_count(np.arange(states.shape[-1])) & 1)
        return np.asarray((np.abs(states) ** 2) @ parity)

    def draw(self, per_class: int, generator: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Points ``[2 per_class, n]`` and labels ±1, as many of each; points in the gap are dropped.

        Raises
        ------
        InvalidInput
            The gap is so wide that hardly any point has one of the labels.
        """
        n = len(self.feature_map.inputs)
        found: dict[int, list[NDArray[np.float64]]] = {1: [], -1: []}
        tried = 0
        while min(sum(map(len, f)) for f in found.values()) < per_class:
            if tried >= _TRIES:
                have = {k: sum(map(len, f)) for k, f in found.items()}
                raise InvalidInput(
                    f"ad hoc data with gap {self.gap}: after {tried} points only {have[1]} are +1 and {have[-1]} are -1, "
                    f"{per_class} of each are wanted; use a smaller gap"
                )
            x = 2 * np.pi * (1 - generator.random((2000, n)))  # (0, 2 pi]
            margin = self.margins(x)
            found[1].append(x[margin >= self.gap])
            found[-1].append(x[margin <= -self.gap])
            tried += len(x)
        parts = [np.concatenate(found[k])[:per_class] for k in (1, -1)]
        return np.concatenate(parts), np.repeat([1, -1], per_class)

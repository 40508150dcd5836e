"""Features as amplitudes: standardised, by principal components, with a constant, to norm 1.

    d = (z_1, ..., z_k, c) / ||.||,      z = A (x - m),  k at most 2^n - 1,  c half the root mean square of ||z||.

The constant is what a state's global sign would lose: without it x and its mirror image give states that no measurement tells apart.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bitket.errors import InvalidInput

__all__ = ["AmplitudeScale"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class AmplitudeScale:
    """The map: ``centre`` m ``[d]``, ``directions`` A ``[k, d]``, ``constant`` c, for states of ``qubits`` qubits."""

    centre: Floats
    directions: Floats
    constant: float
    qubits: int

    @classmethod
    def fit(cls, x: Floats, qubits: int) -> AmplitudeScale:
        """From samples ``[N, d]``: standard scaling, then the first 2^qubits - 1 principal components (all, where there are fewer).

        Raises
        ------
        InvalidInput
            There are fewer than two samples, or all are equal.
        """
        from sklearn.decomposition import PCA
        from sklearn.preprocessing import StandardScaler

        if len(x) < 2 or np.ptp(x, axis=0).max() == 0:
            raise InvalidInput(f"{len(x)} rows to scale features by: two different ones at least are needed")
        scaler = StandardScaler().fit(x)
        scaled = scaler.transform(x)
        components = PCA(min((1 << qubits) - 1, *x.shape), svd_solver="full").fit(scaled).components_
        z = scaled @ components.T
        constant = float(np.sqrt((z**2).sum(axis=1).mean())) / 2
        return cls(np.asarray(scaler.mean_), np.asarray(components / scaler.scale_), constant, qubits)

    def states(self, x: Floats) -> Floats:
        """States ``[N, 2^qubits]`` of samples ``[N, d]``.

        Raises
        ------
        InvalidInput
            Another number of features, or values too large for numbers.
        """
        if x.ndim != 2 or x.shape[1] != len(self.centre):
            raise InvalidInput(f"samples of shape {x.shape}: {len(self.centre)} features are needed")
        states = np.zeros((len(x), 1 << self.qubits))
        states[:, : len(self.directions)] = (x - self.centre) @ self.directions.T
        states[:, len(self.directions)] = self.constant
        if not np.isfinite(states).all() or np.abs(states).max(initial=0) > 1e150:
            raise InvalidInput("samples too far from those that the scale was made of")
        return np.asarray(states / np.linalg.norm(states, axis=1, keepdims=True))

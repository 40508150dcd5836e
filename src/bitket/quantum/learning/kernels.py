"""Kernels estimated by quantum circuits: K(x, z) = |<Phi(x)|Phi(z)>|², the probability of 0...0 after U(x)† U(z)|0...0>.

Exactly, all states are computed once and the Gram matrix is one product of matrices. With shots, each entry is the frequency of 0...0 in R
runs, so its variance is K (1 - K)/R. Under noise the circuit U(x)† U(z) is simulated pair by pair, and can be mitigated by extrapolation.

Source: Havlíček et al. 2019, arXiv:1804.11326, section "Quantum kernel estimation" and supplement.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin

from bitket.errors import InvalidInput
from bitket.quantum.circuits import Circuit, Parameter
from bitket.quantum.noise import NoiseModel
from bitket.quantum.simulation import statevector
from bitket.quantum.variational.mitigation import Extrapolator

__all__ = [
    "QuantumKernel",
    "QuantumSVC",
    "checked_features",
    "geometric_difference",
    "kernel_target_alignment",
    "nearest_psd",
    "product_kernel",
    "shots_for_kernel",
]

Array = NDArray[np.float64]
_BLOCK = 1 << 26  # entries of a block of the Gram matrix, or amplitudes of states, held at a time


def checked_features(values: ArrayLike, width: int, name: str = "X") -> Array:
    """Samples ``[t, width]`` as finite floats.

    Raises
    ------
    InvalidInput
        The shape does not fit, or a value is not finite (the message names its row and column).
    """
    x = np.asarray(values, dtype=float)
    if x.ndim != 2 or x.shape[1] != width:
        raise InvalidInput(
            f"{name} of shape {x.shape}: [samples, {width}] is needed, one column for each input of the feature map"
        )
    bad = np.argwhere(~np.isfinite(x))
    if len(bad):
        raise InvalidInput(
            f"{name}: value {x[tuple(bad[0])]} in row {bad[0][0]}, column {bad[0][1]}; all must be finite"
        )
    return x


class QuantumKernel:
    """A kernel between samples, from a feature map; callable as scikit-learn wants it: ``SVC(kernel=QuantumKernel(...))``.

    Parameters
    ----------
    feature_map
        A circuit whose inputs are the features; without weights.
    shots
        Runs for each entry; None for exact values.
    noise
        Noise model of the circuit U(x)† U(z).
    mitigation
        Extrapolator to zero noise, from the noise factors ``factors``; needs ``noise``.
    generator
        Needed with shots.

    Examples
    --------
    >>> from bitket.quantum.circuits.encodings import zz_feature_map
    >>> K = QuantumKernel(zz_feature_map(2))(np.array([[0.1, 0.2], [1.0, 2.0]]))
    >>> K.shape, float(K[0, 0])
    ((2, 2), 1.0)
    """

    def __init__(
        self,
        feature_map: Circuit,
        *,
        shots: int | None = None,
        noise: NoiseModel | None = None,
        mitigation: Extrapolator | None = None,
        factors: Sequence[float] = (1.0, 1.5),
        generator: np.random.Generator | None = None,
    ) -> None:
        if feature_map.weights or not feature_map.inputs:
            raise InvalidInput("quantum kernel: the feature map needs inputs and no weights")
        if shots is not None and (shots < 1 or generator is None):
            raise InvalidInput(f"quantum kernel with {shots} shots: a positive number and a generator are needed")
        if mitigation is not None and noise is None:
            raise InvalidInput("quantum kernel: mitigation needs a noise model")
        self.feature_map, self.shots, self.noise = feature_map, shots, noise
        self.mitigation, self.factors, self.generator = mitigation, tuple(factors), generator

    def __call__(self, x: ArrayLike, z: ArrayLike | None = None) -> Array:
        """Kernel matrix ``[t, s]`` between samples ``[t, n]`` and ``[s, n]``; ``z`` omitted means ``z = x``.

        A matrix of samples with themselves is symmetric with ones on its diagonal: each pair is estimated once.
        """
        width = len(self.feature_map.inputs)
        x = checked_features(x, width)
        same = z is None or (np.shape(z) == x.shape and bool(np.array_equal(z, x)))
        other = x if same or z is None else checked_features(z, width, "Z")
        if self.noise is None:
            exact = self._exact(x, other)
            return self._sampled(exact, same)
        rows, columns = np.triu_indices(len(x), 1) if same else (a.ravel() for a in np.indices((len(x), len(other))))
        values = self._noisy(x[rows], other[columns])
        out = np.eye(len(x)) if same else np.empty((len(x), len(other)))
        out[rows, columns] = values
        if same:
            out[columns, rows] = values
        return out

    def states(self, x: ArrayLike) -> NDArray[np.complex128]:
        """Feature states ``[t, 2^n]``."""
        samples = checked_features(x, len(self.feature_map.inputs))
        step = max(1, _BLOCK >> (self.feature_map.num_qubits + 2))
        parts = [
            statevector(self.feature_map, inputs=samples[k : k + step]).numpy() for k in range(0, len(samples), step)
        ]
        return np.concatenate(parts)

    def _exact(self, x: Array, z: Array) -> Array:
        left = self.states(x)
        right = left if z is x else self.states(z)
        out = np.empty((len(left), len(right)))
        step = max(1, _BLOCK // max(1, len(right)))  # the complex product is needed a block at a time only
        for k in range(0, len(left), step):
            product = left[k : k + step].conj() @ right.T
            out[k : k + step] = product.real**2 + product.imag**2
        if z is x:
            np.fill_diagonal(out, 1.0)
        return out

    def _sampled(self, exact: Array, same: bool) -> Array:
        if self.shots is None:
            return exact
        assert self.generator is not None
        drawn = self.generator.binomial(self.shots, np.clip(exact, 0, 1)) / self.shots
        if same:
            drawn = np.triu(drawn, 1)
            drawn = drawn + drawn.T + np.eye(len(drawn))
        return drawn

    def _pair_circuit(self) -> Circuit:
        """U(z) then U(x)†; its inputs are the features of z, then those of x."""
        names = [Parameter(f"z:{p.name}", "input") for p in self.feature_map.inputs]
        renamed = self.feature_map.bind(dict(zip(self.feature_map.inputs, names, strict=True)))
        return renamed.compose(self.feature_map.inverse())

    def _noisy(self, x: Array, z: Array) -> Array:
        from bitket.quantum.simulation import density_matrix

        assert self.noise is not None
        circuit = self._pair_circuit()
        order = {p.name: k for k, p in enumerate(self.feature_map.inputs)}
        columns = [order[p.name[2:]] if p.name.startswith("z:") else len(order) + order[p.name] for p in circuit.inputs]
        both = np.concatenate([z, x], axis=1)[:, columns]
        factors = self.factors if self.mitigation is not None else (1.0,)
        step = max(1, _BLOCK >> (2 * circuit.num_qubits + 2))
        levels = []
        for factor in factors:
            noise = self.noise if factor == 1 else self.noise.scaled(factor)
            parts = [
                density_matrix(circuit, inputs=both[k : k + step], noise=noise)[..., 0, 0].real.numpy()
                for k in range(0, len(both), step)
            ]
            p = np.clip(np.concatenate(parts), 0, 1)
            levels.append(
                p
                if self.shots is None or self.generator is None
                else self.generator.binomial(self.shots, p) / self.shots
            )
        if self.mitigation is None:
            return levels[0]
        values = np.array(levels)
        return np.array([self.mitigation.fit(factors, values[:, k]).predict(0.0).value for k in range(values.shape[1])])


def product_kernel(x: ArrayLike, z: ArrayLike) -> Array:
    """``prod_i cos²((x_i - z_i)/2)``, the kernel of RY(x_i) on each qubit: easy to compute, a baseline."""
    a, b = np.asarray(x, dtype=float), np.asarray(z, dtype=float)
    out = np.ones((len(a), len(b)))
    for k in range(a.shape[1]):
        out *= np.cos((a[:, None, k] - b[None, :, k]) / 2) ** 2
    return out


def shots_for_kernel(samples: int, epsilon: float) -> int:
    """Shots for each entry so that the estimated kernel matrix is within ``epsilon`` of the exact one in operator norm.

    R = t²/(4 ε²): the squared Frobenius norm of the error, an upper bound, is then at most ε² on average (variances are at most 1/4R).
    """
    if samples < 1 or not epsilon > 0:
        raise InvalidInput(f"shots for a kernel of {samples} samples to {epsilon}: both must be positive")
    return math.ceil(samples**2 / (4 * epsilon**2))


def nearest_psd(kernel: ArrayLike, how: Literal["clip", "shift"] = "clip") -> Array:
    """A positive semidefinite matrix near a symmetric one: negative eigenvalues set to zero, or the spectrum shifted up."""
    k = np.asarray(kernel, dtype=float)
    if k.ndim != 2 or k.shape[0] != k.shape[1] or not np.allclose(k, k.T, atol=1e-10):
        raise InvalidInput(f"kernel matrix of shape {k.shape}: a symmetric one is needed")
    values, vectors = np.linalg.eigh(k)
    if how == "clip":
        return np.asarray((vectors * np.maximum(values, 0)) @ vectors.T)
    if how == "shift":
        return k + max(0.0, -float(values[0])) * np.eye(len(k))
    raise InvalidInput(f"nearest positive semidefinite matrix by {how!r}: 'clip' and 'shift' are known")


def kernel_target_alignment(kernel: ArrayLike, labels: ArrayLike) -> float:
    """``<K, y y^T> / (|K| |y y^T|)`` in the Frobenius product, for labels ±1 (Cristianini et al. 2001)."""
    k, y = np.asarray(kernel, dtype=float), np.asarray(labels, dtype=float)
    return float(y @ k @ y / (np.linalg.norm(k) * len(y)))


def geometric_difference(classical: ArrayLike, quantum: ArrayLike, regularisation: float = 1e-6) -> float:
    """``sqrt(| sqrt(Kq) (Kc + r 1)^-1 sqrt(Kq) |)``, kernels scaled to trace t (Huang et al. 2021, arXiv:2011.01938, equation 5)."""
    kc, kq = (np.asarray(k, dtype=float) * len(np.asarray(k)) / np.trace(np.asarray(k)) for k in (classical, quantum))
    values, vectors = np.linalg.eigh(kq)
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    inner = root @ np.linalg.solve(kc + regularisation * np.eye(len(kc)), root)
    return float(math.sqrt(np.linalg.eigvalsh((inner + inner.T) / 2)[-1]))


class QuantumSVC(ClassifierMixin, BaseEstimator):
    """Support vector machine on a quantum kernel, with care for kernels that noise or shots made indefinite.

    Parameters
    ----------
    kernel
        From samples to kernel matrices.
    C
        Penalty; large values give the hard margin.
    indefinite
        What to do with negative eigenvalues of the training matrix: ``"clip"``, ``"shift"`` or ``"leave"`` (with a warning).

    Attributes
    ----------
    smallest_eigenvalue_
        Of the training matrix, before it was mended.
    """

    def __init__(
        self, kernel: QuantumKernel, C: float = 1e6, indefinite: Literal["clip", "shift", "leave"] = "clip"
    ) -> None:
        self.kernel = kernel
        self.C = C
        self.indefinite = indefinite

    def fit(self, X: ArrayLike, y: ArrayLike) -> QuantumSVC:
        """Fit to samples ``[t, n]`` and labels ``[t]``."""
        import warnings

        from sklearn.svm import SVC

        self.X_ = checked_features(X, len(self.kernel.feature_map.inputs))
        labels = np.asarray(y)
        if labels.shape != (len(self.X_),) or len(np.unique(labels)) < 2:
            raise InvalidInput(
                f"labels of shape {labels.shape}: one for each of {len(self.X_)} samples, of at least two classes, are needed"
            )
        self.classes_ = np.unique(labels)
        matrix = self.kernel(self.X_)
        self.smallest_eigenvalue_ = float(np.linalg.eigvalsh(matrix)[0])
        if self.smallest_eigenvalue_ < -1e-10:
            if self.indefinite == "leave":
                warnings.warn(
                    f"kernel matrix is indefinite (smallest eigenvalue {self.smallest_eigenvalue_:.3g})", stacklevel=2
                )
            else:
                matrix = nearest_psd(matrix, self.indefinite)
        self.svc_ = SVC(kernel="precomputed", C=self.C).fit(matrix, labels)
        return self

    def decision_function(self, X: ArrayLike) -> Any:
        """Signed distances (see scikit-learn)."""
        return self.svc_.decision_function(self._rows(X))

    def predict(self, X: ArrayLike) -> Any:
        """Labels of samples ``[s, n]``."""
        return self.svc_.predict(self._rows(X))

    def _rows(self, X: ArrayLike) -> Array:
        """Kernel to the support vectors; other columns are not used and not estimated."""
        x = checked_features(X, self.X_.shape[1])
        out = np.zeros((len(x), len(self.X_)))
        support = self.svc_.support_
        out[:, support] = self.kernel(x, self.X_[support])
        return out

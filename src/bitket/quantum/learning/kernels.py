"""Kernels estimated by quantum circuits: K(x, z) = |<Phi(x)|Phi(z)>|², the probability of 0...0 after U(x)† U(z)|0...0>.

Exactly, all states are computed once and the Gram matrix is one product of matrices. With shots, each entry is the frequency of 0...0 in R
runs, so its variance is K (1 - K)/R. Under noise the circuit U(x)† U(z) is simulated pair by pair, and can be mitigated by extrapolation.

Source: Havlíček et al. 2019, arXiv:1804.11326, section "Quantum kernel estimation" and supplement.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator

from bitket.data.estimators import AngleClassifier
from bitket.errors import InvalidInput
from bitket.quantum.circuits import Circuit, Parameter, zz_feature_map
from bitket.quantum.noise import NoiseModel
from bitket.quantum.simulation import statevector
from bitket.quantum.variational.mitigation import Extrapolator

__all__ = [
    "QuantumKernel",
    "QuantumSVC",
    "geometric_difference",
    "kernel_target_alignment",
    "nearest_psd",
    "product_kernel",
    "shots_for_kernel",
]

Array = NDArray[np.float64]
_MOST_QUBITS = 16  # of the default feature map
_BLOCK = 1 << 26  # entries of a block of the Gram matrix, or amplitudes of states, held at a time


def _samples(values: ArrayLike, width: int | None, name: str = "X") -> Array:
    """Samples ``[t, width]`` as finite floats, for kernels that are called without a fit; any width if it is None."""
    needed = f"[samples, {'features' if width is None else width}]"
    try:
        x = np.asarray(values, dtype=float)
    except (TypeError, ValueError):
        raise InvalidInput(f"{name}: numbers {needed} are needed") from None
    if x.ndim != 2 or 0 in x.shape or x.shape[1] != (width or x.shape[1]):
        raise InvalidInput(
            f"{name} of shape {x.shape}: {needed} is needed, one sample or more and one column for each input of the feature map"
        )
    bad = np.argwhere(~np.isfinite(x))
    if len(bad):
        raise InvalidInput(
            f"{name}: value {x[tuple(bad[0])]} in row {bad[0][0]}, column {bad[0][1]}; all must be finite"
        )
    return x


@lru_cache(maxsize=8)
def _default_map(features: int) -> Circuit:
    if features > _MOST_QUBITS:
        raise InvalidInput(
            f"quantum kernel: samples have {features} features, the default feature map takes one qubit each and at most {_MOST_QUBITS}; "
            "reduce them first (bitket.data.angle_pipeline) or give a feature map"
        )
    return zz_feature_map(features, 2)


class QuantumKernel(BaseEstimator):
    """A kernel between samples, from a feature map; callable as scikit-learn wants it: ``SVC(kernel=QuantumKernel(...))``.

    Parameters
    ----------
    feature_map
        A circuit whose inputs are the features; without weights. None: `zz_feature_map` with two repetitions, one qubit a feature, at
        most 16. It turns by twice a feature: features between 0 and 1 suit it.
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
        feature_map: Circuit | None = None,
        *,
        shots: int | None = None,
        noise: NoiseModel | None = None,
        mitigation: Extrapolator | None = None,
        factors: Sequence[float] = (1.0, 1.5),
        generator: np.random.Generator | None = None,
    ) -> None:
        if feature_map is not None and (feature_map.weights or not feature_map.inputs):
            raise InvalidInput("quantum kernel: the feature map needs inputs and no weights")
        if shots is not None and (shots < 1 or generator is None):
            raise InvalidInput(f"quantum kernel with {shots} shots: a positive number and a generator are needed")
        if mitigation is not None and noise is None:
            raise InvalidInput("quantum kernel: mitigation needs a noise model")
        self.feature_map, self.shots, self.noise = feature_map, shots, noise
        self.mitigation, self.factors, self.generator = mitigation, factors, generator

    def __call__(self, x: ArrayLike, z: ArrayLike | None = None) -> Array:
        """Kernel matrix ``[t, s]`` between samples ``[t, n]`` and ``[s, n]``; ``z`` omitted means ``z = x``.

        A matrix of samples with themselves is symmetric with ones on its diagonal: each pair is estimated once.
        """
        x = self._samples(x)
        same = z is None or (np.shape(z) == x.shape and bool(np.array_equal(z, x)))
        other = x if same or z is None else self._samples(z, "Z")
        if other.shape[1] != x.shape[1]:
            raise InvalidInput(f"X has {x.shape[1]} features and Z {other.shape[1]}: as many of both are needed")
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
        samples = self._samples(x)
        feature_map = self._map(samples)
        step = max(1, _BLOCK >> (feature_map.num_qubits + 2))
        parts = [statevector(feature_map, inputs=samples[k : k + step]).numpy() for k in range(0, len(samples), step)]
        return np.concatenate(parts)

    def _samples(self, values: ArrayLike, name: str = "X") -> Array:
        return _samples(values, None if self.feature_map is None else len(self.feature_map.inputs), name)

    def _map(self, x: Array) -> Circuit:
        return _default_map(x.shape[1]) if self.feature_map is None else self.feature_map

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

    @staticmethod
    def _pair_circuit(feature_map: Circuit) -> Circuit:
        """U(z) then U(x)†; its inputs are the features of z, then those of x."""
        names = [Parameter(f"z:{p.name}", "input") for p in feature_map.inputs]
        renamed = feature_map.bind(dict(zip(feature_map.inputs, names, strict=True)))
        return renamed.compose(feature_map.inverse())

    def _noisy(self, x: Array, z: Array) -> Array:
        from bitket.quantum.simulation import density_matrix

        assert self.noise is not None
        feature_map = self._map(x)
        circuit = self._pair_circuit(feature_map)
        order = {p.name: k for k, p in enumerate(feature_map.inputs)}
        columns = [order[p.name[2:]] if p.name.startswith("z:") else len(order) + order[p.name] for p in circuit.inputs]
        both = np.concatenate([z, x], axis=1)[:, columns]
        factors = tuple(self.factors) if self.mitigation is not None else (1.0,)
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


def _typical_scale(x: Array) -> float:
    """The s of `QuantumSVC`'s automatic scale, from at most 32 of the samples."""
    from sklearn.preprocessing import MinMaxScaler

    some = MinMaxScaler().fit_transform(x)[np.linspace(0, len(x) - 1, min(len(x), 32)).astype(int)]
    pairs = np.triu_indices(len(some), 1)

    def near(scale: float) -> bool:
        return bool(np.median(QuantumKernel()(scale * some)[pairs]) > 0.5)

    scale = 1.0
    while scale > 2.0**-20 and not near(scale):
        scale /= 2
    if scale == 1:
        return scale
    low, high = scale, 2 * scale
    for _ in range(3):
        middle = math.sqrt(low * high)
        low, high = (middle, high) if near(middle) else (low, middle)
    return low


class QuantumSVC(AngleClassifier):
    """Support vector machine on a quantum kernel, with care for kernels that noise or shots made indefinite.

    Parameters
    ----------
    kernel
        From samples to kernel matrices; None: `QuantumKernel` with its default feature map.
    C
        Penalty; large values give the hard margin.
    indefinite
        What to do with negative eigenvalues of the training matrix: ``"clip"``, ``"shift"`` or ``"leave"`` (with a warning).
    scale
        Range in radians onto which the range of each feature in the training samples is mapped; later values are clipped to it. None
        takes features as they are. ``"auto"`` is None for a kernel that is given; for the default kernel [0, s], with s, at most 1, such that
        half of the pairs of training samples have a kernel below 1/2: the more features, the narrower, as otherwise all samples become
        orthogonal and nothing is learned (Shaydulin and Wild 2022, arXiv:2111.05451, on bandwidths).

    Attributes
    ----------
    classes_, n_features_in_
        The labels, sorted, and the number of features (`feature_names_in_` holds their names in a data frame).
    smallest_eigenvalue_
        Of the training matrix, before it was mended.

    Examples
    --------
    >>> x = np.array([[0.0, 1.0], [0.2, 1.3], [3.0, 7.0], [2.8, 6.5]])
    >>> QuantumSVC().fit(x, ["near", "near", "far", "far"]).predict([[0.1, 1.2]]).tolist()
    ['near']
    """

    _fit_gives: ClassVar[str] = "svc_"

    def __init__(
        self,
        kernel: Callable[[Any, Any], Any] | None = None,
        C: float = 1.0,
        indefinite: Literal["clip", "shift", "leave"] = "clip",
        scale: Literal["auto"] | tuple[float, float] | None = "auto",
    ) -> None:
        self.kernel = kernel
        self.C = C
        self.indefinite = indefinite
        self.scale = scale

    def _auto_scale(self, x: Array) -> tuple[float, float] | None:
        return (0.0, _typical_scale(x)) if self.kernel is None else None

    def fit(self, X: ArrayLike, y: ArrayLike) -> QuantumSVC:
        """Fit to samples ``[t, n]`` and labels ``[t]`` of two kinds or more.

        Raises
        ------
        InvalidInput
            A setting, sample or label does not fit, or there are fewer than two labels.
        """
        from sklearn.svm import SVC

        if self.indefinite not in ("clip", "shift", "leave"):
            raise InvalidInput(f"QuantumSVC: indefinite {self.indefinite!r}; 'clip', 'shift' and 'leave' are known")
        if not self.C > 0:
            raise InvalidInput(f"QuantumSVC: C {self.C}; a positive number is needed")
        x, index = self._learned_angles(X, y)
        self._kernel = self.kernel if self.kernel is not None else QuantumKernel()
        matrix = np.asarray(self._kernel(x, x))
        self.smallest_eigenvalue_ = float(np.linalg.eigvalsh(matrix)[0])
        if self.smallest_eigenvalue_ < -1e-10:
            if self.indefinite == "leave":
                warnings.warn(
                    f"kernel matrix is indefinite (smallest eigenvalue {self.smallest_eigenvalue_:.3g})", stacklevel=2
                )
            else:
                matrix = nearest_psd(matrix, self.indefinite)
        self.X_ = x
        self.svc_ = SVC(kernel="precomputed", C=self.C).fit(matrix, index)
        return self

    def decision_function(self, X: ArrayLike) -> Array:
        """Signed distances: ``[s]`` towards the second of two classes, ``[s, classes]`` of more (one against the rest)."""
        x = self._seen_angles(X)
        return np.asarray(self.svc_.decision_function(self._rows(x)))

    def _rows(self, x: Array) -> Array:
        """Kernel to the support vectors; other columns are not used and not estimated."""
        out = np.zeros((len(x), len(self.X_)))
        support = self.svc_.support_
        out[:, support] = self._kernel(x, self.X_[support])
        return out

"""Quantum feature maps: a fixed circuit turns a few numbers into the distribution of its outcomes, or into expectation values.

The map of Sarkar (2025, arXiv:2408.03351v2) on n qubits is RY(f_q) on each qubit q, a Hadamard gate on qubit 0, and the cascade of CX
0 -> 1 -> ... -> n-1. The gates after the rotations do not mix outcomes: with independent bits a of P(a_0 = 0) = (1 + sin f_0)/2 and
P(a_q = 0) = cos²(f_q/2), the outcome's bits are

    b_q = a_0 ⊕ ... ⊕ a_q,

a product distribution with its outcomes renamed. No interference is left in the 2^n numbers, and the n features follow from them in
closed form (`recovered_features`): for a classifier they are the same information, spread out. Other maps stand here to compare with.

Column k of the features is the outcome whose bit q is bit q of k: qubit 0 is the least significant.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import TransformerMixin

from bitket.algebra import PauliSum
from bitket.data.estimators import SampleEstimator, generator_of
from bitket.errors import InvalidInput
from bitket.quantum.circuits import Circuit, Parameter, iqp_feature_map
from bitket.quantum.circuits.parameter import parameters
from bitket.quantum.simulation import expectation, probabilities

__all__ = [
    "CIRCUITS",
    "FeatureLayer",
    "QuantumFeatureMap",
    "cascade_feature_map",
    "folded_feature_map",
    "interleaved_feature_map",
    "recovered_features",
]

Array = NDArray[np.float64]
Readout = Literal["probabilities", "expectations"]
_MOST_QUBITS = 16
_FEW_QUBITS = 6
_CHUNK = 4096  # samples at a time


def cascade_feature_map(num_qubits: int, shift: float = 0.0) -> Circuit:
    """RY(x_q) on each qubit q, H on qubit 0, CX from each qubit to the next.

    Parameters
    ----------
    shift
        Added to the first angle. Without it x_0 and π - x_0 have the same probabilities: over [0, π], which suits all other qubits, the
        first feature is folded at its middle. -π/2 unfolds it.
    """
    circuit = Circuit(num_qubits, name="cascade_feature_map")
    for q, x in enumerate(parameters("x", num_qubits, "input")):
        circuit.ry(x if q or not shift else x + shift, q)
    circuit.h(0)
    for q in range(num_qubits - 1):
        circuit.cx(q, q + 1)
    return circuit


def folded_feature_map(features: int, num_qubits: int) -> Circuit:
    """More features than qubits: feature k turns qubit k mod n, sweeps of n by RX and by RZ in turn; after each, H on qubit 0 and the cascade.

    The paper's first version feeds 64 features to 5 qubits and does not say how; this is one way.
    """
    circuit = Circuit(num_qubits, name="folded_feature_map")
    x = parameters("x", features, "input")
    for first in range(0, features, num_qubits):
        for q, angle in enumerate(x[first : first + num_qubits]):
            if (first // num_qubits) % 2:
                circuit.rz(angle, q)
            else:
                circuit.rx(angle, q)
        circuit.h(0)
        for q in range(num_qubits - 1):
            circuit.cx(q, q + 1)
    return circuit


def interleaved_feature_map(num_qubits: int, layers: int = 3) -> Circuit:
    """Data re-uploading: ``layers`` times RY(x_q), a trainable RZ and RY on each qubit q, and a ring of CX."""
    circuit = Circuit(num_qubits, name="interleaved_feature_map")
    x = parameters("x", num_qubits, "input")
    for layer in range(layers):
        for q in range(num_qubits):
            circuit.ry(x[q], q).rz(Parameter(f"z{layer}[{q}]"), q).ry(Parameter(f"y{layer}[{q}]"), q)
        for q in range(num_qubits if num_qubits > 2 else num_qubits - 1):
            circuit.cx(q, (q + 1) % num_qubits)
    return circuit


CIRCUITS: dict[str, Callable[[int], Circuit]] = {
    "cascade": cascade_feature_map,
    "shifted": partial(cascade_feature_map, shift=-math.pi / 2),
    "iqp": iqp_feature_map,
    "interleaved": interleaved_feature_map,
}
"""Feature maps by name, as functions of the number of qubits, which is that of the features; ``"shifted"`` is the cascade for angles from
0 to π."""


def recovered_features(features: ArrayLike) -> Array:
    """The angles ``[..., n]`` whose cascade gives the probabilities ``[..., 2^n]``, in closed form.

    The first lies in [-π/2, π/2], the others in [0, π]: angles outside have the same probabilities as one inside.

    >>> layer = FeatureLayer(cascade_feature_map(2))
    >>> recovered_features(layer(torch.tensor([[0.3, 2.0]], dtype=torch.float64))).round(6).tolist()
    [[0.3, 2.0]]
    """
    p = np.asarray(features, dtype=np.float64)
    n = p.shape[-1].bit_length() - 1
    if n < 1 or p.shape[-1] != 1 << n:
        raise InvalidInput(f"features of shape {p.shape}: the last axis must be a power of two")
    outcome = np.arange(1 << n)
    before = outcome ^ (outcome << 1)  # a_q = b_q xor b_(q-1)
    ones = [p[..., (before >> q & 1) == 1].sum(-1) for q in range(n)]
    zeros = [p[..., (before >> q & 1) == 0].sum(-1) for q in range(n)]
    angles = [2 * np.arctan2(np.sqrt(b), np.sqrt(a)) for a, b in zip(zeros, ones, strict=True)]
    # P(a_0 = 1) = (1 - sin f)/2 = sin²((π/2 - f)/2)
    return np.stack([math.pi / 2 - angles[0], *angles[1:]], axis=-1)


class FeatureLayer(torch.nn.Module):
    """A circuit as a layer from features to probabilities of its outcomes, or to <Z> of each qubit.

    Parameters
    ----------
    circuit
        Its inputs are the features, its weights (if any) the layer's parameters.
    readout
        ``"probabilities"`` (2^n outputs) or ``"expectations"`` (n outputs, <Z_q>).
    shots
        Outcomes drawn for each sample; the gradient is then that of the exact values. None: exact.
    encoding
        ``"angle"``: the circuit's inputs. ``"amplitude"``: up to 2^n features are, divided by their norm, the state that the circuit
        (without inputs) begins from.
    weights, generator
        First weights, by default uniform in [-π, π) from the generator, which also draws the shots.

    Raises
    ------
    InvalidInput
        The circuit does not fit the encoding, or a setting is out of range.

    Examples
    --------
    >>> FeatureLayer(cascade_feature_map(5))(torch.zeros(1, 5))[0].nonzero().ravel().tolist()  # 00000 and 11111
    [0, 31]
    """

    signs: torch.Tensor

    def __init__(
        self,
        circuit: Circuit,
        readout: Readout = "probabilities",
        shots: int | None = None,
        *,
        encoding: Literal["angle", "amplitude"] = "angle",
        weights: Any = None,
        generator: torch.Generator | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        if readout not in ("probabilities", "expectations") or encoding not in ("angle", "amplitude"):
            raise InvalidInput(
                f"feature map: readout '{readout}', encoding '{encoding}'; 'probabilities' or 'expectations', and 'angle' or "
                "'amplitude' are needed"
            )
        if shots is not None and (int(shots) != shots or shots < 1):
            raise InvalidInput(f"feature map: {shots} shots; at least 1, or None for exact values, is needed")
        if (encoding == "angle") == (not circuit.inputs):
            wrong = "has inputs" if circuit.inputs else "has no inputs"
            raise InvalidInput(f"feature map: a circuit that {wrong} cannot take features by {encoding}")
        if circuit.num_qubits > _MOST_QUBITS:
            raise InvalidInput(f"feature map of {circuit.num_qubits} qubits: {_MOST_QUBITS} at most")
        count = len(circuit.weights)
        if ((weights is None and count) or shots is not None) and generator is None:
            raise InvalidInput("feature map: a generator is needed to draw weights or shots")
        self.circuit, self.readout, self.shots, self.encoding = circuit.copy(), readout, shots, encoding
        self.generator = generator
        if weights is None:
            weights = (torch.rand(count, generator=generator, dtype=dtype) * 2 - 1) * math.pi
        self.weights = torch.nn.Parameter(torch.as_tensor(weights, dtype=dtype).detach().clone()) if count else None
        outcomes = torch.arange(1 << circuit.num_qubits)
        signs = torch.stack([1 - 2 * (outcomes >> q & 1) for q in range(circuit.num_qubits)], 1)
        self.register_buffer("signs", signs.to(dtype), persistent=False)
        # All strings of I and Z, whose expectation values are the Walsh-Hadamard transform of the probabilities.
        small = encoding == "angle" and circuit.num_qubits <= _FEW_QUBITS
        words = list(itertools.product("IZ", repeat=circuit.num_qubits))[1:] if small else []
        self._strings = [PauliSum.parse("".join(word)) for word in words]

    @property
    def outputs(self) -> int:
        """Numbers that come out for a sample."""
        n = self.circuit.num_qubits
        return n if self.readout == "expectations" else 1 << n

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """From features ``[..., d]`` to ``[..., outputs]``.

        Raises
        ------
        InvalidInput
            Another number of features, or, for amplitudes, only zeros.
        """
        n, d = self.circuit.num_qubits, x.shape[-1] if x.ndim else 0
        fits = 1 <= d <= 1 << n if self.encoding == "amplitude" else d == len(self.circuit.inputs)
        if not fits:
            wanted = f"up to {1 << n}" if self.encoding == "amplitude" else len(self.circuit.inputs)
            raise InvalidInput(f"feature map: {d} features; its circuit takes {wanted}")
        rows = x.reshape(-1, d)
        p = torch.cat([self._exact(part) for part in rows.split(_CHUNK)])
        if self.shots is not None:
            p = p + (self._drawn(p.detach()) - p.detach())
        if self.readout == "expectations":
            p = p @ self.signs.to(p.dtype)
        return p.reshape(*x.shape[:-1], self.outputs)

    def _exact(self, x: torch.Tensor) -> torch.Tensor:
        weights = None if self.weights is None else self.weights.to(x.dtype)
        wanted = torch.is_grad_enabled() and (x.requires_grad or (weights is not None and weights.requires_grad))
        if self.encoding == "angle":
            if wanted and self._strings:  # the gradient by one walk back, a tenth of the time
                z = expectation(self.circuit, self._strings, weights, x, dtype=x.dtype)
                z = torch.nn.functional.pad(z, (1, 0), value=1.0)
                return z @ self._walsh(x) / z.shape[-1]
            return probabilities(self.circuit, weights, x, dtype=x.dtype, device=x.device)
        norm = torch.linalg.vector_norm(x, dim=-1, keepdim=True)
        if not bool((norm > 0).all()):
            raise InvalidInput("feature map: features that are all zero, or not numbers, are no state")
        state = torch.nn.functional.pad(x / norm, (0, (1 << self.circuit.num_qubits) - x.shape[-1]))
        return probabilities(self.circuit, weights, None, initial=state, dtype=x.dtype, device=x.device)

    def _walsh(self, like: torch.Tensor) -> torch.Tensor:
        """The matrix (-1)^(j·k), ``[2^n, 2^n]``."""
        matrix = torch.ones(1, 1, dtype=like.dtype, device=like.device)
        one = torch.tensor([[1, 1], [1, -1]], dtype=like.dtype, device=like.device)
        for _ in range(self.circuit.num_qubits):
            matrix = torch.kron(matrix, one)
        return matrix

    def _drawn(self, p: torch.Tensor) -> torch.Tensor:
        """Frequencies of outcomes in ``shots`` draws, outcome by outcome from what is left."""
        assert self.shots is not None
        p = p.double().cpu()
        left = torch.full(p.shape[:-1], float(self.shots), dtype=torch.float64)
        rest = torch.ones_like(left)
        drawn = torch.zeros_like(p)
        for k in range(p.shape[-1] - 1):
            share = (p[..., k] / rest.clamp_min(1e-300)).clamp(0, 1)
            drawn[..., k] = torch.binomial(left, share, generator=self.generator)
            left, rest = left - drawn[..., k], rest - p[..., k]
        drawn[..., -1] = left
        return (drawn / self.shots).to(device=self.signs.device, dtype=self.signs.dtype)

    def extra_repr(self) -> str:
        """Sizes, for printing."""
        return f"{self.circuit.name}, qubits={self.circuit.num_qubits}, readout={self.readout}, shots={self.shots}"


class QuantumFeatureMap(TransformerMixin, SampleEstimator):
    """A `FeatureLayer` as a transformer of scikit-learn, with the scaling of features to angles, which it learns.

    Parameters
    ----------
    circuit
        A circuit, or a name of `CIRCUITS`: one qubit a feature then.
    readout, shots
        As of `FeatureLayer`.
    scale
        Range of the angles: features are standardised, clipped to ±3 and mapped onto it. None: features are angles already.
    encoding
        As of `FeatureLayer`; amplitudes are not scaled. With a name for a circuit they are measured as they are.
    random_state
        Seed (the same weights and shots at each call) or generator of weights and shots; None: a new seed.

    Attributes
    ----------
    layer_
        The layer, in double precision.
    n_features_in_, mean_, deviation_
        Of the samples of the fit.

    Examples
    --------
    >>> from bitket.data import load
    >>> QuantumFeatureMap().fit_transform(load("iris").X).shape
    (150, 16)
    """

    _fit_gives: ClassVar[str] = "layer_"

    def __init__(
        self,
        circuit: Circuit | str = "cascade",
        readout: Readout = "probabilities",
        shots: int | None = None,
        scale: tuple[float, float] | None = (0.0, math.pi),
        encoding: Literal["angle", "amplitude"] = "angle",
        random_state: int | np.random.Generator | None = 0,
    ) -> None:
        self.circuit = circuit
        self.readout = readout
        self.shots = shots
        self.scale = scale
        self.encoding = encoding
        self.random_state = random_state

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.non_deterministic = self.shots is not None
        return tags

    def fit(self, X: ArrayLike, y: Any = None) -> QuantumFeatureMap:
        """Learn the scaling from samples ``[t, d]``.

        Raises
        ------
        InvalidInput
            The number of features does not fit the circuit, a value is not finite, a feature has one value alone, or a setting is wrong.
        """
        x = self._learned(X)
        circuit = self._circuit(x.shape[1])
        self.mean_, self.deviation_ = x.mean(axis=0), x.std(axis=0)
        if self.encoding == "angle" and self.scale is not None:
            if np.shape(self.scale) != (2,):
                raise InvalidInput(f"QuantumFeatureMap: scale {self.scale!r}; two angles or None is needed")
            if len(x) < 2:
                raise InvalidInput("QuantumFeatureMap: one sample; two or more are needed to scale features")
            flat = np.flatnonzero(self.deviation_ <= 1e-12 * np.abs(x).max(axis=0))
            if len(flat):
                raise InvalidInput(
                    f"QuantumFeatureMap: feature {flat[0]} has the same value in all samples and cannot be scaled; leave it out"
                )
        layer = FeatureLayer(
            circuit,
            self.readout,
            self.shots,
            encoding=self.encoding,
            generator=torch.Generator().manual_seed(int(generator_of(self.random_state).integers(2**63))),
            dtype=torch.float64,
        )
        if self.encoding == "angle":
            layer(torch.zeros(1, x.shape[1], dtype=torch.float64))  # another number of features is refused here
        elif x.shape[1] > 1 << circuit.num_qubits:
            raise InvalidInput(
                f"QuantumFeatureMap: {x.shape[1]} features; {circuit.num_qubits} qubits have {1 << circuit.num_qubits} amplitudes"
            )
        self.layer_ = layer
        return self

    def _circuit(self, features: int) -> Circuit:
        if isinstance(self.circuit, Circuit):
            return self.circuit
        if self.circuit not in CIRCUITS:
            raise InvalidInput(
                f"QuantumFeatureMap: circuit '{self.circuit}'; a circuit or one of {', '.join(CIRCUITS)} is needed"
            )
        if self.encoding == "amplitude":
            return Circuit(max(1, (features - 1).bit_length()), name="amplitudes")
        if features > _MOST_QUBITS:
            raise InvalidInput(
                f"QuantumFeatureMap: {features} features, one qubit each; {_MOST_QUBITS} at most (reduce them first, by PCA for one)"
            )
        return CIRCUITS[self.circuit](features)

    def angles(self, X: ArrayLike) -> Array:
        """The circuit's inputs for samples ``[s, d]``."""
        x = self._seen(X)
        if self.encoding == "amplitude" or self.scale is None:
            return x
        low, high = self.scale
        z = np.clip((x - self.mean_) / self.deviation_, -3, 3)
        return np.asarray(low + (high - low) * (z + 3) / 6)

    def transform(self, X: ArrayLike) -> Array:
        """Features ``[s, outputs]``."""
        angles = torch.as_tensor(self.angles(X))
        if self.shots is not None:
            seed = int(generator_of(self.random_state).integers(2**63))
            self.layer_.generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            return np.asarray(self.layer_(angles).numpy())

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """``p00000``, ``p00001``, ... (the rightmost bit is qubit 0) or ``z0``, ``z1``, ..."""
        from bitket.data.estimators import check_fitted

        check_fitted(self, self._fit_gives)
        n = self.layer_.circuit.num_qubits
        names = (
            [f"z{q}" for q in range(n)] if self.readout == "expectations" else [f"p{k:0{n}b}" for k in range(1 << n)]
        )
        return np.array(names, dtype=object)

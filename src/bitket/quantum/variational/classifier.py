"""Variational quantum classifier: data enter through a feature map, an ansatz is trained, the parity of the measured bits is the class.

    p(1 | x) = ½ (1 - <0| U_Phi(x)† W(w)† Z^n W(w) U_Phi(x) |0>)

(Farhi and Neven 2018, arXiv:1802.06002; Havlíček et al. 2019, arXiv:1804.11326; Mitarai et al. 2018, arXiv:1803.00745.) All samples and
all weights that an optimiser asks for at once, such as AQGD's 2P + 1, are one call of the simulator.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bitket.algebra import PauliSum
from bitket.data.estimators import AngleClassifier, generator_of
from bitket.errors import InvalidInput
from bitket.learning import AQGD, Optimiser, with_value
from bitket.learning.minimize import Callback, State
from bitket.learning.threads import one_thread
from bitket.quantum.circuits import Circuit, angle_encoding, efficient_su2
from bitket.quantum.simulation.expectations import GradientMethod
from bitket.quantum.variational.classification_loss import ClassificationLoss, LossName, class_one_probabilities

__all__ = ["VQC", "angle_map"]

Array = NDArray[np.float64]
_MOST_QUBITS = 16  # of the default feature map: 2^16 amplitudes a sample and step are minutes of training


def angle_map(features: int) -> Circuit:
    """The feature map of variational classifiers where none is given: `angle_encoding`, one qubit a feature.

    Raises
    ------
    InvalidInput
        There are more than 16 features.
    """
    if features > _MOST_QUBITS:
        raise InvalidInput(
            f"samples have {features} features; the default feature map takes one qubit each and at most {_MOST_QUBITS}: "
            "reduce them first (bitket.data.angle_pipeline) or give a feature map"
        )
    return angle_encoding(features)


class VQC(AngleClassifier):
    """A classifier of two classes, in scikit-learn's manner.

    Parameters
    ----------
    feature_map
        Circuit with one input for each feature and no weights; None: `angle_encoding`, one qubit a feature, at most 16 features.
    ansatz
        Circuit with weights and no inputs on the same qubits; None: `efficient_su2` with three repetitions, all pairs entangled.
    optimizer
        Of `bitket.learning`; None: ``AQGD(100, mode="exact")``. ``AQGD(mode="sdk")`` takes half differences of the loss, every other
        gradient method the exact gradient.
    loss
        ``"cross_entropy"`` or ``"squared"``, see `ClassificationLoss`.
    interpret
        ``"parity"`` of all bits (even: first class), or a Pauli sum with eigenvalues ±1 (+1: first class).
    scale
        Range in radians onto which the range of each feature in the training samples is mapped; later values are clipped to it. None
        takes features as they are. ``"auto"`` is [0, π] for the default feature map and None for a circuit that is given.
    shots
        Shots for each probability, in training and prediction; None for exact ones.
    gradient
        How gradients of expectation values are taken: ``"adjoint"``, ``"parameter_shift"``, ``"backprop"``; ``"auto"`` is adjoint,
        parameter shift with shots.
    start
        Weights to begin with ``[P]``; ``"uniform"`` in [0, 2π), or ``"normal"``.
    random_state
        Seed (the same shots at each prediction) or generator of start, optimiser and shots; None: a new seed.

    Attributes
    ----------
    classes_, n_features_in_
        The two labels, sorted, and the number of features (`feature_names_in_` holds their names in a data frame).
    scaler_
        The fitted map onto ``scale``, or None.
    circuit_, weights_
        Feature map and ansatz in one, and the trained weights ``[P]``.
    result_
        The optimiser's result: evaluations, history of losses, why it stopped.

    Examples
    --------
    >>> X = np.array([[0.1, 0.2], [0.3, 0.1], [2.1, 2.4], [2.3, 2.2]])
    >>> model = VQC(optimizer=AQGD(30, mode="exact")).fit(X, ["low", "low", "high", "high"])
    >>> model.predict(X).tolist()
    ['low', 'low', 'high', 'high']
    """

    _binary: ClassVar[bool] = True
    _fit_gives: ClassVar[str] = "weights_"

    def __init__(
        self,
        feature_map: Circuit | None = None,
        ansatz: Circuit | None = None,
        optimizer: Optimiser | None = None,
        loss: LossName = "cross_entropy",
        interpret: Literal["parity"] | PauliSum = "parity",
        scale: Literal["auto"] | tuple[float, float] | None = "auto",
        shots: int | None = None,
        gradient: GradientMethod = "auto",
        start: Literal["uniform", "normal"] | ArrayLike = "uniform",
        random_state: int | np.random.Generator | None = 0,
    ) -> None:
        self.feature_map = feature_map
        self.ansatz = ansatz
        self.optimizer = optimizer
        self.loss = loss
        self.interpret = interpret
        self.scale = scale
        self.shots = shots
        self.gradient = gradient
        self.start = start
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: ArrayLike, *, callback: Callback | None = None, state: State | None = None) -> VQC:
        """Train on samples ``[N, d]`` and labels ``[N]`` of two kinds.

        Parameters
        ----------
        X, y
            Samples and labels.
        callback, state
            As for `bitket.learning.Optimiser.minimize`: see each iteration, stop, go on from a stored state.

        Raises
        ------
        InvalidInput
            A value is not finite, the numbers of samples or features do not fit, or there are not exactly two labels.
        """
        x, labels = self._learned_angles(X, y)
        generator = generator_of(self.random_state)
        self.circuit_ = self._circuit(x.shape[1])
        objective = ClassificationLoss(
            self.circuit_,
            self._operator(),
            x,
            labels,
            self.loss,
            shots=self.shots,
            generator=generator,
            gradient=self.gradient,
        )
        with one_thread():
            self.result_ = (self.optimizer or AQGD(100, mode="exact")).minimize(
                objective,
                self._start(generator),
                with_value(lambda w: objective.value_and_gradient(w)),
                callback=callback,
                state=state,
                generator=generator,
            )
        self.weights_ = self.result_.x
        return self

    def predict_proba(self, X: ArrayLike) -> Array:
        """Probabilities ``[N, 2]`` of the two classes."""
        x = self._seen_angles(X)
        ones = class_one_probabilities(
            self.circuit_, self._operator(), self.weights_[None], x, self.shots, generator_of(self.random_state)
        )[0]
        return np.column_stack([1 - ones, ones])

    # -- what the settings mean --------------------------------------------------------------------------------------
    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.non_deterministic = self.shots is not None  # each sample has shots of its own
        return tags

    def _auto_scale(self, x: Array) -> tuple[float, float] | None:
        return (0.0, math.pi) if self.feature_map is None else None

    def _circuit(self, features: int) -> Circuit:
        feature_map = self.feature_map if self.feature_map is not None else angle_map(features)
        ansatz = self.ansatz if self.ansatz is not None else efficient_su2(feature_map.num_qubits, 3, "full")
        if len(feature_map.inputs) != features:
            raise InvalidInput(
                f"VQC: samples have {features} features, the feature map {len(feature_map.inputs)} inputs"
            )
        if feature_map.weights or ansatz.inputs or not ansatz.weights:
            raise InvalidInput("VQC: a feature map without weights and an ansatz with weights and no inputs are needed")
        if ansatz.num_qubits != feature_map.num_qubits:
            raise InvalidInput(
                f"VQC: the ansatz has {ansatz.num_qubits} qubits, the feature map {feature_map.num_qubits}"
            )
        return feature_map.compose(ansatz)

    def _operator(self) -> PauliSum:
        if isinstance(self.interpret, PauliSum):
            width = self.circuit_.num_qubits
            if self.interpret.num_qubits != width or len((self.interpret @ self.interpret - 1).simplify(1e-9)):
                raise InvalidInput(f"VQC: interpret: a Pauli sum on {width} qubits with eigenvalues 1 and -1 is needed")
            return self.interpret
        if self.interpret != "parity":
            raise InvalidInput(f"VQC: interpret {self.interpret!r}; 'parity' or a Pauli sum is needed")
        return PauliSum.from_list([("Z" * self.circuit_.num_qubits, 1.0)])

    def _start(self, generator: np.random.Generator) -> Array:
        size = len(self.circuit_.weights)
        if isinstance(self.start, str):
            if self.start not in ("uniform", "normal"):
                raise InvalidInput(f"VQC: start '{self.start}'; 'uniform', 'normal' or weights are needed")
            return generator.uniform(0, 2 * np.pi, size) if self.start == "uniform" else generator.normal(size=size)
        weights = np.asarray(self.start, dtype=float)
        if weights.shape != (size,):
            raise InvalidInput(f"VQC: start of shape {weights.shape}; {size} weights are needed")
        return weights

"""Variational quantum classifier: data enter through a feature map, an ansatz is trained, the parity of the measured bits is the class.

    p(1 | x) = ½ (1 - <0| U_Phi(x)† W(w)† Z^n W(w) U_Phi(x) |0>)

(Farhi and Neven 2018, arXiv:1802.06002; Havlíček et al. 2019, arXiv:1804.11326; Mitarai et al. 2018, arXiv:1803.00745.) All samples and
all weights that an optimiser asks for at once, such as AQGD's 2P + 1, are one call of the simulator.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin

from bitket.algebra import PauliSum
from bitket.errors import InvalidInput
from bitket.learning import AQGD, Optimiser, with_value
from bitket.learning.minimize import Callback, State
from bitket.quantum.circuits import Circuit, efficient_su2, zz_feature_map
from bitket.quantum.simulation.expectations import GradientMethod
from bitket.quantum.variational.classification_loss import ClassificationLoss, LossName, class_one_probabilities

__all__ = ["VQC"]

Array = NDArray[np.float64]


class VQC(ClassifierMixin, BaseEstimator):
    """A classifier of two classes, in scikit-learn's manner.

    Parameters
    ----------
    feature_map
        Circuit with one input for each feature and no weights; None: `zz_feature_map` with two repetitions.
    ansatz
        Circuit with weights and no inputs on the same qubits; None: `efficient_su2` with three repetitions, all pairs entangled.
    optimizer
        Of `bitket.learning`; None: ``AQGD(100, mode="exact")``. ``AQGD(mode="sdk")`` takes half differences of the loss, every other
        gradient method the exact gradient.
    loss
        ``"cross_entropy"`` or ``"squared"``, see `ClassificationLoss`.
    interpret
        ``"parity"`` of all bits (even: first class), or a Pauli sum with eigenvalues ±1 (+1: first class).
    shots
        Shots for each probability, in training and prediction; None for exact ones.
    gradient
        How gradients of expectation values are taken: ``"adjoint"``, ``"parameter_shift"``, ``"backprop"``; ``"auto"`` is adjoint,
        parameter shift with shots.
    start
        Weights to begin with ``[P]``; ``"uniform"`` in [0, 2π), or ``"normal"``.
    random_state
        Seed or generator of start, optimiser and shots.

    Attributes
    ----------
    classes_, n_features_in_
        The two labels, sorted, and the number of features.
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

    def __init__(
        self,
        feature_map: Circuit | None = None,
        ansatz: Circuit | None = None,
        optimizer: Optimiser | None = None,
        loss: LossName = "cross_entropy",
        interpret: Literal["parity"] | PauliSum = "parity",
        shots: int | None = None,
        gradient: GradientMethod = "auto",
        start: Literal["uniform", "normal"] | ArrayLike = "uniform",
        random_state: int | np.random.Generator = 0,
    ) -> None:
        self.feature_map = feature_map
        self.ansatz = ansatz
        self.optimizer = optimizer
        self.loss = loss
        self.interpret = interpret
        self.shots = shots
        self.gradient = gradient
        self.start = start
        self.random_state = random_state

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        tags.classifier_tags.poor_score = True  # with default circuits on raw features, as scikit-learn's checks give
        return tags

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
        x, labels = self._checked(X, y)
        generator = self._generator()
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
        from sklearn.utils.validation import check_is_fitted

        check_is_fitted(self, "weights_")
        x, _ = self._checked(X, fitted=True)
        ones = class_one_probabilities(
            self.circuit_, self._operator(), self.weights_[None], x, self.shots, self._generator()
        )[0]
        return np.column_stack([1 - ones, ones])

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """The more probable label of each sample, ``[N]``."""
        ones = self.predict_proba(X)[:, 1] > 0.5
        return np.asarray(self.classes_[ones.astype(int)])

    # -- what the settings mean --------------------------------------------------------------------------------------
    def _checked(self, X: ArrayLike, y: Any = None, *, fitted: bool = False) -> tuple[Array, NDArray[np.int64]]:
        from sklearn.utils.multiclass import check_classification_targets, type_of_target
        from sklearn.utils.validation import validate_data

        try:
            if fitted:
                return validate_data(self, X, dtype=np.float64, copy=True, reset=False), np.zeros(0, dtype=np.int64)
            if y is None:
                raise InvalidInput("VQC: fit requires y to be passed, but the target y is None")
            x, labels = validate_data(self, X, y, dtype=np.float64, copy=True)
            check_classification_targets(labels)
            kind = type_of_target(labels, input_name="y")
        except InvalidInput:
            raise
        except ValueError as error:
            hint = " Reshape your data to [samples, features]." if "Reshape your data" in str(error) else ""
            raise InvalidInput(f"VQC: {str(error).splitlines()[0]}{hint}") from None
        if kind != "binary":
            raise InvalidInput(
                f"VQC: Only binary classification is supported. The type of the target is {kind}: two labels are needed"
            )
        self.classes_, index = np.unique(labels, return_inverse=True)
        if len(self.classes_) != 2:
            raise InvalidInput(f"VQC: one class of labels, {self.classes_[0]!r}; two labels are needed")
        return x, np.asarray(index, dtype=np.int64)

    def _circuit(self, features: int) -> Circuit:
        feature_map = self.feature_map if self.feature_map is not None else zz_feature_map(features, 2)
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
            return self.interpret
        if self.interpret != "parity":
            raise InvalidInput(f"VQC: interpret {self.interpret!r}; 'parity' or a Pauli sum is needed")
        return PauliSum.from_list([("Z" * self.circuit_.num_qubits, 1.0)])

    def _generator(self) -> np.random.Generator:
        if isinstance(self.random_state, np.random.Generator):
            return self.random_state
        return np.random.default_rng(self.random_state)

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

"""scikit-learn's contract, kept in one place: what estimators take as samples, labels and seeds, and how they refuse the rest.

An estimator derives from `SampleEstimator`, a classifier from `SampleClassifier`, and names what its ``fit`` gives at last. ``fit`` begins
with ``_learned(X, y)``, every method that needs a fit with ``_seen(X)``; a classifier then needs ``predict_proba`` (or
``decision_function``) alone:

>>> class Majority(SampleClassifier):
...     _fit_gives = "share_"
...     def fit(self, X, y):
...         _, index = self._learned(X, y)
...         self.share_ = np.bincount(index) / len(index)
...         return self
...     def predict_proba(self, X):
...         return np.tile(self.share_, (len(self._seen(X)), 1))
>>> Majority().fit([[0.0], [1.0], [2.0]], ["no", "yes", "yes"]).predict([[5.0]]).tolist()
['yes']
"""

from __future__ import annotations

import contextlib
import numbers
from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import NotFittedError

from bitket.errors import InvalidInput

__all__ = [
    "AngleClassifier",
    "NotFitted",
    "SampleClassifier",
    "SampleEstimator",
    "check_fitted",
    "generator_of",
    "plain_labels",
]

Array = NDArray[np.float64]


class NotFitted(InvalidInput, NotFittedError):
    """An estimator that is asked before it is fitted: bitket's error and scikit-learn's in one."""


class _WrongType(InvalidInput, TypeError):
    """Samples of a type that is not numbers, which scikit-learn tells from wrong values."""


def check_fitted(estimator: Any, attribute: str) -> None:
    """Raise `NotFitted` unless the estimator has the attribute that its fit gives at last."""
    if not hasattr(estimator, attribute):
        raise NotFitted(f"{type(estimator).__name__}: it is not fitted yet; call fit first")


def generator_of(random_state: Any) -> np.random.Generator:
    """The generator that a ``random_state`` stands for: a seed gives the same numbers each time, a generator goes on, None is new.

    Raises
    ------
    InvalidInput
        It is none of these, nor NumPy's older ``RandomState``.
    """
    if isinstance(random_state, np.random.Generator):
        return random_state
    if isinstance(random_state, np.random.RandomState):
        return np.random.default_rng(random_state.randint(2**32, dtype=np.uint64))
    whole = isinstance(random_state, numbers.Integral) and not isinstance(random_state, bool)
    if random_state is None or (whole and random_state >= 0):
        return np.random.default_rng(random_state)
    raise InvalidInput(f"random_state {random_state!r}: a whole number from 0, a NumPy generator or None is needed")


@contextlib.contextmanager
def _in_one_line(name: str) -> Iterator[None]:
    """scikit-learn's refusals as one line with the estimator's name."""
    try:
        yield
    except InvalidInput:
        raise
    except (TypeError, ValueError) as error:
        hint = " Reshape your data to [samples, features]." if "Reshape your data" in str(error) else ""
        kind = _WrongType if isinstance(error, TypeError) else InvalidInput
        raise kind(f"{name}: {str(error).splitlines()[0]}{hint}") from None


def _validated(estimator: BaseEstimator, X: ArrayLike, **options: Any) -> Any:
    from sklearn.utils.validation import validate_data

    with _in_one_line(type(estimator).__name__):
        return validate_data(estimator, X, dtype=np.float64, copy=True, **options)


class SampleEstimator(BaseEstimator):
    """Takes samples ``[N, d]`` of finite numbers: arrays, lists, data frames; sparse matrices are refused."""

    _fit_gives: ClassVar[str]

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, self._fit_gives)

    def _learned(self, X: ArrayLike) -> Array:
        """The samples to fit (a copy), as float64; sets ``n_features_in_`` and, for a data frame, ``feature_names_in_``.

        Raises
        ------
        InvalidInput
            No sample, another shape, or a value that is not a finite number.
        """
        return np.asarray(_validated(self, X))

    def _seen(self, X: ArrayLike) -> Array:
        """Further samples for a fitted estimator, with the features of the fit.

        Raises
        ------
        NotFitted
            `fit` was not called.
        InvalidInput
            As for the fit, or another number of features, or other names.
        """
        check_fitted(self, self._fit_gives)
        return np.asarray(_validated(self, X, reset=False))


class SampleClassifier(ClassifierMixin, SampleEstimator):
    """Sorts samples into classes; labels are texts, booleans or numbers, and ``classes_`` holds them sorted.

    A subclass with ``_binary`` takes two classes alone.
    """

    _binary: ClassVar[bool] = False

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = not self._binary
        return tags

    def _learned(self, X: ArrayLike, y: Any = None) -> tuple[Array, NDArray[np.int64]]:  # type: ignore[override]
        """The samples to fit and the index of each one's label in ``classes_``, which it sets.

        Raises
        ------
        InvalidInput
            As `SampleEstimator`, or labels that are missing, too few, of mixed types, or not of two classes at least.
        """
        name = type(self).__name__
        if y is None:
            raise InvalidInput(f"{name}: fit requires y to be passed, but the target y is None")
        x, labels = _validated(self, X, y=plain_labels(y))
        with _in_one_line(name):
            self._classify(labels)
        return np.asarray(x), np.asarray(np.searchsorted(self.classes_, labels), dtype=np.int64)

    def _classify(self, labels: NDArray[Any]) -> None:
        from sklearn.utils.multiclass import check_classification_targets, type_of_target

        name = type(self).__name__
        check_classification_targets(labels)
        kind = type_of_target(labels, input_name="y")
        if self._binary and kind != "binary":
            raise InvalidInput(
                f"{name}: Only binary classification is supported. The type of the target is {kind}: two labels are needed"
            )
        self.classes_ = np.unique(labels)
        if len(self.classes_) < 2:
            wanted = "two labels" if self._binary else "two labels or more"
            raise InvalidInput(f"{name}: one class of labels, {self.classes_.tolist()[0]!r}; {wanted} are needed")

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """The likeliest label of each sample ``[N]``; of equally likely ones the first."""
        judge = self.predict_proba if hasattr(self, "predict_proba") else self.decision_function
        scores = np.asarray(judge(X))
        return np.asarray(self.classes_[scores.argmax(axis=1) if scores.ndim == 2 else (scores > 0).astype(int)])

    def score(self, X: ArrayLike, y: Any, sample_weight: ArrayLike | None = None) -> float:
        """Share of right labels."""
        return float(super().score(X, plain_labels(y), sample_weight))


def plain_labels(y: Any) -> Any:
    """Labels in an array of their own type: in one of Python objects they are hidden, and NumPy would turn numbers beside texts to texts.

    Raises
    ------
    InvalidInput
        They are of several kinds, or neither texts, booleans nor numbers.
    """
    labels = y if hasattr(y, "dtype") else np.array(y, dtype=object)
    if labels.dtype != object:
        return y
    values = np.asarray(labels, dtype=object)
    kinds = {type(v) for v in values.ravel().tolist()}
    if all(issubclass(k, numbers.Real | np.bool_) for k in kinds):
        return np.array(values.tolist())
    if any(not issubclass(k, str) for k in kinds):
        names = ", ".join(sorted(k.__name__ for k in kinds))
        raise InvalidInput(f"labels of the types {names}: texts, booleans or numbers, all of one kind, are needed")
    return y


class AngleClassifier(SampleClassifier):
    """A classifier whose features become angles.

    A subclass has a setting ``scale``: the range onto which the range of each feature in the fitted samples is mapped (later values are
    clipped to it), None for features as they are, or ``"auto"`` for `_auto_scale`. ``scaler_`` is the fitted map, or None.
    """

    scale: Any

    def _auto_scale(self, x: Array) -> tuple[float, float] | None:
        """The range that ``"auto"`` stands for, given the samples to fit."""
        raise NotImplementedError

    def _learned_angles(self, X: ArrayLike, y: Any) -> tuple[Array, NDArray[np.int64]]:
        """As `_learned`, the samples scaled.

        Raises
        ------
        InvalidInput
            As there, or the scale is not a range.
        """
        from bitket.data.angles import angle_pipeline

        x, index = self._learned(X, y)
        scale = self._auto_scale(x) if isinstance(self.scale, str) and self.scale == "auto" else self.scale
        if scale is None:
            self.scaler_ = None
            return x, index
        if isinstance(scale, str) or np.shape(scale) != (2,):
            raise InvalidInput(
                f"{type(self).__name__}: scale {scale!r}; 'auto', None or two angles, the lower one first, are needed"
            )
        self.scaler_ = angle_pipeline(None, *scale, standardise=False)
        return np.asarray(self.scaler_.fit_transform(x)), index

    def _seen_angles(self, X: ArrayLike) -> Array:
        """As `_seen`, the samples scaled as in the fit."""
        x = self._seen(X)
        return x if self.scaler_ is None else np.asarray(self.scaler_.transform(x))

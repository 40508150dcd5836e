"""Classifiers as torch modules from samples, as the user has them, to logits: what an attack needs of a model.

A module is one already, and a `ModuleClassifier` holds one. The others compute in NumPy; here their fitted scaling, circuit and decision
are put together again in torch, with exact probabilities whatever shots they predict with, so that the gradient passes through the
encoding; and so are the classical ones of scikit-learn that they are judged by. Where p is the probability of the second class, the
logits are log(1 - p) and log p: their softmax gives p back.

>>> import numpy as np
>>> from bitket.quantum.variational.classifier import VQC
>>> model = VQC().fit(np.array([[0.0, 0.1], [0.2, 0.0], [2.0, 2.2], [2.1, 1.9]]), [0, 0, 1, 1])
>>> module, samples, index = as_module(model)
>>> bool(torch.allclose(module(samples([[1.0, 1.0]])).softmax(1), torch.tensor(model.predict_proba([[1.0, 1.0]]))))
True
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.svm import SVC
from sklearn.utils.validation import check_array

from bitket.algebra import PauliSum
from bitket.data.estimators import SampleClassifier, check_fitted, plain_labels
from bitket.errors import InvalidInput
from bitket.quantum.circuits import Circuit
from bitket.quantum.learning.kernels import QuantumKernel, QuantumSVC
from bitket.quantum.learning.variational import VariationalClassifier
from bitket.quantum.simulation import expectation, statevector
from bitket.quantum.variational.classifier import VQC

__all__ = ["as_module", "log_probabilities"]

_LEAST = 1e-12  # probability below which the logarithm is cut


def log_probabilities(second: torch.Tensor) -> torch.Tensor:
    """Logits ``[N, 2]`` for the probability ``[N]`` of the second of two classes."""
    return torch.stack([1 - second, second], -1).clamp_min(_LEAST).log()


def as_module(model: Any) -> tuple[torch.nn.Module, Callable[[Any], torch.Tensor], Callable[[Any], torch.Tensor]]:
    """A model as a module that gives logits, and functions that make tensors of samples, and class indices of labels, as it takes them.

    Parameters
    ----------
    model
        A `torch.nn.Module` (its labels are class indices), or a fitted classifier: one with a ``module_``, `VQC`,
        `VariationalClassifier`, `QuantumSVC` of two classes with a `QuantumKernel` without noise, scikit-learn's `LogisticRegression` or
        `SVC` of two classes with a Gaussian kernel, or a pipeline of scalers and principal components that ends in one of these (their
        labels are those of the fit).

    Raises
    ------
    InvalidInput
        It is none of these; from the functions: samples or labels do not fit.
    NotFitted
        The classifier is not fitted.
    """
    if isinstance(model, torch.nn.Module):
        return model, lambda x: _as_samples(model, x), _as_indices
    if isinstance(model, Pipeline):
        inner, _, to_index = as_module(model[-1])
        module = torch.nn.Sequential(*map(_affine, model[:-1]), inner)
        return module.eval(), lambda x: _rows(model, x), to_index
    kinds: dict[type, Callable[[Any], torch.nn.Module]] = {
        VQC: _Parity,
        VariationalClassifier: _Separated,
        QuantumSVC: _Margin,
        LogisticRegression: _Linear,
        SVC: _Gaussian,
    }
    make = next((make for kind, make in kinds.items() if isinstance(model, kind)), None)
    if isinstance(model, SampleClassifier):
        check_fitted(model, model._fit_gives)
        whole: Any = model
        if isinstance(getattr(whole, "module_", None), torch.nn.Module):
            return whole.module_, whole.samples, lambda y: _labelled(model, y)
    if make is None:
        known = ", ".join(kind.__name__ for kind in kinds)
        raise InvalidInput(
            f"{type(model).__name__}: it has no gradient; torch modules, classifiers of them, {known} do"
        )
    check_fitted(model, "classes_")
    return make(model).eval(), lambda x: _rows(model, x), lambda y: _labelled(model, y)


def _as_samples(module: torch.nn.Module, x: Any) -> torch.Tensor:
    like = next((t for t in (*module.parameters(), *module.buffers()) if t.is_floating_point()), torch.empty(0))
    try:
        if isinstance(x, torch.Tensor):
            return x.detach().to(device=like.device, dtype=x.dtype if x.is_floating_point() else like.dtype)
        return torch.as_tensor(np.asarray(x, dtype=float), dtype=like.dtype, device=like.device)
    except (TypeError, ValueError):
        raise InvalidInput("samples: numbers [N, ...] are needed") from None


def _rows(model: Any, x: Any) -> torch.Tensor:
    """Samples ``[N, d]`` of finite numbers, as many as the model was fitted to."""
    values = x.detach().cpu().numpy() if isinstance(x, torch.Tensor) else x
    name, needed = type(model).__name__, model.n_features_in_
    try:
        found = check_array(values, dtype=np.float64, ensure_min_samples=0, copy=True)
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"{name}: {str(error).splitlines()[0]}") from None
    if found.shape[1] != needed:
        raise InvalidInput(f"{name}: samples of {found.shape[1]} features; it is fitted to {needed}")
    return torch.from_numpy(found)


def _as_indices(y: Any) -> torch.Tensor:
    index = y.detach().cpu() if isinstance(y, torch.Tensor) else torch.as_tensor(np.asarray(y))
    if index.ndim != 1 or index.is_floating_point() or index.is_complex() or index.dtype == torch.bool:
        raise InvalidInput(f"labels of shape {tuple(index.shape)} and type {index.dtype}: class indices [N] are needed")
    if len(index) and int(index.min()) < 0:
        raise InvalidInput(f"label {int(index.min())}: class indices from 0 are needed")
    return index.long()


def _labelled(model: Any, y: Any) -> torch.Tensor:
    labels = np.asarray(plain_labels(y.detach().cpu().numpy() if isinstance(y, torch.Tensor) else y))
    known = np.isin(labels, model.classes_)
    if labels.ndim != 1 or not known.all():
        wrong = f"label {labels[~known][0]!r}" if labels.ndim == 1 else f"labels of shape {labels.shape}"
        raise InvalidInput(
            f"{type(model).__name__}: {wrong}; one of {model.classes_.tolist()} for each sample is needed"
        )
    return torch.from_numpy(np.searchsorted(model.classes_, labels).astype(np.int64))


class _Scaled(torch.nn.Module):
    """The fitted map of features onto angles."""

    factor: torch.Tensor
    offset: torch.Tensor

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.low, self.high = None, None
        if model.scaler_ is not None:
            scaler = model.scaler_[-1]
            self.low, self.high = scaler.feature_range
            self.register_buffer("factor", torch.from_numpy(scaler.scale_))
            self.register_buffer("offset", torch.from_numpy(scaler.min_))

    def angles(self, x: torch.Tensor) -> torch.Tensor:
        return x if self.low is None else (x * self.factor + self.offset).clamp(self.low, self.high)


class _Measured(_Scaled):
    """A circuit with fixed weights and an observable with eigenvalues ±1."""

    def __init__(self, model: Any, operator: PauliSum, weights: Any) -> None:
        super().__init__(model)
        self.circuit: Circuit = model.circuit_
        self.operator = operator
        self.register_buffer("weights", torch.from_numpy(np.asarray(weights, dtype=float)))

    def value(self, x: torch.Tensor) -> torch.Tensor:
        return expectation(self.circuit, self.operator, self.weights, self.angles(x))


class _Parity(_Measured):
    def __init__(self, model: VQC) -> None:
        super().__init__(model, model._operator(), model.weights_)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return log_probabilities((1 - self.value(x)) / 2)


class _Separated(_Measured):
    def __init__(self, model: VariationalClassifier) -> None:
        parity = PauliSum.from_list([("Z" * model.circuit_.num_qubits, 1.0)])
        super().__init__(model, parity, model.weights_[:-1])
        self.bias = float(model.weights_[-1])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return log_probabilities(((1 + self.value(x)) / 2 + self.bias / 2).clamp(0, 1))


class _Margin(_Scaled):
    """Signed distance from a hyperplane in the space of feature states, as the logit of the second class."""

    states: torch.Tensor
    dual: torch.Tensor

    def __init__(self, model: QuantumSVC) -> None:
        super().__init__(model)
        kernel = model._kernel
        if len(model.classes_) != 2:
            raise InvalidInput(
                f"QuantumSVC of {len(model.classes_)} classes: its votes have no gradient; two are needed"
            )
        if not isinstance(kernel, QuantumKernel) or kernel.noise is not None:
            raise InvalidInput("QuantumSVC: a QuantumKernel without noise is needed for gradients")
        support = model.X_[model.svc_.support_]
        self.feature_map = kernel._map(support)
        self.register_buffer("states", torch.from_numpy(kernel.states(support)).conj().resolve_conj())
        self.register_buffer("dual", torch.from_numpy(model.svc_.dual_coef_[0]))
        self.intercept = float(model.svc_.intercept_[0])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        overlaps = statevector(self.feature_map, inputs=self.angles(x)) @ self.states.T
        margin = (overlaps.real**2 + overlaps.imag**2) @ self.dual + self.intercept
        return torch.stack([torch.zeros_like(margin), margin], -1)


class _Linear(torch.nn.Module):
    weights: torch.Tensor
    offset: torch.Tensor

    def __init__(self, model: LogisticRegression) -> None:
        super().__init__()
        self.register_buffer("weights", torch.tensor(model.coef_.T, dtype=torch.float64))
        self.register_buffer("offset", torch.tensor(model.intercept_, dtype=torch.float64))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        logits = x @ self.weights + self.offset
        return torch.cat([torch.zeros_like(logits), logits], -1) if logits.shape[1] == 1 else logits


class _Gaussian(torch.nn.Module):
    """``Σ_i d_i exp(-γ |x - s_i|²) + b`` as the logit of the second class."""

    support: torch.Tensor
    dual: torch.Tensor

    def __init__(self, model: SVC) -> None:
        super().__init__()
        if model.kernel != "rbf" or len(model.classes_) != 2:
            raise InvalidInput(
                f"SVC with kernel {model.kernel!r} of {len(model.classes_)} classes: for gradients 'rbf' and two classes are needed"
            )
        self.register_buffer("support", torch.tensor(model.support_vectors_, dtype=torch.float64))
        self.register_buffer("dual", torch.tensor(model.dual_coef_[0], dtype=torch.float64))
        self.gamma, self.offset = float(model._gamma), float(model.intercept_[0])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        squares = (x[:, None] - self.support).square().sum(-1)
        margin = torch.exp(-self.gamma * squares) @ self.dual + self.offset
        return torch.stack([torch.zeros_like(margin), margin], -1)


class _Affine(torch.nn.Module):
    """``(x - a) A + b``, then clipped if the step clips."""

    a: torch.Tensor
    matrix: torch.Tensor
    b: torch.Tensor

    def __init__(self, a: Any, matrix: Any, b: Any, clip: tuple[float, float] | None = None) -> None:
        super().__init__()
        for name, value in (("a", a), ("matrix", matrix), ("b", b)):
            self.register_buffer(name, torch.tensor(np.asarray(value), dtype=torch.float64))
        self.clip = clip

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = (x - self.a) @ self.matrix + self.b
        return y if self.clip is None else y.clamp(*self.clip)


def _affine(step: Any) -> torch.nn.Module:
    """A fitted scaler or principal components in torch."""
    if isinstance(step, StandardScaler):
        mean = np.zeros(step.n_features_in_) if step.mean_ is None else step.mean_
        scale = np.ones(step.n_features_in_) if step.scale_ is None else step.scale_
        return _Affine(mean, np.diag(1 / scale), 0.0)
    if isinstance(step, MinMaxScaler):
        return _Affine(0.0, np.diag(step.scale_), step.min_, step.feature_range if step.clip else None)
    if isinstance(step, PCA):
        scale = np.sqrt(step.explained_variance_) if step.whiten else np.ones(step.n_components_)
        return _Affine(step.mean_, step.components_.T / scale, 0.0)
    if isinstance(step, Pipeline):
        return torch.nn.Sequential(*map(_affine, step))
    raise InvalidInput(
        f"pipeline: no gradient passes {type(step).__name__}; StandardScaler, MinMaxScaler and PCA let it"
    )

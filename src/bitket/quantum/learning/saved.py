"""Fitted classifiers in one safetensors file, without pickle: another process loads them and predicts the same bits.

The file's header holds, as JSON, what it is, its version, the model's name in `models.MODELS`, the constructor's parameters, classes and
feature names; its tensors are the weights, scalings and support vectors. Only classes that stand in tables here are ever made from it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import sklearn
import torch
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.svm import SVC

from bitket import learning
from bitket.data.estimators import SampleClassifier, check_fitted
from bitket.errors import InvalidInput
from bitket.quantum.circuits import Circuit
from bitket.quantum.circuits.qasm import read_qasm, write_qasm
from bitket.quantum.learning.kernels import QuantumKernel, QuantumSVC
from bitket.quantum.learning.models import MODELS
from bitket.quantum.learning.module_classifier import ModuleClassifier
from bitket.quantum.learning.variational import VariationalClassifier, separator
from bitket.quantum.variational.classifier import VQC, angle_map
from bitket.runs.storage import load_saved, save_tree

__all__ = ["load", "save"]

_NOUN, _VERSION = "classifier", 1
_CLASSICAL = {k.__name__: k for k in (LogisticRegression, MinMaxScaler, PCA, Pipeline, SVC, StandardScaler)}
_OPTIMISERS = {
    n: getattr(learning, n) for n in ("AQGD", "COBYLA", "NFT", "SPSA", "Adam", "AdamSPSA", "GradientDescent")
}
_MADE_AGAIN = ("circuit_", "module_", "result_", "training_")  # from the parameters, or of no use to predict


def save(estimator: Any, path: str | Path) -> None:
    """Store a fitted classifier, whole.

    Parameters
    ----------
    estimator
        One of `MODELS`, fitted, or a pipeline of scikit-learn's scalers and components that ends with one.
    path
        File to write; it is replaced.

    Raises
    ------
    InvalidInput
        The classifier is not fitted, of another kind, or has a parameter that cannot be stored (a kernel of the user's own).
    """
    stored: dict[str, Any] = {"what": f"bitket {_NOUN}", "version": _VERSION, "scikit-learn": sklearn.__version__}
    if isinstance(estimator, Pipeline):
        check_fitted(estimator[-1], "classes_")
        stored |= {"kind": "pipeline", "estimator": _packed(estimator, "estimator")}
    else:
        stored |= _state(estimator)
    save_tree(Path(path), stored)


def _state(estimator: Any) -> dict[str, Any]:
    """Kind, parameters, and what the fit gave."""
    name = _name(estimator)
    check_fitted(estimator, estimator._fit_gives)
    parameters = {k: _packed(v, f"{name}: parameter {k}") for k, v in estimator.get_params(deep=False).items()}
    fitted = {k: v for k, v in vars(estimator).items() if k.endswith("_") and not k.startswith("_")}
    stored = {
        "kind": name,
        "parameters": parameters,
        "fitted": {k: _packed(v, f"{name}: {k}") for k, v in fitted.items() if k not in _MADE_AGAIN},
    }
    if isinstance(estimator, ModuleClassifier):
        state = estimator.module_.state_dict()
        stored["weights"] = {k: v.detach().cpu() for k, v in state.items()}
        stored["training"] = {
            k: getattr(estimator.training_, k) for k in ("history", "validation", "epochs", "stop_reason")
        }
    return stored


def load(path: str | Path, device: str = "cpu") -> Any:
    """The classifier that `save` stored.

    Parameters
    ----------
    device
        Where a torch module is to compute.

    Raises
    ------
    InvalidInput
        There is no such file, it is of another kind or version, or damaged.
    MissingExtra
        The model needs a package that is not installed.
    """
    stored = load_saved(path, _NOUN, _VERSION)
    kind = stored.get("kind")
    if kind != "pipeline" and kind not in MODELS:
        raise InvalidInput(f"{path}: a model '{kind}', which this bitket does not know; it knows {', '.join(MODELS)}")
    try:
        return _unpacked(stored["estimator"], device) if kind == "pipeline" else _made(stored, device)
    except InvalidInput as error:
        raise InvalidInput(f"{path}: {error}") from None
    except (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InvalidInput(f"{path}: a damaged classifier ({reason})") from None


def _name(estimator: Any) -> str:
    kind = type(estimator)
    home = f"{kind.__module__}:{kind.__qualname__}"
    for m in MODELS.values():
        if m.home == home:
            return m.name
    raise InvalidInput(f"{kind.__name__}: it cannot be saved; {', '.join(MODELS)} can")


def _made(stored: Mapping[str, Any], device: str) -> Any:
    """The estimator with its parameters and what its fit gave; circuits and modules are built again from them."""
    parameters = {k: _unpacked(v) for k, v in stored["parameters"].items()}
    if "device" in parameters:
        parameters["device"] = device
    made = MODELS[stored["kind"]].estimator()(**parameters)
    for key, value in stored["fitted"].items():
        setattr(made, key, _unpacked(value))
    if isinstance(made, QuantumSVC):
        made._kernel = made.kernel if made.kernel is not None else QuantumKernel()
    elif isinstance(made, VQC):
        made.circuit_ = made._circuit(made.n_features_in_)
    elif isinstance(made, VariationalClassifier):
        first = made.feature_map if made.feature_map is not None else angle_map(made.n_features_in_)
        made.circuit_ = first.compose(separator(first.num_qubits, made.depth))
    elif isinstance(made, ModuleClassifier):
        made.restore(stored["weights"])
        made.training_ = learning.TrainingResult(**stored["training"])
    return made


def _packed(value: Any, where: str) -> Any:
    """What `save_tree` takes, for a value or an object that stands in a table here."""
    if isinstance(value, Circuit):
        return {"circuit": write_qasm(value)}
    if isinstance(value, np.ndarray) and value.dtype.kind in "OU":
        texts = value.tolist()
        if not all(isinstance(text, str) for text in texts):
            raise InvalidInput(f"{where}: an array of objects cannot be stored")
        return {"texts": texts, "objects": value.dtype == object}
    kind = type(value)
    if _CLASSICAL.get(kind.__name__) is kind:
        return {"classical": kind.__name__, "values": {k: _packed(v, where) for k, v in vars(value).items()}}
    if kind is QuantumKernel:
        return {"kernel": {k: _packed(v, where) for k, v in value.get_params(deep=False).items()}}
    if _OPTIMISERS.get(kind.__name__) is kind:
        fields = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
        return {"optimiser": kind.__name__, "values": {k: _packed(v, where) for k, v in fields.items()}}
    if isinstance(value, SampleClassifier):
        return {"model": _state(value)}
    if isinstance(value, dict):
        return {"dict": [[_packed(k, where), _packed(v, where)] for k, v in value.items()]}
    if isinstance(value, list | tuple):
        return type(value)(_packed(v, where) for v in value)
    plain = value is None or isinstance(value, bool | int | float | str | np.ndarray | np.generic)
    if not plain and not isinstance(value, torch.Tensor | np.random.Generator):
        raise InvalidInput(f"{where}: {kind.__name__} cannot be stored; numbers, texts, arrays and circuits can")
    return value


def _unpacked(value: Any, device: str = "cpu") -> Any:
    if isinstance(value, list | tuple):
        return type(value)(_unpacked(v, device) for v in value)
    if not isinstance(value, dict):
        return value
    if "model" in value:
        return _made(value["model"], device)
    if "circuit" in value:
        return read_qasm(value["circuit"])
    if "texts" in value:
        return np.array(value["texts"], dtype=object if value["objects"] else None)
    if "kernel" in value:
        return QuantumKernel(**{k: _unpacked(v) for k, v in value["kernel"].items()})
    if "optimiser" in value:
        return _OPTIMISERS[value["optimiser"]](**{k: _unpacked(v) for k, v in value["values"].items()})
    if "classical" in value:
        kind = _CLASSICAL[value["classical"]]
        made = kind.__new__(kind)
        vars(made).update({k: _unpacked(v, device) for k, v in value["values"].items()})
        return made
    return {_unpacked(k): _unpacked(v) for k, v in value["dict"]}

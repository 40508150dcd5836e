"""The classifiers that ``bitket classify --model`` offers: where each one is, what it needs, and the classical twin it is judged by."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from bitket.errors import InvalidInput, MissingExtra

__all__ = ["MODELS", "Model", "model"]


@dataclass(frozen=True)
class Model:
    """An entry of the table.

    Attributes
    ----------
    name, help
        Word of the command line, and a line about it.
    home
        ``module:Estimator``.
    extra
        bitket's extra that it needs, or nothing.
    twin, twin_settings
        Name and settings of the classical estimator that has everything but the quantum part; empty for one that is classical itself.
    images
        Whether it takes images ``[t, h, w]`` or ``[t, c, h, w]``; others get flat samples.
    """

    name: str
    home: str
    help: str
    extra: str = ""
    twin: str = ""
    twin_settings: Mapping[str, Any] = field(default_factory=dict)
    images: bool = False

    def estimator(self) -> Any:
        """The class (or function) that makes the estimator.

        Raises
        ------
        MissingExtra
            It needs a package that is not installed.
        """
        module, name = self.home.split(":")
        try:
            return getattr(import_module(module), name)
        except ModuleNotFoundError as error:
            if not self.extra:
                raise
            raise MissingExtra(f"model '{self.name}': pip install 'bitket[{self.extra}]'") from error


_ROOM = "bitket.quantum.learning"

MODELS = {
    m.name: m
    for m in (
        Model("kernel", f"{_ROOM}.kernels:QuantumSVC", "support vector machine on a quantum kernel", twin="svm"),
        Model(
            "vqc",
            "bitket.quantum.variational.classifier:VQC",
            "variational circuit by exact gradients; two classes",
            twin="logistic",
        ),
        Model(
            "variational",
            f"{_ROOM}.variational:VariationalClassifier",
            "variational circuit by SPSA from shots; two classes",
            twin="logistic",
        ),
        Model(
            "interleaved",
            f"{_ROOM}.interleaved:InterleavedClassifier",
            "data and trained angles by turns on few qubits; two classes",
            twin="logistic",
        ),
        Model(
            "hqnn-parallel",
            f"{_ROOM}.image_classifiers:HQNNParallelClassifier",
            "convolutions, parallel circuits and a linear head",
            twin="hqnn-parallel",
            twin_settings={"quantum": "tanh"},
            images=True,
        ),
        Model(
            "hqnn-quanv",
            f"{_ROOM}.image_classifiers:HQNNQuanvClassifier",
            "a circuit that slides over the image, and a linear head",
            twin="hqnn-quanv",
            twin_settings={"quantum": "convolution"},
            images=True,
        ),
        Model(
            "transfer",
            f"{_ROOM}.transfer:TransferPipeline",
            "a frozen encoder's code in a quantum feature map, then dense layers",
            twin="transfer",
            twin_settings={"feature_map": "none"},
        ),
        Model(
            "cnn",
            f"{_ROOM}.image_classifiers:CNNClassifier",
            "convolutional network, the peer of hqnn-parallel; classical",
            images=True,
        ),
        Model("svm", f"{_ROOM}.baselines:svm", "support vector machine with a Gaussian kernel; classical"),
        Model("logistic", f"{_ROOM}.baselines:logistic", "logistic regression; classical"),
    )
}
"""All models by name."""


def model(name: str) -> Model:
    """The model of a name.

    Raises
    ------
    InvalidInput
        There is none; the nearest is named.
    """
    if name not in MODELS:
        near = difflib.get_close_matches(name, MODELS, 1)
        hint = f"did you mean '{near[0]}'?" if near else f"there are {', '.join(MODELS)}"
        raise InvalidInput(f"model '{name}' is unknown; {hint}")
    return MODELS[name]

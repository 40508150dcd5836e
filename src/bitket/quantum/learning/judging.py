"""Classifiers judged on the same splits of the same data: cross-validation over folds and seeds, and classifiers under a machine's noise."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitket.errors import InvalidInput
from bitket.quantum.learning.kernels import QuantumKernel, QuantumSVC
from bitket.quantum.learning.module_classifier import ModuleClassifier
from bitket.quantum.noise import Device, NoiseModel
from bitket.quantum.simulation import QuantumLayer

__all__ = ["cross_validated", "under_noise"]

Maker = Callable[[int], Any]
"""A fresh estimator for a seed."""


def cross_validated(
    makers: Mapping[str, Maker],
    samples: Mapping[str, NDArray[Any]],
    labels: NDArray[Any],
    folds: int,
    seeds: Iterable[int],
    track: Callable[[list[Any], str], Iterable[Any]] = lambda items, name: items,
) -> dict[str, list[float]]:
    """Accuracies on the held-out folds, in the same order for each classifier.

    Parameters
    ----------
    makers
        Classifiers by name.
    samples
        What each of them takes, ``[N, ...]``, in one order.
    labels
        ``[N]``.
    folds
        Each seed splits anew, every class spread evenly over the folds, and seeds the classifiers.
    track
        Shows how far it is, as `bitket.runs.progress.Bars.track` does.

    Raises
    ------
    InvalidInput
        A class has fewer samples than there are folds, or a classifier refuses the data.
    """
    from sklearn.model_selection import StratifiedKFold

    names, counts = np.unique(labels, return_counts=True)
    if folds < 2 or counts.min() < folds:
        raise InvalidInput(
            f"{folds} folds: class {names[counts.argmin()]!s} has {counts.min()} samples; from 2 to as many folds are possible"
        )
    rows = np.zeros(len(labels))
    jobs = [
        (seed, train, held)
        for seed in seeds
        for train, held in StratifiedKFold(folds, shuffle=True, random_state=seed % 2**32).split(rows, labels)
    ]
    found: dict[str, list[float]] = {name: [] for name in makers}
    for seed, train, held in track(jobs, "cross-validation"):
        for name, make in makers.items():
            X = samples[name]
            fitted = make(seed).fit(X[train], labels[train])
            found[name].append(float(np.mean(fitted.predict(X[held]) == labels[held])))
    return found


def under_noise(model: Any, noise: NoiseModel | str) -> Any:
    """A copy of a fitted classifier whose circuits, in prediction, run with noise; it is not trained again.

    Parameters
    ----------
    model
        A `ModuleClassifier` with quantum layers, or, for a noise model, a `QuantumSVC` with a `QuantumKernel`.
    noise
        A noise model, after the gates as they are; or a device's name, for which the layers' circuits are compiled.

    Raises
    ------
    InvalidInput
        The classifier is of another kind, has no circuit, or the device is unknown or too small.
    """
    name = type(model).__name__
    if isinstance(model, QuantumSVC) and not isinstance(noise, str):
        kernel = model._kernel
        if isinstance(kernel, QuantumKernel):
            noisy = copy.copy(model)
            noisy._kernel = QuantumKernel(**(kernel.get_params(deep=False) | {"noise": noise}))
            return noisy
    if isinstance(model, ModuleClassifier):
        noisy = copy.deepcopy(model)
        places = [
            (parent, key, layer)
            for parent in noisy.module_.modules()
            for key, layer in parent.named_children()
            if isinstance(layer, QuantumLayer)
        ]
        for parent, key, layer in places:
            setattr(parent, key, _noisy(layer, noise))
        if places:
            noisy.module_.eval()
            return noisy
    what = "a device's noise is" if isinstance(noise, str) else "noise is"
    raise InvalidInput(
        f"{name}: {what} for networks with quantum layers" + ("" if isinstance(noise, str) else " and kernels")
    )


def _noisy(layer: QuantumLayer, noise: NoiseModel | str) -> QuantumLayer:
    circuit, operators, weights = layer.circuit, layer.operators, layer.weights.detach()
    if isinstance(noise, str):
        small, operators, noise = Device(noise).place(circuit, operators)
        order = {p.name: k for k, p in enumerate(circuit.weights)}
        weights = weights[..., [order[p.name] for p in small.weights]]
        if [p.name for p in small.inputs] != [p.name for p in circuit.inputs]:
            raise InvalidInput(
                f"device: a circuit with inputs {len(circuit.inputs)} lost some of them when it was compiled"
            )
        circuit = small
    return QuantumLayer(
        circuit,
        operators,
        copies=None if weights.ndim == 1 else len(weights),
        weights=weights,
        noise=noise,
        dtype=weights.dtype,
    )

"""Classifier loss and gradient: 5 qubits, ZZ feature map and EfficientSU2 (40 weights), cross-entropy over a batch of samples.

Peer: qiskit-machine-learning's SamplerQNN on exact state vectors, whose gradient is a parameter shift. It is timed on a few samples and
its time taken per sample, as all of the batch would take minutes; ours is timed on the whole batch. Below: accuracies of default settings.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks._timing import seconds
from bitket.algebra import PauliSum
from bitket.learning.aqgd import half_differences
from bitket.quantum.circuits import efficient_su2, zz_feature_map
from bitket.quantum.variational.classification_loss import ClassificationLoss

SAMPLES, PEER_SAMPLES = 800, 4


def peer(X: np.ndarray, y: np.ndarray, w: np.ndarray) -> tuple[Callable[[], tuple[float, np.ndarray]], ...]:
    """The peer's loss and gradient, and its loss alone."""
    from qiskit.circuit.library import efficient_su2 as their_ansatz
    from qiskit.circuit.library import zz_feature_map as their_map
    from qiskit_machine_learning.neural_networks import SamplerQNN
    from qiskit_machine_learning.primitives import QMLSampler

    feature_map, ansatz = their_map(5, reps=2), their_ansatz(5, reps=3, entanglement="full")
    network = SamplerQNN(
        circuit=feature_map.compose(ansatz),
        sampler=QMLSampler(),
        input_params=feature_map.parameters,
        weight_params=ansatz.parameters,
        interpret=lambda k: k.bit_count() % 2,
        output_shape=2,
    )
    rows = np.arange(len(y))

    def loss() -> tuple[float, np.ndarray]:
        right = network.forward(X, w)[rows, y]
        return float(-np.log(right).mean()), right

    def both() -> tuple[float, np.ndarray]:
        value, right = loss()
        _, slopes = network.backward(X, w)
        return value, -(np.asarray(slopes)[rows, y] / right[:, None]).mean(axis=0)

    return both, loss


def run(quick: bool = False) -> list[dict[str, Any]]:
    """Rows of work, our time in milliseconds, and the peer's time over ours for equally many samples."""
    g = np.random.default_rng(0)
    X, y = g.uniform(0, np.pi, (SAMPLES, 5)), g.integers(0, 2, SAMPLES)
    w = g.uniform(0, 2 * np.pi, 40)
    circuit = zz_feature_map(5, 2).compose(efficient_su2(5, 3, "full"))
    parity = PauliSum.from_list([("ZZZZZ", 1.0)])
    adjoint, shifted = (ClassificationLoss(circuit, parity, X, y, gradient=g) for g in ("adjoint", "parameter_shift"))
    small = ClassificationLoss(circuit, parity, X[:PEER_SAMPLES], y[:PEER_SAMPLES])
    theirs, their_loss = peer(X[:PEER_SAMPLES], y[:PEER_SAMPLES], w)
    value, slope = small.value_and_gradient(w)
    peer_value, peer_slope = theirs()
    deviation = max(abs(value - peer_value), float(np.abs(slope - peer_slope).max()))
    runs = 1 if quick else 3
    factor = SAMPLES / PEER_SAMPLES
    both, alone = seconds(theirs, runs) * factor, seconds(their_loss, runs) * factor
    works: list[tuple[str, Callable[[], Any], float]] = [
        ("loss", lambda: adjoint(w[None]), alone),
        ("loss and gradient, adjoint", lambda: adjoint.value_and_gradient(w), both),
        ("loss and gradient, parameter shift", lambda: shifted.value_and_gradient(w), both),
        ("81 losses of an AQGD step", lambda: half_differences(adjoint, w), 81 * alone),
    ]
    rows = []
    for name, work, their_seconds in works:
        ours = seconds(work, 5)
        rows.append(
            {
                "work": name,
                "samples": SAMPLES,
                "bitket ms": 1e3 * ours,
                "qiskit-machine-learning / bitket": their_seconds / ours,
                "deviation": deviation,
            }
        )
    return rows + [accuracies(name) for name in ("breast_cancer", "wine", "iris")]


def accuracies(name: str) -> dict[str, Any]:
    """Mean accuracy over five folds on four features (principal components where there are more).

    The library's defaults, raw features in a ZZ map, and scikit-learn's support vector machine.
    """
    from sklearn.decomposition import PCA
    from sklearn.model_selection import StratifiedKFold, cross_val_score
    from sklearn.multiclass import OneVsRestClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    from bitket.data import load
    from bitket.quantum.learning.kernels import QuantumSVC
    from bitket.quantum.variational.classifier import VQC

    data, folds = load(name), StratifiedKFold(5, shuffle=True, random_state=0)
    models = {"VQC": VQC(), "VQC, raw ZZ": VQC(zz_feature_map(4)), "QuantumSVC": QuantumSVC(), "SVC": SVC()}
    row: dict[str, Any] = {"work": f"accuracy, {name}", "samples": len(data.y)}
    for label, model in models.items():
        several = OneVsRestClassifier(model) if "VQC" in label and len(data.classes) > 2 else model
        steps = [StandardScaler(), *([PCA(4, svd_solver="full")] if data.X.shape[1] > 4 else [])]
        chain = make_pipeline(*steps, several)
        row[label] = float(cross_val_score(chain, data.X, data.y, cv=folds).mean())
    return row

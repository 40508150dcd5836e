"""60,000 feature vectors of the 5-qubit cascade: our batch beside PennyLane's QNode, image by image (as papers do) and in one batch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pennylane as qml

from benchmarks._timing import seconds
from bitket.quantum.learning.feature_map import QuantumFeatureMap


def run(quick: bool = False) -> list[dict[str, Any]]:
    """Rows of vectors, our seconds, and the peer's time over ours for equally many vectors."""
    n, count = 5, 60_000
    x = np.random.default_rng(0).uniform(0, np.pi, (count, n))

    @qml.qnode(qml.device("default.qubit", wires=n))
    def node(f: Any) -> Any:
        for q in range(n):
            qml.RY(f[..., q], q)
        qml.Hadamard(0)
        for q in range(n - 1):
            qml.CNOT([q, q + 1])
        return qml.probs(wires=range(n - 1, -1, -1))

    rows = []
    for shots in (None, 1024):
        model = QuantumFeatureMap(scale=None, shots=shots).fit(x[:100])
        ours = seconds(lambda m=model: m.transform(x), 1 if quick else 5)
        row: dict[str, Any] = {"shots": "exact" if shots is None else shots, "vectors": count, "bitket s": ours}
        if shots is None:
            some = 20 if quick else 200
            row["one by one / bitket"] = seconds(lambda k=some: [node(f) for f in x[:k]], 1) * count / some / ours
            row["one batch / bitket"] = seconds(lambda: node(x), 1 if quick else 3) / ours
            row["deviation"] = float(np.abs(model.transform(x[:1000]) - node(x[:1000])).max())
        rows.append(row)
    return rows

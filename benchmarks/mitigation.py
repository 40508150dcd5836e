"""Mitigation: an ensemble of networks beside scikit-learn's, folding and zero-noise extrapolation beside Mitiq's.

Peers: ten fits of scikit-learn's MLPRegressor (same layers, activation, data and steps; its final error is shown beside ours), and Mitiq
0.48's folding and extrapolation of a Cirq circuit, on the same circuit and with a machine that costs nothing, so that only the
mitigation is timed.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from benchmarks._timing import seconds
from bitket.quantum.circuits import Circuit
from bitket.quantum.variational.mitigation import Neural, Richardson, fold, zne

MEMBERS, STEPS = 10, 2000


def networks() -> list[dict[str, Any]]:
    """One ensemble, and 32 of them at once, on a curve of ten noise levels."""
    from sklearn.neural_network import MLPRegressor

    x = np.linspace(0.01, 0.1, 10)
    y = -((1 - x) ** 14)
    standard, wanted = ((v - v.mean()) / v.std() for v in (x, y))

    def peer(solver: str) -> float:
        losses = []
        for seed in range(MEMBERS):
            model = MLPRegressor(
                hidden_layer_sizes=(32, 32),
                activation="tanh",
                solver=solver,
                alpha=1e-4,
                learning_rate_init=1e-2,
                batch_size=len(x),
                max_iter=STEPS,
                tol=0,
                n_iter_no_change=STEPS,
                random_state=seed,
            ).fit(standard[:, None], wanted)
            losses.append(float(np.mean((model.predict(standard[:, None]) - wanted) ** 2)))
        return float(np.median(losses))

    model = Neural(ensemble=MEMBERS, steps=STEPS)
    ours = model.fit(x, y).predict(0.0).diagnostics["training_loss"]
    one = seconds(lambda: model.fit(x, y), 3)
    many = seconds(lambda: model.fit_many(x, np.tile(y, (32, 1))), 1) / 32
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs, peer_seconds = peer("adam"), seconds(lambda: peer("adam"), 1)
    return [
        {
            "work": f"ensemble of {MEMBERS}, {name}",
            "bitket ms": 1e3 * mine,
            "peer": "scikit-learn",
            "peer / bitket": peer_seconds / mine,
            "bitket error": ours,
            "peer error": theirs,
        }
        for name, mine in (("one curve", one), ("each of 32 curves at once", many))
    ]


def circuits(n: int, layers: int) -> tuple[Circuit, Any]:
    """The same layered circuit for us and for Cirq."""
    import cirq

    g = np.random.default_rng(0)
    ours, qubits = Circuit(n), cirq.LineQubit.range(n)
    theirs = cirq.Circuit()
    for _ in range(layers):
        for q in range(n):
            angle = g.uniform(-3, 3)
            ours.ry(angle, q)
            theirs.append(cirq.ry(angle).on(qubits[q]))
        for q in range(n - 1):
            ours.cx(q, q + 1)
            theirs.append(cirq.CNOT(qubits[q], qubits[q + 1]))
    return ours, theirs


def folding(n: int, layers: int) -> list[dict[str, Any]]:
    """Global folding by 3, and extrapolation from the factors 1, 2, 3 with a machine that costs nothing."""
    from mitiq.zne import execute_with_zne
    from mitiq.zne.inference import RichardsonFactory
    from mitiq.zne.scaling import fold_global

    ours, theirs = circuits(n, layers)
    gates = len(ours)

    def machine(circuit: Any) -> float:
        return 0.9 + 0.001 * len(circuit)

    works = [
        ("fold by 3", lambda: fold(ours, 3.0), lambda: fold_global(theirs, 3.0)),
        (
            "extrapolate from 1, 2, 3",
            lambda: zne(machine, ours, factors=(1, 2, 3), extrapolator=Richardson()),
            lambda: execute_with_zne(theirs, machine, factory=RichardsonFactory([1, 2, 3])),
        ),
    ]
    rows = []
    for name, mine, peer in works:
        own = seconds(mine, 20)
        row = {"work": f"{name}, {gates} gates", "bitket ms": 1e3 * own}
        rows.append(row | {"peer": "Mitiq", "peer / bitket": seconds(peer, 5) / own})
    return rows


def run(quick: bool = False) -> list[dict[str, Any]]:
    """Rows of work, our time, and the peer's time over ours."""
    return [*networks(), *folding(4, 10), *([] if quick else folding(10, 50))]

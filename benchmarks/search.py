"""A step of an architecture search: fitting the angles of a new circuit in compiled code beside NFT and SciPy's L-BFGS-B, and a whole step."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from bitket.learning.ddqn import DoubleDQNSettings
from bitket.learning.threads import one_thread
from bitket.quantum.operators import stored_hamiltonian
from bitket.quantum.variational.search import AngleSearch, ArchitectureSearch, SearchSettings, all_actions


def run(quick: bool = False) -> list[dict[str, Any]]:
    """Rows of the problem, milliseconds of a fit (circuits of 20 gates, each seen once) and its ratio, energies a fit, and milliseconds of
    a whole step of a training agent."""
    return [row(name, 5 if quick else 40) for name in ("H2-2", "H2-3", "LiH-4", "LiH-6")]


def row(name: str, count: int) -> dict[str, Any]:
    operator = stored_hamiltonian(name)
    actions, rng = all_actions(operator.num_qubits), np.random.default_rng(0)
    circuits = [[actions[k] for k in rng.integers(len(actions), size=20)] for _ in range(count)]
    starts = [rng.uniform(-3, 3, sum(g.axis is not None for g in gates)) for gates in circuits]
    search = AngleSearch(operator)
    evaluations = {"ours": 0, "scipy": 0}
    with one_thread():
        times = {}
        for label, fit in (("ours", search._exact), ("scipy", search._by_scipy)):
            start = time.perf_counter()
            for gates, angles in zip(circuits, starts, strict=True):
                evaluations[label] += fit(gates, angles).evaluations
            times[label] = (time.perf_counter() - start) / count
    agent = DoubleDQNSettings(hidden=(128, 128, 128), batch=128)
    training = ArchitectureSearch(
        AngleSearch(operator), SearchSettings(max_gates=40, threshold=1e-9, curriculum=False, agent=agent), 0
    )
    for _ in range(5):
        training.episode()
    start, steps = time.perf_counter(), 0
    for _ in range(max(2, count // 4)):
        steps += len(training.episode().actions)
    return {
        "problem": name,
        "fit ms": 1e3 * times["ours"],
        "NFT and L-BFGS-B / ours": times["scipy"] / times["ours"],
        "energies": evaluations["ours"] / count,
        "step ms": 1e3 * (time.perf_counter() - start) / steps,
    }

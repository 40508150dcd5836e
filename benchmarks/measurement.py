"""Measurement of molecular Hamiltonians: grouping, proposing bases, and post-processing shots.

Peers: Qiskit's PauliList.group_commuting and PennyLane's group_observables (qubit-wise groups), a plain Python loop over terms for
derandomised bases (the way the reference program does it; a few bases are timed and scaled up), and PennyLane's ClassicalShadow for the
estimate from random bases.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from benchmarks._timing import seconds
from bitket.algebra import PauliSum, group_terms
from bitket.quantum.measurement import Derandomised, estimate, measure, propose
from bitket.quantum.measurement.letters import hermitian_terms, letters_of
from bitket.studies.cshore_bench import MOLECULES, hamiltonian

SHOTS, LOOPED = 1000, 2


def loop(operator: PauliSum, count: int, eta: float = 0.9) -> list[list[int]]:
    """Derandomised bases term by term, with the same cost as ours."""
    _, rest = hermitian_terms(operator)
    strings, a = letters_of(rest).tolist(), np.abs(rest.coefficients.real)
    weights, hits, bases = (a / a.max()).tolist(), [0] * len(rest), []
    for _ in range(count):
        basis: list[int] = []
        left = [sum(1 for letter in s if letter) for s in strings]
        alive = [True] * len(strings)
        for q in range(operator.num_qubits):
            costs = []
            for c in (1, 2, 3):
                total = 0.0
                for k, s in enumerate(strings):
                    chance = 0.0
                    if alive[k] and s[q] in (0, c):
                        chance = 3.0 ** -(left[k] - (s[q] != 0))
                    total += math.exp(-eta / 2 * hits[k] / weights[k]) * (
                        1 - chance * -math.expm1(-eta / 2 / weights[k])
                    )
                costs.append(total)
            basis.append(1 + costs.index(min(costs)))
            for k, s in enumerate(strings):
                if s[q]:
                    alive[k] = alive[k] and s[q] == basis[q]
                    left[k] -= 1
        hits = [h + ok for h, ok in zip(hits, alive, strict=True)]
        bases.append(basis)
    return bases


def run(quick: bool = False) -> list[dict[str, Any]]:
    """Rows of work, our time in milliseconds, and the peer's over ours."""
    import pennylane as qml
    from qiskit.quantum_info import PauliList

    rows = []
    for molecule in ("H2 6-31G", "LiH") if quick else ("H2 6-31G", "LiH", "H2O"):
        assert molecule in MOLECULES
        H = hamiltonian(molecule, "jordan_wigner")
        g = np.random.default_rng(0)
        _, rest = hermitian_terms(H)
        n, psi = H.num_qubits, H.ground_state()[1]
        peers = PauliList(rest.labels())
        words = [qml.pauli.string_to_pauli_word(label[::-1]) for label in rest.labels()]
        mine = seconds(lambda rest=rest: group_terms(rest, order="magnitude"), 3)

        def row(
            work: str, ours: float, molecule: str = molecule, terms: int = len(rest), **peers: float
        ) -> dict[str, Any]:
            return {"molecule": molecule, "terms": terms, "work": work, "bitket ms": 1e3 * ours} | {
                f"{name} / bitket": value / ours for name, value in peers.items()
            }

        rows.append(
            row(
                "qubit-wise groups",
                mine,
                qiskit=seconds(lambda peers=peers: peers.group_commuting(qubit_wise=True), 1),
                pennylane=seconds(lambda words=words: qml.pauli.group_observables(words, grouping_type="qwc"), 1),
            )
        )
        mine = seconds(lambda H=H: Derandomised(H).extend(SHOTS), 3)
        rows.append(
            row(f"{SHOTS} derandomised bases", mine, loop=seconds(lambda H=H: loop(H, LOOPED), 1) * SHOTS / LOOPED)
        )
        for method in ("biased", "diagram", "adaptive"):
            mine = seconds(lambda H=H, method=method, g=g: propose(H, method, SHOTS, g), 1)
            rows.append(row(f"{SHOTS} bases, {method}", mine))
        plan = propose(H, "shadows", SHOTS, g)
        mine = seconds(lambda plan=plan, psi=psi, g=g: measure(plan, psi, g), 3)
        rows.append(row(f"{SHOTS} shots in random bases", mine))
        outcomes = measure(plan, psi, g)
        bits = (np.repeat(outcomes.bits, outcomes.count)[:, None] >> np.arange(n)) & 1
        recipes = np.repeat(plan.bases[outcomes.basis], outcomes.count, axis=0) - 1
        shadow = qml.ClassicalShadow(bits.astype(np.int8), recipes.astype(np.int8))
        theirs = qml.Hamiltonian(rest.coefficients.real, words)
        ours = estimate(rest, outcomes, "monte-carlo").value
        mine = seconds(lambda rest=rest, outcomes=outcomes: estimate(rest, outcomes, "monte-carlo"), 5)
        found = row(
            "estimate from them", mine, pennylane=seconds(lambda shadow=shadow, theirs=theirs: shadow.expval(theirs), 1)
        )
        rows.append(found | {"deviation": abs(ours - float(shadow.expval(theirs)))})
    return rows

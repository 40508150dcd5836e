"""Extrapolators and folding against Mitiq."""

import warnings

import numpy as np
import pytest

from bitket.quantum.circuits import Circuit
from bitket.quantum.variational.mitigation import Exponential, Linear, PolyExponential, Polynomial, Richardson, fold

inference = pytest.importorskip("mitiq.zne.inference")
scaling = pytest.importorskip("mitiq.zne.scaling")
cirq = pytest.importorskip("cirq")


@pytest.mark.parametrize("levels", [[1, 2, 3], [1, 2, 3, 4, 5]])
def test_extrapolators_equal_mitiq(levels):
    rng = np.random.default_rng(len(levels))
    for _ in range(100):
        values = list(rng.uniform(-1, 1, len(levels)))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            pairs = [
                (Linear(), inference.LinearFactory.extrapolate(levels, values)),
                (Polynomial(2), inference.PolyFactory.extrapolate(levels, values, order=2)),
                (Richardson(), inference.RichardsonFactory.extrapolate(levels, values)),
            ]
            # On which side of its asymptote a curve lies: we ask the first value, Mitiq the slope. Decaying data agree on both.
            decay = list(
                rng.choice([-1, 1])
                * np.exp(-np.array(levels) * rng.uniform(0.1, 0.6))
                * (1 + 0.02 * rng.normal(size=len(levels)))
            )
            slope = np.polyfit(levels, decay, 1)[0]
            if slope * decay[0] < 0:
                pairs += [(Exponential(0.0), inference.ExpFactory.extrapolate(levels, decay, asymptote=0.0))]
                pairs += [
                    (
                        PolyExponential(2, 0.0),
                        inference.PolyExpFactory.extrapolate(levels, decay, order=2, asymptote=0.0),
                    )
                ]
        for ours, theirs in pairs:
            data = decay if isinstance(ours, PolyExponential) else values
            assert ours.fit(levels, data).predict(0.0).value == pytest.approx(theirs, abs=1e-8)


@pytest.mark.parametrize("factor", [1, 1.5, 2, 3, 5])
def test_folding_counts_equal_mitiq(factor):
    # A chain on one qubit: Mitiq counts moments where we count gates, and here they are the same.
    q = cirq.LineQubit(0)
    theirs = cirq.Circuit([cirq.ry(0.1 * k + 0.1).on(q) for k in range(11)])
    ours = Circuit(1)
    for k in range(11):
        ours.ry(0.1 * k + 0.1, 0)
    assert len(fold(ours, factor)) == len(list(scaling.fold_global(theirs, factor).all_operations()))
    assert len(fold(ours, factor, "right")) == len(
        list(scaling.fold_gates_at_random(theirs, factor, seed=0).all_operations())
    )

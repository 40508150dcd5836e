"""The compiled fit of angles beside its twin: energies, slopes, minima."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from bitket.algebra import PauliSum
from bitket.quantum.simulation import expectation
from bitket.quantum.variational.search import AngleSearch, all_actions, build
from bitket.quantum.variational.search import angles as module

native = pytest.importorskip("bitket.quantum.variational.search.native._angles")


def case(seed: int):
    """A random operator, with complex entries too, a random circuit, and angles."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 6))
    letters = ["".join(rng.choice(list("IXYZ"), n)) for _ in range(int(rng.integers(1, 12)))]
    operator = PauliSum.from_list([(word, float(rng.normal())) for word in letters]).simplify()
    actions = all_actions(n)
    gates = [actions[k] for k in rng.integers(len(actions), size=int(rng.integers(1, 25)))]
    return operator, gates, rng.uniform(-np.pi, np.pi, sum(g.axis is not None for g in gates))


@pytest.mark.parametrize("seed", range(40))
def test_energy_and_slopes(seed):
    operator, gates, x = case(seed)
    search, slopes = AngleSearch(operator), np.zeros(len(x))
    rows = np.array([module._row(g) for g in gates], np.int64)
    found = native.energy(operator.num_qubits, search._masks, search._all_coefficients, rows, x, slopes)
    w = torch.tensor(x, requires_grad=True)
    wanted = expectation(build(gates, operator.num_qubits), operator, w if len(x) else None, gradient="backprop")
    assert found == pytest.approx(wanted.item(), abs=1e-12)
    if wanted.requires_grad:
        np.testing.assert_allclose(slopes, torch.autograd.grad(wanted, w)[0].numpy(), atol=1e-12)


def test_minima_are_those_of_scipy():
    """Both sweep and descend from the same start; where they end differs only where the landscape forks between them."""
    deeper = []
    for seed in range(60):
        operator, gates, x = case(seed)
        if not len(x):
            continue
        search = AngleSearch(operator)
        found, other = search._exact(gates, x), search._by_scipy(gates, x)
        assert search.energy(gates, found.angles) == pytest.approx(found.energy, abs=1e-11)
        # A minimum: no angle alone leads further down.
        w = torch.tensor(found.angles, requires_grad=True)
        value = expectation(build(gates, operator.num_qubits), operator, w)
        if value.requires_grad:
            assert torch.autograd.grad(value, w)[0].abs().max() < 1e-4
        deeper.append(found.energy - other.energy)
    assert np.mean(np.abs(deeper) < 1e-7) > 0.9
    assert np.median(deeper) < 1e-9


@pytest.mark.parametrize(
    ("rows", "count"), [([[4, 0, 0]], 0), ([[0, 2, 0]], 1), ([[3, 0, -1]], 0), ([[0, 0, 0]], 2), ([[0, 0]], 1)]
)
def test_what_does_not_fit_is_refused(rows, count):
    search = AngleSearch(PauliSum.parse("ZZ"))
    with pytest.raises(ValueError, match="angles: "):
        native.fit(2, search._masks, search._all_coefficients, np.array(rows, np.int64), np.zeros(count), 10)

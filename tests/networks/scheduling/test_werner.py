import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitket.errors import InvalidInput
from bitket.networks import werner

PAULIS = [np.eye(2), np.array([[0, 1], [1, 0]]), np.array([[0, -1j], [1j, 0]]), np.diag([1, -1])]
PHI = np.array([1, 0, 0, 1]) / math.sqrt(2)
BELL = [np.kron(p, np.eye(2)) @ PHI for p in PAULIS]
good = st.floats(0.5, 1.0)


def state(fidelity):
    weights = [fidelity, *[(1 - fidelity) / 3] * 3]
    return sum(w * np.outer(b, b.conj()) for w, b in zip(weights, BELL, strict=True))


def operator(matrices):
    out = np.eye(1)
    for m in matrices:
        out = np.kron(out, m)
    return out


def swapped(first, second):
    """Bell measurement on the two middle qubits of four, and the correction that its outcome asks for."""
    rho = np.kron(state(first), state(second))
    out = np.zeros((4, 4), dtype=complex)
    for bell in BELL:
        project = operator([np.eye(2), bell.conj().reshape(1, 4), np.eye(2)])
        perfect = project @ np.kron(PHI, PHI)
        correct = max((np.kron(np.eye(2), p) for p in PAULIS), key=lambda c: abs(PHI @ c @ perfect))
        out += correct @ project @ rho @ project.conj().T @ correct.conj().T
    assert np.trace(out).real == pytest.approx(1)
    return (PHI @ out @ PHI).real


def distilled(first, second):
    """Both parties apply a CNOT from the kept to the spent pair, measure the latter and keep equal outcomes."""
    rho = np.kron(state(first), state(second)).reshape((2,) * 8)  # a1 b1 a2 b2, ket then bra
    kept = np.zeros((4, 4), dtype=complex)
    for a1 in range(2):
        for b1 in range(2):
            for c1 in range(2):
                for d1 in range(2):
                    for outcome in range(2):
                        kept[2 * a1 + b1, 2 * c1 + d1] += rho[
                            a1, b1, outcome ^ a1, outcome ^ b1, c1, d1, outcome ^ c1, outcome ^ d1
                        ]
    return (PHI @ kept @ PHI).real / np.trace(kept).real


@given(good, good)
def test_swap_and_distil_agree_with_density_matrices(first, second):
    assert werner.swap(first, second) == pytest.approx(swapped(first, second), abs=1e-10)
    assert werner.distil(first, second) == pytest.approx(distilled(first, second), abs=1e-10)


@given(good, good)
def test_inverses(first, second):
    assert werner.unswap(werner.swap(first, first)) == pytest.approx(first, abs=1e-10)
    assert werner.swap(*[werner.unswap(first)] * 2) == pytest.approx(first, abs=1e-10)
    assert werner.undistil_equal(werner.distil(first, first)) == pytest.approx(first, abs=1e-10)
    assert werner.distil(*[werner.undistil_equal(first)] * 2) == pytest.approx(first, abs=1e-10)


@given(good, st.floats(0.5, 0.999))
def test_undistil(first, second):
    assert werner.undistil(werner.distil(first, second), second) == pytest.approx(first, abs=1e-10)


@given(st.floats(0.5001, 0.9999), st.integers(1, 12))
def test_pumping(fidelity, times):
    limit = werner.pumping_limit(fidelity)
    assert werner.distil(limit, fidelity) == pytest.approx(limit, abs=1e-10)
    steps = [werner.pump(fidelity, k) for k in range(times + 1)]
    assert steps == sorted(steps)
    assert steps[-1] <= limit + 1e-12
    needed = werner.distillations_needed(fidelity, steps[-1])
    assert needed is not None
    assert werner.pump(fidelity, needed) >= steps[-1]
    assert needed == 0 or werner.pump(fidelity, needed - 1) < steps[-1]
    assert werner.distillations_needed(fidelity, min(1.0, limit + 1e-6)) is None or limit + 1e-6 > 1


def test_limit_of_the_paper():
    assert werner.pumping_limit(0.9) == pytest.approx(0.94346, abs=5e-6)
    assert werner.pumping_limit(0.4) == 0.4


@given(st.floats(0.5, 0.999), st.integers(0, 8))
def test_fidelity_for_distillations(target, times):
    least = werner.fidelity_for_distillations(times, target)
    assert werner.pump(least, times) >= target
    assert times == 0 or least <= 0.5 + 2e-5 or werner.pump(least - 1.1e-5, times) < target


@pytest.mark.parametrize(
    "call", [lambda: werner.unswap(0.2), lambda: werner.undistil_equal(0.4), lambda: werner.undistil_equal(1.1)]
)
def test_out_of_range(call):
    with pytest.raises(InvalidInput, match="must lie between"):
        call()

"""AQGD against the SDK it comes from: same path, same stop, same number of evaluations."""

import numpy as np
import pytest

from bitket.learning import AQGD

optimizers = pytest.importorskip("qiskit_algorithms.optimizers")


def loss(x):
    x = np.asarray(x)
    return float(np.log1p(np.exp(-np.cos(x - 0.3).sum())) + 0.2 * np.sin(2 * x[0]))


@pytest.mark.parametrize(
    ("iterations", "eta", "momentum", "tolerance"),
    [(50, 1.0, 0.25, 1e-12), ((20, 30), (0.7, 0.2), (0.5, 0.1), 1e-12), (400, 0.5, 0.25, 1e-4)],
)
def test_trajectory_equals_the_sdk(iterations, eta, momentum, tolerance):
    x0 = np.random.default_rng(1).uniform(-3, 3, 5)
    as_list = [list(v) if isinstance(v, tuple) else v for v in (iterations, eta, momentum)]
    theirs = optimizers.AQGD(*as_list[:2], tol=tolerance, momentum=as_list[2]).minimize(loss, x0.copy())
    ours = AQGD(iterations, eta, momentum, tolerance=tolerance).minimize(loss, x0)
    assert np.abs(ours.x - theirs.x).max() < 1e-10
    assert (ours.nfev, ours.nit) == (theirs.nfev, theirs.nit)
    assert ours.fun == pytest.approx(theirs.fun, abs=1e-12)


def test_half_differences_of_a_nonlinear_loss_are_not_its_gradient():
    x = np.array([0.7, -0.2, 1.0])
    state = {}
    AQGD(1, 1.0, 0.0).minimize(loss, x, callback=lambda s: state.update(s))
    numeric = [(loss(x + d) - loss(x - d)) / 2e-6 for d in np.eye(3) * 1e-6]
    assert np.abs((x - state["x"]) - numeric).max() > 0.01  # beside entries of size 0.1

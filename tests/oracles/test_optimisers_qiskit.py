"""AQGD, SPSA, NFT and COBYLA against the SDK they come from: same path, same stop, same number of evaluations."""

import numpy as np
import pytest

from bitket.learning import AQGD, COBYLA, NFT, SPSA

optimizers = pytest.importorskip("qiskit_algorithms.optimizers")


def loss(x):
    x = np.asarray(x)
    return float(np.log1p(np.exp(-np.cos(x - 0.3).sum())) + 0.2 * np.sin(2 * x[0]))


def path_of(optimiser, f, x0, **options):
    """Every point at which the function was evaluated, and the result."""
    points = []

    def seen(x):
        points.append(np.array(x, dtype=float))
        return f(x)

    return points, optimiser.minimize(seen, np.array(x0), **options)


@pytest.mark.parametrize(
    ("iterations", "eta", "momentum", "tolerance"),
    [
        (50, 1.0, 0.25, 1e-12),
        (50, 0.3, 0.0, 1e-12),
        ((20, 30), (0.7, 0.2), (0.5, 0.1), 1e-12),
        (400, 0.5, 0.25, 1e-4),
        ((5, 400), (3.0, 0.5), (0.25, 0.25), 1e-6),
    ],
)
def test_aqgd_evaluates_the_same_points_and_stops_alike(iterations, eta, momentum, tolerance):
    x0 = np.random.default_rng(1).uniform(-3, 3, 5)
    as_list = [list(v) if isinstance(v, tuple) else v for v in (iterations, eta, momentum)]
    sdk = optimizers.AQGD(*as_list[:2], tol=tolerance, momentum=as_list[2])
    their_points, theirs = path_of(sdk, loss, x0)
    our_points, ours = path_of(AQGD(iterations, eta, momentum, tolerance=tolerance), loss, x0)
    assert np.abs(np.array(our_points) - np.array(their_points)).max() < 1e-10
    assert np.abs(ours.x - theirs.x).max() < 1e-10
    assert (ours.nfev, ours.nit) == (theirs.nfev, theirs.nit)
    assert ours.fun == pytest.approx(theirs.fun, abs=1e-12)


def test_aqgd_with_a_gradient_equals_the_sdk_with_one():
    def slope(x):
        return np.array([(loss(x + d) - loss(x - d)) / 2e-6 for d in np.eye(5) * 1e-6])

    x0 = np.random.default_rng(2).uniform(-3, 3, 5)
    theirs = optimizers.AQGD(50, 0.8, tol=1e-12).minimize(loss, x0.copy(), jac=slope)
    ours = AQGD(50, 0.8, tolerance=1e-12, mode="exact").minimize(loss, x0, slope)
    assert np.abs(ours.x - theirs.x).max() < 1e-10


@pytest.mark.parametrize("resamplings", [1, 3])
@pytest.mark.parametrize("blocking", [False, True])
def test_spsa_with_the_same_draws_evaluates_the_same_points(resamplings, blocking):
    from qiskit_algorithms.utils import algorithm_globals

    algorithm_globals.random_seed = 7
    x0 = np.random.default_rng(3).uniform(-3, 3, 6)
    # The SDK estimates the spread of the value before its steps only; ours gets its threshold as a number.
    sdk = optimizers.SPSA(60, resamplings=resamplings, blocking=blocking, allowed_increase=1e-3)
    theirs = sdk.minimize(loss, x0.copy())
    ours = SPSA(60, c=0.2, resamplings=resamplings, blocking=blocking, allowed_increase=1e-3).minimize(
        loss, x0, generator=np.random.default_rng(7)
    )
    assert np.abs(ours.x - theirs.x).max() < 1e-10
    assert ours.nit == theirs.nit
    # The SDK counts neither its calibration (50 values) nor the value at the end.
    assert ours.nfev == theirs.nfev + 50 + 1


@pytest.mark.parametrize("reset", [1, 7, 32])
def test_nft_equals_the_sdk(reset):
    a, b = np.random.default_rng(4).normal(size=(2, 4))

    def f(x):
        return float(np.prod(np.cos(x - a)) + b @ np.sin(x))

    x0 = np.random.default_rng(5).uniform(-3, 3, 4)
    theirs = optimizers.NFT(maxiter=50, maxfev=10**6, reset_interval=reset).minimize(f, x0.copy())
    ours = NFT(50, reset).minimize(f, x0)
    assert np.abs(np.exp(1j * ours.x) - np.exp(1j * theirs.x)).max() < 1e-8  # angles agree up to whole turns
    assert ours.fun == pytest.approx(theirs.fun, abs=1e-10)
    assert ours.nfev == theirs.nfev + 1


def test_cobyla_evaluates_the_same_points():
    x0 = np.random.default_rng(6).uniform(-3, 3, 5)
    theirs, _ = path_of(optimizers.COBYLA(maxiter=60), loss, x0)
    ours, _ = path_of(COBYLA(60), loss, x0)
    assert np.array_equal(np.array(ours), np.array(theirs))


def test_half_differences_of_a_nonlinear_loss_are_not_its_gradient():
    x = np.array([0.7, -0.2, 1.0])
    state = {}
    AQGD(1, 1.0, 0.0).minimize(loss, x, callback=lambda s: state.update(s))
    numeric = [(loss(x + d) - loss(x - d)) / 2e-6 for d in np.eye(3) * 1e-6]
    assert np.abs((x - state["x"]) - numeric).max() > 0.01  # beside entries of size 0.1

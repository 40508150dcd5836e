import inspect
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitket.learning import (
    AQGD,
    COBYLA,
    NFT,
    SPSA,
    Adam,
    AdamSPSA,
    GradientDescent,
    LocalSearch,
    OptimiserError,
    batched,
    with_value,
)
from bitket.runs.storage import load_tree, save_tree

TARGET = np.array([0.4, -1.1, 2.0])


def sine(x):
    """A sum of sines with its minimum -3 at TARGET."""
    return -float(np.cos(np.asarray(x) - TARGET).sum())


def slope(x):
    return np.sin(np.asarray(x) - TARGET)


@batched
def many_sines(points):
    return -np.cos(points - TARGET).sum(axis=1)


START = np.array([0.0, 0.0, 0.5])
ALL = [
    (SPSA(400, a=0.3, c=0.1), 0.05),
    (SPSA(400), 0.2),
    (SPSA(400, blocking=True), 0.2),
    (AdamSPSA(600, a=0.3), 0.05),
    (AdamSPSA(300, a=0.3, keep_best=True), 0.05),
    (Adam(300, 0.1), 1e-4),
    (GradientDescent(300, 0.1, 0.5), 1e-6),
    (AQGD(200, 0.5), 1e-3),
    (AQGD(200, 0.5, mode="exact"), 1e-3),
    (COBYLA(200), 1e-4),
    (LocalSearch("Nelder-Mead", 400), 1e-3),
    (LocalSearch("Powell", 400), 1e-3),
    (LocalSearch("L-BFGS-B", 200), 1e-4),
    (LocalSearch("SLSQP", 200), 1e-3),
    (NFT(9), 1e-9),
]
SHORT = [
    SPSA(30),
    SPSA(30, blocking=True, resamplings=2),
    AdamSPSA(30),
    AdamSPSA(30, keep_best=True, beta1_decay=0.9),
    Adam(30),
    GradientDescent(30, momentum=0.9),
    AQGD((10, 20), (0.5, 0.2), (0.2, 0.1)),
    AQGD(30, 0.1, mode="exact", parameter_test="previous"),
    COBYLA(40),
    LocalSearch("Nelder-Mead", 40),
    LocalSearch("Powell", 40),
    LocalSearch("L-BFGS-B", 40),
    LocalSearch("SLSQP", 40),
    NFT(30),
]


def label(value):
    return "" if isinstance(value, float) else f"{type(value).__name__} {getattr(value, 'method', '')}"


@pytest.mark.parametrize(("optimiser", "tolerance"), ALL, ids=label)
def test_finds_the_minimum_and_counts(optimiser, tolerance):
    calls = {"f": 0, "g": 0}

    def counted(x):
        calls["f"] += 1
        return sine(x)

    def counted_slope(x):
        calls["g"] += 1
        return slope(x)

    result = optimiser.minimize(counted, START, counted_slope, generator=np.random.default_rng(0))
    assert (result.nfev, result.njev) == (calls["f"], calls["g"])
    assert np.abs(np.cos(result.x - TARGET) - 1).max() < max(tolerance, 1e-12)
    assert len(result.history) >= 1
    assert result.stop_reason


@pytest.mark.parametrize("optimiser", SHORT, ids=label)
def test_a_stored_state_continues_the_same_path(optimiser, tmp_path):
    whole = optimiser.minimize(sine, START, slope, generator=np.random.default_rng(5))

    def stop(state):
        save_tree(tmp_path / "state", state)
        return state["nit"] == 3

    optimiser.minimize(sine, START, slope, callback=stop, generator=np.random.default_rng(5))
    calls = []
    rest = optimiser.minimize(
        lambda x: calls.append(x) or sine(x),
        START,
        slope,
        state=load_tree(tmp_path / "state"),
        generator=np.random.default_rng(99),
    )
    assert np.array_equal(whole.x, rest.x)
    assert whole.history == rest.history
    assert (whole.nfev, whole.njev, whole.nit) == (rest.nfev, rest.njev, rest.nit)
    assert len(calls) < whole.nfev


@pytest.mark.parametrize("optimiser", SHORT, ids=label)
def test_a_state_kept_from_a_callback_never_changes(optimiser):
    kept, copies = [], []

    def keep(state):
        kept.append(state)
        copies.append({k: np.array(v) if isinstance(v, np.ndarray | list) else v for k, v in state.items()})

    optimiser.minimize(sine, START, slope, callback=keep, generator=np.random.default_rng(5))
    for state, copy in zip(kept, copies, strict=True):
        assert all(np.array_equal(state[k], copy[k]) for k in copy)


@pytest.mark.parametrize("optimiser", [SPSA(20, resamplings=3), AdamSPSA(20), AQGD(20), NFT(20)], ids=label)
def test_batched_objectives_give_the_same_path_in_one_call_a_step(optimiser):
    calls = []

    @batched
    def counted(points):
        calls.append(len(points))
        return many_sines(points)

    one, many = (optimiser.minimize(f, START, generator=np.random.default_rng(1)) for f in (sine, counted))
    assert np.allclose(one.x, many.x, atol=1e-12)
    assert one.nfev == many.nfev == sum(calls)
    assert len(calls) <= many.nit + 2  # calibration and the last value beside


def test_a_gradient_with_its_value_saves_the_evaluation():
    @with_value
    def both(x):
        return sine(x), slope(x)

    def refused(x):
        raise AssertionError("the value comes with the gradient")

    theirs = AQGD(20, 0.1, tolerance=0.0, mode="exact").minimize(sine, START, slope)
    ours = AQGD(20, 0.1, tolerance=0.0, mode="exact").minimize(refused, START, both)
    assert np.array_equal(ours.x, theirs.x)
    assert (ours.nfev, ours.njev) == (theirs.nfev, theirs.njev) == (20, 20)


def test_spsa_costs_two_evaluations_a_step():
    generator = np.random.default_rng
    assert SPSA(50, a=0.1).minimize(sine, START, generator=generator(0)).nfev == 101
    assert SPSA(50).minimize(sine, START, generator=generator(0)).nfev == 151
    assert SPSA(50, a=0.1, blocking=True).minimize(sine, START, generator=generator(0)).nfev == 1 + 25 + 150 + 1


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32 - 1), st.floats(0.01, 1), st.floats(0, 20))
def test_calibrated_spsa_takes_a_first_step_of_the_wanted_size(seed, wanted, stability):
    """On a linear function with slopes of one size, every two-sided difference is known: the mean first step is as wanted."""
    generator = np.random.default_rng(seed)
    gradient = np.zeros(6)
    gradient[0] = generator.uniform(0.1, 3)
    states = []
    optimiser = SPSA(1, first_step=wanted, stability=stability)
    optimiser.minimize(lambda x: float(gradient @ x), np.zeros(6), callback=states.append, generator=generator)
    assert np.allclose(np.abs(states[0]["x"]), wanted, rtol=1e-9)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32 - 1))
def test_blocking_never_climbs_and_bounds_hold(seed):
    generator = np.random.default_rng(seed)
    x0 = generator.uniform(-1, 1, 3)
    seen = []
    result = SPSA(20, a=1.0, blocking=True, allowed_increase=0.0, bounds=(-1, 1)).minimize(
        sine, x0, callback=lambda s: seen.append(s["x"]), generator=generator
    )
    values = [sine(x0), *result.history]
    assert all(b <= a for a, b in pairwise(values))
    assert np.abs(seen).max() <= 1


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32 - 1), st.integers(1, 6))
def test_nft_never_climbs_and_solves_separable_sines_in_one_sweep(seed, size):
    generator = np.random.default_rng(seed)
    amplitude, phase = generator.uniform(0.1, 2, size), generator.uniform(-3, 3, size)

    def f(x):
        return float(amplitude @ np.cos(x - phase))

    result = NFT(size, reset=generator.integers(1, 9)).minimize(f, generator.uniform(-3, 3, size))
    assert result.fun == pytest.approx(-amplitude.sum(), abs=1e-9)
    assert all(b <= a + 1e-9 for a, b in pairwise(result.history))


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32 - 1), st.integers(1, 5))
def test_half_differences_are_the_gradient_of_what_is_linear_in_sines(seed, size):
    """The parameter-shift rule: sdk mode and exact mode walk the same path there."""
    generator = np.random.default_rng(seed)
    a, b = generator.normal(size=(2, size))

    def f(x):
        return float(a @ np.cos(x) + b @ np.sin(x))

    x0 = generator.uniform(-3, 3, size)
    sdk = AQGD(7, 0.3, 0.5).minimize(f, x0)
    exact = AQGD(7, 0.3, 0.5, mode="exact").minimize(f, x0, lambda x: b * np.cos(x) - a * np.sin(x))
    assert np.allclose(sdk.x, exact.x, atol=1e-12)
    assert (sdk.nfev, exact.nfev, exact.njev) == ((2 * size + 1) * 7, 7, 7)


def test_adam_spsa_follows_its_equations():
    """Two steps by hand, with the same signs."""
    o = AdamSPSA(2, a=0.3, alpha=0.9, c=0.2, gamma=0.1, beta1=0.8, beta2=0.99, beta1_decay=0.5)
    draws = np.random.default_rng(3)
    x, m, v = START, 0.0, 0.0
    for k in (0, 1):
        d = 1.0 - 2.0 * draws.binomial(1, 0.5, 3)
        c, b1 = 0.2 / (k + 1) ** 0.1, 0.8 / (k + 1) ** 0.5
        g = (sine(x + c * d) - sine(x - c * d)) / (2 * c) * d
        m, v = b1 * m + (1 - b1) * g, 0.99 * v + 0.01 * g**2
        x = x - 0.3 / (k + 1) ** 0.9 * m / (1 - b1 ** (k + 1)) / (np.sqrt(v / (1 - 0.99 ** (k + 1))) + 1e-8)
    assert np.allclose(o.minimize(sine, START, generator=np.random.default_rng(3)).x, x, atol=1e-14)


def test_adam_spsa_keeps_the_best_point_seen():
    seen = []

    def noted(x):
        seen.append(sine(x))
        return seen[-1]

    result = AdamSPSA(40, a=2.0, keep_best=True).minimize(noted, START, generator=np.random.default_rng(0))
    assert result.fun == min(seen[2::3]) == sine(result.x)
    assert result.nfev == 120


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.sampled_from(["cobyla", "Nelder-Mead", "Powell", "L-BFGS-B"]))
def test_limits_on_evaluations_hold_and_the_best_point_is_returned(seed, limit, method):
    generator = np.random.default_rng(seed)
    target = generator.normal(size=4)
    seen = []

    def f(x):
        seen.append(float(np.sum((x - target) ** 2)))
        return seen[-1]

    optimiser = COBYLA(limit) if method == "cobyla" else LocalSearch(method, limit)
    result = optimiser.minimize(f, generator.normal(size=4))
    assert result.nfev == len(seen) <= limit
    assert result.fun == min(seen)


def test_the_parameter_test_of_the_sdk_looks_at_the_start():
    """A step smaller than the tolerance stops the corrected test; the SDK's stops only if all steps together are that small."""
    tiny = {"eta": 1e-4, "parameter_tolerance": 1e-4, "tolerance": 0.0}
    assert AQGD(50, **tiny).minimize(sine, START).nit == 2
    far = AQGD(50, eta=0.1, parameter_tolerance=0.02, tolerance=0.0)
    corrected = AQGD(50, eta=0.1, parameter_tolerance=0.02, tolerance=0.0, parameter_test="previous")
    assert far.minimize(sine, START).stop_reason == "all iterations done"
    assert corrected.minimize(sine, START).stop_reason == "parameters no longer change"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: SPSA(0), "must be positive"),
        (lambda: SPSA(5, a=-1.0), "it must be positive"),
        (lambda: SPSA(5, bounds=(1, 0)), "the lowest and a higher"),
        (lambda: AdamSPSA(5, beta1=1.0), r"in \[0, 1\)"),
        (lambda: Adam(5, -0.1), "must be positive"),
        (lambda: GradientDescent(5, 0.1, 1.0), r"momentum in \[0, 1\)"),
        (lambda: AQGD((1, 2), 0.1), r"schedules of lengths \[2, 1, 1\]"),
        (lambda: AQGD([1, 2], [0.1, 0.2], [0.1]), r"schedules of lengths \[2, 2, 1\]"),
        (lambda: AQGD(10, 0.1, 1.0), r"momentum in \[0, 1\)"),
        (lambda: AQGD(10, mode="fast"), "mode is 'sdk' or 'exact'"),
        (lambda: COBYLA(0), "must be positive"),
        (lambda: LocalSearch("BFGS"), "'L-BFGS-B' and 'SLSQP' are known"),
        (lambda: NFT(0), "must be positive"),
        (lambda: SPSA(5).minimize(sine, START), "generator is needed"),
        (lambda: Adam(5).minimize(sine, START), "needs the gradient"),
        (lambda: AQGD(5, mode="exact").minimize(sine, START), "needs the gradient"),
        (lambda: NFT(5).minimize(lambda _: float("nan"), START), r"value nan at evaluation 1 \(iteration 1\)"),
        (lambda: COBYLA(5).minimize(lambda _: float("inf"), START), r"value inf at evaluation 1 \(iteration 1\)"),
        (lambda: NFT(5).minimize(sine, [np.inf]), "finite numbers"),
        (lambda: NFT(5).minimize(sine, []), "finite numbers"),
        (lambda: NFT(5).minimize(sine, [[0.0]]), "finite numbers"),
        (lambda: NFT(5).minimize(batched(lambda p: np.zeros(2)), START), "3 values are needed, it returned 2"),
        (lambda: Adam(5).minimize(sine, START, lambda x: x[:1]), r"gradient 1 \(iteration 1\).*shape \(3,\)"),
        (lambda: NFT(5).minimize(sine, START, state={"optimiser": "Adam"}), "state of Adam: NFT cannot"),
        (lambda: NFT(5).minimize(sine, START, state={"optimiser": "NFT", "x": [0.0]}), "with 1 parameters"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(OptimiserError, match=message):
        call()


def test_a_value_that_turns_bad_names_its_iteration():
    values = iter([0.0, 1.0, 0.0, 2.0, 0.0, 0.0, 0.0, float("nan"), 0.0, 0.0])
    with pytest.raises(OptimiserError, match=r"value nan at evaluation 8 \(iteration 2\)"):
        AQGD(5, tolerance=0.0).minimize(lambda _: next(values), [0.1, 0.2])


def test_settings_cannot_be_changed():
    for optimiser in SHORT:
        name = next(iter(inspect.signature(type(optimiser)).parameters))
        with pytest.raises(AttributeError):
            setattr(optimiser, name, 1)

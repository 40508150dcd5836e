import numpy as np
import pytest

from bitket.learning import AQGD, COBYLA, NFT, SPSA, Adam, AdamSPSA, LocalSearch, OptimiserError, batched
from bitket.runs.files import load_tree, save_tree

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
    (AdamSPSA(600, learning_rate=0.3), 0.05),
    (Adam(300, 0.1), 1e-4),
    (AQGD(200, 0.5), 1e-3),
    (COBYLA(200), 1e-4),
    (LocalSearch("Nelder-Mead", 400), 1e-3),
    (LocalSearch("L-BFGS-B", 200), 1e-4),
    (NFT(9), 1e-9),
]


@pytest.mark.parametrize(
    ("optimiser", "tolerance"), ALL, ids=lambda v: type(v).__name__ if not isinstance(v, float) else ""
)
def test_finds_the_minimum_and_counts(optimiser, tolerance):
    calls = 0

    def counted(x):
        nonlocal calls
        calls += 1
        return sine(x)

    jac = slope if isinstance(optimiser, Adam) else None
    result = optimiser.minimize(counted, START, jac, generator=np.random.default_rng(0))
    assert result.nfev == calls
    assert np.abs(np.cos(result.x - TARGET) - 1).max() < max(tolerance, 1e-12)
    assert len(result.history) >= 1


@pytest.mark.parametrize(
    "optimiser", [SPSA(30), AdamSPSA(30), Adam(30), AQGD((10, 20), (0.5, 0.2), (0.2, 0.1)), COBYLA(60), NFT(30)]
)
def test_a_stored_state_continues_the_same_path(optimiser, tmp_path):
    whole = optimiser.minimize(sine, START, slope, generator=np.random.default_rng(5))

    def stop(state):
        save_tree(tmp_path / "state", state)
        return state["nit"] == 13

    optimiser.minimize(sine, START, slope, callback=stop, generator=np.random.default_rng(5))
    rest = optimiser.minimize(
        sine, START, slope, state=load_tree(tmp_path / "state"), generator=np.random.default_rng(99)
    )
    assert np.array_equal(whole.x, rest.x)
    assert whole.history == rest.history


@pytest.mark.parametrize("optimiser", [SPSA(20), AQGD(20), NFT(20)])
def test_batched_objectives_give_the_same_path(optimiser):
    one, many = (optimiser.minimize(f, START, generator=np.random.default_rng(1)) for f in (sine, many_sines))
    assert np.allclose(one.x, many.x, atol=1e-12)
    assert one.nfev == many.nfev


def test_spsa_costs_two_evaluations_a_step():
    assert SPSA(50, a=0.1).minimize(sine, START, generator=np.random.default_rng(0)).nfev == 101
    assert SPSA(50).minimize(sine, START, generator=np.random.default_rng(0)).nfev == 151


@pytest.mark.parametrize("limit", [3, 10, 57])
def test_cobyla_keeps_its_limit(limit):
    assert COBYLA(limit).minimize(sine, START).nfev <= limit


@pytest.mark.parametrize("dimension", [2, 4])
def test_cobyla_walks_as_scipy_does(dimension):
    from scipy.optimize import minimize, rosen

    functions = [
        rosen,
        lambda x: float(np.sum(x**2)),
        lambda x: float(np.sum(np.abs(x) ** 1.5)),
        lambda x: -float(np.cos(x).sum()),
        lambda x: float(np.sum((x - 1) ** 4) + x[0]),
    ]
    x0 = np.linspace(-0.5, 1.2, dimension)
    for f in functions:
        theirs = minimize(f, x0, method="COBYLA", options={"maxiter": 60, "rhobeg": 1.0})
        seen = []
        COBYLA(60).minimize(lambda x, f=f, seen=seen: seen.append(f(x)) or seen[-1], x0)
        assert min(seen) == pytest.approx(theirs.fun, rel=1e-12, abs=1e-12)


def test_adam_equals_torch():
    import torch

    x = torch.tensor(START, requires_grad=True)
    theirs = torch.optim.Adam([x], lr=0.07)
    for _ in range(40):
        theirs.zero_grad()
        (-torch.cos(x - torch.tensor(TARGET)).sum()).backward()
        theirs.step()
    assert np.allclose(Adam(40, 0.07).minimize(sine, START, slope).x, x.detach().numpy(), atol=1e-12)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: SPSA(0), "must be positive"),
        (lambda: AQGD((1, 2), 0.1), "one length"),
        (lambda: AQGD(10, 0.1, 1.0), r"momentum in \[0, 1\)"),
        (lambda: COBYLA(0), "must be positive"),
        (lambda: SPSA(5).minimize(sine, START), "generator is needed"),
        (lambda: Adam(5).minimize(sine, START), "needs the gradient"),
        (lambda: NFT(5).minimize(lambda _: float("nan"), START), "value nan at evaluation 1"),
        (lambda: NFT(5).minimize(sine, [np.inf]), "finite numbers"),
        (lambda: NFT(5).minimize(sine, []), "finite numbers"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(OptimiserError, match=message):
        call()

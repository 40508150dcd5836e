"""Local searches against SciPy called directly, Adam and gradient descent against torch."""

import numpy as np
import pytest
import torch
from scipy.optimize import minimize, rosen, rosen_der

from bitket.learning import COBYLA, Adam, GradientDescent, LocalSearch

FUNCTIONS = {
    "rosen": (rosen, rosen_der),
    "sphere": (lambda x: float(np.sum(x**2)), lambda x: 2 * x),
    "power": (lambda x: float(np.sum(np.abs(x) ** 1.5)), lambda x: 1.5 * np.sign(x) * np.abs(x) ** 0.5),
    "cosines": (lambda x: -float(np.cos(x).sum()), np.sin),
    "quartic": (lambda x: float(np.sum((x - 1) ** 4) + x[0]), lambda x: 4 * (x - 1) ** 3 + np.eye(len(x))[0]),
}


def recorder(f):
    points = []

    def seen(x):
        points.append(np.array(x))
        return f(x)

    return points, seen


@pytest.mark.parametrize("dimension", [2, 4])
@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("method", ["COBYLA", "Nelder-Mead", "Powell", "L-BFGS-B", "SLSQP"])
def test_walks_as_scipy_does(method, name, dimension):
    f, slope = FUNCTIONS[name]
    jac = slope if method in ("L-BFGS-B", "SLSQP") else None
    x0 = np.linspace(-0.5, 1.2, dimension)
    options = {"rhobeg": 1.0, "maxiter": 60} if method == "COBYLA" else {"maxiter": 2000}
    their_points, seen = recorder(f)
    theirs = minimize(seen, x0, jac=jac, method=method, options=options)
    optimiser = COBYLA(60) if method == "COBYLA" else LocalSearch(method, 2000)
    our_points, seen = recorder(f)
    ours = optimiser.minimize(seen, x0, jac)
    n = min(len(our_points), len(their_points), 2000)
    assert np.array_equal(np.array(our_points[:n]), np.array(their_points[:n]))
    assert ours.nfev == min(theirs.nfev, 2000)
    assert ours.fun <= theirs.fun + 1e-12
    assert ours.fun == min(f(p) for p in our_points)


@pytest.mark.parametrize("jac", [True, False])
def test_replayed_gradients_are_not_evaluated_again(jac):
    kept = []
    calls = [0]

    def f(x):
        calls[0] += 1
        return rosen(x)

    optimiser, x0 = LocalSearch("L-BFGS-B", 60), np.array([-1.0, 1.5, 0.3])
    whole = optimiser.minimize(f, x0, rosen_der if jac else None, callback=lambda s: kept.append(s))
    state, calls[0] = kept[9], 0
    rest = optimiser.minimize(f, x0, rosen_der if jac else None, state=state)
    assert np.array_equal(whole.x, rest.x)
    assert calls[0] == whole.nfev - 10


@pytest.mark.parametrize("kind", ["adam", "descent"])
def test_equals_torch(kind):
    target = torch.tensor([0.4, -1.1, 2.0], dtype=torch.float64)

    def f(x):
        return torch.log1p((torch.cos(x - target) ** 2).sum()) + 0.1 * (x**2).sum()

    def jac(x):
        t = torch.tensor(x, requires_grad=True)
        return torch.autograd.grad(f(t), t)[0].numpy()

    x = torch.tensor([0.0, 0.0, 0.5], dtype=torch.float64, requires_grad=True)
    theirs = torch.optim.Adam([x], lr=0.07) if kind == "adam" else torch.optim.SGD([x], lr=0.07, momentum=0.8)
    ours = Adam(60, 0.07) if kind == "adam" else GradientDescent(60, 0.07, 0.8)
    values = []
    for _ in range(60):
        theirs.zero_grad()
        value = f(x)
        value.backward()
        theirs.step()
        values.append(float(value.detach()))
    result = ours.minimize(lambda p: float(f(torch.tensor(p))), [0.0, 0.0, 0.5], jac)
    assert np.allclose(result.x, x.detach().numpy(), atol=1e-12)
    assert np.allclose(result.history, values, atol=1e-12)

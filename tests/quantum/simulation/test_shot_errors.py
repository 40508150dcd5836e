"""Standard errors of estimates from shots: where shots agree, and of gradients; three estimators, one rule."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from bitket.algebra import PauliSum
from bitket.errors import InvalidInput
from bitket.intervals import unseen
from bitket.quantum.circuits import Circuit, Parameter
from bitket.quantum.measurement import estimate, measure, propose
from bitket.quantum.noise import NoiseModel
from bitket.quantum.simulation import direct, expectation, expectation_with_error, gradient_with_error, sample
from bitket.quantum.simulation.sampling import Counts

OPERATOR = PauliSum.from_list([("ZZ", 0.5), ("IZ", -2.0), ("II", 7.0)])


@pytest.mark.parametrize("noise", [None, NoiseModel.depolarizing(0.0, 0.0)])
def test_shots_that_agree_have_the_error_of_what_they_may_have_missed(noise):
    c, shots = Circuit(2).x(1), 50
    least = np.hypot(0.5, 2.0) * unseen(shots)
    counts = sample(c, shots, noise=noise, generator=np.random.default_rng(0))
    found = [
        counts.expectation(OPERATOR),
        direct.expectation_with_error(c, OPERATOR, shots=shots, noise=noise, generator=np.random.default_rng(0)),
        expectation_with_error(c, OPERATOR, shots=shots, noise=noise, generator=torch.Generator().manual_seed(0)),
    ]
    for value, error in found:
        assert float(value) == pytest.approx(4.5, abs=1e-12)
        assert float(error) == pytest.approx(least, rel=1e-12)
    plan = propose(OPERATOR, "groups", shots, np.random.default_rng(0))
    other = estimate(
        OPERATOR,
        measure(plan, c.matrix()[:, 0], np.random.default_rng(0)),
    )
    assert other.standard_error == pytest.approx(least, rel=1e-12)


def test_the_identity_alone_is_known():
    assert Counts({"00": 9}).expectation(PauliSum.parse("3*II")) == (3, 0)


def test_one_rare_outcome_is_spread_enough():
    counts = Counts({"0": 9999, "1": 1})
    value, error = counts.expectation(PauliSum.parse("Z"))
    assert value == pytest.approx(0.9998)
    assert error == pytest.approx(2e-4, rel=1e-3)


def test_samples_of_a_batch_have_their_own():
    c = Circuit(1).ry(Parameter("x", "input"), 0)
    x = torch.tensor([[0.0], [np.pi / 2]], dtype=torch.float64)
    _, errors = expectation_with_error(
        c, PauliSum.parse("Z"), None, x, shots=400, generator=torch.Generator().manual_seed(1)
    )
    np.testing.assert_allclose(errors, [unseen(400), 400**-0.5], rtol=0.02)


def ansatz() -> Circuit:
    a, b, x = Parameter("a"), Parameter("b"), Parameter("x", "input")
    return Circuit(2).ry(a, 0).crx(b, 0, 1).rz(x * b, 1).rx(2 * a - x, 1).cx(0, 1)


@pytest.mark.parametrize("noise", [None, NoiseModel.depolarizing(0.01, 0.05)])
def test_gradients_scatter_as_their_errors_say(noise):
    c, w, x = ansatz(), torch.tensor([0.4, 1.1], dtype=torch.float64), torch.tensor([-0.3], dtype=torch.float64)
    operator = PauliSum.from_list([("ZZ", 0.5), ("XI", 1.5), ("II", 7.0)])
    given = [t.clone().requires_grad_() for t in (w, x)]
    exact = torch.cat(torch.autograd.grad(expectation(c, operator, *given, noise=noise), given))
    generator = torch.Generator().manual_seed(0)
    pairs = [gradient_with_error(c, operator, w, x, shots=100, noise=noise, generator=generator) for _ in range(150)]
    gradients, errors = (torch.stack(t) for t in zip(*pairs, strict=True))
    spread = gradients.std(0)
    np.testing.assert_allclose(errors.square().mean(0).sqrt(), spread, rtol=0.2)
    assert ((gradients.mean(0) - exact).abs() < 4 * spread / 150**0.5).all()


def test_gradients_of_what_has_none():
    generator = torch.Generator().manual_seed(0)
    gradient, error = gradient_with_error(Circuit(1).h(0), PauliSum.parse("Z"), shots=10, generator=generator)
    assert gradient.shape == error.shape == (0,)
    c = Circuit(1).declare(Parameter("a"), Parameter("b")).ry(Parameter("b"), 0)
    gradient, error = gradient_with_error(c, PauliSum.parse("Z"), [0.1, 0.0], shots=10, generator=generator)
    assert gradient[0] == error[0] == 0
    assert error[1] > 0
    with pytest.raises(InvalidInput, match="one sample"):
        gradient_with_error(c, PauliSum.parse("Z"), [[0.1, 0.0]], shots=10, generator=generator)

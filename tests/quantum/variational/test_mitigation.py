import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bitket.algebra import PauliSum
from bitket.errors import InvalidInput
from bitket.quantum.circuits import Circuit, Parameter
from bitket.quantum.circuits.ansatz import ry_rz_ansatz
from bitket.quantum.noise import NoiseModel
from bitket.quantum.simulation import expectation
from bitket.quantum.variational.mitigation import (
    AdaptiveExponential,
    Exponential,
    ExtrapolationError,
    LearnedMitigation,
    Linear,
    Neural,
    NoisyExecutor,
    PolyExponential,
    Polynomial,
    Richardson,
    bootstrap,
    fold,
    reached_factor,
    zne,
)
from bitket.quantum.variational.vqe import VQE


def bound(n: int, reps: int, seed: int) -> Circuit:
    c = ry_rz_ansatz(n, reps)
    return c.bind(np.random.default_rng(seed).uniform(-3, 3, len(c.weights)).tolist())


@pytest.mark.parametrize("method", ["global", "left", "right", "random"])
@pytest.mark.parametrize("factor", [1, 1.5, 2, 3, 5])
def test_folding_keeps_the_unitary_and_reaches_the_factor(method, factor):
    c = bound(3, 2, 0).barrier()
    folded = fold(c, factor, method, generator=np.random.default_rng(0))
    gates, before = (sum(i.gate is not None for i in x) for x in (folded, c))
    assert np.abs(folded.matrix() - c.matrix()).max() < 1e-12
    assert abs(gates - factor * before) <= 1


@pytest.mark.parametrize("method", ["global", "left", "right", "random"])
def test_reached_factors_are_the_noise_factors(method):
    # <Z> after g gates without effect, each with depolarising noise, is (1 - p)^g: exact only with the counts that were reached.
    for gates, wanted, reached in ((1, (1, 3, 5), (1, 3, 5)), (2, (1, 1.9, 3), (1, 2, 3)), (3, (1, 2.2, 4), None)):
        c = Circuit(1).global_phase(0.3)
        for _ in range(gates):
            c.id(0)
        c.global_phase(0.1)
        machine = NoisyExecutor(PauliSum.parse("Z"), NoiseModel.depolarizing(0.02))
        result = zne(
            machine, c, factors=wanted, extrapolator=Exponential(), scaling=method, generator=np.random.default_rng(0)
        )
        assert result.value == pytest.approx(1, abs=1e-12)
        if reached:
            assert result.factors == pytest.approx(reached)
        for factor in wanted:
            folded = fold(c, factor, method, generator=np.random.default_rng(0))
            assert reached_factor(c, folded) == folded.count_ops()["id"] / gates
            assert folded.count_ops()["gphase"] == 2


def test_folds_that_cannot_reach_their_factors():
    machine = NoisyExecutor(PauliSum.parse("Z"), NoiseModel.depolarizing(0.1))
    one, none = Circuit(1, 1).x(0).measure(0, 0), Circuit(1)
    with pytest.warns(
        UserWarning, match="reaches the noise factors 1, 3 instead of 1, 2, 3, as the circuit has few gates"
    ):
        found = zne(machine, one, factors=(1, 2, 3), extrapolator=Exponential())
    assert found.value == pytest.approx(-1)
    assert found.factors.tolist() == [1, 3]
    with pytest.raises(
        ExtrapolationError, match=r"reaches the noise factors 1, 3 instead of 1, 2, 3.*at least 3 are needed"
    ):
        zne(machine, one, factors=(1, 2, 3), extrapolator=Polynomial(2))
    for extrapolator in (Linear(), Richardson(), Exponential(), AdaptiveExponential(4), Neural(ensemble=1, steps=1)):
        with pytest.raises(ExtrapolationError, match="at least 2 are needed"):
            zne(machine, none, factors=(1, 2, 3), extrapolator=extrapolator)
    assert zne(machine, one, extrapolator=Exponential(), scaling="channel").value == pytest.approx(-1)


def test_values_at_the_asymptote_stay_there():
    for values in ([0, 0, 0], [1e-12, -1e-12, 0]):
        assert Exponential().fit([1, 2, 3], values).predict(0.0).value == pytest.approx(0, abs=1e-8)
    # One of three values on the wrong side of the asymptote is shot noise, and counts for nothing.
    crossed = Exponential().fit([1, 2, 3], [0.5, 0.25, -0.01]).predict(0.0).value
    assert crossed == pytest.approx(1, abs=0.01)


@given(st.integers(2, 6), st.integers(0, 2**31))
@settings(max_examples=40, deadline=None)
def test_richardson_is_exact_on_polynomials(points, seed):
    rng = np.random.default_rng(seed)
    x = np.cumsum(rng.uniform(0.3, 1, points))
    c = rng.normal(size=points)
    y = np.polynomial.polynomial.polyval(x, c)
    assert Richardson().fit(x, y).predict(0).value == pytest.approx(c[0], abs=1e-7)
    assert Polynomial(points - 1).fit(x, y).predict(0).value == pytest.approx(c[0], abs=1e-6)


def test_standard_errors_are_those_of_repeated_experiments():
    rng = np.random.default_rng(0)
    x, sigma = np.array([1.0, 1.5, 2.0, 3.0]), np.array([0.02, 0.02, 0.03, 0.04])
    truth = 0.8 * np.exp(-0.3 * x)
    for extrapolator in (Linear(), Richardson(), Polynomial(2), Exponential(0.0)):
        values = [extrapolator.fit(x, truth + sigma * rng.normal(size=4), sigma).predict(0).value for _ in range(2000)]
        told = extrapolator.fit(x, truth, sigma).predict(0).standard_error
        assert np.std(values) == pytest.approx(told, rel=0.15)
        assert bootstrap(extrapolator, x, truth, sigma, rng, samples=400).standard_error == pytest.approx(
            told, rel=0.25
        )


def test_exponential_is_exact_on_a_chain_of_gates():
    # <Z> after RY(theta) and g - 1 gates without effect is cos(theta) (1 - p)^g.
    c = Circuit(1).ry(0.7, 0)
    for _ in range(9):
        c.id(0)
    z = PauliSum.parse("Z")
    p = np.array([0.01, 0.02, 0.05])
    values = [float(expectation(c, z, noise=NoiseModel.depolarizing(q))) for q in p]
    assert values == pytest.approx(np.cos(0.7) * (1 - p) ** 10, abs=1e-12)
    result = zne(NoisyExecutor(z, NoiseModel.depolarizing(0.02)), c, extrapolator=Exponential(), scaling="channel")
    assert result.value == pytest.approx(np.cos(0.7), abs=1e-9)
    folded = zne(NoisyExecutor(z, NoiseModel.depolarizing(0.02)), c, factors=(1, 3, 5), extrapolator=Exponential())
    assert folded.value == pytest.approx(np.cos(0.7), abs=1e-9)
    adaptive = zne(
        NoisyExecutor(z, NoiseModel.depolarizing(0.02)), c, extrapolator=AdaptiveExponential(4), scaling="channel"
    )
    assert adaptive.value == pytest.approx(np.cos(0.7), abs=1e-6)


def test_mitigation_of_any_circuit_from_shots():
    c, z = bound(3, 1, 3), PauliSum.parse("ZZZ + 0.5*XIX")
    exact = float(expectation(c, z))
    noise = NoiseModel.depolarizing(0.002, 0.01)
    machine = NoisyExecutor(z, noise, shots=40_000, generator=torch.Generator().manual_seed(1))
    result = zne(machine, c, factors=(1, 2, 3), extrapolator=Linear())
    raw = float(expectation(c, z, noise=noise))
    assert abs(result.value - exact) < 5 * result.standard_error + 0.3 * abs(raw - exact)
    assert 0 < result.standard_error < 0.1
    assert result.figure(exact) is not None


@pytest.mark.parametrize("n", [2, 4, 6])
def test_vqe_finds_the_ground_state(n):
    solver = VQE(PauliSum.from_list([("Z" * n, 1.0)]), ry_rz_ansatz(n, 2))
    for seed in range(4):
        energy = solver.run(generator=np.random.default_rng(seed)).fun
        assert -1 - 1e-12 <= energy <= -1 + 1e-6


def test_network_extrapolates_and_repeats():
    p = np.linspace(0.01, 0.05, 5)
    y = -((1 - p) ** 14)
    fit = Neural(ensemble=5, steps=800).fit(p, y)
    value = fit.predict(0.0)
    assert abs(value.value + 1) < abs(y[0] + 1) / 3
    assert value.standard_error > 0
    assert Neural(ensemble=5, steps=800).fit(p, y).predict(0.0).value == value.value
    assert fit.curve(p) == pytest.approx(y, abs=0.01)


def test_learned_mitigation_generalises():
    rng = np.random.default_rng(0)
    ideal = rng.uniform(-1, 1, 300)
    noisy = np.stack([ideal * 0.9**k + 0.005 * rng.normal(size=300) for k in (2, 4, 6)], axis=1)
    model = LearnedMitigation(reference=0, steps=500).fit(noisy[:200], ideal[:200])
    value, _ = model.predict(noisy[200:])
    assert np.abs(value - ideal[200:]).mean() < 0.5 * np.abs(noisy[200:, 0] - ideal[200:]).mean()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Linear().fit([1], [1]), "at least 2 are needed"),
        (lambda: Linear().fit([1, 2], [1, np.nan]), "must be finite"),
        (lambda: Linear().fit([1, 1], [1, 2]), "repeat"),
        (lambda: Linear().fit([1, 2], [1, 2], [0, 1]), "positive numbers"),
        (lambda: Polynomial(3).fit([1, 2, 3], [1, 2, 3]), "at least 4 are needed"),
        (lambda: Polynomial(-1), "must not be negative"),
        (lambda: PolyExponential(0), "at least 1"),
        (lambda: fold(Circuit(1).h(0), 0.5), "at least 1"),
        (lambda: fold(Circuit(1).h(0), 2, "sideways"), "are known"),
        (lambda: fold(Circuit(2).h(0).h(1), 2, "random"), "generator"),
        (lambda: fold(Circuit(1), 2, "sideways"), "are known"),
        (lambda: fold(Circuit(1).h(0), "2"), "at least 1"),
        (lambda: fold(Circuit(1).h(0), float("nan")), "at least 1"),
        (lambda: zne(lambda _: 1.0, Circuit(1).h(0), factors=(1, "2")), "noise factor 2"),
        (lambda: zne(lambda _: 1.0, Circuit(1).h(0), factors=()), "0 noise levels"),
        (lambda: zne(lambda _: 1.0, Circuit(1).h(0), scaling="louder"), "'channel', 'global'"),
        (lambda: zne(lambda _: "one", Circuit(1).h(0)), "the machine returned 'one' at noise factor 1"),
        (lambda: zne(lambda _: (1, 2, 3), Circuit(1).h(0)), "the machine returned"),
        (lambda: zne(lambda _: (1.0, -0.1), Circuit(1).h(0)), "standard error measured at noise factor 1 is -0.1"),
        (lambda: Linear().fit(["a", "b"], [1, 2]), "lists of real numbers"),
        (lambda: Exponential().fit([1, 2], [0.5, -0.01]), "1 of 2 values lie on the side of the asymptote 0"),
        (lambda: LearnedMitigation(0, hidden=()).fit([[1], [2]], [1, 2]), "must be positive"),
        (lambda: Neural(steps=2.5), "whole numbers"),
        (lambda: Neural(hidden=8), "must be positive"),
        (lambda: Neural(seed="a"), "seed not negative"),
        (lambda: Polynomial(1.5), "whole number"),
        (lambda: PolyExponential("2"), "at least 1"),
        (lambda: Exponential("a"), "asymptote a"),
        (lambda: AdaptiveExponential(2.5), "adaptive"),
        (lambda: Linear().fit_many([1, 2], [[1, 2], [1]]), "equally long"),
        (lambda: bootstrap(Linear(), [1, 2], [1, 2], None, np.random.default_rng(0)), "standard errors and at least 2"),
        (
            lambda: bootstrap(Linear(), [1, 2], [1, 2], [1, 1], np.random.default_rng(0), samples=1),
            "at least 2 samples",
        ),
        (lambda: LearnedMitigation("a").fit([[1], [2]], [1, 2]), "reference a of 1 features"),
        (lambda: LearnedMitigation(0).fit([["a"], ["b"]], [1, 2]), "real numbers"),
        (lambda: fold(Circuit(1).h(0), 1e12), "at most 10,000,000"),
        (lambda: Neural(learning_rate=float("nan")), "must be positive"),
        (lambda: fold(Circuit(1, 1).measure(0, 0).h(0), 2), "only gates can be folded"),
        (lambda: zne(lambda _: 1.0, Circuit(1).rx(Parameter("a"), 0)), "has no value"),
        (lambda: zne(lambda _: float("inf"), Circuit(1).h(0)), "must be finite"),
        (lambda: AdaptiveExponential(1), "adaptive"),
        (lambda: Neural(hidden=()), "must be positive"),
        (lambda: LearnedMitigation(0).predict([[1]]), "call fit first"),
        (lambda: VQE(PauliSum.parse("Z"), Circuit(1).h(0)), "needs weights"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises((ExtrapolationError, InvalidInput), match=message):
        call()

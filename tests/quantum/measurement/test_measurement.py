import itertools
import json

import numpy as np
import pytest
import scipy.optimize
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from bitket.algebra import PauliSum
from bitket.errors import InvalidInput
from bitket.quantum.circuits import Circuit
from bitket.quantum.measurement import (
    METHODS,
    ClassicalShadow,
    DecisionDiagram,
    Derandomised,
    LocallyBiased,
    MeasurementPlan,
    Outcomes,
    diagonal_cost,
    estimate,
    measure,
    one_shot_variance,
    propose,
    shots_to,
)
from bitket.quantum.measurement.letters import covers, hermitian_terms, labels, letters_of, read_labels
from bitket.quantum.noise import NoiseModel
from bitket.quantum.operators import molecular_hamiltonian
from bitket.quantum.simulation import density_matrix


def random_operator(n, terms, g):
    strings = g.integers(0, 4, (terms, n)).astype(np.uint8)
    return PauliSum.from_list([(label, g.normal()) for label in labels(strings)])


def random_state(n, g):
    psi = g.normal(size=1 << n) + 1j * g.normal(size=1 << n)
    return psi / np.linalg.norm(psi)


def random_mixture(n, g):
    states = [random_state(n, g) for _ in range(3)]
    return sum(p * np.outer(s, s.conj()) for p, s in zip((0.5, 0.3, 0.2), states, strict=True))


def all_bases(n):
    return np.array(list(itertools.product((1, 2, 3), repeat=n)), dtype=np.uint8)


_VECTORS = {1: np.array([[1, 1], [1, -1]]) / np.sqrt(2), 2: np.array([[1, 1], [1j, -1j]]) / np.sqrt(2), 3: np.eye(2)}


def outcome_probabilities(basis, rho):
    """By projectors, written down letter by letter: index bit q is qubit q."""
    vectors = np.eye(1)
    for letter in basis:  # qubit 0 first, so the later one is the more significant
        vectors = np.kron(_VECTORS[int(letter)], vectors)
    return np.einsum("ik,ij,jk->k", vectors.conj(), rho, vectors).real


def distributions(operator, g):
    n = operator.num_qubits
    b = g.dirichlet((1, 1, 1), n)
    diagram = DecisionDiagram.from_hamiltonian(operator)
    return [ClassicalShadow(n), LocallyBiased(b), diagram, diagram.optimise(operator)]


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("mixed", [False, True])
def test_exact_variance_equals_all_bases_and_outcomes(n, mixed):
    g = np.random.default_rng(n)
    operator = random_operator(n, 8, g)
    state = random_mixture(n, g) if mixed else random_state(n, g)
    rho = state if mixed else np.outer(state, state.conj())
    _, rest = hermitian_terms(operator)
    strings, a = letters_of(rest), rest.coefficients.real
    masks = (strings > 0) @ (1 << np.arange(n))
    signs = 1 - 2.0 * (np.bitwise_count(np.arange(1 << n)[:, None] & masks) & 1)
    bases = all_bases(n)
    for distribution in distributions(operator, g):
        chance = distribution.coverage(bases)
        assert chance.sum() == pytest.approx(1, abs=1e-12)
        zeta = distribution.coverage(strings)
        assert zeta == pytest.approx(chance @ covers(bases, strings), abs=1e-12)
        assert (zeta > 0).all()
        first = second = 0.0
        for p, basis, covered in zip(chance, bases, covers(bases, strings), strict=True):
            values = signs @ (a / zeta * covered)
            q = outcome_probabilities(basis, rho)
            first += p * (q @ values)
            second += p * (q @ values**2)
        assert first == pytest.approx(np.trace(rho @ rest.matrix()).real, abs=1e-10)
        exact = one_shot_variance(distribution, operator, state)
        assert exact == pytest.approx(second - first**2, rel=1e-10, abs=1e-10)


@pytest.mark.parametrize(
    ("mapping", "shadows", "biased", "cost", "groups"),
    [
        ("jordan_wigner", 1.9711, 1.8556, 2.3004, 5),
        ("parity", 3.9971, 0.5410, 0.5766, 2),
        ("bravyi_kitaev", 10.0236, 0.5410, 0.5766, 2),
    ],
)
def test_published_variances_of_the_hydrogen_molecule(mapping, shadows, biased, cost, groups):
    H = molecular_hamiltonian("H 0 0 0; H 0 0 0.735", mapping).hamiltonian
    energies, vectors = np.linalg.eigh(H.matrix())
    ground = vectors[:, 0]
    fitted = LocallyBiased.fit(H)
    assert one_shot_variance(ClassicalShadow(4), H, ground) == pytest.approx(shadows, abs=5e-4)
    assert one_shot_variance(fitted, H, ground) == pytest.approx(biased, abs=5e-4)
    assert diagonal_cost(fitted, H) == pytest.approx(cost, abs=5e-4)
    assert np.abs(hermitian_terms(H)[1].coefficients).sum() == pytest.approx(1.8945, abs=5e-4)
    assert len(propose(H, "groups", 100, np.random.default_rng(0)).bases) == groups
    assert shots_to(0.25, 0.01) == pytest.approx(2500)
    assert energies[0] < 0


@pytest.mark.parametrize("method", ["shadows", "biased", "diagram"])
def test_monte_carlo_is_unbiased_with_the_exact_variance(method):
    g = np.random.default_rng(3)
    operator, state = random_operator(3, 10, g), random_state(3, g)
    repeats, shots = 2000, 25
    plan = propose(operator, method, repeats * shots, g)
    outcomes = measure(plan, state, g)
    every = estimate(operator, outcomes, "monte-carlo")
    exact = float(operator.expectation(state))
    variance = one_shot_variance(plan.distribution, operator, state)
    assert abs(every.value - exact) <= 4 * np.sqrt(variance / (repeats * shots))
    assert every.standard_error**2 * repeats * shots == pytest.approx(variance, rel=0.05)
    values = []
    for _ in range(300):
        values.append(estimate(operator, measure(propose_again(plan, shots, g), state, g), "monte-carlo").value)
    assert abs(np.mean(values) - exact) <= 4 * np.sqrt(variance / shots / len(values))
    assert np.var(values) == pytest.approx(variance / shots, rel=4 * np.sqrt(2 / len(values)) * 1.5)


def propose_again(plan, shots, g):
    return MeasurementPlan.from_bases(
        plan.distribution.sample(shots, g), method=plan.method, distribution=plan.distribution
    )


@pytest.mark.parametrize("method", METHODS)
def test_weighted_estimates_lie_within_their_standard_errors(method):
    g = np.random.default_rng(5)
    H = molecular_hamiltonian("H 0 0 0; H 0 0 0.735", "jordan_wigner").hamiltonian
    state = random_state(4, g)
    exact = float(H.expectation(state))
    plan = propose(H, method, 2000, g)
    assert plan.shots == 2000
    assert (plan.bases > 0).any(axis=1).all()
    assert method == "adaptive" or plan.uncovered_weight(H) == 0
    pulls = []
    for _ in range(60):
        found = estimate(H, measure(plan, state, g))
        assert found.estimator == "weighted"
        pulls.append((found.value - exact) / found.standard_error)
    assert abs(np.mean(pulls)) < 4 / np.sqrt(60)
    assert 0.7 < np.std(pulls) < 1.35


@pytest.mark.parametrize("estimator", ["weighted", "monte-carlo"])
@pytest.mark.parametrize("shots", [1, 2, 5, 20, 100])
def test_shots_that_agree_do_not_tell_of_certainty(shots, estimator):
    """Coverage of value +- 2 standard errors for one qubit, summed exactly over the binomial law of its outcomes."""
    basis = np.array([[3]], dtype=np.uint8)
    plan = MeasurementPlan.from_bases(np.repeat(basis, shots, axis=0), method="one", distribution=Always())
    operator = PauliSum.from_list([("Z", 0.7), ("I", 0.1)])
    found = [
        estimate(operator, Outcomes.from_shots(plan, np.zeros(shots, int), np.arange(shots) < ones), estimator)
        for ones in range(shots + 1)
    ]
    assert all(e.value == pytest.approx(0.1 + 0.7 * (1 - 2 * k / shots)) for k, e in enumerate(found))
    assert found[0].standard_error == found[-1].standard_error == pytest.approx(0.7 * (1 - 0.05 ** (1 / shots)))
    for p in np.linspace(0, 1, 201):
        chance = scipy.stats.binom.pmf(np.arange(shots + 1), shots, p)
        missed = [abs(e.value - 0.1 - 0.7 * (1 - 2 * p)) > 2 * e.standard_error for e in found]
        assert chance[[0, -1]] @ np.array(missed)[[0, -1]] < 0.1  # 5 % on each side
        assert chance @ missed < 0.2  # with an error of 0 where all agree: up to 0.98


class Always:
    """One basis, always drawn."""

    def coverage(self, strings):
        return np.ones(len(strings))


@pytest.mark.parametrize("seed", range(4))
def test_locally_biased_probabilities_are_stationary_and_scipys(seed):
    g = np.random.default_rng(seed)
    operator = random_operator(3, 12, g)
    _, rest = hermitian_terms(operator)
    strings, squares = letters_of(rest), rest.coefficients.real**2
    fitted = LocallyBiased.fit(operator)
    b = fitted.probabilities
    slope = np.zeros((3, 3))
    for string, share in zip(strings, squares / fitted.coverage(strings), strict=True):
        for q, letter in enumerate(string):
            if letter:
                slope[q, letter - 1] -= share / b[q, letter - 1]
    used = b > 1e-9
    for q in range(3):
        if used[q].any() and slope[q].any():
            assert np.ptp(slope[q][used[q]]) < 1e-8 * max(1, np.abs(slope[q]).max())
    cost = diagonal_cost(fitted, operator)
    assert cost <= diagonal_cost(ClassicalShadow(3), operator)

    def total(flat):
        rows = np.concatenate([np.ones((3, 1)), flat.reshape(3, 3)], axis=1)
        return (squares / np.prod(rows[np.arange(3), strings], axis=1)).sum()

    peer = scipy.optimize.minimize(
        total,
        np.full(9, 1 / 3),
        method="SLSQP",
        bounds=[(1e-9, 1)] * 9,
        constraints={"type": "eq", "fun": lambda flat: flat.reshape(3, 3).sum(axis=1) - 1},
        options={"ftol": 1e-14, "maxiter": 1000},
    )
    assert cost == pytest.approx(peer.fun, rel=1e-6)


def test_a_reference_state_lowers_the_variance_on_it():
    H = molecular_hamiltonian("H 0 0 0; H 0 0 0.735", "jordan_wigner")
    state = np.zeros(16)
    state[int(H.hf_bitstring, 2)] = 1
    plain = LocallyBiased.fit(H.hamiltonian)
    aware = LocallyBiased.fit(H.hamiltonian, H.hf_bitstring)
    assert one_shot_variance(aware, H.hamiltonian, state) <= one_shot_variance(plain, H.hamiltonian, state) + 1e-9
    g = np.random.default_rng(0)
    for _ in range(20):  # no product distribution nearby is better
        b = np.abs(aware.probabilities + 0.02 * g.normal(size=(4, 3))) + 1e-6
        near = LocallyBiased(b / b.sum(axis=1, keepdims=True))
        assert one_shot_variance(near, H.hamiltonian, state) >= one_shot_variance(aware, H.hamiltonian, state) - 1e-9


def test_diagram_shares_nodes_beats_independent_letters_and_is_drawn():
    H = molecular_hamiltonian("Li 0 0 0; H 0 0 1.548", "jordan_wigner").hamiltonian
    diagram = DecisionDiagram.from_hamiltonian(H)
    assert 2 * diagram.num_nodes <= diagram.unshared_nodes
    best = diagram.optimise(H, 300)
    assert diagonal_cost(best, H) < diagonal_cost(LocallyBiased.fit(H), H)
    assert diagonal_cost(best, H) < diagonal_cost(diagram, H)
    dot = best.to_dot()
    assert dot.count("->") == best.num_edges
    assert dot.startswith("digraph {")


@pytest.mark.parametrize("molecule", [("H 0 0 0; H 0 0 0.735", "sto-3g"), ("H 0 0 0; H 0 0 0.7462", "6-31g")])
@pytest.mark.parametrize("mapping", ["jordan_wigner", "parity", "bravyi_kitaev"])
def test_optimised_diagrams_cost_less_than_independent_letters(molecule, mapping):
    from bitket.quantum.operators import Molecule

    H = molecular_hamiltonian(Molecule(*molecule), mapping).hamiltonian
    best = DecisionDiagram.from_hamiltonian(H).optimise(H)
    assert diagonal_cost(best, H) <= diagonal_cost(LocallyBiased.fit(H), H)


def test_gradient_of_the_diagrams_cost():
    from bitket.quantum.measurement.diagram import _Cost

    g = np.random.default_rng(1)
    operator = random_operator(4, 20, g)
    _, rest = hermitian_terms(operator)
    diagram = DecisionDiagram.from_hamiltonian(operator)
    cost = _Cost(diagram, letters_of(rest), rest.coefficients.real**2)
    logits = g.normal(size=diagram.num_edges)
    value, slope = cost(logits)
    at = DecisionDiagram(diagram.order, diagram.children, cost.probabilities(logits))
    assert value == pytest.approx(diagonal_cost(at, operator), rel=1e-12)
    numeric = scipy.optimize.approx_fprime(logits, lambda x: cost(x)[0], 1e-6)
    assert slope == pytest.approx(numeric, rel=1e-4, abs=1e-4)


def test_samples_follow_the_distribution():
    g = np.random.default_rng(2)
    operator = random_operator(3, 9, g)
    bases = all_bases(3)
    for distribution in distributions(operator, g):
        drawn = distribution.sample(20_000, g)
        counts = (drawn[:, None] == bases).all(axis=2).sum(axis=0)
        chance = distribution.coverage(bases)
        possible = chance > 0
        assert counts[~possible].sum() == 0
        expected = chance[possible] * 20_000
        merged = expected < 5
        if merged.any():
            expected = np.append(expected[~merged], expected[merged].sum())
            observed = np.append(counts[possible][~merged], counts[possible][merged].sum())
        else:
            observed = counts[possible]
        if len(expected) > 1:
            assert scipy.stats.chisquare(observed, expected * observed.sum() / expected.sum()).pvalue > 1e-4


# -- derandomised -------------------------------------------------------------------------------------------------------
def naive_cost(strings, weights, hits, fixed, eta, chance):
    """The conditional expectation, term by term; ``chance(P, fixed)`` is the probability that P is still covered."""
    total = 0.0
    for string, w, h in zip(strings, weights, hits, strict=True):
        factor = np.exp(-eta / 2 * h / w)
        if all(letter in (0, fixed[q]) for q, letter in enumerate(string) if q in fixed):
            p = chance(string, fixed)
            factor *= 1 - p + p * np.exp(-eta / 2 / w)
        total += factor
    return total


def naive_bases(operator, count, chance, order, eta=0.9):
    _, rest = hermitian_terms(operator)
    strings, a = letters_of(rest).tolist(), np.abs(rest.coefficients.real)
    weights, hits, out = (a / a.max()).tolist(), [0] * len(rest), []
    for _ in range(count):
        fixed = {}
        before = naive_cost(strings, weights, hits, fixed, eta, chance)
        for q in order:
            costs = {c: naive_cost(strings, weights, hits, {**fixed, q: c}, eta, chance) for c in (1, 2, 3)}
            least = min(costs.values())
            assert least <= before + 1e-9 * before  # the mean over the prior is no less than the least
            fixed[q] = next(c for c in (1, 2, 3) if costs[c] <= least * (1 + 1e-12))
            before = costs[fixed[q]]
        basis = [fixed[q] for q in range(len(fixed))]
        hits = [
            h + all(s in (0, b) for s, b in zip(string, basis, strict=True))
            for string, h in zip(strings, hits, strict=True)
        ]
        out.append(basis)
    return np.array(out, dtype=np.uint8)


def uniform_chance(string, fixed):
    return 3.0 ** -sum(1 for q, letter in enumerate(string) if letter and q not in fixed)


@pytest.mark.parametrize("seed", range(5))
def test_derandomised_bases_equal_a_naive_implementation(seed):
    g = np.random.default_rng(seed)
    operator = random_operator(4, 12, g)
    expected = naive_bases(operator, 12, uniform_chance, range(4))
    assert np.array_equal(Derandomised(operator).extend(12), expected)


@pytest.mark.parametrize("seed", range(3))
def test_derandomised_bases_with_a_biased_prior(seed):
    g = np.random.default_rng(seed)
    operator = random_operator(4, 12, g)
    prior = LocallyBiased(g.dirichlet((2, 2, 2), 4))
    b = prior.probabilities

    def chance(string, fixed):
        return np.prod([b[q, letter - 1] for q, letter in enumerate(string) if letter and q not in fixed])

    assert np.array_equal(Derandomised(operator, prior).extend(12), naive_bases(operator, 12, chance, range(4)))


@pytest.mark.parametrize("seed", range(5))
def test_derandomised_diagrams_keep_to_their_paths_and_lower_the_expected_cost(seed):
    g = np.random.default_rng(seed)
    operator = random_operator(4, 12, g)
    diagram = DecisionDiagram.from_hamiltonian(operator).optimise(operator)
    method = Derandomised(operator, diagram)
    strings, weights = method.strings, method.weights
    bases = all_bases(4)
    chance, covered = diagram.coverage(bases), covers(bases, strings)
    for _ in range(8):
        standing = np.exp(-0.45 * method.hits / weights)
        expected = chance @ np.where(covered, np.exp(-0.45 / weights), 1) @ standing
        assert method.cost() == pytest.approx(expected, rel=1e-10)
        basis = method.extend(1)
        assert diagram.coverage(basis)[0] > 0
        after = standing @ np.where(covers(basis, strings)[0], np.exp(-0.45 / weights), 1)
        assert after <= expected * (1 + 1e-12)


def test_derandomised_h2_on_eight_qubits_equals_the_naive_one():
    from bitket.quantum.operators import Molecule

    H = molecular_hamiltonian(Molecule("H 0 0 0; H 0 0 0.7462", "6-31g"), "jordan_wigner").hamiltonian
    assert np.array_equal(Derandomised(H).extend(4), naive_bases(H, 4, uniform_chance, range(8)))


def test_terms_leave_once_they_are_covered_often_enough():
    H = PauliSum.parse("1.0*ZZ + 0.5*XX")
    bases = Derandomised(H, coverings=10).extend(100)
    assert sorted(labels(bases)) == ["XX"] * 5 + ["ZZ"] * 10


# -- plans and outcomes -------------------------------------------------------------------------------------------------
@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 4))
def test_outcomes_follow_born_s_rule(seed, n):
    g = np.random.default_rng(seed)
    state = random_state(n, g)
    basis = g.integers(1, 4, (1, n)).astype(np.uint8)
    plan = MeasurementPlan(basis, np.array([4000]), "by hand")
    expected = outcome_probabilities(basis[0], np.outer(state, state.conj()))
    for source in (state, np.outer(state, state.conj())):
        found = measure(plan, source, g)
        rates = np.zeros(1 << n)
        rates[found.bits] = found.count / 4000
        assert np.abs(rates - expected).max() < 6 * 0.5 / np.sqrt(4000)


def test_plans_run_elsewhere_and_come_back():
    import torch

    from bitket.quantum.simulation import sample

    g = np.random.default_rng(0)
    circuit = Circuit(3).ry(0.4, 0).cx(0, 1).rx(1.1, 2).cz(1, 2).h(1)
    operator = random_operator(3, 8, g)
    plan = propose(operator, "groups", 40_000, g)
    again = MeasurementPlan.from_dict(json.loads(json.dumps(plan.to_dict())))
    assert np.array_equal(again.bases, plan.bases)
    assert np.array_equal(again.counts, plan.counts)
    generator = torch.Generator().manual_seed(0)
    counts = [sample(c, shots, generator=generator) for c, shots in again.circuits(circuit)]
    found = estimate(operator, Outcomes.from_counts(again, counts))
    exact = float(operator.expectation(np.asarray(density_state(circuit))))
    assert abs(found.value - exact) < 5 * found.standard_error


def density_state(circuit):
    from bitket.quantum.simulation import statevector

    return statevector(circuit)


def test_noise_acts_on_the_circuit_and_on_what_is_read():
    g = np.random.default_rng(0)
    circuit = Circuit(2).h(0).cx(0, 1)
    noise = NoiseModel.depolarizing(0.05, 0.1).with_readout(0.03, 0.08)
    operator = PauliSum.parse("1.0*ZZ + 0.5*XX")
    plan = propose(operator, "groups", 200_000, g)
    found = estimate(operator, measure(plan, circuit, g, noise=noise))
    rho = density_matrix(circuit, noise=noise).numpy()
    flip = np.array([[0.97, 0.08], [0.03, 0.92]])
    exact = 0.0
    for label, weight in (("ZZ", 1.0), ("XX", 0.5)):
        p = outcome_probabilities(read_labels([label])[0], rho)
        p = np.kron(flip, flip) @ p
        exact += weight * p @ [1, -1, -1, 1]
    assert abs(found.value - exact) < 5 * found.standard_error


def test_groups_share_their_shots_by_weight_or_by_variance():
    H = PauliSum.parse("3*ZZ + 1*XX")
    plan = propose(H, "groups", 101, np.random.default_rng(0))
    assert dict(zip(labels(plan.bases), plan.counts.tolist(), strict=True)) == {"ZZ": 75, "XX": 26}
    state = np.array([1.0, 0, 0, 0])  # ZZ is certain there
    plan = propose(H, "groups", 101, np.random.default_rng(0), reference=state)
    assert dict(zip(labels(plan.bases), plan.counts.tolist(), strict=True)) == {"ZZ": 1, "XX": 100}


def test_terms_that_no_shot_covers_are_reported():
    H = PauliSum.parse("3*ZZ + 1*XX")
    plan = MeasurementPlan.from_dict({"method": "by hand", "bases": {"ZZ": 10}})
    found = estimate(H, measure(plan, np.array([1.0, 0, 0, 0]), np.random.default_rng(0)))
    assert (found.value, found.uncovered_weight) == (3.0, 1.0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda g: propose(PauliSum.parse("2*II"), "shadows", 10, g), "nothing to measure"),
        (lambda g: propose(PauliSum.zero(3), "shadows", 10, g), "nothing to measure"),
        (lambda g: propose(1j * PauliSum.parse("XX"), "shadows", 10, g), "not Hermitian"),
        (lambda g: propose(PauliSum.parse("XX"), "shadow", 10, g), "did you mean 'shadows'"),
        (lambda g: propose(PauliSum.parse("XX"), "shadows", 0, g), "at least 1"),
        (lambda g: propose(PauliSum.parse("XX"), "biased", 5, g, reference=np.ones(4) / 2), "not of 'biased'"),
        (lambda g: measure(propose(PauliSum.parse("XX"), "groups", 5, g), np.ones(4), g), "squared norm 4"),
        (lambda g: measure(propose(PauliSum.parse("XX"), "groups", 5, g), np.full(4, np.nan), g), "squared norm nan"),
        (lambda g: measure(propose(PauliSum.parse("XX"), "groups", 5, g), np.ones(8), g), "shape"),
        (lambda g: measure(propose(PauliSum.parse("XX"), "groups", 5, g), Circuit(3), g), "the circuit has 3"),
        (lambda g: one_shot_variance(ClassicalShadow(3), PauliSum.parse("XX"), np.ones(4) / 2), "must be equal"),
        (lambda g: LocallyBiased([[0.5, 0.5, 0.5]]), "sum to 1"),
        (lambda g: LocallyBiased.fit(PauliSum.parse("XX"), "0"), "2 bits"),
        (lambda g: DecisionDiagram.from_hamiltonian(PauliSum.parse("XX"), [0, 0]), "once"),
        (lambda g: Derandomised(PauliSum.parse("XX"), ClassicalShadow(3)), "3 qubits"),
        (lambda g: Derandomised(PauliSum.parse("XX"), eta=0), "positive"),
        (lambda g: MeasurementPlan.from_dict({"bases": {"XQ": 3}, "method": "m"}), "letters I, X, Y, Z"),
        (lambda g: MeasurementPlan.from_dict({"bases": []}), "expected"),
    ],
)
def test_bad_input_is_named_in_one_line(call, message):
    with pytest.raises(InvalidInput, match=message) as caught:
        call(np.random.default_rng(0))
    assert "\n" not in str(caught.value)

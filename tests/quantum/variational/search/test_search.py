"""Architecture search: encoding, mask, rewards, worked energies, curriculum, searches that end, go on and repeat."""

from __future__ import annotations

import math

import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from hypothesis import given, settings
from hypothesis import strategies as st

from bitket.algebra import PauliSum
from bitket.errors import InvalidInput
from bitket.learning import AdamSPSA
from bitket.learning.ddqn import DoubleDQNSettings
from bitket.quantum.noise import NoiseModel, depolarizing
from bitket.quantum.simulation import expectation
from bitket.quantum.variational.search import (
    AngleSearch,
    ArchitectureSearch,
    CircuitSearchEnv,
    Gate,
    MovingThreshold,
    NegativeBinomial,
    SearchSettings,
    ShotStage,
    all_actions,
    build,
    decode,
    depth,
    encode,
    legal,
    lower_bound,
)

HYDROGEN = PauliSum.from_list(
    [
        ("II", -0.33995361385),
        ("IZ", 0.393983679223),
        ("ZI", 0.393983679223),
        ("ZZ", 0.011236585231),
        ("XX", 0.181288808231),
    ]
)
QUICK = SearchSettings(
    max_gates=6,
    threshold=0.3,
    greedy_every=25,
    successes=5,
    agent=DoubleDQNSettings(hidden=(32, 32), batch=32, epsilon_decay=0.99, target_every=50, learning_rate=1e-3),
)


@st.composite
def circuits(draw: st.DrawFn) -> tuple[int, list[Gate]]:
    n = draw(st.integers(2, 4))
    return n, draw(st.lists(st.sampled_from(all_actions(n)), max_size=25))


@given(circuits())
@settings(deadline=None)
def test_encoding_is_a_bijection_on_packed_circuits(case):
    n, gates = case
    tensor = encode(gates, n, 25)
    again = decode(tensor)
    assert np.array_equal(encode(again, n, 25), tensor)
    assert sorted(map(repr, again)) == sorted(map(repr, gates))


def test_depth_is_that_of_the_sdk():
    pytest.importorskip("qiskit")
    from bitket.quantum.circuits.interop import to_qiskit

    rng = np.random.default_rng(0)
    for _ in range(200):
        n = int(rng.integers(2, 6))
        actions = all_actions(n)
        gates = [actions[k] for k in rng.integers(len(actions), size=rng.integers(1, 30))]
        circuit = to_qiskit(build(gates, n, np.zeros(len(gates))))
        assert depth(gates) == circuit.depth() == int(encode(gates, n, 30).any(axis=(1, 2)).sum())


@given(circuits())
@settings(deadline=None)
def test_mask_is_what_brute_force_finds(case):
    n, gates = case
    actions = all_actions(n)
    for action, allowed in zip(actions, legal(gates, actions), strict=True):
        touching = [[g for g in gates if q in g.qubits] for q in action.qubits]
        assert allowed == any(not t or t[-1] != action for t in touching)
        if (
            not allowed
        ):  # what is forbidden is of no use: the gate before, on the same qubits, merges with it or cancels
            place = max(k for k, g in enumerate(gates) if g == action)
            assert not any(set(g.qubits) & set(action.qubits) for g in gates[place + 1 :])


def test_numbers_of_actions():
    assert [len(all_actions(n)) for n in (2, 3, 4)] == [8, 15, 24]
    assert len(all_actions(4, [(0, 1), (1, 2), (2, 3)])) == 18


def test_no_illegal_action_is_taken():
    env = CircuitSearchEnv(
        AngleSearch(PauliSum.zero(3) + PauliSum.from_list([("ZZZ", 1.0)])), 20, MovingThreshold(1e-9)
    )
    env.angles.fit = lambda gates, start, generator: type("F", (), {"angles": start, "energy": 0.0, "evaluations": 0})()
    generator = np.random.default_rng(0)
    steps = 0
    while steps < 3000:
        _, info = env.reset(seed=steps)
        over = False
        while not over:
            action = int(generator.choice(np.flatnonzero(info["action_mask"])))
            before = list(env.gates)
            _, _, end, cut, info = env.step(action)
            assert legal(before, [env.gates[-1]])[0]
            over, steps = end or cut, steps + 1
    env.reset(seed=0)
    env.step(0)
    with pytest.raises(InvalidInput, match="merges with the gate before"):
        env.step(0)


def test_worked_energies():
    """RY(1.1) on qubit 1, CX from 1 to 0, RX(0.3) on qubit 0, without and with depolarising noise."""
    gates, angles = [Gate(1, axis=1), Gate(1, 0), Gate(0, axis=0)], np.array([1.1, 0.3])
    assert AngleSearch(HYDROGEN).energy(gates, angles) == pytest.approx(0.1817841715, abs=1e-8)
    noise = NoiseModel().after(depolarizing(0.001), ["rx", "ry", "rz"]).after(depolarizing(0.005), ["cx"], num_qubits=2)
    assert AngleSearch(HYDROGEN, noise).energy(gates, angles) == pytest.approx(0.1774705165, abs=1e-8)


@pytest.mark.parametrize("method", ["gradient", "cobyla"])
def test_angles_leave_the_saddle_at_zero(method):
    """RY and CX prepare the ground state of hydrogen exactly."""
    found = AngleSearch(HYDROGEN, method=method).fit(
        [Gate(0, axis=1), Gate(0, 1)], np.zeros(1), np.random.default_rng(0)
    )
    assert found.energy == pytest.approx(-1.137270174657, abs=1e-6)


@pytest.mark.parametrize("statistics", ["binomial", "gaussian"])
def test_shot_noise_has_the_stated_variance(statistics):
    search = AngleSearch(
        HYDROGEN, stages=(ShotStage(1, 100),), spsa=AdamSPSA(1, a=1e-12, c=1e-9), statistics=statistics
    )
    gates, angles = [Gate(0, axis=1), Gate(0, 1)], np.array([0.7])
    generator = np.random.default_rng(0)
    values = np.array([search.fit(gates, angles, generator).energy for _ in range(3000)])
    circuit = build(gates, 2, angles)
    terms = [(c.real, PauliSum.from_masks(2, [(1.0, x, z)])) for c, x, z in HYDROGEN.masks() if x | z]
    means = [float(expectation(circuit, p)) for _, p in terms]
    variance = (
        sum(c**2 * (1 - m**2 if statistics == "binomial" else 1) for (c, _), m in zip(terms, means, strict=True)) / 100
    )
    assert values.mean() == pytest.approx(search.energy(gates, angles), abs=4 * math.sqrt(variance / 3000))
    assert values.var() == pytest.approx(variance, rel=0.12)


def test_evaluations_with_shots_are_counted():
    stages = (ShotStage(7, 10), ShotStage(4, 100))
    for keep, each in ((False, 2), (True, 3)):
        search = AngleSearch(HYDROGEN, stages=stages, spsa=AdamSPSA(keep_best=keep))
        found = search.fit([Gate(0, axis=1)], np.zeros(1), np.random.default_rng(0))
        assert found.evaluations == each * 11 + 1 + (not keep)


def test_environment_keeps_the_protocol():
    env = CircuitSearchEnv(AngleSearch(HYDROGEN), 5, MovingThreshold(1e-3), forbid_illegal=False)
    check_env(env, skip_render_check=True)


def test_rewards():
    env = CircuitSearchEnv(AngleSearch(HYDROGEN), 2, MovingThreshold(0.1832))
    assert env.bound == pytest.approx(-1.320446365759, abs=1e-9) == lower_bound(HYDROGEN)
    index = env.actions.index
    env.reset(seed=0)
    before = env.energy
    _, reward, end, cut, info = env.step(index(Gate(0, axis=1)))
    assert reward == pytest.approx((before - info["energy"]) / (before - env.bound))
    assert not end
    assert not cut
    _, reward, end, _, info = env.step(index(Gate(0, 1)))
    assert (reward, end, info["success"]) == (5.0, True, True)
    env.reset(seed=0)
    env.step(index(Gate(0, axis=2)))
    _, reward, end, _, _ = env.step(index(Gate(1, axis=2)))
    assert (reward, end) == (-5.0, True)


def test_halting_cuts_without_a_penalty():
    halting = NegativeBinomial(n=5, p=0.6, least=1, most=3, draws=1)
    env = CircuitSearchEnv(AngleSearch(HYDROGEN), 10, MovingThreshold(1e-9), halting=halting)
    lengths = set()
    for seed in range(20):
        env.reset(seed=seed)
        over, n = False, 0
        while not over:
            _, reward, end, cut, _ = env.step(n % 2)
            n, over = n + 1, end or cut
        assert reward > -5
        lengths.add(n)
    assert lengths <= {1, 2, 3}
    assert len(lengths) > 1


def test_moving_threshold():
    t = MovingThreshold(1.0, slack=0.1, greedy_every=4, successes=1, most_falls=2)
    for error in (0.5, 0.6, 0.7):  # three successes, two falls
        t.record(error)
    assert t.value == pytest.approx(0.98)
    t.record(2.0)  # a jump
    assert (t.value, t.falls, t.best) == (pytest.approx(0.6), 0, 0.5)
    copy = MovingThreshold(1.0)
    copy.load_state_dict(t.state_dict())
    assert copy.state_dict() == t.state_dict()


def test_a_search_finds_hydrogen_repeats_and_goes_on():
    logs = []
    for _ in range(2):
        log: list[tuple[int, ...]] = []
        search = ArchitectureSearch(AngleSearch(HYDROGEN), QUICK, 3)
        found = search.run(80, lambda _, e, log=log: log.append(e.actions))
        logs.append(log)
    assert logs[0] == logs[1]
    assert found.energy == pytest.approx(-1.137270174657, abs=1e-6)
    assert float(expectation(found.circuit, HYDROGEN)) == pytest.approx(found.energy, abs=1e-9)
    half = ArchitectureSearch(AngleSearch(HYDROGEN), QUICK, 3)
    half.run(40)
    rest = ArchitectureSearch(AngleSearch(HYDROGEN), QUICK, 3)
    rest.load_state_dict(half.state_dict())
    log = []
    again = rest.run(80, lambda _, e: log.append(e.actions))
    assert log == logs[0][40:]
    assert again.gates == found.gates


@pytest.mark.slow
def test_greedy_policies_of_ten_seeds():
    good = 0
    for seed in range(10):
        search = ArchitectureSearch(AngleSearch(HYDROGEN), QUICK, seed)
        search.run(400)
        found = search.greedy()
        good += found.energy + 1.137270174657 < 1.6e-3 and len(found.gates) <= 4
    assert good >= 8


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: AngleSearch(PauliSum.from_list([("XY", 1j)])), "not Hermitian"),
        (lambda: Gate(0), "target, or an axis"),
        (lambda: encode([Gate(3, axis=0)], 2, 5), "2 qubits and 5 moments"),
        (lambda: MovingThreshold(-0.35), "must be positive"),
        (lambda: NegativeBinomial(p=2.0), "negative binomial"),
        (lambda: ShotStage(0, 1), "must be positive"),
        (lambda: CircuitSearchEnv(AngleSearch(HYDROGEN), 0, MovingThreshold(1.0)), "at least one"),
        (lambda: ArchitectureSearch(AngleSearch(HYDROGEN), QUICK, 0).run(0), "at least one"),
    ],
)
def test_wrong_input(wrong, message):
    with pytest.raises(InvalidInput, match=message):
        wrong()

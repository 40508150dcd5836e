"""Double deep Q-learning: returns against a hand calculation, learning on a chain whose values are known, resumption."""

from __future__ import annotations

import numpy as np
import pytest

from bitket.errors import InvalidInput
from bitket.learning.ddqn import DoubleDQN, DoubleDQNSettings
from bitket.learning.perceptron import Entries

ALL = np.ones(2, bool)


def seen(k: int) -> np.ndarray:
    return np.eye(6, dtype=np.float32)[k]


def test_returns_of_n_steps():
    agent = DoubleDQN(6, 2, DoubleDQNSettings(hidden=(4,), n_step=3, gamma=0.5, batch=1), 0)
    rewards = [1.0, 2.0, 4.0, 8.0]
    for k, r in enumerate(rewards):
        agent.remember(seen(k), k % 2, r, seen(k + 1), ALL, terminated=k == 3, truncated=False)
    m = agent.memory
    assert m["reward"][:4].tolist() == [1 + 1 + 1, 2 + 2 + 2, 4 + 4, 8]
    assert m["discount"][:4].tolist() == [0.125, 0, 0, 0]
    assert m["after"][0].tolist() == [(3, 1.0)]
    assert m["action"][:4].tolist() == [0, 1, 0, 1]


def test_an_interrupted_sum_goes_on_with_the_value():
    agent = DoubleDQN(6, 2, DoubleDQNSettings(hidden=(4,), n_step=3, gamma=0.5, batch=1), 0)
    for k in range(2):
        agent.remember(seen(k), 0, 1.0, seen(k + 1), ALL, terminated=False, truncated=k == 1)
    assert agent.memory["discount"][:2].tolist() == [0.25, 0.5]


def walk(agent: DoubleDQN, steps: int) -> None:
    """A chain of five states: right ends at a reward of 1 after the last, left stays."""
    k = 0
    for t in range(steps):
        action = agent.act(seen(k), ALL)
        after, over = k + action, k + action == 5
        stop = t % 20 == 19
        agent.remember(seen(k), action, float(over), seen(after), ALL, terminated=over, truncated=stop and not over)
        agent.learn()
        k = 0 if over or stop else after
    agent._recent.clear()


def test_values_of_a_chain():
    """Q(k, right) = gamma^(4 - k), Q(k, left) = gamma Q(k, right)."""
    settings = DoubleDQNSettings(
        hidden=(32,), n_step=1, gamma=0.8, learning_rate=3e-3, batch=64, target_every=50, epsilon_decay=0.999
    )
    agent = DoubleDQN(6, 2, settings, 1)
    walk(agent, 4000)
    values = agent.values(np.stack([seen(k) for k in range(5)]))
    wanted = 0.8 ** np.arange(4, -1, -1)
    np.testing.assert_allclose(values[:, 1], wanted, atol=0.05)
    np.testing.assert_allclose(values[:, 0], 0.8 * wanted, atol=0.08)


def test_a_restored_agent_goes_on_as_it_would_have():
    settings = DoubleDQNSettings(hidden=(8,), batch=8, memory=50)
    one, other = DoubleDQN(6, 2, settings, 1), DoubleDQN(6, 2, settings, 2)
    walk(one, 100)
    other.load_state_dict(one.state_dict())
    for agent in (one, other):
        walk(agent, 60)
    assert np.array_equal(one.values(seen(0)), other.values(seen(0)))
    assert one.epsilon == other.epsilon


def test_forbidden_actions_are_never_taken():
    agent = DoubleDQN(6, 2, DoubleDQNSettings(hidden=(4,)), 0)
    for greedy in (True, False):
        assert {agent.act(seen(k % 6), np.array([False, True]), greedy=greedy) for k in range(50)} == {1}
    with pytest.raises(InvalidInput, match="no action is allowed"):
        agent.act(seen(0), np.zeros(2, bool))


@pytest.mark.parametrize("wrong", [{"hidden": ()}, {"gamma": 0.0}, {"batch": 30_000}, {"epsilon": 0.01}])
def test_wrong_settings(wrong):
    with pytest.raises(InvalidInput, match="double DQN"):
        DoubleDQNSettings(**wrong)


def test_entries_are_the_observation(monkeypatch):
    """Batches of observations that are mostly zero, of full ones, and of both give the values of the whole arrays."""
    rng = np.random.default_rng(0)
    agent = DoubleDQN(40, 3, DoubleDQNSettings(hidden=(16,), batch=4, n_step=1), 0)
    for share in (0.1, 0.9):  # remembered by entries alone; then as a whole
        shown = (rng.random((8, 40)) < share) * rng.normal(size=(8, 40)).astype(np.float32)
        for k in range(7):
            agent.remember(shown[k], 0, 0.0, shown[k + 1], np.ones(3, bool), terminated=False, truncated=True)
        rows = agent.memory["before"][agent.stored - 7 : agent.stored]
        batch = agent._batch(rows)
        assert isinstance(batch, Entries) == (share == 0.1)
        found = agent.online(batch).numpy()
        np.testing.assert_allclose(found, agent.values(shown[:7].astype(np.float32)), atol=1e-6)

"""PPO: advantages, masks, gradients, learning, resuming."""

import numpy as np
import pytest
import torch

from bitket.errors import InvalidInput
from bitket.learning.ppo import PPO, PPOSettings, advantages
from bitket.runs.storage import load_tree, save_tree


class Corridor:
    """Six cells; the right end pays 1. Action 2 is always forbidden."""

    def __init__(self):
        self.at = self.time = 0

    def reset(self, *, seed=None):
        self.at = self.time = 0
        return self._seen(), {}

    def action_masks(self):
        return np.array([self.at > 0, True, False])

    def _seen(self):
        return np.eye(6, dtype=np.float32)[self.at]

    def step(self, action):
        assert self.action_masks()[action]
        self.at += 1 if action == 1 else -1
        self.time += 1
        over = self.at == 5
        return self._seen(), float(over) - 0.01, over, self.time >= 30, {"action_mask": self.action_masks()}


SMALL = PPOSettings(hidden=(16,), steps=64, epochs=4, batch=64, learning_rate=3e-3)


def test_advantages_are_the_sums_of_their_definition():
    rng = np.random.default_rng(0)
    T, gamma, lam = 12, 0.9, 0.8
    rewards, values = rng.standard_normal((2, T, 3))
    ended = rng.random((T, 3)) < 0.2
    following = np.where(ended, rng.standard_normal((T, 3)), np.vstack([values[1:], rng.standard_normal((1, 3))]))
    found = advantages(rewards, values, following, ended, gamma, lam)
    for e in range(3):
        for t in range(T):
            total, factor = 0.0, 1.0
            for u in range(t, T):
                total += factor * (rewards[u, e] + gamma * following[u, e] - values[u, e])
                factor *= gamma * lam
                if ended[u, e]:
                    break
            assert abs(found[t, e] - total) < 1e-12


def test_forbidden_actions_have_no_probability_and_no_gradient():
    agent = PPO([Corridor()], SMALL, 0)
    mask = np.array([False, True, False])
    p = agent.probabilities(np.eye(6, dtype=np.float32)[:1], mask[None])
    assert p.tolist() == [[0.0, 1.0, 0.0]]
    states = torch.eye(6)[torch.randint(6, (40,), generator=torch.Generator().manual_seed(0))]
    allowed = torch.tensor([[True, True, False]]).repeat(40, 1)
    report = agent._learn(
        states, allowed, torch.ones(40, dtype=torch.int64), torch.full((40,), -0.69), torch.randn(40), torch.randn(40)
    )
    assert np.isfinite(list(report.values())).all()
    assert report["entropy"] <= np.log(2) + 1e-6
    assert not agent.optimiser.state_dict()["state"][3]["exp_avg"][2].any()  # bias of the forbidden action's logit


def test_learns_to_walk_the_corridor():
    agent = PPO([Corridor() for _ in range(4)], SMALL, 0)
    reports = [agent.update() for _ in range(15)]
    assert reports[-1]["return"] > 0.93 > reports[0]["return"]
    env = Corridor()
    state, _ = env.reset()
    for _ in range(5):
        state, _, over, _, _ = env.step(agent.act(state, env.action_masks(), greedy=True))
    assert over


def test_resumes_with_the_same_trajectory(tmp_path):
    whole = PPO([Corridor() for _ in range(2)], SMALL, 3)
    reports = [whole.update() for _ in range(5)]
    first = PPO([Corridor() for _ in range(2)], SMALL, 3)
    for _ in range(2):
        first.update()
    save_tree(tmp_path / "agent.safetensors", first.state_dict())
    second = PPO([Corridor() for _ in range(2)], SMALL, 99)
    second.load_state_dict(load_tree(tmp_path / "agent.safetensors"))
    assert [second.update() for _ in range(3)] == reports[2:]
    for a, b in zip(whole.policy.parameters(), second.policy.parameters(), strict=True):
        assert torch.equal(a, b)


def test_bad_settings():
    for change in ({"hidden": ()}, {"gamma": 0}, {"clip": 1.0}, {"learning_rate": 0}, {"entropy": -1}):
        with pytest.raises(InvalidInput, match="PPO"):
            PPOSettings(**change)
    with pytest.raises(InvalidInput, match="at least one"):
        PPO([], SMALL, 0)

"""The search's environment under another library's checks, and another library's agent in it."""

import pytest

from bitket.quantum.operators import stored_hamiltonian
from bitket.quantum.variational.search import AngleSearch, CircuitSearchEnv, MovingThreshold, lower_bound

sb3 = pytest.importorskip("stable_baselines3", reason="stable-baselines3 is not installed")

HYDROGEN = stored_hamiltonian("H2-2")
EXACT, BOUND = HYDROGEN.ground_energy(), lower_bound(HYDROGEN)


def environment(**options):
    return CircuitSearchEnv(AngleSearch(HYDROGEN), 6, MovingThreshold(EXACT + 1.6e-3 - BOUND), **options)


def test_another_library_accepts_the_environment():
    from stable_baselines3.common.env_checker import check_env

    check_env(environment(forbid_illegal=False), skip_render_check=True)


def test_another_agent_learns_in_it():
    """A masked policy gradient: its greedy circuit is accurate after 4000 steps."""
    from sb3_contrib import MaskablePPO

    env = environment()
    agent = MaskablePPO(
        "MlpPolicy", env, n_steps=256, batch_size=64, ent_coef=0.02, learning_rate=1e-3, gamma=0.9, seed=1
    )
    agent.learn(4000)
    observation, _ = env.reset(seed=0)
    done = False
    while not done:
        action, _ = agent.predict(observation, action_masks=env.action_masks(), deterministic=True)
        observation, _, ended, cut, info = env.step(int(action))
        done = ended or cut
    assert info["energy"] - EXACT < 1.6e-3

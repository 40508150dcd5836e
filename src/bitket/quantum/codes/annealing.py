"""Simulated annealing and a random walk on the moves and masks of `TannerEnv`: the controls of a learned search.

A random allowed edge is toggled; the change of E = -(P + b min(d, d_target) / d_0) is accepted with chance min(1, e^(-dE / T)), T falling
geometrically over each round of moves. Every move measures the distance once, as a step of the environment does.

In an environment that looks ahead dE is known for all edges at once: one of them is drawn by these chances, and no move is rejected
(Bortz, Kalos and Lebowitz 1975). This is what an agent that looks ahead has to be compared with.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from bitket.errors import InvalidInput
from bitket.quantum.codes.environment import TannerEnv

__all__ = ["AnnealingSettings", "anneal", "random_walk"]


@dataclass(frozen=True)
class AnnealingSettings:
    """Settings.

    Attributes
    ----------
    hot, cold
        First and last temperature of a round, over the number of bits: a degree of one bit is worth 1 / n of the energy.
    moves
        Of a round, for each pair of check and bit, also those rejected; None: 5 with look-ahead, else 50. Every round begins at the code again.
    distance
        b, the weight of the distance in the energy.
    """

    hot: float = 0.7
    cold: float = 0.07
    moves: int | None = None
    distance: float = 0.5

    def __post_init__(self) -> None:
        if not 0 < self.cold <= self.hot or (self.moves is not None and self.moves < 1) or self.distance < 0:
            raise InvalidInput("annealing: 0 < cold <= hot, moves >= 1 and a distance weight >= 0 are needed")


def anneal(
    env: TannerEnv,
    evaluations: int,
    generator: np.random.Generator,
    settings: AnnealingSettings | None = None,
    visit: Callable[[int], Any] | None = None,
) -> int:
    """Search for so many moves, or until the environment's success; the moves done.

    Parameters
    ----------
    visit
        ``visit(moves)`` after every accepted move; true ends the search.
    """
    s = settings or AnnealingSettings()
    move = _among_all if env.look_ahead else _one
    steps = (s.moves or (5 if env.look_ahead else 50)) * env.rows * env.n
    done = 0
    while done < evaluations:
        env.reset()
        for step in range(min(steps, evaluations - done)):
            temperature = s.hot / env.n * (s.cold / s.hot) ** (step / steps)
            done += 1
            if move(env, temperature, s.distance / env.first_distance, generator) and visit is not None and visit(done):
                return done
    return done


def _one(env: TannerEnv, temperature: float, weight: float, generator: np.random.Generator) -> bool:
    """Propose one edge; whether it was accepted."""
    before = env.potential + weight * min(env.distance, env.target_distance)
    action = int(generator.integers(env.rows * env.n))
    while not env.allowed(action):  # uniform over the allowed ones
        action = int(generator.integers(env.rows * env.n))
    env.toggle(action)
    gain = env.potential + weight * min(env.distance, env.target_distance) - before
    if gain >= 0 or generator.random() < np.exp(gain / temperature):
        return True
    env.untoggle()
    return False


def _among_all(env: TannerEnv, temperature: float, weight: float, generator: np.random.Generator) -> bool:
    """Draw one edge of all, each with its chance of acceptance."""
    distance = np.minimum(env.after, env.target_distance) - min(env.distance, env.target_distance)
    gain = (env.potential_changes() + weight * distance).reshape(-1)
    chances = (np.exp(np.minimum(gain / temperature, 0)) * env.action_masks()).cumsum()
    env.toggle(int(np.searchsorted(chances, generator.random() * chances[-1], side="right")))
    return True


def random_walk(
    env: TannerEnv, evaluations: int, generator: np.random.Generator, visit: Callable[[int], Any] | None = None
) -> list[float]:
    """Uniformly random allowed actions for so many evaluations; the returns of the ended episodes. ``visit`` as in `anneal`."""
    returns, total = [], 0.0
    env.reset(seed=int(generator.integers(2**31)))
    for done in range(1, evaluations + 1):
        action = int(generator.choice(np.flatnonzero(env.action_masks())))
        _, reward, terminated, truncated, _ = env.step(action)
        total += reward
        if visit is not None and visit(done):
            break
        if terminated or truncated:
            returns.append(total)
            total = 0.0
            env.reset()
    return returns

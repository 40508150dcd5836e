"""Simulated annealing and a random walk on the moves and masks of `TannerEnv`: the controls of a learned search.

A random allowed edge is toggled; the change of E = -(P + b min(d, d_target) / d_0) is accepted with chance min(1, e^(-dE / T)), T falling
geometrically over each round of ``steps`` moves. Every move measures the distance once, as a step of the environment does.

An environment that looks ahead tells dE of all edges at once: then one of them is drawn by these chances, so that no move is rejected
(Bortz, Kalos and Lebowitz 1975). This is what an agent that looks ahead has to be compared with.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from bitket.errors import InvalidInput
from bitket.quantum.codes.environment import TannerEnv

__all__ = ["AnnealingSettings", "anneal", "anneal_ahead", "random_walk"]


@dataclass(frozen=True)
class AnnealingSettings:
    """Settings.

    Attributes
    ----------
    hot, cold
        First and last temperature of a round.
    steps
        Moves of a round; every round begins at the code again.
    distance
        b, the weight of the distance in the energy.
    """

    hot: float = 0.1
    cold: float = 0.002
    steps: int = 20_000
    distance: float = 0.5

    def __post_init__(self) -> None:
        if not 0 < self.cold <= self.hot or self.steps < 1 or self.distance < 0:
            raise InvalidInput("annealing: 0 < cold <= hot, steps >= 1 and a distance weight >= 0 are needed")


def anneal(
    env: TannerEnv,
    evaluations: int,
    generator: np.random.Generator,
    settings: AnnealingSettings | None = None,
    visit: Callable[[int], Any] | None = None,
) -> int:
    """Search for so many evaluations, or until the environment's success; the evaluations done.

    Parameters
    ----------
    visit
        ``visit(evaluations)`` after every accepted move; true ends the search.
    """
    s = settings or AnnealingSettings()

    def energy() -> float:
        return -env.potential - s.distance * min(env.distance, env.target_distance) / env.first_distance

    done = 0
    while done < evaluations:
        env.reset()
        now = energy()
        for step in range(min(s.steps, evaluations - done)):
            temperature = s.hot * (s.cold / s.hot) ** (step / s.steps)
            action = int(generator.integers(env.rows * env.n))
            while not env.allowed(action):  # uniform over the allowed ones
                action = int(generator.integers(env.rows * env.n))
            env.toggle(action)
            done += 1
            new = energy()
            if new <= now or generator.random() < np.exp((now - new) / temperature):
                now = new
                if visit is not None and visit(done):
                    return done
            else:
                env.untoggle()
    return done


def anneal_ahead(
    env: TannerEnv,
    evaluations: int,
    generator: np.random.Generator,
    settings: AnnealingSettings | None = None,
    visit: Callable[[int], Any] | None = None,
) -> int:
    """As `anneal`, without rejections, in an environment with look-ahead; by default in rounds of 2000 moves."""
    s = settings or AnnealingSettings(cold=0.01, steps=2000)
    done = 0
    while done < evaluations:
        env.reset()
        for step in range(min(s.steps, evaluations - done)):
            temperature = s.hot * (s.cold / s.hot) ** (step / s.steps)
            distance = np.minimum(env.after, env.target_distance) - min(env.distance, env.target_distance)
            gain = env.potential_changes() + s.distance * distance / env.first_distance
            chances = (np.exp(np.minimum(gain / temperature, 0)).reshape(-1) * env.action_masks()).cumsum()
            env.toggle(int(np.searchsorted(chances, generator.random() * chances[-1], side="right")))
            done += 1
            if visit is not None and visit(done):
                return done
    return done


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

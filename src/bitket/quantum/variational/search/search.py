"""The whole search: episodes of a double deep Q-learning agent under a moving threshold, or of uniformly random gates.

Source: Patel and others 2024 (arXiv:2402.03500).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitket.errors import InvalidInput
from bitket.learning.ddqn import DoubleDQN, DoubleDQNSettings
from bitket.learning.threads import one_thread
from bitket.quantum.circuits import Circuit
from bitket.quantum.variational.search.angles import AngleSearch
from bitket.quantum.variational.search.curriculum import MovingThreshold, NegativeBinomial
from bitket.quantum.variational.search.encoding import Gate, build
from bitket.quantum.variational.search.environment import CircuitSearchEnv

__all__ = ["ArchitectureSearch", "Episode", "Found", "SearchSettings"]


@dataclass(frozen=True)
class SearchSettings:
    """What a search is made of, beside its energies.

    Attributes
    ----------
    max_gates
        Longest circuit.
    threshold, slack, greedy_every, successes
        Of the curriculum, see `MovingThreshold`; without ``curriculum`` the threshold stays.
    halting
        Random lengths of episodes; None: the longest always.
    agent
        Of the double deep Q-learning.
    """

    max_gates: int = 40
    threshold: float = 1.0
    slack: float = 5e-4
    greedy_every: int = 500
    successes: int = 25
    curriculum: bool = True
    forbid_illegal: bool = True
    halting: NegativeBinomial | None = None
    couplings: tuple[tuple[int, int], ...] | None = None
    agent: DoubleDQNSettings = field(default_factory=DoubleDQNSettings)
    random: bool = False
    """Draw all actions at random: the control."""


@dataclass(frozen=True)
class Episode:
    """What an episode did: actions, the last energy, the least energy, the threshold it had, and whether it succeeded."""

    actions: tuple[int, ...]
    energy: float
    least_energy: float
    threshold: float
    success: bool
    evaluations: int


@dataclass(frozen=True)
class Found:
    """A circuit, its angles and its energy."""

    gates: tuple[Gate, ...]
    angles: NDArray[np.float64]
    energy: float
    num_qubits: int

    @property
    def circuit(self) -> Circuit:
        """The circuit with its angles."""
        return build(self.gates, self.num_qubits, self.angles.tolist())


class ArchitectureSearch:
    """A search that goes on episode by episode; `state_dict` holds all that the next episode depends on."""

    def __init__(self, angles: AngleSearch, settings: SearchSettings, seed: int) -> None:
        self.settings, self.seed = settings, seed
        s = settings
        self.threshold = MovingThreshold(s.threshold, s.slack, s.greedy_every, s.successes)
        self.env = CircuitSearchEnv(
            angles,
            s.max_gates,
            self.threshold,
            couplings=s.couplings,
            halting=s.halting,
            forbid_illegal=s.forbid_illegal,
        )
        size = self.env.observation_space.shape
        assert size is not None
        self.agent = DoubleDQN(size[0], len(self.env.actions), s.agent, seed)
        self.best: Found | None = None
        self.done = 0

    def episode(self) -> Episode:
        """Train for one episode."""
        with one_thread():
            return self._episode()

    def _episode(self) -> Episode:
        # A seed for each episode: a search that was stopped needs no generator of the environment to go on.
        observation, info = self.env.reset(
            seed=int(np.random.SeedSequence([self.seed, self.done]).generate_state(1)[0])
        )
        threshold, least, actions, over = self.threshold.value, np.inf, [], False
        before = self.env.evaluations
        while not over and info["action_mask"].any():
            mask = info["action_mask"]
            action = (
                int(self.agent.generator.choice(np.flatnonzero(mask)))
                if self.settings.random
                else self.agent.act(observation, mask)
            )
            after, reward, terminated, truncated, info = self.env.step(action)
            over = terminated or truncated
            if not self.settings.random:
                self.agent.remember(
                    observation,
                    action,
                    reward,
                    after,
                    info["action_mask"],
                    terminated=terminated,
                    truncated=truncated,
                )
                self.agent.learn()
            observation = after
            actions.append(action)
            least = min(least, info["energy"])
            self._keep()
        self.done += 1
        if self.settings.curriculum:
            self.threshold.record(least - self.env.bound)
        return Episode(
            tuple(actions),
            info["energy"],
            least,
            threshold,
            bool(least - self.env.bound < threshold),
            self.env.evaluations - before,
        )

    def greedy(self) -> Found:
        """The circuit of least energy on the way of the agent's best actions."""
        observation, info = self.env.reset(seed=self.seed)
        best = Found((), np.zeros(0), self.env.energy, self.env.num_qubits)
        over = False
        while not over:
            action = self.agent.act(observation, info["action_mask"], greedy=True)
            observation, _, terminated, truncated, info = self.env.step(action)
            over = terminated or truncated
            if info["energy"] < best.energy - 1e-9:
                best = self._current()
        return best

    def run(self, episodes: int, progress: Callable[[int, Episode], Any] | None = None) -> Found:
        """Train until so many episodes are done; the best circuit found on the way."""
        if episodes < 1:
            raise InvalidInput(f"search of {episodes} episodes: at least one is needed")
        while self.done < episodes:
            episode = self.episode()
            if progress is not None:
                progress(self.done, episode)
        assert self.best is not None
        return self.best

    def _current(self) -> Found:
        return Found(tuple(self.env.gates), self.env.weights.copy(), self.env.energy, self.env.num_qubits)

    def _keep(self) -> None:
        """The lowest energy; of equal ones (to 1e-9) the shorter circuit."""
        e, now = self.env, self.best
        shorter = now is not None and abs(e.energy - now.energy) <= 1e-9 and len(e.gates) < len(now.gates)
        if now is None or e.energy < now.energy - 1e-9 or shorter:
            self.best = self._current()

    def state_dict(self) -> dict[str, Any]:
        """Everything that the next episode depends on."""
        best = self.best
        kept: dict[str, Any] = {"done": self.done, "threshold": self.threshold.state_dict()}
        kept["agent"] = self.agent.state_dict()
        if best is not None:
            index = [self.env.actions.index(g) for g in best.gates]
            kept["best"] = {"actions": index, "angles": best.angles, "energy": best.energy}
        return kept

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Back to where `state_dict` was taken."""
        self.done = state["done"]
        self.threshold.load_state_dict(state["threshold"])
        self.agent.load_state_dict(state["agent"])
        if "best" in state:
            b = state["best"]
            gates = tuple(self.env.actions[k] for k in b["actions"])
            self.best = Found(gates, np.asarray(b["angles"]), b["energy"], self.env.num_qubits)

"""Double deep Q-learning with n-step returns and masked actions.

The online network Q chooses the action of the next state, the target network Q' values it:

    y = sum_{k<n} gamma^k r_{t+k} + gamma^n Q'(s_{t+n}, argmax_{a allowed} Q(s_{t+n}, a)),        loss = smooth L1 of Q(s_t, a_t) - y

A sum that meets the end of the task stops there; one that meets a mere interruption (truncation) is continued by the value of the state
where it was interrupted. Sources: van Hasselt, Guez and Silver 2016 (arXiv:1509.06461); Mnih and others 2015.

Observations that are mostly zero (circuits as binary tensors) are remembered by their entries (see `perceptron`): without that the first
layer would take nine tenths of an update.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from bitket.errors import InvalidInput
from bitket.learning.perceptron import Entries, Perceptron
from bitket.learning.threads import one_thread

__all__ = ["DoubleDQN", "DoubleDQNSettings"]


@dataclass(frozen=True)
class DoubleDQNSettings:
    """Settings of an agent.

    Attributes
    ----------
    hidden
        Widths of the hidden layers.
    n_step
        Rewards summed before a value is bootstrapped.
    gamma
        Discount of a step.
    learning_rate
        Of Adam.
    memory
        Transitions kept; the oldest make room. Takes ``16 · memory`` bytes for each number that is not zero in the fullest observation.
    batch
        Transitions of an update; updates begin once so many are there.
    target_every
        Updates between copies of the online network into the target network.
    epsilon, epsilon_decay, epsilon_least
        Chance of a random action: at the start, its factor at each update, its floor.
    """

    hidden: tuple[int, ...] = (128, 128, 128)
    n_step: int = 5
    gamma: float = 0.9
    learning_rate: float = 3e-4
    memory: int = 20_000
    batch: int = 256
    target_every: int = 500
    epsilon: float = 1.0
    epsilon_decay: float = 0.99995
    epsilon_least: float = 0.05

    def __post_init__(self) -> None:
        counts = (*self.hidden, self.n_step, self.memory, self.batch, self.target_every)
        if not self.hidden or min(counts) < 1 or self.batch > self.memory:
            raise InvalidInput("double DQN: sizes must be positive, and a batch no larger than the memory")
        if not (0 < self.gamma <= 1 and self.learning_rate > 0 and 0 < self.epsilon_decay <= 1):
            raise InvalidInput("double DQN: gamma and epsilon_decay must be in (0, 1], learning_rate positive")
        if not 0 <= self.epsilon_least <= self.epsilon <= 1:
            raise InvalidInput("double DQN: 0 <= epsilon_least <= epsilon <= 1 is needed")


class DoubleDQN:
    """An agent: acts, remembers, learns. `state_dict` holds all of it but the settings.

    Parameters
    ----------
    num_inputs, num_actions
        Numbers in an observation, and of actions.
    seed
        Of its weights, random actions and batches.
    """

    def __init__(self, num_inputs: int, num_actions: int, settings: DoubleDQNSettings, seed: int) -> None:
        self.settings, self.num_inputs, self.num_actions = settings, num_inputs, num_actions
        self.generator = np.random.default_rng(seed)
        weights = torch.Generator().manual_seed(int(self.generator.integers(2**62)))
        widths = [num_inputs, *settings.hidden, num_actions]
        self.online, self.target, self._gradient = (Perceptron(widths) for _ in range(3))
        self.online.initialise(weights)
        self.target.vector.copy_(self.online.vector)
        parameters = torch.nn.Parameter(self.online.vector)
        parameters.grad = self._gradient.vector
        self.optimiser = torch.optim.Adam([parameters], lr=settings.learning_rate, fused=True)
        self.epsilon, self.updates, self.stored = settings.epsilon, 0, 0
        size = settings.memory
        self.memory: dict[str, NDArray[Any]] = {
            "before": np.zeros((size, 0), _ENTRY),
            "action": np.zeros(size, np.int64),
            "reward": np.zeros(size, np.float32),
            "after": np.zeros((size, 0), _ENTRY),
            "allowed": np.zeros((size, num_actions), bool),
            "discount": np.zeros(size, np.float32),
        }
        self._recent: list[tuple[NDArray[np.float32], int, float]] = []

    def values(self, observation: NDArray[np.float32]) -> NDArray[np.float32]:
        """Q of all actions, ``[..., num_actions]``."""
        return self.online(torch.from_numpy(observation)).numpy()

    def act(self, observation: NDArray[np.float32], allowed: NDArray[np.bool_], *, greedy: bool = False) -> int:
        """An allowed action: the one of largest value, or with chance epsilon (unless ``greedy``) any.

        Raises
        ------
        InvalidInput
            No action is allowed.
        """
        if not allowed.any():
            raise InvalidInput("double DQN: no action is allowed")
        if not greedy and self.generator.random() < self.epsilon:
            return int(self.generator.choice(np.flatnonzero(allowed)))
        return int(np.where(allowed, self.values(observation), -np.inf).argmax())

    def remember(
        self,
        before: NDArray[np.float32],
        action: int,
        reward: float,
        after: NDArray[np.float32],
        allowed: NDArray[np.bool_],
        *,
        terminated: bool,
        truncated: bool,
    ) -> None:
        """One step of an episode; ``allowed`` are the actions in the state ``after``."""
        self._recent.append((before, action, reward))
        n, over = self.settings.n_step, terminated or truncated
        while self._recent and (over or len(self._recent) == n):
            gamma = self.settings.gamma
            total = sum(gamma**k * r for k, (_, _, r) in enumerate(self._recent))
            discount = 0.0 if terminated or not allowed.any() else gamma ** len(self._recent)
            first = self._recent.pop(0)
            place = self.stored % self.settings.memory
            for name, observation in zip(_OBSERVED, (first[0], after), strict=True):
                entries = _entries(observation)
                self._widen(len(entries))
                row = self.memory[name][place]
                row[: len(entries)], row[len(entries) :] = entries, 0
            others = {"action": first[1], "reward": total, "allowed": allowed, "discount": discount}
            for name, value in others.items():
                self.memory[name][place] = value
            self.stored += 1

    def _widen(self, entries: int) -> None:
        """Room for so many entries of an observation."""
        for name in _OBSERVED:
            old = self.memory[name]
            if entries > old.shape[1]:
                self.memory[name] = np.zeros((len(old), entries), _ENTRY)
                self.memory[name][:, : old.shape[1]] = old

    def learn(self) -> float | None:
        """One update from a random batch; its loss, or None while too little is remembered."""
        s = self.settings
        if self.stored < s.batch:
            return None
        with one_thread():
            return self._update()

    def _update(self) -> float:
        s = self.settings
        rows = self.generator.integers(min(self.stored, s.memory), size=s.batch)
        drawn = {name: m[rows] for name, m in self.memory.items()}
        both = self._batch(np.concatenate([drawn.pop(name) for name in _OBSERVED]))
        before, after = both[: s.batch], both[s.batch :]
        action, reward, allowed, discount = (torch.from_numpy(values) for values in drawn.values())
        layers = self.online.layers(both)
        best = layers[-1][s.batch :].masked_fill(~allowed, -torch.inf).argmax(dim=-1, keepdim=True)
        wanted = reward + discount * self.target(after).gather(1, best)[:, 0]
        found = layers[-1][: s.batch].gather(1, action[:, None])[:, 0]
        slope = (found - wanted).clamp_(-1, 1) / s.batch  # of the mean smooth L1
        upstream = torch.zeros(s.batch, self.num_actions).scatter_(1, action[:, None], slope[:, None])
        self.online.pull_back(before, [h[: s.batch] for h in layers], upstream, self._gradient)
        self.optimiser.step()
        self.updates += 1
        self.epsilon = max(s.epsilon_least, self.epsilon * s.epsilon_decay)
        if self.updates % s.target_every == 0:
            self.target.vector.copy_(self.online.vector)
        return float(torch.nn.functional.smooth_l1_loss(found, wanted))

    def _batch(self, entries: NDArray[Any]) -> torch.Tensor | Entries:
        """Observations by their entries; dense where too many are not zero."""
        columns, values = entries["column"], entries["value"]
        if 4 * entries.shape[1] <= self.num_inputs:
            return Entries.padded(columns, values, self.num_inputs)
        dense = np.zeros((len(entries), self.num_inputs), np.float32)
        np.add.at(dense, (np.arange(len(entries))[:, None], columns), values)
        return torch.from_numpy(dense)

    def state_dict(self) -> dict[str, Any]:
        """Everything that the next step depends on, between two episodes."""
        if self._recent:
            raise InvalidInput("double DQN: its state can be taken between episodes only")
        used = min(self.stored, self.settings.memory)
        return {
            "online": self.online.vector.clone(),
            "target": self.target.vector.clone(),
            "optimiser": self.optimiser.state_dict(),
            "memory": {
                key: values.copy()
                for name, kept in self.memory.items()
                for key, values in (
                    [(f"{name} {part}", kept[:used][part]) for part in ("column", "value")]
                    if name in _OBSERVED
                    else [(name, kept[:used])]
                )
            },
            "generator": self.generator,
            "numbers": [self.epsilon, self.updates, self.stored],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Back to where `state_dict` was taken."""
        self.online.vector.copy_(state["online"])
        self.target.vector.copy_(state["target"])
        self.optimiser.load_state_dict(copy.deepcopy(state["optimiser"]))  # torch would share its moments
        self._widen(state["memory"]["before column"].shape[1])
        for key, values in state["memory"].items():
            name, _, part = key.partition(" ")
            (self.memory[name][part] if part else self.memory[name])[: len(values)] = values
        self.generator.bit_generator.state = state["generator"].bit_generator.state
        self.epsilon, self.updates, self.stored = state["numbers"]


_ENTRY = np.dtype([("column", np.int32), ("value", np.float32)])
_OBSERVED = ("before", "after")


def _entries(observation: NDArray[np.float32]) -> NDArray[Any]:
    """The numbers of an observation that are not zero, and where they stand."""
    columns = np.flatnonzero(observation)
    out = np.empty(len(columns), _ENTRY)
    out["column"], out["value"] = columns, observation[columns]
    return out

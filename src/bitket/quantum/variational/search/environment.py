"""Architecture search as a task of reinforcement learning: an action appends a gate, then all angles are optimised.

Reward, with the error e of the energy E above the lower bound and the threshold xi (see `curriculum`):

    +5                                                      if e < xi
    -5                                                      if the last step was taken and e >= xi
    clip((E_{t-1} - E_t) / |E_{t-1} - bound|, -1, 1)        else

Source: Patel and others 2024 (arXiv:2402.03500), sections 3 and 4. The released program optimises the circuit before the new gate is in
it, so its rewards come one action late; here they do not.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

from bitket.errors import InvalidInput
from bitket.quantum.variational.search.angles import AngleSearch
from bitket.quantum.variational.search.curriculum import MovingThreshold, NegativeBinomial, lower_bound
from bitket.quantum.variational.search.encoding import Gate, all_actions, encode, legal

__all__ = ["CircuitSearchEnv"]


class CircuitSearchEnv(gymnasium.Env[NDArray[np.float32], np.int64]):
    """Circuits built gate by gate.

    Observations are the circuit's tensor (see `encoding`), flat, and the energy so far as a part of the lower bound's distance. ``info``
    has ``action_mask``, ``energy``, ``error`` (above the lower bound) and ``success``.

    Parameters
    ----------
    angles
        Operator, noise, and how angles are optimised.
    max_gates
        Steps of the longest episode.
    threshold
        What counts as success; its owner records episodes.
    couplings
        Pairs of qubits that may hold a CX; None for all.
    halting
        Draws the length of each episode; None: always ``max_gates``.
    forbid_illegal
        Whether the mask forbids gates that merge with the one before.
    """

    def __init__(
        self,
        angles: AngleSearch,
        max_gates: int,
        threshold: MovingThreshold,
        *,
        couplings: Iterable[tuple[int, int]] | None = None,
        halting: NegativeBinomial | None = None,
        forbid_illegal: bool = True,
    ) -> None:
        n = angles.operator.num_qubits
        if max_gates < 1:
            raise InvalidInput(f"search with {max_gates} gates: at least one is needed")
        self.angles, self.max_gates, self.threshold, self.halting = angles, max_gates, threshold, halting
        self.actions, self.num_qubits, self.forbid_illegal = all_actions(n, couplings), n, forbid_illegal
        self.bound = lower_bound(angles.operator)
        self.action_space = gymnasium.spaces.Discrete(len(self.actions))
        self.observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (max_gates * (n + 3) * n + 1,), np.float32)
        self.gates: list[Gate] = []
        self.weights: NDArray[np.float64] = np.zeros(0)
        self.energy = self._start = angles.energy([], self.weights)
        self.length, self.evaluations = max_gates, 0
        self._allowed: tuple[list[Gate], NDArray[np.bool_]] | None = None  # of some gates

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """The empty circuit; draws the length of the episode."""
        super().reset(seed=seed, options=options)
        self.gates, self.weights, self.energy = [], np.zeros(0), self._start
        self.length = self.max_gates if self.halting is None else min(self.max_gates, self.halting.draw(self.np_random))
        return self._observation(), self._info()

    def step(self, action: int | np.int64) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Append a gate, optimise, reward.

        Raises
        ------
        InvalidInput
            The action is not allowed.
        """
        if not self.action_masks()[action]:
            raise InvalidInput(f"action {action}, {self.actions[action]}: it merges with the gate before")
        before = self.energy
        self.gates = [*self.gates, self.actions[action]]
        start = self.weights if self.actions[action].axis is None else np.append(self.weights, 0.0)
        found = self.angles.fit(self.gates, start, self.np_random)
        self.weights, self.energy = found.angles, found.energy
        self.evaluations += found.evaluations
        success = self.energy - self.bound < self.threshold.value
        last = len(self.gates) == self.max_gates
        if success or last:
            reward = 5.0 if success else -5.0
        else:
            reward = float(np.clip((before - self.energy) / max(abs(before - self.bound), 1e-12), -1, 1))
        halted = not (success or last) and len(self.gates) >= self.length
        return self._observation(), reward, success or last, halted, self._info()

    def action_masks(self) -> NDArray[np.bool_]:
        """Which actions are allowed now, ``[actions]``; ``info`` holds the same."""
        if not self.forbid_illegal:
            return np.ones(len(self.actions), bool)
        if self._allowed is None or self._allowed[0] is not self.gates:
            self._allowed = (self.gates, legal(self.gates, self.actions))
        return self._allowed[1].copy()

    def _observation(self) -> NDArray[np.float32]:
        tensor = encode(self.gates, self.num_qubits, self.max_gates)
        part = (self.energy - self.bound) / max(self._start - self.bound, 1e-12)
        return np.append(tensor.reshape(-1), np.float32(part))

    def _info(self) -> dict[str, Any]:
        error = self.energy - self.bound
        return {
            "action_mask": self.action_masks(),
            "energy": self.energy,
            "error": error,
            "success": error < self.threshold.value,
        }

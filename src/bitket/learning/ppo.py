"""Proximal policy optimisation with masked actions.

Logits of forbidden actions are -infinity before the softmax, so that probability, gradient and entropy see allowed actions alone. With the
ratio r = pi(a|s) / pi_old(a|s) and the generalised advantage A = sum_l (gamma lambda)^l delta_{t+l},
delta_t = r_t + gamma V(s_{t+1}) - V(s_t), one minimises

    - min(r A, clip(r, 1 - eps, 1 + eps) A) + c_v (V - R)^2 - c_e entropy.

An episode that ends for lack of time is continued by the value of its last state; one that ends in success or failure is not.
Sources: Schulman and others 2017 (arXiv:1707.06347); 2016 (arXiv:1506.02438); Huang and Ontañón 2022 (arXiv:2006.14171) for the mask.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from bitket.errors import InvalidInput
from bitket.learning.threads import one_thread

__all__ = ["PPO", "MaskedEnv", "PPOSettings", "advantages"]


Networks = Callable[[torch.Generator], tuple[torch.nn.Module, torch.nn.Module]]


class MaskedEnv(Protocol):
    """What is needed of an environment: gymnasium's methods and ``action_masks()``."""

    def reset(self, *, seed: int | None = None) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Begin an episode."""
        ...

    def step(self, action: int) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Observation, reward, terminated, truncated, info."""
        ...

    def action_masks(self) -> NDArray[np.bool_]:
        """Allowed actions."""
        ...


@dataclass(frozen=True)
class PPOSettings:
    """Settings of an agent.

    Attributes
    ----------
    hidden
        Widths of the hidden layers of policy and value, which share none; where no other networks are given.
    steps
        Steps of each environment between two updates.
    epochs, batch
        Passes over these steps, and steps of a gradient.
    gamma, lam
        Discount of a step, and of the advantage.
    clip, entropy, value
        eps, c_e, c_v.
    learning_rate, max_norm
        Of Adam, and of the gradient.
    """

    hidden: tuple[int, ...] = (256, 256)
    steps: int = 256
    epochs: int = 10
    batch: int = 256
    gamma: float = 0.99
    lam: float = 0.95
    clip: float = 0.2
    entropy: float = 0.01
    value: float = 0.5
    learning_rate: float = 3e-4
    max_norm: float = 0.5

    def __post_init__(self) -> None:
        if not self.hidden or min(*self.hidden, self.steps, self.epochs, self.batch) < 1:
            raise InvalidInput("PPO: layers, steps, epochs and batch must be positive")
        if not (0 < self.gamma <= 1 and 0 <= self.lam <= 1 and 0 < self.clip < 1):
            raise InvalidInput("PPO: gamma in (0, 1], lambda in [0, 1] and clip in (0, 1) are needed")
        if min(self.learning_rate, self.max_norm) <= 0 or min(self.entropy, self.value) < 0:
            raise InvalidInput("PPO: learning_rate and max_norm must be positive, entropy and value not negative")


def advantages(
    rewards: NDArray[np.float64],
    values: NDArray[np.float64],
    following: NDArray[np.float64],
    ended: NDArray[np.bool_],
    gamma: float,
    lam: float,
) -> NDArray[np.float64]:
    """Generalised advantages, ``[steps, environments]``.

    Parameters
    ----------
    following
        Value of the state after each step: 0 after success or failure, that of the last state where time ran out.
    ended
        Whether the step was an episode's last.
    """
    out = np.zeros_like(rewards)
    carried = np.zeros(rewards.shape[1:])
    delta = rewards + gamma * following - values
    for t in reversed(range(len(rewards))):
        carried = delta[t] + gamma * lam * np.where(ended[t], 0.0, carried)
        out[t] = carried
    return out


class PPO:
    """An agent on environments of one kind; `state_dict` holds all of it but the environments, between two updates.

    Every update begins new episodes in all environments, so that nothing of them need be stored; an update should be several episodes long.

    Parameters
    ----------
    envs
        Stepped in turn.
    seed
        Of weights, actions, batches and the environments' episodes.
    networks
        Makes policy (observations to logits) and critic (observations to values ``[..., 1]``) with weights from a generator; None:
        perceptrons of ``settings.hidden``.
    """

    def __init__(
        self, envs: Sequence[MaskedEnv], settings: PPOSettings, seed: int, networks: Networks | None = None
    ) -> None:
        if not envs:
            raise InvalidInput("PPO: at least one environment is needed")
        self.envs, self.settings, self.seed = list(envs), settings, seed
        self.generator = np.random.default_rng(seed)
        weights = torch.Generator().manual_seed(int(self.generator.integers(2**62)))
        inputs, actions = len(envs[0].reset(seed=seed)[0]), len(envs[0].action_masks())
        self.policy, self.critic = (networks or _perceptrons(inputs, settings.hidden, actions))(weights)
        self._parameters = [*self.policy.parameters(), *self.critic.parameters()]
        self.optimiser = torch.optim.Adam(self._parameters, lr=settings.learning_rate, eps=1e-5, fused=True)
        self.updates = self.total_steps = 0

    def probabilities(self, observations: NDArray[np.float32], masks: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Of the actions, ``[..., actions]``; exactly 0 for forbidden ones."""
        with torch.no_grad():
            logits = self.policy(torch.from_numpy(observations)).masked_fill(~torch.from_numpy(masks), -torch.inf)
            return torch.softmax(logits.double(), dim=-1).numpy()

    def act(self, observation: NDArray[np.float32], mask: NDArray[np.bool_], *, greedy: bool = False) -> int:
        """An allowed action, drawn from the policy, or the likeliest."""
        p = self.probabilities(observation, mask)
        return int(p.argmax()) if greedy else _drawn(p[None], self.generator)[0]

    def update(self, visit: Callable[[int, dict[str, Any]], Any] | None = None) -> dict[str, float]:
        """Collect ``steps`` steps of each environment and learn from them, on one thread (small networks gain nothing by more).

        Parameters
        ----------
        visit
            ``visit(environment, info)`` after every step.

        Returns
        -------
        dict
            ``return`` and ``success`` of the ended episodes (means), ``loss``, ``entropy`` and ``clipped`` (share of ratios).
        """
        with one_thread():
            data, report = self._collect(visit)
            return report | self._learn(*data)

    def _collect(
        self, visit: Callable[[int, dict[str, Any]], Any] | None
    ) -> tuple[tuple[torch.Tensor, ...], dict[str, float]]:
        s, count = self.settings, len(self.envs)
        first = [env.reset(seed=int(self.generator.integers(2**31)))[0] for env in self.envs]
        now, masks = np.stack(first), np.stack([env.action_masks() for env in self.envs])
        states = np.zeros((s.steps, *now.shape), np.float32)
        allowed = np.zeros((s.steps, *masks.shape), bool)
        actions = np.zeros((s.steps, count), np.int64)
        chances, rewards, values, following = (np.zeros((s.steps, count)) for _ in range(4))
        ended = np.zeros((s.steps, count), bool)
        over: list[tuple[int, int, NDArray[np.float32]]] = []  # where time ran out: the last state
        sums, returns, successes = np.zeros(count), [], []
        for t in range(s.steps):
            p = self.probabilities(now, masks)
            chosen = _drawn(p, self.generator)
            states[t], allowed[t], actions[t] = now, masks, chosen
            chances[t] = np.log(p[np.arange(count), chosen])
            for e, env in enumerate(self.envs):
                observation, reward, terminated, truncated, info = env.step(int(chosen[e]))
                rewards[t, e], mask = reward, info["action_mask"]
                sums[e] += reward
                if visit is not None:
                    visit(e, info)
                stuck = not mask.any() and not terminated
                if terminated or truncated or stuck:
                    ended[t, e] = True
                    if not terminated:
                        over.append((t, e, observation))
                    returns.append(sums[e])
                    successes.append(bool(info.get("success", terminated)))
                    sums[e] = 0
                    observation = env.reset()[0]
                    mask = env.action_masks()
                now[e], masks[e] = observation, mask
        self.total_steps += s.steps * count
        with torch.no_grad():
            values[:] = self.critic(torch.from_numpy(states))[..., 0].numpy()
            following[:-1] = values[1:]
            following[-1] = self.critic(torch.from_numpy(now))[..., 0].numpy()
            following[ended] = 0.0
            for t, e, state in over:
                following[t, e] = float(self.critic(torch.from_numpy(state))[0])
        gained = advantages(rewards, values, following, ended, s.gamma, s.lam)
        flat = (states, allowed, actions, chances.astype(np.float32), gained.astype(np.float32))
        targets = (gained + values).astype(np.float32)
        data = tuple(torch.from_numpy(a.reshape(-1, *a.shape[2:])) for a in (*flat, targets))
        mean = float(np.mean(returns)) if returns else float("nan")
        share = float(np.mean(successes)) if successes else 0.0
        return data, {"return": mean, "success": share, "episodes": float(len(returns))}

    def _learn(self, *data: torch.Tensor) -> dict[str, float]:
        s, size = self.settings, len(data[0])
        losses, entropies, clipped = [], [], []
        for _ in range(s.epochs):
            order = torch.from_numpy(self.generator.permutation(size))
            for begin in range(0, size, s.batch):
                rows = order[begin : begin + s.batch]
                states, allowed, actions, before, gained, returns = (part[rows] for part in data)
                gained = (gained - gained.mean()) / (gained.std(correction=0) + 1e-8)
                log_p = torch.log_softmax(self.policy(states).masked_fill(~allowed, -torch.inf), dim=-1)
                ratio = torch.exp(log_p.gather(1, actions[:, None])[:, 0] - before)
                surrogate = torch.minimum(ratio * gained, ratio.clamp(1 - s.clip, 1 + s.clip) * gained).mean()
                finite = log_p.masked_fill(~allowed, 0.0)  # 0 log 0 = 0, also in the gradient
                entropy = -(finite.exp() * finite).masked_fill(~allowed, 0.0).sum(dim=-1).mean()
                miss = (self.critic(states)[:, 0] - returns).square().mean()
                loss = -surrogate + s.value * miss - s.entropy * entropy
                self.optimiser.zero_grad(set_to_none=True)
                loss.backward()
                torch.nn.utils.clip_grad_norm_(self._parameters, s.max_norm)
                self.optimiser.step()
                losses.append(float(loss.detach()))
                entropies.append(float(entropy.detach()))
                clipped.append(float(((ratio - 1).abs() > s.clip).float().mean()))
        self.updates += 1
        return {"loss": _mean(losses), "entropy": _mean(entropies), "clipped": _mean(clipped)}

    def state_dict(self) -> dict[str, Any]:
        """Everything that the next update depends on: numbers, tensors and a generator, as `bitket.runs` stores them (no pickle)."""
        return {
            "policy": self.policy.state_dict(),
            "critic": self.critic.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "generator": self.generator,
            "numbers": [self.updates, self.total_steps],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Back to where `state_dict` was taken."""
        self.policy.load_state_dict(state["policy"])
        self.critic.load_state_dict(state["critic"])
        self.optimiser.load_state_dict(copy.deepcopy(state["optimiser"]))  # torch would share its moments
        self.generator.bit_generator.state = state["generator"].bit_generator.state
        self.updates, self.total_steps = state["numbers"]


def _drawn(p: NDArray[np.float64], generator: np.random.Generator) -> NDArray[np.int64]:
    """One action a row, by the inverse of the distribution; never one of probability 0."""
    total = p.cumsum(axis=-1)
    wanted = generator.random(len(p)) * total[:, -1]
    return (total <= wanted[:, None]).sum(axis=-1)


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values))


def _perceptrons(inputs: int, hidden: tuple[int, ...], actions: int) -> Networks:
    def made(generator: torch.Generator) -> tuple[torch.nn.Module, torch.nn.Module]:
        policy = _network([inputs, *hidden, actions], 0.01, generator)
        return policy, _network([inputs, *hidden, 1], 1.0, generator)

    return made


def _network(widths: Sequence[int], last_gain: float, generator: torch.Generator) -> torch.nn.Sequential:
    """Tanh layers, orthogonal weights: gain sqrt(2), ``last_gain`` at the end."""
    layers: list[torch.nn.Module] = []
    for k, (a, b) in enumerate(itertools.pairwise(widths)):
        layer = torch.nn.Linear(a, b)
        torch.nn.init.orthogonal_(layer.weight, last_gain if k == len(widths) - 2 else 2**0.5, generator=generator)
        torch.nn.init.zeros_(layer.bias)
        layers += [layer, torch.nn.Tanh()]
    return torch.nn.Sequential(*layers[:-1])

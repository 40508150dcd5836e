"""Weight reduction as a task of reinforcement learning: an action adds or removes one edge of the Tanner graph of a classical code.

With x_v the degrees, t the target of their kind and m the ceiling,  g(x) = min(1, (m - x) / (m - t));
P = mean of g over bits + mean of g over checks. A step is rewarded by

    P_t - P_{t-1} + b (d_t - d_{t-1}) / d_0,    b = 1 for a gain and for a loss of distance,

and by a bonus where all degrees are within target and d >= d_target, which ends the episode. With b equal both ways the rewards of an
episode add up to the difference of the potential P + b d / d_0; a b larger for losses makes every detour through a worse code cost,
and searches that begin at the best distance then learn to stay where they are. No edit exceeds the ceiling, only a start does; a
penalty 1 - e^(x - m) there pays the first edits of a heavy start hundreds of times what any later one earns, and nothing is learned.

The mask forbids edges that would change the rank (so that k is kept), leave a check or bit without an edge, or exceed the ceiling. For a
CSS code there is nothing to edit in this way: toggling (c, v) changes the commutation of c with every check of the other kind on v,
so only qubits outside all those checks have moves. Products are reduced through their factors.

Source: He and Liu 2025 (arXiv:2502.14372) for the outline; the paper's numbers are not stated, those here are ours.
"""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

from bitket.algebra.codewords import tanner_step
from bitket.errors import InvalidInput
from bitket.quantum.codes.code import ClassicalCode, independent

__all__ = ["TannerEnv", "degree_targets"]


def degree_targets(weight: int) -> tuple[int, int]:
    """Greatest check and bit degree of a code whose product with itself has checks of at most ``weight``."""
    if weight < 4:
        raise InvalidInput(f"target weight {weight}: products of codes with k >= 1 need at least 4 (degrees 2 and 2)")
    return weight - weight // 2, weight // 2


class TannerEnv(gymnasium.Env[NDArray[np.float32], np.int64]):
    """Edits of one code, at most 64 bits and 64 independent checks.

    Observations are the check matrix, flat, and d / d_target, with ``look_ahead`` between them the distance after each action over
    d_target; action ``c n + v`` toggles check c on bit v. ``info`` has ``action_mask``, ``distance``, ``potential``
    (P) and ``success``. The cost of a step grows as 2^k.

    Parameters
    ----------
    code
        Where every episode begins; dependent checks are left out.
    check_degree, bit_degree
        Targets.
    distance
        Target; None: that of the code.
    ceiling
        Greatest degree that an edit may make (the code may begin above it); None: two above the targets.
    gain, loss
        b for a gain and a loss of distance.
    bonus
        For success.
    horizon
        Steps of an episode; None: twice the edges of the code.
    scramble
        Most random allowed edits before an episode, their number drawn anew each time: a policy that always begins at the best distance
        learns to stay there.
    look_ahead
        Whether to compute the distance after every action (``after``, ``[rows, n]``): all of them cost a few evaluations, k <= 16.
    """

    def __init__(
        self,
        code: ClassicalCode,
        check_degree: int = 3,
        bit_degree: int = 3,
        distance: int | None = None,
        *,
        ceiling: int | None = None,
        gain: float = 1.0,
        loss: float = 1.0,
        bonus: float = 2.0,
        horizon: int | None = None,
        scramble: int = 0,
        look_ahead: bool = False,
    ) -> None:
        start = independent(code.matrix)
        H = start.to_dense()
        self.rows, self.n = H.shape
        if min(check_degree, bit_degree) < 2:
            raise InvalidInput(f"target degrees {check_degree} and {bit_degree}: at least 2 are needed")
        if self.n > 64 or not 0 < self.n - self.rows <= 24:
            raise InvalidInput(
                f"search on a code of n = {self.n}, k = {self.n - self.rows}: n <= 64 and 1 <= k <= 24 are needed"
            )
        if look_ahead and self.n - self.rows > 16:
            raise InvalidInput(f"search with look-ahead on a code of k = {self.n - self.rows}: 16 at most")
        if not H.any(axis=0).all():
            raise InvalidInput(f"bit {int((~H.any(axis=0)).argmax())} is in no check: its distance is 1")
        self.ceiling = max(check_degree, bit_degree) + 2 if ceiling is None else ceiling
        if self.ceiling <= max(check_degree, bit_degree):
            raise InvalidInput(f"ceiling {self.ceiling}: it must exceed the target degrees")
        self.gain, self.loss, self.bonus = gain, loss, bonus
        self.scramble, self.look_ahead = scramble, look_ahead
        self._start = start.words[:, 0].copy()
        self._degrees = (H.sum(axis=1, dtype=np.int64), H.sum(axis=0, dtype=np.int64))
        degrees = np.arange(self.n + self.rows + 1, dtype=float)
        self.targets = (check_degree, bit_degree)
        self._score = [np.minimum(1.0, (self.ceiling - degrees) / (self.ceiling - t)) for t in self.targets]
        # Two of each, so that a move can be taken back.
        self._masks, self._spare = (self._buffers(look_ahead) for _ in range(2))
        self._bits = [np.uint64(1 << v) for v in range(self.n)]
        self.evaluations = 0
        self._restore()
        self.first_distance = self.distance
        self.target_distance = self.distance if distance is None else distance
        if self.target_distance < 1:
            raise InvalidInput(f"target distance {distance}: at least 1 is needed")
        self.horizon = 2 * int(H.sum()) if horizon is None else horizon
        if self.horizon < 1:
            raise InvalidInput(f"episodes of {self.horizon} steps: at least 1 is needed")
        self.action_space = gymnasium.spaces.Discrete(self.rows * self.n)
        size = self.rows * self.n * (1 + look_ahead) + 1
        self.observation_space = gymnasium.spaces.Box(0.0, float(self.n), (size,), np.float32)

    # -- the graph --------------------------------------------------------------------------------------------------
    def _buffers(self, look_ahead: bool) -> tuple[NDArray[np.bool_], NDArray[np.int32] | None]:
        shape = (self.rows, self.n)
        return np.zeros(shape, bool), np.zeros(shape, np.int32) if look_ahead else None

    @property
    def after(self) -> NDArray[np.int32]:
        """Distance after each action, ``[rows, n]``, also after those that are not allowed; with ``look_ahead``."""
        after = self._masks[1]
        if after is None:
            raise InvalidInput("an environment without look_ahead does not compute what follows")
        return after

    def _restore(self) -> None:
        self.matrix = self._start.copy()
        self.check_degrees, self.bit_degrees = (d.copy() for d in self._degrees)
        self._dense = (self.matrix[:, None] >> np.arange(self.n, dtype=np.uint64) & np.uint64(1)).astype(np.float32)
        self.steps = 0
        self._measure()

    def _measure(self) -> None:
        self.rank, self.distance = tanner_step(self.matrix, self.n, *self._masks)
        self.evaluations += 1
        checks, bits = self._score[0][self.check_degrees], self._score[1][self.bit_degrees]
        self.potential = float(checks.sum()) / self.rows + float(bits.sum()) / self.n

    def potential_changes(self) -> NDArray[np.float64]:
        """What every action would add to P, ``[rows, n]``, also those that are not allowed."""
        sign = 1 - 2 * self._dense.astype(np.int64)
        checks, bits = self._score[0], self._score[1]
        of_check = checks[self.check_degrees[:, None] + sign] - checks[self.check_degrees][:, None]
        of_bit = bits[self.bit_degrees + sign] - bits[self.bit_degrees]
        return of_check / self.rows + of_bit / self.n

    def toggle(self, action: int) -> None:
        """Apply an action without asking the mask and outside an episode's count of steps; `untoggle` takes the last one back."""
        self._before = (action, self.rank, self.distance, self.potential, self._masks)
        self._masks = self._spare
        self._spare = self._before[-1]
        self._flip(action)
        self._measure()

    def untoggle(self) -> None:
        """Take the last `toggle` back, without measuring anything anew."""
        action, self.rank, self.distance, self.potential, self._spare = *self._before[:4], self._masks
        self._masks = self._before[-1]
        self._flip(action)

    def _flip(self, action: int) -> None:
        c, v = divmod(action, self.n)
        self.matrix[c] ^= self._bits[v]
        change = 1 - 2 * int(self._dense[c, v])
        self._dense[c, v] += change
        self.check_degrees[c] += change
        self.bit_degrees[v] += change

    @property
    def success(self) -> bool:
        """Whether the degrees are within target and the distance is reached."""
        return self.light and self.distance >= self.target_distance

    @property
    def light(self) -> bool:
        """Whether the degrees are within target."""
        return bool(self.check_degrees.max() <= self.targets[0] and self.bit_degrees.max() <= self.targets[1])

    @property
    def checks(self) -> NDArray[np.uint8]:
        """The check matrix now, ``[rows, n]``."""
        return self._dense.astype(np.uint8)

    def action_masks(self) -> NDArray[np.bool_]:
        """Which actions are allowed now, ``[rows n]``; ``info`` holds the same."""
        present = self._dense > 0
        c, v = self.check_degrees[:, None], self.bit_degrees[None, :]
        fits = np.where(present, (c > 1) & (v > 1), (c < self.ceiling) & (v < self.ceiling))
        return (self._masks[0] & fits).reshape(-1)

    # -- gymnasium --------------------------------------------------------------------------------------------------
    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """The first code again, scrambled where asked for."""
        super().reset(seed=seed, options=options)
        self._restore()
        for _ in range(int(self.np_random.integers(self.scramble + 1)) if self.scramble else 0):
            moves = np.flatnonzero(self.action_masks())
            if not len(moves):
                break
            self.toggle(int(self.np_random.choice(moves)))
        return self._observation(), self._info()

    def step(self, action: int | np.int64) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Toggle an edge.

        Raises
        ------
        InvalidInput
            The action is not allowed.
        """
        action = int(action)
        if not self.allowed(action):
            raise InvalidInput(
                f"action {action}: the edge of check {action // self.n} and bit {action % self.n} must stay"
            )
        potential, distance = self.potential, self.distance
        self.toggle(action)
        self.steps += 1
        change = self.distance - distance
        reward = self.potential - potential + (self.gain if change > 0 else self.loss) * change / self.first_distance
        success = self.success
        reward += self.bonus * success
        return self._observation(), reward, success, self.steps >= self.horizon and not success, self._info()

    def allowed(self, action: int) -> bool:
        """One entry of the mask."""
        c, v = divmod(action, self.n)
        degrees = self.check_degrees[c], self.bit_degrees[v]
        fits = min(degrees) > 1 if self._dense[c, v] else max(degrees) < self.ceiling
        return bool(self._masks[0][c, v] and fits)

    def _observation(self) -> NDArray[np.float32]:
        ahead = [self.after.reshape(-1) / self.target_distance] if self.look_ahead else []
        return np.concatenate(
            [self._dense.reshape(-1), *ahead, [self.distance / self.target_distance]],
            dtype=np.float32,
            casting="same_kind",
        )

    def _info(self) -> dict[str, Any]:
        return {
            "action_mask": self.action_masks(),
            "distance": self.distance,
            "potential": self.potential,
            "success": self.success,
        }

"""Every allocation that is best for some budget: the exact frontier of a cost against the harm, by dynamic programming over groups.

A point is on the frontier if no other is as good in both and better in one. Points that are dominated among the first groups are
dominated with any choices for the rest, so they are dropped at once:

    F_0 = {(0, 0)},   F_k = undominated of { (C + cost[k, c], h + harm[k, c]) : (C, h) in F_(k-1), c }

The *restricted* frontier admits only assignments that do not rise along an order of the groups by sensitivity (a more sensitive group has
no fewer bits), as published; it takes one such set for each choice of the last group, and can only be worse.

Source: Dong et al. 2020, arXiv:1911.03852, section 3.2; the unrestricted program is the knapsack one of Nemhauser and Ullmann 1969.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bitket.errors import InvalidInput
from bitket.quantization.allocation.problem import Allocation, Cluster, Problem
from bitket.runs.files import write_json

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Frontier", "frontier", "restricted_frontier"]

_MOST = 50_000  # points kept after each group; beyond, close ones are merged


@dataclass
class _Stage:
    """Undominated points, cheapest first, and how each came about: the point before it, that one's set, and the choice."""

    cost: NDArray[np.float64]
    harm: NDArray[np.float64]
    before: NDArray[np.int32]
    origin: NDArray[np.int16]
    choice: NDArray[np.int16]


@dataclass(frozen=True)
class Frontier:
    """The points of a frontier, cheapest first, harm falling.

    Attributes
    ----------
    problem, name
        What it belongs to, and the cost's name.
    cost, harm
        ``[points]`` each, the cost with its constant part.
    picks
        ``[points, clusters]``: each cluster's index of its choice.
    merged
        0 for an exact frontier; where close points were merged, by how much harm a point may at most exceed the exact frontier's.
    restricted
        Whether assignments were restricted to an order.
    """

    problem: Problem = field(repr=False)
    name: str
    cost: NDArray[np.float64]
    harm: NDArray[np.float64]
    picks: NDArray[np.int16] = field(repr=False)
    merged: float = 0.0
    restricted: bool = False

    def __len__(self) -> int:
        return len(self.cost)

    def allocation(self, index: int) -> Allocation:
        """The allocation of a point."""
        kind = "restricted frontier" if self.restricted else "frontier"
        return self.problem.spread([int(k) for k in self.picks[index]], kind)

    def at(self, limit: float) -> Allocation:
        """The point of least harm whose cost is at most ``limit``.

        Raises
        ------
        InvalidInput
            Even the cheapest point costs more; the message names its cost.
        """
        index = int(np.searchsorted(self.cost, limit, side="right")) - 1
        if index < 0:
            raise InvalidInput(
                f"limit on {self.name}: {limit:.10g} cannot be met; the smallest that can be reached is {self.cost[0]:.10g}"
            )
        return self.allocation(index)

    def gap(self, other: Frontier) -> float:
        """By how much this frontier's harm exceeds another's at the same costs: the largest ratio of harms, less 1, over this one's points.

        Harms must be positive.
        """
        best = other.harm[np.searchsorted(other.cost, self.cost, side="right") - 1]
        return float((self.harm / best).max()) - 1

    def to_json(self) -> dict[str, Any]:
        """All points with their choices as JSON values."""
        groups = [list(c.groups) for c in self.problem.clusters()]
        choices = [list(c.choices) for c in self.problem.clusters()]
        return {
            "cost": self.name,
            "groups": groups,
            "merged": self.merged,
            "restricted": self.restricted,
            "points": [
                {"cost": float(c), "harm": float(h), "choices": [choices[g][k] for g, k in enumerate(picks)]}
                for c, h, picks in zip(self.cost, self.harm, self.picks, strict=True)
            ],
        }

    def save(self, path: str | Path) -> None:
        """Write `to_json` to a file, whole."""
        write_json(Path(path), self.to_json())

    def plot(self, axes: Axes, label: str | None = None, unit: float = 1.0, **style: Any) -> None:
        """Draw it as a staircase, harm on a logarithmic axis, costs divided by ``unit``."""
        axes.step(self.cost / unit, self.harm, where="post", label=label, **style)
        axes.set_yscale("log")


def frontier(problem: Problem, cost: str = "size") -> Frontier:
    """The frontier of one cost against the harm; limits on others are not taken.

    Parameters
    ----------
    problem
        Its limit on this cost, if it has one, cuts the frontier off above.
    cost
        The name of the cost.

    Raises
    ------
    InvalidInput
        There is no such cost, its limit is below what can be reached, or there is a limit on another cost.
    """
    clusters, cap = _prepared(problem, cost)
    stages: list[list[_Stage]] = []
    last, merged = _start(), 0.0
    for cluster in clusters:
        last, lost = _thinned(_extended([last], [list(range(len(cluster.choices)))], cluster, cost, cap))
        merged += lost
        stages.append([last])
    return _collected(problem, cost, stages, last, 0, merged, False)


def restricted_frontier(problem: Problem, sensitivity: Mapping[str, float], cost: str = "size") -> Frontier:
    """The frontier over assignments in which a more sensitive group is nowhere less costly than a less sensitive one.

    Parameters
    ----------
    problem, cost
        As in `frontier`; choices of every group are ordered by this cost, and all groups need equally many.
    sensitivity
        Of each group: trace or eigenvalue over dimension. Groups that share a choice count with their largest.

    Raises
    ------
    InvalidInput
        As `frontier`; a group has no sensitivity; numbers of choices differ.
    """
    clusters, cap = _prepared(problem, cost)
    missing = [g for g in problem.harm if g not in sensitivity]
    if missing:
        raise InvalidInput(f"restricted frontier: group '{missing[0]}' has no sensitivity")
    free = [k for k, c in enumerate(clusters) if len(c.choices) > 1]
    if len({len(clusters[k].choices) for k in free}) > 1:
        raise InvalidInput(
            "restricted frontier: groups have different numbers of choices, so no order of their choices is common"
        )
    levels = max((len(c.choices) for c in clusters), default=1)
    order = sorted(range(len(clusters)), key=lambda k: -max(sensitivity[g] for g in clusters[k].groups))
    stages: list[list[_Stage]] = []
    now, merged = [_start()] * levels, 0.0
    now[:-1] = [_empty()] * (levels - 1)  # from the dearest level downwards
    for k in order:
        cluster = clusters[k]
        if len(cluster.choices) == 1:
            parts = [_extended([s], [[0]], cluster, cost, cap, [level]) for level, s in enumerate(now)]
        else:
            ranks = np.argsort(cluster.costs[cost], kind="stable")
            parts = [
                _extended(
                    now[level:], [[int(ranks[level])]] * (levels - level), cluster, cost, cap, range(level, levels)
                )
                for level in range(levels)
            ]
        thinned = [_thinned(p) for p in parts]
        now, merged = [s for s, _ in thinned], merged + max(lost for _, lost in thinned)
        stages.append(now)
    final = _undominated(
        np.concatenate([s.cost for s in now]),
        np.concatenate([s.harm for s in now]),
        np.concatenate([np.arange(len(s.cost), dtype=np.int32) for s in now]),
        np.concatenate([np.full(len(s.cost), level, np.int16) for level, s in enumerate(now)]),
        np.zeros(sum(len(s.cost) for s in now), np.int16),
    )
    found = _collected(problem, cost, stages, final, None, merged, True)
    picks = np.empty_like(found.picks)
    picks[:, order] = found.picks
    return Frontier(problem, cost, found.cost, found.harm, picks, merged, True)


def _prepared(problem: Problem, cost: str) -> tuple[list[Cluster], float]:
    if cost not in problem.costs:
        raise InvalidInput(f"frontier: there is no cost '{cost}'; there are {', '.join(problem.costs) or 'none'}")
    others = [name for name in problem.limits if name != cost]
    if others:
        raise InvalidInput(
            f"frontier: a limit on {others[0]} beside {cost}; the frontier is of one cost, take the integer program"
        )
    cap = problem.bounds().get(cost, np.inf) - problem.constant.get(cost, 0.0)
    return problem.clusters(), cap


def _start() -> _Stage:
    return _Stage(np.zeros(1), np.zeros(1), np.zeros(1, np.int32), np.zeros(1, np.int16), np.zeros(1, np.int16))


def _empty() -> _Stage:
    return _Stage(np.zeros(0), np.zeros(0), np.zeros(0, np.int32), np.zeros(0, np.int16), np.zeros(0, np.int16))


def _extended(
    sets: Sequence[_Stage],
    choices: Sequence[Sequence[int]],
    cluster: Cluster,
    cost: str,
    cap: float,
    origins: Sequence[int] = (0,),
) -> _Stage:
    """All points of some sets with a cluster's choices added, the undominated of them."""
    parts = [(s, c, o) for s, cs, o in zip(sets, choices, origins, strict=True) for c in cs]
    total = np.concatenate([s.cost + cluster.costs[cost][c] for s, c, _ in parts])
    harm = np.concatenate([s.harm + cluster.harm[c] for s, c, _ in parts])
    before = np.concatenate([np.arange(len(s.cost), dtype=np.int32) for s, _, _ in parts])
    origin = np.concatenate([np.full(len(s.cost), o, np.int16) for s, _, o in parts])
    choice = np.concatenate([np.full(len(s.cost), c, np.int16) for s, c, _ in parts])
    if np.isfinite(cap):
        kept = total <= cap
        total, harm, before, origin, choice = total[kept], harm[kept], before[kept], origin[kept], choice[kept]
    return _undominated(total, harm, before, origin, choice)


def _undominated(
    cost: NDArray[np.float64],
    harm: NDArray[np.float64],
    before: NDArray[np.int32],
    origin: NDArray[np.int16],
    choice: NDArray[np.int16],
) -> _Stage:
    order = np.argsort(cost, kind="stable")  # runs that are sorted already: merging them is cheap
    cost, harm = cost[order], harm[order]
    least = np.minimum.accumulate(harm)
    better = np.empty(len(harm), bool)
    better[:1] = True
    better[1:] = harm[1:] < least[:-1]
    kept = np.flatnonzero(better)
    last = np.ones(len(kept), bool)  # of several at the same cost the last has the least harm
    last[:-1] = cost[kept[1:]] > cost[kept[:-1]]
    kept = kept[last]
    taken = order[kept]
    return _Stage(cost[kept], harm[kept], before[taken], origin[taken], choice[taken])


def _thinned(stage: _Stage) -> tuple[_Stage, float]:
    """At most `_MOST` points, the best of each of equal intervals of cost, and the harm that may be lost by it."""
    if len(stage.cost) <= _MOST:
        return stage, 0.0
    span = (stage.cost[-1] - stage.cost[0]) / (_MOST - 1)
    bucket = ((stage.cost - stage.cost[0]) / span).astype(np.int64)
    # the cheapest of an interval stands for it, so that a limit that could be met still can
    kept = np.flatnonzero(np.concatenate([[True], bucket[1:] > bucket[:-1]]))
    kept = np.union1d(kept, [len(bucket) - 1])
    ends = np.append(kept[1:], len(bucket)) - 1
    lost = float((stage.harm[kept] - stage.harm[ends]).max())
    return _Stage(*(getattr(stage, f)[kept] for f in ("cost", "harm", "before", "origin", "choice"))), lost


def _collected(
    problem: Problem,
    cost: str,
    stages: Sequence[Sequence[_Stage]],
    last: _Stage,
    level: int | None,
    merged: float,
    restricted: bool,
) -> Frontier:
    """Walk back from each last point to its choices."""
    picks = np.zeros((len(last.cost), len(stages)), np.int16)
    points = last.before if level is None else np.arange(len(last.cost), dtype=np.int32)
    levels = last.origin if level is None else np.full(len(last.cost), level, np.int16)
    for k in range(len(stages) - 1, -1, -1):
        before, origin = np.zeros_like(points), np.zeros_like(levels)
        for o, stage in enumerate(stages[k]):
            here = levels == o
            picks[here, k] = stage.choice[points[here]]
            before[here], origin[here] = stage.before[points[here]], stage.origin[points[here]]
        points, levels = before, origin
    constant = problem.constant.get(cost, 0.0)
    return Frontier(problem, cost, last.cost + constant, last.harm, picks, merged, restricted)

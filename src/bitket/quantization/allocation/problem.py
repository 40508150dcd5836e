"""Which choice for which group: a table of harms, tables of costs, limits; and an assignment with what it costs.

    minimise  sum_g harm[g, c_g]   with   sum_g cost[k, g, c_g] <= limit_k,   c_g equal within each set that shares, c_g given where fixed

A *choice* is a label, a number of bits (4) or the name of a scheme ("w4a8"); harms and costs add up over groups. Groups that must agree
(a skip convolution and the one that reads the same tensor; query, key and value) are solved as one.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitket.errors import InvalidInput
from bitket.files import read_json
from bitket.runs.files import write_json

__all__ = ["Allocation", "Choice", "Cluster", "Problem", "Share", "parse_limit"]

Choice = int | str
Table = Mapping[str, Mapping[Choice, float]]

_UNITS = {
    "": 1, "b": 1, "kb": 1e3, "mb": 1e6, "gb": 1e9, "kib": 2**10, "mib": 2**20, "gib": 2**30,
    "s": 1, "ms": 1e-3, "us": 1e-6, "k": 1e3, "m": 1e6, "g": 1e9, "t": 1e12,
}  # fmt: skip


@dataclass(frozen=True)
class Share:
    """A limit between the least cost that can be reached (0) and the greatest (1)."""

    fraction: float

    def __post_init__(self) -> None:
        if not 0 <= self.fraction <= 1:
            raise InvalidInput(f"limit: share {self.fraction}; from 0 (cheapest) to 1 (dearest)")


def parse_limit(text: str) -> float | Share:
    """A limit as people write it: ``"6.7 MB"`` (10^6 bytes; MiB are 2^20), ``"40 ms"``, ``"30 G"`` (bit operations), ``"50 %"`` (a share).

    >>> parse_limit("1.5 MiB"), parse_limit("40ms"), parse_limit("50 %")
    (1572864.0, 0.04, Share(fraction=0.5))

    Raises
    ------
    InvalidInput
        It is none of these.
    """
    found = re.fullmatch(r"\s*([0-9.]+(?:e[+-]?[0-9]+)?)\s*(%|[a-z]*)\s*", text, re.IGNORECASE)
    try:
        number = float(found[1]) if found else math.nan
    except ValueError:
        number = math.nan
    if found is None or not math.isfinite(number) or (found[2] != "%" and found[2].lower() not in _UNITS):
        raise InvalidInput(
            f"limit '{text}': a number with a unit is needed, as '6.7 MB', '1 MiB', '40 ms', '30 G' or '50 %'"
        )
    return Share(number / 100) if found[2] == "%" else number * _UNITS[found[2].lower()]


@dataclass(frozen=True)
class Cluster:
    """Groups that are solved as one.

    Attributes
    ----------
    groups, choices
        Its members, and what all of them allow.
    harm, costs
        ``[choices]`` sums over the members; costs by name.
    """

    groups: tuple[str, ...]
    choices: tuple[Choice, ...]
    harm: NDArray[np.float64]
    costs: Mapping[str, NDArray[np.float64]]


@dataclass(frozen=True)
class Problem:
    """What is to be minimised, within what.

    Attributes
    ----------
    harm
        Of each group and choice; negative values are possible.
    costs
        Tables by name (``"size"`` in bytes, ``"bit operations"``, ``"latency"`` in seconds), with the groups and choices of ``harm``.
    limits
        By the name of the cost: a number, a `Share`, or text as `parse_limit` reads.
    equal
        Sets of groups that get the same choice.
    fixed
        Choices that are given.
    constant
        What each cost has besides, whatever is chosen: layers that stay as they are. Limits and reported costs include it.
    """

    harm: Table
    costs: Mapping[str, Table] = field(default_factory=dict)
    limits: Mapping[str, float | Share | str] = field(default_factory=dict)
    equal: Sequence[Sequence[str]] = ()
    fixed: Mapping[str, Choice] = field(default_factory=dict)
    constant: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.harm:
            raise InvalidInput("allocation: there is no group; harm needs at least one")
        for what, table in (("harm", self.harm), *self.costs.items()):
            if set(table) != set(self.harm):
                odd = sorted(set(table) ^ set(self.harm))[0]
                raise InvalidInput(f"allocation: group '{odd}' is not both in harm and in the costs '{what}'")
            for group, row in table.items():
                if not row or set(row) != set(self.harm[group]):
                    raise InvalidInput(
                        f"allocation: '{what}' of group '{group}' has choices {list(row)}; harm has {list(self.harm[group])}"
                    )
                for choice, value in row.items():
                    if not math.isfinite(value) or (what in self.costs and table is not self.harm and value < 0):
                        raise InvalidInput(
                            f"allocation: '{what}' of group '{group}', choice {choice} is {value}; finite numbers, and costs from 0, are needed"
                        )
        for name in (*self.limits, *self.constant):
            if name not in self.costs:
                raise InvalidInput(
                    f"allocation: there is no cost '{name}'; there are {', '.join(self.costs) or 'none'}"
                )
        for group in (*(g for groups in self.equal for g in groups), *self.fixed):
            if group not in self.harm:
                raise InvalidInput(f"allocation: there is no group '{group}'")
        for group, choice in self.fixed.items():
            if choice not in self.harm[group]:
                raise InvalidInput(
                    f"allocation: group '{group}' has no choice {choice}; it has {list(self.harm[group])}"
                )

    def clusters(self) -> list[Cluster]:
        """The groups as they are solved, in the order of ``harm``.

        Raises
        ------
        InvalidInput
            Groups that must be equal have no choice in common.
        """
        head = {g: g for g in self.harm}

        def root(g: str) -> str:
            while head[g] != g:
                g = head[g]
            return g

        for groups in self.equal:
            for other in groups[1:]:
                head[root(other)] = root(groups[0])
        members: dict[str, list[str]] = {}
        for g in self.harm:
            members.setdefault(root(g), []).append(g)
        return [self._cluster(tuple(groups)) for groups in members.values()]

    def _cluster(self, groups: tuple[str, ...]) -> Cluster:
        choices = [
            c for c in self.harm[groups[0]] if all(c in self.harm[g] and self.fixed.get(g, c) == c for g in groups)
        ]
        if not choices:
            raise InvalidInput(f"allocation: groups {', '.join(groups)} must be equal, but no choice suits all of them")

        def row(table: Table) -> NDArray[np.float64]:
            return np.array([math.fsum(table[g][c] for g in groups) for c in choices])

        return Cluster(groups, tuple(choices), row(self.harm), {name: row(table) for name, table in self.costs.items()})

    def reach(self, name: str) -> tuple[float, float]:
        """The least and the greatest value that a cost can have."""
        rows = [c.costs[name] for c in self.clusters()]
        fixed = self.constant.get(name, 0.0)
        return math.fsum([fixed, *(r.min() for r in rows)]), math.fsum([fixed, *(r.max() for r in rows)])

    def bounds(self) -> dict[str, float]:
        """The limits as numbers.

        Raises
        ------
        InvalidInput
            One lies below what its cost can reach; the message names that.
        """
        found = {}
        for name, limit in self.limits.items():
            low, high = self.reach(name)
            value = parse_limit(limit) if isinstance(limit, str) else limit
            found[name] = low + value.fraction * (high - low) if isinstance(value, Share) else float(value)
            if not found[name] >= low:
                raise InvalidInput(
                    f"limit on {name}: {found[name]:.10g} cannot be met; the smallest that can be reached is {low:.10g}"
                )
        return found

    def allocation(self, choices: Mapping[str, Choice], solver: str = "by hand") -> Allocation:
        """An assignment of all groups, costed.

        Raises
        ------
        InvalidInput
            A group is missing or unknown, or a choice is.
        """
        if set(choices) != set(self.harm):
            odd = sorted(set(choices) ^ set(self.harm))[0]
            raise InvalidInput(f"allocation: group '{odd}' is missing or unknown")
        for group, choice in choices.items():
            if choice not in self.harm[group]:
                raise InvalidInput(
                    f"allocation: group '{group}' has no choice {choice}; it has {list(self.harm[group])}"
                )
        ordered = {g: choices[g] for g in self.harm}
        costs = {
            name: math.fsum([self.constant.get(name, 0.0), *(table[g][c] for g, c in ordered.items())])
            for name, table in self.costs.items()
        }
        return Allocation(self, ordered, math.fsum(self.harm[g][c] for g, c in ordered.items()), costs, solver)

    def spread(self, picks: Sequence[int], solver: str) -> Allocation:
        """The allocation in which each cluster takes the choice of an index."""
        chosen = zip(self.clusters(), picks, strict=True)
        return self.allocation({g: c.choices[k] for c, k in chosen for g in c.groups}, solver)


@dataclass(frozen=True)
class Allocation:
    """Choices of all groups with their harm and costs.

    Attributes
    ----------
    problem
        What it is a solution of.
    choices, harm, costs
        By group; the sum; by name.
    solver
        What made it.
    """

    problem: Problem = field(repr=False)
    choices: Mapping[str, Choice]
    harm: float
    costs: Mapping[str, float]
    solver: str

    def edited(self, changes: Mapping[str, Choice]) -> Allocation:
        """The same with other choices for some groups, costed anew; neither limits nor equalities are enforced, `violations` names them."""
        return self.problem.allocation({**self.choices, **changes}, f"{self.solver}, edited")

    def violations(self) -> list[str]:
        """What it breaks: limits, equalities, fixed choices; one line each."""
        found = [
            f"{name} is {self.costs[name]:.6g}, its limit {bound:.6g}"
            for name, bound in self.problem.bounds().items()
            if self.costs[name] > bound
        ]
        for groups in self.problem.equal:
            if len({self.choices[g] for g in groups}) > 1:
                found.append(f"{', '.join(groups)} differ")
        return found + [
            f"{g} is {self.choices[g]}, not {c}" for g, c in self.problem.fixed.items() if self.choices[g] != c
        ]

    def rows(self) -> list[dict[str, Any]]:
        """One mapping a group: its choice, harm, and costs."""
        return [
            {"group": g, "choice": c, "harm": self.problem.harm[g][c]}
            | {name: table[g][c] for name, table in self.problem.costs.items()}
            for g, c in self.choices.items()
        ]

    def __str__(self) -> str:
        total = {"group": f"sum ({self.solver})", "choice": "", "harm": self.harm, **self.costs}
        rows = [
            {k: f"{v:.6g}" if isinstance(v, float) else str(v) for k, v in row.items()} for row in (*self.rows(), total)
        ]
        widths = {k: max(len(k), *(len(row[k]) for row in rows)) for k in rows[0]}
        lines = [{k: k for k in widths}, *rows]
        return "\n".join(
            "  ".join(f"{line[k]:<{w}}" if k == "group" else f"{line[k]:>{w}}" for k, w in widths.items())
            for line in lines
        )

    def to_json(self) -> dict[str, Any]:
        """Choices, harm, costs, limits and solver as JSON values."""
        return {
            "choices": dict(self.choices),
            "harm": self.harm,
            "costs": dict(self.costs),
            "limits": self.problem.bounds(),
            "solver": self.solver,
        }

    def save(self, path: str | Path) -> None:
        """Write `to_json` to a file, whole."""
        write_json(Path(path), self.to_json())

    @classmethod
    def load(cls, path: str | Path, problem: Problem) -> Allocation:
        """Choices from a file, which may have been edited, costed by a problem.

        Raises
        ------
        InvalidInput
            The file is no allocation of this problem's groups.
        """
        data = read_json(path)
        choices = data.get("choices") if isinstance(data, dict) else None
        if not isinstance(choices, dict) or not all(
            isinstance(c, int | str) and not isinstance(c, bool) for c in choices.values()
        ):
            raise InvalidInput(f"{path}: not an allocation; an object with 'choices' by group is needed")
        solver = data.get("solver")
        try:
            found = problem.allocation(choices)
        except InvalidInput as error:
            raise InvalidInput(f"{path}: {error}") from None
        return replace(found, solver=solver) if isinstance(solver, str) else found

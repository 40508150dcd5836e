"""Groups of Pauli terms that can be measured together.

Terms that commute qubit by qubit share one product basis; terms that merely commute share a basis behind a Clifford circuit. A
grouping is a colouring of the graph whose edges join terms that do *not* commute; the colouring here is greedy and deterministic. Which
term chooses first makes the difference: that of most conflicts (Welsh and Powell 1967), that of largest coefficient (sorted insertion;
Crawford et al. 2021), which gathers weight in the first groups, or that whose conflicts lie in most groups already (Brélaz 1979). None
is best everywhere, so that by default all are tried.

>>> from bitket.algebra.pauli_sum import PauliSum
>>> groups = group_terms(PauliSum.from_list([("ZZ", 1.0), ("ZI", 2.0), ("XX", 0.5)]), "qubitwise")
>>> [g.labels() for g in groups]
[['XX'], ['ZZ', 'ZI']]
>>> [shared_basis(g) for g in groups]
['XX', 'ZZ']
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Protocol, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from bitket.algebra.pauli import PauliError, PauliString

__all__ = ["Order", "Relation", "conflicts", "group_terms", "shared_basis"]

Relation = Literal["qubitwise", "commuting"]
Order = Literal["fewest", "conflicts", "magnitude", "saturation"]
_PAIRS_AT_ONCE = 1 << 22


class Terms(Protocol):
    """What a grouping reads of an operator: bit-packed masks ``[terms, words]`` and coefficients."""

    num_qubits: int
    x: Any
    z: Any
    coefficients: Any

    def __len__(self) -> int: ...

    def masks(self) -> list[tuple[complex, int, int]]:
        """``(coefficient, x, z)`` of each term."""

    def take(self, rows: Sequence[int]) -> Self:
        """The operator of some of the terms."""


_Terms = TypeVar("_Terms", bound=Terms)


def conflicts(operator: Terms, relation: Relation, rows: slice = slice(None)) -> NDArray[np.bool_]:
    """``[rows, terms]``: True where two terms cannot be in one group."""
    x1, z1, x2, z2 = operator.x[rows, None], operator.z[rows, None], operator.x[None], operator.z[None]
    if relation == "qubitwise":
        both = (x1 | z1) & (x2 | z2)
        return np.asarray((both & ((x1 ^ x2) | (z1 ^ z2))).any(axis=-1))
    if relation == "commuting":
        odd = np.bitwise_count(x1 & z2).sum(-1, dtype=np.int64) + np.bitwise_count(z1 & x2).sum(-1, dtype=np.int64)
        return np.asarray(odd % 2 == 1)
    raise PauliError(f"grouping by {relation!r}: 'qubitwise' and 'commuting' are known")


def group_terms(operator: _Terms, relation: Relation = "qubitwise", order: Order = "fewest") -> list[_Terms]:
    """The terms in groups whose members commute in the given sense; each term is in one group.

    Parameters
    ----------
    order
        Which terms choose first: those of most ``"conflicts"``, those of largest ``"magnitude"`` of the coefficient, or always the
        one whose conflicts lie in most groups (``"saturation"``); ``"fewest"``: the order that gives the fewest groups.

    Raises
    ------
    PauliError
        The relation or order is not known.
    """
    if order not in ("fewest", *_ORDERS):
        raise PauliError(f"grouping in order of {order!r}: 'fewest', {', '.join(map(repr, _ORDERS))} are known")
    found = [_colour(operator, relation, way) for way in (_ORDERS if order == "fewest" else (order,))]
    return [operator.take(sorted(group)) for group in min(found, key=len)]


_ORDERS = ("conflicts", "magnitude", "saturation")


def _colour(operator: Terms, relation: Relation, order: str) -> list[list[int]]:
    terms = len(operator)
    rank = np.abs(operator.coefficients)
    if order != "magnitude":
        step = max(1, _PAIRS_AT_ONCE // max(1, terms))  # the terms x terms matrix itself is never held
        degrees = [conflicts(operator, relation, slice(i, i + step)).sum(axis=1) for i in range(0, terms, step)]
        rank = np.concatenate([np.zeros(0, dtype=np.int64), *degrees])
    sequence = np.argsort(-rank, kind="stable")
    members: list[list[int]] = []
    blocked = np.zeros((16, terms), dtype=bool)  # for each group, the terms that conflict with a member
    saturation = np.zeros(terms, dtype=np.int64)  # in how many groups each has a conflict; below 0 once it is placed
    for k in range(terms):
        t = int(sequence[np.argmax(saturation[sequence])] if order == "saturation" else sequence[k])
        free = np.flatnonzero(~blocked[: len(members), t])
        group = int(free[0]) if len(free) else len(members)
        if group == len(members):
            members.append([])
            if group == len(blocked):
                blocked = np.concatenate([blocked, np.zeros_like(blocked)])
        members[group].append(t)
        row = conflicts(operator, relation, slice(t, t + 1))[0]
        saturation += row & ~blocked[group]
        saturation[t] = -terms - 1
        blocked[group] |= row
    return members


def shared_basis(group: Terms) -> str:
    """The product basis of a qubit-wise commuting group: one letter a qubit (qubit 0 rightmost), I where nothing is measured.

    Raises
    ------
    PauliError
        Two terms differ on a qubit.
    """
    if conflicts(group, "qubitwise").any():
        raise PauliError("shared basis: the terms do not commute qubit by qubit")
    x = z = 0
    for _, tx, tz in group.masks():
        x, z = x | tx, z | tz
    return PauliString(group.num_qubits, x, z).label

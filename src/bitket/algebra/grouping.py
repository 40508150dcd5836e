"""Groups of Pauli terms that can be measured together.

Terms that commute qubit by qubit share one product basis; terms that merely commute share a basis behind a Clifford circuit. A
grouping is a colouring of the graph whose edges join terms that do *not* commute; the colouring here is greedy, terms of most
conflicts first (Welsh and Powell 1967), which is deterministic and usually within a few groups of the best known. Largest terms first
(sorted insertion; Crawford et al. 2021) gives more groups but gathers weight in the first of them.

>>> from bitket.algebra.pauli_sum import PauliSum
>>> groups = group_terms(PauliSum.from_list([("ZZ", 1.0), ("ZI", 2.0), ("XX", 0.5)]), "qubitwise")
>>> [g.labels() for g in groups]
[['XX'], ['ZZ', 'ZI']]
>>> [shared_basis(g) for g in groups]
['XX', 'ZZ']
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from bitket.algebra.pauli import PauliError, PauliString
from bitket.algebra.pauli_sum import PauliSum

__all__ = ["conflicts", "group_terms", "shared_basis"]

Relation = Literal["qubitwise", "commuting"]
_PAIRS_AT_ONCE = 1 << 22


def conflicts(operator: PauliSum, relation: Relation, rows: slice = slice(None)) -> NDArray[np.bool_]:
    """``[rows, terms]``: True where two terms cannot be in one group."""
    x1, z1, x2, z2 = operator.x[rows, None], operator.z[rows, None], operator.x[None], operator.z[None]
    if relation == "qubitwise":
        both = (x1 | z1) & (x2 | z2)
        return np.asarray((both & ((x1 ^ x2) | (z1 ^ z2))).any(axis=-1))
    if relation == "commuting":
        odd = np.bitwise_count(x1 & z2).sum(-1, dtype=np.int64) + np.bitwise_count(z1 & x2).sum(-1, dtype=np.int64)
        return np.asarray(odd % 2 == 1)
    raise PauliError(f"grouping by {relation!r}: 'qubitwise' and 'commuting' are known")


def group_terms(
    operator: PauliSum, relation: Relation = "qubitwise", order: Literal["conflicts", "magnitude"] = "conflicts"
) -> list[PauliSum]:
    """The terms in groups whose members commute in the given sense; each term is in one group.

    Parameters
    ----------
    order
        Which terms choose first: those of most conflicts, or those of largest absolute coefficient.
    """
    terms = len(operator)
    if order == "magnitude":
        rank = -np.abs(operator.coefficients)
    elif order == "conflicts":
        step = max(1, _PAIRS_AT_ONCE // max(1, terms))  # the terms x terms matrix itself is never held
        degrees = [conflicts(operator, relation, slice(i, i + step)).sum(axis=1) for i in range(0, terms, step)]
        rank = -np.concatenate([np.zeros(0, dtype=np.int64), *degrees])
    else:
        raise PauliError(f"grouping in order of {order!r}: 'conflicts' and 'magnitude' are known")
    members: list[list[int]] = []
    blocked = np.zeros((16, terms), dtype=bool)  # for each group, the terms that conflict with a member
    for t in np.argsort(rank, kind="stable").tolist():
        free = np.flatnonzero(~blocked[: len(members), t])
        group = int(free[0]) if len(free) else len(members)
        if group == len(members):
            members.append([])
            if group == len(blocked):
                blocked = np.concatenate([blocked, np.zeros_like(blocked)])
        members[group].append(t)
        blocked[group] |= conflicts(operator, relation, slice(t, t + 1))[0]
    return [
        PauliSum(operator.num_qubits, operator.x[rows], operator.z[rows], operator.coefficients[rows])
        for rows in (sorted(group) for group in members)
    ]


def shared_basis(group: PauliSum) -> str:
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

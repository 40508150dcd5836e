"""Groups of Pauli terms that can be measured together.

Terms that commute qubit by qubit share one product basis; terms that merely commute share a basis behind a Clifford circuit. A
grouping is a colouring of the graph whose edges join terms that do *not* commute; the colouring here is greedy, terms of most
conflicts first (Welsh and Powell 1967), which is deterministic and usually within a few groups of the best known.

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


def conflicts(operator: PauliSum, relation: Relation) -> NDArray[np.bool_]:
    """``[terms, terms]``: True where two terms cannot be in one group."""
    x1, z1, x2, z2 = operator.x[:, None], operator.z[:, None], operator.x[None], operator.z[None]
    if relation == "qubitwise":
        both = (x1 | z1) & (x2 | z2)
        return np.asarray((both & ((x1 ^ x2) | (z1 ^ z2))).any(axis=-1))
    if relation == "commuting":
        odd = np.bitwise_count(x1 & z2).sum(-1, dtype=np.int64) + np.bitwise_count(z1 & x2).sum(-1, dtype=np.int64)
        return np.asarray(odd % 2 == 1)
    raise PauliError(f"grouping by {relation!r}: 'qubitwise' and 'commuting' are known")


def group_terms(operator: PauliSum, relation: Relation = "qubitwise") -> list[PauliSum]:
    """The terms in groups whose members commute in the given sense; each term is in one group."""
    matrix = conflicts(operator, relation)
    order = np.argsort(-matrix.sum(axis=1), kind="stable")
    members: list[list[int]] = []
    blocked: list[NDArray[np.bool_]] = []  # for each group, the terms that conflict with a member
    for t in order.tolist():
        for group, taken in zip(members, blocked, strict=True):
            if not taken[t]:
                group.append(t)
                taken |= matrix[t]
                break
        else:
            members.append([t])
            blocked.append(matrix[t].copy())
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

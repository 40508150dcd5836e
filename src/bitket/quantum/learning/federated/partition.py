"""How rows are dealt to clients: evenly, by a Dirichlet draw for each class, or sorted by label.

A Dirichlet draw with concentration alpha gives client c the share p_c of each class, p ~ Dir(alpha, ..., alpha): the smaller alpha, the more
one-sided the clients (Hsu, Qi and Brown 2019, arXiv:1909.06335).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bitket.errors import InvalidInput

__all__ = ["by_dirichlet", "by_label", "evenly", "most_clients"]

Rows = NDArray[np.int64]


def most_clients(rows: int, clients: int) -> None:
    """Refuse more clients than rows.

    Raises
    ------
    InvalidInput
        So it is, or there is none.
    """
    if not 1 <= clients <= rows:
        raise InvalidInput(f"{rows} rows for {clients} clients: at least one row each and one client are needed")


def evenly(rows: int, clients: int, generator: np.random.Generator) -> list[Rows]:
    """Rows at random, as many for each client as can be."""
    most_clients(rows, clients)
    return [np.sort(part) for part in np.array_split(generator.permutation(rows), clients)]


def by_dirichlet(
    labels: Sequence[int] | Rows, clients: int, alpha: float, generator: np.random.Generator
) -> list[Rows]:
    """Shares of each class drawn from Dir(alpha); a client that gets nothing is given one row of the largest one."""
    y = np.asarray(labels)
    most_clients(len(y), clients)
    if not 0 < alpha < math.inf:
        raise InvalidInput(f"Dirichlet partition with alpha {alpha}: a positive number is needed")
    parts: list[list[int]] = [[] for _ in range(clients)]
    for label in np.unique(y):
        rows = generator.permutation(np.flatnonzero(y == label))
        ends = np.round(np.cumsum(generator.dirichlet(np.full(clients, alpha))) * len(rows)).astype(int)
        for part, piece in zip(parts, np.split(rows, ends[:-1]), strict=True):
            part.extend(piece.tolist())
    for part in parts:
        if not part:
            part.append(max(parts, key=len).pop())
    return [np.array(sorted(part), dtype=np.int64) for part in parts]


def by_label(labels: Sequence[int] | Rows, clients: int, generator: np.random.Generator) -> list[Rows]:
    """Rows sorted by label (at random within one) and cut into equal pieces: most clients see one class alone."""
    y = np.asarray(labels)
    most_clients(len(y), clients)
    shuffled = generator.permutation(len(y))
    return [np.sort(part) for part in np.array_split(shuffled[np.argsort(y[shuffled], kind="stable")], clients)]

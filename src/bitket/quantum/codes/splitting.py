"""Classical weight reduction: heavy checks become chains of light ones, heavy bits become tied copies.

A check on bits v_1 ... v_w with w > 3 becomes  v_1 + v_2 + y_1 = 0,  y_1 + v_3 + y_2 = 0, ...,  y_{w-3} + v_{w-1} + v_w = 0  with w - 3 new
bits. A bit in m > 3 checks becomes m copies, each in one of them, tied in a chain by m - 1 checks of weight 2. Words extend in
one way: k stays, and no word gets lighter.
"""

from __future__ import annotations

import itertools

import numpy as np

from bitket.errors import InvalidInput
from bitket.quantum.codes.code import ClassicalCode

__all__ = ["classical_reduction"]


def classical_reduction(code: ClassicalCode, check_degree: int = 3, bit_degree: int = 3) -> ClassicalCode:
    """A code whose checks and bits have degrees of at most 3 (or the targets, where larger) with the same k and no smaller d.

    Raises
    ------
    InvalidInput
        A target below 3, which splitting does not reach.
    """
    if min(check_degree, bit_degree) < 3:
        raise InvalidInput(f"splitting to degrees {check_degree} and {bit_degree}: it reaches 3 and 3")
    n, rows = code.n, []
    for check in code.checks:
        bits = np.flatnonzero(check).tolist()
        while len(bits) > check_degree:
            rows.append([*bits[: check_degree - 1], n])
            bits = [n, *bits[check_degree - 1 :]]
            n += 1
        rows.append(bits)
    users: list[list[int]] = [[] for _ in range(n)]
    for c, row in enumerate(rows):
        for v in row:
            users[v].append(c)
    ties = []
    for v, checks in enumerate(users):
        if len(checks) <= bit_degree:
            continue
        copies = [v, *range(n, n + len(checks) - 1)]
        n += len(checks) - 1
        for copy, c in zip(copies, checks, strict=True):
            rows[c] = [copy if u == v else u for u in rows[c]]
        ties += [[a, b] for a, b in itertools.pairwise(copies)]
    H = np.zeros((len(rows) + len(ties), n), np.uint8)
    for c, row in enumerate(rows + ties):
        H[c, row] = 1
    return ClassicalCode(H, f"{code.name} split" if code.name else "")

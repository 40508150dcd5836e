"""The tensor of a ZX diagram, by summing over the bit of one spider after another.

The sum in `bitket.quantum.circuits.zx.graph` is a product of factors of one or two bits. Summing over a bit multiplies the factors
that hold it into one over its neighbours; next comes always the bit with fewest neighbours. Time and memory grow as 2^w, w the most
neighbours met, which is at least the number of inputs and outputs. No rewrite rule is used: the rules are tested against this.
"""

from __future__ import annotations

import cmath
import math
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from bitket.quantum.circuits.zx.graph import Graph, ZXError

__all__ = ["tensor"]

_MOST_BITS = 26
_EQUAL = np.eye(2, dtype=complex)
_SIGN = np.array([[1, 1], [1, -1]], dtype=complex)
_HADAMARD = np.array([[1, 1], [1, -1]], dtype=complex) / complex(math.sqrt(2))

Tensor = NDArray[np.complex128]
Factor = tuple[tuple[int, ...], Tensor]


def tensor(graph: Graph) -> Tensor:
    """The tensor of a diagram, see `ZXGraph.to_tensor`."""
    ends = [*graph.outputs, *graph.inputs]
    for b in ends:
        if b not in graph._end:
            raise ZXError(f"tensor of a diagram whose {'output' if b in graph.outputs else 'input'} {b} has no edge")
    order, bits = _order(graph)
    if max(bits, len(ends)) > _MOST_BITS:
        raise ZXError(
            f"tensor of {graph}: it takes 2^{max(bits, len(ends))} entries, at most 2^{_MOST_BITS} are allowed"
        )
    holding: dict[int, list[Factor]] = {
        v: [] for v in order
    }  # each factor stands with the first of its bits in the order
    rank = {v: i for i, v in enumerate(order)}
    kept: list[Factor] = []

    def put(names: tuple[int, ...], array: Tensor) -> None:
        first = min(names, key=lambda v: rank.get(v, len(order)), default=-1)
        holding.get(first, kept).append((names, array))

    for v, units in graph._phase.items():
        put((v,), np.array([1, cmath.exp(1j * math.pi * units / graph._unit)]))
    for table, array in ((graph._equal, _EQUAL), (graph._sign, _SIGN)):
        for u, around in table.items():
            for v in around:
                if u < v:
                    put((u, v), array)
    for b, (v, sign) in graph._end.items():
        if v in graph._phase or b < v:
            put((b, v), _HADAMARD if sign else _EQUAL)
    for v in order:
        names, array = _product(holding.pop(v))
        axis = names.index(v)
        put((*names[:axis], *names[axis + 1 :]), array.sum(axis))
    names, array = _product(kept)
    scalar = replace(graph.scalar, power=graph._power)  # signs, as they stand here, are without the 1/√2 of H
    return np.asarray(complex(scalar) * array.transpose([names.index(b) for b in ends]))


def _product(factors: Iterable[Factor]) -> Factor:
    """One factor over all bits of the given ones."""
    factors = list(factors)
    names = tuple(dict.fromkeys(v for vs, _ in factors for v in vs))
    place = {v: i for i, v in enumerate(names)}
    out = np.ones((2,) * len(names), dtype=complex)
    for vs, array in factors:
        at = [place[v] for v in vs]
        shape = [1] * len(names)
        for i in at:
            shape[i] = 2
        out *= array.transpose(np.argsort(at)).reshape(shape)
    return names, out


def _order(graph: Graph) -> tuple[list[int], int]:
    """Spiders in the order of their sums, and the most bits that a product has on the way."""
    around = {v: graph._equal[v] | graph._sign[v] | graph._legs[v] for v in graph._phase}
    order, most = [], 0
    while around:
        v = min(around, key=lambda v: len(around[v]))
        mine = around.pop(v)
        most = max(most, len(mine) + 1)
        order.append(v)
        for w in mine:
            if w in around:
                around[w] |= mine
                around[w] -= {v, w}
    return order, most

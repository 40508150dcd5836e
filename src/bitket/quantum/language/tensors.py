"""Meanings as tensors: a functor sends types to dimensions and diagrams to arrays, cups to sums over a shared index.

    F(f >> g) = F(g) F(f),   F(f @ g) = F(f) ⊗ F(g),   F(cup) = sum_i <ii|,   F(spider) = sum_i |i...i><i...i|

The network is contracted pair by pair, the pair with the smallest result first.

>>> import numpy as np
>>> from bitket.quantum.language.diagram import Cap, Cup, Diagram
>>> n = Ty("n")
>>> F = TensorFunctor({"n": 3}, {})
>>> np.array_equal(F(Cap(n, n.l) @ n >> n @ Cup(n.l, n)), np.eye(3))
True
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitket.errors import InvalidInput
from bitket.quantum.language.diagram import Box, Cap, Cup, Diagram, Spider, Swap, Word
from bitket.quantum.language.types import Ty

__all__ = ["TensorFunctor"]

Array = NDArray[Any]


class TensorFunctor:
    """Numeric semantics.

    Parameters
    ----------
    dimensions
        Of each basic type, by name; adjoints have the same.
    boxes
        Array of each box by name or (name, type of the word), or a function of the box: shape ``[*word's type]`` for a `Word`,
        ``[*dom, *cod]`` (before any turn) for another box.
    """

    def __init__(self, dimensions: Mapping[str, int], boxes: Mapping[Any, Any] | Callable[[Box], Any]) -> None:
        self.dimensions, self.boxes = dict(dimensions), boxes

    def shape(self, ty: Ty) -> tuple[int, ...]:
        """Dimensions of a type."""
        missing = [t.name for t in ty.simples if t.name not in self.dimensions]
        if missing:
            raise InvalidInput(f"type {missing[0]}: it has no dimension; there are {', '.join(self.dimensions)}")
        return tuple(self.dimensions[t.name] for t in ty.simples)

    def _array(self, box: Box) -> Array:
        """Array ``[*dom, *cod]`` of a box that is neither cup, cap, swap nor spider."""
        if callable(self.boxes):
            raw = np.asarray(self.boxes(box))
        else:
            key = (box.name, box.type) if isinstance(box, Word) else box.name
            if key not in self.boxes:
                key = box.name
            if key not in self.boxes:
                raise InvalidInput(f"box '{box.name}': it has no array")
            raw = np.asarray(self.boxes[key])
        if isinstance(box, Word):
            ty, (p, q) = box.type, box.bent
            shape = self.shape(ty)
            if raw.size != math.prod(shape):
                raise InvalidInput(f"word '{box.name}': an array of shape {shape} is needed, not {raw.shape}")
            k = len(shape)
            raw = raw.reshape(shape).transpose([*reversed(range(p)), *reversed(range(k - q, k)), *range(p, k - q)])
            split = p + q
        else:
            ends = (box.cod, box.dom) if (box.z % 2) != box.adjoint else (box.dom, box.cod)
            split = len(ends[0])
            wanted = self.shape(ends[0]) + self.shape(ends[1])
            wanted = (
                wanted if not box.z % 2 else tuple(reversed(self.shape(ends[0]))) + tuple(reversed(self.shape(ends[1])))
            )
            if raw.size != math.prod(wanted):
                raise InvalidInput(f"box '{box.name}': an array of shape {wanted} is needed, not {raw.shape}")
            raw = raw.reshape(wanted)
        if box.adjoint:
            raw = raw.conj().transpose([*range(split, raw.ndim), *range(split)])
        return raw.transpose() if box.z % 2 else raw

    def __call__(self, diagram: Diagram) -> Array:
        """Array ``[*dom, *cod]`` of a diagram.

        Raises
        ------
        InvalidInput
            A type has no dimension, or a box no array of its shape.
        """
        parent: list[int] = []
        sizes: list[int] = []

        def fresh(ty: Ty) -> list[int]:
            start = len(parent)
            parent.extend(range(start, start + len(ty)))
            sizes.extend(self.shape(ty))
            return list(range(start, start + len(ty)))

        def root(a: int) -> int:
            while parent[a] != a:
                a = parent[a]
            return a

        def join(labels: list[int]) -> None:
            for other in labels[1:]:
                parent[root(other)] = root(labels[0])

        ends = fresh(diagram.dom)
        wires = list(ends)
        arrays: list[tuple[Array, list[int]]] = []
        for box, o in diagram.offsets:
            ins = wires[o : o + len(box.dom)]
            if isinstance(box, Swap):
                outs = ins[::-1]
            else:
                outs = fresh(box.cod)
                if isinstance(box, Cup | Cap | Spider):
                    join(ins + outs)
                else:
                    arrays.append((self._array(box), ins + outs))
            wires[o : o + len(box.dom)] = outs
        operands = [(array, [root(a) for a in labels]) for array, labels in arrays]
        results: list[int] = []
        known = {a for _, labels in operands for a in labels}
        for a in map(root, [*ends, *wires]):
            if a in results:  # an index that ends twice, or on both sides: a copy of it
                copy = len(parent)
                parent.append(copy)
                sizes.append(sizes[a])
                operands.append((np.eye(sizes[a]), [a, copy]))
                results.append(copy)
            else:
                results.append(a)
            known.add(results[-1])
        covered = {a for _, labels in operands for a in labels}
        operands += [(np.ones(sizes[a]), [a]) for a in dict.fromkeys(results) if a not in covered]
        closed = {root(a) for a in range(len(parent))} - known - covered
        scalar = math.prod(sizes[a] for a in closed)
        return scalar * _contract(operands, results)


def _contract(operands: list[tuple[Array, list[int]]], results: list[int]) -> Array:
    """The sum over all labels that are not in ``results``."""
    if not operands:
        return np.ones(())
    work = list(operands)

    def kept(pair: tuple[int, ...]) -> list[int]:
        outside = set(results).union(*(labels for k, (_, labels) in enumerate(work) if k not in pair))
        return [a for a in dict.fromkeys(a for k in pair for a in work[k][1]) if a in outside]

    size = {a: n for array, labels in work for a, n in zip(labels, array.shape, strict=True)}
    while len(work) > 1:
        touching = [p for p in combinations(range(len(work)), 2) if set(work[p[0]][1]) & set(work[p[1]][1])]
        pair = min(touching or [(0, 1)], key=lambda p: math.prod(size[a] for a in kept(p)))
        labels = kept(pair)
        merged = _einsum([work[k] for k in pair], labels)
        work = [w for k, w in enumerate(work) if k not in pair] + [(merged, labels)]
    return _einsum(work, results)


def _einsum(parts: list[tuple[Array, list[int]]], labels: list[int]) -> Array:
    local = {a: k for k, a in enumerate(dict.fromkeys(a for _, part in parts for a in part))}
    arguments: list[Any] = []
    for array, part in parts:
        arguments += [array, [local[a] for a in part]]
    return np.asarray(np.einsum(*arguments, [local[a] for a in labels]))

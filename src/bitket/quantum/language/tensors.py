"""Meanings of diagrams as tensors: a functor to linear maps.

>>> from bitket.quantum.language.diagram import Word, cup, Diagram
>>> from bitket.quantum.language.types import Ty
>>> n, s = Ty("n"), Ty("s")
>>> sentence = Word("Bob", n) @ Word("runs", n.r @ s) >> cup(n, n.r) @ Diagram.id(s)
>>> F = TensorFunctor({"n": 2, "s": 2}, {"Bob": [1, 0], "runs": [[0, 1], [1, 0]]})
>>> F(sentence).tolist()
[0.0, 1.0]
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bitket.quantum.language.diagram import Box, Diagram
from bitket.quantum.language.types import GrammarError, Ty

__all__ = ["TensorFunctor"]


@dataclass(frozen=True)
class TensorFunctor:
    """Dimensions of basic types, and arrays of words and boxes.

    Attributes
    ----------
    dimensions
        Of each basic type; adjoints have the same.
    arrays
        By name: shaped as all of the box's inputs, then all of its outputs (any shape of that size).
    """

    dimensions: Mapping[str, int]
    arrays: Mapping[str, ArrayLike]

    def shape(self, wires: Ty) -> tuple[int, ...]:
        """Dimensions of wires."""
        missing = [t.name for t in wires if t.name not in self.dimensions]
        if missing:
            raise GrammarError(f"type {missing[0]}: its dimension was not given")
        return tuple(self.dimensions[t.name] for t in wires)

    def box(self, box: Box) -> NDArray[Any]:
        """The array of a box, inputs first."""
        shape = self.shape(box.dom) + self.shape(box.cod)
        if box.kind in ("cup", "cap"):
            return np.eye(shape[0])
        if box.kind == "swap":
            a, b = self.shape(box.dom)
            return np.einsum("il,jk->ijkl", np.eye(a), np.eye(b))
        if box.kind == "spider":
            out = np.zeros(shape or (1,))
            for i in range(shape[0] if shape else 1):
                out[(i,) * len(shape)] = 1
            return out
        if box.name not in self.arrays:
            raise GrammarError(f"{box.kind} {box.name!r}: its array was not given")
        array = np.asarray(self.arrays[box.name])
        if array.size != math.prod(shape):
            raise GrammarError(f"{box.kind} {box.name!r}: its array has {array.size} entries, {shape} are needed")
        if box.is_dagger:  # given for the box the right way up
            dom, cod = self.shape(box.cod), self.shape(box.dom)
            whole = array.reshape(dom + cod).conj()
            return np.moveaxis(whole, range(len(dom)), range(len(cod), len(shape)))
        return array.reshape(shape)

    def __call__(self, diagram: Diagram) -> NDArray[Any]:
        """The linear map of a diagram, ``[inputs..., outputs...]``."""
        dom = self.shape(diagram.dom)
        k = len(dom)
        tensor: NDArray[Any] = np.eye(math.prod(dom)).reshape(dom + dom)
        for offset, box in diagram.layers:
            array, m = self.box(box), len(box.dom)
            at = k + offset
            tensor = np.tensordot(tensor, array, (range(at, at + m), range(m)))
            outputs = range(tensor.ndim - len(box.cod), tensor.ndim)
            tensor = np.moveaxis(tensor, outputs, range(at, at + len(box.cod)))
        return tensor

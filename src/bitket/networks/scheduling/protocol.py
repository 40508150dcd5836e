"""Repeater protocols: trees of link generations, swaps and distillations that end in one pair between two users.

>>> left, right = Step.link("a", "b", 0.9, 5, 20.0), Step.link("b", "c", 0.8, 3, 40.0)
>>> protocol = RepeaterProtocol(Step.swap(left, right), ("a", "b", "c"), 0.01)
>>> protocol.links, protocol.swaps, round(protocol.fidelity, 6), protocol.root.nodes
(2, 1, 0.726667, ('a', 'b', 'c'))
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal

from bitket.networks import werner

__all__ = ["OperationKind", "RepeaterProtocol", "Step"]

OperationKind = Literal["link", "swap", "distil"]


@dataclass(frozen=True, eq=False)
class Step:
    """One operation and, below it, those whose pairs it takes.

    Attributes
    ----------
    kind
        ``link``, ``swap`` or ``distil``.
    nodes
        The two ends of the pair; for a swap (left end, pivot, right end).
    fidelity
        Of the pair it gives.
    slots
        Its duration.
    inputs
        None for a link, two for the others; a distillation keeps the qubits of the first.
    rate
        Of a link, in hertz: the capability that it uses.
    """

    kind: OperationKind
    nodes: tuple[str, ...]
    fidelity: float
    slots: int
    inputs: tuple[Step, ...] = ()
    rate: float = 0.0

    @classmethod
    def link(cls, a: str, b: str, fidelity: float, slots: int, rate: float) -> Step:
        """Make a pair between neighbours."""
        return cls("link", (a, b), fidelity, slots, (), rate)

    @classmethod
    def swap(cls, left: Step, right: Step) -> Step:
        """Join two pairs at the node where they meet."""
        nodes = (left.ends[0], left.ends[1], right.ends[1])
        return cls("swap", nodes, werner.swap(left.fidelity, right.fidelity), 1, (left, right))

    @classmethod
    def distil(cls, kept: Step, spent: Step) -> Step:
        """One better pair from two with the same ends."""
        return cls("distil", kept.ends, werner.distil(kept.fidelity, spent.fidelity), 1, (kept, spent))

    @classmethod
    def pumped(cls, step: Step, distillations: int) -> Step:
        """Distil with that many more pairs made in the same way."""
        out = step
        for _ in range(distillations):
            out = cls.distil(out, step)
        return out

    @property
    def ends(self) -> tuple[str, str]:
        """The nodes that hold the pair."""
        return self.nodes[0], self.nodes[-1]

    @cached_property
    def size(self) -> int:
        """Number of operations, this one included."""
        return 1 + sum(step.size for step in self.inputs)

    def renamed(self, names: dict[str, str]) -> Step:
        """The same tree between other nodes."""
        nodes = tuple(names[node] for node in self.nodes)
        return replace(self, nodes=nodes, inputs=tuple(step.renamed(names) for step in self.inputs))

    def walk(self) -> Iterator[Step]:
        """Operations in post-order: inputs come before what takes them."""
        for step in self.inputs:
            yield from step.walk()
        yield self


@dataclass(frozen=True)
class RepeaterProtocol:
    """What to do along a path to get one pair.

    Attributes
    ----------
    root
        The last operation.
    path
        Nodes from source to destination.
    rate
        Pairs per second when the protocol runs again and again on its own, by its placement's latency.
    """

    root: Step = field(repr=False)
    path: tuple[str, ...]
    rate: float

    @property
    def fidelity(self) -> float:
        """Of the delivered pair."""
        return self.root.fidelity

    @property
    def links(self) -> int:
        """Number of link generations."""
        return self._counts["link"]

    @property
    def swaps(self) -> int:
        """Number of swaps."""
        return self._counts["swap"]

    @property
    def distillations(self) -> int:
        """Number of distillations."""
        return self._counts["distil"]

    @cached_property
    def _counts(self) -> Counter[str]:
        return Counter(step.kind for step in self.root.walk())

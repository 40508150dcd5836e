"""Diagrams of a rigid monoidal category: boxes on wires, layer by layer.

>>> n, s = Ty("n"), Ty("s")
>>> f, g = Box("f", n, s), Box("g", s, n)
>>> (f >> g).dom, (f @ g).cod, (f >> g).dagger() == g.dagger() >> f.dagger()
(n, s n, True)
>>> snake = Diagram.id(n) @ cap(n.r, n) >> cup(n, n.r) @ Diagram.id(n)
>>> snake.normal_form() == Diagram.id(n)
True
>>> (f @ Diagram.id(s) >> Diagram.id(s) @ g).interchange(0) == Diagram.id(n) @ g >> f @ Diagram.id(n)
True
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from bitket.quantum.language.types import GrammarError, Ty

__all__ = ["Box", "Diagram", "Word", "cap", "cup", "spider", "swap"]

Kind = Literal["box", "word", "cup", "cap", "swap", "spider"]


@dataclass(frozen=True)
class Diagram:
    """Boxes at offsets on wires that run from ``dom`` (above) to ``cod`` (below).

    Attributes
    ----------
    layers
        ``(offset, box)``: number of wires to the left of the box, from above to below.
    """

    dom: Ty
    cod: Ty
    layers: tuple[tuple[int, Box], ...]

    @classmethod
    def id(cls, wires: Ty) -> Diagram:
        """Wires without boxes."""
        return cls(wires, wires, ())

    @classmethod
    def of(cls, dom: Ty, layers: Iterable[tuple[int, Box]]) -> Diagram:
        """From boxes and offsets; wires are checked.

        Raises
        ------
        GrammarError
            A box does not fit the wires at its offset.
        """
        kept, wires = tuple(layers), dom
        for offset, box in kept:
            under = wires[offset : offset + len(box.dom)]
            if offset < 0 or offset > len(wires) or under != box.dom:
                raise GrammarError(f"box {box.name} on wires {wires} at {offset}: {box.dom} is needed there")
            wires = wires[:offset] @ box.cod @ wires[offset + len(box.dom) :]
        return cls(dom, wires, kept)

    def __matmul__(self, other: Diagram | Box) -> Diagram:
        """Side by side, self first."""
        other = _diagram(other)
        shift = len(self.cod)
        moved = tuple((shift + offset, box) for offset, box in other.layers)
        return Diagram(self.dom @ other.dom, self.cod @ other.cod, self.layers + moved)

    def __rshift__(self, other: Diagram | Box) -> Diagram:
        """Self, then other below."""
        other = _diagram(other)
        if self.cod != other.dom:
            raise GrammarError(f"diagrams do not fit: {self.cod} above, {other.dom} below")
        return Diagram(self.dom, other.cod, self.layers + other.layers)

    def dagger(self) -> Diagram:
        """Upside down, each box by its dagger."""
        return Diagram.of(self.cod, [(offset, box.dagger_box()) for offset, box in reversed(self.layers)])

    def interchange(self, k: int) -> Diagram:
        """Layers k and k + 1 in the other order.

        Raises
        ------
        GrammarError
            They share a wire.
        """
        (a, upper), (b, lower) = self.layers[k : k + 2]
        if b >= a + len(upper.cod):
            swapped = ((b - len(upper.cod) + len(upper.dom), lower), (a, upper))
        elif b + len(lower.dom) <= a:
            swapped = ((b, lower), (a - len(lower.dom) + len(lower.cod), upper))
        else:
            raise GrammarError(f"interchange of {upper.name} and {lower.name}: they share a wire")
        return replace(self, layers=(*self.layers[:k], *swapped, *self.layers[k + 2 :]))

    def normal_form(self) -> Diagram:
        """Without snakes: a cap and a cup joined by a wire are yanked straight, until none is left."""
        diagram = self
        while (found := diagram._snake()) is not None:
            diagram = diagram._yanked(*found)
        return diagram

    def _snake(self) -> tuple[int, int, list[int], bool] | None:
        """Layers of a cap and a cup, those between them on the cup's side of their wire, and whether that is the left one."""
        for i, (offset, box) in enumerate(self.layers):
            if box.kind != "cap":
                continue
            for left in (True, False):
                wire = offset + (not left)
                near: list[int] = []
                for j in range(i + 1, len(self.layers)):
                    at, other = self.layers[j]
                    if other.kind == "cup" and wire in (at, at + 1):
                        if (wire == at + 1) == left:
                            return i, j, near, left
                        break
                    if at <= wire < at + len(other.dom):
                        break
                    on_left = at + len(other.dom) <= wire
                    if on_left:
                        wire += len(other.cod) - len(other.dom)
                    if on_left == left:
                        near.append(j)
        return None

    def _yanked(self, i: int, j: int, near: list[int], left: bool) -> Diagram:
        """Boxes on the cup's side go above the cap, the others below the cup; then both are gone."""
        diagram = self
        for done, k in enumerate(near):
            for m in range(k - 1, i + done - 1, -1):
                diagram = diagram.interchange(m)
        i += len(near)
        for m in range(j - 1, i, -1):  # the cup rises to the cap past boxes on the other side
            diagram = diagram.interchange(m)
        return replace(diagram, layers=diagram.layers[:i] + diagram.layers[i + 2 :])

    @property
    def boxes(self) -> list[Box]:
        """Boxes from above to below."""
        return [box for _, box in self.layers]

    def wires(self) -> list[Ty]:
        """Wires above each layer, and at the bottom."""
        out = [self.dom]
        for offset, box in self.layers:
            now = out[-1]
            out.append(now[:offset] @ box.cod @ now[offset + len(box.dom) :])
        return out


@dataclass(frozen=True)
class Box:
    """A box with a name.

    Attributes
    ----------
    kind
        What functors do with it: structure (cups, caps, swaps, spiders), words, or boxes of one's own.
    is_dagger
        Whether it is the dagger of the box of this name.
    bent
        For words: its wires are inputs, the transpose of the state.
    """

    name: str
    dom: Ty
    cod: Ty
    kind: Kind = "box"
    is_dagger: bool = False
    bent: bool = False

    def dagger_box(self) -> Box:
        """Its dagger: upside down, conjugated."""
        kind: dict[str, Kind] = {"cup": "cap", "cap": "cup"}
        if self.kind in ("cup", "cap"):
            return replace(self, name=kind[self.kind], dom=self.cod, cod=self.dom, kind=kind[self.kind])
        flips = self.kind in ("swap", "spider")
        return replace(self, dom=self.cod, cod=self.dom, is_dagger=self.is_dagger if flips else not self.is_dagger)

    def dagger(self) -> Diagram:
        """Its dagger as a diagram."""
        return _diagram(self.dagger_box())

    def __matmul__(self, other: Diagram | Box) -> Diagram:
        return _diagram(self) @ other

    def __rshift__(self, other: Diagram | Box) -> Diagram:
        return _diagram(self) >> other


def Word(name: str, cod: Ty) -> Box:
    """A word as a state of its grammatical type."""
    return Box(name, Ty(), cod, "word")


def cup(left: Ty, right: Ty) -> Diagram:
    """Contraction ``t t.r -> 1`` or ``t.l t -> 1`` of two simple types."""
    if len(left) != 1 or left.r != right:
        raise GrammarError(f"cup of {left} and {right}: a simple type and its right adjoint are needed")
    return _diagram(Box("cup", left @ right, Ty(), "cup"))


def cap(left: Ty, right: Ty) -> Diagram:
    """Expansion ``1 -> t.r t`` or ``1 -> t t.l`` of two simple types."""
    if len(left) != 1 or left != right.r:
        raise GrammarError(f"cap of {left} and {right}: a simple type on the right of its right adjoint is needed")
    return _diagram(Box("cap", Ty(), left @ right, "cap"))


def swap(left: Ty, right: Ty) -> Diagram:
    """Two simple types exchanged."""
    if len(left) != 1 or len(right) != 1:
        raise GrammarError(f"swap of {left} and {right}: two simple types are needed")
    return _diagram(Box("swap", left @ right, right @ left, "swap"))


def spider(inputs: int, outputs: int, wire: Ty) -> Diagram:
    """``sum_i |i...i><i...i|`` on copies of a simple type."""
    if len(wire) != 1 or min(inputs, outputs) < 0:
        raise GrammarError(
            f"spider of {inputs} and {outputs} wires {wire}: a simple type, and 0 wires or more, are needed"
        )
    return _diagram(Box("spider", Ty(*wire.simples * inputs), Ty(*wire.simples * outputs), "spider"))


def _diagram(x: Diagram | Box) -> Diagram:
    return x if isinstance(x, Diagram) else Diagram(x.dom, x.cod, ((0, x),))

"""Diagrams of a rigid monoidal category: boxes on wires, in layers (Coecke et al. 2020, arXiv:2012.03755, section 2).

>>> n, s = Ty("n"), Ty("s")
>>> f, g, h = Box("f", n, s), Box("g", s, n), Box("h", s, s)
>>> (f >> g) >> f == f >> (g >> f)
True
>>> f >> Diagram.id(s) == f == Diagram.id(n) >> f
True
>>> f.l.r == f == f.r.l and (f >> g).dagger() == g.dagger() >> f.dagger()
True
>>> (f @ h).interchange(0) == Diagram.id(n) @ h >> f @ Diagram.id(s)
True
>>> snake = Cap(n, n.l) @ Diagram.id(n) >> Diagram.id(n) @ Cup(n.l, n)
>>> snake.remove_snakes() == Diagram.id(n)
True
>>> f.transpose().transpose(left=True).remove_snakes() == f
True
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from bitket.errors import InvalidInput
from bitket.quantum.language.drawing import draw
from bitket.quantum.language.types import Ty

__all__ = ["Box", "Cap", "Cup", "Diagram", "DiagramError", "Layer", "Spider", "Swap", "Word", "cap", "cup"]


class DiagramError(InvalidInput):
    """Diagrams or boxes whose types do not fit."""


@dataclass(frozen=True)
class Layer:
    """A box between identities."""

    left: Ty
    box: Box
    right: Ty

    @property
    def offset(self) -> int:
        """Number of wires left of the box."""
        return len(self.left)


class Diagram:
    """Layers from domain (top) to codomain (bottom); ``@`` puts side by side, ``>>`` below.

    Parameters
    ----------
    dom, cod
        Types above and below.
    layers
        Each layer's wires above are those below the layer before.

    Raises
    ------
    DiagramError
        The types of two neighbours differ.
    """

    dom: Ty
    cod: Ty
    layers: tuple[Layer, ...]

    def __init__(self, dom: Ty, cod: Ty, layers: Iterable[Layer] = ()) -> None:
        self.dom, self.cod, self.layers = dom, cod, tuple(layers)
        wires = dom
        for k, layer in enumerate(self.layers):
            above = layer.left @ layer.box.dom @ layer.right
            if above != wires:
                raise DiagramError(f"layer {k} ({layer.box.name}): its type {above} does not fit {wires} above it")
            wires = layer.left @ layer.box.cod @ layer.right
        if wires != cod:
            raise DiagramError(f"diagram: its last layer ends with {wires}, its codomain is {cod}")

    @classmethod
    def id(cls, ty: Ty | None = None) -> Diagram:
        """Plain wires."""
        return Diagram(ty or Ty(), ty or Ty())

    @classmethod
    def from_offsets(cls, dom: Ty, boxes: Iterable[tuple[Box, int]]) -> Diagram:
        """A diagram from boxes and the number of wires left of each."""
        wires, layers = dom, []
        for box, offset in boxes:
            layer = Layer(wires[:offset], box, wires[offset + len(box.dom) :])
            layers.append(layer)
            wires = layer.left @ box.cod @ layer.right
        return Diagram(dom, wires, layers)

    @property
    def offsets(self) -> list[tuple[Box, int]]:
        """Boxes and the number of wires left of each."""
        return [(layer.box, layer.offset) for layer in self.layers]

    def __matmul__(self, other: Diagram | Ty) -> Diagram:
        if isinstance(other, Ty):
            other = Diagram.id(other)
        first = [Layer(k.left, k.box, k.right @ other.dom) for k in self.layers]
        second = [Layer(self.cod @ k.left, k.box, k.right) for k in other.layers]
        return Diagram(self.dom @ other.dom, self.cod @ other.cod, first + second)

    def __rmatmul__(self, other: Ty) -> Diagram:
        return Diagram.id(other) @ self

    def __rshift__(self, other: Diagram) -> Diagram:
        if self.cod != other.dom:
            raise DiagramError(f"composition: codomain {self.cod} does not fit domain {other.dom}")
        return Diagram(self.dom, other.cod, self.layers + other.layers)

    def dagger(self) -> Diagram:
        """The diagram upside down, each box replaced by its adjoint."""
        layers = [Layer(k.left, k.box.dagger(), k.right) for k in reversed(self.layers)]
        return Diagram(self.cod, self.dom, layers)

    @property
    def l(self) -> Diagram:  # noqa: E743 (the field writes it so)
        """Turned by half a circle to the left: ``cod.l -> dom.l``."""
        layers = [Layer(k.right.l, k.box.l, k.left.l) for k in reversed(self.layers)]
        return Diagram(self.cod.l, self.dom.l, layers)

    @property
    def r(self) -> Diagram:
        """Turned by half a circle to the right: ``cod.r -> dom.r``."""
        layers = [Layer(k.right.r, k.box.r, k.left.r) for k in reversed(self.layers)]
        return Diagram(self.cod.r, self.dom.r, layers)

    def transpose(self, *, left: bool = False) -> Diagram:
        """Domain and codomain exchanged by cups and caps: ``cod.r -> dom.r``, or with ``left`` ``cod.l -> dom.l``."""
        a, b = self.dom, self.cod
        if left:
            return b.l @ cap(a, a.l) >> b.l @ self @ a.l >> cup(b.l, b) @ a.l
        return cap(a.r, a) @ b.r >> a.r @ self @ b.r >> a.r @ cup(b, b.r)

    def interchange(self, k: int) -> Diagram:
        """Layers k and k + 1 in the other order.

        Raises
        ------
        DiagramError
            The second box takes a wire of the first.
        """
        (a, i), (b, j) = self.offsets[k : k + 2]
        if j + len(b.dom) <= i:
            swapped = [(b, j), (a, i + len(b.cod) - len(b.dom))]
        elif j >= i + len(a.cod):
            swapped = [(b, j + len(a.dom) - len(a.cod)), (a, i)]
        else:
            raise DiagramError(f"interchange of layers {k} and {k + 1}: {b.name} takes a wire of {a.name}")
        return Diagram.from_offsets(self.dom, self.offsets[:k] + swapped + self.offsets[k + 2 :])

    def remove_snakes(self) -> Diagram:
        """All wires pulled straight: no cap with a leg that ends in a cup is left."""
        offsets = self.offsets
        k = 0
        while k < len(offsets):
            straight = _straightened(offsets, k) if isinstance(offsets[k][0], Cap) else None
            if straight is None:
                k += 1
            else:
                offsets, k = straight, 0
        return Diagram.from_offsets(self.dom, offsets)

    def normal_form(self) -> Diagram:
        """Without snakes, and of two neighbours that can trade places the left one first.

        Diagrams of one piece that differ by interchanges have the same form (Delpeuch and Vicary, arXiv:1804.07832).
        Pieces that float free of all others may circle: sorting stops after k³ swaps of k boxes, and their order is not unique.
        """
        out = self.remove_snakes()
        offsets, size = out.offsets, len(out.layers)
        swaps, k = 0, 0
        while k + 1 < size and swaps < size**3:
            (a, i), (b, j) = offsets[k : k + 2]
            if j + len(b.dom) <= i and j < i + len(a.cod) + len(b.dom):
                offsets[k : k + 2] = [(b, j), (a, i + len(b.cod) - len(b.dom))]
                swaps, k = swaps + 1, max(k - 1, 0)
            else:
                k += 1
        return Diagram.from_offsets(out.dom, offsets)

    def wiring(self) -> tuple[list[list[tuple[int, int]]], list[tuple[int, int]]]:
        """Where wires come from: for each layer and each wire of the codomain ``(layer, port)``; layer -1 is the domain."""
        wires = [(-1, k) for k in range(len(self.dom))]
        inputs = []
        for k, (box, o) in enumerate(self.offsets):
            inputs.append(wires[o : o + len(box.dom)])
            wires[o : o + len(box.dom)] = [(k, p) for p in range(len(box.cod))]
        return inputs, wires

    def draw(self, style: str = "text") -> Any:
        """The diagram as ``"text"``, ``"svg"`` or a matplotlib ``"figure"``."""
        return draw(self, style)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Diagram):
            return NotImplemented
        return (self.dom, self.cod, self.layers) == (other.dom, other.cod, other.layers)

    def __hash__(self) -> int:
        return hash((self.dom, self.cod, self.layers))

    def __str__(self) -> str:
        return str(self.draw())

    def __repr__(self) -> str:
        return f"<Diagram {self.dom} -> {self.cod}: {len(self.layers)} boxes>"


def _straightened(offsets: Sequence[tuple[Box, int]], first: int) -> list[tuple[Box, int]] | None:
    """Boxes and offsets without the cap at ``first`` and the cup that one of its legs ends in; None if none does.

    Boxes between the two stand left or right of the wire that joins them and move to before the cap or behind the cup.
    """
    o = offsets[first][1]
    for leg in (1, 0):
        p = o + leg
        left: list[tuple[Box, int]] = []
        right: list[tuple[Box, int]] = []  # offsets counted from the wire
        for last in range(first + 1, len(offsets)):
            box, q = offsets[last]
            if q + len(box.dom) <= p:
                left.append((box, q))
                p += len(box.cod) - len(box.dom)
            elif q > p:
                right.append((box, q - p - 1))
            else:
                straight = isinstance(box, Cup) and q == p - 1 + leg and box.dom[leg] == offsets[first][0].cod[1 - leg]
                if not straight:
                    break
                if leg:  # the cup's other wire comes from the right, over the boxes there
                    moved = [(b, o + x) for b, x in right] + left
                else:
                    moved = left + [(b, p - 1 + x) for b, x in right]
                return [*offsets[:first], *moved, *offsets[last + 1 :]]
    return None


class Box(Diagram):
    """A box with a name; ``z`` counts half turns, ``adjoint`` says whether it is upside down.

    Parameters
    ----------
    name
        Boxes of equal name and type are equal.
    dom, cod
        Types above and below.
    """

    shape = "box"
    """How it is drawn."""

    def __init__(self, name: str, dom: Ty, cod: Ty, *, z: int = 0, adjoint: bool = False) -> None:
        self.name, self.dom, self.cod, self.z, self.adjoint = name, dom, cod, z, adjoint
        self.layers = (Layer(Ty(), self, Ty()),)

    def _key(self) -> tuple[Any, ...]:
        return type(self).__name__, self.name, self.dom, self.cod, self.z, self.adjoint

    def _turned(self, dom: Ty, cod: Ty, z: int, adjoint: bool) -> Box:
        return Box(self.name, dom, cod, z=z, adjoint=adjoint)

    def dagger(self) -> Box:
        """The adjoint."""
        return self._turned(self.cod, self.dom, self.z, not self.adjoint)

    @property
    def l(self) -> Box:  # noqa: E743 (the field writes it so)
        """Turned to the left."""
        return self._turned(self.cod.l, self.dom.l, self.z - 1, self.adjoint)

    @property
    def r(self) -> Box:
        """Turned to the right."""
        return self._turned(self.cod.r, self.dom.r, self.z + 1, self.adjoint)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Box):
            return self._key() == other._key()
        return Diagram.__eq__(self, other)

    def __hash__(self) -> int:
        return hash(self._key())

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r}, {self.dom} -> {self.cod})"


class Word(Box):
    """A word: a state of its type; or, with legs bent up, a process or effect.

    Parameters
    ----------
    name
        The word.
    type
        Its type in the lexicon.
    bent
        How many legs at the left and at the right are bent up: ``dom = left.l @ right.r``, ``cod`` the rest.
    """

    def __init__(
        self,
        name: str,
        type: Ty,
        bent: tuple[int, int] = (0, 0),
        *,
        z: int = 0,
        adjoint: bool = False,
        ends: tuple[Ty, Ty] | None = None,
    ) -> None:
        self.type, self.bent = type, bent
        p, q = bent[0], len(type) - bent[1]
        if not 0 <= p <= q <= len(type):
            raise DiagramError(f"word '{name}' of type {type}: {bent} legs cannot be bent")
        dom, cod = ends or (type[:p].l @ type[q:].r, type[p:q])
        super().__init__(name, dom, cod, z=z, adjoint=adjoint)

    def _key(self) -> tuple[Any, ...]:
        return (*super()._key(), self.type, self.bent)

    def _turned(self, dom: Ty, cod: Ty, z: int, adjoint: bool) -> Box:
        return Word(self.name, self.type, self.bent, z=z, adjoint=adjoint, ends=(dom, cod))


class Cup(Box):
    """A contraction ``left · right -> 1`` of two simple types."""

    shape = "cup"

    def __init__(self, left: Ty, right: Ty) -> None:
        if len(left) != 1 or left.r != right:
            raise DiagramError(f"cup: {left}·{right} does not contract; a simple type and its right adjoint are needed")
        super().__init__("cup", left @ right, Ty())

    def dagger(self) -> Box:
        """Sums over the basis: a cap, drawn on the same wires."""
        return Cap(self.dom[0], self.dom[1], strict=False)

    @property
    def l(self) -> Box:  # noqa: E743 (the field writes it so)
        """A cap."""
        return Cap(self.dom[1].l, self.dom[0].l)

    @property
    def r(self) -> Box:
        """A cap."""
        return Cap(self.dom[1].r, self.dom[0].r)


class Cap(Box):
    """An expansion ``1 -> left · right`` of two simple types; the adjoint of a cup (``strict`` false) has them the other way round."""

    shape = "cap"

    def __init__(self, left: Ty, right: Ty, *, strict: bool = True) -> None:
        if len(left) != 1 or (left != right.r and (strict or left.r != right)):
            raise DiagramError(
                f"cap: 1 does not expand to {left}·{right}; a simple type and its left adjoint are needed"
            )
        super().__init__("cap", Ty(), left @ right)

    def dagger(self) -> Box:
        """The cup on the same wires."""
        left, right = self.cod
        if left.r == right:
            return Cup(left, right)
        return Spider(self.cod, Ty())

    @property
    def l(self) -> Box:  # noqa: E743 (the field writes it so)
        """A cup."""
        return self._cup(self.cod.l)

    @property
    def r(self) -> Box:
        """A cup."""
        return self._cup(self.cod.r)

    def _cup(self, ends: Ty) -> Box:
        return Cup(ends[0], ends[1]) if ends[0].r == ends[1] else Spider(ends, Ty())


class Swap(Box):
    """Two crossing wires."""

    shape = "swap"

    def __init__(self, left: Ty, right: Ty) -> None:
        if len(left) != 1 or len(right) != 1:
            raise DiagramError(f"swap of {left} and {right}: two simple types are needed")
        super().__init__("swap", left @ right, right @ left)

    def _turned(self, dom: Ty, cod: Ty, z: int, adjoint: bool) -> Box:
        return Swap(dom[0], dom[1])


class Spider(Box):
    """All legs carry the same basis state: ``sum_i |i...i><i...i|``; legs are simple types of one name."""

    shape = "spider"

    def __init__(self, dom: Ty, cod: Ty) -> None:
        if len({t.name for t in (dom @ cod).simples}) != 1:
            raise DiagramError(f"spider {dom} -> {cod}: one leg or more of one basic type are needed")
        super().__init__("spider", dom, cod)

    def _turned(self, dom: Ty, cod: Ty, z: int, adjoint: bool) -> Box:
        return Spider(dom, cod)


def cup(left: Ty, right: Ty) -> Diagram:
    """Nested cups for ``left · left.r``."""
    if left.r != right:
        raise DiagramError(f"cups: {left} and {right}: the second must be the right adjoint of the first")
    out = Diagram.id(left @ right)
    for k in reversed(range(len(left))):
        out = out >> left[:k] @ Cup(left[k], right[len(left) - 1 - k]) @ right[len(left) - k :]
    return out


def cap(left: Ty, right: Ty) -> Diagram:
    """Nested caps for ``right.r · right``."""
    if left != right.r:
        raise DiagramError(f"caps: {left} and {right}: the first must be the right adjoint of the second")
    out = Diagram.id()
    for k in range(len(left)):
        out = out >> left[:k] @ Cap(left[k], right[len(left) - 1 - k]) @ right[len(left) - k :]
    return out

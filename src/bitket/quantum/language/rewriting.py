"""Rewrites that leave a diagram's meaning as it is and make its circuit smaller (Lorenz and others 2023, arXiv:2102.12846)."""

from __future__ import annotations

from dataclasses import replace

from bitket.quantum.language.diagram import Box, Diagram, cap, spider
from bitket.quantum.language.types import Ty

__all__ = ["bend_nouns", "functional_words"]


def bend_nouns(diagram: Diagram) -> Diagram:
    """Each word of one simple type that ends in a cup becomes an effect on the cup's other wire: one wire instead of two and a cup.

    A state w is the cap ``1 -> t.r t`` with w's transpose on t.r (or ``1 -> t t.l``, with it on t.l); the cap and the cup are a snake.
    """
    k = 0
    while k < len(diagram.layers):
        offset, box = diagram.layers[k]
        side = _cup_side(diagram, k) if box.kind == "word" and not box.bent and len(box.cod) == 1 else None
        if side is not None:
            t = box.cod
            other = t.r if side == "right" else t.l
            bend = cap(other, t) if side == "right" else cap(t, other)
            effect = replace(box, dom=other, cod=Ty(), bent=True)
            at = offset if side == "right" else offset + 1
            layers = [*diagram.layers[:k], (offset, bend.boxes[0]), (at, effect), *diagram.layers[k + 1 :]]
            diagram = Diagram.of(diagram.dom, layers)
            k += 1
        k += 1
    return diagram.normal_form()


def _cup_side(diagram: Diagram, k: int) -> str | None:
    """On which side the cup's other wire is that a state's wire ends in; None where it ends elsewhere."""
    wire = diagram.layers[k][0]
    for at, box in diagram.layers[k + 1 :]:
        if at <= wire < at + len(box.dom):
            return None if box.kind != "cup" else "right" if wire == at else "left"
        if at + len(box.dom) <= wire:
            wire += len(box.cod) - len(box.dom)
    return None


def functional_words(diagram: Diagram, words: frozenset[str] = frozenset({"that", "which", "who", "whom"})) -> Diagram:
    """Relative pronouns become spiders: one on their noun wires, and a spider of one leg on the sentence wire.

    Sources: Sadrzadeh, Clark and Coecke 2013 (arXiv:1404.5278). The noun wires of a pronoun may have other wires between them, which they
    cross.
    """
    layers: list[tuple[int, Box]] = []
    for offset, box in diagram.layers:
        if box.kind != "word" or box.name not in words or len(box.cod) < 3:
            layers.append((offset, box))
            continue
        layers += [(offset + at, piece) for at, piece in _pronoun(box.cod).layers]
    return Diagram.of(diagram.dom, layers)


def _pronoun(wires: Ty) -> Diagram:
    """All wires of one name are one spider; its legs have the types that the word had."""
    names = list(dict.fromkeys(t.name for t in wires))
    out = Diagram.id(Ty())
    for name in names:
        mine = Ty(*(t for t in wires if t.name == name))
        (legs,) = spider(0, len(mine), Ty(name)).boxes
        out = out @ replace(legs, cod=mine)
    order = [t for name in names for t in wires if t.name == name]
    # Bubble the wires to where the word had them; equal ones keep their order.
    wanted = list(wires)
    for place, t in enumerate(wanted):
        at = place + order[place:].index(t)
        while at > place:
            a, b = Ty(order[at - 1]), Ty(order[at])
            crossing = Box("swap", a @ b, b @ a, "swap")
            out = out >> Diagram.id(out.cod[: at - 1]) @ crossing @ Diagram.id(out.cod[at + 1 :])
            order[at - 1], order[at] = order[at], order[at - 1]
            at -= 1
    return out

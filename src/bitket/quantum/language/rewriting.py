"""Rewrites that save qubits and post-selections before a diagram becomes a circuit (Lorenz et al. 2021, arXiv:2102.12846, section 3.2).

A word whose legs are bent up by caps is yanked straight against the cups that held it: a noun in front of a verb becomes an effect on
the verb's wire, one qubit where there were two and a Bell effect. None of the rewrites changes the meaning (see `TensorFunctor`),
except that pronouns and determiners get a fixed meaning instead of a trained one.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from bitket.quantum.language.diagram import Box, Cap, Cup, Diagram, Spider, Word, cap
from bitket.quantum.language.types import Ty

__all__ = ["DETERMINERS", "PRONOUNS", "bend_nouns", "curry", "remove_cups", "wire_determiners", "wire_pronouns"]

PRONOUNS = frozenset({"that", "who", "whom", "which"})
DETERMINERS = frozenset({"a", "an", "the"})

_SUBJECT, _OBJECT = Ty.parse("n.r·n·s.l·n"), Ty.parse("n.r·n·n.l.l·s.l")


def bend_nouns(diagram: Diagram) -> Diagram:
    """Words of one leg that end in a cup become effects."""
    bends = {}
    for k, ends in _cup_ends(diagram).items():
        if len(ends) == 1 and 0 in ends:
            bends[k] = (0, 1) if ends[0][1] == 0 else (1, 0)
    return _bent(diagram, bends)


def remove_cups(diagram: Diagram) -> Diagram:
    """States and effects take turns: boxes at an odd distance from the output become effects, and no cup between the two is left.

    Where words are joined in a ring of odd length a cup stays.
    """
    sides = _cup_ends(diagram)
    neighbours: dict[int, set[int]] = {k: set() for k in sides}
    inputs, outputs = diagram.wiring()
    for box, sources in zip((x.box for x in diagram.layers), inputs, strict=True):
        if isinstance(box, Cup):
            a, b = sources[0][0], sources[1][0]
            if a in sides and b in sides and a != b:
                neighbours[a].add(b)
                neighbours[b].add(a)
        else:  # what feeds another box stays a state
            outputs = outputs + sources
    colour = {k: 0 for k, _ in outputs if k in sides}
    queue = list(colour)
    for root in (*queue, *sides):
        if root not in colour:
            colour[root] = 0
            queue.append(root)
        while queue:
            k = queue.pop(0)
            for other in sorted(neighbours[k]):
                if other not in colour:
                    colour[other] = 1 - colour[k]
                    queue.append(other)
    bends = {}
    for k, ends in sides.items():
        width = len(diagram.layers[k].box.cod)
        states = all(colour.get(partner, 1) == 0 for partner, _ in ends.values())
        if colour[k] == 1 and len(ends) == width and states:
            left = sum(side == 1 for _, side in ends.values())
            bends[k] = (left, width - left)
    return _bent(diagram, bends)


def curry(diagram: Diagram) -> Diagram:
    """Words become processes: legs that are adjoints and end in a cup are bent up, n.r·s·n.l turns into n·n -> s."""
    bends = {}
    for k, ends in _cup_ends(diagram).items():
        box = diagram.layers[k].box
        if isinstance(box, Word):
            simples = box.type.simples
            left = next((p for p, t in enumerate(simples) if t.z <= 0 or ends.get(p, (0, 0))[1] != 1), len(simples))
            right = next(
                (
                    q
                    for q, t in enumerate(reversed(simples))
                    if t.z >= 0 or ends.get(len(simples) - 1 - q, (0, 1))[1] != 0
                ),
                len(simples),
            )
            if left + right:
                bends[k] = (left, right)
    return _bent(diagram, bends)


def wire_pronouns(diagram: Diagram, words: Collection[str] = PRONOUNS) -> Diagram:
    """Relative pronouns become wires: a spider joins the three nouns, the sentence wire is summed out (Sadrzadeh et al. 2013)."""
    parts: dict[int, Diagram] = {}
    for k, layer in enumerate(diagram.layers):
        box = layer.box
        if isinstance(box, Word) and box.name in words and not box.dom:
            for ty, s in ((_SUBJECT, 2), (_OBJECT, 3)):
                if box.cod == ty:
                    spider = Spider(Ty(), ty[:s] @ ty[s + 1 :])
                    parts[k] = spider >> ty[:s] @ Spider(Ty(), ty[s]) @ ty[s + 1 :]
    return _replaced(diagram, parts)


def wire_determiners(diagram: Diagram, words: Collection[str] = DETERMINERS) -> Diagram:
    """Determiners become plain wires."""
    n = Ty("n")
    parts = {
        k: Diagram.id() >> Cap(n, n.l)
        for k, layer in enumerate(diagram.layers)
        if isinstance(layer.box, Word) and layer.box.name in words and layer.box.cod == n @ n.l
    }
    return _replaced(diagram, parts).remove_snakes()


def _cup_ends(diagram: Diagram) -> dict[int, dict[int, tuple[int, int]]]:
    """For each state (word or spider without inputs) and each of its legs in a cup: the box at the other end, and the leg's side."""
    found: dict[int, dict[int, tuple[int, int]]] = {
        k: {}
        for k, layer in enumerate(diagram.layers)
        if not layer.box.dom and (isinstance(layer.box, Spider) or _plain(layer.box))
    }
    for layer, sources in zip(diagram.layers, diagram.wiring()[0], strict=True):
        if isinstance(layer.box, Cup):
            for side, (k, port) in enumerate(sources):
                if k in found:
                    found[k][port] = (sources[1 - side][0], side)
    return found


def _plain(box: Box) -> bool:
    return isinstance(box, Word) and box.bent == (0, 0) and not box.z and not box.adjoint


def _bent(diagram: Diagram, bends: Mapping[int, tuple[int, int]]) -> Diagram:
    parts = {}
    for k, (p, q) in bends.items():
        box = diagram.layers[k].box
        legs = box.cod
        a, core, b = legs[:p], legs[p : len(legs) - q], legs[len(legs) - q :]
        middle: Box = Word(box.name, legs, (p, q)) if isinstance(box, Word) else Spider(a.l @ b.r, core)
        parts[k] = cap(a, a.l) @ cap(b.r, b) >> a @ middle @ b
    return _replaced(diagram, parts).remove_snakes()


def _replaced(diagram: Diagram, parts: Mapping[int, Diagram]) -> Diagram:
    boxes = []
    for k, (box, o) in enumerate(diagram.offsets):
        boxes += [(inner, o + i) for inner, i in parts[k].offsets] if k in parts else [(box, o)]
    return Diagram.from_offsets(diagram.dom, boxes)

"""Simplification of ZX diagrams: as few spiders and as few non-Clifford phases as the rules give.

1. Graph-like form: Z spiders only, Hadamard edges only between them, plain edges only at inputs and outputs.
2. Inner spiders of phase ±π/2 go by local complementation, and pairs of neighbouring inner Pauli spiders by pivots; Pauli spiders
   with one or two edges go more cheaply.
3. An inner Pauli spider u that is left next to a spider of any other phase goes by a pivot that makes that phase a gadget,
   and next to spiders at inputs and outputs only by a boundary pivot.
4. Phase gadgets on the same spiders are fused: phases add, which may make them Clifford, and then 2 begins anew.

What is left inside is non-Clifford spiders and gadgets, no two of which have equal targets (Kissinger and van de Wetering,
arXiv:1903.10477). Each application of 2 to 4 leaves fewer inner Clifford spiders that are no hubs, or fewer gadgets, so it ends.
No rule raises the T-count: phases are moved, negated and added only, or turned by multiples of π/2.
"""

from __future__ import annotations

from typing import TypeVar

from bitket.quantum.circuits.zx import rules
from bitket.quantum.circuits.zx.graph import Graph

__all__ = ["simplify", "to_graph_like"]

_Graph = TypeVar("_Graph", bound=Graph)


def to_graph_like(g: Graph) -> None:
    """Bring a diagram, in place, to Z spiders with Hadamard edges between them, each end plain or Hadamard at a spider."""
    g._red.clear()
    for u in list(g._phase):
        while u in g._phase and g._equal[u]:
            rules._merge(g, u, next(iter(g._equal[u])))
    for b, (v, sign) in list(g._end.items()):
        if v in g._end and g._end[b][0] == v:  # a wire between two ends
            u = g._add(0)
            g._attach(b, u, sign)
            g._attach(u, v, False)


def simplify(graph: _Graph) -> _Graph:
    """An equal diagram, fully reduced, see `ZXGraph.simplify`."""
    g = graph.copy()
    to_graph_like(g)
    work = list(g._phase)
    while work:
        _clifford(g, work)
        _open_pivots(g)
        work = _gadgets(g)
    return g


def _clifford(g: Graph, work: list[int]) -> None:
    """Step 2, on the spiders of ``work`` and on all that are met."""
    phase, sign, legs, unit = g._phase, g._sign, g._legs, g._unit
    half = unit // 2
    while work:
        u = work.pop()
        if u not in phase or legs[u]:
            continue
        around = sign[u]
        if not around:
            g._one_plus(phase[u])
            g._drop(u)
        elif phase[u] % half:
            continue
        elif phase[u] % unit:
            work += around
            rules._complement(g, u)
        elif len(around) == 1:
            (v,) = around
            work += sign[v]
            rules._copy_state(g, u)
        elif len(around) == 2 and _wire(g, u, work):
            continue
        else:
            partners = [w for w in around if not legs[w] and not phase[w] % unit]
            if partners:
                v = min(partners, key=lambda w: len(sign[w]))
                work += around
                work += sign[v]
                rules._pivot(g, u, v)


def _wire(g: Graph, u: int, work: list[int]) -> bool:
    """Fuse the two neighbours of a Pauli spider, which are equal, or opposite and one of them inside."""
    x, y = g._sign[u]
    if g._phase[u]:
        if g._legs[y]:
            x, y = y, x
        if g._legs[y]:
            return False
        rules.pi_copy(g, u, y)
    else:
        rules._contract(g, u)
    work.append(x)
    work += g._sign[y]
    rules._merge(g, x, y)
    work += g._sign[x]
    return True


def _open_pivots(g: Graph) -> None:
    """Step 3, for each Pauli spider that is no hub, and step 2 after each."""
    for u in list(g._phase):
        if u not in g._phase or g._legs[u] or g._phase[u] % g._unit or rules._leaf(g, u) is not None:
            continue
        v = min(g._sign[u], key=lambda w: (bool(g._legs[w]), len(g._sign[w])))
        start, met = g._next, [*g._sign[u], *g._sign[v]]
        rules._open_pivot(g, u, v)
        _clifford(g, [*met, *range(start, g._next)])


def _gadgets(g: Graph) -> list[int]:
    """Step 4; the leaves of gadgets that were fused."""
    found: dict[frozenset[int], int] = {}
    met: list[int] = []
    for h in list(g._phase):
        if h in g._phase and not g._legs[h] and not g._phase[h] % g._unit:
            leaf = rules._leaf(g, h)
            if leaf is not None:
                first = found.setdefault(frozenset(g._sign[h] - {leaf}), h)
                if first != h:
                    rules._fuse_gadgets(g, first, h)
                    met += g._sign[first]
    return met

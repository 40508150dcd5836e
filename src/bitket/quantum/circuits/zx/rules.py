"""The rewrite rules of the ZX-calculus, in place and with the exact scalar.

In the sum of `bitket.quantum.circuits.zx.graph` each rule carries out the sum over one or two bits:

    fuse             [x_u = x_v] f(x_u, x_v) = f(x_u, x_u)
    remove_identity  Σ_u (-1)^{u(x+y)} = 2 [x = y]                       pi_copy  Σ_u (-1)^{u(1+x+y)} = 2 [x = 1 - y]
    copy_state       Σ_u (-1)^{u(a+x)} = 2 [x = a]
    complement       Σ_u e^{±iπu/2} (-1)^{uΣ} = √2 e^{±iπ/4} e^{∓iπ(Σ mod 2)/2},  Σ mod 2 = Σ_i x_i - 2 Σ_{i<j} x_i x_j  (mod 4)
    pivot            Σ_{uv} (-1)^{uv + u(a + ΣA + ΣC) + v(b + ΣB + ΣC)} = 2 (-1)^{(a + ΣA + ΣC)(b + ΣB + ΣC)}

where A, B, C are the neighbours of u alone, of v alone, of both (Duncan, Kissinger, Perdrix and van de Wetering, arXiv:1902.03178).
A phase gadget, a hub h with a leaf l of phase α, is Σ_{hl} (-1)^{hl} e^{iαl} (-1)^{h(a + Σ)} = 2 e^{iα(a ⊕ Σ)} (arXiv:1903.10477).
Each function checks that its rule applies and raises `ZXError` where it does not.

>>> import numpy as np
>>> from bitket.quantum.circuits import Circuit, ZXGraph
>>> g = ZXGraph.from_circuit(Circuit(2).h(0).z(0).cz(0, 1).h(0).s(0).h(0).cz(0, 1).h(0).t(0))
>>> def law(rule, *site):
...     rule(h := g.copy(), *site)
...     return np.allclose(h.to_tensor(), g.to_tensor())
>>> law(complement, 5), law(gadget_pivot, 4, 5), law(boundary_pivot, 4, 1), law(change_colour, 4), law(split_gadget, 7)
(True, True, True, True, True)
>>> law(fuse, 4, 5)
Traceback (most recent call last):
bitket.quantum.circuits.zx.graph.ZXError: fuse 4 and 5: a plain edge between spiders of one colour is needed, or a Hadamard between two
"""

from __future__ import annotations

from bitket.quantum.circuits.zx.graph import Graph, ZXError

__all__ = [
    "bialgebra",
    "boundary_pivot",
    "change_colour",
    "complement",
    "copy_state",
    "fuse",
    "fuse_gadgets",
    "gadget_pivot",
    "insert_spider",
    "pi_copy",
    "pivot",
    "remove_identity",
    "split_gadget",
]


def change_colour(g: Graph, v: int) -> None:
    """A Z spider is an X spider with a Hadamard on every leg, and the other way round."""
    g._need(v)
    g._red ^= {v}


def fuse(g: Graph, u: int, v: int) -> None:
    """Spiders of one colour on a plain edge, or of two colours on a Hadamard edge, become one, which is u."""
    g._need(u)
    if v not in g._equal[u]:
        raise ZXError(
            f"fuse {u} and {v}: a plain edge between spiders of one colour is needed, or a Hadamard between two"
        )
    _merge(g, u, v)


def insert_spider(g: Graph, b: int) -> int:
    """A new spider of phase 0 between an input or output and its spider, to which it has a Hadamard edge."""
    v, sign = g._end.get(b, (-1, False))
    if v not in g._phase:
        raise ZXError(f"insert_spider: {b} is no input or output at a spider")
    w = g._add(0)
    g._legs[v].remove(b)
    g._attach(b, w, not sign)
    g._sign[v].add(w)
    g._sign[w].add(v)
    g._power -= 1
    return w


def remove_identity(g: Graph, u: int) -> None:
    """A spider of phase 0 with two edges is a wire."""
    _check(g, "remove_identity", u, g._phase.get(u) == 0 and _degree(g, u) == 2, "phase 0 and two edges")
    _contract(g, u)


def pi_copy(g: Graph, u: int, v: int) -> None:
    """A spider u of phase π on a wire goes through v of the other colour: onto all other edges of v, whose phase is negated."""
    ok = g._phase.get(u) == g._unit and _degree(g, u) == 2 and v in g._sign[u] and v not in g._equal[u]
    _check(g, "pi_copy", u, ok, f"phase π and two edges, one of them plain to {v} of the other colour")
    others = _take(g, v)
    others.remove((u, True))
    g._phase[u] = 0
    _link(g, u, v, True)
    _contract(g, u)
    g._angle = g._mod(g._angle + g._phase[v])  # what follows writes 1 - x for the bit x of v
    g._phase[v] = g._mod(-g._phase[v])
    for w, sign in others:
        if sign and w in g._phase:
            g._turn(w, g._unit)
            _link(g, v, w, True)
        else:  # a spider of phase π on the edge
            p = g._add(g._unit)
            _link(g, p, w, not sign)
            _link(g, v, p, True)
            g._power -= 0 if sign else 2


def copy_state(g: Graph, u: int) -> None:
    """A Pauli spider u with one edge, to a spider of the other colour, is copied through it onto all its other edges."""
    ok = u in g._phase and not g._phase[u] % g._unit and _degree(g, u) == 1 and len(g._sign[u]) == 1
    _check(g, "copy_state", u, ok, "a phase of 0 or π and one edge, plain to a spider of the other colour")
    _copy_state(g, u)


def bialgebra(g: Graph, u: int, v: int) -> None:
    """A Z and an X spider of phase 0 on a plain edge: every edge of the one then leads to every edge of the other."""
    ok = u in g._phase and v in g._sign[u] and v not in g._equal[u] and g._phase[u] == 0 == g._phase[v]
    _check(g, "bialgebra", u, ok, f"phase 0 and a plain edge to {v} of phase 0 and of the other colour")
    g._sign[u].remove(v)
    g._sign[v].remove(u)
    g._power += 2
    sides: list[list[int]] = []
    for centre in (u, v):
        sides.append([])
        for w, sign in _take(g, centre):
            s = g._add(0)
            if centre not in g._red:
                g._red.add(s)
            _link(g, s, w, not sign)
            g._power -= 0 if sign else 2
            sides[-1].append(s)
        g._drop(centre)
    for s in sides[0]:
        for t in sides[1]:
            _link(g, s, t, True)


def complement(g: Graph, u: int) -> None:
    """Local complementation: a spider of phase ±π/2 goes, and edges between its neighbours come where there were none."""
    ok = g._phase.get(u, 0) % g._unit == g._unit // 2 and _is_inner(g, u)
    _check(g, "complement", u, ok, "phase ±π/2 and edges to spiders of the other colour, or Hadamard, only")
    _complement(g, u)


def pivot(g: Graph, u: int, v: int) -> None:
    """Two Pauli spiders on an edge go; the edges between those next to u, to v and to both of them are complemented."""
    for w, other in ((u, v), (v, u)):
        ok = w in g._phase and not g._phase[w] % g._unit and _is_inner(g, w) and other in g._sign[w]
        _check(g, "pivot", w, ok, f"a phase of 0 or π and Hadamard edges to spiders only, one of them {other}")
    _pivot(g, u, v)


def split_gadget(g: Graph, v: int) -> int:
    """The phase of a spider as a phase gadget on it, of which the hub is returned."""
    g._need(v)
    h, leaf = g._add(0), g._add(g._phase[v])
    g._phase[v] = 0
    _link(g, h, v, True)
    _link(g, h, leaf, True)
    g._power -= 2
    return h


def gadget_pivot(g: Graph, u: int, v: int) -> None:
    """A pivot of a Pauli spider u and a spider v of any phase, which is split off as a gadget."""
    ok = u in g._phase and not g._phase[u] % g._unit and _is_inner(g, u) and v in g._sign[u] and not g._equal[v]
    _check(g, "gadget_pivot", u, ok, f"a phase of 0 or π and Hadamard edges to spiders only, one of them {v}")
    if g._legs[v]:
        raise ZXError(f"gadget_pivot: spider {v} is at an input or output, boundary_pivot is needed")
    _open_pivot(g, u, v)


def boundary_pivot(g: Graph, u: int, v: int) -> None:
    """A pivot of a Pauli spider u and a spider v at inputs or outputs, which are set off by spiders; a phase becomes a gadget."""
    ok = u in g._phase and not g._phase[u] % g._unit and _is_inner(g, u) and v in g._sign[u] and not g._equal[v]
    _check(g, "boundary_pivot", u, ok, f"a phase of 0 or π and Hadamard edges to spiders only, one of them {v}")
    if not g._legs[v]:
        raise ZXError(f"boundary_pivot: spider {v} is at no input or output, gadget_pivot is needed")
    _open_pivot(g, u, v)


def fuse_gadgets(g: Graph, h: int, k: int) -> None:
    """Phase gadgets with hubs h and k on the same spiders become one, with hub h and the sum of the phases."""
    leaves = [_leaf(g, x) if x in g._phase and not g._phase[x] % g._unit and _is_inner(g, x) else None for x in (h, k)]
    if h == k or k in leaves or None in leaves or g._sign[h] - {leaves[0]} != g._sign[k] - {leaves[1]}:
        raise ZXError(f"fuse_gadgets: {h} and {k} are not hubs of two phase gadgets on the same spiders")
    _fuse_gadgets(g, h, k)


# -- the same without checks, for simplification and extraction -------------------------------------------------------
def _check(g: Graph, rule: str, u: int, ok: bool, need: str) -> None:
    g._need(u)
    if not ok:
        raise ZXError(f"{rule}: spider {u} needs {need}")


def _degree(g: Graph, v: int) -> int:
    return len(g._equal[v]) + len(g._sign[v]) + len(g._legs[v])


def _is_inner(g: Graph, v: int) -> bool:
    return not g._equal[v] and not g._legs[v]


def _leaf(g: Graph, h: int) -> int | None:
    """The leaf of the phase gadget whose hub is h, if it is one."""
    return next((w for w in g._sign[h] if len(g._sign[w]) == 1 and _is_inner(g, w)), None)


def _link(g: Graph, u: int, v: int, sign: bool) -> None:
    """Multiply by the factor [x_u = x_v], or (-1)^{x_u x_v}, of which one may be an end."""
    if u not in g._phase or v not in g._phase:
        g._attach(u, v, sign)
        g._power += sign
    elif u == v:
        if sign:
            g._turn(u, g._unit)
    elif sign:
        g._sign[u] ^= {v}
        g._sign[v] ^= {u}
    else:
        g._equal[u].add(v)
        g._equal[v].add(u)


def _take(g: Graph, v: int) -> list[tuple[int, bool]]:
    """Take off all factors at v, as `_link` would put them."""
    found = [(w, False) for w in g._equal[v]] + [(w, True) for w in g._sign[v]]
    for w in g._equal[v]:
        g._equal[w].remove(v)
    for w in g._sign[v]:
        g._sign[w].remove(v)
    for b in g._legs[v]:
        sign = g._end[b][1]
        found.append((b, sign))
        g._power -= sign
    for table in (g._equal, g._sign, g._legs):
        table[v] = set()
    return found


def _contract(g: Graph, u: int) -> None:
    """The sum over u, of phase 0 and with two edges."""
    (x, first), (y, second) = _take(g, u)
    g._drop(u)
    _link(g, x, y, first ^ second)
    if first and second:
        g._power += 2


def _merge(g: Graph, u: int, v: int) -> None:
    """The sum over v, equal to u."""
    g._turn(u, g._phase[v])
    for w, sign in _take(g, v):
        _link(g, u, w, sign)
    g._drop(v)


def _copy_state(g: Graph, u: int) -> None:
    (v,) = g._sign[u]
    a = g._phase[u]
    g._sign[v].remove(u)
    g._sign[u].clear()
    g._drop(u)
    g._power += 2
    if a:
        g._angle = g._mod(g._angle + g._phase[v])
    for w, sign in _take(g, v):
        if sign and w in g._phase:
            g._turn(w, a)
        else:  # a state of its own on the edge
            _link(g, g._add(a), w, not sign)
            g._power -= 0 if sign else 2
    g._drop(v)


def _complement(g: Graph, u: int) -> None:
    turn, around, sign = g._phase[u], g._sign[u], g._sign
    g._drop(u)
    g._power += 1
    g._angle = g._mod(g._angle + (g._unit // 4 if turn < g._unit else -g._unit // 4))
    for v in around:
        mine = sign[v]
        mine ^= around
        mine.remove(u)
        mine.remove(v)
        g._turn(v, -turn)


def _pivot(g: Graph, u: int, v: int) -> None:
    sign, a, b = g._sign, g._phase[u], g._phase[v]
    of_u, of_v = sign[u], sign[v]
    of_u.remove(v)
    of_v.remove(u)
    g._drop(u)
    g._drop(v)
    g._power += 2
    if a and b:
        g._angle = g._mod(g._angle + g._unit)
    both = of_u & of_v
    for mine, other, centre, turn in ((of_u - both, of_v, u, b), (of_v - both, of_u, v, a)):
        for w in mine:
            sign[w] ^= other
            sign[w].remove(centre)
            if turn:
                g._turn(w, turn)
    if both:
        either = of_u ^ of_v | {u, v}
        for w in both:
            sign[w] ^= either
            g._turn(w, a + b + g._unit)


def _open_pivot(g: Graph, u: int, v: int) -> None:
    for b in list(g._legs[v]):
        insert_spider(g, b)
    if g._phase[v] % g._unit:
        split_gadget(g, v)
    _pivot(g, u, v)


def _plain_hub(g: Graph, h: int) -> int:
    """Bring the phase of a gadget's hub to 0 and return the leaf: e^{iα(1 - p)} = e^{iα} e^{-iαp}."""
    leaf = _leaf(g, h)
    assert leaf is not None
    if g._phase[h]:
        g._phase[h] = 0
        g._angle = g._mod(g._angle + g._phase[leaf])
        g._phase[leaf] = g._mod(-g._phase[leaf])
    return leaf


def _fuse_gadgets(g: Graph, h: int, k: int) -> None:
    leaf, other = _plain_hub(g, h), _plain_hub(g, k)
    g._turn(leaf, g._phase[other])
    for x in (other, k):
        _take(g, x)
        g._drop(x)
    g._power += 2

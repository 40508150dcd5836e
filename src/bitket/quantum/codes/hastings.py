"""Weight reduction of CSS codes in four steps: copying, gauging, thickening with choosing heights, coning.

Each step takes a CSS code and returns one with the same k:

- *copying*: a qubit in q X checks becomes q copies, one for each of them, neighbours tied by X checks of weight 2; Z checks act on all.
- *gauging*: an X check on q_1 ... q_w becomes the chain {q_1, a_1}, {a_1, q_2, a_2}, ..., {a_{w-1}, q_w} with w - 1 new qubits; a Z check
  that meets it at positions i_1 < i_2 < i_3 < ... also acts on a_{i_1} ... a_{i_2 - 1}, a_{i_3} ...
- *thickening*: the product with a repetition code of length l. Qubits (q, height) and (X check, gap); X checks (x, height); Z checks
  (q, gap), and each old Z check at one height, chosen so that those at one height share no qubit.
- *coning*: a heavy Z check is the product of a new Z check for each of its qubits; these act also on the edges of a connected graph on the
  qubits, a new qubit each. An X check that shares qubits with the old check acts also on edges that pair them; cycles of the graph
  become X checks, cut by chords to weight 6, and moved to further layers of the graph where one layer would be too crowded.

k stays. d stays under copying and thickening. Gauging can lower the X distance, which thickening multiplies by l; a cone lowers the Z distance
where its check holds a logical Z operator S (an unreasonable code in Hastings' words): S becomes the edges that leave it.

Source: Hastings 2021 (arXiv:2102.10030), sections II to IV; Sabo and others 2024 (arXiv:2402.05228), sections III and IV.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable

import networkx as nx
import numpy as np
from scipy.sparse import csr_array

from bitket.errors import InvalidInput
from bitket.quantum.codes.code import CssCode

MOST = 500_000
"""Qubits that thickening may make: a reduction to 58 000 takes 7 s, to half a million minutes."""

__all__ = ["coning", "copying", "gauging", "hastings_reduction", "thickening"]

Sets = list[set[int]]


def _sets(checks: csr_array) -> Sets:
    return [set(checks.indices[a:b].tolist()) for a, b in itertools.pairwise(checks.indptr)]


def _code(x: Iterable[Iterable[int]], z: Iterable[Iterable[int]], n: int, name: str) -> CssCode:
    def matrix(sets: Iterable[Iterable[int]]) -> csr_array:
        rows = [sorted(s) for s in sets]
        ends = np.cumsum([0, *map(len, rows)])
        places = np.fromiter(itertools.chain.from_iterable(rows), np.int64, ends[-1])
        return csr_array((np.ones(len(places), np.int32), places, ends), shape=(len(rows), n))

    return CssCode(matrix(x), matrix(z), name)


def _users(checks: Sets, n: int) -> list[list[int]]:
    """For each qubit the checks that act on it, in order."""
    users: list[list[int]] = [[] for _ in range(n)]
    for k, check in enumerate(checks):
        for qubit in check:
            users[qubit].append(k)
    return users


def copying(code: CssCode) -> CssCode:
    """Every qubit in at most three X checks."""
    x, z = _sets(code.sparse_x), _sets(code.sparse_z)
    copies: list[list[int]] = []
    new_x: Sets = [set() for _ in x]
    ties: Sets = []
    n = 0
    for users in _users(x, code.n):
        copies.append(list(range(n, n + max(1, len(users)))))
        n += len(copies[-1])
        for copy, user in zip(copies[-1], users, strict=False):
            new_x[user].add(copy)
        ties += [set(pair) for pair in itertools.pairwise(copies[-1])]
    new_z = [{c for qubit in check for c in copies[qubit]} for check in z]
    return _code(new_x + ties, new_z, n, code.name)


def gauging(code: CssCode, most: int = 3) -> CssCode:
    """Every X check of weight at most three; those of weight at most ``most`` stay as they are."""
    x, z, n = _sets(code.sparse_x), _sets(code.sparse_z), code.n
    new_x: Sets = []
    for check in x:
        chain = sorted(check)
        w = len(chain)
        if w <= most:
            new_x.append(check)
            continue
        new = list(range(n, n + w - 1))
        n += w - 1
        new_x += [{chain[i]} | set(new[max(i - 1, 0) : i + 1]) for i in range(w)]
        for other in z:
            met = [i for i in range(w) if chain[i] in other]
            for i, j in zip(met[::2], met[1::2], strict=True):
                other.update(new[i:j])
    return _code(new_x, z, n, code.name)


def thickening(code: CssCode, heights: int | None = None) -> CssCode:
    """Every qubit in few Z checks: at most 3 and the largest number of X checks that it is in.

    Parameters
    ----------
    heights
        Length of the repetition code; None, or fewer than needed: as many as it takes that Z checks at one height share no qubit.
    """
    x, z, n = _sets(code.sparse_x), _sets(code.sparse_z), code.n
    users = _users(z, n)
    _fits(code, max(map(len, users)))
    conflict = nx.Graph()
    conflict.add_nodes_from(range(len(z)))
    for checks in users:
        conflict.add_edges_from(itertools.combinations(checks, 2))
    at = nx.greedy_color(conflict, strategy="DSATUR")
    l = max(max(at.values(), default=0) + 1, heights or 2, 2)
    size = _fits(code, l)

    def qubit_at(q: int, height: int) -> int:
        return q * l + height

    def gap_at(check: int, gap: int) -> int:
        return n * l + check * (l - 1) + gap

    new_x = [
        {qubit_at(q, h) for q in check} | {gap_at(c, g) for g in (h - 1, h) if 0 <= g < l - 1}
        for c, check in enumerate(x)
        for h in range(l)
    ]
    new_z = [{qubit_at(q, at[k]) for q in check} for k, check in enumerate(z)]
    new_z += [
        {qubit_at(q, g), qubit_at(q, g + 1)} | {gap_at(c, g) for c in users}
        for q, users in enumerate(_users(x, n))
        for g in range(l - 1)
    ]
    return _code(new_x, new_z, size, code.name)


def _fits(code: CssCode, heights: int) -> int:
    """Qubits after thickening."""
    size = code.n * heights + code.sparse_x.shape[0] * (heights - 1)
    if size > MOST:
        raise InvalidInput(
            f"thickening {code.n} qubits to {heights} heights makes {size}: {MOST} are the most; begin with lighter checks"
        )
    return size


def coning(code: CssCode, most: int = 6) -> CssCode:
    """Every Z check of weight at most ``most`` (where the graphs allow it; the result says what was reached)."""
    if most < 4:
        raise InvalidInput(f"coning to weight {most}: at least 4 is needed")
    x, z, n = _sets(code.sparse_x), [], code.n
    for check in _sets(code.sparse_z):
        if len(check) <= most:
            z.append(check)
            continue
        n = _cone(check, x, z, n, most)
    return _code(x, z, n, code.name)


def _cone(check: set[int], x: Sets, z: Sets, n: int, most: int) -> int:
    """Replace one Z check; ``x`` and ``z`` are changed in place; the new number of qubits."""
    graph = nx.Graph()
    graph.add_nodes_from(sorted(check))
    paired: list[tuple[set[int], list[tuple[int, int]]]] = []
    for other in x:
        met = sorted(check & other)
        if met:
            pairs = list(zip(met[::2], met[1::2], strict=True))
            graph.add_edges_from(pairs)
            paired.append((other, pairs))
    for a, b in itertools.pairwise(sorted(nx.connected_components(graph), key=min)):
        ends = [min(part, key=lambda q: (graph.degree(q), q)) for part in (a, b)]
        graph.add_edge(*ends)
    users = Counter(pair for _, pairs in paired for pair in pairs)
    layers = _Layers(graph, users, n, most)
    for other, pairs in paired:
        other.update(layers.edge(0, a, b) for a, b in pairs)
    for cycle in nx.minimum_cycle_basis(graph):
        layers.place(_ordered(graph, cycle))
    x.extend(layers.x)
    z.extend(layers.checks[q, layer] | ({q} if layer == 0 else set()) for q, layer in layers.checks)
    return layers.n


def _ordered(graph: nx.Graph, cycle: list[int]) -> list[int]:
    """The vertices of a cycle of a minimum basis in the order of the cycle (it has no chord shorter than itself)."""
    inside = graph.subgraph(cycle)
    order = [min(cycle)]
    while len(order) < len(cycle):
        order.append(min(v for v in inside[order[-1]] if v not in order))
    return order


class _Layers:
    """Copies of a graph, joined by rungs; a layer is added when no layer has room for a cycle's chords and check."""

    def __init__(self, graph: nx.Graph, users: dict[tuple[int, int], int], n: int, most: int) -> None:
        self.graph, self.n, self.most = graph, n, most
        self.edges: dict[tuple[int, int, int], int] = {}
        self.checks: dict[tuple[int, int], set[int]] = {}
        self.used: list[dict[tuple[int, int], int]] = []  # for each layer: cycles on an edge
        self.users = users
        self.x: Sets = []
        self._add()

    def edge(self, layer: int, a: int, b: int) -> int:
        """The qubit of an edge, made when it is first asked for."""
        key = (layer, min(a, b), max(a, b))
        if key not in self.edges:
            self.edges[key] = self._qubit((a, layer), (b, layer))
        return self.edges[key]

    def _qubit(self, *ends: tuple[int, int]) -> int:
        self.n += 1
        for end in ends:
            self.checks[end].add(self.n - 1)
        return self.n - 1

    def _add(self) -> None:
        layer = len(self.used)
        self.used.append({})
        for v in self.graph:
            self.checks[v, layer] = set()
        for a, b in self.graph.edges:
            self.edge(layer, a, b)
        if layer:
            rung = {v: self._qubit((v, layer - 1), (v, layer)) for v in self.graph}
            for a, b in self.graph.edges:
                self.x.append({self.edge(layer - 1, a, b), self.edge(layer, a, b), rung[a], rung[b]})

    def place(self, cycle: list[int]) -> None:
        """Make X checks of a cycle, in the first layer with room."""
        faces = _faces(cycle)
        drawn = {(min(a, b), max(a, b)) for face in faces for a, b in _sides(face)}
        sides = {(min(a, b), max(a, b)) for a, b in _sides(cycle)}
        ends = [v for chord in drawn - sides for v in chord]
        for layer in itertools.count():
            fresh = layer == len(self.used)
            if fresh:
                self._add()
            top = layer == len(self.used) - 1  # it will get rungs when a layer is added
            light = all(len(self.checks[v, layer]) + (layer == 0) + top + ends.count(v) <= self.most for v in set(ends))
            if fresh or (light and all(self.used[layer].get(s, 0) < self._room(layer, s) for s in sides)):
                break
        for side in sides:
            self.used[layer][side] = self.used[layer].get(side, 0) + 1
        self.x += [{self.edge(layer, a, b) for a, b in _sides(face)} for face in faces]

    def _room(self, layer: int, side: tuple[int, int]) -> int:
        """Cycles that may use an edge: its qubit is in two Z checks, in faces to the next layers, in layer 0 in old X checks."""
        return self.most - 4 if layer else self.most - 3 - self.users.get(side, 0)


def _sides(ring: list[int]) -> list[tuple[int, int]]:
    return [(ring[k - 1], v) for k, v in enumerate(ring)]


def _faces(cycle: list[int]) -> list[list[int]]:
    """A cycle cut by chords, at most one on a vertex, into faces of at most six."""
    if len(cycle) <= 6:
        return [cycle]
    ring = [*cycle, cycle[0]]
    faces, low, high = [ring[:6]], 5, len(cycle)  # left: ring[low .. high]
    while high - low >= 6:
        faces.append([*ring[low : low + 3], *ring[high - 2 : high + 1]])
        low, high = low + 2, high - 2
    return [*faces, ring[low : high + 1]]


def hastings_reduction(code: CssCode, target: int = 6) -> CssCode:
    """All steps; the code itself where its weights and degrees are within ``target`` (at least 6) already.

    Raises
    ------
    InvalidInput
        A target below 6, which these steps do not reach.
    """
    if target < 6:
        raise InvalidInput(
            f"Hastings' reduction to weight {target}: it reaches 6; use 'classical' on the seeds for less"
        )
    if code.weights.check <= target and code.weights.bit <= target:
        return code
    return coning(thickening(gauging(copying(code))), target)

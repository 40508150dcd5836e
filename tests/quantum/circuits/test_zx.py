import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from bitket.errors import InvalidInput
from bitket.quantum.circuits import Circuit, Parameter, ZXGraph, gate, random_circuit
from bitket.quantum.circuits.zx import Scalar, rules
from bitket.quantum.circuits.zx.simplification import to_graph_like

CLIFFORD = [Fraction(k, 2) for k in range(4)]
PHASES = [*CLIFFORD, *CLIFFORD, Fraction(1, 4), Fraction(7, 4), Fraction(2, 3), 0.3]
H = np.array([[1, 1], [1, -1]]) / math.sqrt(2)
CLIFFORD_T = ["h", "s", "t", "tdg", "cx", "cz"]


@st.composite
def diagrams(draw, most=6, kinds=("Z", "X"), hadamard=(False, True)):
    """Kinds and phases of spiders, edges among them with loops and parallels, and what inputs and outputs end at."""
    n = draw(st.integers(1, most))
    spiders = [(draw(st.sampled_from(kinds)), draw(st.sampled_from(PHASES))) for _ in range(n)]
    vertex = st.integers(0, n - 1)
    edges = draw(st.lists(st.tuples(vertex, vertex, st.sampled_from(hadamard)), max_size=2 * n))
    ends = draw(st.lists(st.tuples(st.booleans(), vertex, st.booleans()), max_size=4))
    wire = draw(st.sampled_from([None, None, None, (False, False), (True, True), (False, True)]))
    return spiders, edges, ends, wire


def build(diagram):
    spiders, edges, ends, wire = diagram
    g = ZXGraph()
    names = [g.add_spider(*s) for s in spiders]
    for u, v, hadamard in edges:
        g.add_edge(names[u], names[v], hadamard)
    for is_input, v, hadamard in ends:
        b = g.add_input() if is_input else g.add_output()
        g.add_edge(names[v], b, hadamard)
    if wire:
        g.add_edge(g.add_output(), g.add_input() if wire[0] else g.add_output(), wire[1])
    return g


def spider_tensor(kind, phase, legs):
    out = np.zeros((2,) * legs, dtype=complex)
    out[(0,) * legs] += 1
    out[(1,) * legs] += np.exp(1j * math.pi * float(phase))
    if kind == "X":
        for leg in range(legs):
            out = np.moveaxis(np.tensordot(H, out, axes=(1, leg)), 0, leg)
    return out


def contract(spiders, edges, ends):
    """A diagram by definition: ``spiders`` {name: (kind, phase)}, ``edges`` (u, v, hadamard), ``ends`` in the order of axes."""
    legs = {v: [] for v in spiders}
    axis, operands = {}, []
    for i, (u, v, hadamard) in enumerate(edges):
        for w, index in ((u, 2 * i), (v, 2 * i + 1)):
            if w in legs:
                legs[w].append(index)
            else:
                axis[w] = index
        operands += [H if hadamard else np.eye(2), [2 * i, 2 * i + 1]]
    for v, (kind, phase) in spiders.items():
        operands += [spider_tensor(kind, phase, len(legs[v])), legs[v]]
    return np.einsum(*operands, [axis[b] for b in ends], optimize=True)


def contract_graph(g):
    spiders = {v: (g.kind(v), g.phase(v)) for v in g.spiders()}
    return complex(g.scalar) * contract(spiders, g.edges(), [*g.outputs, *g.inputs])


def contract_drawn(diagram):
    spiders, edges, ends, wire = diagram
    edges = [*edges, *((v, f"end {i}", hadamard) for i, (_, v, hadamard) in enumerate(ends))]
    kinds = [(is_input, f"end {i}") for i, (is_input, _, _) in enumerate(ends)]
    if wire:
        edges.append(("first", "second", wire[1]))
        kinds += [(False, "first"), (wire[0], "second")]
    ends = [name for is_input, name in kinds if not is_input] + [name for is_input, name in kinds if is_input]
    return contract(dict(enumerate(spiders)), edges, ends)


def assert_same(got, wanted):
    np.testing.assert_allclose(got, wanted, atol=1e-9 * max(1.0, np.abs(wanted).max(initial=0)))


def state(g):
    return {name: (dict(value) if isinstance(value, dict) else value) for name, value in g.copy().__dict__.items()}


@settings(deadline=None, max_examples=150)
@given(diagrams())
def test_tensor_is_the_definition_with_loops_and_parallel_edges(diagram):
    assume(len(diagram[1]) + len(diagram[2]) <= 14)
    g = build(diagram)
    wanted = contract_drawn(diagram)
    assert_same(g.to_tensor(), wanted)
    assert_same(contract_graph(g), wanted)  # edges, kinds, phases and the scalar, as they are read


ONE = {
    "change_colour": rules.change_colour,
    "remove_identity": rules.remove_identity,
    "copy_state": rules.copy_state,
    "complement": rules.complement,
    "split_gadget": rules.split_gadget,
    "insert_spider": rules.insert_spider,
}
TWO = {
    "fuse": rules.fuse,
    "pi_copy": rules.pi_copy,
    "bialgebra": rules.bialgebra,
    "pivot": rules.pivot,
    "gadget_pivot": rules.gadget_pivot,
    "boundary_pivot": rules.boundary_pivot,
    "fuse_gadgets": rules.fuse_gadgets,
}


def sites(g, name):
    spiders = g.spiders()
    if name == "insert_spider":
        return [(b,) for b in (*g.inputs, *g.outputs)]
    return [(u,) for u in spiders] if name in ONE else [(u, v) for u in spiders for v in spiders]


def check_everywhere(g, name):
    """Apply a rule at every site: it keeps the tensor, or is refused and changes nothing."""
    wanted, before, applied = g.to_tensor(), state(g), 0
    for site in sites(g, name):
        h = g.copy()
        try:
            (ONE | TWO)[name](h, *site)
        except InvalidInput:
            assert state(h) == before
            continue
        assert_same(h.to_tensor(), wanted)
        applied += 1
    assert state(g) == before  # a copy shares nothing
    return applied


@pytest.mark.parametrize("name", [*ONE, *TWO])
@settings(deadline=None, max_examples=40)
@given(data=st.data())
def test_rules_keep_the_tensor_and_scalar(name, data):
    check_everywhere(build(data.draw(diagrams())), name)
    g = build(data.draw(diagrams(kinds=("Z",), hadamard=(True,))))
    check_everywhere(g, name)


@pytest.mark.parametrize("name", [*ONE, *TWO])
def test_rules_apply_where_they_should(name):
    """The same on diagrams made so that each rule has places to apply, with two gadgets, a state and a wire on random spiders."""
    applied = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        g = ZXGraph()
        v = [g.add_spider("ZX"[rng.integers(2)], PHASES[rng.integers(6)]) for _ in range(6)]
        for i in range(6):
            for j in range(i):
                if rng.random() < 0.35:
                    same = g.kind(v[i]) == g.kind(v[j])
                    g.add_edge(v[i], v[j], same if rng.random() < 0.85 else not same)
        targets = [w for w in v if rng.random() < 0.5]
        for _ in range(2):
            hub, leaf = g.add_spider("Z", int(rng.integers(2))), g.add_spider("Z", Fraction(1, 4))
            g.add_edge(hub, leaf, True)
            for w in targets:
                g.add_edge(hub, w, g.kind(w) == "Z")
        for ends in (v[2:3], v[3:5]):  # a state and a wire
            w = g.add_spider("Z", int(rng.integers(2)))
            for x in ends:
                g.add_edge(w, x, g.kind(x) == "Z")
        for _ in range(2):
            g.add_edge(g.add_input(), v[rng.integers(2)], bool(rng.integers(2)))
            g.add_edge(g.add_output(), v[rng.integers(2)], bool(rng.integers(2)))
        applied += check_everywhere(g, name)
    assert applied >= 20


def assert_reduced(g):
    """Graph-like, no inner Clifford spider but hubs of gadgets, no two gadgets on the same spiders."""
    ends = {v for u, w, _ in g.edges() for v in (u, w) if u in g.inputs or w in g.outputs or u in g.outputs}
    around = {v: set() for v in g.spiders()}
    for u, v, hadamard in g.edges():
        if u in around and v in around:
            assert hadamard
            around[u].add(v)
            around[v].add(u)
    targets = []
    for v in g.spiders():
        assert g.kind(v) == "Z"
        assert around[v] or v in ends
        if v not in ends and g.phase(v) in CLIFFORD:
            leaves = [w for w in around[v] if len(around[w]) == 1 and w not in ends]
            assert leaves
            assert g.phase(v) in (0, 1)
            targets.append(frozenset(around[v] - {leaves[0]}))
    assert len(set(targets)) == len(targets)


@settings(deadline=None, max_examples=200)
@given(diagrams(most=9))
def test_simplify_keeps_the_tensor_of_any_diagram(diagram):
    g = build(diagram)
    before, wanted = state(g), g.to_tensor()
    assert_same(g.simplify().to_tensor(), wanted)
    assert_reduced(g.simplify())
    assert g.simplify().t_count <= g.t_count
    to_graph_like(h := g.copy())
    assert_same(h.to_tensor(), wanted)
    assert state(g) == before


@settings(deadline=None, max_examples=100)
@given(st.integers(1, 4), st.integers(0, 6), st.integers(0, 2**32 - 1))
def test_all_gates_exactly(n, depth, seed):
    rng = np.random.default_rng(seed)
    names = (
        None
        if seed % 2
        else [*CLIFFORD_T, "x", "y", "z", "sx", "sxdg", "cy", "swap", "rz", "rx", "ry", "u", "p", "ccx"]
    )
    circuit = random_circuit(n, depth, rng, names=names, max_controls=seed % 3 == 0)
    wanted = circuit.matrix()
    g = ZXGraph.from_circuit(circuit)
    np.testing.assert_allclose(g.to_matrix(), wanted, atol=1e-9)
    reduced = g.simplify()
    np.testing.assert_allclose(reduced.to_matrix(), wanted, atol=1e-9)
    for diagram in (g, reduced):  # the global phase too
        np.testing.assert_allclose(diagram.extract().matrix(), wanted, atol=1e-9)


@settings(deadline=None, max_examples=60)
@given(st.integers(2, 6), st.integers(0, 40), st.integers(0, 2**32 - 1))
def test_t_count_never_rises(n, depth, seed):
    circuit = random_circuit(n, depth, np.random.default_rng(seed), names=CLIFFORD_T)
    g = ZXGraph.from_circuit(circuit)
    reduced = g.simplify()
    extracted = reduced.extract()
    counts = [sum(c.count_ops().get(name, 0) for name in ("t", "tdg", "p")) for c in (circuit, extracted)]
    assert counts[0] >= g.t_count >= reduced.t_count >= counts[1]
    np.testing.assert_allclose(extracted.matrix(), circuit.matrix(), atol=1e-9)
    assert_reduced(reduced)


def test_known_t_counts():
    assert ZXGraph.from_circuit(Circuit(3).ccx(0, 1, 2)).simplify().t_count == 7
    twice = ZXGraph.from_circuit(Circuit(3).ccx(0, 1, 2).h(0).h(0).ccx(0, 1, 2)).simplify()
    assert (twice.t_count, twice.scalar) == (0, Scalar())
    assert twice.extract().count_ops() == {}
    clifford = random_circuit(8, 60, np.random.default_rng(3), names=["h", "s", "cx", "sx", "swap", "cy"])
    reduced = ZXGraph.from_circuit(clifford).simplify()
    assert (reduced.t_count, len(reduced.spiders()) <= 16) == (0, True)  # at most two spiders a qubit
    np.testing.assert_allclose(reduced.extract().matrix(), clifford.matrix(), atol=1e-9)


def test_phases_and_scalars_are_exact():
    circuit = Circuit(2).rz(2 * math.pi / 3, 0).rx(0.3, 1).append(gate("gphase", math.pi / 7), ())
    g = ZXGraph.from_circuit(circuit)
    assert g.scalar.phase == pytest.approx(float(Fraction(1, 7) - Fraction(1, 3) - 0.15 / math.pi) % 2)
    assert next(map(g.phase, g.spiders())) == Fraction(2, 3)
    assert ZXGraph.from_circuit(Circuit(1).rz(0.3, 0).h(0).rx(0.4, 0).h(0).rz(-0.7, 0)).extract().count_ops() == {}
    many = Circuit(1)
    for _ in range(3):
        many.rz(2 * math.pi / 3, 0).p(math.pi / 2**20, 0)
    g = ZXGraph.from_circuit(many)
    assert [g.phase(v) for v in g.spiders()] == [Fraction(3, 2**20)]
    assert g.scalar == Scalar(0, Fraction(1), ())
    assert complex(Scalar(3, Fraction(1, 4), (Fraction(1, 2),))) == pytest.approx(
        2**1.5 * np.exp(0.25j * np.pi) * (1 + 1j)
    )
    assert complex(Scalar(0, Fraction(0), (Fraction(1), 0.1))) == 0


def test_a_large_circuit_comes_back_by_its_inverse():
    """30 qubits are too many for a matrix: the extracted circuit after the inverse of the first reduces to the identity."""
    circuit = random_circuit(30, 30, np.random.default_rng(8), names=["h", "s", "t", "cx", "cz"])
    extracted = ZXGraph.from_circuit(circuit).simplify().extract()
    assert len(circuit) > 400
    back = ZXGraph.from_circuit(circuit.inverse().compose(extracted)).simplify()
    assert (back.scalar, back.extract().count_ops()) == (Scalar(), {})


def test_diagrams_that_are_multiples_of_unitaries():
    g = ZXGraph()
    a, b, z, x = g.add_input(), g.add_input(), g.add_spider("Z", 0.25), g.add_spider("X", Fraction(1, 2))
    for u, v in ((a, z), (b, x), (z, x), (z, g.add_output()), (x, g.add_output())):
        g.add_edge(u, v)
    s, t = g.add_spider("Z", Fraction(1, 4)), g.add_spider("Z", Fraction(1, 3))  # a number beside it
    g.add_edge(s, t, True)
    wanted = g.to_matrix()
    for h in (g, g.simplify()):
        got = h.extract().matrix()
        np.testing.assert_allclose(got * np.linalg.norm(wanted) / 2, wanted, atol=1e-9)


def test_bad_input():
    c = Circuit(2, 1, name="mine")
    with pytest.raises(InvalidInput, match="'mine' has a measurement"):
        ZXGraph.from_circuit(c.measure(0, 0))
    with pytest.raises(InvalidInput, match="'rx' has parameters without values"):
        ZXGraph.from_circuit(Circuit(1).rx(Parameter("a"), 0))
    g = ZXGraph()
    a, b = g.add_input(), g.add_output()
    v, w = g.add_spider(), g.add_spider("X", 1)
    for wrong in (lambda: g.add_spider("Y"), lambda: g.add_spider("Z", math.nan), lambda: g.add_spider("Z", "1/2")):
        with pytest.raises(InvalidInput, match="is needed"):
            wrong()
    with pytest.raises(InvalidInput, match="has no edge"):
        g.to_tensor()
    with pytest.raises(InvalidInput, match="has no edge"):
        g.extract()
    g.add_edge(a, v)
    g.add_edge(w, b)
    with pytest.raises(InvalidInput, match="has one edge only"):
        g.add_edge(a, w)
    with pytest.raises(InvalidInput, match="there is no vertex 9"):
        g.add_edge(v, 9)
    with pytest.raises(InvalidInput, match="no spider 0"):
        g.phase(a)
    for diagram in (g, g.simplify()):  # |1> after <+|
        with pytest.raises(InvalidInput, match="not a multiple of a unitary"):
            diagram.extract()
    g.add_input()
    with pytest.raises(InvalidInput, match="2 inputs and 1 outputs"):
        g.extract()
    with pytest.raises(InvalidInput, match="at most 2"):
        ZXGraph.from_circuit(Circuit(14)).to_matrix()


def test_zero_is_no_circuit():
    g = ZXGraph()
    g.add_edge(g.add_input(), g.add_output())
    g.add_spider("Z", 1)
    assert complex(g.simplify().scalar) == 0
    with pytest.raises(InvalidInput, match="is zero"):
        g.extract()


def test_drawing():
    g = ZXGraph.from_circuit(Circuit(3).h(0).t(0).ccx(0, 1, 2).rx(0.3, 1)).simplify()
    axes = g.draw().axes[0]
    assert len(axes.lines) == len(g.edges()) + 6
    assert len(axes.texts) == len(g.spiders())
    assert {"π/4", "7π/4"} <= {t.get_text() for t in axes.texts}
    with pytest.raises(InvalidInput, match="width"):
        g.draw(0)

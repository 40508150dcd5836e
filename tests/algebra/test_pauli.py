import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitket.algebra import PauliError, PauliString, PauliSum, group_terms, shared_basis
from bitket.algebra.grouping import conflicts

RNG = np.random.default_rng(5)


def random_sum(rng: np.random.Generator, n: int, terms: int, *, real: bool = False) -> PauliSum:
    labels = ["".join(rng.choice(list("IXYZ"), n)) for _ in range(terms)]
    coefficients = rng.normal(size=terms) + (0 if real else 1j * rng.normal(size=terms))
    return PauliSum.from_list(list(zip(labels, coefficients, strict=True)))


labels = st.integers(1, 5).flatmap(lambda n: st.tuples(*[st.text("IXYZ", min_size=n, max_size=n)] * 3))


@given(labels)
@settings(max_examples=60, deadline=None)
def test_strings_multiply_like_their_matrices(three):
    a, b, c = (PauliString.from_label(label) for label in three)
    assert np.allclose((a @ b).matrix(), a.matrix() @ b.matrix())
    assert (a @ b) @ c == a @ (b @ c)
    assert a.commutes(b) == np.allclose(a.matrix() @ b.matrix(), b.matrix() @ a.matrix())
    assert (a @ b).adjoint() == b.adjoint() @ a.adjoint()
    assert PauliString.from_label(str(a @ b)) == a @ b


@given(st.integers(1, 4), st.integers(1, 8), st.integers(0, 2**31))
@settings(max_examples=40, deadline=None)
def test_sums_act_like_their_matrices(n, terms, seed):
    rng = np.random.default_rng(seed)
    a, b = random_sum(rng, n, terms), random_sum(rng, n, terms)
    psi = rng.normal(size=(3, 2**n)) + 1j * rng.normal(size=(3, 2**n))
    assert np.allclose((a @ b).matrix(), a.matrix() @ b.matrix())
    assert np.allclose((a + b).matrix(), a.matrix() + b.matrix())
    assert np.allclose(a.adjoint().matrix(), a.matrix().conj().T)
    assert np.allclose(a.apply(psi), psi @ a.matrix().T)
    assert np.allclose(a.sparse().toarray(), a.matrix())
    expected = np.einsum("bi,ij,bj->b", psi.conj(), a.matrix(), psi)
    assert np.allclose(a.expectation(psi), expected)
    assert PauliSum.from_dict(a.to_dict()) == a


def test_many_terms_of_one_x_mask_take_the_transform():
    n = 6
    rng = np.random.default_rng(0)
    dense = PauliSum.from_masks(n, [(rng.normal(), 5, int(z)) for z in range(64)])
    total = sum(c * PauliString(n, x, z).matrix() for c, x, z in dense.masks())
    assert np.allclose(dense.matrix(), total)


def test_products_beyond_one_word():
    rng = np.random.default_rng(3)
    n = 130
    for _ in range(20):
        a, b = (PauliString.from_label("".join(rng.choice(list("IXYZ"), n))) for _ in range(2))
        product = PauliSum.from_masks(n, [(1, a.x, a.z)]) @ PauliSum.from_masks(n, [(1, b.x, b.z)])
        expected = a @ b
        assert product.masks() == [(expected.phase, expected.x, expected.z)]


@pytest.mark.parametrize("n", [20, 40, 100])
def test_products_in_blocks_equal_products_at_once(n, monkeypatch):
    a, b = (random_sum(np.random.default_rng(seed), n, 30) for seed in (1, 2))
    whole = a @ b
    monkeypatch.setattr("bitket.algebra.pauli_sum._PAIRS_AT_ONCE", 64)
    assert len((a @ b - whole).simplify(1e-12)) == 0
    expected: dict[str, complex] = {}
    for ca, la in zip(a.coefficients, a.labels(), strict=True):
        for cb, lb in zip(b.coefficients, b.labels(), strict=True):
            p = PauliString.from_label(la) @ PauliString.from_label(lb)
            expected[p.label] = expected.get(p.label, 0) + ca * cb * p.phase
    assert dict(zip(whole.labels(), whole.coefficients, strict=True)) == pytest.approx(expected)


def test_simplify_keeps_the_order_of_first_appearance():
    operator = PauliSum.from_list([("ZZ", 1), ("XI", 2), ("ZZ", 3), ("IY", 1), ("IY", -1)])
    assert operator.simplify().to_dict()["terms"] == [["ZZ", 4.0, 0.0], ["XI", 2.0, 0.0]]
    assert PauliSum.zero(3).simplify() == PauliSum.zero(3)
    assert len(PauliSum.zero(3) @ PauliSum.identity(3)) == len(PauliSum.identity(3) @ PauliSum.zero(3)) == 0


def test_ground_energy_of_ising_chain():
    # Transverse-field Ising ring at the critical point: E = -2 / sin(pi / 2n) for even n (Pfeuty 1970).
    n = 10
    ring = [("ZZ", [i, (i + 1) % n], -1.0) for i in range(n)] + [("X", [i], -1.0) for i in range(n)]
    assert PauliSum.from_sparse(ring, n).ground_energy() == pytest.approx(-2 / np.sin(np.pi / (2 * n)), abs=1e-9)


@pytest.mark.parametrize("order", ["fewest", "conflicts", "magnitude", "saturation"])
@pytest.mark.parametrize("relation", ["qubitwise", "commuting"])
def test_groups_partition_the_terms_and_commute(relation, order):
    operator = random_sum(np.random.default_rng(7), 6, 60, real=True).simplify()
    groups = operator.group(relation, order)
    assert sum(groups[1:], groups[0]) == operator
    assert sum(len(g) for g in groups) == len(operator)
    for g in groups:
        assert not conflicts(g, relation).any()
        if relation == "qubitwise":
            basis = PauliString.from_label(shared_basis(g))
            assert all(PauliString(6, x, z).commutes_qubitwise(basis) for _, x, z in g.masks())


@pytest.mark.parametrize("relation", ["qubitwise", "commuting"])
@pytest.mark.parametrize("seed", range(5))
def test_groups_are_as_few_as_by_the_greedy_colourings_of_networkx(relation, seed):
    operator = random_sum(np.random.default_rng(seed), 7, 150, real=True).simplify()
    graph = nx.from_numpy_array(conflicts(operator, relation))
    theirs = {s: len({*nx.greedy_color(graph, s).values()}) for s in ("largest_first", "DSATUR")}
    by = {order: len(operator.group(relation, order)) for order in ("conflicts", "magnitude", "saturation")}
    assert by["conflicts"] == theirs["largest_first"]
    assert by["saturation"] == theirs["DSATUR"]
    assert len(operator.group(relation)) == min(by.values())


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: PauliString.from_label("XA"), "letter 'A' at position 1"),
        (lambda: PauliString.from_label(""), "at least one"),
        (lambda: PauliSum.from_list([]), "no terms"),
        (lambda: PauliSum.from_list([("X", 1), ("XX", 1)]), "different lengths"),
        (lambda: PauliSum.from_list([("X", np.nan)]), "finite"),
        (lambda: PauliSum.from_sparse([("X", [3], 1)], 2), "qubits are 0 to 1"),
        (lambda: PauliSum.parse("0.5*ZZ 1.2 XX"), "position 7"),
        (lambda: PauliSum.parse("0.5*ZQ"), "position 5"),
        (lambda: PauliSum.from_list([("X", 1j)]).ground_energy(), "not Hermitian"),
        (lambda: PauliSum.from_list([("X", 1)]).expectation(np.ones(3)), "last axis must be 2"),
        (lambda: PauliSum.from_list([("X", 1)]) + PauliSum.from_list([("XX", 1)]), "must be equal"),
        (lambda: group_terms(PauliSum.from_list([("X", 1)]), "nothing"), "are known"),
        (lambda: PauliSum.from_list([("X", 1)]).group(order="nothing"), "'fewest', 'conflicts'"),
        (lambda: PauliSum.from_dict({"terms": 3}), "expected"),
        (lambda: PauliSum.identity(27).sparse(), "at most 26"),
        (lambda: PauliSum.identity(15).matrix(), "at most 14"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(PauliError, match=message):
        call()

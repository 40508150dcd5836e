import functools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitket.algebra import PauliError, PauliSum
from bitket.errors import InvalidInput
from bitket.quantum.operators import (
    FermionHamiltonian,
    annihilation,
    decode,
    encode,
    encode_occupation,
    mapping_matrix,
    reduce_two_qubits,
    taper,
)

MAPPINGS = ("jordan_wigner", "parity", "bravyi_kitaev")
mappings = st.sampled_from(MAPPINGS)
seeds = st.integers(0, 2**31)


@functools.cache
def lowering(mode: int, n: int) -> np.ndarray:
    """a_mode on occupation states (mode j is bit j), from its definition: the sign counts the occupied modes below."""
    out = np.zeros((1 << n, 1 << n))
    for state in range(1 << n):
        if state >> mode & 1:
            out[state ^ 1 << mode, state] = (-1) ** (state & ((1 << mode) - 1)).bit_count()
    return out


def encoding(mapping: str, n: int) -> np.ndarray:
    """The permutation matrix |f> -> |B f>."""
    out = np.zeros((1 << n, 1 << n))
    for state in range(1 << n):
        qubits = encode_occupation([state >> j & 1 for j in range(n)], mapping)
        out[sum(q << i for i, q in enumerate(qubits)), state] = 1
    return out


def random_hamiltonian(rng: np.random.Generator, n: int, *, hermitian: bool = True) -> FermionHamiltonian:
    h = rng.normal(size=(n, n)) + 1j * rng.normal(size=(n, n))
    g = rng.normal(size=(n,) * 4) + 1j * rng.normal(size=(n,) * 4)
    if hermitian:
        h, g = h + h.conj().T, g + g.conj().transpose(3, 2, 1, 0)
    return FermionHamiltonian(float(rng.normal()), h, g)


@pytest.mark.parametrize("n", range(1, 13))
def test_encodings_follow_their_definitions(n):
    parity = mapping_matrix("parity", n).to_dense()
    assert np.array_equal(parity, np.tril(np.ones((n, n))))
    # A Fenwick tree answers a prefix sum by stepping down through the lowest set bits: that must give every parity.
    tree = mapping_matrix("bravyi_kitaev", n).to_dense().astype(int)
    for last in range(n):
        total, i = np.zeros(n, dtype=int), last + 1
        while i:
            total, i = total + tree[i - 1], i & (i - 1)
        assert np.array_equal(total, parity[last])
    if n & (n - 1) == 0:
        assert tree[-1].all()


@given(mappings, st.integers(1, 5), st.data())
@settings(max_examples=40, deadline=None)
def test_ladder_operators_are_the_defined_ones_in_the_encoded_basis(mapping, n, data):
    mode = data.draw(st.integers(0, n - 1))
    basis = encoding(mapping, n)
    assert np.allclose(annihilation(mode, n, mapping).matrix(), basis @ lowering(mode, n) @ basis.T)


@given(mappings, st.integers(2, 40), st.data())
@settings(max_examples=30, deadline=None)
def test_anticommutation_relations(mapping, n, data):
    p, q = data.draw(st.integers(0, n - 1)), data.draw(st.integers(0, n - 1))
    a, b = annihilation(p, n, mapping), annihilation(q, n, mapping)
    assert a @ b + b @ a == PauliSum.zero(n)
    assert a @ b.adjoint() + b.adjoint() @ a == (PauliSum.identity(n) if p == q else PauliSum.zero(n))


@given(mappings, st.integers(1, 5), seeds, st.booleans())
@settings(max_examples=25, deadline=None)
def test_hamiltonians_equal_the_defining_sum(mapping, n, seed, hermitian):
    fermions = random_hamiltonian(np.random.default_rng(seed), n, hermitian=hermitian)
    a = np.array([lowering(p, n) for p in range(n)])
    raising = a.transpose(0, 2, 1)
    dense = fermions.constant * np.eye(1 << n) + np.einsum("pq,pij,qjk->ik", fermions.one_body, raising, a)
    pairs = np.einsum("pij,qjk->pqik", a, a)
    dense = dense + np.einsum("pqrs,pqij,rsjk->ik", fermions.two_body, pairs.conj().transpose(1, 0, 3, 2), pairs)
    basis = encoding(mapping, n)
    operator = fermions.to_paulis(mapping)
    assert np.allclose(operator.matrix(), basis @ dense @ basis.T)
    assert operator.is_hermitian() == hermitian == fermions.is_hermitian()
    assert len((decode(operator, mapping) - fermions.to_paulis()).simplify(1e-12)) == 0


def test_permuting_modes_keeps_the_spectrum():
    fermions = random_hamiltonian(np.random.default_rng(8), 4)
    before = np.linalg.eigvalsh(fermions.to_paulis().matrix())
    assert np.allclose(np.linalg.eigvalsh(fermions.permuted([2, 0, 3, 1]).to_paulis("parity").matrix()), before)
    # In blocks mode 1 is alpha of orbital 1; alternating spins put it third.
    labelled = FermionHamiltonian(0.0, np.diag([1.0, 2.0, 3.0, 4.0]))
    assert labelled.interleaved().one_body.diagonal().tolist() == [1.0, 3.0, 2.0, 4.0]


@given(st.integers(2, 5), seeds, st.data())
@settings(max_examples=25, deadline=None)
def test_tapering_is_the_restriction_to_an_eigenspace(n, seed, data):
    rng = np.random.default_rng(seed)
    removed = data.draw(st.sets(st.integers(0, n - 1), min_size=1, max_size=n - 1))
    values = {q: data.draw(st.sampled_from([1, -1])) for q in removed}
    fixed = sum(1 << q for q in removed)
    terms = [(rng.normal(), int(x) & ~fixed, int(z)) for x, z in rng.integers(0, 1 << n, (12, 2))]
    operator = PauliSum.from_masks(n, terms)
    wanted = sum(1 << q for q, value in values.items() if value == -1)
    index = [j for j in range(1 << n) if j & fixed == wanted]
    assert np.allclose(taper(operator, values).matrix(), operator.matrix()[np.ix_(index, index)])


def test_encoding_beyond_one_word():
    n = 100
    hop = PauliSum.from_sparse([("XX", [3, 70], 0.5), ("YY", [3, 70], 0.5)], n)
    squared = (hop @ hop).simplify()
    for mapping in MAPPINGS:
        encoded = encode(hop, mapping)
        assert (encoded @ encoded).simplify() == encode(squared, mapping)
        assert decode(encoded, mapping) == hop


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: annihilation(3, 3), "modes are 0 to 2"),
        (lambda: annihilation(0, 70), "modes are 0 to 63"),
        (lambda: annihilation(0, 3, "braille"), "known are jordan_wigner, parity, bravyi_kitaev"),
        (lambda: FermionHamiltonian(0.0, np.zeros((2, 3))), r"\(2, 3\)"),
        (lambda: FermionHamiltonian(0.0, np.zeros((2, 2)), np.zeros((3,) * 4)), "n from 1 to 64"),
        (lambda: FermionHamiltonian(0.0, np.full((2, 2), np.nan)), "finite"),
        (lambda: FermionHamiltonian.from_spatial(0.0, np.zeros((2, 2)), np.zeros((2, 2))), "n from 1 to 32"),
        (lambda: FermionHamiltonian(0.0, np.eye(3)).interleaved(), "even number"),
        (lambda: FermionHamiltonian(0.0, np.eye(3)).permuted([0, 0, 1]), "permutation"),
        (lambda: taper(PauliSum.parse("XZ"), {1: 1}), "tapering qubit 1"),
        (lambda: taper(PauliSum.parse("ZZ"), {1: 2}), "value 1 or -1"),
        (lambda: taper(PauliSum.parse("ZZ"), {0: 1, 1: 1}), "one must stay"),
        (lambda: reduce_two_qubits(PauliSum.parse("ZZZ"), (1, 1)), "even number"),
        (lambda: reduce_two_qubits(PauliSum.parse("XIII"), (1, 1)), "tapering qubit 3"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises((InvalidInput, PauliError), match=message):
        call()

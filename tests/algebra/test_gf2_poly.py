"""Polynomials over GF(2) against galois, plain loops, and counts."""

import secrets

import galois
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import bitket.algebra.gf2_poly as module
from bitket.algebra.gf2_poly import (
    Modulus,
    StreamResidue,
    gcd,
    is_irreducible,
    multiply,
    number_of_irreducibles,
    random_irreducible,
    remainder,
)
from bitket.errors import InvalidInput

POLYNOMIAL = st.integers(0, 2**400)


@pytest.fixture(params=["kernel", "ClmulModulus", "PortableModulus", "twin"])
def way(request, monkeypatch):
    """The compiled kernel with what the processor has, with one of its products at a time, with none, and the twin in Python."""
    if request.param == "twin":
        monkeypatch.setattr(module, "_kernel", None)
    elif module._kernel is None:
        pytest.skip("the compiled kernel is not built")
    elif not hasattr(module._kernel, request.param if request.param != "kernel" else "Modulus"):
        pytest.skip("the processor has no carry-less product")
    elif request.param != "kernel":

        class Kernel:
            Modulus = getattr(module._kernel, request.param)
            product = module._kernel.product

        monkeypatch.setattr(module, "_kernel", Kernel)
    return request.param


def plain_product(a, b):
    out = 0
    for i in range(b.bit_length()):
        if b >> i & 1:
            out ^= a << i
    return out


@given(POLYNOMIAL, POLYNOMIAL)
def test_products(a, b):
    assert multiply(a, b) == plain_product(a, b)


def test_residues_and_products_modulo(way):
    draw = np.random.default_rng(0)
    for _ in range(150):
        n = int(draw.integers(1, 300))
        p = 1 << n | secrets.randbits(n)
        data = secrets.token_bytes(int(draw.integers(0, 300)))
        field = Modulus(p)
        assert field.residue(data) == remainder(int.from_bytes(data, "little"), p)
        a, b = secrets.randbits(n), secrets.randbits(n)
        assert field.multiply(a, b) == remainder(plain_product(a, b), p)
        k = int(draw.integers(0, 500))
        assert field.power_of_x(k) == remainder(1 << k, p)


@pytest.mark.parametrize("n", [1, 63, 64, 65, 128, 1000, 4095, 4096, 8200])
def test_residues_of_long_messages(way, n):
    p = 1 << n | secrets.randbits(n)
    for size in (511, 512, 513, 1024, 5003):
        data = secrets.token_bytes(size)
        assert Modulus(p).residue(data) == remainder(int.from_bytes(data, "little"), p)


@given(st.integers(1, 2**60), st.integers(1, 2**60), st.integers(1, 2**60))
def test_common_factors(a, b, c):
    found = gcd(plain_product(a, c), plain_product(b, c))
    assert remainder(found, c) == 0
    poly = galois.Poly.Int
    assert found == int(galois.gcd(poly(plain_product(a, c)), poly(plain_product(b, c))))


def test_all_polynomials_of_small_degree(way):
    for n in range(1, 13 if way == "kernel" else 9):
        found = [p for p in range(1 << n, 2 << n) if is_irreducible(p)]
        assert len(found) == number_of_irreducibles(n)
        if n <= 12:
            reference = {int(p) for p in galois.irreducible_polys(2, n)}
            assert set(found) == reference
    assert number_of_irreducibles(8) == 30
    assert not is_irreducible(1)
    assert not is_irreducible(0)


def test_random_polynomials_of_large_degree(way):
    draw = np.random.default_rng(1)
    for k in range(200 if way == "kernel" else 20):
        n = int(draw.integers(64, 257))
        p = 1 << n | secrets.randbits(n - 1) << 1 | 1 if k % 4 else random_irreducible(n, secrets.randbits)
        expected = galois.Poly.Int(p).is_irreducible()
        assert is_irreducible(p) == expected
        assert expected or k % 4


def test_random_irreducibles_are_equally_likely():
    draw = np.random.default_rng(2)
    found = [random_irreducible(5, lambda k: int(draw.integers(1 << k))) for _ in range(3000)]
    counts = np.unique(found, return_counts=True)[1]
    assert len(counts) == 6
    assert ((counts - 500) ** 2 / 500).sum() < 25  # chi-square with 5 degrees of freedom, p = 1e-4
    assert {random_irreducible(1, secrets.randbits) for _ in range(50)} == {2, 3}


@given(st.lists(st.binary(max_size=60), max_size=12), st.integers(1, 2**90))
def test_streams_in_any_pieces(pieces, low):
    field = Modulus(1 << 90 | low)
    stream = StreamResidue(field)
    stream.BLOCK = 32
    for piece in pieces:
        stream.update(piece)
    assert stream.value == field.residue(b"".join(pieces))
    assert stream.length == 8 * sum(map(len, pieces))


def test_wrong_input():
    for make in (lambda: Modulus(1), lambda: remainder(5, 0), lambda: random_irreducible(0, secrets.randbits)):
        with pytest.raises(InvalidInput):
            make()

"""Polynomials over GF(2^k) against galois, a plain long division, and counts."""

import secrets

import galois
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitket.algebra import gf2_poly
from bitket.algebra.gf2_poly import StreamResidue
from bitket.algebra.gf2k_poly import (
    FIELDS,
    ExtensionModulus,
    is_irreducible,
    multiply,
    number_of_irreducibles,
    random_irreducible,
)
from bitket.errors import InvalidInput

SIZES = st.sampled_from(sorted(FIELDS))


@pytest.fixture(params=["WideExtensionModulus", "ClmulExtensionModulus", "PortableExtensionModulus", "twin"])
def way(request, monkeypatch):
    """The compiled kernel with four of the processor's products at once, with one, with none, and the twin in Python."""
    if request.param == "twin":
        monkeypatch.setattr(gf2_poly, "_kernel", None)
    elif not hasattr(gf2_poly._kernel, request.param):
        pytest.skip("the compiled kernel is not built, or the processor lacks the instruction")
    else:

        class Kernel:
            ExtensionModulus = getattr(gf2_poly._kernel, request.param)
            product = gf2_poly._kernel.product

        monkeypatch.setattr(gf2_poly, "_kernel", Kernel)
    return request.param


def in_field(a, b, k):
    out = 0
    for i in range(k):
        if b >> i & 1:
            out ^= a << i
    for i in range(2 * k - 2, k - 1, -1):
        if out >> i & 1:
            out ^= FIELDS[k] << i - k
    return out


def coefficients(a, k, count):
    return [a >> k * t & (1 << k) - 1 for t in range(count)]


def packed(values, k):
    return sum(v << k * t for t, v in enumerate(values))


def divided(values, p, k, d):
    """The remainder by schoolbook long division, coefficient by coefficient."""
    values, p = list(values), coefficients(p, k, d)
    for t in range(len(values) - 1, d - 1, -1):
        top, values[t] = values[t], 0
        for i in range(d):
            values[t - d + i] ^= in_field(top, p[i], k)
    return packed(values[:d], k)


def test_each_field_has_the_smallest_irreducible_polynomial():
    for k, p in FIELDS.items():
        assert p == next(f for f in range(1 << k | 1, 2 << k, 2) if gf2_poly.is_irreducible(f))


@given(SIZES, st.data())
def test_products(k, data):
    a, b = (data.draw(st.lists(st.integers(0, 2**k - 1), min_size=1, max_size=9)) for _ in range(2))
    expected = [0] * (len(a) + len(b))
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            expected[i + j] ^= in_field(x, y, k)
    assert multiply(packed(a, k), packed(b, k), k) == packed(expected, k)


@pytest.mark.parametrize("k", sorted(FIELDS))
def test_residues_and_products_modulo(way, k):
    draw = np.random.default_rng(k)
    for case in range(30):
        d = int(draw.integers(1, 2 + 400 // k))
        n = k * d
        p = 1 << n | secrets.randbits(n)
        data = secrets.token_bytes(int(draw.integers(0, 400)) if case else 3000)
        field = ExtensionModulus(p, k)
        message = coefficients(int.from_bytes(data, "little"), k, -(-8 * len(data) // k))
        assert field.residue(data) == divided(message, p, k, d)
        a, b = secrets.randbits(n), secrets.randbits(n)
        assert field.multiply(a, b) == divided(coefficients(multiply(a, b, k), k, 2 * d), p, k, d)
        e = int(draw.integers(0, 60))
        assert field.power_of_x(e) == divided([0] * e + [1], p, k, d)


@pytest.mark.parametrize(("k", "bits"), [(2, 400), (8, 6000), (16, 2048), (32, 8192), (64, 4096), (64, 8192)])
def test_long_messages_and_moduli(k, bits):
    """Moduli as long as a block of the kernel, and messages of several, in pieces."""
    p = 1 << bits | secrets.randbits(bits)
    data = secrets.token_bytes(20_011)
    field, twin = ExtensionModulus(p, k), ExtensionModulus(p, k)
    twin._kernel, twin._multiples = (
        None,
        [packed([in_field(1 << i, c, k) for c in coefficients(p, k, bits // k + 1)], k) for i in range(k)],
    )
    expected = twin.residue(data)
    assert field.residue(data) == expected
    stream = StreamResidue(field)
    stream.BLOCK = 1 << 12
    for cut in range(0, len(data), 1777):
        stream.update(data[cut : cut + 1777])
    assert stream.value == expected


@pytest.mark.parametrize("k", [2, 4, 8, 16])
def test_residues_of_galois(k):
    GF = galois.GF(2**k, irreducible_poly=galois.Poly.Int(FIELDS[k]))
    draw = np.random.default_rng(k)
    for _ in range(20):
        d, m = int(draw.integers(1, 9)), int(draw.integers(1, 60))
        data = secrets.token_bytes(m)
        p = 1 << k * d | secrets.randbits(k * d)
        message = coefficients(int.from_bytes(data, "little"), k, -(-8 * m // k))
        found = galois.Poly(message[::-1], field=GF) % galois.Poly(coefficients(p, k, d + 1)[::-1], field=GF)
        assert ExtensionModulus(p, k).residue(data) == packed([int(c) for c in found.coeffs[::-1]], k)


@pytest.mark.parametrize(("k", "d"), [(2, 1), (2, 2), (2, 3), (2, 4), (2, 5), (4, 1), (4, 2), (4, 3), (8, 1), (8, 2)])
def test_all_polynomials_of_small_degree(k, d):
    found = {p for p in range(1 << k * d, 2 << k * d) if is_irreducible(p, k)}
    assert len(found) == number_of_irreducibles(d, k)
    GF = galois.GF(2**k, irreducible_poly=galois.Poly.Int(FIELDS[k]))
    some = found if len(found) < 300 else secrets.SystemRandom().sample(sorted(found), 100)
    assert all(galois.Poly(coefficients(p, k, d + 1)[::-1], field=GF).is_irreducible() for p in some)
    if k == 2:  # the only field that galois would choose alike
        assert found == {packed([int(c) for c in p.coeffs[::-1]], k) for p in galois.irreducible_polys(4, d)}


@pytest.mark.parametrize(("k", "d"), [(2, 12), (4, 6), (4, 15), (8, 4), (8, 9), (16, 3)])
def test_random_polynomials_of_larger_degree(way, k, d):
    GF = galois.GF(2**k, irreducible_poly=galois.Poly.Int(FIELDS[k]))
    seen = set()
    for case in range(12):
        p = random_irreducible(k * d, k, secrets.randbits) if case < 3 else 1 << k * d | secrets.randbits(k * d)
        expected = galois.Poly(coefficients(p, k, d + 1)[::-1], field=GF).is_irreducible()
        assert is_irreducible(p, k) == expected
        seen.add(expected)
    assert True in seen


@pytest.mark.parametrize(("k", "d"), [(32, 2), (32, 5), (64, 2), (64, 3), (64, 4)])
def test_products_of_two_are_no_irreducibles_and_half_the_squares_split(way, k, d):
    """Fields too large for galois: products have factors; x^2 + x + c has a root if and only if c has trace 0."""
    for _ in range(4):
        a, b = (1 << k * j | secrets.randbits(k * j) for j in (1, d - 1))
        assert not is_irreducible(multiply(a, b, k), k)
        c = secrets.randbits(k)
        trace, power = 0, c
        for _ in range(k):
            trace, power = trace ^ power, in_field(power, power, k)
        assert is_irreducible(1 << 2 * k | 1 << k | c, k) == (trace == 1)
    if d <= 3:
        assert is_irreducible(random_irreducible(k * d, k, secrets.randbits), k)


def test_random_irreducibles_are_equally_likely():
    draw = np.random.default_rng(2)
    found = [random_irreducible(4, 2, lambda bits: int(draw.integers(1 << bits))) for _ in range(3000)]
    counts = np.unique(found, return_counts=True)[1]
    assert len(counts) == number_of_irreducibles(2, 2)
    assert ((counts - 500) ** 2 / 500).sum() < 25  # chi-square with 5 degrees of freedom, p = 1e-4
    assert {random_irreducible(2, 2, secrets.randbits) for _ in range(100)} == {0b101, 0b110, 0b111}  # x is left out


@pytest.mark.parametrize(("p", "k"), [(1, 8), (0, 8), (0b1011, 2), (1 << 8, 3), (1 << 128, 128), (1 << 7, 8)])
def test_wrong_input(p, k):
    with pytest.raises(InvalidInput, match="k must be 2, 4, 8, 16, 32 or 64"):
        ExtensionModulus(p, k)

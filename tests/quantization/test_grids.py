"""Grids against brute force over every level, and the laws that hold for every scheme."""

import itertools
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bitket.errors import InvalidInput
from bitket.quantization.grids import (
    Channel,
    Dyadic,
    Float32,
    Group,
    Nested,
    PowerOfTwo,
    Scheme,
    Tensor,
    Token,
    choose_scale,
    dequantize,
    dyadic,
    extremes,
    levels,
    minifloat,
    pack,
    quantize,
    rounded,
    scales_of,
    unpack,
)
from bitket.quantization.grids.integer import code_dtype
from bitket.quantization.grids.minifloat import float_codes, float_decode
from bitket.quantization.grids.packing import packed_length

FORMATS = [(e, w - 1 - e) for w in range(3, 9) for e in range(1, min(6, w))]
INTEGERS = [
    Scheme(b, signed=signed, symmetric=symmetric, narrow=narrow)
    for b, signed, symmetric, narrow in itertools.product(
        (2, 3, 4, 5, 8, 12), (True, False), (True, False), (True, False)
    )
    if signed or not narrow
]


def nearest(v, grid):
    """Brute force: the value of the grid next to each v, and whether it stands alone."""
    distance = (v[:, None] - grid[None]).abs()
    two = distance.topk(2, dim=1, largest=False).values
    return grid[distance.argmin(dim=1)], two[:, 1] - two[:, 0] > 1e-9


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("scheme", INTEGERS, ids=str)
def test_integer_rounding_is_to_the_nearest_level(scheme):
    x = torch.randn(400, generator=generator(), dtype=torch.float64) * 3
    scale, zero = scales_of(x / 2, scheme)  # half of the range is clipped
    shift = 0 if zero is None else zero
    best, alone = nearest(x / scale + shift, levels(scheme))
    assert torch.equal(quantize(x, scheme, scale, zero)[alone].double(), best[alone])
    assert alone.sum() > 350


@pytest.mark.parametrize(("e", "m"), FORMATS, ids=lambda n: str(n))
def test_minifloat_rounding_is_to_the_nearest_level(e, m):
    scheme = minifloat(e, m)
    grid = levels(scheme)
    assert len(grid) == 2**scheme.bits - 1  # zero stands twice
    v = torch.randn(1000, generator=generator(), dtype=torch.float64) * min(scheme.largest, 1e4) / 2
    v = torch.cat([v, v * 1e-2, grid])
    best, alone = nearest(v, grid)
    got = rounded(v, scheme, torch.ones((), dtype=v.dtype))
    assert torch.equal(got[alone], best[alone])
    assert torch.equal(rounded(-v, scheme, torch.ones((), dtype=v.dtype)), -got)  # odd
    assert torch.equal(rounded(v.float(), scheme, torch.ones(())).double(), got)  # the same in single precision
    order = v.argsort()
    assert bool((got[order].diff() >= 0).all())


@pytest.mark.parametrize(("e", "m"), [*FORMATS, (8, 7), (5, 10), (8, 0)], ids=lambda n: str(n))
@pytest.mark.parametrize("reserved", [None, "nan", "ieee"])
def test_every_code_of_a_minifloat_comes_back(e, m, reserved):
    if e == 1 and (reserved == "ieee" or m == 0):
        return
    scheme = minifloat(e, m, reserved=reserved)
    codes = torch.arange(2**scheme.bits)
    values = float_decode(codes, scheme)
    finite = torch.isfinite(values)
    assert torch.equal(float_codes(values[finite], scheme), codes[finite])
    assert values[finite].max() == scheme.largest
    kept = quantize(values[finite], scheme, torch.ones((), dtype=torch.float64))
    assert torch.equal(kept.to(torch.int64), codes[finite])


@pytest.mark.parametrize(
    ("name", "largest", "least"),
    [
        ("e2m0", 4, 1), ("e2m1", 6, 0.5), ("e3m0", 16, 0.25), ("e2m2", 7, 0.25), ("e3m1", 24, 1 / 8), ("e2m3", 7.5, 1 / 8),
        ("e3m2", 28, 1 / 16), ("e3m4", 31, 1 / 64), ("e4m3", 480, 2**-9), ("e5m2", 114688, 2**-16),
        ("e4m3-nan", 448, 2**-9), ("e5m2-ieee", 57344, 2**-16), ("ue4m4", 496, 2**-10),
    ],
)  # fmt: skip
def test_extreme_minifloats(name, largest, least):
    scheme = Scheme.parse(name)
    grid = levels(scheme)
    assert scheme.largest == float(grid.max()) == largest
    assert float(grid[grid > 0].min()) == least


@pytest.mark.parametrize("bits", range(3, 9))
def test_one_exponent_bit_is_the_narrow_integer(bits):
    k = bits - 2
    x = torch.randn(5000, generator=generator(bits))
    narrow = Scheme(bits, narrow=True)
    scale, _ = scales_of(x * 0.8, narrow)
    twin = rounded(x, minifloat(1, k), scale * 2.0 ** (k - 1))
    assert torch.equal(twin, rounded(x, narrow, scale))


SCHEMES = [
    Scheme(b, signed=signed, symmetric=symmetric, granularity=g, scale=s)
    for b in (2, 4, 8)
    for signed, symmetric in ((True, True), (True, False), (False, False))
    for g in (Tensor(), Channel(1), Group(5), Group(3, axis=0), Token())
    for s in (Float32(), PowerOfTwo(), Dyadic(8))
] + [
    minifloat(e, m, granularity=g, scale=s)
    for (e, m) in ((2, 1), (3, 2), (4, 3))
    for g in (Tensor(), Group(5))
    for s in (Float32(), PowerOfTwo())
]


@pytest.mark.parametrize("scheme", SCHEMES, ids=str)
def test_laws(scheme):
    x = torch.randn(7, 13, generator=generator(3)) * torch.linspace(0.1, 3, 13)
    scale, zero = scales_of(x, scheme)
    assert tuple(scale.shape) == scheme.granularity.scale_shape(x.shape)
    y = rounded(x, scheme, scale, zero)
    codes = quantize(x, scheme, scale, zero)
    assert codes.dtype == code_dtype(scheme)
    assert torch.equal(dequantize(codes, scheme, scale, zero), y)
    assert torch.equal(rounded(y, scheme, scale, zero), y)
    assert torch.equal(quantize(y, scheme, scale, zero), codes)
    assert torch.equal(scheme.scale.rounded(scale), scale)
    assert Scheme.parse(scheme.name) == scheme
    assert Scheme.from_json(scheme.to_json()) == scheme
    if scheme.kind == "int":
        step = scheme.granularity.expand(scale, x.shape)
        # A dyadic scale of 8 bits may be too small by 2^-8, and then clips.
        clipped = (scheme.highest - scheme.lowest) * 2**-8 if isinstance(scheme.scale, Dyadic) else 0
        assert bool(((x - y).abs() <= step * (0.50001 + clipped)).all())


def test_last_group_may_be_short():
    x = torch.arange(1.0, 8).repeat(2, 1)
    scheme = Scheme(8, granularity=Group(3))
    low, high = extremes(x, scheme)
    assert low.tolist() == [[1, 4, 7]] * 2
    assert high.tolist() == [[3, 6, 7]] * 2
    assert scheme.granularity.expand(high, x.shape)[0].tolist() == [3, 3, 3, 6, 6, 6, 7]


def test_a_dead_channel_harms_no_other():
    x = torch.tensor([[0.0, 0.0], [1e-42, 0.0], [1.0, -3.0]])
    for name in ("int4-c0", "int4-c0-asym", "uint4-c0-asym", "e2m1-c0"):
        scheme = Scheme.parse(name)
        scale, zero = scales_of(x, scheme)
        y = rounded(x, scheme, scale, zero)
        assert scale[0] == scale[1] == 1
        assert bool(torch.isfinite(y).all())
        assert torch.allclose(y[2], x[2], rtol=0.2)


@given(
    st.lists(st.floats(-(2.0**100), 2.0**100, width=32), min_size=1, max_size=20),
    st.sampled_from(["int4", "int4-asym", "uint8-asym", "e3m2", "int8-narrow"]),
)
def test_range_covers_zero_and_the_extremes(values, name):
    scheme = Scheme.parse(name)
    x = torch.tensor(values)
    scale, zero = scales_of(x, scheme)
    assert float(rounded(torch.zeros(1), scheme, scale, zero)) == 0
    y = rounded(x, scheme, scale, zero)
    assert bool(torch.isfinite(y).all())
    if scheme.kind == "int":
        assert bool(((x - y).abs() <= scale * 0.501).all())


@given(st.integers(1, 8), st.lists(st.integers(0, 255), max_size=40), st.booleans(), st.integers(1, 3))
def test_packing_comes_back(bits, values, signed, rows):
    codes = torch.tensor([v % (1 << bits) for v in values], dtype=torch.int64).repeat(rows, 1)
    codes = (codes - ((codes >> (bits - 1)) << bits)).to(torch.int8) if signed else codes.to(torch.uint8)
    data = pack(codes, bits)
    assert data.shape == (rows, packed_length(len(values), bits))
    assert torch.equal(unpack(data, bits, len(values), signed=signed), codes)
    # Twin: one whole number a row, the first code lowest.
    word = sum((int(c) % (1 << bits)) << (i * bits) for i, c in enumerate(codes[0]))
    assert bytes(data[0].tolist()) == word.to_bytes(data.shape[1], "little")


def test_dyadic_numbers_are_the_nearest():
    rng = np.random.default_rng(0)
    ratios = torch.tensor(2.0 ** rng.uniform(-30, 10, 20_000))
    m, e = dyadic(ratios)
    assert int(m.max()) < 1 << 31
    assert int(m.min()) >= 1 << 30
    for r, a, b in zip(ratios[:2000].tolist(), m.tolist(), e.tolist(), strict=False):
        exact = Fraction(r)
        assert abs(Fraction(a) / Fraction(2) ** b - exact) <= exact / 2**31


def test_power_of_two_scales_never_clip():
    x = torch.randn(64, 9, generator=generator(2))
    scheme = Scheme(8, granularity=Channel(0), scale=PowerOfTwo())
    scale, _ = scales_of(x, scheme)
    plain, _ = scales_of(x, Scheme(8, granularity=Channel(0)))
    assert bool((torch.frexp(scale).mantissa == 0.5).all())
    assert bool((scale >= plain).all())
    assert bool((scale < 2 * plain).all())


def test_nested_scales_are_products():
    x = torch.randn(4, 64, generator=generator(4))
    scheme = Scheme(4, symmetric=False, granularity=Group(16), scale=Nested(8))
    scale, _ = scales_of(x, scheme)
    outer = scale.amax(dim=1, keepdim=True) / 255
    assert torch.allclose(scale / outer, (scale / outer).round(), atol=1e-3)


def test_torch_codes_agree():
    x = torch.randn(6, 50, generator=generator(5))
    scheme = Scheme(8, symmetric=False, granularity=Channel(0))
    scale, zero = scales_of(x, scheme)
    theirs = torch.quantize_per_channel(x, scale, zero, 0, torch.qint8).int_repr()
    ours = quantize(x, scheme, scale, zero)
    apart = ours != theirs  # torch multiplies by 1/s, so it may part at ties
    assert bool(((x / scale[:, None])[apart].frac().abs() - 0.5).abs().lt(1e-4).all())
    assert apart.sum() <= 2


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Scheme(1), "integers of 1 bits; 2 to 32"),
        (lambda: Scheme(33), "33 bits"),
        (lambda: Scheme(8, signed=False, narrow=True), "narrow"),
        (lambda: Scheme(8, exponent_bits=2), "belong to kind 'float'"),
        (lambda: minifloat(0, 3), "0 exponent"),
        (lambda: minifloat(5, 11), "at most 16"),
        (lambda: Scheme.parse("int"), "begins with int4"),
        (lambda: Scheme.parse("int4-x"), "'x' is unknown"),
        (lambda: Scheme.parse("int4-g0"), "size 0"),
        (lambda: Scheme.from_json({"bits": "8"}), "whole number"),
        (lambda: Scheme.from_json({"granularity": {"form": "row"}}), "known"),
        (lambda: Scheme.from_json({"granularity": {"form": "group", "size": "3"}}), "does not fit"),
        (lambda: Scheme.from_json([]), "no JSON form"),
        (lambda: quantize(torch.tensor([1.0, torch.nan]), Scheme(), torch.ones(())), "NaN"),
        (lambda: quantize(torch.ones(3), Scheme(granularity=Channel(0)), torch.ones(2)), r"scales of shape \[2\]"),
        (lambda: quantize(torch.ones(3), Scheme(granularity=Channel(1)), torch.ones(2)), "axis 1"),
        (lambda: quantize(torch.ones(3), Scheme(), torch.ones(()), torch.zeros(())), "zero point"),
        (lambda: choose_scale(torch.tensor(-torch.inf), torch.tensor(1.0), Scheme()), "infinite"),
        (lambda: choose_scale(torch.tensor(2.0), torch.tensor(1.0), Scheme()), "above"),
        (lambda: scales_of(torch.ones(0), Scheme()), "no values"),
        (lambda: dyadic(torch.zeros(1)), "positive"),
        (lambda: pack(torch.tensor([9], dtype=torch.int8), 4), "do not fit"),
        (lambda: pack(torch.tensor([1]), 9), "9 bits"),
        (lambda: unpack(torch.zeros(3, dtype=torch.uint8), 4, 9, signed=True), "5 bytes"),
        (lambda: levels(Scheme(24)), "at most 65536"),
        (lambda: PowerOfTwo("down"), "'up'"),
        (lambda: Dyadic(40), "1 to 31"),
        (lambda: Nested(0), "1 to 16"),
    ],
)  # fmt: skip
def test_bad_input(make, words):
    with pytest.raises(InvalidInput, match=words):
        make()

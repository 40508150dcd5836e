"""Observers against plain computation over all values at once; states merge in any cut."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bitket.errors import InvalidInput
from bitket.quantization.grids import Scheme, choose_scale, rounded
from bitket.quantization.observers import Entropy, MeanSquare, MinMax, MovingAverage, Observer, Percentile, best_scales

FORMS = [MinMax(), MovingAverage(0.9), Percentile(99.0), MeanSquare(), Entropy()]


def batches(count=9, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(40, 8, generator=generator) * (1 + i) for i in range(count)]


def observed(form, scheme, data):
    observer = Observer(form, scheme)
    for x in data:
        observer.see(x)
    return observer


@pytest.mark.parametrize("form", FORMS, ids=lambda f: type(f).__name__)
@given(cuts=st.lists(st.integers(0, 9), max_size=3))
def test_states_merge(form, cuts):
    data = batches()
    whole = observed(form, Scheme(), data)
    edges = [0, *sorted(cuts), 9]
    parts = [observed(form, Scheme(), data[a:b]) for a, b in itertools.pairwise(edges)]
    first = Observer(form, Scheme())
    for later in parts:
        first.merge(later)
    for name, t in whole.state.items():
        assert torch.allclose(first.state[name].double(), t.double(), rtol=1e-12), name
    if not isinstance(form, Entropy):
        assert torch.equal(first.scales()[0], whole.scales()[0])


@pytest.mark.parametrize("name", ["int8", "int8-asym", "int8-c1", "uint4-c1-asym"])
def test_min_max_and_moving_average_follow_the_recursion(name):
    scheme = Scheme.parse(name)
    data = batches()
    dims = 0 if "c1" in name else (0, 1)
    lows, highs = [x.amin(dims) for x in data], [x.amax(dims) for x in data]
    least, most = torch.stack(lows).amin(0), torch.stack(highs).amax(0)
    got = observed(MinMax(), scheme, data).scales()
    want = choose_scale(least, most, scheme)
    assert torch.equal(got[0], want[0])
    low, high = lows[0].double(), highs[0].double()
    for a, b in zip(lows[1:], highs[1:], strict=True):
        low, high = 0.9 * low + 0.1 * a, 0.9 * high + 0.1 * b
    want = choose_scale(low.float(), high.float(), scheme)
    got = observed(MovingAverage(0.9), scheme, data).scales()
    assert torch.allclose(got[0], want[0], rtol=1e-6)
    if want[1] is not None:
        assert torch.equal(got[1], want[1])


@pytest.mark.parametrize("percent", [90.0, 99.0, 99.9, 100.0])
@pytest.mark.parametrize("spread", [1e-3, 1.0, 400.0])
def test_percentiles_are_within_the_stated_error(percent, spread):
    x = torch.randn(19_997, generator=torch.Generator().manual_seed(3)).exp() * spread - spread / 2
    values = x.double().numpy()
    scale, _ = observed(Percentile(percent), Scheme(), x.split(1000)).scales()
    exact = np.quantile(np.abs(values), percent / 100, method="inverted_cdf")
    assert scale.item() * 127 == pytest.approx(exact, rel=2**-10)
    asym = Scheme(8, symmetric=False)
    scale, _ = observed(Percentile(percent), asym, x.split(1000)).scales()
    high = np.quantile(values, (1 + percent / 100) / 2, method="inverted_cdf")
    low = -np.quantile(-values, (1 + percent / 100) / 2, method="inverted_cdf")
    assert scale.item() * 255 == pytest.approx(high - low, rel=2**-10)


@pytest.mark.parametrize(
    ("name", "laplace", "error", "clip"),
    [
        ("int4-narrow", False, 1.28894e-2, 2.474),
        ("int4-narrow", True, 2.73952e-2, None),
        ("int8-narrow", False, 8.8308e-5, None),
        ("e2m1", False, 1.26849e-2, 2.923),
        ("e2m1", True, 1.84910e-2, None),
        ("e2m5", False, 5.4121e-5, None),
    ],
)
def test_least_errors_of_normal_and_laplace_values(name, laplace, error, clip):
    # The published optima, by the midpoint rule on quantiles of the unit distributions.
    scheme = Scheme.parse(name)
    p = (torch.arange(400_000, dtype=torch.float64) + 0.5) / 400_000
    x = torch.special.ndtri(p)
    if laplace:
        x = torch.where(p < 0.5, (2 * p).log(), -(2 - 2 * p).log()) / 2**0.5
    scale, _ = best_scales(x[::20] if laplace else x[::4], scheme)
    got = (x - rounded(x, scheme, scale)).square().mean().item()
    assert got == pytest.approx(error, rel=1e-2 if scheme.bits == 8 else 2e-3)  # 8 bits reach beyond the last quantile
    if clip:
        assert scale.item() * scheme.largest == pytest.approx(clip, rel=0.02)


def test_least_error_of_a_stream_is_that_of_the_values():
    x = torch.randn(50_000, generator=torch.Generator().manual_seed(5))
    for name in ("int4", "int4-asym", "e2m1", "int8"):
        scheme = Scheme.parse(name)
        stream = observed(MeanSquare(), scheme, x.split(5000)).scales()
        direct = best_scales(x, scheme)
        errors = [(x - rounded(x, scheme, *s)).square().mean().item() for s in (stream, direct)]
        assert errors[0] <= errors[1] * 1.02


def test_best_scales_of_channels_are_those_of_each():
    x = torch.randn(5, 300, generator=torch.Generator().manual_seed(6)) * torch.tensor([[1.0], [3], [0.1], [7], [0]])
    scheme = Scheme.parse("int3-c0")
    scale, _ = best_scales(x, scheme)
    for row, s in zip(x, scale, strict=True):
        assert torch.allclose(best_scales(row, Scheme(3))[0], s)
        ratios = torch.arange(1, 101) / 100
        errors = [((row - rounded(row, Scheme(3), row.abs().max().clamp(1e-20) * r / 3)) ** 2).sum() for r in ratios]
        assert ((row - rounded(row, Scheme(3), s)) ** 2).sum() <= min(errors) + 1e-6


def plain_threshold(x, levels):
    """The stated definition, bin by bin, on a histogram of the values themselves."""
    reach = np.abs(x).max()
    histogram, edges = np.histogram(np.abs(x), 2048, (0, reach))
    best = (np.inf, 0.0)
    for i in range(levels, 2049, 8):
        p = histogram[:i].astype(float)
        q = np.zeros(i)
        starts = [j * i // levels for j in range(levels)] + [i]
        for a, b in itertools.pairwise(starts):
            full = p[a:b] > 0
            q[a:b][full] = p[a:b].sum() / max(1, full.sum())
        p[-1] += histogram[i:].sum()
        p, q = p / p.sum(), q / q.sum()
        divergence = sum(a * np.log(a / max(b, 1e-9)) for a, b in zip(p, q, strict=True) if a > 0)
        best = min(best, (divergence, edges[i]))
    return best[1]


@pytest.mark.parametrize("bits", [4, 5, 8])
@pytest.mark.parametrize("kind", ["laplace", "normal"])
def test_entropy_threshold_is_the_best_of_its_definition(bits, kind):
    x = getattr(np.random.default_rng(7), kind)(size=300_000).astype(np.float32)
    want = plain_threshold(x, 1 << (bits - 1))
    scheme = Scheme(bits)
    scale, _ = observed(Entropy(), scheme, torch.from_numpy(x).split(50_000)).scales()
    assert scale.item() * scheme.highest == pytest.approx(want, rel=0.12)  # the minimum is flat
    if bits == 4:
        assert want < 0.8 * np.abs(x).max()


def test_bad_input():
    with pytest.raises(InvalidInput, match="NaN or infinite"):
        Observer(MinMax(), Scheme()).see(torch.tensor([1.0, torch.nan]))
    with pytest.raises(InvalidInput, match="no value passed"):
        Observer(MinMax(), Scheme()).scales()
    with pytest.raises(InvalidInput, match="parts of a batch"):
        Observer(MinMax(), Scheme.parse("int8-token"))
    with pytest.raises(InvalidInput, match="several scales"):
        Observer(Percentile(), Scheme.parse("int8-c1"))
    with pytest.raises(InvalidInput, match="do not merge"):
        Observer(MinMax(), Scheme()).merge(Observer(MinMax(), Scheme(4)))
    for make in (lambda: MovingAverage(1.0), lambda: Percentile(50), lambda: MeanSquare(0)):
        with pytest.raises(InvalidInput):
            make()

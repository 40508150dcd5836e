"""The gradients of simulated quantization against formulas without autograd and against torch's own operators."""

import pytest
import torch
from scipy.optimize import brentq

from bitket.errors import InvalidInput
from bitket.quantization.fake import FakeQuantize, fake_quantize, learned_step_factor, learned_step_start
from bitket.quantization.grids import Scheme, dequantize, quantize, rounded, scales_of


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("seed", range(20))
def test_learned_steps_follow_the_formula(seed):
    scheme = Scheme(3, granularity=Scheme.parse("int3-c0").granularity)
    x = torch.randn(4, 30, generator=generator(seed), dtype=torch.float64, requires_grad=True)
    s = (learned_step_start(x, scheme) * 0.7).requires_grad_()
    weight = torch.randn(4, 30, generator=generator(seed + 1), dtype=torch.float64)
    factor = learned_step_factor(x.shape, scheme)
    assert factor == pytest.approx((30 * 3) ** -0.5)
    (weight * fake_quantize(x, scheme, s, factor=factor)).sum().backward()
    v = (x / s[:, None]).detach()
    inside = (v >= -4) & (v <= 3)
    assert torch.equal(x.grad, weight * inside)
    slope = torch.where(inside, v.round() - v, v.clamp(-4, 3))
    assert torch.allclose(s.grad, (weight * slope).sum(1) * factor, rtol=1e-12)


@pytest.mark.parametrize("per_channel", [False, True])
def test_gradients_of_torch_agree(per_channel):
    scheme = Scheme.parse("int4-c0-asym" if per_channel else "int4-asym")
    x = torch.randn(5, 200, generator=generator(1), requires_grad=True)
    scale, zero = scales_of(x.detach() * 0.5, scheme)
    scale, zero = scale.clone().requires_grad_(), zero.float().requires_grad_()
    weight = torch.randn(5, 200, generator=generator(2))
    y = fake_quantize(x, scheme, scale, zero)
    (weight * y).sum().backward()
    ours = x.grad.clone(), scale.grad.clone(), zero.grad.clone()
    for t in (x, scale, zero):
        t.grad = None
    if per_channel:
        theirs = torch._fake_quantize_learnable_per_channel_affine(x, scale, zero, 0, -8, 7, 1.0)
    else:
        theirs = torch._fake_quantize_learnable_per_tensor_affine(x, scale.view(1), zero.view(1), -8, 7, 1.0)
    (weight * theirs).sum().backward()
    assert torch.allclose(y, theirs, atol=1e-6)
    # torch draws the edge of the range half a step further out, where a value still rounds to the last level.
    v = (x / scheme.granularity.expand(scale, x.shape)).detach()
    z = scheme.granularity.expand(zero, x.shape).detach()
    between = ((v < -8 - z) & (v > -8.5 - z)) | ((v > 7 - z) & (v < 7.5 - z))
    assert torch.equal(ours[0][~between], x.grad[~between])
    assert bool((ours[0][between] == 0).all())
    assert between.any()
    # Outside, torch has (edge - z) as the slope in s, and -s in z, as we do; count the part between the two edges by hand.
    edge = torch.clamp(v, -8 - z, 7 - z)
    step = scheme.granularity.expand(scale, x.shape).detach()
    reduce = scheme.granularity.reduce
    for_scale = reduce(torch.where(between, weight * (edge - (edge - v)), torch.zeros_like(v)), torch.sum)
    for_zero = reduce(torch.where(between, -weight * step, torch.zeros_like(v)), torch.sum)
    assert torch.allclose(ours[2], zero.grad + for_zero, rtol=1e-3, atol=1e-3)
    assert torch.allclose(ours[1], scale.grad + for_scale, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("name", ["int8", "int4-c0", "uint4-c0-asym", "int4-g8", "int8-asym", "int8-narrow"])
def test_values_of_torch_agree(name):
    scheme = Scheme.parse(name)
    x = torch.randn(6, 40, generator=generator(3))
    scale, zero = scales_of(x, scheme)
    y = fake_quantize(x, scheme, scale, zero)
    step = scheme.granularity.expand(scale, x.shape)
    shift = 0 if zero is None else scheme.granularity.expand(zero, x.shape)
    codes = torch.clamp(torch.round(x / step) + shift, scheme.lowest, scheme.highest)
    assert torch.equal(y, (codes - shift) * step)


@pytest.mark.parametrize("share", [1.0, 0.4])
def test_straight_through_gradients_of_torch_agree(share):
    x = torch.randn(6, 400, generator=generator(3), requires_grad=True)
    weight = torch.randn(6, 400, generator=generator(4))
    scheme = Scheme.parse("int4-c0-asym")
    scale, zero = scales_of(x.detach() * share, scheme)
    y = fake_quantize(x, scheme, scale, zero)
    (weight * y).sum().backward()
    ours, x.grad = x.grad, None
    theirs = torch.fake_quantize_per_channel_affine(x, scale, zero, 0, -8, 7)
    (weight * theirs).sum().backward()
    assert torch.allclose(y, theirs, atol=1e-6)
    assert torch.equal(ours, x.grad)
    assert bool((ours == 0).any()) == (share < 1)


def test_the_largest_value_keeps_its_gradient():
    x = torch.randn(500, 33, generator=generator(4), requires_grad=True)
    for name in ("int8-c0", "int4-c0-asym", "e3m2-c0", "int2-c0"):
        scheme = Scheme.parse(name)
        scale, zero = scales_of(x.detach(), scheme)
        x.grad = None
        fake_quantize(x, scheme, scale, zero).sum().backward()
        assert bool((x.grad == 1).all()), name


def test_minifloats_saturate_with_gradient_zero():
    x = torch.tensor([-30.0, -28.0, 0.2, 28.0, 29.0], requires_grad=True)
    s = torch.tensor(1.0, requires_grad=True)
    y = fake_quantize(x, Scheme.parse("e3m2"), s)
    y.sum().backward()
    assert x.grad.tolist() == [0, 1, 1, 1, 0]
    assert s.grad.item() == pytest.approx(-28 + 28 + (0.1875 - 0.2) + 0 + 0, abs=1e-6)


@pytest.mark.parametrize("name", ["int4", "int4-c1-pow2", "uint8-asym", "int8-token", "e2m1-c0", "int3-g3-asym"])
@pytest.mark.parametrize("learned", [False, True])
def test_a_module_holds_values_that_codes_hold(name, learned):
    scheme = Scheme.parse(name)
    x = torch.randn(5, 9, generator=generator(5))
    if name == "int8-token":
        if learned:
            with pytest.raises(InvalidInput, match="cannot be learned"):
                FakeQuantize(scheme, learned=True)
            return
        scale, zero = scales_of(x, scheme)
        module = FakeQuantize(scheme)
    else:
        scale, zero = scales_of(x, scheme)
        module = FakeQuantize(scheme, scale * 1.3, zero, learned=learned)
        scale, zero = module.applied()
    y = module(x)
    assert torch.equal(y, dequantize(quantize(x, scheme, scale, zero), scheme, scale, zero))
    assert torch.equal(y, rounded(x, scheme, scale, zero))
    module.enabled = False
    assert torch.equal(module(x), x)


def test_a_learned_step_settles_where_its_gradient_vanishes():
    x = torch.randn(4000, generator=generator(6))
    scheme = Scheme(2, narrow=True)
    module = FakeQuantize(scheme, torch.tensor(3.0), learned=True)
    optimiser = torch.optim.Adam(module.parameters(), lr=0.02)
    for _ in range(300):
        optimiser.zero_grad()
        ((module(x) - x) ** 2).mean().backward()
        optimiser.step()

    def mean_gradient(s):  # levels -s, 0, s and a normal variable
        density = torch.distributions.Normal(0, 1)
        t = torch.linspace(0, 12, 200_001, dtype=torch.float64)
        v, p = t / s, density.log_prob(t).exp()
        inside = torch.where(v <= 1, s * (v.round() - v) ** 2, s - t)
        return float(torch.trapezoid(inside * p, t))

    root = brentq(mean_gradient, 0.3, 3.0)
    assert module.scale.item() == pytest.approx(root, rel=0.03)


def test_bad_input():
    with pytest.raises(InvalidInput, match="no scale is set"):
        FakeQuantize(Scheme())(torch.ones(2))
    with pytest.raises(InvalidInput, match="positive and finite"):
        FakeQuantize(Scheme(), torch.tensor(0.0))
    with pytest.raises(InvalidInput, match="asymmetric schemes"):
        FakeQuantize(Scheme(symmetric=False), torch.tensor(1.0))

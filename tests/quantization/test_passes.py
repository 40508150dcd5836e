"""Passes against plain twins: GPTQ without blocks in NumPy, equalisation and smoothing by their laws, means by hand."""

import copy

import numpy as np
import pytest
import torch
from tests.quantization.networks import attention, images, residual, tokens
from torch import nn

from bitket.errors import InvalidInput
from bitket.quantization import PostTraining, Scheme, deploy, quantize
from bitket.quantization.calibration import calibrate
from bitket.quantization.graph import Layer, attach, find_places, fold_batch_norm, layers_of, replace_modules, trace
from bitket.quantization.grids import levels, rounded, scales_of
from bitket.quantization.observers import MinMax
from bitket.quantization.passes import (
    CorrectBias,
    Equalise,
    FoldBatchNorm,
    Gptq,
    LearnRounding,
    Smooth,
    Work,
    gptq_rows,
)
from bitket.quantization.passes.bias import mean_output
from bitket.quantization.passes.equalisation import streams
from bitket.quantization.passes.matrices import columns, weight_rows
from bitket.quantization.passes.rounding import learned_rounding
from bitket.runs.progress import Bars

pytestmark = pytest.mark.filterwarnings("ignore:the deployed network takes")
QUIET = Bars(quiet=True)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def correlated(n, count, condition, seed):
    """Inputs whose covariance has this condition number."""
    basis = torch.linalg.qr(torch.randn(n, n, generator=generator(seed), dtype=torch.float64))[0]
    spread = torch.logspace(0, -np.log10(condition) / 2, n, dtype=torch.float64)
    return torch.randn(count, n, generator=generator(seed + 1), dtype=torch.float64) @ (basis * spread).T


def plain_gptq(w, h, quantise, damping, order):
    """Column by column with the whole inverse, no blocks: optimal brain surgery as it is written down."""
    w, h = w.copy(), h.copy()
    dead = np.diag(h) == 0
    h[dead, dead] = 1
    w[:, dead] = 0
    h += damping * np.mean(np.diag(h)) * np.eye(len(h))
    left = list(order)
    q = np.zeros_like(w)
    inverse = np.linalg.inv(h[np.ix_(left, left)])
    while left:
        j = left[0]
        q[:, j] = quantise(w[:, j], j)
        error = (w[:, j] - q[:, j]) / inverse[0, 0]
        w[:, left] -= np.outer(error, inverse[0])
        inverse = (inverse - np.outer(inverse[:, 0], inverse[0]) / inverse[0, 0])[1:, 1:]
        left = left[1:]
    return q


@pytest.mark.parametrize("name", ["int4-c0", "e2m1-c0", "int3-g10-asym"])
@pytest.mark.parametrize("order", ["natural", "activation"])
def test_gptq_is_its_plain_twin(name, order):
    scheme = Scheme.parse(name)
    w = torch.randn(7, 40, generator=generator(1), dtype=torch.float64)
    x = correlated(40, 300, 1e2, 2)
    x[:, 5] = 0  # a dead input
    h = 2 * x.T @ x
    scale, zero = scales_of(w, scheme)
    spread = scheme.granularity.expand
    s, z = spread(scale, w.shape).expand(w.shape), None if zero is None else spread(zero, w.shape).expand(w.shape)
    got = gptq_rows(w, h, scheme, s, z, block=16, order=order)

    def quantise(column, j):
        full = torch.zeros_like(w)
        full[:, j] = torch.from_numpy(column)
        return rounded(full, scheme, scale, zero)[:, j].numpy()

    diagonal = h.diagonal().clone()
    diagonal[5] = 1
    indices = range(40) if order == "natural" else diagonal.argsort(descending=True, stable=True).tolist()
    want = plain_gptq(w.numpy(), h.numpy(), quantise, 0.01, indices)
    assert np.allclose(got.numpy(), want, atol=1e-9)


@pytest.mark.parametrize("name", ["int4-c0", "e2m1-c0"])
def test_gptq_lowers_the_output_error_of_correlated_inputs(name):
    scheme = Scheme.parse(name)
    ratios = []
    for seed in range(10):
        w = torch.randn(32, 64, generator=generator(seed))
        x = correlated(64, 500, 1e3, 100 + seed).float()
        scale, _ = scales_of(w, scheme)
        plain = rounded(w, scheme, scale)
        got = gptq_rows(w, 2 * x.T @ x, scheme, scale[:, None].expand(w.shape))
        ratios.append(float(((w - got) @ x.T).square().sum() / ((w - plain) @ x.T).square().sum()))
    assert max(ratios) <= 0.8


def test_gptq_with_uncorrelated_inputs_is_plain_rounding():
    w = torch.randn(9, 30, generator=generator(3))
    for name in ("int4-c0", "e3m2-c0"):
        scheme = Scheme.parse(name)
        scale, _ = scales_of(w, scheme)
        got = gptq_rows(w, 2 * torch.eye(30), scheme, scale[:, None].expand(w.shape), block=7)
        assert torch.equal(got, rounded(w, scheme, scale))
    with pytest.raises(InvalidInput, match="not positive definite"):
        gptq_rows(w, -torch.eye(30), scheme, scale[:, None].expand(w.shape))


LAYERS = [
    (nn.Linear(12, 5), (7, 3, 12)),
    (nn.Conv2d(4, 6, 3, stride=2, padding=1), (3, 4, 9, 9)),
    (nn.Conv2d(4, 6, 3, groups=2, dilation=2), (3, 4, 9, 9)),
    (nn.Conv2d(4, 8, (2, 3), padding="same", groups=4), (3, 4, 6, 7)),
    (nn.Conv2d(4, 6, 1, padding="valid"), (3, 4, 6, 7)),
    (nn.Conv1d(4, 6, 5, stride=3, padding=2, groups=2), (3, 4, 20)),
]


@pytest.mark.parametrize(("module", "shape"), LAYERS, ids=lambda v: str(v).replace(" ", ""))
def test_layers_are_products_of_rows_and_columns(module, shape):
    box = nn.Sequential(module)
    replace_modules(box)
    layer = box[0]
    x = torch.randn(shape, generator=generator(4))
    y = layer(x)
    product = weight_rows(layer.current_weight(), layer.groups) @ columns(layer, x)
    product = product.flatten(0, 1) + layer.bias[:, None]
    want = y.movedim(layer.channel_axis, 0).flatten(1)
    assert torch.allclose(product, want, atol=1e-5)


def folded(model, x):
    """A graph of its own: tracing shares the model's parameters, and passes work in place."""
    graph = trace(copy.deepcopy(model), x)
    fold_batch_norm(graph)
    return graph


def test_equalisation_keeps_the_function_and_levels_the_ranges():
    model = residual()
    with torch.no_grad():
        for p in model.parameters():
            p.mul_(torch.exp(torch.randn(len(p), *[1] * (p.ndim - 1), generator=generator(5))))
    x = images()[0]
    graph = folded(model, x)
    want = graph(x)
    # stem and conv2 of the first block write what both convolutions of the second read, and the inner channels of both blocks.
    found = {tuple(sorted(s.writers)): tuple(sorted(s.readers)) for s in streams(graph)}
    assert found == {
        ("stage1.conv2", "stem"): ("stage1.conv1", "stage2.conv1", "stage2.down.0"),
        ("stage1.conv1",): ("stage1.conv2",),
        ("stage2.conv1",): ("stage2.conv2",),
    }
    note = Equalise(rounds=200).apply(Work(graph, images(), QUIET))
    assert note.startswith("equalisation: 3 groups")
    assert (graph(x) - want).abs().max() < 1e-4 * want.abs().max()
    layers = dict(layers_of(graph))
    for stream in streams(graph):
        written = torch.stack([m.weight.abs().flatten(1).amax(1) for m in stream.writers.values()]).amax(0)
        read = torch.stack([m.weight.abs().amax((0, 2, 3)) for m in stream.readers.values()]).amax(0)
        assert torch.allclose(written, read, rtol=1e-2)
    assert len(layers) == 7


def test_equalisation_of_depthwise_and_linear_layers():
    model = nn.Sequential(
        nn.Conv2d(2, 6, 1), nn.ReLU(), nn.Conv2d(6, 6, 3, groups=6), nn.ReLU(), nn.Conv2d(6, 8, 1, groups=2), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5), nn.Sigmoid(), nn.Linear(5, 3),
    ).eval()  # fmt: skip
    with torch.no_grad():  # unequal channels that the next layer makes up for
        for i, n in ((0, 6), (2, 6)):
            factor = torch.logspace(-2, 2, n)[torch.randperm(n, generator=generator(i))]
            model[i].weight.mul_(factor.view(-1, 1, 1, 1))
            model[i].bias.mul_(factor)
            following = model[i + 2].weight
            following.div_(
                factor.view(-1, 1, 1, 1) if i == 0 else factor.view(2, 3).repeat_interleave(4, 0).view(8, 3, 1, 1)
            )
    x = torch.randn(5, 2, 6, 6, generator=generator(6))
    graph = folded(model, x)
    want = graph(x)
    assert [tuple(s.readers) for s in streams(graph)] == [("2",), ("4",), ("8",)]  # not across the sigmoid
    Equalise(rounds=100, with_bias=True).apply(Work(graph, [x], QUIET))
    assert (graph(x) - want).abs().max() < 1e-4 * want.abs().max()
    body = model[:9].eval()  # without the sigmoid, which hides errors
    errors = []
    for steps in ((FoldBatchNorm(),), (FoldBatchNorm(), Equalise(rounds=100))):
        config = PostTraining(weights=Scheme(4), activations=None, steps=steps)
        errors.append((quantize(body, config, [x], progress=False)(x) - body(x)).norm())
    assert errors[1] < 0.5 * errors[0]


@pytest.mark.parametrize("form", ["graph", "modules"])
def test_smoothing_keeps_the_function_and_levels_channels(form):
    model = attention()
    with torch.no_grad():
        model.norm.weight[3] *= 100  # an outlying channel, which the projections make up for
        for layer in (model.q_proj, model.k_proj, model.v_proj):
            layer.weight[:, 3] /= 100
    data = tokens(6, 8)
    if form == "graph":
        work = folded(model, data[0])
    else:
        work = copy.deepcopy(model)
        replace_modules(work)
    want = model(data[0])
    note = Smooth(0.5).apply(Work(work, data, QUIET))
    # The tied head is left as it is; out_proj has no norm in front.
    assert note.startswith(
        f"SmoothQuant: {int(form == 'graph')} layer norms took over factors, {1 if form == 'graph' else 4} mult"
    )
    assert (work(data[0]) - want).abs().max() < 1e-4 * want.abs().max()
    steps = ((Smooth(0.5),), ())
    only = (("*", None), ("[qkv]_proj.*", Scheme(8)))
    smooth, plain = (
        quantize(model, PostTraining(overrides=only, form=form, steps=s), data, progress=False) for s in steps
    )
    errors = [torch.cat([(q(x) - model(x)).flatten() for x in data]).norm() for q in (smooth, plain)]
    assert errors[0] < 0.7 * errors[1]
    with torch.no_grad():
        assert torch.equal(deploy(smooth)(data[0]), smooth(data[0]))


def test_bias_correction_levels_the_means():
    model, data = residual(), images(5, 8)
    graph = folded(model, data[0])
    reference = folded(model, data[0])
    places = (
        find_places(graph)
        .with_scheme(Scheme.parse("int3-c0"), "weight")
        .with_scheme(Scheme(4, symmetric=False), "input")
    )
    attach(graph, places)
    calibrate(graph, places, data, MinMax())
    floats = dict(layers_of(reference))
    before = max(
        float((mean_output(graph, m, data) - mean_output(reference, floats[p], data)).abs().max())
        for p, m in layers_of(graph)
    )
    CorrectBias().apply(Work(graph, data, QUIET, places, reference))
    for path, layer in layers_of(graph):
        shift = mean_output(graph, layer, data) - mean_output(reference, floats[path], data)
        assert shift.abs().max() < 1e-5 * max(1, float(mean_output(reference, floats[path], data).abs().max())), path
    assert before > 1e-2


@pytest.mark.parametrize("name", ["int4-c0", "int4-asym", "e2m1-c0", "int2-c0"])
def test_learned_rounding_takes_neighbours_and_lowers_the_error(name):
    scheme = Scheme.parse(name)
    layer = Layer("linear", nn.Parameter(torch.randn(16, 48, generator=generator(7))), None)
    weight = layer.weight.detach().clone()
    box = nn.Sequential()
    box.add_module("fc", layer)
    places = find_places(box).with_scheme(scheme, "weight")
    attach(box, places)
    x = correlated(48, 400, 1e2, 8).float()
    calibrate(box, places, [x], MinMax())
    got, error, nearest = learned_rounding(
        layer, x, x @ weight.T, steps=400, learning_rate=1e-2, batch=64, generator=generator(9)
    )
    assert error < (0.8 if name != "int2-c0" else 0.95) * nearest
    assert error == pytest.approx(float(((x @ (got - weight).T) ** 2).mean()), rel=1e-3)
    scale, zero = scales_of(weight, scheme)
    grid, step = levels(scheme), scheme.granularity.expand(scale, weight.shape)
    shift = 0 if zero is None else zero
    v = (weight / step + shift).double()
    index = torch.searchsorted(grid, v.contiguous()).clamp(1, len(grid) - 1)
    below, above = grid[index - 1], grid[index]
    at = (got / step + shift).double()
    near = torch.minimum((at - below).abs(), (at - above).abs())
    assert near.max() < 1e-4  # every weight on one of its two neighbours
    assert torch.equal(layer.weight_quantiser(got), got)  # and the quantiser leaves it there
    again = learned_rounding(layer, x, x @ weight.T, steps=400, learning_rate=1e-2, batch=64, generator=generator(9))
    assert torch.equal(again[0], got)


def test_passes_compose_and_deploy():
    model, data = residual(), images(4, 8)
    w4 = Scheme.parse("int4-c0")

    def error(*steps):
        quantized = quantize(model, PostTraining(weights=w4, steps=(FoldBatchNorm(), *steps)), data, progress=False)
        with torch.no_grad():
            assert torch.equal(deploy(quantized)(data[0]), quantized(data[0]))
            return float(sum((quantized(x) - model(x)).square().sum() for x in data)), quantized

    plain, _ = error()
    for steps in ((Gptq(),), (CorrectBias(),), (Equalise(), Gptq(order="activation"), CorrectBias())):
        assert error(*steps)[0] < 0.5 * plain
    learned, quantized = error(LearnRounding(steps=100, learning_rate=1e-2), CorrectBias())
    assert learned < plain
    assert [n.partition(":")[0] for n in quantized.report.notes] == ["folded", "learned rounding", "bias correction"]


def test_ties_are_cut_where_a_weight_is_rounded():
    model, data = attention(), tokens(4, 8)
    quantized = quantize(
        model, PostTraining(weights=Scheme.parse("int4-c0"), form="modules", steps=(Gptq(),)), data, progress=False
    )
    layers = dict(layers_of(quantized.model))
    assert layers["embed"].weight is not layers["head"].weight
    assert torch.equal(layers["embed"].weight, model.embed.weight)


def test_bad_input():
    with pytest.raises(InvalidInput, match="use form='graph'"):
        quantize(residual(), PostTraining(form="modules", steps=(Equalise(),)), images(), progress=False)
    for make in (
        lambda: Equalise(rounds=0),
        lambda: Smooth(alpha=1.5),
        lambda: Gptq(damping=-1),
        lambda: Gptq(order="x"),
        lambda: LearnRounding(steps=0),
    ):
        with pytest.raises(InvalidInput):
            make()

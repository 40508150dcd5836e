import copy

import pytest
import torch

from bitket.errors import InvalidInput
from bitket.learning.training import Training
from bitket.quantum.learning.composed import ConvolutionPair
from bitket.quantum.learning.flipped import FlippedQuanv2d
from bitket.quantum.learning.reuploading import ReuploadingLinear
from bitket.quantum.learning.swap_study import SwapStudy, accuracy, summary
from bitket.quantum.learning.swapping import parameter_count, swap_layers, swap_levels, swap_plan

BOTH = {torch.nn.Conv2d: FlippedQuanv2d, torch.nn.Linear: ReuploadingLinear}


def paper(channels=1, side=32):
    convolutions = ConvolutionPair(torch.nn.Conv2d(channels, 32, 3), torch.nn.Conv2d(32, 16, 3))
    return torch.nn.Sequential(convolutions, torch.nn.Flatten(), torch.nn.Linear(16 * (side - 4) ** 2, 10))


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(("channels", "counts"), [(1, (130_394, 133_658, 172_048)), (3, (130_970, 134_618, 173_008))])
def test_parameters_are_the_papers(channels, counts):
    levels = swap_levels(paper(channels), BOTH)
    assert tuple(parameter_count(make(generator())) for make in levels.values()) == counts


def test_levels_0_and_1_are_affine_and_level_2_is_not():
    g = generator(3)
    x, y = torch.randn(2, 6, 1, 12, 12, dtype=torch.float64, generator=g)
    for name, make in swap_levels(paper(side=12), BOTH).items():
        net = make(generator()).double()
        with torch.no_grad():
            middle, ends = net(0.3 * x + 0.7 * y), 0.3 * net(x) + 0.7 * net(y)
        off = float((middle - ends).norm() / ends.norm())
        assert (off < 1e-5) == (name != "2 Linear"), name


def test_swapped_layers_have_the_shapes_precision_mode_and_strides_of_the_old():
    net = torch.nn.Sequential(
        torch.nn.Conv2d(2, 3, (3, 2), stride=2, padding=1, bias=False, dtype=torch.float64),
        torch.nn.Conv2d(3, 3, 3, padding="same", dtype=torch.float64),
        torch.nn.Flatten(),
        torch.nn.Linear(3 * 4 * 5, 7, bias=False, dtype=torch.float64),
    ).eval()
    x = torch.randn(4, 2, 7, 8, dtype=torch.float64)
    new = swap_layers(net, BOTH, generator=generator(), example=x)
    assert new(x).shape == net(x).shape
    assert new(x).dtype == torch.float64
    assert not any(layer.training for layer in new.modules())
    assert new[0].bias is None
    assert new[3].bias is None


def test_names_count_more_than_types_and_the_rest_keeps_its_weights():
    net = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.Conv2d(2, 2, 3))
    before = copy.deepcopy(net.state_dict())
    new = swap_layers(net, {"1": lambda layer, generator: torch.nn.Identity(), torch.nn.Conv2d: FlippedQuanv2d})
    assert isinstance(new[0], FlippedQuanv2d)
    assert isinstance(new[1], torch.nn.Identity)
    only = swap_layers(net, {"1": FlippedQuanv2d})
    assert torch.equal(only[0].weight, net[0].weight)
    assert isinstance(net[1], torch.nn.Conv2d)
    assert all(torch.equal(a, before[k]) for k, a in net.state_dict().items())


def test_a_layer_at_two_places_stays_one_layer():
    shared = torch.nn.Linear(4, 4)
    new = swap_layers(torch.nn.Sequential(shared, torch.nn.Tanh(), shared), {torch.nn.Linear: ReuploadingLinear})
    assert new[0] is new[2]
    alone = swap_layers(shared, {torch.nn.Linear: ReuploadingLinear})
    assert isinstance(alone, ReuploadingLinear)


def inside(layer):
    return torch.nn.Sequential(torch.nn.ReLU(), torch.nn.ModuleDict({"deep": torch.nn.ModuleList([layer])}))


def hooked():
    layer = torch.nn.Linear(2, 2)
    layer.register_forward_hook(lambda *a: None)
    return inside(layer)


def tied():
    net = torch.nn.Sequential(torch.nn.Embedding(5, 3), torch.nn.Linear(3, 5))
    net[1].weight = net[0].weight
    return net


@pytest.mark.parametrize(
    ("net", "swaps", "message"),
    [
        (inside(torch.nn.Conv2d(4, 4, 3, groups=2)), BOTH, r"^Linear: the model has no layer of this type; it has Conv2d, ReLU"),
        (inside(torch.nn.Conv2d(4, 4, 3, groups=2)), {torch.nn.Conv2d: FlippedQuanv2d}, r"^1\.deep\.0: a convolution of 2 groups"),
        (inside(torch.nn.Conv2d(4, 4, 3, dilation=2)), {torch.nn.Conv2d: FlippedQuanv2d}, r"^1\.deep\.0: .* dilation \(2, 2\)"),
        (inside(torch.nn.Conv2d(1, 1, 3, padding_mode="reflect", padding=1)), {torch.nn.Conv2d: FlippedQuanv2d}, "'reflect'"),
        (inside(torch.nn.Conv2d(1, 1, 1)), {torch.nn.Conv2d: FlippedQuanv2d}, r"1\.deep\.0: .* 1 x 1 has no qubit"),
        (inside(torch.nn.Linear(2, 2)), {"1.deep.1": ReuploadingLinear}, r"no such layer; did you mean '1\.deep\.0'"),
        (inside(torch.nn.Linear(2, 2)), {"1.deep.0": FlippedQuanv2d}, r"1\.deep\.0: a Linear has no flipped quanvolution"),
        (inside(torch.nn.Linear(2, 2)), {"1.deep.0": lambda layer, generator: 3}, r"1\.deep\.0: .* is a int"),
        (inside(torch.nn.Linear(2, 2)), {}, "none is asked for"),
        (hooked(), {torch.nn.Linear: ReuploadingLinear}, r"1\.deep\.0: it has hooks"),
        (tied(), {torch.nn.Linear: ReuploadingLinear}, "1: it shares a weight with a Embedding"),
        (
            torch.nn.TransformerEncoderLayer(4, 1, 4),
            {torch.nn.Linear: ReuploadingLinear},
            "linear1: its parent, a TransformerEncoderLayer, uses its weights itself",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_swapped_is_named_with_its_path(net, swaps, message):
    with pytest.raises(InvalidInput, match=message):
        swap_layers(net, swaps)


def test_an_example_shows_shapes_and_finds_wrong_ones():
    net, x = paper(side=12), torch.zeros(2, 1, 12, 12)
    plan = swap_plan(net, {torch.nn.Linear: ReuploadingLinear}, x)
    assert [(s.path, s.shape_in, s.shape_out, s.after) for s in plan] == [("2", (2, 1024), (2, 10), 10 * 1023 + 10)]
    wrong = {"2": lambda layer, generator: torch.nn.Linear(1024, 9)}
    with pytest.raises(InvalidInput, match=r"2: outputs of shape \(2, 9\) take the place of such of shape \(2, 10\)"):
        swap_layers(net, wrong, example=x)
    with pytest.raises(InvalidInput, match=r"example of shape \(2, 3\)"):
        swap_plan(net, {torch.nn.Linear: ReuploadingLinear}, torch.zeros(2, 3))
    refused = swap_plan(torch.nn.Conv2d(2, 2, 3, groups=2), {torch.nn.Conv2d: FlippedQuanv2d})
    assert "cannot be swapped: a convolution of 2 groups" in str(refused[0])


def blobs(n=60, seed=0):
    g = generator(seed)
    y = torch.arange(n) % 2
    x = torch.randn(n, 4, generator=g) + 2.0 * y[:, None]
    return (x[: n // 2], y[: n // 2]), (x[n // 2 :], y[n // 2 :])


def test_a_study_of_ones_own_network_and_data():
    net = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.Tanh(), torch.nn.Linear(3, 2))
    levels = swap_levels(net, {"0": ReuploadingLinear, "2": ReuploadingLinear})
    study = SwapStudy(levels, {"blobs": blobs()}, 2, Training(15, 10, learning_rate=0.05), every=10)
    results = study.run()
    assert [(r.level, r.repeat) for r in results] == [(k, r) for k in ("0", "1 0", "2 2") for r in (0, 1)]
    again = study.train("blobs", "1 0", 1)
    same = next(r for r in results if (r.level, r.repeat) == ("1 0", 1))
    assert again.losses == same.losses
    assert [epoch for epoch, _ in same.curve] == [10, 15]
    assert results[0].losses != results[1].losses
    rows = summary(results)
    assert [row["parameters"] for row in rows] == [15 + 8, 10 * 15 + 3 + 8, 10 * 15 + 3 + 10 * 3 + 2]
    assert rows[0]["test accuracy"] > 0.8
    assert all(row["largest unitarity defect"] < 1e-4 for row in rows)


def test_trained_weights_can_be_kept():
    net = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.Linear(3, 2))
    kept = swap_levels(net, {"1": ReuploadingLinear}, fresh=False)["1 1"](generator())
    assert torch.equal(kept[0].weight, net[0].weight)
    drawn = swap_levels(net, {"1": ReuploadingLinear})["0"]
    assert not torch.equal(drawn(generator())[0].weight, net[0].weight)
    assert torch.equal(drawn(generator())[0].weight, drawn(generator())[0].weight)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"levels": {}}, "levels, data sets"),
        ({"repeats": 0}, "at least one repeat"),
        ({"datasets": {"a": ((torch.zeros(3, 4), torch.zeros(2).long()),) * 2}}, "data 'a': 3 training inputs and 2 labels"),
        ({"datasets": {"a": ((torch.zeros(3, 4), torch.zeros(3)),) * 2}}, "labels of type torch.float32"),
    ],
)  # fmt: skip
def test_wrong_studies_are_named(change, message):
    good = {"levels": {"0": lambda g: torch.nn.Linear(4, 2)}, "datasets": {"a": blobs()}}
    with pytest.raises(InvalidInput, match=message):
        SwapStudy(**good | change)


def test_accuracy_leaves_the_mode():
    net = torch.nn.Linear(4, 2).train()
    x, y = blobs()[0]
    assert accuracy(net, x, y, 7) == pytest.approx(float((net(x).argmax(1) == y).float().mean()))
    assert net.training

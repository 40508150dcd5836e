"""Places in traced graphs and in exchanged modules; folding of batch norm."""

import copy

import pytest
import torch
from tests.quantization.networks import attention, images, residual, shaken, tokens
from torch import nn

from bitket.errors import InvalidInput
from bitket.quantization.graph import (
    Layer,
    Places,
    attach,
    find_places,
    fold_batch_norm,
    layers_of,
    left_float,
    quantiser_of,
    replace_modules,
    trace,
)
from bitket.quantization.grids import Scheme


def test_a_traced_network_computes_the_same():
    model, x = residual(), images()[0]
    graph = trace(model, x)
    for size in (1, 2, 9):
        y = torch.randn(size, 1, 8, 8)
        assert torch.equal(graph(y), model(y))
    assert {id(p) for p in graph.parameters()} == {id(p) for p in model.parameters()}
    assert torch.equal(copy.deepcopy(graph)(x), model(x))


def test_places_of_a_residual_network():
    graph = trace(residual(), images()[0])
    fold_batch_norm(graph)
    places = find_places(graph)
    names = [p.name for p in places]
    assert names == [
        "stem.input", "stem.weight",
        "stage1.conv1.input", "stage1.conv1.weight", "stage1.conv2.input", "stage1.conv2.weight",
        "stage1.add.residual0", "stage1.add.residual1",
        "stage2.conv1.input", "stage2.conv1.weight", "stage2.conv2.input", "stage2.conv2.weight", "stage2.down.0.weight",
        "stage2.add.residual0", "stage2.add.residual1",
        "avg_pool2d.pool0", "cat.concat0", "cat.concat1", "head.input", "head.weight",
    ]  # fmt: skip
    assert places.groups["stage2.conv1"] == ("stage2.conv1", "stage2.down.0")  # both read the block's input
    assert len(places["stage2.conv1.input"].readers) == 2
    assert places["stage1.conv1.input"].nonnegative
    assert not places["stage1.add.residual0"].nonnegative
    assert places.unknown == (("norm.layer_norm", "layer_norm"),)
    assert Places.from_json(places.to_json()) == places
    assert "norm.layer_norm" in str(places)


def test_quantisers_stand_before_their_readers_and_only_there():
    model, x = residual(), images()[0]
    graph = trace(model, x)
    fold_batch_norm(graph)
    places = find_places(graph).with_scheme(Scheme(8), "input").with_scheme(Scheme(16), "residual")
    attach(graph, places)
    seen = []
    for place in places.select("input") + places.select("residual"):
        q = quantiser_of(graph, place)
        q.fix(torch.tensor(1e-3))
        q.register_forward_hook(lambda m, a, y, name=place.name: seen.append(name))
    graph(x)
    assert sorted(seen) == sorted(p.name for p in places if p.kind in ("input", "residual"))  # each once a run
    assert len(left_float(places)) == len(places) - len(seen) + 1
    # The identity of a residual block is quantised by itself, not by the grid of the convolution that reads it too.
    add = next(n for n in graph.graph.nodes if n.meta.get("path") == "stage1.add")
    assert [n.meta["path"] for n in add.all_input_nodes] == ["stage1.add.residual0", "stage1.add.residual1"]
    with pytest.raises(InvalidInput, match="quantised already"):
        attach(graph, places)


def test_attention_by_graph_and_by_modules():
    model, x = attention(), tokens()[0]
    graph = trace(model, x)
    assert torch.equal(graph(x), model(x))
    places = find_places(graph)
    assert places.groups["q_proj"] == ("q_proj", "k_proj", "v_proj")
    kinds = [p.kind for p in places]
    assert kinds.count("matmul") == 4
    assert kinds.count("residual") == 2
    assert any(operator == "softmax" for _, operator in places.unknown)
    twin = copy.deepcopy(model)
    assert replace_modules(twin) == ()
    assert torch.equal(twin(x), model(x))
    by_modules = find_places(twin)
    assert by_modules.groups["q_proj"] == ("q_proj", "k_proj", "v_proj")
    assert twin.head.weight is twin.embed.weight  # ties stay


def test_a_layer_called_twice_has_one_weight_and_two_inputs():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.a = nn.Linear(4, 4)

        def forward(self, x):
            return self.a(torch.relu(self.a(x)))

    model = Twice().eval()
    graph = trace(model, torch.randn(3, 4))
    places = find_places(graph)
    assert [p.kind for p in places] == ["input", "weight", "input"]
    assert len(list(layers_of(graph))) == 1


NORMS = {
    "bias": nn.Sequential(nn.Conv2d(4, 6, 3), nn.BatchNorm2d(6)),
    "no bias": nn.Sequential(nn.Conv2d(4, 6, 3, bias=False), nn.BatchNorm2d(6)),
    "groups": nn.Sequential(nn.Conv2d(4, 6, 3, groups=2), nn.BatchNorm2d(6)),
    "depthwise": nn.Sequential(nn.Conv2d(4, 4, 3, groups=4, bias=False), nn.BatchNorm2d(4)),
    "linear": nn.Sequential(nn.Flatten(), nn.Linear(256, 5), nn.BatchNorm1d(5)),
    "transposed": nn.Sequential(nn.ConvTranspose2d(4, 6, 3, 2), nn.BatchNorm2d(6)),
    "padding": nn.Sequential(nn.Conv2d(4, 6, 3, padding="same"), nn.BatchNorm2d(6)),
}


@pytest.mark.parametrize("name", NORMS)
def test_folding_keeps_the_function(name):
    model = shaken(copy.deepcopy(NORMS[name]), 3)
    x = torch.randn(5, 4, 8, 8, generator=torch.Generator().manual_seed(1))
    graph = trace(model, x)
    want = model(x)
    assert len(fold_batch_norm(graph)) == 1
    got = graph(x)
    assert (got - want).abs().max() < 1e-5 * want.abs().max()
    assert "batch_norm" not in graph.code
    assert torch.equal(model(x), want)  # the source is as it was


def test_norms_that_cannot_be_folded_stay_and_are_reported():
    class Before(nn.Module):
        def __init__(self):
            super().__init__()
            self.bn, self.conv, self.bn2 = nn.BatchNorm2d(2), nn.Conv2d(2, 2, 1), nn.BatchNorm2d(2)

        def forward(self, x):
            y = self.conv(torch.relu(self.bn(x)))
            return self.bn2(y) + y  # the convolution has another reader

    model = shaken(Before())
    x = torch.randn(2, 2, 4, 4)
    graph = trace(model, x)
    assert fold_batch_norm(graph) == []
    assert torch.equal(graph(x), model(x))
    assert [p for p, _ in find_places(graph).unknown] == ["bn.batch_norm", "bn2.batch_norm"]


def test_unknown_modules_and_operators_are_named():
    class Odd(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc, self.lstm, self.att = nn.Linear(4, 4), nn.LSTM(4, 4), nn.MultiheadAttention(4, 1)

        def forward(self, x):
            y = self.lstm(self.fc(x))[0]
            return torch.special.erf(self.att(y, y, y)[0])

    model = Odd().eval()
    twin = copy.deepcopy(model)
    assert replace_modules(twin) == (("lstm", "LSTM"), ("att", "MultiheadAttention, which reads its weights itself"))
    graph = trace(model, torch.randn(3, 2, 4))
    assert {"lstm", "special_erf", "softmax"} <= {name for _, name in find_places(graph).unknown}


def test_in_place_operators_become_ordinary():
    class InPlace(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(3, 3)

        def forward(self, x):
            y = self.fc(x)
            y.relu_()
            y += 1
            return y * 2

    model = InPlace().eval()
    graph = trace(model, torch.randn(2, 3))
    x = torch.randn(4, 3)
    assert torch.equal(graph(x), model(x))
    assert "_(" not in graph.code.replace("forward(", "").replace("relu_default", "")

    class OnView(InPlace):
        def forward(self, x):
            y = self.fc(x)
            y.view(-1).relu_()
            return y

    with pytest.raises(InvalidInput, match="writes into a tensor that others see"):
        trace(OnView().eval(), torch.randn(2, 3))


def test_bad_input():
    with pytest.raises(InvalidInput, match="training mode"):
        trace(residual().train(), images()[0])

    class Branch(nn.Module):
        def forward(self, x):
            return x if float(x.sum()) > 0 else -x

    with pytest.raises(InvalidInput, match="cannot be traced"):
        trace(Branch().eval(), torch.randn(2, 3))
    with pytest.raises(InvalidInput, match="no linear layer"):
        replace_modules(nn.Sequential(nn.ReLU()))
    with pytest.raises(InvalidInput, match="it is one layer"):
        replace_modules(nn.Linear(2, 2))
    with pytest.raises(InvalidInput, match="operator 'x'"):
        Layer("x", None, None)
    with pytest.raises(InvalidInput, match="place 'nowhere'"):
        find_places(trace(residual(), images()[0]))["nowhere"]
    with pytest.raises(InvalidInput, match="kind 'bias'"):
        find_places(trace(residual(), images()[0])).select("bias")
    with pytest.raises(InvalidInput, match="not the JSON form"):
        Places.from_json({"rows": [{}]})

"""The verbs on whole networks: simulated and deployed agree bit for bit, calibration goes on after a stop, bad input is named."""

import copy
from dataclasses import dataclass

import pytest
import torch
from tests.quantization.networks import attention, images, residual, tokens
from torch import nn

from bitket.errors import InvalidInput
from bitket.quantization import (
    PostTraining,
    Scheme,
    compare,
    config_from_json,
    config_to_json,
    deploy,
    method,
    quantize,
)
from bitket.quantization.calibration import calibrate, collect, digest, stream
from bitket.quantization.configs import Job, config_digest
from bitket.quantization.fake import FakeQuantize
from bitket.quantization.graph import attach, find_places, fold_batch_norm, layers_of, quantiser_of, trace
from bitket.quantization.grids import rounded, scales_of
from bitket.quantization.observers import MeanSquare, MinMax, MovingAverage, Percentile
from bitket.quantization.quantized import QuantizedModel, quantized_weights
from bitket.quantization.tensors import PackedWeight, QuantizedTensor

pytestmark = pytest.mark.filterwarnings("ignore:the deployed network takes")

CONFIGS = {
    "w8a8": PostTraining(),
    "w4a8 groups": PostTraining(weights=Scheme.parse("int4-g5-asym"), observer=MovingAverage()),
    "w3": PostTraining(weights=Scheme.parse("int3-c0"), activations=None, weight_range="mse"),
    "floats": PostTraining(weights=Scheme.parse("e2m1-c0-pow2"), activations=Scheme.parse("e4m3-nan"), observer=Percentile()),
    "dynamic": PostTraining(weights=Scheme.parse("int4-g8-nested8"), activations=Scheme.parse("int8-token")),
    "everything": PostTraining(
        weights=Scheme.parse("int4-c0"), others=Scheme(16), first_last=(Scheme.parse("int8-c0"), Scheme(8)), sequential=True
    ),
    "modules": PostTraining(form="modules", weights=Scheme.parse("uint4-c0-asym"), observer=MeanSquare()),
}  # fmt: skip


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("network", ["images", "tokens"])
def test_simulated_and_deployed_agree_bit_for_bit(name, network):
    model, data = (residual(), images()) if network == "images" else (attention(), tokens())
    before = copy.deepcopy(model.state_dict())
    quantized = quantize(model, CONFIGS[name], data, progress=False)
    packed = deploy(quantized)
    assert packed.deployed
    with torch.no_grad():
        for x in data:
            assert torch.equal(packed(x), quantized(x))
        assert torch.equal(quantized(data[0][:1]), packed(data[0][:1]))
    assert all(torch.equal(t, before[k]) for k, t in model.state_dict().items())  # never in place
    for path, layer in layers_of(packed.model):
        if isinstance(layer.weight_quantiser, PackedWeight):
            assert layer.weight is None, path
    quantised_layers = [
        layer for _, layer in layers_of(packed.model) if isinstance(layer.weight_quantiser, PackedWeight)
    ]
    assert len(quantised_layers) == len(list(layers_of(packed.model)))
    assert quantized.report.bytes < quantized.report.float_bytes
    assert quantized.calibration_digest == digest(data)
    assert config_from_json(config_to_json(CONFIGS[name])) == CONFIGS[name]


def test_trained_quantisers_deploy_bit_for_bit():
    graph = trace(residual(), images()[0])
    fold_batch_norm(graph)
    places = (
        find_places(graph)
        .with_scheme(Scheme.parse("int4-c0"), "weight")
        .with_scheme(Scheme.parse("uint4-asym"), "input")
    )
    attach(graph, places, learned=True)
    calibrate(graph, places, images(), MinMax())
    optimiser = torch.optim.SGD(graph.parameters(), lr=1e-2)
    start = [p.detach().clone() for p in graph.parameters()]
    for x in images():
        optimiser.zero_grad()
        graph(x).square().mean().backward()
        optimiser.step()
    assert sum(not torch.equal(a, b) for a, b in zip(start, graph.parameters(), strict=True)) > 20
    quantized = QuantizedModel(graph, places)
    x = images()[0]
    with torch.no_grad():
        assert torch.equal(deploy(quantized)(x), graph(x))
    assert not any(isinstance(m, FakeQuantize) and m.learned for m in deploy(quantized).model.modules())


def test_the_network_computes_with_the_rounded_values():
    model = nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3)).eval()
    data = [torch.randn(32, 6, generator=torch.Generator().manual_seed(i)) for i in range(3)]
    config = PostTraining(weights=Scheme.parse("int4-c0"), activations=Scheme.parse("uint8-asym"))
    quantized = quantize(model, config, data, progress=False)
    x = torch.cat(data)
    w1, w2 = (rounded(w, config.weights, *scales_of(w, config.weights)) for w in (model[0].weight, model[2].weight))
    hidden = torch.relu(model[0](x))
    a1, a2 = scales_of(x, config.activations), scales_of(hidden, config.activations)
    y = torch.relu(nn.functional.linear(rounded(x, config.activations, *a1), w1, model[0].bias))
    want = nn.functional.linear(rounded(y, config.activations, *a2), w2, model[2].bias)
    assert torch.allclose(quantized(x), want, atol=1e-6)
    weights = quantized_weights(quantized)
    assert torch.equal(weights["0"].dequantize(), w1)


def test_calibration_goes_on_after_a_stop(tmp_path):
    data = images(batches=9)

    def fresh():
        graph = trace(residual(), data[0])
        places = find_places(graph).with_scheme(Scheme(8, symmetric=False), "input")
        attach(graph, places)
        return graph, places

    whole, places = fresh()
    calibrate(whole, places, data, MovingAverage())

    class Killed(Exception):
        pass

    class Dying(list):
        def __iter__(self):
            for i, x in enumerate(list.__iter__(self)):
                if i == 5:
                    raise Killed
                yield x

    broken, places = fresh()
    file = tmp_path / "calibration.safetensors"
    chosen = places.select("input")
    with pytest.raises(Killed):
        collect(broken, chosen, Dying(data), MovingAverage(), checkpoint=file, every=2)
    resumed, places = fresh()
    calls = []
    resumed.register_forward_pre_hook(lambda *a: calls.append(1))
    calibrate(resumed, places, data, MovingAverage(), checkpoint=file)
    assert len(calls) == 5  # four batches were done
    for place in chosen:
        for a, b in zip(quantiser_of(whole, place).applied(), quantiser_of(resumed, place).applied(), strict=True):
            assert torch.equal(a, b)
    with pytest.raises(InvalidInput, match="not a checkpoint of this calibration"):
        calibrate(resumed, places, data, MinMax(), checkpoint=file)


def test_sequential_calibration_sees_quantised_predecessors():
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4)).eval()
    data = [torch.randn(50, 4, generator=torch.Generator().manual_seed(2))]
    config = PostTraining(weights=Scheme.parse("int2-c0"), sequential=True)
    quantized = quantize(model, config, data, progress=False)
    first, second = (quantiser_of(quantized.model, p) for p in quantized.places.select("input"))
    x = data[0]
    assert torch.equal(first.scale, scales_of(x, first.scheme)[0])
    w = rounded(model[0].weight, config.weights, *scales_of(model[0].weight, config.weights))
    seen = nn.functional.linear(rounded(x, first.scheme, *first.applied()), w, model[0].bias)
    assert torch.allclose(second.scale, scales_of(seen.detach(), second.scheme)[0], rtol=1e-6)
    parallel = quantize(model, PostTraining(weights=config.weights), data, progress=False)
    other = quantiser_of(parallel.model, parallel.places.select("input")[1])
    assert torch.allclose(other.scale, scales_of(model[0](x).detach(), second.scheme)[0], rtol=1e-6)


def test_states_by_key():
    model, data = residual(), images()
    graph = trace(model, data[0])
    places = find_places(graph).with_scheme(Scheme(8), "input")
    attach(graph, places)
    keyed = [x * (1 + i % 2) for i, x in enumerate(data)]
    found = collect(graph, places.select("input"), keyed, MinMax(), key=lambda x: bool(x.abs().max() > 5))
    assert {k for _, k in found} == {True, False}
    assert found["stem.input", True].scales()[0] > found["stem.input", False].scales()[0]


def test_memory_of_calibration_does_not_grow_with_batches():
    class Endless:
        def __init__(self, count):
            self.count = count

        def __iter__(self):
            for i in range(self.count):
                yield torch.randn(4, 1, 8, 8, generator=torch.Generator().manual_seed(i))

    graph = trace(residual(), images()[0])
    places = find_places(graph).with_scheme(Scheme(8), "input")
    attach(graph, places)
    sizes = []
    for count in (2, 40):
        found = collect(graph, places.select("input"), Endless(count), Percentile())
        sizes.append(sum(t.numel() * t.element_size() for o in found.values() for t in o.state.values()))
    assert sizes[0] == sizes[1]


def test_packed_weights_take_their_bits():
    w = torch.randn(64, 48, generator=torch.Generator().manual_seed(0))
    for bits in range(2, 9):
        tensor = QuantizedTensor.of(w, Scheme.parse(f"int{bits}-c0"))
        assert tensor.bytes == 64 * 48 * bits // 8 + 64 * 4
    nested = QuantizedTensor.of(w, Scheme.parse("int4-g16-asym-nested8"))
    groups = 64 * 3
    assert nested.bytes == 64 * 24 + groups + 64 * 4 + groups
    for name in ("int4-g16-asym-nested8", "e3m2-c0", "int12-c0", "uint4-asym", "int4-g7"):
        tensor = QuantizedTensor.of(w, Scheme.parse(name))
        again = QuantizedTensor.from_tensors(tensor.to_tensors(), tensor.scheme, w.shape)
        assert torch.equal(again.codes, tensor.codes)
        assert torch.equal(again.dequantize(), tensor.dequantize())
        assert torch.equal(tensor.dequantize(), rounded(w, tensor.scheme, *scales_of(w, tensor.scheme)))
    x = torch.randn(3, 48)
    assert torch.allclose(tensor.matmul(x), x @ tensor.dequantize().T, atol=1e-5)


def test_report_and_overrides():
    model, data = residual(), images()
    config = PostTraining(overrides=(("*.conv1.weight", Scheme.parse("int4-c0")), ("head.input", None)))
    target = torch.cat([model(x).argmax(1) for x in data])
    quantized = quantize(
        model, config, data, progress=False, evaluate=lambda m: (torch.cat([m(x).argmax(1) for x in data]) == target).float().mean()
    )  # fmt: skip
    report = quantized.report
    rows = {r.layer: r for r in report.layers}
    assert rows["stage1.conv1"].weights == "int4-c0"
    assert rows["head"].inputs == "float"
    assert rows["stage2.down.0"].inputs == "int8-asym"  # shares the place of its sibling
    assert report.float_accuracy == 1
    assert report.accuracy > 0.5
    assert any(line.startswith("norm.layer_norm") for line in report.left_float)
    assert "times less" in str(report)
    packed = deploy(quantized).model
    assert report.bytes == sum(t.numel() * t.element_size() for t in (*packed.parameters(), *packed.buffers()))


def test_comparison_marks_the_front_by_brute_force():
    model, data = residual(), images()
    configs = [
        PostTraining(weights=Scheme.parse(f"int{b}-c0"), weight_range=r, name=f"w{b} {r}")
        for b in (2, 4, 8)
        for r in ("max", "mse")
    ]
    table = compare(model, configs, data, progress=False)
    assert [r.name for r in table.rows] == ["float", *(c.name for c in configs)]
    for row in table.rows:
        worse = [o for o in table.rows if o is not row and o.bytes <= row.bytes and o.score >= row.score]
        assert row.on_front == all((o.bytes, o.score) == (row.bytes, row.score) for o in worse)
    assert "Pareto" in str(table)
    assert table.rows[-1].score > table.rows[1].score
    assert [r.bytes for r in table.front] == sorted(r.bytes for r in table.front)


def test_a_method_of_ones_own():
    four = Scheme(4)

    @dataclass(frozen=True)
    class OnlyHead:
        scheme: Scheme = four

    @method(OnlyHead)
    def only_head(job: Job) -> QuantizedModel:
        graph = trace(job.model, next(iter(job.data)))
        places = find_places(graph).with_scheme(job.config.scheme, "weight", "head.*")
        attach(graph, places)
        calibrate(graph, places, job.data, MinMax())
        return QuantizedModel(graph, places)

    quantized = quantize(residual(), OnlyHead(), images(), progress=False)
    assert [r.weights for r in quantized.report.layers][-1] == "int4"
    assert sum(r.weights == "float" for r in quantized.report.layers) == 6
    assert config_from_json(config_to_json(OnlyHead(Scheme(3)))) == OnlyHead(Scheme(3))
    assert config_digest(OnlyHead()) != config_digest(OnlyHead(Scheme(3)))


def test_a_slower_network_is_said_to_be_slower():
    model = nn.Sequential(nn.Linear(300, 300)).eval()
    with pytest.warns(UserWarning, match="times the time of the float one"):
        quantize(model, PostTraining(), [torch.randn(1, 300)], progress=False)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda m, d: (m.train(), d), "training mode"),
        (lambda m, d: (m, []), "no batch"),
        (lambda m, d: (m, iter(d)), "runs dry"),
        (lambda m, d: (m, 3), "iterable"),
        (lambda m, d: (m, [(x, torch.zeros(6)) for x in d]), "labels must be left out"),
        (lambda m, d: (m, [torch.full_like(d[0], torch.nan)]), "place stem.input: a value is NaN"),
        (lambda m, d: (poisoned(m), d), "stage1.conv1.weight holds NaN"),
        (lambda m, d: (m.to(torch.bfloat16), d), "stem.weight is torch.bfloat16"),
        (lambda m, d: (quantize(m, PostTraining(), d, progress=False).model, d), "quantised already"),
        (lambda m, d: (lambda x: x, d), "torch.nn.Module is needed"),
    ],
    ids=["training", "empty", "iterator", "number", "labels", "nan input", "nan weight", "half", "twice", "function"],
)
def test_bad_input(change, words):
    model, data = change(residual(), images())
    with pytest.raises(InvalidInput, match=words):
        quantize(model, PostTraining(), data, progress=False)


def poisoned(model):
    model.stage1.conv1.weight.data[0, 0, 0, 0] = torch.nan
    return model


def test_bad_configurations():
    for make, words in (
        (lambda: PostTraining(form="x"), "form 'x'"),
        (lambda: config_from_json({"version": 2}), "version 2"),
        (lambda: config_from_json({"version": 1, "config": {"type": "os.system"}}), "'os.system' is unknown"),
        (lambda: config_from_json({"version": 1, "config": {"type": "MinMax", "x": 1}}), "MinMax"),
        (lambda: config_to_json(PostTraining(name=print)), "is not data"),
        (lambda: quantize(residual(), object(), images()), "no method runs it"),
        (lambda: quantize(residual(), PostTraining(overrides=(("x.*", None),)), images()), "fits no place"),
        (lambda: compare(residual(), [], images()), "one at least"),
        (lambda: quantize(residual(), PostTraining(activations=Scheme.parse("int8-g4")), images()), "parts of a batch"),
    ):
        with pytest.raises(InvalidInput, match=words):
            make()


def test_a_weight_that_something_else_reads_stays_there():
    class Direct(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed = nn.Embedding(9, 4)

        def forward(self, tokens):
            return self.embed(tokens) @ self.embed.weight.T

    class Tied(Direct):
        def __init__(self):
            super().__init__()
            self.again = self.embed.weight

        def forward(self, tokens):
            return self.embed(tokens) @ self.again.T

    data = [torch.randint(0, 9, (3, 5))]
    with pytest.raises(InvalidInput, match="reads the weight of a layer itself"):
        quantize(Direct().eval(), PostTraining(form="modules"), data, progress=False)
    for model, form in ((Direct().eval(), "graph"), (Tied().eval(), "graph"), (Tied().eval(), "modules")):
        quantized = quantize(model, PostTraining(form=form), data, progress=False)
        with torch.no_grad():
            assert torch.equal(deploy(quantized)(data[0]), quantized(data[0]))
            assert (quantized(data[0]) - model(data[0])).abs().max() < 0.1


@pytest.mark.parametrize("form", ["graph", "modules"])
def test_batches_may_be_dicts_and_outputs_tuples(form):
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Linear(3, 4), nn.Linear(2, 4)

        def forward(self, x, y):
            return self.a(x) + self.b(y), self.a(x)

    model = Two().eval()
    data = [{"y": torch.randn(n, 2), "x": torch.randn(n, 3)} for n in (5, 1, 7)]
    quantized = quantize(model, PostTraining(form=form), data, progress=False)
    for batch in data:
        want, got, packed = model(**batch), quantized(**batch), deploy(quantized)(**batch)
        assert len(got) == 2
        assert all(torch.allclose(a, b, atol=0.1) for a, b in zip(want, got, strict=True))
        assert all(torch.equal(a, b) for a, b in zip(got, packed, strict=True))
    positional = quantize(model, PostTraining(form=form), [(d["x"], d["y"]) for d in data], progress=False)
    assert torch.equal(positional(data[0]["x"], data[0]["y"])[0], quantized(**data[0])[0])


def test_a_batch_of_one_is_enough():
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(72, 3)).eval()
    quantized = quantize(model, PostTraining(), torch.randn(1, 1, 8, 8), progress=False)
    assert quantized(torch.randn(1, 1, 8, 8)).shape == (1, 3)


def test_a_single_tensor_is_one_batch():
    assert len(list(stream(torch.zeros(3, 2)))) == 1

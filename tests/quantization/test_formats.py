"""Every writer with its reader: what comes back computes the same, nothing float stays beside codes, damaged files are named."""

import json
import struct

import numpy as np
import pytest
import torch
from tests.quantization.networks import attention, images, residual, tokens
from torch import nn

from bitket.errors import InvalidInput
from bitket.quantization import PostTraining, Scheme, quantize
from bitket.quantization.formats import load, load_onnx, save, save_onnx
from bitket.quantization.formats.onnx_qdq import onnx_model
from bitket.quantization.formats.torch_export import load_program, save_program
from bitket.quantization.passes import Smooth
from bitket.quantization.quantized import quantized_weights

pytestmark = pytest.mark.filterwarnings("ignore:the deployed network takes")
parse = Scheme.parse

NETWORKS = {"images": (residual, images), "tokens": (attention, tokens)}
OWN = {
    "w8a8": PostTraining(),
    "groups": PostTraining(weights=parse("int3-g5-asym"), activations=parse("e4m3"), others=parse("int16")),
    "dynamic": PostTraining(weights=parse("e2m1-c0-pow2"), activations=parse("int8-token")),
    "nested": PostTraining(weights=parse("int4-g8-nested8"), activations=None),
    "modules": PostTraining(form="modules", steps=(Smooth(),)),
}


def made(network, config):
    model, data = (f() for f in NETWORKS[network])
    return model, data, quantize(model, config, data, progress=False)


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("name", OWN)
def test_own_files_come_back_bit_for_bit(network, name, tmp_path):
    model, data, quantized = made(network, OWN[name])
    file = tmp_path / "network.safetensors"
    save(quantized, file)
    again = load(file, model if name == "modules" else None)
    with torch.no_grad():
        for x in (data[0], data[1][:1]):
            assert torch.equal(again(x), quantized(x))
    assert (again.config, again.places) == (quantized.config, quantized.places)
    assert again.calibration_digest == quantized.calibration_digest
    length = struct.unpack("<Q", file.read_bytes()[:8])[0]
    assert (
        file.stat().st_size - 8 - length <= quantized.report.bytes + 64
    )  # codes, scales and what stays float: no more
    save(again, tmp_path / "again.safetensors")
    assert load(tmp_path / "again.safetensors", model if name == "modules" else None).places == again.places


def test_damaged_own_files_are_named(tmp_path):
    model, _, quantized = made("images", PostTraining())
    file = tmp_path / "network.safetensors"
    save(quantized, file)
    data = file.read_bytes()
    length = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8 : 8 + length])

    def written(change):
        about = json.loads(header["__metadata__"]["bitket.quantized"])
        change(about)
        new = json.dumps(header | {"__metadata__": {"bitket.quantized": json.dumps(about)}}).encode()
        file.write_bytes(struct.pack("<Q", len(new)) + new + data[8 + length :])
        return file

    def set_target(target):
        def change(about):
            next(n for n in about["graph"] if n["op"] == "call_function")["target"] = target

        return change

    for change, words in (
        (lambda a: a.update(version=9), "version 9"),
        (lambda a: a.update(graph=None), "needs its float model"),
        (lambda a: a.pop("places"), "damaged"),
        (set_target("os.system"), "'os.system' is none of those"),
        (set_target("aten.from_file.default"), "from_file"),
        (set_target("aten.relu_.default"), "relu_"),
        (set_target("python.eval"), "eval"),
        (lambda a: a["graph"][3].update(args=[{"node": "nowhere"}]), "not the JSON form"),
        (lambda a: a["modules"]["stem"].update(operator="exec"), "operator 'exec'"),
        (lambda a: a["modules"]["stem"].update(kind="x"), "module of kind 'x'"),
        (lambda a: a["modules"]["stem.weight_quantiser"].update(shape=[1, 2]), "bytes a row"),
    ):
        with pytest.raises(InvalidInput, match=words) as error:
            load(written(change))
        assert str(error.value).startswith(str(file))
    file.write_bytes(data[: len(data) // 2])
    with pytest.raises(InvalidInput, match="not a stored network"):
        load(file)
    from safetensors.torch import save_file

    save_file({"x": torch.zeros(1)}, file)
    with pytest.raises(InvalidInput, match="not a quantised network"):
        load(file)
    with pytest.raises(InvalidInput, match="no such file"):
        load(tmp_path / "nowhere")
    modules = quantize(model, PostTraining(form="modules"), images(), progress=False)
    save(modules, file)
    with pytest.raises(InvalidInput, match="has other"):
        load(file, attention())


ONNX = {
    "w8a8": (PostTraining(), 19),
    "w4a8": (PostTraining(weights=parse("int4-c0"), others=parse("int8-asym")), 21),
    "w2": (PostTraining(weights=parse("int2-c0")), 25),
    "odd widths": (PostTraining(weights=parse("int3-c0-asym"), activations=parse("uint5-asym")), 21),
    "narrow": (PostTraining(weights=parse("int8-c0-narrow"), activations=parse("int6-narrow")), 19),
    "floats": (PostTraining(weights=parse("e2m1-c0"), activations=parse("e4m3-nan")), 23),
    "wide": (PostTraining(weights=parse("int16-c0"), activations=parse("int12")), 21),
    "groups": (PostTraining(weights=parse("int4-g4@1-asym"), first_last=(parse("int8-c0"), None)), 21),
}


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("name", ONNX)
def test_onnx_files_come_back(network, name, tmp_path):
    pytest.importorskip("onnx")
    from onnx.reference import ReferenceEvaluator

    config, version = ONNX[name]
    _, data, quantized = made(network, config)
    model = onnx_model(quantized)
    assert model.opset_import[0].version == version
    file = tmp_path / "network.onnx"
    save_onnx(quantized, file)
    again = load_onnx(file)
    weights = quantized_weights(quantized)
    names = {t.name for t in model.graph.initializer}
    assert {f"{path}.weight" for path in weights} <= names
    with torch.no_grad():
        for x in (data[0], data[1][:1]):
            want = quantized(x)
            assert torch.equal(again(x), want)
            (theirs,) = ReferenceEvaluator(model).run(None, {again.inputs[0]: x.numpy()})
            # The evaluator sums in another order, so a value next to a tie may come out a step apart.
            steps = np.abs(theirs - want.numpy()) / np.abs(want.numpy()).max()
            assert np.median(steps) < 1e-6
            assert steps.max() < 0.02
    shapes = {tuple(w.codes.shape) for w in weights.values()}
    assert not [
        t.name for t in model.graph.initializer if t.data_type == 1 and tuple(t.dims) in shapes
    ]  # no float copy


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("name", ["w8a8", "w4a8", "odd widths", "wide"])
@pytest.mark.parametrize("level", ["ORT_DISABLE_ALL", "ORT_ENABLE_ALL"])
def test_onnx_runtime_agrees(network, name, level):
    runtime = pytest.importorskip("onnxruntime")
    if level == "ORT_ENABLE_ALL" and name in ("w4a8", "odd widths"):
        pytest.skip("its optimiser moves values of graphs with 4-bit convolutions by a step; unoptimised they agree")
    _, data, quantized = made(network, ONNX[name][0])
    options = runtime.SessionOptions()
    options.graph_optimization_level = getattr(runtime.GraphOptimizationLevel, level)
    session = runtime.InferenceSession(
        onnx_model(quantized).SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    with torch.no_grad():
        for x in data:
            want = quantized(x).numpy()
            (got,) = session.run(None, {session.get_inputs()[0].name: x.numpy()})
            # Sums in another order: a value next to a tie may come out a step apart.
            assert np.abs(got - want).max() < 0.05 * np.abs(want).max()
            assert np.median(np.abs(got - want)) < 1e-5 * np.abs(want).max()


def test_files_of_another_tool_are_read(tmp_path):
    pytest.importorskip("onnxruntime")
    import onnx
    import onnxruntime
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    helper, generator = onnx.helper, np.random.default_rng(0)

    def constant(name, *shape):
        return onnx.numpy_helper.from_array(generator.normal(size=shape).astype(np.float32) * 0.3, name)

    nodes = [
        helper.make_node("Conv", ["x", "w1", "b1"], ["a"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["a"], ["r"]),
        helper.make_node("MaxPool", ["r"], ["p"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Flatten", ["p"], ["f"]),
        helper.make_node("Gemm", ["f", "w2", "b2"], ["y"], transB=1),
    ]
    graph = helper.make_graph(
        nodes, "g", [helper.make_tensor_value_info("x", 1, ["n", 1, 8, 8])], [helper.make_tensor_value_info("y", 1, ["n", 3])],
        [constant("w1", 4, 1, 3, 3), constant("b1", 4), constant("w2", 3, 64), constant("b2", 3)],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    plain, file = tmp_path / "float.onnx", tmp_path / "int8.onnx"
    onnx.save(model, plain)
    data = [x.numpy() for x in images()]

    class Reader(CalibrationDataReader):
        def __init__(self):
            self.left = iter(data)

        def get_next(self):
            x = next(self.left, None)
            return None if x is None else {"x": x}

    quantize_static(plain, file, Reader(), quant_format=QuantFormat.QDQ, per_channel=True, weight_type=QuantType.QInt8)
    network = load_onnx(file)
    assert sorted(w.scheme.name for w in network.weights.values()) == ["int8-c0", "int8-c0"]
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    for x in data:
        (want,) = session.run(None, {"x": x})
        got = network(torch.from_numpy(x)).numpy()
        assert np.median(np.abs(got - want)) < 1e-5
        assert np.abs(got - want).max() < 0.05 * np.abs(want).max()


def test_what_onnx_cannot_hold_is_named(tmp_path):
    pytest.importorskip("onnx")
    cases = [
        (PostTraining(weights=parse("e3m2-c0")), "weight of stem has scheme e3m2-c0"),
        (PostTraining(activations=parse("int8-token")), "stem.input takes its scales at run time"),
        (PostTraining(weights=parse("int4-g5@1"), first_last=(parse("int8-c0"), None)), "groups of 5 do not divide"),
        (PostTraining(form="modules"), "a graph is needed"),
        (PostTraining(weights=Scheme(20)), "at most 16 bits"),
    ]
    for config, words in cases:
        with pytest.raises(InvalidInput, match=words):
            onnx_model(made("images", config)[2])

    class Odd(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(3, 3)

        def forward(self, x):
            return torch.special.bessel_j0(self.fc(x))

    quantized = quantize(Odd().eval(), PostTraining(), [torch.randn(4, 3)], progress=False)
    with pytest.raises(InvalidInput, match="operator 'special_bessel_j0' at special_bessel_j0 has no translation"):
        onnx_model(quantized)
    file = tmp_path / "x.onnx"
    file.write_bytes(b"garbage")
    with pytest.raises(InvalidInput, match="not an ONNX model"):
        load_onnx(file)
    import onnx

    def stored(operator, version):
        node = onnx.helper.make_node(operator, ["x"], ["y"])
        ends = [onnx.helper.make_tensor_value_info(n, 1, [1]) for n in "xy"]
        graph = onnx.helper.make_graph([node], "g", ends[:1], ends[1:])
        onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", version)]), file)

    stored("Relu", 11)
    with pytest.raises(InvalidInput, match="version 11; 13 or later"):
        load_onnx(file)
    stored("Tan", 19)
    with pytest.raises(InvalidInput, match="operator Tan"):
        load_onnx(file)


class Zoo(nn.Module):
    """One of each operator that has a translation and does not stand in the other networks."""

    def __init__(self):
        super().__init__()
        self.a = nn.Conv2d(1, 8, 3, padding="same")
        self.n = nn.BatchNorm2d(8)
        self.b = nn.ConvTranspose2d(8, 4, 2, 2)
        self.c = nn.Conv1d(4, 4, 3, padding=1, padding_mode="zeros")
        self.d = nn.Linear(4, 8)

    def forward(self, x):
        x = self.n(torch.sigmoid(self.a(x)) * 2 - 1) + 0.5  # a norm that cannot be folded
        x = nn.functional.pixel_shuffle(x, 2) / 3
        x = nn.functional.pad(x, (1, 1, 2, 2))[:, :, 1:-1]
        x = nn.functional.max_pool2d(nn.functional.silu(x), 3, 2, 1)
        x = nn.functional.avg_pool2d(nn.functional.gelu(torch.cat([x, x.neg()], 1)), 2)
        x = torch.cat([x, x.abs().sqrt()], 1)
        x = self.b(nn.functional.hardswish(x)).clamp(-1, 2)
        x = self.c(nn.functional.leaky_relu(x.mean(3)))
        x = x.unsqueeze(1).squeeze(1).permute(0, 2, 1).reshape(len(x), 2, -1)
        x = nn.functional.scaled_dot_product_attention(x, x, x)
        x = self.d(x.select(1, 0)[:, :4].tanh().exp())
        return nn.functional.hardtanh(x), nn.functional.relu6(x).softmax(1)


def test_every_translation_agrees_with_the_reference(tmp_path):
    pytest.importorskip("onnx")
    from onnx.reference import ReferenceEvaluator

    torch.manual_seed(0)
    data = images(2, 4)
    quantized = quantize(Zoo().eval(), PostTraining(), data, progress=False)
    file = tmp_path / "zoo.onnx"
    save_onnx(quantized, file)
    again = load_onnx(file)
    with torch.no_grad():
        for x in (data[0], data[1][:1]):
            want = quantized(x)
            theirs = ReferenceEvaluator(onnx_model(quantized)).run(None, {"x": x.numpy()})
            for a, b, c in zip(want, again(x), theirs, strict=True):
                assert torch.allclose(a, b, atol=1e-5)
                assert np.allclose(a.numpy(), c, atol=2e-2)
                assert np.median(np.abs(a.numpy() - c)) < 1e-5


@pytest.mark.parametrize("network", NETWORKS)
def test_exported_programs_come_back(network, tmp_path):
    _, data, quantized = made(network, PostTraining(weights=parse("int4-c0"), activations=parse("uint8-asym")))
    file = tmp_path / "network.pt2"
    save_program(quantized, file, data[0])
    again = load_program(file)
    code = str(again.graph)
    assert "quantized_decomposed.quantize_per_tensor" in code
    assert "quantized_decomposed.dequantize_per_channel" in code
    for x in (data[0], data[1][:1]):
        want = quantized(x)
        apart = (again(x) - want).abs() / want.abs().max()
        assert apart.median() < 1e-6
        assert apart.max() < 0.02
    kinds = {t.dtype for n, t in again.state_dict().items() if n.endswith("codes")}
    assert kinds == {torch.int8}
    file.write_bytes(b"garbage")
    with pytest.raises(InvalidInput, match="not a program"):
        load_program(file)
    with pytest.raises(InvalidInput, match=r"weight of .* has scheme e2m1-c0"):
        save_program(made(network, PostTraining(weights=parse("e2m1-c0")))[2], file, data[0])

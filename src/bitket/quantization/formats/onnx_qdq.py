"""ONNX with QuantizeLinear and DequantizeLinear: the form that ONNX Runtime and most tools optimise.

Weights are stored as codes in the narrowest type that ONNX has, 2, 4, 8 or 16 bits, OCP's floats of 8 and 4 bits, and no float copy stays.
Activations pass QuantizeLinear and DequantizeLinear; a grid that is narrower than its type is clipped before. The version of ONNX's operators
follows from the types: 19, then 21 (4 and 16 bits, groups), 23 (4-bit floats), 25 (2 bits).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.fx import GraphModule, Node

from bitket.errors import InvalidInput, MissingExtra
from bitket.quantization.fake import FakeQuantize
from bitket.quantization.formats.onnx_operators import translate
from bitket.quantization.graph import Layer
from bitket.quantization.grids import Channel, Group, Scheme, Tensor, pack
from bitket.quantization.quantized import QuantizedModel, deploy
from bitket.quantization.tensors import PackedWeight, QuantizedTensor
from bitket.runs.files import write_bytes

__all__ = ["onnx_model", "onnx_type", "require_onnx", "save_onnx"]

_FLOATS = {
    Scheme.parse("e4m3-nan"): ("FLOAT8E4M3FN", 19),
    Scheme.parse("e5m2-ieee"): ("FLOAT8E5M2", 19),
    Scheme.parse("e2m1"): ("FLOAT4E2M1", 23),
}


def require_onnx() -> Any:
    """The onnx package.

    Raises
    ------
    MissingExtra
        It is not installed.
    """
    try:
        import onnx
    except ImportError:
        raise MissingExtra("ONNX files need the onnx package: pip install 'bitket[quantization]'") from None
    return onnx


def onnx_type(scheme: Scheme, where: str, *, least: int = 2) -> tuple[str, int, int]:
    """ONNX's name of the type that holds a scheme's codes, its bits, and the first version of operators with it.

    Raises
    ------
    InvalidInput
        There is none.
    """
    if scheme.kind == "float":
        plain = Scheme(
            scheme.bits, "float", scheme.signed, exponent_bits=scheme.exponent_bits, mantissa_bits=scheme.mantissa_bits,
            bias=scheme.bias, reserved=scheme.reserved,
        )  # fmt: skip
        if plain not in _FLOATS:
            raise InvalidInput(
                f"ONNX: {where} has scheme {scheme}; of floats e4m3-nan, e5m2-ieee and e2m1 have a type there"
            )
        name, version = _FLOATS[plain]
        return name, scheme.bits, version
    width = next((b for b in (2, 4, 8, 16) if b >= max(scheme.bits, least)), None)
    if width is None:
        raise InvalidInput(f"ONNX: {where} has scheme {scheme}; whole numbers of at most 16 bits have a type there")
    version = {2: 25, 4: 21, 8: 19, 16: 21}[width]
    return f"{'' if scheme.signed else 'U'}INT{width}", width, version


class _Graph:
    def __init__(self, onnx: Any, model: GraphModule) -> None:
        self.onnx, self.model = onnx, model
        self.nodes: list[Any] = []
        self.initializers: dict[str, Any] = {}
        self.values: dict[Node, str] = {}
        self.version = 19
        self.count = 0

    def name(self, node: Any) -> str:
        return self.values[node]

    def add(self, operator: str, inputs: list[str], **attributes: Any) -> str:
        self.count += 1
        out = f"{operator.lower()}_{self.count}"
        self.nodes.append(
            self.onnx.helper.make_node(operator, inputs, [out], name=f"n{self.count}_{operator}", **attributes)
        )
        return out

    def constant(self, value: Any) -> str:
        array = np.asarray(value)
        key = (
            f"c_{array.dtype}_{'x'.join(map(str, array.shape))}_{array.tobytes().hex()}"
            if array.size < 8
            else f"c{len(self.initializers)}"
        )
        return self.tensor(key, array)

    def tensor(self, name: str, array: np.ndarray) -> str:
        if name not in self.initializers:
            self.initializers[name] = self.onnx.numpy_helper.from_array(
                np.ascontiguousarray(array).reshape(array.shape), name
            )
        return name

    def codes(self, name: str, codes: torch.Tensor, kind: str, width: int) -> str:
        if width == 16:
            data = codes.numpy().astype("<u2" if kind.startswith("U") else "<i2").tobytes()
        else:
            data = pack(codes.flatten(), width).numpy().tobytes()
        number = getattr(self.onnx.TensorProto, kind)
        self.initializers[name] = self.onnx.helper.make_tensor(name, number, list(codes.shape), data, raw=True)
        return name

    def grid(
        self, scheme: Scheme, scale: torch.Tensor, zero: torch.Tensor | None, kind: str, width: int, name: str
    ) -> tuple[list[str], dict[str, int]]:
        """Scale and zero point as inputs, and the attributes that place them."""
        attributes: dict[str, int] = {}
        match scheme.granularity:
            case Tensor():
                pass
            case Channel(axis):
                attributes = {"axis": axis}
            case Group(size, axis):
                self.version = max(self.version, 21)
                attributes = {"axis": axis, "block_size": size}
            case _:
                raise InvalidInput(f"ONNX: {name} has scheme {scheme}; scales by tensor, channel or group are written")
        inputs = [self.tensor(f"{name}.scale", scale.detach().numpy().astype(np.float32))]
        codes = torch.zeros(scale.shape, dtype=torch.int32) if zero is None else zero.to(torch.int32)
        small = torch.uint8 if kind.startswith(("U", "F")) else torch.int8
        inputs.append(self.codes(f"{name}.zero", codes if width == 16 else codes.to(small), kind, width))
        return inputs, attributes

    def weight(self, path: str, tensor: QuantizedTensor) -> str:
        kind, width, version = onnx_type(tensor.scheme, f"weight of {path}")
        self.version = max(self.version, version)
        inputs, attributes = self.grid(tensor.scheme, tensor.scale, tensor.zero, kind, width, f"{path}.weight")
        _check_groups(tensor.scheme, tuple(tensor.codes.shape), path)
        return self.add(
            "DequantizeLinear", [self.codes(f"{path}.weight", tensor.codes, kind, width), *inputs], **attributes
        )

    def activation(self, x: str, node: Node, quantiser: FakeQuantize) -> str:
        place, scheme = str(node.meta["path"]), quantiser.scheme
        if not quantiser.enabled:
            return x
        if quantiser.dynamic:
            raise InvalidInput(f"ONNX: {place} takes its scales at run time; fixed scales are written")
        kind, width, version = onnx_type(scheme, place, least=8)
        self.version = max(self.version, version)
        scale, zero = quantiser.applied()
        inputs, attributes = self.grid(scheme, scale, zero, kind, width, place)
        if scheme.kind == "int" and (scheme.bits < width or scheme.narrow):
            x = self._clipped(x, node, scheme, scale, zero)
        return self.add(
            "DequantizeLinear", [self.add("QuantizeLinear", [x, *inputs], **attributes), *inputs], **attributes
        )

    def _clipped(self, x: str, node: Node, scheme: Scheme, scale: torch.Tensor, zero: torch.Tensor | None) -> str:
        rank = len(node.meta["shape"])
        shape = [1] * rank
        if isinstance(scheme.granularity, Channel):
            shape[scheme.granularity.axis] = -1
        shift = 0 if zero is None else zero
        low, high = ((scale * (end - shift)).numpy().astype(np.float32) for end in (scheme.lowest, scheme.highest))
        if isinstance(scheme.granularity, Tensor):
            return self.add("Clip", [x, self.constant(low.reshape(())), self.constant(high.reshape(()))])
        x = self.add("Max", [x, self.constant(low.reshape(shape))])
        return self.add("Min", [x, self.constant(high.reshape(shape))])

    def layer(self, node: Node, path: str, layer: Layer) -> str:
        x = self.name(node.args[0])
        if isinstance(layer.weight_quantiser, PackedWeight):
            weight = self.weight(path, layer.weight_quantiser.tensor)
        else:
            weight = self.tensor(f"{path}.weight", layer.current_weight().detach().numpy())
        bias = [] if layer.bias is None else [self.tensor(f"{path}.bias", layer.bias.detach().numpy())]
        if layer.operator == "embedding":
            return self.add("Gather", [weight, x], axis=0)
        if layer.operator == "linear":
            if len(node.args[0].meta["shape"]) == 2:  # type: ignore[union-attr]
                return self.add("Gemm", [x, weight, *bias], transB=1)
            product = self.add("MatMul", [x, self.add("Transpose", [weight], perm=[1, 0])])
            return self.add("Add", [product, *bias]) if bias else product
        return self.convolution(layer, x, weight, bias)

    def convolution(self, layer: Layer, x: str, weight: str, bias: list[str]) -> str:
        n = int(layer.operator[-2])

        def each(name: str, default: int) -> list[int]:
            value = layer.options.get(name, default)
            values = [value] if isinstance(value, int) else list(value)
            return values * n if len(values) == 1 else values

        attributes: dict[str, Any] = {
            "strides": each("stride", 1),
            "dilations": each("dilation", 1),
            "group": layer.groups,
        }
        padding = layer.options.get("padding", 0)
        if padding == "same":
            attributes["auto_pad"] = "SAME_UPPER"
        elif padding != "valid":
            attributes["pads"] = each("padding", 0) * 2
        if layer.operator.startswith("conv_transpose"):
            attributes["output_padding"] = each("output_padding", 0)
            return self.add("ConvTranspose", [x, weight, *bias], **attributes)
        return self.add("Conv", [x, weight, *bias], **attributes)


def _check_groups(scheme: Scheme, shape: tuple[int, ...], path: str) -> None:
    if isinstance(scheme.granularity, Group) and shape[scheme.granularity.axis] % scheme.granularity.size:
        raise InvalidInput(
            f"ONNX: weight of {path}: groups of {scheme.granularity.size} do not divide an axis of {shape[scheme.granularity.axis]}"
        )


def onnx_model(quantized: QuantizedModel) -> Any:
    """A quantised network as an ONNX model.

    Raises
    ------
    InvalidInput
        It has no graph, or an operator or scheme that ONNX does not have; the message names the place.
    MissingExtra
        The onnx package is not installed.
    """
    onnx = require_onnx()
    model = deploy(quantized).model
    if not isinstance(model, GraphModule):
        raise InvalidInput("ONNX: the network was quantised by exchange of modules; a graph is needed (form='graph')")
    graph = _Graph(onnx, model)
    inputs, outputs = [], []
    for node in model.graph.nodes:
        match node.op:
            case "placeholder":
                graph.values[node] = node.name
                inputs.append(_described(onnx, node, node.name))
            case "get_attr":
                value: Any = model
                for part in str(node.target).split("."):
                    value = getattr(value, part)
                graph.values[node] = graph.tensor(str(node.target), value.detach().numpy())
            case "call_module":
                module = model.get_submodule(str(node.target))
                if isinstance(module, FakeQuantize):
                    graph.values[node] = graph.activation(graph.name(node.args[0]), node, module)
                else:
                    assert isinstance(module, Layer)
                    graph.values[node] = graph.layer(node, str(node.target), module)
            case "call_function":
                graph.values[node] = translate(graph, node)
            case "output":
                results = node.args[0] if isinstance(node.args[0], tuple | list) else (node.args[0],)
                for i, result in enumerate(results):
                    name = f"output{i}" if len(results) > 1 else "output"
                    graph.nodes.append(onnx.helper.make_node("Identity", [graph.name(result)], [name]))
                    outputs.append(_described(onnx, result, name))
    body = onnx.helper.make_graph(graph.nodes, "bitket", inputs, outputs, list(graph.initializers.values()))
    opset = [onnx.helper.make_opsetid("", graph.version)]
    made = onnx.helper.make_model(
        body, opset_imports=opset, ir_version=onnx.helper.find_min_ir_version_for(opset), producer_name="bitket"
    )
    onnx.checker.check_model(made, full_check=graph.version <= 21)
    return made


def _described(onnx: Any, node: Node, name: str) -> Any:
    kinds: dict[Any, str] = {torch.int64: "INT64", torch.int32: "INT32", torch.bool: "BOOL"}
    kind = kinds.get(node.meta.get("dtype"), "FLOAT")
    shape = [
        "batch" if n == -1 and i == 0 else (None if n == -1 else n) for i, n in enumerate(node.meta.get("shape") or ())
    ]
    return onnx.helper.make_tensor_value_info(name, getattr(onnx.TensorProto, kind), shape)


def save_onnx(quantized: QuantizedModel, path: str | Path) -> None:
    """Write `onnx_model` to a file, whole; raises as it does."""
    write_bytes(Path(path), onnx_model(quantized).SerializeToString())

"""ONNX files with QuantizeLinear and DequantizeLinear as torch modules: weights stay packed codes, operators run in torch.

Reads what `save_onnx` writes and files of other tools in the same words. Quantised weights are `PackedWeight`s under their names in the file;
``network.weights`` gives them as quantised tensors.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bitket.errors import InvalidInput
from bitket.files import read_bytes
from bitket.quantization.formats.onnx_qdq import require_onnx
from bitket.quantization.grids import Channel, Granularity, Group, Scheme, Tensor, dequantize, rounded, unpack
from bitket.quantization.tensors import PackedWeight, QuantizedTensor

__all__ = ["OnnxNetwork", "load_onnx"]

F = torch.nn.functional
_LEAST_VERSION = 13
_INTEGERS = {"INT2": 2, "INT4": 4, "INT8": 8, "INT16": 16}
_FLOATS = {"FLOAT8E4M3FN": "e4m3-nan", "FLOAT8E5M2": "e5m2-ieee", "FLOAT4E2M1": "e2m1"}


def _grid(kind: str) -> Scheme | None:
    """The plain scheme of an ONNX type of codes."""
    if kind in _FLOATS:
        return Scheme.parse(_FLOATS[kind])
    bits = _INTEGERS.get(kind.removeprefix("U"))
    return None if bits is None else Scheme(bits, signed=not kind.startswith("U"))


class OnnxNetwork(torch.nn.Module):
    """An ONNX graph that runs in torch; inputs are positional, in the file's order.

    Attributes
    ----------
    weights
        Quantised tensors of the file by name.
    """

    def __init__(
        self, nodes: list[dict[str, Any]], inputs: list[str], outputs: list[str], tensors: dict[str, Any]
    ) -> None:
        super().__init__()
        self.nodes, self.inputs, self.outputs = nodes, inputs, outputs
        self.quantised = torch.nn.ModuleDict()
        self.names: dict[str, str] = {}
        for name, value in tensors.items():
            key = f"t{len(self.names)}"
            self.names[name] = key
            if isinstance(value, QuantizedTensor):
                self.quantised[key] = PackedWeight(value)
            else:
                self.register_buffer(key, value)

    @property
    def weights(self) -> dict[str, QuantizedTensor]:
        """Quantised tensors by their names in the file."""
        packed = {k: m for k, m in self.quantised.items() if isinstance(m, PackedWeight)}
        return {name: packed[key].tensor for name, key in self.names.items() if key in packed}

    def _value(self, name: str, values: dict[str, Any]) -> Any:
        if not name:
            return None
        if name in values:
            return values[name]
        key = self.names[name]
        return self.quantised[key]() if key in self.quantised else getattr(self, key)

    def forward(self, *inputs: torch.Tensor) -> Any:
        """The outputs: a tensor, or a tuple of several."""
        values: dict[str, Any] = dict(zip(self.inputs, inputs, strict=True))
        for node in self.nodes:
            arguments = [self._value(name, values) for name in node["inputs"]]
            values[node["outputs"][0]] = _OPERATORS[node["operator"]](arguments, node["attributes"])
        found = tuple(self._value(name, values) for name in self.outputs)
        return found[0] if len(found) == 1 else found


def load_onnx(path: str | Path) -> OnnxNetwork:
    """Read an ONNX file.

    Raises
    ------
    InvalidInput
        It is none, of operators older than version 13, or has an operator that is not read; the message names it.
    MissingExtra
        The onnx package is not installed.
    """
    onnx = require_onnx()
    data = read_bytes(path, most=1 << 31)
    try:
        model = onnx.load_model_from_string(data)
        onnx.checker.check_model(model)
    except Exception as error:
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise InvalidInput(f"{path}: not an ONNX model ({reason[0][:120]})") from None
    version = max((o.version for o in model.opset_import if o.domain in ("", "ai.onnx")), default=0)
    if version < _LEAST_VERSION:
        raise InvalidInput(f"{path}: operators of version {version}; {_LEAST_VERSION} or later are read")
    tensors = {t.name: t for t in model.graph.initializer}
    nodes: list[dict[str, Any]] = []
    stored: dict[str, Any] = {}
    for node in model.graph.node:
        attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        if node.op_type == "Constant" and "value" in attributes:
            stored[node.output[0]] = torch.from_numpy(np.array(onnx.numpy_helper.to_array(attributes["value"])))
            continue
        if node.op_type not in _OPERATORS or node.domain not in ("", "ai.onnx"):
            raise InvalidInput(
                f"{path}: operator {node.op_type} of '{node.name}' is not read; {', '.join(sorted(_OPERATORS))} are"
            )
        if len(node.output) > 1 and any(node.output[1:]):
            raise InvalidInput(f"{path}: operator {node.op_type} of '{node.name}' has several outputs; one is read")
        inputs = list(node.input)
        if node.op_type == "DequantizeLinear" and inputs[0] in tensors:
            stored[node.output[0]] = _weight(onnx, path, [tensors.get(n) for n in inputs], attributes)
            continue
        if node.op_type in ("QuantizeLinear", "DequantizeLinear"):
            attributes["scheme"] = _activation_scheme(onnx, path, node, inputs, tensors, attributes)
        nodes.append(
            {"operator": node.op_type, "inputs": inputs, "outputs": list(node.output), "attributes": attributes}
        )
    used = {name for node in nodes for name in node["inputs"]} | {o.name for o in model.graph.output}
    for name, tensor in tensors.items():
        if name in used and name not in stored:
            kind = onnx.TensorProto.DataType.Name(tensor.data_type)
            codes = _codes(onnx, tensor) if _grid(kind) is not None else None
            stored[name] = (
                codes if codes is not None else torch.from_numpy(np.array(onnx.numpy_helper.to_array(tensor)))
            )
    network = OnnxNetwork(
        nodes,
        [i.name for i in model.graph.input if i.name not in tensors],
        [o.name for o in model.graph.output],
        {name: value for name, value in stored.items() if name in used},
    )
    return network.eval()


def _codes(onnx: Any, tensor: Any) -> torch.Tensor:
    """The codes of a tensor, int8, uint8, int16 or, without sign and 16 bits, int32."""
    kind = onnx.TensorProto.DataType.Name(tensor.data_type)
    scheme = _grid(kind)
    assert scheme is not None
    shape = list(tensor.dims)
    count = int(np.prod(shape, dtype=np.int64))
    signed = scheme.kind == "int" and scheme.signed
    if tensor.raw_data and scheme.bits <= 8:
        data = torch.frombuffer(bytearray(tensor.raw_data), dtype=torch.uint8)
        return unpack(data, scheme.bits, count, signed=signed).reshape(shape)
    array = np.array(onnx.numpy_helper.to_array(tensor))
    if scheme.kind == "float":
        return torch.from_numpy(array.view(np.uint8).reshape(shape))
    wide = torch.from_numpy(array.astype(np.int32)).reshape(shape)
    return (
        wide.to(torch.int8 if signed else torch.uint8)
        if scheme.bits <= 8
        else wide.to(torch.int16 if signed else torch.int32)
    )


def _scheme(kind: str, granularity: Granularity, zero: torch.Tensor | None, path: Any, name: str) -> Scheme:
    plain = _grid(kind)
    if plain is None:
        raise InvalidInput(f"{path}: '{name}' holds {kind}; {', '.join([*_INTEGERS, *_FLOATS])} are read as codes")
    asymmetric = plain.kind == "int" and zero is not None and bool((zero != 0).any())
    fields = {
        "exponent_bits": plain.exponent_bits,
        "mantissa_bits": plain.mantissa_bits,
        "bias": plain.bias,
        "reserved": plain.reserved,
    }
    return Scheme(plain.bits, plain.kind, plain.signed, not asymmetric, granularity=granularity, **fields)  # type: ignore[arg-type]


def _granularity(scale: torch.Tensor, attributes: dict[str, Any]) -> Granularity:
    if attributes.get("block_size"):
        return Group(int(attributes["block_size"]), int(attributes.get("axis", 1)))
    return Channel(int(attributes.get("axis", 1))) if scale.ndim == 1 and scale.numel() > 1 else Tensor()


def _weight(onnx: Any, path: Any, parts: list[Any], attributes: dict[str, Any]) -> Any:
    codes, scale = parts[0], parts[1]
    if scale is None:
        raise InvalidInput(f"{path}: the scale of '{codes.name}' is computed; a stored one is read")
    kind = onnx.TensorProto.DataType.Name(codes.data_type)
    scales = torch.from_numpy(np.array(onnx.numpy_helper.to_array(scale), dtype=np.float32))
    zero = _codes(onnx, parts[2]) if kind != "INT32" and len(parts) > 2 and parts[2] is not None else None
    granularity = _granularity(scales, attributes)
    if isinstance(granularity, Tensor):
        scales = scales.reshape(())
        zero = None if zero is None else zero.reshape(())
    if kind == "INT32":  # a bias: whole numbers of its own scale, without a grid that would be searched
        whole = torch.from_numpy(np.array(onnx.numpy_helper.to_array(codes)))
        return (whole.to(torch.float64) * granularity.expand(scales, whole.shape)).to(torch.float32)
    scheme = _scheme(kind, granularity, zero, path, codes.name)
    values = _codes(onnx, codes)
    return QuantizedTensor(values, scheme, scales, None if scheme.symmetric or zero is None else zero.to(torch.int32))


def _activation_scheme(
    onnx: Any, path: Any, node: Any, inputs: list[str], tensors: dict[str, Any], attributes: dict[str, Any]
) -> Scheme:
    scale = tensors.get(inputs[1])
    zero = tensors.get(inputs[2]) if len(inputs) > 2 else None
    if scale is None:
        raise InvalidInput(f"{path}: the scale of {node.op_type} '{node.name}' is computed; a stored one is read")
    kind = "UINT8" if zero is None else onnx.TensorProto.DataType.Name(zero.data_type)
    scales = torch.from_numpy(np.array(onnx.numpy_helper.to_array(scale)))
    granularity = _granularity(scales, attributes)
    if isinstance(granularity, Group):
        raise InvalidInput(f"{path}: {node.op_type} '{node.name}' has groups; they are read for weights")
    return _scheme(kind, granularity, None if zero is None else _codes(onnx, zero), path, node.name)


def _quantize(a: list[Any], attributes: dict[str, Any]) -> torch.Tensor:
    """Codes as they would be, kept as values on the grid: DequantizeLinear then has nothing left to do."""
    scheme: Scheme = attributes["scheme"]
    scale, zero = _shaped(a, scheme)
    return rounded(a[0], scheme, scale, zero)


def _dequantize(a: list[Any], attributes: dict[str, Any]) -> torch.Tensor:
    scheme: Scheme = attributes["scheme"]
    if a[0].is_floating_point():
        return a[0]
    return dequantize(a[0], scheme, *_shaped(a, scheme))


def _shaped(a: list[Any], scheme: Scheme) -> tuple[torch.Tensor, torch.Tensor | None]:
    scale = a[1].reshape(()) if isinstance(scheme.granularity, Tensor) else a[1]
    return scale, None if scheme.symmetric else a[2].reshape(scale.shape).to(torch.int32)


def _conv(a: list[Any], t: dict[str, Any]) -> torch.Tensor:
    x, w = a[:2]
    bias = a[2] if len(a) > 2 else None
    n = w.ndim - 2
    stride, dilation = t.get("strides", [1] * n), t.get("dilations", [1] * n)
    pads = list(t.get("pads", [0] * 2 * n))
    if t.get("auto_pad", b"NOTSET") == b"SAME_UPPER":
        sizes = zip(x.shape[2:], w.shape[2:], stride, dilation, strict=True)
        total = [max(0, (-(-size // s) - 1) * s + (k - 1) * d + 1 - size) for size, k, s, d in sizes]
        pads = [p // 2 for p in total] + [p - p // 2 for p in total]
    if pads[:n] != pads[n:]:
        x, pads = F.pad(x, _sides(pads)), [0] * 2 * n
    run = (F.conv1d, F.conv2d, F.conv3d)[n - 1]
    return run(x, w, bias, stride, pads[:n], dilation, t.get("group", 1))


def _conv_transpose(a: list[Any], t: dict[str, Any]) -> torch.Tensor:
    n = a[1].ndim - 2
    run = (F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d)[n - 1]
    one = [1] * n
    pads = list(t.get("pads", [0] * 2 * n))
    return run(
        a[0], a[1], a[2] if len(a) > 2 else None, t.get("strides", one), pads[:n], t.get("output_padding", [0] * n), t.get("group", 1),
        t.get("dilations", one),
    )  # fmt: skip


def _sides(pads: list[int]) -> list[int]:
    n = len(pads) // 2
    return [p for i in reversed(range(n)) for p in (pads[i], pads[n + i])]


def _pool(a: list[Any], t: dict[str, Any], largest: bool) -> torch.Tensor:
    n, x = a[0].ndim - 2, a[0]
    kernel, pads = t["kernel_shape"], list(t.get("pads", [0] * 2 * n))
    stride, ceil = t.get("strides", [1] * n), bool(t.get("ceil_mode", 0))
    if pads[:n] != pads[n:]:
        raise InvalidInput("ONNX: pooling with unequal padding of two sides is not run")
    if largest:
        run = (F.max_pool1d, F.max_pool2d, F.max_pool3d)[n - 1]
        return run(x, kernel, stride, pads[:n], t.get("dilations", [1] * n), ceil)
    mean: Any = (F.avg_pool1d, F.avg_pool2d, F.avg_pool3d)[n - 1]
    pooled: torch.Tensor = mean(x, kernel, stride, pads[:n], ceil, bool(t.get("count_include_pad", 0)))
    return pooled


def _gemm(a: list[Any], t: dict[str, Any]) -> torch.Tensor:
    x, w = a[0].T if t.get("transA") else a[0], a[1] if t.get("transB") else a[1].T
    if t.get("alpha", 1.0) != 1 or t.get("beta", 1.0) != 1:
        y = t.get("alpha", 1.0) * (x @ w.T)
        return y if len(a) < 3 else y + t.get("beta", 1.0) * a[2]
    return F.linear(x, w, a[2] if len(a) > 2 else None)


def _norm(a: list[Any], t: dict[str, Any]) -> torch.Tensor:
    axis = t.get("axis", -1) % a[0].ndim
    return F.layer_norm(a[0], a[0].shape[axis:], a[1], a[2] if len(a) > 2 else None, t.get("epsilon", 1e-5))


def _slice(a: list[Any], t: dict[str, Any]) -> torch.Tensor:
    x = a[0]
    axes = a[3].tolist() if len(a) > 3 else range(len(a[1]))
    steps = a[4].tolist() if len(a) > 4 else [1] * len(a[1])
    for start, end, axis, step in zip(a[1].tolist(), a[2].tolist(), axes, steps, strict=True):
        index = torch.arange(x.shape[axis])[slice(start, end, step)]
        x = x.index_select(axis, index)
    return x


def _gather(a: list[Any], t: dict[str, Any]) -> torch.Tensor:
    axis = t.get("axis", 0) % a[0].ndim
    index = a[1].to(torch.int64)
    shape = a[0].shape[:axis] + index.shape + a[0].shape[axis + 1 :]
    return torch.index_select(a[0], axis, index.flatten() % a[0].shape[axis]).reshape(shape)


def _reshape(a: list[Any], t: dict[str, Any]) -> torch.Tensor:
    sizes = [a[0].shape[i] if n == 0 else n for i, n in enumerate(a[1].tolist())]
    return a[0].reshape(sizes)


def _squeeze(a: list[Any], t: dict[str, Any]) -> torch.Tensor:
    return a[0].squeeze(tuple(a[1].tolist()))


def _unsqueeze(a: list[Any], t: dict[str, Any]) -> torch.Tensor:
    x = a[0]
    rank = x.ndim + len(a[1])
    for axis in sorted(d % rank for d in a[1].tolist()):
        x = x.unsqueeze(axis)
    return x


def _clip(a: list[Any], t: dict[str, Any]) -> torch.Tensor:
    low, high = (a[i] if len(a) > i else None for i in (1, 2))
    return torch.clamp(a[0], low, high)


def _mean(a: list[Any], t: dict[str, Any]) -> torch.Tensor:
    dims = a[1].tolist() if len(a) > 1 else t.get("axes")
    return a[0].mean(dims, keepdim=bool(t.get("keepdims", 1)))


_OPERATORS: dict[str, Callable[[list[Any], dict[str, Any]], Any]] = {
    "Abs": lambda a, t: a[0].abs(),
    "Add": lambda a, t: a[0] + a[1],
    "AveragePool": lambda a, t: _pool(a, t, False),
    "BatchNormalization": lambda a, t: F.batch_norm(a[0], a[3], a[4], a[1], a[2], eps=t.get("epsilon", 1e-5)),
    "Clip": _clip,
    "Concat": lambda a, t: torch.cat(a, t["axis"]),
    "Conv": _conv,
    "ConvTranspose": _conv_transpose,
    "DepthToSpace": lambda a, t: F.pixel_shuffle(a[0], t["blocksize"]),
    "DequantizeLinear": _dequantize,
    "Div": lambda a, t: a[0] / a[1],
    "Erf": lambda a, t: torch.erf(a[0]),
    "Exp": lambda a, t: a[0].exp(),
    "Flatten": lambda a, t: a[0].flatten(t.get("axis", 1)),
    "Gather": _gather,
    "Gemm": _gemm,
    "GlobalAveragePool": lambda a, t: a[0].mean(tuple(range(2, a[0].ndim)), keepdim=True),
    "GlobalMaxPool": lambda a, t: a[0].amax(tuple(range(2, a[0].ndim)), keepdim=True),
    "HardSigmoid": lambda a, t: (a[0] * t.get("alpha", 0.2) + t.get("beta", 0.5)).clamp(0, 1),
    "HardSwish": lambda a, t: F.hardswish(a[0]),
    "Identity": lambda a, t: a[0],
    "LayerNormalization": _norm,
    "LeakyRelu": lambda a, t: F.leaky_relu(a[0], t.get("alpha", 0.01)),
    "Log": lambda a, t: a[0].log(),
    "MatMul": lambda a, t: a[0] @ a[1],
    "Max": lambda a, t: torch.maximum(*a),
    "MaxPool": lambda a, t: _pool(a, t, True),
    "Min": lambda a, t: torch.minimum(*a),
    "Mul": lambda a, t: a[0] * a[1],
    "Neg": lambda a, t: -a[0],
    "Pad": lambda a, t: F.pad(a[0], _sides(a[1].tolist()), value=float(a[2]) if len(a) > 2 else 0.0),
    "QuantizeLinear": _quantize,
    "ReduceMean": _mean,
    "Relu": lambda a, t: a[0].relu(),
    "Reshape": _reshape,
    "Shape": lambda a, t: torch.tensor(a[0].shape),
    "Sigmoid": lambda a, t: a[0].sigmoid(),
    "Slice": _slice,
    "Softmax": lambda a, t: a[0].softmax(t.get("axis", -1)),
    "Sqrt": lambda a, t: a[0].sqrt(),
    "Squeeze": _squeeze,
    "Sub": lambda a, t: a[0] - a[1],
    "Tanh": lambda a, t: a[0].tanh(),
    "Transpose": lambda a, t: a[0].permute(t.get("perm", list(range(a[0].ndim))[::-1])),
    "Unsqueeze": _unsqueeze,
}

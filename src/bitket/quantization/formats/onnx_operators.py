"""Operators of torch in ONNX's words: one function for each, from a node of the graph to nodes of an ONNX graph."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import torch
from torch.fx import Node

from bitket.errors import InvalidInput
from bitket.quantization.graph.patterns import arguments, operator_name

__all__ = ["Target", "translate"]


class Target(Protocol):
    """An ONNX graph that grows."""

    def name(self, node: Any) -> str:
        """The value that stands for a node of torch's graph."""

    def add(self, operator: str, inputs: list[str], **attributes: Any) -> str:
        """A node; its output's name."""

    def constant(self, value: Any) -> str:
        """A constant from a NumPy array; its name."""


Translation = Callable[[Target, Node, dict[str, Any]], str]
_table: dict[str, Translation] = {}


def translate(target: Target, node: Node) -> str:
    """Write a node of torch's graph.

    Raises
    ------
    InvalidInput
        The operator, or this form of it, has no translation; the message names its place.
    """
    name = operator_name(node)
    place = node.meta.get("path") or node.name
    if name not in _table:
        raise InvalidInput(
            f"ONNX: operator '{name}' at {place} has no translation; {', '.join(sorted(_table))} have one"
        )
    if isinstance(node.target, torch._ops.OpOverload):
        values = arguments(node)
    else:
        values = dict(zip(("self", "other"), node.args, strict=False))
    try:
        return _table[name](target, node, values)
    except _Untranslated as error:
        raise InvalidInput(f"ONNX: operator '{name}' at {place}: {error}") from None


class _Untranslated(Exception):
    pass


def _is(*names: str) -> Callable[[Translation], Translation]:
    def register(function: Translation) -> Translation:
        _table.update(dict.fromkeys(names, function))
        return function

    return register


def _x(w: Target, a: dict[str, Any]) -> str:
    return w.name(a.get("self", a.get("input")))


def _rank(node: Any) -> int:
    return len(node.meta["shape"])


def _ints(values: Any) -> np.ndarray:
    return np.array(values, dtype=np.int64)


for _torch, _onnx in {
    "relu": "Relu", "sigmoid": "Sigmoid", "tanh": "Tanh", "exp": "Exp", "sqrt": "Sqrt", "neg": "Neg", "abs": "Abs", "erf": "Erf",
    "hardswish": "HardSwish", "log": "Log",
}.items():  # fmt: skip

    def _unary(w: Target, node: Node, a: dict[str, Any], operator: str = _onnx) -> str:
        return w.add(operator, [_x(w, a)])

    _table[_torch] = _unary


@_is("dropout", "clone", "contiguous", "detach", "alias")
def _same(w: Target, node: Node, a: dict[str, Any]) -> str:
    if a.get("train"):
        raise _Untranslated("it is in training mode")
    return _x(w, a)


@_is("getitem")
def _getitem(w: Target, node: Node, a: dict[str, Any]) -> str:
    if a["other"] != 0:
        raise _Untranslated(f"output {a['other']} of several")
    return _x(w, a)


@_is("gelu")
def _gelu(w: Target, node: Node, a: dict[str, Any]) -> str:
    if a.get("approximate", "none") != "none":
        raise _Untranslated("the approximation by tanh")
    x = _x(w, a)
    inner = w.add("Erf", [w.add("Mul", [x, w.constant(np.float32(math.sqrt(0.5)))])])
    half = w.add("Mul", [x, w.constant(np.float32(0.5))])
    return w.add("Mul", [half, w.add("Add", [inner, w.constant(np.float32(1))])])


@_is("silu")
def _silu(w: Target, node: Node, a: dict[str, Any]) -> str:
    return w.add("Mul", [_x(w, a), w.add("Sigmoid", [_x(w, a)])])


@_is("hardsigmoid")
def _hardsigmoid(w: Target, node: Node, a: dict[str, Any]) -> str:
    return w.add("HardSigmoid", [_x(w, a)], alpha=1 / 6, beta=0.5)


@_is("leaky_relu")
def _leaky(w: Target, node: Node, a: dict[str, Any]) -> str:
    return w.add("LeakyRelu", [_x(w, a)], alpha=float(a.get("negative_slope", 0.01)))


@_is("relu6", "hardtanh", "clamp")
def _clip(w: Target, node: Node, a: dict[str, Any]) -> str:
    name = operator_name(node)
    low, high = {"relu6": (0.0, 6.0), "hardtanh": (a.get("min_val", -1.0), a.get("max_val", 1.0))}.get(
        name, (a.get("min"), a.get("max"))
    )
    ends = ["" if v is None else w.constant(np.float32(v)) for v in (low, high)]
    return w.add("Clip", [_x(w, a), *ends])


@_is("softmax", "_softmax")
def _softmax(w: Target, node: Node, a: dict[str, Any]) -> str:
    return w.add("Softmax", [_x(w, a)], axis=int(a["dim"]))


@_is("add", "sub", "mul", "div", "mul_int", "truediv")
def _arithmetic(w: Target, node: Node, a: dict[str, Any]) -> str:
    if a.get("alpha", 1) != 1:
        raise _Untranslated(f"a factor alpha of {a['alpha']}")
    name = operator_name(node)
    kind = np.float32 if isinstance(node.target, torch._ops.OpOverload) else np.int64
    both = [w.name(v) if isinstance(v, Node) else w.constant(kind(v)) for v in (a["self"], a["other"])]
    return w.add({"add": "Add", "sub": "Sub", "div": "Div"}.get(name, "Mul"), both)


@_is("matmul", "bmm")
def _matmul(w: Target, node: Node, a: dict[str, Any]) -> str:
    return w.add("MatMul", [_x(w, a), w.name(a.get("other", a.get("mat2")))])


@_is("cat", "concat")
def _cat(w: Target, node: Node, a: dict[str, Any]) -> str:
    return w.add("Concat", [w.name(t) for t in a["tensors"]], axis=int(a.get("dim", 0)))


@_is("sym_size")
def _size(w: Target, node: Node, a: dict[str, Any]) -> str:
    return w.add("Gather", [w.add("Shape", [_x(w, a)]), w.constant(_ints(a["dim"]))])


@_is("view", "reshape", "_unsafe_view")
def _reshape(w: Target, node: Node, a: dict[str, Any]) -> str:
    sizes = list(a["size"] if "size" in a else a["shape"])
    free = [i for i, n in enumerate(sizes) if not isinstance(n, int)]
    if len(free) == 1 and -1 not in sizes:
        sizes[free[0]], free = -1, []
    if not free:
        return w.add("Reshape", [_x(w, a), w.constant(_ints(sizes))])
    one = w.constant(_ints([1]))
    parts = [w.constant(_ints([n])) if isinstance(n, int) else w.add("Reshape", [w.name(n), one]) for n in sizes]
    return w.add("Reshape", [_x(w, a), w.add("Concat", parts, axis=0)])


@_is("flatten", "unflatten")
def _flatten(w: Target, node: Node, a: dict[str, Any]) -> str:
    sizes = list(node.meta["shape"])
    if sizes.count(-1) > 1:
        raise _Untranslated(f"a shape {sizes} with several free sizes")
    return w.add("Reshape", [_x(w, a), w.constant(_ints(sizes))])


@_is("permute")
def _permute(w: Target, node: Node, a: dict[str, Any]) -> str:
    return w.add("Transpose", [_x(w, a)], perm=[d % _rank(node) for d in a["dims"]])


@_is("transpose", "t")
def _transpose(w: Target, node: Node, a: dict[str, Any]) -> str:
    perm = list(range(_rank(node)))
    first, second = a.get("dim0", 0), a.get("dim1", 1)
    perm[first], perm[second] = perm[second], perm[first]
    return w.add("Transpose", [_x(w, a)], perm=perm)


@_is("unsqueeze", "squeeze")
def _squeeze(w: Target, node: Node, a: dict[str, Any]) -> str:
    dims = a.get("dim")
    if dims is None:
        raise _Untranslated("without a dimension")
    axes = w.constant(_ints([dims] if isinstance(dims, int) else list(dims)))
    return w.add(operator_name(node).capitalize(), [_x(w, a), axes])


@_is("select")
def _select(w: Target, node: Node, a: dict[str, Any]) -> str:
    return w.add("Gather", [_x(w, a), w.constant(_ints(a["index"]))], axis=int(a["dim"]))


@_is("slice")
def _slice(w: Target, node: Node, a: dict[str, Any]) -> str:
    values = [a.get("start") or 0, a.get("end", 2**62), a.get("dim", 0), a.get("step", 1)]
    values[1] = 2**62 if values[1] is None else values[1]
    if not all(isinstance(v, int) for v in values):
        raise _Untranslated("ends that depend on a free size")
    return w.add("Slice", [_x(w, a), *(w.constant(_ints([v])) for v in values)])


def _window(a: dict[str, Any], node: Node) -> dict[str, Any]:
    n = _rank(node) - 2

    def each(value: Any) -> list[int]:
        values = [value] if isinstance(value, int) else list(value)
        return values * n if len(values) == 1 else values

    kernel = each(a["kernel_size"])
    stride = each(a.get("stride") or kernel)
    return {
        "kernel_shape": kernel,
        "strides": stride,
        "pads": each(a.get("padding", 0)) * 2,
        "ceil_mode": int(a.get("ceil_mode", False)),
    }


@_is("max_pool1d", "max_pool2d", "max_pool3d")
def _max_pool(w: Target, node: Node, a: dict[str, Any]) -> str:
    dilation = a.get("dilation", 1)
    dilations = [dilation] * (_rank(node) - 2) if isinstance(dilation, int) else list(dilation)
    return w.add(
        "MaxPool", [_x(w, a)], **_window(a, node), dilations=dilations * (_rank(node) - 2 if len(dilations) == 1 else 1)
    )


@_is("avg_pool1d", "avg_pool2d", "avg_pool3d")
def _avg_pool(w: Target, node: Node, a: dict[str, Any]) -> str:
    if a.get("divisor_override") is not None:
        raise _Untranslated("a divisor of its own")
    return w.add("AveragePool", [_x(w, a)], **_window(a, node), count_include_pad=int(a.get("count_include_pad", True)))


@_is("adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_max_pool2d")
def _global_pool(w: Target, node: Node, a: dict[str, Any]) -> str:
    if any(n != 1 for n in a["output_size"]):
        raise _Untranslated(f"an output of {list(a['output_size'])}; 1 is written")
    return w.add("GlobalMaxPool" if "max" in operator_name(node) else "GlobalAveragePool", [_x(w, a)])


@_is("mean")
def _mean(w: Target, node: Node, a: dict[str, Any]) -> str:
    if not a.get("dim"):
        raise _Untranslated("without dimensions")
    return w.add("ReduceMean", [_x(w, a), w.constant(_ints(list(a["dim"])))], keepdims=int(a.get("keepdim", False)))


@_is("layer_norm")
def _layer_norm(w: Target, node: Node, a: dict[str, Any]) -> str:
    shape = list(a["normalized_shape"])
    weight = w.constant(np.ones(shape, np.float32)) if a.get("weight") is None else w.name(a["weight"])
    inputs = [_x(w, a), weight] + ([] if a.get("bias") is None else [w.name(a["bias"])])
    return w.add("LayerNormalization", inputs, axis=-len(shape), epsilon=float(a.get("eps", 1e-5)))


@_is("batch_norm")
def _batch_norm(w: Target, node: Node, a: dict[str, Any]) -> str:
    channels = node.meta["shape"][1]
    gain = w.constant(np.ones(channels, np.float32)) if a["weight"] is None else w.name(a["weight"])
    shift = w.constant(np.zeros(channels, np.float32)) if a["bias"] is None else w.name(a["bias"])
    inputs = [_x(w, a), gain, shift, w.name(a["running_mean"]), w.name(a["running_var"])]
    return w.add("BatchNormalization", inputs, epsilon=float(a["eps"]))


@_is("scaled_dot_product_attention")
def _attention(w: Target, node: Node, a: dict[str, Any]) -> str:
    if a.get("attn_mask") is not None or a.get("is_causal") or a.get("dropout_p") or a.get("enable_gqa"):
        raise _Untranslated("a mask, dropout or grouped queries")
    q, k, v = (w.name(a[n]) for n in ("query", "key", "value"))
    rank = _rank(node)
    factor = a.get("scale") or 1 / math.sqrt(a["query"].meta["shape"][-1])
    turned = w.add("Transpose", [k], perm=[*range(rank - 2), rank - 1, rank - 2])
    scores = w.add("Mul", [w.add("MatMul", [q, turned]), w.constant(np.float32(factor))])
    return w.add("MatMul", [w.add("Softmax", [scores], axis=-1), v])


@_is("pad", "constant_pad_nd")
def _pad(w: Target, node: Node, a: dict[str, Any]) -> str:
    if a.get("mode", "constant") != "constant":
        raise _Untranslated(f"padding by '{a['mode']}'")
    sides, rank = list(a["pad"]), _rank(node)
    before = [0] * (rank - len(sides) // 2) + sides[0::2][::-1]
    after = [0] * (rank - len(sides) // 2) + sides[1::2][::-1]
    return w.add("Pad", [_x(w, a), w.constant(_ints(before + after)), w.constant(np.float32(a.get("value") or 0))])


@_is("pixel_shuffle")
def _pixel_shuffle(w: Target, node: Node, a: dict[str, Any]) -> str:
    return w.add("DepthToSpace", [_x(w, a)], blocksize=int(a["upscale_factor"]), mode="CRD")

"""A network's graph as JSON and back: operators of torch by name, from an allow-list, so that a file holds no code.

Only functional operators of ``aten`` without text arguments are read, and a few of Python's on sizes.
"""

from __future__ import annotations

import operator
from typing import Any

import torch
from torch.fx import Graph, GraphModule, Node

from bitket.errors import InvalidInput
from bitket.quantization.fake import FakeQuantize
from bitket.quantization.graph import Layer
from bitket.quantization.grids import Scheme
from bitket.quantization.tensors import PackedWeight, QuantizedTensor

__all__ = ["graph_from_json", "graph_to_json", "module_from_json", "module_to_json"]

_PYTHON = {
    f.__name__: f
    for f in (
        operator.getitem,
        operator.mul,
        operator.add,
        operator.sub,
        operator.floordiv,
        operator.truediv,
        operator.mod,
        operator.neg,
    )
}
_KINDS: dict[type, str] = {
    torch.dtype: "dtype",
    torch.device: "device",
    torch.memory_format: "memory_format",
    torch.layout: "layout",
}


def graph_to_json(model: GraphModule) -> list[dict[str, Any]]:
    """The nodes of a graph in order.

    Raises
    ------
    InvalidInput
        An operator is none that would be read back.
    """
    rows = []
    for node in model.graph.nodes:
        row: dict[str, Any] = {"op": node.op, "name": node.name, "args": _pack(node.args), "kwargs": _pack(node.kwargs)}
        row["target"] = _name(node) if node.op == "call_function" else str(node.target)
        row["path"] = node.meta.get("path", "")
        shape = node.meta.get("shape")
        row["shape"] = None if shape is None else list(shape)
        row["dtype"] = _pack(node.meta.get("dtype"))
        rows.append(row)
    return rows


def _name(node: Node) -> str:
    target = node.target
    if isinstance(target, torch._ops.OpOverload) and target.namespace == "aten":
        name = str(target)
    else:
        name = "python." + str(getattr(target, "__name__", target))
    _operator(name)
    return name


def _operator(name: str) -> Any:
    family, _, rest = name.partition(".")
    if family == "python" and rest in _PYTHON:
        return _PYTHON[rest]
    base, _, overload = rest.partition(".")
    packet = getattr(torch.ops.aten, base, None) if family == "aten" and base.isidentifier() else None
    found = getattr(packet, overload, None) if overload.isidentifier() else None
    if not isinstance(found, torch._ops.OpOverload) or found._schema.is_mutable or base == "from_file":
        raise InvalidInput(f"graph: operator '{name[:80]}' is none of those that are stored and read")
    return found


def _pack(value: Any) -> Any:
    if isinstance(value, Node):
        return {"node": value.name}
    if isinstance(value, list | tuple):
        return [_pack(v) for v in value]
    if isinstance(value, dict):
        return {"dict": {k: _pack(v) for k, v in value.items()}}
    if (isinstance(value, float) and value != value) or value in (float("inf"), float("-inf")):
        return {"float": repr(value)}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    for kind, name in _KINDS.items():
        if isinstance(value, kind):
            return {name: str(value).removeprefix("torch.")}
    raise InvalidInput(f"graph: a value of type {type(value).__name__} cannot be stored")


def _unpack(value: Any, nodes: dict[str, Node]) -> Any:
    if isinstance(value, list):
        return [_unpack(v, nodes) for v in value]
    if not isinstance(value, dict):
        return value
    ((kind, inner),) = value.items()
    if kind == "node":
        return nodes[inner]
    if kind == "dict":
        return {k: _unpack(v, nodes) for k, v in inner.items()}
    if kind == "float":
        return float(inner)
    if kind == "device":
        return torch.device(inner)
    found = getattr(torch, inner) if kind in _KINDS.values() and str(inner).isidentifier() else None
    if not isinstance(found, torch.dtype | torch.memory_format | torch.layout):
        raise InvalidInput(f"graph: '{kind}' {str(inner)[:40]} is unknown")
    return found


def graph_from_json(rows: Any, root: torch.nn.Module) -> GraphModule:
    """The network of a graph's JSON form and the modules that it calls.

    Raises
    ------
    InvalidInput
        It is none, or calls what is not read.
    """
    graph = Graph()
    nodes: dict[str, Node] = {}
    try:
        for row in rows:
            args, kwargs = tuple(_unpack(row["args"], nodes)), _unpack(row["kwargs"], nodes)
            match row["op"]:
                case "placeholder":
                    node = graph.placeholder(str(row["target"]))
                case "get_attr":
                    node = graph.get_attr(str(row["target"]))
                case "call_module":
                    root.get_submodule(str(row["target"]))
                    node = graph.call_module(str(row["target"]), args, kwargs)
                case "call_function":
                    node = graph.call_function(_operator(str(row["target"])), args, kwargs)
                case "output":
                    node = graph.output(tuple(args[0]) if isinstance(args[0], list) else args[0])
                case other:
                    raise InvalidInput(
                        f"graph: node of kind '{other}'; placeholder, get_attr, call_module, call_function and output are read"
                    )
            shape = None if row["shape"] is None else tuple(row["shape"])
            node.meta = {"path": row["path"], "shape": shape, "dtype": _unpack(row["dtype"], nodes)}
            nodes[row["name"]] = node
        graph.lint()
        return GraphModule(root, graph).eval()
    except InvalidInput:
        raise
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError, IndexError) as error:
        raise InvalidInput(f"graph: not the JSON form of one ({type(error).__name__}: {str(error)[:120]})") from None


def module_to_json(module: torch.nn.Module) -> dict[str, Any]:
    """A layer or quantiser without its tensors."""
    if isinstance(module, FakeQuantize):
        return {
            "kind": "quantiser",
            "scheme": module.scheme.to_json(),
            "dynamic": module.dynamic,
            "enabled": module.enabled,
        }
    if isinstance(module, PackedWeight):
        return {"kind": "packed", "scheme": module.scheme.to_json(), "shape": list(module.shape)}
    assert isinstance(module, Layer)
    return {"kind": "layer", "operator": module.operator, "options": _pack(module.options)["dict"]}


def module_from_json(data: Any, tensors: dict[str, torch.Tensor]) -> torch.nn.Module:
    """The layer or quantiser of a JSON form and its own tensors by name; quantisers of a layer are put in later.

    Raises
    ------
    InvalidInput
        It is none.
    """
    try:
        if data["kind"] == "quantiser":
            scheme = Scheme.from_json(data["scheme"])
            module = FakeQuantize(scheme, dynamic=bool(data["dynamic"]))
            if "scale" in tensors:
                module.fix(tensors["scale"], tensors.get("zero"))
            module.enabled = bool(data["enabled"])
            return module
        if data["kind"] == "packed":
            scheme, shape = Scheme.from_json(data["scheme"]), tuple(int(n) for n in data["shape"])
            return PackedWeight(QuantizedTensor.from_tensors(tensors, scheme, shape))
        if data["kind"] == "layer":
            options = {k: _unpack(v, {}) for k, v in data["options"].items()}
            bias, weight = (
                None if n not in tensors else torch.nn.Parameter(tensors[n], requires_grad=False)
                for n in ("bias", "weight")
            )
            layer = Layer(str(data["operator"]), weight, bias, options)
            layer.input_factor = tensors.get("input_factor")
            return layer
    except (KeyError, TypeError, AttributeError) as error:
        raise InvalidInput(f"network: a module's form is damaged ({type(error).__name__}: {error})") from None
    raise InvalidInput(f"network: a module of kind '{str(data['kind'])[:40]}'; layer, quantiser and packed are read")

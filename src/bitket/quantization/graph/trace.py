"""From a torch module to a graph of operators whose weights stand in `Layer`s.

`torch.export` sees what modules hide: functional additions, concatenations, one activation module called at many places. Its graph is
copied into plain form: every convolution, linear layer and embedding becomes a call of a `Layer` under the weight's own path, in-place
operators become ordinary ones, and inputs may have any batch size that the model allows.
"""

from __future__ import annotations

import contextlib
import io
import logging
from collections.abc import Iterator
from typing import Any

import torch
from torch.fx import Graph, GraphModule, Node

from bitket.errors import InvalidInput
from bitket.quantization.graph.layers import Layer
from bitket.quantization.graph.patterns import arguments, operator_name, weighted

__all__ = ["as_arguments", "trace"]

Batch = torch.Tensor | tuple[Any, ...] | list[Any] | dict[str, Any]


def as_arguments(batch: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """A batch of model inputs, a tensor, tuple, list or dict, as positional and named arguments."""
    if isinstance(batch, dict):
        return (), dict(batch)
    if isinstance(batch, tuple | list):
        return tuple(batch), {}
    return (batch,), {}


def trace(model: torch.nn.Module, example: Batch) -> GraphModule:
    """The graph of a model in evaluation mode.

    Parameters
    ----------
    model
        In evaluation mode; its parameters are shared with the result, not copied.
    example
        A batch of inputs.

    Raises
    ------
    InvalidInput
        The model is in training mode or cannot be exported (the message says why).
    """
    if model.training:
        raise InvalidInput(
            "model in training mode: dropout and batch norm would change what is traced; call .eval() first"
        )
    args, kwargs = as_arguments(example)
    with _quiet():
        try:
            exported = _export(model, args, kwargs)
            source = exported.module(check_guards=False)
        except Exception as error:
            reason = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
            raise InvalidInput(
                f"model {type(model).__name__} cannot be traced by torch.export ({reason[:200]}); quantise by replacement of modules instead"
            ) from None
    return _Copy(source, model).run()


def _export(model: torch.nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> torch.export.ExportedProgram:
    many = all(t.ndim and t.shape[0] > 1 for t in (*args, *kwargs.values()) if isinstance(t, torch.Tensor))
    if many:  # torch.export takes a batch of one for a constant
        free = {0: torch.export.Dim.AUTO}
        sizes: Any = [
            tuple(free if isinstance(a, torch.Tensor) else None for a in args),
            {k: free if isinstance(v, torch.Tensor) else None for k, v in kwargs.items()},
        ]
        shapes = sizes[0] if not kwargs else (sizes[1] if not args else None)
        try:
            return torch.export.export(model, args, kwargs, dynamic_shapes=shapes)
        except Exception:  # a model of fixed batch size; the next attempt says what else may be wrong
            pass
    return torch.export.export(model, args, kwargs)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without the notes that torch.export logs while it tries."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with torch.no_grad(), contextlib.redirect_stderr(io.StringIO()):
            yield
    finally:
        logging.disable(before)


class _Copy:
    def __init__(self, source: GraphModule, model: torch.nn.Module) -> None:
        self.source, self.model = source, model
        self.root, self.graph = torch.nn.Module(), Graph()
        self.new: dict[Node, Any] = {}
        self.layers: dict[tuple[Any, ...], str] = {}
        self.constants: dict[str, Node] = {}
        self.paths: dict[str, int] = {}

    def run(self) -> GraphModule:
        for node in self.source.graph.nodes:
            self._copy(node)
        module = GraphModule(self.root, self.graph, class_name=type(self.model).__name__)
        module.graph.eliminate_dead_code()
        module.graph.lint()
        module.recompile()
        return module.eval()

    def _copy(self, node: Node) -> None:
        if node.op == "placeholder":
            self.new[node] = self._note(node, self.graph.placeholder(str(node.target)), str(node.target))
        elif node.op == "get_attr":
            self.new[node] = node  # copied where something reads it
        elif node.op == "output":
            outputs: Any = node.args[0]
            values = tuple(self._argument(v) for v in outputs)
            spec: Any = self.source._out_spec
            if not (spec.is_leaf() or (spec.type in (tuple, list) and all(c.is_leaf() for c in spec.children()))):
                raise InvalidInput(
                    f"model {type(self.model).__name__} returns nested values; a tensor or a tuple of tensors is needed"
                )
            self.graph.output(values[0] if spec.is_leaf() else values)
        elif node.op == "call_module":  # torch.export's checks of inputs
            self.new[node] = None
        elif (kind := weighted(node)) and (weight := _attribute(arguments(node)["weight"])):
            self.new[node] = self._layer(node, kind, weight)
        else:
            self._call(node)

    def _layer(self, node: Node, kind: str, weight: str) -> Node:
        values = arguments(node)
        x = values.pop("indices" if kind == "embedding" else "input")
        bias = _attribute(values.get("bias"))
        options = {k: v for k, v in values.items() if k not in ("weight", "bias")}
        if kind == "embedding":
            options = {k: v for k, v in options.items() if k == "padding_idx" and v >= 0}
        path = weight.removesuffix(".weight").removesuffix("_weight") or "weight"
        key = (weight, bias, kind, repr(options))
        if key not in self.layers:
            taken = set(self.layers.values())
            name = (
                path
                if path not in taken
                else next(f"{path}_{i}" for i in range(2, 10_000) if f"{path}_{i}" not in taken)
            )
            self.layers[key] = name
            parameter = None if bias is None else _get(self.source, bias)
            _put(self.root, name, Layer(kind, _get(self.source, weight), parameter, options))
        new = self.graph.call_module(self.layers[key], (self._argument(x),))
        return self._note(node, new, self.layers[key])

    def _call(self, node: Node) -> None:
        target, name = node.target, operator_name(node)
        inplace = isinstance(target, torch._ops.OpOverload) and target._schema.is_mutable
        if inplace:
            target = _out_of_place(node)
        args = tuple(self._argument(a) for a in node.args)
        kwargs = {k: self._argument(v) for k, v in node.kwargs.items()}
        new = self.graph.call_function(target, args, kwargs)  # type: ignore[arg-type]
        stack = node.meta.get("nn_module_stack") or {}
        owner = next(reversed(list(stack.values())), ("",))[0]
        path = f"{owner}.{name.removesuffix('_')}".lstrip(".")
        count = self.paths[path] = self.paths.get(path, 0) + 1
        self.new[node] = self._note(node, new, path if count == 1 else f"{path}_{count}")
        if inplace:
            written = node.args[0]
            assert isinstance(written, Node)
            self.new[written] = self.new[node]  # whoever reads it later reads what was written

    def _note(self, node: Node, new: Node, path: str) -> Node:
        value = node.meta.get("val")
        shape: tuple[Any, ...] | None = None  # of what is no tensor but a size; free sizes are -1
        if isinstance(value, torch.Tensor):
            shape = tuple(n if isinstance(n, int) else -1 for n in value.shape)
        elif isinstance(value, tuple | list) and any(isinstance(v, torch.Tensor) for v in value):
            shape = ()
        new.meta = {"path": path, "shape": shape, "dtype": getattr(value, "dtype", None)}
        return new

    def _argument(self, value: Any) -> Any:
        if isinstance(value, Node):
            found = self.new[value]
            if found is value:  # an attribute
                found = self._constant(str(value.target))
            return found
        if isinstance(value, list | tuple):
            return type(value)(self._argument(v) for v in value)
        if isinstance(value, dict):
            return {k: self._argument(v) for k, v in value.items()}
        return value

    def _constant(self, target: str) -> Node:
        if target not in self.constants:
            path = "constants." + target.replace(".", "_")
            _put(self.root, path, _get(self.source, target))
            self.constants[target] = self.graph.get_attr(path)
            self.constants[target].meta = {"path": target}
        return self.constants[target]


def _out_of_place(node: Node) -> Any:
    """The operator that gives what an in-place one writes."""
    written = node.args[0]
    views = ("view", "reshape", "flatten", "permute", "transpose", "slice", "select", "expand", "squeeze", "unsqueeze")
    target = node.target
    assert isinstance(target, torch._ops.OpOverload)
    name = operator_name(node)
    path = next(reversed(list((node.meta.get("nn_module_stack") or {"": ("",)}).values())))[0]
    simple = name.endswith("_") and hasattr(torch.ops.aten, name[:-1])
    if not simple or not isinstance(written, Node) or operator_name(written) in views:
        raise InvalidInput(
            f"operator '{name}' in '{path or 'the model'}' writes into a tensor that others see; rewrite it out of place"
        )
    return getattr(getattr(torch.ops.aten, name[:-1]), target._overloadname)


def _attribute(value: Any) -> str | None:
    return str(value.target) if isinstance(value, Node) and value.op == "get_attr" else None


def _get(module: Any, path: str) -> Any:
    for part in path.split("."):
        module = getattr(module, part)
    return module


def _put(root: torch.nn.Module, path: str, value: Any) -> None:
    *parents, name = path.split(".")
    for part in parents:
        if not hasattr(root, part):
            root.add_module(part, torch.nn.Module())
        root = getattr(root, part)
    if isinstance(value, torch.nn.Module):
        root.add_module(name, value)
    elif isinstance(value, torch.nn.Parameter):
        root.register_parameter(name, value)
    else:
        root.register_buffer(name, value)

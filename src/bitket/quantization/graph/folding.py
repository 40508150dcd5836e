"""Batch norm folded into the layer before it (Jacob et al. 2018, arXiv:1712.05877).

    W' = W γ/sqrt(σ² + ε)        b' = β + (b - μ) γ/sqrt(σ² + ε)

in double precision, channel by channel of the output. A batch norm that no layer precedes, or whose layer has other readers, stays.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.fx import GraphModule, Node

from bitket.quantization.graph.layers import Layer
from bitket.quantization.graph.patterns import arguments, operator_name

__all__ = ["fold_batch_norm"]


def fold_batch_norm(model: GraphModule) -> list[str]:
    """Fold what can be folded, in place.

    Returns
    -------
    folded
        Paths of the layers that took over a batch norm.
    """
    folded = []
    for node in list(model.graph.nodes):
        if operator_name(node) not in ("batch_norm", "_native_batch_norm_legit_no_training"):
            continue
        before = node.args[0]
        layer = _layer(model, before) if isinstance(before, Node) else None
        if layer is None or node.target is not torch.ops.aten.batch_norm.default or node.args[5]:
            continue
        _fold(model, node, layer)
        node.replace_all_uses_with(before)
        model.graph.erase_node(node)
        folded.append(str(before.target))
    model.graph.eliminate_dead_code()
    model.delete_all_unused_submodules()
    _drop_constants(model)
    model.graph.lint()
    model.recompile()
    return folded


def _layer(model: GraphModule, node: Node) -> Layer | None:
    """The layer that a node calls, if nobody else reads its output, calls it or has its weight."""
    if node.op != "call_module" or len(node.users) > 1:
        return None
    layer = model.get_submodule(str(node.target))
    if not isinstance(layer, Layer) or layer.operator == "embedding":
        return None
    if layer.operator.startswith("conv_transpose") and layer.groups > 1:
        return None
    calls = sum(n.op == "call_module" and n.target == node.target for n in model.graph.nodes)
    owners = sum(m.weight is layer.weight for m in model.modules() if isinstance(m, Layer))
    return layer if calls == owners == 1 else None


def _fold(model: GraphModule, node: Node, layer: Layer) -> None:
    values = arguments(node)

    def value(name: str) -> torch.Tensor | None:
        source = values.get(name)
        if not isinstance(source, Node):
            return None
        tensor: Any = model
        for part in str(source.target).split("."):
            tensor = getattr(tensor, part)
        return tensor.detach().to(torch.float64)

    mean, variance = value("running_mean"), value("running_var")
    assert mean is not None
    assert variance is not None
    factor = 1 / torch.sqrt(variance + values["eps"])
    gamma, beta = value("weight"), value("bias")
    factor = factor if gamma is None else factor * gamma
    weight = layer.current_weight()
    shape = [-1 if d == layer.output_axis else 1 for d in range(weight.ndim)]
    bias = torch.zeros_like(mean) if layer.bias is None else layer.bias.detach().to(torch.float64)
    bias = (bias - mean) * factor + (0 if beta is None else beta)
    layer.set_weight((weight.detach().to(torch.float64) * factor.view(shape)).to(weight.dtype))
    layer.set_bias(bias.to(weight.dtype))


def _drop_constants(model: GraphModule) -> None:
    used = {str(n.target).partition(".")[2] for n in model.graph.nodes if n.op == "get_attr"}
    constants = getattr(model, "constants", None)
    if constants is not None:
        for name in [n for n, _ in (*constants.named_parameters(), *constants.named_buffers()) if n not in used]:
            delattr(constants, name)

"""What is known of torch's operators: which compute with a weight, which only move values, which keep positive scaling.

Anything not named here stays float and is reported.
"""

from __future__ import annotations

from typing import Any

import torch

__all__ = [
    "arguments",
    "follow",
    "is_homogeneous",
    "is_neutral",
    "is_nonnegative",
    "operator_name",
    "place_kind",
    "weighted",
]

_WEIGHTED = {
    "linear.default": "linear",
    "conv1d.default": "conv1d", "conv1d.padding": "conv1d",
    "conv2d.default": "conv2d", "conv2d.padding": "conv2d",
    "conv3d.default": "conv3d", "conv3d.padding": "conv3d",
    "conv_transpose1d.default": "conv_transpose1d", "conv_transpose2d.input": "conv_transpose2d",
    "conv_transpose3d.input": "conv_transpose3d",
    "embedding.default": "embedding",
}  # fmt: skip

# They give back values of their input, or none of them: a grid that fits the input fits the output.
_NEUTRAL = {
    "view", "reshape", "flatten", "unflatten", "permute", "transpose", "t", "squeeze", "unsqueeze", "expand", "contiguous", "clone",
    "slice", "select", "split", "split_with_sizes", "chunk", "getitem", "unbind", "dropout", "alias", "detach", "detach_", "repeat",
    "max_pool1d", "max_pool2d", "max_pool3d", "max_pool2d_with_indices", "adaptive_max_pool2d", "relu", "relu6", "hardtanh", "clamp",
    "pixel_shuffle", "pad", "constant_pad_nd", "to", "_to_copy", "roll", "flip", "index_select", "upsample_nearest2d", "channel_shuffle",
    "sym_size", "mul_int", "movedim", "swapaxes", "narrow", "lift_fresh_copy", "_assert_tensor_metadata", "dropout_", "feature_dropout",
}  # fmt: skip

# f(c x) = c f(x) for c > 0, channel by channel.
_HOMOGENEOUS = {
    "relu", "leaky_relu", "prelu", "max_pool1d", "max_pool2d", "max_pool3d", "avg_pool1d", "avg_pool2d", "avg_pool3d",
    "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_max_pool2d", "dropout", "clone", "contiguous", "detach", "alias",
}  # fmt: skip

_KINDS = {
    "add": "residual", "cat": "concat", "concat": "concat", "matmul": "matmul", "bmm": "matmul", "baddbmm": "matmul",
    "avg_pool1d": "pool", "avg_pool2d": "pool", "avg_pool3d": "pool", "adaptive_avg_pool1d": "pool", "adaptive_avg_pool2d": "pool",
    "mean": "pool",
}  # fmt: skip


def operator_name(node: torch.fx.Node) -> str:
    """The operator's name without overload: ``add``, ``conv2d``; empty for nodes that call none."""
    if node.op != "call_function":
        return ""
    if isinstance(node.target, torch._ops.OpOverload):
        return str(node.target._schema.name).rpartition("::")[2]
    name = str(getattr(node.target, "__name__", node.target))
    return "mul_int" if name == "mul" else name  # Python's operator, on sizes


def weighted(node: torch.fx.Node) -> str | None:
    """Which kind of layer a node is, if it computes with a weight."""
    if node.op != "call_function" or not isinstance(node.target, torch._ops.OpOverload):
        return None
    if node.target.namespace != "aten":
        return None
    return _WEIGHTED.get(str(node.target).removeprefix("aten."))


def place_kind(node: torch.fx.Node) -> str | None:
    """``residual``, ``concat``, ``pool`` or ``matmul`` for operators that mix activations."""
    return _KINDS.get(operator_name(node))


def is_neutral(node: torch.fx.Node) -> bool:
    """Whether the values of its output are among those of its input, up to clipping and zeros."""
    return operator_name(node) in _NEUTRAL


def is_homogeneous(node: torch.fx.Node) -> bool:
    """Whether a positive factor of a channel passes through it."""
    return operator_name(node) in _HOMOGENEOUS


def is_nonnegative(node: torch.fx.Node) -> bool:
    """Whether its values cannot be negative, as far as its operators tell."""
    name = operator_name(node)
    if name in ("relu", "relu6", "sigmoid", "hardsigmoid", "softmax", "_softmax", "softplus", "abs", "exp"):
        return True
    if name in ("hardtanh", "clamp"):
        low = node.args[1] if len(node.args) > 1 else None
        return isinstance(low, int | float) and low >= 0
    if name in ("add", "cat", "concat"):
        return all(is_nonnegative(n) for n in node.all_input_nodes)
    if (name in _NEUTRAL or name in _KINDS) and name not in ("matmul", "bmm", "baddbmm") and node.all_input_nodes:
        return is_nonnegative(node.all_input_nodes[0])
    return False


def arguments(node: torch.fx.Node) -> dict[str, Any]:
    """A node's arguments by the names of the operator's schema, defaults left out."""
    assert isinstance(node.target, torch._ops.OpOverload)
    names = [a.name for a in node.target._schema.arguments]
    return dict(zip(names, node.args, strict=False)) | dict(node.kwargs)


def follow(node: torch.fx.Node) -> torch.fx.Node:
    """The node whose values a node's are, behind operators that only move them."""
    while is_neutral(node) and node.all_input_nodes:
        node = node.all_input_nodes[0]
    return node

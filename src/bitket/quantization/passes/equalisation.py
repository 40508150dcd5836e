"""Cross-layer equalisation: channels between layers are rescaled so that both sides have equal ranges; the function stays.

    r_c = sqrt(max|W₁[c,:]| · max|W₂[:,c]|) / max|W₂[:,c]|,   W₁[c,:] /= r_c,  b₁[c] /= r_c,  W₂[:,c] *= r_c

wherever only positively homogeneous operators lie between (ReLU, pooling, additions). All layers that write into one residual stream share r,
and so do all that read it; the maxima run over them together. Rounds repeat until nothing changes.
Source: Nagel et al. 2019, arXiv:1906.04721.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import ClassVar, Literal

import torch
from torch.fx import GraphModule, Node

from bitket.errors import InvalidInput
from bitket.quantization.configs import part
from bitket.quantization.graph import Layer
from bitket.quantization.graph.patterns import arguments, is_homogeneous, operator_name
from bitket.quantization.passes.step import Pass, Work, needs_graph

__all__ = ["Equalise", "Stream", "streams"]


@dataclass
class Stream:
    """Channels that can be rescaled: the layers that write them and those that read them, by path."""

    writers: dict[str, Layer] = field(default_factory=dict)
    readers: dict[str, Layer] = field(default_factory=dict)


def streams(model: GraphModule) -> list[Stream]:
    """The channels of a network that may take any positive factor, in order."""
    parent: dict[Node, Node] = {}

    def find(node: Node) -> Node:
        while parent.setdefault(node, node) is not node:
            node = parent[node]
        return node

    layer_of = {
        n: m
        for n in model.graph.nodes
        if n.op == "call_module" and isinstance(m := model.get_submodule(str(n.target)), Layer)
    }
    for node in model.graph.nodes:
        if _passes_factors(node):
            for source in node.all_input_nodes:
                parent[find(source)] = find(node)
    weights = [m.weight for m in layer_of.values()]
    found: dict[Node, Stream] = {}
    spoiled: set[Node] = set()
    for node in model.graph.nodes:
        if node.op == "get_attr":
            continue
        if node in layer_of:
            layer = layer_of[node]
            once = sum(w is layer.weight for w in weights) == 1  # called once, weight its own
            plain = layer.operator in ("linear", "conv1d", "conv2d", "conv3d") and once
            (source,) = node.all_input_nodes
            for place, table in ((node, "writers"), (source, "readers")):
                getattr(found.setdefault(find(place), Stream()), table)[str(node.target)] = layer
                if not plain:
                    spoiled.add(find(place))
        elif not _passes_factors(node):
            spoiled |= {find(n) for n in (node, *node.all_input_nodes)}
    return [s for key, s in found.items() if key not in spoiled and s.writers and s.readers and _fits(s)]


def _passes_factors(node: Node) -> bool:
    """Whether a factor of a channel of all inputs becomes the same factor of the output."""
    name = operator_name(node)
    if is_homogeneous(node):
        return True
    if any(n.op == "get_attr" or not n.meta.get("shape") for n in node.all_input_nodes) or not node.all_input_nodes:
        return False
    shape = node.all_input_nodes[0].meta["shape"]
    if name == "add":
        shapes = {n.meta["shape"] for n in node.all_input_nodes}
        return all(isinstance(a, Node) for a in node.args[:2]) and len(shapes) == 1
    if name == "flatten":  # channels stay apart where each has one value
        return arguments(node).get("start_dim") == 1 and all(n == 1 for n in shape[2:])
    if name == "mean":
        dims = arguments(node).get("dim") or []
        return len(shape) > 2 and sorted(d % len(shape) for d in dims) == list(range(2, len(shape)))
    return False


def _fits(stream: Stream) -> bool:
    """Whether writers and readers count the same channels along the same axis."""
    channels = {m.current_weight().shape[0] for m in stream.writers.values()}
    channels |= {m.current_weight().shape[1] * m.groups for m in stream.readers.values()}
    return len(channels) == 1


def _written(layer: Layer, with_bias: bool) -> torch.Tensor:
    most = layer.current_weight().detach().abs().flatten(1).amax(1)
    return most if not with_bias or layer.bias is None else torch.maximum(most, layer.bias.detach().abs())


def _read(layer: Layer) -> torch.Tensor:
    """Largest weight of each input channel."""
    weight = layer.current_weight().detach().abs()
    return weight.reshape(layer.groups, -1, weight.shape[1], math.prod(weight.shape[2:])).amax((1, 3)).flatten()


def _scale_reader(layer: Layer, factor: torch.Tensor) -> None:
    weight = layer.current_weight()
    parts = weight.view(layer.groups, -1, weight.shape[1], math.prod(weight.shape[2:]))
    parts.mul_(factor.view(layer.groups, 1, -1, 1))


@part
@dataclass(frozen=True)
class Equalise(Pass):
    """Cross-layer equalisation; batch norm should be folded first.

    Attributes
    ----------
    rounds, tolerance
        The most rounds, and the change of any factor from 1 below which they end.
    with_bias
        Whether biases count in the maxima of the layers that write.
    """

    when: ClassVar[Literal["before", "after"]] = "before"
    rounds: int = 20
    tolerance: float = 1e-6
    with_bias: bool = False

    def __post_init__(self) -> None:
        if self.rounds < 1 or self.tolerance < 0:
            raise InvalidInput(
                f"equalisation: {self.rounds} rounds, tolerance {self.tolerance}; positive, and 0 or more are needed"
            )

    def apply(self, work: Work) -> str:
        """Rescale in place."""
        found = streams(needs_graph(work.model, "equalisation"))
        done = 0
        for done in range(1, self.rounds + 1):  # noqa: B007
            change = max((self._once(s) for s in found), default=0.0)
            if change < self.tolerance:
                break
        return f"equalisation: {len(found)} groups of channels, {done} rounds"

    @torch.no_grad()
    def _once(self, stream: Stream) -> float:
        wide = torch.stack([_written(m, self.with_bias) for m in stream.writers.values()]).amax(0)
        read = torch.stack([_read(m) for m in stream.readers.values()]).amax(0)
        factor = torch.sqrt(wide * read) / read
        factor = torch.where((wide > 0) & (read > 0), factor, torch.ones_like(factor))
        for layer in stream.writers.values():
            weight = layer.current_weight()
            weight.div_(factor.view(-1, *[1] * (weight.ndim - 1)))
            if layer.bias is not None:
                layer.bias.div_(factor)
        for layer in stream.readers.values():
            _scale_reader(layer, factor)
        return float((factor - 1).abs().max())

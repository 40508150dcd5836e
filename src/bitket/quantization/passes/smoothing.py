"""SmoothQuant: outlying channels of activations are handed over to the weights before both are quantised.

    f_j = max|X_j|^α / max|W_j|^(1-α),   X_j /= f_j,   W[:,j] *= f_j

The division goes into the gain and bias of a layer norm whose readers are all linear layers, or becomes a multiplication in front of them.
All layers that read one tensor share f. Source: Xiao et al. 2022, arXiv:2211.10438.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch.fx import GraphModule, Node

from bitket.errors import InvalidInput
from bitket.quantization.calibration import run
from bitket.quantization.configs import part
from bitket.quantization.graph import Layer, layers_of
from bitket.quantization.graph.patterns import arguments, operator_name
from bitket.quantization.passes.step import Pass, Work

__all__ = ["Smooth", "channel_peaks", "smoothing_factors"]


def smoothing_factors(activations: torch.Tensor, weights: torch.Tensor, alpha: float) -> torch.Tensor:
    """Factors f of channels from the largest activation and the largest weight of each; 1 where either is zero.

    >>> smoothing_factors(torch.tensor([100.0, 1.0, 0.0]), torch.tensor([1.0, 4.0, 1.0]), 0.5)
    tensor([10.0000,  0.5000,  1.0000])
    """
    factor = activations**alpha / weights ** (1 - alpha)
    return torch.where((activations > 0) & (weights > 0) & torch.isfinite(factor), factor, torch.ones_like(factor))


def channel_peaks(model: torch.nn.Module, layers: dict[str, Layer], data: Any) -> dict[str, torch.Tensor]:
    """Largest |input| of each channel of layers over the data."""
    peaks: dict[str, torch.Tensor] = {}

    def watch(path: str) -> Any:
        def see(module: torch.nn.Module, args: tuple[Any, ...]) -> None:
            most = args[0].detach().abs().flatten(0, -2).amax(0)
            peaks[path] = torch.maximum(peaks[path], most) if path in peaks else most

        return see

    hooks = [layer.register_forward_pre_hook(watch(path)) for path, layer in layers.items()]
    try:
        with torch.no_grad():
            for batch in data:
                run(model, batch)
    finally:
        for hook in hooks:
            hook.remove()
    return peaks


@part
@dataclass(frozen=True)
class Smooth(Pass):
    """SmoothQuant of linear layers.

    Attributes
    ----------
    alpha
        Share of the range that the weights take over, from 0 to 1.
    anywhere
        Whether layers that no layer norm precedes get a multiplication in front; otherwise they are left as they are.
    """

    when: ClassVar[Literal["before", "after"]] = "before"
    alpha: float = 0.5
    anywhere: bool = True

    def __post_init__(self) -> None:
        if not 0 <= self.alpha <= 1:
            raise InvalidInput(f"SmoothQuant: alpha {self.alpha}; 0 to 1 is possible")

    @torch.no_grad()
    def apply(self, work: Work) -> str:
        """Rescale in place."""
        linear = {path: m for path, m in layers_of(work.model) if m.operator == "linear"}
        peaks = channel_peaks(work.model, linear, work.data)
        folded = front = 0
        for paths, norm in self._groups(work.model, {p: m for p, m in linear.items() if p in peaks}):
            layers = [linear[p] for p in paths]
            weights = torch.stack([m.current_weight().detach().abs().amax(0) for m in layers]).amax(0)
            activations = torch.stack([peaks[p] for p in paths]).amax(0)
            factor = smoothing_factors(activations, weights, self.alpha)
            if norm is not None:
                for tensor in norm:
                    tensor.div_(factor)
                folded += 1
            elif self.anywhere:
                _multiply(work.model, paths, 1 / factor)
                front += 1
            else:
                continue
            for layer in layers:
                layer.current_weight().mul_(factor)
        return f"SmoothQuant: {folded} layer norms took over factors, {front} multiplications stand in front of layers"

    def _groups(
        self, model: torch.nn.Module, linear: dict[str, Layer]
    ) -> Iterator[tuple[list[str], list[torch.Tensor] | None]]:
        """Layers that read one tensor, and the parameters of the layer norm that gives it to nobody else."""
        owners = [m.weight for _, m in layers_of(model)]
        tied = {p for p, m in linear.items() if sum(w is m.weight for w in owners) > 1}
        if not isinstance(model, GraphModule):
            yield from (([path], None) for path in linear if path not in tied)
            return
        readers: dict[Node, list[str]] = {}
        called: dict[str, int] = {}
        for node in model.graph.nodes:
            if node.op == "call_module" and str(node.target) in linear:
                readers.setdefault(node.args[0], []).append(str(node.target))
                called[str(node.target)] = called.get(str(node.target), 0) + 1
        for tensor, paths in readers.items():
            if not any(called[p] > 1 or p in tied for p in paths):
                yield paths, _norm(model, tensor, paths)


def _norm(model: GraphModule, tensor: Node, paths: list[str]) -> list[torch.Tensor] | None:
    if operator_name(tensor) not in ("layer_norm", "rms_norm") or any(str(n.target) not in paths for n in tensor.users):
        return None
    values = arguments(tensor)
    nodes = [values.get("weight"), values.get("bias")]
    if not isinstance(nodes[0], Node) or len(values["normalized_shape"]) != 1:
        return None
    found = [n for n in nodes if isinstance(n, Node)]
    if any(n.op != "get_attr" or len(n.users) > 1 for n in found):
        return None
    return [_attribute(model, str(n.target)) for n in found]


def _attribute(model: Any, path: str) -> torch.Tensor:
    for name in path.split("."):
        model = getattr(model, name)
    found: torch.Tensor = model
    return found


def _multiply(model: torch.nn.Module, paths: list[str], factor: torch.Tensor) -> None:
    if not isinstance(model, GraphModule):
        model.get_submodule(paths[0]).input_factor = factor
        return
    nodes = [n for n in model.graph.nodes if n.op == "call_module" and n.target in paths]
    tensor = nodes[0].args[0]
    assert isinstance(tensor, Node)
    if not hasattr(model, "constants"):
        model.add_module("constants", torch.nn.Module())
    name = paths[0].replace(".", "_") + "_smoothing"
    model.get_submodule("constants").register_buffer(name, factor)
    with model.graph.inserting_before(nodes[0]):
        constant = model.graph.get_attr(f"constants.{name}")
        new = model.graph.call_function(torch.ops.aten.mul.Tensor, (tensor, constant))
    constant.meta = {"path": f"{paths[0]}.smoothing"}
    new.meta = {"path": f"{paths[0]}.smoothing", "shape": tensor.meta.get("shape")}
    for node in nodes:
        node.replace_input_with(tensor, new)
    model.graph.lint()
    model.recompile()

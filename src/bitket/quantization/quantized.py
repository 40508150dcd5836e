"""A quantised network, simulated or deployed.

Simulated, weights stay in float and pass a quantiser at each use, so the network can be trained on. Deployed, weights are packed codes and
nothing of the float weights is left. Both give the same output, bit for bit: they share one arithmetic.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from typing import Any

import torch

from bitket.errors import InvalidInput
from bitket.quantization.fake import FakeQuantize
from bitket.quantization.graph import Layer, Places, layers_of
from bitket.quantization.report import Report
from bitket.quantization.tensors import PackedWeight, QuantizedTensor

__all__ = ["QuantizedModel", "deploy", "quantized_weights"]


@dataclass(frozen=True)
class QuantizedModel:
    """A quantised network with what belongs to it.

    Attributes
    ----------
    model
        The network, callable as the float one.
    places
        Where its quantisers are, and which.
    config
        The settings it was made with; None where unknown.
    report
        Figures beside the float network.
    allocation
        Which bits each share group got, where the method chose them.
    calibration_digest
        SHA-256 of the calibration data.
    deployed
        Whether weights are packed.
    """

    model: torch.nn.Module
    places: Places
    config: Any = None
    report: Report | None = None
    allocation: Any = None
    calibration_digest: str = ""
    deployed: bool = False

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The network's output."""
        return self.model(*args, **kwargs)


def deploy(quantized: QuantizedModel) -> QuantizedModel:
    """The network with packed weights and fixed scales, as a copy.

    Raises
    ------
    InvalidInput
        A quantiser has no scale yet.
    """
    if quantized.deployed:
        return quantized
    # What is packed is not copied first.
    memo = {
        id(layer.weight): None
        for _, layer in layers_of(quantized.model)
        if isinstance(layer.weight_quantiser, FakeQuantize)
    }
    source = quantized.model
    model = copy.deepcopy(source, memo)
    originals = dict(layers_of(source))
    for path, layer in layers_of(model):
        original = originals[path]
        if isinstance(original.weight_quantiser, FakeQuantize):
            layer.weight_quantiser = PackedWeight(_packed(path, original.current_weight(), original.weight_quantiser))
            layer.weight = None
    _restore_ties(source, model)
    _freeze(model)
    return replace(quantized, model=model.eval(), deployed=True)


def _restore_ties(source: torch.nn.Module, model: torch.nn.Module) -> None:
    """Give back, in float, a weight that a layer packs and something else reads too."""
    made: dict[int, torch.nn.Parameter] = {}
    copies = dict(model.named_modules())
    for path, before in source.named_modules():
        after = copies.get(path)
        if after is None or isinstance(before, FakeQuantize):
            continue
        packs = isinstance(before, Layer) and isinstance(before.weight_quantiser, FakeQuantize)
        for name, parameter in before._parameters.items():
            if parameter is not None and after._parameters.get(name) is None and not (packs and name == "weight"):
                twin = made.setdefault(
                    id(parameter), torch.nn.Parameter(parameter.detach().clone(), requires_grad=False)
                )
                after.register_parameter(name, twin)


def _packed(path: str, weight: torch.Tensor, quantiser: FakeQuantize) -> QuantizedTensor:
    if not quantiser.enabled:
        raise InvalidInput(f"layer {path}: its quantiser lets values pass; enable it before the network is deployed")
    weight = weight.detach()
    if quantiser.dynamic:
        return QuantizedTensor.of(weight, quantiser.scheme)
    scale, zero = quantiser.applied()
    return QuantizedTensor.of(weight, quantiser.scheme, scale, None if zero is None else zero.to(torch.int32))


def _freeze(model: torch.nn.Module) -> None:
    """Learned scales become fixed ones."""
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, FakeQuantize) and child.learned:
                scale, zero = child.applied()
                fixed = FakeQuantize(child.scheme, scale, None if zero is None else zero.to(torch.int32))
                fixed.enabled = child.enabled
                setattr(module, name, fixed)
    for parameter in model.parameters():
        parameter.requires_grad_(False)


def quantized_weights(quantized: QuantizedModel) -> dict[str, QuantizedTensor]:
    """The quantised weights by the path of their layer, of a simulated or a deployed network."""
    out = {}
    for path, layer in layers_of(quantized.model):
        if isinstance(layer.weight_quantiser, PackedWeight):
            out[path] = layer.weight_quantiser.tensor
        elif layer.weight_quantiser is not None:
            out[path] = _packed(path, layer.current_weight(), layer.weight_quantiser)
    return out

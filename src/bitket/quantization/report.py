"""What quantization did to a network: bytes, accuracy and measured time beside the float network, and a row for every layer."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from bitket.quantization.graph import Layer, Places, as_arguments, layers_of
from bitket.quantization.grids import Scheme
from bitket.quantization.tensors import PackedWeight

__all__ = ["LayerRow", "Report", "layer_macs", "layer_rows", "measured_seconds", "stored_bytes"]


@dataclass(frozen=True)
class LayerRow:
    """One layer of a report.

    Attributes
    ----------
    layer, weights, inputs
        Path, scheme of its weight and of its input (``"float"`` if there is none).
    bytes, float_bytes
        Of its weight.
    noise_db
        10 log10 of Σ w² / Σ (w - ŵ)²: infinite where the weight is on the grid already.
    weight_bits, input_bits
        Widths of both operands; 32 in float.
    macs
        Multiplications with the weight for one sample.
    """

    layer: str
    weights: str
    inputs: str
    bytes: int
    float_bytes: int
    noise_db: float
    weight_bits: int
    input_bits: int
    macs: int


@dataclass(frozen=True)
class Report:
    """Figures of a quantised network beside the float one.

    Attributes
    ----------
    layers
        One row for each layer.
    bytes, float_bytes
        All that is stored: codes, scales, zero points and what stays in float.
    left_float
        What stays in float, with its place.
    notes
        What the passes did.
    accuracy, float_accuracy
        What ``evaluate`` gave for both; None without it.
    seconds, float_seconds
        Median time of the first calibration batch; of the network as it is deployed.
    """

    layers: tuple[LayerRow, ...]
    bytes: int
    float_bytes: int
    left_float: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    accuracy: float | None = None
    float_accuracy: float | None = None
    seconds: float | None = None
    float_seconds: float | None = None

    @property
    def bit_operations(self) -> int:
        """Σ MAC · bits of the weight · bits of the input, over the layers, for one sample (Yao et al. 2020, arXiv:2011.10680)."""
        return sum(r.macs * r.weight_bits * r.input_bits for r in self.layers)

    @property
    def float_bit_operations(self) -> int:
        """The same of the float network: 32 bits each."""
        return sum(r.macs * 32 * 32 for r in self.layers)

    def __str__(self) -> str:
        rows = [("layer", "weights", "inputs", "bytes", "of float", "weight noise dB")]
        rows += [
            (r.layer, r.weights, r.inputs, str(r.bytes), f"{r.bytes / max(1, r.float_bytes):.3f}", f"{r.noise_db:.1f}")
            for r in self.layers
        ]
        widths = [max(len(row[i]) for row in rows) for i in range(6)]
        lines = ["  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in rows]
        mib, less = 1 << 20, self.float_bytes / max(1, self.bytes)
        lines.append(
            f"stored: {self.bytes / mib:.3f} MiB, float {self.float_bytes / mib:.3f} MiB ({less:.2f} times less)"
        )
        lines.append(
            f"bit operations for one sample: {self.bit_operations:.4g}, float {self.float_bit_operations:.4g} (products with weights)"
        )
        if self.accuracy is not None:
            lines.append(f"evaluation: {self.accuracy:.6g}, float {self.float_accuracy:.6g}")
        if self.seconds is not None and self.float_seconds is not None:
            ratio = self.seconds / self.float_seconds
            lines.append(
                f"first batch: {1e3 * self.seconds:.2f} ms, float {1e3 * self.float_seconds:.2f} ms ({ratio:.2f} times the time)"
            )
        lines += [f"stays float: {what}" for what in self.left_float]
        return "\n".join([*lines, *self.notes])


def stored_bytes(model: torch.nn.Module) -> int:
    """Bytes of all parameters and buffers, each once."""
    tensors = {id(t): t for t in (*model.parameters(), *model.buffers())}
    return sum(t.numel() * t.element_size() for t in tensors.values())


def layer_macs(model: torch.nn.Module, batch: Any) -> dict[str, int]:
    """Multiplications of each layer with its weight for one sample of a batch, counted while the network runs."""
    counts: dict[str, int] = {}
    args, kwargs = as_arguments(batch)
    samples = next((len(t) for t in (*args, *kwargs.values()) if isinstance(t, torch.Tensor) and t.ndim), 1)

    def count(path: str) -> Any:
        def hook(layer: Layer, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
            if (
                layer.operator != "embedding"
            ):  # each value that is spread (transposed), or gathered, meets one slice of the weight
                weight = layer.current_weight()
                values = inputs[0] if layer.operator.startswith("conv_transpose") else output
                counts[path] = counts.get(path, 0) + values.numel() * (weight.numel() // weight.shape[0]) // samples

        return hook

    hooks = [layer.register_forward_hook(count(path)) for path, layer in layers_of(model)]
    try:
        with torch.no_grad():
            model(*args, **kwargs)
    finally:
        for hook in hooks:
            hook.remove()
    return counts


def layer_rows(
    model: torch.nn.Module, deployed: torch.nn.Module, places: Places, macs: Mapping[str, int]
) -> tuple[LayerRow, ...]:
    """Rows of a report from a simulated network, the same deployed, and `layer_macs`."""
    inputs: dict[str, Scheme | None] = {}
    graph_layers = {str(n.name): str(n.target) for n in getattr(getattr(model, "graph", None), "nodes", ())}
    for place in places.select("input"):
        for path in [place.layer, *(graph_layers.get(r, r) for r in place.readers)]:
            inputs[path] = place.scheme
    packed = dict(layers_of(deployed))
    rows = []
    for path, layer in layers_of(model):
        weight = layer.current_weight().detach()
        twin = packed[path].weight_quantiser
        size = weight.numel() * weight.element_size()
        taken = inputs.get(path)
        name, width, count = str(taken or "float"), 32 if taken is None else taken.bits, macs.get(path, 0)
        if isinstance(twin, PackedWeight):
            noise = float((weight - twin()).square().sum())
            signal = float(weight.square().sum())
            decibel = float("inf") if noise == 0 else 10 * torch.log10(torch.tensor(signal / noise)).item()
            held = twin.tensor.bytes
            rows.append(LayerRow(path, str(twin.scheme), name, held, size, decibel, twin.scheme.bits, width, count))
        else:
            rows.append(LayerRow(path, "float", name, size, size, float("inf"), 32, width, count))
    return tuple(rows)


def measured_seconds(runs: tuple[Callable[[], Any], ...], *, budget: float = 1.0, most: int = 20) -> tuple[float, ...]:
    """Median times of several runs, taken in turn so that a busy machine treats them alike.

    At least three rounds after one to warm up, then up to ``most`` within ``budget`` seconds.
    """
    times: list[list[float]] = [[] for _ in runs]
    start = time.perf_counter()
    with torch.no_grad():
        for run in runs:
            run()
        while len(times[0]) < 3 or (len(times[0]) < most and time.perf_counter() - start < budget):
            for found, run in zip(times, runs, strict=True):
                begin = time.perf_counter()
                run()
                found.append(time.perf_counter() - begin)
    return tuple(statistics.median(found) for found in times)

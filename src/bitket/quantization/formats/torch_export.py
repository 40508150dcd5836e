"""`torch.export` programs with operators of ``quantized_decomposed``, which Inductor and ExecuTorch lower.

Weights are int8 or int16 buffers, whatever their width (the grid's ends stand beside them); scales belong to the tensor or to a channel.
The operators multiply by 1/s where the library divides, so a value that lies on a tie, up to round-off, may come out one step apart.
"""

from __future__ import annotations

import copy
import io
import logging
from pathlib import Path
from typing import Any

import torch
import torch.ao.quantization.fx._decomposed  # registers the operators

from bitket.errors import InvalidInput
from bitket.files import read_bytes
from bitket.quantization.fake import FakeQuantize
from bitket.quantization.graph import as_arguments, layers_of
from bitket.quantization.grids import Channel, Scheme, Tensor
from bitket.quantization.grids.integer import code_dtype
from bitket.quantization.quantized import QuantizedModel, deploy
from bitket.quantization.tensors import PackedWeight
from bitket.runs.files import write_bytes

__all__ = ["export_program", "load_program", "read_program", "save_program"]

_ops = torch.ops.quantized_decomposed


def _supported(scheme: Scheme, where: str) -> None:
    if scheme.kind != "int" or scheme.bits > 16 or not isinstance(scheme.granularity, Tensor | Channel):
        raise InvalidInput(
            f"torch.export: {where} has scheme {scheme}; whole numbers of at most 16 bits with scales by tensor or channel are written"
        )


class _Weight(torch.nn.Module):
    def __init__(self, packed: PackedWeight) -> None:
        super().__init__()
        tensor = packed.tensor
        self.scheme, self.rank = tensor.scheme, tensor.codes.ndim
        self.register_buffer("codes", tensor.codes)
        self.register_buffer("scale", tensor.scale)
        self.register_buffer(
            "zero",
            torch.zeros_like(tensor.scale, dtype=torch.int64) if tensor.zero is None else tensor.zero.to(torch.int64),
        )

    def forward(self) -> torch.Tensor:
        scheme, ends = self.scheme, (self.scheme.lowest, self.scheme.highest, self.codes.dtype)
        if isinstance(scheme.granularity, Channel):
            axis = scheme.granularity.axis % self.rank
            return _ops.dequantize_per_channel(self.codes, self.scale, self.zero, axis, *ends)
        return _ops.dequantize_per_tensor.tensor(self.codes, self.scale, self.zero, *ends)


class _Activation(torch.nn.Module):
    def __init__(self, quantiser: FakeQuantize) -> None:
        super().__init__()
        scale, zero = quantiser.applied()
        self.scheme = quantiser.scheme
        self.register_buffer("scale", scale)
        self.register_buffer(
            "zero", torch.zeros_like(scale, dtype=torch.int64) if zero is None else zero.to(torch.int64)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        scheme = self.scheme
        ends = (scheme.lowest, scheme.highest, code_dtype(scheme))
        if isinstance(scheme.granularity, Channel):
            axis = scheme.granularity.axis % x.ndim
            codes = _ops.quantize_per_channel(x, self.scale, self.zero, axis, *ends)
            return _ops.dequantize_per_channel(codes, self.scale, self.zero, axis, *ends)
        codes = _ops.quantize_per_tensor.tensor(x, self.scale, self.zero, *ends)
        return _ops.dequantize_per_tensor.tensor(codes, self.scale, self.zero, *ends)


def export_program(quantized: QuantizedModel, example: Any) -> torch.export.ExportedProgram:
    """A quantised network as an exported program, for any batch size that it allows.

    Parameters
    ----------
    quantized
        The network.
    example
        A batch of inputs, of two samples or more for a free batch size.

    Raises
    ------
    InvalidInput
        A scheme has no operator there.
    """
    model = copy.deepcopy(deploy(quantized).model)
    for path, layer in layers_of(model):
        if isinstance(layer.weight_quantiser, PackedWeight):
            _supported(layer.weight_quantiser.scheme, f"weight of {path}")
            layer.weight_quantiser = _AsPacked(layer.weight_quantiser)
    for path, module in list(model.named_modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, FakeQuantize):
                where = f"{path}.{name}".removeprefix("quantisers.").replace("__", ".")
                _supported(child.scheme, where)
                if child.dynamic or not child.enabled:
                    raise InvalidInput(
                        f"torch.export: {where} takes its scales at run time or is switched off; fixed scales are written"
                    )
                setattr(module, name, _Activation(child))
    args, kwargs = as_arguments(example)
    many = all(t.ndim and t.shape[0] > 1 for t in (*args, *kwargs.values()) if isinstance(t, torch.Tensor))
    free = {0: torch.export.Dim.AUTO}
    shapes: Any = tuple(free for _ in args) if not kwargs else dict.fromkeys(kwargs, free)
    with torch.no_grad():
        return torch.export.export(model, args, kwargs, dynamic_shapes=shapes if many else None)


class _AsPacked(PackedWeight):
    """A packed weight that gives its values by torch's operator."""

    def __init__(self, packed: PackedWeight) -> None:
        torch.nn.Module.__init__(self)
        self.scheme, self.shape = packed.scheme, packed.shape
        self.inner = _Weight(packed)

    def forward(self) -> torch.Tensor:
        """The values."""
        values: torch.Tensor = self.inner()
        return values


def save_program(quantized: QuantizedModel, path: str | Path, example: Any) -> None:
    """Write `export_program` as a ``.pt2`` file, whole."""
    buffer = io.BytesIO()
    torch.export.save(export_program(quantized, example), buffer)
    write_bytes(Path(path), buffer.getvalue())


def read_program(path: str | Path) -> torch.export.ExportedProgram:
    """The program of a ``.pt2`` file.

    Raises
    ------
    InvalidInput
        It is none.
    """
    data = read_bytes(path, most=1 << 34)
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)  # torch.export logs what it then raises
    try:
        return torch.export.load(io.BytesIO(data))
    except Exception as error:
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise InvalidInput(f"{path}: not a program of torch.export ({reason[0][:120]})") from None
    finally:
        logging.disable(before)


def load_program(path: str | Path) -> torch.nn.Module:
    """The module of a ``.pt2`` file; raises as `read_program`."""
    return read_program(path).module(check_guards=False)

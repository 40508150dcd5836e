"""One door to the formats: a quantised network into a file of any of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bitket.errors import InvalidInput
from bitket.quantization.formats.onnx_qdq import save_onnx
from bitket.quantization.formats.own import save
from bitket.quantization.formats.torch_export import save_program
from bitket.quantization.quantized import QuantizedModel

__all__ = ["FORMATS", "write"]

FORMATS = ("safetensors", "onnx", "pt2")


def write(quantized: QuantizedModel, path: str | Path, form: str, example: Any) -> None:
    """Write a quantised network, whole.

    Parameters
    ----------
    form
        One of `FORMATS`.
    example
        A batch of inputs, of two samples or more.

    Raises
    ------
    InvalidInput, MissingExtra
        The format is unknown or cannot hold the network, or a package is missing.
    """
    if form == "safetensors":
        save(quantized, path)
    elif form == "onnx":
        save_onnx(quantized, path)
    elif form == "pt2":
        save_program(quantized, path, example)
    else:
        raise InvalidInput(f"format '{form}' is unknown; there are {', '.join(FORMATS)}")

"""File formats of quantised networks, each with a writer and a reader.

Own files, safetensors with JSON in the header, hold everything and come back bit for bit; ONNX (QDQ) and torch.export programs are for
other tools.
"""

from bitket.quantization.formats.onnx_qdq import save_onnx
from bitket.quantization.formats.onnx_reader import load_onnx
from bitket.quantization.formats.own import load, save

__all__ = ["load", "load_onnx", "save", "save_onnx"]

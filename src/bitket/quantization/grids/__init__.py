"""Grids of few bits: schemes as data, values to codes and back, packing."""

from bitket.quantization.grids.granularity import Channel, Granularity, Group, Tensor, Token
from bitket.quantization.grids.packing import pack, unpack
from bitket.quantization.grids.quantise import (
    choose_scale,
    dequantize,
    extremes,
    levels,
    quantize,
    rounded,
    rounded_spread,
    scales_of,
)
from bitket.quantization.grids.scales import Dyadic, Float32, Nested, PowerOfTwo, ScaleForm, dyadic
from bitket.quantization.grids.scheme import Scheme, minifloat

__all__ = [
    "Channel",
    "Dyadic",
    "Float32",
    "Granularity",
    "Group",
    "Nested",
    "PowerOfTwo",
    "ScaleForm",
    "Scheme",
    "Tensor",
    "Token",
    "choose_scale",
    "dequantize",
    "dyadic",
    "extremes",
    "levels",
    "minifloat",
    "pack",
    "quantize",
    "rounded",
    "rounded_spread",
    "scales_of",
    "unpack",
]

"""Simulated quantization forward and backward, beside torch's own operators and Brevitas; packing; GPTQ beside its plain form."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import torch

from benchmarks._timing import interleaved
from bitket.quantization.fake import fake_quantize
from bitket.quantization.grids import Scheme, pack, quantize, scales_of, unpack


def run(quick: bool = False) -> list[dict[str, Any]]:
    """Rows of schemes: milliseconds of ours on 512 x 2048 values, and the peers' time over ours (above 1 we are faster)."""
    runs = 3 if quick else 9
    x = torch.randn(512, 2048, generator=torch.Generator().manual_seed(0))
    return [row(name, x, runs) for name in ("int8", "int8-asym", "int4-c0", "int4-g128", "e4m3", "e2m1-c0")]


def row(name: str, x: torch.Tensor, runs: int) -> dict[str, Any]:
    scheme = Scheme.parse(name)
    scale, zero = scales_of(x, scheme)
    trained = x.clone().requires_grad_()

    def backward(function: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[], None]:
        def once() -> None:
            trained.grad = None
            function(trained).sum().backward()

        return once

    def ours(v: torch.Tensor) -> torch.Tensor:
        return fake_quantize(v, scheme, scale, zero)

    def forward(function: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[], torch.Tensor]:
        def once() -> torch.Tensor:
            with torch.no_grad():
                return function(x)

        return once

    runs_of: dict[str, Callable[[], Any]] = {"ours": forward(ours), "ours, trained": backward(ours)}
    peers = {"torch": by_torch(scheme, scale, zero), "Brevitas": by_brevitas(scheme, x)}
    for peer, function in peers.items():
        if function is not None:
            runs_of |= {peer: forward(function), f"{peer}, trained": backward(function)}
    codes = quantize(x, scheme, scale, zero)
    packed = pack(codes, scheme.bits)
    signed = codes.dtype == torch.int8
    runs_of |= {
        "pack": lambda: pack(codes, scheme.bits),
        "unpack": lambda: unpack(packed, scheme.bits, 2048, signed=signed),
    }
    times = interleaved(runs_of, runs)
    out: dict[str, Any] = {
        "scheme": name,
        "forward ms": 1e3 * times["ours"],
        "trained ms": 1e3 * times["ours, trained"],
    }
    for peer, function in peers.items():
        here = function is not None
        out[f"{peer} / ours"] = times[peer] / times["ours"] if here else None
        out[f"{peer} / ours, trained"] = times[f"{peer}, trained"] / times["ours, trained"] if here else None
    return out | {"pack ms": 1e3 * times["pack"], "unpack ms": 1e3 * times["unpack"]}


def by_torch(
    scheme: Scheme, scale: torch.Tensor, zero: torch.Tensor | None
) -> Callable[[torch.Tensor], torch.Tensor] | None:
    """Torch's fused operator, where it has one."""
    if scheme.kind == "float" or "-g" in scheme.name:
        return None
    ends = scheme.lowest, scheme.highest
    if scale.ndim:
        zeros = torch.zeros(len(scale), dtype=torch.int32) if zero is None else zero
        return lambda v: torch.fake_quantize_per_channel_affine(v, scale, zeros, 0, *ends)
    return lambda v: torch.fake_quantize_per_tensor_affine(v, float(scale), 0 if zero is None else int(zero), *ends)


def by_brevitas(scheme: Scheme, x: torch.Tensor) -> Callable[[torch.Tensor], torch.Tensor] | None:
    """Brevitas' weight quantiser of the same grid with scales from the extremes, as it computes them at each pass."""
    if scheme.name not in ("int8", "int4-c0", "e4m3", "e2m1-c0"):
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from brevitas.nn import QuantLinear
            from brevitas.quant.float import Fp8e4m3WeightPerChannelFloat, Fp8e4m3WeightPerTensorFloat
            from brevitas.quant.scaled_int import Int8WeightPerChannelFloat, Int8WeightPerTensorFloat
    except ImportError:
        return None
    kinds = {
        "int": (Int8WeightPerTensorFloat, Int8WeightPerChannelFloat),
        "float": (Fp8e4m3WeightPerTensorFloat, Fp8e4m3WeightPerChannelFloat),
    }
    options: dict[str, Any] = {"weight_bit_width": scheme.bits}
    if scheme.kind == "float":
        e, m = scheme.exponent_bits, scheme.mantissa_bits
        options |= {
            "weight_exponent_bit_width": e,
            "weight_mantissa_bit_width": m,
            "weight_exponent_bias": scheme.exponent_bias,
        }
    layer = QuantLinear(
        x.shape[1], x.shape[0], bias=False, weight_quant=kinds[scheme.kind]["c0" in scheme.name], **options
    )
    quantiser = layer.weight_quant.tensor_quant
    return lambda v: quantiser(v)[0]  # type: ignore[no-any-return]


if __name__ == "__main__":
    for found in run():
        print({k: round(v, 3) if isinstance(v, float) else v for k, v in found.items()})

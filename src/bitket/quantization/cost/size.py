"""Bytes of a quantised network, all of them: packed codes, scales, zero points, and what stays float.

    bytes(W) = rows * ceil(n/rows * b / 8) + scales * bytes(scale) + zero points * ceil(b / 8)

Codes are packed by output channel, each row filled up to whole bytes. Statistics of norms fold into weights and biases and are not
counted. 1 MB is 10^6 bytes, 1 MiB 2^20; published tables say MB and mostly mean MiB.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from torch import nn

from bitket.errors import InvalidInput
from bitket.quantization.grids import Dyadic, Float32, Nested, PowerOfTwo, Scheme

__all__ = ["code_bytes", "float_bytes", "readable", "size_table", "stored_bytes", "weight_compression"]


def code_bytes(shape: Sequence[int], bits: int) -> int:
    """Bytes of the packed codes of a tensor, rows along its first axis.

    >>> code_bytes((64, 3, 3, 3), 4), code_bytes((2, 3), 2)
    (896, 2)
    """
    rows = shape[0] if len(shape) else 1
    return rows * math.ceil(math.prod(shape) // max(rows, 1) * bits / 8)


def stored_bytes(shape: Sequence[int], scheme: Scheme) -> int:
    """Bytes of a tensor: codes, scales and zero points.

    >>> stored_bytes((64, 3, 3, 3), Scheme.parse("int4-c0")), stored_bytes((64, 3, 3, 3), Scheme.parse("int4-c0-asym"))
    (1152, 1216)
    """
    scales = scheme.granularity.scale_shape(tuple(shape))
    count = math.prod(scales)
    match scheme.scale:
        case Float32():
            total = 4 * count
        case PowerOfTwo():
            total = count
        case Dyadic(bits):
            total = (math.ceil(bits / 8) + 1) * count
        case Nested(bits, outer):
            outside = scales[0] if outer == "channel" and scales else 1
            total = code_bytes(scales, bits) + 4 * outside
    zeros = 0 if scheme.symmetric else math.ceil(scheme.bits / 8) * count
    return code_bytes(shape, scheme.bits) + total + zeros


def float_bytes(model: nn.Module, without: Iterable[str] = ()) -> int:
    """Bytes of a model's parameters as they are, leaving out the weights of some layers."""
    left = {f"{name}.weight" if name else "weight" for name in without}
    return sum(p.numel() * p.element_size() for name, p in model.named_parameters() if name not in left)


def size_table(
    model: nn.Module, schemes: Mapping[str, Mapping[int | str, Scheme]]
) -> tuple[dict[str, dict[int | str, float]], float]:
    """Bytes of each layer's weight for each choice, and of all else, which stays float.

    Parameters
    ----------
    schemes
        By layer path and choice.

    Raises
    ------
    InvalidInput
        The model has no such layer, or it has no weight.
    """
    table: dict[str, dict[int | str, float]] = {}
    known = dict(model.named_modules())
    for name, row in schemes.items():
        weight = getattr(known.get(name), "weight", None)
        if weight is None:
            raise InvalidInput(f"size: the model has no layer '{name}' with a weight")
        table[name] = {choice: float(stored_bytes(weight.shape, scheme)) for choice, scheme in row.items()}
    return table, float(float_bytes(model, schemes))


def weight_compression(weights: Mapping[str, int], bits: Mapping[str, int]) -> float:
    """W-comp of the published tables: 32 bits for every weight over the bits of all.

    >>> weight_compression({"a": 100, "b": 300}, {"a": 8, "b": 4})
    6.4
    """
    return 32 * sum(weights.values()) / sum(n * bits[name] for name, n in weights.items())


def readable(size: float) -> str:
    """A size for people, in both units.

    >>> readable(8_380_000)
    '8.38 MB (7.99 MiB)'
    """
    return f"{size / 1e6:.3g} MB ({size / 2**20:.3g} MiB)"

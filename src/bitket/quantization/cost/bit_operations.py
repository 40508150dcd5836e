"""Bit operations: multiplications and additions of each layer times the bits of both operands, from a run of shapes alone.

    BOPS = sum_l MAC_l b_w,l b_a,l

Source: Yao et al. 2020, arXiv:2011.10680, section 3.4 (Baskin et al. 2018 count the same).
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from bitket.errors import InvalidInput

__all__ = ["bit_operation_table", "bit_operations", "multiplications"]


def multiplications(model: nn.Module, inputs: Tensor) -> dict[str, int]:
    """Multiply-accumulates of each layer that does any, for one input; nothing is computed.

    Parameters
    ----------
    inputs
        A batch; only its shape and type matter.

    Raises
    ------
    InvalidInput
        The model cannot run on this shape, or control flow that needs values stands in the way.
    """
    tensors = {name: t.to("meta") for name, t in (*model.named_parameters(), *model.named_buffers())}
    counter = FlopCounterMode(display=False)
    try:
        with counter, torch.no_grad():
            torch.func.functional_call(model, tensors, (inputs.to("meta"),))
    except (RuntimeError, NotImplementedError, ValueError) as error:
        raise InvalidInput(
            f"a run of shapes {tuple(inputs.shape)} through {type(model).__name__} fails: {str(error).splitlines()[0]}"
        ) from None
    root = type(model).__name__
    found = {name: sum(ops.values()) // 2 for name, ops in counter.get_flop_counts().items()}
    counts = {}
    for path in (name for name, _ in model.named_modules()):
        key = f"{root}.{path}" if path else root
        inner = sum(found.get(f"{key}.{child}", 0) for child, _ in model.get_submodule(path).named_children())
        if found.get(key, 0) > inner:
            counts[path] = (found[key] - inner) // len(inputs)
    return counts


def bit_operations(macs: Mapping[str, int], weight_bits: Mapping[str, int], input_bits: Mapping[str, int]) -> int:
    """Bit operations of all layers.

    >>> bit_operations({"a": 10, "b": 5}, {"a": 4, "b": 8}, {"a": 4, "b": 8})
    480
    """
    return sum(count * weight_bits[name] * input_bits[name] for name, count in macs.items())


def bit_operation_table(
    macs: Mapping[str, int], choices: Mapping[str, Mapping[int | str, tuple[int, int]]]
) -> dict[str, dict[int | str, float]]:
    """Bit operations of each layer for each choice of weight and input bits."""
    return {
        name: {choice: float(macs[name] * w * a) for choice, (w, a) in row.items()} for name, row in choices.items()
    }

"""Float networks to quantise, from ``.pt2`` programs: graphs of modules of `torch.nn`, batch norms folded, and the shape that they take."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from bitket.errors import InvalidInput
from bitket.quantization.formats.torch_export import read_program
from bitket.quantization.graph import as_modules, fold_batch_norm, trace

__all__ = ["FloatProgram", "plain", "read_float_program"]

_TRAINING = {  # operators, and which argument says that they are in training mode
    "batch_norm": 5,
    "dropout": 2,
    "native_dropout": 2,
    "_native_batch_norm_legit": 5,
    "_native_batch_norm_legit_functional": 5,
}


@dataclass(frozen=True)
class FloatProgram:
    """A float network of one input.

    Attributes
    ----------
    model
        In evaluation mode.
    shape
        Of one sample.
    dtype
        Of the input.
    batch
        How many samples it takes at once; None for any number.
    """

    model: torch.nn.Module
    shape: tuple[int, ...]
    dtype: torch.dtype
    batch: int | None


def read_float_program(path: str | Path) -> FloatProgram:
    """The network of a ``.pt2`` file.

    Raises
    ------
    InvalidInput
        It is no program of torch.export, was exported in training mode, is quantised already, takes more than one input, or one whose size
        is free elsewhere than in its first axis.
    """
    program = read_program(path)
    for node in program.graph.nodes:
        name = str(getattr(node.target, "_opname", ""))
        if getattr(node.target, "namespace", "") == "quantized_decomposed":
            raise InvalidInput(f"{path}: it is quantised already; start from the float model")
        at = _TRAINING.get(name)
        if at is not None and len(node.args) > at and node.args[at] is True:
            raise InvalidInput(
                f"{path}: it was exported in training mode ({name}); call model.eval() before the export"
            )
    names = program.graph_signature.user_inputs
    if len(names) != 1:
        raise InvalidInput(f"{path}: it takes {len(names)} inputs; networks of one input are quantised from files")
    value: Any = next(n for n in program.graph.nodes if n.name == names[0]).meta["val"]
    if not isinstance(value, torch.Tensor) or value.ndim < 2 or not all(isinstance(s, int) for s in value.shape[1:]):
        raise InvalidInput(
            f"{path}: its input is {tuple(getattr(value, 'shape', ()))}; samples of one fixed shape are needed"
        )
    shape, batch = tuple(int(s) for s in value.shape[1:]), value.shape[0]
    fixed = batch if isinstance(batch, int) else None
    module = program.module(check_guards=False)
    for part in module.modules():  # its operators say their mode themselves, as seen above
        part.training = False
    example = torch.zeros((fixed or 2, *shape), dtype=value.dtype)
    return FloatProgram(plain(module, example), shape, value.dtype, fixed)


def plain(model: torch.nn.Module, example: Any) -> torch.nn.Module:
    """A float network's graph with batch norms folded, as they are before anything is stored, and modules of `torch.nn` for its layers.

    Parameters
    ----------
    model
        In evaluation mode.
    example
        A batch of inputs.
    """
    graph = trace(model, example)
    fold_batch_norm(graph)
    return as_modules(graph)

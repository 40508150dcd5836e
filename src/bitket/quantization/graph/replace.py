"""The way in without a graph: linear layers, convolutions and embeddings of a model are exchanged for `Layer`s, by type and path.

For networks too large or too lively for `torch.export`. Functional operators between modules are not seen and stay in float.
"""

from __future__ import annotations

import fnmatch

import torch

from bitket.errors import InvalidInput
from bitket.quantization.graph.layers import Layer

__all__ = ["replace_modules"]

_TYPES: dict[type, str] = {
    torch.nn.Linear: "linear",
    torch.nn.Conv1d: "conv1d",
    torch.nn.Conv2d: "conv2d",
    torch.nn.Conv3d: "conv3d",
    torch.nn.Embedding: "embedding",
}


def replace_modules(
    model: torch.nn.Module, include: tuple[str, ...] = ("*",), exclude: tuple[str, ...] = ()
) -> tuple[tuple[str, str], ...]:
    """Exchange the layers of a model, in place; parameters are kept, ties included.

    Parameters
    ----------
    model
        Any module that is not itself one layer.
    include, exclude
        Shell patterns of paths.

    Returns
    -------
    unknown
        Modules with a matrix or more of weights that are no known layer, and so stay in float: (path, type).

    Raises
    ------
    InvalidInput
        No layer is left to exchange.
    """
    unknown: list[tuple[str, str]] = []
    made: dict[int, Layer] = {}
    inside: list[str] = []  # paths of modules that read their children's weights themselves
    for path, module in list(model.named_modules(remove_duplicate=False)):
        if isinstance(module, torch.nn.MultiheadAttention | torch.nn.TransformerEncoderLayer):
            inside.append(f"{path}." if path else "")
            unknown.append((path, f"{type(module).__name__}, which reads its weights itself"))
            continue
        if any(path.startswith(p) for p in inside):
            continue
        if not any(fnmatch.fnmatchcase(path, p) for p in include) or any(fnmatch.fnmatchcase(path, p) for p in exclude):
            continue
        kind = _TYPES.get(type(module))
        if kind is None or getattr(module, "padding_mode", "zeros") != "zeros":
            if any(p.ndim > 1 for p in module.parameters(recurse=False)):
                unknown.append((path, type(module).__name__))
            continue
        if not path:
            raise InvalidInput("model: it is one layer; put it into a torch.nn.Sequential")
        parent, _, name = path.rpartition(".")
        layer = made.setdefault(id(module), _layer(module, kind))
        setattr(model.get_submodule(parent), name, layer)
    if not made:
        raise InvalidInput(
            f"model {type(model).__name__}: no linear layer, convolution or embedding is left to quantise among the paths {list(include)}"
        )
    return tuple(unknown)


def _layer(module: torch.nn.Module, kind: str) -> Layer:
    names = (
        ("stride", "padding", "dilation", "groups")
        if kind.startswith("conv")
        else ("padding_idx",) * (kind == "embedding")
    )
    options = {name: getattr(module, name) for name in names}
    layer = Layer(kind, module.weight, getattr(module, "bias", None), options)  # type: ignore[arg-type]
    return layer.train(module.training)

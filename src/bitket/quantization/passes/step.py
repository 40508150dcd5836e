"""A pass changes a network before it has quantisers or after they are calibrated; passes compose in the order in which they stand."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch.fx import GraphModule

from bitket.errors import InvalidInput
from bitket.quantization.calibration import run
from bitket.quantization.graph import Layer, Places
from bitket.runs.progress import Bars

__all__ = ["Pass", "Work", "captured", "needs_graph"]


@dataclass
class Work:
    """What a pass works on, in place.

    Attributes
    ----------
    model
        The network; with quantisers in passes that come after calibration.
    data
        Batches of model inputs.
    bars
        Shows progress.
    places
        The network's places; empty before there are quantisers.
    reference
        The float network as it was when the quantisers came; for passes after calibration.
    """

    model: torch.nn.Module
    data: Any
    bars: Bars
    places: Places = Places(())  # noqa: RUF009 - frozen
    reference: torch.nn.Module | None = None


class Pass(ABC):
    """One step of a method, as data."""

    when: ClassVar[Literal["before", "after"]]

    @abstractmethod
    def apply(self, work: Work) -> str:
        """Change the network; a line for the report."""


def needs_graph(model: torch.nn.Module, what: str) -> GraphModule:
    """The network as a graph.

    Raises
    ------
    InvalidInput
        Its modules were exchanged without a graph.
    """
    if not isinstance(model, GraphModule):
        raise InvalidInput(f"{what}: it follows values through the network's graph; use form='graph'")
    return model


class _Enough(Exception):
    """The layer was reached; the rest of the network need not run."""


def captured(model: torch.nn.Module, layer: Layer, data: Any) -> Iterator[torch.Tensor]:
    """What a layer multiplies its weight with, batch by batch: its input behind factor and quantiser; all calls in one batch joined."""
    seen: list[torch.Tensor] = []
    calls = _calls(model, layer)

    def watch(module: torch.nn.Module, args: tuple[Any, ...]) -> None:
        x = args[0].detach()
        if layer.input_factor is not None:
            shape = [-1 if d == layer.channel_axis % x.ndim else 1 for d in range(x.ndim)]
            x = x * layer.input_factor.view(shape)
        seen.append(x if layer.input_quantiser is None else layer.input_quantiser(x))
        if len(seen) == calls:
            raise _Enough

    hook = layer.register_forward_pre_hook(watch)
    try:
        for batch in data:
            seen.clear()
            with torch.no_grad(), suppress(_Enough):
                run(model, batch)
            yield from seen
    finally:
        hook.remove()


def _calls(model: torch.nn.Module, layer: Layer) -> int:
    """How often one run calls a layer; 0 where that is not known, so that the run goes to its end."""
    if not isinstance(model, GraphModule):
        return 0
    return sum(n.op == "call_module" and model.get_submodule(str(n.target)) is layer for n in model.graph.nodes)

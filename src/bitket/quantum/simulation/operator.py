"""A quantum layer as one opaque operator of torch: what `torch.compile` and `torch.export` keep whole in their graphs.

Operators take tensors and text alone, so a layer goes by a name under which it is kept here for as long as it lives.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol
from weakref import WeakValueDictionary

import torch

from bitket.errors import InvalidInput

__all__ = ["Layer", "register", "values"]


class Layer(Protocol):
    """What the operator needs of a layer."""

    operators: list[Any]

    def values(self, weights: torch.Tensor, inputs: torch.Tensor | None) -> torch.Tensor:
        """Expectation values ``[..., m]``; leading shapes broadcast."""
        ...


_LAYERS: WeakValueDictionary[str, Any] = WeakValueDictionary()
_COUNT = itertools.count()


def register(layer: Layer) -> str:
    """A name for a layer, valid while the layer lives."""
    name = str(next(_COUNT))
    _LAYERS[name] = layer
    return name


def _layer(name: str) -> Layer:
    layer: Layer | None = _LAYERS.get(name)
    if layer is None:
        raise InvalidInput("the quantum layer of this compiled function is gone: keep the layer, or compile again")
    return layer


@torch.library.custom_op(
    "bitket::expectation", mutates_args=(), schema="(Tensor weights, Tensor? inputs, str layer) -> Tensor"
)
def values(weights: torch.Tensor, inputs: torch.Tensor | None, layer: str) -> torch.Tensor:
    """Expectation values ``[..., m]`` of a registered layer."""
    with torch.no_grad():
        return _layer(layer).values(weights, inputs).contiguous()


@values.register_fake
def _(weights: torch.Tensor, inputs: torch.Tensor | None, layer: str) -> torch.Tensor:
    batch = weights.shape[:-1] if inputs is None else torch.broadcast_shapes(weights.shape[:-1], inputs.shape[:-1])
    return weights.new_empty((*batch, len(_layer(layer).operators)))


@torch.library.custom_op(
    "bitket::expectation_backward",
    mutates_args=(),
    schema="(Tensor weights, Tensor? inputs, Tensor upstream, str layer) -> (Tensor, Tensor)",
)
def slopes(
    weights: torch.Tensor, inputs: torch.Tensor | None, upstream: torch.Tensor, layer: str
) -> tuple[torch.Tensor, torch.Tensor]:
    """Vector-Jacobian products for weights and inputs (empty where there are none)."""
    to_weights, to_inputs = _slopes(weights.detach(), None if inputs is None else inputs.detach(), upstream, layer)
    return to_weights.contiguous(), to_inputs.contiguous()


@contextmanager
def _graph() -> Iterator[None]:
    """Lets torch record a graph inside an operator, which runs below autograd."""
    core = torch._C
    exclude = core._dispatch_tls_local_exclude_set()
    for key in (core.DispatchKey.AutogradFunctionality, core.DispatchKey.ADInplaceOrView):
        exclude = exclude.remove(key)
    with core._ForceDispatchKeyGuard(core._dispatch_tls_local_include_set(), exclude), torch.enable_grad():
        yield


def _slopes(
    weights: torch.Tensor, inputs: torch.Tensor | None, upstream: torch.Tensor, layer: str, again: bool = False
) -> tuple[torch.Tensor, torch.Tensor]:
    given = [v if v.requires_grad else v.detach().requires_grad_() for v in (weights, inputs) if v is not None]
    with _graph():
        out = _layer(layer).values(given[0], given[1] if inputs is not None else None)
        found = torch.autograd.grad(out, given, upstream, create_graph=again, materialize_grads=True)
    return found[0], found[1] if inputs is not None else weights.new_empty(0)


@slopes.register_fake
def _(
    weights: torch.Tensor, inputs: torch.Tensor | None, upstream: torch.Tensor, layer: str
) -> tuple[torch.Tensor, torch.Tensor]:
    return weights.new_empty(weights.shape), weights.new_empty(0) if inputs is None else inputs.new_empty(inputs.shape)


def _keep(ctx: Any, inputs: Any, output: Any) -> None:
    *tensors, ctx.layer = inputs
    ctx.save_for_backward(*tensors)


def _first(ctx: Any, upstream: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None, None]:
    weights, inputs = ctx.saved_tensors
    to_weights, to_inputs = slopes(weights, inputs, upstream, ctx.layer)
    return to_weights, None if inputs is None else to_inputs, None


@torch.library.custom_op(
    "bitket::expectation_curvature",
    mutates_args=(),
    schema="(Tensor weights, Tensor? inputs, Tensor upstream, Tensor to_weights, Tensor to_inputs, str layer) -> (Tensor, Tensor, Tensor)",
)
def curvature(
    weights: torch.Tensor,
    inputs: torch.Tensor | None,
    upstream: torch.Tensor,
    to_weights: torch.Tensor,
    to_inputs: torch.Tensor,
    layer: str,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Vector-Jacobian products of `slopes`, for weights, inputs and upstream."""
    given = [v.detach().requires_grad_() for v in (weights, upstream, inputs) if v is not None]
    first = _slopes(given[0], given[2] if inputs is not None else None, given[1], layer, again=True)
    count = len(given) - 1
    with _graph():
        found = torch.autograd.grad(first[:count], given, (to_weights, to_inputs)[:count], materialize_grads=True)
    own = found[2] if inputs is not None else weights.new_empty(0)
    return found[0].contiguous(), own.contiguous(), found[1].contiguous()


@curvature.register_fake
def _(
    weights: torch.Tensor,
    inputs: torch.Tensor | None,
    upstream: torch.Tensor,
    to_weights: torch.Tensor,
    to_inputs: torch.Tensor,
    layer: str,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    own = weights.new_empty(0) if inputs is None else inputs.new_empty(inputs.shape)
    return weights.new_empty(weights.shape), own, upstream.new_empty(upstream.shape)


def _second(
    ctx: Any, to_weights: torch.Tensor, to_inputs: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor | None, torch.Tensor, None]:
    weights, inputs, upstream = ctx.saved_tensors
    own, own_inputs, above = curvature(weights, inputs, upstream, to_weights, to_inputs, ctx.layer)
    return own, None if inputs is None else own_inputs, above, None


torch.library.register_autograd("bitket::expectation", _first, setup_context=_keep)
torch.library.register_autograd("bitket::expectation_backward", _second, setup_context=_keep)

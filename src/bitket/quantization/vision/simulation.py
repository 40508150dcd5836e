"""Networks with simulated grids at the weights and inputs of their layers, ready for evaluation and for training.

A weight is rounded in every pass, with scales of its present extremes; an input is rounded with scales that calibration fixed. Norms stay
as they are, and so does every layer that is not named.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from bitket.errors import InvalidInput
from bitket.quantization.fake import FakeQuantize
from bitket.quantization.grids import Channel, Scheme, choose_scale, rounded
from bitket.quantization.sensitivity.hessian import weight_blocks

__all__ = [
    "calibrate",
    "enable",
    "input_extremes",
    "input_perturbation",
    "input_scheme",
    "layers_of",
    "readers",
    "simulate",
    "weight_scheme",
]

_INPUT = "input_grid"


def weight_scheme(bits: int) -> Scheme:
    """Asymmetric, one scale an output channel, from least to largest weight."""
    return Scheme(bits, symmetric=False, granularity=Channel(0))


def input_scheme(bits: int) -> Scheme:
    """Asymmetric without sign, one scale."""
    return Scheme(bits, signed=False, symmetric=False)


def layers_of(model: nn.Module) -> list[str]:
    """Paths of the convolutions and linear layers, in the order in which the model holds them."""
    return list(weight_blocks(model))


def _round_input(module: nn.Module, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    return (module.get_submodule(_INPUT)(arguments[0]), *arguments[1:])


def simulate(model: nn.Module, weights: Mapping[str, Scheme], inputs: Mapping[str, Scheme] | None = None) -> nn.Module:
    """A copy of a model with grids at some weights and inputs; those of inputs wait for `calibrate`.

    Raises
    ------
    InvalidInput
        There is no such layer, it has no weight, or the model has such grids already.
    """
    model = copy.deepcopy(model)
    known = dict(model.named_modules())
    if any(isinstance(m, FakeQuantize) for m in known.values()):
        raise InvalidInput("the model is quantised already; the float model is needed")
    for name in {**weights, **(inputs or {})}:
        if name not in known:
            raise InvalidInput(f"the model has no layer '{name}'")
    for name, scheme in weights.items():
        if not isinstance(getattr(known[name], "weight", None), Tensor):
            raise InvalidInput(f"layer '{name}' has no weight")
        parametrize.register_parametrization(known[name], "weight", FakeQuantize(scheme, dynamic=True))
    for name, scheme in (inputs or {}).items():
        grid = FakeQuantize(scheme)
        grid.enabled = False
        known[name].add_module(_INPUT, grid)
        known[name].register_forward_pre_hook(_round_input)
    return model


def enable(model: nn.Module, layers: Iterable[str], on: bool = True) -> None:
    """Let the grids of some layers act, or not; an input's only after calibration."""
    for name in layers:
        layer = model.get_submodule(name)
        for grid in layer.modules():
            if isinstance(grid, FakeQuantize):
                grid.enabled = on and (grid.dynamic or grid.scale is not None)


def _watched(
    model: nn.Module, layers: Iterable[str], see: Callable[[str, Tensor], None], batches: Iterable[Tensor]
) -> None:
    """Run batches and show each layer's input as it comes."""

    def hook(name: str) -> Callable[..., None]:
        return lambda module, arguments: see(name, arguments[0])

    # before the hook that rounds, so that values are seen as they come
    handles = [model.get_submodule(n).register_forward_pre_hook(hook(n), prepend=True) for n in layers]
    try:
        with torch.no_grad():
            for x in batches:
                model(x)
    finally:
        for handle in handles:
            handle.remove()


def calibrate(model: nn.Module, batches: Iterable[Tensor], layers: Iterable[str] | None = None) -> None:
    """Fix the scales of inputs by the extremes over some batches, as the model is at present, and let these grids act.

    Parameters
    ----------
    batches
        Inputs of the model; gone through once, one at a time.
    layers
        Whose inputs; by default all that have a grid.

    Raises
    ------
    InvalidInput
        There is no batch, or a layer's input is not finite.
    """
    grids = {n: m.get_submodule(_INPUT) for n, m in model.named_modules() if _INPUT in dict(m.named_children())}
    chosen = [n for n in grids if layers is None or n in set(layers)]
    if not chosen:
        return
    found = input_extremes(model, chosen, batches)
    for name in chosen:
        grid = grids[name]
        assert isinstance(grid, FakeQuantize)
        try:
            grid.fix(*choose_scale(*found[name], grid.scheme))
        except InvalidInput as error:
            raise InvalidInput(f"calibration: input of layer '{name}': {error}") from None
        grid.enabled = True


def input_extremes(
    model: nn.Module, layers: Iterable[str], batches: Iterable[Tensor]
) -> dict[str, tuple[Tensor, Tensor]]:
    """Least and largest value of each layer's input over some batches, as the values come before any rounding.

    Raises
    ------
    InvalidInput
        There is no batch.
    """
    found: dict[str, tuple[Tensor, Tensor]] = {}

    def see(name: str, x: Tensor) -> None:
        low, high = x.amin(), x.amax()
        before = found.get(name, (low, high))
        found[name] = (torch.minimum(before[0], low), torch.maximum(before[1], high))

    _watched(model, layers, see, batches)
    if not found:
        raise InvalidInput("calibration: there is no batch; at least one is needed")
    return found


def input_perturbation(
    model: nn.Module, schemes: Mapping[str, Mapping[int | str, Scheme]], batches: Sequence[Tensor]
) -> dict[str, dict[int | str, float]]:
    """The mean over images of |Q(a) - a|^2 for each layer's input a and each choice, with scales of the extremes over all batches."""
    low_high = input_extremes(model, schemes, batches)
    scales = {n: {c: choose_scale(*low_high[n], s) for c, s in row.items()} for n, row in schemes.items()}
    total: dict[str, dict[int | str, float]] = {n: dict.fromkeys(row, 0.0) for n, row in schemes.items()}

    def see(name: str, x: Tensor) -> None:
        for c, scheme in schemes[name].items():
            total[name][c] += float((rounded(x, scheme, *scales[name][c]) - x).double().square().sum())

    _watched(model, schemes, see, batches)
    count = sum(len(x) for x in batches)
    return {n: {c: t / count for c, t in row.items()} for n, row in total.items()}


def readers(model: nn.Module, layers: Iterable[str], batch: Tensor) -> list[list[str]]:
    """Which layers read one and the same tensor (a skip convolution and its sibling), found by a run."""
    seen: dict[str, Tensor] = {}
    _watched(model, layers, lambda name, x: seen.update({name: x}), [batch])
    groups: dict[tuple[int, tuple[int, ...]], list[str]] = {}
    for name, x in seen.items():
        groups.setdefault((x.data_ptr(), tuple(x.stride())), []).append(name)
    return [names for names in groups.values() if len(names) > 1]

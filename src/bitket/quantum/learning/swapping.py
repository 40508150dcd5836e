"""What does a quantum layer do to a network? Swap its layers one kind after the other, and train each network by the same rule.

Layers are named by their type or by their path in the model; what stands in their place has the same shapes of input and output:

>>> from bitket.quantum.learning.flipped import FlippedQuanv2d
>>> model = torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3), torch.nn.Flatten(), torch.nn.Linear(4 * 36, 10))
>>> [str(swap) for swap in swap_plan(model, {torch.nn.Conv2d: FlippedQuanv2d})]
['0: Conv2d (40 parameters) -> FlippedQuanv2d (64 parameters)']
>>> swap_layers(model, {"0": FlippedQuanv2d})[0]
FlippedQuanv2d(
  1, 4, kernel_size=(3, 3), stride=(1, 1), padding=(0, 0)
  (gates): SpecialUnitary(qubits=2, shape=(4, 1), parametrisation=unitary)
)
"""

from __future__ import annotations

import copy
import difflib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from bitket.errors import InvalidInput

__all__ = ["Swap", "Swaps", "parameter_count", "reset_parameters", "swap_layers", "swap_levels", "swap_plan"]

Maker = Callable[..., torch.nn.Module]
Swaps = Mapping[Any, Any]
"""From types of layers or their paths to a class with ``replacing(layer, generator=...)``, or a function called so."""

_CONTAINERS = (torch.nn.Sequential, torch.nn.ModuleList, torch.nn.ModuleDict)


@dataclass(frozen=True)
class Swap:
    """One layer of a plan.

    Attributes
    ----------
    path
        Where it is in the model (``features.0``).
    old, new
        Names of the two layers' types; the new one is empty where none can be.
    before, after
        Their parameters.
    reason
        Why it cannot be swapped; empty if it can.
    shape_in, shape_out
        Of the layer's input and output for the example, or nothing without one.
    """

    path: str
    old: str
    new: str
    before: int
    after: int
    reason: str = ""
    shape_in: tuple[int, ...] = ()
    shape_out: tuple[int, ...] = ()

    def __str__(self) -> str:
        """In one line."""
        shapes = f", {self.shape_in} to {self.shape_out}" if self.shape_out else ""
        target = (
            f"{self.new} ({self.after} parameters{shapes})" if not self.reason else f"cannot be swapped: {self.reason}"
        )
        return f"{self.path or 'the model'}: {self.old} ({self.before} parameters) -> {target}"


def parameter_count(module: torch.nn.Module) -> int:
    """Trainable numbers, a complex one counted once."""
    return sum(p.numel() for p in module.parameters() if p.requires_grad)


def swap_plan(model: torch.nn.Module, swaps: Swaps, example: torch.Tensor | None = None) -> list[Swap]:
    """What `swap_layers` would do, layer by layer, and why it would refuse; nothing is changed.

    Parameters
    ----------
    model
        Any module.
    swaps
        As of `swap_layers`.
    example
        A batch of inputs of the model: the plan then names the shapes at each layer.

    Raises
    ------
    InvalidInput
        No layer has a type or path that is asked for.
    """
    model = copy.deepcopy(model)
    shapes = {} if example is None else _seen(model, [path for path, _, _ in _chosen(model, swaps)], example)
    plan = []
    for path, layer, maker in _chosen(model, swaps):
        before = parameter_count(layer)
        seen = (tuple(shapes[path][0].shape), tuple(shapes[path][1].shape)) if path in shapes else ((), ())
        try:
            new = _made(model, path, layer, maker, torch.Generator().manual_seed(0))
            plan.append(Swap(path, type(layer).__name__, type(new).__name__, before, parameter_count(new), "", *seen))
        except InvalidInput as error:
            plan.append(Swap(path, type(layer).__name__, "", before, 0, str(error), *seen))
    return plan


def swap_layers(
    model: torch.nn.Module,
    swaps: Swaps,
    *,
    generator: torch.Generator | None = None,
    example: torch.Tensor | None = None,
) -> torch.nn.Module:
    """A copy of a model with some layers swapped; all other layers keep their weights.

    Parameters
    ----------
    model
        Any module; it is left as it is.
    swaps
        For a type of layers (that very type, no subclass) or a path, what takes their place: a class with a class method
        ``replacing(layer, generator=...)``, such as `FlippedQuanv2d` and `ReuploadingLinear`, or a function called like it. A path counts
        more than a type. A layer that stands at several places is swapped once and shared as before.
    generator
        Source of the new layers' first parameters; None: torch's own.
    example
        A batch of inputs of the model: the new layers' outputs are then checked to have the old ones' shapes.

    Raises
    ------
    InvalidInput
        No layer has a type or path that is asked for, or one cannot be swapped; the message begins with its path.
    """
    result = copy.deepcopy(model)
    chosen = list(_chosen(result, swaps))
    seen = {} if example is None else _seen(result, [path for path, _, _ in chosen], example)
    made: dict[int, torch.nn.Module] = {}
    for path, layer, maker in chosen:
        if id(layer) not in made:
            try:
                made[id(layer)] = _made(result, path, layer, maker, generator)
                if path in seen:
                    _same_shape(made[id(layer)], *seen[path])
            except InvalidInput as error:
                raise InvalidInput(f"{path or 'the model'}: {error}") from None
    for path, layer, _ in chosen:
        if not path:
            return made[id(layer)]
        parent, _, name = path.rpartition(".")
        setattr(result.get_submodule(parent), name, made[id(layer)])
    return result


def swap_levels(
    model: torch.nn.Module, swaps: Swaps, *, fresh: bool = True
) -> dict[str, Callable[[torch.Generator], torch.nn.Module]]:
    """The networks on the way: the model as it is, then with the first entry of ``swaps``, with the first two, and so on.

    Parameters
    ----------
    fresh
        Draw all weights anew for each network (by the layers' own ``reset_parameters``); False keeps those of layers that are not
        swapped, to see what a layer does to a network that is trained already.

    Returns
    -------
    dict
        From names (``"0"``, ``"1 Conv2d"``, ...) to functions that make the network from a generator.

    Raises
    ------
    InvalidInput
        As `swap_layers`: now, not when the first network is made.
    """

    def level(entries: Swaps) -> Callable[[torch.Generator], torch.nn.Module]:
        def make(generator: torch.Generator) -> torch.nn.Module:
            new = copy.deepcopy(model)
            if fresh:
                reset_parameters(new, generator)
            return swap_layers(new, entries, generator=generator) if entries else new

        return make

    swap_layers(model, swaps, generator=torch.Generator().manual_seed(0))
    keys = list(swaps)
    names = ["0", *(f"{k + 1} {key if isinstance(key, str) else key.__name__}" for k, key in enumerate(keys))]
    return {name: level({key: swaps[key] for key in keys[:k]}) for k, name in enumerate(names)}


def reset_parameters(model: torch.nn.Module, generator: torch.Generator) -> None:
    """Draw the weights of all layers that have ``reset_parameters`` anew."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(torch.randint(2**62, (), generator=generator)))
        for layer in model.modules():
            reset = getattr(layer, "reset_parameters", None)
            if callable(reset):
                reset()


def _chosen(model: torch.nn.Module, swaps: Swaps) -> Iterator[tuple[str, torch.nn.Module, Maker]]:
    """Paths, layers and what makes their successors, in the order of the model."""
    if not swaps:
        raise InvalidInput("swaps: none is asked for; types of layers or their paths are needed")
    layers = dict(model.named_modules(remove_duplicate=False))
    for key in swaps:
        if isinstance(key, str):
            if key not in layers:
                near = difflib.get_close_matches(key, layers, 1)
                raise InvalidInput(
                    f"{key}: the model has no such layer" + (f"; did you mean '{near[0]}'?" if near else "")
                )
        elif not isinstance(key, type) or not any(type(layer) is key for layer in layers.values()):
            kinds = sorted({type(layer).__name__ for layer in layers.values() if not list(layer.children())})
            raise InvalidInput(
                f"{getattr(key, '__name__', key)}: the model has no layer of this type; it has {', '.join(kinds)}"
            )
    for path, layer in layers.items():
        maker: Any = swaps.get(path, swaps.get(type(layer)))
        if maker is not None:
            yield path, layer, getattr(maker, "replacing", maker)


def _made(
    model: torch.nn.Module, path: str, layer: torch.nn.Module, maker: Maker, generator: torch.Generator | None
) -> torch.nn.Module:
    """What takes a layer's place, in its mode."""
    parent = model.get_submodule(path.rpartition(".")[0]) if path else None
    if parent is not None and type(parent).__module__.startswith("torch.nn.") and not isinstance(parent, _CONTAINERS):
        raise InvalidInput(f"its parent, a {type(parent).__name__}, uses its weights itself")
    if layer._forward_hooks or layer._forward_pre_hooks or layer._backward_hooks:
        raise InvalidInput("it has hooks, which would be lost")
    own = {id(p) for p in layer.parameters()}
    for other in model.modules():
        if other is not layer and any(id(p) in own for p in other.parameters(recurse=False)):
            raise InvalidInput(f"it shares a weight with a {type(other).__name__}, and cannot lose it")
    new = maker(layer, generator=generator)
    if not isinstance(new, torch.nn.Module):
        raise InvalidInput(f"what should take its place is a {type(new).__name__}; a module is needed")
    return new.train(layer.training)


def _seen(
    model: torch.nn.Module, paths: list[str], example: torch.Tensor
) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    """Input and output of the layers for a batch of inputs of the model."""
    seen: dict[str, tuple[torch.Tensor, torch.Tensor]] = {}
    handles = [
        model.get_submodule(path).register_forward_hook(
            lambda layer, inputs, output, path=path: seen.__setitem__(path, (inputs[0].detach(), output.detach()))
        )
        for path in paths
    ]
    mode = model.training
    try:
        with torch.no_grad():
            model.eval()(example)
    except RuntimeError as error:
        raise InvalidInput(f"example of shape {tuple(example.shape)}: {str(error).splitlines()[0]}") from None
    finally:
        model.train(mode)
        for handle in handles:
            handle.remove()
    return seen


def _same_shape(new: torch.nn.Module, inputs: torch.Tensor, output: torch.Tensor) -> None:
    with torch.no_grad():
        found = tuple(new(inputs).shape)
    if found != tuple(output.shape):
        raise InvalidInput(f"outputs of shape {found} take the place of such of shape {tuple(output.shape)}")

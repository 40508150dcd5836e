"""Calibration: batches stream through a network while observers at its places take in what passes.

Memory does not depend on the number of batches. In parallel, every place sees the float network; in sequence, each place sees the network
with everything before it quantised already. A checkpoint holds the states of the observers and how far the stream was; a calibration that
was killed goes on from it to the same scales.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Hashable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import torch

from bitket.errors import InvalidInput
from bitket.quantization.fake import FakeQuantize
from bitket.quantization.graph import Layer, Place, Places, as_arguments, quantiser_of
from bitket.quantization.grids import scales_of
from bitket.quantization.observers import Observer, ObserverForm, best_scales
from bitket.runs.progress import Bars
from bitket.runs.storage import load_tree, save_tree

__all__ = ["calibrate", "collect", "digest", "fix_weights", "run", "stream"]


def stream(data: Any) -> Iterable[Any]:
    """Calibration data as an iterable of batches that can be run through again; a single tensor is one batch.

    Raises
    ------
    InvalidInput
        There is no batch, or the data would be used up by one pass.
    """
    if isinstance(data, torch.Tensor | dict):
        data = [data]
    if not isinstance(data, Iterable) or isinstance(data, str | bytes):
        raise InvalidInput(f"calibration: {type(data).__name__}; an iterable of batches of model inputs is needed")
    if iter(data) is data:
        raise InvalidInput("calibration: an iterator runs dry after one pass; give a list, a data set or a loader")
    if next(iter(data), None) is None:
        raise InvalidInput("calibration: there is no batch; one at least is needed")
    return data


def digest(data: Iterable[Any]) -> str:
    """SHA-256 of the batches' values, which tells whether two calibrations had the same data."""
    total = hashlib.sha256()
    for batch in data:
        args, kwargs = as_arguments(batch)
        for value in (*args, *(kwargs[k] for k in sorted(kwargs))):
            if isinstance(value, torch.Tensor):
                total.update(f"{value.dtype}{list(value.shape)}".encode())
                total.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
            else:
                total.update(repr(value).encode())
    return total.hexdigest()


def run(model: torch.nn.Module, batch: Any) -> Any:
    """A network's output for a batch: tensor, tuple or list of positional inputs, or dict of named ones.

    Raises
    ------
    InvalidInput
        The batch does not fit the network.
    """
    args, kwargs = as_arguments(batch)
    try:
        return model(*args, **kwargs)
    except (TypeError, RuntimeError) as error:
        shapes = [list(v.shape) if isinstance(v, torch.Tensor) else type(v).__name__ for v in (*args, *kwargs.values())]
        raise InvalidInput(
            f"calibration: the model does not take a batch of {shapes} ({str(error).splitlines()[0][:160]}); "
            "a tuple stands for its positional inputs, so labels must be left out"
        ) from error


class _Enough(Exception):
    """The place was reached; the rest of the network need not run."""


def collect(
    model: torch.nn.Module,
    places: Iterable[Place],
    data: Iterable[Any],
    observer: ObserverForm,
    *,
    key: Callable[[Any], Hashable] | None = None,
    checkpoint: Path | None = None,
    every: int = 20,
    bars: Bars | None = None,
    stop_early: bool = False,
) -> dict[tuple[str, Hashable], Observer]:
    """Observers of what passes at places, by the place's name and the batch's key.

    Parameters
    ----------
    model
        With a quantiser at every place; those at the places let values pass, others do as they are set.
    places
        Places of activations.
    data
        Batches of model inputs.
    observer
        How to observe.
    key
        From a batch to what its values are kept apart by, the time step of a diffusion network, say; all together (None) unless given.
    checkpoint, every
        File to go on from and to write, and batches between two writes. With a key there is none.
    bars
        Shows progress.
    stop_early
        End each batch where the last place was passed.

    Raises
    ------
    InvalidInput
        A value is NaN or infinite (the message names the place), or the checkpoint is of another calibration.
    """
    places = list(places)
    found: dict[tuple[str, Hashable], Observer] = {}
    done = 0
    if checkpoint is not None and key is not None:
        raise InvalidInput("calibration: a checkpoint holds one state a place; leave it out where batches have keys")
    if checkpoint is not None and checkpoint.exists():
        done = _restore(checkpoint, places, observer, found)
    current: Hashable = None
    left: set[str] = set()

    def watch(place: Place) -> Callable[..., None]:
        def see(module: torch.nn.Module, args: tuple[Any, ...]) -> None:
            state = found.get((place.name, current))
            if state is None:
                assert place.scheme is not None
                state = found[place.name, current] = Observer(observer, place.scheme)
            try:
                state.see(args[0])
            except InvalidInput as error:
                raise InvalidInput(f"calibration, place {place.name}: {error}") from None
            left.discard(place.name)
            if stop_early and not left:
                raise _Enough

        return see

    quantisers = [quantiser_of(model, p) for p in places]
    hooks = [q.register_forward_pre_hook(watch(p)) for q, p in zip(quantisers, places, strict=True)]
    before = [q.enabled for q in quantisers]
    try:
        for q in quantisers:
            q.enabled = False
        batches = data if bars is None else bars.track(data, "calibration")
        with torch.no_grad():
            for number, batch in enumerate(batches, 1):
                if number <= done:
                    continue
                current = None if key is None else key(batch)
                left.update(p.name for p in places)
                with suppress(_Enough):
                    run(model, batch)
                if checkpoint is not None and number % every == 0:
                    _store(checkpoint, number, places, observer, found)
    finally:
        for hook in hooks:
            hook.remove()
        for q, enabled in zip(quantisers, before, strict=True):
            q.enabled = enabled
    return found


def _identity(places: list[Place], observer: ObserverForm) -> list[str]:
    return [repr(observer), *(f"{p.name} {p.scheme}" for p in places)]


def _store(path: Path, number: int, places: list[Place], observer: ObserverForm, found: dict[Any, Observer]) -> None:
    states = {name: dict(o.state) for (name, _), o in found.items()}
    save_tree(path, {"done": number, "of": _identity(places, observer), "states": states})


def _restore(path: Path, places: list[Place], observer: ObserverForm, found: dict[Any, Observer]) -> int:
    stored = load_tree(path)
    if not isinstance(stored, dict) or stored.get("of") != _identity(places, observer):
        raise InvalidInput(f"{path}: not a checkpoint of this calibration (other places, schemes or observer)")
    for place in places:
        if place.name in stored["states"]:
            assert place.scheme is not None
            found[place.name, None] = Observer(observer, place.scheme, stored["states"][place.name])
    return int(stored["done"])


def fix_weights(model: torch.nn.Module, places: Places, by: str = "max") -> None:
    """Set the scales of the weights' quantisers: from their extremes (``"max"``) or of least squared error (``"mse"``).

    Raises
    ------
    InvalidInput
        A weight is NaN or infinite (the message names the place), or the way is unknown.
    """
    if by not in ("max", "mse"):
        raise InvalidInput(f"scales of weights by '{by}'; 'max' and 'mse' are known")
    for place in places.select("weight"):
        if place.scheme is None:
            continue
        layer = model.get_submodule(place.layer)
        assert isinstance(layer, Layer)
        weight = layer.current_weight().detach()
        if not bool(torch.isfinite(weight).all()):
            raise InvalidInput(f"place {place.name}: a weight is NaN or infinite; all must be finite")
        choose = scales_of if by == "max" else best_scales
        quantiser_of(model, place).fix(*choose(weight, place.scheme))


@contextmanager
def _float(quantisers: list[FakeQuantize]) -> Iterator[None]:
    """All places let values pass."""
    before = [q.enabled for q in quantisers]
    try:
        for q in quantisers:
            q.enabled = False
        yield
    finally:
        for q, enabled in zip(quantisers, before, strict=True):
            q.enabled = enabled


def calibrate(
    model: torch.nn.Module,
    places: Places,
    data: Any,
    observer: ObserverForm,
    *,
    weights: str = "max",
    sequential: bool = False,
    checkpoint: Path | None = None,
    bars: Bars | None = None,
) -> None:
    """Set the scales of every quantiser of a network.

    Parameters
    ----------
    model, places
        A network with quantisers at its places (`attach`).
    data
        Batches of model inputs.
    observer
        For activations.
    weights
        See `fix_weights`.
    sequential
        Each place sees the network with all places before it quantised, weights too: one pass over the data a place.
    checkpoint
        See `collect`; for calibration in parallel.

    Raises
    ------
    InvalidInput
        See `stream`, `collect`, `fix_weights`; or a place was never passed.
    """
    data = stream(data)
    chosen = [p for p in places if p.kind != "weight" and p.scheme is not None]
    chosen = [p for p in chosen if not quantiser_of(model, p).dynamic]
    fix_weights(model, places, weights)
    bars = bars or Bars(quiet=True)
    if not sequential:
        every = [m for m in model.modules() if isinstance(m, FakeQuantize)]
        with _float(every):
            found = collect(model, chosen, data, observer, checkpoint=checkpoint, bars=bars)
        for place in chosen:
            _fix(model, place, found)
        return
    for place in chosen:
        for later in chosen[chosen.index(place) :]:
            quantiser_of(model, later).enabled = False
    for place in bars.track(chosen, "calibration, place by place"):
        _fix(model, place, collect(model, [place], data, observer, stop_early=True))
        quantiser_of(model, place).enabled = True


def _fix(model: torch.nn.Module, place: Place, found: dict[tuple[str, Hashable], Observer]) -> None:
    if (place.name, None) not in found:
        raise InvalidInput(f"calibration, place {place.name}: no value passed there; it is not used for these inputs")
    quantiser_of(model, place).fix(*found[place.name, None].scales())

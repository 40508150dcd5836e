"""Quantization after training: fold, calibrate, and whatever passes are asked for; no gradient through the network, no labels."""

from __future__ import annotations

import copy
import fnmatch
from dataclasses import dataclass, replace
from typing import Literal

from bitket.errors import InvalidInput
from bitket.quantization.calibration import calibrate
from bitket.quantization.configs import Job, method, part
from bitket.quantization.graph import Place, Places, attach, find_places, replace_modules, trace
from bitket.quantization.grids import Channel, Scheme
from bitket.quantization.observers import Entropy, MeanSquare, MinMax, MovingAverage, ObserverForm, Percentile
from bitket.quantization.passes import FoldBatchNorm, Pass, Work
from bitket.quantization.quantized import QuantizedModel
from bitket.quantization.report import Report

__all__ = ["PostTraining"]

for _form in (MinMax, MovingAverage, Percentile, MeanSquare, Entropy):
    part(_form)
_WEIGHTS, _INPUTS, _OBSERVER = Scheme(8, granularity=Channel(0)), Scheme(8, symmetric=False), MinMax()


@dataclass(frozen=True)
class PostTraining:
    """Settings of post-training quantization.

    Attributes
    ----------
    weights, activations
        Schemes of the layers' weights and inputs; None leaves activations in float.
    observer
        How ranges of activations are chosen.
    weight_range
        ``"max"`` or ``"mse"``: scales of weights from the extremes or of least squared error.
    steps
        Passes, in order; those before calibration come first.
    first_last
        Schemes (weights, activations) of the first and last layer; None for no exception.
    others
        Scheme of operands of additions, concatenations, poolings and products of activations; None leaves them in float.
    overrides
        Pairs of a shell pattern of places' names and a scheme or None, which come last.
    sequential
        Whether each place is calibrated with the network before it quantised.
    dynamic
        Whether scales of activations come from each tensor at run time.
    form
        ``"graph"``, or ``"modules"`` for networks that cannot be traced.
    name
        What a comparison calls it.
    """

    weights: Scheme = _WEIGHTS
    activations: Scheme | None = _INPUTS
    observer: ObserverForm = _OBSERVER
    weight_range: Literal["max", "mse"] = "max"
    steps: tuple[Pass, ...] | None = None
    first_last: tuple[Scheme, Scheme | None] | None = None
    others: Scheme | None = None
    overrides: tuple[tuple[str, Scheme | None], ...] = ()
    sequential: bool = False
    dynamic: bool = False
    form: Literal["graph", "modules"] = "graph"
    name: str = ""

    def __post_init__(self) -> None:
        if self.form not in ("graph", "modules") or self.weight_range not in ("max", "mse"):
            raise InvalidInput(
                f"post-training quantization: form '{self.form}', weight_range '{self.weight_range}'; "
                "'graph' and 'modules', 'max' and 'mse' are known"
            )


@method(PostTraining)
def post_training(job: Job) -> QuantizedModel:
    """Quantise a model after training; see `PostTraining`."""
    config: PostTraining = job.config
    unknown: tuple[tuple[str, str], ...] = ()
    model = job.model
    if config.form == "graph":
        model = trace(model, next(iter(job.data)))
    else:
        unknown = replace_modules(model)
    steps = ((FoldBatchNorm(),) if config.form == "graph" else ()) if config.steps is None else config.steps
    before, after = ([s for s in steps if s.when == when] for when in ("before", "after"))
    notes = [step.apply(Work(model, job.data, job.bars)) for step in before]
    places = find_places(model)
    places = chosen_schemes(replace(places, unknown=places.unknown + unknown), config)
    reference = copy.deepcopy(model) if after else None
    attach(model, places, dynamic=config.dynamic)
    calibrate(
        model,
        places,
        job.data,
        config.observer,
        weights=config.weight_range,
        sequential=config.sequential,
        bars=job.bars,
    )
    notes += [step.apply(Work(model, job.data, job.bars, places, reference)) for step in after]
    return QuantizedModel(model, places, config, Report((), 0, 0, notes=tuple(notes)))


def chosen_schemes(places: Places, config: PostTraining) -> Places:
    """The places with the schemes that a configuration gives them.

    Raises
    ------
    InvalidInput
        A pattern of an override fits no place.
    """
    layers = [p.layer for p in places.select("weight")]
    ends = {layers[0], layers[-1]} if config.first_last and layers else set()

    def scheme(place: Place) -> Scheme | None:
        if place.kind in ("weight", "input"):
            pair = config.first_last if place.layer in ends else None
            of_weights, of_inputs = pair or (config.weights, config.activations)
            chosen = of_weights if place.kind == "weight" else of_inputs
        else:
            chosen = config.others
        for pattern, other in config.overrides:
            if fnmatch.fnmatchcase(place.name, pattern):
                chosen = other
        return chosen

    for pattern, _ in config.overrides:
        if not places.select(pattern=pattern):
            raise InvalidInput(
                f"override '{pattern}': it fits no place; the first are {', '.join(p.name for p in places.rows[:4])}"
            )
    return places.with_scheme(scheme)

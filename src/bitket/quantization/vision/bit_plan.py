"""Bits of every layer's weight and input, as a plan that is made by one method and carried out in one way.

What a plan's weights cost is counted whole: codes, scales, zero points, layers that were not chosen for, biases and norms.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from bitket.errors import InvalidInput
from bitket.learning.training import Training
from bitket.quantization.allocation import Allocation, Frontier, Problem, Share
from bitket.quantization.calibration import calibrate as calibrate_places
from bitket.quantization.configs import Job
from bitket.quantization.cost import code_bytes, size_table
from bitket.quantization.graph import Place, attach, find_places, trace
from bitket.quantization.grids import Scheme
from bitket.quantization.observers import MinMax
from bitket.quantization.quantized import QuantizedModel
from bitket.quantization.report import Report
from bitket.quantization.sensitivity.hessian import Loss
from bitket.quantization.vision.fine_tuning import fine_tune_in_order, staged
from bitket.quantization.vision.simulation import calibrate, input_scheme, layers_of, simulate, weight_scheme

__all__ = [
    "Batches",
    "BitPlan",
    "Budget",
    "apply_plan",
    "carried_out",
    "checked_bits",
    "edges",
    "own_labels",
    "weight_problem",
    "weight_schemes",
]

Budget = str | float | Share
"""Bytes of the whole network (``"0.1 MB"``), a share between the smallest and the largest (``"50 %"``), or ``"8x"``: the codes of the
weights, eight times smaller than with 32 bits."""
Batches = Sequence[tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class BitPlan:
    """What a method decided.

    Attributes
    ----------
    allocation
        Bits of each layer's weight that was chosen for, with its harm and costs.
    weight_bits, input_bits
        Of every layer; inputs that stay float are left out.
    sensitivity
        Of each layer.
    order
        Layers in the order in which they are to be quantised and fine-tuned.
    frontier
        All allocations among which this one was the best.
    notes
        What a user should know.
    """

    allocation: Allocation
    weight_bits: Mapping[str, int]
    input_bits: Mapping[str, int]
    sensitivity: Mapping[str, float]
    order: tuple[str, ...]
    frontier: Frontier = field(repr=False)
    notes: tuple[str, ...] = ()

    def with_allocation(self, allocation: Allocation) -> BitPlan:
        """The same order with the bits of another allocation of the same layers."""
        return replace(
            self,
            allocation=allocation,
            weight_bits={**self.weight_bits, **{n: int(b) for n, b in allocation.choices.items()}},
        )

    def rows(self) -> list[dict[str, Any]]:
        """One mapping a layer: sensitivity, bits, place in the order."""
        place = {n: k + 1 for k, n in enumerate(self.order)}
        return [
            {
                "layer": n,
                "sensitivity": self.sensitivity[n],
                "weight bits": b,
                "input bits": self.input_bits.get(n, "float"),
                "fine-tuned": place.get(n, ""),
            }
            for n, b in self.weight_bits.items()
        ]


def checked_bits(bits: Sequence[int], what: str) -> None:
    """Refuse widths that are not different whole numbers from 1 to 8."""
    if not bits or len(set(bits)) < len(bits) or not all(1 <= b <= 8 for b in bits):
        raise InvalidInput(f"{what}: bits {tuple(bits)}; different widths from 1 to 8 are needed")


def weight_schemes(layers: Sequence[str], bits: Sequence[int]) -> dict[str, dict[int | str, Scheme]]:
    """The same widths for every layer."""
    return {n: {b: weight_scheme(b) for b in bits} for n in layers}


def weight_problem(
    model: nn.Module,
    harm: Mapping[str, Mapping[int | str, float]],
    schemes: Mapping[str, Mapping[int | str, Scheme]],
    budget: Budget | None,
    edge: Mapping[str, int],
    equal: Sequence[Sequence[str]] = (),
) -> Problem:
    """The choice of weight bits as a problem with the costs ``size`` (bytes of the whole network) and ``codes`` (of the weights alone).

    Parameters
    ----------
    harm, schemes
        By layer and bits.
    edge
        Bits of layers that are not chosen for; their bytes are constant.
    """
    named: dict[str, Mapping[int | str, Scheme]] = {**schemes, **{n: {b: weight_scheme(b)} for n, b in edge.items()}}
    size, rest = size_table(model, named)
    shapes = {n: tuple(model.get_submodule(n).weight.shape) for n in named}  # type: ignore[arg-type]
    codes = {n: {c: float(code_bytes(shapes[n], s.bits)) for c, s in row.items()} for n, row in named.items()}
    constant = {
        "size": rest + sum(size[n][b] for n, b in edge.items()),
        "codes": sum(codes[n][b] for n, b in edge.items()),
    }
    limits: dict[str, float | Share | str] = {}
    if isinstance(budget, str) and (found := re.fullmatch(r"\s*([0-9.]+)\s*x\s*", budget)):
        weights = sum(torch.Size(s).numel() for s in shapes.values())
        limits["codes"] = 4 * weights / _factor(found[1])
    elif budget is not None:
        limits["size"] = budget
    costs = {"size": {n: size[n] for n in schemes}, "codes": {n: codes[n] for n in schemes}}
    return Problem(harm, costs, limits, equal, constant=constant)


def edges(model: nn.Module, bits: int | None) -> dict[str, int]:
    """Bits of the first and the last layer, if they are fixed."""
    names = layers_of(model)
    return {} if bits is None else dict.fromkeys((names[0], names[-1]), bits)


def _factor(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if value < 1:
        raise InvalidInput(f"compression by {text}; a number from 1 is needed")
    return value


def apply_plan(
    model: nn.Module,
    plan: BitPlan,
    calibration: Sequence[Tensor],
    *,
    training: Training | None = None,
    stages: int = 1,
    x: Tensor | None = None,
    y: Tensor | None = None,
    loss: Loss = nn.functional.cross_entropy,
    order: Literal["descending", "ascending"] = "descending",
    generator: torch.Generator | None = None,
    folder: Path | None = None,
) -> nn.Module:
    """A copy of the model with the plan's bits, fine-tuned stage by stage if a training is given.

    Parameters
    ----------
    calibration
        Batches of images from which the scales of inputs are taken.
    training, x, y, loss, generator, folder
        As in `fine_tune_in_order`; ``training`` is that of one stage.
    stages
        Into how many parts the plan's order is cut; 1 quantises all layers at once.
    order
        Most perturbed first, as published, or last.

    Raises
    ------
    InvalidInput
        There is a training but no images, labels or generator.
    """
    made = simulate(
        model,
        {n: weight_scheme(b) for n, b in plan.weight_bits.items()},
        {n: input_scheme(b) for n, b in plan.input_bits.items()},
    )
    if training is None:
        calibrate(made, calibration)
        return made.eval()
    if x is None or y is None or generator is None:
        raise InvalidInput("fine-tuning needs images, labels and a generator")
    names = list(plan.order) if order == "descending" else list(reversed(plan.order))
    fine_tune_in_order(
        made, staged(names, stages), training, loss, x, y, calibration=calibration, generator=generator, folder=folder
    )
    return made


def own_labels(job: Job) -> list[tuple[Tensor, Tensor]]:
    """Calibration batches with the network's own decisions as labels, for methods that need a loss where no labels are given.

    Raises
    ------
    InvalidInput
        A batch is no tensor, or the network's output is no table of logits.
    """
    found = []
    with torch.no_grad():
        for x in job.data:
            outputs = job.model(x) if isinstance(x, Tensor) else None
            if not isinstance(outputs, Tensor) or outputs.ndim != 2:
                raise InvalidInput(
                    "calibration of a Hessian method: batches of one tensor and a network that gives logits [B, classes] are needed"
                )
            found.append((x, outputs.argmax(1)))
    return found


def carried_out(job: Job, plan: BitPlan) -> QuantizedModel:
    """The job's network with the plan's grids in its graph; norms stay as they are."""
    model = trace(job.model, next(iter(job.data)))

    def scheme(place: Place) -> Scheme | None:
        if place.kind == "weight" and place.layer in plan.weight_bits:
            return weight_scheme(plan.weight_bits[place.layer])
        if place.kind == "input" and place.layer in plan.input_bits:
            return input_scheme(plan.input_bits[place.layer])
        return None

    places = find_places(model).with_scheme(scheme)
    attach(model, places)
    calibrate_places(model, places, job.data, MinMax(), bars=job.bars)
    return QuantizedModel(model, places, job.config, Report((), 0, 0, notes=plan.notes), plan.allocation)

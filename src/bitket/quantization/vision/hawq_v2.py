"""HAWQ-V2: bits of each layer by the mean of its Hessian's eigenvalues, as a point of an exact Pareto frontier, for weights and inputs.

    Omega_i(b) = (Tr(H_i)/n_i) |Q_b(W_i) - W_i|^2            minimise the sum, within a size
    Omega_i(b) = (Tr(H_a_i)/d_i) mean_k |Q_b(a_ik) - a_ik|^2   for inputs a_i of d_i values, within their own mean width

The published search admits only assignments in which a layer of larger mean trace has no fewer bits; ours is exact, and the plan's notes
say what that restriction would have cost.

Source: Dong et al. 2020, arXiv:1911.03852.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import nn

from bitket.quantization.allocation import Frontier, Problem, frontier, restricted_frontier
from bitket.quantization.configs import Job, method
from bitket.quantization.grids import Scheme
from bitket.quantization.quantized import QuantizedModel
from bitket.quantization.sensitivity import Trace, activation_trace, hessian_trace
from bitket.quantization.sensitivity.hessian import Loss
from bitket.quantization.sensitivity.perturbation import perturbation, weighted
from bitket.quantization.sensitivity.trace import Mode
from bitket.quantization.vision.bit_plan import (
    Batches,
    BitPlan,
    Budget,
    carried_out,
    checked_bits,
    edges,
    own_labels,
    weight_problem,
    weight_schemes,
)
from bitket.quantization.vision.hawq import tuning_order
from bitket.quantization.vision.simulation import input_perturbation, input_scheme, layers_of, readers, weight_scheme

__all__ = ["HawqV2", "decide_v2", "input_frontier", "plan_hawq_v2"]


@dataclass(frozen=True)
class HawqV2:
    """Settings.

    Attributes
    ----------
    bits
        Widths to choose from, for weights and for mixed inputs.
    activation_bits
        Width of all inputs of layers; ``"mixed"`` chooses them too; None leaves them float.
    budget
        See `Budget`.
    mean_activation_bits
        Of mixed inputs: the mean width over all values.
    edge_bits
        Of the first and the last layer, which are left out of the choice; None treats them like the others.
    tolerance, max_probes, mode
        Of the traces.
    seed
        Of their probes.
    """

    bits: tuple[int, ...] = (2, 3, 4, 8)
    activation_bits: int | Literal["mixed"] | None = 4
    budget: Budget = "8x"
    mean_activation_bits: float = 4.0
    edge_bits: int | None = 8
    tolerance: float = 0.05
    max_probes: int = 200
    mode: Mode = "auto"
    seed: int = 0

    def __post_init__(self) -> None:
        checked_bits(self.bits, "hawq-v2")


def plan_hawq_v2(
    model: nn.Module,
    config: HawqV2,
    data: Batches,
    loss: Loss = nn.functional.cross_entropy,
    *,
    callback: Callable[[int, int], None] | None = None,
) -> BitPlan:
    """Choose bits and order; the model is not changed.

    Parameters
    ----------
    model
        In evaluation mode.
    data
        Batches on which the Hessians are taken.
    callback
        Called after every ten probes with the number of layers that are done, and of all.

    Raises
    ------
    InvalidInput
        As `LossSurface`; a budget cannot be met (the smallest possible is named).
    """
    generator = torch.Generator().manual_seed(config.seed)
    traces = hessian_trace(
        model,
        loss,
        data,
        tolerance=config.tolerance,
        max_probes=config.max_probes,
        mode=config.mode,
        generator=generator,
        callback=callback,
    )
    plan = decide_v2(model, config, traces)
    if config.activation_bits != "mixed":
        return plan
    best = input_frontier(model, config, data, loss, generator)
    chosen = best.allocation(len(best) - 1).choices
    edge = edges(model, config.edge_bits)
    return replace(plan, input_bits={n: int(chosen[n]) if n in chosen else edge[n] for n in plan.weight_bits})


def decide_v2(model: nn.Module, config: HawqV2, traces: Mapping[str, Trace]) -> BitPlan:
    """Bits of weights and order from traces that are known; inputs get the width of all, unless they are mixed.

    Raises
    ------
    InvalidInput
        The budget cannot be met; the smallest possible is named.
    """
    layers, edge = layers_of(model), edges(model, config.edge_bits)
    schemes = weight_schemes([n for n in layers if n not in edge], config.bits)
    mean = {n: t.mean for n, t in traces.items()}
    harm = weighted({n: max(m, 0.0) for n, m in mean.items()}, perturbation(model, schemes))
    problem = weight_problem(model, harm, schemes, config.budget, edge)
    cost = "codes" if "codes" in problem.limits else "size"
    points = frontier(problem, cost)
    allocation = points.allocation(len(points) - 1)  # the limit cuts the frontier off, so its last point is the best
    bits = {n: int(allocation.choices[n]) if n in schemes else edge[n] for n in layers}
    moved = perturbation(model, {n: {b: weight_scheme(b)} for n, b in bits.items()})
    order = tuning_order({n: mean[n] * moved[n][b] for n, b in bits.items()})
    notes = _doubts(traces, config.tolerance)
    within = restricted_frontier(problem, mean, cost)
    if allocation.harm > 0:
        excess = within.harm[-1] / allocation.harm - 1
        notes.append(f"restricted to the order of the traces, the harm at this budget would be {excess:.1%} larger")
    width = config.activation_bits
    inputs = {n: edge.get(n, width) for n in layers} if isinstance(width, int) else {}
    return BitPlan(allocation, bits, inputs, mean, tuple(order), points, tuple(notes))


def _doubts(traces: Mapping[str, Trace], tolerance: float) -> list[str]:
    notes = [
        f"layer '{n}': the trace has a standard error of {t.relative_error:.0%} after {t.probes} probes"
        for n, t in traces.items()
        if t.relative_error > tolerance
    ]
    return notes + [
        f"layer '{n}': the trace is negative; it counts as no harm" for n, t in traces.items() if t.value < 0
    ]


def input_frontier(model: nn.Module, config: HawqV2, data: Batches, loss: Loss, generator: torch.Generator) -> Frontier:
    """The frontier of input widths, cost ``bits`` in mean bits a value, up to the mean width allowed; layers that read one tensor share."""
    edge = edges(model, config.edge_bits)
    layers: Sequence[str] = [n for n in layers_of(model) if n not in edge]
    traces = activation_trace(
        model,
        loss,
        data,
        layers,
        tolerance=config.tolerance,
        max_probes=config.max_probes,
        mode=config.mode,
        generator=generator,
    )
    images = [x for x, _ in data]
    schemes: dict[str, dict[int | str, Scheme]] = {n: {b: input_scheme(b) for b in config.bits} for n in layers}
    harm = weighted({n: max(t.mean, 0.0) for n, t in traces.items()}, input_perturbation(model, schemes, images))
    shared = readers(model, layers, images[0][:1])
    # one tensor that several layers read is stored once
    weight = {n: traces[n].size / len(next((g for g in shared if n in g), [n])) for n in layers}
    total = sum(weight.values())
    widths: dict[str, dict[int | str, float]] = {n: {b: weight[n] * b / total for b in config.bits} for n in layers}
    return frontier(Problem(harm, {"bits": widths}, {"bits": config.mean_activation_bits}, shared), "bits")


@method(HawqV2)
def hawq_v2(job: Job) -> QuantizedModel:
    """Quantise a network by its curvature; see `HawqV2`. Labels are its own decisions; `apply_plan` fine-tunes with true ones."""
    return carried_out(job, plan_hawq_v2(job.model, job.config, own_labels(job)))

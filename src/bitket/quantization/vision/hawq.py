"""HAWQ: bits and order of fine-tuning of each block by the top eigenvalue of its Hessian.

    S_i = lambda_i / n_i                          a block of larger S gets no fewer bits
    Omega_i = lambda_i |Q(W_i) - W_i|^2           blocks of larger Omega are quantised and fine-tuned first

The published method leaves the levels within the order of S to the user. Here, of all assignments that do not rise along the order, the one
that fits the budget with the least sum of Omega is taken.

Source: Dong, Yao, Gholami, Mahoney and Keutzer 2019, arXiv:1905.03696.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from bitket.errors import InvalidInput
from bitket.quantization.allocation import restricted_frontier
from bitket.quantization.configs import Job, method
from bitket.quantization.quantized import QuantizedModel
from bitket.quantization.sensitivity import Eigenvalues, top_eigenvalues
from bitket.quantization.sensitivity.hessian import Loss
from bitket.quantization.sensitivity.perturbation import perturbation, weighted
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
from bitket.quantization.vision.simulation import layers_of, weight_scheme

__all__ = ["Hawq", "block_eigenvalues", "block_order", "blocks_of", "decide", "plan_hawq", "tuning_order"]


@dataclass(frozen=True)
class Hawq:
    """Settings.

    Attributes
    ----------
    bits
        Widths of weights to choose from.
    activation_bits
        Width of all inputs of layers; None leaves them float.
    budget
        See `Budget`.
    blocks
        Layers by the name of their block; by default each layer is one.
    edge_bits
        Of the first and the last layer, which are left out of the choice; None treats them like the others.
    tolerance, max_iterations
        Of the power iteration.
    seed
        Of its first vectors.
    """

    bits: tuple[int, ...] = (2, 4, 8)
    activation_bits: int | None = 4
    budget: Budget = "8x"
    blocks: Mapping[str, Sequence[str]] | None = None
    edge_bits: int | None = 8
    tolerance: float = 1e-3
    max_iterations: int = 100
    seed: int = 0

    def __post_init__(self) -> None:
        checked_bits(self.bits, "hawq")


def blocks_of(model: nn.Module, *kinds: type[nn.Module]) -> dict[str, list[str]]:
    """Layers grouped by the module of some kind that holds them; layers outside are blocks of their own."""
    holders = [name for name, m in model.named_modules() if isinstance(m, kinds)]
    found: dict[str, list[str]] = {}
    for layer in layers_of(model):
        holder = next((h for h in holders if layer.startswith(f"{h}.")), layer)
        found.setdefault(holder, []).append(layer)
    return found


def block_order(sensitivity: Mapping[str, float]) -> list[str]:
    """Most sensitive first: none gets fewer bits than those after it.

    >>> block_order({"a": 1.0, "b": 3.0, "c": 2.0})
    ['b', 'c', 'a']
    """
    return sorted(sensitivity, key=lambda g: -sensitivity[g])


def tuning_order(harm: Mapping[str, float]) -> list[str]:
    """Most perturbed first: quantised while all others are float and can make up for it."""
    return sorted(harm, key=lambda g: -harm[g])


def block_eigenvalues(
    model: nn.Module,
    config: Hawq,
    data: Batches,
    loss: Loss = nn.functional.cross_entropy,
    *,
    callback: Callable[[int], None] | None = None,
) -> dict[str, Eigenvalues]:
    """The top eigenvalue of each block's Hessian.

    Parameters
    ----------
    model
        In evaluation mode.
    data
        Batches on which the Hessian is taken.
    callback
        Called after each step of the power iteration with the number of blocks that are done.

    Raises
    ------
    InvalidInput
        As `LossSurface`; blocks do not hold every layer once.
    """
    weights = {b: [f"{n}.weight" for n in names] for b, names in _blocks(model, config).items()}
    return top_eigenvalues(
        model,
        loss,
        data,
        weights,
        tolerance=config.tolerance,
        max_iterations=config.max_iterations,
        generator=torch.Generator().manual_seed(config.seed),
        callback=callback,
    )


def _blocks(model: nn.Module, config: Hawq) -> dict[str, list[str]]:
    layers = layers_of(model)
    blocks = {n: [n] for n in layers} if config.blocks is None else {b: list(v) for b, v in config.blocks.items()}
    if sorted(n for names in blocks.values() for n in names) != sorted(layers):
        raise InvalidInput("hawq: blocks must hold every convolution and linear layer once")
    return blocks


def plan_hawq(model: nn.Module, config: Hawq, data: Batches, loss: Loss = nn.functional.cross_entropy) -> BitPlan:
    """Choose bits and order by the Hessian on some batches; the model, in evaluation mode, is not changed.

    Raises
    ------
    InvalidInput
        As `block_eigenvalues` and `decide`.
    """
    return decide(model, config, block_eigenvalues(model, config, data, loss))


def decide(model: nn.Module, config: Hawq, found: Mapping[str, Eigenvalues]) -> BitPlan:
    """Bits and order from eigenvalues that are known.

    Raises
    ------
    InvalidInput
        The budget cannot be met; the smallest possible is named.
    """
    blocks, edge = _blocks(model, config), edges(model, config.edge_bits)
    block = {n: b for b, names in blocks.items() for n in names}
    schemes = weight_schemes([n for n in block if n not in edge], config.bits)
    harm = weighted({n: max(found[b].value, 0.0) for n, b in block.items()}, perturbation(model, schemes))
    together = [[n for n in names if n in schemes] for names in blocks.values()]
    problem = weight_problem(model, harm, schemes, config.budget, edge, [names for names in together if len(names) > 1])
    sensitivity = {n: found[b].per_weight for n, b in block.items()}
    points = restricted_frontier(problem, sensitivity, "codes" if "codes" in problem.limits else "size")
    allocation = points.allocation(len(points) - 1)  # the limit cuts the frontier off, so its last point is the best
    bits = {n: int(allocation.choices[n]) if n in schemes else edge[n] for n in block}
    moved = perturbation(model, {n: {b: weight_scheme(b)} for n, b in bits.items()})
    omega = {b: found[b].value * sum(moved[n][bits[n]] for n in names) for b, names in blocks.items()}
    order = [n for b in tuning_order(omega) for n in blocks[b]]
    rough = {b: e.residuals[0] for b, e in found.items() if not e.trusted}
    notes = []
    if rough:
        worst = max(rough, key=lambda b: rough[b])
        notes.append(
            f"the power iteration of {len(rough)} of {len(found)} blocks stopped with a residual above 1 %, "
            f"at most {rough[worst]:.1%} ('{worst}')"
        )
    notes += [
        f"block '{b}': the eigenvalue of largest modulus is negative ({e.value:.3g}); it counts as no harm"
        for b, e in found.items()
        if e.value < 0
    ]
    inputs = {} if config.activation_bits is None else {n: edge.get(n, config.activation_bits) for n in block}
    return BitPlan(allocation, bits, inputs, sensitivity, tuple(order), points, tuple(notes))


@method(Hawq)
def hawq(job: Job) -> QuantizedModel:
    """Quantise a network by its curvature; see `Hawq`. Labels are its own decisions; `apply_plan` fine-tunes with true ones."""
    return carried_out(job, plan_hawq(job.model, job.config, own_labels(job)))

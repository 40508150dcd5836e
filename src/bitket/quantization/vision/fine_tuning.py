"""Fine-tuning in an order: stage by stage more layers are quantised, and the rest, still float, makes up for them.

Source: Dong et al. 2019, arXiv:1905.03696, section 3.3: the layers that are perturbed most come first. How long a stage lasts and its
learning rate are not published.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor, nn

from bitket.errors import InvalidInput
from bitket.learning.training import Training
from bitket.quantization.sensitivity.hessian import Loss
from bitket.quantization.vision.simulation import calibrate, enable

__all__ = ["fine_tune_in_order", "staged"]


def staged(order: Sequence[str], stages: int) -> list[list[str]]:
    """An order of layers in so many parts, as equal as can be.

    >>> staged(["a", "b", "c", "d", "e"], 2)
    [['a', 'b', 'c'], ['d', 'e']]
    """
    count = max(1, min(stages, len(order)))
    ends = [-(-len(order) * k // count) for k in range(count + 1)]
    return [list(order[a:b]) for a, b in pairwise(ends)]


def fine_tune_in_order(
    model: nn.Module,
    stages: Sequence[Sequence[str]],
    training: Training,
    loss: Loss,
    x: Tensor,
    y: Tensor,
    *,
    calibration: Sequence[Tensor],
    generator: torch.Generator,
    folder: Path | None = None,
    callback: Callable[[int, int, float], None] | None = None,
) -> list[float]:
    """Train a simulated network in place, switching on the grids of one stage after the other; it comes back in evaluation mode.

    Parameters
    ----------
    model
        Of `simulate`.
    stages
        Layers whose grids begin to act at each stage.
    training
        Of each stage.
    x, y
        Training images and labels.
    calibration
        Batches of images from which each stage takes the scales of its inputs.
    generator
        Of the order of the images.
    folder
        For a checkpoint of each stage; a training that was killed goes on there.
    callback
        Called after each epoch with the stage, the epoch, and its loss.

    Returns
    -------
    list of float
        Mean training loss of each epoch, all stages.

    Raises
    ------
    InvalidInput
        There is no stage, or a layer stands in two.
    """
    names = [n for stage in stages for n in stage]
    if not names or len(set(names)) < len(names):
        raise InvalidInput("fine-tuning in order: every layer stands in exactly one stage, and there is at least one")
    enable(model, names, on=False)
    history: list[float] = []
    for k, stage in enumerate(stages):
        model.eval()
        enable(model, stage)
        calibrate(model, calibration, stage)

        def told(epoch: int, value: float, k: int = k) -> None:
            if callback is not None:
                callback(k, epoch, value)

        checkpoint = None if folder is None else folder / f"stage-{k}.safetensors"
        history += training.fit(model, loss, x, y, generator=generator, checkpoint=checkpoint, callback=told).history
    model.eval()
    return history

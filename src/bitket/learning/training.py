"""Training of torch modules in epochs, with checkpoints that go on to the same weights.

Every epoch draws its order of samples, and the seed of whatever the module draws itself (dropout), from one generator. A checkpoint
holds weights, buffers, the optimiser's moments, the generator and the history, and is written whole, so a run that was killed ends
with the weights of one that was not. Cosine decay (Loshchilov and Hutter 2017, arXiv:1608.03983, without restarts):

    eta_t = eta (1 + cos(π t / T)) / 2

With validation data the weights of the epoch of least validation loss are kept, and training may stop when that has not fallen for a while
(Prechelt 1998, Early Stopping - But When?).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch

from bitket.errors import InvalidInput
from bitket.learning.threads import threads_for
from bitket.runs.storage import load_tree, save_tree

__all__ = ["Training", "TrainingResult"]

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


@dataclass
class TrainingResult:
    """What a training gave.

    Attributes
    ----------
    history
        Mean training loss of each epoch.
    epochs
        Epochs done, those before a resumption included.
    stop_reason
        Why it ended.
    validation
        Loss on the validation data after each epoch.
    best_epoch, best_weights
        The epoch of least validation loss, from 1, and the module's state after it.
    """

    history: list[float] = field(default_factory=list)
    epochs: int = 0
    stop_reason: str = ""
    validation: list[float] = field(default_factory=list)
    best_epoch: int = 0
    best_weights: dict[str, torch.Tensor] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class Training:
    """Settings of a training.

    Attributes
    ----------
    epochs
        Passes over the data.
    batch_size
        Samples a step, in a new random order each epoch; None for full batch.
    optimiser
        ``"adam"``, ``"adamw"`` or ``"sgd"`` of torch.
    learning_rate, weight_decay, momentum
        Its settings; momentum is SGD's.
    decay
        ``"constant"`` or ``"cosine"`` (to zero at the last step) learning rate.
    largest_gradient
        Norm to which the gradient of all parameters is clipped; None for no limit.
    checkpoint_every
        Epochs between two checkpoints.
    patience
        With validation data: epochs without a lower loss on them after which training stops; None for never.
    """

    epochs: int = 100
    batch_size: int | None = None
    optimiser: Literal["adam", "adamw", "sgd"] = "adam"
    learning_rate: float = 1e-2
    weight_decay: float = 0.0
    momentum: float = 0.0
    decay: Literal["constant", "cosine"] = "constant"
    largest_gradient: float | None = None
    checkpoint_every: int = 10
    patience: int | None = None

    def __post_init__(self) -> None:
        counts = [self.epochs, self.checkpoint_every, *(n for n in (self.batch_size, self.patience) if n is not None)]
        if min(counts) < 1:
            raise InvalidInput("training: epochs, batch_size, checkpoint_every and patience must be positive")
        if not 0 < self.learning_rate < math.inf:
            raise InvalidInput(f"training: learning rate {self.learning_rate}; it must be positive and finite")
        if self.optimiser not in ("adam", "adamw", "sgd") or self.decay not in ("constant", "cosine"):
            raise InvalidInput(
                f"training: optimiser '{self.optimiser}' with decay '{self.decay}'; "
                "'adam', 'adamw' and 'sgd', 'constant' and 'cosine' are known"
            )

    def fit(
        self,
        module: torch.nn.Module,
        loss: Loss,
        inputs: torch.Tensor,
        targets: torch.Tensor,
        *,
        validation: tuple[torch.Tensor, torch.Tensor] | None = None,
        generator: torch.Generator | None = None,
        checkpoint: Path | None = None,
        callback: Callable[[int, float], bool | None] | None = None,
    ) -> TrainingResult:
        """Train a module in place.

        Parameters
        ----------
        module
            From inputs ``[B, ...]`` to outputs.
        loss
            From outputs and targets to their mean loss.
        inputs, targets
            ``[N, ...]`` each.
        validation
            Inputs and targets that are not trained on. The module ends with the weights of least loss on them.
        generator
            On the CPU; needed with ``batch_size``.
        checkpoint
            File to go on from, if it is there, and to write.
        callback
            Called with the number of epochs done and the epoch's mean loss; True stops.

        Raises
        ------
        InvalidInput
            Sizes do not fit, a loss is not finite, or the checkpoint is of another module.
        """
        n = len(inputs)
        if n == 0 or len(targets) != n:
            raise InvalidInput(f"training: {n} inputs and {len(targets)} targets; equally many are needed")
        if self.batch_size is not None and generator is None:
            raise InvalidInput("training in batches draws their order: a generator is needed")
        if validation is not None and (not len(validation[0]) or len(validation[0]) != len(validation[1])):
            raise InvalidInput(
                f"training: {len(validation[0])} validation inputs and {len(validation[1])} targets; equally many are needed"
            )
        if self.patience is not None and validation is None:
            raise InvalidInput("training: patience counts epochs by their validation loss; validation data are needed")
        size = min(self.batch_size or n, n)
        steps = -(-n // size)
        optimiser = self._optimiser(module)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, self._factor(self.epochs * steps))
        result = TrainingResult()
        if checkpoint is not None and checkpoint.exists():
            _restore(load_tree(checkpoint), checkpoint, module, optimiser, schedule, generator, result)
        while result.epochs < self.epochs and not result.stop_reason:
            with threads_for(module):
                value = self._epoch(module, loss, inputs, targets, size, optimiser, schedule, generator, result.epochs)
                if validation is not None:
                    self._validate(module, loss, *validation, size, result)
            result.epochs += 1
            result.history.append(value)
            if callback is not None and callback(result.epochs, value):
                result.stop_reason = "stopped by the callback"
            elif self.patience is not None and result.epochs - result.best_epoch >= self.patience:
                result.stop_reason = f"no lower validation loss in {self.patience} epochs"
            last = bool(result.stop_reason) or result.epochs == self.epochs
            if checkpoint is not None and (last or result.epochs % self.checkpoint_every == 0):
                save_tree(checkpoint, _stored(module, optimiser, schedule, generator, result))
        if result.best_weights:
            module.load_state_dict(result.best_weights)
        result.stop_reason = result.stop_reason or "all epochs done"
        return result

    def _validate(
        self,
        module: torch.nn.Module,
        loss: Loss,
        inputs: torch.Tensor,
        targets: torch.Tensor,
        size: int,
        result: TrainingResult,
    ) -> None:
        """Note the loss on data that are not trained on, and the weights if it is the least."""
        module.eval()
        with torch.no_grad():
            parts = zip(inputs.split(size), targets.split(size), strict=True)
            value = sum(float(loss(module(x), y)) * len(x) for x, y in parts) / len(inputs)
        if not math.isfinite(value):
            raise InvalidInput(f"training: validation loss {value} in epoch {result.epochs + 1}; it must be finite")
        if value < min(result.validation, default=math.inf):
            result.best_epoch = result.epochs + 1
            result.best_weights = {name: t.detach().clone() for name, t in module.state_dict().items()}
        result.validation.append(value)

    def _optimiser(self, module: torch.nn.Module) -> torch.optim.Optimizer:
        parameters = [p for p in module.parameters() if p.requires_grad]
        if not parameters:
            raise InvalidInput("training: the module has no trainable parameter")
        if self.optimiser == "sgd":
            return torch.optim.SGD(
                parameters, lr=self.learning_rate, weight_decay=self.weight_decay, momentum=self.momentum
            )
        kind = torch.optim.Adam if self.optimiser == "adam" else torch.optim.AdamW
        return kind(parameters, lr=self.learning_rate, weight_decay=self.weight_decay)

    def _factor(self, total: int) -> Callable[[int], float]:
        if self.decay == "constant":
            return lambda step: 1.0
        return lambda step: (1 + math.cos(math.pi * min(step, total) / total)) / 2

    def _epoch(
        self,
        module: torch.nn.Module,
        loss: Loss,
        inputs: torch.Tensor,
        targets: torch.Tensor,
        size: int,
        optimiser: torch.optim.Optimizer,
        schedule: Any,
        generator: torch.Generator | None,
        epoch: int,
    ) -> float:
        n, total = len(inputs), 0.0
        order = torch.randperm(n, generator=generator) if self.batch_size is not None else torch.arange(n)
        seed = int(torch.randint(2**62, (), generator=generator)) if generator is not None else epoch
        module.train()
        with torch.random.fork_rng(devices=[inputs.device] if inputs.is_cuda else []):
            torch.manual_seed(seed)
            for chunk in order.to(inputs.device).split(size):
                optimiser.zero_grad()
                value = loss(module(inputs[chunk]), targets[chunk])
                if not bool(torch.isfinite(value)):
                    raise InvalidInput(f"training: loss {value.item()} in epoch {epoch + 1}; it must be finite")
                value.backward()
                if self.largest_gradient is not None:
                    torch.nn.utils.clip_grad_norm_(module.parameters(), self.largest_gradient)
                optimiser.step()
                schedule.step()
                total += value.item() * len(chunk)
        return total / n


def _stored(
    module: torch.nn.Module,
    optimiser: torch.optim.Optimizer,
    schedule: Any,
    generator: torch.Generator | None,
    result: TrainingResult,
) -> dict[str, Any]:
    moments = optimiser.state_dict()["state"]
    return {
        "module": dict(module.state_dict()),
        "moments": {str(k): dict(v) for k, v in moments.items()},
        "step": schedule.last_epoch,
        "generator": None if generator is None else generator.get_state(),
        "history": list(result.history),
        "validation": list(result.validation),
        "best_epoch": result.best_epoch,
        "best_weights": dict(result.best_weights),
        "stopped": result.stop_reason if result.stop_reason.startswith("no lower") else "",
    }


def _restore(
    stored: dict[str, Any],
    path: Path,
    module: torch.nn.Module,
    optimiser: torch.optim.Optimizer,
    schedule: Any,
    generator: torch.Generator | None,
    result: TrainingResult,
) -> None:
    try:
        module.load_state_dict(stored["module"])
    except (RuntimeError, KeyError, TypeError) as error:
        raise InvalidInput(f"{path}: not a checkpoint of this module ({str(error).splitlines()[0]})") from None
    state = optimiser.state_dict()
    optimiser.load_state_dict(state | {"state": {int(k): v for k, v in stored["moments"].items()}})
    schedule.last_epoch = stored["step"]
    for group, base, factor in zip(optimiser.param_groups, schedule.base_lrs, schedule.lr_lambdas, strict=True):
        group["lr"] = base * factor(stored["step"])
    if generator is not None and stored["generator"] is not None:
        generator.set_state(stored["generator"])
    result.history, result.validation = list(stored["history"]), list(stored["validation"])
    result.best_epoch, result.best_weights = stored["best_epoch"], dict(stored["best_weights"])
    result.stop_reason = stored["stopped"]
    result.epochs = len(result.history)

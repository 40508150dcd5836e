"""How classifiers stand attacks, and training that makes them stand more.

    min_θ  mean_i [ L(x_i) + L(x_i + δ_i) ],   δ_i = argmax over |δ| <= ε of L(x_i + δ)        (Madry et al. 2018, arXiv:1706.06083)

The inner maximum is an attack, made anew against the current weights at every step (``"each_step"``), or once against a classifier that is
trained already, whose adversarial samples then join the training set of a fresh one (``"union"``, Ren et al. 2022, arXiv:2204.01738).
Whether it helped is told by attacks made against the new classifier: those made against the old one are easier.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from bitket.data.estimators import generator_of
from bitket.errors import InvalidInput
from bitket.learning.training import Training, TrainingResult
from bitket.quantum.learning.attacks import Attack, Norm, bim, fgsm, pgd, random_noise
from bitket.quantum.learning.differentiable import as_module
from bitket.quantum.learning.module_classifier import ModuleClassifier

__all__ = [
    "ATTACKS",
    "AdversarialTrainer",
    "RobustnessCurve",
    "critical_budget",
    "defence_table",
    "hardened",
    "named_attack",
    "robustness_curve",
    "transfer_table",
]

ATTACKS = ("fgsm", "bim", "pgd", "pgd-l2", "noise", "noise-l2")
"""Names of attacks with one number to choose, the budget; L∞ but for those that end in ``-l2``."""


def named_attack(
    name: str, *, bounds: tuple[float, float] | None = None, generator: torch.Generator | None = None
) -> Attack:
    """An attack of `ATTACKS` with its usual settings; noise draws from ``generator``.

    >>> model = torch.nn.Linear(2, 2)
    >>> named_attack("pgd-l2")(model, torch.zeros(3, 2), [0, 1, 0], 0.5).norms("2")
    tensor([0.5000, 0.5000, 0.5000])
    """
    norm: Norm = "2" if name.endswith("-l2") else "inf"
    if name in ("noise", "noise-l2"):
        if generator is None:
            raise InvalidInput(f"attack {name!r} draws its noise: a generator is needed")
        return functools.partial(random_noise, norm=norm, generator=generator, bounds=bounds)
    if name in ("pgd", "pgd-l2"):
        return functools.partial(pgd, norm=norm, bounds=bounds)
    if name not in ATTACKS:
        raise InvalidInput(f"attack {name!r}; {', '.join(ATTACKS)} are known")
    return functools.partial(fgsm if name == "fgsm" else bim, bounds=bounds)


@dataclass(frozen=True, eq=False)
class RobustnessCurve:
    """Accuracy on attacked samples over the budget.

    Attributes
    ----------
    budgets
        ε, ``[k]``.
    accuracy
        Share of the attacked samples that keep their class, ``[k]``.
    error
        Its standard error, ``[k]``: sqrt(a (1 - a) / N).
    samples
        N.
    """

    budgets: NDArray[np.float64]
    accuracy: NDArray[np.float64]
    error: NDArray[np.float64]
    samples: int


def robustness_curve(model: Any, X: Any, y: Any, budgets: Sequence[float], attack: Attack) -> RobustnessCurve:
    """Accuracy under an attack at each budget, made anew at each; a budget of 0 gives the accuracy on the samples themselves.

    Parameters
    ----------
    model, X, y
        As of `attacks.fgsm`.
    budgets
        ε, one or more.
    attack
        ``attack(model, X, y, epsilon)``, such as `named_attack` gives.

    Raises
    ------
    InvalidInput
        There is no budget or no sample, or the attack refuses something.
    """
    if not len(budgets) or not len(y):
        raise InvalidInput(
            f"robustness curve of {len(y)} samples at {len(budgets)} budgets: one or more of both are needed"
        )
    accuracy = np.array([attack(model, X, y, float(epsilon)).accuracy for epsilon in budgets])
    error = np.sqrt(accuracy * (1 - accuracy) / len(y))
    return RobustnessCurve(np.asarray(budgets, dtype=float), accuracy, error, len(y))


def critical_budget(
    model: Any,
    X: Any,
    y: Any,
    attack: Attack,
    *,
    share: float = 0.5,
    start: float = 0.01,
    largest: float = 100.0,
    tolerance: float = 0.02,
) -> float | None:
    """Smallest budget at which at most ``share`` of the samples that are right without an attack stay right; None: not below ``largest``.

    Budgets are doubled from ``start``, then bisected to the relative ``tolerance``.
    """
    if not (0 < share < 1 and 0 < start <= largest and tolerance > 0):
        raise InvalidInput(
            f"critical budget: share {share}, start {start}, largest {largest}, tolerance {tolerance}; "
            "0 < share < 1 and 0 < start <= largest are needed"
        )
    limit = share * attack(model, X, y, 0.0).accuracy
    low, high = 0.0, start
    while attack(model, X, y, high).accuracy > limit:
        low, high = high, 2 * high
        if high > largest:
            return None
    while high - low > tolerance * high:
        middle = (low + high) / 2
        low, high = (low, middle) if attack(model, X, y, middle).accuracy <= limit else (middle, high)
    return high


def transfer_table(
    models: Mapping[str, Any], X: Any, y: Any, epsilon: float, attack: Attack
) -> dict[str, dict[str, float]]:
    """Accuracy of each model on samples that were made against another: ``table[attacked][judge]``.

    The models take the same samples and labels. On the diagonal stands the attack on the judge itself.
    """
    table: dict[str, dict[str, float]] = {}
    for name, model in models.items():
        made = attack(model, X, y, epsilon).x
        table[name] = {judge: _accuracy(other, made, y) for judge, other in models.items()}
    return table


def defence_table(
    models: Mapping[str, Any], X: Any, y: Any, attacks: Mapping[str, tuple[Attack, float]], *, made_against: str
) -> dict[str, dict[str, float]]:
    """Accuracy of each model: ``"clean"``, on each attack (with its budget) made against it, and, as ``"old_..."``, on the samples that the
    attack makes of the model named in ``made_against``.

    The difference between the last two tells a defence from one that has only learnt the samples it was shown.
    """
    if made_against not in models:
        raise InvalidInput(f"defence table: made against {made_against!r}; one of {', '.join(models)} is needed")
    old = {name: attack(models[made_against], X, y, epsilon).x for name, (attack, epsilon) in attacks.items()}
    table = {}
    for judge, model in models.items():
        table[judge] = {
            "clean": _accuracy(model, X, y),
            **{name: attack(model, X, y, epsilon).accuracy for name, (attack, epsilon) in attacks.items()},
            **{f"old_{name}": _accuracy(model, made, y) for name, made in old.items()},
        }
    return table


def _accuracy(model: Any, X: Any, y: Any) -> float:
    """Share of samples that are classified as what they are: noise of size 0 takes no gradient."""
    return random_noise(model, X, y, 0.0, generator=torch.Generator()).accuracy


@dataclass(frozen=True)
class AdversarialTrainer:
    """Training of a torch module against an attack.

    Attributes
    ----------
    training
        Settings of the training. A step of ``"each_step"`` sees its samples both clean and attacked.
    attack, epsilon
        ``attack(module, x, y, epsilon)``, and its budget.
    mode
        ``"each_step"`` or ``"union"``, as above.
    """

    training: Training
    attack: Attack
    epsilon: float
    mode: Literal["each_step", "union"] = "each_step"

    def __post_init__(self) -> None:
        if self.mode not in ("each_step", "union"):
            raise InvalidInput(f"adversarial training: mode {self.mode!r}; 'each_step' and 'union' are known")

    def fit(
        self,
        module: torch.nn.Module,
        x: torch.Tensor,
        y: torch.Tensor,
        *,
        trained: torch.nn.Module | None = None,
        generator: torch.Generator | None = None,
        checkpoint: Path | None = None,
        callback: Callable[[int, float], bool | None] | None = None,
    ) -> TrainingResult:
        """Train a module that gives logits ``[B, classes]``, in place, on samples ``[N, ...]`` and class indices ``[N]``.

        Parameters
        ----------
        trained
            With ``"union"``: the classifier against which the adversarial samples are made.
        generator, checkpoint, callback
            As of `Training.fit`.

        Raises
        ------
        InvalidInput
            As `Training.fit` and the attack, or ``trained`` is missing or not wanted.
        """
        if (trained is None) == (self.mode == "union"):
            raise InvalidInput("adversarial training by 'union' needs a trained classifier, 'each_step' none")
        rest: dict[str, Any] = {"generator": generator, "checkpoint": checkpoint, "callback": callback}
        if trained is not None:
            made = self.attack(trained, x, y, self.epsilon).x
            cross_entropy = torch.nn.functional.cross_entropy
            return self.training.fit(module, cross_entropy, torch.cat([x, made]), torch.cat([y, y]), **rest)
        both = _CleanAndAttacked(module, x, y, self.attack, self.epsilon)
        return self.training.fit(both, _mean_of_both, torch.arange(len(x), device=x.device), y, **rest)


class _CleanAndAttacked(torch.nn.Module):
    """From indices of samples ``[B]`` to logits ``[B, classes, 2]`` of the samples and of what the attack makes of them now."""

    def __init__(self, module: torch.nn.Module, x: torch.Tensor, y: torch.Tensor, attack: Attack, epsilon: float):
        super().__init__()
        self.module = module
        self._data, self._attack, self._epsilon = (x, y), attack, epsilon

    def forward(self, index: torch.Tensor) -> torch.Tensor:
        x, y = (t[index] for t in self._data)
        made = self._attack(self.module, x, y, self._epsilon).x
        clean, attacked = self.module(torch.cat([x, made])).split(len(x))
        return torch.stack([clean, attacked], -1)


def _mean_of_both(logits: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.cross_entropy(logits, y[:, None].expand(-1, 2))


def hardened(classifier: Any, X: Any, y: Any, epsilon: float, attack: Attack) -> Any:
    """A copy of a fitted classifier, trained against an attack; ``classifier`` stays as it is.

    A `ModuleClassifier` is trained on, for as many epochs as its fit had, against the attack made anew at every step. Any other that can be
    attacked (see `as_module`) is fitted afresh to the samples and to what the attack on the given one makes of them: a weaker defence.

    Parameters
    ----------
    X, y
        The samples and labels of its fit.
    epsilon, attack
        Budget, and ``attack(model, X, y, epsilon)``.

    Raises
    ------
    InvalidInput
        A torch module is given (see `AdversarialTrainer`), or the attack refuses something.
    """
    if isinstance(classifier, torch.nn.Module):
        raise InvalidInput("hardened: a fitted classifier is needed; for a torch module use AdversarialTrainer")
    _, to_samples, to_index = as_module(classifier)
    if isinstance(classifier, ModuleClassifier):
        made = copy.deepcopy(classifier)
        settings = (classifier.epochs, classifier.batch_size)
        training = Training(*settings, learning_rate=classifier.learning_rate, decay="cosine")
        generator = torch.Generator().manual_seed(int(generator_of(classifier.random_state).integers(2**63)))
        x, index = to_samples(X), to_index(y)
        trainer = AdversarialTrainer(training, attack, epsilon)
        made.training_ = trainer.fit(made.module_, x, index.to(x.device), generator=generator)
        made.module_.eval()
        return made
    from sklearn.base import clone

    attacked = attack(classifier, X, y, epsilon).x.cpu().numpy()
    clean = np.asarray(X, dtype=float).reshape(attacked.shape)
    return clone(classifier).fit(np.concatenate([clean, attacked]), np.concatenate([np.asarray(y), np.asarray(y)]))

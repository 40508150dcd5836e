"""Optimisers behind one protocol, and a training loop for torch modules that goes on where it was stopped."""

from typing import TYPE_CHECKING, Any

from bitket.learning.adam import Adam
from bitket.learning.adam_spsa import AdamSPSA
from bitket.learning.aqgd import AQGD
from bitket.learning.cobyla import COBYLA
from bitket.learning.gradient_descent import GradientDescent
from bitket.learning.local import LocalSearch
from bitket.learning.minimize import Optimiser, OptimiserError, Result, batched, with_value
from bitket.learning.nft import NFT
from bitket.learning.spsa import SPSA

if TYPE_CHECKING:
    from bitket.learning.training import Training, TrainingResult

__all__ = [
    "AQGD",
    "COBYLA",
    "NFT",
    "SPSA",
    "Adam",
    "AdamSPSA",
    "GradientDescent",
    "LocalSearch",
    "Optimiser",
    "OptimiserError",
    "Result",
    "Training",
    "TrainingResult",
    "batched",
    "with_value",
]


def __getattr__(name: str) -> Any:
    if name in ("Training", "TrainingResult"):  # torch is imported only when something is trained
        from bitket.learning import training

        return getattr(training, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

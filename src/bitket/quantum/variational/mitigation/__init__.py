"""Error mitigation: noise scaling, extrapolation to zero noise by formula or network, and learned mitigation."""

from typing import Any

from bitket.quantum.variational.mitigation.extrapolation import (
    Estimate,
    Exponential,
    ExtrapolationError,
    Extrapolator,
    Fit,
    Linear,
    PolyExponential,
    Polynomial,
    Richardson,
    bootstrap,
)
from bitket.quantum.variational.mitigation.folding import fold, reached_factor
from bitket.quantum.variational.mitigation.zne import AdaptiveExponential, Mitigated, NoisyExecutor, zne

__all__ = [
    "AdaptiveExponential",
    "Estimate",
    "Exponential",
    "ExtrapolationError",
    "Extrapolator",
    "Fit",
    "LearnedMitigation",
    "Linear",
    "Mitigated",
    "Neural",
    "NoisyExecutor",
    "PolyExponential",
    "Polynomial",
    "Richardson",
    "bootstrap",
    "fold",
    "reached_factor",
    "zne",
]


def __getattr__(name: str) -> Any:
    if name in ("LearnedMitigation", "Neural"):  # torch is imported only when a network is asked for
        from bitket.quantum.variational.mitigation import neural

        return getattr(neural, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

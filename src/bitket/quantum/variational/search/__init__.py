"""Search for short circuits of low energy: reinforcement learning with a curriculum, under noise where wanted."""

from bitket.quantum.variational.search.angles import AngleSearch, Fitted, ShotStage
from bitket.quantum.variational.search.curriculum import MovingThreshold, NegativeBinomial, lower_bound
from bitket.quantum.variational.search.encoding import Gate, all_actions, build, decode, depth, encode, legal
from bitket.quantum.variational.search.environment import CircuitSearchEnv
from bitket.quantum.variational.search.search import ArchitectureSearch, Episode, Found, SearchSettings

__all__ = [
    "AngleSearch",
    "ArchitectureSearch",
    "CircuitSearchEnv",
    "Episode",
    "Fitted",
    "Found",
    "Gate",
    "MovingThreshold",
    "NegativeBinomial",
    "SearchSettings",
    "ShotStage",
    "all_actions",
    "build",
    "decode",
    "depth",
    "encode",
    "legal",
    "lower_bound",
]

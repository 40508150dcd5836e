"""Optimisers behind one protocol."""

from bitket.learning.adam import Adam
from bitket.learning.aqgd import AQGD
from bitket.learning.local import COBYLA, LocalSearch
from bitket.learning.minimize import Optimiser, OptimiserError, Result, batched
from bitket.learning.nft import NFT
from bitket.learning.spsa import SPSA, AdamSPSA

__all__ = [
    "AQGD",
    "COBYLA",
    "NFT",
    "SPSA",
    "Adam",
    "AdamSPSA",
    "LocalSearch",
    "Optimiser",
    "OptimiserError",
    "Result",
    "batched",
]

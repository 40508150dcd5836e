"""Passes over a network: each one a step of a method, to be combined."""

from bitket.quantization.passes.folding import FoldBatchNorm
from bitket.quantization.passes.step import Pass, Work

__all__ = ["FoldBatchNorm", "Pass", "Work"]

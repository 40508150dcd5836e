"""Passes over a network: each one a step of a method, to be combined.

Usual order: fold, equalise or smooth, calibrate, GPTQ or learned rounding, bias correction.
"""

from bitket.quantization.passes.bias import CorrectBias
from bitket.quantization.passes.equalisation import Equalise
from bitket.quantization.passes.folding import FoldBatchNorm
from bitket.quantization.passes.gptq import Gptq, gptq_rows
from bitket.quantization.passes.rounding import LearnRounding
from bitket.quantization.passes.smoothing import Smooth
from bitket.quantization.passes.step import Pass, Work

__all__ = ["CorrectBias", "Equalise", "FoldBatchNorm", "Gptq", "LearnRounding", "Pass", "Smooth", "Work", "gptq_rows"]

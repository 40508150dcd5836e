"""Networks of few bits: grids, simulation, calibration, passes and file formats.

>>> import torch
>>> from bitket.quantization import PostTraining, deploy, quantize
>>> model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2)).eval()
>>> quantized = quantize(model, PostTraining(), [torch.randn(16, 4)])
>>> x = torch.randn(3, 4)
>>> torch.equal(deploy(quantized)(x), quantized(x))
True
"""

from bitket.quantization.configs import config_from_json, config_to_json, method, part
from bitket.quantization.grids import Scheme, minifloat
from bitket.quantization.post_training import PostTraining
from bitket.quantization.quantized import QuantizedModel, deploy
from bitket.quantization.verbs import compare, quantize

__all__ = [
    "PostTraining",
    "QuantizedModel",
    "Scheme",
    "compare",
    "config_from_json",
    "config_to_json",
    "deploy",
    "method",
    "minifloat",
    "part",
    "quantize",
]

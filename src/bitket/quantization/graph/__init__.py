"""Places for quantisers in a network, found in its exported graph or by exchange of its modules."""

from bitket.quantization.graph.folding import fold_batch_norm
from bitket.quantization.graph.layers import Layer, layers_of
from bitket.quantization.graph.modules import as_modules
from bitket.quantization.graph.places import Place, Places, attach, find_places, left_float, quantiser_of
from bitket.quantization.graph.replace import replace_modules
from bitket.quantization.graph.trace import as_arguments, trace

__all__ = [
    "Layer",
    "Place",
    "Places",
    "as_arguments",
    "as_modules",
    "attach",
    "find_places",
    "fold_batch_norm",
    "layers_of",
    "left_float",
    "quantiser_of",
    "replace_modules",
    "trace",
]

"""How much a network minds that a layer is changed: curvature of its loss, distances of its outputs."""

from bitket.quantization.sensitivity.density import Spectrum, spectral_density
from bitket.quantization.sensitivity.eigenvalues import Eigenvalues, top_eigenvalues
from bitket.quantization.sensitivity.hessian import LossSurface, hessian_vector_product, weight_blocks
from bitket.quantization.sensitivity.trace import Trace, activation_trace, hessian_trace

__all__ = [
    "Eigenvalues",
    "LossSurface",
    "Spectrum",
    "Trace",
    "activation_trace",
    "hessian_trace",
    "hessian_vector_product",
    "spectral_density",
    "top_eigenvalues",
    "weight_blocks",
]

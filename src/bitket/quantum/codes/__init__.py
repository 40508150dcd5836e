"""Error-correcting codes: parameters with exact distances, constructions, weight reduction by search, memories under noise."""

from bitket.quantum.codes.code import ClassicalCode, CssCode, StabiliserCode, Weights
from bitket.quantum.codes.distance import Distance
from bitket.quantum.codes.environment import TannerEnv
from bitket.quantum.codes.families import (
    BIVARIATE_BICYCLES,
    HypergraphProduct,
    bivariate_bicycle,
    colour_code,
    hypergraph_product,
    rotated_surface_code,
    surface_code,
    toric_code,
)
from bitket.quantum.codes.files import read_code, write_code
from bitket.quantum.codes.generators import lightest_checks
from bitket.quantum.codes.hastings import hastings_reduction
from bitket.quantum.codes.memory import LogicalErrors, logical_error_rate, memory_circuit
from bitket.quantum.codes.reduce import Certificate, Reduced, certify, reduce_weight
from bitket.quantum.codes.seeds import dense_code, named_code
from bitket.quantum.codes.splitting import classical_reduction

__all__ = [
    "BIVARIATE_BICYCLES",
    "Certificate",
    "ClassicalCode",
    "CssCode",
    "Distance",
    "HypergraphProduct",
    "LogicalErrors",
    "Reduced",
    "StabiliserCode",
    "TannerEnv",
    "Weights",
    "bivariate_bicycle",
    "certify",
    "classical_reduction",
    "colour_code",
    "dense_code",
    "hastings_reduction",
    "hypergraph_product",
    "lightest_checks",
    "logical_error_rate",
    "memory_circuit",
    "named_code",
    "read_code",
    "reduce_weight",
    "rotated_surface_code",
    "surface_code",
    "toric_code",
    "write_code",
]

"""The ZX-calculus: diagrams with exact scalars, their rewrite rules, simplification and extraction of circuits."""

from bitket.quantum.circuits.zx.graph import Phase, Scalar, ZXError, ZXGraph

__all__ = ["Phase", "Scalar", "ZXError", "ZXGraph"]

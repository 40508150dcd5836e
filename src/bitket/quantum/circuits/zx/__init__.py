"""The ZX-calculus: diagrams with exact scalars, their rewrite rules, simplification and extraction of circuits.

>>> from bitket.quantum.circuits import Circuit
>>> import numpy as np
>>> toffoli = Circuit(3).ccx(0, 1, 2)
>>> g = ZXGraph.from_circuit(toffoli.compose(Circuit(3).t(0)))
>>> h = g.simplify()
>>> g.t_count, h.t_count                                                     # T and T† meet, a T is left with each parity
(8, 6)
>>> np.allclose(g.to_matrix(), h.to_matrix())                                # rules keep the matrix, scalar included
True
>>> np.allclose(h.extract().matrix(), toffoli.compose(Circuit(3).t(0)).matrix())
True
>>> ZXGraph.from_circuit(toffoli.compose(toffoli)).simplify().extract().count_ops()
{}
"""

from bitket.quantum.circuits.zx.diagram import ZXGraph
from bitket.quantum.circuits.zx.graph import Phase, Scalar, ZXError

__all__ = ["Phase", "Scalar", "ZXError", "ZXGraph"]

"""The ZX diagram as its users know it: from a circuit, to its matrix, simplified, drawn, and back to a circuit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bitket.quantum.circuits.zx.graph import Graph

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from bitket.quantum.circuits.circuit import Circuit

__all__ = ["ZXGraph"]


class ZXGraph(Graph):
    """A ZX diagram: spiders joined by plain and Hadamard edges, with inputs, outputs and an exact scalar.

    Inputs, outputs and spiders are whole numbers, given by the methods that add them. Inputs and outputs have one edge.

    Attributes
    ----------
    inputs, outputs
        The ends of the diagram; the i-th is qubit i.
    """

    @classmethod
    def from_circuit(cls, circuit: Circuit) -> ZXGraph:
        """The diagram of a circuit, scalar included; see `bitket.quantum.circuits.zx.reading`.

        Raises
        ------
        ZXError
            The circuit has measurements, resets, conditions or parameters without values.
        """
        from bitket.quantum.circuits.zx.reading import from_circuit

        return from_circuit(circuit, cls())

    def to_tensor(self) -> NDArray[np.complex128]:
        """The tensor of the diagram, scalar included; see `bitket.quantum.circuits.zx.contraction`.

        Returns
        -------
        Array of shape ``(2,) * (outputs + inputs)``: axes of the outputs in order, then of the inputs.

        Raises
        ------
        ZXError
            An end has no edge, or an intermediate tensor would have more than 2^26 entries (1 GiB).
        """
        from bitket.quantum.circuits.zx.contraction import tensor

        return tensor(self)

    def to_matrix(self) -> NDArray[np.complex128]:
        """The matrix ``[2^outputs, 2^inputs]``, little-endian as `Circuit.matrix`; errors as of `to_tensor`."""
        n, m = len(self.outputs), len(self.inputs)
        axes = [*range(n - 1, -1, -1), *range(n + m - 1, n - 1, -1)]
        return np.ascontiguousarray(self.to_tensor().transpose(axes).reshape(1 << n, 1 << m))

    def draw(self, width: float = 8.0) -> Figure:
        """A matplotlib figure, ``width`` inches wide: Z spiders green, X spiders red, Hadamard edges blue and dashed."""
        from bitket.quantum.circuits.zx.drawing import draw

        return draw(self, width)

    def simplify(self) -> ZXGraph:
        """An equal diagram, fully reduced; see `bitket.quantum.circuits.zx.simplification`."""
        from bitket.quantum.circuits.zx.simplification import simplify

        return simplify(self)

    def extract(self) -> Circuit:
        """A circuit that is equal up to a positive factor; see `bitket.quantum.circuits.zx.extraction`.

        Raises
        ------
        ZXError
            The diagram is not a multiple of a unitary, or has no generalised flow.
        """
        from bitket.quantum.circuits.zx.extraction import extract

        return extract(self)

"""Drawings of circuits: as text for a terminal, as a matplotlib figure for a page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bitket.quantum.circuits.drawing.layout import Drawable
from bitket.quantum.circuits.drawing.text import draw_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["draw_figure", "draw_text"]


def draw_figure(circuit: Drawable, width: float = 10.0, *, scale: float = 1.0) -> Figure:
    """The circuit as a matplotlib figure.

    Boxes are tinted blue where a weight is in their angles, amber where an input is, green where both are. Controls are
    filled dots where they act on 1 and open ones where they act on 0. Time that does not fit the width goes on in a new
    row of wires.

    Parameters
    ----------
    circuit
        Any circuit.
    width
        Largest width in inches.
    scale
        Factor of all sizes.

    Raises
    ------
    InvalidInput
        The width or scale is not positive.
    """
    from bitket.quantum.circuits.drawing.figure import render

    return render(circuit, width, scale)

"""Figures of a run: one look for all studies, and files that are the same bytes for the same figure."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bitket.runs.files import write_bytes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["encoded", "subplots", "write"]

# The first colours of Okabe and Ito's palette, told apart by readers with any colour vision.
_COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#5b6475"]


def _style() -> Any:
    from matplotlib.rcsetup import cycler

    return {
        "axes.axisbelow": True,
        "axes.edgecolor": "#8b93a3",
        "axes.grid": True,
        "axes.labelcolor": "#2b3240",
        "axes.prop_cycle": cycler("color", _COLOURS),
        "axes.spines.right": False,
        "axes.spines.top": False,
        "axes.titlesize": "medium",
        "font.size": 10.0,
        "grid.color": "#e6e9ef",
        "grid.linewidth": 0.8,
        "legend.frameon": False,
        "lines.linewidth": 1.8,
        "svg.fonttype": "path",
        "text.color": "#2b3240",
        "xtick.color": "#4b5363",
        "ytick.color": "#4b5363",
    }


def subplots(rows: int = 1, columns: int = 1, *, width: float = 7.0, height: float = 4.0) -> tuple[Figure, Any]:
    """A figure in the studies' look, and its axes.

    Parameters
    ----------
    rows, columns
        Of the grid of axes.
    width, height
        Of the figure in inches; a report shows 7 inches over the width of its text.

    Returns
    -------
    (figure, axes)
        One axes, or an array of them for more than one.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(_style()):
        figure = Figure(figsize=(width, height), layout="constrained")
        return figure, figure.subplots(rows, columns)


def encoded(figure: Figure, name: str, kinds: Sequence[str] = ("svg", "png")) -> dict[str, bytes]:
    """The figure as SVG, PNG (160 dots an inch) or PDF without dates, so that the same figure gives the same bytes."""
    import matplotlib as mpl

    undated: dict[str, Any] = {"svg": {"Date": None}, "png": {"Software": None}, "pdf": {"CreationDate": None}}
    out = {}
    with mpl.rc_context({**_style(), "svg.hashsalt": name}):
        for kind in kinds:
            buffer = io.BytesIO()
            figure.savefig(buffer, format=kind, dpi=160, metadata=undated[kind])
            out[kind] = buffer.getvalue()
    return out


def write(folder: Path, name: str, figure: Figure) -> None:
    """Write the figure as SVG and PNG, each file whole."""
    for kind, data in encoded(figure, name).items():
        write_bytes(folder / f"{name}.{kind}", data)

"""A ZX diagram as a figure: inputs at the left, outputs at the right, spiders where springs along the edges and repulsion balance."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import networkx as nx
from matplotlib.figure import Figure

from bitket.errors import InvalidInput
from bitket.quantum.circuits.zx.graph import Graph, Phase

__all__ = ["draw"]

_FILL = {"Z": "#ccf2cc", "X": "#ff9a9a"}
_INK, _HADAMARD = "#1a1a1a", "#2f6fd0"


def draw(graph: Graph, width: float = 8.0) -> Figure:
    """The figure of a diagram, see `ZXGraph.draw`."""
    if not width > 0:
        raise InvalidInput(f"draw: width {width}: it must be positive")
    height = 0.3 + 0.9 * max(len(graph.inputs), len(graph.outputs), 2)
    place = _places(graph, width, height)
    figure = Figure(figsize=(width, height))
    axes = figure.add_axes((0.02, 0.02, 0.96, 0.96))
    axes.axis("off")
    for u, v, hadamard in graph.edges():
        x, y = zip(place[u], place[v], strict=True)
        axes.plot(x, y, color=_HADAMARD if hadamard else _INK, lw=1.0, ls="--" if hadamard else "-", zorder=1)
    for b in (*graph.inputs, *graph.outputs):
        axes.plot(*place[b], "o", color=_INK, ms=3, zorder=2)
    for v in graph.spiders():
        x, y = place[v]
        text = _text(graph.phase(v))
        shape = "round,pad=0.25" if text else "circle,pad=0.35"
        box = {"boxstyle": shape, "fc": _FILL[graph.kind(v)], "ec": _INK, "lw": 0.8}
        axes.text(x, y, text or " ", ha="center", va="center", size=8, zorder=3, bbox=box)
    return figure


def _text(phase: Phase) -> str:
    if not isinstance(phase, Fraction):
        return f"{phase:.3g}π"
    top = {0: "", 1: "π"}.get(phase.numerator, f"{phase.numerator}π")
    return top if phase.denominator == 1 else f"{top}/{phase.denominator}"


def _places(graph: Graph, width: float, height: float) -> dict[int, Any]:
    """Places in inches. Spiders start between the sides by their distances from them."""
    place: dict[int, Any] = {}
    for ends, x in ((graph.inputs, 0.0), (graph.outputs, width)):
        place |= {b: (x, height * (1 - (i + 0.5) / len(ends))) for i, b in enumerate(ends)}
    net = nx.Graph((u, v) for u, v, _ in graph.edges())
    net.add_nodes_from([*graph.spiders(), *place])
    if not graph.spiders():
        return place
    fixed = list(place) or None
    for k, v in enumerate(graph.spiders()):
        distance = nx.single_source_shortest_path_length(net, v)
        near = [min((distance.get(b, len(net)) for b in ends), default=1) for ends in (graph.inputs, graph.outputs)]
        place[v] = (width * near[0] / sum(near), height * (0.1 + 0.8 * (0.618 * k % 1)))
    found: dict[int, Any] = nx.spring_layout(net, 0.07 * width, place, fixed, 300, seed=0)
    return found

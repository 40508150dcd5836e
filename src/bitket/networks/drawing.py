"""Figures of networks: the map with loads, and memories in use over time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import networkx as nx
import numpy as np

from bitket.runs.figures import subplots

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["draw_network", "draw_occupation"]


def draw_network(graph: nx.Graph, loads: Mapping[tuple[str, str], float], label: str) -> Figure:
    """The map: links coloured by their load, at the nodes' longitudes and latitudes where all have them, else spread by their lengths."""
    from matplotlib import colormaps
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    places = _places(graph)
    figure, axis = subplots(width=7.0, height=5.0)
    top = max(max(loads.values(), default=0), 1e-12)
    colours = colormaps["viridis_r"]
    for a, b in graph.edges:
        load = loads.get((a, b), loads.get((b, a), 0.0))
        x, y = zip(places[a], places[b], strict=True)
        axis.plot(x, y, color=colours(load / top), linewidth=1 + 4 * load / top, solid_capstyle="round", zorder=1)
    x, y = np.array([places[node] for node in graph]).T
    axis.scatter(x, y, s=36, color="white", edgecolors="0.2", zorder=2)
    if len(graph) <= 60:
        for node in graph:
            axis.annotate(node, places[node], xytext=(5, 5), textcoords="offset points", fontsize=7.5, zorder=3)
    figure.colorbar(ScalarMappable(Normalize(0, top), colours), ax=axis, label=label, shrink=0.8)
    axis.set_axis_off()
    axis.margins(0.08)
    return figure


def _places(graph: nx.Graph) -> dict[str, tuple[float, float]]:
    lower = {node: {str(k).lower(): v for k, v in data.items()} for node, data in graph.nodes(data=True)}
    for names in (("longitude", "latitude"), ("lon", "lat"), ("x", "y")):
        if all(_finite(data.get(name)) for data in lower.values() for name in names):
            return {node: (float(data[names[0]]), float(data[names[1]])) for node, data in lower.items()}
    # Square roots, or links within a campus would be points on the map.
    apart = nx.Graph((a, b, {"apart": data["length_km"] ** 0.5}) for a, b, data in graph.edges(data=True))
    found = nx.kamada_kawai_layout(apart, weight="apart") if len(graph) <= 300 else nx.spring_layout(apart, seed=0)
    return {node: (float(x), float(y)) for node, (x, y) in found.items()}


def _finite(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < float("inf")


def draw_occupation(samples: Sequence[tuple[float, Sequence[int]]], names: Sequence[str]) -> Figure:
    """Memories in use over time: one line a router, or a map of all where there are more than seven."""
    times = np.array([time for time, _ in samples])
    used = np.array([row for _, row in samples]).reshape(len(times), len(names)).T
    if len(names) <= 7:
        figure, axis = subplots(width=7.0, height=3.6)
        for name, row in zip(names, used, strict=True):
            axis.step(times, row, where="post", label=name, linewidth=1)
        axis.set(xlabel="time, s", ylabel="memories in use", ylim=(0, None))
        axis.legend(fontsize=7, ncols=7, loc="lower left", bbox_to_anchor=(0, 1.0))
        return figure
    figure, axis = subplots(width=7.0, height=min(9.0, 2 + 0.12 * len(names)))
    image = axis.imshow(used, aspect="auto", cmap="Blues", extent=(times[0], times[-1], len(names) - 0.5, -0.5))
    if len(names) <= 60:
        axis.set_yticks(range(len(names)), names, fontsize=6)
    axis.set(xlabel="time, s")
    axis.grid(visible=False)
    figure.colorbar(image, ax=axis, label="memories in use", shrink=0.8)
    return figure

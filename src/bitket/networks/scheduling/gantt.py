"""Gantt chart of a schedule."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bitket.errors import InvalidInput
from bitket.networks.scheduling.cycle import Cycle

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle

__all__ = ["gantt"]

_LEGEND = 20
"""More tasks than that are not listed."""


def gantt(schedule: Cycle, slots: tuple[int, int] | None = None) -> Figure:
    """A row for each qubit that is used, a colour for each task; operations dark, waiting pairs light.

    Parameters
    ----------
    slots
        First slot, and slot after the last one shown; all without it.

    Raises
    ------
    InvalidInput
        The schedule has no such slots.
    """
    from matplotlib import colormaps
    from matplotlib.collections import PatchCollection
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch, Rectangle

    first, last = (0, schedule.hyperperiod) if slots is None else slots
    if not 0 <= first < last <= schedule.hyperperiod:
        raise InvalidInput(f"slots {first} to {last}: the schedule has 0 to {schedule.hyperperiod}")
    occupation = schedule.occupation()
    row = {qubit: k for k, qubit in enumerate(occupation)}
    colour = {task.name: colormaps["tab20"](k % 20) for k, task in enumerate(schedule.accepted)}
    bars: dict[bool, tuple[list[Rectangle], list[object]]] = {False: ([], []), True: ([], [])}

    def add(qubit: object, start: int, end: int, task: str, works: bool) -> None:
        if start < last and end > first:
            patches, colours = bars[works]
            patches.append(Rectangle((start, row[qubit] - 0.4), end - start, 0.8))  # type: ignore[index]
            colours.append(colour[task])

    for qubit, spans in occupation.items():
        for start, end, task, _ in spans:
            add(qubit, start, end, task, works=False)
    for o in schedule.operations:
        for qubit in o.qubits:
            add(qubit, o.start_slot, o.end_slot, o.demand, works=True)
    figure = Figure(figsize=(8.0, min(30.0, max(2.0, 0.16 * len(row) + 1.0))), layout="constrained")
    axes = figure.subplots()
    for works, (patches, colours) in bars.items():
        axes.add_collection(PatchCollection(patches, facecolor=colours, edgecolor="none", alpha=1.0 if works else 0.35))
    axes.set(xlim=(first, last), ylim=(max(len(row), 1) - 0.5, -0.5), xlabel=f"slot of {1e3 * schedule.slot:g} ms")
    axes.set_yticks(range(len(row)), [str(q) for q in row], fontsize=6)
    shown = [Patch(facecolor=colour[task.name], label=_label(schedule, k)) for k, task in enumerate(schedule.accepted)]
    if shown and len(shown) <= _LEGEND:
        figure.legend(handles=shown, loc="outside right upper", fontsize=7, frameon=False)
    return figure


def _label(schedule: Cycle, k: int) -> str:
    task = schedule.accepted[k]
    return f"{task.demand.source} - {task.demand.destination}" if task.demand else task.name

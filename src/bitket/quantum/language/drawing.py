"""Drawings of diagrams: as text, SVG, or a matplotlib figure; wires run straight down, words and boxes stand on them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from bitket.errors import InvalidInput
from bitket.quantum.language.types import Ty

__all__ = ["Drawable", "draw"]


class DrawableBox(Protocol):
    """What a drawing looks at in a box; ``shape`` is ``"box"``, ``"cup"``, ``"cap"``, ``"swap"`` or ``"spider"``."""

    name: str
    shape: str
    dom: Ty
    cod: Ty


class Drawable(Protocol):
    """A diagram as a drawing sees it: wires that come in, and boxes with the number of wires left of each."""

    dom: Ty

    @property
    def offsets(self) -> Iterable[tuple[Any, int]]:
        """Each box and the wires left of it."""
        ...


@dataclass
class _Placed:
    """A box in a row, with the numbers of its wires."""

    box: DrawableBox
    row: int
    ins: list[int]
    outs: list[int]


class _Layout:
    """Columns of wires and rows of boxes; room for a new box is made by moving all that stands right of it."""

    def __init__(self, diagram: Drawable) -> None:
        self.column: list[int] = []
        self.born: list[int] = []
        self.ends: list[int | None] = []
        self.placed: list[_Placed] = []
        self.names: list[str] = []
        wires: list[int] = []
        right = 0
        for t in diagram.dom:
            wires.append(self._wire(str(t), right + len(str(t)) // 2, -1))
            right += len(str(t)) + 2
        for box, o in diagram.offsets:
            ins = wires[o : o + len(box.dom)]
            row = self._below(ins) if ins else self._free()
            item = _Placed(box, row, ins, [])
            item.outs = self._outputs(box, row, wires, o)
            for w in ins:
                self.ends[w] = row
            self.placed.append(item)
            wires[o : o + len(box.dom)] = item.outs
        self.last = wires
        self.rows = 1 + max((p.row for p in self.placed), default=0)

    def _below(self, ins: list[int]) -> int:
        """The row under all boxes that stand over the columns of the wires."""
        low, high = (f(self.column[w] for w in ins) for f in (min, max))
        rows = [self.born[w] for w in ins]
        for p in self.placed:
            ends = [self.column[w] for w in p.ins + p.outs]
            if ends and min(ends) <= high and max(ends) >= low:
                rows.append(p.row)
        return 1 + max(rows)

    def _free(self) -> int:
        """The row of a state: all words of a sentence stand in the first one."""
        return 0 if all(p.row == 0 and not p.ins for p in self.placed) else 1 + max(p.row for p in self.placed)

    def _wire(self, name: str, column: int, row: int) -> int:
        self.column.append(column)
        self.born.append(row)
        self.ends.append(None)
        self.names.append(name)
        return len(self.column) - 1

    def _outputs(self, box: DrawableBox, row: int, wires: list[int], o: int) -> list[int]:
        names = [str(t) for t in box.cod]
        if box.shape == "swap":
            columns = [self.column[w] for w in wires[o : o + 2]]
            return [self._wire(name, column, row) for name, column in zip(names, columns, strict=True)]
        label = 0 if box.shape == "cap" else len(box.name)
        width = max(sum(len(name) + 2 for name in names), label + 4)
        before = wires[o - 1] if o else None
        if box.dom:
            start = self.column[wires[o]] - (len(names[0]) // 2 if names else 0)
            end = self.column[wires[o + len(box.dom) - 1]] + 2
        else:
            start = self.column[before] + 3 + len(self.names[before]) // 2 if before is not None else 0
            end = start
        self._room(wires[o + len(box.dom) :], start + width - end, end)
        out, place = [], start + (width - sum(len(name) + 2 for name in names)) // 2
        for name in names:
            out.append(self._wire(name, place + len(name) // 2, row))
            place += len(name) + 2
        return out

    def _room(self, right: list[int], size: int, start: int) -> None:
        if right:
            size = max(0, start + size + 1 - min(self.column[w] - len(self.names[w]) // 2 for w in right))
            edge = min(self.column[w] for w in right)
            self.column = [c + size if c >= edge else c for c in self.column]


def draw(diagram: Drawable, style: str = "text") -> Any:
    """A diagram as text, as SVG text, or as a matplotlib figure.

    Raises
    ------
    InvalidInput
        Another style.
    """
    if style == "text":
        return _text(_Layout(diagram))
    if style == "figure":
        return _figure(_Layout(diagram))
    if style == "svg":
        from bitket.runs.figures import encoded

        return encoded(_figure(_Layout(diagram)), "diagram", ("svg",))["svg"].decode()
    raise InvalidInput(f"draw: style '{style}': 'text', 'svg' or 'figure' is needed")


def _text(layout: _Layout) -> str:
    height = 2 * layout.rows + 1
    lines: list[dict[int, str]] = [{} for _ in range(height)]

    def put(y: int, x: int, text: str) -> None:
        for k, character in enumerate(text):
            lines[y][x + k] = character

    for w, column in enumerate(layout.column):
        end = layout.ends[w]
        for y in range(2 * layout.born[w] + 2, height if end is None else 2 * end + 1):
            put(y, column, "│")
        label = 2 * layout.born[w] + 2 - (layout.born[w] >= 0)
        put(max(label, 0), column - len(layout.names[w]) // 2, layout.names[w])
    for p in layout.placed:
        ends = [layout.column[w] for w in p.ins + p.outs]
        y = 2 * p.row
        if p.box.shape in ("cup", "cap"):
            left, right = ("╰", "╯") if p.box.shape == "cup" else ("╭", "╮")
            put(y, ends[0], left + "─" * (ends[1] - ends[0] - 1) + right)
            continue
        name = {"spider": "●", "swap": "╳"}.get(p.box.name, p.box.name)
        if not ends:
            put(y, 0, name)
            continue
        low, high = min(ends), max(ends)
        if p.box.shape in ("spider", "swap"):
            put(y, low, "├" + "─" * (high - low - 1) + ("┤" if high > low else ""))
        put(y, max(0, (low + high + 1 - len(name)) // 2), name)
    rows = ["".join(line.get(x, " ") for x in range(max(line, default=-1) + 1)).rstrip() for line in lines]
    while rows and (not rows[-1] or (len(rows) > 2 and set(rows[-1]) <= {"│", " "} and set(rows[-2]) <= {"│", " "})):
        rows.pop()
    return "\n".join(rows)


def _figure(layout: _Layout) -> Any:
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    from bitket.runs.figures import subplots

    width = max([*layout.column, 20]) + 6
    figure, axes = subplots(width=max(3.0, 0.11 * width), height=0.7 + 0.75 * layout.rows)
    line = "#2b3240"
    for w, column in enumerate(layout.column):
        end = layout.ends[w]
        low = -layout.rows - 0.1 if end is None else -end
        axes.plot([column, column], [-layout.born[w], low], color=line, linewidth=1.2, zorder=1)
        axes.text(column + 0.4, -layout.born[w] - 0.45, layout.names[w], fontsize=7, color="#5b6475")
    for p in layout.placed:
        ends = [layout.column[w] for w in p.ins + p.outs] or [0]
        low, high = min(ends), max(ends)
        if p.box.shape in ("cup", "cap"):
            depth = -p.row - (0.55 if p.box.shape == "cup" else -0.55)
            path = Path([(low, -p.row), (low, depth), (high, depth), (high, -p.row)], [1, 4, 4, 4])
            axes.add_patch(PathPatch(path, fill=False, edgecolor=line, linewidth=1.2))
        elif p.box.shape == "spider":
            axes.plot([low, high], [-p.row, -p.row], color=line, linewidth=1.2)
            axes.plot([(low + high) / 2], [-p.row], "o", color="#0072B2", markersize=8, zorder=3)
        elif p.box.shape == "swap":
            axes.plot([low, high], [-p.row + 0.15, -p.row - 0.15], color=line)
            axes.plot([low, high], [-p.row - 0.15, -p.row + 0.15], color=line)
        else:
            axes.plot(
                [low - 1, high + 1], [-p.row, -p.row], color="#56B4E9", linewidth=9, solid_capstyle="round", zorder=2
            )
            axes.text((low + high) / 2, -p.row, p.box.name, ha="center", va="center", fontsize=9, zorder=4)
    axes.set(xlim=(-3, width), ylim=(-layout.rows - 0.3, 1))
    axes.axis("off")
    return figure

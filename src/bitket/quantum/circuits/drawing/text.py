"""Circuits drawn with box characters.

Lines are laid on a canvas whose cells remember in which of four directions a line leaves them, light or double; a cell's
character follows, so that boxes, wires and control lines join wherever they meet.

>>> from bitket.quantum.circuits.circuit import Circuit
>>> print(draw_text(Circuit(2, 1).h(0).cx(0, 1).measure(1, 0), width=60))
     ┌───┐
q0: ─┤ H ├──●─────────
     └───┘  │  ┌───┐
q1: ────────⊕──┤ M ├──
               └─╥─┘
c:  ═════════════╩════
                 0
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence

from bitket.errors import InvalidInput
from bitket.quantum.circuits.drawing.layout import Drawable, Part, angle_text, lay_out

__all__ = ["draw_text"]

_UP, _DOWN, _LEFT, _RIGHT = range(4)
_LIGHT = " ╵╷│╴┘┐┤╶└┌├─┴┬┼"  # by bits: up 1, down 2, left 4, right 8
_DOUBLE = {  # (up, down, left, right), where 1 is light and 2 is double
    (2, 2, 0, 0): "║", (2, 0, 0, 0): "║", (0, 2, 0, 0): "║", (0, 0, 2, 2): "═", (0, 0, 2, 0): "═", (0, 0, 0, 2): "═",
    (0, 2, 1, 1): "╥", (2, 0, 1, 1): "╨", (2, 2, 1, 1): "╫", (2, 0, 2, 2): "╩", (2, 2, 2, 2): "╬", (0, 2, 2, 2): "╦",
    (1, 2, 1, 1): "╫", (2, 1, 1, 1): "╫",
}  # fmt: skip
_PLAIN = str.maketrans(
    dict.fromkeys("╵╷│║", "|") | dict.fromkeys("╴╶─", "-") | dict.fromkeys("┘┐┤└┌├┴┬┼╥╨╫╩╬╦", "+")
    | {"═": "=", "●": "@", "○": "O", "⊕": "X", "×": "x", "░": ":", "√": "V", "π": "pi", "·": "*", "†": "'"}
)  # fmt: skip


class _Canvas:
    def __init__(self, rows: int, columns: int) -> None:
        self.lines = [[[0, 0, 0, 0] for _ in range(columns)] for _ in range(rows)]
        self.text: list[list[str]] = [[""] * columns for _ in range(rows)]

    def horizontal(self, row: int, start: int, stop: int, weight: int = 1) -> None:
        for column in range(start, stop + 1):
            cell = self.lines[row][column]
            if column > start or row % 2:  # wires go on beyond their ends, the edges of boxes do not
                cell[_LEFT] = weight
            if column < stop or row % 2:
                cell[_RIGHT] = weight

    def vertical(self, column: int, start: int, stop: int, weight: int = 1) -> None:
        for row in range(start, stop + 1):
            cell = self.lines[row][column]
            if row > start:
                cell[_UP] = weight
            if row < stop:
                cell[_DOWN] = weight

    def write(self, row: int, column: int, text: str) -> None:
        for k, letter in enumerate(text):
            if 0 <= column + k < len(self.text[row]):
                self.text[row][column + k] = letter

    def hollow(self, top: int, foot: int, left: int, right: int) -> None:
        """Cut off what reaches into a rectangle."""
        for row in range(top, foot + 1):
            for column in range(left, right + 1):
                cell = self.lines[row][column]
                for direction, inside in ((_UP, row > top), (_DOWN, row < foot)):
                    cell[direction] *= not (inside and left < column < right)
                for direction, inside in ((_LEFT, column > left), (_RIGHT, column < right)):
                    cell[direction] *= not (inside and top < row < foot)

    def __str__(self) -> str:
        rows = []
        for lines, text in zip(self.lines, self.text, strict=True):
            rows.append("".join(t or _character(cell) for cell, t in zip(lines, text, strict=True)).rstrip())
        return "\n".join(rows).strip("\n")


def _character(cell: list[int]) -> str:
    if 2 not in cell:
        return _LIGHT[sum((cell[k] > 0) << k for k in range(4))]
    up, down, left, right = cell
    return _DOUBLE.get((up, down, left, right), "╬")


def draw_text(circuit: Drawable, width: int | None = None, *, ascii: bool = False) -> str:
    """The circuit as text.

    Parameters
    ----------
    circuit
        Any circuit.
    width
        Characters in a line; by default the terminal's. What does not fit goes on below. 0: one line, however long.
    ascii
        Whether to use plain characters alone: ``@`` for a control, ``O`` for an open one, ``X`` for a flipped target.

    Raises
    ------
    InvalidInput
        The width is negative.
    """
    if width is None:
        width = shutil.get_terminal_size().columns
    if width < 0:
        raise InvalidInput(f"draw_text: width {width}: at least 0 is needed")
    layout = lay_out(circuit)
    names = [f"q{q}: " for q in range(circuit.num_qubits)] + (["c: "] if circuit.num_clbits else [])
    left = max(map(len, names))
    widths = [1] * layout.columns
    for part in layout.parts:
        widths[part.column] = max(widths[part.column], _width(part))
    pages: list[list[int]] = [[]]
    used = left
    for column, size in enumerate(widths):
        if width and pages[-1] and used + size + 2 > width - 1:
            pages.append([])
            used = left
        pages[-1].append(column)
        used += size + 2
    drawn = ["\n\n".join(_page(circuit, layout.parts, page, widths, names, left) for page in pages)]
    if layout.phases:
        drawn.insert(0, "global phase: " + " + ".join(map(angle_text, layout.phases)))
    text = "\n".join(drawn)
    return text.translate(_PLAIN) if ascii else text


def _label(part: Part) -> str:
    if part.kind in ("measure", "reset"):
        return "M" if part.kind == "measure" else "|0>"
    return f"{part.name}({', '.join(map(angle_text, part.angles))})" if part.angles else part.name


def _is_box(part: Part) -> bool:
    return part.kind in ("box", "measure", "reset")


def _width(part: Part) -> int:
    """Characters that a part takes, borders included."""
    marks = 0
    if part.condition is not None:
        marks = len(_condition(part))
    if not _is_box(part):
        return max(1, marks)
    numbers = 2 if len(part.targets) > 1 else 0
    return max(len(_label(part)) + 4 + numbers, marks)


def _condition(part: Part) -> str:
    assert part.condition is not None
    return ",".join(f"c{c}={part.condition.value >> k & 1}" for k, c in enumerate(part.condition.clbits))


def _page(
    circuit: Drawable, parts: Sequence[Part], page: list[int], widths: list[int], names: list[str], left: int
) -> str:
    n = circuit.num_qubits
    starts, at = {}, left + 1
    for column in page:
        starts[column] = at
        at += widths[column] + 2
    total = max(at, left + 2)
    rows = 2 * n + 1 + (2 if circuit.num_clbits else 0)
    canvas = _Canvas(rows, total)
    for q in range(n):
        canvas.write(2 * q + 1, 0, names[q])
        canvas.horizontal(2 * q + 1, left, total - 1)
    bottom = 2 * n + 1
    if circuit.num_clbits:
        canvas.write(bottom, 0, names[-1])
        canvas.horizontal(bottom, left, total - 1, 2)
    for part in parts:
        if part.column in starts:
            _draw(canvas, part, starts[part.column], widths[part.column], bottom)
    return str(canvas)


def _draw(canvas: _Canvas, part: Part, start: int, width: int, bottom: int) -> None:
    middle = start + (width - 1) // 2
    rows = [2 * q + 1 for q in part.qubits]
    if part.kind == "barrier":
        for q in part.targets:
            for row in (2 * q, 2 * q + 1, 2 * q + 2):
                canvas.write(row, middle, "░")
        return
    canvas.vertical(middle, min(rows), max(rows))
    if part.is_classical:
        canvas.vertical(middle, max(rows), bottom, 2)
        note = str(part.clbit) if part.condition is None else _condition(part)
        if part.clbit is not None and part.condition is not None:
            note = f"{part.clbit} if {note}"
        if part.condition is not None:
            canvas.write(bottom, middle, "●")
        canvas.write(bottom + 1, max(0, middle - (len(note) - 1) // 2), note)
    if _is_box(part):
        _box(canvas, part, start, width, middle)
    else:
        symbol = {"flip": "⊕", "dots": "●", "swap": "×"}[part.kind]
        for q in part.targets:
            canvas.write(2 * q + 1, middle, symbol)
    spanned = range(min(part.targets), max(part.targets)) if _is_box(part) else ()
    for q, bit in part.controls:
        if q not in spanned:
            canvas.write(2 * q + 1, middle, "●" if bit else "○")


def _box(canvas: _Canvas, part: Part, start: int, width: int, middle: int) -> None:
    label, many = _label(part), len(part.targets) > 1
    size = len(label) + 4 + (2 if many else 0)
    a = middle - (size - 1) // 2
    b = a + size - 1
    top, foot = 2 * min(part.targets), 2 * max(part.targets) + 2
    canvas.hollow(top, foot, a, b)
    canvas.horizontal(top, a, b)
    canvas.horizontal(foot, a, b)
    canvas.vertical(a, top, foot)
    canvas.vertical(b, top, foot)
    for row in range(top + 1, foot):
        canvas.write(row, a + 1, " " * (size - 2))
    if many:
        for k, q in enumerate(part.targets):
            canvas.write(2 * q + 1, a + 1, str(k))
        for q, bit in part.controls:
            if top < 2 * q + 1 < foot:
                canvas.write(2 * q + 1, a + 1, "●" if bit else "○")
    centre = (top + foot) // 2
    canvas.write(centre, a + 2 + (2 if many else 0), label)

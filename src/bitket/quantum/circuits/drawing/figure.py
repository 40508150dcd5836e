"""Circuits drawn with matplotlib. One unit of length is the distance between wires; a column is as wide as its widest text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.patches import Arc, Circle, FancyBboxPatch, Rectangle
from matplotlib.textpath import TextPath

from bitket.errors import InvalidInput
from bitket.quantum.circuits.drawing.layout import Drawable, Layout, Part, angle_text, lay_out
from bitket.quantum.circuits.parameter import Expression

__all__ = ["render"]

_INCH = 0.52  # of one unit
_NAME, _ANGLE, _SMALL = 11.0, 7.5, 8.0  # points
_HALF = 0.33  # half the height of a box
_GAP = 0.22  # between columns
_INK, _QUIET = "#1a1a1a", "#8a8a8a"
_TINTS = {(): "#ffffff", ("weight",): "#dbe9f8", ("input",): "#fdebc8", ("input", "weight"): "#dcefdc"}
_GREEK = re.compile(
    "alpha|beta|gamma|delta|epsilon|zeta|eta|theta|iota|kappa|lambda|mu|nu|xi|rho|sigma|tau|upsilon|phi|chi|psi|omega"
)
_FONT = FontProperties(family="DejaVu Sans")


def render(circuit: Drawable, width: float, scale: float) -> Figure:
    """See `bitket.quantum.circuits.drawing.draw_figure`."""
    if not (width > 0 and scale > 0):
        raise InvalidInput(f"draw_figure: width {width} and scale {scale}: both must be positive")
    layout = lay_out(circuit)
    unit = _INCH * scale
    widths = [0.5] * layout.columns
    for part in layout.parts:
        widths[part.column] = max(widths[part.column], _width(part))
    labels = [rf"$q_{{{q}}}$" for q in range(circuit.num_qubits)]
    left = max(_measure(label, _NAME) for label in labels) + 0.3
    rows: list[list[int]] = [[]]
    used = left
    for column, size in enumerate(widths):
        if rows[-1] and used + size + _GAP > width / unit - 0.4:
            rows.append([])
            used = left
        rows[-1].append(column)
        used += size + _GAP
    length = left + max(sum(widths[c] + _GAP for c in row) for row in rows) + 0.2
    height = circuit.num_qubits + (1.25 if circuit.num_clbits else 0.35)
    top = 0.55 if layout.phases else 0.15
    tall = height * len(rows) - (0 if circuit.num_clbits else 0.25)
    figure = Figure(figsize=((length + 0.3) * unit, (tall + top) * unit))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(-0.1, length + 0.2)
    axes.set_ylim(0.5 - tall, 0.5 + top)
    axes.axis("off")
    pen = _Pen(axes, scale)
    if layout.phases:
        text = " + ".join(_pretty(phase) for phase in layout.phases)
        pen.text(0, 0.5 + top / 2, f"global phase: {text}", _SMALL, ha="left")
    for k, row in enumerate(rows):
        _row(pen, circuit, layout, row, widths, labels, left, -height * k, k == len(rows) - 1)
    return figure


class _Pen:
    """Draws in units of length, with lines and letters scaled."""

    def __init__(self, axes: Axes, scale: float) -> None:
        self.axes, self.scale = axes, scale

    def line(self, x: Sequence[float], y: Sequence[float], order: float = 1, **style: Any) -> None:
        merged: dict[str, Any] = {"color": _INK, "linewidth": 0.9, "solid_capstyle": "butt"} | style
        merged["linewidth"] *= self.scale
        self.axes.plot(x, y, zorder=order, **merged)

    def double(self, x: Sequence[float], y: Sequence[float], order: float = 1) -> None:
        self.line(x, y, order, linewidth=2.9, color=_QUIET)
        self.line(x, y, order + 0.1, linewidth=1.3, color="white")

    def text(self, x: float, y: float, text: str, size: float, **style: Any) -> None:
        merged: dict[str, Any] = {"ha": "center", "va": "center", "color": _INK, "zorder": 6} | style
        self.axes.text(x, y, text, fontproperties=_FONT, **merged).set_fontsize(size * self.scale)

    def box(self, x: float, y: float, width: float, height: float, fill: str) -> None:
        shape = FancyBboxPatch(
            (x - width / 2, y - height / 2), width, height, boxstyle="round,pad=0,rounding_size=0.06", zorder=4
        )
        shape.set(facecolor=fill, edgecolor=_INK, linewidth=0.9 * self.scale)
        self.axes.add_patch(shape)

    def disc(self, x: float, y: float, radius: float, filled: bool, order: float = 5) -> None:
        shape = Circle((x, y), radius, zorder=order)
        shape.set(facecolor=_INK if filled else "white", edgecolor=_INK, linewidth=0.9 * self.scale)
        self.axes.add_patch(shape)


@lru_cache(4096)
def _measure(text: str, points: float) -> float:
    """Width of a text in units."""
    return float(TextPath((0, 0), text, size=points, prop=_FONT).get_extents().width) / 72 / _INCH if text else 0.0


def _pretty(angle: Any) -> str:
    """An angle as mathematics: theta[3] is a Greek letter with an index."""
    text, names = angle_text(angle), {}
    if isinstance(angle, Expression):
        names = {p.name: _symbol(p.name) for p in angle.parameters}
    pattern = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True)) or "(?!)"
    parts = re.split(rf"((?<![A-Za-z_])(?:{pattern})(?![A-Za-z_]))", text)
    plain = str.maketrans({"·": r"\,", "π": r"\pi ", "-": "−"})
    written = [re.sub(r"((?:arc)?(?:sin|cos|tan)|exp|log|sqrt)\(", r"\\mathrm{\1}(", p).translate(plain) for p in parts]
    return "$" + "".join(names.get(p, w) for p, w in zip(parts, written, strict=True)) + "$"


def _symbol(name: str) -> str:
    match = re.fullmatch(r"([A-Za-z]+)(?:\[(\w+)\]|_?(\d+))?", name)
    if not match:  # no name of a variable: set upright, without what has a meaning in mathematics
        return (
            r"\mathrm{"
            + re.sub(r"[^\w .:,|/+\[\]·-]", "?", name).replace("_", r"\_").replace(" ", r"\ ").replace("·", r"\cdot ")
            + "}"
        )
    base = (
        "\\" + match[1] if _GREEK.fullmatch(match[1]) else match[1] if len(match[1]) == 1 else rf"\mathrm{{{match[1]}}}"
    )
    index = match[2] or match[3]
    return f"{base}_{{{index}}}" if index else base


def _title(part: Part) -> str:
    return part.name.replace("●", "•").replace("○", "∘")


def _angles(part: Part) -> str:
    return ", ".join(_pretty(a) for a in part.angles)


def _is_box(part: Part) -> bool:
    return part.kind in ("box", "measure", "reset")


def _box_width(part: Part) -> float:
    if part.kind in ("measure", "reset"):
        return 2 * _HALF
    inner = max(_measure(_title(part), _NAME), _measure(_angles(part), _ANGLE))
    return max(2 * _HALF, inner + 0.24 + (0.3 if len(part.targets) > 1 else 0))


def _width(part: Part) -> float:
    note = _measure(_note(part), _SMALL) if part.is_classical else 0.0
    return max(_box_width(part) if _is_box(part) else 0.5, note)


def _note(part: Part) -> str:
    """What stands at the classical wire."""
    words = [] if part.clbit is None else [str(part.clbit)]
    if part.condition is not None:
        words += [f"c{c}={part.condition.value >> k & 1}" for k, c in enumerate(part.condition.clbits)]
    return " ".join(words)


def _row(
    pen: _Pen,
    circuit: Drawable,
    layout: Layout,
    columns: list[int],
    widths: list[float],
    labels: list[str],
    left: float,
    base: float,
    last: bool,
) -> None:
    centres, at = {}, left
    for column in columns:
        centres[column] = at + widths[column] / 2 + _GAP / 2
        at += widths[column] + _GAP
    end = at + 0.1
    for q, label in enumerate(labels):
        pen.text(left - 0.15, base - q, label, _NAME, ha="right")
        pen.line([left - 0.05, end], [base - q, base - q])
        if not last:
            pen.line([end, end + 0.25], [base - q, base - q], linestyle=(0, (1, 1.5)))
    ground = base - circuit.num_qubits + 0.1
    if circuit.num_clbits:
        pen.text(left - 0.15, ground, "$c$", _NAME, ha="right")
        pen.double([left - 0.05, end], [ground, ground])
        pen.line([left + 0.02, left + 0.12], [ground - 0.1, ground + 0.1], 2, linewidth=0.7)
        pen.text(left + 0.07, ground + 0.24, str(circuit.num_clbits), _ANGLE, color=_QUIET)
    for part in layout.parts:
        if part.column in centres:
            _part(pen, part, centres[part.column], base, ground)


def _part(pen: _Pen, part: Part, x: float, base: float, ground: float) -> None:
    levels = [base - q for q in part.qubits]
    if part.kind == "barrier":
        for y in levels:
            pen.axes.add_patch(
                Rectangle((x - 0.12, y - 0.5), 0.24, 1.0, facecolor="#ececec", edgecolor="none", zorder=2)
            )
            pen.line([x, x], [y - 0.5, y + 0.5], 3, color=_QUIET, linestyle=(0, (2.5, 2)))
        return
    if part.is_classical:
        pen.double([x, x], [min(levels), ground], 2)
        pen.text(x, ground - 0.34, _note(part), _SMALL)
        if part.condition is not None:
            pen.disc(x, ground, 0.08, True)
        if part.clbit is not None:
            shift = 0.0 if part.condition is None else 0.08
            pen.axes.plot([x], [ground + 0.09 + shift], marker="v", color=_QUIET, markersize=4.5 * pen.scale, zorder=5)
    pen.line([x, x], [min(levels), max(levels)], 2)
    if _is_box(part):
        _box(pen, part, x, base)
    for q in part.targets if part.kind in ("flip", "dots", "swap") else ():
        y = base - q
        if part.kind == "dots":
            pen.disc(x, y, 0.085, True)
        elif part.kind == "flip":
            pen.disc(x, y, 0.19, False)
            pen.line([x - 0.19, x + 0.19], [y, y], 6)
            pen.line([x, x], [y - 0.19, y + 0.19], 6)
        else:
            pen.line([x - 0.12, x + 0.12], [y - 0.12, y + 0.12], 6, linewidth=1.3)
            pen.line([x - 0.12, x + 0.12], [y + 0.12, y - 0.12], 6, linewidth=1.3)
    spanned = range(min(part.targets), max(part.targets)) if _is_box(part) else ()
    for q, bit in part.controls:  # a control between the targets stands at the edge of the box
        pen.disc(x - (_box_width(part) / 2 if q in spanned else 0), base - q, 0.085, bool(bit), 7)


def _box(pen: _Pen, part: Part, x: float, base: float) -> None:
    first, final = base - min(part.targets), base - max(part.targets)
    y, width = (first + final) / 2, _box_width(part)
    roles = {p.role for a in part.angles if isinstance(a, Expression) for p in a.parameters}
    fill = _TINTS[tuple(sorted(roles))] if part.kind == "box" else "#f1f1f1"
    pen.box(x, y, width, first - final + 2 * _HALF, fill)
    if part.kind == "measure":
        pen.axes.add_patch(
            Arc((x, y - 0.1), 0.42, 0.42, theta1=0, theta2=180, color=_INK, linewidth=0.9 * pen.scale, zorder=6)
        )
        pen.axes.annotate(
            "",
            (x + 0.19, y + 0.21),
            (x, y - 0.1),
            arrowprops={"arrowstyle": "-|>,head_width=0.12,head_length=0.25", "color": _INK, "lw": 0.8 * pen.scale,
                        "shrinkA": 0, "shrinkB": 0},
            zorder=6,
        )  # fmt: skip
        return
    if part.kind == "reset":
        pen.text(x, y, r"$|0\rangle$", _NAME)
        return
    centre = x + (0.12 if len(part.targets) > 1 else 0)
    angles = _angles(part)
    pen.text(centre, y + (0.13 if angles else 0), _title(part), _NAME)
    if angles:
        pen.text(centre, y - 0.17, angles, _ANGLE, color="#333333")
    if len(part.targets) > 1:
        for k, q in enumerate(part.targets):
            pen.text(x - width / 2 + 0.14, base - q, str(k), _ANGLE, color=_QUIET)

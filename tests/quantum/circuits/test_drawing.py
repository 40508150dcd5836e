import io
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.colors import to_hex
from matplotlib.patches import FancyBboxPatch

from bitket.errors import InvalidInput
from bitket.quantum.circuits import (
    Circuit,
    Condition,
    Parameter,
    efficient_su2,
    gate,
    gate_shape,
    parameters,
    random_circuit,
)
from bitket.quantum.circuits.drawing import draw_figure, draw_text
from bitket.quantum.circuits.drawing.layout import angle_text, lay_out, number_text
from bitket.quantum.circuits.gates import NAMES


def sample():
    c = Circuit(3, 2).h(0).append(gate("x").control(2, 0b01), [0, 1, 2]).swap(0, 2).barrier()
    c.rzz(Parameter("theta"), 0, 2).measure(1, 0)
    return c.append(gate("rx", -np.pi / 4), [2], condition=Condition((0, 1), 1)).reset(0).global_phase(0.25)


def test_text_shows_every_part():
    text = draw_text(sample(), width=0)
    assert text.splitlines()[0] == "global phase: 0.25"
    for symbol, count in {"⊕": 1, "○": 1, "×": 2, "░": 7, "M": 1, "|0>": 1, "RX(-π/4)": 1, "RZZ(theta)": 1}.items():
        assert text.count(symbol) == count, symbol
    assert "c0=1,c1=0" in text
    assert text.count("╥") == 2


def test_text_of_a_small_circuit_character_by_character():
    c = Circuit(3).h(2).cx(2, 0).cz(0, 1).cp(np.pi / 2, 0, 2)
    assert draw_text(c, width=80) == "\n".join(
        [
            "q0: ────────⊕──●──────●───────",
            "            │  │      │",
            "q1: ────────┼──●──────┼───────",
            "     ┌───┐  │     ┌───┴────┐",
            "q2: ─┤ H ├──●─────┤ P(π/2) ├──",
            "     └───┘        └────────┘",
        ]
    )


def test_plain_characters():
    text = draw_text(sample(), width=0, ascii=True)
    assert text.isascii()
    assert draw_text(Circuit(2).cx(0, 1), width=0, ascii=True) == "q0: -@--\n     |\nq1: -X--"


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 5), st.integers(0, 6), st.integers(0, 2**32 - 1), st.integers(20, 120))
def test_text_keeps_to_the_width_and_loses_nothing(n, depth, seed, width):
    rng = np.random.default_rng(seed)
    symbols = parameters("a", 2)
    names = [*NAMES, "unitary", "barrier"]
    c = random_circuit(n, depth, rng, names=names, max_controls=2, parameters=symbols)
    layout = lay_out(c)
    assert len(layout.parts) + len(layout.phases) == len(c)
    text = draw_text(c, width=width)
    whole = draw_text(c, width=0)
    for symbol in "●○⊕×":
        assert text.count(symbol) == whole.count(symbol)
    flips = sum(part.kind == "flip" for part in layout.parts)
    assert whole.count("⊕") == flips
    lines = text.splitlines()[bool(layout.phases) :]
    widest = max((len(line) for line in lines), default=0)
    assert widest <= width or widest <= 8 + max(len(line) for line in draw_columns(c))


def draw_columns(c):
    """The circuit one column a line: what is wider than the width stands alone."""
    return draw_text(c, width=1).splitlines()[bool(lay_out(c).phases) :]


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 4), st.integers(0, 6), st.integers(0, 2**32 - 1))
def test_parts_of_a_column_do_not_overlap_and_time_is_kept(n, depth, seed):
    c = random_circuit(n, depth, np.random.default_rng(seed), max_controls=1)
    last = [-1] * n
    for part in lay_out(c).parts:
        span = range(min(part.qubits), max(part.qubits) + 1)
        assert all(last[q] < part.column for q in span)
        for q in span:
            last[q] = part.column


def test_angles_in_short():
    a = Parameter("a")
    assert [number_text(v) for v in (0, np.pi, -np.pi / 2, 3 * np.pi / 4, 0.123456, 1e-7)] == [
        "0",
        "π",
        "-π/2",
        "3π/4",
        "0.1235",
        "1e-07",
    ]
    assert angle_text(2 * (np.pi - a) / 3) == "2·(π-a)/3"
    assert angle_text(Parameter("x1.5") + 0.123456) == "x1.5+0.1235"


def boxes(figure):
    return [p for p in figure.axes[0].patches if isinstance(p, FancyBboxPatch)]


def texts(figure):
    return [t.get_text() for t in figure.axes[0].texts]


def test_figure_shows_every_part():
    figure = draw_figure(sample())
    assert len(boxes(figure)) == 5  # H, RZZ, measurement, RX, reset
    words = texts(figure)
    for word in ("H", "RZZ", "RX", r"$\theta$", "$−\\pi /4$", "0", "c0=1 c1=0", r"$|0\rangle$", "global phase: $0.25$"):
        assert word in words, word
    png = io.BytesIO()
    figure.savefig(png, format="png")
    assert png.getvalue().startswith(b"\x89PNG")


def test_boxes_are_tinted_by_what_their_angles_hold():
    x, w = Parameter("x", "input"), Parameter("w")
    figure = draw_figure(Circuit(1).h(0).rx(x, 0).ry(w, 0).rz(x * w, 0))
    colours = [to_hex(box.get_facecolor()) for box in boxes(figure)]
    assert len(set(colours)) == 4
    assert colours[0] == "#ffffff"


def test_a_long_figure_goes_on_in_new_rows_within_the_width():
    c = efficient_su2(4, 4)
    wide, narrow = draw_figure(c, width=40), draw_figure(c, width=7)
    assert narrow.get_size_inches()[0] <= 7
    assert narrow.get_size_inches()[1] > 2 * wide.get_size_inches()[1]
    assert len(boxes(wide)) == len(boxes(narrow)) == 40
    assert draw_figure(c, width=40, scale=0.5).get_size_inches()[1] < wide.get_size_inches()[1]


@pytest.mark.parametrize("name", ["w$", "a\\b", "%", "a b", "x{", "x^2", "#", "~", "α", "weights[0][1]", "lambda", "_"])
def test_any_name_can_be_drawn(name):
    figure = draw_figure(Circuit(1).rx(2 * Parameter(name).sin() ** 2, 0))
    figure.savefig(io.BytesIO(), format="svg")
    assert len(boxes(figure)) == 1


def test_every_gate_can_be_drawn():
    c = Circuit(5, 5)
    for name in NAMES:
        g = gate(name, *np.linspace(0.1, 1, 4)[: gate_shape(name)[1]])
        c.append(g, [4, 0, 2, 1][: g.num_qubits])
        c.append(g.control(1, 0), [3, 4, 0, 2, 1][: g.num_qubits + 1])
    figure = draw_figure(c.measure_all(), width=15)
    figure.savefig(io.BytesIO(), format="png")
    assert len(draw_text(c, width=100).splitlines()) > 10


def test_circuits_show_themselves():
    c = Circuit(2).h(0).cx(0, 1)
    assert str(c).startswith("     ┌───┐")
    assert str(c.repeat(151)) == repr(c.repeat(151))
    assert repr(c) == "<Circuit circuit: 2 qubits, 2 instructions, 0 parameters>"
    html = Circuit(1).append(gate("rx", Parameter("a<b")), [0])._repr_html_()
    assert re.search(r"RX\(a&lt;b\)", html)
    assert c.draw("figure").axes
    with pytest.raises(InvalidInput, match="style 'latex': 'text' or 'figure'"):
        c.draw("latex")
    with pytest.raises(InvalidInput, match="width -1"):
        c.draw(width=-1)
    with pytest.raises(InvalidInput, match="both must be positive"):
        c.draw("figure", width=0)

"""`bitket codes`: parameters, products, reduction; one line for bad input."""

import json

import numpy as np
import pytest

from bitket.quantum.codes import (
    StabiliserCode,
    colour_code,
    dense_code,
    named_code,
    read_code,
    surface_code,
    write_code,
)


@pytest.fixture
def folder(tmp_path):
    write_code(tmp_path / "hamming.alist", named_code("hamming-3"))
    write_code(tmp_path / "steane.npz", colour_code(3))
    write_code(tmp_path / "five.npz", StabiliserCode.from_paulis(["XZZXI", "IXZZX", "XIXZZ", "ZXIXZ"]))
    write_code(tmp_path / "heavy.npz", dense_code(8, 2, 5, np.random.default_rng(0)))
    np.savez(tmp_path / "eights.npz", hx=np.ones((1, 8), int), hz=np.ones((1, 8), int))
    surface = surface_code(5)
    summed = [np.bitwise_xor.accumulate(checks) for checks in (surface.x_checks, surface.z_checks)]
    np.savez(tmp_path / "summed.npz", hx=summed[0], hz=summed[1])
    small = surface_code(3)
    sheared = [np.bitwise_xor.accumulate(checks) for checks in (small.x_checks, small.z_checks)]
    np.savez(tmp_path / "sheared.npz", hx=sheared[0], hz=sheared[1])
    np.savez(tmp_path / "clash.npz", hx=[[1, 1, 0]], hz=[[0, 1, 1]])
    np.savez(tmp_path / "empty.npz", h=[[1, 1], [0, 0]])
    np.savez(tmp_path / "two.npz", h=[[1, 2]])
    np.savez(tmp_path / "none.npz", h=[[1, 0], [0, 1]])
    (tmp_path / "text.npz").write_text("not a zip")
    (tmp_path / "folder.npz").mkdir()
    for name, shape in (("huge.mtx", "1000000000 1000000000"), ("wide.mtx", "1 1000000000000")):
        (tmp_path / name).write_text(f"%%MatrixMarket matrix coordinate integer general\n{shape} 1\n1 1 1\n")
    return tmp_path


def test_info_and_product(bitket, folder):
    out = json.loads(bitket("codes", "info", folder / "steane.npz", "--json")[1])
    assert (out["n"], out["k"], out["d"], out["exact"], out["check_weight"]) == (7, 1, 3, True, 4)
    status, text, _ = bitket("codes", "info", folder / "hamming.alist")
    assert status == 0
    assert text.startswith("[7, 4, 3] classical; distance exact, by enumeration")
    args = ("codes", "product", folder / "hamming.alist", folder / "hamming.alist", "-o", folder / "hgp.npz", "--json")
    out = json.loads(bitket(*args)[1])
    assert (out["n"], out["k"], out["d"]) == (58, 16, 3)
    assert read_code(folder / "hgp.npz").k == 16


def test_a_bound_says_how_it_was_found(bitket, folder):
    _, text, _ = bitket("codes", "info", folder / "steane.npz", "--budget", 1)
    assert text.startswith("[[7, 1, <=3]] CSS; distance at most, by information sets, 1 trials, ")


def test_bicycle(bitket, folder):
    args = ("codes", "bicycle", 6, 6, "x^3+y+y^2", "y**3 + x^2 + x", "-o", folder / "72.npz", "--json")
    out = json.loads(bitket(*args)[1])
    assert (out["n"], out["k"], out["d"], out["exact"], out["check_weight"]) == (72, 12, 6, True, 6)
    assert read_code(folder / "72.npz").k == 12
    status, _, err = bitket("codes", "bicycle", 6, 6, "x^3+z+y^2", "1")
    assert (status, err.count("\n")) == (2, 1)
    assert "term 'z'; sums of 1, x, y^3" in err


@pytest.mark.parametrize(
    "method", ["annealing", "classical", "generators", pytest.param("hastings", marks=pytest.mark.slow)]
)
def test_reduce(bitket, folder, method):
    name, k = {"hastings": ("hamming.alist", 16), "generators": ("summed.npz", 1)}.get(method, ("heavy.npz", 4))
    args = ("codes", "reduce", folder / name, "--weight", 6, "--method", method, "-o", folder / "light.npz", "--json")
    status, text, err = bitket(*args)
    assert status == 0, err
    out, code = json.loads(text), read_code(folder / "light.npz")
    assert (out["n"], out["k"]) == (code.n, code.k) == (code.n, k)
    assert out["check_weight"] == code.weights.check <= 6
    assert (out["evaluations"] > 0) == (method == "annealing")
    if method == "annealing":
        assert out["n"] == 100
        assert out["exact"]
    if method == "generators":
        assert (out["n"], out["d"], out["exact"]) == (41, 5, True)
        assert out["generators"]["check_weight"] == out["check_weight"] == 4


def test_reduce_small_by_hastings(bitket, folder):
    args = ("codes", "reduce", folder / "sheared.npz", "--weight", 6, "--method", "hastings", "--json")
    out = json.loads(bitket(*args, "-o", folder / "light.npz")[1])
    code = read_code(folder / "light.npz")
    assert (out["n"], out["k"], out["check_weight"]) == (code.n, 1, code.weights.check)
    assert out["check_weight"] <= 6
    assert out["d"] >= 3


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("info", "clash.npz"), "do not commute"),
        (("info", "empty.npz"), "row 1 is empty"),
        (("info", "two.npz"), "only 0 and 1"),
        (("info", "none.npz"), "k = 0"),
        (("info", "text.npz"), "not a readable npz"),
        (("info", "missing.alist"), "there is no such file"),
        (("product", "steane.npz", "hamming.alist"), "classical check matrix"),
        (("reduce", "none.npz"), "k = 0"),
        (("reduce", "heavy.npz", "--weight", 2), "at least 4"),
        (("reduce", "heavy.npz", "--weight", 4, "--evaluations", 300), "no code of weight 4"),
        (("reduce", "heavy.npz", "--method", "luck"), "is not one of 'ppo', 'annealing'"),
        (("reduce", "heavy.npz", "--distance", 99999), "from 1 to its length"),
        (("reduce", "heavy.npz", "--method", "classical", "--seed", 1), "nothing random"),
        (("reduce", "heavy.npz", "--method", "hastings", "--evaluations", 9), "measures no distances"),
        (("reduce", "heavy.npz", "-o", "light.txt"), "ends in"),
        (("reduce", "steane.npz", "--method", "ppo"), "classical factor"),
        (("reduce", "five.npz"), "a classical or a CSS code is needed"),
        (("reduce", "five.npz", "--method", "hastings"), "a classical or a CSS code is needed"),
        (("reduce", "heavy.npz", "--method", "classical", "--distance", 9), "only the searches"),
        (("reduce", "heavy.npz", "-o", "one.npz", "--seed-out", "one.npz"), "two names"),
        (("reduce", "heavy.npz", "-o", "one.npz", "--seed-out", "one.stim"), "made for CSS codes"),
        (("reduce", "eights.npz", "--method", "hastings", "-o", "one.npz"), "d = 1; 2 is that of the input"),
        (("reduce", "heavy.npz", "-o", "folder.npz"), "it is a folder"),
        (("reduce", "heavy.npz", "-o", "heavy.npz"), "it is the input"),
        (("reduce", "heavy.npz", "-o", "text.npz/light.npz"), "is no folder that can be written to"),
        (("product", "hamming.alist", "hamming.alist", "-o", "light.txt"), "ends in"),
        (("info", "huge.mtx"), "1000000000 rows, 1 entries"),
        (("info", "wide.mtx"), "wide.mtx: a matrix of 1 x 1000000000000 needs 4.55 TiB"),
    ],
)
def test_bad_input_is_one_line(bitket, folder, arguments, words):
    paths = [folder / a if str(a).endswith((".npz", ".alist", ".txt", ".mtx", ".stim")) else a for a in arguments]
    status, out, err = bitket("codes", *paths)
    assert status == 2
    assert words in err
    assert err.count("\n") == 1
    assert not out
    assert not (folder / "one.npz").exists()


def test_alone_it_shows_its_help(bitket):
    status, out, err = bitket("codes")
    assert (status, err.count("\n")) == (2, 1)
    assert "Commands" in out
    assert "a command is needed" in err

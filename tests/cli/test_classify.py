"""``bitket classify`` and ``predict`` on data of one's own, and on what is none."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bitket.data import load
from bitket.quantum.learning.saved import load as load_model
from bitket.runs.storage import load_tree, save_tree


def table(path, rows=30, classes=("no", "yes"), features=2):
    numbers = np.random.default_rng(0)
    lines = [",".join([*(f"x{k}" for k in range(features)), "label"])]
    for k in range(rows):
        values = numbers.normal(size=features) + 2 * (k % len(classes))
        lines.append(",".join([*(f"{v:.3f}" for v in values), classes[k % len(classes)]]))
    Path(path).write_text("\n".join(lines) + "\n")
    return path


def pictures(folder, classes=2, size=(4, 4), count=6):
    numbers = np.random.default_rng(1)
    for k in range(classes * count):
        home = Path(folder, f"class{k % classes}")
        home.mkdir(parents=True, exist_ok=True)
        shade = numbers.integers(0, 60, size, dtype=np.uint8) + 150 * (k % classes)
        Image.fromarray(shade.astype(np.uint8)).save(home / f"{k}.png")
    return folder


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("model", ["kernel", "vqc", "svm", "hqnn-quanv"])
def test_a_table_from_scores_to_labels(bitket, model):
    table("train.csv")
    table("test.csv", 12)
    few = ["--epochs", "5"] if model in ("vqc", "hqnn-quanv") else []
    line = ["classify", "train.csv", "test.csv", "--model", model, "--folds", "3", *few, "--out", "m", "--json"]
    status, out, err = bitket(*line)
    assert (status, err) == (0, "")
    found = json.loads(out)
    assert set(found["scores"]) >= {model, "svm", "logistic"}
    assert len(found["scores"][model]["values"]) == 3
    assert found["scores"]["svm"]["mean"] > 0.9
    assert found["test"]["samples"] == 12
    assert ("mcnemar" in found["test"]) == (model != "svm")
    status, out, err = bitket("predict", "m", "test.csv", "--json", "--out", "labels.csv")
    assert (status, err) == (0, "")
    rows = json.loads(out)
    data = load("test.csv")
    right = np.mean([row["label"] == data.classes[k] for row, k in zip(rows, data.y, strict=True)])
    assert right == pytest.approx(found["test"]["scores"][model]["accuracy"])
    assert rows[0]["sample"] == "line 2"
    assert Path("labels.csv").read_text().splitlines()[0].startswith("sample,label")


def test_columns_may_come_in_another_order_and_unlabelled(bitket):
    table("train.csv")
    assert bitket("classify", "train.csv", "--model", "svm", "--folds", "2", "--out", "m")[0] == 0
    Path("a.csv").write_text("x0,x1\n2.5,1.5\n0,-1\n")
    Path("b.csv").write_text("x1,name,x0\n1.5,7,2.5\n-1,8,0\n")
    first, second = (json.loads(bitket("predict", "m", f, "--json")[1]) for f in ("a.csv", "b.csv"))
    assert [row["label"] for row in first] == [row["label"] for row in second] == ["yes", "no"]


def test_components_attack_and_noise(bitket):
    table("train.csv", 40, features=5)
    line = ["classify", "train.csv", "--model", "vqc", "--components", "2", "--epochs", "8", "--folds", "2", "--json"]
    found = json.loads(bitket(*line, "--attack", "pgd", "--epsilon", "3", "--out", "m")[1])
    curve = found["attack"]["accuracy"]["vqc"]
    assert found["attack"]["budgets"] == pytest.approx([0, 0.6, 1.2, 1.8, 2.4, 3.0])
    assert curve[-1] < curve[0] - 0.3
    assert load_model("m").n_features_in_ == 5
    assert len(json.loads(bitket("predict", "m", "train.csv", "--json")[1])) == 40
    noisy = ["classify", "train.csv", "--model", "kernel", "--components", "2", "--folds", "2", "--json"]
    found = json.loads(bitket(*noisy, "--noise", "depolarizing:0.01")[1])
    assert 0.4 < found["noise"]["accuracy"] <= found["noise"]["exact"] + 0.3


def test_a_model_trained_against_an_attack_stands_it_better_and_is_the_one_saved(bitket):
    numbers = np.random.default_rng(0)
    y = np.arange(60) % 2
    X = numbers.random((60, 3, 3)) * 0.3
    X[y == 1, 0] += 0.5
    X[y == 0, 2] += 0.5
    np.savez("a.npz", X=X, y=y)
    line = ["classify", "a.npz", "--model", "hqnn-quanv", "--folds", "2", "--epochs", "6", "--json"]
    line += ["--attack", "pgd", "--epsilon", "0.2"]
    found = json.loads(bitket(*line, "--adversarial-training", "--out", "m")[1])["attack"]["accuracy"]
    before, after = found["hqnn-quanv"], found["trained against the attack"]
    assert sum(after) >= sum(before)
    assert json.loads(bitket(*line)[1])["attack"]["accuracy"]["hqnn-quanv"] == before
    assert bitket("predict", "m", "a.npz", "--json")[0] == 0
    status, _, err = bitket("classify", "a.npz", "--adversarial-training")
    assert status == 2
    assert "it needs --attack" in err


def test_pictures_with_the_noise_of_a_device_and_a_figure(bitket):
    pictures("p")
    line = ["classify", "p", "--model", "hqnn-quanv", "--folds", "2", "--epochs", "8", "--device", "manila"]
    status, out, err = bitket(*line, "--attack", "fgsm", "--figure", "f.png", "--out", "m")
    assert (status, err) == (0, "")
    assert "12 samples of 4 x 4 pixels in 2 classes" in out
    assert "with noise on" in out
    assert Image.open("f.png").width > 600
    status, out, err = bitket("predict", "m", "p/class1/1.png")
    assert (status, err) == (0, "")
    assert out.split()[:2] == ["1.png", "class1"]
    assert bitket("predict", "m", "p")[1].count("\n") == 12


def test_idx_folders_have_a_test_part(bitket):
    numbers = np.random.default_rng(0)
    for part, count in (("train", 12), ("t10k", 6)):
        y = np.arange(count, dtype=np.uint8) % 2
        X = (numbers.integers(0, 80, (count, 4, 4)) + 170 * y[:, None, None]).astype(np.uint8)
        head = b"\0\0\x08\x03" + b"".join(int(n).to_bytes(4) for n in X.shape)
        Path(f"{part}-images-idx3-ubyte").write_bytes(head + X.tobytes())
        Path(f"{part}-labels-idx1-ubyte").write_bytes(b"\0\0\x08\x01" + count.to_bytes(4) + y.tobytes())
    line = ["classify", ".", "test", "--model", "svm", "--folds", "2", "--json", "--out", "m"]
    assert json.loads(bitket(*line)[1])["test"]["samples"] == 6
    assert len(json.loads(bitket("predict", "m", ".", "--json")[1])) == 6


def npz(**arrays):
    np.savez("a.npz", **arrays)
    return "a.npz"


def sized():
    pictures("p")
    Image.new("L", (5, 4)).save("p/class0/z.png")
    return "p"


def corrupt():
    pictures("p")
    Path("p/class1/1.png").write_bytes(b"\x89PNG broken")
    return "p"


def folder(*names):
    for name in names:
        Path(name).mkdir(parents=True)
    return names[0]


@pytest.mark.parametrize(
    ("make", "options", "message"),
    [
        (lambda: table("a.csv"), ["--label", "kind"], "no column 'kind'; there are x0, x1, label"),
        (lambda: table("a.csv", classes=("no",)), [], "a.csv: one class of labels, 'no'"),
        (lambda: npz(X=np.array([[1.0], [np.nan]]), y=[0, 1]), [], r"a.npz: X\[1, 0\] is nan"),
        (lambda: npz(X=np.zeros((4, 2))), [], "a.npz: there is no array 'y'"),
        (sized, ["--model", "cnn"], "p/class0/z.png: 4 x 5 pixels, but .* has 4 x 4"),
        (corrupt, ["--model", "cnn"], "p/class1/1.png: not an image that can be read"),
        (lambda: folder("e"), [], "e: one folder for each class is needed"),
        (lambda: folder("e", "e/c"), [], "e/c: there is no image in it"),
        (lambda: table("a.csv", features=17), [], "17 features, .* at most 16: reduce them by --components"),
        (
            lambda: table("a.csv", features=17),
            ["--model", "vqc"],
            "17 features.* at most 16: reduce them by --components",
        ),
        (lambda: table("a.csv", classes=("a", "b", "c")), ["--model", "vqc"], "two labels are needed"),
        (lambda: table("a.csv", 6), [], "5 folds: class no has 3 samples"),
        (lambda: table("a.csv"), ["--components", "3"], "samples have 2 features"),
        (lambda: "none.csv", [], "none.csv: there is no such file"),
        (lambda: "irsi", [], "did you mean 'iris'"),
        (lambda: "restaurant", [], "restaurant: texts"),
        (lambda: table("a.csv"), ["--out", "a.csv/m"], "cannot write"),
        (lambda: table("a.csv"), ["--figure", "a.bmp"], "ends in .svg, .png or .pdf"),
        (lambda: table("a.csv"), ["--model", "cnn", "--device", "manila"], "'cnn' is not simulated"),
        (lambda: table("a.csv"), ["--model", "hqnn-quanv", "--device", "nowhere", "--epochs", "1"], "nowhere"),
        (lambda: table("a.csv"), ["--noise", "magic:1"], "--noise magic:1"),
    ],
)
def test_bad_input_is_one_line(bitket, make, options, message):
    name = make()
    before = sorted(Path().rglob("*"))
    status, out, err = bitket("classify", name, *options)
    assert (status, out, err.count("\n")) == (2, "", 1), err
    assert re.search(message, err), err
    assert sorted(Path().rglob("*")) == before


def test_a_test_set_unlike_the_training_set(bitket):
    table("a.csv")
    table("b.csv", features=3)
    table("c.csv", classes=("no", "maybe"))
    for other, message in (("b.csv", r"b.csv: samples of shape \(3,\)"), ("c.csv", "c.csv: class maybe is not among")):
        status, out, err = bitket("classify", "a.csv", other, "--model", "svm")
        assert (status, out, err.count("\n")) == (2, "", 1)
        assert re.search(message, err)


def test_model_files_of_another_kind_or_version(bitket):
    table("a.csv")
    assert bitket("classify", "a.csv", "--model", "svm", "--folds", "2", "--out", "good")[0] == 0
    tree = load_tree(Path("good"))
    save_tree(Path("old"), tree | {"version": 7})
    save_tree(Path("other"), {"what": "a generator"})
    Path("text").write_text("x")
    pictures("p")
    for model, data, message in (
        ("old", "a.csv", "of version 7; this bitket reads version 1"),
        ("other", "a.csv", "not a saved classifier"),
        ("text", "a.csv", "not a saved classifier"),
        ("good", "p", "16 features"),
        ("good", "none.csv", "no such file"),
    ):
        status, out, err = bitket("predict", model, data)
        assert (status, out, err.count("\n")) == (2, "", 1)
        assert message in err

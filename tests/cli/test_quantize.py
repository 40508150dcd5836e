"""Networks in, networks of few bits out: the table against an independent count, files that other readers take, and garbage."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.cli.conftest import program

from bitket.quantization import compare, quantize
from bitket.quantization.formats import load, load_onnx
from bitket.quantization.formats.float_program import read_float_program
from bitket.quantization.formats.torch_export import load_program
from bitket.quantization.methods import METHODS, WITH_BUDGET, configured, parse_budget

NET = ["quantize", "net.pt2", "--calibration", "samples.npz"]


def saved(model, path, *examples, free=True):
    shapes = tuple({0: torch.export.Dim.AUTO} for _ in examples) if free else None
    torch.export.save(torch.export.export(model, examples, dynamic_shapes=shapes), path)


@pytest.mark.usefixtures("calls")
def test_figures_agree_with_a_count_by_hand(bitket):
    status, out, err = bitket(*NET, "--json", "--out", "q.safetensors")
    assert (status, err.count("\n")) == (0, 1)
    assert "slower than the float network: w8a8" in err  # it is, as long as weights are unpacked in float
    told = json.loads(out)
    whole, row = told["methods"]
    macs = 6 * 16 + 16 * 16 + 16 * 16 + 16 * 3
    assert (whole["bit_operations"], row["bit_operations"]) == (1024 * macs, 64 * macs)
    assert whole["bytes"] == 4 * (macs + 16 + 16 + 16 + 3)
    scales = 4 * (16 + 16 + 16 + 3)
    assert [r["bytes"] for r in told["layers"]] == [a * b + 4 * b for a, b in ((6, 16), (16, 16), (16, 16), (16, 3))]
    assert row["bytes"] >= macs + scales + scales  # codes, scales, biases; then scales of inputs
    _, x, y = program()
    kept = load("q.safetensors")
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))[60:]
    right = (kept(torch.tensor(x)[order]).argmax(1) == torch.tensor(y)[order]).double().mean().item()
    assert row["score"] == pytest.approx(right)
    assert row["score_95"][0] < right < row["score_95"][1] or right in row["score_95"]


@pytest.mark.usefixtures("calls")
def test_each_format_gives_the_same_answers(bitket):
    pytest.importorskip("onnx")
    x = torch.tensor(program()[1])
    for name in ("q.safetensors", "q.onnx", "q.pt2"):
        assert bitket(*NET, "--method", "gptq", "--out", name)[0] == 0
    own, onnx, again = (
        f("q" + e)(x) for f, e in ((load, ".safetensors"), (load_onnx, ".onnx"), (load_program, ".pt2"))
    )
    torch.testing.assert_close(onnx, own, atol=1e-5, rtol=1e-5)
    steps = (again - own).abs().amax(1) > 1e-4  # values on a tie may come out one step apart
    assert steps.double().mean() < 0.1


@pytest.mark.usefixtures("calls")
def test_all_methods_stand_in_one_table_and_figure(bitket):
    status, out, _ = bitket(*NET, "--method", "all", "--figure", "a.png")
    assert status == 0
    for name in (*METHODS, "float", "on the Pareto front", "judged on 60 others"):
        assert name in out
    assert Path("a.png").read_bytes()[:4] == b"\x89PNG"


@pytest.mark.usefixtures("calls")
def test_without_labels_answers_are_held_against_those_of_the_float_network(bitket):
    _, x, _ = program()
    np.savez("bare.npz", X=x)
    status, out, _ = bitket("quantize", "net.pt2", "--calibration", "bare.npz", "--json")
    told = json.loads(out)
    assert (status, told["measure"], told["methods"][0]["score"]) == (0, "agreement with float", 1.0)
    assert told["methods"][1]["score"] < 1 or told["methods"][1]["score_95"][0] < 1


@pytest.mark.usefixtures("calls")
def test_a_budget_is_kept_and_an_impossible_one_names_the_smallest(bitket):
    status, out, err = bitket(*NET, "--method", "hawq", "--budget", "1 B")
    assert (status, out, err.count("\n")) == (2, "", 1)
    smallest = float(err.rpartition(" ")[2])
    told = json.loads(bitket(*NET, "--method", "hawq", "--budget", f"{smallest + 60:.0f} B", "--json")[1])
    assert sum(r["bytes"] for r in told["layers"]) <= smallest + 60
    assert len({r["weights"] for r in told["layers"]}) > 1
    over = told["methods"][1]["bytes"] - (smallest + 60)
    assert any(f"{over:.0f} bytes over the budget" in note for note in told["notes"]) == (over > 0)


def test_budgets():
    assert parse_budget("900 KiB") == 921600
    for bad in ("soon", "40 ms", "30 G", "-1 MB", "", "1e400x"):
        with pytest.raises(Exception, match="budget"):
            parse_budget(bad)
    for name in METHODS:
        assert type(configured(name)).__name__ in ("PostTraining", "Hawq", "HawqV2")
        if name not in WITH_BUDGET:
            with pytest.raises(Exception, match="fixed"):
                configured(name, "8x")


def test_a_convolution_keeps_its_meaning_as_a_program(tmp_path):
    """What is read computes what was written, for all kinds of layers, and gives gradients."""
    torch.manual_seed(0)
    nn = torch.nn
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2, padding=1, groups=1, bias=False), nn.BatchNorm2d(8), nn.ReLU(),
        nn.Conv2d(8, 8, 3, padding="same", groups=4), nn.ConvTranspose2d(8, 4, 3, stride=2, output_padding=1, groups=2),
        nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Dropout(0.5), nn.Linear(16, 5),
    ).eval()  # fmt: skip
    x = torch.randn(6, 3, 8, 8)
    saved(model, tmp_path / "m.pt2", x)
    read = read_float_program(tmp_path / "m.pt2")
    assert (read.shape, read.batch) == ((3, 8, 8), None)
    torch.testing.assert_close(read.model(x), model(x))
    read.model(x).sum().backward()
    found = {n: p.grad for n, p in read.model.named_parameters() if p.grad is not None}
    model(x).sum().backward()
    assert {"0.weight", "3.weight", "3.bias", "4.weight", "4.bias", "8.weight", "8.bias"} <= found.keys()
    assert not any(isinstance(m, nn.BatchNorm2d) for m in read.model.modules())
    for name in ("3.weight", "3.bias", "4.weight", "4.bias", "8.weight", "8.bias"):  # 0 took over its norm
        torch.testing.assert_close(found[name], model.get_parameter(name).grad)
    report = quantize(read.model, configured("w8a8"), [x], progress=False).report
    from bitket.quantization.cost import multiplications

    want = multiplications(model, x)
    assert {r.layer: r.macs for r in report.layers} == want


def test_the_figure_of_a_comparison_shows_scores_sizes_and_intervals():
    model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2)).eval()
    configs = {"eight": configured("w8a8"), "four": configured("w4a8", ends=None)}
    found = compare(model, configs, [torch.randn(16, 4)], lambda m: 0.75, progress=False)
    axes = found.figure(20).axes[0]
    assert [t.get_text() for t in axes.get_legend().get_texts()] == ["float", "eight", "four"]
    bars = [line.get_paths()[0].vertices[:, 1] for c in axes.containers for line in c.lines[2]]
    np.testing.assert_allclose(bars, [[0.531299, 0.888138]] * 3, atol=1e-5)  # Wilson's interval of 15 in 20
    assert axes.get_xlabel() == "size, MiB"


@pytest.fixture
def garbage(calls):
    nn = torch.nn
    data, x, y = program()
    x = torch.tensor(x)
    Path("cut.pt2").write_bytes(data[:900])
    Path("weights.pth").write_bytes(b"\x80\x04.")
    Path("w.safetensors").write_bytes(b"\0" * 9)
    Path("w.onnx").write_bytes(b"\0" * 9)
    saved(nn.Sequential(nn.Linear(6, 4), nn.Dropout(0.5)).train(), "training.pt2", x)
    broken = nn.Linear(6, 3).eval()
    broken.weight.data[1, 2] = float("nan")
    saved(broken, "nan.pt2", x)
    saved(nn.Bilinear(6, 6, 2).eval(), "two.pt2", x, x)
    np.savez("empty.npz", X=x[:0])
    np.savez("one.npz", X=x[:1])
    np.savez("wide.npz", X=np.ones((9, 7)))
    np.savez("named.npz", Z=x)
    np.savez("labels.npz", X=x, y=y + 5)
    np.savez("holes.npz", X=np.where(np.arange(6) == 2, np.nan, x))


@pytest.mark.usefixtures("garbage")
def test_garbage_is_one_line_and_status_2(bitket):
    before = sorted(Path().rglob("*"))
    data = ["--calibration", "samples.npz"]
    for line, reason in {
        ("none",): "does not come trained",
        ("net.pt2",): "--calibration DATA is needed",
        ("weights.pth", *data): "pickled files can run any code",
        ("w.safetensors", *data): "export the float model",
        ("w.onnx", *data): "torch.export",
        ("cut.pt2", *data): "cut.pt2: not a program",
        ("training.pt2", *data): "exported in training mode",
        ("nan.pt2", *data): "weight holds NaN",
        ("two.pt2", *data): "takes 2 inputs",
        ("net.pt2", "--calibration", "empty.npz"): "there is no sample",
        ("net.pt2", "--calibration", "one.npz"): "1 samples are too few",
        ("net.pt2", "--calibration", "wide.npz"): "(7,), but the network takes (6,)",
        ("net.pt2", "--calibration", "named.npz"): "there is no array 'X'; there are Z",
        ("net.pt2", "--calibration", "labels.npz"): "labels from 5 to 7, but the network has 3 outputs",
        ("net.pt2", "--calibration", "holes.npz"): "X[0, 2] is not finite",
        ("net.pt2", "--calibration", "restaurant"): "texts",
        ("net.pt2", *data, "--method", "hawq", "--budget", "soon"): "a size is needed",
        ("net.pt2", *data, "--out", "net.pt2"): "it is the input",
        ("net.pt2", *data, "--out", "net.tflite"): "a name that ends in",
        ("net.pt2", *data, "--figure", "a.txt"): ".svg, .png or .pdf",
    }.items():
        status, out, err = bitket("quantize", *line)
        assert (status, out, err.count("\n")) == (2, "", 1), (line, err)
        assert reason in err, (line, err)
    assert sorted(Path().rglob("*")) == before

import contextlib
import io
import shutil
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from bitket.cli import _status, main
from bitket.data.pictures import png

STUDY = str(Path(__file__).parents[1] / "studies" / "estimating_pi.py")
BELL = 'OPENQASM 2.0;\ninclude "qelib1.inc";\nqreg q[2];\ncreg c[2];\nh q[0];\ncx q[0],q[1];\nmeasure q -> c;\n'


@pytest.fixture
def bitket(monkeypatch, capsys):
    """Call the command line in this process: ``bitket("list")`` gives (status, standard output, standard error)."""

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["bitket", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            main()
        out, err = capsys.readouterr()
        return end.value.code, out, err

    return call


@cache
def program():
    """A small trained classifier, as a program of torch.export; and samples with labels, some of which it was trained on wrongly."""
    import torch

    generator = torch.Generator().manual_seed(0)
    x = torch.randn(120, 6, generator=generator)
    y = (x[:, 0] > 0).long() + (x[:, 1] > 0).long()
    wrong = torch.rand(len(y), generator=generator) < 0.3
    seen = torch.where(wrong, torch.randint(0, 3, y.shape, generator=generator), y)
    sizes = [(6, 16), (16, 16), (16, 16), (16, 3)]
    layers = [torch.nn.Linear(*size) for size in sizes]
    for layer in layers:
        for p in layer.parameters():
            p.data.copy_(torch.randn(p.shape, generator=generator) / p.shape[-1] ** 0.5)
    parts = [part for layer in layers for part in (layer, torch.nn.ReLU())][:-1]
    model = torch.nn.Sequential(*parts)
    optimiser = torch.optim.Adam(model.parameters(), 0.01)
    for _ in range(60):
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(model(x), seen).backward()
        optimiser.step()
    buffer = io.BytesIO()
    free = ({0: torch.export.Dim.AUTO},)
    torch.export.save(torch.export.export(model.eval(), (x[:4],), dynamic_shapes=free), buffer)
    return buffer.getvalue(), x.numpy(), y.numpy()


def _files():
    """In the working folder: what the calls read."""
    for name in ("bell", "angles"):
        Path(f"{name}.qasm").write_text(BELL)
    for folder in ("circuits", "others"):
        Path(folder).mkdir()
        for k in range(3):
            Path(folder, f"{k}.qasm").write_text(BELL.replace("cx", "h q[1];\n" * k + "cx"))
    np.savez("repetition.npz", h=np.array([[1, 1, 0], [0, 1, 1]]))
    Path("clean").mkdir()
    for k in range(3):
        picture = np.add.outer(np.arange(12) * (k + 1), np.arange(12)) % 12 / 11
        Path("clean", f"{k}.png").write_bytes(png(picture))
    Path("demands.csv").write_text("source,destination,fidelity,rate\n0,2,0.6,0.5\n")
    Path("requests.csv").write_text("initiator,responder,start_s,end_s,memories,fidelity\n0,1,0.1,0.4,1,0.5\n")
    Path("hardware.json").write_text('{"memories": 4}')
    Path("message.txt").write_text("pay")
    rows = [f"{k % 7},{k % 5},{'a' if k % 3 else 'b'},{k % 2}" for k in range(24)]
    Path("rows.csv").write_text("x,y,site,label\n" + "\n".join(rows) + "\n")
    rows = [f"{k % 2 + 0.1 * (k % 5)},{0.3 * (k % 3)},{'no' if k % 2 else 'yes'}" for k in range(20)]
    Path("table.csv").write_text("\n".join(["width,height,label", *rows]) + "\n")
    Path("lexicon.json").write_text('{"cat": "N", "sleeps": "IV"}')


@pytest.fixture
def calls(tmp_path, monkeypatch):
    """A quick call of every verb, by its name, in a folder that has the files it reads; ``{n}`` stands for a number not used before."""
    monkeypatch.chdir(tmp_path)
    _files()
    data, x, y = program()
    Path("net.pt2").write_bytes(data)
    np.savez("samples.npz", X=x, y=y)
    return {
        "list": ["list"],
        "show": ["show", STUDY],
        "cite": ["cite", STUDY],
        "run": ["run", STUDY, "run{n}", "--set", "rounds=1"],
        "report": ["report", "runs/estimating-pi/finished"],
        "reproduce": ["reproduce", STUDY],
        "simulate": ["simulate", "bell.qasm", "--observable", "ZZ", "--shots", "100"],
        "groundstate": ["groundstate", "0.5*ZZ - XI", "--largest", "2", "--shots", "100"],
        "classify": ["classify", "table.csv", "--folds", "2"],
        "predict": ["predict", "table.safetensors", "table.csv"],
        "generate train": "generate train circuits --out model{n}.safetensors --width 8 --layers 1 --context 32 --epochs 1".split(),
        "generate sample": "generate sample made.safetensors --out new{n} --count 2 --lines 10".split(),
        "generate verify": "generate verify others --against circuits".split(),
        "denoise": "denoise model{n} --train clean --epochs 1".split(),
        "sentence": ["sentence", "cat sleeps", "--lexicon", "lexicon.json"],
        "network": ["network", "line", "--seconds", "0.5", "--requests", "requests.csv", "--hardware", "hardware.json"],
        "keys": ["keys", "keys{n}", "--bits", "3000"],
        "sign": "sign message.txt --keys made/signer.keys --output message{n}.qds".split(),
        "verify": "verify message.txt made.qds --keys made/receiver1.keys --peer-keys made/receiver2.keys".split(),
        "federate": ["federate", "rows.csv", "--clients", "site", "--qubits", "1", "--rounds", "2"],
        "quantize": "quantize net.pt2 --calibration samples.npz".split(),
        "codes info": ["codes", "info", "repetition.npz"],
        "codes product": ["codes", "product", "repetition.npz", "repetition.npz"],
        "codes bicycle": ["codes", "bicycle", "3", "3", "1+x", "1+y"],
        "codes reduce": ["codes", "reduce", "repetition.npz", "--distance", "2"],
    }


@pytest.fixture(scope="session")
def made_once(tmp_path_factory):
    """A folder with what some of the calls read and others write."""
    folder = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(io.StringIO()):
        patch.chdir(folder)
        _files()
        for line in (
            ["run", STUDY, "finished", "--set", "rounds=1"],
            "generate train circuits --out made.safetensors --width 8 --layers 1 --context 32 --epochs 1".split(),
            "classify table.csv --model svm --folds 2 --out table.safetensors".split(),
            ["keys", "made", "--bits", "100000"],
            "sign message.txt --keys made/signer.keys --output made.qds".split(),
        ):
            assert _status(line) == 0
    return folder


@pytest.fixture
def made(calls, made_once, tmp_path):
    """What some of the calls read and others write, in the working folder."""
    shutil.copytree(made_once, tmp_path, dirs_exist_ok=True)

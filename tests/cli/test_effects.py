"""Every option of every verb: a call whose result it changes, and the calls in which it would do nothing, which are refused."""

import re
import shutil
from pathlib import Path

import pytest
from tests.cli.conftest import STUDY
from tests.cli.walk import verbs

SIMULATE = ["simulate", "angles3.qasm", "--param", "a=0.7", "--json"]
REDUCE = ["codes", "reduce", "repetition.npz", "--distance", "2", "--json"]
NETWORK = ["network", "line", "--seconds", "0.5", "--json"]
SCHEDULE = ["network", "line", "demands.csv", "--seconds", "2", "--json"]
TRAIN = "generate train circuits --out model --width 8 --layers 1 --context 40 --epochs 1 --json".split()
SAMPLE = "generate sample made.safetensors --out new --count 2 --lines 12 --json".split()
DENOISE = "denoise new.model --train clean --epochs 1 --json".split()
CLASSIFY = "classify table.csv --model logistic --folds 2 --json".split()
QUANV = "classify pictures --model hqnn-quanv --folds 2 --epochs 1 --json".split()
PREDICT = ["predict", "table.safetensors", "table.csv", "--json"]
SENTENCE = ["sentence", "man prepares meal", "--json"]
FEDERATE = ["federate", "numbers.csv", "--qubits", "1", "--rounds", "2", "--json"]
COPIED = [*FEDERATE, "--copies", "1000"]
QUANTIZE = "quantize net.pt2 --calibration samples.npz --json".split()
RUN = ["run", STUDY, "one", "--set", "rounds=2", "--json"]

# Verb and option: a call, what is added to it (or in place of an equal option), for a change; then calls that are refused.
CHANGES = {
    ("list", "--json"): (["list"], ["--json"]),
    ("show", "--json"): (["show", STUDY], ["--json"]),
    ("run", "--scale"): (["run", STUDY, "one", "--json"], ["--scale", "full"]),
    ("run", "--seed"): (RUN, ["--seed", "1"]),
    ("run", "--set"): (RUN, ["--set", "needles=50"]),
    ("run", "--out"): (RUN, ["--out", "elsewhere"]),
    ("run", "--resume"): (["run", STUDY, "finished", "--json"], ["--resume"]),
    ("run", "--json"): (RUN[:-1], ["--json"]),
    ("reproduce", "--scale"): (["reproduce", STUDY, "--json"], ["--scale", "full"]),
    ("reproduce", "--seed"): (["reproduce", STUDY, "--json"], ["--seed", "1"]),
    ("reproduce", "--out"): (["reproduce", STUDY, "--json"], ["--out", "elsewhere"]),
    ("reproduce", "--resume"): (["reproduce", STUDY, "--json"], ["--resume"]),
    ("reproduce", "--json"): (["reproduce", STUDY], ["--json"]),
    ("simulate", "--shots"): (SIMULATE, ["--shots", "10"]),
    ("simulate", "--observable"): (SIMULATE, ["--observable", "ZZ"]),
    ("simulate", "--device"): (SIMULATE, ["--device", "manila"]),
    ("simulate", "--noise"): (SIMULATE, ["--noise", "depolarizing:0.1"]),
    ("simulate", "--param"): (SIMULATE, ["--param", "a=0.1"]),
    ("simulate", "--gradient"): ([*SIMULATE, "--observable", "ZZ"], ["--gradient"]),
    ("simulate", "--method"): ([*SIMULATE, "--observable", "ZZ", "--gradient", "--shots", "10"], ["--method", "adjoint"]),
    ("simulate", "--seed"): (SIMULATE, ["--seed", "1"]),
    ("simulate", "--figure"): (SIMULATE, ["--figure", "a.svg"]),
    ("simulate", "--json"): (SIMULATE[:-1], ["--json"]),
    ("classify", "--model"): (CLASSIFY, ["--model", "svm"]),
    ("classify", "--label"): (["classify", "kinds.csv", *CLASSIFY[2:]], ["--label", "kind"]),
    ("classify", "--components"): (CLASSIFY, ["--components", "1"]),
    ("classify", "--size"): (QUANV, ["--size", "2"]),
    ("classify", "--colour"): (QUANV, ["--colour"]),
    ("classify", "--folds"): (CLASSIFY, ["--folds", "3"]),
    ("classify", "--seeds"): (CLASSIFY, ["--seeds", "2"]),
    ("classify", "--epochs"): (QUANV, ["--epochs", "9"]),
    ("classify", "--batch-size"): ([*QUANV, "--attack", "fgsm", "--epochs", "5"], ["--batch-size", "1"]),
    ("classify", "--learning-rate"): ([*QUANV, "--attack", "fgsm", "--epochs", "9"], ["--learning-rate", "3"]),
    ("classify", "--attack"): (QUANV, ["--attack", "fgsm"]),
    ("classify", "--epsilon"): ([*QUANV, "--attack", "fgsm"], ["--epsilon", "1"]),
    ("classify", "--noise"): (QUANV, ["--noise", "depolarizing:0.1"]),
    ("classify", "--device"): (QUANV, ["--device", "manila"]),
    ("classify", "--out"): (CLASSIFY, ["--out", "m.safetensors"]),
    ("classify", "--figure"): (CLASSIFY, ["--figure", "a.svg"]),
    ("classify", "--seed"): (CLASSIFY, ["--seed", "1"]),
    ("classify", "--json"): (CLASSIFY[:-1], ["--json"]),
    ("predict", "--out"): (PREDICT, ["--out", "a.csv"]),
    ("predict", "--json"): (PREDICT[:-1], ["--json"]),
    ("generate train", "--out"): (TRAIN, ["--out", "other"]),
    ("generate train", "--tokens"): (TRAIN, ["--tokens", "gate"]),
    ("generate train", "--width"): (TRAIN, ["--width", "16"]),
    ("generate train", "--layers"): (TRAIN, ["--layers", "2"]),
    ("generate train", "--context"): (TRAIN, ["--context", "9"]),
    ("generate train", "--epochs"): (TRAIN, ["--epochs", "3"]),
    ("generate train", "--learning-rate"): ([*TRAIN, "--epochs", "3"], ["--learning-rate", "0.1"]),
    ("generate train", "--seed"): (TRAIN, ["--seed", "1"]),
    ("generate train", "--json"): (TRAIN[:-1], ["--json"]),
    ("generate sample", "--out"): (SAMPLE, ["--out", "other"]),
    ("generate sample", "--qubits"): (SAMPLE, ["--qubits", "3"]),
    ("generate sample", "--count"): (SAMPLE, ["--count", "3"]),
    ("generate sample", "--lines"): (SAMPLE, ["--lines", "6"]),
    ("generate sample", "--constraint"): (SAMPLE, ["--constraint", "none"]),
    ("generate sample", "--top-k"): (SAMPLE, ["--top-k", "1"]),
    ("generate sample", "--temperature"): (SAMPLE, ["--temperature", "0.001"]),
    ("generate sample", "--seed"): (SAMPLE, ["--seed", "1"]),
    ("generate sample", "--json"): (SAMPLE[:-1], ["--json"]),
    ("generate verify", "--against"): ("generate verify others --against circuits --json".split(), ["--against", "third"]),
    ("generate verify", "--seed"): ("generate verify others --against circuits --json".split(), ["--seed", "1"]),
    ("generate verify", "--json"): ("generate verify others --against circuits".split(), ["--json"]),
    ("denoise", "--noise"): (DENOISE, ["--noise", "speckle:0.3"]),
    ("denoise", "--latent"): (DENOISE, ["--latent", "product"]),
    ("denoise", "--epochs"): (DENOISE, ["--epochs", "2"]),
    ("denoise", "--seed"): (DENOISE, ["--seed", "1"]),
    ("denoise", "--out"): ([*DENOISE[:2], "clean/0.png", *DENOISE[2:]], ["--out", "elsewhere"]),
    ("denoise", "--json"): (DENOISE[:-1], ["--json"]),
    ("sentence", "--lexicon"): (SENTENCE, ["--lexicon", "prepares.json"]),
    ("sentence", "--target"): (SENTENCE, ["--target", "n"]),
    ("sentence", "--keep-cups"): (SENTENCE, ["--keep-cups"]),
    ("sentence", "--layers"): (SENTENCE, ["--layers", "2"]),
    ("sentence", "--train"): (SENTENCE, ["--train", "train.txt"]),
    ("sentence", "--min-count"): ([*SENTENCE, "--train", "train.txt"], ["--min-count", "2"]),
    ("sentence", "--figure"): (SENTENCE, ["--figure", "s.svg"]),
    ("sentence", "--circuit"): (SENTENCE, ["--circuit", "s.qasm"]),
    ("sentence", "--seed"): (SENTENCE, ["--seed", "1"]),
    ("sentence", "--json"): (SENTENCE[:-1], ["--json"]),
    ("network", "--requests"): (NETWORK, ["--requests", "requests.csv"]),
    ("network", "--seconds"): (NETWORK, ["--seconds", "0.7"]),
    ("network", "--memories"): (NETWORK, ["--memories", "3"]),
    ("network", "--hardware"): (NETWORK, ["--hardware", "hardware.json"]),
    ("network", "--formalism"): (NETWORK, ["--formalism", "bell"]),
    ("network", "--mode"): (NETWORK, ["--mode", "event"]),
    ("network", "--method"): (SCHEDULE, ["--method", "pts-cedf"]),
    ("network", "--budget"): ([*SCHEDULE, "--method", "rcpsp-pb"], ["--budget", "0.5"]),
    ("network", "--coherence"): (SCHEDULE, ["--coherence", "0.01,0.01"]),
    ("network", "--seed"): (NETWORK, ["--seed", "1"]),
    ("network", "--out"): (NETWORK, ["--out", "elsewhere"]),
    ("network", "--json"): (NETWORK[:-1], ["--json"]),
    ("keys", "--bits"): (["keys", "new", "--json"], ["--bits", "3000"]),
    ("keys", "--json"): (["keys", "new", "--bits", "3000"], ["--json"]),
    ("sign", "--keys"): ("sign message.txt --keys made/signer.keys --json".split(), ["--keys", "made/receiver1.keys"]),
    ("sign", "--output"): ("sign message.txt --keys made/signer.keys --json".split(), ["--output", "new.qds"]),
    ("sign", "--bits"): ("sign message.txt --keys made/signer.keys --json".split(), ["--bits", "64"]),
    ("sign", "--json"): ("sign message.txt --keys made/signer.keys".split(), ["--json"]),
    ("federate", "--label"): (FEDERATE, ["--label", "other"]),
    ("federate", "--clients"): (FEDERATE, ["--clients", "label"]),
    ("federate", "--count"): (FEDERATE, ["--count", "3"]),
    ("federate", "--alpha"): ([*FEDERATE, "--clients", "dirichlet"], ["--alpha", "9"]),
    ("federate", "--model"): (FEDERATE, ["--model", "circuit"]),
    ("federate", "--qubits"): (FEDERATE, ["--qubits", "2"]),
    ("federate", "--layers"): ([*FEDERATE, "--model", "circuit", "--qubits", "2"], ["--layers", "1"]),
    ("federate", "--rounds"): (FEDERATE, ["--rounds", "3"]),
    ("federate", "--copies"): (FEDERATE, ["--copies", "100"]),
    ("federate", "--rate"): (FEDERATE, ["--rate", "0.5"]),
    ("federate", "--rule"): (FEDERATE, ["--rule", "coherent"]),
    ("federate", "--asynchronous"): (FEDERATE, ["--asynchronous"]),
    ("federate", "--loss"): (COPIED, ["--loss", "0.1"]),
    ("federate", "--depolarising"): (COPIED, ["--depolarising", "0.1"]),
    ("federate", "--tap"): (COPIED, ["--tap", "0.5"]),
    ("federate", "--decoys"): (FEDERATE, ["--decoys", "3"]),
    ("federate", "--figure"): (FEDERATE, ["--figure", "f.svg"]),
    ("federate", "--seed"): (FEDERATE, ["--seed", "1"]),
    ("federate", "--json"): (FEDERATE[:-1], ["--json"]),
    ("quantize", "--calibration"): (QUANTIZE, ["--calibration", "other.npz"]),
    ("quantize", "--method"): (QUANTIZE, ["--method", "hawq"]),
    ("quantize", "--budget"): ([*QUANTIZE, "--method", "hawq"], ["--budget", "90 %"]),
    ("quantize", "--out"): (QUANTIZE, ["--out", "q.safetensors"]),
    ("quantize", "--format"): ([*QUANTIZE, "--out", "q.safetensors"], ["--format", "onnx"]),
    ("quantize", "--figure"): (QUANTIZE, ["--figure", "q.svg"]),
    ("quantize", "--seed"): (QUANTIZE, ["--seed", "1"]),
    ("quantize", "--json"): (QUANTIZE[:-1], ["--json"]),
    ("codes info", "--budget"): (["codes", "info", "golay.npz", "--json"], ["--budget", "1"]),
    ("codes info", "--json"): (["codes", "info", "repetition.npz"], ["--json"]),
    ("codes product", "--out"): (["codes", "product", "repetition.npz", "repetition.npz"], ["--out", "p.npz"]),
    ("codes product", "--json"): (["codes", "product", "repetition.npz", "repetition.npz"], ["--json"]),
    ("codes bicycle", "--out"): (["codes", "bicycle", "3", "3", "1+x", "1+y"], ["--out", "p.npz"]),
    ("codes bicycle", "--json"): (["codes", "bicycle", "3", "3", "1+x", "1+y"], ["--json"]),
    ("codes reduce", "--weight"): (REDUCE, ["--weight", "3"]),
    ("codes reduce", "--method"): (REDUCE, ["--method", "classical"]),
    ("codes reduce", "--distance"): ([*REDUCE, "--evaluations", "20"], ["--distance", "9"]),
    ("codes reduce", "--evaluations"): ([*REDUCE[:3], "--weight", "5", "--evaluations", "20"], ["--evaluations", "2"]),
    ("codes reduce", "--out"): (REDUCE, ["--out", "r.npz"]),
    ("codes reduce", "--seed-out"): (REDUCE, ["--seed-out", "r.npz"]),
    ("codes reduce", "--json"): (REDUCE[:-1], ["--json"]),
}  # fmt: skip
ELSEWHERE = {  # has tests of its own
    ("denoise", "--train"): "needed where there is no model; test_denoise.py",
    ("reproduce", "--jobs"): "how many at a time shows on the clock",
    ("reproduce", "--ray"): "needs a cluster",
    ("verify", "--keys"): "needed; test_sign.py",
    ("verify", "--peer-keys"): "needed; test_sign.py",
    ("verify", "--bits"): "test_sign.py",
    ("verify", "--json"): "test_sign.py",
    ("federate", "--serve"): "needs two processes; test_federate.py",
    ("federate", "--join"): "needs two processes; test_federate.py",
    ("federate", "--name"): "test_federate.py",
    ("federate", "--wait"): "test_federate.py",
    ("federate", "--deadline"): "test_federate.py",
    ("codes product", "--budget"): "as that of codes info",
    ("codes bicycle", "--budget"): "as that of codes info",
    ("classify", "--adversarial-training"): "test_classify.py",
    ("codes reduce", "--seed"): "test_codes.py",
}
REFUSED = [
    [*SIMULATE, "--gradient"],
    [*SIMULATE, "--method", "auto"],
    [*SIMULATE, "--device", "manila", "--noise", "bit_flip:0.1"],
    [*SIMULATE, "--observable", "ZZ", "--figure", "a.svg"],
    *([*SCHEDULE, *option] for option in (["--requests", "requests.csv"], ["--hardware", "hardware.json"], ["--memories", "3"])),
    *([*SCHEDULE, *option] for option in (["--formalism", "bell"], ["--mode", "batched"], ["--budget", "0.5"])),
    *([*NETWORK, *option] for option in (["--method", "pts-cedf"], ["--budget", "0"], ["--coherence", "1,1"])),
    *(["denoise", "m", "clean/0.png", *option] for option in (["--noise", "gaussian:0.1"], ["--latent", "qaoa"], ["--epochs", "1"])),
    ["denoise", "m", "clean/0.png", "--seed", "0"],
    [*DENOISE, "--out", "elsewhere"],
    *([*FEDERATE, *option] for option in (["--alpha", "1"], ["--layers", "1"], ["--name", "a"], ["--wait", "1"], ["--deadline", "1"])),
    ["federate", "rows.csv", "--clients", "site", "--count", "3"],
    *([*CLASSIFY, *option] for option in (["--epsilon", "1"], ["--epochs", "2"], ["--batch-size", "2"], ["--learning-rate", "1"])),
    *([*CLASSIFY, *option] for option in (["--noise", "depolarizing:0.1"], ["--device", "manila"], ["--attack", "fgsm"])),
    [*CLASSIFY, "--size", "4"],
    [*CLASSIFY, "--colour"],
    [*QUANV, "--components", "2"],
    [*QUANV, "--label", "kind"],
    [*QUANV, "--noise", "depolarizing:0.1", "--device", "manila"],
    [*QUANTIZE, "--budget", "50 %"],
    [*QUANTIZE, "--format", "onnx"],
    [*QUANTIZE, "--method", "all", "--out", "q.onnx"],
    ["codes", "reduce", "repetition.npz", "--method", "generators", "--seed-out", "r.npz"],
    ["codes", "reduce", "repetition.npz", "--method", "hastings", "--seed-out", "r.npz"],
    *(["codes", "reduce", "repetition.npz", "--method", m, "--evaluations", "9"] for m in ("classical", "generators", "hastings")),
    *(["codes", "reduce", "repetition.npz", "--method", m, "--distance", "2"] for m in ("classical", "generators", "hastings")),
    ["reproduce", STUDY, "--ray", "local", "--jobs", "1"],
    ["run", STUDY, "finished", "--resume", "--seed", "7"],
    ["run", STUDY, "finished", "--resume", "--scale", "full"],
    ["generate", "sample", "made.safetensors", "--out", "new", "--qubits", "9"],
]  # fmt: skip
ANGLES = 'OPENQASM 3.0;\ninclude "stdgates.inc";\ninput float a;\nqubit[2] q;\nry(a) q[0];\ncx q[0], q[1];\n'


@pytest.fixture
def work(calls, request):
    import numpy as np
    from PIL import Image

    Path("angles3.qasm").write_text(ANGLES)
    Path("prepares.json").write_text('{"meal": "n.n.l.n"}')
    Path("train.txt").write_text("1 man prepares meal\n0 woman prepares software\n")
    numbers = [f"{k % 7},{k % 5},{k % 2},{k % 3 % 2}" for k in range(24)]
    Path("numbers.csv").write_text("x,y,label,other\n" + "\n".join(numbers) + "\n")
    shutil.copytree("circuits", "third")
    Path("kinds.csv").write_text(
        Path("table.csv")
        .read_text()
        .replace("height", "kind")
        .replace("0.6", "0.3")
        .replace("yes", "1")
        .replace("no", "0")
    )
    numbers = np.random.default_rng(0)
    for k in range(8):
        Path("pictures", "ab"[k % 2]).mkdir(parents=True, exist_ok=True)
        pixels = numbers.integers(0, 256, (4, 4, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(Path("pictures", "ab"[k % 2], f"{k}.png"))
    Path("third/2.qasm").write_text(Path("bell.qasm").read_text().replace("cx", "z q[0];\ncx"))
    golay = [[(0b101011100011 >> (i - j)) & 1 if 0 <= i - j < 12 else 0 for i in range(23)] for j in range(11)]
    np.savez("golay.npz", h=np.array(golay))
    with np.load("samples.npz") as samples:
        np.savez("other.npz", X=samples["X"][:80], y=samples["y"][:80])


KNOWN = {}  # effects of calls; the same in every working folder, as a test below sees to
STAMP = re.compile(r"\d{8}-\d{6}(_\d+|-[0-9a-f]{4})?")


def effect(bitket, line):
    """Status, output and new files of a call, without times, in a copy of the folder, so that calls do not meet."""
    before = {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()}
    status, out, err = bitket(*line)
    assert (status, "Traceback" in err) in ((0, False), (2, False)), err
    after = {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()}
    new = sorted(STAMP.sub("", str(path)) for path in after if path not in before)
    texts = [
        data for path, data in after.items() if path not in before and path.name.endswith((".qasm", "metrics.jsonl"))
    ]
    for path in after:
        path.unlink()
    for path, data in before.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    out = STAMP.sub("", out)
    if line[0] == "quantize":
        out = re.sub(r'"(float_)?seconds": [\d.e-]+', "", out)
    if line[0] in ("run", "reproduce"):
        out = re.sub(r'"(seconds|peak_rss_bytes)": [\d.]+', "", out)
    return status, out if status == 0 else err, new, texts


def test_every_option_is_in_the_tables():
    there = {
        (verb, next(o for o in p.opts if o.startswith("--")))
        for verb, command in verbs().items()
        for p in command.params
        if p.param_type_name == "option" and verb != "groundstate"  # test_groundstate.py
    }
    assert there == set(CHANGES) | set(ELSEWHERE)


@pytest.mark.usefixtures("work")
@pytest.mark.parametrize(("verb", "option"), CHANGES, ids=[" ".join(key) for key in CHANGES])
def test_an_option_changes_the_result(bitket, request, verb, option):
    line, added = CHANGES[verb, option]
    if verb in ("sign", "generate sample", "predict") or option == "--resume":
        request.getfixturevalue("made")
    if (verb, option) == ("reproduce", "--resume"):
        bitket("reproduce", STUDY)
    assert added[0] == option
    with_it = [*line, *added]
    if added[0] in line and option not in ("--set", "--observable"):  # in place of it
        at = line.index(added[0])
        with_it = [*line[:at], *added, *line[at + 2 :]]
    if tuple(line) not in KNOWN:
        KNOWN[tuple(line)] = effect(bitket, line)
    without, changed = KNOWN[tuple(line)], effect(bitket, with_it)
    assert without[0] == 0 or option in ("--resume", "--evaluations"), without
    assert without != changed


@pytest.mark.usefixtures("work", "made")
@pytest.mark.parametrize("verb", sorted({verb for verb, _ in CHANGES}))
def test_a_call_has_the_same_effect_twice(bitket, verb):
    """Without which every option would seem to do something."""
    line = next(line for (v, _), (line, _) in CHANGES.items() if v == verb)
    assert effect(bitket, line) == effect(bitket, line)


@pytest.mark.usefixtures("work", "made")
@pytest.mark.parametrize("line", REFUSED, ids=lambda line: " ".join(line[-4:]).replace("/", ""))
def test_an_option_that_would_do_nothing_is_refused(bitket, line):
    status, out, new, _ = effect(bitket, line)
    assert status == 2, out
    assert out.count("\n") == 1
    assert not new

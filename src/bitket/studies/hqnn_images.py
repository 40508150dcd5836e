"""Quantum machine learning for image classification: both hybrid networks of the paper beside their classical peers, and what is left of each
when its circuits are frozen, removed or replaced.

HQNN-Parallel and five others are trained by one rule on the same images with the same seeds; HQNN-Quanv and its peers on many draws of 500
training and 100 test images, since one test set of 100 says nothing about differences of a few points. The paper's optimiser, rates and
epochs are not established; those here are the library's, and fewer epochs than public re-implementations take.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal

from annotated_types import Ge, Gt

from bitket.runs import Claim, Paper, Verdict

if TYPE_CHECKING:
    from bitket.runs import Run

PAPER = Paper(
    key="hqnn-images",
    title="Quantum machine learning for image classification",
    authors=("Arsenii Senokosov", "Alexandr Sedykh", "Asel Sagingalieva", "Basil Kyriacou", "Alexey Melnikov"),
    year=2024,
    arxiv="2304.09224",
    journal="Machine Learning: Science and Technology 5, 015040",
)
SUMMARY = "Parallel circuits and a quanvolution classify images, beside classical networks and with the circuits frozen, removed or replaced."

PARALLEL = ("circuits", "cnn", "tanh", "identity", "fixed")
"""HQNN-Parallel, the paper's peer, and HQNN-Parallel with a dense layer and tanh, nothing, or random circuits in place of the trained ones."""
QUANV = ("circuits", "cnn4", "cnn1", "convolution", "fixed")
"""HQNN-Quanv, the paper's peers, and HQNN-Quanv with a convolution of the same patches, or a random circuit."""
NAMES = {
    "circuits": "trained circuits",
    "cnn": "CNN peer",
    "tanh": "tanh layer",
    "identity": "nothing",
    "fixed": "random circuits",
    "cnn4": "CNN4",
    "cnn1": "CNN1",
    "convolution": "convolution 2x2",
}


@dataclass(frozen=True)
class Config:
    """Settings; the paper's numbers of images, the library's training."""

    data: Literal["mnist", "digits"] = "mnist"
    """Handwritten digits: MNIST, 28 x 28 pixels, or those of scikit-learn, 8 x 8."""
    mnist_folder: str = ""
    """Of MNIST's four IDX files; without it its first 500 training images of each digit, 100 of which are tested on, stand for it."""
    seeds: Annotated[int, Ge(2)] = 3
    epochs: Annotated[int, Ge(1)] = 4
    batch_size: Annotated[int, Ge(2)] = 128
    learning_rate: Annotated[float, Gt(0)] = 2e-3
    draws: Annotated[int, Ge(2)] = 20
    drawn_training: Annotated[int, Ge(10)] = 500
    drawn_test: Annotated[int, Ge(10)] = 100
    quanv_epochs: Annotated[int, Ge(1)] = 20
    quanv_batch: Annotated[int, Ge(1)] = 4
    quanv_rate: Annotated[float, Gt(0)] = 4e-3


SCALES = {
    "quick": Config(
        data="digits",
        seeds=2,
        epochs=10,
        batch_size=32,
        learning_rate=4e-3,
        draws=3,
        drawn_training=300,
        quanv_epochs=8,
        quanv_batch=8,
    ),
    "full": Config(),
}


def _accurate(m: Mapping[str, float], config: Config) -> Verdict:
    value = m["parallel/circuits"]
    if m["training images"] < 60_000:
        return Verdict.untested(
            f"{100 * value:.2f} % from {m['training images']:.0f} training images; MNIST whole is needed (--set mnist_folder=...)"
        )
    return Verdict.of(
        100 * value,
        value >= 0.99,
        f"mean of {config.seeds} seeds ± {100 * m['parallel/circuits/half']:.2f}; held against 99.0",
    )


def _fewer(m: Mapping[str, float], config: Config) -> Verdict:
    ratio = m["parameters/cnn"] / m["parameters/circuits"]
    return Verdict.of(
        ratio, ratio >= 8, f"{m['parameters/cnn']:.0f} and {m['parameters/circuits']:.0f} for 28 x 28 pixels"
    )


def _better(m: Mapping[str, float], config: Config) -> Verdict:
    if m["training images"] < 60_000:
        return Verdict.untested(f"{_mean(m, 'parallel/circuits-cnn')}; MNIST whole is needed (--set mnist_folder=...)")
    return Verdict.of(
        100 * m["parallel/circuits-cnn"],
        m["parallel/circuits-cnn/low"] > 0,
        f"difference to the peer, {_points(m, 'parallel/circuits-cnn')}; McNemar's p on the test images {m['parallel/mcnemar']:.2g}",
    )


def _as_good(m: Mapping[str, float], config: Config) -> Verdict:
    if config.draws < 20 or config.data != "mnist":
        return Verdict.untested(f"{_mean(m, 'quanv/circuits-cnn4')}, {config.draws} draws; 20 of MNIST are needed")
    return Verdict.of(
        100 * m["quanv/circuits-cnn4"],
        m["quanv/circuits-cnn4/high"] >= 0,
        f"difference to CNN4 over {config.draws} draws, {_points(m, 'quanv/circuits-cnn4')}",
    )


def _beats(m: Mapping[str, float], config: Config) -> Verdict:
    if config.draws < 20 or config.data != "mnist":
        return Verdict.untested(f"{_mean(m, 'quanv/circuits-cnn1')}, {config.draws} draws; 20 of MNIST are needed")
    return Verdict.of(
        100 * m["quanv/circuits-cnn1"],
        m["quanv/circuits-cnn1/low"] > 0,
        f"difference to CNN1 over {config.draws} draws, {_points(m, 'quanv/circuits-cnn1')}",
    )


def _mean(m: Mapping[str, float], key: str) -> str:
    return f"{100 * m[key]:+.2f} points"


def _points(m: Mapping[str, float], key: str) -> str:
    low, mean, high = (100 * m[f"{key}{part}"] for part in ("/low", "", "/high"))
    return f"{mean:+.2f} points (95 %: {low:+.2f} to {high:+.2f})"


CLAIMS = (
    Claim("parallel_accuracy", "HQNN-Parallel classifies MNIST's test images.", 99.21, _accurate, "%"),
    Claim("eight_times_fewer", "It has eight times fewer parameters than its classical peer.", "8", _fewer, "x fewer"),
    Claim(
        "better_than_peer", "It is more accurate than its peer all the same.", "99.21 against 98.7", _better, "points"
    ),
    Claim(
        "quanv_as_cnn4",
        "HQNN-Quanv is as accurate as a convolution with four times as many kernel weights.",
        "similar",
        _as_good,
        "points",
    ),
    Claim(
        "quanv_beats_cnn1",
        "HQNN-Quanv is more accurate than a convolution with as many kernel weights.",
        "better",
        _beats,
        "points",
    ),
)


def run(config: Config, run: Run) -> Mapping[str, float]:
    """Both hybrid networks and all that they are compared with."""
    data = _data(config, run)
    metrics: dict[str, float] = {"training images": float(len(data.y)), "test images": float(len(data.test_y))}
    metrics |= {f"parameters/{name}": float(_counted(run, name)) for name in ("circuits", "cnn")}
    jobs = [(name, k) for k in range(config.seeds) for name in PARALLEL]
    found = {
        job: run.step(f"{job[0]}, seed {job[1]}", partial(_parallel, config, run, data, *job))
        for job in run.progress(jobs, "HQNN-Parallel and its peers")
    }
    metrics |= _compared(run, "parallel", PARALLEL, config.seeds, data.test_y, found)
    _mcnemar(metrics, config, data, found)
    draws = [(name, k) for k in range(config.draws) for name in QUANV]
    drawn = {
        job: run.step(f"quanvolution: {job[0]}, draw {job[1]}", partial(_quanv, config, run, data, *job))
        for job in run.progress(draws, "HQNN-Quanv and its peers")
    }
    metrics |= _compared(run, "quanv", QUANV, config.draws, None, drawn)
    _times(run, config, found)
    _notes(run, config, data, metrics)
    run.figure(
        "parallel",
        _dots(run, metrics, "parallel", PARALLEL, config.seeds),
        "Test accuracy with trained circuits and with others in their place: each seed, mean and 95 % interval.",
    )
    run.figure("training", _curves(run, config, found), "Training loss against epochs, mean of the seeds.")
    run.figure(
        "confusion",
        _confusion(run, data, found["circuits", 0]["said"]),
        "Test images by digit and by what seed 0 says.",
    )
    run.figure(
        "quanv",
        _dots(run, metrics, "quanv", QUANV, config.draws),
        f"Accuracy on {config.drawn_test} test images after {config.drawn_training}: each draw, mean and 95 % interval.",
    )
    return metrics


@dataclass(frozen=True)
class _Digits:
    """Images ``[N, 1, side, side]`` and labels, of both parts, as tensors."""

    x: Any
    y: Any
    test_x: Any
    test_y: Any

    @property
    def side(self) -> int:
        return int(self.x.shape[-1])


def _data(config: Config, run: Run) -> _Digits:
    import numpy as np
    import torch

    from bitket.data import load

    if config.data == "digits":
        table = load("digits")
        pixels, y = table.X.reshape(-1, 8, 8).astype(np.float32) / np.float32(16), table.y
        order = run.generator("split").permutation(len(y))
        parts = order[: 2 * len(y) // 3], order[2 * len(y) // 3 :]
    elif config.mnist_folder:
        rows = [load("mnist", part=part, folder=config.mnist_folder) for part in ("train", "test")]
        pixels, y = (np.concatenate([getattr(r, name) for r in rows]) for name in ("pixels", "y"))
        parts = np.arange(len(rows[0])), np.arange(len(rows[0]), len(y))
    else:
        images = load("mnist_5k")
        pixels, y = images.pixels, images.y
        late = np.arange(len(y)) % 500 >= 400  # sorted by digit, 500 of each
        parts = np.flatnonzero(~late), np.flatnonzero(late)
    x = torch.as_tensor(pixels)[:, None]
    return _Digits(x[parts[0]], torch.as_tensor(y)[parts[0]], x[parts[1]], torch.as_tensor(y)[parts[1]])


def _network(run: Run, name: str, side: int, seed: str) -> Any:
    """A network with its first weights, the same in all that networks of one seed share."""
    import torch

    from bitket.quantum.learning.images import ClassicalPeer, HQNNParallel

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(run.torch_generator(f"weights, {seed}").initial_seed())
        if name == "cnn":
            return ClassicalPeer(1, side)
        return HQNNParallel(1, side, quantum=name, generator=run.torch_generator(f"angles, {seed}"))  # type: ignore[arg-type]


def _counted(run: Run, name: str) -> int:
    from bitket.quantum.learning.images import parameter_table

    rows = parameter_table(_network(run, name, 28, "count"))
    run.table(f"parameters-{name}", rows, f"Parameters for 28 x 28 pixels: {NAMES[name]}")
    return int(rows[-1]["parameters"])


def _parallel(config: Config, run: Run, data: _Digits, name: str, k: int) -> dict[str, Any]:
    from bitket.learning import Training

    training = Training(config.epochs, config.batch_size, learning_rate=config.learning_rate, decay="cosine")
    network = _network(run, name, data.side, f"seed {k}")
    return _trained(run, training, network, f"order, seed {k}", data.x, data.y, data.test_x, data.test_y)


def _quanv(config: Config, run: Run, data: _Digits, name: str, k: int) -> dict[str, Any]:
    import torch

    from bitket.learning import Training
    from bitket.quantum.learning.images import HQNNQuanv, StridedCNN

    numbers = run.generator(f"draw {k}")
    own = torch.as_tensor(numbers.choice(len(data.y), min(config.drawn_training, len(data.y)), replace=False))
    test = torch.as_tensor(numbers.choice(len(data.test_y), min(config.drawn_test, len(data.test_y)), replace=False))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(run.torch_generator(f"weights, draw {k}").initial_seed())
        network: Any
        if name in ("cnn4", "cnn1"):
            network = StridedCNN(1, data.side, kernels=int(name[-1]))
        else:
            reduce = 2 if data.side >= 14 else 1
            angles = run.torch_generator(f"angles, draw {k}")
            network = HQNNQuanv(1, data.side, reduce=reduce, quantum=name, generator=angles)  # type: ignore[arg-type]
    training = Training(
        config.quanv_epochs, config.quanv_batch, optimiser="sgd", learning_rate=config.quanv_rate, momentum=0.9
    )
    before = {n: p.detach().clone() for n, p in network.named_parameters()}
    found = _trained(
        run, training, network, f"order, draw {k}", data.x[own], data.y[own], data.test_x[test], data.test_y[test]
    )
    if name == "circuits":
        moved = (network.quantum.layer.weights.detach() - before["quantum.layer.weights"]).abs()
        found["least change"] = float(moved.min())
    return found


def _trained(
    run: Run, training: Any, network: Any, order: str, x: Any, y: Any, test_x: Any, test_y: Any
) -> dict[str, Any]:
    """Accuracy on the test images, what was said of each, losses, seconds an epoch."""
    import time

    import torch

    from bitket.learning.threads import one_thread

    begin = time.perf_counter()
    result = training.fit(network, torch.nn.functional.cross_entropy, x, y, generator=run.torch_generator(order))
    seconds = (time.perf_counter() - begin) / training.epochs
    network.eval()
    with torch.no_grad(), one_thread():
        said = torch.cat([network(part).argmax(1) for part in test_x.split(1000)])
    accuracy = float((said == test_y).double().mean())
    return {"accuracy": accuracy, "said": said.numpy(), "loss": result.history, "seconds": seconds}


def _compared(
    run: Run, what: str, names: tuple[str, ...], count: int, truth: Any, found: Mapping[tuple[str, int], Any]
) -> dict[str, float]:
    """Mean accuracies, and differences of the trained circuits to the rest, paired by seed, with 95 % intervals."""
    from bitket.quantum.learning.comparison import difference, mean_accuracy

    metrics: dict[str, float] = {}
    rows = []
    scores = {name: [float(found[name, k]["accuracy"]) for k in range(count)] for name in names}
    for name in names:
        mean = mean_accuracy(scores[name])
        metrics |= {f"{what}/{name}": mean.mean, f"{what}/{name}/half": mean.half}
        metrics |= {f"{what}/{name}/{k}": value for k, value in enumerate(scores[name])}
        row = {"in the circuits' place": NAMES[name], "accuracy, %": f"{100 * mean.mean:.2f} ± {100 * mean.half:.2f}"}
        if name != "circuits":
            d = difference(scores["circuits"], scores[name])
            key = f"{what}/circuits-{name}"
            metrics |= {key: d.mean, f"{key}/low": d.low, f"{key}/high": d.high, f"{key}/p": d.p}
            row |= {
                "circuits are better by, points": f"{100 * d.mean:+.2f} ({100 * d.low:+.2f} to {100 * d.high:+.2f})",
                "p": f"{d.p:.2g}",
            }
        rows.append(row)
    runs = "seeds" if what == "parallel" else "draws"
    title = "HQNN-Parallel" if what == "parallel" else "HQNN-Quanv"
    run.table(what, rows, f"{title}: test accuracy over {count} {runs}, mean and 95 % interval, paired differences")
    if what == "quanv":
        metrics["quanv/least change of an angle"] = min(found["circuits", k]["least change"] for k in range(count))
    return metrics


def _mcnemar(metrics: dict[str, float], config: Config, data: _Digits, found: Mapping[tuple[str, int], Any]) -> None:
    """The first seed's hybrid and peer, image by image."""
    from bitket.quantum.learning.comparison import mcnemar

    truth = data.test_y.numpy()
    test = mcnemar(found["circuits", 0]["said"] == truth, found["cnn", 0]["said"] == truth)
    metrics |= {
        "parallel/mcnemar": test.p,
        "parallel/only circuits right": float(test.first),
        "parallel/only cnn right": float(test.second),
    }


def _times(run: Run, config: Config, found: Mapping[tuple[str, int], Any]) -> None:
    seconds = {name: min(float(found[name, k]["seconds"]) for k in range(config.seeds)) for name in PARALLEL}
    rows = [{"in the circuits' place": NAMES[name], "seconds an epoch": round(s, 2)} for name, s in seconds.items()]
    share = max(0.0, 1 - seconds["identity"] / seconds["circuits"])
    run.table(
        "times", rows, f"Least time of an epoch; the circuits take {100 * share:.0f} % of it, against nothing there"
    )


def _notes(run: Run, config: Config, data: _Digits, m: Mapping[str, float]) -> None:
    d = {name: _points(m, f"parallel/circuits-{name}") for name in ("tanh", "identity", "fixed")}
    run.note(
        f"What the trained circuits add to HQNN-Parallel: {d['identity']} over nothing in their place, {d['fixed']} over circuits with "
        f"random angles, {d['tanh']} over a dense layer with tanh. An interval that holds zero shows no effect."
    )
    run.note(
        f"{config.epochs} epochs of Adam with cosine decay, batch {config.batch_size}, {len(data.y)} training images; the paper's training "
        "is not established, and its peer's layers are inferred from the number of its parameters."
    )


def _dots(run: Run, m: Mapping[str, float], what: str, names: tuple[str, ...], count: int) -> Any:
    figure, axes = run.subplots(width=7, height=3.4)
    for row, name in enumerate(reversed(names)):
        colour = "C1" if name == "circuits" else "C0"
        values = [100 * m[f"{what}/{name}/{k}"] for k in range(count)]
        axes.plot(values, [row] * count, "o", color=colour, alpha=0.35)
        mean, half = 100 * m[f"{what}/{name}"], 100 * m[f"{what}/{name}/half"]
        ends = [[min(half, mean)], [min(half, 100 - mean)]]
        axes.errorbar(mean, row + 0.22, xerr=ends, fmt="d", color=colour, capsize=3)
    axes.set(xlabel="test accuracy, %", yticks=range(len(names)), yticklabels=[NAMES[n] for n in reversed(names)])
    return figure


def _curves(run: Run, config: Config, found: Mapping[tuple[str, int], Any]) -> Any:
    import numpy as np

    figure, axes = run.subplots(width=6, height=3.8)
    for name in PARALLEL:
        loss = np.mean([found[name, k]["loss"] for k in range(config.seeds)], axis=0)
        axes.semilogy(range(1, config.epochs + 1), loss, "o-", label=NAMES[name])
    axes.set(xlabel="epoch", ylabel="training loss, nats")
    axes.legend(frameon=False)
    return figure


def _confusion(run: Run, data: _Digits, said: Any) -> Any:
    from sklearn.metrics import confusion_matrix

    counts = confusion_matrix(data.test_y.numpy(), said, labels=range(10))
    figure, axes = run.subplots(width=5, height=4.4)
    axes.imshow(counts / counts.sum(axis=1, keepdims=True).clip(1), cmap="Blues", vmin=0, vmax=0.05)
    axes.grid(False)
    for i in range(10):
        for j in range(10):
            if counts[i, j]:
                axes.text(j, i, counts[i, j], ha="center", va="center", fontsize=7, color="w" if i == j else "k")
    axes.set(xlabel="said", ylabel="digit", xticks=range(10), yticks=range(10))
    return figure

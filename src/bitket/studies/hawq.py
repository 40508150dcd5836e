"""HAWQ: bits and order of fine-tuning by the top Hessian eigenvalue of each block, against other orders of equal size."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal

from annotated_types import Ge

from bitket.runs import Claim, Paper, Verdict

if TYPE_CHECKING:
    from bitket.runs import Run

PAPER = Paper(
    key="hawq",
    title="HAWQ: Hessian AWare Quantization of Neural Networks with Mixed-Precision",
    authors=("Zhen Dong", "Zhewei Yao", "Amir Gholami", "Michael W. Mahoney", "Kurt Keutzer"),
    year=2019,
    arxiv="1905.03696",
    journal="IEEE International Conference on Computer Vision, 293-302",
)
SUMMARY = "Bits of each block of a ResNet20, and the order of fine-tuning, from the top eigenvalue of its Hessian."
ARMS = ("hawq", "uniform", "reversed", "random")
ORDERS = ("descending", "ascending", "at once")


@dataclass(frozen=True)
class Config:
    """Settings; the paper gives neither epochs nor learning rates of its fine-tuning."""

    network: Literal["resnet20-digits", "resnet20-fashion", "resnet20-wide"] = "resnet20-wide"
    train: bool = True
    seeds: Annotated[int, Ge(1)] = 3
    training_images: Annotated[int, Ge(10)] = 6000
    test_images: Annotated[int, Ge(10)] = 3000
    hessian_images: Annotated[int, Ge(10)] = 256
    bits: tuple[int, ...] = (2, 3, 4, 8)
    uniform_bits: Annotated[int, Ge(2)] = 3
    activation_bits: int = 4
    compression: Annotated[float, Ge(1)] = 13.11
    stages: Annotated[int, Ge(1)] = 3
    stage_epochs: Annotated[int, Ge(1)] = 1
    learning_rate: float = 0.01
    eigenvalue_tolerance: float = 1e-3


SCALES = {
    "quick": Config("resnet20-digits", False, 3, 600, 597, 80, eigenvalue_tolerance=3e-3),
    "full": Config(),
}


def _spread(m: Mapping[str, float], config: Config) -> Verdict:
    ratio = m["eigenvalues/ratio"]
    return Verdict.of(
        ratio,
        ratio >= 100,
        "largest over smallest top eigenvalue of the blocks, geometric mean over seeds, held against 100; "
        f"per weight the ratio is {m['eigenvalues/ratio_per_weight']:.0f}",
    )


def _better(m: Mapping[str, float], config: Config) -> Verdict:
    rows = ", ".join(f"{arm} {m[f'{arm}/tuned']:.2%}" for arm in ARMS)
    gain = m["hawq/tuned"] - max(m["uniform/tuned"], m["reversed/tuned"])
    error = max(m["uniform/difference_error"], m["reversed/difference_error"])
    return Verdict.of(
        100 * gain,
        gain > 0,
        f"test accuracy at the size of {config.uniform_bits} bits, fine-tuned, {config.seeds} seeds: {rows}; "
        f"hawq less the better of uniform and reversed, standard error {100 * error:.2f}",
    )


def _lossless(m: Mapping[str, float], config: Config) -> Verdict:
    drop, error = 100 * m["compressed/drop"], 100 * m["compressed/drop_error"]
    return Verdict.of(
        drop,
        drop <= 0.15 + 2 * error,
        f"float {m['float']:.2%} less {m['compressed/tuned']:.2%} with weights {m['compressed/weight_compression']:.2f} times and inputs "
        f"{32 / config.activation_bits:.0f} times smaller, standard error {error:.2f}; the paper's is CIFAR-10, longer fine-tuned",
    )


def _order(m: Mapping[str, float], config: Config) -> Verdict:
    gain = m["order/descending"] - m["order/ascending"]
    rows = ", ".join(f"{o} {m[f'order/{o}']:.2%}" for o in ORDERS)
    return Verdict.of(100 * gain, gain > 0, f"{rows}; standard error of the difference {100 * m['order/error']:.2f}")


def _imagenet(m: Mapping[str, float], config: Config) -> Verdict:
    return Verdict.untested("ImageNet and trained networks for it are needed")


CLAIMS = (
    Claim(
        "eigenvalues_differ",
        "Top Hessian eigenvalues differ by orders of magnitude between the blocks of a ResNet20.",
        "orders of magnitude",
        _spread,
        "x",
    ),
    Claim(
        "better_than_uniform_and_reversed",
        "At equal size bits in the order of S beat uniform bits and the reversed order.",
        "higher accuracy",
        _better,
        "points",
    ),
    Claim(
        "resnet20_hardly_loses",
        "ResNet20 with weights 13 times and activations 8 times smaller loses little accuracy.",
        0.15,
        _lossless,
        "points",
    ),
    Claim(
        "most_perturbed_first",
        "Fine-tuning the most perturbed blocks first is better than last.",
        "descending is better",
        _order,
        "points",
    ),
    Claim("resnet50_imagenet", "ResNet50 at 12.28 times less keeps 75.48 % on ImageNet.", 75.48, _imagenet, "%"),
    Claim("squeezenext_one_megabyte", "SqueezeNext of 1 MB keeps 68 % on ImageNet.", 68.02, _imagenet, "%"),
)


def run(config: Config, run: Run) -> Mapping[str, float]:
    """Each seed: a trained network, its eigenvalues, all arms with and without fine-tuning, and the orders."""
    import numpy as np

    found = [run.step(f"seed {s}", partial(_seed, config, run, s)) for s in run.progress(range(config.seeds), "seeds")]

    def mean(key: str) -> float:
        return float(np.mean([f[key] for f in found]))

    def error(values: list[float]) -> float:
        return float(np.std(values, ddof=1) / np.sqrt(len(values))) if len(values) > 1 else 0.0

    metrics = {key: mean(key) for key in found[0] if not key.startswith("blocks/")}
    for key in ("eigenvalues/ratio", "eigenvalues/ratio_per_weight"):
        metrics[key] = float(np.exp(np.mean([np.log(f[key]) for f in found])))
    for arm in ARMS[1:]:
        metrics[f"{arm}/difference_error"] = error([f["hawq/tuned"] - f[f"{arm}/tuned"] for f in found])
    metrics["compressed/drop"] = metrics["float"] - metrics["compressed/tuned"]
    metrics["compressed/drop_error"] = error([f["float"] - f["compressed/tuned"] for f in found])
    metrics["order/error"] = error([f["order/descending"] - f["order/ascending"] for f in found])
    for key in ("eigenvalues/head_error", "eigenvalues/worst_residual"):
        metrics[key] = max(f[key] for f in found)
    rows = [
        {
            "bits": arm,
            "before fine-tuning": metrics[f"{arm}/rounded"],
            "after": metrics[f"{arm}/tuned"],
            "weights smaller": metrics[f"{arm}/weight_compression"],
        }
        for arm in (*ARMS, "compressed")
    ]
    run.table(
        "arms", rows, f"Test accuracy, mean of {config.seeds} seeds; the float network has {metrics['float']:.2%}."
    )
    if not config.train:
        run.note("All seeds share one trained network; they differ in the images of the Hessian and in fine-tuning.")
    run.note(
        "The second-order sensitivity is not invariant: scaling a block by c and the next by 1/c changes its eigenvalues by 1/c²."
    )
    run.figure(
        "eigenvalues",
        _eigenvalue_figure(run, found),
        "Top eigenvalue of each block's Hessian, and per weight; one line a seed.",
    )
    run.figure(
        "accuracy",
        _accuracy_figure(run, metrics, found),
        "Test accuracy at equal size, rounded and fine-tuned: mean and each seed.",
    )
    return metrics


def _seed(config: Config, run: Run, s: int) -> dict[str, Any]:
    import torch

    from bitket.quantization.allocation import restricted_frontier
    from bitket.quantization.cost import weight_compression
    from bitket.quantization.vision.bit_plan import BitPlan, apply_plan
    from bitket.quantization.vision.hawq import Hawq, block_eigenvalues, blocks_of, decide
    from bitket.quantization.vision.networks import BasicBlock
    from bitket.quantization.vision.recipes import RECIPES, accuracy, pretrained, sgd, train

    recipe = RECIPES[config.network]
    images = recipe.images().first(config.training_images, config.test_images)
    seed = int(run.generator(f"network {s}").integers(2**31))
    folder = run.folder / "checkpoint" / f"seed-{s}"
    model = (
        train(recipe, images, seed, checkpoint=folder / "training.safetensors")
        if config.train
        else pretrained(config.network)
    )
    order = torch.randperm(len(images.x), generator=run.torch_generator(f"images {s}"))[: config.hessian_images]
    data = list(zip(images.x[order].split(256), images.y[order].split(256), strict=True))
    calibration = [x for x, _ in data]
    out: dict[str, Any] = {"float": accuracy(model, images.test_x, images.test_y)}

    settings = Hawq(
        config.bits,
        config.activation_bits,
        f"{32 * _weights(model) / _uniform_bits(model, config)}x",
        blocks_of(model, BasicBlock),
        tolerance=config.eigenvalue_tolerance,
        seed=s,
    )
    found = block_eigenvalues(model, settings, data)
    out["blocks/lambda"] = {b: e.value for b, e in found.items()}
    out["blocks/S"] = {b: e.per_weight for b, e in found.items()}
    for key, values in (("ratio", out["blocks/lambda"]), ("ratio_per_weight", out["blocks/S"])):
        sizes = [abs(v) for v in values.values()]
        out[f"eigenvalues/{key}"] = max(sizes) / min(sizes)
    out["eigenvalues/worst_residual"] = max(e.residuals[0] for e in found.values())
    out["eigenvalues/head_error"] = abs(found["head"].value / _dense_head(model, data) - 1)

    plan = decide(model, settings, found)
    problem, moves = plan.allocation.problem, run.generator(f"order {s}")
    shuffled = dict(zip(plan.sensitivity, moves.permutation(len(plan.sensitivity)).tolist(), strict=True))
    uniform = problem.allocation(dict.fromkeys(problem.harm, config.uniform_bits), "uniform")
    turned = restricted_frontier(problem, {n: -v for n, v in plan.sensitivity.items()}, "codes")
    mixed = restricted_frontier(problem, {n: float(v) for n, v in shuffled.items()}, "codes")
    plans = {
        "hawq": plan,
        "uniform": plan.with_allocation(uniform),
        "reversed": plan.with_allocation(turned.allocation(len(turned) - 1)),
        "random": plan.with_allocation(mixed.allocation(len(mixed) - 1)),
        "compressed": decide(model, replace(settings, budget=f"{config.compression}x"), found),
    }
    training = sgd(config.stage_epochs, config.learning_rate)

    def tuned(name: str, chosen: BitPlan, stages: int, order: Any = "descending", epochs: int = 1) -> float:
        made = apply_plan(
            model,
            chosen,
            calibration,
            training=replace(training, epochs=epochs * config.stage_epochs),
            stages=stages,
            x=images.x,
            y=images.y,
            order=order,
            generator=run.torch_generator(f"fine-tuning {s}"),
            folder=folder / name,
        )
        return accuracy(made, images.test_x, images.test_y)

    for name, chosen in plans.items():
        out[f"{name}/rounded"] = accuracy(apply_plan(model, chosen, calibration), images.test_x, images.test_y)
        out[f"{name}/tuned"] = tuned(name, chosen, config.stages)
        out[f"{name}/weight_compression"] = weight_compression(_sizes(model), chosen.weight_bits)
        run.log(seed=s, bits=name, rounded=out[f"{name}/rounded"], tuned=out[f"{name}/tuned"])
    out["order/descending"] = out["hawq/tuned"]
    out["order/ascending"] = tuned("ascending", plan, config.stages, "ascending")
    out["order/at once"] = tuned("at once", plan, 1, epochs=config.stages)
    return out


def _sizes(model: Any) -> dict[str, int]:
    from bitket.quantization.vision.simulation import layers_of

    return {n: model.get_submodule(n).weight.numel() for n in layers_of(model)}


def _weights(model: Any) -> int:
    return sum(_sizes(model).values())


def _uniform_bits(model: Any, config: Config) -> int:
    """Bits of all codes with the inner layers at the uniform width and the first and last layer at 8."""
    sizes = list(_sizes(model).values())
    return 8 * (sizes[0] + sizes[-1]) + config.uniform_bits * sum(sizes[1:-1])


def _dense_head(model: Any, data: Any) -> float:
    """The top eigenvalue of the last layer's Hessian by its closed form, the mean over images of (diag p - p p') x a a'."""
    import torch

    from bitket.quantization.vision.networks import at_the_head

    a, p = at_the_head(model, [x for x, _ in data])
    curvature = torch.diag_embed(p) - p[:, :, None] * p[:, None, :]
    dense = torch.einsum("ncd,ni,nj->cidj", curvature, a, a).reshape(2 * (p.shape[1] * a.shape[1],)) / len(p)
    return float(torch.linalg.eigvalsh(dense)[-1])


def _eigenvalue_figure(run: Run, found: list[dict[str, Any]]) -> Any:
    figure, (left, right) = run.subplots(1, 2, width=9, height=4)
    for axes, key, label in (
        (left, "blocks/lambda", "top eigenvalue $\\lambda$"),
        (right, "blocks/S", "$S = \\lambda/n$"),
    ):
        for f in found:
            axes.semilogy([abs(v) for v in f[key].values()], "o-", color="C0", alpha=0.6)
        names = [b.removeprefix("stages.") for b in found[0][key]]
        axes.set_xticks(range(len(names)), names, rotation=60, ha="right")
        axes.set(xlabel="block", ylabel=label)
    return figure


def _accuracy_figure(run: Run, m: Mapping[str, float], found: list[dict[str, Any]]) -> Any:
    figure, axes = run.subplots(width=7, height=4)
    for offset, stage, colour in ((-0.2, "rounded", "C7"), (0.2, "tuned", "C0")):
        at = [k + offset for k in range(len(ARMS))]
        axes.bar(at, [100 * m[f"{arm}/{stage}"] for arm in ARMS], 0.38, color=colour, label=stage)
        for f in found:
            axes.plot(at, [100 * f[f"{arm}/{stage}"] for arm in ARMS], "k.", ms=4)
    axes.axhline(100 * m["float"], color="k", ls="--", lw=1, label="float")
    axes.set_xticks(range(len(ARMS)), ARMS)
    axes.set(ylabel="test accuracy, %", ylim=(max(0, 100 * min(m[f"{a}/tuned"] for a in ARMS) - 15), 104))
    axes.legend(loc="upper right", ncols=3)
    return figure

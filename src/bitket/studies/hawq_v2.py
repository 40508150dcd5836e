"""HAWQ-V2: bits of weights and activations by mean Hessian traces and exact Pareto frontiers, against HAWQ's eigenvalues and uniform bits."""

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
    key="hawq-v2",
    title="HAWQ-V2: Hessian Aware trace-Weighted Quantization of Neural Networks",
    authors=("Zhen Dong", "Zhewei Yao", "Daiyaan Arfeen", "Amir Gholami", "Michael W. Mahoney", "Kurt Keutzer"),
    year=2020,
    arxiv="1911.03852",
    journal="Advances in Neural Information Processing Systems 33",
)
SUMMARY = "Bits of each layer of a ResNet20 from its mean Hessian trace, as a point of an exact Pareto frontier."
HARMS = ("trace", "eigenvalue", "movement")
ARMS = ("v2", "v1", "uniform")


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
    activation_bits: Annotated[int, Ge(3)] = 4
    compressions: tuple[float, ...] = (8.0, 10.0, 12.0)
    tolerance: float = 0.1
    max_probes: Annotated[int, Ge(2)] = 100
    assignments: Annotated[int, Ge(3)] = 100
    epochs: Annotated[int, Ge(1)] = 1
    learning_rate: float = 0.01


SCALES = {
    "quick": Config(
        "resnet20-digits", False, 2, 600, 597, 80, compressions=(12.0,), tolerance=0.2, max_probes=20, assignments=40
    ),
    "full": Config(),
}


def _predicts(m: Mapping[str, float], config: Config) -> Verdict:
    rows = ", ".join(f"{h} {m[f'correlation/{h}']:.3f} ± {m[f'correlation/{h}/error']:.3f}" for h in HARMS)
    best = m["correlation/trace"]
    return Verdict.of(
        best,
        best >= m["correlation/eigenvalue"] and best >= m["correlation/movement"],
        f"rank correlation with the true loss over {config.assignments} random assignments, {config.seeds} seeds: {rows}",
    )


def _probes(m: Mapping[str, float], config: Config) -> Verdict:
    worst = m["trace/error_at_50"]
    return Verdict.of(
        100 * worst,
        worst <= 0.1,
        "largest relative standard error that 50 probes leave on any layer, by the spread of those drawn; held against 10 %",
    )


def _better(m: Mapping[str, float], config: Config) -> Verdict:
    rows = "; ".join(
        f"{c:g}x: " + ", ".join(f"{arm} {m[f'{c:g}x/{arm}/tuned']:.2%}" for arm in _arms(m, c))
        for c in config.compressions
    )
    gain = sum(m[f"{c:g}x/v2/tuned"] - m[f"{c:g}x/v1/tuned"] for c in config.compressions) / len(config.compressions)
    return Verdict.of(
        100 * gain,
        gain > 0,
        f"fine-tuned test accuracy, {rows}; v2 less v1 on average, standard error {100 * m['v1/error']:.2f}",
    )


def _mixed(m: Mapping[str, float], config: Config) -> Verdict:
    most, fewer = config.activation_bits, config.activation_bits - 1
    rows = "; ".join(
        f"{b} bits on average: mixed {m[f'activations/{b}/mixed']:.2%}, fixed {m[f'activations/{b}/fixed']:.2%}, difference "
        f"{100 * m[f'activations/{b}/gain']:.2f} ± {100 * m[f'activations/{b}/error']:.2f}"
        for b in (most, fewer)
    )
    gain = m[f"activations/{most}/gain"]
    return Verdict.of(
        100 * gain, gain > 0, f"test accuracy with float weights, inputs of {rows}; the paper's task is detection"
    )


def _exact(m: Mapping[str, float], config: Config) -> Verdict:
    gap = m["restricted/gap"]
    return Verdict.of(
        100 * gap,
        gap <= 0.05,
        f"largest excess of its harm over the exact frontier's at the same size, mean over seeds ({m['restricted/points']:.0f} of "
        f"{m['frontier/points']:.0f} points); held against 5 %",
    )


def _imagenet(m: Mapping[str, float], config: Config) -> Verdict:
    return Verdict.untested("ImageNet or COCO and networks trained on them are needed")


CLAIMS = (
    Claim(
        "trace_predicts_best",
        "The mean trace weighs perturbations better than the top eigenvalue.",
        "trace above eigenvalue",
        _predicts,
    ),
    Claim("fifty_probes", "About 50 Hutchinson probes give the traces of all layers.", "about 50", _probes, "% error"),
    Claim(
        "better_than_version_one", "At equal size V2's bits beat V1's.", "+0.2 to +0.7 on ImageNet", _better, "points"
    ),
    Claim(
        "order_keeps_the_frontier",
        "Admitting only bits in the order of the traces finds the Pareto frontier.",
        "Pareto frontier",
        _exact,
        "% above",
    ),
    Claim(
        "mixed_activations_help",
        "Activation bits chosen by activation traces beat the same number for all.",
        "+0.3 mAP on COCO",
        _mixed,
        "points",
    ),
    Claim("resnet50_imagenet", "ResNet50 at 12.24 times less keeps 75.76 % on ImageNet.", 75.76, _imagenet, "%"),
    Claim("retinanet_coco", "RetinaNet in 17.9 MB reaches 34.4 mAP on COCO.", 34.4, _imagenet, "mAP"),
)


def _arms(m: Mapping[str, float], compression: float) -> list[str]:
    return [arm for arm in ARMS if f"{compression:g}x/{arm}/tuned" in m]


def run(config: Config, run: Run) -> Mapping[str, float]:
    """Each seed: a trained network, its traces and eigenvalues, how well they predict, and networks of equal size."""
    import numpy as np

    found = [run.step(f"seed {s}", partial(_seed, config, run, s)) for s in run.progress(range(config.seeds), "seeds")]

    def error(values: list[float]) -> float:
        return float(np.std(values, ddof=1) / np.sqrt(len(values))) if len(values) > 1 else 0.0

    metrics = {key: float(np.mean([f[key] for f in found])) for key in found[0] if not key.startswith("keep/")}
    for h in HARMS:
        metrics[f"correlation/{h}/error"] = error([f[f"correlation/{h}"] for f in found])
    for key in ("trace/error_at_50", "trace/head_deviation"):
        metrics[key] = max(f[key] for f in found)
    metrics["v1/error"] = error(
        [float(np.mean([f[f"{c:g}x/v2/tuned"] - f[f"{c:g}x/v1/tuned"] for c in config.compressions])) for f in found]
    )
    for bits in (config.activation_bits, config.activation_bits - 1):
        gains = [f[f"activations/{bits}/mixed"] - f[f"activations/{bits}/fixed"] for f in found]
        metrics |= {f"activations/{bits}/gain": float(np.mean(gains)), f"activations/{bits}/error": error(gains)}
    run.table(
        "arms",
        [
            {
                "weights smaller": f"{c:g}x",
                "bits": arm,
                "before fine-tuning": metrics[f"{c:g}x/{arm}/rounded"],
                "after": metrics[f"{c:g}x/{arm}/tuned"],
            }
            for c in config.compressions
            for arm in _arms(metrics, c)
        ],
        f"Test accuracy, mean of {config.seeds} seeds; the float network has {metrics['float']:.2%}.",
    )
    if not config.train:
        run.note(
            "All seeds share one trained network; they differ in the images and probes of the Hessian and in fine-tuning."
        )
    first = found[0]
    run.figure(
        "traces", _trace_figure(run, first), "Mean Hessian trace of each layer with its standard error, first seed."
    )
    run.figure(
        "frontier",
        _frontier_figure(run, first),
        "Exact frontier, and the one restricted to the order of the traces, first seed.",
    )
    run.figure(
        "prediction",
        _prediction_figure(run, first),
        "True increase of the loss against each prediction, first seed.",
    )
    return metrics


def _seed(config: Config, run: Run, s: int) -> dict[str, Any]:
    import torch

    from bitket.quantization.allocation import frontier, restricted_frontier
    from bitket.quantization.sensitivity import hessian_trace
    from bitket.quantization.sensitivity.perturbation import perturbation, weighted
    from bitket.quantization.sensitivity.validation import validate
    from bitket.quantization.vision.bit_plan import apply_plan, edges, weight_problem, weight_schemes
    from bitket.quantization.vision.hawq import Hawq, block_eigenvalues, decide
    from bitket.quantization.vision.hawq_v2 import HawqV2, decide_v2, input_frontier
    from bitket.quantization.vision.recipes import RECIPES, accuracy, pretrained, sgd, train
    from bitket.quantization.vision.simulation import simulate, weight_scheme

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
    loss = torch.nn.functional.cross_entropy
    out: dict[str, Any] = {"float": accuracy(model, images.test_x, images.test_y)}

    settings = HawqV2(
        config.bits, config.activation_bits, tolerance=config.tolerance, max_probes=config.max_probes, seed=s
    )
    traces = hessian_trace(
        model,
        loss,
        data,
        tolerance=config.tolerance,
        max_probes=config.max_probes,
        mode="separate",  # as published, so that the errors are those of plain Hutchinson probes
        generator=run.torch_generator(f"traces {s}"),
        checkpoint=folder / "traces.safetensors",
    )
    out["keep/mean"] = {n: t.mean for n, t in traces.items()}
    out["keep/error"] = {n: t.standard_error / t.size for n, t in traces.items()}
    out["trace/error_at_50"] = max(t.relative_error * (t.probes / 50) ** 0.5 for t in traces.values())
    out["trace/probes"] = max(t.probes for t in traces.values())
    exact = _head_trace(model, data)
    out["trace/head_deviation"] = abs(traces["head"].value - exact) / traces["head"].standard_error
    version_one = Hawq(config.bits, config.activation_bits, seed=s)
    eigenvalues = block_eigenvalues(model, version_one, data)

    edge = edges(model, settings.edge_bits)
    schemes = weight_schemes([n for n in traces if n not in edge], config.bits)
    moved = perturbation(model, schemes)
    harms = {
        "trace": weighted({n: t.mean for n, t in traces.items()}, moved),
        "eigenvalue": weighted({n: e.value for n, e in eigenvalues.items()}, moved),
        "movement": moved,
    }
    draws = run.generator(f"assignments {s}")
    drawn = [{n: int(draws.choice(config.bits)) for n in schemes} for _ in range(config.assignments)]
    checked = validate(
        moved, lambda a: simulate(model, {n: weight_scheme(int(b)) for n, b in a.items()}), loss, data, drawn
    )
    out["keep/true"] = checked.true
    for name, harm in harms.items():
        held = checked.by(harm)
        out[f"correlation/{name}"], out[f"keep/predicted/{name}"] = held.rank_correlation, held.predicted
        run.log(seed=s, harm=name, rank_correlation=held.rank_correlation)

    problem = weight_problem(model, harms["trace"], schemes, None, edge)
    points, within = frontier(problem), restricted_frontier(problem, out["keep/mean"])
    out |= {"frontier/points": len(points), "restricted/points": len(within), "restricted/gap": within.gap(points)}
    out["keep/frontier"] = [points.cost, points.harm, within.cost, within.harm]

    training = sgd(config.epochs, config.learning_rate)
    for c in config.compressions:
        two = decide_v2(model, replace(settings, budget=f"{c}x"), traces)
        plans = {"v2": two, "v1": decide(model, replace(version_one, budget=f"{c}x"), eigenvalues)}
        limit = two.allocation.problem.bounds()["codes"]
        for b in sorted(config.bits, reverse=True):
            uniform = two.allocation.problem.allocation(dict.fromkeys(schemes, b), "uniform")
            if uniform.costs["codes"] <= limit:
                plans["uniform"] = two.with_allocation(uniform)
                break
        for arm, plan in plans.items():
            key = f"{c:g}x/{arm}"
            out[f"{key}/rounded"] = accuracy(apply_plan(model, plan, calibration), images.test_x, images.test_y)
            made = apply_plan(
                model,
                plan,
                calibration,
                training=training,
                x=images.x,
                y=images.y,
                generator=run.torch_generator(f"fine-tuning {s}"),
                folder=folder / key,
            )
            out[f"{key}/tuned"] = accuracy(made, images.test_x, images.test_y)
            run.log(seed=s, compression=c, bits=arm, rounded=out[f"{key}/rounded"], tuned=out[f"{key}/tuned"])

    mixed = replace(settings, activation_bits="mixed", mean_activation_bits=float(config.activation_bits))
    best = input_frontier(model, mixed, data, loss, run.torch_generator(f"activations {s}"))
    for bits in (config.activation_bits, config.activation_bits - 1):
        chosen = {n: int(b) for n, b in best.at(bits).choices.items()}
        for name, inputs in (("mixed", chosen), ("fixed", dict.fromkeys(chosen, bits))):
            plan = replace(two, weight_bits={}, input_bits={**inputs, **edge})
            out[f"activations/{bits}/{name}"] = accuracy(
                apply_plan(model, plan, calibration), images.test_x, images.test_y
            )
    return out


def _head_trace(model: Any, data: Any) -> float:
    """The trace of the last layer's Hessian by its closed form: the mean over images of (1 - |p|^2) |a|^2."""
    from bitket.quantization.vision.networks import at_the_head

    a, p = at_the_head(model, [x for x, _ in data])
    return float(((1 - p.square().sum(1)) * a.square().sum(1)).mean())


def _trace_figure(run: Run, f: Mapping[str, Any]) -> Any:
    figure, axes = run.subplots(width=8, height=4)
    names = list(f["keep/mean"])
    axes.errorbar(range(len(names)), list(f["keep/mean"].values()), list(f["keep/error"].values()), fmt="o-", capsize=3)
    axes.set_yscale("log")
    axes.set_xticks(range(len(names)), [n.removeprefix("stages.") for n in names], rotation=70, ha="right", fontsize=8)
    axes.set(xlabel="layer", ylabel="mean trace Tr(H)/n")
    return figure


def _frontier_figure(run: Run, f: Mapping[str, Any]) -> Any:
    figure, axes = run.subplots(width=7, height=4)
    cost, harm, within_cost, within_harm = f["keep/frontier"]
    axes.step(within_cost / 1e3, within_harm, where="post", color="C1", label="in the order of the traces")
    axes.step(cost / 1e3, harm, where="post", color="C0", label="exact")
    axes.set_yscale("log")
    axes.set(xlabel="size of the network, kB", ylabel="harm $\\Omega$")
    axes.legend()
    return figure


def _prediction_figure(run: Run, f: Mapping[str, Any]) -> Any:
    import numpy as np

    figure, axes = run.subplots(1, 3, width=10, height=3.6)
    for ax, h in zip(axes, HARMS, strict=True):
        true = np.asarray(f["keep/true"])
        ax.semilogy(f[f"keep/predicted/{h}"], np.where(true > 0, true, np.nan), "o", ms=3, alpha=0.6)
        ax.set(xlabel=f"predicted by {h}", title=f"rank correlation {f[f'correlation/{h}']:.2f}")
    axes[0].set(ylabel="increase of the loss")
    return figure

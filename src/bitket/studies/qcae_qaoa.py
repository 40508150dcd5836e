"""Noise removed from digits by an autoencoder with a QAOA circuit in its middle, beside classical middles, other circuits and BM3D."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

from annotated_types import Ge, Gt, Le

from bitket.runs import Claim, Paper, Verdict

if TYPE_CHECKING:
    from bitket.runs import Run

PAPER = Paper(
    key="qcae-qaoa",
    title="Enhancing a Convolutional Autoencoder with a Quantum Approximate Optimization Algorithm for Image Noise Reduction",
    authors=("Kimleang Kea", "Won-Du Chang", "Hee Chul Park", "Youngsun Han"),
    year=2024,
    arxiv="2401.06367",
)
SUMMARY = "A denoising autoencoder with a QAOA circuit in its middle: does the circuit help, against classical middles and other circuits?"

Count = Annotated[int, Ge(1)]
Level = Annotated[float, Gt(0), Le(2)]


@dataclass(frozen=True)
class Config:
    """Settings. Sizes of the network, width, depth and training are ours; the paper's are not known."""

    data: str = "mnist_5k"
    images: Count = 4000
    held: Count = 300
    test: Annotated[int, Ge(10)] = 500
    width: Annotated[int, Ge(2), Le(12)] = 8
    depth: Count = 3
    noise: Level = 0.5
    seeds: Count = 5
    epochs: Count = 40
    levels: tuple[Level, ...] = (0.1, 0.2, 0.3, 0.7)
    circuits: tuple[str, ...] = ("hardware-efficient", "real-amplitudes", "strongly-entangling", "product", "random")
    depths: tuple[Count, ...] = (1, 3)
    middles: tuple[str, ...] = ("qaoa-multi", "qaoa-fixed", "sine", "repeated", "wide")
    widths: tuple[Annotated[int, Ge(2), Le(12)], ...] = (4, 6, 10)
    part_images: Count = 1500
    part_epochs: Count = 20
    few_seeds: Count = 2
    shots: tuple[Count, ...] = (10, 30, 100, 300, 1000, 3000)
    two_qubit_error: Annotated[float, Ge(0), Le(1)] = 0.01
    judged: Annotated[int, Ge(8)] = 50


SCALES = {
    "quick": Config(
        data="digits",
        images=1000,
        held=100,
        test=100,
        seeds=1,
        epochs=7,
        levels=(),
        circuits=("product",),
        depths=(3,),
        middles=("sine",),
        widths=(),
        part_images=300,
        part_epochs=4,
        few_seeds=1,
        shots=(10, 100, 1000),
        judged=8,
    ),
    "full": Config(),
}
MAIN = ("qaoa", "identity", "dense")
NAMES = {"qaoa": "QCAE", "identity": "CAE", "dense": "CAE, dense layer"}


def _enough(config: Config, what: str) -> Verdict | None:
    if config.seeds >= 5:
        return None
    return Verdict.untested(f"{what} of {config.seeds} training; at least 5 seeds are needed, as they differ")


def _interval(m: Mapping[str, float], name: str, scale: float = 1.0) -> str:
    return f"{scale * m[name]:.3g} ({scale * m[f'{name}/low']:.3g} to {scale * m[f'{name}/high']:.3g})"


def _gain(m: Mapping[str, float], config: Config) -> Verdict:
    levels = sorted({config.noise, *config.levels})
    best = max(levels, key=lambda s: m[f"gain/{s:g}"])
    name = f"gain/{best:g}"
    few = _enough(config, f"{100 * m[name]:+.1f} %")
    if few:
        return few
    all_of_them = "; ".join(f"σ = {s:g}: {_interval(m, f'gain/{s:g}', 100)} %" for s in levels)
    return Verdict.of(
        100 * m[name],
        m[f"{name}/low"] > 0 and m[f"{name}/high"] >= 0.4,
        f"largest mean gain in SSIM over the CAE of equal width, at σ = {best:g}, with 95 % intervals: {all_of_them}",
    )


def _loss(m: Mapping[str, float], config: Config) -> Verdict:
    few = _enough(config, f"difference {m['loss/difference']:+.3g}")
    if few:
        return few
    return Verdict.of(
        m["loss/difference"],
        m["loss/difference/high"] < 0,
        f"training loss minus that of the CAE, {_interval(m, 'loss/difference')}; of the CAE {m['main/identity/loss']:.4f}; "
        f"minus that with a dense layer {_interval(m, 'loss/difference_dense')}",
    )


def _circuits(m: Mapping[str, float], config: Config) -> Verdict:
    few = _enough(config, f"{100 * m['circuits/gain']:+.1f} %")
    if few:
        return few
    each = "; ".join(f"{name} {100 * m[f'circuits/gain/{name}']:+.1f} %" for name in config.circuits)
    return Verdict.of(
        100 * m["circuits/gain"],
        m["circuits/gain/low"] > 0 and m["circuits/gain/high"] >= 0.25,
        f"mean gain in SSIM over other circuits of equal depth, {_interval(m, 'circuits/gain', 100)} %: {each}",
    )


def _denoises(m: Mapping[str, float], config: Config) -> Verdict:
    gains = {name: m[f"main/{name}/ssim"] - m["noisy/ssim"] for name in MAIN}
    text = "; ".join(f"{NAMES[name]} {gain:+.3f}" for name, gain in gains.items())
    if config.epochs < 30:
        return Verdict.untested(f"{text} after {config.epochs} epochs on {config.data}; 30 or more are needed")
    return Verdict.of(
        gains["qaoa"],
        min(gains.values()) >= 0.2,
        f"SSIM over the noisy images' {m['noisy/ssim']:.3f}: {text}; at least 0.2 of each",
    )


def _hardware(m: Mapping[str, float], config: Config) -> Verdict:
    if 1000 not in config.shots:
        return Verdict.untested("1000 shots are not among the settings")
    kept = m["device/ssim"] / m["shots/exact"]
    return Verdict.of(
        100 * kept,
        kept >= 0.9,
        f"of the exact SSIM {m['shots/exact']:.3f}, from 1000 shots under depolarising noise ({config.two_qubit_error:g} a two-qubit gate); "
        f"without noise {m['shots/1000']:.3f}",
    )


CLAIMS = (
    Claim(
        "ssim_gain",
        "The circuit raises structural similarity over the classical autoencoder's.",
        "up to 40 %",
        _gain,
        "%",
    ),
    Claim("lower_loss", "The training loss is lower than the classical autoencoder's.", "lower", _loss),
    Claim("qaoa_over_circuits", "The QAOA circuit is better than other circuits.", "25 % on average", _circuits, "%"),
    Claim("noise_removed", "The autoencoder removes strong noise from digits.", "shown on MNIST", _denoises, "SSIM"),
    Claim(
        "runs_on_hardware",
        "Results on a quantum computer are close to simulated ones.",
        "shown in pictures",
        _hardware,
        "%",
    ),
)


def run(config: Config, run: Run) -> Mapping[str, float]:
    """Main comparison, noise levels, circuits, widths, shots."""
    import numpy as np

    metrics: dict[str, float] = {}
    data = _images(config, run)
    train = partial(_training, config, run, data)
    jobs = [(name, seed) for seed in range(config.seeds) for name in MAIN]
    main: dict[str, list[Any]] = {name: [] for name in MAIN}
    for name, seed in run.progress(jobs, "main comparison"):
        main[name].append(
            train("main", name, config.noise, seed, config.width, config.depth, config.images, config.epochs)
        )
    parts = {
        (name, level): [
            train("level", name, level, seed, config.width, config.depth, config.part_images, config.part_epochs)
            for seed in run.progress(range(config.seeds), f"{name}, noise {level:g}")
        ]
        for level in config.levels
        for name in MAIN[:2]
    }
    circuits = {
        (name, depth): [
            train("circuit", name, config.noise, seed, config.width, depth, config.part_images, config.part_epochs)
            for seed in run.progress(range(config.seeds), f"{name}, depth {depth}")
        ]
        for depth in config.depths
        for name in ("qaoa", *config.circuits)
    }
    others = {
        (name, width): [
            train("other", name, config.noise, seed, width, config.depth, config.part_images, config.part_epochs)
            for seed in run.progress(range(config.few_seeds), f"{name}, width {width}")
        ]
        for name, width in [
            *((n, config.width) for n in config.middles),
            *((n, w) for w in config.widths for n in MAIN[:2]),
        ]
    }
    early = {
        name: [
            train("early", name, config.noise, seed, config.width, config.depth, config.part_images, 3)
            for seed in range(config.seeds)
        ]
        for name in MAIN[:2]
    }
    judged = run.step("yardsticks", partial(_yardsticks, config, run, data))
    shots = run.step("shots", partial(_shots, config, run, data, main["qaoa"][0]["weights"]))

    metrics |= _main_metrics(main, judged) | shots
    metrics |= _spread(
        "loss/difference", [_last(q) - _last(c) for q, c in zip(main["qaoa"], main["identity"], strict=True)]
    )
    metrics |= _spread(
        "loss/difference_dense", [_last(q) - _last(c) for q, c in zip(main["qaoa"], main["dense"], strict=True)]
    )
    for level in (config.noise, *config.levels):
        pair = [main[n] if level == config.noise else parts[n, level] for n in MAIN[:2]]
        metrics |= _spread(f"gain/{level:g}", _relative(*pair))
    metrics |= _spread("gain/dense", _relative(main["qaoa"], main["dense"]))
    metrics |= _spread("gain/early", _relative(early["qaoa"], early["identity"]))
    gains = {
        name: np.mean([_relative(circuits["qaoa", d], circuits[name, d]) for d in config.depths], axis=0)
        for name in config.circuits
    }
    metrics |= {f"circuits/gain/{name}": float(np.mean(g)) for name, g in gains.items()}
    metrics |= _spread("circuits/gain", np.mean(list(gains.values()), axis=0).tolist())
    _report(config, run, metrics, main, parts, circuits, others, judged)
    return metrics


# -- data and trainings ----------------------------------------------------------------------------------------------------
def _images(config: Config, run: Run) -> dict[str, Any]:
    """Training, validation and test images ``[N, 28, 28]``, drawn apart."""
    import numpy as np

    from bitket.data import load
    from bitket.errors import InvalidInput

    rows = load(config.data)
    if config.data == "digits":
        from scipy.ndimage import zoom

        pixels = np.clip(zoom(rows.X.reshape(-1, 8, 8) / 16, (1, 3.5, 3.5), order=1), 0, 1)
    else:
        pixels = getattr(rows, "pixels", np.empty(0))
    needed = config.images + config.held + config.test
    if pixels.shape[1:] != (28, 28) or len(pixels) < needed:
        raise InvalidInput(
            f"setting data={config.data}: {needed} grey images of 28 x 28 pixels are needed, it has shape {pixels.shape}"
        )
    drawn = pixels[run.generator("images").permutation(len(pixels))[:needed]].astype(np.float32)
    test, held, train = np.split(drawn, [config.test, config.test + config.held])
    return {"train": train, "held": held, "test": test}


def _noisy(run: Run, clean: Any, level: float) -> Any:
    import torch

    from bitket.quantum.learning.corruption import Gaussian

    return Gaussian(level)(torch.from_numpy(clean), run.torch_generator(f"test noise {level:g}")).numpy()


def _training(
    config: Config,
    run: Run,
    data: dict[str, Any],
    kind: str,
    name: str,
    level: float,
    seed: int,
    width: int,
    depth: int,
    images: int,
    epochs: int,
) -> dict[str, Any]:
    """What one training gave, by the rule that all share."""
    label = f"{kind}, {name}, width {width}, depth {depth}, noise {level:g}, seed {seed}"
    found: dict[str, Any] = run.step(
        label, partial(_trained, config, run, data, name, level, seed, width, depth, images, epochs)
    )
    run.log(
        kind=kind,
        latent=name,
        noise=level,
        seed=seed,
        width=width,
        depth=depth,
        ssim=found["ssim"].mean(),
        loss=_last(found),
    )
    return found


def _trained(
    config: Config,
    run: Run,
    data: dict[str, Any],
    name: str,
    level: float,
    seed: int,
    width: int,
    depth: int,
    images: int,
    epochs: int,
) -> dict[str, Any]:
    from bitket.learning import Training
    from bitket.quantum.learning.corruption import Gaussian
    from bitket.quantum.learning.denoising import DenoiserSettings, DenoisingAutoencoder

    model = DenoisingAutoencoder.made(DenoiserSettings(28, width, name, depth), run.torch_generator(f"weights {seed}"))
    result = model.fit(
        data["train"][:images],
        Gaussian(level),
        validation=data["held"],
        generator=run.torch_generator(f"training {seed}"),
        training=Training(epochs, batch_size=64, learning_rate=1e-2, decay="cosine", patience=10),
    )
    noisy = _noisy(run, data["test"], level)
    similar, decibels = model.score(noisy, data["test"])
    return {
        "ssim": similar,
        "psnr": decibels,
        "history": result.history,
        "validation": result.validation,
        "best": result.best_epoch,
        "parameters": sum(p.numel() for p in model.latent.parameters() if p.requires_grad),
        "strip": model.denoise(noisy[:8]),
        "weights": {key: value.clone() for key, value in model.state_dict().items()},
    }


def _yardsticks(config: Config, run: Run, data: dict[str, Any]) -> dict[str, Any]:
    """SSIM and PSNR of the noisy test images, and of classical denoisers on the first of them."""
    import numpy as np

    from bitket.quantum.learning.corruption import Gaussian
    from bitket.quantum.learning.image_quality import psnr, ssim
    from bitket.quantum.learning.yardsticks import yardsticks

    noisy = _noisy(run, data["test"], config.noise)
    found = {"noisy": {"ssim": ssim(noisy, data["test"]), "psnr": psnr(noisy, data["test"]), "strip": noisy[:8]}}
    found["clean"] = {"strip": data["test"][:8]}
    for name, f in yardsticks(Gaussian(config.noise), data["held"][:50], run.torch_generator("yardsticks")).items():
        made = np.stack([f(x) for x in noisy[: config.judged]])
        clean = data["test"][: config.judged]
        found[name] = {"ssim": ssim(made, clean), "psnr": psnr(made, clean), "strip": made[:8].astype(np.float32)}
    return found


def _shots(config: Config, run: Run, data: dict[str, Any], weights: dict[str, Any]) -> dict[str, float]:
    """SSIM of the first trained hybrid from fewer and fewer shots, and from shots on a noisy machine."""
    import torch

    from bitket.quantum.learning.denoising import DenoiserSettings, DenoisingAutoencoder
    from bitket.quantum.noise import NoiseModel

    clean = data["test"][: 2 * config.judged]
    noisy = _noisy(run, data["test"], config.noise)[: len(clean)]
    model = DenoisingAutoencoder.made(DenoiserSettings(28, config.width, "qaoa", config.depth), torch.Generator())
    model.load_state_dict(weights)
    layer: Any = model.latent
    out = {"shots/exact": float(model.score(noisy, clean)[0].mean())}
    layer.generator = run.torch_generator("shots")
    for shots in config.shots:
        layer.shots = shots
        out[f"shots/{shots}"] = float(model.score(noisy, clean)[0].mean())
    layer.shots = 1000
    layer.noise = NoiseModel.depolarizing(config.two_qubit_error / 10, config.two_qubit_error)
    return out | {"device/ssim": float(model.score(noisy, clean)[0].mean())}


# -- numbers ---------------------------------------------------------------------------------------------------------------
def _last(found: Mapping[str, Any]) -> float:
    """Training loss of the last epoch."""
    return float(found["history"][-1])


def _mean(found: list[Any], key: str = "ssim") -> list[float]:
    """The mean over test images for each seed."""
    return [float(f[key].mean()) for f in found]


def _relative(ours: list[Any], theirs: list[Any]) -> list[float]:
    """Relative gain in SSIM, seed by seed: both began with the same convolutions and saw the same order and noise."""
    return [a / b - 1 for a, b in zip(_mean(ours), _mean(theirs), strict=True)]


def _spread(name: str, values: list[float]) -> dict[str, float]:
    """Mean and, of two values or more, its 95 % interval by Student's t."""
    from bitket.quantum.learning.comparison import mean_accuracy

    found = mean_accuracy(values)
    ends = {f"{name}/low": found.low, f"{name}/high": found.high} if len(values) > 1 else {}
    return {name: found.mean} | ends


def _main_metrics(main: dict[str, list[Any]], judged: dict[str, Any]) -> dict[str, float]:
    import numpy as np

    out: dict[str, float] = {}
    for name, found in main.items():
        out |= _spread(f"main/{name}/ssim", _mean(found)) | {f"main/{name}/psnr": float(np.mean(_mean(found, "psnr")))}
        out[f"main/{name}/loss"] = float(np.mean([_last(f) for f in found]))
        out[f"main/{name}/parameters"] = float(found[0]["parameters"])
    for name, values in judged.items():
        if name != "clean":
            key = name.replace(" ", "_")
            out |= {f"{key}/ssim": float(values["ssim"].mean()), f"{key}/psnr": float(values["psnr"].mean())}
    return out


# -- what the report shows -------------------------------------------------------------------------------------------------
def _report(
    config: Config,
    run: Run,
    metrics: dict[str, float],
    main: dict[str, list[Any]],
    parts: dict[tuple[str, float], list[Any]],
    circuits: dict[tuple[str, int], list[Any]],
    others: dict[tuple[str, int], list[Any]],
    judged: dict[str, Any],
) -> None:
    import numpy as np

    def row(name: str, found: list[Any]) -> dict[str, Any]:
        spread = _spread("ssim", _mean(found))
        half = f" ± {spread['ssim/high'] - spread['ssim']:.4f}" if "ssim/high" in spread else ""
        return {
            "denoiser": name,
            "parameters in the middle": found[0]["parameters"],
            "SSIM": f"{spread['ssim']:.4f}{half}",
            "PSNR, dB": f"{np.mean(_mean(found, 'psnr')):.2f}",
            "training loss": f"{np.mean([_last(f) for f in found]):.5f}",
            "best epoch": f"{np.mean([f['best'] for f in found]):.0f}",
        }

    rows = [row(NAMES[name], found) for name, found in main.items()]
    for name, values in judged.items():
        if name != "clean":
            what = name if name == "noisy" else f"{name}, first {config.judged} images"
            rows.append(
                {"denoiser": what, "SSIM": f"{values['ssim'].mean():.4f}", "PSNR, dB": f"{values['psnr'].mean():.2f}"}
            )
    run.table(
        "main",
        rows,
        f"{config.images} images of {config.data}, σ = {config.noise:g}; ± half a 95 % interval over {config.seeds} seeds.",
    )
    pieces = [
        {"noise": f"{level:g}", "depth": config.depth, "width": config.width} | row(NAMES[name], found)
        for (name, level), found in parts.items()
    ]
    pieces += [
        {"noise": f"{config.noise:g}", "depth": depth, "width": config.width} | row(name, found)
        for (name, depth), found in circuits.items()
    ]
    pieces += [
        {"noise": f"{config.noise:g}", "depth": config.depth, "width": width} | row(name, found)
        for (name, width), found in others.items()
    ]
    run.table(
        "parts",
        pieces,
        f"Noise levels, circuits, other middles and widths: {config.part_images} images, {config.part_epochs} epochs.",
    )
    run.note(
        "Network, width, depth, noise and training are not known from the paper; these are ours. All models began with the same convolutions "
        "for a seed and were trained by one rule: cosine decay, weights of least validation loss, an end after 10 epochs without a lower one."
    )
    run.note(
        f"After 3 epochs the hybrid's SSIM is {100 * metrics['gain/early']:+.1f} % against the CAE's, at the end "
        f"{100 * metrics[f'gain/{config.noise:g}']:+.1f} %; against a dense layer {100 * metrics['gain/dense']:+.1f} %."
    )
    run.figure("strips", _strip_figure(run, main, judged), "Test images: noisy, denoised, clean.")
    run.figure("curves", _curve_figure(run, main), "Validation loss of every training of the main comparison.")
    run.figure(
        "circuits",
        _circuit_figure(run, circuits, others),
        "SSIM of circuits and other middles; a point a seed, bars are means.",
    )
    run.figure(
        "levels",
        _level_figure(config, run, metrics),
        "Relative gain in SSIM of the hybrid over the CAE, with 95 % intervals.",
    )
    run.figure("shots", _shot_figure(config, run, metrics), "SSIM of the trained hybrid from shots; dashed: exact.")


def _strip_figure(run: Run, main: dict[str, list[Any]], judged: dict[str, Any]) -> Any:
    rows = {"noisy": judged["noisy"]["strip"], "CAE": main["identity"][0]["strip"], "QCAE": main["qaoa"][0]["strip"]}
    rows |= {
        name: judged[name]["strip"]
        for name in ("BM3D", "total variation", "Gaussian blur")
        if name in judged and len(rows) < 4
    }
    rows["clean"] = judged["clean"]["strip"]
    figure, axes = run.subplots(len(rows), 8, width=8, height=1.05 * len(rows))
    for line, (name, images) in zip(axes, rows.items(), strict=True):
        for place, image in zip(line, images, strict=True):
            place.imshow(image, cmap="gray", vmin=0, vmax=1)
            place.set(xticks=[], yticks=[])
            place.grid(False)
        line[0].set_ylabel(name, rotation=0, ha="right", va="center")
    return figure


def _curve_figure(run: Run, main: dict[str, list[Any]]) -> Any:
    figure, axes = run.subplots(width=6.5, height=3.8)
    for k, (name, found) in enumerate(main.items()):
        for seed, f in enumerate(found):
            label = NAMES[name] if seed == 0 else None
            axes.plot(
                range(1, len(f["validation"]) + 1),
                f["validation"],
                color=f"C{k}",
                alpha=0.7,
                linewidth=1.2,
                label=label,
            )
    axes.set(xlabel="epoch", ylabel="mean squared error", yscale="log")
    axes.legend()
    return figure


def _circuit_figure(
    run: Run, circuits: dict[tuple[str, int], list[Any]], others: dict[tuple[str, int], list[Any]]
) -> Any:
    import numpy as np

    bars = {f"{name}, p = {depth}": found for (name, depth), found in circuits.items()}
    bars |= {f"{name}, n = {width}": found for (name, width), found in others.items()}
    figure, axes = run.subplots(width=7, height=1 + 0.27 * len(bars))
    for k, found in enumerate(bars.values()):
        axes.barh(k, np.mean(_mean(found)), color="C0" if list(bars)[k].startswith("qaoa") else "C5", height=0.7)
        axes.plot(_mean(found), [k] * len(found), "k.", markersize=4)
    axes.set_yticks(range(len(bars)), list(bars))
    axes.invert_yaxis()
    axes.grid(False, axis="y")
    axes.set(xlabel="SSIM")
    return figure


def _level_figure(config: Config, run: Run, metrics: dict[str, float]) -> Any:
    levels = sorted({config.noise, *config.levels})
    figure, axes = run.subplots(width=6, height=3.6)
    middle = [100 * metrics[f"gain/{s:g}"] for s in levels]
    half = [
        100 * metrics.get(f"gain/{s:g}/high", metrics[f"gain/{s:g}"]) - m for s, m in zip(levels, middle, strict=True)
    ]
    axes.axhline(40, color="C1", linewidth=1, linestyle="--", label="the paper's 'up to'")
    axes.axhline(0, color="0.5", linewidth=1)
    axes.errorbar(levels, middle, half, fmt="o-", capsize=3, label="measured")
    axes.set(xlabel="noise σ", ylabel="gain in SSIM, %")
    axes.legend()
    return figure


def _shot_figure(config: Config, run: Run, metrics: dict[str, float]) -> Any:
    figure, axes = run.subplots(width=6, height=3.6)
    axes.semilogx(config.shots, [metrics[f"shots/{s}"] for s in config.shots], "o-")
    axes.axhline(metrics["shots/exact"], color="k", linewidth=1, linestyle="--")
    axes.set(xlabel="shots", ylabel="SSIM")
    return figure

"""Supervised learning with quantum enhanced feature spaces: both classifiers of the paper on its ad hoc data, and what shots do to a kernel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from bitket.runs import Claim, Paper, Verdict

if TYPE_CHECKING:
    from bitket.runs import Run

PAPER = Paper(
    key="quantum-kernels",
    title="Supervised learning with quantum enhanced feature spaces",
    authors=(
        "Vojtěch Havlíček",
        "Antonio D. Córcoles",
        "Kristan Temme",
        "Aram W. Harrow",
        "Abhinav Kandala",
        "Jerry M. Chow",
        "Jay M. Gambetta",
    ),
    year=2019,
    arxiv="1804.11326",
    journal="Nature 567, 209-212",
)
SUMMARY = "A variational classifier and a support vector machine on a quantum kernel, on data that the kernel separates by construction."


@dataclass(frozen=True)
class Config:
    """Settings; the defaults are the paper's, but for the number of data sets."""

    qubits: int = 2
    gap: float = 0.3
    per_class: int = 20
    depths: tuple[int, ...] = (0, 1, 2, 3, 4)
    variational_sets: int = 20
    iterations: int = 250
    training_shots: int = 2000
    test_shots: int = 10_000
    kernel_sets: int = 20
    test_sets: int = 10
    kernel_shots: int = 50_000
    shot_repetitions: int = 200
    two_qubit_error: float = 0.01
    noisy_points: int = 20


SCALES = {
    "quick": Config(variational_sets=3, kernel_sets=5, test_sets=4, shot_repetitions=50, noisy_points=8),
    "full": Config(),
}


def _depth(m: Mapping[str, float], config: Config) -> Verdict:
    last = m["variational/4"]
    if config.variational_sets < 10:
        return Verdict.untested(
            f"{last:.3f} ± {m['variational/4/error']:.3f} on {config.variational_sets} data sets; at least 10 are needed, as they differ"
        )
    shallow = ", ".join(f"l = {d}: {m[f'variational/{d}']:.3f} ± {m[f'variational/{d}/error']:.3f}" for d in range(4))
    return Verdict.of(
        last, last >= 0.95 and last >= m["variational/0"], f"mean success on test sets at l = 4; {shallow}"
    )


def _grows(m: Mapping[str, float], config: Config) -> Verdict:
    steps = [m[f"variational/{d + 1}"] - m[f"variational/{d}"] for d in range(4)]
    allowed = [2 * (m[f"variational/{d}/error"] ** 2 + m[f"variational/{d + 1}/error"] ** 2) ** 0.5 for d in range(4)]
    return Verdict.of(
        min(steps),
        all(s >= -a for s, a in zip(steps, allowed, strict=True)),
        "smallest change of mean success from one depth to the next",
    )


def _kernel(m: Mapping[str, float], config: Config) -> Verdict:
    return Verdict.of(
        m["kernel/sampled/test"],
        m["kernel/sampled/test"] >= 0.94,
        f"exact kernel: {m['kernel/exact/test']:.4f}; product kernel {m['kernel/product/test']:.3f}",
    )


def _separates(m: Mapping[str, float], config: Config) -> Verdict:
    worst = m["kernel/exact/worst_training"]
    return Verdict.of(worst, worst == 1.0, "smallest training accuracy of all sets, exact kernel, hard margin")


def _shots(m: Mapping[str, float], config: Config) -> Verdict:
    slope = m["shots/exponent"]
    return Verdict.of(
        slope,
        abs(slope + 0.5) <= 0.05,
        "fitted exponent of the kernel's error in operator norm over the number of shots",
    )


def _mitigation(m: Mapping[str, float], config: Config) -> Verdict:
    ratio = m["noise/raw"] / m["noise/mitigated"]
    return Verdict.of(
        ratio, ratio >= 2, f"mean error of kernel entries {m['noise/raw']:.3g} becomes {m['noise/mitigated']:.3g}"
    )


CLAIMS = (
    Claim(
        "variational_success",
        "The variational classifier reaches nearly perfect success at depth 4.",
        "close to 100 %",
        _depth,
    ),
    Claim("success_grows_with_depth", "Its success grows with the depth of the circuit.", "grows, best at 4", _grows),
    Claim("exact_kernel_separates", "The kernel separates its ad hoc data perfectly.", "100 % in training", _separates),
    Claim(
        "kernel_success",
        "The kernel method from 50,000 shots an entry classifies test sets.",
        "100 %, 100 %, 94.75 %",
        _kernel,
    ),
    Claim(
        "shots_scaling",
        "The error of the estimated kernel falls as one over the square root of the shots.",
        "R^(-1/2)",
        _shots,
    ),
    Claim(
        "mitigation_helps",
        "First-order extrapolation in the noise strength mends noisy kernel entries.",
        "used throughout",
        _mitigation,
        "x smaller",
    ),
)


def run(config: Config, run: Run) -> Mapping[str, float]:
    """Both classifiers, the effect of shots, and of noise."""
    import numpy as np

    metrics: dict[str, float] = {}
    rows = []
    jobs = [(d, s) for d in config.depths for s in range(config.variational_sets)]
    scores: dict[int, list[float]] = {d: [] for d in config.depths}
    for depth, s in run.progress(jobs, "variational classifier"):
        scores[depth].append(
            run.step(f"variational, depth {depth}, set {s}", partial(_variational, config, run, depth, s))
        )
        run.log(depth=depth, set=s, success=scores[depth][-1])
    for depth, values in scores.items():
        error = float(np.std(values, ddof=1) / np.sqrt(len(values))) if len(values) > 1 else 0.0
        metrics |= {f"variational/{depth}": float(np.mean(values)), f"variational/{depth}/error": error}
        parameters = 2 * config.qubits * (depth + 1) + 1
        rows.append(
            {"depth": depth, "parameters": parameters, "mean success": float(np.mean(values)), "standard error": error}
        )
    run.table("depth", rows, f"Variational classifier, {config.variational_sets} data sets")
    found = [
        run.step(f"kernel, set {s}", partial(_kernel_set, config, run, s))
        for s in run.progress(range(config.kernel_sets), "kernel")
    ]
    for key in ("exact/test", "sampled/test", "product/test"):
        metrics[f"kernel/{key}"] = float(np.mean([f[key] for f in found]))
    metrics["kernel/exact/worst_training"] = min(f["exact/training"] for f in found)
    metrics["kernel/smallest_eigenvalue"] = min(f["smallest eigenvalue"] for f in found)
    shots = run.step("shots", partial(_shot_study, config, run))
    metrics["shots/exponent"] = shots["exponent"]
    metrics |= {f"noise/{k}": v for k, v in run.step("noise", partial(_noise_study, config, run)).items()}
    run.note(
        "Without noise the kernel method is limited by shots alone; the paper's third set (94.75 %) was limited by its hardware."
    )
    picture = run.step("picture", partial(_picture, config, run))
    run.figure(
        "depth",
        _depth_figure(run, scores),
        "Success of the variational classifier on test sets against depth: each data set, and the mean.",
    )
    run.figure(
        "kernel",
        _kernel_figure(run, picture),
        "Kernel matrix of a training set (left; the classes are its blocks) and decisions over all data (right).",
    )
    run.figure(
        "shots",
        _shots_figure(run, shots),
        "Error of the estimated kernel matrix in operator norm against shots an entry.",
    )
    return metrics


def _data(config: Config, run: Run, kind: str, s: int, test_sets: int) -> tuple[Any, Any, Any, list[Any]]:
    from bitket.quantum.learning.ad_hoc import AdHocData

    generator = run.generator(f"data {kind} {s}")
    data = AdHocData.random(config.qubits, generator, config.gap)
    x, y = data.draw(config.per_class, generator)
    return data, x, y, [data.draw(config.per_class, generator) for _ in range(test_sets)]


def _variational(config: Config, run: Run, depth: int, s: int) -> float:
    import numpy as np

    from bitket.learning import SPSA
    from bitket.quantum.learning.variational import VariationalClassifier

    data, x, y, tests = _data(config, run, "variational", s, config.test_sets)
    seed = int(run.generator(f"variational {depth} {s}").integers(2**31))
    model = VariationalClassifier(
        data.feature_map,
        depth,
        SPSA(config.iterations),
        shots=config.training_shots,
        predict_shots=config.test_shots,
        random_state=seed,
    ).fit(x, y)
    return float(np.mean([model.score(*test) for test in tests]))


def _kernel_set(config: Config, run: Run, s: int) -> dict[str, float]:
    import numpy as np
    from sklearn.svm import SVC

    from bitket.quantum.learning.kernels import QuantumKernel, QuantumSVC, product_kernel

    data, x, y, tests = _data(config, run, "kernel", s, config.test_sets)
    exact = QuantumSVC(QuantumKernel(data.feature_map), C=1e6).fit(x, y)
    sampled = QuantumSVC(
        QuantumKernel(data.feature_map, shots=config.kernel_shots, generator=run.generator(f"kernel shots {s}")), C=1e6
    ).fit(x, y)
    product = SVC(kernel=product_kernel, C=100).fit(x, y)  # it does not separate: a hard margin has no solution
    return {
        "exact/training": float(exact.score(x, y)),
        "smallest eigenvalue": sampled.smallest_eigenvalue_,
        "exact/test": float(np.mean([exact.score(*t) for t in tests])),
        "sampled/test": float(np.mean([sampled.score(*t) for t in tests])),
        "product/test": float(np.mean([product.score(*t) for t in tests])),
    }


def _shot_study(config: Config, run: Run) -> dict[str, Any]:
    import numpy as np

    from bitket.quantum.learning.kernels import QuantumKernel

    data, x, _, _ = _data(config, run, "shots", 0, 0)
    exact = QuantumKernel(data.feature_map)(x)
    generator = run.generator("shots")
    levels = [100, 300, 1000, 3000, 10_000, 30_000]
    errors = []
    for shots in levels:
        kernel = QuantumKernel(data.feature_map, shots=shots, generator=generator)
        errors.append(np.mean([np.linalg.norm(kernel(x) - exact, 2) for _ in range(config.shot_repetitions)]))
    exponent = float(np.polyfit(np.log(levels), np.log(errors), 1)[0])
    return {"levels": levels, "errors": [float(e) for e in errors], "exponent": exponent}


def _noise_study(config: Config, run: Run) -> dict[str, float]:
    import numpy as np

    from bitket.quantum.circuits import decompose
    from bitket.quantum.learning.kernels import QuantumKernel
    from bitket.quantum.noise import NoiseModel
    from bitket.quantum.variational.mitigation import Richardson

    data, _, _, _ = _data(config, run, "noise", 0, 0)
    circuit = decompose(data.feature_map, ("u", "cx"))  # gates as a machine has them, so that each carries its noise
    x = run.generator("noise").uniform(0, 2 * np.pi, (config.noisy_points, config.qubits))
    noise = NoiseModel.depolarizing(config.two_qubit_error / 10, config.two_qubit_error)
    exact = QuantumKernel(circuit)(x)
    raw = QuantumKernel(circuit, noise=noise)(x)
    mitigated = QuantumKernel(circuit, noise=noise, mitigation=Richardson(), factors=(1.0, 1.5))(x)
    off = ~np.eye(len(x), dtype=bool)
    return {"raw": float(np.abs(raw - exact)[off].mean()), "mitigated": float(np.abs(mitigated - exact)[off].mean())}


def _picture(config: Config, run: Run) -> dict[str, Any]:
    import numpy as np

    from bitket.quantum.learning.kernels import QuantumKernel, QuantumSVC

    data, x, y, _ = _data(config, run, "kernel", 0, 0)
    kernel = QuantumKernel(data.feature_map)
    model = QuantumSVC(kernel, C=1e6).fit(x, y)
    side = np.linspace(0, 2 * np.pi, 60)
    grid = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2) if config.qubits == 2 else x[:0]
    return {
        "kernel": kernel(x),
        "x": x,
        "y": y,
        "grid": model.decision_function(grid).reshape(60, 60) if len(grid) else np.zeros((2, 2)),
    }


def _depth_figure(run: Run, scores: dict[int, list[float]]) -> Any:
    import numpy as np

    figure, axes = run.subplots(width=6, height=3.8)
    for depth, values in scores.items():
        axes.plot([depth] * len(values), values, "o", color="C0", alpha=0.35)
    axes.plot(list(scores), [np.mean(v) for v in scores.values()], "k-o", label="mean")
    axes.set(xlabel="entangling layers l", ylabel="success", ylim=(0.3, 1.03), xticks=list(scores))
    axes.legend(frameon=False)
    return figure


def _kernel_figure(run: Run, picture: dict[str, Any]) -> Any:
    figure, (left, right) = run.subplots(1, 2, width=9, height=4)
    figure.colorbar(left.imshow(picture["kernel"], cmap="viridis", vmin=0, vmax=1), ax=left, label="K")
    left.grid(False)
    right.grid(False)
    left.set(xlabel="sample", ylabel="sample")
    right.imshow(picture["grid"], cmap="RdBu", origin="lower", extent=(0, 6.2832, 0, 6.2832), vmin=-3, vmax=3)
    for label, marker in ((1, "o"), (-1, "s")):
        chosen = picture["x"][picture["y"] == label]
        right.plot(
            chosen[:, 0],
            chosen[:, 1],
            marker,
            color="k",
            markersize=4,
            fillstyle="none" if label < 0 else "full",
            label=f"{label:+d}",
        )
    right.set(xlabel="$x_0$", ylabel="$x_1$")
    right.legend(loc="upper right")
    return figure


def _shots_figure(run: Run, shots: dict[str, Any]) -> Any:
    figure, axes = run.subplots(width=6, height=3.8)
    axes.loglog(shots["levels"], shots["errors"], "o-", label=f"measured, exponent {shots['exponent']:.3f}")
    first = shots["errors"][0] * shots["levels"][0] ** 0.5
    axes.loglog(
        shots["levels"], [first / level**0.5 for level in shots["levels"]], "k--", linewidth=1, label="$R^{-1/2}$"
    )
    axes.set(xlabel="shots an entry", ylabel="error in operator norm")
    axes.legend(frameon=False)
    return figure

"""Zero-noise extrapolation via neural networks: energies of variational ground states under depolarising noise, taken to zero.

States are optimised without noise (and some angles left at random); energies are then measured on a grid of error probabilities, exactly
and from shots, never at zero, and every extrapolator predicts the value at zero.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from bitket.runs import Claim, Paper, Verdict

if TYPE_CHECKING:
    from bitket.runs import Run

PAPER = Paper(
    key="zne-nn",
    title="Enhancing Quantum Variational Algorithms with Zero Noise Extrapolation via Neural Networks",
    authors=("Subhasree Bhattacharjee", "Soumyadip Sarkar", "Kunal Das", "Bikramjit Sarkar"),
    year=2024,
    arxiv="2403.07025",
)
SUMMARY = "A small network extrapolates noisy energies to zero noise; compared with the standard formulas, with and without shots."


@dataclass(frozen=True)
class Config:
    """Settings; the paper leaves most of them open, so the defaults are the library's."""

    qubits: tuple[int, ...] = (2, 3, 4, 5, 6)
    reps: tuple[int, ...] = (1, 2, 3)
    optimised: int = 20
    random_angles: int = 20
    levels: int = 10
    lowest: float = 0.01
    highest: float = 0.10
    two_qubit_factor: float = 1.0
    shots: tuple[int, ...] = (8192, 1024)
    ensemble: int = 10
    network_steps: int = 2000
    learned_training: int = 500
    learned_test: int = 200


SCALES = {
    "quick": Config(
        qubits=(2, 4),
        reps=(2,),
        optimised=4,
        random_angles=2,
        shots=(1024,),
        network_steps=1000,
        learned_training=200,
        learned_test=100,
    ),
    "full": Config(),
}


def _exact_energy(m: Mapping[str, float], config: Config) -> Verdict:
    worst = m["vqe_worst_energy"]
    return Verdict.of(
        worst,
        -1 - 1e-9 <= worst <= -1 + 1e-6,
        f"the highest of all optimised energies; exact is -1, {m['vqe_runs']:.0f} runs",
    )


def _network_near(m: Mapping[str, float], config: Config) -> Verdict:
    error, raw = m["exact/wide/optimised/Neural"], m["exact/wide/optimised/raw"]
    return Verdict.of(
        error,
        error <= raw / 3,
        f"median error at zero noise; at the lowest noise it is {raw:.3g} without mitigation",
    )


def _network_best(m: Mapping[str, float], config: Config) -> Verdict:
    rivals = {k: m[f"exact/wide/optimised/{k}"] for k in ("Linear", "Polynomial", "Richardson", "Exponential")}
    best = min(rivals, key=lambda k: rivals[k])
    error = m["exact/wide/optimised/Neural"]
    return Verdict.of(
        error, error < rivals[best], f"the best formula here is {best} with a median error of {rivals[best]:.3g}"
    )


def _network_shots(m: Mapping[str, float], config: Config) -> Verdict:
    error, rival = m["shots1024/wide/optimised/Neural"], m["shots1024/wide/optimised/Richardson"]
    others = ", ".join(f"{k} {m[f'shots1024/wide/optimised/{k}']:.3g}" for k in ("Linear", "Exponential"))
    return Verdict.of(
        error,
        error <= rival,
        f"median error from 1024 shots a level; Richardson through all levels has {rival:.3g}, {others}",
    )


def _learned(m: Mapping[str, float], config: Config) -> Verdict:
    if m["learned/circuits"] < 100:
        return Verdict.untested(f"{m['learned/circuits']:.0f} training circuits; at least 100 are needed")
    error, raw = m["learned/mitigated"], m["learned/raw"]
    return Verdict.of(
        error,
        error <= 0.5 * raw,
        f"mean error on unseen circuits; {raw:.3g} without mitigation, {m['learned/exponential']:.3g} by an exponential",
    )


CLAIMS = (
    Claim("exact_energy", "The optimiser finds the ground state of Z on all qubits.", "-1", _exact_energy),
    Claim(
        "network_near_exact",
        "The network's value at zero noise is close to the noise-free one.",
        "close; no number given",
        _network_near,
    ),
    Claim(
        "network_beats_formulas",
        "The network extrapolates better than the fixed formulas (exact energies).",
        "implied",
        _network_best,
    ),
    Claim(
        "network_under_shots",
        "With shot noise the network is no worse than Richardson through all levels.",
        "implied",
        _network_shots,
    ),
    Claim(
        "learned_generalises",
        "Mitigation learned on some circuits halves the error on others.",
        "not in the paper",
        _learned,
    ),
)


def run(config: Config, run: Run) -> Mapping[str, float]:
    """Measure, extrapolate, compare."""
    import numpy as np

    metrics: dict[str, float] = {}
    cases = [(n, r, kind) for n in config.qubits for r in config.reps for kind in ("optimised", "random")]
    rows: list[dict[str, Any]] = []
    for n, reps, kind in run.progress(cases, "circuits"):
        name = f"{n} qubits, {reps} repetitions, {kind}"
        case = run.step(name, partial(_case, config, run, name, n, reps, kind))
        rows += [{"qubits": n, "reps": reps, "angles": kind, **row} for row in case["rows"]]
        for energy in case["energies"]:
            run.log(qubits=n, reps=reps, angles=kind, energy=energy)
        if kind == "optimised":
            metrics["vqe_worst_energy"] = max(metrics.get("vqe_worst_energy", -np.inf), *case["energies"])
            metrics["vqe_runs"] = metrics.get("vqe_runs", 0.0) + len(case["energies"])
        if kind == "optimised" and n == max(q for q in config.qubits if q <= 4):
            curve = case["curve"]
    groups: dict[str, list[float]] = {}
    for row in rows:
        groups.setdefault(f"{row['data']}/{row['range']}/{row['angles']}/{row['method']}", []).append(row["error"])
    metrics |= {key: float(np.median(values)) for key, values in groups.items()}
    metrics |= run.step("learned mitigation", lambda: _learned_mode(config, run))
    methods = ["raw", "Linear", "Polynomial", "Richardson", "Exponential", "Neural"]
    table = []
    for data in ["exact", *(f"shots{s}" for s in config.shots)]:
        for span in ("wide", "narrow"):
            for kind in ("optimised", "random"):
                table.append(
                    {"data": data, "range": span, "angles": kind}
                    | {m: metrics[f"{data}/{span}/{kind}/{m}"] for m in methods}
                )
    run.table("errors", table, "Median error at zero noise")
    run.note(
        "Depolarising convention: rho -> (1 - p) rho + p 1/d after each gate, the same p on one- and two-qubit gates "
        f"times {config.two_qubit_factor:g} on the latter. No extrapolator sees p = 0."
    )
    run.note(f"'wide' uses p up to {config.highest:g}, 'narrow' the lower half; 'raw' is the error at the lowest p.")
    run.figure(
        "extrapolation",
        _curve_figure(curve),
        "Energies of one optimised circuit over the error probability, and what is extrapolated from them.",
    )
    run.figure("errors", _error_figure(table, methods), "Median error at zero noise, wide range; lower is better.")
    return metrics


def _case(config: Config, run: Run, name: str, n: int, reps: int, kind: str) -> dict[str, Any]:
    """All extrapolations of one circuit size: rows of errors, noiseless energies, and one curve for the figure."""
    import numpy as np
    import torch

    from bitket.algebra import PauliSum
    from bitket.quantum.circuits.ansatz import ry_rz_ansatz
    from bitket.quantum.noise import NoiseModel
    from bitket.quantum.simulation import expectation, expectation_with_error
    from bitket.quantum.variational.mitigation import Exponential, Linear, Neural, Polynomial, Richardson
    from bitket.quantum.variational.vqe import VQE

    operator, ansatz = PauliSum.from_list([("Z" * n, 1.0)]), ry_rz_ansatz(n, reps)
    generator = run.generator(name)
    if kind == "optimised":
        solver = VQE(operator, ansatz)
        weights = np.stack([solver.run(generator=generator).x for _ in range(config.optimised)])
    else:
        weights = generator.uniform(-np.pi, np.pi, (config.random_angles, len(ansatz.weights)))
    exact = expectation(ansatz, operator, weights).numpy()
    grid = np.linspace(config.lowest, config.highest, config.levels)
    models = [NoiseModel.depolarizing(p, min(1.0, p * config.two_qubit_factor)) for p in grid]
    data: dict[str, tuple[Any, Any]] = {
        "exact": (np.stack([expectation(ansatz, operator, weights, noise=m).detach().numpy() for m in models]), None)
    }
    for shots in config.shots:
        drawn = [
            expectation_with_error(
                ansatz, operator, weights, noise=m, shots=shots, generator=run.torch_generator(f"{name}, {shots}, {k}")
            )
            for k, m in enumerate(models)
        ]
        values, errors = (torch.stack(part).numpy() for part in zip(*drawn, strict=True))
        data[f"shots{shots}"] = (values, np.maximum(errors, 1 / shots))  # all shots alike do not make an error of zero
    rows, curve = [], {}
    for label, (values, errors) in data.items():
        for span, used in (("wide", slice(None)), ("narrow", slice(0, max(3, config.levels // 2)))):
            for k in range(len(weights)):
                methods = {
                    "Linear": Linear(),
                    "Polynomial": Polynomial(2),
                    "Richardson": Richardson(),
                    "Exponential": Exponential(0.0),
                    "Neural": Neural(ensemble=config.ensemble, steps=config.network_steps, seed=k),
                }
                rows.append(
                    {"data": label, "range": span, "method": "raw", "error": float(abs(values[0, k] - exact[k]))}
                )
                for method, extrapolator in methods.items():
                    fit = extrapolator.fit(grid[used], values[used, k], None if errors is None else errors[used, k])
                    rows.append(
                        {
                            "data": label,
                            "range": span,
                            "method": method,
                            "error": float(abs(fit.predict(0.0).value - exact[k])),
                        }
                    )
                    if (label, span, k) == ("exact", "wide", 0):
                        curve[method] = fit.curve(np.linspace(0, config.highest, 60))
    curve |= {
        "x": np.linspace(0, config.highest, 60),
        "grid": grid,
        "values": data["exact"][0][:, 0],
        "exact": float(exact[0]),
    }
    return {"rows": rows, "energies": exact.tolist(), "curve": curve}


def _learned_mode(config: Config, run: Run) -> dict[str, float]:
    """A network trained on random circuits and applied to others."""
    import numpy as np

    from bitket.algebra import PauliSum
    from bitket.quantum.circuits.ansatz import ry_rz_ansatz
    from bitket.quantum.noise import NoiseModel
    from bitket.quantum.simulation import expectation
    from bitket.quantum.variational.mitigation import Exponential, ExtrapolationError, LearnedMitigation

    generator = run.generator("learned")
    n, factors = 4, (1, 2, 3)
    operator = PauliSum.from_list([("Z" * n, 1.0)])
    features, ideal = [], []
    for reps in (1, 2, 3):
        ansatz = ry_rz_ansatz(n, reps)
        count = -(-(config.learned_training + config.learned_test) // 3)
        weights = generator.uniform(-np.pi, np.pi, (count, len(ansatz.weights)))
        rates = generator.uniform(0.005, 0.03, 4)
        exact = expectation(ansatz, operator, weights).numpy()
        for part, p in zip(np.array_split(np.arange(count), 4), rates, strict=True):
            noisy = [
                expectation(ansatz, operator, weights[part], noise=NoiseModel.depolarizing(f * p)).detach().numpy()
                for f in factors
            ]
            gates = ansatz.count_ops()
            fixed = np.tile([p, gates["ry"] + gates["rz"], gates["cx"]], (len(part), 1))
            features.append(np.column_stack([*noisy, fixed]))
            ideal.append(exact[part])
    x, y = np.concatenate(features), np.concatenate(ideal)
    order = generator.permutation(len(x))
    train, test = (
        order[: config.learned_training],
        order[config.learned_training : config.learned_training + config.learned_test],
    )
    mitigated, _ = LearnedMitigation(reference=0, steps=config.network_steps).fit(x[train], y[train]).predict(x[test])
    formula = []
    for k in test:
        try:
            formula.append(Exponential(0.0).fit(factors, x[k, :3]).predict(0.0).value)
        except ExtrapolationError:
            formula.append(x[k, 0])
    return {
        "learned/circuits": float(len(train)),
        "learned/mitigated": float(np.mean(np.abs(mitigated - y[test]))),
        "learned/raw": float(np.mean(np.abs(x[test, 0] - y[test]))),
        "learned/exponential": float(np.mean(np.abs(np.array(formula) - y[test]))),
    }


def _curve_figure(curve: dict[str, Any]) -> Any:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.2), layout="constrained")
    axes = figure.add_subplot()
    axes.axhline(curve["exact"], color="0.5", linewidth=1, linestyle="--", label="exact")
    for k, method in enumerate(("Linear", "Polynomial", "Exponential", "Neural")):
        axes.plot(curve["x"], curve[method], color=f"C{k}", linewidth=1.6, label=method)
    axes.plot(curve["grid"], curve["values"], "ko", markersize=4.5, label="measured")
    axes.set(xlabel="error probability p", ylabel="energy", xlim=(0, None))
    axes.legend(frameon=False)
    return figure


def _error_figure(table: list[dict[str, Any]], methods: list[str]) -> Any:
    import numpy as np
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.5, 4), layout="constrained")
    axes = figure.add_subplot()
    rows = [r for r in table if r["range"] == "wide" and r["angles"] == "optimised"]
    place = np.arange(len(methods))
    for k, row in enumerate(rows):
        axes.bar(
            place + 0.8 * (k - (len(rows) - 1) / 2) / len(rows),
            [row[m] for m in methods],
            0.8 / len(rows),
            label=row["data"],
        )
    axes.set_xticks(place, methods)
    axes.set(ylabel="median error at zero noise", yscale="log")
    axes.legend(frameon=False)
    return figure

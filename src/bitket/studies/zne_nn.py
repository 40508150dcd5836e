"""Zero-noise extrapolation via neural networks: energies of variational ground states under depolarising noise, taken to zero.

States are optimised without noise (and some angles left at random); energies are then measured on a grid of error probabilities, exactly
and from shots, never at zero, and every extrapolator predicts the value at zero. Beside the paper's operator, Z on all qubits, stand two
harder ones (an Ising chain in a transverse field, the hydrogen molecule), and a calibrated device whose noise is stretched by folding.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal

from annotated_types import Ge, Gt, Le, Lt

from bitket.errors import InvalidInput
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

    qubits: tuple[Annotated[int, Ge(2)], ...] = (2, 3, 4, 5, 6)
    reps: tuple[Annotated[int, Ge(1)], ...] = (1, 2, 3)
    harder: tuple[Literal["ising", "hydrogen"], ...] = ("ising", "hydrogen")
    """Problems beside Z on all qubits: an Ising chain of 4, the hydrogen molecule on 2."""
    optimised: Annotated[int, Ge(1)] = 20
    random_angles: Annotated[int, Ge(1)] = 20
    levels: Annotated[int, Ge(4)] = 10
    lowest: Annotated[float, Gt(0), Lt(1)] = 0.01
    highest: Annotated[float, Gt(0), Le(1)] = 0.10
    two_qubit_factor: Annotated[float, Ge(0)] = 1.0
    """Error probability after a CNOT over that after a one-qubit gate."""
    shots: tuple[Annotated[int, Ge(1)], ...] = (8192, 1024)
    ensemble: Annotated[int, Ge(1)] = 10
    network_steps: Annotated[int, Ge(1)] = 2000
    device: str = "manila"
    device_shots: Annotated[int, Ge(1)] = 8192
    noisy_optima: Annotated[int, Ge(1)] = 5
    learned_training: Annotated[int, Ge(2)] = 500
    learned_test: Annotated[int, Ge(1)] = 200

    def __post_init__(self) -> None:
        if not self.lowest < self.highest:
            raise InvalidInput(f"settings lowest={self.lowest}, highest={self.highest}: lowest must be below highest")


SCALES = {
    "quick": Config(
        qubits=(2, 4),
        reps=(2,),
        optimised=4,
        random_angles=2,
        shots=(1024,),
        network_steps=600,
        noisy_optima=1,
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


def _device(m: Mapping[str, float], config: Config) -> Verdict:
    error, raw = m["device/Neural"], m["device/raw"]
    others = ", ".join(f"{k} {m[f'device/{k}']:.3g}" for k in ("Linear", "Richardson", "Exponential"))
    return Verdict.of(
        error,
        error < raw,
        f"median error on the calibration of {config.device}, a simulation of a device; {raw:.3g} without mitigation, {others}",
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
        "network_on_device",
        "On hardware the network brings the measured energy nearer to the exact one.",
        "closer; no number given",
        _device,
    ),
    Claim(
        "learned_generalises",
        "Mitigation learned on some circuits halves the error on others.",
        "not in the paper",
        _learned,
    ),
)


METHODS = ("raw", "Linear", "Polynomial", "Richardson", "Exponential", "Neural")


def run(config: Config, run: Run) -> Mapping[str, float]:
    """Measure, extrapolate, compare."""

    metrics: dict[str, float] = {}
    cases = [("z", n, r, kind) for n in config.qubits for r in config.reps for kind in ("optimised", "random")]
    cases += [(problem, *_HARDER[problem], "optimised") for problem in config.harder]
    measured: list[dict[str, Any]] = []
    for problem, n, reps, kind in run.progress(cases, "circuits"):
        name = f"{problem}, {n} qubits, {reps} repetitions, {kind}"
        found = run.step(name, partial(_measured, config, run, name, problem, n, reps, kind))
        measured += [
            {"problem": problem, "qubits": n, "angles": kind if problem == "z" else problem, **m} for m in found
        ]
        for m in found:
            if m["data"] == "exact":
                run.log(problem=problem, qubits=n, reps=reps, angles=kind, energy=m["exact"])
    optimised = [m["exact"] for m in measured if (m["data"], m["angles"]) == ("exact", "optimised")]
    metrics |= {
        "vqe_worst_energy": max(optimised),
        "vqe_lowest_energy": min(optimised),
        "vqe_runs": float(len(optimised)),
    }
    fits = _fits(config, run, measured)
    rows = [_row(m, fit, method, span) for (k, method, span), fit in fits.items() for m in [measured[k]]]
    table, errors = _summary(rows, run)
    metrics |= errors
    run.table("errors", table, "Error at zero noise: median over circuits, and its 95 % interval (bootstrap)")
    metrics |= run.step("under noise", lambda: _noisy_optima(config, run))
    metrics |= run.step("device", lambda: _on_device(config, run))
    run.table(
        "device",
        [{"method": m, "median error": metrics[f"device/{m}"]} for m in METHODS if f"device/{m}" in metrics],
        f"Optimised states on the calibrated device {config.device}, compiled, folded by 1, 2, 3, {config.device_shots} shots each",
    )
    metrics |= run.step("learned mitigation", lambda: _learned_mode(config, run))
    run.note(
        "Depolarising convention: rho -> (1 - p) rho + p 1/d after each gate, the same p on one- and two-qubit gates "
        f"times {config.two_qubit_factor:g} on the latter. No extrapolator sees p = 0."
    )
    run.note(f"'wide' uses p up to {config.highest:g}, 'narrow' the lower half; 'raw' is the error at the lowest p.")
    run.note(
        "The network's own interval (1.96 times the spread of its ensemble) holds the exact value for "
        f"{100 * metrics['coverage/exact/wide/optimised']:.0f} % of the optimised circuits on exact data: the spread is no error bar."
    )
    run.note(
        f"Optimised under noise instead of without it, the energy at p = {config.highest:g} is lower by "
        f"{metrics['noisy_optimum_gain']:.2g} (largest of {config.noisy_optima})."
    )
    run.figure(
        "extrapolation",
        _curve_figure(config, run, measured, fits),
        "Energies of one optimised circuit over the error probability, and what is extrapolated from them.",
    )
    run.figure(
        "errors",
        _error_figure(run, rows),
        "Median error at zero noise, wide range, optimised circuits; lower is better.",
    )
    return metrics


_HARDER = {"ising": (4, 2), "hydrogen": (2, 1)}
"""Qubits and repetitions of the harder problems."""


def _operator(problem: str, n: int) -> Any:
    from bitket.algebra import PauliSum
    from bitket.quantum.operators import molecular_hamiltonian, transverse_field_ising

    if problem == "ising":
        import networkx

        return transverse_field_ising(networkx.path_graph(n))
    if problem == "hydrogen":
        return molecular_hamiltonian("H2", "parity", two_qubit_reduction=True).hamiltonian
    return PauliSum.from_list([("Z" * n, 1.0)])


def _measured(config: Config, run: Run, name: str, problem: str, n: int, reps: int, kind: str) -> list[dict[str, Any]]:
    """For each circuit and kind of data: the exact energy, the measured ones over the grid, and their standard errors."""
    import numpy as np
    import torch

    from bitket.quantum.circuits.ansatz import ry_rz_ansatz
    from bitket.quantum.noise import NoiseModel
    from bitket.quantum.simulation import expectation, expectation_with_error
    from bitket.quantum.variational.vqe import VQE

    operator, ansatz = _operator(problem, n), ry_rz_ansatz(n, reps)
    generator = run.generator(name)
    if kind == "optimised":
        solver = VQE(operator, ansatz)
        weights = np.stack([solver.run(generator=generator).x for _ in range(config.optimised)])
    else:
        weights = generator.uniform(-np.pi, np.pi, (config.random_angles, len(ansatz.weights)))
    exact = expectation(ansatz, operator, weights).numpy()
    models = [NoiseModel.depolarizing(p, min(1.0, p * config.two_qubit_factor)) for p in _grid(config)]
    noisy = np.stack([expectation(ansatz, operator, weights, noise=m).detach().numpy() for m in models], 1)
    data = {"exact": (noisy, np.ones_like(noisy))}  # all levels weigh the same
    for shots in config.shots:
        drawn = [
            expectation_with_error(
                ansatz, operator, weights, noise=m, shots=shots, generator=run.torch_generator(f"{name}, {shots}, {k}")
            )
            for k, m in enumerate(models)
        ]
        values, errors = (torch.stack(part, 1).numpy() for part in zip(*drawn, strict=True))
        data[f"shots{shots}"] = (values, np.maximum(errors, 1 / shots))  # all shots alike do not make an error of zero
    return [
        {"data": label, "exact": float(exact[k]), "values": values[k].tolist(), "errors": errors[k].tolist()}
        for label, (values, errors) in data.items()
        for k in range(len(weights))
    ]


def _grid(config: Config) -> Any:
    import numpy as np

    return np.linspace(config.lowest, config.highest, config.levels)


def _spans(config: Config) -> dict[str, slice]:
    return {"wide": slice(None), "narrow": slice(0, max(3, config.levels // 2))}


_CURVES_A_STEP = 320


def _fits(config: Config, run: Run, measured: list[dict[str, Any]]) -> dict[tuple[int, str, str], dict[str, Any]]:
    """Value, standard error and curve at zero noise of every measured curve, by every method, from both ranges."""
    import numpy as np

    from bitket.quantum.variational.mitigation import Exponential, Linear, Neural, Polynomial, Richardson

    out: dict[tuple[int, str, str], dict[str, Any]] = {}
    for span, used in _spans(config).items():
        x = _grid(config)[used]
        y, sigma = (np.array([m[key] for m in measured])[:, used] for key in ("values", "errors"))
        for method, extrapolator in {
            "Linear": Linear(),
            "Polynomial": Polynomial(2),
            "Richardson": Richardson(),
        }.items():
            out |= {(k, method, span): v for k, v in enumerate(_values(config, extrapolator, x, y, sigma))}
        traceless = np.array([m["problem"] != "hydrogen" for m in measured])  # only these decay to zero
        for chosen, asymptote in ((traceless, 0.0), (~traceless, None)):
            places = np.flatnonzero(chosen).tolist()
            found = _values(config, Exponential(asymptote), x, y[chosen], sigma[chosen])
            out |= {(k, "Exponential", span): v for k, v in zip(places, found, strict=True)}
        starts = range(0, len(y), _CURVES_A_STEP)
        for start in run.progress(list(starts), f"networks, {span} range"):
            part = slice(start, start + _CURVES_A_STEP)
            seed = int(run.generator(f"networks, {span}, {start}").integers(2**31))
            network = Neural(ensemble=config.ensemble, steps=config.network_steps, seed=seed)
            found = run.step(f"networks, {span}, {start}", partial(_values, config, network, x, y[part], sigma[part]))
            out |= {(start + k, "Neural", span): v for k, v in enumerate(found)}
        out |= {(k, "raw", span): {"value": m["values"][0]} for k, m in enumerate(measured)}
    return out


def _values(config: Config, extrapolator: Any, x: Any, y: Any, sigma: Any) -> list[dict[str, Any]]:
    """What an extrapolator makes of each curve; where its model has no fit, the value at the lowest noise stays."""
    import numpy as np

    from bitket.quantum.variational.mitigation import ExtrapolationError, Neural

    many = extrapolator.fit_many(x, y, sigma) if isinstance(extrapolator, Neural) else [None] * len(y)
    out = []
    for fit, values, errors in zip(many, y, sigma, strict=True):
        try:
            made = fit or extrapolator.fit(x, values, errors)
        except ExtrapolationError:
            out.append({"value": float(values[0])})
            continue
        zero = made.predict(0.0)
        curve = made.curve(np.linspace(0, config.highest, _POINTS)).tolist()
        out.append({"value": zero.value, "standard_error": zero.standard_error, "curve": curve})
    return out


_POINTS = 60


def _row(m: Mapping[str, Any], fit: Mapping[str, Any], method: str, span: str) -> dict[str, Any]:
    error = abs(fit["value"] - m["exact"])
    row = {"data": m["data"], "range": span, "angles": m["angles"], "method": method, "error": error}
    return row | ({"covered": error <= 1.96 * fit["standard_error"]} if method == "Neural" else {})


def _summary(rows: list[dict[str, Any]], run: Run) -> tuple[list[dict[str, Any]], dict[str, float]]:
    """The table of errors, and its numbers as metrics."""
    import numpy as np

    groups: dict[tuple[str, ...], list[float]] = {}
    covered: dict[str, list[bool]] = {}
    for row in rows:
        groups.setdefault((row["data"], row["range"], row["angles"], row["method"]), []).append(row["error"])
        if "covered" in row:
            covered.setdefault(f"coverage/{row['data']}/{row['range']}/{row['angles']}", []).append(row["covered"])
    metrics = {key: float(np.mean(values)) for key, values in covered.items()}
    generator = run.generator("bootstrap")
    table: dict[tuple[str, ...], dict[str, Any]] = {}
    for (data, span, kind, method), values in groups.items():
        errors = np.array(values)
        middles = np.median(errors[generator.integers(0, len(errors), (1000, len(errors)))], axis=1)
        low, middle, high = np.quantile(middles, 0.025), np.median(errors), np.quantile(middles, 0.975)
        metrics |= {f"{data}/{span}/{kind}/{method}": float(middle)}
        row = table.setdefault((data, span, kind), {"data": data, "range": span, "circuits": kind})
        row[method] = f"{middle:.2g} ({low:.2g} to {high:.2g})"
    return list(table.values()), metrics


def _noisy_optima(config: Config, run: Run) -> dict[str, float]:
    """Energies optimised under noise, beside those optimised without it and then measured under it."""
    from bitket.quantum.circuits.ansatz import ry_rz_ansatz
    from bitket.quantum.noise import NoiseModel
    from bitket.quantum.simulation import expectation
    from bitket.quantum.variational.vqe import VQE

    operator, ansatz, generator = _operator("ising", 4), ry_rz_ansatz(4, 2), run.generator("under noise")
    noise = NoiseModel.depolarizing(config.highest, min(1.0, config.highest * config.two_qubit_factor))
    gains = []
    for _ in range(config.noisy_optima):
        clean = VQE(operator, ansatz).run(generator=generator)
        before = float(expectation(ansatz, operator, clean.x, noise=noise))
        gains.append(before - VQE(operator, ansatz, noise=noise).run(clean.x, generator=generator).fun)
    return {"noisy_optimum_gain": float(max(gains))}


def _on_device(config: Config, run: Run) -> dict[str, float]:
    """Optimised states compiled for a calibrated device, folded, measured with its readout errors, extrapolated."""
    import numpy as np

    from bitket.algebra import PauliSum
    from bitket.quantum.circuits import decompose
    from bitket.quantum.circuits.ansatz import ry_rz_ansatz
    from bitket.quantum.noise import Device
    from bitket.quantum.simulation import expectation_with_error
    from bitket.quantum.variational.mitigation import Exponential, Linear, Neural, Polynomial, Richardson, fold
    from bitket.quantum.variational.vqe import VQE

    n, factors = 4, (1.0, 2.0, 3.0)
    device, generator = Device(config.device), run.generator("device")
    noise, shots = device.noise_model(), run.torch_generator("device")
    solver = VQE(_operator("z", n), ry_rz_ansatz(n, 2))
    values, sigmas = [], []
    for _ in range(config.optimised):
        circuit, places = device.compile(solver.ansatz.bind(solver.run(generator=generator).x.tolist()))
        operator = PauliSum.from_sparse([("Z" * n, places, 1.0)], device.num_qubits)
        measured = [
            expectation_with_error(folded, operator, noise=noise, shots=config.device_shots, generator=shots)
            for folded in (decompose(fold(circuit, f), device.calibration.native) for f in factors)
        ]
        values.append([float(v) for v, _ in measured])
        sigmas.append([max(float(e), 1 / config.device_shots) for _, e in measured])
    y, sigma = np.array(values), np.array(sigmas)
    found = {"device/raw": float(np.median(np.abs(y[:, 0] + 1)))}
    for extrapolator in (
        Linear(),
        Polynomial(2),
        Richardson(),
        Exponential(0.0),
        Neural(ensemble=config.ensemble, steps=config.network_steps),
    ):
        errors = [abs(v["value"] + 1) for v in _values(config, extrapolator, factors, y, sigma)]
        found[f"device/{type(extrapolator).__name__}"] = float(np.median(errors))
    return found


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


def _curve_figure(
    config: Config, run: Run, measured: list[dict[str, Any]], fits: Mapping[tuple[int, str, str], Any]
) -> Any:
    import numpy as np

    chosen = max(
        (k for k, m in enumerate(measured) if (m["data"], m["angles"]) == ("exact", "optimised")),
        key=lambda k: (measured[k]["qubits"] <= 4, measured[k]["qubits"]),
    )
    figure, axes = run.subplots(width=7, height=4.2)
    axes.axhline(measured[chosen]["exact"], color="0.5", linewidth=1, linestyle="--", label="exact")
    for k, method in enumerate(("Linear", "Polynomial", "Exponential", "Neural")):
        curve = fits[chosen, method, "wide"].get("curve")
        if curve:
            axes.plot(np.linspace(0, config.highest, _POINTS), curve, color=f"C{k}", linewidth=1.6, label=method)
    axes.plot(_grid(config), measured[chosen]["values"], "ko", markersize=4.5, label="measured")
    axes.set(xlabel="error probability p", ylabel="energy", xlim=(0, None))
    axes.legend(frameon=False)
    return figure


def _error_figure(run: Run, rows: list[dict[str, Any]]) -> Any:
    import numpy as np

    figure, axes = run.subplots(width=7.5, height=4)
    chosen = [r for r in rows if r["range"] == "wide" and r["angles"] == "optimised"]
    labels = list(dict.fromkeys(r["data"] for r in chosen))
    place = np.arange(len(METHODS))
    for k, label in enumerate(labels):
        middles = [np.median([r["error"] for r in chosen if (r["data"], r["method"]) == (label, m)]) for m in METHODS]
        name = label.replace("shots", "") + " shots" if label.startswith("shots") else label
        axes.bar(place + 0.8 * (k - (len(labels) - 1) / 2) / len(labels), middles, 0.8 / len(labels), label=name)
    axes.set_xticks(place, METHODS)
    axes.set(ylabel="median error at zero noise", yscale="log")
    axes.legend(frameon=False)
    return figure

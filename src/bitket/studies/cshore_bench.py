"""Randomised measurement of molecular energies: how many shots, and how much classical time, each way of choosing bases takes.

Every method proposes bases for the same Hamiltonians; energies are estimated from simulated shots many times over. The error of the
weighted estimate gives the shots to chemical accuracy; for independent bases the variance of a single shot is also known exactly.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal

from annotated_types import Ge, Le

from bitket.runs import Claim, Paper, Verdict

if TYPE_CHECKING:
    from bitket.algebra import PauliSum
    from bitket.quantum.measurement import MeasurementPlan
    from bitket.runs import Run

PAPER = Paper(
    key="cshore-bench",
    title="Practical Benchmarking of Randomized Measurement Methods for Quantum Chemistry Hamiltonians",
    authors=(
        "Arkopal Dutt",
        "William Kirby",
        "Rudy Raymond",
        "Charles Hadfield",
        "Sarah Sheldon",
        "Isaac L. Chuang",
        "Antonio Mezzacapo",
    ),
    year=2023,
    arxiv="2312.07497",
)
SUMMARY = "Shadows, locally biased, adaptive, derandomised and decision-diagram measurement of molecules, by shots and by classical time."

MOLECULES: dict[str, tuple[str, str]] = {
    "H2": ("H 0 0 0; H 0 0 0.735", "sto-3g"),
    "H2 6-31G": ("H 0 0 0; H 0 0 0.7462", "6-31g"),
    "LiH": ("Li 0 0 0; H 0 0 1.548", "sto-3g"),
    "BeH2": ("Be 0 0 0; H 0 0 1.3038; H 0 0 -1.3038", "sto-3g"),
    "H2O": ("O 0 0 0; H 0.7689829 0 0.6830260; H -0.7689829 0 0.6830260", "sto-3g"),
}
"""Geometry in ångström and basis set; of 4, 8, 12, 14 and 14 qubits. Their energies are those of the published Hamiltonians."""
METHODS = (
    "shadows",
    "biased",
    "adaptive",
    "diagram",
    "derandomised",
    "derandomised-biased",
    "derandomised-diagram",
    "groups",
)
INDEPENDENT = ("shadows", "biased", "diagram")
CHEMICAL_ACCURACY = 1.6e-3
DERANDOMISED_ERRORS = {
    "H2 6-31G": (0.06, 0.03, 0.06),
    "LiH": (0.03, 0.03, 0.04),
    "BeH2": (0.06, 0.09, 0.06),
    "H2O": (0.12, 0.22, 0.20),
}
"""Errors (hartree) from 1000 shots that the authors of derandomisation published, for `MAPPINGS` in their order."""
MAPPINGS: tuple[Literal["jordan_wigner", "parity", "bravyi_kitaev"], ...] = ("jordan_wigner", "parity", "bravyi_kitaev")


@dataclass(frozen=True)
class Config:
    """Settings; the paper does not give its numbers of repetitions and of layers."""

    molecules: tuple[Literal["H2", "H2 6-31G", "LiH", "BeH2", "H2O"], ...] = ("H2", "H2 6-31G", "LiH", "BeH2", "H2O")
    mappings: tuple[Literal["jordan_wigner", "parity", "bravyi_kitaev"], ...] = MAPPINGS
    shots: Annotated[int, Ge(10)] = 1000
    repetitions: Annotated[int, Ge(4)] = 50
    layers: Annotated[int, Ge(1)] = 3
    """Repetitions of the random ansatz states."""
    ansatz_states: Annotated[int, Ge(1)] = 2
    noisy: tuple[Literal["H2", "H2 6-31G"], ...] = ("H2", "H2 6-31G")
    """Molecules that are measured under noise, too."""
    noisy_repetitions: Annotated[int, Ge(4)] = 400
    readout_error: Annotated[float, Ge(0), Le(0.5)] = 0.02
    gate_error: Annotated[float, Ge(0), Le(1)] = 0.005


SCALES = {
    "quick": Config(
        molecules=("H2", "H2 6-31G"), repetitions=20, ansatz_states=1, noisy=("H2",), noisy_repetitions=100
    ),
    "full": Config(),
}


# -- claims -------------------------------------------------------------------------------------------------------------
def _saving(rival: str, least: float, m: Mapping[str, float], config: Config) -> Verdict:
    value, low, high = (m[f"saving/{rival}{end}"] for end in ("", "/low", "/high"))
    noisy, noisy_low, noisy_high = (m[f"noisy saving/{rival}{end}"] for end in ("", "/low", "/high"))
    return Verdict.of(
        value,
        low >= least,
        f"shots saved by the diagram over all cases, exact one-shot variances (95 % interval {low:.2f} to {high:.2f}); from noisy shots "
        f"of small molecules {noisy:.2f} ({noisy_low:.2f} to {noisy_high:.2f})",
    )


def _derandomised(m: Mapping[str, float], config: Config) -> Verdict:
    shots, time = m["cases/diagram needs fewer shots than derandomised"], m["cases/diagram is faster than derandomised"]
    return Verdict.of(
        shots,
        shots == time == 1.0,
        f"part of the cases where the diagram needs fewer shots; it takes less classical time in {time:.2f} of them",
    )


def _best(m: Mapping[str, float], config: Config) -> Verdict:
    ranks = {k: m[f"rank/{k}"] for k in METHODS}
    order = sorted(ranks, key=lambda k: ranks[k])
    first = [k for k in order if not k.startswith("derandomised-")][:2]  # the paper's plain methods
    return Verdict.of(
        ranks["diagram"],
        set(first) == {"diagram", "derandomised"},
        "mean rank by error; " + ", ".join(f"{k} {ranks[k]:.1f}" for k in order),
    )


def _ranking(m: Mapping[str, float], config: Config) -> Verdict:
    value = m["ranking correlation"]
    return Verdict.of(
        value,
        value >= 0.7,
        "mean Spearman correlation of the methods' errors on random ansatz states with those on ground states",
    )


def _published(m: Mapping[str, float], config: Config) -> Verdict:
    ratios = {k.removeprefix("published ratio/"): v for k, v in m.items() if k.startswith("published ratio/")}
    if not ratios or config.shots != 1000:
        return Verdict.untested("errors are published for 1000 shots of larger molecules")
    listed = ", ".join(f"{k} {v:.2f}" for k, v in ratios.items())
    worst = max(ratios.values(), key=lambda v: max(v, 1 / v))
    return Verdict.of(worst, 0.5 <= worst <= 2, f"our error over the published one, furthest from 1; {listed}")


CLAIMS = (
    Claim(
        "fewer_than_shadows",
        "Decision diagrams need at least 80 % fewer shots than classical shadows.",
        "> 0.80",
        partial(_saving, "shadows", 0.8),
    ),
    Claim(
        "fewer_than_biased",
        "Decision diagrams need about 57 % fewer shots than locally biased shadows.",
        0.57,
        partial(_saving, "biased", 0.5),
    ),
    Claim(
        "beats_derandomised",
        "Decision diagrams always need fewer shots and less classical time than derandomisation.",
        "always",
        _derandomised,
        "of the cases",
    ),
    Claim("best_two", "Decision diagrams and derandomisation are the best two overall.", "best two", _best),
    Claim(
        "random_states_suffice",
        "Random ansatz states of fixed depth rank the methods as ground states do.",
        "ranking is stable",
        _ranking,
    ),
    Claim(
        "derandomised_errors",
        "Derandomisation reaches its published errors from 1000 shots.",
        "0.03 to 0.22 hartree",
        _published,
        "x the published error",
    ),
)


# -- run ----------------------------------------------------------------------------------------------------------------
def run(config: Config, run: Run) -> Mapping[str, float]:
    """Propose, measure, compare."""
    rows: list[dict[str, Any]] = []
    cases = [(molecule, mapping) for molecule in config.molecules for mapping in config.mappings]
    for molecule, mapping in run.progress(cases, "molecules"):
        found = run.step(f"{molecule}, {mapping}", partial(_case, config, run, molecule, mapping))
        rows += found
        for row in found:
            if row["state"] == "ground":
                run.log(**{k: v for k, v in row.items() if k != "state"})
    noisy = run.step("noise", lambda: _noisy(config, run))
    metrics = _summary(config, run, rows) | noisy
    listed = []
    for molecule, mapping in cases:
        here = {
            r["method"]: r for r in rows if (r["molecule"], r["mapping"], r["state"]) == (molecule, mapping, "ground")
        }
        row = {"molecule": molecule, "mapping": mapping, "terms": here["diagram"]["terms"]}
        listed.append(row | {m: f"{here[m]['error']:.3g}" for m in METHODS})
    run.table("errors", listed, f"Root mean square error (hartree) of ground-state energies from {config.shots} shots")
    needed = [
        {k: r[k] for k in ("molecule", "mapping", "state", "method")}
        | {
            "one-shot variance": f"{r['variance']:.4g}",
            "shots to 1.6 mHa": f"{r['variance'] / CHEMICAL_ACCURACY**2:.3g}",
        }
        for r in rows
        if "variance" in r and r["state"] == "ground"
    ]
    run.table("variances", needed, "Exact variance of a single shot of the Monte Carlo estimator (hartree squared)")
    times = [
        {k: r[k] for k in ("molecule", "mapping", "method", "bases")}
        | {
            "propose, s": f"{r['seconds']:.3g}",
            "estimate, s": f"{r['estimating']:.3g}",
            "uncovered": f"{r['uncovered']:.2g}",
        }
        for r in rows
        if r["state"] == "ground"
    ]
    run.table(
        "costs",
        times,
        f"Classical cost of {config.shots} shots; 'uncovered' is the weight of terms that no shot covers",
    )
    sizes = [
        {k: r[k] for k in ("molecule", "mapping", "nodes", "edges", "unshared")}
        for r in rows
        if r.get("nodes") and r["state"] == "ground"
    ]
    run.table("diagrams", sizes, "Decision diagrams: nodes, edges, and nodes before equal parts were shared")
    run.note(
        "Errors are of the weighted estimator, which fits every method. Terms that no shot covers count as zero and are part of the error. "
        "Devices are replaced by a noisy simulation: depolarising after every gate, and readout errors."
    )
    run.figure(
        "errors",
        _error_figure(config, run, rows),
        "Error over the classical time for proposing, ground states; one mark a molecule.",
    )
    run.figure(
        "shots",
        _shots_figure(run, rows),
        "Exact one-shot variance of the three methods with independent bases, ground states.",
    )
    return metrics


def hamiltonian(molecule: str, mapping: str) -> PauliSum:
    """The Hamiltonian of a molecule of `MOLECULES`."""
    from bitket.quantum.operators import Molecule, molecular_hamiltonian

    geometry, basis = MOLECULES[molecule]
    return molecular_hamiltonian(Molecule(geometry, basis), mapping).hamiltonian  # type: ignore[arg-type]


def _case(config: Config, run: Run, molecule: str, mapping: str) -> list[dict[str, Any]]:
    """Rows of one Hamiltonian: for each state and method its error, exact variance where there is one, and its costs."""
    import time

    import numpy as np

    from bitket.quantum.circuits import efficient_su2
    from bitket.quantum.measurement import DecisionDiagram, estimate, measure, one_shot_variance, propose
    from bitket.quantum.simulation import statevector

    name = f"{molecule}, {mapping}"
    H, generator = hamiltonian(molecule, mapping), run.generator(name)
    ansatz = efficient_su2(H.num_qubits, config.layers)
    states = {"ground": H.ground_state()[1]}
    for k in range(config.ansatz_states):
        angles = generator.uniform(-np.pi, np.pi, len(ansatz.weights))
        states[f"ansatz {k + 1}"] = statevector(ansatz, angles).numpy()
    rows = []
    for method in METHODS:
        plans = [propose(H, method, config.shots, generator)]
        if method in INDEPENDENT or method == "adaptive":  # bases are drawn anew for each repetition
            plans += [_again(plans[0], H, config.shots, generator) for _ in range(config.repetitions - 1)]
        first = plans[0]
        for state, psi in states.items():
            exact = float(H.expectation(psi))
            errors, spent = [], 0.0
            for k in range(config.repetitions):
                outcomes = measure(plans[k % len(plans)], psi, generator)
                start = time.perf_counter()
                errors.append(estimate(H, outcomes).value - exact)
                spent += time.perf_counter() - start
            row: dict[str, Any] = {
                "molecule": molecule,
                "mapping": mapping,
                "terms": len(H) - 1,
                "state": state,
                "method": method,
                "error": float(np.sqrt(np.mean(np.square(errors)))),
                "bases": len(first.bases),
                "uncovered": first.uncovered_weight(H - first_constant(H)),
                "seconds": first.seconds,
                "estimating": spent / config.repetitions,
            }
            if first.distribution is not None:
                row["variance"] = one_shot_variance(first.distribution, H, psi)
            if isinstance(first.distribution, DecisionDiagram):
                diagram = first.distribution
                row |= {"nodes": diagram.num_nodes, "edges": diagram.num_edges, "unshared": diagram.unshared_nodes}
            rows.append(row)
    return rows


def first_constant(H: PauliSum) -> float:
    """The coefficient of the identity."""
    return float(sum(c.real for c, x, z in H.masks() if not x | z))


def _again(plan: MeasurementPlan, H: PauliSum, shots: int, generator: Any) -> MeasurementPlan:
    """Other bases of the same method; what they are drawn from is made only once."""
    from bitket.quantum.measurement import MeasurementPlan, adaptive_bases

    bases = (
        adaptive_bases(H, shots, generator) if plan.distribution is None else plan.distribution.sample(shots, generator)
    )
    return MeasurementPlan.from_bases(bases, method=plan.method, distribution=plan.distribution)


def _noisy(config: Config, run: Run) -> dict[str, float]:
    """Shots saved under noise: ratio of the variances of Monte Carlo estimates, with bootstrap intervals."""
    import numpy as np

    from bitket.quantum.circuits import efficient_su2
    from bitket.quantum.measurement import estimate, measure, propose
    from bitket.quantum.noise import NoiseModel
    from bitket.quantum.simulation import density_matrix

    generator = run.generator("noise")
    noise = NoiseModel.depolarizing(config.gate_error).with_readout(config.readout_error)
    ratios: dict[str, list[Any]] = {"shadows": [], "biased": []}
    for molecule in config.noisy:
        for mapping in config.mappings:
            H = hamiltonian(molecule, mapping)
            ansatz = efficient_su2(H.num_qubits, config.layers)
            rho = density_matrix(ansatz, generator.uniform(-np.pi, np.pi, len(ansatz.weights)), noise=noise).numpy()
            resampled = {}
            for method in INDEPENDENT:
                plan = propose(H, method, config.shots, generator)
                values = []
                for _ in range(config.noisy_repetitions):
                    outcomes = measure(_again(plan, H, config.shots, generator), rho, generator, noise=noise)
                    values.append(estimate(H, outcomes, "monte-carlo").value)
                drawn = np.array(values)[generator.integers(0, len(values), (500, len(values)))]
                resampled[method] = np.append(np.var(drawn, axis=1), np.var(values))
            for rival, kept in ratios.items():
                kept.append(np.log(resampled["diagram"] / resampled[rival]))
    out: dict[str, float] = {}
    for rival, kept in ratios.items():
        saving = 1 - np.exp(np.mean(kept, axis=0))
        low, high = np.quantile(saving[:-1], [0.025, 0.975])
        out |= {
            f"noisy saving/{rival}": saving[-1],
            f"noisy saving/{rival}/low": low,
            f"noisy saving/{rival}/high": high,
        }
    return {k: float(v) for k, v in out.items()}


def _summary(config: Config, run: Run, rows: list[dict[str, Any]]) -> dict[str, float]:
    import numpy as np
    from scipy.stats import rankdata, spearmanr

    generator = run.generator("bootstrap")
    table: dict[tuple[str, str, str], dict[str, dict[str, Any]]] = {}
    for row in rows:
        table.setdefault((row["molecule"], row["mapping"], row["state"]), {})[row["method"]] = row
    metrics: dict[str, float] = {}
    for rival in ("shadows", "biased"):
        logs = np.array([np.log(case["diagram"]["variance"] / case[rival]["variance"]) for case in table.values()])
        drawn = 1 - np.exp(logs[generator.integers(0, len(logs), (2000, len(logs)))].mean(axis=1))
        low, high = np.quantile(drawn, [0.025, 0.975])
        metrics |= {
            f"saving/{rival}": 1 - np.exp(logs.mean()),
            f"saving/{rival}/low": low,
            f"saving/{rival}/high": high,
        }
    pairs = [(case["diagram"], case["derandomised"]) for case in table.values()]
    metrics["cases/diagram needs fewer shots than derandomised"] = np.mean([a["error"] < b["error"] for a, b in pairs])
    metrics["cases/diagram is faster than derandomised"] = np.mean([a["seconds"] < b["seconds"] for a, b in pairs])
    ranks = np.mean([rankdata([case[m]["error"] for m in METHODS]) for case in table.values()], axis=0)
    metrics |= {f"rank/{m}": r for m, r in zip(METHODS, ranks, strict=True)}
    correlations = []
    for (molecule, mapping, state), case in table.items():
        if state != "ground":
            ground = table[molecule, mapping, "ground"]
            correlations.append(
                spearmanr([case[m]["error"] for m in METHODS], [ground[m]["error"] for m in METHODS]).statistic
            )
    metrics["ranking correlation"] = np.mean(correlations)
    for molecule, published in DERANDOMISED_ERRORS.items():
        for mapping, value in zip(MAPPINGS, published, strict=True):
            case_ = table.get((molecule, mapping, "ground"))
            if case_:
                metrics[f"published ratio/{molecule}, {mapping}"] = case_["derandomised"]["error"] / value
    for (molecule, mapping, state), case in table.items():
        if state == "ground":
            metrics |= {f"error/{molecule}/{mapping}/{m}": case[m]["error"] for m in METHODS}
            metrics |= {f"variance/{molecule}/{mapping}/{m}": case[m]["variance"] for m in INDEPENDENT}
    return {k: float(v) for k, v in metrics.items()}


def _error_figure(config: Config, run: Run, rows: list[dict[str, Any]]) -> Any:
    figure, axes = run.subplots(width=7.5, height=4.6)
    for k, method in enumerate(METHODS):
        chosen = [r for r in rows if r["method"] == method and r["state"] == "ground"]
        axes.scatter(
            [r["seconds"] for r in chosen],
            [r["error"] for r in chosen],
            s=26,
            marker="osD^vPX*"[k],
            label=method,
        )
    axes.axhline(CHEMICAL_ACCURACY, color="0.5", linewidth=1, linestyle="--")
    axes.text(
        0.99,
        CHEMICAL_ACCURACY,
        "chemical accuracy",
        transform=axes.get_yaxis_transform(),
        ha="right",
        va="bottom",
        color="0.4",
    )
    axes.set(xscale="log", yscale="log", xlabel=f"seconds to propose {config.shots} shots", ylabel="error, hartree")
    axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def _shots_figure(run: Run, rows: list[dict[str, Any]]) -> Any:
    import numpy as np

    chosen = [r for r in rows if r["state"] == "ground" and r["method"] in INDEPENDENT]
    cases = list(dict.fromkeys((r["molecule"], r["mapping"]) for r in chosen))
    figure, axes = run.subplots(width=7.5, height=4.2)
    place = np.arange(len(cases))
    for k, method in enumerate(INDEPENDENT):
        values = {(r["molecule"], r["mapping"]): r["variance"] for r in chosen if r["method"] == method}
        axes.bar(place + 0.27 * (k - 1), [values[c] for c in cases], 0.27, label=method)
    short = {"jordan_wigner": "JW", "parity": "parity", "bravyi_kitaev": "BK"}
    axes.set_xticks(place, [f"{molecule}\n{short[mapping]}" for molecule, mapping in cases], fontsize=8)
    axes.set(yscale="log", ylabel="one-shot variance, hartree²")
    axes.legend(frameon=False)
    return figure

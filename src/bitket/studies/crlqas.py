"""Ground states by circuits that a reinforcement-learning agent builds gate by gate, without noise and with a device's noise.

The agent never sees the true energy: errors are measured from a lower bound of the spectrum. After training its greedy circuit is
judged against the exact energy; random circuits of equal length are the control. Angles are optimised by sine fits and L-BFGS-B on the
adjoint gradient, where the paper used COBYLA; under noise by staged Adam-SPSA from shots, as in the paper.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal

from annotated_types import Ge

from bitket.runs import Claim, Paper, Verdict

if TYPE_CHECKING:
    from bitket.quantum.noise import NoiseModel
    from bitket.quantum.variational.search import ArchitectureSearch, Episode, SearchSettings
    from bitket.runs import Run

PAPER = Paper(
    key="crlqas",
    title="Curriculum reinforcement learning for quantum architecture search under hardware errors",
    authors=(
        "Yash J. Patel",
        "Akash Kundu",
        "Mateusz Ostaszewski",
        "Xavier Bonet-Monroig",
        "Vedran Dunjko",
        "Onur Danaci",
    ),
    year=2024,
    arxiv="2402.03500",
)
SUMMARY = "An agent builds circuits for ground states gate by gate under a moving threshold, without noise and under a device's noise."

Problem = Literal["H2-2", "H2-3", "LiH-4", "LiH-6"]
PROBLEMS: dict[str, tuple[float, int]] = {
    "H2-2": (0.3, 10),
    "H2-3": (0.95, 20),
    "LiH-4": (2.45, 40),
    "LiH-6": (2.9, 70),
}
"""First threshold (hartree above the lower bound), most gates."""
CHEMICAL_ACCURACY = 1.6e-3
SWITCHES: dict[str, dict[str, Any]] = {
    "all": {},
    "no halting": {"halting": None},
    "no mask": {"forbid_illegal": False},
    "no curriculum": {"curriculum": False},
}


@dataclass(frozen=True)
class Config:
    """Settings. The paper trains 10 000 to 50 000 episodes with layers of 1000 neurons; its curriculum is slower, too."""

    problems: tuple[Problem, ...] = ("H2-2", "H2-3", "LiH-4", "LiH-6")
    episodes: tuple[Annotated[int, Ge(1)], ...] = (1500, 4000, 1500, 1500)
    seeds: tuple[Annotated[int, Ge(1)], ...] = (10, 3, 1, 1)
    """For each problem."""
    hidden: tuple[Annotated[int, Ge(1)], ...] = (128, 128, 128)
    batch: Annotated[int, Ge(1)] = 128
    greedy_every: Annotated[int, Ge(1)] = 50
    """Episodes between jumps of the threshold; the paper: 500."""
    successes: Annotated[int, Ge(1)] = 5
    ablation_seeds: Annotated[int, Ge(0)] = 3
    ablation_episodes: Annotated[int, Ge(1)] = 600
    noisy_seeds: Annotated[int, Ge(0)] = 2
    noisy_episodes: Annotated[int, Ge(1)] = 300
    shots: Annotated[int, Ge(1)] = 1000
    """For each term of the last stage, under noise."""
    spsa_iterations: Annotated[int, Ge(10)] = 250


SCALES = {
    "quick": Config(
        problems=("H2-2",),
        episodes=(250,),
        seeds=(3,),
        ablation_seeds=0,
        noisy_seeds=1,
        noisy_episodes=40,
        spsa_iterations=60,
    ),
    "full": Config(),
}


# -- claims -------------------------------------------------------------------------------------------------------------
def _accuracy(problem: str, m: Mapping[str, float], config: Config) -> Verdict:
    if f"reached/{problem}" not in m:
        return Verdict.untested(f"{problem} is run at full scale")
    share, control = m[f"reached/{problem}"], m[f"random reached/{problem}"]
    return Verdict.of(
        share,
        share >= 2 / 3,
        f"part of the seeds whose greedy circuit is within 1.6 mHa after training; largest error {m[f'error/{problem}']:.2e} Ha, "
        f"{m[f'gates/{problem}']:.1f} gates on average; some circuit on the way reached it in {m[f'found/{problem}']:.2f}, random circuits "
        f"in {control:.2f} of the seeds",
    )


def _helps(switch: str, m: Mapping[str, float], config: Config) -> Verdict:
    if f"successes/{switch}" not in m:
        return Verdict.untested("ablations are run at full scale")
    with_it, without = (m[f"accurate episodes/{k}"] for k in ("all", switch))
    gates, gates_without = (m[f"episode gates/{k}"] for k in ("all", switch))
    both = f"accurate episodes {with_it:.3f} with it, {without:.3f} without; their gates {gates:.1f} and {gates_without:.1f}"
    return Verdict.of(with_it - without, with_it > without or (with_it == without and gates < gates_without), both)


def _noise(m: Mapping[str, float], config: Config) -> Verdict:
    if "noisy error/learned" not in m:
        return Verdict.untested("no noisy search was asked for")
    learned, fixed = m["noisy error/learned"], m["noisy error/fixed"]
    return Verdict.of(
        fixed / learned,
        learned < fixed,
        f"error of the best fixed ansatz over that of the learned circuit, both optimised under the noise: {1e3 * fixed:.2f} and "
        f"{1e3 * learned:.2f} mHa; CX gates {m['noisy cx/fixed']:.0f} and {m['noisy cx/learned']:.1f}",
    )


def _adam(m: Mapping[str, float], config: Config) -> Verdict:
    ours, plain = m["spsa error/adam"], m["spsa error/plain"]
    return Verdict.of(
        plain / ours,
        ours < plain,
        f"median error of SPSA over that of Adam-SPSA, {config.spsa_iterations} steps each from 50 starts; both with the best of four "
        "step sizes",
    )


CLAIMS = (
    *(
        Claim(
            f"accuracy_{key.replace('-', '_')}",
            f"Chemical accuracy is reached for {text}, without noise.",
            "reached",
            judge,
        )
        for key, text, judge in (
            ("H2-2", "hydrogen on two qubits", partial(_accuracy, "H2-2")),
            ("H2-3", "hydrogen on three qubits", partial(_accuracy, "H2-3")),
            ("LiH-4", "lithium hydride on four qubits", partial(_accuracy, "LiH-4")),
            ("LiH-6", "lithium hydride on six qubits", partial(_accuracy, "LiH-6")),
        )
    ),
    Claim(
        "halting_helps",
        "Random halting gives more successes or shorter circuits.",
        "helps",
        partial(_helps, "no halting"),
    ),
    Claim(
        "mask_helps",
        "Forbidding illegal actions gives more successes or shorter circuits.",
        "helps",
        partial(_helps, "no mask"),
    ),
    Claim(
        "curriculum_helps",
        "The moving threshold gives more successes or shorter circuits.",
        "helps",
        partial(_helps, "no curriculum"),
    ),
    Claim("noise", "Under a device's noise learned circuits beat fixed ansätze.", "learned is better", _noise, "x"),
    Claim(
        "adam_spsa",
        "SPSA with Adam's moments reaches lower energies than plain SPSA from as many shots.",
        "lower",
        _adam,
        "x",
    ),
)


# -- run ----------------------------------------------------------------------------------------------------------------
def run(config: Config, run: Run) -> Mapping[str, float]:
    """Search, ablate, search under noise, compare optimisers."""
    if not len(config.problems) == len(config.episodes) == len(config.seeds):
        from bitket.errors import InvalidInput

        raise InvalidInput("problems, episodes and seeds: as many of each are needed")
    metrics: dict[str, float] = {}
    rows: list[dict[str, Any]] = []
    curves: dict[str, list[float]] = {}
    for problem, episodes, seeds in zip(config.problems, config.episodes, config.seeds, strict=True):
        found = [_searched(config, run, problem, episodes, seed) for seed in range(seeds)]
        control = [_searched(config, run, problem, episodes, seed, random=True) for seed in range(seeds)]
        accurate = [f["greedy error"] < CHEMICAL_ACCURACY for f in found]
        metrics |= {
            f"reached/{problem}": sum(accurate) / seeds,
            f"found/{problem}": sum(f["best error"] < CHEMICAL_ACCURACY for f in found) / seeds,
            f"random reached/{problem}": sum(f["best error"] < CHEMICAL_ACCURACY for f in control) / seeds,
            f"error/{problem}": max(f["greedy error"] for f in found),
            f"gates/{problem}": sum(f["greedy gates"] for f in found) / seeds,
        }
        curves[problem] = found[0]["least"]
        rows += [{"problem": problem, "seed": k, "agent": "learned"} | _row(f) for k, f in enumerate(found)]
        rows += [{"problem": problem, "seed": k, "agent": "random"} | _row(f) for k, f in enumerate(control)]
        run.note(f"{problem}, seed 0, greedy circuit:\n{found[0]['drawing']}")
    run.table("searches", rows, "Errors (hartree) against the exact energy, and gates")
    metrics |= _ablations(config, run)
    metrics |= _under_noise(config, run)
    metrics |= run.step("optimisers", lambda: _optimisers(config, run))
    _figure(run, curves)
    return metrics


def mumbai() -> NoiseModel:
    """Median noise of the 27-qubit device of the paper: relaxation, a depolarising channel on each qubit of a CX, readout."""
    from bitket.quantum.noise import NoiseModel, depolarizing, thermal_relaxation

    t1, t2, excited = 122.3e-6, 167.2e-6, 0.0758
    return (
        NoiseModel()
        .after(thermal_relaxation(t1, t2, 35e-9, excited), ["rx", "ry", "rz"])
        .after(thermal_relaxation(t1, t2, 416e-9, excited), ["cx"], num_qubits=2)
        .after(depolarizing(0.0085), ["cx"], num_qubits=2)
        .with_readout(0.0225)
    )


def _settings(config: Config, problem: str, **changes: Any) -> SearchSettings:
    from bitket.learning.ddqn import DoubleDQNSettings
    from bitket.quantum.variational.search import NegativeBinomial, SearchSettings

    threshold, most = PROBLEMS[problem]
    agent = DoubleDQNSettings(
        hidden=config.hidden,
        batch=config.batch,
        gamma=round(0.005 ** (1 / most), 2),
        learning_rate=1e-3,
        epsilon_decay=0.999 if most <= 20 else 0.9997,
        target_every=100,
    )
    halting = NegativeBinomial(n=most, p=0.6, least=min(3, most), most=most)
    values: dict[str, Any] = {"max_gates": most, "threshold": threshold, "halting": halting, "agent": agent}
    values |= {"greedy_every": config.greedy_every, "successes": config.successes}
    return SearchSettings(**(values | changes))


def _searched(
    config: Config, run: Run, problem: str, episodes: int, seed: int, *, name: str = "", **changes: Any
) -> dict[str, Any]:
    """One search, its greedy and its best circuit."""
    from bitket.quantum.operators import stored_hamiltonian
    from bitket.quantum.variational.search import AngleSearch, ArchitectureSearch

    H = stored_hamiltonian(problem)
    exact = H.ground_energy()
    search = ArchitectureSearch(AngleSearch(H), _settings(config, problem, **changes), seed)
    label = f"{problem}, {name or ('random' if changes.get('random') else 'search')}, seed {seed}"
    history = _trained(run, label, search, episodes)
    greedy = search.best if changes.get("random") else search.greedy()
    assert greedy is not None
    assert search.best is not None
    accurate = [
        (e, n) for e, n in zip(history["least"], history["gates"], strict=True) if e - exact < CHEMICAL_ACCURACY
    ]
    return {
        "greedy error": greedy.energy - exact,
        "greedy gates": len(greedy.gates),
        "best error": search.best.energy - exact,
        "best gates": len(search.best.gates),
        "first": next((k for k, e in enumerate(history["least"]) if e - exact < CHEMICAL_ACCURACY), None),
        "accurate": len(accurate) / episodes,
        "accurate gates": sum(n for _, n in accurate) / max(1, len(accurate)),
        "least": [e - exact for e in history["least"]],
        "drawing": greedy.circuit.draw() if greedy.gates else "(no gates)",
        "circuit": greedy.circuit,
    }


def _trained(run: Run, label: str, search: ArchitectureSearch, episodes: int) -> dict[str, list[Any]]:
    state: dict[str, Any] = {"search": search, "least": [], "gates": []}
    for _ in run.loop(label, state, episodes):
        episode: Episode = search.episode()
        state["least"].append(episode.least_energy)
        state["gates"].append(len(episode.actions))
    return state


def _row(found: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "greedy error": f"{found['greedy error']:.2e}",
        "gates": found["greedy gates"],
        "best error": f"{found['best error']:.2e}",
        "gates of the best": found["best gates"],
        "episodes to 1.6 mHa": "never" if found["first"] is None else found["first"] + 1,
    }


def _ablations(config: Config, run: Run) -> dict[str, float]:
    """Hydrogen on three qubits with each part switched off: the share of accurate episodes in the last half, and their length."""
    out: dict[str, float] = {}
    if not config.ablation_seeds:
        return out
    rows = []
    for switch, changes in SWITCHES.items():
        found = [
            _searched(config, run, "H2-3", config.ablation_episodes, 100 + k, name=switch, **changes)
            for k in range(config.ablation_seeds)
        ]
        n = len(found)
        out[f"successes/{switch}"] = sum(f["greedy error"] < CHEMICAL_ACCURACY for f in found) / n
        out[f"accurate episodes/{switch}"] = sum(f["accurate"] for f in found) / n
        out[f"episode gates/{switch}"] = sum(f["accurate gates"] for f in found) / n
        rows.append({"search": switch} | {k: f"{v:.3g}" for k, v in out.items() if k.endswith(f"/{switch}")})
        rows[-1] = {"search": switch} | {k.split("/")[0]: v for k, v in rows[-1].items() if k != "search"}
    run.table(
        "ablations",
        rows,
        "Hydrogen on three qubits: seeds whose greedy circuit is accurate, accurate episodes, their gates",
    )
    return out


def _under_noise(config: Config, run: Run) -> dict[str, float]:
    """Hydrogen on two qubits under noise and shots, beside fixed ansätze with the same optimiser; energies at the end without shots."""
    if not config.noisy_seeds:
        return {}
    import numpy as np

    from bitket.learning import AdamSPSA
    from bitket.quantum.circuits import efficient_su2, real_amplitudes, ry_rz_ansatz
    from bitket.quantum.operators import stored_hamiltonian
    from bitket.quantum.variational.search import AngleSearch, ArchitectureSearch, ShotStage
    from bitket.quantum.variational.vqe import VQE

    H, noise = stored_hamiltonian("H2-2"), mumbai()
    exact = H.ground_energy()
    steps = config.spsa_iterations
    stages = tuple(
        ShotStage(max(1, round(steps * part)), max(1, config.shots // less))
        for part, less in ((0.7, 100), (0.2, 10), (0.1, 1))
    )
    spsa = AdamSPSA(
        a=1.2104, alpha=0.9531, c=0.1039, gamma=0.0984, beta1=0.9414, beta2=0.9983, beta1_decay=0.9277, keep_best=True
    )
    errors, cx, rows = [], [], []
    for seed in range(config.noisy_seeds):
        angles = AngleSearch(H, noise=noise, stages=stages, spsa=spsa)
        search = ArchitectureSearch(angles, _settings(config, "H2-2"), 50 + seed)
        _trained(run, f"noisy search, seed {seed}", search, config.noisy_episodes)
        assert search.best is not None
        gates = search.best.gates
        # The angles are fitted once more without shots, as those of the fixed ansätze are.
        refined = AngleSearch(H, noise=noise).fit(gates, search.best.angles, np.random.default_rng(0))
        errors.append(refined.energy - exact)
        cx.append(sum(g.axis is None for g in gates))
        rows.append(
            {"circuit": f"learned, seed {seed}", "cx": cx[-1], "gates": len(gates), "error": f"{errors[-1]:.5f}"}
        )
    fixed = {}
    for name, ansatz in (
        ("real amplitudes, 1 layer", real_amplitudes(2, 1)),
        ("EfficientSU2, 1 layer", efficient_su2(2, 1)),
        ("RY and RZ, 1 layer", ry_rz_ansatz(2, 1)),
    ):
        generator = run.generator(name)
        best = min(float(VQE(H, ansatz, noise=noise).run(generator=generator).fun) for _ in range(5))
        ops = ansatz.count_ops()
        fixed[name] = (best - exact, sum(v for k, v in ops.items() if k in ("cx", "cz")))
        rows.append({"circuit": name, "cx": fixed[name][1], "gates": len(ansatz), "error": f"{best - exact:.5f}"})
    run.table(
        "noise",
        rows,
        "Energy above the exact one (hartree) under the device's median noise, without shots, angles fitted under it",
    )
    error, gates_cx = min(fixed.values())
    return {
        "noisy error/learned": sum(errors) / len(errors),
        "noisy error/fixed": error,
        "noisy cx/learned": sum(cx) / len(cx),
        "noisy cx/fixed": float(gates_cx),
    }


def _optimisers(config: Config, run: Run) -> dict[str, float]:
    """Adam-SPSA and SPSA on a noisy energy with ten angles, 50 starts, equal numbers of evaluations."""
    import networkx as nx
    import numpy as np
    import torch

    from bitket.learning import SPSA, AdamSPSA, batched
    from bitket.quantum.circuits import real_amplitudes
    from bitket.quantum.operators import transverse_field_ising
    from bitket.quantum.simulation import expectation

    H, ansatz = transverse_field_ising(nx.path_graph(5)), real_amplitudes(5, 1)
    spread = float(np.linalg.norm(H.coefficients)) / np.sqrt(config.shots)
    exact = H.ground_energy()
    out: dict[str, float] = {}
    n = config.spsa_iterations
    for name, choices in (
        ("adam", [AdamSPSA(n, a=a) for a in (0.03, 0.1, 0.3, 1.0)]),
        ("plain", [SPSA(n, a=a) for a in (0.03, 0.1, 0.3, 1.0)]),
    ):
        medians = []
        for optimiser in choices:
            finals = []
            for start in range(50):
                generator = np.random.default_rng([start, run.seed])

                @batched
                def energy(points: Any, generator: Any = generator) -> Any:
                    with torch.no_grad():
                        exact_values = expectation(ansatz, H, torch.from_numpy(points)).numpy()
                    return exact_values + spread * generator.standard_normal(len(points))

                found = optimiser.minimize(energy, generator.uniform(-np.pi, np.pi, 10), generator=generator)
                with torch.no_grad():
                    finals.append(float(expectation(ansatz, H, torch.from_numpy(found.x))) - exact)
            medians.append(float(np.median(finals)))
        out[f"spsa error/{name}"] = min(medians)
    return out


def _figure(run: Run, curves: Mapping[str, list[float]]) -> None:
    import numpy as np

    figure, axes = run.subplots(width=7.5, height=4.2)
    floor = 1e-7  # errors below are of the arithmetic
    for problem, errors in curves.items():
        episodes, shown = np.arange(1, len(errors) + 1), np.maximum(errors, floor)
        line = axes.plot(episodes, np.minimum.accumulate(shown), label=problem, zorder=3)[0]
        axes.plot(episodes, shown, ".", ms=2, alpha=0.25, color=line.get_color())
    axes.axhline(CHEMICAL_ACCURACY, color="0.4", ls="--", lw=1)
    axes.annotate("chemical accuracy", (1.1, CHEMICAL_ACCURACY * 0.55), color="0.3", fontsize=8)
    axes.set(xscale="log", yscale="log", xlabel="episode", ylabel="error (hartree), 1e-7 or less", xlim=(1, None))
    axes.legend(frameon=False)
    run.figure("training", figure, "Least error of each episode (dots) and so far (line), seed 0")

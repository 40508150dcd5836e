"""Lighter checks by search: an agent edits the Tanner graph of a classical code until its product has checks of weight 6.

The start is a dense code with the checks that its systematic generator gives. The same edits are searched by PPO, whose policy sees the
distance after each of them and passes messages on the Tanner graph, by annealing with as many steps, with and without that look-ahead, and
by uniformly random allowed edits; the baselines are splitting of checks and bits, on the given checks and on the lightest checks of the same
code, and Hastings' four steps on the product. What PPO learned on the smallest seed goes on with seeds of distance 30 to 40. For known
codes annealing shows which distance each weight leaves. Codes that are found are stored whole, and their parameters are computed anew from
the stored matrices. The paper's own codes and settings are not stated in what we have, so all is compared by computation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

from annotated_types import Ge

from bitket.runs import Claim, Paper, Verdict

if TYPE_CHECKING:
    from bitket.quantum.codes.reduce import Search
    from bitket.runs import Run

PAPER = Paper(
    key="qec-weight-reduction",
    title="Discovering highly efficient low-weight quantum error-correcting codes with reinforcement learning",
    authors=("Austin Yubo He", "Zi-Wen Liu"),
    year=2025,
    arxiv="2502.14372",
)
SUMMARY = "PPO removes and adds edges of Tanner graphs until checks have weight 6, beside annealing, splitting and Hastings' reduction."
WEIGHT = 6
CONTROLS = ("annealing", "annealing ahead", "random")


@dataclass(frozen=True)
class Config:
    """Settings. Each problem is a classical seed n-k-d; its product has n^2 + (n - k)^2 qubits."""

    problems: tuple[str, ...] = ("8-2-5", "12-3-6", "16-4-8", "24-5-10", "32-6-12", "40-6-16")
    evaluations: tuple[Annotated[int, Ge(1)], ...] = (60_000, 100_000, 150_000, 150_000, 150_000, 150_000)
    """Steps of each run of each search, for each problem; with look-ahead a step costs about three distances, without it one."""
    far: tuple[str, ...] = ("60-4-30", "63-3-36", "60-2-40")
    """Of large distance, tried once by annealing with look-ahead, once by PPO that begins with what it learned on the first problem."""
    far_evaluations: Annotated[int, Ge(1)] = 60_000
    """Steps of the latter."""
    repeats: Annotated[int, Ge(2)] = 3
    hastings: Annotated[int, Ge(0)] = 12
    """Longest seed whose product goes through Hastings' steps."""
    trials: Annotated[int, Ge(10)] = 200
    """Random information sets on each product that was found."""
    shots: Annotated[int, Ge(0)] = 300
    """Of the memory experiment on the smallest product that was found; 0: none."""
    noise: float = 0.001
    episodes: Annotated[int, Ge(0)] = 20
    """Of each learned policy on each of the seeds, without learning more; 0: none."""
    codes: tuple[str, ...] = (
        "hamming-3",
        "simplex-4",
        "bch-4-2",
        "reed_muller-1-4",
        "quadratic_residue-17",
        "golay",
        "bch-5-5",
        "reed_muller-1-5",
    )
    """Whose trade-off between weight and distance is searched by annealing with look-ahead."""
    weights: tuple[Annotated[int, Ge(4)], ...] = (5, 6, 7, 8, 10, 12)
    steps: Annotated[int, Ge(1)] = 20_000
    """For each code and weight."""


SCALES = {
    "quick": Config(
        problems=("8-2-5",), evaluations=(60_000,), far=(), repeats=2, shots=0, codes=("simplex-4", "bch-4-2")
    ),
    "full": Config(),
}


# -- claims -------------------------------------------------------------------------------------------------------------
def _best(m: Mapping[str, float], config: Config, name: str) -> tuple[float, str]:
    found = [(m[f"{name}/{p}"], p) for p in config.problems if f"{name}/{p}" in m]
    return max(found, default=(float("nan"), ""))


def _against(name: str, what: str, m: Mapping[str, float], config: Config) -> Verdict:
    if not any(m[f"reached/ppo/{p}"] for p in config.problems):
        return Verdict.of(0.0, False, "PPO reached the target for no seed, so there is nothing to compare")
    ratio, problem = _best(m, config, f"ratio/{name}")
    if not problem:
        return Verdict.untested("no seed was both found by PPO and put through the baseline")
    rest = ", ".join(f"{p}: {m[f'ratio/{name}/{p}']:.1f}" for p in config.problems if f"ratio/{name}/{p}" in m)
    return Verdict.of(
        ratio,
        ratio >= 10,
        f"qubits of {what} over those of PPO at equal k, weight 6, largest of {rest}; 10 is needed",
    )


def _learns(m: Mapping[str, float], config: Config) -> Verdict:
    gains = {p: (m[f"gain/{p}"], m[f"gain error/{p}"]) for p in config.problems}
    text = "; ".join(f"{p}: {g:.3f} +- {e:.3f}" for p, (g, e) in gains.items())
    least = min(g - e for g, e in gains.values())
    return Verdict.of(
        min(g for g, _ in gains.values()), least > 0, f"return of PPO's last tenth above random edits, 95 %: {text}"
    )


def _reaches(m: Mapping[str, float], config: Config) -> Verdict:
    shares = [m[f"reached/ppo/{p}"] for p in config.problems]
    text = ", ".join(f"{p}: {s:.2f}" for p, s in zip(config.problems, shares, strict=True))
    return Verdict.of(
        min(shares),
        min(shares) >= 2 / 3,
        f"share of runs that reach degrees <= 3 with k and d kept; {text}; 2/3 is needed for each",
    )


def _annealing(m: Mapping[str, float], config: Config) -> Verdict:
    ways = {
        "PPO": "ppo",
        "annealing": "annealing",
        "annealing with look-ahead": "annealing ahead",
        "random edits": "random",
    }
    shares = {who: sum(m[f"reached/{a}/{p}"] for p in config.problems) for who, a in ways.items()}
    costs = "; ".join(
        p + ": " + ", ".join(f"{m[f'evaluations/{a}/{p}']:.3g}" for a in ways.values() if a != "random")
        for p in config.problems
    )
    gain = shares["PPO"] - max(shares["annealing"], shares["annealing with look-ahead"])
    return Verdict.of(
        gain,
        gain > 0,
        "shares of runs that reach the target, summed over seeds: "
        + ", ".join(f"{who} {share:.2f}" for who, share in shares.items())
        + f"; mean steps of the first three, the budget where not reached, {costs}",
    )


def _tens(m: Mapping[str, float], config: Config) -> Verdict:
    if not config.far:
        return Verdict.untested("seeds of such distances are searched at full scale")
    learned, annealed = ({p: m[f"distance/{how}/{p}"] for p in config.far} for how in ("ppo", "annealing ahead"))
    text = "; ".join(
        f"{p}: {d:.0f} by PPO in {m[f'evaluations/ppo/{p}']:.0f} steps, {annealed[p]:.0f} by annealing with look-ahead in "
        f"{m[f'evaluations/annealing ahead/{p}']:.0f}"
        for p, d in learned.items()
    )
    return Verdict.of(max(learned.values()), max(learned.values()) >= 35, f"{text}; 35 by PPO is needed")


def _trade(m: Mapping[str, float], config: Config) -> Verdict:
    found = {name: [m[f"tradeoff/{name}/{w}"] for w in config.weights] for name in config.codes}
    if not found:
        return Verdict.untested("no code was searched at several weights")
    share = sum(ds[-1] > ds[0] for ds in found.values()) / len(found)
    text = "; ".join(f"{name} {', '.join(f'{d:.0f}' for d in ds)}" for name, ds in found.items())
    return Verdict.of(
        share,
        share > 0.5,
        f"share of codes that gain distance from weight {config.weights[0]} to {config.weights[-1]}, more than half are needed; "
        f"distances at weights {', '.join(map(str, config.weights))}: {text}",
    )


CLAIMS = (
    Claim(
        "reaches_weight_six",
        "The agent finds codes with checks of weight 6 that keep k and d.",
        "found",
        _reaches,
    ),
    Claim("learns", "Rewards rise along training.", "rising", _learns),
    Claim(
        "fewer_qubits_than_hastings",
        "One to two orders of magnitude fewer qubits than weight reduction in Hastings' manner, at equal k, d and weight 6.",
        73,
        lambda m, c: _against(
            "hastings", "Hastings' steps on the checks as given (their distance is not computed)", m, c
        ),
        "x",
    ),
    Claim(
        "fewer_qubits_than_splitting",
        "Ten times fewer qubits than the product of a split seed, on the checks as given.",
        "one to two orders",
        lambda m, c: _against("split", "the split seed", m, c),
        "x",
    ),
    Claim(
        "fewer_qubits_than_best_splitting",
        "Ten times fewer qubits than the product of a split seed that begins at the lightest checks of the same code.",
        "one to two orders",
        lambda m, c: _against("best split", "the split seed with the lightest checks", m, c),
        "x",
    ),
    Claim(
        "better_than_annealing",
        "Learning finds what annealing with as many evaluations does not.",
        "not stated",
        _annealing,
    ),
    Claim(
        "distances_of_tens",
        "Distances of 35 to 40 at weight 6.",
        "35 to 40",
        _tens,
    ),
    Claim(
        "weight_trades_for_distance",
        "At equal n and k, heavier checks allow larger distances.",
        "explored",
        _trade,
    ),
)


# -- run ----------------------------------------------------------------------------------------------------------------
def run(config: Config, run: Run) -> Mapping[str, float]:
    """Search each seed in three ways, split it, reduce its product; verify what was found from its file."""
    if len(config.problems) != len(config.evaluations):
        from bitket.errors import InvalidInput

        raise InvalidInput("problems and evaluations: as many of each are needed")
    metrics: dict[str, float] = {}
    rows: list[dict[str, Any]] = []
    curves: dict[str, list[dict[str, float]]] = {}
    networks: dict[str, Any] = {}
    starts: dict[str, Any] = {}
    products: list[tuple[int, str]] = []

    def kept(best: Any, problem: str, way: str) -> dict[str, Any]:
        name = f"{problem}-weight-{WEIGHT}"
        found = run.step(f"verify {problem}", partial(_verified, best, name, config, run))
        products.append((found["n"], name))
        metrics[f"qubits/{problem}"], metrics[f"product distance/{problem}"] = found["n"], found["d"]
        rows.append({"seed": problem, "way": way, **found})
        return found

    for problem, evaluations in zip(config.problems, config.evaluations, strict=True):
        start = starts[problem] = run.step(f"start {problem}", partial(_start, problem, run))
        learned = [_learned(run, start, problem, evaluations, r) for r in range(config.repeats)]
        others = {how: _controls(how, start, evaluations, run, problem, config) for how in CONTROLS}
        curves[problem], networks[problem] = learned[0]["reports"], learned[0]["networks"]
        for how, found in (("ppo", learned), *others.items()):
            metrics[f"reached/{how}/{problem}"] = sum(f["reached"] for f in found) / len(found)
            metrics[f"evaluations/{how}/{problem}"] = sum(f["evaluations"] for f in found) / len(found)
            metrics[f"distance/{how}/{problem}"] = max(f["distance"] for f in found)
        metrics |= _gain(problem, learned, others["random"])
        stored = [f["best"] for f in learned if f["reached"]]
        sizes = run.step(f"baselines {problem}", partial(_baselines, start, config))
        if stored:
            verified = kept(stored[0], problem, "PPO")
            for how, size in sizes.items():
                metrics[f"ratio/{how}/{problem}"] = size / verified["n"]
        rows += [{"seed": problem, "way": how, "n": size} for how, size in sizes.items()]
    for problem in config.far:
        start = starts[problem] = run.step(f"start {problem}", partial(_start, problem, run))
        one = run.step(
            f"far {problem}", partial(_control, "annealing ahead", start, max(config.evaluations), run, problem, 0)
        )
        agent = _learned(run, start, problem, config.far_evaluations, 0, networks[config.problems[0]])
        for how, tried in (("ppo", agent), ("annealing ahead", one)):
            metrics |= {f"{key}/{how}/{problem}": tried[key] for key in ("distance", "evaluations")}
        if agent["reached"] or one["reached"]:
            kept(
                *(
                    (agent["best"], problem, "PPO")
                    if agent["reached"]
                    else (one["best"], problem, "annealing with look-ahead")
                )
            )
    run.table(
        "codes",
        rows,
        f"Quantum codes with checks of weight {WEIGHT} at most: qubits, and what was computed from the stored matrices",
    )
    if config.episodes:
        shares: list[dict[str, Any]] = []
        for known, learned_here in networks.items():
            policy = learned_here["policy"]
            acted = run.step(f"transfer {known}", partial(_transferred, policy, starts, config.episodes, run.seed))
            metrics |= {f"transfer/{known}/{problem}": share for problem, share in acted.items()}
            shares.append({"learned on": known, **acted})
        run.table(
            "transfer",
            shares,
            f"Share of {config.episodes} episodes that end at the target, by a policy that has learned on one seed alone",
        )
    for name in config.codes:
        distances = run.step(f"tradeoff {name}", partial(_tradeoff, name, config, run))
        metrics |= {f"tradeoff/{name}/{w}": d for w, d in zip(config.weights, distances, strict=True)}
    if products and config.shots:
        metrics |= run.step("memory", partial(_memory, min(products)[1], config, run))
    _figure(run, curves)
    _tradeoff_figure(run, metrics, config)
    return metrics


def _start(problem: str, run: Run) -> Any:
    import numpy as np

    from bitket.quantum.codes import dense_code
    from bitket.quantum.codes.seeds import from_generator, simplex

    n, k, d = map(int, problem.split("-"))
    if n % (2**k - 1) == 0 and 2 * d * (2**k - 1) == n * 2**k:  # no other code has this distance
        return from_generator(np.tile(simplex(k).generator.to_dense(), n // (2**k - 1))).checks
    return dense_code(n, k, d, run.generator(f"start {problem}"), tries=200_000).checks


def _learned(
    run: Run, start: Any, problem: str, evaluations: int, repeat: int, networks: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """One run of PPO from the start, or from networks that have learned on another seed."""
    from bitket.quantum.codes import ClassicalCode
    from bitket.quantum.codes.reduce import Search

    search = Search(ClassicalCode(start), WEIGHT, None, run.seed * 1000 + repeat)
    if networks:
        _load(search, networks)
    curve = 1 if networks else 20  # updates at least, also after success
    steps = search.settings.steps * len(search.envs)
    for _ in run.loop(f"ppo {problem} {repeat}", {"search": search}, -(-evaluations // steps)):
        if not search.success or len(search.reports) < curve:
            report = search.update()
            run.log(
                problem=problem, repeat=repeat, evaluations=search.evaluations, distance=search.best_distance, **report
            )
    found = [h["evaluations"] for h in search.history if h["distance"] >= search.envs[0].target_distance]
    return {
        "reached": search.success,
        "evaluations": found[0] if found else search.evaluations,
        "distance": search.best_distance,
        "best": search.best,
        "reports": search.reports,
        "networks": {
            part: {name: value.numpy().copy() for name, value in getattr(search.agent, part).state_dict().items()}
            for part in ("policy", "critic")
        },
    }


def _load(search: Search, networks: Mapping[str, Any]) -> None:
    """Weights do not depend on the size of a code."""
    import torch

    for part, weights in networks.items():
        getattr(search.agent, part).load_state_dict({name: torch.from_numpy(value) for name, value in weights.items()})


def _controls(how: str, start: Any, evaluations: int, run: Run, problem: str, config: Config) -> list[dict[str, Any]]:
    return [
        run.step(f"{how} {problem} {r}", partial(_control, how, start, evaluations, run, problem, r))
        for r in range(config.repeats)
    ]


def _control(
    how: str, start: Any, evaluations: int, run: Run, problem: str, repeat: int, weight: int = WEIGHT
) -> dict[str, Any]:
    from bitket.quantum.codes import ClassicalCode
    from bitket.quantum.codes.annealing import anneal, random_walk
    from bitket.quantum.codes.reduce import search_env

    env = search_env(ClassicalCode(start), weight, None, look_ahead=how == "annealing ahead", scramble=how == "random")
    generator = run.generator(f"{how} {problem} {repeat}")
    best, distance, first, returns = None, 0, evaluations, []

    def visit(done: int) -> bool:
        nonlocal best, distance, first
        if env.light and env.distance > distance:
            best, distance, first = env.checks, env.distance, done
        return how != "random" and env.success

    if how == "random":
        returns = random_walk(env, evaluations, generator, visit)
    else:
        anneal(env, evaluations, generator, visit=visit)
    reached = distance >= env.target_distance
    steps = first if reached else evaluations
    return {"reached": reached, "evaluations": steps, "distance": distance, "returns": returns, "best": best}


def _gain(problem: str, learned: list[dict[str, Any]], walks: list[dict[str, Any]]) -> dict[str, float]:
    """Mean return of the last tenth of the updates of each run, less that of random episodes; half of the 95 % interval."""
    import numpy as np
    from scipy.stats import t

    ends = np.array([np.mean([r["return"] for r in f["reports"][-max(2, len(f["reports"]) // 10) :]]) for f in learned])
    walk = np.concatenate([np.asarray(w["returns"]) for w in walks])
    gain = float(ends.mean() - walk.mean())
    spread = float(np.sqrt(ends.var(ddof=1) / len(ends) + walk.var(ddof=1) / len(walk)))
    return {f"gain/{problem}": gain, f"gain error/{problem}": float(t.ppf(0.975, len(ends) - 1)) * spread}


def _baselines(start: Any, config: Config) -> dict[str, int]:
    """Qubits of the split products and of Hastings' reduction, at the same k and no smaller seed distance."""
    from bitket.quantum.codes import (
        ClassicalCode,
        classical_reduction,
        hastings_reduction,
        hypergraph_product,
        lightest_checks,
    )

    code = ClassicalCode(start)
    out = {}
    lightest = {"best split": lightest_checks(code)} if len(code.checks) <= 20 else {}
    for how, given in {"split": code, **lightest}.items():
        light = classical_reduction(given)
        assert light.k == code.k
        assert light.distance().value >= code.distance().value
        out[how] = light.n**2 + len(light.checks) ** 2
    if code.n <= config.hastings:
        out["hastings"] = hastings_reduction(hypergraph_product(code)).n
    return out


def _verified(best: Any, name: str, config: Config, run: Run) -> dict[str, Any]:
    """Store the product, read it back, and compute its parameters by a search of the product itself."""
    from bitket.quantum.codes import ClassicalCode, CssCode, certify, hypergraph_product, read_code, write_code

    path = run.folder / "codes" / f"{name}.npz"
    write_code(path, hypergraph_product(ClassicalCode(best)))
    write_code(path.with_name(f"{name}-seed.npz"), ClassicalCode(best))
    code = read_code(path)
    assert isinstance(code, CssCode)
    found = certify(code, trials=config.trials).to_dict()
    formula = hypergraph_product(ClassicalCode(best)).distance().value
    return {key: found[key] for key in ("n", "k", "d", "exact", "method", "check_weight", "qubit_degree")} | {
        "d by formula": formula
    }


def _transferred(policy: Mapping[str, Any], starts: Mapping[str, Any], episodes: int, seed: int) -> dict[str, float]:
    """Share of episodes that reach the target of each seed."""
    from bitket.quantum.codes import ClassicalCode
    from bitket.quantum.codes.reduce import Search

    shares = {}
    for problem, start in starts.items():
        search = Search(ClassicalCode(start), WEIGHT, None, seed, environments=1)
        _load(search, {"policy": policy})
        env, successes = search.envs[0], 0
        for episode in range(episodes):
            observation, info = env.reset(seed=seed * 1000 + episode)
            over = False
            while not over and info["action_mask"].any():
                action = search.agent.act(observation, info["action_mask"])
                observation, _, success, late, info = env.step(action)
                over = success or late
            successes += info["success"]
        shares[problem] = successes / episodes
    return shares


def _tradeoff(name: str, config: Config, run: Run) -> list[int]:
    """Largest distance met at each weight; a code that is light enough for one is so for the next."""
    from bitket.quantum.codes import named_code

    start = named_code(name).checks
    found = [
        _control("annealing ahead", start, config.steps, run, f"{name} at {w}", 0, w)["distance"]
        for w in config.weights
    ]
    return [max(found[: i + 1]) for i in range(len(found))]


def _memory(name: str, config: Config, run: Run) -> dict[str, float]:
    """Logical errors of the smallest product under circuit noise, three rounds, where the decoder is installed."""
    from bitket.errors import MissingExtra
    from bitket.quantum.codes import CssCode, logical_error_rate, read_code

    code = read_code(run.folder / "codes" / f"{name}.npz")
    assert isinstance(code, CssCode)
    try:
        found = logical_error_rate(code, config.noise, 3, config.shots, run.seed)
    except MissingExtra as error:
        run.note(str(error))
        return {}
    run.note(
        f"{name} as a memory for three rounds under circuit noise of {config.noise}: {found.errors} of {found.shots} shots fail."
    )
    return {"logical error rate": found.rate, "logical error rate error": found.standard_error}


def _figure(run: Run, curves: Mapping[str, list[dict[str, float]]]) -> None:
    figure, axes = run.subplots(width=7.0, height=4.0)
    for problem, reports in curves.items():
        axes.plot([r["evaluations"] for r in reports], [r["return"] for r in reports], label=f"seed {problem}")
    axes.set(xscale="log", xlabel="distance evaluations", ylabel="mean return of an episode")
    axes.legend(frameon=False)
    run.figure("training", figure, "Returns along training of the first run for each seed")


def _tradeoff_figure(run: Run, metrics: Mapping[str, float], config: Config) -> None:
    from bitket.quantum.codes import named_code

    figure, axes = run.subplots(width=7.0, height=4.0)
    for name in config.codes:
        code = named_code(name)
        axes.plot(
            config.weights,
            [metrics[f"tradeoff/{name}/{w}"] / code.distance().value for w in config.weights],
            marker="o",
            label=f"[{code.n}, {code.k}, {code.distance().value}]",
        )
    axes.set(xlabel="greatest weight of a check of the product", ylabel="distance / that of the seed", ylim=(0, 1.08))
    axes.legend(frameon=False, ncols=2)
    run.figure(
        "tradeoff", figure, "Largest distance that annealing met within each weight, n and k as those of the seed"
    )

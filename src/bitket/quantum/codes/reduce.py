"""Weight reduction under one name: a code in, a code of lighter checks out, with a certificate made from its matrices alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from bitket.errors import InvalidInput
from bitket.quantum.codes.annealing import AnnealingSettings, anneal
from bitket.quantum.codes.code import ClassicalCode, CssCode, Weights
from bitket.quantum.codes.distance import Distance
from bitket.quantum.codes.environment import TannerEnv, degree_targets
from bitket.quantum.codes.families import HypergraphProduct, hypergraph_product
from bitket.quantum.codes.generators import lightest_checks
from bitket.quantum.codes.hastings import hastings_reduction
from bitket.quantum.codes.splitting import classical_reduction

if TYPE_CHECKING:
    from bitket.learning.ppo import PPO, PPOSettings

LARGEST = 20_000
MOST_EXCHANGED = 2_500
"""Qubits of a code whose generators are exchanged for lighter ones: the time grows with their cube, 9 s for 1200."""

__all__ = ["Certificate", "Reduced", "Search", "WeightMethod", "certify", "reduce_weight"]

WeightMethod = Literal["ppo", "annealing", "classical", "generators", "hastings"]


@dataclass(frozen=True)
class Certificate:
    """What was computed from the matrices of a code: n, k, d with how it was found, weights, commutation.

    Attributes
    ----------
    distance
        None for codes of more than 20 000 qubits, where its search would take hours.
    at_least
        Below which no distance is possible: that of the input, where it was proven for the output, or 1.
    """

    n: int
    k: int
    distance: Distance | None
    weights: Weights
    commutes: bool
    at_least: int = 1

    def to_dict(self) -> dict[str, Any]:
        """As JSON can hold it."""
        d = self.distance
        return {
            "n": self.n,
            "k": self.k,
            "d": d and d.value,
            "d_at_least": d.value if d and d.exact else self.at_least,
            "exact": bool(d and d.exact),
            "method": d.method if d else f"not computed above {LARGEST} qubits",
            "trials": d.trials if d else 0,
            "hits": d.hits if d else 0,
            "check_weight": self.weights.check,
            "qubit_degree": self.weights.bit,
            "commutes": self.commutes,
        }


def certify(code: ClassicalCode | CssCode, **options: Any) -> Certificate:
    """Compute everything anew; options as in `bitket.quantum.codes.distance.least_word`."""
    commutes = True
    if isinstance(code, CssCode):
        product = code.sparse_x @ code.sparse_z.T
        commutes = not (product.data % 2).any()
    distance = code.distance(**options) if code.n <= LARGEST else None
    return Certificate(code.n, code.k, distance, code.weights, commutes)


@dataclass(frozen=True)
class Reduced:
    """A lighter code.

    Attributes
    ----------
    code
        Quantum: a product of `seed` where the input was classical.
    seed
        The classical factor, or None.
    certificate
        Of ``code``.
    evaluations
        Distances that the search measured.
    history
        One entry for each better code met on the way: evaluations, distance, potential.
    generators
        Weights of the checks of the input's own qubits that ``hastings`` began with, and that ``generators`` gives; else None.
    """

    code: CssCode
    seed: ClassicalCode | None
    certificate: Certificate
    evaluations: int
    history: list[dict[str, float]] = field(default_factory=list)
    generators: Weights | None = None


class Search:
    """A PPO search that goes on update by update; `state_dict` holds all that the next one depends on.

    Keeps the best code met: within the degree targets, then of largest distance. k <= 16, as the agent sees the distance after each edit.
    """

    def __init__(
        self,
        code: ClassicalCode,
        weight: int,
        distance: int | None,
        seed: int,
        settings: PPOSettings | None = None,
        environments: int = 8,
    ) -> None:
        import torch

        from bitket.learning.ppo import PPO, PPOSettings
        from bitket.quantum.codes.policy import TannerNetwork

        self.envs = [search_env(code, weight, distance, scramble=True) for _ in range(environments)]
        first = self.envs[0]
        self.settings = settings or PPOSettings(
            steps=max(256, 2 * first.horizon), epochs=4, batch=512, gamma=0.95, learning_rate=1e-3
        )

        def networks(generator: torch.Generator) -> tuple[TannerNetwork, TannerNetwork]:
            policy, critic = (
                TannerNetwork(first.rows, first.n, first.targets, generator, value=value) for value in (False, True)
            )
            return policy, critic

        self.agent: PPO = PPO(self.envs, self.settings, seed, networks)
        self.best: np.ndarray | None = None
        self.best_distance = 0
        self.history: list[dict[str, float]] = []
        self.reports: list[dict[str, float]] = []

    @property
    def evaluations(self) -> int:
        """Distances that were measured for steps of the agent."""
        return self.agent.total_steps

    @property
    def success(self) -> bool:
        """Whether a code of the target distance was met."""
        return self.best_distance >= self.envs[0].target_distance

    def update(self) -> dict[str, float]:
        """One update of the agent."""
        base = self.agent.total_steps
        seen = 0

        def visit(index: int, info: dict[str, Any]) -> None:
            nonlocal seen
            seen += 1
            env = self.envs[index]
            if info["distance"] > self.best_distance and env.light:
                self.best, self.best_distance = env.checks, env.distance
                self.history.append(_entry(base + seen, env))

        report = self.agent.update(visit)
        self.reports.append({"evaluations": self.evaluations, **report})
        return report

    def state_dict(self) -> dict[str, Any]:
        """Between two updates."""
        best = np.zeros((0, 0), np.uint8) if self.best is None else self.best
        return {
            "agent": self.agent.state_dict(),
            "best": best,
            "distance": self.best_distance,
            "history": self.history,
            "reports": self.reports,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Back to where `state_dict` was taken."""
        self.agent.load_state_dict(state["agent"])
        self.best = state["best"] if state["best"].size else None
        self.best_distance, self.history, self.reports = (
            state["distance"],
            list(state["history"]),
            list(state["reports"]),
        )


def search_env(
    code: ClassicalCode, weight: int, distance: int | None, *, look_ahead: bool = True, scramble: bool = False
) -> TannerEnv:
    """The environment of a search for a product of checks of at most ``weight``; ``scramble``: by up to as many edits as it has edges."""
    edits = int(code.checks.sum()) if scramble else 0
    return TannerEnv(code, *degree_targets(weight), distance, scramble=edits, look_ahead=look_ahead)


def _entry(evaluations: int, env: TannerEnv) -> dict[str, float]:
    return {"evaluations": evaluations, "distance": env.distance, "potential": env.potential}


def reduce_weight(
    code: ClassicalCode | CssCode,
    target: int = 6,
    method: WeightMethod = "annealing",
    *,
    distance: int | None = None,
    budget: int = 400_000,
    seed: int = 0,
    settings: PPOSettings | AnnealingSettings | None = None,
    progress: Callable[[int], Any] | None = None,
) -> Reduced:
    """A quantum code with checks of at most ``target`` and the k and at least the distance of the input, or of its product.

    Parameters
    ----------
    code
        Classical for ``ppo``, ``annealing`` and ``classical``: its product with itself is wanted, and searched through the factor; so is
        a product of a code with itself. ``generators`` and ``hastings`` take any CSS code, or the product of a classical one: the
        first looks for lighter checks of the same qubits (`lightest_checks`), up to 2500 of them, the second begins with these where the
        target is not met.
    distance
        Of the seed, for searches; None: as it is.
    budget
        Distances that a search measures at most.
    settings
        Of the search.
    progress
        Called with the evaluations done.

    Raises
    ------
    InvalidInput
        k = 0, a target that cannot be reached, or one that was not reached within the budget; or the result's distance was found to
        be smaller, as ``hastings`` can make it where a heavy Z check holds a logical operator.
    """
    if method not in get_args(WeightMethod):
        raise InvalidInput(f"method '{method}': there are {', '.join(get_args(WeightMethod))}")
    if not isinstance(code, ClassicalCode | CssCode):
        raise InvalidInput("weight reduction of a stabiliser code that is not CSS: a classical or a CSS code is needed")
    if distance is not None and method not in ("ppo", "annealing"):
        raise InvalidInput(f"distance {distance} for method {method}: only the searches, ppo and annealing, aim at one")
    if distance is not None and not 1 <= distance <= code.n:
        raise InvalidInput(f"distance {distance} of a code of length {code.n}: from 1 to its length are possible")
    if code.k == 0:
        raise InvalidInput("weight reduction of a code with k = 0: it holds nothing; k >= 1 is needed")
    if method in ("generators", "hastings"):
        css = code if isinstance(code, CssCode) else hypergraph_product(code)
        if method == "generators" and css.n > MOST_EXCHANGED:
            raise InvalidInput(f"lighter generators of {css.n} qubits: {MOST_EXCHANGED} are the most that are tried")
        result = _lighter(css, target, seed)
        generators = result.weights
        if method == "hastings":
            result = hastings_reduction(result, target)
        _reached(result, target, method)
        measured = certify(result, budget=200_000_000, trials=200)
        return Reduced(result, None, _kept(css, result, measured, method), 0, generators=generators)
    if isinstance(code, HypergraphProduct) and np.array_equal(code.first.checks, code.second.checks):
        code = code.first
    if isinstance(code, CssCode):
        raise InvalidInput(
            f"method {method} edits the classical factor of a product: give its check matrix, or use generators or hastings"
        )
    degrees = degree_targets(target)
    history: list[dict[str, float]] = []
    if method == "classical":
        found, done = classical_reduction(code, *degrees), 0
    elif method == "annealing":
        env = search_env(code, target, distance, look_ahead=code.k <= 16)
        best: list[Any] = [0, None]

        def visit(done: int) -> bool:
            if env.light and env.distance > best[0]:
                best[:] = env.distance, env.checks
                history.append(_entry(done, env))
            if progress is not None and done % 1000 == 0:
                progress(done)
            return env.success

        options = settings if isinstance(settings, AnnealingSettings) else None
        done = anneal(env, budget, np.random.default_rng(seed), options, visit)
        found = _found(best[1], best[0], env, target, done)
    else:
        options_ppo: Any = None if isinstance(settings, AnnealingSettings) else settings
        search = Search(code, target, distance, seed, options_ppo)
        while search.evaluations < budget and not search.success:
            search.update()
            if progress is not None:
                progress(search.evaluations)
        found = _found(search.best, search.best_distance, search.envs[0], target, search.evaluations)
        done, history = search.evaluations, search.history
    product = hypergraph_product(found)
    _reached(product, target, method)
    return Reduced(product, found, certify(product), done, history)


def _lighter(code: CssCode, target: int, seed: int) -> CssCode:
    """Generators of less total weight, where the target is not met and there are such."""
    if max(code.weights.check, code.weights.bit) <= target or code.n > MOST_EXCHANGED:
        return code
    found = lightest_checks(code, seed=seed)
    ones = [int(c.sparse_x.sum() + c.sparse_z.sum()) for c in (found, code)]
    return found if ones[0] < ones[1] else code


def _kept(code: CssCode, result: CssCode, found: Certificate, method: str) -> Certificate:
    """Prove that the result's distance is no smaller, where both can be searched; refuse it where it is."""
    distance = found.distance
    if distance is None:
        return found
    before = code.distance(budget=200_000_000)
    if not before.exact:
        return found
    kept = distance.value >= before.value
    if kept and not distance.exact:
        try:
            kept = result.distance_at_least(before.value)
        except InvalidInput:  # the budget of the search was spent
            return found
        found = replace(found, at_least=before.value)
    if not kept:
        low = f"{distance.value}" if distance.value < before.value else f"less than {before.value}"
        raise InvalidInput(
            f"method {method} reached weight {result.weights.check} with d = {low}; {before.value} is that of the input: "
            "cones lower it where a heavy Z check holds a logical operator, gauging within X checks"
        )
    return found


def _found(best: Any, distance: int, env: TannerEnv, target: int, done: int) -> ClassicalCode:
    if best is None or distance < env.target_distance:
        met = f"the best within it has d = {distance}" if best is not None else "none was met"
        raise InvalidInput(
            f"no code of weight {target} with n = {env.n}, k = {env.n - env.rows}, d >= {env.target_distance} in {done} evaluations; "
            f"{met}: a larger budget, weight or n, or a smaller distance is needed"
        )
    return ClassicalCode(best, f"found {env.n}, {env.n - env.rows}, {distance}")


def _reached(code: CssCode, target: int, method: str) -> None:
    if code.weights.check > target:
        raise InvalidInput(f"method {method} reached checks of weight {code.weights.check}; {target} was asked for")

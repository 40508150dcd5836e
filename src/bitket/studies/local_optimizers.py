"""Local optimisers for variational quantum classifiers: AQGD against COBYLA on the sentiment of reviews, beside classical classifiers.

Five principal components of word features, fitted on training texts alone, enter a five-qubit classifier. Every seed draws its own reviews,
split and start; optimisers of one seed share them. Runs of n epochs are the first n epochs of one longer run. An epoch is one iteration:
2P + 1 evaluations of AQGD, one of COBYLA; so both are also compared at equally many evaluations. How data enter the circuit is not in the
paper; it decides more than the optimiser, so several encodings are compared. Times go to a table, never into metrics.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal

from annotated_types import Ge, Gt, Lt

from bitket.errors import InvalidInput
from bitket.runs import Claim, Paper, Verdict

if TYPE_CHECKING:
    from bitket.runs import Run

PAPER = Paper(
    key="local-optimizers",
    title="Evaluating the Performance of Some Local Optimizers for Variational Quantum Classifiers",
    authors=("Nisheeth Joshi", "Pragya Katyayan", "Syed Afroz Ahmed"),
    year=2021,
    arxiv="2102.08949",
)
SUMMARY = "AQGD against COBYLA in a five-qubit sentiment classifier, by epochs, evaluations and time, with intervals and paired tests."


@dataclass(frozen=True)
class Config:
    """Settings; the paper gives data, components, circuit, epochs and models, the rest are the SDK's defaults of its time."""

    data: str = "imdb"
    """``imdb``, ``rotten_tomatoes``, ``restaurant`` (generated), or the path of a file of reviews."""
    size: Annotated[int, Ge(20)] = 1000
    test_part: Annotated[float, Gt(0), Lt(1)] = 0.2
    seeds: Annotated[int, Ge(1)] = 10
    words: Literal["tfidf", "bag", "lexicon"] = "tfidf"
    components: Annotated[int, Ge(2)] = 5
    encoding: Literal["ry", "z", "zz"] = "ry"
    """One RY a qubit, or the Z or ZZ feature map with two repetitions (``zz``: the SDK's default, near chance on these data)."""
    low: float = 0.0
    high: float = math.pi
    epochs: tuple[Annotated[int, Ge(2)], ...] = (100, 150)
    eta: float = 1.0
    momentum: Annotated[float, Ge(0), Lt(1)] = 0.25
    shots: Annotated[int, Ge(1)] | None = 1024
    """Of the models with shots; None leaves them out."""
    equal_cost: bool = True
    """Also give COBYLA and SPSA as many evaluations as AQGD has."""

    def __post_init__(self) -> None:
        if not self.epochs or list(self.epochs) != sorted(set(self.epochs)):
            raise InvalidInput(f"setting epochs={self.epochs}: growing numbers are needed")
        if not self.low < self.high:
            raise InvalidInput(f"settings low={self.low}, high={self.high}: low must be below high")


SCALES = {"quick": Config(size=200, seeds=5, shots=None, equal_cost=False), "full": Config()}

RANGES = {"0 to pi": (0.0, math.pi), "0 to 1": (0.0, 1.0)}
"""Ranges of angles among which encodings are compared."""
CLASSICAL = ("SVM", "gradient boosting", "random forest")
ENOUGH = 5
"""Seeds from which an order of models is judged."""


# -- claims --------------------------------------------------------------------------------------------------------------
def _figure(name: str, paper: float, m: Mapping[str, float], config: Config) -> Verdict:
    value, low, high = (m[f"AQGD-100/{name}{end}"] for end in ("", "/low", "/high"))
    measured = (
        f"AQGD-100 has {value:.3f} (95 % interval {low:.3f} to {high:.3f}, {config.seeds} seeds) on '{config.data}'"
    )
    if not config.data.endswith(".tsv"):
        return Verdict.untested(f"the number belongs to reviews that are on no registry; {measured}")
    return Verdict.of(value, low <= paper <= high, f"{measured}; {paper} must lie in it")


def _accuracy(m: Mapping[str, float], config: Config) -> Verdict:
    return _figure("accuracy", 0.77, m, config)


def _f_score(m: Mapping[str, float], config: Config) -> Verdict:
    return _figure("f_score", 0.785, m, config)


def _compared(one: str, other: str, m: Mapping[str, float], config: Config) -> Verdict:
    """Whether the accuracy of one model is above that of another: the paired interval over seeds lies above zero."""
    if config.seeds < ENOUGH:
        return Verdict.untested(f"{config.seeds} seeds; at least {ENOUGH} are needed to tell models apart")
    gain, low, high, p = (m[f"{one} - {other}/{end}"] for end in ("gain", "low", "high", "p"))
    reason = (
        f"{one} minus {other}: {gain:+.3f} accuracy, 95 % interval {low:+.3f} to {high:+.3f} over {config.seeds} seeds"
    )
    return Verdict.of(gain, low > 0, f"{reason}; McNemar's exact test over all test items p = {p:.2g}")


def _rivals(m: Mapping[str, float]) -> str:
    names = [key.removesuffix("/accuracy") for key in m if key.endswith("/accuracy")]
    rivals = [n for n in names if n in CLASSICAL or n in ("AQGD-150", "COBYLA-100", "COBYLA-150")]
    if not rivals:
        raise KeyError("AQGD-100/accuracy")  # nothing was measured: the claim stays untested
    return max(rivals, key=lambda n: m[f"{n}/accuracy"])


def _best_of_all(m: Mapping[str, float], config: Config) -> Verdict:
    return _compared("AQGD-100", _rivals(m), m, config)


def _beats_cobyla(m: Mapping[str, float], config: Config) -> Verdict:
    return _compared("AQGD-100", "COBYLA-100", m, config)


def _fewer_epochs(m: Mapping[str, float], config: Config) -> Verdict:
    return _compared("AQGD-100", "AQGD-150", m, config)


def _at_equal_cost(m: Mapping[str, float], config: Config) -> Verdict:
    return _compared("AQGD-100", "COBYLA with AQGD-100's evaluations", m, config)


def _beats_classical(m: Mapping[str, float], config: Config) -> Verdict:
    best = max(CLASSICAL, key=lambda n: m[f"{n}/accuracy"])
    return _compared("AQGD-100", best, m, config)


def _analytic(m: Mapping[str, float], config: Config) -> Verdict:
    value, angle = m["direction/relative_difference"], m["direction/degrees"]
    return Verdict.of(
        value,
        value < 1e-6,
        f"half differences of cross-entropy against its exact gradient, relative length; they point {angle:.1f} degrees apart",
    )


CLAIMS = (
    Claim("best_accuracy", "AQGD with 100 epochs classifies 77 % of the reviews rightly.", 0.77, _accuracy),
    Claim("best_f_score", "AQGD with 100 epochs has an F-score of 0.785.", 0.785, _f_score),
    Claim("best_of_seven", "AQGD with 100 epochs is the best of all seven models.", "highest", _best_of_all),
    Claim("beats_cobyla", "At 100 epochs AQGD is more accurate than COBYLA.", "higher", _beats_cobyla),
    Claim("fewer_epochs", "AQGD is more accurate after 100 epochs than after 150.", "higher", _fewer_epochs),
    Claim("beats_classical", "AQGD is more accurate than SVM, boosting and random forest.", "higher", _beats_classical),
    Claim(
        "at_equal_cost",
        "AQGD is more accurate than COBYLA given as many evaluations.",
        "not in the paper, which compares by epochs",
        _at_equal_cost,
    ),
    Claim("analytic_gradient", "AQGD follows the analytic gradient of its loss.", "implied by the name", _analytic),
)


# -- run -----------------------------------------------------------------------------------------------------------------
def run(config: Config, run: Run) -> Mapping[str, float]:
    """Train all models on every seed, measure, compare."""
    import numpy as np

    seeds = [run.step(f"seed {k}", partial(_seed, config, run, k)) for k in run.progress(range(config.seeds), "seeds")]
    models = list(seeds[0]["models"])
    metrics: dict[str, float] = {}
    for name in models:
        rows = [s["models"][name] for s in seeds]
        for measure in ("accuracy", "precision", "recall", "f_score"):
            mean, low, high = _interval([r[measure] for r in rows])
            metrics |= {f"{name}/{measure}": mean, f"{name}/{measure}/low": low, f"{name}/{measure}/high": high}
        metrics |= {
            f"{name}/accuracy/lowest": min(r["accuracy"] for r in rows),
            f"{name}/accuracy/highest": max(r["accuracy"] for r in rows),
        }
        if "evaluations" in rows[0]:
            metrics[f"{name}/evaluations"] = float(np.mean([r["evaluations"] for r in rows]))
            metrics[f"{name}/loss"] = float(np.mean([r["loss"] for r in rows]))
    quantum = [name for name in models if f"{name}/evaluations" in metrics]
    pairs = [(name, "SVM") for name in quantum]
    if "AQGD-100" in models:
        pairs += [("AQGD-100", name) for name in (*CLASSICAL[1:], *quantum) if name != "AQGD-100"]
    comparisons = [_paired(model, other, seeds) for model, other in pairs]
    for row in comparisons:
        key = f"{row['model']} - {row['against']}"
        metrics |= {f"{key}/{end}": row[end] for end in ("gain", "low", "high", "p")}
    for name in seeds[0]["encodings"]:
        metrics[f"encoding/{name}"] = float(np.mean([s["encodings"][name] for s in seeds]))
    for end in ("relative_difference", "degrees"):
        metrics[f"direction/{end}"] = float(np.mean([s["direction"][end] for s in seeds]))
    metrics["explained_variance"] = float(np.mean([s["explained"] for s in seeds]))
    _report(config, run, seeds, models, comparisons, metrics)
    return metrics


def _seed(config: Config, run: Run, k: int) -> dict[str, Any]:
    """All models on one draw of reviews: their measures, predictions and learning curves."""
    import numpy as np
    from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
    from sklearn.metrics import accuracy_score, precision_recall_fscore_support
    from sklearn.model_selection import train_test_split
    from sklearn.svm import SVC

    from bitket.data import TextFeatures

    generator = run.generator(f"seed {k}")
    reviews = _reviews(config, generator)
    train, test, y, y_test = train_test_split(
        list(reviews.texts),
        reviews.y,
        test_size=config.test_part,
        stratify=reviews.y,
        random_state=int(generator.integers(2**31)),
    )
    features = TextFeatures(config.components, config.words, low=config.low, high=config.high)
    X = features.fit_transform(train)
    X_test = features.transform(test)
    models: dict[str, dict[str, Any]] = {}
    curves: dict[str, dict[str, Any]] = {}

    def measured(name: str, predicted: Any, **more: float) -> None:
        precision, recall, f_score, _ = precision_recall_fscore_support(
            y_test, predicted, average="binary", zero_division=0.0
        )
        models[name] = {
            "accuracy": float(accuracy_score(y_test, predicted)),
            "precision": float(precision),
            "recall": float(recall),
            "f_score": float(f_score),
            "right": np.asarray(predicted) == y_test,
            **more,
        }
        run.log(seed=k, model=name, accuracy=models[name]["accuracy"], f_score=models[name]["f_score"])

    seed = int(generator.integers(2**31))
    classical = {
        "SVM": SVC(),
        "gradient boosting": GradientBoostingClassifier(random_state=seed),
        "random forest": RandomForestClassifier(random_state=seed),
    }
    full = TextFeatures(None, config.words)
    wide, wide_test = full.fit_transform(train), full.transform(test)
    for name, model in classical.items():
        measured(name, model.fit(X, y).predict(X_test))
        measured(f"{name}, all features", model.fit(wide, y).predict(wide_test))
    for label, (optimiser, shots, marks) in _optimisers(config).items():
        model = _classifier(config, config.encoding, optimiser, shots, seed)
        fits, curves[label] = _trained(model, marks, X, y)
        for name, (weights, found) in fits.items():
            model.weights_ = weights
            measured(name, model.predict(X_test), **found)
    return {
        "models": models,
        "curves": curves,
        "encodings": _encodings(config, train, test, y, y_test, seed),
        "direction": _direction(config, X, y, seed),
        "explained": features.explained_,
    }


def _reviews(config: Config, generator: Any) -> Any:
    from bitket.data import Texts, load

    if config.data == "restaurant":
        return load("restaurant", size=config.size, seed=int(generator.integers(2**31)))
    reviews = load(config.data)
    if not isinstance(reviews, Texts):
        raise InvalidInput(
            f"setting data={config.data}: reviews are needed, such as a .tsv file with the columns Review and Liked"
        )
    return reviews.sample(config.size, generator)


def _circuits(config: Config, encoding: str) -> tuple[Any, Any]:
    """Feature map and ansatz."""
    from bitket.quantum.circuits import angle_encoding, efficient_su2, z_feature_map, zz_feature_map

    n = config.components
    maps = {"ry": angle_encoding(n), "z": z_feature_map(n, 2), "zz": zz_feature_map(n, 2)}
    return maps[encoding], efficient_su2(n, 3, "full")


def _classifier(config: Config, encoding: str, optimiser: Any, shots: int | None, seed: int) -> Any:
    from bitket.quantum.variational.classifier import VQC

    return VQC(*_circuits(config, encoding), optimiser, shots=shots, random_state=seed)


def _encodings(config: Config, train: Any, test: Any, y: Any, y_test: Any, seed: int) -> dict[str, float]:
    """Accuracies of AQGD with exact gradients under several encodings and ranges of angles."""
    from bitket.data import TextFeatures
    from bitket.learning import AQGD

    found = {}
    for span, (low, high) in RANGES.items():
        features = TextFeatures(config.components, config.words, low=low, high=high)
        X = features.fit_transform(train)
        for encoding in ("ry", "z", "zz"):
            exact = AQGD(config.epochs[0], config.eta, config.momentum, mode="exact")
            model = _classifier(config, encoding, exact, None, seed).fit(X, y)
            found[f"{encoding}, {span}"] = float(model.score(features.transform(test), y_test))
    return found


def _optimisers(config: Config) -> dict[str, tuple[Any, int | None, dict[int, str]]]:
    """By label: an optimiser, shots, and the models that stand at some of its iterations."""
    from bitket.learning import AQGD, COBYLA, SPSA

    first, last = config.epochs[0], config.epochs[-1]
    sdk = AQGD(last, config.eta, config.momentum)
    exact = AQGD(last, config.eta, config.momentum, mode="exact")
    weights = 8 * config.components
    alike = first * (2 * weights + 1)
    cobyla = {n: f"COBYLA-{n}" for n in config.epochs}
    if config.equal_cost:
        cobyla[alike] = f"COBYLA with AQGD-{first}'s evaluations"
    found: dict[str, tuple[Any, int | None, dict[int, str]]] = {
        "AQGD": (sdk, None, {n: f"AQGD-{n}" for n in config.epochs}),
        "COBYLA": (COBYLA(max(cobyla)), None, cobyla),
        "AQGD, exact gradient": (exact, None, {n: f"AQGD-{n}, exact gradient" for n in config.epochs}),
    }
    if config.shots is not None:
        label = f"{config.shots} shots"
        found[f"AQGD, {label}"] = (sdk, config.shots, {n: f"AQGD-{n}, {label}" for n in config.epochs})
    if config.equal_cost:
        found["SPSA"] = (SPSA(alike // 2), None, {alike // 2: f"SPSA with AQGD-{first}'s evaluations"})
    return found


def _trained(
    model: Any, marks: dict[int, str], X: Any, y: Any
) -> tuple[dict[str, tuple[Any, dict[str, float]]], dict[str, Any]]:
    """One fit: weights, evaluations, loss and seconds of the models at the marks (or at the end, if it stopped before), and its curve."""
    import time

    import numpy as np

    rows: list[tuple[Any, float, float]] = []
    begin = time.perf_counter()

    def note(state: dict[str, Any]) -> None:
        # On a machine a gradient by parameter shift costs two evaluations a weight.
        cost = state["nfev"] + 2 * len(state["x"]) * state["njev"]
        rows.append((state["x"], float(cost), time.perf_counter() - begin))

    model.fit(X, y, callback=note)
    losses = np.array(model.result_.history)[: len(rows)]
    if model.result_.nfev == model.result_.nit:  # single values of a search that keeps its best point
        losses = np.minimum.accumulate(losses)
    fits = {}
    for mark, name in marks.items():
        weights, cost, seconds = rows[min(mark, len(rows)) - 1]
        loss = float(losses[min(mark, len(rows)) - 1])
        fits[name] = (weights, {"evaluations": cost, "loss": loss, "seconds": seconds})
    keep = np.unique(np.round(np.geomspace(1, len(rows), min(len(rows), 400))).astype(int)) - 1
    curve = {
        "epochs": keep + 1,
        "evaluations": np.array([r[1] for r in rows])[keep],
        "seconds": np.array([r[2] for r in rows])[keep],
        "loss": losses[keep],
    }
    return fits, curve


def _direction(config: Config, X: Any, y: Any, seed: int) -> dict[str, float]:
    """How far AQGD's first direction is from the gradient."""
    import numpy as np

    from bitket.algebra import PauliSum
    from bitket.learning.aqgd import half_differences
    from bitket.quantum.variational.classification_loss import ClassificationLoss

    feature_map, ansatz = _circuits(config, config.encoding)
    circuit = feature_map.compose(ansatz)
    loss = ClassificationLoss(circuit, PauliSum.from_list([("Z" * config.components, 1.0)]), X, y)
    start = np.random.default_rng(seed).uniform(0, 2 * np.pi, len(circuit.weights))
    _, exact = loss.value_and_gradient(start)
    _, half = half_differences(loss, start)
    cosine = half @ exact / np.linalg.norm(half) / np.linalg.norm(exact)
    return {
        "relative_difference": float(np.linalg.norm(half - exact) / np.linalg.norm(exact)),
        "degrees": float(np.degrees(np.arccos(np.clip(cosine, -1, 1)))),
    }


# -- statistics and report -----------------------------------------------------------------------------------------------
def _interval(values: Any) -> tuple[float, float, float]:
    """Mean and the ends of its 95 % t interval; of a single value, ends that say nothing."""
    import numpy as np
    from scipy import stats

    mean, n = float(np.mean(values)), len(values)
    if n == 1:
        return mean, -1.0, 1.0
    half = float(stats.t.ppf(0.975, n - 1) * np.std(values, ddof=1) / math.sqrt(n))
    return mean, mean - half, mean + half


def _paired(model: str, other: str, seeds: list[dict[str, Any]]) -> dict[str, Any]:
    """Gain in accuracy with its interval over seeds, and McNemar's exact test over the test items of all seeds."""
    import numpy as np
    from scipy import stats

    one, two = ([s["models"][name] for s in seeds] for name in (model, other))
    gain, low, high = _interval([a["accuracy"] - b["accuracy"] for a, b in zip(one, two, strict=True)])
    ours, theirs = (np.concatenate([r["right"] for r in rows]) for rows in (one, two))
    only, others = int((ours & ~theirs).sum()), int((~ours & theirs).sum())
    p = float(stats.binomtest(only, only + others).pvalue) if only + others else 1.0
    return {
        "model": model, "against": other, "gain": gain, "low": low, "high": high,
        "only it right": only, "only the other right": others, "p": p,
    }  # fmt: skip


def _report(
    config: Config,
    run: Run,
    seeds: list[dict[str, Any]],
    models: list[str],
    comparisons: list[dict[str, Any]],
    m: Mapping[str, float],
) -> None:
    import numpy as np

    def cell(name: str, measure: str) -> str:
        half = m[f"{name}/{measure}"] - m[f"{name}/{measure}/low"]
        return f"{m[f'{name}/{measure}']:.3f} ± {half:.3f}"

    rows = []
    for name in models:
        row: dict[str, Any] = {"model": name}
        row |= {k: cell(name, k.replace("-", "_")) for k in ("accuracy", "precision", "recall", "f-score")}
        if f"{name}/evaluations" in m:
            seconds = np.mean([s["models"][name]["seconds"] for s in seeds])
            row |= {
                "evaluations": round(m[f"{name}/evaluations"]),
                "training loss": round(m[f"{name}/loss"], 4),
                "seconds": round(float(seconds), 2),
            }
        rows.append(row)
    run.table("models", rows, f"Test measures, mean and 95 % interval over {config.seeds} seeds")
    shown = [
        {k: f"{v:.2g}" if k == "p" else round(v, 4) if isinstance(v, float) else v for k, v in row.items()}
        for row in comparisons
    ]
    encodings = []
    for name in seeds[0]["encodings"]:
        mean, low, _ = _interval([s["encodings"][name] for s in seeds])
        encoding, span = name.split(", ")
        encodings.append({"encoding": encoding, "angles": span, "accuracy": f"{mean:.3f} ± {mean - low:.3f}"})
    run.table(
        "encodings",
        encodings,
        f"Test accuracy after {config.epochs[0]} epochs of AQGD with exact gradients, by how data enter",
    )
    run.table("comparisons", shown, "Paired differences in accuracy; p by McNemar's exact test over all test items")
    items = round(config.size * config.test_part)
    run.note(
        f"Reviews: '{config.data}', {config.size} of them a seed, {items} to test: a single accuracy is uncertain by about "
        f"±{196 * math.sqrt(0.25 / items):.0f} points. The paper's restaurant reviews are on no registry and it reports single runs."
    )
    run.note(
        f"The {config.components} components hold {100 * m['explained_variance']:.1f} % of the variance of the "
        f"{config.words} features; rows 'all features' show what classical models do without this bottleneck."
    )
    run.note(
        "Not in the paper: the encoding, entanglement, angle range, start, step and momentum. The encoding of the main comparison was chosen "
        "on other draws of reviews, by validation within their training parts; the rest is as the SDK of its time had it."
    )
    run.figure(
        "curves",
        _curves(run, seeds),
        "Training loss by epochs, by evaluations of the loss, and by time: mean over seeds.",
    )
    run.figure(
        "accuracy",
        _accuracies(run, models, m),
        "Accuracy on test reviews with 95 % intervals over seeds; the dashed line is the paper's best, on other reviews.",
    )


def _curves(run: Run, seeds: list[dict[str, Any]]) -> Any:
    import numpy as np

    figure, panels = run.subplots(1, 3, width=10, height=3.6)
    for axis, axes in zip(("epochs", "evaluations", "seconds"), panels, strict=True):
        for label in seeds[0]["curves"]:
            curves = [s["curves"][label] for s in seeds]
            # A fit that stopped early keeps its last loss.
            grid = np.geomspace(min(c[axis][0] for c in curves), max(c[axis][-1] for c in curves), 200)
            axes.plot(grid, np.mean([np.interp(grid, c[axis], c["loss"]) for c in curves], axis=0), label=label)
        axes.set(xlabel={"epochs": "epochs (iterations)"}.get(axis, axis), xscale="log")
    panels[0].set_ylabel("training loss")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=5)
    return figure


def _accuracies(run: Run, models: list[str], m: Mapping[str, float]) -> Any:
    figure, axes = run.subplots(width=7, height=0.32 * len(models) + 1)
    for k, name in enumerate(reversed(models)):
        value = m[f"{name}/accuracy"]
        ends = [[value - m[f"{name}/accuracy/low"]], [m[f"{name}/accuracy/high"] - value]]
        colour = "#0072B2" if f"{name}/evaluations" in m else "#5b6475"
        axes.errorbar(value, k, xerr=ends, fmt="o", color=colour, capsize=3, markersize=4)
    axes.axvline(0.77, color="#D55E00", linestyle="--", linewidth=1)
    axes.set_yticks(range(len(models)), list(reversed(models)))
    axes.set(xlabel="accuracy")
    return figure

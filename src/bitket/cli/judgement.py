"""What ``bitket classify`` and ``predict`` do with their input: rows of a user's data, classifiers made for them, scores, figures."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitket.data import Images, load, read_samples
from bitket.errors import InvalidInput
from bitket.intervals import wilson
from bitket.quantum.learning.comparison import Estimate, difference, mcnemar, mean_accuracy
from bitket.quantum.learning.judging import cross_validated, under_noise
from bitket.quantum.learning.models import MODELS
from bitket.quantum.learning.models import model as model_of

__all__ = ["Choice", "Final", "Rows", "draw", "judged", "labelled", "plain", "read_rows"]

ATTACKS = ("fgsm", "bim", "pgd", "pgd-l2", "masked")
"""Of `robustness.named_attack`, and `masked_adam`, which changes no pixel of the background."""
_BASELINES = ("svm", "logistic")
_USES = {"label": "tables and npz files", "size": "folders of pictures", "colour": "folders of pictures"}
_NOISELESS = (*_BASELINES, "cnn", "vqc", "variational")
_ATTACKED = 200  # samples at most


@dataclass(frozen=True, eq=False)
class Rows:
    """Labelled samples.

    Attributes
    ----------
    X
        ``[N, d]``, or images ``[N, h, w]`` or ``[N, c, h, w]``.
    y
        Names of classes, ``[N]``.
    features
        Names of the columns of a table.
    source
        How it was read, for data to be labelled later: kind, label, size, colour.
    """

    X: NDArray[Any]
    y: NDArray[Any]
    features: tuple[str, ...]
    source: dict[str, Any]

    def __len__(self) -> int:
        return len(self.y)

    @property
    def flat(self) -> NDArray[Any]:
        """The samples as rows of numbers."""
        return self.X.reshape(len(self.X), -1)

    def describe(self) -> str:
        """A line about them."""
        names, counts = np.unique(self.y, return_counts=True)
        what = " x ".join(map(str, self.X.shape[1:])) + (" numbers" if self.X.ndim == 2 else " pixels")
        shown = ", ".join(f"{n} {c}" for n, c in zip(names[:12], counts, strict=False))
        return f"{len(self)} samples of {what} in {len(names)} classes: {shown}{', ...' if len(names) > 12 else ''}"


def read_rows(name: str, *place: Any, like: Rows | None = None) -> Rows:
    """Rows from a data set's name or a path; ``place`` is the part of an IDX folder (or nothing), then label, size, colour.

    Raises
    ------
    InvalidInput
        They cannot be read, are not labelled numbers or images, are of one class alone, or unlike the training rows.
    """
    part, (label, size, colour) = (place[0], place[1:]) if len(place) == 4 else ("train", place)
    path = Path(name)
    given: dict[str, Any] = {}
    if path.suffix.lower() in (".csv", ".tsv", ".npz"):
        given = {"label": label}
    elif path.is_dir():
        from bitket.data.idx import holds_idx

        sides = {} if size is None else {"height": size, "width": size}
        given = {"part": part} if holds_idx(path) else {**sides, "colour": colour}
    elif part != "train":
        given = {"part": part}
    for option, value, default in (("label", label, "label"), ("size", size, None), ("colour", colour, False)):
        if value != default and (option not in given and (option != "size" or "height" not in given)):
            raise InvalidInput(f"--{option}: {name} has no use for it; {_USES[option]} do")
    data = load(name, **given)
    if not hasattr(data, "classes"):
        raise InvalidInput(f"{name}: texts; a table of numbers or images are needed")
    if len(data.classes) < 2 or len(np.unique(data.y)) < 2:
        raise InvalidInput(f"{name}: one class of labels, {data.classes[0]!r}; two or more are needed")
    images = isinstance(data, Images)
    X = data.pixels if images else data.X
    X = np.moveaxis(X, -1, 1) if X.ndim == 4 else X
    y = np.array(data.classes)[data.y]
    source = {"kind": "images" if images else "table", "label": label, "size": size, "colour": colour}
    rows = Rows(X, y, () if images else tuple(data.features), source)
    if like is not None:
        _alike(rows, like, name)
    return rows


def _alike(rows: Rows, like: Rows, name: str) -> None:
    if rows.X.shape[1:] != like.X.shape[1:]:
        raise InvalidInput(f"{name}: samples of shape {rows.X.shape[1:]}; those to train on have {like.X.shape[1:]}")
    if rows.features != like.features:
        raise InvalidInput(
            f"{name}: columns {', '.join(rows.features)}; those to train on are {', '.join(like.features)}"
        )
    new = sorted(set(rows.y) - set(like.y))
    if new:
        raise InvalidInput(f"{name}: class {new[0]!s} is not among those to train on")


@dataclass(frozen=True)
class Choice:
    """A model of the table with the settings that were given."""

    model: str
    components: int | None = None
    epochs: int | None = None
    batch_size: int | None = None
    learning_rate: float | None = None

    def makers(self) -> dict[str, Callable[[int], Any]]:
        """The model, its classical twin and the baselines: fresh estimators for a seed."""
        entry = model_of(self.model)
        names: dict[str, tuple[str, dict[str, Any]]] = {self.model: (self.model, {})}
        if entry.twin == self.model:
            settings = ", ".join(f"{k} = {v}" for k, v in entry.twin_settings.items())
            names[f"{self.model}, {settings}"] = (self.model, dict(entry.twin_settings))
        for other in (entry.twin, *_BASELINES):
            if other and other not in names:
                names[other] = (other, dict(entry.twin_settings) if other == entry.twin else {})
        return {shown: self._maker(*made) for shown, made in names.items()}

    @property
    def twin(self) -> str | None:
        """The name of the twin among the makers."""
        entry = model_of(self.model)
        return list(self.makers())[1] if entry.twin else None

    def check(self, rows: Rows, attack: str | None, noise: Any) -> None:
        """Refuse, before any work, what the model could not take.

        Raises
        ------
        InvalidInput
            A setting, attack or noise would do nothing.
        """
        takes = inspect.signature(model_of(self.model).estimator()).parameters
        for name in ("epochs", "batch_size", "learning_rate"):
            if getattr(self, name) is not None and name not in takes and not (name == "epochs" and self.model == "vqc"):
                raise InvalidInput(f"--{name.replace('_', '-')}: model '{self.model}' has none")
        if self.components is not None and model_of(self.model).images:
            raise InvalidInput(f"--components: model '{self.model}' takes images or tables as they are")
        kernel = self.model == "kernel"
        if attack is not None and (self.model in _BASELINES or (kernel and len(np.unique(rows.y)) > 2)):
            raise InvalidInput(
                f"--attack: model '{self.model}'{' of more than two classes' if kernel else ''} has no gradient"
            )
        if noise is not None and (self.model in _NOISELESS or (kernel and isinstance(noise, str))):
            what = "--device" if isinstance(noise, str) else "--noise"
            raise InvalidInput(
                f"{what}: model '{self.model}' is not simulated with it; networks with quantum layers are"
            )

    def _maker(self, name: str, settings: Mapping[str, Any]) -> Callable[[int], Any]:
        make = model_of(name).estimator()
        takes = inspect.signature(make).parameters
        own = {k: getattr(self, k) for k in ("epochs", "batch_size", "learning_rate")}
        fixed = {k: v for k, v in own.items() if v is not None and k in takes} | dict(settings)
        if name == "vqc" and self.epochs is not None:
            from bitket.learning import AQGD

            fixed["optimizer"] = AQGD(self.epochs, mode="exact")

        def maker(seed: int) -> Any:
            made = make(**fixed, **({"random_state": seed} if "random_state" in takes else {}))
            if self.components is None:
                return made
            from sklearn.decomposition import PCA
            from sklearn.pipeline import Pipeline
            from sklearn.preprocessing import StandardScaler

            first = [("standardise", StandardScaler()), ("components", PCA(self.components, svd_solver="full"))]
            return Pipeline([*first, ("model", made)])

        return maker

    def samples(self, rows: Rows, shown: str) -> NDArray[Any]:
        """What the maker of that name takes."""
        return rows.X if MODELS[shown.partition(",")[0]].images else rows.flat


def judged(
    chosen: Choice,
    rows: Rows,
    held: Rows | None,
    folds: int,
    seeds: Sequence[int],
    track: Callable[..., Iterable[Any]],
) -> dict[str, Any]:
    """Cross-validated accuracies of the model, its twin and the baselines, and whether the quantum part helped."""
    makers = chosen.makers()
    width = rows.flat.shape[1]
    if chosen.components is not None and chosen.components > min(width, len(rows) - -(-len(rows) // folds)):
        raise InvalidInput(
            f"--components {chosen.components}: samples have {width} features, and {len(rows)} samples in {folds} folds give no more "
            f"than {len(rows) - -(-len(rows) // folds)}"
        )
    samples = {shown: chosen.samples(rows, shown) for shown in makers}
    try:
        scores = cross_validated(makers, samples, rows.y, folds, seeds, track)
    except InvalidInput as error:
        if "reduce them first" not in str(error):
            raise
        raise InvalidInput(
            f"{str(error).partition('; reduce')[0].partition(': reduce')[0]}: reduce them by --components"
        ) from None
    overlap = 1 / (folds - 1)
    first = scores[chosen.model]
    entries: dict[str, Any] = {}
    for shown, values in scores.items():
        mean = asdict(mean_accuracy(values, overlap))
        entry = {k: mean[k] for k in ("mean", "low", "high")} | {"values": values}
        if shown != chosen.model:
            entry["difference"] = asdict(difference(first, values, overlap))
        entries[shown] = entry
    twin = chosen.twin
    verdict = f"{chosen.model} is classical; there is no quantum part to judge."
    if twin is not None:
        verdict = _verdict(difference(first, scores[twin], overlap), twin, len(first))
    return {
        "model": chosen.model,
        "folds": folds,
        "seeds": len(seeds),
        "scores": entries,
        "twin": twin,
        "verdict": verdict,
    }


def _verdict(d: Estimate, twin: str, pairs: int) -> str:
    if math.isinf(d.low):
        return f"The {pairs} differences to the classical twin, {twin}, are all {100 * d.mean:+.1f} points: more folds or seeds are needed."
    width = f"{100 * d.mean:+.1f} points, 95 %: {100 * d.low:+.1f} to {100 * d.high:+.1f}, {pairs} pairs"
    if d.low > 0:
        return f"The quantum part helps against its classical twin, {twin} ({width})."
    if d.high < 0:
        return f"The quantum part is worse than its classical twin, {twin} ({width})."
    return f"No difference to the classical twin, {twin}, is shown ({width})."


DEFENDED = "trained against the attack"


class Final:
    """The model and its twin fitted once: to all training rows, or, if there are no test rows, to all but a fifth, on which they are judged."""

    def __init__(
        self,
        chosen: Choice,
        rows: Rows,
        held: Rows | None,
        seed: int,
        keep_all: bool,
        against: tuple[str, float] | None,
    ) -> None:
        self.chosen, self.rows, self.seed = chosen, rows, seed
        makers = chosen.makers()
        self.names = [chosen.model, *([chosen.twin] if chosen.twin else [])]
        train = rows
        if held is None:
            from sklearn.model_selection import StratifiedKFold

            parts = min(5, int(np.unique(rows.y, return_counts=True)[1].min()))
            split = StratifiedKFold(parts, shuffle=True, random_state=seed % 2**32).split(rows.flat, rows.y)
            kept, out = next(iter(split))
            train = Rows(rows.X[kept], rows.y[kept], rows.features, rows.source)
            held = Rows(rows.X[out], rows.y[out], rows.features, rows.source)
        self.held = held
        self.fitted = {n: makers[n](seed).fit(chosen.samples(train, n), train.y) for n in self.names}
        whole = self.fitted[chosen.model]
        if keep_all and train is not rows:
            whole = makers[chosen.model](seed).fit(chosen.samples(rows, chosen.model), rows.y)
        self.whole = whole
        if against is not None:  # judged beside the model as it was, and saved in its place
            from bitket.quantum.learning.robustness import hardened

            attack, epsilon = _attack(against[0]), against[1]
            model = self.fitted[chosen.model]
            defended = hardened(model, chosen.samples(train, chosen.model), train.y, epsilon, attack)
            same = whole is model
            self.fitted[DEFENDED] = defended
            self.whole = (
                defended if same else hardened(whole, chosen.samples(rows, chosen.model), rows.y, epsilon, attack)
            )

    def _right(self, name: str) -> NDArray[np.bool_]:
        return np.asarray(self.fitted[name].predict(self.chosen.samples(self.held, name)) == self.held.y)

    def tested(self) -> dict[str, Any]:
        """Accuracies on the test rows with Wilson's intervals, and McNemar's test of model and twin."""
        right = {name: self._right(name) for name in self.names}
        scores = {
            name: {"accuracy": float(r.mean()), "interval": list(wilson(int(r.sum()), len(r)))}
            for name, r in right.items()
        }
        out: dict[str, Any] = {"samples": len(self.held), "scores": scores}
        if len(right) == 2:
            out["mcnemar"] = asdict(mcnemar(*right.values()))
        return out

    def attacked(self, attack: str, epsilon: float, track: Callable[..., Iterable[Any]]) -> dict[str, Any]:
        """Accuracy of the model, and of its twin where it has a gradient, on perturbed samples."""
        from bitket.quantum.learning.differentiable import as_module
        from bitket.quantum.learning.robustness import robustness_curve

        budgets = [epsilon * k / 5 for k in range(6)]
        chosen = _attack(attack)
        accuracy: dict[str, list[float]] = {}
        count = min(len(self.held), _ATTACKED)
        for name in track(list(self.fitted), "attack"):
            like = self.chosen.model if name == DEFENDED else name
            model, X = self.fitted[name], self.chosen.samples(self.held, like)[:count]
            try:
                as_module(model)
            except InvalidInput:
                if like == self.chosen.model:
                    raise
                continue  # a twin without a gradient
            curve = robustness_curve(model, X, self.held.y[:count], budgets, chosen)
            accuracy[name] = curve.accuracy.tolist()
        return {"name": attack, "samples": count, "budgets": budgets, "accuracy": accuracy}

    def noisy(self, noise: Any) -> dict[str, Any]:
        """Accuracy of the model with noise in its circuits, and without."""
        model, X = self.fitted[self.chosen.model], self.chosen.samples(self.held, self.chosen.model)[:_ATTACKED]
        if hasattr(model, "steps"):
            X, model = model[:-1].transform(X), model[-1]
        y = self.held.y[: len(X)]
        found = under_noise(model, noise).predict(X)
        return {
            "samples": len(X),
            "accuracy": float(np.mean(found == y)),
            "exact": float(np.mean(model.predict(X) == y)),
        }

    def save(self, path: Path) -> None:
        """The model fitted to all training rows, with what it needs to read others."""
        from bitket.quantum.learning.saved import save

        flat = not MODELS[self.chosen.model].images
        self.whole.source_ = self.rows.source | {"features": list(self.rows.features), "flat": flat}
        save(self.whole, path)


def _attack(name: str) -> Any:
    from bitket.quantum.learning.attacks import masked_adam
    from bitket.quantum.learning.robustness import named_attack

    return masked_adam if name == "masked" else named_attack(name)


def labelled(path: Path, data: str) -> list[dict[str, Any]]:
    """A row for each sample of the data: its name, its label, and the label's probability where the model knows it.

    Raises
    ------
    InvalidInput
        The model or the data cannot be read, or do not fit each other.
    """
    from bitket.quantum.learning.saved import load as load_model

    model = load_model(path)
    source = getattr(model, "source_", {"label": "label", "size": None, "colour": False, "features": [], "flat": False})
    X, names, features = read_samples(
        data, source["label"], height=source["size"], width=source["size"], colour=source["colour"]
    )
    X = np.moveaxis(X, -1, 1) if X.ndim == 4 else X
    if source["features"] and features and Path(data).suffix.lower() != ".npz":
        missing = [name for name in source["features"] if name not in features]
        if missing:
            raise InvalidInput(f"{data}: there is no column '{missing[0]}', which {path} was trained on")
        X = X[:, [features.index(name) for name in source["features"]]]
    if source["flat"] and X.ndim > 2:
        X = X.reshape(len(X), -1)
    try:
        labels = model.predict(X)
        sure = model.predict_proba(X).max(axis=1) if hasattr(model, "predict_proba") else None
    except ValueError as error:
        raise InvalidInput(f"{data}: {str(error).splitlines()[0]}") from None
    rows: list[dict[str, Any]] = [{"sample": n, "label": str(k)} for n, k in zip(names, labels, strict=True)]
    if sure is not None:
        for row, p in zip(rows, sure.tolist(), strict=True):
            row["probability"] = p
    return rows


def draw(found: Mapping[str, Any], path: Path) -> None:
    """Accuracies of the folds with mean and interval, and the robustness curve if there is one."""
    from bitket.runs.figures import encoded, subplots
    from bitket.runs.files import write_bytes

    panels = 2 if "attack" in found else 1
    figure, axes = subplots(1, panels, width=5.5 * panels, height=1.2 + 0.5 * len(found["scores"]))
    left = axes[0] if panels == 2 else axes
    names = list(found["scores"])[::-1]
    for row, name in enumerate(names):
        entry, colour = found["scores"][name], "C1" if name == found["model"] else "C0"
        left.plot([100 * v for v in entry["values"]], [row] * len(entry["values"]), "o", color=colour, alpha=0.3)
        mean, low, high = (100 * min(1.0, max(0.0, entry[k])) for k in ("mean", "low", "high"))
        left.errorbar(mean, row + 0.2, xerr=[[mean - low], [high - mean]], fmt="d", color=colour, capsize=3)
    left.set(xlabel="accuracy on held-out folds, %", yticks=range(len(names)), yticklabels=names)
    if panels == 2:
        a = found["attack"]
        for name, values in a["accuracy"].items():
            axes[1].plot(a["budgets"], [100 * v for v in values], "o-", label=name)
        axes[1].set(xlabel=f"perturbation, {a['name']}", ylabel="accuracy, %", ylim=(-3, 103))
        axes[1].legend(frameon=False)
    kind = path.suffix[1:]
    write_bytes(path, encoded(figure, path.stem, (kind,))[kind])


def plain(value: Any) -> Any:
    """As JSON can hold it: None for what is not finite."""
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, list):
        return [plain(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value

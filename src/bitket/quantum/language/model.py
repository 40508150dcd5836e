"""A classifier of sentences: weights of words trained on labelled diagrams, read from the surviving outcomes.

    p_o = |<o, 0...0| C(θ) |0...0>|²,   P(label) = |p_o - ε| / Σ_o |p_o - ε|,   label = (number of outcomes) - 1 - o,   ε = 1e-9

The loss is the mean of -log2 P(label). Circuits that differ in their weights alone run as one batch. Words that few training sentences hold
can share the weights of one unknown word of their type, which then stands for words that training never saw.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator

from bitket.data.estimators import NotFitted, plain_labels
from bitket.errors import InvalidInput
from bitket.learning import SPSA, Adam, Optimiser, Result, batched, with_value
from bitket.learning.threads import one_thread
from bitket.quantum.circuits import Circuit, Parameter
from bitket.quantum.language.circuits import (
    Ansatz,
    CircuitFunctor,
    IQPAnsatz,
    SentenceCircuit,
    Sim14Ansatz,
    Sim15Ansatz,
    StronglyEntanglingAnsatz,
)
from bitket.quantum.language.diagram import Diagram
from bitket.quantum.simulation import density_matrix, statevector
from bitket.quantum.simulation.shots import draw, readout_probabilities
from bitket.runs.files import write_bytes

__all__ = ["UNKNOWN", "SentenceModel", "paper_spsa"]

UNKNOWN = "<UNK>"
"""The word that rare words of a type are trained as."""

_SMOOTHING = 1e-9
_DENSITY = 1 << 22  # entries of density matrices held at a time
_VERSION = 1
_ANSATZE: dict[str, type[Ansatz]] = {
    kind.__name__: kind for kind in (IQPAnsatz, Sim14Ansatz, Sim15Ansatz, StronglyEntanglingAnsatz)
}


def paper_spsa(gain: float, iterations: int = 2000) -> SPSA:
    """SPSA as in Lorenz et al. 2021: A = 0.01 iterations, c = 0.1, weights kept in [0, 1]; the gain is that of `SentenceModel.spsa_gain`."""
    return SPSA(iterations, a=gain, c=0.1, stability=0.01 * iterations, bounds=(0.0, 1.0))


@dataclass(frozen=True)
class _Group:
    """Circuits of one shape: rows of the batch, their weights in the model's vector."""

    template: Circuit
    rows: list[int]
    index: torch.Tensor
    survivors: torch.Tensor


class SentenceModel(BaseEstimator):
    """A classifier of diagrams in scikit-learn's manner: `fit` trains the weights of words.

    Parameters
    ----------
    functor
        From diagrams to circuits.
    optimiser
        Of `bitket.learning`; those with a gradient get the exact one. Default: Adam, 200 steps of 0.02 turns.
    shots
        For predictions; None for exact ones. Training is exact unless ``noise`` is given, too.
    noise
        A noise model, applied in training and prediction; exact density matrices.
    min_count
        Words that occur less often in training are trained as one unknown word of their type, `UNKNOWN`. It stands for words that training
        did not see; without it (as with 1, where no word is rare) they are refused by name.
    seed
        Of the start and the shots; each reading from shots begins with it anew.

    Attributes
    ----------
    classes_
        The labels, sorted; the last belongs to the first outcome.
    vocabulary_
        Names of the weights, in order.
    weights_
        ``[number of weights]``, in full turns.
    history_
        Loss of each step, in bits.
    """

    def __init__(
        self,
        functor: CircuitFunctor,
        optimiser: Optimiser | None = None,
        *,
        shots: int | None = None,
        noise: Any = None,
        min_count: int = 1,
        seed: int = 0,
    ) -> None:
        for name, number in (("shots", shots), ("min_count", min_count)):
            whole = isinstance(number, Integral) and not isinstance(number, bool) and number >= 1
            if not whole and (name, number) != ("shots", None):
                raise InvalidInput(f"{name} {number!r}: a positive whole number is needed")
        start: Any = seed
        if not isinstance(start, Integral) or isinstance(start, bool) or not 0 <= int(start) < 2**63:
            raise InvalidInput(f"seed {seed!r}: a whole number from 0 and below 2^63 is needed")
        self.functor, self.optimiser, self.shots, self.noise = functor, optimiser, shots, noise
        self.min_count, self.seed = min_count, seed

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "weights_")

    # -- preparing --------------------------------------------------------------------------------------------------
    def initialise(self, diagrams: Sequence[Diagram]) -> SentenceModel:
        """Give every word of the diagrams weights, uniform in [0, 1]; `fit` does so with its own."""
        return self._initialise([[p.name for p in c.circuit.weights] for c in map(self.functor, diagrams)])

    def _initialise(self, names: Sequence[Sequence[str]]) -> SentenceModel:
        self.vocabulary_ = tuple(dict.fromkeys(name for sentence in names for name in sentence))
        self._slots = {name: k for k, name in enumerate(self.vocabulary_)}
        self.weights_ = np.random.default_rng(self.seed).random(len(self.vocabulary_))
        return self

    def _rare(self, diagrams: Sequence[Diagram], extra: Sequence[Diagram]) -> list[list[str]]:
        """Names of the weights of each diagram, those of rare words changed to the unknown word's."""
        names = [[p.name for p in self.functor(d).circuit.weights] for d in (*diagrams, *extra)]
        counts = Counter(
            word for sentence in names[: len(diagrams)] for word in {n.rpartition("[")[0] for n in sentence}
        )
        return [
            [n if counts[n.rpartition("[")[0]] >= self.min_count else _unknown(n) for n in sentence]
            if self.min_count > 1
            else sentence
            for sentence in names
        ]

    def _slot(self, name: str, row: int) -> int:
        for known in (name, _unknown(name)):
            if known in self._slots:
                return self._slots[known]
        word, _, ty = name.rpartition("[")[0].rpartition(":")
        raise InvalidInput(
            f"sentence {row + 1}: word '{word}' was not in training (as {ty}), and no rare word of its type was"
        )

    def unseen(self, diagram: Diagram) -> list[str]:
        """Words of a diagram, sorted, that training did not have, or too seldom: the model reads them as `UNKNOWN`, or refuses them."""
        self._check()
        names = [p.name for p in self.functor(diagram).circuit.weights]
        return sorted({n.rpartition("[")[0].rpartition(":")[0] for n in names if n not in self._slots})

    def _groups(self, diagrams: Sequence[Diagram]) -> tuple[list[_Group], int]:
        shapes: dict[Any, tuple[SentenceCircuit, list[int], list[list[int]]]] = {}
        outcomes = set()
        for row, compiled in enumerate(map(self.functor, diagrams)):
            places: dict[Parameter, int] = {p: k for k, p in enumerate(compiled.circuit.weights)}
            compiled.require_small(f"sentence {row + 1}")
            blank = compiled.circuit.bind({p: Parameter(f"w[{k}]") for p, k in places.items()})
            key = (tuple(blank.instructions), blank.num_qubits, compiled.outputs)
            entry = shapes.setdefault(
                key, (SentenceCircuit(blank, compiled.postselected, compiled.outputs, compiled.scale), [], [])
            )
            entry[1].append(row)
            entry[2].append([self._slot(p.name, row) for p in places])
            outcomes.add(1 << len(compiled.outputs))
        if len(outcomes) != 1 or outcomes == {1}:
            raise InvalidInput("sentences: all must have the same output wires, with one qubit at least")
        groups = [
            _Group(
                c.circuit,
                rows,
                torch.tensor(index, dtype=torch.int64).reshape(len(rows), -1),
                torch.tensor(c.output_states()),
            )
            for c, rows, index in shapes.values()
        ]
        return groups, outcomes.pop()

    # -- evaluating -------------------------------------------------------------------------------------------------
    def _survivors(self, prepared: tuple[list[_Group], int], weights: torch.Tensor) -> torch.Tensor:
        """Probabilities of the surviving outcomes ``[..., sentences, outcomes]`` for weights ``[..., P]``."""
        groups, outcomes = prepared
        total = sum(len(g.rows) for g in groups)
        parts, rows = [], []
        for g in groups:
            chosen = weights[..., g.index]
            if self.noise is None:
                amplitudes = statevector(g.template, chosen)[..., g.survivors]
                parts.append(amplitudes.real**2 + amplitudes.imag**2)
            else:
                flat = chosen.reshape(-1, chosen.shape[-1])
                size = max(1, _DENSITY >> (2 * g.template.num_qubits))
                found = []
                for some in flat.split(size):
                    p = torch.diagonal(density_matrix(g.template, some, noise=self.noise), dim1=-2, dim2=-1).real
                    found.append(readout_probabilities(p.clamp_min(0), self.noise)[..., g.survivors])
                parts.append(torch.cat(found).reshape(*chosen.shape[:-1], outcomes))
            rows += g.rows
        order = torch.empty(total, dtype=torch.int64)
        order[torch.tensor(rows)] = torch.arange(total)
        return torch.cat(parts, dim=-2)[..., order, :]

    def _counted(self, diagrams: Sequence[Diagram]) -> torch.Tensor:
        """Surviving probabilities, or shares of the shots."""
        self._check()
        with torch.no_grad():
            p = self._survivors(self._groups(diagrams), torch.from_numpy(self.weights_))
            if self.shots is None:
                return p
            lost = (1 - p.sum(-1, keepdim=True)).clamp_min(0)
            generator = torch.Generator().manual_seed(self.seed)
            return draw(torch.cat([p, lost], -1), self.shots, generator)[..., :-1] / self.shots

    def success_probability(self, diagrams: Sequence[Diagram]) -> NDArray[np.float64]:
        """Probability ``[sentences]`` that all post-selected qubits are 0 (with shots: the share kept)."""
        return np.asarray(self._counted(diagrams).sum(-1).numpy())

    def predict_proba(self, diagrams: Sequence[Diagram]) -> NDArray[np.float64]:
        """Probabilities ``[sentences, classes]``; all equal where no shot survives."""
        return np.asarray(_normalised(self._counted(diagrams), self._width()).numpy())

    def predict(self, diagrams: Sequence[Diagram]) -> NDArray[Any]:
        """The likeliest label of each sentence; the first of several that are equally likely: `tied` tells which they are."""
        best = self.predict_proba(diagrams).argmax(-1)
        return best if not hasattr(self, "classes_") else np.asarray(self.classes_[best])

    def tied(self, diagrams: Sequence[Diagram]) -> NDArray[np.bool_]:
        """Whether several labels of a sentence are equally likely (to 1e-12), as where no shot survives: no label is told then."""
        p = np.sort(self.predict_proba(diagrams), axis=-1)
        return np.isclose(p[:, -1], p[:, -2], rtol=0, atol=1e-12)

    def score(self, diagrams: Sequence[Diagram], labels: ArrayLike) -> float:
        """Share of right predictions; a tie is none."""
        p = self.predict_proba(diagrams)
        ends = np.sort(p, axis=-1)
        clear = ~np.isclose(ends[:, -1], ends[:, -2], rtol=0, atol=1e-12)
        return float(np.mean(clear & (p.argmax(-1) == self._targets(labels).numpy())))

    def loss(self, diagrams: Sequence[Diagram], labels: ArrayLike) -> float:
        """Mean cross-entropy in bits, exact."""
        self._check()
        with torch.no_grad():
            return float(self._loss(self._groups(diagrams), self._targets(labels), torch.from_numpy(self.weights_)))

    def _width(self) -> int | None:
        """Number of classes; None before a fit: one for each outcome."""
        return len(self.classes_) if hasattr(self, "classes_") else None

    def _targets(self, labels: ArrayLike) -> torch.Tensor:
        """Index of each label among the classes of the fit; without a fit labels are indices."""
        given = _labels(labels)
        if not hasattr(self, "classes_"):
            if given.dtype.kind not in "iu" or (given.size and given.min() < 0):
                raise InvalidInput("labels of a model that is not fitted: whole numbers from 0 are needed")
            return torch.from_numpy(given.astype(np.int64))
        place = {label: k for k, label in enumerate(self.classes_.tolist())}
        strange = [label for label in given.tolist() if label not in place]
        if strange:
            raise InvalidInput(f"label {strange[0]!r} is not among those of the fit: {', '.join(map(repr, place))}")
        return torch.tensor([place[label] for label in given.tolist()], dtype=torch.int64)

    def _loss(self, prepared: Any, targets: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        p = _normalised(self._survivors(prepared, weights), self._width())
        right = p.gather(-1, targets.expand(p.shape[:-1])[..., None])
        return -right.clamp_min(1e-15).log2().mean(dim=(-2, -1))

    def spsa_gain(
        self, diagrams: Sequence[Diagram], labels: Sequence[int], iterations: int = 2000, starts: int = 1000
    ) -> float:
        """Gain a of SPSA with which early steps change a weight by 0.005: the mean of 0.005 (A + 1)^0.602 / |g| over random starts.

        g is the difference along random signs with c = 0.1, A = 0.01 ``iterations``.
        """
        self._check()
        random = np.random.default_rng([self.seed, 2])
        points = random.random((starts, len(self.vocabulary_)))
        signs = random.choice([-0.1, 0.1], points.shape)
        prepared, targets = self._groups(diagrams), self._targets(labels)
        with torch.no_grad():
            up, down = (
                self._loss(prepared, targets, torch.from_numpy(p)).numpy() for p in (points + signs, points - signs)
            )
        slopes = np.maximum(np.abs(up - down) / 0.2, 1e-10)
        return float(np.mean(0.005 * (0.01 * iterations + 1) ** 0.602 / slopes))

    def _check(self) -> None:
        if not hasattr(self, "weights_"):
            raise NotFitted("sentence model: it has no weights yet; call fit or initialise")

    # -- training ---------------------------------------------------------------------------------------------------
    def fit(
        self, diagrams: Sequence[Diagram], labels: ArrayLike, *, extra: Sequence[Diagram] = (), callback: Any = None
    ) -> SentenceModel:
        """Train.

        Parameters
        ----------
        diagrams, labels
            Sentences and their labels: texts, booleans or numbers, of two kinds at least and as many as there are outcomes at most.
            Outcomes without a class are discarded, as those with another post-selection are.
        extra
            Further diagrams whose words get weights, too; those that no training sentence has keep their random start (or, with
            ``min_count``, are the unknown word).
        callback
            As of the optimiser.

        Raises
        ------
        InvalidInput
            Nothing to train on, labels that do not fit, or sentences with other output wires than the others.
        """
        given = _labels(labels)
        if not len(diagrams) or len(diagrams) != len(given):
            raise InvalidInput(
                f"fit: {len(diagrams)} diagrams and {len(given)} labels; as many of both, at least 1, are needed"
            )
        classes = np.unique(given)
        if len(classes) < 2:
            raise InvalidInput(f"fit: one class of labels, {classes.tolist()[0]!r}; two or more are needed")
        self._initialise(self._rare(diagrams, extra))
        prepared = self._groups(diagrams)
        if len(classes) > prepared[1]:
            raise InvalidInput(f"fit: {len(classes)} classes of labels; the sentences have {prepared[1]} outcomes")
        self.classes_ = classes
        targets = self._targets(given)

        @batched
        def value(points: NDArray[np.float64]) -> NDArray[np.float64]:
            with torch.no_grad():
                return np.asarray(self._loss(prepared, targets, torch.from_numpy(points)).numpy())

        @with_value
        def slope(x: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
            weights = torch.tensor(x, requires_grad=True)
            loss = self._loss(prepared, targets, weights)
            loss.backward()
            assert weights.grad is not None
            return float(loss.detach()), weights.grad.numpy()

        optimiser = self.optimiser or Adam(iterations=200, learning_rate=0.02)
        with one_thread():
            result: Result = optimiser.minimize(
                value, self.weights_, slope, callback=callback, generator=np.random.default_rng([self.seed, 1])
            )
        self.weights_, self.history_ = result.x, [float(v) for v in result.history]
        return self

    def angles(self, compiled: SentenceCircuit) -> dict[str, float]:
        """Weights of one sentence's circuit by name, in full turns; unseen words have those of `UNKNOWN`."""
        self._check()
        names = [p.name for p in compiled.circuit.weights]
        return {name: float(self.weights_[self._slot(name, 0)]) for name in names}

    def save_weights(self) -> dict[str, float]:
        """Weights by name, in full turns."""
        self._check()
        return dict(zip(self.vocabulary_, self.weights_.tolist(), strict=True))

    # -- files -------------------------------------------------------------------------------------------------------
    def save(self, path: str | Path) -> None:
        """Write what predictions need into one safetensors file: the weights, and in its header, as JSON, all else.

        The optimiser is not kept: a loaded model predicts, and `fit` of it begins anew with the default.

        Raises
        ------
        InvalidInput
            The ansatz is of another class than the library's, or the folder cannot be written.
        NotFitted
            There are no weights yet.
        """
        from safetensors.numpy import save

        self._check()
        ansatz = self.functor.ansatz
        if _ANSATZE.get(type(ansatz).__name__) is not type(ansatz):
            raise InvalidInput(
                f"cannot save a model with the ansatz {type(ansatz).__name__}; {', '.join(_ANSATZE)} are known"
            )
        about = {
            "version": _VERSION,
            "ansatz": type(ansatz).__name__,
            "qubits": dict(ansatz.qubits),
            "layers": int(ansatz.layers),
            "single": int(ansatz.single),
            "vocabulary": list(self.vocabulary_),
            "classes": self.classes_.tolist() if hasattr(self, "classes_") else None,
            "shots": self.shots,
            "noise": None if self.noise is None else self.noise.to_dict(),
            "min_count": int(self.min_count),
            "seed": int(self.seed),
        }
        arrays = {"weights": self.weights_, "history": np.asarray(getattr(self, "history_", []), dtype=np.float64)}
        write_bytes(Path(path), save(arrays, metadata={"bitket.sentence": json.dumps(about)}))

    @classmethod
    def load(cls, path: str | Path) -> SentenceModel:
        """Read what `save` wrote: its predictions are the same, bit for bit.

        Raises
        ------
        InvalidInput
            There is no such file, it is damaged or something else, or of another version.
        """
        from safetensors import SafetensorError, safe_open

        if not Path(path).is_file():
            raise InvalidInput(f"{path}: there is no such file")
        try:
            with safe_open(path, framework="numpy") as file:
                about = json.loads((file.metadata() or {})["bitket.sentence"])
                weights, history = file.get_tensor("weights"), file.get_tensor("history")
        except (SafetensorError, KeyError, TypeError, ValueError, OSError):
            raise InvalidInput(f"{path}: not a sentence model, or a damaged one") from None
        if not isinstance(about, dict) or about.get("version") != _VERSION:
            version = about.get("version") if isinstance(about, dict) else None
            raise InvalidInput(f"{path}: a sentence model of version {version!r}; this bitket reads version {_VERSION}")
        try:
            return cls._restored(about, weights, history)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InvalidInput(f"{path}: not a sentence model, or a damaged one ({error})") from None

    @classmethod
    def _restored(cls, about: Mapping[str, Any], weights: NDArray[Any], history: NDArray[Any]) -> SentenceModel:
        from bitket.quantum.noise import NoiseModel

        vocabulary, classes = about["vocabulary"], about["classes"]
        numbers_fit = weights.dtype == history.dtype == np.float64 and np.isfinite(weights).all()
        if not numbers_fit or not all(isinstance(name, str) for name in vocabulary):
            raise ValueError("weights or their names are of a wrong type")
        if weights.shape != (len(vocabulary),) or len(set(vocabulary)) != len(vocabulary):
            raise ValueError(f"{len(vocabulary)} names of weights and weights of shape {weights.shape}")
        ansatz = _ANSATZE[about["ansatz"]](about["qubits"], about["layers"], about["single"])
        noise = None if about["noise"] is None else NoiseModel.from_dict(about["noise"])
        out = cls(
            CircuitFunctor(ansatz), shots=about["shots"], noise=noise, min_count=about["min_count"], seed=about["seed"]
        )
        out._initialise([vocabulary]).weights_ = weights
        out.history_ = history.tolist()
        if classes is not None:
            out.classes_ = np.unique(_labels(classes))
            if out.classes_.tolist() != classes:
                raise ValueError("its classes are not sorted")
        return out


def _unknown(name: str) -> str:
    """The weight of the unknown word in place of a word's: ``word:type[k]`` to ``<UNK>:type[k]``."""
    word, _, place = name.rpartition("[")
    return f"{UNKNOWN}:{word.rpartition(':')[2]}[{place}"


def _labels(labels: ArrayLike) -> NDArray[Any]:
    given = np.asarray(plain_labels(labels))
    if (
        given.ndim != 1
        or given.dtype.kind not in "OUTbiuf"
        or (given.dtype.kind == "f" and not np.isfinite(given).all())
    ):
        raise InvalidInput("labels: a list of texts, booleans or finite numbers, all of one kind, is needed")
    return given


def _normalised(p: torch.Tensor, classes: int | None = None) -> torch.Tensor:
    """Label probabilities: outcomes in reverse order (the first ``classes`` of them), smoothed, normalised."""
    smooth = (p.flip(-1)[..., :classes] - _SMOOTHING).abs()
    return smooth / smooth.sum(-1, keepdim=True)

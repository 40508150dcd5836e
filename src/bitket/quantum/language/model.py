"""Sentences to classes: word parameters trained through the circuits of their diagrams.

Of a circuit whose output is one qubit, with amplitudes a_b where all post-selected qubits are 0,

    P(b) = (|a_b|² - 1e-9)' / sum_b' (|a_b'|² - 1e-9)',        x' = |x|

and the post-selection succeeds with probability |a_0|² + |a_1|². Circuits of one shape are one batch. The loss is the cross-entropy in
bits. Source: Lorenz and others 2023 (arXiv:2102.12846).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from bitket.errors import InvalidInput
from bitket.learning import SPSA, batched
from bitket.quantum.language.circuits import CircuitFunctor, SentenceCircuit
from bitket.quantum.language.diagram import Diagram, Word, cup, spider
from bitket.quantum.language.parsing import PregroupParser
from bitket.quantum.language.rewriting import bend_nouns, functional_words
from bitket.quantum.language.types import GrammarError, Ty
from bitket.quantum.noise import NoiseModel
from bitket.quantum.simulation import expectation

__all__ = ["Compiled", "Reader", "SentenceModel", "grammar_reader", "read_as_bag", "read_as_sequence"]

Reader = Callable[[str], Diagram]
"""From a sentence to a diagram without inputs and with one output wire."""
_SMOOTHING = 1e-9


def grammar_reader(parser: PregroupParser, target: Ty = Ty("s")) -> Reader:  # noqa: B008 (immutable)
    """Parsed, relative pronouns as spiders, nouns bent."""
    return lambda sentence: bend_nouns(functional_words(parser.parse(sentence, target)))


def read_as_bag(sentence: str) -> Diagram:
    """Bag of words: all words, on wires s, merged by one spider; their order has no effect."""
    words = _words(sentence)
    diagram = Diagram.id(Ty())
    for word in words:
        diagram = diagram @ Word(word, Ty("s"))
    return diagram >> spider(len(words), 1, Ty("s"))


def read_as_sequence(sentence: str) -> Diagram:
    """Word sequence: a chain of cups through words of type s.r s, from a start."""
    s = Ty("s")
    diagram = Diagram.id(Ty()) @ Word("(start)", s)
    for word in _words(sentence):
        diagram = diagram @ Word(word, s.r @ s) >> cup(s, s.r) @ Diagram.id(s)
    return diagram


def _words(sentence: str) -> list[str]:
    words = sentence.rstrip(".?! ").split()
    if not words:
        raise GrammarError("an empty sentence has no words")
    return words


@dataclass(frozen=True)
class Compiled:
    """Sentences as circuits, gathered by shape: for each shape its circuit, the parameters of each sentence, and their places."""

    groups: tuple[tuple[SentenceCircuit, NDArray[np.int64], NDArray[np.int64]], ...]
    count: int


@dataclass
class SentenceModel:
    """A classifier of sentences in two classes; the class is the outcome of the diagram's output qubit.

    Attributes
    ----------
    reader
        Makes diagrams.
    functor
        Makes circuits.
    noise
        Of the circuits; None for none.
    shots
        Probabilities from that many shots, drawn by the generator of each call; None for exact ones.
    """

    reader: Reader
    functor: CircuitFunctor = field(default_factory=CircuitFunctor)
    noise: NoiseModel | None = None
    shots: int | None = None

    def __post_init__(self) -> None:
        if self.shots is not None and self.shots < 1:
            raise InvalidInput(f"shots {self.shots}: a positive number is needed")
        self.symbols: list[str] = []
        self.weights: NDArray[np.float64] = np.zeros(0)
        """In full turns, as the symbols."""
        self._place: dict[str, int] = {}

    def compile(self, sentences: Sequence[str], *, grow: bool = False) -> Compiled:
        """Circuits of sentences.

        Parameters
        ----------
        grow
            Take in words that the model does not know, as training does; else they keep the parameters 0.

        Raises
        ------
        GrammarError
            A sentence cannot be read, or its output is not one qubit.
        """
        groups: dict[tuple[object, ...], tuple[SentenceCircuit, list[list[int]], list[int]]] = {}
        for k, sentence in enumerate(sentences):
            circuit = self.functor(self.reader(sentence))
            if len(circuit.outputs) != 1:
                raise GrammarError(
                    f"sentence {sentence!r}: its output has {len(circuit.outputs)} qubits, one is needed"
                )
            if grow:
                for s in circuit.symbols:
                    if s not in self._place:
                        self._place[s] = len(self.symbols)
                        self.symbols.append(s)
            places = [self._place.get(s, -1) for s in circuit.symbols]
            _, rows, order = groups.setdefault(circuit.shape, (circuit, [], []))
            rows.append(places)
            order.append(k)
        made = tuple(
            (circuit, np.array(rows, np.int64).reshape(len(order), -1), np.array(order, np.int64))
            for circuit, rows, order in groups.values()
        )
        return Compiled(made, len(sentences))

    def outcomes(self, compiled: Compiled, weights: torch.Tensor) -> torch.Tensor:
        """Probabilities that post-selection succeeds with each outcome, ``[..., sentences, 2]``, for weights ``[..., symbols]``."""
        padded = torch.cat([weights, weights.new_zeros((*weights.shape[:-1], 1))], dim=-1)  # place -1: unknown words
        parts, order = [], []
        for circuit, places, indices in compiled.groups:
            angles = padded[..., torch.from_numpy(places)]
            projectors = self._projectors(circuit)
            given = angles if circuit.symbols else None
            values = expectation(circuit.circuit, projectors, given, noise=self.noise)
            parts.append(values.expand(*weights.shape[:-1], len(indices), 2))
            order.append(indices)
        return torch.cat(parts, dim=-2)[..., torch.from_numpy(np.argsort(np.concatenate(order))), :]

    def _projectors(self, circuit: SentenceCircuit) -> list[Any]:
        if not hasattr(self, "_kept"):
            self._kept: dict[Any, list[Any]] = {}
        if circuit.shape not in self._kept:
            self._kept[circuit.shape] = circuit.projectors()
        return self._kept[circuit.shape]

    def _probabilities(self, outcomes: torch.Tensor, generator: np.random.Generator | None) -> torch.Tensor:
        if self.shots is not None:
            if generator is None:
                raise InvalidInput("probabilities from shots need a generator")
            p = outcomes.detach().numpy().clip(0, 1)
            rest = np.clip(1 - p.sum(axis=-1, keepdims=True), 0, None)
            p = np.concatenate([p, rest], axis=-1)
            counts = generator.multinomial(self.shots, p / p.sum(axis=-1, keepdims=True))[..., :2]
            outcomes = torch.from_numpy(counts / self.shots)
        smooth = (outcomes - _SMOOTHING).abs()
        return smooth / smooth.sum(dim=-1, keepdim=True)

    def loss(
        self,
        compiled: Compiled,
        labels: torch.Tensor,
        weights: torch.Tensor,
        generator: np.random.Generator | None = None,
    ) -> torch.Tensor:
        """Mean cross-entropy in bits, ``[...]`` for weights ``[..., symbols]``."""
        p = self._probabilities(self.outcomes(compiled, weights), generator)
        chosen = p[..., torch.arange(len(labels)), labels]
        return -torch.log2(chosen.clamp_min(1e-12)).mean(dim=-1)

    def fit(
        self,
        sentences: Sequence[str],
        labels: Sequence[int],
        *,
        generator: np.random.Generator,
        epochs: int = 200,
        learning_rate: float = 0.05,
        optimiser: SPSA | None = None,
        progress: Callable[[int, float], None] | None = None,
    ) -> list[float]:
        """Train on sentences from random weights, uniform in [0, 1); the losses.

        Parameters
        ----------
        labels
            0 or 1 each: the wanted outcome.
        epochs, learning_rate
            Of Adam on exact gradients, used without ``optimiser``.
        optimiser
            SPSA; needed where probabilities come from shots.
        """
        if len(sentences) != len(labels) or not len(labels) or set(labels) - {0, 1}:
            raise InvalidInput("training: as many labels 0 or 1 as sentences are needed, at least one")
        if self.shots is not None and optimiser is None:
            raise InvalidInput("training from shots: exact gradients cannot be had, give an SPSA optimiser")
        self.symbols, self._place = [], {}
        compiled = self.compile(sentences, grow=True)
        start, wanted = generator.uniform(size=len(self.symbols)), torch.tensor(list(labels))
        if optimiser is not None:

            @batched
            def value(points: NDArray[np.float64]) -> NDArray[np.float64]:
                with torch.no_grad():
                    return self.loss(compiled, wanted, torch.from_numpy(points), generator).numpy()

            def report(state: dict[str, Any]) -> None:
                if progress is not None:
                    progress(state["nit"], state["fun"])

            found = optimiser.minimize(value, start, generator=generator, callback=report)
            self.weights = found.x
            return found.history
        weights = torch.tensor(start, requires_grad=True)
        adam = torch.optim.Adam([weights], lr=learning_rate)
        losses = []
        for epoch in range(epochs):
            adam.zero_grad()
            loss = self.loss(compiled, wanted, weights)
            loss.backward()
            adam.step()
            losses.append(float(loss.detach()))
            if progress is not None:
                progress(epoch + 1, losses[-1])
        self.weights = weights.detach().numpy().copy()
        return losses

    def _evaluated(self, sentences: Sequence[str]) -> torch.Tensor:
        with torch.no_grad():
            return self.outcomes(self.compile(sentences), torch.from_numpy(self.weights))

    def predict_proba(
        self, sentences: Sequence[str], generator: np.random.Generator | None = None
    ) -> NDArray[np.float64]:
        """Probabilities of the classes, ``[sentences, 2]``; half each where no shot survives."""
        return self._probabilities(self._evaluated(sentences), generator).numpy()

    def predict(self, sentences: Sequence[str], generator: np.random.Generator | None = None) -> NDArray[np.int64]:
        """Classes; -1 for a tie, which counts as an error."""
        p = self.predict_proba(sentences, generator)
        return np.where(p[:, 0] == p[:, 1], -1, p.argmax(axis=1))

    def score(
        self, sentences: Sequence[str], labels: Sequence[int], generator: np.random.Generator | None = None
    ) -> float:
        """Part of the sentences whose class is right."""
        return float(np.mean(self.predict(sentences, generator) == np.asarray(labels)))

    def success_probability(self, sentences: Sequence[str]) -> NDArray[np.float64]:
        """Probability that all post-selected qubits are 0, ``[sentences]``."""
        return self._evaluated(sentences).sum(dim=-1).numpy()

"""A classifier of sentences: weights of words trained on labelled diagrams, read from the surviving outcomes.

    p_o = |<o, 0...0| C(θ) |0...0>|²,   P(label) = |p_o - ε| / Σ_o |p_o - ε|,   label = (number of outcomes) - 1 - o,   ε = 1e-9

The loss is the mean of -log2 P(label). Circuits that differ in their weights alone run as one batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from bitket.errors import InvalidInput
from bitket.learning import SPSA, Adam, Optimiser, Result, batched, with_value
from bitket.learning.threads import one_thread
from bitket.quantum.circuits import Circuit, Parameter
from bitket.quantum.language.circuits import CircuitFunctor, SentenceCircuit
from bitket.quantum.language.diagram import Diagram
from bitket.quantum.simulation import density_matrix, statevector
from bitket.quantum.simulation.shots import draw, readout_probabilities

__all__ = ["SentenceModel", "paper_spsa"]

_SMOOTHING = 1e-9
_DENSITY = 1 << 22  # entries of density matrices held at a time


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


class SentenceModel:
    """Trains the weights of words.

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
    seed
        Of the start and the shots.

    Attributes
    ----------
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
        seed: int = 0,
    ) -> None:
        if shots is not None and (int(shots) != shots or shots < 1):
            raise InvalidInput(f"shots {shots}: a positive whole number is needed")
        self.functor, self.optimiser, self.shots, self.noise, self.seed = functor, optimiser, shots, noise, seed
        self.vocabulary_: tuple[str, ...] = ()
        self.weights_: NDArray[np.float64] = np.zeros(0)
        self.history_: list[float] = []
        self._slots: dict[str, int] = {}
        self._generator = torch.Generator().manual_seed(seed)

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Settings by name."""
        return {k: getattr(self, k) for k in ("functor", "optimiser", "shots", "noise", "seed")}

    # -- preparing --------------------------------------------------------------------------------------------------
    def initialise(self, diagrams: Sequence[Diagram]) -> SentenceModel:
        """Give every word of the diagrams weights, uniform in [0, 1]; `fit` does so with its own."""
        names = dict.fromkeys(p.name for c in map(self.functor, diagrams) for p in c.circuit.weights)
        self.vocabulary_ = tuple(names)
        self._slots = {name: k for k, name in enumerate(self.vocabulary_)}
        self.weights_ = np.random.default_rng(self.seed).random(len(names))
        return self

    def _groups(self, diagrams: Sequence[Diagram]) -> tuple[list[_Group], int]:
        shapes: dict[Any, tuple[SentenceCircuit, list[int], list[list[int]]]] = {}
        outcomes = set()
        for row, compiled in enumerate(map(self.functor, diagrams)):
            places: dict[Parameter, int] = {p: k for k, p in enumerate(compiled.circuit.weights)}
            unknown = [p.name for p in places if p.name not in self._slots]
            if unknown:
                raise InvalidInput(f"sentence {row + 1}: word '{unknown[0].split(':')[0]}' was not in training")
            blank = compiled.circuit.bind({p: Parameter(f"w[{k}]") for p, k in places.items()})
            key = (tuple(blank.instructions), blank.num_qubits, compiled.outputs)
            entry = shapes.setdefault(
                key, (SentenceCircuit(blank, compiled.postselected, compiled.outputs, compiled.scale), [], [])
            )
            entry[1].append(row)
            entry[2].append([self._slots[p.name] for p in places])
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
            return draw(torch.cat([p, lost], -1), self.shots, self._generator)[..., :-1] / self.shots

    def success_probability(self, diagrams: Sequence[Diagram]) -> NDArray[np.float64]:
        """Probability ``[sentences]`` that all post-selected qubits are 0 (with shots: the share kept)."""
        return np.asarray(self._counted(diagrams).sum(-1).numpy())

    def predict_proba(self, diagrams: Sequence[Diagram]) -> NDArray[np.float64]:
        """Probabilities ``[sentences, labels]``; all equal where no shot survives."""
        return np.asarray(_normalised(self._counted(diagrams)).numpy())

    def predict(self, diagrams: Sequence[Diagram]) -> NDArray[np.int64]:
        """The likeliest label of each sentence, -1 for a tie (as where no shot survives), which `score` counts as an error."""
        p = np.sort(probabilities := self.predict_proba(diagrams), axis=-1)
        tied = np.isclose(p[:, -1], p[:, -2], rtol=0, atol=1e-12)
        return np.where(tied, -1, probabilities.argmax(-1))

    def score(self, diagrams: Sequence[Diagram], labels: Sequence[int]) -> float:
        """Share of right predictions."""
        return float(np.mean(self.predict(diagrams) == np.asarray(labels)))

    def loss(self, diagrams: Sequence[Diagram], labels: Sequence[int]) -> float:
        """Mean cross-entropy in bits, exact."""
        self._check()
        with torch.no_grad():
            return float(self._loss(self._groups(diagrams), _targets(labels), torch.from_numpy(self.weights_)))

    def _loss(self, prepared: Any, targets: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        p = _normalised(self._survivors(prepared, weights))
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
        prepared, targets = self._groups(diagrams), _targets(labels)
        with torch.no_grad():
            up, down = (
                self._loss(prepared, targets, torch.from_numpy(p)).numpy() for p in (points + signs, points - signs)
            )
        slopes = np.maximum(np.abs(up - down) / 0.2, 1e-10)
        return float(np.mean(0.005 * (0.01 * iterations + 1) ** 0.602 / slopes))

    def _check(self) -> None:
        if not self.vocabulary_:
            raise InvalidInput("sentence model: it has no weights yet; call fit or initialise")

    # -- training ---------------------------------------------------------------------------------------------------
    def fit(
        self, diagrams: Sequence[Diagram], labels: Sequence[int], *, extra: Sequence[Diagram] = (), callback: Any = None
    ) -> SentenceModel:
        """Train.

        Parameters
        ----------
        diagrams, labels
            Sentences and whole numbers from 0 to (number of outcomes) - 1.
        extra
            Further diagrams whose words get weights, too; those that no training sentence has keep their random start.
        callback
            As of the optimiser.

        Raises
        ------
        InvalidInput
            Nothing to train on, labels that do not fit, or sentences with other output wires than the others.
        """
        if not len(diagrams) or len(diagrams) != len(labels):
            raise InvalidInput(
                f"fit: {len(diagrams)} diagrams and {len(labels)} labels; as many of both, at least 1, are needed"
            )
        self.initialise([*diagrams, *extra])
        prepared = self._groups(diagrams)
        targets = _targets(labels)
        if int(targets.min()) < 0 or int(targets.max()) >= prepared[1]:
            raise InvalidInput(f"fit: labels from 0 to {prepared[1] - 1} are needed")

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

    def save_weights(self) -> dict[str, float]:
        """Weights by name, in full turns."""
        return dict(zip(self.vocabulary_, self.weights_.tolist(), strict=True))


def _targets(labels: Sequence[int]) -> torch.Tensor:
    array = np.asarray(labels)
    if array.ndim != 1 or (array.size and not np.array_equal(array, np.floor(array))):
        raise InvalidInput("labels: a list of whole numbers is needed")
    return torch.from_numpy(array.astype(np.int64))


def _normalised(p: torch.Tensor) -> torch.Tensor:
    """Label probabilities: outcomes in reverse order, smoothed, normalised."""
    smooth = (p.flip(-1) - _SMOOTHING).abs()
    return smooth / smooth.sum(-1, keepdim=True)

"""The operator model: predict O d for a data state d, loss mean_s ½||O d_s - y_s||², gradient mean_s (O d_s - y_s) d_s^T.

The server sends, with a reference amplitude, (|0>|u> + |1> 2^n |o_unnormalised>)/N, N² = 1 + 4^n ||o||². The client lets the chip act under
the flag 1 and prepares y under the flag 0, post-selects the flag so that the difference O d - y is left, and appends d anew: a state of 2n
qubits, brought to the operation register's own basis. A flag of its own, cos b |0> + sin b |1> with cot b = rho/sqrt(2), keeps in |0> the
server's reference. What is kept of a copy is, unnormalised,

    sin b / (sqrt(2) N) · (rho |0>|u> + |1>|G>),       P = (rho² + ||G||²) / ((rho² + 2) N²).

For a batch, s stands in an index register whose projection on |+...+> leaves the mean gradient G; this succeeds with
||mean G_s||²/mean ||G_s||². Without it the index is traced out: a mixture of the G_s, with the same mean beside the reference.

Source: Daskin 2024, arXiv:2401.13421 (operator as a state, gradient as a state); the loss, both references and their weights are derived.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from bitket.errors import InvalidInput
from bitket.quantum.learning.federated.chip import FixedDesignChip, ZeroGradient
from bitket.quantum.learning.federated.copies import Array
from bitket.quantum.learning.federated.references import referenced

__all__ = ["Batch", "ErrorApparatus", "OperatorModel", "Samples", "gradient_state"]

Batch = Literal["superposition", "mixture"]
Floats = NDArray[np.float64]


class Samples:
    """A client's data: states ``[N, 2^n]`` and targets, unit vectors ``[N, 2^n]`` or signs ``[N]``.

    Raises
    ------
    InvalidInput
        There is none, or a shape or norm is another.
    """

    def __init__(self, states: Floats, targets: Floats) -> None:
        states, targets = np.asarray(states, dtype=float), np.asarray(targets, dtype=float)
        if states.ndim != 2 or not len(states) or targets.shape not in (states.shape, states.shape[:1]):
            raise InvalidInput(
                f"states of shape {states.shape} with targets of shape {targets.shape}: [N, 2^n] and [N, 2^n] or [N] are needed"
            )
        if not np.abs(np.linalg.norm(states, axis=1) - 1).max() < 1e-8:
            raise InvalidInput("data states: each must have norm 1")
        lengths = np.linalg.norm(targets, axis=1) if targets.ndim == 2 else np.abs(targets)
        if not np.abs(lengths - 1).max() < 1e-8:
            raise InvalidInput("targets: each must have norm 1 (or be 1 or -1)")
        self.states, self.targets = states, targets

    def __len__(self) -> int:
        return len(self.states)


class ErrorApparatus:
    """What a client of the operator model does to each copy; it holds the client's data and nothing of the operator."""

    def __init__(self, chip: FixedDesignChip, samples: Samples, reference: float, batch: Batch) -> None:
        if chip.basis != "real" or samples.states.shape != samples.targets.shape or len(samples.states.T) != chip.size:
            raise InvalidInput(
                f"operator model: a chip with the basis 'real' and states and targets [N, {chip.size}] are needed"
            )
        self._chip, self._batch = chip, batch
        sine = math.sqrt(2 / (reference**2 + 2))
        self._cosine, self._part = math.sqrt(1 - sine**2), sine / math.sqrt(2)
        d, y = samples.states, samples.targets
        if batch == "superposition":  # the index projected: the mean alone acts
            self._second, self._cross = (d.T @ d / len(d))[None], (y.T @ d / len(d))[None]
        else:
            chip.require_memory(2 * len(d), f"a mixture of the gradients of {len(d)} samples")
            share = math.sqrt(len(d))
            self._second = np.einsum("si,sj->sij", d, d) / share
            self._cross = np.einsum("si,sj->sij", y, d) / share
            self._cosine /= share

    def kraus(self, states: Array) -> Array:
        """See `Apparatus`: states of the flag and the operation register, one kept part a batch or a sample."""
        chip, size = self._chip, self._chip.elements
        zero, one = states[:, :size], states[:, size:]
        overlap = zero.sum(axis=1) / math.sqrt(size)  # <u|psi_0>: the reference after the Hadamards
        operators = chip.operator(one) / chip.size
        errors = operators[:, None] @ self._second - overlap[:, None, None, None] * self._cross
        out = np.empty((len(states), len(self._second), 2 * size), dtype=states.dtype)
        out[..., :size] = (self._cosine / math.sqrt(size)) * overlap[:, None, None]
        # vec(G)/... in the operation register's basis: coefficients times sqrt(2^n) have the norm of the matrix
        out[..., size:] = chip.coefficients(errors) * (self._part * math.sqrt(chip.size))
        return out


class OperatorModel:
    """The server's half: the operator, which never leaves it but as a state.

    Parameters
    ----------
    n
        Data qubits; states have 2^n amplitudes.
    classes
        The class of a sample is the likeliest outcome among the first ``classes`` of the chip's output.
    reference
        rho, weight of the reference amplitude beside a gradient; known to all.
    """

    kind = "operator"

    def __init__(self, n: int, classes: int, reference: float = 0.5) -> None:
        self.chip = FixedDesignChip(n)
        if not 2 <= classes <= self.chip.size:
            raise InvalidInput(
                f"{classes} classes on {n} data qubits: 2 to {self.chip.size}, one for each amplitude, are needed"
            )
        if not 0 < reference < math.inf:
            raise InvalidInput(f"reference {reference}: a positive weight is needed")
        self.classes, self.reference = classes, reference
        self.parameters: Floats = np.zeros(self.chip.elements)
        self.length = self.chip.elements  # entries of a gradient

    @property
    def operator(self) -> Floats:
        """O ``[2^n, 2^n]``."""
        return np.asarray(self.chip.operator(self.parameters), dtype=float)

    def state(self) -> Floats:
        """What is sent ``[2·4^n]``: the operator state with its reference. The zero operator is the reference alone."""
        return np.asarray(referenced(self.chip.size * self.parameters, 1.0))

    def gradient_scale(self) -> float:
        """g = scale · P r x of what a client keeps, in the parameters' own units."""
        norm2 = 1 + 4**self.chip.n * float(self.parameters @ self.parameters)
        rho = self.reference
        return norm2 * (rho**2 + 2) / rho / math.sqrt(self.chip.size)

    def sum_weight(self) -> float:
        """What multiplies x/r of a gradient state where it is added to the state sent."""
        return self.reference * math.sqrt(self.chip.size)

    def target(self, labels: NDArray[np.int64]) -> Floats:
        """Basis states ``[N, 2^n]`` of labels."""
        return np.asarray(np.eye(self.chip.size)[labels])

    def apparatus(self, samples: Samples, batch: Batch = "superposition") -> ErrorApparatus:
        """What a client does to a copy."""
        return ErrorApparatus(self.chip, samples, self.reference, batch)

    def loss(self, samples: Samples) -> float:
        """mean ½||O d - y||²."""
        difference = samples.states @ self.operator.T - samples.targets
        return float((difference**2).sum(axis=1).mean() / 2)

    def gradient(self, samples: Samples) -> Floats:
        """The exact gradient by its formula, in coefficients ``[4^n]``: the oracle of the protocol."""
        difference = samples.states @ self.operator.T - samples.targets
        return np.asarray(self.chip.coefficients(difference.T @ samples.states / len(samples)), dtype=float)

    def predict(self, states: Floats) -> NDArray[np.int64]:
        """The likeliest outcome of the chip's output, of the first ``classes``."""
        return np.asarray((states @ self.operator.T)[:, : self.classes] ** 2).argmax(axis=1)


def gradient_state(operator: Floats, samples: Samples) -> tuple[Floats, float, float]:
    """The mean gradient as a state |e>|d> summed over a batch, its norm, and the probability of projecting the index on |+...+>.

    Returns
    -------
    state, norm, probability
        ``[4^n]``, row-major (Choi order); ||mean G_s||; ||mean G_s||²/mean ||G_s||².

    Raises
    ------
    ZeroGradient
        The mean gradient is zero.
    """
    errors = samples.states @ np.asarray(operator, dtype=float).T - samples.targets
    mean = errors.T @ samples.states / len(samples)
    norm = float(np.linalg.norm(mean))
    if norm == 0:
        raise ZeroGradient(f"the gradient of {len(samples)} samples is zero: no state stands for it")
    return (mean / norm).ravel(), norm, norm**2 / float((errors**2).sum(axis=1).mean())

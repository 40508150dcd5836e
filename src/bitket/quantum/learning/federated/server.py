"""The server: it sends the operator as a state, reads or adds the clients' gradient states, and takes a step of gradient descent.

    synchronous:    o <- o - eta sum_c w_c g_c,      w_c = N_c / sum of N over the clients that answered;
    asynchronous:   o <- o - eta/(1 + tau) w_c C g_c on each arrival; tau updates came between its operator and its answer.

"estimated" measures the copies, g = scale · share · r x (`references.read`). "coherent" adds the states themselves, o with all g, by a linear
combination with an ancilla (`references.coherent_sum`); since one copy of the new state takes one of the old and of every gradient, each of
which takes 1/share of the old, the copies for one of the last state multiply from round to round.

Source: Daskin 2024, arXiv:2401.13421 (aggregation of gradient states, asynchronous mode); eta/(1 + tau) is an inferred default.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np

from bitket.errors import InvalidInput
from bitket.quantum.learning.federated.client import Gradient, named_generator
from bitket.quantum.learning.federated.copies import Array, Copies
from bitket.quantum.learning.federated.operator_model import Floats, Samples
from bitket.quantum.learning.federated.references import coherent_sum, read

__all__ = ["Model", "Rule", "Server", "Update", "copies_for"]

Rule = Literal["estimated", "coherent"]
_FAR = 1e6
"""A norm of the parameters, over that of the target, beyond which descent has diverged."""


class Model(Protocol):
    """A model's half that the server has."""

    kind: str
    parameters: Floats
    length: int
    reference: float
    chip: Any

    def state(self) -> Floats:
        """What is sent."""

    def gradient_scale(self) -> float:
        """Gradient over share · r x."""

    def loss(self, samples: Samples) -> float:
        """Mean loss."""

    def predict(self, states: Floats) -> Any:
        """Classes."""


@dataclass(frozen=True)
class Update:
    """One step.

    Attributes
    ----------
    used
        Clients whose gradients came into it.
    error
        Expected 2-norm of the error of the mean gradient, from finite copies.
    probability
        Of the coherent sum; 1 where the gradients are read.
    """

    used: tuple[str, ...]
    error: float
    probability: float


class Server:
    """A server.

    Parameters
    ----------
    model
        `OperatorModel` or `CircuitModel`.
    rule
        ``"estimated"`` or ``"coherent"`` (operator model, synchronous).
    eta
        Step size.
    asynchronous
        Step on every arrival.
    most_stale
        Answers that are staler are dropped.
    seed
        Of the outcomes of its measurements.
    """

    def __init__(
        self,
        model: Model,
        rule: Rule = "estimated",
        eta: float = 1.0,
        *,
        asynchronous: bool = False,
        most_stale: int = 5,
        seed: int = 0,
    ) -> None:
        if rule not in ("estimated", "coherent"):
            raise InvalidInput(f"server with the rule {rule!r}: 'estimated' and 'coherent' are known")
        if rule == "coherent" and (model.kind != "operator" or asynchronous):
            raise InvalidInput("the coherent rule adds operator states: it needs the operator model, synchronous")
        if not 0 < eta < math.inf:
            raise InvalidInput(f"server with the step {eta}: a positive number is needed")
        self.model, self.rule, self.eta = model, rule, eta
        self.asynchronous, self.most_stale = asynchronous, most_stale
        self.version = 0
        self.diverged = False
        self.log10_copies = 0.0
        """Coherent rule: log10 of the copies of the first state that one copy of the present one has taken, in expectation."""
        self._scales: dict[int, float] = {}
        self._generator = named_generator(seed, "server", "")

    def operator(self, copies: int | None = None) -> Copies:
        """Copies of the present operator's state."""
        self._scales[self.version] = self.model.gradient_scale()
        for old in [v for v in self._scales if v < self.version - self.most_stale - 1]:
            del self._scales[old]
        return Copies(np.asarray(self.model.state())[None], copies)

    def take(self, gradients: Sequence[Gradient], samples: Mapping[str, int]) -> Update:
        """Step by the answers of one round; those of which no copy came are left out.

        Parameters
        ----------
        gradients
            Answers to the present operator, in any order.
        samples
            N_c of every client.
        """
        usable = sorted((g for g in gradients if g.copies.number != 0), key=lambda g: g.client)
        update = Update((), 0.0, 1.0)
        if usable:
            total = sum(samples[g.client] for g in usable)
            weights = np.array([samples[g.client] / total for g in usable])
            update = self._summed(usable, weights) if self.rule == "coherent" else self._estimated(usable, weights)
        self._stepped()
        return update

    def take_one(self, gradient: Gradient, weight: float) -> Update | None:
        """Step by one answer, with its staleness; ``weight`` is w_c C. None if it was dropped, too stale or empty."""
        stale = self.version - gradient.round
        if stale > self.most_stale or gradient.copies.number == 0:
            return None
        update = self._estimated([gradient], np.array([weight / (1 + stale)]))
        self._stepped()
        return update

    def _estimated(self, gradients: Sequence[Gradient], weights: Floats) -> Update:
        step: Floats = np.zeros(self.model.length)
        variance = 0.0
        for g, weight in zip(gradients, weights, strict=True):
            reading = read(g.copies, self._generator)
            factor = self._scales[g.round] * g.share
            step += weight * factor * reading.product
            variance += (weight * factor * reading.error) ** 2
        self.model.parameters = self.model.parameters - self.eta * step[: len(self.model.parameters)]
        return Update(tuple(g.client for g in gradients), math.sqrt(variance), 1.0)

    def _summed(self, gradients: Sequence[Gradient], weights: Floats) -> Update:
        model: Any = self.model
        factors = -self.eta * weights * model.sum_weight()
        probability = 0.0

        def together(ensembles: list[Array]) -> None:
            nonlocal probability
            if any(len(e) > 1 for e in ensembles):
                raise InvalidInput(
                    "the coherent rule adds pure states: it needs a channel without noise and tapping, and no batch in mixture"
                )
            state, probability = coherent_sum([e[0] for e in ensembles], factors)
            zero, one = np.split(state, 2)
            # |u> has the weight 1 beside 2^n o. The simulation keeps the numbers; the server of the protocol keeps the state.
            model.parameters = np.real(one) / (np.real(zero.sum()) / math.sqrt(len(zero))) / model.chip.size

        Copies.joined([self.operator(), *(g.copies for g in gradients)], together)
        taken = 1 + sum(1 / max(g.share, 1e-300) for g in gradients)
        self.log10_copies += math.log10(taken / probability)
        return Update(tuple(g.client for g in gradients), 0.0, probability)

    def _stepped(self) -> None:
        self.version += 1
        size = float(np.linalg.norm(self.model.parameters))
        self.diverged = self.model.kind == "operator" and not size < _FAR  # true of nan


def copies_for(model: Model, gradient_norm: float, error: float) -> int:
    """Copies of the operator that one client needs to get its gradient to a 2-norm error, with the state as it is now.

    Of M copies, P M are kept and D/4 bounds the squared error of r x from one: error² = scale² P D/(4 M).

    Raises
    ------
    InvalidInput
        The error is not positive.
    """
    if not 0 < error < math.inf:
        raise InvalidInput(f"copies for an error of {error}: a positive number is needed")
    rho, scale = model.reference, abs(model.gradient_scale())
    if model.kind == "operator":  # in the parameters' units, the gradient as a matrix has sqrt(2^n) times the norm
        norm2 = 1 + 4**model.chip.n * float(model.parameters @ model.parameters)
        share = (rho**2 + model.chip.size * gradient_norm**2) / ((rho**2 + 2) * norm2)
    else:
        m = len(model.parameters)
        share = (rho**2 + 4 * gradient_norm**2) / ((rho**2 + m) * model.chip.elements)
    return math.ceil(scale**2 * share * model.length / (4 * error**2))

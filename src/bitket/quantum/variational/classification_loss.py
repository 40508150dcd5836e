"""Mean loss of a circuit's class probabilities: for many weights at once, and its gradient.

    p_1(x; w) = (1 - <O>(x; w)) / 2,      L(w) = mean_i l(p_1(x_i; w), y_i)
    dL/dw_j = mean_i dl/dp (x_i) · (-1/2) d<O>(x_i; w)/dw_j

O has eigenvalues ±1, such as the parity Z...Z: eigenvalue +1 (even) is class 0, -1 (odd) class 1. The gradient of <O> is exact (adjoint
walk) or a parameter shift, and the chain rule does the rest. Half differences of L itself are not its gradient, as l is not linear in p.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from bitket.algebra import PauliSum
from bitket.errors import InvalidInput
from bitket.quantum.circuits import Circuit
from bitket.quantum.simulation import expectation
from bitket.quantum.simulation.expectations import GradientMethod

__all__ = ["ClassificationLoss", "LossName", "class_one_probabilities"]

Array = NDArray[np.float64]
LossName = Literal["cross_entropy", "squared"]
_MOST = 1 << 24  # amplitudes simulated at once: larger requests are cut


def class_one_probabilities(
    circuit: Circuit,
    operator: PauliSum,
    points: Array,
    X: Array,
    shots: int | None = None,
    generator: np.random.Generator | None = None,
) -> Array:
    """Probabilities ``[k, N]`` of class 1 for weights ``[k, P]`` and samples ``[N, d]``.

    With ``shots`` they are frequencies: one shot of an observable with values ±1 is a coin with the exact probability.
    """
    at_once = max(1, _MOST // (len(X) << circuit.num_qubits))
    parts = []
    with torch.no_grad():
        for start in range(0, len(points), at_once):
            some = torch.from_numpy(np.ascontiguousarray(points[start : start + at_once]))
            parts.append(expectation(circuit, operator, some[:, None, :], torch.from_numpy(X)).numpy())
    p = np.clip((1 - np.concatenate(parts)) / 2, 0.0, 1.0)
    if shots is None:
        return np.asarray(p)
    assert generator is not None
    return np.asarray(generator.binomial(shots, p) / shots)


class ClassificationLoss:
    """The loss of weights on samples: a batched function with gradient, as `bitket.learning` optimisers take it.

    Parameters
    ----------
    circuit
        Inputs are features, weights are trained.
    operator
        With eigenvalues ±1.
    X, y
        Samples ``[N, d]`` and labels 0 and 1, ``[N]``.
    loss
        ``"cross_entropy"``: -log of the right class's probability, which is clipped at 1e-10. ``"squared"``: (p_1 - y)².
    shots, generator
        Shots for each probability, drawn from the generator; None for exact ones.
    gradient
        How the gradient of <O> is taken: see `bitket.quantum.simulation.expectation`.
    """

    batch = True
    with_value = True

    def __init__(
        self,
        circuit: Circuit,
        operator: PauliSum,
        X: Array,
        y: NDArray[np.int64],
        loss: LossName = "cross_entropy",
        *,
        shots: int | None = None,
        generator: np.random.Generator | None = None,
        gradient: GradientMethod = "auto",
    ) -> None:
        if loss not in ("cross_entropy", "squared"):
            raise InvalidInput(f"loss '{loss}': 'cross_entropy' and 'squared' are known")
        if shots is not None and (shots < 1 or generator is None):
            raise InvalidInput(f"shots {shots}: a positive number and a generator are needed")
        self.circuit, self.operator, self.X, self.loss = circuit, operator, X, loss
        self.shots, self.generator, self._gradient = shots, generator, gradient
        self._ones = torch.from_numpy(np.asarray(y, dtype=float))

    def __call__(self, points: Array) -> Array:
        """Losses ``[k]`` at weights ``[k, P]``."""
        p = class_one_probabilities(self.circuit, self.operator, points, self.X, self.shots, self.generator)
        return np.asarray(self._mean(torch.from_numpy(p)).numpy())

    def _mean(self, p: torch.Tensor) -> torch.Tensor:
        """Mean losses ``[...]`` of probabilities ``[..., N]``."""
        if self.loss == "squared":
            return ((p - self._ones) ** 2).mean(-1)
        right = 1 - self._ones + (2 * self._ones - 1) * p
        return -right.clamp_min(1e-10).log().mean(-1)

    def value_and_gradient(self, point: Array) -> tuple[float, Array]:
        """Loss and its gradient ``[P]`` at weights ``[P]``."""
        w = torch.tensor(point, dtype=torch.float64, requires_grad=True)
        draws = None
        if self.shots is not None and self.generator is not None:
            draws = torch.Generator().manual_seed(int(self.generator.integers(2**62)))
        z = expectation(
            self.circuit,
            self.operator,
            w,
            torch.from_numpy(self.X),
            shots=self.shots,
            generator=draws,
            gradient=self._gradient,
        )
        value = self._mean((1 - z) / 2)
        (slope,) = torch.autograd.grad(value, w)
        return float(value.detach()), slope.numpy()

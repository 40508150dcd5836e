"""A circuit as a PyTorch layer: data in, expectation values out, gradients for data and weights in one walk back."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch

from bitket.algebra import PauliSum
from bitket.errors import InvalidInput
from bitket.quantum.circuits import Circuit
from bitket.quantum.simulation import measured, operator
from bitket.quantum.simulation.expectations import GradientMethod, expectation
from bitket.quantum.simulation.program import Noise

__all__ = ["QuantumLayer"]


class QuantumLayer(torch.nn.Module):
    """Expectation values of a circuit as a function of its inputs, with its weights as trainable parameters.

    Parameters
    ----------
    circuit
        Inputs are the layer's features, weights its parameters.
    operators
        One Pauli sum for each output feature.
    weights
        Start values ``[number of weights]``; by default uniform in [-pi, pi) from ``generator``.
    generator
        Source of the start values and of shots; needed where either is drawn.
    noise, shots, gradient
        As for `expectation`.
    dtype
        Precision of weights and simulation.

    Examples
    --------
    >>> from bitket.quantum.circuits import Circuit, Parameter
    >>> c = Circuit(2).ry(Parameter("x0", "input"), 0).ry(Parameter("x1", "input"), 1).cx(0, 1).rx(Parameter("w"), 1)
    >>> layer = QuantumLayer(c, [PauliSum.parse("ZI"), PauliSum.parse("IZ")], generator=torch.Generator().manual_seed(0))
    >>> model = torch.nn.Sequential(torch.nn.Linear(4, 2), layer, torch.nn.Linear(2, 1))
    >>> model(torch.zeros(8, 4)).shape
    torch.Size([8, 1])
    """

    def __init__(
        self,
        circuit: Circuit,
        operators: PauliSum | Sequence[PauliSum],
        *,
        weights: Any = None,
        generator: torch.Generator | None = None,
        noise: Noise | None = None,
        shots: int | None = None,
        gradient: GradientMethod = "auto",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        self.circuit = circuit.copy()
        self.operators, _ = measured.check(operators, circuit.num_qubits)
        self.noise, self.shots, self.gradient, self.generator = noise, shots, gradient, generator
        count = len(circuit.weights)
        if weights is None:
            if generator is None and count:
                raise InvalidInput(
                    f"quantum layer: start values for its {count} weights, or a generator to draw them, are needed"
                )
            weights = (torch.rand(count, generator=generator, dtype=dtype) * 2 - 1) * math.pi
        weights = torch.as_tensor(weights, dtype=dtype)
        if weights.shape != (count,):
            raise InvalidInput(f"quantum layer: weights of shape {tuple(weights.shape)}; the circuit has {count}")
        self.weights = torch.nn.Parameter(weights.detach().clone())
        self._name = operator.register(self)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._name = operator.register(self)

    def forward(self, inputs: torch.Tensor | None = None) -> torch.Tensor:
        """Expectation values ``[..., m]`` for inputs ``[..., number of inputs]``."""
        if torch.compiler.is_compiling() and self.shots is None:  # shots draw: such a layer stays outside the graph
            result: torch.Tensor = operator.values(self.weights, inputs, self._name)
            return result
        return self.values(self.weights, inputs)

    def values(self, weights: torch.Tensor, inputs: torch.Tensor | None) -> torch.Tensor:
        """`forward` with other weights, ``[..., number of weights]``; leading shapes broadcast."""
        return expectation(
            self.circuit,
            self.operators,
            weights,
            inputs,
            noise=self.noise,
            shots=self.shots,
            gradient=self.gradient,
            dtype=self.weights.dtype,
            generator=self.generator,
        )

    def extra_repr(self) -> str:
        """Sizes, for printing."""
        c = self.circuit
        return f"qubits={c.num_qubits}, inputs={len(c.inputs)}, weights={len(c.weights)}, outputs={len(self.operators)}"

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
    copies
        Circuits side by side, each with weights of its own: inputs and values are then ``[..., copies, *]``. None: one circuit.
    weights
        Start values ``[number of weights]``, or ``[copies, number of weights]``; by default uniform in [-pi, pi) from ``generator``.
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
        copies: int | None = None,
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
        if copies is not None and copies < 1:
            raise InvalidInput(f"quantum layer: {copies} copies; at least 1 is needed")
        shape = (len(circuit.weights),) if copies is None else (copies, len(circuit.weights))
        if weights is None:
            if generator is None and circuit.weights:
                raise InvalidInput(
                    f"quantum layer: start values for its {math.prod(shape)} weights, or a generator to draw them, are needed"
                )
            weights = (torch.rand(shape, generator=generator, dtype=dtype) * 2 - 1) * math.pi
        weights = torch.as_tensor(weights, dtype=dtype)
        if weights.shape != shape:
            needed = f"the circuit has {shape[-1]}" + ("" if copies is None else f", and there are {copies} copies")
            raise InvalidInput(f"quantum layer: weights of shape {tuple(weights.shape)}; {needed}")
        self.weights = torch.nn.Parameter(weights.detach().clone())
        self._name = operator.register(self)

    def __getstate__(self) -> dict[str, Any]:
        # The generator by its state: torch's own way of sending one to a worker process that is spawned fails.
        drawn = None if self.generator is None else self.generator.get_state().numpy()
        return {**self.__dict__, "generator": drawn}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if state["generator"] is not None:
            self.generator = torch.Generator()
            self.generator.set_state(torch.from_numpy(state["generator"]))
        self._name = operator.register(self)

    def forward(self, inputs: torch.Tensor | None = None, *, shots: int | None = None) -> torch.Tensor:
        """Expectation values ``[..., m]`` for inputs ``[..., number of inputs]``; with ``shots`` from that many instead of the layer's."""
        if torch.compiler.is_compiling() and shots is None and self.shots is None:
            # Shots draw: a layer with them stays outside the graph.
            result: torch.Tensor = operator.values(self.weights, inputs, self._name)
            return result
        return self.values(self.weights, inputs, shots=shots)

    def values(self, weights: torch.Tensor, inputs: torch.Tensor | None, *, shots: int | None = None) -> torch.Tensor:
        """`forward` with other weights, ``[..., number of weights]``; leading shapes broadcast."""
        return expectation(
            self.circuit,
            self.operators,
            weights,
            inputs,
            noise=self.noise,
            shots=self.shots if shots is None else shots,
            gradient=self.gradient,
            dtype=self.weights.dtype,
            generator=self.generator,
        )

    def bound(self, copy: int | None = None) -> Circuit:
        """The circuit with the layer's weights in it, of one of several copies."""
        of = self.weights if copy is None else self.weights[copy]
        return self.circuit.bind(dict(zip(self.circuit.weights, of.detach().double().tolist(), strict=True)))

    def extra_repr(self) -> str:
        """Sizes, for printing."""
        c = self.circuit
        copies = "" if self.weights.ndim == 1 else f"copies={len(self.weights)}, "
        return f"{copies}qubits={c.num_qubits}, inputs={len(c.inputs)}, weights={len(c.weights)}, outputs={len(self.operators)}"

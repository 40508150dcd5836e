"""Several small circuits side by side in place of a wide one, as a layer of any torch model (Senokosov et al. 2023, arXiv:2304.09224).

Features q j ... q j + q - 1 turn the qubits of circuit j, whose own angles are trained:

    x_j -> Π_i R_X(x_ji) |0>  ->  repetitions of {R_Z, R_Y, R_Z on each qubit, ring of CNOTs}  ->  <P_0>, ..., <P_(q-1)>

Circuits of q qubits cost c 2^q where one of all features costs 2^(c q), and have no barren plateau of a wide register. Circuits and samples
are one batch of the simulator: one call a step.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch

from bitket.algebra import PauliSum
from bitket.errors import InvalidInput
from bitket.quantum.circuits import Circuit, angle_encoding, strongly_entangling_layers
from bitket.quantum.simulation import QuantumLayer

__all__ = ["Axis", "ParallelQuantumLayer", "single_qubit_observables", "turned_by"]

Axis = Literal["x", "y"]
_MOST_QUBITS = 16  # of one circuit


class ParallelQuantumLayer(torch.nn.Module):
    """From ``[..., circuits · qubits]`` features to as many expectation values.

    Parameters
    ----------
    circuits, qubits
        How many circuits, and features (and qubits) of each.
    repetitions
        Layers of trained rotations, 3 angles a qubit, and CNOTs.
    embedding
        Axis of the rotations by the features: ``"x"`` or ``"y"``.
    observable
        Letter that each qubit is measured in.
    ranges
        Distance of control and target in the CNOT ring of each repetition; None: 1 in all.
    factor
        Angle of a feature of 1, in radians.
    shots
        Shots for each circuit and sample, in training by parameter shifts; None for exact values.
    generator
        Source of the first angles, uniform over the circle, and of shots.
    dtype, device
        Precision and place.

    Examples
    --------
    >>> layer = ParallelQuantumLayer(circuits=4, qubits=5, generator=torch.Generator().manual_seed(0))
    >>> layer(torch.zeros(8, 20)).shape, sum(p.numel() for p in layer.parameters())
    (torch.Size([8, 20]), 180)
    """

    def __init__(
        self,
        circuits: int = 4,
        qubits: int = 5,
        repetitions: int = 3,
        *,
        embedding: Axis = "x",
        observable: Literal["X", "Y", "Z"] = "Y",
        ranges: Sequence[int] | None = None,
        factor: float = 1.0,
        shots: int | None = None,
        generator: torch.Generator,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> None:
        super().__init__()
        if circuits < 1 or not 1 <= qubits <= _MOST_QUBITS or repetitions < 0:
            raise InvalidInput(
                f"parallel layer of {circuits} circuits of {qubits} qubits with {repetitions} repetitions; at least 1 circuit, 1 to "
                f"{_MOST_QUBITS} qubits and 0 repetitions are needed"
            )
        if ranges is None:
            ranges = [1] * repetitions if qubits > 1 else None
        body = strongly_entangling_layers(qubits, repetitions, ranges=ranges)
        self.layer = QuantumLayer(
            turned_by(embedding, qubits).compose(body),
            single_qubit_observables(observable, qubits),
            copies=circuits,
            shots=shots,
            generator=generator,
            dtype=dtype,
        ).to(device)
        self.circuits, self.qubits, self.factor = circuits, qubits, factor

    def forward(self, inputs: torch.Tensor, *, shots: int | None = None) -> torch.Tensor:
        """Expectation values ``[..., circuits · qubits]``, in the order of the features; exact, or from ``shots``.

        Raises
        ------
        InvalidInput
            Another number of features.
        """
        width = self.circuits * self.qubits
        if inputs.ndim < 1 or inputs.shape[-1] != width:
            raise InvalidInput(f"parallel layer: inputs of shape {tuple(inputs.shape)}; [..., {width}] is needed")
        angles = inputs.unflatten(-1, (self.circuits, self.qubits))
        angles = angles if self.factor == 1 else self.factor * angles
        return torch.flatten(self.layer(angles, shots=shots), -2)

    def circuit(self, j: int) -> Circuit:
        """Circuit j with its trained angles; its inputs are the angles of the features, in radians."""
        if not 0 <= j < self.circuits:
            raise InvalidInput(f"parallel layer: circuit {j}; there are {self.circuits}, from 0")
        return self.layer.bound(j)

    def extra_repr(self) -> str:
        """Sizes, for printing."""
        return f"circuits={self.circuits}, qubits={self.qubits}"


def turned_by(axis: str, qubits: int) -> Circuit:
    """`angle_encoding` about the axis x or y."""
    if axis not in ("x", "y"):
        raise InvalidInput(f"embedding {axis!r}; 'x' or 'y' is needed")
    return angle_encoding(qubits, f"r{axis}")


def single_qubit_observables(letter: str, qubits: int) -> list[PauliSum]:
    """The letter on each qubit, one after another."""
    if letter not in ("X", "Y", "Z"):
        raise InvalidInput(f"observable {letter!r}; 'X', 'Y' or 'Z' is needed")
    return [PauliSum.from_sparse([(letter, [q], 1.0)], qubits) for q in range(qubits)]

"""A trained circuit slides over an image as a convolution does and lowers its resolution (Senokosov et al. 2023, arXiv:2304.09224).

Each patch of k x k pixels turns one qubit a pixel; trained layers follow, and qubit i gives channel i of the output at the patch's place:

    Π_i R_X(φ p_i) |0>  ->  layers of {R_Y(θ) on each qubit, ring of CNOTs}  ->  <Z_i>

All patches of all images are one batch of the simulator, in which the trained angles are shared.
"""

from __future__ import annotations

import math

import torch

from bitket.errors import InvalidInput
from bitket.quantum.circuits import Circuit, two_local
from bitket.quantum.learning.parallel import Axis, single_qubit_observables, turned_by
from bitket.quantum.simulation import QuantumLayer

__all__ = ["Quanvolution2d"]

_MOST_QUBITS = 16


class Quanvolution2d(torch.nn.Module):
    """From images ``[B, c, h, w]`` to ``[B, c k², (h - k)//stride + 1, (w - k)//stride + 1]``.

    Parameters
    ----------
    in_channels, kernel, stride
        Channels of the images, side k of a patch and distance of patches, in pixels. A patch needs c k² qubits, 16 at most.
    layers
        Of one rotation about y a qubit and a CNOT ring.
    embedding
        Axis of the rotations by the pixels: ``"x"`` or ``"y"``.
    factor
        φ, the angle of a pixel of 1, in radians.
    shots
        Shots for each patch, in training by parameter shifts; None for exact values.
    generator
        Source of the first angles, uniform over the circle, and of shots.
    dtype, device
        Precision and place.

    Examples
    --------
    >>> layer = Quanvolution2d(generator=torch.Generator().manual_seed(0))
    >>> layer(torch.zeros(8, 1, 14, 14)).shape, sum(p.numel() for p in layer.parameters())
    (torch.Size([8, 4, 7, 7]), 16)
    """

    def __init__(
        self,
        in_channels: int = 1,
        kernel: int = 2,
        stride: int = 2,
        layers: int = 4,
        *,
        embedding: Axis = "x",
        factor: float = math.pi,
        shots: int | None = None,
        generator: torch.Generator,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> None:
        super().__init__()
        qubits = in_channels * kernel**2
        if min(in_channels, kernel, stride) < 1 or layers < 0 or qubits > _MOST_QUBITS:
            raise InvalidInput(
                f"quanvolution of {in_channels} channels, kernel {kernel}, stride {stride} and {layers} layers; all positive, and at most "
                f"{_MOST_QUBITS} pixels (one qubit each) in a patch of all channels, are needed"
            )
        ring = [(q, (q + 1) % qubits) for q in range(qubits)] if qubits > 1 else []
        body = two_local(qubits, "ry", "cx" if ring else (), reps=layers, entanglement=ring, final_rotation=False)
        self.layer = QuantumLayer(
            turned_by(embedding, qubits).compose(body),
            single_qubit_observables("Z", qubits),
            shots=shots,
            generator=generator,
            dtype=dtype,
        ).to(device)
        self.in_channels, self.kernel, self.stride, self.factor = in_channels, kernel, stride, factor

    def forward(self, images: torch.Tensor, *, shots: int | None = None) -> torch.Tensor:
        """Channels of expectation values, exact or from ``shots``.

        Raises
        ------
        InvalidInput
            Another number of axes or channels, or images smaller than a patch.
        """
        if images.ndim != 4 or images.shape[1] != self.in_channels or min(images.shape[2:]) < self.kernel:
            raise InvalidInput(
                f"quanvolution: images of shape {tuple(images.shape)}; [B, {self.in_channels}, h, w] with h and w of at least "
                f"{self.kernel} is needed"
            )
        k = self.kernel
        patches = images.unfold(2, k, self.stride).unfold(3, k, self.stride)  # [B, c, h', w', k, k]
        angles = self.factor * patches.permute(0, 2, 3, 1, 4, 5).flatten(3)
        return self.layer(angles, shots=shots).permute(0, 3, 1, 2)

    def circuit(self) -> Circuit:
        """The circuit of a patch with its trained angles; its inputs are the angles of the pixels, channel by channel and row by row."""
        return self.layer.bound()

    def extra_repr(self) -> str:
        """Sizes, for printing."""
        return f"in_channels={self.in_channels}, kernel={self.kernel}, stride={self.stride}"
